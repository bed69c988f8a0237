"""The script that compares a page with the document and stores the fingerprints of its texts."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from pages import PAGE, PAGE_WITHOUT_PARAMETERS, edited, read_texts, small_document

import check_docs
from document import DOCUMENT, OperationNode, load, operations_of
from vendor_pages.comparison import AGREES, CHANGED, NOT_COMPARED, compare, operation_of
from vendor_pages.document_facts import derive
from vendor_pages.facts import Facts, Member, texts_of
from vendor_pages.fingerprints import FINGERPRINTS, load_fingerprints, store_fingerprints
from vendor_pages.reader import parse_page

RunScript = Callable[..., int]


@pytest.fixture
def fingerprint_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The fingerprints of both pages in a file, which the script uses with the small document."""
    document = tmp_path / "document.yaml"
    document.write_text(json.dumps(small_document()), "utf-8")  # JSON is YAML
    path = tmp_path / "fingerprints.yaml"
    for operation_id, texts in read_texts(small_document()).items():
        store_fingerprints(path, operation_id, texts)
    monkeypatch.setattr(check_docs, "DOCUMENT", document)
    monkeypatch.setattr(check_docs, "FINGERPRINTS", path)
    return path


@pytest.fixture
def run_script(fingerprint_file: Path, monkeypatch: pytest.MonkeyPatch) -> RunScript:
    """Return a function that runs the script for a page, and returns its exit status."""

    def run(markdown: str, *options: str) -> int:
        path = fingerprint_file.with_name("page.md")
        path.write_text(markdown, "utf-8")
        monkeypatch.setattr(sys, "argv", ["check_docs.py", str(path), *options])
        return check_docs.main()

    return run


def test_status_is_0_without_differences(run_script: RunScript, capsys: pytest.CaptureFixture[str]) -> None:
    """If page and document agree, there is a line that says so for every place, and the status is 0."""
    assert run_script(PAGE) == 0
    output = capsys.readouterr()
    head, *rows = output.out.splitlines()
    assert [cell.strip() for cell in head.split("|")][:3] == ["where", "the page", "the document"]
    assert len(rows) == 4 + len(parse_page(PAGE).members)
    assert all(row.endswith(f"| {AGREES}") for row in rows)
    assert output.err == ""


def test_status_is_1_with_differences(run_script: RunScript, capsys: pytest.CaptureFixture[str]) -> None:
    """If they differ, the facts of both are shown, the places are summarized, and the status is 1."""
    page = edited("(UID)", "(IP)").replace("in the same manner", "in any manner")
    assert run_script(page) == 1
    output = capsys.readouterr()
    rows = {
        cells[0].strip(): [cell.strip() for cell in cells[1:]]
        for cells in (line.split(" | ") for line in output.out.splitlines())
    }
    assert rows["scope"] == ["IP", "UID", "differs"]
    text = "Drops many things in one go. Name every thing of a heap in any manner."
    assert rows["description: text"] == [text, "What it does.", CHANGED]
    assert "2 to check: scope, description: text" in output.err


BROKEN = PAGE.replace("set down, the", "set down,  \nthe")


@pytest.mark.parametrize(
    "markdown",
    ["", "# Cooking\n", "GET /api/v2/other\n", BROKEN],
    ids=["empty", "prose", "another", "a broken table"],
)
def test_status_is_2_for_an_unusable_page(
    run_script: RunScript, capsys: pytest.CaptureFixture[str], markdown: str
) -> None:
    """For a page that cannot be used, one line on stderr names the file, and the status is 2."""
    assert run_script(markdown) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    assert "page.md: " in output.err


