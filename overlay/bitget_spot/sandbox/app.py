"""The exchange over HTTP: a thin shell that adds the line's delays and the scripted faults."""

import asyncio
from http import HTTPStatus

from attrs import frozen
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from bitget_spot.sandbox.exchange import HANDLERS, Exchange
from bitget_spot.sandbox.faults import Fault, Faults
from bitget_spot_api.operations import OPERATIONS, REMAINING_CALLS_HEADER, Operation


def create_app(exchange: Exchange, faults: Faults, *, latency: float = 0.0) -> Starlette:
    """
    Build the ASGI application.

    The server puts into each request's state `hang_up`, a coroutine function that aborts the
    connection the request came on.

    Args:
        exchange: What answers.
        faults: What goes wrong.
        latency: The round trip to emulate in seconds, half of it before a request is counted.
    """
    routes = [
        Route(operation.path, _Endpoint(exchange, faults, latency, operation), methods=[operation.method])
        for key, operation in OPERATIONS.items()
        if key in HANDLERS
    ]

    def no_such_operation(request: Request, _error: Exception) -> Response:
        return JSONResponse(exchange.refuse("40404", request.headers).payload, HTTPStatus.NOT_FOUND)

    # Starlette tells an unknown path and an unknown method by the same exception.
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
            # Nobody is left to answer: the client hung up, or the sandbox stops.
            return
        if response is None:
            await scope["state"]["hang_up"]()
        else:
            await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response | None:
        await _pause(self.latency / 2)
        # Public operations open connections ahead of need: that must not use up a planned fault.
        fault = self.faults.draw() if self.operation.signed else Fault()
        await _pause(fault.seconds("delay-before"))
        # The moment of arrival is now, whenever the body comes.
        call = self.exchange.admit(self.operation, request.headers, self.exchange.timer(), counted=fault.counted)
        body = await request.body()
        answer = self.exchange.answer(call, request.url.query, body, code=fault.code, effect=fault.effect)
        reply = fault.reply(answer)
        self.exchange.record_answer(call, reply.status, reply.code)
        await _pause(fault.seconds("delay") + self.latency / 2)
        if reply.status is None:
            return None
        response = Response(reply.content, reply.status, media_type=reply.media_type)
        # The network in front of the exchange, which sends the pages, knows nothing of its windows.
        if reply.media_type != "text/html":
            left = 0 if reply.status == HTTPStatus.TOO_MANY_REQUESTS else call.remaining
            response.headers[REMAINING_CALLS_HEADER] = str(left)
        return response


async def _pause(seconds: float) -> None:
    # Even a sleep of no length lets others go first, and a request would be counted late.
    if seconds > 0:
        await asyncio.sleep(seconds)
