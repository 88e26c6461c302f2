"""An index of what seldom follows the labels of a row: exports need not look for it where it is empty."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
oldest = "0006"
branch_labels = None
depends_on = None

UNUSUAL: Any = sa.text("substr(tail, 1, 15) = '\"project_tags\":' AND tail <> '\"project_tags\":[]'")


def upgrade() -> None:
    """Make the index; it is empty where no project has tags."""
    op.create_index("rows_unusual", "rows", ["collection"], sqlite_where=UNUSUAL, postgresql_where=UNUSUAL)
