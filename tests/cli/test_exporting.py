"""`annotary export`."""

from __future__ import annotations

import gzip
import json
import re
import zipfile
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import zstandard

from annotary.engine import spreading
from annotary.formats import safe_name
from tests.cli.conftest import PROJECT, document, done, refused, typed


def rows(*words: str | Path) -> list[dict[str, Any]]:
    """The rows that an export puts on standard output."""
    result = typed("export", *words, "--quiet")
    assert (result.exit_code, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def part(row: dict[str, Any]) -> dict[str, Any]:
    (found,) = row["projects"].values()
    assert isinstance(found, dict)
    return found


@pytest.fixture
def at(demo: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The demo as the target."""
    monkeypatch.setenv("ANNOTARY_AT", str(demo))
    return demo


# -- where to ----------------------------------------------------------------------------------------


def test_the_ending_decides(at: Path) -> None:
    done("export", PROJECT, "-o", "a.ndjson")
    plain = Path("a.ndjson").read_bytes()
    lines = [json.loads(line) for line in plain.splitlines()]
    done("export", PROJECT, "-o", "a.json")
    assert json.loads(Path("a.json").read_text()) == lines
    done("export", PROJECT, "-o", "a.ndjson.gz")
    assert gzip.decompress(Path("a.ndjson.gz").read_bytes()) == plain
    done("export", PROJECT, "-o", "a.json.zst")
    packed = zstandard.ZstdDecompressor().stream_reader(Path("a.json.zst").read_bytes()).read()
    assert packed == Path("a.json").read_bytes()
    done("export", PROJECT, "-o", "a.zip")
    with zipfile.ZipFile("a.zip") as archive:
        assert archive.read("Street-scenes.ndjson") == plain
    done("export", PROJECT, "-o", "folder")
    assert (Path("folder") / "Street-scenes.ndjson").read_bytes() == plain


def test_it_says_what_it_wrote(at: Path) -> None:
    said = done("export", PROJECT, "-o", "a.ndjson").splitlines()
    data = Path("a.ndjson").read_bytes()
    assert said == [
        "60 rows, 63 labels, 2,058 annotations",
        f"a.ndjson: {len(data):,} bytes, sha256 {sha256(data).hexdigest()}",
        "next time only what has changed: --since 2",
    ]


def test_programs_get_one_document(at: Path) -> None:
    made = document("export", PROJECT, "-o", "a.ndjson")
    data = Path("a.ndjson").read_bytes()
    assert made == {
        "rows": 60,
        "labels": 63,
        "annotations": 2058,
        "files": [{"path": "a.ndjson", "bytes": len(data), "sha256": sha256(data).hexdigest()}],
        "cursor": 2,
        "problems": [],
        "notices": [],
        "losses": {"balance": [], "losses": []},
    }


def test_programs_get_a_file_by_default(at: Path) -> None:
    assert document("export", PROJECT)["files"][0]["path"] == "Street-scenes.ndjson"
    assert document("export", PROJECT, "--format", "labelbox-v1")["files"][0]["path"] == "Street-scenes.json"
    assert isinstance(json.loads(Path("Street-scenes.json").read_text()), list)


def test_what_is_no_terminal_gets_the_rows(at: Path) -> None:
    result = typed("export", PROJECT)
    assert len(result.stdout.splitlines()) == 60
    assert result.stderr.splitlines()[0] == "60 rows, 63 labels, 2,058 annotations"
    digest = sha256(result.stdout_bytes).hexdigest()
    assert result.stderr.splitlines()[1].endswith(f"bytes, sha256 {digest}")
    assert typed("export", PROJECT, "-o", "-").stdout_bytes == result.stdout_bytes


def test_v1_is_an_array_by_custom(at: Path) -> None:
    labels = json.loads(typed("export", PROJECT, "--format", "labelbox-v1").stdout)
    assert len(labels) == 63


def test_two_documents_do_not_fit_into_one_stream(at: Path) -> None:
    assert "standard output" in refused("export", PROJECT, "-o", "-", "--json", status=2)


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("Street scenes", "Street-scenes"),
        ("../../etc/passwd", "etc-passwd"),
        ("Straße №1", "Straße-1"),
        ("...", "export"),
        ("a" * 300, "a" * 100),
        ("x\n\x1b[31m\u202e", "x-31m"),
    ],
)
def test_a_name_makes_a_harmless_file_name(name: str, safe: str) -> None:
    assert safe_name(name) == safe


def test_any_number_of_processes_writes_the_same_file(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spreading, "STEP", 7)
    monkeypatch.setattr(spreading, "LONGEST", 7)
    for format, ending in (("labelbox-v1", "json"), ("labelbox-v2", "ndjson.gz")):
        told = [
            document(
                *("export", PROJECT, "--format", format, "--all-details"),
                *("--workers", str(workers), "-o", f"{workers}.{ending}"),
            )
            for workers in (1, 2)
        ]
        one, two = ({**one, "files": None} for one in told)
        assert one == two
        assert Path(f"1.{ending}").read_bytes() == Path(f"2.{ending}").read_bytes()
    assert sorted(path.name for path in Path().iterdir()) == [
        "1.json",
        "1.ndjson.gz",
        "2.json",
        "2.ndjson.gz",
    ]
    assert "from 1 to 16 processes, not 17" in refused("export", PROJECT, "--workers", "17", "-o", "x.json")


def test_in_parts(at: Path) -> None:
    one = typed("export", PROJECT).stdout_bytes
    said = done("export", PROJECT, "--parts", "-o", "parts").splitlines()
    (part,) = Path("parts").glob("part-*")
    assert part.read_bytes() == one
    manifest = Path("parts/manifest.json").read_bytes()
    assert said[1] == f"parts/part-00000.ndjson: {len(one):,} bytes, sha256 {sha256(one).hexdigest()}"
    assert said[2].startswith("parts/manifest.json: ") and said[2].endswith(sha256(manifest).hexdigest())
    for format, ending in (("coco", ".json"), ("yolo", ".zip")):
        done("export", PROJECT, "--format", format, "--parts", "-o", format)
        assert Path(format, f"part-00000{ending}").is_file()
        assert json.loads(Path(format, "manifest.json").read_bytes())["format"] == format
    assert "parts is there already and not empty" in refused("export", PROJECT, "--parts", "-o", "parts")
    for words in (("--parts",), ("--parts", "-o", "-")):
        assert "give -o a folder or s3://BUCKET/PREFIX" in refused("export", PROJECT, *words, status=2)
    assert "give --parts" in refused("export", PROJECT, "-o", "s3://exports/monday", status=2)


def test_a_place_that_cannot_be_written(at: Path) -> None:
    Path("file").write_text("")
    assert "file/a.ndjson cannot be written: file is not a folder" in refused(
        "export", PROJECT, "-o", "file/a.ndjson"
    )
    Path("full").mkdir()
    (Path("full") / "x").write_text("")
    assert "not empty" in refused("export", PROJECT, "-o", "full")


# -- what to export ----------------------------------------------------------------------------------


def test_a_project_by_id_and_by_name(at: Path) -> None:
    (project,) = document("projects")
    assert rows(project["id"]) == rows(PROJECT)


def test_a_run_shows_predictions_unless_told_otherwise(at: Path) -> None:
    (model,) = document("models")
    (run,) = model["runs"]
    for name in (run["id"], run["name"]):
        (first, *_) = rows("--model-run", name)
        shown = first["experiments"][model["id"]]["runs"][run["id"]]
        assert shown["predictions"] and "data_split" not in shown
    (first, *_) = rows("--model-run", run["id"], "--no-predictions", "--model-run-details")
    shown = first["experiments"][model["id"]]["runs"][run["id"]]
    assert "predictions" not in shown and shown["data_split"]


def test_a_dataset_shows_the_projects_it_is_told(at: Path) -> None:
    bare = rows("--dataset", "street")
    assert len(bare) == 60 and "projects" not in bare[0]
    assert rows("--dataset", "street", "--all-projects") == rows(PROJECT)
    assert rows("--dataset", "street", "--project-id", PROJECT) == rows(PROJECT)
    run = document("models")[0]["runs"][0]["id"]
    assert "experiments" in rows("--dataset", "street", "--model-run-id", run, "--predictions")[0]


def test_single_rows_by_id_or_key(at: Path) -> None:
    first, second, *_ = rows("--dataset", "street")
    keys = [word for row in (first, second) for word in ("--global-key", row["data_row"]["global_key"])]
    assert rows(*keys) == [first, second]
    assert rows("--data-row-id", second["data_row"]["id"]) == [second]
    assert "no data row" in refused("export", "--global-key", "nope")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "say what to export"),
        ((PROJECT, "--dataset", "street"), "one of PROJECT, --model-run and --dataset"),
        ((PROJECT, "--model-run", "first run"), "one of PROJECT, --model-run and --dataset"),
        ((PROJECT, "another"), "another"),
        ((PROJECT, "--data-row-id", "a", "--global-key", "b"), "exclude each other"),
        ((PROJECT, "--format", "floppy"), "unknown format 'floppy'; known: "),
        ((PROJECT, "--labels", "best"), "best"),
        ((PROJECT, "--since", "yesterday"), "--since: 'yesterday' is not a cursor"),
        ((PROJECT, "--since", "-1"), "--since: '-1' is not a cursor"),
        ((PROJECT, "--since", "9" * 5000), "is not a cursor"),
        ((PROJECT, "--workflow-status", "Finished"), "'Finished' is none of ToLabel, InReview"),
        ((PROJECT, "--field-set", "tiny"), "tiny"),
        ((PROJECT, "--attachment"), "no such option: --attachment"),
        ((PROJECT, "--last-activity-at", "2026-01-01"), "unexpected extra argument"),
        ((PROJECT, "--last-activity-at", "2026-13-01", "-"), "not a date: '2026-13-01'"),
        ((PROJECT, "--label-created-at", "-", "soon"), "not a date: 'soon'"),
        ((PROJECT, "--data-row-id", ""), "''"),
    ],
)
def test_wrong_usage(words: tuple[str, ...], reason: str, at: Path) -> None:
    assert reason in refused("export", *words, "-o", "a.ndjson", status=2)
    assert not Path("a.ndjson").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("Avenues",), f"no project 'Avenues' in .*; there are: '{PROJECT}'"),
        (("--dataset", "meadow"), "no dataset 'meadow' in .*; there are: 'street'"),
        (("--model-run", "last run"), "no model run 'last run' in .*; there are: 'first run'"),
        ((PROJECT, "--as-of", "spring"), "no snapshot 'spring'; there are: none"),
        ((PROJECT, "--as-of", "99"), "as_of: 99 is outside"),
        ((PROJECT, "--since", "99"), "since: 99 is ahead"),
        (("--dataset", "street", "--since", "1"), "follow one project's"),
        (("--model-run", "first run", "--workflow-status", "Done"), "no filters"),
        (("--dataset", "street", "--all-projects", "--batch-id", "x"), "projects only"),
    ],
)
def test_what_is_not_there(words: tuple[str, ...], reason: str, at: Path) -> None:
    said = refused("export", *words, "-o", "a.ndjson")
    assert re.search(reason, said), said
    assert not Path("a.ndjson").exists()


# -- what to show ------------------------------------------------------------------------------------

SIX = ("attachments", "metadata_fields", "data_row_details", "project_details", "label_details")


def present(row: dict[str, Any]) -> set[str]:
    """Which of the six parts a row shows."""
    label = part(row)["labels"][0]
    found = {*row, *part(row), *label}
    if "details" in row["data_row"]:
        found.add("data_row_details")
    return found & {*SIX, "performance_details"}


def test_each_flag_switches_its_part(at: Path) -> None:
    assert present(rows(PROJECT)[0]) == set()
    for name in (*SIX, "performance_details"):
        assert present(rows(PROJECT, f"--{name.replace('_', '-')}")[0]) == {name}
    assert present(rows(PROJECT, "--all-details")[0]) == {*SIX, "performance_details"}
    without = rows(PROJECT, "--all-details", "--no-attachments", "--no-label-details")[0]
    assert present(without) == {*SIX, "performance_details"} - {"attachments", "label_details"}


def test_the_field_set_of_the_first_samples(at: Path) -> None:
    (first, *_) = rows(PROJECT, "--field-set", "seed")
    assert "project_name" in part(first) and "name" not in part(first)


def test_filters_are_joined_by_and(at: Path) -> None:
    everything = rows(PROJECT, "--project-details", "--data-row-details")
    done_rows = [row for row in everything if part(row)["project_details"]["workflow_status"] == "DONE"]
    asked = ("--project-details", "--data-row-details", "--workflow-status", "Done")
    assert rows(PROJECT, *asked) == done_rows
    late = [row for row in done_rows if row["data_row"]["details"]["last_activity_at"] >= "2026-04-01"]
    assert 0 < len(late) < len(done_rows)
    assert rows(PROJECT, *asked, "--last-activity-at", "2026-04-01", "-") == late
    assert rows(PROJECT, *asked, "--last-activity-at", "2026-04-01 00:00:00", "2050-01-01") == late
    batch = part(late[0])["project_details"]["batch_id"]
    both = [row for row in late if part(row)["project_details"]["batch_id"] == batch]
    assert rows(PROJECT, *asked, "--last-activity-at", "2026-04-01", "-", "--batch-id", batch) == both
    one = late[0]["data_row"]
    assert rows(PROJECT, *asked, "--data-row-id", one["id"]) == [late[0]]
    assert rows(PROJECT, *asked, "--global-key", one["global_key"]) == [late[0]]
    assert rows(PROJECT, "--label-created-at", "-", "2000-01-01") == []


def test_an_open_range_filters_nothing(at: Path) -> None:
    assert rows(PROJECT, "--last-activity-at", "-", "-") == rows(PROJECT)


def test_labels_by_rule(at: Path) -> None:
    asked = ("--label-details", "--performance-details")
    every = {row["data_row"]["id"]: part(row)["labels"] for row in rows(PROJECT, *asked)}

    def chosen(rule: str, *more: str) -> dict[str, list[dict[str, Any]]]:
        return {row["data_row"]["id"]: part(row)["labels"] for row in rows(PROJECT, *more, "--labels", rule)}

    assert chosen("all", *asked) == every
    for id, labels in chosen("latest", *asked).items():
        newest = max((one["label_details"]["created_at"] for one in every[id]), default=None)
        assert [one["label_details"]["created_at"] for one in labels] == ([newest] if newest else [])
    for id, labels in chosen("benchmark", *asked).items():
        assert labels == [one for one in every[id] if one.get("is_benchmark_reference")]
    for id, labels in chosen("consensus", *asked).items():
        scores = [one["performance_details"].get("consensus_score") for one in every[id]]
        best = max((score for score in scores if score is not None), default=None)
        assert len(labels) == min(len(every[id]), 1)
        assert best is None or labels[0]["performance_details"]["consensus_score"] == best
    bare = chosen("consensus")
    assert all("performance_details" not in one for labels in bare.values() for one in labels)


# -- which state -------------------------------------------------------------------------------------


def test_a_cursor_gives_what_changed_since(store: Path, shared: Path) -> None:
    at = ("--at", store)
    cursor = document(*at, "export", PROJECT, "-o", "a.ndjson")["cursor"]
    assert typed(*at, "export", PROJECT, "--since", str(cursor)).stdout == ""
    (first, *_) = [json.loads(line) for line in Path("a.ndjson").read_text().splitlines()]
    done(*at, "snapshot", PROJECT, "before")
    label = part(first)["labels"][0]
    label["annotations"] = {"objects": [], "classifications": [], "relationships": []}
    Path("changed.json").write_text(json.dumps(first))
    done(*at, "import", "changed.json")
    made = document(*at, "export", PROJECT, "--since", str(cursor), "-o", "b.ndjson")
    assert (made["rows"], made["cursor"]) == (1, cursor + 1)
    done(*at, "export", PROJECT, "--as-of", "before", "-o", "c.ndjson")
    assert Path("c.ndjson").read_bytes() == Path("a.ndjson").read_bytes()
    done(*at, "export", PROJECT, "--as-of", str(cursor), "-o", "c.ndjson")
    assert Path("c.ndjson").read_bytes() == Path("a.ndjson").read_bytes()
