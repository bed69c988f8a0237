"""A fresh build of the client, shared by all tests that only read it."""

from pathlib import Path

import pytest

import generate


@pytest.fixture(scope="session")
def fresh_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A client built from the document; copy it before you change it."""
    target = tmp_path_factory.mktemp("fresh") / generate.CLIENT.name
    generate.build(target)
    return target
