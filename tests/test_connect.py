"""The client that `connect` makes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from bitget_spot import Credentials, InvalidBatchError, OriginError, connect
from bitget_spot.client import require_spot_client
from bitget_spot.rate_limit import MemoryStore
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, BatchCancelOrdersResponse, OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, SERVER_URL

Answering = Callable[..., httpx.MockTransport]
BODY = BatchCancelOrdersRequest(symbol="BTCUSDT", order_list=[OrderRef(order_id="1")])
MIXED = {"orderList": [{"orderId": "1"}, {"clientOid": "a"}]}


def test_is_a_generated_client(credentials: Credentials, respond_with: Answering) -> None:
    """What connect answers can be handed to every generated function, and the functions keep their signatures."""
    client = connect(credentials, transport=respond_with({"successList": [{"orderId": "1"}]}))
    assert isinstance(client, Client)
    answer = batch_cancel_orders.sync(client=client, body=BODY)
    assert isinstance(answer, BatchCancelOrdersResponse)
    detailed = asyncio.run(batch_cancel_orders.asyncio_detailed(client=client, body=BODY))
    assert detailed.status_code == 200


def test_goes_to_the_exchange_by_default(credentials: Credentials, respond_with: Answering) -> None:
    """Without further word a request goes to the server of the document, in English."""
    wire = respond_with()
    batch_cancel_orders.sync(client=connect(credentials, transport=wire), body=BODY)
    (request,) = wire.requests  # type: ignore[attr-defined]
    assert str(request.url) == SERVER_URL + BATCH_CANCEL_ORDERS.path
    assert request.headers["locale"] == "en-US"
    assert "paptrading" not in request.headers


def test_demo_trading_has_its_header(credentials: Credentials, respond_with: Answering) -> None:
    """demo=True sends what the exchange wants for a demo key."""
    wire = respond_with()
    batch_cancel_orders.sync(client=connect(credentials, demo=True, transport=wire), body=BODY)
    assert wire.requests[0].headers["paptrading"] == "1"  # type: ignore[attr-defined]


def test_raw_requests_go_through_the_chain(credentials: Credentials, respond_with: Answering) -> None:
    """What is sent by the httpx client below the generated one is checked and signed all the same."""
    wire = respond_with()
    client = connect(credentials, transport=wire)
    with pytest.raises(InvalidBatchError):
        client.get_httpx_client().post(BATCH_CANCEL_ORDERS.path, json=MIXED)
    with pytest.raises(InvalidBatchError):
        # Slashes too many reach the same endpoint.
        client.get_httpx_client().post("/api/v2//spot/trade/batch-cancel-order/", json=MIXED)
    assert wire.requests == []  # type: ignore[attr-defined]
    client.get_httpx_client().post(BATCH_CANCEL_ORDERS.path, json=BODY.to_dict())
    assert "access-sign" in wire.requests[0].headers  # type: ignore[attr-defined]


@pytest.mark.parametrize("derived", ["with_headers", "with_cookies", "with_timeout"])
def test_derived_clients_keep_the_chain(derived: str, credentials: Credentials, respond_with: Answering) -> None:
    """What the generated client's with_… methods answer is still checked and signed."""
    wire = respond_with()
    argument = httpx.Timeout(1) if derived == "with_timeout" else {"X-Test": "1"}
    client = getattr(connect(credentials, transport=wire), derived)(argument)
    with pytest.raises(InvalidBatchError):
        client.get_httpx_client().post(BATCH_CANCEL_ORDERS.path, json=MIXED)
    batch_cancel_orders.sync(client=client, body=BODY)
    assert "access-sign" in wire.requests[0].headers  # type: ignore[attr-defined]


def test_has_time_outs(credentials: Credentials) -> None:
    """No step of a request waits for ever, unless the caller wants that."""
    timeout = connect(credentials).get_httpx_client().timeout
    assert None not in timeout.as_dict().values()
    patient = connect(credentials, timeout=None).get_httpx_client().timeout
    assert set(patient.as_dict().values()) == {None}


@pytest.mark.parametrize(
    ("address", "remedy"),
    [
        ("http://api.bitget.com", "https"),
        ("http://127.0.0.1.example.com", "https"),
        ("http://192.168.1.1", "https"),
        ("https://api.bitget.com/api", "alone"),
        ("https://api.bitget.com/?a=b", "alone"),
        ("https://user:word@api.bitget.com", "alone"),
        ("ftp://api.bitget.com", "address"),
        ("api.bitget.com", "address"),
        ("", "address"),
        ("https://", "address"),
        ("https://a:word:c", "address"),
        ("http://127.0.0.1:0", "address"),
        ("https://api.bitget.com:65536", "address"),
    ],
)
def test_refuses_addresses_that_must_not_see_a_signature(address: str, remedy: str, credentials: Credentials) -> None:
    """An address that is no origin, or would carry the passphrase in the clear, is refused with the remedy."""
    with pytest.raises(OriginError, match=remedy) as caught:
        connect(credentials, base_url=address)
    assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:8787",
        "http://localhost:8787/",
        "http://[::1]:8787",
        "https://api.bitget.com:443",
        "http://[::1]:65535",
    ],
)
def test_takes_loopback_in_the_clear(address: str, credentials: Credentials) -> None:
    """A sandbox on this machine needs no certificate."""
    assert isinstance(connect(credentials, base_url=address), Client)


