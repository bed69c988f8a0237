"""The link that waits for a slot: what it takes, when it gives back, and in which order."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Generator

import httpx
import pytest

from bitget_spot import OriginError
from bitget_spot._concurrency import Effect, Waiter
from bitget_spot._middleware.base import Transport
from bitget_spot._middleware.context import REQUEST_CONTEXT, CancelScope, RequestContext, RunStopped
from bitget_spot._middleware.rate_limit import MAX_STEP_TIME, RateLimitMiddleware, lease_of, never_left, permit_release
from bitget_spot._middleware.send import WATCH
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.rate_limit.policy import IN_FLIGHT_GRACE, PERIOD_MARGIN, PermitRelease, RequestResult
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, RateLimit

LIMIT = RateLimit(2, 1.0, "UID")
SUCCESS = b'{"code":"00000"}'


class Clock:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pause(self, _: Waiter, seconds: float) -> Effect:
        """Wait by moving the clock."""

        def wait() -> None:
            self.now += seconds

        async def wait_in_task() -> None:
            wait()
            await asyncio.sleep(0)

        return Effect(wait, wait_in_task)


class Wire(Transport):
    """A wire that keeps when it was reached and does what it is told."""

    def __init__(self, clock: Clock, act: Callable[[httpx.Request], httpx.Response]) -> None:
        self.clock = clock
        self.act = act
        self.at: list[float] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Note the time, and act."""
        self.at.append(self.clock.now)
        return self.act(request)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Note the time, and act."""
        return self.handle_request(request)


def limited(act: Callable[[httpx.Request], httpx.Response]) -> tuple[RateLimitMiddleware, Wire, MemoryStore]:
    """Make a link with two slots a second over a wire, all on one clock."""
    clock = Clock()
    slots = MemoryStore(clock=clock)
    wire = Wire(clock, act)
    link = RateLimitMiddleware(
        wire,
        rate_limit_store=slots,
        budget=lambda operation: operation.operation_id,
        limits={BATCH_CANCEL_ORDERS.operation_id: LIMIT},
        pause=clock.pause,
        clock=clock,
    )
    return link, wire, slots


def request(path: str = BATCH_CANCEL_ORDERS.path) -> httpx.Request:
    """A request of the operation, or of another path."""
    return httpx.Request("POST", f"https://api.bitget.com{path}")


def success(_: httpx.Request) -> httpx.Response:
    """Answer well."""
    return httpx.Response(200, content=SUCCESS)


def free_at(slots: MemoryStore) -> float:
    """Tell when the only occupied slot is free again."""
    ((_, at, _),) = slots._logs[BATCH_CANCEL_ORDERS.operation_id].slots.values()
    return at


@pytest.mark.parametrize("manner", ["sync", "asyncio"])
def test_as_many_at_once_as_there_are_slots_and_then_a_wait(manner: str) -> None:
    """The budget's room is used without waiting; who comes later waits until a slot reopens."""
    link, wire, _ = limited(success)

    async def tasks() -> None:
        for _ in range(5):
            await link.handle_async_request(request())

    if manner == "asyncio":
        asyncio.run(tasks())
    else:
        for _ in range(5):
            link.handle_request(request())
    period = LIMIT.period_seconds + PERIOD_MARGIN
    assert wire.at == pytest.approx([100, 100, 100 + period, 100 + period, 100 + 2 * period])


def test_what_the_document_does_not_have_is_not_limited() -> None:
    """A request to another endpoint takes no slot."""
    link, wire, slots = limited(success)
    for _ in range(5):
        link.handle_request(request("/api/v2/spot/account/assets"))
    assert set(wire.at) == {100.0}
    assert not slots._logs


def test_two_manners_share_the_line() -> None:
    """Threads and tasks of one link draw on the same slots."""
    link, wire, _ = limited(success)
    link.handle_request(request())
    asyncio.run(link.handle_async_request(request()))
    link.handle_request(request())
    assert wire.at[2] > 101


def test_a_request_without_answer_keeps_its_slot() -> None:
    """After a time-out the slot stays occupied for as long as the request may still arrive."""

    def late(sent: httpx.Request) -> httpx.Response:
        sent.extensions[WATCH].reached = True
        raise httpx.ReadTimeout("late")

    link, _, slots = limited(late)
    with pytest.raises(httpx.ReadTimeout):
        link.handle_request(request())
    assert free_at(slots) == pytest.approx(100 + IN_FLIGHT_GRACE + LIMIT.period_seconds + PERIOD_MARGIN)


