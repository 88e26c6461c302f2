"""A check finds what is wrong with a store, and only that."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import text

from annotary.client import ProjectHandle
from annotary.client.embedded import Embedded
from annotary.engine.checking import CheckReport, check, check_target, migrated
from annotary.engine.core import Engine
from annotary.engine.demo import load_demo
from annotary.errors import NotFound
from annotary.model.ontology import Ontology
from annotary.model.project import ImageFolder, Invite
from annotary.model.webhook import Webhook, WebhookSecret
from annotary.operations import projects
from annotary.sample.identity import cuid
from annotary.store import Store, migrations
from annotary.store.blobs import key_of
from tests._postgres import temporary_database
from tests.conftest import DATABASES

Damage = Callable[..., None]


class Undone(Exception):
    """Ends the transaction around a test."""


@pytest.fixture(scope="module", params=DATABASES)
def sample(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Four street scenes with masks and predictions, on either database."""
    folder = tmp_path_factory.mktemp("sample")
    with ExitStack() as stack:
        place = str(folder)
        if request.param == "postgres":
            place = stack.enter_context(temporary_database(request.getfixturevalue("postgres_server")))
        store = Store.open(place)
        stack.callback(store.close)
        load_demo(Engine(store), folder, rows=4, draw=False)
        yield store


@pytest.fixture
def store(sample: Store) -> Iterator[Store]:
    """The sample; what is done to it is undone after the test."""
    try:
        with sample.transaction():
            yield sample
            raise Undone
    except Undone:
        shutil.rmtree((sample.home or Path()) / "blobs", ignore_errors=True)


@pytest.fixture
def damage(store: Store) -> Damage:
    """Runs a statement that no part of annotary would run."""

    def run(sql: str, **values: Any) -> None:
        with store.transaction() as connection:
            assert connection.execute(text(sql), values).rowcount > 0

    return run


def wrong(report: CheckReport) -> list[tuple[str, str]]:
    """What is wrong: where, and the beginning of the reason."""
    assert report.wrong == len(report.findings) == sum(one.wrong for one in report.checks)
    return [(one.place, one.reason) for one in report.findings]


def test_a_sound_store_is_sound(store: Store) -> None:
    told: list[int] = []
    report = check(store, progress=told.append)
    assert wrong(report) == [] and report.notices == () and report.rebuilt == 0
    numbers = {one.name: one.number for one in report.checks}
    assert numbers.keys() >= {
        *("things by id", "rows", "labels", "data rows", "collections", "sections", "feature ids", "masks")
    }
    assert all(numbers.values())
    assert told == sorted(told) and told


@pytest.mark.parametrize(
    "value",
    [
        Invite(id="i", email="a@example.org", role="member", created_at="2026-01-01"),
        ImageFolder(id="f", path="/images"),
        Webhook(id="w", url="https://example.org/", topics=(), created_at="", updated_at=""),
        WebhookSecret(id="w", secret="long enough"),
    ],
)
def test_what_a_server_keeps_is_as_sound(store: Store, value: Any) -> None:
    store.add(value)
    assert wrong(check(store)) == []


def test_several_states_are_as_sound(store: Store, tmp_path: Path) -> None:
    """Old versions, removed rows, retired projects and carried keys are nothing wrong."""
    port = Embedded(Engine(store))
    (project,) = [ProjectHandle(port, one) for one in port.call(projects.FindProjects())]
    rows = project.export(params={"attachments": True}).result
    rows[0]["novel"] = {"a": [1, 2.5, None]}
    rows[0]["data_row"]["novel"] = "b"
    rows[0]["attachments"] = [{"type": "RAW_TEXT", "value": "c", "novel": 1.0}]
    rows[0]["media_attributes"]["novel"] = True
    (part,) = rows[0]["projects"].values()
    part["novel"] = {"deep": "d"}
    part["labels"][0]["novel"] = "\u00c4\U0001f697"
    part["labels"][0]["annotations"]["objects"][0]["novel"] = "\u2028"
    (tmp_path / "changed.json").write_text(json.dumps(rows[0]))
    assert port.load([tmp_path / "changed.json"]).labels > 0
    project.delete_labels(part["labels"][0]["id"])
    other = port.call(projects.CreateProject(name="other"))
    port.call(projects.DeleteProject(project_id=other.id))
    assert wrong(check(store)) == []


