"""What holds for every format, whoever wrote it."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

import annotary
from annotary import formats
from annotary.operations.metadata_schemas import CreateMetadataSchema
from annotary.sample.truth import metadata_schemas
from annotary.sample.truth import row as sample_row

TRAINING = [name for name in formats.names() if formats.load(name).images]
WRITERS = [name for name in formats.names() if formats.load(name).write and name not in TRAINING]
BOTH = [name for name in WRITERS if formats.load(name).read is not None]
KINDS: dict[str, Any] = {"CustomMetadataNumber": "number", "CustomMetadataEnum": "enum"}
EVERYTHING = dict.fromkeys(("attachments", "metadata_fields", "data_row_details"), True)
LABELS = dict.fromkeys(("project_details", "label_details", "performance_details"), True)


def bare(value: Any) -> Any:
    """A sample row without pixels: its masks are known by their URLs."""
    if isinstance(value, dict):
        if "png" in value:
            return {"url": "https://example.org/mask.png"}
        return {key: bare(one) for key, one in value.items()}
    return [bare(one) for one in value] if isinstance(value, list | tuple) else value


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project with a few rows of the sample, in a store of its own."""
    with annotary.Client(tmp_path_factory.mktemp("sample")) as client:
        client.port.load([bare(sample_row(3, index)) for index in range(12)], format="labelbox-v2")
        yield client.get_projects()[0]


def written(project: Any, name: str) -> bytes:
    # Import lines have no word for several labels of one row.
    rule = "latest" if name == "labelbox-ndjson" else "all"
    task = project.export(params={**EVERYTHING, **LABELS}, format=name, labels=rule)
    return b"".join(part.data for part in task.open().parts)


@pytest.mark.parametrize("name", WRITERS)
def test_pieces_of_a_file_are_contiguous(sample: Any, name: str) -> None:
    parts = list(sample.export(format=name).open().parts)
    runs = [path for path, _ in groupby(part.path for part in parts)]
    assert len(runs) == len(set(runs))
    if formats.load(name).lines:
        assert runs == [""]


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_bytes_every_time(sample: Any, name: str) -> None:
    assert written(sample, name) == written(sample, name)


@pytest.mark.parametrize("name", WRITERS)
def test_lines_are_ascii_json(sample: Any, name: str) -> None:
    if not formats.load(name).lines:
        pytest.skip(f"{name} does not write lines")
    data = written(sample, name)
    assert data.isascii()
    assert data.endswith(b"\n")
    for line in data.decode().splitlines():
        json.loads(line)


@pytest.mark.parametrize("name", BOTH)
def test_written_read_and_written_again(sample: Any, name: str, tmp_path: Path) -> None:
    """What a format can say survives the way out and in: the second file is the first."""
    once = through(sample, name, written(sample, name), tmp_path / "once")
    if name != "data-rows":  # whose metadata gets the ids of its schemas on the way in
        assert stable(once) == stable(written(sample, name))
    assert stable(through(sample, name, once, tmp_path / "twice")) == stable(once)


def through(sample: Any, name: str, data: bytes, folder: Path) -> bytes:
    """A file read into a store of its own and written again."""
    folder.mkdir()
    path = folder / "rows.ndjson"
    path.write_bytes(data)
    with annotary.Client(folder / "store") as client:
        ontology = sample.ontology()
        client.create_ontology("streets", ontology.normalized, id=ontology.id)
        client.create_project(sample.name, id=sample.id, ontology_id=ontology.id)
        for schema in metadata_schemas():
            client.call(
                CreateMetadataSchema(
                    name=schema["name"],
                    kind=KINDS[schema["kind"]],
                    options=tuple(schema.get("options", ())),
                )
            )
        if name == "labelbox-ndjson":
            rows = folder / "data_rows.ndjson"
            rows.write_bytes(written(sample, "data-rows"))
            client.load(rows, project=sample.id)
        client.load(path, project=sample.id)
        project = client.get_project(sample.id)
        return written(project, name)


def stable(data: bytes) -> list[str]:
    """Lines in any order, without what a store gives itself: the editor's address, ids of schemas."""
    lines = [json.loads(line) for line in data.splitlines()]
    for line in lines:
        line.pop("View Label", None)
        for field in line.get("metadata_fields", ()):
            field.pop("schema_id", None)
            if isinstance(field["value"], dict):
                field["value"].pop("schema_id")
    return sorted(json.dumps(line, sort_keys=True) for line in lines)


@pytest.mark.parametrize("name", formats.names())
def test_unknown_options_are_named(name: str) -> None:
    with pytest.raises(annotary.Invalid, match="has no option 'nonsense'; it has: "):
        formats.options_of(name, {"nonsense": 1})


@pytest.mark.parametrize("name", formats.names())
def test_every_format_says_what_it_is(name: str) -> None:
    form = formats.load(name)
    assert form.title
    assert form.says
    assert form.read or form.write or form.read_ontology


def test_unknown_formats_are_named() -> None:
    with pytest.raises(annotary.Invalid, match="unknown format 'nonsense'; known: coco, "):
        formats.load("nonsense")
