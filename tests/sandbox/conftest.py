"""Sandboxes, and clients of them that share no code with the overlay."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sandbox_client import OpenClient, SandboxClient

from bitget_spot.sandbox import Sandbox
from bitget_spot_pytest import bitget_sandbox

__all__ = ["bitget_sandbox"]


@pytest.fixture
def open_client() -> Iterator[OpenClient]:
    """Start a sandbox with the given arguments, and return a client of it; both end with the test."""
    clients: list[SandboxClient] = []

    def open_one(**arguments: Any) -> SandboxClient:
        client = SandboxClient(Sandbox(**arguments).start())
        clients.append(client)
        return client

    yield open_one
    for client in clients:
        client.http.close()
        client.sandbox.stop()


@pytest.fixture
def client(open_client: OpenClient) -> SandboxClient:
    """Return a client of a sandbox without orders and with a high rate limit."""
    return open_client(orders=0, requests_per_second=1000)
