"""The post-generation step: banner, type marker, readable reprs, and the facts that types cannot express."""

import copy
import difflib
import importlib.util
import json
import pickle
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
from attrs.exceptions import FrozenInstanceError
from documents import DROP, JSON, TIME, changed, complete_document, parameter, reference, without

import generate
import narrow_types
from bitget_spot_api.models import BatchCancelOrdersRequest, Order, OrderRef
from bitget_spot_api.types import UNSET
from document import DocumentError
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
from schemas_module import schemas_module

LoadOperations = Callable[[Mapping[str, Any]], ModuleType]
ALL_TYPES_REWRITES: Final = (*narrow_types.TYPES_REWRITES, *TYPES_REWRITES)


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
    """Return a generated file after the step."""
    text = original(rewrites)
    for old, new in rewrites:
        text = text.replace(old, new)
    return text


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package as the generator writes it, with one model."""
    package = tmp_path / "package"
    (package / "models").mkdir(parents=True)
    (package / "__init__.py").write_bytes(b"")
    (package / "types.py").write_text(original(ALL_TYPES_REWRITES), "utf-8")
    (package / "models" / "model.py").write_text(original(MODEL_REWRITES), "utf-8")
    (package / "models" / "thing.py").write_bytes('"""Über."""\r\nx = 1\r\n'.encode())
    (package / "notes.txt").write_bytes(b"unchanged\r\n")
    return package


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """The file of the small document."""
    path = tmp_path / "document.yaml"
    path.write_text(json.dumps(complete_document()), "utf-8")  # JSON is YAML
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
        "operations.py": banner + operations_module(complete_document()).encode(),
        "py.typed": b"",
        "schemas.py": banner + schemas_module(complete_document()).encode(),
        "types.py": banner + rewritten(ALL_TYPES_REWRITES).encode(),
    }


@pytest.mark.parametrize("source", ["", original(ALL_TYPES_REWRITES) * 2], ids=["missing", "twice"])
def test_changed_output_of_the_generator_is_refused(package: Path, document: Path, source: str) -> None:
    """A text that is not exactly once in the generator's output is refused, and the file and the text are named."""
    (package / "types.py").write_text(source, "utf-8")
    with pytest.raises(PostprocessError, match=r"types\.py: the generator's output has changed; 'import BinaryIO"):
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
    operation = load_operations(changed(DROP, "summary", to="Drop 'things', \"at once\".")).DROP_THINGS
    assert operation.operation_id == "dropThings"
    assert (operation.method, operation.path) == tuple(DROP.split())
    assert operation.summary == "Drop 'things', \"at once\"."
    limit = operation.rate_limit
    assert (limit.requests, limit.period_seconds, limit.scope) == (10, 1.0, "UID")
    assert isinstance(limit.period_seconds, float)
    assert operation.repeat_safe is True
    assert operation.signed is True
    assert operation.max_items == {"things": 7}
    assert operation.maxima == {"times": 3}
    assert operation.source == "https://things.test/page"


def test_every_operation_is_a_constant(load_operations: LoadOperations) -> None:
    """Another operation, here an unsigned one that is counted by IP address, needs only a path in the document."""
    module = load_operations(changed(TIME, "x-repeat-safe", to=False))
    operation = module.GET_TIME
    assert (operation.method, operation.path) == tuple(TIME.split())
    limit = operation.rate_limit
    assert (limit.requests, limit.period_seconds, limit.scope) == (20, 0.5, "IP")
    assert operation.signed is False
    assert operation.repeat_safe is False
    assert operation.max_items == {}
    assert module.OPERATIONS[tuple(TIME.split())] is operation
    assert module.OPERATIONS[tuple(DROP.split())] is module.DROP_THINGS
    assert len(module.OPERATIONS) == 3


def test_facts_of_the_document_are_constants(load_operations: LoadOperations) -> None:
    """The facts of the whole API are constants; codes stay text, and are sorted."""
    module = load_operations(complete_document())
    assert module.SERVER_URL == "https://things.test"
    assert module.SUCCESS_CODE == "00000"
    assert module.TIMESTAMP_WINDOW_SECONDS == 30.0
    assert isinstance(module.TIMESTAMP_WINDOW_SECONDS, float)
    assert module.REMAINING_CALLS_HEADER == "x-left"
    assert module.ERROR_CODES == {"gateway": {"clock": ("3",)}, "v2": {"gone": ("00171", "2")}}


def formatted_operations(codes: dict[str, list[str]]) -> list[str]:
    """Return the lines of `operations.py` with these codes, formatted as a build does."""
    source = operations_module(changed("x-error-codes", "v2", to=codes))
    command = [sys.executable, "-m", "ruff", "format", *generate.RUFF, "--line-length", "100", "-"]
    result = subprocess.run(command, input=source, capture_output=True, text=True, check=True)
    return result.stdout.splitlines()


