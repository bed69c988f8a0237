"""The arithmetic of the rate limit: explicit numbers, and random ones against the one promise."""

import heapq
from collections.abc import Sequence
from typing import Final, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitget_spot.rate_limit.latency import LATENCY_FACTOR, MIN_SAMPLES, LatencyEstimate
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

TEN: Final = RateLimit(10, 1.0, "UID")
TWO: Final = RateLimit(2, 1.0, "UID")
ONE: Final = RateLimit(1, 1.0, "UID")
LEASE: Final = 20.0

COLD: Final = PermitRelease(RequestResult.ANSWERED)
LOST: Final = PermitRelease(RequestResult.UNKNOWN)
UNSENT: Final = PermitRelease(RequestResult.UNSENT)
LIMITED: Final = PermitRelease(RequestResult.ANSWERED, limited=True)


def warm(seconds: float) -> PermitRelease:
    """Tell of an answer on an open connection."""
    return PermitRelease(RequestResult.ANSWERED, warm=seconds)


def near(seconds: float) -> object:
    """Compare seconds but for the rounding of their arithmetic."""
    return pytest.approx(seconds, abs=1e-9)


def learned(*times: float, at: float = 0.0) -> LimiterState:
    """Make a log without slots that knows these warm answer times, each of a burst of its own."""
    log = LimiterState()
    log.clients[""] = Participant(at, known(*times, at=at))
    return log


def known(*times: float, at: float = 0.0) -> LatencyEstimate:
    """Make what is known of these warm answer times, each of a burst of its own, the last of them now."""
    shortest = LatencyEstimate()
    for before, time in zip(reversed(range(len(times))), times, strict=True):
        shortest.add(time, at - before)
    return shortest


def filled(log: LimiterState, limit: RateLimit, now: float = 0.0) -> LimiterState:
    """Take every slot at one moment: "0", "1", …"""
    for index in range(limit.requests):
        assert log.take(str(index), now, limit, LEASE) == 0.0
    return log


def test_numbers() -> None:
    """The numbers of the policy are those that were measured to hold, and the document's limit is ten in a second."""
    assert (PERIOD_MARGIN, LATENCY_FACTOR, MIN_SAMPLES, IN_FLIGHT_GRACE) == (0.005, 0.95, 5, 2.0)
    assert BATCH_CANCEL_ORDERS.rate_limit == TEN


def test_ten_at_once_then_wait() -> None:
    """As many as there are slots go at once; the next one waits, at the longest for the lease of the first."""
    log = filled(LimiterState(), TEN)
    assert log.take("11th", 0.0, TEN, LEASE) == near(LEASE)
    assert log.take("11th", 5.0, TEN, LEASE) == near(LEASE - 5.0)
    assert len(log.slots) == 10


def test_reopens_a_period_after_its_answer() -> None:
    """Of answers that teach nothing, a slot reopens one period and the margin after the answer, not before."""
    log = filled(LimiterState(), TEN)
    for index in range(10):
        log.settle(str(index), 0.2 + index / 100, TEN, COLD)
    assert log.take("next", 0.3, TEN, LEASE) == near(0.2 + 1.005 - 0.3)
    assert log.take("next", 1.204, TEN, LEASE) == near(0.001)
    assert log.take("next", 1.2051, TEN, LEASE) == 0.0
    assert log.take("second", 1.2052, TEN, LEASE) == near(0.21 + 1.005 - 1.2052)


def test_wait_ends_exactly() -> None:
    """Who waits as long as told gets the slot at that moment."""
    log = filled(LimiterState(), TEN)
    log.settle("0", 0.25, TEN, COLD)
    wait = log.take("next", 0.5, TEN, LEASE)
    assert log.take("next", 0.5 + wait, TEN, LEASE) == 0.0


@pytest.mark.parametrize(("known", "taken_off"), [(0, 0.0), (4, 0.0), (5, 0.095), (6, 0.095)])
def test_five_warm_answers(known: int, taken_off: float) -> None:
    """Nothing is taken off until five warm answers are known; then, of so many bursts, 95 % of the shortest of them."""
    log = learned(*[0.1, 0.3, 0.2, 0.5, 0.4, 0.6][:known])
    log.take("0", 10.0, ONE, LEASE)
    log.settle("0", 10.1, ONE, COLD)
    assert log.take("1", 10.1, ONE, LEASE) == near(1.005 - taken_off)


