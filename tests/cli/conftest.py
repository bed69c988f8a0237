"""The command line, run in this process and in others."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from attrs import frozen
from environment import clear_variables, set_variables

from bitget_spot.__main__ import main
from bitget_spot.sandbox import Sandbox

COMMAND = [sys.executable, "-W", "error", "-m", "bitget_spot"]
SECRETS = ("sandbox-secret-key", "sandbox-passphrase")


@frozen
class Ended:
    """How a command has ended."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """The JSON object on stdout."""
        return json.loads(self.out)


Cli: TypeAlias = Callable[..., Ended]


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the environment's own, and the signals as they were."""
    clear_variables(monkeypatch)
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Sandbox]]:
    """Start an exchange, and let the environment name it."""
    with ExitStack() as stack:

        def one(**options: Any) -> Sandbox:
            sandbox = stack.enter_context(Sandbox(**options))
            set_variables(sandbox, monkeypatch)
            return sandbox

        yield one


@pytest.fixture
def exchange(start: Callable[..., Sandbox]) -> Sandbox:
    """An exchange that the environment names, with 120 open orders and its limit out of the way."""
    return start(requests_per_second=1000)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in this process, and hold that it shows neither a traceback nor a secret."""

    def run(*arguments: str, stdin: str | bytes = "") -> Ended:
        content = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        status = main(arguments)
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        assert not any(secret in told.out + told.err for secret in SECRETS)
        return Ended(status, told.out, told.err)

    return run


@pytest.fixture
def process() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command as a process of its own, which ends with the test at the latest."""
    started: list[subprocess.Popen[str]] = []

    def one(*arguments: str, **more: Any) -> subprocess.Popen[str]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL} | more
        started.append(subprocess.Popen([*COMMAND, *arguments], text=True, **streams))
        return started[-1]

    yield one
    for running in started:
        running.kill()
        with running:
            pass


@pytest.fixture
def orders_file(tmp_path: Path) -> Callable[[Sandbox, int], Path]:
    """Write some of an exchange's orders into a CSV file, every third by its clientOid."""

    def write(sandbox: Sandbox, number: int) -> Path:
        lines = ["clientOid,symbol,orderId"]
        for index, order in enumerate(list(sandbox.orders.values())[:number]):
            by_id, by_oid = (order.order_id, "") if index % 3 else ("", order.client_oid)
            lines.append(f"{by_oid},{order.symbol},{by_id}")
        path = tmp_path / "orders.csv"
        path.write_text("\n".join(lines), "utf-8")
        return path

    return write
