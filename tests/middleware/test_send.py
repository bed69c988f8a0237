"""Connections that outlive a call, what is closed when, and what an attempt records of its sending."""

from __future__ import annotations

import asyncio
import gzip
import socket
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sending import Send, both_modes, in_task, in_thread

from bitget_spot import InvalidResponseError, connect
from bitget_spot._middleware import body as response_body
from bitget_spot._middleware.context import NOT_SENT_ERRORS, Attempt, attach_context
from bitget_spot._middleware.send import CONNECTION_LIMITS, SendTransport
from bitget_spot.sandbox import Sandbox
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, BatchCancelOrdersResponse, OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, GET_SERVER_TIME

CLOSED_PORT = "http://127.0.0.1:1/"


def body_for(order_id: str) -> BatchCancelOrdersRequest:
    """Return the body that cancels one order."""
    return BatchCancelOrdersRequest(order_list=[OrderRef(order_id=order_id)])


def cancel(client: Client, order_id: str) -> bool:
    """Cancel one order from a thread."""
    response = batch_cancel_orders.sync(client=client, body=body_for(order_id))
    return isinstance(response, BatchCancelOrdersResponse)


async def cancel_async(client: Client, order_id: str) -> bool:
    """Cancel one order from a task."""
    response = await batch_cancel_orders.asyncio(client=client, body=body_for(order_id))
    return isinstance(response, BatchCancelOrdersResponse)


def send_transport_of(client: Client) -> SendTransport:
    """Return the innermost transport of a client."""
    transport = client._httpx_args["transport"]
    while not isinstance(transport, SendTransport):
        transport = transport.next_transport
    return transport


# Connections


def test_client_serves_one_loop_after_another(bitget_sandbox: Sandbox, client: Client) -> None:
    """A client works in a new loop after the last one has ended, which leaves nothing open (ResourceWarnings fail)."""
    for order_id in list(bitget_sandbox.orders)[:3]:
        assert asyncio.run(cancel_async(client, order_id))
    assert len(send_transport_of(client)._for_loops._resources) == 1


def test_client_serves_two_loops_and_threads_at_once(bitget_sandbox: Sandbox, client: Client) -> None:
    """One client serves the event loops of two threads at the same time, and threads besides."""
    ids = list(bitget_sandbox.orders)
    barrier = threading.Barrier(2)

    def run_loop(order_ids: list[str]) -> bool:
        async def cancel_all() -> bool:
            async with client:
                return all(await asyncio.gather(*(cancel_async(client, order_id) for order_id in order_ids)))

        barrier.wait(10)
        return asyncio.run(cancel_all())

    with ThreadPoolExecutor() as pool:
        loops = [pool.submit(run_loop, ids[:3]), pool.submit(run_loop, ids[3:6])]
        assert cancel(client, ids[6])
        assert all(loop.result() for loop in loops)


def test_async_with_closes_the_connections_of_its_loop(bitget_sandbox: Sandbox) -> None:
    """When `async with` ends, the running loop's connections are closed, and the client can be entered again."""
    client = connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url)
    ids = iter(bitget_sandbox.orders)
    transports = send_transport_of(client)._for_loops

    async def enter_twice() -> None:
        for _ in range(2):
            async with client:
                assert await cancel_async(client, next(ids))
                assert len(transports._resources) == 1
            assert not transports._resources

    asyncio.run(enter_twice())
    asyncio.run(enter_twice())


def test_with_closes_the_connections_of_the_threads(bitget_sandbox: Sandbox) -> None:
    """When `with` ends, the threads' connections are closed, and the client can be entered again."""
    client = connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url)
    for order_id in list(bitget_sandbox.orders)[:2]:
        with client:
            assert cancel(client, order_id)
            assert send_transport_of(client)._for_threads._current is not None
        assert send_transport_of(client)._for_threads._current is None


def test_connections_are_reused(bitget_sandbox: Sandbox, client: Client) -> None:
    """The second request uses the connection of the first, in threads and in tasks."""
    events: list[str] = []

    def trace(event: str, _: Mapping[str, Any]) -> None:
        events.append(event)

    async def trace_async(event: str, info: Mapping[str, Any]) -> None:
        trace(event, info)

    bodies = [body_for(order_id).to_dict() for order_id in list(bitget_sandbox.orders)[:4]]
    for body in bodies[:2]:
        client.get_httpx_client().post(BATCH_CANCEL_ORDERS.path, json=body, extensions={"trace": trace})

    async def send_twice() -> None:
        async with client:
            http = client.get_async_httpx_client()
            for body in bodies[2:]:
                await http.post(BATCH_CANCEL_ORDERS.path, json=body, extensions={"trace": trace_async})

    asyncio.run(send_twice())
    assert events.count("connection.connect_tcp.started") == 2
    assert events.count("http11.send_request_headers.started") == 4
    assert CONNECTION_LIMITS.keepalive_expiry is not None
    assert CONNECTION_LIMITS.keepalive_expiry >= 120


