"""Labels, their reviews and benchmarks."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from annotary.errors import Invalid, NotFound
from annotary.model.annotation import Annotations
from annotary.model.row import LabelDetails, Performance
from annotary.operations.labels import (
    CreateReview,
    DeleteLabels,
    DropBenchmark,
    PlacedLabel,
    SaveLabel,
    SearchLabels,
    SetBenchmark,
)
from annotary.server.labelbox import shapes
from annotary.server.labelbox.context import Context, Json, resolves
from annotary.server.labelbox.filters import listed

PAGE = 1000


def placed(context: Context, id: str) -> PlacedLabel:
    """One label, wherever it is; raises NotFound."""
    found = context.call(SearchLabels(label_ids=(id,), limit=1))
    if not found:
        raise NotFound(f"no label {id!r}")
    return found[0]


@resolves("Query.label")
def label(parent: Any, context: Context, where: Json) -> Json:
    """One label."""
    return shapes.label(placed(context, where["id"]))


@resolves("Project.labels")
def of_project(parent: Json, context: Context, **asked: Any) -> list[Json]:
    """The labels of a project."""
    return _labels(context, asked, project_id=parent["id"])


@resolves("DataRow.labels")
def of_data_row(parent: Json, context: Context, **asked: Any) -> list[Json]:
    """The labels of a data row, in all projects."""
    return _labels(context, asked, data_row_id=parent["id"])


def _labels(context: Context, asked: Json, **where: Any) -> list[Json]:
    condition = asked.get("where") or {}
    if condition.get("deleted"):
        return []
    row = condition.get("dataRow") or {}
    dataset = row.get("dataset") or {}
    if "id" in row:
        where["data_row_id"] = row["id"]
    if "id_in" in dataset or "id" in dataset:
        where["dataset_ids"] = tuple(dataset.get("id_in") or (dataset["id"],))
    if "createdBy" in condition:
        user = context.engine.user
        if condition["createdBy"]["id"] != user.id:
            return []
        where["created_by"] = user.email
    order = asked.get("orderBy") or "createdAt_ASC"
    if order.rpartition("_")[0] not in ("createdAt", "id"):
        raise Invalid(f"labels are ordered by createdAt here, not by {order}")
    first = asked.get("first")
    search = SearchLabels(
        newest_first=order.endswith("DESC"),
        skip=max(asked.get("skip") or 0, 0),
        limit=min(PAGE if first is None else max(first, 0), PAGE),
        **where,
    )
    return [shapes.label(one) for one in context.call(search)]


@resolves("Mutation.updateLabel")
def update_label(parent: Any, context: Context, where: Json, data: Json) -> Json:
    """Put other annotations into a label: they stand in its text as they do in an export."""
    found = placed(context, where["id"])
    text = data.get("label")
    annotations = found.label.annotations if text is None else _annotations(text)
    spent = data.get("secondsToLabel")
    performance = UNSET if spent is None else Performance(seconds_to_create=spent)
    change = SaveLabel(
        project_id=found.project_id,
        data_row_id=found.data_row_id,
        label_id=found.label.id,
        annotations=annotations,
        performance=performance,
        submit=False,
    )
    context.call(change)
    return shapes.label(placed(context, where["id"]))


def _annotations(text: str) -> Annotations:
    try:
        return msgspec.json.decode(text, type=Annotations)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid(
            f"label: {error}; give what an export shows: objects, classifications, relationships"
        ) from None


@resolves("Mutation.deleteLabels")
def delete_labels(parent: Any, context: Context, labelIds: list[str] | None = None) -> list[Json]:
    """Remove labels, wherever they are."""
    by_project: dict[str, list[str]] = {}
    for id in labelIds or ():
        by_project.setdefault(placed(context, id).project_id, []).append(id)
    for project, ids in by_project.items():
        context.call(DeleteLabels(project_id=project, label_ids=tuple(ids)))
    return [{"id": id} for id in labelIds or ()]


# Reviews


@resolves("Label.reviews")
def reviews(parent: Json, context: Context, orderBy: str | None = None, **asked: Any) -> Any:
    """The verdicts on a label."""
    found = (shapes.review(one, parent["_placed"]) for one in parent["_reviews"])
    return listed(found, order=orderBy, **asked)


@resolves("Review.label", "Benchmark.referenceLabel")
def of_review(parent: Json, context: Context) -> Json:
    """The label that is judged, or measured against."""
    return shapes.label(parent["_placed"])


@resolves("Query.review")
def review(parent: Any, context: Context, where: Json) -> Json:
    """One verdict; its id here leads to its label too."""
    label, _, own = where["id"].partition("/")
    found = placed(context, label)
    details = found.label.label_details
    for one in details.reviews if isinstance(details, LabelDetails) else ():
        if one.id == own:
            return shapes.review(one, found)
    raise NotFound(f"no review {where['id']!r}")


@resolves("Mutation.createReview")
def create_review(parent: Any, context: Context, data: Json) -> Json:
    """Judge a label: a score above 0 approves, one below rejects."""
    score = data["score"]
    if not score:
        raise Invalid("a review's score is 1 (approved) or -1 (rejected)")
    found = placed(context, data["label"]["connect"]["id"])
    new = CreateReview(project_id=found.project_id, label_id=found.label.id, score=1 if score > 0 else -1)
    return shapes.review(context.call(new), found)


@resolves("Project.reviewMetrics")
def review_metrics(parent: Json, context: Context) -> Json:
    """The way to counts of a project's reviewed labels."""
    return {"_project_id": parent["id"]}


