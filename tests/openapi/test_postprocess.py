"""The post-generation step: banner, type marker, readable reprs, and the facts that types cannot express."""

import copy
import importlib.util
import json
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from attrs.exceptions import FrozenInstanceError

import generate
from bitget_spot_api.models import BatchCancelOrdersRequest, Order, OrderRef
from bitget_spot_api.types import UNSET
from postprocess import (
    BANNER,
    BETTER_UNSET_CLASS,
    MODEL_REWRITES,
    TYPES_REWRITES,
    PostprocessError,
    operations_module,
    postprocess,
    rewrite,
)

POST = "POST /api/v2/things/batch-drop"
GET = "GET /api/v2/public/time"


def small_document() -> dict[str, Any]:
    """Return a new document of two operations, with only what the step needs."""
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
                    "requestBody": json_body({"$ref": "#/components/schemas/Things"}),
                },
            },
            "/api/v2/public/time": {
                "get": {
                    "operationId": "getServerTime",
                    "summary": "Get the time.",
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


def json_body(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a JSON request body with this schema."""
    return {"content": {"application/json": {"schema": schema}}}


def changed(*path: str, to: Any) -> dict[str, Any]:
    """Return the small document with one value changed."""
    document = small_document()
    node_at(document, path[:-1])[path[-1]] = to
    return document


def without(*path: str) -> dict[str, Any]:
    """Return the small document with one value removed."""
    document = small_document()
    del node_at(document, path[:-1])[path[-1]]
    return document


def node_at(document: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    """Return the part of a document at a path."""
    for key in path:
        document = document[key]
    return document


LoadOperations = Callable[[Mapping[str, Any]], ModuleType]


@pytest.fixture
def load_operations(tmp_path: Path) -> LoadOperations:
    """Return a function that writes the operations of a document as a module and imports it."""

    def load(document: Mapping[str, Any]) -> ModuleType:
        path = tmp_path / "loaded_operations.py"
        path.write_text(operations_module(document), "utf-8")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


def test_banner_never_changes() -> None:
    """The banner is one comment that forbids editing; it has no date and no version."""
    assert BANNER.startswith("# @generated")
    assert "DO NOT EDIT" in BANNER
    assert "make generate" in BANNER
    assert BANNER.count("\n") == 1
    assert BANNER.endswith("\n")
    assert not [character for character in BANNER if character.isdigit()]


def original(rewrites: tuple[tuple[str, str], ...]) -> str:
    """Return the texts that the step replaces, as a generated file has them."""
    return "".join(old for old, _ in rewrites)


def rewritten(rewrites: tuple[tuple[str, str], ...]) -> str:
    """Return the texts that the step puts in their place."""
    return "".join(new for _, new in rewrites)


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package as the generator writes it, with one model."""
    package = tmp_path / "package"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_bytes(b"")
    (package / "types.py").write_text(original(TYPES_REWRITES), "utf-8")
    (package / "models" / "model.py").write_text(original(MODEL_REWRITES), "utf-8")
    (package / "models" / "thing.py").write_bytes('"""Über."""\r\nx = 1\r\n'.encode())
    (package / "notes.txt").write_bytes(b"unchanged\r\n")
    return package


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """The file of the small document."""
    path = tmp_path / "document.yaml"
    path.write_text(json.dumps(small_document()), "utf-8")  # JSON is YAML
    return path


def test_package_is_completed(package: Path, document: Path) -> None:
    """
    Every Python file gets the banner as its first line, once, and Unix line ends; the package is marked as typed; `Unset`
    and the models get their reprs.
    """
    postprocess(package, document)
    banner = BANNER.encode()
    assert generate.files(package) == {
        "__init__.py": banner,
        "models/model.py": banner + rewritten(MODEL_REWRITES).encode(),
        "models/thing.py": banner + '"""Über."""\nx = 1\n'.encode(),
        "notes.txt": b"unchanged\r\n",
        "operations.py": banner + operations_module(small_document()).encode(),
        "py.typed": b"",
        "types.py": banner + rewritten(TYPES_REWRITES).encode(),
    }


@pytest.mark.parametrize("source", ["", original(TYPES_REWRITES) * 2], ids=["missing", "twice"])
def test_changed_output_of_the_generator_is_refused(package: Path, document: Path, source: str) -> None:
    """A text that is not exactly once in the generator's output is refused, and the file and the text are named."""
    (package / "types.py").write_text(source, "utf-8")
    with pytest.raises(PostprocessError, match=r"types\.py: the generator's output has changed; 'class Unset:"):
        postprocess(package, document)


def test_texts_are_replaced_one_after_another(tmp_path: Path) -> None:
    """Each text is replaced by its own replacement, and everything else stays."""
    path = tmp_path / "module.py"
    path.write_text("a b c", "utf-8")
    rewrite(path, (("a", "x"), ("c", "y")))
    assert path.read_text("utf-8") == "x b y"


def test_unset_prints_as_unset() -> None:
    """The value of a field that is not set prints as `UNSET`, and is false."""
    assert repr(UNSET) == "UNSET"
    assert not UNSET
    assert 'return "UNSET"' in BETTER_UNSET_CLASS


@pytest.mark.parametrize(
    "duplicate",
    [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))],  # noqa: S301 - its own bytes
    ids=["copy", "deepcopy", "pickle"],
)
def test_unset_stays_the_same_object(duplicate: Callable[[Any], Any]) -> None:
    """A copied or unpickled `UNSET` is the same object, so the field of a copied model is still left out."""
    assert duplicate(UNSET) is UNSET
    assert duplicate(OrderRef(order_id="1")).to_dict() == {"orderId": "1"}


def test_repr_of_a_model_leaves_out_unset_fields() -> None:
    """The repr of a model has the fields that are set, and additional properties only if there are any."""
    request = BatchCancelOrdersRequest(symbol="BTCUSDT", order_list=[OrderRef(order_id="1")])
    assert repr(request) == "BatchCancelOrdersRequest(order_list=[OrderRef(order_id='1')], symbol='BTCUSDT')"
    assert repr(Order.from_dict({"orderId": "1", "new": 2})) == "Order(order_id='1', additional_properties={'new': 2})"
    assert repr(Order.from_dict({"orderId": None})) == "Order(order_id=None)"


def test_committed_client_is_completed() -> None:
    """Every Python file of the committed client has the banner, and the package is marked as typed."""
    client = generate.files(generate.CLIENT)
    sources = {name: content for name, content in client.items() if name.endswith(".py")}
    assert "operations.py" in sources
    assert not [name for name in sources if not sources[name].startswith(BANNER.encode())]
    assert "py.typed" in client


def test_operation_has_every_fact(load_operations: LoadOperations) -> None:
    """A constant named after the operation has everything that the document says about it beyond its schemas."""
    operation = load_operations(small_document()).BATCH_DROP_THINGS
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


def test_every_operation_is_a_constant(load_operations: LoadOperations) -> None:
    """Another operation, here an unsigned one that is counted by IP address, needs only a path in the document."""
    module = load_operations(small_document())
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


def test_facts_of_the_document_are_constants(load_operations: LoadOperations) -> None:
    """The facts of the whole API are constants; codes stay text, and are sorted."""
    module = load_operations(small_document())
    assert module.SERVER_URL == "https://things.test"
    assert module.SUCCESS_CODE == "00000"
    assert module.TIMESTAMP_WINDOW_SECONDS == 30.0
    assert isinstance(module.TIMESTAMP_WINDOW_SECONDS, float)
    assert module.REMAINING_CALLS_HEADER == "x-left"
    assert module.ERROR_CODES == {"gone": ("00171", "2"), "clock": ("3",)}


@pytest.mark.parametrize(
    ("security", "signed"),
    [
        pytest.param(None, True, id="the document's"),
        pytest.param([], False, id="none"),
        pytest.param([{"accessKey": []}], True, id="its own"),
    ],
)
def test_signed_follows_the_security(load_operations: LoadOperations, security: Any, signed: bool) -> None:
    """An operation is signed as the document says, unless it has a security of its own."""
    place = ("paths", "/api/v2/public/time", "get", "security")
    document = without(*place) if security is None else changed(*place, to=security)
    assert load_operations(document).GET_SERVER_TIME.signed is signed


def test_facts_cannot_be_changed(load_operations: LoadOperations) -> None:
    """Every fact is frozen, mappings included, so that no limit is raised by accident."""
    module = load_operations(small_document())
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
def test_max_items_are_found(load_operations: LoadOperations, schema: dict[str, Any]) -> None:
    """The limits of a body's lists are facts, whether its schema is inline or a reference."""
    document = changed("paths", "/api/v2/things/batch-drop", "post", "requestBody", to=json_body(schema))
    assert load_operations(document).BATCH_DROP_THINGS.max_items == {"names": 7, "tags": 3}


def test_maxima_are_found(load_operations: LoadOperations) -> None:
    """
    The maximum of every whole number that a caller passes is a fact: in a query, inline or by reference, in the path's own
    parameters, and in a body. Parameters without a maximum, and other numbers, are left out.
    """
    document = small_document()
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
    drop["post"]["requestBody"] = json_body({"properties": {"times": {"type": "integer", "maximum": 3}}})
    module = load_operations(document)
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
    with pytest.raises(PostprocessError) as error:
        operations_module(without(fact))
    assert str(error.value) == f"the document lacks {fact}"


@pytest.mark.parametrize(("path", "method"), [("/api/v2/things/batch-drop", "post")])
@pytest.mark.parametrize("fact", ["operationId", "summary", "externalDocs", "x-rate-limit", "x-repeat-safe"])
def test_missing_fact_of_an_operation_is_named(path: str, method: str, fact: str) -> None:
    """An operation without one of its facts is refused, and the operation and the fact are named."""
    with pytest.raises(PostprocessError) as error:
        operations_module(without("paths", path, method, fact))
    assert str(error.value) == f"{POST} lacks {fact}"


@pytest.mark.parametrize("fact", ["requests", "period-seconds", "scope"])
def test_missing_part_of_a_rate_limit_is_named(fact: str) -> None:
    """An incomplete rate limit is refused, and the operation and the missing part are named."""
    with pytest.raises(PostprocessError) as error:
        operations_module(without("paths", "/api/v2/public/time", "get", "x-rate-limit", fact))
    assert str(error.value) == f"{GET}: x-rate-limit lacks {fact}"


def test_all_missing_facts_are_named() -> None:
    """If several facts are missing, all of them are named."""
    document = without("servers")
    del document["x-error-codes"]
    with pytest.raises(PostprocessError, match="lacks servers, x-error-codes"):
        operations_module(document)


@pytest.mark.parametrize("scope", ["uid", "KEY", "", None])
def test_unknown_scope_is_refused(scope: Any) -> None:
    """A scope that is neither the account nor the IP address is refused, with its place and the valid scopes."""
    place = ("paths", "/api/v2/public/time", "get", "x-rate-limit", "scope")
    with pytest.raises(PostprocessError) as error:
        operations_module(changed(*place, to=scope))
    assert f"{GET}: x-rate-limit: scope is {scope!r}" in str(error.value)
    assert "UID or IP" in str(error.value)


@pytest.mark.parametrize(
    "codes",
    [
        pytest.param({"gone": ["2", "3"], "clock": ["3"]}, id="two classes"),
        pytest.param({"gone": ["2", "3", "3"]}, id="one class"),
    ],
)
def test_repeated_code_is_refused(codes: dict[str, list[str]]) -> None:
    """A code that is listed twice is refused and named; other codes are not named."""
    with pytest.raises(PostprocessError, match=r"x-error-codes.*: 3$"):
        operations_module(changed("x-error-codes", to=codes))


@pytest.mark.parametrize(
    ("document", "place"),
    [
        pytest.param(changed("servers", to=[]), "servers", id="no server"),
        pytest.param(
            changed("x-timestamp-window-seconds", to="soon"),
            "x-timestamp-window-seconds",
            id="a window that is text",
        ),
        pytest.param(changed("x-error-codes", to=["2"]), "x-error-codes", id="codes without classes"),
        pytest.param(
            changed("x-error-codes", to={"gone": [171]}),
            "x-error-codes",
            id="a code that is a number",
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
            id="repeat-safe that is text",
        ),
    ],
)
def test_malformed_fact_is_named(document: dict[str, Any], place: str) -> None:
    """A fact with a value that is not valid is refused like a missing one, and its place is named."""
    with pytest.raises(PostprocessError) as error:
        operations_module(document)
    assert place in str(error.value)