def test_the_fifth_counts_for_itself() -> None:
    """The fifth warm answer already reopens its own slot earlier."""
    log = learned(0.3, 0.3, 0.3, 0.3)
    log.take("0", 10.0, ONE, LEASE)
    log.settle("0", 10.2, ONE, warm(0.2))
    assert log.take("1", 10.2, ONE, LEASE) == near(1.005 - 0.95 * 0.2)


@pytest.mark.parametrize(("bursts", "taken_off"), [(1, 0.1), (2, 0.2), (3, 0.285), (4, 0.285)])
def test_a_third_for_each_burst(bursts: int, taken_off: float) -> None:
    """Each burst lets a third of the shortest be taken off, until it is 95 %: one that was held up tells too much."""
    shortest = LatencyEstimate()
    for burst in range(bursts):
        for answer in range(10):
            shortest.add(0.3, burst + answer / 20)
    assert shortest.taken_off() == near(taken_off)


def test_what_is_one_burst() -> None:
    """What comes within half a second of a burst's first answer is of that burst; what comes later begins another."""
    shortest = LatencyEstimate()
    for moment, bursts in ((1.0, 1), (1.25, 1), (1.5, 1), (1.501, 2), (2.0, 2), (2.002, 3)):
        shortest.add(0.3, moment)
        assert shortest.bursts_now == bursts


@pytest.mark.parametrize("stall", [0.0, 0.01, 0.04, 0.08, 0.16])
@pytest.mark.parametrize("held_up", range(6))
def test_a_burst_that_is_held_up_fools_nobody(held_up: int, stall: float) -> None:
    """One burst that takes up to thrice as long on its way there, all ten alike, lets no eleventh into a second."""
    log, now, arrivals = LimiterState(), 0.0, list[float]()
    for burst in range(8):
        there = 0.04 + (stall if burst == held_up else 0.0)
        took = there + 0.04
        taken: list[float] = []
        while len(taken) < TEN.requests:
            wait = log.take(f"{burst} {len(taken)}", now, TEN, LEASE)
            if wait:
                now += wait
            else:
                taken.append(now)
        for index, at in enumerate(taken):
            arrivals.append(at + there)
            log.settle(f"{burst} {index}", at + took, TEN, warm(took) if burst else COLD)
        now += took
    arrivals.sort()
    assert not [one for one, eleventh in zip(arrivals, arrivals[10:], strict=False) if eleventh - one < 1.0]


@pytest.mark.parametrize("told", [COLD, LOST, PermitRelease(RequestResult.UNSENT, warm=0.1), UNSENT])
def test_what_teaches_nothing(told: PermitRelease) -> None:
    """An answer on a new connection, no answer, and what never left teach no time."""
    log = LimiterState()
    for index in range(10):
        log.take(str(index), 0.0, TEN, LEASE)
        log.settle(str(index), 0.1, TEN, told)
    assert log.clients[""].shortest == LatencyEstimate()


def test_unknown_fate_holds() -> None:
    """A request without an answer may still arrive: its slot is held longer, and nothing is taken off."""
    log = learned(*[0.1] * 5)
    log.take("0", 10.0, ONE, LEASE)
    log.settle("0", 11.0, ONE, LOST)
    assert log.take("1", 11.0, ONE, LEASE) == near(IN_FLIGHT_GRACE + 1.005)
    assert log.take("1", 14.0051, ONE, LEASE) == 0.0


def test_unsent_frees_at_once() -> None:
    """The slot of a request that never left is free at once."""
    log = filled(LimiterState(), TEN)
    log.settle("3", 0.1, TEN, UNSENT)
    assert log.take("next", 0.1, TEN, LEASE) == 0.0
    assert log.take("and another", 0.1, TEN, LEASE) > 0


