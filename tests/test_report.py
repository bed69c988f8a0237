"""What became of every order: counting, choosing, showing, and carrying it elsewhere."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from bitget_spot import BitgetError, OrdersNotCancelledError, Outcome, Report, Status, cancel_orders
from bitget_spot_api.models import OrderRef
from bitget_spot_api.types import UNSET


def report(*statuses: Status) -> Report:
    """One outcome of each status, the orders numbered from 1."""
    return Report(tuple(Outcome(OrderRef(order_id=str(number)), one) for number, one in enumerate(statuses, 1)))


def pickled(value: Report) -> Report:
    """Send a report through a pickle."""
    found = pickle.loads(pickle.dumps(value))  # noqa: S301 - our own
    assert isinstance(found, Report)
    return found


def test_counts() -> None:
    """Every status is counted, also those that no order has."""
    assert report(Status.ACCEPTED, Status.GONE, Status.ACCEPTED).counts == {
        Status.ACCEPTED: 2,
        Status.GONE: 1,
        Status.REJECTED: 0,
        Status.UNKNOWN: 0,
        Status.NOT_SENT: 0,
    }


def test_choosing() -> None:
    """`only` and `orders` choose by any number of statuses, in the order given; without one they choose nothing."""
    found = report(Status.GONE, Status.ACCEPTED, Status.NOT_SENT, Status.GONE)
    assert found.only(Status.GONE, Status.NOT_SENT) == (found.outcomes[0], found.outcomes[2], found.outcomes[3])
    assert [order.order_id for order in found.orders(Status.NOT_SENT)] == ["3"]
    assert found.orders(Status.ACCEPTED)[0] is found.outcomes[1].order
    assert found.only() == ()
    assert len(found) == 4


def test_rows() -> None:
    """A row is flat and plain, in the vendor's words; what is absent is None."""
    outcomes = (
        Outcome(OrderRef(order_id="1", symbol="BTCUSDT"), Status.GONE, "43001", "gone", 2),
        Outcome(OrderRef(client_oid="a", order_id=None), Status.NOT_SENT),  # type: ignore[arg-type]
    )
    assert Report(outcomes).rows() == [
        {
            "symbol": "BTCUSDT",
            "orderId": "1",
            "clientOid": None,
            "status": "gone",
            "code": "43001",
            "message": "gone",
            "attempts": 2,
            "confirmed": None,
        },
        {
            "symbol": None,
            "orderId": None,
            "clientOid": "a",
            "status": "not_sent",
            "code": None,
            "message": None,
            "attempts": 0,
            "confirmed": None,
        },
    ]
    assert all(type(row["status"]) is str for row in Report(outcomes).rows())


def test_a_report_prints_itself() -> None:
    """Printed, a report counts by status and names each order that is not accepted, with code and message."""
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
        "  2 rows of the answers belong to no order that was asked for"
    )
    assert str(Report(())) == "0 orders: nothing to do"


def test_an_id_that_no_encoding_takes_is_printed() -> None:
    """A report can be printed, also where an id out of an answer holds half a character."""
    found = Report((Outcome(OrderRef(order_id="1\ud800"), Status.NOT_SENT),))
    assert str(found).encode() == b"1 order: 1 not_sent\n  1?: not_sent"


@pytest.mark.parametrize("status", Status)
def test_exceptions_for_those_who_want_them(status: Status) -> None:
    """`raise_for_failures` raises unless every order is accepted or gone; the exception carries the report."""
    found = report(Status.ACCEPTED, Status.GONE, status)
    if status in (Status.ACCEPTED, Status.GONE):
        found.raise_for_failures()
        return
    with pytest.raises(OrdersNotCancelledError) as caught:
        found.raise_for_failures()
    assert caught.value.report is found
    assert str(caught.value) == str(found)
    assert isinstance(caught.value, BitgetError)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own
    assert again.report == found


def test_nothing_to_do_is_no_failure() -> None:
    """A report without orders raises nothing."""
    Report(()).raise_for_failures()


@pytest.mark.parametrize("copied", [pickled, copy.deepcopy, copy.copy])
def test_what_comes_out_of_a_pickle_can_be_used(copied: Callable[[Report], Report]) -> None:
    """A report that went through a pickle or a copy is equal, and its orders can be planned and sent again."""
    outcomes = (
        Outcome(OrderRef(order_id="1"), Status.NOT_SENT),
        Outcome(OrderRef(client_oid="a", symbol="BTCUSDT"), Status.NOT_SENT, max_retries=0),
    )
    found = Report(outcomes, ({"orderId": "9"},), 7)
    again = copied(found)
    assert again == found
    assert (again.unmatched, again.remaining_calls) == (({"orderId": "9"},), 7)
    orders = again.orders(Status.NOT_SENT)
    assert [order.to_dict() for order in orders] == [{"orderId": "1"}, {"symbol": "BTCUSDT", "clientOid": "a"}]
    assert orders[0].symbol is UNSET
    assert len(cancel_orders.plan(orders=orders)) == 2


def test_a_status_is_its_word() -> None:
    """A status compares and prints as the plain word."""
    assert [str(status) for status in Status] == ["accepted", "gone", "rejected", "unknown", "not_sent"]
    assert Status("gone") is Status.GONE
