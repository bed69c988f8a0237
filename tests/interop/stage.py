"""What the tests hold in their hands: a sandbox that keeps what it is sent, and another client in front of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest
from attrs import frozen
from interop.clients import OtherClient

from bitget_spot import Credentials
from bitget_spot.sandbox import Sandbox
from bitget_spot.sandbox.envelope import ExchangeResponse
from bitget_spot.sandbox.handlers import PendingRequest

# The exchange lists pairs with Chinese names. A clientOid, which the sandbox makes from the symbol, may have each of
# `-_#:+`.
SYMBOLS: Final = {"plain": "BTCUSDT", "not-ascii": "币安人生USDT", "special": "a#b+c:d"}
symbols = pytest.mark.parametrize("symbol", SYMBOLS.values(), ids=SYMBOLS)

TAKEN_WITH: Final = {
    SYMBOLS["not-ascii"]: ["ccxt", "bitget-api-client"],
    SYMBOLS["special"]: ["ccxt"],  # bitget-api-client sends `#` and `+` as they are, and that says something else
}
"""Which clients sign such a value in a query before it is percent-encoded; the others sign the encoded text."""
encoded = pytest.mark.parametrize("symbol", TAKEN_WITH, ids=[*SYMBOLS][1:])


@frozen
class Sent:
    """A request as it arrived, byte by byte."""

    method: str
    path: str
    query: str
    body: bytes
    headers: Mapping[str, str]


class RecordingSandbox(Sandbox):
    """A sandbox that also keeps what it is sent."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.sent: list[Sent] = []

    def answer(
        self, call: PendingRequest, query: str, body: bytes, *, code: str | None = None, effect: bool = True
    ) -> ExchangeResponse:
        self.sent.append(Sent(call.arrival.method, call.arrival.path, query, body, call.headers))
        return super().answer(call, query, body, code=code, effect=effect)

    @property
    def codes(self) -> list[str | None]:
        """What was answered, in the order of arrival."""
        return [arrival.code for arrival in self.arrivals]


@frozen
class Other:
    """Another client in the hands of an account's holder, and in those of one who has the wrong secret."""

    name: str
    credentials: Credentials
    client: OtherClient
    impostor: OtherClient
