"""Role x owner, over every route, with requests that are right but for who sends them.

The routes are the application's own. An operation whose request needs a body, or a route that is no
operation, stands in a table here; a new one without its entry fails.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
from starlette.routing import Route

from annotary.engine import image_places
from annotary.engine.core import RANKS, Engine, handlers
from annotary.engine.sessions import open_local_session
from annotary.model.project import Role
from annotary.operations import Operation
from annotary.operations.users import CreateKey, CreateOrganization, FindSessions
from annotary.server.app import routes
from annotary.server.labelbox.rest import SdkRoute
from annotary.server.rest import ROOT
from tests._live import Live, live
from tests.engine.world import ONTOLOGY, Clock, World, box, exported, mask, png
from tests.server.test_access import KEYED, NOBODY, PAGES

ROLES: tuple[Role, ...] = ("reader", "member", "admin")
SCOPE = {"kind": "project", "id": "{project_id}"}
QUERY = {"query": {"scope": SCOPE}}
ROWS = {"data_row_ids": ["{data_row_id}"]}
HOOK = {"url": "https://example.org/hook", "topics": ["LABEL_CREATED"], "secret": "long enough"}
ATTACHMENT = {"id": "note-1", "type": "TEXT_URL", "value": "https://example.org/note.txt", "name": "note"}
BODIES: dict[str, Any] = {
    "AddAttachments": {"attachments": [{"type": "TEXT_URL", "value": "https://example.org/more.txt"}]},
    "AssignGlobalKeys": {"assignments": [{"data_row_id": "{data_row_id}", "global_key": "another"}]},
    "AssignSplit": {"split": "TEST", **ROWS},
    "ClearGlobalKeys": {"global_keys": ["{global_key}"]},
    "ChangeKey": {"role": "member"},
    "CountMatching": {"scope": SCOPE},
    "CountStatistics": QUERY,
    "CreateBatch": {"name": "second", "data_row_ids": ["{loose_row_id}"]},
    "CreateBatches": {"prefix": "many", "data_row_ids": ["{loose_row_id}"]},
    "CreateDataset": {"name": "new"},
    "CreateEmptyBatch": {"name": "empty"},
    "CreateInvite": {"email": "new@example.org"},
    "CreateIssue": {"data_row_id": "{data_row_id}", "text": "look"},
    "CreateKey": {"name": "new", "role": "reader"},
    "CreateMetadataSchema": {"name": "weight", "kind": "number"},
    "CreateModel": {"name": "new"},
    "CreateModelRun": {"name": "new"},
    "CreateOntology": {"name": "new", "normalized": ONTOLOGY},
    "CreateOrganization": {"name": "new"},
    "CreateProject": {"name": "new"},
    "CreateReview": {"score": 1},
    "CreateSlice": {"name": "new", "dataset_id": "{dataset_id}"},
    "CreateSnapshot": {"name": "monday"},
    "CreateTag": {"name": "new", "color": "#aabbcc"},
    "CreateWebhook": {**HOOK, "project_id": "{project_id}"},
    "DeleteDataRows": ROWS,
    "DeleteLabels": {"label_ids": ["{label_id}"]},
    "DeleteModelRuns": {"model_run_ids": ["{model_run_id}"]},
    "DeleteModels": {"model_ids": ["{model_id}"]},
    "DescribeLosses": QUERY,
    "DropMetadata": {"schema_ids": ["{schema_id}"]},
    "EvaluateFile": {"source": "{file_id}"},
    "FindFacets": {"scope": SCOPE},
    "FindGlobalKeys": {"global_keys": ["{global_key}"]},
    "FindRows": {"scope": SCOPE},
    "FindSuspects": QUERY,
    "GetRow": {"scope": SCOPE, "data_row_id": "{data_row_id}"},
    "InsertFeature": {"feature_schema_id": "{loose_feature_id}"},
    "MoveRows": ROWS,
    "PreviewExport": QUERY,
    "PutFeatureSchema": {"tool": {"tool": "point", "name": "dot"}},
    "RecordTask": {"name": "noted", "type": "other"},
    "RelaxFilters": {"scope": SCOPE},
    "RemoveRows": ROWS,
    "RemoveRunRows": ROWS,
    "RenameFeature": {"name": "Car"},
    "RenameFeatureSchema": {"name": "Dot"},
    "SaveLabel": {"data_row_id": "{data_row_id}", "annotations": {"objects": [box()]}},
    "SendRows": {"name": "sent", "data_row_ids": ["{loose_row_id}"]},
    "SetMetadata": {"fields": [{"schema_id": "{schema_id}", "value": 3}]},
    "SetPriority": {**ROWS, "priority": 2},
    "StartAnnotationImport": {
        "kind": "labels",
        "parent_id": "{project_id}",
        "name": "second",
        "source": "{file_id}",
    },
    "StartExport": QUERY,
    "StartImport": {"source": "{file_id}", "project": "Streets"},
    # Not needed to be understood, but to reach something.
    "AddBatchRows": {"data_row_ids": ["{loose_row_id}"]},
    "AddRunRows": ROWS,
    "ChangeAttachment": {"name": "renamed"},
    "ChangeDataRow": {"external_id": "renamed"},
    "ChangeDataset": {"name": "renamed"},
    "ChangeMetadataSchema": {"name": "mass"},
    "ChangeModelRun": {"config": {"rate": 1}},
    "ChangeProject": {"name": "renamed"},
    "ChangeWebhook": {"status": "INACTIVE"},
    "EvaluateRun": {"project_id": "{project_id}"},
    "FindDataRows": {"ids": ["{data_row_id}"]},
    "SearchLabels": {"label_ids": ["{label_id}"]},
    # The vendor's paths.
    "SDK PutFeatureSchema": {"normalized": '{"tool": "point", "name": "dot"}'},
    "SDK RenameFeatureSchema": {"title": "Dot"},
    "SDK InsertFeature": {"position": 0},
    f"POST {ROOT}/exports/rows": QUERY,
    f"POST {ROOT}/exports/masks": QUERY,
}
QUERIES: dict[str, dict[str, str]] = {
    "GetDataRow": {"data_row_id": "{data_row_id}"},
    "FindModelRuns": {"model_id": "{model_id}"},
    "FindWebhooks": {"project_id": "{project_id}"},
    "GetChunk": {"offset": "0"},
}
PLACES: dict[str, dict[str, str]] = {
    "CancelInvite": {"invite_id": "{invite_id}"},
    "ChangeKey": {"name": "spare"},
    "EndSession": {"session_id": "{session_id}"},
    f"GET {ROOT}/tasks/{{task_id}}/problems": {"task_id": "{skipped_task_id}"},
    "RevokeKey": {"name": "spare"},
    "DeleteAnnotationImport": {"import_id": "{import_id}"},
    "FindAnnotationImports": {"kind": "labels", "parent_id": "{project_id}"},
    "GetAnnotationImport": {"kind": "labels", "parent_id": "{project_id}", "name": "first"},
    "Summarize": {"kind": "project", "id": "{project_id}"},
    "CreateSnapshot": {"kind": "project", "id": "{project_id}"},
    "FindSnapshots": {"kind": "project", "id": "{project_id}"},
    "DeleteFeatureSchema": {"feature_schema_id": "{loose_feature_id}"},
    "RenameFeatureSchema": {"feature_schema_id": "{loose_feature_id}"},
    "InsertFeature": {"feature_schema_id": "{loose_feature_id}"},
    "SDK PutFeatureSchema": {"id": "{loose_feature_id}"},
    "SDK RenameFeatureSchema": {"id": "{loose_feature_id}"},
    "SDK DeleteFeatureSchema": {"id": "{loose_feature_id}"},
    "SDK GetOntology": {"id": "{ontology_id}"},
    "SDK DeleteOntology": {"id": "{ontology_id}"},
    "SDK InsertFeature": {"id": "{ontology_id}", "feature": "{loose_feature_id}"},
    "SDK WithdrawFeature": {"id": "{ontology_id}", "feature": "{feature_schema_id}"},
    "SDK RestoreFeature": {"id": "{ontology_id}", "feature": "{feature_schema_id}"},
}
SHARED: dict[str, Any] = {
    "FindDataRows": [],
    "SearchLabels": [],
    "FindGlobalKeys": [],
    "FindWebhooks": [],
    "ClearGlobalKeys": {"cleared": [], "missing": ["{global_key}"]},
    "AssignGlobalKeys": {
        "assigned": [],
        "unmodified": [],
        "invalid": [],
        "missing": [{"data_row_id": "{data_row_id}", "global_key": "another"}],
    },
}
"""What those get who name, in a body or query, things of others: the answer that there is nothing."""
OWN = (
    f"GET {ROOT}/openapi.json",
    "CreateInvite",
    "FindInvites",
    "FindSessions",
    "FindUsers",
    "GET /adv/adv/v1/embeddings",
    "SearchProjects",
    "GET /metrics",
    "GET /readyz",
    f"POST {ROOT}/files",
    "FindDatasets",
    "FindFeatureSchemas",
    "FindKeys",
    "FindMetadataSchemas",
    "FindModels",
    "FindOntologies",
    "FindOrganizations",
    "FindProjects",
    "FindSlices",
    "FindTags",
    "FindTasks",
    "FindUnusedOntologies",
    "GetOrganization",
    "GetUser",
    "CreateDataset",
    "CreateKey",
    "CreateMetadataSchema",
    "CreateModel",
    "CreateOntology",
    "CreateOrganization",
    "CreateProject",
    "CreateTag",
    "PutFeatureSchema",
    "RecordTask",
)
"""Operations that name nothing that could be somebody else's: listings, and what makes something new."""


