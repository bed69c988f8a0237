"""
This package, and handwritten alternatives, run by `peers.py` in this project's own environment.

Also here: how the cost of this package grows with the number of orders, over a transport that responds immediately.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import re
import sys
import time
import tracemalloc
from typing import Final, Literal
from urllib.parse import urlsplit

import httpx
from client_process import (
    API_KEY,
    PASSPHRASE,
    PATH,
    SECRET_KEY,
    SYMBOL,
    AsyncClient,
    SyncClient,
    handwritten_body,
    handwritten_headers,
    new_order_ids,
    run_jobs,
    timed,
)
from cpu import SigningTransport

from bitget_spot import Credentials, OrderRef, Report, Status, cancel_open_orders, cancel_orders, connect
from bitget_spot.rate_limit import MemoryStore
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, BatchCancelOrdersResponse

LARGE_LIMIT: Final = 10**6
"""Requests a second: a limit that is never reached."""
SPACING: Final = 0.100
"""Seconds that the handwritten loop sleeps after a batch."""
ORDER_ID: Final = re.compile(rb'"orderId": ?"(\d+)"')


def require_success(envelope: dict[str, object]) -> object:
    """Return the body of a response; fail unless it is a success."""
    assert envelope["code"] == "00000", envelope
    return envelope


class StandardLibrary(SyncClient):
    """Only the standard library, and only what is necessary."""

    def __init__(self, origin: str, *, limited: bool) -> None:
        super().__init__(origin, limited=limited)
        self.connection = http.client.HTTPConnection(urlsplit(origin).netloc)

    def cancel_batch(self, order_ids: list[str]) -> object:
        body = handwritten_body(order_ids)
        self.connection.request("POST", PATH, body, handwritten_headers(body))
        return require_success(json.loads(self.connection.getresponse().read()))

    def close(self) -> None:
        self.connection.close()


class HandwrittenLoop(SyncClient):
    """A loop over httpx: sign, post, sleep."""

    def __init__(self, origin: str, *, limited: bool) -> None:
        super().__init__(origin, limited=limited)
        self.client = httpx.Client(base_url=origin, verify=False)  # noqa: S501 - plain http on loopback

    def cancel_batch(self, order_ids: list[str]) -> object:
        body = handwritten_body(order_ids)
        response = self.client.post(PATH, content=body, headers=handwritten_headers(body))
        return require_success(response.raise_for_status().json())

    def pause(self) -> None:
        time.sleep(SPACING)

    def close(self) -> None:
        self.client.close()


def new_client(origin: str, *, limited: bool, transport: httpx.BaseTransport | None = None) -> Client:
    """Return a client of this package, with a rate limit of its own."""
    return connect(
        Credentials(API_KEY, SECRET_KEY, PASSPHRASE),
        base_url=origin,
        rate_limit_store=MemoryStore(),
        requests_per_second=None if limited else LARGE_LIMIT,
        transport=transport,
    )


def new_client_without_network() -> Client:
    """Return a client whose transport responds immediately."""
    return new_client("http://127.0.0.1:9", limited=False, transport=ImmediateTransport())


def new_signing_client(origin: str) -> Client:
    """Return a client for the generated function that only signs."""
    return Client(base_url=origin, httpx_args={"transport": SigningTransport()})


def order_refs(order_ids: list[str]) -> list[OrderRef]:
    """Return the orders as this package takes them."""
    return [OrderRef(order_id=order_id) for order_id in order_ids]


def require_all_accepted(report: Report) -> Report:
    """Return a report; fail unless all orders are accepted."""
    assert all(outcome.status is Status.ACCEPTED for outcome in report), report
    return report


def require_cancel_response(response: object) -> object:
    """Return the result of the generated function; fail unless it is a success."""
    assert isinstance(response, BatchCancelOrdersResponse), response
    return response


class Generated(SyncClient):
    """The generated function over the middleware chain, one batch at a time; races use `cancel_orders`."""

    def __init__(self, origin: str, *, limited: bool) -> None:
        super().__init__(origin, limited=limited)
        self.client = self.new_client()

    def new_client(self) -> Client:
        """Return the client that the generated function gets."""
        return new_client(self.origin, limited=self.limited)

    def cancel_batch(self, order_ids: list[str]) -> object:
        body = BatchCancelOrdersRequest(symbol=SYMBOL, order_list=order_refs(order_ids))
        return require_cancel_response(batch_cancel_orders.sync(client=self.client, body=body))

    def cancel_all(self, order_ids: list[str]) -> None:
        require_all_accepted(cancel_orders.sync(client=self.client, orders=order_refs(order_ids), symbol=SYMBOL))

    def close(self) -> None:
        self.client.get_httpx_client().close()


class SignedOnly(Generated):
    """The generated function with only a signature under it."""

    def new_client(self) -> Client:
        return new_signing_client(self.origin)


class CancelOrders(Generated):
    """`cancel_orders`, also for a single batch."""

    def cancel_batch(self, order_ids: list[str]) -> object:
        orders = order_refs(order_ids)
        return require_all_accepted(cancel_orders.sync(client=self.client, orders=orders, symbol=SYMBOL))


class AsyncGenerated(AsyncClient):
    """Like `Generated`, from tasks."""

    def __init__(self, origin: str, *, limited: bool) -> None:
        super().__init__(origin, limited=limited)
        self.client = self.new_client()

    def new_client(self) -> Client:
        """Return the client that the generated function gets."""
        return new_client(self.origin, limited=self.limited)

    async def cancel_batch(self, order_ids: list[str]) -> object:
        body = BatchCancelOrdersRequest(symbol=SYMBOL, order_list=order_refs(order_ids))
        return require_cancel_response(await batch_cancel_orders.asyncio(client=self.client, body=body))

    def cancel_all(self, order_ids: list[str]) -> None:
        orders = order_refs(order_ids)
        require_all_accepted(self.runner.run(cancel_orders.asyncio(client=self.client, orders=orders, symbol=SYMBOL)))

    async def aclose(self) -> None:
        await self.client.get_async_httpx_client().aclose()


class AsyncSignedOnly(AsyncGenerated):
    """Like `SignedOnly`, from tasks."""

    def new_client(self) -> Client:
        return new_signing_client(self.origin)


class AsyncCancelOrders(AsyncGenerated):
    """Like `CancelOrders`, from tasks."""

    async def cancel_batch(self, order_ids: list[str]) -> object:
        orders = order_refs(order_ids)
        return require_all_accepted(await cancel_orders.asyncio(client=self.client, orders=orders, symbol=SYMBOL))


# Unified accounts and the kill switch, against the sandbox.


def cancel_on_account(
    origin: str, account_type: Literal["classic", "unified"], symbols: list[str], order_ids: list[str] | None
) -> tuple[float, float]:
    """Cancel these orders, or whatever is open; return the seconds and the CPU seconds."""
    client = connect(
        Credentials(API_KEY, SECRET_KEY, PASSPHRASE),
        base_url=origin,
        rate_limit_store=MemoryStore(),
        account_type=account_type,
    )
    refs = [OrderRef(symbol=symbols[0], order_id=order_id) for order_id in order_ids or ()]

    def run_sync() -> None:
        with client:
            if refs:
                cancel_orders.sync(client=client, orders=refs)
            else:
                cancel_open_orders.sync(client=client)

    async def run_async() -> None:
        async with client:
            if refs:
                await cancel_orders.asyncio(client=client, orders=refs)
            else:
                await cancel_open_orders.asyncio(client=client)

    if sys.argv[1].endswith("-async"):
        return timed(lambda: asyncio.run(run_async()))
    return timed(run_sync)


# How the cost grows. With a transport that responds immediately and a limit that is never reached, only this package's work
# remains: the network costs the same for every batch, and waiting depends on the limit, not on the number of orders.


class ImmediateTransport(httpx.BaseTransport):
    """Accepts every order immediately."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return a success with every order of the batch."""
        content = b"".join(request.stream)  # type: ignore[arg-type]  # the stream of a signed request is a sync one
        rows = b",".join(b'{"orderId":"%s","clientOid":""}' % order_id for order_id in ORDER_ID.findall(content))
        envelope = (
            b'{"code":"00000","msg":"success","requestTime":1695808949356,"data":{"successList":[%s],"failureList":[]}}'
        )
        return httpx.Response(200, headers={"content-type": "application/json"}, content=envelope % rows)


