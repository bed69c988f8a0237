"""The script that shows what changed for importers, and the gate for entries in CHANGELOG.md."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import diff_api
from api_changes.changelog import changes_without_entry, entries_of
from api_changes.changes import Change, Section, added, breaking, changed, listed, sorted_changes
from document import DOCUMENT

CHANGELOG = """# Changelog

## Unreleased

### Added

- `Order.note`: a field.

### Changed (breaking)

{entries}

### Changed

- `getOrders`: a higher limit.

## 0.1.0

### Changed (breaking)

- `OrderRef.symbol` is gone.
"""
IN_DOCUMENT = DOCUMENT.relative_to(diff_api.ROOT)


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder, without the user's configuration."""
    identity = ("-c", "user.name=a", "-c", "user.email=a@b.test", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)  # noqa: S607 - as a user


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the document and the packages, whose first commit is the last release."""
    root = tmp_path / "checkout"
    for folder in ("generated", "overlay"):
        shutil.copytree(diff_api.ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (root / IN_DOCUMENT).parent.mkdir()
    shutil.copy(DOCUMENT, root / IN_DOCUMENT)
    (root / "pyproject.toml").write_text('version = "0.1.0"\n', "utf-8")
    (root / "CHANGELOG.md").write_text(CHANGELOG.format(entries="Nothing."), "utf-8")
    git(root, "init", "--quiet")
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "A release")
    monkeypatch.setattr(diff_api, "ROOT", root)
    monkeypatch.setattr(diff_api, "DOCUMENT", root / IN_DOCUMENT)
    return root


def edit(checkout: Path, old: str, new: str, file: Path = IN_DOCUMENT) -> None:
    """Change a passage of a file in the checkout."""
    source = (checkout / file).read_text("utf-8")
    assert old in source
    (checkout / file).write_text(source.replace(old, new, 1), "utf-8")


@pytest.fixture
def run_script(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Return a function that runs the script, and returns its exit status and its output."""

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["diff_api.py", *arguments])
        status = diff_api.main()
        output = capsys.readouterr()
        return status, output.out + output.err

    return run


RunScript = Callable[..., tuple[int, str]]


def test_nothing_has_changed(checkout: Path, run_script: RunScript) -> None:
    """Without a change, there are three headings, and nothing below them."""
    del checkout
    status, output = run_script()
    assert status == 0
    sections = "\n".join(f"### {section}\n\nNothing.\n" for section in Section)
    assert output.partition("\n\n")[2] == sections + "\n"
    assert run_script("--check") == (0, "")


MODEL = Path("generated/bitget_spot_api/models/batch_cancel_orders_request.py")


def test_changes_are_shown_by_section(checkout: Path, run_script: RunScript) -> None:
    """Changes of the document and of the overlay are listed, and those of the generated client are not repeated."""
    edit(checkout, "required: [orderList]", "required: [orderList, symbol]")
    edit(checkout, "symbol: str | Unset = UNSET", "symbol: str", MODEL)
    edit(checkout, "requests: 10\n", "requests: 20\n")
    edit(checkout, "timeout: float | None", "timeout: float", Path("overlay/bitget_spot/client.py"))
    git(checkout, "commit", "--quiet", "--all", "--message", "Changes")
    status, output = run_script()
    assert status == 0
    lines = [line for line in output.splitlines() if line.startswith(("###", "- "))]
    assert lines == [
        "### Changed (breaking)",
        "- `BatchCancelOrdersRequest.symbol`: is now required",
        "- `bitget_spot.connect(timeout)`: the type `float | None` is now `float`",
        "### Changed",
        "- `batchCancelOrders`: the rate limit was 10 in 1 s (UID) and is now 20 in 1 s (UID)",
        "### Added",
    ]
    assert "Nothing." in run_script("HEAD")[1]


def test_last_release_is_the_revision_that_set_the_version(checkout: Path, run_script: RunScript) -> None:
    """By default, the revision that last set the version is compared, not the one before or after it."""
    edit(checkout, "requests: 10\n", "requests: 12\n")
    edit(checkout, "0.1.0", "0.2.0", Path("pyproject.toml"))
    git(checkout, "commit", "--quiet", "--all", "--message", "Another release")
    edit(checkout, "requests: 12\n", "requests: 14\n")
    git(checkout, "commit", "--quiet", "--all", "--message", "A change")
    _, output = run_script()
    assert "was 12 in 1 s (UID) and is now 14 in 1 s (UID)" in output


def test_gate_names_a_breaking_change_without_entry(checkout: Path, run_script: RunScript) -> None:
    """The gate fails for a breaking change without an entry, names it, and passes as soon as there is one."""
    edit(checkout, "maxItems: 50", "maxItems: 20")
    status, output = run_script("--check")
    assert status == 1
    line = "`BatchCancelOrdersRequest.orderList`: `maxItems` was 50 and is now 20"
    assert output == f"CHANGELOG.md: no entry under Changed (breaking) for {line}\n"
    entry = "- `BatchCancelOrdersRequest.order_list` has at most 20 orders."
    (checkout / "CHANGELOG.md").write_text(CHANGELOG.format(entries=entry), "utf-8")
    assert run_script("--check") == (0, "")


