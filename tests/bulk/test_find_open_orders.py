"""`cancel_open_orders.find`, and the filters that it shares with the kill switch."""

from __future__ import annotations

from typing import Any

import pytest
from open_orders import CancelOpen, FindIds, fill_long_ago, reported_ids
from sandboxes import StartSandbox, connect_to, still_open

from bitget_spot import AuthenticationError, Credentials, InvalidParameterError
from bitget_spot_api.operations import GET_CURRENT_PLAN_ORDERS, GET_UNFILLED_ORDERS

pytestmark = pytest.mark.usefixtures("short_retry_pauses", "short_listing_intervals")


INVALID_FILTERS: list[tuple[dict[str, Any], str]] = [
    ({"symbols": "BTCUSDT"}, "symbols: 'BTCUSDT' is not a list of texts"),
    ({"sides": "buy"}, "sides: 'buy' is not a list of texts"),
    ({"symbols": ""}, "symbols: '' is not a list of texts"),
    ({"symbols": []}, r"symbols: \[\] is not a list of texts; give one, or leave it out for all"),
    ({"symbols": ["BTCUSDT", " "]}, "is not a list of texts"),
    ({"symbols": [None]}, "is not a list of texts"),
    ({"sides": iter(())}, "leave it out for all"),
    ({"sides": ["BUY"]}, "sides: 'BUY' is not valid; use buy or sell"),
    ({"symbols": ["BTC/USDT"]}, r"symbols: 'BTC/USDT' is not a valid symbol; did you mean BTCUSDT\?"),
    ({"symbols": ["ETHUSDT", "btc-usdt"]}, r"symbols: 'btc-usdt' is not a valid symbol; did you mean BTCUSDT\?"),
    ({"symbols": ["BTC_USDT"]}, r"did you mean BTCUSDT\?"),
    ({"symbols": ["BTC/USDT:USDT"]}, r"did you mean BTCUSDT\?"),
    ({"symbols": ["BTC USDT"]}, r"did you mean BTCUSDT\?"),
    ({"symbols": ["BTC\tUSDT"]}, r"did you mean BTCUSDT\?"),
]


@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"symbols": ["BTCUSDT"]},
        {"symbols": ["ethusdt", "BTCUSDT"]},
        {"symbols": ["DOGEUSDT"]},
        {"sides": ["sell"]},
        {"symbols": ["ETHUSDT"], "sides": ["buy"]},
    ],
    ids=repr,
)
def test_find_lists_what_would_be_cancelled(
    start_sandbox: StartSandbox,
    cancel_open: CancelOpen,
    find: FindIds,
    filters: dict[str, list[str]],
) -> None:
    """`find` returns exactly the orders that are cancelled with the same filters, and sends no cancel."""
    sandbox = start_sandbox(orders=229)
    (filled,) = sandbox.open_orders(1, symbol="DOGEUSDT")
    fill_long_ago(sandbox, filled.order_id)
    found = find(connect_to(sandbox), **filters)
    assert {arrival.path for arrival in sandbox.arrivals} == {GET_UNFILLED_ORDERS.path, GET_CURRENT_PLAN_ORDERS.path}
    assert len(still_open(sandbox)) == 229
    report = cancel_open(connect_to(sandbox), **filters)
    assert found == reported_ids(report)
    assert len(still_open(sandbox)) == 229 - len(found)


@pytest.mark.parametrize(("arguments", "message"), INVALID_FILTERS)
def test_find_refuses_invalid_filters(
    start_sandbox: StartSandbox, find: FindIds, arguments: dict[str, Any], message: str
) -> None:
    """`find` refuses the same filters as `sync`, before anything is sent."""
    sandbox = start_sandbox(orders=4)
    with pytest.raises(ValueError, match=message):
        find(connect_to(sandbox), **arguments)
    assert sandbox.arrivals == []


def test_find_with_wrong_credentials(start_sandbox: StartSandbox, find: FindIds) -> None:
    """`find` raises what keeps the orders from being listed."""
    sandbox = start_sandbox(orders=2)
    wrong = Credentials(sandbox.api_key, "wrong", sandbox.passphrase)
    with pytest.raises(AuthenticationError):
        find(connect_to(sandbox, wrong))


@pytest.mark.parametrize(("arguments", "message"), INVALID_FILTERS)
def test_invalid_filters(
    start_sandbox: StartSandbox, cancel_open: CancelOpen, arguments: dict[str, Any], message: str
) -> None:
    """A text instead of a list, an empty list, and an invalid side are refused before anything is sent."""
    sandbox = start_sandbox(orders=4)
    with pytest.raises(ValueError, match=message):
        cancel_open(connect_to(sandbox), **arguments)
    assert sandbox.arrivals == []


def test_an_unknown_symbol(start_sandbox: StartSandbox, cancel_open: CancelOpen, find: FindIds) -> None:
    """If the exchange does not know a symbol, its refusal is raised at once, and nothing else is cancelled."""
    sandbox = start_sandbox(orders=4)
    for function in (cancel_open, find):
        with pytest.raises(InvalidParameterError, match="40034: The trading pair does not exist"):
            function(connect_to(sandbox), symbols=["NONEUSDT"])
    assert len(still_open(sandbox)) == 4
