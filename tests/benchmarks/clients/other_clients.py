"""Clients by other authors, run by `peers.py` in an environment of their own, which has nothing of this project's."""

from __future__ import annotations

from importlib import import_module, metadata
from typing import Any, Final

from client_process import API_KEY, PASSPHRASE, SECRET_KEY, SYMBOL, AsyncClient, SyncClient, run_jobs

PAIR: Final = "BTC/USDT"
MARKET: Final = {"id": SYMBOL, "symbol": PAIR, "base": "BTC", "quote": "USDT", "type": "spot", "spot": True}
"""What ccxt must know about a pair before it cancels; otherwise it would ask the exchange."""


def new_ccxt_client(module: str, origin: str, *, limited: bool) -> Any:
    """Return a client of ccxt, from its module for threads or for tasks."""
    keys = {"apiKey": API_KEY, "secret": SECRET_KEY, "password": PASSPHRASE}
    client = import_module(module).bitget({**keys, "enableRateLimit": limited, "urls": {"api": {"spot": origin}}})
    client.set_markets([MARKET])
    return client


class Ccxt(SyncClient):
    """One batch after another; ccxt itself spaces them."""

    def __init__(self, origin: str, *, limited: bool) -> None:
        super().__init__(origin, limited=limited)
        self.client = new_ccxt_client("ccxt", origin, limited=limited)

    def cancel_batch(self, order_ids: list[str]) -> object:
        orders = self.client.cancel_orders(order_ids, PAIR)
        assert len(orders) == len(order_ids), orders
        return orders

    def close(self) -> None:
        self.client.session.close()


class AsyncCcxt(AsyncClient):
    """All batches at once; ccxt itself spaces them."""

    def __init__(self, origin: str, *, limited: bool) -> None:
        super().__init__(origin, limited=limited)
        self.client = new_ccxt_client("ccxt.async_support", origin, limited=limited)

    async def cancel_batch(self, order_ids: list[str]) -> object:
        orders = await self.client.cancel_orders(order_ids, PAIR)
        assert len(orders) == len(order_ids), orders
        return orders

    async def aclose(self) -> None:
        await self.client.close()


class TypedBitget(AsyncClient):
    """All batches at once; it has no rate limit."""

    def __init__(self, origin: str, *, limited: bool) -> None:
        super().__init__(origin, limited=limited)
        new = import_module("typed_bitget").Bitget.new
        self.client: Any = new(access_key=API_KEY, secret_key=SECRET_KEY, passphrase=PASSPHRASE)
        self.client.http_client.base_url = origin

    async def cancel_batch(self, order_ids: list[str]) -> object:
        orders = [{"orderId": order_id} for order_id in order_ids]
        result = await self.client.classic.spot.order.batch.cancel(SYMBOL, order_list=orders)
        assert len(result["successList"]) == len(order_ids), result
        return result

    async def aclose(self) -> None:
        await self.client.http_client.http.__aexit__(None, None, None)


if __name__ == "__main__":
    run_jobs(
        {"ccxt": Ccxt, "ccxt-async": AsyncCcxt, "typed-bitget": TypedBitget, "typed-bitget-sniffio": TypedBitget},
        {"version": metadata.version},
    )
