"""Counts of a project or run, streamed: memory does not grow with its size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from annotary.model.export import ExportParams
from annotary.model.project import Summary
from annotary.store import Store, states

_KINDS = {
    "ImageBoundingBox": "box",
    "ImagePolygon": "polygon",
    "ImagePolyline": "polyline",
    "ImageLine": "polyline",
    "ImagePoint": "point",
    "ImageSegmentationMask": "mask",
    "ImageCuboid": "cuboid",
    "ImageUnidirectionalRelationship": "relationship",
    "ImageBidirectionalRelationship": "relationship",
}


class _Answer(msgspec.Struct):
    classifications: list[_Question] = []


class _Question(msgspec.Struct):
    radio_answer: _Answer | None = None
    checklist_answers: list[_Answer] | None = None
    classifications: list[_Question] = []


class _Drawn(msgspec.Struct):
    annotation_kind: str
    name: str
    classifications: list[_Question] = []


class _Annotations(msgspec.Struct):
    """Only what is counted; the rest is passed over without being built."""

    objects: list[_Drawn]
    classifications: list[_Question]


_decode = msgspec.json.Decoder(_Annotations).decode


def count(store: Store, kind: str, id: str) -> Summary:
    """Rows, labels, annotations by kind, objects by class; a run's predictions count as labels."""
    at, _, _ = store.at(kind, id)
    rows = labels = empty = 0
    kinds: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    for page in store.rows(at, ExportParams(), predictions=kind == "model_run"):
        rows += len(page.rows)
        (part,) = page.parts
        for number, *_ in page.rows:
            drawn = 0
            for label in (*part.labels.get(number, ()), *part.predictions.get(number, ())):
                labels += 1
                # A mask link's placeholder is a control character, which no JSON string may hold.
                given = _decode(label[7].replace(b"\x1a", b""))
                drawn += len(given.objects)
                classes.update(one.name for one in given.objects)
                kinds.update(_KINDS[one.annotation_kind] for one in given.objects)
                _count_questions(given.classifications, kinds)
                for one in given.objects:
                    _count_questions(one.classifications, kinds)
            empty += not drawn
    with store.reading() as connection:
        statuses = states.statuses(connection, at)
    return Summary(
        rows=rows,
        labels=labels,
        rows_without_objects=empty,
        by_status=statuses,
        by_kind=dict(sorted(kinds.items())),
        by_class=dict(sorted(classes.items())),
        sequence=at.sequence,
    )


def _count_questions(given: Iterable[_Question], kinds: Counter[str]) -> None:
    for question in given:
        if question.radio_answer is not None:
            kinds["radio"] += 1
            answers = [question.radio_answer]
        elif question.checklist_answers is not None:
            kinds["checklist"] += 1
            answers = question.checklist_answers
        else:
            kinds["text"] += 1
            answers = []
        for answer in answers:
            _count_questions(answer.classifications, kinds)
        _count_questions(question.classifications, kinds)
