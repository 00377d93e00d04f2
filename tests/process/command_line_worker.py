"""A worker for test_command_line.py, and a replayer, both with the official Python SDK.

command_line_worker.py ADDRESS          polls the task queue "cli"
command_line_worker.py replay FILE      replays a history that was printed as JSON
"""

import asyncio
import sys
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHistory
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer, Worker


@activity.defn
async def greet(name: str) -> str:
    return f"Hello {name}"


@activity.defn
async def unlucky(reason: str) -> None:
    raise ApplicationError("bad luck", {"why": reason}, type="Luck", non_retryable=True)


@activity.defn
async def outside() -> None:
    activity.raise_complete_async()


@workflow.defn
class Greeting:
    @workflow.run
    async def run(self, name: str) -> dict:
        text = await workflow.execute_activity(greet, name, start_to_close_timeout=timedelta(seconds=30))
        return {"text": text, "list": [1, 2.5, None]}


@workflow.defn
class Unlucky:
    @workflow.run
    async def run(self) -> None:
        await workflow.execute_activity(unlucky, "rain", start_to_close_timeout=timedelta(seconds=30))


@workflow.defn
class Basket:
    def __init__(self) -> None:
        self.items: list[str] = []
        self.is_closed = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.is_closed)
        return ",".join(self.items)

    @workflow.signal
    def put(self, item: str) -> None:
        self.items.append(item)

    @workflow.signal
    def close(self) -> None:
        self.is_closed = True

    @workflow.query
    def content(self) -> list[str]:
        return self.items

    @workflow.update
    async def add(self, item: str) -> int:
        self.items.append(item)
        return len(self.items)

    @add.validator
    def check_add(self, item: str) -> None:
        if not item:
            raise ValueError("nothing to add")


@workflow.defn
class Outside:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_activity(
            "outside", start_to_close_timeout=timedelta(seconds=600), result_type=str
        )


@workflow.defn
class Again:
    @workflow.run
    async def run(self, left: int) -> str:
        if left:
            workflow.continue_as_new(left - 1)
        return "end"


WORKFLOWS = [Greeting, Unlucky, Basket, Outside, Again]


async def work(address):
    client = await Client.connect(address)
    async with Worker(client, task_queue="cli", workflows=WORKFLOWS, activities=[greet, unlucky, outside]):
        print("worker is ready", flush=True)
        await asyncio.Event().wait()


async def replay(path):
    with open(path, encoding="utf-8") as f:
        history = WorkflowHistory.from_json("replayed", f.read())
    await Replayer(workflows=WORKFLOWS).replay_workflow(history)
    print(f"replayed {len(history.events)} events")


if __name__ == "__main__":
    asyncio.run(replay(sys.argv[2]) if sys.argv[1] == "replay" else work(sys.argv[1]))
