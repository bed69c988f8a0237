"""
Run the tests against the built wheel, in an environment of its own for each cell: `make matrix`.

    3.11, 3.12, 3.13   every Python that pyproject.toml names, with the pinned versions
    lowest             the lowest versions that pyproject.toml allows of what a user installs
    httpx2             httpx2 in the place of httpx, which is not installed

`python tests/matrix.py 3.12 httpx2` runs some of them. Of the checkout, only the tests and what they read are used: the
package is the wheel's. A cell whose Python is not on this machine is left out, and said so aloud.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = ROOT / "pyproject.toml"
PINS = ROOT / "constraints.txt"
UV = (sys.executable, "-m", "uv", "--quiet", "--no-python-downloads")
PYTHONS = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', PROJECT.read_text("utf-8"))

# These hold the document, the site and the drawings to account, with tools that want httpx, attrs or Rich in versions of
# their own. The cells with the pinned versions run them.
ABOUT_THE_HOUSE = ("openapi", "docs", "judges", "benchmarks", "fuzz/test_pages.py")

# Every process of the environment reads it, those that the tests start included.
ALIAS = "import httpx2; httpx2.alias_httpx()\n"
# A consequence of ALIAS: httpx2 brings anyio, whose fixtures pytest would have liked to see first.
ALIASED = ("-W", "ignore:Module already imported so cannot be rewritten:pytest.PytestAssertRewriteWarning")

WHAT_IS_THERE = """
import platform, sys
import bitget_spot, httpx
assert bitget_spot.__file__.startswith(sys.prefix), bitget_spot.__file__
print(f"Python {platform.python_version()}, {httpx.__name__} {httpx.__version__}")
"""


def answer(*command: str | Path) -> str:
    """Run a program that must succeed, and give back what it prints."""
    return subprocess.run([*map(str, command)], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


def interpreter(version: str) -> str | None:
    """Find a Python of a version: on the PATH, or where pyenv keeps it."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions").glob(f"{version}.*/bin/python")
    for found in filter(None, (shutil.which(f"python{version}"), *map(str, sorted(kept)))):
        # pyenv puts a python3.12 on the PATH also where it is not to be used, and then it only says so.
        if not subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode:
            return found
    return None


def lowest() -> str:
    """Pin what a user installs to the lowest versions allowed, and the rest as ever."""
    direct = answer(
        *UV, "pip", "compile", "--resolution=lowest-direct", "--no-deps", "--all-extras",
        "--no-header", "--no-annotate", PROJECT,
    )  # fmt: skip
    names = {line.partition("==")[0] for line in direct.splitlines()}
    others = [line for line in PINS.read_text("utf-8").splitlines() if line.partition("==")[0].lower() not in names]
    return "\n".join([direct, *others])


def run(cell: str, python: str, wheel: Path, folder: Path) -> bool:
    """Install the wheel with everything the tests want, run them, and print how it went."""
    answer(*UV, "venv", "--python", python, folder)
    pins = folder / "pins.txt"
    pins.write_text(lowest() if cell == "lowest" else PINS.read_text("utf-8"), "utf-8")
    wanted = [f"bitget-spot[all] @ {wheel.as_uri()}", "--group=dev" if cell in PYTHONS else "--group=test"]
    if cell == "httpx2":
        wanted.append("httpx2")
    answer(*UV, "pip", "install", "--python", folder, "--constraint", pins, *wanted)
    options = [] if cell in PYTHONS else [f"--ignore={ROOT / 'tests' / name}" for name in ABOUT_THE_HOUSE]
    if cell == "httpx2":
        answer(*UV, "pip", "uninstall", "--python", folder, "httpx", "httpcore")
        next(folder.rglob("site-packages")).joinpath("httpx2_as_httpx.pth").write_text(ALIAS, "utf-8")
        options += ALIASED
    program = next(folder.glob("[bS]*/python*"))
    print(f"{cell} ({answer(program, '-c', WHAT_IS_THERE).strip()}): ", end="", flush=True)
    # The environment's tools come first on the PATH, as in one that is activated.
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    tests = subprocess.run(
        [program, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=ROOT, env=os.environ | {"PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(tests.stdout.strip().rpartition("\n")[2], flush=True)
    if tests.returncode:
        print(tests.stdout, tests.stderr, sep="\n", file=sys.stderr)
    return not tests.returncode


def main(*named: str) -> int:
    """Build the wheel, and run the cells that are named, or all."""
    os.environ.pop("PYTHONPATH", None)
    cells = [*PYTHONS, "lowest", "httpx2"]
    if wrong := set(named).difference(cells):
        print(f"no cell {', '.join(wrong)}; there are {', '.join(cells)}", file=sys.stderr)
        return 2
    pythons = {version: found for version in PYTHONS if (found := interpreter(version))}
    failed, missing = [], []
    with tempfile.TemporaryDirectory() as scratch:
        answer(*UV, "build", "--wheel", "--build-constraints", PINS, "--out-dir", f"{scratch}/dist", ROOT)
        (wheel,) = Path(scratch, "dist").glob("*.whl")
        for cell in named or cells:
            python = pythons.get(cell) if cell in PYTHONS else next(iter(pythons.values()), None)
            if python is None:
                missing.append(cell)
            elif not run(cell, python, wheel, Path(scratch, cell)):
                failed.append(cell)
    if missing:
        print(f"LEFT OUT, for want of that Python on the PATH or in pyenv: {', '.join(missing)}", file=sys.stderr)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    # Who names a cell wants it run.
    return int(bool(failed or (missing and named)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
