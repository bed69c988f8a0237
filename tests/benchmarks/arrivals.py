"""
What arrives at the exchange in any second, and when the last answer is back: the policy against its rivals.

5,000 orders, from threads and from tasks, every connection cold at first, over five emulated lines, to an exchange that
refuses the eleventh arrival in a second. Every run has a process of its own, and so has its exchange, which emulates
the line as well: it lets a request arrive after the way there and its answer leave so that it is back after the way
back. The n-th request of a run meets the same delays under every policy. Run it with `make bench`; it takes a few
minutes and writes `docs/arrivals.md` and `docs/arrivals.svg`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import random
import statistics
import subprocess
import sys
import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx
from attrs import Factory, evolve, frozen

from bitget_spot import Credentials, Status, cancel_orders, connect
from bitget_spot._concurrency import Effect
from bitget_spot._middleware.base import Flow, Middleware
from bitget_spot._middleware.send import SendTransport
from bitget_spot.rate_limit import MemoryStore
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, BatchCancelOrdersResponse, OrderRef

LIMIT, PERIOD, BATCH = 10, 1.0, 50
MANNERS: Final = ("threads", "tasks")
OURS: Final = "this package"
DOCS: Final = Path(__file__).parents[2] / "docs"
PICTURE: Final = "arrivals.svg"
TELLING: Final = "tls"  # the line that is drawn
TICK: Final = (-3.2, -0.8, float("nan"))  # where a tick begins and ends, and a gap


@frozen
class Line:
    """
    What lies between a client and the exchange; all times in seconds.

    Attributes:
        words: What it stands for.
        least: The shortest way, there or back.
        jitter: How much longer a way can be.
        handshake: What a new connection takes before its first request can leave.
        late: How much later a request arrives that is unlucky.
        share: How many are unlucky.
        round_trip: What the bound allows for.
        target: Time over the bound that this package has to keep.

    """

    words: str
    least: float
    jitter: float
    handshake: float
    round_trip: float
    target: float
    late: float = 0.0
    share: float = 0.0

    def delays(self, draw: random.Random) -> tuple[float, float]:
        """Draw the way there and the way back of one request."""
        there, back = (self.least + self.jitter * draw.random() for _ in range(2))
        return there + (self.late if draw.random() < self.share else 0.0), back


LINES: Final = {
    "same-host": Line("no delay", 0.0, 0.0, 0.0, 0.0, 1.03),
    "region": Line("10 to 16 ms each way", 0.010, 0.006, 0.026, 0.026, 1.05),
    "tls": Line("25 to 27 ms each way, handshake 100 ms", 0.025, 0.002, 0.100, 0.052, 1.05),
    "sea": Line("90 to 100 ms each way, 1 % lost for 250 ms", 0.090, 0.010, 0.200, 0.200, 1.15, 0.250, 0.01),
    "spike": Line("1 ms each way, 2 % take 300 ms longer", 0.001, 0.0, 0.002, 0.002, 1.08, 0.300, 0.02),
}


# The exchange: counts, refuses, answers. Its process ends when its standard input does, and tells what has arrived.


@frozen
class Exchange:
    """One account's budget as the exchange counts it, and the line to it."""

    line: Line
    draw: random.Random
    arrivals: list[tuple[float, bool]] = Factory(list)
    accepted: deque[float] = Factory(lambda: deque([float("-inf")] * LIMIT, LIMIT))

    def count(self, now: float) -> bool:
        """Take note of an arrival, and tell whether it is one too many."""
        refused = now - self.accepted[0] < PERIOD
        self.arrivals.append((now, refused))
        if not refused:
            self.accepted.append(now)
        return refused


