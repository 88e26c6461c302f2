"""Labels know what they show, data rows their external id; rows are counted by an index alone."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

from annotary.store.heads import external_id
from annotary.store.signatures import shown_in, signature_of, things_of

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TEXT: Any = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
NUMBER: Any = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PRESENT = "until = 140737488355327"
TOGETHER = 1000


def upgrade() -> None:
    """Add the columns, fill them, and make the indexes when they are filled."""
    op.add_column("labels", sa.Column("signature", NUMBER, server_default="0", nullable=False))
    op.add_column("data_rows", sa.Column("external_id", TEXT, nullable=True))
    op.create_table(
        "shown",
        sa.Column("signature", NUMBER, autoincrement=False, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("signature", "kind", "name"),
        sqlite_with_rowid=False,
    )
    _sign()
    _name()
    op.create_index("shown_name", "shown", ["name", "kind", "signature"])
    _index("labels_signature", "labels", ["collection", "signature", "data_row", "until"], PRESENT)
    _index("data_rows_external_id", "data_rows", ["org", "external_id"], "external_id IS NOT NULL")
    op.drop_index("rows_status", "rows")
    op.drop_index("labels_created", "labels")
    _index("labels_created", "labels", ["collection", "created_at", "until"], PRESENT)
    columns = ["collection", "status", "batch", "data_row", "until", "deleted"]
    _index("rows_present", "rows", columns, f"{PRESENT} AND deleted = 0")


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def _sign() -> None:
    known: set[int] = {0}
    query = "SELECT n, annotations FROM labels WHERE n > :after ORDER BY n LIMIT :limit"
    for some in _pages(query):
        found = {n: shown_in(annotations) for n, annotations in some}
        signed = {n: signature_of(shows) for n, shows in found.items()}
        op.get_bind().execute(
            sa.text("UPDATE labels SET signature = :signature WHERE n = :n"),
            [{"n": n, "signature": signature} for n, signature in signed.items()],
        )
        new = [
            {"signature": signature, "kind": kind, "name": name}
            for signature, shows in {signed[n]: shows for n, shows in found.items()}.items()
            if signature not in known
            for kind, name in things_of(shows)
        ]
        known.update(signed.values())
        if new:
            op.get_bind().execute(
                sa.text("INSERT INTO shown (signature, kind, name) VALUES (:signature, :kind, :name)"), new
            )


def _name() -> None:
    query = (
        "SELECT d.n, v.head FROM data_rows d JOIN data_row_versions v ON v.n = d.version"
        " WHERE d.n > :after ORDER BY d.n LIMIT :limit"
    )
    for some in _pages(query):
        named = [{"n": n, "id": id} for n, head in some if (id := external_id(head)) is not None]
        if named:
            op.get_bind().execute(sa.text("UPDATE data_rows SET external_id = :id WHERE n = :n"), named)


def _pages(query: str) -> Any:
    after = 0
    while some := op.get_bind().execute(sa.text(query), {"after": after, "limit": TOGETHER}).all():
        yield [tuple(one) for one in some]
        after = some[-1][0]
