"""
Cancel Bitget spot orders in bulk.

`connect` returns the generated client of `bitget_spot_api` with signing, rate limiting, retries and consistency checks
under it: every generated function keeps its signature and gains this behaviour. `cancel_orders` cancels any number of
orders and returns the outcome of each; `cancel_open_orders` cancels whatever is open.

This project is unofficial and not affiliated with Bitget. It cancels orders; it never places any.
"""

from bitget_spot import server_time, warm_up
from bitget_spot._bulk import cancel_open_orders, cancel_orders
from bitget_spot._bulk.report import Confirmed, Outcome, Report, Status, report_of
from bitget_spot.client import connect
from bitget_spot.credentials import Credentials
from bitget_spot.errors import (
    ApiError,
    AuthenticationError,
    BitgetError,
    CancelInProgressError,
    ClockError,
    CredentialsError,
    DeadlineExceeded,
    InvalidBatchError,
    InvalidParameterError,
    InvalidResponseError,
    MarketStateError,
    NetworkError,
    OrderNotFoundError,
    OrdersNotCancelledError,
    OrderStateError,
    OriginError,
    PermissionDeniedError,
    RateLimitedError,
    SystemBusyError,
    Violation,
    WrongEnvironmentError,
)
from bitget_spot_api.models import OrderRef

__all__ = [
    "ApiError",
    "AuthenticationError",
    "BitgetError",
    "CancelInProgressError",
    "ClockError",
    "Confirmed",
    "Credentials",
    "CredentialsError",
    "DeadlineExceeded",
    "InvalidBatchError",
    "InvalidParameterError",
    "InvalidResponseError",
    "MarketStateError",
    "NetworkError",
    "OrderNotFoundError",
    "OrderRef",
    "OrderStateError",
    "OrdersNotCancelledError",
    "OriginError",
    "Outcome",
    "PermissionDeniedError",
    "RateLimitedError",
    "Report",
    "Status",
    "SystemBusyError",
    "Violation",
    "WrongEnvironmentError",
    "cancel_open_orders",
    "cancel_orders",
    "connect",
    "report_of",
    "server_time",
    "warm_up",
]
