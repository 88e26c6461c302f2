"""Is a store whole? Reads all of it in one snapshot and in constant memory; what is wrong has its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Connection, select, text

from annotary.engine import check_found, fresh
from annotary.engine.check_kept import Kept
from annotary.engine.check_rules import LED, RULES
from annotary.engine.findings import Findings
from annotary.errors import NotFound
from annotary.model import project as projects
from annotary.model.base import Value
from annotary.model.carried import typed
from annotary.model.corpus import Notice, Problem
from annotary.model.ontology import FeatureSchema, Normalized, Ontology
from annotary.model.webhook import Webhook, WebhookSecret
from annotary.store import Store
from annotary.store.filters import FOREVER
from annotary.store.opening import FILE_NAME
from annotary.store.schema import entities, features, shown

PAGE = 500
_KINDS: dict[str, type[Value]] = {
    kind.__name__: kind
    for kind in (
        Ontology,
        FeatureSchema,
        projects.AnnotationImport,
        projects.Organization,
        projects.User,
        projects.Key,
        projects.ImageArchive,
        projects.ImageFolder,
        projects.Session,
        projects.Invite,
        projects.Dataset,
        projects.Project,
        projects.Batch,
        projects.MetadataSchema,
        projects.Issue,
        projects.Model,
        projects.ModelRun,
        projects.Slice,
        projects.Snapshot,
        projects.Tag,
        projects.Settings,
        Webhook,
        WebhookSecret,
    )
}


class Checked(Value):
    """One thing that was checked: how many of them, how many wrong."""

    name: str
    number: int
    wrong: int


class CheckReport(Value):
    """What a check came to; `findings` holds the first of what is wrong."""

    checks: tuple[Checked, ...]
    findings: tuple[Problem, ...]
    notices: tuple[Notice, ...]
    wrong: int
    rebuilt: int = 0


def check_target(
    target: str, *, rebuild: bool = False, progress: Callable[[int], None] = lambda rows: None
) -> CheckReport:
    """Check the store at a folder or URL; raises NotFound where there is none."""
    there(target)
    store = Store.open(target)
    try:
        return check(store, rebuild=rebuild, progress=progress)
    finally:
        store.close()


def there(target: str) -> None:
    """Raises NotFound where there is no store: a typing error shall not make one that is then in order."""
    if "://" not in target and not (Path(target).expanduser() / FILE_NAME).exists():
        raise NotFound(f"no store at {target}; give another place with --at")


def check(
    store: Store, *, rebuild: bool = False, progress: Callable[[int], None] = lambda rows: None
) -> CheckReport:
    """Check a store, of all organisations. With `rebuild`, sections that differ are written anew."""
    with store.reading() as connection:
        return _Check(store, connection, rebuild, progress).run()


class _Check:
    """One check, on one snapshot."""

    def __init__(
        self, store: Store, connection: Connection, rebuild: bool, progress: Callable[[int], None]
    ) -> None:
        self.store = store
        self.connection = connection
        self.rebuild = rebuild
        self.progress = progress
        self.findings = Findings()
        self.checks: dict[str, list[int]] = {}
        self.names = fresh.Names(())
        self.rebuilt = 0
        self.done = 0
        self.kept = Kept(store, connection)

    def run(self) -> CheckReport:
        try:
            self._database()
            self._entities()
            for what, sql, reason in RULES:
                self._rule(what, sql, reason)
            self._sections("data_row_versions", "SELECT *, '' AS kind FROM data_row_versions t")
            of_rows = "SELECT t.*, c.kind FROM rows t JOIN collections c ON c.n = t.collection"
            self._sections("rows", of_rows)
            self._labels()
            self._named()
            self._led()
            self._kept()
        finally:
            self.kept.close()
        return CheckReport(
            checks=tuple(
                Checked(name=name, number=number, wrong=wrong)
                for name, (number, wrong) in self.checks.items()
            ),
            findings=tuple(self.findings.problems),
            notices=tuple(self.findings.notices),
            wrong=self.findings.problem_count,
            rebuilt=self.rebuilt,
        )

    def _wrong(self, check: str, place: str, value: Any, reason: str) -> None:
        self.checks.setdefault(check, [0, 0])[1] += 1
        said = str(value)
        self.findings.report(
            Problem(place=place, value=said if len(said) <= 80 else f"{said[:77]}...", reason=reason)
        )

    def _count(self, check: str, number: int = 1) -> None:
        self.checks.setdefault(check, [0, 0])[0] += number

    # What the database itself can tell

    def _database(self) -> None:
        if not self.store.database.is_sqlite:
            return
        self._count("database file")
        for (said,) in self.connection.exec_driver_sql("PRAGMA integrity_check"):
            if said != "ok":
                self._wrong("database file", FILE_NAME, said, "SQLite finds the file damaged")

    def _rule(self, what: str, sql: str, reason: str) -> None:
        name = what.replace("_", " ")
        if name not in self.checks:
            total = self.connection.execute(text(f"SELECT count(*) FROM {what}")).scalar_one()
            self._count(name, total)
        found = self.connection.execute(text(sql).execution_options(stream_results=True))
        for key, *value in found:
            self._wrong(name, f"{name} {key}", ", ".join(map(str, value)), reason)

    def _led(self) -> None:
        """Rows must show their data row as it is, and lead to their label."""
        for column, right, reason in LED:
            # There is no label where there is NULL, which equals nothing.
            none = 0 if column == "label" else "''"
            wrong = f"coalesce(rows.{column}, {none}) <> coalesce({right}, {none})"
            if not self.rebuild:
                self._rule("rows", f"SELECT n, {column} FROM rows WHERE {wrong}", f"its {column} {reason}")
                continue
            with self.store.transaction() as connection:
                mended = connection.execute(text(f"UPDATE rows SET {column} = {right} WHERE {wrong}"))
            self.rebuilt += mended.rowcount

    def _entities(self) -> None:
        ontologies: list[Normalized] = []
        found = self.connection.execute(select(entities).execution_options(stream_results=True))
        for row in found:
            self._count("things by id")
            place = f"{row.kind} {row.id}"
            try:
                value: Any = typed(row.body, _KINDS[row.kind])
            except (KeyError, msgspec.DecodeError) as error:
                self._wrong("things by id", place, row.body, f"cannot be read: {error}")
                continue
            if value.id != row.id:
                self._wrong("things by id", place, value.id, "is kept under another id")
            if isinstance(value, Ontology):
                ontologies.append(value.normalized)
        self.names = fresh.Names(ontologies)

    # Sections

    def _pages(self, sql: str) -> Iterator[Sequence[Mapping[str, Any]]]:
        """The rows of a table (as `t`) by their key."""
        low = 0
        page = text(f"{sql} WHERE t.n > :low ORDER BY t.n LIMIT {PAGE}")
        while True:
            found = [dict(row._mapping) for row in self.connection.execute(page, {"low": low})]
            if not found:
                return
            yield found
            low = found[-1]["n"]
            self.done += len(found)
            self.progress(self.done)

    def _sections(self, table: str, sql: str) -> None:
        for page in self._pages(sql):
            changed: list[check_found.Fixed] = []
            for row in page:
                makers = fresh.DATA_ROW
                if row["kind"]:
                    makers = fresh.PROJECT_ROW if row["kind"].endswith("project") else fresh.RUN_ROW
                for column, make in makers.items():
                    changed += self._compared(table, row, column, make)
                if table == "rows" and makers is fresh.PROJECT_ROW:
                    self._columns(row)
            self._write(table, changed)

    def _compared(
        self, table: str, row: Mapping[str, Any], column: str, make: fresh.Fresh
    ) -> list[check_found.Fixed]:
        """What to write where a section is not what a fresh rendering gives."""
        stored = row[column]
        if stored is None:
            return []
        self._count("sections")
        place = f"{table} {row['n']} {column}"
        try:
            made = make(stored)
        except (msgspec.DecodeError, LookupError, TypeError, ValueError) as error:
            self._wrong("sections", place, stored, f"cannot be read: {error}")
            return []
        if made == stored:
            return []
        if not self.rebuild:
            self._wrong("sections", place, stored, "differs from a fresh rendering; check --rebuild mends it")
        return [(column, row["n"], made)]

    def _columns(self, row: Mapping[str, Any]) -> None:
        try:
            said = msgspec.json.decode(row["extra"])
        except msgspec.DecodeError:
            return
        for column, key in (("status", "workflow_status"), ("batch", "batch_id")):
            if (said.get(key) or "") != row[column]:
                self._wrong(
                    "rows", f"rows {row['n']}", row[column], f"its {column} is not that of its section"
                )

    def _write(self, table: str, changed: list[check_found.Fixed]) -> None:
        if not self.rebuild or not changed:
            return
        with self.store.transaction() as connection:
            for column, key, made in changed:
                sql = text(f"UPDATE {table} SET {column} = :made WHERE n = :key")
                connection.execute(sql, {"made": made, "key": key})
        self.rebuilt += len(changed)

    # Labels: their sections, the index of their features, their masks

    def _labels(self) -> None:
        for page in self._pages("SELECT t.* FROM labels t"):
            changed: list[check_found.Fixed] = []
            wanted: dict[tuple[int, int, int], str] = {}
            shows: dict[int, str] = {}
            for label in page:
                for column, make in fresh.LABEL.items():
                    changed += self._compared("labels", label, column, make)
                annotated = self._annotated(label, wanted)
                changed += annotated
                if self.rebuild or not annotated:
                    annotations = annotated[-1][2] if annotated else label["annotations"]
                    changed += self._followed("labels", check_found.unlike(label, annotations, shows))
                self.kept.mention(label)
            self._write("labels", changed)
            self._indexed(wanted)
            self._explained(shows)

    def _named(self) -> None:
        """Data rows must be found by their external ids."""
        sql = "SELECT t.n, t.external_id, v.head FROM data_rows t JOIN data_row_versions v ON v.n = t.version"
        for page in self._pages(sql):
            self._write("data_rows", self._followed("data_rows", check_found.misnamed(page)))

    def _followed(self, table: str, found: Iterator[check_found.Fixed]) -> list[check_found.Fixed]:
        """Columns that follow from a section, where they do not."""
        fixed = list(found)
        for column, key, made in fixed if not self.rebuild else ():
            reason = f"its {column} is not what follows from its section; check --rebuild mends it"
            self._wrong(table.replace("_", " "), f"{table} {key}", made, reason)
        return fixed

    def _explained(self, shows: Mapping[int, str]) -> None:
        """What labels show must be noted down."""
        missing = check_found.unexplained(self.connection, shows)
        for one in missing if not self.rebuild else ():
            reason = "what labels show is not noted down; check --rebuild mends it"
            self._wrong("labels", f"signature {one['signature']}", one["name"] or one["kind"], reason)
        if missing and self.rebuild:
            with self.store.transaction() as connection:
                connection.execute(shown.insert(), missing)
            self.rebuilt += len(missing)

    def _annotated(
        self, label: Mapping[str, Any], wanted: dict[tuple[int, int, int], str]
    ) -> list[check_found.Fixed]:
        present = label["until"] == FOREVER
        ids: list[str] = []

        def make(stored: str) -> str:
            rendered, found = fresh.label_annotations(stored, self.names if present else None)
            ids.extend(found)
            return rendered

        changed = self._compared("labels", label, "annotations", make)
        if present:
            for hash, id in fresh.hashes(ids).items():
                wanted[hash, label["collection"], label["data_row"]] = id
        return changed

    def _indexed(self, wanted: dict[tuple[int, int, int], str]) -> None:
        """The feature ids of present labels must lead to them."""
        self._count("feature ids", len(wanted))
        found: set[tuple[int, int, int]] = set()
        several = sorted({hash for hash, _, _ in wanted})
        for start in range(0, len(several), PAGE):
            asked = select(features).where(features.c.hash.in_(several[start : start + PAGE]))
            found.update((row.hash, row.collection, row.data_row) for row in self.connection.execute(asked))
        missing = wanted.keys() - found
        for key in sorted(missing) if not self.rebuild else ():
            self._wrong(
                "feature ids", f"data row {key[2]}", wanted[key], "is not in the index of feature ids"
            )
        if missing and self.rebuild:
            with self.store.transaction() as connection:
                connection.execute(
                    features.insert(),
                    [{"hash": hash, "collection": at, "data_row": row} for hash, at, row in sorted(missing)],
                )
            self.rebuilt += len(missing)

    # What lies beside

    def _kept(self) -> None:
        for what, verdicts in (("masks", self.kept.masks()), ("files", self.kept.files())):
            for place, name, reason in verdicts:
                self._count(what)
                if reason:
                    self._wrong(what, place, name, reason)
        for notice in self.kept.notices():
            self.findings.notify(notice)
