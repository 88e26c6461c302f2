"""Slices: saved questions to the catalog."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from annotary.model.export import ExportFilters
from annotary.model.project import Name, Slice
from annotary.operations import Operation, delete, get, post
from annotary.operations.global_keys import RowKey


class CreateSlice(Operation[Slice]):
    """Save a question to the catalog under a name."""

    route = post("/slices")
    needs = "member"
    name: Name
    filters: ExportFilters = ExportFilters()
    dataset_id: str | None = None
    description: str | None = None


class GetSlice(Operation[Slice]):
    """One slice, by id."""

    route = get("/slices/{slice_id}")
    slice_id: str


class FindSlices(Operation[list[Slice]]):
    """All slices by id."""

    route = get("/slices")


class FindSliceRows(Operation[list[RowKey]]):
    """The data rows of a slice as it is now, of a model run if one is named, page by page.

    The next page begins after the data row `after`.
    """

    route = get("/slices/{slice_id}/rows")
    slice_id: str
    model_run_id: str | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=10_000)] = 1000


class CountSliceRows(Operation[int]):
    """How many data rows a slice has now, of a model run if one is named."""

    route = get("/slices/{slice_id}/size")
    slice_id: str
    model_run_id: str | None = None


class DeleteSlice(Operation[None]):
    """Forget a slice; its data rows stay."""

    route = delete("/slices/{slice_id}")
    needs = "member"
    slice_id: str
