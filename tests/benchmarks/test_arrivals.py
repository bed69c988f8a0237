"""The benchmark of arrivals counts rightly, and its short run writes what the long one does."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("arrivals.py")


@pytest.mark.parametrize(
    ("arrivals", "worst"),
    [
        ([0.0], 1),
        ([0.0, 1.0, 2.0], 1),
        ([0.0, 0.999, 1.0], 2),
        ([0.5] * 10 + [1.25] * 10, 20),
        ([0.5] * 10 + [1.5] * 10, 10),
    ],
)
def test_the_worst_second_is_a_sliding_one(arrivals: list[float], worst: int) -> None:
    """An arrival makes room exactly one second after it came."""
    steps = runpy.run_path(str(SCRIPT))["in_the_last_second"](arrivals)
    assert max(count for _, count in steps) == worst


def test_a_short_run_writes_the_table_and_an_opaque_picture(tmp_path: Path) -> None:
    """Twelve batches over one line: this package keeps the limit, and the files show it."""
    options = ["--calls", "12", "--lines", "tls", "--policies", "this package", "--out", str(tmp_path)]
    run = subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True, check=False)
    assert "10 of 10 | 0 of 0" in run.stdout, run.stdout + run.stderr
    assert "10 of 10 | 0 of 0" in (tmp_path / "arrivals.md").read_text(encoding="utf-8")
    picture = (tmp_path / "arrivals.svg").read_text(encoding="utf-8")
    assert "this package" in picture
    assert "fill: #ffffff" in picture
