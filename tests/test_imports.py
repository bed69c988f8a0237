"""What an import of the package loads."""

import subprocess
import sys

from bitget_spot import rate_limit

# Without click, httpx does not import Rich and its kin for a command line of its own, which would hide that we do.
NEW = """
import sys
sys.modules["click"] = None
import httpx, attrs, bitget_spot_api.models, bitget_spot_api.operations, bitget_spot_api.api.trade
before = set(sys.modules)
import bitget_spot
print(*sorted(set(sys.modules) - before))
"""
# Each costs milliseconds: an event loop, a store, a pool, the sandbox and the command line are paid by who uses them.
LATER = {
    "asyncio",
    "bitget_spot._cli",
    "bitget_spot.rate_limit.redis",
    "bitget_spot.rate_limit.sqlite",
    "bitget_spot.sandbox",
    "concurrent.futures.thread",
    "sqlite3",
}


def test_an_import_loads_no_more_than_it_must() -> None:
    """Beside httpx, attrs and the generated package, an import loads the standard library's modules, and few of those."""
    command = [sys.executable, "-W", "error", "-c", NEW]
    new = set(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split())
    packages = {name.partition(".")[0] for name in new}
    assert packages - sys.stdlib_module_names == {"bitget_spot", "bitget_spot_api"}
    assert new & LATER == set()


def test_what_is_imported_late_is_not_hidden() -> None:
    """The shared stores are listed, for `help` and completion, before anybody has used one; what is not there is not."""
    assert set(rate_limit.__all__) <= set(dir(rate_limit))
    assert rate_limit.SQLiteStore.__module__ == "bitget_spot.rate_limit.sqlite"
    assert not hasattr(rate_limit, "FileSlots")
