"""
A stage for threads and tasks in emulated time: they play one at a time, and the clock moves only when all of them wait.

So an hour takes as long as what is done in it, what would wait for ever is seen at once (`Hang`), and the same seed
gives the same play, down to which thread goes first where several could. The threads are real ones, of real pools, and
the event loops are asyncio's own; what is put in place of the real is what waits: the event of a `Bell`, the pool's
`wait`, the selector of a loop. Those of the library's locks that are held for a moment only are places where the stage
may let another thread go first.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import heapq
import itertools
import selectors
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from math import isinf
from random import Random
from types import SimpleNamespace
from typing import Any, Final, TypeVar

import pytest
from attrs import define, field

from bitget_spot import _concurrency, cancel_open_orders, cancel_orders
from bitget_spot._middleware.context import CancelScope
from bitget_spot.rate_limit import fallback, memory, queue

START: Final = 1_000.0
"""What the clock shows at first; as on a machine that has been running for a while."""
EPOCH: Final = 1_700_000_000.0
"""What the calendar shows then, in seconds since 1970."""
TURNS: Final = 100_000
"""How often somebody may be woken in one scene before it is called endless."""
GO_FIRST: Final = 0.05
"""How likely it is that a thread which takes a lock lets another one go first."""
A_REAL_ANSWER: Final = 10.0
"""Real seconds within which a real server on this machine answers."""

T = TypeVar("T")


class Hang(AssertionError):  # noqa: N818 - it is what has happened
    """Everybody waits for somebody else, or it goes on and on."""


class Abandoned(BaseException):
    """The play is over, and whoever still waits goes home."""


class Player:
    """One thread on the stage."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.go = threading.Lock()
        self.go.acquire()
        self.waits = False
        self.woken = False
        self.done = False
        self.thrown: BaseException | None = None
        self.came: Any = None
        self.joined_by: dict[Player, None] = {}

    def __repr__(self) -> str:
        return self.name


class Cue:
    """Something that will happen at its time, unless it is called off."""

    __slots__ = ("action", "off")

    def __init__(self, action: Callable[[], object]) -> None:
        self.action = action
        self.off = False


