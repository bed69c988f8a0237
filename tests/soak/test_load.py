"""
Ten thousand orders and fifty callers for an hour: the budget is kept and used, everybody has a share, memory is flat.

The hour is emulated. `make test` plays a minute of it with five hundred orders, in which memory tells nothing, least of
all beside what counts the branches; `make soak` the whole.
"""

from __future__ import annotations

import asyncio
import gc
import os
import tracemalloc
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Final

import pytest
from attrs import define, evolve, field
from soak.road import Road
from soak.stage import Stage, staged

from bitget_spot import Status, cancel_orders
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.sandbox import Sandbox
from bitget_spot.sandbox.faults import Faults
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

WHOLE: Final = bool(os.environ.get("SOAK_EXAMPLES"))
SECONDS: Final = 3_600.0 if WHOLE else 60.0
ORDERS: Final = 10_000 if WHOLE else 500
CALLERS: Final = 50
BATCH: Final = 20 if WHOLE else 5
LOOK: Final = 60.0 if WHOLE else 5.0
"""Every so many seconds the ledger is looked at, and forgotten."""
GROWTH: Final = 100_000
"""Bytes by which the least memory may have grown from the second third of the time to the last."""
LIMIT: Final = BATCH_CANCEL_ORDERS.rate_limit.requests
PERIOD: Final = BATCH_CANCEL_ORDERS.rate_limit.period_seconds


@define
class Load:
    """One exchange, one budget, and fifty callers."""

    stage: Stage
    sandbox: Sandbox
    slots: MemoryStore
    road: Road
    ends_at: float
    share: Counter[int] = field(factory=Counter)
    """How many orders each caller has had cancelled."""
    worst: int = 0
    arrived: int = 0
    sizes: list[int] = field(factory=list)
    _last: list[float] = field(factory=list)

    def look(self) -> None:
        """Look at the ledger and at the memory, from time to time."""
        moments = [arrival.at for arrival in self.sandbox.arrivals]
        self.arrived += len(moments)
        together = self._last + moments
        for place, moment in enumerate(together):
            self.worst = max(self.worst, bisect_left(together, moment + PERIOD) - place)
        self._last = [moment for moment in together if moment > self.stage.now - 2 * PERIOD]
        self.sandbox.reset_ledger()
        self.road.trips.clear()
        if tracemalloc.is_tracing():
            gc.collect()
            self.sizes.append(tracemalloc.get_traced_memory()[0])
        if self.stage.now < self.ends_at:
            self.stage.at(LOOK, self.look)

    def mine(self, number: int) -> list[OrderRef]:
        """Open a caller's orders, again if it has cancelled them, and name them."""
        self.sandbox._carry_out_cancels()
        ids = list(self.sandbox._orders)[number::CALLERS]
        for order_id in ids:
            self.sandbox._orders[order_id] = evolve(self.sandbox._orders[order_id], status="live")
        return [OrderRef(order_id=order_id) for order_id in ids]

    def in_thread(self, number: int) -> None:
        """Cancel over and over."""
        client = self.road.client(self.sandbox.credentials, rate_limit_store=self.slots)
        while self.stage.now < self.ends_at:
            report = cancel_orders.sync(client=client, orders=self.mine(number), batch_size=BATCH)
            self.share[number] += report.counts[Status.ACCEPTED]
            assert report.counts[Status.ACCEPTED] == len(report), report

    async def in_task(self, number: int) -> None:
        """Cancel over and over."""
        client = self.road.client(self.sandbox.credentials, rate_limit_store=self.slots)
        while self.stage.now < self.ends_at:
            report = await cancel_orders.asyncio(client=client, orders=self.mine(number), batch_size=BATCH)
            self.share[number] += report.counts[Status.ACCEPTED]
            assert report.counts[Status.ACCEPTED] == len(report), report

    async def in_tasks(self, numbers: range) -> None:
        """Let some cancel side by side in one loop."""
        async with asyncio.TaskGroup() as group:
            for number in numbers:
                group.create_task(self.in_task(number))


@pytest.fixture
def load() -> Iterator[Load]:
    """Set the scene."""
    stage = Stage()
    stage.turns_allowed = 100_000_000
    sandbox = Sandbox(orders=ORDERS, clock=stage.right_calendar, timer=stage.clock)
    road = Road(stage, sandbox, Faults(stage.random), 0.01, 0.002)
    with staged(stage):
        yield Load(stage, sandbox, MemoryStore(clock=stage.clock), road, stage.now + SECONDS)


def test_fifty_callers(load: Load) -> None:
    """Fifty callers, threads and tasks, share one budget: kept in every second, used, fairly divided, memory flat."""
    stage = load.stage
    began = stage.now
    if WHOLE:
        tracemalloc.start()
    try:
        stage.at(LOOK, load.look)
        players = [stage.spawn(load.in_thread, number) for number in range(0, CALLERS, 2)]
        shares = (range(1, CALLERS // 2, 2), range(CALLERS // 2, CALLERS, 2))
        players += [stage.spawn(stage.run, partial(load.in_tasks, numbers)) for numbers in shares]
        stage.join(players)
        load.look()
    finally:
        tracemalloc.stop()
    assert not [player.came for player in players if player.came is not None]
    assert load.worst == LIMIT
    took = stage.now - began
    assert load.arrived >= 0.97 * LIMIT * took, f"{load.arrived} requests in {took:.0f} s"
    assert len(load.share) == CALLERS
    mean = sum(load.share.values()) / CALLERS
    assert 0.5 * mean <= min(load.share.values()) <= max(load.share.values()) <= 1.5 * mean, load.share
    if WHOLE:
        # What is in flight at a look comes and goes; what is held for ever does not go.
        third = (len(load.sizes) - 2) // 3
        first, last = min(load.sizes[third : 2 * third]), min(load.sizes[2 * third : 3 * third])
        assert last - first < GROWTH, load.sizes
        print(f"{load.arrived} requests in {took:.0f} s, at the least {first} bytes, later {last}")
