"""Clients by other authors, run by `peers.py` in an environment of their own, which has nothing of this project's."""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from importlib import import_module, metadata
from typing import Any, Final

from client_process import (
    API_KEY,
    PASSPHRASE,
    SECRET_KEY,
    SYMBOL,
    AsyncClient,
    SyncClient,
    batch_size_of,
    run_jobs,
    split_into_batches,
    timed,
)

PAIR: Final = "BTC/USDT"
QUOTE: Final = "USDT"


def market_of(symbol: str) -> dict[str, object]:
    """Return what ccxt must know about a pair before it cancels; otherwise it would ask the exchange."""
    base = symbol.removesuffix(QUOTE)
    return {"id": symbol, "symbol": f"{base}/{QUOTE}", "base": base, "quote": QUOTE, "type": "spot", "spot": True}


def new_ccxt_client(
    module: str, origin: str, *, limited: bool, unified: bool = False, symbols: tuple[str, ...] = (SYMBOL,)
) -> Any:
    """Return a client of ccxt, from its module for threads or for tasks."""
    keys = {"apiKey": API_KEY, "secret": SECRET_KEY, "password": PASSPHRASE}
    # Without the option it would ask the exchange for the type of the account.
    options = {"options": {"uta": unified}, "urls": {"api": {"spot": origin, "uta": origin}}}
    client = import_module(module).bitget({**keys, "enableRateLimit": limited, **options})
    client.set_markets([market_of(symbol) for symbol in symbols])
    return client


def new_typed_bitget_client(origin: str) -> Any:
    """Return a client of typed-bitget."""
    new = import_module("typed_bitget").Bitget.new
    client: Any = new(access_key=API_KEY, secret_key=SECRET_KEY, passphrase=PASSPHRASE)
    client.http_client.base_url = origin
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
        self.client = new_typed_bitget_client(origin)

    async def cancel_batch(self, order_ids: list[str]) -> object:
        orders = [{"orderId": order_id} for order_id in order_ids]
        result = await self.client.classic.spot.order.batch.cancel(SYMBOL, order_list=orders)
        assert len(result["successList"]) == len(order_ids), result
        return result

    async def aclose(self) -> None:
        await self.client.http_client.http.__aexit__(None, None, None)


# Unified accounts and the kill switch, against the sandbox. As in the races, an exception of one call does not end the run.


def ccxt_on_account(client: Any, symbols: list[str], batches: list[list[str]]) -> None:
    """Cancel batches of the first pair, or everything of each pair, with ccxt."""
    pairs = [client.safe_symbol(symbol) for symbol in symbols]
    for batch in batches:
        with suppress(Exception):
            client.cancel_orders(batch, pairs[0])
    for pair in () if batches else pairs:
        with suppress(Exception):
            client.cancel_all_orders(pair)
    client.session.close()


async def async_ccxt_on_account(client: Any, symbols: list[str], batches: list[list[str]]) -> None:
    """Do the same with ccxt's tasks."""
    pairs = [client.safe_symbol(symbol) for symbol in symbols]
    if batches:
        calls = [client.cancel_orders(batch, pairs[0]) for batch in batches]
    else:
        calls = [client.cancel_all_orders(pair) for pair in pairs]
    await asyncio.gather(*calls, return_exceptions=True)
    await client.close()


async def typed_bitget_on_account(client: Any, account_type: str, symbols: list[str], batches: list[list[str]]) -> None:
    """Do the same with typed-bitget."""
    orders = client.uta.trade.order
    if batches:
        calls = [
            orders.cancel_batch([{"orderId": one, "category": "SPOT", "symbol": symbols[0]} for one in batch])
            for batch in batches
        ]
    elif account_type == "unified":
        calls = [orders.cancel_symbol("SPOT", symbol=symbol) for symbol in symbols]
    else:
        calls = [client.classic.spot.order.cancel_symbol(symbol) for symbol in symbols]
    await asyncio.gather(*calls, return_exceptions=True)
    await client.http_client.http.__aexit__(None, None, None)


def cancel_on_account(
    origin: str, account_type: str, symbols: list[str], order_ids: list[str] | None
) -> tuple[float, float]:
    """Cancel these orders, or whatever is open in these pairs; return the seconds and the CPU seconds."""
    batches = list(split_into_batches(order_ids or [], batch_size_of(account_type)))
    if sys.argv[1] == "typed-bitget":
        typed = new_typed_bitget_client(origin)
        return timed(lambda: asyncio.run(typed_bitget_on_account(typed, account_type, symbols, batches)))
    module = "ccxt.async_support" if sys.argv[1].endswith("-async") else "ccxt"
    unified = account_type == "unified"
    client = new_ccxt_client(module, origin, limited=True, unified=unified, symbols=tuple(symbols))
    if sys.argv[1].endswith("-async"):
        return timed(lambda: asyncio.run(async_ccxt_on_account(client, symbols, batches)))
    return timed(lambda: ccxt_on_account(client, symbols, batches))


if __name__ == "__main__":
    run_jobs(
        {"ccxt": Ccxt, "ccxt-async": AsyncCcxt, "typed-bitget": TypedBitget, "typed-bitget-sniffio": TypedBitget},
        {"version": metadata.version, "cancel_on_account": cancel_on_account},
    )
