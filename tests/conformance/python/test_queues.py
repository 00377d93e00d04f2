"""In which order and how fast a task queue gives its tasks away."""

from datetime import timedelta

from support import eventually
from temporalio import activity, workflow
from temporalio.api.enums.v1 import RateLimitSource, TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.common import Priority
from temporalio.worker import PollerBehaviorAutoscaling


@workflow.defn
class Schedules:
    """One activity for each (name, priority key, fairness key, weight), all on the queue and at once."""

    @workflow.run
    async def run(self, queue: str, tasks: list[tuple[str, int | None, str | None, float | None]]) -> None:
        handles = [
            workflow.start_activity(
                "note",
                name,
                task_queue=queue,
                start_to_close_timeout=timedelta(seconds=30),
                priority=Priority(priority_key=key, fairness_key=fair, fairness_weight=weight),
            )
            for name, key, fair, weight in tasks
        ]
        for handle in handles:
            await handle


async def describe(place, queue):
    return await place.client.workflow_service.describe_task_queue(
        DescribeTaskQueueRequest(
            namespace=place.client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
            report_stats=True,
        )
    )


async def order_of(place, tasks, **start):
    """The tasks wait before anybody polls; one worker then takes them one by one."""
    queue = place.queue + "-noted"
    seen = []

    @activity.defn(name="note")
    async def note(name: str) -> None:
        seen.append(name)

    async with place.worker(Schedules):
        handle = await place.start(Schedules.run, queue, tasks, **start)

        async def all_wait():
            return (await describe(place, queue)).stats.approximate_backlog_count == len(tasks)

        await eventually("all tasks wait", all_wait)
        one = {"max_concurrent_activities": 1, "max_concurrent_activity_task_polls": 1}
        async with place.worker(activities=[note], queue=queue, **one):
            await handle.result()
    return seen


async def test_priority_order(place):
    tasks = [("e", 5, None, None), ("d1", 4, None, None), ("d2", 4, None, None), ("c", 3, None, None)]
    tasks += [("as its workflow", None, None, None), ("a1", 1, None, None), ("a2", 1, None, None)]
    seen = await order_of(place, tasks, priority=Priority(priority_key=2))
    assert seen == ["a1", "a2", "as its workflow", "c", "d1", "d2", "e"]


async def test_fairness(place):
    tasks = [(f"large {n}", None, "large", None) for n in range(12)]
    tasks += [(f"small {n}", None, "small", None) for n in range(3)]
    tasks += [(f"heavy {n}", None, "heavy", 3.0) for n in range(9)]
    seen = await order_of(place, tasks)
    assert len(seen) == 24
    first = [name.split()[0] for name in seen[:15]]
    # 3, 9 and 3, but for a task or two that a change inside the cluster makes a queue tell twice
    assert first.count("small") >= 2 and first.count("heavy") >= 7 and first.count("large") <= 5, seen


async def test_task_queue_rate(place):
    queue = place.queue + "-noted"
    done = []

    @activity.defn(name="note")
    async def note(name: str) -> None:
        done.append(name)

    async with place.worker(Schedules):
        handle = await place.start(Schedules.run, queue, [(n, None, None, None) for n in "abc"])
        async with place.worker(activities=[note], queue=queue, max_task_queue_activities_per_second=0.01):

            async def is_held_back():
                described = await describe(place, queue)
                return described if done and described.stats.rate_limiting_active else None

            described = await eventually("tasks wait for the rate", is_held_back)
            assert described.stats.approximate_backlog_count >= 2
            limit = described.effective_rate_limit
            assert abs(limit.requests_per_second - 0.01) < 1e-6
            assert limit.rate_limit_source == RateLimitSource.RATE_LIMIT_SOURCE_WORKER
        assert done == ["a"]
        async with place.worker(activities=[note], queue=queue):
            await handle.result()
    assert sorted(done) == ["a", "b", "c"]


async def test_pollers_that_scale(place):
    """Workers that follow the server's advice on the number of their polls. Beyond the list: not all SDKs do."""
    queue, done = place.queue + "-noted", []

    @activity.defn(name="note")
    async def note(name: str) -> None:
        done.append(name)

    scaling = PollerBehaviorAutoscaling(minimum=1, maximum=10, initial=1)
    both = {"workflow_task_poller_behavior": scaling, "activity_task_poller_behavior": scaling}
    tasks = [(str(n), None, None, None) for n in range(50)]
    handles = [await place.start(Schedules.run, queue, tasks) for _ in range(4)]
    async with place.worker(Schedules, **both):
        async with place.worker(activities=[note], queue=queue, **both):
            for handle in handles:
                await handle.result()
    assert len(done) == 200
