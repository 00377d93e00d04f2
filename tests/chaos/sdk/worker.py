#!/usr/bin/env python3
"""A worker of the mixed load: worker.py ADDRESS TASK_QUEUE. Connects until the server answers; serves until it is killed.
A small cache, so that it often reads whole histories. CHAOS_ONCE_LOG names the file of the executions that may happen once."""

import asyncio
import logging
import sys
from datetime import timedelta

from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from workflows import ACTIVITIES, WORKFLOWS


logging.disable(logging.WARNING)  # activities that fail on purpose


async def connect(address: str) -> Client:
    while True:
        try:
            return await Client.connect(address)
        except RuntimeError as e:
            print(f"not connected: {e}", flush=True)
            await asyncio.sleep(0.2)


async def main() -> None:
    client = await connect(sys.argv[1])
    while True:
        try:
            async with Worker(
                client,
                task_queue=sys.argv[2],
                workflows=WORKFLOWS,
                activities=ACTIVITIES,
                workflow_runner=UnsandboxedWorkflowRunner(),
                max_cached_workflows=20,
                max_concurrent_workflow_tasks=20,
                max_concurrent_activities=50,
                sticky_queue_schedule_to_start_timeout=timedelta(seconds=2),
            ):
                print("serving", flush=True)
                await asyncio.Event().wait()
        except Exception as e:  # the server was away when the worker looked at its namespace
            print(f"not serving: {e!r}", flush=True)
            await asyncio.sleep(0.2)


asyncio.run(main())
