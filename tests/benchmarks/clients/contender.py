"""
What every client that is compared has in common: it runs in a process of its own and does as `peers.py` tells it.

Jobs come in on standard input as JSON, one in a line, and each is answered with one line. This module needs nothing but
the standard library, so that it runs in any environment.
"""

from __future__ import annotations

import asyncio
import base64
import gc
import hmac
import json
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

BATCH: Final = 50
KEY, SECRET, PASSPHRASE = "a-key", "a-secret", "a-passphrase"
SYMBOL: Final = "BTCUSDT"
PATH: Final = "/api/v2/spot/trade/batch-cancel-order"


def ids_of(count: int) -> list[str]:
    """Make so many order ids, as long as the exchange's."""
    return [str(10**18 + index) for index in range(count)]


def batches(ids: list[str]) -> Iterator[list[str]]:
    """Cut a list into batches."""
    return (ids[start : start + BATCH] for start in range(0, len(ids), BATCH))


def body_of(ids: list[str]) -> str:
    """Write the body of a batch as one does by hand."""
    return json.dumps({"symbol": SYMBOL, "orderList": [{"orderId": one} for one in ids]}, separators=(",", ":"))


def signed(body: str) -> dict[str, str]:
    """Make the headers as one does by hand."""
    stamp = str(int(time.time() * 1000))
    digest = hmac.digest(SECRET.encode(), f"{stamp}POST{PATH}{body}".encode(), "sha256")
    return {
        "ACCESS-KEY": KEY,
        "ACCESS-SIGN": base64.b64encode(digest).decode(),
        "ACCESS-PASSPHRASE": PASSPHRASE,
        "ACCESS-TIMESTAMP": stamp,
        "Content-Type": "application/json",
        "locale": "en-US",
    }


class Contender(ABC):
    """
    A client of one exchange.

    Args:
        origin: The exchange.
        limited: Whether it keeps its limit, if it has one; otherwise nothing makes it wait.

    """

    def __init__(self, origin: str, *, limited: bool) -> None:
        self.origin, self.limited = origin, limited

    @abstractmethod
    def cpu(self, calls: int) -> float:
        """Tell the CPU seconds of so many batches of fifty, one after another on a warm connection."""

    @abstractmethod
    def race(self, ids: list[str]) -> None:
        """Cancel any number of orders as its user would; what is refused is not sent again."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open."""


class InThreads(Contender):
    """A client that blocks."""

    @abstractmethod
    def cancel(self, ids: list[str]) -> object:
        """Cancel one batch, and raise if it was refused."""

    def pause(self) -> None:
        """Do what its user does between two batches."""

    def cpu(self, calls: int) -> float:
        ids = ids_of(BATCH)
        self.cancel(ids)
        gc.collect()
        started = time.process_time()
        for _ in range(calls):
            self.cancel(ids)
        return time.process_time() - started

    def race(self, ids: list[str]) -> None:
        for batch in batches(ids):
            with suppress(Exception):  # the other batches are to go on; the exchange counts its refusals
                self.cancel(batch)
            self.pause()


class InTasks(Contender):
    """A client of an event loop."""

    def __init__(self, origin: str, *, limited: bool) -> None:
        super().__init__(origin, limited=limited)
        self.runner = asyncio.Runner()

    @abstractmethod
    async def cancel(self, ids: list[str]) -> object:
        """Cancel one batch, and raise if it was refused."""

    async def aclose(self) -> None:
        """Close what the loop has opened."""

    def cpu(self, calls: int) -> float:
        async def run() -> float:
            ids = ids_of(BATCH)
            await self.cancel(ids)
            gc.collect()
            started = time.process_time()
            for _ in range(calls):
                await self.cancel(ids)
            return time.process_time() - started

        return self.runner.run(run())

    def race(self, ids: list[str]) -> None:
        async def run() -> None:
            await asyncio.gather(*map(self.cancel, batches(ids)), return_exceptions=True)

        self.runner.run(run())

    def close(self) -> None:
        self.runner.run(self.aclose())
        self.runner.close()


def obey(contenders: Mapping[str, type[Contender]], other: Mapping[str, Callable[..., object]]) -> None:
    """Do the jobs that come in, by the contender that the command line names, until there are no more."""
    make = contenders[sys.argv[1]]
    kept: dict[str, Contender] = {}

    def cpu(origin: str, calls: int) -> float:
        if origin not in kept:
            kept[origin] = make(origin, limited=False)
        return kept[origin].cpu(calls)

    def race(origin: str, orders: int) -> tuple[float, float]:
        client, ids = make(origin, limited=True), ids_of(orders)
        gc.collect()
        started, worked = time.perf_counter(), time.process_time()
        client.race(ids)
        took = time.perf_counter() - started, time.process_time() - worked
        client.close()
        return took

    jobs: dict[str, Callable[..., Any]] = {"cpu": cpu, "race": race, **other}
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(jobs[job.pop("do")](**job)), flush=True)
    for client in kept.values():
        client.close()
