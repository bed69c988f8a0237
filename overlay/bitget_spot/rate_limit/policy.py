"""
The policy: so many requests in any period as the exchange sees them arrive, as arithmetic over a log of slots.

What leaves on time does not arrive on time: cold connections, jitter and a lost packet let an overlap of two bursts
through whatever margin is put on the sending. So a slot is occupied from its grant until one period after the latest
moment at which the exchange can have counted the request, and that moment is bounded by the answer: it lies before
the answer's arrival by what follows the counting. A new request is counted after its sending by what goes before it.
The shortest time from sending to answer on an open connection comes close to the sum of the two from above, and that
much may be taken off. An answer that had to open its connection took longer *before* it was counted; it teaches
nothing. And the answers of one burst may all have met the same delay on their way there; so what they teach is believed
by thirds, one for each burst that has been seen.

Where several clients share a log, the way back is that of the client that settles a slot and the way there that of the
client that takes it next. So what is taken off is the shortest time of any of them, and nothing is taken off for a
client, settling or taking, that does not know five of its own yet.

In memory those who wait stand in a `Line`. In a shared log each client's first one draws a ticket, and they are served
in that order: who came later gets a slot only if there is one for each ticket before it.

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
BURST: Final = 0.5
"""Answers that come so soon after a burst's first one are of that burst."""
TRUST: Final = 1 / 3
"""How much of the shortest time each burst lets be taken off; one that was held up would else fool the next."""
WARM_EXPIRY: Final = 600.0
"""How long a shortest time is believed, once to twice."""
HOLD: Final = 2.0
"""How long a request that nobody answered may still arrive: a lost packet's retransmissions, a proxy's queue."""
LONGEST_CLOSURE: Final = 32.0
POLL: Final = 0.02
"""When to ask a shared log again whose next slot is in flight: its holder may be elsewhere, and rings no bell here."""
PATIENCE: Final = 0.25
"""The longest wait a shared log tells, and how much longer a ticket holds: its drawer may have died."""
CLIENT_EXPIRY: Final = 60.0
"""How long a client that shows no sign of life is counted."""


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
    """
    The shortest warm answer time of the last ten to twenty minutes: of those under way, and of the ten before.

    Attributes:
        started: When the ten minutes under way began.
        now: The shortest time of them; how many answers and bursts it is known from, `known_now` and `bursts_now` say.
        before: The same of the ten minutes before.
        burst: When the first answer of the latest burst came.

    """

    started: float = 0.0
    now: float = float("inf")
    before: float = float("inf")
    known_now: int = 0
    known_before: int = 0
    bursts_now: int = 0
    bursts_before: int = 0
    burst: float = float("-inf")

    def add(self, warm: float, at: float) -> None:
        """Take one more warm answer time into account."""
        if at - self.started > WARM_EXPIRY:
            self.started = at
            self.before, self.known_before, self.bursts_before = self.now, self.known_now, self.bursts_now
            self.now, self.known_now, self.bursts_now = float("inf"), 0, 0
        if at - self.burst > BURST:
            self.burst = at
            self.bursts_now += 1
        self.known_now += 1
        self.now = min(self.now, warm)

    @property
    def enough(self) -> bool:
        """Whether it is known from so many answers that it may be taken off."""
        return self.known_now + self.known_before >= WARM_NEEDED

    def taken_off(self) -> float:
        """Tell how much earlier than its answer a slot's period may begin."""
        return min(TAKEN_OFF, TRUST * (self.bursts_now + self.bursts_before)) * min(self.now, self.before)


@define
class Client:
    """One of those who share a log: when it was last seen, and the shortest of its own answer times."""

    seen: float
    shortest: Shortest = Factory(Shortest)


