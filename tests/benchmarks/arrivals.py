"""
How many requests arrive at the exchange in any second, and how long 5,000 cancels take: rate limit policies compared.

The orders are cancelled from threads and from tasks, with cold connections at first, over five emulated networks. The
exchange refuses the eleventh arrival in a second. Every run has a process of its own, and so has its exchange, which also
emulates the network: it delays each request and each response. The n-th request of a run has the same delays under every
policy. Run it with `make bench`; it takes a few minutes and writes `docs/arrivals.md` and `docs/arrivals.svg`.
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
import textwrap
import threading
import time
from abc import abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx
from attrs import Factory, evolve, frozen

from bitget_spot import Credentials, OrderRef, Status, cancel_orders, connect
from bitget_spot._concurrency import Effect
from bitget_spot._middleware.base import Flow, Middleware
from bitget_spot._middleware.send import SendTransport
from bitget_spot.rate_limit import MemoryStore
from bitget_spot.rate_limit.policy import PERIOD_MARGIN
from bitget_spot_api import Client
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, BatchCancelOrdersResponse

LIMIT: Final = 10
PERIOD: Final = 1.0
BATCH_SIZE: Final = 50
MODES: Final = ("threads", "tasks")
OWN_POLICY: Final = "this package"
DOCS: Final = Path(__file__).parents[2] / "docs"
PICTURE: Final = "arrivals.svg"
PICTURE_NETWORK: Final = "tls"
TICK: Final = (-3.2, -0.8, float("nan"))
"""The lower and the upper end of a tick in the picture, and a gap."""
BLUE: Final = "#1f4e79"
LIGHT_BLUE: Final = "#8fb3d9"
RED: Final = "#d62728"
DARK_RED: Final = "#b01515"
BLACK: Final = "#222222"

Arrival = tuple[float, bool]
"""When a request arrived, in seconds, and whether it was refused."""


@frozen
class Network:
    """
    An emulated network between client and exchange; all times in seconds.

    Attributes:
        description: What the tables say about it.
        min_delay: The shortest time in one direction.
        jitter: How much longer that can be.
        handshake: How long a new connection takes before its first request can leave.
        round_trip: What the bound allows for.
        max_over_bound: How many times the bound this package may take.
        late_by: How much later an unlucky request arrives.
        late_share: The share of the unlucky requests.

    """

    description: str
    min_delay: float
    jitter: float
    handshake: float
    round_trip: float
    max_over_bound: float
    late_by: float = 0.0
    late_share: float = 0.0

    def delays(self, rng: random.Random) -> tuple[float, float]:
        """Return the delays of one request and of its response."""
        request_delay = self.min_delay + self.jitter * rng.random()
        response_delay = self.min_delay + self.jitter * rng.random()
        if rng.random() < self.late_share:
            request_delay += self.late_by
        return request_delay, response_delay


NETWORKS: Final = {
    "same-host": Network("no delay", 0.0, 0.0, 0.0, 0.0, 1.03),
    "region": Network("10 to 16 ms each way", 0.010, 0.006, 0.026, 0.026, 1.05),
    "tls": Network("25 to 27 ms each way, handshake 100 ms", 0.025, 0.002, 0.100, 0.052, 1.05),
    "sea": Network("90 to 100 ms each way, 1 % lost for 250 ms", 0.090, 0.010, 0.200, 0.200, 1.15, 0.250, 0.01),
    "spike": Network("1 ms each way, 2 % take 300 ms longer", 0.001, 0.0, 0.002, 0.002, 1.08, 0.300, 0.02),
}


# The exchange. Its process ends when its standard input ends, and then prints the arrivals.


@frozen
class Exchange:
    """The rate limit of one account as the exchange counts it, and the network to the exchange."""

    network: Network
    rng: random.Random
    arrivals: list[Arrival] = Factory(list)
    accepted: deque[float] = Factory(lambda: deque([float("-inf")] * LIMIT, LIMIT))

    def count(self, now: float) -> bool:
        """Record an arrival, and return whether it is refused."""
        refused = now - self.accepted[0] < PERIOD
        self.arrivals.append((now, refused))
        if not refused:
            self.accepted.append(now)
        return refused


class Connection(asyncio.Protocol):
    """Reads requests, and responds to each after its delays; asyncio has disabled Nagle's algorithm."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.received = b""
        self.loop = asyncio.get_running_loop()
        self.open_at = self.loop.time() + exchange.network.handshake
        self.last_response_at = self.open_at

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.received += data
        head, separator, rest = self.received.partition(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        if separator and len(rest) >= length:
            self.received = rest[length:]
            request_delay, response_delay = self.exchange.network.delays(self.exchange.rng)
            # The client has sent at once; over the network it would have waited for the handshake.
            sent_at = max(self.loop.time(), self.open_at)
            self.loop.call_at(sent_at + request_delay, self.arrive, rest[:length], response_delay)

    def arrive(self, body: bytes, response_delay: float) -> None:
        """Count a request, and send the response after its delay."""
        now = self.loop.time()
        self.respond(response_to(body, refused=self.exchange.count(now)), now + response_delay)

    def respond(self, response: bytes, at: float) -> None:
        """Send a response at this time, but not before an earlier one."""
        self.last_response_at = max(self.last_response_at, at)
        self.loop.call_at(self.last_response_at, self.transport.write, response)


def response_to(body: bytes, *, refused: bool) -> bytes:
    """Return the bytes of a refusal, or of a success for all orders."""
    envelope = {"code": "429", "msg": "Too Many Requests", "requestTime": int(time.time() * 1000), "data": None}
    if not refused:
        orders = [{"orderId": order["orderId"], "clientOid": ""} for order in json.loads(body)["orderList"]]
        envelope |= {"code": "00000", "msg": "success", "data": {"successList": orders, "failureList": []}}
    return http_response(b"429 Too Many Requests" if refused else b"200 OK", json.dumps(envelope).encode())


def http_response(status: bytes, content: bytes) -> bytes:
    """Return the bytes of a response with JSON."""
    head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % (status, len(content)) + content


async def serve(network: str, seed: str) -> None:
    """Listen on a free port of loopback and print it; in the end, print the arrivals."""
    exchange = Exchange(NETWORKS[network], random.Random(f"{network} {seed}"))  # noqa: S311 - repeatable delays
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(exchange), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()
    print(json.dumps(exchange.arrivals))


# Other policies, as common rate limiters have them, under the same generated function and over the same transport.


def sleep(seconds: float) -> Effect:
    """Wait, in a thread or in a task."""
    return Effect(lambda: time.sleep(seconds), lambda: asyncio.sleep(seconds))


class Limiter(Middleware):
    """Waits before each request as its policy says, and sends a refused request again."""

    def __init__(self) -> None:
        super().__init__(SendTransport(verify=False))
        self.lock = threading.Lock()

    def flow(self, request: httpx.Request) -> Flow:
        while True:
            while True:
                wait = self.acquire()
                if wait <= 0:
                    break
                yield sleep(wait)
            response: httpx.Response = yield request
            with self.lock:
                self.record_response(time.monotonic())
            if response.status_code != HTTPStatus.TOO_MANY_REQUESTS:
                return response

    def acquire(self) -> float:
        """Acquire a permit, or return the seconds after which to ask again."""
        with self.lock:
            now = time.monotonic()
            wait = self.available_at() - now
            if wait <= 0:
                self.record_sent(now)
            return wait

    @abstractmethod
    def available_at(self) -> float:
        """Return when the next request may be sent."""

    @abstractmethod
    def record_sent(self, now: float) -> None:
        """Record that a request is sent."""

    def record_response(self, now: float) -> None:
        """Record that a response has been received."""


class SlidingWindow(Limiter):
    """Ten permits, each of which is available again one period after its request was sent: exact, at the sender."""

    def __init__(self) -> None:
        super().__init__()
        self.sent_at = deque([float("-inf")] * LIMIT, LIMIT)

    def available_at(self) -> float:
        return self.sent_at[0] + PERIOD

    def record_sent(self, now: float) -> None:
        self.sent_at.append(now)


class FixedWindow(Limiter):
    """Ten requests in a window, which begins with the first request after the end of the window before."""

    def __init__(self) -> None:
        super().__init__()
        self.started_at = float("-inf")
        self.used = LIMIT

    def available_at(self) -> float:
        return self.started_at if self.used < LIMIT else self.started_at + PERIOD

    def record_sent(self, now: float) -> None:
        if now >= self.started_at + PERIOD:
            self.started_at = now
            self.used = 0
        self.used += 1


class EvenSpacing(Limiter):
    """One request at a time, evenly spaced."""

    def __init__(self, gap: float) -> None:
        super().__init__()
        self.gap = gap
        self.last_sent_at = float("-inf")

    def available_at(self) -> float:
        return self.last_sent_at + self.gap

    def record_sent(self, now: float) -> None:
        self.last_sent_at = now


class AfterResponse(Limiter):
    """Ten permits, each of which is available again one period after the response: this package without its credit."""

    def __init__(self) -> None:
        super().__init__()
        self.permits_available_at = deque([float("-inf")] * LIMIT)

    def available_at(self) -> float:
        # There are as many workers as permits, so a worker that asks leaves one that is not in flight.
        return self.permits_available_at[0]

    def record_sent(self, now: float) -> None:  # noqa: ARG002 - only the response counts
        self.permits_available_at.popleft()

    def record_response(self, now: float) -> None:
        self.permits_available_at.append(now + PERIOD + PERIOD_MARGIN)


OTHER_POLICIES: Final = {
    "sliding window from the send": SlidingWindow,
    "fixed window from the send": FixedWindow,
    "even spacing, 100 ms": lambda: EvenSpacing(0.100),
    "even spacing, 105 ms": lambda: EvenSpacing(0.105),
    "sliding window from the response": AfterResponse,
}
POLICIES: Final = (*OTHER_POLICIES, OWN_POLICY)


# One run: one policy, from threads or from tasks, over one network.


@frozen
class Run:
    """The settings of one run."""

    network: str
    policy: str
    mode: str
    batches: int
    seed: int


class WithArrivals:
    """Something with arrivals at an exchange."""

    __slots__ = ()
    arrivals: list[Arrival]

    @property
    def worst_second(self) -> int:
        """The most arrivals in any second."""
        return max(count for _, count in arrivals_in_last_second([at for at, _ in self.arrivals]))

    @property
    def refused(self) -> int:
        """How many requests were refused with 429."""
        return sum(refused for _, refused in self.arrivals)


@frozen
class Result(WithArrivals):
    """The result of a run: its arrivals, in seconds since the first, and the seconds to the last response."""

    run: Run
    arrivals: list[Arrival]
    seconds: float

    @property
    def over_bound(self) -> float:
        """The time that it took, divided by the shortest time that ten requests in a second allow."""
        periods = (self.run.batches - 1) // LIMIT
        return self.seconds / (periods * PERIOD + NETWORKS[self.run.network].round_trip)


def arrivals_in_last_second(arrivals: Sequence[float]) -> list[tuple[float, int]]:
    """Return, for each moment at which the number changes, how many arrivals there were in the second before it."""
    changes = [(at, 1) for at in arrivals] + [(at + PERIOD, -1) for at in arrivals]
    changes.sort()  # at the same moment, an arrival that is over makes room first
    moments = [at for at, _ in changes]
    counts = itertools.accumulate(change for _, change in changes)
    return list(zip(moments, counts, strict=True))


def cancel_all(run: Run, origin: str) -> float:
    """Cancel the orders of a run, and return how many seconds it took."""
    orders = [OrderRef(order_id=str(10**18 + index)) for index in range(run.batches * BATCH_SIZE)]
    if run.policy == OWN_POLICY:
        credentials = Credentials("a-key", "a-secret", "a-passphrase")
        client: Client = connect(credentials, base_url=origin, rate_limit_store=MemoryStore())
    else:
        client = Client(base_url=origin, httpx_args={"transport": OTHER_POLICIES[run.policy]()})
    if run.mode == "tasks":
        return asyncio.run(cancel_in_tasks(client, run, orders))
    return cancel_in_threads(client, run, orders)


def cancel_in_threads(client: Client, run: Run, orders: list[OrderRef]) -> float:
    """Use `cancel_orders`; for another policy, send the same batches from as many threads as there are permits."""

    def send(batch: BatchCancelOrdersRequest) -> None:
        require_success(batch_cancel_orders.sync(client=client, body=batch))

    with client:
        started_at = time.perf_counter()
        if run.policy == OWN_POLICY:
            report = cancel_orders.sync(client=client, orders=orders, symbol="BTCUSDT")
            assert len(report.only(Status.ACCEPTED)) == len(orders), report
        else:
            with ThreadPoolExecutor(LIMIT) as pool:
                list(pool.map(send, cancel_orders.plan(orders=orders, symbol="BTCUSDT")))
        return time.perf_counter() - started_at


async def cancel_in_tasks(client: Client, run: Run, orders: list[OrderRef]) -> float:
    """Do the same as `cancel_in_threads` from tasks."""

    async def send(batches: Iterable[BatchCancelOrdersRequest]) -> None:
        for batch in batches:
            require_success(await batch_cancel_orders.asyncio(client=client, body=batch))

    async with client:
        started_at = time.perf_counter()
        if run.policy == OWN_POLICY:
            report = await cancel_orders.asyncio(client=client, orders=orders, symbol="BTCUSDT")
            assert len(report.only(Status.ACCEPTED)) == len(orders), report
        else:
            batches = iter(cancel_orders.plan(orders=orders, symbol="BTCUSDT"))
            await asyncio.gather(*(send(batches) for _ in range(LIMIT)))
        return time.perf_counter() - started_at


def require_success(response: object) -> None:
    """Fail unless a response is a success."""
    assert isinstance(response, BatchCancelOrdersResponse), response


def run_here(settings: dict[str, Any]) -> None:
    """Run in this process, and print the seconds and the arrivals."""
    run = Run(**settings)
    # One burst to another exchange first: then the connections are cold, but the interpreter is not.
    run_with_exchange(evolve(run, network="same-host", batches=LIMIT))
    gc.collect()
    print(json.dumps(run_with_exchange(run)))


def run_with_exchange(run: Run) -> tuple[float, list[Arrival]]:
    """Start an exchange and run against it; return the seconds and the arrivals."""
    command = [sys.executable, __file__, "serve", run.network, f"{run.mode} {run.seed}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            seconds = cancel_all(run, f"http://127.0.0.1:{int(server.stdout.readline())}")
        finally:
            output, _ = server.communicate()
    return seconds, json.loads(output)


def run_in_process(run: Run) -> Result:
    """Run in a process of its own."""
    settings = {name: getattr(run, name) for name in Run.__annotations__}
    command = [sys.executable, __file__, "run", json.dumps(settings)]
    output = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout
    seconds, arrivals = json.loads(output)
    first = arrivals[0][0]
    return Result(run, [(at - first, refused) for at, refused in arrivals], seconds)


# The report.


@frozen
class Cell:
    """The summary of several runs of one policy over one network: the worst counts, the median of the times."""

    worst_second: int
    refused: int
    over_bound: float
    longest: float

    @classmethod
    def of(cls, results: Sequence[Result]) -> Cell:
        """Summarize runs."""
        times = [result.over_bound for result in results]
        return cls(
            worst_second=max(result.worst_second for result in results),
            refused=max(result.refused for result in results),
            over_bound=statistics.median(times),
            longest=max(times),
        )

    def __str__(self) -> str:
        worst_second = f"**{self.worst_second}**" if self.worst_second > LIMIT else str(self.worst_second)
        return f"{worst_second} · {self.refused} · {self.over_bound:.2f}"


def tables(results: Sequence[Result]) -> str:
    """Return tables of every policy over every network, in Markdown."""
    networks = list(dict.fromkeys(result.run.network for result in results))
    lines = []
    for mode in MODES:
        lines += [
            f"From {mode}:",
            "",
            f"| policy | {' | '.join(networks)} |",
            f"| --- |{' --- |' * len(networks)}",
        ]
        for policy in dict.fromkeys(result.run.policy for result in results):
            cells = [Cell.of(select(results, policy, network, mode)) for network in networks]
            lines.append(f"| {policy} | {' | '.join(map(str, cells))} |")
        lines.append("")
    return "\n".join(lines)


def targets(results: Sequence[Result]) -> tuple[str, bool]:
    """Return a table of this package's targets, in Markdown, and whether all of them are met."""
    lines = [
        "| network | description | worst second | 429 | time over bound | longest | result |",
        "| --- |" + " --- |" * 6,
    ]
    all_met = True
    for name, network in NETWORKS.items():
        own_results = select(results, OWN_POLICY, name, *MODES)
        if own_results:
            cell = Cell.of(own_results)
            met = cell.worst_second <= LIMIT and not cell.refused and cell.over_bound <= network.max_over_bound
            all_met &= met
            lines.append(
                f"| {name} | {network.description} | {cell.worst_second} of {LIMIT} | {cell.refused} of 0 | "
                f"{cell.over_bound:.3f} of {network.max_over_bound:.2f} | {cell.longest:.3f} | {'PASS' if met else 'FAIL'} |"
            )
    return "\n".join(lines), all_met


def select(results: Iterable[Result], policy: str, network: str, *modes: str) -> list[Result]:
    """Return the results of one policy over one network in these modes."""
    return [
        result
        for result in results
        if (result.run.policy, result.run.network) == (policy, network) and result.run.mode in modes
    ]


def page(results: Sequence[Result], picture_network: str, repeat: int) -> str:
    """Return the whole report."""
    batches = results[0].run.batches
    times = "once" if repeat == 1 else f"{repeat} times with other delays"
    return f"""\
# Arrivals at the exchange

{conclusion(results)}

![Arrivals at the exchange in the last second, for each rate limit policy]({PICTURE})

*Arrivals in the last second over the network `{picture_network}`, from threads. Each tick below is an arrival; red ones
were refused.*

## Results

Each cell has three values: the most arrivals in any second · requests refused with 429 · the time to the last response,
divided by the shortest possible time. Bold numbers exceed the limit.

{tables(results)}
## Targets

The table shows `{OWN_POLICY}`, from threads and from tasks, over each network. The run passes if no second has more than
{LIMIT} arrivals, nothing is refused, and the time stays within its bound.

{targets(results)[0]}

## How it is measured

`make bench` runs `tests/benchmarks/arrivals.py`, which writes this page. It cancels {batches * BATCH_SIZE:,} orders in
{batches} batches over emulated networks, with cold connections at first, {times}. The exchange refuses the eleventh arrival
in a second, and a refused batch is sent again.

The shortest possible time is one second for every ten batches after the first ten, and one round trip. Of several runs, a
cell has the worst counts and the median time. A late request keeps its place in the second in which it arrives, under any
policy. Two of them in a row cost both delays; the shortest possible time does not allow for that.
"""


def conclusion(results: Sequence[Result]) -> str:
    """Return what the results mean, in two sentences."""
    own = [result for result in results if result.run.policy == OWN_POLICY]
    others = [result for result in results if result.run.policy in OTHER_POLICIES]
    text = ""
    if own:
        worst, refused = max(result.worst_second for result in own), sum(result.refused for result in own)
        slowest = max(result.over_bound for result in own) - 1
        text = (
            f"With this package, at most {worst} requests arrive in any second, and {refused} are refused. "
            f"It takes at most {slowest:.0%} longer than the shortest possible time."
        )
    if others:
        text += f" With other policies, up to {max(result.worst_second for result in others)} arrive in a second."
    return textwrap.fill(text.strip(), 120)


def thin_out(steps: Sequence[tuple[float, int]]) -> tuple[list[float], list[int]]:
    """Return the edges and heights of a histogram with at most one change in a fiftieth of a second: the highest count."""
    heights: dict[int, int] = {}
    for at, count in steps:
        fiftieth = int(at * 50)
        heights[fiftieth] = max(heights.get(fiftieth, 0), count)
        heights[fiftieth + 1] = count
    changes = [next(same) for _, same in itertools.groupby(heights.items(), key=lambda pair: pair[1])]
    edges = [edge / 50 for edge, _ in changes]
    return [*edges, (max(heights) + 1) / 50], [count for _, count in changes]


def draw(results: Sequence[Result], network: str, path: Path) -> None:
    """Draw the arrivals in the last second over one network, with a panel for each policy."""
    import matplotlib as mpl  # noqa: PLC0415 - slow to import, and not needed by the runs

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
        draw_panel(panel, select(results, policy, network, "threads")[0])
    figure.supylabel("arrivals in the last second", fontsize=8)
    figure.supxlabel("seconds since the first arrival", fontsize=8)
    save_svg(figure, path)
    plt.close(figure)


def draw_panel(panel: Any, result: Result) -> None:
    """Draw the arrivals of one run."""
    edges, counts = thin_out(arrivals_in_last_second([at for at, _ in result.arrivals]))
    within_limit = [min(count, LIMIT) for count in counts]
    over_limit = [count if count > LIMIT else float("nan") for count in counts]
    panel.stairs(within_limit, edges, fill=True, color=LIGHT_BLUE)
    panel.stairs(over_limit, edges, baseline=LIMIT, fill=True, facecolor=RED, edgecolor=RED, linewidth=1)
    panel.axhline(LIMIT, color=BLACK, linewidth=1, zorder=3)
    draw_ticks(panel, (at for at, refused in result.arrivals if not refused), BLUE)
    draw_ticks(panel, (at for at, refused in result.arrivals if refused), RED)
    colour = DARK_RED if result.worst_second > LIMIT else BLACK
    weight = "bold" if result.run.policy == OWN_POLICY else "normal"
    panel.set_title(result.run.policy, fontsize=8, loc="left", color=colour, fontweight=weight)
    summary = f"{result.worst_second} in a second, {result.refused} refused, {result.seconds:.1f} s"
    position = {"x": 0.99, "y": 1.0, "ha": "right", "va": "top", "transform": panel.transAxes}
    panel.text(s=summary, color=colour, fontweight=weight, **position)
    panel.spines["right"].set_visible(False)
    panel.set_yticks([0, LIMIT, 2 * LIMIT], ["0", f"limit {LIMIT}", str(2 * LIMIT)])
    panel.set_ylim(-3.6, 2 * LIMIT + 6)
    panel.margins(x=0.01)


def draw_ticks(panel: Any, moments: Iterator[float], colour: str) -> None:
    """Draw a tick at each moment; all of them are one path, interrupted by gaps, so that the file stays small."""
    xs: list[float] = []
    ys: list[float] = []
    for at in moments:
        xs += [at] * len(TICK)
        ys += TICK
    panel.plot(xs, ys, color=colour, linewidth=0.6)


def save_svg(figure: Any, path: Path) -> None:
    """Save a figure as SVG, without a date and without trailing white space."""
    figure.savefig(path, facecolor="white", metadata={"Date": None})
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(map(str.rstrip, lines)) + "\n", encoding="utf-8")


def list_of(known: Iterable[str]) -> Any:
    """Return a parser for names separated by commas."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r} is not known; use any of {', '.join(known)}")
        return names

    return parse


def at_least(minimum: int) -> Any:
    """Return a parser for whole numbers."""

    def parse(text: str) -> int:
        if int(text) < minimum:
            raise argparse.ArgumentTypeError(f"use at least {minimum}")
        return int(text)

    return parse


def all_runs(options: argparse.Namespace) -> list[Run]:
    """Return every run that the options select."""
    runs = []
    for seed in range(options.repeat):
        for mode, policy in itertools.product(MODES, options.policies):
            runs += [Run(network, policy, mode, options.batches, seed) for network in options.networks]
    return runs


def main() -> int:
    """Run every policy over every network, write the report and the picture; return 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0] if __doc__ else None)
    parser.add_argument("--batches", type=at_least(LIMIT + 1), default=100, help="batches of fifty (%(default)s)")
    parser.add_argument("--networks", type=list_of(NETWORKS), default=list(NETWORKS), help=", ".join(NETWORKS))
    parser.add_argument("--policies", type=list_of(POLICIES), default=list(POLICIES), help=", ".join(POLICIES))
    parser.add_argument("--repeat", type=at_least(1), default=2, help="runs of each, with other delays (%(default)s)")
    parser.add_argument("--jobs", type=at_least(1), default=8, help="runs side by side (%(default)s)")
    parser.add_argument("--out", type=Path, default=DOCS, help="the folder for arrivals.md and arrivals.svg")
    options = parser.parse_args()
    results = []
    with ThreadPoolExecutor(options.jobs) as pool:
        for result in pool.map(run_in_process, all_runs(options)):
            results.append(result)
            run = result.run
            print(
                f"{run.network:9}  {run.mode:7}  {run.policy:32}  {result.worst_second:2} in a second  "
                f"{result.refused:2} refused  {result.seconds:6.3f} s, {result.over_bound:.3f} of the bound",
                flush=True,
            )
    network = PICTURE_NETWORK if PICTURE_NETWORK in options.networks else options.networks[-1]
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "arrivals.md").write_text(page(results, network, options.repeat), encoding="utf-8")
    draw(results, network, options.out / PICTURE)
    target_table, all_met = targets(results)
    print(f"\n{tables(results)}\n{target_table}")
    return 0 if all_met else 1


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", network, seed]:
            asyncio.run(serve(network, seed))
        case ["run", settings]:
            run_here(json.loads(settings))
        case _:
            sys.exit(main())
