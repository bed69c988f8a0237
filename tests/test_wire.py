"""Where requests leave: connections that outlive a call, and nothing that outlives its loop."""

from __future__ import annotations

import asyncio
import gzip
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from bitget_spot import InvalidResponseError, connect
from bitget_spot._middleware.send import CONNECTION_LIMITS, WATCH, SendTransport, Watch
from bitget_spot.sandbox import Sandbox
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, BatchCancelOrdersResponse, OrderRef


def cancel(client: Client, order_id: str) -> bool:
    """Cancel one order from a thread."""
    answer = batch_cancel_orders.sync(client=client, body=_body(order_id))
    return isinstance(answer, BatchCancelOrdersResponse)


async def cancel_in_task(client: Client, order_id: str) -> bool:
    """Cancel one order from a task."""
    answer = await batch_cancel_orders.asyncio(client=client, body=_body(order_id))
    return isinstance(answer, BatchCancelOrdersResponse)


def _body(order_id: str) -> BatchCancelOrdersRequest:
    return BatchCancelOrdersRequest(order_list=[OrderRef(order_id=order_id)])


def test_three_loops_one_after_another(bitget_sandbox: Sandbox, client: Client) -> None:
    """A loop that has ended does not spoil the next, and nothing of it is left open (ResourceWarning is an error)."""
    for order_id in list(bitget_sandbox.orders)[:3]:
        assert asyncio.run(cancel_in_task(client, order_id))
    wire = _wire(client)
    assert len(wire._loops._kept) == 1


def test_two_loops_side_by_side(bitget_sandbox: Sandbox, client: Client) -> None:
    """One client serves two event loops of two threads at once, and threads beside them."""
    ids = list(bitget_sandbox.orders)
    together = threading.Barrier(2)

    def loop(mine: list[str]) -> bool:
        async def both() -> bool:
            async with client:
                return all(await asyncio.gather(*(cancel_in_task(client, one) for one in mine)))

        together.wait(10)
        return asyncio.run(both())

    with ThreadPoolExecutor() as pool:
        loops = [pool.submit(loop, ids[:3]), pool.submit(loop, ids[3:6])]
        assert cancel(client, ids[6])
        assert all(one.result() for one in loops)


def test_async_with_leaves_nothing_of_its_loop_open(bitget_sandbox: Sandbox) -> None:
    """When `async with` ends, the running loop's connections are closed, and the client can be entered again."""
    client = connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url)
    ids = iter(bitget_sandbox.orders)

    async def twice() -> None:
        for _ in range(2):
            async with client:
                assert await cancel_in_task(client, next(ids))
                assert len(_wire(client)._loops._kept) == 1
            assert not _wire(client)._loops._kept

    asyncio.run(twice())
    asyncio.run(twice())


def test_with_leaves_nothing_of_the_threads_open(bitget_sandbox: Sandbox) -> None:
    """When `with` ends, the threads' connections are closed, and the client can be entered again."""
    client = connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url)
    for order_id in list(bitget_sandbox.orders)[:2]:
        with client:
            assert cancel(client, order_id)
        assert _wire(client)._threads is None


def test_connections_are_kept_and_used_again(bitget_sandbox: Sandbox, client: Client) -> None:
    """The second request travels on the first one's connection, in threads and in tasks."""
    seen: list[str] = []

    def note(event: str, _: Mapping[str, Any]) -> None:
        seen.append(event)

    async def note_in_task(event: str, info: Mapping[str, Any]) -> None:
        note(event, info)

    bodies = [_body(order_id).to_dict() for order_id in list(bitget_sandbox.orders)[:4]]
    path = batch_cancel_orders._get_kwargs(body=_body("1"))["url"]
    for body in bodies[:2]:
        client.get_httpx_client().post(path, json=body, extensions={"trace": note})

    async def twice() -> None:
        async with client:
            for body in bodies[2:]:
                await client.get_async_httpx_client().post(path, json=body, extensions={"trace": note_in_task})

    asyncio.run(twice())
    assert seen.count("connection.connect_tcp.started") == 2
    assert seen.count("http11.send_request_headers.started") == 4
    assert CONNECTION_LIMITS.keepalive_expiry is not None
    assert CONNECTION_LIMITS.keepalive_expiry >= 120


def test_the_answer_is_whole_and_timed(client: Client, bitget_sandbox: Sandbox) -> None:
    """What comes back has been read, and tells how long it took."""
    path = batch_cancel_orders._get_kwargs(body=_body("1"))["url"]
    response = client.get_httpx_client().post(path, json=_body(next(iter(bitget_sandbox.orders))).to_dict())
    assert response.json()["code"] == "00000"
    assert response.elapsed.total_seconds() > 0


@pytest.mark.parametrize("manner", ["sync", "asyncio"])
def test_a_body_that_does_not_decompress(manner: str) -> None:
    """A broken content encoding is an unreadable answer with its status, not an httpx.DecodingError."""
    broken = gzip.compress(b"{}")[:-9] + b"123456789"
    headers = {"content-encoding": "gzip"}
    answer = httpx.Response(200, headers=headers, stream=httpx.ByteStream(broken))
    wire = SendTransport(transport=httpx.MockTransport(lambda _: answer))
    request = httpx.Request("GET", "https://api.bitget.com/")

    def send() -> None:
        if manner == "sync":
            wire.handle_request(request)
        else:
            asyncio.run(wire.handle_async_request(request))

    with pytest.raises(InvalidResponseError) as caught:
        send()
    assert caught.value.http_status == 200


def test_a_wire_of_ones_own_is_closed_with_the_client() -> None:
    """A transport that the caller gave is closed in its own manner, and never asked for what it cannot."""
    closed = []

    class Own(httpx.BaseTransport):
        def close(self) -> None:
            closed.append("sync")

    class OwnAsync(httpx.AsyncBaseTransport):
        async def aclose(self) -> None:
            closed.append("asyncio")

    for given in (Own(), OwnAsync()):
        wire = SendTransport(transport=given)
        wire.close()
        asyncio.run(wire.aclose())
    assert closed == ["sync", "asyncio"]


def test_a_watch_tells_cold_from_warm() -> None:
    """A watch knows when the headers left and whether a connection had to be opened; other events say nothing."""
    watch = Watch(lambda: 7.0)
    watch.note("http11.receive_response_headers.started")
    assert (watch.sent_at, watch.opened) == (None, False)
    watch.note("connection.connect_tcp.started")
    watch.note("http2.send_request_headers.started")
    assert (watch.sent_at, watch.opened) == (7.0, True)


@pytest.mark.parametrize(
    ("given", "traced"), [(None, True), (httpx.MockTransport(lambda _: httpx.Response(200)), False)]
)
def test_a_watch_is_told_whether_the_wire_tells(given: httpx.MockTransport | None, traced: bool) -> None:
    """Only httpx's own transports are known to tell when a request leaves."""
    watch = Watch(lambda: 0.0)
    request = httpx.Request("GET", "http://127.0.0.1:1/", extensions={WATCH: watch})
    SendTransport(transport=given)._traced(request)
    assert (watch.reached, watch.traced) == (True, traced)


def _wire(client: Client) -> SendTransport:
    link = client._httpx_args["transport"]
    while not isinstance(link, SendTransport):
        link = link.next_transport
    return link
