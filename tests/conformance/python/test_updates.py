"""Updates: all their stages and ends."""

import asyncio
from datetime import timedelta

import pytest
from support import RPCStatusCode, event, eventually, types
from temporalio import workflow
from temporalio.client import WithStartWorkflowOperation, WorkflowUpdateFailedError, WorkflowUpdateStage
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.exceptions import ApplicationError


@workflow.defn
class Account:
    def __init__(self) -> None:
        self.balance = 0
        self.handled = 0
        self.open = True
        self.released = False

    @workflow.run
    async def run(self) -> int:
        await workflow.wait_condition(lambda: not self.open)
        return self.balance

    @workflow.update
    def add(self, amount: int) -> int:
        self.balance += amount
        self.handled += 1
        return self.balance

    @add.validator
    def positive(self, amount: int) -> None:
        if amount <= 0:
            raise ValueError(f"{amount} is not positive")

    @workflow.update
    async def slow(self, amount: int) -> int:
        await workflow.wait_condition(lambda: self.released)
        self.balance += amount
        return self.balance

    @workflow.update(unfinished_policy=workflow.HandlerUnfinishedPolicy.ABANDON)
    async def never(self) -> None:
        await workflow.wait_condition(lambda: False)

    @workflow.update
    async def fail(self) -> None:
        await workflow.sleep(0.01)
        raise ApplicationError("no account", "more", type="NoAccount")

    @workflow.query
    def times(self) -> int:
        return self.handled

    @workflow.signal
    def release(self) -> None:
        self.released = True

    @workflow.signal
    def close(self) -> None:
        self.open = False


async def test_update_result(place):
    async with place.worker(Account):
        handle = await place.start(Account.run)
        assert await handle.execute_update(Account.add, 3) == 3
        assert await handle.execute_update(Account.add, 4) == 7
        await handle.signal(Account.close)
        assert await handle.result() == 7
    seen = await types(handle)
    assert seen.count("WORKFLOW_EXECUTION_UPDATE_ACCEPTED") == seen.count("WORKFLOW_EXECUTION_UPDATE_COMPLETED") == 2


async def test_update_validator_rejects(place):
    async with place.worker(Account):
        handle = await place.start(Account.run)
        await handle.execute_update(Account.add, 1)
        before = await types(handle)
        with pytest.raises(WorkflowUpdateFailedError) as err:
            await handle.execute_update(Account.add, -1)
        assert "-1 is not positive" in str(err.value.cause)
        assert await types(handle) == before


async def test_update_accepted_stage(place):
    async with place.worker(Account):
        handle = await place.start(Account.run)
        update = await handle.start_update(Account.slow, 5, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
        assert "WORKFLOW_EXECUTION_UPDATE_COMPLETED" not in await types(handle)
        await handle.signal(Account.release)
        assert await update.result() == 5


async def test_update_same_id(place):
    async with place.worker(Account):
        handle = await place.start(Account.run)
        results = await asyncio.gather(
            *(handle.execute_update(Account.add, 10, id="once") for _ in range(3))
        )
        results.append(await handle.execute_update(Account.add, 10, id="once"))
        assert results == [10] * 4
        assert await handle.query(Account.times) == 1
        assert await handle.get_update_handle_for(Account.add, "once").result() == 10


async def test_update_failure(place):
    async with place.worker(Account):
        handle = await place.start(Account.run)
        with pytest.raises(WorkflowUpdateFailedError) as err:
            await handle.execute_update(Account.fail)
        cause = err.value.cause
        assert isinstance(cause, ApplicationError)
        assert (cause.message, cause.type, list(cause.details)) == ("no account", "NoAccount", ["more"])
        with pytest.raises(WorkflowUpdateFailedError, match="|"):
            await handle.execute_update("no_such_update")


async def test_update_with_start(place):
    def start():
        return WithStartWorkflowOperation(
            Account.run,
            id=place.name,
            task_queue=place.queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        )

    async with place.worker(Account):
        first, second = start(), start()
        assert await place.client.execute_update_with_start_workflow(Account.add, 1, start_workflow_operation=first) == 1
        assert await place.client.execute_update_with_start_workflow(Account.add, 2, start_workflow_operation=second) == 3
        handle = await first.workflow_handle()
        assert (await second.workflow_handle()).first_execution_run_id == handle.first_execution_run_id
        await handle.signal(Account.close)
        assert await handle.result() == 3


async def test_update_poll_after_close(place):
    async with place.worker(Account):
        handle = await place.start(Account.run)
        update = await handle.start_update(Account.slow, 5, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
        await handle.signal(Account.release)
        await event(handle, "WORKFLOW_EXECUTION_UPDATE_COMPLETED")
        await handle.signal(Account.close)
        await handle.result()
        assert await update.result() == 5
    assert await handle.get_update_handle_for(Account.slow, update.id).result() == 5


async def test_update_workflow_closes(place):
    async with place.worker(Account):
        handle = await place.start(Account.run)
        update = await handle.start_update(Account.never, wait_for_stage=WorkflowUpdateStage.ACCEPTED)
        waiting = asyncio.create_task(update.result())
        await handle.signal(Account.close)
        await handle.result()
        with pytest.raises(WorkflowUpdateFailedError) as err:
            await waiting
        assert err.value.cause.type == "AcceptedUpdateCompletedWorkflow"


async def test_update_many_at_once(place):
    """More than ten in flight at a time are refused, which the client's retries smooth out."""
    async with place.worker(Account):
        handle = await place.start(Account.run)
        results = await asyncio.gather(*(handle.execute_update(Account.add, 1) for _ in range(50)))
        assert sorted(results) == list(range(1, 51))
        assert await handle.query(Account.times) == 50
