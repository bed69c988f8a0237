"""Classic accounts."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from http import HTTPStatus
from typing import Final, cast

from attrs import frozen

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
from bitget_spot.errors import ApiError, InvalidResponseError
from bitget_spot_api.api.trade import (
    batch_cancel_orders,
    batch_cancel_plan_orders,
    cancel_order,
    cancel_plan_order,
    cancel_symbol_orders,
    get_current_plan_orders,
    get_history_orders,
    get_history_plan_orders,
    get_order_info,
    get_unfilled_orders,
)
from bitget_spot_api.models import (
    AcceptedOrder,
    BatchCancelOrdersRequest,
    BatchCancelOrdersResponse,
    BatchCancelOrdersResult,
    BatchCancelPlanOrdersRequest,
    CancelOrderRequest,
    CancelOrderResponse,
    CancelPlanOrderRequest,
    CancelPlanOrderResponse,
    CancelSymbolOrdersRequest,
    Category,
    Order,
    OrderRef,
    OrdersResponse,
    PlanOrder,
    PlanOrderPage,
    PlanOrderResult,
    PlanOrdersResponse,
)
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, ERROR_CODES, GET_HISTORY_ORDERS, Operation

VERSION: Final = BATCH_CANCEL_ORDERS.api_version
PAGE_SIZE: Final = GET_HISTORY_ORDERS.maxima["limit"]
OTHER_KIND_CODES: Final = ERROR_CODES[VERSION]["gone-or-other-kind"]
"""Codes with which a normal cancel responds to an unknown id, and to that of a TP/SL or trigger order."""
PLAN_STATUSES: Final = {
    "live": Confirmed.LIVE,
    "not_trigger": Confirmed.LIVE,
    "executing": Confirmed.LIVE,
    "executed": Confirmed.TRIGGERED,
    "cancelled": Confirmed.CANCELLED,
}
"""What the status of a trigger order says. One that failed to execute was neither cancelled nor filled."""
LISTINGS: Final = {"open": get_unfilled_orders, "finished": get_history_orders}
PLAN_LISTINGS: Final = {"open": get_current_plan_orders, "finished": get_history_plan_orders}


@frozen
class ClassicAccount:
    """A classic account, which has spot orders only. The members are described in `Account`."""

    account_type: AccountType = "classic"
    category: Category = "SPOT"
    kinds: tuple[Kind, ...] = ("normal", "tpsl", "plan")
    other_type_codes: frozenset[str] = frozenset(ERROR_CODES["gateway"]["unified-account"])
    batch_operation: Operation = BATCH_CANCEL_ORDERS
    max_orders: int = BATCH_CANCEL_ORDERS.max_items["orderList"]
    needs_symbols: bool = False
    pages_by_id: bool = True
    clears_category: bool = False

    def group_of(self, target: OrderTarget) -> Hashable:
        """Return a key that the orders of one batch have in common: those without a pair travel by themselves."""
        return target.symbol is None

    def cancel_batch(self, targets: Sequence[OrderTarget]) -> Call:
        """Return the call that cancels normal orders."""
        return Call(batch_cancel_orders, {"body": batch_request(targets)})

    def cancel_symbol(self, symbol: str | None) -> Call:
        """Return the call that cancels all normal orders of a trading pair."""
        return Call(cancel_symbol_orders, {"body": CancelSymbolOrdersRequest(symbol=str(symbol))})

    def cancel_plan_symbols(self, symbols: Sequence[str]) -> Call:
        """Return the call that cancels all trigger orders of some trading pairs."""
        return Call(batch_cancel_plan_orders, {"body": BatchCancelPlanOrdersRequest(symbol_list=list(symbols))})

    def cancel_rows(self, response: object) -> Iterator[Row]:
        """Yield what a response says about single orders."""
        result = response.data if isinstance(response, BatchCancelOrdersResponse) else None
        if not isinstance(result, BatchCancelOrdersResult):
            return
        # The generated parser returns a list as it is if one of its rows is malformed.
        if isinstance(result.success_list, list):
            for accepted in result.success_list:
                yield Row.of(accepted)
        if isinstance(result.failure_list, list):
            for failed in result.failure_list:
                fields = Row.of(failed).fields
                yield Row.of(failed, row_error(fields.get("errorCode"), fields.get("errorMsg"), VERSION))

    def cancel_one(self, order: ListedOrder) -> Call:
        """Return the call that cancels a TP/SL order or a trigger order."""
        if order.kind == "plan":
            return Call(cancel_plan_order, {"body": CancelPlanOrderRequest(order_id=order.order_id)})
        return Call(cancel_order, {"body": CancelOrderRequest(tpsl_type="tpsl", order_id=order.order_id)})

    def cancel_one_row(self, order: ListedOrder, response: object) -> Row | None:
        """Return what the response to that call says; `None` if it says nothing about the order."""
        data = response.data if isinstance(response, CancelOrderResponse | CancelPlanOrderResponse) else None
        if isinstance(data, AcceptedOrder) and optional_text(data.order_id) == order.order_id:
            return Row(order.order_id)
        if isinstance(data, PlanOrderResult) and data.result == "success":
            return Row(order.order_id)
        if isinstance(data, PlanOrderResult) and data.result == "failure":
            return Row(order.order_id, error=ApiError("", "result: failure", HTTPStatus.OK))
        return None

    def filters_by_symbol(self, kind: Kind) -> bool:  # noqa: ARG002 - as in `Account`
        """Return whether a listing can be limited to a trading pair."""
        return True

    def list_orders(self, stage: Stage, kind: Kind, symbol: str | None, position: Position | None) -> Call:
        """Return the call for a page of a listing, newest first; a position is the order id that it begins below."""
        arguments = given(symbol=symbol, id_less_than=position, limit=PAGE_SIZE)
        if kind == "plan":
            return Call(PLAN_LISTINGS[stage], arguments)
        if kind == "tpsl":
            # Without it the exchange leaves TP/SL orders out.
            arguments["tpsl_type"] = "tpsl"
        return Call(LISTINGS[stage], arguments)

    def read_page(self, kind: Kind, response: object, position: Position | None) -> Page:
        """Return the page in a response."""
        if kind == "plan":
            return _plan_page(response, position)
        rows = _rows(response)
        orders = [_listed_order(row, kind) for row in rows]
        return Page(orders, _next_position(orders, position, more=len(orders) == PAGE_SIZE))

    def position_of(self, order_id: int) -> Position:
        """Return where a page begins whose first order may be this one."""
        return str(order_id + 1)

    def older_position(self, window: int) -> Position | None:  # noqa: ARG002 - as in `Account`
        """Return `None`: the listing shows all finished orders that the exchange keeps."""
        return None

    def can_look_up(self, kind: Kind) -> bool:
        """Return whether orders of this kind can be looked up one by one."""
        return kind == "normal"

    def look_up(self, key: OrderKey) -> Call:
        """Return the call that looks up one normal order."""
        id_field, value = key
        return Call(get_order_info, {"order_id" if id_field == "orderId" else "client_oid": value})

    def read_looked_up(self, response: object) -> list[ListedOrder]:
        """Return the order in the response to that call; an empty list if the exchange does not know it."""
        return [_listed_order(row, "normal") for row in _rows(response)]


def batch_request(targets: Sequence[OrderTarget]) -> BatchCancelOrdersRequest:
    """Return the body of a batch: in single mode if the pairs agree or none is known, else in multiple mode."""
    symbols = {target.symbol for target in targets}
    common_symbol = symbols.pop() if len(symbols) == 1 else None
    is_multiple = common_symbol is None and None not in symbols and bool(symbols)
    return BatchCancelOrdersRequest(
        symbol=or_unset(common_symbol),
        batch_mode="multiple" if is_multiple else "single",
        order_list=[
            OrderRef(
                symbol=or_unset(target.symbol if is_multiple else None),
                order_id=or_unset(target.order_id),
                client_oid=or_unset(target.client_oid),
            )
            for target in targets
        ],
    )


def _rows(response: object) -> list[Order]:
    rows = response.data if isinstance(response, OrdersResponse) else None
    if not isinstance(rows, list):
        raise InvalidResponseError(HTTPStatus.OK, f"data is {type(rows).__name__}, not a list of orders")
    return rows


def _plan_page(response: object, position: Position | None) -> Page:
    data = response.data if isinstance(response, PlanOrdersResponse) else None
    if not isinstance(data, PlanOrderPage):
        raise InvalidResponseError(HTTPStatus.OK, f"data is {type(data).__name__}, not a page of trigger orders")
    rows = data.order_list
    if rows is None and data.next_flag is False:
        rows = []  # said to be the last page
    if not isinstance(rows, list):
        raise InvalidResponseError(HTTPStatus.OK, f"orderList is {type(rows).__name__}, not a list of orders")
    orders = [_listed_plan_order(row) for row in rows]
    return Page(orders, _next_position(orders, position, more=len(orders) == PAGE_SIZE or data.next_flag is True))


def _next_position(orders: list[ListedOrder], position: Position | None, *, more: bool) -> Position | None:
    if not orders or not more:
        return None
    oldest = orders[-1].order_id
    return None if oldest == position else oldest  # the same page again


def _listed_order(row: object, kind: Kind) -> ListedOrder:
    order_id = order_id_of(row)
    order = cast("Order", row)
    return ListedOrder(
        order_id=order_id,
        client_oid=optional_text(order.client_oid),
        symbol=optional_text(order.symbol),
        side=optional_text(order.side),
        price=optional_text(order.price),
        size=optional_text(order.size),
        kind=kind,
        confirmed=confirmed_status(order.status, order.base_volume),
        updated_at=milliseconds(order.u_time),
    )


def _listed_plan_order(row: object) -> ListedOrder:
    order_id = order_id_of(row)
    order = cast("PlanOrder", row)
    return ListedOrder(
        order_id=order_id,
        client_oid=optional_text(order.client_oid),
        symbol=optional_text(order.symbol),
        side=optional_text(order.side),
        price=optional_text(order.execute_price),
        size=optional_text(order.size),
        kind="plan",
        confirmed=PLAN_STATUSES.get(str(order.status)),
        updated_at=milliseconds(order.u_time),
    )
