"""The exchange's clock and the round trip to it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sandboxes import call

from bitget_spot import Credentials, InvalidResponseError, cancel_orders, connect, server_time
from bitget_spot._middleware.responses import MAX_EXCERPT
from bitget_spot.client import SpotClient
from bitget_spot.sandbox import Sandbox
from bitget_spot.server_time import ClockReading
from bitget_spot_api import Client
from bitget_spot_api.models import OrderRef


@pytest.fixture(params=["sync", "asyncio"])
def mode(request: pytest.FixtureRequest) -> str:
    """How the clock is read: from a thread or from a task."""
    return str(request.param)


def client_with(transport: httpx.MockTransport) -> SpotClient:
    """Return a client whose requests go to this transport."""
    return connect(Credentials("a", "b", "c"), transport=transport)


@pytest.mark.parametrize("skew", [0, 120, -3600])
def test_offset_and_round_trip(mode: str, skew: int, bitget_sandbox: Sandbox) -> None:
    """The offset is the exchange's clock less the local one, accurate to the round trip; no valid key is needed."""
    bitget_sandbox.inject(f"clock-skew={skew}")
    client = connect(Credentials("unknown", "secret", "passphrase"), base_url=bitget_sandbox.url)
    reading: ClockReading = call(mode, server_time, client)
    assert 0 < reading.round_trip < 5
    assert abs(reading.offset - skew) <= reading.round_trip + 0.01


def test_it_corrects_the_clock_of_the_signature(bitget_sandbox: Sandbox) -> None:
    """After the clock was read, no request is refused for its timestamp, even if the clocks are an hour apart."""
    bitget_sandbox.inject("clock-skew=3600")
    with connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url, max_retries=0) as client:
        server_time.sync(client=client)
        cancel_orders.sync(client=client, orders=[OrderRef(order_id=next(iter(bitget_sandbox.orders)))])
    assert [arrival.code for arrival in bitget_sandbox.arrivals] == ["00000", "00000"]


@pytest.mark.parametrize(
    "data", [None, {}, {"serverTime": None}, {"serverTime": "soon"}, {"serverTime": 10**400}, [], "text"], ids=type
)
def test_a_response_without_the_time(mode: str, data: Any) -> None:
    """A response without the exchange's clock is an InvalidResponseError."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"code": "00000", "data": data}))
    with pytest.raises(InvalidResponseError, match="a response without serverTime"):
        call(mode, server_time, client_with(transport))


@pytest.mark.parametrize("charset", ["undefined", "idna", "hex", "utf-7"])
def test_any_charset(charset: str) -> None:
    """The error has the beginning of the body, also if the response names a charset that is not one."""
    headers = {"content-type": f"application/json; charset={charset}"}
    body = b'{"code": "00000", "data": {}}' + b" " * MAX_EXCERPT
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, stream=httpx.ByteStream(body)))
    with pytest.raises(InvalidResponseError, match="a response without serverTime") as caught:
        server_time.sync(client=client_with(transport))
    assert caught.value.body == body[:MAX_EXCERPT].decode()


def test_a_plain_generated_client(mode: str) -> None:
    """A client that `connect` has not made is a TypeError, and the message says what to use."""
    with pytest.raises(TypeError, match=r"bitget_spot\.connect"):
        call(mode, server_time, Client(base_url="http://127.0.0.1:1"))


def test_public_names() -> None:
    """`dir` of the module shows its public names only."""
    assert dir(server_time) == ["ClockReading", "asyncio", "sync"]
