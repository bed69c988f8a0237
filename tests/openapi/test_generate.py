"""The client is built from the document alone, and any difference from a fresh build is reported."""

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
from bitget_spot_api.operations import OPERATIONS
from document import DOCUMENT


def edit_file(client: Path) -> None:
    """Change a generated file."""
    path = client / "models" / "order_ref.py"
    path.write_text(path.read_text("utf-8") + "# a change\n", "utf-8")


def add_file(client: Path) -> None:
    """Add a file that is not part of a fresh build."""
    (client / "api" / "old.py").write_text("", "utf-8")


def remove_file(client: Path) -> None:
    """Remove a generated file."""
    (client / "py.typed").unlink()


EDITED = "models/order_ref.py: differs from a fresh build"
ADDED = "api/old.py: not part of a fresh build"
MISSING = "py.typed: missing"
Change = Callable[[Path], None]
CHANGES: tuple[Change, ...] = (edit_file, remove_file, add_file)
each_change = pytest.mark.parametrize(
    ("change", "line"),
    [
        pytest.param(edit_file, EDITED, id="edited"),
        pytest.param(add_file, ADDED, id="added"),
        pytest.param(remove_file, MISSING, id="missing"),
    ],
)


@pytest.fixture
def client(fresh_client: Path, tmp_path: Path) -> Path:
    """A copy of the client, which a test may change."""
    return Path(shutil.copytree(fresh_client, tmp_path / "generated" / fresh_client.name))


