"""
The operations of the exchange: what each does with an authenticated request, and the `data` it returns.

This module has those on the normal and TP/SL orders of classic accounts, and the table of all handlers. An operation
without an entry in `HANDLERS` gets the one in `default_handler.py`.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from bitget_spot.sandbox import plan_handlers, strategy_handlers, unified_cancels, unified_listings
from bitget_spot.sandbox.accounts import Account
from bitget_spot.sandbox.envelope import (
    INVALID,
    MALFORMED,
    MISSING,
    NO_ORDERS,
    ORDER_GONE,
    OTHER_KIND,
    TOO_MANY_ORDERS,
    UNKNOWN_SYMBOL,
    RefusedError,
    message,
    refuse,
)
from bitget_spot.sandbox.listings import classic_selection, known_symbol, page, page_limit
from bitget_spot.sandbox.order_book import Order, OrderKind
from bitget_spot.sandbox.order_items import OrderItem, find_order, read_item, refuse_symbol, refuse_symbols
from bitget_spot.sandbox.parameters import body_object, one_of, optional_text, required_text
from bitget_spot.sandbox.request import PendingRequest
from bitget_spot_api import operations
from bitget_spot_api.models.batch_mode import BATCH_MODE_VALUES
from bitget_spot_api.models.tpsl_type import TPSL_TYPE_VALUES
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, Operation

if TYPE_CHECKING:
    from bitget_spot.sandbox.exchange import Exchange

Handler = Callable[["Exchange", Account, PendingRequest], object]

EMPTY_FIELDS: Final = (
    "cancelReason",
    "feeDetail",
    "presetTakeProfitPrice",
    "executeTakeProfitPrice",
    "presetStopLossPrice",
    "executeStopLossPrice",
)
"""The fields that are empty for an order without fees, reasons and presets."""


def batch_cancel(exchange: "Exchange", account: Account, request: PendingRequest) -> dict[str, Any]:
    """
    Receive the cancel of each normal order that is open, whatever becomes of the others.

    Raises:
        RefusedError: The body does not have the operation's shape, or no order is open.

    """
    items = _order_items(request.document)
    refuse_symbols(exchange, account, items)
    has_order_ids = any(item.order_id for item in items)
    accepted: dict[str, dict[str, str]] = {}
    failed = []
    for item in items:
        try:
            # A batch of mixed identifiers fails the orders that carry only a clientOid.
            refuse(request.row_code or (INVALID if has_order_ids and item.order_id is None else None))
            order = _open_order(exchange, account, item, "normal")
            refuse(ORDER_GONE if order.order_id in accepted else None)
            accepted[order.order_id] = _receive_cancel(exchange, order)
        except RefusedError as refused:
            failed.append(_failed_row(item, refused.code, request.headers))
    if not accepted and exchange.all_gone_as_refusal:
        _refuse_if_all_gone(failed)
    return {"successList": list(accepted.values()), "failureList": failed}


def cancel_order(exchange: "Exchange", account: Account, request: PendingRequest) -> dict[str, str]:
    """
    Receive the cancel of one normal or TP/SL order.

    Raises:
        RefusedError: The body does not have the operation's shape, or there is no such open order.

    """
    body = body_object(request)
    kind = _kind(optional_text(body, "tpslType"))
    required_text(body, "orderId" if kind == "tpsl" else "symbol")
    item = read_item(body, optional_text(body, "symbol"))
    refuse_symbols(exchange, account, [item])
    return _receive_cancel(exchange, _open_order(exchange, account, item, kind))


def cancel_symbol_orders(exchange: "Exchange", account: Account, request: PendingRequest) -> dict[str, str]:
    """
    Receive the cancel of every normal order of a trading pair that is open now.

    Raises:
        RefusedError: The trading pair is missing, unknown or refused.

    """
    symbol = required_text(body_object(request), "symbol")
    known_symbol(exchange, symbol, UNKNOWN_SYMBOL)
    refuse_symbol(exchange, symbol)
    for order in exchange.book.newest_first(account.api_key):
        if order.is_open and order.kind == "normal" and order.symbol == symbol:
            exchange.book.cancel(order.order_id, exchange.cancel_delay)
    return {"symbol": symbol}


def order_info(exchange: "Exchange", account: Account, request: PendingRequest) -> list[dict[str, str]]:
    """
    Look up one normal order, by orderId or else by clientOid; an empty list if there is none.

    Raises:
        RefusedError: Neither is given.

    """
    item = read_item(request.query, None)
    order = find_order(exchange, account, item)
    return [] if order is None or order.kind != "normal" else [order_row(order)]


def unfilled_orders(exchange: "Exchange", account: Account, request: PendingRequest) -> list[dict[str, str]]:
    """Return a page of open orders, newest first."""
    return _page(exchange, account, request, is_open=True)


def history_orders(exchange: "Exchange", account: Account, request: PendingRequest) -> list[dict[str, str]]:
    """Return a page of finished orders, newest first."""
    return _page(exchange, account, request, is_open=False)


def public_time(exchange: "Exchange", _account: Account, _request: PendingRequest) -> dict[str, str]:
    """Return the exchange's clock, as text."""
    return {"serverTime": str(exchange.server_time())}


