"""
The slots of several processes of one machine, in a SQLite file.

A budget is one row, its log as JSON, and a step is one transaction that begins by locking the file. So the rules are
those of `_policy`, and a process that is killed at any instruction leaves the file as it was before the step or after.
The log need not survive a power cut, since the machine's requests do not either: nothing is flushed to the disk.
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

from bitget_spot._middleware.base import Do
from bitget_spot.rate_limit.fallback import TIMEOUT, Move, SharedSlots
from bitget_spot.rate_limit.policy import Client, Log, Shortest

BACK: Final = 1.0
"""Seconds that the clock may seem to go back between two processors."""
_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS budgets (name TEXT PRIMARY KEY, boot TEXT, at REAL, log TEXT)"
_READ: Final = "SELECT boot, at, log FROM budgets WHERE name = ?"
_WRITE: Final = "INSERT OR REPLACE INTO budgets VALUES (?, ?, ?, ?)"


def machine_clock() -> float:
    """Tell the seconds of a clock that all processes of this machine share and nobody sets."""
    # On Linux it goes on while the machine sleeps; elsewhere Python's own is that of the machine too.
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def boot_id(path: str = "/proc/sys/kernel/random/boot_id") -> str:
    """Tell a name of this run of the machine; empty where the system has none."""
    with suppress(OSError):
        return Path(path).read_text("ascii").strip()
    return ""


class SQLiteSlots(SharedSlots):
    """
    Slots in a SQLite file: the processes of one machine that name the same file share their budgets.

    Serves threads, event loops and forked processes. Close it, or use it in a `with` statement.

    Args:
        path: The file, on a disk of this machine; it is made if there is none.
        clock: Seconds that all the processes agree on, for tests.
        boot: A name of this run of the machine, for tests.

    Raises:
        OSError: The file cannot be opened for writing.

    """

    def __init__(
        self, path: str | os.PathLike[str], *, clock: Callable[[], float] = machine_clock, boot: str | None = None
    ) -> None:
        super().__init__()
        self._path = Path(path).absolute()
        self._clock = clock
        self._boot = boot_id() if boot is None else boot
        self._file = _File(self._path)
        try:
            with self._file:
                pass
        except sqlite3.Error as error:
            if not _is_busy(error):
                raise OSError(
                    f"{self._path}: {error}; give SQLiteSlots a file that it may make or write, in a directory there is"
                ) from error

    def __repr__(self) -> str:
        return f"SQLiteSlots({os.fspath(self._path)!r})"

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close(wait=False)

    def close(self) -> None:
        file, self._file = self._file, _File(self._path)
        file.close(wait=True)

    def _step(self, key: str, move: Move) -> Do:
        def step() -> tuple[float, int]:
            with self._own_file() as connection:
                return self._in_transaction(connection, key, move)

        async def step_in_task() -> tuple[float, int]:
            # One thread, in which a step that is given up is done before the one that undoes it.
            return await asyncio.get_running_loop().run_in_executor(self._own_file().thread, step)

        return Do(step, step_in_task)

    def _own_file(self) -> _File:
        if self._file.process != os.getpid():
            _inherited.append(self._file)
            self._file = _File(self._path)
        return self._file

    def _in_transaction(self, connection: sqlite3.Connection, key: str, move: Move) -> tuple[float, int]:
        with closing(connection.cursor()) as cursor:
            cursor.execute("BEGIN IMMEDIATE")
            try:
                row = cursor.execute(_READ, (key,)).fetchone()
                log, now = Log(shared=True), self._clock()
                if row is not None and row[0] == self._boot and row[1] <= now + BACK:
                    log, now = _log_of(row[2]), max(row[1], now)
                # Any other log is of an earlier run of the machine, whose requests have ended with it.
                answer = move.at(log, now)
                cursor.execute(_WRITE, (key, self._boot, now, json.dumps(log, default=_plain)))
                cursor.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    cursor.execute("ROLLBACK")
                raise
        return answer


class _File:
    """A file as one process has it open: entered, it gives the connection to one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.process = os.getpid()
        self.thread = ThreadPoolExecutor(1, "bitget-spot-slots")
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def __enter__(self) -> sqlite3.Connection:
        self._lock.acquire()
        try:
            if self._connection is None:
                self._connection = _connected(self._path)
        except BaseException:
            self._lock.release()
            raise
        return self._connection

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        try:
            if isinstance(error, sqlite3.Error) and not _is_busy(error):
                self._disconnect()  # it may be of no use any more
        finally:
            self._lock.release()

    def close(self, *, wait: bool) -> None:
        """Close the connection, be it after the steps that are under way in the thread."""
        if self.process == os.getpid():
            self.thread.shutdown(wait)
            with self._lock:
                self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


_inherited: Final[list[_File]] = []
"""Those of a parent process: to use them here, or to close them, would spoil its locks."""


def _connected(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=TIMEOUT, isolation_level=None, check_same_thread=False)
    try:
        _set_up(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _set_up(connection: sqlite3.Connection) -> None:
    give_up = time.monotonic() + TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            # Where several processes switch at once, SQLite does not wait for its time-out.
            if not _is_busy(error) or time.monotonic() > give_up:
                raise
            time.sleep(0.005)
        else:
            break
    connection.execute("PRAGMA synchronous = OFF").close()
    connection.execute(_SCHEMA).close()


def _is_busy(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", None) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _plain(value: Log | Client | Shortest) -> dict[str, Any]:
    return asdict(value, recurse=False)


def _log_of(text: str) -> Log:
    state = json.loads(text)
    clients = {name: Client(one["seen"], Shortest(**one["shortest"])) for name, one in state.pop("clients").items()}
    return Log(**state, clients=clients)
