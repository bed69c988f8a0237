"""The operations on the trigger (plan) orders of classic accounts."""

from typing import TYPE_CHECKING, Any, Final

from bitget_spot.sandbox.accounts import Account
from bitget_spot.sandbox.envelope import MALFORMED, ORDER_GONE, UNKNOWN_SYMBOL, RefusedError, message
from bitget_spot.sandbox.listings import classic_selection, known_symbol, page, page_limit
from bitget_spot.sandbox.order_book import Order
from bitget_spot.sandbox.order_items import find_order, read_item, refuse_symbols
from bitget_spot.sandbox.parameters import body_object
from bitget_spot.sandbox.request import PendingRequest

if TYPE_CHECKING:
    from bitget_spot.sandbox.exchange import Exchange

CURRENT_PAGE: Final = 20
"""How many open orders a page has if the request does not say; finished ones have the maximum."""


def current_plan_orders(exchange: "Exchange", account: Account, request: PendingRequest) -> dict[str, Any]:
    """Return a page of open trigger orders, newest first."""
    return _page(exchange, account, request, page_limit(request, CURRENT_PAGE), is_open=True)


def history_plan_orders(exchange: "Exchange", account: Account, request: PendingRequest) -> dict[str, Any]:
    """Return a page of finished trigger orders, newest first."""
    return _page(exchange, account, request, page_limit(request), is_open=False)


def cancel_plan_order(exchange: "Exchange", account: Account, request: PendingRequest) -> dict[str, str]:
    """
    Receive the cancel of one trigger order; the result is a failure if it is finished.

    Raises:
        RefusedError: No identifier is given, or there is no such trigger order.

    """
    item = read_item(body_object(request), None)
    refuse_symbols(exchange, account, [item])
    order = find_order(exchange, account, item)
    if order is None or order.kind != "plan":
        raise RefusedError(ORDER_GONE)
    if not order.is_open:
        return {"result": "failure"}
    exchange.book.cancel(order.order_id, exchange.cancel_delay)
    return {"result": "success"}


def batch_cancel_plan_orders(exchange: "Exchange", account: Account, request: PendingRequest) -> dict[str, Any]:
    """
    Receive the cancel of every open trigger order of some trading pairs; without a list, of all pairs.

    Raises:
        RefusedError: The list is not one of trading pairs.

    """
    symbols = _symbols(exchange, request)
    accepted = []
    failed = []
    for order in exchange.book.newest_first(account.api_key):
        if order.kind != "plan" or not order.is_open or (symbols and order.symbol not in symbols):
            continue
        row = {"orderId": order.order_id, "clientOid": order.client_oid}
        code = request.row_code or exchange.refused_symbols.get(order.symbol)
        if code is None:
            accepted.append(row)
            exchange.book.cancel(order.order_id, exchange.cancel_delay)
        else:
            failed.append({**row, "errorMsg": message(code, request.headers), "errorCode": code})
    return {"successList": accepted, "failureList": failed}


def plan_order_row(order: Order) -> dict[str, str]:
    """Return a trigger order as the exchange shows it."""
    return {
        "orderId": order.order_id,
        "clientOid": order.client_oid,
        "symbol": order.symbol,
        "size": order.size,
        "executePrice": order.price,
        "triggerPrice": order.price,
        "status": order.status,
        "orderType": "limit",
        "side": order.side,
        "planType": "amount",
        "triggerType": "fill_price",
        "enterPointSource": "API",
        "uTime": str(order.u_time),
        "cTime": str(order.c_time),
    }


def _page(
    exchange: "Exchange", account: Account, request: PendingRequest, limit: int, *, is_open: bool
) -> dict[str, Any]:
    selection = classic_selection(exchange, request, kind="plan", is_open=is_open)
    orders, has_more = page(exchange, account, selection, limit)
    return {
        "nextFlag": has_more,
        "idLessThan": orders[-1].order_id if orders else "",
        "orderList": [plan_order_row(order) for order in orders],
    }


def _symbols(exchange: "Exchange", request: PendingRequest) -> list[str]:
    """
    Return the trading pairs in the body; an empty list for all.

    Raises:
        RefusedError: One of them is not a text, or not known.

    """
    symbols = body_object(request).get("symbolList")
    if symbols is None:
        return []
    if not isinstance(symbols, list) or not symbols or not all(isinstance(symbol, str) for symbol in symbols):
        raise RefusedError(MALFORMED)
    for symbol in symbols:
        known_symbol(exchange, symbol, UNKNOWN_SYMBOL)
    return symbols
