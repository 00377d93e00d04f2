"""An order: charge the card, reserve the goods, ship them, confirm by mail. The shop's systems fail now and then."""

import os
import random
import time
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError


def unreliable(step: str, order: str) -> str:
    """Does the step and writes it into the shop's books (a file); half of the first attempts fail instead."""
    info = activity.info()
    chance = random.Random(f"{os.environ['ORDER_SEED']} {order} {step} {info.attempt}")
    time.sleep(chance.uniform(0.1, 0.5))
    if info.attempt == 1 and chance.random() < 0.5:
        raise ApplicationError(f"{step} is out of order")
    with Path(os.environ["ORDER_BOOKS"]).open("a") as books:
        books.write(f"{order} {step}\n")
    return f"{step} of {order}"


@activity.defn
def charge(order: str) -> str:
    return unreliable("charge", order)


@activity.defn
def reserve(order: str) -> str:
    return unreliable("reserve", order)


@activity.defn
def ship(order: str) -> str:
    return unreliable("ship", order)


@activity.defn
def confirm(order: str) -> str:
    return unreliable("confirm", order)


@workflow.defn
class Order:
    @workflow.run
    async def run(self, order: str) -> list[str]:
        return [
            await self.step(charge, order, attempts=5),
            await self.step(reserve, order, attempts=3),
            await self.step(ship, order),
            await self.step(confirm, order),
        ]

    async def step(self, what, order: str, attempts: int = 0) -> str:
        return await workflow.execute_activity(
            what,
            order,
            start_to_close_timeout=timedelta(seconds=2),
            retry_policy=RetryPolicy(maximum_attempts=attempts, initial_interval=timedelta(milliseconds=100)),
        )
