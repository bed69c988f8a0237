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
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from bitget_spot.sandbox import Sandbox

Start = Callable[..., Sandbox]
Process = Callable[..., subprocess.Popen[str]]
OrdersFile = Callable[[Sandbox, int], Path]
PATIENCE: Final = 20
"""Seconds after which a process that does not end has failed."""

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and terminals are another matter there")


@pytest.fixture
def slow(start: Start) -> Sandbox:
    """An exchange that takes its time for each of the first answers."""
    sandbox = start(orders=200)
    sandbox.inject("delay=0.5", times=200)
    return sandbox


def started(exchange: Sandbox) -> None:
    """Wait until the first requests are with the exchange."""
    until = time.monotonic() + PATIENCE
    while not exchange.arrivals:
        assert time.monotonic() < until
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "status", "told"), [(signal.SIGINT, 130, "Ctrl-C"), (signal.SIGTERM, 143, "SIGTERM")]
)
@pytest.mark.parametrize("as_json", [True, False])
def test_a_signal_in_mid_run(  # noqa: PLR0917 - what a table and its fixtures give
    number: int, status: int, told: str, as_json: bool, slow: Sandbox, process: Process, orders_file: OrdersFile
) -> None:
    """No further request leaves, and the report so far tells of every order what is known: 130, or 143."""
    arguments = ["cancel", "--file", str(orders_file(slow, 150)), "--batch-size", "5", *(["--json"] if as_json else [])]
    running = process(*arguments)
    started(slow)
    running.send_signal(number)
    out, err = running.communicate(timeout=PATIENCE)
    assert running.returncode == status
    assert err.splitlines()[-1] == f"bitget-spot: stopped by {told}"
    assert "Traceback" not in err
    still_open = {order.order_id for order in slow.orders.values() if order.is_open}
    assert len(still_open) > 50
    if as_json:
        rows = json.loads(out)["outcomes"]
        assert len(rows) == 150
        names = {order.client_oid: order.order_id for order in slow.orders.values()}
        for row in rows:
            # One that was in flight may be unknown.
            is_open = (row["orderId"] or names[row["clientOid"]]) in still_open
            assert row["status"] in (("not_sent", "unknown") if is_open else ("accepted", "unknown"))
    else:
        assert re.search(r"Neither accepted nor gone: \d+ of 150 orders[.]\n$", out)


@pytest.mark.parametrize("number", [1, 150])
def test_a_reader_that_goes_early(number: int, slow: Sandbox, process: Process, orders_file: OrdersFile) -> None:
    """Nobody sees a traceback, whatever fits into a buffer, and every order is cancelled."""
    running = process("cancel", "--file", str(orders_file(slow, number)), "--json")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    err = running.stderr.read()
    assert running.wait(PATIENCE) == 0
    assert all(line.startswith("bitget-spot: ") for line in err.splitlines())
    assert sum(order.is_open for order in slow.orders.values()) == 200 - number


def test_a_reader_of_the_progress_that_goes_early(slow: Sandbox, process: Process, orders_file: OrdersFile) -> None:
    """The run goes on to its end."""
    running = process("cancel", "--file", str(orders_file(slow, 150)), "--json")
    assert running.stdout is not None
    assert running.stderr is not None
    running.stderr.close()
    assert json.loads(running.stdout.read())["counts"]["accepted"] == 150
    assert running.wait(PATIENCE) == 0


