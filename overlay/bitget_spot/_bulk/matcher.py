"""
From what came back for a batch to the fate of each of its orders: pure.

The lists of an answer may be null, missing, short, reordered, or hold rows for orders that nobody asked for; ids may
be numbers, null or empty. Rows are matched by id and never by position. Where an order stands in both lists its
failure counts: to call it accepted would be to believe the better half of a contradiction.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from attrs import frozen

from bitget_spot._bulk.planner import Batch
from bitget_spot._bulk.report import Status
from bitget_spot._middleware.context import Halted, Trail
from bitget_spot._middleware.responses import words
from bitget_spot.errors import ApiError, OrderNotFoundError, error_class
from bitget_spot_api.models import AcceptedOrder, BatchCancelOrdersResponse, BatchCancelOrdersResult, FailedOrder


@frozen
class Fate:
    """What became of one order of a batch."""

    status: Status
    code: str | None = None
    message: str | None = None


HALTED = "the run had ended before it could be sent"
ACCEPTED = Fate(Status.ACCEPTED)
UNMENTIONED = Fate(Status.UNKNOWN, message="the answer does not mention it")


def fates(batch: Batch, came: object, trail: Trail) -> tuple[list[Fate], list[Mapping[str, Any]]]:
    """
    Tell what became of each order of a batch.

    Args:
        batch: What was sent.
        came: The generated function's answer, or the exception that came instead.
        trail: What happened on the way.

    Returns:
        A fate for each order, in the batch's order; and the rows that belong to none of them.

    """
    if isinstance(came, BaseException):
        return [_fate_of_all(came, trail)] * len(batch.targets), []
    found: dict[tuple[str, str], Fate] = {}
    foreign: list[Mapping[str, Any]] = []
    names = _names(batch)
    for status, row in _rows(came):
        address = _match(names, row)
        if address is None:
            foreign.append(row)
        elif status is Status.ACCEPTED:
            found.setdefault(address, ACCEPTED)
        elif address not in found or found[address].status is Status.ACCEPTED:
            found[address] = _failure(_said(row.get("errorCode")), _said(row.get("errorMsg")), trail)
    return [found.get(target.address, UNMENTIONED) for target in batch.targets], foreign


def _fate_of_all(error: BaseException, trail: Trail) -> Fate:
    if isinstance(error, ApiError):
        return _failure(error.code, error.message, trail)
    message = HALTED if isinstance(error, Halted) else f"{type(error).__name__}: {error}".rstrip(": ")
    return Fate(Status.UNKNOWN if trail.doubtful else Status.NOT_SENT, message=message)


def _failure(code: str | None, message: str | None, trail: Trail) -> Fate:
    if code is not None and error_class(code) is OrderNotFoundError:
        return Fate(Status.GONE, code, message)
    # An earlier try may have cancelled the order, and then this refusal is only its echo.
    return Fate(Status.UNKNOWN if trail.doubtful else Status.REJECTED, code, message)


def _rows(answer: object) -> Iterator[tuple[Status, Mapping[str, Any]]]:
    result = answer.data if isinstance(answer, BatchCancelOrdersResponse) else None
    if isinstance(result, BatchCancelOrdersResult):
        for status, rows in ((Status.ACCEPTED, result.success_list), (Status.REJECTED, result.failure_list)):
            # The generated parser hands a list on as it is where one of its rows is not what it should be.
            for row in rows if isinstance(rows, list) else ():
                yield status, row.to_dict() if isinstance(row, AcceptedOrder | FailedOrder) else _mapping(row)


def _mapping(row: object) -> Mapping[str, Any]:
    return row if isinstance(row, Mapping) else {"row": row}


def _names(batch: Batch) -> dict[tuple[str, str], tuple[str, str]]:
    names = {target.address: target.address for target in batch.targets}
    # Labels may repeat, and then they name nothing.
    labels = Counter(target.client_oid for target in batch.targets)
    for target in batch.targets:
        if target.client_oid and labels[target.client_oid] == 1:
            names["label", target.client_oid] = target.address
    return names


def _match(names: Mapping[tuple[str, str], tuple[str, str]], row: Mapping[str, Any]) -> tuple[str, str] | None:
    order_id, client_oid = _text(row.get("orderId")), _text(row.get("clientOid"))
    if order_id and ("orderId", order_id) in names:
        return names["orderId", order_id]
    if client_oid and ("clientOid", client_oid) in names:
        return names["clientOid", client_oid]
    # A label names an order only where the row has nothing better.
    return None if order_id or not client_oid else names.get(("label", client_oid))


def _text(value: object) -> str | None:
    # Ids are looked up, mostly as they came, and never shown.
    return value or None if isinstance(value, str) else _said(value)


def _said(value: object) -> str | None:
    try:
        return None if value is None else words(value) or None
    except RecursionError:
        # The thread that parsed it may have had more room on its stack.
        return None
