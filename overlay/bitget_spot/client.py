"""`connect`: the generated client with the middleware chain under it."""

from __future__ import annotations

import hashlib
import ipaddress
import os
import ssl
import threading
from collections import Counter
from collections.abc import Hashable, Mapping
from typing import Final, Self

import httpx
from attrs import define, evolve, field

from bitget_spot import logs
from bitget_spot._concurrency import running_loop
from bitget_spot._middleware import build_chain
from bitget_spot._middleware.account_type import ACCOUNT_TYPES, AccountType, AccountTypeMemory
from bitget_spot._middleware.base import Middleware
from bitget_spot._middleware.retry import MAX_RETRIES
from bitget_spot._middleware.send import SendTransport
from bitget_spot.credentials import Credentials
from bitget_spot.errors import OriginError
from bitget_spot.rate_limit.memory import MemoryStore
from bitget_spot.rate_limit.store import Store
from bitget_spot_api import Client
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    BATCH_CANCEL_UNIFIED_ORDERS,
    OPERATIONS,
    SERVER_URL,
    Operation,
    RateLimit,
)

DEFAULT_TIMEOUT: Final = 10.0
"""Seconds that an attempt may take, from connecting to the last byte of the response."""
DEFAULT_PORTS: Final = {"http": 80, "https": 443}
BOOLEAN_VALUES: Final = {
    "1": True,
    "true": True,
    "yes": True,
    "on": True,
    "": False,
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}
"""What an environment variable may say, in any case."""
DEFAULT_MAX_RETRIES: Final = MAX_RETRIES
MAX_PORT: Final = 65535
BASE_URL_VARIABLE: Final = "BITGET_API_BASE_URL"
DIGEST_LENGTH: Final = 32
"""Hexadecimal digits that identify an account in a store."""
_process_store: Final = MemoryStore()


