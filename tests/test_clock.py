"""The exchange's clock, asked for by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from bitget_spot import Credentials, InvalidResponseError, cancel_orders, connect, server_time
from bitget_spot._middleware.responses import MAX_EXCERPT
from bitget_spot.sandbox import Sandbox
from bitget_spot.server_time import ClockReading
from bitget_spot_api import Client
from bitget_spot_api.models import OrderRef


def reading(client: Client, manner: str) -> ClockReading:
    """Read the clock from a thread or from a task."""

    async def in_task() -> ClockReading:
        async with client:
            return await server_time.asyncio(client=client)

    return asyncio.run(in_task()) if manner == "asyncio" else server_time.sync(client=client)


@pytest.mark.parametrize("manner", ["sync", "asyncio"])
@pytest.mark.parametrize("skew", [0, 120, -3600])
def test_one_call_measures_offset_and_round_trip(manner: str, skew: int, bitget_sandbox: Sandbox) -> None:
    """The offset is the exchange's clock less ours, to within the round trip; the key is not needed."""
    bitget_sandbox.inject(f"clock-skew={skew}")
    client = connect(Credentials("nobody's", "secret", "passphrase"), base_url=bitget_sandbox.url)
    with client:
        told = reading(client, manner)
    assert 0 < told.round_trip < 5
    assert abs(told.offset - skew) <= told.round_trip + 0.01


def test_it_sets_the_signer_right(bitget_sandbox: Sandbox) -> None:
    """After it no request is refused for its time, though the clocks are an hour apart."""
    bitget_sandbox.inject("clock-skew=3600")
    with connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url, max_retries=0) as client:
        server_time.sync(client=client)
        cancel_orders.sync(client=client, orders=[OrderRef(order_id=next(iter(bitget_sandbox.orders)))])
    assert [arrival.code for arrival in bitget_sandbox.arrivals] == ["00000", "00000"]


@pytest.mark.parametrize("data", [None, {}, {"serverTime": None}, {"serverTime": "soon"}, [], "text"])
def test_an_answer_without_the_time(data: Any) -> None:
    """An answer that does not tell the time is an unreadable one, not a KeyError."""
    wire = httpx.MockTransport(lambda _: httpx.Response(200, json={"code": "00000", "data": data}))
    client = connect(Credentials("a", "b", "c"), transport=wire)
    with pytest.raises(InvalidResponseError, match="without the time"):
        server_time.sync(client=client)


@pytest.mark.parametrize("charset", ["undefined", "idna", "hex", "utf-7"])
def test_whatever_charset_an_answer_names(charset: str) -> None:
    """An answer without the time is shown by its beginning, also where it says it is written in what is no charset."""
    headers = {"content-type": f"application/json; charset={charset}"}
    body = b'{"code": "00000", "data": {}}' + b" " * MAX_EXCERPT
    wire = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, stream=httpx.ByteStream(body)))
    with pytest.raises(InvalidResponseError, match="without the time") as caught:
        read_clock(connect(Credentials("a", "b", "c"), transport=wire))
    assert caught.value.body == body[:MAX_EXCERPT].decode()


def test_a_client_of_another_make() -> None:
    """A client that `connect` has not made is told so."""
    with pytest.raises(TypeError, match="connect"):
        read_clock(Client(base_url="http://127.0.0.1:1"))
