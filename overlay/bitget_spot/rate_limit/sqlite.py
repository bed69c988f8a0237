"""
The store for the processes of one machine, in a SQLite file.

A budget is one row with its state as JSON, and an operation is one transaction that begins by locking the file. So the
rules are those of `policy`, and a process that is killed at any instruction leaves the file as it was before the
operation or after it. The state need not survive a power cut, because the requests do not either: nothing is synced to
the disk.
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from attrs import asdict

from bitget_spot._concurrency import Effect, inherited
from bitget_spot.rate_limit.fallback import STORE_TIMEOUT, SharedStore, StoreOperation
from bitget_spot.rate_limit.latency import LatencyEstimate, LatencyWindow
from bitget_spot.rate_limit.liveness import LivenessFile
from bitget_spot.rate_limit.policy import LimiterState, Participant, Permit
from bitget_spot_api.operations import RateLimit

CLOCK_TOLERANCE: Final = 1.0
"""Seconds that the clock may appear to go backwards between two processors."""
WAL_RETRY_INTERVAL: Final = 0.005
"""Seconds between two attempts to switch a file to write-ahead logging."""
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS budgets (name TEXT PRIMARY KEY, boot TEXT, at REAL, state TEXT)"
_READ: Final = "SELECT boot, at, state FROM budgets WHERE name = ?"
_READ_ALL: Final = "SELECT state FROM budgets"
_WRITE: Final = "INSERT OR REPLACE INTO budgets VALUES (?, ?, ?, ?)"


def machine_clock() -> float:
    """Return the seconds of a clock that all processes of this machine share and that is never set."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        # Continues while the machine sleeps.
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


def boot_id(path: str = "/proc/sys/kernel/random/boot_id") -> str:
    """Return an id of this start of the machine; empty if the system has none."""
    with suppress(OSError):
        return Path(path).read_text("ascii").strip()
    return ""


