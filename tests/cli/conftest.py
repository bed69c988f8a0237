"""Fixtures that run commands in this process and in processes of their own."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from command_line import Cli, CommandResult, StartProcess, StartSandbox, WriteOrdersFile
from environment import clear_variables, set_variables

from bitget_spot.__main__ import main
from bitget_spot.sandbox import Sandbox

COMMAND = [sys.executable, "-W", "error", "-m", "bitget_spot"]
SECRETS = ("sandbox-secret-key", "sandbox-passphrase")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Remove every variable that changes a command, and restore the signal handler afterwards."""
    clear_variables(monkeypatch)
    for name in ("COLUMNS", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    handler = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def start_sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[StartSandbox]:
    """Start sandboxes, each with the environment variables of a client for it."""
    with ExitStack() as stack:

        def start(**options: Any) -> Sandbox:
            sandbox = stack.enter_context(Sandbox(**options))
            set_variables(sandbox, monkeypatch)
            return sandbox

        yield start


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    """Return a sandbox with 120 open orders and a high rate limit."""
    return start_sandbox(requests_per_second=1000)


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run a command in this process, and assert that it shows neither a traceback nor a secret."""

    def run(*arguments: str, stdin: str | bytes = "") -> CommandResult:
        content = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
        status = main(arguments)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        assert not any(secret in captured.out + captured.err for secret in SECRETS)
        return CommandResult(status, captured.out, captured.err)

    return run


@pytest.fixture
def start_process() -> Iterator[StartProcess]:
    """Start commands as processes, which are killed at the end of the test if they still run."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **options: Any) -> subprocess.Popen[str]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
        process = subprocess.Popen([*COMMAND, *arguments], text=True, **(streams | options))
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        with process:
            pass


@pytest.fixture
def write_orders_file(tmp_path: Path) -> WriteOrdersFile:
    """Write some of a sandbox's orders to a CSV file, every third by its clientOid."""

    def write(sandbox: Sandbox, number: int) -> Path:
        lines = ["clientOid,symbol,orderId"]
        for index, order in enumerate(list(sandbox.orders.values())[:number]):
            if index % 3:
                lines.append(f",{order.symbol},{order.order_id}")
            else:
                lines.append(f"{order.client_oid},{order.symbol},")
        path = tmp_path / "orders.csv"
        path.write_text("\n".join(lines), "utf-8")
        return path

    return write
