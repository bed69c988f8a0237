"""The exceptions: their tree, what they show, pickling, and which code stands for which class."""

from __future__ import annotations

import builtins
import inspect
import pickle
import re
from itertools import chain, product

import pytest

from bitget_spot import Outcome, Report, Status, errors
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
    code_class,
    error_class,
)
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import ERROR_CODES

VIOLATIONS = (Violation("batchMode", 'is "x"; leave it out'), Violation("orderList[3]", "is null"))
EXAMPLES: tuple[BitgetError, ...] = (
    BitgetError("something"),
    CredentialsError("api_key is missing or blank; set it"),
    OriginError("http://example.com: use https"),
    InvalidBatchError(VIOLATIONS),
    InvalidResponseError(520, "not JSON (text/html)", "<html>520</html>"),
    InvalidResponseError(200, "an empty body"),
    ApiError("99999", "an unknown code", 400, 1659076670000),
    ApiError("99999"),
    AuthenticationError("40009", "sign signature error", 400, 1659076670000),
    ClockError("40008", "Request timestamp expired", 400, 1659076670000),
    PermissionDeniedError("40018", "Invalid IP", 403, None),
    DeadlineExceeded("the deadline passed"),
    NetworkError("ConnectError: connection refused"),
    OrdersNotCancelledError(Report((Outcome(OrderRef(order_id="1"), Status.REJECTED, "43011", "no", 1),))),
    WrongEnvironmentError("40085", "unified account", 400, 1),
    InvalidParameterError("40034", "Parameter does not exist", 400, 1),
    OrderNotFoundError("43001", "Заявка не существует", 400, 1),
    CancelInProgressError("25113", "being cancelled", 200, 1),
    OrderStateError("45055", "current status cannot be cancelled", 200, 1),
    MarketStateError("40309", "symbol has been removed", 400, 1),
    RateLimitedError("429", "Too Many Requests", 429),
    SystemBusyError("45001", "Unknown error", 500, 1),
)
CLASSES = {
    cls
    for _, cls in inspect.getmembers(errors, inspect.isclass)
    if issubclass(cls, Exception) and cls.__module__ == errors.__name__
}


def test_every_class_has_an_example() -> None:
    """The examples include every exception of the module."""
    assert {type(example) for example in EXAMPLES} == CLASSES


@pytest.mark.parametrize(
    ("cls", "parents"),
    [
        (BitgetError, (Exception,)),
        (CredentialsError, (BitgetError, ValueError)),
        (OriginError, (BitgetError, ValueError)),
        (InvalidBatchError, (BitgetError, ValueError)),
        (InvalidResponseError, (BitgetError,)),
        (DeadlineExceeded, (BitgetError, TimeoutError)),
        (OrdersNotCancelledError, (BitgetError,)),
        (NetworkError, (BitgetError,)),
        (ApiError, (BitgetError,)),
        (AuthenticationError, (ApiError,)),
        (ClockError, (ApiError,)),
        (PermissionDeniedError, (ApiError,)),
        (WrongEnvironmentError, (ApiError,)),
        (InvalidParameterError, (ApiError,)),
        (OrderNotFoundError, (ApiError,)),
        (CancelInProgressError, (ApiError,)),
        (OrderStateError, (ApiError,)),
        (MarketStateError, (ApiError,)),
        (RateLimitedError, (ApiError,)),
        (SystemBusyError, (ApiError,)),
    ],
)
def test_base_classes(cls: type[Exception], parents: tuple[type[Exception], ...]) -> None:
    """Every class has exactly the base classes in the documentation; only errors of the input are ValueErrors."""
    assert cls.__bases__ == parents
    assert issubclass(cls, ValueError) == (ValueError in parents)


def test_tree_in_the_docstring_is_complete() -> None:
    """The tree in the module's docstring has every class once, below its first base class, with a second in brackets."""
    documented: list[tuple[str, str, bool]] = []
    parents: dict[int, str] = {}
    tree, separator, _ = (errors.__doc__ or "").partition("The generated functions")
    assert separator
    for line in tree.splitlines():
        match = re.match(r"^    ([│├└─ ]*)(\w+(?:Error|Exceeded))\b( +\((?:Value|Timeout)Error\))?", line)
        if match:
            depth = len(match[1]) // 4
            parents[depth] = match[2]
            parent = parents[depth - 1] if depth else "Exception"
            documented.append((match[2], parent, match[3] is not None))
    assert sorted(documented) == sorted(
        (cls.__name__, cls.__bases__[0].__name__, issubclass(cls, ValueError | TimeoutError)) for cls in CLASSES
    )


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_exceptions_can_be_pickled(error: BitgetError, protocol: int) -> None:
    """A pickled exception keeps its type, arguments, attributes and text."""
    copy = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - pickled in this very line
    assert type(copy) is type(error)
    assert copy.args == error.args
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)


def test_no_builtin_is_shadowed() -> None:
    """`from bitget_spot.errors import *` replaces no builtin."""
    assert not {cls.__name__ for cls in CLASSES} & set(dir(builtins))


