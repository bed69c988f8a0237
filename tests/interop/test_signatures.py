"""What this client signs, held against what others sign: the same moment, path, query and body, the same headers."""

from __future__ import annotations

from contextlib import suppress

import httpx
import pytest
from interop.stage import TAKEN_WITH, Other, RecordingSandbox, Sent, encoded, symbols

from bitget_spot import Credentials
from bitget_spot._middleware.base import Transport
from bitget_spot._middleware.signing import SigningMiddleware

ORIGIN = "http://127.0.0.1"


class Wire(Transport):
    """Keeps the request that leaves."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.request = request
        return httpx.Response(200, json={})


def access_headers(headers: httpx.Headers) -> dict[str, str]:
    """Answer the headers that prove who has sent a request."""
    return {name: value for name, value in headers.items() if name.startswith("access-")}


def signed_here(theirs: Sent, credentials: Credentials) -> dict[str, str]:
    """Sign another client's request once more, at the moment at which that client has stamped it."""
    stamp = int(theirs.headers["access-timestamp"])
    wire = Wire()
    # Half a millisecond later: the stamp is cut to whole ones, and a fraction may lie below the number it stands for.
    link = SigningMiddleware(
        wire, credentials=credentials, origin=httpx.URL(ORIGIN), headers={}, clock=lambda: (stamp + 0.5) / 1000
    )
    query = httpx.QueryParams(theirs.query)
    link.handle_request(httpx.Request(theirs.method, ORIGIN + theirs.path, params=query, content=theirs.body))
    return access_headers(wire.request.headers)


@symbols
@pytest.mark.parametrize("count", [1, 50])
def test_a_batch_has_the_headers_that_another_client_gives_it(
    other: Other, sandbox: RecordingSandbox, symbol: str, count: int
) -> None:
    """Key, signature, passphrase and timestamp are the same text, whichever way the body is written."""
    orders = sandbox.open_orders(count, symbol=symbol)
    other.client.cancel(symbol, [{"clientOid": order.client_oid} for order in orders])
    (theirs,) = sandbox.sent
    assert theirs.method == "POST"
    assert len(access_headers(httpx.Headers(theirs.headers))) == 4
    assert signed_here(theirs, other.credentials) == access_headers(httpx.Headers(theirs.headers))


def test_a_query_has_the_headers_that_another_client_gives_it(other: Other, sandbox: RecordingSandbox) -> None:
    """A GET too, with one key in its query and with several."""
    (order,) = sandbox.open_orders(1, symbol="BTCUSDT")
    other.client.order_info(order.client_oid)
    other.client.open_orders("BTCUSDT", 1)
    assert [theirs.method for theirs in sandbox.sent] == ["GET", "GET"]
    for theirs in sandbox.sent:
        assert signed_here(theirs, other.credentials) == access_headers(httpx.Headers(theirs.headers))


@encoded
def test_a_query_is_signed_before_it_is_percent_encoded(other: Other, sandbox: RecordingSandbox, symbol: str) -> None:
    """Where the clients disagree this one signs as those do that the exchange is known to take."""
    (order,) = sandbox.open_orders(1, symbol=symbol)
    with suppress(other.client.refusal):
        other.client.order_info(order.client_oid)
    (theirs,) = sandbox.sent
    same = signed_here(theirs, other.credentials) == access_headers(httpx.Headers(theirs.headers))
    assert same == (other.name in TAKEN_WITH[symbol])


def test_another_secret_gives_another_signature(other: Other, sandbox: RecordingSandbox) -> None:
    """Nothing but the signature differs: it is the secret that the comparison above turns on."""
    orders = sandbox.open_orders(1, symbol="BTCUSDT")
    with suppress(other.impostor.refusal):
        other.impostor.cancel("BTCUSDT", [{"orderId": orders[0].order_id}])
    (theirs,) = sandbox.sent
    here, there = signed_here(theirs, other.credentials), access_headers(httpx.Headers(theirs.headers))
    assert {name for name in there if here[name] != there[name]} == {"access-sign"}
