"""A small OpenAPI document that is complete, for tests of the scripts that read the document."""

from __future__ import annotations

from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]

DROP = "POST /api/v2/things/batch-drop"
LIST = "GET /api/v2/things/list"
TIME = "GET /api/v2/public/time"
JSON = "application/json"


def complete_document() -> JsonObject:
    """Return a new document: a signed POST, a signed GET with parameters, and an unsigned GET."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Things", "version": "1"},
        "servers": [{"url": "https://things.test"}],
        "tags": [{"name": "things", "description": "Things."}, {"name": "public", "description": "Without a key."}],
        "security": [{"accessKey": []}],
        "paths": {
            "/api/v2/things/batch-drop": {
                "post": operation(
                    "dropThings",
                    "HeapsResponse",
                    requestBody={"required": True, "content": {JSON: {"schema": reference("Heap")}}},
                )
            },
            "/api/v2/things/list": {
                "get": operation(
                    "listThings",
                    "ThingsResponse",
                    parameters=[
                        parameter("limit", "integer", 10, minimum=1, maximum=100),
                        parameter("shelf", "string", "top"),
                    ],
                )
            },
            "/api/v2/public/time": {
                "get": operation("getTime", "TimeResponse", "public", security=[], **limit(20, 0.5, "IP"))
            },
        },
        "components": {
            "securitySchemes": {"accessKey": {"type": "apiKey", "in": "header", "name": "ACCESS-KEY"}},
            "responses": {
                "Error": {"description": "Refused.", "content": {JSON: {"schema": reference("ErrorResponse")}}}
            },
            "schemas": schemas(),
        },
        "x-success-code": "00000",
        "x-timestamp-window-seconds": 30,
        "x-remaining-calls-header": "x-left",
        "x-error-codes": {"gateway": {"clock": ["3"]}, "v2": {"gone": ["2", "00171"]}},
    }


def schemas() -> JsonObject:
    """Return the schemas of the small document."""
    return {
        "Manner": text("How they come down.", "soft", enum=["soft", "hard"]),
        "ThingRef": request(
            "A thing to drop.",
            {"number": text("Its number.", "12", minLength=1), "label": text("Its label.", "a-1")},
        ),
        "Heap": request(
            "What to drop.",
            {
                "manner": reference("Manner"),
                "times": {"type": "integer", "description": "How often.", "example": 1, "maximum": 3},
                "things": {
                    "type": "array",
                    "description": "The things.",
                    "minItems": 1,
                    "maxItems": 7,
                    "items": reference("ThingRef"),
                },
            },
            required=["things"],
        ),
        "Thing": response("A thing.", {"number": maybe_text("12"), "weight": maybe_text("3")}),
        "Heaps": response("The outcome.", {"dropped": rows("Thing"), "held": rows("Thing")}),
        "Clock": response("The clock.", {"hour": maybe_text("23")}),
        "HeapsResponse": envelope({"oneOf": [reference("Heaps"), {"type": "null"}]}),
        "ThingsResponse": envelope(rows("Thing")),
        "TimeResponse": envelope({"oneOf": [reference("Clock"), {"type": "null"}]}),
        "ErrorResponse": envelope({}),
    }


def operation(name: str, schema: str, tag: str = "things", **more: Any) -> JsonObject:
    """Return a complete operation whose response has this schema."""
    return {
        "operationId": name,
        "tags": [tag],
        "summary": "Do it.",
        "description": "What it does.",
        "externalDocs": {"url": "https://things.test/page"},
        **limit(10, 1, "UID"),
        "x-repeat-safe": True,
        "responses": {
            "200": {"description": "Done.", "content": {JSON: {"schema": reference(schema)}}},
            "4XX": {"$ref": "#/components/responses/Error"},
            "5XX": {"$ref": "#/components/responses/Error"},
        },
        **more,
    }


def limit(requests: int, period: float, scope: str) -> JsonObject:
    """Return the rate limit of an operation."""
    return {"x-rate-limit": {"requests": requests, "period-seconds": period, "scope": scope}}


def parameter(name: str, json_type: str, example: object, **more: Any) -> JsonObject:
    """Return a parameter of a query."""
    return {
        "name": name,
        "in": "query",
        "description": "A parameter.",
        "schema": {"type": json_type, "example": example, **more},
    }


def reference(name: str) -> JsonObject:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def text(description: str, example: str, **more: Any) -> JsonObject:
    """Return the schema of a text in a request."""
    return {"type": "string", "description": description, "example": example, **more}


def maybe_text(example: str) -> JsonObject:
    """Return the schema of a text in a response."""
    return {"type": ["string", "null"], "description": "A text.", "example": example}


def rows(name: str) -> JsonObject:
    """Return the schema of a list in a response."""
    return {"type": ["array", "null"], "description": "Rows.", "items": reference(name)}


def request(description: str, properties: JsonObject, **more: Any) -> JsonObject:
    """Return the schema of an object in a request."""
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": properties,
        **more,
    }


def response(description: str, properties: JsonObject) -> JsonObject:
    """Return the schema of an object in a response."""
    return {"type": "object", "description": description, "properties": properties}


def envelope(data: JsonObject) -> JsonObject:
    """Return the schema of a response with this data."""
    request_time = {"type": ["integer", "null"], "description": "The clock.", "example": 1}
    members = {"code": text("The code.", "00000"), "msg": maybe_text("success"), "requestTime": request_time}
    return response("A response.", {**members, "data": {"description": "The data.", **data}})


def node_at(document: JsonObject, *path: str) -> Any:
    """Return the part of a document at a path; the parts of the path may be operations, as in `GET /api/v2/time`."""
    node: Any = document
    for key in path:
        method, space, operation_path = key.partition(" ")
        node = document["paths"][operation_path][method.lower()] if space else node[key]
    return node


def changed(*path: str, to: object) -> JsonObject:
    """Return the small document with one value changed or added."""
    document = complete_document()
    node_at(document, *path[:-1])[path[-1]] = to
    return document


def without(*path: str) -> JsonObject:
    """Return the small document with one value removed."""
    document = complete_document()
    del node_at(document, *path[:-1])[path[-1]]
    return document
