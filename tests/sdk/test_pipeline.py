"""A project built from nothing by the official SDK: every export shows, value for value, what went in."""

from __future__ import annotations

import io
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from annotary.model.export import DETAILS
from tests._server import Server
from tests.sdk import material
from tests.sdk.conftest import NEW, OLD, ON_POSTGRES, MakeSdk

Json = dict[str, Any]
KEYS = ("first", "second", "third", "fourth")
PARAMS = dict.fromkeys(DETAILS, True)
SPLITS = {"TRAINING": [KEYS[0]], "VALIDATION": [KEYS[1]]}
RESERVED = {
    "split": "cko8sbczn0002h2dkdaxb5kal",
    "tag": "cko8s9r5v0001h2dk9elqdidh",
    "captureDateTime": "cko8sdzv70006h2dk8jg64zvb",
}


@pytest.mark.parametrize(
    ("version", "server"), [(OLD, "sqlite"), (NEW, "sqlite"), ON_POSTGRES], indirect=["server"]
)
def test_a_project_from_nothing_comes_out_as_it_went_in(
    version: str, server: Server, sdk_for: MakeSdk, tmp_path: Path
) -> None:
    pictures = material.pictures(tmp_path)
    labels = material.lines(KEYS[0], KEYS[1])
    predictions = material.lines(KEYS[1], KEYS[0], predicted=True, uuids="b")
    bad = [
        {"uuid": "d0", "dataRow": {"globalKey": KEYS[0]}, "name": "no such tool", "point": {"x": 1, "y": 1}}
    ]
    found = sdk_for(version, server).run(
        "pipeline",
        rows=[
            {
                "row_data": str(pictures[0]),
                "global_key": KEYS[0],
                "external_id": "outside first",
                "metadata": material.METADATA,
                "attachments": material.ATTACHMENTS,
            },
            {"row_data": str(pictures[1]), "global_key": KEYS[1]},
            {
                "row_data": "https://example.org/third.png",
                "global_key": KEYS[2],
                "external_id": "outside third",
            },
            {"row_data": str(pictures[3]), "global_key": KEYS[3]},
        ],
        schemas=material.SCHEMAS,
        ontology=material.ONTOLOGY,
        coloured=material.png(material.coloured(5)).hex(),
        labels=labels,
        bad=bad,
        linked=material.linked(KEYS[3]),
        predictions=predictions,
        splits=SPLITS,
        params=PARAMS,
    )
    check_data_rows(found, pictures)
    check_project(found)
    check_imports(found, labels, bad)
    check_exports(found, labels, predictions)
    check_masks(found)
    if version == OLD:
        check_v1(found, labels)
    else:
        assert found["stream_project"] == found["export_project"]
        assert found["stream_run"] == found["export_run"]
        assert found["stream_dataset"] == found["export_dataset"]
        assert found["stream_catalog"] == found["export_catalog"] == found["export_dataset"]


def check_data_rows(found: Json, pictures: list[Path]) -> None:
    assert {name: found["reserved"].get(name) for name in RESERVED} == RESERVED
    assert found["custom"] == sorted(schema["name"] for schema in material.SCHEMAS)
    assert found["dataset"]["description"] == "made by the SDK"
    assert not found["rows_task"]["errors"]
    created = found["rows_task"]["created"]  # old releases hand over the server's own words
    assert {row.get("global_key", row.get("globalKey")) for row in created} == set(KEYS[:2])
    assert found["again"]["failed"], "a global key that is taken is an error of its row"
    assert set(found["ids"]) == set(KEYS)
    assert found["count"] == len(KEYS)
    assert found["single"]["id"] == found["ids"][KEYS[3]]
    listed = found["listed"]
    for key, path in zip((KEYS[0], KEYS[1], KEYS[3]), (pictures[0], pictures[1], pictures[3]), strict=True):
        assert bytes.fromhex(listed[key]["bytes"]) == path.read_bytes()
        width, height = material.SIZE[::-1] if path.suffix == ".jpg" else material.SIZE
        mime = "image/jpeg" if path.suffix == ".jpg" else "image/png"
        media = {name: listed[key]["media"][name] for name in ("width", "height", "mimeType")}
        assert media == {"width": width, "height": height, "mimeType": mime}
    assert listed[KEYS[0]]["external_id"] == "outside first"
    assert listed[KEYS[2]]["external_id"] == "outside third"
    attached = sorted([one["type"], one["value"]] for one in material.ATTACHMENTS)
    assert listed[KEYS[0]]["attachments"] == attached
    assert found["upsert_metadata"] == []
    assert found["exported_metadata"] == [["tag", "dusk"]]
    by_keys = found["by_keys"]
    assert by_keys["results"] == [*found["ids"].values(), ""]
    assert found["uploaded"]


