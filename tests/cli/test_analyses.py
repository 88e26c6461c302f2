"""`stats`, `evaluate` and `lint` on the demo."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

import annotary
from annotary.engine.suspects import crosses_itself
from tests.cli.conftest import PROJECT, SCRIPT, document, done, refused

RUN = "first run"


def test_stats_agree_with_the_export(demo: Path, tmp_path: Path) -> None:
    found = document("stats", PROJECT, "--at", demo)
    rows = [row for row in _exported(demo, tmp_path)]
    objects = [
        one["name"]
        for row in rows
        for part in row["projects"].values()
        for label in part["labels"]
        for one in label["annotations"]["objects"]
    ]
    assert found["rows"] == len(rows)
    assert found["by_class"] == {name: objects.count(name) for name in sorted(set(objects))}
    shown = document("show", PROJECT, "--at", demo)
    assert {key: shown[key] for key in ("by_class", "by_kind", "by_status")} == {
        key: found[key] for key in ("by_class", "by_kind", "by_status")
    }
    assert "workflow status" in done("stats", PROJECT, "--at", demo)
    few = document("stats", PROJECT, "--workflow-status", "Done", "--at", demo)
    assert few["rows"] == found["by_status"]["DONE"]


def _exported(demo: Path, folder: Path) -> list[dict]:  # type: ignore[type-arg]
    import json

    path = folder / "rows.ndjson"
    done("export", PROJECT, "-o", path, "--at", demo)
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_chart_and_a_picture_are_svg_with_a_description(demo: Path, tmp_path: Path) -> None:
    chart, picture = tmp_path / "classes.svg", tmp_path / "run.svg"
    done("stats", PROJECT, "--chart", chart, "--at", demo)
    done("evaluate", "--model-run", RUN, "--picture", picture, "--at", demo)
    for path in (chart, picture):
        root = ElementTree.parse(path).getroot()
        names = [one.tag.split("}")[1] for one in root]
        assert names[:3] == ["title", "desc", "style"]
        assert "prefers-color-scheme:dark" in path.read_text()
    assert "names" not in refused("stats", PROJECT, "--chart", "x.png", "--at", demo)


def test_a_run_is_measured_against_its_labels_or_a_projects(demo: Path) -> None:
    own = document("evaluate", "--model-run", RUN, "--at", demo)
    assert 0 < own["boxes"]["ap"] < 1
    rows = own["worst"]
    assert [one["iou"] for one in rows] == sorted(one["iou"] for one in rows)
    assert document("evaluate", PROJECT, "--model-run", RUN, "--at", demo)["boxes"] == own["boxes"]
    row = document("evaluate", "--model-run", RUN, "--data-row-id", rows[0]["data_row_id"], "--at", demo)
    assert (row["rows"], row["worst"]) == (1, [rows[0]])
    assert "worst rows" in done("evaluate", "--model-run", RUN, "--at", demo)


def test_labels_exported_are_perfect_predictions(demo: Path, tmp_path: Path) -> None:
    path = tmp_path / "labels.json"
    done("export", PROJECT, "--format", "coco", "-o", path, "--at", demo)
    found = document("evaluate", PROJECT, "--predictions", path, "--at", demo)
    assert found["boxes"]["ap"] == pytest.approx(1, abs=1e-9)
    assert found["shapes"]["ap"] == pytest.approx(1, abs=1e-9)


def test_confident_predictions_without_a_label_are_told_of(demo: Path) -> None:
    found = document("lint", "--model-run", RUN, "--at", demo)
    assert found["found"]["prediction without label"] > 0
    assert {one["reason"] for one in found["suspects"]} == set(found["found"])
    assert document("lint", PROJECT, "--at", demo)["found"] == {}
    assert "prediction without label" in done("lint", "--model-run", RUN, "--limit", 3, "--at", demo)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["stats"], "give one of"),
        (["lint", PROJECT, "--model-run", RUN], "give one of"),
        (["evaluate"], "give --model-run"),
        (["evaluate", "--predictions", "x.json"], "give PROJECT"),
        (["evaluate", "--model-run", RUN, "--iou", "2"], "not between 0 and 1"),
        (["stats", PROJECT, "--split", "half"], "no shares"),
    ],
)
def test_wrong_usage_is_said(demo: Path, words: list[str], reason: str) -> None:
    assert reason in refused(*words, "--at", demo, status=2)


def test_long_outlines_are_followed_in_pieces() -> None:
    from math import cos, pi, sin

    ring = [f(2 * pi * n / 1000) for n in range(1000) for f in (cos, sin)]
    assert not crosses_itself(ring)
    ring[2:4], ring[1000:1002] = ring[1000:1002], ring[2:4]
    assert crosses_itself(ring)


def test_they_tell_how_many_rows_are_done(demo: Path) -> None:
    with annotary.Client(demo) as client:
        (project,) = client.get_projects(PROJECT)
        (run,) = client.get_model_runs()
        calls = (project.stats, project.lint, run.stats, run.lint, run.evaluate)
        for call in (*calls, lambda progress: run.evaluate(project.id, progress=progress)):
            heard: list[tuple[int, int | None]] = []
            found = call(progress=lambda done, total, heard=heard: heard.append((done, total)))
            assert heard == sorted(heard) and heard[0][0] > 0, call
            assert heard[-1][0] == heard[-1][1] >= found.rows, call
            assert call(progress=None) == found


@pytest.mark.parametrize("words", [["stats", PROJECT], ["lint", PROJECT], ["evaluate", "--model-run", RUN]])
def test_a_terminal_shows_how_many_rows_are_done(demo: Path, words: list[str]) -> None:
    shown = _on_a_terminal("--at", str(demo), *words)
    done, total = re.findall(r"(\d+) of (\d+) rows", shown)[-1]
    assert done == total
    assert _on_a_terminal("--at", str(demo), "--quiet", *words) == ""


def _on_a_terminal(*words: str) -> str:
    """What a command writes to standard error, where that is a terminal."""
    ours, theirs = pty.openpty()
    command = subprocess.Popen(
        [SCRIPT, *words], stdout=subprocess.DEVNULL, stderr=theirs, env={**os.environ, "TERM": "xterm"}
    )
    os.close(theirs)
    pieces = []
    try:
        while piece := os.read(ours, 1 << 16):
            pieces.append(piece)
    except OSError:  # on Linux, where nobody writes any more
        pass
    os.close(ours)
    assert command.wait() == 0
    return b"".join(pieces).decode()
