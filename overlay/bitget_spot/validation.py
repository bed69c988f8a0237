"""
The first link: a batch the exchange would refuse or half-fail never leaves.

The document says how long the list and what a mode may be; what the document cannot say stands here. In a batch that
mixes the two kinds of identifier the exchange fails the orders that carry only a `clientOid` (vendor's page, since
November 2025), and of two contradicting symbols it ignores one without a word.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final

import httpx

from bitget_spot._middleware.base import Flow, Link, body_of, operation_of
from bitget_spot.errors import InvalidBatchError, Violation
from bitget_spot_api.models.batch_mode import BATCH_MODE_VALUES
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

MAX_ORDERS: Final = BATCH_CANCEL_ORDERS.max_items["orderList"]
MODES: Final = tuple(sorted(BATCH_MODE_VALUES, reverse=True))
SHOWN: Final = 40
"""How much of a wrong value a message shows."""
IDS: Final = ("orderId", "clientOid")

Orders = Mapping[int, Mapping[str, Any]]


class Consistency(Link):
    """Refuses an inconsistent batch, whoever built it, before any wait and before any byte is sent."""

    def flow(self, request: httpx.Request) -> Flow:
        content = yield from body_of(request)
        if operation_of(request) is BATCH_CANCEL_ORDERS:
            found = violations_of(content)
            if found:
                raise InvalidBatchError(found)
        response: httpx.Response = yield request
        return response


def violations_of(content: bytes) -> tuple[Violation, ...]:
    """Tell everything that is wrong with the bytes of a batch cancel."""
    try:
        body = json.loads(content, parse_constant=_no_json)
        # A colon for every key that is left: then no key was given twice. Cheaper than looking at each object.
        twice = () if content.count(b":") == _keys(body) else _given_twice(content)
    except (ValueError, RecursionError):
        return (Violation("body", "is not JSON; send a JSON object with an orderList"),)
    # Nobody knows which of the two the exchange would read.
    repeats = tuple(Violation(name, "is given twice in one object; give it once") for name in twice)
    return (*repeats, *violations(body))


def violations(body: object) -> tuple[Violation, ...]:
    """
    Tell everything that is wrong with the body of a batch cancel.

    Args:
        body: The body as plain JSON data, of whatever shape.

    Returns:
        Every violation with its place; empty for a batch that may be sent.

    """
    if not isinstance(body, dict):
        return (Violation("body", "is not a JSON object; send one with an orderList"),)
    return () if _is_usual(body) else tuple(_violations(body))


def problems_of_order(order: object) -> Iterator[tuple[str, str]]:
    """Tell what is wrong with one order by itself: the field, empty for the whole, and the problem."""
    if not isinstance(order, dict):
        yield "", f"is {type(order).__name__}, not an object; give an orderId or a clientOid"
        return
    if not any(name in order for name in IDS):
        yield "", "has neither orderId nor clientOid; give one of them"
    for name in IDS:
        value = order.get(name, "absent")
        if not isinstance(value, str):
            yield f".{name}", f"is {_shown(value)}; give it as text, or leave it out"
        elif not value.strip():
            yield f".{name}", "is blank; fill it in, or leave it out"
    if not isinstance(order.get("symbol"), str | None):
        yield ".symbol", f"is {_shown(order['symbol'])}; give the trading pair as text"


def _violations(body: Mapping[str, Any]) -> Iterator[Violation]:
    mode, symbol, orders = (
        body.get("batchMode", "single"),
        body.get("symbol"),
        body.get("orderList"),
    )
    if mode not in MODES:
        yield Violation("batchMode", f"is {_shown(mode)}; say {' or '.join(MODES)}, or leave it out")
    if not isinstance(symbol, str | None):
        yield Violation("symbol", f"is {_shown(symbol)}; give the trading pair as text")
    if not isinstance(orders, list):
        yield Violation("orderList", "is missing or not a list; give the orders to cancel")
        return
    if not orders:
        yield Violation("orderList", "holds no orders; give at least one")
    if len(orders) > MAX_ORDERS:
        yield Violation("orderList", f"holds {len(orders)} orders, {MAX_ORDERS} at most; split it")
    for index, order in enumerate(orders):
        for field, problem in problems_of_order(order):
            yield Violation(f"{_place(index)}{field}", problem)
    whole = {index: order for index, order in enumerate(orders) if isinstance(order, dict)}
    yield from _mixed(whole)
    yield from _twice(whole)
    yield from _symbols(whole, mode, symbol)


def _is_usual(body: Mapping[str, Any]) -> bool:
    """Tell quickly that nothing can be wrong with a batch: single mode, ids of the same kind and nothing else."""
    if body.get("batchMode", "single") != "single" or not isinstance(body.get("symbol"), str | None):
        return False
    try:
        orders = body["orderList"]
        names = set().union(*orders)
        addressed_by = IDS[0] if IDS[0] in names else IDS[1]
        ids = {order[addressed_by] for order in orders}
        values = chain.from_iterable(map(dict.values, orders))
        return names.issubset(IDS) and 0 < len(ids) == len(orders) <= MAX_ORDERS and all(map(str.strip, values))
    except (LookupError, TypeError):
        return False


def _mixed(orders: Orders) -> Iterator[Violation]:
    by_order_id = next((index for index, order in orders.items() if isinstance(order.get("orderId"), str)), None)
    if by_order_id is None:
        return
    for index, order in orders.items():
        if "orderId" not in order and "clientOid" in order:
            yield Violation(
                _place(index),
                f"carries only a clientOid while {_place(by_order_id)} is addressed by orderId, so the "
                "exchange would not cancel it; give its orderId, or send it in a batch of its own",
            )


def _twice(orders: Orders) -> Iterator[Violation]:
    # A clientOid beside an orderId is a label, and labels may repeat.
    first: dict[object, int] = {}
    for index, order in orders.items():
        name = "orderId" if isinstance(order.get("orderId"), str) else "clientOid"
        value = order.get(name)
        if isinstance(value, str) and first.setdefault((name, value), index) != index and value.strip():
            yield Violation(_place(index), f"has the {name} of {_place(first[name, value])}; give each order once")


def _symbols(orders: Orders, mode: object, symbol: object) -> Iterator[Violation]:
    given = _symbol(symbol)
    named = {index: name for index, order in orders.items() if "symbol" in order and (name := _symbol(order["symbol"]))}
    if mode == "multiple":
        for index in (index for index in orders if index not in named):
            yield Violation(_place(index), "lacks its symbol, which multiple mode needs; give it")
    elif mode == "single" and named and not given and isinstance(symbol, str | None):
        yield Violation(
            "symbol",
            f"is missing, and single mode ignores the symbol of {_place(next(iter(named)))}; "
            "give it here, or say batchMode multiple",
        )
    if given and mode in MODES:
        ignored = "the request's" if mode == "multiple" else "the order's"
        for index, name in named.items():
            if name.upper() != given.upper():
                yield Violation(
                    f"{_place(index)}.symbol",
                    f"is {name} while the request's symbol is {given}, and {mode} mode "
                    f"silently ignores {ignored}; make them agree, or leave one out",
                )


def _place(index: int) -> str:
    return f"orderList[{index}]"


def _keys(body: object) -> int:
    try:
        return len(body) + sum(map(len, body["orderList"]))  # type: ignore[arg-type, index]
    except (KeyError, TypeError):
        return -1


def _given_twice(content: bytes) -> tuple[str, ...]:
    twice: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        counts = Counter(key for key, _ in pairs)
        twice.extend(key for key, count in counts.items() if count > 1)

    json.loads(content, object_pairs_hook=look)
    return tuple(twice)


def _no_json(name: str) -> None:
    raise ValueError(name)


def _symbol(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""


def _shown(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except RecursionError:
        text = type(value).__name__
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
