"""Archives of JSON files: read like a folder of them, with what they name beside them."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from annotary.engine.manifest import beside
from annotary.engine.members import members
from annotary.engine.recognising import opened
from annotary.engine.sources import ZipSource
from annotary.errors import Invalid
from annotary.model.ledger import Ledger


def archive(folder: Path, **files: bytes | str) -> Path:
    path = folder / "set.zip"
    with zipfile.ZipFile(path, "w") as zipped:
        for name, data in files.items():
            zipped.writestr(name, data)
    return path


def png(width: int, height: int) -> bytes:
    held = io.BytesIO()
    Image.new("RGB", (width, height)).save(held, "PNG")
    return held.getvalue()


COCO = json.dumps(
    {
        "images": [{"id": 1, "file_name": "a.png"}],
        "categories": [{"id": 1, "name": "car"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "area": 12}],
    }
)


def test_the_json_files_of_an_archive_are_sources(tmp_path: Path) -> None:
    path = archive(tmp_path, **{"annotations/train.json": COCO, "readme.txt": "", "b.ndjson": "{}\n"})
    found = list(opened([path]))
    assert [one.name for one in found] == [f"{path}/annotations/train.json", f"{path}/b.ndjson"]
    assert b"".join(found[0].chunks()).decode() == COCO


def test_pictures_are_found_beside_from_the_top_and_by_name_where_only_one_has_it(tmp_path: Path) -> None:
    files = {
        "annotations/train.json": COCO,
        "annotations/beside.png": png(1, 1),
        "beside.png": png(2, 2),
        "images/a.png": png(3, 3),
        "images/one/twice.png": png(4, 4),
        "images/two/twice.png": png(5, 5),
    }
    (source,) = members(ZipSource(archive(tmp_path, **files)))
    assert source.size_of("beside.png") == (1, 1)
    assert source.size_of("images/one/twice.png") == (4, 4)
    assert source.size_of("a.png") == (3, 3)
    assert source.located("a.png") == "zip:images/a.png"
    assert source.neighbour("a.png") == files["images/a.png"]
    assert source.neighbour("twice.png") is None
    assert source.neighbour("../../etc/passwd") is None


def test_an_archive_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="archive of no known format"):
        list(opened([archive(tmp_path, **{"readme.txt": "nothing"})]))


def test_what_stands_beside_an_export_is_no_file_of_labels(tmp_path: Path) -> None:
    """A manifest and a ledger of ours are left out by how they begin; others of their name are read."""
    made = [*beside({"annotary": "0"}, Ledger(), dict)(iter([b""]))]
    ledger = Ledger()
    ledger.took("box")
    ledger.dropped("box", "why", "a")
    made += [*beside({}, ledger, dict)(None)]
    inside = tmp_path / "inside"
    inside.mkdir()
    for path in {part.path for part in made}:
        (inside / path).write_bytes(b"".join(part.data for part in made if part.path == path))
    (inside / "labels.json").write_text(COCO)
    assert {one.name for one in inside.iterdir()} == {"labels.json", "losses.json", "manifest.json"}
    assert [Path(one.name).name for one in opened([inside])] == ["labels.json"]
    packed = archive(tmp_path, **{one.name: one.read_bytes() for one in inside.iterdir()})
    assert [Path(one.name).name for one in opened([packed])] == ["labels.json"]
    (inside / "manifest.json").write_text(COCO)
    assert [Path(one.name).name for one in opened([inside])] == ["labels.json", "manifest.json"]
