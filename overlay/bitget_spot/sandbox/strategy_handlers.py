"""The operations on the strategy (TP/SL) orders of unified accounts, which exist in futures categories only."""

from typing import TYPE_CHECKING, Any

from bitget_spot.sandbox.accounts import Account
from bitget_spot.sandbox.envelope import MISSING, RefusedError
from bitget_spot.sandbox.listings import NO_MAXIMUM, Selection, page, page_limit
from bitget_spot.sandbox.order_book import Order
from bitget_spot.sandbox.order_items import find_order, read_item, refuse_symbols
from bitget_spot.sandbox.parameters import body_object, number, one_of
from bitget_spot.sandbox.request import PendingRequest
from bitget_spot.sandbox.unified_cancels import cancellable
from bitget_spot.sandbox.unified_listings import before_cursor, cursor_after
from bitget_spot_api.models.futures_category import FUTURES_CATEGORY_VALUES
from bitget_spot_api.models.strategy_type import STRATEGY_TYPE_VALUES

if TYPE_CHECKING:
    from bitget_spot.sandbox.exchange import Exchange


def unfilled_strategy_orders(exchange: "Exchange", account: Account, request: PendingRequest) -> list[dict[str, str]]:
    """Return all open strategy orders of a category, newest first."""
    selection = Selection(kind="tpsl", is_open=True, category=_category(request))
    orders = filter(selection.includes, exchange.book.newest_first(account.api_key))
    return [strategy_order_row(order) for order in orders]


def history_strategy_orders(exchange: "Exchange", account: Account, request: PendingRequest) -> dict[str, Any]:
    """Return a page of finished strategy orders of a category, newest first; the last page has no cursor."""
    selection = Selection(
        kind="tpsl",
        is_open=False,
        before=before_cursor(request),
        since=number(request.query, "startTime", 0),
        until=number(request.query, "endTime", NO_MAXIMUM),
        category=_category(request),
    )
    orders, has_more = page(exchange, account, selection, page_limit(request))
    rows = [strategy_order_row(order) for order in orders]
    return {"list": rows, "cursor": cursor_after(orders[-1])} if has_more else {"list": rows}


def cancel_strategy_order(exchange: "Exchange", account: Account, request: PendingRequest) -> None:
    """
    Receive the cancel of one strategy order.

    Raises:
        RefusedError: No identifier is given, or there is no such open order, or it is already being cancelled.

    """
    item = read_item(body_object(request), None)
    refuse_symbols(exchange, account, [item])
    order = find_order(exchange, account, item)
    if order is not None and order.kind != "tpsl":
        order = None
    exchange.book.cancel(cancellable(exchange, order).order_id, exchange.cancel_delay)


def strategy_order_row(order: Order) -> dict[str, str]:
    """Return a strategy order as the exchange shows it: it closes a position, and has no status of its own."""
    row = {
        "orderId": order.order_id,
        "clientOid": order.client_oid,
        "category": order.category,
        "symbol": order.symbol,
        "qty": order.size,
        "posSide": "long" if order.side == "sell" else "short",
        "tpTriggerBy": "market",
        "slTriggerBy": "market",
        "takeProfit": order.price,
        "stopLoss": f"{float(order.price) * 0.9:.8f}",
        "tpOrderType": "limit",
        "slOrderType": "limit",
        "tpLimitPrice": order.price,
        "slLimitPrice": f"{float(order.price) * 0.9:.8f}",
        "createdTime": str(order.c_time),
        "updatedTime": str(order.u_time),
    }
    return {**row, "triggerType": "takeProfit"} if order.status == "triggered" else row


def _category(request: PendingRequest) -> str:
    """
    Return the category of a query, after checking the type of the orders.

    Raises:
        RefusedError: The category is missing or not a futures category, or there is no such type.

    """
    category = request.query.get("category")
    if not category:
        raise RefusedError(MISSING)
    one_of(STRATEGY_TYPE_VALUES, request.query.get("type", "tpsl"))
    return one_of(FUTURES_CATEGORY_VALUES, category.upper())
