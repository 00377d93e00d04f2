"""What every test needs: connections, names of its own, workers, waiting for conditions, histories."""

import asyncio
import inspect
import os
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, RPCError, WorkflowFailureError
from temporalio.service import RPCStatusCode
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

# Several frontends: clients talk to the first, workers to the last.
ADDRESSES = (os.environ.get("PERDURE_ADDRESSES") or os.environ.get("PERDURE_ADDRESS") or "127.0.0.1:7233").split(",")
NAMESPACE = os.environ.get("PERDURE_NAMESPACE", "default")

# The tests' own modules are not loaded anew in each workflow's sandbox: workflows stand beside their tests.
RUNNER = SandboxedWorkflowRunner(
    restrictions=SandboxRestrictions.default.with_passthrough_modules("pytest", "support", "worker_process")
)
THREADS = ThreadPoolExecutor(40)


async def connect(address=ADDRESSES[0], **options) -> Client:
    return await Client.connect(address, namespace=NAMESPACE, **options)


def unique(name: str) -> str:
    return f"{name}-{uuid.uuid4().hex[:12]}"


async def eventually(what, condition, seconds=30.0):
    """The first true thing that the condition (plain or async) returns."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if inspect.isawaitable(result):
            result = await result
        if result:
            return result
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        await asyncio.sleep(0.05)


async def fails_with(kind, awaitable):
    """The cause of a workflow's failure, which must be of this kind."""
    try:
        result = await awaitable
    except WorkflowFailureError as err:
        assert isinstance(err.cause, kind), f"failed with {err.cause!r}"
        return err.cause
    raise AssertionError(f"completed with {result!r}")


async def refused(status: RPCStatusCode, awaitable) -> RPCError:
    try:
        result = await awaitable
    except RPCError as err:
        assert err.status == status, f"{err.status}: {err}"
        return err
    raise AssertionError(f"accepted: {result!r}")


async def events(handle) -> list:
    return [event async for event in handle.fetch_history_events()]


def name_of(event) -> str:
    return EventType.Name(event.event_type).removeprefix("EVENT_TYPE_")


async def types(handle) -> list:
    return [name_of(event) for event in await events(handle)]


async def event(handle, kind: str):
    """The first event of the kind, waiting for it."""

    async def look():
        return next((e for e in await events(handle) if name_of(e) == kind), None)

    return await eventually(f"{kind} of {handle.id}", look)


async def status(handle) -> str:
    return (await handle.describe()).status.name


async def becomes(handle, name: str):
    async def look():
        return await status(handle) == name

    await eventually(f"{handle.id} is {name}", look)


@asynccontextmanager
async def process(*arguments):
    """A worker in a process of its own, which a test may kill; see worker_process.py for what runs there."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, str(Path(__file__).parent / "worker_process.py"), *arguments, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert (await asyncio.wait_for(child.stdout.readline(), 60)).strip() == b"ready"
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


class Place:
    """A task queue of its own with the name of the test, and a client."""

    def __init__(self, client: Client, worker_client: Client, name: str):
        self.client, self.worker_client = client, worker_client
        self.name = self.queue = unique(name)
        self._count = 0

    def id(self, suffix: str = "") -> str:
        self._count += 1
        return f"{self.name}-{suffix or self._count}"

    def worker(self, *workflows, activities=(), queue=None, client=None, **options) -> Worker:
        return Worker(
            client or self.worker_client,
            task_queue=queue or self.queue,
            workflows=workflows,
            activities=activities,
            activity_executor=THREADS,
            workflow_runner=RUNNER,
            **options,
        )

    async def start(self, workflow, *args, **options):
        options.setdefault("id", self.id())
        options.setdefault("task_queue", self.queue)
        return await self.client.start_workflow(workflow, args=args, **options)

    async def run(self, workflow, *args, **options):
        return await (await self.start(workflow, *args, **options)).result()
