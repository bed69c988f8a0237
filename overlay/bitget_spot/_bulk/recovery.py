"""What a bulk run does about an error: end, split the batch, or try again. Pure."""

from __future__ import annotations

from typing import Final

import httpx
from attrs import define

from bitget_spot._bulk.orders import OrderTarget
from bitget_spot._middleware import retry
from bitget_spot._middleware.context import RunStopped
from bitget_spot.errors import (
    AuthenticationError,
    BitgetError,
    ClockError,
    InvalidParameterError,
    MarketStateError,
    NetworkError,
    PermissionDeniedError,
    WrongEnvironmentError,
)

FATAL_ERRORS: Final = (AuthenticationError, PermissionDeniedError, WrongEnvironmentError)
"""Unrecoverable errors: every other request would end in the same one."""
EXPECTED_ERRORS: Final = (BitgetError, httpx.TransportError, RunStopped)
"""Errors that belong to one request; any other exception ends the run."""
UNSEEN_ERRORS: Final = (*FATAL_ERRORS, ClockError)
"""Errors of a request that the exchange refuses before it looks at any order."""
SPLIT_ERRORS: Final = (MarketStateError, InvalidParameterError)
"""Errors of a batch that one of its orders may have caused."""
MAX_EXTRA_REQUESTS: Final = 12
"""Requests that the search for the cause of a refused batch may take: enough to isolate one order of fifty."""


def is_temporary(error: Exception) -> bool:
    """Return whether an error may be gone when the request is sent again soon."""
    return isinstance(error, NetworkError) or retry.is_temporary(error)


def ends_listing(error: BitgetError) -> bool:
    """
    Return whether it is useless to ask for the open orders again.

    In an emergency only what cannot change counts: the key, the account, and the request itself.
    """
    if isinstance(error, FATAL_ERRORS):
        return True
    if not isinstance(error, InvalidParameterError) or is_temporary(error):
        return False
    return error.code not in retry.AMBIGUOUS_CODES


@define
class SplitBudget:
    """How many requests the parts of one refused batch may still take."""

    remaining: int = MAX_EXTRA_REQUESTS

    def split(self, targets: list[OrderTarget]) -> list[list[OrderTarget]]:
        """
        Divide the orders of a refused batch into parts, and take their requests from the budget.

        Returns:
            A part for each symbol if there are several and the budget suffices for more, else two parts; an empty list
            if the orders cannot be divided.

        """
        by_symbol: dict[str | None, list[OrderTarget]] = {}
        for target in targets:
            by_symbol.setdefault(target.symbol, []).append(target)
        parts = list(by_symbol.values())
        if len(parts) == 1 or 2 * len(parts) > self.remaining:
            parts = halves(parts)
        if len(parts) == 1 or len(parts) > self.remaining:
            return []
        self.remaining -= len(parts)
        return parts


def halves(groups: list[list[OrderTarget]]) -> list[list[OrderTarget]]:
    """Divide groups of orders into two parts; a group is divided only if it is the only one."""
    units = [[target] for target in groups[0]] if len(groups) == 1 else groups
    middle = (len(units) + 1) // 2
    parts = [units[:middle], units[middle:]]
    return [[target for unit in part for target in unit] for part in parts if part]
