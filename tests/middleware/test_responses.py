"""One meaning for every response: a success, or a typed exception."""

from __future__ import annotations

import json
import pickle
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sending import Send, both_modes

from bitget_spot import connect
from bitget_spot._middleware import responses
from bitget_spot._middleware.account_type import AccountTypeMemory
from bitget_spot._middleware.base import Transport
from bitget_spot._middleware.clock import ServerClock
from bitget_spot._middleware.context import attach_context, context_of
from bitget_spot._middleware.responses import MAX_EXCERPT, ResponseMiddleware, parse_envelope, parse_error, printable
from bitget_spot.credentials import Credentials
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
from bitget_spot.rate_limit import MemoryStore
from bitget_spot_api.operations import GET_SERVER_TIME, REMAINING_CALLS_HEADER, SUCCESS_CODE

NOW = 1659076670000
HTML = {"content-type": "text/html; charset=UTF-8"}
PAGE = b"<html><body>Web server is returning an unknown error</body></html>"


def envelope(code: object = "40034", **members: object) -> bytes:
    """Return the body of a response of the exchange."""
    return json.dumps({"code": code, "data": None, **members}).encode()


ERROR_RESPONSES: list[tuple[str, int, bytes, ApiError]] = [
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
    ("code as a number", 429, envelope(429, msg="x"), RateLimitedError("429", "x", 429)),
    ("code as a long number", 400, envelope(10**30), ApiError(str(10**30), "", 400)),
    ("success code as a number", 200, envelope(0), ApiError("0", "", 200)),
    ("empty code", 400, envelope(""), ApiError("", "", 400)),
    ("msg", 400, envelope(msg="new"), InvalidParameterError("40034", "new")),
    ("message", 400, envelope(message="old"), InvalidParameterError("40034", "old")),
    ("msg and message", 400, envelope(msg="new", message="old"), InvalidParameterError("40034", "new")),
    ("null msg", 400, envelope(msg=None, message="old"), InvalidParameterError("40034", "old")),
    ("empty msg", 400, envelope(msg="", message="old"), InvalidParameterError("40034", "old")),
    ("neither msg nor message", 400, envelope(), InvalidParameterError("40034", "")),
    ("msg as an object", 400, envelope(msg={"en": 1}), InvalidParameterError("40034", '{"en": 1}')),
    ("msg as a number", 400, envelope(msg=7), InvalidParameterError("40034", "7")),
    ("msg with an unpaired surrogate", 400, envelope(msg="\ud800!"), InvalidParameterError("40034", " !")),
    ("msg with control characters", 400, envelope(msg="a\x1b[2J\nb\x9bc"), InvalidParameterError("40034", "a [2J b c")),
    ("code with an unpaired surrogate", 400, envelope("\ud800"), ApiError(" ", "", 400)),
    ("code with control characters", 400, envelope("\x1b[31m"), ApiError(" [31m", "", 400)),
    ("msg in another language", 400, envelope(msg="参数不存在"), InvalidParameterError("40034", "参数不存在")),
    *(
        (
            f"requestTime {value!r:.30}",
            400,
            envelope(requestTime=value),
            InvalidParameterError("40034", "", 400, milliseconds),
        )
        for value, milliseconds in [
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
        "envelope in another encoding",
        400,
        '{"code":"40034","msg":"ü"}'.encode("utf-16"),
        InvalidParameterError("40034", "ü"),
    ),
    (
        "unknown members",
        400,
        envelope(error=[1], traceId="x"),
        InvalidParameterError("40034", ""),
    ),
]

INVALID_RESPONSES: list[tuple[str, int, dict[str, str], bytes, str]] = [
    *(
        (f"HTML on {status}", status, HTML, PAGE, "not JSON (text/html; charset=UTF-8)")
        for status in (200, 403, 429, 502, 520)
    ),
    ("HTML without a content type", 502, {}, PAGE, "not JSON (no content type)"),
    ("HTML with the content type of JSON", 200, {"content-type": "application/json"}, PAGE, "not JSON"),
    ("empty on 200", 200, {}, b"", "an empty body"),
    ("empty on 204", 204, {}, b"", "an empty body"),
    ("blank on 200", 200, HTML, b" \r\n", "an empty body"),
    ("empty on 504", 504, {}, b"", "an empty body"),
    ("incomplete envelope", 200, {}, b'{"code":"00000","da', "not JSON"),
    ("list", 200, {}, b'[{"code":"00000"}]', "JSON without a code"),
    ("text", 200, {}, b'"00000"', "JSON without a code"),
    ("number", 200, {}, b"0", "JSON without a code"),
    ("null", 200, {}, b"null", "JSON without a code"),
    ("empty object", 400, {}, b"{}", "JSON without a code"),
    ("no code", 500, {}, b'{"msg":"oops"}', "JSON without a code"),
    *(
        (f"code {code!r}", 400, {}, envelope(code), "JSON without a code")
        for code in (None, ["00000"], {"code": "00000"}, True, False, 1.5)
    ),
    ("lists that never end", 200, {}, b"[" * 100_000, "not JSON"),
    ("objects nested too deeply", 200, {}, b'{"a":' * 50_000 + b"1" + b"}" * 50_000, "not JSON"),
    ("bytes that are not UTF-8", 200, {}, b'{"code":"\xff\xfe"}', "not JSON"),
    ("number that is too long to parse", 200, {}, b'{"code":' + b"1" * 10_000 + b"}", "not JSON"),
    ("unknown charset", 502, {"content-type": "text/html; charset=x-no"}, PAGE, "not JSON"),
]


def interpret(response: httpx.Response) -> BitgetError | None:
    """Return the exception that a response stands for; `None` for a success."""
    parsed = parse_envelope(response)
    if isinstance(parsed, InvalidResponseError):
        return parsed
    return parse_error(parsed, response.status_code, "v2")


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [row[1:] for row in ERROR_RESPONSES],
    ids=[row[0] for row in ERROR_RESPONSES],
)
def test_error_response_becomes_the_exception_of_its_code(status: int, body: bytes, expected: ApiError) -> None:
    """The code decides the exception, whatever the status; the exception has the parts of the response as fields."""
    error = interpret(httpx.Response(status, content=body))
    assert type(error) is type(expected)
    assert vars(error) == vars(expected)


