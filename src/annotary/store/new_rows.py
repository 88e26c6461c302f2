"""Rows on their way into the store, of data rows that nobody knew before: what is written of them."""

from __future__ import annotations

import msgspec


class NewLabel(msgspec.Struct, array_like=True, gc=False):
    """A label or prediction: columns of its table, what it shows, and the hashes of its features."""

    prediction: int
    position: int
    id: str
    created_at: str
    head: str
    details: str
    performance: str
    annotations: str
    masks: str | None
    v1: str | None
    shows: str
    hashes: list[int]


class NewRow(msgspec.Struct, array_like=True, gc=False):
    """A row of a project or run: columns of its table, and its labels in their order."""

    collection: int
    data_row: int
    activity: str
    status: str
    batch: str
    tail: str
    extra: str
    labels: list[NewLabel]
