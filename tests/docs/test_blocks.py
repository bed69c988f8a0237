"""
Every block of code in README.md and in the site does what the page says.

The blocks of a page are one session, from top to bottom, in an empty folder: a file that the page says to save is saved, a
variable that it exports is set, a command is run, and its output is the one that the page shows. A server that the page
starts runs until the end of the page. Commands that set up the machine are only checked: `make` for its targets, `pip` for the extras. A block that cannot be run has the language
`text`, and the page says below it why.
"""

from __future__ import annotations

import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import Factory, define, frozen
from environment import clear_variables, set_variables

from bitget_spot.credentials import PASSWORD_VARIABLE, VARIABLES
from bitget_spot.sandbox import Sandbox
from bitget_spot.sandbox import __main__ as sandbox_command
from bitget_spot.sandbox.faults import parse_command_line
from bitget_spot_api.operations import SERVER_URL

ROOT: Final = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the pages show commands of a POSIX shell")
PAGES: Final = [ROOT / "README.md", *sorted(path for path in ROOT.glob("docs/**/*.md") if "_build" not in path.parts)]
BLOCK: Final = re.compile(r"^```(?P<language>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
SAVE_INSTRUCTION: Final = re.compile(r"[Ss]ave this\s+as\s+`(?P<name>[\w.]+)`[^`]*$")
SHOWN_PORT: Final = 8787
SERVERS: Final = {"docs/examples/rsa_sandbox.py": SHOWN_PORT, "docs/examples/forward_proxy.py": 3128}
"""Examples that run until Ctrl-C, and the port that the pages show for them; another port is their last argument."""
RESTART_INSTRUCTION: Final = "Restart the sandbox before each example"
LOGGERS: Final = ("bitget_spot", "bitget_spot.bulk", "bitget_spot.requests", "bitget_spot.rate_limit")
OWN_REQUIREMENT: Final = re.compile(r"(?:bitget-spot|\.)(?:\[(?P<extras>[\w,]+)\])?")
"""This package, from an index or from a checkout."""
OTHER_REQUIREMENTS: Final = ("pytest", "httpx2")
MAKEFILE: Final = (ROOT / "Makefile").read_text("utf-8")
EXTRAS: Final = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]


@frozen
class Block:
    """A block of code, with its place and the text before and after it."""

    place: str
    language: str
    code: str
    text_before: str
    text_after: str


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of code of a page, without Sphinx's directives."""
    text = page.read_text("utf-8")
    matches = list(BLOCK.finditer(text))
    ends = [0, *(match.end() for match in matches)]
    starts = [*(match.start() for match in matches), len(text)]
    return [
        Block(
            f"{page.name}:{text.count(chr(10), 0, match.start()) + 1}",
            match["language"],
            match["code"],
            text[ends[index] : starts[index]],
            text[ends[index + 1] : starts[index + 1]].strip(),
        )
        for index, match in enumerate(matches)
        if not match["language"].startswith("{")
    ]


