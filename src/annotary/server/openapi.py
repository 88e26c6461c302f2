"""The description of the REST API, out of the operations: OpenAPI 3.1 by msgspec's JSON schema."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import Any

import msgspec

from annotary.model.base import Value
from annotary.model.corpus import Problem
from annotary.model.program import version
from annotary.model.task import StoredFile
from annotary.operations import Operation
from annotary.operations.exports import StartExport
from annotary.server.masks import MaskArchive
from annotary.server.rest import BODILESS, JSON, ROOT, operations

REF = "#/components/schemas/{name}"
Json = dict[str, Any]
ERRORS = {
    "400": "wrong as it is worded",
    "401": "no API key, or none that is good",
    "403": "the role of the key does not allow it",
    "404": "no such thing in the organisation of the key",
    "409": "it is there already, or has changed meanwhile",
    "413": "larger than a limit allows",
    "422": "what was sent has problems; nothing was stored",
    "501": "an optional package is not installed on the server",
    "503": "the store cannot be used now",
}


class Told(Value):
    """What went wrong: a code for programs, a message for people."""

    code: str
    message: str
    problems: tuple[Problem, ...] = ()


class Failure(Value):
    """The body of every error."""

    error: Told


@cache
def document() -> Json:
    """The whole document."""
    every = operations()
    kinds = [*every, *(one.result_type() for one in every), Failure, StoredFile, MaskArchive]
    schemas, components = msgspec.json.schema_components(kinds, ref_template=REF)
    of_request = dict(zip(every, schemas, strict=False))
    of_result = dict(zip(every, schemas[len(every) :], strict=False))
    paths: Json = {}
    for operation in every:
        own = (
            components.pop(_name(of_request[operation]))
            if operation not in _KEPT
            else _own(operation, components)
        )
        described = _described(operation, own, of_result[operation])
        paths.setdefault(ROOT + operation.route.path, {})[operation.route.method.lower()] = described
    for path, method, described in _further():
        paths.setdefault(path, {})[method] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "annotary",
            "version": version(),
            "description": "Image annotations: kept, and handed out exact, filtered, streamed.",
        },
        "security": [{"key": []}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "responses": {status: _failure(what) for status, what in ERRORS.items()},
            "schemas": components,
        },
    }


_KEPT = (StartExport,)
"""Operations that stand in another route's body too."""


def _own(operation: type[Operation[Any]], components: Json) -> Json:
    found: Json = components[operation.__name__]
    return found


def _name(schema: Json) -> str:
    return str(schema["$ref"]).rpartition("/")[2]


def _described(operation: type[Operation[Any]], schema: Json, result: Json) -> Json:
    fields: Json = schema.get("properties", {})
    required = schema.get("required", [])
    placed = operation.path_fields()
    bodiless = operation.route.method in BODILESS
    parameters = [_parameter(name, fields[name], "path", required=True) for name in placed]
    rest = {name: field for name, field in fields.items() if name not in placed}
    if bodiless:
        parameters += [
            _parameter(name, field, "query", required=name in required) for name, field in rest.items()
        ]
    summary, _, more = (operation.__doc__ or "").strip().partition("\n")
    described: Json = {
        "operationId": operation.__name__,
        "tags": [operation.__module__.rpartition(".")[2].replace("_", " ")],
        "summary": summary.rstrip("."),
        "description": f"{' '.join(more.split())} Needs the role {operation.needs}.".strip(),
        "parameters": parameters,
        "responses": {**_answer(operation, result), **_failures()},
    }
    if not bodiless:
        wanted = [name for name in required if name not in placed]
        body = {"type": "object", "properties": rest, "required": wanted, "additionalProperties": False}
        described["requestBody"] = {"required": bool(wanted), "content": {JSON: {"schema": body}}}
    return described


def _parameter(name: str, schema: Json, place: str, *, required: bool) -> Json:
    if place == "path":
        # An empty part of a path is another path.
        schema = {"minLength": 1, **schema}
    return {"name": name, "in": place, "required": required, "schema": schema}


