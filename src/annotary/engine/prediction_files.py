"""Predictions out of a file, by image: COCO results, Labelbox import lines, any training format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from annotary.engine.recognising import opened, recognised
from annotary.errors import Refused
from annotary.formats import Source, load, reading
from annotary.model.corpus import Notice, Parsed, Problem
from annotary.model.image import Image, Mark, classes_of
from annotary.model.ontology import Normalized

_marks = msgspec.json.Decoder(list[Mark]).decode


class _Coco(msgspec.Struct):
    id: int | str | None = None


_coco = msgspec.json.Decoder(_Coco).decode


class Predicted:
    """The images of a file under the names it has for them; all at once, as averages want them anyway."""

    def __init__(self, path: str | Path, ontology: Normalized, format: str | None = None) -> None:
        self.by_key: dict[str, Image] = {}
        self.images = 0
        self._names = _numbered(ontology)
        self._schemas = {tool.feature_schema_id: tool.name for tool in ontology.tools}
        for source in opened([path], None, format):
            for image in self._read(source, format or recognised(source)):
                self.images += 1
                for key in keys(image):
                    self.by_key.setdefault(key, image)

    def take(self, labelled: Image) -> Image | None:
        """The predictions of an image, by its id, global key, external id or COCO id; None without any."""
        for key in keys(labelled):
            found = self.by_key.get(key)
            if found is not None:
                found.width, found.height = labelled.width, labelled.height
                return found
        return None

    def _read(self, source: Source, format: str) -> Iterator[Image]:
        form = load(format)
        if form.read is None:
            raise Refused(f"{source.name}: {format} is not read", [])

        def report(problem: Problem) -> None:
            told = replace(problem, place=f"{source.name}, {problem.place}")
            raise Refused(f"{told.place}: {told.reason}: {told.value}", [told])

        for found in form.read(source, form.options(), reading(report, _unheard)):
            image = found if isinstance(found, Image) else self._of_row(found)
            for mark in image.marks:
                # Results name their classes by number only.
                mark.name = self._names.get(mark.name, mark.name)
                mark.feature_id = mark.feature_id or mark.id
            yield image

    def _of_row(self, parsed: Parsed) -> Image:
        row = parsed.row.data_row
        drawn: list[Mark] = []
        for part in parsed.row.projects.values():
            for label in part.labels:
                marks = _marks(msgspec.json.encode(label.annotations.objects))
                for mark, one in zip(marks, label.annotations.objects, strict=True):
                    mark.name = mark.name or self._schemas.get(_text(one.feature_schema_id), "")
                    png = getattr(getattr(one, "mask", None), "png", None)
                    mark.png = png if isinstance(png, bytes) else None
                drawn += marks
        return Image(
            id=row.id,
            global_key=_text(row.global_key),
            external_id=_text(row.external_id),
            marks=drawn,
        )


def keys(image: Image) -> Iterator[str]:
    """The names an image may go by, the surest first."""
    yield from (key for key in (image.id, image.global_key, image.external_id) if key)
    if image.coco and (id := _coco(image.coco).id) is not None:
        yield str(id)


def _numbered(ontology: Normalized) -> dict[str, str]:
    """Class names by number: a COCO file's category ids, else the index plus one, as our COCO has them."""
    known = {one.name for one in classes_of([ontology])}
    found: dict[str, str] = {}
    for one in classes_of([ontology]):
        number = str(one.category.get("id", one.index + 1))
        if number not in known:
            found[number] = one.name
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _unheard(notice: Notice) -> None:
    """What a reader remarks on the way is nothing that changes a score."""