@resolves("ReviewMetrics.labelAggregate")
def label_aggregate(parent: Json, context: Context, netScore: str | None = None) -> Json:
    """How many labels have a net score; None means not reviewed at all."""
    count = skip = 0
    while True:
        search = SearchLabels(project_id=parent["_project_id"], skip=skip, limit=PAGE)
        found = context.call(search)
        count += sum(netScore in (None, _net(one)) for one in found)
        skip += PAGE
        if len(found) < PAGE:
            return {"count": count}


def _net(one: PlacedLabel) -> str:
    details = one.label.label_details
    scores = [review.score for review in details.reviews] if isinstance(details, LabelDetails) else []
    if not scores:
        return "None"
    net = sum(scores)
    return "Positive" if net > 0 else "Negative" if net < 0 else "Zero"


# Benchmarks


@resolves("Mutation.createBenchmark")
def create_benchmark(parent: Any, context: Context, data: Json) -> Json:
    """Make a label the one that others are measured against."""
    found = placed(context, data["labelId"])
    context.call(SetBenchmark(project_id=found.project_id, label_id=found.label.id))
    return shapes.benchmark(placed(context, data["labelId"]))


@resolves("Mutation.deleteBenchmark")
def delete_benchmark(parent: Any, context: Context, where: Json) -> Json:
    """Let a label be an ordinary one again."""
    found = placed(context, where["labelId"])
    context.call(DropBenchmark(project_id=found.project_id, label_id=found.label.id))
    return {"id": where["labelId"]}


@resolves("Query.benchmark")
def benchmark(parent: Any, context: Context, where: Json) -> Json:
    """One benchmark; it has the id of its label."""
    found = placed(context, where["id"])
    if found.label.is_benchmark_reference is not True:
        raise NotFound(f"no benchmark {where['id']!r}")
    return shapes.benchmark(found)


@resolves("Project.benchmarks")
def benchmarks(parent: Json, context: Context, orderBy: str | None = None, **asked: Any) -> Any:
    """The benchmarks of a project."""
    found = context.call(SearchLabels(project_id=parent["id"], benchmarks=True, limit=PAGE))
    return listed(map(shapes.benchmark, found), order=orderBy, **asked)
