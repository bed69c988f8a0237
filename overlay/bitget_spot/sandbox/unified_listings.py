"""The operations that list and look up the normal orders of unified accounts."""

from typing import TYPE_CHECKING, Any, Final

from bitget_spot.sandbox.accounts import Account
from bitget_spot.sandbox.envelope import (
    INVALID_UNIFIED,
    MALFORMED,
    MISSING,
    UNIFIED_ORDER_GONE,
    UNKNOWN_UNIFIED_SYMBOL,
    RefusedError,
)
from bitget_spot.sandbox.listings import NO_MAXIMUM, Selection, known_symbol, page, page_limit
from bitget_spot.sandbox.order_book import Order
from bitget_spot.sandbox.order_items import find_order, read_item
from bitget_spot.sandbox.parameters import number, one_of
from bitget_spot.sandbox.request import PendingRequest
from bitget_spot_api.models.category import CATEGORY_VALUES
from bitget_spot_api.models.futures_category import FUTURES_CATEGORY_VALUES

if TYPE_CHECKING:
    from bitget_spot.sandbox.exchange import Exchange

DAY: Final = 24 * 60 * 60 * 1000
"""In milliseconds."""
MAX_QUERY_TIME: Final = 30 * DAY
"""The longest time that one query of the finished orders may cover, and what it covers if it does not say."""
MAX_AGE: Final = 90 * DAY
"""How long the finished orders are kept."""
_CURSOR_MASK: Final = 0x5DEECE66D_1B5E2
"""Makes a cursor that is not an order id: clients must not read it."""


def unfilled_orders(exchange: "Exchange", account: Account, request: PendingRequest) -> dict[str, Any]:
    """Return a page of open orders, newest first, of one category or of all."""
    category = request.query.get("category")
    selection = Selection(
        kind="normal",
        is_open=True,
        before=before_cursor(request),
        since=number(request.query, "startTime", 0),
        until=number(request.query, "endTime", NO_MAXIMUM),
        symbol=known_symbol(exchange, request.query.get("symbol"), UNKNOWN_UNIFIED_SYMBOL),
        category=None if category is None else one_of(CATEGORY_VALUES, category.upper()),
    )
    return _page(exchange, account, request, selection)


def history_orders(exchange: "Exchange", account: Account, request: PendingRequest) -> dict[str, Any]:
    """
    Return a page of finished orders, newest first, of one category and at most 30 days.

    Raises:
        RefusedError: A parameter is not valid, or the time is too long.

    """
    since, until = _query_time(exchange, request)
    category = request.query.get("category")
    if not category:
        raise RefusedError(MISSING)
    selection = Selection(
        kind="normal",
        is_open=False,
        before=before_cursor(request),
        since=since,
        until=until,
        symbol=known_symbol(exchange, request.query.get("symbol"), UNKNOWN_UNIFIED_SYMBOL),
        category=one_of(CATEGORY_VALUES, category.upper()),
    )
    return _page(exchange, account, request, selection)


def order_info(exchange: "Exchange", account: Account, request: PendingRequest) -> dict[str, Any]:
    """
    Look up one order, by orderId or else by clientOid.

    Raises:
        RefusedError: Neither is given, or there is no such order.

    """
    order = find_order(exchange, account, read_item(request.query, None))
    if order is None or order.kind != "normal":
        raise RefusedError(UNIFIED_ORDER_GONE)
    return unified_order_row(order)


def unified_order_row(order: Order) -> dict[str, Any]:
    """Return an order as the exchange shows it."""
    filled = float(order.base_volume)
    is_futures = order.category in FUTURES_CATEGORY_VALUES
    return {
        "orderId": order.order_id,
        "clientOid": order.client_oid,
        "category": order.category,
        "symbol": order.symbol,
        "orderType": "limit",
        "side": order.side,
        "price": order.price,
        "qty": order.size,
        "amount": "0",
        "cumExecQty": order.base_volume,
        "cumExecValue": f"{float(order.price) * filled:.8f}" if filled else "0",
        "avgPrice": order.price if filled else "0",
        "timeInForce": "gtc",
        "orderStatus": order.status,
        "posSide": ("long" if order.side == "buy" else "short") if is_futures else "",
        "holdMode": "hedge_mode" if is_futures else "",
        "tradeSide": "open" if is_futures else "",
        "stpMode": "none",
        "reduceOnly": "NO",
        "feeDetail": [{"feeCoin": None, "fee": None}],
        "cancelReason": "normal_cancel" if order.status == "cancelled" else "",
        "execType": "normal",
        "createdTime": str(order.c_time),
        "updatedTime": str(order.u_time),
    }


def before_cursor(request: PendingRequest) -> int:
    """
    Return the order id that the page of a cursor begins below.

    Raises:
        RefusedError: The cursor is not one of this exchange.

    """
    if "cursor" not in request.query:
        return NO_MAXIMUM
    cursor = number(request.query, "cursor", 0)
    if cursor < 0:
        raise RefusedError(MALFORMED)
    return cursor ^ _CURSOR_MASK


def cursor_after(order: Order) -> str:
    """Return the cursor of the page that begins below an order."""
    return str(int(order.order_id) ^ _CURSOR_MASK)


def _page(exchange: "Exchange", account: Account, request: PendingRequest, selection: Selection) -> dict[str, Any]:
    orders, has_more = page(exchange, account, selection, page_limit(request))
    rows = [unified_order_row(order) for order in orders]
    if not rows:
        return {"list": None if next(exchange.null_turns) else [], "cursor": None}
    return {"list": rows, "cursor": cursor_after(orders[-1]) if has_more else None}


def _query_time(exchange: "Exchange", request: PendingRequest) -> tuple[int, int]:
    """
    Return the first and the last moment that a query of the finished orders covers.

    Raises:
        RefusedError: It is too long.

    """
    now = exchange.server_time()
    until = number(request.query, "endTime", now)
    since = number(request.query, "startTime", until - MAX_QUERY_TIME)
    if until - since > MAX_QUERY_TIME:
        raise RefusedError(INVALID_UNIFIED)
    # The clock may have been set back since an order was opened.
    last = until if "endTime" in request.query else NO_MAXIMUM
    return max(since, now - MAX_AGE), last
