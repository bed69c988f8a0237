"""Every kind of change of an operation, or of a fact of the document, is found under the right heading."""

from __future__ import annotations

import pytest
from document_edits import (
    ADDED,
    BODY,
    BREAKING,
    BY_IP,
    CHANGED,
    LIMIT,
    LONG,
    MINUTE,
    REF,
    SCHEMAS,
    SLOW,
    Edit,
    Kind,
    assert_found,
    both_ways,
    changes,
    remove,
    rename,
    set_to,
)
from documents import DROP, JSON, LIST, TIME, complete_document, node_at, parameter, reference, request, response

from api_changes.document_changes import document_changes
from document import DOCUMENT, load

KINDS: dict[str, Kind] = {
    # Operations
    "operation": (
        remove("paths", "/api/v2/things/list"),
        [(BREAKING, "listThings", "is gone")],
        (ADDED, "listThings", f"`{LIST}`"),
    ),
    "operation id": (
        set_to("getThings", LIST, "operationId"),
        (BREAKING, "listThings", "is now `getThings`"),
        (BREAKING, "getThings", "is now `listThings`"),
    ),
    "path": (
        rename("/api/v2/things/all", "paths", "/api/v2/things/list"),
        (BREAKING, "listThings", f"`{LIST}` is now `GET /api/v2/things/all`"),
        (BREAKING, "listThings", f"`GET /api/v2/things/all` is now `{LIST}`"),
    ),
    "method": (
        rename("post", "paths", "/api/v2/things/list", "get"),
        (BREAKING, "listThings", f"`{LIST}` is now `POST /api/v2/things/list`"),
        (BREAKING, "listThings", f"`POST /api/v2/things/list` is now `{LIST}`"),
    ),
    "tag": (
        set_to(["public"], LIST, "tags"),
        (BREAKING, "listThings", "the tag things, which names its module, is now public"),
        (BREAKING, "listThings", "the tag public, which names its module, is now things"),
    ),
    "lower rate limit": (
        set_to(SLOW, *LIMIT),
        (BREAKING, "listThings", "the rate limit was 10 in 1 s (UID) and is now 5 in 1 s (UID)"),
        (CHANGED, "listThings", "the rate limit was 5 in 1 s (UID) and is now 10 in 1 s (UID)"),
    ),
    "rate limit over a longer period": (
        set_to(LONG, *LIMIT),
        (CHANGED, "listThings", "the rate limit was 10 in 1 s (UID) and is now 600 in 60 s (UID)"),
        (BREAKING, "listThings", "the rate limit was 600 in 60 s (UID) and is now 10 in 1 s (UID)"),
    ),
    "rate limit that is lower in the long run": (
        set_to(MINUTE, *LIMIT),
        (BREAKING, "listThings", "the rate limit was 10 in 1 s (UID) and is now 60 in 60 s (UID)"),
        (BREAKING, "listThings", "the rate limit was 60 in 60 s (UID) and is now 10 in 1 s (UID)"),
    ),
    "scope": (
        set_to(BY_IP, *LIMIT),
        (BREAKING, "listThings", "the rate limit was 10 in 1 s (UID) and is now 10 in 1 s (IP)"),
        (BREAKING, "listThings", "the rate limit was 10 in 1 s (IP) and is now 10 in 1 s (UID)"),
    ),
    "repeat": (
        set_to(0, LIST, "x-repeat-safe"),
        (BREAKING, "listThings", "a repeat is no longer safe"),
        (CHANGED, "listThings", "a repeat is now safe"),
    ),
    "signature": (
        remove(TIME, "security"),
        (BREAKING, "getTime", "must be signed"),
        (CHANGED, "getTime", "is no longer signed"),
    ),
    "deprecated operation": (
        set_to("yes", LIST, "deprecated"),
        (CHANGED, "listThings", "is deprecated"),
        (CHANGED, "listThings", "is no longer deprecated"),
    ),
    "summary": both_ways(set_to("Do more.", LIST, "summary"), (CHANGED, "listThings", "another summary")),
    "description": both_ways(set_to("More.", LIST, "description"), (CHANGED, "listThings", "another description")),
    "response status": (
        remove(LIST, "responses", "5XX"),
        (BREAKING, "listThings", "the response 5XX is gone"),
        (CHANGED, "listThings", "the response 5XX is new"),
    ),
    # Parameters
    "parameter": (
        set_to([parameter("limit", "integer", 10, minimum=1, maximum=100)], LIST, "parameters"),
        (BREAKING, "listThings(shelf)", "is gone"),
        (ADDED, "listThings(shelf)", "a parameter"),
    ),
    "required parameter": (
        lambda document: node_at(document, LIST, "parameters").append(
            {**parameter("zone", "string", "a"), "required": True}
        ),
        (BREAKING, "listThings(zone)", "is new and required"),
        (BREAKING, "listThings(zone)", "is gone"),
    ),
    "parameter becomes required": (
        lambda document: node_at(document, LIST, "parameters")[1].update(required=True),
        (BREAKING, "listThings(shelf)", "is now required"),
        (CHANGED, "listThings(shelf)", "is now optional"),
    ),
    "type of a parameter": (
        lambda document: node_at(document, LIST, "parameters")[1]["schema"].update(type="integer"),
        (BREAKING, "listThings(shelf)", "the type string is now integer"),
        (BREAKING, "listThings(shelf)", "the type integer is now string"),
    ),
    "maximum of a parameter": (
        lambda document: node_at(document, LIST, "parameters")[0]["schema"].update(maximum=50),
        (BREAKING, "listThings(limit)", "`maximum` was 100 and is now 50"),
        (CHANGED, "listThings(limit)", "`maximum` was 50 and is now 100"),
    ),
    "minimum of a parameter": (
        lambda document: node_at(document, LIST, "parameters")[0]["schema"].update(minimum=5),
        (BREAKING, "listThings(limit)", "`minimum` was 1 and is now 5"),
        (CHANGED, "listThings(limit)", "`minimum` was 5 and is now 1"),
    ),
    "description of a parameter": both_ways(
        lambda document: node_at(document, LIST, "parameters")[0].update(description="More."),
        (CHANGED, "listThings(limit)", "another description"),
    ),
    "deprecated parameter": (
        lambda document: node_at(document, LIST, "parameters")[0].update(deprecated=True),
        (CHANGED, "listThings(limit)", "is deprecated"),
        (CHANGED, "listThings(limit)", "is no longer deprecated"),
    ),
    # Bodies
    "body": (
        remove(DROP, "requestBody"),
        (BREAKING, "dropThings(body)", "is gone"),
        (BREAKING, "dropThings(body)", "is new and required"),
    ),
    "optional body": (
        set_to({"content": {JSON: {"schema": reference("Heap")}}}, LIST, "requestBody"),
        (ADDED, "listThings(body)", "a body"),
        (BREAKING, "listThings(body)", "is gone"),
    ),
    "required body": (
        set_to(0, DROP, "requestBody", "required"),
        (CHANGED, "dropThings(body)", "is now optional"),
        (BREAKING, "dropThings(body)", "is now required"),
    ),
    "other body": (
        set_to(reference("ThingRef"), *BODY),
        (BREAKING, "dropThings(body)", "`Heap` is now `ThingRef`"),
        (BREAKING, "dropThings(body)", "`ThingRef` is now `Heap`"),
    ),
    # The whole API
    "new error code": (
        set_to(["2", "00171", "5"], "x-error-codes", "v2", "gone"),
        (ADDED, "x-error-codes.5", "gone"),
        (BREAKING, "x-error-codes.5", "is no longer gone"),
    ),
    "error code of another class": (
        set_to({"v2": {"gone": ["2"]}, "gateway": {"clock": ["3", "00171"]}}, "x-error-codes"),
        (BREAKING, "x-error-codes.00171", "gone is now clock"),
        (BREAKING, "x-error-codes.00171", "clock is now gone"),
    ),
    "error codes by version": (
        set_to({"gone": ["2", "00171"], "clock": ["3"]}, "x-error-codes"),
        [],
        [],
    ),
    "timestamp window": (
        set_to(10, "x-timestamp-window-seconds"),
        (BREAKING, "x-timestamp-window-seconds", "the timestamp window was 30 s and is now 10 s"),
        (CHANGED, "x-timestamp-window-seconds", "the timestamp window was 10 s and is now 30 s"),
    ),
    "success code": (
        set_to("0", "x-success-code"),
        (BREAKING, "x-success-code", "was 00000 and is now 0"),
        (BREAKING, "x-success-code", "was 0 and is now 00000"),
    ),
    "server": (
        lambda document: document["servers"][0].update(url="https://other.test"),
        (BREAKING, "servers", "https://things.test is now https://other.test"),
        (BREAKING, "servers", "https://other.test is now https://things.test"),
    ),
    "header that signs": (
        lambda document: (
            document["components"]["securitySchemes"].update(
                sign={"type": "apiKey", "in": "header", "name": "ACCESS-SIGN"}
            ),
            document["security"][0].update(sign=[]),
        ),
        (BREAKING, "security", "`ACCESS-SIGN` signs a request"),
        (BREAKING, "security", "`ACCESS-SIGN` no longer signs a request"),
    ),
}


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_kind_of_change(kind: Kind) -> None:
    """Each kind of change, and its reverse, is found under its heading, and nothing else is."""
    assert_found(kind)


