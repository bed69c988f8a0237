"""
Cancel Bitget spot orders in bulk.

`connect` answers the generated client of `bitget_spot_api` with signing, the rate limit and the consistency check
under it: every generated function keeps its signature and gains the behaviour.
"""

from bitget_spot._connect import connect
from bitget_spot._signing import Credentials
from bitget_spot.errors import (
    ApiError,
    AuthenticationError,
    BitgetError,
    ClockError,
    CredentialsError,
    InvalidBatchError,
    InvalidParameterError,
    MarketStateError,
    OrderNotFoundError,
    OrderStateError,
    OriginError,
    PermissionDeniedError,
    RateLimitedError,
    SystemBusyError,
    UnreadableAnswerError,
    Violation,
    WrongEnvironmentError,
)

__all__ = [
    "ApiError",
    "AuthenticationError",
    "BitgetError",
    "ClockError",
    "Credentials",
    "CredentialsError",
    "InvalidBatchError",
    "InvalidParameterError",
    "MarketStateError",
    "OrderNotFoundError",
    "OrderStateError",
    "OriginError",
    "PermissionDeniedError",
    "RateLimitedError",
    "SystemBusyError",
    "UnreadableAnswerError",
    "Violation",
    "WrongEnvironmentError",
    "connect",
]
