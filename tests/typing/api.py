"""
The typed surface, held by mypy (`make types`); nothing here is ever run.

A change that breaks a line here breaks the programs of those who import the package.
"""

from __future__ import annotations

import ssl
from typing import assert_type

import httpx

from bitget_spot import ApiError, Credentials, InvalidBatchError, UnreadableAnswerError, Violation, connect
from bitget_spot.rate_limit import MemorySlots
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import (
    BatchCancelOrdersRequest,
    BatchCancelOrdersResponse,
    ErrorResponse,
    OrderRef,
)

credentials = Credentials("key", "secret", "passphrase")
assert_type(Credentials.from_env(), Credentials)

client = connect(credentials)
assert_type(client, Client)
connect(
    credentials,
    base_url="https://api.bitget.com",
    timeout=httpx.Timeout(5),
    slots=MemorySlots(),
    requests_per_second={"batchCancelOrders": 60},
    demo=True,
    locale="zh-CN",
    verify=ssl.create_default_context(),
    proxy="http://127.0.0.1:3128",
    transport=httpx.HTTPTransport(),
)

body = BatchCancelOrdersRequest(
    batch_mode="multiple",
    order_list=[OrderRef(symbol="BTCUSDT", order_id="1"), OrderRef(symbol="ETHUSDT", client_oid="a")],
)
assert_type(batch_cancel_orders.sync(client=client, body=body), BatchCancelOrdersResponse | ErrorResponse | None)


async def in_a_task() -> None:
    """The asynchronous twin has the same signature."""
    async with connect(credentials) as entered:
        assert_type(
            await batch_cancel_orders.asyncio(client=entered, body=body),
            BatchCancelOrdersResponse | ErrorResponse | None,
        )


def what_went_wrong(error: ApiError, unreadable: UnreadableAnswerError, invalid: InvalidBatchError) -> None:
    """Exceptions carry what programs need as fields."""
    assert_type(error.code, str)
    assert_type(error.message, str)
    assert_type(error.http_status, int)
    assert_type(error.request_time, int | None)
    assert_type(unreadable.http_status, int)
    assert_type(invalid.violations, tuple[Violation, ...])
    assert_type(invalid.violations[0].place, str)
