"""Data rows on their way into a model run, with the labels they have in a project."""

from __future__ import annotations

from collections.abc import Container, Sequence
from typing import Any

import msgspec

from annotary.engine.core import Engine
from annotary.engine.versions import PAGE, Fields, OpenRun, gathered_rows, renewed
from annotary.errors import NotFound
from annotary.model import sections
from annotary.model.base import derived_uuid, feature_hash, to_json
from annotary.model.ontology import Ontology
from annotary.model.project import Model, ModelRun, Project
from annotary.store import KnownRow, states
from annotary.store.changes import LABEL_FIELDS
from annotary.store.feature_index import feature_entries
from annotary.store.filters import At


class _Drawn(msgspec.Struct, gc=False):
    feature_id: str


class _Annotations(msgspec.Struct, gc=False):
    """Only the ids that are indexed."""

    objects: list[_Drawn]


ALL = 100_000
_decode = msgspec.json.Decoder(_Annotations).decode


def add(
    engine: Engine,
    opened: OpenRun,
    ids: Sequence[str],
    project_id: str | None,
    *,
    global_keys: Sequence[str] = (),
    only: Container[str] | None = None,
) -> int:
    """Put rows into a run, with the labels of the project as it is; doing it again brings them up to date.

    `only` are the ids of the labels that come along, where not all shall.
    """
    store, change = engine.store, opened.change
    at = None
    if project_id is not None:
        project = store.get(Project, project_id)
        at, _, _ = store.at("project", project_id)
        _take_ontology(engine, opened, project)
    known = list(gathered_rows(store, ids, global_keys).values())
    for start in range(0, len(known), PAGE):
        some = known[start : start + PAGE]
        labels = _labels(engine, at, project_id, some, only)
        present = change.rows([one.n for one in some])
        moved = _put_labels(opened, some, labels, project_id)
        new: list[Fields] = []
        again: list[Fields] = []
        for one in some:
            old = present.get(one.n)
            tail = f'"run_data_row_id":{to_json(derived_uuid(opened.run.id, one.id))}'
            if old is None:
                fields: Fields = {"data_row": one.n, "deleted": 0, "version": one.version, "tail": tail}
                new.append({**fields, "activity": engine.now(), "status": "", "batch": "", "extra": ""})
            elif old["deleted"]:
                again.append(renewed(old, engine.now(), deleted=0, version=one.version, extra=""))
            elif one.n in moved:
                again.append(renewed(old, engine.now()))
        change.put_rows(new, again)
    return len(known)


def _take_ontology(engine: Engine, opened: OpenRun, project: Project) -> None:
    """A model without an ontology gets that of the labels."""
    store = engine.store
    model = store.get(Model, opened.run.model_id)
    if model.ontology_id is None and project.ontology_id is not None:
        store.put(msgspec.structs.replace(model, ontology_id=project.ontology_id))
        text = to_json(store.get(Ontology, project.ontology_id).normalized)
        for run in store.find(ModelRun, parent=model.id, limit=ALL):
            same = run.id == opened.run.id
            change = opened.change if same else store.change(store.collection("model_run", run.id))
            change.describe(run.name, text)


def _labels(
    engine: Engine,
    at: At | None,
    project_id: str | None,
    some: list[KnownRow],
    only: Container[str] | None,
) -> dict[int, list[dict[str, Any]]]:
    """The labels that rows have in the project, by row; raises NotFound for a row that is not there."""
    if at is None:
        return {}
    numbers = [one.n for one in some]
    with engine.store.reading() as connection:
        there = states.rows_at(connection, at, numbers)
        labels = states.labels_at(connection, at, data_rows=numbers)
    for one in some:
        if one.n not in there:
            raise NotFound(f"data row {one.id!r} is not in project {project_id!r}")
    grouped: dict[int, list[dict[str, Any]]] = {}
    for label in labels:
        if only is not None and label["id"] not in only:
            continue
        grouped.setdefault(label["data_row"], []).append(label)
    return grouped


def _put_labels(
    opened: OpenRun, some: list[KnownRow], labels: dict[int, list[dict[str, Any]]], project_id: str | None
) -> set[int]:
    """Write copies of labels where they are new or other than before; the rows that this concerns."""
    present = opened.change.labels([one.n for one in some])
    new: list[Fields] = []
    changed: list[Fields] = []
    features: list[int] = []
    for number, several in labels.items():
        there = {label["id"]: label for label in present.get(number, ()) if not label["prediction"]}
        for label in several:
            copy = _copy(opened, label, str(project_id))
            old = there.get(label["id"])
            if old is None:
                new.append(copy)
            elif any(old[name] != copy[name] for name in LABEL_FIELDS):
                changed.append({**old, **copy})
            else:
                continue
            found = _decode(sections.plain(copy["annotations"]))
            features += feature_entries([feature_hash(one.feature_id) for one in found.objects], number)
    opened.change.put_labels(new, changed)
    opened.change.put_features(features)
    return {label["data_row"] for label in (*new, *changed)}


def _copy(opened: OpenRun, label: dict[str, Any], project_id: str) -> Fields:
    """A label's columns for the run, where its masks have addresses of the run's own."""
    copy = {name: label[name] for name in LABEL_FIELDS}
    for id in msgspec.json.decode(label["masks"]) if label["masks"] else ():
        old = _url(f"/api/v1/projects/{project_id}/annotations/{id}/index/1/mask")
        new = _url(f"/api/v1/models/{opened.run.model_id}/annotations/{id}/mask")
        copy["annotations"] = copy["annotations"].replace(old, new)
    return copy


def _url(path: str) -> str:
    return f'"url":"{sections.BASE}{to_json(path)[1:-1]}"'
