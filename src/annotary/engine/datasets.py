"""Datasets."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET
from msgspec.structs import replace

from annotary.engine import data_rows
from annotary.engine.core import Engine, handles
from annotary.engine.versions import pages_of
from annotary.model.base import new_id
from annotary.model.project import Dataset
from annotary.operations.data_rows import DeleteDataRows
from annotary.operations.datasets import (
    ChangeDataset,
    CountDataRows,
    CreateDataset,
    DeleteDataset,
    FindDatasets,
    GetDataset,
)
from annotary.store import lookup


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
    dataset = engine.store.get(Dataset, request.dataset_id)
    with engine.store.reading() as connection:
        return lookup.dataset_size(connection, engine.store.org, dataset.id)


@handles(ChangeDataset)
def change_dataset(engine: Engine, request: ChangeDataset) -> Dataset:
    """Rename a dataset, describe it."""
    store = engine.store
    with store.transaction() as connection:
        before = store.get(Dataset, request.dataset_id)
        given: dict[str, Any] = {
            name: value
            for name in ("name", "description")
            if (value := getattr(request, name)) is not UNSET and value != getattr(before, name)
        }
        if not given:
            return before
        changed = replace(before, **given, updated_at=engine.now())
        store.put(changed)
        if "name" in given:
            for id in lookup.dataset_ids(connection, store.org, before.id):
                data_rows.show_dataset(engine, id, changed)
        return changed


@handles(DeleteDataset)
def delete_dataset(engine: Engine, request: DeleteDataset) -> None:
    """Remove a dataset with its data rows."""
    store = engine.store
    with store.transaction() as connection:
        store.get(Dataset, request.dataset_id)
        for ids in pages_of(lookup.dataset_ids(connection, store.org, request.dataset_id)):
            data_rows.delete_data_rows(engine, DeleteDataRows(data_row_ids=tuple(ids)))
        store.delete(Dataset, request.dataset_id)
