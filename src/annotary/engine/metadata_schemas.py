"""Metadata schemas: making, changing, removing them, and what data rows have of them."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import UnsetType

from annotary.engine import data_rows, metadata
from annotary.engine.core import Engine, handles
from annotary.engine.versions import open_data_row
from annotary.errors import Conflict, Denied, Invalid
from annotary.model.base import new_id
from annotary.model.project import MetadataOption, MetadataSchema
from annotary.operations.metadata_schemas import (
    ChangeMetadataSchema,
    CreateMetadataSchema,
    DeleteMetadataSchema,
    FindMetadataSchemas,
)
from annotary.store import lookup

ROWS = 200
"""So many data rows are written anew between two looks for more."""


@handles(CreateMetadataSchema)
def create_metadata_schema(engine: Engine, request: CreateMetadataSchema) -> MetadataSchema:
    """Make a kind of metadata value."""
    store, name = engine.store, request.name.strip()
    metadata.check_name(name)
    options = [one.strip() for one in request.options]
    if (request.kind == "enum") != bool(options):
        raise Invalid(f"metadata schema {name!r}: an enum has options, no other kind has any")
    if len(set(options)) < len(options) or not all(options) or len(options) > metadata.OPTION_LIMIT:
        most = metadata.OPTION_LIMIT
        raise Invalid(f"metadata schema {name!r}: give up to {most} options, each with a name of its own")
    with store.transaction():
        store.alone("MetadataSchema", name)
        if any(schema.name == name for schema in metadata.schemas(store)):
            raise Conflict(f"there is a metadata schema {name!r} already; give another name")
        schema = MetadataSchema(
            id=new_id(),
            name=name,
            kind=request.kind,
            options=tuple(MetadataOption(id=new_id(), name=one) for one in options),
        )
        store.add(schema)
        return schema


@handles(FindMetadataSchemas)
def find_metadata_schemas(engine: Engine, request: FindMetadataSchemas) -> list[MetadataSchema]:
    """All metadata schemas."""
    return metadata.schemas(engine.store)


@handles(ChangeMetadataSchema)
def change_metadata_schema(engine: Engine, request: ChangeMetadataSchema) -> MetadataSchema:
    """Rename a schema and its options, give it more; stored values are written anew with the new names."""
    store = engine.store
    with store.transaction():
        before = _own_schema(engine, request.schema_id)
        name = before.name if isinstance(request.name, UnsetType) else request.name.strip()
        options = before.options if isinstance(request.options, UnsetType) else request.options
        if any(one.name == name and one.id != before.id for one in metadata.schemas(store)):
            raise Conflict(f"there is a metadata schema {name!r} already; give another name")
        changed = metadata.changed(before, name, options)
        store.put(changed)
        _rewrite(engine, before, lambda text: metadata.renamed(text, changed))
        return changed


@handles(DeleteMetadataSchema)
def delete_metadata_schema(engine: Engine, request: DeleteMetadataSchema) -> None:
    """Remove a schema with its values."""
    with engine.store.transaction():
        schema = _own_schema(engine, request.schema_id)
        engine.store.delete(MetadataSchema, schema.id)
        _rewrite(engine, schema, lambda text: metadata.without(text, [schema]))


def _own_schema(engine: Engine, id: str) -> MetadataSchema:
    if any(one.id == id for one in metadata.reserved()):
        raise Denied(f"metadata schema {id!r} is reserved; every organisation has it as it is")
    return engine.store.get(MetadataSchema, id)


def _rewrite(engine: Engine, schema: MetadataSchema, change: Callable[[str], str]) -> None:
    """Write the metadata of all data rows that have a value of a schema anew."""
    store = engine.store
    last = 0
    while True:
        with store.reading() as connection:
            found = lookup.rows_with_metadata(connection, store.org, schema.id, last, ROWS)
        for number, id in found:
            row = open_data_row(engine, id)
            data_rows.put(engine, row, metadata=change(row.sections.metadata))
            last = number
        if not found:
            return
