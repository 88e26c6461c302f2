"""Stored sections as lines of v1, copied: shapes are the same text in both and are not parsed.

What is not laid out as usual (a key that annotary does not know, an id that a URL cannot show) raises
`Unusual`; such a label is rendered from its values in place of this.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import msgspec
import numpy as np
from msgspec import Raw, field

from annotary.formats import _v1_render as render
from annotary.model.base import to_json

NULL = Raw(b"null")
EMPTY = Raw(b"[]")
_LIMIT = 4096
_PLAIN = re.compile(r"[A-Za-z0-9_-]+\Z")


class Unusual(Exception):
    """A label that cannot be copied."""


class Memo(dict[Any, Any]):
    """What was made of texts that come again and again; it does not grow without end."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, key: Any) -> Any:
        if len(self) >= _LIMIT:
            self.clear()
        made = self[key] = self.make(key)
        return made


# The sections, as far as v1 shows them. The cycle collector need not look at them.


class _Light(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    pass


class _Answer(_Light):
    feature_id: str
    feature_schema_id: str | None = None
    name: str | None = None
    value: str | None = None
    classifications: list[_Question] = []
    confidence: Raw = NULL
    custom_metrics: Raw = NULL


class _Text(_Light):
    content: str
    confidence: Raw = NULL
    custom_metrics: Raw = NULL


class _Question(_Light):
    feature_id: str
    feature_schema_id: str | None = None
    name: str | None = None
    value: str | None = None
    radio_answer: _Answer | None = None
    checklist_answers: list[_Answer] | None = None
    text_answer: _Text | None = None
    classifications: list[_Question] = []


class _Drawn(_Light, tag_field="annotation_kind", kw_only=True):
    key: ClassVar[str] = ""
    feature_id: str
    feature_schema_id: str | None = None
    name: str | None = None
    value: str | None = None
    classifications: list[_Question] = []
    confidence: Raw = NULL
    custom_metrics: Raw = NULL


class _Box(_Drawn, tag="ImageBoundingBox", kw_only=True):
    key = ',"bbox":'
    geometry: Raw = field(name="bounding_box")


class _Polygon(_Drawn, tag="ImagePolygon", kw_only=True):
    key = ',"polygon":'
    geometry: Raw = field(name="polygon")


class _Polyline(_Drawn, tag="ImagePolyline", kw_only=True):
    key = ',"line":'
    geometry: Raw = field(name="line")


class _Line(_Drawn, tag="ImageLine", kw_only=True):
    key = ',"line":'
    geometry: Raw = field(name="line")


class _Point(_Drawn, tag="ImagePoint", kw_only=True):
    key = ',"point":'
    geometry: Raw = field(name="point")


class _Cuboid(_Drawn, tag="ImageCuboid", kw_only=True):
    cuboid: Raw


class _Link(_Light):
    url: str
    color_rgb: Raw = NULL


class _Mask(_Drawn, tag="ImageSegmentationMask", kw_only=True):
    mask: _Link | None = None
    composite_mask: _Link | None = None


class _Arrow(_Drawn, tag="ImageUnidirectionalRelationship", kw_only=True):
    direction: ClassVar[str] = "unidirectional"
    ends: Raw = field(name="unidirectional_relationship")


class _Bond(_Drawn, tag="ImageBidirectionalRelationship", kw_only=True):
    direction: ClassVar[str] = "bidirectional"
    ends: Raw = field(name="bidirectional_relationship")


class _Annotations(_Light):
    objects: list[_Box | _Polygon | _Polyline | _Line | _Point | _Cuboid | _Mask | _Arrow | _Bond] = []
    classifications: list[_Question] = []
    relationships: list[_Arrow | _Bond] = []


_annotations = msgspec.json.Decoder(_Annotations).decode
_Feature = tuple[str | None, str | None, str | None]
"""Schema id, name and value."""


class Copier:
    """Lines of v1 in the making: pieces of text, and shapes on their way to their places among them."""

    def __init__(self, look: render.Look) -> None:
        self.pieces: list[str] = []
        self.shapes: list[bytes | Raw] = []
        self.places: list[int] = []
        self.look = look
        self.drawn = Memo(self._drawn_identity)
        self.asked = Memo(self._asked_identity)
        self.chosen = Memo(_identity)
        self.pixels = f',"instanceURI":"{to_json(look.base_url)[1:-1]}/masks/feature/'

    def mark(self) -> tuple[int, int]:
        """How far the lines are, to go back to."""
        return len(self.pieces), len(self.shapes)

    def back_to(self, mark: tuple[int, int]) -> None:
        """Forget what came after a mark."""
        del self.pieces[mark[0] :], self.shapes[mark[1] :], self.places[mark[1] :]

    def finish(self) -> bytes:
        """The text of all lines; there are none left then."""
        pieces = self.pieces
        for place, shape in zip(self.places, whole_numbers(self.shapes), strict=True):
            pieces[place] = shape
        self.pieces, self.shapes, self.places = [], [], []
        return "".join(pieces).encode("ascii")

    def annotations(self, section: bytes) -> bool:
        """Add `Label`'s members of a section; False where there is nothing in it. Raises Unusual."""
        try:
            found = _annotations(section.replace(b"\x1a", b"\\u001a"))
        except msgspec.DecodeError:
            raise Unusual from None
        links = list(found.relationships)
        self.pieces.append('"objects":[')
        self._objects(found.objects, links)
        self.pieces.append('],"classifications":[')
        if found.classifications:
            self._questions(found.classifications, "")
        self.pieces.append("]")
        if links:
            self._links(links)
        return bool(found.objects or found.classifications or links)

    def _objects(self, given: list[Any], links: list[Any]) -> None:
        pieces, shapes, places = self.pieces, self.shapes, self.places
        add, identity, pixels = pieces.extend, self.drawn.get, self.pixels
        comma = ""
        for drawn in given:
            id = drawn.feature_id
            if not (id.isascii() and id.isalnum()):
                plain_id(id)
            feature = (drawn.feature_schema_id, drawn.name, drawn.value)
            text = identity(feature) or self.drawn[feature]
            end = "}" if not drawn.classifications else ',"classifications":['
            key = drawn.key
            if key:
                places.append(len(pieces) + 1)
                shapes.append(_opened(drawn.geometry) if key is _POLYGON else drawn.geometry)
                add((f'{comma}{{"featureId":"{id}"{text}{key}', "", f'{pixels}{id}"{end}'))
            elif type(drawn) is _Mask:
                pieces.append(f'{comma}{{"featureId":"{id}"{text}{self._pixels_of(drawn)}{end}')
            elif type(drawn) is _Cuboid:
                shape = to_json(render.numbers(msgspec.json.decode(drawn.cuboid)))
                pieces.append(f'{comma}{{"featureId":"{id}"{text},"cuboid":{shape}{pixels}{id}"{end}')
            else:
                links.append(drawn)
                continue
            if drawn.classifications:
                self._questions(drawn.classifications, "")
                pieces.append("]}")
            comma = ","

    def _pixels_of(self, drawn: _Mask) -> str:
        link = drawn.mask or drawn.composite_mask
        if link is None or not link.url or link.url[0] == "\x1a":
            return f'{self.pixels}{drawn.feature_id}"'
        return f',"instanceURI":{to_json(link.url)}'

    def _questions(self, given: list[_Question], comma: str) -> None:
        """Questions, each with those nested under it right behind it."""
        for asked in given:
            feature = (asked.feature_schema_id, asked.name, asked.value)
            text = self.asked.get(feature) or self.asked[feature]
            answers: list[_Answer] = []
            if asked.radio_answer is not None:
                answers.append(asked.radio_answer)
                answer = f'"answer":{self._chosen(asked.radio_answer)}'
            elif asked.text_answer is not None:
                answer = f'"answer":{to_json(asked.text_answer.content)}'
            else:
                answers = asked.checklist_answers or answers
                answer = f'"answers":[{",".join(map(self._chosen, answers))}]'
            self.pieces.append(f'{comma}{{"featureId":{_quoted(asked.feature_id)}{text},{answer}}}')
            comma = ","
            for one in answers:
                if one.classifications:
                    self._questions(one.classifications, comma)
            if asked.classifications:
                self._questions(asked.classifications, comma)

    def _chosen(self, given: _Answer) -> str:
        feature = (given.feature_schema_id, given.name, given.value)
        text = self.chosen.get(feature) or self.chosen[feature]
        return f'{{"featureId":{_quoted(given.feature_id)}{text}}}'

    def _links(self, given: list[Any]) -> None:
        """Relationships; each stands in two lists and is written once."""
        comma = ',"relationships":['
        for link in {one.feature_id: one for one in given}.values():
            text = _identity((link.feature_schema_id, None, None))
            self.pieces.append(
                f'{comma}{{"featureId":{_quoted(link.feature_id)}{text},"data":{str(link.ends, "ascii")}'
                f',"relationshipType":"{link.direction}","version":1}}'
            )
            comma = ","
        self.pieces.append("]")

    def _drawn_identity(self, feature: _Feature) -> str:
        return _identity(feature, "color", self.look.colors)

    def _asked_identity(self, feature: _Feature) -> str:
        return _identity(feature, "scope", self.look.scopes)


_POLYGON = _Polygon.key


def _identity(feature: _Feature, key: str = "", table: Mapping[str, Any] | None = None) -> str:
    """What follows the id of an annotation: its feature, and what a table says of that."""
    named = zip(("feature_schema_id", "name", "value"), feature, strict=True)
    given = {name: value for name, value in named if value is not None}
    shown = render.identity(given)
    said = render.said_of(given, table or {})
    if said is not None:
        shown[key] = said
    return "," + to_json(shown)[1:-1] if shown else ""


def _quoted(id: str) -> str:
    return f'"{id}"' if id.isascii() and id.isalnum() else to_json(id)


def plain_id(id: str) -> str:
    """An id that is the same in JSON and in a URL; raises Unusual."""
    if not _PLAIN.match(id):
        raise Unusual
    return id


def _opened(given: Raw) -> bytes:
    """A polygon without the repetition of its first point."""
    ring = bytes(given)
    first = ring[1 : ring.find(b"}") + 1]
    if ring.endswith(first, len(first) + 1, -1):
        return ring[: -len(first) - 2] + b"]"
    return ring


def whole_numbers(shapes: Sequence[bytes | Raw]) -> list[str]:
    """Shapes with `977` for `977.0`.

    Done for many at once and by numpy: to replace text in each would cost as much as all the rest of a line.
    """
    text = b"\n".join(shapes)
    if not text:
        return []
    codes = np.frombuffer(text, np.uint8)
    dots = np.flatnonzero((codes[:-2] == ord(".")) & (codes[1:-1] == ord("0")))
    after = codes[dots + 2]
    dots = dots[(after == ord(",")) | (after == ord("}"))]
    if len(dots):
        kept = np.ones(len(codes), np.bool_)
        kept[dots] = kept[dots + 1] = False
        text = codes[kept].tobytes()
    return text.decode("ascii").split("\n")
