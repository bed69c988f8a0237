"""Which open orders the kill switch cancels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal, Self, TypeAlias, cast, get_args

from attrs import frozen

from bitget_spot._bulk.accounts import Account, ListedOrder
from bitget_spot._bulk.planner import check_symbol
from bitget_spot._bulk.report import Kind

Side: TypeAlias = Literal["buy", "sell"]
SIDES: Final[tuple[Side, ...]] = get_args(Side)
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


@frozen
class OrderFilter:
    """The orders of these trading pairs, sides and kinds; all if empty."""

    symbols: tuple[str, ...] = ()
    sides: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()

    @classmethod
    def from_arguments(
        cls, symbols: Iterable[str] | None, sides: Iterable[str] | None, kinds: Iterable[str] | None
    ) -> Self:
        """
        Return the filter for the arguments of the public functions.

        Raises:
            ValueError: They are empty or not valid.

        """
        symbol_list = _text_list("symbols", symbols)
        for symbol in symbol_list:
            check_symbol("symbols", symbol)
        return cls(
            tuple(dict.fromkeys(symbol.upper() for symbol in symbol_list)),
            _choices("sides", sides, SIDES),
            cast("tuple[Kind, ...]", _choices("kinds", kinds, KINDS)),
        )

    def kinds_of(self, account: Account) -> tuple[Kind, ...]:
        """
        Return the kinds of orders to look for.

        Raises:
            ValueError: The account cannot have orders of such a kind; an empty listing of them would mean nothing.

        """
        for kind in self.kinds:
            if kind not in account.kinds:
                raise ValueError(
                    f"kinds: a {account.account_type} account has no {kind} orders in {account.category}; "
                    f"use {', '.join(account.kinds)}"
                )
        return self.kinds or account.kinds

    def includes(self, order: ListedOrder) -> bool:
        """Return whether a listed order is one to cancel."""
        if self.sides and order.side not in self.sides:
            return False
        return not self.symbols or order.symbol is None or order.symbol.upper() in self.symbols


def _choices(name: str, values: Iterable[str] | None, allowed: Iterable[str]) -> tuple[str, ...]:
    choices = _text_list(name, values)
    for choice in choices:
        if choice not in allowed:
            raise ValueError(f"{name}: {choice!r} is not valid; use {' or '.join(allowed)}")
    return tuple(dict.fromkeys(choices))


def _text_list(name: str, values: Iterable[str] | None) -> list[str]:
    """Return a filter as a list, empty for no filter; a filter that is given must not be empty."""
    if values is None:
        return []
    items: list[object] = [] if isinstance(values, str) else list(values)
    texts = [item.strip() for item in items if isinstance(item, str)]
    if not items or len(texts) < len(items) or not all(texts):
        raise ValueError(f"{name}: {values!r} is not a list of texts; give one, or leave it out for all")
    return texts
