"""What a person drew or answered: the members of a label, in the JSON of a Labelbox v2 export.

`annotation_kind` is the tag of the union `Object`. Sources of the layout: the vendor's published
examples; cuboids and bidirectional relationships, which those lack, are spelt by analogy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import UNSET, Meta, UnsetType

from annotary.model.base import Value
from annotary.model.geometry import Box, CompositeLink, Cuboid, MaskLink, Point

Confidence = Annotated[float, Meta(ge=0, le=1)]


class CustomMetric(Value):
    """A number of the user's own on a prediction."""

    name: str
    value: float


class Answer(Value):
    """A chosen option of a radio or checklist question, with the questions nested under it."""

    feature_id: str = ""
    feature_schema_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    value: str | UnsetType = UNSET
    classifications: tuple[Classification, ...] = ()
    confidence: Confidence | UnsetType = UNSET
    custom_metrics: tuple[CustomMetric, ...] | UnsetType = UNSET


class TextAnswer(Value):
    """Free text."""

    content: str
    confidence: Confidence | UnsetType = UNSET
    custom_metrics: tuple[CustomMetric, ...] | UnsetType = UNSET


class Classification(Value):
    """An answered question; exactly one of the three answers is set."""

    feature_id: str = ""
    feature_schema_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    value: str | UnsetType = UNSET
    radio_answer: Answer | UnsetType = UNSET
    checklist_answers: tuple[Answer, ...] | UnsetType = UNSET
    text_answer: TextAnswer | UnsetType = UNSET
    classifications: tuple[Classification, ...] | UnsetType = UNSET

    def kind(self) -> str:
        """`radio`, `checklist` or `text`: its question's type; empty with no answer or several."""
        radio, text = self.radio_answer is not UNSET, self.text_answer is not UNSET
        if self.checklist_answers is not UNSET:
            return "" if radio or text else "checklist"
        if radio:
            return "" if text else "radio"
        return "text" if text else ""

    def answers(self) -> tuple[Answer, ...]:
        """The chosen options; none for free text."""
        if isinstance(self.radio_answer, Answer):
            return (self.radio_answer,)
        return self.checklist_answers if isinstance(self.checklist_answers, tuple) else ()


class Drawn(Value, tag_field="annotation_kind"):
    """What all objects have."""

    feature_id: str = ""
    feature_schema_id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    value: str | UnsetType = UNSET
    classifications: tuple[Classification, ...] = ()
    confidence: Confidence | UnsetType = UNSET
    custom_metrics: tuple[CustomMetric, ...] | UnsetType = UNSET


class BoxObject(Drawn, tag="ImageBoundingBox", kw_only=True):
    """A bounding box."""

    bounding_box: Box


class PolygonObject(Drawn, tag="ImagePolygon", kw_only=True):
    """A polygon; the first point is repeated as the last."""

    polygon: tuple[Point, ...]


class PolylineObject(Drawn, tag="ImagePolyline", kw_only=True):
    """A line of two or more points."""

    line: tuple[Point, ...]


class LineObject(Drawn, tag="ImageLine", kw_only=True):
    """A polyline as one published sample of predictions spells it; the store turns it into a polyline."""

    line: tuple[Point, ...]


class PointObject(Drawn, tag="ImagePoint", kw_only=True):
    """A single point."""

    point: Point


class MaskObject(Drawn, tag="ImageSegmentationMask", kw_only=True):
    """A mask; its pixels are behind a URL."""

    mask: MaskLink | UnsetType = UNSET
    composite_mask: CompositeLink | UnsetType = UNSET


class CuboidObject(Drawn, tag="ImageCuboid", kw_only=True):
    """A cuboid."""

    cuboid: Cuboid


class Ends(Value):
    """The two annotations a relationship joins, by feature id."""

    source: str
    target: str


class Arrow(Drawn, tag="ImageUnidirectionalRelationship", kw_only=True):
    """A relationship from source to target."""

    unidirectional_relationship: Ends

    def ends(self) -> Ends:
        """Source and target."""
        return self.unidirectional_relationship


class Bond(Drawn, tag="ImageBidirectionalRelationship", kw_only=True):
    """A relationship that holds both ways."""

    bidirectional_relationship: Ends

    def ends(self) -> Ends:
        """Source and target."""
        return self.bidirectional_relationship


Relationship = Arrow | Bond
Shape = BoxObject | PolygonObject | PolylineObject | LineObject | PointObject | MaskObject | CuboidObject
Object = (
    BoxObject
    | PolygonObject
    | PolylineObject
    | LineObject
    | PointObject
    | MaskObject
    | CuboidObject
    | Arrow
    | Bond
)

TOOLS: dict[type[Drawn], tuple[str, ...]] = {
    BoxObject: ("rectangle",),
    PolygonObject: ("polygon",),
    PolylineObject: ("line",),
    LineObject: ("line",),
    PointObject: ("point",),
    MaskObject: ("raster-segmentation", "superpixel"),
    CuboidObject: ("cuboid",),
    Arrow: ("edge",),
    Bond: ("edge",),
}


class Annotations(Value):
    """All of a label: objects (relationships among them), answers about the image, relationships again."""

    objects: tuple[Object, ...] = ()
    classifications: tuple[Classification, ...] = ()
    relationships: tuple[Relationship, ...] = ()

    def shapes(self) -> Iterator[Shape]:
        """The objects that have a shape, without relationships."""
        for drawn in self.objects:
            if not isinstance(drawn, Arrow | Bond):
                yield drawn

    def links(self) -> tuple[Relationship, ...]:
        """Every relationship once, whichever list it stands in."""
        found: dict[str, Relationship] = {}
        for drawn in (*self.objects, *self.relationships):
            if isinstance(drawn, Arrow | Bond):
                found.setdefault(drawn.feature_id, drawn)
        return tuple(found.values())
