"""
The slots of several machines, in Redis or Valkey.

A budget is one key, a string that holds its log as JSON, and a step is one script (`_redis.lua`), which the server
runs in one go and by its own clock: the clients' clocks do not matter. The key does not expire, and one that is missing
where it has been seen, or on a server that has just started, was lost while requests may be in flight: it is closed
until none can be.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from bitget_spot._loops import PerLoop
from bitget_spot._middleware.base import Do
from bitget_spot.rate_limit import policy
from bitget_spot.rate_limit.fallback import TIMEOUT, Move, SharedSlots

_Client: TypeAlias = Any
"""redis-py's, in either manner; its own annotations leave open which."""
_NUMBERS: Final = (
    "PERIOD_MARGIN",
    "TAKEN_OFF",
    "WARM_NEEDED",
    "BURST",
    "TRUST",
    "WARM_EXPIRY",
    "HOLD",
    "LONGEST_CLOSURE",
    "POLL",
    "PATIENCE",
    "CLIENT_EXPIRY",
)
SCRIPT: Final = "".join(f"local {name} = {getattr(policy, name)!r}\n" for name in _NUMBERS) + (
    Path(__file__).with_suffix(".lua").read_text("utf-8")
)
DIGEST: Final = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
"""Servers know a script by this."""


class RedisSlots(SharedSlots):
    """
    Slots in Redis or Valkey: all processes that name the same server and database share their budgets.

    Serves threads and any number of event loops, each with connections of its own, closed when the loop shuts down.
    Close those of the threads with `close`, or use it in a `with` statement.

    Args:
        url: As redis-py takes it: `redis://host:6379/0`, `rediss://` for TLS, `unix://` for a socket; a user and a
            password in it are shown nowhere.
        cluster: The address is that of a node of a cluster.
        clock: Tells the moment in place of the server's own clock, for tests.

    Raises:
        ImportError: redis-py is not installed.
        ValueError: The url is none.

    """

    def __init__(self, url: str, *, cluster: bool = False, clock: Callable[[], float] | None = None) -> None:
        super().__init__()
        try:
            # Only this store needs it.
            import redis.asyncio  # noqa: PLC0415
        except ImportError as error:
            raise ImportError("RedisSlots needs redis-py: pip install 'bitget-spot[redis]'") from error
        self._redis: Any = redis
        self._url, self._cluster, self._clock = url, cluster, clock
        try:
            self._address = _address(url)
            self._redis.connection.parse_url(url)
        except ValueError:
            # What redis-py says of it may quote a part of a password.
            raise ValueError("RedisSlots: this is no address of a server; give it as in redis://host:6379/0") from None
        self._seen: set[str] = set()
        self._lock = threading.Lock()
        self._threads: _Client = None
        self._loops: PerLoop[_Client] = PerLoop(lambda: self._opened(self._redis.asyncio))

    def __repr__(self) -> str:
        return f"RedisSlots({self._address!r})"

    def close(self) -> None:
        with self._lock:
            client, self._threads = self._threads, None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close what the running loop has opened; other loops keep theirs."""
        await self._loops.aclose()

    def _step(self, key: str, move: Move) -> Do:
        arguments = (1, key, *self._arguments(move), "1" if key in self._seen else "")

        def answer(reply: list[bytes]) -> tuple[float, int]:
            self._seen.add(key)
            wait, clients = reply
            return float(wait), int(clients)

        def step() -> tuple[float, int]:
            client = self._for_threads()
            try:
                return answer(client.evalsha(DIGEST, *arguments))
            except self._redis.exceptions.NoScriptError:
                return answer(client.eval(SCRIPT, *arguments))

        async def step_in_task() -> tuple[float, int]:
            client = await self._loops.get()
            try:
                return answer(await client.evalsha(DIGEST, *arguments))
            except self._redis.exceptions.NoScriptError:
                return answer(await client.eval(SCRIPT, *arguments))

        return Do(step, step_in_task)

    def _arguments(self, move: Move) -> tuple[str | float, ...]:
        told, clock = move.told, "" if self._clock is None else self._clock()
        common = (move.slot, move.client, move.limit.period_seconds, move.limit.requests, move.lease)
        if told is None:
            return *common, "", "", "", clock
        return *common, told.fate.name, "" if told.warm is None else told.warm, "1" if told.limited else "", clock

    def _for_threads(self) -> _Client:
        with self._lock:
            if self._threads is None:
                self._threads = self._opened(self._redis)
            return self._threads

    def _opened(self, module: _Client) -> _Client:
        # What has been cut since its last use is opened again at once; what does not answer in time is not asked twice.
        retry = module.retry.Retry(self._redis.backoff.NoBackoff(), 1, (self._redis.exceptions.ConnectionError,))
        kind = module.cluster.RedisCluster if self._cluster else module.Redis
        return kind.from_url(self._url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, retry=retry)


def _address(url: str) -> str:
    """Answer what of a url may be shown."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
