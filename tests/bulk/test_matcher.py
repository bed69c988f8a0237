"""From the response to a batch to the outcome of each of its orders."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final, TypeAlias

import httpx
import pytest

from bitget_spot import (
    ApiError,
    AuthenticationError,
    ClockError,
    InvalidResponseError,
    OrderNotFoundError,
    OrderStateError,
    Outcome,
    PermissionDeniedError,
    RateLimitedError,
    Status,
    SystemBusyError,
    WrongEnvironmentError,
)
from bitget_spot._bulk.accounts import Account, AccountSelection, account_of
from bitget_spot._bulk.matcher import INTERRUPTED, STOPPED, UNMENTIONED, MatchedBatch, match_error, match_rows
from bitget_spot._bulk.orders import OrderTarget
from bitget_spot._bulk.planner import plan_orders
from bitget_spot._middleware.context import Attempt, RequestContext, RunStopped
from bitget_spot.errors import error_class
from bitget_spot_api.models import BatchCancelOrdersResponse, ErrorResponse, OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, ERROR_CODES

VERSION: Final = BATCH_CANCEL_ORDERS.api_version
GONE_CODES: Final = (*ERROR_CODES[VERSION]["gone"], *ERROR_CODES[VERSION]["gone-or-other-kind"])
BUSY_CODES: Final = (*ERROR_CODES["gateway"]["system-busy"], *ERROR_CODES["gateway"]["rate-limit"])
Targets: TypeAlias = list[OrderTarget]
CLASSIC: Final[Account] = account_of("classic", "SPOT")


def target(order_id: str | None = None, client_oid: str | None = None) -> OrderTarget:
    """Return an order to cancel, with these ids."""
    return OrderTarget(OrderRef(order_id="as given"), order_id, client_oid, None)


def by_order_id(*order_ids: str) -> Targets:
    """Return a batch of orders addressed by orderId."""
    return [target(order_id) for order_id in order_ids]


def by_client_oid(*client_oids: str) -> Targets:
    """Return a batch of orders addressed by clientOid."""
    return [target(client_oid=client_oid) for client_oid in client_oids]


def sent_once(*, maybe_executed: bool = False) -> RequestContext:
    """Return the context of a request that has been sent once."""
    return RequestContext(attempt=Attempt(reached_transport=True), maybe_executed=maybe_executed)


def response(data: Any) -> BatchCancelOrdersResponse:
    """Return what the generated function returns for a success with this `data`."""
    return BatchCancelOrdersResponse.from_dict({"code": "00000", "msg": "success", "requestTime": 1, "data": data})


def success_row(order_id: Any = None, client_oid: Any = None) -> dict[str, Any]:
    """Return a row of successList."""
    return {"orderId": order_id, "clientOid": client_oid}


def failure_row(order_id: Any = None, client_oid: Any = None, code: Any = "43011") -> dict[str, Any]:
    """Return a row of failureList."""
    return {"orderId": order_id, "clientOid": client_oid, "errorCode": code, "errorMsg": "no"}


def match_result(batch: Targets, result: object, context: RequestContext) -> MatchedBatch:
    """Match what the generated function of a classic account returned or raised."""
    if isinstance(result, BaseException):
        return match_error(batch, result, context)
    return match_rows(batch, CLASSIC.cancel_rows(result), context)


def match_data(batch: Targets, data: Any, *, maybe_executed: bool = False) -> MatchedBatch:
    """Match a success with this `data`."""
    return match_result(batch, response(data), sent_once(maybe_executed=maybe_executed))


def statuses(batch: Targets, data: Any) -> list[Status]:
    """Return the status of each order after a success without foreign rows."""
    matched = match_data(batch, data)
    assert matched.unmatched == []
    return [outcome.status for outcome in matched.outcomes]


def outcome_of_row(row: dict[str, Any], *, maybe_executed: bool = False) -> Outcome:
    """Return the outcome of order 1 after a response with this row in failureList and no other."""
    matched = match_data(by_order_id("1"), {"failureList": [row]}, maybe_executed=maybe_executed)
    assert matched.unmatched == []
    (outcome,) = matched.outcomes
    return outcome


def not_sent() -> RequestContext:
    """Return the context of a request that has not been sent."""
    return RequestContext(attempt=Attempt(failed_before_sending=True))


def outcome_of_error(error: Exception, *, maybe_executed: bool = False) -> Outcome:
    """Return the outcome of order 1 after its request ended in this error."""
    matched = match_result(by_order_id("1"), error, sent_once(maybe_executed=maybe_executed))
    assert matched.unmatched == []
    (outcome,) = matched.outcomes
    return outcome


BOTH_ACCEPTED: Final = [Status.ACCEPTED, Status.ACCEPTED]
BOTH_UNKNOWN: Final = [Status.UNKNOWN, Status.UNKNOWN]
FIRST_ACCEPTED: Final = [Status.ACCEPTED, Status.UNKNOWN]
ONE_AND_TWO: Final = [success_row("1"), success_row("2")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param({"successList": ONE_AND_TWO, "failureList": []}, BOTH_ACCEPTED, id="all accepted"),
        pytest.param({"successList": ONE_AND_TWO}, BOTH_ACCEPTED, id="one list missing"),
        pytest.param({"successList": ONE_AND_TWO, "failureList": None}, BOTH_ACCEPTED, id="one list null"),
        pytest.param({"successList": ONE_AND_TWO[::-1]}, BOTH_ACCEPTED, id="reordered"),
        pytest.param(
            {"successList": [success_row("2")], "failureList": [failure_row("1")]},
            [Status.REJECTED, Status.ACCEPTED],
            id="one in each list",
        ),
        pytest.param({"successList": None, "failureList": None}, BOTH_UNKNOWN, id="null lists"),
        pytest.param({}, BOTH_UNKNOWN, id="missing lists"),
        pytest.param({"successList": "1", "failureList": {"orderId": "1"}}, BOTH_UNKNOWN, id="not lists"),
        pytest.param(None, BOTH_UNKNOWN, id="data null"),
        pytest.param("done", BOTH_UNKNOWN, id="data text"),
        pytest.param([], BOTH_UNKNOWN, id="data list"),
        pytest.param({"successList": [success_row("1")]}, FIRST_ACCEPTED, id="missing rows"),
        pytest.param(
            {"successList": [success_row(1)], "failureList": [failure_row(2)]},
            [Status.ACCEPTED, Status.REJECTED],
            id="ids as numbers",
        ),
        pytest.param({"successList": [success_row("1"), *ONE_AND_TWO]}, BOTH_ACCEPTED, id="a row twice"),
        pytest.param({"successList": [{"orderId": "1"}]}, FIRST_ACCEPTED, id="clientOid missing"),
    ],
)
def test_lists_of_every_shape(data: Any, expected: list[Status]) -> None:
    """Rows are matched by id at any position; an order without a row is unknown, whatever the lists look like."""
    assert statuses(by_order_id("1", "2"), data) == expected


@pytest.mark.parametrize("result", [None, ErrorResponse(code="x"), "text", BatchCancelOrdersResponse()])
def test_a_result_without_lists(result: object) -> None:
    """After a result without lists, every order is unknown."""
    batch = by_order_id("1")
    order = batch[0].order
    expected = Outcome(order, Status.UNKNOWN, message=UNMENTIONED, attempts=1)
    assert match_result(batch, result, sent_once()) == MatchedBatch([expected], [])


def test_orders_by_client_oid() -> None:
    """Orders by clientOid are matched by it, whether the row has an orderId or not."""
    batch = by_client_oid("a", "b", "c", "d")
    data = {
        "successList": [success_row("901", "a"), success_row("", "b")],
        "failureList": [failure_row(None, "c")],
    }
    assert statuses(batch, data) == [Status.ACCEPTED, Status.ACCEPTED, Status.REJECTED, Status.UNKNOWN]


@pytest.mark.parametrize("absent", [None, ""])
def test_a_row_with_only_the_label(absent: Any) -> None:
    """A row without an orderId is matched by the clientOid that was sent next to the orderId."""
    batch = [target("1", "a"), target("2", "b")]
    data = {"successList": [success_row(absent, "b")]}
    assert statuses(batch, data) == [Status.UNKNOWN, Status.ACCEPTED]


def test_a_repeated_label_identifies_nothing() -> None:
    """If two orders have one label, a row with only that label belongs to neither."""
    batch = [target("1", "same"), target("2", "same"), target("3", "own")]
    matched = match_data(batch, {"successList": [success_row("", "same"), success_row("", "own")]})
    assert [outcome.status for outcome in matched.outcomes] == [Status.UNKNOWN, Status.UNKNOWN, Status.ACCEPTED]
    assert matched.unmatched == [{"orderId": "", "clientOid": "same"}]


def test_a_label_does_not_match_a_row_with_another_order_id() -> None:
    """A row with another orderId does not belong to an order, even if it has the order's label."""
    batch = [target("1", "a")]
    matched = match_data(batch, {"successList": [success_row("999", "a")]})
    order = batch[0].order
    assert matched.outcomes == [Outcome(order, Status.UNKNOWN, message=UNMENTIONED, attempts=1)]
    assert matched.unmatched == [{"orderId": "999", "clientOid": "a"}]


