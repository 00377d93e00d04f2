"""Starting workflows: ids, policies, what a start may carry."""

import asyncio
from datetime import timedelta

import pytest
from support import RPCStatusCode, becomes, connect, event, events, eventually, fails_with, name_of, refused, status
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import Client, Interceptor, OutboundInterceptor
from temporalio.common import (
    Priority,
    RetryPolicy,
    SearchAttributeKey,
    SearchAttributePair,
    TypedSearchAttributes,
    WorkflowIDConflictPolicy,
    WorkflowIDReusePolicy,
)
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError, TerminatedError, TimeoutError, TimeoutType, WorkflowAlreadyStartedError
from temporalio.worker import Interceptor as WorkerInterceptor
from temporalio.worker import WorkflowInboundInterceptor


@activity.defn
def greet(name: str) -> str:
    return f"Hello, {name}!"


@workflow.defn
class Hello:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(greet, name, start_to_close_timeout=timedelta(seconds=10))


@workflow.defn
class Echo:
    @workflow.run
    async def run(self, value: str) -> str:
        return value


@workflow.defn
class Fails:
    @workflow.run
    async def run(self) -> None:
        raise ApplicationError("on purpose")


@workflow.defn
class Waits:
    """Completes with the values of its signals when the last one is "done"."""

    def __init__(self) -> None:
        self.values: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        await workflow.wait_condition(lambda: "done" in self.values)
        return self.values

    @workflow.signal
    def value(self, value: str) -> None:
        self.values.append(value)


async def test_start_hello(place):
    async with place.worker(Hello, activities=[greet]):
        assert await place.run(Hello.run, "Python") == "Hello, Python!"


async def test_start_returns_run_id(place):
    handle = await place.start(Waits.run)
    assert handle.first_execution_run_id
    assert (await handle.describe()).run_id == handle.first_execution_run_id


async def test_start_id_in_use_is_refused(place):
    handle = await place.start(Waits.run, id=place.name)
    with pytest.raises(WorkflowAlreadyStartedError) as err:
        await place.start(Waits.run, id=place.name)
    assert err.value.workflow_id == place.name
    assert err.value.run_id == handle.first_execution_run_id


async def test_start_conflict_use_existing(place):
    first = await place.start(Waits.run, id=place.name)
    second = await place.start(
        Waits.run, id=place.name, id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING
    )
    assert second.first_execution_run_id == first.first_execution_run_id
    async with place.worker(Waits):
        await second.signal(Waits.value, "done")
        assert await first.result() == ["done"]


async def test_start_conflict_terminate_existing(place):
    first = await place.start(Waits.run, id=place.name)
    second = await place.start(
        Waits.run, id=place.name, id_conflict_policy=WorkflowIDConflictPolicy.TERMINATE_EXISTING
    )
    assert second.first_execution_run_id != first.first_execution_run_id
    await fails_with(TerminatedError, first.result(follow_runs=False))
    async with place.worker(Waits):
        await second.signal(Waits.value, "done")
        assert await second.result() == ["done"]


async def test_start_reuse_allow_duplicate(place):
    async with place.worker(Echo):
        first = await place.start(Echo.run, "1", id=place.name)
        assert await first.result() == "1"
        second = await place.start(
            Echo.run, "2", id=place.name, id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE
        )
        assert await second.result() == "2"
        assert second.first_execution_run_id != first.first_execution_run_id


async def test_start_reuse_failed_only(place):
    policy = WorkflowIDReusePolicy.ALLOW_DUPLICATE_FAILED_ONLY
    async with place.worker(Echo, Fails):
        await fails_with(ApplicationError, place.run(Fails.run, id=place.name))
        assert await place.run(Echo.run, "1", id=place.name, id_reuse_policy=policy) == "1"
        with pytest.raises(WorkflowAlreadyStartedError):
            await place.start(Echo.run, "2", id=place.name, id_reuse_policy=policy)


