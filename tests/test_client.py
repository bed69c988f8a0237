"""The client that `connect` returns, and the arguments that it refuses."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest

from bitget_spot import Credentials, InvalidBatchError, OriginError, connect
from bitget_spot.client import DEFAULT_TIMEOUT, SpotClient, require_spot_client
from bitget_spot.rate_limit import MemoryStore
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, BatchCancelOrdersResponse, OrderRef
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, GET_SERVER_TIME, SERVER_URL, Operation

RespondWith = Callable[..., httpx.MockTransport]
BODY = BatchCancelOrdersRequest(symbol="BTCUSDT", order_list=[OrderRef(order_id="1")])
INCONSISTENT_BODY = {"orderList": [{"orderId": "1"}, {"clientOid": "a"}]}


def requests_of(transport: httpx.MockTransport) -> list[httpx.Request]:
    """Return the requests that a transport of `respond_with` got."""
    requests: list[httpx.Request] = transport.requests  # type: ignore[attr-defined]  # set by the fixture
    return requests


# A client of the generated functions


def test_client_is_a_generated_client(credentials: Credentials, respond_with: RespondWith) -> None:
    """The client can be passed to the generated functions, which keep their signatures."""
    client = connect(credentials, transport=respond_with({"successList": [{"orderId": "1"}]}))
    assert isinstance(client, Client)
    response = batch_cancel_orders.sync(client=client, body=BODY)
    assert isinstance(response, BatchCancelOrdersResponse)
    detailed = asyncio.run(batch_cancel_orders.asyncio_detailed(client=client, body=BODY))
    assert detailed.status_code == 200


def test_default_origin_and_headers(credentials: Credentials, respond_with: RespondWith) -> None:
    """By default a request goes to the server of the document, requests English messages, and trades live."""
    transport = respond_with()
    batch_cancel_orders.sync(client=connect(credentials, transport=transport), body=BODY)
    (request,) = requests_of(transport)
    assert str(request.url) == SERVER_URL + BATCH_CANCEL_ORDERS.path
    assert request.headers["locale"] == "en-US"
    assert "paptrading" not in request.headers


def test_raw_requests_pass_the_chain(credentials: Credentials, respond_with: RespondWith) -> None:
    """A request that is sent with the httpx client below the generated one is validated and signed as well."""
    transport = respond_with()
    client = connect(credentials, transport=transport)
    with pytest.raises(InvalidBatchError):
        client.get_httpx_client().post(BATCH_CANCEL_ORDERS.path, json=INCONSISTENT_BODY)
    with pytest.raises(InvalidBatchError):
        # Superfluous slashes lead to the same operation.
        client.get_httpx_client().post("/api/v2//spot/trade/batch-cancel-order/", json=INCONSISTENT_BODY)
    assert requests_of(transport) == []
    client.get_httpx_client().post(BATCH_CANCEL_ORDERS.path, json=BODY.to_dict())
    assert "access-sign" in requests_of(transport)[0].headers


@pytest.mark.parametrize("method", ["with_headers", "with_cookies", "with_timeout"])
def test_derived_clients_keep_the_chain(method: str, credentials: Credentials, respond_with: RespondWith) -> None:
    """The clients that the generated client's `with_…` methods return validate and sign as well."""
    transport = respond_with()
    argument = httpx.Timeout(1) if method == "with_timeout" else {"X-Test": "1"}
    client = getattr(connect(credentials, transport=transport), method)(argument)
    with pytest.raises(InvalidBatchError):
        client.get_httpx_client().post(BATCH_CANCEL_ORDERS.path, json=INCONSISTENT_BODY)
    batch_cancel_orders.sync(client=client, body=BODY)
    assert "access-sign" in requests_of(transport)[0].headers


