"""What an import of the package loads."""

from __future__ import annotations

import subprocess
import sys

from bitget_spot import rate_limit

# Without click, httpx does not import Rich for its own command line, which would hide an import of Rich by the package.
PRINT_NEW_MODULES = """
import sys
sys.modules["click"] = None
import httpx, attrs, bitget_spot_api.models, bitget_spot_api.operations, bitget_spot_api.api.trade
before = set(sys.modules)
import bitget_spot
print(*sorted(set(sys.modules) - before))
"""
# Each of these takes milliseconds, and many programs do not need it.
LAZY_MODULES = {
    "asyncio",
    "bitget_spot._cli",
    "bitget_spot.rate_limit.redis",
    "bitget_spot.rate_limit.sqlite",
    "bitget_spot.sandbox",
    "concurrent.futures.thread",
    "sqlite3",
}


def test_import_loads_only_what_is_needed() -> None:
    """Besides httpx, attrs and the generated package, an import loads few modules, all of the standard library."""
    command = [sys.executable, "-W", "error", "-c", PRINT_NEW_MODULES]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    modules = set(result.stdout.split())
    packages = {name.partition(".")[0] for name in modules}
    assert packages - sys.stdlib_module_names == {"bitget_spot", "bitget_spot_api"}
    assert modules & LAZY_MODULES == set()


def test_lazy_stores_are_listed() -> None:
    """`dir` lists the stores that are imported on first use, for `help` and completion; other names are an error."""
    assert set(rate_limit.__all__) <= set(dir(rate_limit))
    assert rate_limit.SQLiteStore.__module__ == "bitget_spot.rate_limit.sqlite"
    assert not hasattr(rate_limit, "FileStore")
