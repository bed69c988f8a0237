"""Random histories of a shared budget, to compare an implementation of the rate limit's policy with another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from attrs import frozen
from hypothesis import strategies as st

from bitget_spot.rate_limit.fallback import StoreOperation
from bitget_spot.rate_limit.policy import PermitRelease, RequestResult
from bitget_spot_api.operations import RateLimit

TICK: Final = 1 / 64
"""Seconds: a unit of which every multiple is exact in binary and in JSON, so that rounding decides no comparison."""


@frozen
class Event:
    """
    What one participant does at one moment.

    Attributes:
        step: Seconds since the previous event; negative if the clock is set back.
        after_wait: The step begins when the latest wait is over, rounded up to a tick.
        operations: What the participant does, in order.

    """

    step: float
    after_wait: bool
    operations: Sequence[StoreOperation]

    def seconds_since(self, latest_wait: float) -> float:
        """Return how far the clock moves from the previous event to this one."""
        if self.after_wait:
            return max(0.0, math.ceil(latest_wait / TICK) * TICK + self.step)
        return self.step


def _ticks(smallest: int, largest: int) -> st.SearchStrategy[float]:
    return st.integers(smallest, largest).map(lambda ticks: ticks * TICK)


def _event(
    *,
    step: tuple[float, bool],
    permits: Sequence[int],
    participant: str,
    limit: RateLimit,
    lease: float,
    release: PermitRelease | None,
) -> Event:
    operations = [StoreOperation(f"permit {permit}", participant, limit, lease, release) for permit in permits]
    seconds, after_wait = step
    return Event(seconds, after_wait, operations)


_SHORT_STEPS: Final = st.sampled_from([0, 0, 0, 1, 2, 8, 16, 31, 32, 33, 60, 64, 65, 70]).map(lambda n: n * TICK)
_LONG_STEPS: Final = st.sampled_from([3.0, 5.0, 10.0, 59.0, 60.0, 61.0, 300.0, 600.0, 601.0])
_STEPS_AFTER_WAIT: Final = st.sampled_from([-TICK, 0.0, TICK])
_STEPS: Final = st.one_of(
    st.tuples(_SHORT_STEPS, st.just(value=False)),
    st.tuples(_STEPS_AFTER_WAIT, st.just(value=True)),
    st.tuples(_LONG_STEPS, st.just(value=False)),
    st.tuples(_ticks(0, 320), st.just(value=False)),
)
_SET_BACK: Final = st.tuples(st.sampled_from([-TICK, -1.0, -1000.0]), st.just(value=False))
_LIMITS: Final = st.sampled_from(
    [
        RateLimit(1, 1.0, "UID"),
        RateLimit(2, 1.0, "UID"),
        RateLimit(4, 1.0, "UID"),
        RateLimit(3, 0.5, "UID"),
        RateLimit(2, 10.0, "UID"),
    ]
)
_RESULTS: Final = st.sampled_from([RequestResult.COUNTED] * 4 + [RequestResult.UNCERTAIN, RequestResult.NOT_SENT])


@st.composite
def histories(draw: st.DrawFn, *, set_back: bool = False) -> list[Event]:
    """
    Draw what one to three participants do with one budget.

    Each history has its own participants, limits and kinds of release, so that some get far without a refusal or
    with a single participant.
    """
    participants = draw(st.sampled_from([["one"], ["one", "two"], ["one", "two", "three"]]))
    limits = draw(st.lists(_LIMITS, min_size=1, max_size=2))
    refusals = draw(st.sampled_from([[False], [False, False, False, False, True]]))
    releases = st.builds(
        PermitRelease, _RESULTS, latency=st.none() | _ticks(1, 64), rate_limited=st.sampled_from(refusals)
    )
    steps = _STEPS
    if set_back and draw(st.sampled_from([False, False, True])):
        steps = _STEPS | _SET_BACK
    events = st.builds(
        _event,
        step=steps,
        # Several at once: a burst of responses is what makes a latency estimate reliable.
        permits=st.lists(st.integers(0, 9), min_size=1, max_size=6),
        participant=st.sampled_from(participants),
        limit=st.sampled_from(limits),
        lease=st.sampled_from([5.0, 5.0, 1.0, 20.0]),
        release=st.none() | releases,
    )
    return draw(st.lists(events, min_size=1, max_size=25))
