"""
A number of requests in any period, as the exchange counts their arrival. Pure arithmetic; the clock is passed in.

Requests that leave on time do not arrive on time. Cold connections, jitter and lost packets make two bursts overlap,
whatever margin is put on the time of sending. Therefore a permit is occupied from its acquisition until one period after
the latest moment at which the exchange can have counted its request. That moment is bounded by the response: it is
before the response's arrival, by the latency credit (see `latency`).

If several participants share the state, the way back is that of the participant that releases a permit, and the way
there is that of the participant that acquires it next. So the smallest credit of all participants applies, and none
applies for a participant, releasing or acquiring, that has no reliable estimate of its own.

Within a process, waiters are served in order by a `WaitQueue`. In a shared store the first waiter of each process holds
a ticket, and tickets are served in order: a participant gets a permit only if there is one for each ticket before its own.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from attrs import Factory, define, frozen

from bitget_spot.rate_limit.latency import LatencyEstimate
from bitget_spot_api.operations import RateLimit

PERIOD_MARGIN: Final = 0.005
"""Seconds added to the period: clock rates differ, and timestamps are truncated to milliseconds."""
IN_FLIGHT_GRACE: Final = 2.0
"""Seconds for which a request without a response may still arrive: retransmissions, a proxy's queue."""
MAX_PAUSE: Final = 32.0
"""Seconds: the longest pause after repeated refusals for too many requests."""
POLL_INTERVAL: Final = 0.02
"""Seconds after which a waiter asks a shared store again if the next permit is in flight: its holder may be in another
process, which cannot notify this one."""
MAX_POLL_WAIT: Final = 0.25
"""Seconds: the longest wait that a shared store returns, and how much longer a ticket is valid: its holder may have
died."""
PARTICIPANT_EXPIRY: Final = 60.0
"""Seconds after which a participant that shows no sign of life is no longer counted."""


class RequestResult(Enum):
    """What is known about a request, as far as the rate limit is concerned."""

    COUNTED = auto()
    """The exchange has responded: it has counted the request, or never will."""
    UNCERTAIN = auto()
    """There is no response from the exchange, so the request may still arrive there."""
    NOT_SENT = auto()
    """No byte of it has left."""


@frozen
class PermitRelease:
    """
    What the holder of a permit reports when its request is over.

    Attributes:
        result: What is known about the request.
        latency: Seconds from sending its headers to its response, if the connection was already open.
        rate_limited: The exchange refused it because there were too many requests.

    """

    result: RequestResult
    latency: float | None = None
    rate_limited: bool = False


@define
class Permit:
    """
    One permit that is occupied.

    Attributes:
        acquired_at: When it was acquired.
        expires_at: When it is available again, before any credit; while in flight, the end of its lease.
        max_credit: The most that may be subtracted from that; `None` while its request is in flight.

    """

    acquired_at: float
    expires_at: float
    max_credit: float | None = None

    @property
    def in_flight(self) -> bool:
        """Whether its request is not over yet."""
        return self.max_credit is None

    def available_at(self, credit: float) -> float:
        """Return when it is available again for a participant with this latency credit."""
        if self.max_credit is None:
            return self.expires_at
        return self.expires_at - min(self.max_credit, credit)


@define
class Participant:
    """One of the clients that share the state: when it was last active, and its estimate of the latency."""

    last_seen: float
    latency: LatencyEstimate = Factory(LatencyEstimate)


