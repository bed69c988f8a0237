"""What an outcome or an error means: the remedy, and the exit status."""

from __future__ import annotations

import httpx
import pytest

from bitget_spot import (
    AuthenticationError,
    BitgetError,
    ClockError,
    Confirmed,
    DeadlineExceeded,
    InvalidParameterError,
    InvalidResponseError,
    Outcome,
    PermissionDeniedError,
    Report,
    Status,
    SystemBusyError,
    WrongEnvironmentError,
)
from bitget_spot._cli.advice import (
    ADVICE_BY_CONFIRMATION,
    Exit,
    Terminated,
    advice,
    advice_for_code,
    describe,
    exit_status,
    exit_status_of_error,
    is_done,
)
from bitget_spot._cli.orders import BadInputError
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import ERROR_CODES

ORDER = OrderRef(order_id="1")
ACCEPTED = Outcome(ORDER, Status.ACCEPTED, max_retries=0)
GONE = Outcome(ORDER, Status.GONE, "43001", "The order is not open", 1)
REJECTED = Outcome(ORDER, Status.REJECTED, "45055", "current status", 1)
UNKNOWN = Outcome(ORDER, Status.UNKNOWN, None, "ReadTimeout: timed out", 6)
UNMENTIONED = Outcome(ORDER, Status.UNKNOWN, None, "the answer does not mention it", 1)
NOT_SENT = Outcome(ORDER, Status.NOT_SENT)
UNREACHED = Outcome(ORDER, Status.NOT_SENT, None, "ConnectError: refused", 6)


def confirmed(outcome: Outcome, what: Confirmed | None) -> Outcome:
    """The outcome after asking."""
    return Outcome(outcome.order, outcome.status, outcome.code, outcome.message, outcome.attempts, what)


@pytest.mark.parametrize(
    ("outcomes", "ended_by", "asked", "status"),
    [
        ([ACCEPTED, GONE], None, False, 0),
        ([], None, False, 0),
        ([ACCEPTED, REJECTED], None, False, 1),
        ([ACCEPTED, UNKNOWN], None, False, 1),
        ([ACCEPTED, NOT_SENT], DeadlineExceeded(), False, 1),
        ([ACCEPTED], DeadlineExceeded(), False, 1),
        ([NOT_SENT], DeadlineExceeded(), False, 1),
        ([REJECTED], None, False, 1),
        ([UNMENTIONED], None, False, 1),
        ([REJECTED], AuthenticationError("40012"), False, 3),
        ([ACCEPTED, NOT_SENT], PermissionDeniedError("40018"), False, 3),
        ([ACCEPTED], WrongEnvironmentError("40085"), False, 3),
        ([Outcome(ORDER, Status.REJECTED, "40008")] * 2, None, False, 3),
        ([Outcome(ORDER, Status.REJECTED, "40008"), REJECTED], None, False, 1),
        ([Outcome(ORDER, Status.REJECTED, "40008"), ACCEPTED], None, False, 1),
        ([UNKNOWN], None, False, 4),
        ([UNREACHED, NOT_SENT], DeadlineExceeded(), False, 4),
        ([UNREACHED, ACCEPTED], None, False, 1),
        ([UNREACHED, REJECTED], None, False, 1),
        ([], httpx.ConnectError("no"), True, 4),
        ([], InvalidResponseError(502, "HTML"), True, 4),
        ([], InvalidParameterError("40034"), True, 2),
        ([], BadInputError("no"), False, 2),
        ([], ClockError("40008"), True, 3),
        ([], SystemBusyError("45001"), True, 1),
        ([ACCEPTED], httpx.ConnectError("no"), True, 1),
        ([], RuntimeError("no"), False, 70),
        ([ACCEPTED], RuntimeError("no"), False, 70),
        ([ACCEPTED, NOT_SENT], KeyboardInterrupt(), False, 130),
        ([], Terminated(), False, 143),
        ([confirmed(ACCEPTED, Confirmed.CANCELLED), confirmed(GONE, Confirmed.NOT_FOUND)], None, True, 0),
        ([confirmed(UNKNOWN, Confirmed.CANCELLED)], None, True, 0),
        ([confirmed(ACCEPTED, Confirmed.FILLED)], None, True, 1),
        ([confirmed(GONE, Confirmed.PARTLY_FILLED)], None, True, 1),
        ([confirmed(ACCEPTED, Confirmed.LIVE)], None, True, 1),
        ([confirmed(UNMENTIONED, Confirmed.NOT_FOUND)], None, True, 1),
        ([ACCEPTED], None, True, 1),
    ],
)
def test_the_exit_status(outcomes: list[Outcome], ended_by: BaseException | None, asked: bool, status: int) -> None:
    """0 all accepted or gone, 1 some not, 2 bad input, 3 stopped by the exchange, 4 unreachable; what was asked for
    and is filled, open or not known is 1.
    """
    assert exit_status(Report(tuple(outcomes)), ended_by, asked=asked) == status


