"""A store tells which programs may use it, so that those of two versions may work on it at once."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
oldest = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column beside the version."""
    op.add_column("alembic_version", sa.Column("oldest", sa.String(32), server_default="", nullable=False))
