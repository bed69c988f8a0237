"""
The Redis script against `LimiterState`, whose rules it repeats: both do the same, and results and states are compared.

Set SCRIPT_EXAMPLES to run more random histories than by default.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from collections.abc import Iterator
from typing import Any, Final

import pytest
import redis
from attrs import asdict
from budgets import COUNTED, LEASE, NOT_SENT, ONE, RATE_LIMITED, TEN, TWO, UNCERTAIN, Clock, counted_in
from hypothesis import given, settings
from limiter_histories import TICK, Event, histories

from bitget_spot.rate_limit import RedisStore
from bitget_spot.rate_limit.fallback import StoreOperation
from bitget_spot.rate_limit.latency import BURST_LENGTH, MIN_SAMPLES, WINDOW_LENGTH, LatencyEstimate, LatencyWindow
from bitget_spot.rate_limit.policy import (
    IN_FLIGHT_GRACE,
    MAX_PAUSE,
    MAX_POLL_WAIT,
    PARTICIPANT_EXPIRY,
    PERIOD_MARGIN,
    POLL_INTERVAL,
    LimiterState,
    Participant,
    Permit,
    PermitRelease,
    RequestResult,
)
from bitget_spot_api.operations import RateLimit

EXAMPLES: Final = int(os.environ.get("SCRIPT_EXAMPLES", "200"))
PERIOD: Final = 1.0 + PERIOD_MARGIN
keys = (f"script {number}" for number in itertools.count())


class ExpectedScript:
    """
    What the script must do: `LimiterState`, with the script's clock and the pause of a state that was lost.

    Attributes:
        base: The server's time at the zero of the state's times.
        now: The time of the latest operation.
        state: The state; `None` until the first operation.

    """

    def __init__(self) -> None:
        self.base = 0.0
        self.now = 0.0
        self.state: LimiterState | None = None

    def apply(self, operation: StoreOperation, server_time: float) -> tuple[float, int]:
        """Apply an operation; return the seconds to wait and the number of participants."""
        if self.state is None:
            self.base = math.floor(server_time)
            pause = operation.limit.period_seconds + IN_FLIGHT_GRACE
            self.state = LimiterState(shared=True, paused_until=server_time - self.base + pause)
        if server_time - self.base < self.now:
            self.base = server_time - self.now  # the clock was set back: continue from the latest time
        self.now = server_time - self.base
        return operation.apply(self.state, self.now)


class ScriptComparison:
    """
    One budget in Redis and the same budget in Python, with a clock that the test sets.

    Attributes:
        clock: The server's clock.
        latest_wait: What the latest operation returned.

    """

    def __init__(self, store: RedisStore, server: redis.Redis, clock: Clock) -> None:
        self.clock = clock
        self.latest_wait = 0.0
        self._expected = ExpectedScript()
        self._store = store
        self._server = server
        self._key = next(keys)
        # As if the state was lost: it begins with a pause, however long the server has been running.
        store._seen_keys.add(self._key)

    @property
    def expected_state(self) -> LimiterState:
        """The state in Python."""
        assert self._expected.state is not None
        return self._expected.state

    def acquire(self, permit: str, limit: RateLimit = TEN, *, lease: float = LEASE, participant: str = "one") -> float:
        """Acquire a permit from both, or return how long to wait."""
        self.apply(StoreOperation(permit, participant, limit, lease))
        return self.latest_wait

    def release(self, permit: str, release: PermitRelease, limit: RateLimit = TEN, *, participant: str = "one") -> None:
        """Release a permit in both."""
        self.apply(StoreOperation(permit, participant, limit, release=release))

    def apply(self, operation: StoreOperation) -> None:
        """Apply an operation to both, and compare the results and the states."""
        wait, participants = self._store._execute(self._key, operation).sync()
        self.latest_wait, expected_participants = self._expected.apply(operation, self.clock.now)
        assert wait == near(self.latest_wait)
        assert (wait == 0.0) is (self.latest_wait == 0.0)
        assert participants == expected_participants
        self._compare_states()

    def _compare_states(self) -> None:
        text = self._server.get(self._key)
        assert isinstance(text, bytes)
        stored = json.loads(text)
        assert stored.pop("base") == near(self._expected.base)
        assert stored.pop("at") == near(self._expected.now)
        state = state_from(stored)
        assert list(state.tickets) == list(self.expected_state.tickets)
        assert flatten(asdict(state)) == near(flatten(asdict(self.expected_state)))


def near(expected: object) -> object:
    """Return what equals these numbers, apart from the fourteen digits of the script's JSON."""
    return pytest.approx(expected, rel=0, abs=1e-8)


