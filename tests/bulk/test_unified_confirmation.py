"""What became of the orders of a unified account: the search by cursor, against an exchange in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any, Final

import pytest
from attrs import define, field, frozen
from reports import confirmations
from sandboxes import StartSandbox, call, connect_to, count_requests

from bitget_spot import Confirmed, Credentials, OrderNotFoundError, Report, Status, cancel_orders, connect
from bitget_spot._bulk.accounts import AccountSelection, Call
from bitget_spot._bulk.accounts.unified import PAGE_SIZE, WINDOW, UnifiedAccount
from bitget_spot._bulk.confirmation import Confirmation
from bitget_spot._bulk.orders import OrderKey
from bitget_spot._bulk.queries import OrderQueries
from bitget_spot._bulk.report import Kind
from bitget_spot._concurrency import EffectGenerator, run_sync
from bitget_spot._middleware.context import CancelScope
from bitget_spot.client import SpotClient
from bitget_spot_api.api.unified import (
    get_unified_history_orders,
    get_unified_history_strategy_orders,
    get_unified_order_info,
    get_unified_unfilled_orders,
    get_unified_unfilled_strategy_orders,
)
from bitget_spot_api.models import (
    Category,
    OrderRef,
    UnifiedOrder,
    UnifiedOrderPage,
    UnifiedOrderResponse,
    UnifiedOrdersResponse,
    UnifiedStrategyOrder,
    UnifiedStrategyOrderPage,
    UnifiedStrategyOrderPageResponse,
    UnifiedStrategyOrdersResponse,
)
from bitget_spot_api.operations import (
    GET_UNIFIED_HISTORY_ORDERS,
    GET_UNIFIED_ORDER_INFO,
    GET_UNIFIED_UNFILLED_ORDERS,
)

NOW: Final = 1_800_000_000.0
"""The time of these tests, in seconds since the epoch."""


@define
class FakeExchange:
    """
    A unified account in memory, whose pages follow one another by cursor.

    Attributes:
        open: The open orders, newest first.
        finished: The finished orders, newest first.
        old: Finished orders that only a query with this start of its time shows.
        unlisted: Orders that can only be looked up one by one.
        strategies: The open strategy orders.
        finished_strategies: The finished strategy orders, newest first.
        now: The time, in seconds.
        requests: The generated functions that were called, and their arguments.

    """

    open: list[UnifiedOrder] = field(factory=list)
    finished: list[UnifiedOrder] = field(factory=list)
    old: dict[int, list[UnifiedOrder]] = field(factory=dict)
    unlisted: list[UnifiedOrder] = field(factory=list)
    strategies: list[UnifiedStrategyOrder] = field(factory=list)
    finished_strategies: list[UnifiedStrategyOrder] = field(factory=list)
    now: float = 0.0
    requests: list[tuple[ModuleType, dict[str, Any]]] = field(factory=list)

    def respond(self, call: Call) -> object:
        """Return what the generated function would return."""
        arguments = dict(call.arguments)
        self.requests.append((call.function, arguments))
        assert len(self.requests) < 500, "the search does not end"
        if call.function is get_unified_order_info:
            return self.look_up(arguments)
        if call.function is get_unified_unfilled_strategy_orders:
            return UnifiedStrategyOrdersResponse(data=self.strategies)
        start, cursor = int(arguments.get("cursor", 0)), arguments.get("start_time")
        if call.function is get_unified_history_strategy_orders:
            rows, next_cursor = page_of(self.finished_strategies if cursor is None else [], start)
            return UnifiedStrategyOrderPageResponse(data=UnifiedStrategyOrderPage(list_=rows, cursor=next_cursor))
        listing = self.open if call.function is get_unified_unfilled_orders else self.finished
        orders = listing if cursor is None else self.old.get(cursor, [])
        rows, next_cursor = page_of(orders, start)
        return UnifiedOrdersResponse(data=UnifiedOrderPage(list_=rows, cursor=next_cursor))

    def look_up(self, arguments: dict[str, Any]) -> UnifiedOrderResponse:
        """Return the order with one of these ids."""
        for order in self.open + self.finished + self.unlisted:
            if arguments in ({"order_id": order.order_id}, {"client_oid": order.client_oid}):
                return UnifiedOrderResponse(data=order)
        raise OrderNotFoundError("25204", "no such order")

    def count(self, function: ModuleType) -> int:
        """Return how often a generated function was called."""
        return sum(called is function for called, _ in self.requests)


def page_of(orders: list[Any], start: int) -> tuple[list[Any], Any]:
    """Return a page, and the cursor of the next one."""
    end = start + PAGE_SIZE
    return orders[start:end], str(end) if end < len(orders) else None


@frozen
class FakeQueries(OrderQueries):
    """Requests for orders that a fake exchange responds to."""

    exchange: FakeExchange

    def _fetch(self, call: Call) -> EffectGenerator[object]:
        yield from ()
        return self.exchange.respond(call)

    def look_up(self, key: OrderKey) -> EffectGenerator[Any]:
        yield from ()
        account = self.account
        try:
            return account.read_looked_up(self.exchange.respond(account.look_up(key)))
        except OrderNotFoundError:
            return []

    def pause(self, seconds: float) -> EffectGenerator[None]:
        yield from ()
        self.exchange.now += seconds


def unused_client() -> SpotClient:
    """Return a client that sends nothing."""
    return connect(Credentials("a", "b", "c"), base_url="http://localhost")


def confirm_orders(
    exchange: FakeExchange,
    *keys: OrderKey,
    kind: Kind = "normal",
    category: Category = "SPOT",
    status: Status = Status.GONE,
) -> dict[OrderKey, Confirmed]:
    """Confirm orders against a fake exchange, after cancels with this status."""
    confirmed: dict[OrderKey, Confirmed] = {}
    selection = AccountSelection(UnifiedAccount(category, lambda: NOW))
    scope = CancelScope(clock=lambda: exchange.now)
    queries = FakeQueries(unused_client(), scope, selection, exchange)
    run_sync(Confirmation(queries, kind, dict.fromkeys(keys, status), confirmed).run())
    return confirmed


def orders_with(numbers: Iterable[int], status: str = "cancelled", filled: str = "0") -> list[UnifiedOrder]:
    """Return orders as the exchange shows them, newest first."""
    return [
        UnifiedOrder(order_id=str(number), client_oid=f"label-{number}", order_status=status, cum_exec_qty=filled)
        for number in sorted(numbers, reverse=True)
    ]


def strategies_with(numbers: Iterable[int], **fields: Any) -> list[UnifiedStrategyOrder]:
    """Return strategy orders as the exchange shows them, newest first."""
    return [UnifiedStrategyOrder(order_id=str(number), **fields) for number in sorted(numbers, reverse=True)]


def order_ids(*numbers: int) -> list[OrderKey]:
    """Return the keys of orders by orderId."""
    return [("orderId", str(number)) for number in numbers]


def client_oids(*numbers: int) -> list[OrderKey]:
    """Return the keys of orders by clientOid."""
    return [("clientOid", f"label-{number}") for number in numbers]


@pytest.mark.parametrize(
    ("status", "filled", "expected"),
    [
        ("cancelled", "0", Confirmed.CANCELLED),
        ("canceled", "0.00", Confirmed.CANCELLED),
        ("cancelled", "0.5", Confirmed.PARTLY_FILLED),
        ("cancelled", "", None),
        ("filled", "1", Confirmed.FILLED),
        ("new", "0", Confirmed.LIVE),
        ("live", "0", Confirmed.LIVE),
        ("partially_filled", "0.5", Confirmed.LIVE),
        ("a-future-status", "0", None),
    ],
)
def test_the_meaning_of_each_status(status: str, filled: str, expected: Confirmed | None) -> None:
    """An unknown status, and a cancelled order without a readable volume, confirm nothing."""
    exchange = FakeExchange(finished=orders_with([1], status, filled))
    assert confirm_orders(exchange, *order_ids(1)).get(("orderId", "1")) is expected


@pytest.mark.parametrize("make_keys", [order_ids, client_oids])
def test_four_hundred_orders_need_the_fewest_pages(make_keys: Callable[..., list[OrderKey]]) -> None:
    """400 orders are confirmed with one page of open orders and four of finished ones."""
    exchange = FakeExchange(finished=orders_with(range(1, 401)))
    confirmed = confirm_orders(exchange, *make_keys(*range(1, 401)))
    assert Counter(confirmed.values()) == {Confirmed.CANCELLED: 400}
    assert Counter(function for function, _ in exchange.requests) == {
        get_unified_unfilled_orders: 1,
        get_unified_history_orders: 4,
    }


def test_every_query_has_the_category() -> None:
    """The listings need the category; a lookup by itself does not."""
    exchange = FakeExchange(unlisted=orders_with([1]))
    confirm_orders(exchange, *order_ids(1), category="MARGIN")
    listings = [arguments for function, arguments in exchange.requests if function is not get_unified_order_info]
    assert {arguments["category"] for arguments in listings} == {"MARGIN"}
    assert {arguments["limit"] for arguments in listings} == {PAGE_SIZE}


def test_a_few_orders_are_looked_up_rather_than_searched_for() -> None:
    """One order that the first page does not have is looked up, however long the listings are."""
    exchange = FakeExchange(open=orders_with(range(1000, 2000), "live"), finished=orders_with(range(1, 1000)))
    assert confirm_orders(exchange, *order_ids(5)) == {("orderId", "5"): Confirmed.CANCELLED}
    assert exchange.count(get_unified_unfilled_orders) == 1
    assert exchange.count(get_unified_history_orders) == 1
    assert exchange.count(get_unified_order_info) == 1


def test_an_order_that_is_not_found() -> None:
    """An order that is gone and that a lookup does not find is not found."""
    assert confirm_orders(FakeExchange(), *order_ids(5)) == {("orderId", "5"): Confirmed.NOT_FOUND}


def test_orders_that_were_created_long_ago() -> None:
    """Many orders that the listing does not show by itself are searched for in windows of 30 days, 90 days back."""
    start = int(NOW * 1000) - 2 * WINDOW
    exchange = FakeExchange(old={start: orders_with(range(1, 101))})
    confirmed = confirm_orders(exchange, *order_ids(*range(1, 101)))
    assert Counter(confirmed.values()) == {Confirmed.CANCELLED: 100}
    assert exchange.count(get_unified_order_info) == 0
    windows = [
        (arguments["start_time"], arguments["end_time"])
        for _, arguments in exchange.requests
        if "start_time" in arguments
    ]
    assert windows == [(start + WINDOW, start + 2 * WINDOW), (start, start + WINDOW)]


def test_orders_that_no_window_has() -> None:
    """The search ends with the third window; the orders are looked up in the end."""
    exchange = FakeExchange(unlisted=orders_with(range(1, 9)))
    confirmed = confirm_orders(exchange, *order_ids(*range(1, 9)))
    assert Counter(confirmed.values()) == {Confirmed.CANCELLED: 8}
    starts = {arguments["start_time"] for _, arguments in exchange.requests if "start_time" in arguments}
    assert starts == {int(NOW * 1000) - number * WINDOW for number in (1, 2, 3)}


def test_strategy_orders_are_not_looked_up() -> None:
    """A strategy order that is in no listing is not confirmed: there is no lookup for it."""
    exchange = FakeExchange(strategies=strategies_with([1]))
    confirmed = confirm_orders(exchange, *order_ids(1, 2), kind="tpsl", category="USDT-FUTURES", status=Status.ACCEPTED)
    assert confirmed == {("orderId", "1"): Confirmed.LIVE}
    assert exchange.count(get_unified_order_info) == 0


def test_finished_strategy_orders() -> None:
    """A triggered strategy order is confirmed; of another one the listing does not say how it ended, so the search ends."""
    exchange = FakeExchange(finished_strategies=strategies_with([2], trigger_type="takeProfit") + strategies_with([1]))
    confirmed = confirm_orders(exchange, *order_ids(1, 2), kind="tpsl", category="USDT-FUTURES", status=Status.ACCEPTED)
    assert confirmed == {("orderId", "2"): Confirmed.TRIGGERED}
    assert exchange.count(get_unified_history_strategy_orders) == 1
    assert exchange.now < 1


def cancel_all(mode: str, client: SpotClient, orders: list[OrderRef]) -> Report:
    """Cancel and confirm orders."""
    report: Report = call(mode, cancel_orders, client, orders=orders, confirm=True)
    return report


@pytest.mark.parametrize("by_client_oid", [False, True])
def test_the_confirmation_in_the_sandbox(by_client_oid: bool, mode: str, start_sandbox: StartSandbox) -> None:
    """Every way in which an order can end is confirmed as the exchange has recorded it."""
    sandbox = start_sandbox(orders=40, account_type="unified")
    orders = list(sandbox.orders.values())
    for order in orders[::3]:
        sandbox.fill(order.order_id)
    for order in orders[1::3]:
        sandbox.fill(order.order_id, partially=True)
    refs = [
        OrderRef(client_oid=order.client_oid, symbol=order.symbol)
        if by_client_oid
        else OrderRef(order_id=order.order_id, symbol=order.symbol)
        for order in orders
    ]
    report = cancel_all(mode, connect_to(sandbox, account_type="unified"), refs)
    states = (Confirmed.FILLED, Confirmed.PARTLY_FILLED, Confirmed.CANCELLED)
    assert confirmations(report) == [states[index % 3] for index in range(40)]


def test_the_requests_of_a_confirmation(mode: str, start_sandbox: StartSandbox) -> None:
    """400 orders are confirmed with five requests."""
    sandbox = start_sandbox(orders=400, account_type="unified")
    refs = [OrderRef(order_id=order.order_id, symbol=order.symbol) for order in sandbox.orders.values()]
    report = cancel_all(mode, connect_to(sandbox, account_type="unified"), refs)
    assert Counter(confirmations(report)) == {Confirmed.CANCELLED: 400}
    assert count_requests(sandbox, GET_UNIFIED_UNFILLED_ORDERS) == 1
    assert count_requests(sandbox, GET_UNIFIED_HISTORY_ORDERS) == 4
    assert count_requests(sandbox, GET_UNIFIED_ORDER_INFO) == 0


@pytest.mark.usefixtures("short_retry_pauses", "short_confirmation_pauses")
def test_an_order_that_the_exchange_does_not_have(mode: str, start_sandbox: StartSandbox) -> None:
    """An order that was never there is gone, and not found."""
    sandbox = start_sandbox(orders=1, account_type="unified")
    report = cancel_all(mode, connect_to(sandbox, account_type="unified"), [OrderRef(order_id="5", symbol="BTCUSDT")])
    (outcome,) = report
    assert (outcome.status, outcome.code, outcome.confirmed) == (Status.GONE, "25204", Confirmed.NOT_FOUND)


@pytest.mark.usefixtures("short_confirmation_pauses")
def test_a_second_cancel_in_progress(mode: str, start_sandbox: StartSandbox) -> None:
    """An order whose earlier cancel is still being executed is accepted, and confirmed as cancelled."""
    sandbox = start_sandbox(orders=3, account_type="unified", cancel_delay=0.3)
    refs = [OrderRef(order_id=order.order_id, symbol=order.symbol) for order in sandbox.orders.values()]
    with connect_to(sandbox, account_type="unified") as client:
        cancel_orders.sync(client=client, orders=refs)
    report = cancel_all(mode, connect_to(sandbox, account_type="unified"), refs)
    assert {(outcome.status, outcome.code) for outcome in report} == {(Status.ACCEPTED, None)}
    assert confirmations(report) == [Confirmed.CANCELLED] * 3
