"""The outcome of every order: counting, selecting, printing, copying, and the errors behind it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import httpx
import pytest
from reports import pickled

from bitget_spot import (
    ApiError,
    BitgetError,
    Confirmed,
    Credentials,
    DeadlineExceeded,
    InvalidResponseError,
    OrderNotFoundError,
    OrdersNotCancelledError,
    OrderStateError,
    Outcome,
    Report,
    Status,
    SystemBusyError,
    cancel_orders,
    connect,
    report_of,
)
from bitget_spot._bulk.report import attach_report
from bitget_spot.rate_limit import MemoryStore
from bitget_spot_api.models import OrderRef
from bitget_spot_api.types import UNSET


def report_with(*statuses: Status) -> Report:
    """Return a report with one outcome of each status; the orders are numbered from 1."""
    outcomes = [Outcome(OrderRef(order_id=str(number)), status) for number, status in enumerate(statuses, 1)]
    return Report(tuple(outcomes))


def run_against(handler: Callable[[httpx.Request], httpx.Response], *order_ids: str) -> Report:
    """Return the report of a run whose requests are handled by a function and not retried."""
    client = connect(
        Credentials("a-key", "a-secret", "a-passphrase"),
        rate_limit_store=MemoryStore(),
        transport=httpx.MockTransport(handler),
        max_retries=0,
    )
    with client:
        return cancel_orders.sync(client=client, orders=[OrderRef(order_id=order_id) for order_id in order_ids])


def respond(status: int = 200, **envelope: Any) -> Callable[[httpx.Request], httpx.Response]:
    """Return a handler with this envelope as the response to every request."""
    return lambda _: httpx.Response(status, json={"code": "00000", "msg": "success"} | envelope)


def refuse_connection(request: httpx.Request) -> httpx.Response:
    """Raise what httpx raises for a connection that cannot be opened."""
    raise httpx.ConnectError("no route", request=request)


def one_of_each_kind() -> Report:
    """Return a report with accepted, unmentioned, refused and unreachable orders, with the errors behind them."""
    row = {"orderId": "2", "errorCode": "45024", "errorMsg": "no"}
    mixed = run_against(respond(data={"successList": [{"orderId": "1"}], "failureList": [row]}), "1", "2", "3")
    refused = run_against(respond(400, code="99999", msg="refused"), "4")
    unreachable = run_against(refuse_connection, "5")
    return Report((*mixed, *refused, *unreachable))


def test_counts() -> None:
    """`counts` has every status, including those that no order has."""
    assert report_with(Status.ACCEPTED, Status.GONE, Status.ACCEPTED).counts == {
        Status.ACCEPTED: 2,
        Status.GONE: 1,
        Status.REJECTED: 0,
        Status.UNKNOWN: 0,
        Status.NOT_SENT: 0,
    }


def test_selecting() -> None:
    """`only` and `orders` select by any number of statuses, in the order of the input; without one they are empty."""
    report = report_with(Status.GONE, Status.ACCEPTED, Status.NOT_SENT, Status.GONE)
    expected = (report.outcomes[0], report.outcomes[2], report.outcomes[3])
    assert report.only(Status.GONE, Status.NOT_SENT) == expected
    assert [order.order_id for order in report.orders(Status.NOT_SENT)] == ["3"]
    assert report.orders(Status.ACCEPTED)[0] is report.outcomes[1].order
    assert report.only() == ()


def test_a_report_can_be_iterated() -> None:
    """A report has a length and iterates over its outcomes, in the order of the input."""
    report = report_with(Status.GONE, Status.ACCEPTED, Status.NOT_SENT)
    assert len(report) == 3
    assert list(report) == list(report.outcomes)
    assert [outcome.order.order_id for outcome in report] == ["1", "2", "3"]
    assert list(Report(())) == []


def test_rows() -> None:
    """A row is flat and plain, with the vendor's names; what is absent is None."""
    outcomes = (
        Outcome(OrderRef(order_id="1", symbol="BTCUSDT"), Status.GONE, "43001", "gone", 2),
        Outcome(
            OrderRef(client_oid="a", order_id=None),  # type: ignore[arg-type]  # None counts as absent
            Status.NOT_SENT,
            confirmed=Confirmed.FILLED,
        ),
    )
    rows = Report(outcomes).rows()
    assert rows == [
        {
            "symbol": "BTCUSDT",
            "orderId": "1",
            "clientOid": None,
            "status": "gone",
            "code": "43001",
            "message": "gone",
            "attempts": 2,
            "confirmed": None,
            "kind": "normal",
        },
        {
            "symbol": None,
            "orderId": None,
            "clientOid": "a",
            "status": "not_sent",
            "code": None,
            "message": None,
            "attempts": 0,
            "confirmed": "filled",
            "kind": "normal",
        },
    ]
    assert {type(row["status"]) for row in rows} == {str}
    assert type(rows[1]["confirmed"]) is str


