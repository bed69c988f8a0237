"""A client of the sandbox that shares no code with the overlay: httpx and a signature of its own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import httpx

from bitget_spot.sandbox import Order, Sandbox
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, Operation

PATH = BATCH_CANCEL_ORDERS.path


class SandboxClient:
    """Sends signed requests; keyword arguments replace the sandbox's own credentials."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.http = httpx.Client(base_url=sandbox.url, trust_env=False)

    def headers(
        self,
        target: str,
        content: bytes,
        *,
        api_key: str | None = None,
        secret: str | None = None,
        passphrase: str | None = None,
        age: float = 0.0,
        stamp: str | None = None,
    ) -> dict[str, str]:
        """Return the signed headers of a request, with a timestamp from `age` seconds ago.

        The target is the method, the path and the query, as they are signed.
        """
        if stamp is None:
            stamp = str(int((time.time() - age) * 1000))
        key = (secret or self.sandbox.secret_key).encode()
        mac = hmac.new(key, stamp.encode() + target.encode() + content, hashlib.sha256)
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
        signed_query: str = "",
        extra: Mapping[str, str] | None = None,
        drop: str = "",
        operation: Operation = BATCH_CANCEL_ORDERS,
        **signing: Any,
    ) -> httpx.Response:
        """Post a body, as JSON or as the bytes given, without the header `drop`."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        path = operation.path
        target = f"POST{path}?{signed_query}" if signed_query else f"POST{path}"
        headers = {**self.headers(target, content, **signing), **(extra or {})}
        headers.pop(drop, None)
        return self.http.post(path, content=content, headers=headers)

    def cancel(self, *items: Any, **fields: Any) -> httpx.Response:
        """Cancel orders, each given as an order, which is cancelled by its id, or as an item of the list."""
        order_list = [{"orderId": item.order_id} if isinstance(item, Order) else item for item in items]
        return self.post({**fields, "orderList": order_list})

    def get(
        self, operation: Operation, query: str = "", *, signed_query: str | None = None, **signing: Any
    ) -> httpx.Response:
        """Send a query exactly as given; by default its decoded text, sorted by key, is what is signed."""
        if signed_query is None:
            pairs = sorted(parse_qsl(query, keep_blank_values=True))
            signed_query = "&".join(f"{key}={value}" for key, value in pairs)
        target = f"{operation.method}{operation.path}"
        if signed_query:
            target += f"?{signed_query}"
        headers = self.headers(target, b"", **signing)
        return self.http.get(operation.path + (f"?{query}" if query else ""), headers=headers)

    def is_open(self, order: Order) -> bool:
        """Return whether the order is still open."""
        return self.sandbox.orders[order.order_id].is_open


OpenClient: TypeAlias = Callable[..., SandboxClient]
