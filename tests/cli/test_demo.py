"""The demo: one command, real exports, and what to type next."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from hashlib import sha256
from pathlib import Path

import pytest

from annotary.engine.core import Engine
from annotary.errors import Unavailable
from tests.cli.conftest import PROJECT, SCRIPT, document, done, typed

FILES = ("project-export-v2.json", "project-export-v1.json", "model-run-export-v2.json")


def digests(folder: Path) -> dict[str, str]:
    found = [*folder.glob("exports/*"), *folder.glob("images/*")]
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in found}


def test_it_makes_pictures_exports_and_a_store(demo: Path) -> None:
    assert len(list((demo / "images").glob("*.png"))) == 60
    rows = json.loads((demo / "exports" / FILES[0]).read_text())
    assert len(rows) == 60
    assert {"attachments", "metadata_fields"} <= rows[0].keys()
    labels = json.loads((demo / "exports" / FILES[1]).read_text())
    assert len(labels) == sum(len(part["labels"]) for row in rows for part in row["projects"].values())
    predicted = json.loads((demo / "exports" / FILES[2]).read_text())
    (model,) = predicted[0]["experiments"].values()
    (run,) = model["runs"].values()
    assert run["labels"] and run["predictions"] and run["data_split"]


def test_it_has_everything_that_can_be_shown(demo: Path) -> None:
    shown = document("--at", demo, "show", PROJECT)
    assert shown["by_status"].keys() == {"DONE", "IN_REVIEW", "IN_REWORK", "TO_LABEL"}
    assert shown["by_kind"].keys() >= {
        *("box", "polygon", "polyline", "point", "mask", "cuboid", "relationship"),
        *("radio", "checklist", "text"),
    }
    assert len(shown["batches"]) == 2


def test_every_picture_is_that_of_a_data_row(demo: Path) -> None:
    rows = json.loads((demo / "exports" / FILES[0]).read_text())
    assert all((demo / row["data_row"]["row_data"]).is_file() for row in rows)


def test_a_second_time_changes_nothing(demo: Path) -> None:
    before, sequence = digests(demo), document("--at", demo, "show", PROJECT)["sequence"]
    said = done("demo", demo)
    assert "Street scenes" in said
    assert digests(demo) == before
    assert document("--at", demo, "show", PROJECT)["sequence"] == sequence


def test_for_programs_it_is_one_document(demo: Path) -> None:
    made = document("demo", demo)
    assert [Path(file["path"]).name for file in made["files"]] == list(FILES)
    for file in made["files"]:
        data = Path(file["path"]).read_bytes()
        assert (len(data), sha256(data).hexdigest()) == (file["bytes"], file["sha256"])


def test_a_target_given_as_for_other_commands_is_the_folder(demo: Path) -> None:
    assert document("--at", demo, "demo")["project"] == PROJECT


def test_the_next_commands_work_as_they_stand(demo: Path, tmp_path: Path) -> None:
    path = os.pathsep.join([str(SCRIPT.parent), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path}
    made = subprocess.run(
        ["annotary", "demo", str(demo)], env=environment, capture_output=True, text=True, check=True
    )
    *_, rest = made.stdout.partition("what to type next:\n")
    commands = [line.strip() for line in rest.splitlines()]
    assert len(commands) == 3
    for line in commands:
        assert shlex.split(line)[0] == "annotary"
        subprocess.run(["sh", "-euc", line], env=environment, cwd=tmp_path, check=True)
    assert len(json.loads((tmp_path / "street-scenes.json").read_text())) == 60
    assert len((tmp_path / "predictions.ndjson").read_bytes().splitlines()) == 60


@pytest.mark.postgres
def test_the_store_may_be_a_database(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[tuple[bool, Path]] = []

    def make(engine: Engine, folder: Path, **more: object) -> None:
        calls.append((engine.store.database.is_sqlite, folder))
        raise Unavailable("enough seen")

    monkeypatch.setattr("annotary.engine.demo.make_demo", make)
    for words in (("--at", postgres_url, "demo"), ("--at", postgres_url, "demo", "x"), ("--at", "y", "demo")):
        assert typed(*words).exit_code == 1
    assert calls == [(False, Path("annotary-demo")), (False, Path("x")), (True, Path("y"))]


def test_a_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = typed("demo", tmp_path / "file")
    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


def test_half_a_demo_leaves_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*given: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("annotary.engine.demo._draw_all", lambda *given: None)
    monkeypatch.setattr("annotary.engine.demo.import_sources", interrupt)
    result = typed("demo", tmp_path / "demo")
    assert (result.exit_code, result.stderr) == (
        130,
        "annotary: interrupted; run the same command again to go on\n",
    )
    assert document("--at", tmp_path / "demo", "projects") == []
