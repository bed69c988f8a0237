"""The comparison with other clients counts correctly and applies its targets, and a short run writes all files."""

import http.client
import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

SCRIPT = Path(__file__).with_name("peers.py")


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The names of the benchmark."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    return runpy.run_path(str(SCRIPT))


def test_exchange_refuses_the_eleventh_request_and_counts_each_order_once(script: dict[str, Any]) -> None:
    """Of eleven batches one is refused, and an order that is cancelled twice counts once."""
    responses = []
    with script["running_exchange"](0.0, limited=True) as (origin, output):
        connection = http.client.HTTPConnection(urlsplit(origin).netloc)
        for number in range(11):
            orders = [{"orderId": str(10**18 + number // 2)}]
            connection.request("POST", "/", json.dumps({"orderList": orders}))
            response = connection.getresponse()
            responses.append((response.status, json.loads(response.read())["code"]))
        connection.close()
    arrivals, cancelled = output
    assert responses == [(200, "00000")] * 10 + [(429, "429")]
    assert [refused for _, refused in arrivals] == [False] * 10 + [True]
    assert cancelled == 5


@pytest.mark.parametrize(
    ("arrivals", "cancelled", "seconds", "missed"),
    [
        ([0.0] * 10 + [1.0] * 10, 1000, 1.04, set()),
        ([0.0] * 10 + [0.99] * 10, 1000, 1.04, {"arrivals in the worst second of any race"}),
        ([0.0] * 10 + [1.0] * 10, 950, 1.04, {"orders not cancelled, in all races"}),
        ([0.0] * 10 + [1.0] * 10, 1000, 1.2, {"time over the bound, longest race of more than one burst"}),
    ],
)
def test_targets_of_races(
    script: dict[str, Any], arrivals: list[float], cancelled: int, seconds: float, missed: set[str]
) -> None:
    """An eleventh arrival, an order that was not cancelled and too much time each miss their own target only."""
    race = script["Race"]("cancel_orders", 1000, 0.0, seconds, 0.1, [(at, False) for at in arrivals], cancelled)
    assert {target.title for target in script["race_targets"]([race]) if not target.is_met} == missed


def test_targets_of_costs(script: dict[str, Any]) -> None:
    """The ratios are those within a round; a value that must be less than its bound may not equal it."""
    times = {"generated": [1.24, 2.50, 3.76], "signed-only": [1.0, 2.0, 3.0], "ccxt": [4.0, 6.25, 8.0]}
    assert [target.is_met for target in script["cpu_targets"](times)] == [True, False]
    growth = script["Growth"]({500: [1.0, 1.0], 5000: [1.09, 1.12]}, {500: 800.0, 5000: 879.0})
    assert [target.is_met for target in script["growth_targets"](growth)] == [False, True]


def test_targets_of_accounts() -> None:
    """A batch above the limit of the account's type, a refusal and an open order each miss their own target."""
    script = runpy.run_path(str(SCRIPT.with_name("accounts.py")))
    run = {"seconds": 1.0, "cpu": 0.1, "requests": 30, "refused": 0, "worst_second": 5, "left_open": 0}
    unified = script["TASKS"][0]

    def values(**changes: int) -> list[int]:
        changed = script["AccountRun"](name="cancel_orders", task=unified, **{**run, **changes})
        other = script["AccountRun"](name="ccxt", task=unified, **{**run, "refused": 4})
        return [value for _, value, _ in script["account_figures"]([changed, other])]

    assert values() == [0, 0, 0]
    assert values(worst_second=6) == [1, 0, 0]
    assert values(refused=2) == [0, 2, 0]
    assert values(left_open=3) == [0, 0, 3]
    assert script["account_figures"]([]) == []


def test_short_run_writes_the_tables_and_an_opaque_picture(tmp_path: Path) -> None:
    """Without the other clients, this package keeps the limit, and both files are written."""
    options = {
        "--clients": "cancel_orders,generated-async",
        "--starts": "1",
        "--rounds": "2",
        "--calls": "1",
        "--orders": "500",
        "--round-trips": "20",
        "--repeat": "1",
        "--sizes": "50,500",
        "--growth-rounds": "1",
        "--out": str(tmp_path),
    }
    command = [sys.executable, str(SCRIPT)]
    for name, value in options.items():
        command += [name, value]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    report = (tmp_path / "peers.md").read_text(encoding="utf-8")
    assert report in result.stdout, result.stdout + result.stderr
    assert result.returncode == ("FAIL" in report)
    assert " · 10 · 0 · 500 |" in report
    assert report.count(" · 0 · 0 |") == 3
    assert "| arrivals in the worst second of any race | 10 | at most 10 | PASS |" in report
    picture = (tmp_path / "peers.svg").read_text(encoding="utf-8")
    assert "cancel_orders.sync of this package: 500" in picture
    assert "fill: #ffffff" in picture