def order_row(order: Order) -> dict[str, str]:
    """Return an order as the exchange shows it: text only, with the fields of all its listings."""
    filled = float(order.base_volume)
    return {
        "userId": order.api_key,
        "symbol": order.symbol,
        "orderId": order.order_id,
        "clientOid": order.client_oid,
        "price": order.price,
        "size": order.size,
        "orderType": "limit",
        "side": order.side,
        "status": order.status,
        "priceAvg": order.price,
        "basePrice": order.price if filled else "0",
        "baseVolume": order.base_volume,
        "quoteVolume": f"{float(order.price) * filled:.8f}" if filled else "0",
        **dict.fromkeys(EMPTY_FIELDS, ""),
        "triggerPrice": order.price if order.kind == "tpsl" else "",
        "orderSource": "normal",
        "enterPointSource": "API",
        "tpslType": order.kind,
        "cTime": str(order.c_time),
        "uTime": str(order.u_time),
    }


def _page(exchange: "Exchange", account: Account, request: PendingRequest, *, is_open: bool) -> list[dict[str, str]]:
    limit = page_limit(request)
    kind = _kind(request.query.get("tpslType"))
    selection = classic_selection(exchange, request, kind=kind, is_open=is_open)
    selection = evolve(selection, order_id=request.query.get("orderId"))
    orders, _ = page(exchange, account, selection, limit)
    return [order_row(order) for order in orders]


def _kind(tpsl_type: str | None) -> OrderKind:
    """
    Return the kind of orders that a request is about.

    Raises:
        RefusedError: There is no such kind.

    """
    if tpsl_type is None:
        return "normal"
    return "tpsl" if one_of(TPSL_TYPE_VALUES, tpsl_type) == "tpsl" else "normal"


def _open_order(exchange: "Exchange", account: Account, item: OrderItem, kind: OrderKind) -> Order:
    """
    Return the open order of a kind that an item names.

    Raises:
        RefusedError: There is none.

    """
    order = find_order(exchange, account, item)
    if order is not None and order.kind != kind:
        raise RefusedError(OTHER_KIND)
    if order is None or not order.is_open or not item.includes(order):
        raise RefusedError(ORDER_GONE)
    return order


def _receive_cancel(exchange: "Exchange", order: Order) -> dict[str, str]:
    exchange.book.cancel(order.order_id, exchange.cancel_delay)
    return {"orderId": order.order_id, "clientOid": order.client_oid}


