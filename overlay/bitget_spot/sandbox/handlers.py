"""
The operations of the exchange: what each does with an authenticated request, and the `data` it returns.

An operation without a function here and an entry in `HANDLERS` gets the one in `default_handler.py`.
"""

import re
from collections.abc import Callable, Mapping
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field, frozen

from bitget_spot.sandbox.envelope import (
    INVALID,
    MALFORMED,
    MISSING,
    NO_ORDERS,
    ORDER_GONE,
    TOO_MANY_ORDERS,
    UNKNOWN_SYMBOL,
    RefusedError,
    message,
)
from bitget_spot.sandbox.order_book import Order
from bitget_spot_api.models.batch_mode import BATCH_MODE_VALUES
from bitget_spot_api.models.tpsl_type import TPSL_TYPE_VALUES
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    GET_HISTORY_ORDERS,
    GET_ORDER_INFO,
    GET_SERVER_TIME,
    GET_UNFILLED_ORDERS,
    Operation,
)

if TYPE_CHECKING:
    from bitget_spot.sandbox.exchange import Exchange

NUMBER: Final = re.compile("-?[0-9]{1,99}")
EMPTY_FIELDS: Final = (
    "cancelReason",
    "feeDetail",
    "presetTakeProfitPrice",
    "executeTakeProfitPrice",
    "presetStopLossPrice",
    "executeStopLossPrice",
    "triggerPrice",
)
"""The fields that are empty for an order without fees, reasons and triggers."""


@frozen
class Account:
    """A key of the exchange, and what proves that a request comes from its owner."""

    api_key: str
    passphrase: str = field(repr=False)
    verify: Callable[[bytes, str], bool] = field(repr=False)
    """Returns whether a signature, the text of ACCESS-SIGN, matches the bytes that it should cover."""
    demo: bool = False
    """Whether the key belongs to demo trading and needs the header `paptrading: 1`."""


@frozen
class Arrival:
    """A request as it arrived at the exchange, and the response."""

    at: float
    """When it was counted, in seconds of `time.monotonic()`."""
    api_key: str
    """As sent, known or not; empty if the header was missing."""
    method: str
    path: str
    stamp_age: float | None
    """The server's time less ACCESS-TIMESTAMP, in seconds; None if the timestamp is not a number."""
    status: int | None = None
    """The HTTP status of the response; None while there is none, and if the connection was dropped."""
    code: str | None = None
    """The code of the response; None also if its body was not the exchange's envelope."""
    order_ids: tuple[str, ...] = ()
    """The orders in the request, in its order: orderId, or else clientOid."""

    @property
    def order_count(self) -> int:
        """How many orders the request has."""
        return len(self.order_ids)


@define(eq=False)
class PendingRequest:
    """A request that has arrived."""

    arrival: Arrival
    operation: Operation
    headers: Mapping[str, str]
    remaining: int
    """The calls that the key has left in the current period."""
    refusal: str | None
    """The code of what is already wrong with it before its body has been read."""
    query: Mapping[str, str] = field(factory=dict)
    body: bytes = b""
    document: Any = None
    """The JSON value of the body; None if it is not JSON."""
    row_code: str | None = None
    """The code with which each order of a batch fails, if a fault says so."""


Handler = Callable[["Exchange", Account, PendingRequest], object]


@frozen
class _OrderItem:
    """An item of `orderList` with the symbol that applies to it; None for absent or empty."""

    symbol: str | None
    order_id: str | None
    client_oid: str | None


def batch_cancel(exchange: "Exchange", account: Account, request: PendingRequest) -> dict[str, Any]:
    """
    Receive the cancel of each order that is open, whatever becomes of the others.

    Raises:
        RefusedError: The body does not have the operation's shape, or no order is open.

    """
    items = _order_items(request.document)
    _refuse_symbols(exchange, account, items)
    has_order_ids = any(item.order_id for item in items)
    accepted: dict[str, dict[str, str]] = {}
    failed = []
    for item in items:
        order = _open_order(exchange, account, item)
        # A batch of mixed identifiers fails the orders that carry only a clientOid.
        if request.row_code is not None:
            failed.append(_failed_row(item, request.row_code, request.headers))
        elif has_order_ids and item.order_id is None:
            failed.append(_failed_row(item, INVALID, request.headers))
        elif order is None or order.order_id in accepted:
            failed.append(_failed_row(item, ORDER_GONE, request.headers))
        else:
            accepted[order.order_id] = {"orderId": order.order_id, "clientOid": order.client_oid}
            exchange.book.cancel(order.order_id, exchange.cancel_delay)
    all_gone = not accepted and all(row["errorCode"] == ORDER_GONE for row in failed)
    if all_gone and exchange.all_gone_as_refusal:
        raise RefusedError(ORDER_GONE)
    return {"successList": list(accepted.values()), "failureList": failed}


def order_info(exchange: "Exchange", account: Account, request: PendingRequest) -> list[dict[str, str]]:
    """
    Look up one order, by orderId or else by clientOid; an empty list if there is none.

    Raises:
        RefusedError: Neither is given.

    """
    order_id = request.query.get("orderId")
    client_oid = request.query.get("clientOid")
    if not order_id and not client_oid:
        raise RefusedError(MISSING)
    order = exchange.book.find(account.api_key, order_id, client_oid)
    return [] if order is None else [order_row(order)]


def unfilled_orders(exchange: "Exchange", account: Account, request: PendingRequest) -> list[dict[str, str]]:
    """Return a page of open orders, newest first."""
    return _page(exchange, account, request, is_open=True)


