"""Every published v2 example is read, stored and written again equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import annotary

DETAILS = dict.fromkeys(
    (
        "attachments",
        "metadata_fields",
        "data_row_details",
        "project_details",
        "label_details",
        "performance_details",
    ),
    True,
)
SEED = {"options": {"field_set": "seed"}}
KINDS = (
    "bounding-box",
    "polygon",
    "polyline",
    "point",
    "mask",
    "relationship",
    "radio",
    "checklist",
    "free-text",
)


@pytest.fixture
def examples(shared: Path) -> Path:
    return shared / "seed-examples"


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def test_project_export_comes_back_equal(client: annotary.Client, examples: Path) -> None:
    path = examples / "project-export-v2.json"
    client.load(path)
    wanted = read(path)
    (project,) = client.get_projects()
    assert project.export(params=DETAILS, **SEED).result == [wanted]


def test_model_run_export_comes_back_equal(client: annotary.Client, examples: Path) -> None:
    path = examples / "model-run-export-v2.json"
    client.load(path)
    wanted = read(path)
    (run,) = client.get_model_runs()
    assert run.export(params={**DETAILS, "predictions": True}, **SEED).result == [wanted]


def test_full_field_set_holds_all_of_the_seed(client: annotary.Client, examples: Path) -> None:
    """What `seed` shows, `full` shows too: the later keys are additions."""
    path = examples / "project-export-v2.json"
    client.load(path)
    (row,) = client.get_projects()[0].export_v2(params=DETAILS).result
    missing = list(_missing(read(path), row))
    # The two places where full spells dates in full.
    assert {at.rsplit(".", 1)[1] for at in missing} <= {"created_at", "updated_at"}


def _missing(wanted: Any, given: Any, at: str = "$") -> Any:
    if isinstance(wanted, dict):
        for key, value in wanted.items():
            if key not in given:
                yield f"{at}.{key}"
            else:
                yield from _missing(value, given[key], f"{at}.{key}")
    elif isinstance(wanted, list):
        assert len(wanted) == len(given), at
        for index, (one, other) in enumerate(zip(wanted, given, strict=True)):
            yield from _missing(one, other, f"{at}[{index}]")
    elif wanted != given:
        yield at


@pytest.mark.parametrize("kind", KINDS)
def test_single_annotation_comes_back_equal(client: annotary.Client, examples: Path, kind: str) -> None:
    given = read(examples / "v2" / f"{kind}.json")
    row = read(examples / "project-export-v2.json")
    annotations: dict[str, list[Any]] = {"objects": [], "classifications": [], "relationships": []}
    if "annotation_kind" not in given:
        annotations["classifications"].append(given)
    elif "relationship" in kind:
        for end in given["unidirectional_relationship"].values():
            annotations["objects"].append(
                {
                    "feature_id": end,
                    "name": "end",
                    "annotation_kind": "ImagePoint",
                    "classifications": [],
                    "point": {"x": 1, "y": 2},
                }
            )
        annotations["relationships"].append(given)
    else:
        annotations["objects"].append(given)
    (share,) = row["projects"].values()
    share["labels"][0]["annotations"] = annotations
    client.port.load([row], format="labelbox-v2")
    (shown,) = client.get_projects()[0].export_v2().result
    found = next(iter(shown["projects"].values()))["labels"][0]["annotations"]
    for place in ("objects", "classifications", "relationships"):
        for one in found[place]:
            if one["feature_id"] == given["feature_id"]:
                assert not list(_missing(given, one))
                break
        else:
            continue
        break
    else:
        pytest.fail(f"{kind} did not come back")


def test_seed_code_runs_verbatim(client: annotary.Client, examples: Path, capsys: Any) -> None:
    """The Python of the published page, word for word, on the imported project."""
    client.load(examples / "project-export-v2.json")
    text = (examples / "seed.txt").read_text()
    code = text[text.index("# Set the export params") : text.index("Annotation export formats")]
    code = code.replace("if export_task.errors:\nprint(", "if export_task.errors:\n    print(")
    names: dict[str, Any] = {"project": client.get_projects()[0]}
    exec(code, names)
    assert len(names["export_json"]) == 1
    assert names["export_task"].errors is None
    assert "results: " in capsys.readouterr().out
    assert names["labels"] == []
    assert names["project"].export_labels(download=True)[0]["ID"] == "cldne8lp601wg13ydzhay24e8"


def test_importing_twice_changes_nothing(client: annotary.Client, examples: Path) -> None:
    for name in ("project-export-v2.json", "model-run-export-v2.json"):
        client.load(examples / name)
    before = [one.export(params=DETAILS).cursor for one in (*client.get_projects(), *client.get_model_runs())]
    for name in ("project-export-v2.json", "model-run-export-v2.json"):
        client.load(examples / name)
    after = [one.export(params=DETAILS).cursor for one in (*client.get_projects(), *client.get_model_runs())]
    assert before == after
