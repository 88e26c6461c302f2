"""Corpora by hand: rows rendered into sections as a store keeps them, without a store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from annotary.formats import Part as Piece
from annotary.formats import Reading, reading
from annotary.model import sections
from annotary.model.annotation import Annotations, PolygonObject
from annotary.model.carried import below
from annotary.model.corpus import Corpus, Notice, Page, Parsed, Part, Problem, Shown
from annotary.model.export import DETAILS, ExportParams
from annotary.model.ontology import Normalized, Ontology
from annotary.model.row import DataRowDetails, LabelDetails, Performance, ProjectDetails, Row

BASE_URL = "https://annotary.example.com"
NOW = "2024-05-06T07:08:09.010+00:00"
HOSTILE = (
    'quote " and \\ backslash',
    '"feature_id":"',
    '{"annotation_kind":"ImageBoundingBox",',
    '\\"feature_id\\":\\"',
    "1.0,2.0}",
    "control \x00 \x01 \x1a \x1f \x7f",
    "line\nbreaks\r\n\u2028\u2029\u0085",
    "emoji \U0001f600\U0001f469\u200d\U0001f4bb",
    "~" * 23,
    "x" * 10_000,
    " ",
)


class Text:
    """A file in memory, handed out in small pieces, with neighbours."""

    def __init__(self, data: bytes | str, **beside: bytes) -> None:
        self.name = "given.json"
        self.data = data.encode() if isinstance(data, str) else data
        self.beside = beside

    def chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self.data), 1000):
            yield self.data[start : start + 1000]

    def neighbour(self, path: str) -> bytes | None:
        return self.beside.get(path)


class Remarks:
    """What a reader reports."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self.notices: list[Notice] = []

    def reading(self) -> Reading:
        return reading(self.problems.append, self.notices.append)


def read(form: Any, data: bytes | str | list[Any], **beside: bytes) -> tuple[list[Parsed], Remarks]:
    """All rows of a file, and what was reported of it."""
    text = msgspec.json.encode(data) if isinstance(data, list) else data
    remarks = Remarks()
    return list(form.read(Text(text, **beside), form.options(), remarks.reading())), remarks


def sound(form: Any, data: bytes | str | list[Any], **beside: bytes) -> list[Parsed]:
    """All rows of a file without a problem."""
    rows, remarks = read(form, data, **beside)
    assert remarks.problems == []
    return rows


def lines(form: Any, corpus: Corpus, **options: Any) -> list[Any]:
    """What a format of lines writes, decoded."""
    written = text(form.write(corpus, form.options(**options)))
    return [msgspec.json.decode(line) for line in written.splitlines()]


def text(pieces: Iterable[Piece]) -> bytes:
    """The pieces of one file."""
    return b"".join(piece.data for piece in pieces)


def corpus_of(
    rows: Iterable[Parsed | Row],
    *,
    ontology: Normalized = Normalized(),  # noqa: B008
    kind: str = "project",
    id: str = "cproject00000000000000000",
    name: str = "a project",
    params: ExportParams | None = None,
    deleted: Iterable[str] = (),
) -> Corpus:
    """The corpus of one project or run, as if its rows had been imported."""
    found = [one if isinstance(one, Parsed) else Parsed(one, (), "") for one in rows]
    labels: dict[int, list[tuple[Any, ...]]] = {}
    predictions: dict[int, list[tuple[Any, ...]]] = {}
    records = []
    for number, (row, extras, *_) in enumerate(found):
        given = _share(row)
        records.append(_record(number, row, extras, given, row.data_row.id in set(deleted)))
        (key,) = row.projects or ("",)
        at = below(extras, "projects", key, "labels")
        labels[number] = [_section(number, *one, below(at, one[0])) for one in enumerate(given.labels)]
        more = getattr(given, "predictions", UNSET)
        predictions[number] = [_section(number, *one) for one in enumerate(() if more is UNSET else more)]
    then = Ontology(id="o", name="o", created_at=NOW, updated_at=NOW, normalized=ontology)
    page = Page(records, (Part(labels, predictions, {}),))
    model = ("model-1", "a model") if kind == "model_run" else ("", "")
    everything = ExportParams(**dict.fromkeys(DETAILS, True), model_run_details=True)
    return Corpus((Shown(kind, id, name, *model, then),), True, params or everything, [page], BASE_URL)


def _share(row: Row) -> Any:
    for part in row.projects.values():
        return part
    for model in row.experiments.values():
        for run in model.runs.values():
            return run
    raise AssertionError("the row is in no project and no run")


def _record(number: int, row: Row, extras: Any, given: Any, gone: bool) -> tuple[Any, ...]:
    details = row.data_row.details
    if not isinstance(details, DataRowDetails):
        details = DataRowDetails(dataset_name="a dataset")
    if not isinstance(details.created_at, str):
        details = replace(details, created_at=NOW, updated_at=NOW, created_by="ann@example.com")
    metadata = row.metadata_fields if isinstance(row.metadata_fields, tuple) else ()
    attached = row.attachments if isinstance(row.attachments, tuple) else ()
    if hasattr(given, "data_split"):
        extra = msgspec.json.encode(given.data_split).decode() if isinstance(given.data_split, str) else ""
    else:
        said = given.project_details
        fallback = ProjectDetails(task_name="Done", workflow_status="DONE")
        extra = sections.project_details(said if isinstance(said, ProjectDetails) else fallback)
    texts = (
        sections.head(row.data_row, extras),
        sections.details(details, extras),
        NOW,
        sections.media(row.media_attributes, extras),
        sections.attachments(attached, extras),
        sections.metadata(metadata, extras),
        sections.project_tail(()),
        extra,
    )
    return (number, int(gone), *(one.encode() for one in texts))


def _section(number: int, position: int, label: Any, extras: Any = ()) -> tuple[Any, ...]:
    details = label.label_details
    if not isinstance(details, LabelDetails):
        details = LabelDetails(created_at=NOW, updated_at=NOW, created_by="ann@example.com")
    done = label.performance_details
    if not isinstance(done, Performance):
        done = Performance()
    texts = (
        label.id,
        NOW,
        sections.label_head(label),
        sections.label_details(details),
        sections.performance(done),
        sections.label_annotations(completed(label.annotations), extras),
    )
    v1 = None if label.v1 is UNSET else msgspec.json.encode(label.v1)
    return (number, position, *(one.encode() for one in texts), None, v1)


def completed(given: Annotations) -> Annotations:
    """Annotations as an importer leaves them: polygons closed, relationships in both lists."""
    objects = tuple(
        replace(one, polygon=(*one.polygon, one.polygon[0]))
        if isinstance(one, PolygonObject) and one.polygon[0] != one.polygon[-1]
        else one
        for one in given.objects
    )
    listed = {one.feature_id for one in objects}
    links = given.links()
    objects += tuple(one for one in links if one.feature_id not in listed)
    return replace(given, objects=objects, relationships=links)


def strict(value: Any) -> Any:
    """A JSON value with true and 1 told apart."""
    if isinstance(value, dict):
        return {key: strict(one) for key, one in value.items()}
    if isinstance(value, list):
        return [strict(one) for one in value]
    return (isinstance(value, bool), value)
