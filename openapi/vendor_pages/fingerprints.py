"""
The fingerprints of the texts that somebody has read, by operation and place.

`make check-docs PAGE=… ACCEPT=1` writes the file. It has no text of the vendor.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Final

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString

FINGERPRINTS: Final = Path(__file__).resolve().parents[1] / "page-fingerprints.yaml"
HEADER: Final = "# Fingerprints of the texts on the vendor's pages, by operation: `make check-docs PAGE=page.html ACCEPT=1` writes them.\n"

Fingerprints = Mapping[str, Mapping[str, str]]
"""By operation id and place."""


def load_fingerprints(path: Path) -> Fingerprints:
    """Read the fingerprints; none if there is no file yet."""
    if not path.exists():
        return {}
    fingerprints: Fingerprints | None = YAML(typ="safe").load(path.read_text("utf-8"))
    return fingerprints or {}


def store_fingerprints(path: Path, operation_id: str, texts: Mapping[str, str]) -> None:
    """Replace the fingerprints of one operation, and leave all others as they are."""
    path.write_text(with_texts(load_fingerprints(path), operation_id, texts), "utf-8", newline="\n")


def with_texts(fingerprints: Fingerprints, operation_id: str, texts: Mapping[str, str]) -> str:
    """Return the contents of the file with these fingerprints for an operation."""
    changed = {**fingerprints, operation_id: texts}
    # A page's names can be anything, including what has a meaning in YAML.
    quoted = {
        name: {place: DoubleQuotedScalarString(text) for place, text in changed[name].items()}
        for name in sorted(changed)
    }
    writer = YAML()
    writer.width = sys.maxsize
    writer.allow_unicode = False
    stream = StringIO()
    writer.dump(quoted, stream)
    return HEADER + stream.getvalue()