def connect(
    credentials: Credentials,
    *,
    base_url: str | None = None,
    timeout: float | None = DEFAULT_TIMEOUT,
    max_retries: int = DEFAULT_MAX_RETRIES,
    rate_limit_store: Store | None = None,
    requests_per_second: float | Mapping[str, float] | None = None,
    account_id: str | None = None,
    account_type: AccountType | None = None,
    demo: bool | None = None,
    channel_api_code: str | None = None,
    locale: str = "en-US",
    verify: ssl.SSLContext | bool = True,
    proxy: str | None = None,
    transport: httpx.BaseTransport | httpx.AsyncBaseTransport | None = None,
) -> SpotClient:
    """
    Return a client for the generated functions that validates, signs, limits and retries what they send.

    It serves threads and any number of event loops. Use it in a `with` or an `async with` statement, as often as you
    like; leaving the statement closes the connections of the threads, or of the running event loop. Outside of these
    statements, `client.close()` and `await client.aclose()` do the same.

    Args:
        credentials: The API key, its secret and its passphrase.
        base_url: The exchange, or a sandbox; by default the variable BITGET_API_BASE_URL, else the live exchange. Plain
            http is accepted for loopback only.
        timeout: Seconds that an attempt may take, from connecting to the last byte of the response; `None` for no
            limit. In threads it may take one socket call longer.
        max_retries: How often a request may be repeated. Only what is safe to repeat is repeated, and only if the error
            may be temporary.
        rate_limit_store: Where the budget is kept; by default, all clients of the process with this origin and account
            share one in memory.
        requests_per_second: A limit other than the document's: a mapping by operation id, or a number for the batch
            cancel of the stated type of account; of a classic one if none is stated.
        account_id: A name for the account, so that several of its keys share one budget; the same for all of them. By
            default the variable BITGET_ACCOUNT_ID, else each key counts as an account. Stores contain a digest of it.
        account_type: `classic` or `unified`; by default it is learned from what the exchange responds, and
            `client.account_type` shows it.
        demo: Whether to trade on the demo account; needs a demo key. `None` reads the variable BITGET_DEMO.
        channel_api_code: A broker's code, sent as X-CHANNEL-API-CODE.
        locale: The language of the exchange's messages.
        verify: As in httpx.
        proxy: The URL of a proxy; the environment's proxies are not used.
        transport: Sends instead of httpx's own transports; for tests.

    Raises:
        OriginError: `base_url` is not an origin that may receive a signature.
        ValueError: The type of the account is neither of the two; a limit is below one request a period, or is for an
            operation that the document does not have;
            BITGET_DEMO is neither true nor false; the proxy or the timeout is not valid; or the value of a header contains
            characters that HTTP does not allow.
        ImportError: The proxy needs a package that is not installed.

    """
    logs.configure_from_env()
    if base_url is None:
        base_url = os.environ.get(BASE_URL_VARIABLE) or SERVER_URL
    origin = _parse_origin(base_url)
    if account_type not in (None, *ACCOUNT_TYPES.values()):
        raise ValueError(f"account_type: {account_type!r} is not valid; use {' or '.join(ACCOUNT_TYPES.values())}")
    limits = _rate_limits(requests_per_second, account_type)
    memory = AccountTypeMemory(account_type)
    if timeout is not None and not timeout > 0:
        raise ValueError(f"timeout: {timeout} is not a valid duration; give seconds, more than 0")
    # Loopback without TLS needs no certificates.
    verify = verify if origin.scheme == "https" else False
    send = SendTransport(verify=verify, proxy=_checked_proxy(proxy), timeout=timeout, transport=transport)
    origin_key = f"{origin.scheme}://{origin.host}:{origin.port or DEFAULT_PORTS[origin.scheme]}"
    account = _account_digest(credentials, account_id)
    # Two origins are two exchanges, live and sandbox. With an explicit store, the caller says that they are one.
    account_budget = f"{origin_key} {account}" if rate_limit_store is None else account

    def budget(operation: Operation) -> str:
        counted_by = account_budget if operation.rate_limit.scope == "UID" else f"{origin_key} IP"
        return f"{counted_by} {operation.operation_id}"

    chain = build_chain(
        send,
        credentials=credentials,
        origin=origin,
        headers=_headers(locale=locale, demo=demo, channel_api_code=channel_api_code),
        max_retries=max_retries,
        store=_process_store if rate_limit_store is None else rate_limit_store,
        budget=budget,
        limits=limits,
        timeout=timeout,
        account=memory,
    )
    return SpotClient(
        base_url=str(origin),
        # A compressed response could decompress to any size.
        headers={"Accept-Encoding": "identity"},
        timeout=httpx.Timeout(timeout),
        raise_on_unexpected_status=True,
        httpx_args={"transport": chain},
        chain=chain,
        account=memory,
        limits=limits,
        max_retries=max_retries,
    )


