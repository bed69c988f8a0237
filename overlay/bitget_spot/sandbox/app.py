"""The exchange over HTTP: a thin layer that adds network delays and the scripted faults."""

import asyncio
from http import HTTPStatus

from attrs import frozen
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bitget_spot.sandbox.envelope import UNKNOWN_OPERATION
from bitget_spot.sandbox.exchange import Exchange
from bitget_spot.sandbox.faults import Fault, Faults
from bitget_spot_api.operations import OPERATIONS, REMAINING_CALLS_HEADER, Operation


def create_app(exchange: Exchange, faults: Faults, *, latency: float = 0.0) -> Starlette:
    """
    Build the ASGI application.

    The server puts `hang_up` into each request's state: a coroutine function that aborts the connection.

    Args:
        exchange: Executes the requests.
        faults: What goes wrong.
        latency: The round trip to emulate in seconds, half of it before a request is counted.

    """
    routes = [
        Route(operation.path, _Endpoint(exchange, faults, latency, operation), methods=[operation.method])
        for operation in OPERATIONS.values()
    ]

    def no_such_operation(request: Request, _error: Exception) -> Response:
        return JSONResponse(exchange.refuse(UNKNOWN_OPERATION, request.headers).payload, HTTPStatus.NOT_FOUND)

    # Starlette raises the same exception for an unknown path and an unknown method.
    app = Starlette(routes=routes, exception_handlers={HTTPException: no_such_operation})
    app.router.redirect_slashes = False
    return app


@frozen
class _Endpoint:
    """One operation as an ASGI application."""

    exchange: Exchange
    faults: Faults
    latency: float
    operation: Operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            response = await self._respond(Request(scope, receive))
        except (ClientDisconnect, asyncio.CancelledError):
            # The client has disconnected, or the sandbox stops.
            return
        if response is None:
            await scope["state"]["hang_up"]()
        else:
            await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response | None:
        await _pause(self.latency / 2)
        # Requests for the public time open connections ahead of need: they must not use up a scripted fault.
        fault = self.faults.next_fault(self.operation) if self.operation.signed else Fault()
        await _pause(fault.seconds("delay-before"))
        # The moment of arrival is now, whenever the body comes.
        pending = self.exchange.accept(self.operation, request.headers, self.exchange.timer(), counted=fault.counted)
        body = await request.body()
        correct = self.exchange.respond(
            pending, request.url.query, body, code=fault.code, row_code=fault.row_code, effect=fault.effect
        )
        sent = fault.apply(correct)
        self.exchange.record_response(pending, sent.status, sent.code)
        await _pause(fault.seconds("delay") + self.latency / 2)
        if sent.status is None:
            return None
        response = Response(sent.content, sent.status, media_type=sent.media_type)
        # The network in front of the exchange, which sends the pages, does not know the rate windows.
        if sent.media_type != "text/html":
            remaining = 0 if sent.status == HTTPStatus.TOO_MANY_REQUESTS else pending.remaining
            response.headers[REMAINING_CALLS_HEADER] = str(remaining)
        return response


async def _pause(seconds: float) -> None:
    # A sleep of zero seconds lets other tasks run first, and the request would be counted late.
    if seconds > 0:
        await asyncio.sleep(seconds)
