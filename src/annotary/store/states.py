"""What is valid at a sequence number, for whoever wants less than an export."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, select, text

from annotary.store.filters import FOREVER, At
from annotary.store.schema import collections, labels, rows


def labels_at(
    connection: Connection, at: At, *, id: str | None = None, data_rows: Sequence[int] = ()
) -> list[dict[str, Any]]:
    """The columns of labels, in order: of some data rows, or with an id. Predictions are none of them."""
    wanted = labels.c.data_row.in_(data_rows) if id is None else labels.c.id == id
    valid = (labels.c.since <= at.sequence) & (labels.c.until > at.sequence)
    found = connection.execute(
        select(labels)
        .where(labels.c.collection == at.collection, valid, wanted, labels.c.prediction == 0)
        .order_by(labels.c.data_row, labels.c.position, labels.c.id)
    )
    return [dict(row._mapping) for row in found]


def rows_at(connection: Connection, at: At, data_rows: Sequence[int]) -> set[int]:
    """Those among data rows that are in the project or run."""
    valid = (rows.c.since <= at.sequence) & (rows.c.until > at.sequence) & (rows.c.deleted == 0)
    found = connection.execute(
        select(rows.c.data_row).where(
            rows.c.collection == at.collection, rows.c.data_row.in_(data_rows), valid
        )
    )
    return {row.data_row for row in found}


def statuses(connection: Connection, at: At) -> dict[str, int]:
    """How many rows are in which workflow status."""
    found = connection.execute(
        text(
            f"SELECT r.status, count(*) FROM rows r WHERE {at.of('r')} AND r.deleted = 0"
            " GROUP BY r.status ORDER BY r.status"
        )
    )
    return {status: count for status, count in found if status}


def batch_sizes(connection: Connection, at: At, batches: Sequence[str]) -> dict[str, int]:
    """How many rows are in which batch: of some, or of all where none is named."""
    valid = (rows.c.since <= at.sequence) & (rows.c.until > at.sequence) & (rows.c.deleted == 0)
    query = select(rows.c.batch, func.count()).where(rows.c.collection == at.collection, valid)
    if batches:
        query = query.where(rows.c.batch.in_(batches))
    return {batch: count for batch, count in connection.execute(query.group_by(rows.c.batch))}


def batch_statuses(connection: Connection, at: At, batches: Sequence[str]) -> dict[str, int]:
    """How many rows of some batches are in which workflow status."""
    valid = (rows.c.since <= at.sequence) & (rows.c.until > at.sequence) & (rows.c.deleted == 0)
    query = select(rows.c.status, func.count()).where(
        rows.c.collection == at.collection, valid, rows.c.batch.in_(batches)
    )
    return {status: count for status, count in connection.execute(query.group_by(rows.c.status))}


def label_counts(connection: Connection, at: At) -> tuple[int, int]:
    """How many labels there are, and how many of them skipped their row."""
    valid = (labels.c.since <= at.sequence) & (labels.c.until > at.sequence) & (labels.c.prediction == 0)
    skipped = labels.c.performance.contains('"skipped":true')
    found = connection.execute(
        select(func.count(), func.count().filter(skipped)).where(labels.c.collection == at.collection, valid)
    ).one()
    return int(found[0]), int(found[1])


def last_activity(connection: Connection, collections: Sequence[int], data_row: int) -> str | None:
    """The latest activity on a data row in some projects and runs."""
    query = select(func.max(rows.c.activity)).where(
        rows.c.collection.in_(collections), rows.c.data_row == data_row, rows.c.until == FOREVER
    )
    return connection.execute(query).scalar()


def activities(connection: Connection, org: str) -> dict[str, str]:
    """The latest activity in each project of an organisation that has rows; one look at an index each."""
    latest = (
        select(func.max(rows.c.activity))
        .where(rows.c.collection == collections.c.n, rows.c.until == FOREVER)
        .scalar_subquery()
    )
    mine = (collections.c.org == org) & (collections.c.kind == "project")
    found = connection.execute(select(collections.c.id, latest).where(mine))
    return {id: activity for id, activity in found if activity}
