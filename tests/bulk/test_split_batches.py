"""Batches that the exchange refuses as a whole because of one of their orders: they are divided to find it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable
from typing import Any, Final, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reports import report_carried_by, status_counts
from sandboxes import StartSandbox, call, connect_to, still_open

from bitget_spot import (
    Confirmed,
    DeadlineExceeded,
    InvalidParameterError,
    MarketStateError,
    Outcome,
    Report,
    Status,
    cancel_open_orders,
    cancel_orders,
)
from bitget_spot._bulk.orders import OrderTarget
from bitget_spot._bulk.recovery import MAX_EXTRA_REQUESTS, SplitBudget, halves
from bitget_spot.sandbox import Order, Sandbox
from bitget_spot_api import Client
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, ERROR_CODES

MAX_ORDERS: Final = BATCH_CANCEL_ORDERS.max_items["orderList"]

pytestmark = pytest.mark.usefixtures("short_retry_pauses", "short_rate_limit_pauses", "short_listing_intervals")

Cancel: TypeAlias = Callable[..., Report]
REFUSED: Final = "DOGEUSDT"
"""The trading pair whose orders the exchange refuses."""
SPLIT_CODES: Final = ("40309", "41113", "45043", "40034", "43011", "400172")
"""Codes of the market's state and of parameters, which one order of a batch may cause."""


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    """A sandbox without a rate limit whose orders the test opens."""
    return start_sandbox(orders=0)


@pytest.fixture
def cancel(mode: str) -> Cancel:
    """Return a function that cancels orders from this thread, or from a task."""

    def cancel(client: Client, orders: Iterable[OrderRef], **arguments: Any) -> Report:
        report: Report = call(mode, cancel_orders, client, orders=orders, **arguments)
        return report

    return cancel


def without_symbol(orders: Iterable[Order]) -> list[OrderRef]:
    """Address orders by orderId, without their trading pair."""
    return [OrderRef(order_id=order.order_id) for order in orders]


def with_symbol(orders: Iterable[Order]) -> list[OrderRef]:
    """Address orders by orderId, with their trading pair."""
    return [OrderRef(order_id=order.order_id, symbol=order.symbol) for order in orders]


def batch_sizes(sandbox: Sandbox) -> list[int]:
    """Return how many orders each batch cancel had, in the order of arrival."""
    return [arrival.order_count for arrival in sandbox.arrivals if arrival.path == BATCH_CANCEL_ORDERS.path]


def fifty_with_refused(sandbox: Sandbox, *positions: int) -> list[Order]:
    """Open fifty orders; those at some positions are of the refused pair."""
    orders: list[Order] = []
    for position in range(50):
        orders += sandbox.open_orders(1, symbol=REFUSED if position in positions else "BTCUSDT")
    return orders


@pytest.mark.parametrize("code", SPLIT_CODES)
@pytest.mark.parametrize("make_refs", [without_symbol, with_symbol])
def test_one_refused_order_of_fifty(
    code: str, make_refs: Callable[[Iterable[Order]], list[OrderRef]], sandbox: Sandbox, cancel: Cancel
) -> None:
    """If one order makes the exchange refuse the whole batch, the other 49 are cancelled, and it alone is rejected."""
    orders = fifty_with_refused(sandbox, 17)
    sandbox.refused_symbols[REFUSED] = code
    received: list[Outcome] = []
    report = cancel(connect_to(sandbox), make_refs(orders), on_progress=received.extend)
    expected = [Status.ACCEPTED] * 50
    expected[17] = Status.REJECTED
    assert [outcome.status for outcome in report] == expected
    refused = report.outcomes[17]
    assert refused.code == code
    assert isinstance(refused.error, MarketStateError | InvalidParameterError)
    assert {order.order_id for order in still_open(sandbox)} == {orders[17].order_id}
    assert sorted(map(id, received)) == sorted(map(id, report))
    attempts = Counter[str]()
    for arrival in sandbox.arrivals:
        attempts.update(arrival.order_ids)
    assert [outcome.attempts for outcome in report] == [attempts[order.order_id] for order in orders]


