"""The kill switch in virtual time: a clock that its own pauses advance, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from attrs import define, field, frozen
from sandboxes import StartSandbox

from bitget_spot import Report
from bitget_spot._bulk.jobs import Job
from bitget_spot._bulk.queries import OrderQueries
from bitget_spot._concurrency import EffectGenerator
from bitget_spot._middleware.context import CancelScope
from bitget_spot.client import SpotClient
from bitget_spot.sandbox import Sandbox


@define
class VirtualTime:
    """
    A clock that only pauses advance.

    Attributes:
        now: The time, in seconds.
        pauses: The pauses, in seconds.
        scheduled: What happens during a pause, and when.

    """

    now: float = 0.0
    pauses: list[float] = field(factory=list)
    scheduled: list[tuple[float, Callable[[], object]]] = field(factory=list)

    def read(self) -> float:
        """Return the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Advance the clock, and do what is scheduled until then."""
        assert len(self.pauses) < 10_000, "the kill switch does not end"
        self.pauses.append(seconds)
        self.now += seconds
        for item in [item for item in self.scheduled if item[0] <= self.now]:
            self.scheduled.remove(item)
            _, action = item
            action()


@frozen
class VirtualQueries(OrderQueries):
    """Requests for orders whose pauses advance a virtual clock."""

    time: VirtualTime

    def pause(self, seconds: float) -> EffectGenerator[None]:
        yield from ()
        self.time.advance(min(seconds, self.scope.remaining()))


@define
class VirtualJobLoop:
    """
    Does what `JobLoop` does, one job after the other.

    The clock stands still while a request is under way. It advances when all jobs that are left have a delay.
    """

    time: VirtualTime
    client: SpotClient
    scope: CancelScope
    next_jobs: Callable[[], Iterable[Job]]
    record: Callable[[Job], None]

    def run(self) -> EffectGenerator[None]:
        """Run until there is no job left."""
        due: list[tuple[float, Job]] = []
        while True:
            due += [(self.time.now + job.delay, job) for job in self.next_jobs()]
            if not due:
                return
            at, job = min(due, key=self._due_at)
            due.remove((at, job))
            pause = min(at - self.time.now, job.context.scope.remaining())
            if pause > 0:
                self.time.advance(pause)
            job.delay = 0.0
            yield job.effect(self.client)
            self.record(job)

    def _due_at(self, item: tuple[float, Job]) -> float:
        """Return when a job is due: at once if its scope was stopped."""
        at, job = item
        return min(at, self.time.now + max(0.0, job.context.scope.remaining()))


RunVirtually: TypeAlias = Callable[..., Report]
StartVirtualSandbox: TypeAlias = Callable[..., tuple[Sandbox, VirtualTime]]


def start_with_virtual_time(start_sandbox: StartSandbox, **settings: Any) -> tuple[Sandbox, VirtualTime]:
    """Start a sandbox whose cancels are executed in virtual time."""
    virtual_time = VirtualTime()
    sandbox = start_sandbox(timer=virtual_time.read, requests_per_second=100_000, **settings)
    return sandbox, virtual_time