@define
class LimiterState:
    """
    The state of one budget.

    Attributes:
        permits: The occupied permits, by name.
        participants: The clients that share the state, by name.
        tickets: Those who wait for a permit in a shared store, in order, each with the time its ticket expires.
        shared: Whether other processes use it too.
        paused_until: No permit is given before this time.
        pause_length: How long that pause was, in seconds.

    """

    permits: dict[str, Permit] = Factory(dict)
    participants: dict[str, Participant] = Factory(dict)
    tickets: dict[str, float] = Factory(dict)
    shared: bool = False
    paused_until: float = float("-inf")
    pause_length: float = 0.0

    def acquire(self, name: str, now: float, limit: RateLimit, lease: float, participant: str = "") -> float:
        """
        Acquire a permit, or return how long to wait before asking again.

        Args:
            name: A name for it, given again for its release; asking twice under one name acquires one permit.
            now: The clock.
            limit: How many permits there are.
            lease: Seconds after which a permit that is never released is available again.
            participant: Who asks.

        Returns:
            0.0 if the permit is acquired, else seconds: until one is available if none is released meanwhile, or less.

        """
        me = self._touch(participant, now)
        permit = self.permits.get(name)
        if permit is not None and permit.in_flight:
            return 0.0  # the reply to an earlier call under this name was lost
        if self.tickets or now < self.paused_until or len(self.permits) >= limit.requests:
            wait = self._wait_time(name, now, limit, me)
            if wait > 0:
                if self.shared:
                    self.tickets[name] = now + wait + MAX_POLL_WAIT
                return wait
            self.tickets.pop(name, None)
        self.occupy(name, now, lease)
        return 0.0

    def occupy(self, name: str, now: float, lease: float) -> None:
        """Occupy a permit, whether or not one is available."""
        self.permits[name] = Permit(now, now + lease)

    def participants_in_flight(self) -> set[str]:
        """Return the names of those that have requests in flight; a shared store prefixes each permit with its holder."""
        return {name.partition(":")[0] for name, permit in list(self.permits.items()) if permit.in_flight}

    def remove_participant(self, participant: str, now: float, limit: RateLimit) -> None:
        """Remove a participant that has died: its requests in flight may still arrive, and it waits no longer."""
        self.participants.pop(participant, None)
        until = now + limit.period_seconds + PERIOD_MARGIN + IN_FLIGHT_GRACE
        for name, permit in list(self.permits.items()):
            if permit.in_flight and name.partition(":")[0] == participant:
                permit.expires_at = min(permit.expires_at, until)
                permit.max_credit = 0.0
        for name in list(self.tickets):
            if name.partition(":")[0] == participant:
                self.tickets.pop(name, None)

    def forget_in_flight(self) -> None:
        """Make the permits of requests in flight available again."""
        self.permits = {name: permit for name, permit in self.permits.items() if not permit.in_flight}

    def release(self, name: str, now: float, limit: RateLimit, release: PermitRelease, participant: str = "") -> None:
        """
        Make a permit available again as soon as the policy allows; a ticket is given back.

        Args:
            name: The name it was acquired under, or asked for.
            now: The clock, when the response arrived or the request was given up.
            limit: As for `acquire`.
            release: What is known about the request.
            participant: Who releases it.

        """
        me = self._touch(participant, now)
        self.tickets.pop(name, None)
        permit = self.permits.pop(name, None) or Permit(now, now)
        if release.result is RequestResult.NOT_SENT:
            return
        if release.rate_limited:
            self._forget_latency()
        elif release.latency is not None:
            me.latency.add(release.latency, now)
        permit.expires_at = now + limit.period_seconds + PERIOD_MARGIN
        if release.result is RequestResult.UNCERTAIN:
            permit.expires_at += IN_FLIGHT_GRACE
            permit.max_credit = 0.0
        else:
            permit.max_credit = self._credit(me)
        self.permits[name] = permit
        # A permit acquired before a pause says nothing about whether the pause was long enough.
        if permit.acquired_at >= self.paused_until:
            self._adjust_pause(now, limit, release)

    def _adjust_pause(self, now: float, limit: RateLimit, release: PermitRelease) -> None:
        if release.rate_limited:
            self.pause_length = min(max(2 * self.pause_length, limit.period_seconds), MAX_PAUSE)
            self.paused_until = now + self.pause_length
        elif release.result is RequestResult.COUNTED:
            self.pause_length = 0.0

    def _forget_latency(self) -> None:
        """Discard every estimate: a refusal for too many requests shows that the credit may have been too large."""
        for participant in self.participants.values():
            participant.latency = LatencyEstimate()

    def _touch(self, name: str, now: float) -> Participant:
        """Return a participant, marked as active now; forget those that have not been active for long."""
        me = self.participants.get(name)
        if me is None:
            me = self.participants[name] = Participant(now)
        me.last_seen = now
        for other, each in list(self.participants.items()):
            if now - each.last_seen >= PARTICIPANT_EXPIRY:
                self.participants.pop(other, None)
        return me

    def _credit(self, me: Participant) -> float:
        """Return the smallest latency credit of all participants; 0 if `me` has no reliable estimate."""
        if not me.latency.is_reliable:
            return 0.0
        return min(each.latency.credit for each in self.participants.values() if each.latency.is_reliable)

    def _wait_time(self, name: str, now: float, limit: RateLimit, me: Participant) -> float:
        self._purge(name, now)
        ahead = self._tickets_before(name)
        released, in_flight = self._occupied_until(now, self._credit(me))
        wait = self.paused_until - now
        # More can be occupied than there are permits if the limit has been lowered.
        excess = len(released) + len(in_flight) + ahead - limit.requests
        if excess >= 0:
            wait = max(wait, self._next_release(excess, released, in_flight, now))
        return min(wait, MAX_POLL_WAIT) if self.shared else wait

    def _purge(self, name: str, now: float) -> None:
        """Remove expired permits, and expired tickets other than this one."""
        # In place and from a copy: a signal handler may acquire a permit in between.
        for key, permit in list(self.permits.items()):
            if permit.expires_at <= now:
                self.permits.pop(key, None)
        for key, expires_at in list(self.tickets.items()):
            if expires_at <= now and key != name:
                self.tickets.pop(key, None)

    def _tickets_before(self, name: str) -> int:
        order = list(self.tickets)
        return order.index(name) if name in self.tickets else len(order)

    def _occupied_until(self, now: float, credit: float) -> tuple[list[float], list[float]]:
        """Return when the occupied permits are available again: those whose request is over, and those in flight."""
        released = []
        in_flight = []
        for permit in list(self.permits.values()):
            available_at = permit.available_at(credit)
            if permit.in_flight:
                in_flight.append(available_at)
            elif available_at > now:
                released.append(available_at)
        return released, in_flight

    def _next_release(self, excess: int, released: list[float], in_flight: list[float], now: float) -> float:
        """Return the seconds until so many permits more than one are available, if none is released meanwhile."""
        times = sorted(released + in_flight)
        if not times:
            return POLL_INTERVAL
        wait = times[min(excess, len(times) - 1)] - now
        if self.shared and excess >= len(released):
            return min(wait, POLL_INTERVAL)
        return wait