def test_lease() -> None:
    """A slot that nobody settles is free again after its lease, and not before."""
    log = LimiterState()
    log.take("dead", 0.0, ONE, 5.0)
    assert log.take("next", 4.9, ONE, LEASE) == near(0.1)
    assert log.take("next", 5.0, ONE, LEASE) == 0.0
    assert list(log.slots) == ["next"]


def test_settled_after_its_lease() -> None:
    """A slot that is settled after all, when its lease has run out, is occupied as its answer demands."""
    log = LimiterState()
    log.take("slow", 0.0, ONE, 5.0)
    log.take("next", 6.0, ONE, LEASE)
    log.settle("slow", 6.5, ONE, COLD)
    log.settle("next", 6.6, ONE, UNSENT)
    assert log.take("third", 6.6, ONE, LEASE) == near(6.5 + 1.005 - 6.6)


def test_settle_of_an_unknown_slot() -> None:
    """A slot that the log has never seen is occupied when told of an answer, and leaves no trace if unsent."""
    log = LimiterState()
    log.settle("stranger", 3.0, ONE, UNSENT)
    assert not log.slots
    log.settle("stranger", 3.0, ONE, COLD)
    assert log.take("next", 3.0, ONE, LEASE) == near(1.005)


def test_settled_twice() -> None:
    """A slot settled again is occupied by the later word alone."""
    log = LimiterState()
    log.take("0", 0.0, ONE, LEASE)
    log.settle("0", 0.1, ONE, COLD)
    log.settle("0", 0.4, ONE, COLD)
    assert log.take("1", 0.4, ONE, LEASE) == near(1.005)


def test_limit_lowered() -> None:
    """With a limit lowered between takes, the wait lasts until fewer are occupied than the lower one allows."""
    log = filled(LimiterState(), TEN)
    for index in range(10):
        log.settle(str(index), index / 10, TEN, COLD)
    # Free at 1.005, 1.105 … 1.905: below two of them from the ninth on.
    assert log.take("next", 1.0, TWO, LEASE) == near(0.8 + 1.005 - 1.0)
    assert log.take("next", 1.8051, TWO, LEASE) == 0.0
    assert log.take("another", 1.8052, TWO, LEASE) == near(0.9 + 1.005 - 1.8052)


def test_limit_raised() -> None:
    """With a limit raised between takes, the new slots are there at once."""
    log = filled(LimiterState(), TWO)
    assert log.take("more", 0.0, TWO, LEASE) > 0
    for index in range(8):
        assert log.take(f"more {index}", 0.0, TEN, LEASE) == 0.0
    assert log.take("eleventh", 0.0, TEN, LEASE) > 0


def test_period_is_the_documents() -> None:
    """The period is the limit's, whatever its length."""
    minute = RateLimit(1, 60.0, "IP")
    log = LimiterState()
    log.take("0", 0.0, minute, LEASE)
    log.settle("0", 1.0, minute, COLD)
    assert log.take("1", 1.0, minute, LEASE) == near(60.005)


def test_429_closes_for_a_period() -> None:
    """After a 429 nobody gets a slot for a period, though slots are free; then they do."""
    log = LimiterState()
    log.take("0", 0.0, TEN, LEASE)
    log.settle("0", 0.1, TEN, LIMITED)
    assert log.take("1", 0.1, TEN, LEASE) == near(1.0)
    assert log.take("1", 0.6, TEN, LEASE) == near(0.5)
    assert log.take("1", 1.1, TEN, LEASE) == 0.0


def refused_after(log: LimiterState, closure: float, now: float) -> float:
    """Take the first slot there is at `now`, have it refused, check the closure, and answer its end."""
    assert log.take("again", now, TEN, LEASE) == 0.0
    log.settle("again", now + 0.1, TEN, LIMITED)
    assert log.take("next", now + 0.1, TEN, LEASE) == near(closure)
    return now + 0.1 + closure


def test_429_doubles_while_it_persists() -> None:
    """Each 429 right after a closure doubles the next one, up to a cap that it never passes."""
    log = LimiterState()
    now = 0.0
    for closure in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 32.0, 32.0):
        assert closure <= MAX_PAUSE
        now = refused_after(log, closure, now + 1e-6)


