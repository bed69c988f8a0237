"""The orders of the exchange: opening, filling, cancelling and finding them."""

import threading
from collections.abc import Callable, Iterator, Mapping
from random import Random
from types import MappingProxyType
from typing import Final

from attrs import evolve, frozen

FIRST_ORDER_ID: Final = 1_300_000_000_000_000_000
"""Nineteen digits and above 2**53, as at the exchange: read as a float, such an id changes."""
ID_STEP: Final = 10**9
"""The largest distance of two order ids in succession."""

_PAIRS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "BTCUSDT": ("61250.50", "0.0020"),
        "ETHUSDT": ("2480.15", "0.0500"),
        "SOLUSDT": ("148.20", "1.5000"),
        "XRPUSDT": ("0.5310", "400.0000"),
    }
)
"""Price and size of the orders of each trading pair; those of another pair are 1 each."""


@frozen
class Order:
    """An order as it is at one moment; times in milliseconds since the epoch."""

    symbol: str
    order_id: str
    client_oid: str
    """Empty if the order has none."""
    status: str
    """`live`, `partially_filled`, `filled` or `cancelled`."""
    side: str
    price: str
    size: str
    c_time: int
    u_time: int
    api_key: str
    """The key of the account that the order belongs to."""
    base_volume: str = "0"
    """How much of it has been filled."""

    @property
    def is_open(self) -> bool:
        """Whether the order can still be filled or cancelled."""
        return self.status in ("live", "partially_filled")


class OrderBook:
    """
    The orders of all accounts. Every method may be called from any thread.

    Args:
        random: Decides ids and sides.
        server_time: Returns the exchange's clock in milliseconds since the epoch.
        timer: Returns seconds of a clock that is never set.

    """

    def __init__(self, random: Random, server_time: Callable[[], int], timer: Callable[[], float]) -> None:
        self._random = random
        self._server_time = server_time
        self._timer = timer
        self._lock = threading.RLock()
        self._orders: dict[str, Order] = {}
        self._by_client_oid: dict[tuple[str, str], str] = {}
        self._cancels: dict[str, float] = {}

    @property
    def orders(self) -> dict[str, Order]:
        """Every order as it is now, by its order id."""
        with self._lock:
            self._execute_cancels()
            return dict(self._orders)

    def has_symbol(self, symbol: str) -> bool:
        """Return whether a trading pair exists: one of the usual ones, or one with orders."""
        with self._lock:
            return symbol in _PAIRS or any(order.symbol == symbol for order in self._orders.values())

    def open(self, symbol: str | None, api_key: str, *, with_client_oid: bool) -> Order:
        """Open an order; without a symbol, the trading pairs take turns."""
        with self._lock:
            serial = len(self._orders)
            pair = symbol or tuple(_PAIRS)[serial % len(_PAIRS)]
            price, size = _PAIRS.get(pair, ("1", "1"))
            side = self._random.choice(("buy", "sell"))
            order_id = str(FIRST_ORDER_ID + serial * ID_STEP + self._random.randrange(ID_STEP))
            client_oid = f"{pair.lower()}-{side}-{serial + 1}" if with_client_oid else ""
            now = self._server_time()
            order = Order(pair, order_id, client_oid, "live", side, price, size, now, now, api_key)
            self._orders[order_id] = order
            self._by_client_oid[api_key, client_oid] = order_id
            return order

    def fill(self, order_id: str, *, partially: bool) -> Order:
        """
        Fill an open order, which ends it unless it is filled only partially.

        Raises:
            KeyError: There is no such order.
            ValueError: The order is not open.

        """
        with self._lock:
            order = self.orders[order_id]
            if not order.is_open:
                raise ValueError(f"order {order_id} is {order.status}")
            status = "partially_filled" if partially else "filled"
            volume = str(float(order.size) / 2) if partially else order.size
            order = evolve(order, status=status, base_volume=volume, u_time=self._server_time())
            self._orders[order_id] = order
            return order

    def cancel(self, order_id: str, delay: float) -> None:
        """Receive the cancel of an order, which is executed after so many seconds."""
        with self._lock:
            self._cancels.setdefault(order_id, self._timer() + delay)

    def find(self, api_key: str, order_id: str | None, client_oid: str | None) -> Order | None:
        """Return an account's order; the orderId takes precedence over the clientOid."""
        with self._lock:
            self._execute_cancels()
            if not order_id:
                order_id = self._by_client_oid.get((api_key, client_oid or ""), "")
            order = self._orders.get(order_id)
            return order if order is not None and order.api_key == api_key else None

    def newest_first(self, api_key: str) -> Iterator[Order]:
        """Yield an account's orders, newest first."""
        orders = [order for order in self.orders.values() if order.api_key == api_key]
        orders.sort(key=lambda order: int(order.order_id), reverse=True)
        yield from orders

    def _execute_cancels(self) -> None:
        now = self._timer()
        due = [(order_id, due_at) for order_id, due_at in self._cancels.items() if due_at <= now]
        for order_id, due_at in due:
            del self._cancels[order_id]
            order = self._orders[order_id]
            # It may have been filled meanwhile: a cancel that was received is not yet executed.
            if order.is_open:
                u_time = self._server_time() - int((now - due_at) * 1000)
                self._orders[order_id] = evolve(order, status="cancelled", u_time=u_time)
