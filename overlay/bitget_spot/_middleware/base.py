"""
The base class of the middlewares.

A middleware is an httpx transport around the next one. Its rule is a generator, `flow`, like `httpx.Auth.auth_flow`. It
passes the request on with `yield from self.pass_on(request)`, which has the response as its value, or raises the exception.
What it returns is the response. Where it has to wait or to read it yields an `Effect`. So no rule is written twice for
threads and tasks, and the generators of a whole chain run as one.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import httpx

from bitget_spot._concurrency import Effect, run_async, run_sync

Flow = Generator[httpx.Request | Effect, Any, httpx.Response]


class Transport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """A transport for threads and for event loops."""


class Middleware(Transport):
    """A transport that applies one rule and passes the request on to the next transport."""

    def __init__(self, next_transport: Transport) -> None:
        self.next_transport = next_transport

    def flow(self, request: httpx.Request) -> Flow:
        """Apply the rule to one request."""
        raise NotImplementedError

    def pass_on(self, request: httpx.Request) -> Flow:
        """Send the request through the next transport."""
        if isinstance(self.next_transport, Middleware):
            return (yield from self.next_transport.flow(request))
        response: httpx.Response = yield request
        return response

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Run the flow in this thread."""
        return run_sync(self.flow(request), self._innermost().handle_request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Run the flow in this task."""
        return await run_async(self.flow(request), self._innermost().handle_async_request)

    def _innermost(self) -> Transport:
        transport = self.next_transport
        while isinstance(transport, Middleware):
            transport = transport.next_transport
        return transport

    def close(self) -> None:
        """Close the connections of the threads."""
        self.next_transport.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop."""
        await self.next_transport.aclose()


def read_body(request: httpx.Request) -> Generator[Effect, bytes, bytes]:
    """Return the bytes that a request will send; a streamed body is read first."""
    try:
        return request.content
    except httpx.RequestNotRead:
        return (yield Effect(request.read, request.aread))
