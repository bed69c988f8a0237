"""
The exchange as plain state: accounts, orders, rate windows, signature check, batch cancel, ledger.

No input or output happens here and no clock is read that was not passed in, so every rule can be tried without a
server. Every method may be called from any thread.

A call takes three steps, the first before its body has been read, as at a real gateway:

    admit           the key is looked up, the request counted, its place in the ledger opened
    answer          the rest of the authentication, then the operation's handler
    record_answer   what was sent back is written into the ledger

A new endpoint is one entry in `HANDLERS` and the method it names.
"""

import base64
import hmac
import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from itertools import islice
from random import Random
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl

from attrs import define, evolve, field, frozen

from bitget_spot_api.models.tpsl_type import TPSL_TYPE_VALUES
from bitget_spot_api.operations import (
    BATCH_CANCEL_ORDERS,
    GET_HISTORY_ORDERS,
    GET_ORDER_INFO,
    GET_SERVER_TIME,
    GET_UNFILLED_ORDERS,
    SUCCESS_CODE,
    TIMESTAMP_WINDOW_SECONDS,
    Operation,
)

API_KEY: Final = "sandbox-api-key"
SECRET_KEY: Final = "sandbox-secret-key"  # noqa: S105 - opens nothing but a sandbox
PASSPHRASE: Final = "sandbox-passphrase"  # noqa: S105 - opens nothing but a sandbox

RATE_LIMITED: Final = "429"
ORDER_GONE: Final = "43001"
_MALFORMED: Final = "40017"
_MISSING: Final = "40019"
_NO_ORDERS: Final = "40020"
_INVALID: Final = "400172"
_TOO_MANY: Final = "40912"

_FIRST_ORDER_ID: Final = 1_300_000_000_000_000_000
"""Nineteen digits and above 2**53, as at the exchange: read as a float, such an id changes."""

_EMPTY: Final = (
    "cancelReason",
    "feeDetail",
    "presetTakeProfitPrice",
    "executeTakeProfitPrice",
    "presetStopLossPrice",
    "executeStopLossPrice",
    "triggerPrice",
)
"""What an order without fees, reasons and triggers leaves empty."""

_LONGEST_TIMESTAMP: Final = 16
_NUMBER: Final = re.compile("-?[0-9]{1,99}")

_PAIRS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "BTCUSDT": ("61250.50", "0.0020"),
        "ETHUSDT": ("2480.15", "0.0500"),
        "SOLUSDT": ("148.20", "1.5000"),
        "XRPUSDT": ("0.5310", "400.0000"),
    }
)
"""Price and size of the orders of each trading pair; another pair gets 1 of each."""

_MESSAGES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "40001": ("No ACCESS-KEY was sent", "未提供 ACCESS-KEY"),
        "40002": ("No ACCESS-SIGN was sent", "未提供 ACCESS-SIGN"),
        "40003": ("No ACCESS-TIMESTAMP was sent", "未提供 ACCESS-TIMESTAMP"),
        "40005": ("ACCESS-TIMESTAMP is not in milliseconds", "时间戳格式错误"),
        "40008": ("The timestamp lies outside the window", "请求时间戳已过期"),
        "40009": ("The signature does not match", "签名错误"),
        "40011": ("No ACCESS-PASSPHRASE was sent", "未提供 ACCESS-PASSPHRASE"),
        "40012": ("The passphrase does not belong to the key", "密钥或口令不正确"),
        "40037": ("The key is not known", "密钥不存在"),
        "40099": ("Key and environment do not match", "密钥与交易环境不匹配"),
        "40404": ("There is no such operation", "接口不存在"),
        _MALFORMED: ("The body does not have the operation's shape", "参数校验失败"),
        _MISSING: ("A required parameter is empty", "必填参数为空"),
        _NO_ORDERS: ("The list of orders is missing or empty", "订单列表为空"),
        _INVALID: ("A parameter has no permitted value", "参数取值错误"),
        _TOO_MANY: ("The batch holds too many orders", "批量订单数量超过上限"),
        ORDER_GONE: ("The order is not open", "订单不存在"),
    }
)
_ANY_OTHER: Final = ("The request was refused", "请求被拒绝")


@frozen
class RefusedError(Exception):
    """The request is refused as a whole; `code` says why."""

    code: str


