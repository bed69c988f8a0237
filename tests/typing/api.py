"""
The typed surface, held by mypy (`make types`); nothing here is ever run.

A change that breaks a line here breaks the programs of those who import the package.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import assert_type

import httpx

from bitget_spot import (
    ApiError,
    BitgetError,
    Confirmed,
    Credentials,
    InvalidBatchError,
    InvalidResponseError,
    Outcome,
    Report,
    Status,
    Violation,
    cancel_open_orders,
    cancel_orders,
    connect,
    warm_up,
)
from bitget_spot.rate_limit import MemoryStore, RedisStore, SQLiteStore
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
Credentials("key", Path("private-key.pem"), "passphrase", secret_key_password="words")

client = connect(credentials)
assert_type(client, Client)
connect(
    credentials,
    base_url="https://api.bitget.com",
    timeout=httpx.Timeout(5),
    rate_limit_store=MemoryStore(),
    requests_per_second={"batchCancelOrders": 60},
    demo=True,
    channel_api_code="a-broker",
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


connect(credentials, rate_limit_store=SQLiteStore("slots.sqlite"), max_retries=2)
connect(credentials, rate_limit_store=RedisStore("redis://127.0.0.1:6379/0"), requests_per_second=60)

orders = [OrderRef(order_id="1"), OrderRef(client_oid="a", symbol="BTCUSDT")]
assert_type(cancel_orders.plan(orders=iter(orders), symbol="BTCUSDT", batch_size=20), list[BatchCancelOrdersRequest])


def progress(outcomes: Sequence[Outcome]) -> None:
    """What is told of each batch."""
    assert_type(outcomes[0].order, OrderRef)
    assert_type(outcomes[0].status, Status)
    assert_type(outcomes[0].code, str | None)
    assert_type(outcomes[0].message, str | None)
    assert_type(outcomes[0].attempts, int)
    assert_type(outcomes[0].confirmed, Confirmed | None)


report = cancel_orders.sync(
    client=client, orders=orders, symbol=None, batch_size=50, deadline=5, on_progress=progress, confirm=True
)
assert_type(report, Report)
assert_type(report.outcomes, tuple[Outcome, ...])
assert_type(report.counts, dict[Status, int])
assert_type(report.only(Status.UNKNOWN, Status.NOT_SENT), tuple[Outcome, ...])
assert_type(report.orders(Status.NOT_SENT), list[OrderRef])
assert_type(report.remaining_calls, int | None)
report.raise_for_failures()
assert_type(cancel_open_orders.sync(client=client, symbols=["BTCUSDT"], sides=["buy"], deadline=60), Report)
warm_up.sync(client=client)


async def any_number_in_a_task() -> None:
    """The asynchronous twins answer the same."""
    await warm_up.asyncio(client=client)
    assert_type(await cancel_orders.asyncio(client=client, orders=orders, on_progress=progress), Report)
    assert_type(await cancel_open_orders.asyncio(client=client, on_progress=progress), Report)


async def in_a_task() -> None:
    """The asynchronous twin has the same signature."""
    async with connect(credentials) as entered:
        assert_type(
            await batch_cancel_orders.asyncio(client=entered, body=body),
            BatchCancelOrdersResponse | ErrorResponse | None,
        )


def what_went_wrong(error: ApiError, unreadable: InvalidResponseError, invalid: InvalidBatchError) -> None:
    """Exceptions carry what programs need as fields."""
    assert_type(BitgetError().report, Report | None)
    assert_type(error.code, str)
    assert_type(error.message, str)
    assert_type(error.http_status, int)
    assert_type(error.request_time, int | None)
    assert_type(unreadable.http_status, int)
    assert_type(invalid.violations, tuple[Violation, ...])
    assert_type(invalid.violations[0].place, str)
