"""
A client that is compared with others, in a process of its own, which does what `peers.py` asks for.

Jobs arrive on standard input as JSON, one in a line, and each result is one line on standard output. This module needs only
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

BATCH_SIZE: Final = 50
UNIFIED_BATCH_SIZE: Final = 20
API_KEY: Final = "a-key"
SECRET_KEY: Final = "a-secret"
PASSPHRASE: Final = "a-passphrase"
SYMBOL: Final = "BTCUSDT"
PATH: Final = "/api/v2/spot/trade/batch-cancel-order"


def new_order_ids(count: int) -> list[str]:
    """Return order ids that are as long as the exchange's."""
    return [str(10**18 + index) for index in range(count)]


def split_into_batches(order_ids: list[str], size: int = BATCH_SIZE) -> Iterator[list[str]]:
    """Yield the batches of a list."""
    for start in range(0, len(order_ids), size):
        yield order_ids[start : start + size]


def batch_size_of(account_type: str) -> int:
    """Return how many orders a request can have."""
    return UNIFIED_BATCH_SIZE if account_type == "unified" else BATCH_SIZE


def handwritten_body(order_ids: list[str]) -> str:
    """Return the body of a batch, without any library."""
    order_list = [{"orderId": order_id} for order_id in order_ids]
    return json.dumps({"symbol": SYMBOL, "orderList": order_list}, separators=(",", ":"))


def handwritten_headers(body: str) -> dict[str, str]:
    """Return the headers of a signed request, without any library."""
    timestamp = str(int(time.time() * 1000))
    digest = hmac.digest(SECRET_KEY.encode(), f"{timestamp}POST{PATH}{body}".encode(), "sha256")
    return {
        "ACCESS-KEY": API_KEY,
        "ACCESS-SIGN": base64.b64encode(digest).decode(),
        "ACCESS-PASSPHRASE": PASSPHRASE,
        "ACCESS-TIMESTAMP": timestamp,
        "Content-Type": "application/json",
        "locale": "en-US",
    }


class ComparedClient(ABC):
    """
    A client of one exchange.

    Args:
        origin: The exchange.
        limited: Whether it keeps its rate limit, if it has one; otherwise it never waits.

    """

    def __init__(self, origin: str, *, limited: bool) -> None:
        self.origin = origin
        self.limited = limited

    @abstractmethod
    def measure_cpu(self, calls: int) -> float:
        """Return the CPU seconds of this number of batches, one after another on an open connection."""

    @abstractmethod
    def cancel_all(self, order_ids: list[str]) -> None:
        """Cancel any number of orders as its user would; refused batches are not sent again."""

    @abstractmethod
    def close(self) -> None:
        """Close what is open."""


class SyncClient(ComparedClient):
    """A client that blocks."""

    @abstractmethod
    def cancel_batch(self, order_ids: list[str]) -> object:
        """Cancel one batch, and raise if it was refused."""

    def pause(self) -> None:
        """Wait between two batches as its user would."""

    def measure_cpu(self, calls: int) -> float:
        order_ids = new_order_ids(BATCH_SIZE)
        self.cancel_batch(order_ids)
        gc.collect()
        started_at = time.process_time()
        for _ in range(calls):
            self.cancel_batch(order_ids)
        return time.process_time() - started_at

    def cancel_all(self, order_ids: list[str]) -> None:
        for batch in split_into_batches(order_ids):
            with suppress(Exception):  # continue with the other batches; the exchange counts its refusals
                self.cancel_batch(batch)
            self.pause()


class AsyncClient(ComparedClient):
    """A client for an event loop."""

    def __init__(self, origin: str, *, limited: bool) -> None:
        super().__init__(origin, limited=limited)
        self.runner = asyncio.Runner()

    @abstractmethod
    async def cancel_batch(self, order_ids: list[str]) -> object:
        """Cancel one batch, and raise if it was refused."""

    async def aclose(self) -> None:
        """Close what the event loop has opened."""

    def measure_cpu(self, calls: int) -> float:
        async def run() -> float:
            order_ids = new_order_ids(BATCH_SIZE)
            await self.cancel_batch(order_ids)
            gc.collect()
            started_at = time.process_time()
            for _ in range(calls):
                await self.cancel_batch(order_ids)
            return time.process_time() - started_at

        return self.runner.run(run())

    def cancel_all(self, order_ids: list[str]) -> None:
        async def run() -> None:
            await asyncio.gather(*map(self.cancel_batch, split_into_batches(order_ids)), return_exceptions=True)

        self.runner.run(run())

    def close(self) -> None:
        self.runner.run(self.aclose())
        self.runner.close()


def timed(action: Callable[[], object]) -> tuple[float, float]:
    """Return the seconds and the CPU seconds of an action."""
    gc.collect()
    started_at = time.perf_counter()
    cpu_before = time.process_time()
    action()
    return time.perf_counter() - started_at, time.process_time() - cpu_before


def run_jobs(
    client_classes: Mapping[str, type[ComparedClient]], other_jobs: Mapping[str, Callable[..., object]]
) -> None:
    """Do the jobs that arrive, with the client that the command line names, until standard input ends."""
    client_class = client_classes[sys.argv[1]]
    open_clients: dict[str, ComparedClient] = {}

    def measure_cpu(origin: str, calls: int) -> float:
        if origin not in open_clients:
            open_clients[origin] = client_class(origin, limited=False)
        return open_clients[origin].measure_cpu(calls)

    def race(origin: str, orders: int) -> tuple[float, float]:
        client = client_class(origin, limited=True)
        order_ids = new_order_ids(orders)
        times = timed(lambda: client.cancel_all(order_ids))
        client.close()
        return times

    jobs: dict[str, Callable[..., Any]] = {"measure_cpu": measure_cpu, "race": race, **other_jobs}
    for line in sys.stdin:
        job = json.loads(line)
        print(json.dumps(jobs[job.pop("job")](**job)), flush=True)
    for client in open_clients.values():
        client.close()