async def test_start_reuse_reject_duplicate(place):
    policy = WorkflowIDReusePolicy.REJECT_DUPLICATE
    async with place.worker(Echo, Fails):
        await fails_with(ApplicationError, place.run(Fails.run, id=place.name))
        with pytest.raises(WorkflowAlreadyStartedError):
            await place.start(Echo.run, "2", id=place.name, id_reuse_policy=policy)


async def test_start_delay(place):
    async with place.worker(Echo):
        handle = await place.start(Echo.run, "late", start_delay=timedelta(seconds=1.5))
        assert await handle.result() == "late"
    started, scheduled = (await events(handle))[:2]
    assert name_of(scheduled) == "WORKFLOW_TASK_SCHEDULED"
    waited = scheduled.event_time.ToDatetime() - started.event_time.ToDatetime()
    assert timedelta(seconds=1.4) <= waited <= timedelta(seconds=5)


@workflow.defn
class Counts:
    @workflow.run
    async def run(self) -> int:
        return workflow.get_last_completion_result(int) + 1 if workflow.has_last_completion_result() else 1


async def test_start_cron(place):
    async with place.worker(Counts):
        handle = await place.start(Counts.run, id=place.name, cron_schedule="@every 1s")
        latest = place.client.get_workflow_handle(place.name)

        async def third_run():
            started = (await events(latest))[0].workflow_execution_started_event_attributes
            last = await DataConverter.default.decode(started.last_completion_result.payloads) or [0]
            return last[0] >= 2

        await eventually("a run that sees the result of the second", third_run)
        assert (await latest.describe()).run_id != handle.first_execution_run_id
        await latest.terminate("enough")
        await fails_with(TerminatedError, handle.result())
        assert await status(latest) == "TERMINATED"


@workflow.defn
class FailsTwice:
    @workflow.run
    async def run(self) -> int:
        if workflow.info().attempt < 3:
            raise ApplicationError("not yet")
        return workflow.info().attempt


async def test_start_retry(place):
    policy = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=5)
    async with place.worker(FailsTwice, Fails):
        assert await place.run(FailsTwice.run, retry_policy=policy) == 3
        policy.maximum_attempts = 2
        handle = await place.start(Fails.run, retry_policy=policy)
        assert (await fails_with(ApplicationError, handle.result())).message == "on purpose"
        assert (await place.client.get_workflow_handle(handle.id).describe()).run_id != handle.first_execution_run_id


async def test_start_memo(place):
    handle = await place.start(Waits.run, memo={"note": "from the start", "size": 3})
    description = await handle.describe()
    assert await description.memo() == {"note": "from the start", "size": 3}


KEYWORD = SearchAttributeKey.for_keyword("ConformanceKeyword")
NUMBER = SearchAttributeKey.for_int("ConformanceInt")


async def attributes_registered(client: Client) -> None:
    try:
        await client.operator_service.add_search_attributes(
            AddSearchAttributesRequest(
                namespace=client.namespace,
                search_attributes={
                    KEYWORD.name: IndexedValueType.INDEXED_VALUE_TYPE_KEYWORD,
                    NUMBER.name: IndexedValueType.INDEXED_VALUE_TYPE_INT,
                },
            )
        )
    except Exception as err:
        assert "already exist" in str(err), err


async def start_painted(place, keyword: str, number: int, **options):
    """Starts with search attributes, which are registered first."""
    await attributes_registered(place.client)
    given = TypedSearchAttributes([SearchAttributePair(KEYWORD, keyword), SearchAttributePair(NUMBER, number)])
    options.setdefault("id", place.id())

    async def started():
        try:
            return await place.start(Waits.run, search_attributes=given, **options)
        except Exception as err:  # a server may take a moment to see the new attributes
            assert "no mapping defined" in str(err) or "not defined" in str(err), err

    return await eventually("the attributes are known", started)


