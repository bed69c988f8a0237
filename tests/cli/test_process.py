"""The program as a process of its own: signals, pipes, terminals."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import pytest
from command_line import StartProcess, StartSandbox, WriteOrdersFile

from bitget_spot.sandbox import Sandbox

TIMEOUT: Final = 20
"""Seconds after which a process that has not ended fails its test."""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other signals and terminals")


@pytest.fixture
def slow_sandbox(start_sandbox: StartSandbox) -> Sandbox:
    """Return a sandbox with 200 orders whose responses take half a second."""
    sandbox = start_sandbox(orders=200)
    sandbox.inject("delay=0.5", times=200)
    return sandbox


def wait_for_requests(sandbox: Sandbox, *, with_orders: bool = False) -> None:
    """Wait until the sandbox has received a request, or one that cancels orders."""
    deadline = time.monotonic() + TIMEOUT
    while not any(arrival.order_ids or not with_orders for arrival in sandbox.arrivals):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def count_open(sandbox: Sandbox) -> int:
    """Return how many orders are open."""
    return sum(order.is_open for order in sandbox.orders.values())


@pytest.mark.parametrize(
    ("number", "status", "name"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")]
)
@pytest.mark.parametrize("as_json", [True, False])
def test_signal_during_a_run(  # noqa: PLR0917 - the columns of a table and its fixtures
    number: int,
    status: int,
    name: str,
    as_json: bool,
    slow_sandbox: Sandbox,
    start_process: StartProcess,
    write_orders_file: WriteOrdersFile,
) -> None:
    """No further request leaves, the report says what is known of every order, and the status is 130 or 143."""
    arguments = ["cancel", "--file", str(write_orders_file(slow_sandbox, 150)), "--batch-size", "5"]
    process = start_process(*arguments, *(["--json"] if as_json else []))
    wait_for_requests(slow_sandbox)
    process.send_signal(number)
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == status
    assert "bitget-spot: Stopping; waiting for requests in flight.\n" in err
    assert err.splitlines()[-1] == f"bitget-spot: stopped by {name}"
    assert "Traceback" not in err
    still_open = {order.order_id for order in slow_sandbox.orders.values() if order.is_open}
    assert len(still_open) > 50
    if as_json:
        rows = json.loads(out)["outcomes"]
        assert len(rows) == 150
        order_ids = {order.client_oid: order.order_id for order in slow_sandbox.orders.values()}
        for row in rows:
            # The result of a request that was in flight may be unknown.
            is_open = (row["orderId"] or order_ids[row["clientOid"]]) in still_open
            assert row["status"] in (("not_sent", "unknown") if is_open else ("accepted", "unknown"))
    else:
        assert re.search(r"\d+ of 150 orders are neither accepted nor gone[.]\n$", out)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_during_the_kill_switch(
    number: int, status: int, slow_sandbox: Sandbox, start_process: StartProcess
) -> None:
    """The report has every order that was listed, and no outcome contradicts the exchange."""
    process = start_process("cancel-open", "--yes", "--json", "--list-first")
    wait_for_requests(slow_sandbox, with_orders=True)
    process.send_signal(number)
    out, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == status
    assert "Traceback" not in err
    rows = json.loads(out)["outcomes"]
    assert {row["orderId"] for row in rows} == set(slow_sandbox.orders)
    for row in rows:
        possible = ("not_sent", "unknown") if slow_sandbox.orders[row["orderId"]].is_open else ("accepted", "unknown")
        assert row["status"] in possible


@pytest.mark.parametrize("number", [1, 150])
def test_reader_of_the_result_that_closes_early(
    number: int, slow_sandbox: Sandbox, start_process: StartProcess, write_orders_file: WriteOrdersFile
) -> None:
    """Every order is cancelled, and no traceback is shown, whether or not the result fits into a buffer."""
    process = start_process("cancel", "--file", str(write_orders_file(slow_sandbox, number)), "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(TIMEOUT) == 0
    assert all(line.startswith("bitget-spot: ") for line in err.splitlines())
    assert count_open(slow_sandbox) == 200 - number


def test_reader_of_the_progress_that_closes_early(
    slow_sandbox: Sandbox, start_process: StartProcess, write_orders_file: WriteOrdersFile
) -> None:
    """The run continues to its end."""
    process = start_process("cancel", "--file", str(write_orders_file(slow_sandbox, 150)), "--json")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stderr.close()
    assert json.loads(process.stdout.read())["counts"]["accepted"] == 150
    assert process.wait(TIMEOUT) == 0


@pytest.mark.parametrize("closed", ["stdout", "stderr", "stdin"])
def test_stream_that_is_closed_from_the_beginning(closed: str, slow_sandbox: Sandbox) -> None:
    """The command runs, and the other streams are used."""
    number = ("stdin", "stdout", "stderr").index(closed)
    command = f'exec "$0" -m bitget_spot cancel --order-id 7 {number}>&-'
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable], capture_output=True, text=True, check=False, timeout=TIMEOUT
    )
    assert done.returncode == 0
    assert ("gone" in done.stdout) is (closed != "stdout")
    assert "Traceback" not in done.stderr
    assert len(slow_sandbox.arrivals) == 1


def test_orders_from_a_pipe(
    slow_sandbox: Sandbox, start_process: StartProcess, write_orders_file: WriteOrdersFile
) -> None:
    """The orders can come from stdin."""
    with write_orders_file(slow_sandbox, 40).open() as orders:
        process = start_process("cancel", "--file", "-", stdin=orders)
        out, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    assert "All 40 orders are accepted or gone." in out


def test_ascii_locale(start_process: StartProcess, tmp_path: Path) -> None:
    """Help and messages are written with the characters that the locale has."""
    posix = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    environment = os.environ | posix
    # So narrow that texts are truncated, which is shown by a character that ASCII does not have.
    process = start_process("cancel", "--help", env=environment | {"COLUMNS": "40"})
    out, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, err) == (0, "")
    assert out.isascii()
    process = start_process("cancel", "--file", str(tmp_path / "订单.csv"), env=environment)
    _, err = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 2
    assert "No such file or directory" in err


def test_sandbox_command_and_its_client(start_process: StartProcess, tmp_path: Path) -> None:
    """`bitget-spot sandbox` prints what a client needs; with it, `bitget-spot check` finds nothing wrong."""
    sandbox_process = start_process("sandbox", "--port", "0", "--orders", "3")
    assert sandbox_process.stdout is not None
    variables = {}
    for _ in range(6):
        line = sandbox_process.stdout.readline()
        if line.startswith("export "):
            name, _, value = line.removeprefix("export ").strip().partition("=")
            variables[name] = value
    check_process = start_process("check", env=os.environ | variables, cwd=tmp_path)
    out, _ = check_process.communicate(timeout=TIMEOUT)
    assert check_process.returncode == 0
    assert "wrong" not in out
    sandbox_process.send_signal(signal.SIGINT)
    assert sandbox_process.wait(TIMEOUT) == 0


def test_the_package_needs_no_extra() -> None:
    """Importing it imports neither typer nor rich, unless httpx does so for a command of its own."""
    program = (
        "import sys, httpx; before = set(sys.modules); import bitget_spot; "
        "print({name.partition('.')[0] for name in set(sys.modules) - before} & {'typer', 'rich', 'click'})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_the_program_without_its_extra(module: str, tmp_path: Path) -> None:
    """One line on stderr says what to install, and the status is 2."""
    program = (
        f"import sys; sys.modules[{module!r}] = None; import bitget_spot.__main__ as m; sys.exit(m.main(['check']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert (
        done.stderr
        == "bitget-spot: the command line requires an extra; install it with: pip install 'bitget-spot[cli]'\n"
    )


def test_installed_script() -> None:
    """The script next to the interpreter is the same program."""
    script = shutil.which("bitget-spot", path=str(Path(sys.executable).parent))
    assert script is not None
    done = subprocess.run([script, "cancel"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no orders" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_completion_installs(shell: str, start_process: StartProcess, tmp_path: Path) -> None:
    """The script that is written for the shell calls this program."""
    home = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    process = start_process("--install-completion", shell, env=os.environ | home)
    out, _ = process.communicate(timeout=TIMEOUT)
    assert process.returncode == 0
    assert f"{shell} completion installed" in out
    scripts = [path.read_text("utf-8") for path in tmp_path.rglob("*bitget*") if path.is_file()]
    assert any("_BITGET_SPOT_COMPLETE" in script for script in scripts)


class TerminalSession:
    """A command on a terminal of 80 columns, and what it has written so far."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        import fcntl  # noqa: PLC0415 - not on every system
        import pty  # noqa: PLC0415 - as above
        import struct  # noqa: PLC0415 - as above
        import termios  # noqa: PLC0415 - as above

        self._controller, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bitget_spot", *arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=os.environ | {"TERM": "xterm"} | environment,
            start_new_session=True,
            # Ctrl-C reaches a process only from its controlling terminal.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - it takes no lock
        )
        os.close(terminal)
        self._output = b""

    @property
    def text(self) -> str:
        """What the process has written so far; a character may have been read only in part."""
        return self._output.decode(errors="ignore")

    def read(self, until: str = "") -> str:
        """Read until a text has been written, or to the end."""
        while not until or until not in self.text:
            assert select.select([self._controller], [], [], TIMEOUT)[0], self.text
            try:
                self._output += os.read(self._controller, 4096)
            except OSError:
                break
        return self.text

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._controller, text.encode())

    def finish(self) -> int:
        """Read to the end, and return the exit status."""
        self.read()
        os.close(self._controller)
        return self._process.wait(TIMEOUT)


