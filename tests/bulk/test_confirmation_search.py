"""The search for orders in the listings, against an exchange in memory with a clock that the test sets."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from types import ModuleType
from typing import Any, Final

import httpx
import pytest
from attrs import define, field, frozen
from sandboxes import run_effects

from bitget_spot import (
    ApiError,
    BitgetError,
    Confirmed,
    Credentials,
    InvalidResponseError,
    NetworkError,
    Status,
    SystemBusyError,
    connect,
)
from bitget_spot._bulk.accounts import AccountSelection, Call, account_of
from bitget_spot._bulk.accounts.classic import PAGE_SIZE
from bitget_spot._bulk.confirmation import (
    FIRST_PAUSE,
    MAX_PAUSE,
    SINGLE_LOOKUP_MAX,
    STALL_TIMEOUT,
    Confirmation,
)
from bitget_spot._bulk.orders import OrderKey
from bitget_spot._bulk.queries import OrderQueries
from bitget_spot._concurrency import EffectGenerator, run_sync
from bitget_spot._middleware.context import CancelScope
from bitget_spot.client import SpotClient
from bitget_spot.rate_limit import MemoryStore
from bitget_spot_api.api.trade import get_history_orders, get_order_info, get_unfilled_orders
from bitget_spot_api.models import ErrorResponse, Order, OrdersResponse


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
        errors: What the next requests raise instead of returning orders; `None` for a request that does not fail.
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
    errors: list[BitgetError | None] = field(factory=list)
    now: float = 0.0
    scheduled: list[tuple[float, Callable[[], object]]] = field(factory=list)
    requests: list[tuple[ModuleType, dict[str, Any]]] = field(factory=list)
    pauses: list[float] = field(factory=list)

    def respond(self, operation: ModuleType, arguments: dict[str, Any]) -> list[Order]:
        """Return the orders that the exchange returns for a request."""
        self.requests.append((operation, arguments))
        assert len(self.requests) < 500, "the search does not end"
        error = self.errors.pop(0) if self.errors else None
        if error is not None:
            raise error
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

    def _fetch(self, call: Call) -> EffectGenerator[object]:
        yield from ()
        return OrdersResponse(data=self.exchange.respond(call.function, dict(call.arguments)))

    def pause(self, seconds: float) -> EffectGenerator[None]:
        yield from ()
        self.exchange.pause(seconds)


def fake_queries(exchange: FakeExchange, deadline: float | None = None) -> FakeQueries:
    """Return the requests of a run against a fake exchange."""
    scope = CancelScope(deadline=deadline, clock=lambda: exchange.now)
    return FakeQueries(unused_client(), scope, classic_selection(), exchange)


def classic_selection() -> AccountSelection:
    """Return the selection of a classic account."""
    return AccountSelection(account_of("classic", "SPOT"), is_stated=True)


def unused_client() -> SpotClient:
    """Return a client that sends nothing."""
    return connect(Credentials("a", "b", "c"), base_url="http://localhost")


def order_with(number: int, status: str = "cancelled", volume: str | None = "0") -> Order:
    """Return an order as the exchange shows it."""
    return Order(order_id=str(number), client_oid=f"label-{number}", status=status, base_volume=volume)


def orders_with(numbers: Iterable[int], status: str = "cancelled") -> list[Order]:
    """Return several orders as the exchange shows them."""
    return [order_with(number, status) for number in numbers]


def confirm_orders(
    exchange: FakeExchange, *keys: OrderKey, deadline: float | None = None, status: Status = Status.GONE
) -> dict[OrderKey, Confirmed]:
    """Confirm orders against a fake exchange, after cancels with this status."""
    confirmed: dict[OrderKey, Confirmed] = {}
    run_sync(Confirmation(fake_queries(exchange, deadline), "normal", dict.fromkeys(keys, status), confirmed).run())
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
        ("cancelled", "", None),
        ("cancelled", None, None),
        ("canceled", "a lot", None),
        ("cancelled", "nan", None),
        ("cancelled", "-1", None),
        ("filled", "1", Confirmed.FILLED),
        ("filled", "", Confirmed.FILLED),
        ("live", "0", Confirmed.LIVE),
        ("partially_filled", "0.5", Confirmed.LIVE),
        ("new", "0", Confirmed.LIVE),
        ("init", "0", Confirmed.LIVE),
        ("a-future-status", "0", None),
    ],
)
def test_the_meaning_of_each_status(status: str, volume: str | None, expected: Confirmed | None) -> None:
    """
    Both spellings of cancelled are known. An unknown status confirms nothing, and neither does a cancelled order without
    a readable volume: nobody knows whether a part of it was filled.
    """
    exchange = FakeExchange(finished=[order_with(1, status, volume)])
    assert confirm_orders(exchange, *order_ids(1)).get(("orderId", "1")) is expected


@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.UNKNOWN])
def test_an_order_that_is_not_found_is_asked_for_again(status: Status) -> None:
    """An order whose cancel the exchange has received, or may have, exists: it is looked up until it is found."""
    order = order_with(1, volume="0.5")
    exchange = FakeExchange()
    exchange.scheduled = [(7.0, lambda: exchange.finished.append(order))]
    confirmed = confirm_orders(exchange, *order_ids(1), status=status)
    assert confirmed == {("orderId", "1"): Confirmed.PARTLY_FILLED}
    assert 7.0 <= exchange.now <= 7.0 + MAX_PAUSE


@pytest.mark.parametrize("status", [Status.ACCEPTED, Status.UNKNOWN])
def test_an_order_that_is_never_found(status: Status) -> None:
    """An order that is not found until the stall timeout is not found; the pauses between the lookups grow."""
    exchange = FakeExchange()
    assert confirm_orders(exchange, *order_ids(1), status=status) == {("orderId", "1"): Confirmed.NOT_FOUND}
    assert STALL_TIMEOUT - MAX_PAUSE < exchange.now <= STALL_TIMEOUT
    assert 5 < exchange.count(get_order_info) < 12


def test_an_order_that_is_not_found_before_the_deadline() -> None:
    """If the deadline passes while an accepted order is looked for, nothing is confirmed."""
    exchange = FakeExchange()
    assert confirm_orders(exchange, *order_ids(1), deadline=3.0, status=Status.ACCEPTED) == {}
    assert exchange.count(get_order_info) > 1


def test_an_order_that_is_gone_and_not_found() -> None:
    """An order that the exchange did not find for the cancel either is not found at once."""
    exchange = FakeExchange()
    assert confirm_orders(exchange, *order_ids(1), status=Status.GONE) == {("orderId", "1"): Confirmed.NOT_FOUND}
    assert (exchange.count(get_order_info), exchange.pauses) == (1, [])


@pytest.mark.parametrize("found", [order_with(2), Order(order_id="2", client_oid="1", status="cancelled")])
def test_a_lookup_that_returns_another_order(found: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup that returns another order is a malformed response: it is sent again, and never taken for the order."""
    right = order_with(1, "filled")
    responses = [[found], [found, right]]
    monkeypatch.setattr(FakeExchange, "look_up", lambda *_: responses.pop(0))
    exchange = FakeExchange()
    assert confirm_orders(exchange, *order_ids(1)) == {("orderId", "1"): Confirmed.FILLED}
    assert responses == []


