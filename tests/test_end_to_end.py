"""The whole way, over real HTTP to a sandbox exchange."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from bitget_spot import (
    ApiError,
    AuthenticationError,
    Credentials,
    InvalidBatchError,
    InvalidResponseError,
    OrderNotFoundError,
    RateLimitedError,
    WrongEnvironmentError,
    connect,
)
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.sandbox import Sandbox
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import (
    BatchCancelOrdersRequest,
    BatchCancelOrdersResponse,
    BatchCancelOrdersResult,
    OrderRef,
)
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS


def batch(*order_ids: str) -> BatchCancelOrdersRequest:
    """A batch by order id, whatever the symbols."""
    return BatchCancelOrdersRequest(order_list=[OrderRef(order_id=order_id) for order_id in order_ids])


def cancel(client: Client, *order_ids: str) -> BatchCancelOrdersResult:
    """Cancel a batch by the generated function."""
    answer = batch_cancel_orders.sync(client=client, body=batch(*order_ids))
    assert isinstance(answer, BatchCancelOrdersResponse)
    assert isinstance(answer.data, BatchCancelOrdersResult)
    return answer.data


def test_a_batch_is_cancelled(bitget_sandbox: Sandbox, client: Client) -> None:
    """The orders of a batch are accepted, those that are gone are told with the code, and the exchange agrees."""
    ids = list(bitget_sandbox.orders)[:50]
    bitget_sandbox.fill(ids[0])
    result = cancel(client, *ids)
    assert [row.order_id for row in result.success_list or ()] == ids[1:]
    assert [(row.order_id, row.error_code) for row in result.failure_list or ()] == [(ids[0], "43001")]
    assert {bitget_sandbox.orders[one].status for one in ids[1:]} == {"cancelled"}


def test_orders_of_several_symbols(bitget_sandbox: Sandbox, client: Client) -> None:
    """Multiple mode cancels by the orders' own symbols, here addressed by clientOid and from a task."""
    orders = list(bitget_sandbox.orders.values())[:6]
    assert len({order.symbol for order in orders}) > 1
    body = BatchCancelOrdersRequest(
        batch_mode="multiple",
        order_list=[OrderRef(symbol=order.symbol, client_oid=order.client_oid) for order in orders],
    )

    async def run() -> object:
        async with client:
            return await batch_cancel_orders.asyncio(client=client, body=body)

    answer = asyncio.run(run())
    assert isinstance(answer, BatchCancelOrdersResponse)
    assert {bitget_sandbox.orders[order.order_id].status for order in orders} == {"cancelled"}


def test_a_mixed_batch_never_arrives(bitget_sandbox: Sandbox, client: Client) -> None:
    """A batch that mixes identifiers is refused before a byte leaves, and takes no slot."""
    first, second, *_ = bitget_sandbox.orders.values()
    mixed = BatchCancelOrdersRequest(
        order_list=[OrderRef(order_id=first.order_id), OrderRef(client_oid=second.client_oid)]
    )
    with pytest.raises(InvalidBatchError, match=r"orderList\[1\]"):
        batch_cancel_orders.sync(client=client, body=mixed)
    with pytest.raises(InvalidBatchError, match=r"orderList\[1\]"):
        asyncio.run(batch_cancel_orders.asyncio(client=client, body=mixed))
    assert not bitget_sandbox.arrivals


def test_forty_five_calls_at_once(bitget_sandbox: Sandbox) -> None:
    """
    Threads and tasks on two clients of one key never bring eleven arrivals into one second.

    All have the same budget, none is refused, none waits longer than the limit demands, and every stamp is fresh
    when it arrives.
    """
    ids = list(bitget_sandbox.orders)[:45]
    with (
        connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url) as client,
        connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url) as twin,
    ):

        async def tasks() -> None:
            await asyncio.gather(
                *(batch_cancel_orders.asyncio(client=twin, body=batch(order_id)) for order_id in ids[25:])
            )

        beside = threading.Thread(target=lambda: asyncio.run(tasks()))
        beside.start()
        with ThreadPoolExecutor(25) as pool:
            list(pool.map(lambda order_id: cancel(client, order_id), ids[:25]))
        beside.join()
    arrivals = bitget_sandbox.arrivals
    assert {arrival.status for arrival in arrivals} == {200}
    assert len(arrivals) == 45
    assert bitget_sandbox.worst_window() == BATCH_CANCEL_ORDERS.rate_limit.requests
    assert arrivals[-1].at - arrivals[0].at < 4.6
    # Stamped after the wait: a stamp from before it would be seconds old.
    assert max(arrival.stamp_age or 0 for arrival in arrivals) < 0.5


