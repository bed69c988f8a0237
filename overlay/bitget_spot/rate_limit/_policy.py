"""
The policy: so many requests in any period as the exchange sees them arrive, as arithmetic over a log of slots.

What leaves on time does not arrive on time: cold connections, jitter and a lost packet let an overlap of two bursts
through whatever margin is put on the sending. So a slot is occupied from its grant until one period after the latest
moment at which the exchange can have counted the request, and that moment is bounded by the answer: it lies before
the answer's arrival by what follows the counting. A new request is counted after its sending by what goes before it.
The shortest time from sending to answer on an open connection comes close to the sum of the two from above, and that
much may be taken off. An answer that had to open its connection took longer *before* it was counted; it teaches
nothing.

Times are seconds of whatever clock the caller passes in.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from attrs import Factory, define, frozen

from bitget_spot_api.operations import RateLimit

PERIOD_MARGIN: Final = 0.005
"""Clock rates differ, and stamps are cut to milliseconds."""
TAKEN_OFF: Final = 0.95
"""The smallest sum of both ways is a little more than the sum of the smallest."""
WARM_NEEDED: Final = 5
"""How many warm answers must be known before anything is taken off."""
WARM_EXPIRY: Final = 600.0
"""How long a shortest time is believed, once to twice."""
HOLD: Final = 2.0
"""How long a request that nobody answered may still arrive: a lost packet's retransmissions, a proxy's queue."""
LONGEST_CLOSURE: Final = 32.0


class Fate(Enum):
    """What became of a request, as far as the budget is concerned."""

    ANSWERED = auto()
    """The exchange has counted it, or never will."""
    UNKNOWN = auto()
    """It may still arrive."""
    UNSENT = auto()
    """It never left."""


@frozen
class Settlement:
    """
    What a slot's holder tells when its request is over.

    Attributes:
        fate: What became of the request.
        warm: Seconds from its headers' leaving to its answer, if the connection was already open.
        limited: The exchange said that there were too many.

    """

    fate: Fate
    warm: float | None = None
    limited: bool = False


@define
class Shortest:
    """The shortest warm answer time of the last ten to twenty minutes."""

    started: float = 0.0
    now: float = float("inf")
    before: float = float("inf")
    known_now: int = 0
    known_before: int = 0

    def add(self, warm: float, at: float) -> None:
        """Take one more warm answer time into account."""
        if at - self.started > WARM_EXPIRY:
            self.started = at
            self.before, self.known_before = self.now, self.known_now
            self.now, self.known_now = float("inf"), 0
        self.known_now += 1
        self.now = min(self.now, warm)

    def taken_off(self) -> float:
        """Tell how much earlier than its answer a slot's period may begin."""
        enough = self.known_now + self.known_before >= WARM_NEEDED
        return TAKEN_OFF * min(self.now, self.before) if enough else 0.0


@define
class Log:
    """The occupied slots of one budget: for each, when it was taken and when it is free again."""

    slots: dict[str, tuple[float, float]] = Factory(dict)
    shortest: Shortest = Factory(Shortest)
    closed_until: float = float("-inf")
    closed_for: float = 0.0

    def take(self, slot: str, now: float, limit: RateLimit, lease: float) -> float:
        """
        Occupy a slot, or tell how long to wait before asking again.

        Args:
            slot: A name for it, told again when it is settled.
            now: The clock.
            limit: How many slots there are.
            lease: Seconds after which a slot that nobody settled is free again.

        Returns:
            0.0 if the slot is taken, else the seconds until one opens if nothing is settled meanwhile.

        """
        if now < self.closed_until:
            return self.closed_until - now
        if len(self.slots) >= limit.requests:
            self.slots = {name: times for name, times in self.slots.items() if times[1] > now}
            if len(self.slots) >= limit.requests:
                # With a limit lowered meanwhile, more are occupied than there are.
                ends = sorted(free_at for _, free_at in self.slots.values())
                return ends[len(ends) - limit.requests] - now
        self.slots[slot] = now, now + lease
        return 0.0

    def settle(self, slot: str, now: float, limit: RateLimit, told: Settlement) -> None:
        """
        Free a slot as soon as the policy allows.

        Args:
            slot: The name it was taken under.
            now: The clock, at the answer's arrival or when the request was given up.
            limit: As when it was taken.
            told: What became of the request.

        """
        taken_at, _ = self.slots.pop(slot, (now, now))
        if told.fate is Fate.UNSENT:
            return
        if told.warm is not None:
            self.shortest.add(told.warm, now)
        free_at = now + limit.period_seconds + PERIOD_MARGIN
        free_at += HOLD if told.fate is Fate.UNKNOWN else -self.shortest.taken_off()
        self.slots[slot] = taken_at, free_at
        # What was taken before a closure says nothing about whether the closure was long enough.
        if told.limited and taken_at >= self.closed_until:
            longer = max(2 * self.closed_for, limit.period_seconds)
            self.closed_for = min(longer, LONGEST_CLOSURE)
            self.closed_until = now + self.closed_for
        elif told.fate is Fate.ANSWERED and taken_at >= self.closed_until:
            self.closed_for = 0.0
