"""The advice for an outcome or an error, and the exit status of a run."""

from __future__ import annotations

from collections.abc import Sequence

import httpx
import pytest
from attrs import evolve

from bitget_spot import (
    AuthenticationError,
    BitgetError,
    ClockError,
    Confirmed,
    DeadlineExceeded,
    InvalidParameterError,
    InvalidResponseError,
    NetworkError,
    OrderNotFoundError,
    OrderStateError,
    Outcome,
    PermissionDeniedError,
    RateLimitedError,
    Report,
    Status,
    SystemBusyError,
    WrongEnvironmentError,
)
from bitget_spot._bulk.report import is_done
from bitget_spot._cli.advice import (
    ADVICE_BY_CONFIRMATION,
    CHECK_NETWORK,
    Exit,
    Terminated,
    advice,
    advice_for_code,
    describe,
    exit_status,
    exit_status_of_error,
)
from bitget_spot._cli.orders import BadInputError
from bitget_spot.errors import error_class
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import ERROR_CODES

ORDER = OrderRef(order_id="1")
ACCEPTED = Outcome(ORDER, Status.ACCEPTED, attempts=1)
GONE = Outcome(ORDER, Status.GONE, "43001", "The order is not open", 1, error=OrderNotFoundError("43001"))
REJECTED = Outcome(ORDER, Status.REJECTED, "45055", "current status", 1, error=OrderStateError("45055"))
UNKNOWN = Outcome(ORDER, Status.UNKNOWN, None, "ReadTimeout: timed out", 6, error=httpx.ReadTimeout("timed out"))
UNMENTIONED = Outcome(ORDER, Status.UNKNOWN, None, "the response does not mention it", 1)
NOT_SENT = Outcome(ORDER, Status.NOT_SENT)
UNREACHED = Outcome(ORDER, Status.NOT_SENT, None, "ConnectError: refused", 6, error=httpx.ConnectError("refused"))


def refused(code: str, status: Status = Status.REJECTED, message: str | None = None) -> Outcome:
    """Return the outcome of an order that the exchange refused with this code."""
    return Outcome(ORDER, status, code, message, 1, error=error_class(code)(code, message or ""))


def confirmed(outcome: Outcome, what: Confirmed) -> Outcome:
    """Return an outcome with what the exchange said about the order afterwards."""
    return evolve(outcome, confirmed=what)


@pytest.mark.parametrize(
    ("outcomes", "error", "confirm", "status"),
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
        ([refused("40008"), refused("40008")], None, False, 3),
        ([refused("40008"), refused("40012", Status.UNKNOWN)], None, False, 3),
        ([refused("40008"), REJECTED], None, False, 1),
        ([refused("40008"), ACCEPTED], None, False, 1),
        ([refused("40008"), UNKNOWN], None, False, 1),
        ([UNKNOWN], None, False, 4),
        ([evolve(UNKNOWN, error=InvalidResponseError(502, "HTML"))], None, False, 4),
        ([UNREACHED, NOT_SENT], DeadlineExceeded(), False, 4),
        ([UNREACHED, ACCEPTED], None, False, 1),
        ([UNREACHED, REJECTED], None, False, 1),
        ([], httpx.ConnectError("no"), True, 4),
        ([], InvalidResponseError(502, "HTML"), True, 4),
        ([], InvalidParameterError("40034"), True, 2),
        ([], BadInputError("no"), False, 2),
        ([], ClockError("40008"), True, 3),
        ([], NetworkError("ConnectError: refused"), True, 4),
        ([], SystemBusyError("45001"), True, 4),
        ([], RateLimitedError("429"), True, 4),
        ([], DeadlineExceeded("no order was listed"), True, 4),
        ([confirmed(ACCEPTED, Confirmed.CANCELLED)], DeadlineExceeded(), True, 1),
        ([confirmed(REJECTED, Confirmed.LIVE)], None, True, 1),
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
        ([confirmed(UNKNOWN, Confirmed.LIVE)], None, True, 1),
        ([ACCEPTED], None, True, 1),
    ],
)
def test_exit_status(outcomes: Sequence[Outcome], error: BaseException | None, confirm: bool, status: int) -> None:
    """0: all accepted or gone; 1: some are not; 2: bad input; 3: refused by the exchange; 4: unreachable or busy.

    If the orders were to be confirmed, those filled, still open or unconfirmed make the status 1.
    """
    assert exit_status(Report(tuple(outcomes)), error, confirm=confirm) == status


def test_exit_status_depends_on_the_error_not_on_the_message() -> None:
    """A message that looks like a network error or a code does not decide; the type of the error does."""
    looks_unreachable = Outcome(ORDER, Status.UNKNOWN, None, "ConnectError: refused", 1)
    assert exit_status(Report((looks_unreachable,)), None, confirm=False) is Exit.INCOMPLETE
    assert CHECK_NETWORK not in advice(looks_unreachable, confirm=False)
    without_message = evolve(looks_unreachable, message=None, error=httpx.ConnectError("refused"))
    assert exit_status(Report((without_message,)), None, confirm=False) is Exit.UNREACHABLE
    assert CHECK_NETWORK in advice(without_message, confirm=False)


