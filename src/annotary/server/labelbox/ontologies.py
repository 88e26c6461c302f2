"""Ontologies, and the tools and questions they are built of."""

from __future__ import annotations

from typing import Any

import msgspec

from annotary.errors import Invalid, NotFound
from annotary.model.ontology import Normalized, Option, Question, Tool
from annotary.operations.feature_schemas import FindFeatureSchemas, GetFeatureSchema, PutFeatureSchema
from annotary.operations.ontologies import CreateOntology, FindOntologies, FindUnusedOntologies, GetOntology
from annotary.operations.projects import FindProjects
from annotary.server.labelbox import normalized, shapes
from annotary.server.labelbox.context import Context, Json, resolves
from annotary.server.labelbox.filters import listed


@resolves("Query.ontology")
def ontology(parent: Any, context: Context, where: Json) -> Json:
    """One ontology."""
    return normalized.ontology(context.once(GetOntology(ontology_id=where["id"])), context.sdk)


@resolves("Project.ontology")
def of_project(parent: Json, context: Context) -> Json | None:
    """The ontology of a project."""
    id = parent["_project"].ontology_id
    return None if id is None else normalized.ontology(context.once(GetOntology(ontology_id=id)), context.sdk)


@resolves("Ontology.projects")
def projects(parent: Json, context: Context, orderBy: str | None = None, **asked: Any) -> Any:
    """The projects that have an ontology."""
    found = (one for one in context.once(FindProjects(limit=100_000)) if one.ontology_id == parent["id"])
    return listed(map(shapes.project, found), order=orderBy, **asked)


@resolves("Query.ontologies")
def ontologies(
    parent: Any,
    context: Context,
    where: Json | None = None,
    after: str | None = None,
    first: int | None = None,
) -> Json:
    """A page of the ontologies whose name has a text in it."""
    status = ((where or {}).get("filter") or {}).get("status")
    unused = (
        {one.id for one in context.call(FindUnusedOntologies())} if status in ("USED", "UNUSED") else set()
    )
    found = [
        one
        for one in context.call(FindOntologies())
        if status in (None, "ALL") or (one.id in unused) == (status == "UNUSED")
    ]
    return _page([normalized.ontology(one, context.sdk) for one in found], where, after, first)


def _page(found: list[Json], where: Json | None, after: str | None, first: int | None) -> Json:
    search = ((where or {}).get("search") or "").casefold()
    left = [one for one in found if search in one["name"].casefold() and (after is None or one["id"] > after)]
    size = max(1, min(first or 100, 1000))
    nodes = left[:size]
    return {"nodes": nodes, "nextCursor": nodes[-1]["id"] if len(left) > size else None}


@resolves("Mutation.upsertOntology")
def upsert_ontology(parent: Any, context: Context, data: Json) -> Json:
    """Make an ontology; features that are there already are named by their ids."""
    given = normalized_of(data["normalized"])
    new = CreateOntology(name=data["name"], normalized=given, media_type=data.get("mediaType"))
    return normalized.ontology(context.call(new), context.sdk)


def normalized_of(text: str) -> Normalized:
    """A normalized ontology from its JSON; raises Invalid."""
    found: Normalized = _converted(_parsed(text), Normalized)
    return found


def _parsed(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise Invalid(f"normalized: not JSON: {error}") from None


def _converted(given: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(_known(given, kind), kind)
    except msgspec.ValidationError as error:
        raise Invalid(f"normalized: {error}") from None


_BELOW: dict[Any, dict[str, Any]] = {
    Normalized: {"tools": Tool, "classifications": Question},
    Tool: {"classifications": Question},
    Question: {"options": Option},
    Option: {"options": Question},
}


def _known(given: Any, kind: Any) -> Any:
    """An ontology or feature without the keys that annotary has no use for, such as those of chats."""
    if not isinstance(given, dict):
        return given
    below = _BELOW[kind]
    names = {field.encode_name for field in msgspec.structs.fields(kind)}
    return {
        key: [_known(one, below[key]) for one in value] if key in below and isinstance(value, list) else value
        for key, value in given.items()
        if key in names
    }


@resolves("Mutation.upsertRootSchemaNode")
def upsert_feature_schema(parent: Any, context: Context, data: Json) -> Json:
    """Make a tool or a question by itself."""
    return normalized.feature_schema(context.call(feature_of(data["normalized"])), context.sdk)


def feature_of(text: str, id: str | None = None) -> PutFeatureSchema:
    """A tool or question from its JSON; a tool says which with `tool`, a question with `type`."""
    given = _parsed(text)
    if isinstance(given, dict) and "tool" in given:
        return PutFeatureSchema(tool=_converted(given, Tool), id=id)
    return PutFeatureSchema(question=_converted(given, Question), id=id)


@resolves("Query.rootSchemaNode")
def feature_schema(parent: Any, context: Context, where: Json) -> Json:
    """One tool or question."""
    id = where["featureSchemaId"]
    if not id:
        raise NotFound("name the feature schema")
    return normalized.feature_schema(context.call(GetFeatureSchema(feature_schema_id=id)), context.sdk)


@resolves("Query.rootSchemaNodes")
def feature_schemas(
    parent: Any,
    context: Context,
    where: Json | None = None,
    after: str | None = None,
    first: int | None = None,
) -> Json:
    """A page of the tools and questions whose name has a text in it."""
    unused = ((where or {}).get("filter") or {}).get("status") == "UNUSED"
    found = context.call(FindFeatureSchemas(unused=unused))
    return _page([normalized.feature_schema(one, context.sdk) for one in found], where, after, first)
