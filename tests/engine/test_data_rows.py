from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from annotary.errors import Conflict, Invalid, NotFound
from annotary.model.row import Attachment, DataRow, DataRowDetails, MetadataField
from annotary.operations.data_rows import (
    AddAttachments,
    CreateIssue,
    DeleteDataRows,
    FindDataRows,
    FindIssues,
    GetDataRow,
    ResolveIssue,
    SetMetadata,
)
from annotary.operations.metadata_schemas import CreateMetadataSchema, FindMetadataSchemas
from annotary.operations.model_runs import AddRunRows, CreateModel, CreateModelRun
from annotary.operations.projects import CreateBatch, CreateProject, RemoveRows
from tests.engine.world import START, World, add_rows, box, exported, lines, take_rows

NOW = START.isoformat(timespec="milliseconds")


def tell(world: World, place: int = 0, **fields: Any) -> None:
    given = tuple(MetadataField(schema_name=name, value=value) for name, value in fields.items())
    world.call(SetMetadata(data_row_id=world.ids[place], fields=given))


def told(world: World, place: int = 0) -> dict[str, Any]:
    return {field["schema_name"]: field["value"] for field in world.row(place)["metadata_fields"]}


def get(world: World, place: int = 0) -> DataRow:
    row: DataRow = world.call(GetDataRow(data_row_id=world.ids[place]))
    return row


def elsewhere(world: World) -> None:
    """The first rows are in another project and in a model run too."""
    world.call(CreateProject(name="other", id="other", ontology_id="street"))
    world.call(CreateBatch(project_id="other", name="b", data_row_ids=tuple(world.ids[:2])))
    model = world.call(CreateModel(name="m"))
    world.call(CreateModelRun(model_id=model.id, name="r", id="run"))
    world.call(AddRunRows(model_run_id="run", data_row_ids=tuple(world.ids[:2])))


# Looking up


def test_a_data_row_is_found_by_id_and_by_global_key(world: World) -> None:
    row = get(world)
    assert world.call(GetDataRow(global_key="key-0")) == row
    assert (row.id, row.global_key, row.row_data) == (
        world.ids[0],
        "key-0",
        "https://example.org/key-0.png",
    )
    details = row.details
    assert isinstance(details, DataRowDetails)
    assert (details.dataset_name, details.created_at, details.last_activity_at) == ("images", NOW, NOW)


@pytest.mark.parametrize("named", ["ids", "global_keys", "external_ids"])
def test_who_names_no_data_row_finds_none(world: World, named: str) -> None:
    world.label(0, box())
    assert world.engine.call(FindDataRows())
    assert world.engine.call(FindDataRows(**{named: ()})) == []


def test_its_last_activity_is_the_latest_anywhere(world: World) -> None:
    elsewhere(world)
    now = world.clock.tick()
    world.label(0)
    for place, expected in ((0, now), (1, NOW), (9, NOW)):
        details = get(world, place).details
        assert isinstance(details, DataRowDetails)
        assert details.last_activity_at == expected


@pytest.mark.parametrize(
    ("given", "error", "complaint"),
    [
        ({"data_row_id": "nope"}, NotFound, "no data row 'nope'"),
        ({"global_key": "nope"}, NotFound, "no data row with global key 'nope'"),
        ({}, Invalid, "give either"),
        ({"data_row_id": "a", "global_key": "b"}, Invalid, "give either"),
    ],
)
def test_one_known_way_to_name_it(
    world: World, given: dict[str, str], error: type[Exception], complaint: str
) -> None:
    with pytest.raises(error, match=complaint):
        world.call(GetDataRow(**given))


# Metadata


def test_every_organisation_has_the_reserved_schemas(world: World) -> None:
    schemas = world.call(FindMetadataSchemas())
    assert [(one.name, one.kind, len(one.id)) for one in schemas] == [
        ("tag", "string", 25),
        ("split", "enum", 25),
        ("captureDateTime", "datetime", 25),
        ("skipNFrames", "number", 25),
    ]
    assert [option.name for option in schemas[1].options] == ["train", "valid", "test"]
    other = type(world.engine)(world.engine.store.seen_as("other"))
    assert other.call(FindMetadataSchemas()) == schemas  # programs know them by the vendor's fixed ids
    assert schemas[0].id == "cko8s9r5v0001h2dk9elqdidh"


