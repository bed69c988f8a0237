"""
Other clients on unified accounts, and the kill switch next to `cancelAllOrders`: a part of `peers.py`.

The exchange is the sandbox, in a process of its own, because these runs need what it knows: version 3 of the API, listings,
and what became of each order.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, Protocol, Self

from attrs import frozen

from bitget_spot.sandbox import Sandbox
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, BATCH_CANCEL_UNIFIED_ORDERS

KEYS: Final = {"api_key": "a-key", "secret_key": "a-secret", "passphrase": "a-passphrase"}
"""Those of `clients/client_process.py`, which has no access to this module."""
SYMBOLS: Final = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
ORDERS: Final = 600
ROUND_TRIP: Final = 0.08
REFUSED_STATUS: Final = 429
ACCOUNT_CLIENTS: Final = ("cancel_orders", "cancel_orders-async", "ccxt", "ccxt-async", "typed-bitget")
OWN_CLIENTS: Final = ("cancel_orders", "cancel_orders-async")
LIMITS: Final = {
    "classic": BATCH_CANCEL_ORDERS.rate_limit.requests,
    "unified": BATCH_CANCEL_UNIFIED_ORDERS.rate_limit.requests,
}


@frozen
class Task:
    """
    What a client does.

    Attributes:
        title: Its column.
        account_type: The type of the account.
        symbols: The pairs whose orders it cancels.
        by_id: Whether it gets the ids of the orders; otherwise it cancels whatever is open.

    """

    title: str
    account_type: str
    symbols: tuple[str, ...]
    by_id: bool


TASKS: Final = (
    Task("unified account, by id, one pair", "unified", SYMBOLS[:1], by_id=True),
    Task("classic account, everything, three pairs", "classic", SYMBOLS, by_id=False),
    Task("unified account, everything, three pairs", "unified", SYMBOLS, by_id=False),
)


@frozen
class AccountRun:
    """The result of one run, as the exchange counted it; times in seconds."""

    name: str
    task: Task
    seconds: float
    cpu: float
    requests: int
    refused: int
    worst_second: int
    left_open: int


class RunningClient(Protocol):
    """A client in its process."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def run(self, job: str, **arguments: object) -> Any:
        """Run a job, and return its result."""


def serve_sandbox(account_type: str, symbols: Sequence[str], orders: int, round_trip: float) -> None:
    """Run a sandbox until standard input ends; print its URL and order ids first, and what it has counted in the end."""
    sandbox = Sandbox(**KEYS, orders=0, account_type=account_type, latency=round_trip)  # type: ignore[arg-type]  # checked at run time
    for symbol in symbols:
        sandbox.open_orders(orders // len(symbols), symbol=symbol)
    operation = BATCH_CANCEL_UNIFIED_ORDERS if account_type == "unified" else BATCH_CANCEL_ORDERS
    with sandbox:
        print(json.dumps([sandbox.url, list(sandbox.orders)]), flush=True)
        sys.stdin.read()
        refused = sum(arrival.status == REFUSED_STATUS for arrival in sandbox.arrivals)
        left_open = sum(order.is_open for order in sandbox.orders.values())
        print(json.dumps([len(sandbox.arrivals), refused, sandbox.worst_window(operation=operation), left_open]))


@contextmanager
def running_sandbox(task: Task, orders: int, round_trip: float) -> Iterator[tuple[str, list[str], list[int]]]:
    """Start a sandbox; the value is its URL, its order ids, and a list that has the counts in the end."""
    command = [sys.executable, __file__, task.account_type, ",".join(task.symbols), str(orders), str(round_trip)]
    counts: list[int] = []
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            url, order_ids = json.loads(server.stdout.readline())
            yield url, order_ids, counts
        finally:
            counts += json.loads(server.communicate()[0])


def run_task(
    name: str, task: Task, start_client: Callable[[str], RunningClient], *, orders: int, round_trip: float
) -> AccountRun:
    """Let one client do one task, in new processes."""
    with start_client(name) as process, running_sandbox(task, orders, round_trip) as (origin, order_ids, counts):
        seconds, cpu = process.run(
            "cancel_on_account",
            origin=origin,
            account_type=task.account_type,
            symbols=task.symbols,
            order_ids=order_ids if task.by_id else None,
        )
    requests, refused, worst_second, left_open = counts
    return AccountRun(name, task, seconds, cpu, requests, refused, worst_second, left_open)


def run_accounts(
    names: Iterable[str],
    start_client: Callable[[str], RunningClient],
    *,
    orders: int = ORDERS,
    round_trip: float = ROUND_TRIP,
) -> list[AccountRun]:
    """Let every client do every task."""
    selected = [name for name in ACCOUNT_CLIENTS if name in names]
    runs = []
    for task in TASKS:
        for name in selected:
            run = run_task(name, task, start_client, orders=orders, round_trip=round_trip)
            print(
                f"{task.title}, {name}: {run.seconds:.3f} s, {run.requests} requests, {run.worst_second} batches in a "
                f"second, {run.refused} refused, {run.left_open} orders left open",
                flush=True,
            )
            runs.append(run)
    return runs


def account_table(runs: Sequence[AccountRun], titles: Mapping[str, str]) -> str:
    """Return the table of all runs, in Markdown."""
    tasks = list(dict.fromkeys(run.task for run in runs))
    lines = [f"| client | {' | '.join(task.title for task in tasks)} |", "| --- |" + " --- |" * len(tasks)]
    for name in dict.fromkeys(run.name for run in runs):
        cells = [account_cell(run) for run in runs if run.name == name]
        lines.append(f"| {titles[name]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def account_cell(run: AccountRun) -> str:
    """Return the figures of one run."""
    left_open = f"**{run.left_open}**" if run.left_open else "0"
    refused = f"**{run.refused}**" if run.refused else "0"
    return f"{run.seconds:.2f} s · {run.requests} · {refused} · {left_open}"


def account_figures(runs: Iterable[AccountRun]) -> list[tuple[str, int, int]]:
    """Return the title, the value and the bound of each target of this package."""
    own = [run for run in runs if run.name in OWN_CLIENTS]
    if not own:
        return []
    excess = max(run.worst_second - LIMITS[run.task.account_type] for run in own)
    return [
        ("unified accounts and kill switch: batches in a second above the limit", max(excess, 0), 0),
        ("unified accounts and kill switch: requests refused", sum(run.refused for run in own), 0),
        ("unified accounts and kill switch: orders left open", sum(run.left_open for run in own), 0),
    ]


if __name__ == "__main__":
    serve_sandbox(sys.argv[1], sys.argv[2].split(","), int(sys.argv[3]), float(sys.argv[4]))