def test_an_order_id_takes_precedence_over_a_label() -> None:
    """A row whose orderId and clientOid belong to two orders is matched by its orderId."""
    batch = [target("1", "a"), target("2", "b")]
    assert statuses(batch, {"successList": [success_row("1", "b")]}) == FIRST_ACCEPTED


def test_the_two_kinds_of_identifier_are_kept_apart() -> None:
    """An orderId never matches an order by clientOid, even if the text is the same."""
    assert statuses(by_client_oid("1"), {"successList": [success_row("1", "1")]}) == [Status.ACCEPTED]
    batch = by_client_oid("1")
    matched = match_data(batch, {"successList": [success_row("1")]})
    order = batch[0].order
    assert matched.outcomes == [Outcome(order, Status.UNKNOWN, message=UNMENTIONED, attempts=1)]
    assert matched.unmatched == [{"orderId": "1", "clientOid": None}]


def test_foreign_rows_are_returned_separately() -> None:
    """Rows for orders that are not in the batch change no outcome and are returned."""
    data = {
        "successList": [success_row("1"), success_row("999"), success_row()],
        "failureList": [failure_row("998", "x", "43001")],
    }
    matched = match_data(by_order_id("1"), data)
    assert [outcome.status for outcome in matched.outcomes] == [Status.ACCEPTED]
    assert [row["orderId"] for row in matched.unmatched] == ["999", None, "998"]


