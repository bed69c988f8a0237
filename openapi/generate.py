"""
Generate the typed client from the OpenAPI document.

    python openapi/generate.py            rebuild generated/bitget_spot_api/ from scratch
    python openapi/generate.py --check    compare it with a fresh build; exit 1 and name what differs

The output depends only on the document, the generator's settings and the pinned tools: it is built in a folder of its
own, with an environment that has none of the user's configuration.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from document import DOCUMENT, DocumentError, load
from postprocess import PostprocessError, postprocess
from rules import problems

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / "openapi" / "generator.yaml"
CLIENT = ROOT / "generated" / "bitget_spot_api"

# Neither the user's configuration nor an ignore file has any effect.
RUFF = ("--isolated", "--no-respect-gitignore", "--no-cache", "--quiet", "--target-version", "py311")


def run(*command: str | Path, cwd: Path) -> None:
    """Run a tool of the environment that runs this script, without the user's configuration."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RUFF_", "PYTHON"))}
    environment |= {"PYTHONHASHSEED": "0", "PYTHONUTF8": "1"}
    # -P, because the output has a types.py that must not shadow the standard library's.
    tool = [sys.executable, "-P", "-m", *map(str, command)]
    subprocess.run(tool, cwd=cwd, env=environment, check=True)


def build(target: Path) -> None:
    """
    Build the client in the folder `target`, which must not exist yet.

    Raises:
        CalledProcessError: A tool has failed.
        DocumentError: The document is not complete; each line names what it lacks.
        PostprocessError: The generator's output has changed.

    """
    try:
        run(
            "openapi_python_client",
            *("generate", "--meta", "none", "--fail-on-warning"),
            *("--path", DOCUMENT, "--config", SETTINGS, "--output-path", target),
            cwd=target.parent,
        )
    except subprocess.CalledProcessError:
        # The generator stops at its first problem. A document that is not OpenAPI cannot be checked further.
        with suppress(AttributeError, KeyError, TypeError):
            check_document()
        raise
    check_document()
    postprocess(target, DOCUMENT)
    run("ruff", "check", *RUFF, "--select", "F401,F811,I", "--fix-only", ".", cwd=target)
    run("ruff", "format", *RUFF, "--line-length", "100", ".", cwd=target)


def check_document() -> None:
    """
    Check that the document says everything that is derived from it.

    Raises:
        DocumentError: It does not.

    """
    module_names = load(SETTINGS).get("class_overrides", {})
    found = problems(load(DOCUMENT), module_names)
    if found:
        raise DocumentError("\n".join(found))


def files(folder: Path) -> dict[str, bytes]:
    """Return the contents of every file below a folder, except for Python's caches."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "__pycache__" not in path.relative_to(folder).parts
    }


def differences(committed: Path, fresh: Path) -> list[str]:
    """Return a line for each file that differs from a fresh build; an empty list if none does."""
    have, want = files(committed), files(fresh)
    edited = {name for name in have.keys() & want.keys() if have[name] != want[name]}
    return sorted(
        [f"{name}: differs from a fresh build" for name in edited]
        + [f"{name}: not part of a fresh build" for name in have.keys() - want.keys()]
        + [f"{name}: missing" for name in want.keys() - have.keys()]
    )


def main() -> int:
    """Generate or check; return the exit status."""
    parser = argparse.ArgumentParser(description="Generate the typed client from the document.")
    parser.add_argument("--check", action="store_true", help="only compare, and change nothing")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        fresh = Path(scratch) / CLIENT.name
        try:
            build(fresh)
        except (DocumentError, PostprocessError) as error:
            for line in str(error).splitlines():
                print(f"{DOCUMENT.name}: {line}", file=sys.stderr)
            return 1
        except subprocess.CalledProcessError as failure:
            print(f"{DOCUMENT.name}: {failure.cmd[3]} failed; see its output above", file=sys.stderr)
            return 1
        if not arguments.check:
            shutil.rmtree(CLIENT, ignore_errors=True)
            shutil.copytree(fresh, CLIENT)
            return 0
        found = differences(CLIENT, fresh)
    for line in found:
        print(f"{CLIENT.relative_to(ROOT)}/{line}", file=sys.stderr)
    if found:
        print("Change openapi/, never generated/; then run `make generate`.", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
