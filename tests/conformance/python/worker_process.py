"""A worker that a test may kill: worker_process.py QUEUE MODULE:NAME..., each a workflow or an activity."""

import asyncio
import importlib
import inspect
import sys

from support import ADDRESSES, Place, connect


async def main(queue: str, *names: str) -> None:
    found = [getattr(importlib.import_module(module), name) for module, name in (n.split(":") for n in names)]
    place = Place(await connect(ADDRESSES[-1]), None, queue)
    place.worker_client = place.client
    async with place.worker(
        *(f for f in found if inspect.isclass(f)),
        activities=[f for f in found if not inspect.isclass(f)],
        queue=queue,
    ):
        print("ready", flush=True)
        await asyncio.Event().wait()


asyncio.run(main(*sys.argv[1:]))
