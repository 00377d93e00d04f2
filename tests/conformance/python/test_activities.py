"""Activities: retries, timeouts, heartbeats, cancellation, completion from elsewhere."""

import asyncio
import time
from datetime import timedelta
from typing import Any

import pytest
from support import event, events, eventually, fails_with, name_of, process, types
from temporalio import activity, workflow
from temporalio.client import AsyncActivityCancelledError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError, RetryState, TimeoutError, TimeoutType
from temporalio.exceptions import TimeoutError as ActivityTimeout
from temporalio.workflow import ActivityCancellationType

FAST = RetryPolicy(initial_interval=timedelta(milliseconds=50), backoff_coefficient=1.0)
ONCE = RetryPolicy(maximum_attempts=1)


@workflow.defn
class Calls:
    """One activity, with the options given: timeouts in seconds, the policy's fields."""

    @workflow.run
    async def run(self, name: str, options: dict) -> Any:
        options = dict(options)
        policy = options.pop("retry", None)
        for key, value in options.items():
            if key.endswith("timeout"):
                options[key] = timedelta(seconds=value)
        if policy is not None:
            options["retry_policy"] = RetryPolicy(
                initial_interval=timedelta(seconds=policy.get("interval", 0.05)),
                backoff_coefficient=1.0,
                maximum_attempts=policy.get("attempts", 0),
                non_retryable_error_types=policy.get("never", []),
            )
        options["cancellation_type"] = ActivityCancellationType.WAIT_CANCELLATION_COMPLETED
        return await workflow.execute_activity(name, **options)


def once(**options):
    return {"start_to_close_timeout": 20, "retry": {"attempts": 1}, **options}


def retried(**options):
    return {"start_to_close_timeout": 20, "retry": {}, **options}


@activity.defn
def third_time() -> int:
    if activity.info().attempt < 3:
        raise ApplicationError("not yet")
    return activity.info().attempt


async def test_activity_retry(place):
    async with place.worker(Calls, activities=[third_time]):
        handle = await place.start(Calls.run, "third_time", retried())
        assert await handle.result() == 3
    started = (await event(handle, "ACTIVITY_TASK_STARTED")).activity_task_started_event_attributes
    assert started.attempt == 3
    assert started.last_failure.message == "not yet"


@activity.defn
def refuses(flag: bool) -> None:
    raise ApplicationError(f"attempt {activity.info().attempt}", type="Refused", non_retryable=flag)


async def test_activity_non_retryable(place):
    async with place.worker(Calls, activities=[refuses]):
        for options in (
            retried(args=[True]),
            {**retried(args=[False]), "retry": {"never": ["Refused"]}},
        ):
            cause = await fails_with(ActivityError, place.run(Calls.run, "refuses", options))
            assert cause.retry_state == RetryState.NON_RETRYABLE_FAILURE
            assert cause.cause.message == "attempt 1"


@activity.defn
def always_fails() -> None:
    try:
        raise ValueError("the root of it")
    except ValueError as err:
        raise ApplicationError(f"attempt {activity.info().attempt}", type="Outer") from err


async def test_activity_attempts_run_out(place):
    async with place.worker(Calls, activities=[always_fails]):
        options = {**retried(), "retry": {"attempts": 3}}
        cause = await fails_with(ActivityError, place.run(Calls.run, "always_fails", options))
    assert cause.retry_state == RetryState.MAXIMUM_ATTEMPTS_REACHED
    assert (cause.cause.message, cause.cause.type) == ("attempt 3", "Outer")
    assert (cause.cause.cause.message, cause.cause.cause.type) == ("the root of it", "ValueError")


@activity.defn
async def sleeps(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return f"slept {seconds}"


async def timeout_of(place, name, options) -> ActivityTimeout:
    cause = await fails_with(ActivityError, place.run(Calls.run, name, options))
    assert isinstance(cause.cause, ActivityTimeout), cause.cause
    return cause.cause


async def test_activity_schedule_to_close_timeout(place):
    async with place.worker(Calls, activities=[sleeps]):
        timeout = await timeout_of(
            place, "sleeps", {"args": [30.0], "schedule_to_close_timeout": 1.0, "start_to_close_timeout": 0.4, "retry": {}}
        )
        assert timeout.type in (TimeoutType.SCHEDULE_TO_CLOSE, TimeoutType.START_TO_CLOSE)
        timeout = await timeout_of(place, "sleeps", {"args": [30.0], "schedule_to_close_timeout": 0.8})
        assert timeout.type == TimeoutType.SCHEDULE_TO_CLOSE


async def test_activity_schedule_to_start_timeout(place):
    async with place.worker(Calls):
        timeout = await timeout_of(
            place, "sleeps", once(task_queue=place.id("nobody"), schedule_to_start_timeout=0.5, args=[0.0])
        )
        assert timeout.type == TimeoutType.SCHEDULE_TO_START


@activity.defn
async def slow_at_first() -> int:
    if activity.info().attempt == 1:
        await asyncio.sleep(30)
    return activity.info().attempt


async def test_activity_start_to_close_timeout(place):
    async with place.worker(Calls, activities=[sleeps, slow_at_first]):
        timeout = await timeout_of(place, "sleeps", once(start_to_close_timeout=0.5, args=[30.0]))
        assert timeout.type == TimeoutType.START_TO_CLOSE
        assert await place.run(Calls.run, "slow_at_first", retried(start_to_close_timeout=0.5)) == 2


@activity.defn
async def beats_once() -> list:
    info = activity.info()
    if info.attempt == 1:
        activity.heartbeat("as far as", 42)
        await asyncio.sleep(30)
    return list(info.heartbeat_details)


async def test_activity_heartbeat_timeout(place):
    async with place.worker(Calls, activities=[beats_once]):
        options = retried(heartbeat_timeout=0.8)
        assert await place.run(Calls.run, "beats_once", options) == ["as far as", 42]
        timeout = await timeout_of(place, "beats_once", once(heartbeat_timeout=0.8))
        assert timeout.type == TimeoutType.HEARTBEAT
        assert list(timeout.last_heartbeat_details) == ["as far as", 42]


learned: dict[str, str] = {}


@activity.defn
async def beats() -> None:
    try:
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.1)
    except asyncio.CancelledError:
        learned[activity.info().workflow_id] = repr(activity.cancellation_details())
        raise


