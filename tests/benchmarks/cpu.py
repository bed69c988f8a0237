"""
What the middleware chain costs: the CPU time of a batch of fifty, as ratios within one run.

The same generated function is called with the whole chain under it, and with nothing but a signature, in turn; then
`cancel_orders` is compared with the generated function over nothing but a signature, for one order, for fifty and for five
hundred. The server is a process of its own that accepts every order. A last line compares the validation of a batch with
and without its fast path, which this ratio justifies. Run it with `make bench-cpu`.
"""

from __future__ import annotations

import asyncio
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, TypeAlias
from unittest import mock

import httpx

from bitget_spot import Credentials, OrderRef, cancel_orders, connect, validation
from bitget_spot._middleware.signing import hmac_signature, prehash
from bitget_spot.rate_limit import MemoryStore
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

ORDERS: Final = 50
CALLS: Final = 100
ROUNDS: Final = 15
RUNS: Final = {1: 100, 50: 60, 500: 6}
"""Runs of a round by the number of orders."""
VALIDATIONS: Final = 1000
RUNNER: Final = asyncio.Runner()
ORDER_IDS: Final = [str(10**18 + index) for index in range(ORDERS)]
HEAD: Final = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
ORDER_ID: Final = re.compile(rb'"orderId":"([0-9]+)"')


def response_to(request: bytes) -> bytes:
    """Return a response that accepts each order of a request."""
    accepted = [{"orderId": order_id.decode(), "clientOid": ""} for order_id in ORDER_ID.findall(request)]
    envelope = {
        "code": "00000",
        "msg": "success",
        "requestTime": int(time.time() * 1000),
        "data": {"successList": accepted, "failureList": []},
    }
    body = json.dumps(envelope, separators=(",", ":")).encode()
    return HEAD % len(body) + body


