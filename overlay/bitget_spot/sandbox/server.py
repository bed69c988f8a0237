"""The sandbox on a port of this machine: uvicorn in a thread with an event loop of its own."""

import asyncio
import socket
import threading
from collections.abc import Coroutine
from random import Random
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

import uvicorn
from attrs import define, field, validators
from uvicorn.protocols.http.h11_impl import H11Protocol

from bitget_spot.sandbox.app import create_app
from bitget_spot.sandbox.exchange import Exchange
from bitget_spot.sandbox.faults import Fault, Faults
from bitget_spot_api.operations import Operation

if TYPE_CHECKING:
    from bitget_spot.credentials import Credentials

_HOST: Final = "127.0.0.1"

_T = TypeVar("_T")


@define(kw_only=True, eq=False, slots=False)
class Sandbox(Exchange):
    """
    A sandbox exchange on 127.0.0.1, running between `start` and `stop`.

    As a context manager it starts on entry and stops on exit. A stopped sandbox can be started again, on the same port
    and with the orders that it had. You can change `requests_per_second`, `cancel_delay` and `all_gone_as_refusal`
    while it runs.

    Args:
        port: The port to listen on; 0 lets the system choose.
        latency: The round trip to emulate in seconds, half of it before a request is counted.
        keep_alive: Seconds after which the exchange closes an idle connection.
        orders: How many open orders the first account has at the start, over several trading pairs.
        api_key: The first account's key.
        secret_key: The first account's secret.
        passphrase: The first account's passphrase.
        demo: Whether the first account belongs to demo trading.
        account_type: The type of the first account: `classic` or `unified`.
        requests_per_second: Replaces the document's rate limit of every operation.
        cancel_delay: Seconds between the response to a cancel and its execution.
        all_gone_as_refusal: Whether a batch of a classic account of which no order is open is refused as a whole, or
            its response is a list of failures.
        seed: Decides the ids of the orders, and which requests meet a fault that happens by chance.
        clock: Returns seconds since the epoch.
        timer: Returns seconds of a clock that is never set; the `at` of an arrival is on it.

    """

    port: int = field(default=0, validator=[validators.ge(0), validators.le(65535)])
    latency: float = 0.0
    keep_alive: float = 300.0

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self._faults = Faults(Random(self.seed))  # noqa: S311 - a repeatable chance, not a secret
        self._running: _Running | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Self:
        """
        Start to listen; when this returns, the sandbox responds.

        Raises:
            OSError: The port is in use or not permitted.
            RuntimeError: It is already running.

        """
        if self._running is not None:
            raise RuntimeError("the sandbox is already running; stop it first")
        listener = socket.create_server((_HOST, self.port))
        self.port = listener.getsockname()[1]
        config = uvicorn.Config(
            create_app(self, self._faults, latency=self.latency),
            http=_Protocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            proxy_headers=False,
            # The annotation says int; the value goes to loop.call_later.
            timeout_keep_alive=self.keep_alive,  # type: ignore[arg-type]
        )
        self._running = _Running(config, listener)
        return self

    def stop(self) -> None:
        """Close every connection and stop; requests without a response get none."""
        running, self._running = self._running, None
        if running is not None:
            running.stop()

    @property
    def url(self) -> str:
        """
        The URL, for a client's `base_url`.

        Raises:
            RuntimeError: It has not been started.

        """
        if not self.port:
            raise RuntimeError("the sandbox has no URL before it is started; call start, or use it in a with statement")
        return f"http://{_HOST}:{self.port}"

    @property
    def credentials(self) -> "Credentials":
        """The first account's credentials."""
        # The sandbox itself does not need the client.
        from bitget_spot.credentials import Credentials  # noqa: PLC0415 - see above

        return Credentials(self.api_key, self.secret_key, self.passphrase)

    def inject(
        self,
        fault: str,
        *,
        times: int | None = None,
        skip: int = 0,
        chance: float | None = None,
        operation: Operation | None = None,
    ) -> None:
        """
        Script a fault; the docstring of `bitget_spot.sandbox` describes each.

        Faults that are certain form a queue, and each request meets one of them; those with a chance are next to the
        queue. Only `clock-skew` applies at once and to every request, until it is set again.

        Args:
            fault: `NAME` or `NAME=VALUE`, as in `drop-after` or `delay=2.5`.
            times: How often; by default once, or without end if there is a chance.
            skip: How many requests pass first.
            chance: The share of requests that it happens to, above 0 and up to 1.
            operation: The operation whose requests it happens to, as in `bitget_spot_api.operations`; by default any.

        Raises:
            ValueError: The name is unknown, or a value, a number or the operation is not valid for it.

        """
        parsed = Fault.parse(fault)
        if parsed.name == "clock-skew":
            self._skew = parsed.seconds("clock-skew")
        else:
            self._faults.add(parsed, times=times, skip=skip, chance=chance, operation=operation)

    def clear_faults(self) -> None:
        """Remove the faults to come, and correct the exchange's clock."""
        self._faults.clear()
        self._skew = 0.0

    def close_idle_connections(self) -> int:
        """Close the connections that wait for a request, as the exchange does; return how many."""
        return 0 if self._running is None else self._running.close_idle_connections()


