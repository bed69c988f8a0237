"""
Every block of code in README.md and in the site does what the page says.

The blocks of a page are one session, from top to bottom, in an empty folder: what a page says to save is saved, what it
exports is set, what it runs is run, and what it shows of the output is what comes. Only what sets up a machine is merely
checked: `make` for its targets, `pip` for the extras. A block that cannot be run is of the language `text`, and the
page says below why.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import define, frozen
from environment import clear_variables, set_variables

import bitget_spot
from bitget_spot.sandbox import Sandbox
from bitget_spot.sandbox import __main__ as sandbox_command
from bitget_spot_api.operations import SERVER_URL

ROOT: Final = Path(__file__).resolve().parents[2]
PAGES: Final = [ROOT / "README.md", *sorted(path for path in ROOT.glob("docs/**/*.md") if "_build" not in path.parts)]
BLOCK: Final = re.compile(r"^```(?P<language>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
SAVED: Final = re.compile(r"[Ss]ave this\s+as\s+`(?P<name>[\w.]+)`[^`]*$")
SHOWN_PORT: Final = 8787
MAKEFILE: Final = (ROOT / "Makefile").read_text("utf-8")
EXTRAS: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]


@frozen
class Block:
    """A block of code, with where it stands and what is said before and after it."""

    place: str
    language: str
    code: str
    before: str
    after: str


def blocks_of(page: Path) -> list[Block]:
    """Answer the blocks of a page; those of Sphinx's directives are no code."""
    text = page.read_text("utf-8")
    found = list(BLOCK.finditer(text))
    ends = [0, *(match.end() for match in found)]
    starts = [*(match.start() for match in found), len(text)]
    return [
        Block(
            f"{page.name}:{text.count(chr(10), 0, match.start()) + 1}",
            match["language"],
            match["code"],
            text[ends[index] : starts[index]],
            text[ends[index + 1] : starts[index + 1]].strip(),
        )
        for index, match in enumerate(found)
        if not match["language"].startswith("{")
    ]


@define
class Session:
    """A reader who does what a page says, in an empty folder, with a sandbox where the page has one or an exchange."""

    sandbox: Sandbox
    monkeypatch: pytest.MonkeyPatch
    unused: set[str]

    def saved(self, block: Block) -> bool:
        """Save a block, if the page says so."""
        saved = SAVED.search(block.before)
        if saved:
            Path(saved["name"]).write_text(block.code, "utf-8")
            self.unused.add(saved["name"])
        return saved is not None

    def python(self, block: Block) -> None:
        """Run a piece of a program, and the tests in it."""
        before = len(self.sandbox.arrivals)
        with self.monkeypatch.context() as patched:
            if "base_url" not in block.code:
                patched.setattr(bitget_spot, "connect", partial(bitget_spot.connect, base_url=self.sandbox.url))
            names: dict[str, Any] = {}
            exec(compile(block.code, block.place, "exec"), names)  # noqa: S102 - the page's own code
            tests: list[Callable[[Sandbox], None]] = [names[name] for name in names if name.startswith("test_")]
            for test in tests:
                test(self.sandbox)
        assert len(self.sandbox.arrivals) > before or "client=client" not in block.code, block.place

    def console(self, block: Block) -> None:
        """Give each command of a block, and compare what it puts out with what is shown."""
        for entry in re.split(r"^\$ ", block.code, flags=re.MULTILINE)[1:]:
            command, _, shown = entry.partition("\n")
            told = self.command(command)
            assert shown == "" or matches(shown, told), f"{block.place}: {command}\nshown:\n{shown}\ncame:\n{told}"

    def command(self, command: str) -> str:
        """Give a command, and answer what it puts out."""
        self.unused = {name for name in self.unused if name not in command}
        match shlex.split(command, comments=True):
            case [".", ".venv/bin/activate"]:
                assert "VENV := .venv\n" in MAKEFILE
            case ["make", target, *variables]:
                assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
                for variable in variables:
                    assert f"$({variable.partition('=')[0]})" in MAKEFILE, variable
            case ["python", "-m", "pip", "install", what]:
                assert set(re.findall(r"\w+", what)) <= EXTRAS.keys(), what
            case ["export", assignment]:
                self.export(*assignment.split("=", 1))
            case ["python", "-m", "bitget_spot.sandbox", *_] | ["bitget-spot", "sandbox", *_]:
                return started(f"{command} --port 0")
            case ["python" | "bitget-spot" | "echo" | "openssl", *_]:
                return self.run(command)
            case _:
                pytest.fail(f"what shall become of {command}?")
        return ""

    def export(self, name: str, value: str) -> None:
        """Set a variable; where it names a file that a machine would mount, mount one."""
        assert name == "NO_COLOR" or name in variables() or name.removesuffix("_FILE") in variables(), name
        if name == "BITGET_API_BASE_URL":
            assert value in (SERVER_URL, f"http://127.0.0.1:{SHOWN_PORT}")
            value = self.sandbox.url
        elif name.endswith("_FILE"):
            plain = name.removesuffix("_FILE")
            if not Path(value).exists():
                value = Path(value).name
                Path(value).write_text(os.environ[plain] + "\n", "utf-8")
            self.monkeypatch.delenv(plain, raising=False)
        self.monkeypatch.setenv(name, value)

    def run(self, command: str) -> str:
        """Run a program to its end, and answer its output, with the port that pages show."""
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done.stdout.replace(self.sandbox.url, f"http://127.0.0.1:{SHOWN_PORT}")


