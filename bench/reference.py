"""A plain reference writer: what an export of workload W must say, from the lines that went in.

Nothing here comes from the package's own writers; a sample of every export is compared with it value for
value, so that speed cannot come from wrong bytes.
"""

from __future__ import annotations

import colorsys
import json
from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import Any

from annotary.model.base import derived_id

Json = dict[str, Any]
BASE = "http://127.0.0.1:8100"
EVERY = 97
"""So much of an export is compared: the first line and every so many."""


class Differs(Exception):
    """An export does not say what went in."""


def compare(
    lines: Iterable[bytes], inputs: Iterable[bytes], expected: Callable[[Json], Json], rows: int
) -> None:
    """Raise Differs unless there are so many lines, and those of a sample are as expected."""
    count = 0
    for count, (line, given) in enumerate(zip_longest(lines, inputs), start=1):
        if line is None or given is None:
            raise Differs(f"line {count} is {'missing' if line is None else 'one too many'}")
        if count % EVERY == 1 and (found := json.loads(line)) != (wanted := expected(json.loads(given))):
            raise Differs(f"line {count}: {_difference(found, wanted)}")
    if count != rows:
        raise Differs(f"the export has {count:,} lines; {rows:,} went in")


def _difference(found: Any, wanted: Any, path: str = "$") -> str:
    if isinstance(found, dict) and isinstance(wanted, dict):
        for key in found.keys() | wanted.keys():
            if found.get(key, "(nothing)") != wanted.get(key, "(nothing)"):
                return _difference(found.get(key, "(nothing)"), wanted.get(key, "(nothing)"), f"{path}.{key}")
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        for index, (one, other) in enumerate(zip(found, wanted, strict=True)):
            if one != other:
                return _difference(one, other, f"{path}[{index}]")
    return f"{path} is {str(found)[:200]}, not {str(wanted)[:200]}"


def v2_on(given: Json) -> Json:
    """The row of an export with all six parameters: what went in."""
    for part in given["projects"].values():
        part["project_name"] = part["name"]
    return given


def v2_off(given: Json) -> Json:
    """The row of an export with none of the six."""
    row = v2_on(given)
    del row["data_row"]["details"], row["attachments"], row["metadata_fields"]
    for part in row["projects"].values():
        del part["project_details"]
        for label in part["labels"]:
            del label["label_details"], label["performance_details"]
    return row


def colors(lines: Iterable[bytes]) -> dict[str, str]:
    """The colour of each tool: equal steps around the colour circle, in the order of first appearance."""
    names: dict[str, None] = {}
    for line in lines:
        for part in json.loads(line)["projects"].values():
            for label in part["labels"]:
                names.update((drawn["name"], None) for drawn in label["annotations"]["objects"])
    return {name: _hue(position, len(names)) for position, name in enumerate(names)}


def _hue(position: int, count: int) -> str:
    return "#" + "".join(f"{round(part * 255):02x}" for part in colorsys.hsv_to_rgb(position / count, 1, 1))


def v1(given: Json, color_of: dict[str, str]) -> Json:
    """The one label of a row as export v1 writes it."""
    row, media = given["data_row"], given["media_attributes"]
    ((project, part),) = given["projects"].items()
    (label,) = part["labels"]
    work, details = label["performance_details"], part["project_details"]
    return {
        "ID": label["id"],
        "DataRow ID": row["id"],
        "Labeled Data": row["row_data"],
        "Label": {
            "objects": [_object(drawn, color_of) for drawn in label["annotations"]["objects"]],
            "classifications": [_question(one) for one in label["annotations"]["classifications"]],
        },
        "Created By": label["label_details"]["created_by"],
        "Project Name": part["name"],
        "Created At": _when(label["label_details"]["created_at"]),
        "Updated At": _when(label["label_details"]["updated_at"]),
        "Seconds to Label": work["seconds_to_create"] + work["seconds_to_review"],
        "External ID": None,
        "Agreement": -1,
        "Benchmark Agreement": -1,
        "Benchmark ID": None,
        "Dataset Name": row["details"]["dataset_name"],
        "Reviews": [],
        "View Label": f"{BASE}?project={project}&label={label['id']}",
        "Has Open Issues": 0,
        "Skipped": work["skipped"],
        "DataRow Workflow Info": {
            "taskName": details["task_name"],
            "Workflow History": [_event(event) for event in details["workflow_history"]],
        },
        "Global Key": row["global_key"],
        "Media Attributes": {
            "height": media["height"],
            "width": media["width"],
            "mimeType": media["mime_type"],
            "assetType": media["asset_type"],
            "exifRotation": media["exif_rotation"],
        },
        "DataRow Metadata": [
            {"name": field["schema_name"], "value": field["value"]} for field in given["metadata_fields"]
        ],
    }


def _named(given: Json) -> Json:
    return {
        "featureId": given["feature_id"],
        "schemaId": given["feature_schema_id"],
        "title": given["name"],
        "value": given["value"],
    }


def _object(drawn: Json, color_of: dict[str, str]) -> Json:
    shown = {**_named(drawn), "color": color_of[drawn["name"]]}
    shown["instanceURI"] = f"{BASE}/masks/feature/{drawn['feature_id']}"
    if "bounding_box" in drawn:
        shown["bbox"] = drawn["bounding_box"]
    elif "polygon" in drawn:
        shown["polygon"] = drawn["polygon"][:-1]
    elif "mask" in drawn:
        shown["instanceURI"] = drawn["mask"]["url"]
    else:
        shown |= {key: drawn[key] for key in ("line", "point") if key in drawn}
    return shown


def _question(given: Json) -> Json:
    if "radio_answer" in given:
        return {**_named(given), "answer": _named(given["radio_answer"])}
    return {**_named(given), "answers": [_named(answer) for answer in given["checklist_answers"]]}


def _event(given: Json) -> Json:
    names = {
        "previous_task_id": "previousTaskId",
        "previous_task_name": "previousTaskName",
        "next_task_id": "nextTaskId",
        "next_task_name": "nextTaskName",
    }
    return {
        # v1 names who acted by an id; ours follows from the address.
        "actorId": derived_id("user", given["created_by"]),
        "action": given["action"].upper(),
        "createdAt": _when(given["created_at"]),
        **{name: given[key] for key, name in names.items() if key in given},
    }


def _when(text: str) -> str:
    return text[:23] + "Z"


def lines_of(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The lines of an export's pieces; each piece holds whole lines."""
    for piece in pieces:
        yield from piece.splitlines()