def test_429_of_those_taken_before() -> None:
    """Requests that were under way when the closure began say nothing about whether it was long enough."""
    log = filled(LimiterState(), TEN)
    for index in range(10):
        log.settle(str(index), 0.1 + index / 100, TEN, LIMITED)
    assert log.closed_until == near(1.1)
    assert log.closed_for == near(1.0)


@pytest.mark.parametrize("told", [COLD, warm(0.1)])
def test_success_resets(told: PermitRelease) -> None:
    """After a success of a request taken since the closure, the next one is short again."""
    log = LimiterState()
    now = 0.0
    for closure in (1.0, 2.0, 4.0):
        now = refused_after(log, closure, now + 1e-6)
    now += 1e-6
    log.take("fine", now, TEN, LEASE)
    log.settle("fine", now + 0.1, TEN, told)
    refused_after(log, 1.0, now + 0.2)


@pytest.mark.parametrize("told", [LOST, UNSENT])
def test_no_answer_resets_nothing(told: PermitRelease) -> None:
    """A request without an answer does not tell that the exchange has calmed down."""
    log = LimiterState()
    end = refused_after(log, 1.0, 0.0) + 1e-6
    log.take("no answer", end, TEN, LEASE)
    log.settle("no answer", end + 0.1, TEN, told)
    refused_after(log, 2.0, end + 0.2)


def test_success_of_one_taken_before_resets_nothing() -> None:
    """A success that was under way when the closure began neither ends nor shortens it."""
    log = LimiterState()
    log.take("early", 0.0, TEN, LEASE)
    end = refused_after(log, 1.0, 0.0)
    log.settle("early", 0.5, TEN, COLD)
    assert log.take("next", 0.5, TEN, LEASE) == near(end - 0.5)
    refused_after(log, 2.0, end + 1e-6)


def test_a_closure_that_was_waited_out_to_the_moment() -> None:
    """Who asks again at the very end of a closure has a slot, and what becomes of it tells of the closure."""
    log = LimiterState()
    now = 0.0
    for closure in (1.0, 2.0, 4.0):
        assert log.take("again", now, TEN, LEASE) == 0.0
        log.settle("again", now, TEN, LIMITED)
        assert log.take("next", now, TEN, LEASE) == closure
        now += closure
    assert log.take("fine", now, TEN, LEASE) == 0.0
    log.settle("fine", now, TEN, COLD)
    log.take("again", now, TEN, LEASE)
    log.settle("again", now, TEN, LIMITED)
    assert log.closed_for == 1.0


def test_429_occupies_its_slot() -> None:
    """A refused request was counted by the exchange: it occupies its slot like any other."""
    log = LimiterState()
    log.take("0", 0.0, ONE, LEASE)
    log.settle("0", 0.1, ONE, LIMITED)
    assert log.take("1", 1.1, ONE, LEASE) == near(0.005)


def test_shortest_is_the_shortest() -> None:
    """The shortest of all that are known counts, in whatever order they came."""
    for times in ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [3, 1, 5, 2, 4]):
        assert known(*times).taken_off() == near(0.95)


@pytest.mark.parametrize(("before", "enough"), [(3, False), (4, True)])
def test_five_of_both_times(before: int, enough: bool) -> None:
    """Warm answers from before the times were renewed count towards the five like those from after, and each once."""
    shortest = known(*[0.1] * before)
    shortest.add(0.2, 700.0)
    assert shortest.enough is enough


def test_bursts_of_both_times() -> None:
    """Bursts from before the times were renewed count like those from after; those from before these count no more."""
    shortest = known(0.3, 0.3)
    for moment, bursts in ((600.5, 3), (601.5, 4), (1201.0, 3), (1802.0, 2)):
        shortest.add(0.3, moment)
        assert shortest.taken_off() == near(min(0.95, bursts / 3) * 0.3)


