"""Whether key, passphrase, clock, account and environment are right: two reads, nothing is changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import httpx

from bitget_spot._cli.advice import MAKE_NTP, Exit, described, exit_of_error
from bitget_spot.errors import (
    ApiError,
    AuthenticationError,
    BitgetError,
    ClockError,
    PermissionDeniedError,
    WrongEnvironmentError,
)
from bitget_spot.server_time import ClockReading, read_clock
from bitget_spot_api import Client
from bitget_spot_api.api.trade import get_unfilled_orders
from bitget_spot_api.operations import TIMESTAMP_WINDOW_SECONDS

RIGHT: Final = {
    "key": "the exchange knows it",
    "passphrase": "it is the key's",
    "secret": "its signature is accepted",
    "address": "the key may be used from here",
    "account": "a classic one, as this API needs it",
    "environment": "the key belongs to it",
    "reading": "the key may read",
}
"""What a signed read that succeeds has shown."""
TRADING: Final = "only a cancel shows whether the key may trade"
NAMES: Final = ("exchange", "clock", *RIGHT, "trading")
BLAMED: Final[Mapping[str, str]] = {
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
BLAMED_FOR_CLASS: Final = (
    (AuthenticationError, "key"),
    (ClockError, "clock"),
    (PermissionDeniedError, "reading"),
    (WrongEnvironmentError, "environment"),
)


def check_all(client: Client, account: str) -> tuple[list[tuple[str, str, str]], Exit]:
    """
    Ask for the clock and for one open order.

    Args:
        client: A client of the account.
        account: Its name, for the one who reads.

    Returns:
        What is looked at, each `ok`, `wrong` or `not known`, with what is known and what to do; and the exit status.

    """
    found = dict.fromkeys(NAMES, ("not known", "")) | {"trading": ("not known", TRADING)}
    try:
        reading = read_clock(client)
        found["exchange"] = ("ok", f"{account} answers in {reading.round_trip * 1000:.0f} ms")
        found["clock"] = clock_row(reading)
        get_unfilled_orders.sync(client=client, limit=1)
    except (BitgetError, httpx.TransportError) as error:
        text, remedy = described(error)
        code = exit_of_error(error)
        state = "wrong" if code in (Exit.STOPPED, Exit.UNREACHABLE) else "not known"
        found[blamed(error)] = (state, f"{text}; {remedy}" if remedy else text)
    else:
        found |= {name: ("ok", detail) for name, detail in RIGHT.items()}
        code = Exit.OK if found["clock"][0] == "ok" else Exit.SOME
    return [(name, *found[name]) for name in NAMES], code


def clock_row(reading: ClockReading) -> tuple[str, str]:
    """Judge the clock."""
    way = "behind" if reading.offset > 0 else "ahead of"
    told = f"this machine's is {abs(reading.offset):.1f} s {way} the exchange's"
    if abs(reading.offset) <= TIMESTAMP_WINDOW_SECONDS:
        return "ok", told
    return "wrong", f"{told}, which this client makes up for and others do not; {MAKE_NTP}"


def blamed(error: Exception) -> str:
    """Tell which row an error belongs to."""
    by_class = next((name for kind, name in BLAMED_FOR_CLASS if isinstance(error, kind)), "exchange")
    return BLAMED.get(error.code, by_class) if isinstance(error, ApiError) else by_class
