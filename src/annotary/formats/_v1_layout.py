"""The layout of a v1 export as types: one `Document` is one label."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType, field

from annotary.model.base import Value
from annotary.model.geometry import Box, Cuboid, Point

Scalar = str | bool | int | float | None
Seconds = Annotated[float, Meta(ge=0)]


class Answer(Value, rename="camel"):
    """A chosen option."""

    feature_id: str | None = None
    schema_id: str | None = None
    title: str | None = None
    value: Scalar = None


class Question(Value, rename="camel"):
    """An answered question; `answer` holds text, an option, or options (the old dropdown)."""

    feature_id: str | None = None
    schema_id: str | None = None
    title: str | None = None
    value: Scalar = None
    scope: str | None = None
    answer: str | Answer | tuple[Answer, ...] | None | UnsetType = UNSET
    answers: tuple[Answer, ...] | Answer | None | UnsetType = UNSET


Questions = tuple[Question | tuple[Question, ...], ...] | None
"""Questions, some of them perhaps in a list within the list."""


class Object(Value, rename="camel"):
    """Something drawn; its kind is that of its geometry, and a mask where it has none.

    `type` and `geometry` stand on tiled imagery; the last four only on what is no image.
    """

    feature_id: str | None = None
    schema_id: str | None = None
    title: str | None = None
    value: Scalar = None
    color: str | None = None
    instance_uri: str | None = field(name="instanceURI", default=None)
    line: tuple[Point, ...] | None = None
    point: Point | None = None
    polygon: tuple[Point, ...] | None = None
    bbox: Box | None = None
    cuboid: Cuboid | None = None
    type: Any = None
    geometry: Any = None
    classifications: Questions = ()
    data: Any = None
    format: Any = None
    page: Any = None
    unit: Any = None


class Ends(Value):
    """What a relationship joins."""

    source: str
    target: str


class Relationship(Value, rename="camel", kw_only=True):
    """A relationship between two objects of the label."""

    feature_id: str | None = None
    schema_id: str | None = None
    title: str | None = None
    value: Scalar = None
    data: Ends
    relationship_type: Literal["unidirectional", "bidirectional"] = "unidirectional"


class Labelled(Value):
    """The object under `Label`."""

    objects: tuple[Object, ...] | None = ()
    classifications: Questions = ()
    relationships: tuple[Relationship, ...] | None = ()


class Review(Value, rename="camel"):
    """A verdict on the label."""

    id: str
    score: Literal[1, -1, 0]
    created_at: str
    created_by: str


class Event(Value, rename="camel", kw_only=True):
    """A move of the data row between workflow tasks."""

    actor_id: str | None = None
    action: str
    created_at: str
    previous_task_id: str | None = None
    previous_task_name: str | None = None
    next_task_id: str | None = None
    next_task_name: str | None = None


class Workflow(Value):
    """Where the data row is in the workflow, and how it came there, newest first."""

    task: str | None = field(name="taskName", default=None)
    history: tuple[Event, ...] | None = field(name="Workflow History", default=())


class Media(Value, rename="camel"):
    """What is known of the image."""

    height: Annotated[int, Meta(ge=0)] | None = None
    width: Annotated[int, Meta(ge=0)] | None = None
    mime_type: str | None = None
    asset_type: str | None = None
    exif_rotation: str | int | None = None


class Metadata(Value, rename="camel", kw_only=True):
    """One metadata value."""

    schema_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    kind: str | UnsetType = UNSET
    value: Any


class Document(Value):
    """One label with its data row."""

    id: str | None = field(name="ID", default=None)
    data_row_id: str | None = field(name="DataRow ID", default=None)
    row_data: str | None = field(name="Labeled Data", default=None)
    label: Labelled | tuple[Any, ...] | str | bool | None = field(name="Label", default=None)
    created_by: str | None = field(name="Created By", default=None)
    project_name: str | None = field(name="Project Name", default=None)
    created_at: str | None = field(name="Created At", default=None)
    updated_at: str | None = field(name="Updated At", default=None)
    seconds: Seconds | int | None = field(name="Seconds to Label", default=None)
    seconds_to_create: Seconds | int | None = field(name="Seconds to Create", default=None)
    seconds_to_review: Seconds | int | None = field(name="Seconds to Review", default=None)
    external_id: str | None = field(name="External ID", default=None)
    global_key: str | None = field(name="Global Key", default=None)
    agreement: float | None = field(name="Agreement", default=None)
    benchmark_agreement: float | None = field(name="Benchmark Agreement", default=None)
    benchmark_id: Any = field(name="Benchmark ID", default=None)
    is_benchmark: bool | int | float | None = field(name="Is Benchmark", default=None)
    dataset_name: str | None = field(name="Dataset Name", default=None)
    reviews: tuple[Review, ...] | None = field(name="Reviews", default=None)
    view_label: str | None = field(name="View Label", default=None)
    has_open_issues: Any = field(name="Has Open Issues", default=None)
    skipped: bool | None = field(name="Skipped", default=None)
    workflow: Workflow | None = field(name="DataRow Workflow Info", default=None)
    media: Media | None = field(name="Media Attributes", default=None)
    metadata: tuple[Metadata, ...] | None = field(name="DataRow Metadata", default=None)
    media_type: str | None = None
    data_split: Any = field(name="Data Split", default=None)
