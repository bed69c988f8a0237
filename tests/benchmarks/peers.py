"""
This package beside the clients that others would use: what a batch costs, how long many take, and how the cost grows.

Every client runs in a process of its own, those of others in an environment of their own, against an exchange in yet
another process on loopback. What is compared is measured in turn within one run, and told as a ratio. Run it with
`make bench-peers`; it takes about ten minutes, writes `docs/peers.md` and `docs/peers.svg`, and answers 1 if a promise
does not hold.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import itertools
import json
import os
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Self

from arrivals import (
    BATCH,
    DOCS,
    LIMIT,
    PERIOD,
    Connection,
    Exchange,
    Line,
    Seen,
    answer,
    at_least,
    named,
)
from attrs import Factory, frozen

HERE: Final = Path(__file__).parent
PROGRAMS: Final = HERE / "clients"
THEIR_PYTHON: Final = HERE.parents[1] / ".venv-peers" / "bin" / "python"
PICTURE: Final = "peers.svg"
PARTS: Final = ("cpu", "races", "growth")
SIZES: Final = (50, 500, 5_000, 50_000)
"""How many orders the growth of the cost is looked at with."""
SETTLED_SIZE: Final = 500
"""From here on the cost of an order is to be flat."""
AGAIN: Final = 10_000
"""A round of growth cancels about so many orders of each size, or the size itself."""
ORDER_ID: Final = re.compile(rb'"orderId": ?"(\d+)"')


# The exchange. Its process ends when its standard input does, and tells what has arrived.


@frozen
class Till(Exchange):
    """
    What has come in.

    Attributes:
        limited: Whether the eleventh in a second is refused.
        cancelled: The orders whose cancel was accepted.

    """

    limited: bool = True
    cancelled: set[bytes] = Factory(set)


class Counter(Connection):
    """Takes a batch in, and answers in as few steps as it can."""

    exchange: Till

    def arrive(self, body: bytes, back: float) -> None:
        now = self.loop.time()
        if self.exchange.limited and self.exchange.count(now):
            reply = answer(body, refused=True)
        else:
            ids = ORDER_ID.findall(body)
            if self.exchange.limited:
                self.exchange.cancelled.update(ids)
            reply = success(ids)
        self.back_at = max(self.back_at, now + back)
        self.loop.call_at(self.back_at, self.transport.write, reply)


def success(ids: Iterable[bytes]) -> bytes:
    """Write the success of these orders."""
    rows = b",".join(b'{"orderId":"%s","clientOid":""}' % one for one in ids)
    envelope = b'{"code":"00000","msg":"success","requestTime":%d,"data":{"successList":[%s],"failureList":[]}}'
    content = envelope % (int(time.time() * 1000), rows)
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    return head % len(content) + content


async def serve(round_trip: float, *, limited: bool) -> None:
    """Listen on a free port of loopback and tell it; at the end, tell the arrivals and how many orders were accepted."""
    # A new connection costs one round trip more, for TCP's handshake.
    line = Line("", round_trip / 2, 0.0, round_trip, round_trip, 0.0)
    till = Till(line, random.Random(0), limited=limited)  # noqa: S311 - nothing is drawn on a steady line
    server = await asyncio.get_running_loop().create_server(lambda: Counter(till), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()
    print(json.dumps([till.arrivals, len(till.cancelled)]))


@contextmanager
def exchange(round_trip: float, *, limited: bool) -> Iterator[tuple[str, list[Any]]]:
    """Start an exchange; give its address, and a list that holds what it has to tell once it is over."""
    command = [sys.executable, __file__, "serve", str(round_trip), "limited" if limited else "free"]
    told: list[Any] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}", told
        finally:
            told += json.loads(server.communicate()[0])


# The clients.


@frozen
class Client:
    """
    A client that is compared.

    Attributes:
        words: What the tables call it.
        theirs: It is somebody else's, and runs in the peers' environment.
        stressed: It is this package's, and the tables stress it.

    """

    words: str
    theirs: bool = False
    stressed: bool = False


CLIENTS: Final = {
    "raw": Client("`http.client`, `hmac` and `json` alone"),
    "by-hand": Client("a loop over httpx: sign, post, sleep 100 ms"),
    "bare": Client("the generated function over a signature, `sync`"),
    "generated": Client("the generated function of this package, `sync`", stressed=True),
    "cancel_orders": Client("`cancel_orders.sync` of this package", stressed=True),
    "ccxt": Client("ccxt {ccxt}, sync", theirs=True),
    "bare-async": Client("the generated function over a signature, `asyncio`"),
    "generated-async": Client("the generated function of this package, `asyncio`", stressed=True),
    "cancel_orders-async": Client("`cancel_orders.asyncio` of this package", stressed=True),
    "ccxt-async": Client("ccxt {ccxt}, async", theirs=True),
    "typed-bitget": Client("typed-bitget {typed-bitget}", theirs=True),
    "typed-bitget-sniffio": Client("typed-bitget {typed-bitget}, sniffio installed as well", theirs=True),
}
RACERS: Final = ("cancel_orders", "cancel_orders-async", "ccxt", "ccxt-async", "typed-bitget", "by-hand")
OURS: Final = ("cancel_orders", "cancel_orders-async")
RIVALS: Final = ("ccxt", "ccxt-async", "by-hand")
"""Those of the others that keep a limit."""


class Process:
    """One client in its process, which does one job at a time."""

    def __init__(self, name: str, their_python: Path) -> None:
        self.name = name
        theirs = CLIENTS[name].theirs
        self.sniffio = tempfile.TemporaryDirectory()
        if name.endswith("-sniffio"):
            found = importlib.util.find_spec("sniffio")
            assert found is not None
            assert found.origin is not None
            shutil.copytree(Path(found.origin).parent, Path(self.sniffio.name) / "sniffio")
        path = self.sniffio.name if theirs else str(HERE)
        self.process = subprocess.Popen(
            [their_python if theirs else sys.executable, PROGRAMS / ("theirs.py" if theirs else "ours.py"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.sniffio, self.process:
            self.process.communicate()

    def do(self, job: str, **what: object) -> Any:
        """Have it do a job, and answer what it tells."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps({"do": job, **what}), file=self.process.stdin, flush=True)
        told = self.process.stdout.readline()
        if not told:
            raise RuntimeError(f"{self.name} has ended; what it said of that stands above")
        return json.loads(told)


