"""The end of the chain: httpx's own transports, one for threads and one for each running event loop."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, cast

import httpx

from bitget_spot._loops import PerLoop
from bitget_spot._middleware.base import Transport
from bitget_spot.errors import UnreadableAnswerError

# An exchange's client is idle most of the time and then wanted at once: connections are kept for minutes, not for
# httpx's five seconds. What is in flight is bounded by the rate limit, 100 a second for the highest VIP tier.
LIMITS: Final = httpx.Limits(max_connections=200, max_keepalive_connections=100, keepalive_expiry=240)
NEVER_SENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
"""Ends of a request of which no byte has left."""
WATCH: Final = "bitget_spot.watch"


class Watch:
    """
    What the wire has told of one request; travels in its extensions under `WATCH`.

    Attributes:
        reached: The request has come as far as the wire.
        traced: The wire tells when the headers leave and whether the connection was open.
        sent_at: When the headers left, by the clock given; None if they have not, or nobody told.
        opened: A connection had to be opened for it.

    """

    __slots__ = ("_clock", "opened", "reached", "sent_at", "traced")

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.reached = self.traced = self.opened = False
        self.sent_at: float | None = None

    def note(self, event: str) -> None:
        """Take note of one event of httpcore's `trace` extension."""
        if event.startswith("connection."):
            self.opened = True
        elif event.endswith(".send_request_headers.started"):
            self.sent_at = self._clock()


class Wire(Transport):
    """Sends, reads the whole answer, and tells a request's `Watch` what happened meanwhile."""

    def __init__(
        self,
        *,
        verify: ssl.SSLContext | bool = True,
        proxy: str | None = None,
        transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
    ) -> None:
        # Made now: reading the certificates takes longer than a request, and a request is stamped by then.
        context = httpx.create_ssl_context(verify) if isinstance(verify, bool) else verify
        self._settings: dict[str, Any] = {"verify": context, "proxy": proxy, "limits": LIMITS}
        self._given = transport
        self._lock = threading.Lock()
        self._threads: httpx.HTTPTransport | None = None
        self._loops = PerLoop(lambda: httpx.AsyncHTTPTransport(**self._settings))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        transport = self._given or self._for_threads()
        watch, theirs = self._traced(request)

        def trace(event: str, info: Mapping[str, Any]) -> None:
            watch.note(event)
            if theirs is not None:
                theirs(event, info)

        request.extensions["trace"] = trace
        started = time.perf_counter()
        response = cast("httpx.BaseTransport", transport).handle_request(request)
        try:
            response.read()
        except httpx.DecodingError as error:
            raise _undecoded(response) from error
        finally:
            response.close()
        response.elapsed = timedelta(seconds=time.perf_counter() - started)
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        transport = self._given or await self._loops.get()
        watch, theirs = self._traced(request)

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            watch.note(event)
            if theirs is not None:
                await theirs(event, info)

        request.extensions["trace"] = trace
        started = time.perf_counter()
        response = await cast("httpx.AsyncBaseTransport", transport).handle_async_request(request)
        try:
            await response.aread()
        except httpx.DecodingError as error:
            raise _undecoded(response) from error
        finally:
            await response.aclose()
        response.elapsed = timedelta(seconds=time.perf_counter() - started)
        return response

    def close(self) -> None:
        """Close what threads have opened; the next request opens anew."""
        if isinstance(self._given, httpx.BaseTransport):
            self._given.close()
        with self._lock:
            transport, self._threads = self._threads, None
        if transport is not None:
            transport.close()

    async def aclose(self) -> None:
        """Close what the running loop has opened; other loops keep theirs."""
        if isinstance(self._given, httpx.AsyncBaseTransport):
            await self._given.aclose()
        await self._loops.aclose()

    def _traced(self, request: httpx.Request) -> tuple[Watch, Callable[..., Any] | None]:
        watch = request.extensions.get(WATCH) or Watch(time.monotonic)
        watch.reached = True
        watch.traced = self._given is None
        return watch, request.extensions.get("trace")

    def _for_threads(self) -> httpx.HTTPTransport:
        with self._lock:
            if self._threads is None:
                self._threads = httpx.HTTPTransport(**self._settings)
            return self._threads


def _undecoded(response: httpx.Response) -> UnreadableAnswerError:
    return UnreadableAnswerError(response.status_code, "a body that does not decompress")
