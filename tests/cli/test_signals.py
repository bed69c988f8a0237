"""What a command says as soon as it is told to stop."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator

import pytest

from bitget_spot._cli.advice import Terminated
from bitget_spot._cli.signals import STOPPING, announced_stop, raise_on_sigterm


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """Restore the handlers of the signals."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)])
def test_stop_is_announced(number: int, error: type[BaseException], capfd: pytest.CaptureFixture[str]) -> None:
    """While orders are being cancelled, a signal says at once that the command waits for requests in flight."""
    raise_on_sigterm()
    with pytest.raises(error), announced_stop():
        signal.raise_signal(number)
    assert capfd.readouterr().err == STOPPING
    with pytest.raises(error):
        signal.raise_signal(number)
    assert capfd.readouterr().err == ""


def test_signals_that_are_ignored_stay_ignored(capfd: pytest.CaptureFixture[str]) -> None:
    """A program that ignores Ctrl-C goes on, and says nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with announced_stop():
        signal.raise_signal(signal.SIGINT)
    assert capfd.readouterr().err == ""
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


@pytest.mark.parametrize("stream", ["closed", "none"])
def test_stderr_that_cannot_be_written(stream: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """If nothing can be said, the command stops all the same."""
    with open(os.devnull, "w", encoding="utf-8") as closed:  # noqa: PTH123 - to have a stream that is closed
        pass
    monkeypatch.setattr(sys, "stderr", closed if stream == "closed" else None)
    with pytest.raises(KeyboardInterrupt), announced_stop():
        signal.raise_signal(signal.SIGINT)


def test_other_threads_leave_the_handlers_alone() -> None:
    """A command that runs in another thread than the main one does not change the handlers, and does not fail."""
    before = signal.getsignal(signal.SIGINT)
    seen: list[object] = []

    def run() -> None:
        raise_on_sigterm()
        with announced_stop():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]
    assert signal.getsignal(signal.SIGINT) is before
