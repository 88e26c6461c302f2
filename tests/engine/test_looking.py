"""What a look counts, beside the same rows counted one by one; and along which indexes it does so."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Any

import pytest
from msgspec import UNSET
from msgspec.structs import replace

from annotary.engine.core import Engine
from annotary.engine.loading import import_sources
from annotary.model.base import to_json
from annotary.model.export import ExportFilters, ProjectScope, Range, filters_from
from annotary.model.project import Project
from annotary.operations.looking import (
    CountDays,
    CountMatching,
    Facets,
    FindFacets,
    FindRows,
    GetRow,
    RelaxFilters,
)
from annotary.operations.projects import MoveRows
from annotary.store import Store, bitmaps
from annotary.store.database import Database
from annotary.store.filters import At
from annotary.store.kept_bitmaps import Bitmaps
from annotary.store.signatures import ANSWERS, shown_in, signature_of, things_of
from tests.engine.histories import edit
from tests.engine.world import World
from tests.test_filters import CHOICES, ROWS, ROWS_MADE, combinations, passes

SCOPE = ProjectScope(id="project-1")
ALL = combinations()
SOME = [given for place, given in enumerate(ALL) if len(given) < 2 or place % 7 == 0]
"""Every filter, and some pairs: exports try them all."""


class Lines:
    name = "generated"

    def chunks(self) -> Any:
        import msgspec

        yield b"\n".join(map(msgspec.json.encode, ROWS_MADE)) + b"\n"

    def neighbour(self, path: str) -> bytes | None:
        return None


@pytest.fixture
def engine(store_url: str) -> Any:
    engine = Engine(Store.open(store_url))
    import_sources(engine, [Lines()], format="labelbox-v2")
    yield engine
    engine.close()


# The same, counted row by row from the tables


class Plain:
    """A project's present rows as plain values, read from the tables anew."""

    def __init__(self, engine: Engine, project_id: str) -> None:
        at, _, _ = engine.store.at("project", project_id)
        self.rows: dict[int, dict[str, Any]] = {}
        with engine.store.database.raw(snapshot=True) as cursor:
            cursor.execute(
                "SELECT r.data_row, d.id, d.global_key, d.external_id, r.status, r.batch, r.activity"
                " FROM rows r"
                f" JOIN data_rows d ON d.n = r.data_row WHERE {at.now('r')} AND r.deleted = 0"
            )
            for number, *values in cursor.fetchall():
                id, key, name, status, batch, active = (one and one.decode() for one in values)
                self.rows[number] = {
                    **{"id": id, "key": key, "name": name, "status": status, "batch": batch},
                    **{"active": active, "made": [], "things": set()},
                }
            cursor.execute(
                "SELECT l.data_row, l.prediction, l.created_at, l.annotations FROM labels l"
                f" WHERE {at.now('l')}"
            )
            for number, prediction, made, annotations in cursor.fetchall():
                row = self.rows[number]
                row["things"].update(things_of(shown_in(annotations.decode())))
                if not prediction:
                    row["made"].append(made.decode())

    def passing(self, filters: ExportFilters) -> list[dict[str, Any]]:
        return [self.rows[number] for number in sorted(self.rows) if _passes(self.rows[number], filters)]

    def facets(self, filters: ExportFilters) -> dict[str, Any]:
        def without(name: str) -> list[dict[str, Any]]:
            return self.passing(replace(filters, **{name: UNSET}))

        classes: Counter[str] = Counter()
        for row in without("class_names"):
            classes.update({name for kind, name in row["things"] if kind not in ANSWERS})
        kinds: Counter[str] = Counter()
        for row in without("kinds"):
            kinds.update({kind for kind, _ in row["things"]})
        return {
            "classes": dict(classes),
            "kinds": dict(kinds),
            "statuses": dict(Counter(row["status"] for row in without("workflow_status") if row["status"])),
            "batches": dict(Counter(row["batch"] for row in without("batch_ids") if row["batch"])),
            "no_objects": sum(not _drawn(row) for row in without("no_objects")),
        }


