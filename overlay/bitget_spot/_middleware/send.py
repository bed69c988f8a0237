"""The innermost layer: httpx's own transports, one for all threads and one for each running event loop."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final, cast

import httpx

from bitget_spot._concurrency import PerLoop
from bitget_spot._middleware.base import Transport
from bitget_spot._middleware.context import NOT_SENT_ERRORS, Attempt, context_of
from bitget_spot.errors import InvalidResponseError

CONNECTION_LIMITS: Final = httpx.Limits(max_connections=200, max_keepalive_connections=100, keepalive_expiry=240)
"""
Connections are kept for minutes instead of httpx's five seconds: an exchange's client is idle most of the time, and
then needed at once. Their number is bounded by the rate limit, 100 a second at the highest VIP level.
"""


class SendTransport(Transport):
    """Sends, reads the whole response, and reports the timing to the attempt."""

    def __init__(
        self,
        *,
        verify: ssl.SSLContext | bool = True,
        proxy: str | None = None,
        transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        # Created now: loading the certificates takes longer than a request, and requests are stamped before they get here.
        context = httpx.create_ssl_context(verify) if isinstance(verify, bool) else verify
        self._settings: dict[str, Any] = {"verify": context, "proxy": proxy, "limits": CONNECTION_LIMITS}
        self._custom_transport = transport
        self._clock = clock
        self._lock = threading.Lock()
        self._sync_transport: httpx.HTTPTransport | None = None
        self._async_transports = PerLoop(lambda: httpx.AsyncHTTPTransport(**self._settings))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send from this thread."""
        transport = cast("httpx.BaseTransport", self._custom_transport or self._for_threads())
        attempt = self._begin(request)
        callers_trace = request.extensions.get("trace")

        def trace(event: str, info: Mapping[str, Any]) -> None:
            self._record(attempt, event)
            if callers_trace is not None:
                callers_trace(event, info)

        request.extensions["trace"] = trace
        started_at = time.perf_counter()
        try:
            response = transport.handle_request(request)
            try:
                response.read()
            except httpx.DecodingError as error:
                raise _undecodable(response) from error
            finally:
                response.close()
        except NOT_SENT_ERRORS:
            attempt.failed_before_sending = True
            raise
        response.elapsed = timedelta(seconds=time.perf_counter() - started_at)
        return response

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send from this task."""
        transport = cast("httpx.AsyncBaseTransport", self._custom_transport or await self._async_transports.get())
        attempt = self._begin(request)
        callers_trace = request.extensions.get("trace")

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            self._record(attempt, event)
            if callers_trace is not None:
                await callers_trace(event, info)

        request.extensions["trace"] = trace
        started_at = time.perf_counter()
        try:
            response = await transport.handle_async_request(request)
            try:
                await response.aread()
            except httpx.DecodingError as error:
                raise _undecodable(response) from error
            finally:
                await response.aclose()
        except NOT_SENT_ERRORS:
            attempt.failed_before_sending = True
            raise
        response.elapsed = timedelta(seconds=time.perf_counter() - started_at)
        return response

    def close(self) -> None:
        """Close the connections of the threads; the next request opens new ones."""
        if isinstance(self._custom_transport, httpx.BaseTransport):
            self._custom_transport.close()
        with self._lock:
            transport = self._sync_transport
            self._sync_transport = None
        if transport is not None:
            transport.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; other loops keep theirs."""
        if isinstance(self._custom_transport, httpx.AsyncBaseTransport):
            await self._custom_transport.aclose()
        await self._async_transports.aclose()

    def _begin(self, request: httpx.Request) -> Attempt:
        attempt = context_of(request).attempt
        attempt.reached_transport = True
        # A transport that the caller gave may not support httpcore's `trace` extension.
        attempt.reports_timing = self._custom_transport is None
        return attempt

    def _record(self, attempt: Attempt, event: str) -> None:
        """Record one event of httpcore's `trace` extension."""
        if event.startswith("connection."):
            attempt.opened_connection = True
        elif event.endswith(".send_request_headers.started"):
            attempt.headers_sent_at = self._clock()

    def _for_threads(self) -> httpx.HTTPTransport:
        with self._lock:
            if self._sync_transport is None:
                self._sync_transport = httpx.HTTPTransport(**self._settings)
            return self._sync_transport


def _undecodable(response: httpx.Response) -> InvalidResponseError:
    return InvalidResponseError(response.status_code, "a body that cannot be decompressed")
