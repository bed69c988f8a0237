"""A network between a client and a sandbox in virtual time, with faults and a record of every request."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from http import HTTPStatus
from typing import Any, Final, Protocol

import httpx
from attrs import define, field, frozen
from simulation import SimulatedEvent, Simulation, use_virtual_time

from bitget_spot import Credentials, connect
from bitget_spot._middleware.context import context_of
from bitget_spot._middleware.network import note_connection, note_write
from bitget_spot.client import SpotClient
from bitget_spot.sandbox import Order, Sandbox
from bitget_spot.sandbox.envelope import CANCEL_IN_PROGRESS
from bitget_spot.sandbox.faults import Fault, Faults, SentResponse
from bitget_spot.sandbox.request import requested_orders
from bitget_spot_api.operations import (
    BATCH_CANCEL_PLAN_ORDERS,
    CANCEL_SYMBOL_ORDERS,
    CANCEL_UNIFIED_SYMBOL_ORDERS,
    GET_UNFILLED_ORDERS,
    GET_UNIFIED_UNFILLED_ORDERS,
    OPERATIONS,
    REMAINING_CALLS_HEADER,
    SUCCESS_CODE,
    Operation,
)

NETWORK_FAULTS: Final = ("refused", "no-connection", "cut", "cut-after", "lost", "late")
"""What the network can do to one request; `cut` and `lost` keep it from arriving."""
SYMBOL_CANCELS: Final = (CANCEL_SYMBOL_ORDERS, CANCEL_UNIFIED_SYMBOL_ORDERS)
"""Operations that cancel all normal orders of a trading pair, or of a category."""
LATE_DELAY: Final = 1.5
"""Seconds that a late request takes longer."""
MAX_DELAY: Final = 1.8
"""Seconds that any request is delayed at most: the library allows for less than two (`IN_FLIGHT_GRACE`)."""

TIMEOUT_MARGIN: Final = 0.001
"""Seconds by which this network gives up earlier than the client would."""


class WakeUp(Protocol):
    """What the sender of a request waits for."""

    def set(self) -> None:
        """Wake the sender."""


@frozen
class Sender:
    """
    The thread or task that sends a request.

    Attributes:
        connections: Which connections it can use: those of all threads, or those of its event loop.
        wake_up: Set when the response arrives.
        wait: Waits for that, for at most so many seconds.

    """

    connections: object
    wake_up: WakeUp
    wait: Callable[[float | None], Awaitable[None]]


@define(eq=False)
class RequestRecord:
    """
    One request as the network saw it.

    Attributes:
        operation: The operation that it calls.
        wake_up: Set when its response arrives.
        started_at: When it was passed to the network.
        query: The parameters in its URL.
        document: The body, if it has one.
        headers_sent_at: When its headers left; `None` if they have not.
        ended_at: When the client had its response or stopped waiting for it.
        arrived_at: When the exchange counted it.
        accepted_ids: The orderIds of its orders of which the exchange has received a cancel.
        fault: What the sandbox did to its response.
        response: What the client received.
        remaining: The calls that were left in the exchange's window.

    """

    operation: Operation
    wake_up: WakeUp
    started_at: float
    query: httpx.QueryParams = field(factory=httpx.QueryParams)
    document: Any = None
    headers_sent_at: float | None = None
    ended_at: float | None = None
    arrived_at: float | None = None
    accepted_ids: frozenset[str] = frozenset()
    fault: str = ""
    response: SentResponse | None = None
    remaining: int = 0

    @property
    def is_cancel(self) -> bool:
        """Whether it cancels anything."""
        return is_cancel(self.operation)

    @property
    def lists_open_orders(self) -> bool:
        """Whether it asks for normal open orders."""
        is_listing = self.operation in (GET_UNFILLED_ORDERS, GET_UNIFIED_UNFILLED_ORDERS)
        return is_listing and "tpslType" not in self.query

    @property
    def has_succeeded(self) -> bool:
        """Whether the client has received a success that the exchange meant."""
        return self.response is not None and self.response.code == SUCCESS_CODE

    def names(self, name: str) -> bool:
        """Return whether its body names an order, by orderId or else by clientOid."""
        return name in requested_orders(self.document)

    def covers(self, order: Order) -> bool:
        """Return whether it cancels all orders of a trading pair or of a category, and this order is one of them."""
        if self.operation is BATCH_CANCEL_PLAN_ORDERS:
            return order.kind == "plan" and order.symbol in self.document["symbolList"]
        if self.operation not in SYMBOL_CANCELS or order.kind != "normal":
            return False
        category: str = self.document.get("category", order.category)
        symbol: str = self.document.get("symbol", order.symbol)
        return (order.category, order.symbol) == (category, symbol)


def is_cancel(operation: Operation) -> bool:
    """Return whether an operation cancels anything."""
    return operation.method == "POST"


@define(eq=False)
class EmulatedNetwork(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """
    The network between one client and a sandbox that is not started; it is the client's transport.

    Attributes:
        simulation: The virtual time.
        sandbox: The exchange.
        cancel_faults: Faults of the exchange that only cancels meet; the sandbox's own meet all requests.
        min_delay: The shortest time of one way, there or back, in seconds.
        jitter: How much longer a way can take.
        reports_timing: Whether it reports when headers leave and when it opens a connection, as httpx's transport does.
        network_faults: What the network does to the next requests; `None` for nothing.
        cancel_network_faults: What it does to the next cancels that meet none of the others.
        requests: Every request so far.

    """

    simulation: Simulation
    sandbox: Sandbox
    cancel_faults: Faults
    min_delay: float = 0.01
    jitter: float = 0.0
    reports_timing: bool = True
    network_faults: deque[str | None] = field(factory=deque)
    cancel_network_faults: deque[str | None] = field(factory=deque)
    requests: list[RequestRecord] = field(factory=list)
    _idle_connections: dict[object, int] = field(factory=dict)

    def connect(self, credentials: Credentials, **settings: Any) -> SpotClient:
        """Return a client that uses this network and the virtual time."""
        client = connect(credentials, base_url="http://127.0.0.1:1", transport=self, **settings)
        use_virtual_time(client, self.simulation)
        return client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send from this thread."""
        wake_up = SimulatedEvent(self.simulation)

        async def wait(seconds: float | None) -> None:
            wake_up.wait(seconds)

        # A coroutine that never suspends, because it waits in this thread.
        coroutine = self._send(request, Sender(None, wake_up, wait))
        try:
            coroutine.send(None)
        except StopIteration as stop:
            response: httpx.Response = stop.value
            return response
        finally:
            coroutine.close()
        raise AssertionError("the coroutine has suspended in a thread")

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send from this task."""
        loop = asyncio.get_running_loop()
        event = asyncio.Event()

        async def wait(seconds: float | None) -> None:
            try:
                async with asyncio.timeout(seconds):
                    await event.wait()
            except TimeoutError:
                pass

        return await self._send(request, Sender(loop, _LoopWakeUp(loop, event), wait))

    async def _send(self, request: httpx.Request, sender: Sender) -> httpx.Response:
        content = b"".join(request.stream)  # type: ignore[arg-type]  # bytes that have been read already
        context_of(request).attempt.reports_timing = self.reports_timing
        record = RequestRecord(OPERATIONS[request.method, request.url.path], sender.wake_up, self.simulation.now)
        record.query = request.url.params
        record.document = json.loads(content) if content else None
        self.requests.append(record)
        network_fault = self._next_network_fault(record.operation)
        # From connecting to the last byte. The client's own clock for this has just started.
        ends_at = self.simulation.now + request.extensions["timeout"]["read"] - TIMEOUT_MARGIN
        try:
            await self._connect(sender, network_fault, ends_at)
            note_write()
            record.headers_sent_at = self.simulation.now
            await self._transfer(record, request, content, sender, network_fault)
            await sender.wait(ends_at - self.simulation.now)
        finally:
            record.ended_at = self.simulation.now
        return self._received(record, sender)

    async def _connect(self, sender: Sender, network_fault: str | None, ends_at: float) -> None:
        """Use an idle connection, or open one."""
        idle = self._idle_connections.get(sender.connections, 0)
        if idle and network_fault not in ("refused", "no-connection"):
            self._idle_connections[sender.connections] = idle - 1
            return
        note_connection()
        if network_fault == "no-connection":
            await self._pause(ends_at - self.simulation.now, sender)
            raise httpx.ConnectTimeout("the connection timed out")
        await self._pause(2 * self.min_delay, sender)
        if network_fault == "refused":
            raise httpx.ConnectError("the connection was refused")

    async def _transfer(
        self, record: RequestRecord, request: httpx.Request, content: bytes, sender: Sender, network_fault: str | None
    ) -> None:
        """Schedule the request's arrival, unless it is lost."""
        if network_fault == "cut":
            raise httpx.WriteError("the connection was cut")
        delay = self._one_way()
        if network_fault != "lost":
            late = LATE_DELAY if network_fault == "late" else 0.0
            self.simulation.call_later(delay, lambda: self._meet_fault(record, request, content, late))
        if network_fault == "cut-after":
            await self._pause(delay / 2, sender)
            raise httpx.ReadError("the connection was cut")

    def _received(self, record: RequestRecord, sender: Sender) -> httpx.Response:
        response = record.response
        if response is None:
            raise httpx.ReadTimeout("the response timed out")
        if response.status is None:
            raise httpx.RemoteProtocolError("Server disconnected without sending a response.")
        self._idle_connections[sender.connections] = self._idle_connections.get(sender.connections, 0) + 1
        headers = {"content-type": response.media_type, REMAINING_CALLS_HEADER: str(record.remaining)}
        return httpx.Response(response.status, headers=headers, content=response.content)

    async def _pause(self, seconds: float, sender: Sender) -> None:
        end = self.simulation.now + seconds
        while self.simulation.now < end:
            await sender.wait(end - self.simulation.now)

    def _one_way(self) -> float:
        return self.min_delay + self.jitter * self.simulation.random.random()

    def _next_network_fault(self, operation: Operation) -> str | None:
        network_fault = self.network_faults.popleft() if self.network_faults else None
        if network_fault is None and self.cancel_network_faults and is_cancel(operation):
            network_fault = self.cancel_network_faults.popleft()
        return network_fault

    # The exchange's side, as in `sandbox.app`. Timers call these methods, so none of them waits.

    def _meet_fault(self, record: RequestRecord, request: httpx.Request, content: bytes, late: float) -> None:
        operation = record.operation
        fault = self.cancel_faults.next_fault(operation) if is_cancel(operation) else Fault()
        if not fault.name and operation.signed:
            fault = self.sandbox._faults.next_fault(operation)
        record.fault = f"{fault.name}={fault.value}" if fault.value else fault.name
        delay = min(late + fault.seconds("delay-before"), MAX_DELAY)
        self.simulation.call_later(delay, lambda: self._arrive(record, request, content, fault))

    def _arrive(self, record: RequestRecord, request: httpx.Request, content: bytes, fault: Fault) -> None:
        exchange = self.sandbox
        headers = {name: value for name, value in request.headers.items() if name.startswith(("access-", "pap", "loc"))}
        pending = exchange.accept(record.operation, headers, exchange.timer(), counted=fault.counted)
        # `code-after` replaces the response only below, after its orders have been read from it.
        code = None if fault.effect else fault.code
        response = exchange.respond(
            pending, request.url.query.decode(), content, code=code, row_code=fault.row_code, effect=fault.effect
        )
        is_received = response.status == HTTPStatus.OK or response.payload["code"] == CANCEL_IN_PROGRESS
        if record.is_cancel and fault.effect and fault.row_code is None and is_received:
            record.accepted_ids = frozenset(self._pending_cancels(record))
        if fault.effect and fault.code is not None and response.status == HTTPStatus.OK:
            response = exchange.refuse(fault.code, headers)
        sent = fault.apply(response)
        exchange.record_response(pending, sent.status, sent.code)
        record.arrived_at = pending.arrival.at
        record.remaining = pending.remaining
        self.simulation.call_later(fault.seconds("delay") + self._one_way(), lambda: self._deliver(record, sent))

    def _pending_cancels(self, record: RequestRecord) -> Iterator[str]:
        """Yield the orders of a request whose cancel the exchange has received and not yet executed."""
        book = self.sandbox.book
        for order_id in book._cancels:
            order = book._orders[order_id]
            if record.names(order_id) or record.names(order.client_oid) or record.covers(order):
                yield order_id

    def _deliver(self, record: RequestRecord, sent: SentResponse) -> None:
        if record.ended_at is None:
            record.response = sent
            record.wake_up.set()


@frozen
class _LoopWakeUp:
    """Sets an event of an event loop from any thread."""

    loop: asyncio.AbstractEventLoop
    event: asyncio.Event

    def set(self) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.event.set)
