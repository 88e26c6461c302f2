"""Batches: data rows on their way into a project."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from uuid import uuid4

from msgspec import UNSET
from msgspec.structs import replace

from annotary.engine.core import Engine, handles
from annotary.engine.places import Places
from annotary.engine.versions import PAGE, Fields, OpenProject, gathered_rows, open_project, renewed
from annotary.engine.workflow import Mover
from annotary.errors import Conflict, Invalid, NotFound
from annotary.model import sections
from annotary.model.project import Batch, ConsensusSettings, Dataset
from annotary.model.row import ProjectDetails
from annotary.operations.batches import (
    AddBatchRows,
    CreateBatches,
    CreateEmptyBatch,
    DeleteBatch,
    DeleteBatchLabels,
    GetBatch,
    PlacedBatch,
    RemoveBatchRows,
)
from annotary.operations.projects import CreateBatch
from annotary.store import KnownRow, lookup, states

BATCH_LIMIT = 100_000
"""So many rows are one batch of many at most (the vendor's documented limit)."""


def send(engine: Engine, opened: OpenProject, request: CreateBatch) -> Batch:
    """Put data rows into a project, to wait for being labelled."""
    ids, left_out = request.data_row_ids, list[str]()
    if request.skip:
        # A name that is taken is told before what is wrong with the rows, as the vendor does.
        _free(engine, opened, request.name)
        there = engine.store.data_rows_by("id", ids)
        ids = tuple(id for id in ids if id in there and there[id].dataset)
        left_out = [
            id for id in dict.fromkeys(request.data_row_ids) if id not in there or not there[id].dataset
        ]
    known = gathered_rows(engine.store, ids, request.global_keys)
    if request.skip:
        present = _present(opened, [one.n for one in known.values()])
        left_out += [id for id, one in known.items() if one.n in present]
        known = {id: one for id, one in known.items() if one.n not in present}
        if not known:
            raise Invalid("No valid data rows to add to project")
    if not known:
        raise Invalid(f"batch {request.name!r} has no data rows; give data_row_ids or global_keys")
    batch = _new_batch(engine, opened, request)
    _put(engine, opened, batch, list(known.values()))
    return replace(batch, left_out=tuple(left_out))


def _present(opened: OpenProject, numbers: list[int]) -> set[int]:
    """Which of some data rows are in the project."""
    found: set[int] = set()
    for start in range(0, len(numbers), PAGE):
        rows = opened.change.rows(numbers[start : start + PAGE])
        found |= {number for number, row in rows.items() if not row["deleted"]}
    return found


def _free(engine: Engine, opened: OpenProject, name: str) -> None:
    """Raises Conflict where the project has a batch of this name."""
    if engine.store.find(Batch, name=name, parent=opened.project.id, limit=1):
        raise Conflict(f"project {opened.project.id!r} has a batch {name!r} already; give another name")


def _new_batch(engine: Engine, opened: OpenProject, given: CreateBatch | CreateEmptyBatch) -> Batch:
    store, project = engine.store, opened.project
    _free(engine, opened, given.name)
    batch = Batch(
        id=str(uuid4()),
        project_id=project.id,
        name=given.name,
        created_at=engine.now(),
        priority=given.priority,
        consensus=given.consensus,
        created_by=engine.user.email,
    )
    store.add(batch)
    return batch


def _put(engine: Engine, opened: OpenProject, batch: Batch, rows: list[KnownRow]) -> None:
    """Put rows that are locked into the project, as the batch says."""
    project, change, now = opened.project, opened.change, engine.now()
    ontology_id = Places(engine.store, now, engine.user.email).project(project.id, None).ontology.id
    expected = _expected_labels(project.id, batch, [one.id for one in rows])
    for start in range(0, len(rows), PAGE):
        some = rows[start : start + PAGE]
        present = change.rows([one.n for one in some])
        new: list[Fields] = []
        again: list[Fields] = []
        for one in some:
            old = present.get(one.n)
            if old is not None and not old["deleted"]:
                raise Conflict(
                    f"data row {one.id!r} is in project {project.id!r} already; a row is in one batch only"
                )
            details = ProjectDetails(
                ontology_id=ontology_id,
                task_name=project.task("labeling").name,
                batch_id=batch.id,
                batch_name=batch.name,
                workflow_status="TO_LABEL",
                priority=batch.priority,
                consensus_expected_label_count=expected.get(one.id, 1),
                workflow_history=(),
            )
            fields: Fields = {
                "data_row": one.n,
                "deleted": 0,
                "version": one.version,
                "activity": now,
                "status": "TO_LABEL",
                "batch": batch.id,
                "tail": sections.project_tail(UNSET),
                "extra": sections.project_details(details),
            }
            if old is None:
                new.append(fields)
            else:
                again.append({**old, **fields, "activity": max(old["activity"], now)})
        change.put_rows(new, again)


@handles(GetBatch)
def get_batch(engine: Engine, request: GetBatch) -> PlacedBatch:
    """One batch with its size."""
    batch = engine.store.get(Batch, request.batch_id)
    at, _, _ = engine.store.at("project", batch.project_id)
    with engine.store.reading() as connection:
        size = states.batch_sizes(connection, at, (batch.id,)).get(batch.id, 0)
    return PlacedBatch(batch=batch, size=size)


@handles(CreateEmptyBatch)
def create_empty_batch(engine: Engine, request: CreateEmptyBatch) -> Batch:
    """Make a batch without rows."""
    with engine.store.transaction():
        return _new_batch(engine, open_project(engine, request.project_id), request)


@handles(AddBatchRows)
def add_batch_rows(engine: Engine, request: AddBatchRows) -> int:
    """Send more data rows with a batch."""
    with engine.store.transaction():
        opened = open_project(engine, request.project_id)
        batch = _batch(engine, request.project_id, request.batch_id)
        known = gathered_rows(engine.store, request.data_row_ids, request.global_keys)
        if request.priority is not None:
            batch = replace(batch, priority=request.priority)
        _put(engine, opened, batch, list(known.values()))
        return len(known)


def _batch(engine: Engine, project_id: str, id: str) -> Batch:
    batch = engine.store.get(Batch, id)
    if batch.project_id != project_id:
        raise NotFound(f"no batch {id!r} in project {project_id!r}")
    return batch


@handles(CreateBatches)
def create_batches(engine: Engine, request: CreateBatches) -> list[Batch]:
    """Send many data rows: all in one transaction, in batches of their own."""
    store = engine.store
    with store.transaction() as connection:
        opened = open_project(engine, request.project_id)
        ids: Sequence[str] = request.data_row_ids
        if request.dataset_id is not None:
            store.get(Dataset, request.dataset_id)
            ids = lookup.dataset_ids(connection, store.org, request.dataset_id)
        known = list(gathered_rows(store, ids, request.global_keys).values())
        if not known:
            raise Invalid(f"batches {request.prefix!r} have no data rows; give data_row_ids or global_keys")
        made = []
        for number, start in enumerate(range(0, len(known), BATCH_LIMIT)):
            one = CreateEmptyBatch(
                project_id=request.project_id,
                name=f"{request.prefix}{number:04}",
                priority=request.priority,
                consensus=request.consensus,
            )
            batch = _new_batch(engine, opened, one)
            _put(engine, opened, batch, known[start : start + BATCH_LIMIT])
            made.append(batch)
        return made


@handles(RemoveBatchRows)
def remove_batch_rows(engine: Engine, request: RemoveBatchRows) -> int:
    """Take the unlabelled rows of a batch out."""
    with engine.store.transaction():
        opened = open_project(engine, request.project_id)
        batch = _batch(engine, request.project_id, request.batch_id)
        count = 0
        for rows, labels in _pages(opened, batch.id):
            queued = [row for row in rows if row["data_row"] not in labels]
            opened.change.remove_rows(queued, engine.now())
            count += len(queued)
        return count


@handles(DeleteBatchLabels)
def delete_batch_labels(engine: Engine, request: DeleteBatchLabels) -> list[str]:
    """Remove the labels of a batch's rows."""
    with engine.store.transaction():
        opened = open_project(engine, request.project_id)
        batch = _batch(engine, request.project_id, request.batch_id)
        mover = Mover(opened.project, engine.user.email, engine.now())
        labeling = opened.project.task("labeling")
        gone: list[str] = []
        for rows, labels in _pages(opened, batch.id):
            found = [label for several in labels.values() for label in several]
            opened.change.drop_labels(found)
            labelled = [row for row in rows if row["data_row"] in labels]
            opened.change.put_rows(
                [], [mover.moved(renewed(row, engine.now()), labeling) for row in labelled]
            )
            gone += [label["id"] for label in found]
        return gone


@handles(DeleteBatch)
def delete_batch(engine: Engine, request: DeleteBatch) -> None:
    """Remove a batch with its rows in the project."""
    with engine.store.transaction():
        opened = open_project(engine, request.project_id)
        batch = _batch(engine, request.project_id, request.batch_id)
        for rows, labels in _pages(opened, batch.id):
            if labels:
                raise Conflict(f"batch {batch.name!r} has rows with labels; remove its labels first")
            opened.change.remove_rows(rows, engine.now())
        engine.store.delete(Batch, batch.id)


def _pages(opened: OpenProject, batch: str) -> Iterator[tuple[list[Fields], dict[int, list[Fields]]]]:
    """The rows of a batch with their labels, page by page."""
    last = 0
    while rows := opened.change.rows_after(last, PAGE, batch=batch):
        last = rows[-1]["data_row"]
        yield rows, opened.change.labels([row["data_row"] for row in rows])


def _expected_labels(project_id: str, batch: Batch, ids: list[str]) -> dict[str, int]:
    """How many labels the rows chosen for consensus should get; the others get one."""
    settings = batch.consensus
    if not isinstance(settings, ConsensusSettings) or settings.number_of_labels == 1:
        return {}
    # A float such as 0.07 times 100 lies a little beyond the number meant.
    chosen = math.ceil(round(settings.coverage_percentage * len(ids), 6))
    key = blake2b(f"{project_id}\x1f{batch.name}".encode("utf-8", "surrogatepass"), digest_size=32).digest()

    def lot(id: str) -> bytes:
        return blake2b(id.encode("utf-8", "surrogatepass"), key=key, digest_size=16).digest()

    return dict.fromkeys(sorted(ids, key=lot)[:chosen], settings.number_of_labels)