@pytest.mark.parametrize(
    ("outcome", "asked", "told"),
    [
        (ACCEPTED, False, "until it is carried out the order can fill: --confirm asks"),
        (ACCEPTED, True, "it could not be asked"),
        (GONE, False, "filled, cancelled earlier or never there"),
        (confirmed(GONE, Confirmed.FILLED), True, "look at the position: it filled"),
        (confirmed(ACCEPTED, Confirmed.LIVE), True, "it is still open"),
        (REJECTED, False, "its state or kind forbids"),
        (REJECTED, True, "its state or kind forbids"),
        (Outcome(ORDER, Status.REJECTED, "40034"), False, "written as BTCUSDT"),
        (Outcome(ORDER, Status.REJECTED, "99999", "OrderError: odd"), False, "the message says why"),
        (UNKNOWN, False, "look at the network and at --base-url (BITGET_API_BASE_URL), then send again; nobody knows"),
        (UNMENTIONED, False, "nobody knows whether it is cancelled: to send it again is safe"),
        (Outcome(ORDER, Status.UNKNOWN, "45001"), False, "the exchange is busy: send again; nobody knows"),
        (UNREACHED, False, "look at the network and at --base-url (BITGET_API_BASE_URL), then send again; it never"),
        (NOT_SENT, True, "it never left: to send it again is safe"),
    ],
)
def test_what_to_do_about_an_order(outcome: Outcome, asked: bool, told: str) -> None:
    """By what was confirmed, by code, by class of code, by status."""
    assert advice(outcome, asked=asked).startswith(told) or told in advice(outcome, asked=asked)


def test_everything_that_can_be_confirmed_has_its_advice() -> None:
    """No answer of the exchange is without a word on what to do."""
    assert set(Confirmed) < set(ADVICE_BY_CONFIRMATION)


@pytest.mark.parametrize("code", ["40037", "40012", "40009", "40008", "40085", "40099", "40018", "40014"])
def test_the_codes_that_stop_a_trader_have_a_remedy_of_their_own(code: str) -> None:
    """Each differs from what its class would say, unless the class is as plain."""
    others = {advice_for_code(other) for other in ("40001", "40013", "40081") if other != code}
    assert advice_for_code(code)
    assert advice_for_code(code) not in others


@pytest.mark.parametrize("name", sorted(ERROR_CODES))
def test_every_class_of_codes_has_a_remedy(name: str) -> None:
    """What the document classifies has a remedy; what is gone needs none."""
    assert all(bool(advice_for_code(code)) is (name != "gone") for code in ERROR_CODES[name])


@pytest.mark.parametrize(
    ("error", "told", "remedy"),
    [
        (KeyboardInterrupt(), "stopped by Ctrl-C", None),
        (Terminated(), "stopped by SIGTERM", None),
        (DeadlineExceeded("the deadline passed"), "the deadline passed", None),
        (BadInputError("one", "two"), "one\ntwo\nnothing was sent", None),
        (PermissionDeniedError("40018", "Invalid IP"), "the exchange refused: 40018: Invalid IP (HTTP 400)", "address"),
        (httpx.ConnectError(""), "no answer of the exchange: ConnectError", "network"),
        (
            InvalidResponseError(502, "HTML"),
            "no answer of the exchange: InvalidResponseError: HTTP 502: HTML",
            "netw",
        ),
        (BitgetError("so"), "so", None),
    ],
)
def test_what_has_ended_a_command(error: BaseException, told: str, remedy: str | None) -> None:
    """What happened, and what to do."""
    text, todo = describe(error)
    assert text == told
    assert (todo is None) is (remedy is None)
    assert (remedy or "") in (todo or "")


def test_an_error_that_nobody_has_foreseen_tells_no_more_than_its_kind_and_place() -> None:
    """Its message may hold a secret."""
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError("hunter2")
    text, _ = describe(caught.value)
    assert text.startswith("unexpected RuntimeError at test_cli_advice.py:")
    assert "hunter2" not in text


def test_done_means_settled_or_known_to_be_cancelled() -> None:
    """An order that was rejected, and is found cancelled, needs nobody."""
    assert is_done(confirmed(REJECTED, Confirmed.CANCELLED), asked=True)
    assert not is_done(REJECTED, asked=True)
    assert exit_status_of_error(BitgetError()) is Exit.SOME
