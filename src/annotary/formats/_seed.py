"""The field set `seed`: rows with exactly the keys of the vendor's first published v2 samples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from annotary.model import moment
from annotary.model.base import to_json
from annotary.model.corpus import Corpus, Part, Record, Shown
from annotary.model.sections import BASE

_MEDIA = ("height", "width", "mime_type")
_PROJECT = ("ontology_id", "batch_id", "priority", "consensus_expected_label_count", "workflow_history")
_PERFORMANCE = ("seconds_to_create", "seconds_to_review", "skipped")
_GEOMETRY = ("bounding_box", "polygon", "line", "point", "mask", "composite_mask", "cuboid")
_LINKS = ("unidirectional_relationship", "bidirectional_relationship")
_ANSWERED = ("feature_id", "name", "annotation_kind", "classifications", *_GEOMETRY, *_LINKS)


def seed_lines(corpus: Corpus) -> Iterator[bytes]:
    """One line a row; own mask links keep their placeholder."""
    for page in corpus.pages:
        for row in page.rows:
            record = Record._make(row)
            head = _loads(b"{" + record.head + b"}")
            line: dict[str, Any] = {"data_row": _keep(head, ("id", "global_key", "external_id", "row_data"))}
            if record.deleted:
                line["deleted"] = True
            else:
                _fill(line, record, corpus, page.parts)
            yield _dump(line) + b"\n"


def _fill(line: dict[str, Any], record: Record, corpus: Corpus, parts: tuple[Part, ...]) -> None:
    if record.details:
        details = _loads(b"{" + record.details + b'"}')
        for key in ("created_at", "updated_at"):
            details[key] = details[key][:10]
        line["data_row"]["details"] = _keep(details, ("dataset_id", "created_at", "updated_at", "created_by"))
    line["media_attributes"] = _keep(_loads(b"{" + record.media + b"}")["media_attributes"], _MEDIA)
    if record.attachments:
        line["attachments"] = _loads(record.attachments)
    if record.metadata:
        line["metadata_fields"] = _loads(record.metadata)
    for shown, part in zip(corpus.shown, parts, strict=True):
        held = part.rows.get(record.number, (record.tail, record.extra, b"") if corpus.single else None)
        if held is None:
            continue
        if shown.kind == "project":
            line.setdefault("projects", {})[shown.id] = _project(shown, part, record.number, held)
        else:
            models = line.setdefault("experiments", {})
            model = models.setdefault(shown.model_id, {"name": shown.model_name, "runs": {}})
            model["runs"][shown.id] = _run(shown, part, record.number, held[0], corpus.params.predictions)


def _project(shown: Shown, part: Part, number: int, held: tuple[bytes, bytes, bytes]) -> dict[str, Any]:
    project: dict[str, Any] = {
        "project_name": shown.name,
        "labels": [_label(label) for label in part.labels.get(number, ())],
    }
    if held[1]:
        project["project_details"] = _keep(_loads(held[1]), _PROJECT)
    return project


def _run(shown: Shown, part: Part, number: int, tail: bytes, predictions: bool) -> dict[str, Any]:
    run = {"name": shown.name, **_loads(b"{" + tail + b"}")}
    # A run's labels show neither details nor performance, whatever is asked for.
    run["labels"] = [_bare(label, predicted=False) for label in part.labels.get(number, ())]
    if predictions:
        run["predictions"] = [_bare(label, predicted=True) for label in part.predictions.get(number, ())]
    return run


def _bare(label: tuple[Any, ...], *, predicted: bool) -> dict[str, Any]:
    shown = _keep(_loads(b"{" + label[4] + b"}"), ("label_kind", "version", "id"))
    given = _loads(label[7])
    shown["annotations"] = {
        key: [_annotation(one, predicted) for one in given[key]]
        for key in ("objects", "classifications", "relationships")
    }
    return shown


def _label(label: tuple[Any, ...]) -> dict[str, Any]:
    shown = _bare(label, predicted=False)
    if label[5]:
        details = _loads(label[5])
        for key in ("created_at", "updated_at"):
            details[key] = moment.shown_seed(details[key])
        shown["label_details"] = _keep(details, ("created_at", "updated_at", "created_by", "reviews"))
    if label[6]:
        shown["performance_details"] = _keep(_loads(label[6]), _PERFORMANCE)
    return shown


def _annotation(given: dict[str, Any], predicted: bool) -> dict[str, Any]:
    shown = _keep(given, _ANSWERED)
    if predicted and shown.get("annotation_kind") == "ImagePolyline":
        # The published sample of a model run spells it so, in predictions only.
        shown["annotation_kind"] = "ImageLine"
    if "classifications" in shown:
        shown["classifications"] = [_annotation(one, predicted) for one in shown["classifications"]]
    if "radio_answer" in given:
        shown["radio_answer"] = _annotation(given["radio_answer"], predicted)
    if "checklist_answers" in given:
        shown["checklist_answers"] = [_annotation(one, predicted) for one in given["checklist_answers"]]
    if "text_answer" in given:
        shown["text_answer"] = _keep(given["text_answer"], ("content",))
    return shown


def _keep(given: dict[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: given[key] for key in keys if key in given}


def _loads(section: bytes) -> Any:
    mark = BASE.encode()
    return msgspec.json.decode(section.replace(mark, b"\\u001a") if mark in section else section)


def _dump(line: dict[str, Any]) -> bytes:
    return to_json(line).replace('"url":"\\u001a/', f'"url":"{BASE}/').encode()
