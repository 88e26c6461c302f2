"""What the tests of the engine work on: a project, its ontology, its rows, and a clock."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy

from annotary.engine.core import Engine
from annotary.engine.exporting import open_export
from annotary.engine.loading import import_sources
from annotary.engine.sources import ValueSource
from annotary.formats._png import encode_mask
from annotary.model.annotation import Annotations
from annotary.model.export import (
    DETAILS,
    ExportParams,
    ExportQuery,
    ProjectScope,
    RunScope,
    filters_from,
)
from annotary.model.ontology import Normalized
from annotary.model.project import Batch
from annotary.model.row import Label
from annotary.operations.exports import StartExport
from annotary.operations.labels import SaveLabel
from annotary.operations.ontologies import CreateOntology
from annotary.operations.projects import CreateBatch, CreateProject

WIDTH, HEIGHT = 12, 8
START = datetime(2026, 5, 4, 8, tzinfo=UTC)
ONTOLOGY: dict[str, Any] = {
    "tools": [
        {
            "tool": "rectangle",
            "name": "Big Car",
            "featureSchemaId": "car",
            "classifications": [
                {
                    "type": "radio",
                    "name": "Is it parked?",
                    "featureSchemaId": "parked",
                    "options": [
                        {
                            "value": "yes",
                            "label": "Yes",
                            "featureSchemaId": "parked-yes",
                            "options": [{"type": "text", "name": "Where", "featureSchemaId": "where"}],
                        },
                        {"value": "No", "featureSchemaId": "parked-no"},
                    ],
                }
            ],
        },
        {"tool": "polygon", "name": "tree", "featureSchemaId": "tree"},
        {"tool": "line", "name": "lane", "featureSchemaId": "lane"},
        {"tool": "point", "name": "light", "featureSchemaId": "light"},
        {"tool": "raster-segmentation", "name": "road", "featureSchemaId": "road"},
        {"tool": "cuboid", "name": "crate", "featureSchemaId": "crate"},
        {"tool": "edge", "name": "stands on", "featureSchemaId": "stands-on"},
    ],
    "classifications": [
        {
            "type": "checklist",
            "name": "weather",
            "featureSchemaId": "weather",
            "options": [
                {"value": "rain", "featureSchemaId": "rain"},
                {"value": "fog", "featureSchemaId": "fog"},
            ],
        },
        {"type": "text", "name": "remark", "featureSchemaId": "remark"},
    ],
}


class Clock:
    """An instant that moves when it is told to."""

    def __init__(self) -> None:
        self.moment = START

    def __call__(self) -> datetime:
        return self.moment

    def tick(self, seconds: float = 60) -> str:
        """Move on; the instant as the store writes it."""
        self.moment += timedelta(seconds=seconds)
        return self.moment.isoformat(timespec="milliseconds")


def png(seed: int = 0) -> bytes:
    """A mask of the image's size."""
    mask = numpy.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[1 : 3 + seed % 5, 2 : 4 + seed % 7] = True
    return encode_mask(mask)


def mask(feature_id: str = "", seed: int = 0) -> dict[str, Any]:
    """A mask with its pixels."""
    return {
        "feature_id": feature_id,
        "name": "road",
        "annotation_kind": "ImageSegmentationMask",
        "mask": {"png": msgspec.to_builtins(png(seed))},
    }


def box(left: float = 1, **more: Any) -> dict[str, Any]:
    """A box."""
    extent = {"top": 1.5, "left": left, "height": 3, "width": 2}
    return {"name": "Big Car", "annotation_kind": "ImageBoundingBox", "bounding_box": extent, **more}


def parked(where: str = "left") -> dict[str, Any]:
    """A question answered on an object, with another under the answer."""
    below = {"name": "Where", "text_answer": {"content": where}}
    return {"name": "Is it parked?", "radio_answer": {"name": "Yes", "classifications": [below]}}


def annotated(*objects: dict[str, Any], answers: Sequence[dict[str, Any]] = ()) -> Annotations:
    """Annotations from their JSON."""
    return msgspec.convert({"objects": objects, "classifications": answers}, Annotations)