class Connection(asyncio.Protocol):
    """Reads requests, and answers each when it would be back; asyncio has switched Nagle's algorithm off."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange, self.received, self.loop = exchange, b"", asyncio.get_running_loop()
        self.open_at = self.back_at = self.loop.time() + exchange.line.handshake

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, rest = self.received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if separator and len(rest) >= length:
            self.received = rest[length:]
            there, back = self.exchange.line.delays(self.exchange.draw)
            # The client has sent at once; over the line it would have waited for the handshake.
            left_at = max(self.loop.time(), self.open_at)
            self.loop.call_at(left_at + there, self.arrive, rest[:length], back)

    def arrive(self, body: bytes, back: float) -> None:
        """Count a request, and send the answer on its way."""
        now = self.loop.time()
        reply = answer(body, refused=self.exchange.count(now))
        self.back_at = max(self.back_at, now + back)
        self.loop.call_at(self.back_at, self.transport.write, reply)


def answer(body: bytes, *, refused: bool) -> bytes:
    """Write a refusal, or the success of all orders."""
    envelope = {"code": "429", "msg": "Too Many Requests", "requestTime": int(time.time() * 1000), "data": None}
    if not refused:
        orders = [{"orderId": order["orderId"], "clientOid": ""} for order in json.loads(body)["orderList"]]
        envelope |= {"code": "00000", "msg": "success", "data": {"successList": orders, "failureList": []}}
    content = json.dumps(envelope).encode()
    status = b"429 Too Many Requests" if refused else b"200 OK"
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(content)) + content


async def serve(line: str, seed: str) -> None:
    """Listen on a free port of loopback and tell it; at the end, tell the arrivals."""
    exchange = Exchange(LINES[line], random.Random(f"{line} {seed}"))  # noqa: S311 - repeatable delays
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(exchange), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()
    print(json.dumps(exchange.arrivals))


# The rivals: limiters as one finds them, under the same generated function and over the same wire.


def pause(seconds: float) -> Effect:
    """Wait, in both manners."""
    return Effect(lambda: time.sleep(seconds), lambda: asyncio.sleep(seconds))


class Rival(Middleware):
    """Asks for leave before each sending, and sends again what was refused."""

    def __init__(self) -> None:
        super().__init__(SendTransport(verify=False))
        self.lock = threading.Lock()

    def flow(self, request: httpx.Request) -> Flow:
        while True:
            while (wait := self.ask()) > 0:
                yield pause(wait)
            response: httpx.Response = yield request
            with self.lock:
                self.answered(time.monotonic())
            if response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                return response

    def ask(self) -> float:
        """Take leave to send, or tell how long to wait before asking again."""
        with self.lock:
            now = time.monotonic()
            wait = self.free_at() - now
            if wait <= 0:
                self.sent(now)
            return wait

    @abstractmethod
    def free_at(self) -> float:
        """Tell when the next one may leave."""

    @abstractmethod
    def sent(self, now: float) -> None:
        """Take note of one that leaves."""

    def answered(self, now: float) -> None:
        """Take note of an answer."""


class SlidingWindow(Rival):
    """Ten, and each of them makes room one period after it was sent: exact, at the sender."""

    def __init__(self) -> None:
        super().__init__()
        self.sendings = deque([float("-inf")] * LIMIT, LIMIT)

    def free_at(self) -> float:
        return self.sendings[0] + PERIOD

    def sent(self, now: float) -> None:
        self.sendings.append(now)


class FixedWindow(Rival):
    """Ten in a window that opens with the first sending after the last window's end."""

    def __init__(self) -> None:
        super().__init__()
        self.opened_at, self.used = float("-inf"), LIMIT

    def free_at(self) -> float:
        return self.opened_at if self.used < LIMIT else self.opened_at + PERIOD

    def sent(self, now: float) -> None:
        if now >= self.opened_at + PERIOD:
            self.opened_at, self.used = now, 0
        self.used += 1


class Spacing(Rival):
    """One at a time, evenly spaced."""

    def __init__(self, gap: float) -> None:
        super().__init__()
        self.gap, self.last = gap, float("-inf")

    def free_at(self) -> float:
        return self.last + self.gap

    def sent(self, now: float) -> None:
        self.last = now


class AfterAnswer(Rival):
    """Ten, and each of them makes room one period after its answer: this package's policy, nothing taken off."""

    def __init__(self) -> None:
        super().__init__()
        self.slots = deque([float("-inf")] * LIMIT)

    def free_at(self) -> float:
        # As many workers as slots: whoever asks leaves one that is not in flight.
        return self.slots[0]

    def sent(self, now: float) -> None:  # noqa: ARG002 - what counts is the answer
        self.slots.popleft()

    def answered(self, now: float) -> None:
        self.slots.append(now + PERIOD + 0.005)


RIVALS: Final = {
    "ten, one period from each send": SlidingWindow,
    "fixed window from the send": FixedWindow,
    "even spacing, 100 ms": lambda: Spacing(0.100),
    "even spacing, 105 ms": lambda: Spacing(0.105),
    "free one period after its answer": AfterAnswer,
}
POLICIES: Final = (*RIVALS, OURS)


# One run: one policy, in one manner, over one line.


@frozen
class Run:
    """What is run."""

    line: str
    policy: str
    manner: str
    calls: int
    seed: int


