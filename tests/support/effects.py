"""Effects that record how they are performed, and the two ways to run a generator of effects."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from typing import Any, TypeAlias

import pytest

from bitget_spot._concurrency import Effect, run_async, run_sync

Flow: TypeAlias = Generator[Any, Any, Any]
Run: TypeAlias = Callable[..., Any]


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


def run_in_thread(flow: Flow, send: Callable[[Any], object] | None = None) -> Any:
    """Run a generator in this thread."""
    return run_sync(flow) if send is None else run_sync(flow, send)


def run_in_task(flow: Flow, send: Callable[[Any], object] | None = None) -> Any:
    """Run a generator in a task."""
    if send is None:
        return asyncio.run(run_async(flow))

    async def send_async(item: object) -> object:
        await asyncio.sleep(0)
        return send(item)

    return asyncio.run(run_async(flow, send_async))


both_runners = pytest.mark.parametrize("run", [run_in_thread, run_in_task])
"""Runs a test in a thread and in a task; it runs a generator with its parameter `run`."""
