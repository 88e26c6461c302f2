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
    id = input["savedQueryId"]
    size = max(1, min(input["first"], 10_000))
    found = context.call(FindSliceRows(slice_id=id, after=input.get("after"), limit=size))
    more = len(found) == size
    return {
        "totalCount": context.call(CountSliceRows(slice_id=id)),
        "nodes": [{"id": one.id, "globalKey": one.global_key} for one in found],
        "pageInfo": {"endCursor": found[-1].id if found else None, "hasNextPage": more},
    }
