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

REDIS_PROGRAM = """
from bitget_spot import Credentials, connect
from bitget_spot.rate_limit import RedisStore

with RedisStore("redis://127.0.0.1:9/0") as store:
    connect(Credentials("key", "secret", "passphrase"), rate_limit_store=store).close()
"""

RSA_PROGRAM = """
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from bitget_spot import Credentials

key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
assert Credentials("key", pem, "passphrase").rsa_key is not None
"""

COMMAND_PROGRAM = """
import importlib.metadata, subprocess, sys

command = [sys.executable, "-m", "bitget_spot", "--version"]
shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
assert importlib.metadata.version("bitget-spot") in shown, shown
"""

HTTPX2_PROGRAM = (
    "import httpx2; httpx2.alias_httpx()\n" + CORE_PROGRAM + "assert httpx.__name__ == 'httpx2', httpx.__name__\n"
)

EXTRA_PROGRAMS = {
    "": CORE_PROGRAM,
    "[sandbox]": SANDBOX_PROGRAM,
    "[redis]": REDIS_PROGRAM,
    "[rsa]": RSA_PROGRAM,
    "[cli]": COMMAND_PROGRAM,
    "[all]": SANDBOX_PROGRAM + REDIS_PROGRAM + RSA_PROGRAM + COMMAND_PROGRAM,
}
"""What must work after an installation with each extra."""

FIXTURE_TEST = """
from bitget_spot import cancel_open_orders, connect


def test_fixture(bitget_sandbox):
    with connect(bitget_sandbox.credentials, base_url=bitget_sandbox.url) as client:
        assert len(cancel_open_orders.sync(client=client)) == 120
"""


def pip(python: str | Path, *arguments: str | Path) -> None:
    """Run pip for an interpreter, quietly and with the pinned versions, also of what builds a package."""
    command = [python, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
    # The pip of a new environment may be too old for the option --build-constraint.
    environment = {**os.environ, "PIP_CONSTRAINT": str(CONSTRAINTS), "PIP_BUILD_CONSTRAINT": str(CONSTRAINTS)}
    subprocess.run([*map(str, command), "--constraint", str(CONSTRAINTS)], env=environment, check=True)


def python_of(folder: Path) -> Path:
    """Return the interpreter of an environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def run_in_new_environment(wheel: Path, extra: str, arguments: list[str], folder: Path, *requirements: str) -> None:
    """Install a wheel or an sdist, and other requirements, in a new environment, and run Python there."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = python_of(folder)
    pip(python, "install", f"{wheel}{extra}", *requirements)
    subprocess.run(
        [str(python), "-m", "pip", "--disable-pip-version-check", "check"], stdout=subprocess.DEVNULL, check=True
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run([str(python), "-W", "error", *arguments], cwd=folder, env=environment, check=True)
    print(f"{' with '.join([wheel.name + extra, *requirements])}: works in a clean environment")


def check_contents(wheel: Path) -> None:
    """Exit with 1 unless a wheel contains the packages and nothing else."""
    names = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    if {name for name in names if not name.endswith(".dist-info")} != CONTENTS:
        sys.exit(f"{wheel.name} contains {', '.join(sorted(names))}")


def main() -> None:
    """Build the wheel, check its contents, install it and use it; exit with 1 if its contents are wrong."""
    with tempfile.TemporaryDirectory() as scratch:
        dist = Path(scratch) / "dist"
        pip(sys.executable, "wheel", ROOT, "--no-deps", "--wheel-dir", dist, "--build-constraint", CONSTRAINTS)
        (wheel,) = dist.glob("*.whl")
        check_contents(wheel)
        run_in_new_environment(wheel, "", ["-c", CORE_PROGRAM], Path(scratch) / "core")
        run_in_new_environment(wheel, "[sandbox]", ["-c", SANDBOX_PROGRAM], Path(scratch) / "sandbox")
        test_file = Path(scratch) / "test_fixture.py"
        test_file.write_text(FIXTURE_TEST, "utf-8")
        run_pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", str(test_file)]
        run_in_new_environment(wheel, "[sandbox]", run_pytest, Path(scratch) / "pytest", "pytest")


if __name__ == "__main__":
    main()
