"""A v1 label as a row of the model: kinds, ids, dates and names as v2 has them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from msgspec import UNSET

from annotary.errors import Invalid
from annotary.formats._v1_layout import Answer, Document, Labelled, Object, Question, Questions
from annotary.formats._v1_tiled import pixel_geometry
from annotary.model import moment
from annotary.model import row as v2
from annotary.model.annotation import (
    Annotations,
    Arrow,
    Bond,
    BoxObject,
    Classification,
    CuboidObject,
    Drawn,
    Ends,
    MaskObject,
    PointObject,
    PolygonObject,
    PolylineObject,
    Relationship,
    TextAnswer,
)
from annotary.model.annotation import Answer as Chosen
from annotary.model.base import derived_id
from annotary.model.carried import Extras
from annotary.model.geometry import Box, MaskLink, Point
from annotary.model.project import DONE

KEEPS = "annotary keeps images"
_ACTIONS = {"MOVE": "Move", "REWORK": "Move", "APPROVE": "Approve", "REJECT": "Reject"}
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_STATUS: tuple[tuple[str, v2.WorkflowStatus], ...] = (
    ("rework", "IN_REWORK"),
    ("review", "IN_REVIEW"),
    ("label", "TO_LABEL"),
)
_FIELDS: dict[str, tuple[type[Drawn], str]] = {
    "line": (PolylineObject, "line"),
    "point": (PointObject, "point"),
    "polygon": (PolygonObject, "polygon"),
    "bbox": (BoxObject, "bounding_box"),
    "cuboid": (CuboidObject, "cuboid"),
}


class Unfit(Invalid):
    """A label that cannot be taken over: where in it, which value, why."""

    def __init__(self, path: str, value: Any, reason: str) -> None:
        super().__init__(f"{path}: {reason}: {value}")
        self.path = path
        self.value = value
        self.reason = reason


def not_an_image(document: Document) -> str | None:
    """Why a label is not of an image; None where it is, or does not say."""
    kind = (document.media_type or "image").lower()
    if not kind.startswith(("image", "tms", "geospatial", "simple")):
        return f"not an image: its media type is {kind}; {KEEPS}"
    if isinstance(document.label, tuple):
        return f"not an image: a video label (frames); {KEEPS}"
    drawn = document.label.objects or () if isinstance(document.label, Labelled) else ()
    for one in drawn:
        if one.page is not None or one.unit is not None:
            return f"not an image: a PDF label (pages); {KEEPS}"
        if one.data is not None or one.format is not None:
            return f"not an image: a text label ({one.format or 'data'}); {KEEPS}"
    return None


# Annotations


def label_annotations(label: Labelled, label_id: str) -> Annotations:
    """The annotations of a label, each with an id; raises Unfit."""
    return Annotations(
        objects=tuple(
            _object(one, label_id, f"Label.objects[{index}]") for index, one in enumerate(label.objects or ())
        ),
        classifications=_questions(label.classifications, label_id, "Label.classifications"),
        relationships=tuple(
            _relationship(one, label_id, f"Label.relationships[{index}]")
            for index, one in enumerate(label.relationships or ())
        ),
    )


def identity(given: Any, label_id: str, path: str) -> dict[str, Any]:
    """Id, schema id, name and value; an id that is missing follows from the place."""
    return {
        "feature_id": given.feature_id or derived_id("feature", label_id, path),
        "feature_schema_id": given.schema_id or UNSET,
        "name": given.title or UNSET,
        "value": UNSET if given.value is None else str(given.value),
    }


def _object(given: Object, label_id: str, path: str) -> Any:
    fields = identity(given, label_id, path)
    fields["classifications"] = _questions(given.classifications, label_id, f"{path}.classifications")
    for key, (kind, name) in _FIELDS.items():
        geometry = getattr(given, key)
        if geometry is not None:
            return kind(**fields, **{name: geometry})
    if given.geometry is not None:
        return _tiled(given, fields, path)
    if not given.instance_uri:
        raise Unfit(path, given.title or "", "no geometry: neither a shape nor an instanceURI")
    return MaskObject(**fields, mask=MaskLink(url=given.instance_uri))


def _tiled(given: Object, fields: dict[str, Any], path: str) -> Any:
    found = pixel_geometry(given.type, given.geometry)
    if found is None:
        reason = "not a point, polyline, rectangle or polygon without holes; leave the object out"
        raise Unfit(f"{path}.geometry", given.type, reason)
    key, numbers = found
    kind, name = _FIELDS[key]
    wanted: Any = {"bbox": Box, "point": Point}.get(key, tuple[Point, ...])
    return kind(**fields, **{name: msgspec.convert(numbers, wanted)})


def _relationship(given: Any, label_id: str, path: str) -> Relationship:
    fields = identity(given, label_id, path)
    ends = Ends(source=given.data.source, target=given.data.target)
    if given.relationship_type == "bidirectional":
        return Bond(**fields, bidirectional_relationship=ends)
    return Arrow(**fields, unidirectional_relationship=ends)


def unwrapped(given: Questions) -> Iterator[tuple[Question, tuple[int, ...]]]:
    """Questions out of the lists they may stand in, each with its indices."""
    for index, one in enumerate(given or ()):
        if isinstance(one, Question):
            yield one, (index,)
        else:
            for inner, question in enumerate(one):
                yield question, (index, inner)


def _questions(given: Questions, label_id: str, path: str) -> tuple[Classification, ...]:
    return tuple(
        _question(one, label_id, path + "".join(f"[{at}]" for at in place)) for one, place in unwrapped(given)
    )


def _question(given: Question, label_id: str, path: str) -> Classification:
    fields = identity(given, label_id, path)
    said = given.answer if given.answers is UNSET or given.answers is None else given.answers
    if isinstance(said, Answer) and said is given.answers:
        said = (said,)
    if isinstance(said, str):
        return Classification(**fields, text_answer=TextAnswer(content=said))
    if isinstance(said, Answer):
        return Classification(**fields, radio_answer=_answer(said, label_id, f"{path}.answer"))
    if not isinstance(said, tuple):
        raise Unfit(path, given.title or "", "a classification without an answer")
    chosen = tuple(_answer(one, label_id, f"{path}.answer[{index}]") for index, one in enumerate(said))
    if len(chosen) == 1 and said is given.answer:
        return Classification(**fields, radio_answer=chosen[0])
    return Classification(**fields, checklist_answers=chosen)


def _answer(given: Answer, label_id: str, path: str) -> Chosen:
    return Chosen(**identity(given, label_id, path))


# What stands beside `Label`


def data_row(document: Document) -> v2.DataRow:
    """The data row; raises Unfit where nothing tells which it is."""
    if not document.data_row_id and not document.row_data and not document.global_key:
        reason = "neither 'DataRow ID' nor 'Labeled Data' says which data row it is"
        raise Unfit("DataRow ID", "nothing", reason)
    return v2.DataRow(
        id=document.data_row_id or "",
        global_key=document.global_key or UNSET,
        external_id=UNSET if document.external_id is None else document.external_id,
        row_data=document.row_data or "",
        details=v2.DataRowDetails(dataset_name=document.dataset_name or UNSET),
    )


def media(document: Document, plain: Any) -> tuple[v2.MediaAttributes, Extras]:
    """Media attributes, and those that annotary does not know."""
    given = document.media
    if given is None:
        return v2.MediaAttributes(), ()
    known = {name: getattr(given, name) for name in given.__struct_fields__}
    known = {name: UNSET if value is None else value for name, value in known.items()}
    if isinstance(known["exif_rotation"], int):
        known["exif_rotation"] = str(known["exif_rotation"])
    names = {field.encode_name for field in msgspec.structs.fields(given)}
    extras = [(("media_attributes", snake(key)), value) for key, value in plain.items() if key not in names]
    return v2.MediaAttributes(**known), extras


def metadata(document: Document) -> tuple[v2.MetadataField, ...] | msgspec.UnsetType:
    """Metadata values; UNSET where the file says nothing of them."""
    if document.metadata is None:
        return UNSET
    return tuple(
        v2.MetadataField(schema_id=one.schema_id, schema_name=one.name, schema_kind=one.kind, value=one.value)
        for one in document.metadata
    )


def label_details(document: Document) -> v2.LabelDetails:
    """Dates, creator and reviews; raises Unfit."""
    return v2.LabelDetails(
        created_at=_date(document.created_at, "Created At"),
        updated_at=_date(document.updated_at, "Updated At"),
        created_by=document.created_by,
        reviews=tuple(
            v2.Review(
                id=one.id,
                score=one.score,
                created_at=_instant(one.created_at, f"Reviews[{index}].createdAt"),
                created_by=one.created_by,
            )
            for index, one in enumerate(document.reviews or ())
        ),
    )


def performance(document: Document) -> v2.Performance:
    """Seconds of work, whether skipped, and scores; -1 is no score."""
    whole, create, review = document.seconds or 0, document.seconds_to_create, document.seconds_to_review
    if create is None:
        create = whole if review is None else max(whole - review, 0)
    if review is None:
        review = max(whole - create, 0)
    return v2.Performance(
        seconds_to_create=create,
        seconds_to_review=review,
        skipped=bool(document.skipped),
        benchmark_score=_score(document.benchmark_agreement),
        consensus_score=_score(document.agreement),
    )


def project_details(document: Document) -> v2.ProjectDetails | msgspec.UnsetType:
    """The workflow; UNSET where the file says nothing of it. Raises Unfit."""
    given = document.workflow
    if given is None:
        return UNSET
    path = "DataRow Workflow Info.Workflow History"
    history = tuple(
        v2.WorkflowEvent(
            action=_ACTIONS.get(one.action.upper(), one.action),
            created_at=_instant(one.created_at, f"{path}[{index}].createdAt"),
            created_by=one.actor_id,
            previous_task_name=one.previous_task_name or UNSET,
            previous_task_id=one.previous_task_id or UNSET,
            next_task_name=one.next_task_name or UNSET,
            next_task_id=one.next_task_id or UNSET,
        )
        for index, one in enumerate(given.history or ())
    )
    return v2.ProjectDetails(
        task_name=given.task or UNSET, workflow_status=_status(given.task or ""), workflow_history=history
    )


def _status(task: str) -> v2.WorkflowStatus | msgspec.UnsetType:
    if task == DONE:
        return "DONE"
    return next((status for word, status in _STATUS if word in task.lower()), UNSET)


def project_id(document: Document) -> str:
    """The project in the link to the label; empty where there is none."""
    try:
        return parse_qs(urlsplit(document.view_label or "").query).get("project", [""])[0]
    except ValueError:
        return ""


def _score(given: float | None) -> float | msgspec.UnsetType:
    return UNSET if given is None or given == -1 else given


def _date(text: str | None, path: str) -> str | msgspec.UnsetType:
    return _instant(text, path) if text else UNSET


def _instant(text: str, path: str) -> str:
    try:
        return moment.canonical(text)
    except ValueError:
        raise Unfit(path, text, f"not a date; give {moment.WANTED}") from None


def snake(key: str) -> str:
    """A v1 key as v2 spells it.

    >>> snake("mimeType")
    'mime_type'
    """
    return _CAPITAL.sub("_", key).lower()