RULES: dict[str, tuple[str, str, str]] = {
    "ends before it begins": (
        "UPDATE rows SET since = 5, until = 3 WHERE n = (SELECT min(n) FROM rows)",
        "rows",
        "a version ends before it begins",
    ),
    "two at a time": (
        "INSERT INTO labels (collection, data_row, prediction, position, id, since, until, created_at, head,"
        " details, performance, annotations, masks, v1) SELECT collection, data_row, prediction, position,"
        " id, since, until, created_at, head, details, performance, annotations, masks, v1 FROM labels"
        " WHERE n = (SELECT min(n) FROM labels)",
        "labels",
        "two versions of one label are valid at the same time",
    ),
    "two rows at a time": (
        "INSERT INTO rows (collection, data_row, since, until, deleted, version, activity, status, batch,"
        " tail, extra) SELECT collection, data_row, since, until, deleted, version, activity, status, batch,"
        " tail, extra FROM rows WHERE n = (SELECT max(n) FROM rows)",
        "rows",
        "two versions of one row are valid at the same time",
    ),
    "beyond": (
        "UPDATE collections SET sequence = 0 WHERE kind = 'project'",
        "rows",
        "a version lies beyond its collection's sequence",
    ),
    "no version": (
        "DELETE FROM data_row_versions WHERE n = (SELECT max(n) FROM data_row_versions)",
        "data rows",
        "its present version is not there",
    ),
    "no data row": (
        "DELETE FROM data_rows WHERE n = (SELECT max(n) FROM data_rows)",
        "rows",
        "its data row, or the version of it, is not there",
    ),
    "no row": ("DELETE FROM rows WHERE collection = 1", "labels", "a label of a row that is not there"),
    "no batch": ("DELETE FROM entities WHERE kind = 'Batch'", "rows", "its batch is not there"),
    "no dataset": ("DELETE FROM entities WHERE kind = 'Dataset'", "data rows", "its dataset is not there"),
    "no project": (
        "DELETE FROM entities WHERE kind = 'Project'",
        "collections",
        "its project or model run is not there",
    ),
    "no collection": (
        "UPDATE collections SET id = 'x' WHERE kind = 'model_run'",
        "collections",
        "a project or model run without a collection",
    ),
    "no name": (
        "DELETE FROM collection_versions WHERE collection = 1",
        "collections",
        "its name and ontology are not there exactly once",
    ),
    "broken thing": (
        "UPDATE entities SET body = '{}' WHERE kind = 'Model'",
        "Model",
        "cannot be read: ",
    ),
    "thing of another id": (
        "UPDATE entities SET id = 'x' WHERE kind = 'Dataset'",
        "Dataset x",
        "is kept under another id",
    ),
    "thing of no kind": (
        "UPDATE entities SET kind = 'Spoon' WHERE kind = 'Dataset'",
        "Spoon",
        "cannot be read: ",
    ),
    "status": (
        "UPDATE rows SET status = 'ODD' WHERE n = 1",
        "rows 1",
        "its status is not that of its section",
    ),
    "unreadable section": (
        "UPDATE labels SET details = '{\"reviews\": 7}' WHERE n = 1",
        "labels 1 details",
        "cannot be read: ",
    ),
    "unreadable annotations": (
        "UPDATE labels SET annotations = 'x' WHERE n = 1",
        "labels 1 annotations",
        "cannot be read: ",
    ),
    "unreadable masks": (
        "UPDATE labels SET masks = '7' WHERE n = 1",
        "labels 1 masks",
        "cannot be read: ",
    ),
    "unreadable data row": (
        "UPDATE data_row_versions SET head = '' WHERE n = 1",
        "data_row_versions 1 head",
        "cannot be read: ",
    ),
    "another's label": (
        "UPDATE rows SET label = label + 1 WHERE label = (SELECT min(label) FROM rows)",
        "rows",
        "its label is not its only one; check --rebuild mends it",
    ),
    "one of several labels": (
        "INSERT INTO labels (collection, data_row, prediction, position, id, since, until, created_at, head,"
        " details, performance, annotations, masks, v1) SELECT l.collection, l.data_row, 0, l.position + 1,"
        " 'second', l.since, l.until, l.created_at, l.head, l.details, l.performance, l.annotations, l.masks,"
        " l.v1 FROM labels l JOIN rows r ON r.label = l.n"
        " WHERE r.n = (SELECT min(n) FROM rows WHERE label > 0)",
        "rows",
        "its label is not its only one; check --rebuild mends it",
    ),
    "the front of another version": (
        "UPDATE rows SET front = 'x' WHERE n = (SELECT min(n) FROM rows)",
        "rows",
        "its front is not that of its data row's version; check --rebuild mends it",
    ),
    "no feature": (
        "DELETE FROM features WHERE data_row = 1",
        "data row 1",
        "is not in the index of feature ids",
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_what_is_wrong_is_found(name: str, store: Store, damage: Damage) -> None:
    sql, place, reason = RULES[name]
    damage(sql)
    found = wrong(check(store))
    assert any(where.startswith(place) and why.startswith(reason) for where, why in found), found


def test_two_names_at_a_time(store: Store, damage: Damage) -> None:
    damage(
        "INSERT INTO collection_versions (collection, since, until, name, ontology)"
        " SELECT collection, since + 100, until, name, ontology FROM collection_versions WHERE collection = 1"
    )
    found = wrong(check(store))
    assert any(reason == "two names are valid at the same time" for _, reason in found)


FRONT = "its front is not that of its data row's version; check --rebuild mends it"
TABLES = {
    "data_row_versions": ("head", "details", "media", "metadata"),
    "rows": ("tail", "extra"),
    "labels": ("head", "details", "performance", "annotations", "masks"),
}


@pytest.mark.parametrize(
    ("table", "column"), [(one, name) for one, names in TABLES.items() for name in names]
)
def test_a_section_that_differs_is_found_and_written_anew(
    table: str, column: str, store: Store, damage: Damage
) -> None:
    def stored() -> str:
        with store.reading() as connection:
            key = f"SELECT {column} FROM {table} WHERE n = 1"
            return str(connection.execute(text(key)).scalar_one())

    before = stored()
    damage(f"UPDATE {table} SET {column} = replace({column}, '\":', '\" :') WHERE n = 1")
    assert stored() != before
    found, *others = wrong(check(store))
    assert found == (f"{table} 1 {column}", "differs from a fresh rendering; check --rebuild mends it")
    # Rows have a copy of these two.
    copied = table == "data_row_versions" and column in ("head", "media")
    assert [reason for _, reason in others] == [FRONT] * len(others) and bool(others) == copied
    report = check(store, rebuild=True)
    assert (wrong(report), report.rebuilt) == ([], 1)
    assert stored() == before
    assert check(store, rebuild=True).rebuilt == 0


def test_rows_are_led_anew(store: Store, damage: Damage) -> None:
    def stored() -> list[Any]:
        with store.reading() as connection:
            return list(connection.execute(text("SELECT n, front, label FROM rows ORDER BY n")).all())

    before = stored()
    damage("UPDATE rows SET front = 'x', label = coalesce(label + 1, 1)")
    report = check(store, rebuild=True)
    assert (wrong(report), report.rebuilt) == ([], 2 * len(before))
    assert stored() == before


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("UPDATE labels SET signature = signature + 2 WHERE n = (SELECT min(n) FROM labels)", "labels"),
        ("UPDATE data_rows SET external_id = 'x' WHERE n = (SELECT min(n) FROM data_rows)", "data_rows"),
        ("DELETE FROM shown WHERE kind = 'box'", "signature"),
    ],
)
def test_what_rows_are_found_by_follows_anew(
    statement: str, table: str, store: Store, damage: Damage
) -> None:
    damage(statement)
    places = [place for place, _ in wrong(check(store))]
    assert places and all(place.startswith(table) for place in places)
    assert check(store, rebuild=True).rebuilt == len(places)
    assert wrong(check(store)) == []


