"""Effects that record how they are performed."""

from __future__ import annotations

import asyncio

from bitget_spot._concurrency import Effect


def recorded(calls: list[str], result: object, error: BaseException | None = None) -> Effect:
    """Return an effect that records the mode it is performed in, and returns its result or raises."""

    def perform() -> object:
        calls.append("sync")
        if error is not None:
            raise error
        return result

    async def perform_async() -> object:
        await asyncio.sleep(0)
        calls.append("asyncio")
        if error is not None:
            raise error
        return result

    return Effect(perform, perform_async)
