"""What every store of slots promises, whichever it is, in threads and in tasks."""

from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitget_spot._concurrency import Effect
from bitget_spot.rate_limit import RedisStore, SQLiteStore
from bitget_spot.rate_limit.fallback import SharedStore, StoreOperation
from bitget_spot.rate_limit.policy import (
    IN_FLIGHT_GRACE,
    MAX_POLL_WAIT,
    PARTICIPANT_EXPIRY,
    PERIOD_MARGIN,
    POLL_INTERVAL,
    LimiterState,
    PermitRelease,
    RequestResult,
)
from bitget_spot.rate_limit.store import Store
from bitget_spot_api.operations import RateLimit

TEN: Final = RateLimit(10, 1.0, "UID")
TWO: Final = RateLimit(2, 1.0, "UID")
ONE: Final = RateLimit(1, 1.0, "UID")
LEASE: Final = 20.0
PERIOD: Final = 1.0 + PERIOD_MARGIN
ANSWERED: Final = PermitRelease(RequestResult.ANSWERED)
UNSENT: Final = PermitRelease(RequestResult.UNSENT)
LOST: Final = PermitRelease(RequestResult.UNKNOWN)
LIMITED: Final = PermitRelease(RequestResult.ANSWERED, limited=True)
budgets = (f"budget {number}" for number in itertools.count())


def warm(seconds: float) -> PermitRelease:
    """Tell of an answer on an open connection."""
    return PermitRelease(RequestResult.ANSWERED, warm=seconds)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def in_thread(moves: Generator[Effect, Any, Any]) -> Any:
    """Run the moves in the manner of threads."""
    try:
        step = next(moves)
        while True:
            try:
                answer = step.sync()
            except Exception as error:  # noqa: BLE001 - the moves raise it on
                step = moves.throw(error)
            else:
                step = moves.send(answer)
    except StopIteration as done:
        return done.value


async def in_task(moves: Generator[Effect, Any, Any]) -> Any:
    """Run the moves in the manner of tasks."""
    try:
        step = next(moves)
        while True:
            try:
                answer = await step.asyncio()
            except Exception as error:  # noqa: BLE001 - the moves raise it on
                step = moves.throw(error)
            else:
                step = moves.send(answer)
    except StopIteration as done:
        return done.value


class Budget:
    """One budget of a store, in one manner."""

    def __init__(self, slots: Store, manner: str, name: str, limit: RateLimit = TEN) -> None:
        self.slots, self.manner, self.name, self.limit = slots, manner, name, limit

    def run(self, moves: Generator[Effect, Any, Any]) -> Any:
        """Run the moves."""
        return in_thread(moves) if self.manner == "threads" else asyncio.run(in_task(moves))

    def take(self, slot: str, lease: float = LEASE) -> float:
        """Take a slot, or learn how long to wait."""
        wait: float = self.run(self.slots.take(self.name, slot, self.limit, lease))
        return wait

    def settle(self, slot: str, told: PermitRelease) -> None:
        """Say that the request is over."""
        self.run(self.slots.settle(self.name, slot, self.limit, told))


@pytest.fixture(params=["threads", "tasks"])
def manner(request: pytest.FixtureRequest) -> str:
    """Tell in which manner a store is used."""
    kind: str = request.param
    return kind


@pytest.fixture
def clock() -> Clock:
    """Give the clock of all clients."""
    return Clock()


def past_cold_start(budget: Budget, clock: Clock) -> Budget:
    """Have the log made, and let the time pass in which requests of others may be in flight."""
    budget.take("first")
    budget.settle("first", UNSENT)
    clock.now += 1.0 + IN_FLIGHT_GRACE
    return budget


@pytest.fixture
def budget(open_slots: Callable[..., Store], manner: str, clock: Clock) -> Budget:
    """Open a store of any kind, in any manner, and answer a budget of it that nobody uses."""
    return past_cold_start(Budget(open_slots(clock=clock), manner, next(budgets)), clock)