@pytest.mark.parametrize(
    ("code", "status"), [("43011", Status.REJECTED), (None, Status.REJECTED), ("43001", Status.GONE)]
)
def test_an_order_in_both_lists(code: str | None, status: Status) -> None:
    """If an order is in both lists, the failure counts."""
    data = {"successList": [success_row("1")], "failureList": [failure_row("1", code=code)]}
    matched = match_data(by_order_id("1"), data)
    assert matched.unmatched == []
    assert [(outcome.status, outcome.code) for outcome in matched.outcomes] == [(status, code)]


def test_the_first_of_two_failures_counts() -> None:
    """If an order has two failures, the outcome has the first."""
    data = {"failureList": [failure_row("1", code="43011"), failure_row("1", code="43001")]}
    matched = match_data(by_order_id("1"), data)
    assert matched.unmatched == []
    assert [(outcome.status, outcome.code) for outcome in matched.outcomes] == [(Status.REJECTED, "43011")]


@pytest.mark.parametrize("maybe_executed", [False, True])
@pytest.mark.parametrize("code", GONE_CODES)
def test_every_code_that_means_gone(code: str, maybe_executed: bool) -> None:
    """Each code that the document lists as gone makes the order gone, in a row or for the whole batch."""
    of_row = outcome_of_row(failure_row("1", code=code), maybe_executed=maybe_executed)
    assert (of_row.status, of_row.code) == (Status.GONE, code)
    of_batch = outcome_of_error(error_class(code, VERSION)(code), maybe_executed=maybe_executed)
    assert (of_batch.status, of_batch.code) == (Status.GONE, code)


@pytest.mark.parametrize("code", ["43011", "45024", "13010", "99999", None, ""])
def test_every_other_failure(code: str | None) -> None:
    """A failure with any other code is rejected, or unknown if an earlier attempt may have cancelled the order."""
    row = failure_row("1", code=code)
    rejected = outcome_of_row(row)
    assert (rejected.status, rejected.code) == (Status.REJECTED, code or None)
    unknown = outcome_of_row(row, maybe_executed=True)
    assert (unknown.status, unknown.code) == (Status.UNKNOWN, code or None)


def test_a_failure_has_the_code_and_message_of_its_row() -> None:
    """Code and message of a row are in the outcome; a code that is a number becomes text."""
    outcome = outcome_of_row(failure_row("1", code=43001))
    assert (outcome.status, outcome.code, outcome.message) == (Status.GONE, "43001", "no")


def test_control_characters_in_a_row_are_replaced() -> None:
    """Code and message of an outcome cannot change a terminal, even if the row contains escape sequences."""
    outcome = outcome_of_row({"orderId": "1", "errorCode": "7\x07", "errorMsg": "no\x1b[2J\r\n\x9b1m\u202e"})
    assert (outcome.code, outcome.message) == ("7 ", "no [2J   1m ")
    assert str(outcome.error) == "7 : no [2J   1m  (HTTP 200)"


