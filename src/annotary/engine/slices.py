"""Slices: saved questions to the catalog."""

from __future__ import annotations

from msgspec import UNSET

from annotary.engine.core import Engine, handles
from annotary.engine.corpora import catalog_rows, sliced
from annotary.errors import Invalid, NotFound
from annotary.model.base import new_id
from annotary.model.export import OF_PROJECTS, ExportQuery, SliceScope
from annotary.model.project import Dataset, ModelRun, Slice
from annotary.operations.global_keys import RowKey
from annotary.operations.slices import (
    CountSliceRows,
    CreateSlice,
    DeleteSlice,
    FindSliceRows,
    FindSlices,
    GetSlice,
)
from annotary.store import lookup
from annotary.store.filters import Condition

ALL = 100_000


@handles(CreateSlice)
def create_slice(engine: Engine, request: CreateSlice) -> Slice:
    """Save a question to the catalog."""
    filters = request.filters
    for name in OF_PROJECTS:
        if getattr(filters, name) is not UNSET:
            raise Invalid(f"{name} filters projects only; a slice is of the catalog")
    if request.dataset_id is not None:
        engine.store.get(Dataset, request.dataset_id)
    now = engine.now()
    made = Slice(
        id=new_id(),
        name=request.name,
        created_at=now,
        updated_at=now,
        filters=filters,
        dataset_id=request.dataset_id,
        description=request.description,
    )
    engine.store.add(made)
    return made


@handles(GetSlice)
def get_slice(engine: Engine, request: GetSlice) -> Slice:
    """One slice."""
    return engine.store.get(Slice, request.slice_id)


@handles(FindSlices)
def find_slices(engine: Engine, request: FindSlices) -> list[Slice]:
    """All slices."""
    return engine.store.find(Slice, limit=ALL)


def _condition(engine: Engine, id: str, run_id: str | None) -> Condition:
    where = catalog_rows(engine, sliced(engine, ExportQuery(scope=SliceScope(id=id)), id))
    if run_id is None:
        return where
    at, _, _ = engine.store.at("model_run", engine.store.get(ModelRun, run_id).id)
    members = f"SELECT x.data_row FROM rows x WHERE {at.now('x')} AND x.deleted = 0"
    return Condition(f"{where.sql} AND d.n IN ({members})", where.parameters)


@handles(FindSliceRows)
def find_slice_rows(engine: Engine, request: FindSliceRows) -> list[RowKey]:
    """The data rows of a slice, in the order they came."""
    store = engine.store
    where = _condition(engine, request.slice_id, request.model_run_id)
    mark = "?" if store.database.is_sqlite else "%s"
    with store.reading() as connection:
        after = 0
        if request.after is not None:
            number = lookup.number_of(connection, store.org, request.after)
            if number is None:
                raise NotFound(f"no data row {request.after!r} to go on after")
            after = number
        found = lookup.rows_where(connection, where.sql, where.parameters, mark, after, request.limit)
    return [RowKey(id=id, global_key=key) for _, id, key in found]


@handles(CountSliceRows)
def count_slice_rows(engine: Engine, request: CountSliceRows) -> int:
    """How many data rows a slice has."""
    where = _condition(engine, request.slice_id, request.model_run_id)
    mark = "?" if engine.store.database.is_sqlite else "%s"
    with engine.store.reading() as connection:
        return lookup.count_rows(connection, where.sql, where.parameters, mark)


@handles(DeleteSlice)
def delete_slice(engine: Engine, request: DeleteSlice) -> None:
    """Forget a slice."""
    engine.store.get(Slice, request.slice_id)
    engine.store.delete(Slice, request.slice_id)