def cpu_of_orders(orders: int) -> float:
    """Return the CPU seconds of cancelling this number of orders."""
    client = new_client_without_network()
    refs = order_refs(new_order_ids(orders))
    gc.collect()
    started_at = time.process_time()
    report = cancel_orders.sync(client=client, orders=refs, symbol=SYMBOL)
    seconds = time.process_time() - started_at
    require_all_accepted(report)
    return seconds


def memory_of_orders(orders: int) -> int:
    """Return the peak of the bytes allocated while this number of orders is cancelled, beyond the orders themselves."""
    client = new_client_without_network()
    refs = order_refs(new_order_ids(orders))
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    report = cancel_orders.sync(client=client, orders=refs, symbol=SYMBOL)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    require_all_accepted(report)
    return peak - before


if __name__ == "__main__":
    run_jobs(
        {
            "stdlib": StandardLibrary,
            "handwritten": HandwrittenLoop,
            "signed-only": SignedOnly,
            "signed-only-async": AsyncSignedOnly,
            "generated": Generated,
            "generated-async": AsyncGenerated,
            "cancel_orders": CancelOrders,
            "cancel_orders-async": AsyncCancelOrders,
        },
        {
            "cpu_of_orders": cpu_of_orders,
            "memory_of_orders": memory_of_orders,
            "cancel_on_account": cancel_on_account,
        },
    )
