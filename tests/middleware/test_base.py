"""The base class of the middlewares, and how they read the body of a request."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any

import httpx
import pytest
from effects import recorded
from sending import Send, both_modes, in_thread

from bitget_spot._concurrency import Effect
from bitget_spot._middleware.base import Flow, Middleware, Transport, read_body
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS

URL = f"https://api.bitget.com{BATCH_CANCEL_ORDERS.path}"


class Marker:
    """An object in the locals of a frame, to see when the frame is freed."""


class EchoTransport(Transport):
    """Returns what it was sent, or raises an error."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.requests: list[httpx.Request] = []
        self.markers: list[weakref.ref[Marker]] = []
        self.closed: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        marker = Marker()
        self.markers.append(weakref.ref(marker))
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        return httpx.Response(200, content=request.content)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)

    def close(self) -> None:
        self.closed.append("threads")

    async def aclose(self) -> None:
        self.closed.append("loop")


class PassOnMiddleware(Middleware):
    """A middleware without a rule."""

    def flow(self, request: httpx.Request) -> Flow:
        return (yield from self.pass_on(request))


class RuleMiddleware(Middleware):
    """A middleware with the rule that it is given, which gets the middleware and the request."""

    def __init__(self, next_transport: Transport, rule: Callable[[Middleware, httpx.Request], Flow]) -> None:
        super().__init__(next_transport)
        self._rule = rule

    def flow(self, request: httpx.Request) -> Flow:
        return (yield from self._rule(self, request))


def make_request(content: Any = b"body") -> httpx.Request:
    """Return a request with a body."""
    return httpx.Request("POST", URL, content=content)


# Flows


@both_modes
def test_response_is_what_the_flow_returns(send: Send) -> None:
    """The response is the one that the flow returns: the next transport's or another."""
    other = httpx.Response(201)

    def rule(middleware: Middleware, request: httpx.Request) -> Flow:
        response = yield from middleware.pass_on(request)
        assert response.content == b"body"
        return other

    transport = EchoTransport()
    assert send(RuleMiddleware(transport, rule), make_request()) is other
    assert send(PassOnMiddleware(transport), make_request()).content == b"body"
    assert len(transport.requests) == 2


@both_modes
def test_flow_that_yields_no_request_sends_nothing(send: Send) -> None:
    """A flow that returns without yielding the request sends nothing."""

    def rule(middleware: Middleware, request: httpx.Request) -> Flow:
        if request.method == "GET":
            yield from middleware.pass_on(request)
        return httpx.Response(204)

    transport = EchoTransport()
    assert send(RuleMiddleware(transport, rule), make_request()).status_code == 204
    assert transport.requests == []


@both_modes
def test_effects_are_performed_around_the_request(send: Send) -> None:
    """An effect before or after the request is performed once, in the mode of the call, and its result is returned."""
    calls: list[str] = []
    results: list[Any] = []

    def rule(middleware: Middleware, request: httpx.Request) -> Flow:
        results.append((yield recorded(calls, "first")))
        response = yield from middleware.pass_on(request)
        results.append((yield recorded(calls, "second")))
        assert isinstance(response, httpx.Response)
        return response

    assert send(RuleMiddleware(EchoTransport(), rule), make_request()).is_success
    assert results == ["first", "second"]
    assert calls == (["sync"] * 2 if send is in_thread else ["asyncio"] * 2)


@both_modes
def test_flow_may_send_more_than_once(send: Send) -> None:
    """A flow that yields several requests gets the response to each."""

    def rule(middleware: Middleware, request: httpx.Request) -> Flow:
        first = yield from middleware.pass_on(request)
        return (yield from middleware.pass_on(httpx.Request("POST", request.url, content=first.content * 2)))

    transport = EchoTransport()
    assert send(RuleMiddleware(transport, rule), make_request(b"x")).content == b"xx"
    assert len(transport.requests) == 2


