"""From any number of orders to the fewest batches: what is planned, and what is refused."""

from __future__ import annotations

import pickle
from collections import Counter
from collections.abc import Callable
from typing import Any, Final, TypeAlias

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitget_spot import InvalidBatchError, cancel_orders
from bitget_spot._bulk.accounts import AccountSelection, account_of
from bitget_spot._bulk.planner import Batch, batches_of, plan_orders
from bitget_spot.validation import validate_batch
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS
from bitget_spot_api.types import UNSET, Unset

MAX_ORDERS: Final = BATCH_CANCEL_ORDERS.max_items["orderList"]

Requests: TypeAlias = list[BatchCancelOrdersRequest]
MakeOrders: TypeAlias = Callable[..., list[OrderRef]]


def by_order_id(*numbers: int, symbol: str | Unset = UNSET) -> list[OrderRef]:
    """Return orders addressed by orderId."""
    return [OrderRef(order_id=str(number), symbol=symbol) for number in numbers]


def by_client_oid(*numbers: int, symbol: str | Unset = UNSET) -> list[OrderRef]:
    """Return orders addressed by clientOid."""
    return [OrderRef(client_oid=f"c{number}", symbol=symbol) for number in numbers]


def classic_batches(orders: list[OrderRef]) -> list[Batch]:
    """Return the batches of a classic account."""
    account = account_of("classic", "SPOT")
    return batches_of(account, plan_orders(orders, None, AccountSelection(account)).targets, None)


def sizes(requests: Requests) -> list[int]:
    """Return how many orders each request has."""
    return [len(request.order_list) for request in requests]


def ids(request: BatchCancelOrdersRequest) -> list[str]:
    """Return the identifier of each order of a request."""
    return [str(order.order_id or order.client_oid) for order in request.order_list]


def violations(*orders: Any, **arguments: Any) -> dict[str, str]:
    """Return the problem at each place of orders that cannot be planned."""
    with pytest.raises(InvalidBatchError) as caught:
        cancel_orders.plan(orders=orders, **arguments)
    return {violation.place: violation.problem for violation in caught.value.violations}


def test_full_batches_and_a_rest() -> None:
    """Orders of one kind fill batches up to the document's maximum, in the order of the input."""
    requests = cancel_orders.plan(orders=by_order_id(*range(2 * MAX_ORDERS + 1)))
    assert sizes(requests) == [MAX_ORDERS, MAX_ORDERS, 1]
    planned = [*ids(requests[0]), *ids(requests[1]), *ids(requests[2])]
    assert planned == [str(number) for number in range(2 * MAX_ORDERS + 1)]


def test_the_two_kinds_of_identifier_never_share_a_batch() -> None:
    """Orders by orderId and by clientOid travel in separate batches, each kind in the order of the input."""
    first, second, third = by_order_id(1, 2, 3)
    other_first, other_second, other_third = by_client_oid(1, 2, 3)
    alternating = [first, other_first, second, other_second, third, other_third]
    requests = cancel_orders.plan(orders=alternating)
    assert [ids(request) for request in requests] == [["1", "2", "3"], ["c1", "c2", "c3"]]


def test_a_client_oid_next_to_an_order_id_is_sent_too() -> None:
    """An order with both ids is addressed by its orderId, and both are sent."""
    (request,) = cancel_orders.plan(orders=[OrderRef(order_id="1", client_oid="label"), *by_order_id(2)])
    assert request.to_dict()["orderList"] == [{"orderId": "1", "clientOid": "label"}, {"orderId": "2"}]


def test_single_mode_with_a_common_symbol() -> None:
    """Orders of one trading pair are sent in single mode, with the pair on the request."""
    (request,) = cancel_orders.plan(orders=by_order_id(1, 2, symbol="BTCUSDT"))
    assert request.to_dict() == {
        "symbol": "BTCUSDT",
        "batchMode": "single",
        "orderList": [{"orderId": "1"}, {"orderId": "2"}],
    }