def state_from(stored: dict[str, Any]) -> LimiterState:
    """Return the state that the script has stored; whatever it leaves out has its default."""
    permits = {name: Permit(**permit) for name, permit in stored.pop("permits").items()}
    participants = {name: participant_from(each) for name, each in stored.pop("participants").items()}
    tickets = dict(stored.pop("tickets"))
    return LimiterState(permits, participants, tickets, shared=True, **stored)


def participant_from(stored: dict[str, Any]) -> Participant:
    """Return a participant that the script has stored."""
    latency = stored.pop("latency")
    current = LatencyWindow(**latency.pop("current"))
    previous = LatencyWindow(**latency.pop("previous"))
    return Participant(latency=LatencyEstimate(**latency, current=current, previous=previous), **stored)


def flatten(nested: dict[str, Any], path: str = "") -> dict[str, float]:
    """Return the numbers of nested dictionaries by their paths; `None` as -1.0, because `approx` needs numbers."""
    flat: dict[str, float] = {}
    for name, value in nested.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{path}{name}/")
        else:
            flat[f"{path}{name}"] = -1.0 if value is None else float(value)
    return flat


@pytest.fixture(scope="module")
def server(valkey_url: str) -> Iterator[redis.Redis]:
    """Return a connection to the server, to read what the script has stored."""
    with redis.Redis.from_url(valkey_url) as server:
        yield server


@settings(deadline=None, max_examples=EXAMPLES)
@given(history=histories(set_back=True))
def test_random_histories(history: list[Event], valkey_url: str, server: redis.Redis) -> None:
    """Whatever several participants do, the script returns and stores what `LimiterState` does."""
    clock = Clock(1000.0 + 21 * TICK)
    with RedisStore(valkey_url, clock=clock) as store:
        comparison = ScriptComparison(store, server, clock)
        for event in history:
            clock.now += event.seconds_since(comparison.latest_wait)
            for operation in event.operations:
                comparison.apply(operation)


# Situations that random histories seldom reach. Every operation compares results and states as above.


@pytest.fixture
def comparison(valkey_url: str, server: redis.Redis) -> Iterator[ScriptComparison]:
    """Return a comparison whose initial pause is over."""
    clock = Clock()
    with RedisStore(valkey_url, clock=clock) as store:
        comparison = ScriptComparison(store, server, clock)
        comparison.release("first", NOT_SENT)
        clock.now += 1.0 + IN_FLIGHT_GRACE
        yield comparison


def add_latencies(
    comparison: ScriptComparison, latency: float, *, count: int = MIN_SAMPLES, participant: str = "one"
) -> None:
    """Release so many permits with a latency, each in a burst of its own."""
    for index in range(count):
        comparison.clock.now += 2 * BURST_LENGTH
        comparison.release(f"sample {index}", counted_in(latency), participant=participant)


def add_burst(comparison: ScriptComparison, latency: float, *, participant: str = "one") -> None:
    """Make the estimate of a participant reliable at one moment, without occupying a permit."""
    for _ in range(MIN_SAMPLES):
        comparison.release("sample", counted_in(latency), participant=participant)
        comparison.release("sample", NOT_SENT, participant=participant)