class House(NamedTuple):
    """A server on a store with two organisations; things of the first one, keys of each role of both."""

    server: Live
    keys: dict[tuple[str, Role], str]
    things: dict[str, str]
    http: httpx.Client

    def ask(self, entry: Entry, org: str, role: Role) -> httpx.Response:
        """A right request, by somebody."""
        place = _filled(entry.path, {**self.things, **entry.named(self.things)})
        body = BODIES.get(entry.name)
        headers = {"Authorization": f"Bearer {self.keys[org, role]}"}
        if entry.sdk:
            headers["X-User-Agent"] = "python-sdk 3.52.0"
        return self.http.request(
            entry.method,
            place,
            json=None if body is None else _filled(body, self.things),
            params=_filled(QUERIES.get(entry.name, {}), self.things),
            headers=headers,
        )


class Entry(NamedTuple):
    """A method of a route, and the least role that may use it; `sdk` where it is the vendor's path."""

    method: str
    path: str
    name: str
    least: Role
    operation: type[Operation[Any]] | None
    sdk: bool = False

    def named(self, things: dict[str, str]) -> dict[str, str]:
        """What stands in the path, where that is not a thing of its own name."""
        found: dict[str, str] = _filled(PLACES.get(self.name, {}), things)
        return found


def _filled(given: Any, things: dict[str, str]) -> Any:
    """Text with things for placeholders, at any depth."""
    match given:
        case str():
            for name, value in things.items():
                given = given.replace(f"{{{name}}}", value)
            return given
        case dict():
            return {name: _filled(value, things) for name, value in given.items()}
        case list() | tuple():
            return [_filled(value, things) for value in given]
        case _:
            return given


