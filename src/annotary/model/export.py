"""What may be asked of a corpus. Parameters and filters are defined here and nowhere else."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from annotary.errors import Invalid
from annotary.model import moment
from annotary.model.base import Value

ID_LIMIT = 2000
FilterStatus = Literal["ToLabel", "InReview", "InRework", "Done"]
STATUS: dict[str, str] = {
    "ToLabel": "TO_LABEL",
    "InReview": "IN_REVIEW",
    "InRework": "IN_REWORK",
    "Done": "DONE",
}
LabelRule = Literal["all", "latest", "benchmark", "consensus"]
KINDS = (
    "box",
    "polygon",
    "polyline",
    "point",
    "mask",
    "cuboid",
    "relationship",
    "radio",
    "checklist",
    "text",
)
"""Kinds of annotations that rows are filtered by: what is drawn, then what is answered."""


class ProjectScope(Value, tag="project", tag_field="kind"):
    """The rows of a project."""

    id: str


class RunScope(Value, tag="model_run", tag_field="kind"):
    """The rows of a model run."""

    id: str


class DatasetScope(Value, tag="dataset", tag_field="kind"):
    """The rows of a dataset, with the labels of the projects and runs named in the parameters."""

    id: str


class RowsScope(Value, tag="data_rows", tag_field="kind"):
    """Given data rows."""

    ids: tuple[str, ...] = ()
    global_keys: tuple[str, ...] = ()


class SliceScope(Value, tag="slice", tag_field="kind"):
    """The data rows that a slice's filters select."""

    id: str


class CatalogScope(Value, tag="catalog", tag_field="kind"):
    """All data rows of the organisation."""


Scope = ProjectScope | RunScope | DatasetScope | RowsScope | SliceScope | CatalogScope


class ExportParams(Value):
    """Which parts an export shows; each is off unless asked for."""

    attachments: Annotated[bool, Meta(description="attachments of each data row")] = False
    metadata_fields: Annotated[bool, Meta(description="metadata of each data row")] = False
    data_row_details: Annotated[bool, Meta(description="dataset, dates and creator of each data row")] = False
    project_details: Annotated[bool, Meta(description="batch, workflow status and history, priority")] = False
    label_details: Annotated[bool, Meta(description="dates, creator and reviews of each label")] = False
    performance_details: Annotated[bool, Meta(description="seconds spent, skipped, scores")] = False
    predictions: Annotated[bool, Meta(description="predictions of model runs")] = False
    model_run_details: Annotated[bool, Meta(description="the data split of model runs")] = False
    project_ids: Annotated[tuple[str, ...], Meta(max_length=30, description="projects to show")] = ()
    model_run_ids: Annotated[tuple[str, ...], Meta(max_length=30, description="model runs to show")] = ()
    all_projects: Annotated[bool, Meta(description="show every project")] = False
    all_model_runs: Annotated[bool, Meta(description="show every model run")] = False


DETAILS = (
    "attachments",
    "metadata_fields",
    "data_row_details",
    "project_details",
    "label_details",
    "performance_details",
)


class Range(Value):
    """Two instants as canonical text, both inclusive; None is an open end."""

    start: str | None = None
    end: str | None = None


class ExportFilters(Value):
    """Which rows; all given filters must hold.

    `class_names` and `kinds` are of labels: a row is selected that has one of them. `no_objects` selects
    rows on which nothing is drawn.
    """

    last_activity_at: Range | UnsetType = UNSET
    label_created_at: Range | UnsetType = UNSET
    workflow_status: str | UnsetType = UNSET
    batch_ids: tuple[str, ...] | UnsetType = UNSET
    data_row_ids: tuple[str, ...] | UnsetType = UNSET
    global_keys: tuple[str, ...] | UnsetType = UNSET
    external_ids: tuple[str, ...] | UnsetType = UNSET
    class_names: tuple[str, ...] | UnsetType = UNSET
    kinds: tuple[str, ...] | UnsetType = UNSET
    no_objects: bool | UnsetType = UNSET

    def any(self) -> bool:
        """Whether anything is filtered at all."""
        return any(getattr(self, name) is not UNSET for name in self.__struct_fields__)