def test_client_has_timeouts(credentials: Credentials) -> None:
    """By default every step of a request has a timeout; `None` waits without limit."""
    timeout = connect(credentials).get_httpx_client().timeout
    assert set(timeout.as_dict().values()) == {DEFAULT_TIMEOUT}
    unlimited = connect(credentials, timeout=None).get_httpx_client().timeout
    assert set(unlimited.as_dict().values()) == {None}


def test_client_can_be_entered_again(credentials: Credentials, respond_with: RespondWith) -> None:
    """A client can be used in `with` and in `async with`, as often as you like."""
    client = connect(credentials, transport=respond_with({"successList": []}))

    async def enter() -> None:
        async with client as entered:
            assert entered is client
            await batch_cancel_orders.asyncio(client=client, body=BODY)

    for _ in range(2):
        with client as entered:
            assert entered is client
            batch_cancel_orders.sync(client=client, body=BODY)
        asyncio.run(enter())


def test_plain_generated_client_is_refused(credentials: Credentials) -> None:
    """Where a client of `connect` is needed, a plain generated client is refused, because it does not sign."""
    client = connect(credentials)
    assert require_spot_client(client) is client
    with pytest.raises(
        TypeError, match=r"^client: this one neither signs nor limits; make one with bitget_spot\.connect$"
    ):
        require_spot_client(Client(base_url=SERVER_URL))


# The origin


@pytest.mark.parametrize(
    ("base_url", "problem"),
    [
        ("http://api.bitget.com", "use https"),
        ("http://127.0.0.1.example.com", "use https"),
        ("http://192.168.1.1", "use https"),
        ("https://api.bitget.com/api", "give scheme, host and port only"),
        ("https://api.bitget.com/?a=b", "give scheme, host and port only"),
        ("https://user:word@api.bitget.com", "give scheme, host and port only"),
        ("ftp://api.bitget.com", "not a valid origin"),
        ("api.bitget.com", "not a valid origin"),
        ("", "not a valid origin"),
        ("https://", "not a valid origin"),
        ("https://a:word:c", "not a valid origin"),
        ("http://127.0.0.1:0", "not a valid origin"),
        ("https://api.bitget.com:65536", "not a valid origin"),
    ],
)
def test_unsafe_origins_are_refused(base_url: str, problem: str, credentials: Credentials) -> None:
    """A URL that is not an origin, or that would send the passphrase in plain text, is refused with what to do."""
    with pytest.raises(OriginError, match=f"^base_url: .*{problem}") as caught:
        connect(credentials, base_url=base_url)
    assert "word" not in str(caught.value)


@pytest.mark.parametrize(
    "base_url",
    [
        "http://127.0.0.1:8787",
        "http://localhost:8787/",
        "http://[::1]:8787",
        "https://api.bitget.com:443",
        "http://[::1]:65535",
    ],
)
def test_loopback_may_use_plain_http(base_url: str, credentials: Credentials) -> None:
    """A sandbox on this machine needs no certificate."""
    assert isinstance(connect(credentials, base_url=base_url), SpotClient)


# The rate limit


@pytest.mark.parametrize(
    ("rate", "problem"),
    [
        (0, "0 for batchCancelOrders is not valid"),
        (0.5, "0.5 for batchCancelOrders is not valid"),
        (-1, "-1 for batchCancelOrders is not valid"),
        (float("nan"), "nan for batchCancelOrders is not valid"),
        (float("inf"), "inf for batchCancelOrders is not valid"),
        ({"noSuchOperation": 5}, "'noSuchOperation' is not an operation; use one of .*batchCancelOrders"),
        ({"batchCancelOrders": 0}, "0 for batchCancelOrders is not valid"),
    ],
)
def test_invalid_limits_are_refused(rate: float, problem: str, credentials: Credentials) -> None:
    """A limit must allow at least one request in a period, and be for an operation of the document."""
    with pytest.raises(ValueError, match=f"^requests_per_second: {problem}"):
        connect(credentials, requests_per_second=rate)


