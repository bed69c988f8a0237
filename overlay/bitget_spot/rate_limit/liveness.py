"""
Which processes are alive: each has a file that it keeps locked, and the system releases the lock when it ends.

Process ids would not do, because containers that share a file have process ids of their own.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

SUFFIX: Final = ".lock"


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

    def hold(self) -> None:
        """Create and lock the file; remove those of participants that have died."""
        for path in self._store.parent.glob(f"{self._store.name}.*{SUFFIX}"):
            _remove_if_unlocked(path)
        # Without a lock, the permits of a process that dies are available again when their leases end.
        with suppress(OSError):
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600)
            _try_lock(self._descriptor)

    def is_dead(self, participant: str) -> bool:
        """Return whether another participant has died, as far as its file shows."""
        return _remove_if_unlocked(_path_of(self._store, participant))

    def release(self) -> None:
        """Unlock and remove the file."""
        self.close()
        with suppress(OSError):
            self._path.unlink()

    def close(self) -> None:
        """Close the file; the lock stays if another process has inherited it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _path_of(store: Path, participant: str) -> Path:
    return store.with_name(f"{store.name}.{participant}{SUFFIX}")


def _remove_if_unlocked(path: Path) -> bool:
    """Remove a file that no process has locked; return whether it was there and not locked."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        if not _try_lock(descriptor):
            return False
        with suppress(OSError):
            path.unlink()
        return True
    finally:
        os.close(descriptor)


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
