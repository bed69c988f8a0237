"""One build of the client for all tests that only look at it."""

from pathlib import Path

import pytest

import generate


@pytest.fixture(scope="session")
def fresh_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a client built from the document just now; copy it before changing it."""
    target = tmp_path_factory.mktemp("fresh") / generate.CLIENT.name
    generate.build(target)
    return target
