"""Rows know what an export without details shows of their data row, and where their label is."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TEXT: Any = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER: Any = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add both columns and fill them for all versions of rows."""
    op.add_column("rows", sa.Column("front", TEXT, server_default="", nullable=False))
    op.add_column("rows", sa.Column("label", NUMBER, nullable=True))
    # A version leads to the one label version that was there during all of its time, and no other with it.
    op.execute(
        "UPDATE rows SET"
        " front = (SELECT v.head || '},' || v.media FROM data_row_versions v WHERE v.n = rows.version),"
        " label = CASE WHEN rows.deleted = 0 THEN (SELECT min(l.n) FROM labels l"
        "  WHERE l.collection = rows.collection AND l.data_row = rows.data_row AND l.prediction = 0"
        "  AND l.since < rows.until AND l.until > rows.since"
        "  GROUP BY l.data_row"
        "  HAVING count(*) = 1 AND min(l.since) <= rows.since AND min(l.until) >= rows.until) END"
    )
