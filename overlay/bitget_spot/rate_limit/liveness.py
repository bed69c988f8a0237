"""
Which processes are alive: each has a file that it keeps locked, and the system releases the lock when it ends.

Process ids would not do, because containers that share a file have process ids of their own.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from glob import escape
from pathlib import Path
from typing import Final

SUFFIX: Final = ".lock"
MAX_ATTEMPTS: Final = 5
"""How often a file is created again that another process has removed before it was locked."""


class LivenessFile:
    """
    The locked file of one participant, next to the file of the store.

    Args:
        store: The file of the store.
        participant: The name of the participant.

    """

    def __init__(self, store: Path, participant: str) -> None:
        self._store = store
        self._path = _path_of(store, participant)
        self._descriptor: int | None = None

    def hold(self, states: str) -> None:
        """
        Create and lock the file; remove those of dead participants that are not needed any more.

        Args:
            states: The states of all budgets. The files of participants in it show the others that they are dead.

        """
        for path in self._store.parent.glob(f"{escape(self._store.name)}.*{SUFFIX}"):
            if _participant_of(path) not in states:
                _is_unlocked(path, remove=True)
        # Without a lock, the permits of a process that dies are available again when their leases end.
        with suppress(OSError):
            self._descriptor = _create_locked(self._path)

    def is_dead(self, participant: str) -> bool:
        """Return whether another participant has died, as far as its file shows."""
        return _is_unlocked(_path_of(self._store, participant))

    def release(self) -> None:
        """Remove and unlock the file."""
        _remove(self._path)  # first: a file that is there and not locked is that of a dead participant
        self.close()
        _remove(self._path)  # Windows does not remove open files

    def close(self) -> None:
        """Close the file; the lock stays if another process has inherited it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _path_of(store: Path, participant: str) -> Path:
    return store.with_name(f"{store.name}.{participant}{SUFFIX}")


def _participant_of(path: Path) -> str:
    return path.name.removesuffix(SUFFIX).rpartition(".")[2]


def _create_locked(path: Path) -> int | None:
    """Create and lock a file, and return its descriptor; `None`, and no file, if it cannot be locked."""
    for _ in range(MAX_ATTEMPTS):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if _try_lock(descriptor) and _is_open_as(path, descriptor):
            return descriptor
        os.close(descriptor)
    _remove(path)
    return None


def _is_open_as(path: Path, descriptor: int) -> bool:
    """Return whether the file at a path is the one that is open."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def _is_unlocked(path: Path, *, remove: bool = False) -> bool:
    """Return whether a file is there and no process has locked it; remove it then, if wanted."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        if not _try_lock(descriptor):
            return False
        if remove:
            _remove(path)
        return True
    finally:
        os.close(descriptor)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


if sys.platform == "win32":  # pragma: no cover - tested on Linux

    def _try_lock(descriptor: int) -> bool:
        import msvcrt  # noqa: PLC0415 - Windows only

        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:

    def _try_lock(descriptor: int) -> bool:
        import fcntl  # noqa: PLC0415 - not on Windows

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
