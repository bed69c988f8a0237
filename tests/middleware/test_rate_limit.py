"""When a request gets its permit, when the permit is released, and in which order requests are served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator

import httpx
import pytest
from sending import Send, both_modes

from bitget_spot import OriginError
from bitget_spot._concurrency import Effect, Waiter
from bitget_spot._middleware.account_type import AccountTypeMemory
from bitget_spot._middleware.base import Transport
from bitget_spot._middleware.clock import ServerClock
from bitget_spot._middleware.context import (
    NOT_SENT_ERRORS,
    REQUEST_CONTEXT,
    Attempt,
    CancelScope,
    RequestContext,
    RunStopped,
    attach_context,
    context_of,
)
from bitget_spot._middleware.rate_limit import (
    DEFAULT_ATTEMPT_TIME,
    MAX_PERMIT_AGE,
    RateLimitMiddleware,
    is_counted,
    is_rate_limited,
    permit_release,
)
from bitget_spot._middleware.responses import ResponseMiddleware
from bitget_spot._middleware.send import SendTransport
from bitget_spot.errors import (
    ApiError,
    AuthenticationError,
    InvalidResponseError,
    RateLimitedError,
    SystemBusyError,
)
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.rate_limit.policy import IN_FLIGHT_GRACE, PERIOD_MARGIN, Permit, PermitRelease, RequestResult
from bitget_spot.rate_limit.queue import WaitQueue
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, RateLimit

LIMIT = RateLimit(2, 1.0, "UID")
BUDGET = BATCH_CANCEL_ORDERS.operation_id
SUCCESS = b'{"code":"00000"}'
Respond = Callable[[httpx.Request], httpx.Response]


class FakeClock:
    """A clock that only pauses move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pause(self, _: Waiter, seconds: float) -> Effect:
        """Move the clock instead of waiting."""

        def move() -> None:
            self.now += seconds

        async def move_async() -> None:
            move()
            await asyncio.sleep(0)

        return Effect(move, move_async)


class FakeTransport(Transport):
    """Records when each request leaves, and responds with a function of the test."""

    def __init__(self, clock: FakeClock, respond: Respond) -> None:
        self.clock = clock
        self.respond = respond
        self.sent_at: list[float] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Record the time, and respond."""
        self.sent_at.append(self.clock.now)
        context_of(request).attempt.reached_transport = True
        return self.respond(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As in a thread."""
        return self.handle_request(request)


