"""A batch that is refused before anything is sent, and requests that pass unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from batch_bodies import BODIES
from sending import Send, both_modes, in_task, in_thread
from unified_bodies import BODIES as UNIFIED_BODIES

from bitget_spot._middleware.base import Transport
from bitget_spot._middleware.context import REQUEST_CONTEXT, RequestContext, context_of
from bitget_spot._middleware.validate import ValidateMiddleware
from bitget_spot.errors import InvalidBatchError
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, BATCH_CANCEL_UNIFIED_ORDERS

URL = f"https://api.bitget.com{BATCH_CANCEL_ORDERS.path}"
UNIFIED_URL = f"https://api.bitget.com{BATCH_CANCEL_UNIFIED_ORDERS.path}"
CASES = [
    *(pytest.param(URL, body, places, id=f"classic: {name}") for name, body, places in BODIES),
    *(pytest.param(UNIFIED_URL, body, places, id=f"unified: {name}") for name, body, places in UNIFIED_BODIES),
]


class RecordingTransport(Transport):
    """Records the bodies and the contexts that it gets, and returns a success."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.contexts: list[RequestContext] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.contexts.append(context_of(request))
        self.bodies.append(request.read())
        return httpx.Response(200)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.contexts.append(context_of(request))
        self.bodies.append(await request.aread())
        return httpx.Response(200)


# Batches


@both_modes
@pytest.mark.parametrize(("url", "body", "places"), [case for case in CASES if case.values[2]])
def test_invalid_batch_is_refused_before_sending(send: Send, url: str, body: bytes, places: list[str]) -> None:
    """Nothing of an invalid batch is sent, and one error has every violation."""
    transport = RecordingTransport()
    with pytest.raises(InvalidBatchError) as caught:
        send(ValidateMiddleware(transport), httpx.Request("POST", url, content=body))
    assert transport.bodies == []
    assert sorted(violation.place for violation in caught.value.violations) == places


@both_modes
@pytest.mark.parametrize(
    ("url", "body"), [pytest.param(*case.values[:2], id=case.id) for case in CASES if not case.values[2]]
)
def test_valid_batch_is_sent_unchanged(send: Send, url: str, body: bytes) -> None:
    """A valid batch is sent once, byte for byte."""
    transport = RecordingTransport()
    assert send(ValidateMiddleware(transport), httpx.Request("POST", url, content=body)).is_success
    assert transport.bodies == [body]


@both_modes
def test_batch_of_a_bulk_run_is_not_checked_again(send: Send) -> None:
    """A bulk run checks the orders before it builds batches, so their bodies are sent as they are."""
    transport = RecordingTransport()
    token = REQUEST_CONTEXT.set(RequestContext(is_valid=True))
    try:
        send(ValidateMiddleware(transport), httpx.Request("POST", URL, content=b"{}"))
    finally:
        REQUEST_CONTEXT.reset(token)
    assert transport.bodies == [b"{}"]


@both_modes
def test_superfluous_slashes_do_not_bypass_the_validation(send: Send) -> None:
    """A URL with doubled or trailing slashes, which leads to the same operation, is validated as well."""
    transport = RecordingTransport()
    url = f"https://api.bitget.com/{BATCH_CANCEL_ORDERS.path}/"
    with pytest.raises(InvalidBatchError):
        send(ValidateMiddleware(transport), httpx.Request("POST", url, content=b"{}"))
    assert transport.bodies == []


@both_modes
@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("POST", "https://api.bitget.com/api/v2/spot/trade/place-order", b"not JSON"),
        ("POST", f"{URL}-v2", b'{"orderList":[]}'),
        ("PUT", URL, b"[]"),
        ("GET", URL, b""),
    ],
)
def test_other_operations_are_not_validated(send: Send, method: str, url: str, body: bytes) -> None:
    """A request to any other operation passes with any body."""
    transport = RecordingTransport()
    send(ValidateMiddleware(transport), httpx.Request(method, url, content=body))
    assert transport.bodies == [body]


# Streamed bodies


def stream(body: bytes) -> Iterator[bytes]:
    """Stream a body byte by byte."""
    for byte in body:
        yield bytes([byte])


async def async_stream(body: bytes) -> AsyncIterator[bytes]:
    """Stream a body byte by byte, asynchronously."""
    for byte in body:
        yield bytes([byte])


OpenStream = Callable[[bytes], Any]
both_streams = pytest.mark.parametrize(
    ("send", "open_stream"),
    [
        pytest.param(in_thread, stream, id="in_thread"),
        pytest.param(in_task, async_stream, id="in_task"),
    ],
)


@both_streams
def test_invalid_streamed_batch_is_refused_before_sending(send: Send, open_stream: OpenStream) -> None:
    """A streamed body is read and validated before any of it is sent."""
    transport = RecordingTransport()
    body = b'{"orderList":[{"orderId":"1"},{"clientOid":"a"}]}'
    with pytest.raises(InvalidBatchError) as caught:
        send(ValidateMiddleware(transport), httpx.Request("POST", URL, content=open_stream(body)))
    assert [violation.place for violation in caught.value.violations] == ["orderList[1]"]
    assert transport.bodies == []


@both_streams
def test_valid_streamed_batch_is_sent_completely(send: Send, open_stream: OpenStream) -> None:
    """A valid streamed body is sent completely, although it can be read only once."""
    transport = RecordingTransport()
    body = b'{"orderList":[{"orderId":"1"}]}'
    send(ValidateMiddleware(transport), httpx.Request("POST", URL, content=open_stream(body)))
    assert transport.bodies == [body]


# The context of the call


@both_modes
def test_each_call_has_a_context_of_its_own(send: Send) -> None:
    """Outside of a bulk run every call has a new context, also if the same request is sent again."""
    transport = RecordingTransport()
    request = httpx.Request("POST", URL, content=b'{"orderList":[{"orderId":"1"}]}')
    for _ in range(2):
        send(ValidateMiddleware(transport), request)
    first, second = transport.contexts
    assert first is not second


@both_modes
def test_call_in_a_bulk_run_has_its_context(send: Send) -> None:
    """Within a bulk run the request carries the context of the run."""
    transport = RecordingTransport()
    context = RequestContext()
    token = REQUEST_CONTEXT.set(context)
    try:
        send(ValidateMiddleware(transport), httpx.Request("GET", URL))
    finally:
        REQUEST_CONTEXT.reset(token)
    assert transport.contexts == [context]
    assert transport.contexts[0] is context
