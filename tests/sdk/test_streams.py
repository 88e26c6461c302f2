"""`export()`: streams of every scope hold exactly what the embedded client exports."""

from __future__ import annotations

from typing import Any

import pytest

from annotary.model.export import DETAILS
from tests.sdk.conftest import LATE_OLD, NEW, MakeSdk, Street

STREAMING = (LATE_OLD, "5.2.1", "6.10.0", NEW)
PARAMS = dict.fromkeys(DETAILS, True)
FILTERS: dict[str, Any] = {
    "label_created_at": ["2026-01-01", None],
    "workflow_status": "Done",
}


@pytest.mark.parametrize("version", STREAMING)
def test_streams_hold_what_is_stored(version: str, street: Street, sdk_for: MakeSdk) -> None:
    with street.client() as client:
        project, run = client.get_project(street.project_id), client.get_model_run(street.model_run_id)
        (dataset,) = client.get_datasets()
        task = project.export(params=PARAMS, filters=FILTERS)
        rows = task.result
        size = sum(len(line) + 1 for line in task.lines())
        catalog = {**PARAMS, "project_ids": [project.id], "model_run_ids": [run.id], "predictions": True}
        run_rows = run.export(params={**PARAMS, "predictions": True, "model_run_details": True}).result
        run_v2 = run.export(params={**PARAMS, "predictions": True}).result
        dataset_rows = dataset.export(params=catalog).result
        every = dataset.export(params={**PARAMS, "project_ids": [project.id]}).result
    found = sdk_for(version, street.server, key=street.key).run(
        "streams",
        project_id=street.project_id,
        model_run_id=street.model_run_id,
        dataset_id=dataset.id,
        params=PARAMS,
        filters=FILTERS,
    )
    assert 0 < len(rows) < len(every), "the filters select some"
    assert found["project"] == found["handled"] == rows
    assert found["header"] == {
        "lines": len(rows),
        "size": size,
        "has_result": True,
        "has_errors": False,
        "name": "my export",
        "again": True,
    }
    if "stream" in found:
        assert found["stream"] == rows
        assert found["from_offset"] == found["from_line"] == rows[found["middle"] :]
    nothing = dict(found["nothing"])
    assert nothing.pop("stream")[0] == "ValueError"
    assert nothing == {"has_result": False, "has_errors": False, "lines": None, "size": None}
    assert found["empty_v2"]["errors"] is None
    assert not found["empty_v2"]["result"]
    assert found["run"] == run_rows
    assert found["run_v2"] == run_v2
    assert found["dataset"] == dataset_rows
    some = [row for row in every if row["data_row"]["global_key"] in found["keys"]]
    assert len(some) == 3
    assert found["by_keys"] == found["by_ids"] == found["catalog_some"] == some
    assert found["catalog"] == every
    assert found.get("by_id", True)
