#!/usr/bin/env python3
"""The client of the mixed load.

    client.py --addresses HOST:PORT,... --task-queue Q --prefix P --rate R --ledger FILE [--seconds S] [--patience S]

Starts R workflows per second until SIGTERM or --seconds, signals and updates each of them, and waits for all results.
Every call is sent again with the same ids until it is answered, so whatever was answered must be so: each answer is a
line of the ledger, which check.py compares with the histories. Exit status 1: something did not end within --patience
seconds after the last start, or a call was answered with what must not happen.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
import uuid
from collections import Counter
from datetime import timedelta

from temporalio.api.common.v1 import Payload, Payloads, WorkflowExecution, WorkflowType
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage as Stage
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.update.v1 import Input, Meta, Request, UpdateRef, WaitPolicy
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    PollWorkflowExecutionUpdateRequest,
    SignalWorkflowExecutionRequest,
    StartWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

TRANSIENT = {
    RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.RESOURCE_EXHAUSTED,
    RPCStatusCode.CANCELLED, RPCStatusCode.ABORTED,
}
SIGNALS, UPDATES = 4, 2


def payload(value) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(value).encode())


class Gone(Exception):
    """The service says that something which it had acknowledged is not there, or fails otherwise for good."""


class Load:
    def __init__(self, args) -> None:
        self.args = args
        self.clients: list[Client] = []
        self.ledger = open(args.ledger, "a", encoding="utf-8")
        self.errors: Counter = Counter()
        self.unsent = 0
        self.wrong: list[str] = []
        self.latest: dict[str, float] = {}
        self.stopping = asyncio.Event()

    def fact(self, workflow: str, **what) -> None:
        self.ledger.write(json.dumps({"id": workflow, **what}) + "\n")
        self.ledger.flush()

    async def connect(self) -> None:
        for address in self.args.addresses.split(","):
            while True:
                try:
                    self.clients.append(await Client.connect(address, lazy=False))
                    break
                except RuntimeError:
                    await asyncio.sleep(0.2)

    async def call(self, method: str, request, timeout: float = 10.0, turn: int = 0):
        """Until it is answered, at one frontend after the other. The SDK's own retries stay out of it."""
        began = time.monotonic()
        while True:
            service = self.clients[turn % len(self.clients)].workflow_service
            turn += 1
            try:
                answer = await getattr(service, method)(request, retry=False, timeout=timedelta(seconds=timeout))
                self.latest[method] = max(self.latest.get(method, 0), time.monotonic() - began)
                return answer
            except RPCError as e:
                # Its worker was killed several times in a row: to be tried again when one has completed a task.
                failing = e.status == RPCStatusCode.FAILED_PRECONDITION and "Workflow Task in failed state" in e.message
                transport = e.status in (RPCStatusCode.UNKNOWN, RPCStatusCode.INTERNAL) and (
                    "transport" in e.message or "h2 protocol" in e.message
                )
                if e.status not in TRANSIENT and not transport and not failing:
                    raise Gone(f"{method}: {e.status.name} {e.message}") from None
                if "operation was canceled" in e.message:
                    self.unsent += 1  # the SDK's HTTP library: its connection ended before it had sent the request
                    continue
                self.errors[f"{method} {e.status.name} {e.message[:60]}"] += 1
                await asyncio.sleep(0.1)

    async def start(self, id: str, type: str, *args) -> str:
        answer = await self.call("start_workflow_execution", StartWorkflowExecutionRequest(
            namespace="default", workflow_id=id, workflow_type=WorkflowType(name=type),
            task_queue=TaskQueue(name=self.args.task_queue), input=Payloads(payloads=[payload(a) for a in args]),
            request_id=f"start-{id}", identity="chaos",
        ), turn=hash(id))
        self.fact(id, fact="started", type=type, run=answer.run_id)
        return answer.run_id

    async def signals(self, id: str) -> None:
        for n in range(SIGNALS):
            await asyncio.sleep(0.15)
            await self.call("signal_workflow_execution", SignalWorkflowExecutionRequest(
                namespace="default", workflow_execution=WorkflowExecution(workflow_id=id), signal_name="number",
                input=Payloads(payloads=[payload(n)]), request_id=str(uuid.uuid4()), identity="chaos",
            ), turn=n)
            self.fact(id, fact="signal", value=n)

    async def update(self, id: str, run: str, value: int) -> None:
        update = f"{id}-update{value}"
        where = WorkflowExecution(workflow_id=id, run_id=run)
        accepted = Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_ACCEPTED
        while True:
            answer = await self.call("update_workflow_execution", UpdateWorkflowExecutionRequest(
                namespace="default", workflow_execution=where,
                wait_policy=WaitPolicy(lifecycle_stage=accepted),
                request=Request(
                    meta=Meta(update_id=update, identity="chaos"),
                    input=Input(name="add", args=Payloads(payloads=[payload(value)])),
                ),
            ), timeout=30, turn=value)
            if answer.stage >= accepted:
                break
        if value < 0:
            if not answer.outcome.HasField("failure"):
                raise Gone(f"{update}: was not refused")
            self.fact(id, fact="refused", value=value)
            return
        self.fact(id, fact="accepted", value=value)
        while not answer.HasField("outcome"):
            answer = await self.call("poll_workflow_execution_update", PollWorkflowExecutionUpdateRequest(
                namespace="default", update_ref=UpdateRef(workflow_execution=where, update_id=update),
                wait_policy=WaitPolicy(lifecycle_stage=Stage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED),
            ), timeout=30, turn=value + 1)
        result = json.loads(answer.outcome.success.payloads[0].data) if answer.outcome.HasField("success") else None
        if result != value * 10:
            raise Gone(f"{update}: outcome {answer.outcome}")
        self.fact(id, fact="completed", value=value)

    async def result(self, id: str, run: str) -> None:
        """Follows the chain by its close events, as a client's result() does."""
        token = b""
        while True:
            answer = await self.call("get_workflow_execution_history", GetWorkflowExecutionHistoryRequest(
                namespace="default", execution=WorkflowExecution(workflow_id=id, run_id=run), wait_new_event=True,
                history_event_filter_type=2, next_page_token=token,
            ), timeout=30, turn=hash(id) + 1)
            token = answer.next_page_token
            for event in answer.history.events:
                if event.HasField("workflow_execution_continued_as_new_event_attributes"):
                    run, token = event.workflow_execution_continued_as_new_event_attributes.new_execution_run_id, b""
                elif event.HasField("workflow_execution_completed_event_attributes"):
                    done = event.workflow_execution_completed_event_attributes
                    self.fact(id, fact="result", value=json.loads(done.result.payloads[0].data))
                    return
                else:
                    raise Gone(f"{id}: ended with event {event.event_type}")

    async def one(self, number: int) -> None:
        id = f"{self.args.prefix}-{number}"
        try:
            if number % 5 == 4:
                run = await self.start(id, "Chain", 2)
            else:
                plan = {"number": number, "signals": SIGNALS, "updates": UPDATES, "timer_ms": 200 + number % 7 * 150}
                run = await self.start(id, "Mixed", plan)
                if number % 3 == 0:
                    await self.update(id, run, -1)  # while the run waits for its signals
                await asyncio.gather(self.signals(id), *(self.update(id, run, v) for v in range(1, UPDATES + 1)))
            await self.result(id, run)
        except Gone as e:
            self.wrong.append(f"{id}: {e}")
            print(f"WRONG {id}: {e}", flush=True)

    async def main(self) -> int:
        await self.connect()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self.stopping.set)
        if self.args.seconds:
            loop.call_later(self.args.seconds, self.stopping.set)
        tasks, number = set(), 0
        while not self.stopping.is_set():
            tasks.add(asyncio.create_task(self.one(number)))
            number += 1
            tasks = {t for t in tasks if not t.done()}
            while len(tasks) >= self.args.most and not self.stopping.is_set():
                await asyncio.wait(tasks, timeout=0.2, return_when=asyncio.FIRST_COMPLETED)
                tasks = {t for t in tasks if not t.done()}
            try:
                await asyncio.wait_for(self.stopping.wait(), 1 / self.args.rate)
            except asyncio.TimeoutError:
                pass
        stuck = 0
        if tasks:
            _, pending = await asyncio.wait(tasks, timeout=self.args.patience)
            stuck = len(pending)
        worst = ", ".join(f"{m} {s:.2f} s" for m, s in sorted(self.latest.items()))
        print(f"{number} workflows, {stuck} not ended, {len(self.wrong)} wrong answers")
        print(f"failed attempts: {dict(self.errors)}; never sent: {self.unsent}")
        print(f"longest until answered: {worst}", flush=True)
        return 1 if stuck or self.wrong else 0


p = argparse.ArgumentParser(description=__doc__)
p.add_argument("--addresses", required=True)
p.add_argument("--task-queue", required=True)
p.add_argument("--prefix", required=True)
p.add_argument("--rate", type=float, default=2)
p.add_argument("--most", type=int, default=60, help="workflows under way at once")
p.add_argument("--ledger", required=True)
p.add_argument("--seconds", type=float)
p.add_argument("--patience", type=float, default=120)
status = asyncio.run(Load(p.parse_args()).main())
sys.stdout.flush()
os._exit(status)  # threads of the SDK's core do not always outlive the interpreter's end in peace
