"""For the same moment, path, query and body, this client's signature equals that of other clients."""

from __future__ import annotations

from contextlib import suppress

import httpx
import pytest

from bitget_spot import Credentials
from bitget_spot._middleware.base import Transport
from bitget_spot._middleware.clock import ServerClock
from bitget_spot._middleware.signing import SigningMiddleware

from .sandbox_server import (
    ACCEPTED_CLIENTS,
    ClientUnderTest,
    RecordedRequest,
    RecordingSandbox,
    each_encoded_symbol,
    each_symbol,
)

ORIGIN = "http://127.0.0.1"


class RecordingTransport(Transport):
    """Records the request that would be sent."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.request = request
        return httpx.Response(200, json={})


def access_headers(headers: httpx.Headers) -> dict[str, str]:
    """Return the headers that authenticate a request."""
    return {name: value for name, value in headers.items() if name.startswith("access-")}


def headers_of(request: RecordedRequest) -> dict[str, str]:
    """Return the headers with which the other client has authenticated a request."""
    return access_headers(httpx.Headers(request.headers))


def own_headers_for(request: RecordedRequest, credentials: Credentials) -> dict[str, str]:
    """Sign another client's request with this client, at the moment of its timestamp, and return the headers."""
    timestamp = int(request.headers["access-timestamp"])
    transport = RecordingTransport()
    # Half a millisecond later, because the timestamp is truncated, and a float may be slightly less than its number.
    clock = ServerClock(lambda: (timestamp + 0.5) / 1000)
    signing = SigningMiddleware(transport, credentials=credentials, origin=httpx.URL(ORIGIN), headers={}, clock=clock)
    query = httpx.QueryParams(request.query)
    signing.handle_request(httpx.Request(request.method, ORIGIN + request.path, params=query, content=request.body))
    return access_headers(transport.request.headers)


@each_symbol
@pytest.mark.parametrize("count", [1, 50])
def test_batch_has_the_same_headers(other: ClientUnderTest, sandbox: RecordingSandbox, symbol: str, count: int) -> None:
    """For a batch, key, signature, passphrase and timestamp are the same, however the body is written."""
    orders = sandbox.open_orders(count, symbol=symbol)
    other.client.cancel(symbol, [{"clientOid": order.client_oid} for order in orders])
    (request,) = sandbox.requests
    assert request.method == "POST"
    assert len(headers_of(request)) == 4
    assert own_headers_for(request, other.credentials) == headers_of(request)


def test_query_has_the_same_headers(other: ClientUnderTest, sandbox: RecordingSandbox) -> None:
    """For a GET with one key in its query, and with several, the headers are the same."""
    (order,) = sandbox.open_orders(1, symbol="BTCUSDT")
    other.client.order_info(order.client_oid)
    other.client.open_orders("BTCUSDT", 1)
    assert [request.method for request in sandbox.requests] == ["GET", "GET"]
    for request in sandbox.requests:
        assert own_headers_for(request, other.credentials) == headers_of(request)


@each_encoded_symbol
def test_query_is_signed_before_percent_encoding(
    other: ClientUnderTest, sandbox: RecordingSandbox, symbol: str
) -> None:
    """If the clients differ, this client signs like those that the exchange is known to accept."""
    (order,) = sandbox.open_orders(1, symbol=symbol)
    with suppress(other.client.refusal):
        other.client.order_info(order.client_oid)
    (request,) = sandbox.requests
    is_same = own_headers_for(request, other.credentials) == headers_of(request)
    assert is_same == (other.name in ACCEPTED_CLIENTS[symbol])


def test_wrong_secret_changes_only_the_signature(other: ClientUnderTest, sandbox: RecordingSandbox) -> None:
    """With a wrong secret only the signature differs, so the comparisons above depend on the secret."""
    (order,) = sandbox.open_orders(1, symbol="BTCUSDT")
    client = other.client_with_wrong_secret
    with suppress(client.refusal):
        client.cancel("BTCUSDT", [{"orderId": order.order_id}])
    (request,) = sandbox.requests
    own_headers = own_headers_for(request, other.credentials)
    assert {name for name, value in headers_of(request).items() if own_headers[name] != value} == {"access-sign"}
