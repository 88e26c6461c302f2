"""Every public call of the SDK that an image project has use for is answered; what is refused is named."""

from __future__ import annotations

from pathlib import Path

import pytest

import annotary
from annotary.model.export import filters_from
from annotary.operations.slices import CreateSlice
from tests._server import Server
from tests.sdk.conftest import LATE_OLD, NEW, OLD, MakeSdk

REFUSED = {
    "Client.cancel_task": "is over already, which the SDK looks up first",
    "Project.bulk_assign_data_rows": "rows are not reserved for anybody",
    "Project.label_generator": "wants packages that the SDK installs on demand only",
    "Project.upsert_review_queue": "every labelled row goes to review",
}
SLOW = [pytest.param(version, marks=pytest.mark.soak) for version in (OLD, LATE_OLD, "5.2.1", "6.10.0")]
"""The SDK sleeps two seconds whenever it waits, so that a release takes minutes, nearly all of them idle."""


@pytest.mark.parametrize("version", [NEW, *SLOW])
def test_every_call_is_answered(version: str, server: Server, sdk_for: MakeSdk, tmp_path: Path) -> None:
    instructions = tmp_path / "instructions.pdf"
    instructions.write_bytes(b"%PDF-1.4")
    server.key("reader", name="colleague")
    with annotary.Client(server.target) as client:
        wanted = filters_from({"global_keys": ["key 0", "key 1", "key 5", "nobody"]})
        part = client.call(CreateSlice(name="three rows", filters=wanted))
    sdk = sdk_for(version, server)
    sdk.seconds = 600
    found = sdk.run("everything", slice_id=part.id, instructions=str(instructions))
    unexpected = {name: error for name, error in found["failed"].items() if name not in REFUSED}
    assert not unexpected
    assert len(found["called"]) > 150
    assert '"event": "failure"' not in server.said()
    values = found["values"]
    assert values["role"] == "TEAM_MANAGER"
    assert len(values["model_slice"]) == 3
    assert set(values["model_slice"]) < set(values["run_rows"])
    if version != OLD:
        assert (values["upsert"], values["renamed"]) == ("None", "None")
        # The key is another one; of the metadata only what was named; the attachment is where it was.
        assert ["key zero", 3, 1] in values["renamed row"]
