"""From what came back for a batch to the fate of each of its orders."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from bitget_spot import ApiError, AuthenticationError, InvalidResponseError, OrderNotFoundError, Status, SystemBusyError
from bitget_spot._bulk.matcher import HALTED, UNMENTIONED, match_response
from bitget_spot._bulk.planner import Batch, OrderTarget, plan_batches
from bitget_spot._bulk.report import Outcome
from bitget_spot._middleware.context import CancelScope, RequestContext, RunStopped
from bitget_spot.errors import error_class
from bitget_spot_api.models import BatchCancelOrdersResponse, ErrorResponse, OrderRef
from bitget_spot_api.operations import ERROR_CODES

ACCEPTED, GONE, REJECTED, UNKNOWN, NOT_SENT = Status
GONE_CODES = ERROR_CODES["gone"]


def by_id(*ids: str) -> Batch:
    """A batch of orders by orderId."""
    return Batch([OrderTarget(order_id, None, None) for order_id in ids])


def by_label(*labels: str) -> Batch:
    """A batch of orders by clientOid."""
    return Batch([OrderTarget(None, label, None) for label in labels])


def trail(*, doubtful: bool = False) -> RequestContext:
    """What happened on the way to the answer."""
    return RequestContext(CancelScope(), max_retries=0, doubtful=doubtful)


def answer(data: Any) -> BatchCancelOrdersResponse:
    """Make an answer with this `data`, as the generated parser does."""
    return BatchCancelOrdersResponse.from_dict({"code": "00000", "msg": "success", "requestTime": 1, "data": data})


def ok(order_id: Any = None, client_oid: Any = None) -> dict[str, Any]:
    """A row of successList."""
    return {"orderId": order_id, "clientOid": client_oid}


def failed(order_id: Any = None, client_oid: Any = None, code: Any = "43011") -> dict[str, Any]:
    """A row of failureList."""
    return {"orderId": order_id, "clientOid": client_oid, "errorCode": code, "errorMsg": "no"}


def told(batch: Batch, data: Any, *, doubtful: bool = False) -> list[tuple[Status, str | None]]:
    """The status and code of each order after an answer that holds no foreign rows."""
    found, foreign = match_response(batch, answer(data), trail(doubtful=doubtful))
    assert foreign == []
    return [(fate.status, fate.code) for fate in found]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param({"successList": [ok("1"), ok("2")], "failureList": []}, [ACCEPTED, ACCEPTED], id="all accepted"),
        pytest.param({"successList": [ok("1"), ok("2")]}, [ACCEPTED, ACCEPTED], id="one list missing"),
        pytest.param(
            {"successList": [ok("1"), ok("2")], "failureList": None}, [ACCEPTED, ACCEPTED], id="one list null"
        ),
        pytest.param({"successList": [ok("2"), ok("1")]}, [ACCEPTED, ACCEPTED], id="reordered"),
        pytest.param({"successList": [ok("2")], "failureList": [failed("1")]}, [REJECTED, ACCEPTED], id="some of each"),
        pytest.param({"successList": None, "failureList": None}, [UNKNOWN, UNKNOWN], id="null lists"),
        pytest.param({}, [UNKNOWN, UNKNOWN], id="missing lists"),
        pytest.param({"successList": "1", "failureList": {"orderId": "1"}}, [UNKNOWN, UNKNOWN], id="no lists"),
        pytest.param(None, [UNKNOWN, UNKNOWN], id="data null"),
        pytest.param("done", [UNKNOWN, UNKNOWN], id="data text"),
        pytest.param([], [UNKNOWN, UNKNOWN], id="data list"),
        pytest.param({"successList": [ok("1")]}, [ACCEPTED, UNKNOWN], id="missing rows"),
        pytest.param({"successList": [ok(1)], "failureList": [failed(2)]}, [ACCEPTED, REJECTED], id="ids as numbers"),
        pytest.param({"successList": [ok("1"), ok("1"), ok("2")]}, [ACCEPTED, ACCEPTED], id="a row twice"),
        pytest.param({"successList": [{"orderId": "1"}]}, [ACCEPTED, UNKNOWN], id="clientOid missing"),
    ],
)
def test_lists_of_every_shape(data: Any, expected: list[Status]) -> None:
    """Rows are matched by id wherever they stand; an order without a row is unknown, whatever the lists look like."""
    assert [status for status, _ in told(by_id("1", "2"), data)] == expected


@pytest.mark.parametrize("came", [None, ErrorResponse(code="x"), "text", BatchCancelOrdersResponse()])
def test_an_answer_of_another_kind(came: object) -> None:
    """What holds no lists settles nothing."""
    assert match_response(by_id("1"), came, trail()) == ([UNMENTIONED], [])


def test_orders_by_client_oid() -> None:
    """Orders by clientOid are matched by it, also where the exchange adds or leaves out the orderId."""
    data = {"successList": [ok("901", "a"), ok("", "b")], "failureList": [failed(None, "c")]}
    assert [status for status, _ in told(by_label("a", "b", "c", "d"), data)] == [
        ACCEPTED,
        ACCEPTED,
        REJECTED,
        UNKNOWN,
    ]


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_row_with_nothing_but_the_label(nothing: Any) -> None:
    """A row without its orderId is matched by the label that the order was sent with."""
    batch = Batch([OrderTarget("1", "a", None), OrderTarget("2", "b", None)])
    assert [status for status, _ in told(batch, {"successList": [ok(nothing, "b")]})] == [UNKNOWN, ACCEPTED]


def test_a_repeated_label_names_nothing() -> None:
    """Where two orders carry one label, a row with nothing else belongs to neither."""
    batch = Batch([OrderTarget("1", "same", None), OrderTarget("2", "same", None), OrderTarget("3", "own", None)])
    found, foreign = match_response(batch, answer({"successList": [ok("", "same"), ok("", "own")]}), trail())
    assert [fate.status for fate in found] == [UNKNOWN, UNKNOWN, ACCEPTED]
    assert foreign == [{"orderId": "", "clientOid": "same"}]


def test_a_label_does_not_outweigh_an_order_id() -> None:
    """A row with another orderId is not this order's, though the label is."""
    found, foreign = match_response(
        Batch([OrderTarget("1", "a", None)]), answer({"successList": [ok("999", "a")]}), trail()
    )
    assert found == [UNMENTIONED]
    assert foreign == [{"orderId": "999", "clientOid": "a"}]


