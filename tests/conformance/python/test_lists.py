"""Lists and counts of workflows: what they find, when, and what they refuse."""

from support import RPCStatusCode, refused
from temporalio.client import WorkflowExecutionStatus
from test_start import KEYWORD, NUMBER, Waits, start_painted


async def ids(client, query: str, page_size: int = 1000) -> list[str]:
    return [found.id async for found in client.list_workflows(query, page_size=page_size)]


async def test_list_workflows(place):
    handles = {handle.id: handle for handle in [await place.start(Waits.run) for _ in range(5)]}
    found = [entry async for entry in place.client.list_workflows(f"TaskQueue = '{place.queue}'", page_size=2)]
    assert sorted(entry.id for entry in found) == sorted(handles)
    for entry in found:
        assert entry.run_id == handles[entry.id].first_execution_run_id
        assert (entry.workflow_type, entry.task_queue) == ("Waits", place.queue)
        assert entry.status == WorkflowExecutionStatus.RUNNING
        assert entry.start_time and not entry.close_time
    for handle in handles.values():
        await handle.terminate()
    found = [entry async for entry in place.client.list_workflows(f"TaskQueue = '{place.queue}'", page_size=2)]
    assert sorted(entry.id for entry in found) == sorted(handles)
    assert all(entry.status == WorkflowExecutionStatus.TERMINATED and entry.close_time for entry in found)


async def test_list_by_search_attribute(place):
    first = await start_painted(place, place.name, 7)
    second = await start_painted(place, place.name, 8, memo={"note": "the second"})
    mine = f"{KEYWORD.name} = '{place.name}'"
    assert sorted(await ids(place.client, mine)) == sorted([first.id, second.id])
    assert await ids(place.client, f"{mine} AND {NUMBER.name} < 8") == [first.id]
    assert await ids(place.client, f"{mine} AND {NUMBER.name} > 8") == []
    [found] = [entry async for entry in place.client.list_workflows(f"{mine} AND {NUMBER.name} BETWEEN 8 AND 9")]
    assert found.id == second.id
    assert (found.typed_search_attributes[KEYWORD], found.typed_search_attributes[NUMBER]) == (place.name, 8)
    assert await found.memo() == {"note": "the second"}
    for handle in (first, second):
        await handle.terminate()


async def test_list_reads_own_writes(place):
    for _ in range(10):
        handle = await place.start(Waits.run)
        this = f"WorkflowId = '{handle.id}'"
        assert await ids(place.worker_client, f"{this} AND ExecutionStatus = 'Running'") == [handle.id]
        await handle.terminate()
        assert await ids(place.worker_client, f"{this} AND ExecutionStatus = 'Running'") == []
        assert await ids(place.worker_client, f"{this} AND ExecutionStatus = 'Terminated'") == [handle.id]


async def test_list_invalid_query(place):
    for query in ("Nobody = 'x'", "WorkflowId = ", "StartTime > 'yesterday'"):
        for call in (ids(place.client, query), place.client.count_workflows(query)):
            err = await refused(RPCStatusCode.INVALID_ARGUMENT, call)
            assert err.message.startswith("invalid query"), err.message


async def test_count_workflows(place):
    handles = [await place.start(Waits.run) for _ in range(3)]
    mine = f"TaskQueue = '{place.queue}'"
    assert (await place.client.count_workflows(mine)).count == 3
    await handles[0].terminate()
    assert (await place.client.count_workflows(f"{mine} AND ExecutionStatus = 'Running'")).count == 2
    assert (await place.client.count_workflows(f"{mine} AND WorkflowType = 'Nobody'")).count == 0
    for handle in handles[1:]:
        await handle.terminate()


async def test_count_grouped_by_status(place):
    handles = [await place.start(Waits.run) for _ in range(3)]
    for handle in handles[1:]:
        await handle.terminate()
    counted = await place.client.count_workflows(f"TaskQueue = '{place.queue}' GROUP BY ExecutionStatus")
    assert counted.count == 3
    assert {tuple(group.group_values): group.count for group in counted.groups} == {("Running",): 1, ("Terminated",): 2}
    await handles[0].terminate()
