"""
The rate limit: a number of requests in any second, as the exchange counts them.

`connect` limits every client. Without further arguments, all clients of a process with the same origin, API key and
operation share one budget. Pass a store to `connect(..., rate_limit_store=...)` to share a budget more widely, or to
keep budgets apart:

    MemoryStore()       the clients of one process that are given the same object
    SQLiteStore(path)   the processes of one machine
    RedisStore(url)     the processes of several machines, with Redis or Valkey; needs `bitget-spot[redis]`
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from bitget_spot.rate_limit.memory import MemoryStore

if TYPE_CHECKING:
    from bitget_spot.rate_limit.redis import RedisStore
    from bitget_spot.rate_limit.sqlite import SQLiteStore

__all__ = ["MemoryStore", "RedisStore", "SQLiteStore"]

_LAZY: Final = {"RedisStore": "redis", "SQLiteStore": "sqlite"}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute may be anything
    """Import a shared store on first use: few programs need one, and all would pay for the import."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)


def __dir__() -> list[str]:
    return __all__