class _Protocol(H11Protocol):
    """uvicorn's HTTP/1.1, with a way for the application to abort the connection."""

    def connection_made(  # type: ignore[override]  # uvicorn narrows the argument too
        self, transport: asyncio.Transport
    ) -> None:
        # asyncio leaves Nagle's algorithm on if the listener was created without a protocol number; with it, every
        # response on a kept connection is 40 ms late.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # Access logs would fill the log of the bot under test.
        self.access_log = False
        self.app_state = {**self.app_state, "hang_up": self.hang_up}
        self.gone = asyncio.Event()
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.gone.set()

    @property
    def is_idle(self) -> bool:
        # uvicorn sets the cycle with the first request, whatever its annotation says.
        return not self.cycle or self.cycle.response_complete

    async def hang_up(self) -> None:
        """Abort the connection, and return once it is gone."""
        self.transport.abort()
        await self.gone.wait()


class _Running:
    """
    A server between start and stop.

    uvicorn's own `serve` polls ten times a second for its end, and waits for the clients at the end. Both are too slow
    for tests, so its steps are called one by one on a loop that runs until it is stopped.
    """

    def __init__(self, config: uvicorn.Config, listener: socket.socket) -> None:
        config.load()
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        self._listener = listener
        # Only this kind of loop can stop accepting connections, which `_shut_down` needs.
        self._loop = asyncio.SelectorEventLoop()
        # A sandbox that is never stopped must not keep the program from ending.
        self._thread = threading.Thread(target=self._loop.run_forever, name="bitget-sandbox", daemon=True)
        self._thread.start()
        self._call(self._server.startup(sockets=[listener]))

    def stop(self) -> None:
        self._call(self._shut_down())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._listener.close()

    def close_idle_connections(self) -> int:
        return self._call(self._close_idle_connections())

    async def _close_idle_connections(self) -> int:
        idle = [connection for connection in self._connections if connection.is_idle]
        for connection in idle:
            connection.transport.close()
        for connection in idle:
            await connection.gone.wait()
        return len(idle)

    async def _shut_down(self) -> None:
        requests = self._server.server_state.tasks
        own = asyncio.current_task()
        # A server that is closed while it accepts a connection leaves that connection's socket open. So first stop
        # accepting, then abort what is there (tasks that are not requests are those that accept), then close.
        self._loop.remove_reader(self._listener)
        while self._connections or asyncio.all_tasks() - requests - {own}:
            for connection in list(self._connections):
                connection.transport.abort()
            await asyncio.sleep(0)
        for request in requests:
            request.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
        for server in self._server.servers:
            server.close()
            await server.wait_closed()

    @property
    def _connections(self) -> set[_Protocol]:
        return self._server.server_state.connections  # type: ignore[return-value]  # all are ours

    def _call(self, steps: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(steps, self._loop).result()