def started(command: str) -> str:
    """Start a sandbox, answer what it says at first, and end it."""
    with subprocess.Popen(["/bin/sh", "-c", f"exec {command}"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline()]
            while "listens on" in lines[0] and not lines[-1].startswith("#   "):
                lines.append(process.stdout.readline())
                assert lines[-1], "".join(lines)
            lines += [process.stdout.readline() for _ in range(sandbox_command._ORDERS_SHOWN - 1)]
        finally:
            process.terminate()
    return re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{SHOWN_PORT}", "".join(lines))


def variables() -> Iterator[str]:
    """Name the variables that the package reads."""
    yield from bitget_spot.credentials.VARIABLES.values()
    yield from (bitget_spot.credentials.PASSWORD_VARIABLE, "BITGET_DEMO", "BITGET_API_BASE_URL")


def matches(shown: str, came: str) -> bool:
    """Tell whether an output is the one that a page shows; `...` there stands for anything."""
    pattern = ".*".join(re.escape(part) for part in shown.strip().split("..."))
    return re.fullmatch(pattern, came.strip(), re.DOTALL) is not None


@pytest.fixture
def session(bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Session:
    """Sit down in an empty folder, with the sandbox's credentials in the environment."""
    monkeypatch.chdir(tmp_path)
    Path("tests").symlink_to(ROOT / "tests")
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    clear_variables(monkeypatch)
    set_variables(bitget_sandbox, monkeypatch)
    # Some orders that the pages name are not there, which a batch of them alone would hear as a refusal.
    bitget_sandbox.all_gone_as_refusal = False
    return Session(bitget_sandbox, monkeypatch, set())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_block_of_code_does_what_the_page_says(page: Path, session: Session) -> None:
    """Python runs, commands run and put out what is shown, in the order of the page; nothing is saved in vain."""
    if any("openssl" in block.code for block in blocks_of(page)) and shutil.which("openssl") is None:
        pytest.skip("the page makes a key with openssl, which is not here")
    for block in blocks_of(page):
        if session.saved(block):
            continue
        match block.language:
            case "python":
                session.python(block)
            case "console":
                session.console(block)
            case "text":
                assert block.after.startswith("(Not run"), f"{block.place}: say below why it is not run"
            case other:
                pytest.fail(f"{block.place}: a block of {other or 'no language'}: python, console or text")
    assert not session.unused, "saved, and never run"


def test_there_are_blocks_to_run() -> None:
    """The pages that teach hold code of both kinds, and it is found."""
    found = {(page.name, block.language) for page in PAGES for block in blocks_of(page)}
    for page in ("README.md", "start.md", "cancel.md", "bots.md", "testing.md", "keys.md"):
        assert (page, "python") in found
    for page in ("README.md", "start.md", "testing.md", "keys.md", "vendor.md", "cli.md"):
        assert (page, "console") in found