@frozen
class Account:
    """A key of the exchange, with what proves that a request comes from its holder."""

    api_key: str
    passphrase: str = field(repr=False)
    verify: Callable[[bytes, str], bool] = field(repr=False)
    """Whether a signature (the text of ACCESS-SIGN) fits the bytes it should cover."""
    demo: bool = False
    """Whether the key belongs to demo trading and needs the header `paptrading: 1`."""


@frozen
class Order:
    """An order as it stood when it was looked at; times in milliseconds since the epoch."""

    symbol: str
    order_id: str
    client_oid: str
    """Empty where the order was given none."""
    status: str
    """`live`, `partially_filled`, `filled` or `cancelled`."""
    side: str
    price: str
    size: str
    c_time: int
    u_time: int
    api_key: str
    """Whose it is."""
    base_volume: str = "0"
    """How much of it has filled."""

    @property
    def is_open(self) -> bool:
        """Whether the order can still fill or be cancelled."""
        return self.status in ("live", "partially_filled")


@frozen
class Arrival:
    """A request as the exchange saw it arrive, and what it answered."""

    at: float
    """When it was counted, in seconds of `time.monotonic()`."""
    api_key: str
    """As sent, known or not; empty where the header was missing."""
    method: str
    path: str
    stamp_age: float | None
    """Server time less ACCESS-TIMESTAMP, in seconds; None where the stamp is no number."""
    status: int | None = None
    """The HTTP status answered; None while there is no answer, and where the line was dropped."""
    code: str | None = None
    """The code answered; None too where the answer's body was not the exchange's envelope."""
    order_ids: tuple[str, ...] = ()
    """The orders asked for, in the order of the request: orderId, or else clientOid."""

    @property
    def order_count(self) -> int:
        """How many orders were asked for."""
        return len(self.order_ids)


_ANYBODY: Final = Account("", "", lambda _prehash, _signature: False, demo=False)
"""Who calls an operation that needs no signature."""


@define(eq=False)
class Call:
    """A request under way."""

    arrival: Arrival
    operation: Operation
    headers: Mapping[str, str]
    remaining: int
    """The calls that the key has left in the current period."""
    refusal: str | None
    """The code of what is wrong with it already, before its body has been read."""
    query: Mapping[str, str] = field(factory=dict)
    body: bytes = b""
    document: Any = None
    """The JSON value of the body; None where it is not JSON."""


@frozen
class Answer:
    """An HTTP status and the JSON object to send with it."""

    status: int
    payload: dict[str, Any]


@frozen
class _OrderRef:
    """An item of `orderList` with the symbol that holds for it; None stands for absent or empty."""

    symbol: str | None
    order_id: str | None
    client_oid: str | None


def verify_hmac(secret_key: str, prehash: bytes, signature: str) -> bool:
    """Answer whether a signature is the HMAC-SHA256 made with this secret."""
    expected = base64.b64encode(hmac.digest(secret_key.encode(), prehash, "sha256"))
    return hmac.compare_digest(expected, signature.encode("latin-1"))


def message(code: str, headers: Mapping[str, str]) -> str:
    """Answer the text that goes with a code: in English if the header `locale` asks for it, else in Chinese."""
    english, chinese = _MESSAGES.get(code, _ANY_OTHER)
    return english if headers.get("locale", "").lower().startswith("en") else chinese


