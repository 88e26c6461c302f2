"""`annotary import`."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import PROJECT, document, done, refused, typed

V2 = "project-export-v2.json"


def row(number: int, **box: Any) -> dict[str, Any]:
    drawn = {
        "feature_id": f"feature-{number}",
        "name": "car",
        "annotation_kind": "ImageBoundingBox",
        "bounding_box": {"top": 1, "left": 2, "height": 3, "width": 4} | box,
    }
    label = {"id": f"label-{number}", "annotations": {"objects": [drawn], "classifications": []}}
    return {
        "data_row": {"id": f"row-{number}", "row_data": f"https://example.org/{number}.png"},
        "projects": {"project-1": {"name": "streets", "labels": [label]}},
    }


def written(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def test_it_counts_and_says_where_things_went(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.ndjson", row(1), row(2))
    result = typed("--at", "store", "import", file)
    assert result.exit_code == 0
    assert result.stdout == "2 rows, 2 labels, 2 annotations\nproject streets (project-1)\n"
    assert result.stderr == "next: annotary --at store show streets\n"


def test_quiet_leaves_hints_out(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.ndjson", row(1))
    result = typed("import", file, "--quiet")
    assert (result.exit_code, result.stderr) == (0, "")
    assert (tmp_path / "annotary-data" / "annotary.db").exists()


def test_the_environment_names_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNOTARY_AT", str(tmp_path / "there"))
    file = written(tmp_path / "rows.ndjson", row(1))
    result = typed("import", file)
    assert result.stderr == "next: annotary show streets\n"
    assert (tmp_path / "there" / "annotary.db").exists()


def test_for_programs_it_is_one_document(tmp_path: Path) -> None:
    made = document("import", written(tmp_path / "rows.ndjson", row(1)))
    assert made == {
        "rows": 1,
        "labels": 1,
        "annotations": 1,
        "files": [],
        "problems": [],
        "notices": [],
        "losses": {"balance": [], "losses": []},
    }


def test_twice_is_once(shared: Path) -> None:
    for name in (V2, "project-export-v1.json", "model-run-export-v2.json"):
        file = shared / "seed-examples" / name
        done("--at", name, "import", file)
        before = done("--at", name, "projects"), done("--at", name, "models")
        again = document("--at", name, "import", file)
        assert again["problems"] == []
        assert (done("--at", name, "projects"), done("--at", name, "models")) == before


def test_a_project_of_ones_own_choice(tmp_path: Path, shared: Path) -> None:
    done("import", shared / "seed-examples" / V2, "--project", "mine", "--dataset", "pictures")
    (project,) = document("projects")
    (dataset,) = document("datasets")
    assert (project["name"], dataset["name"], dataset["data_rows"]) == ("mine", "pictures", 1)


def test_folders_and_packed_files(tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    written(tmp_path / "in" / "a.ndjson", row(1))
    (tmp_path / "in" / "deep" / "b.json.gz").write_bytes(gzip.compress(json.dumps([row(2)]).encode()))
    (tmp_path / "in" / "notes.txt").write_text("not read")
    assert document("import", tmp_path / "in")["rows"] == 2


def test_predictions_go_into_a_run(demo: Path) -> None:
    file = demo / "exports" / "model-run-export-v2.json"
    result = typed("import", file, "--model", "detector", "--run", "second")
    assert result.exit_code == 0, result.output
    assert "model run second" in result.stdout
    assert "export --model-run" in result.stderr
    assert document("models")[0]["runs"][0]["name"] == "second"


def test_an_ontology_then_data_rows_then_annotations(tmp_path: Path) -> None:
    at = ("--project", "streets")
    tools = [{"tool": "rectangle", "name": "car", "color": "#ff0000", "classifications": []}]
    written(tmp_path / "ontology.json", {"tools": tools, "classifications": []})
    assert done("import", "ontology.json", *at).startswith("1 ontology, 0 rows")
    data_rows = [{"row_data": f"https://example.org/{key}.png", "global_key": key} for key in ("a", "b")]
    written(tmp_path / "rows.json", data_rows)
    assert document("import", "rows.json", *at)["rows"] == 2
    box = {"top": 1, "left": 2, "height": 3, "width": 4}
    lines = [
        {"uuid": f"1b1e7f9c-0000-4000-8000-00000000000{number}", "name": name, "bbox": box}
        | {"dataRow": {"globalKey": key}}
        for number, (name, key) in enumerate([("car", "a"), ("bus", "b"), ("car", "c")])
    ]
    written(tmp_path / "labels.ndjson", *lines)
    result = typed("import", "labels.ndjson", *at)
    assert result.exit_code == 1
    assert "'bus'" in result.stderr and "known: car" in result.stderr and "no such data row" in result.stderr
    assert typed("import", "labels.ndjson", *at, "--on-problem", "skip").exit_code == 3
    shown = document("show", "streets")
    assert (shown["rows"], shown["labels"], shown["by_class"]) == (2, 1, {"car": 1})


def test_all_of_a_folder_whatever_comes_first(tmp_path: Path) -> None:
    test_an_ontology_then_data_rows_then_annotations(tmp_path)
    (tmp_path / "in").mkdir()
    for number, name in enumerate(("labels.ndjson", "rows.json", "ontology.json")):
        (tmp_path / name).rename(tmp_path / "in" / f"{number}-{name}")
    words = ("--at", "other", "import", "in", "--project", "streets", "--on-problem", "skip")
    assert typed(*words).exit_code == 3
    assert document("--at", "other", "show", "streets")["labels"] == 1


# -- problems ----------------------------------------------------------------------------------------


def test_a_problem_stops_it_and_nothing_is_stored(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.ndjson", row(1), row(2, height="tall"), row(3))
    result = typed("import", file)
    assert (result.exit_code, result.stdout) == (1, "")
    table, last = result.stderr.splitlines()[:-1], result.stderr.splitlines()[-1]
    assert table[0].split() == ["problem", "at", "value", "reason"]
    assert len(table) == 2
    assert "line 2" in table[1] and "tall" in table[1] and "bounding_box.height" in table[1]
    assert last.startswith("annotary: nothing was stored: 1 problem;")
    assert document("projects") == []


def test_problems_can_be_skipped(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.ndjson", row(1), row(2, height="tall"), row(3))
    result = typed("import", file, "--on-problem", "skip")
    assert result.exit_code == 3
    assert result.stdout.startswith("2 rows, 2 labels, 2 annotations\n")
    assert "tall" in result.stderr
    assert "1 problem; rows with a problem were left out" in result.stderr
    assert document("show", "streets")["rows"] == 2


def test_twenty_problems_are_shown_and_all_are_counted(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.ndjson", *(row(number, height=-1) for number in range(1, 1501)))
    result = typed("import", file)
    lines = result.stderr.splitlines()
    assert len(lines) == 1 + 20 + 2
    assert lines[-2] == "... and 1,480 more"
    assert "1,500 problems" in lines[-1]


@pytest.mark.parametrize("words", [(), ("--on-problem", "skip")])
def test_programs_get_the_problems_too(tmp_path: Path, words: tuple[str, ...]) -> None:
    file = written(tmp_path / "rows.ndjson", row(1), row(2, height=-1))
    result = typed("import", file, "--json", *words)
    made = json.loads(result.stdout)
    (problem,) = made["problems"]
    assert problem.keys() == {"place", "value", "reason"}
    assert (result.exit_code, made["rows"]) == ((3, 1) if words else (1, 0))
    assert len(result.stderr.splitlines()) == 1


def test_a_dry_run_stores_nothing(tmp_path: Path) -> None:
    good = written(tmp_path / "good.ndjson", row(1))
    assert "nothing was stored" in done("import", good, "--dry-run")
    bad = written(tmp_path / "bad.ndjson", row(1), row(2, height=-1))
    assert typed("import", bad, "--dry-run").exit_code == 1
    assert typed("import", bad, "--dry-run", "--on-problem", "skip").exit_code == 3
    assert document("projects") == []


def test_notices_are_told_and_stop_nothing(tmp_path: Path) -> None:
    given = row(1)
    given["projects"]["project-1"]["labels"][0]["annotations"]["objects"][0]["confidence"] = 0.5
    result = typed("import", written(tmp_path / "rows.ndjson", given))
    assert result.exit_code == 0
    assert "confidence and custom metrics belong to predictions" in result.stderr
    (notice,) = document("import", tmp_path / "rows.ndjson")["notices"]
    assert notice["count"] == 1


BAD: dict[str, tuple[str | None, str]] = {
    "missing": (None, "does not exist"),
    "empty": ("", "no JSON document"),
    "blank": ("\n\n", "no JSON document"),
    "cut off": ('{"data_row": {"id": "row-1", "row', "cut off"),
    "not JSON": ("hello", ""),
    "some other JSON": ('{"cars": []}', "no known format; give one with --format"),
    "too deep": ("[" * 100_000, ""),
    "binary": ("\x00\x01\x02", ""),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_get_one_line(name: str, tmp_path: Path) -> None:
    text, reason = BAD[name]
    file = tmp_path / "file.json"
    if text is not None:
        file.write_text(text)
    said = refused("import", file)
    assert reason in said
    assert "file.json" in said


def test_the_format_can_be_named(tmp_path: Path) -> None:
    file = written(tmp_path / "rows.ndjson", row(1))
    assert document("import", file, "--format", "labelbox-v2")["rows"] == 1
    said = refused("import", file, "--format", "labelbox-v9", status=2)
    assert "unknown format 'labelbox-v9'; known: " in said


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--model", "detector"), "both --model and --run"),
        (("--run", "first"), "both --model and --run"),
        (("--model", "m", "--run", "r", "--project", "p"), "either --project, or --model and --run"),
        (("--on-problem", "panic"), "panic"),
        (("--images", "nowhere"), "--images: nowhere is not a folder"),
        (("--nothing",), "no such option: --nothing"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    file = written(tmp_path / "rows.ndjson", row(1))
    assert reason in refused("import", file, *words, status=2)
    assert not (tmp_path / "annotary-data").exists()


def test_without_paths_it_says_so() -> None:
    assert "missing argument 'PATH...'" in refused("import", status=2)


def test_two_projects_of_one_name_need_an_id(tmp_path: Path) -> None:
    first, second = row(1), row(2)
    second["projects"] = {"project-2": second["projects"]["project-1"]}
    done("import", written(tmp_path / "rows.ndjson", first, second))
    said = refused("show", "streets")
    assert "project-1" in said and "project-2" in said
    assert document("show", "project-2")["rows"] == 1


def test_an_export_comes_back(demo: Path) -> None:
    done("--at", "again", "import", demo / "exports" / V2)
    done("--at", "again", "export", PROJECT, "--all-details", "-o", "again.json")
    assert Path("again.json").read_bytes() == (demo / "exports" / V2).read_bytes()


def test_a_missing_project_is_said_once(tmp_path: Path) -> None:
    images = [{"id": at, "file_name": f"{at}.png", "width": 8, "height": 8} for at in range(1, 40)]
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": [], "categories": []}))
    said = refused("import", "a.json")
    assert "\n" not in said and "coco files name no project; give --project NAME" in said
    done("import", "a.json", "--project", "roads")