# Responses


def test_response_is_read_and_timed(client: Client, bitget_sandbox: Sandbox) -> None:
    """A response has been read completely, and its `elapsed` is set, in threads and in tasks."""
    body = body_for(next(iter(bitget_sandbox.orders))).to_dict()
    response = client.get_httpx_client().post(BATCH_CANCEL_ORDERS.path, json=body)
    assert response.json()["code"] == "00000"
    assert response.elapsed.total_seconds() > 0

    async def get() -> httpx.Response:
        return await client.get_async_httpx_client().get(GET_SERVER_TIME.path)

    response = asyncio.run(get())
    assert response.json()["code"] == "00000"
    assert response.elapsed.total_seconds() > 0


class TrackedStream(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body that records whether it has been closed, and may fail while it is read."""

    def __init__(self, content: bytes = b"", error: Exception | None = None) -> None:
        self.content = content
        self.error = error
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        yield self.content
        if self.error is not None:
            raise self.error

    async def __aiter__(self) -> Any:
        for chunk in self:
            yield chunk

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


class StreamTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Responds with one stream."""

    def __init__(self, stream: TrackedStream, headers: Mapping[str, str] | None = None) -> None:
        self.stream = stream
        self.headers = headers

    def handle_request(self, request: httpx.Request) -> httpx.Response:  # noqa: ARG002 - the same response to all
        return httpx.Response(200, headers=self.headers, stream=self.stream)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)


def make_request(url: str = "https://api.bitget.com/") -> httpx.Request:
    """Return a request."""
    return httpx.Request("GET", url)


@both_modes
def test_body_that_cannot_be_decompressed_is_an_invalid_response(send: Send) -> None:
    """A broken content encoding raises `InvalidResponseError` with the status, not `httpx.DecodingError`."""
    stream = TrackedStream(gzip.compress(b"{}")[:-9] + b"123456789")
    transport = SendTransport(transport=StreamTransport(stream, {"content-encoding": "gzip"}))
    with pytest.raises(InvalidResponseError, match="cannot be decompressed") as caught:
        send(transport, make_request())
    assert caught.value.http_status == 200
    assert stream.closed


@both_modes
@pytest.mark.parametrize("error", [None, httpx.ReadError("reset")])
def test_response_is_closed_when_it_has_been_read(send: Send, error: Exception | None) -> None:
    """A response is closed when it has been read, also if reading fails."""
    stream = TrackedStream(b"body", error)
    transport = SendTransport(transport=StreamTransport(stream))
    if error is None:
        assert send(transport, make_request()).content == b"body"
    else:
        with pytest.raises(httpx.ReadError):
            send(transport, make_request())
    assert stream.closed


# A transport of the caller


def test_transport_of_the_caller_is_closed_with_the_client() -> None:
    """A transport that the caller gave is closed in the way that it supports, and never in the other."""
    closed = []

    class SyncTransport(httpx.BaseTransport):
        def close(self) -> None:
            closed.append("sync")

    class AsyncTransport(httpx.AsyncBaseTransport):
        async def aclose(self) -> None:
            closed.append("asyncio")

    for custom in (SyncTransport(), AsyncTransport()):
        transport = SendTransport(transport=custom)
        transport.close()
        asyncio.run(transport.aclose())
    assert closed == ["sync", "asyncio"]


