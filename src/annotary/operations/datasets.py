"""Datasets."""

from __future__ import annotations

from annotary.model.project import Dataset, Name
from annotary.operations import Operation, get, post


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
    limit: int = 1000


class CountDataRows(Operation[int]):
    """How many data rows a dataset has."""

    route = get("/datasets/{dataset_id}/size")
    dataset_id: str
