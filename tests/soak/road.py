"""The way from a client to the sandbox and back, in emulated time, with a book of what was sent and what came of it."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

import httpx
from attrs import define, field
from soak.stage import Signal, Stage

from bitget_spot import Credentials, connect
from bitget_spot._middleware.base import Middleware
from bitget_spot._middleware.rate_limit import RateLimitMiddleware
from bitget_spot._middleware.retry import RetryMiddleware
from bitget_spot._middleware.send import WATCH
from bitget_spot._middleware.signing import SigningMiddleware
from bitget_spot.sandbox import Sandbox
from bitget_spot.sandbox.faults import Fault, Faults, SentResponse
from bitget_spot_api import Client
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, OPERATIONS, REMAINING_CALLS_HEADER, Operation

TROUBLE: Final = ("refused", "no-connection", "cut", "cut-after", "lost", "late")
"""What the network does to one request, by name; `cut` and `lost` keep it from arriving."""
LATE: Final = 1.5
"""Seconds that a late request takes longer."""
LATEST: Final = 1.8
"""How much later any request arrives at the most: the library counts with less than two seconds (`HOLD`)."""

Tell = Callable[[str], Awaitable[None]]
Wait = Callable[[Any, float | None], Awaitable[None]]


@define(eq=False)
class Trip:
    """
    One request on its way.

    Attributes:
        operation: What is asked for.
        named: The orders that a batch cancel names, by orderId or else by clientOid.
        begun_at: When it was handed to the wire.
        left_at: When its headers left; None if they have not.
        given_up_at: When the client waited no longer, or had its answer.
        arrived_at: When the exchange counted it.
        taken: The orderIds whose cancel the exchange has taken.
        fault: What the sandbox has made of its answer.

    """

    operation: Operation
    begun_at: float
    named: tuple[str, ...] = ()
    left_at: float | None = None
    given_up_at: float | None = None
    arrived_at: float | None = None
    taken: frozenset[str] = frozenset()
    fault: str = ""
    reply: SentResponse | None = None
    remaining: int = 0
    back: Any = None


@define(eq=False)
class Road(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """
    A line to a sandbox that is not started, put under one client in place of its wire.

    Attributes:
        cancel_faults: Those of the exchange's faults that only batch cancels meet; the sandbox's own meet all requests.
        least: The shortest way, there or back, in seconds.
        jitter: How much longer a way may be.
        traced: Whether it tells when headers leave and whether a connection was open, as httpx's own wire does.
        trouble: What the network does to the next requests; None for nothing.
        cancel_trouble: What it does to the next batch cancels, where it does nothing to all requests.
        trips: Every request so far.

    """

    stage: Stage
    sandbox: Sandbox
    cancel_faults: Faults
    least: float = 0.01
    jitter: float = 0.0
    traced: bool = True
    trouble: deque[str | None] = field(factory=deque)
    cancel_trouble: deque[str | None] = field(factory=deque)
    trips: list[Trip] = field(factory=list)
    _open: dict[Any, int] = field(factory=dict)

    def client(self, credentials: Credentials, **settings: Any) -> Client:
        """Make a client over this line, by the stage's clocks."""
        client = connect(credentials, base_url="http://127.0.0.1:1", transport=self, **settings)
        link: Any = client._httpx_args["transport"]
        while isinstance(link, Middleware):
            if isinstance(link, RetryMiddleware):
                link._draw = self.stage.random.random
            elif isinstance(link, RateLimitMiddleware):
                link._clock = self.stage.clock
            elif isinstance(link, SigningMiddleware):
                link._clock = self.stage.calendar
            link = link.next_transport
        return client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        async def tell(event: str) -> None:
            request.extensions["trace"](event, {})

        async def wait(back: Signal, seconds: float | None) -> None:
            back.wait(seconds)

        # Nothing in it waits but what is waited for in this thread.
        steps = self._carry(request, Signal(self.stage), None, tell, wait)
        try:
            steps.send(None)
        except StopIteration as done:
            response: httpx.Response = done.value
            return response
        finally:
            steps.close()
        raise AssertionError("a thread's way does not suspend")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        loop = asyncio.get_running_loop()
        back = asyncio.Event()

        class InLoop:
            @staticmethod
            def set() -> None:
                if not loop.is_closed():
                    loop.call_soon_threadsafe(back.set)

        async def tell(event: str) -> None:
            await request.extensions["trace"](event, {})

        async def wait(_: Any, seconds: float | None) -> None:
            try:
                async with asyncio.timeout(seconds):
                    await back.wait()
            except TimeoutError:
                pass

        return await self._carry(request, InLoop, loop, tell, wait)

    async def _carry(  # noqa: C901 - a road has many accidents
        self, request: httpx.Request, back: Any, owner: object, tell: Tell, wait: Wait
    ) -> httpx.Response:
        stage, operation = self.stage, OPERATIONS[request.method, request.url.path]
        timeout = request.extensions["timeout"]
        content = b"".join(request.stream)  # type: ignore[arg-type]  # bytes that are there already
        request.extensions[WATCH].traced = self.traced
        trip = Trip(operation, stage.now, back=back)
        self.trips.append(trip)
        trouble = self.trouble.popleft() if self.trouble else None
        if trouble is None and self.cancel_trouble and operation is BATCH_CANCEL_ORDERS:
            trouble = self.cancel_trouble.popleft()
        open_ones = self._open.get(owner, 0)
        try:
            if trouble in ("refused", "no-connection") or not open_ones:
                await tell("connection.connect_tcp.started")
                if trouble == "no-connection":
                    await self._pause(timeout["connect"], back, wait)
                    raise httpx.ConnectTimeout("no connection in time")
                await self._pause(2 * self.least, back, wait)
                if trouble == "refused":
                    raise httpx.ConnectError("refused")
                await tell("connection.connect_tcp.complete")
            else:
                self._open[owner] = open_ones - 1
            await tell("http11.send_request_headers.started")
            trip.left_at = stage.now
            if operation is BATCH_CANCEL_ORDERS:
                trip.named = _named(content)
            if trouble == "cut":
                raise httpx.WriteError("cut")
            way = self._way()
            if trouble != "lost":
                late = LATE if trouble == "late" else 0.0
                stage.at(way, lambda: self._meet(trip, request, content, late))
            if trouble == "cut-after":
                await self._pause(way / 2, back, wait)
                raise httpx.ReadError("cut")
            await wait(back, timeout["read"])
        finally:
            trip.given_up_at = stage.now
        if trip.reply is None:
            raise httpx.ReadTimeout("no answer in time")
        if trip.reply.status is None:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        self._open[owner] = self._open.get(owner, 0) + 1
        headers = {"content-type": trip.reply.media_type, REMAINING_CALLS_HEADER: str(trip.remaining)}
        return httpx.Response(trip.reply.status, headers=headers, content=trip.reply.content)

    async def _pause(self, seconds: float, back: Any, wait: Wait) -> None:
        until = self.stage.now + seconds
        while self.stage.now < until:
            await wait(back, until - self.stage.now)

    def _way(self) -> float:
        return self.least + self.jitter * self.stage.random.random()

    # The exchange's side, as `sandbox._app` has it; nothing here waits

    def _meet(self, trip: Trip, request: httpx.Request, content: bytes, late: float) -> None:
        fault = self.cancel_faults.draw() if trip.operation is BATCH_CANCEL_ORDERS else Fault()
        if not fault.name and trip.operation.signed:
            fault = self.sandbox._faults.draw()
        trip.fault = f"{fault.name}={fault.value}" if fault.value else fault.name
        wait = min(late + fault.seconds("delay-before"), LATEST)
        self.stage.at(wait, lambda: self._arrive(trip, request, content, fault))

    def _arrive(self, trip: Trip, request: httpx.Request, content: bytes, fault: Fault) -> None:
        exchange = self.sandbox
        headers = {name: value for name, value in request.headers.items() if name.startswith(("access-", "pap", "loc"))}
        call = exchange.admit(trip.operation, headers, exchange.timer(), counted=fault.counted)
        # What is carried out is looked at before `code-after` puts a refusal in its place.
        code = None if fault.effect else fault.code
        answer = exchange.answer(call, request.url.query.decode(), content, code=code, effect=fault.effect)
        data = answer.payload.get("data")
        if fault.effect and isinstance(data, dict):
            trip.taken = frozenset(row["orderId"] for row in data.get("successList", ()))
        if fault.effect and fault.code is not None and answer.status == HTTPStatus.OK:
            answer = exchange.refuse(fault.code, headers)
        reply = fault.reply(answer)
        exchange.record_answer(call, reply.status, reply.code)
        trip.arrived_at, trip.remaining = call.arrival.at, call.remaining
        self.stage.at(fault.seconds("delay") + self._way(), lambda: self._answer(trip, reply))

    def _answer(self, trip: Trip, reply: SentResponse) -> None:
        if trip.given_up_at is None:
            trip.reply = reply
            trip.back.set()


def _named(content: bytes) -> tuple[str, ...]:
    return tuple(one.get("orderId") or one["clientOid"] for one in json.loads(content)["orderList"])
