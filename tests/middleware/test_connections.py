"""Which connections new requests use: dead ones are left, and none is closed while a request uses it."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import httpx
import pytest
from relay import Relay
from sandboxes import HIGH_RATES, call, connect_to

from bitget_spot import Report, Status, cancel_orders, connect, server_time, warm_up
from bitget_spot._middleware.connections import (
    KEEP_ALIVE_IDLE,
    KEEP_ALIVE_INTERVAL,
    KEEP_ALIVE_PROBES,
    USER_TIMEOUT,
    CurrentTransport,
    socket_options,
)
from bitget_spot._middleware.send import SendTransport
from bitget_spot.client import SpotClient
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.sandbox import Sandbox
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import GET_SERVER_TIME

TIMEOUT: Final = 0.4
"""Seconds that an attempt may take."""
ROOM: Final = 0.6
"""Seconds that everything else may take on a busy machine."""

CONNECTIONS: Final = 10
"""How many connections are opened ahead of time: more than a request has attempts."""

modes = pytest.mark.parametrize("mode", ["sync", "asyncio"])


# TCP options


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="only Linux has all of these options")
def test_socket_options() -> None:
    """Idle connections are probed, and dead ones are dropped after 45 seconds, or 5 seconds after data was sent."""
    options = {(level, name): value for level, name, value in socket_options()}
    assert options[socket.SOL_SOCKET, socket.SO_KEEPALIVE] == 1
    assert options[socket.IPPROTO_TCP, socket.TCP_KEEPIDLE] == KEEP_ALIVE_IDLE == 30
    assert options[socket.IPPROTO_TCP, socket.TCP_KEEPINTVL] == KEEP_ALIVE_INTERVAL == 5
    assert options[socket.IPPROTO_TCP, socket.TCP_KEEPCNT] == KEEP_ALIVE_PROBES == 3
    assert options[socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT] == USER_TIMEOUT == 5_000


def test_socket_options_of_other_platforms(monkeypatch: pytest.MonkeyPatch) -> None:
    """An option that the platform does not have is left out; macOS has another name for one of them."""
    for name in ("TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT", "TCP_USER_TIMEOUT"):
        monkeypatch.delattr(socket, name, raising=False)
    monkeypatch.setattr(socket, "TCP_KEEPALIVE", 16, raising=False)
    assert socket_options() == [
        (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
        (socket.IPPROTO_TCP, 16, KEEP_ALIVE_IDLE),
    ]


def test_options_are_set_on_the_sockets(bitget_sandbox: Sandbox) -> None:
    """The connections of threads and of event loops have the options."""
    transport = SendTransport()
    url = bitget_sandbox.url + GET_SERVER_TIME.path

    def options_used_for(response: httpx.Response) -> list[tuple[int, int, int]]:
        connection = response.extensions["network_stream"].get_extra_info("socket")
        return [(level, name, connection.getsockopt(level, name)) for level, name, _ in socket_options()]

    async def send() -> list[tuple[int, int, int]]:
        options = options_used_for(await transport.handle_async_request(httpx.Request("GET", url)))
        await transport.aclose()
        return options

    assert options_used_for(transport.handle_request(httpx.Request("GET", url))) == socket_options()
    transport.close()
    assert asyncio.run(send()) == socket_options()


# Which transport is used


@pytest.fixture
def current() -> CurrentTransport[str]:
    """A current transport; in place of each transport there is a text, which numbers them."""
    names = iter(["first", "second", "third"])
    return CurrentTransport(lambda: next(names))


def test_one_transport_for_all_requests(current: CurrentTransport[str]) -> None:
    """The transport is opened for the first request, and used by all others; it stays open when they are over."""
    pooled = [current.acquire() for _ in range(3)]
    assert {each.transport for each in pooled} == {"first"}
    assert [current.release(each) for each in pooled] == [None, None, None]
    assert current.acquire().transport == "first"


def test_retired_transport_is_closed_after_its_last_request(current: CurrentTransport[str]) -> None:
    """New requests do not use a retired transport, which must be closed when its last request is over."""
    first, other = current.acquire(), current.acquire()
    current.retire(first)
    assert current.acquire().transport == "second"
    assert current.release(first) is None
    assert current.release(other) == "first"


def test_transport_is_retired_once(current: CurrentTransport[str]) -> None:
    """If several requests retire one transport, its successor stays in use."""
    first, other = current.acquire(), current.acquire()
    current.retire(first)
    second = current.acquire()
    current.retire(other)
    assert current.acquire() is second
    assert [current.release(first), current.release(other)] == [None, "first"]


def test_close(current: CurrentTransport[str]) -> None:
    """`close` returns the transport to close now; one that is in use must be closed after its last request."""
    assert current.close() is None  # nothing is open
    current.release(current.acquire())
    assert current.close() == "first"
    used = current.acquire()
    assert current.close() is None
    assert current.close() is None
    assert current.acquire().transport == "third"
    assert current.release(used) == "second"


def test_signal_handler_on_top_of_a_thread_that_opens_a_transport() -> None:
    """A signal handler may send while the thread below it opens the transport."""

    def factory() -> str:
        transports.append(len(transports))
        if len(transports) == 1:
            current.close()
        return f"transport {transports[-1]}"

    transports: list[int] = []
    current = CurrentTransport(factory)
    assert current.acquire().transport == "transport 0"


# Dead connections


@pytest.fixture
def relay(bitget_sandbox: Sandbox) -> Iterator[Relay]:
    """A relay in front of the sandbox."""
    with Relay(bitget_sandbox.url) as relay:
        yield relay


@pytest.fixture
def client(bitget_sandbox: Sandbox, relay: Relay) -> SpotClient:
    """A client of the relay, with a short timeout."""
    return connect(
        bitget_sandbox.credentials,
        base_url=relay.url,
        timeout=TIMEOUT,
        rate_limit_store=MemoryStore(),
        requests_per_second=HIGH_RATES | {GET_SERVER_TIME.operation_id: CONNECTIONS},
    )


class WarmRun:
    """Cancels orders over connections that were opened ahead of time and are dead by then; `sync` and `asyncio`."""

    def __init__(self, lose: Callable[[], None]) -> None:
        self.lose = lose
        self.seconds = 0.0

    def sync(self, *, client: SpotClient, **arguments: Any) -> Report:
        """Cancel in threads."""
        warm_up.sync(client=client)
        self.lose()
        started_at = time.monotonic()
        report = cancel_orders.sync(client=client, **arguments)
        self.seconds = time.monotonic() - started_at
        return report

    async def asyncio(self, *, client: SpotClient, **arguments: Any) -> Report:
        """Cancel in tasks."""
        await warm_up.asyncio(client=client)
        self.lose()
        started_at = time.monotonic()
        report = await cancel_orders.asyncio(client=client, **arguments)
        self.seconds = time.monotonic() - started_at
        return report


def orders_of(sandbox: Sandbox, count: int) -> list[OrderRef]:
    """Return some of the open orders."""
    return [OrderRef(order_id=order_id) for order_id in list(sandbox.orders)[:count]]


@modes
def test_silent_cut(mode: str, client: SpotClient, bitget_sandbox: Sandbox, relay: Relay) -> None:
    """If all kept connections are dead, a cancel costs two timeouts at most, and is accepted."""
    run: Any = WarmRun(relay.cut)
    report: Report = call(mode, run, client, orders=orders_of(bitget_sandbox, 1))
    assert relay.accepted == CONNECTIONS + 1
    assert report.counts[Status.ACCEPTED] == 1
    assert report.outcomes[0].attempts == 2
    assert run.seconds < 2 * TIMEOUT + ROOM


@modes
def test_silent_cut_during_a_burst(mode: str, client: SpotClient, bitget_sandbox: Sandbox, relay: Relay) -> None:
    """If the requests of a whole burst are lost, each costs one timeout, and all orders are accepted."""
    run: Any = WarmRun(relay.cut)
    report: Report = call(mode, run, client, orders=orders_of(bitget_sandbox, CONNECTIONS), batch_size=1)
    assert report.counts[Status.ACCEPTED] == CONNECTIONS
    assert {outcome.attempts for outcome in report} == {2}
    assert run.seconds < 2 * TIMEOUT + ROOM


def wait_until_closed(relay: Relay, remaining: int) -> None:
    """Wait until the clients of a relay have closed all but so many connections."""
    give_up_at = time.monotonic() + 5
    while relay.open_connections > remaining:
        assert time.monotonic() < give_up_at
        time.sleep(0.002)


def test_dead_connections_are_closed(client: SpotClient, bitget_sandbox: Sandbox, relay: Relay) -> None:
    """The connections of a transport that is not used any more are closed, before the client is."""
    with client:
        run = WarmRun(relay.cut)
        assert run.sync(client=client, orders=orders_of(bitget_sandbox, 1)).counts[Status.ACCEPTED] == 1
        wait_until_closed(relay, remaining=1)


def test_dead_connections_of_an_event_loop_are_closed(
    client: SpotClient, bitget_sandbox: Sandbox, relay: Relay
) -> None:
    """The same holds for the connections of an event loop."""

    async def main() -> None:
        async with client:
            run = WarmRun(relay.cut)
            report = await run.asyncio(client=client, orders=orders_of(bitget_sandbox, 1))
            assert report.counts[Status.ACCEPTED] == 1
            await asyncio.to_thread(wait_until_closed, relay, 1)

    asyncio.run(main())


class OverlappingCancels:
    """Cancels two orders, the second one half a timeout later; `sync` and `asyncio`."""

    @staticmethod
    def sync(*, client: SpotClient, orders: list[OrderRef], timeout: float) -> list[Report]:
        """Cancel in threads."""
        server_time.sync(client=client)  # leaves an open connection
        with ThreadPoolExecutor() as pool:
            first = pool.submit(cancel_orders.sync, client=client, orders=orders[:1])
            time.sleep(timeout / 2)
            second = pool.submit(cancel_orders.sync, client=client, orders=orders[1:])
            return [first.result(), second.result()]

    @staticmethod
    async def asyncio(*, client: SpotClient, orders: list[OrderRef], timeout: float) -> list[Report]:  # noqa: ASYNC109
        """Cancel in tasks."""
        await server_time.asyncio(client=client)
        first = asyncio.create_task(cancel_orders.asyncio(client=client, orders=orders[:1]))
        await asyncio.sleep(timeout / 2)
        second = asyncio.create_task(cancel_orders.asyncio(client=client, orders=orders[1:]))
        return [await first, await second]


@modes
def test_slow_request_keeps_its_connection(mode: str, bitget_sandbox: Sandbox) -> None:
    """A request that is in flight when another one times out is not cut off."""
    timeout = 0.8
    cancels: Any = OverlappingCancels
    client = connect_to(bitget_sandbox, timeout=timeout)
    bitget_sandbox.inject("delay-before=60")
    bitget_sandbox.inject(f"delay={timeout * 0.75}")
    reports = call(mode, cancels, client, orders=orders_of(bitget_sandbox, 2), timeout=timeout)
    outcomes = [report.outcomes[0] for report in reports]
    assert [outcome.status for outcome in outcomes] == [Status.ACCEPTED] * 2
    assert [outcome.attempts for outcome in outcomes] == [2, 1]


@modes
def test_connections_that_are_reset_when_they_are_used(
    mode: str, client: SpotClient, bitget_sandbox: Sandbox, relay: Relay
) -> None:
    """If a new gateway resets every kept connection, a cancel is accepted with the second attempt."""
    run: Any = WarmRun(relay.reset_on_use)
    report: Report = call(mode, run, client, orders=orders_of(bitget_sandbox, 1))
    assert report.counts[Status.ACCEPTED] == 1
    assert report.outcomes[0].attempts == 2