class EntryCount:
    """How often a client has been entered and not left, by threads together and by each event loop."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Hashable] = Counter()

    def enter(self, owner: Hashable) -> None:
        """Count an entry."""
        with self._lock:
            self._counts[owner] += 1

    def leave(self, owner: Hashable) -> bool:
        """Return whether this was the last one."""
        with self._lock:
            self._counts[owner] -= 1
            if self._counts[owner] > 0:
                return False
            del self._counts[owner]
            return True


@define
class SpotClient(Client):
    """The generated client over the middleware chain; it can be entered again, and by several event loops at once."""

    _chain: Middleware = field(kw_only=True, repr=False, eq=False)
    _account: AccountTypeMemory = field(kw_only=True, repr=False, eq=False)
    _limits: Mapping[str, RateLimit] = field(kw_only=True, repr=False, eq=False)
    max_retries: int = field(kw_only=True)
    """How often a request may be repeated."""
    _entries: EntryCount = field(factory=EntryCount, init=False, repr=False, eq=False)

    @property
    def account_type(self) -> AccountType | None:
        """The type of the account: what was stated, or what the exchange's responses have shown; `None` so far."""
        return self._account.account_type

    @property
    def stated_account_type(self) -> AccountType | None:
        """The type of the account that `connect` was told."""
        return self._account.stated

    def rate_limit(self, operation: Operation) -> RateLimit:
        """Return the limit that this client keeps for an operation."""
        return self._limits[operation.operation_id]

    def __enter__(self) -> Self:
        self._entries.enter(None)
        return self

    def __exit__(self, *args: object) -> None:
        if self._entries.leave(None):
            self.close()

    async def __aenter__(self) -> Self:
        self._entries.enter(running_loop())
        return self

    async def __aexit__(self, *args: object) -> None:
        if self._entries.leave(running_loop()):
            await self.aclose()

    def close(self) -> None:
        """Close the connections of the threads when their requests are over; the next request opens new ones."""
        self._chain.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop; those of threads and other loops stay open."""
        await self._chain.aclose()


def require_spot_client(client: Client) -> SpotClient:
    """
    Return a client that `connect` made.

    Raises:
        TypeError: It is a plain generated client.

    """
    if not isinstance(client, SpotClient):
        raise TypeError("client: this one neither signs nor limits; make one with bitget_spot.connect")
    return client


def demo_from_env() -> bool:
    """
    Return what BITGET_DEMO says; false if it is not set.

    Raises:
        ValueError: It is neither true nor false.

    """
    value = os.environ.get("BITGET_DEMO", "")
    demo = BOOLEAN_VALUES.get(value.strip().lower())
    if demo is None:
        raise ValueError(f"BITGET_DEMO: {value!r} is not valid; set it to 1 for demo trading, to 0 for live trading")
    return demo


def _parse_origin(base_url: str) -> httpx.URL:
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in ("http", "https") or not url.host or not _is_valid_port(url.port):
        raise OriginError(f"base_url: not a valid origin; expected something like {SERVER_URL}")
    if url.path != "/" or url.query or url.fragment or url.userinfo:
        raise OriginError(f"base_url: give scheme, host and port only, as in {SERVER_URL}")
    if url.scheme == "http" and not _is_loopback(url.host):
        raise OriginError(f"base_url: http://{url.host} would send the passphrase in plain text; use https")
    return url


def _account_digest(credentials: Credentials, account_id: str | None) -> str:
    """Return what identifies the account in a store, without revealing it."""
    name = account_id if account_id is not None else os.environ.get("BITGET_ACCOUNT_ID") or None
    if name is None:
        return hashlib.sha256(credentials.api_key.encode()).hexdigest()[:DIGEST_LENGTH]
    if not name.strip():
        raise ValueError("account_id: is blank; give a name for the account, or leave it out")
    return hashlib.sha256(f"account {name}".encode(errors="surrogateescape")).hexdigest()[:DIGEST_LENGTH]


def _checked_proxy(proxy: str | None) -> str | None:
    """Return a proxy's URL that httpx can use; its message may contain a password, so it is not shown."""
    if proxy is None:
        return None
    try:
        with httpx.HTTPTransport(proxy=proxy, verify=False):
            return proxy
    except (ValueError, httpx.InvalidURL):
        raise ValueError("proxy: not a valid URL of a proxy; expected something like http://host:8080") from None


def _is_valid_port(port: int | None) -> bool:
    # httpx accepts any number, and the system would use it modulo 65536.
    return port is None or 0 < port <= MAX_PORT


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _headers(*, locale: str, demo: bool | None, channel_api_code: str | None) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "locale": locale}
    if channel_api_code is not None:
        headers["X-CHANNEL-API-CODE"] = channel_api_code
    if demo or (demo is None and demo_from_env()):
        headers["paptrading"] = "1"
    for name, value in headers.items():
        if not (value.strip() and value.isascii() and value.isprintable()):
            raise ValueError(f"{name}: {value!r} is not a valid header value; use printable ASCII text")
    return headers


def _rate_limits(
    requests_per_second: float | Mapping[str, float] | None, account_type: AccountType | None
) -> dict[str, RateLimit]:
    limits = {operation.operation_id: operation.rate_limit for operation in OPERATIONS.values()}
    if requests_per_second is None:
        return limits
    if isinstance(requests_per_second, Mapping):
        rates = requests_per_second
    else:
        operation = BATCH_CANCEL_UNIFIED_ORDERS if account_type == "unified" else BATCH_CANCEL_ORDERS
        rates = {operation.operation_id: requests_per_second}
    for name, rate in rates.items():
        if name not in limits:
            raise ValueError(f"requests_per_second: {name!r} is not an operation; use one of {', '.join(limits)}")
        requests = rate * limits[name].period_seconds
        if not 1 <= requests < float("inf"):
            raise ValueError(f"requests_per_second: {rate!r} for {name} is not valid; allow at least one in a period")
        limits[name] = evolve(limits[name], requests=int(requests))
    return limits
