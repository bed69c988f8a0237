"""The signature, the clock, and that no secret is found where it does not belong."""

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
from attrs import evolve
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st
from tracebacks import format_with_locals

from bitget_spot._middleware import base
from bitget_spot._middleware.base import Transport
from bitget_spot._middleware.clock import corrected_offset
from bitget_spot._middleware.signing import SigningMiddleware, hmac_signature, prehash
from bitget_spot.credentials import Credentials
from bitget_spot.errors import OriginError
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

ORIGIN = "https://api.bitget.com"
PATH = BATCH_CANCEL_ORDERS.path
INFO = "/api/v2/spot/trade/orderInfo"
NOW = 1659076670.000
STAMP = "1659076670000"
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
        INFO,
        "orderId=1234567890",
        "orderId=1234567890",
        b"",
        "6pIwjJwFCb2rjnefkOF+R8uhSUymWNPMIwLmhsGeClU=",
    ),
    (
        "GET",
        INFO,
        "clientOid=a#b+c",
        "clientOid=a%23b%2Bc",
        b"",
        "2DOi1d/R3i9tSKWOnnCN5UMLg8pyYn0H9yDFwtf+I0s=",
    ),
]
vectors = pytest.mark.parametrize(
    ("method", "path", "signed", "sent", "body", "signature"),
    VECTORS,
    ids=["single", "multiple", "query", "special characters"],
)


class Exchange(Transport):
    """Takes down what arrives and answers, or fails as the wire does, with the request among its locals."""

    def __init__(self, answer: bytes = b"{}", error: Exception | None = None) -> None:
        self.answer = answer
        self.error = error
        self.arrived: list[httpx.Request] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        headers = dict(request.headers)
        self.arrived.append(request)
        request.read()
        if self.error is not None:
            try:
                raise OSError(f"connection lost: {headers}")  # noqa: TRY301 - a cause, as httpcore leaves one
            except OSError as lost:
                raise self.error from lost
        return httpx.Response(200, content=self.answer)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


def signing(
    exchange: Transport,
    *,
    origin: str = ORIGIN,
    clock: Callable[[], float] = lambda: NOW,
    headers: Mapping[str, str] | None = None,
    secret_key: str = SECRET,
) -> SigningMiddleware:
    """Make the link with a clock that stands still."""
    return SigningMiddleware(
        exchange,
        credentials=Credentials(KEY, secret_key, PASSPHRASE),
        origin=httpx.URL(origin),
        headers={"Content-Type": "application/json", "locale": "en-US"} if headers is None else headers,
        clock=clock,
    )


Send = Callable[[Transport, httpx.Request], httpx.Response]


def in_thread(transport: Transport, request: httpx.Request) -> httpx.Response:
    """Send as the sync client does."""
    return transport.handle_request(request)


def in_task(transport: Transport, request: httpx.Request) -> httpx.Response:
    """Send as the async client does."""
    return asyncio.run(transport.handle_async_request(request))


both = pytest.mark.parametrize("send", [in_thread, in_task])


