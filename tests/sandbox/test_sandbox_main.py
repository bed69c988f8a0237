"""The command line, the lazy import, the plugin's reach."""

import builtins
import importlib
import os
import runpy
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bitget_spot import sandbox as package
from bitget_spot.sandbox import __main__ as command
from bitget_spot_api.operations import BATCH_CANCEL_ORDERS


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Answer a port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def exports(text: str) -> dict[str, str]:
    """Answer the variables that the output exports."""
    lines = (line.removeprefix("export ") for line in text.splitlines() if line[:7] == "export ")
    return dict(line.split("=", 1) for line in lines)


def test_it_prints_what_a_client_needs_and_ends_with_ctrl_c(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Four variables and some order ids; while it runs it answers; Ctrl-C ends it with status 0."""
    seen: list[Any] = []

    def sleep(_seconds: float) -> None:
        seen.append(capsys.readouterr().out)
        url = exports(seen[0])["BITGET_API_BASE_URL"]
        seen.append(httpx.post(url + BATCH_CANCEL_ORDERS.path, trust_env=False).status_code)
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    assert command.main(["--port", "0", "--orders", "2", "--fault", "html-520"]) == 0
    output, status = seen
    assert sorted(exports(output)) == [
        "BITGET_API_BASE_URL",
        "BITGET_API_KEY",
        "BITGET_PASSPHRASE",
        "BITGET_SECRET_KEY",
    ]
    assert output.count("orderId ") == 2
    assert status == 520


def test_a_taken_port_is_one_clear_line(taken_port: int, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, one line on stderr, nothing on stdout."""
    assert command.main(["--port", str(taken_port)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"cannot listen on 127.0.0.1:{taken_port}: ")
    assert captured.err.count("\n") == 1


def test_the_exit_status_is_the_commands(taken_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as a module it reads the command line and ends with main's status."""
    monkeypatch.setattr(sys, "argv", ["sandbox", "--port", str(taken_port)])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(command.__file__, run_name="__main__")
    assert ended.value.code == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--fault", "flood"], "unknown fault 'flood'; there are 429"),
        (["--fault", "429@2"], "chance"),
        (["--fault", "429*0"], "times"),
        (["--fault", ""], "unknown fault ''"),
        (["--port", "70000"], "'port' must be <= 65535"),
        (["--port", "http"], "invalid int value"),
    ],
)
def test_wrong_arguments_are_told(arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2, as argparse has it, with the reason on stderr."""
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err


def test_the_help_names_every_fault(capsys: pytest.CaptureFixture[str]) -> None:
    """--help ends with status 0 and lists the faults."""
    with pytest.raises(SystemExit) as ended:
        command.main(["--help"])
    assert ended.value.code == 0
    listed = "".join(capsys.readouterr().out.split())
    assert all(name in listed for name in package.FAULT_NAMES)


@pytest.mark.skipif(os.name == "nt", reason="there Ctrl-C reaches every process of the console")
def test_as_a_process_it_ends_with_ctrl_c_without_a_traceback() -> None:
    """`python -m bitget_spot.sandbox` flushes its lines, answers, and ends with status 0."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "bitget_spot.sandbox", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(6)]
        url = exports("".join(lines))["BITGET_API_BASE_URL"]
        assert httpx.get(url, trust_env=False).status_code == 404
        try:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=5)
        finally:
            process.kill()  # one that does not end must not be waited for
    assert (process.returncode, errors) == (0, "")


def test_a_name_that_is_not_there() -> None:
    """The package answers unknown names as any module does."""
    with pytest.raises(AttributeError, match="no attribute 'Sandbax'"):
        _ = package.Sandbax


@pytest.mark.parametrize(
    ("missing", "reason"),
    [("starlette", "bitget-spot\\[sandbox\\]"), ("uvicorn", "sandbox"), ("h11", "^no h11$")],
)
def test_without_the_extra_the_import_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, missing: str, reason: str
) -> None:
    """A missing server names the extra; another missing module is told as it is."""
    original = builtins.__import__

    def without(name: str, *rest: Any, **more: Any) -> Any:
        if name == "bitget_spot.sandbox.server":
            raise ModuleNotFoundError(f"no {missing}", name=missing)
        return original(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ModuleNotFoundError, match=reason):
        _ = package.Sandbox


def test_pytest_can_load_the_plugin_without_the_extra() -> None:
    """Importing the plugin imports no server."""
    program = (
        "import sys, bitget_spot.sandbox.pytest_plugin; sys.exit(not {'starlette', 'uvicorn'}.isdisjoint(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == 0


def test_everything_promised_is_there() -> None:
    """`__all__` holds what can be imported."""
    module = importlib.import_module("bitget_spot.sandbox")
    assert all(getattr(module, name) for name in module.__all__)
