"""The guard of the tests: they connect to this machine only."""

from __future__ import annotations

import asyncio
import socket

import pytest


@pytest.mark.parametrize("host", ["exchange.invalid", "192.0.2.1", "2001:db8::1"])
def test_other_machines_are_not_reached(host: str, external_connections: list[object]) -> None:
    """No name is looked up and no other machine is connected to, from threads or tasks; each attempt is recorded."""
    for open_connection in (
        socket.create_connection,
        lambda address: asyncio.run(asyncio.open_connection(*address)),
    ):
        with pytest.raises(OSError, match="loopback only"):
            open_connection((host, 443))
        assert host in str(external_connections.pop())
    assert not external_connections