class Stage:
    """
    The clock, the agenda, and who plays.

    Attributes:
        now: Seconds of a clock that never goes back.
        astray: How far the machine's calendar is from the right one, in seconds.
        turns: How often somebody has been woken in this scene.
        turns_allowed: How often that may be.
        left_over: How many tasks were left when the coroutines given to `run` ended.
        random: Decides whatever is left to chance.

    """

    def __init__(self, seed: int = 0) -> None:
        self.now = START
        self.astray = 0.0
        self.random = Random(seed)  # noqa: S311 - a repeatable chance, not a secret
        self.director = self.current = Player("director")
        self.players: set[Player] = set()
        self.over = False
        self._ready: list[Player] = []
        self._agenda: list[tuple[float, int, Cue]] = []
        self._numbers = itertools.count()
        self.turns = 0
        self.turns_allowed = TURNS
        self.left_over = 0

    def clock(self) -> float:
        """Tell the seconds of a clock that never goes back."""
        return self.now

    def calendar(self) -> float:
        """Tell the seconds since 1970 as this machine has them."""
        return EPOCH + self.now + self.astray

    def right_calendar(self) -> float:
        """Tell the seconds since 1970 as they are."""
        return EPOCH + self.now

    # What will happen

    def at(self, delay: float, action: Callable[[], object]) -> Cue:
        """Let something happen some seconds from now; it must not wait."""
        cue = Cue(action)
        heapq.heappush(self._agenda, (self.now + delay, next(self._numbers), cue))
        return cue

    # Who plays

    def enlist(self, name: str) -> Player:
        """Make a place for one more thread, which waits until it is woken."""
        player = Player(f"{name} {next(self._numbers)}")
        player.waits = True
        self.players.add(player)
        return player

    def perform(self, player: Player, play: Callable[..., T], *arguments: object) -> T:
        """Play a part in this thread, once it is its turn."""
        player.go.acquire()
        player.waits = player.woken = False
        try:
            if self.over:
                raise Abandoned
            return play(*arguments)
        finally:
            player.done = True
            self.players.discard(player)
            for other in player.joined_by:
                self.wake(other)
            following = self.current = self._next()
            following.go.release()

    def spawn(self, play: Callable[..., object], *arguments: object) -> Player:
        """Start a thread that plays a part; `join` waits for it."""
        player = self.enlist("caller")

        def body() -> None:
            def kept() -> None:
                try:
                    player.came = play(*arguments)
                except BaseException as error:  # noqa: BLE001 - whoever joins looks at it
                    player.came = error

            self.perform(player, kept)

        player.thread = threading.Thread(target=body, name=player.name, daemon=True)  # type: ignore[attr-defined]
        player.thread.start()  # type: ignore[attr-defined]
        self.wake(player)
        return player

    def join(self, players: Iterable[Player]) -> None:
        """Wait until all of them have played their parts."""
        for player in players:
            while not player.done:
                player.joined_by[self.current] = None
                self.block(None)
            if hasattr(player, "thread"):
                player.thread.join()

    def block(self, seconds: float | None) -> None:
        """Wait until woken, or so many seconds; like a thread's parking it may also end too early."""
        me = self.current
        if not me.woken and not (seconds is not None and seconds <= 0):
            cue = None if seconds is None or isinf(seconds) else self.at(seconds, lambda: self.wake(me))
            me.waits = True
            self._switch()
            me.waits = False
            if cue is not None:
                cue.off = True
        me.woken = False
        if self.over and me is not self.director:
            raise Abandoned
        if me.thrown is not None:
            error, me.thrown = me.thrown, None
            raise error

    def sleep(self, seconds: float) -> None:
        """Let so much time pass."""
        until = self.now + seconds
        while self.now < until:
            self.block(until - self.now)

    def wake(self, player: Player) -> None:
        """Have somebody go on."""
        if not player.woken and not player.done:
            player.woken = True
            if player.waits:
                self._ready.append(player)

    def throw(self, player: Player, error: BaseException) -> None:
        """Have somebody who waits, or waits next, go on with an exception, as Ctrl-C does."""
        if not player.done:
            player.thrown = error
            self.wake(player)

    def give_way(self) -> None:
        """Let those who could play go first, now and then."""
        if self._ready and self.random.random() < GO_FIRST and not self.over:
            me = self.current
            me.waits = me.woken = True
            self._ready.append(me)
            self._switch()
            me.waits = me.woken = False

    def _switch(self) -> None:
        me = self.current
        following = self._next()
        if following is not me:
            self.current = following
            following.go.release()
            me.go.acquire()

    def _next(self) -> Player:
        self.turns += 1
        if self.turns > self.turns_allowed:
            self.turns = 0
            self.throw(self.director, Hang(f"no end after {self.now - START:.0f} seconds: {self._who()}"))
        while not self._ready:
            if not self._agenda:
                self.throw(self.director, Hang(f"everybody waits for ever: {self._who()}"))
                continue
            moment, _, cue = heapq.heappop(self._agenda)
            if not cue.off:
                self.now = max(self.now, moment)
                try:
                    cue.action()
                except BaseException as error:  # noqa: BLE001 - a mistake of the test's, told to the test
                    self.throw(self.director, error)
        place = self.random.randrange(len(self._ready)) if len(self._ready) > 1 else 0
        return self._ready.pop(place)

    def _who(self) -> str:
        return ", ".join(sorted(map(str, self.players))) or "nobody but the director"

    def close(self) -> None:
        """Send everybody home who still waits, after a play that has failed."""
        self.over = True
        self._agenda.clear()
        for player in list(self.players):
            self.wake(player)
        while self.players:
            player = next(iter(self.players))
            player.joined_by[self.director] = None
            self.block(None)

    # Event loops

    def run(self, play: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """CancelScope a coroutine in this thread, in an event loop of its own, as `asyncio.run` does; no task may be left."""

        async def watched() -> T:
            try:
                return await play()
            finally:
                self.left_over += len(asyncio.all_tasks()) - 1

        with asyncio.Runner(loop_factory=lambda: Loop(self)) as runner:
            return runner.run(watched())


class Signal:
    """In place of `threading.Event`."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._set = False
        self._waiting: list[Player] = []

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        for player in self._waiting:
            self._stage.wake(player)

    def clear(self) -> None:
        self._set = False

    def wait(self, timeout: float | None = None) -> bool:
        stage = self._stage
        until = float("inf") if timeout is None else stage.now + timeout
        while not self._set and stage.now < until:
            self._waiting.append(stage.current)
            try:
                stage.block(until - stage.now)
            finally:
                self._waiting.remove(stage.current)
        return self._set


class Lock:
    """In place of a `threading.Lock` that is held for a moment only: a place to let another thread go first."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._held_by: Player | None = None

    def __enter__(self) -> None:
        self._stage.give_way()
        assert self._held_by is None, f"{self._held_by} holds a lock while it waits"
        self._held_by = self._stage.current

    def __exit__(self, *_: object) -> None:
        self._held_by = None


class Pool(concurrent.futures.ThreadPoolExecutor):
    """A real pool whose threads play on the stage."""

    stage: Stage

    def __init__(self, most: int, prefix: str) -> None:
        super().__init__(most, prefix)
        self._prefix = prefix
        self._most = most
        self.at_work: list[Player] = []

    def submit(  # type: ignore[override]  # the library gives no keywords
        self, play: Callable[..., T], /, *given: Any
    ) -> concurrent.futures.Future[T]:
        stage = self.stage
        self.at_work = [player for player in self.at_work if not player.done]
        assert len(self.at_work) < self._most, "more is given to a pool than it has threads"
        player = stage.enlist(self._prefix)
        self.at_work.append(player)
        future = super().submit(stage.perform, player, play, *given)
        future.player = player  # type: ignore[attr-defined]
        stage.wake(player)
        return future

    def __exit__(self, *error: object) -> bool | None:
        self.stage.join(self.at_work)
        return super().__exit__(*error)  # type: ignore[arg-type]  # what a with statement gives


def _ended(stage: Stage, futures: Iterable[Any]) -> list[Any]:
    """Wait until one of them has ended at least, and answer those that have."""
    waited_for = list(futures)
    while not (done := [future for future in waited_for if future.player.done]):
        for future in waited_for:
            future.player.joined_by[stage.current] = None
        stage.block(None)
    # The part is played, and the pool is about to say so.
    concurrent.futures.wait(done)
    return done


class Loop(asyncio.SelectorEventLoop):
    """
    An event loop that plays on the stage.

    Attributes:
        foreign: How many answers of real servers are awaited in it.

    """

    def __init__(self, stage: Stage) -> None:
        self.foreign = 0
        self._stage = stage
        self._player = stage.current
        super().__init__(_Selector(stage, self))

    def time(self) -> float:
        return self._stage.now

    def _write_to_self(self) -> None:
        self._stage.wake(self._player)

    def run_in_executor(  # type: ignore[override]  # a future of asyncio's, as the base makes
        self, executor: concurrent.futures.Executor | None, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        assert executor is not None
        # It is done for real before anybody goes on, and told in the next round, so that who waits may be cancelled.
        done: concurrent.futures.Future[Any] = executor.submit(func, *args)
        concurrent.futures.wait([done])
        told = self.create_future()

        def tell() -> None:
            if not told.done():
                error = done.exception()
                if error is None:
                    told.set_result(done.result())
                else:
                    told.set_exception(error)

        self.call_soon(tell)
        return told


class _Selector(selectors.DefaultSelector):
    """Waits on the stage instead of in the kernel."""

    def __init__(self, stage: Stage, loop: Loop) -> None:
        super().__init__()
        self._stage, self._loop = stage, loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        stage = self._stage
        if len(self.get_map()) > 1:
            # Real connections to real servers: while an answer is awaited no time passes.
            idle = self._loop.foreign and (timeout is None or timeout > 0)
            events = super().select(A_REAL_ANSWER if idle else 0)
            assert events or not idle, "a real server does not answer"
            if events:
                return events
        if timeout is None or timeout > 0:
            stage.block(timeout)
        else:
            stage.give_way()
        return []


@define
class _StagedRun(CancelScope):
    """A run by the clock of the stage that is on."""

    clock: Callable[[], float] = field(factory=lambda: Pool.stage.clock)
    _lock: Any = field(factory=lambda: Lock(Pool.stage))


@contextmanager
def staged(stage: Stage) -> Iterator[None]:
    """Put the library on the stage; in the end nobody may still be playing."""

    def wait(futures: Iterable[Any], return_when: str) -> Any:
        assert return_when == "FIRST_COMPLETED"
        return SimpleNamespace(done=_ended(stage, futures))

    def as_completed(futures: Iterable[Any]) -> Iterator[Any]:
        left = list(futures)
        while left:
            for future in _ended(stage, left):
                left.remove(future)
                yield future

    real_wait = asyncio.wait

    async def wait_in_task(tasks: Iterable[asyncio.Task[Any]], **how: Any) -> tuple[Sequence[Any], Any]:
        given = list(tasks)
        done, rest = await real_wait(given, **how)
        # A set of tasks has another order in every run of the interpreter.
        return [task for task in given if task in done], rest

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pool, "stage", stage, raising=False)
        locks = SimpleNamespace(Lock=lambda: Lock(stage))
        patch.setattr(_concurrency, "threading", SimpleNamespace(Event=lambda: Signal(stage)))
        for module in (queue, memory, fallback):
            patch.setattr(module, "threading", locks)
        for module in (cancel_orders, cancel_open_orders):
            patch.setattr(module, "CancelScope", _StagedRun)
        futures = SimpleNamespace(ThreadPoolExecutor=Pool, wait=wait, as_completed=as_completed)
        patch.setattr(cancel_orders, "concurrent", SimpleNamespace(futures=futures))
        patch.setattr(asyncio, "wait", wait_in_task)
        try:
            yield
        finally:
            stage.close()
