"""What happens to sockets: it is noted in the attempt, and blocking calls end with the attempt's time."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from bitget_spot._middleware import network
from bitget_spot._middleware.context import Attempt
from bitget_spot._middleware.network import MIN_TIMEOUT, limited, socket_use, watch_sockets

PROXIES = [None, "http://127.0.0.1:8080", "https://127.0.0.1:8080"]


class FakeStream:
    """A stream that records its calls; TLS makes another one of it."""

    def __init__(self, calls: list[tuple[Any, ...]], name: str = "plain") -> None:
        self.calls = calls
        self.name = name

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self.calls.append((self.name, "read", max_bytes, timeout))
        return b"data"

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self.calls.append((self.name, "write", buffer, timeout))

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> FakeStream:
        self.calls.append((self.name, "start_tls", ssl_context, server_hostname, timeout))
        return FakeStream(self.calls, "tls")

    def close(self) -> None:
        self.calls.append((self.name, "close"))

    def get_extra_info(self, info: str) -> str | None:
        return None if info == "ssl_object" else f"{self.name} {info}"


class FakeBackend:
    """A backend that records its calls."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> FakeStream:
        self.calls.append(("connect_tcp", host, port, timeout, options))
        return FakeStream(self.calls)

    def sleep(self, seconds: float) -> None:
        self.calls.append(("sleep", seconds))


