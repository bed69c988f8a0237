"""
The generated client with the chain under it.

The order of the links stands here and nowhere else:

    generated function
      consistency   before any wait, before any byte
      retry         repeats what the document says is safe to repeat
      refusals      every answer one meaning, below the generated parser
      rate limit    waits for a slot
      signing       stamps after the wait, signs the very bytes that leave
      wire          httpx
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import ssl
from collections.abc import Mapping
from typing import Final, Self

import httpx
from attrs import evolve

from bitget_spot._middleware.base import Link
from bitget_spot._middleware.rate_limit import Limit
from bitget_spot._middleware.responses import Refusals
from bitget_spot._middleware.retry import TRIES, Retry
from bitget_spot._middleware.send import Wire
from bitget_spot._middleware.signing import Signing
from bitget_spot.credentials import Credentials
from bitget_spot.errors import OriginError
from bitget_spot.rate_limit.memory import MemorySlots, Slots
from bitget_spot.validation import Consistency
from bitget_spot_api import Client
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    OPERATIONS,
    SERVER_URL,
    Operation,
    RateLimit,
)

TIMEOUT: Final = httpx.Timeout(10, connect=5)
SAID: Final = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("", "0", "false", "no", "off"), False)
_process_slots: Final = MemorySlots()


def connect(
    credentials: Credentials,
    *,
    base_url: str = SERVER_URL,
    timeout: httpx.Timeout | float | None = TIMEOUT,
    slots: Slots | None = None,
    requests_per_second: float | Mapping[str, float] | None = None,
    tries: int = TRIES,
    demo: bool | None = None,
    channel_api_code: str | None = None,
    locale: str = "en-US",
    verify: ssl.SSLContext | bool = True,
    proxy: str | None = None,
    transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
) -> Client:
    """
    Make a client for the generated functions that signs, limits and checks what they send.

    It serves threads and any number of event loops, and may be entered with `with` or `async with` as often as you
    like; leaving closes the connections of the threads, or of the running loop.

    Args:
        credentials: Whose orders they are.
        base_url: The exchange, or a sandbox; plain http only to loopback.
        timeout: Seconds for each step of a request (connect, send, each read), or an `httpx.Timeout`; `None` waits
            for ever.
        slots: Where the budget lies; without it, all clients of the process with this origin and key share one.
        requests_per_second: Another limit than the document's for the batch cancel, or a mapping by operation id.
        tries: How often a request is sent at the most, the first time included; only what is safe to repeat is
            repeated, and only where the failure may pass.
        demo: Trade on the demo account; needs a demo key. `None` heeds the variable BITGET_DEMO.
        channel_api_code: A broker's code, sent as X-CHANNEL-API-CODE.
        locale: The language of the exchange's messages.
        verify: As httpx takes it.
        proxy: The address of a proxy; those of the environment are not used.
        transport: Sends in place of httpx's own transports, for tests.

    Raises:
        OriginError: `base_url` is not an origin that may see a signature.
        ValueError: A limit that is below one request a period, or for an operation that the document lacks; a
            BITGET_DEMO that is neither yes nor no; a header's value that no header can carry.

    """
    origin = _checked(base_url)
    headers = {"Content-Type": "application/json", "locale": locale}
    if channel_api_code is not None:
        headers["X-CHANNEL-API-CODE"] = channel_api_code
    if demo or (demo is None and _demo_variable()):
        headers["paptrading"] = "1"
    for name, value in headers.items():
        if not (value.strip() and value.isascii() and value.isprintable()):
            raise ValueError(f"{name}: {value!r} cannot stand in a header; give printable ASCII text")
    account = hashlib.sha256(credentials.api_key.encode()).hexdigest()[:32]
    # Two origins are two exchanges, live and sandbox; whoever names a store says that they are one.
    shared_by = f"{origin} {account}" if slots is None else account

    limits = _limits(requests_per_second)

    def budget(operation: Operation) -> str:
        counted_by = shared_by if operation.rate_limit.scope == "UID" else f"{origin} IP"
        return f"{counted_by} {operation.operation_id}"

    chain = Consistency(
        Retry(
            Refusals(
                Limit(
                    Signing(
                        # A loopback that is spoken to in plain text needs no certificates.
                        Wire(verify=verify if origin.scheme == "https" else False, proxy=proxy, transport=transport),
                        credentials=credentials,
                        origin=origin,
                        headers=headers,
                    ),
                    slots=_process_slots if slots is None else slots,
                    budget=budget,
                    limits=limits,
                )
            ),
            tries=tries,
        )
    )
    return SpotClient(
        base_url=str(origin),
        timeout=httpx.Timeout(timeout),
        raise_on_unexpected_status=True,
        httpx_args={"transport": chain},
    )


def limit_of(client: Client, operation: Operation) -> RateLimit:
    """
    Tell the limit that a client keeps.

    Raises:
        TypeError: The client was not made by `connect`.

    """
    link: object = client._httpx_args.get("transport")  # noqa: SLF001 - where connect has put it
    while isinstance(link, Link):
        if isinstance(link, Limit):
            return link.limits[operation.operation_id]
        link = link.following
    raise TypeError("this client neither signs nor limits: make one with bitget_spot.connect")


class SpotClient(Client):
    """The generated client, which can be entered again and by several event loops at once."""

    __slots__ = ()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *args: object) -> None:
        self._httpx_args["transport"].close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *args: object) -> None:
        await self._httpx_args["transport"].aclose()


def _checked(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL()
    # httpx takes any number for a port, and the system would take what is left of it modulo 65536.
    if url.scheme not in ("http", "https") or not url.host or not 0 < (1 if url.port is None else url.port) < 2**16:
        raise OriginError(f"base_url is no address of an exchange: give it as in {SERVER_URL}")
    if url.path != "/" or url.query or url.fragment or url.userinfo:
        raise OriginError(f"base_url: give scheme, host and port alone, as in {SERVER_URL}")
    if url.scheme == "http" and not _is_loopback(url.host):
        raise OriginError(f"http://{url.host} would carry the passphrase in the clear: use https")
    return url


def _demo_variable() -> bool:
    told = os.environ.get("BITGET_DEMO", "")
    if told.strip().lower() not in SAID:
        raise ValueError(f"BITGET_DEMO is {told!r}: set it to 1 for demo trading, to 0 for live trading")
    return SAID[told.strip().lower()]


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _limits(given: float | Mapping[str, float] | None) -> dict[str, RateLimit]:
    limits = {operation.operation_id: operation.rate_limit for operation in OPERATIONS.values()}
    if given is None:
        return limits
    numbers = given if isinstance(given, Mapping) else {BATCH_CANCEL_ORDERS.operation_id: given}
    for name, number in numbers.items():
        if name not in limits:
            raise ValueError(f"requests_per_second: no operation {name!r}; there are {', '.join(limits)}")
        requests = number * limits[name].period_seconds
        if not 1 <= requests < float("inf"):
            raise ValueError(f"requests_per_second: {number!r} for {name}; give at least one in a period")
        limits[name] = evolve(limits[name], requests=int(requests))
    return limits
