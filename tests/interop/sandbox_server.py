"""A sandbox that records requests, another client in front of it, and the trading pairs to try."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest
from attrs import frozen

from bitget_spot import Credentials
from bitget_spot.sandbox import Sandbox
from bitget_spot.sandbox.envelope import ExchangeResponse
from bitget_spot.sandbox.request import PendingRequest

from .clients import OtherClient

# The exchange lists pairs with Chinese names. The sandbox makes each clientOid from the symbol, and a clientOid may
# contain each of `-_#:+`.
SYMBOLS: Final = {"plain": "BTCUSDT", "not-ascii": "币安人生USDT", "special": "a#b+c:d"}
each_symbol = pytest.mark.parametrize("symbol", SYMBOLS.values(), ids=SYMBOLS)

ACCEPTED_CLIENTS: Final = {
    SYMBOLS["not-ascii"]: ["ccxt", "bitget-api-client"],
    SYMBOLS["special"]: ["ccxt"],  # bitget-api-client does not encode `#` and `+`, which changes their meaning
}
"""The clients that sign such a value in a query before it is percent-encoded; the others sign the encoded text."""
each_encoded_symbol = pytest.mark.parametrize("symbol", ACCEPTED_CLIENTS, ids=[*SYMBOLS][1:])


@frozen
class RecordedRequest:
    """A request as it arrived, byte by byte."""

    method: str
    path: str
    query: str
    body: bytes
    headers: Mapping[str, str]


class RecordingSandbox(Sandbox):
    """A sandbox that also records the requests."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.requests: list[RecordedRequest] = []

    def respond(
        self,
        request: PendingRequest,
        query: str,
        body: bytes,
        *,
        code: str | None = None,
        row_code: str | None = None,
        effect: bool = True,
    ) -> ExchangeResponse:
        arrival = request.arrival
        self.requests.append(RecordedRequest(arrival.method, arrival.path, query, body, request.headers))
        return super().respond(request, query, body, code=code, row_code=row_code, effect=effect)

    @property
    def codes(self) -> list[str | None]:
        """The codes of the responses, in the order of arrival."""
        return [arrival.code for arrival in self.arrivals]


@frozen
class ClientUnderTest:
    """Another client with the credentials of an account, and the same client with a wrong secret."""

    name: str
    credentials: Credentials
    client: OtherClient
    client_with_wrong_secret: OtherClient
