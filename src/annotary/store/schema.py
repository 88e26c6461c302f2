"""The tables. Typed columns are what is looked up or filtered; sections are JSON text, ready to be copied.

Everything an export shows is kept in versions, valid from change `since` up to, not including, change
`until` of its project's (or run's) own sequence. So an export reads any past state with the same
statements as the present one, and may read page by page without holding a snapshot open.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.sql.type_api import TypeEngine

from annotary.store.columns import UNUSUAL
from annotary.store.filters import FOREVER

FRONT = "v.head || '},' || v.media"
"""A row's `front`, by the version `v` of its data row."""


def front_of(head: str, media: str) -> str:
    """The same, by sections of its data row."""
    return f"{head}}},{media}"


metadata = MetaData()

# PostgreSQL sorts text by locale unless told otherwise; SQLite by bytes. Exports need one order.
_text: TypeEngine[str] = Text().with_variant(Text(collation="C"), "postgresql")
_number: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")
_current: dict[str, Any] = {
    "sqlite_where": text(f"until = {FOREVER}"),
    "postgresql_where": text(f"until = {FOREVER}"),
}
_present: dict[str, Any] = {
    "sqlite_where": text(f"until = {FOREVER} AND deleted = 0"),
    "postgresql_where": text(f"until = {FOREVER} AND deleted = 0"),
}


def _key() -> Column[int]:
    return Column("n", _number, primary_key=True, autoincrement=True)


def _section(name: str) -> Column[str]:
    return Column(name, _text, nullable=False, server_default="")


entities = Table(
    "entities",
    metadata,
    Column("kind", _text, primary_key=True),
    Column("org", _text, primary_key=True),
    Column("id", _text, primary_key=True),
    Column("parent", _text, nullable=False, server_default=""),
    Column("name", _text, nullable=False, server_default=""),
    Column("body", _text, nullable=False),
    Index("entities_name", "kind", "org", "name"),
    Index("entities_parent", "kind", "org", "parent"),
)

collections = Table(
    "collections",
    metadata,
    _key(),
    Column("org", _text, nullable=False),
    Column("kind", _text, nullable=False),
    Column("id", _text, nullable=False),
    Column("sequence", _number, nullable=False, server_default="0"),
    UniqueConstraint("org", "kind", "id"),
)

collection_versions = Table(
    "collection_versions",
    metadata,
    Column("collection", _number, primary_key=True, autoincrement=False),
    Column("since", _number, primary_key=True, autoincrement=False),
    Column("until", _number, nullable=False),
    Column("name", _text, nullable=False),
    Column("ontology", _text, nullable=False),
)

data_rows = Table(
    "data_rows",
    metadata,
    _key(),
    Column("org", _text, nullable=False),
    Column("id", _text, nullable=False),
    Column("dataset", _text, nullable=False),
    Column("global_key", _text),
    Column("version", _number, nullable=False),
    Column("external_id", _text),
    UniqueConstraint("org", "id"),
    Index("data_rows_dataset", "org", "dataset"),
)
Index(
    "data_rows_global_key",
    data_rows.c.org,
    data_rows.c.global_key,
    unique=True,
    sqlite_where=text("global_key IS NOT NULL"),
    postgresql_where=text("global_key IS NOT NULL"),
)

Index(
    "data_rows_external_id",
    data_rows.c.org,
    data_rows.c.external_id,
    sqlite_where=text("external_id IS NOT NULL"),
    postgresql_where=text("external_id IS NOT NULL"),
)

data_row_versions = Table(
    "data_row_versions",
    metadata,
    _key(),
    _section("head"),
    _section("details"),
    _section("media"),
    _section("attachments"),
    _section("metadata"),
)

