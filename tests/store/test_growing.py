"""A PostgreSQL table that grows within one transaction is looked over as it does."""

from __future__ import annotations

from typing import Any

from sqlalchemy import text

from annotary.store import Store


def test_a_table_that_grows_in_one_transaction_is_known_to_the_planner(postgres_url: str) -> None:
    store = Store.open(postgres_url)

    def added(start: int, count: int) -> None:
        rows: list[tuple[Any, ...]] = [
            (n, f"row-{n}", "d", f"key-{n}", n) for n in range(start, start + count)
        ]
        store.put_data_rows(rows, [(row[0], "", "", "", "", "") for row in rows])

    with store.transaction() as connection:
        for start in range(0, 6000, 500):
            added(start, 500)
        query = "SELECT reltuples FROM pg_class WHERE relname = 'data_rows'"
        assert 3500 <= connection.execute(text(query)).scalar_one() <= 6000
        wanted = ", ".join(f"'row-{n}'" for n in range(0, 6000, 1500))
        plan = connection.execute(
            text(f"EXPLAIN SELECT n FROM data_rows WHERE org = 'default' AND id IN ({wanted})")
        )
        assert any("data_rows_org_id" in line for (line,) in plan)
    store.close()