def test_a_batch_is_divided_by_symbol_first(sandbox: Sandbox, cancel: Cancel) -> None:
    """If the trading pairs are known, one more request for each pair is enough, however many orders are refused."""
    orders: list[Order] = []
    for symbol, count in (("BTCUSDT", 20), (REFUSED, 1), ("ETHUSDT", 16)):
        orders += sandbox.open_orders(count, symbol=symbol)
    sandbox.refused_symbols[REFUSED] = "40309"
    report = cancel(connect_to(sandbox), with_symbol(orders))
    assert status_counts(report) == {Status.ACCEPTED: 36, Status.REJECTED: 1}
    assert sorted(batch_sizes(sandbox)) == [1, 16, 20, 37]


def test_more_symbols_than_requests(sandbox: Sandbox, cancel: Cancel) -> None:
    """Orders of very many trading pairs are divided in halves, and each pair stays together as long as possible."""
    orders: list[Order] = []
    for number in range(25):
        orders += sandbox.open_orders(2, symbol=f"COIN{number}USDT")
    sandbox.refused_symbols["COIN7USDT"] = "40309"
    report = cancel(connect_to(sandbox), with_symbol(orders))
    assert [outcome.order.symbol for outcome in report.only(Status.REJECTED)] == ["COIN7USDT"] * 2
    assert status_counts(report) == {Status.ACCEPTED: 48, Status.REJECTED: 2}
    assert len(batch_sizes(sandbox)) <= 1 + MAX_EXTRA_REQUESTS


@pytest.mark.parametrize("refused", [(0,), (24,), (25,), (49,), (0, 49), (3, 4, 30), tuple(range(0, 50, 3)), range(50)])
def test_the_extra_requests_are_limited(refused: tuple[int, ...], sandbox: Sandbox, cancel: Cancel) -> None:
    """However many orders are refused, a batch costs twelve extra requests at most, and no order is sent for nothing."""
    orders = fifty_with_refused(sandbox, *refused)
    sandbox.refused_symbols[REFUSED] = "40309"
    report = cancel(connect_to(sandbox), without_symbol(orders))
    assert len(batch_sizes(sandbox)) <= 1 + MAX_EXTRA_REQUESTS
    assert set(status_counts(report)) <= {Status.ACCEPTED, Status.REJECTED}
    accepted = {outcome.order.order_id for outcome in report.only(Status.ACCEPTED)}
    assert accepted == {order.order_id for order in sandbox.orders.values() if not order.is_open}
    if len(refused) == 1:
        assert len(accepted) == 49


def test_every_batch_has_extra_requests_of_its_own(sandbox: Sandbox, cancel: Cancel) -> None:
    """One refused order in each of three batches leaves 147 orders cancelled."""
    orders = fifty_with_refused(sandbox, 9) + fifty_with_refused(sandbox, 0) + fifty_with_refused(sandbox, 49)
    sandbox.refused_symbols[REFUSED] = "40309"
    report = cancel(connect_to(sandbox), without_symbol(orders))
    assert status_counts(report) == {Status.ACCEPTED: 147, Status.REJECTED: 3}
    assert len(batch_sizes(sandbox)) <= 3 * (1 + MAX_EXTRA_REQUESTS)


@pytest.mark.parametrize("code", ["45055", "99999", "45001", "429", "43001"])
def test_other_refusals_are_not_divided(code: str, sandbox: Sandbox, cancel: Cancel) -> None:
    """A batch that is refused for another reason than its orders or their market is not divided."""
    orders = sandbox.open_orders(8)
    sandbox.inject(f"code={code}", times=100)
    report = cancel(connect_to(sandbox, max_retries=1), without_symbol(orders))
    assert set(batch_sizes(sandbox)) == {8}
    assert {outcome.code for outcome in report} == {code}


def test_a_code_that_may_be_temporary_or_final(sandbox: Sandbox, cancel: Cancel) -> None:
    """A batch that is refused with 40808 twice is divided, and every order is rejected in the end."""
    orders = sandbox.open_orders(2)
    sandbox.inject(f"code={ERROR_CODES['gateway']['ambiguous'][0]}", times=100)
    report = cancel(connect_to(sandbox), without_symbol(orders))
    assert {(outcome.status, outcome.code, outcome.attempts) for outcome in report} == {(Status.REJECTED, "40808", 4)}
    assert sorted(batch_sizes(sandbox)) == [1, 1, 1, 1, 2, 2]