def test_an_order_id_prevails_over_a_label() -> None:
    """A row whose orderId and clientOid belong to two orders is that of the orderId."""
    batch = Batch([OrderTarget("1", "a", None), OrderTarget("2", "b", None)])
    assert [status for status, _ in told(batch, {"successList": [ok("1", "b")]})] == [ACCEPTED, UNKNOWN]


def test_an_order_id_that_looks_like_a_client_oid() -> None:
    """The two kinds of identifier are kept apart, also where their text is the same."""
    assert [status for status, _ in told(by_label("1"), {"successList": [ok("1", "1")]})] == [ACCEPTED]
    found, foreign = match_response(by_label("1"), answer({"successList": [ok("1")]}), trail())
    assert found == [UNMENTIONED]
    assert foreign == [{"orderId": "1", "clientOid": None}]


def test_rows_of_nobody_are_kept_aside() -> None:
    """Rows for orders that were not asked for change nothing, and are handed back."""
    data = {"successList": [ok("1"), ok("999"), ok()], "failureList": [failed("998", "x", "43001")]}
    found, foreign = match_response(by_id("1"), answer(data), trail())
    assert [fate.status for fate in found] == [ACCEPTED]
    assert [row["orderId"] for row in foreign] == ["999", None, "998"]


@pytest.mark.parametrize(("code", "status"), [("43011", REJECTED), (None, REJECTED), ("43001", GONE)])
def test_in_both_lists(code: str | None, status: Status) -> None:
    """Of an order in both lists the failure prevails, and it is gone if its code says so."""
    data = {"successList": [ok("1")], "failureList": [failed("1", code=code)]}
    assert told(by_id("1"), data) == [(status, code)]


def test_the_first_of_two_failures() -> None:
    """Of an order with two failures the first is told."""
    data = {"failureList": [failed("1", code="43011"), failed("1", code="43001")]}
    assert told(by_id("1"), data) == [(REJECTED, "43011")]


@pytest.mark.parametrize("code", GONE_CODES)
def test_every_code_that_means_gone(code: str) -> None:
    """Each code that the document calls gone makes the order gone, in a row and of the whole, doubtful or not."""
    data = {"failureList": [failed("1", code=code)]}
    for doubtful in (False, True):
        assert told(by_id("1"), data, doubtful=doubtful) == [(GONE, code)]
        (fate,), _ = match_response(by_id("1"), error_class(code)(code), trail(doubtful=doubtful))
        assert (fate.status, fate.code) == (GONE, code)


@pytest.mark.parametrize("code", ["43011", "45024", "13010", "99999", None, ""])
def test_every_other_failure(code: str | None) -> None:
    """A failure with another code or none is rejected, or unknown where an earlier try may have cancelled the order."""
    data = {"failureList": [failed("1", code=code)]}
    assert told(by_id("1"), data) == [(REJECTED, code or None)]
    assert told(by_id("1"), data, doubtful=True) == [(UNKNOWN, code or None)]


def test_a_failure_tells_the_exchange_s_words() -> None:
    """Code and message of a row are passed on, a code that is a number as text."""
    (fate,), _ = match_response(by_id("1"), answer({"failureList": [failed("1", code=43001)]}), trail())
    assert (fate.status, fate.code, fate.message) == (GONE, "43001", "no")


