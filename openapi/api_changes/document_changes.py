"""Two versions of the OpenAPI document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import define, field

from api_changes.changes import Change, added, breaking, changed
from api_changes.schema_changes import Direction, SchemaComparison
from document import Node, OperationNode, merged, operations_of

TEXTS: Final = ("summary", "description", "externalDocs")
LIMITS: Final = {"x-timestamp-window-seconds": "the timestamp window"}
CONSTANTS: Final = ("x-success-code", "x-remaining-calls-header")


def document_changes(old: Node, new: Node) -> list[Change]:
    """Return what has changed between two documents."""
    return list(DocumentComparison(old, new).compare())


@define
class DocumentComparison:
    """Compares two documents: the facts of the whole API, the operations, and the schemas that they use."""

    old: Node
    new: Node
    requests: SchemaComparison = field(init=False)
    responses: SchemaComparison = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.requests = SchemaComparison(self.old, self.new, Direction.REQUEST)
        self.responses = SchemaComparison(self.old, self.new, Direction.RESPONSE)

    def compare(self) -> Iterator[Change]:
        """Yield every change."""
        yield from self._compare_facts()
        yield from _compare_error_codes(self.old.get("x-error-codes", {}), self.new.get("x-error-codes", {}))
        yield from self._compare_security_schemes()
        pairs = _pairs(list(operations_of(self.old)), list(operations_of(self.new)))
        for before, after in pairs:
            if after is None:
                yield breaking(before.operation_id, "is gone")
            else:
                yield from self._compare_operation(before, after)
        known = [after for _, after in pairs]
        for operation in operations_of(self.new):
            if operation not in known:
                yield added(operation.operation_id, f"`{operation.where}`")
        yield from self._compare_names()

    def _compare_facts(self) -> Iterator[Change]:
        for name in CONSTANTS:
            if self.old.get(name) != self.new.get(name):
                yield breaking(name, f"was {self.old.get(name)} and is now {self.new.get(name)}")
        for name, text in LIMITS.items():
            before = self.old.get(name, 0)
            after = self.new.get(name, 0)
            if before != after:
                make = breaking if after < before else changed
                yield make(name, f"{text} was {before} s and is now {after} s")
        before = _server(self.old)
        after = _server(self.new)
        if before != after:
            yield breaking("servers", f"{before} is now {after}")

    def _compare_security_schemes(self) -> Iterator[Change]:
        before = _signing_headers(self.old)
        after = _signing_headers(self.new)
        for name in before:
            if name not in after:
                yield breaking("security", f"`{name}` no longer signs a request")
        for name in after:
            if name not in before:
                yield breaking("security", f"`{name}` signs a request")

    def _compare_operation(self, old: OperationNode, new: OperationNode) -> Iterator[Change]:
        place = new.operation_id
        if old.operation_id != new.operation_id:
            yield breaking(old.operation_id, f"is now `{new.operation_id}`")
        if old.where != new.where:
            yield breaking(place, f"`{old.where}` is now `{new.where}`")
        old_tag = next(iter(old.node.get("tags", ())), "")
        new_tag = next(iter(new.node.get("tags", ())), "")
        if old_tag != new_tag:
            yield breaking(place, f"the tag {old_tag}, which names its module, is now {new_tag}")
        yield from _compare_limits(place, old.node.get("x-rate-limit", {}), new.node.get("x-rate-limit", {}))
        yield from _compare_marks(old, new)
        yield from self._compare_parameters(old, new)
        yield from self._compare_body(old, new)
        yield from self._compare_responses(old, new)

    def _compare_parameters(self, old: OperationNode, new: OperationNode) -> Iterator[Change]:
        old_parameters = _by_name(old)
        new_parameters = _by_name(new)
        for key, before in old_parameters.items():
            place = f"{new.operation_id}({key[1]})"
            if key not in new_parameters:
                yield breaking(place, "is gone")
                continue
            after = new_parameters[key]
            yield from _compare_required(place, before, after)
            yield from _compare_deprecated(place, before, after)
            if before.get("description") != after.get("description"):
                yield changed(place, "another description")
            yield from self.requests.compare(place, before.get("schema", {}), after.get("schema", {}))
        for key, after in new_parameters.items():
            if key not in old_parameters:
                make = breaking if after.get("required") else added
                text = "is new and required" if after.get("required") else "a parameter"
                yield make(f"{new.operation_id}({key[1]})", text)

    def _compare_body(self, old: OperationNode, new: OperationNode) -> Iterator[Change]:
        place = f"{new.operation_id}(body)"
        if old.body is None or new.body is None:
            if old.body is not None:
                yield breaking(place, "is gone")
            if new.body is not None:
                is_required = bool(new.body.get("required"))
                yield (breaking if is_required else added)(place, "is new and required" if is_required else "a body")
            return
        yield from _compare_required(place, old.body, new.body)
        if old.body_schema is not None and new.body_schema is not None:
            yield from self.requests.compare(place, old.body_schema, new.body_schema)

    def _compare_responses(self, old: OperationNode, new: OperationNode) -> Iterator[Change]:
        for status in old.responses:
            if status not in new.responses:
                yield breaking(new.operation_id, f"the response {status} is gone")
                continue
            before = old.response_schema(status)
            after = new.response_schema(status)
            if before is not None and after is not None:
                yield from self.responses.compare(f"{new.operation_id} {status}", before, after)
        for status in new.responses:
            if status not in old.responses:
                yield changed(new.operation_id, f"the response {status} is new")

    def _compare_names(self) -> Iterator[Change]:
        """Compare the names of schemas, each of which is a class: of those that both versions do not have."""
        before = self.old.get("components", {}).get("schemas", {})
        after = self.new.get("components", {}).get("schemas", {})
        renamed = self.requests.renamed() | self.responses.renamed()
        for name in before.keys() - after.keys() - renamed.keys():
            yield breaking(name, "is gone")
        for name in after.keys() - before.keys() - set(renamed.values()):
            yield added(name, "a schema")


def _pairs(
    old_operations: list[OperationNode], new_operations: list[OperationNode]
) -> list[tuple[OperationNode, OperationNode | None]]:
    """Pair each old operation with its new version: by its id, or else by its method and path."""
    by_id = {operation.operation_id: operation for operation in new_operations}
    old_ids = {operation.operation_id for operation in old_operations}
    by_path = {operation.where: operation for operation in new_operations if operation.operation_id not in old_ids}
    return [
        (operation, by_id.get(operation.operation_id) or by_path.get(operation.where)) for operation in old_operations
    ]


def _by_name(operation: OperationNode) -> dict[tuple[str, str], Node]:
    return {(parameter["in"], parameter["name"]): parameter for parameter in operation.parameters}


def _compare_required(place: str, old: Node, new: Node) -> Iterator[Change]:
    if new.get("required") and not old.get("required"):
        yield breaking(place, "is now required")
    elif old.get("required") and not new.get("required"):
        yield changed(place, "is now optional")


def _compare_deprecated(place: str, old: Node, new: Node) -> Iterator[Change]:
    if bool(old.get("deprecated")) != bool(new.get("deprecated")):
        yield changed(place, "is deprecated" if new.get("deprecated") else "is no longer deprecated")


def _compare_limits(place: str, old: Node, new: Node) -> Iterator[Change]:
    if old == new:
        return
    is_lower = new["requests"] < old["requests"] or (
        new["requests"] / new["period-seconds"] < old["requests"] / old["period-seconds"]
    )
    make = breaking if is_lower or old["scope"] != new["scope"] else changed
    yield make(place, f"the rate limit was {_limit_text(old)} and is now {_limit_text(new)}")


def _limit_text(limit: Node) -> str:
    return f"{limit['requests']} in {limit['period-seconds']:g} s ({limit['scope']})"


def _compare_marks(old: OperationNode, new: OperationNode) -> Iterator[Change]:
    place = new.operation_id
    if old.node.get("x-repeat-safe") != new.node.get("x-repeat-safe"):
        is_safe = bool(new.node.get("x-repeat-safe"))
        yield (changed if is_safe else breaking)(place, f"a repeat is {'now' if is_safe else 'no longer'} safe")
    was_signed = bool(old.node.get("security", old.document.get("security")))
    is_signed = bool(new.node.get("security", new.document.get("security")))
    if was_signed != is_signed:
        yield (breaking if is_signed else changed)(place, f"{'must be' if is_signed else 'is no longer'} signed")
    yield from _compare_deprecated(place, old.node, new.node)
    for name in TEXTS:
        if old.node.get(name) != new.node.get(name):
            yield changed(place, f"another {name}")


def _compare_error_codes(old: Node, new: Node) -> Iterator[Change]:
    """Compare the classes of the codes, each of which is an exception."""
    before = _classes_of_codes(old)
    after = _classes_of_codes(new)
    for code in before:
        if code not in after:
            yield breaking(f"x-error-codes.{code}", f"is no longer {_class_text(before[code])}")
        elif before[code] != after[code]:
            yield breaking(f"x-error-codes.{code}", f"{_class_text(before[code])} is now {_class_text(after[code])}")
    for code in after:
        if code not in before:
            yield added(f"x-error-codes.{code}", _class_text(after[code]))


def _classes_of_codes(classes: Mapping[str, Any]) -> dict[str, frozenset[str]]:
    """Return the classes of each code; classes may be grouped by the version of the API."""
    found: dict[str, frozenset[str]] = {}
    for name, members in classes.items():
        inner = (
            _classes_of_codes(members)
            if isinstance(members, Mapping)
            else {code: frozenset({name}) for code in members}
        )
        for code, names in inner.items():
            found[code] = found.get(code, frozenset()) | names
    return found


def _class_text(names: frozenset[str]) -> str:
    return " and ".join(sorted(names))


def _server(document: Node) -> str:
    servers = document.get("servers", ())
    return str(servers[0]["url"]) if servers else "no server"


def _signing_headers(document: Node) -> list[str]:
    """Return the headers that sign a request."""
    schemes = document.get("components", {}).get("securitySchemes", {})
    requirements = document.get("security", ())
    return [merged(document, schemes[name])["name"] for requirement in requirements for name in requirement]
