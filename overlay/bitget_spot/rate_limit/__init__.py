"""
So many requests in any second, as the exchange counts them.

`connect` puts the limit under every client; without further word, all clients of a process with the same origin, API
key and operation share one budget. Give `connect(..., slots=...)` a store of your own to share or to separate them:

    MemorySlots()       the clients of one process that are given the same object
    SQLiteSlots(path)   the processes of one machine
    RedisSlots(url)     the processes of several machines, over Redis or Valkey; needs `bitget-spot[redis]`
"""

from bitget_spot.rate_limit._redis import RedisSlots
from bitget_spot.rate_limit._slots import MemorySlots, Slots
from bitget_spot.rate_limit._sqlite import SQLiteSlots

__all__ = ["MemorySlots", "RedisSlots", "SQLiteSlots", "Slots"]
