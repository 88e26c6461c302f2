"""Labels: saving, finding, removing, judging."""

from __future__ import annotations

from msgspec import UNSET
from msgspec.structs import replace

from annotary.engine import labelling
from annotary.engine.core import Engine, handles
from annotary.engine.labelling import details_of, head_of, label_of, with_details, with_head
from annotary.engine.versions import (
    Fields,
    OpenProject,
    known_rows,
    open_project,
    pages_of,
    renewed,
)
from annotary.engine.webhooks import emit
from annotary.engine.workflow import Mover
from annotary.errors import NotFound
from annotary.model.base import new_id, to_json
from annotary.model.project import Project
from annotary.model.row import Label, Review
from annotary.model.webhook import Topic
from annotary.operations.labels import (
    CreateReview,
    DeleteLabels,
    DropBenchmark,
    FindLabels,
    GetLabel,
    PlacedLabel,
    SaveLabel,
    SearchLabels,
    SetBenchmark,
)
from annotary.store import lookup, states


@handles(SaveLabel)
def save_label(engine: Engine, request: SaveLabel) -> Label:
    """Save a labeller's work; a submit moves the row on."""
    now = engine.now()
    given = labelling.checked(request.annotations)
    with engine.store.transaction():
        opened = open_project(engine, request.project_id)
        row = opened.row(engine.store, request.data_row_id)
        before = None
        if request.label_id is not None:
            before = _present(opened, request.label_id)
            if before["data_row"] != row["data_row"]:
                raise NotFound(f"label {request.label_id!r} is not one of data row {request.data_row_id!r}")
        columns = labelling.save(engine, opened, request, given, row, before)
        after = renewed(row, now)
        if request.submit:
            labels = len(opened.change.labels([row["data_row"]])[row["data_row"]])
            after = Mover(opened.project, engine.user.email, now).submitted(after, labels)
        opened.change.put_rows([], [after])
        topic: Topic = "LABEL_CREATED" if before is None else "LABEL_UPDATED"
        emit(engine, topic, request.project_id, data_row_id=request.data_row_id, label_id=columns["id"])
        return label_of(columns, engine.base_url)


def _present(opened: OpenProject, id: str) -> Fields:
    found = opened.change.label(id)
    if found is None:
        raise NotFound(f"no label {id!r} in project {opened.project.id!r}")
    return found


@handles(GetLabel)
def get_label(engine: Engine, request: GetLabel) -> Label:
    """One label, now or at a sequence number."""
    store = engine.store
    store.get(Project, request.project_id)
    at, _, _ = store.at("project", request.project_id, request.as_of)
    with store.reading() as connection:
        found = states.labels_at(connection, at, id=request.label_id)
    if not found:
        then = "" if request.as_of is None else f" at {request.as_of}"
        raise NotFound(f"no label {request.label_id!r} in project {request.project_id!r}{then}")
    return label_of(found[0], engine.base_url)


@handles(FindLabels)
def find_labels(engine: Engine, request: FindLabels) -> list[Label]:
    """The labels of a row, in the order of exports."""
    store = engine.store
    store.get(Project, request.project_id)
    known = known_rows(store, (request.data_row_id,))[request.data_row_id]
    at, _, _ = store.at("project", request.project_id)
    with store.reading() as connection:
        if not states.rows_at(connection, at, (known.n,)):
            raise NotFound(f"data row {known.id!r} is not in project {request.project_id!r}")
        found = states.labels_at(connection, at, data_rows=(known.n,))
    return [label_of(columns, engine.base_url) for columns in found]