@pytest.mark.parametrize(
    ("outcome", "text"),
    [
        (Outcome(OrderRef(order_id="1"), Status.ACCEPTED), "1: accepted"),
        (Outcome(OrderRef(order_id="2"), Status.GONE, "43001", "not open"), "2: gone 43001 not open"),
        (Outcome(OrderRef(client_oid="mine"), Status.REJECTED, "45024"), "clientOid mine: rejected 45024"),
        (Outcome(OrderRef(order_id="4"), Status.UNKNOWN, message="ReadTimeout"), "4: unknown ReadTimeout"),
        (Outcome(OrderRef(order_id="5", client_oid="mine"), Status.NOT_SENT), "5: not_sent"),
        (Outcome(OrderRef(order_id="6"), Status.ACCEPTED, confirmed=Confirmed.FILLED), "6: accepted (filled)"),
        (
            Outcome(OrderRef(order_id="7"), Status.GONE, "43001", "not open", 1, Confirmed.NOT_FOUND),
            "7: gone 43001 not open (not_found)",
        ),
        (Outcome(OrderRef(order_id="8\ud800"), Status.NOT_SENT), "8 : not_sent"),
    ],
)
def test_printing_an_outcome(outcome: Outcome, text: str) -> None:
    """A printed outcome has the order, the status, the code, the message and what was confirmed."""
    assert str(outcome) == text


def test_printing_a_report() -> None:
    """A printed report has the counts, and a line for each order that is not accepted."""
    outcomes = (
        Outcome(OrderRef(order_id="1"), Status.ACCEPTED),
        Outcome(OrderRef(order_id="2"), Status.GONE, "43001", "The order is not open"),
        Outcome(OrderRef(client_oid="mine"), Status.REJECTED, "45024"),
        Outcome(OrderRef(order_id="4"), Status.UNKNOWN, message="ReadTimeout"),
        Outcome(OrderRef(order_id="5"), Status.NOT_SENT),
    )
    assert str(Report(outcomes, ({"orderId": "9"}, {"row": None}))) == (
        "5 orders: 1 accepted, 1 gone, 1 rejected, 1 unknown, 1 not_sent\n"
        "  2: gone 43001 The order is not open\n"
        "  clientOid mine: rejected 45024\n"
        "  4: unknown ReadTimeout\n"
        "  5: not_sent\n"
        "  rows of the responses without an order of this run: 2"
    )
    assert str(Report(())) == "0 orders: nothing to do"


def test_an_id_that_cannot_be_encoded_is_printed() -> None:
    """A report can be printed and encoded, even if an id contains an unpaired surrogate."""
    report = Report((Outcome(OrderRef(order_id="1\ud800"), Status.NOT_SENT),))
    assert str(report).encode() == b"1 order: 1 not_sent\n  1 : not_sent"