def check_project(found: Json) -> None:
    assert stripped(found["normalized"]) == stripped(material.ONTOLOGY)
    assert stripped(found["rebuilt"]) == stripped(material.ONTOLOGY)
    assert found["schemas_of_ontology"] == [6, 3]
    project = dict(found["project"])
    assert project.pop("id")
    queues = project.pop("queues")
    assert len(queues) == 3
    assert {"MANUAL_REVIEW_QUEUE", "MANUAL_REWORK_QUEUE"} < set(queues)
    assert project == {
        "name": "from nothing",
        "description": "all of it",
        "ontology": True,
    }
    rebuilt, normalized = found["from_project"]
    for tool in (*rebuilt["tools"], *normalized["tools"]):
        assert tool.pop("attributes", None) is None  # which later releases add, empty
    assert rebuilt == normalized
    assert found["batch"]["name"] == "first"
    assert found["batch"]["size"] == len(KEYS)
    assert not found["batch"]["failed"]
    assert found["batches"] == ["first"]
    assert found["batch_again"][0] == "ResourceConflict"
    assert found["mal_on"] is True


def stripped(normalized: Any) -> Any:
    """An ontology without the ids that the server gives, and without what only some releases show."""
    hidden = ("schemaNodeId", "featureSchemaId", "attributes", "uiMode", "definition", "position", "scope")
    if isinstance(normalized, dict):
        return {key: stripped(one) for key, one in normalized.items() if key not in hidden}
    return [stripped(one) for one in normalized] if isinstance(normalized, list) else normalized


def check_imports(found: Json, labels: list[Json], bad: list[Json]) -> None:
    for name, lines in (("label_import", found["label_lines"]), ("pre_labels", material.linked(KEYS[3]))):
        job = found[name]
        assert job["state"] == "FINISHED", job
        assert job["errors"] == []
        assert job["inputs"] == lines
        assert [status["uuid"] for status in job["statuses"]] == [line["uuid"] for line in lines]
        assert {status["status"] for status in job["statuses"]} == {"SUCCESS"}
        assert {status["dataRow"]["id"] for status in job["statuses"]} <= set(found["ids"].values())
        assert job["progress"].rstrip("%") == "100"
    assert found["by_name"] == "FINISHED"
    (wrong,) = found["bad_import"]["errors"]
    assert wrong["status"] == "FAILURE"
    assert wrong["uuid"] == bad[0]["uuid"]
    assert "no such tool" in wrong["errors"][0]["message"]
    assert found["bad_import"]["statuses"] == [wrong]
    assert {label["row"] for label in found["labels"]} == {found["ids"][key] for key in KEYS[:2]}


def by_row(lines: list[Json]) -> dict[str, list[Json]]:
    """Import lines by the global key of their data row."""
    gathered = defaultdict(list)
    for line in lines:
        gathered[line["dataRow"]["globalKey"]].append(line)
    return gathered


def check_exports(found: Json, labels: list[Json], predictions: list[Json]) -> None:
    ids = found["ids"]
    project, batch = found["project"]["id"], found["batch"]
    model, run = found["model"]["id"], found["model"]["run"]
    said, predicted = by_row(labels), by_row(predictions)
    rows = {row["data_row"]["global_key"]: row for row in found["export_project"]}
    assert set(rows) == set(KEYS)
    for key, row in rows.items():
        assert row["data_row"]["id"] == ids[key]
        assert row["data_row"]["details"]["dataset_id"] == found["dataset"]["id"]
        assert row["data_row"]["details"]["dataset_name"] == "from nothing"
        share = row["projects"][project]
        assert share["name"] == "from nothing"
        details = share["project_details"]
        assert (details["batch_id"], details["batch_name"], details["priority"]) == (batch["id"], "first", 2)
        told = [material.bare(label["annotations"]) for label in share["labels"]]
        assert told == ([material.expected(said[key])] if key in said else [])
    check_row_details(rows)
    for name in ("export_dataset", "export_rows", "export_keys"):
        given = {row["data_row"]["global_key"]: row for row in found[name]}
        assert set(given) == set(KEYS), name
        for key, row in given.items():
            assert row["projects"] == rows[key]["projects"], name
            assert unhurried(row) == unhurried(rows[key]), name
            assert bool(row["experiments"]) == (key in KEYS[:3]), name
    runs = {row["data_row"]["global_key"]: row["experiments"][model] for row in found["export_run"]}
    assert set(runs) == set(KEYS[:3])
    splits = {key: split for split, keys in SPLITS.items() for key in keys}
    for key, experiment in runs.items():
        assert experiment["name"] == "detector"
        share = experiment["runs"][run]
        assert share["name"] == "first run"
        if "stream_run" in found:  # old releases do not ask for it
            assert share.get("data_split", "unassigned").upper() == splits.get(key, "UNASSIGNED")
        told = [material.bare(label["annotations"]) for label in share["labels"]]
        assert told == ([material.expected(said[key])] if key in said else [])
        told = [material.bare(label["annotations"]) for label in share["predictions"]]
        assert told == ([material.expected(predicted[key])] if key in predicted else [])
    assert found["run_rows"] == {ids[key]: splits.get(key, "UNASSIGNED") for key in runs}
    assert found["config"] == {"epochs": 4, "rate": 0.5}
    assert found["predictions"]["state"] == "FINISHED"
    assert found["predictions"]["errors"] == []


