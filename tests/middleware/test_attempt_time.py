"""The total time of an attempt, from connecting to the last byte of the response."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from unittest.mock import Mock

import httpx
import pytest
from sending import Send, both_modes, in_task

from bitget_spot._concurrency import PerLoop
from bitget_spot._middleware import sync_deadline as network
from bitget_spot._middleware.context import attach_context
from bitget_spot._middleware.send import SendTransport, _AsyncTransports

START_OF_A_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"


@pytest.fixture
def endless_server() -> Iterator[str]:
    """The URL of a server that begins a response and never ends it."""
    ended = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            connection.sendall(START_OF_A_RESPONSE)
            ended.wait(30)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve, args=(listener,))
        server.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        ended.set()
        server.join()


def test_response_that_never_ends_in_a_thread(endless_server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A blocking call ends when the time of the attempt is over, whatever has arrived by then."""
    clock = SimpleNamespace(now=0.0)

    def monotonic() -> float:
        clock.now += 1.0
        return float(clock.now)

    monkeypatch.setattr(network, "time", SimpleNamespace(monotonic=monotonic))
    transport = SendTransport(timeout=5.0)
    request = httpx.Request("GET", endless_server)
    attempt = attach_context(request).attempt
    # Each call takes a second by this clock. The one after the fifth second ends after a millisecond.
    with pytest.raises(httpx.ReadTimeout):
        transport.handle_request(request)
    assert attempt.has_left
    transport.close()


def test_response_that_never_ends_in_a_task(endless_server: str) -> None:
    """The event loop ends the attempt after its total time, with a message that says which."""
    request = httpx.Request("GET", endless_server)
    attempt = attach_context(request).attempt
    with pytest.raises(httpx.ReadTimeout, match=r"^no complete response within 0\.1 s$"):
        in_task(SendTransport(timeout=0.1), request)
    assert attempt.has_left


class NeverConnecting(httpx.AsyncHTTPTransport):
    """A transport whose connection is never opened."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        return await super().handle_async_request(request)


def test_connection_that_is_never_opened_in_a_task() -> None:
    """If no byte has left when the time is over, the error is a connect timeout, and nothing was sent."""
    transport = SendTransport(timeout=0.05)
    transport._for_loops = PerLoop(lambda: _AsyncTransports(NeverConnecting))
    request = httpx.Request("GET", "https://api.bitget.com/")
    attempt = attach_context(request).attempt
    with pytest.raises(httpx.ConnectTimeout, match=r"^no complete response within 0\.05 s$"):
        in_task(transport, request)
    assert attempt.reached_transport
    assert attempt.failed_before_sending
    assert not attempt.has_left


@both_modes
def test_duration_of_the_response_is_measured(send: Send) -> None:
    """`elapsed` is the time from sending to the whole response, by the transport's clock."""
    times = iter([100.0, 100.25])
    transport = SendTransport(transport=httpx.MockTransport(lambda _: httpx.Response(200)), clock=lambda: next(times))
    assert send(transport, httpx.Request("GET", "https://api.bitget.com/")).elapsed.total_seconds() == 0.25


def test_closing_an_unused_transport() -> None:
    """A transport that has sent nothing has nothing to close, in a thread and in a task."""
    transport = SendTransport()
    transport.close()

    async def close() -> None:
        async with asyncio.timeout(10):
            await transport.aclose()
            await _AsyncTransports(httpx.AsyncHTTPTransport).aclose()

    asyncio.run(close())


def test_time_limit_of_other_socket_calls() -> None:
    """The start of TLS is limited like any other call, and a pause of httpcore's is passed on."""
    backend = Mock()
    limited_backend = network._DeadlineBackend(backend)
    limited_backend.sleep(0.5)
    backend.sleep.assert_called_once_with(0.5)
    with network.attempt_deadline(5):
        limited_backend.connect_tcp("127.0.0.1", 443).start_tls(None, "api.bitget.com", 30)
    _, _, seconds = backend.connect_tcp.return_value.start_tls.call_args.args
    assert 0 < seconds <= 5
