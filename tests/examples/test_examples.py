"""The examples that people will copy do what they say."""

from __future__ import annotations

import base64
import csv
import io
import re
import runpy
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final

import httpx
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from demo import main
from record_demo import PICTURE, WIDTH, record
from rich.console import Console
from environment import clear_variables, set_variables

from bitget_spot import Status
from bitget_spot.sandbox import Sandbox

HERE: Final = Path(__file__).resolve().parent
SITE: Final = HERE.parents[1] / "docs" / "examples.md"
FIRST, SECOND, THIRD = "1300000000813847339", "1300000001043469773", "1300000002548977048"
Run = Callable[..., str]


@pytest.fixture(autouse=True)
def surroundings(bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Set what `python -m bitget_spot.sandbox` tells a client to set, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    clear_variables(monkeypatch)
    set_variables(bitget_sandbox, monkeypatch)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Answer what runs an example as a program, and answers what it prints."""

    def run(name: str, *arguments: str) -> str:
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *arguments])
        runpy.run_path(str(HERE / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    return run


def cancelled(sandbox: Sandbox) -> set[str]:
    """Name the orders that are cancelled."""
    return {order_id for order_id, order in sandbox.orders.items() if order.status == "cancelled"}


def words(text: str) -> set[str]:
    """Answer the words of an output of the demo, without the names of orders, which differ from run to run."""
    lines = (line for line in text.replace("\xa0", " ").splitlines() if "usdt" not in line)
    return set(re.findall(r"[A-Za-z]{2,}", "\n".join(lines)))


def test_the_demo_tells_what_became_of_every_order() -> None:
    """`make demo` cancels 120 mixed orders through a dropped connection: each is accepted or gone, none is unknown."""
    out = io.StringIO()
    report = main(Console(file=out, width=100))
    assert len(report) == 120
    assert report.counts[Status.ACCEPTED] + report.counts[Status.GONE] == 120
    assert max(outcome.attempts for outcome in report.outcomes) > 1
    told = out.getvalue()
    assert "InvalidBatchError" in told
    assert "43001" in told
    assert "meanwhile: 0" in told


def test_the_picture_of_the_demo_shows_what_the_demo_tells() -> None:
    """docs/demo.svg is of today's demo: its words are those of a run; and it fetches nothing."""
    picture = PICTURE.read_text("utf-8")
    out = io.StringIO()
    main(Console(file=out, width=WIDTH))
    assert words(out.getvalue()) == words(shown(picture)) - {"make", "demo"}
    for text in (picture, record(port=0)):
        assert not re.search(r"@font-face|@import|url\((?!#)|href|<image", text)
        assert str(Path.home()) not in text


def shown(picture: str) -> str:
    """Answer the lines of text of a picture by rich."""
    parts = re.findall(r'<text class="[^"]*" x="[^"]*" y="([^"]*)"[^>]*>([^<]*)</text>', picture)
    lines: dict[str, str] = {}
    for height, text in parts:
        lines[height] = lines.get(height, "") + text.replace("&#160;", " ").replace("&#x27;", "'")
    return "\n".join([*lines.values(), *re.findall(r"-title[^>]*>([^<]*)", picture)])


def test_every_example_is_on_the_site_and_short() -> None:
    """The page of examples shows each file, and none is longer than a screen or wider than the page."""
    ours = {"demo.py", "record_demo.py", Path(__file__).name}
    files = {path.name for path in HERE.glob("*.py")} - ours
    assert set(re.findall(r"\{literalinclude\} \.\./tests/examples/(\S+)", SITE.read_text("utf-8"))) == files
    lines = {name: (HERE / name).read_text("utf-8").splitlines() for name in files}
    assert [name for name in files if len(lines[name]) > 46] == []
    assert [(name, line) for name in files for line in lines[name] if len(line) > 98] == []


def test_a_list_is_cancelled(run: Run, bitget_sandbox: Sandbox) -> None:
    """`cancel_a_list.py` cancels orders of both kinds, and shows the one that was not there."""
    told = run("cancel_a_list")
    assert "4 orders: 3 accepted, 1 gone" in told
    assert cancelled(bitget_sandbox) == {FIRST, SECOND, THIRD}


def test_a_list_s_doubtful_orders_are_named(run: Run, bitget_sandbox: Sandbox) -> None:
    """`cancel_a_list.py` says which orders want looking at when the exchange refuses."""
    bitget_sandbox.inject("code=45055", times=2)
    assert run("cancel_a_list").count("look at this one") == 4


def test_tasks_share_a_client(run: Run, bitget_sandbox: Sandbox) -> None:
    """`cancel_with_asyncio.py` cancels the orders of two strategies from two tasks."""
    told = run("cancel_with_asyncio")
    assert "grid: 2 orders: 2 accepted" in told
    assert "maker: 1 order: 1 accepted" in told
    assert cancelled(bitget_sandbox) == {FIRST, SECOND, THIRD}


def test_what_has_filled_is_told_apart(run: Run, bitget_sandbox: Sandbox) -> None:
    """`confirm.py` tells an order that has filled from one that is cancelled."""
    bitget_sandbox.fill(SECOND)
    told = run("confirm")
    assert f"{FIRST} is cancelled" in told
    assert f"{SECOND} has filled" in told


def test_the_kill_switch_leaves_nothing_open(run: Run, bitget_sandbox: Sandbox) -> None:
    """`kill_switch.py` cancels every open order and ends with status 0."""
    with pytest.raises(SystemExit) as end:
        run("kill_switch")
    assert end.value.code == 0
    assert not any(order.is_open for order in bitget_sandbox.orders.values())


def test_who_stands_by_has_open_connections(run: Run, bitget_sandbox: Sandbox) -> None:
    """`stand_by.py` opens connections, tells the distance and cancels everything."""
    told = run("stand_by")
    assert "120 orders settled" in told
    # Ten to open the connections, one to read the clock.
    assert sum(arrival.path.endswith("/public/time") for arrival in bitget_sandbox.arrivals) == 11
    assert len(cancelled(bitget_sandbox)) == 120


@pytest.mark.parametrize(("seconds", "too_late"), [("30", False), ("0.000001", True)])
def test_what_the_deadline_has_kept_is_sent_later(
    run: Run, bitget_sandbox: Sandbox, seconds: str, too_late: bool
) -> None:
    """`keep_a_deadline.py` cancels all orders, those too which the deadline has kept from being sent."""
    assert ("the deadline passed" in run("keep_a_deadline", seconds)) == too_late
    assert len(cancelled(bitget_sandbox)) == 2


@pytest.mark.parametrize(
    "case",
    [
        (None, FIRST, "", "All are accepted or gone."),
        (None, " ", "", "Mend orders[0].orderId"),
        (None, FIRST, "BITGET_PASSPHRASE=", "BITGET_PASSPHRASE"),
        (None, FIRST, "BITGET_PASSPHRASE=wrong", "40012: copy"),
        (None, FIRST, "BITGET_DEMO=1", "40099: an account"),
        ("code=40085", FIRST, "", "40085: an account"),
        ("code=40018", FIRST, "", "40018: look at what the key may do"),
        ("code=45055", FIRST, "", "Look at these: 1 order: 1 rejected"),
        (None, FIRST, "BITGET_API_BASE_URL=http://127.0.0.1:1", "Look at these: 1 order: 1 not_sent"),
    ],
)
def test_each_exception_has_its_advice(
    case: tuple[str | None, str, str, str], run: Run, bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`handle_exceptions.py` says of each thing that can go wrong what to do."""
    fault, argument, variable, advice = case
    if fault:
        bitget_sandbox.inject(fault)
    if variable:
        monkeypatch.setenv(*variable.split("=", 1))
    assert advice in run("handle_exceptions", argument)


def test_records_are_kept(run: Run) -> None:
    """`keep_records.py` tells of each batch as it is settled, and writes a row for each order."""
    assert f"settled: {FIRST} accepted" in run("keep_records")
    with Path("cancelled.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["orderId"], row["status"], row["attempts"]) for row in rows] == [
        (FIRST, "accepted", "1"),
        (SECOND, "accepted", "1"),
    ]


def test_bots_of_several_processes_stay_within_one_budget(bitget_sandbox: Sandbox) -> None:
    """`share_a_budget.py`, run twice at once, needs two seconds' worth of requests and is never refused for its pace."""
    for symbol in ("BTCUSDT", "ETHUSDT"):
        bitget_sandbox.open_orders(470, symbol=symbol)
    command = [sys.executable, str(HERE / "share_a_budget.py")]
    bots = [
        subprocess.Popen([*command, symbol], stdout=subprocess.PIPE, text=True) for symbol in ("BTCUSDT", "ETHUSDT")
    ]
    told = [bot.communicate(timeout=60)[0] for bot in bots]
    assert [bot.returncode for bot in bots] == [0, 0]
    assert all("500 orders: 500 accepted" in one for one in told)
    assert len(cancelled(bitget_sandbox)) == 1000
    assert 429 not in {arrival.status for arrival in bitget_sandbox.arrivals}
    assert Path("slots.sqlite").is_file()


def test_the_bot_leaves_the_market(run: Run, bitget_sandbox: Sandbox) -> None:
    """`my_bot.py` cancels its orders and names what has filled."""
    bitget_sandbox.fill(FIRST)
    assert run("my_bot") == f"to be closed: ['{FIRST}']\n"
    assert cancelled(bitget_sandbox) == {SECOND}


def test_an_rsa_key_signs(run: Run, bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """`rsa_key.py` reads an encrypted key from a file, and its signature holds before the public half."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    encryption = serialization.BestAvailableEncryption(b"words")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    Path("bitget-key.pem").write_bytes(pem)

    def verify(prehash: bytes, signature: str) -> bool:
        try:
            key.public_key().verify(base64.b64decode(signature), prehash, padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        return True

    # Another account's, so the order is not there for it: that the exchange says so proves the signature.
    bitget_sandbox.add_account("an-rsa-key", "", "its passphrase", verify=verify)
    monkeypatch.setenv("BITGET_API_KEY", "an-rsa-key")
    monkeypatch.setenv("BITGET_PASSPHRASE", "its passphrase")
    monkeypatch.setenv("BITGET_SECRET_KEY_PASSWORD", "words")
    assert "1 order: 1 gone" in run("rsa_key")


def test_demo_trading_needs_a_demo_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`demo_trading.py` cancels on a demo account, and says so if the key is a live one."""
    assert "40099" in run("demo_trading")
    with Sandbox(demo=True) as demo:
        monkeypatch.setenv("BITGET_API_BASE_URL", demo.url)
        assert "1 order: 1 accepted" in run("demo_trading")
        assert cancelled(demo) == {FIRST}


def test_an_own_transport_sends(run: Run, bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """`own_transport.py` cancels over its own transport, and cannot where the address is not this machine's."""
    assert "1 order: 1 accepted" in run("own_transport")
    assert cancelled(bitget_sandbox) == {FIRST}
    monkeypatch.setenv("LOCAL_ADDRESS", "192.0.2.1")
    assert "1 order: 1 not_sent" in run("own_transport")


class Proxy(BaseHTTPRequestHandler):
    """Forwards what it is sent, and writes down where to."""

    seen: list[str]

    def do_POST(self) -> None:
        """Forward one request."""
        self.seen.append(self.path)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        answer = httpx.post(self.path, content=body, headers=dict(self.headers), trust_env=False)
        self.send_response(answer.status_code)
        self.send_header("Content-Length", str(len(answer.content)))
        self.end_headers()
        self.wfile.write(answer.content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def proxy() -> Iterator[tuple[str, list[str]]]:
    """Run a proxy, and answer its address and what it has forwarded."""
    seen: list[str] = []
    handler = type("Handler", (Proxy,), {"seen": seen})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.01))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()
        thread.join()


def test_a_proxy_is_used_when_it_is_named(
    run: Run, bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, proxy: tuple[str, list[str]]
) -> None:
    """`through_a_proxy.py` reaches the exchange through the proxy, and the other examples do not."""
    address, seen = proxy
    monkeypatch.setenv("HTTPS_PROXY", address)
    monkeypatch.setenv("HTTP_PROXY", address)
    run("my_bot")
    assert seen == []
    assert "1 order: 1 gone" in run("through_a_proxy")
    assert [path.startswith(bitget_sandbox.url) for path in seen] == [True]
