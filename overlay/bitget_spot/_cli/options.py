"""The options that several commands have."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, TypeAlias

import typer

from bitget_spot._middleware.account_type import AccountType


class KindChoice(StrEnum):
    """A kind of orders: typer has no lists of literals."""

    NORMAL = "normal"
    TPSL = "tpsl"
    PLAN = "plan"


def valid_duration(seconds: float | None) -> float | None:
    """Refuse a negative number of seconds, and what is not a number."""
    if seconds is not None and not seconds >= 0:
        raise typer.BadParameter("give seconds from now, 0 or more")
    return seconds


BaseUrl: TypeAlias = Annotated[
    str, typer.Option(envvar="BITGET_API_BASE_URL", help="Base URL of the exchange, for example of a sandbox.")
]
Demo: TypeAlias = Annotated[bool, typer.Option("--demo", help="Use the demo account (same as BITGET_DEMO=1).")]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout.")]
AccountId: TypeAlias = Annotated[
    str | None,
    typer.Option(
        envvar="BITGET_ACCOUNT_ID",
        metavar="NAME",
        help="A name for the account, the same for all of its keys: they share the rate limit.",
    ),
]
AccountTypeOption: TypeAlias = Annotated[
    AccountType | None,
    typer.Option("--account-type", help="Type of the account; by default it is detected."),
]
Category: TypeAlias = Annotated[
    str, typer.Option(metavar="NAME", help="Category of the orders, such as USDT-FUTURES; needs a unified account.")
]
RateLimitStore: TypeAlias = Annotated[
    str,
    typer.Option(
        envvar="BITGET_RATE_LIMIT_STORE",
        metavar="STORE",
        help="Where to keep the rate limit, so that programs that use the account can share it: memory, sqlite:PATH or "
        "redis://HOST:6379/0.",
    ),
]
