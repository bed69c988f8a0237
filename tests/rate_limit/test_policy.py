"""The arithmetic of the rate limit: with explicit numbers, and its promise with random ones."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Final, NamedTuple

import pytest
from budgets import COUNTED, LEASE, NOT_SENT, ONE, RATE_LIMITED, TEN, TWO, UNCERTAIN, counted_in, estimate_of
from hypothesis import given
from hypothesis import strategies as st

from bitget_spot.rate_limit.latency import MIN_SAMPLES, LatencyEstimate
from bitget_spot.rate_limit.policy import (
    IN_FLIGHT_GRACE,
    MAX_PAUSE,
    MAX_POLL_WAIT,
    PERIOD_MARGIN,
    POLL_INTERVAL,
    LimiterState,
    Participant,
    PermitRelease,
    RequestResult,
)
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, RateLimit


def near(seconds: float) -> object:
    """Return what equals this number of seconds, apart from rounding errors."""
    return pytest.approx(seconds, abs=1e-9)


def state_with(*latencies: float) -> LimiterState:
    """Return a state without permits whose only participant knows these latencies, each from a burst of its own."""
    state = LimiterState()
    state.participants[""] = Participant(0.0, estimate_of(*latencies))
    return state


def acquire_all(state: LimiterState, limit: RateLimit, now: float = 0.0) -> LimiterState:
    """Acquire every permit at one moment: "0", "1", …"""
    for index in range(limit.requests):
        assert state.acquire(str(index), now, limit, LEASE) == 0.0
    return state


def test_constants() -> None:
    """The constants are those that the measurements support, and the document allows ten requests in a second."""
    assert PERIOD_MARGIN == 0.005
    assert IN_FLIGHT_GRACE == 2.0
    assert BATCH_CANCEL_ORDERS.rate_limit == TEN


def test_all_permits_at_once_then_wait() -> None:
    """All permits can be acquired at once; the next caller waits, at most until the first lease ends."""
    state = acquire_all(LimiterState(), TEN)
    assert state.acquire("11th", 0.0, TEN, LEASE) == near(LEASE)
    assert state.acquire("11th", 5.0, TEN, LEASE) == near(LEASE - 5.0)
    assert len(state.permits) == 10


def test_available_a_period_after_the_response() -> None:
    """Without a known latency, a permit is available one period and the margin after the response, not before."""
    state = acquire_all(LimiterState(), TEN)
    for index in range(10):
        state.release(str(index), 0.2 + index / 100, TEN, COUNTED)
    assert state.acquire("next", 0.3, TEN, LEASE) == near(0.2 + 1.005 - 0.3)
    assert state.acquire("next", 1.204, TEN, LEASE) == near(0.001)
    assert state.acquire("next", 1.2051, TEN, LEASE) == 0.0
    assert state.acquire("second", 1.2052, TEN, LEASE) == near(0.21 + 1.005 - 1.2052)


def test_permit_is_available_after_the_returned_wait() -> None:
    """A caller that waits exactly as long as returned acquires the permit."""
    state = acquire_all(LimiterState(), TEN)
    state.release("0", 0.25, TEN, COUNTED)
    wait = state.acquire("next", 0.5, TEN, LEASE)
    assert state.acquire("next", 0.5 + wait, TEN, LEASE) == 0.0


@pytest.mark.parametrize(("samples", "credit"), [(0, 0.0), (4, 0.0), (5, 0.095), (6, 0.095)])
def test_credit_needs_five_latencies(samples: int, credit: float) -> None:
    """A permit is available earlier by 95 % of the shortest latency, but only if five latencies are known."""
    state = state_with(*[0.1, 0.3, 0.2, 0.5, 0.4, 0.6][:samples])
    state.acquire("0", 10.0, ONE, LEASE)
    state.release("0", 10.1, ONE, COUNTED)
    assert state.acquire("1", 10.1, ONE, LEASE) == near(1.005 - credit)


def test_fifth_latency_counts_for_its_own_permit() -> None:
    """The response that makes the estimate reliable already shortens the time of its own permit."""
    state = state_with(0.3, 0.3, 0.3, 0.3)
    state.acquire("0", 10.0, ONE, LEASE)
    state.release("0", 10.2, ONE, counted_in(0.2))
    assert state.acquire("1", 10.2, ONE, LEASE) == near(1.005 - 0.95 * 0.2)


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.04, 0.08, 0.16])
@pytest.mark.parametrize("delayed_burst", range(6))
def test_one_delayed_burst_breaks_nothing(delayed_burst: int, delay: float) -> None:
    """If all requests of one burst take up to three times as long, there are still no eleven arrivals in a second."""
    state = LimiterState()
    now = 0.0
    arrivals: list[float] = []
    for burst in range(8):
        way_there = 0.04 + (delay if burst == delayed_burst else 0.0)
        latency = way_there + 0.04
        acquired: list[float] = []
        while len(acquired) < TEN.requests:
            wait = state.acquire(f"{burst} {len(acquired)}", now, TEN, LEASE)
            if wait:
                now += wait
            else:
                acquired.append(now)
        for index, sent_at in enumerate(acquired):
            arrivals.append(sent_at + way_there)
            release = counted_in(latency) if burst else COUNTED
            state.release(f"{burst} {index}", sent_at + latency, TEN, release)
        now += latency
    assert crowded_periods(sorted(arrivals), TEN) == []


@pytest.mark.parametrize(
    "release", [COUNTED, UNCERTAIN, PermitRelease(RequestResult.NOT_SENT, latency=0.1), NOT_SENT, RATE_LIMITED]
)
def test_releases_without_a_latency(release: PermitRelease) -> None:
    """A response on a new connection, a missing response and a request that was not sent add no latency."""
    state = LimiterState()
    for index in range(10):
        state.acquire(str(index), 0.0, TEN, LEASE)
        state.release(str(index), 0.1, TEN, release)
    assert state.participants[""].latency == LatencyEstimate()


def test_uncertain_request_keeps_its_permit_longer() -> None:
    """A request without a response may still arrive: its permit is occupied longer, and there is no credit."""
    state = state_with(*[0.1] * 5)
    state.acquire("0", 10.0, ONE, LEASE)
    state.release("0", 11.0, ONE, UNCERTAIN)
    assert state.acquire("1", 11.0, ONE, LEASE) == near(IN_FLIGHT_GRACE + 1.005)
    assert state.acquire("1", 14.0051, ONE, LEASE) == 0.0


def test_permit_of_an_unsent_request_is_available_at_once() -> None:
    """The permit of a request that was not sent is available at once."""
    state = acquire_all(LimiterState(), TEN)
    state.release("3", 0.1, TEN, NOT_SENT)
    assert state.acquire("next", 0.1, TEN, LEASE) == 0.0
    assert state.acquire("another", 0.1, TEN, LEASE) > 0


def test_permit_is_available_after_its_lease() -> None:
    """A permit that is never released is available when its lease ends, and not before."""
    state = LimiterState()
    state.acquire("dead", 0.0, ONE, 5.0)
    assert state.acquire("next", 4.9, ONE, LEASE) == near(0.1)
    assert state.acquire("next", 5.0, ONE, LEASE) == 0.0
    assert list(state.permits) == ["next"]


def test_release_after_the_lease() -> None:
    """A permit that is released after its lease is occupied as its response demands."""
    state = LimiterState()
    state.acquire("slow", 0.0, ONE, 5.0)
    state.acquire("next", 6.0, ONE, LEASE)
    state.release("slow", 6.5, ONE, COUNTED)
    state.release("next", 6.6, ONE, NOT_SENT)
    assert state.acquire("third", 6.6, ONE, LEASE) == near(6.5 + 1.005 - 6.6)


def test_release_of_an_unknown_permit() -> None:
    """A permit that is not in the state is occupied if its request was counted, and ignored if it was not sent."""
    state = LimiterState()
    state.release("unknown", 3.0, ONE, NOT_SENT)
    assert not state.permits
    state.release("unknown", 3.0, ONE, COUNTED)
    assert state.acquire("next", 3.0, ONE, LEASE) == near(1.005)


def test_second_release_replaces_the_first() -> None:
    """After two releases of one permit only the later one counts."""
    state = LimiterState()
    state.acquire("0", 0.0, ONE, LEASE)
    state.release("0", 0.1, ONE, COUNTED)
    state.release("0", 0.4, ONE, COUNTED)
    assert state.acquire("1", 0.4, ONE, LEASE) == near(1.005)


def test_lowered_limit() -> None:
    """If the limit is lowered, callers wait until fewer permits are occupied than the lower limit allows."""
    state = acquire_all(LimiterState(), TEN)
    for index in range(10):
        state.release(str(index), index / 10, TEN, COUNTED)
    # Available at 1.005, 1.105 … 1.905: fewer than two are occupied from the ninth on.
    assert state.acquire("next", 1.0, TWO, LEASE) == near(0.8 + 1.005 - 1.0)
    assert state.acquire("next", 1.8051, TWO, LEASE) == 0.0
    assert state.acquire("another", 1.8052, TWO, LEASE) == near(0.9 + 1.005 - 1.8052)


def test_raised_limit() -> None:
    """If the limit is raised, the additional permits are available at once."""
    state = acquire_all(LimiterState(), TWO)
    assert state.acquire("more", 0.0, TWO, LEASE) > 0
    for index in range(8):
        assert state.acquire(f"more {index}", 0.0, TEN, LEASE) == 0.0
    assert state.acquire("eleventh", 0.0, TEN, LEASE) > 0


def test_period_of_the_limit() -> None:
    """The period is that of the limit, whatever its length."""
    minute = RateLimit(1, 60.0, "IP")
    state = LimiterState()
    state.acquire("0", 0.0, minute, LEASE)
    state.release("0", 1.0, minute, COUNTED)
    assert state.acquire("1", 1.0, minute, LEASE) == near(60.005)


def test_429_pauses_for_a_period() -> None:
    """After a 429 no permit is given for a period, although permits are available; then they are given again."""
    state = LimiterState()
    state.acquire("0", 0.0, TEN, LEASE)
    state.release("0", 0.1, TEN, RATE_LIMITED)
    assert state.acquire("1", 0.1, TEN, LEASE) == near(1.0)
    assert state.acquire("1", 0.6, TEN, LEASE) == near(0.5)
    assert state.acquire("1", 1.1, TEN, LEASE) == 0.0


def refuse_once(state: LimiterState, pause: float, now: float) -> float:
    """Acquire a permit at `now`, let its request be refused, check the length of the pause, and return its end."""
    assert state.acquire("again", now, TEN, LEASE) == 0.0
    state.release("again", now + 0.1, TEN, RATE_LIMITED)
    assert state.acquire("next", now + 0.1, TEN, LEASE) == near(pause)
    return now + 0.1 + pause


def test_repeated_429_doubles_the_pause() -> None:
    """Each 429 after a pause doubles the next pause, up to a maximum."""
    state = LimiterState()
    now = 0.0
    for pause in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 32.0, 32.0):
        assert pause <= MAX_PAUSE
        now = refuse_once(state, pause, now + 1e-6)


def test_429_of_earlier_requests_does_not_extend_the_pause() -> None:
    """Requests that were in flight when the pause began say nothing about whether it was long enough."""
    state = acquire_all(LimiterState(), TEN)
    for index in range(10):
        state.release(str(index), 0.1 + index / 100, TEN, RATE_LIMITED)
    assert state.paused_until == near(1.1)
    assert state.pause_length == near(1.0)


@pytest.mark.parametrize("release", [COUNTED, counted_in(0.1)])
def test_success_resets_the_pause(release: PermitRelease) -> None:
    """After the success of a request sent since the pause, the next pause is short again."""
    state = LimiterState()
    now = 0.0
    for pause in (1.0, 2.0, 4.0):
        now = refuse_once(state, pause, now + 1e-6)
    now += 1e-6
    state.acquire("fine", now, TEN, LEASE)
    state.release("fine", now + 0.1, TEN, release)
    refuse_once(state, 1.0, now + 0.2)


@pytest.mark.parametrize("release", [UNCERTAIN, NOT_SENT])
def test_missing_response_does_not_reset_the_pause(release: PermitRelease) -> None:
    """A request without a response does not show that the exchange accepts requests again."""
    state = LimiterState()
    end = refuse_once(state, 1.0, 0.0) + 1e-6
    state.acquire("no response", end, TEN, LEASE)
    state.release("no response", end + 0.1, TEN, release)
    refuse_once(state, 2.0, end + 0.2)


def test_success_of_an_earlier_request_does_not_reset_the_pause() -> None:
    """A success of a request that was in flight when the pause began neither ends nor shortens the pause."""
    state = LimiterState()
    state.acquire("early", 0.0, TEN, LEASE)
    end = refuse_once(state, 1.0, 0.0)
    state.release("early", 0.5, TEN, COUNTED)
    assert state.acquire("next", 0.5, TEN, LEASE) == near(end - 0.5)
    refuse_once(state, 2.0, end + 1e-6)


def test_permit_at_the_very_end_of_a_pause() -> None:
    """A caller that asks at the very end of a pause gets a permit, and its result decides about the next pause."""
    state = LimiterState()
    now = 0.0
    for pause in (1.0, 2.0, 4.0):
        assert state.acquire("again", now, TEN, LEASE) == 0.0
        state.release("again", now, TEN, RATE_LIMITED)
        assert state.acquire("next", now, TEN, LEASE) == pause
        now += pause
    assert state.acquire("fine", now, TEN, LEASE) == 0.0
    state.release("fine", now, TEN, COUNTED)
    state.acquire("again", now, TEN, LEASE)
    state.release("again", now, TEN, RATE_LIMITED)
    assert state.pause_length == 1.0


def test_refused_request_occupies_its_permit() -> None:
    """The exchange counts a refused request too, so it occupies its permit like any other."""
    state = LimiterState()
    state.acquire("0", 0.0, ONE, LEASE)
    state.release("0", 0.1, ONE, RATE_LIMITED)
    assert state.acquire("1", 1.1, ONE, LEASE) == near(0.005)


# After a refusal for too many requests, all latency estimates are discarded.


def test_429_discards_every_estimate() -> None:
    """After a 429 of any participant the estimates of all participants are empty."""
    state = LimiterState(shared=True)
    for name in ("refused", "other"):
        state.participants[name] = Participant(0.0, estimate_of(*[0.3] * 5))
    state.release("a", 1.0, TEN, RATE_LIMITED, "refused")
    assert {name: participant.latency for name, participant in state.participants.items()} == {
        "refused": LatencyEstimate(),
        "other": LatencyEstimate(),
    }


def test_429_without_a_result_discards_every_estimate() -> None:
    """A refusal for too many requests counts also if the result of the request is uncertain."""
    state = state_with(*[0.3] * 5)
    state.release("a", 1.0, TEN, PermitRelease(RequestResult.UNCERTAIN, rate_limited=True))
    assert state.participants[""].latency == LatencyEstimate()


def test_latency_of_a_refused_request_is_not_added() -> None:
    """The new estimate starts empty: it does not contain the latency of the refused request."""
    state = state_with(*[0.3] * 5)
    state.release("a", 1.0, TEN, PermitRelease(RequestResult.COUNTED, latency=0.2, rate_limited=True))
    assert state.participants[""].latency == LatencyEstimate()


def test_no_credit_after_a_429() -> None:
    """After a 429 no permit has a credit, those released before it included, until the estimate is reliable again."""
    state = state_with(*[0.4] * 5)
    state.acquire("before", 10.0, TEN, LEASE)
    state.release("before", 10.0, TEN, COUNTED)
    state.release("refused", 10.0, TEN, RATE_LIMITED)
    assert state.permits["before"].max_credit == near(0.38)
    assert state.permits["refused"].max_credit == 0.0
    assert state.acquire("next", 11.0, TWO, LEASE) == near(0.005)
    for second in range(MIN_SAMPLES):
        permit = f"later {second}"
        state.acquire(permit, 20.0 + second, TEN, LEASE)
        state.release(permit, 20.0 + second, TEN, counted_in(0.2))
        reliable = second == MIN_SAMPLES - 1
        assert state.permits[permit].max_credit == near(0.95 * 0.2 if reliable else 0.0)


def test_429_of_an_earlier_request_discards_every_estimate() -> None:
    """The estimates are discarded also if the refused request was in flight when the pause began."""
    state = state_with()
    state.acquire("early", 0.0, TEN, LEASE)
    end = refuse_once(state, 1.0, 0.0)
    for second in range(MIN_SAMPLES):
        state.release(f"fine {second}", end + second, TEN, counted_in(0.1))
    assert state.participants[""].latency.is_reliable
    state.release("early", end + 5.0, TEN, RATE_LIMITED)
    assert state.participants[""].latency == LatencyEstimate()


def test_latency_of_an_uncertain_request_is_added() -> None:
    """A latency is added whatever the result is, as long as the request was sent and not refused."""
    state = state_with()
    state.release("a", 1.0, TEN, PermitRelease(RequestResult.UNCERTAIN, latency=0.2))
    assert state.participants[""].latency.current.samples == 1


# A state that several participants share.


def test_second_ticket_waits_for_the_second_permit() -> None:
    """In a shared state the second waiter is given the time of the second permit."""
    state = acquire_all(LimiterState(shared=True), TWO)
    for index in range(2):
        state.release(str(index), index / 10, TWO, COUNTED)
    assert state.acquire("first", 1.0, TWO, LEASE) == near(0.005)
    assert state.acquire("second", 1.0, TWO, LEASE) == near(0.105)


def test_expiry_of_a_ticket() -> None:
    """A ticket is valid until MAX_POLL_WAIT after its holder should have asked again, and not longer."""
    state = acquire_all(LimiterState(shared=True), ONE)
    assert state.acquire("waiting", 0.0, ONE, LEASE) == near(POLL_INTERVAL)
    state.release("0", 0.0, ONE, NOT_SENT)
    assert state.acquire("newcomer", POLL_INTERVAL + MAX_POLL_WAIT - 0.001, ONE, LEASE) > 0
    assert state.acquire("newcomer", POLL_INTERVAL + MAX_POLL_WAIT, ONE, LEASE) == 0.0


@pytest.mark.parametrize("now", [1.005 - 0.95 * 0.5, 0.6])
def test_permit_available_by_credit_goes_to_the_first_ticket(now: float) -> None:
    """A permit that is available because of the credit goes to the first ticket, also if another caller asks first."""
    state = state_with(*[0.5] * 5)
    state.shared = True
    acquire_all(state, ONE)
    state.release("0", 0.0, ONE, COUNTED)
    assert state.acquire("first", 0.4, ONE, LEASE) > 0
    assert state.acquire("second", 0.4, ONE, LEASE) > 0
    assert state.acquire("second", now, ONE, LEASE) == near(POLL_INTERVAL)
    assert state.acquire("first", now, ONE, LEASE) == 0.0


def test_inactive_participant_is_forgotten() -> None:
    """The latency of another participant counts for a minute after its last activity, also if there are only two."""
    state = LimiterState(shared=True)
    for latency, participant in ((0.5, "far"), (0.1, "close")):
        state.participants[participant] = Participant(0.0, estimate_of(*[latency] * 5))
    for now, credit in ((59.9, 0.095), (60.0, 0.475)):
        state.acquire("a", now, ONE, LEASE, "far")
        state.release("a", now, ONE, COUNTED, "far")
        assert state.permits.pop("a").max_credit == near(credit)


def test_late_caller_keeps_its_place() -> None:
    """A caller that asks again after its ticket has expired is still the first, if nobody has asked in between."""
    state = acquire_all(LimiterState(shared=True), ONE)
    wait = state.acquire("first", 0.0, ONE, LEASE)
    asks_again_at = wait + MAX_POLL_WAIT + 0.001
    assert state.acquire("second", 0.1, ONE, LEASE) > 0
    state.release("0", 0.1, ONE, NOT_SENT)
    assert state.acquire("first", asks_again_at, ONE, LEASE) == 0.0
    assert "first" in state.permits
    assert list(state.tickets) == ["second"]


def test_caller_with_a_ticket_at_the_very_end_of_a_pause() -> None:
    """A caller that need not wait any more has acquired its permit, and gives its ticket back."""
    state = LimiterState(shared=True)
    state.release("refused", 0.0, TEN, RATE_LIMITED)
    assert state.acquire("next", 0.5, TEN, LEASE) == MAX_POLL_WAIT
    assert state.acquire("next", 1.0, TEN, LEASE) == 0.0
    assert state.permits["next"].in_flight
    assert state.tickets == {}


# Requests in flight, and participants that have died with some.


def state_with_two_participants() -> LimiterState:
    """Return a shared state in which "a" and "b" have one request in flight and one that is over each."""
    state = LimiterState(shared=True)
    for participant in ("a", "b"):
        for name in ("over", "in:flight"):
            assert state.acquire(f"{participant}:{name}", 0.0, TEN, LEASE, participant) == 0.0
        state.release(f"{participant}:over", 0.1, TEN, COUNTED, participant)
    return state


def test_participants_in_flight() -> None:
    """A participant has requests in flight until the last one is over; its waiting callers do not count."""
    state = state_with_two_participants()
    assert state.participants_in_flight() == {"a", "b"}
    state.release("a:in:flight", 0.2, TEN, UNCERTAIN, "a")
    assert state.acquire("c:waiting", 0.2, ONE, LEASE, "c") > 0
    assert state.participants_in_flight() == {"b"}


def test_removed_participant() -> None:
    """The requests in flight of a participant that has died are uncertain; nothing else changes."""
    state = state_with_two_participants()
    over = state.permits["a:over"].expires_at
    state.remove_participant("a", 2.0, TEN)
    dead = state.permits["a:in:flight"]
    assert dead.expires_at == near(2.0 + 1.005 + IN_FLIGHT_GRACE)
    assert dead.max_credit == 0.0
    assert not dead.in_flight
    assert state.permits["a:over"].expires_at == over
    assert state.permits["b:in:flight"].expires_at == LEASE
    assert state.participants_in_flight() == {"b"}
    assert list(state.participants) == ["b"]


def test_removed_participant_does_not_extend_a_lease() -> None:
    """The permit of a dead participant is available when its lease ends, if that is earlier."""
    state = state_with_two_participants()
    state.remove_participant("a", LEASE - 1.0, TEN)
    assert state.permits["a:in:flight"].expires_at == LEASE


def test_removed_participant_without_a_sign_of_life() -> None:
    """A participant that is not counted any more can still be removed, because it has requests in flight."""
    state = state_with_two_participants()
    del state.participants["a"]
    state.remove_participant("a", 2.0, TEN)
    assert state.participants_in_flight() == {"b"}


def test_removed_participant_waits_no_longer() -> None:
    """The tickets of a participant that has died are removed; those of others keep their order."""
    state = acquire_all(LimiterState(shared=True), ONE)
    for name in ("a:1", "b:1", "a:2:3", "ab:1"):
        assert state.acquire(name, 0.0, ONE, LEASE, name.partition(":")[0]) > 0
    state.remove_participant("a", 0.1, ONE)
    assert list(state.tickets) == ["b:1", "ab:1"]


def test_uncertain_request_is_not_in_flight() -> None:
    """After a fork or a death, the permit of an uncertain request is occupied as before: the request is over."""
    state = state_with()
    state.acquire("a:0", 0.0, ONE, LEASE)
    state.release("a:0", 1.0, ONE, UNCERTAIN)
    assert state.participants_in_flight() == set()
    state.forget_in_flight()
    assert state.permits["a:0"].max_credit == 0.0
    assert state.acquire("a:1", 1.0, ONE, LEASE) == near(IN_FLIGHT_GRACE + 1.005)


def test_forgotten_requests_in_flight() -> None:
    """The permits of requests in flight can be made available at once; the others stay occupied."""
    state = state_with_two_participants()
    state.forget_in_flight()
    assert list(state.permits) == ["a:over", "b:over"]


# The promise: the exchange never counts more requests than the limit in any period.


class RequestPlan(NamedTuple):
    """What happens to one request, drawn at random; times in seconds."""

    after: float
    """From the previous request until this one asks for a permit."""
    kind: str
    connecting: float
    """From the permit until the headers leave, if a connection has to be opened."""
    extra_there: float
    """How much longer the way to the exchange takes than the shortest one."""
    extra_back: float
    """How much longer the way back takes than the shortest one."""
    arrival: float
    """When a request without a response arrives, as a fraction of the time in which it may arrive."""


PLANS: Final = st.builds(
    RequestPlan,
    after=st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.3, 1.0]) | st.floats(0, 2),
    kind=st.sampled_from(
        [
            "open connection",
            "open connection",
            "open connection",
            "new connection",
            "lost",
            "not sent",
            "process killed",
            "refused",
        ]
    ),
    connecting=st.floats(0, 1),
    extra_there=st.just(0.0) | st.floats(0, 1),
    extra_back=st.just(0.0) | st.floats(0, 1),
    arrival=st.floats(0, 1),
)
TIMEOUT: Final = 3.0


class RequestTimeline(NamedTuple):
    """What became of one request."""

    released_at: float | None
    """When its permit is released; `None` if its process was killed."""
    release: PermitRelease
    counted_at: float | None
    """When the exchange counted it; `None` if it was not sent."""


def timeline_of(plan: RequestPlan, ways: tuple[float, float], acquired_at: float, period: float) -> RequestTimeline:
    """Return what becomes of a request that got its permit at `acquired_at`."""
    there = ways[0] + plan.extra_there
    back = ways[1] + plan.extra_back
    sent_at = acquired_at
    if plan.kind in ("new connection", "refused"):
        sent_at += plan.connecting
    arrived_at = sent_at + there
    responded_at = arrived_at + back
    timed_out_at = sent_at + TIMEOUT
    match plan.kind:
        case "open connection":
            return RequestTimeline(responded_at, counted_in(there + back), arrived_at)
        case "new connection":
            return RequestTimeline(responded_at, COUNTED, arrived_at)
        case "refused":
            return RequestTimeline(responded_at, RATE_LIMITED, arrived_at)
        case "lost":
            late = plan.arrival * (TIMEOUT + IN_FLIGHT_GRACE - there)
            return RequestTimeline(timed_out_at, UNCERTAIN, arrived_at + late)
        case "not sent":
            return RequestTimeline(timed_out_at, NOT_SENT, None)
        case _:
            late = plan.arrival * (LEASE - period - there)
            return RequestTimeline(None, UNCERTAIN, arrived_at + late)


def simulate(
    state: LimiterState, limit: RateLimit, ways: tuple[float, float], plans: Sequence[RequestPlan]
) -> list[float]:
    """Send the requests first come, first served, and return when the exchange counted them, in order."""
    counted: list[float] = []
    releases: list[tuple[float, str, PermitRelease]] = []
    now = 0.0
    for number, plan in enumerate(plans):
        name = str(number)
        now += plan.after
        while True:
            while releases and releases[0][0] <= now:
                released_at, released, release = heapq.heappop(releases)
                state.release(released, released_at, limit, release)
            wait = state.acquire(name, now, limit, LEASE)
            if not wait:
                break
            assert wait > 0
            # A release in the meantime wakes the waiter.
            now = min(now + wait, releases[0][0]) if releases else now + wait
        timeline = timeline_of(plan, ways, now, limit.period_seconds)
        if timeline.released_at is not None:
            heapq.heappush(releases, (timeline.released_at, name, timeline.release))
        if timeline.counted_at is not None:
            counted.append(timeline.counted_at)
    return sorted(counted)


def crowded_periods(times: Sequence[float], limit: RateLimit) -> list[float]:
    """Return the beginnings of the half-open periods that contain more of the times than the limit allows."""
    pairs = zip(times, times[limit.requests :], strict=False)
    return [first for first, last in pairs if last - first < limit.period_seconds]


@given(
    requests=st.integers(1, 4),
    ways=st.tuples(st.floats(0, 0.6), st.floats(0, 0.6)),
    reliable=st.booleans(),
    plans=st.lists(PLANS, max_size=30),
)
def test_never_more_than_the_limit(
    requests: int, ways: tuple[float, float], *, reliable: bool, plans: list[RequestPlan]
) -> None:
    """
    Whatever the delays of single requests, the exchange never counts more than the limit in any period.

    The shortest known latency is the sum of the shortest ways, as the policy assumes. Beyond those, each way of each
    request takes as much longer as it likes, and some requests get no response.
    """
    limit = RateLimit(requests, 1.0, "UID")
    state = state_with(*[sum(ways)] * (MIN_SAMPLES if reliable else 1))
    assert crowded_periods(simulate(state, limit, ways, plans), limit) == []


def test_simulation_finds_a_wrong_credit() -> None:
    """The simulation finds a violation: the latencies of new connections as a credit let too many requests through."""
    slow = RequestPlan(0.0, "new connection", 0.5, 0.0, 0.0, 0.0)
    prompt = slow._replace(kind="open connection")
    ways = (0.05, 0.05)
    plans = [*[slow] * 10, *[prompt] * 10]
    assert crowded_periods(simulate(state_with(*[0.1] * 5), TEN, ways, plans), TEN) == []
    assert crowded_periods(simulate(state_with(*[0.6] * 5), TEN, ways, plans), TEN) != []
