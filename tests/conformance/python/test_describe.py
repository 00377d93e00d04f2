"""What the server tells about workflows and task queues, and how workers end."""

import asyncio
import time
from datetime import timedelta

from support import event, eventually
from temporalio import activity, workflow
from temporalio.api.enums.v1 import PendingActivityState, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError
from test_children import Sleeper
from test_signals import Collects


@activity.defn
def never_works() -> None:
    raise ApplicationError("it is broken", type="Broken")


@workflow.defn
class Waiting:
    @workflow.run
    async def run(self) -> None:
        await workflow.start_child_workflow(Sleeper.run, id=f"{workflow.info().workflow_id}/child")
        await workflow.execute_activity(
            never_works,
            activity_id="mine",
            start_to_close_timeout=timedelta(seconds=10),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=0.2), backoff_coefficient=10.0),
        )


async def test_describe_pending(place):
    async with place.worker(Waiting, Sleeper, activities=[never_works]):
        handle = await place.start(Waiting.run)

        async def second_attempt_failed():
            described = (await handle.describe()).raw_description
            pending = described.pending_activities
            return described if pending and pending[0].attempt == 3 else None

        described = await eventually("the second attempt has failed", second_attempt_failed)
    pending = described.pending_activities[0]
    assert (pending.activity_id, pending.activity_type.name) == ("mine", "never_works")
    assert pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    assert pending.last_failure.message == "it is broken"
    assert pending.last_failure.application_failure_info.type == "Broken"
    assert pending.last_worker_identity
    [child] = described.pending_children
    assert (child.workflow_id, child.workflow_type_name) == (f"{handle.id}/child", "Sleeper")
    assert child.run_id
    await handle.terminate()


async def test_describe_task_queue(place):
    async def pollers(kind):
        answer = await place.client.workflow_service.describe_task_queue(
            DescribeTaskQueueRequest(
                namespace=place.client.namespace, task_queue=TaskQueue(name=place.queue), task_queue_type=kind
            )
        )
        return {p.identity for p in answer.pollers}

    async with place.worker(Collects, activities=[never_works], identity="describer"):
        for kind in (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY):

            async def listed():
                return await pollers(kind) == {"describer"}

            await eventually("the worker is listed", listed)


async def test_worker_shutdown(place):
    """A worker ends in order while a workflow waits; the next one goes on where it was."""
    async with place.worker(Collects):
        handle = await place.start(Collects.run, 2)
        await handle.signal(Collects.value, 1)
        await event(handle, "WORKFLOW_TASK_COMPLETED")
        begin = time.monotonic()
    assert time.monotonic() - begin < 10
    async with place.worker(Collects):
        await handle.signal(Collects.value, 2)
        assert await handle.result() == [1, 2]
