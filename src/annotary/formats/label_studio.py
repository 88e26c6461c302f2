"""Label Studio's JSON: tasks with regions in per cent, answers, relations, scores; annotations kept apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from annotary.formats import Format, Part, Reading, Source, TrainingOptions
from annotary.formats import _label_studio_read as reader
from annotary.formats import _label_studio_shapes as shapes
from annotary.formats import _marks as marks
from annotary.formats import _runs as runs
from annotary.formats._bodies import one_by_one, with_bodies
from annotary.formats._coco_ids import Ids
from annotary.formats._disk import Later
from annotary.formats._label_studio_answers import items
from annotary.formats._label_studio_read import DEFAULTS, KEY, OWN, PREDICTION, TASK, Json, file_name
from annotary.formats._label_studio_shapes import Size
from annotary.formats._losses import drop, mark_id
from annotary.formats._names import Names
from annotary.model.image import (
    ARROW,
    BOND,
    BOX,
    CUBOID,
    MASK,
    POINT,
    POLYGON,
    Image,
    ImageSet,
    Mark,
)

TASKS = "tasks.json"
_POINT = 0.5
"""The width of a key point in per cent of the image, where its file says none."""
_LARGEST = 1 << 53
"""Ids are below: what every program can count."""
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_questions = msgspec.json.Decoder(list[dict[str, Any]]).decode


class Options(TrainingOptions, frozen=True):
    """What a user may choose."""

    def one_file(self) -> bool:
        """One file, unless pictures are to lie beside it."""
        return self.images != "copy"


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """One array, a task an image; with pictures beside it, it comes after these."""
    path = "" if options.one_file() else TASKS
    names = Names(found.ledger)
    later = Later()
    comma = b"[\n"
    for image, task in _with_classes(found, options):
        if task is not None:
            text = comma + msgspec.json.encode(task)
            comma = b",\n"
            if not path:
                yield Part(path, text)
            else:
                later.add(text)
        if path and image is not None:
            yield from found.picture(image, f"images/{names.path(image.name, image.id)}")
    for chunk in later.chunks():
        yield Part(path, chunk)
    yield Part(path, b"[]\n" if comma == b"[\n" else b"\n]\n")


class _Body(NamedTuple):
    """A task that has no number yet: the id it came with, its other members, the names of its marks."""

    id: Any
    members: Json
    names: set[str]


def _with_classes(found: ImageSet, options: Options) -> Iterator[tuple[Image | None, Json | None]]:
    """Each image, and the task before its own, which is whole by then.

    The first task has the classes known by then, the last those that no region and no list has.
    """
    ids = Ids(found, "task")
    known: set[str] = set()
    waiting: Json | None = None
    for image, body in with_bodies(found, _prepared(found, options)):
        task = {**body.members, "id": _id(ids, body.id, image.key)}
        before = waiting
        if before is None:
            known |= _tell_classes(task, found, body.names)
        known |= body.names
        waiting = task
        yield image, before
    if waiting is not None:
        _tell_classes(waiting, found, known)
        yield None, waiting


def _id(ids: Ids, said: Any, key: str) -> int | str:
    """A task's id: the one it came with, if it is one."""
    if isinstance(said, str):
        return said
    number = said if isinstance(said, int) and not isinstance(said, bool) else None
    return ids.of(number if number is not None and abs(number) < _LARGEST else None, key)


def _tell_classes(task: Json, found: ImageSet, known: set[str]) -> set[str]:
    names = [one.name for one in found.classes]
    if not known.issuperset(names):
        own = task.setdefault("meta", {}).setdefault(OWN, {})
        own["classes"] = names
    return set(names)


def _said(text: Raw) -> Json:
    """What is carried for Label Studio; empty for what comes from elsewhere."""
    said = _decode(text).get(KEY) if b'"label_studio"' in bytes(text) else None
    return said if isinstance(said, dict) else {}


def _prepared(found: ImageSet, options: Options) -> Callable[[Image], _Body]:
    del options
    return lambda image: _Task(found, image).body()


