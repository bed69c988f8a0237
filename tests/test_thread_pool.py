"""Threads that are used again, and that end when they have been idle for a while."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable

import pytest
from waiting import INTERVAL

from bitget_spot._concurrency.threads import ThreadPool

TIMEOUT = 10.0


def poll(condition: Callable[[], bool]) -> None:
    """Wait in this thread until a condition holds."""
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(INTERVAL)


def run_and_wait(pool: ThreadPool, work: Callable[[], object] = lambda: None) -> threading.Thread:
    """Run a function in the pool, wait until its thread is idle again, and return the thread."""
    threads: queue.SimpleQueue[threading.Thread] = queue.SimpleQueue()

    def note_thread() -> None:
        threads.put(threading.current_thread())
        work()

    pool.run(note_thread)
    thread = threads.get(timeout=TIMEOUT)
    poll(lambda: bool(pool._idle) or not thread.is_alive())
    return thread


def test_idle_thread_is_used_again() -> None:
    """A function runs in the thread that has become idle, and in a new one only if there is none."""
    pool = ThreadPool()
    first = run_and_wait(pool)
    assert run_and_wait(pool) is first
    proceed = threading.Event()

    def wait_for_test() -> None:
        proceed.wait(TIMEOUT)

    pool.run(wait_for_test)
    assert run_and_wait(pool) is not first
    proceed.set()


@pytest.mark.parametrize("error", [RuntimeError("a bug"), KeyboardInterrupt(), SystemExit(2)], ids=repr)
def test_thread_survives_an_error(error: BaseException) -> None:
    """Whatever a function raises, its thread serves the next one."""
    pool = ThreadPool()

    def fail() -> None:
        raise error

    assert run_and_wait(pool, fail) is run_and_wait(pool)


def test_idle_thread_ends() -> None:
    """A thread that nobody needs for the idle timeout ends, and the next function gets a new one."""
    pool = ThreadPool(idle_timeout=0.01)
    first = run_and_wait(pool)
    first.join(TIMEOUT)
    assert not first.is_alive()
    assert pool._idle == []
    assert run_and_wait(pool) is not first


def test_thread_that_is_taken_when_it_would_end_goes_on() -> None:
    """A thread whose idle timeout passes between being taken and getting its work waits for the work."""
    pool = ThreadPool(idle_timeout=0.01)
    done = threading.Event()
    pool.run(lambda: None)
    poll(lambda: bool(pool._idle))
    inbox = pool._idle.pop()  # as `run` does
    done.wait(0.1)  # several timeouts
    inbox.put(done.set)
    assert done.wait(TIMEOUT)


def test_threads_do_not_keep_the_program_alive() -> None:
    """The threads are daemons: an idle one does not delay the end of the program."""
    assert run_and_wait(ThreadPool()).daemon


def test_forked_process_forgets_the_threads_of_its_parent() -> None:
    """The threads of the parent do not exist in the child, so none of them is used there."""
    pool = ThreadPool()
    first = run_and_wait(pool)
    pool.after_fork_in_child()
    assert run_and_wait(pool) is not first


def test_thread_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """If no thread can be started, the caller gets the error, and the pool is as before."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    pool = ThreadPool()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            pool.run(lambda: None)
    assert pool._idle == []
    assert run_and_wait(pool).daemon
