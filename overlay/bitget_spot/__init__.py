"""
Cancel Bitget spot orders in bulk.

`connect` answers the generated client of `bitget_spot_api` with signing, the rate limit and the consistency check
under it: every generated function keeps its signature and gains the behaviour. `cancel_orders` takes any number of
orders and tells what became of each.
"""

from bitget_spot._bulk import cancel_open_orders, cancel_orders
from bitget_spot._bulk.confirmation import Confirmed
from bitget_spot._bulk.report import Outcome, Report, Status
from bitget_spot.client import connect
from bitget_spot.credentials import Credentials
from bitget_spot.errors import (
    ApiError,
    AuthenticationError,
    BitgetError,
    ClockError,
    CredentialsError,
    DeadlineExceeded,
    InvalidBatchError,
    InvalidParameterError,
    MarketStateError,
    OrderNotFoundError,
    OrdersNotCancelledError,
    OrderStateError,
    OriginError,
    PermissionDeniedError,
    RateLimitedError,
    SystemBusyError,
    UnreadableAnswerError,
    Violation,
    WrongEnvironmentError,
)
from bitget_spot.server_time import ClockReading, read_clock, read_clock_asyncio
from bitget_spot.warm_up import warm_up, warm_up_asyncio

__all__ = [
    "ApiError",
    "AuthenticationError",
    "BitgetError",
    "ClockError",
    "ClockReading",
    "Confirmed",
    "Credentials",
    "CredentialsError",
    "DeadlineExceeded",
    "InvalidBatchError",
    "InvalidParameterError",
    "MarketStateError",
    "OrderNotFoundError",
    "OrderStateError",
    "OrdersNotCancelledError",
    "OriginError",
    "Outcome",
    "PermissionDeniedError",
    "RateLimitedError",
    "Report",
    "Status",
    "SystemBusyError",
    "UnreadableAnswerError",
    "Violation",
    "WrongEnvironmentError",
    "cancel_open_orders",
    "cancel_orders",
    "connect",
    "read_clock",
    "read_clock_asyncio",
    "warm_up",
    "warm_up_asyncio",
]
