"""
So many requests in any second, as the exchange counts them.

`connect` puts the limit under every client; without further word, all clients of a process with the same origin, API
key and operation share one budget. Give `connect(..., slots=...)` a store of your own to share or to separate them.
"""

from bitget_spot.rate_limit._slots import MemorySlots, Slots

__all__ = ["MemorySlots", "Slots"]