def add_rows(engine: Engine, keys: Sequence[str], *, dataset: str = "images", **more: Any) -> list[str]:
    """Put data rows with these global keys into a dataset; their ids."""
    rows = [
        {
            "data_row": {"global_key": key, "row_data": f"https://example.org/{key}.png"},
            "media_attributes": {"height": HEIGHT, "width": WIDTH, "mime_type": "image/png"},
            **more,
        }
        for key in keys
    ]
    import_sources(engine, [ValueSource(rows)], format="labelbox-v2", dataset=dataset)
    known = engine.store.data_rows_by("global_key", keys)
    return [known[key].id for key in keys]


def take_rows(engine: Engine, rows: Sequence[dict[str, Any]]) -> None:
    """Import rows of export v2."""
    import_sources(engine, [ValueSource(rows)], format="labelbox-v2", dataset="images")


ALL_DETAILS = ExportParams(**dict.fromkeys(DETAILS, True), predictions=True, model_run_details=True)


def exported(
    engine: Engine,
    id: str,
    *,
    run: bool = False,
    params: ExportParams = ALL_DETAILS,
    filters: dict[str, Any] | None = None,
    **query: Any,
) -> tuple[bytes, int]:
    """An export (with everything in it), and its cursor."""
    scope = RunScope(id=id) if run else ProjectScope(id=id)
    asked = ExportQuery(scope=scope, filters=filters_from(filters), params=params, **query)
    export = open_export(engine, StartExport(query=asked))
    assert export.cursor is not None
    return b"".join(part.data for part in export.parts), export.cursor


def lines(data: bytes) -> dict[str, dict[str, Any]]:
    """Rows of an export by data row id."""
    return {row["data_row"]["id"]: row for row in map(json.loads, data.splitlines())}


class World:
    """A project with an ontology of every kind, and ten data rows, six of them in its first batch."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine = engine
        self.clock = clock
        self.call = engine.call
        normalized = msgspec.convert(ONTOLOGY, Normalized)
        self.ontology = self.call(CreateOntology(name="street", normalized=normalized, id="street"))
        self.project = self.call(CreateProject(name="Streets", ontology_id="street", id="streets"))
        self.ids = add_rows(engine, [f"key-{number}" for number in range(10)])
        self.batch = self.send(self.ids[:6])

    def send(self, ids: Sequence[str], name: str = "first", **more: Any) -> Batch:
        """Send rows to the project."""
        return self.call(CreateBatch(project_id="streets", name=name, data_row_ids=tuple(ids), **more))

    def label(self, place: int = 0, *objects: dict[str, Any], **more: Any) -> Label:
        """Save a label on one of the rows."""
        given = annotated(*(objects or (box(),)))
        request = SaveLabel(project_id="streets", data_row_id=self.ids[place], annotations=given)
        return self.call(msgspec.structs.replace(request, **more))

    def rows(self, **query: Any) -> dict[str, dict[str, Any]]:
        """The project's rows as exported, by data row id."""
        return lines(exported(self.engine, "streets", **query)[0])

    def row(self, place: int = 0) -> dict[str, Any]:
        """One row as exported."""
        return self.rows()[self.ids[place]]

    def part(self, place: int = 0) -> dict[str, Any]:
        """The project's part of a row."""
        part: dict[str, Any] = self.row(place)["projects"]["streets"]
        return part

    def details(self, place: int = 0) -> dict[str, Any]:
        """What the project knows of a row."""
        details: dict[str, Any] = self.part(place)["project_details"]
        return details

    def history(self, place: int = 0) -> list[tuple[str, str | None, str | None]]:
        """The moves of a row, newest first: action, from, to."""
        return [
            (event["action"], event.get("previous_task_name"), event.get("next_task_name"))
            for event in self.details(place)["workflow_history"]
        ]

    def active(self, place: int = 0) -> str:
        """A row's last activity."""
        when: str = self.row(place)["data_row"]["details"]["last_activity_at"]
        return when

    def sequence(self) -> int:
        """Where the project's sequence stands."""
        return self.engine.store.at("project", "streets")[0].sequence
