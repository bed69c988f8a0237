"""One meaning for every answer: a success, or a typed exception."""

import asyncio
import json
import pickle
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitget_spot._middleware.base import Transport
from bitget_spot._middleware.responses import MAX_EXCERPT, ResponseMiddleware, refusal
from bitget_spot.errors import (
    ApiError,
    AuthenticationError,
    BitgetError,
    ClockError,
    InvalidParameterError,
    InvalidResponseError,
    MarketStateError,
    OrderNotFoundError,
    OrderStateError,
    PermissionDeniedError,
    RateLimitedError,
    SystemBusyError,
    WrongEnvironmentError,
)
from bitget_spot_api.operations import SUCCESS_CODE

NOW = 1659076670000
HTML = {"content-type": "text/html; charset=UTF-8"}
PAGE = b"<html><body>Web server is returning an unknown error</body></html>"


def envelope(code: object = "40034", **members: object) -> bytes:
    """Write an answer of the exchange."""
    return json.dumps({"code": code, "data": None, **members}).encode()


REFUSED: list[tuple[str, int, bytes, ApiError]] = [
    *(
        (
            cls.__name__,
            400,
            envelope(code, msg="why", requestTime=NOW),
            cls(code, "why", 400, NOW),
        )
        for code, cls in [
            ("40009", AuthenticationError),
            ("40008", ClockError),
            ("40018", PermissionDeniedError),
            ("40085", WrongEnvironmentError),
            ("40034", InvalidParameterError),
            ("40808", InvalidParameterError),
            ("43001", OrderNotFoundError),
            ("45055", OrderStateError),
            ("40309", MarketStateError),
            ("40918", RateLimitedError),
            ("45001", SystemBusyError),
            ("99999", ApiError),
        ]
    ),
    (
        "429 without requestTime and data",
        429,
        b'{"code":"429","msg":"Too Many Requests"}',
        RateLimitedError("429", "Too Many Requests", 429, None),
    ),
    ("the code decides, on 200", 200, envelope("43001"), OrderNotFoundError("43001", "", 200)),
    ("the code decides, on 429", 429, envelope("40009"), AuthenticationError("40009", "", 429)),
    ("the code decides, on 520", 520, envelope("45001"), SystemBusyError("45001", "", 520)),
    ("code a number", 429, envelope(429, msg="x"), RateLimitedError("429", "x", 429)),
    ("code a long number", 400, envelope(10**30), ApiError(str(10**30), "", 400)),
    ("success as a number is none", 200, envelope(0), ApiError("0", "", 200)),
    ("code an empty text", 400, envelope(""), ApiError("", "", 400)),
    ("msg", 400, envelope(msg="new"), InvalidParameterError("40034", "new")),
    ("message", 400, envelope(message="old"), InvalidParameterError("40034", "old")),
    ("both", 400, envelope(msg="new", message="old"), InvalidParameterError("40034", "new")),
    ("msg null", 400, envelope(msg=None, message="old"), InvalidParameterError("40034", "old")),
    ("msg empty", 400, envelope(msg="", message="old"), InvalidParameterError("40034", "old")),
    ("neither", 400, envelope(), InvalidParameterError("40034", "")),
    ("msg an object", 400, envelope(msg={"en": 1}), InvalidParameterError("40034", '{"en": 1}')),
    ("msg a number", 400, envelope(msg=7), InvalidParameterError("40034", "7")),
    ("msg with half a character", 400, envelope(msg="\ud800!"), InvalidParameterError("40034", "?!")),
    ("code with half a character", 400, envelope("\ud800"), ApiError("?", "", 400)),
    ("msg not English", 400, envelope(msg="参数不存在"), InvalidParameterError("40034", "参数不存在")),
    *(
        (
            f"requestTime {told!r:.30}",
            400,
            envelope(requestTime=told),
            InvalidParameterError("40034", "", 400, meant),
        )
        for told, meant in [
            (NOW, NOW),
            (str(NOW), NOW),
            (0, 0),
            (None, None),
            ("", None),
            ("yesterday", None),
            (f" {NOW} ", None),
            (f"{NOW}\n", None),
            (-NOW, None),
            (NOW + 0.5, None),
            (True, None),
            ([NOW], None),
            ({"ms": NOW}, None),
            ("١٦٥٩٠٧٦٦٧٠", None),
            (10**17, None),
            ("9" * 5000, None),
        ]
    ),
    (
        "an envelope in another encoding",
        400,
        '{"code":"40034","msg":"ü"}'.encode("utf-16"),
        InvalidParameterError("40034", "ü"),
    ),
    (
        "members that nobody knows",
        400,
        envelope(error=[1], traceId="x"),
        InvalidParameterError("40034", ""),
    ),
]

UNREADABLE: list[tuple[str, int, dict[str, str], bytes, str]] = [
    *(
        (f"HTML on {status}", status, HTML, PAGE, "not JSON (text/html; charset=UTF-8)")
        for status in (200, 403, 429, 502, 520)
    ),
    ("HTML by no name", 502, {}, PAGE, "not JSON (no content type)"),
    ("HTML called JSON", 200, {"content-type": "application/json"}, PAGE, "not JSON"),
    ("empty on 200", 200, {}, b"", "an empty body"),
    ("empty on 204", 204, {}, b"", "an empty body"),
    ("blank on 200", 200, HTML, b" \r\n", "an empty body"),
    ("empty on 504", 504, {}, b"", "an empty body"),
    ("half an envelope", 200, {}, b'{"code":"00000","da', "not JSON"),
    ("a list", 200, {}, b'[{"code":"00000"}]', "JSON without a code"),
    ("a text", 200, {}, b'"00000"', "JSON without a code"),
    ("a number", 200, {}, b"0", "JSON without a code"),
    ("null", 200, {}, b"null", "JSON without a code"),
    ("an empty object", 400, {}, b"{}", "JSON without a code"),
    ("code missing", 500, {}, b'{"msg":"oops"}', "JSON without a code"),
    *(
        (f"code {code!r}", 400, {}, envelope(code), "JSON without a code")
        for code in (None, ["00000"], {"code": "00000"}, True, False, 1.5)
    ),
    ("lists nested without end", 200, {}, b"[" * 100_000, "not JSON"),
    ("objects nested too deeply", 200, {}, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "not JSON"),
    ("bytes that are no UTF-8", 200, {}, b'{"code":"\xff\xfe"}', "not JSON"),
    ("a number too long to read", 200, {}, b'{"code":' + b"1" * 10_000 + b"}", "not JSON"),
    ("a charset nobody knows", 502, {"content-type": "text/html; charset=x-no"}, PAGE, "not JSON"),
]