def test_escape_sequences_are_not_printed() -> None:
    """A printed report contains no control character, wherever the exchange has put one."""
    escape = "\x1b]0;owned\x07\x9b2J\r\u202e"
    outcomes = (
        Outcome(OrderRef(order_id=f"1{escape}"), Status.REJECTED, f"45055{escape}", f"no{escape}"),
        Outcome(OrderRef(client_oid=f"mine{escape}"), Status.GONE, "43001", "The order is not open\n"),
    )
    lines = str(Report(outcomes)).splitlines()
    assert lines == [
        "2 orders: 1 gone, 1 rejected",
        "  1 ]0;owned  2J  : rejected 45055 ]0;owned  2J   no ]0;owned  2J  ",
        "  clientOid mine ]0;owned  2J  : gone 43001 The order is not open ",
    ]


def confirmed_report(*results: tuple[Status, Confirmed | None]) -> Report:
    """Return the report of a run with `confirm`; the orders are numbered from 1."""
    outcomes = [
        Outcome(OrderRef(order_id=str(number)), status, confirmed=confirmed)
        for number, (status, confirmed) in enumerate(results, 1)
    ]
    return Report(tuple(outcomes), confirm=True)


def test_printing_confirmations() -> None:
    """A printed report of a run with `confirm` counts the confirmations, and lists every accepted order without one."""
    report = confirmed_report(
        (Status.ACCEPTED, Confirmed.CANCELLED),
        (Status.ACCEPTED, Confirmed.CANCELLED),
        (Status.ACCEPTED, None),
        (Status.ACCEPTED, Confirmed.LIVE),
        (Status.GONE, Confirmed.FILLED),
        (Status.UNKNOWN, Confirmed.PARTLY_FILLED),
        (Status.GONE, Confirmed.NOT_FOUND),
        (Status.REJECTED, None),
        (Status.NOT_SENT, None),
    )
    statuses = "4 accepted, 2 gone, 1 rejected, 1 unknown, 1 not_sent"
    confirmed = "2 cancelled, 1 filled, 1 partly_filled, 1 live, 1 not_found, 1 unknown"
    assert str(report).splitlines() == [
        f"9 orders: {statuses}; confirmed: {confirmed}",
        "  3: accepted",
        "  4: accepted (live)",
        "  5: gone (filled)",
        "  6: unknown (partly_filled)",
        "  7: gone (not_found)",
        "  8: rejected",
        "  9: not_sent",
    ]


def test_a_confirmation_that_failed_is_visible() -> None:
    """A printed report shows whether the cancels were confirmed, could not be confirmed, or needed no confirmation."""
    results = [(Status.ACCEPTED, Confirmed.CANCELLED)] * 5
    assert str(confirmed_report(*results)) == "5 orders: 5 accepted; confirmed: 5 cancelled"
    assert str(confirmed_report(*[(Status.ACCEPTED, None)] * 5)).startswith(
        "5 orders: 5 accepted; confirmed: 5 unknown\n  1: accepted\n"
    )
    assert str(report_with(*[Status.ACCEPTED] * 5)) == "5 orders: 5 accepted"
    assert str(confirmed_report((Status.REJECTED, None))).startswith("1 order: 1 rejected; confirmed: none\n")
    assert str(confirmed_report()) == "0 orders: nothing to do"


