"""From any number of orders to the fewest plan_batches: what is planned, and what is refused."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitget_spot import InvalidBatchError, cancel_orders
from bitget_spot._bulk.planner import plan_batches
from bitget_spot.validation import validate_batch
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS
from bitget_spot_api.types import UNSET, Unset

MOST = BATCH_CANCEL_ORDERS.max_items["orderList"]

Plan = list[BatchCancelOrdersRequest]


def by_id(*numbers: int, symbol: str | Unset = UNSET) -> list[OrderRef]:
    """Orders addressed by orderId."""
    return [OrderRef(order_id=str(number), symbol=symbol) for number in numbers]


def by_label(*numbers: int, symbol: str | Unset = UNSET) -> list[OrderRef]:
    """Orders addressed by clientOid."""
    return [OrderRef(client_oid=f"c{number}", symbol=symbol) for number in numbers]


def sizes(plan: Plan) -> list[int]:
    """How many orders each request holds."""
    return [len(request.order_list) for request in plan]


def addresses(plan: Plan) -> list[str]:
    """The identifier of every order planned, in the order of sending."""
    return [str(order.order_id or order.client_oid) for request in plan for order in request.order_list]


def refused(*orders: Any, **given_besides: Any) -> dict[str, str]:
    """What is wrong with orders that cannot be planned, by its place."""
    with pytest.raises(InvalidBatchError) as caught:
        cancel_orders.plan(orders=orders, **given_besides)
    return {violation.place: violation.problem for violation in caught.value.violations}


def test_full_batches_and_a_rest() -> None:
    """Orders of one kind fill plan_batches up to what the document allows, in the order given."""
    plan = cancel_orders.plan(orders=by_id(*range(2 * MOST + 1)))
    assert sizes(plan) == [MOST, MOST, 1]
    assert addresses(plan) == [str(number) for number in range(2 * MOST + 1)]


def test_the_two_kinds_of_identifier_never_share_a_batch() -> None:
    """Orders by orderId and by clientOid travel apart, and each kind keeps its order."""
    mixed = [order for pair in zip(by_id(1, 2, 3), by_label(1, 2, 3), strict=True) for order in pair]
    assert [addresses([request]) for request in cancel_orders.plan(orders=mixed)] == [
        ["1", "2", "3"],
        ["c1", "c2", "c3"],
    ]


def test_a_label_beside_an_order_id_goes_along() -> None:
    """An order with both ids counts as one by orderId, and both are sent."""
    (request,) = cancel_orders.plan(orders=[OrderRef(order_id="1", client_oid="label"), *by_id(2)])
    assert request.to_dict()["orderList"] == [{"orderId": "1", "clientOid": "label"}, {"orderId": "2"}]


def test_single_mode_with_the_agreed_symbol() -> None:
    """Orders of one trading pair name it once, on the request."""
    (request,) = cancel_orders.plan(orders=by_id(1, 2, symbol="BTCUSDT"))
    assert request.to_dict() == {
        "symbol": "BTCUSDT",
        "batchMode": "single",
        "orderList": [{"orderId": "1"}, {"orderId": "2"}],
    }


def test_multiple_mode_where_symbols_differ() -> None:
    """Orders of several trading pairs share a batch, each with its own pair."""
    (request,) = cancel_orders.plan(orders=by_id(1, symbol="BTCUSDT") + by_id(2, symbol="ETHUSDT"))
    assert request.to_dict() == {
        "batchMode": "multiple",
        "orderList": [{"symbol": "BTCUSDT", "orderId": "1"}, {"symbol": "ETHUSDT", "orderId": "2"}],
    }


def test_orders_without_a_symbol_travel_by_themselves() -> None:
    """Orders whose trading pair nobody knows go in single mode without a symbol, apart from the others."""
    known, unknown = cancel_orders.plan(orders=by_id(1, symbol="BTCUSDT") + by_id(2, 3))
    assert known.to_dict()["symbol"] == "BTCUSDT"
    assert unknown.to_dict() == {"batchMode": "single", "orderList": [{"orderId": "2"}, {"orderId": "3"}]}


def test_a_symbol_for_those_without() -> None:
    """`symbol=` is the trading pair of the orders that name none, and of no other."""
    (alone,) = cancel_orders.plan(orders=by_id(1, 2), symbol="BTCUSDT")
    assert alone.to_dict()["symbol"] == "BTCUSDT"
    (beside,) = cancel_orders.plan(orders=by_id(1) + by_id(2, symbol="ETHUSDT"), symbol="BTCUSDT")
    assert [order.symbol for order in beside.order_list] == ["BTCUSDT", "ETHUSDT"]


@pytest.mark.parametrize("absent", [None, Unset(), "", "  "])
def test_what_counts_as_no_symbol(absent: Any) -> None:
    """A symbol that is None, not set or blank is absent."""
    (request,) = cancel_orders.plan(orders=[OrderRef(order_id="1", symbol=absent)])
    assert request.to_dict() == {"batchMode": "single", "orderList": [{"orderId": "1"}]}


@pytest.mark.parametrize("absent", [None, Unset()])
def test_what_counts_as_no_identifier(absent: Any) -> None:
    """An identifier that is None or not set is absent: the other one addresses the order."""
    (request,) = cancel_orders.plan(orders=[OrderRef(order_id=absent, client_oid="c1")])
    assert request.to_dict()["orderList"] == [{"clientOid": "c1"}]
    (request,) = cancel_orders.plan(orders=[OrderRef(order_id="1", client_oid=absent)])
    assert request.to_dict()["orderList"] == [{"orderId": "1"}]


def test_an_order_out_of_a_pickle() -> None:
    """An order that comes out of a pickle, or holds another UNSET than the package's, is planned like a fresh one."""
    fresh = by_id(1)
    stray = [OrderRef(order_id="1", client_oid=Unset(), symbol=Unset())]
    expected = [request.to_dict() for request in cancel_orders.plan(orders=fresh)]
    for orders in (pickle.loads(pickle.dumps(fresh)), stray):  # noqa: S301 - our own
        assert [request.to_dict() for request in cancel_orders.plan(orders=orders)] == expected


