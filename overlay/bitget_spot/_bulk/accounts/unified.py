"""Unified accounts."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from http import HTTPStatus
from typing import Any, Final, cast

from attrs import field, frozen

from bitget_spot._bulk.accounts.base import (
    Call,
    ListedOrder,
    Page,
    Position,
    Row,
    Stage,
    confirmed_status,
    given,
    milliseconds,
    optional_text,
    or_unset,
    order_id_of,
    row_error,
)
from bitget_spot._bulk.orders import OrderKey, OrderTarget
from bitget_spot._bulk.report import Confirmed, Kind
from bitget_spot._middleware.account_type import AccountType
from bitget_spot.errors import CancelInProgressError, InvalidResponseError
from bitget_spot_api.api.unified import (
    batch_cancel_unified_orders,
    cancel_unified_strategy_order,
    cancel_unified_symbol_orders,
    get_unified_history_orders,
    get_unified_history_strategy_orders,
    get_unified_order_info,
    get_unified_unfilled_orders,
    get_unified_unfilled_strategy_orders,
)
from bitget_spot_api.models import (
    CancelUnifiedStrategyOrderRequest,
    CancelUnifiedSymbolOrdersRequest,
    Category,
    EmptyResponse,
    UnifiedCancelList,
    UnifiedCancelListResponse,
    UnifiedCancelResponse,
    UnifiedCancelRow,
    UnifiedOrder,
    UnifiedOrderPage,
    UnifiedOrderRef,
    UnifiedOrderResponse,
    UnifiedOrdersResponse,
    UnifiedStrategyOrder,
    UnifiedStrategyOrderPage,
    UnifiedStrategyOrderPageResponse,
    UnifiedStrategyOrdersResponse,
)
from bitget_spot_api.models.futures_category import FUTURES_CATEGORY_VALUES
from bitget_spot_api.operations import (
    BATCH_CANCEL_UNIFIED_ORDERS,
    ERROR_CODES,
    GET_UNIFIED_HISTORY_ORDERS,
    SUCCESS_CODE,
    Operation,
)

VERSION: Final = BATCH_CANCEL_UNIFIED_ORDERS.api_version
PAGE_SIZE: Final = GET_UNIFIED_HISTORY_ORDERS.maxima["limit"]
ROW_SUCCESS_CODES: Final = (None, "0", SUCCESS_CODE)
"""Codes of rows without an error: the page's example has none, the WebSocket page shows 0."""
WINDOW: Final = 30 * 24 * 60 * 60 * 1000
"""Milliseconds: the longest time that one query of the finished orders may cover."""
WINDOWS: Final = 3
"""How many of them the exchange keeps: 90 days."""
CLOSING_SIDES: Final = {"long": "sell", "short": "buy"}
"""A TP/SL order closes its position, and its listing shows the side of the position only."""


@frozen
class Window:
    """A position in the finished orders of an earlier time: created since `start`, and up to `end`."""

    start: int
    end: int
    cursor: str | None = None


