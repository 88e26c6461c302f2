from __future__ import annotations

import pytest
from msgspec.structs import replace

from annotary.errors import Conflict, Denied, Invalid, NotFound
from annotary.model.project import MetadataOption
from annotary.model.row import Attachment, MetadataField
from annotary.operations.data_rows import (
    AddAttachments,
    ChangeAttachment,
    DeleteAttachment,
    DropMetadata,
    FindDataRows,
    SetMetadata,
)
from annotary.operations.metadata_schemas import (
    ChangeMetadataSchema,
    CreateMetadataSchema,
    DeleteMetadataSchema,
    FindMetadataSchemas,
)
from tests.engine.world import World

TAG = "cko8s9r5v0001h2dk9elqdidh"


def test_a_renamed_schema_shows_its_new_names_everywhere(world: World) -> None:
    lens = world.call(CreateMetadataSchema(name="lens", kind="enum", options=("wide", "tele")))
    for place in (0, 9):
        field = MetadataField(schema_name="lens", value="wide")
        world.call(SetMetadata(data_row_id=world.ids[place], fields=(field,)))
    options = (replace(lens.options[0], name="broad"), lens.options[1], MetadataOption(id="", name="macro"))
    changed = world.call(ChangeMetadataSchema(schema_id=lens.id, name="optics", options=options))
    assert [one.name for one in changed.options] == ["broad", "tele", "macro"]
    assert len(changed.options[2].id) == 25
    (shown,) = world.row(0)["metadata_fields"]
    assert shown == {
        "schema_id": lens.id,
        "schema_name": "optics",
        "value": {"schema_id": lens.options[0].id, "schema_name": "broad"},
    }
    (apart,) = world.call(FindDataRows(ids=(world.ids[9],)))
    assert isinstance(apart.metadata_fields, tuple)
    assert apart.metadata_fields[0].schema_name == "optics"


def test_options_may_grow_but_not_shrink_and_names_are_there_once(world: World) -> None:
    lens = world.call(CreateMetadataSchema(name="lens", kind="enum", options=("wide", "tele")))
    with pytest.raises(Invalid, match="option 'tele' is missing"):
        world.call(ChangeMetadataSchema(schema_id=lens.id, options=lens.options[:1]))
    with pytest.raises(Conflict, match="'tag' already"):
        world.call(ChangeMetadataSchema(schema_id=lens.id, name="tag"))
    with pytest.raises(Denied, match="reserved"):
        world.call(ChangeMetadataSchema(schema_id=TAG, name="label"))
    with pytest.raises(NotFound, match="'nope'"):
        world.call(DeleteMetadataSchema(schema_id="nope"))


def test_a_deleted_schema_takes_its_values_with_it(world: World) -> None:
    iso = world.call(CreateMetadataSchema(name="iso", kind="number"))
    fields = (MetadataField(schema_name="iso", value=1.5), MetadataField(schema_name="tag", value="night"))
    world.call(SetMetadata(data_row_id=world.ids[0], fields=fields))
    world.call(DeleteMetadataSchema(schema_id=iso.id))
    assert [one["schema_name"] for one in world.row(0)["metadata_fields"]] == ["tag"]
    assert iso not in world.call(FindMetadataSchemas())


def test_single_values_are_removed(world: World) -> None:
    fields = (
        MetadataField(schema_name="tag", value="night"),
        MetadataField(schema_name="split", value="train"),
    )
    world.call(SetMetadata(data_row_id=world.ids[0], fields=fields))
    world.call(DropMetadata(data_row_id=world.ids[0], schema_ids=(TAG, "no such schema")))
    assert [one["schema_name"] for one in world.row(0)["metadata_fields"]] == ["split"]


def test_attachments_are_changed_and_removed(world: World) -> None:
    given = (
        Attachment(type="RAW_TEXT", value="one"),
        Attachment(type="IMAGE", value="https://example.org/2"),
    )
    world.call(AddAttachments(data_row_id=world.ids[0], attachments=given))
    first, second = world.row(0)["attachments"]
    changed = world.call(
        ChangeAttachment(
            data_row_id=world.ids[0],
            attachment_id=first["id"],
            type="TEXT_URL",
            value="https://e/1",
            name="n",
        )
    )
    assert (changed.id, changed.type, changed.value, changed.name) == (
        first["id"],
        "TEXT_URL",
        "https://e/1",
        "n",
    )
    with pytest.raises(Invalid, match="'PDF' is none of"):
        world.call(ChangeAttachment(data_row_id=world.ids[0], attachment_id=first["id"], type="PDF"))
    world.call(DeleteAttachment(data_row_id=world.ids[0], attachment_id=first["id"]))
    assert world.row(0)["attachments"] == [second]
    with pytest.raises(NotFound, match="no attachment"):
        world.call(DeleteAttachment(data_row_id=world.ids[0], attachment_id=first["id"]))