@pytest.mark.parametrize(
    "number", [0, 0.5, -1, float("nan"), float("inf"), {"noSuchOperation": 5}, {"batchCancelOrders": 0}]
)
def test_refuses_limits_that_make_no_sense(number: float, credentials: Credentials) -> None:
    """A limit must let one request through in a period, of an operation that there is."""
    with pytest.raises(ValueError, match="requests_per_second"):
        connect(credentials, requests_per_second=number)


@pytest.mark.parametrize("number", [2, {"batchCancelOrders": 2}])
def test_the_limit_can_be_set(number: float, credentials: Credentials, respond_with: Answering) -> None:
    """requests_per_second replaces the document's number."""
    slots = MemoryStore(clock=lambda: 0.0)
    client = connect(credentials, requests_per_second=number, rate_limit_store=slots, transport=respond_with())
    for _ in range(2):
        batch_cancel_orders.sync(client=client, body=BODY)
    (log,) = slots._logs.values()
    assert log.take("a third", 0.5, require_spot_client(client, BATCH_CANCEL_ORDERS), 1.0) > 0


def test_budgets_are_shared_by_key_and_origin(respond_with: Answering) -> None:
    """Two clients of one key and origin share one budget; another key or another origin has its own."""
    slots = MemoryStore()

    def client(key: str) -> Client:
        return connect(Credentials(key, "s", "p"), rate_limit_store=slots, transport=respond_with())

    for key in ("a", "a", "b"):
        batch_cancel_orders.sync(client=client(key), body=BODY)
    assert sorted(len(log.slots) for log in slots._logs.values()) == [1, 2]
    assert not {"a", "b"} & {word for budget in slots._logs for word in budget.split()}


@pytest.mark.parametrize(
    ("variable", "argument", "demo"),
    [
        (None, None, False),
        ("", None, False),
        ("0", None, False),
        (" False ", None, False),
        ("1", None, True),
        ("TRUE", None, True),
        ("yes", None, True),
        ("1", False, False),
        ("0", True, True),
        ("perhaps", True, True),
    ],
)
def test_demo_trading_by_the_environment(  # noqa: PLR0917 - the columns of the table, and what is needed to try them
    variable: str | None,
    argument: bool | None,
    demo: bool,
    credentials: Credentials,
    respond_with: Answering,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """BITGET_DEMO decides where the caller has not."""
    if variable is None:
        monkeypatch.delenv("BITGET_DEMO", raising=False)
    else:
        monkeypatch.setenv("BITGET_DEMO", variable)
    wire = respond_with()
    connect(credentials, transport=wire, demo=argument).get_httpx_client().get("/api/v2/spot/account/info")
    (request,) = wire.requests  # type: ignore[attr-defined]
    assert (request.headers.get("paptrading") == "1") is demo


def test_a_demo_variable_that_says_neither_is_refused(
    credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slip in BITGET_DEMO never trades live in silence."""
    monkeypatch.setenv("BITGET_DEMO", "ture")
    with pytest.raises(ValueError, match="BITGET_DEMO is 'ture': set it to 1 for demo trading, to 0 for live"):
        connect(credentials)


def test_a_broker_s_header(credentials: Credentials, respond_with: Answering) -> None:
    """A broker's code travels in the vendor's header, and not without being asked for."""
    wire = respond_with()
    connect(credentials, transport=wire, channel_api_code="a-broker").get_httpx_client().get("/")
    connect(credentials, transport=wire).get_httpx_client().get("/")
    codes = [request.headers.get("X-CHANNEL-API-CODE") for request in wire.requests]  # type: ignore[attr-defined]
    assert codes == ["a-broker", None]


@pytest.mark.parametrize("value", ["", " ", "Grüße", "a\nb"])
@pytest.mark.parametrize(("argument", "header"), [("channel_api_code", "X-CHANNEL-API-CODE"), ("locale", "locale")])
def test_refuses_what_no_header_can_carry(value: str, argument: str, header: str, credentials: Credentials) -> None:
    """A header's value that cannot be sent is refused by the header's name, before anything is sent."""
    with pytest.raises(ValueError, match=f"{header}: .* cannot stand in a header"):
        connect(credentials, **{argument: value})  # type: ignore[arg-type]  # by name
