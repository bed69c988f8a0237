"""Batches of unified accounts: what is planned, what is sent, and what the rows of a response mean."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitget_spot import ApiError, InvalidBatchError, OrderNotFoundError, Outcome, Status, cancel_orders
from bitget_spot._bulk.accounts import Account, account_of
from bitget_spot._bulk.matcher import OTHER_KIND, MatchedBatch, match_error, match_rows
from bitget_spot._bulk.orders import OrderTarget
from bitget_spot._middleware.context import Attempt, RequestContext
from bitget_spot.errors import error_class
from bitget_spot.validation import validate_unified_batch
from bitget_spot_api.models import OrderRef, UnifiedCancelListResponse, UnifiedCancelResponse, UnifiedOrderRef
from bitget_spot_api.operations import BATCH_CANCEL_UNIFIED_ORDERS, ERROR_CODES

MAX_ORDERS: Final = BATCH_CANCEL_UNIFIED_ORDERS.max_items["body"]
VERSION: Final = BATCH_CANCEL_UNIFIED_ORDERS.api_version
UNIFIED: Final[Account] = account_of("unified", "SPOT")


def orders_with(count: int, symbol: str = "BTCUSDT") -> list[OrderRef]:
    """Return orders addressed by orderId, with their trading pair."""
    return [OrderRef(order_id=str(number), symbol=symbol) for number in range(count)]


def plan(orders: list[OrderRef], **arguments: Any) -> list[list[UnifiedOrderRef]]:
    """Return the batches of a unified account."""
    return cancel_orders.plan(orders=orders, account_type="unified", **arguments)


def as_json(batches: list[list[UnifiedOrderRef]]) -> list[list[dict[str, Any]]]:
    """Return batches as they are sent."""
    return [[order.to_dict() for order in batch] for batch in batches]


def test_full_batches_and_a_rest() -> None:
    """Orders fill batches up to the document's maximum for a unified account."""
    batches = plan(orders_with(2 * MAX_ORDERS + 1))
    assert [len(batch) for batch in batches] == [MAX_ORDERS, MAX_ORDERS, 1]


def test_a_batch_of_several_symbols() -> None:
    """Orders of several trading pairs share a batch; each has its pair and the category."""
    (batch,) = as_json(plan([*orders_with(1), OrderRef(order_id="9", symbol="ETHUSDT")]))
    assert batch == [
        {"category": "SPOT", "symbol": "BTCUSDT", "orderId": "0"},
        {"category": "SPOT", "symbol": "ETHUSDT", "orderId": "9"},
    ]


def test_an_order_with_both_identifiers_is_sent_with_its_order_id_alone() -> None:
    """A clientOid next to an orderId is not sent."""
    (batch,) = as_json(plan([OrderRef(order_id="1", client_oid="label", symbol="BTCUSDT")]))
    assert batch == [{"category": "SPOT", "symbol": "BTCUSDT", "orderId": "1"}]


def test_the_two_kinds_of_identifier_never_share_a_batch() -> None:
    """Orders by orderId and by clientOid travel in separate batches."""
    orders = [*orders_with(2), OrderRef(client_oid="a", symbol="BTCUSDT")]
    assert [len(batch) for batch in plan(orders)] == [2, 1]


def test_default_symbol() -> None:
    """`symbol=` is the trading pair of the orders that have none."""
    (batch,) = plan([OrderRef(order_id="1")], symbol="BTCUSDT")
    assert batch[0].symbol == "BTCUSDT"


def test_orders_without_a_symbol() -> None:
    """All orders without a trading pair are named in one exception, each with its place."""
    orders = [OrderRef(order_id="1"), *orders_with(1), OrderRef(client_oid="a"), OrderRef(order_id="1")]
    with pytest.raises(InvalidBatchError) as caught:
        plan(orders)
    assert [violation.place for violation in caught.value.violations] == ["orders[0].symbol", "orders[2].symbol"]
    assert "a unified account needs the symbol of each order; give it" in str(caught.value)


@pytest.mark.parametrize("size", [0, -1, MAX_ORDERS + 1, 50])
def test_invalid_batch_size(size: int) -> None:
    """A batch size above the maximum of a unified account is a ValueError if the type is stated."""
    with pytest.raises(ValueError, match=rf"batch_size: {size} is not valid.* 1 to {MAX_ORDERS}"):
        plan([], batch_size=size)


