"""The exception tree: what is caught by what, what survives a pickle, and which code is which."""

import builtins
import inspect
import pickle
import re

import pytest

from bitget_spot import Outcome, Report, Status, errors
from bitget_spot.errors import (
    ApiError,
    AuthenticationError,
    BitgetError,
    ClockError,
    CredentialsError,
    DeadlineExceeded,
    InvalidBatchError,
    InvalidParameterError,
    InvalidResponseError,
    MarketStateError,
    OrderNotFoundError,
    OrdersNotCancelledError,
    OrderStateError,
    OriginError,
    PermissionDeniedError,
    RateLimitedError,
    SystemBusyError,
    Violation,
    WrongEnvironmentError,
    error_class,
)
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import ERROR_CODES

VIOLATIONS = (Violation("batchMode", 'is "x"; leave it out'), Violation("orderList[3]", "is null"))
EXAMPLES: tuple[BitgetError, ...] = (
    BitgetError("something"),
    CredentialsError("api_key is missing or blank: set it"),
    OriginError("http://example.com: use https"),
    InvalidBatchError(VIOLATIONS),
    InvalidResponseError(520, "not JSON (text/html)", "<html>520</html>"),
    InvalidResponseError(200, "an empty body"),
    ApiError("99999", "a code nobody knows", 400, 1659076670000),
    ApiError("99999"),
    AuthenticationError("40009", "sign signature error", 400, 1659076670000),
    ClockError("40008", "Request timestamp expired", 400, 1659076670000),
    PermissionDeniedError("40018", "Invalid IP", 403, None),
    DeadlineExceeded("the deadline passed"),
    OrdersNotCancelledError(Report((Outcome(OrderRef(order_id="1"), Status.REJECTED, "43011", "no", 1),))),
    WrongEnvironmentError("40085", "unified account", 400, 1),
    InvalidParameterError("40034", "Parameter does not exist", 400, 1),
    OrderNotFoundError("43001", "Заявка не существует", 400, 1),
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


def shown(error: BaseException) -> str:
    """Name an example in a test's id."""
    return type(error).__name__


def test_every_class_has_an_example() -> None:
    """The examples below leave out no exception of the module."""
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
        (ApiError, (BitgetError,)),
        (AuthenticationError, (ApiError,)),
        (ClockError, (ApiError,)),
        (PermissionDeniedError, (ApiError,)),
        (WrongEnvironmentError, (ApiError,)),
        (InvalidParameterError, (ApiError,)),
        (OrderNotFoundError, (ApiError,)),
        (OrderStateError, (ApiError,)),
        (MarketStateError, (ApiError,)),
        (RateLimitedError, (ApiError,)),
        (SystemBusyError, (ApiError,)),
    ],
)
def test_tree(cls: type[Exception], parents: tuple[type[Exception], ...]) -> None:
    """Every class is caught by exactly those that the tree promises; only input errors are ValueErrors."""
    assert cls.__bases__ == parents
    assert issubclass(cls, ValueError) == (ValueError in parents)


def test_tree_is_drawn() -> None:
    """The tree in the module's docstring names every class once, under its first parent, a second one marked."""
    drawn: list[tuple[str, str, bool]] = []
    above: dict[int, str] = {}
    tree, _, _ = (errors.__doc__ or "").partition("Trouble on the wire")
    for line in tree.splitlines():
        found = re.match(r"^    ([│├└─ ]*)(\w+(?:Error|Exceeded))\b( +\((?:Value|Timeout)Error\))?", line)
        if found:
            depth = len(found[1]) // 4
            above[depth] = found[2]
            parent = above[depth - 1] if depth else "Exception"
            drawn.append((found[2], parent, found[3] is not None))
    assert sorted(drawn) == sorted(
        (cls.__name__, cls.__bases__[0].__name__, issubclass(cls, ValueError | TimeoutError)) for cls in CLASSES
    )


@pytest.mark.parametrize("error", EXAMPLES, ids=shown)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickles(error: BitgetError, protocol: int) -> None:
    """What comes back from a pickle is of the same type, with the same arguments, fields and text."""
    back = pickle.loads(pickle.dumps(error, protocol))  # noqa: S301 - pickled one call earlier
    assert type(back) is type(error)
    assert back.args == error.args
    assert vars(back) == vars(error)
    assert str(back) == str(error)