@define
class Log:
    """
    The occupied slots of one budget.

    Attributes:
        slots: For each, when it was taken, when it is free again, and how much of that may be taken off; `None` while
            it is in flight.
        clients: Those who share the log, by a name of their own.
        tickets: Those who wait for a slot of a shared log, in their order, each with the moment it loses its place.
        shared: Whether there are askers that no bell of this process reaches.
        closed_until: Nobody gets a slot before.
        closed_for: How long that closure was, in seconds.

    """

    slots: dict[str, tuple[float, float, float | None]] = Factory(dict)
    clients: dict[str, Client] = Factory(dict)
    tickets: dict[str, float] = Factory(dict)
    shared: bool = False
    closed_until: float = float("-inf")
    closed_for: float = 0.0

    def take(self, slot: str, now: float, limit: RateLimit, lease: float, client: str = "") -> float:
        """
        Occupy a slot, or tell how long to wait before asking again.

        Args:
            slot: A name for it, told again when it is settled; asking twice under one name takes one slot.
            now: The clock.
            limit: How many slots there are.
            lease: Seconds after which a slot that nobody settled is free again.
            client: Who asks.

        Returns:
            0.0 if the slot is taken, else seconds: until one opens if nothing is settled meanwhile, or less.

        """
        me = self._seen(client, now)
        known = self.slots.get(slot)
        if known is not None and known[2] is None:
            return 0.0  # the answer to the first asking has been lost
        if self.tickets or now < self.closed_until or len(self.slots) >= limit.requests:
            wait = self._wait(slot, now, limit, me)
            if wait > 0:
                if self.shared:
                    self.tickets[slot] = now + wait + PATIENCE
                return wait
            self.tickets.pop(slot, None)
        self.occupy(slot, now, lease)
        return 0.0

    def occupy(self, slot: str, now: float, lease: float) -> None:
        """Occupy a slot, be there one or not."""
        self.slots[slot] = now, now + lease, None

    def settle(self, slot: str, now: float, limit: RateLimit, told: Settlement, client: str = "") -> None:
        """
        Free a slot as soon as the policy allows; a ticket is given back.

        Args:
            slot: The name it was taken under, or asked for.
            now: The clock, at the answer's arrival or when the request was given up.
            limit: As when it was taken.
            told: What became of the request.
            client: Who tells.

        """
        me = self._seen(client, now)
        self.tickets.pop(slot, None)
        taken_at, _, _ = self.slots.pop(slot, (now, now, None))
        if told.fate is Fate.UNSENT:
            return
        if told.warm is not None:
            me.shortest.add(told.warm, now)
        free_at = now + limit.period_seconds + PERIOD_MARGIN
        if told.fate is Fate.UNKNOWN:
            self.slots[slot] = taken_at, free_at + HOLD, 0.0
        else:
            self.slots[slot] = taken_at, free_at, self._taken_off(me)
        # What was taken before a closure says nothing about whether the closure was long enough.
        if told.limited and taken_at >= self.closed_until:
            self.closed_for = min(max(2 * self.closed_for, limit.period_seconds), LONGEST_CLOSURE)
            self.closed_until = now + self.closed_for
        elif told.fate is Fate.ANSWERED and taken_at >= self.closed_until:
            self.closed_for = 0.0

    def _seen(self, client: str, now: float) -> Client:
        me = self.clients.get(client)
        if me is None:
            me = self.clients[client] = Client(now)
        me.seen = now
        self.clients = {name: one for name, one in self.clients.items() if one is me or now - one.seen < CLIENT_EXPIRY}
        return me

    def _taken_off(self, me: Client) -> float:
        if not me.shortest.enough:
            return 0.0
        return min(one.shortest.taken_off() for one in self.clients.values() if one.shortest.enough)

    def _wait(self, slot: str, now: float, limit: RateLimit, me: Client) -> float:
        self.slots = {name: times for name, times in self.slots.items() if times[1] > now}
        self.tickets = {name: until for name, until in self.tickets.items() if until > now or name == slot}
        order = list(self.tickets)
        place = order.index(slot) if slot in self.tickets else len(order)

        off = self._taken_off(me)
        settled = [free_at - min(known, off) for _, free_at, known in self.slots.values() if known is not None]
        settled = [free_at for free_at in settled if free_at > now]
        in_flight = [free_at for _, free_at, known in self.slots.values() if known is None]
        ends = sorted(settled + in_flight)

        wait = self.closed_until - now
        # With a limit lowered meanwhile, more are occupied than there are.
        needed = len(ends) + place - limit.requests
        if needed >= 0:
            opens = ends[min(needed, len(ends) - 1)] - now if ends else POLL
            wait = max(wait, min(opens, POLL) if self.shared and needed >= len(settled) else opens)
        return min(wait, PATIENCE) if self.shared else wait