def test_features_are_indexed_anew(store: Store, damage: Damage) -> None:
    damage("DELETE FROM features WHERE data_row = 1")
    assert check(store, rebuild=True).rebuilt > 1
    assert wrong(check(store)) == []


def test_names_that_the_ontology_does_not_know_are_found(store: Store) -> None:
    ontology = store.get(Ontology, cuid("street ontology"))
    car, *rest = ontology.normalized.tools
    tools = (replace(car, name="automobile"), *rest)
    store.put(replace(ontology, normalized=replace(ontology.normalized, tools=tools)))
    found = wrong(check(store))
    assert found and {reason for _, reason in found} == {
        "differs from a fresh rendering; check --rebuild mends it"
    }
    # Labels are found by the new name, too.
    assert check(store, rebuild=True).rebuilt > len(found)
    assert wrong(check(store)) == []
    with store.reading() as connection:
        texts = connection.execute(text("SELECT annotations FROM labels")).scalars().all()
    called = rf'"{car.feature_schema_id}","name":"(\w+)","value":"(\w+)"'
    assert {pair for one in texts for pair in re.findall(called, one)} == {("automobile", "automobile")}


# -- masks -------------------------------------------------------------------------------------------


def test_a_mask_that_is_gone(store: Store, damage: Damage) -> None:
    damage("DELETE FROM blobs WHERE hash = (SELECT min(hash) FROM blobs)")
    ((place, reason),) = wrong(check(store))
    assert place.startswith("label ") and reason.startswith("no blob ")