@pytest.mark.parametrize(
    ("status", "headers", "body", "problem"),
    [row[1:] for row in INVALID_RESPONSES],
    ids=[row[0] for row in INVALID_RESPONSES],
)
def test_response_without_an_envelope_is_invalid(
    status: int, headers: dict[str, str], body: bytes, problem: str
) -> None:
    """A response that is not the exchange's envelope is invalid on any status, and the error describes why."""
    response = httpx.Response(status, headers=headers, content=body)
    error = interpret(response)
    assert type(error) is InvalidResponseError
    assert error.http_status == status
    assert error.problem.startswith(problem)
    assert error.body == response.text[:MAX_EXCERPT]


def test_excerpt_is_limited() -> None:
    """The error keeps only the beginning of a long body."""
    error = interpret(httpx.Response(502, content=PAGE * 1000))
    assert isinstance(error, InvalidResponseError)
    assert len(error.body) == MAX_EXCERPT
    assert error.body.startswith(PAGE.decode())


@pytest.mark.parametrize("status", [200, 201, 400, 429, 500, 520])
@pytest.mark.parametrize("data", [None, {}, {"successList": [], "failureList": None}, "?"])
def test_success_code_is_a_success(status: int, data: Any) -> None:
    """The success code is a success with any status and any data."""
    body = json.dumps({"code": SUCCESS_CODE, "msg": "success", "data": data}).encode()
    assert interpret(httpx.Response(status, content=body)) is None


