"""The step after the generator: the banner, the marker of types, and the facts that types cannot carry."""

import importlib.util
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError

import generate
from postprocess import BANNER, PostprocessError, operations_module, stamp

POST = "POST /api/v2/things/batch-drop"
GET = "GET /api/v2/public/time"


def small() -> dict[str, Any]:
    """Give a document of two operations, with no more in it than the step needs; change it at will."""
    return {
        "servers": [{"url": "https://things.test"}],
        "security": [{"accessKey": []}],
        "paths": {
            "/api/v2/things/batch-drop": {
                "parameters": [],
                "post": {
                    "operationId": "batchDropThings",
                    "summary": "Drop 'things', \"at once\".",
                    "externalDocs": {"url": "https://things.test/drop"},
                    "x-rate-limit": {"requests": 10, "period-seconds": 1, "scope": "UID"},
                    "x-repeat-safe": True,
                    "requestBody": body({"$ref": "#/components/schemas/Things"}),
                },
            },
            "/api/v2/public/time": {
                "get": {
                    "operationId": "getServerTime",
                    "summary": "Tell the time.",
                    "security": [],
                    "externalDocs": {"url": "https://things.test/time"},
                    "x-rate-limit": {"requests": 20, "period-seconds": 0.5, "scope": "IP"},
                    "x-repeat-safe": False,
                }
            },
        },
        "components": {"schemas": {"Things": THINGS}},
        "x-success-code": "00000",
        "x-timestamp-window-seconds": 30,
        "x-remaining-calls-header": "x-left",
        "x-error-codes": {"gone": ["2", "00171"], "clock": ["3"]},
    }


THINGS = {
    "properties": {
        "names": {"type": "array", "maxItems": 7},
        "tags": {"type": "array", "maxItems": 3},
        "any": {"type": "array"},
    }
}


def body(schema: dict[str, Any]) -> dict[str, Any]:
    """Give a JSON request body of this schema."""
    return {"content": {"application/json": {"schema": schema}}}


def changed(*path: str, to: Any) -> dict[str, Any]:
    """Give the small document with one place of it changed."""
    document = small()
    at(document, path[:-1])[path[-1]] = to
    return document


def without(*path: str) -> dict[str, Any]:
    """Give the small document with one place of it taken out."""
    document = small()
    del at(document, path[:-1])[path[-1]]
    return document


