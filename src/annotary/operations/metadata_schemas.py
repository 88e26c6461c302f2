"""Metadata schemas: the kinds of metadata values that an organisation uses."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from annotary.model.project import MetadataKind, MetadataOption, MetadataSchema
from annotary.operations import Operation, delete, get, patch, post


class CreateMetadataSchema(Operation[MetadataSchema]):
    """Make a kind of metadata value; `options` for an enum."""

    route = post("/metadata-schemas")
    needs = "member"
    name: str
    kind: MetadataKind
    options: tuple[str, ...] = ()


class FindMetadataSchemas(Operation[list[MetadataSchema]]):
    """All metadata schemas, the reserved ones first."""

    route = get("/metadata-schemas")


class ChangeMetadataSchema(Operation[MetadataSchema]):
    """Rename a metadata schema or its options, or give it more; what has values of it shows the new names."""

    route = patch("/metadata-schemas/{schema_id}")
    needs = "member"
    schema_id: str
    name: str | UnsetType = UNSET
    options: tuple[MetadataOption, ...] | UnsetType = UNSET


class DeleteMetadataSchema(Operation[None]):
    """Remove a metadata schema with all values of it."""

    route = delete("/metadata-schemas/{schema_id}")
    needs = "admin"
    schema_id: str
