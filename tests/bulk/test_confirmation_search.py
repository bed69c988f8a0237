"""The search for orders in the listings, against an exchange in memory with a clock that the test sets."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from types import ModuleType
from typing import Any, Final

import pytest
from attrs import define, field, frozen
from sandboxes import run_effects

from bitget_spot import Confirmed, Credentials, connect
from bitget_spot._bulk.confirmation import (
    FIRST_PAUSE,
    MAX_PAUSE,
    PAGE_SIZE,
    SINGLE_LOOKUP_MAX,
    STALL_TIMEOUT,
    OrderQueries,
    confirm,
)
from bitget_spot._bulk.planner import OrderKey
from bitget_spot._concurrency import EffectGenerator, run_sync
from bitget_spot._middleware.context import CancelScope
from bitget_spot.rate_limit import MemoryStore
from bitget_spot_api import Client
from bitget_spot_api.api.trade import get_history_orders, get_order_info, get_unfilled_orders
from bitget_spot_api.models import Order


def newest_first(orders: list[Order]) -> list[Order]:
    """Sort orders as the exchange does."""
    return sorted(orders, key=lambda order: int(str(order.order_id)), reverse=True)


def oldest_first(orders: list[Order]) -> list[Order]:
    """Sort orders in the opposite order of the exchange."""
    return sorted(orders, key=lambda order: int(str(order.order_id)))


@define
class FakeExchange:
    """
    An exchange in memory.

    Attributes:
        open: The open orders.
        finished: The finished orders.
        unlisted: Orders that are in neither listing, and that can only be looked up one by one.
        sort: The order of a listing.
        fixed_page: What every request for a listing returns instead of a page of these orders.
        now: The time, in seconds.
        scheduled: What happens during a pause, and when.
        requests: The generated functions that were called, and their arguments.
        pauses: The pauses, in seconds.

    """

    open: list[Order] = field(factory=list)
    finished: list[Order] = field(factory=list)
    unlisted: list[Order] = field(factory=list)
    sort: Callable[[list[Order]], list[Order]] = newest_first
    fixed_page: list[Order] | None = None
    now: float = 0.0
    scheduled: list[tuple[float, Callable[[], object]]] = field(factory=list)
    requests: list[tuple[ModuleType, dict[str, Any]]] = field(factory=list)
    pauses: list[float] = field(factory=list)

    def respond(self, operation: ModuleType, arguments: dict[str, Any]) -> list[Order]:
        """Return the orders that the exchange returns for a request."""
        self.requests.append((operation, arguments))
        assert len(self.requests) < 500, "the search does not end"
        if operation is get_order_info:
            return self.look_up(arguments.get("order_id"), arguments.get("client_oid"))
        return self.page(operation, arguments)

    def look_up(self, order_id: str | None, client_oid: str | None) -> list[Order]:
        """Return the order with one of these ids."""
        for order in self.open + self.finished + self.unlisted:
            if order.order_id == order_id or order.client_oid == client_oid:
                return [order]
        return []

    def page(self, operation: ModuleType, arguments: dict[str, Any]) -> list[Order]:
        """Return a page of a listing."""
        if self.fixed_page is not None:
            return self.fixed_page
        orders = self.sort(self.open if operation is get_unfilled_orders else self.finished)
        before = int(arguments.get("id_less_than", 10**30))
        return [order for order in orders if int(str(order.order_id)) < before][: arguments["limit"]]

    def count(self, operation: ModuleType) -> int:
        """Return how often a generated function was called."""
        return sum(called is operation for called, _ in self.requests)

    def history_pages(self) -> list[dict[str, Any]]:
        """Return the arguments of the requests for finished orders."""
        return [arguments for operation, arguments in self.requests if operation is get_history_orders]

    def pause(self, seconds: float) -> None:
        """Advance the clock, and do what is scheduled until then."""
        self.pauses.append(seconds)
        self.now += seconds
        due = [item for item in self.scheduled if item[0] <= self.now]
        for item in due:
            self.scheduled.remove(item)
            _, action = item
            action()

    def close(self, order: Order) -> None:
        """Cancel an open order."""
        self.open.remove(order)
        self.finished.append(order)
        order.status = "cancelled"


@frozen
class FakeQueries(OrderQueries):
    """Requests for orders that a fake exchange responds to."""

    exchange: FakeExchange

    def fetch(self, operation: ModuleType, **arguments: object) -> EffectGenerator[list[Order]]:
        yield from ()
        return self.exchange.respond(operation, arguments)

    def pause(self, seconds: float) -> EffectGenerator[None]:
        yield from ()
        self.exchange.pause(seconds)


def fake_queries(exchange: FakeExchange, deadline: float | None = None) -> FakeQueries:
    """Return the requests of a run against a fake exchange."""
    scope = CancelScope(deadline=deadline, clock=lambda: exchange.now)
    return FakeQueries(Client(base_url="http://localhost"), scope, exchange)


def order_with(number: int, status: str = "cancelled", volume: str | None = "0") -> Order:
    """Return an order as the exchange shows it."""
    return Order(order_id=str(number), client_oid=f"label-{number}", status=status, base_volume=volume)


def orders_with(numbers: Iterable[int], status: str = "cancelled") -> list[Order]:
    """Return several orders as the exchange shows them."""
    return [order_with(number, status) for number in numbers]


def confirm_orders(exchange: FakeExchange, *keys: OrderKey, deadline: float | None = None) -> dict[OrderKey, Confirmed]:
    """Confirm orders against a fake exchange."""
    confirmed: dict[OrderKey, Confirmed] = {}
    run_sync(confirm(fake_queries(exchange, deadline), keys, confirmed))
    return confirmed


def order_ids(*numbers: int) -> list[OrderKey]:
    """Return the keys of orders by orderId."""
    return [("orderId", str(number)) for number in numbers]


def client_oids(*numbers: int) -> list[OrderKey]:
    """Return the keys of orders by clientOid."""
    return [("clientOid", f"label-{number}") for number in numbers]


@pytest.mark.parametrize(
    ("status", "volume", "expected"),
    [
        ("cancelled", "0", Confirmed.CANCELLED),
        ("cancelled", "0.000", Confirmed.CANCELLED),
        ("canceled", "0", Confirmed.CANCELLED),
        ("cancelled", "0.0001", Confirmed.PARTLY_FILLED),
        ("canceled", "1e-8", Confirmed.PARTLY_FILLED),
        ("cancelled", "", Confirmed.CANCELLED),
        ("cancelled", None, Confirmed.CANCELLED),
        ("cancelled", "a lot", Confirmed.CANCELLED),
        ("filled", "1", Confirmed.FILLED),
        ("filled", "", Confirmed.FILLED),
        ("live", "0", Confirmed.LIVE),
        ("partially_filled", "0.5", Confirmed.LIVE),
        ("new", "0", Confirmed.LIVE),
        ("init", "0", Confirmed.LIVE),
        ("a-future-status", "0", Confirmed.LIVE),
    ],
)
def test_the_meaning_of_each_status(status: str, volume: str | None, expected: Confirmed) -> None:
    """Both spellings of cancelled are known, an unknown status is live, and a volume that is not a number is zero."""
    exchange = FakeExchange(finished=[order_with(1, status, volume)])
    assert confirm_orders(exchange, *order_ids(1)) == {("orderId", "1"): expected}


def test_without_keys() -> None:
    """Without orders there is neither a request nor a pause."""
    exchange = FakeExchange()
    assert confirm_orders(exchange) == {}
    assert (exchange.requests, exchange.pauses) == ([], [])


def test_the_pauses_double_until_the_stall_timeout() -> None:
    """An order that stays open is searched for at growing intervals, and is live if nothing changes for ten seconds."""
    exchange = FakeExchange(open=[order_with(1, "live")])
    assert confirm_orders(exchange, *order_ids(1)) == {("orderId", "1"): Confirmed.LIVE}
    assert exchange.pauses[:5] == pytest.approx([FIRST_PAUSE * 2**n for n in range(4)] + [MAX_PAUSE])
    assert set(exchange.pauses[4:]) == {MAX_PAUSE}
    assert STALL_TIMEOUT - MAX_PAUSE < exchange.now <= STALL_TIMEOUT


def test_every_change_restarts_the_stall_timeout() -> None:
    """If orders close one after the other, each within ten seconds of the one before, all are waited for."""
    orders = orders_with(range(1, 5), "live")
    exchange = FakeExchange(open=list(orders))
    exchange.scheduled = [(8.0 * n, partial(exchange.close, order)) for n, order in enumerate(orders, 1)]
    confirmed = confirm_orders(exchange, *order_ids(1, 2, 3, 4))
    assert set(confirmed.values()) == {Confirmed.CANCELLED}
    assert 32 <= exchange.now < 36
    assert exchange.pauses.count(FIRST_PAUSE) == 4


def test_no_pause_goes_beyond_the_deadline() -> None:
    """The search ends before a pause that would go beyond the deadline, and an order that is open then is live."""
    exchange = FakeExchange(open=[order_with(1, "live")])
    assert confirm_orders(exchange, *order_ids(1), deadline=3.0) == {("orderId", "1"): Confirmed.LIVE}
    assert exchange.now < 3.0


def test_a_few_missing_orders_are_looked_up_at_once() -> None:
    """Up to four orders that are in no listing are looked up one by one in the first round."""
    exchange = FakeExchange(unlisted=[order_with(1), order_with(2, "filled"), order_with(3, volume="1")])
    confirmed = confirm_orders(exchange, *order_ids(1, 2), *client_oids(3, 4))
    assert SINGLE_LOOKUP_MAX == 4
    assert list(confirmed.values()) == [
        Confirmed.CANCELLED,
        Confirmed.FILLED,
        Confirmed.PARTLY_FILLED,
        Confirmed.NOT_FOUND,
    ]
    assert exchange.count(get_order_info) == 4
    assert exchange.pauses == []


def test_many_missing_orders_are_searched_for_in_the_listings_again() -> None:
    """Orders on their way from one listing to the other are found by the next search, a hundred with each page."""
    orders = orders_with(range(1, 301))
    exchange = FakeExchange()
    exchange.scheduled = [(FIRST_PAUSE, lambda: exchange.finished.extend(orders))]
    confirmed = confirm_orders(exchange, *order_ids(*range(1, 301)))
    assert Counter(confirmed.values()) == {Confirmed.CANCELLED: 300}
    assert exchange.count(get_order_info) == 0
    assert len(exchange.requests) <= 6


def test_many_orders_that_stay_missing_are_looked_up() -> None:
    """Orders that two searches have not found are looked up one by one."""
    too_many = SINGLE_LOOKUP_MAX + 1
    exchange = FakeExchange(unlisted=orders_with(range(1, too_many + 1)))
    confirmed = confirm_orders(exchange, *order_ids(*range(1, too_many + 3)))
    assert Counter(confirmed.values()) == {Confirmed.CANCELLED: too_many, Confirmed.NOT_FOUND: 2}
    assert exchange.count(get_order_info) == too_many + 2
    assert exchange.pauses == [FIRST_PAUSE]


def test_many_missing_orders_at_the_deadline_are_not_confirmed() -> None:
    """Orders that cannot be looked up before the deadline are not confirmed."""
    too_many = SINGLE_LOOKUP_MAX + 1
    exchange = FakeExchange(finished=[order_with(100)])
    confirmed = confirm_orders(exchange, *order_ids(100, *range(1, too_many + 1)), deadline=0.1)
    assert confirmed == {("orderId", "100"): Confirmed.CANCELLED}
    assert exchange.count(get_order_info) == 0


def test_a_single_lookup_uses_the_identifier_of_the_key() -> None:
    """An order is looked up by orderId or by clientOid, whichever addresses it."""
    exchange = FakeExchange()
    confirm_orders(exchange, ("orderId", "7"), ("clientOid", "a#b+c"), ("orderId", "not-a-number"))
    lookups = [arguments for operation, arguments in exchange.requests if operation is get_order_info]
    assert lookups == [{"order_id": "7"}, {"client_oid": "a#b+c"}, {"order_id": "not-a-number"}]


@pytest.mark.parametrize("order_id", ["9" * 5_000, "²", "٣", "-1"])
def test_an_order_id_that_is_not_a_number(order_id: str) -> None:
    """An id that has no position in a listing is looked up, and does not end the run."""
    exchange = FakeExchange(unlisted=[Order(order_id=order_id, status="filled")])
    assert confirm_orders(exchange, *order_ids(1), ("orderId", order_id)) == {
        ("orderId", "1"): Confirmed.NOT_FOUND,
        ("orderId", order_id): Confirmed.FILLED,
    }
    assert [arguments["id_less_than"] for arguments in exchange.history_pages()] == ["2"]


def test_only_ids_that_are_not_numbers() -> None:
    """If no order has a position in a listing, the listings are not fetched."""
    exchange = FakeExchange()
    assert confirm_orders(exchange, ("orderId", "not-a-number")) == {("orderId", "not-a-number"): Confirmed.NOT_FOUND}
    assert [operation for operation, _ in exchange.requests] == [get_order_info]


def test_pages_without_wanted_orders_are_skipped() -> None:
    """Two orders a thousand apart need two pages, not ten."""
    exchange = FakeExchange(finished=orders_with(range(1, 1001)))
    assert set(confirm_orders(exchange, *order_ids(1000, 1)).values()) == {Confirmed.CANCELLED}
    assert [arguments["id_less_than"] for arguments in exchange.history_pages()] == ["1001", "2"]
    assert {arguments["limit"] for arguments in exchange.history_pages()} == {PAGE_SIZE}


def test_client_oids_are_searched_for_from_the_newest_order() -> None:
    """Orders by clientOid are searched for page by page, as long as the pages contain some of them."""
    exchange = FakeExchange(finished=orders_with(range(1, 1001)))
    confirmed = confirm_orders(exchange, *client_oids(*range(801, 1001)))
    assert len(confirmed) == 200
    assert set(confirmed.values()) == {Confirmed.CANCELLED}
    assert len(exchange.history_pages()) == 2
    assert "id_less_than" not in exchange.history_pages()[0]
    assert exchange.count(get_order_info) == 0


def test_a_page_without_wanted_client_oids_ends_the_search() -> None:
    """A page with none of the orders by clientOid ends the search, and a few orders are looked up."""
    exchange = FakeExchange(finished=orders_with(range(1, 1001)))
    assert set(confirm_orders(exchange, *client_oids(5, 6)).values()) == {Confirmed.CANCELLED}
    assert (exchange.count(get_history_orders), exchange.count(get_order_info)) == (1, 2)


def test_client_oids_and_order_ids_together() -> None:
    """After the orders by clientOid are found, the search continues at the orders by orderId."""
    exchange = FakeExchange(finished=orders_with(range(1, 1001)))
    confirmed = confirm_orders(exchange, *client_oids(1000), *order_ids(3))
    assert set(confirmed.values()) == {Confirmed.CANCELLED}
    assert [arguments.get("id_less_than") for arguments in exchange.history_pages()] == [None, "4"]


def test_an_order_that_moves_between_the_listings() -> None:
    """An order that is open in the first search and finished in the second is found in the listings."""
    order = order_with(1, "live")
    exchange = FakeExchange(open=[order])
    exchange.scheduled = [(0.0, lambda: exchange.close(order))]
    assert confirm_orders(exchange, *order_ids(1)) == {("orderId", "1"): Confirmed.CANCELLED}
    assert exchange.count(get_order_info) == 0


def test_a_repeated_key_is_looked_up_once() -> None:
    """An order that is given several times needs no further request."""
    exchange = FakeExchange(unlisted=[order_with(1)])
    assert confirm_orders(exchange, *order_ids(1, 1, 1)) == {("orderId", "1"): Confirmed.CANCELLED}
    assert exchange.count(get_order_info) == 1


SAME_PAGE: Final = orders_with(range(1000 + PAGE_SIZE, 1000, -1))
"""A full page of an exchange that ignores where a page begins."""


@pytest.mark.parametrize("order_id", ["9" * 5_000, "²", ""])
def test_a_page_whose_last_id_is_not_a_number(order_id: str) -> None:
    """If the last id of a page is not a number, the search ends, and the orders are looked up one by one."""
    page = [Order(order_id=order_id, status="live")] * PAGE_SIZE
    exchange = FakeExchange(unlisted=orders_with([1, 2]), fixed_page=page)
    assert set(confirm_orders(exchange, *order_ids(1, 2)).values()) == {Confirmed.CANCELLED}
    assert len(exchange.requests) == 4


def sorted_the_other_way() -> FakeExchange:
    """Return an exchange whose listings begin with the oldest order."""
    return FakeExchange(finished=orders_with(range(1, 501)), sort=oldest_first)


def with_the_same_page_always() -> FakeExchange:
    """Return an exchange that ignores where a page begins."""
    return FakeExchange(unlisted=orders_with(range(1, 501)), fixed_page=SAME_PAGE)


@pytest.mark.parametrize("make_keys", [order_ids, client_oids])
@pytest.mark.parametrize("make_exchange", [sorted_the_other_way, with_the_same_page_always])
def test_a_listing_that_is_not_sorted(
    make_exchange: Callable[[], FakeExchange], make_keys: Callable[..., list[OrderKey]]
) -> None:
    """If a listing is not sorted newest first, the search ends, and the orders are looked up one by one."""
    exchange = make_exchange()
    confirmed = confirm_orders(exchange, *make_keys(500, 250, 1))
    assert set(confirmed.values()) == {Confirmed.CANCELLED}
    assert len(exchange.requests) < 20


def test_pauses_in_a_thread_and_in_a_task(mode: str) -> None:
    """`pause` waits in a thread and in a task."""
    queries = OrderQueries(Client(base_url="http://localhost"), CancelScope())

    def pause_twice() -> EffectGenerator[str]:
        yield from queries.pause(0.02)
        yield from queries.pause(0.02)
        return "done"

    started_at = time.monotonic()
    assert run_effects(mode, pause_twice()) == "done"
    assert time.monotonic() - started_at >= 0.03


def test_stopping_the_run_ends_a_pause() -> None:
    """A pause ends at once when the run is stopped, and none begins after the deadline."""
    scope = CancelScope()
    queries = OrderQueries(Client(base_url="http://localhost"), scope)
    threading.Timer(0.05, scope.stop).start()
    started_at = time.monotonic()
    run_sync(queries.pause(5))
    run_sync(queries.pause(5))
    run_sync(OrderQueries(queries.client, CancelScope.with_timeout(0)).pause(5))
    assert time.monotonic() - started_at < 1


def test_a_response_without_orders_is_an_empty_page(respond_with: Callable[..., Any]) -> None:
    """A success whose data is null contains no orders."""
    transport = respond_with(data=None)
    with connect(Credentials("a", "b", "c"), transport=transport, rate_limit_store=MemoryStore()) as client:
        queries = OrderQueries(client, CancelScope())
        assert run_sync(queries.fetch_all(get_unfilled_orders)) == []
        assert run_sync(queries.fetch(get_order_info, order_id="1")) == []


def test_every_page_is_fetched() -> None:
    """A listing is fetched to its end, also if its last page is full."""
    exchange = FakeExchange(open=orders_with(range(1, 2 * PAGE_SIZE + 1), "live"))
    orders = run_sync(fake_queries(exchange).fetch_all(get_unfilled_orders, symbol="BTCUSDT"))
    assert [order.order_id for order in orders] == [str(number) for number in range(2 * PAGE_SIZE, 0, -1)]
    assert len(exchange.requests) == 3
    assert {arguments["symbol"] for _, arguments in exchange.requests} == {"BTCUSDT"}


def test_an_exchange_that_always_returns_the_same_page(mode: str) -> None:
    """If the exchange ignores where a page begins, fetching ends when a page repeats."""
    exchange = FakeExchange(fixed_page=SAME_PAGE)
    orders = run_effects(mode, fake_queries(exchange).fetch_all(get_unfilled_orders, symbol="BTCUSDT"))
    assert orders == SAME_PAGE
    first_page = {"symbol": "BTCUSDT", "limit": PAGE_SIZE}
    assert exchange.requests == [
        (get_unfilled_orders, first_page),
        (get_unfilled_orders, {**first_page, "id_less_than": "1001"}),
    ]
