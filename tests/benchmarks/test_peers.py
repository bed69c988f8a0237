"""The benchmark beside other clients counts rightly, judges strictly, and its short run writes what the long one does."""

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
    """The benchmark's names."""
    monkeypatch.syspath_prepend(SCRIPT.parent)
    return runpy.run_path(str(SCRIPT))


def test_the_exchange_refuses_the_eleventh_in_a_second_and_counts_every_order_once(script: dict[str, Any]) -> None:
    """Of eleven batches one is refused, and what was cancelled twice counts once."""
    with script["exchange"](0.0, limited=True) as (origin, told):
        connection = http.client.HTTPConnection(urlsplit(origin).netloc)
        answers = []
        for number in range(11):
            orders = [{"orderId": str(10**18 + number // 2)}]
            connection.request("POST", "/", json.dumps({"orderList": orders}))
            response = connection.getresponse()
            answers.append((response.status, json.loads(response.read())["code"]))
        connection.close()
    arrivals, cancelled = told
    assert answers == [(200, "00000")] * 10 + [(429, "429")]
    assert [refused for _, refused in arrivals] == [False] * 10 + [True]
    assert cancelled == 5


@pytest.mark.parametrize(
    ("arrivals", "cancelled", "seconds", "broken"),
    [
        ([0.0] * 10 + [1.0] * 10, 1000, 1.04, set()),
        ([0.0] * 10 + [0.99] * 10, 1000, 1.04, {"arrivals in the worst second of any race"}),
        ([0.0] * 10 + [1.0] * 10, 950, 1.04, {"orders not cancelled, in all races"}),
        ([0.0] * 10 + [1.0] * 10, 1000, 1.2, {"time over the bound, longest race of more than one burst"}),
    ],
)
def test_a_race_is_judged_by_what_the_exchange_saw(
    script: dict[str, Any], arrivals: list[float], cancelled: int, seconds: float, broken: set[str]
) -> None:
    """An eleventh arrival, an order left and lost time each break their promise, and nothing else does."""
    race = script["Race"]("cancel_orders", 1000, 0.0, seconds, 0.1, [(at, False) for at in arrivals], cancelled)
    assert {promise.words for promise in script["promises_of_races"]([race]) if not promise.kept} == broken


def test_a_cost_that_is_too_high_breaks_its_promise(script: dict[str, Any]) -> None:
    """The ratios are taken round by round; what is to be under a bound may not reach it."""
    times = {"generated": [1.24, 2.50, 3.76], "bare": [1.0, 2.0, 3.0], "ccxt": [4.0, 6.25, 8.0]}
    kept = {promise.words: promise.kept for promise in script["promises_of_cpu"](times)}
    assert list(kept.values()) == [True, False]
    growth = script["Growth"]({500: [1.0, 1.0], 5000: [1.09, 1.12]}, {500: 800.0, 5000: 879.0})
    assert [promise.kept for promise in script["promises_of_growth"](growth)] == [False, True]


def test_a_short_run_writes_the_tables_and_an_opaque_picture(tmp_path: Path) -> None:
    """Without the peers: this package keeps the limit, and the files show it."""
    options = [
        "--clients",
        "cancel_orders,generated-async",
        "--starts",
        "1",
        "--rounds",
        "2",
        "--calls",
        "1",
        "--orders",
        "500",
    ]
    options += ["--lines", "20", "--repeat", "1", "--sizes", "50,500", "--growth-rounds", "1", "--out", str(tmp_path)]
    run = subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True, check=False, timeout=120)
    told = (tmp_path / "peers.md").read_text(encoding="utf-8")
    assert told in run.stdout, run.stdout + run.stderr
    assert run.returncode == ("FAIL" in told)
    assert " · 10 · 0 · 500 |" in told
    assert "| arrivals in the worst second of any race | 10 | at most 10 | PASS |" in told
    picture = (tmp_path / "peers.svg").read_text(encoding="utf-8")
    assert "cancel_orders.sync of this package: 500" in picture
    assert "fill: #ffffff" in picture
