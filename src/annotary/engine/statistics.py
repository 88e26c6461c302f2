"""Counts and sizes of what a query selects, in one pass: memory does not grow with the rows."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import Raw
from msgspec.structs import replace

from annotary.engine import splitting
from annotary.engine.core import Engine, handles
from annotary.engine.exporting import open_corpus
from annotary.engine.shapes import COMPARED
from annotary.errors import Invalid
from annotary.formats import TrainingOptions
from annotary.formats import _marks as marks
from annotary.formats._images import image_of
from annotary.model.analysis import Bin, SplitCounts, Statistics
from annotary.model.corpus import Corpus, Page
from annotary.model.export import ExportQuery, ProjectScope, RunScope
from annotary.model.image import Image, Mark
from annotary.operations.analyses import CountStatistics

AREAS = {"small": 32.0**2, "medium": 96.0**2, "large": float("inf")}
"""COCO's sizes: up to so many pixels of area (pycocotools, cocoeval.Params)."""
RELATIVE = (0.0, 0.0001, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
ASPECT = (0.0, 0.1, 0.2, 1 / 3, 0.5, 2 / 3, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)
PER_ROW = (0.0, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0)
TEXT = "(text)"
_CREATED_AT, _DETAILS = 3, 5


class Answer(msgspec.Struct):
    """A chosen option, as far as it is counted."""

    name: str = ""
    value: str = ""
    classifications: list[Question] = []


class Question(msgspec.Struct):
    """An answered question, as far as it is counted."""

    name: str = ""
    value: str = ""
    radio_answer: Answer | None = None
    checklist_answers: list[Answer] | None = None
    classifications: list[Question] = []


class _Details(msgspec.Struct):
    created_by: str | None = None


class _Project(msgspec.Struct):
    workflow_status: str | None = None


class _Field(msgspec.Struct):
    schema_name: str = ""
    value: Any = None


questions_of = msgspec.json.Decoder(list[Question]).decode
_details = msgspec.json.Decoder(_Details).decode
_project = msgspec.json.Decoder(_Project).decode
_fields = msgspec.json.Decoder(list[_Field]).decode


class Tally:
    """What is counted of rows as they go by; sizes only where they are asked for, since pixels cost."""

    def __init__(self, corpus: Corpus, request: CountStatistics | None) -> None:
        self.corpus = corpus
        self.request = request
        self.run = any(one.kind == "model_run" for one in corpus.shown)
        self.rows = self.labels = self.empty = self.objects = self.unmeasured = 0
        self.kinds: Counter[str] = Counter()
        self.statuses: Counter[str] = Counter()
        self.labels_by_status: Counter[str] = Counter()
        self.classes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.sizes: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.answers: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.splits: dict[str, SplitCounts] = {}
        self.annotators: Counter[str] = Counter()
        self.days: Counter[str] = Counter()
        self.relative, self.aspect, self.per_row = [0] * len(RELATIVE), [0] * len(ASPECT), [0] * len(PER_ROW)

    def page(self, page: Page) -> None:
        """Count the rows of a page."""
        for row in page.rows:
            labels = [
                label
                for part in page.parts
                for label in (*part.labels.get(row[0], ()), *part.predictions.get(row[0], ()))
            ]
            self._row(row, labels)

    def _row(self, row: tuple[Any, ...], labels: list[tuple[Any, ...]]) -> None:
        self.rows += 1
        self.labels += len(labels)
        image = image_of(row, labels, self.run and self.corpus.single)
        self._questions(image.answers)
        for mark in image.marks:
            self.kinds[mark.word] += 1
            self.classes[mark.name][mark.word] += 1
            self._questions(mark.classifications)
            if self.request is not None and mark.kind in COMPARED:
                self._measure(mark, image)
        drawn = len(image.marks)
        self.objects += drawn
        self.empty += not drawn
        self.per_row[bisect_right(PER_ROW, drawn) - 1] += 1
        status = status_of(row[9]) if not self.run and row[9] else None
        if status is not None:
            self.statuses[status] += 1
            self.labels_by_status[status] += len(labels)
        if self.request is None:
            return
        for label in labels:
            self.days[bytes(label[_CREATED_AT])[:10].decode()] += 1
            # Labels out of files may not say who made them.
            self.annotators[(_details(label[_DETAILS]).created_by if label[_DETAILS] else None) or ""] += 1
        for name in self._splits(image):
            had = self.splits.get(name, SplitCounts())
            self.splits[name] = SplitCounts(
                rows=had.rows + 1, labels=had.labels + len(labels), objects=had.objects + drawn
            )

    def _splits(self, image: Image) -> Iterable[str]:
        assert self.request is not None
        if self.request.split:
            options = TrainingOptions(
                split=self.request.split, seed=self.request.seed, split_by=self.request.split_by
            )
            return [one.split for one in splitting.split(iter((image,)), options, lambda one: "")]
        if self.request.split_by:
            found = _fields(image.metadata) if image.metadata else []
            values = [one.value for one in found if one.schema_name == self.request.split_by]
            return [value if isinstance(value, str) else str(value) for value in values] or [""]
        return [image.split] if self.run else []

    def _measure(self, mark: Mark, image: Image) -> None:
        try:
            left, top, right, bottom = marks.corners(mark, image, self.corpus.pixels)
            area = marks.area(mark, image, self.corpus.pixels)
        except (ValueError, LookupError):
            self.unmeasured += 1
            return
        # As COCO's evaluation does: what lies on a limit is on both of its sides; here it is the smaller.
        self.sizes[mark.name][next(name for name, limit in AREAS.items() if area <= limit)] += 1
        if image.width and image.height:
            self.relative[bisect_right(RELATIVE, area / (image.width * image.height)) - 1] += 1
        if bottom > top:
            self.aspect[bisect_right(ASPECT, (right - left) / (bottom - top)) - 1] += 1

    def _questions(self, text: Raw) -> None:
        if text:
            self._answered(questions_of(text))

    def _answered(self, given: list[Question]) -> None:
        for question in given:
            chosen = question.checklist_answers or []
            if question.radio_answer is not None:
                self.kinds["radio"] += 1
                chosen = [question.radio_answer]
            else:
                self.kinds["text" if question.checklist_answers is None else "checklist"] += 1
            counts = self.answers[question.name or question.value]
            if question.radio_answer is None and question.checklist_answers is None:
                counts[TEXT] += 1
            for answer in chosen:
                counts[answer.name or answer.value] += 1
                self._answered(answer.classifications)
            self._answered(question.classifications)

    def summary(self, sequence: int | None) -> dict[str, Any]:
        """The fields of a Summary."""
        return {
            "rows": self.rows,
            "labels": self.labels,
            "rows_without_objects": self.empty,
            "by_status": _ordered(self.statuses),
            "by_kind": _ordered(self.kinds),
            "by_class": {name: sum(self.classes[name].values()) for name in sorted(self.classes)},
            "sequence": sequence,
        }

    def statistics(self, sequence: int | None) -> Statistics:
        """All that was counted."""
        return Statistics(
            **self.summary(sequence),
            objects=self.objects,
            labels_by_status=_ordered(self.labels_by_status),
            by_class_and_kind=_nested(self.classes),
            sizes={name: {size: self.sizes[name][size] for size in AREAS} for name in sorted(self.sizes)},
            relative_area=_bins(RELATIVE, self.relative),
            aspect=_bins(ASPECT, self.aspect),
            objects_per_row=_bins(PER_ROW, self.per_row),
            answers=_nested(self.answers),
            by_split=dict(sorted(self.splits.items())),
            by_annotator=_ordered(self.annotators),
            by_day=_ordered(self.days),
            unmeasured=self.unmeasured,
        )


@handles(CountStatistics)
def count_statistics(engine: Engine, request: CountStatistics) -> Statistics:
    """Counts and sizes of what a query selects; a run's predictions count as labels. Raises Invalid."""
    if request.split:
        splitting.checked(TrainingOptions(split=request.split, split_by=request.split_by))
    params = replace(
        request.query.params,
        label_details=True,
        project_details=True,
        model_run_details=True,
        metadata_fields=bool(request.split_by),
    )
    tally, sequence = _counted(engine, replace(request.query, params=params), request)
    return tally.statistics(sequence)


def _counted(engine: Engine, query: ExportQuery, request: CountStatistics | None) -> tuple[Tally, int | None]:
    if query.since is not msgspec.UNSET:
        raise Invalid("since gives changed rows only; count the whole, or an as_of")
    sequence = None
    if isinstance(query.scope, ProjectScope | RunScope) and query.as_of is msgspec.UNSET:
        kind = "project" if isinstance(query.scope, ProjectScope) else "model_run"
        at, _, _ = engine.store.at(kind, query.scope.id)
        sequence = at.sequence
        query = replace(query, as_of=sequence)
    elif isinstance(query.as_of, int):
        sequence = query.as_of
    corpus = open_corpus(engine, query)
    tally = Tally(corpus, request)
    for page in corpus.pages:
        tally.page(page)
    return tally, sequence


def status_of(text: bytes) -> str | None:
    """The workflow status in a row's project details."""
    return _project(text).workflow_status


def _bins(edges: tuple[float, ...], counts: list[int]) -> tuple[Bin, ...]:
    ends = (*edges[1:], None)
    return tuple(
        Bin(low=low, high=high, count=count) for low, high, count in zip(edges, ends, counts, strict=True)
    )


def _ordered(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items()))


def _nested(counts: dict[str, Counter[str]]) -> dict[str, dict[str, int]]:
    return {name: _ordered(counts[name]) for name in sorted(counts)}
