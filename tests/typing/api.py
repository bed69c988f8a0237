"""
The types of the public API, checked by mypy (`make types`); nothing here is executed.

A change that breaks a line here breaks the programs that import the package.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, assert_type

import httpx

from bitget_spot import (
    ApiError,
    BitgetError,
    Confirmed,
    Credentials,
    InvalidBatchError,
    InvalidResponseError,
    NetworkError,
    OrderRef,
    Outcome,
    Report,
    Status,
    Violation,
    cancel_open_orders,
    cancel_orders,
    connect,
    report_of,
    server_time,
    warm_up,
)
from bitget_spot.client import SpotClient
from bitget_spot.rate_limit import MemoryStore, RedisStore, SQLiteStore
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import (
    BatchCancelOrdersRequest,
    BatchCancelOrdersResponse,
    UnifiedOrderRef,
)
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, RateLimit

credentials = Credentials("key", "secret", "passphrase")
assert_type(Credentials.from_env(), Credentials)
Credentials("key", Path("private-key.pem"), "passphrase", secret_key_password="words")

client = connect(credentials)
assert_type(client, SpotClient)
generated_client: Client = client
assert_type(client.max_retries, int)
assert_type(client.account_type, Literal["classic", "unified"] | None)
assert_type(client.stated_account_type, Literal["classic", "unified"] | None)
assert_type(client.close(), None)
assert_type(client.rate_limit(BATCH_CANCEL_ORDERS), RateLimit)
connect(
    credentials,
    base_url="https://api.bitget.com",
    timeout=5,
    max_retries=2,
    rate_limit_store=MemoryStore(),
    account_id="desk-1",
    account_type="unified",
    requests_per_second={"batchCancelOrders": 60},
    demo=True,
    channel_api_code="a-broker",
    locale="zh-CN",
    verify=ssl.create_default_context(),
    proxy="http://127.0.0.1:3128",
    transport=httpx.HTTPTransport(),
)
connect(credentials, rate_limit_store=SQLiteStore("rate_limit.sqlite"), timeout=None)
connect(credentials, rate_limit_store=RedisStore("redis://127.0.0.1:6379/0"), requests_per_second=60)

body = BatchCancelOrdersRequest(
    batch_mode="multiple",
    order_list=[OrderRef(symbol="BTCUSDT", order_id="1"), OrderRef(symbol="ETHUSDT", client_oid="a")],
)
assert_type(batch_cancel_orders.sync(client=client, body=body), BatchCancelOrdersResponse)

orders = [OrderRef(order_id="1"), OrderRef(client_oid="a", symbol="BTCUSDT")]
assert_type(cancel_orders.plan(orders=iter(orders), symbol="BTCUSDT", batch_size=20), list[BatchCancelOrdersRequest])
assert_type(
    cancel_orders.plan(orders=orders, account_type="unified", category="USDT-FUTURES"), list[list[UnifiedOrderRef]]
)


def on_progress(outcomes: Sequence[Outcome]) -> None:
    """A callback gets outcomes, whose attributes have these types."""
    assert_type(outcomes[0].order, OrderRef)
    assert_type(outcomes[0].status, Status)
    assert_type(outcomes[0].code, str | None)
    assert_type(outcomes[0].message, str | None)
    assert_type(outcomes[0].attempts, int)
    assert_type(outcomes[0].confirmed, Confirmed | None)
    assert_type(outcomes[0].kind, Literal["normal", "tpsl", "plan"])
    assert_type(outcomes[0].error, Exception | None)
    assert_type(outcomes[0].row(), dict[str, Any])


report = cancel_orders.sync(
    client=client, orders=orders, symbol=None, batch_size=50, deadline=5, on_progress=on_progress, confirm=True
)
assert_type(report, Report)
assert_type(report.outcomes, tuple[Outcome, ...])
assert_type(list(report), list[Outcome])
assert_type(report.counts, dict[Status, int])
assert_type(report.only(Status.UNKNOWN, Status.NOT_SENT), tuple[Outcome, ...])
assert_type(report.orders(Status.NOT_SENT), list[OrderRef])
assert_type(report.rows(), list[dict[str, Any]])
assert_type(report.remaining_calls, int | None)
assert_type(report.confirm, bool)
assert_type(report.symbols_cancelled, tuple[str, ...])
report.raise_for_failures()
report.raise_for_failures(confirmed=True)
assert_type(
    cancel_open_orders.sync(client=client, symbols=["BTCUSDT"], sides=["buy"], kinds=["normal"], deadline=60), Report
)
assert_type(cancel_open_orders.sync(client=client, deadline=None), Report)
assert_type(cancel_open_orders.sync(client=client, category="MARGIN", cancel_by_symbol=False), Report)
assert_type(
    cancel_open_orders.find(client=client, symbols=["BTCUSDT"], sides=["buy"]), list[cancel_open_orders.ListedOrder]
)
warm_up.sync(client=client)
assert_type(server_time.sync(client=client), server_time.ClockReading)


async def bulk_functions_in_a_task() -> None:
    """The asynchronous versions return the same types."""
    await warm_up.asyncio(client=client)
    assert_type(await server_time.asyncio(client=client), server_time.ClockReading)
    assert_type(await cancel_orders.asyncio(client=client, orders=orders, on_progress=on_progress), Report)
    assert_type(await cancel_open_orders.asyncio(client=client, on_progress=on_progress), Report)
    assert_type(await cancel_open_orders.find_asyncio(client=client), list[cancel_open_orders.ListedOrder])


async def generated_function_in_a_task() -> None:
    """The asynchronous version of a generated function returns the same type, and `async with` keeps the client's type."""
    async with connect(credentials) as entered:
        assert_type(entered, SpotClient)
        assert_type(
            await batch_cancel_orders.asyncio(client=entered, body=body),
            BatchCancelOrdersResponse,
        )


def attributes_of_exceptions(error: ApiError, response_error: InvalidResponseError, invalid: InvalidBatchError) -> None:
    """Exceptions have what programs need as attributes."""
    assert_type(BitgetError().report, Report | None)
    assert_type(NetworkError("ConnectError").report, Report | None)
    assert_type(report_of(KeyboardInterrupt()), Report | None)
    assert_type(error.code, str)
    assert_type(error.message, str)
    assert_type(error.http_status, int)
    assert_type(error.request_time, int | None)
    assert_type(response_error.http_status, int)
    assert_type(invalid.violations, tuple[Violation, ...])
    assert_type(invalid.violations[0].place, str)