def test_metadata_of_every_kind_is_set_and_shown(world: World) -> None:
    enum = world.call(CreateMetadataSchema(name="lens", kind="enum", options=("wide", "tele")))
    world.call(CreateMetadataSchema(name="iso", kind="number"))
    now = world.clock.tick()
    fields = (
        MetadataField(schema_name="tag", value="night"),
        MetadataField(schema_name="captureDateTime", value="2026-05-04T10:00:00+02:00"),
        MetadataField(schema_name="iso", value=0.5),
        MetadataField(schema_id=enum.id, value="wide"),
        MetadataField(schema_name="lens", value=enum.options[1].id),
        MetadataField(schema_name="split", value="train"),
    )
    world.call(SetMetadata(data_row_id=world.ids[0], fields=fields))
    assert list(world.row(0)["metadata_fields"][0]) == ["schema_id", "schema_name", "value"]
    split = world.call(FindMetadataSchemas())[1]
    assert told(world) == {
        "tag": "night",
        "captureDateTime": "2026-05-04T08:00:00.000+00:00",
        "iso": 0.5,
        "lens": [{"schema_id": one.id, "schema_name": one.name} for one in enum.options],
        "split": {"schema_id": split.options[0].id, "schema_name": "train"},
    }
    assert world.active(0) == now
    assert world.row(0)["data_row"]["details"]["updated_at"] == now


def test_fields_not_named_stay_and_named_ones_are_replaced(world: World) -> None:
    tell(world, tag="night", skipNFrames=3)
    tell(world, tag="day")
    assert told(world) == {"tag": "day", "skipNFrames": 3}
    before = world.sequence()
    tell(world, tag="day")
    assert world.sequence() == before


def test_what_exports_show_of_an_enum_can_be_set_again(world: World) -> None:
    tell(world, split="valid")
    before = world.sequence()
    tell(world, split=told(world)["split"])
    tell(world, split=[told(world)["split"]])
    assert world.sequence() == before
    tell(world, split=["train", "test"])
    assert [option["schema_name"] for option in told(world)["split"]] == ["train", "test"]


def test_imported_metadata_without_ids_is_taken_up(world: World) -> None:
    row = {
        "data_row": {"id": world.ids[0], "row_data": "https://example.org/key-0.png", "global_key": "key-0"}
    }
    metadata = [
        {"schema_name": "split", "value": "train", "x": 1},
        {"schema_name": "mine", "value": 1, "x_unit": "m"},
        {"schema_name": "split", "value": "test"},
    ]
    take_rows(world.engine, [{**row, "metadata_fields": metadata}])
    tell(world, split="valid")
    first, second = world.row(0)["metadata_fields"]
    assert (first["schema_name"], first["value"]["schema_name"]) == ("split", "valid")
    assert second == metadata[1]


def test_metadata_shows_wherever_the_row_is(world: World) -> None:
    elsewhere(world)
    cursors = {id: exported(world.engine, id, run=id == "run")[1] for id in ("streets", "other", "run")}
    old, _ = exported(world.engine, "other")
    now = world.clock.tick()
    tell(world, tag="night")
    for id, cursor in cursors.items():
        rows = lines(exported(world.engine, id, run=id == "run", since=cursor)[0])
        assert set(rows) == {world.ids[0]}
        assert rows[world.ids[0]]["metadata_fields"][0]["value"] == "night"
        assert rows[world.ids[0]]["data_row"]["details"]["last_activity_at"] == now
    assert exported(world.engine, "other", as_of=cursors["other"])[0] == old


def test_metadata_of_a_row_in_no_project_is_its_own_activity(world: World) -> None:
    now = world.clock.tick()
    tell(world, 9, tag="alone")
    details = get(world, 9).details
    assert isinstance(details, DataRowDetails)
    assert details.last_activity_at == now


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("nope", 1, "no metadata schema 'nope'; there are: tag, split"),
        ("tag", None, "metadata 'tag': no value"),
        ("tag", 1, "1 is not text"),
        ("tag", "x" * 5000, "5,000 characters are more than 4,096"),
        ("skipNFrames", "3", "'3' is not a number"),
        ("skipNFrames", True, "True is not a number"),
        ("skipNFrames", float("nan"), "nan is not a finite"),
        ("skipNFrames", 10**400, "is not a finite"),
        ("captureDateTime", "soon", "not a date: 'soon'"),
        ("captureDateTime", 5, "not a date: 5"),
        ("split", "holdout", "no option 'holdout'; give one of train, valid, test"),
        ("split", [], "no option; give one of"),
        ("split", {"x": 1}, "no option"),
    ],
)
def test_a_value_its_schema_does_not_take_is_refused(
    world: World, name: str, value: object, complaint: str
) -> None:
    before = world.sequence()
    with pytest.raises(Invalid, match=complaint):
        tell(world, tag="fine", **{name: value}) if name != "tag" else tell(world, **{name: value})
    assert world.sequence() == before
    assert told(world) == {}