def test_a_mask_that_has_changed(store: Store, damage: Damage) -> None:
    damage("UPDATE blobs SET data = :data WHERE hash = (SELECT min(hash) FROM blobs)", data=b"other")
    ((_, reason),) = wrong(check(store))
    assert reason == "the bytes are not those it was stored with"


def test_a_mask_that_nobody_names_is_noticed(store: Store) -> None:
    with store.transaction() as connection:
        small = store.blobs.put(b"small", connection)
        large = store.blobs.put(b"large" * 20_000, connection)
    report = check(store)
    (notice,) = report.notices
    assert (wrong(report), notice.count) == ([], 2)
    assert notice.value in (small, large)
    assert notice.reason.startswith("blobs that no label names")


def test_what_belongs_to_nothing_is_noticed_when_it_is_old(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    for name, age in (("a" * 64, 2 * 24 * 3600), ("b" * 64, 60)):
        store.place.put(key_of(name), b"half")
        os.utime(store.place.path(key_of(name)) or "", (time.time() - age,) * 2)
    (notice,) = check(store).notices
    assert (notice.count, notice.value) == (1, key_of("a" * 64))
    store.close()


def test_every_file_is_there_with_its_hash(store_url: str) -> None:
    store = Store.open(store_url)
    sound, changed, gone = (
        store.files.make(
            [name.encode() * 10], name=name, media_type="text/plain", now="2026-03-01T00:00:00.000+00:00"
        )
        for name in ("sound", "changed", "gone")
    )
    assert [one.number for one in check(store).checks if one.name == "files"] == [3]
    store.place.delete(f"files/{changed.id}")
    store.place.put(f"files/{changed.id}", b"CHANGED" * 10)
    store.place.delete(f"files/{gone.id}")
    told = dict(wrong(check(store)))
    assert told.pop("file changed") == "the bytes are not those it was stored with"
    assert "file" in told.pop("file gone") and not told
    assert store.files.get(sound.id) == sound
    store.close()


# -- whole stores ------------------------------------------------------------------------------------


def test_a_damaged_file(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    load_demo(Engine(store), tmp_path, rows=2, draw=False)
    store.close()
    path = tmp_path / "store" / "annotary.db"
    data = bytearray(path.read_bytes())
    used = data.find(b'"bounding_box"') // 4096 * 4096
    assert used > 0
    for place in range(used, used + 4096):
        data[place] ^= 0x5A
    path.write_bytes(data)
    try:
        report = check_target(str(tmp_path / "store"))
    except Exception as error:
        assert "damaged" in str(error)
    else:
        assert report.wrong > 0


def test_a_place_without_a_store_is_none(tmp_path: Path) -> None:
    for place in (tmp_path / "nothing", tmp_path):
        with pytest.raises(NotFound, match="no store at"):
            check_target(str(place))
        with pytest.raises(NotFound, match="no store at"):
            migrated(str(place))
    assert not (tmp_path / "nothing").exists()


def test_migrating_tells_the_schema(store: Store) -> None:
    place = store.database.place.removesuffix("/annotary.db")
    assert migrated(place).schema == migrations.HEAD
