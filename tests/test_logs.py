"""The loggers: what is logged at which level, how the environment turns it on, and that no line has a secret."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest
from environment import set_variables
from sandboxes import call, connect_to

from bitget_spot import BitgetError, Credentials, cancel_orders, connect, logs
from bitget_spot.sandbox import Sandbox
from bitget_spot_api.api.public import get_server_time
from bitget_spot_api.api.trade import get_unfilled_orders
from bitget_spot_api.models import OrderRef

modes = pytest.mark.parametrize("mode", ["sync", "asyncio"])
FAULTS = ["drop-before", "drop-after", "html-502", "empty", "429", "code=40009", "code=43001", "raw={}"]
REQUEST_LINE = re.compile(r"(\w+): (\w+)( in \d+ ms)?, \d+\.\d{3} s for a permit")


@pytest.fixture(autouse=True)
def stream(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What is written to stderr; afterwards the loggers are as before."""
    monkeypatch.delenv(logs.VARIABLE, raising=False)
    stream = io.StringIO()
    original = logs._handler.setStream(stream)
    yield stream
    logs.ROOT.removeHandler(logs._handler)
    logs.ROOT.setLevel(logging.NOTSET)
    if original is not None:
        logs._handler.setStream(original)


def levels_of(caplog: pytest.LogCaptureFixture, logger: str) -> list[int]:
    """Return the levels of the lines of a logger, in order."""
    return [record.levelno for record in caplog.records if record.name == logger]


# The variable


@pytest.mark.parametrize(
    ("value", "level"),
    [("debug", logging.DEBUG), ("INFO", logging.INFO), (" Warning ", logging.WARNING)],
)
def test_variable_sets_the_level(
    value: str, level: int, monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, credentials: Credentials
) -> None:
    """BITGET_LOG names the level in any case, when a client is made; a line shows level and logger."""
    monkeypatch.setenv(logs.VARIABLE, value)
    connect(credentials)
    assert logs.ROOT.level == level
    logger = logging.getLogger("bitget_spot.requests")
    for number in (logging.DEBUG, logging.INFO, logging.WARNING):
        logger.log(number, "line at %d", number)
    lines = stream.getvalue().splitlines()
    assert len(lines) == sum(number >= level for number in (logging.DEBUG, logging.INFO, logging.WARNING))
    assert lines[-1].endswith(" WARNING bitget_spot.requests: line at 30")


def test_lines_are_written_once(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, credentials: Credentials) -> None:
    """Several clients write each line once."""
    monkeypatch.setenv(logs.VARIABLE, "info")
    for _ in range(3):
        connect(credentials)
    logs.ROOT.info("once")
    assert stream.getvalue().count("once") == 1


@pytest.mark.parametrize("value", [None, "", "  "])
def test_nothing_is_written_without_the_variable(
    value: str | None, monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, credentials: Credentials
) -> None:
    """Without the variable the loggers are left to the program."""
    if value is not None:
        monkeypatch.setenv(logs.VARIABLE, value)
    connect(credentials)
    logs.ROOT.warning("a warning")
    assert stream.getvalue() == ""
    assert logs.ROOT.level == logging.NOTSET


def test_unknown_level_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, credentials: Credentials
) -> None:
    """A level that is not known stops nothing: it is a line in the log, with the levels that there are."""
    monkeypatch.setenv(logs.VARIABLE, "verbose")
    connect(credentials)
    assert logs.ROOT.level == logging.WARNING
    assert "BITGET_LOG: 'verbose' is not a level; use debug, info, warning" in stream.getvalue()


def test_variable_of_a_program(bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program writes its log to stderr, and nothing of it to stdout."""
    set_variables(bitget_sandbox, monkeypatch)
    command = [sys.executable, "-W", "error", "-m", "bitget_spot", "check", "--json"]
    environment = os.environ | {logs.VARIABLE: "debug"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    lines = [line for line in done.stderr.splitlines() if " DEBUG bitget_spot.requests: " in line]
    assert [line.split(": ")[1] for line in lines] == ["getServerTime", "getUnfilledOrders"]
    assert "DEBUG" not in done.stdout


# Requests


@modes
def test_each_request_is_a_line_at_debug(mode: str, bitget_sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """A line has operation, code, latency and the wait for the permit, whether the request succeeds or not."""
    caplog.set_level(logging.DEBUG, "bitget_spot")
    client = connect_to(bitget_sandbox, max_retries=0)
    call(mode, get_server_time, client)
    bitget_sandbox.inject("list-code=40034")
    with pytest.raises(BitgetError):
        call(mode, get_unfilled_orders, client)
    matches = [REQUEST_LINE.fullmatch(record.getMessage()) for record in caplog.records]
    assert [match and match.group(1, 2) for match in matches] == [
        ("getServerTime", "00000"),
        ("getUnfilledOrders", "40034"),
    ]
    assert all(match and match[3] for match in matches)
    assert levels_of(caplog, "bitget_spot.requests") == [logging.DEBUG] * 2


@modes
def test_each_retry_is_a_line_at_info(mode: str, bitget_sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """A line has operation, reason, pause and the number of the attempt."""
    caplog.set_level(logging.INFO, "bitget_spot")
    bitget_sandbox.inject("list-code=45001")
    call(mode, get_unfilled_orders, connect_to(bitget_sandbox))
    (line,) = [record.getMessage() for record in caplog.records]
    pattern = r"getUnfilledOrders: HTTP 4\d\d, code 45001, retrying in 0\.[01] s \(attempt 2 of 6\)"
    assert re.fullmatch(pattern, line)


@modes
def test_each_batch_is_a_line_at_info(mode: str, bitget_sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """A bulk run has a line for each batch, with the counts of its outcomes; single requests are below that level."""
    caplog.set_level(logging.INFO, "bitget_spot")
    orders = [OrderRef(order_id=order_id) for order_id in bitget_sandbox.orders][:70]
    call(mode, cancel_orders, connect_to(bitget_sandbox), orders=orders)
    assert levels_of(caplog, "bitget_spot.bulk") == [logging.INFO] * 2
    assert levels_of(caplog, "bitget_spot.requests") == []
    assert any(
        re.fullmatch(r"batch of 50 by orderId: 50 accepted, 1 attempt, \d+ ms", line) for line in caplog.messages
    )


@modes
@pytest.mark.parametrize("fault", FAULTS)
def test_no_line_has_a_secret(mode: str, fault: str, bitget_sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong, no line at any level has key, secret, passphrase, signature or the body of a request."""
    caplog.set_level(logging.DEBUG, "bitget_spot")
    bitget_sandbox.inject(fault, times=2)
    order_id = next(iter(bitget_sandbox.orders))
    with suppress(BitgetError):
        call(mode, cancel_orders, connect_to(bitget_sandbox), orders=[OrderRef(order_id=order_id)])
    text = "\n".join(
        f"{record.getMessage()} {vars(record)}" for record in caplog.records if record.name.startswith("bitget_spot")
    )
    assert text
    for hidden in (bitget_sandbox.api_key, bitget_sandbox.secret_key, bitget_sandbox.passphrase, "ACCESS-", order_id):
        assert hidden not in text
