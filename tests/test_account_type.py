"""The type of the account: what `connect` is told, and what the client shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from bitget_spot import Credentials, WrongEnvironmentError, connect
from bitget_spot._middleware.account_type import AccountType
from bitget_spot.client import SpotClient
from bitget_spot_api.api.trade import get_unfilled_orders
from bitget_spot_api.api.unified import get_unified_unfilled_orders
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    BATCH_CANCEL_UNIFIED_ORDERS,
    CANCEL_SYMBOL_ORDERS,
    OPERATIONS,
    Operation,
)

RespondWith = Callable[..., httpx.MockTransport]
modes = pytest.mark.parametrize("mode", ["sync", "asyncio"])


def list_classic_orders(mode: str, client: SpotClient) -> None:
    """List the orders of a classic account."""
    if mode == "sync":
        get_unfilled_orders.sync(client=client)
    else:
        asyncio.run(get_unfilled_orders.asyncio(client=client))


def list_unified_orders(mode: str, client: SpotClient) -> None:
    """List the orders of a unified account."""
    if mode == "sync":
        get_unified_unfilled_orders.sync(client=client, category="SPOT")
    else:
        asyncio.run(get_unified_unfilled_orders.asyncio(client=client, category="SPOT"))


# What is stated


@pytest.mark.parametrize("account_type", ["classic", "unified", None])
def test_stated_type(account_type: AccountType | None, credentials: Credentials) -> None:
    """The client shows what it was told, and `None` as long as nothing is known."""
    client = connect(credentials, account_type=account_type)
    assert client.account_type == account_type
    assert client.stated_account_type == account_type


@pytest.mark.parametrize("account_type", ["", "Unified", "uta", "v3", 3])
def test_invalid_type_is_refused(account_type: object, credentials: Credentials) -> None:
    """Anything but the two types is a ValueError, whose message shows it and the two."""
    with pytest.raises(ValueError, match=r"^account_type: .* is not valid; use classic or unified$") as caught:
        connect(credentials, account_type=account_type)  # type: ignore[arg-type]  # as an untyped program does
    assert repr(account_type) in str(caught.value)


# What is learned


@modes
def test_success_shows_the_type(mode: str, credentials: Credentials, respond_with: RespondWith) -> None:
    """After a signed response the client shows the type, and still that none was stated."""
    client = connect(credentials, transport=respond_with([]))
    list_classic_orders(mode, client)
    assert client.account_type == "classic"
    client = connect(credentials, transport=respond_with({"list": [], "cursor": None}))
    list_unified_orders(mode, client)
    assert client.account_type == "unified"
    assert client.stated_account_type is None


@modes
def test_refusal_shows_the_type(mode: str, credentials: Credentials, respond_with: RespondWith) -> None:
    """A refusal because of the type is raised, and shows the type."""
    client = connect(credentials, transport=respond_with(code="40085", status=400))
    with pytest.raises(WrongEnvironmentError, match="40085"):
        list_classic_orders(mode, client)
    assert client.account_type == "unified"
    client = connect(credentials, transport=respond_with(code="40084", status=400))
    with pytest.raises(WrongEnvironmentError, match="40084"):
        list_unified_orders(mode, client)
    assert client.account_type == "classic"


@modes
def test_stated_type_is_not_replaced(mode: str, credentials: Credentials, respond_with: RespondWith) -> None:
    """If the stated type is wrong, the refusal is raised, and the client still shows what was stated."""
    client = connect(credentials, transport=respond_with(code="40085", status=400), account_type="classic")
    with pytest.raises(WrongEnvironmentError, match="40085"):
        list_classic_orders(mode, client)
    assert client.account_type == "classic"


def test_clients_learn_separately(credentials: Credentials, respond_with: RespondWith) -> None:
    """What one client has learned says nothing about another, which may have another key."""
    client = connect(credentials, transport=respond_with([]))
    other = connect(credentials, transport=respond_with([]))
    list_classic_orders("sync", client)
    assert client.account_type == "classic"
    assert other.account_type is None


@pytest.mark.parametrize("method", ["with_headers", "with_cookies"])
def test_derived_clients_share_the_type(method: str, credentials: Credentials, respond_with: RespondWith) -> None:
    """The clients that `with_…` returns know what the first one knows, and the other way round."""
    client = connect(credentials, transport=respond_with([]))
    derived = getattr(client, method)({"X-Test": "1"})
    list_classic_orders("sync", derived)
    assert client.account_type == derived.account_type == "classic"


# The limit


@pytest.mark.parametrize(
    ("account_type", "limited"),
    [(None, BATCH_CANCEL_ORDERS), ("classic", BATCH_CANCEL_ORDERS), ("unified", BATCH_CANCEL_UNIFIED_ORDERS)],
)
def test_plain_number_limits_the_batches_of_the_type(
    account_type: AccountType | None, limited: Operation, credentials: Credentials
) -> None:
    """A number is for the batch cancel of the stated type, of a classic account by default, and for nothing else."""
    client = connect(credentials, account_type=account_type, requests_per_second=60)
    for operation in OPERATIONS.values():
        expected = 60 if operation is limited else operation.rate_limit.requests
        assert client.rate_limit(operation).requests == expected


def test_mapping_limits_both_types(credentials: Credentials) -> None:
    """A mapping by operation id can set the limits of operations of both versions."""
    rates = {"batchCancelOrders": 60, "batchCancelUnifiedOrders": 3}
    client = connect(credentials, requests_per_second=rates)
    assert client.rate_limit(BATCH_CANCEL_ORDERS).requests == 60
    assert client.rate_limit(BATCH_CANCEL_UNIFIED_ORDERS).requests == 3
    assert client.rate_limit(CANCEL_SYMBOL_ORDERS) == CANCEL_SYMBOL_ORDERS.rate_limit
