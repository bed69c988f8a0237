"""
Run the tests against the built wheel, each session in an environment of its own: `make matrix`.

    tests-3.11, tests-3.12, ...   every Python that pyproject.toml names, with the pinned versions
    lowest                        the lowest versions of the user's dependencies that pyproject.toml allows
    httpx2                        httpx2 instead of httpx, which is not installed

`nox -s tests-3.12 httpx2` runs some of them. Only the tests and what they read come from the checkout; the package comes
from the wheel, which is built first, or is the one that BITGET_SPOT_WHEEL names. A session whose Python is not on this
machine is skipped with a warning; in CI it fails.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Final

import nox

ROOT: Final = Path(__file__).resolve().parent
PROJECT: Final = ROOT / "pyproject.toml"
CONSTRAINTS: Final = ROOT / "constraints.txt"
WHEEL_VARIABLE: Final = "BITGET_SPOT_WHEEL"
PYTHON_CLASSIFIER: Final = "Programming Language :: Python :: 3."
PYTHONS: Final = [
    classifier.rpartition(" ")[2]
    for classifier in nox.project.load_toml(PROJECT)["project"]["classifiers"]
    if classifier.startswith(PYTHON_CLASSIFIER)
]
LOWEST_PYTHON: Final = PYTHONS[0]

TOOL_TESTS: Final = (
    "openapi",
    "docs/test_blocks.py",
    "docs/test_site.py",
    "contract",
    "benchmarks",
    "fuzz/test_pages.py",
)
"""Tests of the document, the site and the benchmarks: their tools need their own versions of httpx, attrs and rich. The
sessions with the pinned versions run them."""

HTTPX2_ALIAS: Final = "import httpx2; httpx2.alias_httpx()\n"
"""In a .pth file, which every process of the environment executes, also those that the tests start."""
IGNORE_ANYIO_WARNING: Final = (
    "-W",
    "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning",
)
"""The alias imports anyio before pytest can rewrite its fixtures."""

SHOW_VERSIONS: Final = """
import platform, sys
import bitget_spot, httpx
assert bitget_spot.__file__.startswith(sys.prefix), bitget_spot.__file__
print(f"Python {platform.python_version()}, {httpx.__name__} {httpx.__version__}")
"""

nox.needs_version = ">=2026.10"
nox.options.default_venv_backend = "uv"
nox.options.download_python = "never"


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run all tests with the pinned versions."""
    install_wheel(session, CONSTRAINTS, "--group=dev")
    run_tests(session)


@nox.session(python=LOWEST_PYTHON)
def lowest(session: nox.Session) -> None:
    """Run the tests with the lowest versions of the user's dependencies."""
    install_wheel(session, lowest_constraints(session), "--group=test")
    run_tests(session, *without_tool_tests())


@nox.session(python=LOWEST_PYTHON)
def httpx2(session: nox.Session) -> None:
    """Run the tests with httpx2 instead of httpx."""
    install_wheel(session, CONSTRAINTS, "--group=test", "httpx2")
    session.run("uv", "pip", "uninstall", "httpx", "httpcore")
    site_packages = next(environment_of(session).rglob("site-packages"))
    site_packages.joinpath("httpx2_as_httpx.pth").write_text(HTTPX2_ALIAS, "utf-8")
    run_tests(session, *without_tool_tests(), *IGNORE_ANYIO_WARNING)


def environment_of(session: nox.Session) -> Path:
    """Return the folder of a session's environment."""
    return Path(session.virtualenv.location).resolve()


def find_wheel(session: nox.Session) -> Path:
    """Return the wheel that the environment names, or else build one."""
    if WHEEL_VARIABLE in os.environ:
        return Path(os.environ[WHEEL_VARIABLE]).resolve(strict=True)
    folder = environment_of(session) / "dist"
    shutil.rmtree(folder, ignore_errors=True)
    session.run("uv", "build", "--wheel", "--build-constraints", CONSTRAINTS, "--out-dir", folder, ROOT)
    (wheel,) = folder.glob("*.whl")
    return wheel


def install_wheel(session: nox.Session, constraints: Path, *requirements: str) -> None:
    """Install the wheel with all extras, and what the tests need."""
    wheel = find_wheel(session)
    session.install("--constraint", str(constraints), f"bitget-spot[all] @ {wheel.as_uri()}", *requirements)


def lowest_constraints(session: nox.Session) -> Path:
    """Return a file that pins the user's dependencies to the lowest versions allowed, and all others as usual."""
    path = environment_of(session) / "lowest.txt"
    session.run(
        "uv", "pip", "compile", "--quiet", "--resolution=lowest-direct", "--no-deps", "--all-extras",
        "--no-header", "--no-annotate", "--output-file", path, PROJECT,
    )  # fmt: skip
    lowest_pins = path.read_text("utf-8").splitlines()
    names = {line.partition("==")[0] for line in lowest_pins}
    pins = CONSTRAINTS.read_text("utf-8").splitlines()
    others = [line for line in pins if line.partition("==")[0].lower() not in names]
    path.write_text("\n".join([*lowest_pins, *others]), "utf-8")
    return path


def without_tool_tests() -> list[str]:
    """Return the options that leave out the tests of the project's own tools."""
    return [f"--ignore={ROOT / 'tests' / name}" for name in TOOL_TESTS]


def run_tests(session: nox.Session, *options: str) -> None:
    """Show what is installed, and run the tests."""
    # The package must come from the wheel.
    session.env["PYTHONPATH"] = None
    session.run("python", "-c", SHOW_VERSIONS)
    session.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *options, *session.posargs)