@pytest.mark.parametrize(("status", "body", "meant"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_refused(status: int, body: bytes, meant: ApiError) -> None:
    """A refusal becomes the exception of its code, whatever the status, with what the answer tells as fields."""
    error = refusal(httpx.Response(status, content=body))
    assert type(error) is type(meant)
    assert vars(error) == vars(meant)


@pytest.mark.parametrize(
    ("status", "headers", "body", "problem"),
    [row[1:] for row in UNREADABLE],
    ids=[row[0] for row in UNREADABLE],
)
def test_unreadable(status: int, headers: dict[str, str], body: bytes, problem: str) -> None:
    """What is not the exchange's envelope is unreadable on any status, and says why; no error of json gets out."""
    response = httpx.Response(status, headers=headers, content=body)
    error = refusal(response)
    assert type(error) is InvalidResponseError
    assert error.http_status == status
    assert error.problem.startswith(problem)
    assert error.body == response.text[:MAX_EXCERPT]


def test_excerpt_is_bounded() -> None:
    """Of a long page the exception keeps the beginning only."""
    error = refusal(httpx.Response(502, content=PAGE * 1000))
    assert isinstance(error, InvalidResponseError)
    assert len(error.body) == MAX_EXCERPT
    assert error.body.startswith(PAGE.decode())


@pytest.mark.parametrize("status", [200, 201, 400, 429, 500, 520])
@pytest.mark.parametrize("data", [None, {}, {"successList": [], "failureList": None}, "?"])
def test_success(status: int, data: Any) -> None:
    """The success code is a success under any status and with any data."""
    body = json.dumps({"code": SUCCESS_CODE, "msg": "success", "data": data}).encode()
    assert refusal(httpx.Response(status, content=body)) is None


@pytest.mark.parametrize(
    "response",
    [
        *(pytest.param(httpx.Response(row[1], content=row[2]), id=row[0]) for row in REFUSED),
        *(pytest.param(httpx.Response(row[1], headers=row[2], content=row[3]), id=row[0]) for row in UNREADABLE),
    ],
)
def test_pickles(response: httpx.Response) -> None:
    """Whatever came of an answer can be handed to another process."""
    error = refusal(response)
    back = pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled in this very line
    assert type(back) is type(error)
    assert vars(back) == vars(error)
    assert str(back) == str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
ENVELOPISH = st.fixed_dictionaries(
    {},
    optional={
        "code": st.sampled_from([SUCCESS_CODE, "43001", "429"]) | JSON,
        "msg": JSON,
        "message": JSON,
        "requestTime": JSON,
        "data": JSON,
    },
)


@given(st.integers(100, 599), st.binary() | (JSON | ENVELOPISH).map(lambda j: json.dumps(j).encode()))
def test_whatever_the_answer(status: int, body: bytes) -> None:
    """Any status with any body is a success or one of this package's exceptions, which can be shown."""
    error = refusal(httpx.Response(status, content=body))
    assert error is None or isinstance(error, ApiError | InvalidResponseError)
    assert str(error)


class Exchange(Transport):
    """Gives one answer."""

    def __init__(self, status: int, body: bytes) -> None:
        self.answer = httpx.Response(status, content=body)

    def handle_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002 - says the same to all
        return self.answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


def in_thread(transport: Transport, request: httpx.Request) -> httpx.Response:
    """Send as the sync client does."""
    return transport.handle_request(request)


def in_task(transport: Transport, request: httpx.Request) -> httpx.Response:
    """Send as the async client does."""
    return asyncio.run(transport.handle_async_request(request))


Send = Callable[[Transport, httpx.Request], httpx.Response]
both = pytest.mark.parametrize("send", [in_thread, in_task])


@both
@pytest.mark.parametrize("status", [200, 400])
def test_link_lets_success_through(send: Send, status: int) -> None:
    """A success is handed on with its body untouched, under 200, where the parser looks for it."""
    exchange = Exchange(status, envelope(SUCCESS_CODE))
    answer = send(ResponseMiddleware(exchange), httpx.Request("GET", "https://api.bitget.com/"))
    assert answer is exchange.answer
    assert (answer.status_code, answer.content) == (200, envelope(SUCCESS_CODE))


@both
@pytest.mark.parametrize(
    ("status", "body", "cls"),
    [
        (400, envelope("43001"), OrderNotFoundError),
        (200, envelope("99999"), ApiError),
        (520, PAGE, InvalidResponseError),
        (200, b"", InvalidResponseError),
    ],
)
def test_link_raises(send: Send, status: int, body: bytes, cls: type[BitgetError]) -> None:
    """What is not a success is raised, with nothing of json behind it."""
    with pytest.raises(BitgetError) as caught:
        send(ResponseMiddleware(Exchange(status, body)), httpx.Request("GET", "https://api.bitget.com/"))
    assert type(caught.value) is cls
    assert caught.value.__context__ is None
