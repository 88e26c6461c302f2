"""Datasets."""

from __future__ import annotations

from annotary.engine.core import Engine, handles
from annotary.model.base import new_id
from annotary.model.project import Dataset
from annotary.operations.datasets import CountDataRows, CreateDataset, FindDatasets, GetDataset


@handles(CreateDataset)
def create_dataset(engine: Engine, request: CreateDataset) -> Dataset:
    """Make an empty dataset."""
    now = engine.now()
    dataset = Dataset(
        id=request.id or new_id(),
        name=request.name,
        created_at=now,
        updated_at=now,
        created_by=engine.user.email,
        description=request.description,
    )
    engine.store.add(dataset)
    return dataset


@handles(GetDataset)
def get_dataset(engine: Engine, request: GetDataset) -> Dataset:
    """One dataset."""
    return engine.store.get(Dataset, request.dataset_id)


@handles(FindDatasets)
def find_datasets(engine: Engine, request: FindDatasets) -> list[Dataset]:
    """Datasets by id."""
    return engine.store.find(Dataset, name=request.name, after=request.after, limit=request.limit)


@handles(CountDataRows)
def count_data_rows(engine: Engine, request: CountDataRows) -> int:
    """How many data rows a dataset has."""
    return engine.store.dataset_size(engine.store.get(Dataset, request.dataset_id).id)
