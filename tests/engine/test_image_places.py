"""The images' own files beside an export: from where the import found them, here and through a server."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

import annotary
from annotary.engine import image_places
from annotary.engine.core import Engine
from annotary.model import moment
from annotary.model.project import ImageFolder
from annotary.store import Store
from annotary.store.leftovers import forget_uploads

pytestmark = pytest.mark.bucket

LABELS = {
    "images": [
        {"id": 1, "file_name": "a.png", "width": 64, "height": 48},
        {"id": 2, "file_name": "gone.png", "width": 64, "height": 48},
    ],
    "categories": [{"id": 7, "name": "car"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 7, "bbox": [4, 5, 10, 12], "area": 120, "iscrowd": 0}
    ],
}


@pytest.fixture
def crossing(tmp_path: Path) -> Path:
    """A folder with a COCO file and one of its two pictures."""
    folder = tmp_path / "crossing"
    (folder / "images").mkdir(parents=True)
    (folder / "instances.json").write_text(json.dumps(LABELS))
    Image.new("RGB", (64, 48), "#7799bb").save(folder / "images" / "a.png")
    return folder


def test_copies_come_from_what_was_imported(client: annotary.Client, crossing: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "sent"), "zip", crossing)
    client.load(archive, project="crossing")
    (project,) = client.get_projects("crossing")
    project.export(format="yolo", options={"images": "copy"}).save(tmp_path / "out")
    copied = tmp_path / "out" / "images" / "train" / "a.png"
    assert copied.read_bytes() == (crossing / "images" / "a.png").read_bytes()
    assert not copied.is_symlink()
    assert not (copied.parent / "gone.png").exists()


def test_links_lead_to_the_folder_and_what_is_missing_is_told(crossing: Path, tmp_path: Path) -> None:
    with annotary.Client(tmp_path / "store") as client:
        client.load(crossing / "instances.json", project="crossing", images=crossing / "images")
        export = client.get_projects("crossing")[0].export(format="yolo").open()
        links = {part.path: part.link for part in export.parts if part.link}
        assert links == {"images/train/a.png": str((crossing / "images" / "a.png").resolve())}
        (notice,) = export.findings.notices
        assert (notice.value, notice.count) == ("gone.png", 1)
        assert "not to be had" in notice.reason


@pytest.mark.parametrize("given", ["instances.json", ".", "annotations/instances.json"])
def test_pictures_beside_labels_are_found(given: str, crossing: Path, tmp_path: Path) -> None:
    if given.startswith("annotations"):
        (crossing / "annotations").mkdir()
        (crossing / "instances.json").rename(crossing / given)
    with annotary.Client(tmp_path / "store") as client:
        client.load(crossing / given, project="crossing")
        links = [part.link for part in client.get_projects("crossing")[0].export(format="yolo").open().parts]
        assert str((crossing / "images" / "a.png").resolve()) in links


def test_a_folder_without_the_pictures_is_none_of_theirs(crossing: Path, tmp_path: Path) -> None:
    (crossing / "images" / "a.png").rename(crossing / "images" / "b.png")
    with annotary.Client(tmp_path / "store") as client:
        client.load(crossing / "instances.json", project="crossing")
    store = Store.open(tmp_path / "store")
    assert store.find(ImageFolder) == []
    store.close()


def test_one_file_and_archives_take_no_links(crossing: Path, tmp_path: Path) -> None:
    with annotary.Client(tmp_path / "store") as client:
        client.load(crossing / "instances.json", project="crossing", images=crossing / "images")
        (project,) = client.get_projects("crossing")
        (file,) = project.export(format="coco").save(tmp_path / "labels.json")
        assert json.loads(Path(file.path).read_bytes())["images"]
        export = project.export(format="yolo").open()
        from annotary.engine.written import delivered

        delivered(export, tmp_path / "out.zip")
        assert any("an archive holds no links" in one.reason for one in export.findings.notices)


def test_an_archive_with_pictures_is_not_forgotten(store_url: str, tmp_path: Path) -> None:
    store = Store.open(store_url)
    engine = Engine(store)
    kept, other = (
        store.files.make([b"PK" + name.encode()], name=name, media_type="application/zip", now=engine.now())
        for name in ("kept.zip", "other.zip")
    )
    image_places.keep(engine, kept)
    later = moment.stamp(datetime.now(UTC) + timedelta(days=60))
    assert forget_uploads(store, later) == 1
    assert store.files.get(kept.id) == kept
    with pytest.raises(annotary.NotFound):
        store.files.get(other.id)
    store.close()
