"""Sending data rows on to another project, with the labels they have in one."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from annotary.engine import batches, labels, projects
from annotary.engine.core import Engine, handles
from annotary.engine.versions import OpenProject, known_rows, open_project, pages_of
from annotary.errors import Invalid
from annotary.model.annotation import Annotations
from annotary.model.project import Batch
from annotary.operations.labels import SaveLabel, SearchLabels
from annotary.operations.projects import CreateBatch, MoveRows
from annotary.operations.sending import SendRows, SourceLabels


@handles(SendRows)
def send_rows(engine: Engine, request: SendRows) -> Batch:
    """Send rows, with labels, to where they shall be; all of it or nothing."""
    store = engine.store
    with store.transaction():
        opened = open_project(engine, request.project_id)
        known = known_rows(store, request.data_row_ids, request.global_keys)
        ids = tuple(known)
        if request.skip_present:
            ids = _absent(opened, {one.n: id for id, one in known.items()})
        if not ids:
            raise Invalid(f"batch {request.name!r} has no data rows that are not in the project already")
        new = CreateBatch(
            project_id=request.project_id, name=request.name, data_row_ids=ids, priority=request.priority
        )
        batch = batches.send(engine, opened, new)
        if request.labels is not None:
            _bring(engine, request.project_id, ids, request.labels)
        if request.task_id is not UNSET:
            move = MoveRows(project_id=request.project_id, data_row_ids=ids, task_id=request.task_id)
            projects.move_rows(engine, move)
        return batch


def _absent(opened: OpenProject, ids: dict[int, str]) -> tuple[str, ...]:
    present = opened.change.rows(list(ids))
    return tuple(id for n, id in ids.items() if n not in present or present[n]["deleted"])


def _bring(engine: Engine, project_id: str, ids: tuple[str, ...], source: SourceLabels) -> None:
    """Copy labels, with new ids, in the words of the other ontology."""
    for some in pages_of(ids):
        for id in some:
            found = SearchLabels(project_id=source.project_id, data_row_id=id, limit=1000)
            for one in labels.search_labels(engine, found):
                given = _translated(msgspec.to_builtins(one.label.annotations), source.features)
                save = SaveLabel(
                    project_id=project_id,
                    data_row_id=id,
                    annotations=msgspec.convert(given, Annotations),
                    submit=False,
                )
                labels.save_label(engine, save)


def _translated(given: dict[str, Any], features: dict[str, str]) -> dict[str, Any]:
    """Annotations without those that are not named, and with the others' schema ids changed."""
    objects = _named(given["objects"], features)
    there = {one["feature_id"] for one in objects}
    kept = [one for one in objects if _ends(one) <= there]
    return {"objects": kept, "classifications": _named(given["classifications"], features)}


def _ends(given: dict[str, Any]) -> set[str]:
    """The ids of what a relationship joins; of other objects there are none."""
    link = given.get("unidirectional_relationship") or given.get("bidirectional_relationship") or {}
    return set(link.values())


def _named(given: list[dict[str, Any]], features: dict[str, str]) -> list[dict[str, Any]]:
    found = []
    for one in given:
        if one.get("feature_schema_id") in features:
            found.append(_changed(one, features))
    return found


def _changed(given: Any, features: dict[str, str]) -> Any:
    """A feature, and what hangs under it: by the new schema id where there is one, else by its name."""
    if isinstance(given, list):
        return [_changed(one, features) for one in given]
    if not isinstance(given, dict):
        return given
    changed = {
        key: _changed(value, features) if key in _BELOW else value
        for key, value in given.items()
        if key not in ("feature_schema_id", "value")
    }
    new = features.get(given.get("feature_schema_id", ""))
    if new is not None:
        changed["feature_schema_id"] = new
        changed.pop("name", None)
    return changed


_BELOW = ("classifications", "radio_answer", "checklist_answers")
