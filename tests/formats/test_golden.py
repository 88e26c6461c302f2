"""What formats write of two rows of the sample, byte by byte: a folder of `golden/` a format.

A new format gets an empty folder there and one run with `--regold`.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import annotary
from annotary.engine import sinks
from annotary.sample.truth import row as sample_row

GOLDEN = Path(__file__).with_name("golden")
NAMES = sorted(one.name for one in GOLDEN.iterdir() if one.is_dir())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A project of two rows that between them have every kind of annotation."""
    with annotary.Client(tmp_path_factory.mktemp("golden")) as client:
        client.port.load([sample_row(3, index) for index in (2, 7)], format="labelbox-v2")
        yield client.get_projects()[0]


def files(where: Path) -> dict[str, bytes]:
    """All bytes by path, without what says when and by which version it was written."""
    return {
        path.relative_to(where).as_posix(): path.read_bytes()
        for path in sorted(where.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_byte_is_as_it_was(
    project: Any, name: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    export = project.export(format=name).open(counted=True)
    path = tmp_path / f"sample{export.format.ending}" if export.one_file else tmp_path
    sinks.deliver(export.parts, path, lines=export.lines, one_file=export.one_file, name="sample")
    if pytestconfig.getoption("--regold"):
        shutil.rmtree(GOLDEN / name)
        for place, data in files(tmp_path).items():
            (GOLDEN / name / place).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / name / place).write_bytes(data)
    assert files(tmp_path) == files(GOLDEN / name)