@pytest.mark.parametrize("category", ["USDT-FUTURES", "usdt-futures", " Usdt-Futures "])
def test_a_category_other_than_spot_needs_a_unified_account(category: str) -> None:
    """Without `account_type`, another category than SPOT is planned for a unified account, and written as it should."""
    (batch,) = cancel_orders.plan(orders=orders_with(1), category=category)
    assert isinstance(batch, list)
    assert [order.category for order in batch] == ["USDT-FUTURES"]


def test_a_category_that_a_classic_account_does_not_have() -> None:
    """A category other than SPOT is a ValueError for a classic account; the message says what to use."""
    with pytest.raises(ValueError, match=r"category: MARGIN needs a unified account, and .* is classic; use SPOT"):
        cancel_orders.plan(orders=orders_with(1), account_type="classic", category="MARGIN")


@pytest.mark.parametrize("category", ["", "OPTIONS", "spot-", None, 5])
def test_an_invalid_category(category: Any) -> None:
    """A category that the exchange does not have is a ValueError with those that it has."""
    with pytest.raises(ValueError, match=r"category: .* is not a category; use one of COIN-FUTURES, .*USDT-FUTURES"):
        plan(orders_with(1), category=category)


@settings(max_examples=50, deadline=None)
@given(
    numbers=st.lists(st.tuples(st.integers(1, 60), st.booleans(), st.booleans()), max_size=100),
    size=st.integers(1, MAX_ORDERS),
)
def test_any_orders_are_planned_in_the_fewest_valid_batches(numbers: list[tuple[int, bool, bool]], size: int) -> None:
    """Every batch is valid, every distinct order is in exactly one of them, and there are as few as possible."""
    orders = []
    for number, has_order_id, has_label in numbers:
        symbol = ("BTCUSDT", "ETHUSDT")[number % 2]
        if has_order_id:
            label = {"client_oid": "label"} if has_label else {}
            orders.append(OrderRef(order_id=str(number), symbol=symbol, **label))
        else:
            orders.append(OrderRef(client_oid=str(number), symbol=symbol))
    batches = plan(orders, batch_size=size)
    for batch in as_json(batches):
        assert validate_unified_batch(batch) == ()
    planned = [(bool(order.order_id), order.order_id or order.client_oid) for batch in batches for order in batch]
    distinct = {(has_order_id, str(number)) for number, has_order_id, _ in numbers}
    assert len(planned) == len(distinct)
    assert set(planned) == distinct
    by_order_id = sum(has_order_id for has_order_id, _ in distinct)
    assert len(batches) == -(-by_order_id // size) + -(-(len(distinct) - by_order_id) // size)


def target(order_id: str | None = None, client_oid: str | None = None) -> OrderTarget:
    """Return an order to cancel, with these ids."""
    return OrderTarget(OrderRef(order_id="as given"), order_id, client_oid, "BTCUSDT")


def sent_once(*, maybe_executed: bool = False) -> RequestContext:
    """Return the context of a request that has been sent once."""
    return RequestContext(attempt=Attempt(reached_transport=True), maybe_executed=maybe_executed)


def match(data: Any, *targets: OrderTarget) -> MatchedBatch:
    """Match the response to a batch with this `data`."""
    response = UnifiedCancelResponse.from_dict({"code": "00000", "msg": "success", "requestTime": 1, "data": data})
    return match_rows(targets, UNIFIED.cancel_rows(response), sent_once())


def outcome_of(row: dict[str, Any]) -> Outcome:
    """Return the outcome of order 1 after a response with this row and no other."""
    (outcome,) = match([{"orderId": "1", "clientOid": "", **row}], target("1")).outcomes
    return outcome


@pytest.mark.parametrize("row", [{}, {"code": None}, {"code": "0"}, {"code": "00000", "msg": "success"}, {"code": 0}])
def test_every_spelling_of_a_success(row: dict[str, Any]) -> None:
    """A row without a code, or with one of the codes of a success, is accepted."""
    outcome = outcome_of(row)
    assert (outcome.status, outcome.code, outcome.error) == (Status.ACCEPTED, None, None)


@pytest.mark.parametrize("code", ERROR_CODES[VERSION]["in-progress"])
def test_a_cancel_in_progress_is_accepted(code: str) -> None:
    """The exchange has the cancel of an earlier request, so the order is accepted."""
    outcome = outcome_of({"code": code, "msg": "in progress"})
    assert (outcome.status, outcome.code, outcome.error) == (Status.ACCEPTED, None, None)


@pytest.mark.parametrize("code", ERROR_CODES[VERSION]["gone"])
def test_every_code_that_means_gone(code: str) -> None:
    """Each code that the document lists as gone makes the order gone, in a row or for the whole batch."""
    outcome = outcome_of({"code": code, "msg": "no such order"})
    assert (outcome.status, outcome.code, outcome.message) == (Status.GONE, code, "no such order")
    assert isinstance(outcome.error, OrderNotFoundError)
    (of_batch,) = match_error([target("1")], error_class(code, VERSION)(code), sent_once()).outcomes
    assert (of_batch.status, of_batch.code) == (Status.GONE, code)


@pytest.mark.parametrize("code", ["25114", "25101", "43001", "99999", "1", "-0"])
def test_every_other_failure_is_rejected(code: str) -> None:
    """A row with any other code is rejected; the codes of classic accounts mean nothing here."""
    outcome = outcome_of({"code": code, "msg": "no"})
    assert (outcome.status, outcome.code, outcome.message) == (Status.REJECTED, code, "no")
    assert isinstance(outcome.error, ApiError)


@pytest.mark.parametrize("code", [*ERROR_CODES[VERSION]["system-busy"], *ERROR_CODES[VERSION]["rate-limit"]])
def test_a_row_that_the_exchange_was_too_busy_for(code: str) -> None:
    """An order that the exchange was too busy for is unknown, never rejected."""
    assert outcome_of({"code": code, "msg": "busy"}).status is Status.UNKNOWN


def test_rows_of_every_kind() -> None:
    """Rows are matched by id at any position; an order without a row is unknown, and foreign rows are kept."""
    rows = [
        {"orderId": "3", "code": "25204", "msg": "gone"},
        {"orderId": "999", "clientOid": "x"},
        {"orderId": 1, "code": "0"},
        None,
        "text",
    ]
    matched = match(rows, target("1"), target("2"), target("3"))
    assert [outcome.status for outcome in matched.outcomes] == [Status.ACCEPTED, Status.UNKNOWN, Status.GONE]
    assert [row.get("orderId", row.get("row")) for row in matched.unmatched] == ["999", None, "text"]


def test_orders_by_client_oid() -> None:
    """Orders by clientOid are matched by it, whether the row has an orderId or not."""
    rows = [{"orderId": "901", "clientOid": "a"}, {"orderId": "", "clientOid": "b", "code": "25204"}]
    matched = match(rows, target(client_oid="a"), target(client_oid="b"))
    assert [outcome.status for outcome in matched.outcomes] == [Status.ACCEPTED, Status.GONE]


def test_a_failure_wins_over_a_success() -> None:
    """If an order has a row of each kind, the failure counts, whichever comes first."""
    rows = [{"orderId": "1"}, {"orderId": "1", "code": "25114"}, {"orderId": "2", "code": "25114"}, {"orderId": "2"}]
    matched = match(rows, target("1"), target("2"))
    assert [outcome.status for outcome in matched.outcomes] == [Status.REJECTED] * 2


def test_the_rows_of_a_cancel_of_a_category() -> None:
    """The rows of a cancel of all orders are in a list of their own."""
    data = {"list": [{"orderId": "1", "code": "0"}, {"orderId": "2", "code": "25204", "msg": "gone"}]}
    response = UnifiedCancelListResponse.from_dict({"code": "00000", "msg": "success", "requestTime": 1, "data": data})
    rows = list(UNIFIED.cancel_rows(response))
    assert [(row.order_id, row.error and row.error.code) for row in rows] == [("1", None), ("2", "25204")]


@pytest.mark.parametrize("response", [None, "text", [], UnifiedCancelResponse(), UnifiedCancelListResponse()])
def test_a_result_without_rows(response: object) -> None:
    """Whatever else the generated function returns has no rows, and the orders are unknown."""
    assert list(UNIFIED.cancel_rows(response)) == []


@pytest.mark.parametrize("code", ERROR_CODES["v2"]["gone-or-other-kind"])
def test_an_order_of_another_kind_on_a_classic_account(code: str) -> None:
    """The code means that the order is not found or of another kind: it is gone, and the message says what to use."""
    (outcome,) = match_error([target("1")], error_class(code, "v2")(code, "not found"), sent_once()).outcomes
    assert (outcome.status, outcome.code) == (Status.GONE, code)
    assert outcome.message == f"not found ({OTHER_KIND})"
    assert "cancel_open_orders" in OTHER_KIND
    (without_message,) = match_error([target("1")], error_class(code, "v2")(code), sent_once()).outcomes
    assert without_message.message == f"no message ({OTHER_KIND})"