def test_a_part_that_meets_a_busy_exchange(sandbox: Sandbox, cancel: Cancel) -> None:
    """The parts of a divided batch are retried like any other batch."""
    orders = fifty_with_refused(sandbox, 17)
    sandbox.refused_symbols[REFUSED] = "40309"
    sandbox.inject("429", skip=1)
    sandbox.inject("row-code=45001", skip=1)
    sandbox.inject("html-502", skip=1)
    report = cancel(connect_to(sandbox), without_symbol(orders))
    assert {order.order_id for order in still_open(sandbox)} == {orders[17].order_id}
    assert report.outcomes[17].status in (Status.REJECTED, Status.UNKNOWN)
    assert status_counts(report)[Status.ACCEPTED] == 49


def test_a_refusal_after_a_lost_response(sandbox: Sandbox, cancel: Cancel) -> None:
    """If an earlier attempt may have been executed, no order of the divided batch is reported as rejected."""
    orders = sandbox.open_orders(4)
    sandbox.inject("drop-after")
    sandbox.inject("code=40309", times=100)
    report = cancel(connect_to(sandbox), without_symbol(orders))
    assert status_counts(report) == {Status.UNKNOWN: 4}
    assert still_open(sandbox) == []


def test_a_deadline_while_a_batch_is_divided(sandbox: Sandbox, cancel: Cancel) -> None:
    """If the deadline passes before the parts of a refused batch are sent, the run raises."""
    orders = sandbox.open_orders(4)
    sandbox.inject("code=40309", times=100)
    client = connect_to(sandbox, requests_per_second=1)
    with pytest.raises(DeadlineExceeded) as caught:
        cancel(client, without_symbol(orders), deadline=0.3)
    assert len(report_carried_by(caught.value)) == 4
    assert len(batch_sizes(sandbox)) == 1
    assert len(still_open(sandbox)) == 4


@pytest.mark.parametrize("by_symbol", [True, False])
def test_the_kill_switch_with_a_refused_symbol(by_symbol: bool, mode: str, sandbox: Sandbox) -> None:
    """The kill switch cancels all other orders, and reports those of the refused pair as rejected and live."""
    orders = fifty_with_refused(sandbox, 17, 18)
    sandbox.refused_symbols[REFUSED] = "40309"
    report = call(mode, cancel_open_orders, connect_to(sandbox), cancel_by_symbol=by_symbol)
    refused = {orders[17].order_id, orders[18].order_id}
    assert {order.order_id for order in still_open(sandbox)} == refused
    for outcome in report:
        if outcome.order.order_id in refused:
            assert (outcome.status, outcome.code, outcome.confirmed) == (Status.REJECTED, "40309", Confirmed.LIVE)
        else:
            assert (outcome.status, outcome.confirmed) == (Status.ACCEPTED, Confirmed.CANCELLED)


@pytest.mark.parametrize("by_symbol", [True, False])
def test_the_kill_switch_with_a_symbol_that_is_refused_at_first(by_symbol: bool, mode: str, sandbox: Sandbox) -> None:
    """If the market's state changes during the run, the kill switch cancels the orders that were refused at first."""
    fifty_with_refused(sandbox, 17)
    sandbox.refused_symbols[REFUSED] = "40309"

    def on_progress(outcomes: Iterable[Outcome]) -> None:
        if any(outcome.status is Status.REJECTED for outcome in outcomes):
            sandbox.refused_symbols.clear()

    report = call(mode, cancel_open_orders, connect_to(sandbox), cancel_by_symbol=by_symbol, on_progress=on_progress)
    assert still_open(sandbox) == []
    assert {(outcome.status, outcome.confirmed) for outcome in report} == {(Status.ACCEPTED, Confirmed.CANCELLED)}


def targets(*symbols: str | None) -> list[OrderTarget]:
    """Return orders to cancel, with these trading pairs."""
    return [OrderTarget(OrderRef(), str(number), None, symbol) for number, symbol in enumerate(symbols)]