def _refuse_if_all_gone(failed: list[dict[str, str]]) -> None:
    codes = {row["errorCode"] for row in failed}
    if codes in ({ORDER_GONE}, {OTHER_KIND}):
        raise RefusedError(codes.pop())


def _failed_row(item: OrderItem, code: str, headers: Mapping[str, str]) -> dict[str, str]:
    return {
        "orderId": item.order_id or "",
        "clientOid": item.client_oid or "",
        "errorMsg": message(code, headers),
        "errorCode": code,
    }


def _order_items(document: object) -> list[OrderItem]:
    """
    Return the items of a batch, each with the symbol that applies to it.

    Raises:
        RefusedError: The body does not have the operation's shape.

    """
    if not isinstance(document, dict):
        raise RefusedError(MALFORMED)
    mode = document.get("batchMode")
    if mode is not None and mode not in tuple(BATCH_MODE_VALUES):  # a set would not accept every JSON value
        raise RefusedError(INVALID)
    symbol = optional_text(document, "symbol")
    orders = document.get("orderList")
    if orders is None or orders == []:
        raise RefusedError(NO_ORDERS)
    if not isinstance(orders, list) or not all(isinstance(item, dict) for item in orders):
        raise RefusedError(MALFORMED)
    if len(orders) > BATCH_CANCEL_ORDERS.max_items["orderList"]:
        raise RefusedError(TOO_MANY_ORDERS)
    return [_order_item(item, mode, symbol) for item in orders]


def _order_item(fields: dict[str, Any], mode: str | None, symbol: str | None) -> OrderItem:
    own_symbol = optional_text(fields, "symbol")
    item = read_item(fields, own_symbol if mode == "multiple" else symbol)
    if mode == "multiple" and own_symbol is None:
        raise RefusedError(MISSING)
    return item


_HANDLERS: Final[tuple[tuple[Operation, Handler], ...]] = (
    (operations.GET_SERVER_TIME, public_time),
    (operations.BATCH_CANCEL_ORDERS, batch_cancel),
    (operations.CANCEL_ORDER, cancel_order),
    (operations.CANCEL_SYMBOL_ORDERS, cancel_symbol_orders),
    (operations.GET_ORDER_INFO, order_info),
    (operations.GET_UNFILLED_ORDERS, unfilled_orders),
    (operations.GET_HISTORY_ORDERS, history_orders),
    (operations.GET_CURRENT_PLAN_ORDERS, plan_handlers.current_plan_orders),
    (operations.GET_HISTORY_PLAN_ORDERS, plan_handlers.history_plan_orders),
    (operations.CANCEL_PLAN_ORDER, plan_handlers.cancel_plan_order),
    (operations.BATCH_CANCEL_PLAN_ORDERS, plan_handlers.batch_cancel_plan_orders),
    (operations.BATCH_CANCEL_UNIFIED_ORDERS, unified_cancels.cancel_batch),
    (operations.CANCEL_UNIFIED_SYMBOL_ORDERS, unified_cancels.cancel_symbol_orders),
    (operations.GET_UNIFIED_ORDER_INFO, unified_listings.order_info),
    (operations.GET_UNIFIED_UNFILLED_ORDERS, unified_listings.unfilled_orders),
    (operations.GET_UNIFIED_HISTORY_ORDERS, unified_listings.history_orders),
    (operations.GET_UNIFIED_UNFILLED_STRATEGY_ORDERS, strategy_handlers.unfilled_strategy_orders),
    (operations.CANCEL_UNIFIED_STRATEGY_ORDER, strategy_handlers.cancel_strategy_order),
    (operations.GET_UNIFIED_HISTORY_STRATEGY_ORDERS, strategy_handlers.history_strategy_orders),
)
HANDLERS: Final[Mapping[tuple[str, str], Handler]] = MappingProxyType(
    {(operation.method, operation.path): handler for operation, handler in _HANDLERS}
)
"""The handlers of the operations that the sandbox emulates, by method and path."""