@pytest.mark.parametrize("codes", [["2"], ["2", "5"], ["0", "1", "2", "4", "5", "6", "7", "9", "10"]], ids=len)
def test_new_error_code_changes_one_line(codes: list[str]) -> None:
    """One more code in a class, however many it has, adds one line to the generated code and changes no other."""
    before = formatted_operations({"gone": codes, "clock": ["33"]})
    after = formatted_operations({"gone": [*codes, "8"], "clock": ["33"]})
    changes = [line for line in difflib.ndiff(before, after) if not line.startswith(" ")]
    assert [line.split() for line in changes] == [["+", '"8",']]


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
    document = without(TIME, "security") if security is None else changed(TIME, "security", to=security)
    assert load_operations(document).GET_TIME.signed is signed


def test_facts_cannot_be_changed(load_operations: LoadOperations) -> None:
    """Every fact is frozen, mappings included, so that no limit is raised by accident."""
    module = load_operations(complete_document())
    with pytest.raises(FrozenInstanceError):
        module.DROP_THINGS.rate_limit.requests = 99
    operation = module.DROP_THINGS
    for mapping in (operation.max_items, operation.maxima, module.OPERATIONS, module.ERROR_CODES):
        with pytest.raises(TypeError):
            mapping["names"] = 99


def with_body(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the small document with another request body."""
    return changed(DROP, "requestBody", "content", JSON, "schema", to=schema)


@pytest.mark.parametrize("items", [7, 50])
def test_max_items_are_found(load_operations: LoadOperations, items: int) -> None:
    """The limits of a body's lists are facts, whether its schema is inline or a reference."""
    heap = ("components", "schemas", "Heap", "properties", "things", "maxItems")
    assert load_operations(changed(*heap, to=items)).DROP_THINGS.max_items == {"things": items}
    inline = {"properties": {"names": {"type": "array", "maxItems": items}, "any": {"type": "array"}}}
    assert load_operations(with_body(inline)).DROP_THINGS.max_items == {"names": items}


def test_maximum_of_a_bare_array_is_found(load_operations: LoadOperations) -> None:
    """If the body itself is a list, its maximum length has the name `body`."""
    array = {"type": "array", "maxItems": 20, "items": reference("ThingRef")}
    assert load_operations(with_body(array)).DROP_THINGS.max_items == {"body": 20}
    document = with_body(reference("Batch"))
    document["components"]["schemas"]["Batch"] = array
    assert load_operations(document).DROP_THINGS.max_items == {"body": 20}


def test_maxima_are_found(load_operations: LoadOperations) -> None:
    """
    The maximum of every whole number that a caller passes is a fact: in a query, inline or by reference, in the path's own
    parameters, and in a body. Parameters without a maximum, and other numbers, are left out.
    """
    document = complete_document()
    document["components"]["schemas"] |= {"Page": {"type": "integer", "maximum": 9}}
    document["components"]["parameters"] = {"Page": {"name": "page", "in": "query", "schema": reference("Page")}}
    document["paths"]["/api/v2/things/batch-drop"]["parameters"] = [
        {"$ref": "#/components/parameters/Page"},
        parameter("share", "number", 0.1, maximum=0.5),
    ]
    document["paths"]["/api/v2/things/batch-drop"]["post"]["parameters"] = [
        parameter("limit", "integer", 1, maximum=100),
        parameter("since", "integer", 1, minimum=1),
    ]
    module = load_operations(document)
    assert module.DROP_THINGS.maxima == {"page": 9, "limit": 100, "times": 3}
    assert module.LIST_THINGS.maxima == {"limit": 100}
    assert module.GET_TIME.maxima == {}


@pytest.mark.parametrize(
    "codes",
    [
        pytest.param({"v2": {"gone": ["2", "3"], "clock": ["3"]}}, id="two classes"),
        pytest.param({"v3": {"gone": ["2", "3", "3"]}}, id="one class"),
        pytest.param({"gateway": {"clock": ["3"]}, "v3": {"gone": ["2", "3"]}}, id="a version and the gateway"),
    ],
)
def test_repeated_code_is_refused(codes: dict[str, dict[str, list[str]]]) -> None:
    """A code with two meanings in one version is refused and named; other codes are not named."""
    with pytest.raises(DocumentError, match=r"x-error-codes.*: 3$"):
        operations_module(changed("x-error-codes", to=codes))


def test_code_that_is_a_number_is_refused() -> None:
    """A code without quotes may have lost its zeros, and is refused."""
    with pytest.raises(DocumentError, match=r"x-error-codes: put these in quotes.*: 171$"):
        operations_module(changed("x-error-codes", to={"v2": {"gone": [171]}}))
