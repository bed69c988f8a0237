"""What every link is made of: two shells that run one flow, in threads and in tasks."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator
from typing import Any

import httpx
import pytest

from bitget_spot._concurrency import Effect
from bitget_spot._middleware.base import Flow, Middleware, Transport, operation_of, read_body
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, Operation

URL = f"https://api.bitget.com{BATCH_CANCEL_ORDERS.path}"


class Local:
    """Something that a frame holds and that can be watched."""


class End(Transport):
    """Answers with what it was sent, or raises what it is told to."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.sent: list[httpx.Request] = []
        self.locals: list[weakref.ref[Local]] = []
        self.closed: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        local = Local()
        self.locals.append(weakref.ref(local))
        self.sent.append(request)
        if self.error is not None:
            raise self.error
        return httpx.Response(200, content=request.content)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return self.handle_request(request)

    def close(self) -> None:
        self.closed.append("threads")

    async def aclose(self) -> None:
        self.closed.append("loop")


class Plain(Middleware):
    """A link without a rule."""

    def flow(self, request: httpx.Request) -> Flow:
        response: httpx.Response = yield request
        return response


class Written(Middleware):
    """A link whose rule is given."""

    def __init__(self, following: Transport, rule: Callable[[httpx.Request], Flow]) -> None:
        super().__init__(following)
        self._rule = rule

    def flow(self, request: httpx.Request) -> Flow:
        return (yield from self._rule(request))


Send = Callable[[Transport, httpx.Request], httpx.Response]


def in_thread(transport: Transport, request: httpx.Request) -> httpx.Response:
    """Send as the sync client does."""
    return transport.handle_request(request)


def in_task(transport: Transport, request: httpx.Request) -> httpx.Response:
    """Send as the async client does."""
    return asyncio.run(transport.handle_async_request(request))


both = pytest.mark.parametrize("send", [in_thread, in_task])


def request_with(content: Any = b"body") -> httpx.Request:
    """Make a request that a flow may send."""
    return httpx.Request("POST", URL, content=content)


def step(said: list[str], name: str, error: Exception | None = None) -> Effect:
    """Make a step that says by which manner it was done, and then answers or raises."""

    def sync() -> str:
        said.append("sync")
        if error is not None:
            raise error
        return name

    async def in_loop() -> str:
        await asyncio.sleep(0)
        said.append("asyncio")
        if error is not None:
            raise error
        return name

    return Effect(sync, in_loop)


@both
def test_value(send: Send) -> None:
    """What a flow returns is the answer, be it the one that came or another."""
    other = httpx.Response(201)

    def rule(request: httpx.Request) -> Flow:
        response = yield request
        assert response.content == b"body"
        return other

    end = End()
    assert send(Written(end, rule), request_with()) is other
    assert send(Plain(end), request_with()).content == b"body"
    assert len(end.sent) == 2


@both
def test_no_sending(send: Send) -> None:
    """A flow that returns without yielding sends nothing."""

    def rule(request: httpx.Request) -> Flow:
        if request.method == "GET":
            yield request
        return httpx.Response(204)

    end = End()
    assert send(Written(end, rule), request_with()).status_code == 204
    assert end.sent == []


@both
def test_steps(send: Send) -> None:
    """A step is done in the manner of the shell, once, and its result is handed in at the yield."""
    said: list[str] = []
    results: list[Any] = []

    def rule(request: httpx.Request) -> Flow:
        results.append((yield step(said, "first")))
        response = yield request
        results.append((yield step(said, "second")))
        assert isinstance(response, httpx.Response)
        return response

    assert send(Written(End(), rule), request_with()).is_success
    assert results == ["first", "second"]
    assert said == (["sync"] * 2 if send is in_thread else ["asyncio"] * 2)


@both
def test_repeat(send: Send) -> None:
    """A flow may send more than once, and gets every answer."""

    def rule(request: httpx.Request) -> Flow:
        first = yield request
        second = yield httpx.Request("POST", request.url, content=first.content * 2)
        assert isinstance(second, httpx.Response)
        return second

    end = End()
    assert send(Written(end, rule), request_with(b"x")).content == b"xx"
    assert len(end.sent) == 2


