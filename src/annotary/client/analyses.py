"""Analyses as a user asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from annotary.client.exports import Exporting
from annotary.errors import Invalid
from annotary.model.analysis import Evaluation, RowScore, Statistics, Suspects
from annotary.model.export import LabelRule
from annotary.model.watching import Watcher, watched
from annotary.operations.analyses import CountStatistics, EvaluateRun, FindSuspects, MatchRow, Measure


class Counting(Exporting):
    """The numbers of what has rows."""

    def stats(
        self,
        filters: dict[str, Any] | None = None,
        *,
        as_of: int | str | None = None,
        labels: LabelRule = "all",
        split: tuple[float, ...] = (),
        seed: int = 0,
        split_by: str = "",
        progress: Watcher | None = None,
    ) -> Statistics:
        """Counts and sizes of the rows that pass the filters; of a dataset's rows in all projects.

        `split` gives shares of train, val and test; `split_by` counts by the values of a metadata field, or
        with shares keeps those together. `progress` is called with the rows done and all there are (None
        where that is not known); of a server it hears nothing. Raises Invalid.
        """
        query = self._query(filters, {"all_projects": True}, as_of=as_of, labels=labels)
        request = CountStatistics(query=query, split=tuple(split), seed=seed, split_by=split_by)
        with watched(progress):
            return self._port.call(request)


class Labelled(Counting):
    """What has labels of its own."""

    def lint(
        self,
        filters: dict[str, Any] | None = None,
        *,
        as_of: int | str | None = None,
        labels: LabelRule = "all",
        limit: int = 50,
        confidence: float = 0.8,
        progress: Watcher | None = None,
    ) -> Suspects:
        """Labels that look wrong, the most suspicious first; of a run also predictions without a label.

        `progress` is called as by `stats`. Raises Invalid.
        """
        query = self._query(filters, None, as_of=as_of, labels=labels)
        with watched(progress):
            return self._port.call(FindSuspects(query=query, limit=limit, confidence=confidence))


class Judging(Labelled):
    """What a file of predictions can be measured against."""

    id: str

    def evaluate(
        self,
        predictions: str | Path,
        *,
        format: str | None = None,
        labels: LabelRule = "all",
        iou: float = 0.5,
        confidence: float = 0.0,
        limit: int = 20,
        data_row_ids: Sequence[str] = (),
        averages: bool = True,
        progress: Watcher | None = None,
    ) -> Evaluation:
        """Measure the predictions of a file (COCO results, Labelbox import lines) against the labels.

        `progress` is called as by `stats`. Raises Invalid, Refused.
        """
        measure = _measure(labels, iou, confidence, limit, data_row_ids, averages)
        with watched(progress):
            return self._port.evaluate(predictions, measure, project_id=self.id, format=format)


class Predicting(Labelled):
    """What has predictions beside its labels."""

    id: str

    def evaluate(
        self,
        project_id: str | None = None,
        *,
        labels: LabelRule = "all",
        iou: float = 0.5,
        confidence: float = 0.0,
        limit: int = 20,
        data_row_ids: Sequence[str] = (),
        averages: bool = True,
        progress: Watcher | None = None,
    ) -> Evaluation:
        """Measure the predictions against the run's labels, or a project's.

        `progress` is called as by `stats`. Raises Invalid, NotFound.
        """
        measure = _measure(labels, iou, confidence, limit, data_row_ids, averages)
        with watched(progress):
            return self._port.call(EvaluateRun(model_run_id=self.id, project_id=project_id, measure=measure))

    def match(
        self, data_row_id: str, *, label_id: str | None = None, iou: float = 0.5, confidence: float = 0.0
    ) -> RowScore:
        """What goes with what in one row: its predictions and its labels, or one of them.

        Raises Invalid where the row has no label, NotFound.
        """
        return self._port.call(
            MatchRow(
                model_run_id=self.id,
                data_row_id=data_row_id,
                label_id=label_id,
                iou=iou,
                confidence=confidence,
            )
        )


def _measure(
    labels: LabelRule, iou: float, confidence: float, limit: int, data_row_ids: Sequence[str], averages: bool
) -> Measure:
    given = {
        "labels": labels,
        "iou": iou,
        "confidence": confidence,
        "limit": limit,
        "data_row_ids": tuple(data_row_ids),
        "averages": averages,
    }
    try:
        return msgspec.convert(given, Measure)
    except msgspec.ValidationError as error:
        raise Invalid(f"evaluate: {error}") from None
