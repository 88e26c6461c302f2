"""Stored labels as import lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import UNSET, to_builtins

from annotary.model.annotation import (
    Annotations,
    Answer,
    Arrow,
    Bond,
    BoxObject,
    Classification,
    CuboidObject,
    LineObject,
    MaskObject,
    Object,
    PointObject,
    PolygonObject,
    PolylineObject,
)
from annotary.model.base import to_json
from annotary.model.carried import decode
from annotary.model.geometry import MaskLink
from annotary.model.sections import BASE

_ADDRESS = '"instanceURI":"\\u001a/'


def lines_of(data_row: dict[str, Any], label: tuple[Any, ...]) -> Iterator[bytes]:
    """The lines of one label, annotation by annotation; own mask links keep their placeholder."""
    mark = BASE.encode()
    section = label[7].replace(mark, b"\\u001a") if mark in label[7] else label[7]
    given, extras = decode(section, Annotations)
    unknown: dict[tuple[str | int, ...], dict[str, Any]] = {}
    for path, value in extras:
        if len(path) == 3:
            unknown.setdefault(path[:2], {})[str(path[2])] = value
    key = data_row.get("global_key")
    where = {"globalKey": key} if key else {"id": data_row["id"]}
    benchmark = b'"is_benchmark_reference":true' in label[4]
    for members, lines in (
        ("objects", [_object(drawn) for drawn in given.objects]),
        ("classifications", [_classification(one, nested=False) for one in given.classifications]),
    ):
        for index, line in enumerate(lines):
            whole = {"uuid": line.pop("uuid"), "dataRow": where, **line, **unknown.get((members, index), {})}
            if benchmark:
                whole["isBenchmarkReferenceLabel"] = True
            # As in stored sections: such text can only be a member of the structure.
            text = to_json(whole).replace(_ADDRESS, f'"instanceURI":"{BASE}/')
            yield text.encode() + b"\n"


def _object(drawn: Object) -> dict[str, Any]:
    line = {"uuid": drawn.feature_id, **_named(drawn), **_payload(drawn)}
    if drawn.classifications:
        line["classifications"] = [_classification(one, nested=True) for one in drawn.classifications]
    return {**line, **_scored(drawn)}


def _payload(drawn: Object) -> dict[str, Any]:
    match drawn:
        case BoxObject():
            return {"bbox": to_builtins(drawn.bounding_box)}
        case PolygonObject():
            return {"polygon": to_builtins(drawn.polygon)}
        case PolylineObject() | LineObject():
            return {"line": to_builtins(drawn.line)}
        case PointObject():
            return {"point": to_builtins(drawn.point)}
        case CuboidObject():
            return {"cuboid": to_builtins(drawn.cuboid)}
        case MaskObject():
            if isinstance(drawn.mask, MaskLink):
                return {"mask": {"instanceURI": drawn.mask.url}}
            link: Any = drawn.composite_mask
            return {"mask": {"instanceURI": link.url, "colorRGB": list(link.color_rgb)}}
        case Arrow() | Bond():
            kind = "unidirectional" if isinstance(drawn, Arrow) else "bidirectional"
            ends = drawn.ends()
            return {"relationship": {"source": ends.source, "target": ends.target, "type": kind}}


def _classification(given: Classification, *, nested: bool) -> dict[str, Any]:
    line: dict[str, Any] = {} if nested else {"uuid": given.feature_id}
    line.update(_named(given))
    if isinstance(given.radio_answer, Answer):
        line["answer"] = _answer(given.radio_answer)
    elif isinstance(given.checklist_answers, tuple):
        line["answer"] = [_answer(one) for one in given.checklist_answers]
    elif given.text_answer is not UNSET:
        line["answer"] = given.text_answer.content
        line.update(_scored(given.text_answer))
    if isinstance(given.classifications, tuple) and given.classifications:
        line["classifications"] = [_classification(one, nested=True) for one in given.classifications]
    return line


def _answer(given: Answer) -> dict[str, Any]:
    shown = {**_named(given), **_scored(given)}
    if given.classifications:
        shown["classifications"] = [_classification(one, nested=True) for one in given.classifications]
    return shown


def _named(given: Any) -> dict[str, Any]:
    found = {"name": given.name, "schemaId": given.feature_schema_id}
    return {key: value for key, value in found.items() if value is not UNSET}


def _scored(given: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if given.confidence is not msgspec.UNSET:
        found["confidence"] = given.confidence
    if given.custom_metrics is not msgspec.UNSET:
        found["customMetrics"] = to_builtins(given.custom_metrics)
    return found
