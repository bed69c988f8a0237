"""The check of key, passphrase, clock, account and environment."""

from __future__ import annotations

from typing import Final

import httpx
import pytest
from command_line import Cli, CommandResult

from bitget_spot import errors
from bitget_spot._cli import check
from bitget_spot.sandbox import Sandbox
from bitget_spot.server_time import ClockReading

UNREACHABLE_URL: Final = "http://127.0.0.1:1"


def check_results(result: CommandResult) -> dict[str, tuple[str, str]]:
    """Return state and detail of each check."""
    return {row["check"]: (row["state"], row["detail"]) for row in result.data["checks"]}


def test_check_that_succeeds(cli: Cli, sandbox: Sandbox) -> None:
    """Every check is ok, except for the permission to trade, which only a cancel shows; two read requests are sent."""
    result = cli("check", "--json")
    assert result.status == 0
    states = {name: state for name, (state, _) in check_results(result).items()}
    assert states.pop("trading") == "not checked"
    assert set(states.values()) == {"ok"}
    assert [arrival.method for arrival in sandbox.arrivals] == ["GET", "GET"]
    assert f"the live account at {sandbox.url} responds in " in cli("check").out


@pytest.mark.parametrize(
    ("variable", "value", "name", "expected"),
    [
        ("BITGET_API_KEY", "another", "key", "Check BITGET_API_KEY"),
        ("BITGET_PASSPHRASE", "hunter2", "passphrase", "Check BITGET_PASSPHRASE"),
        ("BITGET_SECRET_KEY", "hunter2", "secret", "Check BITGET_SECRET_KEY"),
        ("BITGET_DEMO", "1", "environment", "use --demo (or BITGET_DEMO=1) with a demo key"),
    ],
)
def test_check_of_wrong_variables(  # noqa: PLR0917 - the columns of a table and its fixtures
    cli: Cli,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    name: str,
    expected: str,
) -> None:
    """The wrong variable is named with its remedy, and the checks that depend on it are not checked."""
    monkeypatch.setenv(variable, value)
    result = cli("check", "--json")
    assert result.status == 3
    results = check_results(result)
    assert results[name][0] == "wrong"
    assert expected in results[name][1]
    assert [name for name, (state, _) in results.items() if state == "ok"] == ["exchange", "clock"]
    assert "hunter2" not in result.out
    assert sandbox.arrivals


@pytest.mark.parametrize(
    ("fault", "times", "status", "name", "state"),
    [
        ("code=40085", 1, 3, "account", "wrong"),
        ("code=40018", 1, 3, "address", "wrong"),
        ("code=40014", 1, 3, "reading", "wrong"),
        ("code=40008", 2, 3, "clock", "wrong"),
        ("html-403", 2, 4, "exchange", "wrong"),
        ("429", 2, 4, "reading", "not checked"),
    ],
)
def test_check_with_errors_of_the_exchange(  # noqa: PLR0917 - the columns of a table and its fixtures
    cli: Cli, sandbox: Sandbox, fault: str, times: int, status: int, name: str, state: str
) -> None:
    """An error belongs to one check; an error that only says that the exchange is busy proves nothing wrong."""
    sandbox.inject(fault, times=times)
    result = cli("check", "--json")
    assert result.status == status
    assert check_results(result)[name][0] == state
    assert check_results(result)["key"] == ("not checked", "")


def test_check_of_a_wrong_clock(cli: Cli, sandbox: Sandbox) -> None:
    """The status is 1 although both requests succeed, because other programs do not correct the clock."""
    sandbox.inject("clock-skew=90")
    result = cli("check")
    assert result.status == 1
    assert "wrong" in result.out
    assert (
        "this machine's clock is 90.0 s behind the exchange's; this client corrects that, but other programs do not."
        in result.out
    )


def test_check_of_an_unreachable_exchange(cli: Cli, sandbox: Sandbox) -> None:
    """The status is 4."""
    result = cli("check", "--base-url", UNREACHABLE_URL, "--json")
    assert result.status == 4
    assert check_results(result)["exchange"][0] == "wrong"
    assert sandbox.arrivals == []


@pytest.mark.parametrize(
    ("offset", "state", "expected"),
    [(-31.0, "wrong", "31.0 s ahead of"), (29.0, "ok", "29.0 s behind"), (-1, "ok", "1.0 s")],
)
def test_check_clock(offset: float, state: str, expected: str) -> None:
    """A clock is wrong if it is outside the timestamp window, and the detail says in which direction."""
    result = check.check_clock(ClockReading(offset, 0.1))
    assert result.state == state
    assert expected in result.detail


def test_every_code_belongs_to_a_check() -> None:
    """Each check exists, and each code belongs to a class of errors that ends a run."""
    assert set(check.CHECK_BY_CODE.values()) <= set(check.CHECKS)
    for code in check.CHECK_BY_CODE:
        assert issubclass(
            errors.error_class(code, "v2"),
            errors.AuthenticationError | errors.PermissionDeniedError | errors.WrongEnvironmentError,
        )


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (errors.AuthenticationError("40036"), "passphrase"),
        (errors.AuthenticationError("40001"), "key"),
        (errors.ClockError("40008"), "clock"),
        (errors.PermissionDeniedError("40013"), "reading"),
        (errors.WrongEnvironmentError("40099"), "environment"),
        (errors.SystemBusyError("45001"), "exchange"),
        (httpx.ConnectError("refused"), "exchange"),
    ],
)
def test_failed_check_name(error: Exception, name: str) -> None:
    """An error belongs to the check of its code, else to that of its class, else to that of the exchange."""
    assert check.failed_check_name(error) == name