class Seen:
    """What the exchange saw: its arrivals, each with whether it was refused."""

    __slots__ = ()
    arrivals: list[tuple[float, bool]]

    @property
    def worst(self) -> int:
        """The most arrivals in any second."""
        return max(count for _, count in in_the_last_second([at for at, _ in self.arrivals]))

    @property
    def refused(self) -> int:
        """How many were answered 429."""
        return sum(refused for _, refused in self.arrivals)


@frozen
class Result(Seen):
    """What came of a run: its arrivals at the exchange, from the first on, and the seconds to the last answer."""

    run: Run
    arrivals: list[tuple[float, bool]]
    seconds: float

    @property
    def over_bound(self) -> float:
        """The time it took over the shortest that ten in a second allow."""
        periods = (self.run.calls - 1) // LIMIT
        return self.seconds / (periods * PERIOD + LINES[self.run.line].round_trip)


def in_the_last_second(arrivals: Sequence[float]) -> list[tuple[float, int]]:
    """Tell at each arrival, and at each that is over after a second, how many there were in the second up to then."""
    # At the same moment, one that is over makes room first.
    steps = sorted([(at + PERIOD, -1) for at in arrivals] + [(at, 1) for at in arrivals])
    return list(
        zip((at for at, _ in steps), itertools.accumulate(step for _, step in steps), strict=True),
    )


def perform(run: Run, origin: str) -> float:
    """Cancel the orders, and tell how many seconds it took."""
    orders = [OrderRef(order_id=str(10**18 + index)) for index in range(run.calls * BATCH)]
    if run.policy == OURS:
        client = connect(
            Credentials("a-key", "a-secret", "a-passphrase"), base_url=origin, rate_limit_store=MemoryStore()
        )
    else:
        client = Client(base_url=origin, httpx_args={"transport": RIVALS[run.policy]()})
    return asyncio.run(in_tasks(client, run, orders)) if run.manner == "tasks" else in_threads(client, run, orders)


def in_threads(client: Client, run: Run, orders: list[OrderRef]) -> float:
    """Run from threads: `cancel_orders`, or for a rival the same batches from as many threads as may be in flight."""

    def send(batch: BatchCancelOrdersRequest) -> None:
        check(batch_cancel_orders.sync(client=client, body=batch))

    with client:
        start = time.perf_counter()
        if run.policy == OURS:
            report = cancel_orders.sync(client=client, orders=orders, symbol="BTCUSDT")
            assert len(report.only(Status.ACCEPTED)) == len(orders), report
        else:
            with ThreadPoolExecutor(LIMIT) as pool:
                list(pool.map(send, cancel_orders.plan(orders=orders, symbol="BTCUSDT")))
        return time.perf_counter() - start


async def in_tasks(client: Client, run: Run, orders: list[OrderRef]) -> float:
    """Run from tasks; in all else as `in_threads`."""

    async def work(batches: Iterable[BatchCancelOrdersRequest]) -> None:
        for batch in batches:
            check(await batch_cancel_orders.asyncio(client=client, body=batch))

    async with client:
        start = time.perf_counter()
        if run.policy == OURS:
            report = await cancel_orders.asyncio(client=client, orders=orders, symbol="BTCUSDT")
            assert len(report.only(Status.ACCEPTED)) == len(orders), report
        else:
            batches = iter(cancel_orders.plan(orders=orders, symbol="BTCUSDT"))
            await asyncio.gather(*(work(batches) for _ in range(LIMIT)))
        return time.perf_counter() - start


def check(came: object) -> None:
    """Take no answer but a whole success."""
    assert isinstance(came, BatchCancelOrdersResponse), came


def run_here(settings: dict[str, Any]) -> None:
    """Run, and print the seconds and the arrivals."""
    run = Run(**settings)
    # One burst to another exchange: the connections are cold afterwards, the interpreter is not.
    against_an_exchange(evolve(run, line="same-host", calls=LIMIT))
    gc.collect()
    print(json.dumps(against_an_exchange(run)))


