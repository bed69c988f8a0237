"""The two types of account: which operations each may use, and which orders it can have."""

from __future__ import annotations

import pytest
from sandbox_client import OpenClient

from bitget_spot.sandbox import Sandbox
from bitget_spot.sandbox.accounts import AccountType
from bitget_spot.sandbox.exchange import Exchange
from bitget_spot.sandbox.order_book import OrderKind
from bitget_spot_api.operations import GET_SERVER_TIME, OPERATIONS, Operation

SIGNED = [operation for operation in OPERATIONS.values() if operation.signed]
FUTURES = ("USDT-FUTURES", "COIN-FUTURES", "USDC-FUTURES")
ALLOWED = {
    *(("classic", "SPOT", kind) for kind in ("normal", "tpsl", "plan")),
    *(("unified", category, "normal") for category in ("SPOT", "MARGIN", *FUTURES)),
    *(("unified", category, "tpsl") for category in FUTURES),
}


@pytest.mark.parametrize("account_type", ["classic", "unified"])
@pytest.mark.parametrize("operation", SIGNED, ids=lambda operation: operation.operation_id)
def test_operations_of_the_other_account_type(open_client: OpenClient, operation: Operation, account_type: str) -> None:
    """An account gets 40085 or 40084 from the other version of the API, before signature and parameters are checked."""
    client = open_client(orders=0, account_type=account_type)
    if operation.method == "GET":
        response = client.get(operation, "limit=x", secret="wrong")
    else:
        response = client.post(b"{", operation=operation, secret="wrong")
    is_other = operation.api_version != {"classic": "v2", "unified": "v3"}[account_type]
    expected = {"classic": "40084", "unified": "40085"}[account_type] if is_other else "40009"
    assert (response.status_code, response.json()["code"]) == (400, expected)


@pytest.mark.parametrize("account_type", ["classic", "unified"])
def test_server_time_is_for_every_account(open_client: OpenClient, account_type: str) -> None:
    """The exchange's clock needs no account, whatever its version."""
    client = open_client(orders=0, account_type=account_type)
    assert client.get(GET_SERVER_TIME).json()["code"] == "00000"


@pytest.mark.parametrize("operation", SIGNED, ids=lambda operation: operation.operation_id)
def test_what_is_checked_before_the_account_type(operation: Operation) -> None:
    """An unknown key and a request above the limit are refused as such, and a refused request counts."""
    other_type: AccountType = "classic" if operation.api_version == "v3" else "unified"
    exchange = Exchange(orders=0, account_type=other_type, timer=lambda: 0.0)

    def refusal(api_key: str) -> str | None:
        return exchange.accept(operation, {"access-key": api_key}, 0.0).refusal

    limit = operation.rate_limit.requests
    code = "40084" if other_type == "classic" else "40085"
    assert (refusal(""), refusal("unknown")) == ("40001", "40037")
    assert [refusal(exchange.api_key) for _ in range(limit + 1)] == [code] * limit + ["429"]


def test_account_types_next_to_each_other() -> None:
    """An exchange can have accounts of both types."""
    exchange = Exchange(orders=0)
    exchange.add_account("other", "s", "p", account_type="unified")
    (order,) = exchange.open_orders(1, api_key="other", kind="tpsl", category="USDT-FUTURES")
    assert (order.api_key, order.kind, order.category) == ("other", "tpsl", "USDT-FUTURES")
    with pytest.raises(ValueError, match="a classic account cannot have normal orders in the category USDT-FUTURES"):
        exchange.open_orders(1, category="USDT-FUTURES")


@pytest.mark.parametrize("kind", ["normal", "tpsl", "plan"])
@pytest.mark.parametrize("category", ["SPOT", "MARGIN", *FUTURES, "OTHER"])
@pytest.mark.parametrize("account_type", ["classic", "unified"])
def test_kinds_of_orders(account_type: AccountType, category: str, kind: OrderKind) -> None:
    """An account can have the kinds of orders that the vendor has for it; another one is a ValueError."""
    exchange = Exchange(orders=0, account_type=account_type)
    if (account_type, category, kind) in ALLOWED:
        (order,) = exchange.open_orders(1, kind=kind, category=category)
        assert (order.kind, order.category, order.is_open) == (kind, category, True)
    else:
        with pytest.raises(ValueError, match=f"a {account_type} account cannot have {kind} orders in .* {category}"):
            exchange.open_orders(1, kind=kind, category=category)
        assert exchange.orders == {}


def test_unknown_account_type() -> None:
    """It is a ValueError that names the argument."""
    with pytest.raises(ValueError, match="account_type"):
        Sandbox(account_type="hybrid")  # type: ignore[arg-type]  # not an account type


def test_normal_order_cannot_fire() -> None:
    """Only TP/SL, strategy and trigger orders can; a normal order is filled."""
    exchange = Exchange(orders=1)
    (order_id,) = exchange.orders
    with pytest.raises(ValueError, match=f"order {order_id} is a normal order; use fill"):
        exchange.trigger(order_id)


@pytest.mark.parametrize("kind", ["tpsl", "plan"])
def test_order_that_waits_for_its_trigger_cannot_be_filled(kind: OrderKind) -> None:
    """It fires instead; then the normal order that it places can be filled."""
    exchange = Exchange(orders=0)
    (order,) = exchange.open_orders(1, kind=kind)
    with pytest.raises(ValueError, match=f"order {order.order_id} is not a normal order; use trigger"):
        exchange.fill(order.order_id)
    placed = exchange.fill(exchange.trigger(order.order_id).placed_order_id)
    assert (placed.kind, placed.status) == ("normal", "filled")


@pytest.mark.parametrize(
    ("account_type", "category", "kind", "status"),
    [
        ("classic", "SPOT", "tpsl", "filled"),
        ("classic", "SPOT", "plan", "executed"),
        ("unified", "COIN-FUTURES", "tpsl", "triggered"),
    ],
)
@pytest.mark.parametrize("with_client_oid", [True, False])
def test_order_that_fires(
    account_type: AccountType, category: str, kind: OrderKind, status: str, with_client_oid: bool
) -> None:
    """It is finished, and an open normal order with another id has its pair, side, price, size and category."""
    exchange = Exchange(orders=0, account_type=account_type)
    (order,) = exchange.open_orders(1, kind=kind, category=category, with_client_oid=with_client_oid)
    fired = exchange.trigger(order.order_id)
    placed = exchange.orders[fired.placed_order_id]
    assert (fired.order_id, fired.status, fired.is_open) == (order.order_id, status, False)
    assert (placed.kind, placed.status, bool(placed.client_oid)) == ("normal", "live", with_client_oid)
    for name in ("symbol", "side", "price", "size", "category", "api_key"):
        assert getattr(placed, name) == getattr(order, name)
    with pytest.raises(ValueError, match=f"order {order.order_id} is {status}"):
        exchange.trigger(order.order_id)


def test_trigger_order_that_fails() -> None:
    """It is finished and places no order."""
    exchange = Exchange(orders=0)
    (order,) = exchange.open_orders(1, kind="plan")
    failed = exchange.trigger(order.order_id, fails=True)
    assert (failed.status, failed.placed_order_id) == ("fail_execute", "")
    assert list(exchange.orders) == [order.order_id]


def test_tpsl_order_cannot_fail() -> None:
    """Only a trigger order can fail to be executed, and the order stays open."""
    exchange = Exchange(orders=0)
    (order,) = exchange.open_orders(1, kind="tpsl")
    with pytest.raises(ValueError, match="not a trigger order"):
        exchange.trigger(order.order_id, fails=True)
    assert exchange.orders[order.order_id].is_open
