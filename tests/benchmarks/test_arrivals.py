"""The benchmark of arrivals counts correctly, and a short run writes the same files as a long one."""

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("arrivals.py")


@pytest.mark.parametrize(
    ("arrivals", "worst_second"),
    [
        ([0.0], 1),
        ([0.0, 1.0, 2.0], 1),
        ([0.0, 0.999, 1.0], 2),
        ([0.5] * 10 + [1.25] * 10, 20),
        ([0.5] * 10 + [1.5] * 10, 10),
    ],
)
def test_seconds_are_sliding(arrivals: list[float], worst_second: int) -> None:
    """An arrival counts until exactly one second after it."""
    steps = runpy.run_path(str(SCRIPT))["arrivals_in_last_second"](arrivals)
    assert max(count for _, count in steps) == worst_second


def test_short_run_writes_the_table_and_an_opaque_picture(tmp_path: Path) -> None:
    """In twelve batches over one network, this package keeps the limit, and both files are written."""
    options = ["--batches", "12", "--networks", "tls", "--policies", "this package", "--out", str(tmp_path)]
    result = subprocess.run([sys.executable, SCRIPT, *options], capture_output=True, text=True, check=False)
    assert "10 of 10 | 0 of 0" in result.stdout, result.stdout + result.stderr
    assert "10 of 10 | 0 of 0" in (tmp_path / "arrivals.md").read_text(encoding="utf-8")
    picture = (tmp_path / "arrivals.svg").read_text(encoding="utf-8")
    assert "this package" in picture
    assert "fill: #ffffff" in picture
