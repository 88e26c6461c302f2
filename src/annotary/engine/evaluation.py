"""Predictions measured against labels: COCO's averages, classes, confusion, and each row."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

from msgspec.structs import replace

from annotary.engine.averages import Detections
from annotary.engine.core import Engine, handles
from annotary.engine.exporting import open_corpus
from annotary.engine.prediction_files import Predicted
from annotary.engine.shapes import Shape, overlaps, shapes
from annotary.errors import Invalid, NotFound
from annotary.formats import _marks as marks
from annotary.formats._images import images
from annotary.formats._marks import Pixels
from annotary.model.analysis import ClassScore, Evaluation, Pair, RowScore
from annotary.model.corpus import Corpus, Page, Section
from annotary.model.export import ExportParams, ExportQuery, ProjectScope, RowsScope, RunScope
from annotary.model.image import MASK, POLYGON, Image
from annotary.operations.analyses import EvaluateFile, EvaluateRun, MatchRow, Measure

Rows = Iterable[tuple[Image | None, Image]]
"""Of each row its labels, None where it has no label, and its predictions."""


class Meter:
    """Measures rows as they go by; of all rows it keeps what averages need, where they are asked for."""

    def __init__(self, request: Measure, pixels: Pixels) -> None:
        self.request = request
        self.unlabelled = 0
        self.pixels = pixels
        self.names: dict[str, int] = {}
        self.boxes, self.filled = Detections("bbox"), Detections("segm")
        self.rows = self.ignored = 0
        self.labels: Counter[str] = Counter()
        self.predictions: Counter[str] = Counter()
        self.confusion: Counter[tuple[str, str]] = Counter()
        self.left_out: Counter[str] = Counter()
        self.worst: list[tuple[float, int, RowScore]] = []
        self._order = count()

    def row(self, labelled: Image, predicted: Image) -> None:
        """Measure one row."""
        self.rows += 1
        sides = []
        for image in (labelled, predicted):
            found, rest = shapes(image, self.pixels)
            self.left_out.update(mark.word for mark in rest)
            sides.append(found)
        labels, predictions = sides
        self._keep(labelled, labels, predictions)
        score = self.match(labelled, labels, predictions)
        if self.request.limit and score.iou < 1:
            held = (-score.iou, -next(self._order), score)
            push = heapq.heappush if len(self.worst) < self.request.limit else heapq.heappushpop
            push(self.worst, held)

    def _keep(self, image: Image, labels: list[Shape], predictions: list[Shape]) -> None:
        for one in (*labels, *predictions):
            self.names.setdefault(one.mark.name, len(self.names) + 1)
        if not self.request.averages:
            return
        at = [one.image(image.height, image.width) for one in (self.boxes, self.filled)]
        for side, ours in ((labels, True), (predictions, False)):
            for one in side:
                category = self.names[one.mark.name]
                score = None if ours else _confidence(one)
                drawn = marks.area(one.mark, image, self.pixels) if one.mark.kind == POLYGON else one.area
                self.boxes.add(at[0], category, one.extent, area=drawn, crowd=one.crowd, score=score)
                if one.mark.kind in (POLYGON, MASK) and image.height and image.width:
                    pixels = one.pixels(self.pixels)
                    area = marks.area(one.mark, image, self.pixels)
                    self.filled.add(
                        at[1], category, one.extent, pixels=pixels, area=area, crowd=one.crowd, score=score
                    )

    def match(self, image: Image, labels: list[Shape], predictions: list[Shape]) -> RowScore:
        """What goes with what in one row, counted."""
        sure = [one for one in predictions if _confidence(one) >= self.request.confidence]
        sure.sort(key=_confidence, reverse=True)
        shared = overlaps(sure, labels, [one.crowd for one in labels])
        pairs: list[tuple[int, int]] = []
        free = {place for place, one in enumerate(labels) if not one.crowd}
        alone = list(range(len(sure)))
        # First within each class, as precision and recall count; then whatever lies in the same place.
        for same in (True, False):
            for place in list(alone):
                name = sure[place].mark.name
                able = [one for one in free if not same or labels[one].mark.name == name]
                best = max(able, key=lambda one: (shared[place, one], -one), default=None)
                if best is not None and shared[place, best] >= self.request.iou and shared[place, best] > 0:
                    pairs.append((best, place))
                    free.remove(best)
                    alone.remove(place)
        covered = [place for place in alone if self._in_crowd(sure[place], labels, shared[place])]
        self.ignored += len(covered)
        alone = [place for place in alone if place not in covered]
        made = tuple(
            Pair(
                label=labels[label].mark.feature_id,
                prediction=sure[place].mark.feature_id,
                iou=float(shared[place, label]),
                name=labels[label].mark.name,
                predicted=sure[place].mark.name,
            )
            for label, place in sorted(pairs)
        )
        for pair in made:
            self.confusion[pair.name, pair.predicted] += 1
        for one in free:
            self.confusion[labels[one].mark.name, ""] += 1
        for place in alone:
            self.confusion["", sure[place].mark.name] += 1
        self.labels.update(one.mark.name for one in labels if not one.crowd)
        self.predictions.update(sure[place].mark.name for place in (*alone, *(place for _, place in pairs)))
        every = len(made) + len(free) + len(alone)
        return RowScore(
            data_row_id=image.id,
            global_key=image.global_key,
            iou=sum(pair.iou for pair in made if pair.name == pair.predicted) / every if every else 1.0,
            pairs=made,
            missed=tuple(labels[one].mark.feature_id for one in sorted(free)),
            spurious=tuple(sure[place].mark.feature_id for place in alone),
        )

    def _in_crowd(self, one: Shape, labels: list[Shape], shared: Iterable[float]) -> bool:
        return any(
            label.crowd and label.mark.name == one.mark.name and share >= self.request.iou and share > 0
            for label, share in zip(labels, shared, strict=True)
        )

    def evaluation(self) -> Evaluation:
        """All that was measured."""
        names = list(self.names)
        boxes, curves = self.boxes.averages(names)
        both = self.filled.labels and self.filled.predictions
        order = sorted(names)
        scores = []
        for name in order:
            matched = self.confusion[name, name]
            ap50, curve = curves.get(name, (None, []))
            scores.append(
                ClassScore(
                    name=name,
                    labels=self.labels[name],
                    predictions=self.predictions[name],
                    matched=matched,
                    precision=matched / self.predictions[name] if self.predictions[name] else None,
                    recall=matched / self.labels[name] if self.labels[name] else None,
                    ap50=ap50,
                    curve=tuple(curve),
                )
            )
        return Evaluation(
            rows=self.rows,
            unlabelled=self.unlabelled,
            labels=self.labels.total(),
            predictions=self.predictions.total(),
            iou=self.request.iou,
            confidence=self.request.confidence,
            boxes=boxes,
            shapes=self.filled.averages(names)[0] if both else None,
            classes=tuple(scores),
            confusion=tuple(
                tuple(self.confusion[row, column] for column in (*order, "")) for row in (*order, "")
            ),
            worst=tuple(score for _, _, score in sorted(self.worst, key=lambda one: one[:2], reverse=True)),
            left_out=dict(sorted(self.left_out.items())),
            ignored=self.ignored,
        )


def _confidence(one: Shape) -> float:
    """A prediction's confidence; one that says none is sure."""
    return 1.0 if one.mark.confidence is None else one.mark.confidence