@pytest.fixture
def several(open_shared: Callable[..., SharedStore], manner: str, clock: Clock) -> Callable[..., list[Budget]]:
    """Open several clients of one store, and answer the same budget of each."""

    def make(count: int, limit: RateLimit = TEN) -> list[Budget]:
        name = next(budgets)
        clients = [Budget(open_shared(clock=clock), manner, name, limit) for _ in range(count)]
        past_cold_start(clients[0], clock)
        clock.now += PARTICIPANT_EXPIRY  # forget who made it
        return clients

    return make


def near(seconds: float) -> object:
    """Compare seconds but for the microseconds of a server."""
    return pytest.approx(seconds, abs=1e-5)


def fill(budget: Budget) -> None:
    """Take every slot: "0", "1", …"""
    for index in range(budget.limit.requests):
        assert budget.take(str(index)) == 0.0


def test_ten_at_once_then_a_wait_of_a_period(budget: Budget, clock: Clock) -> None:
    """As many as there are slots go at once; each reopens a period after its answer, and not before."""
    fill(budget)
    assert budget.take("next") > 0
    for index in range(10):
        clock.now += 0.0625
        budget.settle(str(index), ANSWERED)
    clock.now += PERIOD - 9 * 0.0625 - 0.01
    assert budget.take("next") == near(0.01)
    clock.now += 0.0101
    assert budget.take("next") == 0.0
    assert 0 < budget.take("another") <= 0.0625


def test_what_never_left_frees_at_once(budget: Budget) -> None:
    """The slot of a request that was not sent is free at once."""
    fill(budget)
    budget.settle("3", UNSENT)
    assert budget.take("next") == 0.0
    assert budget.take("another") > 0


def test_who_gives_up_leaves_no_trace(budget: Budget) -> None:
    """An asker that has given up takes its place in the queue with it."""
    fill(budget)
    assert budget.take("impatient") > 0
    budget.settle("impatient", UNSENT)
    budget.settle("0", UNSENT)
    assert budget.take("next") == 0.0


def test_without_an_answer_a_slot_is_held(budget: Budget, clock: Clock) -> None:
    """A request whose fate is not known may still arrive, and keeps its slot so long."""
    budget.limit = ONE
    assert budget.take("a") == 0.0
    budget.settle("a", LOST)
    clock.now += IN_FLIGHT_GRACE + PERIOD - 0.01
    assert budget.take("b") == near(0.01)
    clock.now += 0.0101
    assert budget.take("b") == 0.0


def test_the_lease_gives_back_what_nobody_settles(budget: Budget, clock: Clock) -> None:
    """A slot whose holder has died is free again after its lease, and not before."""
    budget.limit = ONE
    assert budget.take("dead", 5.0) == 0.0
    clock.now += 4.99
    assert budget.take("next") == near(0.01)
    clock.now += 0.0101
    assert budget.take("next") == 0.0


def test_asking_twice_takes_one_slot(budget: Budget) -> None:
    """A grant whose answer was lost is granted again, and counts once."""
    budget.limit = TWO
    assert budget.take("a") == budget.take("a") == budget.take("b") == budget.take("b") == 0.0
    assert budget.take("c") > 0


def learn(budget: Budget, clock: Clock, seconds: float, *, times: int = 5, apart: float = 0.6) -> None:
    """Teach a client so many warm answers, each of a burst of its own unless they come closer to each other."""
    for index in range(times):
        clock.now += apart
        assert budget.take(f"warm {index}") == 0.0
        budget.settle(f"warm {index}", warm(seconds))


def test_what_was_learned_is_taken_off(budget: Budget, clock: Clock) -> None:
    """After five warm answers a slot reopens earlier by most of the shortest."""
    for index in range(5):
        learn(budget, clock, 0.25 + index / 8, times=1)
    clock.now += 2.0
    budget.limit = ONE
    assert budget.take("a") == 0.0
    budget.settle("a", ANSWERED)
    clock.now += PERIOD - 0.95 * 0.25 - 0.01
    assert budget.take("b") == near(0.01)
    clock.now += 0.0101
    assert budget.take("b") == 0.0


