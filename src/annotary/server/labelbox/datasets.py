"""Datasets."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from annotary.errors import Denied
from annotary.operations.datasets import (
    ChangeDataset,
    CountDataRows,
    CreateDataset,
    DeleteDataset,
    FindDatasets,
    GetDataset,
)
from annotary.server.labelbox import shapes
from annotary.server.labelbox.context import Context, Json, resolves
from annotary.server.labelbox.filters import listed


@resolves("Query.dataset")
def dataset(parent: Any, context: Context, where: Json) -> Json:
    """One dataset."""
    return shapes.dataset(context.once(GetDataset(dataset_id=where["id"])))


@resolves("Query.datasets")
def datasets(parent: Any, context: Context, orderBy: str | None = None, **asked: Any) -> Any:
    """Datasets."""
    found = context.call(FindDatasets(limit=100_000))
    return listed(map(shapes.dataset, found), order=orderBy, **asked)


@resolves("DataRow.dataset")
def of_data_row(parent: Json, context: Context) -> Json | None:
    """The dataset of a data row."""
    id = parent["_dataset"]
    return None if id is None else shapes.dataset(context.once(GetDataset(dataset_id=id)))


@resolves("Dataset.rowCount")
def row_count(parent: Json, context: Context) -> int:
    """How many data rows it has."""
    return context.call(CountDataRows(dataset_id=parent["id"]))


@resolves("Dataset.signer")
def signer(parent: Json, context: Context) -> None:
    """A dataset has no signer."""


@resolves("Dataset.projects")
def projects(parent: Json, context: Context, **asked: Any) -> list[Json]:
    """Projects have data rows rather than datasets."""
    return []


@resolves("Mutation.createDataset")
def create_dataset(parent: Any, context: Context, data: Json) -> Json:
    """Make a dataset."""
    made = CreateDataset(name=data["name"], description=data.get("description"))
    return shapes.dataset(context.call(made))


@resolves("Mutation.updateDataset")
def update_dataset(parent: Any, context: Context, where: Json, data: Json) -> Json:
    """Change a dataset, or remove it."""
    id = where["id"]
    if data.get("deleted"):
        found = shapes.dataset(context.call(GetDataset(dataset_id=id)))
        context.call(DeleteDataset(dataset_id=id))
        return found
    change = ChangeDataset(
        dataset_id=id,
        name=data.get("name") or UNSET,
        description=data.get("description", UNSET),
    )
    return shapes.dataset(context.call(change))


@resolves("Mutation.setSignerForDataset")
def set_signer(parent: Any, context: Context, data: Json, where: Json) -> Json:
    """There are no integrations that could sign; to have none is what is so already."""
    if data.get("signerId") is not None:
        raise Denied(
            "annotary signs no addresses in other people's clouds; give addresses that can be fetched"
        )
    return dataset(parent, context, where)


@resolves("Mutation.clearSignerForDataset")
def clear_signer(parent: Any, context: Context, where: Json) -> Json:
    """A dataset has no signer."""
    return dataset(parent, context, where)


@resolves("Mutation.validateDataset")
def validate_dataset(parent: Any, context: Context, where: Json) -> Json:
    """Whether a dataset can be used; there is nothing that could be wrong with its access."""
    context.call(GetDataset(dataset_id=where["id"]))
    return {"valid": True, "checks": []}
