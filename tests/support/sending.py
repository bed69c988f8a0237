"""Sending one request through a transport, as the sync client and as the async client do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from bitget_spot._middleware.base import Transport

Send = Callable[[Transport, httpx.Request], httpx.Response]


def in_thread(transport: Transport, request: httpx.Request) -> httpx.Response:
    """Send from this thread."""
    return transport.handle_request(request)


def in_task(transport: Transport, request: httpx.Request) -> httpx.Response:
    """Send from a task."""
    return asyncio.run(transport.handle_async_request(request))


both_modes = pytest.mark.parametrize("send", [in_thread, in_task])
"""Runs a test in a thread and in a task; it sends with its parameter `send`."""
