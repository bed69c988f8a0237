"""What the chain and a run tell each other: the time left, the stop, and who is woken by it."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from bitget_spot._concurrency import Waiter
from bitget_spot._middleware.context import REQUEST_CONTEXT, CancelScope, RequestContext


def test_without_a_deadline_there_is_no_end() -> None:
    """A run without a deadline has for ever, until it is stopped."""
    run = CancelScope()
    assert run.left() == float("inf")
    run.stop()
    assert run.left() == 0


def test_the_time_left_until_a_deadline() -> None:
    """The time left runs down by the run's clock, never below nothing; a stop ends it at once."""
    now = 100.0
    run = CancelScope(deadline=102.0, clock=lambda: now)
    assert run.left() == 2
    now = 101.5
    assert run.left() == 0.5
    now = 103.0
    assert run.left() == 0
    now = 100.0
    run.stop()
    assert run.left() == 0


@pytest.mark.parametrize("manner", ["sync", "asyncio"])
@pytest.mark.parametrize("when", ["before", "meanwhile"])
def test_a_stop_wakes_who_waits(manner: str, when: str) -> None:
    """Whoever waits when the run is stopped, or begins to afterwards, is woken at once, in threads and tasks."""
    run, bell = CancelScope(), Waiter()
    if when == "before":
        run.stop()
    else:
        threading.Timer(0.02, run.stop).start()

    async def task() -> None:
        with run.waking(bell):
            await bell.wait(30).asyncio()

    started = time.monotonic()
    if manner == "asyncio":
        asyncio.run(task())
    else:
        with run.waking(bell):
            bell.wait(30).sync()
    assert time.monotonic() - started < 5
    assert run.left() == 0


def test_who_waits_no_longer_is_left_alone() -> None:
    """After the wait, also one that ended in an exception, a stop rings nobody's bell."""
    run, bell = CancelScope(), Waiter()
    with pytest.raises(KeyError), run.waking(bell):
        raise KeyError
    run.stop()
    assert not bell._event.is_set()


def test_a_trail_begins_empty() -> None:
    """A fresh trail has no tries and no doubts, and outside of a run there is none."""
    trail = RequestContext(CancelScope())
    assert (trail.attempts, trail.doubtful, trail.remaining, trail.cut) == (0, False, None, False)
    assert REQUEST_CONTEXT.get() is None
