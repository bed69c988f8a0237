"""
From the response to a batch to the outcome of each of its orders. Pure.

The lists of a response may be null, missing, incomplete or reordered, or contain rows for other orders; ids may be
numbers, null or empty. Rows are matched by id and never by position. If an order is in both lists, the failure counts:
of a contradiction, the worse half is the safe one to report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from attrs import frozen

from bitget_spot._bulk.planner import Batch, OrderKey, OrderTarget
from bitget_spot._bulk.recovery import EXPECTED_ERRORS, UNSEEN_ERRORS, is_temporary
from bitget_spot._bulk.report import Outcome, Status
from bitget_spot._middleware.context import RequestContext, RunStopped, may_have_been_executed
from bitget_spot._middleware.responses import printable
from bitget_spot.errors import ApiError, OrderNotFoundError, error_class
from bitget_spot_api.models import AcceptedOrder, BatchCancelOrdersResponse, BatchCancelOrdersResult, FailedOrder

STOPPED: Final = "the run ended before it could be sent"
INTERRUPTED: Final = "the run ended before its response came"
UNMENTIONED: Final = "the response does not mention it"
LABEL: Final = "label"
"""The kind of a clientOid next to an orderId: it does not address the order, but a row may have nothing else."""


@frozen
class MatchedBatch:
    """
    What a response says about a batch.

    Attributes:
        outcomes: One outcome for each order, in the order of the batch. An order that the exchange was too busy for is
            unknown, and its error is temporary.
        unmatched: The rows that belong to none of them.

    """

    outcomes: list[Outcome]
    unmatched: list[Mapping[str, Any]]


@frozen
class _Row:
    """One row of a response, and the list that it is in."""

    accepted: bool
    fields: Mapping[str, Any]


def match_response(batch: Batch, result: object, context: RequestContext) -> MatchedBatch:
    """
    Return the outcome of each order of a batch.

    Args:
        batch: What was sent.
        result: The generated function's return value, or the exception that it raised.
        context: What happened on the way.

    """
    if isinstance(result, BaseException):
        if isinstance(result, EXPECTED_ERRORS):
            # Its traceback would keep the request and the response alive as long as the report.
            result.__traceback__ = result.__context__ = result.__cause__ = None
        return MatchedBatch([_outcome_of_error(target, result, context) for target in batch.targets], [])
    rows: dict[OrderKey, _Row] = {}
    unmatched: list[Mapping[str, Any]] = []
    keys = _keys_by_id(batch)
    for row in _rows(result):
        key = _match(keys, row.fields)
        if key is None:
            unmatched.append(row.fields)
        elif key not in rows or (rows[key].accepted and not row.accepted):
            rows[key] = row
    outcomes = [_outcome_of_row(target, rows.get(target.key), context) for target in batch.targets]
    return MatchedBatch(outcomes, unmatched)


def _outcome_of_error(target: OrderTarget, error: BaseException, context: RequestContext) -> Outcome:
    if isinstance(error, UNSEEN_ERRORS) and not context.maybe_executed:
        return _outcome_of_code(target, Status.NOT_SENT, error, context)
    if isinstance(error, ApiError):
        return _failure(target, error, context)
    # The retry middleware does not see interrupts and cancelled tasks.
    executed = context.maybe_executed or may_have_been_executed(context.attempt, error)
    status = Status.UNKNOWN if executed else Status.NOT_SENT
    if isinstance(error, RunStopped):
        return Outcome(target.order, status, message=STOPPED, attempts=context.attempts)
    if not isinstance(error, Exception):
        return Outcome(target.order, status, message=INTERRUPTED, attempts=context.attempts)
    message = f"{type(error).__name__}: {error}".rstrip(": ")
    return Outcome(target.order, status, message=message, attempts=context.attempts, error=error)


def _outcome_of_row(target: OrderTarget, row: _Row | None, context: RequestContext) -> Outcome:
    if row is None:
        return Outcome(target.order, Status.UNKNOWN, message=UNMENTIONED, attempts=context.attempts)
    if row.accepted:
        return Outcome(target.order, Status.ACCEPTED, attempts=context.attempts)
    code = _optional_text(row.fields.get("errorCode")) or ""
    message = _optional_text(row.fields.get("errorMsg")) or ""
    error = error_class(code)(code, message, HTTPStatus.OK)
    if is_temporary(error):
        return _outcome_of_code(target, Status.UNKNOWN, error, context)
    return _failure(target, error, context)


def _failure(target: OrderTarget, error: ApiError, context: RequestContext) -> Outcome:
    if isinstance(error, OrderNotFoundError):
        status = Status.GONE
    elif context.maybe_executed:
        # An earlier attempt may have cancelled the order, and this error may only be its consequence.
        status = Status.UNKNOWN
    else:
        status = Status.REJECTED
    return _outcome_of_code(target, status, error, context)


def _outcome_of_code(target: OrderTarget, status: Status, error: ApiError, context: RequestContext) -> Outcome:
    return Outcome(
        target.order,
        status,
        code=error.code or None,
        message=error.message or None,
        attempts=context.attempts,
        error=error,
    )


def _rows(response: object) -> Iterator[_Row]:
    result = response.data if isinstance(response, BatchCancelOrdersResponse) else None
    if not isinstance(result, BatchCancelOrdersResult):
        return
    for accepted, rows in ((True, result.success_list), (False, result.failure_list)):
        # The generated parser returns a list as it is if one of its rows is malformed.
        if isinstance(rows, list):
            for row in rows:
                yield _Row(accepted, _as_mapping(row))


def _as_mapping(row: object) -> Mapping[str, Any]:
    if isinstance(row, AcceptedOrder | FailedOrder):
        return row.to_dict()
    return row if isinstance(row, Mapping) else {"row": row}


def _keys_by_id(batch: Batch) -> dict[OrderKey, OrderKey]:
    """Return the key of an order by each id that a row may have for it."""
    keys = {target.key: target.key for target in batch.targets}
    # Labels may repeat, and then they identify nothing.
    labels = Counter(target.client_oid for target in batch.targets)
    for target in batch.targets:
        if target.client_oid and labels[target.client_oid] == 1:
            keys[LABEL, target.client_oid] = target.key
    return keys


def _match(keys: Mapping[OrderKey, OrderKey], row: Mapping[str, Any]) -> OrderKey | None:
    order_id = _id_text(row.get("orderId"))
    client_oid = _id_text(row.get("clientOid"))
    if order_id and ("orderId", order_id) in keys:
        return keys["orderId", order_id]
    if client_oid and ("clientOid", client_oid) in keys:
        return keys["clientOid", client_oid]
    # A label counts only if the row has no orderId.
    if client_oid and not order_id:
        return keys.get((LABEL, client_oid))
    return None


def _id_text(value: object) -> str | None:
    # Ids are only compared, and most of them are text.
    return value or None if isinstance(value, str) else _optional_text(value)


def _optional_text(value: object) -> str | None:
    try:
        return None if value is None else printable(value) or None
    except RecursionError:
        # Nested so deeply that it parsed in a thread with more room on its stack.
        return None
