"""
What the whole chain costs: CPU of a batch of fifty, as a ratio within one run.

The same generated function, once with the whole chain under it and once over nothing but signing and the wire, in turn,
against a server in a process of its own that has its answer ready. Run it with `make bench-cpu`.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import httpx

from bitget_spot import Credentials, connect
from bitget_spot._middleware.signing import hmac_signature, prehash
from bitget_spot.rate_limit import MemoryStore
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef

ORDERS, CALLS, ROUNDS = 50, 100, 15
LOOP = asyncio.Runner()
IDS = [str(10**18 + index) for index in range(ORDERS)]
ANSWER = json.dumps(
    {
        "code": "00000",
        "msg": "success",
        "requestTime": 1695808949356,
        "data": {"successList": [{"orderId": one, "clientOid": ""} for one in IDS], "failureList": []},
    },
    separators=(",", ":"),
).encode()
REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(ANSWER), ANSWER)


class Bare(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Nothing but a signature over httpx's own transports, as one writes it by hand."""

    def __init__(self) -> None:
        self.threads, self.tasks = httpx.HTTPTransport(verify=False), httpx.AsyncHTTPTransport(verify=False)

    def sign(self, request: httpx.Request) -> None:
        """Put the four headers on a request."""
        stamp = str(int(time.time() * 1000))
        message = prehash(stamp, request.method, request.url.path, "", request.content)
        request.headers.update(
            {
                "ACCESS-KEY": "a-key",
                "ACCESS-SIGN": hmac_signature("a-secret", message),
                "ACCESS-PASSPHRASE": "a-passphrase",
                "ACCESS-TIMESTAMP": stamp,
                "locale": "en-US",
            }
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sign and send."""
        self.sign(request)
        return self.threads.handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sign and send."""
        self.sign(request)
        return await self.tasks.handle_async_request(request)


class Server(asyncio.Protocol):
    """Answers every request alike, as soon as its body is whole."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with nothing received."""
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer when the orders of a batch are there."""
        self.received += data
        if self.received.endswith((b"]}", b'"}')):
            self.received = b""
            self.transport.write(REPLY)


async def serve() -> None:
    """Listen on a free port of loopback, and tell it."""
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def body() -> BatchCancelOrdersRequest:
    """A batch of fifty by order id, made anew for each call."""
    return BatchCancelOrdersRequest(symbol="BTCUSDT", order_list=[OrderRef(order_id=one) for one in IDS])


def threads(client: Client) -> float:
    """CPU seconds of so many calls from this thread."""
    start = time.process_time()
    for _ in range(CALLS):
        batch_cancel_orders.sync(client=client, body=body())
    return time.process_time() - start


def tasks(client: Client) -> float:
    """CPU seconds of so many calls from one task, the loop's start and end left out."""

    async def run() -> float:
        await batch_cancel_orders.asyncio(client=client, body=body())
        start = time.process_time()
        for _ in range(CALLS):
            await batch_cancel_orders.asyncio(client=client, body=body())
        return time.process_time() - start

    return LOOP.run(run())


def main() -> int:
    """Print the cost of a call with and without the chain, and the ratio."""
    with subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        origin = httpx.URL(f"http://127.0.0.1:{int(server.stdout.readline())}")
        credentials = Credentials("a-key", "a-secret", "a-passphrase")
        # The limit is there and has room: what is measured is work, not waiting.
        whole = connect(
            credentials, base_url=str(origin), rate_limit_store=MemoryStore(), requests_per_second=10 * CALLS * ROUNDS
        )
        bare = Client(base_url=str(origin), httpx_args={"transport": Bare()})
        try:
            for name, measure in {"threads": threads, "tasks": tasks}.items():
                report(name, measure, whole, bare)
        finally:
            whole.get_httpx_client().close()
            bare.get_httpx_client().close()
            server.terminate()
    return 0


def report(name: str, measure: Callable[[Client], float], whole: Client, bare: Client) -> None:
    """Measure in turn, and print the medians and the median of the ratios."""
    measure(whole), measure(bare)
    pairs = [(measure(whole), measure(bare)) for _ in range(ROUNDS)]
    a, b = (statistics.median(times) / CALLS * 1e6 for times in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"{name}: {a:.0f} µs whole, {b:.0f} µs bare, ratio {ratio:.2f}")


if __name__ == "__main__":
    if "serve" in sys.argv:
        asyncio.run(serve())
    sys.exit(main())
