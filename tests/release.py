"""
Build what a release publishes, and check it; publish nothing: `make release-files`.

    dist/packages/      the wheel and the sdist, built once
    dist/sbom.cdx.json  what an installation of the wheel with all extras consists of
    dist/notes.md       the entries of CHANGELOG.md

`--tag v1.2.0` also requires that the tag, the version and the changelog belong together. Without it, the notes of a version
that has no section yet are those of *Unreleased*.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

from readme_renderer import markdown  # type: ignore[import-not-found]  # only in the group `release`
from release_notes import CHANGELOG, UNRELEASED, notes_of, sections
from wheel import (
    CONSTRAINTS,
    EXTRA_PROGRAMS,
    HTTPX2_PROGRAM,
    ROOT,
    check_contents,
    pip,
    python_of,
    run_in_new_environment,
)

DIST: Final = ROOT / "dist"
PACKAGES: Final = DIST / "packages"
SBOM: Final = DIST / "sbom.cdx.json"
NOTES: Final = DIST / "notes.md"
PROJECT: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def run_module(*arguments: str | Path) -> None:
    """Run a module of this environment."""
    # The isolated environment of a build reads its pins from the variables.
    pins = {"PIP_CONSTRAINT": str(CONSTRAINTS), "PIP_BUILD_CONSTRAINT": str(CONSTRAINTS)}
    subprocess.run([sys.executable, "-m", *map(str, arguments)], env={**os.environ, **pins}, check=True)


def build() -> tuple[Path, Path]:
    """Build the sdist, and the wheel from the sdist; return the wheel and the sdist."""
    shutil.rmtree(DIST, ignore_errors=True)
    run_module("build", "--outdir", PACKAGES, ROOT)
    (wheel,) = PACKAGES.glob("*.whl")
    (sdist,) = PACKAGES.glob("*.tar.gz")
    check_contents(wheel)
    return wheel, sdist


class References(HTMLParser):
    """The addresses of the pictures and the links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.pictures = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the address of a tag."""
        self.pictures += tag == "img"
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]


def check_readme() -> None:
    """Render the README as an index does; exit with 1 if it has a picture or a link that would not work there."""
    text = ROOT.joinpath(PROJECT["readme"]).read_text("utf-8")
    page = markdown.render(text)
    if page is None:
        sys.exit("README.md: an index cannot render it")
    references = References(page)
    relative = [address for address in references.addresses if not address.startswith(("https://", "#"))]
    if relative:
        sys.exit(f"README.md: relative addresses do not work on an index: {', '.join(relative)}")
    if references.pictures != len(re.findall(r"!\[", text)):
        sys.exit("README.md: an index would leave out a picture")
    print(f"README.md: renders, with {references.pictures} pictures and {len(references.addresses)} addresses")


def check_installations(packages: tuple[Path, Path]) -> None:
    """Install wheel and sdist in clean environments, without and with each extra and with httpx2, and use them."""
    with tempfile.TemporaryDirectory() as scratch:
        for package in packages:
            for extra, program in EXTRA_PROGRAMS.items():
                folder = Path(scratch) / f"{package.suffix}{extra}"
                run_in_new_environment(package, extra, ["-c", program], folder)
                shutil.rmtree(folder)
        run_in_new_environment(packages[0], "", ["-c", HTTPX2_PROGRAM], Path(scratch) / "httpx2", "httpx2")


def write_sbom(wheel: Path) -> None:
    """Write the software bill of materials of an installation of the wheel with all extras."""
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([sys.executable, "-m", "venv", scratch], check=True)
        python = python_of(Path(scratch))
        pip(python, "install", f"{wheel}[all]")
        pip_of_environment = [str(python), "-m", "pip", "--disable-pip-version-check", "uninstall", "--yes", "--quiet"]
        # What came with the environment is no part of the package.
        subprocess.run([*pip_of_environment, "setuptools", "pip"], stderr=subprocess.DEVNULL, check=True)
        for origin in Path(scratch).rglob("direct_url.json"):
            origin.unlink()  # the path of the wheel on this machine
        options = ["--pyproject", str(ROOT / "pyproject.toml"), "--mc-type", "library", "--output-reproducible"]
        run_module("cyclonedx_py", "environment", *options, "--output-file", SBOM, python)
    bill = json.loads(SBOM.read_text("utf-8"))
    components = {component["name"] for component in bill["components"]}
    missing = {re.split(r"[\[<>=~!; ]", requirement)[0] for requirement in PROJECT["dependencies"]} - components
    if missing:
        sys.exit(f"{SBOM.name}: {', '.join(sorted(missing))} missing")
    print(f"{SBOM.name}: {len(components)} components")


def write_notes(tag: str | None) -> None:
    """Write the notes; with a tag, exit with 1 unless it is that of the version, and the changelog has a section for it."""
    version = PROJECT["version"]
    changelog = CHANGELOG.read_text("utf-8")
    if tag is not None and tag != f"v{version}":
        sys.exit(f"the tag is {tag}, and pyproject.toml has the version {version}; they must belong together")
    if tag is None and version not in sections(changelog):
        print(f"CHANGELOG.md: no section for {version}; the notes are those of {UNRELEASED!r}")
        version = UNRELEASED
    try:
        NOTES.write_text(notes_of(changelog, version), "utf-8")
    except ValueError as error:
        sys.exit(str(error))
    print(f"{NOTES.name}: {version}")


def main() -> None:
    """Build and check; exit with 1 at the first problem."""
    parser = argparse.ArgumentParser(description="Build what a release publishes, and check it.")
    parser.add_argument("--tag", help="the tag of the release, such as v1.2.0")
    options = parser.parse_args()
    packages = build()
    write_notes(options.tag)
    run_module("twine", "check", "--strict", *packages)
    check_readme()
    check_installations(packages)
    write_sbom(packages[0])


if __name__ == "__main__":
    main()
