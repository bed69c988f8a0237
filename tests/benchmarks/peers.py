"""
This package compared with other clients: what a batch costs, how long many orders take, and how the cost grows.

Every client runs in a process of its own, and so does the exchange, on loopback; clients by other authors have an
environment of their own. What is compared is measured in turn within one run, and reported as a ratio. Run it with
`make bench-peers`; it takes about ten minutes, writes `docs/peers.md` and `docs/peers.svg`, and exits with 1 if a target is
missed.
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
import textwrap
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Self

from accounts import (
    ORDERS,
    ROUND_TRIP,
    AccountRun,
    account_figures,
    account_table,
    run_accounts,
)
from arrivals import (
    BATCH_SIZE,
    BLUE,
    DOCS,
    LIMIT,
    PERIOD,
    RED,
    Arrival,
    Connection,
    Exchange,
    Network,
    WithArrivals,
    at_least,
    http_response,
    list_of,
    response_to,
    save_svg,
)
from attrs import Factory, frozen

HERE: Final = Path(__file__).parent
CLIENT_PROGRAMS: Final = HERE / "clients"
OTHER_PYTHON: Final = HERE.parents[1] / ".venv-peers" / "bin" / "python"
PICTURE: Final = "peers.svg"
PARTS: Final = ("cpu", "races", "accounts", "growth")
SIZES: Final = (50, 500, 5_000, 50_000)
"""Numbers of orders for which the cost of an order is measured."""
REFERENCE_SIZE: Final = 500
"""From this number of orders on, the cost of an order must not grow."""
ORDERS_PER_ROUND: Final = 10_000
"""A round cancels about this number of orders for each size, or the size itself."""
ORDER_ID: Final = re.compile(rb'"orderId": ?"(\d+)"')


# The exchange. Its process ends when its standard input ends, and then prints the arrivals.


@frozen
class CountingExchange(Exchange):
    """
    An exchange that also records the orders.

    Attributes:
        limited: Whether the eleventh request in a second is refused.
        cancelled: The orders whose cancel was accepted.

    """

    limited: bool = True
    cancelled: set[bytes] = Factory(set)


class CountingConnection(Connection):
    """Responds with as little work as possible."""

    exchange: CountingExchange

    def arrive(self, body: bytes, response_delay: float) -> None:
        now = self.loop.time()
        if self.exchange.limited and self.exchange.count(now):
            response = response_to(body, refused=True)
        else:
            order_ids = ORDER_ID.findall(body)
            if self.exchange.limited:
                self.exchange.cancelled.update(order_ids)
            response = success_response(order_ids)
        self.respond(response, now + response_delay)


def success_response(order_ids: Iterable[bytes]) -> bytes:
    """Return the bytes of a success for these orders."""
    rows = b",".join(b'{"orderId":"%s","clientOid":""}' % order_id for order_id in order_ids)
    envelope = b'{"code":"00000","msg":"success","requestTime":%d,"data":{"successList":[%s],"failureList":[]}}'
    return http_response(b"200 OK", envelope % (int(time.time() * 1000), rows))


async def serve(round_trip: float, *, limited: bool) -> None:
    """Listen on a free port of loopback and print it; in the end, print the arrivals and the number of cancelled orders."""
    # A new connection costs one round trip more, for TCP's handshake.
    network = Network("", round_trip / 2, 0.0, round_trip, round_trip, 0.0)
    exchange = CountingExchange(network, random.Random(0), limited=limited)  # noqa: S311 - all delays are constant
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: CountingConnection(exchange), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()
    print(json.dumps([exchange.arrivals, len(exchange.cancelled)]))


@contextmanager
def running_exchange(round_trip: float, *, limited: bool) -> Iterator[tuple[str, list[Any]]]:
    """Start an exchange; the value is its origin, and a list with the arrivals and the cancelled orders in the end."""
    command = [sys.executable, __file__, "serve", str(round_trip), "limited" if limited else "unlimited"]
    output: list[Any] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}", output
        finally:
            output += json.loads(server.communicate()[0])


# The clients.


@frozen
class Client:
    """
    A client that is compared.

    Attributes:
        title: Its name in the tables.
        is_external: It is by another author, and runs in an environment of its own.
        is_own: It is this package's, and the tables emphasize it.

    """

    title: str
    is_external: bool = False
    is_own: bool = False


CLIENTS: Final = {
    "stdlib": Client("only `http.client`, `hmac` and `json`"),
    "handwritten": Client("a loop over httpx: sign, post, sleep 100 ms"),
    "signed-only": Client("the generated function with only a signature, `sync`"),
    "generated": Client("the generated function of this package, `sync`", is_own=True),
    "cancel_orders": Client("`cancel_orders.sync` of this package", is_own=True),
    "ccxt": Client("ccxt {ccxt}, sync", is_external=True),
    "signed-only-async": Client("the generated function with only a signature, `asyncio`"),
    "generated-async": Client("the generated function of this package, `asyncio`", is_own=True),
    "cancel_orders-async": Client("`cancel_orders.asyncio` of this package", is_own=True),
    "ccxt-async": Client("ccxt {ccxt}, async", is_external=True),
    "typed-bitget": Client("typed-bitget {typed-bitget}", is_external=True),
    "typed-bitget-sniffio": Client("typed-bitget {typed-bitget}, with sniffio installed", is_external=True),
}
RACING_CLIENTS: Final = ("cancel_orders", "cancel_orders-async", "ccxt", "ccxt-async", "typed-bitget", "handwritten")
OWN_CLIENTS: Final = ("cancel_orders", "cancel_orders-async")
OTHER_LIMITED_CLIENTS: Final = ("ccxt", "ccxt-async", "handwritten")
"""Other clients that keep a rate limit."""


class ClientProcess:
    """One client in its process, which does one job at a time."""

    def __init__(self, name: str, other_python: Path) -> None:
        self.name = name
        is_external = CLIENTS[name].is_external
        self.sniffio = tempfile.TemporaryDirectory()
        if name.endswith("-sniffio"):
            spec = importlib.util.find_spec("sniffio")
            assert spec is not None
            assert spec.origin is not None
            shutil.copytree(Path(spec.origin).parent, Path(self.sniffio.name) / "sniffio")
        python = other_python if is_external else sys.executable
        program = CLIENT_PROGRAMS / ("other_clients.py" if is_external else "own_clients.py")
        self.process = subprocess.Popen(
            [python, program, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": self.sniffio.name if is_external else str(HERE)},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self.sniffio, self.process:
            self.process.communicate()

    def run(self, job: str, **arguments: object) -> Any:
        """Run a job, and return its result."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps({"job": job, **arguments}), file=self.process.stdin, flush=True)
        result = self.process.stdout.readline()
        if not result:
            raise RuntimeError(f"{self.name} has ended; see its output above")
        return json.loads(result)