def test_gate_accepts_what_is_not_breaking(checkout: Path, run_script: RunScript) -> None:
    """Changes that no program needs to follow need no entry."""
    edit(checkout, "maxItems: 50", "maxItems: 60")
    edit(checkout, "requests: 10\n", "requests: 20\n")
    assert run_script("--check") == (0, "")


def test_unknown_revision_is_reported(checkout: Path, run_script: RunScript) -> None:
    """A revision that does not exist is reported in one line, with status 2."""
    del checkout
    status, output = run_script("nowhere")
    assert status == 2
    assert output.startswith("nowhere: ")
    assert output.count("\n") == 1


def test_revision_without_the_packages_is_reported(checkout: Path, run_script: RunScript) -> None:
    """A revision that lacks the packages is reported with status 2."""
    git(checkout, "rm", "-r", "--quiet", "--cached", "overlay")
    git(checkout, "commit", "--quiet", "--message", "Without the overlay")
    status, output = run_script("HEAD")
    assert status == 2
    assert "overlay" in output


def test_broken_document_is_reported(checkout: Path, run_script: RunScript) -> None:
    """A document that cannot be read is reported with status 2."""
    edit(checkout, "paths:", "paths: [")
    status, output = run_script()
    assert status == 2
    assert "not valid YAML" in output


# Entries and lines.


@pytest.mark.parametrize(
    ("change", "entry", "has_entry"),
    [
        (breaking("OrderRef.clientOid", "is gone"), "`OrderRef.clientOid` is gone", True),
        (breaking("OrderRef.clientOid", "is gone"), "`client_oid` of `OrderRef` is gone", True),
        (breaking("OrderRef.clientOid", "is gone"), "`OrderRef` has changed", False),
        (breaking("OrderRef.clientOid", "is gone"), "`clientOid` has changed", False),
        (breaking("OrderRef.clientOid", "is gone"), "`OrderRefs.clientOids`", False),
        (breaking("OrderRef", "is gone"), "`OrderRef` is gone", True),
        (breaking("OrderRef", "is gone"), "`order_ref` is gone", False),
        (breaking("getOrders", "is gone"), "`get_orders` is gone", True),
        (breaking("getOrders(idLessThan)", "is gone"), "`get_orders(id_less_than=…)` is gone", True),
        (breaking("getOrders(idLessThan)", "is gone"), "`get_orders` has changed", False),
        (breaking("bitget_spot.connect(timeout)", "is gone"), "`connect(timeout=…)`", True),
        (breaking("bitget_spot.cancel_orders.sync(deadline)", "is gone"), "`cancel_orders(deadline=…)`", True),
        (breaking("bitget_spot.warm_up.sync", "is gone"), "`warm_up` is gone", True),
        (breaking("bitget_spot.Outcome.tries", "is gone"), "`Outcome.tries` is `attempts`", True),
        (breaking("x-error-codes.40085", "gone"), "40085 is another error", True),
        (breaking("x-error-codes.40085", "gone"), "140085", False),
        (changed("getOrders", "another limit"), "", True),
        (added("getFills", "a path"), "", True),
    ],
)
def test_entry_names_the_object(change: Change, entry: str, has_entry: bool) -> None:
    """An entry has the name of the object, and of its class or function, as a word, in either spelling."""
    changelog = CHANGELOG.format(entries=f"- {entry}")
    assert changes_without_entry([change], changelog) == ([] if has_entry else [change])


def test_only_breaking_entries_of_the_topmost_release_count() -> None:
    """What other sections and earlier releases say is no entry."""
    changelog = CHANGELOG.format(entries="- `connect` has changed.")
    assert entries_of(changelog).strip() == "- `connect` has changed."
    for place in ("OrderRef.symbol", "Order.note", "getOrders"):
        change = breaking(place, "is gone")
        assert changes_without_entry([change], changelog) == [change]
    assert entries_of("# Changelog\n") == ""


def test_changes_are_sorted_and_unique() -> None:
    """Breaking changes come first, then the others by place, and each change once."""
    changes = [added("b", "x"), breaking("z", "x"), changed("a", "x"), added("a", "x"), breaking("z", "x")]
    assert [change.line for change in sorted_changes(changes)] == ["`z`: x", "`a`: x", "`a`: x", "`b`: x"]
    assert listed(changes, Section.ADDED) == "### Added\n\n- `a`: x\n- `b`: x\n"
    assert listed([], Section.CHANGED) == "### Changed\n\nNothing.\n"
