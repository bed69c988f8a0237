"""Checks key, passphrase, clock, account and environment with two read-only requests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx
from attrs import evolve, frozen

from bitget_spot import server_time
from bitget_spot._cli.advice import NETWORK_ERROR, USE_NTP, Exit, describe, exit_status_of_error
from bitget_spot.errors import (
    ApiError,
    AuthenticationError,
    BitgetError,
    ClockError,
    PermissionDeniedError,
    WrongEnvironmentError,
)
from bitget_spot.server_time import ClockReading
from bitget_spot_api import Client
from bitget_spot_api.api.trade import get_unfilled_orders
from bitget_spot_api.operations import TIMESTAMP_WINDOW_SECONDS

OK: Final = "ok"
WRONG: Final = "wrong"
NOT_CHECKED: Final = "not checked"

DETAILS: Final = {
    "key": "the exchange knows it",
    "passphrase": "it matches the key",
    "secret": "its signature is accepted",
    "address": "the key may be used from this IP address",
    "account": "a classic account, as this API requires",
    "environment": "the key matches it",
    "reading": "the key can read orders",
}
"""What a successful signed request shows."""
TRADING: Final = "only an actual cancel shows whether the key can trade"
CHECKS: Final = ("exchange", "clock", *DETAILS, "trading")
CHECK_BY_CODE: Final[Mapping[str, str]] = {
    "40002": "secret",
    "40003": "secret",
    "40009": "secret",
    "40011": "passphrase",
    "40012": "passphrase",
    "40036": "passphrase",
    "40018": "address",
    "40038": "address",
    "40081": "account",
    "40084": "account",
    "40085": "account",
}
CHECK_BY_CLASS: Final = (
    (AuthenticationError, "key"),
    (ClockError, "clock"),
    (PermissionDeniedError, "reading"),
    (WrongEnvironmentError, "environment"),
)


@frozen
class CheckResult:
    """What one check has found: `ok`, `wrong` or `not checked`, and what is known or what to do."""

    name: str
    state: str
    detail: str


def check_all(client: Client, account: str) -> tuple[list[CheckResult], Exit]:
    """
    Request the exchange's clock and one open order.

    Args:
        client: A client of the account.
        account: What the account is called in messages.

    Returns:
        The results, and the exit status.

    """
    results = {name: CheckResult(name, NOT_CHECKED, "") for name in CHECKS}
    results["trading"] = CheckResult("trading", NOT_CHECKED, TRADING)
    try:
        reading = server_time.sync(client=client)
        milliseconds = reading.round_trip * 1000
        results["exchange"] = CheckResult("exchange", OK, f"{account} responds in {milliseconds:.0f} ms")
        results["clock"] = check_clock(reading)
        get_unfilled_orders.sync(client=client, limit=1)
    except (BitgetError, httpx.TransportError) as error:
        status = exit_status_of_error(error)
        result = _failed_check(error, status)
        if result.state == NOT_CHECKED and result.name == "exchange" and results["exchange"].state == OK:
            result = evolve(result, name="reading")  # it has responded to the first request
        results[result.name] = result
    else:
        results |= {name: CheckResult(name, OK, detail) for name, detail in DETAILS.items()}
        status = Exit.OK if results["clock"].state == OK else Exit.INCOMPLETE
    return list(results.values()), status


def check_clock(reading: ClockReading) -> CheckResult:
    """Return whether this machine's clock is accurate enough to sign requests without a correction."""
    direction = "behind" if reading.offset > 0 else "ahead of"
    detail = f"this machine's clock is {abs(reading.offset):.1f} s {direction} the exchange's"
    if abs(reading.offset) <= TIMESTAMP_WINDOW_SECONDS:
        return CheckResult("clock", OK, detail)
    return CheckResult("clock", WRONG, f"{detail}; this client corrects that, but other programs do not. {USE_NTP}")


def _failed_check(error: Exception, status: Exit) -> CheckResult:
    text, remedy = describe(error)
    # That the exchange is busy proves nothing wrong.
    state = WRONG if status is Exit.REFUSED or isinstance(error, NETWORK_ERROR) else NOT_CHECKED
    return CheckResult(failed_check_name(error), state, f"{text}. {remedy}" if remedy else text)


def failed_check_name(error: Exception) -> str:
    """Return the check that an error belongs to."""
    if isinstance(error, ApiError) and error.code in CHECK_BY_CODE:
        return CHECK_BY_CODE[error.code]
    for error_type, name in CHECK_BY_CLASS:
        if isinstance(error, error_type):
            return name
    return "exchange"
