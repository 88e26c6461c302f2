"""Labels that look wrong, ranked: one pass, and a heap of the worst."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import count
from math import exp, log, sqrt
from typing import Any

import numpy as np

from annotary.engine.core import Engine, handles
from annotary.engine.exporting import open_corpus
from annotary.engine.shapes import Shape, overlaps, shapes
from annotary.engine.statistics import Question, questions_of, status_of
from annotary.formats import _geometry as geometry
from annotary.formats import _marks as marks
from annotary.formats._images import image_of
from annotary.model.analysis import Reason, Suspect, Suspects
from annotary.model.corpus import Corpus
from annotary.model.export import ExportParams
from annotary.model.image import BOX, CUBOID, MASK, POLYGON, TOOL_OF, Image, Mark
from annotary.model.ontology import Normalized
from annotary.model.ontology import Question as Asked
from annotary.operations.analyses import FindSuspects

SAME = 0.95
"""From this IoU on, two objects of a class are one drawn twice."""
LIKE = 0.8
"""Below this IoU a box is unlike the polygon or mask that it goes with."""
WITH = 0.3
"""From this IoU on, a box goes with a polygon or mask of its class."""
TINY = 4.0
"""Pixels of area."""
UNUSUAL = 4.0
"""Standard deviations of the logarithm of the relative area within the class."""
FEW = 20
"""A class of fewer objects has no usual size."""
_BLOCK = 256
_ID = 2


class _Sizes:
    """Mean and deviation of a class's sizes as they go by (Welford), and its extremes."""

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.squares = 0.0
        self.smallest: list[tuple[float, int, Suspect]] = []
        self.largest: list[tuple[float, int, Suspect]] = []

    def add(self, size: float) -> None:
        self.count += 1
        gap = size - self.mean
        self.mean += gap / self.count
        self.squares += gap * (size - self.mean)


