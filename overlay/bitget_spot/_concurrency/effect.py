"""Effects, and the two functions that run a generator of them: in a thread or in a task."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

from attrs import frozen

from bitget_spot._concurrency.loops import running_loop, set_blocked_loop

T = TypeVar("T")


@frozen
class Effect:
    """An operation in two implementations, blocking and asyncio; the generator that yields it gets its result."""

    sync: Callable[[], Any]
    asyncio: Callable[[], Awaitable[Any]]


EffectGenerator = Generator[Effect, Any, T]


def _send_nothing(item: object) -> Any:  # noqa: ANN401 - never returns
    raise NotImplementedError(f"the generator yielded {type(item).__name__}, which is not an Effect")


def run_sync(generator: Generator[Any, Any, T], send: Callable[[Any], object] = _send_nothing) -> T:
    """
    Run a generator in this thread.

    Args:
        generator: Yields effects, and whatever `send` accepts.
        send: Performs everything that is not an `Effect`: a middleware yields the request it wants sent.

    Returns:
        What the generator returns.

    """
    error: BaseException | None = None
    result: object = None
    loop_blocked_before = set_blocked_loop(running_loop())
    try:
        while True:
            try:
                item = generator.send(result) if error is None else generator.throw(error)
                error = None
                result = item.sync() if isinstance(item, Effect) else send(item)
                item = None
            except BaseException as caught:
                # A traceback must not show a signed request among the locals of this frame.
                item = None
                if inspect.getgeneratorstate(generator) == inspect.GEN_CLOSED:
                    raise  # the generator has returned or raised
                # Also an interrupt between two statements of this loop, so that the generator can clean up.
                error = caught
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        set_blocked_loop(loop_blocked_before)
        error = None  # its traceback refers to this frame: a reference cycle otherwise


async def run_async(generator: Generator[Any, Any, T], send: Callable[[Any], Awaitable[object]] = _send_nothing) -> T:
    """
    Run a generator in this task.

    Args:
        generator: As for `run_sync`.
        send: As for `run_sync`, as a coroutine function.

    Returns:
        What the generator returns.

    """
    error: BaseException | None = None
    result: object = None
    try:
        while True:
            try:
                item = generator.send(result) if error is None else generator.throw(error)
                error = None
                result = await (item.asyncio() if isinstance(item, Effect) else send(item))
                item = None
            except BaseException as caught:
                item = None
                if inspect.getgeneratorstate(generator) == inspect.GEN_CLOSED:
                    raise
                error = caught
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        error = None
