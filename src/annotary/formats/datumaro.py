"""Datumaro's JSON: annotations/SUBSET.json and images/SUBSET; shapes, tags, captions, attributes, groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from annotary.formats import Format, Part, Reading, Source, TrainingOptions
from annotary.formats import _datumaro_read as reader
from annotary.formats import _datumaro_shapes as shapes
from annotary.formats import _marks as marks
from annotary.formats._bodies import one_by_one, with_bodies
from annotary.formats._datumaro_read import (
    CAPTION,
    DEFAULT,
    KEY,
    LABEL,
    OWN,
    SPLITS,
    Json,
    derived_name,
)
from annotary.formats._disk import Later
from annotary.formats._image_index import picture_name
from annotary.formats._losses import drop, mark_id
from annotary.formats._names import Names
from annotary.model.geometry import Cuboid
from annotary.model.image import BOX, CUBOID, MASK, POINT, POLYGON, Image, ImageSet, Mark

_VERSION, _IMAGES = "1.0", 2
"""The version of the layout, and Datumaro's number for images among its media."""
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_questions = msgspec.json.Decoder(list[dict[str, Any]]).decode
_cuboid = msgspec.json.Decoder(Cuboid).decode


class Options(TrainingOptions, frozen=True):
    """What a user may choose."""

    def one_file(self) -> bool:
        """Always a folder."""
        return False


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """The pictures as they come, then a file a subset, its categories before its items."""
    names = Names(found.ledger)
    held: dict[str, Later] = {}
    for image, body in with_bodies(found, _prepared(found, options)):
        said = _said(image.coco)
        subset = _subset(image, said)
        stem = names.path(image.name, image.id, ending="")
        path = picture_name(image, stem)
        items = held.setdefault(subset, Later())
        item = _item(image, said, body, subset, path)
        items.add((b"" if items.empty else b",\n") + msgspec.json.encode(item))
        yield from found.picture(image, f"images/{subset}/{path}")
    carried = found.carried.get(KEY)
    head = _head(found, carried if isinstance(carried, dict) else {})
    for subset in sorted(held) or [DEFAULT]:
        path = f"annotations/{subset}.json"
        yield Part(path, head + b',\n"items":[\n')
        for chunk in held.get(subset, Later()).chunks():
            yield Part(path, chunk)
        yield Part(path, b"\n]}\n")


def _said(text: Raw) -> Json:
    """What is carried for Datumaro; empty for what comes from elsewhere."""
    said = _decode(text).get(KEY) if b'"datumaro"' in bytes(text) else None
    return said if isinstance(said, dict) else {}


def _subset(image: Image, said: Json) -> str:
    """The name of an image's subset: the one it came with, unless it is in another split by now."""
    came = said.get("subset")
    plain = isinstance(came, str) and came.replace("-", "").replace("_", "").isalnum()
    if plain and image.split in ("", SPLITS.get(str(came), "")):
        return str(came)
    return image.split or DEFAULT


def _head(found: ImageSet, carried: Json) -> bytes:
    """The file up to its items: the labels are listed by their numbers, gaps and all."""
    said = carried.get("categories")
    categories: Json = dict(said) if isinstance(said, dict) else {}
    label = categories.get("label")
    given = label.get("labels") if isinstance(label, dict) else None
    known = {one.get("name"): one for one in given or () if isinstance(one, dict)}
    labels: list[Json] = []
    for one in found.classes:
        while len(labels) < one.index:
            labels.append({"name": f"(no class {len(labels)})", "parent": "", "attributes": []})
        parent = one.category.get("supercategory", "")
        labels.append({"parent": parent, "attributes": [], **known.get(one.name, {}), "name": one.name})
    rest = label if isinstance(label, dict) else {"label_groups": [], "attributes": []}
    categories["label"] = {**rest, "labels": labels}
    more = {key: one for key, one in carried.items() if key not in ("categories", "infos")}
    infos = carried.get("infos", {})
    whole = {"dm_format_version": _VERSION, "media_type": _IMAGES, "infos": infos, "categories": categories}
    return msgspec.json.encode({**whole, **more})[:-1]


class _Body(NamedTuple):
    """An image's annotations as JSON, and its attributes."""

    annotations: Raw
    attr: Json


def _item(image: Image, said: Json, body: _Body, subset: str, path: str) -> Json:
    """The item of an image."""
    made: Json = {"id": said.get("id") or str(PurePosixPath(path).with_suffix(""))}
    made["annotations"] = body.annotations
    if body.attr:
        made["attr"] = body.attr
    made["image"] = {"path": path}
    if image.width and image.height:
        made["image"]["size"] = [image.height, image.width]
    if own := _own(image, derived_name(path, subset)):
        made[OWN] = own
    return made


def _own(image: Image, name: str) -> Json:
    """What Datumaro has no place for."""
    own = {"name": image.external_id} if image.external_id != name else {}
    if image.global_key:
        own["key"] = image.global_key
    if image.row_data not in ("", image.external_id):
        own["address"] = image.row_data
    return own


def _prepared(found: ImageSet, options: Options) -> Callable[[Image], _Body]:
    del options
    return lambda image: _Annotations(found, image).body()