@define
class Session:
    """Follows a page in an empty folder, with a sandbox instead of the exchange."""

    sandbox: Sandbox
    monkeypatch: pytest.MonkeyPatch
    servers: ExitStack
    restarts: bool
    """The page says to restart the sandbox before each example."""
    sandbox_arguments: Sequence[str] | None = ()
    """The options of the sandbox that the page has started last; `None` if it is not one that can be restarted here."""
    urls: dict[str, str] = Factory(dict)
    """The URLs of the servers, by those that the page shows."""
    unused_files: set[str] = Factory(set)

    def save(self, block: Block) -> bool:
        """Save a block if the page says so; return whether it was saved."""
        instruction = SAVE_INSTRUCTION.search(block.text_before)
        if instruction:
            Path(instruction["name"]).write_text(block.code, "utf-8")
            self.unused_files.add(instruction["name"])
        return instruction is not None

    def run_python(self, block: Block) -> None:
        """Run a piece of a program, and the tests in it."""
        arrivals_before = len(self.sandbox.arrivals)
        names: dict[str, Any] = {}
        exec(compile(block.code, block.place, "exec"), names)  # noqa: S102 - the page's own code
        tests: list[Callable[[Sandbox], None]] = [names[name] for name in names if name.startswith("test_")]
        for test in tests:
            test(self.sandbox)
        assert len(self.sandbox.arrivals) > arrivals_before or "client=client" not in block.code, block.place

    def run_console(self, block: Block) -> None:
        """Run each command of a block, and compare its output with the one that is shown."""
        for entry in re.split(r"^\$ ", block.code, flags=re.MULTILINE)[1:]:
            command, _, shown = entry.partition("\n")
            output = self.run_command(command)
            is_as_shown = shown == "" or matches(shown, output)
            assert is_as_shown, f"{block.place}: {command}\nshown:\n{shown}\nactual output:\n{output}"

    def run_command(self, command: str) -> str:
        """Run a command, or check it if it would set up the machine; return its output."""
        self.unused_files = {name for name in self.unused_files if name not in command}
        words = without_assignments(shlex.split(command, comments=True))
        match words:
            case ["export", assignment]:
                self.export(*assignment.split("=", 1))
            case ["python", "-m", "bitget_spot.sandbox", *arguments] | ["bitget-spot", "sandbox", *arguments]:
                self.start_sandbox(arguments)
                return first_output(f"{command} --port 0")
            case ["python", path, *_] if path in SERVERS:
                return self.start_server(command, path)
            case ["python", "-m", "pip", *_] | ["make" | ".", *_]:
                check_set_up(words)
            case ["python" | "bitget-spot" | "echo" | "openssl", *arguments]:
                if self.restarts and self.sandbox_arguments is not None and "docs/examples" in str(arguments):
                    self.start_sandbox(self.sandbox_arguments)
                return self.run_program(command)
            case _:
                pytest.fail(f"these tests do not know how to run {command}")
        return ""

    def start_sandbox(self, arguments: Sequence[str]) -> None:
        """Start a sandbox with these options, and let the next commands use it."""
        options = vars(sandbox_command._parser("").parse_args(arguments)) | {"port": 0}
        faults = options.pop("fault")
        self.sandbox = self.servers.enter_context(Sandbox(**options))
        for fault, times, chance in map(parse_command_line, faults):
            self.sandbox.inject(fault, times=times, chance=chance)
        self.sandbox_arguments = arguments
        set_variables(self.sandbox, self.monkeypatch)

    def start_server(self, command: str, path: str) -> str:
        """Start an example that runs until the end of the page, on a free port; return what it prints at the start."""
        process = subprocess.Popen(["/bin/sh", "-c", f"exec {command} 0"], stdout=subprocess.PIPE, text=True)
        self.servers.enter_context(process)
        self.servers.callback(process.terminate)
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        shown_url = f"http://127.0.0.1:{SERVERS[path]}"
        url = re.findall(r"http://127\.0\.0\.1:\d+", lines[0])[0]
        self.urls[shown_url] = url
        if path == "docs/examples/rsa_sandbox.py":
            lines += [process.stdout.readline() for _ in range(3)]
            self.sandbox_arguments = None
            self.monkeypatch.setenv("BITGET_API_BASE_URL", url)
        return "".join(lines).replace(url, shown_url)

    def export(self, name: str, value: str) -> None:
        """Set a variable; if it names a file that a container would mount, write one."""
        assert name == "NO_COLOR" or name in variables() or name.removesuffix("_FILE") in variables(), name
        if name == "BITGET_API_BASE_URL":
            assert value in (SERVER_URL, f"http://127.0.0.1:{SHOWN_PORT}")
            value = self.sandbox.url
        elif name.endswith("_FILE"):
            variable = name.removesuffix("_FILE")
            if not Path(value).exists():
                value = Path(value).name
                Path(value).write_text(os.environ[variable] + "\n", "utf-8")
            self.monkeypatch.delenv(variable, raising=False)
        self.monkeypatch.setenv(name, value)

    def run_program(self, command: str) -> str:
        """Run a program to its end, and return its output, with the port that pages show."""
        for shown_url, url in self.urls.items():
            command = command.replace(shown_url, url)
        result = subprocess.run(
            ["/bin/sh", "-c", command],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert result.returncode == 0, f"{command}: {result.returncode}\n{result.stdout}{result.stderr}"
        return result.stdout.replace(self.sandbox.url, f"http://127.0.0.1:{SHOWN_PORT}")


def without_assignments(words: list[str]) -> list[str]:
    """Return a command without the variables that are set for it alone."""
    names = [word.partition("=")[0] for word in words]
    count = next((index for index, name in enumerate(names) if not name.startswith("BITGET_")), len(words))
    assert set(names[:count]) <= set(variables())
    return words[count:]


def check_set_up(words: list[str]) -> None:
    """Check a command that would set up the machine: its targets, its variables, the extras."""
    match words:
        case [".", path]:
            assert path == ".venv/bin/activate"
            assert "VENV := .venv\n" in MAKEFILE
        case ["make", target, *variables]:
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target
            for variable in variables:
                assert f"$({variable.partition('=')[0]})" in MAKEFILE, variable
        case ["python", "-m", "pip", "install", *requirements]:
            for requirement in requirements:
                package = OWN_REQUIREMENT.fullmatch(requirement)
                assert package or requirement in OTHER_REQUIREMENTS, requirement
                extras = (package["extras"] or "").split(",") if package else []
                assert not set(filter(None, extras)) - EXTRAS.keys(), requirement
        case _:
            pytest.fail(f"these tests do not know {words}")


def first_output(command: str) -> str:
    """Start a sandbox, return what it prints at the start, and stop it."""
    with subprocess.Popen(["/bin/sh", "-c", f"exec {command}"], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline()]
            while "listens on" in lines[0] and not lines[-1].startswith("#   "):
                lines.append(process.stdout.readline())
                assert lines[-1], "".join(lines)
            lines += [process.stdout.readline() for _ in range(sandbox_command._MAX_DISPLAY - 1)]
        finally:
            process.terminate()
    return re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{SHOWN_PORT}", "".join(lines))


def variables() -> Iterator[str]:
    """Yield the names of the variables that the package reads."""
    yield from VARIABLES.values()
    yield from (PASSWORD_VARIABLE, "BITGET_DEMO", "BITGET_API_BASE_URL")
    yield from ("BITGET_ACCOUNT_ID", "BITGET_RATE_LIMIT_STORE", "BITGET_LOG")


def matches(shown: str, output: str) -> bool:
    """Return whether an output is the one that a page shows; `...` there stands for any text."""
    pattern = ".*".join(re.escape(part) for part in shown.strip().split("..."))
    return re.fullmatch(pattern, output.strip(), re.DOTALL) is not None


@contextmanager
def unchanged_logging() -> Iterator[None]:
    """Undo what a page does to the loggers of the package."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    before = [(logger.level, list(logger.handlers)) for logger in loggers]
    try:
        yield
    finally:
        for logger, (level, handlers) in zip(loggers, before, strict=True):
            logger.setLevel(level)
            logger.handlers[:] = handlers


@pytest.fixture
def session(page: Path, bitget_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Session]:
    """A session in an empty folder, with the sandbox's credentials in the environment."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where an example keeps its rate limit
    Path("docs").symlink_to(ROOT / "docs")
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    clear_variables(monkeypatch)
    set_variables(bitget_sandbox, monkeypatch)
    # Some orders that the pages name do not exist; a batch of only such orders must not be refused as a whole.
    bitget_sandbox.all_gone_as_refusal = False
    restarts = RESTART_INSTRUCTION in page.read_text("utf-8")
    with ExitStack() as servers, unchanged_logging():
        yield Session(bitget_sandbox, monkeypatch, servers, restarts=restarts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_blocks_do_what_the_page_says(page: Path, session: Session) -> None:
    """Python runs, commands run and print what is shown, in the order of the page; every saved file is used."""
    if any("openssl" in block.code for block in blocks_of(page)) and shutil.which("openssl") is None:
        pytest.skip("NOT TESTED: the page creates a key with openssl, which is not installed")
    for block in blocks_of(page):
        if session.save(block):
            continue
        match block.language:
            case "python":
                session.run_python(block)
            case "console":
                session.run_console(block)
            case "text":
                assert block.text_after.startswith("(Not run"), f"{block.place}: say below why it is not run"
            case other:
                pytest.fail(f"{block.place}: the language is {other or 'missing'}; use python, console or text")
    assert not session.unused_files, "saved, and never used"


def test_pages_have_blocks() -> None:
    """The blocks of the pages that have code are found, of both languages."""
    languages = set()
    for page in PAGES:
        languages |= {(page.name, block.language) for block in blocks_of(page)}
    for page_name in ("README.md", "start.md", "cancel.md", "shutdown.md", "bots.md", "testing.md", "keys.md"):
        assert (page_name, "python") in languages
    for page_name in ("README.md", "start.md", "shutdown.md", "testing.md", "keys.md", "vendor.md", "cli.md"):
        assert (page_name, "console") in languages
