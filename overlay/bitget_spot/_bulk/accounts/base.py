"""
What a bulk run needs of an account, whatever its type.

An `Account` builds the calls of the generated functions and reads their responses. It sends nothing and keeps nothing, so
everything in this package is pure.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping, Sequence
from http import HTTPStatus
from types import MappingProxyType, ModuleType
from typing import Any, Final, Literal, Protocol, Self, TypeAlias

from attrs import define, field, frozen

from bitget_spot._bulk.orders import OrderKey, OrderTarget
from bitget_spot._bulk.report import Confirmed, Kind
from bitget_spot._middleware.account_type import AccountType
from bitget_spot._middleware.responses import printable
from bitget_spot.errors import ApiError, InvalidResponseError, error_class
from bitget_spot_api.models import AcceptedOrder, Category, FailedOrder, UnifiedCancelRow
from bitget_spot_api.operations import Operation
from bitget_spot_api.types import UNSET, Unset

Stage: TypeAlias = Literal["open", "finished"]
"""Which of an account's two listings."""
Position: TypeAlias = Hashable
"""Where a page of a listing begins; only the account knows what it means."""
ROW_MODELS: Final = (AcceptedOrder, FailedOrder, UnifiedCancelRow)
"""The generated models of rows about a cancel."""
OPEN_STATUSES: Final = ("live", "new", "init", "partially_filled")
CANCELLED_STATUSES: Final = ("cancelled", "canceled")


@frozen
class Call:
    """A call of a generated function that has not been made yet."""

    function: ModuleType
    arguments: Mapping[str, Any] = MappingProxyType({})


@define
class Row:
    """
    What a response says about the cancel of one order.

    Attributes:
        order_id: The exchange's id, as it is in the row.
        client_oid: The client's id, as it is in the row.
        error: Why the exchange refused the cancel; `None` if it has received it.
        source: The row: a model of the generated package, or whatever the exchange sent instead.

    """

    order_id: object
    client_oid: object = None
    error: ApiError | None = None
    source: object = None

    @classmethod
    def of(cls, source: object, error: ApiError | None = None) -> Self:
        """Return a row with the ids of its source."""
        if isinstance(source, ROW_MODELS):
            return cls(source.order_id, source.client_oid, error, source)
        fields = _mapping(source)
        return cls(fields.get("orderId"), fields.get("clientOid"), error, source)

    @property
    def fields(self) -> Mapping[str, Any]:
        """The row by the vendor's names."""
        return _mapping(self.source)


def _mapping(row: object) -> Mapping[str, Any]:
    if isinstance(row, ROW_MODELS):
        return row.to_dict()
    return row if isinstance(row, Mapping) else {"row": row}


@frozen
class ListedOrder:
    """
    An order as a listing of the exchange shows it, whatever the type of the account.

    Attributes:
        order_id: The exchange's id.
        client_oid: The client's id, if it has one.
        symbol: The trading pair.
        side: `buy` or `sell`.
        price: The limit price, or the price of the order that a trigger order will place.
        size: The size.
        kind: `normal`, `tpsl` (take profit and stop loss) or `plan` (trigger order).
        confirmed: What the listing says about it; `None` if its status is not known or not clear.
        updated_at: When it last changed, in milliseconds since the epoch by the exchange's clock; `None` if not shown.

    """

    order_id: str
    client_oid: str | None = None
    symbol: str | None = None
    side: str | None = None
    price: str | None = None
    size: str | None = None
    kind: Kind = "normal"
    confirmed: Confirmed | None = None
    updated_at: int | None = field(default=None, repr=False)


@frozen
class Page:
    """A page of a listing, and where the next one begins; `None` if it is the last."""

    orders: list[ListedOrder]
    next_position: Position | None


