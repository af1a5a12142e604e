"""The OpenAPI document (3.1), made of the table of operations and of the shapes; and its page.

Ours, and not a framework's: flask-openapi3 wants to be the application, with its own errors,
validation and pages, and loads pydantic with every page; this is a hundred lines.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from functools import cache
from http import HTTPStatus
from typing import Any

from flask import Response
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from newsletter.models import Scope
from newsletter.web.api import shapes
from newsletter.web.api.calls import KEY_HEADER, LONGEST_KEY, on_offer
from newsletter.web.api.problems import KIND, PREFIX
from newsletter.web.api.routes import OPERATIONS, Operation
from newsletter.web.page import show, state

REF = "#/components/schemas/{model}"
INTRODUCTION = (
    "Programs show a token, which an administrator makes on the desk: `Authorization: Bearer …`. "
    "Errors are application/problem+json (RFC 9457). Lists have pages: `next` is the cursor of the "
    f"one that follows. With an {KEY_HEADER} a request that is sent twice is done once."
)
BODY_PROBLEMS = (400, 413, 415)
TOKEN_PROBLEMS = (401, 403, 429)
PLACES: Mapping[str, dict[str, Any]] = {
    "id": {"type": "integer", "minimum": 1, "maximum": shapes.LARGEST},
    "number": {"type": "integer", "minimum": 1, "maximum": shapes.LARGEST},
    "slug": {"type": "string", "pattern": "^[a-z0-9-]+$", "maxLength": 200},
}
HEADERS = {
    401: ("WWW-Authenticate", "What is asked for (RFC 6750)."),
    403: ("WWW-Authenticate", "Which scope is lacking (RFC 6750)."),
    429: ("Retry-After", "Seconds until there is room."),
    503: ("Retry-After", "Seconds until it is worth while to ask again."),
}


def made() -> dict[str, Any]:
    """The document, as of this site and what it has on offer now."""
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    schemas = deepcopy(_schemas())
    _offer(schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Fiabel-nieuws", "version": "1", "description": INTRODUCTION},
        "servers": [{"url": state().links.base_url + PREFIX}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def page() -> Response:
    """The document as a page for people."""
    document = made()
    sections: dict[str, list[Operation]] = {}
    for operation in OPERATIONS:
        sections.setdefault(operation.section, []).append(operation)
    return show(
        "public/api.html",
        sections=sections,
        paths=document["paths"],
        schemas=document["components"]["schemas"],
        base=document["servers"][0]["url"],
        scopes=list(Scope),
        fields=_fields,
        indexed=False,
    )


def _operation(operation: Operation) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.section],
        "parameters": list(_parameters(operation)),
        "responses": _responses(operation),
        "security": [{"token": []}] if operation.scope else [],
    }
    if operation.scope:
        made["description"] = f"Scope: `{operation.scope}`."
    if operation.body:
        made["requestBody"] = {"required": True, "content": _json(operation.body)}
    return made


def _parameters(operation: Operation) -> Iterator[dict[str, Any]]:
    for name, schema in PLACES.items():
        if f"{{{name}}}" in operation.path:
            yield {"name": name, "in": "path", "required": True, "schema": schema}
    if operation.query:
        shape: type[BaseModel] = getattr(shapes, operation.query)
        for name, schema in shape.model_json_schema()["properties"].items():
            yield {"name": name, "in": "query", "required": False, "schema": _present(schema)}
    if operation.writes:
        key = {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY}
        key["pattern"] = "^[!-~]+$"
        why = "A name of your own for this request, such as a UUID: kept for a day."
        yield {"name": KEY_HEADER, "in": "header", "schema": key, "description": why}


def _present(schema: dict[str, Any]) -> dict[str, Any]:
    """A parameter is there or is not there; it is never null."""
    known = {name: value for name, value in schema.items() if name not in ("default", "anyOf")}
    first: dict[str, Any] = next(
        (one for one in schema.get("anyOf", ()) if one.get("type") != "null"), {}
    )
    default = {"default": schema["default"]} if schema.get("default") is not None else {}
    return {**known, **first, **default}


def _responses(operation: Operation) -> dict[str, Any]:
    answers = {str(operation.status): _done(operation)}
    if operation.status == HTTPStatus.CREATED and operation.answer == "Taken":
        answers["200"] = {**_done(operation), "description": "They were so already."}
    failed = {422, 503, *operation.also}
    failed |= {*TOKEN_PROBLEMS} if operation.scope else set()
    failed |= {404} if "Paging" in operation.query else set()
    failed |= {*BODY_PROBLEMS} if operation.body else set()
    failed |= {400, 409} if operation.writes else set()
    for status in sorted(failed):
        answers[str(status)] = _failed(status)
    return answers


def _done(operation: Operation) -> dict[str, Any]:
    phrase = HTTPStatus(operation.status).phrase
    made = {"description": phrase, "content": _json(operation.answer)}
    if "Paging" in operation.query:
        link = "The page that follows, if there is one (RFC 8288)."
        made["headers"] = {"Link": {"description": link, "schema": {"type": "string"}}}
    return made


def _failed(status: int) -> dict[str, Any]:
    schema = {"$ref": REF.format(model="Problem")}
    phrase = HTTPStatus(status).phrase
    made: dict[str, Any] = {"description": phrase, "content": {KIND: {"schema": schema}}}
    if found := HEADERS.get(status):
        name, description = found
        made["headers"] = {name: {"description": description, "schema": {"type": "string"}}}
    return made


def _json(shape: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": REF.format(model=shape)}}}


@cache
def _schemas() -> dict[str, Any]:
    """The shapes as JSON Schema (2020-12), which OpenAPI 3.1 speaks."""
    named = {one.body for one in OPERATIONS if one.body}
    given = {one.answer for one in OPERATIONS} | {"Problem"}
    wanted = [(getattr(shapes, name), "validation") for name in sorted(named)]
    wanted += [(getattr(shapes, name), "serialization") for name in sorted(given)]
    _refs, found = models_json_schema(wanted, ref_template=REF)  # type: ignore[arg-type]
    schemas: dict[str, Any] = found["$defs"]
    return schemas


def _offer(schema: Any) -> None:
    """Say which topics and cadences there are now."""
    if isinstance(schema, dict):
        if kind := schema.pop("x-one-of", None):
            schema["enum"] = on_offer()[kind]
        for part in schema.values():
            _offer(part)
    elif isinstance(schema, list):
        for part in schema:
            _offer(part)


def _fields(schema: Mapping[str, Any]) -> list[tuple[str, str, bool, str]]:
    """The fields of a body: name, type in words, is it required, and what it is."""
    required = schema.get("required", ())
    return [
        (name, _type(field), name in required, field.get("description", ""))
        for name, field in schema.get("properties", {}).items()
    ]


def _type(field: Mapping[str, Any]) -> str:
    if "$ref" in field:
        return str(field["$ref"]).rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(_type(one) for one in field["anyOf"])
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if "enum" in field:
        return " | ".join(map(str, field["enum"]))
    return str(field.get("format") or field.get("type", "any"))