def against_an_exchange(run: Run) -> tuple[float, list[tuple[float, bool]]]:
    """Start an exchange and run against it; answer the seconds and the arrivals."""
    command = [sys.executable, __file__, "serve", run.line, f"{run.manner} {run.seed}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            seconds = perform(run, f"http://127.0.0.1:{int(server.stdout.readline())}")
        finally:
            told, _ = server.communicate()
    return seconds, json.loads(told)


def run_in_process(run: Run) -> Result:
    """Run in a process of its own."""
    settings = {name: getattr(run, name) for name in Run.__annotations__}
    command = [sys.executable, __file__, "run", json.dumps(settings)]
    told = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    seconds, arrivals = json.loads(told)
    first = arrivals[0][0]
    return Result(run, [(at - first, refused) for at, refused in arrivals], seconds)


# The report.


@frozen
class Cell:
    """What several runs of one policy over one line came to: of the counts the worst, of the times the median."""

    worst: int
    refused: int
    over_bound: float
    longest: float

    @classmethod
    def of(cls, results: Sequence[Result]) -> Cell:
        """Sum up."""
        times = [result.over_bound for result in results]
        counts = (max(result.worst for result in results), max(result.refused for result in results))
        return cls(*counts, statistics.median(times), max(times))

    def __str__(self) -> str:
        breach = f"**{self.worst}**" if self.worst > LIMIT else str(self.worst)
        return f"{breach} · {self.refused} · {self.over_bound:.2f}"


def tables(results: Sequence[Result]) -> str:
    """Show every policy over every line, in Markdown."""
    lines = list(dict.fromkeys(result.run.line for result in results))
    shown = []
    for manner in MANNERS:
        shown += [f"From {manner}:", "", f"| policy | {' | '.join(lines)} |", f"| --- |{' --- |' * len(lines)}"]
        for policy in dict.fromkeys(result.run.policy for result in results):
            cells = [Cell.of(chosen(results, policy, line, manner)) for line in lines]
            shown.append(f"| {policy} | {' | '.join(map(str, cells))} |")
        shown.append("")
    return "\n".join(shown)


def targets(results: Sequence[Result]) -> tuple[str, bool]:
    """Show what this package has to keep, in Markdown, and tell whether it does."""
    shown, passed = (
        ["| line | what it is | worst second | 429 | time over bound | longest | |", "| --- |" + " --- |" * 6],
        True,
    )
    for name, line in LINES.items():
        found = chosen(results, OURS, name, *MANNERS)
        if found:
            cell = Cell.of(found)
            kept = cell.worst <= LIMIT and not cell.refused and cell.over_bound <= line.target
            passed &= kept
            shown.append(
                f"| {name} | {line.words} | {cell.worst} of {LIMIT} | {cell.refused} of 0 | "
                f"{cell.over_bound:.3f} of {line.target:.2f} | {cell.longest:.3f} | {'PASS' if kept else 'FAIL'} |"
            )
    return "\n".join(shown), passed


def chosen(results: Iterable[Result], policy: str, line: str, *manners: str) -> list[Result]:
    """Pick the runs of one policy over one line."""
    return [one for one in results if (one.run.policy, one.run.line) == (policy, line) and one.run.manner in manners]


def page(results: Sequence[Result], line: str, repeat: int) -> str:
    """Write the whole report."""
    calls = results[0].run.calls
    times = "once" if repeat == 1 else f"{repeat} times with other delays"
    return f"""\
# Arrivals at the exchange

Written by `tests/benchmarks/arrivals.py` (`make bench`): {calls * BATCH:,} orders in {calls} batches, every connection
cold at first, over emulated lines to an exchange that refuses the eleventh arrival in a second; {times}.

![Arrivals in the last second, policy by policy]({PICTURE})

The picture: arrivals in the last second over the line `{line}`, from threads. Each tick below is an arrival, red if it
was refused.

A cell: the most arrivals in any second · how many were answered 429 · the time to the last answer over the bound,
which is one second for every ten batches after the first ten, and one round trip. A refused batch is sent again. Of
several runs the worst count and the median time: a late request keeps its place in the second it arrives in, under any
policy, and two of them in a row cost their delays twice. The times take that in; the bound does not.

{tables(results)}
What `{OURS}` has to keep, from threads and from tasks:

{targets(results)[0]}
"""


def thinned(steps: Sequence[tuple[float, int]]) -> tuple[list[float], list[int]]:
    """Make edges and heights of what changes within a fiftieth of a second, by the highest count in it."""
    heights: dict[int, int] = {}
    for at, count in steps:
        fiftieth = int(at * 50)
        heights[fiftieth] = max(heights.get(fiftieth, 0), count)
        heights[fiftieth + 1] = count
    changes = [next(same) for _, same in itertools.groupby(heights.items(), key=lambda pair: pair[1])]
    return [edge / 50 for edge in (*(edge for edge, _ in changes), max(heights) + 1)], [count for _, count in changes]


def draw(results: Sequence[Result], line: str, path: Path) -> None:
    """Draw the arrivals in the last second over one line, a panel for each policy."""
    import matplotlib as mpl  # noqa: PLC0415 - slow to import, and the runs do without

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "arrivals", "svg.fonttype": "none", "font.size": 8, "axes.spines.top": False})
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    policies = list(dict.fromkeys(result.run.policy for result in results))
    rows = -(-len(policies) // 2)
    figure, axes = plt.subplots(
        rows, 2, figsize=(8, 0.7 + 1.5 * rows), sharex=True, sharey=True, squeeze=False, layout="constrained"
    )
    panels = list(axes.flat)
    for panel in panels[len(policies) :]:
        panel.set_visible(False)
    for panel, policy in zip(panels, policies, strict=False):
        result = chosen(results, policy, line, "threads")[0]
        edges, counts = thinned(in_the_last_second([at for at, _ in result.arrivals]))
        within = [min(count, LIMIT) for count in counts]
        beyond = [count if count > LIMIT else float("nan") for count in counts]
        panel.stairs(within, edges, fill=True, color="#8fb3d9")
        panel.stairs(beyond, edges, baseline=LIMIT, fill=True, facecolor="#d62728", edgecolor="#d62728", linewidth=1)
        panel.axhline(LIMIT, color="#222222", linewidth=1, zorder=3)
        for wanted, colour in ((False, "#1f4e79"), (True, "#d62728")):
            # One path for all ticks, interrupted between them: the file stays small.
            places = [at for at, refused in result.arrivals if refused is wanted for _ in TICK]
            panel.plot(places, TICK * (len(places) // len(TICK)), color=colour, linewidth=0.6)
        colour = "#b01515" if result.worst > LIMIT else "#222222"
        weight = "bold" if policy == OURS else "normal"
        panel.set_title(policy, fontsize=8, loc="left", color=colour, fontweight=weight)
        told = f"{result.worst} in a second, {result.refused} refused, {result.seconds:.1f} s"
        place = {"x": 0.99, "y": 1.0, "ha": "right", "va": "top", "transform": panel.transAxes}
        panel.text(s=told, color=colour, fontweight=weight, **place)
        panel.spines["right"].set_visible(False)
        panel.set_yticks([0, LIMIT, 2 * LIMIT], ["0", f"limit {LIMIT}", str(2 * LIMIT)])
        panel.set_ylim(-3.6, 2 * LIMIT + 6)
        panel.margins(x=0.01)
    figure.supylabel("arrivals in the last second", fontsize=8)
    figure.supxlabel("seconds since the first arrival", fontsize=8)
    figure.savefig(path, facecolor="white", metadata={"Date": None})
    plt.close(figure)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(map(str.rstrip, lines)) + "\n", encoding="utf-8")


def named(known: Iterable[str]) -> Any:
    """Make a reader of names, with commas between them."""

    def read(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"no {name!r}; there are {', '.join(known)}")
        return names

    return read


def at_least(least: int) -> Any:
    """Make a reader of whole numbers."""

    def read(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f"give at least {least}")
        return int(text)

    return read


def main() -> int:
    """Run every policy over every line, write the report and the picture, and tell whether the targets are kept."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=at_least(LIMIT + 1), default=100, help="batches of fifty (%(default)s)")
    parser.add_argument("--lines", type=named(LINES), default=list(LINES), help=", ".join(LINES))
    parser.add_argument("--policies", type=named(POLICIES), default=list(POLICIES), help=", ".join(POLICIES))
    parser.add_argument("--repeat", type=at_least(1), default=2, help="runs of each, with other delays (%(default)s)")
    parser.add_argument("--jobs", type=at_least(1), default=8, help="runs side by side (%(default)s)")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder for arrivals.md and arrivals.svg")
    given = parser.parse_args()
    runs = [
        Run(line, policy, manner, given.calls, seed)
        for seed in range(given.repeat)
        for manner in MANNERS
        for policy in given.policies
        for line in given.lines
    ]
    with ThreadPoolExecutor(given.jobs) as pool:
        results = []
        for result in pool.map(run_in_process, runs):
            results.append(result)
            run = result.run
            print(
                f"{run.line:9}  {run.manner:7}  {run.policy:32}  {result.worst:2} in a second  {result.refused:2} refused  "
                f"{result.seconds:6.3f} s, {result.over_bound:.3f} of the bound",
                flush=True,
            )
    line = TELLING if TELLING in given.lines else given.lines[-1]
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "arrivals.md").write_text(page(results, line, given.repeat), encoding="utf-8")
    draw(results, line, given.out / PICTURE)
    told, passed = targets(results)
    print(f"\n{tables(results)}\n{told}")
    return 0 if passed else 1


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", line, seed]:
            asyncio.run(serve(line, seed))
        case ["run", settings]:
            run_here(json.loads(settings))
        case _:
            sys.exit(main())
