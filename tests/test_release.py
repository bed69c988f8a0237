"""Release notes come from the changelog, the README works on an index page, and the metadata name the repository."""

from __future__ import annotations

import re
import runpy
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SITE = PROJECT["urls"]["Documentation"]
REPOSITORY = PROJECT["urls"]["Repository"]
PICTURES = REPOSITORY.replace("https://github.com/", "https://raw.githubusercontent.com/") + "/main/"
CHANGELOG = """\
# Changelog

## Unreleased

### Added

- One thing, in two
  lines.

## 1.1.0 - 2026-11-30

- Another.

## 1.0.0
"""


@pytest.fixture
def notes_of() -> Callable[[str, str], str]:
    """The function that finds the notes of a version."""
    names: dict[str, Any] = runpy.run_path(str(ROOT / "tests" / "release_notes.py"))
    function: Callable[[str, str], str] = names["notes_of"]
    return function


def test_notes_are_the_section_of_the_version(notes_of: Callable[[str, str], str]) -> None:
    """They end at the next version, and a paragraph is one line."""
    assert notes_of(CHANGELOG, "1.1.0") == "- Another.\n"
    assert notes_of(CHANGELOG, "Unreleased") == "### Added\n\n- One thing, in two lines.\n"


@pytest.mark.parametrize(
    ("changelog", "version", "problem"),
    [
        (CHANGELOG, "1.0.0", "no entries for 1.0.0"),
        (CHANGELOG, "1.2.0", "no entries for 1.2.0"),
        (CHANGELOG, "1", "no entries for 1;"),
        (CHANGELOG + "\n- Entry.\n", "1.0.0", "1.0.0 has no date"),
    ],
)
def test_notes_are_required(notes_of: Callable[[str, str], str], changelog: str, version: str, problem: str) -> None:
    """A version without entries or without a date is not released."""
    with pytest.raises(ValueError, match=re.escape(problem)):
        notes_of(changelog, version)


def test_addresses_of_the_readme_work_on_an_index_page() -> None:
    """Each address is absolute; the files and pages of this project that it names exist."""
    addresses = re.findall(r"\]\(([^)\s]+)\)", ROOT.joinpath("README.md").read_text("utf-8"))
    assert len([address for address in addresses if address.startswith(PICTURES)]) == 3
    for address in addresses:
        assert address.startswith("https://"), address
        if address.startswith(SITE):
            page = address.removeprefix(SITE).partition("#")[0].replace(".html", ".md")
            assert (ROOT / "docs" / page).is_file(), address
        for prefix in (PICTURES, f"{REPOSITORY}/blob/main/"):
            if address.startswith(prefix):
                assert (ROOT / address.removeprefix(prefix)).is_file(), address


def test_docs_name_the_tested_versions() -> None:
    """The versions of Python on the page about versions are those of the metadata."""
    prefix = "Programming Language :: Python :: 3."
    minors = [name.removeprefix(prefix) for name in PROJECT["classifiers"] if name.startswith(prefix)]
    row = f"| {', '.join(f'3.{minor}' for minor in minors)} | all tests, on Linux |"
    assert row in (ROOT / "docs" / "versions.md").read_text("utf-8")
    assert PROJECT["requires-python"] == f">=3.{minors[0]}"


@pytest.mark.skipif(not (ROOT / ".github").is_dir(), reason="the sdist has no workflows")
def test_actions_of_the_workflows_are_pinned_to_commits() -> None:
    """Each action has the hash of a commit, and its version as a comment."""
    lines = []
    for path in ROOT.glob(".github/workflows/*.yml"):
        lines += [line.strip() for line in path.read_text("utf-8").splitlines() if "uses:" in line]
    assert lines
    for line in lines:
        assert re.fullmatch(r"(- )?uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line
