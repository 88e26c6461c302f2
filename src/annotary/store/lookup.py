"""Data rows and labels for listings: small pages, found by their keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, false, func, or_, select

from annotary.model.base import Value, to_json
from annotary.store.filters import FOREVER
from annotary.store.schema import (
    collections,
    data_row_versions,
    data_rows,
    entities,
    labels,
    rows,
)


def everywhere(connection: Connection, kind: str, id: str) -> list[tuple[str, str]]:
    """The values of a kind with an id in all organisations: whose, and the body."""
    mine = (entities.c.kind == kind) & (entities.c.id == id)
    found = connection.execute(select(entities.c.org, entities.c.body).where(mine).order_by(entities.c.org))
    return [(org, body) for org, body in found]


def names(connection: Connection, org: str, kind: type[Value]) -> list[tuple[str, str]]:
    """The ids and names of all values of a kind."""
    mine = (entities.c.org == org) & (entities.c.kind == kind.__name__)
    return [(id, name) for id, name in connection.execute(select(entities.c.id, entities.c.name).where(mine))]


def scopes(connection: Connection) -> list[tuple[str, str, str]]:
    """All projects and runs of all organisations: whose, `project` or `model_run`, and the id."""
    found = connection.execute(
        select(collections.c.org, collections.c.kind, collections.c.id)
        .where(collections.c.kind.in_(("project", "model_run")))
        .order_by(collections.c.n)
    )
    return [(row.org, row.kind, row.id) for row in found]


def ids_of(connection: Connection, keys: Sequence[int]) -> dict[int, str]:
    """The ids of data rows by their keys."""
    found: dict[int, str] = {}
    for start in range(0, len(keys), 1000):
        some = select(data_rows.c.n, data_rows.c.id).where(data_rows.c.n.in_(keys[start : start + 1000]))
        found.update({row.n: row.id for row in connection.execute(some)})
    return found


def dataset_size(connection: Connection, org: str, dataset: str) -> int:
    """How many data rows a dataset has."""
    mine = (data_rows.c.org == org) & (data_rows.c.dataset == dataset)
    return int(connection.execute(select(func.count()).where(mine)).scalar_one())


def dataset_ids(connection: Connection, org: str, dataset: str) -> list[str]:
    """The ids of a dataset's data rows, in the order they came."""
    mine = (data_rows.c.org == org) & (data_rows.c.dataset == dataset)
    return list(connection.execute(select(data_rows.c.id).where(mine).order_by(data_rows.c.n)).scalars())


def rows_page(
    connection: Connection,
    org: str,
    *,
    ids: Sequence[str] | None = None,
    global_keys: Sequence[str] | None = None,
    external_ids: Sequence[str] | None = None,
    dataset: str | None = None,
    before: int | None = None,
    limit: int,
) -> list[dict[str, Any]]:
    """Data rows with their sections, newest first: those that match all that is given."""
    query = (
        select(data_rows.c.id.label("data_row_id"), data_rows.c.n.label("number"), data_row_versions)
        .join(data_row_versions, data_row_versions.c.n == data_rows.c.version)
        .where(data_rows.c.org == org, data_rows.c.dataset != "")
    )
    if ids is not None:
        query = query.where(data_rows.c.id.in_(ids))
    if global_keys is not None:
        query = query.where(data_rows.c.global_key.in_(global_keys))
    if external_ids is not None:
        # They have no index: nothing but these lists looks for them.
        named = [f'"external_id":{to_json(one)}' for one in external_ids]
        query = query.where(
            or_(false(), *(data_row_versions.c.head.contains(text, autoescape=True) for text in named))
        )
    if dataset is not None:
        query = query.where(data_rows.c.dataset == dataset)
    if before is not None:
        query = query.where(data_rows.c.n < before)
    found = connection.execute(query.order_by(data_rows.c.n.desc()).limit(limit))
    return [dict(row._mapping) for row in found]


def rows_with_metadata(
    connection: Connection, org: str, schema_id: str, after: int, limit: int
) -> list[tuple[int, str]]:
    """Number and id of the next data rows that have a value of a metadata schema."""
    found = connection.execute(
        select(data_rows.c.n, data_rows.c.id)
        .join(data_row_versions, data_row_versions.c.n == data_rows.c.version)
        .where(
            data_rows.c.org == org,
            data_rows.c.dataset != "",
            data_rows.c.n > after,
            data_row_versions.c.metadata.contains(f'"schema_id":{to_json(schema_id)}', autoescape=True),
        )
        .order_by(data_rows.c.n)
        .limit(limit)
    )
    return [(int(n), id) for n, id in found]


def labels_page(
    connection: Connection,
    org: str,
    *,
    project: str | None = None,
    ids: Sequence[str] | None = None,
    data_row: str | None = None,
    datasets: Sequence[str] | None = None,
    texts: Sequence[tuple[str, str]] = (),
    newest_first: bool = False,
    skip: int = 0,
    limit: int = 100,
) -> list[dict[str, Any]]:
    """Present labels with their project and data row, in the order of their making.

    `texts` are columns with what must stand in them.
    """
    query = (
        select(labels, collections.c.id.label("project_id"), data_rows.c.id.label("data_row_id"))
        .join(collections, collections.c.n == labels.c.collection)
        .join(data_rows, data_rows.c.n == labels.c.data_row)
        .where(_labels_of(org, project))
    )
    if ids is not None:
        query = query.where(labels.c.id.in_(ids))
    if data_row is not None:
        query = query.where(data_rows.c.id == data_row)
    if datasets is not None:
        query = query.where(data_rows.c.dataset.in_(datasets))
    for column, text in texts:
        query = query.where(labels.c[column].contains(text, autoescape=True))
    order = [labels.c.created_at, labels.c.id]
    query = query.order_by(*(one.desc() for one in order) if newest_first else order)
    return [dict(row._mapping) for row in connection.execute(query.offset(skip).limit(limit))]


