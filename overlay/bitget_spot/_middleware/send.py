"""The innermost layer: httpx's own transports, one for all threads and one for each running event loop."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, cast

import httpx

from bitget_spot._concurrency import ForkAware, PerLoop, inherited
from bitget_spot._middleware.base import Transport
from bitget_spot._middleware.body import BodyReader
from bitget_spot._middleware.connections import CurrentTransport, PooledTransport, socket_options
from bitget_spot._middleware.context import NOT_SENT_ERRORS, Attempt, PermitExpired, context_of
from bitget_spot._middleware.network import socket_use, watch_sockets

CONNECTION_LIMITS: Final = httpx.Limits(max_connections=200, max_keepalive_connections=100, keepalive_expiry=240)
"""
Connections are kept for minutes instead of httpx's five seconds: an exchange's client is idle most of the time, and
then needed at once. Their number is bounded by the rate limit, 100 a second at the highest VIP level.
"""


class SendTransport(Transport, ForkAware):
    """
    Sends, reads the whole response, and reports the timing to the attempt.

    Args:
        verify: As in httpx.
        proxy: As in httpx.
        timeout: Seconds from connecting to the last byte of the response; `None` for no limit.
        transport: Sends instead of httpx's own transports.
        clock: Returns seconds that never go backwards.

    """

    def __init__(
        self,
        *,
        verify: ssl.SSLContext | bool = True,
        proxy: str | None = None,
        timeout: float | None = None,
        transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__()
        # Created now: loading the certificates takes longer than a request, and requests are stamped before they get here.
        context = httpx.create_ssl_context(verify) if isinstance(verify, bool) else verify
        self._settings: dict[str, Any] = {"verify": context, "proxy": proxy, "limits": CONNECTION_LIMITS}
        self._settings["socket_options"] = socket_options()
        self._timeout = timeout
        self._custom_transport = transport
        self._clock = clock
        self._for_threads = CurrentTransport(self._open_sync)
        self._for_loops = PerLoop(lambda: _AsyncTransports(self._open_async))

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send from this thread."""
        if self._custom_transport is not None:
            return self._send_sync(request, cast("httpx.BaseTransport", self._custom_transport))
        pooled = self._for_threads.acquire()
        try:
            return self._send_sync(request, pooled.transport)
        except httpx.TransportError:
            if context_of(request).attempt.reused_connection:
                self._for_threads.retire(pooled)
            raise
        finally:
            unused = self._for_threads.release(pooled)
            if unused is not None:
                unused.close()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send from this task."""
        if self._custom_transport is not None:
            return await self._send_async(request, cast("httpx.AsyncBaseTransport", self._custom_transport))
        transports = await self._for_loops.get()
        pooled: PooledTransport[httpx.AsyncHTTPTransport] = transports.acquire()
        try:
            return await self._send_async(request, pooled.transport)
        except httpx.TransportError:
            if context_of(request).attempt.reused_connection:
                transports.retire(pooled)
            raise
        finally:
            unused = transports.release(pooled)
            if unused is not None:
                await unused.aclose()

    def close(self) -> None:
        """Close the connections of the threads when their requests are over; the next request opens new ones."""
        if isinstance(self._custom_transport, httpx.BaseTransport):
            self._custom_transport.close()
        unused = self._for_threads.close()
        if unused is not None:
            unused.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; other loops keep theirs."""
        if isinstance(self._custom_transport, httpx.AsyncBaseTransport):
            await self._custom_transport.aclose()
        await self._for_loops.aclose()

    def after_fork_in_child(self) -> None:
        """Forget the connections of the parent's threads, without closing them."""
        inherited.append(self._for_threads)
        self._for_threads = CurrentTransport(self._open_sync)

    def _open_sync(self) -> httpx.HTTPTransport:
        return watch_sockets(httpx.HTTPTransport(**self._settings))

    def _open_async(self) -> httpx.AsyncHTTPTransport:
        return watch_sockets(httpx.AsyncHTTPTransport(**self._settings))

    def _send_sync(self, request: httpx.Request, transport: httpx.BaseTransport) -> httpx.Response:
        attempt = self._begin(request)
        started_at = self._clock()
        try:
            with socket_use(attempt, self._clock, self._timeout):
                body = _read(transport.handle_request(request))
        except NOT_SENT_ERRORS:
            attempt.failed_before_sending = True
            raise
        return self._finished(body, started_at)

    async def _send_async(self, request: httpx.Request, transport: httpx.AsyncBaseTransport) -> httpx.Response:
        import asyncio  # noqa: PLC0415 - sync programs do not need it

        attempt = self._begin(request)
        started_at = self._clock()
        try:
            async with asyncio.timeout(self._timeout):
                with socket_use(attempt, self._clock):
                    body = await _read_async(await transport.handle_async_request(request))
        except TimeoutError:
            raise self._total_timeout(attempt) from None
        except NOT_SENT_ERRORS:
            attempt.failed_before_sending = True
            raise
        return self._finished(body, started_at)

    def _begin(self, request: httpx.Request) -> Attempt:
        """
        Mark the request as passed to the transport.

        Raises:
            PermitExpired: So much time has passed since its permit was acquired that another may have it now.

        """
        attempt = context_of(request).attempt
        if attempt.usable_until is not None and self._clock() > attempt.usable_until:
            raise PermitExpired
        attempt.reached_transport = True
        # The sockets of a transport that the caller gave are not watched.
        attempt.reports_timing = self._custom_transport is None
        return attempt

    def _total_timeout(self, attempt: Attempt) -> httpx.TimeoutException:
        message = f"no complete response within {self._timeout} s"
        if attempt.has_left:
            return httpx.ReadTimeout(message)
        attempt.failed_before_sending = True
        return httpx.ConnectTimeout(message)

    def _finished(self, body: BodyReader, started_at: float) -> httpx.Response:
        response = body.response()
        response.elapsed = timedelta(seconds=self._clock() - started_at)
        return response


def _read(response: httpx.Response) -> BodyReader:
    body = BodyReader(response)
    try:
        for chunk in cast("httpx.SyncByteStream", response.stream):
            body.feed(chunk)
    finally:
        response.close()
    return body


async def _read_async(response: httpx.Response) -> BodyReader:
    body = BodyReader(response)
    try:
        async for chunk in cast("httpx.AsyncByteStream", response.stream):
            body.feed(chunk)
    finally:
        await response.aclose()
    return body


class _AsyncTransports(CurrentTransport[httpx.AsyncHTTPTransport]):
    """The transport of one event loop."""

    async def aclose(self) -> None:
        unused = self.close()
        if unused is not None:
            await unused.aclose()