@pytest.mark.parametrize("reply", ["y\n", "YES\n"])
def test_cancel_open_asks_first(reply: str, start_sandbox: StartSandbox) -> None:
    """It lists the orders with account and exchange, and cancels them if the user says yes."""
    sandbox = start_sandbox(orders=9)
    session = TerminalSession("cancel-open", "--symbol", "btcusdt")
    orders = [order for order in sandbox.orders.values() if order.symbol == "BTCUSDT"]
    question = session.read(until="[y/N] ")
    assert all(order.order_id in question for order in orders)
    assert f"{len(orders)} open orders of the live account at {sandbox.url}" in question
    assert count_open(sandbox) == 9
    session.type(reply)
    assert session.finish() == 0
    assert count_open(sandbox) == 9 - len(orders)
    assert "All 3 orders are cancelled; none was filled." in session.text


@pytest.mark.parametrize(
    ("reply", "status", "message"),
    [
        ("n\n", 2, "bitget-spot: Aborted."),
        ("\n", 2, "bitget-spot: Aborted."),
        ("\x04", 2, "bitget-spot: Aborted."),
        ("\x03", 130, "bitget-spot: stopped by Ctrl-C"),
    ],
    ids=["no", "enter", "end of input", "Ctrl-C"],
)
def test_cancel_open_without_a_yes_cancels_nothing(
    reply: str, status: int, message: str, start_sandbox: StartSandbox
) -> None:
    """Any other reply ends the command before anything is cancelled."""
    sandbox = start_sandbox(orders=3)
    session = TerminalSession("cancel-open")
    session.read(until="[y/N] ")
    session.type(reply)
    assert session.finish() == status
    assert count_open(sandbox) == 3
    assert message in session.text
    assert "Traceback" not in session.text