def signed_by_hand(text: bytes, secret: str = SECRET) -> str:
    """Sign as the vendor's page tells, with nothing of the package."""
    digest = hmac.new(secret.encode(), text, hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


# The signature


@vectors
def test_vector(  # noqa: PLR0917 - the columns of the table
    method: str, path: str, signed: str, sent: str, body: bytes, signature: str
) -> None:
    """The rules give the signatures that independent programs gave."""
    assert sent.count("=") == signed.count("=")
    assert hmac_signature(SECRET, prehash(STAMP, method, path, signed, body)) == signature


@vectors
@both
def test_vector_through_the_link(  # noqa: PLR0917 - the columns of the table
    send: Send, method: str, path: str, signed: str, sent: str, body: bytes, signature: str
) -> None:
    """The link sends those very signatures, with the stamp that it signed and the query percent-encoded."""
    exchange = Exchange()
    url = f"{ORIGIN}{path}{'?' if sent else ''}{sent}"
    send(signing(exchange), httpx.Request(method, url, content=body))
    (arrived,) = exchange.arrived
    assert arrived.headers["ACCESS-SIGN"] == signature
    assert arrived.headers["ACCESS-TIMESTAMP"] == STAMP
    assert arrived.headers["ACCESS-KEY"] == KEY
    assert arrived.headers["ACCESS-PASSPHRASE"] == PASSPHRASE
    assert arrived.url.raw_path.decode() == path + ("?" if sent else "") + sent
    assert arrived.url.params == httpx.QueryParams(sent)
    assert arrived.content == body
    assert signed.count("=") == len(arrived.url.params)


@pytest.mark.parametrize(
    ("params", "signed", "sent"),
    [
        ({"symbol": "A", "limit": "5"}, "limit=5&symbol=A", "limit=5&symbol=A"),
        ({"b": "2", "a": "ü&=/"}, "a=ü&=/&b=2", "a=%C3%BC%26%3D%2F&b=2"),
        ([("b", "2"), ("a", "9"), ("b", "1")], "a=9&b=2&b=1", "a=9&b=2&b=1"),
        ({"empty": ""}, "empty=", "empty="),
        ({"a": "b c", "d": "e+f"}, "a=b c&d=e+f", "a=b%20c&d=e%2Bf"),
    ],
)
def test_query(params: Any, signed: str, sent: str) -> None:
    """A query is sorted by key, signed as it reads and sent percent-encoded."""
    exchange = Exchange()
    signing(exchange).handle_request(httpx.Request("GET", f"{ORIGIN}{INFO}", params=params))
    (arrived,) = exchange.arrived
    assert arrived.url.query == sent.encode()
    expected = signed_by_hand(f"{STAMP}GET{INFO}?{signed}".encode())
    assert arrived.headers["ACCESS-SIGN"] == expected


@both
def test_an_rsa_key_signs_through_the_link(send: Send) -> None:
    """With an RSA key the very bytes that leave are signed with it, and whoever has its public half can tell."""
    pem = RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    exchange = Exchange()
    send(signing(exchange, secret_key=pem), httpx.Request("POST", ORIGIN + PATH, content=SINGLE))
    (arrived,) = exchange.arrived
    signature = base64.b64decode(arrived.headers["ACCESS-SIGN"], validate=True)
    message = f"{arrived.headers['ACCESS-TIMESTAMP']}POST{PATH}".encode() + arrived.content
    RSA_KEY.public_key().verify(signature, message, PKCS1v15(), SHA256())
    assert arrived.headers["ACCESS-PASSPHRASE"] == PASSPHRASE


def test_without_query() -> None:
    """Without a query no question mark is signed."""
    exchange = Exchange()
    signing(exchange).handle_request(httpx.Request("GET", f"{ORIGIN}{INFO}"))
    expected = signed_by_hand(f"{STAMP}GET{INFO}".encode())
    assert exchange.arrived[0].headers["ACCESS-SIGN"] == expected


@both
@pytest.mark.parametrize("ascii_only", [True, False])
def test_other_letters(send: Send, *, ascii_only: bool) -> None:
    """What is signed are the very bytes that leave, whether the umlauts in them are escaped or not."""
    body = json.dumps({"orderList": [{"clientOid": "Größe-日本"}]}, ensure_ascii=ascii_only).encode()
    exchange = Exchange()
    send(signing(exchange), httpx.Request("POST", ORIGIN + PATH, content=body))
    (arrived,) = exchange.arrived
    assert arrived.content == body
    assert arrived.headers["ACCESS-SIGN"] == signed_by_hand(f"{STAMP}POST{PATH}".encode() + body)


def test_other_letters_in_the_secret() -> None:
    """A secret is taken as UTF-8 text, never decoded from base64."""
    exchange = Exchange()
    for secret in ("Schlüssel", "c2VjcmV0"):
        signing(exchange, secret_key=secret).handle_request(httpx.Request("GET", ORIGIN + INFO))
        expected = signed_by_hand(f"{STAMP}GET{INFO}".encode(), secret)
        assert exchange.arrived[-1].headers["ACCESS-SIGN"] == expected


def pieces() -> Iterator[bytes]:
    """Stream the first vector's body."""
    yield SINGLE[:10]
    yield SINGLE[10:]


async def async_pieces() -> AsyncIterator[bytes]:
    """Stream the first vector's body, asynchronously."""
    yield SINGLE[:10]
    yield SINGLE[10:]


@pytest.mark.parametrize(
    ("send", "stream"),
    [
        pytest.param(in_thread, pieces, id="in_thread"),
        pytest.param(in_task, async_pieces, id="in_task"),
    ],
)
def test_streamed(send: Send, stream: Callable[[], Any]) -> None:
    """A streamed body is read, signed and sent whole."""
    exchange = Exchange()
    send(signing(exchange), httpx.Request("POST", ORIGIN + PATH, content=stream()))
    (arrived,) = exchange.arrived
    assert arrived.content == SINGLE
    assert arrived.headers["ACCESS-SIGN"] == VECTORS[0][-1]


def test_stamped_anew() -> None:
    """Every try of one request gets a stamp of its own, taken as it leaves."""
    times = iter([NOW, NOW + 1.5])
    exchange = Exchange()
    link = signing(exchange, clock=lambda: next(times))
    request = httpx.Request("POST", ORIGIN + PATH, content=SINGLE)
    link.handle_request(request)
    link.handle_request(request)
    stamps = [arrived.headers["ACCESS-TIMESTAMP"] for arrived in exchange.arrived]
    assert stamps == [STAMP, "1659076671500"]
    assert len({arrived.headers["ACCESS-SIGN"] for arrived in exchange.arrived}) == 2


# The headers


@both
def test_original_is_untouched(send: Send) -> None:
    """The caller's request carries no header of the exchange afterwards, and its address is as it was."""
    request = httpx.Request("GET", f"{ORIGIN}{INFO}?b=2&a=1", extensions={"mark": "kept"})
    before = request.headers.copy()
    exchange = Exchange()
    send(signing(exchange), request)
    assert request.headers == before
    assert not any(name.startswith("access-") for name in request.headers)
    assert request.url.query == b"b=2&a=1"
    assert exchange.arrived[0].extensions["mark"] == "kept"
    # What the wire adds must not be there when the same request is sent again.
    assert exchange.arrived[0].extensions is not request.extensions


@pytest.mark.parametrize(
    ("given_headers", "name", "sent"),
    [
        ({}, "locale", "en-US"),
        ({}, "content-type", "application/json"),
        ({"Locale": "zh-CN"}, "locale", "zh-CN"),
        ({"content-type": "application/json; charset=utf-8"}, "content-type", None),
        ({"X-Channel-Api-Code": "abc"}, "x-channel-api-code", "abc"),
        ({"ACCESS-KEY": "stolen"}, "access-key", KEY),
        ({"access-sign": "forged"}, "access-sign", VECTORS[0][-1]),
        ({"Access-Passphrase": "wrong"}, "access-passphrase", PASSPHRASE),
        ({"ACCESS-TIMESTAMP": "1"}, "access-timestamp", STAMP),
    ],
)
def test_headers(given_headers: dict[str, str], name: str, sent: str | None) -> None:
    """The caller's headers are kept, defaults fill in, and the four that sign are always the link's own."""
    exchange = Exchange()
    request = httpx.Request("POST", ORIGIN + PATH, content=SINGLE, headers=given_headers)
    signing(exchange).handle_request(request)
    expected = given_headers[name] if sent is None else sent
    assert exchange.arrived[0].headers.get_list(name) == [expected]


def test_unsigned_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the document calls unsigned leaves without key, signature, passphrase and stamp."""
    public = evolve(BATCH_CANCEL_ORDERS, method="GET", path="/public/time", signed=False)
    monkeypatch.setattr(base, "OPERATIONS", {(public.method, public.path): public})
    exchange = Exchange()
    signing(exchange).handle_request(httpx.Request("GET", f"{ORIGIN}/public/time?b=2&a=1"))
    (arrived,) = exchange.arrived
    assert not any(name.startswith("access-") for name in arrived.headers)
    assert arrived.headers["locale"] == "en-US"
    assert arrived.url.query == b"a=1&b=2"


# The origin


@both
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
def test_foreign_origin(send: Send, origin: str, url: str) -> None:
    """What goes to another scheme, host or port is refused, naming both, and nothing is sent."""
    exchange = Exchange()
    with pytest.raises(OriginError) as caught:
        send(signing(exchange, origin=origin), httpx.Request("POST", url, content=SINGLE))
    assert exchange.arrived == []
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
def test_same_origin(origin: str, url: str) -> None:
    """A port that is the scheme's own may be spelled out or not, and capitals in a host are no difference."""
    exchange = Exchange()
    signing(exchange, origin=origin).handle_request(httpx.Request("GET", url))
    assert len(exchange.arrived) == 1


def test_a_foreign_origin_is_shown_as_one_writes_it() -> None:
    """The refusal names both addresses, each with its port only where that is not its scheme's own."""
    with pytest.raises(OriginError) as caught:
        signing(Exchange(), origin="http://127.0.0.1:8787").handle_request(httpx.Request("GET", "http://127.0.0.1/x"))
    assert str(caught.value) == "http://127.0.0.1 is not http://127.0.0.1:8787, to which this client is bound"


# The clock

SECONDS = st.floats(-1e5, 1e5)


@given(offset=SECONDS, sent=SECONDS, took=st.floats(0, 100), server=SECONDS)
def test_corrected(offset: float, sent: float, took: float, server: float) -> None:
    """The corrected_offset offset lies in what the answer allows, and is the old one if that does."""
    received = sent + took
    low, high = server - received, server + 0.001 - sent
    result = corrected_offset(offset, sent, received, server)
    assert low <= result <= high
    if low <= offset <= high:
        assert result == offset
    else:
        assert result == (low if offset < low else high)


@given(real=SECONDS, offset=SECONDS, before=st.floats(0, 5), after=st.floats(0, 5))
def test_corrected_comes_nearer(real: float, offset: float, before: float, after: float) -> None:
    """No answer makes the offset worse than it was."""
    sent, received = 1000.0, 1000.0 + before + after
    server = int((sent + before + real) * 1000) / 1000
    result = corrected_offset(offset, sent, received, server)
    assert abs(result - real) <= abs(offset - real) + 0.0011


@both
@pytest.mark.parametrize(
    ("answer", "stamp"),
    [
        (b'{"code":"00000","requestTime":1659076730000}', "1659076730000"),
        (b'{"requestTime" : "1659076730000"}', "1659076730000"),
        (b'{"requestTime":1659076610000}', "1659076610001"),
        (b'{"requestTime":1659076670000}', STAMP),
        (b'{"requestTime":1659076730}', STAMP),
        (b'{"requestTime":16590767300000}', STAMP),
        (b'{"requestTime":null}', STAMP),
        (b'{"requestTime":"yesterday"}', STAMP),
        (b'{"requestTime":-1659076730000}', STAMP),
        (b'{"serverTime":1659076730000}', STAMP),
        (b"<html>1659076730000</html>", STAMP),
        (b"\xff\xfe", STAMP),
        (b"", STAMP),
    ],
)
def test_clock_is_learned(send: Send, answer: bytes, stamp: str) -> None:
    """The next stamp follows the exchange's clock, told as number or text, and no nonsense is believed."""
    exchange = Exchange(answer)
    link = signing(exchange)
    for _ in range(2):
        send(link, httpx.Request("POST", ORIGIN + PATH, content=SINGLE))
    first, second = (arrived.headers["ACCESS-TIMESTAMP"] for arrived in exchange.arrived)
    assert (first, second) == (STAMP, stamp)


def test_clock_is_kept_within_a_slow_round_trip() -> None:
    """An answer that took long does not move a clock that may be right."""
    times = iter([NOW, NOW + 4, NOW + 10, NOW + 11])
    exchange = Exchange(b'{"requestTime":1659076673900}')
    link = signing(exchange, clock=lambda: next(times))
    for _ in range(2):
        link.handle_request(httpx.Request("GET", ORIGIN + INFO))
    assert exchange.arrived[1].headers["ACCESS-TIMESTAMP"] == "1659076680000"


# What leaves the link when something below it fails


def failure(send: Send, error: Exception) -> BaseException:
    """Send what fails below the link, and answer what comes out."""
    exchange = Exchange(error=error)
    try:
        send(signing(exchange), httpx.Request("POST", ORIGIN + PATH, content=SINGLE))
    except Exception as caught:  # noqa: BLE001 - whatever comes out is looked at
        return caught
    raise AssertionError("nothing was raised")


def frames_of(error: BaseException) -> list[FrameType]:
    """Answer every frame of a traceback."""
    return [frame for frame, _ in traceback.walk_tb(error.__traceback__)]


def held(frame: FrameType) -> str:
    """Write down what the locals of a frame show, and the headers of the requests among them."""
    values = list(frame.f_locals.values())
    requests = [value for value in values if isinstance(value, httpx.Request)]
    return repr(values) + repr([request.headers.raw for request in requests])


FAILURES = [
    httpx.ConnectError("[Errno 111] Connection refused"),
    httpx.ReadTimeout("timed out"),
    httpx.RemoteProtocolError("Server disconnected without sending a response."),
    RuntimeError("anything"),
]


@both
@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_failure_keeps_its_face(send: Send, error: Exception) -> None:
    """An error from below is the same error above, without cause or context from below."""
    caught = failure(send, error)
    assert caught is error
    assert caught.__cause__ is None
    assert caught.__context__ is None


@both
@pytest.mark.parametrize("error", FAILURES, ids=lambda error: type(error).__name__)
def test_failure_shows_no_secret(send: Send, error: Exception) -> None:
    """No frame below the link is in the traceback, and none above holds signature, passphrase or key."""
    caught = failure(send, error)
    frames = frames_of(caught)
    assert not [frame for frame in frames if isinstance(frame.f_locals.get("self"), Exchange)]
    assert any(frame.f_code.co_qualname == "SigningMiddleware.flow" for frame in frames)
    shown = format_with_locals(caught) + "".join(map(held, frames))
    for secret in (VECTORS[0][-1], PASSPHRASE, KEY):
        assert isinstance(secret, str)
        assert secret not in shown


@both
def test_failure_keeps_the_callers_context(send: Send) -> None:
    """What the caller was handling when the request failed stays the error's context."""
    outer = KeyError("outer")
    try:
        raise outer
    except KeyError:
        caught = failure(send, httpx.ConnectError("refused"))
    assert caught.__context__ is outer
    assert caught.__cause__ is None


def test_clock_is_not_learned_from_failure() -> None:
    """A request that fails leaves the clock as it was, and the next one is signed as ever."""
    exchange = Exchange(error=httpx.ReadError("gone"))
    link = signing(exchange)
    with pytest.raises(httpx.ReadError):
        link.handle_request(httpx.Request("POST", ORIGIN + PATH, content=SINGLE))
    exchange.error = None
    link.handle_request(httpx.Request("POST", ORIGIN + PATH, content=SINGLE))
    assert exchange.arrived[1].headers["ACCESS-SIGN"] == VECTORS[0][-1]


@both
def test_failure_shows_the_callers_context(send: Send) -> None:
    """What the caller was handling is seen in the traceback of a request that failed meanwhile."""
    outer = KeyError("outer")
    try:
        raise outer
    except KeyError:
        caught = failure(send, httpx.ConnectError("refused"))
    assert "KeyError: 'outer'" in "".join(traceback.format_exception(caught))


class Refusing(Transport):
    """Fails with an error that only its own traceback knows."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


@pytest.mark.parametrize("manner", ["sync", "asyncio"])
def test_failure_is_let_go(manner: str) -> None:
    """An error that nobody holds any more is gone, and the requests in its frames with it: they wait for no collector."""
    link = signing(Refusing())

    def in_sync() -> weakref.ref[Exception]:
        try:
            link.handle_request(httpx.Request("POST", ORIGIN + PATH, content=SINGLE))
        except httpx.ConnectError as error:
            return weakref.ref(error)
        raise AssertionError("nothing was raised")

    async def in_asyncio() -> weakref.ref[Exception]:
        try:
            await link.handle_async_request(httpx.Request("POST", ORIGIN + PATH, content=SINGLE))
        except httpx.ConnectError as error:
            return weakref.ref(error)
        raise AssertionError("nothing was raised")

    gc.collect()
    gc.disable()
    try:
        let_go = in_sync() if manner == "sync" else asyncio.run(in_asyncio())
        assert let_go() is None
    finally:
        gc.enable()
