"""Rebuilding the client, and noticing that it was not rebuilt."""

import importlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from openapi_python_client.config import ConfigFile
from ruamel.yaml import YAML

import generate


def edit(client: Path) -> None:
    """Change a generated file by hand."""
    path = client / "models" / "order_ref.py"
    path.write_text(path.read_text("utf-8") + "# mine\n", "utf-8")


def leave(client: Path) -> None:
    """Leave a file behind that the document does not give."""
    (client / "api" / "old.py").write_text("", "utf-8")


def remove(client: Path) -> None:
    """Take a generated file away."""
    (client / "py.typed").unlink()


EDITED = "models/order_ref.py: differs from what the document gives"
STALE = "api/old.py: the document does not give this file"
MISSING = "py.typed: missing"
HAND = pytest.mark.parametrize(
    ("change", "line"),
    [
        pytest.param(edit, EDITED, id="edited"),
        pytest.param(leave, STALE, id="stale"),
        pytest.param(remove, MISSING, id="missing"),
    ],
)
Change = Callable[[Path], None]


@pytest.fixture
def client(fresh_client: Path, tmp_path: Path) -> Path:
    """Give a copy of the client to spoil."""
    return Path(shutil.copytree(fresh_client, tmp_path / "generated" / fresh_client.name))


@pytest.fixture
def house(client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the copy the one that is checked and rebuilt."""
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "CLIENT", client)
    return client


@pytest.fixture
def ready(house: Path, fresh_client: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let a build be a copy of the one that was made before; for tests of what happens around it."""

    def copy(target: Path) -> None:
        shutil.copytree(fresh_client, target)

    monkeypatch.setattr(generate, "build", copy)
    return house


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Call the script as the command line does."""
    monkeypatch.setattr(sys, "argv", ["generate.py", *arguments])
    return generate.main()


def write_document(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Path:
    """Make this text the document."""
    path = folder / "changed-document.yaml"
    path.write_text(text, "utf-8")
    monkeypatch.setattr(generate, "DOCUMENT", path)
    return path


def plain_document() -> dict[str, Any]:
    """Give the document as plain data."""
    document: dict[str, Any] = YAML(typ="safe").load(generate.DOCUMENT.read_text("utf-8"))
    return document


# --- what differs


def test_same_client_has_no_differences(client: Path, fresh_client: Path) -> None:
    """A client that is what the document gives has nothing to tell."""
    assert generate.differences(client, fresh_client) == []


@HAND
def test_difference_is_named(client: Path, fresh_client: Path, change: Change, line: str) -> None:
    """An edited, a stale and a missing file are each named, each with what is wrong; the others are not."""
    change(client)
    assert generate.differences(client, fresh_client) == [line]


def test_every_difference_is_named_in_order(client: Path, fresh_client: Path) -> None:
    """All differences are told at once, sorted by the file's name."""
    for change in (edit, remove, leave):
        change(client)
    assert generate.differences(client, fresh_client) == [STALE, EDITED, MISSING]


def test_absent_client_is_missing_files(tmp_path: Path, fresh_client: Path) -> None:
    """Where there is no client at all, each of its files is missing."""
    found = generate.differences(tmp_path / "nowhere", fresh_client)
    assert found == sorted(f"{name}: missing" for name in generate.files(fresh_client))
    assert found


def test_what_python_caches_is_no_difference(client: Path, fresh_client: Path) -> None:
    """Importing the client does not make it differ."""
    cache = client / "models" / "__pycache__"
    cache.mkdir()
    (cache / "order_ref.cpython-311.pyc").write_bytes(b"cached")
    assert generate.differences(client, fresh_client) == []


def test_difference_is_seen_below_a_cache(tmp_path: Path, fresh_client: Path) -> None:
    """Only caches inside the client are passed over: where the checkout lies does not matter."""
    client = tmp_path / "__pycache__" / "client"
    shutil.copytree(fresh_client, client)
    edit(client)
    assert generate.differences(client, fresh_client) == [EDITED]


# --- the build


def test_committed_client_is_what_the_document_gives(fresh_client: Path) -> None:
    """The committed client is the document's, byte for byte."""
    assert generate.files(generate.CLIENT) == generate.files(fresh_client)


def test_settings_are_known_to_the_generator() -> None:
    """Every setting is one that the generator has; it passes over a misspelt one in silence."""
    settings = YAML(typ="safe").load(generate.SETTINGS.read_text("utf-8"))
    assert settings
    assert not settings.keys() - ConfigFile.model_fields.keys()


HOSTILE_RUFF = """
line-length = 40
target-version = "py37"
force-exclude = true
extend-exclude = ["*"]
[lint]
select = ["ALL"]
[format]
quote-style = "single"
"""


def ruff_above(home: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a configuration of ruff above the target, and into the user's own folder."""
    (home / "ruff.toml").write_text(HOSTILE_RUFF, "utf-8")
    (target.parent / ".ruff.toml").write_text(HOSTILE_RUFF, "utf-8")
    (home / "ruff").mkdir()
    (home / "ruff" / "ruff.toml").write_text(HOSTILE_RUFF, "utf-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))


def environment(home: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set variables that the tools and the interpreter listen to."""
    del target
    config = home / "elsewhere.toml"
    config.write_text(HOSTILE_RUFF, "utf-8")
    for name, value in {
        "RUFF_CONFIG": str(config),
        "RUFF_OUTPUT_FORMAT": "of no known kind",
        "RUFF_OUTPUT_FILE": str(home / "swallowed"),
        "PYTHONHASHSEED": "4242",
        "PYTHONIOENCODING": "ascii",
        "PYTHONUTF8": "0",
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "2",
        "LC_ALL": "C",
    }.items():
        monkeypatch.setenv(name, value)


def shadows(home: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand elsewhere, among modules that bear the names of the tools and of the standard library."""
    for folder in (home, target.parent):
        for name in ("ruff", "openapi_python_client", "types", "json"):
            (folder / f"{name}.py").write_text("raise SystemExit('the wrong module')\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(home))
    monkeypatch.chdir(home)


def ignore_files(home: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lie in a folder whose owner has told git and other tools to pass over everything."""
    del target, monkeypatch
    (home / ".git").mkdir()
    for name in (".gitignore", ".ignore"):
        (home / name).write_text("*\n", "utf-8")


@pytest.mark.parametrize(
    "surround",
    [
        ruff_above,
        environment,
        shadows,
        ignore_files,
    ],
)
def test_build_heeds_nothing_of_the_users(
    surround: Callable[[Path, Path, pytest.MonkeyPatch], None],
    tmp_path: Path,
    fresh_client: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No configuration, variable or folder of the user's changes a byte of the client."""
    target = tmp_path / "work" / generate.CLIENT.name
    target.parent.mkdir()
    surround(tmp_path, target, monkeypatch)
    generate.build(target)
    assert generate.differences(target, fresh_client) == []


def test_field_of_the_document_arrives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A field and a limit added to the document are in the next client: its model, its wire form and its facts."""
    document = plain_document()
    schemas = document["components"]["schemas"]
    schemas["OrderRef"]["properties"]["receiveWindow"] = {
        "type": "integer",
        "description": "How long the request may take.",
        "example": 5000,
    }
    schemas["BatchCancelOrdersRequest"]["properties"]["orderList"]["maxItems"] = 60
    write_document(tmp_path, monkeypatch, json.dumps(document))  # JSON is YAML
    generate.build(tmp_path / "regrown_client")

    monkeypatch.syspath_prepend(tmp_path)
    models = importlib.import_module("regrown_client.models")
    operations = importlib.import_module("regrown_client.operations")
    order = models.OrderRef(order_id="1", receive_window=5000)
    assert order.to_dict() == {"orderId": "1", "receiveWindow": 5000}
    assert models.OrderRef.from_dict({"receiveWindow": 7}).receive_window == 7
    assert operations.BATCH_CANCEL_ORDERS.max_items == {"orderList": 60}


# --- the command


def test_check_is_content_with_the_committed_client(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """`--check` answers 0 and complains of nothing where nothing differs."""
    assert run_main(monkeypatch, "--check") == 0
    assert capfd.readouterr().err == ""


@HAND
def test_check_names_a_hand_edit(
    ready: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    change: Change,
    line: str,
) -> None:
    """`--check` answers 1, names the file from the root on, says what to do, and changes nothing."""
    change(ready)
    before = generate.files(ready)
    assert run_main(monkeypatch, "--check") == 1
    complaint = capfd.readouterr().err
    assert complaint.startswith(f"generated/{ready.name}/{line}\n")
    assert "make generate" in complaint
    assert generate.files(ready) == before


def test_generate_starts_from_nothing(ready: Path, fresh_client: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `--check` the client becomes what the document gives: edits undone, stale files gone."""
    for change in (edit, remove, leave):
        change(ready)
    assert run_main(monkeypatch) == 0
    assert generate.differences(ready, fresh_client) == []


def test_generate_makes_a_client_where_there_is_none(
    ready: Path, fresh_client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client that is not there yet is no obstacle."""
    shutil.rmtree(ready)
    assert run_main(monkeypatch) == 0
    assert generate.differences(ready, fresh_client) == []


BROKEN = pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        pytest.param("x-rate-limit:", "x-rate-limits:", "x-rate-limit", id="a fact missing"),
        pytest.param("scope: UID", "scope: uid", "scope", id="a scope misspelt"),
        pytest.param("paths:", "paths: [", "YAML", id="no YAML"),
        pytest.param("info:", "x-info:", "info", id="no OpenAPI"),
        pytest.param("schemas/OrderRef", "schemas/Gone", "Gone", id="a dead reference"),
    ],
)


@BROKEN
@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=["generate", "check"])
def test_broken_document_is_told_plainly(
    *,
    house: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    old: str,
    new: str,
    hint: str,
    arguments: tuple[str, ...],
) -> None:
    """A broken document: status 1, the document and the trouble named, no traceback, the client as it was."""
    text = generate.DOCUMENT.read_text("utf-8")
    assert old in text
    document = write_document(tmp_path, monkeypatch, text.replace(old, new, 1))
    before = generate.files(house)

    assert run_main(monkeypatch, *arguments) == 1

    told = capfd.readouterr()
    assert hint in told.out + told.err
    assert "Traceback" not in told.out + told.err
    assert document.name in told.err
    assert generate.files(house) == before
