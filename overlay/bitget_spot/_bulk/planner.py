"""
From any number of orders to the fewest batches that the exchange takes. Pure: nothing is sent.

Orders addressed by `orderId` and by `clientOid` are never in one batch. Orders whose trading pair is known travel
together, in single mode if they agree and in multiple mode if they do not. Orders without a pair travel by themselves,
in single mode without a symbol, which the vendor's page allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from attrs import Factory, define, frozen

from bitget_spot.errors import InvalidBatchError, Violation
from bitget_spot.validation import MAX_ORDERS, order_problems
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef
from bitget_spot_api.types import UNSET, Unset

FIELDS: Final = {"orderId": "order_id", "clientOid": "client_oid", "symbol": "symbol"}
"""The fields of an order: the vendor's name, and the attribute's."""

SEPARATORS: Final = re.compile(r"[/_:\s-]")
"""Characters between the coins of a trading pair in other notations, such as BTC/USDT; the exchange writes BTCUSDT."""

OrderKey: TypeAlias = tuple[str, str]
"""What the exchange finds an order by: the kind of identifier, and the identifier."""


@define
class OrderTarget:
    """
    One order to cancel, however often it was given.

    Attributes:
        order: The order as it was first given.
        order_id: The exchange's id, if it was given; then it addresses the order.
        client_oid: The client's id, if it was given.
        symbol: The trading pair, if it is known.
        input_indices: Where the order is among those given.

    """

    order: OrderRef
    order_id: str | None
    client_oid: str | None
    symbol: str | None
    input_indices: list[int] = Factory(list)

    @property
    def key(self) -> OrderKey:
        """What the exchange finds it by."""
        if self.order_id is not None:
            return ("orderId", self.order_id)
        return ("clientOid", str(self.client_oid))


@frozen
class Batch:
    """Orders that travel in one request, all addressed by the same kind of identifier."""

    targets: list[OrderTarget]

    @property
    def id_field(self) -> str:
        """The kind of identifier that addresses the orders."""
        return self.targets[0].key[0]

    def request(self) -> BatchCancelOrdersRequest:
        """Return the body to send; a new one at each call."""
        symbols = {target.symbol for target in self.targets}
        common_symbol = symbols.pop() if len(symbols) == 1 else None
        is_multiple = common_symbol is None and None not in symbols and bool(symbols)
        return BatchCancelOrdersRequest(
            symbol=_or_unset(common_symbol),
            batch_mode="multiple" if is_multiple else "single",
            order_list=[
                OrderRef(
                    symbol=_or_unset(target.symbol if is_multiple else None),
                    order_id=_or_unset(target.order_id),
                    client_oid=_or_unset(target.client_oid),
                )
                for target in self.targets
            ],
        )


@frozen
class Plan:
    """The orders as given, and the batches to send."""

    orders: list[OrderRef]
    batches: list[Batch]


def plan_batches(orders: Iterable[OrderRef], symbol: str | None, batch_size: int | None) -> Plan:
    """
    Distribute orders over the fewest batches, in the order of the input.

    Args:
        orders: The orders to cancel.
        symbol: The trading pair of the orders that have none.
        batch_size: The most orders in a batch; by default the document's maximum.

    Raises:
        InvalidBatchError: Orders cannot be cancelled as they are given; it names each, and what is wrong with it.
        ValueError: The batch size is not one that the exchange takes.

    """
    size = MAX_ORDERS if batch_size is None else batch_size
    if not 1 <= size <= MAX_ORDERS:
        raise ValueError(f"batch_size: {batch_size} is not valid; the exchange takes 1 to {MAX_ORDERS} orders a batch")
    given = list(orders)
    groups: dict[tuple[str, bool], list[OrderTarget]] = {}
    for target in _targets(given, _checked_symbol(symbol)):
        groups.setdefault((target.key[0], target.symbol is None), []).append(target)
    batches: list[Batch] = []
    for group in groups.values():
        batches += [Batch(group[start : start + size]) for start in range(0, len(group), size)]
    batches.sort(key=lambda batch: batch.targets[0].input_indices[0])
    return Plan(given, batches)


def _checked_symbol(symbol: object) -> str | None:
    """Return the trading pair of the orders that have none; `None` if it is blank."""
    if not isinstance(symbol, str | None) or _has_surrogate(symbol or ""):
        raise InvalidBatchError((Violation("symbol", f"is {symbol!r}; give the trading pair as text"),))
    return (symbol or "").strip() or None


def check_symbol(place: str, symbol: object) -> None:
    """
    Refuse a trading pair in the notation of another program.

    Raises:
        ValueError: It contains a separator; the message suggests the exchange's notation.

    """
    problem = symbol_problem(symbol)
    if problem is not None:
        raise ValueError(f"{place}: {problem}")


def symbol_problem(symbol: object) -> str | None:
    """Return what is wrong with a trading pair in the notation of another program, with a suggestion."""
    if not isinstance(symbol, str) or not SEPARATORS.search(symbol.strip()):
        return None
    return f"{symbol!r} is not a valid symbol; did you mean {suggested_symbol(symbol)}?"


def suggested_symbol(symbol: str) -> str:
    """Return a trading pair as the exchange would write it."""
    return SEPARATORS.sub("", symbol.strip().partition(":")[0]).upper()


def _targets(orders: Iterable[object], default_symbol: str | None) -> Iterable[OrderTarget]:
    targets: dict[OrderKey, OrderTarget] = {}
    violations: list[Violation] = []
    for index, order in enumerate(orders):
        place = f"orders[{index}]"
        if not isinstance(order, OrderRef):
            problem = f"is {type(order).__name__}, not an OrderRef; make one with OrderRef.from_dict"
            violations.append(Violation(place, problem))
            continue
        fields = _fields(order)
        problems = list(order_problems(fields)) or _encoding_problems(fields)
        if problems:
            violations += [Violation(f"{place}{field}", problem) for field, problem in problems]
            continue
        notation_problem = symbol_problem(fields.get("symbol"))
        if notation_problem:
            violations.append(Violation(f"{place}.symbol", notation_problem))
            continue
        symbol = (fields.get("symbol") or "").strip() or default_symbol
        target = OrderTarget(order, fields.get("orderId"), fields.get("clientOid"), symbol)
        target = targets.setdefault(target.key, target)
        target.input_indices.append(index)
        target.symbol = target.symbol or symbol
        if symbol and symbol.upper() != str(target.symbol).upper():
            earlier = f"{target.symbol} for the same {target.key[0]} at orders[{target.input_indices[0]}]"
            violations.append(Violation(f"{place}.symbol", f"is {symbol}, and {earlier}; only one can be right"))
    if violations:
        raise InvalidBatchError(tuple(violations))
    return targets.values()


def _fields(order: OrderRef) -> dict[str, Any]:
    """Return the fields of an order that are given, by the vendor's names; `None` counts as not given."""
    values = {name: getattr(order, attribute) for name, attribute in FIELDS.items()}
    return {name: value for name, value in values.items() if value is not None and not isinstance(value, Unset)}


def _encoding_problems(fields: dict[str, Any]) -> list[tuple[str, str]]:
    problem = "contains an unpaired surrogate and cannot be encoded; remove it"
    return [(f".{name}", problem) for name, value in fields.items() if _has_surrogate(value)]


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)


def _or_unset(value: str | None) -> str | Unset:
    return UNSET if value is None else value