@define(kw_only=True, eq=False, slots=False)
class Exchange:
    """
    Everything the exchange knows.

    Args:
        orders: How many orders the first account has open at first, over several trading pairs.
        api_key: The first account's key.
        secret_key: The first account's secret.
        passphrase: The first account's passphrase.
        demo: Whether the first account belongs to demo trading.
        requests_per_second: Replaces the document's rate limit of every operation.
        cancel_delay: Seconds between the answer to a cancel and its taking effect.
        all_gone_as_refusal: Whether a batch of which no order is open is refused as a whole, or answered with a list
            of failures.
        seed: Decides the ids of the orders, and which requests meet a fault that happens by chance.
        clock: Tells the seconds since the epoch.
        timer: Tells the seconds of a clock that nobody sets; the `at` of an arrival is on it.
    """

    _orders_at_first: int = field(default=120, alias="orders")
    api_key: str = API_KEY
    secret_key: str = field(default=SECRET_KEY, repr=False)
    passphrase: str = field(default=PASSPHRASE, repr=False)
    demo: bool = False
    requests_per_second: float | None = None
    cancel_delay: float = 0.0
    all_gone_as_refusal: bool = True
    seed: int = 0
    clock: Callable[[], float] = field(default=time.time, repr=False)
    timer: Callable[[], float] = field(default=time.monotonic, repr=False)

    def __attrs_post_init__(self) -> None:
        self._lock = threading.RLock()
        self._random = Random(self.seed)  # noqa: S311 - ids that look real, not secrets
        self._skew = 0.0
        self._accounts: dict[str, Account] = {}
        self._orders: dict[str, Order] = {}
        self._by_client_oid: dict[tuple[str, str], str] = {}
        self._cancels: dict[str, float] = {}
        self._windows: dict[tuple[str, str], deque[float]] = {}
        self._ledger: list[Call] = []
        self.add_account(self.api_key, self.secret_key, self.passphrase, demo=self.demo)
        self.open_orders(self._orders_at_first)

    def add_account(
        self,
        api_key: str,
        secret_key: str,
        passphrase: str,
        *,
        demo: bool = False,
        verify: Callable[[bytes, str], bool] | None = None,
    ) -> None:
        """
        Add an account with orders and a rate limit of its own.

        Args:
            api_key: Its key.
            secret_key: Its HMAC secret.
            passphrase: Its passphrase.
            demo: Whether it belongs to demo trading and needs the header `paptrading: 1`.
            verify: Replaces the HMAC check: whether a signature, the text of ACCESS-SIGN, fits the bytes it should
                cover.
        """
        with self._lock:
            self._accounts[api_key] = Account(api_key, passphrase, verify or partial(verify_hmac, secret_key), demo)

    def open_orders(
        self, n: int, *, symbol: str | None = None, with_client_oid: bool = True, api_key: str | None = None
    ) -> list[Order]:
        """
        Open more orders and answer them.

        Args:
            n: How many.
            symbol: Their trading pair; without it several in turn.
            with_client_oid: Whether each gets a clientOid.
            api_key: Whose they are; without it the first account's.
        """
        with self._lock:
            return [self._open_order(symbol, api_key or self.api_key, labelled=with_client_oid) for _ in range(n)]

    def fill(self, order_id: str, *, partially: bool = False) -> Order:
        """
        Fill an open order, which ends it unless it is filled only partially; answer it.

        Raises:
            KeyError: There is no such order.
            ValueError: The order is not open.
        """
        with self._lock:
            order = self.orders[order_id]
            if not order.is_open:
                raise ValueError(f"order {order_id} is {order.status}")
            status, volume = ("partially_filled", float(order.size) / 2) if partially else ("filled", order.size)
            self._orders[order_id] = evolve(order, status=status, base_volume=str(volume), u_time=self.server_time())
            return self._orders[order_id]

    @property
    def orders(self) -> dict[str, Order]:
        """Every order of every account as it stands now, by its order id."""
        with self._lock:
            self._carry_out_cancels()
            return dict(self._orders)

    @property
    def arrivals(self) -> list[Arrival]:
        """Every request for an operation since the last reset, in the order of arrival."""
        with self._lock:
            return [call.arrival for call in self._ledger]

    def reset_ledger(self) -> None:
        """Forget the arrivals so far; the rate windows go on."""
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
        Answer the largest number of requests that arrived in any period, refused ones included.

        Args:
            period: Length of the half-open window in seconds; without it the document's.
            operation: What was asked for.
            api_key: Whose requests; without it everybody's together.
        """
        length = period or operation.rate_limit.period_seconds
        window: deque[float] = deque()
        worst = 0
        for arrival in sorted(self.arrivals, key=lambda arrival: arrival.at):
            asked = (arrival.method, arrival.path) == (operation.method, operation.path)
            if asked and api_key in (None, arrival.api_key):
                window.append(arrival.at)
                _drop_older(window, arrival.at, length)
                worst = max(worst, len(window))
        return worst

    def server_time(self) -> int:
        """Answer the exchange's clock, in milliseconds since the epoch."""
        return int((self.clock() + self._skew) * 1000)

    def admit(self, operation: Operation, headers: Mapping[str, str], at: float, *, counted: bool = True) -> Call:
        """
        Count a request by its key and open its place in the ledger.

        Args:
            operation: What is asked for.
            headers: The request's headers; names are looked up in lower case.
            at: When the request arrived, on the exchange's timer.
            counted: False for what is turned away before it reaches the exchange.
        """
        api_key = headers.get("access-key", "")
        stamp = headers.get("access-timestamp", "")
        well_formed = stamp.isascii() and stamp.isdigit() and len(stamp) <= _LONGEST_TIMESTAMP
        stamp_age = (self.server_time() - int(stamp)) / 1000 if well_formed else None
        with self._lock:
            refusal, remaining = self._count(operation, api_key, at, counted=counted)
            arrival = Arrival(at, api_key, operation.method, operation.path, stamp_age)
            call = Call(arrival, operation, headers, remaining, refusal)
            self._ledger.append(call)
            return call

    def answer(self, call: Call, query: str, body: bytes, *, code: str | None = None, effect: bool = True) -> Answer:
        """
        Authenticate a call, carry it out, and answer it.

        Args:
            call: What `admit` answered.
            query: The query as it was sent, without the question mark.
            body: The body as it was sent.
            code: Refuse with this code what would have been a success.
            effect: False to carry nothing out, which needs a code.
        """
        call.query = dict(parse_qsl(query, keep_blank_values=True))
        call.body = body
        with suppress(ValueError, RecursionError):
            call.document = json.loads(body)
        call.arrival = evolve(call.arrival, order_ids=_asked(call.document))
        data = None
        if effect:
            try:
                with self._lock:
                    data = self._carry_out(call)
            except RefusedError as refused:
                code = refused.code
        if code is not None:
            return self.refuse(code, call.headers)
        return Answer(200, self._envelope(SUCCESS_CODE, "success", data))

    def refuse(self, code: str, headers: Mapping[str, str]) -> Answer:
        """Answer the refusal with this code."""
        if code == RATE_LIMITED:
            return Answer(429, {"code": code, "msg": "Too Many Requests"})
        return Answer(400, self._envelope(code, message(code, headers), None))

    def record_answer(self, call: Call, status: int | None, code: str | None) -> None:
        """Write into the ledger what was sent back."""
        call.arrival = evolve(call.arrival, status=status, code=code)

    def batch_cancel(self, account: Account, call: Call) -> dict[str, Any]:
        """
        Take the cancel of each order that is open, whatever becomes of the others.

        Raises:
            RefusedError: The body does not have the operation's shape, or no order is open.
        """
        refs = _order_refs(call.document)
        self._carry_out_cancels()
        by_order_id = any(ref.order_id for ref in refs)
        taken: dict[str, dict[str, str]] = {}
        failed = []
        for ref in refs:
            # A batch of mixed identifiers fails the orders that carry only a clientOid.
            code = _INVALID if by_order_id and ref.order_id is None else ORDER_GONE
            order = None if code == _INVALID else self._find(account, ref)
            if order is None or order.order_id in taken:
                failed.append(
                    {
                        "orderId": ref.order_id or "",
                        "clientOid": ref.client_oid or "",
                        "errorMsg": message(code, call.headers),
                        "errorCode": code,
                    }
                )
            else:
                taken[order.order_id] = {"orderId": order.order_id, "clientOid": order.client_oid}
                self._cancels.setdefault(order.order_id, self.timer() + self.cancel_delay)
        gone = all(row["errorCode"] == ORDER_GONE for row in failed)
        if gone and not taken and self.all_gone_as_refusal:
            raise RefusedError(ORDER_GONE)
        return {"successList": list(taken.values()), "failureList": failed}

    def order_info(self, account: Account, call: Call) -> list[dict[str, str]]:
        """
        Look up one order, by orderId or else by clientOid; an empty list where there is none.

        Raises:
            RefusedError: Neither is given.
        """
        self._carry_out_cancels()
        order_id, client_oid = call.query.get("orderId"), call.query.get("clientOid")
        if not order_id and not client_oid:
            raise RefusedError(_MISSING)
        found = self._orders.get(order_id or self._by_client_oid.get((account.api_key, client_oid or ""), ""))
        return [_row(found)] if found is not None and found.api_key == account.api_key else []

    def unfilled_orders(self, account: Account, call: Call) -> list[dict[str, str]]:
        """Answer a page of open orders, newest first."""
        return self._page(account, call, is_open=True)

    def history_orders(self, account: Account, call: Call) -> list[dict[str, str]]:
        """Answer a page of finished orders, newest first."""
        return self._page(account, call, is_open=False)

    def _page(self, account: Account, call: Call, *, is_open: bool) -> list[dict[str, str]]:
        self._carry_out_cancels()
        most = GET_UNFILLED_ORDERS.maxima["limit"]
        before, limit = _number(call.query, "idLessThan", 10**30), _number(call.query, "limit", most)
        since, until = _number(call.query, "startTime", 0), _number(call.query, "endTime", 10**30)
        if before < 0 or not 0 < limit <= most:
            raise RefusedError(_MALFORMED)
        kind = call.query.get("tpslType", "normal")
        if kind not in TPSL_TYPE_VALUES:
            raise RefusedError(_INVALID)
        symbol, order_id = call.query.get("symbol"), call.query.get("orderId")
        rows = (
            _row(order)
            for order in sorted(self._orders.values(), key=lambda order: int(order.order_id), reverse=True)
            if int(order.order_id) < before
            and order.is_open == is_open
            and order.api_key == account.api_key
            and symbol in (None, order.symbol)
            and order_id in (None, order.order_id)
            and since <= order.c_time <= until
            and kind == "normal"  # no order here waits for a trigger
        )
        return list(islice(rows, limit))

    def public_time(self, _account: Account, _call: Call) -> dict[str, str]:
        """Tell the exchange's clock, as text."""
        return {"serverTime": str(self.server_time())}

    def _count(self, operation: Operation, api_key: str, at: float, *, counted: bool) -> tuple[str | None, int]:
        """Answer the code of a refusal, if any, and the calls left after this one."""
        limit = operation.rate_limit
        most = limit.requests
        if self.requests_per_second is not None:
            most = int(self.requests_per_second * limit.period_seconds)
        if operation.signed and api_key not in self._accounts:
            # A key that nobody holds has no window of its own.
            return ("40037" if api_key else "40001"), most
        # Everybody calls from the one address there is.
        counted_by = api_key if limit.scope == "UID" else limit.scope
        window = self._windows.setdefault((counted_by, operation.operation_id), deque())
        _drop_older(window, at, limit.period_seconds)
        if counted and len(window) >= most:
            return RATE_LIMITED, 0
        if counted:
            window.append(at)
        return None, most - len(window)

    def _carry_out(self, call: Call) -> object:
        """Answer the `data` of an operation that is authenticated and carried out."""
        if call.refusal is not None:
            raise RefusedError(call.refusal)
        account = self._authenticate(call) if call.operation.signed else _ANYBODY
        for name in ("requestTime", "receiveWindow"):
            _number(call.query, name, 0)
        return HANDLERS[call.operation.method, call.operation.path](self, account, call)

    def _authenticate(self, call: Call) -> Account:
        """Answer the account that has signed a call."""
        headers, age = call.headers, call.arrival.stamp_age
        account = self._accounts[call.arrival.api_key]
        stamp = headers.get("access-timestamp", "")
        passphrase = headers.get("access-passphrase", "")
        signature = headers.get("access-sign", "")
        query = "&".join(f"{key}={value}" for key, value in sorted(call.query.items()))
        target = call.operation.path + ("?" + query if query else "")
        prehash = (stamp + call.operation.method + target).encode() + call.body
        requirements = {
            "40002": bool(signature),
            "40003": bool(stamp),
            "40011": bool(passphrase),
            "40005": age is not None,
            "40008": abs(age or 0.0) <= TIMESTAMP_WINDOW_SECONDS,
            "40099": account.demo == (headers.get("paptrading") == "1"),
            "40012": passphrase.encode("latin-1") == account.passphrase.encode(),
            "40009": account.verify(prehash, signature),
        }
        for code, met in requirements.items():
            if not met:
                raise RefusedError(code)
        return account

    def _open_order(self, symbol: str | None, api_key: str, *, labelled: bool) -> Order:
        serial = len(self._orders)
        pair = symbol or tuple(_PAIRS)[serial % len(_PAIRS)]
        price, size = _PAIRS.get(pair, ("1", "1"))
        side = self._random.choice(("buy", "sell"))
        order_id = str(_FIRST_ORDER_ID + serial * 10**9 + self._random.randrange(10**9))
        client_oid = f"{pair.lower()}-{side}-{serial + 1}" if labelled else ""
        now = self.server_time()
        order = Order(pair, order_id, client_oid, "live", side, price, size, now, now, api_key)
        self._orders[order_id] = order
        self._by_client_oid[api_key, client_oid] = order_id
        return order

    def _find(self, account: Account, ref: _OrderRef) -> Order | None:
        """Answer the account's open order that an item means; orderId prevails over clientOid."""
        labelled = self._by_client_oid.get((account.api_key, ref.client_oid or ""), "")
        order = self._orders.get(ref.order_id or labelled)
        if order is None or order.api_key != account.api_key or not order.is_open:
            return None
        return order if ref.symbol in (None, order.symbol) else None

    def _carry_out_cancels(self) -> None:
        now = self.timer()
        for order_id, due in [item for item in self._cancels.items() if item[1] <= now]:
            del self._cancels[order_id]
            # It may have filled in the meantime: a cancel that was taken is not yet done.
            if self._orders[order_id].is_open:
                u_time = self.server_time() - int((now - due) * 1000)
                self._orders[order_id] = evolve(self._orders[order_id], status="cancelled", u_time=u_time)

    def _envelope(self, code: str, msg: str, data: object) -> dict[str, Any]:
        return {"code": code, "msg": msg, "requestTime": self.server_time(), "data": data}