@pytest.mark.parametrize("closed", ["stdout", "stderr", "stdin"])
def test_a_stream_that_is_closed_from_the_beginning(closed: str, slow: Sandbox) -> None:
    """The others are used all the same."""
    number = ("stdin", "stdout", "stderr").index(closed)
    command = f'exec "$0" -m bitget_spot cancel --order-id 7 {number}>&-'
    done = subprocess.run(
        ["/bin/sh", "-c", command, sys.executable], capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 0
    assert ("gone" in done.stdout) is (closed != "stdout")
    assert "Traceback" not in done.stderr
    assert len(slow.arrivals) == 1


def test_a_pipe_of_orders(slow: Sandbox, process: Process, orders_file: OrdersFile) -> None:
    """A file on stdin."""
    with orders_file(slow, 40).open() as orders:
        running = process("cancel", "--file", "-", stdin=orders)
        out, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0
    assert "none of 40 orders" in out


def test_a_locale_without_the_world_s_letters(process: Process, tmp_path: Path) -> None:
    """Help and messages are written with what there is."""
    posix = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    environment = os.environ | posix
    # So narrow that something is cut off, which is drawn with a letter of its own.
    helped = process("cancel", "--help", env=environment | {"COLUMNS": "40"})
    out, err = helped.communicate(timeout=PATIENCE)
    assert (helped.returncode, err) == (0, "")
    assert out.isascii()
    missing = process("cancel", "--file", str(tmp_path / "订单.csv"), env=environment)
    _, err = missing.communicate(timeout=PATIENCE)
    assert missing.returncode == 2
    assert "No such file or directory" in err


def test_the_sandbox_and_a_client_of_it(process: Process, tmp_path: Path) -> None:
    """`bitget-spot sandbox` prints what a client needs; with it `bitget-spot check` finds everything right."""
    running = process("sandbox", "--port", "0", "--orders", "3")
    assert running.stdout is not None
    lines = [running.stdout.readline() for _ in range(6)]
    told = dict(line.removeprefix("export ").strip().split("=", 1) for line in lines if line.startswith("export "))
    checked = process("check", env=os.environ | told, cwd=tmp_path)
    out, _ = checked.communicate(timeout=PATIENCE)
    assert checked.returncode == 0
    assert "wrong" not in out
    running.send_signal(signal.SIGINT)
    assert running.wait(PATIENCE) == 0


def test_the_package_itself_needs_no_extra() -> None:
    """Importing it imports neither typer nor rich, unless httpx does so for a command of its own."""
    program = (
        "import sys, httpx; before = set(sys.modules); import bitget_spot; "
        "print({name.partition('.')[0] for name in set(sys.modules) - before} & {'typer', 'rich', 'click'})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize("module", ["typer", "rich"])
def test_without_the_extra_the_program_says_what_to_install(module: str, tmp_path: Path) -> None:
    """One line on stderr and status 2."""
    hidden = (
        f"import sys; sys.modules[{module!r}] = None; import bitget_spot.__main__ as m; sys.exit(m.main(['check']))"
    )
    done = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "bitget-spot: the command line needs an extra: pip install 'bitget-spot[cli]'\n"


def test_the_script_is_the_same_program() -> None:
    """What the installation puts beside the interpreter."""
    script = shutil.which("bitget-spot", path=str(Path(sys.executable).parent))
    assert script is not None
    done = subprocess.run([script, "cancel"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no orders" in done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_installs(shell: str, process: Process, tmp_path: Path) -> None:
    """Its script names this program."""
    home = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    running = process("--install-completion", shell, env=os.environ | home)
    out, _ = running.communicate(timeout=PATIENCE)
    assert running.returncode == 0
    assert f"{shell} completion installed" in out
    written = [path.read_text("utf-8") for path in tmp_path.rglob("*bitget*") if path.is_file()]
    assert any("_BITGET_SPOT_COMPLETE" in text for text in written)


class Terminal:
    """A command on a terminal of 80 columns, and what it has written so far."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        import fcntl  # noqa: PLC0415 - not on every system
        import pty  # noqa: PLC0415 - as above
        import struct  # noqa: PLC0415 - as above
        import termios  # noqa: PLC0415 - as above

        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bitget_spot", *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            env=os.environ | {"TERM": "xterm"} | environment,
            start_new_session=True,
            # Only a terminal of its own passes Ctrl-C on.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - nothing else runs here
        )
        os.close(theirs)
        self.text = ""

    def read(self, until: str = "") -> str:
        """Read until a text has come, or the end."""
        while not until or until not in self.text:
            assert select.select([self._ours], [], [], PATIENCE)[0], self.text
            try:
                self.text += os.read(self._ours, 4096).decode()
            except OSError:
                break
        return self.text

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._ours, text.encode())

    def end(self) -> int:
        """Read to the end, and answer the exit status."""
        self.read()
        os.close(self._ours)
        return self._process.wait(PATIENCE)


def test_the_kill_switch_asks(start: Start) -> None:
    """It lists what it will cancel, names account and exchange, and cancels after a yes."""
    exchange = start(orders=9)
    terminal = Terminal("cancel-open", "--symbol", "btcusdt")
    orders = [order for order in exchange.orders.values() if order.symbol == "BTCUSDT"]
    asked = terminal.read(until="[y/N] ")
    assert all(order.order_id in asked for order in orders)
    assert f"{len(orders)} open orders of the live account at {exchange.url}" in asked
    assert all(order.is_open for order in exchange.orders.values())
    terminal.type("y\n")
    assert terminal.end() == 0
    assert sum(order.is_open for order in exchange.orders.values()) == 9 - len(orders)
    assert "accepted, cancelled" in terminal.text


@pytest.mark.parametrize(("answer", "status"), [("n\n", 2), ("\n", 2), ("\x04", 2), ("\x03", 130)])
def test_anything_but_a_yes_cancels_nothing(answer: str, status: int, start: Start) -> None:
    """No, nothing, the end of input, Ctrl-C."""
    exchange = start(orders=3)
    terminal = Terminal("cancel-open")
    terminal.read(until="[y/N] ")
    terminal.type(answer)
    assert terminal.end() == status
    assert all(order.is_open for order in exchange.orders.values())
    assert "Traceback" not in terminal.text


def test_where_nothing_is_open_nobody_is_asked(start: Start) -> None:
    """It is said, with status 0."""
    start(orders=0)
    terminal = Terminal("cancel-open")
    assert terminal.end() == 0
    assert "No order was open." in terminal.text


def test_ctrl_c_on_a_terminal(slow: Sandbox, orders_file: OrdersFile) -> None:
    """The bar goes, the report so far stays, and no line is longer than the terminal."""
    path = orders_file(slow, 150)
    terminal = Terminal("cancel", "--file", str(path), "--batch-size", "5", NO_COLOR="1")
    terminal.read(until="cancelling")
    started(slow)
    terminal.type("\x03")
    assert terminal.end() == 130
    assert "Traceback" not in terminal.text
    report = terminal.text.rpartition("\x1b[2K")[2].replace("\x1b[1m", "").replace("\x1b[0m", "")
    assert "\x1b" not in report
    assert max(map(len, report.splitlines())) <= 80
    assert report.splitlines()[-1] == "bitget-spot: stopped by Ctrl-C"
