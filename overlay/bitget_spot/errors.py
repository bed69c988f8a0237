"""
The exceptions, and which of them each code of the exchange stands for.

    BitgetError
    ├── CredentialsError         (ValueError)    a key, secret or passphrase is missing or cannot be sent
    ├── OriginError              (ValueError)    an origin that must not receive a signature
    ├── InvalidBatchError        (ValueError)    an inconsistent batch; nothing was sent
    ├── DeadlineExceeded         (TimeoutError)  the deadline of a run has passed
    ├── OrdersNotCancelledError                  some orders of a run are neither accepted nor gone
    ├── NetworkError                             a network error ended a run; the cause is the httpx exception
    ├── InvalidResponseError                     HTML, an empty body, a broken envelope: the result is not known
    └── ApiError                                 the exchange refused the request; `code` is the reason
        ├── AuthenticationError                  key, passphrase or signature
        ├── ClockError                           the timestamp
        ├── PermissionDeniedError                what the key, the IP address or the account may not do
        ├── WrongEnvironmentError                the other type of account (40084, 40085), demo and live mixed up (40099)
        ├── InvalidParameterError                the request itself
        ├── OrderNotFoundError                   filled, cancelled earlier or never there; the code does not say which
        ├── CancelInProgressError                the exchange is already executing a cancel of the order
        ├── OrderStateError                      the order's state forbids the cancel
        ├── MarketStateError                     the market's state forbids the cancel
        ├── RateLimitedError                     too many requests
        └── SystemBusyError                      the exchange is busy; a retry may help

The generated functions raise network errors as `httpx.TransportError`. Every exception here can be pickled, and none
contains a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from bitget_spot_api.operations import ERROR_CODES

if TYPE_CHECKING:
    from bitget_spot._bulk.report import Report


class BitgetError(Exception):
    """
    The base class of all exceptions of this package.

    Attributes:
        report: The outcome of every order, if the exception has ended a run; `report_of` reads it from any exception.

    """

    report: Report | None = None


class CredentialsError(BitgetError, ValueError):
    """A credential is missing or cannot be sent. The message names it and never shows it."""


class OriginError(BitgetError, ValueError):
    """A request to an origin other than the configured one, or an origin that must not receive a signature."""


@frozen
class Violation:
    """
    One thing that is wrong with a batch.

    Attributes:
        place: Where, in the words of the request body: `orderList[3]`, `batchMode`.
        problem: What is wrong there, and what to do.

    """

    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


class InvalidBatchError(BitgetError, ValueError):
    """
    A batch that the exchange would refuse or execute only in part; nothing was sent.

    Attributes:
        violations: Everything that is wrong with it, each with its place.

    """

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__(violations)
        self.violations = violations

    def __str__(self) -> str:
        return "nothing was sent:\n" + "\n".join(f"  {violation}" for violation in self.violations)


class DeadlineExceeded(BitgetError, TimeoutError):  # noqa: N818 - the name in gRPC and google-cloud
    """The deadline passed before every order had its outcome; `report` has the outcomes so far."""


class OrdersNotCancelledError(BitgetError):
    """Some orders are rejected, unknown or were not sent; `report` says which, and why."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        return str(self.report)


class NetworkError(BitgetError):
    """A network error ended a run: the exchange cannot be reached. `__cause__` is the exception of httpx."""


class InvalidResponseError(BitgetError):
    """
    A response that is not the exchange's envelope, on any HTTP status; it is not known what the exchange did.

    Attributes:
        http_status: The HTTP status of the response.
        problem: What is wrong with it.
        body: The beginning of its body as text, for a report to the exchange.

    """

    def __init__(self, http_status: int, problem: str, body: str = "") -> None:
        super().__init__(http_status, problem, body)
        self.http_status = http_status
        self.problem = problem
        self.body = body

    def __str__(self) -> str:
        return f"HTTP {self.http_status}: {self.problem}"


class ApiError(BitgetError):
    """
    An error response of the exchange.

    Attributes:
        code: The exchange's code, as text. Compare this, never the message.
        message: The exchange's message, in the language of the request's `locale`.
        http_status: The HTTP status of the response.
        request_time: The exchange's clock in milliseconds since the epoch, if the response has it.

    """

    def __init__(self, code: str, message: str = "", http_status: int = 400, request_time: int | None = None) -> None:
        super().__init__(code, message, http_status, request_time)
        self.code = code
        self.message = message
        self.http_status = http_status
        self.request_time = request_time

    def __str__(self) -> str:
        return f"{self.code}: {self.message} (HTTP {self.http_status})"


class AuthenticationError(ApiError):
    """The key, the passphrase or the signature is wrong."""


class ClockError(ApiError):
    """The timestamp is malformed, or too far from the exchange's clock."""


class PermissionDeniedError(ApiError):
    """The key, its IP address or the account may not do this."""


class WrongEnvironmentError(ApiError):
    """The account is of the other type (40084: classic, 40085: unified), or demo and live are mixed up (40099)."""


class InvalidParameterError(ApiError):
    """The request itself is not valid."""


class OrderNotFoundError(ApiError):
    """The order is filled, was cancelled earlier or never existed; the code does not say which."""


class CancelInProgressError(ApiError):
    """The exchange already has a cancel of the order and is executing it."""


class OrderStateError(ApiError):
    """The order exists, and its state or type forbids the cancel."""


class MarketStateError(ApiError):
    """The state of the trading pair forbids the cancel."""


class RateLimitedError(ApiError):
    """Too many requests from the account or the IP address."""


class SystemBusyError(ApiError):
    """The exchange is busy or being updated; a retry may help."""


_CLASSES: Final = {
    "credentials": AuthenticationError,
    "clock": ClockError,
    "permission": PermissionDeniedError,
    "environment": WrongEnvironmentError,
    "classic-account": WrongEnvironmentError,
    "unified-account": WrongEnvironmentError,
    "parameter": InvalidParameterError,
    "gone": OrderNotFoundError,
    "gone-or-other-kind": OrderNotFoundError,
    "in-progress": CancelInProgressError,
    "order-state": OrderStateError,
    "market-state": MarketStateError,
    "rate-limit": RateLimitedError,
    "system-busy": SystemBusyError,
    # It may be temporary or final; the request was not executed in either case.
    "ambiguous": InvalidParameterError,
}
_GATEWAY: Final = "gateway"
"""The family of codes that apply to every version of the API."""


def _codes_by_version() -> dict[str, dict[str, str]]:
    """Return the class of each code, for each version of the API."""
    versions = [family for family in ERROR_CODES if family != _GATEWAY]
    return {version: _codes_of(_GATEWAY) | _codes_of(version) for version in versions}


def _codes_of(family: str) -> dict[str, str]:
    return {code: name for name, codes in ERROR_CODES[family].items() for code in codes}


_CODE_CLASSES: Final = _codes_by_version()


def code_class(code: str, api_version: str) -> str | None:
    """Return the class of a code in the document's `x-error-codes`; `None` if the code is not known."""
    return _CODE_CLASSES[api_version].get(code)


def error_class(code: str, api_version: str) -> type[ApiError]:
    """
    Return the exception that a code of the exchange stands for.

    Args:
        code: The code.
        api_version: The version of the API, as in `Operation.api_version`: the same code may mean something else in
            another.

    Returns:
        `ApiError` itself if the code is not known.

    """
    name = code_class(code, api_version)
    return ApiError if name is None else _CLASSES[name]
