"""Slices: saved questions to the catalog."""

from __future__ import annotations

from typing import Any

from annotary.operations.slices import CountSliceRows, FindSliceRows, FindSlices, GetSlice
from annotary.server.labelbox import shapes
from annotary.server.labelbox.context import Context, Json, resolves


@resolves("Query.getSavedQuery")
def slice_(parent: Any, context: Context, id: str) -> Json:
    """One slice."""
    return shapes.slice_(context.call(GetSlice(slice_id=id)))


@resolves("Query.catalogSavedQueries")
def slices(parent: Any, context: Context) -> list[Json]:
    """All slices."""
    return [shapes.slice_(one) for one in context.call(FindSlices())]


@resolves("Query.getDataRowIdsBySavedQuery")
def row_ids(parent: Any, context: Context, input: Json) -> Json:
    """A page of the ids of a slice's data rows."""
    page = rows(parent, context, input)
    return {**page, "nodes": [one["id"] for one in page["nodes"]]}


@resolves("Query.getDataRowIdentifiersBySavedQuery")
def rows(parent: Any, context: Context, input: Json) -> Json:
    """A page of the ids and global keys of a slice's data rows."""
    page, more = _page(context, input, input.get("after"))
    page["pageInfo"] = {"endCursor": page["nodes"][-1]["id"] if more else None, "hasNextPage": more}
    return page


@resolves("Query.getDataRowIdentifiersBySavedModelQuery")
def model_rows(parent: Any, context: Context, input: Json) -> Json:
    """A page of the data rows of a model run that a slice selects."""
    page, more = _page(context, input, (input.get("after") or {}).get("dataRowId"))
    last = page["nodes"][-1] if more else None
    cursor = None if last is None else {"dataRowId": last["id"], "globalKey": last["globalKey"]}
    page["pageInfo"] = {"endCursor": cursor, "hasNextPage": more}
    return page


def _page(context: Context, input: Json, after: str | None) -> tuple[Json, bool]:
    """Rows of a slice, and whether there are more."""
    id, run = input["savedQueryId"], input.get("modelRunId")
    size = max(1, min(input["first"], 9999))
    found = context.call(FindSliceRows(slice_id=id, model_run_id=run, after=after, limit=size + 1))
    nodes = [{"id": one.id, "globalKey": one.global_key} for one in found[:size]]
    total = context.call(CountSliceRows(slice_id=id, model_run_id=run))
    return {"totalCount": total, "nodes": nodes}, len(found) > size
