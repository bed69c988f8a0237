"""
A deadline for blocking sockets.

httpx limits each socket call, so a response that arrives byte by byte is read without end. This network backend for
httpcore limits each call to what is left of the attempt's time. Tasks need none: `asyncio.timeout` ends them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import httpx

MIN_TIMEOUT: Final = 0.001
"""Seconds: zero would make a socket non-blocking, which is an error of another kind."""
_current: Final = threading.local()


@contextmanager
def attempt_deadline(seconds: float | None) -> Iterator[None]:
    """Limit all socket calls of this thread to so many seconds together; `None` for no limit."""
    previous = getattr(_current, "deadline", None)
    _current.deadline = None if seconds is None else time.monotonic() + seconds
    try:
        yield
    finally:
        _current.deadline = previous


def limited(timeout: float | None) -> float | None:
    """Return the timeout of a socket call: not more than what is left of the attempt's time."""
    deadline: float | None = getattr(_current, "deadline", None)
    if deadline is None:
        return timeout
    remaining = max(deadline - time.monotonic(), MIN_TIMEOUT)
    return remaining if timeout is None else min(timeout, remaining)


def limit_socket_calls(transport: httpx.HTTPTransport) -> httpx.HTTPTransport:
    """Let a transport's socket calls keep the deadline of the attempt; return the transport."""
    pool: Any = transport._pool  # noqa: SLF001 - httpx has no parameter for httpcore's public `network_backend`
    pool._network_backend = _DeadlineBackend(pool._network_backend)  # noqa: SLF001 - as above
    return transport


class _DeadlineBackend:
    """httpcore's interface `NetworkBackend` around another backend."""

    def __init__(self, backend: Any) -> None:  # noqa: ANN401 - httpcore's, which httpx2 replaces by its own
        self._backend = backend

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **options: Any) -> _DeadlineStream:  # noqa: ANN401 - passed on
        return _DeadlineStream(self._backend.connect_tcp(host, port, timeout=limited(timeout), **options))

    def sleep(self, seconds: float) -> None:
        self._backend.sleep(seconds)


class _DeadlineStream:
    """httpcore's interface `NetworkStream` around another stream."""

    def __init__(self, stream: Any) -> None:  # noqa: ANN401 - as above
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        data: bytes = self._stream.read(max_bytes, timeout=limited(timeout))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, timeout=limited(timeout))

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Any:  # noqa: ANN401 - passed on
        return _DeadlineStream(self._stream.start_tls(ssl_context, server_hostname, limited(timeout)))

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - passed on
        return self._stream.get_extra_info(info)
