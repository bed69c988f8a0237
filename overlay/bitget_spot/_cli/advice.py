"""What an outcome or an error means for the user: what to do, and the exit status. Pure."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Final

import httpx

from bitget_spot._bulk.recovery import ends_listing
from bitget_spot._bulk.report import CONFIRMABLE, DONE, Confirmed, Outcome, Report, Status, is_done
from bitget_spot._cli.orders import BadInputError
from bitget_spot.errors import (
    ApiError,
    AuthenticationError,
    BitgetError,
    ClockError,
    DeadlineExceeded,
    InvalidParameterError,
    InvalidResponseError,
    MarketStateError,
    NetworkError,
    OrderStateError,
    PermissionDeniedError,
    RateLimitedError,
    SystemBusyError,
    WrongEnvironmentError,
    error_class,
)


class Exit(IntEnum):
    """The exit statuses."""

    OK = 0
    """All orders are accepted or gone; if confirmed: cancelled."""
    INCOMPLETE = 1
    """Some orders are rejected, unknown or not sent; if confirmed: filled or still open."""
    BAD_INPUT = 2
    """The input is not valid; nothing was sent."""
    REFUSED = 3
    """The exchange refuses the key, the permission, the environment or the clock."""
    UNREACHABLE = 4
    """The exchange cannot be reached, or is too busy."""
    DEFECT = 70
    """An error that this program does not expect."""
    INTERRUPTED = 130
    """Ctrl-C."""
    TERMINATED = 143
    """SIGTERM."""


class Terminated(KeyboardInterrupt):
    """The process received SIGTERM, which ends a command like Ctrl-C."""


FATAL: Final = (AuthenticationError, PermissionDeniedError, WrongEnvironmentError, ClockError)
NETWORK_ERROR: Final = (httpx.TransportError, NetworkError, InvalidResponseError)
EXIT_BY_ERROR: Final[tuple[tuple[tuple[type[BaseException], ...], Exit], ...]] = (
    ((Terminated,), Exit.TERMINATED),
    ((KeyboardInterrupt,), Exit.INTERRUPTED),
    (FATAL, Exit.REFUSED),
    ((*NETWORK_ERROR, SystemBusyError, RateLimitedError), Exit.UNREACHABLE),
    ((BadInputError, InvalidParameterError), Exit.BAD_INPUT),
    ((BitgetError,), Exit.INCOMPLETE),
)
"""The exit status of each kind of error; the first that matches counts."""

USE_NTP: Final = "Correct this machine's clock, preferably with NTP."
CHECK_KEY: Final = "Check BITGET_API_KEY; the exchange does not recognize this key."
CHECK_PASSPHRASE: Final = "Check BITGET_PASSPHRASE; it was set when the API key was created."  # noqa: S105 - advice
GRANT_TRADING: Final = "Grant the API key permission for spot trading."
ALLOW_ADDRESS: Final = "Add this machine's IP address to the API key's allowlist."
ADVICE_BY_CODE: Final = {
    "40006": CHECK_KEY,
    "40008": USE_NTP,
    "40009": "Check BITGET_SECRET_KEY; the signature does not match the API key.",
    "40011": "Set BITGET_PASSPHRASE.",
    "40012": CHECK_PASSPHRASE,
    "40014": GRANT_TRADING,
    "40018": ALLOW_ADDRESS,
    "40034": "Check the symbol; it must be a trading pair listed on the exchange, written like BTCUSDT.",
    "40036": CHECK_PASSPHRASE,
    "40037": CHECK_KEY,
    "40038": ALLOW_ADDRESS,
    "40040": GRANT_TRADING,
    "40041": "Create a new API key; this one has expired.",
    "40084": "This is a classic account, but the request was for unified accounts. Please report this as a bug.",
    "40085": "This is a unified account, which this API does not support. Use the API key of a classic account.",
    "40099": "Demo and live are mixed up: use --demo (or BITGET_DEMO=1) with a demo key, and omit it with a live key.",
}
ADVICE_BY_CLASS: Final[Mapping[type[ApiError], str]] = {
    AuthenticationError: "Check BITGET_API_KEY, BITGET_SECRET_KEY and BITGET_PASSPHRASE.",
    ClockError: USE_NTP,
    PermissionDeniedError: "Check the API key's permissions and IP allowlist, and the status of the account.",
    WrongEnvironmentError: "Check that key, account and --demo match.",
    InvalidParameterError: "Check the ids and the symbol.",
    OrderStateError: "Check the order on the exchange; its state or type does not allow this cancel.",
    MarketStateError: "Check the trading pair on the exchange, and try again when trading has resumed.",
    RateLimitedError: "Try again later. If other programs use this account, share the rate limit with --rate-limit-store.",
    SystemBusyError: "The exchange is busy; try again later.",
}
UNCONFIRMED: Final = "unconfirmed"
"""The exchange was to be asked about an order, and did not respond."""
ADVICE_BY_CONFIRMATION: Final[dict[str, str]] = {
    Confirmed.CANCELLED: "Nothing to do; it was cancelled without being filled.",
    Confirmed.FILLED: "Check your position; the order was filled before the cancel was executed.",
    Confirmed.PARTLY_FILLED: "Check your position; part of the order was filled, and the rest was cancelled.",
    Confirmed.LIVE: "It is still open.",
    Confirmed.NOT_FOUND: "Check the id and the account; the exchange has no record of this order, or no longer has one.",
    UNCONFIRMED: "The exchange did not confirm the outcome. Sending the cancel again is safe, and checks again.",
}
ADVICE_BY_STATUS: Final = {
    Status.ACCEPTED: "The exchange has received the cancel, but the order can still fill until it is executed. Use --confirm to check.",
    Status.GONE: "Filled, cancelled earlier, or never there. Check the id; use --confirm to find out which.",
    Status.REJECTED: "The exchange refused the cancel for the reason above. Check the order on the exchange.",
    Status.UNKNOWN: "The result is unknown. Sending the cancel again is safe; use --confirm to check.",
    Status.NOT_SENT: "The exchange has not looked at the order. Sending the cancel again is safe.",
}
CHECK_NETWORK: Final = "Check the network and --base-url (BITGET_API_BASE_URL), then try again."


def advice_for_code(code: str | None) -> str | None:
    """Return what to do about a code of the exchange; `None` if nothing is known about it."""
    return ADVICE_BY_CODE.get(str(code)) or ADVICE_BY_CLASS.get(error_class(str(code)))


def advice(outcome: Outcome, *, confirm: bool) -> str:
    """
    Return what to do about an order.

    Args:
        outcome: The outcome of the order.
        confirm: Whether the exchange was to be asked afterwards.

    """
    confirmed = confirmation(outcome, confirm=confirm)
    if confirmed == Confirmed.LIVE:
        return f"{ADVICE_BY_CONFIRMATION[confirmed]} {_advice_for_live_order(outcome)}"
    if confirmed:
        return ADVICE_BY_CONFIRMATION[confirmed]
    if isinstance(outcome.error, NETWORK_ERROR):
        specific: str | None = CHECK_NETWORK
    else:
        specific = advice_for_code(outcome.code)
    if specific is None:
        return ADVICE_BY_STATUS[outcome.status]
    if outcome.status is Status.REJECTED:
        return specific
    return f"{specific} {ADVICE_BY_STATUS[outcome.status]}"


def _advice_for_live_order(outcome: Outcome) -> str:
    if outcome.status is Status.REJECTED:
        return advice_for_code(outcome.code) or ADVICE_BY_STATUS[Status.REJECTED]
    if outcome.status is Status.GONE:
        return "Check the symbol, and send the cancel again."
    return "Sending the cancel again is safe."


def confirmation(outcome: Outcome, *, confirm: bool) -> str | None:
    """Return what the exchange said about an order afterwards, or that it did not although it was to be asked."""
    if outcome.confirmed is not None:
        return outcome.confirmed
    return UNCONFIRMED if confirm and outcome.status in CONFIRMABLE else None


def exit_status(report: Report, error: BaseException | None, *, confirm: bool) -> Exit:
    """
    Return the exit status of a run.

    Args:
        report: The outcomes of the orders.
        error: What ended the run early, if anything did.
        confirm: Whether the exchange was to be asked afterwards.

    """
    status = Exit.OK if error is None else exit_status_of_error(error)
    if status is Exit.REFUSED or status >= Exit.DEFECT:
        return status
    if not report.outcomes and isinstance(error, ApiError | DeadlineExceeded) and not ends_listing(error):
        return Exit.UNREACHABLE  # the open orders could not be listed in time
    if not report.outcomes:
        return status
    common = _common_failure(report)
    if common is not None:
        return common
    if error is None and all(is_done(outcome, confirmed=confirm) for outcome in report):
        return Exit.OK
    return Exit.INCOMPLETE


def _common_failure(report: Report) -> Exit | None:
    """Return the exit status if every order failed for reasons that have one of their own."""
    if any(outcome.status in DONE or outcome.confirmed for outcome in report):
        return None
    if all(isinstance(outcome.error, FATAL) for outcome in report):
        return Exit.REFUSED
    if any(outcome.code for outcome in report):
        return None
    if any(isinstance(outcome.error, NETWORK_ERROR) for outcome in report):
        return Exit.UNREACHABLE
    return None


def exit_status_of_error(error: BaseException) -> Exit:
    """Return the exit status of an error that ended a command."""
    for classes, status in EXIT_BY_ERROR:
        if isinstance(error, classes):
            return status
    return Exit.DEFECT


def describe(error: BaseException) -> tuple[str, str | None]:
    """
    Return what ended a command, and what to do about it.

    Of an unexpected error only the type and the place are shown, because its message may contain anything.
    """
    if isinstance(error, Terminated):
        return "stopped by SIGTERM", None
    if isinstance(error, KeyboardInterrupt):
        return "stopped by Ctrl-C", None
    if isinstance(error, ApiError):
        return f"the exchange returned an error: {error}", advice_for_code(error.code)
    if isinstance(error, NETWORK_ERROR):
        # A `NetworkError` begins with the type of its cause.
        name = "" if isinstance(error, NetworkError) else f"{type(error).__name__}: "
        return f"no valid response from the exchange: {name}{error}".rstrip(": "), CHECK_NETWORK
    if isinstance(error, BitgetError | BadInputError):
        return str(error), None
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"unexpected {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}; please report it", None
