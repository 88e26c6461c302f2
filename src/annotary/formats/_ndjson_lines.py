"""One import line, typed: an annotation of a data row, as the vendor's SDK sends it."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, UnsetType

from annotary.model.annotation import (
    Answer,
    Arrow,
    Bond,
    BoxObject,
    Classification,
    Confidence,
    CuboidObject,
    CustomMetric,
    Ends,
    MaskObject,
    Object,
    PointObject,
    PolygonObject,
    PolylineObject,
    TextAnswer,
)
from annotary.model.base import Value, derived_id
from annotary.model.geometry import Box, Channel, CompositeLink, Cuboid, MaskLink, Point

Colour = tuple[Channel, Channel, Channel]
Points = Annotated[tuple[Point, ...], Meta(min_length=1)]


class Reference(Value, rename="camel"):
    """The data row a line is about: by id or by global key."""

    id: str | None | UnsetType = UNSET
    global_key: str | None | UnsetType = UNSET

    def key(self) -> tuple[str, str] | None:
        """`id` or `global_key` with its value; None where there is none, or both."""
        if bool(self.id) == bool(self.global_key):
            return None
        return ("id", str(self.id)) if self.id else ("global_key", str(self.global_key))


class Chosen(Value, rename="camel"):
    """A chosen option."""

    name: str | UnsetType = UNSET
    schema_id: str | None | UnsetType = UNSET
    confidence: Confidence | None | UnsetType = UNSET
    custom_metrics: tuple[CustomMetric, ...] | None | UnsetType = UNSET
    classifications: tuple[Asked, ...] = ()


class Asked(Value, rename="camel"):
    """An answered question under an object or an answer."""

    name: str | UnsetType = UNSET
    schema_id: str | None | UnsetType = UNSET
    uuid: str | UnsetType = UNSET
    answer: str | Chosen | tuple[Chosen, ...] | UnsetType = UNSET
    answers: tuple[Chosen, ...] | UnsetType = UNSET
    confidence: Confidence | None | UnsetType = UNSET
    custom_metrics: tuple[CustomMetric, ...] | None | UnsetType = UNSET
    classifications: tuple[Asked, ...] = ()


class Pixels(Value, rename={"im_bytes": "imBytes", "instance_uri": "instanceURI", "color_rgb": "colorRGB"}):
    """A mask: pixels as base64, a coloured picture, or an address."""

    png: bytes | UnsetType = UNSET
    im_bytes: bytes | UnsetType = UNSET
    instance_uri: str | UnsetType = UNSET
    color_rgb: Colour | None | UnsetType = UNSET


class Joined(Value):
    """A relationship between two lines of the same data row."""

    source: str
    target: str
    type: Literal["unidirectional", "bidirectional"] = "unidirectional"
    readonly: bool | None | UnsetType = UNSET


class Line(Value, rename="camel"):
    """An annotation with the data row it is on."""

    data_row: Reference
    uuid: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    schema_id: str | None | UnsetType = UNSET
    classifications: tuple[Asked, ...] = ()
    confidence: Confidence | None | UnsetType = UNSET
    custom_metrics: tuple[CustomMetric, ...] | None | UnsetType = UNSET
    is_benchmark_reference_label: bool | UnsetType = UNSET
    line: Points | UnsetType = UNSET
    polygon: Points | UnsetType = UNSET
    point: Point | UnsetType = UNSET
    bbox: Box | UnsetType = UNSET
    mask: Pixels | UnsetType = UNSET
    cuboid: Cuboid | UnsetType = UNSET
    answer: str | Chosen | tuple[Chosen, ...] | UnsetType = UNSET
    answers: tuple[Chosen, ...] | UnsetType = UNSET
    relationship: Joined | UnsetType = UNSET


_UUID = re.compile(r"\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?", re.I)


def plain_id(given: str) -> str:
    """A UUID in its usual spelling, whatever the file's; other ids as they are.

    >>> plain_id("{F6879F59D2B549C2ACEBD9E8DC478673}")
    'f6879f59-d2b5-49c2-aceb-d9e8dc478673'
    """
    found = _UUID.fullmatch(given)
    return "-".join(found.groups()).lower() if found else given


def object_of(line: Line, id: str, mask: MaskLink | CompositeLink | None) -> Object | None:
    """The drawn object of a line; None where it draws nothing. Kinds are tried in the SDK's order."""
    common: dict[str, Any] = {
        "feature_id": id,
        "feature_schema_id": line.schema_id or UNSET,
        "name": line.name,
        "classifications": tuple(
            classification_of(one, f"{id}/{index}") for index, one in enumerate(line.classifications)
        ),
        "confidence": UNSET if line.confidence is None else line.confidence,
        "custom_metrics": UNSET if line.custom_metrics is None else line.custom_metrics,
    }
    if line.line is not UNSET:
        return PolylineObject(line=line.line, **common)
    if line.polygon is not UNSET:
        return PolygonObject(polygon=line.polygon, **common)
    if line.point is not UNSET:
        return PointObject(point=line.point, **common)
    if line.bbox is not UNSET:
        return BoxObject(bounding_box=line.bbox, **common)
    if line.cuboid is not UNSET:
        return CuboidObject(cuboid=line.cuboid, **common)
    if isinstance(mask, CompositeLink):
        return MaskObject(composite_mask=mask, **common)
    if mask is not None:
        return MaskObject(mask=mask, **common)
    if line.relationship is not UNSET:
        ends = Ends(source=plain_id(line.relationship.source), target=plain_id(line.relationship.target))
        if line.relationship.type == "bidirectional":
            return Bond(bidirectional_relationship=ends, **common)
        return Arrow(unidirectional_relationship=ends, **common)
    return None


def classification_of(given: Asked | Line, seed: str, id: str = "") -> Classification:
    """An answered question; ids of answers follow from the line's id and the place in it."""
    answer = given.answers if given.answer is UNSET else given.answer
    confidence = UNSET if given.confidence is None else given.confidence
    metrics = UNSET if given.custom_metrics is None else given.custom_metrics
    fields: dict[str, Any] = {
        "feature_id": id or (derived_id(seed) if given.uuid is UNSET else plain_id(given.uuid)),
        "feature_schema_id": given.schema_id or UNSET,
        "name": given.name,
    }
    if isinstance(answer, str):
        fields["text_answer"] = TextAnswer(content=answer, confidence=confidence, custom_metrics=metrics)
        if given.classifications:
            fields["classifications"] = tuple(
                classification_of(one, f"{seed}/{index}") for index, one in enumerate(given.classifications)
            )
    elif isinstance(answer, Chosen):
        fields["radio_answer"] = _answer(answer, f"{seed}/answer", confidence, metrics)
    elif isinstance(answer, tuple):
        fields["checklist_answers"] = tuple(
            _answer(one, f"{seed}/answer {index}", confidence, metrics) for index, one in enumerate(answer)
        )
    return Classification(**fields)


def _answer(given: Chosen, seed: str, confidence: Any, metrics: Any) -> Answer:
    own = given.confidence
    own_metrics = given.custom_metrics
    return Answer(
        feature_id=derived_id(seed),
        feature_schema_id=given.schema_id or UNSET,
        name=given.name,
        classifications=tuple(
            classification_of(one, f"{seed}/{index}") for index, one in enumerate(given.classifications)
        ),
        confidence=confidence if own is UNSET or own is None else own,
        custom_metrics=metrics if own_metrics is UNSET or own_metrics is None else own_metrics,
    )