def test_a_429_closes_and_doubles(budget: Budget, clock: Clock) -> None:
    """A 429 closes every slot for a second, the next one for two; a success begins anew."""
    for closure in (1.0, 2.0, 4.0):
        assert budget.take(f"refused {closure}") == 0.0
        budget.settle(f"refused {closure}", LIMITED)
        clock.now += closure - 0.01
        assert budget.take(f"next {closure}") == near(0.01)
        budget.settle(f"next {closure}", UNSENT)
        clock.now += 0.0101
    assert budget.take("fine") == 0.0
    budget.settle("fine", ANSWERED)
    assert budget.take("again") == 0.0
    budget.settle("again", LIMITED)
    clock.now += 1.0001
    assert budget.take("last") == 0.0


def test_budgets_are_apart(budget: Budget, clock: Clock) -> None:
    """One budget's slots and closures leave another's alone."""
    other = past_cold_start(Budget(budget.slots, budget.manner, next(budgets)), clock)
    fill(budget)
    budget.settle("0", LIMITED)
    fill(other)
    assert other.take("more") > 0


def test_no_more_than_there_are_at_the_same_moment(budget: Budget) -> None:
    """However many ask at once, in threads or in tasks, no more get a slot than there are."""
    askers = 40
    waits: list[float] = []
    if budget.manner == "tasks":

        async def ask() -> None:
            moves = [budget.slots.take(budget.name, str(one), TEN, LEASE) for one in range(askers)]
            waits.extend(await asyncio.gather(*map(in_task, moves)))

        asyncio.run(ask())
    else:
        barrier = threading.Barrier(askers)

        def ask_too(one: str) -> None:
            barrier.wait(10)
            waits.append(budget.take(one))

        threads = [threading.Thread(target=ask_too, args=(str(one),)) for one in range(askers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert (len(waits), waits.count(0.0)) == (askers, 10)


# What several clients of one store promise each other.


def test_clients_share_the_slots(several: Callable[..., list[Budget]]) -> None:
    """What one client takes the other cannot, and a closure holds for both."""
    one, other = several(2)
    for index in range(5):
        assert one.take(f"{index}") == other.take(f"{index}") == 0.0
    assert one.take("more") > 0
    other.settle("0", LIMITED)
    one.settle("0", UNSENT)
    assert one.take("more") == near(MAX_POLL_WAIT)


def test_first_come_first_served_between_clients(several: Callable[..., list[Budget]], clock: Clock) -> None:
    """A newcomer does not overtake those who wait, and is served when there is a slot for each of them and for it."""
    first, second, third = several(3, TWO)
    fill(first)
    for waiting in (second, third):
        assert waiting.take("waiting") == near(POLL_INTERVAL)
    first.settle("0", UNSENT)
    assert first.take("newcomer") > 0
    assert third.take("waiting") > 0
    clock.now += 0.02
    assert second.take("waiting") == 0.0
    first.settle("1", UNSENT)
    assert first.take("newcomer") > 0
    assert third.take("waiting") == 0.0


def test_who_no_longer_asks_holds_nobody_up(several: Callable[..., list[Budget]], clock: Clock) -> None:
    """The place of an asker that has died is passed over soon after the moment it should have asked again."""
    dead, living = several(2, ONE)
    fill(living)
    assert dead.take("waiting") == near(POLL_INTERVAL)
    assert living.take("next") == near(POLL_INTERVAL)
    living.settle("0", UNSENT)
    assert living.take("next") > 0
    clock.now += POLL_INTERVAL + MAX_POLL_WAIT + 0.0001
    assert living.take("next") == 0.0


def test_a_wait_is_certain_or_a_poll(several: Callable[..., list[Budget]], clock: Clock) -> None:
    """Where the next slot is in flight a client asks again soon; where it is settled, when it reopens, and before."""
    one, other = several(2, ONE)
    fill(one)
    assert other.take("waiting") == near(POLL_INTERVAL)
    one.settle("0", ANSWERED)
    assert other.take("waiting") == near(MAX_POLL_WAIT)
    clock.now += PERIOD - 0.125
    assert other.take("waiting") == near(0.125)


def test_places_beyond_the_slots(several: Callable[..., list[Budget]]) -> None:
    """Who stands behind more waiters than there are slots is told to ask again, though all slots are free."""
    first, second, third = several(3, ONE)
    fill(first)
    assert second.take("waiting") > 0
    assert third.take("waiting") > 0
    first.settle("0", UNSENT)
    assert third.take("waiting") == near(POLL_INTERVAL)
    assert second.take("waiting") == 0.0


@pytest.mark.parametrize(("bursts", "taken_off"), [(1, 0.1), (2, 0.2), (3, 0.285)])
def test_trust_grows_with_the_bursts(budget: Budget, clock: Clock, bursts: int, taken_off: float) -> None:
    """Each burst of warm answers lets another third of the shortest be taken off, not each answer."""
    for _ in range(bursts):
        clock.now += 2.0
        for _ in range(5):
            learn(budget, clock, 0.3, times=1, apart=0.1)
    clock.now += 2.0
    budget.limit = ONE
    assert budget.take("a") == 0.0
    budget.settle("a", ANSWERED)
    clock.now += PERIOD - taken_off - 0.01
    assert budget.take("b") == near(0.01)
    budget.settle("b", UNSENT)


def test_the_shortest_of_all_clients_is_taken_off(several: Callable[..., list[Budget]], clock: Clock) -> None:
    """Of the times of several machines the smallest counts, for slots that were settled before it was known too."""
    far, close = several(2, TWO)
    far.limit = close.limit = TEN
    learn(far, clock, 0.5)
    learn(close, clock, 0.125, times=4)
    clock.now += 2.0
    assert far.take("a") == 0.0
    far.settle("a", ANSWERED)
    learn(close, clock, 0.125, times=1, apart=0.0)
    clock.now += PERIOD - 0.5 * 0.95
    # What was learned from last occupies a slot as long.
    far.limit = close.limit = ONE
    assert far.take("b") == near(MAX_POLL_WAIT)
    clock.now += 0.375 * 0.95 - 0.01
    assert far.take("b") == near(0.01)
    clock.now += 0.0101
    assert far.take("b") == 0.0


def test_a_newcomer_takes_nothing_off(several: Callable[..., list[Budget]], clock: Clock) -> None:
    """Nothing is taken off for a client that does not know five warm answers of its own, settling or taking."""
    veteran, newcomer = several(2)
    learn(veteran, clock, 0.5)
    clock.now += 2.0
    veteran.limit = newcomer.limit = ONE
    assert veteran.take("a") == 0.0
    veteran.settle("a", ANSWERED)
    clock.now += PERIOD - 0.5 * 0.95 + 0.01
    assert newcomer.take("b") > 0
    newcomer.settle("b", UNSENT)
    assert veteran.take("b") == 0.0
    veteran.settle("b", UNSENT)
    clock.now += 0.5
    assert newcomer.take("c") == 0.0
    newcomer.settle("c", warm(0.5))
    clock.now += PERIOD - 0.01
    assert veteran.take("d") == near(0.01)


def test_clients_last_seen(several: Callable[..., list[Budget]], clock: Clock) -> None:
    """A client knows how many share the budget, and those that show no sign of life are forgotten."""
    clients = several(3)
    for client in clients:
        client.take("a")
    clock.now += PARTICIPANT_EXPIRY - 0.01
    clients[2].settle("a", UNSENT)
    clock.now += 0.02
    for client, count in ((clients[0], 2), (clients[2], 2)):
        client.settle("a", UNSENT)
        assert isinstance(client.slots, SharedStore)
        assert client.slots._clients[client.name] == count


# A log that is new.


def test_a_file_that_is_new_is_open(tmp_path: Path, clock: Clock, manner: str) -> None:
    """Nobody can have requests in flight on a file that was not there."""
    with SQLiteStore(tmp_path / "new", clock=clock) as slots:
        assert Budget(slots, manner, "mine").take("a") == 0.0


def test_a_log_that_was_lost_starts_cold(shared_valkey: str, clock: Clock, manner: str) -> None:
    """A log that a client has seen and the server no longer has is closed until nobody can have requests in flight."""
    with RedisStore(shared_valkey, clock=clock) as slots, redis.Redis.from_url(shared_valkey) as direct:
        for told in (None, ANSWERED, UNSENT):
            budget = past_cold_start(Budget(slots, manner, next(budgets)), clock)
            direct.delete(f"bitget-spot:{budget.name}")
            if told is not None:
                budget.settle("in flight", told)
            assert budget.take("a") == near(MAX_POLL_WAIT)
            clock.now += 1.0 + IN_FLIGHT_GRACE - 0.01
            assert budget.take("a") == near(0.01)
            clock.now += 0.0101
            assert budget.take("a") == 0.0


def test_a_log_that_never_was_is_open(shared_valkey: str, clock: Clock, manner: str) -> None:
    """On a server that has run for a while the first cancel of a new account waits for nothing."""
    with RedisStore(shared_valkey, clock=clock) as slots, redis.Redis.from_url(shared_valkey) as direct:
        while direct.info("server")["uptime_in_seconds"] < 1.0 + IN_FLIGHT_GRACE:
            time.sleep(0.1)
        assert Budget(slots, manner, next(budgets)).take("a") == 0.0


def test_a_server_that_has_just_started_is_cold(valkey: Any, clock: Clock) -> None:
    """What was in flight before a server started is over a period and the hold after its start."""
    with RedisStore(valkey.connection_url, clock=clock) as slots:
        budget = Budget(slots, "threads", next(budgets))
        assert budget.take("a") == near(MAX_POLL_WAIT)
        clock.now += 1.0 + IN_FLIGHT_GRACE
        assert budget.take("a") == 0.0


def test_the_log_does_not_expire(shared_valkey: str, clock: Clock) -> None:
    """An account that rests does not start cold again."""
    with RedisStore(shared_valkey, clock=clock) as slots, redis.Redis.from_url(shared_valkey) as server:
        budget = past_cold_start(Budget(slots, "threads", next(budgets)), clock)
        assert server.ttl(f"bitget-spot:{budget.name}") == -1
        clock.now += 1e6
        assert budget.take("a") == 0.0


def test_a_server_whose_clock_is_set_back(shared_valkey: str, clock: Clock) -> None:
    """A server's clock that is set back makes nobody wait longer."""
    with RedisStore(shared_valkey, clock=clock) as slots:
        budget = past_cold_start(Budget(slots, "threads", next(budgets), ONE), clock)
        assert budget.take("a") == 0.0
        budget.settle("a", ANSWERED)
        clock.now -= 500.0
        assert budget.take("b") == near(MAX_POLL_WAIT)
        clock.now += PERIOD + 0.0001
        assert budget.take("b") == 0.0


@pytest.mark.parametrize(("boot", "back"), [("this", 500.0), ("another", 0.0), ("", 500.0)])
def test_a_file_of_an_earlier_run_of_the_machine(tmp_path: Path, clock: Clock, boot: str, back: float) -> None:
    """After a restart the clock begins anew: what an earlier run has left in the file holds nobody up."""
    path = tmp_path / "slots.sqlite"
    with SQLiteStore(path, clock=clock, boot="this" if boot == "another" else boot) as slots:
        fill(Budget(slots, "threads", "mine"))
    clock.now -= back
    with SQLiteStore(path, clock=clock, boot=boot) as slots:
        fill(Budget(slots, "threads", "mine"))


def test_a_clock_that_differs_between_processors(tmp_path: Path, clock: Clock) -> None:
    """A clock that seems to go back a little is none that began anew."""
    with SQLiteStore(tmp_path / "slots.sqlite", clock=clock, boot="") as slots:
        budget = Budget(slots, "threads", "mine")
        fill(budget)
        clock.now -= 0.5
        assert budget.take("more") > 0


# One policy, told twice: the server's script against the arithmetic it mirrors.

TICK: Final = 1 / 64
"""Times that both ways of counting represent exactly, so that no moment falls on either side of another."""
NAMES: Final = st.integers(0, 9).map("slot {}".format)
CLIENTS: Final = st.sampled_from(["one", "two", "three"])
LIMITS: Final = st.sampled_from([ONE, TWO, RateLimit(4, 1.0, "UID")])
TOLD: Final = st.builds(
    PermitRelease,
    st.sampled_from([RequestResult.ANSWERED, RequestResult.ANSWERED, RequestResult.UNKNOWN, RequestResult.UNSENT]),
    st.none() | st.integers(1, 64).map(lambda ticks: ticks * TICK),
    st.sampled_from([False, False, False, True]),
)
MOVES: Final = st.builds(StoreOperation, NAMES, CLIENTS, LIMITS, st.just(5.0)) | st.builds(
    StoreOperation, NAMES, CLIENTS, LIMITS, st.just(5.0), TOLD
)
PAUSES: Final = st.sampled_from([0, 0, 0, 1, 2, 16, 32, 64, 70, 640]) | st.integers(0, 64 * 700)


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(PAUSES, MOVES), max_size=40))
def test_the_stores_agree_with_the_policy(
    kind: str, steps: list[tuple[int, StoreOperation]], shared_valkey: str, tmp_path: Path
) -> None:
    """Whatever is asked and told in whatever order, a store answers what the log in memory would."""
    clock, key = Clock(), next(budgets)
    log = LimiterState(shared=True)
    slots: SharedStore
    if kind == "sqlite":
        slots = SQLiteStore(tmp_path / "slots.sqlite", clock=clock)
    else:
        slots = RedisStore(shared_valkey, clock=clock)
        slots._seen.add(key)  # so that it starts cold, however long the server has been up
        log.closed_until = clock.now + 1.0 + IN_FLIGHT_GRACE
    with slots:
        for number, (pause, move) in enumerate(steps):
            if number:
                clock.now += pause * TICK
            wait, clients = slots._step(key, move).sync()
            expected = move.at(log, clock.now)
            assert (wait, clients) == (near(expected[0]), expected[1])
            assert (wait == 0.0) == (expected[0] == 0.0)


def test_nothing_but_times_and_names_is_stored(shared_valkey: str, tmp_path: Path, clock: Clock) -> None:
    """What lies in a store can be read, and holds the slots' times, the clients' names and nothing else."""
    with SQLiteStore(tmp_path / "slots.sqlite", clock=clock) as slots:
        Budget(slots, "threads", "mine").take("a")
    connection = sqlite3.connect(tmp_path / "slots.sqlite")
    ((name, at, text),) = connection.execute("SELECT name, at, log FROM budgets")
    connection.close()
    client = slots._client()
    assert (name, at) == ("bitget-spot:mine", clock.now)
    assert json.loads(text)["slots"] == {f"{client}:a": [clock.now, clock.now + LEASE, None]}
    with RedisStore(shared_valkey, clock=clock) as slots_too, redis.Redis.from_url(shared_valkey) as server:
        budget = past_cold_start(Budget(slots_too, "threads", next(budgets)), clock)
        budget.take("b")
        stored = json.loads(server.get(f"bitget-spot:{budget.name}"))
    assert list(stored["slots"]) == [f"{slots_too._client()}:b"]
