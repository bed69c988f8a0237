"""Any orders and any sequence of faults: no outcome is better or worse than what the exchange has done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reports import status_counts
from sandboxes import call, connect_to

from bitget_spot import Report, Status, cancel_orders
from bitget_spot._middleware import rate_limit, retry
from bitget_spot.rate_limit import policy
from bitget_spot.sandbox import FAULT_NAMES, Sandbox
from bitget_spot_api.models import OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, BATCH_CANCEL_UNIFIED_ORDERS

HIGH_RATE: Final = 100_000
"""Requests per second that all examples together do not reach."""
HIGH_RATES: Final = dict.fromkeys(
    (BATCH_CANCEL_ORDERS.operation_id, BATCH_CANCEL_UNIFIED_ORDERS.operation_id), HIGH_RATE
)
FAULT_VALUES: Final = {
    # The faults with a value, and values after which it is not obvious whether a retry helps.
    "raw": ["raw=[]", "raw=", 'raw={"code":"00000","data":"x"}', 'raw={"code":"00000","data":{"successList":[null]}}'],
    "code": ["code=45001", "code=40725", "code=40808", "code=40918", "code=43001", "code=40309"],
    "code-after": ["code-after=45001", "code-after=40015"],
    "row-code": ["row-code=429", "row-code=45001", "row-code=45055", "row-code=40725"],
    "row-code-after": ["row-code-after=45001", "row-code-after=40010"],
}
OMITTED: Final = ("delay", "delay-before", "clock-skew", "list-code", "list-data")
UNIFIED_FAULT_VALUES: Final = FAULT_VALUES | {
    "raw": ["raw=[]", "raw=", 'raw={"code":"00000","data":"x"}', 'raw={"code":"00000","data":[null,{"code":"0"}]}'],
    "code": ["code=25000", "code=25004", "code=40808", "code=40918", "code=25204", "code=25101"],
    "row-code": ["row-code=429", "row-code=25000", "row-code=25114", "row-code=25004"],
    "row-code-after": ["row-code-after=25000", "row-code-after=45001"],
}
# Without its code, a failed row of a unified account is a success.
UNIFIED_OMITTED: Final = (*OMITTED, "no-error-code")
GONE_FAULTS: Final = {"code=43001", "code=25204"}
"""Responses that say that orders are gone although they are open."""


def all_faults(values: dict[str, list[str]], omitted: tuple[str, ...]) -> list[str]:
    """Return every fault, those with a value once for each of its values."""
    faults = []
    for name in FAULT_NAMES:
        if name not in omitted:
            faults += values.get(name, [name])
    return sorted(faults)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    """One sandbox for all examples; each opens orders of its own."""
    with Sandbox(orders=0, requests_per_second=HIGH_RATE) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def unified() -> Iterator[Sandbox]:
    """One sandbox with a unified account for all examples."""
    with Sandbox(orders=0, requests_per_second=HIGH_RATE, account_type="unified") as sandbox:
        yield sandbox


@pytest.fixture
def very_short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten every pause and every time for which a permit stays occupied."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "MAX_PAUSE", 0.001)
    monkeypatch.setattr(policy, "MAX_PAUSE", 0.02)
    monkeypatch.setattr(policy, "IN_FLIGHT_GRACE", 0.02)
    monkeypatch.setattr(rate_limit, "IN_FLIGHT_GRACE", 0.02)


def make_ref(sandbox: Sandbox, order_id: str, way: int) -> OrderRef:
    """Address an order in one of four ways."""
    order = sandbox.orders[order_id]
    if way == 0:
        return OrderRef(order_id=order.order_id)
    if way == 1:
        return OrderRef(client_oid=order.client_oid)
    if way == 2:
        return OrderRef(order_id=order.order_id, symbol=order.symbol)
    return OrderRef(client_oid=order.client_oid, symbol=order.symbol)


def allowed_states(status: Status, faults: list[str]) -> set[str]:
    """Return the states at the exchange that an order with this status may have."""
    if status is Status.ACCEPTED:
        return {"cancelled"}
    if status is Status.GONE:
        # A faked response is believed.
        return {"cancelled", "filled", "live"} if GONE_FAULTS & set(faults) else {"cancelled", "filled"}
    if status is Status.UNKNOWN:
        return {"live", "filled", "cancelled"}
    return {"live", "filled"}


def check(  # noqa: PLR0917 - the values that Hypothesis draws
    mode: str,
    sandbox: Sandbox,
    orders: list[OrderRef],
    indices: list[int],
    order_ids: list[str],
    faults: list[str],
    batch_size: int,
) -> None:
    """Cancel orders while faults happen, and compare each outcome with what the exchange has done."""
    sandbox.clear_faults()
    for fault in faults:
        sandbox.inject(fault)
    client = connect_to(sandbox, requests_per_second=HIGH_RATES, max_retries=2, account_type=sandbox.account_type)
    report: Report = call(mode, cancel_orders, client, orders=orders, batch_size=batch_size)

    assert sum(status_counts(report).values()) == len(orders)
    states = {order_id: order.status for order_id, order in sandbox.orders.items()}
    for index, order, outcome in zip(indices, orders, report, strict=True):
        assert outcome.order is order
        state = states[order_ids[index]]
        assert state in allowed_states(outcome.status, faults), (outcome, state)
        if outcome.status is Status.NOT_SENT:
            assert outcome.attempts == 0
        first = report.outcomes[index]
        assert (outcome.status, outcome.code, outcome.attempts) == (first.status, first.code, first.attempts)


EXAMPLES: Final = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
WAYS: Final = st.lists(st.integers(0, 3), min_size=1, max_size=30)
REPEATED: Final = st.lists(st.integers(0, 10**6), max_size=5)
FILLED: Final = st.sets(st.integers(0, 29))


@pytest.mark.usefixtures("very_short_pauses")
@EXAMPLES
@given(
    ways=WAYS,
    repeated=REPEATED,
    filled=FILLED,
    faults=st.lists(st.sampled_from(all_faults(FAULT_VALUES, OMITTED)), min_size=1, max_size=12),
    as_refusal=st.booleans(),
    batch_size=st.integers(3, 50),
)
def test_any_sequence_of_faults(  # noqa: PLR0917 - the values that Hypothesis draws
    mode: str,
    sandbox: Sandbox,
    ways: list[int],
    repeated: list[int],
    filled: set[int],
    faults: list[str],
    as_refusal: bool,
    batch_size: int,
) -> None:
    """
    Every order has exactly one outcome, in the order of the input. An accepted order is cancelled at the exchange, a
    rejected or unsent one is not, and one that is gone is not open.
    """
    count = len(ways)
    sandbox.all_gone_as_refusal = as_refusal
    order_ids = [order.order_id for order in sandbox.open_orders(count)]
    indices = [*range(count), *(index % count for index in repeated)]
    orders = [make_ref(sandbox, order_ids[index], ways[index]) for index in indices]
    for index in filled & set(range(count)):
        sandbox.fill(order_ids[index])
    check(mode, sandbox, orders, indices, order_ids, faults, batch_size)


@pytest.mark.usefixtures("very_short_pauses")
@EXAMPLES
@given(
    ways=WAYS,
    repeated=REPEATED,
    filled=FILLED,
    faults=st.lists(st.sampled_from(all_faults(UNIFIED_FAULT_VALUES, UNIFIED_OMITTED)), min_size=1, max_size=12),
    batch_size=st.integers(3, BATCH_CANCEL_UNIFIED_ORDERS.max_items["body"]),
)
def test_any_sequence_of_faults_on_a_unified_account(  # noqa: PLR0917 - the values that Hypothesis draws
    mode: str,
    unified: Sandbox,
    ways: list[int],
    repeated: list[int],
    filled: set[int],
    faults: list[str],
    batch_size: int,
) -> None:
    """The same holds for a unified account, whose orders need their trading pair."""
    count = len(ways)
    order_ids = [order.order_id for order in unified.open_orders(count)]
    indices = [*range(count), *(index % count for index in repeated)]
    orders = [make_ref(unified, order_ids[index], 2 + ways[index] % 2) for index in indices]
    for index in filled & set(range(count)):
        unified.fill(order_ids[index])
    check(mode, unified, orders, indices, order_ids, faults, batch_size)
