"""Pages in the layout of the vendor's site, and the document that says the same; the texts are this project's own."""

from __future__ import annotations

from typing import Any, Final

from document import Node, operations_of
from vendor_pages.comparison import Finding, compare, operation_of
from vendor_pages.facts import texts_of
from vendor_pages.fingerprints import Fingerprints
from vendor_pages.reader import parse_page

PAGE: Final = """# Drop Things

Frequency limit:10 times/1s (UID)

### Description[](#description "Direct link to Description")

Drops many things in one go.

* Name every thing of a heap in the same manner.

### HTTP Request[](#http-request "Direct link to HTTP Request")

* POST /api/v2/things/batch-drop

Request Example

```json
curl -X POST "https://api.things.test/api/v2/things/batch-drop" \\
   -d '{"things": [{"number": "12"}]}'
```

### Request Parameter[](#request-parameter "Direct link to Request Parameter")

| Parameter | Type | Required | Description |
| --- | --- | --- | --- |
| shelf | String | No | Where the things lie |
| manner | String | No | How they come down `soft` set down, the usual way `hard` let go. See `shelf` |
| count | String | No | How often each is dropped, max 100 |
| things | Array | Yes | What to drop \uff0cmaximum length: 50 |
| >shelf | String | No | Where the things lie |
| > number | String | No | The number on the thing. |
| > label | String | No | What you called it. |

Response Example

```json
{"code": "00000", "data": {"dropped": [], "held": []}}
```

### Response Parameter[](#response-parameter "Direct link to Response Parameter")

| Parameter | Type | Description |
| --- | --- | --- |
| dropped | Array | Those that fell |
| >number | String | Its number |
| held | Array | Those that did not |
| >number | String | Its number |
| >why | String | What held it: `glue` or `nail` |
"""

PAGE_WITHOUT_PARAMETERS: Final = """# Get Time

Frequency limit: 20 times/1s (IP)

### Description

The hour on the wall

### HTTP Request

* GET /api/v2/things/time

### Request Parameters

| Parameter | Type | Required | Description |
| --- | --- | --- | --- |
| N/A |  |  |  |

### Response Parameters

| Parameter | Type | Description |
| --- | --- | --- |
| hour | String | From 0 to 23 |
"""

TEXT: Final[dict[str, Any]] = {"type": ["string", "null"]}


def operation(name: str, requests: int, scope: str, data: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an operation of the small document."""
    envelope = {"type": "object", "properties": {"code": TEXT, "data": data}}
    return {
        "operationId": name,
        "description": "What it does.",
        "x-rate-limit": {"requests": requests, "period-seconds": 1, "scope": scope},
        "x-repeat-safe": True,
        "responses": {"200": {"content": {"application/json": {"schema": envelope}}}},
        **more,
    }


def small_document() -> dict[str, Any]:
    """Return a new document of the operations of both pages."""
    row = {"type": "object", "properties": {"number": TEXT, "weight": {**TEXT, "x-beyond-page": "seen in responses"}}}
    thing = {
        "type": "object",
        "properties": {
            "shelf": {"type": "string"},
            "number": {"type": "string", "minLength": 1},
            "label": {"type": "string"},
        },
    }
    heap = {
        "type": "object",
        "required": ["things"],
        "properties": {
            "shelf": {"type": "string", "description": "The shelf."},
            "manner": {"$ref": "#/components/schemas/Manner"},
            "count": {"type": "integer", "maximum": 100, "x-page-says": {"type": "String"}},
            "things": {"type": "array", "minItems": 1, "maxItems": 50, "items": {"$ref": "#/components/schemas/Thing"}},
        },
    }
    held = {
        "type": "object",
        "properties": {
            "number": TEXT,
            "why": TEXT,
            "since": {**TEXT, "x-only-on-page-of": ["listThings"]},
        },
    }
    heaps = {
        "type": "object",
        "properties": {
            "dropped": {"type": ["array", "null"], "items": row},
            "held": {"type": ["array", "null"], "items": held},
        },
    }
    body = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Heap"}}}}
    data = {"oneOf": [{"$ref": "#/components/schemas/Heaps"}, {"type": "null"}]}
    hour = {"type": "object", "properties": {"hour": TEXT}}
    return {
        "paths": {
            "/api/v2/things/batch-drop": {"post": operation("dropThings", 10, "UID", data, requestBody=body)},
            "/api/v2/things/time": {"get": operation("getTime", 20, "IP", hour)},
        },
        "components": {
            "schemas": {
                "Heap": heap,
                "Heaps": heaps,
                "Thing": thing,
                "Manner": {"type": "string", "enum": ["soft", "hard"]},
            },
        },
    }


def read_texts(document: Node) -> Fingerprints:
    """Return the fingerprints of all texts of both pages."""
    texts = {}
    for markdown in (PAGE, PAGE_WITHOUT_PARAMETERS):
        page = parse_page(markdown)
        operation_id, _ = operation_of(page, document, {})
        texts[operation_id] = texts_of(page)
    return texts


def findings_of(markdown: str, document: Node | None = None, fingerprints: Fingerprints | None = None) -> list[Finding]:
    """Compare a page with a document; by default with the small one, whose texts have been read."""
    page = parse_page(markdown)
    if fingerprints is None:
        fingerprints = read_texts(small_document())
    _, operation = operation_of(page, document or small_document(), fingerprints)
    return compare(page, operation)


def differences(markdown: str, document: Node | None = None) -> dict[str, str]:
    """Return the verdicts of a page's differences from a document, by place."""
    return {finding.place: finding.verdict for finding in findings_of(markdown, document) if finding.is_difference}


def edited(old: str, new: str, markdown: str = PAGE) -> str:
    """Return the page with one passage changed."""
    assert old in markdown
    return markdown.replace(old, new, 1)


def operation_ids(document: Node) -> list[str]:
    """Return the ids of the operations of a document."""
    return [operation.operation_id for operation in operations_of(document)]
