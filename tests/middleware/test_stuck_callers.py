"""No caller waits behind a stuck one: a hung or stopped event loop, a signal handler on top of a waiting thread."""

from __future__ import annotations

import asyncio
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Final

import httpx
import pytest
from waiting import interrupt_main_thread, needs_interrupts, run_when, wait_until

from bitget_spot import Credentials, Status, cancel_orders, connect
from bitget_spot.client import SpotClient
from bitget_spot.rate_limit import MemoryStore
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, RateLimit

PERIOD: Final = 0.5
"""Seconds in which one request may leave; shorter than the exchange's, so that the tests take less time."""
SOON: Final = PERIOD + 0.4
"""Seconds within which a healthy caller's request leaves: its own wait for a permit, and a little more."""
BROKEN: Final = 20.0
"""Seconds after which a test gives up."""


class Exchange:
    """An exchange that accepts one request in a period, and records which order was cancelled when."""

    def __init__(self) -> None:
        self.cancelled: dict[str, float] = {}
        self.store = MemoryStore()
        self.client: SpotClient = connect(
            Credentials("a", "b", "c"),
            rate_limit_store=self.store,
            transport=httpx.MockTransport(self._respond),
        )
        limits: dict[str, RateLimit] = self.client._limits  # type: ignore[assignment]  # a dictionary, and the middleware's
        limits[BATCH_CANCEL_ORDERS.operation_id] = RateLimit(1, PERIOD, "UID")

    def _respond(self, request: httpx.Request) -> httpx.Response:
        order_id = request.content.decode().partition('"orderId":"')[2].partition('"')[0]
        self.cancelled[order_id] = time.monotonic()
        return httpx.Response(200, json={"code": "00000", "data": {"successList": [{"orderId": order_id}]}})

    def cancel(self, order_id: str) -> None:
        """Cancel an order from this thread."""
        batch_cancel_orders.sync(client=self.client, body=body_for(order_id))

    async def cancel_async(self, order_id: str) -> None:
        """Cancel an order from this task."""
        await batch_cancel_orders.asyncio(client=self.client, body=body_for(order_id))

    @property
    def waiters(self) -> int:
        """How many callers wait for a permit."""
        return sum(len(queue._entries) for queue in list(self.store._queues.values()))

    def remove_stuck_callers(self) -> None:
        """Let a broken test end: remove every caller but the last one from the queues."""
        for queue in self.store._queues.values():
            while len(queue._entries) > 1:
                queue.remove(next(iter(queue._entries)))


def body_for(order_id: str) -> BatchCancelOrdersRequest:
    """Return the body that cancels one order."""
    return BatchCancelOrdersRequest(order_list=[OrderRef(order_id=order_id)])


def cancel_in_thread(exchange: Exchange) -> None:
    """Cancel an order from this thread."""
    exchange.cancel("healthy")


def cancel_in_task(exchange: Exchange) -> None:
    """Cancel an order from a task of a new event loop."""
    asyncio.run(exchange.cancel_async("healthy"))


def cancel_in_run(exchange: Exchange) -> None:
    """Cancel an order with a run, which sends from a thread of its own."""
    report = cancel_orders.sync(client=exchange.client, orders=[OrderRef(order_id="healthy")], deadline=BROKEN)
    assert report.counts[Status.ACCEPTED] == 1


healthy_callers = pytest.mark.parametrize("cancel", [cancel_in_thread, cancel_in_task, cancel_in_run])


def assert_leaves_soon(exchange: Exchange, cancel: Callable[[Exchange], None]) -> None:
    """Cancel an order that nothing is wrong with, and check how long that takes."""
    started_at = time.monotonic()
    cancel(exchange)
    assert exchange.cancelled["healthy"] - started_at < SOON
    assert list(exchange.cancelled) == ["first", "healthy"]


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    """An exchange whose only permit is taken by a first request."""
    exchange = Exchange()
    exchange.cancel("first")
    timer = threading.Timer(BROKEN, exchange.remove_stuck_callers)
    timer.start()
    yield exchange
    timer.cancel()


@contextmanager
def hung_loop(exchange: Exchange, tasks: int) -> Iterator[None]:
    """Run an event loop whose tasks wait for a permit, and that hangs until the end of the `with` statement."""
    hangs = threading.Event()
    go_on = threading.Event()

    async def main() -> None:
        waiters = exchange.waiters
        waiting = [asyncio.create_task(exchange.cancel_async(f"stuck {number}")) for number in range(tasks)]
        await wait_until(lambda: exchange.waiters == waiters + tasks)
        hangs.set()
        go_on.wait(BROKEN)  # blocks the event loop
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    thread = threading.Thread(target=lambda: asyncio.run(main()))
    thread.start()
    try:
        assert hangs.wait(BROKEN)
        yield
    finally:
        go_on.set()
        thread.join(BROKEN)


