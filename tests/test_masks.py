"""Masks: pixels in, by three ways; out by feature id, as pictures, and as composites."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

import annotary
from annotary.engine.sinks import deliver
from annotary.formats._png import encode_mask

pytestmark = pytest.mark.bucket

HEIGHT, WIDTH = 40, 60
RED, BLUE = (200, 10, 10), (10, 10, 200)


def disc(x: int, y: int, radius: int) -> Any:
    ys, xs = numpy.mgrid[:HEIGHT, :WIDTH]
    return (xs - x) ** 2 + (ys - y) ** 2 <= radius**2


FIRST, SECOND = disc(15, 15, 9), disc(40, 25, 12)


def picture() -> bytes:
    pixels = numpy.zeros((HEIGHT, WIDTH, 3), numpy.uint8)
    pixels[FIRST] = RED
    pixels[SECOND] = BLUE
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture
def project(client: annotary.Client, tmp_path: Path) -> Any:
    row = {
        "data_row": {"id": "row-1", "row_data": "1.png"},
        "media_attributes": {"height": HEIGHT, "width": WIDTH, "mime_type": "image/png"},
        "projects": {"project-1": {"name": "masks"}},
    }
    client.port.load([row], format="labelbox-v2")
    return client.get_project("project-1")


def lines() -> list[dict[str, Any]]:
    where = {"dataRow": {"id": "row-1"}}
    png = base64.b64encode(encode_mask(FIRST)).decode()
    colored = base64.b64encode(picture()).decode()
    return [
        {**where, "uuid": "by-png", "name": "first", "mask": {"png": png}},
        {**where, "uuid": "by-colour", "name": "second", "mask": {"imBytes": colored, "colorRGB": BLUE}},
        {**where, "uuid": "by-url", "name": "far", "mask": {"instanceURI": "https://example.org/m.png"}},
    ]


def test_pixels_come_back(client: annotary.Client, project: Any) -> None:
    report = project.import_labels(lines())
    assert [notice.count for notice in report.notices] == [1]
    assert numpy.array_equal(client.mask("by-png"), FIRST)
    assert numpy.array_equal(client.mask("by-colour"), SECOND)
    with pytest.raises(annotary.NotFound, match="by-url"):
        client.mask("by-url")
    with pytest.raises(annotary.NotFound):
        client.mask("nobody")
    (row,) = project.export_v2().result
    objects = row["projects"]["project-1"]["labels"][0]["annotations"]["objects"]
    urls = {one["feature_id"]: one["mask"]["url"] for one in objects}
    assert urls["by-png"].endswith("/api/v1/projects/project-1/annotations/by-png/index/1/mask")
    assert urls["by-url"] == "https://example.org/m.png"


def test_pictures_beside_the_file(client: annotary.Client, tmp_path: Path) -> None:
    """`--images` and the file's own folder are looked in, and nowhere else."""
    row = {
        "data_row": {"id": "row-1", "row_data": "1.png"},
        "media_attributes": {"height": HEIGHT, "width": WIDTH},
        "projects": {"project-1": {"name": "masks"}},
    }
    client.port.load([row], format="labelbox-v2")
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "colours.png").write_bytes(picture())
    (tmp_path / "outside.png").write_bytes(picture())
    path = folder / "lines.ndjson"

    def line(uri: str) -> str:
        mask = {"instanceURI": uri, "colorRGB": RED}
        return json.dumps({"dataRow": {"id": "row-1"}, "uuid": "near", "name": "first", "mask": mask})

    for outside in ("../outside.png", str(tmp_path / "outside.png"), "nothing.png"):
        path.write_text(line(outside))
        with pytest.raises(annotary.Refused, match="no such picture"):
            client.load(path, project="project-1")
    path.write_text(line("colours.png"))
    client.load(path, project="project-1")
    assert numpy.array_equal(client.mask("near"), FIRST)


@pytest.mark.parametrize("how", ["png", "composite"])
def test_masks_inside_an_export(project: Any, tmp_path: Path, how: str) -> None:
    project.import_labels(lines())
    export = project.export(options={"masks": how}).open()
    out = tmp_path / "out.zip"
    deliver(export.parts, out, lines=export.lines, name="rows.ndjson")
    with zipfile.ZipFile(out) as archive:
        row = json.loads(archive.read("rows.ndjson"))
        (label,) = row["projects"]["project-1"]["labels"]
        objects = {one["feature_id"]: one for one in label["annotations"]["objects"]}
        for id, wanted in (("by-png", FIRST), ("by-colour", SECOND)):
            link = objects[id]["mask" if how == "png" else "composite_mask"]
            pixels = numpy.asarray(Image.open(io.BytesIO(archive.read(link["url"]))))
            if how == "png":
                assert set(numpy.unique(pixels)) == {0, 255}
                found = pixels == 255
            else:
                assert "mask" not in objects[id]
                found = (pixels == link["color_rgb"]).all(axis=2)
            assert found[wanted & ~SECOND].all() or id == "by-colour"
            assert not found[~wanted].any()
        assert objects["by-url"]["mask"] == {"url": "https://example.org/m.png"}


def test_pictures_need_a_folder(project: Any, tmp_path: Path) -> None:
    project.import_labels(lines())
    export = project.export(options={"masks": "png"}).open()
    with pytest.raises(annotary.Invalid, match=r"give a folder or a \.zip"):
        deliver(export.parts, tmp_path / "out.ndjson", lines=export.lines, name="rows.ndjson")
    assert not (tmp_path / "out.ndjson").exists()


def test_importing_masks_twice_changes_nothing(project: Any) -> None:
    project.import_labels(lines())
    before = project.export().cursor
    project.import_labels(lines())
    assert project.export().cursor == before