@pytest.mark.parametrize(
    ("status", "confirmed", "is_failure", "is_unconfirmed"),
    [
        (Status.ACCEPTED, Confirmed.CANCELLED, False, False),
        (Status.ACCEPTED, Confirmed.FILLED, False, True),
        (Status.ACCEPTED, Confirmed.PARTLY_FILLED, False, True),
        (Status.ACCEPTED, Confirmed.LIVE, False, True),
        (Status.ACCEPTED, None, False, True),
        (Status.GONE, Confirmed.NOT_FOUND, False, False),
        (Status.GONE, Confirmed.FILLED, False, True),
        (Status.GONE, None, False, True),
        (Status.UNKNOWN, Confirmed.CANCELLED, False, False),
        (Status.UNKNOWN, Confirmed.LIVE, True, True),
        (Status.UNKNOWN, Confirmed.NOT_FOUND, True, True),
        (Status.REJECTED, None, True, True),
        (Status.REJECTED, Confirmed.LIVE, True, True),
        (Status.NOT_SENT, None, True, True),
    ],
)
def test_raise_for_failures_with_confirmations(
    status: Status, confirmed: Confirmed | None, is_failure: bool, is_unconfirmed: bool
) -> None:
    """
    `raise_for_failures` raises for orders that are neither accepted nor gone nor confirmed as cancelled. With
    `confirmed=True` it also raises for orders that are filled, open or not confirmed.
    """
    report = confirmed_report((Status.ACCEPTED, Confirmed.CANCELLED), (status, confirmed))
    for strict, raises in ((False, is_failure), (True, is_unconfirmed)):
        with pytest.raises(OrdersNotCancelledError) if raises else nullcontext():
            report.raise_for_failures(confirmed=strict)


@pytest.mark.parametrize("status", Status)
def test_raise_for_failures(status: Status) -> None:
    """`raise_for_failures` raises unless every order is accepted or gone; the exception carries the report."""
    report = report_with(Status.ACCEPTED, Status.GONE, status)
    if status in (Status.ACCEPTED, Status.GONE):
        report.raise_for_failures()
        return
    with pytest.raises(OrdersNotCancelledError) as caught:
        report.raise_for_failures()
    assert caught.value.report is report
    assert report_of(caught.value) is report
    assert str(caught.value) == str(report)
    assert isinstance(caught.value, BitgetError)
    assert pickled(caught.value).report == report


def test_an_empty_report_has_no_failures() -> None:
    """`raise_for_failures` of a report without orders raises nothing."""
    Report(()).raise_for_failures()


@pytest.mark.parametrize("make_copy", [pickled, copy.deepcopy, copy.copy])
def test_copies_of_a_report(make_copy: Callable[[Report], Report]) -> None:
    """A report from a pickle or a copy is equal, and its orders can be planned and sent again."""
    outcomes = (
        Outcome(OrderRef(order_id="1"), Status.NOT_SENT),
        Outcome(OrderRef(client_oid="a", symbol="BTCUSDT"), Status.NOT_SENT, attempts=1),
    )
    report = Report(outcomes, ({"orderId": "9"},), 7)
    copied = make_copy(report)
    assert copied == report
    assert (copied.unmatched, copied.remaining_calls) == (({"orderId": "9"},), 7)
    orders = copied.orders(Status.NOT_SENT)
    assert [order.to_dict() for order in orders] == [{"orderId": "1"}, {"symbol": "BTCUSDT", "clientOid": "a"}]
    assert orders[0].symbol is UNSET
    assert len(cancel_orders.plan(orders=orders)) == 2


def test_a_status_is_text() -> None:
    """A status compares and prints as plain text."""
    assert [str(status) for status in Status] == ["accepted", "gone", "rejected", "unknown", "not_sent"]
    assert Status("gone") is Status.GONE


@pytest.mark.parametrize(
    "error", [DeadlineExceeded("late"), KeyboardInterrupt(), asyncio.CancelledError(), RuntimeError("a bug")], ids=repr
)
def test_report_of_an_exception(error: BaseException) -> None:
    """`report_of` returns the report that any kind of exception carries, and `None` before it carries one."""
    assert report_of(error) is None
    report = report_with(Status.ACCEPTED)
    attach_report(error, report)
    assert report_of(error) is report


def test_report_of_an_exception_with_another_attribute_report() -> None:
    """`report_of` returns `None` for an exception whose attribute `report` is something else."""
    error = RuntimeError()
    vars(error)["report"] = "a report of another library"
    assert report_of(error) is None


def test_no_error_behind_accepted_and_unmentioned_orders() -> None:
    """An accepted order has no error, nor has an order that the response does not mention."""
    report = run_against(respond(data={"successList": [{"orderId": "1"}]}), "1", "2")
    assert [outcome.status for outcome in report] == [Status.ACCEPTED, Status.UNKNOWN]
    assert [outcome.error for outcome in report] == [None, None]


