"""Metadata: the kinds of it, and the values that data rows have."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from msgspec import UNSET

from annotary.errors import AnnotaryError, Invalid
from annotary.model.project import MetadataKind, MetadataOption, MetadataSchema
from annotary.model.row import MetadataField, Row
from annotary.operations.data_rows import DropMetadata, FindDataRows, SetMetadata
from annotary.operations.metadata_schemas import (
    ChangeMetadataSchema,
    CreateMetadataSchema,
    DeleteMetadataSchema,
    FindMetadataSchemas,
)
from annotary.server.labelbox import shapes
from annotary.server.labelbox.context import Context, Json, resolves

PAGE = 1000
_KINDS: dict[str, MetadataKind] = {
    "CustomMetadataString": "string",
    "CustomMetadataNumber": "number",
    "CustomMetadataDateTime": "datetime",
    "CustomMetadataEnum": "enum",
}


@resolves("Query.customMetadataOntology")
def schemas(parent: Any, context: Context) -> list[Json]:
    """All metadata schemas."""
    return [shapes.metadata_schema(one) for one in context.call(FindMetadataSchemas())]


@resolves("Mutation.upsertCustomMetadataSchema")
def upsert_schema(parent: Any, context: Context, data: Json) -> Json:
    """Make a metadata schema, or give one that is there other names and more options."""
    options = data.get("options") or []
    if data.get("id") is None:
        if data["kind"] not in _KINDS:
            raise Invalid(f"metadata schema: unknown kind {data['kind']!r}; known: {', '.join(_KINDS)}")
        names = tuple(one["name"] for one in options)
        new = CreateMetadataSchema(name=data["name"], kind=_KINDS[data["kind"]], options=names)
        return shapes.metadata_schema(context.call(new))
    change = ChangeMetadataSchema(
        schema_id=data["id"],
        name=data["name"],
        options=tuple(MetadataOption(id=one.get("id") or "", name=one["name"]) for one in options)
        if options
        else UNSET,
    )
    return shapes.metadata_schema(context.call(change))


@resolves("Mutation.deleteCustomMetadataSchema")
def delete_schema(parent: Any, context: Context, schema: Json) -> Json:
    """Remove a metadata schema."""
    context.call(DeleteMetadataSchema(schema_id=schema["id"]))
    return {"success": True}


def fields_of(given: Iterable[Json], known: Sequence[MetadataSchema]) -> tuple[MetadataField, ...]:
    """Values as the SDK sends them: an option of an enum is an entry of its own after that of its enum."""
    options = {one.id: schema for schema in known for one in schema.options}
    enums = {one.id for one in known if one.kind == "enum"}
    found = []
    for one in given:
        id, value = one.get("schemaId") or one.get("schema_id"), one.get("value")
        if id in options:
            found.append(MetadataField(schema_id=options[id].id, value=id))
        elif id in enums and value == {}:
            continue
        else:
            name = one.get("name")
            found.append(
                MetadataField(
                    schema_id=UNSET if id is None else id,
                    schema_name=UNSET if name is None or id is not None else name,
                    value=value,
                )
            )
    return tuple(found)


@resolves("Mutation.upsertDataRowCustomMetadata")
def upsert_values(parent: Any, context: Context, data: list[Json] | None = None) -> list[Json]:
    """Set metadata of data rows, each on its own; tells of those that went wrong, and only of those."""
    known = context.call(FindMetadataSchemas())
    failed: list[Json] = []
    for one in data or ():
        id, key = one.get("dataRowId"), one.get("globalKey")
        try:
            row = _row(context, id, key)
            context.call(SetMetadata(data_row_id=row.data_row.id, fields=fields_of(one["fields"], known)))
        except AnnotaryError as error:
            failed.append({"dataRowId": id, "globalKey": key, "error": str(error), "fields": []})
    return failed


def _row(context: Context, id: str | None, global_key: str | None) -> Row:
    if id is not None:
        found = context.call(FindDataRows(ids=(id,)))
    else:
        found = context.call(FindDataRows(global_keys=(str(global_key),)))
    if not found:
        what = id if id is not None else f"with global key {global_key}"
        raise Invalid(f"no data row {what}")
    return found[0]


def _values(row: Row) -> Json:
    shown = shapes.data_row(row)
    return {"dataRowId": shown["id"], "globalKey": shown["globalKey"], "fields": shown["customMetadata"]}


@resolves("Mutation.deleteDataRowCustomMetadata")
def delete_values(
    parent: Any,
    context: Context,
    data: list[Json] | None = None,
    dataRowIdentifiers: list[Json] | None = None,
) -> list[Json]:
    """Remove metadata of data rows, each on its own; tells of those that went wrong, and only of those."""
    failed: list[Json] = []
    named = [(one["dataRowId"], None, one["schemaIds"]) for one in data or ()]
    for one in dataRowIdentifiers or ():
        by = one["dataRowIdentifier"]
        id, key = (by["id"], None) if by["idType"] == "ID" else (None, by["id"])
        named.append((id, key, one["schemaIds"]))
    for id, key, schema_ids in named:
        try:
            row = _row(context, id, key)
            context.call(DropMetadata(data_row_id=row.data_row.id, schema_ids=tuple(schema_ids)))
        except AnnotaryError as error:
            failed.append({"dataRowId": id, "globalKey": key, "error": str(error), "fields": []})
    return failed


@resolves("Query.dataRowCustomMetadata")
def values(parent: Any, context: Context, where: Json) -> list[Json]:
    """The metadata of data rows."""
    by = where.get("dataRowIdentifiers") or {"ids": where.get("dataRowIds") or [], "idType": "ID"}
    found = []
    for start in range(0, len(by["ids"]), PAGE):
        some = tuple(by["ids"][start : start + PAGE])
        named = FindDataRows(limit=PAGE, ids=some) if by["idType"] == "ID" else None
        asked = named or FindDataRows(limit=PAGE, global_keys=some)
        found += [_values(row) for row in context.call(asked)]
    return found