@handles(EvaluateRun)
def evaluate_run(engine: Engine, request: EvaluateRun) -> Evaluation:
    """Measure a run's predictions against its labels, or those of a project. Raises Invalid, NotFound."""
    rule = request.measure.labels
    run = open_corpus(engine, ExportQuery(scope=RunScope(id=request.model_run_id), labels=rule))
    meter = Meter(request.measure, run.pixels)
    if request.project_id is None:
        rows: Rows = _own(run)
    else:
        scope = ProjectScope(id=request.project_id)
        project = open_corpus(engine, ExportQuery(scope=scope, labels=rule), watched=False)
        rows = _beside(run, project)
    return _measured(meter, rows)


@handles(MatchRow)
def match_row(engine: Engine, request: MatchRow) -> RowScore:
    """The pairs of one row; raises NotFound, and Invalid where the row has no label to compare with."""
    params = ExportParams(model_run_ids=(request.model_run_id,), predictions=True)
    run = open_corpus(engine, ExportQuery(scope=RowsScope(ids=(request.data_row_id,)), params=params))
    pages = list(run.pages)
    if request.label_id is not None:
        pages = [_only(page, request.label_id.encode()) for page in pages]
    found = next(_own(run._replace(pages=pages)), None)
    if found is None:
        raise NotFound(f"no data row {request.data_row_id!r} in the model run {request.model_run_id!r}")
    labelled, predicted = found
    if labelled is None:
        label = f" {request.label_id!r}" if request.label_id is not None else ""
        raise Invalid(f"the data row {request.data_row_id!r} has no label{label} to compare with")
    meter = Meter(Measure(iou=request.iou, confidence=request.confidence), run.pixels)
    return meter.match(labelled, shapes(labelled, run.pixels)[0], shapes(predicted, run.pixels)[0])


