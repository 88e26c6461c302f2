"""Role x owner, over every field of GraphQL, asked with ids of things that are there."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest

from annotary.engine.core import Engine
from annotary.model.row import Attachment
from annotary.operations.data_rows import AddAttachments
from annotary.operations.labels import SaveLabel
from annotary.operations.model_runs import CreateModel, CreateModelRun
from annotary.operations.slices import CreateSlice
from annotary.operations.webhooks import CreateWebhook
from annotary.store import Store
from tests.engine.world import annotated
from tests.server.labelbox.talk import Json, Talk
from tests.server.labelbox.test_any_query import FIELDS, SCHEMA, arguments, selection
from tests.server.labelbox.test_work import built

Dump = dict[str, set[tuple[object, ...]]]
READS = (
    "exportDataRowsInProject",
    "exportDataRowsInCatalog",
    "exportDataRowsInSlice",
    "exportDataRowsInModelRun",
    "exportLabels",
    "exportModelRunAnnotations",
    "exportQueuedDataRows",
    "exportDatasetDataRows",
    "exportBatchDataRows",
)
"""Mutations of the vendor's that change nothing but the list of tasks."""
WORK = ("tasks", "files", "file_pieces")
CHANGES = [(root, name) for root, name in FIELDS if root != "Query"]


class Place:
    """A server on a store with a project in it; programs with different keys."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "store"
        self.store = Store.open(self.path)
        self.talk = Talk(self.store)
        made = built(self.talk)
        row, project = made["rows"]["one"], made["project"]
        engine = Engine(self.store)
        label = SaveLabel(project_id=project, data_row_id=row, annotations=annotated())
        attachment = Attachment(id="note", type="TEXT_URL", value="https://example.org/note.txt")
        engine.call(AddAttachments(data_row_id=row, attachments=(attachment,)))
        model = engine.call(CreateModel(name="seen", ontology_id=made["ontology"]["id"]))
        hook = CreateWebhook(
            url="https://example.org/hook",
            topics=("LABEL_CREATED",),
            secret="long enough",
            project_id=project,
        )
        # What an argument or a field speaks of is told by its name; the more special names first.
        self.known: Json = {
            "modelRun": engine.call(CreateModelRun(model_id=model.id, name="first")).id,
            "model": model.id,
            "label": engine.call(label).id,
            "attachment": attachment.id,
            "webhook": engine.call(hook).id,
            "slice": engine.call(CreateSlice(name="all")).id,
            "dataRow": row,
            "dataset": made["dataset"],
            "ontology": made["ontology"]["id"],
            "batch": made["batch"],
            "project": project,
        }
        self.keys = {
            "reader": self.talk.key_of("reader"),
            "stranger": self.talk.key_of("admin", org="others"),
        }

    def ask(self, who: str, root: str, name: str) -> Json:
        """A field, asked by somebody, with all that it can show."""
        field = SCHEMA.type_map[root].fields[name]  # type: ignore[attr-defined]
        meant = [id for key, id in self.known.items() if key.lower() in name.lower()]
        known = {**self.known, "id": meant[0]} if meant and root != "ProjectMutation" else self.known
        text = f"{name}{arguments(field, known, False)}{selection(field.type, known, False)}"
        if root == "ProjectMutation":
            text = f'mutation {{ project(where: {{id: "{self.known["project"]}"}}) {{ {text} }} }}'
        else:
            text = f"{root.lower()} {{ {text} }}"
        self.talk.key = self.keys[who]
        return self.talk.answer(text)

    def dump(self) -> Dump:
        """All that the database holds, but for what a stranger may have made for themselves."""
        with sqlite3.connect(self.path / "annotary.db") as database:
            tables = [one[0] for one in database.execute("SELECT name FROM sqlite_master WHERE type='table'")]
            found: Dump = {}
            for table in tables:
                columns = [one[1] for one in database.execute(f"PRAGMA table_info({table})")]
                kept = " WHERE org = 'default'" if "org" in columns else ""
                found[table] = set(database.execute(f"SELECT * FROM {table}{kept}"))
        database.close()
        return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = Place(tmp_path_factory.mktemp("who"))
    yield place
    place.store.close()


@pytest.mark.parametrize(("root", "name"), CHANGES, ids=[f"{root}.{name}" for root, name in CHANGES])
def test_a_reader_changes_nothing(place: Place, root: str, name: str) -> None:
    before = place.dump()
    found = place.ask("reader", root, name)
    after = place.dump()
    changed = [table for table in before if before[table] != after[table]]
    if name in READS:
        assert set(changed) <= set(WORK)
        return
    assert not changed, found


UPLOADS = (
    "mutation M($file: Upload!){uploadFile(file: $file, contentLength: 1, sign: true){url}}",
    'mutation M($file: Upload!){createLabelImport(data: {projectId: "PROJECT", name: "more",'
    " filePayload: {file: $file, contentLength: 1}}){id}}",
    'mutation M($file: Upload!){createModelErrorAnalysisPredictionImport(data: {modelRunId: "RUN",'
    ' name: "more", filePayload: {file: $file, contentLength: 1}}){id}}',
)


@pytest.mark.parametrize(
    ("who", "text"), [("reader", UPLOADS[0]), *product(("reader", "stranger"), UPLOADS[1:])]
)
def test_an_upload_leaves_nothing(place: Place, who: str, text: str) -> None:
    text = text.replace("PROJECT", place.known["project"]).replace("RUN", place.known["modelRun"])
    before = place.dump()
    response = place.talk.http.post(
        "/graphql",
        data={
            "operations": json.dumps({"query": text, "variables": {"file": None}}),
            "map": json.dumps({"1": ["variables.file"]}),
        },
        files={"1": ("file", b"{}", "application/json")},
        headers={"Authorization": f"Bearer {place.keys[who]}"},
    )
    assert response.status_code == 200, response.text
    (error,) = response.json()["errors"]
    assert ("needs a key with the role member" if who == "reader" else "no ") in error["message"]
    assert place.dump() == before


@pytest.mark.parametrize(("root", "name"), FIELDS, ids=[f"{root}.{name}" for root, name in FIELDS])
def test_a_stranger_sees_and_changes_nothing(place: Place, root: str, name: str) -> None:
    before = place.dump()
    found = place.ask("stranger", root, name)
    after = place.dump()
    for table, rows in before.items():
        assert rows <= after[table], (table, found)
    # Ids that were asked with may be said again; what is behind them may not.
    told = json.dumps(found.get("data"), ensure_ascii=False)
    assert not [
        word for word in ("Streets", "images", "street", "example.org", "seen", "first") if word in told
    ]
