"""
What every link of the chain is: a transport around the next one, written once for threads and tasks.

A link's rule is a generator, `flow`, in the manner of `httpx.Auth.auth_flow`: it yields the request it wants sent
and is resumed with the answer, or with the exception that came instead, at that very place; what it returns is the
answer. Where it has to wait or read it yields a `Do`. The two shells below, `drive` and `drive_in_task`, are all that
knows of sync and async.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

import httpx
from attrs import frozen

from bitget_spot_api.operations import OPERATIONS, Operation


@frozen
class Do:
    """Something other than sending, in both manners; the flow is resumed with its result."""

    sync: Callable[[], Any]
    asyncio: Callable[[], Awaitable[Any]]


T = TypeVar("T")
Steps = Generator[Do, Any, T]
Flow = Generator[httpx.Request | Do, Any, httpx.Response]


def _nothing_to_send(request: httpx.Request) -> Any:  # noqa: ANN401 - never answers
    raise NotImplementedError


def drive(
    steps: Generator[httpx.Request | Do, Any, T], send: Callable[[httpx.Request], object] = _nothing_to_send
) -> T:
    """Run steps in this thread; what they raise, or come to, is the answer."""
    error: BaseException | None = None
    try:
        step = next(steps)
        while True:
            error = answer = None
            try:
                answer = step.sync() if isinstance(step, Do) else send(step)
            except BaseException as caught:  # noqa: BLE001 - the steps raise it on
                error = caught
            # A traceback must not find a signed request among the locals of this frame.
            del step
            # Outside the except clause, so that an error keeps the context it arose in.
            step = steps.send(answer) if error is None else steps.throw(error)
    except StopIteration as done:
        value: T = done.value
        return value
    finally:
        error = None  # its traceback holds this frame: a cycle otherwise


async def drive_in_task(
    steps: Generator[httpx.Request | Do, Any, T],
    send: Callable[[httpx.Request], Awaitable[object]] = _nothing_to_send,
) -> T:
    """Run steps in this task; in all else as `drive`."""
    error: BaseException | None = None
    try:
        step = next(steps)
        while True:
            error = answer = None
            try:
                answer = await (step.asyncio() if isinstance(step, Do) else send(step))
            except BaseException as caught:  # noqa: BLE001 - the steps raise it on
                error = caught
            del step
            step = steps.send(answer) if error is None else steps.throw(error)
    except StopIteration as done:
        value: T = done.value
        return value
    finally:
        error = None


def operation_of(request: httpx.Request) -> Operation | None:
    """Answer the document's operation that a request calls; None for one the document does not have."""
    path = request.url.path
    # Slashes too many reach the same endpoint, so they must not go round its rules.
    return OPERATIONS.get((request.method, path)) or OPERATIONS.get(
        (request.method, "/".join(("", *filter(None, path.split("/")))))
    )


def body_of(request: httpx.Request) -> Generator[Do, bytes, bytes]:
    """Answer the bytes a request will send, reading a streamed body first."""
    try:
        return request.content
    except httpx.RequestNotRead:
        return (yield Do(request.read, request.aread))


class Transport(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Both kinds of transport in one, as every link and the wire are."""


class Link(Transport):
    """A transport that applies one rule and leaves the rest to the next."""

    def __init__(self, following: Transport) -> None:
        self.following = following

    def flow(self, request: httpx.Request) -> Flow:
        """Apply the rule to one request."""
        raise NotImplementedError

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return drive(self.flow(request), self.following.handle_request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await drive_in_task(self.flow(request), self.following.handle_async_request)

    def close(self) -> None:
        self.following.close()

    async def aclose(self) -> None:
        await self.following.aclose()
