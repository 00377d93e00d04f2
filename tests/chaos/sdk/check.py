#!/usr/bin/env python3
"""Compares every history of the mixed load with its ledger, by rules of its own.

    check.py --addresses HOST:PORT --ledger FILE... [--once-log FILE] [--replay N]

Of each workflow of the ledgers, its children and its chain: ids without gaps, one start, one end and
nothing after it; workflow tasks, activities, timers and children scheduled, started and ended in turn, once each and never
earlier than what they follow; no timer before its time; each acknowledged signal once and in order; each accepted update accepted once and completed
once with its value, none that was refused; the result as acknowledged. N histories (20) are also run through the SDK's
replayer. Prints what is wrong and a last line; exit status 1 if anything is.
"""

import argparse
import asyncio
import json
import os
import sys
from collections import Counter, defaultdict
from datetime import timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest
from temporalio.client import Client, WorkflowHistory
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner
from workflows import WORKFLOWS

CLOSING = {"WORKFLOW_EXECUTION_COMPLETED", "WORKFLOW_EXECUTION_CONTINUED_AS_NEW"}


def attributes(event):
    return getattr(event, event.WhichOneof("attributes"))


def decoded(payloads):
    return [json.loads(p.data) for p in payloads.payloads]


class Machine:
    """One kind of thing in a history: opened by one event, perhaps started, ended by exactly one."""

    def __init__(self, what: str) -> None:
        self.what, self.state, self.times, self.wrong = what, {}, {}, []

    def move(self, key, allowed, to, event) -> None:
        if self.state.get(key) not in allowed:
            self.wrong.append(f"{self.what} {key}: event {event.event_id} {to} after {self.state.get(key)}")
        self.state[key] = to
        time = event.event_time.ToDatetime()
        if time < self.times.get(key, time):
            self.wrong.append(f"{self.what} {key}: event {event.event_id} {to} earlier than what it follows")
        self.times[key] = time