rows = Table(
    "rows",
    metadata,
    _key(),
    Column("collection", _number, nullable=False),
    Column("data_row", _number, nullable=False),
    Column("since", _number, nullable=False),
    Column("until", _number, nullable=False),
    Column("deleted", SmallInteger, nullable=False, server_default="0"),
    Column("version", _number, nullable=False),
    Column("activity", _text, nullable=False),
    Column("status", _text, nullable=False, server_default=""),
    Column("batch", _text, nullable=False, server_default=""),
    _section("tail"),
    _section("extra"),
    # What an export without details shows of the data row, and where the row's label is if it has just one:
    # so that the usual row is read without another index, and without its data row's version.
    _section("front"),
    Column("label", _number),
    Index("rows_order", "collection", "data_row", "until"),
    Index("rows_since", "collection", "since", **_current),
    # SQLite answers by an index alone only where that has the columns of its own condition, too.
    Index("rows_activity", "collection", "activity", "data_row", "until", "deleted", **_current),
    Index("rows_present", "collection", "status", "batch", "data_row", "until", "deleted", **_present),
    Index("rows_batch", "collection", "batch", **_current),
    # Where there are none of these, a tail is known without being read.
    Index("rows_unusual", "collection", sqlite_where=text(UNUSUAL), postgresql_where=text(UNUSUAL)),
)

labels = Table(
    "labels",
    metadata,
    _key(),
    Column("collection", _number, nullable=False),
    Column("data_row", _number, nullable=False),
    Column("prediction", SmallInteger, nullable=False, server_default="0"),
    Column("position", Integer, nullable=False, server_default="0"),
    Column("id", _text, nullable=False),
    Column("since", _number, nullable=False),
    Column("until", _number, nullable=False),
    Column("created_at", _text, nullable=False),
    _section("head"),
    _section("details"),
    _section("performance"),
    _section("annotations"),
    Column("masks", _text),
    Column("v1", _text),
    # What is drawn and answered, as a number that `shown` explains.
    Column("signature", _number, nullable=False, server_default="0"),
    Index("labels_order", "collection", "data_row", "prediction", "position", "until"),
    Index("labels_created", "collection", "created_at", "data_row", "prediction", "until", **_current),
    Index("labels_id", "id", "collection", "until"),
    Index("labels_signature", "collection", "signature", "data_row", "until", **_current),
)

shown = Table(
    "shown",
    metadata,
    Column("signature", _number, primary_key=True, autoincrement=False),
    Column("kind", _text, primary_key=True),
    Column("name", _text, primary_key=True),
    Index("shown_name", "name", "kind", "signature"),
    sqlite_with_rowid=False,
)

features = Table(
    "features",
    metadata,
    Column("hash", _number, primary_key=True, autoincrement=False),
    Column("collection", _number, primary_key=True, autoincrement=False),
    Column("data_row", _number, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

blobs = Table(
    "blobs",
    metadata,
    Column("hash", _text, primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

placed_blobs = Table(
    "placed_blobs",
    metadata,
    Column("hash", _text, primary_key=True),
    sqlite_with_rowid=False,
)

tasks = Table(
    "tasks",
    metadata,
    Column("id", _text, primary_key=True),
    Column("org", _text, nullable=False),
    Column("status", _text, nullable=False),
    Column("created_at", _text, nullable=False),
    Column("body", _text, nullable=False),
    # What is to be done, and for whom; empty where it is done already.
    Column("request", _text, nullable=False, server_default=""),
    Column("actor", _text, nullable=False, server_default=""),
    # Who is at it, until when (milliseconds since 1970, by the database's clock), and how often it was begun.
    Column("worker", _text, nullable=False, server_default=""),
    Column("lease", _number, nullable=False, server_default="0"),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Index("tasks_status", "status", "created_at"),
    Index("tasks_org", "org", "created_at"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", _text, primary_key=True),
    Column("org", _text, nullable=False),
    Column("webhook", _text, nullable=False),
    Column("topic", _text, nullable=False),
    Column("body", _text, nullable=False),
    Column("due", _number, nullable=False),
    Column("attempts", Integer, nullable=False),
    Index("deliveries_due", "due"),
    Index("deliveries_webhook", "org", "webhook"),
)

files = Table(
    "files",
    metadata,
    Column("id", _text, primary_key=True),
    Column("org", _text, nullable=False),
    Column("expires_at", _text, nullable=False, server_default=""),
    Column("body", _text, nullable=False),
    Column("chunks", _text, nullable=False, server_default=""),
    Index("files_expiry", "expires_at"),
)

file_pieces = Table(
    "file_pieces",
    metadata,
    Column("file", _text, primary_key=True),
    Column("start", _number, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
)