def unhurried(row: Json) -> Json:
    """A data row without its last activity, which is that of the project where a project is exported."""
    return {**row["data_row"], "details": {**row["data_row"]["details"], "last_activity_at": None}}


def check_row_details(rows: dict[str, Json]) -> None:
    first, second, third, fourth = (rows[key] for key in KEYS)
    assert first["data_row"]["external_id"] == "outside first"
    assert third["data_row"]["row_data"] == "https://example.org/third.png"
    assert (first["media_attributes"]["width"], first["media_attributes"]["height"]) == material.SIZE
    assert (fourth["media_attributes"]["height"], fourth["media_attributes"]["width"]) == material.SIZE
    assert fourth["media_attributes"]["exif_rotation"] == "6"
    attached = [{key: one[key] for key in ("type", "value", "name")} for one in first["attachments"]]
    assert attached == material.ATTACHMENTS
    assert [one["value"] for one in second["attachments"]] == ["added later"]
    assert [(one["schema_name"], one["value"]) for one in second["metadata_fields"]] == [("tag", "dusk")]
    told = {one["schema_name"]: plain(one["value"]) for one in first["metadata_fields"]}
    assert told.pop("captureDateTime").startswith("2024-05-06T07:08:09")
    assert told == {key: value for key, value in material.METADATA.items() if key != "captureDateTime"}


def plain(value: Any) -> Any:
    """A metadata value; of an option only its name."""
    match value:
        case [{"schema_name": name}] | {"schema_name": name}:
            return name
    return value


def check_masks(found: Json) -> None:
    wanted = {KEYS[0]: material.mask(5), KEYS[1]: material.mask(20)}
    assert sorted(key for key, _ in found["masks"].values()) == sorted(wanted)
    for key, png in found["masks"].values():
        assert pixels(png) == wanted[key].tobytes(), key
    wanted = {KEYS[1]: material.mask(5), KEYS[0]: material.mask(20)}
    assert sorted(key for key, _ in found["predicted_masks"]) == sorted(wanted)
    for key, png in found["predicted_masks"]:
        assert pixels(png) == wanted[key].tobytes(), key


def pixels(png: str) -> bytes:
    """The pixels of a mask, which is grey and of the picture's size."""
    image = Image.open(io.BytesIO(bytes.fromhex(png)))
    assert (image.format, image.mode, image.size) == ("PNG", "L", material.SIZE)
    return image.tobytes()


def check_v1(found: Json, labels: list[Json]) -> None:
    said = by_row(labels)
    told = {label["Global Key"]: label for label in found["v1"]}
    assert set(told) == set(said)
    ids = {label["id"] for label in found["labels"]}
    assert {label["ID"] for label in found["v1"]} == {label["ID"] for label in found["run_v1"]} == ids
    for key, label in told.items():
        assert label["DataRow ID"] == found["ids"][key]
        assert label["Project Name"] == "from nothing"
        drawn = [one for one in said[key] if "answer" not in one]
        assert [one["title"] for one in label["Label"]["objects"]] == [one["name"] for one in drawn]
        for one, line in zip(label["Label"]["objects"], drawn, strict=True):
            for ours, theirs in (
                ("bbox", "bbox"),
                ("point", "point"),
                ("line", "line"),
                ("polygon", "polygon"),
            ):
                assert one.get(ours) == line.get(theirs)
    assert sorted(found["dataset_rows"]) == sorted(found["batch_rows"]) == sorted(KEYS)
