"""A client of the sandbox that shares no code with the overlay: raw httpx and a signer of its own."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx
import pytest

from bitget_spot.sandbox import Order, Sandbox
from bitget_spot.sandbox.pytest_plugin import bitget_sandbox

__all__ = ["bitget_sandbox"]

PATH = "/api/v2/spot/trade/batch-cancel-order"


class Desk:
    """Sends signed batch cancels over one client; keyword arguments replace the sandbox's own."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.http = httpx.Client(base_url=sandbox.url, trust_env=False)

    def headers(
        self,
        content: bytes,
        *,
        query: str = "",
        api_key: str | None = None,
        secret: str | None = None,
        passphrase: str | None = None,
        age: float = 0.0,
        stamp: str | None = None,
    ) -> dict[str, str]:
        """Answer the headers of a POST of this content, stamped `age` seconds ago."""
        if stamp is None:
            stamp = str(int((time.time() - age) * 1000))
        target = PATH + ("?" + query if query else "")
        key = (secret or self.sandbox.secret_key).encode()
        mac = hmac.new(key, stamp.encode() + b"POST" + target.encode() + content, hashlib.sha256)
        return {
            "ACCESS-KEY": api_key or self.sandbox.api_key,
            "ACCESS-SIGN": base64.b64encode(mac.digest()).decode(),
            "ACCESS-PASSPHRASE": passphrase or self.sandbox.passphrase,
            "ACCESS-TIMESTAMP": stamp,
            "Content-Type": "application/json",
            "locale": "en-US",
        }

    def post(
        self,
        body: Any,
        *,
        extra: Mapping[str, str] | None = None,
        drop: str = "",
        **signing: Any,
    ) -> httpx.Response:
        """Post a body, as JSON or as the bytes given, without the header named by `drop`."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {**self.headers(content, **signing), **(extra or {})}
        headers.pop(drop, None)
        return self.http.post(PATH, content=content, headers=headers)

    def cancel(self, *items: Any, **fields: Any) -> httpx.Response:
        """Cancel orders, each an order (by its id) or an item of the list as it is."""
        order_list = [{"orderId": item.order_id} if isinstance(item, Order) else item for item in items]
        return self.post({**fields, "orderList": order_list})


@pytest.fixture
def open_desk() -> Iterator[Callable[..., Desk]]:
    """Start a sandbox with these arguments and answer a client of it; both end with the test."""
    desks: list[Desk] = []

    def open_one(**arguments: Any) -> Desk:
        desks.append(Desk(Sandbox(**arguments).start()))
        return desks[-1]

    yield open_one
    for desk in desks:
        desk.http.close()
        desk.sandbox.stop()


@pytest.fixture
def desk(open_desk: Callable[..., Desk]) -> Desk:
    """Answer a client of a sandbox with no orders and no rate limit to speak of."""
    return open_desk(orders=0, requests_per_second=1000)