def history_orders(exchange: "Exchange", account: Account, request: PendingRequest) -> list[dict[str, str]]:
    """Return a page of finished orders, newest first."""
    return _page(exchange, account, request, is_open=False)


def public_time(exchange: "Exchange", _account: Account, _request: PendingRequest) -> dict[str, str]:
    """Return the exchange's clock, as text."""
    return {"serverTime": str(exchange.server_time())}


HANDLERS: Final[Mapping[tuple[str, str], Handler]] = MappingProxyType(
    {
        (BATCH_CANCEL_ORDERS.method, BATCH_CANCEL_ORDERS.path): batch_cancel,
        (GET_SERVER_TIME.method, GET_SERVER_TIME.path): public_time,
        (GET_ORDER_INFO.method, GET_ORDER_INFO.path): order_info,
        (GET_UNFILLED_ORDERS.method, GET_UNFILLED_ORDERS.path): unfilled_orders,
        (GET_HISTORY_ORDERS.method, GET_HISTORY_ORDERS.path): history_orders,
    }
)
"""The handlers of the operations that the sandbox emulates, by method and path."""


def _page(exchange: "Exchange", account: Account, request: PendingRequest, *, is_open: bool) -> list[dict[str, str]]:
    max_limit = GET_UNFILLED_ORDERS.maxima["limit"]
    before = number(request.query, "idLessThan", 10**30)
    limit = number(request.query, "limit", max_limit)
    since = number(request.query, "startTime", 0)
    until = number(request.query, "endTime", 10**30)
    if before < 0 or not 0 < limit <= max_limit:
        raise RefusedError(MALFORMED)
    tpsl_type = request.query.get("tpslType", "normal")
    if tpsl_type not in TPSL_TYPE_VALUES:
        raise RefusedError(INVALID)
    symbol = request.query.get("symbol")
    if symbol is not None and not exchange.book.has_symbol(symbol):
        raise RefusedError(UNKNOWN_SYMBOL)
    order_id = request.query.get("orderId")
    rows = (
        order_row(order)
        for order in exchange.book.newest_first(account.api_key)
        if int(order.order_id) < before
        and order.is_open == is_open
        and symbol in (None, order.symbol)
        and order_id in (None, order.order_id)
        and since <= order.c_time <= until
        and tpsl_type == "normal"  # no order here waits for a trigger
    )
    return list(islice(rows, limit))


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
        "orderSource": "normal",
        "enterPointSource": "API",
        "tpslType": "normal",
        "cTime": str(order.c_time),
        "uTime": str(order.u_time),
    }


def number(query: Mapping[str, str], name: str, default: int) -> int:
    """
    Return a whole number of a query.

    Raises:
        RefusedError: It is not one.

    """
    text = query.get(name, str(default))
    if not NUMBER.fullmatch(text):
        raise RefusedError(MALFORMED)
    return int(text)


def requested_orders(document: object) -> tuple[str, ...]:
    """Return the ids of the orders in a body, as far as it can be read."""
    orders = document.get("orderList") if isinstance(document, dict) else None
    if not isinstance(orders, list):
        return ()
    items = [item if isinstance(item, dict) else {} for item in orders]
    return tuple(str(item.get("orderId") or item.get("clientOid") or "") for item in items)


def _open_order(exchange: "Exchange", account: Account, item: _OrderItem) -> Order | None:
    order = exchange.book.find(account.api_key, item.order_id, item.client_oid)
    if order is None or not order.is_open:
        return None
    return order if item.symbol in (None, order.symbol) else None


def _refuse_symbols(exchange: "Exchange", account: Account, items: list[_OrderItem]) -> None:
    """
    Refuse a batch as a whole that has an order of a refused trading pair.

    Raises:
        RefusedError: With the code of that pair.

    """
    for item in items:
        order = exchange.book.find(account.api_key, item.order_id, item.client_oid)
        symbol = item.symbol if order is None else order.symbol
        if symbol in exchange.refused_symbols:
            raise RefusedError(exchange.refused_symbols[symbol])


def _failed_row(item: _OrderItem, code: str, headers: Mapping[str, str]) -> dict[str, str]:
    return {
        "orderId": item.order_id or "",
        "clientOid": item.client_oid or "",
        "errorMsg": message(code, headers),
        "errorCode": code,
    }


def _order_items(document: object) -> list[_OrderItem]:
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
    symbol = _optional_text(document, "symbol")
    orders = document.get("orderList")
    if orders is None or orders == []:
        raise RefusedError(NO_ORDERS)
    if not isinstance(orders, list) or not all(isinstance(item, dict) for item in orders):
        raise RefusedError(MALFORMED)
    if len(orders) > BATCH_CANCEL_ORDERS.max_items["orderList"]:
        raise RefusedError(TOO_MANY_ORDERS)
    return [_order_item(item, mode, symbol) for item in orders]


def _order_item(item: dict[str, Any], mode: str | None, symbol: str | None) -> _OrderItem:
    own_symbol = _optional_text(item, "symbol")
    order_id = _optional_text(item, "orderId")
    client_oid = _optional_text(item, "clientOid")
    if order_id is None and client_oid is None:
        raise RefusedError(MISSING)
    if mode != "multiple":
        return _OrderItem(symbol, order_id, client_oid)
    if own_symbol is None:
        raise RefusedError(MISSING)
    return _OrderItem(own_symbol, order_id, client_oid)


def _optional_text(item: dict[str, Any], name: str) -> str | None:
    value = item.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise RefusedError(MALFORMED)
    return value
