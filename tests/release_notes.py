"""
Print the notes of a release, from CHANGELOG.md: `python tests/release_notes.py 1.2.0`.

Without a version, print those of *Unreleased*. The text of a section is printed without line breaks inside a paragraph,
because a page of releases shows each of them.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

CHANGELOG: Final = Path(__file__).resolve().parent.parent / "CHANGELOG.md"
SECTION: Final = re.compile(r"^## +\[?(?P<version>[^\]\s]+)\]?(?P<date> - \d{4}-\d{2}-\d{2})?\s*$", re.MULTILINE)
UNRELEASED: Final = "Unreleased"


def sections(changelog: str) -> dict[str, str]:
    """Return the text of each section, by its version."""
    matches = list(SECTION.finditer(changelog))
    ends = [match.start() for match in matches[1:]]
    ends.append(len(changelog))
    return {match["version"]: changelog[match.end() : end].strip() for match, end in zip(matches, ends, strict=False)}


def notes_of(changelog: str, version: str) -> str:
    """
    Return the notes of a version.

    Raises:
        ValueError: The changelog has no section for it, the section is empty, or it has no date.

    """
    found = sections(changelog)
    if not found.get(version):
        raise ValueError(f"CHANGELOG.md: no entries for {version}; rename the section {UNRELEASED!r}, and add the date")
    if version != UNRELEASED and not re.search(rf"^## +\[?{re.escape(version)}\]? - \d", changelog, re.MULTILINE):
        raise ValueError(f"CHANGELOG.md: {version} has no date; write it as '## {version} - YYYY-MM-DD'")
    return re.sub(r"\n +(?=[^\s-])", " ", found[version]) + "\n"


def main() -> None:
    """Print the notes of the version that the command line names; exit with 1 if there are none."""
    version = sys.argv[1] if len(sys.argv) > 1 else UNRELEASED
    try:
        print(notes_of(CHANGELOG.read_text("utf-8"), version), end="")
    except ValueError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
