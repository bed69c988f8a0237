"""The pytest plugin."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bitget_spot.sandbox.server import Sandbox


@pytest.fixture
def bitget_sandbox() -> "Iterator[Sandbox]":
    """A new sandbox for the test, with 120 open orders."""
    # pytest loads this module in every run, also in those without a sandbox.
    from bitget_spot.sandbox import Sandbox  # noqa: PLC0415 - see above

    with Sandbox() as sandbox:
        yield sandbox