@pytest.mark.parametrize("rate", [2, {"batchCancelOrders": 2}])
def test_limit_can_be_set(rate: float, credentials: Credentials, respond_with: RespondWith) -> None:
    """`requests_per_second` replaces the document's number, and nothing else."""
    store = MemoryStore(clock=lambda: 0.0)
    client = connect(credentials, requests_per_second=rate, rate_limit_store=store, transport=respond_with())
    limit = require_spot_client(client).rate_limit(BATCH_CANCEL_ORDERS)
    assert limit.requests == 2
    assert client.rate_limit(GET_SERVER_TIME) == GET_SERVER_TIME.rate_limit
    for _ in range(2):
        batch_cancel_orders.sync(client=client, body=BODY)
    (state,) = store._states.values()
    assert state.acquire("third", 0.5, limit, 1.0) > 0


def test_default_limit_is_that_of_the_document(credentials: Credentials) -> None:
    """Without `requests_per_second` the limits of the document apply."""
    client = connect(credentials)
    for operation in (BATCH_CANCEL_ORDERS, GET_SERVER_TIME):
        assert client.rate_limit(operation) == operation.rate_limit


def test_clients_of_one_key_share_a_budget(respond_with: RespondWith) -> None:
    """Two clients with one store and key share a budget, another key has its own; no budget's name contains a key."""
    store = MemoryStore()

    def make_client(key: str) -> Client:
        return connect(Credentials(key, "s", "p"), rate_limit_store=store, transport=respond_with())

    for key in ("a", "a", "b"):
        batch_cancel_orders.sync(client=make_client(key), body=BODY)
    assert sorted(len(state.permits) for state in store._states.values()) == [1, 2]
    words = " ".join(store._states).split()
    assert "a" not in words
    assert "b" not in words


def test_origins_have_budgets_of_their_own(respond_with: RespondWith, monkeypatch: pytest.MonkeyPatch) -> None:
    """By default, clients of one key share a budget in memory if they have the same origin, and only then."""
    store = MemoryStore()
    monkeypatch.setattr("bitget_spot.client._process_store", store)
    for origin in (SERVER_URL, SERVER_URL, "http://127.0.0.1:8787"):
        client = connect(Credentials("a", "s", "p"), base_url=origin, transport=respond_with())
        batch_cancel_orders.sync(client=client, body=BODY)
    assert sorted(len(state.permits) for state in store._states.values()) == [1, 2]


def test_explicit_store_shares_the_budget_of_an_account(respond_with: RespondWith) -> None:
    """With an explicit store the account's budget is shared by all origins; that of the IP address by one origin."""
    store = MemoryStore()
    for origin in (SERVER_URL, "http://127.0.0.1:8787"):
        client = connect(Credentials("a", "s", "p"), base_url=origin, rate_limit_store=store, transport=respond_with())
        batch_cancel_orders.sync(client=client, body=BODY)
        client.get_httpx_client().get(GET_SERVER_TIME.path)

    def permits_of(operation: Operation) -> list[int]:
        return sorted(
            len(state.permits) for budget, state in store._states.items() if budget.endswith(operation.operation_id)
        )

    assert permits_of(BATCH_CANCEL_ORDERS) == [2]
    assert permits_of(GET_SERVER_TIME) == [1, 1]


# The headers