def _answer(operation: type[Operation[Any]], result: Json) -> Json:
    if operation.result_type() is type(None):
        return {"204": {"description": "done"}}
    content = {JSON: {"schema": result}}
    return {"200": {"description": "done", "content": content}}


def _failures() -> Json:
    return {status: {"$ref": f"#/components/responses/{status}"} for status in ERRORS}


def _failure(what: str) -> Json:
    content = {JSON: {"schema": {"$ref": REF.format(name=Failure.__name__)}}}
    return {"description": what, "content": content}


def _further() -> list[tuple[str, str, Json]]:
    """The routes that carry bytes."""
    text: Json = {"type": "string", "minLength": 1}

    def one(id: str, summary: str, *placed: str, type: str, body: Json | None = None, **query: Json) -> Json:
        parameters = [_parameter(name, text, "path", required=True) for name in placed]
        parameters += [_parameter(name, schema, "query", required=False) for name, schema in query.items()]
        status = "201" if id == "upload" else "200"
        schema: Json = {"$ref": REF.format(name=StoredFile.__name__)} if id == "upload" else {}
        answers: Json = {
            status: {"description": HTTPStatus(int(status)).phrase, "content": {type: {"schema": schema}}}
        }
        made: Json = {
            "operationId": id,
            "tags": ["files"],
            "summary": summary,
            "parameters": parameters,
            "responses": {**answers, **_failures()},
        }
        if body is not None:
            made["requestBody"] = {"required": True, "content": body}
        return made

    lines, png, zipped, any_file = (
        "application/x-ndjson",
        "image/png",
        "application/zip",
        "application/octet-stream",
    )
    how: Json = {"enum": ["png", "composite"]}
    name: Json = {"type": "string", "minLength": 1, "maxLength": 1000}
    sha: Json = {"type": "string", "pattern": "^[0-9a-f]{64}$"}

    def json_body(kind: str) -> Json:
        return {JSON: {"schema": {"$ref": REF.format(name=kind)}}}

    project, model = f"{ROOT}/projects/{{project_id}}", f"{ROOT}/models/{{model_id}}"
    of_project, of_model = ("project_id", "feature_id"), ("model_id", "feature_id")
    mask = "The mask of an object, or its shape filled"
    return [
        (
            f"{ROOT}/files",
            "post",
            one(
                "upload",
                "Send a file, to be imported; the same file is kept once. Needs the role member",
                type=JSON,
                body={any_file: {"schema": {}}},
                name=name,
                sha256=sha,
            ),
        ),
        (
            f"{ROOT}/files/{{file_id}}",
            "get",
            one("file", "A file, or a range of it", "file_id", type=any_file),
        ),
        (
            f"{ROOT}/tasks/{{task_id}}/result",
            "get",
            one("result", "What an export wrote, or a range of it", "task_id", type=any_file),
        ),
        (
            f"{ROOT}/tasks/{{task_id}}/problems",
            "get",
            one("problems", "The problems of a task as lines", "task_id", type=lines),
        ),
        (
            f"{ROOT}/exports/rows",
            "post",
            one(
                "rows", "An export of lines, as it is made", type=lines, body=json_body(StartExport.__name__)
            ),
        ),
        (
            f"{ROOT}/exports/masks",
            "post",
            one("masks", "All masks of an export", type=zipped, body=json_body(MaskArchive.__name__)),
        ),
        (f"{project}/masks.zip", "get", one("projectMasks", "All masks", "project_id", type=zipped, how=how)),
        (
            f"{ROOT}/model-runs/{{run_id}}/masks.zip",
            "get",
            one("runMasks", "All masks", "run_id", type=zipped, how=how),
        ),
        (f"{project}/annotations/{{feature_id}}/mask", "get", one("mask", mask, *of_project, type=png)),
        (
            f"{project}/annotations/{{feature_id}}/index/1/mask",
            "get",
            one("maskAt", mask, *of_project, type=png),
        ),
        (f"{model}/annotations/{{feature_id}}/mask", "get", one("modelMask", mask, *of_model, type=png)),
        (
            f"{model}/annotations/{{feature_id}}/index/1/mask",
            "get",
            one("modelMaskAt", mask, *of_model, type=png),
        ),
    ]