def test_status_is_2_for_an_unreadable_file(
    fingerprint_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """For a picture, a missing file and a folder, the status is 2, without a traceback."""
    picture = fingerprint_file.with_name("page.png")
    picture.write_bytes(b"\x89PNG\xff")
    for path in (picture, fingerprint_file.with_name("missing.md"), fingerprint_file.parent):
        monkeypatch.setattr(sys, "argv", ["check_docs.py", str(path)])
        assert check_docs.main() == 2
        assert str(path) in capsys.readouterr().err


def test_terminal_gets_a_table(
    run_script: RunScript, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal the rows are a table, and brackets in a page are not treated as markup."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    assert run_script(edited("Those that fell", "Those [red] that fell")) == 1
    assert "Those [red] that fell" in capsys.readouterr().out


def test_html_is_checked(
    fingerprint_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A page as HTML can be checked like one in Markdown."""
    path = fingerprint_file.with_name("page.html")
    body = MarkdownIt("commonmark").enable("table").render(PAGE)
    path.write_text(f"<!DOCTYPE html><html><body><main>{body}</main></body></html>", "utf-8")
    monkeypatch.setattr(sys, "argv", ["check_docs.py", str(path)])
    assert check_docs.main() == 0
    assert capsys.readouterr().err == ""


def test_accepted_texts_agree(run_script: RunScript, fingerprint_file: Path) -> None:
    """After `--accept` the page agrees; only one fingerprint has changed, and the vendor's text is not stored."""
    page = edited("in the same manner", "in any manner")
    before = fingerprint_file.read_text("utf-8").splitlines()
    document = fingerprint_file.with_name("document.yaml").read_bytes()
    assert run_script(page) == 1
    assert run_script(page, "--accept") == 0
    assert run_script(page) == 0
    after = fingerprint_file.read_text("utf-8").splitlines()
    (changed,) = (new for old, new in zip(before, after, strict=True) if old != new)
    assert changed == f'  description: "{parse_page(page).fingerprint}"'
    assert "manner." not in "".join(after)
    assert fingerprint_file.with_name("document.yaml").read_bytes() == document


@pytest.mark.parametrize(
    "name", ["a: b", "# a", "a #b", '"a', "a\\\\", "'", "{a", "? a", "- a", "a\u2028b", "a\x0cb", "a" * 300, "a " * 200]
)
def test_names_with_a_meaning_in_yaml_are_stored(run_script: RunScript, fingerprint_file: Path, name: str) -> None:
    """The fingerprints of parameters with any name are stored so that they can be read again."""
    page = edited("| shelf | String | No |", f"| {name} | String | No |")
    assert run_script(page, "--accept") == 1
    assert load_fingerprints(fingerprint_file)["dropThings"] == texts_of(parse_page(page))
    assert run_script(page) == 1


def test_page_without_texts_is_accepted(run_script: RunScript) -> None:
    """A page without any text stores no fingerprints, and another one can be stored afterwards."""
    page = "Rate limit: 20 times/1s (IP)\n\nGET /api/v2/things/time\n"
    for _ in range(2):
        assert run_script(page, "--accept") == 1
    assert run_script(PAGE_WITHOUT_PARAMETERS, "--accept") == 0


def test_accept_does_not_hide_facts(run_script: RunScript) -> None:
    """A fact that differs is still reported after `--accept`."""
    page = edited("length: 50", "length: 20")
    assert run_script(page, "--accept") == 1
    assert run_script(page) == 1


def test_fingerprints_of_other_operations_stay(tmp_path: Path) -> None:
    """Fingerprints are stored for one operation; those of others stay, and the operations are sorted."""
    path = tmp_path / "fingerprints.yaml"
    store_fingerprints(path, "listThings", {"description": "1e5"})
    store_fingerprints(path, "dropThings", {"description": "2", "request a > b": "3"})
    head, *lines = path.read_text("utf-8").splitlines()
    assert head.startswith("# ")
    assert lines == ["dropThings:", '  description: "2"', '  request a > b: "3"', "listThings:", '  description: "1e5"']
    store_fingerprints(path, "listThings", {"description": "4"})
    assert path.read_text("utf-8").splitlines() == [head, *lines[:-1], '  description: "4"']


def test_file_of_fingerprints_may_be_missing_or_empty(tmp_path: Path) -> None:
    """Without a file, and in an empty one, no text has been read."""
    path = tmp_path / "fingerprints.yaml"
    assert load_fingerprints(path) == {}
    path.write_text("# nothing\n", "utf-8")
    assert load_fingerprints(path) == {}


# The project's document.

PROJECT = load(DOCUMENT)
OPERATIONS = {operation.operation_id: operation for operation in operations_of(PROJECT)}
READ_TEXTS = load_fingerprints(FINGERPRINTS)


def page_of(facts: Facts) -> str:
    """Return a page that has the same facts as the document."""
    requests, _, period = facts.limit.partition(" in ")
    lines = [f"# Page\n\nRate limit: {requests} times/{period} ({facts.scope})\n\n* {facts.method} {facts.path}\n"]
    if facts.batch_limit is not None:
        lines.append(f"* Batch limit: {facts.batch_limit}\n")
    if facts.deprecation:
        lines.append("* Deprecated.\n")
    for section, head in (("request", ("Required", "Description")), ("response", ("Description",))):
        lines.append(f"### {section} parameter\n\n| Parameter | Type | {' | '.join(head)} |")
        lines.append("| --- " * (2 + len(head)) + "|")
        for place, member in facts.members.items():
            member_section, _, names = place.partition(" ")
            if member_section == section and not member.beyond:
                lines.append(row_of(section, names, member))
        lines.append("")
    return "\n".join(lines)


def row_of(section: str, names: str, member: Member) -> str:
    """Return the row of a table for a parameter or field."""
    *parents, name = names.split(" > ")
    text = " ".join([f"`{value}`" for value in sorted(member.values)])
    text += f" max {member.maximum}" if member.maximum else ""
    text += " deprecated" if member.deprecated else ""
    cells = [">" * len(parents) + name, min(member.types, default="Object")]
    if section == "request":
        cells.append("Yes" if member.required else "No")
    return f"| {' | '.join([*cells, text])} |"


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS)
def test_document_can_be_compared_with_pages(operation: OperationNode) -> None:
    """Every operation of the document is found by its page, and a page with the same facts differs in texts only."""
    page = parse_page(page_of(derive(operation, {})))
    operation_id, facts = operation_of(page, PROJECT, READ_TEXTS)
    assert operation_id == operation.operation_id
    findings = compare(page, facts)
    verdicts = {finding.verdict for finding in findings if not finding.place.endswith(": text")}
    assert verdicts == {AGREES, NOT_COMPARED}


@pytest.mark.parametrize("operation_id", READ_TEXTS)
def test_every_fingerprint_belongs_to_the_document(operation_id: str) -> None:
    """Each stored fingerprint is that of a text of an operation, a parameter or a field of the document."""
    facts = derive(OPERATIONS[operation_id], READ_TEXTS[operation_id])
    assert READ_TEXTS[operation_id].keys() <= {"description", *facts.members}
    assert all(isinstance(text, str) and len(text) == 12 for text in READ_TEXTS[operation_id].values())


def test_marks_name_operations_of_the_document() -> None:
    """The operations in the mark `x-only-on-page-of` exist."""
    marked = set()
    for schema in PROJECT["components"]["schemas"].values():
        for member in schema.get("properties", {}).values():
            marked.update(member.get("x-only-on-page-of", ()))
    assert marked
    assert marked <= OPERATIONS.keys()
