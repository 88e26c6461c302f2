"""The sample project, loaded into a store through the doors that users have."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from annotary.engine import image_places, sinks
from annotary.engine.core import Engine
from annotary.engine.exporting import open_export
from annotary.engine.loading import import_sources
from annotary.engine.sources import ValueSource
from annotary.errors import NotFound
from annotary.model.base import Value
from annotary.model.export import DETAILS, ExportParams, ExportQuery, ProjectScope, RunScope
from annotary.model.ontology import Normalized
from annotary.model.project import MetadataKind, Summary
from annotary.operations.exports import StartExport
from annotary.operations.metadata_schemas import CreateMetadataSchema, FindMetadataSchemas
from annotary.operations.model_runs import AddRunRows, AssignSplit, CreateModel, CreateModelRun
from annotary.operations.ontologies import CreateOntology, GetOntology
from annotary.operations.projects import CreateProject, GetProject, Summarize
from annotary.sample.draw import draw as drawn
from annotary.sample.identity import cuid, uuid, uuids
from annotary.sample.scene import scene
from annotary.sample.truth import metadata_schemas, ontology, predictions, project_id, row

ROWS = 60
IMAGES = "images"
PROJECT, MODEL, RUN = "Street scenes", "Street detector", "first run"
EVERYTHING = msgspec.convert(dict.fromkeys(DETAILS, True), ExportParams)
_PAGE = 500
_SPLITS: tuple[Any, ...] = ("TRAINING",) * 7 + ("VALIDATION",) * 2 + ("TEST",)
_KINDS: dict[str, MetadataKind] = {
    "CustomMetadataString": "string",
    "CustomMetadataNumber": "number",
    "CustomMetadataDateTime": "datetime",
    "CustomMetadataEnum": "enum",
}
_FILES: tuple[tuple[str, str, str], ...] = (
    ("project-export-v2.json", "labelbox-v2", "the project as Labelbox export v2"),
    ("project-export-v1.json", "labelbox-v1", "the project as Labelbox export v1"),
    ("model-run-export-v2.json", "labelbox-v2", "the model run with its predictions, as v2"),
)

Progress = Callable[[int], None]


class Loaded(Value):
    """The ids of what a sample consists of; `made` where it was not there yet."""

    project_id: str
    model_id: str
    model_run_id: str
    made: bool


class MadeFile(Value):
    """A file of the demo."""

    path: str
    bytes: int
    sha256: str
    what: str


class Demo(Value):
    """What the demo has made."""

    project: str
    project_id: str
    model: str
    model_run: str
    model_run_id: str
    pictures: str
    summary: Summary
    run_summary: Summary
    files: tuple[MadeFile, ...]


def make_demo(engine: Engine, folder: Path, *, progress: Progress = lambda rows: None) -> Demo:
    """The sample in a folder, loaded and exported; a second time changes nothing."""
    loaded = load_demo(engine, folder, progress=progress)
    files = []
    for name, format, what in _FILES:
        files.append(_export(engine, loaded, folder / "exports" / name, format, what))
    return Demo(
        project=PROJECT,
        project_id=loaded.project_id,
        model=MODEL,
        model_run=RUN,
        model_run_id=loaded.model_run_id,
        pictures=str(folder / IMAGES),
        summary=engine.call(Summarize(kind="project", id=loaded.project_id)),
        run_summary=engine.call(Summarize(kind="model_run", id=loaded.model_run_id)),
        files=tuple(files),
    )


def load_demo(
    engine: Engine,
    folder: Path,
    *,
    rows: int = ROWS,
    seed: int = 1,
    draw: bool = True,
    progress: Progress = lambda rows: None,
) -> Loaded:
    """The sample in a store, with its pictures in a folder; what is there already stays as it is."""
    if draw:
        _draw_all(folder / IMAGES, rows, seed)
        image_places.remember(engine, folder)
    ids = {"project_id": project_id(seed), "model_id": uuid("model", seed), "model_run_id": uuid("run", seed)}
    try:
        engine.call(GetProject(project_id=ids["project_id"]))
        return Loaded(**ids, made=False)
    except NotFound:
        pass
    # One transaction: a demo that is interrupted leaves nothing half done.
    with engine.store.transaction():
        _make_ontology(engine)
        engine.call(CreateProject(id=ids["project_id"], name=PROJECT, ontology_id=cuid("street ontology")))
        import_sources(
            engine,
            [ValueSource((row(seed, index) for index in range(rows)), "the sample")],
            format="labelbox-v2",
            progress=progress,
        )
        _make_run(engine, ids, rows, seed)
    return Loaded(**ids, made=True)


def _draw_all(folder: Path, rows: int, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(rows):
        path = folder / f"street-{index:06d}.png"
        if not path.exists():
            picture = io.BytesIO()
            drawn(scene(seed, index)).save(picture, "png")
            sinks.to_file([picture.getvalue()], path)


def _make_ontology(engine: Engine) -> None:
    present = {schema.name for schema in engine.call(FindMetadataSchemas())}
    for given in metadata_schemas():
        if given["name"] not in present:
            options = tuple(given.get("options", ()))
            engine.call(CreateMetadataSchema(name=given["name"], kind=_KINDS[given["kind"]], options=options))
    id = cuid("street ontology")
    try:
        engine.call(GetOntology(ontology_id=id))
    except NotFound:
        normalized = msgspec.convert(ontology(), Normalized)
        engine.call(CreateOntology(id=id, name=PROJECT, normalized=normalized))


def _make_run(engine: Engine, ids: dict[str, str], rows: int, seed: int) -> None:
    """The model and its run: the labelled rows with their labels, splits and predictions."""
    model, run = ids["model_id"], ids["model_run_id"]
    engine.call(CreateModel(id=model, name=MODEL, ontology_id=cuid("street ontology")))
    engine.call(CreateModelRun(id=run, model_id=model, name=RUN))
    for start in range(0, rows, _PAGE):
        some = range(start, min(start + _PAGE, rows))
        keys = {index: cuid("data row", seed, index) for index in some}
        engine.call(
            AddRunRows(model_run_id=run, data_row_ids=tuple(keys.values()), project_id=ids["project_id"])
        )
        for split in dict.fromkeys(_SPLITS):
            its = tuple(id for index, id in keys.items() if _SPLITS[index % len(_SPLITS)] == split)
            if its:
                engine.call(AssignSplit(model_run_id=run, data_row_ids=its, split=split))
    predicted = ValueSource(_predicted(ids, rows, seed), "the sample's predictions")
    import_sources(engine, [predicted], format="labelbox-v2")


def _predicted(ids: dict[str, str], rows: int, seed: int) -> Iterator[dict[str, Any]]:
    """Lines of export v2 that bring the predictions into the run."""
    for index in range(rows):
        view = scene(seed, index)
        label = {
            "id": uuid("prediction", seed, index),
            "annotations": predictions(view, uuids("prediction", seed, index)),
        }
        yield {
            "data_row": {"id": cuid("data row", seed, index), "row_data": f"images/street-{index:06d}.png"},
            "media_attributes": {
                "height": view.height,
                "width": view.width,
                "mime_type": "image/png",
                "exif_rotation": "1",
                "asset_type": "image",
            },
            "experiments": {
                ids["model_id"]: {
                    "name": MODEL,
                    "runs": {ids["model_run_id"]: {"name": RUN, "predictions": [label]}},
                }
            },
        }


def _export(engine: Engine, loaded: Loaded, path: Path, format: str, what: str) -> MadeFile:
    if path.name.startswith("model-run"):
        params = msgspec.structs.replace(EVERYTHING, predictions=True, model_run_details=True)
        query = ExportQuery(scope=RunScope(id=loaded.model_run_id), params=params)
    else:
        query = ExportQuery(scope=ProjectScope(id=loaded.project_id), params=EVERYTHING)
    export = open_export(engine, StartExport(query=query, format=format))
    (artifact,) = sinks.deliver(export.parts, path, lines=export.format.lines, name=path.name)
    return MadeFile(path=artifact.path, bytes=artifact.bytes, sha256=artifact.sha256, what=what)