def _drawn(row: dict[str, Any]) -> bool:
    return any(signature_of(to_json([thing])) & 1 for thing in row["things"])


def _passes(row: dict[str, Any], filters: ExportFilters) -> bool:
    def within(value: str, given: Any) -> bool:
        return (given.start is None or value >= given.start) and (given.end is None or value <= given.end)

    tests: dict[str, Any] = {
        "last_activity_at": lambda given: within(row["active"], given),
        "label_created_at": lambda given: any(within(made, given) for made in row["made"]),
        "workflow_status": lambda given: row["status"] == given,
        "batch_ids": lambda given: row["batch"] in given,
        "data_row_ids": lambda given: row["id"] in given,
        "global_keys": lambda given: row["key"] in given,
        "external_ids": lambda given: row["name"] in given,
        "class_names": lambda given: any(n in given and k not in ANSWERS for k, n in row["things"]),
        "kinds": lambda given: any(kind in given for kind, _ in row["things"]),
        "no_objects": lambda given: not (given and _drawn(row)),
    }
    return all(test(given) for name, test in tests.items() if (given := getattr(filters, name)) is not UNSET)


def said(found: Facets) -> dict[str, Any]:
    return {
        "classes": {one.name: one.rows for one in found.classes},
        "kinds": {one.kind: one.rows for one in found.kinds},
        "statuses": {one.status: one.rows for one in found.statuses},
        "batches": {one.id: one.rows for one in found.batches},
        "no_objects": found.no_objects,
    }


def test_facets_and_counts_hold_for_every_filter_and_every_pair(engine: Engine) -> None:
    plain = Plain(engine, SCOPE.id)
    tried = 0
    for given in SOME:
        filters = filters_from(given)
        found = engine.call(CountMatching(scope=SCOPE, filters=filters))
        assert (found.rows, found.of) == (sum(passes(row, given) for row in ROWS_MADE), ROWS), given
        assert said(engine.call(FindFacets(scope=SCOPE, filters=filters))) == plain.facets(filters), given
        tried += 1
    assert tried > 100


