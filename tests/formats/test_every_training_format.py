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


def files(where: Path) -> dict[str, bytes]:
    """All bytes by path; lines of tables in any order, as files come in the order of their names."""
    found = {}
    for path in sorted(where.rglob("*")):
        if path.is_file() and path.name not in ("manifest.json", "losses.json"):
            data = path.read_bytes()
            if path.suffix == ".csv":
                data = b"\n".join(sorted(data.splitlines()))
            found[path.relative_to(where).as_posix()] = data
    return found


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