def test_an_interrupted_request_keeps_its_slot() -> None:
    """Ctrl-C and a cancelled task in flight are a request without an answer."""

    def interrupted(sent: httpx.Request) -> httpx.Response:
        sent.extensions[WATCH].reached = True
        raise KeyboardInterrupt

    link, _, slots = limited(interrupted)
    with pytest.raises(KeyboardInterrupt):
        link.handle_request(request())
    assert free_at(slots) > 102


@pytest.mark.parametrize(
    "error", [httpx.ConnectError("no"), httpx.ConnectTimeout("no"), httpx.PoolTimeout("no"), OriginError("no")]
)
def test_what_was_never_sent_frees_its_slot_at_once(error: Exception) -> None:
    """A request that did not leave costs nothing of the budget."""

    def fail(sent: httpx.Request) -> httpx.Response:
        sent.extensions[WATCH].reached = not isinstance(error, OriginError)
        raise error

    link, wire, _ = limited(fail)
    for _ in range(5):
        with pytest.raises(type(error)):
            link.handle_request(request())
    assert set(wire.at) == {100.0}


def test_a_429_closes_every_slot() -> None:
    """After a 429 nothing leaves for a period, though slots would be open."""
    answers = iter([httpx.Response(429, content=b'{"code":"429"}'), success(request())])
    link, wire, _ = limited(lambda _: next(answers))
    link.handle_request(request())
    link.handle_request(request())
    assert wire.at == pytest.approx([100, 101])


def test_a_cancelled_waiter_gives_its_place_back() -> None:
    """A task cancelled while it waits neither holds up the line nor loses a slot."""
    link, wire, slots = limited(success)
    link._pause = Waiter.wait

    async def scene() -> None:
        for _ in range(2):
            await link.handle_async_request(request())
        waiting = [asyncio.create_task(link.handle_async_request(request())) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        wire.clock.now += 2
        slots.line(BATCH_CANCEL_ORDERS.operation_id).ring()
        done = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(one) for one in done] == [asyncio.CancelledError, httpx.Response, httpx.Response]

    asyncio.run(scene())
    assert not slots.line(BATCH_CANCEL_ORDERS.operation_id)._bells


@pytest.mark.parametrize(
    ("timeout", "lease"),
    [
        ({"connect": 5, "read": 10}, 15 + IN_FLIGHT_GRACE),
        ({"connect": 5, "read": None}, 5 + MAX_STEP_TIME + IN_FLIGHT_GRACE),
    ],
)
def test_the_lease_outlasts_the_request(timeout: dict[str, float | None], lease: float) -> None:
    """A slot that nobody settles is given back after the request's time-outs and the hold."""
    sent = httpx.Request("POST", "https://api.bitget.com", extensions={"timeout": timeout})
    assert lease_of(sent) == lease
    assert lease_of(request()) == MAX_STEP_TIME + IN_FLIGHT_GRACE


@pytest.mark.parametrize(
    ("status", "content", "fate", "is_limited"),
    [
        (200, SUCCESS, RequestResult.ANSWERED, False),
        (200, b"<html>", RequestResult.ANSWERED, False),
        (400, b'{"code":"40009"}', RequestResult.ANSWERED, False),
        (400, b'{"code":"40918"}', RequestResult.ANSWERED, True),
        (429, b'{"code":"429"}', RequestResult.ANSWERED, True),
        (429, b"<html>", RequestResult.ANSWERED, True),
        (500, b'{"code":"40725"}', RequestResult.ANSWERED, False),
        (502, b"<html>", RequestResult.UNKNOWN, False),
        (504, b"", RequestResult.UNKNOWN, False),
    ],
)
@pytest.mark.parametrize(("opened", "sent_at"), list(itertools.product([False, True], [None, 99.0])))
def test_what_an_answer_means_for_the_budget(  # noqa: PLR0917 - the table's columns
    status: int, content: bytes, fate: RequestResult, is_limited: bool, opened: bool, sent_at: float | None
) -> None:
    """An answer settles its slot, unless a proxy gave it; only one on an open connection teaches a time."""
    link, _, _ = limited(success)
    sent = request()
    link.handle_request(sent)
    watch = sent.extensions[WATCH]
    watch.opened, watch.sent_at = opened, sent_at
    told = permit_release(httpx.Response(status, content=content), watch, 100.5)
    assert (told.fate, told.limited) == (fate, is_limited)
    warm = fate is RequestResult.ANSWERED and not opened and sent_at is not None
    assert told.warm == (1.5 if warm else None)