@both
@pytest.mark.parametrize("error", [httpx.ReadError("gone"), KeyboardInterrupt(), SystemExit(2)])
def test_error_of_the_next(send: Send, error: BaseException) -> None:
    """An error from below, Ctrl-C included, is raised at the flow's yield, and leaves as itself if let go."""
    seen: list[BaseException] = []

    def rule(request: httpx.Request) -> Flow:
        try:
            response: httpx.Response = yield request
        except BaseException as caught:
            seen.append(caught)
            raise
        return response

    with pytest.raises(type(error)) as caught:
        send(Written(End(error), rule), request_with())
    assert caught.value is error
    assert seen == [error]


@both
def test_error_caught(send: Send) -> None:
    """A flow that catches an error goes on: it may do something, send again, or answer itself."""
    said: list[str] = []
    end = End(httpx.ReadError("gone"))

    def rule(request: httpx.Request) -> Flow:
        for _ in range(2):
            try:
                yield request
            except httpx.ReadError:
                yield step(said, "between")
        return httpx.Response(202)

    assert send(Written(end, rule), request_with()).status_code == 202
    assert (len(end.sent), len(said)) == (2, 2)


@both
def test_error_of_a_step(send: Send) -> None:
    """An error of a step is raised at its yield like one of the wire, and what follows it in a `finally` is done."""
    said: list[str] = []

    def rule(request: httpx.Request) -> Flow:
        try:
            yield step(said, "fails", OSError("no store"))
        finally:
            yield step(said, "last")
        response: httpx.Response = yield request
        return response

    end = End()
    with pytest.raises(OSError, match="no store"):
        send(Written(end, rule), request_with())
    assert len(said) == 2
    assert end.sent == []


@both
def test_error_of_the_rule(send: Send) -> None:
    """What a rule raises itself, before sending or after, reaches the caller."""

    def before(request: httpx.Request) -> Flow:
        if request.method == "POST":
            raise LookupError("before")
        response: httpx.Response = yield request
        return response

    def after(request: httpx.Request) -> Flow:
        yield request
        raise LookupError("after")

    for rule in (before, after):
        with pytest.raises(LookupError, match=rule.__name__) as caught:
            send(Written(End(), rule), request_with())
        assert caught.value.__context__ is None


@both
def test_context_is_the_callers(send: Send) -> None:
    """An error that passes through keeps the context in which the caller was, and gets none from the shell."""
    outer = KeyError("outer")
    inner: BaseException | None = None
    try:
        raise outer
    except KeyError:
        try:
            send(Plain(End(httpx.ReadError("gone"))), request_with())
        except httpx.ReadError as error:
            inner = error
    assert inner is not None
    assert inner.__context__ is outer
    assert outer.__context__ is None

    with pytest.raises(httpx.ReadError) as caught:
        send(Plain(End(httpx.ReadError("gone"))), request_with())
    assert caught.value.__context__ is None