HARMLESS: dict[str, Edit] = {
    "example": set_to("b-2", *REF, "properties", "label", "example"),
    "examples of a body": set_to(
        {"one": {"summary": "One.", "value": {}}}, DROP, "requestBody", "content", JSON, "examples"
    ),
    "mark for pages": set_to("Integer", *REF, "properties", "label", "x-page-says"),
    "order of the fields": lambda document: node_at(document, *REF, "properties").update(
        label=node_at(document, *REF, "properties").pop("label"),
        number=node_at(document, *REF, "properties").pop("number"),
    ),
    "description of a response": set_to("Finished.", LIST, "responses", "200", "description"),
    "order of the codes": set_to(["00171", "2"], "x-error-codes", "v2", "gone"),
}


@pytest.mark.parametrize("edit", HARMLESS.values(), ids=HARMLESS)
def test_harmless_edit_is_no_change(edit: Edit) -> None:
    """An edit that means nothing to a program is not listed."""
    edited = complete_document()
    edit(edited)
    assert changes(complete_document(), edited) == []
    assert changes(edited, complete_document()) == []


def test_new_operation_with_its_schemas() -> None:
    """A new operation is listed with its path, and its new schemas are listed too."""
    edited = complete_document()
    edited["paths"]["/api/v2/things/lift"] = {"get": {**node_at(edited, LIST), "operationId": "liftThings"}}
    node_at(edited, *SCHEMAS)["Lift"] = request("To lift.", {})
    node_at(edited, *SCHEMAS)["Lifted"] = response("Lifted.", {})
    assert changes(complete_document(), edited) == [
        (ADDED, "Lift", "a schema"),
        (ADDED, "Lifted", "a schema"),
        (ADDED, "liftThings", "`GET /api/v2/things/lift`"),
    ]


def test_project_document_equals_itself() -> None:
    """The project's document has not changed against itself."""
    document = load(DOCUMENT)
    assert document_changes(document, load(DOCUMENT)) == []