@workflow.defn
class CancelsActivity:
    @workflow.run
    async def run(self) -> str:
        running = workflow.start_activity(
            beats,
            start_to_close_timeout=timedelta(seconds=20),
            heartbeat_timeout=timedelta(seconds=5),
            cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )
        await workflow.sleep(0.3)
        running.cancel()
        try:
            await running
        except ActivityError as err:
            return type(err.cause).__name__
        return "completed"


async def test_activity_cancel_by_heartbeat(place):
    async with place.worker(CancelsActivity, activities=[beats], max_heartbeat_throttle_interval=timedelta(seconds=0.2)):
        handle = await place.start(CancelsActivity.run)
        assert await handle.result() == "CancelledError"
    assert "cancel_requested=True" in learned[handle.id]
    assert "ACTIVITY_TASK_CANCELED" in await types(handle)


tokens: dict[str, bytes] = {}


@activity.defn
async def handed_over() -> str:
    tokens[activity.info().workflow_id] = activity.info().task_token
    activity.raise_complete_async()


async def test_activity_async_by_token(place):
    async with place.worker(Calls, activities=[handed_over]):
        handle = await place.start(Calls.run, "handed_over", once())
        token = await eventually("the activity runs", lambda: tokens.get(handle.id))
        outside = place.client.get_async_activity_handle(task_token=token)
        await outside.heartbeat("half")
        await outside.complete("from outside")
        assert await handle.result() == "from outside"


async def test_activity_async_by_id(place):
    async with place.worker(Calls, activities=[handed_over]):

        async def outside(handle):
            await eventually("the activity runs", lambda: tokens.get(handle.id))
            return place.client.get_async_activity_handle(
                workflow_id=handle.id, run_id=handle.first_execution_run_id, activity_id="mine"
            )

        options = once(activity_id="mine", heartbeat_timeout=15)
        completed = await place.start(Calls.run, "handed_over", options)
        activity_handle = await outside(completed)
        await activity_handle.heartbeat("half")
        pending = (await completed.describe()).raw_description.pending_activities[0]
        assert pending.heartbeat_details.payloads[0].data == b'"half"'
        await activity_handle.complete("by id")
        assert await completed.result() == "by id"

        failed = await place.start(Calls.run, "handed_over", options)
        await (await outside(failed)).fail(ApplicationError("by id, too", non_retryable=True))
        cause = await fails_with(ActivityError, failed.result())
        assert cause.cause.message == "by id, too"

        cancelled = await place.start(Calls.run, "handed_over", options)
        activity_handle = await outside(cancelled)
        await cancelled.cancel()

        async def told():
            try:
                await activity_handle.heartbeat()
            except AsyncActivityCancelledError:
                return True

        await eventually("the heartbeat tells of the cancellation", told)
        await activity_handle.report_cancellation()
        await fails_with(CancelledError, cancelled.result())


@activity.defn
async def asks_for_delay() -> float:
    if activity.info().attempt == 1:
        raise ApplicationError("later", next_retry_delay=timedelta(seconds=1.5))
    return activity.info().attempt


async def test_activity_next_retry_delay(place):
    async with place.worker(Calls, activities=[asks_for_delay]):
        handle = await place.start(Calls.run, "asks_for_delay", retried())
        assert await handle.result() == 2
    by_name = {name_of(e): e.event_time.ToDatetime() for e in await events(handle)}
    waited = by_name["ACTIVITY_TASK_STARTED"] - by_name["ACTIVITY_TASK_SCHEDULED"]
    assert timedelta(seconds=1.4) <= waited < timedelta(seconds=10)


@workflow.defn
class CallsMany:
    @workflow.run
    async def run(self, number: int) -> int:
        return sum(
            await asyncio.gather(
                *(
                    workflow.execute_activity(third_time, start_to_close_timeout=timedelta(seconds=20), retry_policy=FAST)
                    for _ in range(number)
                )
            )
        )


async def test_activity_eager(place):
    async with place.worker(CallsMany, activities=[third_time], client=place.client):
        handle = await place.start(CallsMany.run, 8)
        assert await handle.result() == 24
    assert (await types(handle)).count("ACTIVITY_TASK_COMPLETED") == 8


@activity.defn
async def outlives() -> str:
    """Hangs in the first attempt, whose worker the test kills."""
    for _ in range(300 if activity.info().attempt == 1 else 1):
        activity.heartbeat()
        await asyncio.sleep(0.1)
    return f"attempt {activity.info().attempt}"


async def test_activity_worker_killed(place):
    other = place.id("activities")
    async with place.worker(Calls):
        handle = await place.start(Calls.run, "outlives", retried(heartbeat_timeout=1.0, task_queue=other))
        async with process(other, "test_activities:outlives") as child:

            async def running():
                pending = (await handle.describe()).raw_description.pending_activities
                return pending and pending[0].HasField("last_heartbeat_time")

            await eventually("the activity beats", running)
            child.kill()
            await child.wait()
        async with place.worker(queue=other, activities=[outlives]):
            assert await handle.result() == "attempt 2"
