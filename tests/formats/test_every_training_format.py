"""What holds for every training format, whoever wrote it: they are found by themselves."""

from __future__ import annotations

import json
from collections import Counter
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

import annotary
from annotary import formats
from annotary.engine import sinks
from annotary.model.image import WORDS
from annotary.sample.truth import row as sample_row
from tests.formats import everything

TRAINING = [name for name in formats.names() if formats.load(name).images]
WRITERS = [name for name in TRAINING if formats.load(name).write is not None]
BOTH = [name for name in WRITERS if formats.load(name).read is not None]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project with a few rows of the sample, masks and all, in a store of its own."""
    with annotary.Client(tmp_path_factory.mktemp("sample")) as client:
        client.port.load([sample_row(3, index) for index in range(12)], format="labelbox-v2")
        yield client.get_projects()[0]


def written(project: Any, name: str, where: Path, **options: Any) -> Any:
    """An export as files below a folder, or one file; the export."""
    export = project.export(format=name, options=options).open(counted=True)
    path = where / f"one{export.format.ending}" if export.one_file else where / "set"
    sinks.deliver(export.parts, path, lines=export.lines, one_file=export.one_file, name="one")
    return export


def in_any_order(found: dict[str, bytes]) -> dict[str, bytes]:
    """Files whose tables have their lines sorted: images come in the order of their files."""
    tables = (".csv", ".meta")
    return {
        path: b"\n".join(sorted(data.splitlines())) if path.endswith(tables) else data
        for path, data in found.items()
    }


def files(where: Path) -> dict[str, bytes]:
    """All bytes by path; lines of tables in any order, as files come in the order of their names."""
    found = {}
    for path in sorted(where.rglob("*")):
        if path.is_file() and path.name not in ("manifest.json", "losses.json"):
            data = path.read_bytes()
            found[path.relative_to(where).as_posix()] = data
    return in_any_order(found)


@pytest.mark.parametrize("name", WRITERS)
def test_pieces_of_a_file_are_contiguous(sample: Any, name: str) -> None:
    runs = [path for path, _ in groupby(part.path for part in sample.export(format=name).open().parts)]
    assert len(runs) == len(set(runs))


@pytest.mark.parametrize("name", WRITERS)
def test_the_same_bytes_every_time(sample: Any, name: str, tmp_path: Path) -> None:
    written(sample, name, tmp_path / "a")
    written(sample, name, tmp_path / "b")
    assert files(tmp_path / "a") == files(tmp_path / "b")


@pytest.mark.parametrize("name", BOTH)
def test_written_read_and_written_again(sample: Any, name: str, tmp_path: Path) -> None:
    """Read back by content alone and written again, the files are the same."""
    written(sample, name, tmp_path / "a")
    (source,) = (tmp_path / "a").iterdir()
    annotary.convert(source, tmp_path / "b" / source.name, to=name)
    assert files(tmp_path / "b") == files(tmp_path / "a")


@pytest.mark.parametrize("name", BOTH)
def test_through_a_store_and_out_again(sample: Any, name: str, tmp_path: Path) -> None:
    written(sample, name, tmp_path / "a")
    (source,) = (tmp_path / "a").iterdir()
    with annotary.Client(tmp_path / "store") as client:
        client.load(source, project="again")
        written(client.get_projects()[0], name, tmp_path / "b")
    assert files(tmp_path / "b") == files(tmp_path / "a")


@pytest.mark.parametrize("name", WRITERS)
def test_the_balance_closes(sample: Any, name: str, tmp_path: Path) -> None:
    """What went in is counted here once more, in the export that keeps everything."""
    ledger = written(sample, name, tmp_path).findings.ledger.document()
    expected: Counter[str] = Counter()
    for row in sample.export(format="labelbox-v2").stream():
        for part in row["projects"].values():
            for label in part["labels"]:
                given = label["annotations"]
                expected["answer"] += len(given["classifications"])
                for drawn in given["objects"]:
                    expected[WORDS[drawn["annotation_kind"]]] += 1
                    expected["answer"] += len(drawn["classifications"])
    assert {one["kind"]: one["in"] for one in ledger["balance"]} == dict(+expected)
    for one in ledger["balance"]:
        assert one["in"] == one["out"] + one["dropped"]
    dropped: Counter[str] = Counter()
    for one in ledger["losses"]:
        assert one["count"] == len(one["ids"]) + one.get("ids_more", 0)
        if one["action"] == "dropped":
            dropped[one["kind"]] += one["count"]
    assert dict(dropped) == {one["kind"]: one["dropped"] for one in ledger["balance"] if one["dropped"]}


@pytest.mark.parametrize("name", WRITERS)
def test_strict_refuses_before_the_first_byte(sample: Any, name: str) -> None:
    losses = sample.export(format=name).open()
    for _ in losses.parts:
        pass
    if not losses.findings.ledger.losses:
        sample.export(format=name, strict=True)
        return
    with pytest.raises(annotary.Lossy, match="nothing was written") as refused:
        sample.export(format=name, strict=True)
    assert refused.value.losses == json.loads(json.dumps(losses.findings.ledger.document()))


@pytest.mark.parametrize("name", WRITERS)
def test_splits_hold_every_image_once(sample: Any, name: str, tmp_path: Path) -> None:
    export = written(sample, name, tmp_path, split=(0.5, 0.25, 0.25), seed=1)
    assert export.done == 12


# Every kind of the model, classes without objects, scores, splits, hostile names

# Label Studio's tasks name only the classes that are drawn; their list is in a project's settings.
OBJECTS = ("box", "polygon", "polyline", "point", "mask", "cuboid", "relationship")


def counted() -> Counter[str]:
    """How many of each kind there are, counted here and nowhere else."""
    found: Counter[str] = Counter()
    for image in everything.images():
        found["answer"] += len(json.loads(bytes(image.answers) or b"[]"))
        for mark in image.marks:
            found[WORDS[mark.kind]] += 1
            found["answer"] += len(json.loads(bytes(mark.classifications) or b"[]"))
    return found


@pytest.mark.parametrize("name", WRITERS)
def test_everything_is_written_or_in_the_ledger(name: str) -> None:
    _, ledger = everything.written(name)
    balance = {one.kind: one for one in ledger.balance}
    assert {kind: one.went_in for kind, one in balance.items()} == dict(counted())
    dropped: Counter[str] = Counter()
    for one in ledger.losses:
        if one.action == "dropped":
            dropped[one.kind] += one.count
    for kind, line in balance.items():
        assert line.went_in == line.came_out + line.dropped, kind
        assert line.dropped == dropped[kind], kind


@pytest.mark.parametrize("name", BOTH)
def test_as_many_are_read_as_were_written(name: str, tmp_path: Path) -> None:
    """The ledger is not believed: the objects in the files are counted by reading them."""
    files, ledger = everything.written(name)
    found = everything.Found(name, everything.stored(files, tmp_path / "set"))
    assert not found.problems and not found.refused
    came_out = sum(one.came_out for one in ledger.balance if one.kind in OBJECTS)
    assert sum(len(image.marks) for image in found.images) == came_out


@pytest.mark.parametrize("name", BOTH)
def test_images_without_objects_and_classes_without_any_survive(name: str, tmp_path: Path) -> None:
    files, _ = everything.written(name)
    found = everything.Found(name, everything.stored(files, tmp_path / "set"))
    assert len(found.images) == len(everything.images())
    names = [one.name for one in found.classes]
    given = [one.name for one in everything.classes()]
    assert [one for one in names if one in given] == given


@pytest.mark.parametrize("name", WRITERS)
def test_no_path_leads_out_and_none_is_there_twice(name: str) -> None:
    files, _ = everything.written(name)
    folded = [path.casefold() for path in files]
    assert len(set(folded)) == len(folded)
    for path in files:
        parts = path.split("/")
        assert path == "" or not any(part in ("", ".", "..") for part in parts)
        assert not any(sign in path for sign in '\\:*?"<>|\n\0')


@pytest.mark.parametrize("name", BOTH)
def test_everything_read_and_written_again_is_the_same(name: str, tmp_path: Path) -> None:
    files, _ = everything.written(name)
    found = everything.Found(name, everything.stored(files, tmp_path / "set"))
    again, _ = everything.written(name, found.images, found.classes, found.carried)
    assert in_any_order(again) == in_any_order(files)


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project with one row that two people labelled; the second drew one box less than there are."""
    row = sample_row(3, 0)
    (part,) = row["projects"].values()
    first = part["labels"][0]
    boxes = [one for one in first["annotations"]["objects"] if "bounding_box" in one][1:]
    second = {
        **first,
        "id": "c0000000000000000000label",
        "annotations": {
            "objects": [
                {**one, "feature_id": f"c{at:024}", "classifications": []} for at, one in enumerate(boxes)
            ],
            "classifications": [],
            "relationships": [],
        },
    }
    part["labels"] = [first, second]
    with annotary.Client(tmp_path_factory.mktemp("reviewed")) as client:
        client.port.load([row], format="labelbox-v2")
        yield client.get_projects()[0], len(boxes), len(first["annotations"]["objects"])


@pytest.mark.parametrize("name", WRITERS)
def test_all_labels_of_a_row_are_written(reviewed: Any, name: str) -> None:
    project, second, first = reviewed
    export = project.export(format=name).open(counted=True)
    for _ in export.parts:
        pass
    balance = export.findings.ledger.balance
    assert second > 0
    assert sum(one.went_in for one in balance if one.kind in OBJECTS) == first + second
    for one in balance:
        assert one.went_in == one.came_out + one.dropped
