"""What an outcome or an error means for the one who reads it: what to do, and the exit status. Pure."""

from __future__ import annotations

import re
import traceback
from enum import IntEnum
from pathlib import Path
from typing import Final

import httpx

from bitget_spot._bulk.confirmation import Confirmed
from bitget_spot._bulk.report import SETTLED, Outcome, Report, Status
from bitget_spot._cli.orders import BadInputError
from bitget_spot.errors import (
    ApiError,
    AuthenticationError,
    BitgetError,
    ClockError,
    InvalidParameterError,
    MarketStateError,
    OrderStateError,
    PermissionDeniedError,
    RateLimitedError,
    SystemBusyError,
    UnreadableAnswerError,
    WrongEnvironmentError,
    error_class,
)

Exit = IntEnum(
    "Exit",
    {
        "OK": 0,
        "SOME": 1,
        "BAD_INPUT": 2,
        "STOPPED": 3,
        "UNREACHABLE": 4,
        "DEFECT": 70,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    },
)
"""The exit statuses."""


class Terminated(KeyboardInterrupt):
    """SIGTERM has come, which ends a command as Ctrl-C does."""


STOPPING: Final = (AuthenticationError, PermissionDeniedError, WrongEnvironmentError, ClockError)
UNREACHABLE: Final = (httpx.TransportError, UnreadableAnswerError)
TROUBLE: Final = re.compile(r"\w+(Error|Timeout|Protocol)\b")
"""How the message of an order begins that met trouble on the way."""

STATUSES: Final[tuple[tuple[tuple[type[BaseException], ...], Exit], ...]] = (
    ((Terminated,), Exit.TERMINATED),
    ((KeyboardInterrupt,), Exit.INTERRUPTED),
    (STOPPING, Exit.STOPPED),
    (UNREACHABLE, Exit.UNREACHABLE),
    ((BadInputError, InvalidParameterError), Exit.BAD_INPUT),
    ((BitgetError,), Exit.SOME),
)
"""The exit status of each kind of error; the first that fits."""

SEND_AGAIN: Final = "to send it again is safe"
MAKE_NTP: Final = "set this machine's clock right, best by NTP"
FOR_CODE: Final = {
    "40006": "look at BITGET_API_KEY: there is no such key",
    "40008": MAKE_NTP,
    "40009": "look at BITGET_SECRET_KEY: the signature does not fit the key",
    "40011": "set BITGET_PASSPHRASE",
    "40012": "look at BITGET_PASSPHRASE, the words chosen when this key was made",
    "40014": "give the key the permission to trade spot, where it was made",
    "40018": "add this machine's address to the key's list of addresses",
    "40034": "look at the symbol: written as BTCUSDT, and of a pair that is traded",
    "40036": "look at BITGET_PASSPHRASE, the words chosen when this key was made",
    "40037": "look at BITGET_API_KEY: there is no such key, or no longer",
    "40038": "add this machine's address to the key's list of addresses",
    "40040": "give the key the permission to trade spot, where it was made",
    "40041": "make a new key: this one has expired",
    "40084": "the account is a classic one, and what was called is for unified ones: report this",
    "40085": "this is a unified account, which this API does not serve: use a key of a classic account",
    "40099": "demo and live are mixed up: --demo (or BITGET_DEMO=1) with a demo key, neither with a live one",
}
FOR_CLASS: Final = {
    AuthenticationError: "look at BITGET_API_KEY, BITGET_SECRET_KEY and BITGET_PASSPHRASE",
    ClockError: MAKE_NTP,
    PermissionDeniedError: "look at the permissions and addresses of the key, and at the account",
    WrongEnvironmentError: "look whether key, account and --demo go together",
    InvalidParameterError: "look at the ids and the symbol",
    OrderStateError: "look at the order at the exchange: its state or kind forbids this cancel",
    MarketStateError: "look at the pair at the exchange, and send again when it trades",
    RateLimitedError: "send again; where other programs use the account, share a budget by --slots",
    SystemBusyError: "the exchange is busy: send again",
}
NOT_KNOWN: Final = "not known"
FOR_CONFIRMED: Final[dict[str, str]] = {
    Confirmed.CANCELLED: "nothing: it is cancelled, and nothing of it has filled",
    Confirmed.FILLED: "look at the position: it filled before the cancel was carried out",
    Confirmed.PARTLY_FILLED: "look at the position: a part filled, the rest is cancelled",
    Confirmed.LIVE: f"it is still open: {SEND_AGAIN}",
    Confirmed.NOT_FOUND: "look at the id and the account: the exchange does not know it, or no longer",
    NOT_KNOWN: "it could not be asked what became of it: to send it again is safe, and asks again",
}
FOR_STATUS: Final = {
    Status.ACCEPTED: "the exchange has the cancel; until it is carried out the order can fill: --confirm asks",
    Status.GONE: "filled, cancelled earlier or never there: look at the id, --confirm asks which",
    Status.REJECTED: "the exchange refused, and the message says why: look at the order there",
    Status.UNKNOWN: f"nobody knows whether it is cancelled: {SEND_AGAIN}, --confirm asks",
    Status.NOT_SENT: f"it never left: {SEND_AGAIN}",
}
DOUBTFUL: Final = (Status.ACCEPTED, Status.GONE, Status.UNKNOWN)
"""Whose fate is asked for."""
FOR_NETWORK: Final = "look at the network and at --base-url (BITGET_API_BASE_URL), then send again"