OF_PROJECTS = ("batch_ids", "workflow_status", "class_names", "kinds", "no_objects")
"""Filters by what a project has of a row."""


class ExportQuery(Value):
    """A corpus, put into words: scope, filters, parameters, and the state of the store it is asked of.

    `since` gives only rows changed after that sequence number; `as_of` the state at one.
    """

    scope: Scope
    filters: ExportFilters = ExportFilters()
    params: ExportParams = ExportParams()
    since: int | UnsetType = UNSET
    as_of: int | UnsetType = UNSET
    labels: LabelRule = "all"


def params_from(given: dict[str, Any] | None) -> ExportParams:
    """Parameters as users pass them; unknown keys are ignored, as the vendor's SDK does. Raises Invalid."""
    known = {name: value for name, value in (given or {}).items() if name in ExportParams.__struct_fields__}
    known = {name: value for name, value in known.items() if value is not None}
    try:
        return msgspec.convert(known, ExportParams)
    except msgspec.ValidationError as error:
        raise Invalid(f"params: {error}") from None


def filters_from(given: dict[str, Any] | None, *, zone: str | None = None) -> ExportFilters:
    """Filters as users pass them; unknown keys and None are ignored. Raises Invalid before anything runs."""
    given = {name: value for name, value in (given or {}).items() if value is not None}
    if "data_row_ids" in given and "global_keys" in given:
        raise Invalid("data_row_ids and global_keys exclude each other; give one of them")
    known: dict[str, Any] = {}
    for name in ("last_activity_at", "label_created_at"):
        if name in given:
            known[name] = _range(name, given[name], zone)
    for name in ("batch_ids", "data_row_ids", "global_keys", "external_ids", "class_names"):
        if name in given:
            known[name] = _ids(name, given[name])
    if "kinds" in given:
        known["kinds"] = _kinds(given["kinds"])
    if "no_objects" in given:
        known["no_objects"] = _flag("no_objects", given["no_objects"]) or UNSET
    if "workflow_status" in given:
        known["workflow_status"] = _status(given["workflow_status"])
    return ExportFilters(**{name: value for name, value in known.items() if value is not UNSET})


def _ids(name: str, given: Any) -> tuple[str, ...]:
    if not isinstance(given, list | tuple):
        raise Invalid(f"{name}: {given!r} is not a list; give a list of ids")
    if not given:
        raise Invalid(f"{name}: the list is empty; give at least one id or leave the filter out")
    if len(given) > ID_LIMIT:
        raise Invalid(f"{name}: {len(given):,} ids are more than {ID_LIMIT:,}; export in several calls")
    for one in given:
        if not isinstance(one, str) or not one:
            raise Invalid(f"{name}: {one!r} is not an id; give non-empty text")
    return tuple(given)


def _status(given: Any) -> str:
    if not isinstance(given, str) or given not in STATUS:
        raise Invalid(f"workflow_status: {given!r} is none of {', '.join(STATUS)}")
    return STATUS[given]


def _flag(name: str, given: Any) -> bool:
    if not isinstance(given, bool):
        raise Invalid(f"{name}: {given!r} is not true or false")
    return given


def _kinds(given: Any) -> tuple[str, ...]:
    kinds = _ids("kinds", given)
    for one in kinds:
        if one not in KINDS:
            raise Invalid(f"kinds: {one!r} is none of {', '.join(KINDS)}")
    return kinds


def _range(name: str, given: Any, zone: str | None) -> Range | UnsetType:
    if not isinstance(given, list | tuple) or len(given) != 2:
        raise Invalid(f"{name}: {given!r} is not a pair; give [start, end], either may be None")
    start, end = given
    for value in given:
        if value is not None and not isinstance(value, str):
            raise Invalid(f"{name}: not a date: {value!r}; give {moment.WANTED}")
    if start is None and end is None:
        return UNSET
    try:
        return Range(
            start=None if start is None else moment.bound(start, end=False, zone=zone),
            end=None if end is None else moment.bound(end, end=True, zone=zone),
        )
    except Invalid as error:
        raise Invalid(f"{name}: {error}") from None
