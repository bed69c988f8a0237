"""Fixtures for all tests, and the guard that keeps them on loopback."""

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

# A shell that runs the tests in its background ignores Ctrl-C for them, and tests of Ctrl-C would never end.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def external_connections() -> Iterator[list[object]]:
    """Refuse connections and name lookups of the tests' own process that leave loopback; fail if there was one."""
    refused: list[object] = []
    original_connect = socket.socket.connect
    original_getaddrinfo = socket.getaddrinfo

    def guarded_connect(self: socket.socket, address: Any) -> None:
        is_internet = self.family in (socket.AF_INET, socket.AF_INET6)
        if is_internet and not ipaddress.ip_address(address[0]).is_loopback:
            refused.append(address)
            raise OSError(errno.ENETUNREACH, "the tests connect to loopback only")
        original_connect(self, address)

    def guarded_getaddrinfo(host: Any, *args: Any, **kwargs: Any) -> Any:
        if host not in (None, "localhost"):
            try:
                ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host)
            except ValueError:
                refused.append(host)
                raise socket.gaierror(socket.EAI_NONAME, "the tests connect to loopback only") from None
        return original_getaddrinfo(host, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded_connect)
        patch.setattr(socket, "getaddrinfo", guarded_getaddrinfo)
        yield refused
    assert not refused


@pytest.fixture
def credentials() -> Credentials:
    """Credentials that belong to no account."""
    return Credentials("a-key", "a-secret", "a-passphrase")


@pytest.fixture
def client(bitget_sandbox: Sandbox) -> Iterator[Client]:
    """A client of a new sandbox, without retries."""
    with connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url, max_retries=0) as client:
        yield client


@pytest.fixture
def respond_with() -> Callable[..., httpx.MockTransport]:
    """Return a function that makes a transport with one response to everything; it keeps the requests in `requests`."""

    def make(data: Any = None, status: int = 200, **envelope: Any) -> httpx.MockTransport:
        body = {"code": "00000", "msg": "success", "data": data} | envelope

        def respond(request: httpx.Request) -> httpx.Response:
            requests.append(request)
            return httpx.Response(status, content=json.dumps(body).encode())

        requests: list[httpx.Request] = []
        transport = httpx.MockTransport(respond)
        transport.requests = requests  # type: ignore[attr-defined]  # read by the tests
        return transport

    return make