@pytest.mark.parametrize("window", [WINDOW_LENGTH, WINDOW_LENGTH + TICK])
def test_latency_windows(comparison: ScriptComparison, window: float) -> None:
    """The windows of an estimate end at the same moment, and both use the shortest latency of two windows."""
    comparison.clock.now += 2 * WINDOW_LENGTH
    for latency in (0.5, 0.25, 0.5, 0.75):
        for _ in range(2):
            comparison.release("a", counted_in(latency))
            comparison.release("b", counted_in(latency))
            comparison.clock.now += 2 * BURST_LENGTH
        comparison.clock.now += window - 4 * BURST_LENGTH
    estimate = comparison.expected_state.participants["one"].latency
    assert estimate.previous.samples > 0
    assert estimate.is_reliable


@pytest.mark.parametrize("interval", [BURST_LENGTH - TICK, BURST_LENGTH, BURST_LENGTH + TICK])
def test_latency_bursts(comparison: ScriptComparison, interval: float) -> None:
    """A response belongs to the same burst."""
    for index in range(6):
        comparison.clock.now += interval
        comparison.release(str(index), counted_in(0.25))
    bursts = comparison.expected_state.participants["one"].latency.current.bursts
    assert bursts == (6 if interval > BURST_LENGTH else 3)


def test_smallest_credit_of_all_participants(comparison: ScriptComparison) -> None:
    """The credit of a release is the smallest of all participants."""
    add_latencies(comparison, 0.5, participant="far")
    comparison.release("a", COUNTED, participant="far")
    add_latencies(comparison, 0.125, participant="close")
    comparison.release("b", COUNTED, participant="far")
    permits = comparison.expected_state.permits
    assert permits["a"].max_credit == near(0.95 * 0.5)
    assert permits["b"].max_credit == near(0.95 * 0.125)


def test_unreliable_estimate_of_another_participant(comparison: ScriptComparison) -> None:
    """The credit of a participant without enough latencies does not count, however small its latency is."""
    add_latencies(comparison, 0.125, count=MIN_SAMPLES - 1, participant="new")
    add_latencies(comparison, 0.5)
    assert comparison.expected_state.permits["sample 4"].max_credit == near(0.95 * 0.5)


def test_permit_released_with_a_smaller_credit(comparison: ScriptComparison) -> None:
    """A permit keeps the smaller credit that it was released with, although a larger one applies meanwhile."""
    comparison.release("held", COUNTED, ONE)
    add_burst(comparison, 1.0)
    comparison.clock.now += 0.875
    assert comparison.acquire("next", ONE) == near(PERIOD - 0.875)


def test_permit_released_with_a_larger_credit(comparison: ScriptComparison) -> None:
    """The smaller credit that applies now also applies to a permit that was released with a larger one."""
    add_latencies(comparison, 0.5, participant="far")
    comparison.clock.now += 10.0
    comparison.release("held", COUNTED, participant="far")
    add_burst(comparison, 0.375, participant="close")
    comparison.clock.now += 0.75
    assert comparison.acquire("next", ONE, participant="far") == near(PERIOD - 0.375 / 3 - 0.75)
    assert comparison.acquire("next", ONE, participant="new") == near(MAX_POLL_WAIT)


def test_no_credit_for_an_uncertain_request(comparison: ScriptComparison) -> None:
    """A permit whose request may still arrive has no credit, also if the estimate is reliable."""
    add_latencies(comparison, 0.5)
    comparison.release("a", UNCERTAIN)
    assert comparison.expected_state.permits["a"].max_credit == 0.0


@pytest.mark.parametrize(("idle", "count"), [(PARTICIPANT_EXPIRY - TICK, 2), (PARTICIPANT_EXPIRY, 1)])
def test_inactive_participant(comparison: ScriptComparison, idle: float, count: int) -> None:
    """A participant is forgotten at the moment at which its last activity is PARTICIPANT_EXPIRY ago."""
    comparison.clock.now += PARTICIPANT_EXPIRY
    comparison.acquire("a", participant="idle")
    comparison.clock.now += idle
    comparison.acquire("a", participant="active")
    assert len(comparison.expected_state.participants) == count


