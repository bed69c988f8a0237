"""A relay in front of a server on loopback, which delays everything, or loses its connections as a network may."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from typing import Any, Final, Self

CLOSE_WITH_RESET: Final = struct.pack("ii", 1, 0)
"""The value of SO_LINGER with which closing a socket sends a reset."""
TIMEOUT: Final = 10


class Relay:
    """
    Forwards connections to a server, in a thread of its own.

    Args:
        url: The server.
        delay: Seconds that everything takes longer in each direction.

    """

    def __init__(self, url: str, delay: float = 0.0) -> None:
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)
        self._delay = delay
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._silent: set[asyncio.Task[None]] = set()
        self._resetting: set[asyncio.Task[None]] = set()
        self.accepted = 0
        """How many connections have been accepted."""

    @property
    def url(self) -> str:
        """The address to connect to instead of the server."""
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    @property
    def open_connections(self) -> int:
        """How many connections the clients have not closed."""
        return len(self._connections)

    def redirect(self, url: str) -> None:
        """Forward new connections to another server."""
        self._host, _, port = url.removeprefix("http://").partition(":")
        self._port = int(port)

    def cut(self) -> None:
        """Lose everything on the connections that are open now, without closing them; new ones work."""
        self._run(self._cut(self._silent))

    def reset_on_use(self) -> None:
        """Reset each of the connections that are open now as soon as a client sends something; new ones work."""
        self._run(self._cut(self._resetting))

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = self._run(asyncio.start_server(self._connected, "127.0.0.1", 0))
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT)
        self._loop.close()

    def _run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(TIMEOUT)

    async def _cut(self, how: set[asyncio.Task[None]]) -> None:
        how.update(self._connections)

    async def _stop(self) -> None:
        self._server.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, client_reader: asyncio.StreamReader, client_writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.accepted += 1
        self._connections[task] = client_writer
        server_reader, server_writer = await asyncio.open_connection(self._host, self._port)
        answering = asyncio.create_task(self._forward(task, server_reader, client_writer))
        try:
            await self._forward(task, client_reader, server_writer)
        except (asyncio.CancelledError, ConnectionError):
            pass
        finally:
            answering.cancel()
            for writer in (client_writer, server_writer):
                writer.transport.abort()
            del self._connections[task]

    async def _forward(
        self, task: asyncio.Task[None], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(2**16):
            if task in self._resetting:
                client: socket.socket = self._connections[task].get_extra_info("socket")
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, CLOSE_WITH_RESET)
                return
            if task not in self._silent:
                self._loop.call_later(self._delay, writer.write, data)
        if task not in self._silent:
            self._loop.call_later(self._delay, writer.close)
