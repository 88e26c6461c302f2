"""Blobs that lie beside the database have a row, too: what lies there without one belongs to nothing."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from annotary.store.blobs import mask_names

revision = "0006"
down_revision = "0005"
oldest = "0006"
branch_labels = None
depends_on = None

TEXT: Any = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
TOGETHER = 1000
NAMED = "SELECT n, masks FROM labels WHERE n > :after AND masks <> '' ORDER BY n LIMIT :limit"
NEW = (
    "INSERT INTO placed_blobs (hash) SELECT :hash"
    " WHERE NOT EXISTS (SELECT 1 FROM blobs WHERE hash = :hash) ON CONFLICT DO NOTHING"
)


def upgrade() -> None:
    """Make the table, and fill it with the masks that labels name and SQLite does not hold."""
    op.create_table(
        "placed_blobs",
        sa.Column("hash", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("hash"),
        sqlite_with_rowid=False,
    )
    if op.get_bind().dialect.name == "sqlite":
        _fill()


def _fill() -> None:
    after = 0
    while some := op.get_bind().execute(sa.text(NAMED), {"after": after, "limit": TOGETHER}).all():
        named = {hash for one in some for hash in mask_names(one.masks).values()}
        op.get_bind().execute(sa.text(NEW), [{"hash": hash} for hash in sorted(named)])
        after = some[-1].n