def entries(server: Live) -> list[Entry]:
    """Every route that needs somebody, what removes things last."""
    operations = {(one.route.method, ROOT + one.route.path): one for one in handlers()}
    by_name = {one.__name__: one for one in handlers()}
    found = []
    for route in routes(server.service):
        assert isinstance(route, Route), route
        if route.path in (*NOBODY, *PAGES, "/graphql", "/_gql") or route.path.startswith("/files/created"):
            continue
        for method in sorted((route.methods or set()) - {"HEAD"}):
            operation = operations.get((method, route.path))
            if isinstance(route, SdkRoute):
                operation = by_name[route.name]
                name = f"SDK {operation.__name__}"
                found.append(Entry(method, route.path, name, operation.needs, operation, sdk=True))
            elif operation is not None:
                found.append(Entry(method, route.path, operation.__name__, operation.needs, operation))
            else:
                assert route.path in KEYED, f"say who may use {method} {route.path}"
                found.append(Entry(method, route.path, f"{method} {route.path}", KEYED[route.path], None))
    removing = ("Delete", "Remove", "Revoke", "Withdraw", "Clear", "Drop", "Resolve", "SDK Delete")
    return sorted(found, key=lambda one: one.name.startswith(removing))


def made(server: Live, http: httpx.Client) -> House:
    """All kinds of things, and who may ask for them."""
    engine = Engine(server.service.engine.store)
    engine.call(CreateOrganization(name="other"))
    world = World(engine, Clock())
    label = world.label(0, box(), mask("road-1"))
    pictures_folder = Path(engine.store.database.place).parent / "given"
    pictures_folder.mkdir()
    (pictures_folder / "key-0.png").write_bytes(png())
    image_places.remember(engine, pictures_folder)
    keys = {
        (org, role): Engine(engine.store.seen_as(org)).call(CreateKey(name=role, role=role)).key
        for org in ("default", "other")
        for role in ROLES
    }
    admin = {"Authorization": f"Bearer {keys['default', 'admin']}"}

    def post(path: str, **body: Any) -> Any:
        answer = http.post(ROOT + path, json=body, headers=admin)
        assert answer.is_success, (path, answer.text)
        return answer.json() if answer.content else None

    def done(task: Any) -> Any:
        while task["status"] != "COMPLETE":
            time.sleep(0.05)
            task = http.get(f"{ROOT}/tasks/{task['id']}", headers=admin).json()
        return task

    def upload(content: bytes) -> str:
        name = {"name": "lines.ndjson"}
        sent = http.post(f"{ROOT}/files", params=name, content=content, headers=admin).json()
        return str(sent["id"])

    task = done(post("/exports", query={"scope": {"kind": "project", "id": "streets"}}))
    wrong = upload(b'{"data_row": 7}\n')
    skipped = done(post("/imports", source=wrong, format="labelbox-v2", project="Streets", on_problem="skip"))
    lines = upload(b"")
    row = world.ids[0]
    schema = post("/metadata-schemas", name="height", kind="number")
    post(f"/data-rows/{row}/metadata", fields=[{"schema_id": schema["id"], "value": 2}])
    post(f"/data-rows/{row}/attachments", attachments=[ATTACHMENT])
    model = post("/models", name="seen", ontology_id="street")
    run = post(f"/models/{model['id']}/runs", name="first")
    post(f"/model-runs/{run['id']}/rows", data_row_ids=[row], project_id="streets")
    began = post("/annotation-imports", kind="labels", parent_id="streets", name="first", source=lines)
    datasets = http.get(f"{ROOT}/datasets", headers=admin).json()
    loose = post("/features", tool={"tool": "point", "name": "dot"})
    issue = post("/projects/streets/issues", data_row_id=row, text="why")
    slice_ = post("/slices", name="all", filters={})
    post("/keys", name="spare", role="reader")
    open_local_session(engine, "default", seconds=600)
    (session,) = (one.id for one in engine.call(FindSessions()))
    things = {
        "project_id": "streets",
        "label_id": label.id,
        "feature_id": "road-1",
        "task_id": task["id"],
        "skipped_task_id": skipped["id"],
        "file_id": task["file"]["id"],
        "data_row_id": row,
        "loose_row_id": world.ids[8],
        "global_key": "key-0",
        "ontology_id": "street",
        "dataset_id": datasets[0]["id"],
        "batch_id": world.batch.id,
        "model_id": model["id"],
        "model_run_id": run["id"],
        "run_id": run["id"],
        "import_id": began["id"],
        "attachment_id": "note-1",
        "schema_id": schema["id"],
        "feature_schema_id": "car",
        "loose_feature_id": loose["id"],
        "issue_id": issue["id"],
        "slice_id": slice_["id"],
        "webhook_id": post("/webhooks", **HOOK)["id"],
        "invite_id": post("/invites", email="somebody@example.org")["id"],
        "session_id": session,
    }
    return House(server, keys, things, http)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with live(str(tmp_path / "store")) as server, httpx.Client(base_url=server.url, timeout=60) as http:
        yield made(server, http)


