"""Data rows: looking up, metadata, attachments, removal; issues."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from annotary.model.project import Issue
from annotary.model.row import Attachment, DataRow, MetadataField, Row
from annotary.operations import Operation, delete, get, patch, post


class GetDataRow(Operation[DataRow]):
    """One data row by id, or by global key."""

    route = get("/data-rows")
    data_row_id: str | None = None
    global_key: str | None = None


class FindDataRows(Operation[list[Row]]):
    """Data rows with media, attachments and metadata, newest first: those named, or a dataset's, or all.

    The next page begins after the data row `before`. What is named and not there is left out.
    """

    route = post("/data-rows/search")
    ids: tuple[str, ...] | None = None
    global_keys: tuple[str, ...] | None = None
    external_ids: tuple[str, ...] | None = None
    dataset_id: str | None = None
    before: str | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 100


class ChangeDataRow(Operation[Row]):
    """Give a data row another external id, global key or address; every project and run sees that."""

    route = patch("/data-rows/{data_row_id}")
    needs = "member"
    data_row_id: str
    external_id: str | None | UnsetType = UNSET
    global_key: str | None | UnsetType = UNSET
    row_data: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET


class SetMetadata(Operation[None]):
    """Set metadata fields of a data row by name or schema id; fields not named stay."""

    route = post("/data-rows/{data_row_id}/metadata")
    needs = "member"
    data_row_id: str
    fields: tuple[MetadataField, ...]


class DropMetadata(Operation[None]):
    """Remove metadata fields of a data row by schema id; those that are not there are passed over."""

    route = post("/data-rows/{data_row_id}/metadata-deletions")
    needs = "member"
    data_row_id: str
    schema_ids: tuple[str, ...]


class AddAttachments(Operation[None]):
    """Add attachments to a data row."""

    route = post("/data-rows/{data_row_id}/attachments")
    needs = "member"
    data_row_id: str
    attachments: tuple[Attachment, ...]


class ChangeAttachment(Operation[Attachment]):
    """Change an attachment of a data row."""

    route = patch("/data-rows/{data_row_id}/attachments/{attachment_id}")
    needs = "member"
    data_row_id: str
    attachment_id: str
    type: str | UnsetType = UNSET
    value: Annotated[str, Meta(min_length=1)] | UnsetType = UNSET
    name: str | None | UnsetType = UNSET


class DeleteAttachment(Operation[None]):
    """Remove an attachment of a data row."""

    route = delete("/data-rows/{data_row_id}/attachments/{attachment_id}")
    needs = "member"
    data_row_id: str
    attachment_id: str


class DeleteDataRows(Operation[int]):
    """Remove data rows from their dataset, every project and every run; gives how many."""

    route = post("/data-rows/deletions")
    needs = "admin"
    data_row_ids: tuple[str, ...]


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
    """The issues of a project: all, or the open or the resolved ones."""

    route = get("/projects/{project_id}/issues")
    project_id: str
    status: Literal["Open", "Resolved"] | None = None
