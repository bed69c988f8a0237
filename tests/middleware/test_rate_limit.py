"""When a request gets its permit, when the permit is released, and in which order requests are served."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator

import httpx
import pytest
from sending import Send, both_modes

from bitget_spot import OriginError
from bitget_spot._concurrency import Effect, Waiter
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
    MAX_STEP_TIME,
    RateLimitMiddleware,
    is_counted,
    is_rate_limited,
    lease_of,
    permit_release,
)
from bitget_spot._middleware.responses import ResponseMiddleware
from bitget_spot.errors import (
    ApiError,
    AuthenticationError,
    InvalidResponseError,
    RateLimitedError,
    SystemBusyError,
)
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.rate_limit.policy import IN_FLIGHT_GRACE, PERIOD_MARGIN, Permit, PermitRelease, RequestResult
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

    def __init__(self, respond: Respond, *, store: Callable[[FakeClock], RecordingStore] = RecordingStore) -> None:
        self.clock = FakeClock()
        self.store = store(self.clock)
        self.transport = FakeTransport(self.clock, respond)
        self.middleware = RateLimitMiddleware(
            ResponseMiddleware(self.transport, clock=ServerClock()),
            store=self.store,
            budget=lambda operation: operation.operation_id,
            limits={BUDGET: LIMIT},
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
        return len(self.store.queue(BUDGET)._waiters)


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


@pytest.mark.parametrize(
    ("timeout", "lease"),
    [
        ({"connect": 5, "read": 10}, 15 + IN_FLIGHT_GRACE),
        ({"connect": 5, "read": None}, 5 + MAX_STEP_TIME + IN_FLIGHT_GRACE),
    ],
)
def test_lease_is_longer_than_the_request(timeout: dict[str, float | None], lease: float) -> None:
    """A permit that is never released is available again after the timeouts of its request and the grace period."""
    request = httpx.Request("POST", "https://api.bitget.com", extensions={"timeout": timeout})
    assert lease_of(request) == lease
    assert lease_of(batch_cancel()) == MAX_STEP_TIME + IN_FLIGHT_GRACE


def test_permit_in_flight_expires_after_its_lease() -> None:
    """While a request is in flight, its permit is occupied for the lease and one period."""
    expires_at: list[float] = []

    def respond(request: httpx.Request) -> httpx.Response:
        expires_at.extend(permit.expires_at for permit in harness.permits)
        return succeed(request)

    harness = RateLimitHarness(respond)
    harness.send()
    assert expires_at == pytest.approx([100 + MAX_STEP_TIME + IN_FLIGHT_GRACE + LIMIT.period_seconds])


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


def test_too_many_requests_pause_the_budget() -> None:
    """After a 429 nothing leaves for a period, even if there are permits."""
    responses = iter([httpx.Response(429, content=b'{"code":"429"}'), httpx.Response(200, content=SUCCESS)])
    harness = RateLimitHarness(lambda _: next(responses))
    with pytest.raises(RateLimitedError):
        harness.send()
    harness.send()
    assert harness.transport.sent_at == pytest.approx([100, 101])


RESPONSES = [
    (200, SUCCESS, RequestResult.COUNTED, False),
    (200, b"<html>", RequestResult.COUNTED, False),
    (400, b'{"code":"40009"}', RequestResult.COUNTED, False),
    (400, b'{"code":"40918"}', RequestResult.COUNTED, True),
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
    if content == SUCCESS:
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
    assert permit_release(attempt, error, 100.0) == release


def test_headers_decide_what_has_left() -> None:
    """If the transport reports the timing, a request has left if its headers have, whatever ended it."""
    attempt = Attempt(reached_transport=True, reports_timing=True)
    assert permit_release(attempt, KeyboardInterrupt(), 100.0).result is RequestResult.NOT_SENT
    attempt.headers_sent_at = 1.0
    assert permit_release(attempt, httpx.ReadError("reset"), 100.0).result is RequestResult.UNCERTAIN


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
