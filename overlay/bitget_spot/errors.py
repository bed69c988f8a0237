"""
What can go wrong, and which code of the exchange means what.

    BitgetError
    ├── CredentialsError         (ValueError)  a key, secret or passphrase that is missing or cannot be sent
    ├── OriginError              (ValueError)  an address that must not see a signature
    ├── InvalidBatchError        (ValueError)  a batch the exchange would refuse or half-fail; nothing was sent
    ├── DeadlineExceeded         (TimeoutError)  the deadline of a run has passed
    ├── OrdersNotCancelledError  some orders of a run are neither accepted nor gone
    ├── UnreadableAnswerError    HTML, an empty body, a broken envelope: what the exchange did is not known
    └── ApiError                 the exchange refused, and said why in `code`
        ├── AuthenticationError      key, passphrase or signature
        ├── ClockError               the timestamp
        ├── PermissionDeniedError    what the key, the address or the account may not do
        ├── WrongEnvironmentError    a unified account (40085), demo and live mixed up (40099)
        ├── InvalidParameterError    the request itself
        ├── OrderNotFoundError       filled, cancelled earlier, or never there: the code does not say which
        ├── OrderStateError          the order's state forbids the cancel
        ├── MarketStateError         the market's state forbids it
        ├── RateLimitedError         too many requests
        └── SystemBusyError          worth another try

Trouble on the wire stays `httpx.TransportError`. Every exception here pickles, and none holds a secret.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from bitget_spot_api.operations import ERROR_CODES

if TYPE_CHECKING:
    from bitget_spot._bulk.report import Report


class BitgetError(Exception):
    """
    The root of everything this package raises on its own account.

    Attributes:
        report: What became of every order, where the exception has ended a run of `cancel_orders`.

    """

    report: Report | None = None


class CredentialsError(BitgetError, ValueError):
    """A credential is missing or cannot be sent; the message names it and never shows it."""


class OriginError(BitgetError, ValueError):
    """A request to anything but the configured origin, or to an origin that must not see a signature."""


@frozen
class Violation:
    """
    One thing that is wrong with a batch.

    Attributes:
        place: Where, in the words of the request body: `orderList[3]`, `batchMode`.
        problem: What is wrong there, and the remedy.

    """

    place: str
    problem: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"


class InvalidBatchError(BitgetError, ValueError):
    """
    A batch that the exchange would refuse or fail in part; no byte of it was sent.

    Attributes:
        violations: Everything that is wrong with it, each with its place.

    """

    def __init__(self, violations: tuple[Violation, ...]) -> None:
        super().__init__(violations)
        self.violations = violations

    def __str__(self) -> str:
        return "nothing was sent:\n" + "\n".join(f"  {violation}" for violation in self.violations)


class DeadlineExceeded(BitgetError, TimeoutError):  # noqa: N818 - as gRPC and google-cloud name it
    """The deadline passed before every order was settled; `report` tells which are."""


class OrdersNotCancelledError(BitgetError):
    """Some orders are rejected, unknown or were not sent; `report` tells which, and why."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        return str(self.report)


class UnreadableAnswerError(BitgetError):
    """
    An answer that is not the exchange's envelope, whatever its status; what the exchange did is not known.

    Attributes:
        http_status: The status of the answer.
        problem: What is wrong with it.
        body: The beginning of its text, for a report to the exchange.

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
    A refusal by the exchange.

    Attributes:
        code: The exchange's code, as text. Compare this, never the message.
        message: The exchange's words, in the language of the request's `locale`.
        http_status: The status of the answer.
        request_time: The exchange's clock in milliseconds since the epoch, where the answer tells it.

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
    """The timestamp is malformed or too far from the exchange's clock."""


class PermissionDeniedError(ApiError):
    """The key, its address or the account may not do this."""


class WrongEnvironmentError(ApiError):
    """The account is of another kind (40085: unified; 40099: demo and live mixed up)."""


class InvalidParameterError(ApiError):
    """The exchange takes exception to the request itself."""


class OrderNotFoundError(ApiError):
    """The order is filled, was cancelled earlier, or was never there; the code does not say which."""


class OrderStateError(ApiError):
    """The order is there, and its state or type forbids the cancel."""


class MarketStateError(ApiError):
    """The trading pair's state forbids it."""


class RateLimitedError(ApiError):
    """Too many requests for the account or the address."""


class SystemBusyError(ApiError):
    """The exchange is busy or being released: worth another try."""


_BY_CLASS: Final = {
    "credentials": AuthenticationError,
    "clock": ClockError,
    "permission": PermissionDeniedError,
    "environment": WrongEnvironmentError,
    "parameter": InvalidParameterError,
    "gone": OrderNotFoundError,
    "order-state": OrderStateError,
    "market-state": MarketStateError,
    "rate-limit": RateLimitedError,
    "system-busy": SystemBusyError,
    # Nobody knows whether it will pass; what is certain is that the request was not taken.
    "ambiguous": InvalidParameterError,
}
_BY_CODE: Final = {code: _BY_CLASS[name] for name, codes in ERROR_CODES.items() for code in codes}


def error_class(code: str) -> type[ApiError]:
    """Tell which exception a code of the exchange stands for; `ApiError` itself for one not known."""
    return _BY_CODE.get(code, ApiError)