def at(document: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """Go down to a place of a document."""
    for key in path:
        document = document[key]
    return document


Load = Callable[[Mapping[str, Any]], ModuleType]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Give a function that writes the operations of a document and imports them."""

    def load(document: Mapping[str, Any]) -> ModuleType:
        path = tmp_path / "written_operations.py"
        path.write_text(operations_module(document), "utf-8")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_banner_survives_a_regeneration() -> None:
    """The banner is one comment that forbids editing and holds no date and no version, so it never changes."""
    assert BANNER.startswith("# @generated")
    assert "DO NOT EDIT" in BANNER
    assert "make generate" in BANNER
    assert BANNER.count("\n") == 1
    assert BANNER.endswith("\n")
    assert not [character for character in BANNER if character.isdigit()]


def test_stamp_finishes_a_package(tmp_path: Path) -> None:
    """Every Python file gets the banner as its first line, once, and Unix line ends; the package is marked typed."""
    package = tmp_path / "package"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_bytes(b"")
    (package / "models" / "thing.py").write_bytes('"""Über."""\r\nx = 1\r\n'.encode())
    (package / "notes.txt").write_bytes(b"as it is\r\n")
    document = tmp_path / "document.yaml"
    document.write_text(json.dumps(small()), "utf-8")  # JSON is YAML

    stamp(package, document)

    banner = BANNER.encode()
    assert generate.files(package) == {
        "__init__.py": banner,
        "models/thing.py": banner + '"""Über."""\nx = 1\n'.encode(),
        "notes.txt": b"as it is\r\n",
        "operations.py": banner + operations_module(small()).encode(),
        "py.typed": b"",
    }


def test_committed_client_is_stamped() -> None:
    """No Python file of the committed client lacks the banner, and its types are marked."""
    client = generate.files(generate.CLIENT)
    sources = {name: content for name, content in client.items() if name.endswith(".py")}
    assert "operations.py" in sources
    assert not [name for name in sources if not sources[name].startswith(BANNER.encode())]
    assert "py.typed" in client


def test_operation_arrives(load: Load) -> None:
    """Everything the document says of an operation beyond its schemas is on a constant named after it."""
    operation = load(small()).BATCH_DROP_THINGS
    assert operation.operation_id == "batchDropThings"
    assert (operation.method, operation.path) == tuple(POST.split())
    assert operation.summary == "Drop 'things', \"at once\"."
    limit = operation.rate_limit
    assert (limit.requests, limit.period_seconds, limit.scope) == (10, 1.0, "UID")
    assert isinstance(limit.period_seconds, float)
    assert operation.repeat_safe is True
    assert operation.signed is True
    assert operation.max_items == {"names": 7, "tags": 3}
    assert operation.maxima == {}
    assert operation.source == "https://things.test/drop"


def test_second_operation_arrives(load: Load) -> None:
    """The next endpoint is one path in the document: an unsigned one, counted by address, needs nothing else."""
    module = load(small())
    operation = module.GET_SERVER_TIME
    assert (operation.method, operation.path) == tuple(GET.split())
    limit = operation.rate_limit
    assert (limit.requests, limit.period_seconds, limit.scope) == (20, 0.5, "IP")
    assert operation.signed is False
    assert operation.repeat_safe is False
    assert operation.max_items == {}
    assert module.OPERATIONS[tuple(GET.split())] is operation
    assert module.OPERATIONS[tuple(POST.split())] is module.BATCH_DROP_THINGS
    assert len(module.OPERATIONS) == 2


def test_facts_of_the_document_arrive(load: Load) -> None:
    """The facts of the whole API are constants; codes stay text, and their order is not the writer's."""
    module = load(small())
    assert module.SERVER_URL == "https://things.test"
    assert module.SUCCESS_CODE == "00000"
    assert module.TIMESTAMP_WINDOW_SECONDS == 30.0
    assert isinstance(module.TIMESTAMP_WINDOW_SECONDS, float)
    assert module.REMAINING_CALLS_HEADER == "x-left"
    assert module.ERROR_CODES == {"gone": ("00171", "2"), "clock": ("3",)}


@pytest.mark.parametrize(
    ("own", "signed"),
    [
        pytest.param(None, True, id="the document's"),
        pytest.param([], False, id="none"),
        pytest.param([{"accessKey": []}], True, id="its own"),
    ],
)
def test_signed_follows_the_security(load: Load, own: Any, signed: bool) -> None:
    """An operation is signed as the document says, unless it says otherwise itself."""
    place = ("paths", "/api/v2/public/time", "get", "security")
    document = without(*place) if own is None else changed(*place, to=own)
    assert load(document).GET_SERVER_TIME.signed is signed


def test_facts_cannot_be_changed(load: Load) -> None:
    """Nobody raises a limit by accident: every fact is frozen, the mappings too."""
    module = load(small())
    with pytest.raises(FrozenInstanceError):
        module.BATCH_DROP_THINGS.rate_limit.requests = 99
    operation = module.BATCH_DROP_THINGS
    for mapping in (operation.max_items, operation.maxima, module.OPERATIONS, module.ERROR_CODES):
        with pytest.raises(TypeError):
            mapping["names"] = 99


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param(THINGS, id="inline"),
        pytest.param({"$ref": "#/components/schemas/Things"}, id="by reference"),
    ],
)
def test_longest_lists_are_found(load: Load, schema: dict[str, Any]) -> None:
    """The limits of a body's lists arrive, whether its schema stands in the operation or among the components."""
    document = changed("paths", "/api/v2/things/batch-drop", "post", "requestBody", to=body(schema))
    assert load(document).BATCH_DROP_THINGS.max_items == {"names": 7, "tags": 3}