def remedy_for_code(code: str | None) -> str | None:
    """Tell what to do about a code of the exchange, if anything is known of it."""
    return FOR_CODE.get(str(code)) or FOR_CLASS.get(error_class(str(code)))


def advice(outcome: Outcome, *, asked: bool) -> str:
    """
    Tell what to do about an order.

    Args:
        outcome: What became of it.
        asked: Whether the exchange was to be asked afterwards.

    """
    if confirmed := confirmation(outcome, asked=asked):
        return FOR_CONFIRMED[confirmed]
    known = FOR_STATUS[outcome.status]
    in_trouble = outcome.code is None and TROUBLE.match(outcome.message or "")
    remedy = FOR_NETWORK if in_trouble else remedy_for_code(outcome.code)
    told = (remedy,) if remedy and outcome.status is Status.REJECTED else (remedy, known)
    return "; ".join(filter(None, told))


def confirmation(outcome: Outcome, *, asked: bool) -> str | None:
    """Tell what the exchange said of an order afterwards, or that it did not although it was to be asked."""
    return outcome.confirmed or (NOT_KNOWN if asked and outcome.status in DOUBTFUL else None)


def is_done(outcome: Outcome, *, asked: bool) -> bool:
    """Tell whether nothing is left to do about an order."""
    settled = outcome.status in SETTLED and (not asked or outcome.confirmed is Confirmed.NOT_FOUND)
    return settled or outcome.confirmed is Confirmed.CANCELLED


def exit_status(report: Report, ended_by: BaseException | None, *, asked: bool) -> Exit:
    """
    Tell the exit status of a run.

    Args:
        report: What became of the orders.
        ended_by: What ended the run early, if anything did.
        asked: Whether the exchange was to be asked afterwards.

    """
    told = Exit.OK if ended_by is None else exit_of_error(ended_by)
    if not report.outcomes or told is Exit.STOPPED or told >= Exit.DEFECT:
        return told
    if not any(outcome.status in SETTLED or outcome.confirmed for outcome in report.outcomes):
        codes = {outcome.code for outcome in report.outcomes}
        if all(code and issubclass(error_class(code), STOPPING) for code in codes):
            return Exit.STOPPED
        if codes == {None} and any(TROUBLE.match(outcome.message or "") for outcome in report.outcomes):
            return Exit.UNREACHABLE
    return Exit.SOME if ended_by or not all(is_done(outcome, asked=asked) for outcome in report.outcomes) else Exit.OK


def exit_of_error(error: BaseException) -> Exit:
    """Tell the exit status of what has ended a command by itself."""
    return next((status for kinds, status in STATUSES if isinstance(error, kinds)), Exit.DEFECT)


def described(error: BaseException) -> tuple[str, str | None]:
    """
    Tell what has ended a command, and what to do about it.

    Of an error that nobody has foreseen only its kind and place are told: its message may hold anything.
    """
    if isinstance(error, KeyboardInterrupt):
        return f"stopped by {'SIGTERM' if isinstance(error, Terminated) else 'Ctrl-C'}", None
    if isinstance(error, ApiError):
        return f"the exchange refused: {error}", remedy_for_code(error.code)
    if isinstance(error, UNREACHABLE):
        return f"no answer of the exchange: {type(error).__name__}: {error}".rstrip(": "), FOR_NETWORK
    if isinstance(error, BitgetError | BadInputError):
        return str(error), None
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"unexpected {type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}; please report it", None
