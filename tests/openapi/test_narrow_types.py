"""What a call returns and what a response has as data: narrower than the generator writes it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Final

import httpx
import pytest

from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders, get_unfilled_orders
from bitget_spot_api.errors import UnexpectedStatus
from bitget_spot_api.models import BatchCancelOrdersRequest, ErrorResponse, OrdersResponse
from narrow_types import UnexpectedCodeError, narrow_operation, narrow_response

GENERATED: Final = Path(__file__).parents[2] / "generated" / "bitget_spot_api"
REFUSED: Final = {"code": "40009", "msg": "sign signature error"}


def client_with(status: int, body: object) -> Client:
    """Return a plain generated client that gets one response to every request."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=body))
    return Client(base_url="https://exchange.test", httpx_args={"transport": transport})


def test_call_returns_the_success() -> None:
    """A program need not check the type of what a call returns."""
    response = get_unfilled_orders.sync(client=client_with(200, {"code": "00000", "data": [{"orderId": "1"}]}))
    assert isinstance(response, OrdersResponse)
    assert response.data is not None
    assert [order.order_id for order in response.data] == ["1"]


def test_call_in_a_task_returns_the_success() -> None:
    """The asynchronous call does the same."""
    client = client_with(200, {"code": "00000", "data": []})
    assert asyncio.run(get_unfilled_orders.asyncio(client=client)).data == []


def test_error_response_is_raised_by_a_plain_client() -> None:
    """Without `connect`, a refusal raises the generated exception, and the detailed call returns it."""
    client = client_with(400, REFUSED)
    body = BatchCancelOrdersRequest(order_list=[])
    with pytest.raises(UnexpectedStatus, match="sign signature error"):
        batch_cancel_orders.sync(client=client, body=body)
    assert isinstance(batch_cancel_orders.sync_detailed(client=client, body=body).parsed, ErrorResponse)


@pytest.mark.parametrize("payload", [{"code": "00000"}, {"code": "00000", "data": None}], ids=["missing", "null"])
def test_missing_data_are_none(payload: dict[str, object]) -> None:
    """A response without data is like one whose data are null."""
    assert OrdersResponse.from_dict(payload).data is None
    assert OrdersResponse().data is None


def test_every_call_is_narrow() -> None:
    """No `sync` or `asyncio` of an operation returns an ErrorResponse or nothing."""
    modules = sorted(GENERATED.glob("api/*/[!_]*.py"))
    assert modules
    for module in modules:
        source = module.read_text("utf-8")
        assert not re.findall(r"-> .*ErrorResponse.* \| None:\n    \"\"\"", source), module.name
        assert source.count("return success_of(") == 2, module.name


@pytest.mark.parametrize("source", ["", ") -> Thing | ErrorResponse | None:\n"], ids=["no calls", "no return"])
def test_other_calls_are_refused(source: str) -> None:
    """A new version of the generator that writes other calls is noticed."""
    with pytest.raises(UnexpectedCodeError):
        narrow_operation(source)


def test_response_without_typed_data_is_unchanged() -> None:
    """A response whose data may be anything stays as it is."""
    for source in ("", "    data: Any | Unset = UNSET\n"):
        assert narrow_response(source) == source


def test_other_data_are_refused() -> None:
    """A new version of the generator that reads data in another way is noticed."""
    with pytest.raises(UnexpectedCodeError, match="is there 0 times, not 1 times"):
        narrow_response("    data: None | Thing | Unset = UNSET\n")