def test_429_discards_every_estimate(comparison: ScriptComparison) -> None:
    """After a 429 the estimates of all participants are empty, and permits are released without a credit."""
    for participant in ("refused", "other"):
        add_latencies(comparison, 0.5, participant=participant)
        assert comparison.expected_state.participants[participant].latency.is_reliable
    refused = PermitRelease(RequestResult.COUNTED, latency=0.25, rate_limited=True)
    comparison.release("a", refused, participant="refused")
    for participant in ("refused", "other"):
        assert comparison.expected_state.participants[participant].latency == LatencyEstimate()
        comparison.release(f"b {participant}", COUNTED, participant=participant)
        assert comparison.expected_state.permits[f"b {participant}"].max_credit == 0.0
    add_latencies(comparison, 0.25, participant="other")
    assert comparison.expected_state.permits[f"sample {MIN_SAMPLES - 1}"].max_credit == near(0.95 * 0.25)


def test_429_with_an_uncertain_result_discards_every_estimate(comparison: ScriptComparison) -> None:
    """The estimates are discarded whatever the result of the refused request is, as long as it was sent."""
    add_latencies(comparison, 0.5)
    comparison.release("a", PermitRelease(RequestResult.NOT_SENT, rate_limited=True))
    assert comparison.expected_state.participants["one"].latency.is_reliable
    comparison.release("a", PermitRelease(RequestResult.UNCERTAIN, rate_limited=True))
    assert comparison.expected_state.participants["one"].latency == LatencyEstimate()


def test_repeated_429(comparison: ScriptComparison) -> None:
    """The pause doubles up to its maximum for requests sent at its very end, and a success resets it."""
    for pause in (1.0, 2.0, 4.0, 8.0, 16.0, MAX_PAUSE, MAX_PAUSE):
        comparison.acquire("a")
        comparison.release("a", RATE_LIMITED)
        assert comparison.expected_state.pause_length == pause
        comparison.clock.now += pause
    for release, pause in ((UNCERTAIN, MAX_PAUSE), (NOT_SENT, MAX_PAUSE), (COUNTED, 0.0)):
        assert comparison.acquire("a") == 0.0
        comparison.release("a", release)
        assert comparison.expected_state.pause_length == pause


def test_429_of_an_earlier_request(comparison: ScriptComparison) -> None:
    """The result of a request that was in flight when the pause began does not change the pause."""
    for permit in ("refused", "refused too", "fine"):
        comparison.acquire(permit)
    comparison.clock.now += TICK
    comparison.release("refused", RATE_LIMITED)
    paused_until = comparison.expected_state.paused_until
    comparison.clock.now += TICK
    comparison.release("refused too", RATE_LIMITED)
    comparison.release("fine", COUNTED)
    assert comparison.expected_state.paused_until == paused_until
    assert comparison.expected_state.pause_length == 1.0


def test_pause_longer_than_a_permit(comparison: ScriptComparison) -> None:
    """A caller waits for the end of a pause although a permit is available before."""
    comparison.acquire("held", lease=0.96875)
    comparison.release("refused", RATE_LIMITED)
    comparison.clock.now += 0.9375
    assert comparison.acquire("next", TWO) == near(0.0625)


def test_end_of_a_pause_with_expired_permits(comparison: ScriptComparison) -> None:
    """At the very end of a pause a permit is acquired without removing expired ones."""
    comparison.acquire("dead", lease=0.5)
    comparison.release("a", RATE_LIMITED)
    comparison.clock.now += 1.0
    assert comparison.acquire("next") == 0.0
    assert set(comparison.expected_state.permits) == {"dead", "a", "next"}


def test_end_of_a_lease(comparison: ScriptComparison) -> None:
    """A permit is available, and removed, at the moment at which its lease ends."""
    comparison.acquire("dead", ONE, lease=5.0)
    comparison.clock.now += 4.5
    assert comparison.acquire("next", ONE) == near(POLL_INTERVAL)
    comparison.clock.now += 0.5 - TICK
    assert comparison.acquire("next", ONE) == near(TICK)
    comparison.clock.now += TICK
    assert comparison.acquire("next", ONE) == 0.0
    assert list(comparison.expected_state.permits) == ["next"]


