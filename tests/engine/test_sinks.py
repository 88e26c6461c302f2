"""Folders of few and of many files, and what is told of them."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

import annotary
from annotary.engine import sinks
from annotary.engine.manifest import MANIFEST
from annotary.formats import Part


def parts(count: int) -> list[Part]:
    found = [Part(f"labels/{at % 3}/{at}.txt", b"%d\n" % at) for at in range(count)]
    return [*found, Part(MANIFEST, b"{"), Part(MANIFEST, b"}\n")]


def test_few_files_are_told_of_one_by_one(tmp_path: Path) -> None:
    found = sinks.to_folder(parts(2), tmp_path / "out")
    assert [(Path(one.path).name, one.bytes) for one in found] == [("0.txt", 2), ("1.txt", 2), (MANIFEST, 3)]
    for one in found:
        assert sha256(Path(one.path).read_bytes()).hexdigest() == one.sha256


def test_many_files_are_told_of_as_their_folder(tmp_path: Path) -> None:
    (one,) = sinks.to_folder(parts(40), tmp_path / "out")
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert (one.path, one.count, one.bytes) == (
        str(tmp_path / "out"),
        41,
        sum(path.stat().st_size for path in files),
    )
    assert one.sha256 == sha256(b"{}\n").hexdigest()
    assert (tmp_path / "out/labels/0/39.txt").read_bytes() == b"39\n"


def test_a_file_that_is_there_twice_leaves_nothing(tmp_path: Path) -> None:
    twice = [Part("a.txt", b"1"), Part("b.txt", b"2"), Part("a.txt", b"3")]
    try:
        sinks.to_folder(twice, tmp_path / "out")
    except annotary.Unavailable as error:
        assert "cannot be written" in str(error)
    else:
        raise AssertionError("the second file replaced the first")
    assert list(tmp_path.iterdir()) == []


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """A limit on the size of files stands for a disk that is nearly full: of a write it takes a part."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["out.ndjson", "out.ndjson.gz", "out.ndjson.zst", "out.zip"])
def test_a_disk_that_takes_a_part_of_the_last_write_ends_the_export(tmp_path: Path, name: str) -> None:
    noise = b"".join(sha256(b"%d" % number).digest() for number in range(2000))
    with room_for(40_000), pytest.raises(annotary.Unavailable, match="File too large"):
        if name.endswith(".zip"):
            sinks.to_zip([Part("a", noise)], tmp_path / name)
        else:
            sinks.to_file([noise], tmp_path / name)
    assert list(tmp_path.iterdir()) == []
