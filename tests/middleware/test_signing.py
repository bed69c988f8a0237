"""The signature and its headers, the origin, and that no error from below shows a secret."""

from __future__ import annotations

import asyncio
import base64
import gc
import hashlib
import hmac
import json
import traceback
import weakref
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from types import FrameType
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from sending import Send, both_modes, in_task, in_thread
from tracebacks import format_with_locals

from bitget_spot._middleware.base import Transport
from bitget_spot._middleware.clock import ServerClock
from bitget_spot._middleware.context import attach_context
from bitget_spot._middleware.signing import SigningMiddleware, hmac_signature, prehash
from bitget_spot.credentials import Credentials
from bitget_spot.errors import OriginError
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, GET_SERVER_TIME

ORIGIN = "https://api.bitget.com"
PATH = BATCH_CANCEL_ORDERS.path
ORDER_INFO_PATH = "/api/v2/spot/trade/orderInfo"
NOW = 1659076670.000
TIMESTAMP = "1659076670000"
SECRET = "secret"
PASSPHRASE = "correct-horse-battery"
KEY = "bg_0123456789abcdef"
RSA_KEY = generate_private_key(65537, 2048)

SINGLE = b'{"symbol":"BTCUSDT","batchMode":"single","orderList":[{"orderId":"121211212122"}]}'
MULTIPLE = (
    b'{"batchMode":"multiple","orderList":[{"orderId":"121211212122","symbol":"BTCUSDT"},'
    b'{"orderId":"121211212123","symbol":"ETHUSDT"}]}'
)
# Method, path, query as signed, query as sent, body, signature: from Bitget's rules, by independent programs.
VECTORS = [
    ("POST", PATH, "", "", SINGLE, "UVToCqlCgtN8z3ViqhCfl0wmm7mnLXbNphEtvAPeueA="),
    ("POST", PATH, "", "", MULTIPLE, "d2f5ckffcdWw6Q5BUtiRmi9ZBtDZQOoUZ2p+hOzT2KM="),
    (
        "GET",
        ORDER_INFO_PATH,
        "orderId=1234567890",
        "orderId=1234567890",
        b"",
        "6pIwjJwFCb2rjnefkOF+R8uhSUymWNPMIwLmhsGeClU=",
    ),
    (
        "GET",
        ORDER_INFO_PATH,
        "clientOid=a#b+c",
        "clientOid=a%23b%2Bc",
        b"",
        "2DOi1d/R3i9tSKWOnnCN5UMLg8pyYn0H9yDFwtf+I0s=",
    ),
]
SIGNATURE = VECTORS[0][-1]
vectors = pytest.mark.parametrize(
    ("method", "path", "signed_query", "sent_query", "body", "signature"),
    VECTORS,
    ids=["single", "multiple", "query", "special characters"],
)