def test_cancel_open_does_not_ask_if_nothing_is_open(start_sandbox: StartSandbox) -> None:
    """The output says that no order was open, and the status is 0."""
    start_sandbox(orders=0)
    session = TerminalSession("cancel-open")
    assert session.finish() == 0
    assert "There were no open orders." in session.text


def test_cancel_open_does_not_trust_one_empty_listing(start_sandbox: StartSandbox) -> None:
    """Before it says that nothing is open, it lists the orders again."""
    sandbox = start_sandbox(orders=3)
    sandbox.inject("list-data=[]")
    session = TerminalSession("cancel-open")
    try:
        assert "3 open orders of" in session.read(until="[y/N] ")
        session.type("y\n")
    finally:
        session.finish()
    assert count_open(sandbox) == 0


def test_ctrl_c_on_a_terminal(slow_sandbox: Sandbox, write_orders_file: WriteOrdersFile) -> None:
    """The progress bar disappears, the report so far stays, and no line is longer than the terminal."""
    path = write_orders_file(slow_sandbox, 150)
    session = TerminalSession("cancel", "--file", str(path), "--batch-size", "5", NO_COLOR="1")
    session.read(until="cancelling")
    wait_for_requests(slow_sandbox)
    session.type("\x03")
    assert session.finish() == 130
    assert "Traceback" not in session.text
    report = session.text.rpartition("\x1b[2K")[2].replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "\x1b" not in report
    assert max(map(len, report.splitlines())) <= 80
    assert report.splitlines()[-1] == "bitget-spot: stopped by Ctrl-C"
