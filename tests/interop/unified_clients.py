"""Clients by other authors that know unified accounts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from bitget_spot import Credentials

from .clients import Ccxt, call_within, typed_bitget_connection


class UnifiedClient:
    """The calls that the tests make with every client; each returns order ids."""

    def cancel(self, symbol: str, order_ids: Sequence[str]) -> list[str]:
        """Cancel spot orders of one trading pair, and return those that were accepted."""
        raise NotImplementedError

    def cancel_all(self, symbol: str) -> None:
        """Cancel all spot orders of one trading pair by one request."""
        raise NotImplementedError

    def open_orders(self, symbol: str) -> list[str]:
        """Return the open spot orders of a pair."""
        raise NotImplementedError


class UnifiedCcxt(UnifiedClient):
    """ccxt with its option for unified accounts."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        self._ccxt = Ccxt(url, credentials)
        self._ccxt.exchange.options["uta"] = True

    def cancel(self, symbol: str, order_ids: Sequence[str]) -> list[str]:
        accepted = self._ccxt.exchange.cancel_orders(list(order_ids), self._ccxt.add_market(symbol))
        return [order["id"] for order in accepted]

    def cancel_all(self, symbol: str) -> None:
        self._ccxt.exchange.cancel_all_orders(self._ccxt.add_market(symbol))

    def open_orders(self, symbol: str) -> list[str]:
        orders = self._ccxt.exchange.fetch_open_orders(self._ccxt.add_market(symbol))
        return [order["id"] for order in orders]


class UnifiedTypedBitget(UnifiedClient):
    """typed-bitget with its endpoints for unified accounts; responses are not validated, as in `TypedBitget`."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        self._url = url
        self._credentials = credentials

    def cancel(self, symbol: str, order_ids: Sequence[str]) -> list[str]:
        items = [{"orderId": order_id, "symbol": symbol, "category": "SPOT"} for order_id in order_ids]
        rows = self._call(lambda order: order.cancel_batch(items, validate=False))
        return [row["orderId"] for row in rows]

    def cancel_all(self, symbol: str) -> None:
        self._call(lambda order: order.cancel_symbol("SPOT", symbol=symbol, validate=False))

    def open_orders(self, symbol: str) -> list[str]:
        page = self._call(lambda order: order.unfilled("SPOT", symbol=symbol, validate=False))
        return [row["orderId"] for row in page["list"] or ()]

    def _call(self, call: Any) -> Any:
        return asyncio.run(call_within(self._open_orders(), call))

    @asynccontextmanager
    async def _open_orders(self) -> AsyncIterator[Any]:
        async with typed_bitget_connection(self._url, self._credentials) as client:
            yield import_module("typed_bitget.uta").Uta(client=client).trade.order