def _labels_of(org: str, project: str | None) -> Any:
    mine = and_(
        collections.c.org == org,
        collections.c.kind == "project",
        labels.c.until == FOREVER,
        labels.c.prediction == 0,
    )
    return mine if project is None else and_(mine, collections.c.id == project)


def labelled_ids(connection: Connection, org: str, project: str) -> list[str]:
    """The ids of the data rows that have a label in a project, in the order they came."""
    found = connection.execute(
        select(data_rows.c.id)
        .join(labels, labels.c.data_row == data_rows.c.n)
        .join(collections, collections.c.n == labels.c.collection)
        .where(_labels_of(org, project))
        .group_by(data_rows.c.n, data_rows.c.id)
        .order_by(data_rows.c.n)
    )
    return list(found.scalars())


def runs_beside(connection: Connection, org: str, project: str) -> set[str]:
    """The ids of the runs that have a present data row in common with a project.

    A run whose data rows came at another time than the project's is told by their numbers alone; else each of
    its rows is looked for in the project until one is there.
    """
    own = connection.execute(
        select(collections.c.n).where(
            collections.c.org == org, collections.c.kind == "project", collections.c.id == project
        )
    ).scalar_one()
    runs = connection.execute(
        select(collections.c.id, collections.c.n).where(
            collections.c.org == org, collections.c.kind == "model_run"
        )
    ).all()
    ends = {number: _ends(connection, number) for number in (own, *(run.n for run in runs))}
    theirs = rows.alias()
    found = set()
    for id, number in runs:
        low, high = max(ends[own][0], ends[number][0]), min(ends[own][1], ends[number][1])
        shared = (
            select(rows.c.data_row)
            .where(
                *(rows.c.collection == number, rows.c.data_row.between(low, high)),
                *(rows.c.until == FOREVER, rows.c.deleted == 0),
                select(theirs.c.n)
                .where(
                    *(theirs.c.collection == own, theirs.c.data_row == rows.c.data_row),
                    *(theirs.c.until == FOREVER, theirs.c.deleted == 0),
                )
                .exists(),
            )
            .limit(1)
        )
        if low <= high and connection.execute(shared).first() is not None:
            found.add(id)
    return found


def _ends(connection: Connection, collection: int) -> tuple[int, int]:
    """The lowest and the highest number of a collection's data rows; 1 and 0 where there are none."""
    mine = rows.c.collection == collection
    low = connection.execute(select(func.min(rows.c.data_row)).where(mine)).scalar()
    high = connection.execute(select(func.max(rows.c.data_row)).where(mine)).scalar()
    return (1, 0) if low is None or high is None else (low, high)


def run_rows(connection: Connection, collection: int, after: int, limit: int) -> list[dict[str, Any]]:
    """The next rows of a run beyond a data row, with their data row's id and their first label's."""
    first = (
        select(labels.c.id)
        .where(
            labels.c.collection == collection,
            labels.c.data_row == rows.c.data_row,
            labels.c.prediction == 0,
            labels.c.until == FOREVER,
        )
        .order_by(labels.c.position, labels.c.id)
        .limit(1)
        .scalar_subquery()
    )
    found = connection.execute(
        select(data_rows.c.id.label("data_row_id"), rows.c.extra, first.label("label_id"))
        .join(data_rows, data_rows.c.n == rows.c.data_row)
        .where(
            rows.c.collection == collection,
            rows.c.until == FOREVER,
            rows.c.deleted == 0,
            rows.c.data_row > after,
        )
        .order_by(rows.c.data_row)
        .limit(limit)
    )
    return [dict(row._mapping) for row in found]


def count_rows(connection: Connection, where: str, values: Sequence[Any], mark: str) -> int:
    """How many data rows (`d`) meet a condition written with question marks."""
    sql = f"SELECT count(*) FROM data_rows d WHERE {where.replace('?', mark)}"
    return int(connection.exec_driver_sql(sql, tuple(values)).scalar_one())


def rows_where(
    connection: Connection, where: str, values: Sequence[Any], mark: str, after: int, limit: int
) -> list[tuple[int, str, str | None]]:
    """Number, id and global key of the next data rows (`d`) beyond a number that meet a condition."""
    sql = (
        f"SELECT d.n, d.id, d.global_key FROM data_rows d WHERE {where.replace('?', mark)}"
        f" AND d.n > {mark} ORDER BY d.n LIMIT {mark}"
    )
    found = connection.exec_driver_sql(sql, (*values, after, limit))
    return [(int(n), id, key) for n, id, key in found]


def number_of(connection: Connection, org: str, id: str) -> int | None:
    """The number of a data row, for the next page after it."""
    found = connection.execute(
        select(func.max(data_rows.c.n)).where(data_rows.c.org == org, data_rows.c.id == id)
    )
    number = found.scalar_one()
    return None if number is None else int(number)
