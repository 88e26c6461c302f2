"""Datasets."""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from annotary.model.project import Dataset, Name
from annotary.operations import Operation, delete, get, patch, post


class CreateDataset(Operation[Dataset]):
    """Make an empty dataset."""

    route = post("/datasets")
    needs = "member"
    name: Name
    description: str | None = None
    id: str | None = None


class GetDataset(Operation[Dataset]):
    """One dataset, by id."""

    route = get("/datasets/{dataset_id}")
    dataset_id: str


class FindDatasets(Operation[list[Dataset]]):
    """Datasets by id, all or those with a name."""

    route = get("/datasets")
    name: str | None = None
    after: str | None = None
    limit: Annotated[int, Meta(ge=1, le=100_000)] = 1000


class CountDataRows(Operation[int]):
    """How many data rows a dataset has."""

    route = get("/datasets/{dataset_id}/size")
    dataset_id: str


class ChangeDataset(Operation[Dataset]):
    """Rename a dataset, describe it; its rows show the new name."""

    route = patch("/datasets/{dataset_id}")
    needs = "member"
    dataset_id: str
    name: Name | UnsetType = UNSET
    description: str | None | UnsetType = UNSET


class DeleteDataset(Operation[None]):
    """Remove a dataset with its data rows, wherever they are shown."""

    route = delete("/datasets/{dataset_id}")
    needs = "admin"
    dataset_id: str
