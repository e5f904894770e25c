"""The OpenAPI 3.1 document, generated from the routes and their types."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter

from agent.api.access import Access
from agent.api.authentication import CLIENT
from agent.api.problems import MEDIA_TYPE
from agent.api.request import JSON, ApiRequest, ApiResponse
from agent.api.route import Input, Route
from agent.system.release import version

REFERENCE = "#/components/schemas/{model}"
FORM = "multipart/form-data"
PROBLEM = "ProblemDetails"
MARKS = re.compile(r"\{(\w+)\}")
DESCRIPTION = (
    "The local API of the certificate agent, on its UNIX socket. Processes of root, of the agent's own user and of the web "
    "interface's may connect. Root needs no session; everybody else logs in, or shows a token. "
    "Where x-proof is person, a token is refused; where it is password, too, and a person must have given the password within "
    "the last five minutes: by logging in, or with POST /v1/session/password."
)

Schema = dict[str, Any]


def document(routes: Iterable[Route]) -> Schema:
    """Return the document."""
    table = list(routes)
    schemas, definitions = _schemas(table)
    paths: dict[str, Schema] = {}
    for route in table:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Chainwright", "version": version(), "description": DESCRIPTION},
        "paths": paths,
        "components": {
            "schemas": {**definitions, PROBLEM: _problem_schema()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "description": "A session or a token"}},
        },
    }


def document_route(others: Iterable[Route]) -> Route:
    """Return the route that answers with the document of all `others` and of itself."""

    @cache
    def whole() -> Schema:
        return document([*others, own])

    def show(_request: ApiRequest) -> ApiResponse:
        return ApiResponse(whole())

    own = Route("GET", "/v1/openapi.json", Access.PUBLIC, show, "Return this document", dict[str, Any])
    return own


def _schemas(table: list[Route]) -> tuple[Mapping[Any, Schema], Schema]:
    """Return a schema for each type of the table, and what they refer to."""
    given = {model for route in table for model in (route.query, route.body, route.form) if model is not None}
    made = {route.returns for route in table if route.returns is not None}
    inputs = [(each, "validation", TypeAdapter(each)) for each in sorted(given, key=_name)]
    outputs = [(each, "serialization", TypeAdapter(each)) for each in sorted(made, key=_name)]
    found, rest = TypeAdapter.json_schemas([*inputs, *outputs], ref_template=REFERENCE)  # type: ignore[list-item]
    return {key: schema for (key, _mode), schema in found.items()}, rest.get("$defs", {})


def _name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))


def _operation(route: Route, schemas: Mapping[Any, Schema]) -> Schema:
    operation: Schema = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.path.split("/")[2].partition(".")[0]],
        "security": [] if route.access is Access.PUBLIC else [{"bearer": []}, {}],  # root needs none
        "x-access": str(route.access),
        "x-proof": str(route.proof),
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": {str(route.status): _success(route, schemas), **_failures(route)},
    }
    content = route.form or route.body
    if content is not None:
        media_type = FORM if route.form else JSON
        operation["requestBody"] = {"required": True, "content": {media_type: {"schema": schemas[content]}}}
    return operation


def _operation_id(route: Route) -> str:
    words = re.findall(r"[a-z]+", route.path.removeprefix("/v1/").removesuffix(".json"))
    return "_".join((route.method.lower(), *words))


def _path_parameters(route: Route) -> list[Schema]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in MARKS.findall(route.path)
    ]


def _query_parameters(route: Route) -> list[Schema]:
    model: type[BaseModel] = route.query or Input
    schema = TypeAdapter(model).json_schema()
    definitions = schema.get("$defs", {})
    return [
        {
            "name": name,
            "in": "query",
            "required": name in schema.get("required", ()),
            "schema": _resolved(each, definitions),
        }
        for name, each in schema.get("properties", {}).items()
    ]


def _resolved(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Return a parameter's schema with what it refers to in its place."""
    reference = schema.get("$ref")
    if reference is None:
        return schema
    found = {**definitions[reference.rpartition("/")[2]], **schema}
    del found["$ref"]
    return found


def _header_parameters(route: Route) -> list[Schema]:
    client = {
        "name": CLIENT.title(),
        "in": "header",
        "description": "Address of the browser, from the web interface only; a request with it needs a session.",
        "schema": {"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]},
    }
    last = {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "Id of the last step that was seen: the stream begins after it.",
        "schema": {"type": "string"},
    }
    return [client, last] if route.follow else [client]


def _success(route: Route, schemas: Mapping[Any, Schema]) -> Schema:
    found: Schema = {"description": HTTPStatus(route.status).phrase}
    if route.returns is not None:
        found["content"] = {JSON: {"schema": schemas[route.returns]}}
    elif route.media_types:
        found["content"] = {each: {"schema": {"type": "string"}} for each in route.media_types}
    return found


def _failures(route: Route) -> dict[str, Schema]:
    content = {MEDIA_TYPE: {"schema": {"$ref": REFERENCE.format(model=PROBLEM)}}}
    return {str(each): {"description": HTTPStatus(each).phrase, "content": content} for each in _statuses(route)}


def _statuses(route: Route) -> list[int]:
    """Return with which problems a route may answer."""
    found = {400, 403, 500, 503, *route.problems}
    if route.access is not Access.PUBLIC:
        found.add(401)
    if route.has_content:
        found |= {408, 413}
    return sorted(found)


def _problem_schema() -> Schema:
    text: Schema = {"type": "string"}
    texts: Schema = {"type": "array", "items": text}
    return {
        "type": "object",
        "description": "RFC 9457. The same sentences as in the command line, the page and the events.",
        "properties": {
            "type": {**text, "format": "uri"},
            "title": {**text, "description": "What went wrong, one sentence"},
            "status": {"type": "integer"},
            "code": {**text, "description": "Stable, dotted"},
            "where": text,
            "fix": {**text, "description": "The next step: a command or a setting"},
            "effect": {**text, "description": "What is served meanwhile"},
            "retry_at": {"type": ["string", "null"], "format": "date-time"},
            "detail": {**text, "description": "Raw output of a service or a library"},
            "users": {**texts, "description": "Of a chain in use: module/slot"},
            "successors": {**texts, "description": "Of a chain in use: what takes over"},
            "effects": {**texts, "description": "Consequences, if it were confirmed"},
        },
        "required": ["type", "title", "status", "code", "where", "fix", "effect", "retry_at", "detail"],
        "additionalProperties": False,
    }