class SigningTransport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Signs, and sends over httpx's own transports: the least that a client needs."""

    def __init__(self) -> None:
        self.sync_transport = httpx.HTTPTransport(verify=False)
        self.async_transport = httpx.AsyncHTTPTransport(verify=False)

    def sign(self, request: httpx.Request) -> None:
        """Add the four headers to a request."""
        timestamp = str(int(time.time() * 1000))
        message = prehash(timestamp, request.method, request.url.path, "", request.content)
        request.headers.update(
            {
                "ACCESS-KEY": "a-key",
                "ACCESS-SIGN": hmac_signature("a-secret", message),
                "ACCESS-PASSPHRASE": "a-passphrase",
                "ACCESS-TIMESTAMP": timestamp,
                "locale": "en-US",
            }
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sign and send."""
        self.sign(request)
        return self.sync_transport.handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sign and send."""
        self.sign(request)
        return await self.async_transport.handle_async_request(request)


MeasureRuns: TypeAlias = Callable[[Client, int, int], float]


class Server(asyncio.Protocol):
    """Accepts every order, as soon as the body of a batch is complete."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin with nothing received."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.received = b""

    def data_received(self, data: bytes) -> None:
        """Respond when the body of a batch is complete."""
        self.received += data
        if self.received.endswith((b"]}", b'"}')):
            self.transport.write(response_to(self.received))
            self.received = b""


async def serve() -> None:
    """Listen on a free port of loopback, and print it."""
    server = await asyncio.get_running_loop().create_server(Server, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def new_request() -> BatchCancelOrdersRequest:
    """Return a new batch of fifty orders by order id."""
    order_list = [OrderRef(order_id=order_id) for order_id in ORDER_IDS]
    return BatchCancelOrdersRequest(symbol="BTCUSDT", order_list=order_list)


def cpu_in_thread(client: Client) -> float:
    """Return the CPU seconds of the calls, from this thread."""
    started_at = time.process_time()
    for _ in range(CALLS):
        batch_cancel_orders.sync(client=client, body=new_request())
    return time.process_time() - started_at


def cpu_in_task(client: Client) -> float:
    """Return the CPU seconds of the calls from one task, without the start and the end of the loop."""

    async def run() -> float:
        await batch_cancel_orders.asyncio(client=client, body=new_request())
        started_at = time.process_time()
        for _ in range(CALLS):
            await batch_cancel_orders.asyncio(client=client, body=new_request())
        return time.process_time() - started_at

    return RUNNER.run(run())


def cpu_of_runs(client: Client, orders: int, runs: int) -> float:
    """Return the CPU seconds of runs of `cancel_orders` from this thread."""
    refs = [OrderRef(symbol="BTCUSDT", order_id=str(10**18 + index)) for index in range(orders)]
    started_at = time.process_time()
    for _ in range(runs):
        report = cancel_orders.sync(client=client, orders=refs)
        assert len(report) == orders
    return time.process_time() - started_at


def cpu_of_runs_in_tasks(client: Client, orders: int, runs: int) -> float:
    """Return the CPU seconds of runs of `cancel_orders` from one task."""
    refs = [OrderRef(symbol="BTCUSDT", order_id=str(10**18 + index)) for index in range(orders)]

    async def run() -> float:
        await cancel_orders.asyncio(client=client, orders=refs)
        started_at = time.process_time()
        for _ in range(runs):
            await cancel_orders.asyncio(client=client, orders=refs)
        return time.process_time() - started_at

    return RUNNER.run(run())


def cpu_of_calls(client: Client, orders: int, runs: int) -> float:
    """Return the CPU seconds of the generated function for the same orders, from this thread."""
    started_at = time.process_time()
    for _ in range(runs):
        for body in bodies_of(orders):
            batch_cancel_orders.sync(client=client, body=body)
    return time.process_time() - started_at


def cpu_of_calls_in_tasks(client: Client, orders: int, runs: int) -> float:
    """Return the CPU seconds of the generated function for the same orders, from one task."""

    async def run() -> float:
        await batch_cancel_orders.asyncio(client=client, body=new_request())
        started_at = time.process_time()
        for _ in range(runs):
            for body in bodies_of(orders):
                await batch_cancel_orders.asyncio(client=client, body=body)
        return time.process_time() - started_at

    return RUNNER.run(run())


def bodies_of(orders: int) -> Iterator[BatchCancelOrdersRequest]:
    """Yield the batches of some orders."""
    for start in range(0, orders, ORDERS):
        ids = range(10**18 + start, 10**18 + min(start + ORDERS, orders))
        yield BatchCancelOrdersRequest(symbol="BTCUSDT", order_list=[OrderRef(order_id=str(number)) for number in ids])


def cpu_of_validation(content: bytes) -> float:
    """Return the CPU seconds of validating a body many times."""
    started_at = time.process_time()
    for _ in range(VALIDATIONS):
        assert validation.validate_body(BATCH_CANCEL_ORDERS, content) == ()
    return time.process_time() - started_at


def never(_body: object, _content: bytes) -> bool:
    """Replace the check for the fast path, so that it is not taken."""
    return False


def main() -> int:
    """Print the cost of a call with and without the chain, and of the validation with and without its fast path."""
    with subprocess.Popen([sys.executable, __file__, "serve"], stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        origin = f"http://127.0.0.1:{int(server.stdout.readline())}"
        # With a limit that is never reached, so that work is measured, not waiting.
        chain = connect(
            Credentials("a-key", "a-secret", "a-passphrase"),
            base_url=origin,
            rate_limit_store=MemoryStore(),
            requests_per_second=10 * CALLS * ROUNDS,
        )
        signing = Client(base_url=origin, httpx_args={"transport": SigningTransport()})
        try:
            report_chain("threads", cpu_in_thread, chain, signing)
            report_chain("tasks", cpu_in_task, chain, signing)
            report_runs("threads", cpu_of_runs, cpu_of_calls, chain, signing)
            report_runs("tasks", cpu_of_runs_in_tasks, cpu_of_calls_in_tasks, chain, signing)
        finally:
            chain.get_httpx_client().close()
            signing.get_httpx_client().close()
            server.terminate()
    report_validation()
    return 0


def report_chain(mode: str, measure: Callable[[Client], float], chain: Client, signing: Client) -> None:
    """Measure in turn, and print the medians and the median of the ratios."""
    with_chain, signed_only, ratio = medians(lambda: measure(chain), lambda: measure(signing), CALLS)
    print(f"{mode}: {with_chain:.0f} µs with the chain, {signed_only:.0f} µs signed only, ratio {ratio:.2f}")


def report_runs(mode: str, of_runs: MeasureRuns, of_calls: MeasureRuns, chain: Client, signing: Client) -> None:
    """Measure in turn, and print what a run costs in proportion to the generated function for the same orders."""
    for orders, runs in RUNS.items():
        with_chain, signed_only, ratio = medians(
            partial(of_runs, chain, orders, runs), partial(of_calls, signing, orders, runs), runs
        )
        print(
            f"{mode}: {with_chain:.0f} µs for cancel_orders with {orders} orders ({with_chain / orders:.1f} µs each), "
            f"{signed_only:.0f} µs for the generated function signed only, ratio {ratio:.2f}"
        )


def report_validation() -> None:
    """Measure the validation of a batch in turn with and without its fast path, and print the same."""
    content = httpx.Request("POST", "http://127.0.0.1", json=new_request().to_dict()).content

    def with_fast_path() -> float:
        return cpu_of_validation(content)

    def without_fast_path() -> float:
        with mock.patch.object(validation, "_is_trivially_valid", never):
            return cpu_of_validation(content)

    fast, slow, ratio = medians(with_fast_path, without_fast_path, VALIDATIONS)
    print(f"validation: {fast:.1f} µs, {slow:.1f} µs without the fast path, ratio {ratio:.2f}")


def medians(measure: Callable[[], float], measure_other: Callable[[], float], calls: int) -> tuple[float, float, float]:
    """Measure in turn; return the medians in microseconds for one call, and the median of the ratios."""
    measure()
    measure_other()
    times = []
    other_times = []
    for _ in range(ROUNDS):
        times.append(measure())
        other_times.append(measure_other())
    ratio = statistics.median(time / other for time, other in zip(times, other_times, strict=True))
    return statistics.median(times) / calls * 1e6, statistics.median(other_times) / calls * 1e6, ratio


if __name__ == "__main__":
    if "serve" in sys.argv:
        asyncio.run(serve())
    sys.exit(main())
