"""
The exchange as plain state: accounts, orders, rate windows, signature check, ledger.

No input or output happens here, and no clock is read that was not passed in, so every rule can be tried without a
server. Every method may be called from any thread.

A request takes three steps, the first before its body has been read, as at a real gateway:

    accept            look up the key, count the request, and enter it in the ledger
    respond           the rest of the authentication, then the operation's handler
    record_response   enter the response in the ledger
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import cycle
from random import Random
from typing import Any, Final, get_args
from urllib.parse import parse_qsl

from attrs import define, evolve, field, validators

from bitget_spot.sandbox.accounts import PUBLIC, Account, AccountType, authenticate, verify_hmac
from bitget_spot.sandbox.default_handler import return_example
from bitget_spot.sandbox.envelope import (
    NO_KEY,
    RATE_LIMITED,
    UNKNOWN_KEY,
    ExchangeResponse,
    RefusedError,
    message,
    refuse,
)
from bitget_spot.sandbox.handlers import HANDLERS
from bitget_spot.sandbox.order_book import SPOT, Order, OrderBook, OrderKind
from bitget_spot.sandbox.parameters import number
from bitget_spot.sandbox.request import Arrival, PendingRequest, requested_orders
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, SUCCESS_CODE, Operation

API_KEY: Final = "sandbox-api-key"
SECRET_KEY: Final = "sandbox-secret-key"  # noqa: S105 - opens nothing but a sandbox
PASSPHRASE: Final = "sandbox-passphrase"  # noqa: S105 - opens nothing but a sandbox
MAX_TIMESTAMP_DIGITS: Final = 16


@define(kw_only=True, eq=False, slots=False)
class Exchange:
    """
    Everything that the exchange knows.

    `refused_symbols` maps trading pairs to codes: a cancel with an order of such a pair is refused as a whole. A cancel of
    everything fails the orders of such a pair only.

    Args:
        orders: How many open orders the first account has at the start, over several trading pairs.
        api_key: The first account's key.
        secret_key: The first account's secret.
        passphrase: The first account's passphrase.
        demo: Whether the first account belongs to demo trading.
        account_type: The type of the first account: `classic` or `unified`.
        requests_per_second: Replaces the document's rate limit of every operation.
        cancel_delay: Seconds between the response to a cancel and its execution.
        all_gone_as_refusal: Whether a batch of a classic account of which no order is open is refused as a whole, or
            its response is a list of failures.
        seed: Decides the ids of the orders, and which requests meet a fault that happens by chance.
        clock: Returns seconds since the epoch.
        timer: Returns seconds of a clock that is never set; the `at` of an arrival is on it.

    """

    _initial_orders: int = field(default=120, alias="orders")
    api_key: str = API_KEY
    secret_key: str = field(default=SECRET_KEY, repr=False)
    passphrase: str = field(default=PASSPHRASE, repr=False)
    demo: bool = False
    account_type: AccountType = field(default="classic", validator=validators.in_(get_args(AccountType)))
    requests_per_second: float | None = None
    cancel_delay: float = 0.0
    all_gone_as_refusal: bool = True
    seed: int = 0
    clock: Callable[[], float] = field(default=time.time, repr=False)
    timer: Callable[[], float] = field(default=time.monotonic, repr=False)

    def __attrs_post_init__(self) -> None:
        self._lock = threading.RLock()
        self._skew = 0.0
        self.refused_symbols: dict[str, str] = {}
        self._accounts: dict[str, Account] = {}
        self._windows: dict[tuple[str, str], deque[float]] = {}
        self._ledger: list[PendingRequest] = []
        self.null_turns: Iterator[bool] = cycle((True, False))
        """Whether the next empty list of a unified account is null: the exchange has been seen to do both."""
        random = Random(self.seed)  # noqa: S311 - ids that look real, not secrets
        self.book = OrderBook(random, self.server_time, self.timer)
        self.add_account(self.api_key, self.secret_key, self.passphrase, demo=self.demo, account_type=self.account_type)
        self.open_orders(self._initial_orders)

    def add_account(
        self,
        api_key: str,
        secret_key: str,
        passphrase: str,
        *,
        demo: bool = False,
        account_type: AccountType = "classic",
        verify: Callable[[bytes, str], bool] | None = None,
    ) -> None:
        """
        Add an account with orders and a rate limit of its own.

        Args:
            api_key: Its key.
            secret_key: Its HMAC secret.
            passphrase: Its passphrase.
            demo: Whether it belongs to demo trading and needs the header `paptrading: 1`.
            account_type: Its type: a classic account can use version 2 of the API only, a unified one version 3.
            verify: Replaces the HMAC check: returns whether a signature, the text of ACCESS-SIGN, matches the bytes
                that it should cover.

        """
        with self._lock:
            verify = verify or partial(verify_hmac, secret_key)
            self._accounts[api_key] = Account(api_key, passphrase, verify, demo, account_type)

    def open_orders(
        self,
        n: int,
        *,
        symbol: str | None = None,
        with_client_oid: bool = True,
        api_key: str | None = None,
        kind: OrderKind = "normal",
        category: str = SPOT,
    ) -> list[Order]:
        """
        Open more orders and return them.

        Args:
            n: How many.
            symbol: Their trading pair; by default several in turn.
            with_client_oid: Whether each gets a clientOid.
            api_key: The key of their account; by default the first account's.
            kind: `normal`, `tpsl` (TP/SL orders of a classic account, strategy orders of a unified one) or `plan`
                (trigger orders of a classic account).
            category: `SPOT`, or another category of a unified account; strategy orders need a futures category.

        Raises:
            KeyError: There is no such account.
            ValueError: The account cannot have such orders.

        """
        key = api_key or self.api_key
        self._accounts[key].check_kind(kind, category)
        return [
            self.book.open(symbol, key, with_client_oid=with_client_oid, kind=kind, category=category) for _ in range(n)
        ]

    def fill(self, order_id: str, *, partially: bool = False) -> Order:
        """
        Fill an open normal order, which ends it unless it is filled only partially; return it.

        Raises:
            KeyError: There is no such order.
            ValueError: The order is not open, or not a normal one.

        """
        return self.book.fill(order_id, partially=partially)

    def trigger(self, order_id: str, *, fails: bool = False) -> Order:
        """
        Let an open TP/SL, strategy or trigger order fire, which ends it; return it.

        It places a normal order with another id, its `placed_order_id`.

        Args:
            order_id: Its id.
            fails: Whether the order, which must be a trigger order, cannot be executed and places no order.

        Raises:
            KeyError: There is no such order.
            ValueError: The order is not open, or is a normal one; or it is to fail and is not a trigger order.

        """
        return self.book.trigger(order_id, fails=fails)

    @property
    def orders(self) -> dict[str, Order]:
        """Every order of every account as it is now, by its order id."""
        return self.book.orders

    @property
    def arrivals(self) -> list[Arrival]:
        """Every request for an operation since the last reset, in the order of arrival."""
        with self._lock:
            return [request.arrival for request in self._ledger]

    def reset_ledger(self) -> None:
        """Delete the arrivals so far; the rate windows continue."""
        with self._lock:
            self._ledger.clear()

    def worst_window(
        self,
        period: float | None = None,
        *,
        operation: Operation = BATCH_CANCEL_ORDERS,
        api_key: str | None = None,
    ) -> int:
        """
        Return the largest number of requests that arrived in any period, refused ones included.

        Args:
            period: The length of the half-open window in seconds; by default the document's.
            operation: The operation to count.
            api_key: Count the requests of this key only; by default of all.

        """
        length = period or operation.rate_limit.period_seconds
        window: deque[float] = deque()
        worst = 0
        for arrival in sorted(self.arrivals, key=lambda arrival: arrival.at):
            is_operation = (arrival.method, arrival.path) == (operation.method, operation.path)
            if is_operation and api_key in (None, arrival.api_key):
                window.append(arrival.at)
                _drop_older(window, arrival.at, length)
                worst = max(worst, len(window))
        return worst

    def server_time(self) -> int:
        """Return the exchange's clock, in milliseconds since the epoch."""
        return int((self.clock() + self._skew) * 1000)

    def accept(
        self, operation: Operation, headers: Mapping[str, str], at: float, *, counted: bool = True
    ) -> PendingRequest:
        """
        Count a request by its key, and enter it in the ledger.

        Args:
            operation: The operation.
            headers: The request's headers; names are looked up in lower case.
            at: When the request arrived, by the exchange's timer.
            counted: False for a request that is turned away before it reaches the exchange.

        """
        api_key = headers.get("access-key", "")
        stamp = headers.get("access-timestamp", "")
        is_number = stamp.isascii() and stamp.isdigit() and len(stamp) <= MAX_TIMESTAMP_DIGITS
        stamp_age = (self.server_time() - int(stamp)) / 1000 if is_number else None
        with self._lock:
            refusal, remaining = self._count(operation, api_key, at, counted=counted)
            arrival = Arrival(at, api_key, operation.method, operation.path, stamp_age)
            request = PendingRequest(arrival, operation, headers, remaining, refusal)
            self._ledger.append(request)
            return request

    def respond(
        self,
        request: PendingRequest,
        query: str,
        body: bytes,
        *,
        code: str | None = None,
        row_code: str | None = None,
        effect: bool = True,
    ) -> ExchangeResponse:
        """
        Authenticate a request, execute it, and return the response.

        Args:
            request: What `accept` returned.
            query: The query as it was sent, without the question mark.
            body: The body as it was sent.
            code: Refuse with this code what would have been a success.
            row_code: Fail each order of a batch cancel with this code.
            effect: False to execute nothing, which needs a code.

        """
        request.query = dict(parse_qsl(query, keep_blank_values=True))
        request.body = body
        request.row_code = row_code
        with suppress(ValueError, RecursionError):
            request.document = json.loads(body)
        request.arrival = evolve(request.arrival, order_ids=requested_orders(request.document))
        data = None
        if effect:
            try:
                with self._lock:
                    data = self._execute(request)
            except RefusedError as refused:
                code = refused.code
        if code is not None:
            return self.refuse(code, request.headers)
        return ExchangeResponse(200, self._envelope(SUCCESS_CODE, "success", data), request.operation)

    def refuse(self, code: str, headers: Mapping[str, str]) -> ExchangeResponse:
        """Return the error response with this code."""
        if code == RATE_LIMITED:
            return ExchangeResponse(429, {"code": code, "msg": "Too Many Requests"})
        return ExchangeResponse(400, self._envelope(code, message(code, headers), None))

    def record_response(self, request: PendingRequest, status: int | None, code: str | None) -> None:
        """Enter the response that was sent in the ledger."""
        request.arrival = evolve(request.arrival, status=status, code=code)

    def _count(self, operation: Operation, api_key: str, at: float, *, counted: bool) -> tuple[str | None, int]:
        """Return the code of a refusal, if there is one, and the calls left after this one."""
        limit = operation.rate_limit
        max_requests = limit.requests
        if self.requests_per_second is not None:
            max_requests = int(self.requests_per_second * limit.period_seconds)
        if operation.signed and api_key not in self._accounts:
            # An unknown key has no window of its own.
            return (UNKNOWN_KEY if api_key else NO_KEY), max_requests
        # All requests come from one IP address.
        counted_by = api_key if limit.scope == "UID" else limit.scope
        window = self._windows.setdefault((counted_by, operation.operation_id), deque())
        _drop_older(window, at, limit.period_seconds)
        if counted and len(window) >= max_requests:
            return RATE_LIMITED, 0
        if counted:
            window.append(at)
        refusal = self._accounts[api_key].refusal(operation) if operation.signed else None
        return refusal, max_requests - len(window)

    def _execute(self, request: PendingRequest) -> object:
        """Return the `data` of an operation, after authenticating and executing it."""
        refuse(request.refusal)
        account = self._authenticate(request) if request.operation.signed else PUBLIC
        for name in ("requestTime", "receiveWindow"):
            number(request.query, name, 0)
        self.book.execute_cancels()
        handler = HANDLERS.get((request.operation.method, request.operation.path), return_example)
        return handler(self, account, request)

    def _authenticate(self, request: PendingRequest) -> Account:
        """
        Return the account that has signed a request.

        Raises:
            RefusedError: The signature, or what belongs to it, is not valid.

        """
        account = self._accounts[request.arrival.api_key]
        authenticate(account, request)
        return account

    def _envelope(self, code: str, msg: str, data: object) -> dict[str, Any]:
        return {"code": code, "msg": msg, "requestTime": self.server_time(), "data": data}


def _drop_older(window: deque[float], now: float, period: float) -> None:
    """Remove what is a period or more ago."""
    while window and now - window[0] >= period:
        window.popleft()