def test_multiple_mode_with_several_symbols() -> None:
    """Orders of several trading pairs share a batch in multiple mode, each with its own pair."""
    (request,) = cancel_orders.plan(orders=by_order_id(1, symbol="BTCUSDT") + by_order_id(2, symbol="ETHUSDT"))
    assert request.to_dict() == {
        "batchMode": "multiple",
        "orderList": [{"symbol": "BTCUSDT", "orderId": "1"}, {"symbol": "ETHUSDT", "orderId": "2"}],
    }


def test_orders_without_a_symbol_travel_by_themselves() -> None:
    """Orders whose trading pair is not known travel by themselves, in single mode without a symbol."""
    with_symbol, without_symbol = cancel_orders.plan(orders=by_order_id(1, symbol="BTCUSDT") + by_order_id(2, 3))
    assert with_symbol.to_dict()["symbol"] == "BTCUSDT"
    assert without_symbol.to_dict() == {"batchMode": "single", "orderList": [{"orderId": "2"}, {"orderId": "3"}]}


def test_default_symbol() -> None:
    """`symbol=` is the trading pair of the orders that have none, and of no other."""
    (same_pair,) = cancel_orders.plan(orders=by_order_id(1, 2), symbol="BTCUSDT")
    assert same_pair.to_dict()["symbol"] == "BTCUSDT"
    orders = by_order_id(1) + by_order_id(2, symbol="ETHUSDT")
    (two_pairs,) = cancel_orders.plan(orders=orders, symbol="BTCUSDT")
    assert [order.symbol for order in two_pairs.order_list] == ["BTCUSDT", "ETHUSDT"]


@pytest.mark.parametrize("absent", [None, Unset(), "", "  "])
def test_absent_symbol(absent: Any) -> None:
    """A symbol that is None, not set or blank is absent."""
    (request,) = cancel_orders.plan(orders=[OrderRef(order_id="1", symbol=absent)])
    assert request.to_dict() == {"batchMode": "single", "orderList": [{"orderId": "1"}]}


@pytest.mark.parametrize("absent", [None, Unset()])
def test_absent_identifier(absent: Any) -> None:
    """An identifier that is None or not set is absent, and the other one addresses the order."""
    (request,) = cancel_orders.plan(orders=[OrderRef(order_id=absent, client_oid="c1")])
    assert request.to_dict()["orderList"] == [{"clientOid": "c1"}]
    (request,) = cancel_orders.plan(orders=[OrderRef(order_id="1", client_oid=absent)])
    assert request.to_dict()["orderList"] == [{"orderId": "1"}]


def test_an_order_from_a_pickle() -> None:
    """An order from a pickle, or with another UNSET than the package's, is planned like a new one."""
    new = by_order_id(1)
    with_other_unset = [OrderRef(order_id="1", client_oid=Unset(), symbol=Unset())]
    expected = [request.to_dict() for request in cancel_orders.plan(orders=new)]
    for orders in (pickle.loads(pickle.dumps(new)), with_other_unset):  # noqa: S301 - pickled here
        assert [request.to_dict() for request in cancel_orders.plan(orders=orders)] == expected


def test_unset_stays_the_same_object_in_a_pickle() -> None:
    """An order from a pickle has the one UNSET that the generated code compares with."""
    order = pickle.loads(pickle.dumps(OrderRef(order_id="1", symbol=Unset())))  # noqa: S301 - pickled here
    assert order.symbol is UNSET
    assert order.to_dict() == {"orderId": "1"}


def test_batches_are_sorted_by_their_first_order() -> None:
    """The batch with the earliest order of the input comes first."""
    orders = by_client_oid(1) + by_order_id(1, 2, 3) + by_client_oid(2, 3)
    requests = cancel_orders.plan(orders=orders, batch_size=2)
    assert [ids(request) for request in requests] == [["c1", "c2"], ["1", "2"], ["3"], ["c3"]]


@pytest.mark.parametrize("orders", [by_order_id(1, 2, 1), by_client_oid(1, 2, 1)])
def test_the_same_order_twice(orders: list[OrderRef]) -> None:
    """An order given twice, by either identifier, is planned once, and both of its indices are kept."""
    assert sizes(cancel_orders.plan(orders=orders)) == [2]
    assert plan_orders(orders, None, AccountSelection(account_of("classic", "SPOT"))).orders == orders
    (batch,) = classic_batches(orders)
    assert [target.input_indices for target in batch.targets] == [[0, 2], [1]]