@pytest.mark.parametrize(
    ("code", "expected"), [("45024", OrderStateError), ("43001", OrderNotFoundError), ("99999", ApiError)]
)
def test_the_error_behind_a_refused_row(code: str, expected: type[ApiError]) -> None:
    """An order in failureList has the exception that its code stands for."""
    row = {"orderId": "2", "errorCode": code, "errorMsg": "no"}
    report = run_against(respond(data={"successList": [{"orderId": "1"}], "failureList": [row]}), "1", "2")
    assert report.outcomes[0].error is None
    error = report.outcomes[1].error
    assert isinstance(error, ApiError)
    assert type(error) is expected
    assert (error.code, error.message) == (code, "no")


@pytest.mark.parametrize(
    ("code", "expected", "status"),
    [
        ("43001", OrderNotFoundError, Status.GONE),
        ("99999", ApiError, Status.REJECTED),
        ("45001", SystemBusyError, Status.UNKNOWN),
    ],
)
def test_the_error_behind_a_refused_batch(code: str, expected: type[ApiError], status: Status) -> None:
    """Every order of a refused batch has the exception that was raised for it."""
    report = run_against(respond(400, code=code, msg="no"), "1", "2")
    first, second = report
    assert [first.status, second.status] == [status, status]
    assert isinstance(first.error, ApiError)
    assert type(first.error) is expected
    assert (first.error.code, first.error.message, first.error.http_status) == (code, "no", 400)
    assert second.error is first.error


def test_the_error_behind_a_network_error() -> None:
    """An order whose request ended in a network error has httpx's exception."""
    (outcome,) = run_against(refuse_connection, "1")
    assert outcome.status is Status.NOT_SENT
    assert isinstance(outcome.error, httpx.ConnectError)
    assert str(outcome.error) == "no route"


def test_the_error_behind_an_invalid_response() -> None:
    """An order whose response is not the exchange's envelope has the InvalidResponseError."""
    (outcome,) = run_against(lambda _: httpx.Response(502, text="<html>"), "1")
    assert outcome.status is Status.UNKNOWN
    assert isinstance(outcome.error, InvalidResponseError)
    assert outcome.error.http_status == 502


@pytest.mark.parametrize("make_copy", [pickled, copy.deepcopy])
def test_copies_of_a_report_with_errors(make_copy: Callable[[Report], Report]) -> None:
    """The errors of a report are copied and pickled with it."""
    report = one_of_each_kind()
    errors = [outcome.error for outcome in report]
    assert [type(error) for error in errors] == [type(None), OrderStateError, type(None), ApiError, httpx.ConnectError]
    copied = make_copy(report)
    assert copied == report
    assert [type(outcome.error) for outcome in copied] == [type(error) for error in errors]
    assert [str(outcome.error) for outcome in copied] == [str(error) for error in errors]


def test_the_error_is_not_part_of_equality_and_repr() -> None:
    """Two outcomes that differ only in their errors are equal, and the error is not shown."""
    order = OrderRef(order_id="1")
    first = Outcome(order, Status.REJECTED, error=ApiError("99999", "first"))
    second = Outcome(order, Status.REJECTED, error=ApiError("99999", "second"))
    assert first == second
    assert "first" not in repr(first)
    assert "error" not in first.row()


def test_an_accepted_order_that_is_not_cancelled_is_printed() -> None:
    """A printed report lists an accepted order if it is confirmed as anything but cancelled."""
    for confirmed in Confirmed:
        outcome = Outcome(OrderRef(order_id="1"), Status.ACCEPTED, confirmed=confirmed)
        is_listed = confirmed is not Confirmed.CANCELLED
        text = str(Report((outcome,)))
        assert ("1: accepted" in text) is is_listed
        assert (f"({confirmed})" in text) is is_listed
    assert "1: accepted" not in str(report_with(Status.ACCEPTED))