@pytest.mark.parametrize(("seed", "least"), [(0, 1000), (1, 1000), (2, 0)])
def test_facets_hold_after_any_history(
    world: World, seed: int, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether a state is brought up from the one before (1000), or read anew where much has changed (0)."""
    monkeypatch.setattr(bitmaps, "_LEAST", least)
    random, luck = Random(seed), Random(seed)
    scope = ProjectScope(id="streets")
    instants = ["2026-05-04T08:20:00.000+00:00", "2026-05-04T08:40:00.000+00:00"]
    for step in range(30):
        world.clock.tick(random.randrange(90))
        done = edit(world.engine, random, "streets")
        if luck.random() < 0.5:
            continue
        plain = Plain(world.engine, "streets")
        rows = list(plain.rows.values())
        some = luck.choice(rows) if rows else {"id": "none", "key": "none", "batch": "none", "things": []}
        kind, name = luck.choice(sorted(some["things"]) or [("mask", "road")])
        choices: dict[str, Any] = {
            "workflow_status": luck.choice(("TO_LABEL", "IN_REVIEW", "IN_REWORK", "DONE")),
            "batch_ids": (some["batch"],),
            "class_names": (name, "nothing"),
            "kinds": (kind,),
            "no_objects": True,
            "data_row_ids": (some["id"],),
            "label_created_at": Range(start=instants[0], end=instants[1]),
            "last_activity_at": Range(start=instants[0]),
        }
        for names in [(), *((one,) for one in choices), tuple(luck.sample(sorted(choices), 2))]:
            filters = ExportFilters(**{one: choices[one] for one in names})
            where = (seed, step, done, filters)
            wanted = [row["id"] for row in plain.passing(filters)]
            assert said(world.engine.call(FindFacets(scope=scope, filters=filters))) == plain.facets(
                filters
            ), where
            page = world.engine.call(FindRows(scope=scope, filters=filters, limit=200))
            assert [row.data_row_id for row in page.rows] == wanted, where
            relaxed = world.engine.call(RelaxFilters(scope=scope, filters=filters))
            if len(names) == 2 and all(getattr(filters, one) is not UNSET for one in names):
                left = {one.rows for one in relaxed}
                assert (
                    left == {len(plain.passing(replace(filters, **{one: UNSET}))) for one in names}
                    or len(relaxed) > 2
                ), where
        for place, row in enumerate(plain.passing(ExportFilters())[:2], 1):
            view = world.engine.call(GetRow(scope=scope, data_row_id=row["id"]))
            assert (view.position, view.of) == (place, len(rows))
        made = Counter(day[:10] for row in rows for day in row["made"])
        days = world.engine.call(CountDays(project_id="streets"))
        assert {one.day: one.labels for one in days} == made


def test_pages_hold_every_row_once(engine: Engine) -> None:
    for given in ({}, {"no_objects": True}, {"kinds": ["box", "point"]}, {"external_ids": ['name 7 "é"']}):
        filters = filters_from(given)
        wanted = [row["data_row"]["id"] for row in ROWS_MADE if passes(row, given)]
        seen: list[str] = []
        page = engine.call(FindRows(scope=SCOPE, filters=filters, limit=7))
        assert page.previous is None
        while True:
            seen += [row.data_row_id for row in page.rows]
            if page.next is None:
                break
            page = engine.call(FindRows(scope=SCOPE, filters=filters, limit=7, after=page.next))
        assert seen == wanted
        if page.previous is not None:
            before = engine.call(FindRows(scope=SCOPE, filters=filters, limit=7, before=page.previous))
            last = len(page.rows)
            assert [row.data_row_id for row in before.rows] == wanted[-last - 7 : -last]


def test_many_signatures_and_few_give_the_same_bitmaps(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that show the same are taken together where they are many, else sorted; neither may matter."""
    wanted = engine.call(FindFacets(scope=SCOPE))
    for alone, together in ((1, 1), (10_000, 3), (5, 40)):
        monkeypatch.setattr(bitmaps, "_ALONE", alone)
        monkeypatch.setattr(bitmaps, "_TOGETHER", together)
        engine.store.database.bitmaps = Bitmaps()
        assert engine.call(FindFacets(scope=SCOPE)) == wanted


def test_a_project_does_not_wait_for_another(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.store.add(Project(**{**_fields(engine), "id": "other", "name": "other"}))
    engine.store.collect("project", "other", "other", "{}")
    begun, end = threading.Event(), threading.Event()
    real = bitmaps.present

    def slow(cursor: Any, at: At, known: Any, *, is_sqlite: bool) -> Any:
        if at.collection == 1:
            begun.set()
            assert end.wait(30)
        return real(cursor, at, known, is_sqlite=is_sqlite)

    monkeypatch.setattr("annotary.store.looking.present", slow)
    assert engine.store.collection("project", SCOPE.id) == 1
    found: list[int] = []
    waits = threading.Thread(
        target=lambda: found.append(engine.call(CountMatching(scope=SCOPE)).rows), daemon=True
    )
    waits.start()
    assert begun.wait(30)
    assert engine.call(CountMatching(scope=ProjectScope(id="other"))).of == 0
    assert found == []
    end.set()
    waits.join(30)
    assert found == [ROWS]


def _fields(engine: Engine) -> dict[str, Any]:
    project = engine.store.get(Project, SCOPE.id)
    return {name: getattr(project, name) for name in project.__struct_fields__}


def test_a_change_is_brought_up_and_not_read_anew(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.call(CountMatching(scope=SCOPE))
    monkeypatch.setattr(bitmaps._Making, "read_all", lambda *_, **__: pytest.fail("all was read"))
    tasks = engine.store.get(Project, SCOPE.id).tasks
    engine.call(MoveRows(project_id=SCOPE.id, data_row_ids=("row-1", "row-2"), task_id=tasks[0].id))
    plain = Plain(engine, SCOPE.id)
    assert said(engine.call(FindFacets(scope=SCOPE))) == plain.facets(ExportFilters())


# Plans

SINGLE = [
    {},
    *({name: CHOICES[name][0]} for name in CHOICES if name != "no_objects"),
    {"no_objects": True},
]


WALKS = {"Seq Scan", "Sort", "SCAN", "TEMP B-TREE"}
"""What a plan must not have: a table read from end to end, and a sort of what an index has in order."""


@pytest.mark.parametrize("given", SINGLE, ids=lambda given: "".join(given) or "nothing")
def test_no_statement_of_a_page_walks_through_a_table(
    engine: Engine, given: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Grid, count, facets, row and days go along indexes; what is read of all rows is in one."""
    filters = filters_from(given)
    if not engine.store.database.is_sqlite:
        with engine.store.database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").exec_driver_sql("VACUUM ANALYZE")
    statements = _asked(engine, filters, monkeypatch)
    assert len(statements) > 5
    whole = 0
    for sql, parameters in statements:
        plan = _plan(engine, sql, parameters)
        assert not any(walk in plan for walk in WALKS), (sql, plan)
        if "l.data_row IN" in sql and engine.store.database.is_sqlite:
            assert "data_row=?" in plan, (sql, plan)
        if "group_concat" in sql or "string_agg" in sql:
            whole += 1
            # Ids lead to rows one by one; and of so few rows PostgreSQL likes one index as much as another.
            times = set() if engine.store.database.is_sqlite else {"last_activity_at", "label_created_at"}
            if not given.keys() & {"batch_ids", "data_row_ids", "global_keys", "external_ids", *times}:
                assert "COVERING INDEX" in plan or "Index Only Scan" in plan, (sql, plan)
    assert whole >= 2


def _plan(engine: Engine, sql: str, parameters: Any) -> str:
    with engine.store.database.raw(snapshot=True) as cursor:
        if engine.store.database.is_sqlite:
            cursor.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)
        else:
            # Of so few rows PostgreSQL would read all in any case.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("SET LOCAL enable_bitmapscan = off")
            cursor.execute("SET LOCAL enable_sort = off")
            cursor.execute(f"EXPLAIN {sql}", parameters)
        return "\n".join(line[-1].decode() for line in cursor.fetchall())


def _asked(engine: Engine, filters: ExportFilters, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any]]:
    """What the page asks the store, as soon as the server runs."""
    asked: list[tuple[str, Any]] = []
    real = Database.raw

    @contextmanager
    def noting(self: Database, *, snapshot: bool = False) -> Iterator[Any]:
        with real(self, snapshot=snapshot) as cursor:
            yield Noting(cursor, asked)

    row = ROWS_MADE[1]["data_row"]["id"]
    with monkeypatch.context() as patched:
        patched.setattr(Database, "raw", noting)
        engine.call(FindRows(scope=SCOPE, filters=filters, limit=5))
        engine.call(FindRows(scope=SCOPE, filters=filters, limit=5, after=row))
        engine.call(CountMatching(scope=SCOPE, filters=filters))
        engine.call(FindFacets(scope=SCOPE, filters=filters))
        engine.call(GetRow(scope=SCOPE, data_row_id=row, filters=filters))
        engine.call(CountDays(project_id=SCOPE.id))
        tasks = engine.store.get(Project, SCOPE.id).tasks
        engine.call(MoveRows(project_id=SCOPE.id, data_row_ids=(row,), task_id=tasks[0].id))
        engine.call(CountMatching(scope=SCOPE, filters=filters))
    return asked


class Noting:
    """A cursor that notes down what it is asked."""

    def __init__(self, cursor: Any, asked: list[tuple[str, Any]]) -> None:
        self._cursor = cursor
        self._asked = asked

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        self._asked.append((sql, parameters))
        return self._cursor.execute(sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)
