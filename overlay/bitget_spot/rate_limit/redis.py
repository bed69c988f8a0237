"""
The store for several machines, in Redis or Valkey.

A budget is one key, a string with its state as JSON, and an operation is one script (`redis.lua`), which the server
executes atomically and by its own clock: the clients' clocks do not matter. The key does not expire. If it is missing
although the client has seen it, or on a server that has just started, it was lost while requests may be in flight; then
no permit is given until none can be.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

from bitget_spot._concurrency import Effect, PerLoop, inherited
from bitget_spot.rate_limit import latency, policy
from bitget_spot.rate_limit.fallback import STORE_TIMEOUT, SharedStore, StoreOperation

_RedisClient: TypeAlias = Any
"""redis-py's client, sync or asyncio; its own annotations do not say which."""
_CONSTANTS: Final[tuple[tuple[ModuleType, tuple[str, ...]], ...]] = (
    (
        policy,
        ("PERIOD_MARGIN", "IN_FLIGHT_GRACE", "MAX_PAUSE", "POLL_INTERVAL", "MAX_POLL_WAIT", "PARTICIPANT_EXPIRY"),
    ),
    (latency, ("LATENCY_FACTOR", "MIN_SAMPLES", "BURST_LENGTH", "BURST_TRUST", "WINDOW_LENGTH")),
)


def _script() -> str:
    constants = [f"local {name} = {getattr(module, name)!r}\n" for module, names in _CONSTANTS for name in names]
    return "".join(constants) + Path(__file__).with_suffix(".lua").read_text("utf-8")


SCRIPT: Final = _script()
SCRIPT_SHA1: Final = hashlib.sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()
"""The name under which a server keeps the script."""


class RedisStore(SharedStore):
    """
    Keeps permits in Redis or Valkey: all processes that name the same server and database share their budgets.

    It serves threads and any number of event loops, each with connections of its own, which are closed when the loop
    shuts down. Use it in a `with` statement to close those of the threads, or call `close`.

    Args:
        url: As redis-py takes it: `redis://host:6379/0`, `rediss://` for TLS, `unix://` for a socket. A user and a
            password in it are never shown.
        cluster: Whether the address is that of a node of a cluster.
        clock: Returns the time instead of the server's own clock; for tests.

    Raises:
        ImportError: redis-py is not installed.
        ValueError: The url is not valid.

    """

    def __init__(self, url: str, *, cluster: bool = False, clock: Callable[[], float] | None = None) -> None:
        super().__init__()
        try:
            # Only this store needs it.
            import redis.asyncio  # noqa: PLC0415
        except ImportError as error:
            raise ImportError("RedisStore needs redis-py; run: pip install 'bitget-spot[redis]'") from error
        self._redis: Any = redis
        self._url = url
        self._cluster = cluster
        self._clock = clock
        try:
            self._printable_url = _without_password(url)
            self._redis.connection.parse_url(url)
        except ValueError:
            # redis-py's own message may quote a part of a password.
            raise ValueError("RedisStore: not a valid url; expected something like redis://host:6379/0") from None
        self._seen_keys: set[str] = set()
        self._lock = threading.Lock()
        self._sync_client: _RedisClient = None
        self._async_clients: PerLoop[_RedisClient] = PerLoop(lambda: self._open(self._redis.asyncio))

    def __repr__(self) -> str:
        return f"RedisStore({self._printable_url!r})"

    def close(self) -> None:
        """Close the connections of the threads; the next request opens new ones."""
        with self._lock:
            client = self._sync_client
            self._sync_client = None
        if client is not None:
            client.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; other loops keep theirs."""
        await self._async_clients.aclose()

    def after_fork_in_child(self) -> None:
        """Forget the connections of the parent's threads, without closing them."""
        super().after_fork_in_child()
        inherited.append(self._sync_client)
        self._sync_client = None
        self._lock = threading.Lock()

    def _execute(self, key: str, operation: StoreOperation) -> Effect:
        arguments = (1, key, *self._arguments(operation), "1" if key in self._seen_keys else "")

        def parse(reply: list[bytes]) -> tuple[float, int]:
            self._seen_keys.add(key)
            wait, participants = reply
            return float(wait), int(participants)

        def execute() -> tuple[float, int]:
            client = self._for_threads()
            try:
                try:
                    return parse(client.evalsha(SCRIPT_SHA1, *arguments))
                except self._redis.exceptions.NoScriptError:
                    return parse(client.eval(SCRIPT, *arguments))
            except Exception:
                # After a failover, connections may lead to the old primary: look the address up again.
                self.close()
                raise

        async def execute_async() -> tuple[float, int]:
            client = await self._async_clients.get()
            try:
                try:
                    return parse(await client.evalsha(SCRIPT_SHA1, *arguments))
                except self._redis.exceptions.NoScriptError:
                    return parse(await client.eval(SCRIPT, *arguments))
            except Exception:
                await self.aclose()  # as above
                raise

        return Effect(execute, execute_async)

    def _arguments(self, operation: StoreOperation) -> tuple[str | float, ...]:
        limit = operation.limit
        common = (operation.permit, operation.participant, limit.period_seconds, limit.requests, operation.lease)
        now = "" if self._clock is None else self._clock()
        release = operation.release
        if release is None:
            return *common, "", "", "", now
        latency_text = "" if release.latency is None else release.latency
        return *common, release.result.name, latency_text, "1" if release.rate_limited else "", now

    def _for_threads(self) -> _RedisClient:
        with self._lock:
            if self._sync_client is None:
                self._sync_client = self._open(self._redis)
            return self._sync_client

    def _open(self, module: _RedisClient) -> _RedisClient:
        # A connection that was cut since its last use is opened again at once; a server that does not respond in time is
        # not asked twice.
        retry = module.retry.Retry(self._redis.backoff.NoBackoff(), 1, (self._redis.exceptions.ConnectionError,))
        client_class = module.cluster.RedisCluster if self._cluster else module.Redis
        return client_class.from_url(
            self._url, socket_timeout=STORE_TIMEOUT, socket_connect_timeout=STORE_TIMEOUT, retry=retry
        )


def _without_password(url: str) -> str:
    """Return the part of a url that may be shown."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
