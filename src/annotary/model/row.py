"""A data row and all that hangs on it, in the JSON of a Labelbox v2 export: one line of such a file.

`UNSET` means "not asked for" or "the file does not say".
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from annotary.model.annotation import Annotations
from annotary.model.base import Value

Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]
WorkflowStatus = Literal["TO_LABEL", "IN_REVIEW", "IN_REWORK", "DONE"]
Split = Literal["TRAINING", "VALIDATION", "TEST", "UNASSIGNED"]
ReviewScore = Literal[1, -1, 0]


class DataRowDetails(Value):
    """Where a data row comes from and when it changed."""

    dataset_id: str | UnsetType = UNSET
    dataset_name: str | UnsetType = UNSET
    created_at: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET
    last_activity_at: str | UnsetType = UNSET
    created_by: str | None | UnsetType = UNSET


class DataRow(Value, kw_only=True):
    """One image to be labelled."""

    id: str = ""
    global_key: str | None | UnsetType = UNSET
    external_id: str | None | UnsetType = UNSET
    row_data: str
    details: DataRowDetails | UnsetType = UNSET


class MediaAttributes(Value):
    """What is known of the image: upright size in pixels, type, and the EXIF orientation as stored."""

    height: Count | UnsetType = UNSET
    width: Count | UnsetType = UNSET
    mime_type: str | UnsetType = UNSET
    asset_type: str | UnsetType = UNSET
    exif_rotation: str | int | UnsetType = UNSET


class Attachment(Value, kw_only=True):
    """Something shown beside the image: a URL, or text for RAW_TEXT."""

    id: str | UnsetType = UNSET
    type: str
    value: Annotated[str, Meta(min_length=1)]
    name: str | None | UnsetType = UNSET


class MetadataField(Value, kw_only=True):
    """One metadata value; enums hold an option, or a list of options."""

    schema_id: str | UnsetType = UNSET
    schema_name: str | UnsetType = UNSET
    schema_kind: str | UnsetType = UNSET
    value: Any


class Review(Value):
    """A verdict on a label: 1 approved, -1 rejected."""

    id: str
    score: ReviewScore
    created_at: str
    created_by: str


class LabelDetails(Value):
    """When a label was made and changed, by whom, and how it was judged."""

    created_at: str | UnsetType = UNSET
    updated_at: str | UnsetType = UNSET
    created_by: str | None | UnsetType = UNSET
    content_last_updated_at: str | UnsetType = UNSET
    reviews: tuple[Review, ...] = ()


class Performance(Value):
    """Seconds of work on a label, whether it was skipped, and its scores from 0 to 1."""

    seconds_to_create: Seconds | int = 0
    seconds_to_review: Seconds | int = 0
    skipped: bool = False
    benchmark_score: float | UnsetType = UNSET
    consensus_score: float | UnsetType = UNSET


class Label(Value):
    """One person's (or model's) annotations of one data row.

    `v1` carries what only a v1 export says of the label: it comes out in v1 exports again.
    """

    label_kind: str = "Default"
    version: str = "1.0.0"
    id: str = ""
    is_benchmark_reference: bool | UnsetType = UNSET
    label_details: LabelDetails | UnsetType = UNSET
    performance_details: Performance | UnsetType = UNSET
    annotations: Annotations = Annotations()
    v1: dict[str, Any] | UnsetType = UNSET


class WorkflowEvent(Value):
    """A move of a row between workflow tasks."""

    action: str
    created_at: str
    created_by: str | None = None
    previous_task_name: str | UnsetType = UNSET
    previous_task_id: str | UnsetType = UNSET
    next_task_name: str | UnsetType = UNSET
    next_task_id: str | UnsetType = UNSET


class ProjectDetails(Value):
    """What a project knows of a row: batch, workflow, priority."""

    ontology_id: str | UnsetType = UNSET
    task_name: str | None | UnsetType = UNSET
    task_id: str | None | UnsetType = UNSET
    batch_id: str | None | UnsetType = UNSET
    batch_name: str | None | UnsetType = UNSET
    workflow_status: WorkflowStatus | None | UnsetType = UNSET
    priority: int | UnsetType = UNSET
    consensus_expected_label_count: Count | UnsetType = UNSET
    workflow_history: tuple[WorkflowEvent, ...] = ()


class ProjectPart(Value):
    """One project's share of a row."""

    name: str | UnsetType = UNSET
    project_name: str | UnsetType = UNSET
    labels: tuple[Label, ...] = ()
    project_tags: tuple[Any, ...] | UnsetType = UNSET
    project_details: ProjectDetails | UnsetType = UNSET


class RunPart(Value):
    """One model run's share of a row."""

    name: str | UnsetType = UNSET
    run_data_row_id: str | UnsetType = UNSET
    data_split: str | None | UnsetType = UNSET
    labels: tuple[Label, ...] = ()
    predictions: tuple[Label, ...] | UnsetType = UNSET


class ExperimentPart(Value):
    """One model's share of a row, by run."""

    name: str | UnsetType = UNSET
    runs: dict[str, RunPart] = {}


class Row(Value):
    """A data row with everything on it."""

    data_row: DataRow
    media_attributes: MediaAttributes = MediaAttributes()
    attachments: tuple[Attachment, ...] | UnsetType = UNSET
    metadata_fields: tuple[MetadataField, ...] | UnsetType = UNSET
    projects: dict[str, ProjectPart] = {}
    experiments: dict[str, ExperimentPart] = {}
