"""
Build the wheel and use it in clean environments, without extras, with the sandbox, and with pytest: `make wheel`.

Only the wheel is installed; nothing of the checkout can be imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONSTRAINTS = ROOT / "constraints.txt"
CONTENTS = {"bitget_spot", "bitget_spot_api", "bitget_spot_pytest.py"}

CORE_PROGRAM = """
import importlib.resources, importlib.util
import httpx
from bitget_spot import Credentials, InvalidBatchError, connect
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, BatchCancelOrdersResponse, OrderRef

for package in ("bitget_spot", "bitget_spot_api"):
    assert importlib.resources.files(package).joinpath("py.typed").is_file(), package
for extra in ("starlette", "uvicorn", "redis", "cryptography"):
    assert importlib.util.find_spec(extra) is None, extra

transport = httpx.MockTransport(lambda request: httpx.Response(200, json={"code": "00000", "data": None}))
client = connect(Credentials("key", "secret", "passphrase"), transport=transport)
response = batch_cancel_orders.sync(
    client=client, body=BatchCancelOrdersRequest(order_list=[OrderRef(order_id="1")])
)
assert isinstance(response, BatchCancelOrdersResponse), response
try:
    import bitget_spot.sandbox
    bitget_spot.sandbox.Sandbox
except ModuleNotFoundError as error:
    assert "bitget-spot[sandbox]" in str(error), error
else:
    raise AssertionError("the sandbox was imported without its extra")
"""

SANDBOX_PROGRAM = """
from bitget_spot import connect
from bitget_spot.sandbox import Sandbox
from bitget_spot_api.api.trade import batch_cancel_orders
from bitget_spot_api.models import BatchCancelOrdersRequest, OrderRef

with Sandbox(orders=1) as sandbox, connect(sandbox.credentials, base_url=sandbox.url) as client:
    (order_id,) = sandbox.orders
    batch_cancel_orders.sync(
        client=client, body=BatchCancelOrdersRequest(order_list=[OrderRef(order_id=order_id)])
    )
    assert sandbox.orders[order_id].status == "cancelled"
"""


FIXTURE_TEST = """
from bitget_spot import cancel_open_orders, connect


def test_fixture(bitget_sandbox):
    with connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url) as client:
        assert len(cancel_open_orders.sync(client=client)) == 120
"""


def pip(python: str | Path, *arguments: str | Path) -> None:
    """Run pip for an interpreter, quietly and with the pinned versions."""
    command = [python, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
    subprocess.run([*map(str, command), "--constraint", str(CONSTRAINTS)], check=True)


def run_in_new_environment(wheel: Path, extra: str, arguments: list[str], folder: Path, *requirements: str) -> None:
    """Install a wheel, and other requirements, in a new environment, and run Python there."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = next(folder.glob("[bS]*/python*"))
    pip(python, "install", f"{wheel}{extra}", *requirements)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([str(python), "-W", "error", *arguments], cwd=folder, env=environment, check=True)
    print(f"{' with '.join([wheel.name + extra, *requirements])}: works in a clean environment")


def main() -> int:
    """Build the wheel, check its contents, install it and use it; return 1 if its contents are wrong."""
    with tempfile.TemporaryDirectory() as scratch:
        dist = Path(scratch) / "dist"
        pip(sys.executable, "wheel", ROOT, "--no-deps", "--wheel-dir", dist, "--build-constraint", CONSTRAINTS)
        (wheel,) = dist.glob("*.whl")
        names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
        if {name for name in names if not name.endswith(".dist-info")} != CONTENTS:
            print(f"{wheel.name} contains {', '.join(sorted(names))}", file=sys.stderr)
            return 1
        run_in_new_environment(wheel, "", ["-c", CORE_PROGRAM], Path(scratch) / "core")
        run_in_new_environment(wheel, "[sandbox]", ["-c", SANDBOX_PROGRAM], Path(scratch) / "sandbox")
        test_file = Path(scratch) / "test_fixture.py"
        test_file.write_text(FIXTURE_TEST, "utf-8")
        run_pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(test_file)]
        run_in_new_environment(wheel, "[sandbox]", run_pytest, Path(scratch) / "pytest", "pytest")
    return 0


if __name__ == "__main__":
    sys.exit(main())