@pytest.mark.parametrize(
    ("outcome", "confirm", "expected"),
    [
        (ACCEPTED, False, "the order can still fill until it is executed. Use --confirm to check."),
        (ACCEPTED, True, "The exchange did not confirm the outcome."),
        (GONE, False, "Filled, cancelled earlier, or never there."),
        (confirmed(GONE, Confirmed.FILLED), True, "Check your position; the order was filled"),
        (confirmed(ACCEPTED, Confirmed.LIVE), True, "It is still open."),
        (confirmed(REJECTED, Confirmed.LIVE), True, "its state or type does not allow"),
        (confirmed(GONE, Confirmed.LIVE), True, "Check the symbol, and send the cancel again."),
        (REJECTED, False, "its state or type does not allow"),
        (REJECTED, True, "its state or type does not allow"),
        (refused("40034"), False, "written like BTCUSDT"),
        (refused("99999", message="OrderError: odd"), False, "for the reason above"),
        (UNKNOWN, False, f"{CHECK_NETWORK} The result is unknown."),
        (UNMENTIONED, False, "The result is unknown. Sending the cancel again is safe"),
        (
            refused("45001", Status.UNKNOWN),
            False,
            "The exchange is busy; try again later. The result is unknown.",
        ),
        (UNREACHED, False, f"{CHECK_NETWORK} The exchange has not looked at the order."),
        (NOT_SENT, True, "The exchange has not looked at the order. Sending the cancel again is safe."),
    ],
)
def test_advice_for_an_order(outcome: Outcome, confirm: bool, expected: str) -> None:
    """It depends on the confirmation, else on the network error, the code and the class of the code, and the status."""
    assert expected in advice(outcome, confirm=confirm)


def test_advice_for_the_network() -> None:
    """It names the option and the variable that may be wrong."""
    assert CHECK_NETWORK == "Check the network and --base-url (BITGET_API_BASE_URL), then try again."


def test_every_confirmation_has_advice() -> None:
    """Whatever the exchange says about an order afterwards has its advice."""
    assert set(Confirmed) < set(ADVICE_BY_CONFIRMATION)


@pytest.mark.parametrize("code", ["40037", "40012", "40009", "40008", "40085", "40099", "40018", "40014"])
def test_fatal_codes_have_advice_of_their_own(code: str) -> None:
    """The advice for a code that ends a run is not that of another code."""
    others = {advice_for_code(other) for other in ("40001", "40013", "40081") if other != code}
    assert advice_for_code(code)
    assert advice_for_code(code) not in others


@pytest.mark.parametrize("name", sorted(ERROR_CODES))
def test_every_class_of_codes_has_advice(name: str) -> None:
    """Every code that the document classifies has advice, except for those of orders that are gone."""
    for code in ERROR_CODES[name]:
        assert bool(advice_for_code(code)) is (name != "gone")


@pytest.mark.parametrize(
    ("error", "expected", "remedy"),
    [
        (KeyboardInterrupt(), "stopped by Ctrl-C", None),
        (Terminated(), "stopped by SIGTERM", None),
        (DeadlineExceeded("the deadline passed"), "the deadline passed", None),
        (BadInputError("one", "two"), "one\ntwo\nnothing was sent", None),
        (
            PermissionDeniedError("40018", "Invalid IP"),
            "the exchange returned an error: 40018: Invalid IP (HTTP 400)",
            "Add this machine's IP address to the API key's allowlist.",
        ),
        (SystemBusyError("45001", "busy"), "the exchange returned an error: 45001: busy (HTTP 400)", "busy"),
        (httpx.ConnectError(""), "no valid response from the exchange: ConnectError", CHECK_NETWORK),
        (
            NetworkError("ConnectError: refused"),
            "no valid response from the exchange: ConnectError: refused",
            CHECK_NETWORK,
        ),
        (
            InvalidResponseError(502, "HTML"),
            "no valid response from the exchange: InvalidResponseError: HTTP 502: HTML",
            CHECK_NETWORK,
        ),
        (BitgetError("so"), "so", None),
    ],
)
def test_describe_an_error(error: BaseException, expected: str, remedy: str | None) -> None:
    """The description says what ended the command, and what to do if anything can be done."""
    text, found = describe(error)
    assert text == expected
    assert (found is None) is (remedy is None)
    assert (remedy or "") in (found or "")


def test_describe_an_unexpected_error() -> None:
    """Only the type and the place are shown, because the message may contain a secret."""
    with pytest.raises(RuntimeError) as caught:
        raise RuntimeError("hunter2")
    text, remedy = describe(caught.value)
    assert text.startswith("unexpected RuntimeError at test_advice.py:")
    assert remedy is None
    assert "hunter2" not in text


def test_an_order_that_is_cancelled_is_done() -> None:
    """An order that was rejected needs no attention if the exchange says afterwards that it is cancelled."""
    assert is_done(confirmed(REJECTED, Confirmed.CANCELLED), confirmed=True)
    assert not is_done(REJECTED, confirmed=True)


def test_exit_status_of_the_base_error() -> None:
    """An error of this package that has no status of its own leaves the run incomplete."""
    assert exit_status_of_error(BitgetError()) is Exit.INCOMPLETE
