"""The clients of others, run by `peers.py` in an environment of their own, which has nothing of this project's."""

from __future__ import annotations

from importlib import import_module, metadata
from typing import Any, Final

from contender import KEY, PASSPHRASE, SECRET, SYMBOL, InTasks, InThreads, obey

PAIR: Final = "BTC/USDT"
MARKET: Final = {"id": SYMBOL, "symbol": PAIR, "base": "BTC", "quote": "USDT", "type": "spot", "spot": True}
"""What ccxt has to know of a pair before it cancels; it would ask the exchange otherwise."""


def ccxt(module: str, origin: str, *, limited: bool) -> Any:
    """Make a client of ccxt's, in either manner."""
    keys = {"apiKey": KEY, "secret": SECRET, "password": PASSPHRASE}
    client = import_module(module).bitget({**keys, "enableRateLimit": limited, "urls": {"api": {"spot": origin}}})
    client.set_markets([MARKET])
    return client


class Ccxt(InThreads):
    """One batch after another; ccxt spaces them itself."""

    def __init__(self, origin: str, *, limited: bool) -> None:
        super().__init__(origin, limited=limited)
        self.client = ccxt("ccxt", origin, limited=limited)

    def cancel(self, ids: list[str]) -> object:
        orders = self.client.cancel_orders(ids, PAIR)
        assert len(orders) == len(ids), orders
        return orders

    def close(self) -> None:
        self.client.session.close()


class CcxtInTasks(InTasks):
    """All batches at once; ccxt spaces them itself."""

    def __init__(self, origin: str, *, limited: bool) -> None:
        super().__init__(origin, limited=limited)
        self.client = ccxt("ccxt.async_support", origin, limited=limited)

    async def cancel(self, ids: list[str]) -> object:
        orders = await self.client.cancel_orders(ids, PAIR)
        assert len(orders) == len(ids), orders
        return orders

    async def aclose(self) -> None:
        await self.client.close()


class TypedBitget(InTasks):
    """All batches at once; it has no limiter."""

    def __init__(self, origin: str, *, limited: bool) -> None:
        super().__init__(origin, limited=limited)
        new = import_module("typed_bitget").Bitget.new
        self.client: Any = new(access_key=KEY, secret_key=SECRET, passphrase=PASSPHRASE)
        self.client.http_client.base_url = origin

    async def cancel(self, ids: list[str]) -> object:
        orders = [{"orderId": one} for one in ids]
        result = await self.client.classic.spot.order.batch.cancel(SYMBOL, order_list=orders)
        assert len(result["successList"]) == len(ids), result
        return result

    async def aclose(self) -> None:
        await self.client.http_client.http.__aexit__(None, None, None)


if __name__ == "__main__":
    obey(
        {"ccxt": Ccxt, "ccxt-async": CcxtInTasks, "typed-bitget": TypedBitget, "typed-bitget-sniffio": TypedBitget},
        {"version": metadata.version},
    )
