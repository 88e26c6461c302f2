"""Batches: data rows on their way into a project."""

from __future__ import annotations

import math
from hashlib import blake2b
from uuid import uuid4

from msgspec import UNSET

from annotary.engine.core import Engine
from annotary.engine.places import Places
from annotary.engine.versions import PAGE, Fields, OpenProject, gathered_rows
from annotary.errors import Conflict, Invalid
from annotary.model import sections
from annotary.model.project import Batch, ConsensusSettings
from annotary.model.row import ProjectDetails
from annotary.operations.projects import CreateBatch


def send(engine: Engine, opened: OpenProject, request: CreateBatch) -> Batch:
    """Put data rows into a project, to wait for being labelled."""
    store, project, change, now = engine.store, opened.project, opened.change, engine.now()
    known = gathered_rows(store, request.data_row_ids, request.global_keys)
    if not known:
        raise Invalid(f"batch {request.name!r} has no data rows; give data_row_ids or global_keys")
    if store.find(Batch, name=request.name, parent=project.id, limit=1):
        raise Conflict(f"project {project.id!r} has a batch {request.name!r} already; give another name")
    batch = Batch(
        id=str(uuid4()),
        project_id=project.id,
        name=request.name,
        created_at=now,
        priority=request.priority,
        consensus=request.consensus,
        created_by=engine.user.email,
    )
    store.add(batch)
    ontology_id = Places(store, now, engine.user.email).project(project.id, None).ontology.id
    expected = _expected_labels(project.id, batch, list(known))
    rows = list(known.values())
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
    return batch


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