GATEWAY_CODES = [
    ("40009", AuthenticationError),
    ("40008", ClockError),
    ("40004", ClockError),
    ("40018", PermissionDeniedError),
    ("22010", PermissionDeniedError),
    ("40084", WrongEnvironmentError),
    ("40085", WrongEnvironmentError),
    ("40099", WrongEnvironmentError),
    ("429", RateLimitedError),
    ("40918", RateLimitedError),
    ("40015", SystemBusyError),
    ("45001", SystemBusyError),
    pytest.param("40808", InvalidParameterError, id="ambiguous-40808"),
    pytest.param("12345", ApiError, id="unknown"),
    pytest.param("", ApiError, id="empty"),
    pytest.param("0429", ApiError, id="not-a-number-compare"),
]
CLASSIC_CODES = [
    ("40034", InvalidParameterError),
    ("00171", InvalidParameterError),
    ("400172", InvalidParameterError),
    ("40912", InvalidParameterError),
    ("43001", OrderNotFoundError),
    ("40109", OrderNotFoundError),
    ("45057", OrderNotFoundError),
    ("45055", OrderStateError),
    ("13010", OrderStateError),
    ("40309", MarketStateError),
    ("25204", ApiError),
    ("25113", ApiError),
]
UNIFIED_CODES = [
    ("25204", OrderNotFoundError),
    ("25113", CancelInProgressError),
    ("25245", WrongEnvironmentError),
    ("13010", ApiError),
]


@pytest.mark.parametrize("api_version", ["v2", "v3"])
@pytest.mark.parametrize(("code", "cls"), GATEWAY_CODES)
def test_class_of_a_code_of_the_gateway(code: str, cls: type[ApiError], api_version: str) -> None:
    """A code of the gateway stands for the same class in both versions; an unknown one for `ApiError` itself."""
    assert error_class(code, api_version) is cls


@pytest.mark.parametrize(
    ("code", "api_version", "cls"),
    [
        *((code, "v2", cls) for code, cls in CLASSIC_CODES),
        *((code, "v3", cls) for code, cls in UNIFIED_CODES),
    ],
)
def test_class_of_a_code_about_orders(code: str, api_version: str, cls: type[ApiError]) -> None:
    """A code about orders and parameters stands for the class of its group in its own version of the API."""
    assert error_class(code, api_version) is cls


@pytest.mark.parametrize("family", sorted(ERROR_CODES))
def test_every_code_has_a_class(family: str) -> None:
    """No code of the document stands for plain `ApiError`, and each is found by its version."""
    versions = ["v2", "v3"] if family == "gateway" else [family]
    for (name, codes), version in product(ERROR_CODES[family].items(), versions):
        for code in codes:
            assert code_class(code, version) == name
            assert error_class(code, version) is not ApiError


def test_every_class_has_a_code() -> None:
    """Every subclass of `ApiError` stands for some code."""
    families = [("v2", ERROR_CODES["gateway"]), ("v2", ERROR_CODES["v2"]), ("v3", ERROR_CODES["v3"])]
    classes = set()
    for version, groups in families:
        classes |= {error_class(code, version) for code in chain.from_iterable(groups.values())}
    assert classes == {cls for cls in CLASSES if issubclass(cls, ApiError)} - {ApiError}


def test_families_do_not_contradict_each_other() -> None:
    """A code of the gateway is in no other family, so it cannot mean anything else there."""
    gateway = set(chain.from_iterable(ERROR_CODES["gateway"].values()))
    for family in ("v2", "v3"):
        assert gateway.isdisjoint(chain.from_iterable(ERROR_CODES[family].values()))


def test_attributes_of_an_api_error() -> None:
    """An error response has code, message, status and the exchange's clock as attributes, and shows the first three."""
    error = RateLimitedError("429", "Too Many Requests", 429, 1659076670000)
    assert error.code == "429"
    assert error.message == "Too Many Requests"
    assert error.http_status == 429
    assert error.request_time == 1659076670000
    assert error.args == ("429", "Too Many Requests", 429, 1659076670000)
    assert str(error) == "429: Too Many Requests (HTTP 429)"


def test_attributes_of_an_invalid_response() -> None:
    """An invalid response has its status, its problem and the beginning of its body; its text is one line."""
    error = InvalidResponseError(520, "not JSON (text/html)", "<html>\n<h1>520</h1>")
    assert error.http_status == 520
    assert error.problem == "not JSON (text/html)"
    assert error.body == "<html>\n<h1>520</h1>"
    assert error.args == (520, "not JSON (text/html)", "<html>\n<h1>520</h1>")
    assert str(error) == "HTTP 520: not JSON (text/html)"


def test_violations_are_shown() -> None:
    """The text of an invalid batch has a line for each violation, with its place."""
    error = InvalidBatchError(VIOLATIONS)
    assert error.violations == VIOLATIONS
    assert str(error).splitlines() == [
        "nothing was sent:",
        '  batchMode: is "x"; leave it out',
        "  orderList[3]: is null",
    ]


REPORT = Report((Outcome(OrderRef(order_id="1"), Status.REJECTED, "43011", "no", 1),))


@pytest.mark.parametrize(
    ("error", "args"),
    [
        (ApiError(code="99999"), ("99999", "", 400, None)),
        (InvalidResponseError(http_status=520, problem="an empty body"), (520, "an empty body", "")),
        (InvalidBatchError(violations=VIOLATIONS), (VIOLATIONS,)),
        (OrdersNotCancelledError(report=REPORT), (REPORT,)),
    ],
)
def test_exceptions_can_be_created_with_keywords(error: BitgetError, args: tuple[object, ...]) -> None:
    """Arguments may be given by name, and of an error response only the code is needed; it can be pickled as well."""
    assert error.args == args
    positional = type(error)(*args)
    assert vars(error) == vars(positional)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled in this very line
    assert copy.args == args
    assert str(copy) == str(positional)


def test_every_exception_has_a_report_or_none() -> None:
    """Every exception has the attribute `report`, which is `None` unless the exception has ended a run."""
    for error in EXAMPLES:
        if isinstance(error, OrdersNotCancelledError):
            assert error.report is not None
        else:
            assert error.report is None


def test_orders_not_cancelled_shows_its_report() -> None:
    """The exception for orders that are not cancelled has the report, and its text is that of the report."""
    error = OrdersNotCancelledError(REPORT)
    assert error.report is REPORT
    assert str(error) == str(REPORT)
    assert "43011" in str(error)