def test_a_wire_that_tells_when_the_headers_leave_is_believed() -> None:
    """Where the wire tells, whatever ended the request before its headers left has not sent it."""
    link, _, _ = limited(success)
    sent = request()
    link.handle_request(sent)
    watch = sent.extensions[WATCH]
    watch.reached = watch.traced = True
    assert never_left(watch, KeyboardInterrupt())
    watch.sent_at = 1.0
    assert not never_left(watch, httpx.ConnectError("in vain"))


class Distant(MemoryStore):
    """A store whose every step has to be waited for."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock=clock)
        self.told: list[str] = []

    def take(self, budget: str, slot: str, limit: RateLimit, lease: float) -> Generator[Effect, None, float]:
        yield Effect(lambda: None, self._await)
        return (yield from super().take(budget, slot, limit, lease))

    def settle(self, budget: str, slot: str, limit: RateLimit, told: PermitRelease) -> Generator[Effect, None, None]:
        yield Effect(lambda: None, self._await)
        self.told.append(told.fate.name)
        yield from super().settle(budget, slot, limit, told)

    async def _await(self) -> None:
        await asyncio.sleep(0)


@pytest.mark.parametrize("steps", range(1, 4))
def test_a_task_cancelled_while_it_asks_gives_back(steps: int) -> None:
    """A task that is cancelled while a store is asked, or while it waits, tells the store that it sends nothing."""
    link, wire, _ = limited(success)
    link._slots = slots = Distant(wire.clock)
    link._pause = Waiter.wait

    async def scene() -> None:
        for _ in range(2):
            await link.handle_async_request(request())
        waiting = asyncio.create_task(link.handle_async_request(request()))
        for _ in range(steps):
            await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(scene())
    assert slots.told == ["ANSWERED", "ANSWERED", "UNSENT"]
    assert len(slots._logs[BATCH_CANCEL_ORDERS.operation_id].slots) == 2
    assert not slots.line(BATCH_CANCEL_ORDERS.operation_id)._bells


@pytest.mark.parametrize(("kind", "told"), [(MemoryStore, "settled"), (Distant, "in flight")])
def test_a_loop_that_ended(kind: Callable[..., MemoryStore], told: str) -> None:
    """Where the event loop has gone nothing is waited for: memory is settled, another store has the lease."""
    link, wire, _ = limited(success)
    link._slots = slots = kind(clock=wire.clock)
    flow = link.flow(request())
    step = next(flow)
    while isinstance(step, Effect):
        step = flow.send(step.sync())
    step.extensions[WATCH].reached = True
    flow.close()
    ((_, _, off),) = slots._logs[BATCH_CANCEL_ORDERS.operation_id].slots.values()
    assert ("in flight" if off is None else "settled") == told


def test_a_loop_that_ended_while_its_task_waited() -> None:
    """A waiter whose event loop has gone leaves the line, and waits for nothing."""
    link, wire, slots = limited(success)
    for _ in range(2):
        link.handle_request(request())
    link._pause = Waiter.wait
    flow = link.flow(request())
    assert isinstance(next(flow), Effect)
    flow.close()
    assert not slots.line(BATCH_CANCEL_ORDERS.operation_id)._bells
    assert wire.at == [100.0, 100.0]


def test_a_run_that_has_ended_asks_no_store() -> None:
    """A request whose run is over takes no slot, tells no store, and is marked as cut."""
    link, wire, slots = limited(success)
    run = CancelScope()
    run.stop()
    trail = RequestContext(run)
    token = REQUEST_CONTEXT.set(trail)
    try:
        with pytest.raises(RunStopped):
            link.handle_request(request())
    finally:
        REQUEST_CONTEXT.reset(token)
    assert trail.cut
    assert not wire.at
    assert not slots._logs