def test_a_lookup_that_always_returns_another_order(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If every lookup returns another order, nothing is confirmed."""
    monkeypatch.setattr(FakeExchange, "look_up", lambda *_: [order_with(2)])
    assert confirm_orders(FakeExchange(), *order_ids(1)) == {}
    assert "the response to a lookup of orderId 1 is another order; retrying" in caplog.text


@pytest.mark.parametrize("failed_requests", [1, 2, 3])
@pytest.mark.parametrize(
    "error", [NetworkError("down"), InvalidResponseError(200, "data is dict"), SystemBusyError("45001")], ids=repr
)
def test_temporary_errors(error: BitgetError, failed_requests: int, caplog: pytest.LogCaptureFixture) -> None:
    """After a temporary error of any request the search begins again, and the log says why."""
    exchange = FakeExchange(finished=[order_with(5)], unlisted=[order_with(1)])
    exchange.errors = [None] * (failed_requests - 1) + [error]
    confirmed = confirm_orders(exchange, *order_ids(5, 1))
    assert set(confirmed.values()) == {Confirmed.CANCELLED}
    assert len(confirmed) == 2
    assert [record.getMessage() for record in caplog.records] == [f"confirmation: {error}; retrying"]


def test_an_error_that_is_not_temporary() -> None:
    """An error that is not temporary ends the search; what has been confirmed before is kept."""
    exchange = FakeExchange(finished=[order_with(5)], errors=[None, None, ApiError("99999")])
    confirmed: dict[OrderKey, Confirmed] = {}
    statuses = dict.fromkeys(order_ids(5, 1), Status.ACCEPTED)
    with pytest.raises(ApiError):
        run_sync(Confirmation(fake_queries(exchange), "normal", statuses, confirmed).run())
    assert confirmed == {("orderId", "5"): Confirmed.CANCELLED}


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


@pytest.mark.parametrize("order_id", ["9" * 5_000, "1e3", "1_000", "-1"])
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


SAME_PAGE: Final = orders_with(range(1000 + PAGE_SIZE, 1000, -1))
"""A full page of an exchange that ignores where a page begins."""


@pytest.mark.parametrize("order_id", ["9" * 5_000, "1_000", "-1"])
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
    queries = OrderQueries(unused_client(), CancelScope(), classic_selection())

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
    queries = OrderQueries(unused_client(), scope, classic_selection())
    threading.Timer(0.05, scope.stop).start()
    started_at = time.monotonic()
    run_sync(queries.pause(5))
    run_sync(queries.pause(5))
    run_sync(OrderQueries(queries.client, CancelScope.with_timeout(0), classic_selection()).pause(5))
    assert time.monotonic() - started_at < 1


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (None, "data is NoneType, not a list of orders"),
        ({}, "data is dict, not a list of orders"),
        ({"orders": []}, "data is dict, not a list of orders"),
        ("none", "data is str, not a list of orders"),
        (0, "data is int, not a list of orders"),
        (False, "data is bool, not a list of orders"),
        (["1", "2"], "a row of data is not an order with an orderId"),
        ([None], "a row of data is not an order with an orderId"),
        ([[]], "a row of data is not an order with an orderId"),
        ([{}], "a row of data is not an order with an orderId"),
        ([{"orderId": "1"}, {"symbol": "BTCUSDT"}], "a row of data is not an order with an orderId"),
        ([{"orderId": None}], "a row of data is not an order with an orderId"),
        ([{"orderId": " "}], "a row of data is not an order with an orderId"),
        ([{"orderId": True}], "a row of data is not an order with an orderId"),
        ([{"orderId": 1.5}], "a row of data is not an order with an orderId"),
        ([{"orderId": ["1"]}], "a row of data is not an order with an orderId"),
        ([{"orderId": "²"}], "a row of data is not an order with an orderId"),
        ([{"orderId": "\ud800"}], "a row of data is not an order with an orderId"),
    ],
)
def test_a_malformed_listing(mode: str, data: Any, problem: str, respond_with: Callable[..., Any]) -> None:
    """A success that is not a list of orders with ids is an InvalidResponseError, and never an empty page."""
    queries = OrderQueries(client_of(respond_with(data=data)), CancelScope(), classic_selection())
    requests: list[EffectGenerator[object]] = [
        queries.page("open", "normal", None, None),
        queries.page("finished", "normal", None, None),
        queries.page("open", "tpsl", None, None),
        queries.look_up(("orderId", "1")),
    ]
    for request in requests:
        with pytest.raises(InvalidResponseError) as caught:
            run_effects(mode, request)
        assert caught.value.problem == problem


def client_of(transport: Any) -> SpotClient:
    """Return a client whose requests go to this transport and are not retried."""
    return connect(Credentials("a", "b", "c"), transport=transport, rate_limit_store=MemoryStore(), max_retries=0)


@pytest.mark.parametrize("response", [None, ErrorResponse(code="x"), OrdersResponse(), []])
def test_a_result_that_is_not_a_listing(response: object) -> None:
    """Whatever else the generated function returns is an InvalidResponseError."""
    account = account_of("classic", "SPOT")
    with pytest.raises(InvalidResponseError):
        account.read_page("normal", response, None)
    with pytest.raises(InvalidResponseError):
        account.read_looked_up(response)


@pytest.mark.parametrize("order_id", ["1", 1, " 1 "])
def test_well_formed_orders(order_id: Any, respond_with: Callable[..., Any]) -> None:
    """The orders of a listing have their ids as text; an empty list is an empty page."""
    queries = OrderQueries(client_of(respond_with(data=[{"orderId": order_id}])), CancelScope(), classic_selection())
    assert [order.order_id for order in run_sync(queries.all_orders("normal", None))] == ["1"]
    queries = OrderQueries(client_of(respond_with(data=[])), CancelScope(), classic_selection())
    assert run_sync(queries.all_orders("normal", None)) == []


def test_a_network_error(mode: str) -> None:
    """A network error is a NetworkError with the name of httpx's exception, which is its cause."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise httpx.ReadTimeout("", request=request)

    queries = OrderQueries(client_of(httpx.MockTransport(fail)), CancelScope(), classic_selection())
    with pytest.raises(NetworkError, match=r"^ReadTimeout$") as caught:
        run_effects(mode, queries.page("open", "normal", None, None))
    assert isinstance(caught.value.__cause__, httpx.ReadTimeout)


def test_every_page_is_fetched() -> None:
    """A listing is fetched to its end, also if its last page is full."""
    exchange = FakeExchange(open=orders_with(range(1, 2 * PAGE_SIZE + 1), "live"))
    orders = run_sync(fake_queries(exchange).all_orders("normal", "BTCUSDT"))
    assert [order.order_id for order in orders] == [str(number) for number in range(2 * PAGE_SIZE, 0, -1)]
    assert len(exchange.requests) == 3
    assert {arguments["symbol"] for _, arguments in exchange.requests} == {"BTCUSDT"}


def test_an_exchange_that_always_returns_the_same_page(mode: str) -> None:
    """If the exchange ignores where a page begins, fetching ends when a page repeats."""
    exchange = FakeExchange(fixed_page=SAME_PAGE)
    orders = run_effects(mode, fake_queries(exchange).all_orders("normal", "BTCUSDT"))
    assert [order.order_id for order in orders] == [order.order_id for order in SAME_PAGE]
    first_page = {"symbol": "BTCUSDT", "limit": PAGE_SIZE}
    assert exchange.requests == [
        (get_unfilled_orders, first_page),
        (get_unfilled_orders, {**first_page, "id_less_than": "1001"}),
    ]
