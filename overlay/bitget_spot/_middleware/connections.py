"""
Which transport new requests use, and when an old one is closed.

A transport is replaced after a timeout on a kept connection: after a silent network failure, all its connections may be
dead. It is closed when its last request is over, so no request loses its connection to another one.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from attrs import define

T = TypeVar("T")

KEEP_ALIVE_IDLE: Final = 30
KEEP_ALIVE_INTERVAL: Final = 5
KEEP_ALIVE_PROBES: Final = 3
"""TCP keep-alive: seconds until the first probe, between probes, and probes without a response until a connection is
dropped."""
USER_TIMEOUT: Final = 5_000
"""Milliseconds after which a connection is dropped whose peer does not acknowledge data."""


def socket_options() -> list[tuple[int, int, int]]:
    """Return TCP options that detect dead connections, as far as the platform has them."""
    options = [(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)]
    values = {
        "TCP_KEEPIDLE": KEEP_ALIVE_IDLE,
        "TCP_KEEPALIVE": KEEP_ALIVE_IDLE,  # the name on macOS
        "TCP_KEEPINTVL": KEEP_ALIVE_INTERVAL,
        "TCP_KEEPCNT": KEEP_ALIVE_PROBES,
        "TCP_USER_TIMEOUT": USER_TIMEOUT,
    }
    for name, value in values.items():
        option: int | None = getattr(socket, name, None)
        if option is not None:
            options.append((socket.IPPROTO_TCP, option, value))
    return options


@define(eq=False)
class PooledTransport(Generic[T]):
    """
    A transport with its connection pool.

    Attributes:
        transport: The transport.
        users: How many requests use it.
        retired: No further request may use it.

    """

    transport: T
    users: int = 0
    retired: bool = False


class CurrentTransport(Generic[T]):
    """The transport that new requests use, opened on first use."""

    def __init__(self, factory: Callable[[], T]) -> None:
        self._factory = factory
        # A signal handler may run on top of a thread that has the lock.
        self._lock = threading.RLock()
        self._current: PooledTransport[T] | None = None

    def acquire(self) -> PooledTransport[T]:
        """Return the current transport, for one request."""
        with self._lock:
            if self._current is None:
                self._current = PooledTransport(self._factory())
            self._current.users += 1
            return self._current

    def release(self, pooled: PooledTransport[T]) -> T | None:
        """Report that a request is over; return the transport if it must be closed now."""
        with self._lock:
            pooled.users -= 1
            return pooled.transport if pooled.retired and not pooled.users else None

    def retire(self, pooled: PooledTransport[T]) -> None:
        """Let new requests use another transport than this one, which a request still uses."""
        with self._lock:
            pooled.retired = True
            if self._current is pooled:
                self._current = None

    def close(self) -> T | None:
        """Let new requests use another transport; return the current one if it must be closed now."""
        with self._lock:
            pooled = self._current
            self._current = None
            if pooled is None:
                return None
            pooled.retired = True
            return None if pooled.users else pooled.transport