def test_a_target_has_the_order_as_it_was_first_given() -> None:
    """A target has the object that was given first, whatever was given later for the same order."""
    first, *later = by_order_id(1) + by_order_id(1, symbol="BTCUSDT")
    (batch,) = classic_batches([first, *later])
    assert [target.order for target in batch.targets] == [first]
    assert batch.targets[0].order is first
    assert batch.id_field == "orderId"


def test_a_client_oid_may_repeat_next_to_order_ids() -> None:
    """Two orders with one clientOid next to different orderIds are two orders."""
    orders = [OrderRef(order_id="1", client_oid="same"), OrderRef(order_id="2", client_oid="same")]
    assert sizes(cancel_orders.plan(orders=orders)) == [2]


def test_a_symbol_that_is_given_only_once() -> None:
    """If an order is given both with and without its trading pair, the pair is known."""
    orders = by_order_id(1) + by_order_id(1, symbol="BTCUSDT") + by_order_id(1, symbol="btcusdt")
    (request,) = cancel_orders.plan(orders=orders)
    assert request.to_dict()["symbol"] == "BTCUSDT"


def test_contradicting_symbols_of_one_order() -> None:
    """An order given twice with different trading pairs is refused, and the message has both places."""
    problems = violations(*by_order_id(1, symbol="BTCUSDT"), *by_order_id(2), *by_order_id(1, symbol="ETHUSDT"))
    assert list(problems) == ["orders[2].symbol"]
    assert "orders[0]" in problems["orders[2].symbol"]
    assert "BTCUSDT" in problems["orders[2].symbol"]