HANDLERS: Final[Mapping[tuple[str, str], Callable[[Exchange, Account, Call], object]]] = MappingProxyType(
    {
        (BATCH_CANCEL_ORDERS.method, BATCH_CANCEL_ORDERS.path): Exchange.batch_cancel,
        (GET_SERVER_TIME.method, GET_SERVER_TIME.path): Exchange.public_time,
        (GET_ORDER_INFO.method, GET_ORDER_INFO.path): Exchange.order_info,
        (GET_UNFILLED_ORDERS.method, GET_UNFILLED_ORDERS.path): Exchange.unfilled_orders,
        (GET_HISTORY_ORDERS.method, GET_HISTORY_ORDERS.path): Exchange.history_orders,
    }
)
"""What carries out an operation and answers its `data`, by method and path."""


def _row(order: Order) -> dict[str, str]:
    """Show an order as the exchange does: text throughout, and the fields of all its lists, which clients wait for."""
    filled = float(order.base_volume)
    return {
        "userId": order.api_key,
        "symbol": order.symbol,
        "orderId": order.order_id,
        "clientOid": order.client_oid,
        "price": order.price,
        "size": order.size,
        "orderType": "limit",
        "side": order.side,
        "status": order.status,
        "priceAvg": order.price,
        "basePrice": order.price if filled else "0",
        "baseVolume": order.base_volume,
        "quoteVolume": f"{float(order.price) * filled:.8f}" if filled else "0",
        **dict.fromkeys(_EMPTY, ""),
        "orderSource": "normal",
        "enterPointSource": "API",
        "tpslType": "normal",
        "cTime": str(order.c_time),
        "uTime": str(order.u_time),
    }