def _only(page: Page, label_id: bytes) -> Page:
    """A page with one of its labels, and all predictions."""
    place = Section._fields.index("id")
    return page._replace(
        parts=tuple(
            part._replace(
                labels={
                    row: kept
                    for row, labels in part.labels.items()
                    if (kept := [label for label in labels if label[place] == label_id])
                }
            )
            for part in page.parts
        )
    )


def evaluate_file(
    engine: Engine, path: str | Path, request: Measure, *, project_id: str, format: str | None = None
) -> Evaluation:
    """Measure predictions out of a file against a project's labels. Raises Invalid, NotFound, Refused."""
    corpus = open_corpus(engine, ExportQuery(scope=ProjectScope(id=project_id), labels=request.labels))
    (shown,) = corpus.shown
    predicted = Predicted(path, shown.ontology.normalized, format)
    meter = Meter(request, corpus.pixels)
    met: set[int] = set()

    def rows() -> Rows:
        for labelled in _labelled(corpus):
            if labelled is None:
                continue
            found = predicted.take(labelled)
            met.add(id(found))
            yield labelled, found or replace(labelled, marks=[])

    evaluation = _measured(meter, rows())
    strangers = predicted.images - len(met - {id(None)})
    if not strangers:
        return evaluation
    return replace(evaluation, left_out={**evaluation.left_out, "image without a label": strangers})


@handles(EvaluateFile)
def evaluate_sent(engine: Engine, request: EvaluateFile) -> Evaluation:
    """Measure the predictions of a file that was sent. Raises Invalid, NotFound, Refused."""
    files = engine.store.files
    with files.local(files.get(request.source)) as path:
        return evaluate_file(
            engine, path, request.measure, project_id=request.project_id, format=request.format
        )


def _measured(meter: Meter, rows: Rows) -> Evaluation:
    wanted = frozenset(meter.request.data_row_ids)
    for labelled, predicted in rows:
        # A file may not know the row's id.
        if wanted and not wanted & {predicted.id, labelled.id if labelled is not None else ""}:
            continue
        if labelled is None:
            meter.unlabelled += 1
        else:
            meter.row(labelled, predicted)
    if not meter.rows:
        raise Invalid("there is nothing to measure: none of the rows asked for has a label")
    return meter.evaluation()


def _labelled(corpus: Corpus) -> Iterator[Image | None]:
    """The images of rows with a label; None for a row without any: nobody said that it is empty."""
    for page in corpus.pages:
        for image in images([page]):
            yield image if any(part.labels.get(image.number) for part in page.parts) else None


def _own(run: Corpus) -> Iterator[tuple[Image | None, Image]]:
    for page in run.pages:
        labelled = _labelled(run._replace(pages=[page]))
        yield from zip(labelled, images([page], predictions=True), strict=True)


def _beside(run: Corpus, project: Corpus) -> Rows:
    """The rows that both have: each gives its own in the order of their numbers."""
    labelled = filter(None, _labelled(project))
    held = next(labelled, None)
    for predicted in images(run.pages, predictions=True):
        while held is not None and held.number < predicted.number:
            held = next(labelled, None)
        if held is not None and held.number == predicted.number:
            yield held, predicted