def test_half_a_character_can_be_told() -> None:
    """What a row holds beside its ids can be printed, also where JSON's escapes make half a surrogate pair of it."""
    row = {"orderId": "1", "errorCode": "\udfff", "errorMsg": "no \ud800"}
    (fate,), _ = match_response(by_id("1"), answer({"failureList": [row]}), trail())
    assert (fate.status, fate.code, fate.message) == (REJECTED, "?", "no ?")


@pytest.mark.parametrize("name", ["errorCode", "errorMsg", "clientOid"])
def test_a_row_that_is_nested_too_deeply(name: str) -> None:
    """What some thread could parse, and this one has no room to show, tells nothing, and costs no run its report."""
    value: list[Any] = []
    for _ in range(100_000):
        value = [value]
    (fate,), _ = match_response(by_id("1"), answer({"failureList": [{"orderId": "1", name: value}]}), trail())
    assert fate == Outcome(REJECTED)


@pytest.mark.parametrize("said", [{"en": "no"}, ["no"]])
def test_words_that_are_no_text(said: object) -> None:
    """Words that come as JSON of another kind are told as JSON."""
    row = {"orderId": "1", "errorCode": 7, "errorMsg": said}
    (fate,), _ = match_response(by_id("1"), answer({"failureList": [row]}), trail())
    assert (fate.code, fate.message) == ("7", json.dumps(said))


@pytest.mark.parametrize("broken", [None, 5, "text", [1]])
def test_a_list_with_a_broken_row(broken: Any) -> None:
    """A row that is none does not spoil the others of its list, and is kept aside."""
    data = {"successList": [ok("1"), broken], "failureList": [broken, failed("2", code="43001")]}
    found, foreign = match_response(by_id("1", "2"), answer(data), trail())
    assert [fate.status for fate in found] == [ACCEPTED, GONE]
    assert foreign == [{"row": broken}, {"row": broken}]


@pytest.mark.parametrize(
    ("error", "doubtful", "status"),
    [
        (OrderNotFoundError("43001", "gone"), False, GONE),
        (OrderNotFoundError("43001", "gone"), True, GONE),
        (ApiError("99999", "no"), False, REJECTED),
        (AuthenticationError("40009", "no"), False, REJECTED),
        (ApiError("99999", "no"), True, UNKNOWN),
        (SystemBusyError("45001", "busy"), True, UNKNOWN),
        (httpx.ConnectError("no way"), False, NOT_SENT),
        (httpx.ConnectError("no way"), True, UNKNOWN),
        (httpx.ReadTimeout("late"), True, UNKNOWN),
        (InvalidResponseError(502, "not JSON"), True, UNKNOWN),
        (RunStopped(), False, NOT_SENT),
        (RunStopped(), True, UNKNOWN),
    ],
)
def test_an_exception_in_place_of_an_answer(error: Exception, doubtful: bool, status: Status) -> None:
    """A refusal of the whole is that of each order; what is left open by a try that may have worked is unknown."""
    found, foreign = match_response(by_id("1", "2"), error, trail(doubtful=doubtful))
    assert [fate.status for fate in found] == [status, status]
    assert foreign == []
    assert found[0].code == getattr(error, "code", None)
    assert found[0].message


def test_the_message_of_an_exception_names_it() -> None:
    """An outcome without a code tells what went wrong on the way, by the exception's name and words."""
    (fate,), _ = match_response(by_id("1"), httpx.ConnectError("no way"), trail())
    assert fate.message == "ConnectError: no way"
    (fate,), _ = match_response(by_id("1"), httpx.ReadTimeout(""), trail())
    assert fate.message == "ReadTimeout"


def test_planned_batches_are_settled_in_their_order() -> None:
    """There is one fate for every distinct order of a planned batch, in the batch's order."""
    _, (batch,) = plan_batches([OrderRef(order_id=one) for one in "12321"], None, None)
    assert [status for status, _ in told(batch, {"successList": [ok("3"), ok("1")]})] == [ACCEPTED, UNKNOWN, ACCEPTED]


def test_what_is_told_of_an_order_in_words() -> None:
    """An accepted order needs no word; one that the answer leaves out, or that the end of the run kept back, is told why."""
    (accepted, left_out), _ = match_response(by_id("1", "2"), answer({"successList": [ok("1")]}), trail())
    assert (accepted.code, accepted.message) == (None, None)
    assert "not mention" in (left_out.message or "")
    (kept,), _ = match_response(by_id("1"), RunStopped(), trail())
    assert kept.message == HALTED
    assert "RunStopped" not in HALTED


def test_the_words_of_an_exception_are_told_whole() -> None:
    """Of an exception's words none is cut off, whatever they end in."""
    (fate,), _ = match_response(by_id("1"), httpx.ConnectError("no route to XX"), trail())
    assert fate.message == "ConnectError: no route to XX"
