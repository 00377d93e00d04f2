"""Resetting and deleting runs."""

import uuid
from datetime import timedelta

from support import RPCStatusCode, event, events, eventually, fails_with, name_of, refused, status
from temporalio import activity, workflow
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, ResetWorkflowExecutionRequest
from temporalio.client import RPCError
from temporalio.exceptions import TerminatedError

calls: dict[str, int] = {}


@activity.defn
def numbered(which: str) -> int:
    """How often it has been called for this workflow."""
    key = f"{activity.info().workflow_id} {which}"
    calls[key] = calls.get(key, 0) + 1
    return calls[key]


@workflow.defn
class TwoSteps:
    def __init__(self) -> None:
        self.notes: list[str] = []

    @workflow.run
    async def run(self, wanted: int) -> list[str]:
        timeout = timedelta(seconds=10)
        first = await workflow.execute_activity(numbered, "first", start_to_close_timeout=timeout)
        second = await workflow.execute_activity(numbered, "second", start_to_close_timeout=timeout)
        await workflow.wait_condition(lambda: len(self.notes) >= wanted)
        return [str(first), str(second), *self.notes]

    @workflow.signal
    def note(self, note: str) -> None:
        self.notes.append(note)


async def reset(place, handle, to_event: int):
    """The handle of the new run."""
    response = await place.client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=place.client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=handle.id, run_id=handle.first_execution_run_id),
            reason="to see it again",
            workflow_task_finish_event_id=to_event,
            request_id=str(uuid.uuid4()),
        )
    )
    assert response.run_id != handle.first_execution_run_id
    return place.client.get_workflow_handle(handle.id, run_id=response.run_id, result_type=list)


async def completed_tasks(handle) -> list[int]:
    return [e.event_id for e in await events(handle) if name_of(e) == "WORKFLOW_TASK_COMPLETED"]


async def both_steps_done(handle):
    async def look():
        return [name_of(e) for e in await events(handle)].count("ACTIVITY_TASK_COMPLETED") == 2

    await eventually("both activities are done", look)
    await eventually("the task after them, too", lambda: third_task(handle))


async def third_task(handle) -> bool:
    return len(await completed_tasks(handle)) == 3


async def test_reset_to_first_task(place):
    async with place.worker(TwoSteps, activities=[numbered]):
        handle = await place.start(TwoSteps.run, 1)
        await both_steps_done(handle)
        again = await reset(place, handle, (await completed_tasks(handle))[0])
        await again.signal(TwoSteps.note, "go")
        assert await again.result() == ["2", "2", "go"]
    await fails_with(TerminatedError, place.client.get_workflow_handle(
        handle.id, run_id=handle.first_execution_run_id).result(follow_runs=False))
    assert (await place.client.get_workflow_handle(handle.id).describe()).run_id == again.run_id


async def test_reset_reapplies_signals(place):
    async with place.worker(TwoSteps, activities=[numbered]):
        handle = await place.start(TwoSteps.run, 2)
        await both_steps_done(handle)
        await handle.signal(TwoSteps.note, "kept")
        again = await reset(place, handle, (await completed_tasks(handle))[0])
        await again.signal(TwoSteps.note, "new")
        assert await again.result() == ["2", "2", "kept", "new"]


async def test_reset_to_activity(place):
    async with place.worker(TwoSteps, activities=[numbered]):
        handle = await place.start(TwoSteps.run, 0)
        assert await handle.result() == ["1", "1"]
        again = await reset(place, handle, (await completed_tasks(handle))[1])
        assert await again.result() == ["1", "2"]


async def test_delete_workflow(place):
    async with place.worker(TwoSteps, activities=[numbered]):
        handle = await place.start(TwoSteps.run, 0)
        await handle.result()
        await place.client.workflow_service.delete_workflow_execution(
            DeleteWorkflowExecutionRequest(
                namespace=place.client.namespace, workflow_execution=WorkflowExecution(workflow_id=handle.id)
            )
        )

        async def gone():
            try:
                await handle.describe()
            except RPCError as err:
                return err.status == RPCStatusCode.NOT_FOUND

        await eventually("the workflow is gone", gone, seconds=60)
        await refused(RPCStatusCode.NOT_FOUND, handle.fetch_history())