class SQLiteStore(SharedStore):
    """
    Keeps permits in a SQLite file: the processes of one machine that name the same file share their budgets.

    It serves threads, event loops and forked processes. Use it in a `with` statement, or call `close`.

    Args:
        path: The file, on a disk of this machine; it is created if it does not exist. If it cannot be opened, a warning
            is logged, and the budget is kept in memory.
        clock: Returns seconds that all processes agree on; for tests.
        boot: An id of this start of the machine; for tests.

    """

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Callable[[], float] = machine_clock, boot: str | None = None
    ) -> None:
        super().__init__()
        self._path = Path(path).absolute()
        self._clock = clock
        self._boot = boot_id() if boot is None else boot
        self._database = _Database(self._path, self._participant)
        try:
            with self._database:
                pass
        except (sqlite3.Error, OSError) as error:
            # A problem with a store never stops a cancel.
            self._circuit_breaker.record_failure(self, error)

    def __repr__(self) -> str:
        return f"SQLiteStore({os.fspath(self._path)!r})"

    def __del__(self) -> None:
        if hasattr(self, "_database"):
            self._database.close(wait=False)

    def close(self) -> None:
        """Close the file; the next request opens it again."""
        database = self._database
        self._database = _Database(self._path, self._participant)
        database.close(wait=True)

    def after_fork_in_child(self) -> None:
        """Open the file anew: using or closing the parent's connection would break the parent's locks."""
        super().after_fork_in_child()
        inherited.append(self._database)
        self._database.liveness.close()
        self._database = _Database(self._path, self._participant)

    def _execute(self, key: str, operation: StoreOperation) -> Effect:
        def execute() -> tuple[float, int]:
            with self._database as connection:
                return self._in_transaction(connection, key, operation)

        async def execute_async() -> tuple[float, int]:
            # One thread, so that an abandoned operation is over before the one that undoes it.
            return await asyncio.get_running_loop().run_in_executor(self._database.thread, execute)

        return Effect(execute, execute_async)

    def _in_transaction(self, connection: sqlite3.Connection, key: str, operation: StoreOperation) -> tuple[float, int]:
        with closing(connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                row = cursor.execute(_READ, (key,)).fetchone()
                state, now = self._current_state(row)
                result = operation.apply(state, now)
                if result[0] and self._remove_dead(state, now, operation.limit):
                    result = operation.apply(state, now)
                cursor.execute(_WRITE, (key, self._boot, now, json.dumps(state, default=_as_json)))
                cursor.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    cursor.execute("ROLLBACK")
                raise
        return result

    def _remove_dead(self, state: LimiterState, now: float, limit: RateLimit) -> bool:
        """Remove the participants with requests in flight that have died; return whether there were any."""
        others = state.participants_in_flight() - {self._participant}
        dead = [participant for participant in others if self._database.liveness.is_dead(participant)]
        for participant in dead:
            state.remove_participant(participant, now, limit)
        return bool(dead)

    def _current_state(self, row: tuple[str, float, str] | None) -> tuple[LimiterState, float]:
        """Return the state in a row, and the time; a new state if there is none from this start of the machine."""
        now = self._clock()
        if row is None:
            return LimiterState(shared=True), now
        boot, written_at, text = row
        # The requests of an earlier start of the machine ended with it.
        if boot != self._boot or written_at > now + CLOCK_TOLERANCE:
            return LimiterState(shared=True), now
        return _state_from_json(text), max(written_at, now)


class _Database:
    """A file as one process has it open. As a context manager it lends the connection to one thread at a time."""

    def __init__(self, path: Path, participant: str) -> None:
        self.liveness = LivenessFile(path, participant)
        self.thread = ThreadPoolExecutor(1, "bitget-spot-store")
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> sqlite3.Connection:
        # The thread that has the lock may be stuck, or a signal handler may wait on top of it.
        if not self._lock.acquire(timeout=STORE_TIMEOUT):
            raise sqlite3.OperationalError("the file is in use by another thread of this process for too long")
        try:
            if self._connection is None:
                self._connection = self._connect()
        except BaseException:
            self._lock.release()
            raise
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if isinstance(error, sqlite3.Error) and not _is_busy(error):
                self._disconnect()  # the connection may be unusable
        finally:
            self._lock.release()

    def close(self, *, wait: bool) -> None:
        """Close the connection, after the operations under way in the thread if `wait` is set."""
        self.thread.shutdown(wait)
        with self._lock:
            self._disconnect()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, timeout=STORE_TIMEOUT, isolation_level=None, check_same_thread=False)
        try:
            _set_up(connection)
            self.liveness.hold("".join(state for (state,) in connection.execute(_READ_ALL)))
        except BaseException:
            connection.close()
            raise
        return connection

    def _disconnect(self) -> None:
        connection = self._connection
        self._connection = None
        if connection is not None:
            connection.close()
            self.liveness.release()


def _set_up(connection: sqlite3.Connection) -> None:
    give_up_at = time.monotonic() + STORE_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            # SQLite ignores its timeout if several processes switch at once.
            if not _is_busy(error) or time.monotonic() > give_up_at:
                raise
            time.sleep(WAL_RETRY_INTERVAL)
        else:
            break
    connection.execute("PRAGMA synchronous = OFF").close()
    connection.execute(_SCHEMA).close()


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _as_json(value: Any) -> dict[str, Any]:  # noqa: ANN401 - any attrs class of the state
    return asdict(value, recurse=False)


def _state_from_json(text: str) -> LimiterState:
    data: dict[str, Any] = json.loads(text)
    permits = {name: Permit(**permit) for name, permit in data.pop("permits").items()}
    participants = {name: _participant_from_json(each) for name, each in data.pop("participants").items()}
    return LimiterState(**data, permits=permits, participants=participants)


def _participant_from_json(data: dict[str, Any]) -> Participant:
    latency = data["latency"]
    current = LatencyWindow(**latency.pop("current"))
    previous = LatencyWindow(**latency.pop("previous"))
    return Participant(data["last_seen"], LatencyEstimate(**latency, current=current, previous=previous))
