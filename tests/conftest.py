"""What the tests share."""

from __future__ import annotations

import errno
import ipaddress
import json
import signal
import socket
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


@pytest.fixture(scope="session", autouse=True)
def strayed() -> Iterator[list[object]]:
    """Nothing that the tests' own process does connects to another machine, or asks for one's address."""
    strayed: list[object] = []
    connect_to, look_up = socket.socket.connect, socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not ipaddress.ip_address(address[0]).is_loopback:
            strayed.append(address)
            raise OSError(errno.ENETUNREACH, "the tests go to loopback only")
        connect_to(self, address)

    def guarded_look_up(host: Any, *more: Any, **named: Any) -> Any:
        if host not in (None, "localhost"):
            try:
                ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
            except ValueError:
                strayed.append(host)
                raise socket.gaierror(socket.EAI_NONAME, "the tests go to loopback only") from None
        return look_up(host, *more, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket, "getaddrinfo", guarded_look_up)
        yield strayed
    assert not strayed


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