class Finder:
    """Looks at rows as they go by; keeps the `limit` most suspicious, and counts the rest."""

    def __init__(self, request: FindSuspects, corpus: Corpus) -> None:
        self.request = request
        self.corpus = corpus
        self.rows = self.labels = 0
        self.found: Counter[str] = Counter()
        self.sizes: defaultdict[str, _Sizes] = defaultdict(_Sizes)
        self.heap: list[tuple[float, int, Suspect]] = []
        self._order = count()
        ontology = corpus.shown[0].ontology.normalized if len(corpus.shown) == 1 else Normalized()
        self.asked = ontology.classifications
        self.tools = {(tool.tool, tool.name): tool.classifications for tool in ontology.tools}

    def row(self, row: tuple[Any, ...], labels: list[Any], predictions: list[Any]) -> None:
        """Look at one row."""
        self.rows += 1
        self.labels += len(labels)
        every: list[Shape] = []
        done = bool(row[9]) and self.corpus.shown[0].kind == "project" and status_of(row[9]) == "DONE"
        for label in labels:
            image = image_of(row, [label], False)
            id = bytes(label[_ID]).decode()
            found, broken = shapes(image, self.corpus.pixels)
            every += found
            self._label(image, id, found, broken, done)
        if done and not labels:
            self._suspect(image_of(row, [], False), "", None, "empty but done", "no label", 0.5)
        if predictions and labels:
            self._predicted(image_of(row, predictions, False), every)

    def _label(self, image: Image, id: str, found: list[Shape], broken: list[Mark], done: bool) -> None:
        for mark in broken:
            # A mask that cannot be measured may only be elsewhere.
            if mark.kind == POLYGON or (mark.kind == MASK and mark.feature_id in image.masks):
                self._suspect(image, id, mark, "no area", "nothing inside", 1.0)
        for mark in image.marks:
            self._bounds(image, id, mark)
        for one in found:
            self._area(image, id, one)
        self._pairs(image, id, found)
        self._questions(image, id)
        if done and not image.marks and not image.answers:
            self._suspect(image, id, None, "empty but done", "no object and no answer", 0.5)

    def _bounds(self, image: Image, id: str, mark: Mark) -> None:
        if not image.width or not image.height or mark.word == "relationship" or mark.kind == CUBOID:
            return
        try:
            left, top, right, bottom = marks.corners(mark, image, self.corpus.pixels)
        except (ValueError, LookupError):
            return
        beyond = max(-left, -top, right - image.width, bottom - image.height)
        if beyond > 0:
            whole = (right - left) * (bottom - top)
            across = max(0.0, min(right, image.width) - max(left, 0))
            down = max(0.0, min(bottom, image.height) - max(top, 0))
            share = 1 - across * down / whole if whole else 1.0
            detail = f"{beyond:g} pixels beyond {image.width} x {image.height}"
            self._suspect(image, id, mark, "out of bounds", detail, 0.5 + share / 2)

    def _area(self, image: Image, id: str, one: Shape) -> None:
        mark = one.mark
        area = marks.area(mark, image, self.corpus.pixels) if mark.kind != CUBOID else one.area
        if area <= 0:
            self._suspect(image, id, mark, "no area", "nothing inside", 1.0)
            return
        if area < TINY:
            self._suspect(image, id, mark, "tiny", f"{area:g} pixels", 0.9 - area / (2 * TINY))
        if mark.kind == POLYGON and crosses_itself(mark.flat()):
            self._suspect(image, id, mark, "self-intersecting", "its sides cross", 0.8)
        if image.width and image.height:
            size = log(area / (image.width * image.height))
            sizes = self.sizes[mark.name]
            sizes.add(size)
            suspect = _suspect(image, id, mark, "unusual size", f"{area:g} pixels", 0.0)
            _held(sizes.largest, (size, next(self._order), suspect), self.request.limit)
            _held(sizes.smallest, (-size, next(self._order), suspect), self.request.limit)

    def _pairs(self, image: Image, id: str, found: list[Shape]) -> None:
        shared = overlaps(found, found)
        best: dict[int, tuple[float, int]] = {}
        for one, other in zip(*np.nonzero(np.triu(shared >= WITH, 1)), strict=True):
            here, there = found[one].mark, found[other].mark
            if here.name != there.name:
                continue
            iou = float(shared[one, other])
            if here.kind == there.kind:
                iou = self._exactly(found[one], found[other], iou) if iou >= SAME else 0
                if iou >= SAME:
                    detail = f"2 identical: IoU {iou:.3f} with {here.feature_id}"
                    self._suspect(image, id, there, "duplicate", detail, iou)
            elif BOX in (here.kind, there.kind) and {here.kind, there.kind} & {POLYGON, MASK}:
                box, shape = (one, other) if here.kind == BOX else (other, one)
                best[box] = max(best.get(box, (0.0, -1)), (iou, int(shape)))
        for box, (iou, shape) in best.items():
            if iou < LIKE:
                detail = f"IoU {iou:.3f} with the box around {found[shape].mark.feature_id}"
                self._suspect(image, id, found[box].mark, "box unlike its shape", detail, 1 - iou)

    def _exactly(self, one: Shape, other: Shape, iou: float) -> float:
        """The IoU of the pixels, where there are any."""
        if one.mark.kind not in (POLYGON, MASK) or not one.image.width or not one.image.height:
            return iou
        from annotary.formats import _rle as rle

        source = self.corpus.pixels
        try:
            return rle.iou(*(marks.run_lengths(each.mark, each.image, source) for each in (one, other)))
        except (ValueError, LookupError):
            return 0.0

    def _questions(self, image: Image, id: str) -> None:
        given = questions_of(image.answers) if image.answers else []
        for name in _unanswered(self.asked, given):
            self._suspect(image, id, None, "required question unanswered", name, 0.7)
        for mark in image.marks:
            asked = self.tools.get((TOOL_OF.get(mark.kind, ""), mark.name), ())
            for name in _unanswered(asked, questions_of(mark.classifications) if mark.answered else []):
                self._suspect(image, id, mark, "required question unanswered", name, 0.7)

    def _predicted(self, image: Image, labelled: list[Shape]) -> None:
        found, _ = shapes(image, self.corpus.pixels)
        shared = overlaps(found, labelled)
        for place, one in enumerate(found):
            confidence = one.mark.confidence
            if confidence is None or confidence < self.request.confidence:
                continue
            same = [number for number, label in enumerate(labelled) if label.mark.name == one.mark.name]
            best = max((float(shared[place, number]) for number in same), default=0.0)
            if best < 0.5:
                detail = f"confidence {confidence:g}, best IoU {best:.3f}"
                self._suspect(image, "", one.mark, "prediction without label", detail, confidence)

    def _suspect(
        self, image: Image, id: str, mark: Mark | None, reason: Reason, detail: str, score: float
    ) -> None:
        self._count(_suspect(image, id, mark, reason, detail, score))

    def _count(self, suspect: Suspect) -> None:
        self.found[suspect.reason] += 1
        _held(self.heap, (suspect.score, -next(self._order), suspect), self.request.limit)

    def suspects(self) -> Suspects:
        """What was found, the most suspicious first."""
        for sizes in self.sizes.values():
            if sizes.count < FEW:
                continue
            deviation = sqrt(sizes.squares / (sizes.count - 1))
            for sign, held in ((1, sizes.largest), (-1, sizes.smallest)):
                for signed, _, suspect in held:
                    gap = sign * (sign * signed - sizes.mean)
                    if deviation and gap >= UNUSUAL * deviation:
                        word = "larger" if sign > 0 else "smaller"
                        detail = f"{suspect.detail}: {exp(gap):.1f} times {word} than usual"
                        score = 1 - UNUSUAL * deviation / gap / 2
                        self._count(_rescored(suspect, detail, score))
        best = sorted(self.heap, key=lambda one: one[:2], reverse=True)
        return Suspects(
            rows=self.rows,
            labels=self.labels,
            found=dict(sorted(self.found.items())),
            suspects=tuple(one for _, _, one in best),
        )


