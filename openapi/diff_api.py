"""
Show what a change means for programs that import the packages, breaking changes first: `make diff-api BASE=<revision>`.

    python openapi/diff_api.py BASE            show what has changed since a revision, as lines for CHANGELOG.md
    python openapi/diff_api.py BASE --check    exit with 1 if a breaking change has no entry in CHANGELOG.md

The default revision is the last release: the one that last set the version. Compared are the OpenAPI documents and the
public names of the packages; what the document explains is not repeated for the generated client.

Breaking is what is removed or renamed, another type, something required that was not, a lower limit or maximum, and a
repeat that is no longer safe. A breaking change has its entry if *Changed (breaking)*, above the last release in
CHANGELOG.md, has the names of the object.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from api_changes.changelog import changes_without_entry
from api_changes.changes import Change, Section, listed, sorted_changes
from api_changes.document_changes import document_changes
from api_changes.python_api import FOLDERS, load_api
from api_changes.python_changes import python_changes, unexplained
from document import DOCUMENT, DocumentError, load

ROOT = Path(__file__).resolve().parent.parent


def last_release() -> str:
    """Return the revision that last set the version."""
    command = ["git", "log", "-1", "--format=%H", "-G^version = ", "--", "pyproject.toml"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def extract(revision: str, folder: Path) -> None:
    """
    Write the document and the packages of a revision into a folder.

    Raises:
        CalledProcessError: There is no such revision, or it lacks one of them.

    """
    paths = [DOCUMENT.relative_to(ROOT).as_posix(), *FOLDERS.values()]
    command = ["git", "archive", "--format=tar", revision, "--", *paths]
    archive = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")


def changes_between(old: Path, new: Path) -> list[Change]:
    """
    Return what has changed between two checkouts.

    Raises:
        DocumentError: One of the documents cannot be read.
        ModuleNotFoundError: One of them lacks a package.

    """
    document = DOCUMENT.relative_to(ROOT)
    in_document = document_changes(load(old / document), load(new / document))
    in_python = python_changes(load_api(old), load_api(new))
    return sorted_changes([*in_document, *unexplained(in_python, in_document)])


def main() -> int:
    """Show the changes, or check that the breaking ones have an entry; return the exit status."""
    parser = argparse.ArgumentParser(description="Show what a change means for importers.")
    parser.add_argument("base", nargs="?", help="the revision to compare with; by default the last release")
    parser.add_argument("--check", action="store_true", help="only check that breaking changes have an entry")
    arguments = parser.parse_args()
    base = arguments.base or last_release()
    with tempfile.TemporaryDirectory() as scratch:
        try:
            extract(base, Path(scratch))
            changes = changes_between(Path(scratch), ROOT)
        except subprocess.CalledProcessError as error:
            print(f"{base}: {error.stderr.decode().strip()}", file=sys.stderr)
            return 2
        except (DocumentError, ModuleNotFoundError) as error:
            print(f"{base}: {error}", file=sys.stderr)
            return 2
    if arguments.check:
        return check_entries(changes)
    print(f"Since {base[:12]}:\n")
    for section in Section:
        print(listed(changes, section))
    return 0


def check_entries(changes: list[Change]) -> int:
    """Print each breaking change without an entry in CHANGELOG.md; return the exit status."""
    missing = changes_without_entry(changes, (ROOT / "CHANGELOG.md").read_text("utf-8"))
    for change in missing:
        print(f"CHANGELOG.md: no entry under {Section.BREAKING} for {change.line}", file=sys.stderr)
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
