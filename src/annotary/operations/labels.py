"""Labels: saving, removing, judging."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from annotary.model.annotation import Annotations
from annotary.model.base import Value
from annotary.model.row import Label, LabelDetails, Performance, Review
from annotary.operations import Operation, delete, get, post


class SaveLabel(Operation[Label]):
    """Save a labeller's work on a row: a new label, or a new version of the one with `label_id`.

    `submit` moves a row that waits to be labelled, or reworked, on to review.
    """

    route = post("/projects/{project_id}/labels")
    needs = "member"
    project_id: str
    data_row_id: str
    annotations: Annotations
    label_id: str | None = None
    details: LabelDetails | UnsetType = UNSET
    performance: Performance | UnsetType = UNSET
    submit: bool = True


class GetLabel(Operation[Label]):
    """One label of a project, by id, as it is or as it was at a sequence number."""

    route = get("/projects/{project_id}/labels/{label_id}")
    project_id: str
    label_id: str
    as_of: int | None = None


class FindLabels(Operation[list[Label]]):
    """The labels of a data row in a project."""

    route = get("/projects/{project_id}/rows/{data_row_id}/labels")
    project_id: str
    data_row_id: str


class PlacedLabel(Value):
    """A label with where it is."""

    project_id: str
    data_row_id: str
    label: Label


class SearchLabels(Operation[list[PlacedLabel]]):
    """Labels of all projects or of one, in the order of their making: those named, or all that match."""

    route = post("/labels/search")
    project_id: str | None = None
    label_ids: tuple[str, ...] | None = None
    data_row_id: str | None = None
    dataset_ids: tuple[str, ...] | None = None
    created_by: str | None = None
    benchmarks: bool = False
    newest_first: bool = False
    skip: Annotated[int, Meta(ge=0, le=2**53)] = 0
    limit: Annotated[int, Meta(ge=0, le=1000)] = 100


class DeleteLabels(Operation[int]):
    """Remove labels of a project; gives how many. Rows without a label left wait to be labelled again."""

    route = post("/projects/{project_id}/labels/deletions")
    needs = "member"
    project_id: str
    label_ids: tuple[str, ...]


class CreateReview(Operation[Review]):
    """Judge a label: 1 approves, -1 rejects."""

    route = post("/projects/{project_id}/labels/{label_id}/reviews")
    needs = "member"
    project_id: str
    label_id: str
    score: Literal[1, -1]


class SetBenchmark(Operation[None]):
    """Make a label the one that the row's others are measured against."""

    route = post("/projects/{project_id}/labels/{label_id}/benchmark")
    needs = "member"
    project_id: str
    label_id: str


class DropBenchmark(Operation[None]):
    """Let a label be an ordinary one again."""

    route = delete("/projects/{project_id}/labels/{label_id}/benchmark")
    needs = "member"
    project_id: str
    label_id: str
