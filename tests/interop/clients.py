"""
Clients of the exchange by other authors, behind one interface: each signs and sends with its own code only.

They are imported when they are used, because the environment in which types are checked does not have them.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from bitget_spot import Credentials

Order = Mapping[str, str]
"""An item of `orderList`, with `orderId` or `clientOid`."""


class OtherClient:
    """The calls that the tests make with every client; each returns order ids."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        self.url = url
        self.credentials = credentials

    @property
    def refusal(self) -> type[Exception]:
        """The exception that it raises if the exchange does not accept a signature."""
        raise NotImplementedError

    def cancel(self, symbol: str, orders: Sequence[Order]) -> list[str]:
        """Cancel orders of one trading pair, and return those that were accepted: a POST."""
        raise NotImplementedError

    def open_orders(self, symbol: str, limit: int) -> list[str]:
        """Return a page of open orders: a GET whose query has two keys."""
        raise NotImplementedError

    def order_info(self, client_oid: str) -> list[str]:
        """Return the order with this clientOid: a GET whose query may need percent-encoding."""
        raise NotImplementedError


class Ccxt(OtherClient):
    """ccxt, with its unified methods, and with its implicit ones if those cannot send a clientOid."""

    def __init__(self, url: str, credentials: Credentials) -> None:
        super().__init__(url, credentials)
        self.exchange: Any = import_module("ccxt").bitget(
            {
                "apiKey": credentials.api_key,
                "secret": credentials.secret_key,
                "password": credentials.passphrase,
                # Otherwise ccxt first asks an endpoint for unified accounts whether this is one.
                "options": {"uta": False},
            }
        )
        self.exchange.urls["api"] = dict.fromkeys(self.exchange.urls["api"], url)

    @property
    def refusal(self) -> type[Exception]:
        exception: type[Exception] = import_module("ccxt").AuthenticationError
        return exception

    def cancel(self, symbol: str, orders: Sequence[Order]) -> list[str]:
        if any("clientOid" in order for order in orders):
            body = {"symbol": symbol, "orderList": orders}
            return _accepted_ids(self.exchange.private_spot_post_v2_spot_trade_batch_cancel_order(body)["data"])
        accepted = self.exchange.cancel_orders([order["orderId"] for order in orders], self.add_market(symbol))
        return [order["id"] for order in accepted]

    def open_orders(self, symbol: str, limit: int) -> list[str]:
        return [order["id"] for order in self.exchange.fetch_open_orders(self.add_market(symbol), limit=limit)]

    def order_info(self, client_oid: str) -> list[str]:
        return _order_ids(self.exchange.private_spot_get_v2_spot_trade_orderinfo({"clientOid": client_oid})["data"])

    def add_market(self, symbol: str) -> str:
        """Add a trading pair, and return ccxt's name for it."""
        # Otherwise ccxt loads the markets of the whole exchange.
        pair = f"{symbol}/?"
        market = {
            "id": symbol,
            "symbol": pair,
            "base": symbol,
            "quote": "?",
            "type": "spot",
            "spot": True,
            "settle": None,
        }
        self.exchange.set_markets([market])
        return pair


class RefusedError(Exception):
    """The npm client has thrown an error response of the exchange."""