# The runs.


def measured_cpu(
    names: Sequence[str], starts: int, rounds: int, calls: int, their_python: Path
) -> dict[str, list[float]]:
    """Tell the CPU seconds of a batch of fifty, client by client, in each round."""
    found: dict[str, list[float]] = {name: [] for name in names}
    for start in range(starts):
        # Where a process has its memory and how it hashes make it a few per cent faster or slower for all its life.
        with ExitStack() as stack:
            origin, _ = stack.enter_context(exchange(0.0, limited=False))
            processes = {name: stack.enter_context(Process(name, their_python)) for name in names}
            for process in processes.values():
                process.do("cpu", origin=origin, calls=calls)
            for number in range(rounds):
                # Once from the first to the last and once back, so that what drifts meets all alike.
                for name in names if number % 2 else reversed(names):
                    found[name].append(processes[name].do("cpu", origin=origin, calls=calls) / calls)
                print(f"CPU of a batch: round {number + 1} of {rounds}, start {start + 1} of {starts}", flush=True)
    return found


@frozen
class Race(Seen):
    """What came of cancelling many orders over a line: times in seconds, arrivals as the exchange saw them."""

    name: str
    orders: int
    round_trip: float
    seconds: float
    cpu: float
    arrivals: list[tuple[float, bool]]
    cancelled: int

    @property
    def bound(self) -> float:
        """The shortest time that ten in a second allow."""
        batches = -(-self.orders // BATCH)
        # Two round trips: a connection is opened, and a request is answered.
        return (batches - 1) // LIMIT * PERIOD + 2 * self.round_trip


def raced(name: str, orders: int, round_trip: float, their_python: Path) -> Race:
    """Run one race, in fresh processes."""
    with Process(name, their_python) as process:
        # One burst to another exchange first: connections are cold in the race, interpreters are not.
        with exchange(0.0, limited=True) as (origin, _):
            process.do("race", origin=origin, orders=LIMIT * BATCH)
        with exchange(round_trip, limited=True) as (origin, told):
            seconds, cpu = process.do("race", origin=origin, orders=orders)
    arrivals, cancelled = told
    return Race(name, orders, round_trip, seconds, cpu, [(at - arrivals[0][0], no) for at, no in arrivals], cancelled)


def all_races(
    names: Iterable[str], sizes: Iterable[int], lines: Sequence[float], repeat: int, their_python: Path
) -> list[Race]:
    """Run every race; those that are over soon several times."""
    found = []
    for orders, round_trip in itertools.product(sizes, lines):
        for _ in range(repeat if orders <= LIMIT * BATCH else 1):
            for name in names:
                race = raced(name, orders, round_trip, their_python)
                print(
                    f"{orders:,} orders over {round_trip * 1000:.0f} ms, {name}: {race.seconds:.3f} s, "
                    f"{race.worst} in a second, {race.refused} refused, {race.cancelled:,} orders accepted",
                    flush=True,
                )
                found.append(race)
    return found


@frozen
class Growth:
    """For each number of orders: CPU seconds of an order in every round, and the most bytes of an order."""

    cpu: dict[int, list[float]]
    memory: dict[int, float]


def measured_growth(sizes: Sequence[int], rounds: int, their_python: Path) -> Growth:
    """Tell what an order costs when there are so many of them."""
    cpu: dict[int, list[float]] = {size: [] for size in sizes}
    with Process("cancel_orders", their_python) as process:
        for size in sizes:
            process.do("growth", orders=size)
        for number in range(rounds):
            for size in sizes if number % 2 else reversed(sizes):
                times = [process.do("growth", orders=size) for _ in range(max(1, AGAIN // size))]
                cpu[size].append(statistics.mean(times) / size)
            print(f"growth: round {number + 1} of {rounds}", flush=True)
        memory = {size: process.do("memory", orders=size) / size for size in sizes}
    return Growth(cpu, memory)


# The report.


def ratio(these: Sequence[float], those: Sequence[float]) -> float:
    """Take the median of the ratios within each round."""
    return statistics.median(one / other for one, other in zip(these, those, strict=True))


@frozen
class Promise:
    """Something that has to hold: `found` is at most, or where `under` says so below, `bound`."""

    words: str
    found: float
    bound: float
    under: bool = False
    form: str = "{:.3f}"

    @property
    def kept(self) -> bool:
        """Whether it holds."""
        return self.found < self.bound if self.under else self.found <= self.bound

    def __str__(self) -> str:
        found, bound = map(self.form.format, (self.found, self.bound))
        told = f"under {bound}" if self.under else f"at most {bound}"
        return f"| {self.words} | {found} | {told} | {'PASS' if self.kept else 'FAIL'} |"


def promises_of_cpu(cpu: Mapping[str, list[float]]) -> Iterator[Promise]:
    """Judge what a batch costs."""
    pairs = (
        ("generated", "bare", "`sync`, of the same function over a signature", 1.25, False),
        ("generated-async", "bare-async", "`asyncio`, of the same function over a signature", 1.25, False),
        ("generated", "ccxt", "`sync`, of ccxt sync", 0.40, True),
        ("generated-async", "typed-bitget", "`asyncio`, of typed-bitget as it installs itself", 1.00, True),
    )
    for one, other, words, bound, under in pairs:
        if one in cpu and other in cpu:
            yield Promise(f"CPU of a batch of fifty: {words}", ratio(cpu[one], cpu[other]), bound, under=under)


def promises_of_races(races: Sequence[Race]) -> Iterator[Promise]:
    """Judge this package's races."""
    ours = [race for race in races if race.name in OURS]
    if not ours:
        return
    yield Promise("arrivals in the worst second of any race", max(race.worst for race in ours), LIMIT, form="{}")
    yield Promise("batches refused, in all races", sum(race.refused for race in ours), 0, form="{}")
    left = sum(race.orders - race.cancelled for race in ours)
    yield Promise("orders not cancelled, in all races", left, 0, form="{}")
    long = [race.seconds / race.bound for race in ours if race.orders > LIMIT * BATCH]
    if long:
        yield Promise("time over the bound, longest race of more than one burst", max(long), 1.10)
    against = [
        one.seconds / other.seconds
        for one in ours
        for other in races
        if other.name in RIVALS and (one.orders, one.round_trip) == (other.orders, other.round_trip)
    ]
    if against:
        yield Promise("time, of the quickest other client that keeps a limit", max(against), 1.00, under=True)


def promises_of_growth(growth: Growth) -> Iterator[Promise]:
    """Judge how the cost grows."""
    for size in growth.cpu:
        if size > SETTLED_SIZE:
            words = f"{size:,} orders, of what one costs among {SETTLED_SIZE}"
            yield Promise(f"CPU of an order among {words}", ratio(growth.cpu[size], growth.cpu[SETTLED_SIZE]), 1.10)
            share = growth.memory[size] / growth.memory[SETTLED_SIZE]
            yield Promise(f"memory of an order among {words}", share, 1.10)


def called(name: str, versions: Mapping[str, str]) -> str:
    """Name a client as the tables do."""
    client = CLIENTS[name]
    words = client.words.format_map(versions)
    return f"**{words}**" if client.stressed else words


def shown_cpu(cpu: Mapping[str, list[float]], versions: Mapping[str, str]) -> str:
    """Show what a batch costs, in Markdown."""
    first = next(iter(cpu))
    lines = [f"| client | µs | of {called(first, versions)} | quarter to three quarters |", "| --- | --- | --- | --- |"]
    for name, times in cpu.items():
        low, _, high = statistics.quantiles((one / other for one, other in zip(times, cpu[first], strict=True)), n=4)
        lines.append(
            f"| {called(name, versions)} | {statistics.median(times) * 1e6:.0f} | {ratio(times, cpu[first]):.1f} | "
            f"{low:.1f} to {high:.1f} |"
        )
    return "\n".join(lines)


def shown_races(races: Sequence[Race], versions: Mapping[str, str]) -> str:
    """Show what came of the races, in Markdown, a table for each number of orders."""
    shown = []
    for orders in dict.fromkeys(race.orders for race in races):
        lines = list(dict.fromkeys(race.round_trip for race in races if race.orders == orders))
        shown += [
            f"{orders:,} orders:",
            "",
            f"| client | {' | '.join(f'{one * 1000:.0f} ms' for one in lines)} | CPU |",
        ]
        shown.append("| --- |" + " --- |" * (len(lines) + 1))
        for name in dict.fromkeys(race.name for race in races if race.orders == orders):
            found = [race for race in races if (race.name, race.orders) == (name, orders)]
            cells = [cell([race for race in found if race.round_trip == line]) for line in lines]
            cpu = statistics.median(race.cpu for race in found) / -(-orders // BATCH) * 1000
            shown.append(f"| {called(name, versions)} | {' | '.join(cells)} | {cpu:.1f} ms |")
        shown.append("")
    return "\n".join(shown)


def cell(races: Sequence[Race]) -> str:
    """Sum up several races of one client: of the times the median, of the counts the worst."""
    seconds = statistics.median(race.seconds for race in races)
    worst, refused = max(race.worst for race in races), max(race.refused for race in races)
    told = f"**{worst}**" if worst > LIMIT else str(worst)
    cancelled, orders = min(race.cancelled for race in races), races[0].orders
    left = f"{cancelled:,}" if cancelled == orders else f"**{cancelled:,}**"
    return f"{seconds:.2f} s, {seconds / races[0].bound:.2f} · {told} · {refused} · {left}"


def shown_growth(growth: Growth) -> str:
    """Show how the cost grows, in Markdown."""
    lines = ["| orders | CPU of an order | of 500 | memory of an order | of 500 |", "| --- | --- | --- | --- | --- |"]
    for size, times in growth.cpu.items():
        memory = growth.memory[size]
        lines.append(
            f"| {size:,} | {statistics.median(times) * 1e6:.1f} µs | {ratio(times, growth.cpu[SETTLED_SIZE]):.2f} | "
            f"{memory:.0f} bytes | {memory / growth.memory[SETTLED_SIZE]:.2f} |"
        )
    return "\n".join(lines)


def shown_promises(promises: Iterable[Promise]) -> str:
    """Show what has to hold, in Markdown."""
    return "\n".join(["| promise | found | to be | |", "| --- | --- | --- | --- |", *map(str, promises)])


@frozen
class Found:
    """What one run of this program has found; a part that was left out is empty."""

    cpu: dict[str, list[float]]
    races: list[Race]
    growth: Growth | None
    versions: Mapping[str, str]

    @property
    def promises(self) -> list[Promise]:
        """What was to hold of the parts that were run."""
        growth = promises_of_growth(self.growth) if self.growth else ()
        return [*promises_of_cpu(self.cpu), *promises_of_races(self.races), *growth]


def page(found: Found, starts: int, calls: int, repeat: int) -> str:
    """Write the whole report."""
    parts = [
        f"""\
# Beside other clients

Written by `tests/benchmarks/peers.py` (`make bench-peers`), with Python {platform.python_version()}. Every client
runs in a process of its own against an exchange in another one, on loopback without TLS; those of others in an
environment of their own, as they install themselves.

![CPU of a batch, orders cancelled over time, and how the cost grows]({PICTURE})
"""
    ]
    if found.cpu:
        parts.append(f"""\
## CPU of a batch of fifty

The CPU time of the client's process from the order ids to the parsed answer; nothing waits. {calls} batches, in turn
with the other clients, {len(next(iter(found.cpu.values())))} times over in processes started anew {starts} times: the
medians, of the ratios those within a round.

{shown_cpu(found.cpu, found.versions)}

`cancel_orders` splits, plans and accounts for any number of orders; with fifty of them it shows most of what that costs
by itself. httpx's asyncio is slower where sniffio is missing: this package depends on it, typed-bitget does not.
{sniffio(found.cpu)}ccxt and typed-bitget read JSON with orjson, this package with the standard library.
""")
    if found.races:
        parts.append(f"""\
## Many orders over a line

To an exchange that refuses the eleventh arrival in any second, over a line on which an answer takes so long, and a new
connection as long again; every connection is cold at first. Each client keeps its own limit, if it has one, and what is
refused is not sent again by any but this package. A cell: the seconds, and how many times the shortest that ten in
a second allow · the most arrivals in any second · how many batches were answered 429 · how many orders were cancelled.
Of several runs ({repeat} of one burst, else one) the median time and the worst counts. CPU: of a batch, waiting included.

{shown_races(found.races, found.versions)}
ccxt spaces its calls by 100 ms at the sender, however short the line, and eleven can arrive in a second all the same; a
call that is refused raises, and its orders stay. typed-bitget has no limiter. This package loses three round trips at
the start, until it knows the line, and some twenty milliseconds a second.
""")
    if found.growth:
        parts.append(f"""\
## How the cost grows

`cancel_orders.sync` over a wire that answers in the same process at once, with a limit that has room: nothing but this
package's own work. Sockets would cost every batch the same, and waiting costs what the limit makes of it, whatever the
number of orders. Memory is the most that was allocated at a time, beyond the orders given (tracemalloc).

{shown_growth(found.growth)}

With few orders the start of the threads and what is in flight weigh more; from some ten thousand on Python's garbage
collector walks through all that is alive, and takes its share.
""")
    parts.append(f"""\
## What has to hold

{shown_promises(found.promises)}

What the figures depend on: microseconds are this machine's, ratios hold where the interpreter and the libraries are the
same. A machine that is busy with something else lengthens the races of one burst, which last a few hundredths of a
second beyond their line, and spreads the ratios; run it on one that is quiet. With TLS every client pays the same more
for each batch, so that the ratios come closer to one.
""")
    return "\n".join(parts)


def sniffio(cpu: Mapping[str, list[float]]) -> str:
    """Say what typed-bitget would be with sniffio, if that was measured."""
    if not {"generated-async", "typed-bitget-sniffio"} <= cpu.keys():
        return ""
    times = ratio(cpu["generated-async"], cpu["typed-bitget-sniffio"])
    return f"Where something else has brought it, this package takes {times:.2f} times as long as typed-bitget.\n"


COLOURS: Final = {
    "cancel_orders": "#1f4e79",
    "cancel_orders-async": "#6b9bd1",
    "ccxt": "#b8860b",
    "ccxt-async": "#e377c2",
    "typed-bitget": "#2ca02c",
    "by-hand": "#7f7f7f",
}


def draw(found: Found, path: Path) -> None:
    """Draw a panel for each part that was run."""
    import matplotlib as mpl  # noqa: PLC0415 - slow to import, and the runs do without

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "peers", "svg.fonttype": "none", "font.size": 8, "axes.spines.top": False})
    mpl.rcParams["axes.spines.right"] = False
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    panels: list[tuple[float, Callable[[Any], None]]] = []
    if found.cpu:
        panels.append((0.4 + 0.2 * len(found.cpu), lambda axes: draw_cpu(axes, found)))
    if found.races:
        panels.append((2.6, lambda axes: draw_race(axes, found)))
    if found.growth:
        growth = found.growth
        panels.append((1.6, lambda axes: draw_growth(axes, growth)))
    heights = [height for height, _ in panels]
    size = (8, 0.5 * len(panels) + sum(heights))
    figure = plt.figure(figsize=size, layout="constrained")
    # A figure for each, so that the long names of one do not narrow the others.
    rows = figure.subfigures(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for row, (_, fill) in zip(rows, panels, strict=True):
        fill(row.subplots())
    figure.savefig(path, facecolor="white", metadata={"Date": None})
    plt.close(figure)
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(map(str.rstrip, lines)) + "\n", encoding="utf-8")


def draw_cpu(axes: Any, found: Found) -> None:
    """Draw what a batch costs, a bar for each client."""
    names = list(found.cpu)
    times = [statistics.median(found.cpu[name]) * 1e6 for name in names]
    bars = axes.barh(
        [plain(name, found.versions) for name in names],
        times,
        color=["#1f4e79" if CLIENTS[name].stressed else "#b9c4cf" for name in names],
    )
    axes.bar_label(bars, [f"{time:.0f}" for time in times], padding=2)
    axes.invert_yaxis()
    axes.set_title("CPU of a batch of fifty, in µs", fontsize=8, loc="left")


def draw_race(axes: Any, found: Found) -> None:
    """Draw how many orders were cancelled when, in the longest race over the middle line."""
    orders = max(race.orders for race in found.races)
    lines = sorted({race.round_trip for race in found.races})
    line = lines[len(lines) // 2]
    races = [race for race in found.races if (race.orders, race.round_trip) == (orders, line)]
    for race in {race.name: race for race in races}.values():
        accepted = [at for at, refused in race.arrivals if not refused]
        words = f"{plain(race.name, found.versions)}: {race.cancelled:,} in {race.seconds:.1f} s"
        heights = [min((number + 1) * BATCH, orders) for number in range(len(accepted))]
        width = 2.0 if CLIENTS[race.name].stressed else 1.0
        colour = COLOURS[race.name]
        axes.step(accepted, heights, where="post", color=colour, linewidth=width, label=words)
        axes.plot(accepted[-1:], heights[-1:], "o", color=colour, markersize=4)
    late = [at for race in races for at, refused in race.arrivals if refused]
    axes.plot(late, [-orders / 25] * len(late), "|", color="#d62728", markersize=5, label=f"{len(late)} refused")
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_title(
        f"orders cancelled, of {orders:,} over {line * 1000:.0f} ms, by seconds since the first arrival",
        fontsize=8,
        loc="left",
    )


def draw_growth(axes: Any, growth: Growth) -> None:
    """Draw what an order costs by the number of orders."""
    sizes = list(growth.cpu)
    cpu = [statistics.median(growth.cpu[size]) * 1e6 for size in sizes]
    axes.plot(sizes, cpu, "o-", color="#1f4e79", label="CPU, µs")
    memory = [growth.memory[size] / 100 for size in sizes]
    axes.plot(sizes, memory, "s--", color="#b8860b", label="memory, hundreds of bytes")
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_title("what an order costs, by the number of orders", fontsize=8, loc="left")


def plain(name: str, versions: Mapping[str, str]) -> str:
    """Name a client as the picture does."""
    return CLIENTS[name].words.format_map(versions).replace("`", "")


def numbers(text: str) -> list[int]:
    """Read whole numbers, with commas between them."""
    return [int(number) for number in text.split(",")]


def main() -> int:
    """Run what is asked for, write the report and the picture, and tell whether the promises hold."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0] if __doc__ else None)
    parser.add_argument("--parts", type=named(PARTS), default=list(PARTS), help=", ".join(PARTS))
    parser.add_argument("--clients", type=named(CLIENTS), default=list(CLIENTS), help=", ".join(CLIENTS))
    parser.add_argument("--starts", type=at_least(1), default=6, help="starts of each process (%(default)s)")
    parser.add_argument("--rounds", type=at_least(2), default=6, help="rounds of CPU in a start (%(default)s)")
    parser.add_argument("--calls", type=at_least(1), default=40, help="batches in a round (%(default)s)")
    parser.add_argument("--orders", type=numbers, default=[500, 5000], help="orders of the races")
    parser.add_argument("--lines", type=numbers, default=[20, 80, 200], help="their round trips, in milliseconds")
    parser.add_argument("--repeat", type=at_least(1), default=3, help="races of one burst (%(default)s)")
    parser.add_argument("--sizes", type=numbers, default=list(SIZES), help="orders of the growth; 500 among them")
    parser.add_argument("--growth-rounds", type=at_least(1), default=9, help="rounds of growth (%(default)s)")
    parser.add_argument("--their-python", type=Path, default=THEIR_PYTHON, help="the interpreter that has the peers")
    parser.add_argument("--out", type=Path, default=DOCS, help="folder for peers.md and peers.svg")
    given = parser.parse_args()
    python = given.their_python
    if not python.exists() and any(CLIENTS[name].theirs for name in given.clients):
        parser.error(f"no {python}: `make bench-peers` sets it up, and --clients chooses others")
    lines = [line / 1000 for line in given.lines]
    racers = [name for name in RACERS if name in given.clients]
    found = Found(
        cpu=measured_cpu(given.clients, given.starts, given.rounds, given.calls, python)
        if "cpu" in given.parts
        else {},
        races=all_races(racers, given.orders, lines, given.repeat, python) if "races" in given.parts else [],
        growth=measured_growth(given.sizes, given.growth_rounds, python) if "growth" in given.parts else None,
        versions=versions_of(given.clients, python),
    )
    given.out.mkdir(parents=True, exist_ok=True)
    told = page(found, given.starts, given.calls, given.repeat)
    (given.out / "peers.md").write_text(told, encoding="utf-8")
    draw(found, given.out / PICTURE)
    print(told)
    return 0 if all(promise.kept for promise in found.promises) else 1


def versions_of(names: Iterable[str], python: Path) -> dict[str, str]:
    """Ask the peers' environment which versions it has."""
    versions = {}
    for name in ("ccxt", "typed-bitget"):
        if name in names:
            with Process(name, python) as process:
                versions[name] = process.do("version", distribution_name=name)
    return versions


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", seconds, limited]:
            asyncio.run(serve(float(seconds), limited=limited == "limited"))
        case _:
            sys.exit(main())