class Endless(End):
    """Never answers."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.reached.set()
        await asyncio.Event().wait()
        return self.handle_request(request)


def test_cancelled() -> None:
    """A task that is cancelled while the next link works sees its flow to the end, and is cancelled."""
    said: list[str] = []

    def rule(request: httpx.Request) -> Flow:
        try:
            response: httpx.Response = yield request
        except asyncio.CancelledError:
            said.append("cancelled")
            raise
        finally:
            yield step(said, "settled")
        return response

    async def main() -> None:
        end = Endless()
        task = asyncio.create_task(Written(end, rule).handle_async_request(request_with()))
        await end.reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert end.sent == []

    asyncio.run(main())
    assert said == ["cancelled", "asyncio"]


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Run a test without the garbage collector, so that only counting frees what it leaves."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


CHAINS: list[Callable[[End], Transport]] = [Plain, lambda end: Plain(Plain(end))]


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("chain", CHAINS, ids=["one link", "two links"])
def test_no_cycle_in_threads(chain: Callable[[End], Transport]) -> None:
    """An error leaves no reference cycle: the frames below are freed as soon as it is dropped."""
    end = End(httpx.ReadError("gone"))
    transport = chain(end)
    with pytest.raises(httpx.ReadError):
        transport.handle_request(request_with())
    end.error = None  # the error holds its traceback
    assert end.locals[0]() is None


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("chain", CHAINS, ids=["one link", "two links"])
def test_no_cycle_in_tasks(chain: Callable[[End], Transport]) -> None:
    """An error leaves no reference cycle in a task either."""
    end = End(httpx.ReadError("gone"))

    async def main() -> None:
        try:
            await chain(end).handle_async_request(request_with())
        except httpx.ReadError:
            end.error = None
        assert end.locals[0]() is None

    asyncio.run(main())


def test_base_has_no_rule() -> None:
    """A link says its rule, or cannot be used."""
    with pytest.raises(NotImplementedError):
        Middleware(End()).handle_request(request_with())


def test_close() -> None:
    """Closing a link closes what follows it, in the same manner."""
    end = End()
    link = Plain(Plain(end))
    link.close()
    asyncio.run(link.aclose())
    assert end.closed == ["threads", "loop"]


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("POST", BATCH_CANCEL_ORDERS.path, BATCH_CANCEL_ORDERS),
        ("POST", f"{BATCH_CANCEL_ORDERS.path}/", BATCH_CANCEL_ORDERS),
        ("POST", f"/{BATCH_CANCEL_ORDERS.path}", BATCH_CANCEL_ORDERS),
        ("POST", BATCH_CANCEL_ORDERS.path.replace("/", "//"), BATCH_CANCEL_ORDERS),
        ("POST", f"{BATCH_CANCEL_ORDERS.path}?a=b#c", BATCH_CANCEL_ORDERS),
        ("POST", BATCH_CANCEL_ORDERS.path.replace("batch", "b%61tch"), BATCH_CANCEL_ORDERS),
        ("post", BATCH_CANCEL_ORDERS.path, BATCH_CANCEL_ORDERS),
        ("GET", BATCH_CANCEL_ORDERS.path, None),
        ("POST", f"{BATCH_CANCEL_ORDERS.path}s", None),
        ("POST", BATCH_CANCEL_ORDERS.path.upper(), None),
        ("POST", "/", None),
    ],
)
def test_operation_of(method: str, path: str, operation: Operation | None) -> None:
    """A request calls the operation of its method and path, however many slashes the path has."""
    request = httpx.Request(method, f"https://api.bitget.com{path}")
    assert operation_of(request) is operation


def read_by(flow: Generator[Effect, bytes, bytes], by: Callable[[Effect], bytes]) -> bytes:
    """Run a reading to its end."""
    try:
        do = next(flow)
        while True:
            do = flow.send(by(do))
    except StopIteration as done:
        content: bytes = done.value
        return content


def test_body_in_memory() -> None:
    """A body that is in memory is there without a step."""

    def unasked(do: Effect) -> bytes:
        raise AssertionError(do)

    assert read_by(read_body(request_with(b"body")), unasked) == b"body"
    assert read_by(read_body(httpx.Request("GET", URL)), unasked) == b""


def test_body_streamed() -> None:
    """A streamed body is read in the manner of the stream, and then is the request's content."""

    def stream() -> Iterator[bytes]:
        yield b"bo"
        yield b"dy"

    async def async_stream() -> AsyncIterator[bytes]:
        yield b"bo"
        yield b"dy"

    def in_loop(do: Effect) -> bytes:
        async def reading(awaitable: Awaitable[bytes]) -> bytes:
            return await awaitable

        return asyncio.run(reading(do.asyncio()))

    def sync(do: Effect) -> bytes:
        content: bytes = do.sync()
        return content

    for content, by in ((stream(), sync), (async_stream(), in_loop)):
        request = request_with(content)
        assert read_by(read_body(request), by) == b"body"
        assert request.content == b"body"