class NpmBitgetApi(OtherClient):
    """npm's bitget-api, which accepts an RSA private key wherever it accepts a secret."""

    @property
    def refusal(self) -> type[Exception]:
        return RefusedError

    def cancel(self, symbol: str, orders: Sequence[Order]) -> list[str]:
        return _accepted_ids(self._call("spotBatchCancelOrders", symbol=symbol, batchMode="single", orderList=orders))

    def open_orders(self, symbol: str, limit: int) -> list[str]:
        return _order_ids(self._call("getSpotOpenOrders", symbol=symbol, limit=str(limit)))

    def order_info(self, client_oid: str) -> list[str]:
        return _order_ids(self._call("getSpotOrder", clientOid=client_oid))

    def _call(self, method: str, **parameters: object) -> Any:
        options = {
            "baseUrl": self.url,
            "apiKey": self.credentials.api_key,
            "apiSecret": self.credentials.secret_key,
            "apiPass": self.credentials.passphrase,
        }
        # `make interop` installs the packages of both languages in one environment.
        modules = str(Path(sys.prefix) / "node_modules")
        result = subprocess.run(
            ["node", Path(__file__).with_name("npm_client.cjs")],  # noqa: S607 - the machine's Node.js
            input=json.dumps({"options": options, "method": method, "parameters": parameters}),
            env=os.environ | {"NODE_PATH": modules, "NO_PROXY": "127.0.0.1"},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        if result.returncode:
            raise RuntimeError(result.stderr)
        output = json.loads(result.stdout)
        if "refusal" in output:
            raise RefusedError(output["refusal"])
        return output["response"]["data"]


@asynccontextmanager
async def typed_bitget_connection(url: str, credentials: Credentials) -> AsyncIterator[Any]:
    """Yield a connection of typed-bitget, which its endpoints take as their client."""
    key = import_module("typed_bitget.core.auth").Credentials(
        credentials.api_key, credentials.secret_key, credentials.passphrase
    )
    http = import_module("typed_core.http").HttpClient(trust_env=False)
    make_client = import_module("typed_bitget.core.transport.http").HttpRpcClient
    async with make_client(base_url=url, credentials=key, http=http) as client:
        yield client


class TypedBitget(OtherClient):
    """typed-bitget; orders are not validated, because it requires fields that the sandbox leaves out."""

    @property
    def refusal(self) -> type[Exception]:
        exception: type[Exception] = import_module("typed_core.exceptions").AuthError
        return exception

    def cancel(self, symbol: str, orders: Sequence[Order]) -> list[str]:
        return _accepted_ids(self._call(lambda spot: spot.order.batch.cancel(symbol, order_list=orders)))

    def open_orders(self, symbol: str, limit: int) -> list[str]:
        return _order_ids(self._call(lambda spot: spot.order.open(symbol=symbol, limit=limit, validate=False)))

    def order_info(self, client_oid: str) -> list[str]:
        return _order_ids(self._call(lambda spot: spot.order.info(client_oid=client_oid, validate=False)))

    def _call(self, call: Callable[[Any], Awaitable[Any]]) -> Any:
        return asyncio.run(call_within(self._open_spot(), call))

    @asynccontextmanager
    async def _open_spot(self) -> AsyncIterator[Any]:
        async with typed_bitget_connection(self.url, self.credentials) as client:
            yield import_module("typed_bitget.classic").Classic(client=client).spot


class BitgetApiClient(OtherClient):
    """bitget-api-client, which raises its network exception for every HTTP status of 400 and above."""

    @property
    def refusal(self) -> type[Exception]:
        exception: type[Exception] = import_module("bitget_api_client.modules.exceptions").BitgetAPINetworkException
        return exception

    def cancel(self, symbol: str, orders: Sequence[Order]) -> list[str]:
        return _accepted_ids(self._call(lambda spot: spot.batch_cancel_orders(orders, symbol)))

    def open_orders(self, symbol: str, limit: int) -> list[str]:
        return _order_ids(self._call(lambda spot: spot.get_current_orders(symbol=symbol, limit=limit)))

    def order_info(self, client_oid: str) -> list[str]:
        return _order_ids(self._call(lambda spot: spot.get_order_info(clientOid=client_oid)))

    def _call(self, call: Callable[[Any], Awaitable[Any]]) -> Any:
        return asyncio.run(call_within(self._open_spot(), call))["data"]

    @asynccontextmanager
    async def _open_spot(self) -> AsyncIterator[Any]:
        client = import_module("bitget_api_client.client").BitgetApiClient(
            self.credentials.api_key, self.credentials.secret_key, self.credentials.passphrase
        )
        client.base_url = self.url
        try:
            yield client.spot
        finally:
            await client.close()


async def call_within(context: AbstractAsyncContextManager[Any], call: Callable[[Any], Awaitable[Any]]) -> Any:
    """Enter a context, and return the result of a call with what it yields."""
    async with context as spot:
        return await call(spot)


def _accepted_ids(data: Any) -> list[str]:
    return _order_ids(data["successList"])


def _order_ids(rows: Any) -> list[str]:
    return [row["orderId"] for row in rows]
