"""
The pytest plugin: the fixture `bitget_sandbox` and the marker `bitget_account`.

It imports nothing else before the fixture is used.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from bitget_spot.sandbox import Sandbox

MARKER: Final = "bitget_account"


def pytest_configure(config: pytest.Config) -> None:
    """Register the marker."""
    config.addinivalue_line(
        "markers", f"{MARKER}(account_type): the account type of bitget_sandbox, 'classic' (default) or 'unified'"
    )


@pytest.fixture
def bitget_sandbox(request: pytest.FixtureRequest) -> "Iterator[Sandbox]":
    """
    Start a new sandbox for the test, with 120 open orders.

    Its account is classic, unless an indirect parameter or the marker `bitget_account` says otherwise.
    """
    from bitget_spot.sandbox import Sandbox  # noqa: PLC0415 - pytest loads this module in every run

    with Sandbox(account_type=_account_type(request)) as sandbox:
        yield sandbox


def _account_type(request: pytest.FixtureRequest) -> Any:  # noqa: ANN401 - whatever the test says; the sandbox checks it
    """
    Return the account type that a test asks for.

    Raises:
        TypeError: The marker has no argument, or several.

    """
    marker = request.node.get_closest_marker(MARKER)
    if hasattr(request, "param"):
        return request.param
    if marker is None:
        return "classic"
    if len(marker.args) != 1 or marker.kwargs:
        raise TypeError(f"{MARKER}: expected one account type; write @pytest.mark.{MARKER}('unified')")
    return marker.args[0]
