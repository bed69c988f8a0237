"""
From the response to a cancel to the outcome of each of its orders. Pure.

The lists of a response may be null, missing, incomplete or reordered, or contain rows for other orders; ids may be
numbers, null or empty. Rows are matched by id and never by position. If an order is in both lists, the failure counts:
of a contradiction, the worse half is the safe one to report.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final

from attrs import frozen

from bitget_spot._bulk.accounts import OTHER_KIND_CODES, Row
from bitget_spot._bulk.accounts.base import optional_text
from bitget_spot._bulk.orders import OrderKey, OrderTarget
from bitget_spot._bulk.recovery import EXPECTED_ERRORS, UNSEEN_ERRORS, is_temporary
from bitget_spot._bulk.report import Outcome, Status
from bitget_spot._middleware.context import RequestContext, RunStopped, may_have_been_executed
from bitget_spot.errors import ApiError, CancelInProgressError, OrderNotFoundError

STOPPED: Final = "the run ended before it could be sent"
INTERRUPTED: Final = "the run ended before its response came"
UNMENTIONED: Final = "the response does not mention it"
OTHER_KIND: Final = "not found, or a TP/SL or trigger order, which only cancel_open_orders cancels"
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


def match_rows(targets: Iterable[OrderTarget], rows: Iterable[Row], context: RequestContext) -> MatchedBatch:
    """
    Return the outcome of each order of a request that the exchange has responded to.

    Args:
        targets: The orders.
        rows: What the response says about single orders.
        context: What happened on the way.

    """
    targets = list(targets)
    keys = _keys_by_id(targets)
    matched: dict[OrderKey, Row] = {}
    unmatched: list[Mapping[str, Any]] = []
    for row in rows:
        key = _match(keys, row)
        if key is None:
            unmatched.append(row.fields)
        elif key not in matched or (matched[key].error is None and row.error is not None):
            matched[key] = row
    attempts = context.attempts
    outcomes = []
    for target in targets:
        matching = matched.get(target.key)
        if matching is not None and matching.error is None:
            outcomes.append(Outcome(target.order, Status.ACCEPTED, attempts=target.earlier_attempts + attempts))
        else:
            outcomes.append(_outcome_of_failed_row(target, matching, context))
    return MatchedBatch(outcomes, unmatched)


def match_error(targets: Iterable[OrderTarget], error: BaseException, context: RequestContext) -> MatchedBatch:
    """
    Return the outcome of each order of a request that ended in an exception.

    Args:
        targets: The orders.
        error: The exception of the generated function.
        context: What happened on the way.

    """
    if isinstance(error, EXPECTED_ERRORS):
        # Its traceback would keep the request and the response alive as long as the report.
        error.__traceback__ = error.__context__ = error.__cause__ = None
    targets = list(targets)
    if isinstance(error, CancelInProgressError) and len(targets) == 1:
        # The exchange has the cancel of an earlier request.
        return MatchedBatch([_outcome(targets[0], Status.ACCEPTED, context)], [])
    return MatchedBatch([_outcome_of_error(target, error, context) for target in targets], [])


def _outcome_of_error(target: OrderTarget, error: BaseException, context: RequestContext) -> Outcome:
    maybe_executed = context.maybe_executed or target.maybe_executed
    if isinstance(error, UNSEEN_ERRORS) and not maybe_executed:
        return _outcome_of_code(target, Status.NOT_SENT, error, context)
    if isinstance(error, ApiError):
        return _failure(target, error, context)
    # The retry middleware does not see interrupts and cancelled tasks.
    executed = maybe_executed or may_have_been_executed(context.attempt, error)
    status = Status.UNKNOWN if executed else Status.NOT_SENT
    if isinstance(error, RunStopped):
        return _outcome(target, status, context, message=STOPPED)
    if not isinstance(error, Exception):
        return _outcome(target, status, context, message=INTERRUPTED)
    message = f"{type(error).__name__}: {error}".rstrip(": ")
    return _outcome(target, status, context, message=message, error=error)


def _outcome_of_failed_row(target: OrderTarget, row: Row | None, context: RequestContext) -> Outcome:
    if row is None or row.error is None:
        return _outcome(target, Status.UNKNOWN, context, message=UNMENTIONED)
    if is_temporary(row.error):
        return _outcome_of_code(target, Status.UNKNOWN, row.error, context)
    return _failure(target, row.error, context)


def _failure(target: OrderTarget, error: ApiError, context: RequestContext) -> Outcome:
    if isinstance(error, OrderNotFoundError):
        status = Status.GONE
    elif context.maybe_executed or target.maybe_executed:
        # An earlier attempt may have cancelled the order, and this error may only be its consequence.
        status = Status.UNKNOWN
    else:
        status = Status.REJECTED
    return _outcome_of_code(target, status, error, context)


def _outcome_of_code(target: OrderTarget, status: Status, error: ApiError, context: RequestContext) -> Outcome:
    message = error.message or None
    if error.code in OTHER_KIND_CODES:
        message = f"{message or 'no message'} ({OTHER_KIND})"
    return _outcome(target, status, context, code=error.code or None, message=message, error=error)


def _outcome(
    target: OrderTarget,
    status: Status,
    context: RequestContext,
    *,
    code: str | None = None,
    message: str | None = None,
    error: Exception | None = None,
) -> Outcome:
    attempts = target.earlier_attempts + context.attempts
    return Outcome(target.order, status, code=code, message=message, attempts=attempts, error=error)


def _keys_by_id(targets: list[OrderTarget]) -> dict[OrderKey, OrderKey]:
    """Return the key of an order by each id that a row may have for it."""
    keys = {key: key for key in (target.key for target in targets)}
    # Labels may repeat, and then they identify nothing.
    labels = Counter(target.client_oid for target in targets if target.client_oid)
    if not labels:
        return keys
    for target in targets:
        if target.client_oid and labels[target.client_oid] == 1:
            keys[LABEL, target.client_oid] = target.key
    return keys


def _match(keys: Mapping[OrderKey, OrderKey], row: Row) -> OrderKey | None:
    if isinstance(row.order_id, str) and ("orderId", row.order_id) in keys:
        return keys["orderId", row.order_id]  # nearly always
    order_id = _id_text(row.order_id)
    client_oid = _id_text(row.client_oid)
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
    return value or None if isinstance(value, str) else optional_text(value)
