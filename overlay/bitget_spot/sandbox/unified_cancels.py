"""The operations that cancel the normal orders of unified accounts."""

from typing import TYPE_CHECKING, Any, Final

from bitget_spot.sandbox.accounts import Account
from bitget_spot.sandbox.envelope import (
    CANCEL_IN_PROGRESS,
    INVALID,
    INVALID_UNIFIED,
    MALFORMED,
    NO_ORDERS,
    UNIFIED_ORDER_GONE,
    UNKNOWN_UNIFIED_SYMBOL,
    RefusedError,
    message,
    refuse,
)
from bitget_spot.sandbox.listings import Selection, known_symbol
from bitget_spot.sandbox.order_book import ID_STEP, Order
from bitget_spot.sandbox.order_items import OrderItem, find_order, read_item, refuse_symbol, refuse_symbols
from bitget_spot.sandbox.parameters import body_object, one_of, optional_text, required_text
from bitget_spot.sandbox.request import PendingRequest
from bitget_spot_api.models.category import CATEGORY_VALUES
from bitget_spot_api.operations import SUCCESS_CODE

if TYPE_CHECKING:
    from bitget_spot.sandbox.exchange import Exchange

Row = dict[str, str]

SUCCESS_FIELDS: Final[tuple[Row, ...]] = ({}, {"code": "0", "msg": ""}, {"code": SUCCESS_CODE, "msg": "success"})
"""What a row says if the cancel was received. The orders take turns, because the exchange has been seen to do each."""


def cancel_batch(exchange: "Exchange", account: Account, request: PendingRequest) -> list[Row]:
    """
    Receive the cancel of each normal order that is open, whatever becomes of the others.

    Raises:
        RefusedError: The body does not have the operation's shape.

    """
    items = _order_items(request)
    refuse_symbols(exchange, account, items)
    has_order_ids = any(item.order_id for item in items)
    rows = []
    for item in items:
        order = find_order(exchange, account, item)
        if order is not None and (order.kind != "normal" or not item.includes(order)):
            order = None
        # As on classic accounts, a batch of mixed identifiers fails the orders that carry only a clientOid.
        code = INVALID if has_order_ids and item.order_id is None else None
        rows.append(_cancel(exchange, request, item, order, code))
    return rows


def cancel_symbol_orders(exchange: "Exchange", account: Account, request: PendingRequest) -> dict[str, list[Row]]:
    """
    Receive the cancel of every normal order of a category, or of one of its trading pairs, that is open now.

    Raises:
        RefusedError: The category or the trading pair is not valid, or the pair is refused.

    """
    body = body_object(request)
    category = one_of(CATEGORY_VALUES, required_text(body, "category").upper())
    symbol = known_symbol(exchange, optional_text(body, "symbol"), UNKNOWN_UNIFIED_SYMBOL)
    refuse_symbol(exchange, symbol)
    selection = Selection(kind="normal", is_open=True, symbol=symbol, category=category)
    rows = []
    for order in filter(selection.includes, exchange.book.newest_first(account.api_key)):
        item = OrderItem(order.symbol, order.order_id, order.client_oid)
        rows.append(_cancel(exchange, request, item, order, exchange.refused_symbols.get(order.symbol)))
    return {"list": rows}


def cancellable(exchange: "Exchange", order: Order | None) -> Order:
    """
    Return an order of a unified account that can be cancelled.

    Raises:
        RefusedError: It is not open, or already being cancelled.

    """
    if order is None or not order.is_open:
        raise RefusedError(UNIFIED_ORDER_GONE)
    if exchange.book.is_being_cancelled(order.order_id):
        raise RefusedError(CANCEL_IN_PROGRESS)
    return order


def _cancel(
    exchange: "Exchange", request: PendingRequest, item: OrderItem, order: Order | None, code: str | None
) -> Row:
    """Receive the cancel of an order, unless there is a code that refuses it; return its row."""
    try:
        refuse(request.row_code or code)
        order = cancellable(exchange, order)
    except RefusedError as refused:
        return {
            "orderId": item.order_id or "",
            "clientOid": item.client_oid or "",
            "code": refused.code,
            "msg": message(refused.code, request.headers),
        }
    exchange.book.cancel(order.order_id, exchange.cancel_delay)
    turn = int(order.order_id) // ID_STEP % len(SUCCESS_FIELDS)
    return {"orderId": order.order_id, "clientOid": order.client_oid, **SUCCESS_FIELDS[turn]}


def _order_items(request: PendingRequest) -> list[OrderItem]:
    """
    Return the items of a batch.

    Raises:
        RefusedError: The body does not have the operation's shape.

    """
    orders = request.document
    if not isinstance(orders, list) or not all(isinstance(item, dict) for item in orders):
        raise RefusedError(MALFORMED)
    if not orders:
        raise RefusedError(NO_ORDERS)
    if len(orders) > request.operation.max_items["body"]:
        raise RefusedError(INVALID_UNIFIED)
    items = [_order_item(item) for item in orders]
    if len({item.category for item in items}) > 1:
        raise RefusedError(INVALID_UNIFIED)
    return items


def _order_item(fields: dict[str, Any]) -> OrderItem:
    category = one_of(CATEGORY_VALUES, required_text(fields, "category").upper())
    return read_item(fields, required_text(fields, "symbol"), category)