async def test_start_search_attributes(place):
    handle = await start_painted(place, "blue", 7)
    found = (await handle.describe()).typed_search_attributes
    assert found[KEYWORD] == "blue"
    assert found[NUMBER] == 7


class TenantClient(Interceptor):
    def intercept_client(self, next):
        class Outbound(OutboundInterceptor):
            async def start_workflow(self, input):
                input.headers = {**input.headers, "tenant": Payload(metadata={"encoding": b"binary/plain"}, data=b"acme")}
                return await super().start_workflow(input)

        return Outbound(next)


class TenantWorkflow(WorkflowInboundInterceptor):
    async def execute_workflow(self, input):
        result = await super().execute_workflow(input)
        return f"{result} for {input.headers['tenant'].data.decode()}"


class TenantWorker(WorkerInterceptor):
    def workflow_interceptor_class(self, input):
        return TenantWorkflow


async def test_start_header(place):
    client = await connect(interceptors=[TenantClient()])
    async with place.worker(Echo, interceptors=[TenantWorker()]):
        handle = await client.start_workflow(Echo.run, "made", id=place.id(), task_queue=place.queue)
        assert await handle.result() == "made for acme"


async def test_start_summary_and_details(place):
    handle = await place.start(Waits.run, static_summary="A *short* line", static_details="Two\nlines")
    description = await handle.describe()
    assert await description.static_summary() == "A *short* line"
    assert await description.static_details() == "Two\nlines"


@workflow.defn
class TellsPriority:
    @workflow.run
    async def run(self) -> int | None:
        return workflow.info().priority.priority_key


async def test_start_priority(place):
    async with place.worker(TellsPriority):
        handle = await place.start(TellsPriority.run, priority=Priority(priority_key=2))
        assert await handle.result() == 2
    description = await handle.describe()
    assert description.raw_description.workflow_execution_info.priority.priority_key == 2


async def test_start_eager(place):
    async with place.worker(Hello, activities=[greet], client=place.client):
        handle = await place.start(Hello.run, "eager", request_eager_start=True)
        assert await handle.result() == "Hello, eager!"
    started = (await events(handle))[0].workflow_execution_started_event_attributes
    assert started.eager_execution_accepted


async def test_start_with_signal(place):
    async with place.worker(Waits):
        first = await place.start(Waits.run, id=place.name, start_signal="value", start_signal_args=["one"])
        second = await place.start(Waits.run, id=place.name, start_signal="value", start_signal_args=["done"])
        assert await first.result() == ["one", "done"]
        assert await second.result() == ["one", "done"]
    assert (await second.describe()).run_id == first.first_execution_run_id


async def test_start_run_timeout(place):
    async with place.worker(Waits):
        handle = await place.start(Waits.run, run_timeout=timedelta(seconds=1))
        cause = await fails_with(TimeoutError, handle.result())
        assert cause.type == TimeoutType.START_TO_CLOSE
    assert await status(handle) == "TIMED_OUT"


@workflow.defn
class GoesOn:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(0.5)
        workflow.continue_as_new()


async def test_start_execution_timeout(place):
    async with place.worker(GoesOn):
        handle = await place.start(GoesOn.run, execution_timeout=timedelta(seconds=2))
        await fails_with(TimeoutError, handle.result())
    description = await place.client.get_workflow_handle(handle.id).describe()
    assert description.status.name == "TIMED_OUT"
    assert description.run_id != handle.first_execution_run_id


async def test_start_large_payload(place):
    value = "x" * 1_500_000
    async with place.worker(Echo):
        assert await place.run(Echo.run, value) == value


async def test_start_unknown_namespace(place):
    client = await Client.connect(place.client.service_client.config.target_host, namespace="no-such-namespace")
    err = await refused(
        RPCStatusCode.NOT_FOUND, client.start_workflow(Echo.run, "x", id=place.name, task_queue=place.queue)
    )
    assert "no-such-namespace" in err.message and "not found" in err.message