@pytest.mark.parametrize(
    "response",
    [
        *(pytest.param(httpx.Response(row[1], content=row[2]), id=row[0]) for row in ERROR_RESPONSES),
        *(pytest.param(httpx.Response(row[1], headers=row[2], content=row[3]), id=row[0]) for row in INVALID_RESPONSES),
    ],
)
def test_exceptions_can_be_pickled(response: httpx.Response) -> None:
    """The exception of any response can be passed to another process."""
    error = interpret(response)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled in this very line
    assert type(copy) is type(error)
    assert vars(copy) == vars(error)
    assert str(copy) == str(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
ENVELOPE_LIKE = st.fixed_dictionaries(
    {},
    optional={
        "code": st.sampled_from([SUCCESS_CODE, "43001", "429"]) | JSON,
        "msg": JSON,
        "message": JSON,
        "requestTime": JSON,
        "data": JSON,
    },
)


@given(st.integers(100, 599), st.binary() | (JSON | ENVELOPE_LIKE).map(lambda value: json.dumps(value).encode()))
def test_any_response_has_a_meaning(status: int, body: bytes) -> None:
    """Any status with any body is a success or one of this package's exceptions, which can be printed."""
    error = interpret(httpx.Response(status, content=body))
    assert error is None or isinstance(error, ApiError | InvalidResponseError)
    assert str(error)


# Through the middleware


class FixedTransport(Transport):
    """Responds with one response to everything."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.response = httpx.Response(status, content=body, headers=headers)

    def handle_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002 - the same response to all
        return self.response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


def make_request() -> httpx.Request:
    """Return a request."""
    return httpx.Request("GET", "https://api.bitget.com/")


def middleware_over(transport: Transport, clock: ServerClock | None = None) -> ResponseMiddleware:
    """Return the middleware over a transport."""
    return ResponseMiddleware(transport, clock=clock or ServerClock(), account=AccountTypeMemory())


@both_modes
@pytest.mark.parametrize("status", [200, 400])
def test_success_passes_unchanged(send: Send, status: int) -> None:
    """A success passes with its body unchanged, and with status 200, with which the generated parser reads it."""
    transport = FixedTransport(status, envelope(SUCCESS_CODE))
    response = send(middleware_over(transport), make_request())
    assert response is transport.response
    assert response.status_code == 200
    assert response.content == envelope(SUCCESS_CODE)


@both_modes
@pytest.mark.parametrize(
    ("status", "body", "cls"),
    [
        (400, envelope("43001"), OrderNotFoundError),
        (200, envelope("99999"), ApiError),
        (520, PAGE, InvalidResponseError),
        (200, b"", InvalidResponseError),
    ],
)
def test_everything_else_is_raised(send: Send, status: int, body: bytes, cls: type[BitgetError]) -> None:
    """What is not a success is raised, without an error of the JSON parser as its context."""
    with pytest.raises(BitgetError) as caught:
        send(middleware_over(FixedTransport(status, body)), make_request())
    assert type(caught.value) is cls
    assert caught.value.__context__ is None


RESPONSES = [
    pytest.param(200, envelope(SUCCESS_CODE, requestTime=NOW), None, id="success"),
    pytest.param(429, envelope("429", requestTime=NOW), RateLimitedError, id="error response"),
    pytest.param(502, PAGE, InvalidResponseError, id="invalid response"),
]


def send_expecting(error: type[Exception] | None, send: Send, transport: Transport, request: httpx.Request) -> None:
    """Send a request that raises an error, or succeeds if that is `None`."""
    if error is None:
        send(transport, request)
    else:
        with pytest.raises(error):
            send(transport, request)


@both_modes
@pytest.mark.parametrize(("status", "body", "error"), RESPONSES)
@pytest.mark.parametrize(("headers", "expected"), [({REMAINING_CALLS_HEADER: "7"}, "7"), ({}, "earlier")])
def test_remaining_calls_are_recorded(  # noqa: PLR0917 - the columns of the tables
    send: Send, status: int, body: bytes, error: type[Exception] | None, headers: dict[str, str], expected: str
) -> None:
    """Any response updates the remaining calls in the context; without the header the earlier value is kept."""
    request = make_request()
    context = attach_context(request)
    context.remaining_calls = "earlier"
    send_expecting(error, send, middleware_over(FixedTransport(status, body, headers)), request)
    assert context.remaining_calls == expected


class RecordingClock(ServerClock):
    """Records what it observes."""

    def __init__(self) -> None:
        super().__init__()
        self.observed: list[tuple[int | None, float | None]] = []

    def observe(self, server_time: int | None, sent_at: float | None) -> bool:
        self.observed.append((server_time, sent_at))
        return super().observe(server_time, sent_at)


@both_modes
@pytest.mark.parametrize(("status", "body", "error"), RESPONSES)
def test_clock_is_observed(send: Send, status: int, body: bytes, error: type[Exception] | None) -> None:
    """The clock of every envelope, of an error response too, is observed together with the time of the stamp."""
    clock = RecordingClock()
    request = make_request()
    attach_context(request).attempt.signed_at = 1.5
    send_expecting(error, send, middleware_over(FixedTransport(status, body), clock), request)
    assert clock.observed == ([] if error is InvalidResponseError else [(NOW, 1.5)])


@both_modes
def test_response_without_a_clock_is_observed_as_none(send: Send) -> None:
    """An envelope without a usable `requestTime` has no clock."""
    clock = RecordingClock()
    for body in (envelope(SUCCESS_CODE), envelope(SUCCESS_CODE, requestTime="yesterday")):
        send(middleware_over(FixedTransport(200, body), clock), make_request())
    assert clock.observed == [(None, None), (None, None)]


@both_modes
@pytest.mark.parametrize(
    ("body", "is_reset"),
    [
        (envelope("40008"), True),
        (envelope("40004", requestTime="yesterday"), True),
        (envelope("40008", requestTime=NOW), False),
        (envelope("40009"), False),
        (PAGE, False),
    ],
)
def test_refused_timestamp_without_a_clock_resets_the_clock(send: Send, body: bytes, *, is_reset: bool) -> None:
    """If the exchange refuses a timestamp and does not show its clock, the local clock is used again."""
    clock = RecordingClock()
    clock.offset = 500.0
    request = make_request()
    attach_context(request).attempt.signed_at = NOW / 1000
    with pytest.raises(BitgetError):
        send(middleware_over(FixedTransport(400, body), clock), request)
    assert (clock.offset == 0.0) is is_reset


def lists_with(*error_codes: object) -> dict[str, Any]:
    """Return the data of a batch cancel in which one order succeeded and others failed with these codes."""
    return {"successList": [{"orderId": "1"}], "failureList": [{"errorCode": code} for code in error_codes]}


@both_modes
@pytest.mark.parametrize(
    ("data", "is_rate_limited"),
    [
        (lists_with("429"), True),
        (lists_with("43001", "40918"), True),
        (lists_with(), False),
        (lists_with("43001", "45001"), False),
        (lists_with(None, [], {}), False),
        ({"failureList": [None, "429", 429, ["429"]]}, False),
        ({"failureList": {"errorCode": "429"}}, False),
        ({"failureList": None}, False),
        ({}, False),
        (None, False),
        ([{"errorCode": "429"}], True),
        ([{"orderId": "1", "code": "429"}], True),
        ([{"orderId": "1", "code": "43001"}], False),
        ({"list": [{"orderId": "1", "code": "429"}]}, True),
        ({"list": None}, False),
    ],
    ids=str,
)
def test_orders_refused_for_too_many_requests_are_recorded(send: Send, data: object, *, is_rate_limited: bool) -> None:
    """The attempt records whether the exchange refused single orders because there were too many requests."""
    request = make_request()
    context = attach_context(request)
    send(middleware_over(FixedTransport(200, data_envelope(data))), request)
    assert context.attempt.rate_limited_rows is is_rate_limited


def data_envelope(data: object) -> bytes:
    """Return a success with this data."""
    return json.dumps({"code": SUCCESS_CODE, "data": data}).encode()


@both_modes
def test_code_of_an_order_as_a_number(send: Send) -> None:
    """The code of an order may be a number, as that of the whole response."""
    request = make_request()
    context = attach_context(request)
    send(middleware_over(FixedTransport(200, data_envelope(lists_with(429)))), request)
    assert context.attempt.rate_limited_rows


@both_modes
def test_context_is_the_one_of_the_attempt(send: Send) -> None:
    """The time of the stamp is read after the request has been sent, because the layer below sets it."""
    clock = RecordingClock()

    class StampingTransport(FixedTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            context_of(request).attempt.signed_at = 2.5
            return super().handle_request(request)

    transport = StampingTransport(200, envelope(SUCCESS_CODE, requestTime=NOW))
    send(middleware_over(transport, clock), make_request())
    assert clock.observed == [(NOW, 2.5)]


@pytest.fixture
def interpretations(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each function that interprets a response has been called."""
    calls: Counter[str] = Counter()

    def count(name: str, function: Callable[..., object]) -> Callable[..., object]:
        def counted(*args: object) -> object:
            calls[name] += 1
            return function(*args)

        return counted

    for function in (parse_envelope, parse_error):
        monkeypatch.setattr(responses, function.__name__, count(function.__name__, function))
    return calls


def test_each_response_is_interpreted_once(interpretations: Counter[str], credentials: Credentials) -> None:
    """The whole chain reads each response once, whether it is retried or not."""
    bodies = iter([(502, PAGE), (500, envelope("45001")), (200, envelope(SUCCESS_CODE))])

    def respond(_: httpx.Request) -> httpx.Response:
        status, body = next(bodies)
        return httpx.Response(status, content=body)

    client = connect(credentials, transport=httpx.MockTransport(respond), rate_limit_store=MemoryStore())
    assert client.get_httpx_client().get(GET_SERVER_TIME.path).is_success
    assert interpretations == {"parse_envelope": 3, "parse_error": 2}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("plain text", "plain text"),
        ("订单不存在 ü", "订单不存在 ü"),
        ("a\nb\u202ec", "a b c"),
        (429, "429"),
        (None, "null"),
        ({"en": "ü"}, '{"en": "\\u00fc"}'),
    ],
)
def test_printable_text(value: object, text: str) -> None:
    """Printable text is unchanged, control characters become spaces, and other values are JSON."""
    assert printable(value) == text


def test_printable_text_is_not_copied() -> None:
    """Text that can be printed is returned as the same object."""
    text = b"printable text".decode()
    assert printable(text) is text