def test_demo_trading_has_a_header(credentials: Credentials, respond_with: RespondWith) -> None:
    """`demo=True` sends the header that the exchange expects for a demo key."""
    transport = respond_with()
    batch_cancel_orders.sync(client=connect(credentials, demo=True, transport=transport), body=BODY)
    assert requests_of(transport)[0].headers["paptrading"] == "1"


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
def test_demo_trading_from_the_environment(
    variable: str | None,
    argument: bool | None,
    *,
    demo: bool,
    credentials: Credentials,
    respond_with: RespondWith,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """BITGET_DEMO decides if the caller does not."""
    if variable is None:
        monkeypatch.delenv("BITGET_DEMO", raising=False)
    else:
        monkeypatch.setenv("BITGET_DEMO", variable)
    transport = respond_with()
    client = connect(credentials, transport=transport, demo=argument)
    client.get_httpx_client().get("/api/v2/spot/account/info")
    (request,) = requests_of(transport)
    assert (request.headers.get("paptrading") == "1") is demo


def test_invalid_demo_variable_is_refused(credentials: Credentials, monkeypatch: pytest.MonkeyPatch) -> None:
    """A typo in BITGET_DEMO is refused, so it never trades live silently."""
    monkeypatch.setenv("BITGET_DEMO", "ture")
    message = "^BITGET_DEMO: 'ture' is not valid; set it to 1 for demo trading, to 0 for live trading$"
    with pytest.raises(ValueError, match=message):
        connect(credentials)


def test_channel_api_code_is_sent_as_a_header(credentials: Credentials, respond_with: RespondWith) -> None:
    """A broker's code is sent in the vendor's header, and only if it is given."""
    transport = respond_with()
    connect(credentials, transport=transport, channel_api_code="a-broker").get_httpx_client().get("/")
    connect(credentials, transport=transport).get_httpx_client().get("/")
    codes = [request.headers.get("X-CHANNEL-API-CODE") for request in requests_of(transport)]
    assert codes == ["a-broker", None]


@pytest.mark.parametrize("value", ["", " ", "Grüße", "a\nb"])
@pytest.mark.parametrize(("argument", "header"), [("channel_api_code", "X-CHANNEL-API-CODE"), ("locale", "locale")])
def test_invalid_header_values_are_refused(value: str, argument: str, header: str, credentials: Credentials) -> None:
    """A value that HTTP does not allow in a header is refused under the header's name, before anything is sent."""
    with pytest.raises(ValueError, match=f"^{header}: .* is not a valid header value; use printable ASCII text$"):
        connect(credentials, **{argument: value})  # type: ignore[arg-type]  # by name


@pytest.mark.parametrize("timeout", [0, -1.0, float("nan")])
def test_invalid_timeouts_are_refused(timeout: float, credentials: Credentials) -> None:
    """A timeout must be more than zero seconds."""
    with pytest.raises(ValueError, match=f"^timeout: {timeout} is not a valid duration; give seconds, more than 0$"):
        connect(credentials, timeout=timeout)


@pytest.mark.parametrize("account_id", ["", " ", "\t"])
def test_blank_account_ids_are_refused(account_id: str, credentials: Credentials) -> None:
    """A name for the account that is blank is refused: it would be the same for every account."""
    with pytest.raises(ValueError, match=r"^account_id: is blank; give a name for the account, or leave it out$"):
        connect(credentials, account_id=account_id)


def test_connections_are_closed_when_the_last_one_leaves(credentials: Credentials) -> None:
    """A client that is entered twice at a time is closed once, when it is left for the second time."""
    closed: list[str] = []

    class Transport(httpx.BaseTransport):
        def close(self) -> None:
            closed.append("threads")

    class AsyncTransport(httpx.AsyncBaseTransport):
        async def aclose(self) -> None:
            closed.append("loop")

    client = connect(credentials, transport=Transport())
    with client, client:
        pass
    assert closed == ["threads"]

    async def enter_twice() -> None:
        async with client:
            async with client:
                pass
            assert closed == ["threads"]

    client = connect(credentials, transport=AsyncTransport())
    asyncio.run(enter_twice())
    assert closed == ["threads", "loop"]


@pytest.mark.parametrize("proxy", ["127.0.0.1:8080", "ftp://user:hunter2@127.0.0.1", "http://a:hunter2:c"])
def test_invalid_proxies_are_refused(proxy: str, credentials: Credentials) -> None:
    """What is not the URL of a proxy is refused at once; the message does not show it, for it may have a password."""
    with pytest.raises(ValueError, match=r"^proxy: not a valid URL of a proxy; expected something like") as caught:
        connect(credentials, proxy=proxy)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
