"""The SDK's calls that are no GraphQL: features and ontologies below `/api/v1`, and lists of created rows.

Its paths cross annotary's own: a request is the SDK's where its `X-User-Agent` says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from starlette.concurrency import iterate_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from annotary.engine.core import Engine
from annotary.errors import AnnotaryError, Invalid
from annotary.operations import Operation
from annotary.operations.feature_schemas import (
    DeleteFeatureSchema,
    FindFeatureSchemas,
    InsertFeature,
    PutFeatureSchema,
    RenameFeatureSchema,
    RestoreFeature,
    WithdrawFeature,
)
from annotary.operations.ontologies import DeleteOntology, FindUnusedOntologies, GetOntology
from annotary.server.files import PLACE, granted
from annotary.server.labelbox.data_row_imports import created, lines_of
from annotary.server.labelbox.ontologies import feature_of
from annotary.server.labelbox.served import CREATED
from annotary.server.service import Service

ROOT = "/api/v1"
PAGE = 100
NEW = "new_feature_schema_id"
"""What the SDK writes in place of an id that is yet to be given."""
Json = dict[str, Any]
Answer = tuple[int, Any]
_AGENT = b"python-sdk"


class SdkRoute(Route):
    """A route for requests of the SDK; those of others go on to annotary's own."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is for it."""
        if scope["type"] != "http" or not _from_sdk(scope):
            return Match.NONE, {}
        match, child = super().matches(scope)
        # Another method may be another route's, with the same path.
        return (match, child) if match is Match.FULL else (Match.NONE, {})


def _from_sdk(scope: Scope) -> bool:
    return any(
        name == b"x-user-agent" and value.strip().startswith(_AGENT) for name, value in scope["headers"]
    )


def put_feature(engine: Engine, request: Request, body: Json) -> Answer:
    """Give a tool or question another form, or make one."""
    id = request.path_params["id"]
    normalized = body.get("normalized")
    if not isinstance(normalized, str):
        raise Invalid("normalized: give the feature as text of JSON")
    made = engine.call(feature_of(normalized, None if id == NEW else id))
    return 200, {"schemaId": made.id}


def rename_feature(engine: Engine, request: Request, body: Json) -> Answer:
    """Rename a tool or question."""
    title = body.get("title")
    if not isinstance(title, str):
        raise Invalid("title: give the new name as text")
    made = engine.call(RenameFeatureSchema(feature_schema_id=request.path_params["id"], name=title))
    return 200, {"schemaId": made.id}


def delete_feature(engine: Engine, request: Request, body: Json) -> Answer:
    """Remove a tool or question that no ontology has."""
    engine.call(DeleteFeatureSchema(feature_schema_id=request.path_params["id"]))
    return 204, None


def unused_features(engine: Engine, request: Request, body: Json) -> Answer:
    """A page of the tools and questions that no ontology has."""
    found = [one.id for one in engine.call(FindFeatureSchemas(unused=True))]
    return 200, _page(found, body.get("after"))


def unused_ontologies(engine: Engine, request: Request, body: Json) -> Answer:
    """A page of the ontologies that nothing has."""
    return 200, _page([one.id for one in engine.call(FindUnusedOntologies())], body.get("after"))


def _page(ids: list[str], after: Any) -> list[str]:
    return [id for id in sorted(ids) if not isinstance(after, str) or id > after][:PAGE]


def delete_ontology(engine: Engine, request: Request, body: Json) -> Answer:
    """Remove an ontology."""
    engine.call(DeleteOntology(ontology_id=request.path_params["id"]))
    return 204, None


def ontology(engine: Engine, request: Request, body: Json) -> Answer:
    """Which features of an ontology are archived."""
    found = engine.call(GetOntology(ontology_id=request.path_params["id"]))
    tools = found.normalized.tools
    edges = [one for one in tools if one.tool == "edge"]

    def nodes(given: Any) -> list[Json]:
        return [
            {"featureSchemaId": one.feature_schema_id, "archived": one.feature_schema_id in found.archived}
            for one in given
        ]

    return 200, {
        "featureSchemaNodes": {
            "tools": nodes(one for one in tools if one.tool != "edge"),
            "classifications": nodes(found.normalized.classifications),
            "relationships": nodes(edges),
        }
    }