def test_shortest_is_renewed_after_ten_minutes() -> None:
    """Where answers go on, what was shortest is forgotten when ten minutes have passed twice."""
    shortest = known(*[0.1] * MIN_SAMPLES)
    for moment in (600.5, 1200.5):
        for second in range(MIN_SAMPLES):
            shortest.add(0.2, moment - second)
        assert shortest.taken_off() == near(0.095)
    shortest.add(0.2, 1201.1)
    assert shortest.taken_off() == near(0.19)


def test_shortest_expires() -> None:
    """A shortest time is believed for ten minutes at least and, where answers go on, for twenty at most."""
    shortest = known(*[0.1] * 5)
    for minute in range(1, 11):
        shortest.add(0.2, 60.0 * minute)
        assert shortest.taken_off() == near(0.095)
    for minute in range(11, 31):
        shortest.add(0.2, 60.0 * minute)
        if minute <= 15:
            assert shortest.taken_off() == near(0.095)
    assert shortest.taken_off() == near(0.19)


def test_shorter_counts_at_once() -> None:
    """A time shorter than the known one counts from the moment it is seen."""
    shortest = known(*[0.2] * 5)
    shortest.add(0.01, 0.1)
    assert shortest.taken_off() == near(0.0095)


# A log that several clients share


def test_the_second_in_line_waits_for_the_second_slot() -> None:
    """In a shared log whoever stands behind another is told when the slot after the other's reopens."""
    log = filled(LimiterState(shared=True), TWO)
    for index in range(2):
        log.settle(str(index), index / 10, TWO, COLD)
    assert log.take("first", 1.0, TWO, LEASE) == near(0.005)
    assert log.take("second", 1.0, TWO, LEASE) == near(0.105)


def test_a_place_is_kept_as_long_as_its_owner_may_take() -> None:
    """A place is held until some patience after its owner was to ask again, and not a moment longer."""
    log = filled(LimiterState(shared=True), ONE)
    assert log.take("waiting", 0.0, ONE, LEASE) == near(POLL_INTERVAL)
    log.settle("0", 0.0, ONE, UNSENT)
    assert log.take("newcomer", POLL_INTERVAL + MAX_POLL_WAIT - 0.001, ONE, LEASE) > 0
    assert log.take("newcomer", POLL_INTERVAL + MAX_POLL_WAIT, ONE, LEASE) == 0.0


@pytest.mark.parametrize("moment", [1.005 - 0.95 * 0.5, 0.6])
def test_free_slots_are_for_those_in_front(moment: float) -> None:
    """A slot that what is taken off has freed goes to the first in line, however few the slots and whoever asks."""
    log = learned(*[0.5] * 5)
    log.shared = True
    filled(log, ONE)
    log.settle("0", 0.0, ONE, COLD)
    assert log.take("first", 0.4, ONE, LEASE) > 0
    assert log.take("second", 0.4, ONE, LEASE) > 0
    assert log.take("second", moment, ONE, LEASE) == near(POLL_INTERVAL)
    assert log.take("first", moment, ONE, LEASE) == 0.0


def test_who_shows_no_sign_of_life_for_a_minute() -> None:
    """What another client has learned counts for a minute after it was last seen, also where there is but one other."""
    log = LimiterState(shared=True)
    for seconds, client in ((0.5, "far"), (0.1, "close")):
        log.clients[client] = Participant(0.0, known(*[seconds] * 5))
    for moment, taken_off in ((59.9, 0.095), (60.0, 0.475)):
        log.take("a", moment, ONE, LEASE, "far")
        log.settle("a", moment, ONE, COLD, "far")
        assert log.slots.pop("a")[2] == near(taken_off)


# The promise: never more than the limit in any period, as the exchange counts.


class Plan(NamedTuple):
    """What happens to one request, drawn at random; times in seconds."""

    after: float
    """From the one before to this one's asking for a slot."""
    fate: str
    connecting: float
    """From the grant to the headers' leaving; nothing on an open connection."""
    lead: float
    """What the way to the exchange took beyond the shortest."""
    tail: float
    """What the way back took beyond the shortest."""
    late: float
    """Where in the time it may still arrive a request without an answer does so, from 0 to 1."""


