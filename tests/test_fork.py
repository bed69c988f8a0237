"""What a forked process does not share with its parent."""

from __future__ import annotations

import asyncio
import os
import runpy
import subprocess
import sys
import weakref

import httpx
import pytest
from environment import set_variables

from bitget_spot import _concurrency
from bitget_spot._concurrency import ForkAware, PerLoop, fork
from bitget_spot._middleware.context import attach_context
from bitget_spot._middleware.send import SendTransport
from bitget_spot.sandbox import Sandbox
from bitget_spot_api.operations import GET_SERVER_TIME

needs_fork = pytest.mark.skipif(
    not hasattr(os, "fork") or sys.platform == "darwin",
    reason="Windows has no fork; on macOS, system libraries may end a forked process that has threads",
)
PROGRAM = """
import os
from bitget_spot import Credentials, connect, server_time
from bitget_spot._concurrency import inherited

with connect(Credentials.from_env(), base_url=os.environ["BITGET_API_BASE_URL"]) as client:
    server_time.sync(client=client)
    child = os.fork()
    if child == 0:
        server_time.sync(client=client)
        os._exit(10 + len(inherited))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    server_time.sync(client=client)
    print(status, len(inherited))
"""


class Resource(ForkAware):
    """Counts how often it was told that it is in a forked process."""

    def __init__(self) -> None:
        super().__init__()
        self.forks = 0
        self.closed = 0

    def after_fork_in_child(self) -> None:
        self.forks += 1

    async def aclose(self) -> None:
        """Count the call."""
        self.closed += 1


@pytest.fixture(autouse=True)
def resources(monkeypatch: pytest.MonkeyPatch) -> weakref.WeakSet[ForkAware]:
    """What is told about a fork: only what the test creates."""
    resources: weakref.WeakSet[ForkAware] = weakref.WeakSet()
    monkeypatch.setattr(fork, "_fork_aware", resources)
    return resources


def test_every_living_resource_is_told() -> None:
    """In the child, everything that must not be shared is replaced; what is gone is not kept for that."""
    first, second = Resource(), Resource()
    gone = weakref.ref(Resource())
    fork._after_fork_in_child()
    assert (first.forks, second.forks) == (1, 1)
    assert gone() is None


def test_resources_of_event_loops_are_forgotten() -> None:
    """The child gets a resource of its own, and the parent's is neither closed nor freed."""
    resources = PerLoop(Resource)

    async def main() -> None:
        of_the_parent = await resources.get()
        resources.after_fork_in_child()
        of_the_child = await resources.get()
        assert of_the_child is not of_the_parent
        await resources.aclose()
        assert (of_the_parent.closed, of_the_child.closed) == (0, 1)

    before = len(_concurrency.inherited)
    asyncio.run(main())
    assert len(_concurrency.inherited) == before + 1
    _concurrency.inherited.pop()


def test_connections_of_threads_are_forgotten(bitget_sandbox: Sandbox) -> None:
    """The child opens connections of its own, and leaves the parent's open."""
    transport = SendTransport()

    def get_time() -> bool:
        request = httpx.Request("GET", f"{bitget_sandbox.url}{GET_SERVER_TIME.path}")
        attempt = attach_context(request).attempt
        transport.handle_request(request)
        return attempt.opened_connection

    assert get_time()
    assert not get_time()
    of_the_parent = transport._for_threads
    transport.after_fork_in_child()
    assert get_time()
    transport.close()
    assert _concurrency.inherited.pop() is of_the_parent
    pooled = of_the_parent._current
    assert pooled is not None
    assert not pooled.retired
    pooled.transport.close()


@needs_fork
def test_forked_process_uses_connections_of_its_own(bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parent and child both get their responses, and only the child has inherited something."""
    set_variables(bitget_sandbox, monkeypatch)
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=30)
    status, inherited_by_parent = done.stdout.split()
    assert int(status) > 10
    assert inherited_by_parent == "0"
    assert sum(arrival.path == GET_SERVER_TIME.path for arrival in bitget_sandbox.arrivals) == 3


def test_system_without_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where processes cannot fork, the module can be imported all the same."""
    monkeypatch.delattr(os, "register_at_fork", raising=False)
    assert "ForkAware" in runpy.run_path(fork.__file__)
