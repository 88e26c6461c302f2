"""The indexes by time know which rows they are about: a wide range of time is found without its rows."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CURRENT: Any = sa.text(f"until = {2**47 - 1}")
INDEXES = {
    ("rows_activity", "rows"): ["collection", "activity", "data_row", "until", "deleted"],
    ("labels_created", "labels"): ["collection", "created_at", "data_row", "prediction", "until"],
}


def upgrade() -> None:
    """Make both indexes anew."""
    for (name, table), columns in INDEXES.items():
        op.drop_index(name, table)
        op.create_index(name, table, columns, sqlite_where=CURRENT, postgresql_where=CURRENT)
