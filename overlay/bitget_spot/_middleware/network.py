"""
What an attempt does with sockets: when its headers leave, whether it opens a connection, and how long a call may block.

httpx tells by its `trace` extension, at a price of a tenth of a request's CPU time; and it limits each socket call, so a
response that arrives byte by byte is read without end. Here httpcore's network backends are wrapped instead. A blocking
call is limited to what is left of the attempt's time; tasks need no limit, because `asyncio.timeout` ends them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

import httpx
from attrs import define

from bitget_spot._middleware.context import Attempt

MIN_TIMEOUT: Final = 0.001
"""Seconds: zero would make a socket non-blocking, which is an error of another kind."""
Stream = Any
"""httpcore's interface `NetworkStream` or `AsyncNetworkStream`. httpx2 has a copy of httpcore, so its types are no help."""
AnyTransport = TypeVar("AnyTransport", httpx.HTTPTransport, httpx.AsyncHTTPTransport)


@define
class SocketUse:
    """
    The sockets of one attempt.

    Attributes:
        attempt: Where it is noted what happens.
        clock: The clock of the transport.
        deadline: When a blocking call must have ended, by `time.monotonic`; `None` for no limit.

    """

    attempt: Attempt
    clock: Callable[[], float]
    deadline: float | None


_current: Final[ContextVar[SocketUse | None]] = ContextVar("bitget_spot.socket_use", default=None)


@contextmanager
def socket_use(attempt: Attempt, clock: Callable[[], float], timeout: float | None = None) -> Iterator[None]:
    """Note in an attempt what happens to sockets meanwhile in this thread or task; blocking calls end after `timeout`."""
    deadline = None if timeout is None else time.monotonic() + timeout
    token = _current.set(SocketUse(attempt, clock, deadline))
    try:
        yield
    finally:
        _current.reset(token)


def limited(timeout: float | None) -> float | None:
    """Return the timeout of a blocking call: not more than what is left of the attempt's time."""
    use = _current.get()
    if use is None or use.deadline is None:
        return timeout
    remaining = max(use.deadline - time.monotonic(), MIN_TIMEOUT)
    return remaining if timeout is None else min(timeout, remaining)


def note_connection() -> None:
    """Note that the attempt opens a connection."""
    use = _current.get()
    if use is not None:
        use.attempt.opened_connection = True


def note_write() -> None:
    """Note that the first bytes of the attempt leave."""
    use = _current.get()
    if use is not None and use.attempt.headers_sent_at is None:
        use.attempt.headers_sent_at = use.clock()


def watch_sockets(transport: AnyTransport) -> AnyTransport:
    """Let the sockets of a transport be noted and limited; return the transport."""
    pool: Any = transport._pool  # noqa: SLF001 - httpx has no parameter for httpcore's public `network_backend`
    wrapper = _Backend if isinstance(transport, httpx.HTTPTransport) else _AsyncBackend
    pool._network_backend = wrapper(pool._network_backend)  # noqa: SLF001 - as above
    return transport


class _Backend:
    """httpcore's interface `NetworkBackend` around another backend."""

    def __init__(self, backend: Any) -> None:  # noqa: ANN401 - as `Stream`
        self._backend = backend

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> _Stream:  # noqa: ANN401 - passed on
        note_connection()
        return _Stream(self._backend.connect_tcp(host, port, timeout=limited(timeout), **options))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _Stream:
    """httpcore's interface `NetworkStream` around another stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = self._stream.read(max_bytes, timeout=limited(timeout))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        note_write()
        self._stream.write(buffer, timeout=limited(timeout))

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> _Stream:  # noqa: ANN401 - passed on
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, limited(timeout)))

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - passed on
        return self._stream.get_extra_info(info)


class _AsyncBackend:
    """httpcore's interface `AsyncNetworkBackend` around another backend."""

    def __init__(self, backend: Any) -> None:  # noqa: ANN401 - as `Stream`
        self._backend = backend

    async def connect_tcp(self, host: str, port: int, **options: Any) -> _AsyncStream:  # noqa: ANN401 - passed on
        note_connection()
        return _AsyncStream(await self._backend.connect_tcp(host, port, **options))

    async def sleep(self, seconds: float) -> None:
        await self._backend.sleep(seconds)


class _AsyncStream:
    """httpcore's interface `AsyncNetworkStream` around another stream."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        # Nothing is to be noted here, so the stream's own method serves.
        self.read = stream.read
        self.aclose = stream.aclose
        self.get_extra_info = stream.get_extra_info

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's interface
        note_write()
        await self._stream.write(buffer, timeout)

    async def start_tls(self, *arguments: Any, **options: Any) -> _AsyncStream:  # noqa: ANN401 - passed on
        return _AsyncStream(await self._stream.start_tls(*arguments, **options))
