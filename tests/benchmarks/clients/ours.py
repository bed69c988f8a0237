"""
This package, and what one writes by hand instead: run by `peers.py` in this project's own environment.

Also how the cost of this package grows with the number of orders, over a wire that answers at once.
"""

from __future__ import annotations

import gc
import http.client
import json
import re
import time
import tracemalloc
from typing import Final
from urllib.parse import urlsplit

import httpx
from contender import KEY, PASSPHRASE, PATH, SECRET, SYMBOL, InTasks, InThreads, body_of, ids_of, obey, signed
from cpu import Bare

from bitget_spot import Credentials, Report, Status, cancel_orders, connect
from bitget_spot.rate_limit import MemoryStore
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, BatchCancelOrdersResponse, OrderRef

PLENTY: Final = 10**6
"""Requests in a second: the limit is there, and has room."""
SPACING: Final = 0.100
"""Seconds that a loop written by hand sleeps after a batch."""
ORDER_ID: Final = re.compile(rb'"orderId": ?"(\d+)"')


def checked(answer: dict[str, object]) -> object:
    """Take no answer but a success."""
    assert answer["code"] == "00000", answer
    return answer


class Raw(InThreads):
    """The standard library, and nothing that could be left out."""

    def __init__(self, origin: str, *, limited: bool) -> None:
        super().__init__(origin, limited=limited)
        self.connection = http.client.HTTPConnection(urlsplit(origin).netloc)

    def cancel(self, ids: list[str]) -> object:
        body = body_of(ids)
        self.connection.request("POST", PATH, body, signed(body))
        return checked(json.loads(self.connection.getresponse().read()))

    def close(self) -> None:
        self.connection.close()


class ByHand(InThreads):
    """A loop over httpx: sign, post, sleep."""

    def __init__(self, origin: str, *, limited: bool) -> None:
        super().__init__(origin, limited=limited)
        self.client = httpx.Client(base_url=origin, verify=False)  # noqa: S501 - it speaks plain http here

    def cancel(self, ids: list[str]) -> object:
        body = body_of(ids)
        return checked(self.client.post(PATH, content=body, headers=signed(body)).raise_for_status().json())

    def pause(self) -> None:
        time.sleep(SPACING)

    def close(self) -> None:
        self.client.close()


def ours(origin: str, *, limited: bool, transport: httpx.BaseTransport | None = None) -> Client:
    """Make a client of this package; the budget is its own."""
    return connect(
        Credentials(KEY, SECRET, PASSPHRASE),
        base_url=origin,
        rate_limit_store=MemoryStore(),
        requests_per_second=None if limited else PLENTY,
        transport=transport,
    )


def instant() -> Client:
    """Make a client whose wire answers at once."""
    return ours("http://127.0.0.1:9", limited=False, transport=Instant())


def bare(origin: str) -> Client:
    """Make a client for the same generated function with nothing but a signature under it."""
    return Client(base_url=origin, httpx_args={"transport": Bare()})


def orders_of(ids: list[str]) -> list[OrderRef]:
    """Make the orders that this package takes."""
    return [OrderRef(order_id=one) for one in ids]


def all_accepted(report: Report) -> Report:
    """Take no report but one of a whole success."""
    assert all(outcome.status is Status.ACCEPTED for outcome in report.outcomes), report
    return report


class Generated(InThreads):
    """The generated function with the chain under it, a batch at a time; a race by the function for any number."""

    def __init__(self, origin: str, *, limited: bool) -> None:
        super().__init__(origin, limited=limited)
        self.client = self.made()

    def made(self) -> Client:
        """Make what lies under the generated function."""
        return ours(self.origin, limited=self.limited)

    def cancel(self, ids: list[str]) -> object:
        body = BatchCancelOrdersRequest(symbol=SYMBOL, order_list=orders_of(ids))
        answer = batch_cancel_orders.sync(client=self.client, body=body)
        assert isinstance(answer, BatchCancelOrdersResponse), answer
        return answer

    def race(self, ids: list[str]) -> None:
        all_accepted(cancel_orders.sync(client=self.client, orders=orders_of(ids), symbol=SYMBOL))

    def close(self) -> None:
        self.client.get_httpx_client().close()