class _Annotations:
    """One image on its way to its annotations."""

    def __init__(self, found: ImageSet, image: Image) -> None:
        self.found = found
        self.image = image
        self.said = _said(image.coco)
        self.ledger = found.ledger
        self.annotations: list[Json] = []
        attr = self.said.get("attr")
        self.attr: Json = dict(attr) if isinstance(attr, dict) else {}

    def body(self) -> _Body:
        """What is said of it without knowing any other image."""
        image = self.image
        for mark in image.marks:
            try:
                self._mark(mark)
            except ValueError as error:
                drop(self.ledger, image, mark, str(error))
        if image.answers:
            self._answers_about_image(_questions(image.answers))
        return _Body(Raw(msgspec.json.encode(self.annotations)), self.attr)

    def _mark(self, mark: Mark) -> None:
        said = _decode(mark.coco) if mark.coco else {}
        own = said.get(KEY)
        own = own if isinstance(own, dict) else {}
        shape = self._shape(mark, own)
        given = said.get("attributes")
        attributes: Json = dict(given) if isinstance(given, dict) else {}
        if said.get("iscrowd"):
            attributes["is_crowd"] = True
        if mark.answered:
            for question in _questions(mark.classifications):
                if self._answer(question, attributes, mark_id(self.image, mark)):
                    self.ledger.wrote("answer")
        if mark.confidence is not None:
            attributes["score"] = mark.confidence
        self._add(shape.pop("type"), attributes, mark.name, own, {**shape, "z_order": own.get("z_order", 0)})
        self.ledger.wrote(mark.word)

    def _add(self, kind: str, attributes: Json, label: str | None, own: Json, more: Json) -> None:
        made: Json = {"id": own.get("id", len(self.annotations) + 1), "type": kind, "attributes": attributes}
        made["group"] = own.get("group", 0)
        if "object_id" in own:
            made["object_id"] = own["object_id"]
        if label is not None:
            made["label_id"] = self.found.classes.index(label)
        self.annotations.append({**made, **more})

    def _shape(self, mark: Mark, own: Json) -> Json:
        """Type and geometry of an annotation; raises ValueError."""
        match mark.kind:
            case kind if kind == BOX and mark.bounding_box is not None:
                box = mark.bounding_box
                return {"type": "bbox", "bbox": [box.left, box.top, box.width, box.height]}
            case kind if kind == POLYGON:
                ring = mark.flat()
                return shapes.as_it_was(own, ring) or {"type": "polygon", "points": ring}
            case "ImagePolyline" | "ImageLine":
                if "points" in own:
                    return {"type": "points", "points": mark.flat(), "visibility": own["points"]}
                return {"type": "polyline", "points": mark.flat()}
            case kind if kind == POINT and mark.point is not None:
                point = [mark.point.x, mark.point.y]
                return {"type": "points", "points": point, "visibility": own.get("points", [2])}
            case kind if kind == MASK:
                pixels = marks.run_lengths(mark, self.image, self.found.pixels)
                return {"type": "mask", "rle": pixels.segmentation()}
            case kind if kind == CUBOID:
                whole = _cuboid(mark.cuboid)
                parts = ("center", "rotation", "size", "projection")
                cuboid = {part: getattr(whole, part) for part in parts}
                return {"type": "cuboid_2d", "points": shapes.cuboid_points(whole), "cuboid": cuboid}
        raise ValueError(f"Datumaro has no {mark.word}")

    # Answers

    def _answers_about_image(self, questions: list[Json]) -> None:
        labels, captions = self.said.get("labels"), self.said.get("captions")
        captions = iter(captions if isinstance(captions, list) else [])
        for question in questions:
            name, text = question.get("name"), question.get("text_answer")
            if name == LABEL and isinstance(chosen := question.get("checklist_answers"), list):
                kept: list[Json] = labels if isinstance(labels, list) else []
                kept = kept if len(kept) == len(chosen) else [{}] * len(chosen)
                for one, own in zip(chosen, kept, strict=True):
                    self._add("label", own.get("attributes", {}), str(one.get("name")), own, {})
            elif name == CAPTION and isinstance(text, dict):
                said: Json = next(captions, {})
                self._add("caption", said.get("attributes", {}), None, said, {"caption": text.get("content")})
            elif not self._answer(question, self.attr, self.image.name):
                continue
            self.ledger.wrote("answer")

    def _answer(self, question: Json, attributes: Json, id: str, above: str = "") -> bool:
        """Enter an answered question, and those nested under it, as attributes; whether it is answered."""
        name = str(question.get("name") or question.get("value") or "")
        name = f"{above}.{name}" if name in attributes and above else name
        text, radio = question.get("text_answer"), question.get("radio_answer")
        several = question.get("checklist_answers")
        chosen = [radio] if isinstance(radio, dict) else several if isinstance(several, list) else []
        picked = [one.get("name") or one.get("value") or "" for one in chosen]
        if isinstance(text, dict):
            attributes[name] = text.get("content", "")
        elif chosen or isinstance(several, list):
            attributes[name] = picked[0] if isinstance(radio, dict) else picked
        else:
            self.ledger.dropped("answer", "a question without an answer", id)
            return False
        for inner in (*(question.get("classifications") or ()), *_below(chosen)):
            reason = "a nested question stands beside its parent"
            self.ledger.changed("repaired", "answer", reason, id)
            self._answer(inner, attributes, id, name)
        return True


def _below(chosen: list[Json]) -> list[Json]:
    return [inner for one in chosen for inner in one.get("classifications") or ()]


def _read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    del options
    return reader.read(source, reading)


FORMAT = Format(
    title="Datumaro",
    options=Options,
    write=write,
    read=_read,
    prepare=one_by_one(_prepared),
    images=True,
    starts=reader.starts,
    folder=reader.folder,
    ending=".json",
    says="boxes, polygons, lines, points, masks, cuboids, scores, tags, captions; answers as attributes",
)
