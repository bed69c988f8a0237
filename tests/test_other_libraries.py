"""Libraries that users combine with httpx work with this package as well: mocks of httpx, and OpenTelemetry."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from bitget_spot import Credentials, OrderRef, Report, Status, cancel_orders, connect
from bitget_spot.client import SpotClient
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.sandbox import Sandbox
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, SERVER_URL

respx = pytest.importorskip("respx", reason="NOT TESTED: needs respx")
pytest.importorskip("pytest_httpx", reason="NOT TESTED: needs pytest-httpx")
instrumentation = pytest.importorskip(
    "opentelemetry.instrumentation.httpx", reason="NOT TESTED: needs opentelemetry-instrumentation-httpx"
)
trace = pytest.importorskip("opentelemetry.sdk.trace", reason="NOT TESTED: needs opentelemetry-sdk")
export = pytest.importorskip("opentelemetry.sdk.trace.export.in_memory_span_exporter")
processor = pytest.importorskip("opentelemetry.sdk.trace.export")

URL: Final = f"{SERVER_URL}{BATCH_CANCEL_ORDERS.path}"
ACCEPTED: Final = {"code": "00000", "data": {"successList": [{"orderId": "1"}], "failureList": []}}
Cancel = Callable[[SpotClient, list[OrderRef]], Report]


def cancel_in_thread(client: SpotClient, orders: list[OrderRef]) -> Report:
    """Cancel from this thread."""
    with client:
        return cancel_orders.sync(client=client, orders=orders)


def cancel_in_task(client: SpotClient, orders: list[OrderRef]) -> Report:
    """Cancel from a task."""

    async def run() -> Report:
        async with client:
            return await cancel_orders.asyncio(client=client, orders=orders)

    return asyncio.run(run())


both_modes = pytest.mark.parametrize("cancel", [cancel_in_thread, cancel_in_task])


@pytest.fixture
def client() -> SpotClient:
    """A client of the live exchange, which must not be reached."""
    return connect(Credentials("key", "secret", "passphrase"), base_url=SERVER_URL, rate_limit_store=MemoryStore())


@both_modes
def test_respx(cancel: Cancel, client: SpotClient) -> None:
    """A bot's tests may replace the exchange with respx."""
    with respx.mock:
        route = respx.post(URL).respond(json=ACCEPTED)
        report = cancel(client, [OrderRef(order_id="1")])
    assert report.counts[Status.ACCEPTED] == 1
    assert "access-sign" in route.calls.last.request.headers


@both_modes
def test_pytest_httpx(cancel: Cancel, client: SpotClient, httpx_mock: Any) -> None:
    """A bot's tests may replace the exchange with pytest-httpx."""
    httpx_mock.add_response(method="POST", url=URL, json=ACCEPTED)
    report = cancel(client, [OrderRef(order_id="1")])
    assert report.counts[Status.ACCEPTED] == 1
    assert "access-sign" in httpx_mock.get_requests()[0].headers


@pytest.fixture
def exporter() -> Iterator[Any]:
    """Instrument httpx; the value has the spans that have ended."""
    exporter = export.InMemorySpanExporter()
    provider = trace.TracerProvider()
    provider.add_span_processor(processor.SimpleSpanProcessor(exporter))
    instrumentor = instrumentation.HTTPXClientInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    exporter.tracer = provider.get_tracer("test")
    yield exporter
    instrumentor.uninstrument()


@both_modes
def test_spans_have_their_parent(cancel: Cancel, bitget_sandbox: Sandbox, exporter: Any) -> None:
    """The span of each request, also of one that a worker thread sends, is a child of the caller's span."""
    client = connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url)
    orders = [OrderRef(order_id=order_id) for order_id in bitget_sandbox.orders]
    with exporter.tracer.start_as_current_span("cancel everything"):
        cancel(client, orders)
    *requests, caller = exporter.get_finished_spans()
    assert caller.name == "cancel everything"
    assert len(requests) == 3
    assert {span.parent.span_id for span in requests} == {caller.context.span_id}
