"""The two programs of the kind that durable execution exists for, while everything around them fails."""

import asyncio
import os
import time
from pathlib import Path

import pytest
from mortgage import Mortgage
from order import Order
from support import RUNNER, eventually, process, types
from temporalio.worker import Replayer

ORDER_WORKER = ("order:Order", "order:charge", "order:reserve", "order:ship", "order:confirm")


async def test_order(place, tmp_path, monkeypatch):
    """The worker is killed while the first orders are charged, and again when all are reserved."""
    seed = os.environ.get("ORDER_SEED") or str(time.time_ns())
    print(f"ORDER_SEED={seed}")
    books = tmp_path / "books"
    books.touch()
    monkeypatch.setenv("ORDER_SEED", seed)
    monkeypatch.setenv("ORDER_BOOKS", str(books))
    orders = [await place.start(Order.run, f"order-{n}") for n in range(5)]

    async def done(step: int):
        async def look():
            counts = [(await types(o)).count("ACTIVITY_TASK_COMPLETED") for o in orders]
            return min(counts) >= step

        await eventually(f"step {step} of all orders", look)

    async with process(place.queue, *ORDER_WORKER) as worker:
        await eventually("the first charge", lambda: "charge" in books.read_text())
        worker.kill()
        await worker.wait()
    async with process(place.queue, *ORDER_WORKER) as worker:
        await done(2)
        worker.kill()
        await worker.wait()
    async with process(place.queue, *ORDER_WORKER):
        for number, order in enumerate(orders):
            name = f"order-{number}"
            assert await order.result() == [f"{s} of {name}" for s in ("charge", "reserve", "ship", "confirm")]
            assert (await types(order)).count("ACTIVITY_TASK_COMPLETED") == 4
            written = [line.split()[1] for line in books.read_text().splitlines() if line.startswith(f"{name} ")]
            assert list(dict.fromkeys(written)) == ["charge", "reserve", "ship", "confirm"]
            await Replayer(workflows=[Order], workflow_runner=RUNNER).replay_workflow(await order.fetch_history())


async def restart(*role):
    script = Path(__file__).parents[1] / "restart"
    restarted = await asyncio.create_subprocess_exec(str(script), *role)
    assert await restarted.wait() == 0


@pytest.mark.restarts
@pytest.mark.skipif(
    not {"PERDURE_CLUSTER_DIR", "PERDURE_DEV_DIR"} & set(os.environ), reason="the server is not ours to restart"
)
async def test_mortgage(place):
    """The worker and every server process are restarted while it waits."""
    handle = await place.start(Mortgage.run, "Elm Street 7")
    roles = ("history", "matching", "frontend") if "PERDURE_CLUSTER_DIR" in os.environ else (None,)
    async with process(place.queue, "mortgage:Mortgage"):
        assert await handle.query(Mortgage.missing) == ["appraiser", "bank", "notary"]
        for role in roles:
            await restart(*filter(None, [role]))
        await handle.signal(Mortgage.answer, args=["notary", "signs"])
        assert await handle.query(Mortgage.missing) == ["appraiser", "bank"]
    await restart()
    await handle.signal(Mortgage.answer, args=["bank", "lends"])
    async with process(place.queue, "mortgage:Mortgage") as worker:
        assert await handle.query(Mortgage.missing) == ["appraiser"]
        await restart()
        worker.kill()
        await worker.wait()
        await restart()
    async with process(place.queue, "mortgage:Mortgage"):
        await handle.signal(Mortgage.answer, args=["appraiser", "is content"])
        assert await handle.result() == "Elm Street 7: appraiser is content, bank lends, notary signs"
    await Replayer(workflows=[Mortgage], workflow_runner=RUNNER).replay_workflow(await handle.fetch_history())
