"""What a forked process must not share with its parent."""

from __future__ import annotations

import os
import weakref
from abc import ABC, abstractmethod
from typing import Final


class ForkAware(ABC):
    """
    Something that a forked process must not share with its parent: connections, locks, waiting threads.

    Subclasses call `ForkAware.__init__`.
    """

    def __init__(self) -> None:
        _fork_aware.add(self)

    @abstractmethod
    def after_fork_in_child(self) -> None:
        """Replace what belongs to the parent process. Inherited connections are kept in `inherited`, never closed."""


_fork_aware: Final[weakref.WeakSet[ForkAware]] = weakref.WeakSet()
inherited: Final[list[object]] = []
"""What belongs to a parent process: closing it here could end a connection or break a lock of the parent's."""


def _after_fork_in_child() -> None:
    for resource in list(_fork_aware):
        resource.after_fork_in_child()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
