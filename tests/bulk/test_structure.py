"""What the modules of `_bulk` may know."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import bitget_spot._bulk
from bitget_spot_api.operations import OPERATIONS

FOLDER: Final = Path(str(bitget_spot._bulk.__file__)).parent
API_VERSIONS: Final = sorted({operation.api_version for operation in OPERATIONS.values() if operation.signed})


def test_only_the_accounts_know_versions_of_the_api() -> None:
    """Outside `accounts/`, no line of `_bulk` names a version of the API."""
    assert len(API_VERSIONS) > 1
    version = re.compile(rf"(?<![a-z])({'|'.join(API_VERSIONS)})(?![a-z0-9])", re.IGNORECASE)
    modules = [path for path in FOLDER.rglob("*.py") if path.parent.name != "accounts"]
    assert len(modules) > 15
    lines = []
    for path in modules:
        lines += [f"{path.name}: {line}" for line in path.read_text().splitlines() if version.search(line)]
    assert lines == []


def test_only_the_accounts_call_generated_functions() -> None:
    """Outside `accounts/`, no module of `_bulk` imports a generated function."""
    modules = [path for path in FOLDER.rglob("*.py") if path.parent.name != "accounts"]
    assert [path.name for path in modules if "bitget_spot_api.api" in path.read_text()] == []