class AsyncFakeStream(FakeStream):
    """As in a thread."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # type: ignore[override]  # noqa: ASYNC109 - httpcore's interface
        return super().read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # type: ignore[override]  # noqa: ASYNC109 - httpcore's interface
        super().write(buffer, timeout)

    async def start_tls(  # type: ignore[override]
        self,
        ssl_context: Any,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's interface
    ) -> AsyncFakeStream:
        super().start_tls(ssl_context, server_hostname, timeout)
        return AsyncFakeStream(self.calls, "tls")

    async def aclose(self) -> None:
        self.close()


class AsyncFakeBackend(FakeBackend):
    """As in a thread."""

    async def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> AsyncFakeStream:  # type: ignore[override]  # noqa: ASYNC109 - httpcore's interface
        super().connect_tcp(host, port, timeout, **options)
        return AsyncFakeStream(self.calls)

    async def sleep(self, seconds: float) -> None:  # type: ignore[override]
        super().sleep(seconds)


def watched(transport: Any, backend: FakeBackend) -> Any:
    """Return the backend that a transport uses after it has been watched, over a fake one."""
    transport._pool._network_backend = backend
    assert watch_sockets(transport) is transport
    return transport._pool._network_backend


@pytest.fixture
def backend() -> FakeBackend:
    """A backend for threads."""
    return FakeBackend()


@pytest.fixture
def async_backend() -> AsyncFakeBackend:
    """A backend for tasks."""
    return AsyncFakeBackend()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The clock that limits blocking calls; its attribute `now` is what it shows."""
    clock = SimpleNamespace(now=100.0)
    monkeypatch.setattr(network, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


# The time of blocking calls


def test_blocking_calls_end_with_the_attempt(clock: SimpleNamespace, backend: FakeBackend) -> None:
    """No call may take longer than the rest of the attempt's time, or than its own timeout if that is shorter."""
    network_backend = watched(httpx.HTTPTransport(), backend)
    with socket_use(Attempt(), lambda: 0.0, 5.0):
        clock.now = 101.0
        stream = network_backend.connect_tcp("localhost", 80, timeout=10.0, local_address=None)
        clock.now = 102.0
        tls = stream.start_tls("context", "localhost", 10.0)
        clock.now = 103.0
        tls.write(b"request", 1.5)
        clock.now = 104.0
        assert tls.read(10, 10.0) == b"data"
    assert backend.calls == [
        ("connect_tcp", "localhost", 80, 4.0, {"local_address": None}),
        ("plain", "start_tls", "context", "localhost", 3.0),
        ("tls", "write", b"request", 1.5),
        ("tls", "read", 10, 1.0),
    ]


@pytest.mark.parametrize("now", [105.0, 105.0 - MIN_TIMEOUT / 2, 1000.0])
def test_call_after_the_time_of_the_attempt_ends_at_once(clock: SimpleNamespace, now: float) -> None:
    """When no time is left, a call gets the shortest timeout: zero would make the socket non-blocking."""
    with socket_use(Attempt(), lambda: 0.0, 5.0):
        clock.now = now
        assert limited(10.0) == MIN_TIMEOUT
        assert limited(None) == MIN_TIMEOUT


def test_call_without_a_timeout_of_its_own(clock: SimpleNamespace) -> None:
    """A call without a timeout gets the rest of the attempt's time."""
    with socket_use(Attempt(), lambda: 0.0, 5.0):
        clock.now = 102.0
        assert limited(None) == 3.0


@pytest.mark.parametrize("timeout", [None, 3.0])
def test_calls_are_not_limited_without_a_limit(timeout: float | None) -> None:
    """Outside of an attempt, and in one without a limit, a call keeps its timeout."""
    assert limited(timeout) == timeout
    with socket_use(Attempt(), lambda: 0.0):
        assert limited(timeout) == timeout


def test_limit_ends_with_the_attempt(clock: SimpleNamespace) -> None:
    """After an attempt, also one that failed, the limit of the attempt around it counts again."""
    with socket_use(Attempt(), lambda: 0.0, 50.0):
        with pytest.raises(KeyError), socket_use(Attempt(), lambda: 0.0, 5.0):
            raise KeyError
        clock.now = 110.0
        assert limited(None) == 40.0
    assert limited(None) is None


# What is noted


def test_connection_and_first_write_are_noted_in_threads(backend: FakeBackend) -> None:
    """An attempt knows that it opened a connection, and when its first bytes left; later ones do not count."""
    times = iter([7.0, 9.0])
    attempt = Attempt()
    network_backend = watched(httpx.HTTPTransport(), backend)
    with socket_use(attempt, lambda: next(times)):
        stream = network_backend.connect_tcp("localhost", 80)
        assert attempt == Attempt(opened_connection=True)
        stream.write(b"headers")
        stream.write(b"body")
    assert attempt == Attempt(opened_connection=True, headers_sent_at=7.0)


def test_connection_and_first_write_are_noted_in_tasks(async_backend: AsyncFakeBackend) -> None:
    """The same in a task; its calls keep their timeouts, because the event loop ends the attempt."""
    times = iter([7.0, 9.0])
    attempt = Attempt()
    network_backend = watched(httpx.AsyncHTTPTransport(), async_backend)

    async def send() -> None:
        with socket_use(attempt, lambda: next(times)):
            stream = await network_backend.connect_tcp("localhost", 80, timeout=3.0)
            assert attempt == Attempt(opened_connection=True)
            await stream.write(b"headers", 3.0)
            await stream.write(b"body", 3.0)
            assert await stream.read(10, 3.0) == b"data"

    asyncio.run(send())
    assert attempt == Attempt(opened_connection=True, headers_sent_at=7.0)
    assert [call[-1] for call in async_backend.calls[1:]] == [3.0, 3.0, 3.0]


def test_write_on_an_open_connection_opens_none(backend: FakeBackend) -> None:
    """An attempt on a connection that another one has opened has opened none."""
    network_backend = watched(httpx.HTTPTransport(), backend)
    with socket_use(Attempt(), lambda: 1.0):
        stream = network_backend.connect_tcp("localhost", 80)
    attempt = Attempt()
    with socket_use(attempt, lambda: 7.0):
        stream.write(b"headers")
    assert attempt.reused_connection
    assert attempt.headers_sent_at == 7.0


def test_writes_over_tls_are_noted(backend: FakeBackend, async_backend: AsyncFakeBackend) -> None:
    """The stream that TLS returns is watched as well; the handshake itself does not count as a write."""
    attempts = [Attempt(), Attempt()]
    with socket_use(attempts[0], lambda: 7.0):
        tls = watched(httpx.HTTPTransport(), backend).connect_tcp("localhost", 443).start_tls("context", "localhost")
        assert attempts[0].headers_sent_at is None
        tls.write(b"headers")

    async def send() -> None:
        with socket_use(attempts[1], lambda: 7.0):
            stream = await watched(httpx.AsyncHTTPTransport(), async_backend).connect_tcp("localhost", 443)
            tls = await stream.start_tls("context", server_hostname="localhost", timeout=1.0)
            assert attempts[1].headers_sent_at is None
            await tls.write(b"headers")
            await tls.aclose()

    asyncio.run(send())
    assert attempts == [Attempt(opened_connection=True, headers_sent_at=7.0)] * 2
    assert ("tls", "write", b"headers", None) in backend.calls
    assert ("plain", "start_tls", "context", "localhost", 1.0) in async_backend.calls
    assert async_backend.calls[-1] == ("tls", "close")


def test_nothing_is_noted_outside_of_an_attempt(backend: FakeBackend) -> None:
    """A socket that belongs to no attempt, like one of httpx's own, works in the same way."""
    stream = watched(httpx.HTTPTransport(), backend).connect_tcp("localhost", 80)
    stream.write(b"headers")
    assert [call[1] for call in backend.calls] == ["localhost", "write"]


def test_attempts_side_by_side_are_noted_separately(backend: FakeBackend, async_backend: AsyncFakeBackend) -> None:
    """Each thread and each task notes in its own attempt only."""
    attempts = [Attempt() for _ in range(4)]
    barrier = threading.Barrier(2)
    async_barrier = asyncio.Barrier(2)
    network_backend = watched(httpx.HTTPTransport(), backend)
    async_network_backend = watched(httpx.AsyncHTTPTransport(), async_backend)

    def send(number: int) -> None:
        with socket_use(attempts[number], lambda: float(number)):
            barrier.wait(10)
            network_backend.connect_tcp("localhost", 80).write(b"")

    async def send_async(number: int) -> None:
        with socket_use(attempts[number], lambda: float(number)):
            await async_barrier.wait()
            await (await async_network_backend.connect_tcp("localhost", 80)).write(b"")

    async def send_both() -> None:
        await asyncio.gather(send_async(2), send_async(3))

    threads = [threading.Thread(target=send, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asyncio.run(send_both())
    assert [attempt.headers_sent_at for attempt in attempts] == [0.0, 1.0, 2.0, 3.0]


# What is passed on


def test_other_calls_are_passed_on(backend: FakeBackend, async_backend: AsyncFakeBackend) -> None:
    """Sleeping, closing and asking a stream for its details are passed on unchanged."""
    network_backend = watched(httpx.HTTPTransport(), backend)
    network_backend.sleep(0.5)
    stream = network_backend.connect_tcp("localhost", 80)
    assert stream.get_extra_info("socket") == "plain socket"
    stream.close()
    assert backend.calls == [("sleep", 0.5), ("connect_tcp", "localhost", 80, None, {}), ("plain", "close")]

    async def use() -> None:
        network_backend = watched(httpx.AsyncHTTPTransport(), async_backend)
        await network_backend.sleep(0.5)
        stream = await network_backend.connect_tcp("localhost", 80)
        assert stream.get_extra_info("socket") == "plain socket"
        await stream.aclose()

    asyncio.run(use())
    assert async_backend.calls == backend.calls


@pytest.mark.parametrize("proxy", PROXIES)
def test_transports_with_a_proxy_are_watched(
    proxy: str | None, backend: FakeBackend, async_backend: AsyncFakeBackend
) -> None:
    """A transport connects through the watched backend, with a proxy as without."""
    transport = httpx.HTTPTransport(proxy=proxy)
    watched(transport, backend)
    attempt = Attempt()
    with socket_use(attempt, lambda: 7.0), pytest.raises(httpx.HTTPError):
        # The fake stream's data is not a response.
        transport.handle_request(httpx.Request("GET", "http://127.0.0.1/"))
    assert attempt == Attempt(opened_connection=True, headers_sent_at=7.0)

    async def send() -> Attempt:
        async_transport = httpx.AsyncHTTPTransport(proxy=proxy)
        watched(async_transport, async_backend)
        attempt = Attempt()
        with socket_use(attempt, lambda: 7.0), pytest.raises(httpx.HTTPError):
            await async_transport.handle_async_request(httpx.Request("GET", "http://127.0.0.1/"))
        return attempt

    assert asyncio.run(send()) == attempt
