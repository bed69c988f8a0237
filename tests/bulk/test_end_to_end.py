"""The generated functions and the whole middleware chain, over HTTP to a sandbox."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from bitget_spot import (
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


def batch_of(*order_ids: str) -> BatchCancelOrdersRequest:
    """Return a batch of orders addressed by orderId, without symbols."""
    return BatchCancelOrdersRequest(order_list=[OrderRef(order_id=order_id) for order_id in order_ids])


def cancel(client: Client, *order_ids: str) -> BatchCancelOrdersResult:
    """Cancel a batch with the generated function."""
    response = batch_cancel_orders.sync(client=client, body=batch_of(*order_ids))
    assert isinstance(response, BatchCancelOrdersResponse)
    assert isinstance(response.data, BatchCancelOrdersResult)
    return response.data


def test_a_batch_is_cancelled(bitget_sandbox: Sandbox, client: Client) -> None:
    """Open orders are in successList and cancelled at the exchange; a filled one is in failureList with its code."""
    order_ids = list(bitget_sandbox.orders)[:50]
    filled, *others = order_ids
    bitget_sandbox.fill(filled)
    result = cancel(client, *order_ids)
    assert [row.order_id for row in result.success_list or ()] == others
    assert [(row.order_id, row.error_code) for row in result.failure_list or ()] == [(filled, "43001")]
    assert {bitget_sandbox.orders[order_id].status for order_id in others} == {"cancelled"}


def test_orders_of_several_symbols(bitget_sandbox: Sandbox, client: Client) -> None:
    """Multiple mode uses the symbol of each order, here with orders by clientOid and from a task."""
    orders = list(bitget_sandbox.orders.values())[:6]
    assert len({order.symbol for order in orders}) > 1
    body = BatchCancelOrdersRequest(
        batch_mode="multiple",
        order_list=[OrderRef(symbol=order.symbol, client_oid=order.client_oid) for order in orders],
    )

    async def run() -> object:
        async with client:
            return await batch_cancel_orders.asyncio(client=client, body=body)

    response = asyncio.run(run())
    assert isinstance(response, BatchCancelOrdersResponse)
    assert {bitget_sandbox.orders[order.order_id].status for order in orders} == {"cancelled"}


def test_a_batch_with_both_kinds_of_identifier_is_not_sent(bitget_sandbox: Sandbox, client: Client) -> None:
    """A batch with both kinds of identifier is refused before anything is sent."""
    first, second, *_ = bitget_sandbox.orders.values()
    body = BatchCancelOrdersRequest(
        order_list=[OrderRef(order_id=first.order_id), OrderRef(client_oid=second.client_oid)]
    )
    with pytest.raises(InvalidBatchError, match=r"orderList\[1\]"):
        batch_cancel_orders.sync(client=client, body=body)
    with pytest.raises(InvalidBatchError, match=r"orderList\[1\]"):
        asyncio.run(batch_cancel_orders.asyncio(client=client, body=body))
    assert not bitget_sandbox.arrivals


def test_forty_five_calls_at_once(bitget_sandbox: Sandbox) -> None:
    """
    Threads and tasks on two clients with one key share a budget: never more than ten requests arrive in a second.

    No request is refused, none waits longer than the limit demands, and every timestamp is fresh on arrival.
    """
    order_ids = list(bitget_sandbox.orders)[:45]
    with (
        connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url) as client,
        connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url) as other_client,
    ):

        async def cancel_in_tasks() -> None:
            calls = [
                batch_cancel_orders.asyncio(client=other_client, body=batch_of(order_id)) for order_id in order_ids[25:]
            ]
            await asyncio.gather(*calls)

        event_loop = threading.Thread(target=lambda: asyncio.run(cancel_in_tasks()))
        event_loop.start()
        with ThreadPoolExecutor(25) as pool:
            list(pool.map(lambda order_id: cancel(client, order_id), order_ids[:25]))
        event_loop.join()
    arrivals = bitget_sandbox.arrivals
    assert {arrival.status for arrival in arrivals} == {200}
    assert len(arrivals) == 45
    assert bitget_sandbox.worst_window() == BATCH_CANCEL_ORDERS.rate_limit.requests
    assert arrivals[-1].at - arrivals[0].at < 4.6
    # A timestamp from before the wait for a permit would be seconds old.
    assert max(arrival.stamp_age or 0 for arrival in arrivals) < 0.5


@pytest.mark.parametrize(
    "wrong",
    [{"api_key": "unknown"}, {"secret_key": "wrong"}, {"passphrase": "wrong"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_wrong_credentials(wrong: dict[str, str], bitget_sandbox: Sandbox) -> None:
    """A wrong key, secret or passphrase is an AuthenticationError with the exchange's English message and its clock."""
    own = {
        "api_key": bitget_sandbox.api_key,
        "secret_key": bitget_sandbox.secret_key,
        "passphrase": bitget_sandbox.passphrase,
    }
    credentials = Credentials(**own | wrong)
    with (
        connect(credentials, base_url=bitget_sandbox.url) as client,
        pytest.raises(AuthenticationError) as caught,
    ):
        cancel(client, "1")
    assert caught.value.http_status == 400
    assert caught.value.message.isascii()
    assert caught.value.request_time


