"""
Show what a change means for programs that import the packages, breaking changes first: `make diff-api BASE=<revision>`.

    python openapi/diff_api.py BASE            show what has changed since a revision, as lines for CHANGELOG.md
    python openapi/diff_api.py BASE --check    exit with 1 if a breaking change has no entry in CHANGELOG.md

The default revision is the last release: the one that last set the version. griffe reads both revisions without running
them. A breaking change has its entry if the part of CHANGELOG.md above that release names the object.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import griffe

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"bitget_spot_api": "generated", "bitget_spot": "overlay"}


def last_release() -> str:
    """Return the revision that last set the version."""
    command = ["git", "log", "-1", "--format=%H", "-G^version = ", "--", "pyproject.toml"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def breaking(old: griffe.Object | griffe.Alias, new: griffe.Object | griffe.Alias) -> list[tuple[str, str]]:
    """Return each breaking change: the path of the object, and how it has changed."""
    return sorted(
        {
            (change.obj.path, f"{change.kind.value}{_values(change)}")
            for change in griffe.find_breaking_changes(old, new)
            if _is_public(change.obj.path)
        }
    )


def added(old: griffe.Object | griffe.Alias, new: griffe.Object | griffe.Alias) -> list[str]:
    """Return what is new: modules, classes, functions, attributes and parameters, without the contents of what is new."""
    new_names = set(_names(new)) - set(_names(old))
    return sorted(name for name in new_names if not {name.rpartition("(")[0], name.rpartition(".")[0]} & new_names)


def _names(parent: griffe.Object | griffe.Alias) -> Iterator[str]:
    for member in parent.members.values():
        if member.is_alias or not _is_public(member.path):
            continue
        yield member.path
        if isinstance(member, griffe.Function):
            yield from (
                f"{member.path}({parameter.name})" for parameter in member.parameters if parameter.name != "self"
            )
        else:
            yield from _names(member)


def _is_public(path: str) -> bool:
    return not any(part.startswith("_") and not part.startswith("__") for part in path.split("."))


def _values(change: griffe.Breakage) -> str:
    if change.old_value is None and change.new_value is None:
        return ""
    return f": {change.old_value} is now {change.new_value}"


def main() -> int:
    """Show the changes, or check that the breaking ones have an entry; return the exit status."""
    parser = argparse.ArgumentParser(description="Show what a change means for importers.")
    parser.add_argument("base", nargs="?", help="the revision to compare with; by default the last release")
    parser.add_argument("--check", action="store_true", help="only check that breaking changes have an entry")
    arguments = parser.parse_args()
    base = arguments.base or last_release()
    breaking_changes: list[tuple[str, str]] = []
    new_names: list[str] = []
    for package, folder in PACKAGES.items():
        try:
            old = griffe.load_git(package, ref=base, repo=ROOT, search_paths=[folder])
        except (RuntimeError, griffe.GitError, ModuleNotFoundError) as error:
            print(f"{base}: {package} cannot be read there: {error}", file=sys.stderr)
            return 2
        new = griffe.load(package, search_paths=[ROOT / folder])
        breaking_changes += breaking(old, new)
        new_names += added(old, new)
    if arguments.check:
        return _check_entries(breaking_changes)
    print(f"Since {base[:12]}:\n")
    _show_section("Changed (breaking)", [f"`{path}`: {change}" for path, change in breaking_changes])
    _show_section("Added", [f"`{name}`" for name in new_names])
    return 0


def _check_entries(breaking_changes: list[tuple[str, str]]) -> int:
    """Print each breaking change without an entry; return the exit status."""
    entries = (ROOT / "CHANGELOG.md").read_text("utf-8").partition("\n## ")[2].partition("\n## ")[0]
    status = 0
    for path, change in breaking_changes:
        name = path.rpartition(".")[2].partition("(")[0]
        if name not in entries:
            print(f"CHANGELOG.md does not name a breaking change: {path}: {change}", file=sys.stderr)
            status = 1
    return status


def _show_section(title: str, lines: list[str]) -> None:
    print(f"### {title}\n")
    print("\n".join(f"- {line}" for line in lines) or "Nothing.")
    print()


if __name__ == "__main__":
    sys.exit(main())