def test_unpaired_surrogates_in_a_row_are_replaced() -> None:
    """Code and message of an outcome can be encoded, even if the row contains unpaired surrogates."""
    outcome = outcome_of_row({"orderId": "1", "errorCode": "\udfff", "errorMsg": "no \ud800"})
    assert (outcome.status, outcome.code, outcome.message) == (Status.REJECTED, " ", "no  ")


@pytest.mark.parametrize("name", ["errorCode", "errorMsg", "clientOid"])
def test_a_row_that_is_nested_too_deeply(name: str) -> None:
    """A value that is nested too deeply to be converted to text is left out, and does not end the run."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    batch = by_order_id("1")
    matched = match_data(batch, {"failureList": [{"orderId": "1", name: value}]})
    assert matched == MatchedBatch([Outcome(batch[0].order, Status.REJECTED, attempts=1)], [])


@pytest.mark.parametrize("message", [{"en": "no"}, ["no"]])
def test_a_message_that_is_not_text(message: object) -> None:
    """A code or message that is not text is in the outcome as JSON."""
    outcome = outcome_of_row({"orderId": "1", "errorCode": 7, "errorMsg": message})
    assert (outcome.code, outcome.message) == ("7", json.dumps(message))


@pytest.mark.parametrize("row", [None, 5, "text", [1]])
def test_a_list_with_a_malformed_row(row: Any) -> None:
    """A malformed row does not affect the others of its list, and is returned separately."""
    data = {"successList": [success_row("1"), row], "failureList": [row, failure_row("2", code="43001")]}
    matched = match_data(by_order_id("1", "2"), data)
    assert [outcome.status for outcome in matched.outcomes] == [Status.ACCEPTED, Status.GONE]
    assert matched.unmatched == [{"row": row}, {"row": row}]


@pytest.mark.parametrize(
    ("error", "maybe_executed", "status"),
    [
        (OrderNotFoundError("43001", "gone"), False, Status.GONE),
        (OrderNotFoundError("43001", "gone"), True, Status.GONE),
        (ApiError("99999", "no"), False, Status.REJECTED),
        (AuthenticationError("40009", "no"), False, Status.NOT_SENT),
        (AuthenticationError("40009", "no"), True, Status.UNKNOWN),
        (ClockError("40008", "late"), False, Status.NOT_SENT),
        (PermissionDeniedError("40014", "no"), False, Status.NOT_SENT),
        (WrongEnvironmentError("40085", "unified"), False, Status.NOT_SENT),
        (WrongEnvironmentError("40085", "unified"), True, Status.UNKNOWN),
        (ApiError("99999", "no"), True, Status.UNKNOWN),
        (SystemBusyError("45001", "busy"), True, Status.UNKNOWN),
        (httpx.ReadTimeout("late"), True, Status.UNKNOWN),
        (httpx.ReadTimeout("late"), False, Status.UNKNOWN),
        (InvalidResponseError(502, "not JSON"), True, Status.UNKNOWN),
        (RunStopped(), True, Status.UNKNOWN),
    ],
)
def test_an_exception_instead_of_a_response(error: Exception, maybe_executed: bool, status: Status) -> None:
    """
    An exception is the outcome of every order. It is unknown if an attempt may have been executed, and not sent if the
    exchange refused the request before it looked at any order.
    """
    matched = match_result(by_order_id("1", "2"), error, sent_once(maybe_executed=maybe_executed))
    assert [outcome.status for outcome in matched.outcomes] == [status, status]
    assert matched.unmatched == []
    first, second = matched.outcomes
    assert first.code == getattr(error, "code", None)
    assert first.message
    assert (second.code, second.message) == (first.code, first.message)


@pytest.mark.parametrize("error", [httpx.ConnectError("no way"), RunStopped()], ids=repr)
@pytest.mark.parametrize("maybe_executed", [False, True])
def test_an_exception_before_the_request_was_sent(error: Exception, maybe_executed: bool) -> None:
    """If the last attempt was not sent, an earlier one decides whether the orders are not sent or unknown."""
    context = not_sent()
    context.maybe_executed = maybe_executed
    (outcome,) = match_result(by_order_id("1"), error, context).outcomes
    assert outcome.status is (Status.UNKNOWN if maybe_executed else Status.NOT_SENT)
    assert outcome.message


@pytest.mark.parametrize("error", [KeyboardInterrupt(), asyncio.CancelledError()], ids=repr)
def test_an_interrupt(error: BaseException) -> None:
    """An interrupted request is unknown if it has left, and not sent if not; its exception is not kept."""
    (sent,) = match_result(by_order_id("1"), error, sent_once()).outcomes
    assert (sent.status, sent.message, sent.error) == (Status.UNKNOWN, INTERRUPTED, None)
    (unsent,) = match_result(by_order_id("1"), error, not_sent()).outcomes
    assert (unsent.status, unsent.message, unsent.error) == (Status.NOT_SENT, INTERRUPTED, None)


def test_the_exception_of_an_outcome_keeps_no_frames_alive() -> None:
    """The exception of an outcome has neither a traceback nor a cause: they would keep the response alive."""
    error = httpx.ReadTimeout("late")
    error.__cause__ = error.__context__ = ValueError()
    try:
        raise error
    except httpx.ReadTimeout:
        outcome = outcome_of_error(error)
    assert outcome.error is error
    kept = [getattr(error, name) for name in ("__traceback__", "__cause__", "__context__")]
    assert kept == [None, None, None]


@pytest.mark.parametrize("code", BUSY_CODES)
def test_a_row_that_the_exchange_was_too_busy_for(code: str) -> None:
    """An order that the exchange was too busy for is unknown, never rejected, and has the code."""
    outcome = outcome_of_row(failure_row("1", code=code))
    assert (outcome.status, outcome.code, outcome.message) == (Status.UNKNOWN, code, "no")
    assert isinstance(outcome.error, SystemBusyError | RateLimitedError)


def test_the_message_of_an_exception() -> None:
    """An outcome without a code has the name and the message of the exception."""
    assert outcome_of_error(httpx.ConnectError("no way")).message == "ConnectError: no way"
    assert outcome_of_error(httpx.ReadTimeout("")).message == "ReadTimeout"


def test_the_message_of_an_exception_is_complete() -> None:
    """No character of an exception's message is cut off, whatever it ends with."""
    assert outcome_of_error(httpx.ConnectError("no route to XX")).message == "ConnectError: no route to XX"


