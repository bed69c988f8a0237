"""
From any number of orders to the fewest batches that the exchange takes. Pure: nothing is sent.

Orders addressed by `orderId` and by `clientOid` are never in one batch. What else the orders of a batch have in common
depends on the type of the account.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Sequence
from typing import Any, Final

from attrs import evolve, frozen

from bitget_spot._bulk.accounts import Account, AccountSelection, Call
from bitget_spot._bulk.orders import OrderKey, OrderTarget
from bitget_spot._bulk.report import Outcome, Status
from bitget_spot.errors import InvalidBatchError, Violation
from bitget_spot.validation import order_problems
from bitget_spot_api.models import OrderRef
from bitget_spot_api.types import UNSET, Unset

FIELDS: Final = {"orderId": "order_id", "clientOid": "client_oid", "symbol": "symbol"}
"""The fields of an order: the vendor's name, and the attribute's."""

SEPARATORS: Final = re.compile(r"[/_:\s-]")
"""Characters between the coins of a trading pair in other notations, such as BTC/USDT; the exchange writes BTCUSDT."""
SYMBOL_MISSING: Final = "a unified account needs the symbol of each order; give it"


@frozen
class Batch:
    """Orders that travel in one request, all addressed by the same kind of identifier."""

    account: Account
    targets: list[OrderTarget]

    @property
    def id_field(self) -> str:
        """The kind of identifier that addresses the orders."""
        return self.targets[0].key[0]

    def call(self) -> Call:
        """Return the call that sends it; its body is a new one at each call."""
        return self.account.cancel_batch(self.targets)


@frozen
class Plan:
    """The orders as given, and each of them once."""

    orders: list[OrderRef]
    targets: list[OrderTarget]


def plan_orders(orders: Iterable[OrderRef], symbol: str | None, selection: AccountSelection) -> Plan:
    """
    Check orders, and find those that were given several times.

    Args:
        orders: The orders to cancel.
        symbol: The trading pair of the orders that have none.
        selection: The account. If it needs the trading pairs, and its type was stated, each order must have one.

    Raises:
        InvalidBatchError: Orders cannot be cancelled as they are given; it names each, and what is wrong with it.

    """
    given = list(orders)
    targets = _targets(given, _checked_symbol(symbol))
    if selection.is_stated:
        violations = [
            Violation(f"orders[{target.input_indices[0]}].symbol", f"is missing, and {SYMBOL_MISSING}")
            for target in targets
            if _lacks_symbol(selection.account, target)
        ]
        if violations:
            raise InvalidBatchError(tuple(violations))
    return Plan(given, targets)


def checked_batch_size(batch_size: int | None, selection: AccountSelection) -> int | None:
    """
    Return the batch size that was given.

    Raises:
        ValueError: It is not one that the exchange takes.

    """
    maximum = selection.max_batch_size
    if batch_size is not None and not 1 <= batch_size <= maximum:
        raise ValueError(f"batch_size: {batch_size} is not valid; the exchange takes 1 to {maximum} orders a batch")
    return batch_size


def set_aside(account: Account, targets: Iterable[OrderTarget]) -> tuple[list[OrderTarget], list[OrderTarget]]:
    """
    Separate the orders that can be sent for this account from those that cannot.

    Returns:
        The orders that can be sent; and those that cannot, each with an outcome that says why.

    """
    sendable = []
    unsendable = []
    for target in targets:
        if _lacks_symbol(account, target):
            outcome = target.outcome or Outcome(target.order, Status.NOT_SENT)
            target.outcome = evolve(outcome, message=SYMBOL_MISSING)
            unsendable.append(target)
        else:
            sendable.append(target)
    return sendable, unsendable


def batches_of(account: Account, targets: Iterable[OrderTarget], batch_size: int | None) -> list[Batch]:
    """
    Distribute orders over the fewest batches, in the order of the input.

    Args:
        account: The account that they are for.
        targets: The orders.
        batch_size: The most orders in a batch; by default, and at most, the document's maximum for the account.

    """
    size = min(batch_size or account.max_orders, account.max_orders)
    groups: dict[Hashable, list[OrderTarget]] = {}
    for target in targets:
        groups.setdefault((target.key[0], account.group_of(target)), []).append(target)
    batches = [Batch(account, part) for group in groups.values() for part in parts_of(group, size)]
    batches.sort(key=lambda batch: batch.targets[0].input_indices[0])
    return batches


def parts_of(targets: Sequence[OrderTarget], size: int) -> list[list[OrderTarget]]:
    """Divide orders into parts of this size; the last part has the rest."""
    return [list(targets[start : start + size]) for start in range(0, len(targets), size)]


def _lacks_symbol(account: Account, target: OrderTarget) -> bool:
    return account.needs_symbols and target.symbol is None


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


def _targets(orders: Iterable[object], default_symbol: str | None) -> list[OrderTarget]:
    targets: dict[OrderKey, OrderTarget] = {}
    violations: list[Violation] = []
    for index, order in enumerate(orders):
        problems = _order_problems(order)
        if not isinstance(order, OrderRef) or problems:
            violations += [Violation(f"orders[{index}]{field}", problem) for field, problem in problems]
            continue
        contradiction = _add(targets, index, order, default_symbol)
        if contradiction is not None:
            violations.append(Violation(f"orders[{index}].symbol", contradiction))
    if violations:
        raise InvalidBatchError(tuple(violations))
    return list(targets.values())


def _add(targets: dict[OrderKey, OrderTarget], index: int, order: OrderRef, default_symbol: str | None) -> str | None:
    """Add an order to those that were given before; return how it contradicts one of them."""
    order_id = _given(order.order_id)
    client_oid = _given(order.client_oid)
    symbol = (_given(order.symbol) or "").strip() or default_symbol
    key = ("orderId", order_id) if order_id is not None else ("clientOid", str(client_oid))
    target = targets.get(key)
    if target is None:
        targets[key] = OrderTarget(order, order_id, client_oid, symbol, [index])
        return None
    target.input_indices.append(index)
    target.symbol = target.symbol or symbol
    if not symbol or symbol.upper() == str(target.symbol).upper():
        return None
    first = f"orders[{target.input_indices[0]}]"
    return f"is {symbol}, and {target.symbol} for the same {key[0]} at {first}; only one can be right"


def _given(value: str | Unset | None) -> str | None:
    """Return a field of an order; `None` counts as not given."""
    return None if isinstance(value, Unset) else value


def _order_problems(order: object) -> list[tuple[str, str]]:
    """Return what is wrong with an order by itself: the field, empty for the whole order, and the problem."""
    if not isinstance(order, OrderRef):
        return [("", f"is {type(order).__name__}, not an OrderRef; {_order_ref_hint(order)}")]
    if _is_plain(order):
        return []
    values = {name: getattr(order, attribute) for name, attribute in FIELDS.items()}
    fields = {name: value for name, value in values.items() if value is not None and not isinstance(value, Unset)}
    problems = list(order_problems(fields)) or _encoding_problems(fields)
    notation_problem = None if problems else symbol_problem(fields.get("symbol"))
    return problems if notation_problem is None else [(".symbol", notation_problem)]


def _order_ref_hint(order: object) -> str:
    if isinstance(order, str) and order.isprintable():
        return f"give OrderRef(order_id={order!r})"
    return "make one with OrderRef.from_dict"


def _is_plain(order: OrderRef) -> bool:
    """
    Return whether an order is of the most common form and correct: ids of printable text, and a symbol without separators.

    It saves two thirds of the time that planning takes (`make bench-cpu`), and changes no result.
    """
    symbol = order.symbol
    if symbol is not UNSET and not (isinstance(symbol, str) and symbol.isalnum()):
        return False
    if order.order_id is UNSET:
        return _is_plain_id(order.client_oid)
    return _is_plain_id(order.order_id) and (order.client_oid is UNSET or _is_plain_id(order.client_oid))


def _is_plain_id(value: object) -> bool:
    return isinstance(value, str) and value.isprintable() and not value.isspace() and value != ""


def _encoding_problems(fields: dict[str, Any]) -> list[tuple[str, str]]:
    problem = "contains an unpaired surrogate and cannot be encoded; remove it"
    return [(f".{name}", problem) for name, value in fields.items() if _has_surrogate(value)]


def _has_surrogate(text: str) -> bool:
    return not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text)