def test_every_request_is_known(house: House) -> None:
    """The tables hold what each operation needs, and nothing that is gone."""
    known = entries(house.server)
    names = {one.name for one in known}
    for table in (BODIES, QUERIES, PLACES, SHARED, OWN):
        assert set(table) <= names, set(table) - names
    for one in known:
        place = _filled(one.path, {**house.things, **one.named(house.things)})
        assert "{" not in place, f"say in PLACES what {one.name} is asked of: {place}"
        if one.operation is not None and not one.sdk:
            fields = msgspec.structs.fields(one.operation)
            wanted = {
                field.name
                for field in fields
                if field.required and field.name not in one.operation.path_fields()
            }
            assert wanted <= set(BODIES.get(one.name, {})), f"say in BODIES what {one.name} is asked with"


def test_a_role_is_denied_what_it_does_not_reach(house: House) -> None:
    before = exported(Engine(house.server.service.engine.store), "streets")
    asked = 0
    for entry in entries(house.server):
        for role in ROLES:
            if RANKS[role] < RANKS[entry.least]:
                answer = house.ask(entry, "default", role)
                assert answer.status_code == 403, (entry.name, role, answer.status_code, answer.text)
                told = answer.json()
                assert "needs a key with the role" in (told.get("message") or told["error"]["message"])
                asked += 1
    assert asked > 80
    assert exported(Engine(house.server.service.engine.store), "streets") == before