def test_batches_leave_in_the_order_of_their_first_orders() -> None:
    """Whichever batch holds the earliest order leaves first."""
    plan = cancel_orders.plan(orders=by_label(1) + by_id(1, 2, 3) + by_label(2, 3), batch_size=2)
    assert [addresses([request]) for request in plan] == [["c1", "c2"], ["1", "2"], ["3"], ["c3"]]


@pytest.mark.parametrize("twice", [by_id(1, 2, 1), by_label(1, 2, 1)])
def test_the_same_order_twice(twice: list[OrderRef]) -> None:
    """An order given twice, by either identifier, is planned once, and its places are remembered."""
    assert sizes(cancel_orders.plan(orders=twice)) == [2]
    found, (batch,) = plan_batches(twice, None, None)
    assert found == twice
    assert [target.places for target in batch.targets] == [[0, 2], [1]]


def test_a_label_may_repeat() -> None:
    """Two orders with one clientOid beside different orderIds are two orders."""
    orders = [OrderRef(order_id="1", client_oid="same"), OrderRef(order_id="2", client_oid="same")]
    assert sizes(cancel_orders.plan(orders=orders)) == [2]


def test_one_that_names_its_symbol_only_once() -> None:
    """Where an order is given with and without its trading pair, the pair is known."""
    (request,) = cancel_orders.plan(orders=by_id(1) + by_id(1, symbol="BTCUSDT") + by_id(1, symbol="btcusdt"))
    assert request.to_dict()["symbol"] == "BTCUSDT"


def test_contradicting_symbols_of_one_order() -> None:
    """An order that is given twice with different trading pairs is refused, with both places."""
    problems = refused(*by_id(1, symbol="BTCUSDT"), *by_id(2), *by_id(1, symbol="ETHUSDT"))
    assert list(problems) == ["orders[2].symbol"]
    assert "orders[0]" in problems["orders[2].symbol"]
    assert "BTCUSDT" in problems["orders[2].symbol"]