def test_every_violation_is_reported_at_once() -> None:
    """One exception has everything that is wrong with every order, each with its place."""
    orders: list[Any] = [
        *by_order_id(1),
        OrderRef(),
        OrderRef(order_id="  "),
        OrderRef(order_id=5),  # type: ignore[arg-type]  # to be refused
        {"orderId": "1"},
        OrderRef(order_id="2", symbol=7),  # type: ignore[arg-type]  # to be refused
        OrderRef(order_id="3", client_oid=""),
        OrderRef(order_id=None, client_oid=None),  # type: ignore[arg-type]  # to be refused
        *by_order_id(1, symbol="BTCUSDT"),
        *by_order_id(1, symbol="ETHUSDT"),
        OrderRef(order_id="\ud800", symbol="ü"),
        OrderRef(client_oid="unpaired \udfff", symbol="\ud800"),
        OrderRef(client_oid="complete \U0001f600 \uffff"),
    ]
    assert list(violations(*orders)) == [
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


def test_what_is_not_an_order_ref_is_refused() -> None:
    """A dict, or the characters of a text, are refused, and the message says how to make an order."""
    assert "OrderRef.from_dict" in violations({"orderId": "1"})["orders[0]"]
    assert list(violations("1", "2")) == ["orders[0]", "orders[1]"]


@pytest.mark.parametrize(("make", "id_field"), [(by_order_id, "orderId"), (by_client_oid, "clientOid")])
def test_a_problem_shows_what_was_found(make: MakeOrders, id_field: str) -> None:
    """A problem shows the type that is not an order, the value that is not text, or the contradicting pairs."""
    contradiction = [*make(1, symbol="BTCUSDT"), *make(1, symbol="ETHUSDT")]
    problems = violations(*contradiction, ["1"], OrderRef(order_id=5))  # type: ignore[arg-type]  # to be refused
    assert problems["orders[1].symbol"].startswith(f"is ETHUSDT, and BTCUSDT for the same {id_field} at orders[0]")
    assert problems["orders[2]"].startswith("is list, not an OrderRef")
    assert problems["orders[3].orderId"].startswith("is 5;")


@pytest.mark.parametrize("size", [0, -1, MAX_ORDERS + 1])
def test_invalid_batch_size(size: int) -> None:
    """A batch size outside the document's range is a ValueError, even without orders."""
    with pytest.raises(ValueError, match=rf"batch_size: {size} is not valid.* 1 to {MAX_ORDERS}"):
        cancel_orders.plan(orders=[], batch_size=size)


@pytest.mark.parametrize(("size", "expected"), [(1, [1] * 5), (2, [2, 2, 1]), (MAX_ORDERS, [5])])
def test_batch_size(size: int, expected: list[int]) -> None:
    """Every batch size from one to the document's maximum is used."""
    assert sizes(cancel_orders.plan(orders=by_order_id(*range(5)), batch_size=size)) == expected


def test_orders_from_an_iterator() -> None:
    """Orders that can be read only once are planned; without orders, the plan is empty."""
    assert sizes(cancel_orders.plan(orders=iter(by_order_id(1, 2)))) == [2]
    assert cancel_orders.plan(orders=iter(())) == []


def test_a_plan_sends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planning needs no client and opens no connection."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError

    for name in ("Client", "AsyncClient", "HTTPTransport", "AsyncHTTPTransport"):
        monkeypatch.setattr(httpx, name, fail)
    assert sizes(cancel_orders.plan(orders=by_order_id(1))) == [1]


@pytest.mark.parametrize("make", [by_order_id, by_client_oid])
def test_each_call_returns_new_requests(make: MakeOrders) -> None:
    """Changing a planned request changes neither the orders given nor the next plan."""
    orders = make(1, 2)
    (request,) = cancel_orders.plan(orders=orders)
    request.order_list.clear()
    assert sizes(cancel_orders.plan(orders=orders)) == [2]


@pytest.mark.parametrize("symbol", [5, b"BTCUSDT", ["BTCUSDT"], "BTC\ud800"])
def test_invalid_default_symbol(symbol: Any) -> None:
    """A `symbol=` that is not text, or that cannot be encoded, is refused and shown, even if no order needs it."""
    assert violations(symbol=symbol) == {"symbol": f"is {symbol!r}; give the trading pair as text"}


def test_a_default_symbol_that_is_a_number() -> None:
    """A `symbol=` that is not text is refused with its place in the message."""
    with pytest.raises(InvalidBatchError, match="symbol: is 5"):
        cancel_orders.plan(orders=by_order_id(1), symbol=5)  # type: ignore[call-overload]  # to be refused


@pytest.mark.parametrize("symbol", ["BTC/USDT", "btc-usdt", "BTC_USDT", "BTC/USDT:USDT", "BTC USDT", " BTC/USDT "])
def test_a_default_symbol_in_another_notation(symbol: str) -> None:
    """A `symbol=` with a separator is refused, and the message suggests the exchange's notation."""
    with pytest.raises(ValueError, match=r"symbol: .* is not a valid symbol; did you mean BTCUSDT\?$"):
        cancel_orders.plan(orders=by_order_id(1), symbol=symbol)


@pytest.mark.parametrize("symbol", ["BTC/USDT", "btc-usdt", " BTC_USDT "])
def test_an_order_with_its_symbol_in_another_notation(symbol: str) -> None:
    """The exchange would not find the order and call it gone, so it is refused with its place and a suggestion."""
    with pytest.raises(
        InvalidBatchError, match=r"orders\[1\]\.symbol: .* is not a valid symbol; did you mean BTCUSDT\?"
    ):
        cancel_orders.plan(orders=by_order_id(1) + by_order_id(2, symbol=symbol))


@pytest.mark.parametrize("symbol", ["", " "])
def test_blank_default_symbol(symbol: str) -> None:
    """A blank `symbol=` is absent: orders without a trading pair stay without, and others keep their own."""
    orders = by_order_id(1) + by_order_id(2, symbol=" ETHUSDT ")
    without_symbol, with_symbol = cancel_orders.plan(orders=orders, symbol=symbol)
    assert without_symbol.to_dict() == {"batchMode": "single", "orderList": [{"orderId": "1"}]}
    assert with_symbol.to_dict()["symbol"] == "ETHUSDT"


@pytest.mark.parametrize("symbol", ["", "  "])
def test_a_plan_with_a_blank_default_symbol_is_valid(symbol: str) -> None:
    """With a blank `symbol=`, every planned request passes the validation."""
    orders = by_order_id(1, symbol="BTCUSDT") + by_order_id(2)
    requests = cancel_orders.plan(orders=orders, symbol=symbol)
    assert [validate_batch(request.to_dict()) for request in requests] == [(), ()]


@pytest.mark.parametrize("symbol", [" BTCUSDT ", " BTCUSDT\n"])
def test_the_default_symbol_is_stripped(symbol: str) -> None:
    """White space around `symbol=` is not sent."""
    (request,) = cancel_orders.plan(orders=by_order_id(1) + by_order_id(2, symbol="BTCUSDT"), symbol=symbol)
    assert request.to_dict()["symbol"] == "BTCUSDT"
    (request,) = cancel_orders.plan(orders=by_order_id(1), symbol=symbol)
    assert request.symbol == "BTCUSDT"


@st.composite
def orders_with_default_symbol(draw: st.DrawFn) -> tuple[list[OrderRef], str | None]:
    """Draw orders of every kind, many of them twice and none contradicting itself, and a value for `symbol=`."""
    default_symbol = draw(st.sampled_from([None, "BTCUSDT"]))

    def make_order(number: int, id_field: str, client_oid: str | None, with_symbol: bool) -> OrderRef:
        # The number decides the trading pair: a pair left out here and given there could contradict the default.
        symbol: Any = (UNSET, "BTCUSDT", "btcusdt", "ETHUSDT", "")[number % 5]
        if not with_symbol and default_symbol is None:
            symbol = draw(st.sampled_from([UNSET, None, " "]))
        if id_field == "orderId":
            return OrderRef(
                order_id=str(number),
                client_oid=client_oid,  # type: ignore[arg-type]  # None is accepted too
                symbol=symbol,
            )
        absent: Any = draw(st.sampled_from([UNSET, None]))
        return OrderRef(client_oid=f"c{number}", order_id=absent, symbol=symbol)

    order = st.builds(
        make_order,
        st.integers(1, 150),
        st.sampled_from(["orderId", "clientOid"]),
        st.sampled_from(["same", "other", None]),
        st.booleans(),
    )
    # By itself, Hypothesis draws short lists.
    length = draw(st.integers(0, 200))
    return draw(st.lists(order, min_size=length, max_size=length)), default_symbol


def order_key(order: OrderRef) -> tuple[bool, str]:
    """Return what identifies an order: whether it is addressed by orderId, and the id."""
    return bool(order.order_id), str(order.order_id or order.client_oid)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(drawn=orders_with_default_symbol(), size=st.integers(1, MAX_ORDERS))
def test_any_orders_are_planned_in_the_fewest_valid_batches(
    drawn: tuple[list[OrderRef], str | None], size: int
) -> None:
    """
    For any orders, every request is valid and every distinct order is in exactly one of them. There are as few requests
    as the kinds of identifier and the batch size allow, and they keep the order of the input.
    """
    orders, default_symbol = drawn
    requests = cancel_orders.plan(orders=orders, symbol=default_symbol, batch_size=size)
    for request in requests:
        assert validate_batch(request.to_dict()) == ()

    first_index: dict[tuple[bool, str], int] = {}
    with_symbol = set()
    for index, order in enumerate(orders):
        key = order_key(order)
        first_index.setdefault(key, index)
        if (order.symbol or "").strip() or default_symbol:
            with_symbol.add(key)

    planned: Counter[tuple[bool, str]] = Counter()
    for request in requests:
        planned.update(order_key(order) for order in request.order_list)
    assert planned == Counter(first_index.keys())

    groups = Counter((key[0], key in with_symbol) for key in first_index)
    assert len(requests) == sum(-(-count // size) for count in groups.values())

    first_orders = [first_index[order_key(request.order_list[0])] for request in requests]
    assert first_orders == sorted(first_orders)
    for request in requests:
        indices = [first_index[order_key(order)] for order in request.order_list]
        assert indices == sorted(indices)