def test_a_role_may_do_what_it_reaches(house: House) -> None:
    done = 0
    for entry in entries(house.server):
        answer = house.ask(entry, "default", entry.least)
        assert answer.status_code not in (401, 403), (entry.name, answer.status_code, answer.text)
        assert answer.status_code < 500, (entry.name, answer.text)
        done += answer.is_success
    assert done > 0.8 * len(entries(house.server)), "most requests here are right"


def test_what_belongs_to_others_is_not_there(house: House) -> None:
    """By every method, even for their administrator; and nothing of it has changed afterwards."""
    before = exported(Engine(house.server.service.engine.store), "streets")
    for entry in entries(house.server):
        # The vendor's PUT gives whoever asks a feature of their own under the id that they choose.
        if entry.name.removeprefix("SDK ") in OWN:
            continue
        answer = house.ask(entry, "other", "admin")
        if entry.name in SHARED:
            assert answer.status_code == 200, (entry.name, answer.text)
            assert answer.json() == _filled(SHARED[entry.name], house.things), entry.name
            continue
        assert answer.status_code == 404, (entry.name, answer.status_code, answer.text)
        told = answer.json()
        assert (told.get("code") or told["error"]["code"]) == "not_found", entry.name
    assert exported(Engine(house.server.service.engine.store), "streets") == before
    for entry in entries(house.server):
        if entry.method == "GET":
            answer = house.ask(entry, "default", "admin")
            assert answer.is_success, (entry.name, answer.text)


def test_listings_show_what_is_ones_own(house: House) -> None:
    """Of two organisations one has everything: the other's listings are empty, but for itself."""
    for entry in entries(house.server):
        if entry.method == "GET" and entry.name in OWN:
            text = house.ask(entry, "other", "admin").text
            for name in ("streets", "street", house.things["data_row_id"], house.things["task_id"]):
                assert f'"{name}"' not in text, entry.name