def test_every_bad_order_is_named_at_once() -> None:
    """One exception names everything that is wrong with every order, each with its place."""
    orders: list[Any] = [
        *by_id(1),
        OrderRef(),
        OrderRef(order_id="  "),
        OrderRef(order_id=5),  # type: ignore[arg-type]
        {"orderId": "1"},
        OrderRef(order_id="2", symbol=7),  # type: ignore[arg-type]
        OrderRef(order_id="3", client_oid=""),
        OrderRef(order_id=None, client_oid=None),  # type: ignore[arg-type]
        *by_id(1, symbol="BTCUSDT"),
        *by_id(1, symbol="ETHUSDT"),
        OrderRef(order_id="\ud800", symbol="ü"),
        OrderRef(client_oid="half \udfff", symbol="\ud800"),
        OrderRef(client_oid="whole \U0001f600 \uffff"),
    ]
    assert list(refused(*orders)) == [
        "orders[1]",
        "orders[2].orderId",
        "orders[3].orderId",
        "orders[4]",
        "orders[5].symbol",
        "orders[6].clientOid",
        "orders[7]",
        "orders[9].symbol",
        "orders[10].orderId",
        "orders[11].clientOid",
        "orders[11].symbol",
    ]


def test_what_is_no_order_is_told_how_to_become_one() -> None:
    """A dict, or the characters of a text, are refused with the remedy."""
    assert "OrderRef.from_dict" in refused({"orderId": "1"})["orders[0]"]
    assert list(refused("1", "2")) == ["orders[0]", "orders[1]"]


@pytest.mark.parametrize("size", [0, -1, MOST + 1])
def test_a_batch_size_that_the_exchange_does_not_take(size: int) -> None:
    """A batch size outside what the document allows is a ValueError, even without orders."""
    with pytest.raises(ValueError, match=rf"batch_size is {size}.* 1 to {MOST}"):
        cancel_orders.plan(orders=[], batch_size=size)


@pytest.mark.parametrize(("size", "expected"), [(1, [1] * 5), (2, [2, 2, 1]), (MOST, [5])])
def test_a_smaller_batch_size(size: int, expected: list[int]) -> None:
    """Every size from one to what the document allows is kept."""
    assert sizes(cancel_orders.plan(orders=by_id(*range(5)), batch_size=size)) == expected


def test_orders_from_a_generator() -> None:
    """Orders that can be read only once are read once; none at all plan nothing."""
    assert sizes(cancel_orders.plan(orders=(order for order in by_id(1, 2)))) == [2]
    assert cancel_orders.plan(orders=iter(())) == []


