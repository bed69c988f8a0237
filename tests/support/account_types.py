"""Accounts whose type changes, and clients that have learned a type before."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve

from bitget_spot._middleware.account_type import AccountType
from bitget_spot.client import SpotClient
from bitget_spot.sandbox import Sandbox
from bitget_spot.sandbox.request import PendingRequest


def change_type(sandbox: Sandbox, account_type: AccountType) -> None:
    """Give the sandbox's account another type, as the exchange does when its owner upgrades it."""
    account = sandbox._accounts[sandbox.api_key]
    sandbox._accounts[sandbox.api_key] = evolve(account, account_type=account_type)


def change_type_when(sandbox: Sandbox, account_type: AccountType, condition: Callable[[], bool]) -> None:
    """Give the sandbox's account another type after the first response for which a condition holds."""
    original = sandbox.record_response

    def record_response(request: PendingRequest, status: int | None, code: str | None) -> None:
        original(request, status, code)
        if condition():
            change_type(sandbox, account_type)

    sandbox.record_response = record_response  # type: ignore[method-assign]


def learned(client: SpotClient, account_type: AccountType) -> SpotClient:
    """Return a client that has learned the type of its account earlier."""
    client._account.learned = account_type
    return client
