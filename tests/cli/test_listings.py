"""The commands that list: formats, projects, show, datasets, models, tasks, snapshots."""

from __future__ import annotations

from pathlib import Path

import pytest

from annotary import formats
from tests.cli.conftest import PROJECT, document, done, refused, typed

LISTINGS = ("projects", "datasets", "models", "tasks")


def test_formats_says_what_each_can() -> None:
    said = done("formats")
    made = {one["name"]: one for one in document("formats")}
    assert made.keys() == set(formats.names())
    assert all(name in said for name in made)
    assert made["labelbox-v2"]["reads"] and made["labelbox-v2"]["writes"]


@pytest.mark.parametrize("name", LISTINGS)
def test_an_empty_store_has_nothing_to_list(name: str) -> None:
    assert done(name) == f"no {name} in annotary-data\n"
    assert document(name) == []


def test_projects(demo: Path) -> None:
    heading, line = done("--at", demo, "projects").splitlines()
    (project,) = document("--at", demo, "projects")
    assert heading.split() == ["project", "id", "changed"]
    assert PROJECT in line and project["id"] in line


def test_datasets_have_their_size(demo: Path) -> None:
    (dataset,) = document("--at", demo, "datasets")
    assert (dataset["name"], dataset["data_rows"]) == ("street", 60)
    assert "60" in done("--at", demo, "datasets").splitlines()[1]


def test_models_have_their_runs(demo: Path) -> None:
    (model,) = document("--at", demo, "models")
    assert (model["name"], model["runs"][0]["name"]) == ("Street detector", "first run")
    assert model["runs"][0]["id"] in done("--at", demo, "models")


def test_show_counts(demo: Path) -> None:
    said = done("--at", demo, "show", PROJECT)
    made = document("--at", demo, "show", PROJECT)
    assert (made["name"], made["rows"], made["labels"]) == (PROJECT, 60, 63)
    assert sum(made["by_status"].values()) == 60
    lines = [line.split() for line in said.splitlines()]
    for counts in (made["by_status"], made["by_class"], made["by_kind"]):
        for name, number in counts.items():
            assert [*name.split(), f"{number:,}"] in lines
    assert {"first drive", "second drive"} == {batch["name"] for batch in made["batches"]}
    assert document("--at", demo, "show", made["id"]) == made


def test_show_of_what_is_not_there(demo: Path) -> None:
    assert refused("show", "nope") == "no project 'nope' in annotary-data; there are: none yet"
    assert refused("show", "nope", "--at", demo).endswith("there are: 'Street scenes'")


def test_snapshots(store: Path) -> None:
    at = ("--at", store)
    assert document(*at, "snapshots", PROJECT) == []
    assert done(*at, "snapshots", PROJECT) == f"no snapshots in {store}\n"
    made = document(*at, "snapshot", PROJECT, "spring")
    assert (made["name"], made["sequence"]) == ("spring", 2)
    assert "sequence 2" in done(*at, "snapshot", PROJECT, "summer")
    assert {one["name"] for one in document(*at, "snapshots", PROJECT)} == {"spring", "summer"}
    assert "spring" in done(*at, "snapshots", PROJECT)
    assert "spring" in refused(*at, "snapshot", PROJECT, "spring")


def test_what_does_not_print_is_escaped(tmp_path: Path) -> None:
    result = typed("show", "a\x1b[31m\nb")
    assert (
        result.stderr == r"annotary: no project 'a\x1b[31m\nb' in annotary-data; there are: none yet" + "\n"
    )


def test_a_table_is_whole_where_a_program_reads_it(tmp_path: Path) -> None:
    name = "n" * 500 + "[bold]"
    (tmp_path / "a.json").write_text('{"data_row": {"id": "row-1", "row_data": "https://example.org/1.png"}}')
    done("import", "a.json", "--project", name)
    assert name in done("projects")