class FakeExchange(Transport):
    """Records the requests and responds, or fails as the network does, with the request among its locals."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.requests: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        headers = dict(request.headers)
        self.requests.append(request)
        request.read()
        if self.error is not None:
            try:
                raise OSError(f"connection lost: {headers}")  # noqa: TRY301 - a cause, as httpcore leaves one
            except OSError as cause:
                raise self.error from cause
        return httpx.Response(200, content=b"{}")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


def signing_middleware(
    exchange: Transport,
    *,
    origin: str = ORIGIN,
    local_time: Callable[[], float] = lambda: NOW,
    headers: Mapping[str, str] | None = None,
    secret_key: str = SECRET,
) -> SigningMiddleware:
    """Return the middleware, by default with a clock that does not move."""
    return SigningMiddleware(
        exchange,
        credentials=Credentials(KEY, secret_key, PASSPHRASE),
        origin=httpx.URL(origin),
        headers={"Content-Type": "application/json", "locale": "en-US"} if headers is None else headers,
        clock=ServerClock(local_time),
    )


def batch_cancel(content: Any = SINGLE) -> httpx.Request:
    """Return a batch cancel."""
    return httpx.Request("POST", ORIGIN + PATH, content=content)


def expected_signature(message: bytes, secret: str = SECRET) -> str:
    """Sign as the vendor's page describes, without the package."""
    digest = hmac.new(secret.encode(), message, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


# The signature


@vectors
def test_prehash_and_signature(  # noqa: PLR0917 - the columns of the table
    method: str, path: str, signed_query: str, sent_query: str, body: bytes, signature: str
) -> None:
    """The functions give the signatures that independent programs gave."""
    assert sent_query.count("=") == signed_query.count("=")
    assert hmac_signature(SECRET, prehash(TIMESTAMP, method, path, signed_query, body)) == signature


@vectors
@both_modes
def test_signed_request(  # noqa: PLR0917 - the columns of the table
    send: Send, method: str, path: str, signed_query: str, sent_query: str, body: bytes, signature: str
) -> None:
    """The middleware sends these signatures, with the timestamp that it signed and a percent-encoded query."""
    exchange = FakeExchange()
    url = f"{ORIGIN}{path}{'?' if sent_query else ''}{sent_query}"
    send(signing_middleware(exchange), httpx.Request(method, url, content=body))
    (request,) = exchange.requests
    assert request.headers["ACCESS-SIGN"] == signature
    assert request.headers["ACCESS-TIMESTAMP"] == TIMESTAMP
    assert request.headers["ACCESS-KEY"] == KEY
    assert request.headers["ACCESS-PASSPHRASE"] == PASSPHRASE
    assert request.url.raw_path.decode() == path + ("?" if sent_query else "") + sent_query
    assert request.url.params == httpx.QueryParams(sent_query)
    assert request.content == body
    assert signed_query.count("=") == len(request.url.params)


@pytest.mark.parametrize(
    ("params", "signed_query", "sent_query"),
    [
        ({"symbol": "A", "limit": "5"}, "limit=5&symbol=A", "limit=5&symbol=A"),
        ({"b": "2", "a": "ü&=/"}, "a=ü&=/&b=2", "a=%C3%BC%26%3D%2F&b=2"),
        ([("b", "2"), ("a", "9"), ("b", "1")], "a=9&b=2&b=1", "a=9&b=2&b=1"),
        ({"empty": ""}, "empty=", "empty="),
        ({"a": "b c", "d": "e+f"}, "a=b c&d=e+f", "a=b%20c&d=e%2Bf"),
    ],
)
def test_query_is_sorted_and_encoded(params: Any, signed_query: str, sent_query: str) -> None:
    """A query is sorted by key, signed before percent-encoding, and sent percent-encoded."""
    exchange = FakeExchange()
    request = httpx.Request("GET", f"{ORIGIN}{ORDER_INFO_PATH}", params=params)
    signing_middleware(exchange).handle_request(request)
    (sent,) = exchange.requests
    assert sent.url.query == sent_query.encode()
    expected = expected_signature(f"{TIMESTAMP}GET{ORDER_INFO_PATH}?{signed_query}".encode())
    assert sent.headers["ACCESS-SIGN"] == expected


def test_no_question_mark_is_signed_without_a_query() -> None:
    """Without a query, no question mark is signed."""
    exchange = FakeExchange()
    signing_middleware(exchange).handle_request(httpx.Request("GET", f"{ORIGIN}{ORDER_INFO_PATH}"))
    expected = expected_signature(f"{TIMESTAMP}GET{ORDER_INFO_PATH}".encode())
    assert exchange.requests[0].headers["ACCESS-SIGN"] == expected


@both_modes
def test_rsa_key_signs_requests(send: Send) -> None:
    """With an RSA key, the exact bytes that leave are signed with it, and its public key verifies the signature."""
    pem = RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    exchange = FakeExchange()
    send(signing_middleware(exchange, secret_key=pem), batch_cancel())
    (request,) = exchange.requests
    signature = base64.b64decode(request.headers["ACCESS-SIGN"], validate=True)
    message = f"{request.headers['ACCESS-TIMESTAMP']}POST{PATH}".encode() + request.content
    RSA_KEY.public_key().verify(signature, message, PKCS1v15(), SHA256())
    assert request.headers["ACCESS-PASSPHRASE"] == PASSPHRASE


@both_modes
@pytest.mark.parametrize("ascii_only", [True, False])
def test_exact_bytes_are_signed(send: Send, *, ascii_only: bool) -> None:
    """The exact bytes that leave are signed, whether characters beyond ASCII are escaped or not."""
    body = json.dumps({"orderList": [{"clientOid": "Größe-日本"}]}, ensure_ascii=ascii_only).encode()
    exchange = FakeExchange()
    send(signing_middleware(exchange), batch_cancel(body))
    (request,) = exchange.requests
    assert request.content == body
    assert request.headers["ACCESS-SIGN"] == expected_signature(f"{TIMESTAMP}POST{PATH}".encode() + body)


def test_secret_is_used_as_text() -> None:
    """The secret is encoded as UTF-8, and never decoded from base64."""
    exchange = FakeExchange()
    for secret in ("Schlüssel", "c2VjcmV0"):
        middleware = signing_middleware(exchange, secret_key=secret)
        middleware.handle_request(httpx.Request("GET", ORIGIN + ORDER_INFO_PATH))
        expected = expected_signature(f"{TIMESTAMP}GET{ORDER_INFO_PATH}".encode(), secret)
        assert exchange.requests[-1].headers["ACCESS-SIGN"] == expected


def stream() -> Iterator[bytes]:
    """Stream the body of the first vector."""
    yield SINGLE[:10]
    yield SINGLE[10:]


async def async_stream() -> AsyncIterator[bytes]:
    """Stream the body of the first vector, asynchronously."""
    yield SINGLE[:10]
    yield SINGLE[10:]


@pytest.mark.parametrize(
    ("send", "open_stream"),
    [
        pytest.param(in_thread, stream, id="in_thread"),
        pytest.param(in_task, async_stream, id="in_task"),
    ],
)
def test_streamed_body_is_signed(send: Send, open_stream: Callable[[], Any]) -> None:
    """A streamed body is read, signed and sent completely."""
    exchange = FakeExchange()
    send(signing_middleware(exchange), batch_cancel(open_stream()))
    (request,) = exchange.requests
    assert request.content == SINGLE
    assert request.headers["ACCESS-SIGN"] == SIGNATURE


def test_each_attempt_is_stamped_anew() -> None:
    """Each attempt has a timestamp and a signature of its own, and the time is recorded in its context."""
    times = iter([NOW, NOW + 1.5])
    exchange = FakeExchange()
    middleware = signing_middleware(exchange, local_time=lambda: next(times))
    request = batch_cancel()
    context = attach_context(request)
    signed_at = []
    for _ in range(2):
        context.begin_attempt()
        middleware.handle_request(request)
        signed_at.append(context.attempt.signed_at)
    timestamps = [sent.headers["ACCESS-TIMESTAMP"] for sent in exchange.requests]
    assert timestamps == [TIMESTAMP, "1659076671500"]
    assert signed_at == [NOW, NOW + 1.5]
    assert len({sent.headers["ACCESS-SIGN"] for sent in exchange.requests}) == 2


def test_timestamp_follows_the_clock_of_the_exchange() -> None:
    """The timestamp is the local time plus the clock's offset, and the recorded time is the local time."""
    exchange = FakeExchange()
    clock = ServerClock(lambda: NOW)
    clock.offset = -60.0
    middleware = SigningMiddleware(
        exchange, credentials=Credentials(KEY, SECRET, PASSPHRASE), origin=httpx.URL(ORIGIN), headers={}, clock=clock
    )
    request = batch_cancel()
    context = attach_context(request)
    middleware.handle_request(request)
    assert exchange.requests[0].headers["ACCESS-TIMESTAMP"] == "1659076610000"
    assert context.attempt.signed_at == NOW


# The headers


@both_modes
def test_request_of_the_caller_is_not_changed(send: Send) -> None:
    """The caller's request gets no header of the exchange, and keeps its URL."""
    request = httpx.Request("GET", f"{ORIGIN}{ORDER_INFO_PATH}?b=2&a=1", extensions={"mark": "kept"})
    headers = request.headers.copy()
    exchange = FakeExchange()
    send(signing_middleware(exchange), request)
    assert request.headers == headers
    assert not any(name.startswith("access-") for name in request.headers)
    assert request.url.query == b"b=2&a=1"
    assert exchange.requests[0].extensions["mark"] == "kept"
    # What the innermost transport adds must not be there when the same request is sent again.
    assert exchange.requests[0].extensions is not request.extensions


@pytest.mark.parametrize(
    ("given_headers", "name", "sent"),
    [
        ({}, "locale", "en-US"),
        ({}, "content-type", "application/json"),
        ({"Locale": "zh-CN"}, "locale", "zh-CN"),
        ({"content-type": "application/json; charset=utf-8"}, "content-type", None),
        ({"X-Channel-Api-Code": "abc"}, "x-channel-api-code", "abc"),
        ({"ACCESS-KEY": "stolen"}, "access-key", KEY),
        ({"access-sign": "forged"}, "access-sign", SIGNATURE),
        ({"Access-Passphrase": "wrong"}, "access-passphrase", PASSPHRASE),
        ({"ACCESS-TIMESTAMP": "1"}, "access-timestamp", TIMESTAMP),
    ],
)
def test_headers_of_the_caller(given_headers: dict[str, str], name: str, sent: str | None) -> None:
    """The caller's headers take precedence over the defaults, and the four that sign always over the caller's."""
    exchange = FakeExchange()
    request = httpx.Request("POST", ORIGIN + PATH, content=SINGLE, headers=given_headers)
    signing_middleware(exchange).handle_request(request)
    expected = given_headers[name] if sent is None else sent
    assert exchange.requests[0].headers.get_list(name) == [expected]


def test_unsigned_operation_has_no_credentials() -> None:
    """An operation that the document calls unsigned is sent without key, signature, passphrase and timestamp."""
    assert not GET_SERVER_TIME.signed
    exchange = FakeExchange()
    signing_middleware(exchange).handle_request(httpx.Request("GET", f"{ORIGIN}{GET_SERVER_TIME.path}?b=2&a=1"))
    (request,) = exchange.requests
    assert not any(name.startswith("access-") for name in request.headers)
    assert request.headers["locale"] == "en-US"
    assert request.url.query == b"a=1&b=2"


# The origin


@both_modes
@pytest.mark.parametrize(
    ("origin", "url"),
    [
        (ORIGIN, "http://api.bitget.com/x"),
        (ORIGIN, "https://api.bitget.com.example/x"),
        (ORIGIN, "https://example.com/x"),
        (ORIGIN, "https://bitget.com/x"),
        (ORIGIN, "https://api.bitget.com@example.com/x"),
        (ORIGIN, "https://api.bitget.com:8443/x"),
        (ORIGIN, "https://api.bitget.com:80/x"),
        ("http://127.0.0.1:8787", "http://127.0.0.1:8788/x"),
        ("http://127.0.0.1:8787", "http://127.0.0.1/x"),
        ("http://127.0.0.1:8787", "http://localhost:8787/x"),
        ("http://127.0.0.1:8787", "https://127.0.0.1:8787/x"),
    ],
)
def test_other_origins_are_refused(send: Send, origin: str, url: str) -> None:
    """A request to another scheme, host or port is refused with a message that shows both, and nothing is sent."""
    exchange = FakeExchange()
    with pytest.raises(OriginError) as caught:
        send(signing_middleware(exchange, origin=origin), httpx.Request("POST", url, content=SINGLE))
    assert exchange.requests == []
    assert origin in str(caught.value)
    assert httpx.URL(url).host in str(caught.value)


@pytest.mark.parametrize(
    ("origin", "url"),
    [
        (ORIGIN, "https://api.bitget.com:443/x"),
        ("https://api.bitget.com:443", "https://api.bitget.com/x"),
        (ORIGIN, "https://API.BitGet.com/x"),
        ("http://127.0.0.1:80", "http://127.0.0.1/x"),
        ("http://127.0.0.1", "http://127.0.0.1:80/x"),
        ("http://[::1]:8787", "http://[::1]:8787/x"),
    ],
)
def test_spellings_of_one_origin_are_equal(origin: str, url: str) -> None:
    """The default port of the scheme may be given or not, and the case of the host does not matter."""
    exchange = FakeExchange()
    signing_middleware(exchange, origin=origin).handle_request(httpx.Request("GET", url))
    assert len(exchange.requests) == 1


def test_message_shows_origins_as_people_write_them() -> None:
    """The message shows each origin with its port only if that is not the default port of its scheme."""
    middleware = signing_middleware(FakeExchange(), origin="http://127.0.0.1:8787")
    with pytest.raises(OriginError) as caught:
        middleware.handle_request(httpx.Request("GET", "http://127.0.0.1/x"))
    assert str(caught.value) == (
        "this client signs requests to http://127.0.0.1:8787 only, not to http://127.0.0.1; "
        "connect to that origin with a client of its own"
    )


# Errors from below


def send_and_catch(send: Send, error: Exception) -> BaseException:
    """Send a request that fails below the middleware, and return the exception."""
    exchange = FakeExchange(error=error)
    try:
        send(signing_middleware(exchange), batch_cancel())
    except Exception as caught:  # noqa: BLE001 - the tests inspect any exception
        return caught
    raise AssertionError("nothing was raised")


def frames_of(error: BaseException) -> list[FrameType]:
    """Return every frame of a traceback."""
    return [frame for frame, _ in traceback.walk_tb(error.__traceback__)]


def format_locals(frame: FrameType) -> str:
    """Return the locals of a frame as text, with the headers of the requests among them."""
    values = list(frame.f_locals.values())
    requests = [value for value in values if isinstance(value, httpx.Request)]
    return repr(values) + repr([request.headers.raw for request in requests])


NETWORK_ERRORS = [
    httpx.ConnectError("[Errno 111] Connection refused"),
    httpx.ReadTimeout("timed out"),
    httpx.RemoteProtocolError("Server disconnected without sending a response."),
    RuntimeError("anything"),
]


@both_modes
@pytest.mark.parametrize("error", NETWORK_ERRORS, ids=lambda error: type(error).__name__)
def test_error_is_the_same_object_without_a_cause(send: Send, error: Exception) -> None:
    """An error from below leaves as the same object, without a cause or context from below."""
    caught = send_and_catch(send, error)
    assert caught is error
    assert caught.__cause__ is None
    assert caught.__context__ is None


@both_modes
@pytest.mark.parametrize("error", NETWORK_ERRORS, ids=lambda error: type(error).__name__)
def test_traceback_shows_no_secret(send: Send, error: Exception) -> None:
    """The traceback has no frame from below the middleware, and no frame has the signature, passphrase or key."""
    caught = send_and_catch(send, error)
    frames = frames_of(caught)
    assert not [frame for frame in frames if isinstance(frame.f_locals.get("self"), FakeExchange)]
    assert any(frame.f_code.co_qualname in ("run_sync", "run_async") for frame in frames)
    shown = format_with_locals(caught) + "".join(map(format_locals, frames))
    for secret in (SIGNATURE, PASSPHRASE, KEY):
        assert isinstance(secret, str)
        assert secret not in shown


@both_modes
def test_error_keeps_the_context_of_the_caller(send: Send) -> None:
    """What the caller was handling when the request failed stays the context of the error."""
    outer = KeyError("outer")
    try:
        raise outer
    except KeyError:
        caught = send_and_catch(send, httpx.ConnectError("refused"))
    assert caught.__context__ is outer
    assert caught.__cause__ is None


@both_modes
def test_traceback_shows_the_context_of_the_caller(send: Send) -> None:
    """The formatted traceback shows what the caller was handling when the request failed."""
    outer = KeyError("outer")
    try:
        raise outer
    except KeyError:
        caught = send_and_catch(send, httpx.ConnectError("refused"))
    assert "KeyError: 'outer'" in "".join(traceback.format_exception(caught))


class RefusingTransport(Transport):
    """Raises an error that nothing but its own traceback refers to."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


@both_modes
def test_error_leaves_no_reference_cycle(send: Send) -> None:
    """A dropped error is freed at once, with the requests in its frames, without the garbage collector."""
    middleware = signing_middleware(RefusingTransport())

    def send_in_thread() -> weakref.ref[Exception]:
        try:
            middleware.handle_request(batch_cancel())
        except httpx.ConnectError as error:
            return weakref.ref(error)
        raise AssertionError("nothing was raised")

    async def send_in_task() -> weakref.ref[Exception]:
        try:
            await middleware.handle_async_request(batch_cancel())
        except httpx.ConnectError as error:
            return weakref.ref(error)
        raise AssertionError("nothing was raised")

    gc.collect()
    gc.disable()
    try:
        dropped = send_in_thread() if send is in_thread else asyncio.run(send_in_task())
        assert dropped() is None
    finally:
        gc.enable()


@both_modes
def test_response_is_returned(send: Send) -> None:
    """The middleware returns the very response of the transport below."""
    response = httpx.Response(200)

    class FixedExchange(FakeExchange):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            super().handle_request(request)
            return response

    assert send(signing_middleware(FixedExchange()), httpx.Request("GET", f"{ORIGIN}{ORDER_INFO_PATH}")) is response