class History:
    def __init__(self, id: str, events) -> None:
        self.id, self.events, self.wrong = id, events, []
        self.signals, self.accepted, self.completed = [], [], []
        self.result = self.next_run = None
        self.activities = 0
        self.check()

    def say(self, text: str) -> None:
        self.wrong.append(f"{self.id}: {text}")

    def check(self) -> None:
        task, activity = Machine("workflow task"), Machine("activity")
        timer, child, external = Machine("timer"), Machine("child"), Machine("external signal")
        due, updates = {}, {}
        for i, e in enumerate(self.events):
            kind, a, time = EventType.Name(e.event_type)[len("EVENT_TYPE_"):], attributes(e), e.event_time.ToDatetime()
            if e.event_id != i + 1:
                return self.say(f"event {i + 1} has id {e.event_id}")
            if (kind == "WORKFLOW_EXECUTION_STARTED") != (i == 0):
                self.say(f"event {e.event_id}: {kind}")
            if kind in CLOSING and i + 1 != len(self.events):
                self.say(f"events after {kind}")
            if kind == "WORKFLOW_TASK_SCHEDULED":
                if "scheduled" in task.state.values() or "started" in task.state.values():
                    self.say(f"event {e.event_id}: two workflow tasks at once")
                task.move(e.event_id, {None}, "scheduled", e)
            elif kind == "WORKFLOW_TASK_STARTED":
                task.move(a.scheduled_event_id, {"scheduled"}, "started", e)
            elif kind in ("WORKFLOW_TASK_COMPLETED", "WORKFLOW_TASK_FAILED"):
                task.move(a.scheduled_event_id, {"started"}, "ended", e)
            elif kind == "WORKFLOW_TASK_TIMED_OUT":
                task.move(a.scheduled_event_id, {"scheduled", "started"}, "ended", e)
            elif kind == "ACTIVITY_TASK_SCHEDULED":
                activity.move(e.event_id, {None}, "scheduled", e)
                self.activities += 1
            elif kind == "ACTIVITY_TASK_STARTED":
                activity.move(a.scheduled_event_id, {"scheduled"}, "started", e)
            elif kind == "ACTIVITY_TASK_COMPLETED":
                activity.move(a.scheduled_event_id, {"started"}, "completed", e)
            elif kind in ("ACTIVITY_TASK_FAILED", "ACTIVITY_TASK_TIMED_OUT"):
                activity.move(a.scheduled_event_id, {"scheduled", "started"}, "failed", e)
            elif kind == "TIMER_STARTED":
                timer.move(e.event_id, {None}, "started", e)
                due[e.event_id] = time + a.start_to_fire_timeout.ToTimedelta()
            elif kind == "TIMER_FIRED":
                timer.move(a.started_event_id, {"started"}, "fired", e)
                if a.started_event_id in due and time + timedelta(milliseconds=1) < due[a.started_event_id]:
                    self.say(f"timer {a.started_event_id} fired {due[a.started_event_id] - time} too early")
            elif kind == "START_CHILD_WORKFLOW_EXECUTION_INITIATED":
                child.move(e.event_id, {None}, "initiated", e)
            elif kind == "CHILD_WORKFLOW_EXECUTION_STARTED":
                child.move(a.initiated_event_id, {"initiated"}, "started", e)
            elif kind == "CHILD_WORKFLOW_EXECUTION_COMPLETED":
                child.move(a.initiated_event_id, {"started"}, "completed", e)
            elif kind == "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED":
                external.move(e.event_id, {None}, "initiated", e)
            elif kind == "EXTERNAL_WORKFLOW_EXECUTION_SIGNALED":
                external.move(a.initiated_event_id, {"initiated"}, "signaled", e)
            elif kind == "WORKFLOW_EXECUTION_SIGNALED":
                self.signals += decoded(a.input)
            elif kind == "WORKFLOW_EXECUTION_UPDATE_ACCEPTED":
                updates[e.event_id] = decoded(a.accepted_request.input.args)[0]
                self.accepted.append(updates[e.event_id])
            elif kind == "WORKFLOW_EXECUTION_UPDATE_COMPLETED":
                value = updates.get(a.accepted_event_id)
                self.completed.append(value)
                if not a.outcome.HasField("success") or decoded(a.outcome.success) != [value * 10]:
                    self.say(f"update {value} completed with {a.outcome}")
            elif kind == "WORKFLOW_EXECUTION_COMPLETED":
                self.result = decoded(a.result)[0]
            elif kind == "WORKFLOW_EXECUTION_CONTINUED_AS_NEW":
                self.next_run = a.new_execution_run_id
            elif kind not in ("WORKFLOW_EXECUTION_STARTED", "MARKER_RECORDED"):
                self.say(f"event {e.event_id} is a {kind}")
        if not self.events or kind not in CLOSING:
            self.say(f"is not closed: {kind if self.events else 'no events'}")
        for machine, ended in (
            (task, {"ended"}), (activity, {"completed", "failed"}), (timer, {"fired"}), (child, {"completed"}),
            (external, {"signaled"}),
        ):
            for text in machine.wrong:
                self.say(text)
            for key, state in machine.state.items():
                if state not in ended:
                    self.say(f"{machine.what} {key} was left {state}")