class Account(Protocol):
    """One type of account."""

    @property
    def account_type(self) -> AccountType:
        """The type."""

    @property
    def category(self) -> Category:
        """The category of the orders."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of orders that there are in the category."""

    @property
    def other_type_codes(self) -> frozenset[str]:
        """The codes with which the exchange refuses an account of the other type."""

    @property
    def batch_operation(self) -> Operation:
        """The operation that cancels a batch."""

    @property
    def max_orders(self) -> int:
        """The most orders in a batch."""

    @property
    def needs_symbols(self) -> bool:
        """Whether the cancel of an order needs its trading pair."""

    @property
    def pages_by_id(self) -> bool:
        """Whether a page of a listing, sorted by order id, may begin at any id."""

    @property
    def clears_category(self) -> bool:
        """Whether one request can cancel all orders of the category."""

    def group_of(self, target: OrderTarget) -> Hashable:
        """Return a key that the orders of one batch have in common."""

    def cancel_batch(self, targets: Sequence[OrderTarget]) -> Call:
        """Return the call that cancels normal orders."""

    def cancel_symbol(self, symbol: str | None) -> Call:
        """Return the call that cancels all normal orders of a trading pair, or of the category."""

    def cancel_plan_symbols(self, symbols: Sequence[str]) -> Call:
        """Return the call that cancels all trigger orders of some trading pairs."""

    def cancel_rows(self, response: object) -> Iterator[Row]:
        """Yield what the response to one of these three calls says about single orders."""

    def cancel_one(self, order: ListedOrder) -> Call:
        """Return the call that cancels one order that is not a normal one."""

    def cancel_one_row(self, order: ListedOrder, response: object) -> Row | None:
        """Return what the response to that call says; `None` if it says nothing about the order."""

    def filters_by_symbol(self, kind: Kind) -> bool:
        """Return whether a listing can be limited to a trading pair."""

    def list_orders(self, stage: Stage, kind: Kind, symbol: str | None, position: Position | None) -> Call:
        """Return the call for a page of a listing; the first page if there is no position."""

    def read_page(self, kind: Kind, response: object, position: Position | None) -> Page:
        """
        Return the page in a response.

        Raises:
            InvalidResponseError: It is not a list of orders with ids. It must not be taken for an empty list.

        """

    def position_of(self, order_id: int) -> Position:
        """Return where a page begins whose first order may be this one, if pages begin at any id."""

    def older_position(self, window: int) -> Position | None:
        """Return where the older finished orders begin that the listing does not show by itself, window by window."""

    def can_look_up(self, kind: Kind) -> bool:
        """Return whether orders of this kind can be looked up one by one."""

    def look_up(self, key: OrderKey) -> Call:
        """Return the call that looks up one normal order."""

    def read_looked_up(self, response: object) -> list[ListedOrder]:
        """
        Return the order in the response to that call; an empty list if the exchange does not know it.

        Raises:
            InvalidResponseError: It is neither.

        """


def row_error(code: object, message: object, api_version: str) -> ApiError:
    """Return the exception that the code of a row stands for."""
    text = optional_text(code) or ""
    return error_class(text, api_version)(text, optional_text(message) or "", HTTPStatus.OK)


def optional_text(value: object) -> str | None:
    """Return a value of a response as text; `None` if it is absent or empty."""
    if isinstance(value, Unset):
        return None
    try:
        return None if value is None else printable(value) or None
    except RecursionError:
        # Nested so deeply that it parsed in a thread with more room on its stack.
        return None


def or_unset(value: str | None) -> str | Unset:
    """Return a value for a generated model or function."""
    return UNSET if value is None else value


def given(**arguments: object) -> dict[str, object]:
    """Return the arguments that are not `None`."""
    return {name: value for name, value in arguments.items() if value is not None}


def order_id_of(row: object) -> str:
    """
    Return the id of a listed order as text.

    Raises:
        InvalidResponseError: It has none.

    """
    order_id = getattr(row, "order_id", None)
    if isinstance(order_id, int) and not isinstance(order_id, bool):
        return str(order_id)
    text = order_id.strip() if isinstance(order_id, str) and order_id.isascii() else ""
    if not text:
        raise InvalidResponseError(HTTPStatus.OK, "a row of data is not an order with an orderId")
    return text


def milliseconds(value: object) -> int | None:
    """Return a time of the exchange; `None` if it is not one."""
    return int(str(value)) if re.fullmatch(r"[0-9]{1,16}", str(value)) else None


def confirmed_status(status: object, filled: object) -> Confirmed | None:
    """
    Return what the status and the filled volume of a listed order say.

    Returns:
        `None` if the status is unknown, or if a cancelled order has no readable volume: then it is not known whether a
        part of it was filled.

    """
    if status in OPEN_STATUSES:
        return Confirmed.LIVE
    if status == "filled":
        return Confirmed.FILLED
    if status not in CANCELLED_STATUSES:
        return None
    try:
        volume = float(str(filled))
    except ValueError:
        return None
    if volume > 0:
        return Confirmed.PARTLY_FILLED
    return Confirmed.CANCELLED if volume == 0 else None
