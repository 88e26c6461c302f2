"""Label Studio's JSON read task by task: regions of all annotations, their answers and relations."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import msgspec
from msgspec import Raw

from annotary.formats import Reading, Source
from annotary.formats import _label_studio_shapes as shapes
from annotary.formats._json import Broken, documents, problem_of
from annotary.formats._label_studio_answers import ANSWERS, answered
from annotary.formats._label_studio_shapes import Size
from annotary.model.image import ARROW, BOND, NOTHING, Image, Mark

TASK, PREDICTION = "task", "is_prediction"
KEY = "label_studio"
"""What is carried for Label Studio stands under this key."""
OWN = "annotary"
"""In a task's `meta`: what Label Studio has no place for."""
_PICTURE = ("image", "img", "picture", "photo", "url")
_RESULTS = ("annotations", "completions", "predictions", "drafts")
_SHAPES = ("rectangle", "ellipse", "polygon", "keypoint", "brush")
DEFAULTS = {"origin": "manual", "to_name": "image"}
"""What a region says unless it says otherwise."""
_CARRIED = ("meta", "origin", "from_name", "to_name", "image_rotation")
_START = re.compile(rb"\A[\xef\xbb\xbf\s]*\[?\s*\{")
_RESULT = re.compile(rb'"result"\s*:\s*\[')
_EMPTY = re.compile(rb'"(annotations|predictions|completions)"\s*:\s*\[\s*\]')
_TASK = re.compile(rb'"data"\s*:\s*\{')
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
_WORDS = {
    "rectangle": "box",
    "ellipse": "polygon",
    "keypoint": "point",
    "brush": "mask",
    "relation": "relationship",
}
_MOST = 1 << 20

Json = dict[str, Any]


def starts(start: bytes) -> bool:
    """Whether a file begins as Label Studio's export does: tasks with results."""
    if not _START.match(start):
        return False
    if _RESULT.search(start) is not None:
        return b'"from_name"' in start or _TASK.search(start) is not None or b'"was_cancelled"' in start
    return _TASK.search(start) is not None and _EMPTY.search(start) is not None


def read(source: Source, reading: Reading) -> Iterator[Image]:
    """An image a task."""
    number = 0
    try:
        for document in documents(source):
            try:
                task = msgspec.json.decode(document.data, type=dict[str, Any])
            except (msgspec.DecodeError, RecursionError) as error:
                reading.report(problem_of(error, document))
                continue
            yield _Task(task, document.place, source, reading).image(number)
            number += 1
    except Broken as broken:
        reading.report(broken.problem)