def test_a_field_is_named_by_its_schema(world: World) -> None:
    tag = world.call(FindMetadataSchemas())[0]
    for field, complaint in (
        (MetadataField(value=1), "needs a schema_name or a schema_id"),
        (MetadataField(schema_id=tag.id, schema_name="split", value="x"), "is 'tag', not 'split'"),
        (MetadataField(schema_id="nope", value="x"), "no metadata schema 'nope'"),
    ):
        with pytest.raises(Invalid, match=complaint):
            world.call(SetMetadata(data_row_id=world.ids[0], fields=(field,)))
    twice = (MetadataField(schema_name="tag", value="a"), MetadataField(schema_id=tag.id, value="b"))
    with pytest.raises(Invalid, match="'tag' is given twice"):
        world.call(SetMetadata(data_row_id=world.ids[0], fields=twice))
    with pytest.raises(NotFound, match="no data row 'nope'"):
        world.call(SetMetadata(data_row_id="nope", fields=()))


@pytest.mark.parametrize(
    ("given", "error", "complaint"),
    [
        ({"name": "tag", "kind": "string"}, Conflict, "there is a metadata schema 'tag' already"),
        ({"name": " lens ", "kind": "string"}, Conflict, "there is a metadata schema 'lens' already"),
        ({"name": " ", "kind": "string"}, Invalid, "1 to 100 characters"),
        ({"name": "x" * 101, "kind": "string"}, Invalid, "1 to 100 characters"),
        ({"name": "x", "kind": "enum"}, Invalid, "an enum has options"),
        ({"name": "x", "kind": "string", "options": ("a",)}, Invalid, "no other kind has any"),
        ({"name": "x", "kind": "enum", "options": ("a", "a")}, Invalid, "a name of its own"),
        ({"name": "x", "kind": "enum", "options": ("a", "")}, Invalid, "a name of its own"),
    ],
)
def test_schemas_have_names_of_their_own(
    world: World, given: dict[str, Any], error: type[Exception], complaint: str
) -> None:
    world.call(CreateMetadataSchema(name="lens", kind="string"))
    with pytest.raises(error, match=complaint):
        world.call(CreateMetadataSchema(**given))
    assert [one.name for one in world.call(FindMetadataSchemas())][4:] == ["lens"]


# Attachments


def test_attachments_are_added_after_those_that_are_there(world: World) -> None:
    row = {
        "data_row": {"id": world.ids[0], "row_data": "https://example.org/key-0.png", "global_key": "key-0"}
    }
    old = {"type": "IMAGE", "value": "https://example.org/a.png", "x_kept": 1}
    take_rows(world.engine, [{**row, "attachments": [old]}])
    elsewhere(world)
    now = world.clock.tick()
    given = (
        Attachment(type="RAW_TEXT", value="rainy", name="note"),
        Attachment(type="HTML", value="u", id="i"),
    )
    world.call(AddAttachments(data_row_id=world.ids[0], attachments=given))
    first, second, third = world.row(0)["attachments"]
    assert first == old
    assert (len(second.pop("id")), second) == (25, {"type": "RAW_TEXT", "value": "rainy", "name": "note"})
    assert third["id"] == "i"
    assert world.active(0) == now
    assert len(lines(exported(world.engine, "other")[0])[world.ids[0]]["attachments"]) == 3
    before = world.sequence()
    world.call(AddAttachments(data_row_id=world.ids[0], attachments=()))
    assert world.sequence() == before


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (Attachment(type="SMELL", value="x"), "attachment: 'SMELL' is none of IMAGE, "),
        (Attachment(type="IMAGE", value=""), "of length >= 1"),
    ],
)
def test_an_attachment_has_a_known_type_and_a_value(world: World, given: Attachment, complaint: str) -> None:
    with pytest.raises(Invalid, match=complaint):
        world.call(AddAttachments(data_row_id=world.ids[0], attachments=(given,)))


# Removal


