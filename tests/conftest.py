"""What the tests share."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from bitget_spot import Credentials, connect
from bitget_spot.sandbox import Sandbox
from bitget_spot_api import Client

# A shell that runs the tests in its background lets them ignore Ctrl-C, and tests of Ctrl-C would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def credentials() -> Credentials:
    """Credentials of nobody."""
    return Credentials("a-key", "a-secret", "a-passphrase")


@pytest.fixture
def client(bitget_sandbox: Sandbox) -> Iterator[Client]:
    """A client of a fresh sandbox that tries everything once."""
    with connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url, tries=1) as client:
        yield client


@pytest.fixture
def answering() -> Callable[..., httpx.MockTransport]:
    """Make a wire that gives one answer to everything and keeps the requests it has seen."""

    def make(data: Any = None, status: int = 200, **envelope: Any) -> httpx.MockTransport:
        body = {"code": "00000", "msg": "success", "data": data} | envelope

        def answer(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(status, content=json.dumps(body).encode())

        seen: list[httpx.Request] = []
        wire = httpx.MockTransport(answer)
        wire.seen = seen  # type: ignore[attr-defined]
        return wire

    return make