@pytest.mark.parametrize(
    ("key", "secret", "passphrase", "error"),
    [
        ("unknown", None, None, AuthenticationError),
        (None, "wrong", None, AuthenticationError),
        (None, None, "wrong", AuthenticationError),
    ],
)
def test_wrong_credentials(
    key: str | None, secret: str | None, passphrase: str | None, error: type[ApiError], bitget_sandbox: Sandbox
) -> None:
    """A wrong key, secret or passphrase is an AuthenticationError with the exchange's code and English words."""
    credentials = Credentials(
        key or bitget_sandbox.api_key, secret or bitget_sandbox.secret_key, passphrase or bitget_sandbox.passphrase
    )
    with connect(credentials, base_url=bitget_sandbox.url) as client, pytest.raises(error) as caught:
        cancel(client, "1")
    assert caught.value.http_status == 400
    assert caught.value.message.isascii()
    assert caught.value.request_time


def test_messages_follow_the_locale(bitget_sandbox: Sandbox) -> None:
    """The exchange's words come in the language that was asked for; the code is the same."""
    with (
        connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url, locale="zh-CN") as client,
        pytest.raises(OrderNotFoundError) as caught,
    ):
        cancel(client, "1")
    assert caught.value.code == "43001"
    assert not caught.value.message.isascii()


def test_a_live_key_in_demo_trading(bitget_sandbox: Sandbox) -> None:
    """A live key with the demo header is told apart as the wrong environment."""
    with (
        connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url, demo=True) as client,
        pytest.raises(WrongEnvironmentError) as caught,
    ):
        cancel(client, "1")
    assert caught.value.code == "40099"


@pytest.mark.parametrize(
    ("fault", "status"),
    [("html-403", 403), ("html-429", 429), ("html-502", 502), ("html-520", 520), ("empty", 200), ("raw=[]", 200)],
)
@pytest.mark.parametrize("manner", ["sync", "asyncio"])
def test_what_is_not_the_exchange_s_envelope(
    fault: str, status: int, manner: str, bitget_sandbox: Sandbox, client: Client
) -> None:
    """HTML, an empty body and a broken envelope are InvalidResponseError with the status, on any status."""
    bitget_sandbox.inject(fault)
    order_id = next(iter(bitget_sandbox.orders))

    def send() -> None:
        if manner == "sync":
            cancel(client, order_id)
        else:
            asyncio.run(batch_cancel_orders.asyncio(client=client, body=batch(order_id)))

    with pytest.raises(InvalidResponseError) as caught:
        send()
    assert caught.value.http_status == status


def test_a_429_is_told_and_learnt_from(bitget_sandbox: Sandbox, client: Client) -> None:
    """A 429 is a RateLimitedError, and the next request waits for a second."""
    bitget_sandbox.inject("429")
    first, second, *_ = bitget_sandbox.orders
    with pytest.raises(RateLimitedError):
        cancel(client, first)
    cancel(client, second)
    refused, taken = bitget_sandbox.arrivals
    assert taken.at - refused.at > 0.99


def test_a_dropped_connection_stays_an_error_of_the_wire(bitget_sandbox: Sandbox, client: Client) -> None:
    """Trouble on the wire is httpx's own exception, with the request as the caller made it."""
    bitget_sandbox.inject("drop-after")
    with pytest.raises(httpx.TransportError) as caught:
        cancel(client, next(iter(bitget_sandbox.orders)))
    assert "access-sign" not in caught.value.request.headers


def test_the_exchange_s_clock_is_learnt(bitget_sandbox: Sandbox, client: Client) -> None:
    """A clock that is an hour off costs one refusal, and is corrected from then on by the answers' own times."""
    first, second, third, *_ = bitget_sandbox.orders
    bitget_sandbox.inject("clock-skew=3600")
    cancel(client, first)
    cancel(client, second)
    bitget_sandbox.inject("clock-skew=0")
    cancel(client, third)
    assert [arrival.code for arrival in bitget_sandbox.arrivals] == ["40008", "00000", "00000", "40008", "00000"]


def test_a_lower_limit_is_kept(bitget_sandbox: Sandbox) -> None:
    """With requests_per_second=3 never four arrive in one second."""
    with connect(
        bitget_sandbox.credentials, base_url=bitget_sandbox.url, rate_limit_store=MemoryStore(), requests_per_second=3
    ) as client:
        for order_id in list(bitget_sandbox.orders)[:5]:
            cancel(client, order_id)
    assert bitget_sandbox.worst_window() == 3
