"""Data rows: looking up, metadata, attachments, removal; metadata schemas; issues."""

from __future__ import annotations

from annotary.model.project import Issue, MetadataKind, MetadataSchema
from annotary.model.row import Attachment, DataRow, MetadataField
from annotary.operations import Operation, delete, get, post


class GetDataRow(Operation[DataRow]):
    """One data row by id, or by global key."""

    route = get("/data-rows")
    data_row_id: str | None = None
    global_key: str | None = None


class SetMetadata(Operation[None]):
    """Set metadata fields of a data row by name or schema id; fields not named stay."""

    route = post("/data-rows/{data_row_id}/metadata")
    needs = "member"
    data_row_id: str
    fields: tuple[MetadataField, ...]


class AddAttachments(Operation[None]):
    """Add attachments to a data row."""

    route = post("/data-rows/{data_row_id}/attachments")
    needs = "member"
    data_row_id: str
    attachments: tuple[Attachment, ...]


class DeleteDataRows(Operation[int]):
    """Remove data rows from their dataset, every project and every run; gives how many."""

    route = post("/data-rows/deletions")
    needs = "admin"
    data_row_ids: tuple[str, ...]


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


class CreateIssue(Operation[Issue]):
    """Open an issue (a comment) on a row of a project."""

    route = post("/projects/{project_id}/issues")
    needs = "member"
    project_id: str
    data_row_id: str
    text: str


class ResolveIssue(Operation[Issue]):
    """Close an issue."""

    route = delete("/projects/{project_id}/issues/{issue_id}")
    needs = "member"
    project_id: str
    issue_id: str


class FindIssues(Operation[list[Issue]]):
    """The issues of a project."""

    route = get("/projects/{project_id}/issues")
    project_id: str
