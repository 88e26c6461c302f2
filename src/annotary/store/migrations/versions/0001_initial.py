"""The tables of the first release."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TEXT: Any = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER: Any = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PRESENT = sa.text("until = 140737488355327")
CURRENT: Any = {"sqlite_where": _PRESENT, "postgresql_where": _PRESENT}
LARGE = (
    ("labels", "annotations"),
    ("labels", "details"),
    ("rows", "extra"),
    ("data_row_versions", "head"),
    ("data_row_versions", "metadata"),
)


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "blobs",
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_table(
        "collection_versions",
        sa.Column("collection", NUMBER, autoincrement=False, nullable=False),
        sa.Column("since", NUMBER, autoincrement=False, nullable=False),
        sa.Column("until", NUMBER, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("ontology", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("collection", "since"),
    )
    op.create_table(
        "collections",
        sa.Column("n", NUMBER, autoincrement=True, nullable=False),
        sa.Column("org", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("sequence", NUMBER, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("n"),
        sa.UniqueConstraint("org", "kind", "id"),
    )
    op.create_table(
        "data_row_versions",
        sa.Column("n", NUMBER, autoincrement=True, nullable=False),
        sa.Column("head", TEXT, server_default="", nullable=False),
        sa.Column("details", TEXT, server_default="", nullable=False),
        sa.Column("media", TEXT, server_default="", nullable=False),
        sa.Column("attachments", TEXT, server_default="", nullable=False),
        sa.Column("metadata", TEXT, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("n"),
    )
    op.create_table(
        "data_rows",
        sa.Column("n", NUMBER, autoincrement=True, nullable=False),
        sa.Column("org", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("dataset", TEXT, nullable=False),
        sa.Column("global_key", TEXT, nullable=True),
        sa.Column("version", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("n"),
        sa.UniqueConstraint("org", "id"),
    )
    op.create_index("data_rows_dataset", "data_rows", ["org", "dataset"], unique=False)
    op.create_index(
        "data_rows_global_key",
        "data_rows",
        ["org", "global_key"],
        unique=True,
        sqlite_where=sa.text("global_key IS NOT NULL"),
        postgresql_where=sa.text("global_key IS NOT NULL"),
    )
    op.create_table(
        "entities",
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("org", TEXT, nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("parent", TEXT, server_default="", nullable=False),
        sa.Column("name", TEXT, server_default="", nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("kind", "org", "id"),
    )
    op.create_index("entities_name", "entities", ["kind", "org", "name"], unique=False)
    op.create_index("entities_parent", "entities", ["kind", "org", "parent"], unique=False)
    op.create_table(
        "features",
        sa.Column("hash", NUMBER, autoincrement=False, nullable=False),
        sa.Column("collection", NUMBER, autoincrement=False, nullable=False),
        sa.Column("data_row", NUMBER, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("hash", "collection", "data_row"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "labels",
        sa.Column("n", NUMBER, autoincrement=True, nullable=False),
        sa.Column("collection", NUMBER, nullable=False),
        sa.Column("data_row", NUMBER, nullable=False),
        sa.Column("prediction", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("position", sa.Integer(), server_default="0", nullable=False),
        sa.Column("id", TEXT, nullable=False),
        sa.Column("since", NUMBER, nullable=False),
        sa.Column("until", NUMBER, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("head", TEXT, server_default="", nullable=False),
        sa.Column("details", TEXT, server_default="", nullable=False),
        sa.Column("performance", TEXT, server_default="", nullable=False),
        sa.Column("annotations", TEXT, server_default="", nullable=False),
        sa.Column("masks", TEXT, nullable=True),
        sa.Column("v1", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("n"),
    )
    op.create_index("labels_created", "labels", ["collection", "created_at"], unique=False, **CURRENT)
    op.create_index("labels_id", "labels", ["id", "collection", "until"], unique=False)
    op.create_index(
        "labels_order", "labels", ["collection", "data_row", "prediction", "position", "until"], unique=False
    )
    op.create_table(
        "rows",
        sa.Column("n", NUMBER, autoincrement=True, nullable=False),
        sa.Column("collection", NUMBER, nullable=False),
        sa.Column("data_row", NUMBER, nullable=False),
        sa.Column("since", NUMBER, nullable=False),
        sa.Column("until", NUMBER, nullable=False),
        sa.Column("deleted", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("version", NUMBER, nullable=False),
        sa.Column("activity", TEXT, nullable=False),
        sa.Column("status", TEXT, server_default="", nullable=False),
        sa.Column("batch", TEXT, server_default="", nullable=False),
        sa.Column("tail", TEXT, server_default="", nullable=False),
        sa.Column("extra", TEXT, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("n"),
    )
    op.create_index("rows_activity", "rows", ["collection", "activity"], unique=False, **CURRENT)
    op.create_index("rows_batch", "rows", ["collection", "batch"], unique=False, **CURRENT)
    op.create_index("rows_order", "rows", ["collection", "data_row", "until"], unique=False)
    op.create_index("rows_since", "rows", ["collection", "since"], unique=False, **CURRENT)
    op.create_index("rows_status", "rows", ["collection", "status"], unique=False, **CURRENT)
    op.create_table(
        "tasks",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("org", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("created_at", TEXT, nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.Column("request", TEXT, server_default="", nullable=False),
        sa.Column("actor", TEXT, server_default="", nullable=False),
        sa.Column("worker", TEXT, server_default="", nullable=False),
        sa.Column("lease", NUMBER, server_default="0", nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "deliveries",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("org", TEXT, nullable=False),
        sa.Column("webhook", TEXT, nullable=False),
        sa.Column("topic", TEXT, nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.Column("due", NUMBER, nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("deliveries_due", "deliveries", ["due"], unique=False)
    op.create_index("deliveries_webhook", "deliveries", ["org", "webhook"], unique=False)
    op.create_table(
        "files",
        sa.Column("id", TEXT, nullable=False),
        sa.Column("org", TEXT, nullable=False),
        sa.Column("expires_at", TEXT, server_default="", nullable=False),
        sa.Column("body", TEXT, nullable=False),
        sa.Column("chunks", TEXT, server_default="", nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("files_expiry", "files", ["expires_at"], unique=False)
    op.create_table(
        "file_pieces",
        sa.Column("file", TEXT, nullable=False),
        sa.Column("start", NUMBER, autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("file", "start"),
    )
    op.create_index("tasks_org", "tasks", ["org", "created_at"], unique=False)
    op.create_index("tasks_status", "tasks", ["status", "created_at"], unique=False)
    if op.get_bind().dialect.name == "postgresql":
        for table, column in LARGE:
            op.execute(f"ALTER TABLE {table} ALTER COLUMN {column} SET COMPRESSION lz4")
