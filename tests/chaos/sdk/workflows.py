"""The workflows and activities of the mixed load: everything that a kill may disturb, in a few seconds of one run.

Mixed   activities (one that fails first, one with heartbeats, one that may run once only, a local one), a timer, a child
        that it signals, signals in order, updates (one of three is refused by its validator)
Child   waits for its parent's signal
Chain   continues as new twice, each time after a signal-free activity
"""

import asyncio
import os
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError

SHORT = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=1))


@dataclass
class Plan:
    number: int
    signals: int
    updates: int
    timer_ms: int


def note_once(name: str) -> None:
    """One line per execution, whole even if the process is killed: what must not run twice is counted from it."""
    path = os.environ["CHAOS_ONCE_LOG"]
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(fd, f"{name}\n".encode())
    os.close(fd)


@activity.defn(name="work")
async def work(what: str) -> str:
    info = activity.info()
    if what.startswith("flaky") and info.attempt == 1:
        raise ApplicationError("the first attempt fails")
    return f"{info.workflow_id}/{what}"


@activity.defn(name="beat")
async def beat(steps: int) -> int:
    """Goes on where the attempt before it stopped."""
    done = activity.info().heartbeat_details
    step = int(done[0]) if done else 0
    while step < steps:
        await asyncio.sleep(0.1)
        step += 1
        activity.heartbeat(step)
    return step


@activity.defn(name="once")
async def once() -> str:
    note_once(activity.info().workflow_id)
    await asyncio.sleep(0.05)
    return "ran"


@workflow.defn(name="Child")
class Child:
    def __init__(self) -> None:
        self.told: list[int] = []

    @workflow.run
    async def run(self, name: str) -> list:
        await workflow.wait_condition(lambda: bool(self.told))
        text = await workflow.execute_activity(
            work, "child", start_to_close_timeout=timedelta(seconds=4), retry_policy=SHORT
        )
        return [name, self.told, text]

    @workflow.signal
    def go(self, number: int) -> None:
        self.told.append(number)


@workflow.defn(name="Chain")
class Chain:
    @workflow.run
    async def run(self, left: int) -> str:
        text = await workflow.execute_activity(
            work, f"chain{left}", start_to_close_timeout=timedelta(seconds=4), retry_policy=SHORT
        )
        if left:
            workflow.continue_as_new(left - 1)
        return text


@workflow.defn(name="Mixed")
class Mixed:
    def __init__(self) -> None:
        self.signals: list[int] = []
        self.updates: list[int] = []

    @workflow.signal
    def number(self, value: int) -> None:
        self.signals.append(value)

    @workflow.update
    async def add(self, value: int) -> int:
        self.updates.append(value)
        await workflow.execute_activity(
            work, f"update{value}", start_to_close_timeout=timedelta(seconds=4), retry_policy=SHORT
        )
        return value * 10

    @add.validator
    def check(self, value: int) -> None:
        if value < 0:
            raise ValueError("not negative")

    @workflow.run
    async def run(self, plan: Plan) -> dict:
        four = timedelta(seconds=4)
        first = await workflow.execute_activity(work, "flaky", start_to_close_timeout=four, retry_policy=SHORT)
        beats = workflow.start_activity(
            beat, 5, start_to_close_timeout=timedelta(seconds=20), heartbeat_timeout=timedelta(seconds=2), retry_policy=SHORT
        )
        single = workflow.start_activity(
            once, start_to_close_timeout=four, retry_policy=RetryPolicy(maximum_attempts=1)
        )
        child = await workflow.start_child_workflow(
            Child.run, workflow.info().workflow_id, id=f"{workflow.info().workflow_id}-child"
        )
        await workflow.sleep(timedelta(milliseconds=plan.timer_ms))
        await child.signal(Child.go, plan.number)
        try:
            ran = await single
        except ActivityError:
            ran = "lost"  # with its worker: it may not run again
        local = await workflow.execute_local_activity(work, "local", start_to_close_timeout=four, retry_policy=SHORT)
        result = await child
        await workflow.wait_condition(lambda: len(self.signals) >= plan.signals and len(self.updates) >= plan.updates)
        await workflow.wait_condition(workflow.all_handlers_finished)
        return {
            "first": first, "beats": await beats, "once": ran, "local": local, "child": result,
            "signals": self.signals, "updates": sorted(self.updates),
        }


WORKFLOWS = [Mixed, Child, Chain]
ACTIVITIES = [work, beat, once]