def symbols_of(parts: list[list[OrderTarget]]) -> list[list[str | None]]:
    """Return the trading pairs of each part."""
    return [[target.symbol for target in part] for part in parts]


def test_parts_of_a_batch() -> None:
    """There is a part for each trading pair, or two halves of a single pair; one order cannot be divided."""
    assert symbols_of(SplitBudget().split(targets("A", "B", "A", "C"))) == [["A", "A"], ["B"], ["C"]]
    assert symbols_of(SplitBudget().split(targets("A", "A", "A"))) == [["A", "A"], ["A"]]
    assert symbols_of(SplitBudget().split(targets(None, "A", None))) == [[None, None], ["A"]]
    assert SplitBudget().split(targets("A")) == []


def test_the_budget_of_a_split() -> None:
    """The parts of a batch share its budget; a part for each pair needs room to divide one of them again."""
    budget = SplitBudget(6)
    assert len(budget.split(targets("A", "B", "C"))) == 3
    assert budget.remaining == 3
    assert len(budget.split(targets("A", "A"))) == 2
    assert budget.split(targets("A", "A")) == []
    assert budget.remaining == 1
    assert symbols_of(SplitBudget(5).split(targets("A", "B", "B", "C"))) == [["A", "B", "B"], ["C"]]


def test_halves_keep_groups_together() -> None:
    """Several groups are divided between two halves; a single group is divided itself."""
    first, second, third = targets("A", "B", "C")
    assert halves([[first], [second], [third]]) == [[first, second], [third]]
    assert halves([[first, second, third]]) == [[first, second], [third]]
    assert halves([[first]]) == [[first]]


def send_parts(batch: list[OrderTarget], refused: Container[OrderTarget]) -> tuple[list[OrderTarget], int]:
    """Send a batch and its parts to an exchange that refuses some orders; return what it refuses in the end."""
    budget = SplitBudget()
    to_send = [batch]
    rejected: list[OrderTarget] = []
    requests = 0
    while to_send:
        part = to_send.pop(0)
        requests += 1
        if any(target in refused for target in part):
            parts = budget.split(part)
            assert not parts or Counter(map(id, part)) == Counter(id(target) for part in parts for target in part)
            to_send += parts
            rejected += [] if parts else part
    return rejected, requests


@pytest.mark.parametrize("size", range(1, MAX_ORDERS + 1))
def test_one_order_of_a_batch_is_always_found(size: int) -> None:
    """Wherever a single refused order is in a batch of one trading pair, twelve extra requests isolate it."""
    batch = targets(*["BTCUSDT"] * size)
    for refused in batch:
        rejected, requests = send_parts(batch, [refused])
        assert rejected == [refused]
        assert requests <= 1 + MAX_EXTRA_REQUESTS


@settings(max_examples=200, deadline=None)
@given(symbols=st.lists(st.integers(0, 60).map(str), min_size=1, max_size=MAX_ORDERS), position=st.integers(0, 49))
def test_one_symbol_of_a_batch_is_always_found(symbols: list[str], position: int) -> None:
    """However many trading pairs a batch has, twelve extra requests isolate the orders of a single refused one."""
    batch = targets(*symbols)
    symbol = batch[position % len(batch)].symbol
    refused = [target for target in batch if target.symbol == symbol]
    rejected, requests = send_parts(batch, refused)
    assert sorted(map(id, rejected)) == sorted(map(id, refused))
    assert requests <= 1 + MAX_EXTRA_REQUESTS


@settings(max_examples=100, deadline=None)
@given(
    symbols=st.lists(st.sampled_from([None, "A", "B", "C"]), min_size=1, max_size=MAX_ORDERS),
    positions=st.sets(st.integers(0, 49), min_size=1),
)
def test_any_refused_orders(symbols: list[str | None], positions: set[int]) -> None:
    """Whichever orders are refused, they are rejected in the end, and the requests are limited."""
    batch = targets(*symbols)
    refused = [batch[position % len(batch)] for position in positions]
    rejected, requests = send_parts(batch, refused)
    assert set(map(id, refused)) <= set(map(id, rejected))
    assert requests <= 1 + MAX_EXTRA_REQUESTS
