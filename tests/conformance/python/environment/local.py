"""The SDK's test environment with Perdure as its local server; run by tests/conformance/environment."""

import asyncio
import os
import tempfile
import uuid
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

COLOR = SearchAttributeKey.for_keyword("Color")


@activity.defn
async def greet(name: str) -> str:
    return f"Hello, {name}!"


@workflow.defn
class Hello:
    @workflow.run
    async def run(self, name: str) -> str:
        return await workflow.execute_activity(greet, name, start_to_close_timeout=timedelta(seconds=10))


def servers():
    """The executables that this process has started and that still run."""
    found = []
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/children", encoding="ascii") as f:
            pids = f.read().split()
        for pid in pids:
            try:
                found.append(os.readlink(f"/proc/{pid}/exe"))
            except OSError:
                pass
    return [exe for exe in found if exe.startswith(os.path.join(tempfile.gettempdir(), "temporal-"))]


async def greets(env):
    queue = f"q-{uuid.uuid4()}"
    worker = Worker(env.client, task_queue=queue, workflows=[Hello], activities=[greet], workflow_runner=UnsandboxedWorkflowRunner())
    async with worker:
        result = await env.client.execute_workflow(Hello.run, "local", id=f"w-{uuid.uuid4()}", task_queue=queue)
    assert result == "Hello, local!"


def test_a_workflow_runs_in_a_local_environment():
    async def run():
        async with await WorkflowEnvironment.start_local() as env:
            assert len(servers()) == 1
            await greets(env)
        assert servers() == []

    asyncio.run(run())


def test_with_the_options_that_tests_use():
    async def run():
        async with await WorkflowEnvironment.start_local(
            namespace="mine", ui=True, search_attributes=[COLOR], dev_server_log_format="json", dev_server_log_level="warn",
            dev_server_database_filename=os.path.join(tempfile.gettempdir(), "kept.db"),
            dev_server_extra_args=[
                "--dynamic-config-value", "system.forceSearchAttributesCacheRefreshOnRead=true",
                "--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=50",
                "--dynamic-config-value", "frontend.workerVersioningWorkflowAPIs=true",
                "--dynamic-config-value", "system.enableDeploymentVersions=true",
                "--dynamic-config-value", "frontend.activityAPIsEnabled=true",
            ],
        ) as env:
            assert env.client.namespace == "mine"
            await greets(env)
            attributes = TypedSearchAttributes([SearchAttributePair(COLOR, "red")])
            await env.client.start_workflow(Hello.run, "x", id="found", task_queue="nobody", search_attributes=attributes)
            assert [run.id async for run in env.client.list_workflows("Color = 'red'")] == ["found"]

    asyncio.run(run())
