"""Queries of open and closed workflows."""

from datetime import timedelta

import pytest
from support import RPCError, RPCStatusCode, event
from temporalio import workflow
from temporalio.client import WorkflowQueryFailedError, WorkflowQueryRejectedError
from temporalio.common import QueryRejectCondition


@workflow.defn
class Adds:
    """Adds its signals up, until there is a zero."""

    def __init__(self) -> None:
        self.total = 0
        self.done = False

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: self.done)
        return self.total

    @workflow.signal
    def add(self, number: int) -> None:
        self.total += number
        self.done = number == 0

    @workflow.query
    def so_far(self) -> int:
        return self.total


async def test_query(place):
    async with place.worker(Adds):
        handle = await place.start(Adds.run)
        assert await handle.query(Adds.so_far) == 0
        for number in range(1, 11):
            await handle.signal(Adds.add, number)
            assert await handle.query(Adds.so_far) == number * (number + 1) // 2


async def test_query_closed(place):
    async with place.worker(Adds):
        handle = await place.start(Adds.run)
        await handle.signal(Adds.add, 5)
        await handle.signal(Adds.add, 0)
        assert await handle.result() == 5
    async with place.worker(Adds):
        assert await handle.query(Adds.so_far) == 5


async def test_query_unknown(place):
    async with place.worker(Adds):
        handle = await place.start(Adds.run)
        with pytest.raises(WorkflowQueryFailedError, match="so_far"):
            await handle.query("no_such_query")


async def test_query_rejected(place):
    async with place.worker(Adds):
        handle = await place.start(Adds.run)
        assert await handle.query(Adds.so_far, reject_condition=QueryRejectCondition.NOT_OPEN) == 0
        await handle.signal(Adds.add, 0)
        await handle.result()
        with pytest.raises(WorkflowQueryRejectedError) as err:
            await handle.query(Adds.so_far, reject_condition=QueryRejectCondition.NOT_OPEN)
        assert err.value.status.name == "COMPLETED"


async def test_query_stack_trace(place):
    async with place.worker(Adds):
        handle = await place.start(Adds.run)
        trace = await handle.query("__stack_trace")
        assert f"run (workflow: Adds, id: {handle.id}" in trace


async def test_query_without_worker(place):
    async with place.worker(Adds):
        handle = await place.start(Adds.run)
        await event(handle, "WORKFLOW_TASK_COMPLETED")
    # The server says so shortly before the deadline, or the client's own deadline does.
    with pytest.raises(RPCError) as err:
        await handle.query(Adds.so_far, rpc_timeout=timedelta(seconds=4))
    assert err.value.status in (
        RPCStatusCode.FAILED_PRECONDITION,
        RPCStatusCode.DEADLINE_EXCEEDED,
        RPCStatusCode.CANCELLED,
    )
