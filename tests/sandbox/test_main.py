"""The sandbox as a command, its lazy import, and the pytest plugin."""

from __future__ import annotations

import builtins
import errno
import importlib
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import httpx
import pytest

from bitget_spot import sandbox as package
from bitget_spot.sandbox import __main__ as command
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS, BATCH_CANCEL_UNIFIED_ORDERS


@pytest.fixture
def used_port() -> Iterator[int]:
    """Return a port that is in use."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def exported_variables(text: str) -> dict[str, str]:
    """Return the variables that the output exports."""
    lines = [line.removeprefix("export ") for line in text.splitlines() if line.startswith("export ")]
    return dict(line.split("=", 1) for line in lines)


def test_command_prints_variables_and_ends_with_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints four variables and some order ids, responds while it runs, and ends with status 0."""
    outputs: list[str] = []
    statuses: list[int] = []

    def sleep(_seconds: float) -> NoReturn:
        output = capsys.readouterr().out
        url = exported_variables(output)["BITGET_API_BASE_URL"]
        outputs.append(output)
        statuses.append(httpx.post(url + BATCH_CANCEL_ORDERS.path, trust_env=False).status_code)
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    assert command.main(["--port", "0", "--orders", "2", "--fault", "html-520"]) == 0
    (output,) = outputs
    assert sorted(exported_variables(output)) == [
        "BITGET_API_BASE_URL",
        "BITGET_API_KEY",
        "BITGET_PASSPHRASE",
        "BITGET_SECRET_KEY",
    ]
    assert output.count("orderId ") == 2
    assert statuses == [520]


