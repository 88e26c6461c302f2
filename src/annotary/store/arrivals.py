"""Rows of data rows that nobody knew before, with all of their labels: nothing is looked up to write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from annotary.store.changes import Change
from annotary.store.database import insert_rows
from annotary.store.feature_index import feature_entries
from annotary.store.filters import FOREVER
from annotary.store.new_rows import NewRow
from annotary.store.numbers import Numbers
from annotary.store.signatures import signature_of

_LABEL = (
    *("n", "collection", "since", "until", "data_row", "prediction", "position", "id", "created_at"),
    *("head", "details", "performance", "annotations", "masks", "v1", "signature"),
)
_ROW = (
    *("collection", "since", "until", "data_row", "version", "activity", "status", "batch", "tail", "extra"),
    *("front", "label"),
)


def put_new(
    change: Change, rows: Sequence[NewRow], numbers: Numbers, versions: Mapping[int, tuple[int, str]]
) -> list[int]:
    """Write rows of one project or run; gives the entries of their features, which are to be indexed.

    `numbers` gives keys of labels, `versions` the version and front of each data row.
    """
    now, collection = change.sequence, change.collection
    keys = iter(numbers.take(sum([len(row.labels) for row in rows])))
    met: dict[int, str] = {}
    labels = []
    entries = []
    features: list[int] = []
    for row in rows:
        number = row.data_row
        only: list[int] = []
        for one in row.labels:
            key = next(keys)
            if not one.prediction:
                only.append(key)
            features += feature_entries(one.hashes, number)
            signature = signature_of(one.shows)
            met[signature] = one.shows
            labels.append(
                (
                    *(key, collection, now, FOREVER, number, one.prediction, one.position, one.id),
                    *(one.created_at, one.head, one.details, one.performance, one.annotations),
                    *(one.masks, one.v1, signature),
                )
            )
        version, front = versions[number]
        label = only[0] if len(only) == 1 else None
        entries.append(
            (
                *(collection, now, FOREVER, number, version, row.activity, row.status, row.batch),
                *(row.tail, row.extra, front, label),
            )
        )
    if labels:
        insert_rows(change.connection, "labels", _LABEL, labels)
        change.explain(met)
    insert_rows(change.connection, "rows", _ROW, entries)
    return features