@frozen
class UnifiedAccount:
    """A unified account; only futures categories have strategy orders. The members are described in `Account`."""

    category: Category = "SPOT"
    clock: Callable[[], float] = field(default=time.time, repr=False, eq=False)
    account_type: AccountType = "unified"
    other_type_codes: frozenset[str] = frozenset(
        (*ERROR_CODES["gateway"]["classic-account"], *ERROR_CODES[VERSION]["classic-account"])
    )
    batch_operation: Operation = BATCH_CANCEL_UNIFIED_ORDERS
    max_orders: int = BATCH_CANCEL_UNIFIED_ORDERS.max_items["body"]
    needs_symbols: bool = True
    pages_by_id: bool = False
    clears_category: bool = True

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of orders that there are in the category."""
        return ("normal", "tpsl") if self.category in FUTURES_CATEGORY_VALUES else ("normal",)

    def group_of(self, target: OrderTarget) -> Hashable:  # noqa: ARG002 - as in `Account`
        """Return a key that the orders of one batch have in common; the pairs may differ."""
        return None

    def cancel_batch(self, targets: Sequence[OrderTarget]) -> Call:
        """Return the call that cancels normal orders."""
        return Call(batch_cancel_unified_orders, {"body": batch_request(self.category, targets)})

    def cancel_symbol(self, symbol: str | None) -> Call:
        """Return the call that cancels all normal orders of a trading pair, or of the category."""
        body = CancelUnifiedSymbolOrdersRequest(category=self.category, symbol=or_unset(symbol))
        return Call(cancel_unified_symbol_orders, {"body": body})

    def cancel_plan_symbols(self, symbols: Sequence[str]) -> Call:
        """Raise: a unified account has no trigger orders."""
        raise NotImplementedError(f"a unified account has no trigger orders of {symbols}")

    def cancel_rows(self, response: object) -> Iterator[Row]:
        """Yield what a response says about single orders."""
        data = response.data if isinstance(response, UnifiedCancelResponse | UnifiedCancelListResponse) else None
        rows = data.list_ if isinstance(data, UnifiedCancelList) else data
        if isinstance(rows, list):
            for row in rows:
                yield _cancel_row(row)

    def cancel_one(self, order: ListedOrder) -> Call:
        """Return the call that cancels a strategy order."""
        body = CancelUnifiedStrategyOrderRequest(order_id=order.order_id)
        return Call(cancel_unified_strategy_order, {"body": body})

    def cancel_one_row(self, order: ListedOrder, response: object) -> Row | None:
        """Return what the response to that call says; `None` if it says nothing about the order."""
        return Row(order.order_id) if isinstance(response, EmptyResponse) else None

    def filters_by_symbol(self, kind: Kind) -> bool:
        """Return whether a listing can be limited to a trading pair; that of strategy orders cannot."""
        return kind == "normal"

    def list_orders(self, stage: Stage, kind: Kind, symbol: str | None, position: Position | None) -> Call:
        """Return the call for a page of a listing; a position is a cursor, or a window of time with one."""
        arguments = given(category=self.category)
        if kind == "tpsl":
            arguments["type_"] = "tpsl"
            if stage == "open":
                return Call(get_unified_unfilled_strategy_orders, arguments)
        else:
            arguments |= given(symbol=symbol)
        arguments["limit"] = PAGE_SIZE
        if isinstance(position, Window):
            arguments |= given(start_time=position.start, end_time=position.end, cursor=position.cursor)
        else:
            arguments |= given(cursor=position)
        if kind == "tpsl":
            return Call(get_unified_history_strategy_orders, arguments)
        return Call(get_unified_unfilled_orders if stage == "open" else get_unified_history_orders, arguments)

    def read_page(self, kind: Kind, response: object, position: Position | None) -> Page:
        """Return the page in a response."""
        rows, cursor = _rows(response)
        if kind == "tpsl":
            is_open = isinstance(response, UnifiedStrategyOrdersResponse)
            orders = [_listed_strategy_order(row, is_open=is_open) for row in rows]
        else:
            orders = [_listed_order(row) for row in rows]
        next_position: Position | None = cursor
        if isinstance(position, Window) and cursor is not None:
            next_position = Window(position.start, position.end, cursor)
        if next_position is not None and next_position == position:
            raise InvalidResponseError(HTTPStatus.OK, "the cursor of a page is the one that it was asked for with")
        return Page(orders, next_position)

    def position_of(self, order_id: int) -> Position:
        """Raise: cursors are opaque."""
        raise NotImplementedError(f"no page of a unified account begins at order {order_id}")

    def older_position(self, window: int) -> Position | None:
        """Return where the finished orders begin that were created in one of the last three times 30 days."""
        if window >= WINDOWS:
            return None
        end = int(self.clock() * 1000) - window * WINDOW
        return Window(end - WINDOW, end)

    def can_look_up(self, kind: Kind) -> bool:
        """Return whether orders of this kind can be looked up one by one."""
        return kind == "normal"

    def look_up(self, key: OrderKey) -> Call:
        """Return the call that looks up one normal order."""
        id_field, value = key
        return Call(get_unified_order_info, {"order_id" if id_field == "orderId" else "client_oid": value})

    def read_looked_up(self, response: object) -> list[ListedOrder]:
        """Return the order in the response to that call; an empty list if the exchange does not know it."""
        if not isinstance(response, UnifiedOrderResponse):
            raise InvalidResponseError(HTTPStatus.OK, "the response to a lookup has no data")
        if response.data is None or response.data == UnifiedOrder():
            return []
        return [_listed_order(response.data)]


def batch_request(category: Category, targets: Sequence[OrderTarget]) -> list[UnifiedOrderRef]:
    """Return the body of a batch; an order with both identifiers is sent with its `orderId` alone."""
    return [
        UnifiedOrderRef(
            category=category,
            symbol=str(target.symbol),
            order_id=or_unset(target.order_id),
            client_oid=or_unset(target.client_oid if target.order_id is None else None),
        )
        for target in targets
    ]


def _cancel_row(source: object) -> Row:
    row = Row.of(source)
    code = source.code if isinstance(source, UnifiedCancelRow) else row.fields.get("code")
    if optional_text(code) in ROW_SUCCESS_CODES:
        return row
    error = row_error(code, row.fields.get("msg"), VERSION)
    # The exchange has the cancel of an earlier request.
    return row if isinstance(error, CancelInProgressError) else Row.of(source, error)


def _rows(response: object) -> tuple[list[Any], str | None]:
    """Return the rows of a page, and the cursor of the next; `None` on the last one."""
    if isinstance(response, UnifiedStrategyOrdersResponse):
        return _checked(response.data), None  # the open strategy orders are not paged
    data = response.data if isinstance(response, UnifiedOrdersResponse | UnifiedStrategyOrderPageResponse) else None
    if not isinstance(data, UnifiedOrderPage | UnifiedStrategyOrderPage):
        raise InvalidResponseError(HTTPStatus.OK, f"data is {type(data).__name__}, not a page of orders")
    if data.list_ is None and data.cursor is None:
        return [], None
    rows = _checked(data.list_)
    cursor = optional_text(data.cursor)
    if cursor is not None and not rows:
        raise InvalidResponseError(HTTPStatus.OK, "an empty list has the cursor of a next page")
    return rows, cursor


def _checked(rows: object) -> list[Any]:
    if not isinstance(rows, list):
        raise InvalidResponseError(HTTPStatus.OK, f"list is {type(rows).__name__}, not a list of orders")
    return rows


def _listed_order(row: object) -> ListedOrder:
    order_id = order_id_of(row)
    order = cast("UnifiedOrder", row)
    return ListedOrder(
        order_id=order_id,
        client_oid=optional_text(order.client_oid),
        symbol=optional_text(order.symbol),
        side=optional_text(order.side),
        price=optional_text(order.price),
        size=optional_text(order.qty),
        confirmed=confirmed_status(order.order_status, order.cum_exec_qty),
        updated_at=milliseconds(order.updated_time),
    )


def _listed_strategy_order(row: object, *, is_open: bool) -> ListedOrder:
    order_id = order_id_of(row)
    order = cast("UnifiedStrategyOrder", row)
    # The rows have no status; only those that were triggered have a trigger type.
    finished = Confirmed.TRIGGERED if optional_text(order.trigger_type) else None
    return ListedOrder(
        order_id=order_id,
        client_oid=optional_text(order.client_oid),
        symbol=optional_text(order.symbol),
        side=CLOSING_SIDES.get(str(order.pos_side)),
        price=optional_text(order.take_profit) or optional_text(order.stop_loss),
        size=optional_text(order.qty),
        kind="tpsl",
        confirmed=Confirmed.LIVE if is_open else finished,
        updated_at=milliseconds(order.updated_time),
    )
