"""Signals, cancellation and termination, from clients and from other workflows."""

import asyncio
from datetime import timedelta

import pytest
from support import RPCStatusCode, becomes, event, events, fails_with, name_of, refused, status, types
from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError


@workflow.defn
class Collects:
    """Completes with the values of its signals when there are as many as wanted."""

    def __init__(self) -> None:
        self.values: list[int] = []

    @workflow.run
    async def run(self, wanted: int) -> list[int]:
        await workflow.wait_condition(lambda: len(self.values) >= wanted)
        return self.values

    @workflow.signal
    def value(self, value: int) -> None:
        self.values.append(value)


async def test_signal_releases(place):
    async with place.worker(Collects):
        handle = await place.start(Collects.run, 1)
        await event(handle, "WORKFLOW_TASK_COMPLETED")
        await handle.signal(Collects.value, 7)
        assert await handle.result() == [7]


async def test_signal_before_worker(place):
    handle = await place.start(Collects.run, 1)
    await handle.signal(Collects.value, 8)
    async with place.worker(Collects):
        assert await handle.result() == [8]


async def test_signal_order(place):
    async with place.worker(Collects):
        handle = await place.start(Collects.run, 100)
        for number in range(100):
            await handle.signal(Collects.value, number)
        assert await handle.result() == list(range(100))


async def test_signal_unknown_workflow(place):
    handle = place.client.get_workflow_handle(place.id("nobody"))
    await refused(RPCStatusCode.NOT_FOUND, handle.signal(Collects.value, 1))


async def test_signal_closed_workflow(place):
    async with place.worker(Collects):
        handle = await place.start(Collects.run, 0)
        await handle.result()
        err = await refused(RPCStatusCode.NOT_FOUND, handle.signal(Collects.value, 1))
        assert "completed" in err.message


@workflow.defn
class Signals:
    @workflow.run
    async def run(self, target: str, value: int) -> str:
        await workflow.get_external_workflow_handle_for(Collects.run, target).signal(Collects.value, value)
        return "sent"


async def test_signal_external(place):
    async with place.worker(Collects, Signals):
        target = await place.start(Collects.run, 1)
        sender = await place.start(Signals.run, target.id, 9)
        assert await sender.result() == "sent"
        assert await target.result() == [9]
    assert {"SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_INITIATED", "EXTERNAL_WORKFLOW_EXECUTION_SIGNALED"} <= set(
        await types(sender)
    )
    signaled = await event(target, "WORKFLOW_EXECUTION_SIGNALED")
    assert signaled.workflow_execution_signaled_event_attributes.external_workflow_execution.workflow_id == sender.id


@workflow.defn
class SignalsNobody:
    @workflow.run
    async def run(self, target: str) -> str:
        try:
            await workflow.get_external_workflow_handle(target).signal("value", 1)
        except ApplicationError as err:
            return f"{err.type}: {err.message}"
        return "sent"


async def test_signal_external_unknown(place):
    async with place.worker(SignalsNobody):
        handle = await place.start(SignalsNobody.run, place.id("nobody"))
        assert "not found" in await handle.result()
    failed = await event(handle, "SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED")
    cause = failed.signal_external_workflow_execution_failed_event_attributes.cause
    assert cause == 1  # SIGNAL_EXTERNAL_WORKFLOW_EXECUTION_FAILED_CAUSE_EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND


@activity.defn
async def tidy() -> None:
    pass


@workflow.defn
class TidiesUp:
    @workflow.run
    async def run(self) -> None:
        try:
            await workflow.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.shield(workflow.execute_activity(tidy, start_to_close_timeout=timedelta(seconds=10)))
            raise


async def test_cancel_with_cleanup(place):
    async with place.worker(TidiesUp, activities=[tidy]):
        handle = await place.start(TidiesUp.run)
        await event(handle, "TIMER_STARTED")
        await handle.cancel()
        await fails_with(CancelledError, handle.result())
    assert await status(handle) == "CANCELED"
    seen = await types(handle)
    order = ["WORKFLOW_EXECUTION_CANCEL_REQUESTED", "TIMER_CANCELED", "ACTIVITY_TASK_COMPLETED", "WORKFLOW_EXECUTION_CANCELED"]
    assert [t for t in seen if t in order] == order


@workflow.defn
class Cancels:
    @workflow.run
    async def run(self, target: str) -> str:
        await workflow.get_external_workflow_handle(target).cancel()
        return "cancelled"


async def test_cancel_external(place):
    async with place.worker(TidiesUp, Cancels, activities=[tidy]):
        target = await place.start(TidiesUp.run)
        await event(target, "TIMER_STARTED")
        assert await place.run(Cancels.run, target.id) == "cancelled"
        await fails_with(CancelledError, target.result())


async def test_cancel_closed(place):
    async with place.worker(Collects):
        handle = await place.start(Collects.run, 0)
        await handle.result()
        await handle.cancel()
    assert await status(handle) == "COMPLETED"


async def test_terminate(place):
    handle = await place.start(Collects.run, 1)
    await handle.terminate("detail", reason="no longer needed")
    cause = await fails_with(TerminatedError, handle.result())
    assert cause.message == "no longer needed"
    assert await status(handle) == "TERMINATED"
    await refused(RPCStatusCode.NOT_FOUND, handle.terminate())
