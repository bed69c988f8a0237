"""The orders that the body of a cancel names."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bitget_spot.sandbox.accounts import Account
from bitget_spot.sandbox.envelope import MISSING, RefusedError, refuse
from bitget_spot.sandbox.order_book import Order
from bitget_spot.sandbox.parameters import optional_text

if TYPE_CHECKING:
    from bitget_spot.sandbox.exchange import Exchange


@frozen
class OrderItem:
    """An order that a request names, with the symbol that applies to it; None for absent or empty."""

    symbol: str | None
    order_id: str | None
    client_oid: str | None
    category: str | None = None

    def includes(self, order: Order) -> bool:
        """Return whether the symbol and the category are those of an order, as far as they are given."""
        return self.symbol in (None, order.symbol) and self.category in (None, order.category)


def read_item(fields: Mapping[str, Any], symbol: str | None, category: str | None = None) -> OrderItem:
    """
    Return the order that a JSON object names.

    Raises:
        RefusedError: It has no identifier, or one that is not a text.

    """
    order_id = optional_text(fields, "orderId")
    client_oid = optional_text(fields, "clientOid")
    if order_id is None and client_oid is None:
        raise RefusedError(MISSING)
    return OrderItem(symbol, order_id, client_oid, category)


def find_order(exchange: "Exchange", account: Account, item: OrderItem) -> Order | None:
    """Return the order that an item names, open or not, of any kind."""
    return exchange.book.find(account.api_key, item.order_id, item.client_oid)


def refuse_symbols(exchange: "Exchange", account: Account, items: Sequence[OrderItem]) -> None:
    """
    Refuse a cancel as a whole that has an order of a refused trading pair.

    Raises:
        RefusedError: With the code of that pair.

    """
    for item in items:
        order = find_order(exchange, account, item)
        refuse_symbol(exchange, item.symbol if order is None else order.symbol)


def refuse_symbol(exchange: "Exchange", symbol: str | None) -> None:
    """
    Refuse a cancel of a refused trading pair.

    Raises:
        RefusedError: With the code of that pair.

    """
    refuse(exchange.refused_symbols.get(symbol or ""))