def test_outcomes_are_in_the_order_of_the_batch() -> None:
    """Each distinct order of a planned batch has one outcome, in the order of the batch, with the order as given."""
    orders = [OrderRef(order_id=order_id) for order_id in "12321"]
    batch = plan_orders(orders, None, AccountSelection(CLASSIC)).targets
    matched = match_data(batch, {"successList": [success_row("3"), success_row("1")]})
    assert matched.unmatched == []
    assert [outcome.status for outcome in matched.outcomes] == [Status.ACCEPTED, Status.UNKNOWN, Status.ACCEPTED]
    for outcome, order in zip(matched.outcomes, orders[:3], strict=True):
        assert outcome.order is order


def test_messages_without_a_code() -> None:
    """An accepted order has no message; one that is not mentioned, or that the end of the run kept back, has one."""
    accepted, unmentioned = match_data(by_order_id("1", "2"), {"successList": [success_row("1")]}).outcomes
    assert (accepted.code, accepted.message) == (None, None)
    assert "not mention" in (unmentioned.message or "")
    stopped = outcome_of_error(RunStopped())
    assert stopped.message == STOPPED
    assert "RunStopped" not in STOPPED


@pytest.mark.parametrize("attempts", [0, 1, 3])
def test_outcomes_have_the_number_of_attempts(attempts: int) -> None:
    """Every outcome has the number of attempts, whether it comes from a row, a missing row or an exception."""
    context = RequestContext(earlier_attempts=attempts)
    data = {"successList": [success_row("1")], "failureList": [failure_row("2")]}
    results: list[object] = [response(data), ApiError("99999"), httpx.ConnectError(""), RunStopped()]
    for result in results:
        outcomes = match_result(by_order_id("1", "2", "3"), result, context).outcomes
        assert [outcome.attempts for outcome in outcomes] == [attempts] * 3


def test_the_error_of_an_outcome() -> None:
    """An outcome has the exception behind its status: the one raised, or for a row the one that its code stands for."""
    for raised in (ApiError("99999", "no"), httpx.ConnectError("no way"), InvalidResponseError(502, "not JSON")):
        assert outcome_of_error(raised).error is raised
    error = outcome_of_row(failure_row("1", code="45024")).error
    assert isinstance(error, OrderStateError)
    assert (error.code, error.message, error.http_status) == ("45024", "no", 200)
    assert isinstance(outcome_of_row(failure_row("1", code="43001")).error, OrderNotFoundError)
    assert type(outcome_of_row(failure_row("1", code=None)).error) is ApiError


def test_outcomes_without_an_error() -> None:
    """An accepted order, one that is not mentioned and one that the end of the run kept back have no exception."""
    for outcome in match_data(by_order_id("1", "2"), {"successList": [success_row("1")]}).outcomes:
        assert outcome.error is None
    assert outcome_of_error(RunStopped()).error is None