@pytest.mark.parametrize("idle", [2 * MAX_POLL_WAIT - TICK, 2 * MAX_POLL_WAIT])
def test_expiry_of_a_ticket(comparison: ScriptComparison, idle: float) -> None:
    """A ticket is removed at the moment at which it expires."""
    comparison.release("a", RATE_LIMITED)
    assert comparison.acquire("dead") == near(MAX_POLL_WAIT)
    comparison.clock.now += idle
    assert comparison.acquire("next") == near(MAX_POLL_WAIT)
    assert list(comparison.expected_state.tickets) == (["next"] if idle == 2 * MAX_POLL_WAIT else ["dead", "next"])


def test_position_of_an_expired_ticket(comparison: ScriptComparison) -> None:
    """A waiter keeps its position although its ticket has expired; the expired tickets of others are removed."""
    comparison.acquire("held", ONE)
    comparison.acquire("dead", ONE)
    comparison.acquire("slow", ONE)
    comparison.clock.now += MAX_POLL_WAIT
    comparison.acquire("late", ONE)
    comparison.clock.now += POLL_INTERVAL + TICK
    assert comparison.acquire("slow", ONE) > 0
    assert list(comparison.expected_state.tickets) == ["slow", "late"]
    comparison.release("held", NOT_SENT, ONE)
    assert comparison.acquire("late", ONE) > 0
    assert comparison.acquire("slow", ONE) == 0.0


def test_ticket_given_back(comparison: ScriptComparison) -> None:
    """A waiter that gives up gives its own ticket back, wherever it is in the order."""
    comparison.acquire("held", ONE)
    for permit in ("first", "second", "third"):
        comparison.acquire(permit, ONE)
    comparison.release("second", NOT_SENT, ONE)
    assert list(comparison.expected_state.tickets) == ["first", "third"]


def test_more_tickets_than_permits(comparison: ScriptComparison) -> None:
    """A waiter behind more tickets than there are permits polls, although all permits are available."""
    comparison.acquire("held", ONE)
    comparison.acquire("first", ONE)
    comparison.acquire("second", ONE)
    comparison.release("held", NOT_SENT, ONE)
    assert comparison.acquire("second", ONE) == near(POLL_INTERVAL)
    assert comparison.acquire("first", ONE) == 0.0


def test_permit_available_by_credit_goes_to_the_first_ticket(comparison: ScriptComparison) -> None:
    """A permit that is available because of the credit goes to the first ticket, also if another caller asks first."""
    add_latencies(comparison, 0.5)
    comparison.clock.now += 10.0
    comparison.acquire("held", ONE)
    comparison.release("held", COUNTED, ONE)
    comparison.clock.now += 0.5
    assert comparison.acquire("first", ONE) > 0
    assert comparison.acquire("second", ONE) > 0
    comparison.clock.now += PERIOD - 0.95 * 0.5 - 0.5 + TICK
    assert comparison.acquire("second", ONE) == near(POLL_INTERVAL)
    assert comparison.acquire("first", ONE) == 0.0


def test_lowered_limit(comparison: ScriptComparison) -> None:
    """If the limit is lowered, both wait until fewer permits are occupied than the lower limit allows."""
    for index in range(10):
        comparison.clock.now += TICK
        comparison.release(str(index), COUNTED)
    comparison.clock.now += PERIOD - 10 * TICK
    for requests in range(1, 11):
        wait = comparison.acquire("next", RateLimit(requests, 1.0, "UID"))
        assert wait == near((11 - requests) * TICK)


def test_clock_set_back(comparison: ScriptComparison) -> None:
    """If the server's clock is set back, the state's time continues from the latest moment."""
    comparison.acquire("held", ONE)
    comparison.release("held", COUNTED, ONE)
    comparison.clock.now -= 500.0
    assert comparison.acquire("next", ONE) == near(MAX_POLL_WAIT)
    comparison.clock.now += 1.0
    assert comparison.acquire("next", ONE) == near(PERIOD_MARGIN)
    comparison.clock.now += TICK
    assert comparison.acquire("next", ONE) == 0.0