@handles(FindSuspects)
def find_suspects(engine: Engine, request: FindSuspects) -> Suspects:
    """Look through whatever a query selects. Raises Invalid, NotFound."""
    from msgspec.structs import replace

    params = ExportParams(project_details=True)
    corpus = open_corpus(engine, replace(request.query, params=params))
    finder = Finder(request, corpus)
    for page in corpus.pages:
        for row in page.rows:
            labels = [label for part in page.parts for label in part.labels.get(row[0], ())]
            predictions = [label for part in page.parts for label in part.predictions.get(row[0], ())]
            finder.row(row, labels, predictions)
    return finder.suspects()


def _suspect(image: Image, id: str, mark: Mark | None, reason: Reason, detail: str, score: float) -> Suspect:
    feature, name = ("", "") if mark is None else (mark.feature_id, mark.name)
    return Suspect(
        data_row_id=image.id,
        global_key=image.global_key,
        label_id=id,
        feature_id=feature,
        name=name,
        reason=reason,
        detail=detail,
        score=score,
    )


def _rescored(suspect: Suspect, detail: str, score: float) -> Suspect:
    from msgspec.structs import replace

    return replace(suspect, detail=detail, score=score)


def _held(heap: list[tuple[float, int, Suspect]], one: tuple[float, int, Suspect], limit: int) -> None:
    if len(heap) < limit:
        heapq.heappush(heap, one)
    elif limit:
        heapq.heappushpop(heap, one)


def _unanswered(asked: Iterable[Asked], given: list[Question]) -> Iterator[str]:
    """The required questions without an answer; those under an option count once it is chosen."""
    answered = {name: question for question in given for name in (question.name, question.value) if name}
    for question in asked:
        answer = answered.get(question.name)
        if answer is None:
            if question.required:
                yield question.name
            continue
        chosen = [*([answer.radio_answer] if answer.radio_answer else []), *(answer.checklist_answers or [])]
        for one in chosen:
            for option in question.options:
                if one.name == option.title() or one.value == str(option.value):
                    yield from _unanswered(option.options, [*one.classifications, *answer.classifications])


def crosses_itself(numbers: list[float]) -> bool:
    """Whether two sides of a ring x, y, x, y, ... that are no neighbours cross in a point inside both.

    >>> crosses_itself([0, 0, 4, 4, 4, 0, 0, 4]), crosses_itself([0, 0, 4, 0, 4, 4, 0, 4])
    (True, False)
    """
    start = geometry.flat_ring(numbers)
    end = np.roll(start, -1, axis=0)
    for low in range(0, len(start), _BLOCK):
        # Block by block: all sides against all others at once would take memory by the square.
        a, b = start[low : low + _BLOCK, None], end[low : low + _BLOCK, None]
        c, d = start[None], end[None]
        apart = _side(a, b, c) * _side(a, b, d) < 0
        if (apart & (_side(c, d, a) * _side(c, d, b) < 0)).any():
            return True
    return False


def _side(a: Any, b: Any, c: Any) -> Any:
    return np.sign(
        (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])
    )
