"""The kill switch in any combination of faults, in virtual time, compared with the exchange's own records."""

from __future__ import annotations

from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from open_orders import confirmed_by_id, state_at_exchange
from sandboxes import still_open
from virtual_time import VirtualTime, run_in_virtual_time

from bitget_spot import Confirmed, Outcome, Status
from bitget_spot._middleware import rate_limit, retry
from bitget_spot._middleware.account_type import AccountType
from bitget_spot.rate_limit import policy
from bitget_spot.sandbox import Order, Sandbox

HIGH_RATE: Final = 100_000
"""Requests per second that no example reaches."""
RECOVERY: Final = 30.0
"""Seconds after which the exchange has no more faults; the deadline is thirty seconds later."""
FAULTS: Final = (
    "429",
    "html-403",
    "html-502",
    "html-520",
    "empty",
    "raw={}",
    "drop-before",
    "drop-after",
    "code=45001",
    "code=40008",
    "code-after=40725",
    "list-code=45001",
    "list-code=99999",
    "list-data={}",
    "list-data=null",
    'list-data=[{"symbol":"BTCUSDT"}]',
    "row-code=45001",
    "row-code=429",
    "row-code-after=40010",
    "null-data",
    "missing-lists",
    "missing-rows",
    "reordered",
    "ids-as-numbers",
    "string-request-time",
)
"""Faults after which the exchange may recover, and that do not lie about what is open."""


@pytest.fixture
def very_short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten every pause that is not in virtual time."""
    monkeypatch.setattr(retry, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(retry, "MAX_PAUSE", 0.001)
    monkeypatch.setattr(policy, "MAX_PAUSE", 0.005)
    monkeypatch.setattr(policy, "IN_FLIGHT_GRACE", 0.005)
    monkeypatch.setattr(rate_limit, "IN_FLIGHT_GRACE", 0.005)


def open_orders(sandbox: Sandbox, counts: tuple[int, int, int], category: str) -> None:
    """Open normal, TP/SL and trigger orders, as far as the account can have them."""
    normal, tpsl, plan = counts
    sandbox.open_orders(normal, category=category)
    if sandbox.account_type == "classic" or category != "SPOT":
        sandbox.open_orders(tpsl, kind="tpsl", category=category)
    if sandbox.account_type == "classic":
        sandbox.open_orders(plan, kind="plan")


def contradicts(outcome: Outcome, order: Order) -> bool:
    """Return whether an outcome is wrong by the exchange's records."""
    if outcome.status in (Status.REJECTED, Status.NOT_SENT) and order.status == "cancelled":
        return True
    if outcome.confirmed in (None, Confirmed.NOT_FOUND):
        return False
    return outcome.confirmed is not state_at_exchange(order)


@pytest.mark.usefixtures("very_short_pauses")
@pytest.mark.parametrize(
    ("account_type", "category"), [("classic", "SPOT"), ("unified", "SPOT"), ("unified", "USDT-FUTURES")]
)
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),  # the faults happen by chance, so an example cannot be shrunk
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    counts=st.tuples(st.integers(0, 130), st.integers(0, 12), st.integers(0, 12)),
    faults=st.lists(st.tuples(st.sampled_from(FAULTS), st.sampled_from([0.05, 0.3, 0.9])), max_size=4),
    filled=st.sets(st.integers(0, 129), max_size=10),
    cancel_delay=st.sampled_from([0.0, 0.5, 3.0]),
    by_symbol=st.booleans(),
    seed=st.integers(0, 5),
)
def test_any_emergency(  # noqa: PLR0917 - the values that Hypothesis draws
    mode: str,
    account_type: AccountType,
    category: str,
    counts: tuple[int, int, int],
    faults: list[tuple[str, float]],
    filled: set[int],
    cancel_delay: float,
    by_symbol: bool,
    seed: int,
) -> None:
    """
    If the exchange recovers in time, no order stays open, and each is reported once. No outcome contradicts the
    exchange's own records.
    """
    virtual_time = VirtualTime()
    sandbox = Sandbox(
        orders=0,
        account_type=account_type,
        requests_per_second=HIGH_RATE,
        cancel_delay=cancel_delay,
        timer=virtual_time.read,
        seed=seed,
    )
    with sandbox:
        open_orders(sandbox, counts, category)
        normal = [order.order_id for order in sandbox.orders.values() if order.kind == "normal"]
        to_fill = [normal[index] for index in filled if index < len(normal)]

        def fill() -> None:
            for order_id in to_fill:
                if sandbox.orders[order_id].is_open:
                    sandbox.fill(order_id, partially=order_id[-1] in "02468")

        for fault, chance in faults:
            sandbox.inject(fault, chance=chance)
        virtual_time.scheduled = [(0.2, fill), (RECOVERY, sandbox.clear_faults)]
        report = run_in_virtual_time(
            mode, sandbox, virtual_time, kinds=(), by_symbol=by_symbol, category=category, deadline=2 * RECOVERY
        )
        assert still_open(sandbox) == [], (faults, str(report))
        orders = sandbox.orders
        assert set(confirmed_by_id(report)) <= set(orders)
        wrong = [(outcome, orders[str(outcome.order.order_id)]) for outcome in report]
        assert [pair for pair in wrong if contradicts(*pair)] == []
        if not by_symbol:
            assert len(report) == len(orders)
