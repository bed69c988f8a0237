"""
From any number of orders to the fewest batches the exchange takes: pure, nothing is sent.

Orders addressed by `orderId` and by `clientOid` never share a batch. Orders whose trading pair is known travel
together, in single mode where they agree and in multiple mode where they do not; those without travel by themselves,
in single mode without a symbol, which the vendor's page allows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from attrs import Factory, define, frozen

from bitget_spot.errors import InvalidBatchError, Violation
from bitget_spot.validation import MAX_ORDERS, problems_of_order
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef
from bitget_spot_api.types import UNSET, Unset

FIELDS: Final = {"orderId": "order_id", "clientOid": "client_oid", "symbol": "symbol"}


@define
class Target:
    """
    One order to cancel, however often it was given.

    Attributes:
        order_id: The exchange's id, if it was given; it is what addresses the order then.
        client_oid: The client's id, if it was given.
        symbol: The trading pair, if it is known.
        places: Where the order stands among those given.

    """

    order_id: str | None
    client_oid: str | None
    symbol: str | None
    places: list[int] = Factory(list)

    @property
    def address(self) -> tuple[str, str]:
        """What the exchange finds it by: the kind of identifier, and the identifier."""
        return ("clientOid", str(self.client_oid)) if self.order_id is None else ("orderId", self.order_id)


@frozen
class Batch:
    """
    Orders that travel in one request.

    Attributes:
        targets: The orders, all addressed by the same kind of identifier.

    """

    targets: list[Target]

    def request(self) -> BatchCancelOrdersRequest:
        """Make the body that is sent; a fresh one at each call."""
        symbols = {target.symbol for target in self.targets}
        agreed = symbols.pop() if len(symbols) == 1 else None
        multiple = agreed is None and None not in symbols and bool(symbols)
        return BatchCancelOrdersRequest(
            symbol=_or_unset(agreed),
            batch_mode="multiple" if multiple else "single",
            order_list=[
                OrderRef(
                    symbol=_or_unset(target.symbol if multiple else None),
                    order_id=_or_unset(target.order_id),
                    client_oid=_or_unset(target.client_oid),
                )
                for target in self.targets
            ],
        )


def batches(
    orders: Iterable[OrderRef], symbol: str | None, batch_size: int | None
) -> tuple[list[OrderRef], list[Batch]]:
    """
    Distribute orders over the fewest batches, in the order in which they were given.

    Args:
        orders: The orders to cancel.
        symbol: The trading pair of those that name none.
        batch_size: The most orders in a batch; without it what the document allows.

    Returns:
        The orders as given, and the batches.

    Raises:
        InvalidBatchError: Names every order that cannot be cancelled as it is given, and what is wrong with it.
        ValueError: The batch size is not one that the exchange takes.

    """
    size = MAX_ORDERS if batch_size is None else batch_size
    if not 1 <= size <= MAX_ORDERS:
        raise ValueError(f"batch_size is {batch_size}; the exchange takes 1 to {MAX_ORDERS} orders a batch")
    if not isinstance(symbol, str | None) or _is_half(symbol or ""):
        raise InvalidBatchError((Violation("symbol", f"is {symbol!r}; give the trading pair as text"),))
    symbol = (symbol or "").strip() or None
    given = list(orders)
    groups: dict[tuple[str, bool], list[Target]] = {}
    for target in _targets(given, symbol):
        groups.setdefault((target.address[0], target.symbol is None), []).append(target)
    found = [Batch(group[start : start + size]) for group in groups.values() for start in range(0, len(group), size)]
    return given, sorted(found, key=lambda batch: batch.targets[0].places[0])


def _targets(given: Iterable[object], symbol: str | None) -> Iterable[Target]:
    targets: dict[tuple[str, str], Target] = {}
    violations: list[Violation] = []
    for index, order in enumerate(given):
        if not isinstance(order, OrderRef):
            problem = f"is {type(order).__name__}, not an OrderRef; make one with OrderRef.from_dict"
            violations.append(Violation(f"orders[{index}]", problem))
            continue
        fields = _fields(order)
        problems = list(problems_of_order(fields)) or [
            (f".{name}", "holds half a character, which cannot be sent; give it whole")
            for name, value in fields.items()
            if _is_half(value)
        ]
        if problems:
            violations += [Violation(f"orders[{index}]{field}", problem) for field, problem in problems]
            continue
        named = (fields.get("symbol") or "").strip() or symbol
        target = Target(fields.get("orderId"), fields.get("clientOid"), named)
        known = targets.setdefault(target.address, target)
        known.places.append(index)
        known.symbol = known.symbol or named
        if named and named.upper() != str(known.symbol).upper():
            problem = f"is {named}, and {known.symbol} for the same {target.address[0]} at orders[{known.places[0]}]"
            violations.append(Violation(f"orders[{index}].symbol", f"{problem}; only one can be right"))
    if violations:
        raise InvalidBatchError(tuple(violations))
    return targets.values()


def _fields(order: OrderRef) -> dict[str, Any]:
    # None means absent, and an UNSET that comes out of a pickle may be another object than the one that is left out.
    values = {name: getattr(order, attribute) for name, attribute in FIELDS.items()}
    return {name: value for name, value in values.items() if value is not None and not isinstance(value, Unset)}


def _is_half(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= sign <= "\udfff" for sign in text)


def _or_unset(value: str | None) -> str | Unset:
    return UNSET if value is None else value
