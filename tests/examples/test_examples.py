"""The examples that people will copy do what they say."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from demo import main
from rich.console import Console

import bitget_spot
from bitget_spot import Status
from bitget_spot.sandbox import Sandbox

README = Path(__file__).resolve().parents[2] / "README.md"
BLOCKS = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def test_the_demo_tells_what_became_of_every_order() -> None:
    """`make demo` cancels 120 mixed orders through a dropped connection: each is accepted or gone, none is unknown."""
    out = io.StringIO()
    report = main(Console(file=out, width=100))
    assert len(report) == 120
    assert report.counts[Status.ACCEPTED] + report.counts[Status.GONE] == 120
    assert max(outcome.tries for outcome in report.outcomes) > 1
    told = out.getvalue()
    assert "InvalidBatchError" in told
    assert "43001" in told
    assert "meanwhile: 0" in told


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.strip().splitlines()[0])
def test_the_readme_s_code_runs(
    block: str, bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every block of Python in the README runs as it stands, here against a sandbox."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BITGET_API_KEY", bitget_sandbox.api_key)
    monkeypatch.setenv("BITGET_SECRET_KEY", bitget_sandbox.secret_key)
    monkeypatch.setenv("BITGET_PASSPHRASE", bitget_sandbox.passphrase)
    if "bitget_sandbox" not in block:
        monkeypatch.setattr(bitget_spot, "connect", partial(bitget_spot.connect, base_url=bitget_sandbox.url))
    # The orders that the README names are not there, which the batch of the generated function hears as a refusal.
    bitget_sandbox.all_gone_as_refusal = False
    names: dict[str, Any] = {}
    exec(compile(block, str(README), "exec"), names)  # noqa: S102 - the README's own code
    tests: list[Callable[[Sandbox], None]] = [value for name, value in names.items() if name.startswith("test_")]
    for test in tests:
        test(bitget_sandbox)
    assert bitget_sandbox.arrivals or "cancel" not in block