def test_a_deleted_data_row_leaves_tombstones_everywhere(world: World) -> None:
    elsewhere(world)
    world.label(0)
    cursors = {id: exported(world.engine, id, run=id == "run") for id in ("streets", "other", "run")}
    ids = (world.ids[0], world.ids[9], world.ids[0])
    assert world.call(DeleteDataRows(data_row_ids=ids)) == 2
    for id, (old, cursor) in cursors.items():
        rows = lines(exported(world.engine, id, run=id == "run", since=cursor)[0])
        assert rows == {
            world.ids[0]: {
                "data_row": {
                    "id": world.ids[0],
                    "global_key": "key-0",
                    "row_data": "https://example.org/key-0.png",
                },
                "deleted": True,
            }
        }
        assert world.ids[0] not in lines(exported(world.engine, id, run=id == "run")[0])
        assert exported(world.engine, id, run=id == "run", as_of=cursor)[0] == old
    for given in ({"data_row_id": world.ids[0]}, {"global_key": "key-0"}):
        with pytest.raises(NotFound, match="no data row"):
            world.call(GetDataRow(**given))
    with pytest.raises(NotFound, match=f"no data row '{world.ids[0]}'"):
        world.call(DeleteDataRows(data_row_ids=(world.ids[1], world.ids[0])))
    assert get(world, 1).id == world.ids[1]
    for operation in (
        SetMetadata(data_row_id=world.ids[0], fields=()),
        CreateBatch(project_id="streets", name="x", data_row_ids=(world.ids[0],)),
        AddRunRows(model_run_id="run", data_row_ids=(world.ids[0],)),
    ):
        with pytest.raises(NotFound, match="no data row"):
            world.call(operation)


def test_a_deleted_data_row_can_be_imported_anew(world: World) -> None:
    tell(world, tag="old")
    world.label(0)
    world.call(DeleteDataRows(data_row_ids=(world.ids[0],)))
    cursor = world.sequence()
    world.clock.tick()
    assert add_rows(world.engine, ["key-0"], dataset="second") == [world.ids[0]]
    details = get(world).details
    assert isinstance(details, DataRowDetails)
    assert details.dataset_name == "second"
    assert world.ids[0] not in world.rows()
    world.send(world.ids[:1], "again")
    assert (told(world), world.part(0)["labels"]) == ({}, [])
    assert set(world.rows(since=cursor)) == {world.ids[0]}


def test_a_global_key_is_free_once_its_row_is_deleted(world: World) -> None:
    world.call(DeleteDataRows(data_row_ids=(world.ids[0],)))
    row = {"data_row": {"id": "other-id", "global_key": "key-0", "row_data": "https://example.org/b.png"}}
    take_rows(world.engine, [row])
    assert world.call(GetDataRow(global_key="key-0")).id == "other-id"


# Issues


def test_an_issue_is_open_until_it_is_resolved(world: World) -> None:
    now = world.clock.tick()
    issue = world.call(CreateIssue(project_id="streets", data_row_id=world.ids[0], text="blurred"))
    assert (issue.resolved, issue.created_at, issue.created_by) == (False, now, "annotary@localhost")
    assert world.active(0) == now
    later = world.clock.tick()
    done = world.call(ResolveIssue(project_id="streets", issue_id=issue.id))
    assert (done.resolved, world.active(0)) == (True, later)
    before = world.sequence()
    assert world.call(ResolveIssue(project_id="streets", issue_id=issue.id)) == done
    assert world.sequence() == before
    world.clock.tick()
    second = world.call(CreateIssue(project_id="streets", data_row_id=world.ids[1], text="dark"))
    assert world.call(FindIssues(project_id="streets")) == [done, second]


def test_an_issue_can_be_resolved_after_its_row_is_gone(world: World) -> None:
    issue = world.call(CreateIssue(project_id="streets", data_row_id=world.ids[0], text="blurred"))
    world.call(RemoveRows(project_id="streets", data_row_ids=(world.ids[0],)))
    assert world.call(ResolveIssue(project_id="streets", issue_id=issue.id)).resolved


def test_an_issue_is_about_a_row_of_its_project(world: World) -> None:
    elsewhere(world)
    issue = world.call(CreateIssue(project_id="streets", data_row_id=world.ids[0], text="blurred"))
    with pytest.raises(NotFound, match=f"no issue '{issue.id}' in project 'other'"):
        world.call(ResolveIssue(project_id="other", issue_id=issue.id))
    with pytest.raises(NotFound, match="no issue 'nope'"):
        world.call(ResolveIssue(project_id="streets", issue_id="nope"))
    with pytest.raises(NotFound, match="is not in project"):
        world.call(CreateIssue(project_id="streets", data_row_id=world.ids[9], text="x"))
    with pytest.raises(Invalid, match="an issue needs a text"):
        world.call(CreateIssue(project_id="streets", data_row_id=world.ids[0], text=" "))


def test_a_box_is_no_metadata(world: World) -> None:
    world.label(0, box())
    assert (told(world), get(world).details is UNSET) == ({}, False)