@both_modes
def test_decoding_error_of_a_transport_of_the_caller(send: Send) -> None:
    """If a transport of the caller reads the body itself, its decoding error is raised, and not another error."""

    def respond(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-encoding": "gzip"}, content=b"not gzip")

    with pytest.raises((httpx.DecodingError, InvalidResponseError)):
        send(SendTransport(transport=httpx.MockTransport(respond)), make_request())


# What an attempt records


def test_headers_and_new_connections_are_recorded() -> None:
    """An attempt records when its headers left and whether a connection was opened; other events change nothing."""
    transport = SendTransport(clock=lambda: 7.0)
    attempt = Attempt()
    transport._record(attempt, "http11.receive_response_headers.started")
    assert attempt == Attempt()
    transport._record(attempt, "connection.connect_tcp.started")
    assert attempt == Attempt(opened_connection=True)
    transport._record(attempt, "http2.send_request_headers.started")
    assert attempt == Attempt(opened_connection=True, headers_sent_at=7.0)


@both_modes
@pytest.mark.parametrize(
    ("custom", "reports_timing"), [(None, True), (httpx.MockTransport(lambda _: httpx.Response(200)), False)]
)
def test_only_own_transports_report_the_timing(
    send: Send, custom: httpx.MockTransport | None, *, reports_timing: bool
) -> None:
    """Only httpx's own transports are known to report when a request leaves."""
    request = make_request(CLOSED_PORT)
    attempt = attach_context(request).attempt
    transport = SendTransport(transport=custom)
    if custom is None:
        with pytest.raises(httpx.ConnectError):
            send(transport, request)
    else:
        send(transport, request)
    assert attempt.reached_transport
    assert attempt.reports_timing is reports_timing


def test_requests_are_recorded_from_both_modes(bitget_sandbox: Sandbox) -> None:
    """A request on a new connection, and one on an open connection, are recorded in threads and in tasks."""
    transport = SendTransport(clock=lambda: 7.0)
    url = f"{bitget_sandbox.url}{GET_SERVER_TIME.path}"

    def in_one_thread() -> list[Attempt]:
        attempts = []
        for _ in range(2):
            request = make_request(url)
            attempts.append(attach_context(request).attempt)
            transport.handle_request(request)
        transport.close()
        return attempts

    async def in_one_task() -> list[Attempt]:
        attempts = []
        for _ in range(2):
            request = make_request(url)
            attempts.append(attach_context(request).attempt)
            await transport.handle_async_request(request)
        await transport.aclose()
        return attempts

    for first, second in (in_one_thread(), asyncio.run(in_one_task())):
        assert first == Attempt(
            reached_transport=True, reports_timing=True, opened_connection=True, headers_sent_at=7.0
        )
        assert second == Attempt(reached_transport=True, reports_timing=True, headers_sent_at=7.0)
        assert first.has_left
        assert second.has_left


@both_modes
def test_refused_connection_has_not_left(send: Send) -> None:
    """A request whose connection is refused has not left."""
    request = make_request(CLOSED_PORT)
    attempt = attach_context(request).attempt
    with pytest.raises(httpx.ConnectError):
        send(SendTransport(), request)
    assert attempt.reached_transport
    assert attempt.failed_before_sending
    assert not attempt.has_left


@both_modes
@pytest.mark.parametrize("kind", NOT_SENT_ERRORS)
def test_error_before_sending_is_recorded(send: Send, kind: type[httpx.TransportError]) -> None:
    """An error after which no byte has left is recorded, also if a transport of the caller raises it."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise kind("not sent", request=request)

    request = make_request()
    attempt = attach_context(request).attempt
    with pytest.raises(kind):
        send(SendTransport(transport=httpx.MockTransport(fail)), request)
    assert attempt.failed_before_sending
    assert not attempt.has_left


@both_modes
@pytest.mark.parametrize("kind", [httpx.ReadTimeout, httpx.WriteError, httpx.RemoteProtocolError])
def test_error_after_sending_is_not_recorded_as_unsent(send: Send, kind: type[httpx.TransportError]) -> None:
    """After any other error, a request to a transport of the caller counts as sent."""

    def fail(request: httpx.Request) -> httpx.Response:
        raise kind("sent", request=request)

    request = make_request()
    attempt = attach_context(request).attempt
    with pytest.raises(kind):
        send(SendTransport(transport=httpx.MockTransport(fail)), request)
    assert not attempt.failed_before_sending
    assert attempt.has_left


@pytest.fixture
def refusing_proxy() -> Iterator[str]:
    """The URL of a proxy that refuses to open a tunnel, twice."""

    def serve(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection, connection.makefile("rb") as lines:
                while lines.readline().strip():
                    pass
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.join()


def test_request_that_a_proxy_refuses_has_not_left(refusing_proxy: str) -> None:
    """If a proxy opens no tunnel, only the headers for the proxy have left, not the request."""
    for send in (in_thread, in_task):
        request = make_request("https://127.0.0.1:1/")
        attempt = attach_context(request).attempt
        with pytest.raises(httpx.ProxyError, match="403"):
            send(SendTransport(proxy=refusing_proxy), request)
        assert attempt.headers_sent_at is not None
        assert not attempt.has_left


@both_modes
def test_large_response_is_not_read_to_its_end(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that is larger than the limit is an InvalidResponseError with the beginning of the body."""
    monkeypatch.setattr(response_body, "MAX_BODY_SIZE", 10)
    transport = SendTransport(transport=httpx.MockTransport(lambda _: httpx.Response(200, content=b"0123456789a")))
    with pytest.raises(InvalidResponseError):
        send(transport, httpx.Request("GET", "https://api.bitget.com/"))