class RecordingStore(MemoryStore):
    """A store in memory that records what is released."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.releases: list[PermitRelease] = []
        self._queues[BUDGET] = WaitQueue(clock)

    def release(
        self, budget: str, permit: str, limit: RateLimit, release: PermitRelease
    ) -> Generator[Effect, None, None]:
        self.releases.append(release)
        yield from super().release(budget, permit, limit, release)


class SlowStore(RecordingStore):
    """A store whose operations have to be waited for."""

    def acquire(self, budget: str, permit: str, limit: RateLimit, lease: float) -> Generator[Effect, None, float]:
        yield Effect(lambda: None, self._wait)
        return (yield from super().acquire(budget, permit, limit, lease))

    def release(
        self, budget: str, permit: str, limit: RateLimit, release: PermitRelease
    ) -> Generator[Effect, None, None]:
        yield Effect(lambda: None, self._wait)
        yield from super().release(budget, permit, limit, release)

    async def _wait(self) -> None:
        await asyncio.sleep(0)


class RateLimitHarness:
    """The middleware with two permits a second, over the response middleware and a transport, with one clock."""

    def __init__(
        self,
        respond: Respond,
        *,
        store: Callable[[FakeClock], RecordingStore] = RecordingStore,
        attempt_timeout: float | None = None,
    ) -> None:
        self.clock = FakeClock()
        self.store = store(self.clock)
        self.transport = FakeTransport(self.clock, respond)
        self.middleware = RateLimitMiddleware(
            ResponseMiddleware(self.transport, clock=ServerClock(), account=AccountTypeMemory()),
            store=self.store,
            budget=lambda operation: operation.operation_id,
            limits={BUDGET: LIMIT},
            attempt_timeout=attempt_timeout,
            pause=self.clock.pause,
            clock=self.clock,
        )

    def send(self) -> httpx.Response:
        """Send a batch cancel from this thread."""
        return self.middleware.handle_request(batch_cancel())

    async def send_async(self) -> httpx.Response:
        """Send a batch cancel from this task."""
        return await self.middleware.handle_async_request(batch_cancel())

    @property
    def permits(self) -> list[Permit]:
        """The permits that are occupied."""
        return list(self.store._states[BUDGET].permits.values())

    @property
    def waiters(self) -> int:
        """How many waiters are in the queue."""
        return len(self.store.queue(BUDGET)._entries)


def batch_cancel() -> httpx.Request:
    """Return a batch cancel."""
    return httpx.Request("POST", f"https://api.bitget.com{BATCH_CANCEL_ORDERS.path}")


def succeed(_: httpx.Request) -> httpx.Response:
    """Return a success."""
    return httpx.Response(200, content=SUCCESS)


def raising(error: BaseException, *, sent: bool = True) -> Respond:
    """Return a function that raises an error, after the request has been sent or before."""

    def fail(request: httpx.Request) -> httpx.Response:
        attempt = context_of(request).attempt
        attempt.reached_transport = sent
        attempt.failed_before_sending = isinstance(error, NOT_SENT_ERRORS)
        raise error

    return fail


# Acquiring


@both_modes
def test_requests_wait_when_all_permits_are_occupied(send: Send) -> None:
    """As many requests leave at once as there are permits; the next wait until one is available again."""
    harness = RateLimitHarness(succeed)
    for _ in range(5):
        send(harness.middleware, batch_cancel())
    period = LIMIT.period_seconds + PERIOD_MARGIN
    assert harness.transport.sent_at == pytest.approx([100, 100, 100 + period, 100 + period, 100 + 2 * period])


def test_tasks_of_one_loop_wait_when_all_permits_are_occupied() -> None:
    """Requests of one event loop, sent one after another, wait in the same way."""
    harness = RateLimitHarness(succeed)

    async def send_all() -> None:
        for _ in range(5):
            await harness.send_async()

    asyncio.run(send_all())
    period = LIMIT.period_seconds + PERIOD_MARGIN
    assert harness.transport.sent_at == pytest.approx([100, 100, 100 + period, 100 + period, 100 + 2 * period])


def test_unknown_operations_are_not_limited() -> None:
    """A request to an operation that the document does not have needs no permit."""
    harness = RateLimitHarness(succeed)
    for _ in range(5):
        harness.middleware.handle_request(httpx.Request("POST", "https://api.bitget.com/api/v2/spot/account/assets"))
    assert set(harness.transport.sent_at) == {100.0}
    assert not harness.store._states


def test_threads_and_tasks_share_the_permits() -> None:
    """Threads and tasks of one client use the same permits."""
    harness = RateLimitHarness(succeed)
    harness.send()
    asyncio.run(harness.send_async())
    harness.send()
    assert harness.transport.sent_at[2] > 101


@pytest.mark.parametrize(("attempt_timeout", "longest"), [(7.5, 7.5), (None, DEFAULT_ATTEMPT_TIME)])
def test_lease_is_longer_than_the_attempt(attempt_timeout: float | None, longest: float) -> None:
    """A permit that is never released is available again after the longest attempt and the grace period."""
    expires_at: list[float] = []

    def respond(request: httpx.Request) -> httpx.Response:
        expires_at.extend(permit.expires_at for permit in harness.permits)
        return succeed(request)

    harness = RateLimitHarness(respond, attempt_timeout=attempt_timeout)
    harness.send()
    assert expires_at == pytest.approx([100 + longest + IN_FLIGHT_GRACE])


class SuspendedTransport(Transport):
    """A process that is suspended for so many seconds each time before it sends; then it sends nothing for a while."""

    def __init__(self, clock: FakeClock, seconds: list[float]) -> None:
        self.clock = clock
        self.seconds = seconds
        self.sent_at: list[float] = []
        self.next_transport = SendTransport(transport=httpx.MockTransport(self.respond), clock=clock)

    def respond(self, request: httpx.Request) -> httpx.Response:
        """Record the time, and succeed."""
        self.sent_at.append(self.clock.now)
        return succeed(request)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Be suspended, and send."""
        self.clock.now += self.seconds.pop(0)
        return self.next_transport.handle_request(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """As in a thread."""
        self.clock.now += self.seconds.pop(0)
        return await self.next_transport.handle_async_request(request)


@both_modes
@pytest.mark.parametrize(
    ("suspended_for", "sent_at", "not_sent"),
    [
        ([MAX_PERMIT_AGE - 0.01], 100 + MAX_PERMIT_AGE - 0.01, 0),
        ([MAX_PERMIT_AGE + 0.01, 0.0], 100 + MAX_PERMIT_AGE + 0.01, 1),
        ([60.0, 5.0, 0.0], 165.0, 2),
    ],
)
def test_expired_permit_is_not_used(send: Send, suspended_for: list[float], sent_at: float, not_sent: int) -> None:
    """A request does not leave with a permit that is too old: it is given back, and another one is acquired."""
    harness = RateLimitHarness(succeed)
    suspended = SuspendedTransport(harness.clock, suspended_for.copy())
    harness.middleware.next_transport = ResponseMiddleware(suspended, clock=ServerClock(), account=AccountTypeMemory())
    assert send(harness.middleware, batch_cancel()).is_success
    assert suspended.sent_at == pytest.approx([sent_at])
    results = [release.result for release in harness.store.releases]
    assert results == [RequestResult.NOT_SENT] * not_sent + [RequestResult.COUNTED]


def test_permit_expires_before_its_lease() -> None:
    """A permit is too old before the part of its lease that is not for the attempt itself has passed."""
    assert 0 < MAX_PERMIT_AGE < IN_FLIGHT_GRACE


class LockedStore(RecordingStore):
    """A store that responds only when the deadline has passed: to the first request to it, or to a later one."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.seconds = [0.5]

    def acquire(self, budget: str, permit: str, limit: RateLimit, lease: float) -> Generator[Effect, None, float]:
        self._clock.now += self.seconds.pop(0)  # type: ignore[attr-defined]  # the clock of the harness
        if self.seconds:
            return 0.001
        return (yield from super().acquire(budget, permit, limit, lease))


@both_modes
@pytest.mark.parametrize("seconds", [[0.5], [0.0, 0.5]], ids=["at once", "in turn"])
def test_deadline_passes_while_the_store_is_asked(send: Send, seconds: list[float]) -> None:
    """A request does not leave if the deadline has passed when the store gives it a permit, at once or in turn."""
    harness = RateLimitHarness(succeed, store=LockedStore)
    assert isinstance(harness.store, LockedStore)
    harness.store.seconds = seconds.copy()
    request = batch_cancel()
    context = attach_context(request)
    context.scope = CancelScope(deadline=100.25, clock=harness.clock)
    with pytest.raises(RunStopped):
        send(harness.middleware, request)
    assert context.stopped
    assert harness.store.seconds == []
    assert harness.transport.sent_at == []
    assert harness.store.releases == [PermitRelease(RequestResult.NOT_SENT)]
    assert not harness.permits
    assert harness.waiters == 0


# Releasing


def test_request_without_a_response_keeps_its_permit() -> None:
    """After a timeout the permit is occupied for as long as the request may still arrive."""
    harness = RateLimitHarness(raising(httpx.ReadTimeout("late")))
    with pytest.raises(httpx.ReadTimeout):
        harness.send()
    (permit,) = harness.permits
    assert permit.expires_at == pytest.approx(100 + IN_FLIGHT_GRACE + LIMIT.period_seconds + PERIOD_MARGIN)


def test_interrupted_request_keeps_its_permit() -> None:
    """A request that is interrupted in flight, as by Ctrl-C, is a request without a response."""
    harness = RateLimitHarness(raising(KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        harness.send()
    (permit,) = harness.permits
    assert permit.expires_at > 102


@pytest.mark.parametrize(
    "error",
    [httpx.ConnectError("no"), httpx.ConnectTimeout("no"), httpx.PoolTimeout("no"), OriginError("no")],
    ids=repr,
)
def test_request_that_was_not_sent_needs_no_permit(error: Exception) -> None:
    """A request that has not left makes its permit available again at once."""
    harness = RateLimitHarness(raising(error, sent=not isinstance(error, OriginError)))
    for _ in range(5):
        with pytest.raises(type(error)):
            harness.send()
    assert set(harness.transport.sent_at) == {100.0}


@pytest.mark.parametrize("status", [429, 200])
def test_too_many_requests_pause_the_budget(status: int) -> None:
    """After a 429 nothing leaves for a period, even if there are permits; also if it arrives with HTTP 200."""
    responses = iter([httpx.Response(status, content=b'{"code":"429"}'), httpx.Response(200, content=SUCCESS)])
    harness = RateLimitHarness(lambda _: next(responses))
    with pytest.raises(RateLimitedError):
        harness.send()
    harness.send()
    assert harness.transport.sent_at == pytest.approx([100, 101])


def test_orders_refused_for_too_many_requests_pause_the_budget() -> None:
    """A 429 of single orders of a batch pauses the budget like one of the whole batch."""
    refused = b'{"code":"00000","data":{"successList":[],"failureList":[{"orderId":"1","errorCode":"429"}]}}'
    responses = iter([httpx.Response(200, content=refused), httpx.Response(200, content=SUCCESS)])
    harness = RateLimitHarness(lambda _: next(responses))
    harness.send()
    harness.send()
    assert harness.transport.sent_at == pytest.approx([100, 101])


RESPONSES = [
    (200, SUCCESS, RequestResult.COUNTED, False),
    (200, b"<html>", RequestResult.COUNTED, False),
    (400, b'{"code":"40009"}', RequestResult.COUNTED, False),
    (400, b'{"code":"40918"}', RequestResult.COUNTED, True),
    (200, b'{"code":"429"}', RequestResult.COUNTED, True),
    (200, b'{"code":"00000","data":{"failureList":[{"errorCode":"429"}]}}', RequestResult.COUNTED, True),
    (200, b'{"code":"00000","data":{"failureList":[{"errorCode":"43001"}]}}', RequestResult.COUNTED, False),
    (429, b'{"code":"429"}', RequestResult.COUNTED, True),
    (429, b"<html>", RequestResult.COUNTED, True),
    (500, b'{"code":"40725"}', RequestResult.COUNTED, False),
    (502, b"<html>", RequestResult.UNCERTAIN, False),
    (504, b"", RequestResult.UNCERTAIN, False),
]


@both_modes
@pytest.mark.parametrize(("status", "content", "result", "rate_limited"), RESPONSES)
@pytest.mark.parametrize("opened_connection", [False, True])
@pytest.mark.parametrize("headers_sent_at", [None, 99.0])
def test_response_releases_the_permit(  # noqa: PLR0917 - the columns of the tables
    send: Send,
    status: int,
    content: bytes,
    result: RequestResult,
    rate_limited: bool,
    opened_connection: bool,
    headers_sent_at: float | None,
) -> None:
    """A response of the exchange counts the request, one of a proxy does not; an open connection gives the latency."""

    def respond(request: httpx.Request) -> httpx.Response:
        attempt = context_of(request).attempt
        attempt.opened_connection = opened_connection
        attempt.headers_sent_at = headers_sent_at
        harness.clock.now = 100.5
        return httpx.Response(status, content=content)

    harness = RateLimitHarness(respond)
    if content.startswith(SUCCESS[:-1]):
        send(harness.middleware, batch_cancel())
    else:
        with pytest.raises((ApiError, InvalidResponseError)):
            send(harness.middleware, batch_cancel())
    has_latency = result is RequestResult.COUNTED and not opened_connection and headers_sent_at is not None
    assert harness.store.releases == [PermitRelease(result, 1.5 if has_latency else None, rate_limited)]


SENT = Attempt(reached_transport=True)


@pytest.mark.parametrize(
    ("attempt", "error", "release"),
    [
        (Attempt(), None, PermitRelease(RequestResult.NOT_SENT)),
        (Attempt(), RunStopped(), PermitRelease(RequestResult.NOT_SENT)),
        (Attempt(), KeyboardInterrupt(), PermitRelease(RequestResult.NOT_SENT)),
        (SENT, None, PermitRelease(RequestResult.COUNTED)),
        (SENT, AuthenticationError("40009"), PermitRelease(RequestResult.COUNTED)),
        (SENT, RateLimitedError("429"), PermitRelease(RequestResult.COUNTED, rate_limited=True)),
        (
            Attempt(reached_transport=True, rate_limited_rows=True),
            None,
            PermitRelease(RequestResult.COUNTED, rate_limited=True),
        ),
        (SENT, httpx.ReadError("reset"), PermitRelease(RequestResult.UNCERTAIN)),
        (SENT, KeyboardInterrupt(), PermitRelease(RequestResult.UNCERTAIN)),
        (SENT, asyncio.CancelledError(), PermitRelease(RequestResult.UNCERTAIN)),
        (SENT, RuntimeError("a bug"), PermitRelease(RequestResult.UNCERTAIN)),
    ],
    ids=str,
)
def test_release_follows_from_the_attempt_and_its_error(
    attempt: Attempt, error: BaseException | None, release: PermitRelease
) -> None:
    """What has not left is `NOT_SENT`, what has a response is `COUNTED`, and everything else is `UNCERTAIN`."""
    assert permit_release(attempt, error) == release


def test_headers_decide_what_has_left() -> None:
    """If the transport reports the timing, a request has left if its headers have, whatever ended it."""
    attempt = Attempt(reached_transport=True, reports_timing=True)
    assert permit_release(attempt, KeyboardInterrupt()).result is RequestResult.NOT_SENT
    attempt.headers_sent_at = 1.0
    assert permit_release(attempt, httpx.ReadError("reset")).result is RequestResult.UNCERTAIN


@pytest.mark.parametrize(
    ("error", "counted", "rate_limited"),
    [
        (None, True, False),
        (SystemBusyError("45001", "busy", 500), True, False),
        (InvalidResponseError(499, "not JSON"), True, False),
        (InvalidResponseError(500, "not JSON"), False, False),
        (InvalidResponseError(429, "not JSON"), True, True),
        (RateLimitedError("40918", "too many", 400), True, True),
        (ApiError("99999", "unknown code", 429), True, True),
        (httpx.ReadError("reset"), False, False),
    ],
    ids=repr,
)
def test_meaning_of_an_error_for_the_budget(error: Exception | None, *, counted: bool, rate_limited: bool) -> None:
    """The code of an envelope decides whether a request was one too many; without an envelope the status does."""
    assert is_counted(error) is counted
    assert is_rate_limited(error) is rate_limited


# Cancelled tasks and closed loops


def test_cancelled_waiter_leaves_the_queue() -> None:
    """A task that is cancelled while it waits neither blocks the queue nor loses a permit."""
    harness = RateLimitHarness(succeed)
    harness.middleware._pause = Waiter.wait

    async def main() -> None:
        for _ in range(2):
            await harness.send_async()
        waiting = [asyncio.create_task(harness.send_async()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        harness.clock.now += 2
        harness.store.queue(BUDGET).notify_first()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError, httpx.Response, httpx.Response]

    asyncio.run(main())
    assert harness.waiters == 0


def test_task_cancelled_when_it_is_woken_sends_nothing() -> None:
    """A task that is cancelled at the moment at which it is its turn does not send; the next one does."""
    harness = RateLimitHarness(succeed)
    harness.middleware._pause = Waiter.wait

    async def main() -> None:
        for _ in range(2):
            await harness.send_async()
        waiting = [asyncio.create_task(harness.send_async()) for _ in range(2)]
        await asyncio.sleep(0)  # they wait from here on
        harness.clock.now += 2
        harness.store.queue(BUDGET).notify_first()
        await asyncio.sleep(0)  # the first task will be woken
        waiting[0].cancel()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [asyncio.CancelledError, httpx.Response]

    asyncio.run(main())
    assert len(harness.transport.sent_at) == 3
    assert harness.waiters == 0


@pytest.mark.parametrize("steps", range(1, 4))
def test_task_cancelled_before_sending_releases_its_permit(steps: int) -> None:
    """A task that is cancelled during a request to the store, or while it waits, reports that nothing was sent."""
    harness = RateLimitHarness(succeed, store=SlowStore)
    harness.middleware._pause = Waiter.wait

    async def main() -> None:
        for _ in range(2):
            await harness.send_async()
        waiting = asyncio.create_task(harness.send_async())
        for _ in range(steps):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(main())
    results = [release.result for release in harness.store.releases]
    assert results == [RequestResult.COUNTED, RequestResult.COUNTED, RequestResult.NOT_SENT]
    assert len(harness.permits) == 2
    assert harness.waiters == 0


@pytest.mark.parametrize(("store", "in_flight"), [(RecordingStore, False), (SlowStore, True)])
def test_closed_loop_releases_what_needs_no_wait(
    store: Callable[[FakeClock], RecordingStore], *, in_flight: bool
) -> None:
    """If the event loop is closed nothing can be awaited: memory is released, any other store keeps its lease."""
    harness = RateLimitHarness(succeed, store=store)
    flow = harness.middleware.flow(batch_cancel())
    step = next(flow)
    while isinstance(step, Effect):
        step = flow.send(step.sync())
    context_of(step).attempt.reached_transport = True
    flow.close()
    (permit,) = harness.permits
    assert permit.in_flight is in_flight


def test_waiter_of_a_closed_loop_leaves_the_queue() -> None:
    """A waiter whose event loop is closed leaves the queue without waiting."""
    harness = RateLimitHarness(succeed)
    for _ in range(2):
        harness.send()
    harness.middleware._pause = Waiter.wait
    flow = harness.middleware.flow(batch_cancel())
    assert isinstance(next(flow), Effect)
    flow.close()
    assert harness.waiters == 0
    assert harness.transport.sent_at == [100.0, 100.0]


# The end of the run


def test_ended_run_asks_for_no_permit() -> None:
    """A request whose run has ended acquires and releases no permit, and its context is marked as stopped."""
    harness = RateLimitHarness(succeed)
    context = RequestContext(CancelScope())
    context.scope.stop()
    token = REQUEST_CONTEXT.set(context)
    try:
        with pytest.raises(RunStopped):
            harness.send()
    finally:
        REQUEST_CONTEXT.reset(token)
    assert context.stopped
    assert not harness.transport.sent_at
    assert not harness.store._states


@both_modes
def test_run_that_ends_during_the_wait_is_not_sent(send: Send) -> None:
    """A request waits no longer than until the deadline; then it leaves the queue, and nothing is sent."""
    harness = RateLimitHarness(succeed)
    for _ in range(2):
        harness.send()
    request = batch_cancel()
    context = attach_context(request)
    context.scope = CancelScope(deadline=100.25, clock=harness.clock)
    with pytest.raises(RunStopped):
        send(harness.middleware, request)
    assert context.stopped
    assert harness.clock.now == 100.25
    assert harness.transport.sent_at == [100.0, 100.0]
    assert harness.store.releases[-1] == PermitRelease(RequestResult.NOT_SENT)
    assert len(harness.permits) == 2
    assert harness.waiters == 0