def test_messages_are_in_the_language_of_the_locale(bitget_sandbox: Sandbox) -> None:
    """The exchange's message is in the language of the locale; the code is the same."""
    with (
        connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url, locale="zh-CN") as client,
        pytest.raises(OrderNotFoundError) as caught,
    ):
        cancel(client, "1")
    assert caught.value.code == "43001"
    assert not caught.value.message.isascii()


def test_a_live_key_in_demo_trading(bitget_sandbox: Sandbox) -> None:
    """A live key with the demo header is a WrongEnvironmentError."""
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
def test_invalid_responses(fault: str, status: int, mode: str, bitget_sandbox: Sandbox, client: Client) -> None:
    """HTML, an empty body and a broken envelope are an InvalidResponseError on any HTTP status."""
    bitget_sandbox.inject(fault)
    order_id = next(iter(bitget_sandbox.orders))

    def send() -> None:
        if mode == "sync":
            cancel(client, order_id)
        else:
            asyncio.run(batch_cancel_orders.asyncio(client=client, body=batch_of(order_id)))

    with pytest.raises(InvalidResponseError) as caught:
        send()
    assert caught.value.http_status == status


def test_the_next_request_waits_after_a_429(bitget_sandbox: Sandbox, client: Client) -> None:
    """A 429 is a RateLimitedError, and the next request waits for a second."""
    bitget_sandbox.inject("429")
    first, second, *_ = bitget_sandbox.orders
    with pytest.raises(RateLimitedError):
        cancel(client, first)
    cancel(client, second)
    refused, accepted = bitget_sandbox.arrivals
    assert accepted.at - refused.at > 0.99


def test_a_network_error_is_the_exception_of_httpx(bitget_sandbox: Sandbox, client: Client) -> None:
    """A dropped connection is httpx's own exception, and its request has no signature."""
    bitget_sandbox.inject("drop-after")
    with pytest.raises(httpx.TransportError) as caught:
        cancel(client, next(iter(bitget_sandbox.orders)))
    assert "access-sign" not in caught.value.request.headers


def test_a_wrong_clock_is_corrected(bitget_sandbox: Sandbox, client: Client) -> None:
    """A clock that is an hour off costs one refused request, and is then corrected by the time in the response."""
    first, second, third, *_ = bitget_sandbox.orders
    bitget_sandbox.inject("clock-skew=3600")
    cancel(client, first)
    cancel(client, second)
    bitget_sandbox.inject("clock-skew=0")
    cancel(client, third)
    assert [arrival.code for arrival in bitget_sandbox.arrivals] == ["40008", "00000", "00000", "40008", "00000"]


def test_a_lower_limit(bitget_sandbox: Sandbox) -> None:
    """With `requests_per_second=3`, never more than three requests arrive in a second."""
    with connect(
        bitget_sandbox.credentials, base_url=bitget_sandbox.url, rate_limit_store=MemoryStore(), requests_per_second=3
    ) as client:
        for order_id in list(bitget_sandbox.orders)[:5]:
            cancel(client, order_id)
    assert bitget_sandbox.worst_window() == 3