class Checker:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.wrong: list[str] = []
        self.counts: Counter = Counter()
        self.kept: list[WorkflowHistory] = []

    async def read(self, id: str, run: str):
        events, token = [], b""
        while True:
            for attempt in range(30):
                try:
                    answer = await self.client.workflow_service.get_workflow_execution_history(
                        GetWorkflowExecutionHistoryRequest(
                            namespace="default", execution=WorkflowExecution(workflow_id=id, run_id=run),
                            next_page_token=token, maximum_page_size=25,
                        ), retry=True,
                    )
                    break
                except Exception:
                    if attempt == 29:
                        raise
                    await asyncio.sleep(0.5)
            events += answer.history.events
            token = answer.next_page_token
            if not token:
                return events

    async def history(self, id: str, run: str, keep: bool) -> History:
        try:
            events = await self.read(id, run)
        except Exception as e:
            self.wrong.append(f"{id} {run}: cannot be read: {e}")
            events = []
        h = History(id, events)
        self.wrong += h.wrong
        self.counts["histories"] += 1
        self.counts["events"] += len(events)
        self.counts["activities"] += h.activities
        self.counts["signals"] += len(h.signals)
        self.counts["updates"] += len(h.completed)
        if keep and events:
            self.kept.append(WorkflowHistory(id, events))
        return h

    async def mixed(self, id: str, facts: list, keep: bool) -> None:
        start = next(f for f in facts if f["fact"] == "started")
        h = await self.history(id, start["run"], keep)
        child = await self.history(f"{id}-child", "", keep)
        told = {kind: [f["value"] for f in facts if f["fact"] == kind] for kind in ("signal", "accepted", "completed")}
        if h.signals != told["signal"]:
            self.wrong.append(f"{id}: signals {h.signals}, acknowledged {told['signal']}")
        for kind, seen in (("accepted", h.accepted), ("completed", h.completed)):
            if sorted(seen) != sorted(told[kind]):
                self.wrong.append(f"{id}: updates {kind} {seen}, acknowledged {told[kind]}")
        results = [f["value"] for f in facts if f["fact"] == "result"]
        if results != [h.result]:
            self.wrong.append(f"{id}: result {h.result}, acknowledged {results}")
        elif h.result:
            r, number = h.result, int(id.rsplit("-", 1)[1])
            wanted = {
                "first": f"{id}/flaky", "beats": 5, "local": f"{id}/local", "signals": told["signal"],
                "updates": sorted(told["completed"]), "child": [id, [number], f"{id}-child/child"],
            }
            got = {k: v for k, v in r.items() if k != "once"}
            if got != wanted or r["once"] not in ("ran", "lost"):
                self.wrong.append(f"{id}: result {r}, wanted {wanted}")
            self.counts["once lost"] += r["once"] == "lost"
        if len(child.signals) != 1:
            self.wrong.append(f"{id}: its child was signalled {child.signals}")

    async def chain(self, id: str, facts: list, keep: bool) -> None:
        run, runs = next(f for f in facts if f["fact"] == "started")["run"], 0
        while run:
            h = await self.history(id, run, keep)
            run, runs = h.next_run, runs + 1
        if runs != 3 or h.result != f"{id}/chain0" or [f["value"] for f in facts if f["fact"] == "result"] != [h.result]:
            self.wrong.append(f"{id}: {runs} runs, result {h.result}")

    async def replay(self) -> None:
        replayer = Replayer(workflows=WORKFLOWS, workflow_runner=UnsandboxedWorkflowRunner())
        for history in self.kept:
            result = await replayer.replay_workflow(history, raise_on_replay_failure=False)
            self.counts["replayed"] += 1
            if result.replay_failure:
                self.wrong.append(f"{history.workflow_id}: replay: {result.replay_failure}")


async def main() -> int:
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--addresses", required=True)
    p.add_argument("--ledger", required=True, nargs="+")
    p.add_argument("--once-log")
    p.add_argument("--replay", type=int, default=20)
    args = p.parse_args()
    checker = Checker(await Client.connect(args.addresses.split(",")[0]))
    facts = defaultdict(list)
    for path in args.ledger:
        with open(path, encoding="utf-8") as f:
            for line in f:
                fact = json.loads(line)
                facts[fact["id"]].append(fact)
    every = max(1, len(facts) // max(1, args.replay))
    for i, (id, list_) in enumerate(facts.items()):
        type = next((f["type"] for f in list_ if f["fact"] == "started"), None)
        await getattr(checker, type.lower())(id, list_, args.replay > 0 and i % every == 0)
    await checker.replay()
    if args.once_log:
        try:
            with open(args.once_log, encoding="utf-8") as f:
                doubled = [id for id, n in Counter(f.read().split()).items() if n > 1]
        except FileNotFoundError:
            doubled = []
        checker.wrong += [f"{id}: an activity without retries ran more than once" for id in doubled]
    for text in checker.wrong[:50]:
        print(f"WRONG {text}")
    print(", ".join(f"{n} {what}" for what, n in checker.counts.items()))
    print(f"{len(facts)} workflows checked, {len(checker.wrong)} findings")
    return 1 if checker.wrong or not facts else 0


status = asyncio.run(main())
sys.stdout.flush()
os._exit(status)  # threads of the SDK's core do not always outlive the interpreter's end in peace