class GeneratedBare(Generated):
    """The generated function with a signature under it."""

    def made(self) -> Client:
        return bare(self.origin)


class AnyNumber(Generated):
    """The function for any number of orders, with fifty of them."""

    def cancel(self, ids: list[str]) -> object:
        return all_accepted(cancel_orders.sync(client=self.client, orders=orders_of(ids), symbol=SYMBOL))


class GeneratedInTasks(InTasks):
    """As `Generated`, from tasks."""

    def __init__(self, origin: str, *, limited: bool) -> None:
        super().__init__(origin, limited=limited)
        self.client = self.made()

    def made(self) -> Client:
        """Make what lies under the generated function."""
        return ours(self.origin, limited=self.limited)

    async def cancel(self, ids: list[str]) -> object:
        body = BatchCancelOrdersRequest(symbol=SYMBOL, order_list=orders_of(ids))
        answer = await batch_cancel_orders.asyncio(client=self.client, body=body)
        assert isinstance(answer, BatchCancelOrdersResponse), answer
        return answer

    def race(self, ids: list[str]) -> None:
        orders = orders_of(ids)
        all_accepted(self.runner.run(cancel_orders.asyncio(client=self.client, orders=orders, symbol=SYMBOL)))

    async def aclose(self) -> None:
        await self.client.get_async_httpx_client().aclose()


class GeneratedBareInTasks(GeneratedInTasks):
    """As `GeneratedBare`, from tasks."""

    def made(self) -> Client:
        return bare(self.origin)


class AnyNumberInTasks(GeneratedInTasks):
    """As `AnyNumber`, from tasks."""

    async def cancel(self, ids: list[str]) -> object:
        return all_accepted(await cancel_orders.asyncio(client=self.client, orders=orders_of(ids), symbol=SYMBOL))


# How the cost grows. A wire that answers at once and a limit with room leave nothing but this package's work: sockets
# cost the same for every batch, and what waiting for the limit costs depends on the limit, not on the number of orders.


class Instant(httpx.BaseTransport):
    """A wire that accepts every order at once."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Answer with every order of the batch."""
        content = b"".join(request.stream)  # type: ignore[arg-type]  # a signed request's stream is of the sync kind
        rows = b",".join(b'{"orderId":"%s","clientOid":""}' % one for one in ORDER_ID.findall(content))
        envelope = (
            b'{"code":"00000","msg":"success","requestTime":1695808949356,"data":{"successList":[%s],"failureList":[]}}'
        )
        return httpx.Response(200, headers={"content-type": "application/json"}, content=envelope % rows)


def growth(orders: int) -> float:
    """Tell the CPU seconds of cancelling so many orders."""
    client, given = instant(), orders_of(ids_of(orders))
    gc.collect()
    started = time.process_time()
    report = cancel_orders.sync(client=client, orders=given, symbol=SYMBOL)
    took = time.process_time() - started
    all_accepted(report)
    return took


def memory(orders: int) -> int:
    """Tell the most bytes that cancelling so many orders had allocated at a time, beyond what was given."""
    client, given = instant(), orders_of(ids_of(orders))
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    report = cancel_orders.sync(client=client, orders=given, symbol=SYMBOL)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    all_accepted(report)
    return most - before


if __name__ == "__main__":
    obey(
        {
            "raw": Raw,
            "by-hand": ByHand,
            "bare": GeneratedBare,
            "bare-async": GeneratedBareInTasks,
            "generated": Generated,
            "generated-async": GeneratedInTasks,
            "cancel_orders": AnyNumber,
            "cancel_orders-async": AnyNumberInTasks,
        },
        {"growth": growth, "memory": memory},
    )
