"""Archives, names, pictures and run-lengths made to do harm: refused with a reason, or harmless."""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import annotary
from annotary import formats
from annotary.engine import sinks, sources
from annotary.engine.sources import FolderSource, ZipSource, picture_size
from annotary.formats import Part

CLIMBING = [
    "../x.txt",
    "/etc/x.txt",
    "a/../../x.txt",
    "..\\x.txt",
    "C:\\x.txt",
    "C:/x.txt",
    "a/\0.txt",
    "a//b.txt",
    "./x",
]


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED)
    return path


def png(width: int = 10, height: int = 8) -> bytes:
    data = io.BytesIO()
    Image.new("1", (width, height)).save(data, "PNG")
    return data.getvalue()


def yolo(**more: bytes) -> dict[str, bytes]:
    return {
        "data.yaml": b"path: .\ntrain: images/train\nnames: [car]\n",
        "images/train/a.png": png(),
        "labels/train/a.txt": b"0 0.5 0.5 0.2 0.25\n",
        **more,
    }


def everything(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


@pytest.fixture
def bounded() -> Iterator[None]:
    """No more than half a gigabyte may be asked for beyond what is in use."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + (512 << 20), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


# Archives


def test_a_zip_bomb_is_refused_by_its_ratio(tmp_path: Path) -> None:
    source = archive(tmp_path / "bomb.zip", yolo(**{"labels/train/b.txt": b"0" * (64 << 20)}))
    with pytest.raises(annotary.Invalid, match=r"bomb\.zip says that it unpacks to .* bytes, over 200 times"):
        annotary.convert(source, tmp_path / "out", to="yolo")
    assert everything(tmp_path) == {"bomb.zip"}


def test_an_archive_of_too_many_members_is_refused(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(sources, "MEMBERS", 3)
    source = archive(tmp_path / "many.zip", yolo(**{"labels/train/b.txt": b""}))
    with pytest.raises(annotary.Invalid, match=r"many\.zip has 4 members; more than 3 are not read"):
        ZipSource(source)


def test_a_member_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    source = archive(tmp_path / "lies.zip", yolo())
    data = bytearray(source.read_bytes())
    # The size unpacked, in the directory at the end: 24 bytes after the signature of each entry.
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = struct.pack("<I", 3)
    source.write_bytes(data)
    with pytest.raises(annotary.Invalid, match=r"lies\.zip.*labels/train/a\.txt"):
        annotary.convert(source, tmp_path / "out.json", to="coco")
    assert everything(tmp_path) == {"lies.zip"}


def test_an_archive_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    source = archive(tmp_path / "cut.zip", yolo())
    source.write_bytes(source.read_bytes()[:-30])
    with pytest.raises(annotary.Invalid, match=r"cut\.zip is no readable archive"):
        annotary.convert(source, tmp_path / "out.json", to="coco")


def test_a_broken_member_is_refused(tmp_path: Path) -> None:
    source = archive(tmp_path / "broken.zip", yolo())
    data = bytearray(source.read_bytes())
    at = data.index(b"labels/train/a.txt") + len("labels/train/a.txt")
    data[at : at + 4] = b"\xff\xff\xff\xff"
    source.write_bytes(data)
    with pytest.raises(annotary.Invalid, match=r"broken\.zip.*a\.txt cannot be unpacked"):
        annotary.convert(source, tmp_path / "out.json", to="coco")


@pytest.mark.parametrize("name", ["../b.png", "/b.png", "images/../../b.png", "..\\b.png"])
def test_members_that_lead_outside_are_not_read(tmp_path: Path, name: str) -> None:
    source = ZipSource(archive(tmp_path / "set.zip", yolo(**{name: png()})))
    assert list(source.paths()) == sorted(yolo())
    with pytest.raises(annotary.Invalid):
        list(source.open(name))
    assert source.neighbour(name) is None
    assert source.size_of(name) is None


def test_nested_folders_are_read(tmp_path: Path) -> None:
    inside = {f"outer/data set/{name}": data for name, data in yolo().items()}
    for source in (archive(tmp_path / "set.zip", inside), tmp_path / "folder"):
        if source.name == "folder":
            for name, data in inside.items():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                (source / name).write_bytes(data)
        out = tmp_path / f"{source.name}.json"
        annotary.convert(source, out, to="coco")
        assert [one["bbox"] for one in json.loads(out.read_bytes())["annotations"]] == [[4, 3, 2, 2]]


# Folders


def test_links_out_of_a_folder_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    (tmp_path / "set").mkdir()
    (tmp_path / "set/inside.txt").write_text("fine")
    (tmp_path / "set/file.txt").symlink_to(tmp_path / "secret.txt")
    (tmp_path / "set/folder").symlink_to(tmp_path)
    source = FolderSource(tmp_path / "set")
    assert list(source.paths()) == ["inside.txt"]
    for path in ("file.txt", "folder/secret.txt", "../secret.txt", str(tmp_path / "secret.txt")):
        assert source.neighbour(path) is None
        assert source.located(path) == ""
        with pytest.raises(annotary.Invalid, match="leads out of its folder"):
            list(source.open(path))


def test_a_folder_that_leads_into_itself_ends(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    (tmp_path / "set/again").symlink_to(tmp_path / "set")
    assert list(FolderSource(tmp_path / "set").paths()) == []


def test_very_deep_folders_are_refused(tmp_path: Path) -> None:
    deep = tmp_path / "set"
    for _ in range(45):
        deep = deep / "d"
    deep.mkdir(parents=True)
    with pytest.raises(annotary.Invalid, match="more than 40 folders deep"):
        list(FolderSource(tmp_path / "set").paths())


# What is written


@pytest.mark.parametrize("name", [one for one in CLIMBING if "\\" not in one and ":" not in one])
def test_no_part_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(annotary.Invalid, match="leads out of"):
        sinks.to_folder([Part(name, b"x")], tmp_path / "out")
    assert everything(tmp_path) == set()


@pytest.mark.parametrize("name", [*CLIMBING, "CON", "aux.jpg", "x" * 300, "a\nb", "ends. ", "A.jpg"])
@pytest.mark.parametrize("to", ["yolo", "masks", "voc", "coco"])
def test_hostile_image_names_stay_inside(tmp_path: Path, name: str, to: str) -> None:
    """Whatever an image is called, everything written is below the folder, and the change is told."""
    images = [
        {"id": at, "file_name": one, "width": 10, "height": 8} for at, one in enumerate((name, "a.jpg"))
    ]
    box = {"id": 1, "image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0}
    given = {"images": images, "annotations": [box], "categories": [{"id": 1, "name": "../../car"}]}
    (tmp_path / "in").mkdir()
    (tmp_path / "in/given.json").write_text(json.dumps(given))
    options = {"layout": "splits"} if to == "coco" else {}
    out = tmp_path / "deep/er/out"
    done = annotary.convert(tmp_path / "in/given.json", out, to=to, options={"images": "skip", **options})
    assert everything(tmp_path) - everything(out.parent) - {"in", "in/given.json"} == {
        "deep",
        "deep/er",
        *(f"deep/er/{one}" for one in everything(out.parent)),
    }
    assert {one.name for one in out.parent.iterdir()} == {"out"}
    for path in everything(out):
        assert max(len(part.encode()) for part in path.split("/")) <= 255
    if to in ("yolo", "voc"):
        assert any(loss.action == "renamed" for loss in done.findings.ledger.losses)


def test_pictures_are_not_taken_from_outside(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png())
    (tmp_path / "in").mkdir()
    image = {"id": 1, "file_name": "../secret.png", "width": 10, "height": 8}
    given = {"images": [image], "annotations": [], "categories": [{"id": 1, "name": "car"}]}
    (tmp_path / "in/given.json").write_text(json.dumps(given))
    annotary.convert(tmp_path / "in/given.json", tmp_path / "out", to="yolo", options={"images": "copy"})
    assert [path for path in (tmp_path / "out").rglob("*.png")] == []


# Pictures, run-lengths, numbers


def test_a_picture_that_says_it_is_huge_is_not_decoded(bounded: None) -> None:
    head = struct.pack(">IIBBBBB", 1 << 30, 1 << 30, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    idat = struct.pack(">I", 0) + b"IDAT" + struct.pack(">I", zlib.crc32(b"IDAT"))
    assert picture_size(io.BytesIO(b"\x89PNG\r\n\x1a\n" + chunk + idat)) in (None, (1 << 30, 1 << 30))


@pytest.mark.parametrize("to", ["coco", "yolo", "masks"])
@pytest.mark.parametrize(
    "segmentation",
    [
        {"size": [1 << 30, 1 << 30], "counts": [1 << 60]},
        {"size": [1 << 30, 1 << 30], "counts": "~" * 50},
        {"size": [100_000, 100_000], "counts": [10_000_000_000]},
    ],
    ids=["counts", "text", "sum"],
)
def test_a_run_length_bomb_is_a_loss(tmp_path: Path, to: str, segmentation: Any, bounded: None) -> None:
    image = {"id": 1, "file_name": "a.jpg", "width": 10, "height": 8}
    mask = {"id": 9, "image_id": 1, "category_id": 1, "segmentation": segmentation, "iscrowd": 1}
    given = {"images": [image], "annotations": [mask], "categories": [{"id": 1, "name": "car"}]}
    (tmp_path / "given.json").write_text(json.dumps(given))
    out = tmp_path / ("out.json" if to == "coco" else "out")
    done = annotary.convert(tmp_path / "given.json", out, to=to)
    (loss,) = done.findings.ledger.losses
    assert (loss.action, loss.ids) == ("dropped", ("9",))


@pytest.mark.parametrize("to", ["masks"])
def test_an_image_that_says_it_is_huge_is_a_loss(tmp_path: Path, to: str, bounded: None) -> None:
    image = {"id": 1, "file_name": "a.jpg", "width": 1 << 30, "height": 1 << 30}
    ring = {
        "id": 9,
        "image_id": 1,
        "category_id": 1,
        "segmentation": [[1, 1, 5, 1, 5, 5]],
        "bbox": [1, 1, 4, 4],
    }
    given = {"images": [image], "annotations": [ring], "categories": [{"id": 1, "name": "car"}]}
    (tmp_path / "given.json").write_text(json.dumps(given))
    done = annotary.convert(tmp_path / "given.json", tmp_path / "out", to=to)
    assert [(one.action, one.ids) for one in done.findings.ledger.losses] == [("dropped", ("9",))]


@pytest.mark.parametrize("depth", [1_000, 200_000])
def test_deep_json_has_a_place(tmp_path: Path, depth: int) -> None:
    deep = "[" * depth + "]" * depth
    text = f'{{"images":[],"annotations":[],"categories":[],"info":{deep}}}'
    (tmp_path / "deep.json").write_text(text)
    try:
        annotary.convert(tmp_path / "deep.json", tmp_path / "out.json", to="coco")
    except annotary.AnnotaryError as error:
        assert "deep.json" in str(error)
    else:
        assert json.loads((tmp_path / "out.json").read_bytes())["info"] is not None


@pytest.mark.parametrize("size", [-5, 0])
def test_sizes_that_are_none(tmp_path: Path, size: int) -> None:
    image = {"id": 1, "file_name": "a.jpg", "width": size, "height": 8}
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": 0}
    given = {"images": [image], "annotations": [box], "categories": [{"id": 1, "name": "car"}]}
    (tmp_path / "given.json").write_text(json.dumps(given))
    done = annotary.convert(tmp_path / "given.json", tmp_path / "out", to="yolo")
    (loss,) = done.findings.ledger.losses
    assert loss.reason == "the image's size is not known"


def test_yaml_that_makes_objects_is_not_obeyed(tmp_path: Path) -> None:
    evil = b"names: !!python/object/apply:os.system ['touch evil']\n"
    members = yolo(**{"data.yaml": evil})
    source = archive(tmp_path / "set.zip", members)
    before = set(os.listdir())
    with pytest.raises(annotary.AnnotaryError):
        annotary.convert(source, tmp_path / "out.json", to="coco", format="yolo")
    assert set(os.listdir()) == before


LAUGHS = b"""<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "bbbbbbbbbb"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">
<!ENTITY d "&c;&c;&c;&c;&c;&c;&c;&c;&c;">]>"""
OUTSIDE = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY d SYSTEM "file:///etc/hostname">]>'
BODIES = {
    "voc": ("Annotations/a.xml", b"<annotation><filename>&d;</filename><object></object></annotation>"),
    "cvat": (
        "annotations.xml",
        b"<annotations><version>1.1</version><image name='&d;'></image></annotations>",
    ),
}


@pytest.mark.parametrize("head", [LAUGHS, OUTSIDE], ids=["bomb", "outside"])
@pytest.mark.parametrize("name", BODIES)
def test_xml_entities_are_refused(tmp_path: Path, name: str, head: bytes, bounded: None) -> None:
    path, body = BODIES[name]
    if name not in formats.names():
        pytest.skip(f"the format {name} is not installed")
    source = archive(tmp_path / "set.zip", {path: head + body})
    with pytest.raises(annotary.AnnotaryError, match=r"set\.zip.*(ntit|DTD|DOCTYPE)"):
        annotary.convert(source, tmp_path / "out.json", to="coco", format=name)
    assert not (tmp_path / "out.json").exists()
