"""Ontologies and features in the words of the schema, with exactly the keys that the SDK reads and writes."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from annotary.model.base import derived_id
from annotary.model.ontology import FeatureSchema, Normalized, Ontology, Option, Question, Tool
from annotary.server.labelbox.shapes import given

Json = dict[str, Any]


def ontology(value: Ontology, sdk: int) -> Json:
    """An ontology, in the form that is offered to labellers and that a major release of the SDK knows."""
    offered = Normalized(
        tools=tuple(one for one in value.normalized.tools if one.feature_schema_id not in value.archived),
        classifications=tuple(
            one for one in value.normalized.classifications if one.feature_schema_id not in value.archived
        ),
    )
    normalized = {
        "tools": [tool(one, sdk) for one in offered.tools],
        "classifications": [question(one, sdk, top=True) for one in offered.classifications],
    }
    return {
        "id": value.id,
        "name": value.name,
        "description": value.description,
        "createdAt": value.created_at,
        "updatedAt": value.updated_at,
        "normalized": normalized,
        "options": normalized,
        "mediaType": value.media_type,
        "objectSchemaCount": len(offered.tools),
        "classificationSchemaCount": len(offered.classifications),
        "_created_by": value.created_by,
    }


def _node(value: Tool | Question | Option) -> Json:
    """The two ids that every feature has; the vendor's node id follows from the schema id here."""
    id = value.feature_schema_id
    return {"schemaNodeId": value.schema_node_id or derived_id("node", str(id)), "featureSchemaId": id}


ATTRIBUTES = 6
"""Since this release the SDK writes `attributes`, which images have no use for, and expects to read them."""


def tool(value: Tool, sdk: int) -> Json:
    """A tool with exactly the keys of a normalized ontology."""
    more = {name: one for name in ("definition", "attributes") if (one := getattr(value, name)) is not UNSET}
    if sdk >= ATTRIBUTES:
        more.setdefault("attributes", None)
    return {
        "tool": value.tool,
        "name": value.name,
        "required": value.required,
        "color": value.color,
        "classifications": [question(one, sdk) for one in value.classifications],
        **_node(value),
        **more,
    }


def question(value: Question, sdk: int, *, top: bool = False) -> Json:
    """A question with exactly the keys of a normalized ontology; only those at the top have a scope."""
    found: Json = {
        "type": value.type,
        "name": value.name,
        "instructions": given(value.instructions) or value.name,
        "required": value.required,
        "options": [option(one, sdk) for one in value.options],
        **_node(value),
    }
    if value.ui_mode is not UNSET:
        found["uiMode"] = value.ui_mode
    if sdk >= ATTRIBUTES:
        found["attributes"] = None
    if top:
        found["scope"] = given(value.scope) or "global"
    return found


def option(value: Option, sdk: int) -> Json:
    """An option with exactly the keys of a normalized ontology."""
    more = {} if value.position is UNSET else {"position": value.position}
    return {
        "label": value.title(),
        "value": value.value,
        "options": [question(one, sdk) for one in value.options],
        **_node(value),
        **more,
    }


def feature_schema(value: FeatureSchema, sdk: int) -> Json:
    """A tool or question by itself."""
    if value.tool is not None:
        normalized = tool(value.tool, sdk)
    else:
        assert value.question is not None
        normalized = question(value.question, sdk, top=True)
    return {"id": value.id, "name": value.name, "normalized": normalized}
