"""
What the chain and a run of many batches tell each other.

The run goes through the generated function, whose signature has no room for a deadline or for the number of tries. So
each batch carries a `Trail` in a context variable: the links write down what happened, and heed the run's end.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final, Self

from attrs import define, field

from bitget_spot._concurrency import Bell


class Halted(Exception):  # noqa: N818 - no error of anybody's: the run has ended before this try could leave
    """The run has ended, so that the request must not leave any more."""


@define
class Run:
    """
    One run of many batches, and whether it is to go on.

    Attributes:
        deadline: When no further request may leave, by the clock; `None` for never.
        clock: Seconds that never go back.

    """

    deadline: float | None = None
    clock: Callable[[], float] = time.monotonic
    _stopped: bool = False
    _waiting: set[Bell] = field(factory=set)
    _lock: threading.Lock = field(factory=threading.Lock)

    @classmethod
    def within(cls, deadline: float | None) -> Self:
        """
        Make a run that may take so many seconds from now; `None` for as long as it takes.

        Raises:
            ValueError: That is no number of seconds.

        """
        run = cls()
        if deadline is not None:
            if not deadline >= 0:
                raise ValueError(f"deadline is {deadline}; give the seconds that the run may take")
            run.deadline = run.clock() + deadline
        return run

    def stop(self) -> None:
        """End the run: whoever waits is woken, and finds that it is over."""
        with self._lock:
            self._stopped = True
            for bell in self._waiting:
                bell.ring()

    def left(self) -> float:
        """Tell how many seconds there are until the end; infinity for no end in sight."""
        if self._stopped:
            return 0.0
        return float("inf") if self.deadline is None else max(0.0, self.deadline - self.clock())

    @contextmanager
    def waking(self, bell: Bell) -> Iterator[None]:
        """Have a waiter woken if the run is stopped meanwhile."""
        with self._lock:
            self._waiting.add(bell)
            if self._stopped:
                bell.ring()
        try:
            yield
        finally:
            with self._lock:
                self._waiting.discard(bell)


@define
class Trail:
    """
    What happened to one batch on its way.

    Attributes:
        run: The run it belongs to.
        cut: The run's end has kept a try from being made.
        tries: How many times it has left, as far as anybody can tell.
        doubtful: A try before the last one may have been carried out although its answer never said so.
        remaining: What the exchange last said of the calls that are left; nobody knows its window.

    """

    run: Run
    tries: int = 0
    doubtful: bool = False
    remaining: str | None = None
    cut: bool = False


TRAIL: ContextVar[Trail | None] = ContextVar("bitget_spot.trail", default=None)
_ENDLESS: Final = Run()


def current_trail() -> Trail:
    """Answer the trail of the batch under way, or one that nobody reads for a request outside any run."""
    return TRAIL.get() or Trail(_ENDLESS)