def _number(query: Mapping[str, str], name: str, otherwise: int) -> int:
    """Read a whole number of a query."""
    text = query.get(name, str(otherwise))
    if not _NUMBER.fullmatch(text):
        raise RefusedError(_MALFORMED)
    return int(text)


def _drop_older(window: deque[float], now: float, period: float) -> None:
    """Take out what lies a period or more back."""
    while window and now - window[0] >= period:
        window.popleft()


def _asked(document: object) -> tuple[str, ...]:
    """Answer the orders that a body names, as far as it can be read at all."""
    orders = document.get("orderList") if isinstance(document, dict) else None
    if not isinstance(orders, list):
        return ()
    asked = (item if isinstance(item, dict) else {} for item in orders)
    return tuple(str(item.get("orderId") or item.get("clientOid") or "") for item in asked)


def _order_refs(document: object) -> list[_OrderRef]:
    """
    Answer the items of a batch with the symbol that holds for each.

    Raises:
        RefusedError: The body does not have the operation's shape.
    """
    if not isinstance(document, dict):
        raise RefusedError(_MALFORMED)
    mode = document.get("batchMode")
    if mode not in (None, "single", "multiple"):
        raise RefusedError(_INVALID)
    symbol = _text(document, "symbol")
    orders = document.get("orderList")
    if orders is None or orders == []:
        raise RefusedError(_NO_ORDERS)
    if not isinstance(orders, list) or not all(isinstance(item, dict) for item in orders):
        raise RefusedError(_MALFORMED)
    if len(orders) > BATCH_CANCEL_ORDERS.max_items["orderList"]:
        raise RefusedError(_TOO_MANY)
    refs = []
    for item in orders:
        own_symbol = _text(item, "symbol")
        ref = _OrderRef(
            symbol=own_symbol if mode == "multiple" else symbol,
            order_id=_text(item, "orderId"),
            client_oid=_text(item, "clientOid"),
        )
        nameless = ref.order_id is None and ref.client_oid is None
        if nameless or (mode == "multiple" and own_symbol is None):
            raise RefusedError(_MISSING)
        refs.append(ref)
    return refs


def _text(item: dict[str, Any], name: str) -> str | None:
    value = item.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise RefusedError(_MALFORMED)
    return value