@both_modes
@pytest.mark.parametrize("error", [httpx.ReadError("reset"), KeyboardInterrupt(), SystemExit(2)])
def test_error_of_the_next_transport_is_raised_in_the_flow(send: Send, error: BaseException) -> None:
    """An error of the next transport, Ctrl-C included, is raised at the `yield`, and leaves as the same object."""
    seen: list[BaseException] = []

    def rule(middleware: Middleware, request: httpx.Request) -> Flow:
        try:
            response = yield from middleware.pass_on(request)
        except BaseException as caught:
            seen.append(caught)
            raise
        return response

    with pytest.raises(type(error)) as caught:
        send(RuleMiddleware(EchoTransport(error), rule), make_request())
    assert caught.value is error
    assert seen == [error]


@both_modes
def test_flow_that_catches_an_error_continues(send: Send) -> None:
    """A flow that catches an error may perform an effect, send again, or return a response of its own."""
    calls: list[str] = []
    transport = EchoTransport(httpx.ReadError("reset"))

    def rule(middleware: Middleware, request: httpx.Request) -> Flow:
        for _ in range(2):
            try:
                yield from middleware.pass_on(request)
            except httpx.ReadError:
                yield recorded(calls, None)
        return httpx.Response(202)

    assert send(RuleMiddleware(transport, rule), make_request()).status_code == 202
    assert len(transport.requests) == 2
    assert len(calls) == 2


@both_modes
def test_error_of_an_effect_is_raised_in_the_flow(send: Send) -> None:
    """An error of an effect is raised at its `yield`, the effects of a `finally` clause are performed, nothing is sent."""
    calls: list[str] = []

    def rule(middleware: Middleware, request: httpx.Request) -> Flow:
        try:
            yield recorded(calls, None, OSError("no store"))
        finally:
            yield recorded(calls, None)
        response = yield from middleware.pass_on(request)
        return response

    transport = EchoTransport()
    with pytest.raises(OSError, match="no store"):
        send(RuleMiddleware(transport, rule), make_request())
    assert len(calls) == 2
    assert transport.requests == []


@both_modes
def test_error_of_the_flow_reaches_the_caller(send: Send) -> None:
    """An error that the flow raises, before sending or after, reaches the caller without a context."""

    def before(middleware: Middleware, request: httpx.Request) -> Flow:
        if request.method == "POST":
            raise LookupError("before")
        response = yield from middleware.pass_on(request)
        return response

    def after(middleware: Middleware, request: httpx.Request) -> Flow:
        yield from middleware.pass_on(request)
        raise LookupError("after")

    for rule in (before, after):
        with pytest.raises(LookupError, match=rule.__name__) as caught:
            send(RuleMiddleware(EchoTransport(), rule), make_request())
        assert caught.value.__context__ is None


@both_modes
def test_error_keeps_the_context_of_the_caller(send: Send) -> None:
    """An error keeps the context that the caller was in, and gets none from the middleware."""
    outer = KeyError("outer")
    inner: BaseException | None = None
    try:
        raise outer
    except KeyError:
        try:
            send(PassOnMiddleware(EchoTransport(httpx.ReadError("reset"))), make_request())
        except httpx.ReadError as error:
            inner = error
    assert inner is not None
    assert inner.__context__ is outer
    assert outer.__context__ is None

    with pytest.raises(httpx.ReadError) as caught:
        send(PassOnMiddleware(EchoTransport(httpx.ReadError("reset"))), make_request())
    assert caught.value.__context__ is None