def test_port_in_use(used_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """The status is 2, one line on stderr says what to do, and stdout is empty."""
    assert command.main(["--port", str(used_port)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"Port {used_port} is in use; try --port 0.\n"


def test_port_that_is_not_permitted(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The status is 2, and one line on stderr has the reason."""

    def create_server(*_: object) -> NoReturn:
        raise OSError(errno.EACCES, "denied")

    monkeypatch.setattr(socket, "create_server", create_server)
    assert command.main(["--port", "80"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == f"Cannot listen on 127.0.0.1:80: {os.strerror(errno.EACCES)}.\n"


def test_exit_status_of_the_process(used_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as a module, the command reads the arguments of the process and exits with the status of `main`."""
    monkeypatch.setattr(sys, "argv", ["sandbox", "--port", str(used_port)])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(command.__file__, run_name="__main__")
    assert caught.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--fault", "flood"], "unknown fault 'flood'; use one of 429"),
        (["--fault", "429@2"], "chance"),
        (["--fault", "429*0"], "times"),
        (["--fault", ""], "unknown fault ''"),
        (["--port", "70000"], "'port' must be <= 65535"),
        (["--port", "http"], "invalid int value"),
        (["--account-type", "hybrid"], "invalid choice: 'hybrid'"),
    ],
)
def test_invalid_arguments(arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The status is 2, as usual for argparse, with the reason on stderr."""
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == 2
    assert reason in capsys.readouterr().err


def test_help_lists_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """--help lists the faults, with status 0."""
    with pytest.raises(SystemExit) as caught:
        command.main(["--help"])
    assert caught.value.code == 0
    text = "".join(capsys.readouterr().out.split())
    assert all(name in text for name in package.FAULT_NAMES)


@pytest.mark.skipif(os.name == "nt", reason="Windows sends Ctrl-C to every process of the console")
def test_process_ends_with_ctrl_c_without_a_traceback() -> None:
    """`python -m bitget_spot.sandbox` flushes its lines, responds, and ends with status 0."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "bitget_spot.sandbox", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(6)]
        url = exported_variables("".join(lines))["BITGET_API_BASE_URL"]
        assert httpx.get(url, trust_env=False).status_code == 404
        try:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=5)
        finally:
            process.kill()  # leaving the with statement waits for the process
    assert (process.returncode, errors) == (0, "")


def test_unknown_attribute() -> None:
    """An unknown name of the package raises the usual error."""
    with pytest.raises(AttributeError, match="no attribute 'Sandbax'"):
        _ = package.Sandbax


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("starlette", r"^the sandbox needs an extra; run: pip install 'bitget-spot\[sandbox\]'$"),
        ("uvicorn", r"^the sandbox needs an extra; run: pip install 'bitget-spot\[sandbox\]'$"),
        ("h11", "^no h11$"),
    ],
)
def test_import_without_the_extra(monkeypatch: pytest.MonkeyPatch, missing: str, reason: str) -> None:
    """The error names the extra if the server is missing, and is unchanged if another module is."""
    original = builtins.__import__

    def import_without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "bitget_spot.sandbox.server":
            raise ModuleNotFoundError(f"no {missing}", name=missing)
        return original(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", import_without)
    with pytest.raises(ModuleNotFoundError, match=reason):
        _ = package.Sandbox


def test_pytest_plugin_imports_nothing_until_its_fixture_is_used(tmp_path: Path) -> None:
    """A run of pytest loads the plugin, but not the package unless a test takes the fixture."""
    program = """
import sys

def loaded():
    return any(name.partition(".")[0] in ("bitget_spot", "bitget_spot_api") for name in sys.modules)

def test_without_the_fixture():
    assert "bitget_spot_pytest" in sys.modules
    assert not loaded()

def test_with_the_fixture(bitget_sandbox):
    assert loaded()
    assert len(bitget_sandbox.orders) == 120
"""
    (tmp_path / "test_plugin.py").write_text(program, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_plugin.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "2 passed" in done.stdout


def test_account_type_of_the_fixture(tmp_path: Path) -> None:
    """A marker or an indirect parameter says the account type; the marker is registered, and a wrong one is an error."""
    program = """
import pytest

def test_default(bitget_sandbox):
    assert bitget_sandbox.account_type == "classic"

@pytest.mark.bitget_account("unified")
def test_marker(bitget_sandbox):
    assert bitget_sandbox.account_type == "unified"

@pytest.mark.bitget_account("classic")
@pytest.mark.parametrize("bitget_sandbox", ["unified", "classic"], indirect=True)
def test_parameter(bitget_sandbox, request):
    assert bitget_sandbox.account_type in request.node.name

@pytest.mark.bitget_account("unified")
class TestClass:
    def test_marker_of_the_class(self, bitget_sandbox):
        assert bitget_sandbox.account_type == "unified"

    @pytest.mark.bitget_account("classic")
    def test_nearest_marker(self, bitget_sandbox):
        assert bitget_sandbox.account_type == "classic"

@pytest.mark.bitget_account("hybrid")
def test_unknown_type(bitget_sandbox):
    pass

@pytest.mark.bitget_account
def test_no_argument(bitget_sandbox):
    pass

@pytest.mark.bitget_account(account_type="unified")
def test_keyword(bitget_sandbox):
    pass
"""
    (tmp_path / "test_plugin.py").write_text(program, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--strict-markers", "test_plugin.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "6 passed, 3 errors" in done.stdout, done.stdout
    assert "'account_type' must be in ('classic', 'unified') (got 'hybrid')" in done.stdout
    errors = [line for line in done.stdout.splitlines() if line.startswith("E ")]
    assert len([line for line in errors if "TypeError: bitget_account: expected one account type; write" in line]) == 2


@pytest.mark.parametrize(("arguments", "code"), [([], "40084"), (["--account-type", "unified"], "40009")])
def test_account_type_of_the_command(
    arguments: list[str], code: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--account-type` makes the account a unified one; without it, the account is classic."""
    codes: list[str] = []

    def sleep(_seconds: float) -> NoReturn:
        variables = exported_variables(capsys.readouterr().out)
        headers = {
            "ACCESS-KEY": variables["BITGET_API_KEY"],
            "ACCESS-SIGN": "wrong",
            "ACCESS-PASSPHRASE": variables["BITGET_PASSPHRASE"],
            "ACCESS-TIMESTAMP": str(int(time.time() * 1000)),
        }
        url = variables["BITGET_API_BASE_URL"] + BATCH_CANCEL_UNIFIED_ORDERS.path
        codes.append(httpx.post(url, headers=headers, trust_env=False).json()["code"])
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    assert command.main(["--port", "0", "--orders", "0", *arguments]) == 0
    assert codes == [code]


def test_all_names_can_be_imported() -> None:
    """Every name in `__all__` is there."""
    module = importlib.import_module("bitget_spot.sandbox")
    assert all(getattr(module, name) for name in module.__all__)
