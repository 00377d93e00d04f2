"""Workflow tasks: failures, replay, stickiness, code that changes, histories."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from support import RUNNER, event, events, eventually, fails_with, name_of, process, status, types
from temporalio import activity, workflow
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.client import WorkflowHistoryEventFilterType
from temporalio.exceptions import ApplicationError
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError
from test_children import Child, Parent
from test_signals import Collects, TidiesUp, tidy
from test_start import KEYWORD, Echo, Hello, attributes_registered, greet

counted: Counter = Counter()
SECONDS_10 = timedelta(seconds=10)


@activity.defn
async def count(key: str) -> int:
    counted[key] += 1
    return counted[key]


@workflow.defn(name="Repaired")
class Broken:
    @workflow.run
    async def run(self) -> str:
        raise RuntimeError("a mistake in the code")


@workflow.defn
class Repaired:
    @workflow.run
    async def run(self) -> str:
        return "repaired"


async def test_task_failure_retried(place):
    handle = await place.start(Repaired.run, task_timeout=timedelta(seconds=2))
    async with place.worker(Broken):
        failed = (await event(handle, "WORKFLOW_TASK_FAILED")).workflow_task_failed_event_attributes
        assert failed.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
        assert "a mistake in the code" in failed.failure.message
        assert await status(handle) == "RUNNING"
    async with place.worker(Repaired):
        assert await handle.result() == "repaired"


async def test_sticky_fallback(place):
    handle = await place.start(Collects.run, 2)
    async with process(place.queue, "test_signals:Collects") as child:
        await event(handle, "WORKFLOW_TASK_COMPLETED")
        child.kill()
        await child.wait()
    await handle.signal(Collects.value, 1)
    async with place.worker(Collects):
        await handle.signal(Collects.value, 2)
        assert await handle.result() == [1, 2]


@workflow.defn
class SeveralTasks:
    @workflow.run
    async def run(self) -> int:
        with workflow.unsafe.sandbox_unrestricted():
            if workflow.unsafe.is_replaying():
                counted[workflow.info().workflow_id] += 1
        total = 0
        for number in range(4):
            await workflow.sleep(0.01)
            total += number
        return total


async def test_no_cache(place):
    async with place.worker(SeveralTasks, max_cached_workflows=0):
        handle = await place.start(SeveralTasks.run)
        assert await handle.result() == 6
    assert (await types(handle)).count("WORKFLOW_TASK_COMPLETED") == 5
    scheduled = [e for e in await events(handle) if name_of(e) == "WORKFLOW_TASK_SCHEDULED"]
    assert {e.workflow_task_scheduled_event_attributes.task_queue.name for e in scheduled} == {place.queue}


@workflow.defn
class Remembers:
    @workflow.run
    async def run(self) -> list:
        key = workflow.info().workflow_id
        before = str(workflow.uuid4())
        first = await workflow.execute_local_activity(count, key, start_to_close_timeout=SECONDS_10)
        await workflow.sleep(0.01)
        second = await workflow.execute_local_activity(count, key, start_to_close_timeout=SECONDS_10)
        await workflow.sleep(0.01)
        return [first, second, before]


async def test_side_effects_and_local_activities(place):
    async with place.worker(Remembers, activities=[count], max_cached_workflows=0):
        handle = await place.start(Remembers.run)
        first, second, _ = await handle.result()
    assert (first, second) == (1, 2)
    assert counted[handle.id] == 2
    assert (await types(handle)).count("MARKER_RECORDED") == 2
    await Replayer(workflows=[Remembers], workflow_runner=RUNNER).replay_workflow(await handle.fetch_history())


@workflow.defn(name="Evolves")
class Before:
    def __init__(self) -> None:
        self.go = False

    @workflow.run
    async def run(self) -> str:
        await workflow.wait_condition(lambda: self.go)
        return "old"

    @workflow.signal
    def on(self) -> None:
        self.go = True


@workflow.defn(name="Evolves")
class Evolves:
    def __init__(self) -> None:
        self.go = False

    @workflow.run
    async def run(self) -> str:
        new = workflow.patched("says-new")
        if new:
            await workflow.sleep(0.01)
        await workflow.wait_condition(lambda: self.go)
        return "new" if new else "old"

    @workflow.signal
    def on(self) -> None:
        self.go = True


async def test_versioning_patch(place):
    old = await place.start(Evolves.run)
    async with place.worker(Before):
        await event(old, "WORKFLOW_TASK_COMPLETED")
    async with place.worker(Evolves):
        new = await place.start(Evolves.run)
        await event(new, "TIMER_FIRED")
    async with place.worker(Evolves, max_cached_workflows=0):
        await old.signal("on")
        await new.signal("on")
        assert await old.result() == "old"
        assert await new.result() == "new"
    replayer = Replayer(workflows=[Evolves], workflow_runner=RUNNER)
    for handle in old, new:
        await replayer.replay_workflow(await handle.fetch_history())


@workflow.defn
class Busy:
    """Some of everything."""

    @workflow.run
    async def run(self) -> list:
        here = workflow.info().workflow_id
        return [
            await workflow.execute_activity(greet, "you", start_to_close_timeout=SECONDS_10),
            await workflow.execute_local_activity(count, here, start_to_close_timeout=SECONDS_10),
            await workflow.execute_child_workflow(Child.run, "busy", id=f"{here}/child"),
            *await asyncio.gather(*(self.step(n) for n in range(5))),
        ]

    async def step(self, number: int) -> int:
        await workflow.sleep(0.01 * number)
        return number


async def test_replay(place):
    replayer = Replayer(
        workflows=[Busy, Child, Parent, Collects, TidiesUp, Echo, Hello], workflow_runner=RUNNER
    )
    workflows = (Busy, Child, Parent, Collects, TidiesUp, Echo, Hello)
    async with place.worker(*workflows, activities=[greet, count, tidy]):
        signalled = await place.start(Collects.run, 3)
        cancelled = await place.start(TidiesUp.run)
        others = [
            await place.start(Busy.run),
            await place.start(Parent.run, "hello"),
            await place.start(Parent.run, "fail"),
            await place.start(Hello.run, "x"),
            await place.start(Echo.run, "y"),
        ]
        for number in range(3):
            await signalled.signal(Collects.value, number)
        await event(cancelled, "TIMER_STARTED")
        open_one = await place.start(Collects.run, 1)
        await event(open_one, "WORKFLOW_TASK_COMPLETED")
        await cancelled.cancel()
        await asyncio.gather(*(h.result() for h in (signalled, cancelled, *others)), return_exceptions=True)
    for handle in (signalled, cancelled, open_one, *others):
        result = await replayer.replay_workflow(await handle.fetch_history())
        assert result.replay_failure is None


@workflow.defn(name="Hello")
class ChangedHello:
    @workflow.run
    async def run(self, name: str) -> str:
        await workflow.sleep(1)
        return await workflow.execute_activity(greet, name, start_to_close_timeout=SECONDS_10)


@workflow.defn(name="Collects")
class ChangedCollects(Collects):
    @workflow.run
    async def run(self, wanted: int) -> list[int]:
        await workflow.execute_activity(greet, "x", start_to_close_timeout=SECONDS_10)
        return []


@workflow.defn(name="Collects")
class TimedCollects(Collects):
    @workflow.run
    async def run(self, wanted: int) -> list[int]:
        await workflow.sleep(0.01)
        await workflow.wait_condition(lambda: len(self.values) >= wanted)
        return self.values


async def test_non_determinism(place):
    async with place.worker(Hello, activities=[greet]):
        handle = await place.start(Hello.run, "x")
        await handle.result()
    with pytest.raises(NondeterminismError):
        await Replayer(workflows=[ChangedHello], workflow_runner=RUNNER).replay_workflow(await handle.fetch_history())

    running = await place.start(Collects.run, 1, task_timeout=timedelta(seconds=2))
    async with place.worker(TimedCollects):
        await event(running, "TIMER_FIRED")
        await eventually("the task after the timer", lambda: two_tasks(running))
    async with place.worker(ChangedCollects, activities=[greet]):
        await running.signal(Collects.value, 3)
        failed = (await event(running, "WORKFLOW_TASK_FAILED")).workflow_task_failed_event_attributes
        assert failed.cause == WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_NON_DETERMINISTIC_ERROR
    async with place.worker(TimedCollects):
        assert await running.result() == [3]


async def two_tasks(handle) -> bool:
    return (await types(handle)).count("WORKFLOW_TASK_COMPLETED") >= 2


async def test_history_paging(place):
    handle = await place.start(Collects.run, 60)
    for number in range(60):
        await handle.signal(Collects.value, number)
    async with place.worker(Collects):
        await handle.result()
    whole = (await handle.fetch_history()).events
    pages = handle.fetch_history_events(page_size=7)
    paged, sizes = [], []
    while True:
        await pages.fetch_next_page()
        if pages.current_page is None:
            break
        paged += pages.current_page
        sizes.append(len(pages.current_page))
        if not pages.next_page_token:
            break
    assert paged == list(whole)
    assert [e.event_id for e in paged] == list(range(1, len(paged) + 1))
    assert len(sizes) > 5  # a page may be a little longer than asked for
    last = [
        e async for e in handle.fetch_history_events(event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT)
    ]
    assert [name_of(e) for e in last] == ["WORKFLOW_EXECUTION_COMPLETED"]


@workflow.defn
class Timers:
    @workflow.run
    async def run(self) -> float:
        begin = workflow.time()
        other = asyncio.create_task(asyncio.sleep(3600))
        await workflow.sleep(0.7)
        other.cancel()
        return workflow.time() - begin


async def test_timer(place):
    async with place.worker(Timers):
        handle = await place.start(Timers.run)
        assert 0.7 <= await handle.result() < 10
    seen = await types(handle)
    assert [seen.count(t) for t in ("TIMER_STARTED", "TIMER_FIRED", "TIMER_CANCELED")] == [2, 1, 1]


signal_sent: dict[str, asyncio.Event] = {}


@activity.defn
async def hold() -> None:
    """Holds the workflow task in which it runs as a local activity, until the test has sent its signal."""
    await asyncio.wait_for(signal_sent[activity.info().workflow_id].wait(), 8)


@workflow.defn
class ClosesAtOnce:
    def __init__(self) -> None:
        self.values: list[int] = []

    @workflow.run
    async def run(self) -> list[int]:
        await workflow.execute_local_activity(hold, start_to_close_timeout=SECONDS_10)
        return self.values

    @workflow.signal
    def value(self, value: int) -> None:
        self.values.append(value)


async def test_unhandled_command(place):
    handle_id = place.id()
    signal_sent[handle_id] = asyncio.Event()
    async with place.worker(ClosesAtOnce, activities=[hold]):
        handle = await place.start(ClosesAtOnce.run, id=handle_id)
        await event(handle, "WORKFLOW_TASK_STARTED")
        await handle.signal(ClosesAtOnce.value, 5)
        signal_sent[handle_id].set()
        assert await handle.result() == [5]
    failed = [e for e in await events(handle) if name_of(e) == "WORKFLOW_TASK_FAILED"]
    assert [e.workflow_task_failed_event_attributes.cause for e in failed] == [
        WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
    ]


@workflow.defn
class Notes:
    @workflow.run
    async def run(self) -> str:
        workflow.upsert_memo({"kept": "changed", "new": [1, 2], "dropped": None})
        await workflow.sleep(0.01)
        return workflow.memo_value("kept")


async def test_upsert_memo(place):
    async with place.worker(Notes):
        handle = await place.start(Notes.run, memo={"kept": "first", "dropped": 1, "same": True})
        assert await handle.result() == "changed"
    assert await (await handle.describe()).memo() == {"kept": "changed", "new": [1, 2], "same": True}


@workflow.defn
class Paints:
    @workflow.run
    async def run(self) -> str:
        workflow.upsert_search_attributes([KEYWORD.value_set("red")])
        await workflow.sleep(0.01)
        return workflow.info().typed_search_attributes[KEYWORD]


async def test_upsert_search_attributes(place):
    await attributes_registered(place.client)
    async with place.worker(Paints):
        handle = await place.start(Paints.run)
        assert await handle.result() == "red"
    assert (await handle.describe()).typed_search_attributes[KEYWORD] == "red"
