"""The pytest plugin: the fixture `bitget_sandbox`. It imports nothing else before the fixture is used."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from bitget_spot.sandbox import Sandbox


@pytest.fixture
def bitget_sandbox() -> "Iterator[Sandbox]":
    """A new sandbox for the test, with 120 open orders."""
    from bitget_spot.sandbox import Sandbox  # noqa: PLC0415 - pytest loads this module in every run

    with Sandbox() as sandbox:
        yield sandbox
