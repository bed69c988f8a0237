"""However a run ends, what leaves it carries the report; and what is asked for oddly is planned soundly."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Iterator

import httpx
import pytest

from bitget_spot import Credentials, DeadlineExceeded, InvalidBatchError, Report, Status, cancel_orders, connect
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.sandbox import Sandbox
from bitget_spot.validation import validate_batch
from bitget_spot_api import Client
from bitget_spot_api.models import OrderRef
from bitget_spot_api.types import UNSET, Unset


@pytest.fixture
def exchange() -> Iterator[Sandbox]:
    """An exchange whose limit is out of the way."""
    with Sandbox(requests_per_second=1000) as sandbox:
        yield sandbox


def orders(exchange: Sandbox, number: int) -> list[OrderRef]:
    """Some of its orders."""
    return [OrderRef(order_id=order_id) for order_id in list(exchange.orders)[:number]]


def client_of(exchange: Sandbox, requests_per_second: float | None = None) -> Client:
    """A client with a budget of its own."""
    return connect(
        exchange.credentials,
        base_url=exchange.url,
        rate_limit_store=MemoryStore(),
        requests_per_second=requests_per_second,
    )


async def arrived(exchange: Sandbox, number: int) -> None:
    """Wait until so many requests are with the exchange."""
    while len(exchange.arrivals) < number:  # noqa: ASYNC110 - the exchange lives on another thread
        await asyncio.sleep(0.002)


@pytest.mark.parametrize("manner", ["sync", "asyncio"])
def test_a_deadline_that_passes_in_the_line(manner: str, exchange: Sandbox) -> None:
    """Who waits for a slot when the deadline passes was not sent, and the run says so."""
    client, two = client_of(exchange, 1), orders(exchange, 2)

    async def in_tasks() -> Report:
        async with client:
            return await cancel_orders.asyncio(client=client, orders=two, batch_size=1, deadline=0.2)

    def run() -> Report:
        if manner == "asyncio":
            return asyncio.run(in_tasks())
        return cancel_orders.sync(client=client, orders=two, batch_size=1, deadline=0.2)

    with client, pytest.raises(DeadlineExceeded) as caught:
        run()
    assert caught.value.report is not None
    assert [outcome.status for outcome in caught.value.report.outcomes] == [Status.ACCEPTED, Status.NOT_SENT]


def test_a_second_cancellation(exchange: Sandbox) -> None:
    """A task that is cancelled twice does not wait for what is in flight, and still tells what is known."""
    exchange.inject("delay=5")

    async def scene() -> BaseException:
        async with client_of(exchange) as client:
            run = asyncio.create_task(cancel_orders.asyncio(client=client, orders=orders(exchange, 2)))
            await arrived(exchange, 1)
            run.cancel()
            await asyncio.sleep(0.01)
            run.cancel()
            with pytest.raises(asyncio.CancelledError) as caught:
                await run
            return caught.value

    assert vars(asyncio.run(scene()))["report"].counts[Status.UNKNOWN] == 2


def test_a_loop_that_ends(exchange: Sandbox) -> None:
    """Where the loop's end cancels the batches with the run, what was in flight is unknown and the rest not sent."""
    exchange.inject("delay=5", times=10)
    seen: list[BaseException] = []

    async def scene() -> None:
        async with client_of(exchange) as client:

            async def run() -> None:
                try:
                    await cancel_orders.asyncio(client=client, orders=orders(exchange, 60), batch_size=2)
                except asyncio.CancelledError as error:
                    seen.append(error)
                    raise

            task = asyncio.create_task(run())
            await arrived(exchange, 10)
            for one in asyncio.all_tasks() - {asyncio.current_task()}:
                one.cancel()
            await asyncio.wait([task])

    asyncio.run(scene())
    counts = vars(seen[0])["report"].counts
    assert (counts[Status.UNKNOWN], counts[Status.NOT_SENT]) == (20, 40)


def test_progress_that_raises_after_a_cancellation(exchange: Sandbox) -> None:
    """Whichever exception leaves in the end has the report."""
    exchange.inject("delay=0.3")

    def progress(_: object) -> None:
        raise LookupError

    async def scene() -> BaseException | None:
        async with client_of(exchange) as client:
            two = orders(exchange, 2)
            run = asyncio.create_task(cancel_orders.asyncio(client=client, orders=two, on_progress=progress))
            await arrived(exchange, 1)
            run.cancel()
            await asyncio.wait([run])
            return run.exception()

    error = asyncio.run(scene())
    assert isinstance(error, LookupError)
    assert report_of(error).counts[Status.ACCEPTED] == 2


@pytest.mark.parametrize("symbol", ["", "  "])
def test_a_blank_symbol_fills_in_nothing(symbol: str) -> None:
    """A blank symbol for those without one is none, and the plan stays sound."""
    given = [OrderRef(order_id="1", symbol="BTCUSDT"), OrderRef(order_id="2")]
    assert [validate_batch(one.to_dict()) for one in cancel_orders.plan(orders=given, symbol=symbol)] == [(), ()]


def test_a_symbol_is_stripped() -> None:
    """White space around the symbol is not sent."""
    (one,) = cancel_orders.plan(orders=[OrderRef(order_id="1")], symbol=" BTCUSDT ")
    assert one.symbol == "BTCUSDT"


def test_a_symbol_that_is_a_number() -> None:
    """A symbol that is not text is refused, with its place."""
    with pytest.raises(InvalidBatchError, match="symbol: is 5"):
        cancel_orders.plan(orders=[OrderRef(order_id="1")], symbol=5)  # type: ignore[arg-type]


def test_unset_stays_itself_in_a_pickle() -> None:
    """An order that comes out of a pickle has the one UNSET that the generated code looks for."""
    order = pickle.loads(pickle.dumps(OrderRef(order_id="1", symbol=Unset())))  # noqa: S301 - pickled here
    assert order.symbol is UNSET
    assert order.to_dict() == {"orderId": "1"}


@pytest.mark.parametrize(("told", "remaining"), [("7", 7), ("9" * 5000, None), ("soon", None), ("-1", None)])
def test_the_calls_left_are_told_where_they_are_a_number(told: str, remaining: int | None) -> None:
    """What the exchange says of the calls left is on the report, and nonsense costs nothing."""
    wire = httpx.MockTransport(
        lambda _: httpx.Response(200, headers={"x-mbx-used-remain-limit": told}, json={"code": "00000"})
    )
    client = connect(Credentials("a", "b", "c"), rate_limit_store=MemoryStore(), transport=wire)
    report = cancel_orders.sync(client=client, orders=[OrderRef(order_id="1")])
    assert report.remaining_calls == remaining
    assert report.counts[Status.UNKNOWN] == 1
