"""New rows are written as `put_labels` and `put_rows` write them, which look up what these are told."""

from __future__ import annotations

from typing import Any

from msgspec.structs import asdict
from sqlalchemy import text

from annotary.store import Store
from annotary.store.arrivals import put_new
from annotary.store.feature_index import feature_entries
from annotary.store.new_rows import NewLabel, NewRow
from annotary.store.schema import front_of
from annotary.store.signatures import shown_in

WHEN = "2026-01-02T03:04:05.678+00:00"
BOX = '{"objects":[{"name":"car","annotation_kind":"ImageBoundingBox"}],"relationships":[]}'


def label(prediction: int, position: int, id: str) -> NewLabel:
    parts = ('"id":"l"', "{}", "{}", BOX, None, None)
    return NewLabel(prediction, position, id, WHEN, *parts, shows=shown_in(BOX), hashes=[7, 1 << 31])


def written(store: Store, *, known: bool) -> tuple[list[Any], ...]:
    """Data rows with no, one, two labels, a label and a prediction; `known` as if they were known."""
    rows = [
        NewRow(0, number, WHEN, "DONE", "b1", '"project_tags":[]', "{}", labels)
        for number, labels in enumerate(
            [
                [],
                [label(0, 0, "a")],
                [label(0, 0, "b"), label(0, 1, "c")],
                [label(0, 0, "d"), label(1, 1, "e")],
            ],
            start=1,
        )
    ]
    head, media = '"id":"r"', '"media_attributes":{}'
    with store.transaction() as connection:
        collection = store.collect("project", f"p{known}", "p", "{}")
        versions = [(100 * collection + row.data_row, head, "", media, "[]", "[]") for row in rows]
        store.put_data_rows([], versions)
        change = store.change(collection)
        for row in rows:
            row.collection = collection
        if known:
            change.put_labels(
                [{**asdict(one), "data_row": row.data_row} for row in rows for one in row.labels]
            )
            given = zip(rows, versions, strict=True)
            change.put_rows([{**asdict(row), "deleted": 0, "version": version[0]} for row, version in given])
        else:
            told = {row.data_row: (100 * collection + row.data_row, front_of(head, media)) for row in rows}
            found = put_new(change, rows, store.numbering("labels"), told)
            assert found == [
                entry
                for row in rows
                for _ in row.labels
                for entry in feature_entries([7, 1 << 31], row.data_row)
            ]
        columns = "data_row, since, until, deleted, activity, status, batch, tail, extra, front"
        of = f"WHERE collection = {collection} ORDER BY data_row"
        queries = (
            f"SELECT {columns}, version - {100 * collection} FROM rows {of}",
            "SELECT data_row, (SELECT l.id FROM labels l WHERE l.n = rows.label) FROM rows " + of,
            "SELECT data_row, since, until, prediction, position, id, created_at, head, details, performance,"
            f" annotations, masks, v1, signature FROM labels {of}, prediction, position",
        )
        return tuple([tuple(row) for row in connection.execute(text(query))] for query in queries)


def test_new_rows_are_like_those_whose_parts_are_looked_up(store_url: str) -> None:
    store = Store.open(store_url)
    rows, only, labels = written(store, known=False)
    assert (rows, only, labels) == written(store, known=True)
    assert only == [(1, None), (2, "a"), (3, None), (4, "d")]
    assert len(rows) == 4
    assert len(labels) == 5
    store.close()