class _Task:
    """One task on its way to an image."""

    def __init__(self, task: Json, place: str, source: Source, reading: Reading) -> None:
        self.task = task
        self.place = place
        self.source = source
        self.reading = reading
        self.ledger = reading.ledger
        self.size = Size(0, 0)
        self.marks: list[Mark] = []
        self.answers: list[Json] = []
        self.carried: list[Json] = []
        self.ids: set[str] = set()

    def image(self, number: int) -> Image:
        """The image with everything on it."""
        made = self._named(number)
        self._take_sizes(made)
        self._take_classes()
        groups = self._groups()
        for place in self._bare():
            self.ledger.refused("annotation", "not the annotation, only its number", place)
        submitted = [one for one in groups if one[0] in ("annotations", "completions")]
        valid = [one for one in submitted if not (one[2].get("was_cancelled") or one[2].get("skipped"))]
        for kind, place, one in groups:
            if kind == "drafts":
                self._refuse(one, place, "a draft that was not submitted")
            elif kind == "predictions" and valid:
                self._refuse(one, place, "a prediction beside annotations")
            elif (kind, place, one) in submitted and (kind, place, one) not in valid:
                self._refuse(one, place, "its annotation was cancelled")
            else:
                self._take(one, place, prediction=kind == "predictions")
        made.width, made.height = self.size
        made.marks = self.marks
        if self.answers:
            made.answers = Raw(msgspec.json.encode(self.answers))
        made.coco = self._said(made)
        return made

    # The image

    def _named(self, number: int) -> Image:
        data = self.task.get("data")
        address = ""
        if isinstance(data, dict):
            texts = {key: one for key, one in data.items() if isinstance(one, str) and one}
            address = next((texts[key] for key in _PICTURE if key in texts), next(iter(texts.values()), ""))
        own = self._own()
        name = file_name(address) or str(
            self.task.get("file_upload") or f"task {self.task.get('id', number)}"
        )
        name = own.get("name", name)
        tail = name.rsplit("/", 1)[-1]
        tries = (name, tail, _UPLOADED.sub("", tail, count=1), file_name(address))
        return Image(
            number=number,
            external_id=name,
            global_key=own.get("key", ""),
            row_data=address or name,
            split=own.get("split", ""),
            place=self.place,
            local=next((one for one in tries if one and self.source.located(one)), name),
        )

    def _told(self) -> Json:
        """What annotary said of the task when it wrote it."""
        meta = self.task.get("meta")
        own = meta.get(OWN) if isinstance(meta, dict) else None
        return own if isinstance(own, dict) else {}

    def _own(self) -> dict[str, str]:
        return {key: one for key, one in self._told().items() if isinstance(one, str)}

    def _take_classes(self) -> None:
        names = self._told().get("classes")
        for name in names if isinstance(names, list) else ():
            if isinstance(name, str):
                self.reading.classes.add(name)

    def _take_sizes(self, image: Image) -> None:
        for _, _, group in self._groups():
            for one in _results(group):
                found = _size(one.get("original_width"), one.get("original_height"))
                if found.width:
                    self.size = found
                    return
        if own := self._told():
            self.size = _size(own.get("width"), own.get("height"))
        if not self.size.width and (found_size := self.source.size_of(image.local)) is not None:
            self.size = Size(*found_size)

    def _groups(self) -> list[tuple[str, str, Json]]:
        """Annotations, predictions and drafts: which it is, its place, and the object."""
        return [
            (kind, f"{self.place}.{kind}[{at}]", one)
            for kind in _RESULTS
            if isinstance(held := self.task.get(kind), list)
            for at, one in enumerate(held)
            if isinstance(one, dict)
        ]

    def _bare(self) -> Iterator[str]:
        """Where an annotation should stand and something else does."""
        for kind in _RESULTS:
            held = self.task.get(kind)
            for at, one in enumerate(held if isinstance(held, list) else ()):
                if not isinstance(one, dict):
                    yield f"{self.place}.{kind}[{at}]"

    def _said(self, image: Image) -> Raw:
        """What comes out again in a file of Label Studio alone."""
        task = {key: one for key, one in self.task.items() if key not in _RESULTS}
        if task.get("data") == {"image": image.row_data}:
            del task["data"]
        meta = task.get("meta")
        if isinstance(meta, dict):
            task["meta"] = {key: one for key, one in meta.items() if key != OWN}
            if not task["meta"]:
                del task["meta"]
        return Raw(msgspec.json.encode({KEY: {TASK: task, "annotations": self.carried}}))

    # One annotation

    def _refuse(self, group: Json, place: str, reason: str) -> None:
        for at, one in enumerate(_results(group)):
            self.ledger.refused(_word(one), reason, f"{place}.result[{at}]")

    def _take(self, group: Json, place: str, *, prediction: bool) -> None:
        said = {key: one for key, one in group.items() if key != "result"}
        if prediction:
            said[PREDICTION] = True
        self.carried.append(said)
        items = [(f"{place}.result[{at}]", one) for at, one in enumerate(_results(group))]
        # Labels and shapes may stand in two items of one id: <Rectangle> beside <Labels>.
        named = {_id(one): one for _, one in items if one.get("type") == "labels"}
        regions: dict[str, Mark] = {}
        for where, one in items:
            if _base(one) in _SHAPES:
                mark = self._region(one, named.get(_id(one)), where, group if prediction else {})
                if mark is not None:
                    regions[_id(one)] = mark
        before = len(self.answers)
        self._links(items, regions)
        if len(self.answers) > before:
            said["answers"] = len(self.answers) - before

    def _links(self, items: list[tuple[str, Json]], regions: dict[str, Mark]) -> None:
        """What is no region: answers, about a region or the image, and relations."""
        linked: dict[str, list[Json]] = {}
        for where, one in items:
            kind = str(one.get("type", ""))
            if kind in ANSWERS:
                of_region = linked.setdefault(_id(one), []) if _id(one) in regions else None
                self._answer(one, kind, where, of_region)
            elif kind == "relation":
                self._relation(one, where, regions)
            elif _base(one) not in _SHAPES and not (kind == "labels" and _id(one) in regions):
                self.ledger.refused(kind or "region", "no annotation of an image", where)
        for id, made in linked.items():
            if made:
                regions[id].classifications = Raw(msgspec.json.encode(made))

    def _region(self, one: Json, labels_of: Json | None, where: str, prediction: Json) -> Mark | None:
        value = one.get("value")
        labels = _labels(value, f"{_base(one)}labels") or _labels((labels_of or {}).get("value"), "labels")
        try:
            if not labels or not isinstance(value, dict):
                raise ValueError("a region without a label")
            mark = self._shape(one, value)
        except ValueError as error:
            self.ledger.refused(_word(one), str(error), where)
            return None
        mark.name = labels[0]
        mark.confidence = _score(one.get("score"), prediction.get("score"))
        usual = {**DEFAULTS, "from_name": _base(one)}
        said = {key: one[key] for key in _CARRIED if one.get(key) and one[key] != usual.get(key)}
        if len(labels) > 1:
            said["labels"] = labels
            self.ledger.changed("repaired", mark.word, "of several labels the first is its class", where)
        if labels_of is not None:
            said["labels_from"] = labels_of.get("from_name")
        self._keep_value(mark, _base(one), value, said, where)
        if len(self.carried) > 1:
            said["annotation"] = len(self.carried) - 1
        id = _id(one)
        mark.id, mark.feature_id = id or where, self._own_id(id)
        if mark.feature_id != id:
            said["id"] = id
        mark.coco = Raw(msgspec.json.encode({KEY: said})) if said else NOTHING
        self.marks.append(mark)
        return mark

    def _shape(self, one: Json, value: Json) -> Mark:
        if not self.size.width:
            raise ValueError("the image's size is not known")
        size = self.size
        if _base(one) == "brush" and "original_width" in one:
            size = _size(one["original_width"], one.get("original_height"))
        if size != self.size:
            mine = f"{size.width} x {size.height} pixels"
            raise ValueError(f"the mask is of {mine}, its image of {self.size.width} x {self.size.height}")
        return shapes.shape(_base(one), value, size)

    def _keep_value(self, mark: Mark, kind: str, value: Json, said: Json, where: str) -> None:
        """Carry what the mark does not say: how a rectangle is turned, what an ellipse was."""
        if kind in ("rectangle", "ellipse") and mark.ring is not None:
            said[kind] = {key: one for key, one in value.items() if not key.endswith("labels")}
        elif kind == "keypoint" and "width" in value:
            said["width"] = value["width"]
        if kind == "ellipse":
            reason = f"an ellipse became a polygon of {shapes.ELLIPSE} corners"
            self.ledger.approximated("polygon", reason, where, shapes.ELLIPSE_IOU)

    def _own_id(self, id: str) -> str:
        """The id, unless another region of the task has it: those begun from one prediction share theirs."""
        made, more = id, 1
        while made and made in self.ids:
            more += 1
            made = f"{id}~{more}"
        self.ids.add(made)
        return made

    def _answer(self, one: Json, kind: str, where: str, linked: list[Json] | None) -> None:
        value = one.get("value")
        try:
            made = answered(kind, str(one.get("from_name", "")), value if isinstance(value, dict) else {})
        except ValueError as error:
            self.ledger.refused("answer", str(error), where)
            return
        if kind not in ("choices", "textarea"):
            reason = f"a {kind} became {'names of one level' if kind == 'taxonomy' else 'text'}"
            self.ledger.approximated("answer", reason, where)
        (self.answers if linked is None else linked).append(made)

    def _relation(self, one: Json, where: str, regions: dict[str, Mark]) -> None:
        ends = [regions.get(str(one.get(key))) for key in ("from_id", "to_id")]
        ids = [end.feature_id for end in ends if end is not None and end.feature_id]
        if len(ids) != 2:
            self.ledger.refused("relationship", "a relation of a region that is not there", where)
            return
        direction = one.get("direction", "right")
        source, target = reversed(ids) if direction == "left" else ids
        said = Raw(msgspec.json.encode({"source": source, "target": target}))
        name = next(iter(_labels(one, "labels")), "relation")
        mark = Mark(kind=BOND if direction == "bi" else ARROW, name=name, id=where)
        if direction == "bi":
            mark.bidirectional_relationship = said
        else:
            mark.unidirectional_relationship = said
        if len(self.carried) > 1:
            mark.coco = Raw(msgspec.json.encode({KEY: {"annotation": len(self.carried) - 1}}))
        self.marks.append(mark)