@pytest.fixture
def committed_client(client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The copy, in the place of the client that the script checks and rebuilds."""
    monkeypatch.setattr(generate, "ROOT", tmp_path)
    monkeypatch.setattr(generate, "CLIENT", client)
    return client


@pytest.fixture
def quickly_built_client(committed_client: Path, fresh_client: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same; a build only copies the fresh client, for tests of what happens around the build."""

    def copy(target: Path) -> None:
        shutil.copytree(fresh_client, target)

    monkeypatch.setattr(generate, "build", copy)
    return committed_client


def run_main(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    """Run the script with these arguments, and return its exit status."""
    monkeypatch.setattr(sys, "argv", ["generate.py", *arguments])
    return generate.main()


def write_document(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> Path:
    """Replace the document by this text, and return its path."""
    path = folder / "changed-document.yaml"
    path.write_text(text, "utf-8")
    monkeypatch.setattr(generate, "DOCUMENT", path)
    return path


def load_document() -> dict[str, Any]:
    """Return the document as plain data."""
    document: dict[str, Any] = YAML(typ="safe").load(DOCUMENT.read_text("utf-8"))
    return document


# Differences.


def test_fresh_build_has_no_differences(client: Path, fresh_client: Path) -> None:
    """A copy of a fresh build has no differences."""
    assert generate.differences(client, fresh_client) == []


@each_change
def test_difference_is_named(client: Path, fresh_client: Path, change: Change, line: str) -> None:
    """An edited, an added and a missing file are each named with what is wrong; other files are not."""
    change(client)
    assert generate.differences(client, fresh_client) == [line]


def test_differences_are_sorted(client: Path, fresh_client: Path) -> None:
    """All differences are reported together, sorted by the file's name."""
    for change in CHANGES:
        change(client)
    assert generate.differences(client, fresh_client) == [ADDED, EDITED, MISSING]


def test_files_of_an_absent_client_are_missing(tmp_path: Path, fresh_client: Path) -> None:
    """If there is no client at all, each of its files is reported as missing."""
    found = generate.differences(tmp_path / "nowhere", fresh_client)
    assert found == sorted(f"{name}: missing" for name in generate.files(fresh_client))
    assert found


def test_python_caches_are_ignored(client: Path, fresh_client: Path) -> None:
    """The cache that an import of the client creates is not a difference."""
    cache = client / "models" / "__pycache__"
    cache.mkdir()
    (cache / "order_ref.cpython-311.pyc").write_bytes(b"cached")
    assert generate.differences(client, fresh_client) == []


def test_checkout_may_be_below_a_cache(tmp_path: Path, fresh_client: Path) -> None:
    """Only caches inside the client are ignored; the path of the checkout does not matter."""
    client = tmp_path / "__pycache__" / "client"
    shutil.copytree(fresh_client, client)
    edit_file(client)
    assert generate.differences(client, fresh_client) == [EDITED]


# The build.


def test_committed_client_is_a_fresh_build(fresh_client: Path) -> None:
    """The committed client equals a fresh build from the document, byte for byte."""
    assert generate.files(generate.CLIENT) == generate.files(fresh_client)


def test_generator_knows_every_setting() -> None:
    """Every setting exists in the generator, which silently ignores a misspelt one."""
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


def with_ruff_configurations(home: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a configuration of ruff above the target, and in the user's own folder."""
    (home / "ruff.toml").write_text(HOSTILE_RUFF, "utf-8")
    (target.parent / ".ruff.toml").write_text(HOSTILE_RUFF, "utf-8")
    (home / "ruff").mkdir()
    (home / "ruff" / "ruff.toml").write_text(HOSTILE_RUFF, "utf-8")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))


def with_variables(home: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set environment variables that the tools and the interpreter read."""
    del target
    config = home / "elsewhere.toml"
    config.write_text(HOSTILE_RUFF, "utf-8")
    for name, value in {
        "RUFF_CONFIG": str(config),
        "RUFF_OUTPUT_FORMAT": "unknown-format",
        "RUFF_OUTPUT_FILE": str(home / "ruff-output"),
        "PYTHONHASHSEED": "4242",
        "PYTHONIOENCODING": "ascii",
        "PYTHONUTF8": "0",
        "PYTHONWARNINGS": "error",
        "PYTHONOPTIMIZE": "2",
        "LC_ALL": "C",
    }.items():
        monkeypatch.setenv(name, value)


def with_shadowing_modules(home: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in a folder with modules that have the names of the tools and of the standard library."""
    for folder in (home, target.parent):
        for name in ("ruff", "openapi_python_client", "types", "json"):
            (folder / f"{name}.py").write_text("raise SystemExit('the wrong module')\n", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(home))
    monkeypatch.chdir(home)


def with_ignore_files(home: Path, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the target in a folder in which git and other tools ignore everything."""
    del target, monkeypatch
    (home / ".git").mkdir()
    for name in (".gitignore", ".ignore"):
        (home / name).write_text("*\n", "utf-8")


@pytest.mark.parametrize(
    "configure",
    [
        with_ruff_configurations,
        with_variables,
        with_shadowing_modules,
        with_ignore_files,
    ],
)
def test_build_ignores_the_users_configuration(
    configure: Callable[[Path, Path, pytest.MonkeyPatch], None],
    tmp_path: Path,
    fresh_client: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No configuration, variable or folder of the user changes a byte of the client."""
    target = tmp_path / "work" / generate.CLIENT.name
    target.parent.mkdir()
    configure(tmp_path, target, monkeypatch)
    generate.build(target)
    assert generate.differences(target, fresh_client) == []


def test_change_of_the_document_is_generated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new field and a new limit of the document are in the next client: in its model, its JSON and its facts."""
    document = load_document()
    schemas = document["components"]["schemas"]
    schemas["OrderRef"]["properties"]["receiveWindow"] = {
        "type": "integer",
        "description": "How long the request may take.",
        "example": 5000,
    }
    schemas["BatchCancelOrdersRequest"]["properties"]["orderList"]["maxItems"] = 60
    write_document(tmp_path, monkeypatch, json.dumps(document))  # JSON is YAML
    generate.build(tmp_path / "changed_client")

    monkeypatch.syspath_prepend(tmp_path)
    models = importlib.import_module("changed_client.models")
    operations = importlib.import_module("changed_client.operations")
    schemas = importlib.import_module("changed_client.schemas")
    order = models.OrderRef(order_id="1", receive_window=5000)
    assert order.to_dict() == {"orderId": "1", "receiveWindow": 5000}
    assert models.OrderRef.from_dict({"receiveWindow": 7}).receive_window == 7
    assert operations.BATCH_CANCEL_ORDERS.max_items == {"orderList": 60}
    body = schemas.REQUESTS["batchCancelOrders"]["properties"]["body"]
    assert body["properties"]["orderList"]["maxItems"] == 60


# The command.


def test_every_problem_of_the_document_is_printed(
    committed_client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each thing that the document lacks has a line with the name of the document."""
    del committed_client
    text = DOCUMENT.read_text("utf-8")
    document = write_document(tmp_path, monkeypatch, text.replace("x-repeat-safe:", "x-repeat:"))
    assert run_main(monkeypatch, "--check") == 1
    lines = capfd.readouterr().err.splitlines()
    assert lines == [f"{document.name}: {' '.join(key)} lacks x-repeat-safe" for key in OPERATIONS]


def test_everything_that_a_new_operation_lacks_is_printed(
    committed_client: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """All fields are named also if the generator refuses the document because of one of them."""
    del committed_client
    document = load_document()
    document["paths"]["/api/v2/spot/trade/fills"] = {"get": {"operationId": "getFills"}}
    write_document(tmp_path, monkeypatch, json.dumps(document))
    assert run_main(monkeypatch) == 1
    fields = "tags, summary, description, externalDocs, x-rate-limit, x-repeat-safe, responses"
    assert f": GET /api/v2/spot/trade/fills lacks {fields}\n" in capfd.readouterr().err


def test_check_succeeds_without_differences(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    """`--check` exits with 0 and prints nothing if the committed client is up to date."""
    assert run_main(monkeypatch, "--check") == 0
    assert capfd.readouterr().err == ""


@each_change
def test_check_names_the_difference(
    quickly_built_client: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    change: Change,
    line: str,
) -> None:
    """`--check` exits with 1, names the file with its folder, says what to do, and changes nothing."""
    change(quickly_built_client)
    before = generate.files(quickly_built_client)
    assert run_main(monkeypatch, "--check") == 1
    errors = capfd.readouterr().err
    assert errors.startswith(f"generated/{quickly_built_client.name}/{line}\n")
    assert "make generate" in errors
    assert generate.files(quickly_built_client) == before


def test_generate_replaces_the_client(
    quickly_built_client: Path, fresh_client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without `--check`, the client becomes a fresh build: edits are undone, and added files are removed."""
    for change in CHANGES:
        change(quickly_built_client)
    assert run_main(monkeypatch) == 0
    assert generate.differences(quickly_built_client, fresh_client) == []


def test_generate_creates_a_client(
    quickly_built_client: Path, fresh_client: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client is created if there is none."""
    shutil.rmtree(quickly_built_client)
    assert run_main(monkeypatch) == 0
    assert generate.differences(quickly_built_client, fresh_client) == []


@pytest.mark.parametrize(
    ("old", "new", "hint"),
    [
        pytest.param("x-rate-limit:", "x-rate-limits:", "x-rate-limit", id="missing fact"),
        pytest.param("tags: [public]", "x-tags: [public]", "GET /api/v2/public/time lacks tags", id="missing tag"),
        pytest.param("scope: UID", "scope: uid", "scope", id="misspelt scope"),
        pytest.param("paths:", "paths: [", "YAML", id="invalid YAML"),
        pytest.param("info:", "x-info:", "info", id="invalid OpenAPI"),
        pytest.param("schemas/OrderRef", "schemas/Gone", "schemas/Gone leads nowhere", id="dead reference"),
    ],
)
@pytest.mark.parametrize("arguments", [(), ("--check",)], ids=["generate", "check"])
def test_broken_document_is_reported(
    *,
    committed_client: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    old: str,
    new: str,
    hint: str,
    arguments: tuple[str, ...],
) -> None:
    """For a broken document, the status is 1, the error is named without a traceback, and the client is unchanged."""
    text = DOCUMENT.read_text("utf-8")
    assert old in text
    document = write_document(tmp_path, monkeypatch, text.replace(old, new, 1))
    before = generate.files(committed_client)
    assert run_main(monkeypatch, *arguments) == 1
    output = capfd.readouterr()
    assert hint in output.out + output.err
    assert "Traceback" not in output.out + output.err
    assert document.name in output.err
    assert generate.files(committed_client) == before