# The runs.


def measure_cpu(
    names: Sequence[str], starts: int, rounds: int, calls: int, other_python: Path
) -> dict[str, list[float]]:
    """Return the CPU seconds of a batch of fifty, for each client, in each round."""
    times: dict[str, list[float]] = {name: [] for name in names}
    for start in range(starts):
        # The memory layout and the hash seed make a process a few per cent faster or slower for its whole life.
        with ExitStack() as stack:
            origin, _ = stack.enter_context(running_exchange(0.0, limited=False))
            processes = {name: stack.enter_context(ClientProcess(name, other_python)) for name in names}
            for process in processes.values():
                process.run("measure_cpu", origin=origin, calls=calls)
            for number in range(rounds):
                # In alternating order, so that a drift affects all clients equally.
                for name in names if number % 2 else reversed(names):
                    seconds = processes[name].run("measure_cpu", origin=origin, calls=calls)
                    times[name].append(seconds / calls)
                print(f"CPU of a batch: round {number + 1} of {rounds}, start {start + 1} of {starts}", flush=True)
    return times


@frozen
class Race(WithArrivals):
    """The result of cancelling many orders over a network; times in seconds, arrivals as the exchange counted them."""

    name: str
    orders: int
    round_trip: float
    seconds: float
    cpu: float
    arrivals: list[Arrival]
    cancelled: int

    @property
    def bound(self) -> float:
        """The shortest time that ten requests in a second allow."""
        # Two round trips: one opens a connection, one is for the request.
        return (batches_of(self.orders) - 1) // LIMIT * PERIOD + 2 * self.round_trip