def _id(one: Json) -> str:
    return str(one.get("id") or "")


def _base(one: Json) -> str:
    """The shape of a region: `rectangle` of `rectanglelabels`."""
    return str(one.get("type", "")).removesuffix("labels")


def _results(group: Json) -> list[Json]:
    found = group.get("result")
    return [one if isinstance(one, dict) else {} for one in found] if isinstance(found, list) else []


def _word(one: Json) -> str:
    """The kind of a region, as the ledger spells it."""
    base = _base(one)
    return "answer" if base in ANSWERS else _WORDS.get(base, base or "region")


def _labels(value: Any, key: str) -> list[str]:
    found = value.get(key) if isinstance(value, dict) else None
    return [one for one in found if isinstance(one, str) and one] if isinstance(found, list) else []


def _size(width: Any, height: Any) -> Size:
    both = isinstance(width, int) and isinstance(height, int)
    return Size(width, height) if both and 0 < width < _MOST and 0 < height < _MOST else Size(0, 0)


def _score(*given: Any) -> float | None:
    """The first that is a number from 0 to 1."""
    for found in given:
        if isinstance(found, int | float) and not isinstance(found, bool) and 0 <= found <= 1:
            return float(found)
    return None


def file_name(address: str) -> str:
    """The name of a file by its address; of Label Studio's local files the path that is asked for."""
    try:
        parts = urlsplit(address)
        asked = parse_qs(parts.query).get("d")
    except ValueError:
        return address
    if asked:
        return asked[0].lstrip("/")
    if not parts.scheme and not address.startswith("/"):
        return unquote(parts.path)
    return unquote(parts.path.rsplit("/", 1)[-1])
