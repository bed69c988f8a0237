"""The orders of the exchange: opening, filling, triggering, cancelling and finding them."""

import threading
from collections.abc import Callable, Iterator, Mapping
from random import Random
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from attrs import evolve, frozen

OrderKind: TypeAlias = Literal["normal", "tpsl", "plan"]

SPOT: Final = "SPOT"
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
    """
    `live`, `partially_filled`, `filled` or `cancelled`. A trigger order that fires becomes `executed` or `fail_execute`, a
    TP/SL order `filled`, a strategy order `triggered`.
    """
    side: str
    price: str
    size: str
    c_time: int
    u_time: int
    api_key: str
    """The key of the account that the order belongs to."""
    base_volume: str = "0"
    """How much of it has been filled."""
    kind: OrderKind = "normal"
    """`normal`, `tpsl` (take profit and stop loss) or `plan` (trigger order)."""
    category: str = SPOT
    """`SPOT`, or another category of a unified account."""
    placed_order_id: str = ""
    """The normal order that it has placed when it fired; empty if there is none."""

    @property
    def is_open(self) -> bool:
        """Whether the order can still be filled, triggered or cancelled."""
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
        self._orders: dict[str, Order] = {}  # oldest first
        self._by_client_oid: dict[tuple[str, str], str] = {}
        self._cancels: dict[str, float] = {}
        self._symbols = set(_PAIRS)

    @property
    def orders(self) -> dict[str, Order]:
        """Every order as it is now, by its order id."""
        with self._lock:
            self.execute_cancels()
            return dict(self._orders)

    def has_symbol(self, symbol: str) -> bool:
        """Return whether a trading pair exists: one of the usual ones, or one with orders."""
        return symbol in self._symbols

    def open(
        self,
        symbol: str | None,
        api_key: str,
        *,
        with_client_oid: bool,
        kind: OrderKind = "normal",
        category: str = SPOT,
    ) -> Order:
        """Open an order; without a symbol, the trading pairs take turns."""
        with self._lock:
            serial = len(self._orders)
            pair = symbol or tuple(_PAIRS)[serial % len(_PAIRS)]
            price, size = _PAIRS.get(pair, ("1", "1"))
            side = self._random.choice(("buy", "sell"))
            order_id = str(FIRST_ORDER_ID + serial * ID_STEP + self._random.randrange(ID_STEP))
            client_oid = f"{pair.lower()}-{side}-{serial + 1}" if with_client_oid else ""
            now = self._server_time()
            order = Order(
                pair, order_id, client_oid, "live", side, price, size, now, now, api_key, kind=kind, category=category
            )
            self._orders[order_id] = order
            self._by_client_oid[api_key, client_oid] = order_id
            self._symbols.add(pair)
            return order

    def fill(self, order_id: str, *, partially: bool) -> Order:
        """
        Fill an open normal order, which ends it unless it is filled only partially.

        Raises:
            KeyError: There is no such order.
            ValueError: The order is not open, or not a normal one.

        """
        with self._lock:
            order = self._open_order(order_id)
            if order.kind != "normal":
                raise ValueError(f"order {order_id} is not a normal order; use trigger")
            if partially:
                return self._save(evolve(order, status="partially_filled", base_volume=str(float(order.size) / 2)))
            return self._save(evolve(order, status="filled", base_volume=order.size))

    def trigger(self, order_id: str, *, fails: bool) -> Order:
        """
        Let an open TP/SL or trigger order fire: it ends and places a normal order, unless it fails.

        Raises:
            KeyError: There is no such order.
            ValueError: The order is not open, or a normal one; or it should fail and is not a trigger order.

        """
        with self._lock:
            order = self._open_order(order_id)
            if order.kind == "normal":
                raise ValueError(f"order {order_id} is a normal order; use fill")
            if not fails:
                placed = self._place_normal_order(order)
                return self._save(evolve(order, status=_fired_status(order), placed_order_id=placed.order_id))
            if order.kind != "plan":
                raise ValueError(f"order {order_id} is not a trigger order, and only those can fail to be executed")
            return self._save(evolve(order, status="fail_execute"))

    def cancel(self, order_id: str, delay: float) -> None:
        """Receive the cancel of an order, which is executed after so many seconds."""
        with self._lock:
            self._cancels.setdefault(order_id, self._timer() + delay)

    def is_being_cancelled(self, order_id: str) -> bool:
        """Return whether a cancel of an order has been received and not yet executed."""
        return order_id in self._cancels

    def find(self, api_key: str, order_id: str | None, client_oid: str | None) -> Order | None:
        """Return an account's order; the orderId takes precedence over the clientOid."""
        with self._lock:
            if not order_id:
                order_id = self._by_client_oid.get((api_key, client_oid or ""), "")
            order = self._orders.get(order_id)
            return order if order is not None and order.api_key == api_key else None

    def newest_first(self, api_key: str) -> Iterator[Order]:
        """Yield an account's orders, newest first."""
        with self._lock:
            orders = list(self._orders.values())
        return (order for order in reversed(orders) if order.api_key == api_key)

    def execute_cancels(self) -> None:
        """Execute the cancels that are due: the exchange calls it before it looks at the orders."""
        with self._lock:
            now = self._timer()
            due = [(order_id, due_at) for order_id, due_at in self._cancels.items() if due_at <= now]
            for order_id, due_at in due:
                del self._cancels[order_id]
                order = self._orders[order_id]
                # It may have been filled meanwhile: a cancel that was received is not yet executed.
                if order.is_open:
                    u_time = self._server_time() - int((now - due_at) * 1000)
                    self._orders[order_id] = evolve(order, status="cancelled", u_time=u_time)

    def _open_order(self, order_id: str) -> Order:
        self.execute_cancels()
        order = self._orders[order_id]
        if not order.is_open:
            raise ValueError(f"order {order_id} is {order.status}")
        return order

    def _place_normal_order(self, source: Order) -> Order:
        placed = self.open(
            source.symbol, source.api_key, with_client_oid=bool(source.client_oid), category=source.category
        )
        return self._save(evolve(placed, side=source.side, price=source.price, size=source.size))

    def _save(self, order: Order) -> Order:
        order = evolve(order, u_time=self._server_time())
        self._orders[order.order_id] = order
        return order


def _fired_status(order: Order) -> str:
    if order.kind == "plan":
        return "executed"
    return "filled" if order.category == SPOT else "triggered"