def batches_of(orders: int) -> int:
    """Return how many batches this number of orders needs."""
    return -(-orders // BATCH_SIZE)


def run_race(name: str, orders: int, round_trip: float, other_python: Path) -> Race:
    """Run one race, in new processes."""
    with ClientProcess(name, other_python) as process:
        # One burst to another exchange first: then the connections are cold, but the interpreter is not.
        with running_exchange(0.0, limited=True) as (origin, _):
            process.run("race", origin=origin, orders=LIMIT * BATCH_SIZE)
        with running_exchange(round_trip, limited=True) as (origin, output):
            seconds, cpu = process.run("race", origin=origin, orders=orders)
    arrivals, cancelled = output
    first = arrivals[0][0]
    relative_arrivals = [(at - first, refused) for at, refused in arrivals]
    return Race(name, orders, round_trip, seconds, cpu, relative_arrivals, cancelled)


def run_races(
    names: Iterable[str], sizes: Iterable[int], round_trips: Sequence[float], repeat: int, other_python: Path
) -> list[Race]:
    """Run every race; those of one burst several times."""
    races = []
    for orders, round_trip in itertools.product(sizes, round_trips):
        for _ in range(repeat if orders <= LIMIT * BATCH_SIZE else 1):
            for name in names:
                race = run_race(name, orders, round_trip, other_python)
                print(
                    f"{orders:,} orders over {round_trip * 1000:.0f} ms, {name}: {race.seconds:.3f} s, "
                    f"{race.worst_second} in a second, {race.refused} refused, {race.cancelled:,} orders accepted",
                    flush=True,
                )
                races.append(race)
    return races


@frozen
class Growth:
    """For each number of orders: the CPU seconds of an order in every round, and the peak memory of an order."""

    cpu: dict[int, list[float]]
    memory: dict[int, float]


def measure_growth(sizes: Sequence[int], rounds: int, other_python: Path) -> Growth:
    """Measure what an order costs if there are few or many of them."""
    cpu: dict[int, list[float]] = {size: [] for size in sizes}
    with ClientProcess("cancel_orders", other_python) as process:
        for size in sizes:
            process.run("cpu_of_orders", orders=size)
        for number in range(rounds):
            for size in sizes if number % 2 else reversed(sizes):
                repeat = max(1, ORDERS_PER_ROUND // size)
                times = [process.run("cpu_of_orders", orders=size) for _ in range(repeat)]
                cpu[size].append(statistics.mean(times) / size)
            print(f"growth: round {number + 1} of {rounds}", flush=True)
        memory = {size: process.run("memory_of_orders", orders=size) / size for size in sizes}
    return Growth(cpu, memory)


# The report.


def ratios(times: Sequence[float], reference_times: Sequence[float]) -> list[float]:
    """Return the ratio of each round."""
    return [time / reference for time, reference in zip(times, reference_times, strict=True)]


def median_ratio(times: Sequence[float], reference_times: Sequence[float]) -> float:
    """Return the median of the ratios of the rounds."""
    return statistics.median(ratios(times, reference_times))


@frozen
class Target:
    """A measured value that must be at most its bound, or `strictly` less than its bound."""

    title: str
    value: float
    bound: float
    strictly: bool = False
    template: str = "{:.3f}"

    @property
    def is_met(self) -> bool:
        """Whether the value is within its bound."""
        return self.value < self.bound if self.strictly else self.value <= self.bound

    def __str__(self) -> str:
        value = self.template.format(self.value)
        bound = self.template.format(self.bound)
        requirement = f"less than {bound}" if self.strictly else f"at most {bound}"
        return f"| {self.title} | {value} | {requirement} | {'PASS' if self.is_met else 'FAIL'} |"


def cpu_targets(cpu: Mapping[str, list[float]]) -> Iterator[Target]:
    """Yield the targets for the CPU time of a batch."""
    comparisons = (
        ("generated", "signed-only", "`sync`, ratio to the same function with only a signature", 1.25, False),
        (
            "generated-async",
            "signed-only-async",
            "`asyncio`, ratio to the same function with only a signature",
            1.25,
            False,
        ),
        ("generated", "ccxt", "`sync`, ratio to ccxt sync", 0.40, True),
        ("generated-async", "typed-bitget", "`asyncio`, ratio to typed-bitget as it is installed", 1.00, True),
    )
    for name, reference, title, bound, strictly in comparisons:
        if name in cpu and reference in cpu:
            value = median_ratio(cpu[name], cpu[reference])
            yield Target(f"CPU of a batch of fifty: {title}", value, bound, strictly=strictly)


def race_targets(races: Sequence[Race]) -> Iterator[Target]:
    """Yield the targets for this package's races."""
    own_races = [race for race in races if race.name in OWN_CLIENTS]
    if not own_races:
        return
    worst_second = max(race.worst_second for race in own_races)
    yield Target("arrivals in the worst second of any race", worst_second, LIMIT, template="{}")
    yield Target("batches refused, in all races", sum(race.refused for race in own_races), 0, template="{}")
    not_cancelled = sum(race.orders - race.cancelled for race in own_races)
    yield Target("orders not cancelled, in all races", not_cancelled, 0, template="{}")
    times_over_bound = [race.seconds / race.bound for race in own_races if race.orders > LIMIT * BATCH_SIZE]
    if times_over_bound:
        yield Target("time over the bound, longest race of more than one burst", max(times_over_bound), 1.10)
    relative_times = []
    for race in own_races:
        relative_times += [race.seconds / other.seconds for other in races if is_comparable(other, race)]
    if relative_times:
        title = "time, ratio to the fastest other client that keeps a limit"
        yield Target(title, max(relative_times), 1.00, strictly=True)


def is_comparable(other: Race, race: Race) -> bool:
    """Return whether `other` is the same race, of another client that keeps a limit."""
    return other.name in OTHER_LIMITED_CLIENTS and (other.orders, other.round_trip) == (race.orders, race.round_trip)


def growth_targets(growth: Growth) -> Iterator[Target]:
    """Yield the targets for the growth of the cost."""
    for size in growth.cpu:
        if size > REFERENCE_SIZE:
            comparison = f"{size:,} orders, ratio to {REFERENCE_SIZE} orders"
            cpu_ratio = median_ratio(growth.cpu[size], growth.cpu[REFERENCE_SIZE])
            memory_ratio = growth.memory[size] / growth.memory[REFERENCE_SIZE]
            yield Target(f"CPU of one of {comparison}", cpu_ratio, 1.10)
            yield Target(f"memory of one of {comparison}", memory_ratio, 1.10)


def table_title(name: str, versions: Mapping[str, str]) -> str:
    """Return the name of a client in the tables."""
    title = CLIENTS[name].title.format_map(versions)
    return f"**{title}**" if CLIENTS[name].is_own else title


def cpu_table(cpu: Mapping[str, list[float]], versions: Mapping[str, str]) -> str:
    """Return the table of what a batch costs, in Markdown."""
    first = next(iter(cpu))
    lines = [
        f"| client | µs | ratio to {table_title(first, versions)} | first to third quartile |",
        "| --- | --- | --- | --- |",
    ]
    for name, times in cpu.items():
        low, _, high = statistics.quantiles(ratios(times, cpu[first]), n=4)
        lines.append(
            f"| {table_title(name, versions)} | {statistics.median(times) * 1e6:.0f} | "
            f"{median_ratio(times, cpu[first]):.1f} | {low:.1f} to {high:.1f} |"
        )
    return "\n".join(lines)


def race_tables(races: Sequence[Race], versions: Mapping[str, str]) -> str:
    """Return a table of the races for each number of orders, in Markdown."""
    lines = []
    for orders in dict.fromkeys(race.orders for race in races):
        of_this_size = [race for race in races if race.orders == orders]
        round_trips = list(dict.fromkeys(race.round_trip for race in of_this_size))
        titles = [f"{round_trip * 1000:.0f} ms" for round_trip in round_trips]
        lines += [
            f"{orders:,} orders:",
            "",
            f"| client | {' | '.join(titles)} | CPU |",
            "| --- |" + " --- |" * (len(titles) + 1),
        ]
        for name in dict.fromkeys(race.name for race in of_this_size):
            of_client = [race for race in of_this_size if race.name == name]
            cells = [
                race_cell([race for race in of_client if race.round_trip == round_trip]) for round_trip in round_trips
            ]
            cpu = statistics.median(race.cpu for race in of_client) / batches_of(orders) * 1000
            lines.append(f"| {table_title(name, versions)} | {' | '.join(cells)} | {cpu:.1f} ms |")
        lines.append("")
    return "\n".join(lines)


def race_cell(races: Sequence[Race]) -> str:
    """Summarize several races of one client: the median of the times, and the worst counts."""
    seconds = statistics.median(race.seconds for race in races)
    worst_second = max(race.worst_second for race in races)
    refused = max(race.refused for race in races)
    cancelled = min(race.cancelled for race in races)
    worst_text = f"**{worst_second}**" if worst_second > LIMIT else str(worst_second)
    cancelled_text = f"{cancelled:,}" if cancelled == races[0].orders else f"**{cancelled:,}**"
    return f"{seconds:.2f} s, {seconds / races[0].bound:.2f} · {worst_text} · {refused} · {cancelled_text}"


def growth_table(growth: Growth) -> str:
    """Return the table of how the cost grows, in Markdown."""
    reference = f"ratio to {REFERENCE_SIZE}"
    lines = [
        f"| orders | CPU of an order | {reference} | memory of an order | {reference} |",
        "| --- | --- | --- | --- | --- |",
    ]
    for size, times in growth.cpu.items():
        memory = growth.memory[size]
        cpu_ratio = median_ratio(times, growth.cpu[REFERENCE_SIZE])
        memory_ratio = memory / growth.memory[REFERENCE_SIZE]
        lines.append(
            f"| {size:,} | {statistics.median(times) * 1e6:.1f} µs | {cpu_ratio:.2f} | "
            f"{memory:.0f} bytes | {memory_ratio:.2f} |"
        )
    return "\n".join(lines)


def target_table(targets: Iterable[Target]) -> str:
    """Return the table of the targets, in Markdown."""
    return "\n".join(["| target | value | bound | result |", "| --- | --- | --- | --- |", *map(str, targets)])


@frozen
class Measurements:
    """What one run of this program has measured; a part that was left out is empty."""

    cpu: dict[str, list[float]]
    races: list[Race]
    accounts: list[AccountRun]
    growth: Growth | None
    versions: Mapping[str, str]

    @property
    def targets(self) -> list[Target]:
        """The targets of the parts that were measured."""
        targets = [*cpu_targets(self.cpu), *race_targets(self.races)]
        targets += [
            Target(title, value, bound, template="{}") for title, value, bound in account_figures(self.accounts)
        ]
        if self.growth:
            targets += growth_targets(self.growth)
        return targets


def page(measured: Measurements, starts: int, calls: int, repeat: int) -> str:
    """Return the whole report."""
    parts = [
        f"""\
# Comparison with other clients

{conclusion(measured)}

![CPU time of a batch, orders cancelled over time, and the cost of an order by the number of orders]({PICTURE})

*From top to bottom: the CPU time of one batch, the orders cancelled over time, and what an order costs if there are few or
many of them.*

`make bench-peers` runs `tests/benchmarks/peers.py`, which writes this page; here with Python {platform.python_version()}.
Every client runs in a process of its own against an exchange in another process, on loopback without TLS. Clients by other
authors run in an environment of their own, with the requirements that they install.
"""
    ]
    if measured.cpu:
        rounds = len(next(iter(measured.cpu.values())))
        parts.append(f"""\
## CPU of a batch of fifty

The table shows the CPU time of the client's process from the order ids to the parsed response, without any waiting. The
ratio compares it with the cheapest way to send the same request.

{cpu_table(measured.cpu, measured.versions)}

The times are medians of {rounds} rounds in processes that were started {starts} times. In a round each client sends {calls}
batches, in turn with the others. The ratios are medians of the ratios within a round.

`cancel_orders` plans the batches and reports an outcome for each of any number of orders; with only fifty of them, its own
cost weighs most. httpx is slower in tasks if sniffio is not installed: this package requires it, typed-bitget does not.
{sniffio_text(measured.cpu)}ccxt and typed-bitget parse JSON with orjson, this package with the standard library.
""")
    if measured.races:
        parts.append(f"""\
## Many orders over a network

Each cell has: the seconds, and their ratio to the shortest possible time · the most arrivals in any second · batches
refused with 429 · orders cancelled. The heading has the round trip; bold numbers exceed the limit, or leave orders open.

{race_tables(measured.races, measured.versions)}
The exchange refuses the eleventh arrival in any second. A new connection takes a round trip too, and all connections are
cold at first. Each client keeps its own rate limit, if it has one. Only this package sends refused batches again. Of several
runs ({repeat} of one burst, otherwise one), a cell has the median time and the worst counts. CPU is the time of a batch,
including the waiting.

ccxt spaces its calls by 100 ms when it sends them, but eleven of them can still arrive in a second; a refused call raises,
and its orders remain open. typed-bitget has no rate limit. This package needs three round trips more at the start, until
it knows the latency, and about twenty milliseconds a second.
""")
    if measured.accounts:
        titles = {name: account_title(name, measured.versions) for name in names_of(measured)}
        parts.append(f"""\
## Unified accounts and the kill switch

{ORDERS} orders are open on the sandbox, with a round trip of {ROUND_TRIP * 1000:.0f} ms. Each cell has: the seconds · the requests ·
those refused with 429 · the orders that are still open afterwards.

{account_table(measured.accounts, titles)}

*By id* means that the client gets the ids of all orders. A unified account takes 20 of them in a request, and 5 requests in a
second. *Everything* means that it gets no ids: `cancel_open_orders` of this package, called without arguments;
`cancelAllOrders` of ccxt and the method of the same purpose of typed-bitget, called for each of the three pairs, which
must be known.

The calls are not the same. `cancel_open_orders` finds the pairs itself, cancels TP/SL and trigger orders too, looks again
until nothing is open, and asks what became of each order: this is what its additional requests and seconds are for. The
others return when the exchange has accepted the cancel.
""")
    if measured.growth:
        parts.append(f"""\
## How the cost grows

The table shows what one order costs `cancel_orders.sync`, if there are few or many of them. The ratio compares it with
500 orders.

{growth_table(measured.growth)}

The transport responds immediately in the same process, and the limit is never reached, so this is only the package's own
work. Memory is the peak of what was allocated, beyond the orders themselves (tracemalloc).
With few orders, the start of the threads and the batches in flight weigh more. From about ten thousand orders on, Python's
garbage collector takes its share, because it goes through all living objects.
""")
    parts.append(f"""\
## Targets

Each row is a measured value and the bound that it must keep. The run fails if one is missed.

{target_table(measured.targets)}

The microseconds are those of one machine; the ratios hold for the same interpreter and libraries. On a busy machine, the
races of one burst take longer and the ratios vary more, so run this benchmark on a quiet one. With TLS, every client needs
the same additional time for each batch, and the ratios come closer to one.
""")
    return "\n".join(parts)


def names_of(measured: Measurements) -> set[str]:
    """Return the clients that did the tasks on accounts."""
    return {run.name for run in measured.accounts}


def account_title(name: str, versions: Mapping[str, str]) -> str:
    """Return the name of a client in the table of accounts, where this package's own function depends on the task."""
    if name in OWN_CLIENTS:
        return f"**this package, `{'asyncio' if name.endswith('-async') else 'sync'}`**"
    return table_title(name, versions)


def conclusion(measured: Measurements) -> str:
    """Return what the races mean, in a few sentences."""
    own = [race for race in measured.races if race.name in OWN_CLIENTS]
    others = [race for race in measured.races if race.name in OTHER_LIMITED_CLIENTS]
    text = "This page compares the package with other clients."
    if own:
        refused = sum(race.refused for race in own)
        text = (
            f"This package cancels every order, never sends more than {max(race.worst_second for race in own)} requests a "
            f"second, and has {refused} batches refused."
        )
    if own and others:
        orders = max(race.orders for race in own)
        round_trips = sorted({race.round_trip for race in own})
        round_trip = round_trips[len(round_trips) // 2]
        own_seconds, other_seconds = (
            min(race.seconds for race in races if (race.orders, race.round_trip) == (orders, round_trip))
            for races in (own, others)
        )
        text += (
            f" For {orders:,} orders over {round_trip * 1000:.0f} ms it takes {own_seconds:.1f} s; the fastest other client "
            f"that keeps a limit takes {other_seconds:.1f} s."
        )
    return textwrap.fill(text, 120)


def sniffio_text(cpu: Mapping[str, list[float]]) -> str:
    """Return the sentence about typed-bitget with sniffio, if that was measured."""
    if not {"generated-async", "typed-bitget-sniffio"} <= cpu.keys():
        return ""
    ratio = median_ratio(cpu["generated-async"], cpu["typed-bitget-sniffio"])
    return f"With sniffio installed for another reason, this package takes {ratio:.2f} times as long as typed-bitget.\n"


COLOURS: Final = {
    "cancel_orders": BLUE,
    "cancel_orders-async": "#6b9bd1",
    "ccxt": "#b8860b",
    "ccxt-async": "#e377c2",
    "typed-bitget": "#2ca02c",
    "handwritten": "#7f7f7f",
}
GREY: Final = "#b9c4cf"


def draw(measured: Measurements, path: Path) -> None:
    """Draw a panel for each part that was measured."""
    if not (measured.cpu or measured.races or measured.growth):
        return
    import matplotlib as mpl  # noqa: PLC0415 - slow to import, and not needed by the runs

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "peers", "svg.fonttype": "none", "font.size": 8, "axes.spines.top": False})
    mpl.rcParams["axes.spines.right"] = False
    from matplotlib import pyplot as plt  # noqa: PLC0415 - as above

    panels: list[tuple[float, Callable[[Any], None]]] = []
    if measured.cpu:
        panels.append((0.4 + 0.2 * len(measured.cpu), lambda axes: draw_cpu(axes, measured)))
    if measured.races:
        panels.append((2.6, lambda axes: draw_race(axes, measured)))
    if measured.growth:
        growth = measured.growth
        panels.append((1.6, lambda axes: draw_growth(axes, growth)))
    heights = [height for height, _ in panels]
    size = (8, 0.5 * len(panels) + sum(heights))
    figure = plt.figure(figsize=size, layout="constrained")
    # A figure for each panel, so that the long names of one do not make the others narrower.
    rows = figure.subfigures(len(panels), 1, squeeze=False, height_ratios=heights)[:, 0]
    for row, (_, draw_panel) in zip(rows, panels, strict=True):
        draw_panel(row.subplots())
    save_svg(figure, path)
    plt.close(figure)


def draw_cpu(axes: Any, measured: Measurements) -> None:
    """Draw what a batch costs, with a bar for each client."""
    names = list(measured.cpu)
    times = [statistics.median(measured.cpu[name]) * 1e6 for name in names]
    bars = axes.barh(
        [picture_title(name, measured.versions) for name in names],
        times,
        color=[BLUE if CLIENTS[name].is_own else GREY for name in names],
    )
    axes.bar_label(bars, [f"{time:.0f}" for time in times], padding=2)
    axes.invert_yaxis()
    axes.set_title("CPU of a batch of fifty, in µs", fontsize=8, loc="left")


def draw_race(axes: Any, measured: Measurements) -> None:
    """Draw the number of cancelled orders over time, in the longest race over the middle one of the networks."""
    orders = max(race.orders for race in measured.races)
    round_trips = sorted({race.round_trip for race in measured.races})
    round_trip = round_trips[len(round_trips) // 2]
    races = [race for race in measured.races if (race.orders, race.round_trip) == (orders, round_trip)]
    for race in {race.name: race for race in races}.values():
        accepted = [at for at, refused in race.arrivals if not refused]
        label = f"{picture_title(race.name, measured.versions)}: {race.cancelled:,} in {race.seconds:.1f} s"
        heights = [min((number + 1) * BATCH_SIZE, orders) for number in range(len(accepted))]
        width = 2.0 if CLIENTS[race.name].is_own else 1.0
        colour = COLOURS[race.name]
        axes.step(accepted, heights, where="post", color=colour, linewidth=width, label=label)
        axes.plot(accepted[-1:], heights[-1:], "o", color=colour, markersize=4)
    refusals: list[float] = []
    for race in races:
        refusals += [at for at, refused in race.arrivals if refused]
    axes.plot(refusals, [-orders / 25] * len(refusals), "|", color=RED, markersize=5, label=f"{len(refusals)} refused")
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_title(
        f"orders cancelled, of {orders:,} over {round_trip * 1000:.0f} ms, by seconds since the first arrival",
        fontsize=8,
        loc="left",
    )


def draw_growth(axes: Any, growth: Growth) -> None:
    """Draw what an order costs, by the number of orders."""
    sizes = list(growth.cpu)
    cpu = [statistics.median(growth.cpu[size]) * 1e6 for size in sizes]
    axes.plot(sizes, cpu, "o-", color=BLUE, label="CPU, µs")
    memory = [growth.memory[size] / 100 for size in sizes]
    axes.plot(sizes, memory, "s--", color="#b8860b", label="memory, hundreds of bytes")
    axes.set_xscale("log")
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_ylim(bottom=0)
    axes.legend(fontsize=7, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
    axes.set_title("what an order costs, by the number of orders", fontsize=8, loc="left")


def picture_title(name: str, versions: Mapping[str, str]) -> str:
    """Return the name of a client in the picture."""
    return CLIENTS[name].title.format_map(versions).replace("`", "")


def list_of_numbers(text: str) -> list[int]:
    """Parse whole numbers separated by commas."""
    return [int(number) for number in text.split(",")]


def parse_options() -> argparse.Namespace:
    """Parse the command line; exit if an interpreter is missing."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0] if __doc__ else None)
    add = parser.add_argument
    add("--parts", type=list_of(PARTS), default=list(PARTS), help=", ".join(PARTS))
    add("--clients", type=list_of(CLIENTS), default=list(CLIENTS), help=", ".join(CLIENTS))
    add("--starts", type=at_least(1), default=6, help="starts of each process (%(default)s)")
    add("--rounds", type=at_least(2), default=6, help="rounds of CPU measurements in a start (%(default)s)")
    add("--calls", type=at_least(1), default=40, help="batches in a round (%(default)s)")
    add("--orders", type=list_of_numbers, default=[500, 5000], help="numbers of orders of the races")
    add("--round-trips", type=list_of_numbers, default=[20, 80, 200], help="their round trips, in milliseconds")
    add("--repeat", type=at_least(1), default=3, help="races of one burst (%(default)s)")
    add("--sizes", type=list_of_numbers, default=list(SIZES), help="numbers of orders of the growth; one must be 500")
    add("--growth-rounds", type=at_least(1), default=9, help="rounds of growth (%(default)s)")
    add("--other-python", type=Path, default=OTHER_PYTHON, help="the interpreter that has the other clients")
    add("--out", type=Path, default=DOCS, help="the folder for peers.md and peers.svg")
    options = parser.parse_args()
    if not options.other_python.exists() and any(CLIENTS[name].is_external for name in options.clients):
        parser.error(
            f"{options.other_python} does not exist; run `make bench-peers`, or choose other clients with --clients"
        )
    return options


def measure(options: argparse.Namespace) -> Measurements:
    """Measure the parts that the options select."""
    python = options.other_python
    cpu: dict[str, list[float]] = {}
    races: list[Race] = []
    accounts: list[AccountRun] = []
    growth = None
    if "cpu" in options.parts:
        cpu = measure_cpu(options.clients, options.starts, options.rounds, options.calls, python)
    if "races" in options.parts:
        names = [name for name in RACING_CLIENTS if name in options.clients]
        round_trips = [milliseconds / 1000 for milliseconds in options.round_trips]
        races = run_races(names, options.orders, round_trips, options.repeat, python)
    if "accounts" in options.parts:
        accounts = run_accounts(options.clients, lambda name: ClientProcess(name, python))
    if "growth" in options.parts:
        growth = measure_growth(options.sizes, options.growth_rounds, python)
    return Measurements(cpu, races, accounts, growth, versions_of(options.clients, python))


def versions_of(names: Iterable[str], python: Path) -> dict[str, str]:
    """Return the versions of the other clients in their environment."""
    versions = {}
    for name in ("ccxt", "typed-bitget"):
        if name in names:
            with ClientProcess(name, python) as process:
                versions[name] = process.run("version", distribution_name=name)
    return versions


def main() -> int:
    """Measure, write the report and the picture; return 1 if a target is missed."""
    options = parse_options()
    measured = measure(options)
    options.out.mkdir(parents=True, exist_ok=True)
    report = page(measured, options.starts, options.calls, options.repeat)
    (options.out / "peers.md").write_text(report, encoding="utf-8")
    draw(measured, options.out / PICTURE)
    print(report)
    return 0 if all(target.is_met for target in measured.targets) else 1


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", round_trip, limited]:
            asyncio.run(serve(float(round_trip), limited=limited == "limited"))
        case _:
            sys.exit(main())