PLANS: Final = st.builds(
    Plan,
    after=st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.3, 1.0]) | st.floats(0, 2),
    fate=st.sampled_from(["warm", "warm", "warm", "cold", "lost", "unsent", "dead", "limited"]),
    connecting=st.floats(0, 1),
    lead=st.just(0.0) | st.floats(0, 1),
    tail=st.just(0.0) | st.floats(0, 1),
    late=st.floats(0, 1),
)
GIVE_UP: Final = 3.0


class Course(NamedTuple):
    """What became of one request."""

    over: float | None
    """When its slot is settled; never, if its process died."""
    told: PermitRelease
    seen: float | None
    """When the exchange counted it; never, if it was not sent."""


def course(plan: Plan, way: tuple[float, float], granted: float, period: float) -> Course:
    """Follow one request from its grant on."""
    lead, tail = way[0] + plan.lead, way[1] + plan.tail
    sent = granted + (plan.connecting if plan.fate in ("cold", "limited") else 0.0)
    answered, given_up = sent + lead + tail, sent + GIVE_UP
    return {
        "warm": Course(answered, warm(lead + tail), sent + lead),
        "cold": Course(answered, COLD, sent + lead),
        "limited": Course(answered, LIMITED, sent + lead),
        "lost": Course(given_up, LOST, sent + lead + plan.late * (GIVE_UP + IN_FLIGHT_GRACE - lead)),
        "unsent": Course(given_up, UNSENT, None),
        "dead": Course(None, LOST, sent + lead + plan.late * (LEASE - period - lead)),
    }[plan.fate]


def counted(log: LimiterState, limit: RateLimit, way: tuple[float, float], plans: Sequence[Plan]) -> list[float]:
    """Play the plans against the policy, first come, first served, and answer when the exchange counted each."""
    counts: list[float] = []
    settlements: list[tuple[float, str, PermitRelease]] = []
    now = 0.0
    for number, plan in enumerate(plans):
        now += plan.after
        while True:
            while settlements and settlements[0][0] <= now:
                at, settled, told = heapq.heappop(settlements)
                log.settle(settled, at, limit, told)
            wait = log.take(str(number), now, limit, LEASE)
            if not wait:
                break
            assert wait > 0
            # Rung awake by whatever is settled meanwhile.
            now = min([now + wait, *(at for at, _, _ in settlements[:1])])
        over, told, seen = course(plan, way, now, limit.period_seconds)
        if over is not None:
            heapq.heappush(settlements, (over, str(number), told))
        if seen is not None:
            counts.append(seen)
    return sorted(counts)


def too_many(counts: Sequence[float], limit: RateLimit) -> list[float]:
    """Answer the beginnings of the half-open periods in which more were counted than the limit allows."""
    pairs = zip(counts, counts[limit.requests :], strict=False)
    return [first for first, last in pairs if last - first < limit.period_seconds]


@given(
    requests=st.integers(1, 4),
    way=st.tuples(st.floats(0, 0.6), st.floats(0, 0.6)),
    known=st.booleans(),
    plans=st.lists(PLANS, max_size=30),
)
def test_never_too_many(requests: int, way: tuple[float, float], *, known: bool, plans: list[Plan]) -> None:
    """
    Whatever the delays of single requests, the exchange never counts more than the limit in any period.

    The shortest warm answer time known comes close to the sum of the shortest ways, as the policy takes for granted;
    beyond those, each way of each request takes as much longer as it likes, and some get no answer at all.
    """
    limit = RateLimit(requests, 1.0, "UID")
    log = learned(*[sum(way)] * (MIN_SAMPLES if known else 1))
    assert too_many(counted(log, limit, way, plans), limit) == []


def test_the_play_finds_what_does_not_hold() -> None:
    """The play above is a test: taking off times that cold answers taught lets too many through."""
    slow = Plan(0.0, "cold", 0.5, 0.0, 0.0, 0.0)
    prompt = slow._replace(fate="warm")
    way = (0.05, 0.05)
    plans = [*[slow] * 10, *[prompt] * 10]
    assert too_many(counted(learned(*[0.1] * 5), TEN, way, plans), TEN) == []
    assert too_many(counted(learned(*[0.6] * 5), TEN, way, plans), TEN) != []
