"""Child workflows, and continue-as-new."""

import asyncio
from datetime import timedelta

from support import RPCError, RPCStatusCode, becomes, event, eventually, fails_with, status
from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError, CancelledError, ChildWorkflowError, WorkflowAlreadyStartedError
from temporalio.workflow import ParentClosePolicy
from test_start import KEYWORD, attributes_registered


@workflow.defn
class Child:
    @workflow.run
    async def run(self, word: str) -> str:
        if word == "fail":
            raise ApplicationError("the child failed", type="Broken")
        return f"child of {workflow.info().parent.workflow_id}: {word}"


@workflow.defn
class Parent:
    @workflow.run
    async def run(self, word: str) -> str:
        return await workflow.execute_child_workflow(Child.run, word, id=f"{workflow.info().workflow_id}/child")


async def test_child_result(place):
    async with place.worker(Parent, Child):
        handle = await place.start(Parent.run, "hello")
        assert await handle.result() == f"child of {handle.id}: hello"
        cause = await fails_with(ChildWorkflowError, place.run(Parent.run, "fail"))
        assert isinstance(cause.cause, ApplicationError)
        assert (cause.cause.type, cause.cause.message) == ("Broken", "the child failed")


@workflow.defn
class Sleeper:
    @workflow.run
    async def run(self) -> None:
        await workflow.sleep(3600)


@workflow.defn
class CancelsChild:
    @workflow.run
    async def run(self) -> str:
        child = await workflow.start_child_workflow(Sleeper.run, id=f"{workflow.info().workflow_id}/child")
        try:
            await child
        except ChildWorkflowError as err:
            assert isinstance(err.cause, CancelledError)
            raise
        return "not cancelled"


async def test_child_cancel(place):
    async with place.worker(CancelsChild, Sleeper):
        handle = await place.start(CancelsChild.run)
        await event(handle, "CHILD_WORKFLOW_EXECUTION_STARTED")
        await handle.cancel()
        await fails_with(CancelledError, handle.result())
        assert await status(handle) == "CANCELED"
        assert await status(place.client.get_workflow_handle(f"{handle.id}/child")) == "CANCELED"


@workflow.defn
class LeavesChildren:
    @workflow.run
    async def run(self) -> None:
        for policy in (ParentClosePolicy.TERMINATE, ParentClosePolicy.REQUEST_CANCEL, ParentClosePolicy.ABANDON):
            await workflow.start_child_workflow(
                Sleeper.run, id=f"{workflow.info().workflow_id}/{policy.name}", parent_close_policy=policy
            )


async def test_child_parent_close_policies(place):
    async with place.worker(LeavesChildren, Sleeper):
        handle = await place.start(LeavesChildren.run)
        await handle.result()
        child = {p: place.client.get_workflow_handle(f"{handle.id}/{p}") for p in ("TERMINATE", "REQUEST_CANCEL", "ABANDON")}
        await becomes(child["TERMINATE"], "TERMINATED")
        await becomes(child["REQUEST_CANCEL"], "CANCELED")
        assert await status(child["ABANDON"]) == "RUNNING"
        await child["ABANDON"].terminate()


@workflow.defn
class CountsDown:
    @workflow.run
    async def run(self, number: int) -> str:
        if number > 0:
            workflow.continue_as_new(number - 1)
        return "at the end of the chain"


@workflow.defn
class ParentOfChain:
    @workflow.run
    async def run(self) -> str:
        return await workflow.execute_child_workflow(CountsDown.run, 3)


async def test_child_continue_as_new(place):
    async with place.worker(ParentOfChain, CountsDown):
        assert await place.run(ParentOfChain.run) == "at the end of the chain"


@workflow.defn
class WantsTakenId:
    @workflow.run
    async def run(self, taken: str) -> str:
        try:
            await workflow.start_child_workflow(Sleeper.run, id=taken)
        except WorkflowAlreadyStartedError as err:
            return f"taken: {err.workflow_id}"
        return "started"


async def test_child_id_taken(place):
    async with place.worker(WantsTakenId, Sleeper):
        holder = await place.start(Sleeper.run)
        assert await place.run(WantsTakenId.run, holder.id) == f"taken: {holder.id}"
        await holder.terminate()


@workflow.defn
class Carries:
    @workflow.run
    async def run(self, number: int) -> str:
        if number > 0:
            workflow.continue_as_new(number - 1)
        attributes = workflow.info().typed_search_attributes
        return f"{workflow.memo_value('note')} {attributes[KEYWORD]}"


async def test_continue_as_new(place):
    await attributes_registered(place.client)

    async def started():
        try:
            return await place.start(
                Carries.run, 2, id=place.name, memo={"note": "kept"},
                search_attributes=TypedSearchAttributes([SearchAttributePair(KEYWORD, "green")]),
            )
        except Exception as err:
            assert "no mapping defined" in str(err) or "not defined" in str(err), err

    handle = await eventually("the attributes are known", started)
    async with place.worker(Carries):
        assert await handle.result() == "kept green"
    latest = await place.client.get_workflow_handle(handle.id).describe()
    assert latest.run_id != handle.first_execution_run_id
    assert await latest.memo() == {"note": "kept"}
    assert latest.typed_search_attributes[KEYWORD] == "green"


@workflow.defn
class Grows:
    """Goes on until the server says that its history is long."""

    def __init__(self) -> None:
        self.notes = 0

    @workflow.run
    async def run(self, runs: int) -> int:
        if runs > 0:
            return self.notes
        await workflow.wait_condition(lambda: workflow.info().is_continue_as_new_suggested())
        workflow.continue_as_new(runs + 1)

    @workflow.signal
    def note(self, text: str) -> None:
        self.notes += 1


async def test_continue_as_new_suggested(place):
    async with place.worker(Grows):
        handle = await place.start(Grows.run, 0, id=place.name)
        first = place.client.get_workflow_handle(handle.id, run_id=handle.first_execution_run_id)
        try:
            for _ in range(8):  # of a megabyte each: the suggestion comes at 4 MB
                await first.signal(Grows.note, "x" * 1_000_000)
        except RPCError as err:  # the run has closed
            assert err.status == RPCStatusCode.NOT_FOUND
        await becomes(first, "CONTINUED_AS_NEW")
        await handle.result()