class EndlessTransport(EchoTransport):
    """Never responds in a task."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.reached.set()
        await asyncio.Event().wait()
        return self.handle_request(request)


def test_cancelled_task_finishes_its_flow() -> None:
    """A task that is cancelled while the next transport sends raises `CancelledError` in the flow, which cleans up."""
    calls: list[str] = []

    def rule(middleware: Middleware, request: httpx.Request) -> Flow:
        try:
            response = yield from middleware.pass_on(request)
        except asyncio.CancelledError:
            calls.append("cancelled")
            raise
        finally:
            yield recorded(calls, None)
        return response

    async def main() -> None:
        transport = EndlessTransport()
        task = asyncio.create_task(RuleMiddleware(transport, rule).handle_async_request(make_request()))
        await transport.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert transport.requests == []

    asyncio.run(main())
    assert calls == ["cancelled", "asyncio"]


@pytest.fixture
def _no_garbage_collector() -> Iterator[None]:
    """Run a test without the garbage collector, so that only reference counting frees objects."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def nest_twice(transport: EchoTransport) -> Transport:
    """Return two middlewares over a transport."""
    return PassOnMiddleware(PassOnMiddleware(transport))


nestings = pytest.mark.parametrize("nest", [PassOnMiddleware, nest_twice], ids=["one middleware", "two middlewares"])


@pytest.mark.usefixtures("_no_garbage_collector")
@nestings
def test_error_leaves_no_reference_cycle_in_a_thread(nest: Callable[[EchoTransport], Transport]) -> None:
    """The frames of the transports are freed as soon as the error is dropped."""
    transport = EchoTransport(httpx.ReadError("reset"))
    middleware = nest(transport)
    with pytest.raises(httpx.ReadError):
        middleware.handle_request(make_request())
    transport.error = None  # the error holds its traceback
    assert transport.markers[0]() is None


@pytest.mark.usefixtures("_no_garbage_collector")
@nestings
def test_error_leaves_no_reference_cycle_in_a_task(nest: Callable[[EchoTransport], Transport]) -> None:
    """The frames of the transports are freed as soon as the error is dropped, also in a task."""
    transport = EchoTransport(httpx.ReadError("reset"))

    async def main() -> None:
        try:
            await nest(transport).handle_async_request(make_request())
        except httpx.ReadError:
            transport.error = None
        assert transport.markers[0]() is None

    asyncio.run(main())


def test_base_class_has_no_rule() -> None:
    """A middleware that does not implement `flow` cannot be used."""
    with pytest.raises(NotImplementedError):
        Middleware(EchoTransport()).handle_request(make_request())


def test_closing_closes_the_next_transport() -> None:
    """`close` and `aclose` close the next transport in the same way."""
    transport = EchoTransport()
    middleware = nest_twice(transport)
    middleware.close()
    asyncio.run(middleware.aclose())
    assert transport.closed == ["threads", "loop"]


# Requests


def finish_reading(reading: Generator[Effect, bytes, bytes], perform: Callable[[Effect], bytes]) -> bytes:
    """Run `read_body` to its end, and return the body."""
    try:
        effect = next(reading)
        while True:
            effect = reading.send(perform(effect))
    except StopIteration as stop:
        body: bytes = stop.value
        return body


def test_body_in_memory_is_returned_at_once() -> None:
    """A body that is in memory needs no effect."""

    def unexpected(effect: Effect) -> bytes:
        raise AssertionError(effect)

    assert finish_reading(read_body(make_request(b"body")), unexpected) == b"body"
    assert finish_reading(read_body(httpx.Request("GET", URL)), unexpected) == b""


def test_streamed_body_is_read() -> None:
    """A streamed body is read in the mode of its stream, and is the request's content afterwards."""

    def stream() -> Iterator[bytes]:
        yield b"bo"
        yield b"dy"

    async def async_stream() -> AsyncIterator[bytes]:
        yield b"bo"
        yield b"dy"

    def perform_in_task(effect: Effect) -> bytes:
        async def perform(awaitable: Awaitable[bytes]) -> bytes:
            return await awaitable

        return asyncio.run(perform(effect.asyncio()))

    def perform_in_thread(effect: Effect) -> bytes:
        body: bytes = effect.sync()
        return body

    for content, perform in ((stream(), perform_in_thread), (async_stream(), perform_in_task)):
        request = make_request(content)
        assert finish_reading(read_body(request), perform) == b"body"
        assert request.content == b"body"