def insert_feature(engine: Engine, request: Request, body: Json) -> Answer:
    """Put a tool or question into an ontology."""
    position = body.get("position", 0)
    if not isinstance(position, int):
        raise Invalid(f"position: {position!r} is not a whole number")
    insert = InsertFeature(
        ontology_id=request.path_params["id"],
        feature_schema_id=request.path_params["feature"],
        position=position,
    )
    return 201, {"id": engine.call(insert).id}


def withdraw_feature(engine: Engine, request: Request, body: Json) -> Answer:
    """Take a tool or question out of an ontology."""
    withdraw = WithdrawFeature(
        ontology_id=request.path_params["id"], feature_schema_id=request.path_params["feature"]
    )
    came = engine.call(withdraw)
    return 200, {"archived": came.archived, "deleted": came.deleted}


def restore_feature(engine: Engine, request: Request, body: Json) -> Answer:
    """Offer an archived tool or question again."""
    restore = RestoreFeature(
        ontology_id=request.path_params["id"], feature_schema_id=request.path_params["feature"]
    )
    engine.call(restore)
    return 200, {"unarchived": True}


Handler = Callable[[Engine, Request, Json], Answer]
TABLE: tuple[tuple[str, str, type[Operation[Any]], Handler], ...] = (
    ("GET", "/feature-schemas/unused", FindFeatureSchemas, unused_features),
    ("PUT", "/feature-schemas/{id}", PutFeatureSchema, put_feature),
    ("PATCH", "/feature-schemas/{id}/definition", RenameFeatureSchema, rename_feature),
    ("DELETE", "/feature-schemas/{id}", DeleteFeatureSchema, delete_feature),
    ("GET", "/ontologies/unused", FindUnusedOntologies, unused_ontologies),
    ("GET", "/ontologies/{id}", GetOntology, ontology),
    ("DELETE", "/ontologies/{id}", DeleteOntology, delete_ontology),
    ("POST", "/ontologies/{id}/feature-schemas/{feature}", InsertFeature, insert_feature),
    ("DELETE", "/ontologies/{id}/feature-schemas/{feature}", WithdrawFeature, withdraw_feature),
    ("PATCH", "/ontologies/{id}/feature-schemas/{feature}/unarchive", RestoreFeature, restore_feature),
)


def routes(service: Service) -> list[BaseRoute]:
    """The SDK's paths."""
    made: list[BaseRoute] = [
        SdkRoute(f"{ROOT}{path}", _endpoint(service, operation, handler), methods=[method], name=name)
        for method, path, operation, handler in TABLE
        for name in [operation.__name__]
    ]

    async def created_rows(request: Request) -> Response:
        id = request.path_params["id"]
        token = request.query_params.get("token", "")
        engine, piece = await service.threaded(granted, service, token, id)
        made = created(lambda: lines_of(engine.store.files.read(piece.file)))
        return StreamingResponse(iterate_in_threadpool(made), media_type="application/json; charset=utf-8")

    async def embeddings(request: Request) -> Response:
        """The organisation's embeddings, of which there are none."""
        await service.threaded(service.engine_of, request)
        return JSONResponse({"results": []})

    return [
        *made,
        Route(f"{PLACE}{CREATED}/{{id}}", created_rows, methods=["GET", "HEAD"]),
        # The doubled beginning is the SDK's own doing.
        Route("/adv/adv/v1/embeddings", embeddings, methods=["GET"]),
    ]


def _endpoint(
    service: Service, operation: type[Operation[Any]], handler: Handler
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        body = await request.body()

        def carried_out() -> Answer:
            engine = service.engine_of(request)
            engine.require(operation.needs, operation.__name__)
            return handler(engine, request, _object(body))

        try:
            status, found = await service.threaded(carried_out)
        except AnnotaryError as error:
            # The SDK shows its users the member `message`, at the top.
            return JSONResponse({"message": str(error), "code": error.code}, error.status)
        return Response(status_code=status) if found is None else JSONResponse(found, status)

    return answer


def _object(text: bytes) -> Json:
    """A body of JSON, which the SDK sends with GET too; raises Invalid."""
    if not text.strip():
        return {}
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(f"the body is not JSON: {error}") from None
    return found if isinstance(found, dict) else {}