def test_largest_numbers_are_found(load: Load) -> None:
    """
    The largest value of every whole number a caller passes arrives: of a query, by reference or not, of the path's own
    parameters, and of a body. What has none, or is no whole number, is left out.
    """
    document = small()
    page = {"name": "page", "in": "query", "schema": {"$ref": "#/components/schemas/Page"}}
    document["components"] |= {"parameters": {"Page": page}}
    document["components"]["schemas"] |= {"Page": {"type": "integer", "maximum": 9}}
    drop = document["paths"]["/api/v2/things/batch-drop"]
    drop["parameters"] = [
        {"$ref": "#/components/parameters/Page"},
        {"name": "share", "in": "query", "schema": {"type": "number", "maximum": 0.5}},
    ]
    drop["post"]["parameters"] = [
        {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
        {"name": "since", "in": "query", "schema": {"type": "integer", "minimum": 1}},
    ]
    drop["post"]["requestBody"] = body({"properties": {"times": {"type": "integer", "maximum": 3}}})
    module = load(document)
    assert module.BATCH_DROP_THINGS.maxima == {"page": 9, "limit": 100, "times": 3}
    assert module.GET_SERVER_TIME.maxima == {}


@pytest.mark.parametrize(
    "fact",
    [
        *("servers", "security", "x-success-code", "x-timestamp-window-seconds"),
        *("x-remaining-calls-header", "x-error-codes"),
    ],
)
def test_missing_fact_of_the_document_is_named(fact: str) -> None:
    """A document without one of the facts is refused, and the fact is named."""
    with pytest.raises(PostprocessError) as caught:
        operations_module(without(fact))
    assert str(caught.value) == f"the document lacks {fact}"


@pytest.mark.parametrize(("path", "method"), [("/api/v2/things/batch-drop", "post")])
@pytest.mark.parametrize("fact", ["operationId", "summary", "externalDocs", "x-rate-limit", "x-repeat-safe"])
def test_missing_fact_of_an_operation_is_named(path: str, method: str, fact: str) -> None:
    """An operation without one of its facts is refused, and the operation and the fact are named."""
    with pytest.raises(PostprocessError) as caught:
        operations_module(without("paths", path, method, fact))
    assert str(caught.value) == f"{POST} lacks {fact}"


@pytest.mark.parametrize("fact", ["requests", "period-seconds", "scope"])
def test_missing_part_of_a_rate_limit_is_named(fact: str) -> None:
    """Half a rate limit is refused: the operation, the limit and what it lacks are named."""
    with pytest.raises(PostprocessError) as caught:
        operations_module(without("paths", "/api/v2/public/time", "get", "x-rate-limit", fact))
    assert str(caught.value) == f"{GET}: x-rate-limit lacks {fact}"


def test_everything_missing_is_named_at_once() -> None:
    """Who left out several facts hears of all of them."""
    document = without("servers")
    del document["x-error-codes"]
    with pytest.raises(PostprocessError, match="lacks servers, x-error-codes"):
        operations_module(document)


@pytest.mark.parametrize("scope", ["uid", "KEY", "", None])
def test_unknown_scope_is_refused(scope: Any) -> None:
    """A scope that is neither the account nor the address is refused, with its place and the choice."""
    place = ("paths", "/api/v2/public/time", "get", "x-rate-limit", "scope")
    with pytest.raises(PostprocessError) as caught:
        operations_module(changed(*place, to=scope))
    assert f"{GET}: x-rate-limit: scope is {scope!r}" in str(caught.value)
    assert "UID or IP" in str(caught.value)


@pytest.mark.parametrize(
    "codes",
    [
        pytest.param({"gone": ["2", "3"], "clock": ["3"]}, id="two classes"),
        pytest.param({"gone": ["2", "3", "3"]}, id="one class"),
    ],
)
def test_code_that_stands_twice_is_refused(codes: dict[str, list[str]]) -> None:
    """A code with two meanings is refused and named; the codes that stand once are not."""
    with pytest.raises(PostprocessError, match=r"x-error-codes.*: 3$"):
        operations_module(changed("x-error-codes", to=codes))


@pytest.mark.parametrize(
    ("document", "place"),
    [
        pytest.param(changed("servers", to=[]), "servers", id="no server"),
        pytest.param(
            changed("x-timestamp-window-seconds", to="soon"),
            "x-timestamp-window-seconds",
            id="a window that is no number",
        ),
        pytest.param(changed("x-error-codes", to=["2"]), "x-error-codes", id="codes unsorted"),
        pytest.param(
            changed("x-error-codes", to={"gone": [171]}),
            "x-error-codes",
            id="a code that has lost its zeros",
        ),
        pytest.param(
            changed("paths", "/api/v2/public/time", "get", "x-rate-limit", to=20),
            f"{GET}: x-rate-limit",
            id="a rate limit that is a number",
        ),
        pytest.param(
            changed("paths", "/api/v2/public/time", "get", "x-rate-limit", "requests", to="20"),
            f"{GET}: x-rate-limit",
            id="requests that are text",
        ),
        pytest.param(
            changed("paths", "/api/v2/public/time", "get", "x-repeat-safe", to="yes"),
            f"{GET}: x-repeat-safe",
            id="neither yes nor no",
        ),
    ],
)
def test_malformed_fact_is_named(document: dict[str, Any], place: str) -> None:
    """A fact that is there and makes no sense is refused like a missing one, and its place is named."""
    with pytest.raises(PostprocessError) as caught:
        operations_module(document)
    assert place in str(caught.value)