def test_a_plan_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planning needs no client, and opens no connection."""

    def never(*_: object, **__: object) -> None:
        raise AssertionError

    for name in ("Client", "AsyncClient", "HTTPTransport", "AsyncHTTPTransport"):
        monkeypatch.setattr(httpx, name, never)
    assert sizes(cancel_orders.plan(orders=by_id(1))) == [1]


@st.composite
def any_orders(draw: st.DrawFn) -> tuple[list[OrderRef], str | None]:
    """Draw orders of every sort, many of them twice, none against itself, and a symbol for those without."""
    symbol = draw(st.sampled_from([None, "BTCUSDT"]))

    def order(number: int, by: str, label: str | None, named: bool) -> OrderRef:
        # One trading pair for each number. A pair left out here and given there would contradict the one filled in.
        pair: Any = (UNSET, "BTCUSDT", "btcusdt", "ETHUSDT", "")[number % 5]
        if not named and symbol is None:
            pair = draw(st.sampled_from([UNSET, None, " "]))
        if by == "orderId":
            return OrderRef(order_id=str(number), client_oid=label, symbol=pair)  # type: ignore[arg-type]
        absent: Any = draw(st.sampled_from([UNSET, None]))
        return OrderRef(client_oid=f"c{number}", order_id=absent, symbol=pair)

    one = st.builds(
        order,
        st.integers(1, 150),
        st.sampled_from(["orderId", "clientOid"]),
        st.sampled_from(["same", "other", None]),
        st.booleans(),
    )
    # Hypothesis by itself draws short lists.
    length = draw(st.integers(0, 200))
    return draw(st.lists(one, min_size=length, max_size=length)), symbol


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(drawn=any_orders(), size=st.integers(1, MOST))
def test_any_orders_make_the_fewest_sound_batches(drawn: tuple[list[OrderRef], str | None], size: int) -> None:
    """
    For any orders every request is one the exchange takes, every distinct order is in exactly one of them, and there
    are as few as the kinds of identifier and the size allow.
    """

    def address(order: OrderRef) -> tuple[bool, str]:
        return bool(order.order_id), str(order.order_id or order.client_oid)

    orders, symbol = drawn
    plan = cancel_orders.plan(orders=orders, symbol=symbol, batch_size=size)
    assert [validate_batch(request.to_dict()) for request in plan] == [()] * len(plan)
    planned = Counter(address(order) for request in plan for order in request.order_list)
    assert planned == Counter({address(order): 1 for order in orders})
    known = {address(order) for order in orders if (order.symbol or "").strip() or symbol}
    groups = Counter((one[0], one in known) for one in {address(order) for order in orders})
    assert len(plan) == sum(-(-count // size) for count in groups.values())
    first: dict[tuple[bool, str], int] = {}
    for index, order in enumerate(orders):
        first.setdefault(address(order), index)
    leading = [first[address(request.order_list[0])] for request in plan]
    assert leading == sorted(leading)
    for request in plan:
        places = [first[address(order)] for order in request.order_list]
        assert places == sorted(places)


Make = Callable[..., list[OrderRef]]


@pytest.mark.parametrize("make", [by_id, by_label])
def test_a_request_is_fresh_at_each_call(make: Make) -> None:
    """What is done to a planned request changes neither the orders given nor the next plan."""
    orders = make(1, 2)
    (request,) = cancel_orders.plan(orders=orders)
    request.order_list.clear()
    assert sizes(cancel_orders.plan(orders=orders)) == [2]


@pytest.mark.parametrize("symbol", [5, b"BTCUSDT", ["BTCUSDT"], "BTC\ud800"])
def test_a_symbol_for_those_without_that_is_none(symbol: Any) -> None:
    """A `symbol=` that is not text, or none that can be sent, is refused by that name, and shown, even where no order needs it."""
    assert refused(symbol=symbol) == {"symbol": f"is {symbol!r}; give the trading pair as text"}


@pytest.mark.parametrize("symbol", ["", " "])
def test_a_symbol_for_those_without_that_is_blank(symbol: str) -> None:
    """A blank `symbol=` is none: orders without a trading pair stay without, and others keep their own."""
    alone, named = cancel_orders.plan(orders=by_id(1) + by_id(2, symbol=" ETHUSDT "), symbol=symbol)
    assert alone.to_dict() == {"batchMode": "single", "orderList": [{"orderId": "1"}]}
    assert named.to_dict()["symbol"] == "ETHUSDT"


def test_white_space_around_a_symbol_for_those_without() -> None:
    """Of a `symbol=` the white space around it is left out, as of an order's own."""
    (request,) = cancel_orders.plan(orders=by_id(1) + by_id(2, symbol="BTCUSDT"), symbol=" BTCUSDT\n")
    assert request.to_dict()["symbol"] == "BTCUSDT"


@pytest.mark.parametrize(("orders", "kind"), [(by_id, "orderId"), (by_label, "clientOid")])
def test_what_is_told_of_a_bad_order(orders: Callable[..., list[OrderRef]], kind: str) -> None:
    """Each problem says what was found: the type that is no order, the value that is no text, the pairs that contradict."""
    contradiction = [*orders(1, symbol="BTCUSDT"), *orders(1, symbol="ETHUSDT")]
    found = refused(*contradiction, ["1"], OrderRef(order_id=5))  # type: ignore[arg-type]  # what is to be refused
    assert found["orders[1].symbol"].startswith(f"is ETHUSDT, and BTCUSDT for the same {kind} at orders[0]")
    assert found["orders[2]"].startswith("is list, not an OrderRef")
    assert found["orders[3].orderId"].startswith("is 5;")