@healthy_callers
def test_hung_event_loop(exchange: Exchange, cancel: Callable[[Exchange], None]) -> None:
    """While an event loop hangs in which many tasks wait for a permit, another caller does not wait for it."""
    with hung_loop(exchange, tasks=20):
        assert_leaves_soon(exchange, cancel)
    assert exchange.waiters == 0


def test_several_hung_event_loops(exchange: Exchange) -> None:
    """Several event loops that hang delay a caller by no more than a fraction of a second."""
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(hung_loop(exchange, tasks=2))
        assert_leaves_soon(exchange, cancel_in_thread)
    assert exchange.waiters == 0


@pytest.fixture
def stopped_loop(exchange: Exchange) -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop that was stopped, and not closed, while its task waited for a permit."""
    loop = asyncio.new_event_loop()
    task = loop.create_task(exchange.cancel_async("stuck"))
    loop.run_until_complete(wait_until(lambda: exchange.waiters == 1))
    yield loop
    task.cancel()
    with suppress(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()


@healthy_callers
@pytest.mark.usefixtures("stopped_loop")
def test_stopped_event_loop(exchange: Exchange, cancel: Callable[[Exchange], None]) -> None:
    """A task of an event loop that was stopped without being closed keeps no other caller waiting."""
    assert_leaves_soon(exchange, cancel)
    assert exchange.waiters == 1


def test_task_takes_its_turn_when_its_loop_runs_again(
    exchange: Exchange, stopped_loop: asyncio.AbstractEventLoop
) -> None:
    """When a stopped event loop runs again, its task takes the next permit, before a caller that came later."""
    assert_leaves_soon(exchange, cancel_in_thread)
    later = threading.Thread(target=exchange.cancel, args=("later",))
    later.start()
    try:
        stopped_loop.run_until_complete(wait_until(lambda: "stuck" in exchange.cancelled))
        assert "later" not in exchange.cancelled
    finally:
        later.join(BROKEN)
    assert list(exchange.cancelled) == ["first", "healthy", "stuck", "later"]


@contextmanager
def signal_handler(handler: Callable[[], object]) -> Iterator[None]:
    """Handle Ctrl-C by calling a function on top of the main thread."""
    previous = signal.signal(signal.SIGINT, lambda *_: handler())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous)


@pytest.mark.parametrize("cancel", [cancel_in_thread, cancel_in_run])
@needs_interrupts
def test_signal_handler_on_top_of_a_waiting_thread(exchange: Exchange, cancel: Callable[[Exchange], None]) -> None:
    """A signal handler that cancels while the main thread below it waits for its turn does not wait for it."""
    handled = []

    def handle() -> None:
        assert_leaves_soon(exchange, cancel)
        handled.append("handled")

    with signal_handler(handle), run_when(lambda: exchange.waiters == 1, interrupt_main_thread):
        exchange.cancel("below")
    assert handled == ["handled"]
    assert list(exchange.cancelled) == ["first", "healthy", "below"]


@pytest.mark.parametrize("cancel", [cancel_in_thread, cancel_in_run])
@needs_interrupts
def test_signal_handler_on_top_of_an_event_loop(exchange: Exchange, cancel: Callable[[Exchange], None]) -> None:
    """A signal handler that cancels on top of an event loop does not wait for the tasks of that loop."""
    handled = []

    def handle() -> None:
        assert_leaves_soon(exchange, cancel)
        handled.append("handled")

    async def main() -> None:
        task = asyncio.create_task(exchange.cancel_async("below"))
        with run_when(lambda: exchange.waiters == 1, interrupt_main_thread):
            await task

    with signal_handler(handle):
        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(main())
        finally:
            loop.close()
    assert handled == ["handled"]
    assert list(exchange.cancelled) == ["first", "healthy", "below"]


def test_blocking_call_in_a_task(exchange: Exchange) -> None:
    """A task that cancels with a blocking call does not wait for the other tasks of its loop, which cannot run."""

    async def main() -> None:
        task = asyncio.create_task(exchange.cancel_async("below"))
        await wait_until(lambda: exchange.waiters == 1)
        assert_leaves_soon(exchange, cancel_in_thread)
        await task

    asyncio.run(main())
    assert list(exchange.cancelled) == ["first", "healthy", "below"]