class _Task:
    """One image on its way to a task."""

    def __init__(self, found: ImageSet, image: Image) -> None:
        self.found = found
        self.image = image
        self.ledger = found.ledger
        self.size = Size(image.width, image.height)
        said = _said(image.coco)
        carried, annotations = said.get(TASK), said.get("annotations")
        self.carried: Json = dict(carried) if isinstance(carried, dict) else {}
        self.groups: list[Json] = [dict(one) for one in annotations] if isinstance(annotations, list) else []
        self.results: list[list[Json]] = [[] for _ in self.groups]
        self.ids: dict[str, str] = {}
        self.shaped = False

    def body(self) -> _Body:
        """The task, but for its number."""
        image = self.image
        # Relations come last: they name regions.
        for place, mark in sorted(enumerate(image.marks), key=lambda one: one[1].kind in (ARROW, BOND)):
            try:
                self._mark(mark, place)
            except ValueError as error:
                drop(self.ledger, image, mark, str(error))
        self._answers_about_image()
        id = self.carried.pop("id", None)
        made: Json = {"id": None, "data": self._data()}
        made["annotations"], made["predictions"] = (Raw(msgspec.json.encode(one)) for one in self._told())
        if meta := self._meta():
            made["meta"] = meta
        return _Body(id, {**made, **self.carried}, {mark.name for mark in image.marks})

    def _data(self) -> Json:
        address = self.image.row_data or self.image.name
        said = self.carried.pop("data", None)
        return said if isinstance(said, dict) and address in said.values() else {"image": address}

    def _meta(self) -> Json:
        image = self.image
        own: Json = {}
        if image.external_id != file_name(image.row_data or image.name):
            own["name"] = image.external_id
        if image.global_key:
            own["key"] = image.global_key
        if image.split:
            own["split"] = image.split
        if not self.shaped and image.width and image.height:
            own["width"], own["height"] = image.width, image.height
        said = self.carried.pop("meta", None)
        return {**(said if isinstance(said, dict) else {}), **({OWN: own} if own else {})}

    def _told(self) -> tuple[list[Json], list[Json]]:
        """The annotations and the predictions."""
        annotations: list[Json] = []
        predictions: list[Json] = []
        for said, result in zip(self.groups, self.results, strict=True):
            said.pop("answers", None)
            where = predictions if said.pop(PREDICTION, False) else annotations
            where.append({**said, "result": result})
        return annotations, predictions

    def _result(self, said: Json) -> list[Json]:
        """Where the regions of a mark go: its annotation, else the first."""
        at = said.get("annotation", 0)
        if not self.groups:
            self.groups.append(self._fresh())
            self.results.append([])
        return self.results[at if isinstance(at, int) and 0 <= at < len(self.results) else 0]

    def _fresh(self) -> Json:
        if not self.found.predictions:
            return {"was_cancelled": False, "ground_truth": False}
        scores = [one.confidence for one in self.image.marks if one.confidence is not None]
        score = {"score": round(sum(scores) / len(scores), 6)} if scores else {}
        return {PREDICTION: True, "model_version": self.found.name, **score}

    # Regions

    def _mark(self, mark: Mark, place: int) -> None:
        said = _said(mark.coco) if mark.coco else {}
        if mark.kind in (ARROW, BOND):
            self._result(said).append(self._relation(mark))
            self.ledger.wrote(mark.word)
            return
        if not (self.size.width and self.size.height):
            raise ValueError("the image's size is not known")
        kind, value = self._value(mark, said)
        id = said.get("id") or mark.feature_id or self._digest(f"region {place}")
        self.ids[mark.feature_id] = id
        item: Json = {
            "id": id,
            "type": f"{kind}labels",
            "from_name": said.get("from_name", kind),
            "to_name": said.get("to_name", DEFAULTS["to_name"]),
            "original_width": self.size.width,
            "original_height": self.size.height,
            "image_rotation": said.get("image_rotation", 0),
            "origin": said.get("origin", DEFAULTS["origin"]),
        }
        if "meta" in said:
            item["meta"] = said["meta"]
        if mark.confidence is not None:
            item["score"] = mark.confidence
        labels = said.get("labels")
        labels = labels if isinstance(labels, list) and mark.name in labels[:1] else [mark.name]
        result = self._result(said)
        if "labels_from" in said:
            # Shape and labels stand in two items.
            result.append({**item, "type": kind, "value": value})
            item["from_name"], kind = said["labels_from"], ""
        result.append({**item, "type": f"{kind}labels", "value": {**value, f"{kind}labels": labels}})
        self.shaped = True
        self.ledger.wrote(mark.word)
        if mark.answered:
            self._answers(_questions(mark.classifications), result, id, mark_id(self.image, mark))

    def _value(self, mark: Mark, said: Json) -> tuple[str, Json]:
        """The shape and its value; raises ValueError."""
        match mark.kind:
            case kind if kind == BOX and mark.bounding_box is not None:
                return "rectangle", shapes.box_value(mark.bounding_box, self.size)
            case kind if kind == POLYGON:
                return self._polygon(mark, said)
            case "ImagePolyline" | "ImageLine":
                return "polygon", shapes.points_value(mark.flat(), self.size, closed=False)
            case kind if kind == POINT and mark.point is not None:
                x = shapes.percent(mark.point.x, self.size.width)
                y = shapes.percent(mark.point.y, self.size.height)
                return "keypoint", {"x": x, "y": y, "width": said.get("width", _POINT)}
            case kind if kind == MASK:
                return "brush", {"format": "rle", "rle": runs.pack_brush(self._pixels(mark))}
            case kind if kind == CUBOID:
                reason = "a cuboid became the outline around its corners"
                self.ledger.approximated(mark.word, reason, mark_id(self.image, mark))
                return "polygon", shapes.points_value(marks.rings(mark)[0], self.size, closed=True)
        raise ValueError(f"Label Studio has no {mark.word}")

    def _polygon(self, mark: Mark, said: Json) -> tuple[str, Json]:
        """A polygon, or what it was in Label Studio, if it is where that was."""
        numbers = mark.flat()
        rings = {"rectangle": shapes.rectangle_ring, "ellipse": shapes.ellipse_ring}
        for kind, ring_of in rings.items():
            value = said.get(kind)
            if isinstance(value, dict) and shapes.same(ring_of(value, self.size), numbers):
                return kind, value
        return "polygon", shapes.points_value(numbers, self.size, closed=True)

    def _pixels(self, mark: Mark) -> Any:
        found = marks.run_lengths(mark, self.image, self.found.pixels)
        if (found.width, found.height) != self.size:
            raise ValueError("the mask is not of its image's size")
        return found.mask()

    def _relation(self, mark: Mark) -> Json:
        ends = marks.ends(mark)
        if ends.source not in self.ids or ends.target not in self.ids:
            raise ValueError("a relationship to an object that is not there")
        return {
            "type": "relation",
            "from_id": self.ids[ends.source],
            "to_id": self.ids[ends.target],
            "direction": "bi" if mark.kind == BOND else "right",
            "labels": [mark.name],
        }

    # Answers

    def _answers_about_image(self) -> None:
        """Answers about the image, in the annotations they came from."""
        if not self.image.answers:
            return
        questions = _questions(self.image.answers)
        counts = [one.get("answers", 0) for one in self.groups]
        if not counts or sum(counts) != len(questions):
            counts = [len(questions)]
        for at, count in enumerate(counts):
            result = self._result({"annotation": at})
            self._answers(questions[:count], result, "", self.image.name)
            del questions[:count]

    def _answers(self, questions: list[Json], result: list[Json], region: str, id: str) -> None:
        for question in questions:
            made = list(items(question))
            if not made:
                self.ledger.dropped("answer", "a question without an answer", id)
                continue
            if len(made) > 1:
                reason = "a nested question stands beside its parent"
                self.ledger.changed("repaired", "answer", reason, id)
            for name, item in made:
                of = region or self._digest(f"answer {len(result)} {name}")
                result.append({"id": of, "from_name": name, "to_name": DEFAULTS["to_name"], **item})
            self.ledger.wrote("answer")

    def _digest(self, what: str) -> str:
        """Ten signs that say which part of the image it is, the same every time."""
        key = f"{self.image.key}\x1f{what}".encode("utf-8", "surrogatepass")
        return blake2b(key, digest_size=5).hexdigest()


def _read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    del options
    return reader.read(source, reading)


FORMAT = Format(
    title="Label Studio",
    options=Options,
    write=write,
    read=_read,
    prepare=one_by_one(_prepared),
    images=True,
    starts=reader.starts,
    ending=".json",
    says="boxes, polygons, lines, points, masks, answers, relationships, scores; turned boxes, ellipses kept",
)