@handles(SearchLabels)
def search_labels(engine: Engine, request: SearchLabels) -> list[PlacedLabel]:
    """Labels wherever they are, in the order of their making."""
    store = engine.store
    if request.project_id is not None:
        store.get(Project, request.project_id)
    texts = []
    if request.created_by is not None:
        texts.append(("details", f'"created_by":{to_json(request.created_by)}'))
    if request.benchmarks:
        texts.append(("head", '"is_benchmark_reference":true'))
    with store.reading() as connection:
        found = lookup.labels_page(
            connection,
            store.org,
            project=request.project_id,
            ids=request.label_ids,
            data_row=request.data_row_id,
            datasets=request.dataset_ids,
            texts=texts,
            newest_first=request.newest_first,
            skip=request.skip,
            limit=request.limit,
        )
    return [
        PlacedLabel(
            project_id=columns["project_id"],
            data_row_id=columns["data_row_id"],
            label=label_of(columns, engine.base_url),
        )
        for columns in found
    ]


@handles(DeleteLabels)
def delete_labels(engine: Engine, request: DeleteLabels) -> int:
    """Remove labels; a row without any left waits to be labelled again."""
    now = engine.now()
    count = 0
    with engine.store.transaction():
        opened = open_project(engine, request.project_id)
        change = opened.change
        mover = Mover(opened.project, engine.user.email, now)
        labeling = opened.project.task("labeling")
        for some in pages_of(request.label_ids):
            found = [_present(opened, id) for id in some]
            change.drop_labels(found)
            numbers = sorted({label["data_row"] for label in found})
            left = change.labels(numbers)
            rows = [renewed(row, now) for row in change.rows(numbers).values()]
            change.put_rows(
                [], [row if row["data_row"] in left else mover.moved(row, labeling) for row in rows]
            )
            count += len(found)
            for label in found:
                emit(engine, "LABEL_DELETED", request.project_id, label_id=label["id"])
    return count


@handles(CreateReview)
def create_review(engine: Engine, request: CreateReview) -> Review:
    """Judge a label; a row in review moves on to Done, or back to rework."""
    now, by = engine.now(), engine.user.email
    with engine.store.transaction():
        opened = open_project(engine, request.project_id)
        label = _present(opened, request.label_id)
        details, extras = details_of(label)
        review = Review(id=new_id(), score=request.score, created_at=now, created_by=by)
        judged = replace(details, reviews=(*details.reviews, review), updated_at=now)
        opened.change.put_labels([], [{**label, "details": with_details(judged, extras)}])
        row = renewed(opened.change.rows([label["data_row"]])[label["data_row"]], now)
        if row["status"] == "IN_REVIEW":
            mover = Mover(opened.project, by, now)
            if request.score > 0:
                row = mover.moved(row, None, "Approve")
            else:
                row = mover.moved(row, opened.project.task("rework"), "Reject")
        opened.change.put_rows([], [row])
        told = {"label_id": request.label_id, "review_id": review.id, "score": review.score}
        emit(engine, "REVIEW_CREATED", request.project_id, **told)
        return review


@handles(SetBenchmark)
def set_benchmark(engine: Engine, request: SetBenchmark) -> None:
    """Make a label its row's benchmark; there is one at most."""
    _mark(engine, request.project_id, request.label_id, benchmark=True)


@handles(DropBenchmark)
def drop_benchmark(engine: Engine, request: DropBenchmark) -> None:
    """Let a label be an ordinary one again."""
    _mark(engine, request.project_id, request.label_id, benchmark=False)


def _mark(engine: Engine, project_id: str, label_id: str, *, benchmark: bool) -> None:
    with engine.store.transaction():
        opened = open_project(engine, project_id)
        number = _present(opened, label_id)["data_row"]
        changed: list[Fields] = []
        for label in opened.change.labels([number])[number]:
            head, extras = head_of(label)
            was = head.is_benchmark_reference is True
            shall = benchmark if label["id"] == label_id else was and not benchmark
            if was != shall:
                marked = replace(head, is_benchmark_reference=True if shall else UNSET)
                changed.append({**label, "head": with_head(marked, extras)})
        if changed:
            opened.change.put_labels([], changed)
            rows = opened.change.rows([number])
            opened.change.put_rows([], [renewed(rows[number], engine.now())])
