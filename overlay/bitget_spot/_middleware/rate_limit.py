"""The link that waits for a slot, and tells what became of the request that had it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Mapping
from http import HTTPStatus
from typing import Final

import httpx

from bitget_spot._concurrency import Bell
from bitget_spot._middleware.base import Do, Flow, Link, Transport, operation_of
from bitget_spot._middleware.context import Halted, Trail, current_trail
from bitget_spot._middleware.responses import refusal
from bitget_spot._middleware.send import NEVER_SENT, WATCH, Watch
from bitget_spot.errors import RateLimitedError, UnreadableAnswerError
from bitget_spot.rate_limit.memory import Slots
from bitget_spot.rate_limit.policy import HOLD, Fate, Settlement
from bitget_spot_api.operations import REMAINING_CALLS_HEADER, Operation, RateLimit

UNBOUNDED: Final = 60.0
"""Seconds that a step of a request may take, for the lease, where the caller has set no time-out."""
_numbers = itertools.count()


class Limit(Link):
    """Lets through as many requests of an operation in any period as its limit says."""

    def __init__(
        self,
        following: Transport,
        *,
        slots: Slots,
        budget: Callable[[Operation], str],
        limits: Mapping[str, RateLimit],
        pause: Callable[[Bell, float], Do] = Bell.wait,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(following)
        self._slots = slots
        self._budget = budget
        self.limits = limits
        self._pause = pause
        self._clock = clock

    def flow(self, request: httpx.Request) -> Flow:
        response: httpx.Response
        operation = operation_of(request)
        if operation is None:
            response = yield request
            return response
        budget, limit = self._budget(operation), self.limits[operation.operation_id]
        slot, trail = str(next(_numbers)), current_trail()
        lease = lease_of(request) + limit.period_seconds
        yield from self._take(budget, slot, limit, lease, trail)
        trail.tries += 1
        watch = Watch(self._clock)
        request.extensions = {**request.extensions, WATCH: watch}
        told, gone = Settlement(Fate.UNKNOWN), False
        try:
            response = yield request
            told = settlement(response, watch, self._clock())
            trail.remaining = response.headers.get(REMAINING_CALLS_HEADER, trail.remaining)
        except BaseException as error:
            gone = isinstance(error, GeneratorExit)
            if never_left(watch, error):
                told = Settlement(Fate.UNSENT)
                trail.tries -= 1
            raise
        finally:
            yield from self._settle(budget, slot, limit, told, gone=gone)
            self._slots.line(budget).ring()
        return response

    def _settle(
        self, budget: str, slot: str, limit: RateLimit, told: Settlement, *, gone: bool
    ) -> Generator[Do, None, None]:
        moves = self._slots.settle(budget, slot, limit, told)
        if gone:
            # The event loop has ended, and nothing can be waited for: memory is settled, a shared store has the lease.
            next(moves, None)
        else:
            yield from moves

    def _take(self, budget: str, slot: str, limit: RateLimit, lease: float, trail: Trail) -> Generator[Do, None, None]:
        line, asked = self._slots.line(budget), False
        try:
            _heed_end_of(trail)
            if line.is_empty():
                asked = True
                if not (yield from self._slots.take(budget, slot, limit, lease)):
                    return
            bell = line.join()
            try:
                with trail.run.waking(bell):
                    while True:
                        wait = limit.period_seconds
                        _heed_end_of(trail)
                        # Asked once more after joining: what was settled in between has rung no bell of this one.
                        if line.is_first(bell):
                            asked = True
                            wait = yield from self._slots.take(budget, slot, limit, lease)
                            if not wait:
                                return
                        yield self._pause(bell, min(wait, trail.run.left()))
            finally:
                line.leave(bell)
        except BaseException as error:
            if asked:
                unsent = Settlement(Fate.UNSENT)
                yield from self._settle(budget, slot, limit, unsent, gone=isinstance(error, GeneratorExit))
            raise


def _heed_end_of(trail: Trail) -> None:
    if trail.run.left() <= 0:
        trail.cut = True
        raise Halted


def lease_of(request: httpx.Request) -> float:
    """Tell how long a request and what follows it can take, in seconds, by its time-outs."""
    steps = request.extensions.get("timeout", {"read": None}).values()
    return sum(UNBOUNDED if seconds is None else seconds for seconds in steps) + HOLD


def settlement(response: httpx.Response, watch: Watch, now: float) -> Settlement:
    """Tell what an answer means for the budget."""
    if response.status_code == HTTPStatus.OK:
        limited, fate = False, Fate.ANSWERED
    else:
        error = refusal(response)
        limited = isinstance(error, RateLimitedError) or (response.status_code == HTTPStatus.TOO_MANY_REQUESTS)
        # A proxy that gave up on the exchange does not know whether the request will still arrive.
        by_proxy = isinstance(error, UnreadableAnswerError) and response.is_server_error
        fate = Fate.UNKNOWN if by_proxy else Fate.ANSWERED
    warm = None if watch.opened or watch.sent_at is None else now - watch.sent_at
    return Settlement(fate, warm if fate is Fate.ANSWERED else None, limited)


def never_left(watch: Watch, error: BaseException) -> bool:
    """Tell whether a request that ended in an error is known not to have been sent."""
    if watch.traced:
        return watch.sent_at is None
    return not watch.reached or isinstance(error, NEVER_SENT)
