"""The example programs of the documentation do what they say."""

from __future__ import annotations

import csv
import io
import re
import runpy
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Final, Literal

import pytest
import verify_demo_account
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from demo import main
from environment import clear_variables, set_variables
from forward_proxy import ForwardProxy
from record_demo import PICTURE, WIDTH, record
from rich.console import Console
from rsa_sandbox import is_signed_by

from bitget_spot import Status
from bitget_spot.sandbox import Sandbox

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
EXAMPLES: Final = DOCS / "examples"
PAGE: Final = DOCS / "examples.md"
FIRST: Final = "1300000000813847339"
SECOND: Final = "1300000001043469773"
THIRD: Final = "1300000002548977048"
LONG_EXAMPLE: Final = "verify_demo_account.py"
RunExample = Callable[..., str]


@pytest.fixture(autouse=True)
def environment(bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set the variables that `python -m bitget_spot.sandbox` prints for a client, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    clear_variables(monkeypatch)
    set_variables(bitget_sandbox, monkeypatch)


@pytest.fixture
def run_example(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> RunExample:
    """Return a function that runs an example as a program and returns its output."""

    def run(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return run


def cancelled_orders(sandbox: Sandbox) -> set[str]:
    """Return the ids of the orders that are cancelled."""
    return {order_id for order_id, order in sandbox.orders.items() if order.status == "cancelled"}


def words(text: str) -> set[str]:
    """Return the words of the demo's output, without the names of orders, which differ from run to run."""
    lines = (line for line in text.replace("\xa0", " ").splitlines() if "usdt" not in line)
    return set(re.findall(r"[A-Za-z]{2,}", "\n".join(lines)))


def picture_text(picture: str) -> str:
    """Return the lines of text in a picture by rich."""
    parts = re.findall(r'<text class="[^"]*" x="[^"]*" y="([^"]*)"[^>]*>([^<]*)</text>', picture)
    lines: dict[str, str] = {}
    for height, text in parts:
        lines[height] = lines.get(height, "") + text.replace("&#160;", " ").replace("&#x27;", "'")
    return "\n".join([*lines.values(), *re.findall(r"-title[^>]*>([^<]*)", picture)])


def test_demo_shows_the_outcome_of_every_order() -> None:
    """`make demo` cancels 120 orders despite a dropped connection: each is accepted or gone, none is unknown."""
    out = io.StringIO()
    report = main(Console(file=out, width=100))
    assert len(report) == 120
    assert report.counts[Status.ACCEPTED] + report.counts[Status.GONE] == 120
    assert max(outcome.attempts for outcome in report) > 1
    output = out.getvalue()
    assert "InvalidBatchError" in output
    assert "43001" in output
    assert "reached the exchange: 0" in output


def test_picture_shows_the_current_demo() -> None:
    """docs/demo.svg has the words of a run of the demo, and loads nothing."""
    picture = PICTURE.read_text("utf-8")
    out = io.StringIO()
    main(Console(file=out, width=WIDTH))
    assert words(out.getvalue()) == words(picture_text(picture)) - {"make", "demo"}
    for text in (picture, record(port=0)):
        assert not re.search(r"@font-face|@import|url\((?!#)|href|<image", text)
        assert str(Path.home()) not in text


def test_every_example_is_on_the_site_and_short() -> None:
    """The page of examples shows each file, and none is wider than the page or, but for one, longer than a screen."""
    files = {path.name for path in EXAMPLES.glob("*.py")} - {"demo.py", "record_demo.py"}
    assert set(re.findall(r"\{literalinclude\} examples/(\S+)", PAGE.read_text("utf-8"))) == files
    lines = {name: (EXAMPLES / name).read_text("utf-8").splitlines() for name in files}
    assert [name for name in files if len(lines[name]) > 50] == [LONG_EXAMPLE]
    too_wide = []
    for name in files - {LONG_EXAMPLE}:
        too_wide += [(name, line) for line in lines[name] if len(line) > 98]
    assert too_wide == []


def test_cancel_a_list(run_example: RunExample, bitget_sandbox: Sandbox) -> None:
    """`cancel_a_list.py` cancels orders by both kinds of identifier, and shows the one that did not exist."""
    output = run_example("cancel_a_list")
    assert "4 orders: 3 accepted, 1 gone" in output
    assert cancelled_orders(bitget_sandbox) == {FIRST, SECOND, THIRD}


def test_cancel_a_list_prints_rejected_orders(run_example: RunExample, bitget_sandbox: Sandbox) -> None:
    """`cancel_a_list.py` prints which orders to check if the exchange refuses the requests."""
    bitget_sandbox.inject("code=45055", times=2)
    assert run_example("cancel_a_list").count("check this order") == 4


def test_cancel_with_asyncio(run_example: RunExample, bitget_sandbox: Sandbox) -> None:
    """`cancel_with_asyncio.py` cancels the orders of two strategies from two tasks."""
    output = run_example("cancel_with_asyncio")
    assert "grid: 2 orders: 2 accepted" in output
    assert "maker: 1 order: 1 accepted" in output
    assert cancelled_orders(bitget_sandbox) == {FIRST, SECOND, THIRD}


def test_confirm(run_example: RunExample, bitget_sandbox: Sandbox) -> None:
    """`confirm.py` distinguishes an order that was filled from one that is cancelled."""
    bitget_sandbox.fill(SECOND)
    output = run_example("confirm")
    assert f"{FIRST} is cancelled" in output
    assert f"{SECOND} was filled" in output


def test_kill_switch(run_example: RunExample, bitget_sandbox: Sandbox) -> None:
    """`kill_switch.py` cancels every open order and exits with status 0."""
    with pytest.raises(SystemExit) as exit_info:
        run_example("kill_switch")
    assert exit_info.value.code == 0
    assert not any(order.is_open for order in bitget_sandbox.orders.values())


@pytest.mark.parametrize("fault", ["code=40085", "code=40014"])
def test_kill_switch_that_is_refused(
    run_example: RunExample, bitget_sandbox: Sandbox, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    """`kill_switch.py` prints the reason, and its status is 1."""
    bitget_sandbox.inject(fault, chance=1)
    with pytest.raises(SystemExit) as exit_info:
        run_example("kill_switch")
    assert exit_info.value.code == 1
    assert capsys.readouterr().out.startswith(fault.removeprefix("code="))


def test_warm_up_connections(run_example: RunExample, bitget_sandbox: Sandbox) -> None:
    """`warm_up_connections.py` opens connections, measures the round trip and cancels every order."""
    output = run_example("warm_up_connections")
    assert "120 orders done" in output
    # Eighteen to open the connections, one to read the clock.
    assert sum(arrival.path.endswith("/public/time") for arrival in bitget_sandbox.arrivals) == 19
    assert len(cancelled_orders(bitget_sandbox)) == 120


@pytest.mark.parametrize(("seconds", "is_too_late"), [("30", False), ("0.000001", True)])
def test_keep_a_deadline(run_example: RunExample, bitget_sandbox: Sandbox, seconds: str, is_too_late: bool) -> None:
    """`keep_a_deadline.py` cancels all orders, also those that the deadline kept from being sent."""
    assert ("the deadline passed" in run_example("keep_a_deadline", seconds)) == is_too_late
    assert len(cancelled_orders(bitget_sandbox)) == 2


@pytest.mark.parametrize(
    ("fault", "argument", "variable", "advice"),
    [
        (None, FIRST, "", "All orders are accepted or gone."),
        (None, " ", "", "Correct orders[0].orderId"),
        (None, FIRST, "BITGET_PASSPHRASE=", "BITGET_PASSPHRASE"),
        (None, FIRST, "BITGET_PASSPHRASE=wrong", "40012: copy"),
        (None, FIRST, "BITGET_DEMO=1", "40099: wrong account type"),
        ("code=40085", FIRST, "", "Check these orders: 1 order: 1 not_sent"),
        ("code=40018", FIRST, "", "40018: check the permissions"),
        ("code=45055", FIRST, "", "Check these orders: 1 order: 1 rejected"),
        (None, FIRST, "BITGET_API_BASE_URL=http://127.0.0.1:1", "Check these orders: 1 order: 1 not_sent"),
    ],
)
def test_handle_exceptions(
    *,
    fault: str | None,
    argument: str,
    variable: str,
    advice: str,
    run_example: RunExample,
    bitget_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`handle_exceptions.py` prints what to do about each error."""
    if fault:
        bitget_sandbox.inject(fault)
    if variable:
        monkeypatch.setenv(*variable.split("=", 1))
    assert advice in run_example("handle_exceptions", argument)


def test_keep_records(run_example: RunExample) -> None:
    """`keep_records.py` writes a row for each order, and leaves no file."""
    rows = list(csv.DictReader(run_example("keep_records").splitlines()))
    assert list(Path().iterdir()) == []
    assert [(row["orderId"], row["status"], row["attempts"]) for row in rows] == [
        (FIRST, "accepted", "1"),
        (SECOND, "accepted", "1"),
    ]


def test_share_a_budget(bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Two processes of `share_a_budget.py` need two seconds' worth of requests and are never refused for their rate."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    symbols = ("BTCUSDT", "ETHUSDT")
    for symbol in symbols:
        bitget_sandbox.open_orders(470, symbol=symbol)
    command = [sys.executable, str(EXAMPLES / "share_a_budget.py")]
    bots = [subprocess.Popen([*command, symbol], stdout=subprocess.PIPE, text=True) for symbol in symbols]
    outputs = [bot.communicate(timeout=60)[0] for bot in bots]
    assert [bot.returncode for bot in bots] == [0, 0]
    assert all("confirmed: 500 cancelled" in output for output in outputs)
    assert len(cancelled_orders(bitget_sandbox)) == 1000
    assert 429 not in {arrival.status for arrival in bitget_sandbox.arrivals}
    assert Path("bitget-rate-limit.sqlite").is_file()


def test_my_bot(run_example: RunExample, bitget_sandbox: Sandbox) -> None:
    """`my_bot.py` cancels its orders and prints those that were filled."""
    bitget_sandbox.fill(FIRST)
    assert run_example("my_bot") == f"positions to close: ['{FIRST}']\n"
    assert cancelled_orders(bitget_sandbox) == {SECOND}


def test_rsa_key(run_example: RunExample, bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """`rsa_key.py` reads an encrypted key from a file, and its signature matches the public key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encryption = serialization.BestAvailableEncryption(b"words")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    Path("bitget-key.pem").write_bytes(pem)
    bitget_sandbox.add_account(
        bitget_sandbox.api_key, "", bitget_sandbox.passphrase, verify=partial(is_signed_by, key.public_key())
    )
    monkeypatch.setenv("BITGET_SECRET_KEY_PASSWORD", "words")
    assert "1 order: 1 accepted" in run_example("rsa_key")


@pytest.mark.parametrize("account_type", ["classic", "unified"])
def test_verify_demo_account(
    account_type: Literal["classic", "unified"], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`verify_demo_account.py` finds the sandbox to be as assumed, cancels two orders and opens none."""
    monkeypatch.setenv("BITGET_DEMO", "1")
    with Sandbox(demo=True, account_type=account_type) as demo:
        monkeypatch.setenv("BITGET_API_BASE_URL", demo.url)
        assert verify_demo_account.main([FIRST, SECOND]) == 0
        assert cancelled_orders(demo) == {FIRST, SECOND}
        assert len(demo.orders) == 120
        output = capsys.readouterr().out
        assert output.count("as assumed") == len(output.splitlines()) - 2
        assert f"The account is {account_type}." in output


def test_verify_demo_account_reports_differences(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An exchange that behaves otherwise is shown as DIFFERS, and the status is 1."""
    monkeypatch.setenv("BITGET_DEMO", "1")
    with Sandbox(demo=True, cancel_delay=30) as demo:
        monkeypatch.setenv("BITGET_API_BASE_URL", demo.url)
        monkeypatch.setattr("bitget_spot._bulk.confirmation.STALL_TIMEOUT", 0.1)
        assert verify_demo_account.main([FIRST, SECOND]) == 1
    assert re.search("takes effect within 10 s .* DIFFERS", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("demo", "order_ids", "advice"),
    [
        ("0", [FIRST, SECOND], "Set BITGET_DEMO=1"),
        ("1", [FIRST], "Name two"),
        ("1", [FIRST, FIRST], "Name two"),
        ("1", [FIRST, "1"], "Not open on the demo account: 1"),
        ("1", [FIRST, SECOND], "40099"),
    ],
)
def test_verify_demo_account_refuses(
    *,
    demo: str,
    order_ids: list[str],
    advice: str,
    bitget_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Without demo, without two open orders or with a live key, nothing is cancelled."""
    monkeypatch.setenv("BITGET_DEMO", demo)
    with Sandbox(demo=True) as demo_sandbox:
        if advice.startswith("Not open"):
            monkeypatch.setenv("BITGET_API_BASE_URL", demo_sandbox.url)
        assert verify_demo_account.main(order_ids) != 0
        assert advice in capsys.readouterr().err
        assert cancelled_orders(demo_sandbox) | cancelled_orders(bitget_sandbox) == set()


def test_demo_trading(run_example: RunExample, monkeypatch: pytest.MonkeyPatch) -> None:
    """`demo_trading.py` cancels on a demo account, and explains the error if the key is a live one."""
    assert "40099" in run_example("demo_trading")
    with Sandbox(demo=True) as demo:
        monkeypatch.setenv("BITGET_API_BASE_URL", demo.url)
        assert "1 order: 1 accepted" in run_example("demo_trading")
        assert cancelled_orders(demo) == {FIRST}


def test_own_transport(run_example: RunExample, bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """`own_transport.py` cancels over its own transport, and fails if the address is not one of this machine."""
    assert "1 order: 1 accepted" in run_example("own_transport")
    assert cancelled_orders(bitget_sandbox) == {FIRST}
    monkeypatch.setenv("LOCAL_ADDRESS", "192.0.2.1")
    assert "1 order: 1 not_sent" in run_example("own_transport")


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[str]]]:
    """Run a proxy; the value is its URL and the URLs that it has forwarded."""
    forwarded_urls: list[str] = []

    class RecordingProxy(ForwardProxy):
        """Records the URLs."""

        def do_POST(self) -> None:  # noqa: N802 - the name in http.server
            forwarded_urls.append(self.path)
            super().do_POST()

    with ThreadingHTTPServer(("127.0.0.1", 0), RecordingProxy) as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", forwarded_urls
        server.shutdown()
        thread.join()


def test_through_a_proxy(
    run_example: RunExample, bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, proxy: tuple[str, list[str]]
) -> None:
    """`through_a_proxy.py` reaches the exchange through the proxy, and the other examples do not use it."""
    proxy_url, forwarded_urls = proxy
    monkeypatch.setenv("HTTPS_PROXY", proxy_url)
    monkeypatch.setenv("HTTP_PROXY", proxy_url)
    run_example("my_bot")
    assert forwarded_urls == []
    assert "1 order: 1 gone" in run_example("through_a_proxy", proxy_url)
    assert [url.startswith(bitget_sandbox.url) for url in forwarded_urls] == [True]
