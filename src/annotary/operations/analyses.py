"""Analyses: statistics, predictions against labels, suspicious labels."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from annotary.model.analysis import Evaluation, RowScore, Share, Statistics, Suspects
from annotary.model.base import Value
from annotary.model.export import ExportQuery, LabelRule
from annotary.operations import Operation, post

Limit = Annotated[int, Meta(ge=0, le=10_000)]


class CountStatistics(Operation[Statistics]):
    """Counts and sizes of what a query selects; `split` gives shares, `split_by` a metadata field."""

    route = post("/statistics")
    query: ExportQuery
    split: tuple[float, ...] = ()
    seed: int = 0
    split_by: str = ""


class Measure(Value):
    """How predictions are measured: `limit` rows are told of, of `data_row_ids` alone where any are given.

    Without `averages` there is no AP and no curve, and memory does not grow with the rows.
    """

    labels: LabelRule = "all"
    iou: Share = 0.5
    confidence: Share = 0.0
    limit: Limit = 20
    data_row_ids: tuple[str, ...] = ()
    averages: bool = True


class EvaluateRun(Operation[Evaluation]):
    """Measure a run's predictions against its labels, or those of a project."""

    route = post("/evaluations/{model_run_id}")
    model_run_id: str
    project_id: str | None = None
    measure: Measure = Measure()


class MatchRow(Operation[RowScore]):
    """What goes with what in one row of a run: its predictions and its labels, or one of them."""

    route = post("/evaluations/{model_run_id}/rows/{data_row_id}")
    model_run_id: str
    data_row_id: str
    label_id: str | None = None
    iou: Share = 0.5
    confidence: Share = 0.0


class EvaluateFile(Operation[Evaluation]):
    """Measure the predictions of a file that was sent against a project's labels; `source` is its id."""

    route = post("/projects/{project_id}/evaluations")
    project_id: str
    source: str
    format: str | None = None
    measure: Measure = Measure()


class FindSuspects(Operation[Suspects]):
    """Labels of a project or run that look wrong; of a run also confident predictions without a label."""

    route = post("/suspects")
    query: ExportQuery
    limit: Limit = 50
    confidence: Share = 0.8
