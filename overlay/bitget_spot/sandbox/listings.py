"""What the listings of both types of account have in common: which orders, and which page of them."""

from itertools import islice
from typing import TYPE_CHECKING, Final

from attrs import frozen

from bitget_spot.sandbox.accounts import Account
from bitget_spot.sandbox.envelope import MALFORMED, UNKNOWN_SYMBOL, RefusedError
from bitget_spot.sandbox.order_book import Order, OrderKind
from bitget_spot.sandbox.parameters import number
from bitget_spot.sandbox.request import PendingRequest

if TYPE_CHECKING:
    from bitget_spot.sandbox.exchange import Exchange

NO_MAXIMUM: Final = 10**30
"""Above every order id and every time."""


@frozen(kw_only=True)
class Selection:
    """The orders that a listing shows; None for any."""

    kind: OrderKind
    is_open: bool
    before: int = NO_MAXIMUM
    """Only orders with a smaller id."""
    since: int = 0
    until: int = NO_MAXIMUM
    symbol: str | None = None
    category: str | None = None
    order_id: str | None = None

    def includes(self, order: Order) -> bool:
        """Return whether the listing shows an order."""
        return (
            order.kind == self.kind
            and order.is_open == self.is_open
            and int(order.order_id) < self.before
            and self.since <= order.c_time <= self.until
            and self.symbol in (None, order.symbol)
            and self.category in (None, order.category)
            and self.order_id in (None, order.order_id)
        )


def page(exchange: "Exchange", account: Account, selection: Selection, limit: int) -> tuple[list[Order], bool]:
    """Return a page of orders, newest first, and whether there are more."""
    matching = filter(selection.includes, exchange.book.newest_first(account.api_key))
    orders = list(islice(matching, limit + 1))
    return orders[:limit], len(orders) > limit


def page_limit(request: PendingRequest, default: int | None = None) -> int:
    """
    Return how many orders a page has, by default the document's maximum.

    Raises:
        RefusedError: It is not a number from 1 to the maximum.

    """
    maximum = request.operation.maxima["limit"]
    limit = number(request.query, "limit", default or maximum)
    if not 0 < limit <= maximum:
        raise RefusedError(MALFORMED)
    return limit


def known_symbol(exchange: "Exchange", symbol: str | None, code: str) -> str | None:
    """
    Return a trading pair, which must exist if it is given.

    Raises:
        RefusedError: With this code, if it does not.

    """
    if symbol is not None and not exchange.book.has_symbol(symbol):
        raise RefusedError(code)
    return symbol


def classic_selection(exchange: "Exchange", request: PendingRequest, *, kind: OrderKind, is_open: bool) -> Selection:
    """
    Return the orders that the query of a listing of a classic account selects.

    Raises:
        RefusedError: A parameter is not valid.

    """
    before = number(request.query, "idLessThan", NO_MAXIMUM)
    if before < 0:
        raise RefusedError(MALFORMED)
    return Selection(
        kind=kind,
        is_open=is_open,
        before=before,
        since=number(request.query, "startTime", 0),
        until=number(request.query, "endTime", NO_MAXIMUM),
        symbol=known_symbol(exchange, request.query.get("symbol"), UNKNOWN_SYMBOL),
    )