def test_no_builtin_is_shadowed() -> None:
    """`from bitget_spot.errors import *` takes no builtin away."""
    assert not {cls.__name__ for cls in CLASSES} & set(dir(builtins))


@pytest.mark.parametrize(
    ("code", "cls"),
    [
        ("40009", AuthenticationError),
        ("40008", ClockError),
        ("40004", ClockError),
        ("40018", PermissionDeniedError),
        ("22010", PermissionDeniedError),
        ("40085", WrongEnvironmentError),
        ("40099", WrongEnvironmentError),
        ("40034", InvalidParameterError),
        ("00171", InvalidParameterError),
        ("400172", InvalidParameterError),
        ("40912", InvalidParameterError),
        ("43001", OrderNotFoundError),
        ("45057", OrderNotFoundError),
        ("45055", OrderStateError),
        ("13010", OrderStateError),
        ("40309", MarketStateError),
        ("429", RateLimitedError),
        ("40918", RateLimitedError),
        ("40015", SystemBusyError),
        ("45001", SystemBusyError),
        pytest.param("40808", InvalidParameterError, id="ambiguous-40808"),
        pytest.param("12345", ApiError, id="unknown"),
        pytest.param("", ApiError, id="empty"),
        pytest.param("0429", ApiError, id="not-a-number-compare"),
    ],
)
def test_error_class(code: str, cls: type[ApiError]) -> None:
    """A code stands for the class that the facts give it; an unknown one for ApiError itself."""
    assert error_class(code) is cls


def test_every_code_has_a_class() -> None:
    """No code of the document is left to plain ApiError, and every class of refusal has a code."""
    meant = {error_class(code) for codes in ERROR_CODES.values() for code in codes}
    assert meant == {cls for cls in CLASSES if issubclass(cls, ApiError)} - {ApiError}


def test_fields_of_a_refusal() -> None:
    """A refusal carries code, message, status and the exchange's clock as fields, and shows the first three."""
    error = RateLimitedError("429", "Too Many Requests", 429, 1659076670000)
    assert (error.code, error.message) == ("429", "Too Many Requests")
    assert (error.http_status, error.request_time) == (429, 1659076670000)
    assert error.args == ("429", "Too Many Requests", 429, 1659076670000)
    assert str(error) == "429: Too Many Requests (HTTP 429)"


def test_fields_of_an_unreadable_answer() -> None:
    """An unreadable answer carries its status, what is wrong and its beginning; its text stays one line."""
    error = InvalidResponseError(520, "not JSON (text/html)", "<html>\n<h1>520</h1>")
    assert (error.http_status, error.problem) == (520, "not JSON (text/html)")
    assert error.body == "<html>\n<h1>520</h1>"
    assert error.args == (520, "not JSON (text/html)", "<html>\n<h1>520</h1>")
    assert str(error) == "HTTP 520: not JSON (text/html)"


def test_violations_are_shown() -> None:
    """An invalid batch shows each violation on a line of its own, with its place."""
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
def test_made_with_names(error: BitgetError, args: tuple[object, ...]) -> None:
    """Who gives arguments by their names, and of a refusal no more than its code, has the same exception, to pickle too."""
    assert error.args == args
    placed = type(error)(*args)
    assert vars(error) == vars(placed)
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled in this very line
    assert (back.args, str(back)) == (args, str(placed))


def test_only_what_ends_a_run_has_a_report() -> None:
    """An exception has a report where it ended a run, and says that it has none elsewhere; so every one may be asked."""
    assert [error for error in EXAMPLES if error.report is not None] == [
        error for error in EXAMPLES if isinstance(error, OrdersNotCancelledError)
    ]
    assert {repr(error.report) for error in EXAMPLES if not isinstance(error, OrdersNotCancelledError)} == {"None"}


def test_orders_not_cancelled_tells_which() -> None:
    """The exception for orders that are not cancelled carries the report, and shows what the report shows."""
    error = OrdersNotCancelledError(REPORT)
    assert error.report is REPORT
    assert str(error) == str(REPORT)
    assert "43011" in str(error)
