"""The tests' own promise: they talk to nobody but this machine."""

import asyncio
import socket

import pytest


@pytest.mark.parametrize("host", ["exchange.invalid", "192.0.2.1", "2001:db8::1"])
def test_no_other_machine_is_reached(host: str, external_connections: list[object]) -> None:
    """A name is not looked up and a foreign address is not called, from threads or from tasks; and it is told."""
    for call in (socket.create_connection, lambda address: asyncio.run(asyncio.open_connection(*address))):
        with pytest.raises(OSError, match="loopback only"):
            call((host, 443))
        assert host in str(external_connections.pop())
    assert not external_connections
