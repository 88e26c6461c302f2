"""The published code runs as it stands on the page, with every release of the official SDK that knows it."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy
import pytest

from tests.sdk.conftest import HERE, LATE_OLD, OLD, VERSIONS, MakeSdk, Street

PUBLISHED = HERE / "published"
V1 = (OLD, LATE_OLD)  # exports v1 went with release 5.0
PARAMS = dict.fromkeys(
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
ACTIVE = {"last_activity_start": "2026-03-12", "last_activity_end": "2026-03-25 12:00:00"}
FILTERS: dict[str, Any] = {
    "last_activity_at": ["2000-01-01 00:00:00", "2050-01-01 00:00:00"],
    "workflow_status": "Done",
}


def test_the_code_is_that_of_the_page(shared: Path) -> None:
    page = [line.strip() for line in (shared / "seed-examples" / "seed.txt").read_text().splitlines()]
    for path in PUBLISHED.glob("*.py"):
        code = [line.strip() for line in path.read_text().splitlines()]
        first = page.index(code[0])
        assert page[first : first + len(code)] == code, path.name


@pytest.mark.parametrize("version", VERSIONS)
def test_the_published_code_finds_what_is_stored(version: str, street: Street, sdk_for: MakeSdk) -> None:
    with street.client() as client:
        project = client.get_project(street.project_id)
        rows = project.export(params=PARAMS, filters=FILTERS).result
        (drawn, *_) = masks_in(rows)
        pixels = numpy.where(client.mask(drawn["feature_id"]), 255, 0).astype("u1")
        labels = project.export_labels(download=True)
        some = project.export_labels(download=True, start="2022-09-28", end="2022-10-04")
        active = project.export_labels(download=True, **ACTIVE)
        every = len(project.export().result)
    files = ["export_v2.py", *(["export_labels.py"] if version in V1 else []), "mask.py"]
    found = sdk_for(version, street.server, key=street.key).run(
        "published",
        project_id=street.project_id,
        feature_id=drawn["feature_id"],
        active=ACTIVE,
        sources={file: (PUBLISHED / file).read_text() for file in files},
    )
    assert 0 < len(rows) < every, "the filters select some"
    assert found["errors"] is None
    assert found["export_json"] == rows
    assert found["task"]["type"] == "export-data-rows"
    assert found["task"]["status"] in ("COMPLETE", "TaskStatus.Complete")
    assert found["image"] == {
        "format": "PNG",
        "mode": "L",
        "size": [pixels.shape[1], pixels.shape[0]],
        "sha256": hashlib.sha256(pixels.tobytes()).hexdigest(),
    }
    if version in V1:
        assert len(some) == 3, "the range takes in both its ends"
        assert 0 < len(active) < len(labels)
        assert without_tokens(found["labels"][-1]) == without_tokens(some)
        assert without_tokens(found["all_labels"]) == without_tokens(labels)
        assert without_tokens(found["active"]) == without_tokens(active)
        assert found["none"] == []
        assert found["url"].startswith(street.server.url)


def masks_in(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The masks of exported rows."""
    return [
        drawn
        for row in rows
        for project in row["projects"].values()
        for label in project["labels"]
        for drawn in label["annotations"]["objects"]
        if "mask" in drawn
    ]


def without_tokens(value: Any) -> Any:
    """The same without what changes from one export to the next: the tokens of `instanceURI`."""
    if isinstance(value, dict):
        return {
            key: one.partition("?")[0] if key == "instanceURI" else without_tokens(one)
            for key, one in value.items()
        }
    return [without_tokens(one) for one in value] if isinstance(value, list) else value
