"""
What a change means for the programs that import the packages, breaking changes first: `make diff-api BASE=<revision>`.

    python openapi/diff_api.py BASE            show what has changed since a revision, in the words of a CHANGELOG
    python openapi/diff_api.py BASE --check    exit 1 if a breaking change has no entry in CHANGELOG.md

Without a revision it is the one that last set the version: the last release. griffe reads both sides without running
them; a breaking change has its entry when the part of CHANGELOG.md above that release names the object.
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
    """Answer the revision that last set the version."""
    command = ["git", "log", "-1", "--format=%H", "-G^version = ", "--", "pyproject.toml"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def breaking(old: griffe.Object | griffe.Alias, new: griffe.Object | griffe.Alias) -> list[tuple[str, str]]:
    """Name each breaking change: the object, and what has become of it."""
    return sorted(
        {
            (change.obj.path, f"{change.kind.value}{_values(change)}")
            for change in griffe.find_breaking_changes(old, new)
            if _is_public(change.obj.path)
        }
    )


def added(old: griffe.Object | griffe.Alias, new: griffe.Object | griffe.Alias) -> list[str]:
    """Name what is there now and was not: modules, classes, functions, attributes, parameters; not what is in them."""
    fresh = set(_names(new)) - set(_names(old))
    return sorted(name for name in fresh if not {name.rpartition("(")[0], name.rpartition(".")[0]} & fresh)


def _names(thing: griffe.Object | griffe.Alias) -> Iterator[str]:
    for member in thing.members.values():
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
    old, new = change.old_value, change.new_value
    return "" if old is None and new is None else f": {old} is now {new}"


def main() -> int:
    """Show the differences, or check that the breaking ones have their entry."""
    parser = argparse.ArgumentParser(description="Show what a change means for importers.")
    parser.add_argument("base", nargs="?", help="the revision to compare with; the last release without it")
    parser.add_argument("--check", action="store_true", help="only check that breaking changes have their entry")
    arguments = parser.parse_args()
    base = arguments.base or last_release()
    broken: list[tuple[str, str]] = []
    new_names: list[str] = []
    for package, folder in PACKAGES.items():
        try:
            old = griffe.load_git(package, ref=base, repo=ROOT, search_paths=[folder])
        except (RuntimeError, griffe.GitError, ModuleNotFoundError) as problem:
            print(f"{base}: no {package} can be read there: {problem}", file=sys.stderr)
            return 2
        new = griffe.load(package, search_paths=[ROOT / folder])
        broken += breaking(old, new)
        new_names += added(old, new)
    if arguments.check:
        entries = (ROOT / "CHANGELOG.md").read_text("utf-8").partition("\n## ")[2].partition("\n## ")[0]
        missing = [(path, what) for path, what in broken if path.rpartition(".")[2].partition("(")[0] not in entries]
        for path, what in missing:
            print(f"CHANGELOG.md does not name a breaking change: {path}: {what}", file=sys.stderr)
        return 1 if missing else 0
    print(f"Since {base[:12]}:\n")
    _show("Changed (breaking)", [f"`{path}`: {what}" for path, what in broken])
    _show("Added", [f"`{name}`" for name in new_names])
    return 0


def _show(title: str, lines: list[str]) -> None:
    print(f"### {title}\n")
    print("\n".join(f"- {line}" for line in lines) or "Nothing.")
    print()


if __name__ == "__main__":
    sys.exit(main())
