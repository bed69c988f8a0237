"""
So many requests in any second, as the exchange counts them.

`connect` puts the limit under every client; without further word, all clients of a process with the same origin, API
key and operation share one budget. Give `connect(..., slots=...)` a store of your own to share or to separate them:

    MemorySlots()       the clients of one process that are given the same object
    SQLiteSlots(path)   the processes of one machine
    RedisSlots(url)     the processes of several machines, over Redis or Valkey; needs `bitget-spot[redis]`
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from bitget_spot.rate_limit.memory import MemorySlots, Slots

if TYPE_CHECKING:
    from bitget_spot.rate_limit.redis import RedisSlots
    from bitget_spot.rate_limit.sqlite import SQLiteSlots

__all__ = ["MemorySlots", "RedisSlots", "SQLiteSlots", "Slots"]

_SHARED: Final = {"RedisSlots": "redis", "SQLiteSlots": "sqlite"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute may be anything
    """Import a shared store when it is first asked for: few programs need one, and all would pay for it."""
    if name not in _SHARED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_SHARED[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
