"""Any orders, any faults in any sequence: what is told is never better or worse than what the exchange has done."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitget_spot import Report, Status, cancel_orders, connect
from bitget_spot._middleware import rate_limit, retry
from bitget_spot.rate_limit import MemoryStore, policy
from bitget_spot.sandbox import FAULT_NAMES, Sandbox
from bitget_spot_api.models import OrderRef

VALUES = {
    # Those that take a value, with the values that leave open whether another try may help.
    "raw": ["raw=[]", "raw=", 'raw={"code":"00000","data":"x"}', 'raw={"code":"00000","data":{"successList":[null]}}'],
    "code": ["code=45001", "code=40725", "code=40808", "code=40918", "code=43001"],
    "code-after": ["code-after=45001", "code-after=40015"],
}
LEFT_OUT = ("delay", "delay-before", "clock-skew")
FAULTS = sorted(text for name in FAULT_NAMES if name not in LEFT_OUT for text in VALUES.get(name, [name]))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One exchange for all examples, each with orders of its own."""
    with Sandbox(orders=0, requests_per_second=100_000) as sandbox:
        yield sandbox


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pauses and closures short."""
    for module, name in ((retry, "FIRST_PAUSE"), (retry, "MAX_PAUSE")):
        monkeypatch.setattr(module, name, 0.001)
    for module, name in ((policy, "MAX_PAUSE"), (policy, "HOLD"), (rate_limit, "HOLD")):
        monkeypatch.setattr(module, name, 0.02)


def ask(index: int, way: int, sandbox: Sandbox, ids: list[str]) -> OrderRef:
    """Address the order at a place in one of the ways there are, always the same for one place."""
    order = sandbox.orders[ids[index]]
    if way % 2:
        return OrderRef(client_oid=order.client_oid, **({"symbol": order.symbol} if way > 1 else {}))
    return OrderRef(order_id=order.order_id, **({"symbol": order.symbol} if way > 1 else {}))


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("manner", ["sync", "asyncio"])
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    ways=st.lists(st.integers(0, 3), min_size=1, max_size=30),
    repeated=st.lists(st.integers(0, 10**6), max_size=5),
    filled=st.sets(st.integers(0, 29)),
    faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=12),
    as_refusal=st.booleans(),
    size=st.integers(3, 50),
)
def test_whatever_goes_wrong(  # noqa: PLR0917 - what hypothesis draws
    manner: str,
    sandbox: Sandbox,
    ways: list[int],
    repeated: list[int],
    filled: set[int],
    faults: list[str],
    as_refusal: bool,
    size: int,
) -> None:
    """
    Every order has exactly one outcome, in its place; none is called accepted that the exchange has not cancelled,
    none rejected that this run has cancelled, and none unsent or gone that is not.
    """
    sandbox.all_gone_as_refusal = as_refusal
    ids = [order.order_id for order in sandbox.open_orders(len(ways))]
    asked = [*range(len(ids)), *(one % len(ids) for one in repeated)]
    orders = [ask(index, ways[index], sandbox, ids) for index in asked]
    for index in filled & set(range(len(ids))):
        sandbox.fill(ids[index])
    sandbox.clear_faults()
    for fault in faults:
        sandbox.inject(fault)
    client = connect(
        sandbox.credentials,
        base_url=sandbox.url,
        rate_limit_store=MemoryStore(),
        requests_per_second=100_000,
        max_retries=2,
    )

    async def task() -> Report:
        async with client:
            return await cancel_orders.asyncio(client=client, orders=orders, batch_size=size)

    with client:
        report = (
            asyncio.run(task())
            if manner == "asyncio"
            else cancel_orders.sync(client=client, orders=orders, batch_size=size)
        )
    assert len(report.outcomes) == len(orders)
    book = sandbox.orders
    for index, order, outcome in zip(asked, orders, report.outcomes, strict=True):
        status = book[ids[index]].status
        assert outcome.order is order
        allowed = {
            Status.ACCEPTED: {"cancelled"},
            # A refusal put in the exchange's mouth is believed.
            Status.GONE: {"cancelled", "filled", *(["live"] if "code=43001" in faults else [])},
            Status.REJECTED: {"live", "filled"},
            Status.UNKNOWN: {"live", "filled", "cancelled"},
            Status.NOT_SENT: {"live", "filled"},
        }
        assert status in allowed[outcome.status], (outcome, status)
        assert (outcome.status is Status.NOT_SENT) <= (outcome.attempts == 0)
        twin = report.outcomes[index]
        assert (outcome.status, outcome.code, outcome.attempts) == (twin.status, twin.code, twin.attempts)
