"""Rows that change: found under their project's lock, moved on to a new version.

Handlers that change rows work through these. Locks are taken in one order everywhere: collections by
their number, then data rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from annotary.engine.core import Engine
from annotary.errors import NotFound
from annotary.model.project import ModelRun, Project

if TYPE_CHECKING:
    from annotary.store import KnownRow, Store
    from annotary.store.changes import Change

PAGE = 500
"""So many rows are worked on at once."""

Fields = dict[str, Any]


class OpenProject(NamedTuple):
    """A project that nobody else changes until the transaction ends."""

    project: Project
    change: Change

    def rows(self, store: Store, ids: Sequence[str]) -> Iterator[list[Fields]]:
        """Its rows by data row id, in pages, each once; raises NotFound."""
        return _pages(store, self.change, ids, f"project {self.project.id!r}")

    def row(self, store: Store, id: str) -> Fields:
        """One of its rows by data row id; raises NotFound."""
        (page,) = self.rows(store, (id,))
        return page[0]


class OpenRun(NamedTuple):
    """A model run that nobody else changes until the transaction ends."""

    run: ModelRun
    change: Change

    def rows(self, store: Store, ids: Sequence[str]) -> Iterator[list[Fields]]:
        """Its rows by data row id, in pages, each once; raises NotFound."""
        return _pages(store, self.change, ids, f"model run {self.run.id!r}")


def open_project(engine: Engine, id: str) -> OpenProject:
    """A project with its lock, within the open transaction; raises NotFound."""
    change = _locked(engine, "project", Project, id)
    # Read under the lock: what was there before may have been renamed or removed meanwhile.
    return OpenProject(engine.store.get(Project, id), change)


def open_run(engine: Engine, id: str) -> OpenRun:
    """A model run with its lock, within the open transaction; raises NotFound."""
    change = _locked(engine, "model_run", ModelRun, id)
    return OpenRun(engine.store.get(ModelRun, id), change)


def _locked(engine: Engine, kind: str, value: Any, id: str) -> Change:
    engine.store.get(value, id)
    return engine.store.change(engine.store.collection(kind, id))


def known_rows(store: Store, ids: Sequence[str] = (), global_keys: Sequence[str] = ()) -> dict[str, KnownRow]:
    """Data rows by id, in the order asked for, each once; raises NotFound for the first that is missing."""
    found: dict[str, KnownRow] = {}
    for column, name, wanted in (("id", "", ids), ("global_key", "with global key ", global_keys)):
        there = store.data_rows_by(column, wanted)  # type: ignore[arg-type]
        for one in wanted:
            if one not in there or not there[one].dataset:
                raise NotFound(f"no data row {name}{one!r}")
            found[there[one].id] = there[one]
    return found


def gathered_rows(
    store: Store, ids: Sequence[str] = (), global_keys: Sequence[str] = ()
) -> dict[str, KnownRow]:
    """The same, as they stand, with nobody else deleting or changing them until the transaction ends."""
    found = known_rows(store, ids, global_keys)
    numbers = sorted(one.n for one in found.values())
    fresh: dict[str, KnownRow] = {}
    for start in range(0, len(numbers), PAGE):
        locked = store.lock_data_rows(numbers[start : start + PAGE], shared=True)
        fresh.update((one.id, one) for one in locked.values())
    for id in found:
        if not fresh[id].dataset:
            raise NotFound(f"no data row {id!r}")
    return {id: fresh[id] for id in found}


def renewed(row: Fields, now: str, **changes: Any) -> Fields:
    """A row with other values, active now."""
    return {**row, **changes, "activity": max(row["activity"], now)}


def pages_of(wanted: Sequence[str]) -> Iterator[list[str]]:
    """Pages of ids, each once."""
    each = list(dict.fromkeys(wanted))
    for start in range(0, len(each), PAGE):
        yield each[start : start + PAGE]


def _pages(store: Store, change: Change, ids: Sequence[str], where: str) -> Iterator[list[Fields]]:
    for some in pages_of(ids):
        known = known_rows(store, some)
        rows = change.rows([one.n for one in known.values()])
        for id, one in known.items():
            if one.n not in rows or rows[one.n]["deleted"]:
                raise NotFound(f"data row {id!r} is not in {where}")
        yield [rows[one.n] for one in known.values()]


class OpenDataRow(NamedTuple):
    """A data row that nobody else changes until the transaction ends, with all that show it."""

    known: KnownRow
    sections: Any
    changes: tuple[Change, ...]

    def put(self, store: Store, now: str, **texts: str) -> None:
        """Give it a version with other sections, and let every project and run see that."""
        names = ("head", "details", "media", "attachments", "metadata")
        (version,) = store.numbers("data_row_versions", 1)
        whole = (texts.get(name, getattr(self.sections, name)) for name in names)
        store.put_data_rows([], [(version, *whole)])
        store.point_data_row(self.known.n, version)
        for change in self.changes:
            present = change.rows([self.known.n])[self.known.n]
            change.put_rows([], [renewed(present, now, version=version)])


def open_data_row(engine: Engine, id: str) -> OpenDataRow:
    """A data row with its locks, within the open transaction; raises NotFound."""
    store = engine.store
    number = known_rows(store, (id,))[id].n
    changes = {one: store.change(one) for one in store.collections_of(number)}
    known = store.lock_data_rows([number])[number]
    if not known.dataset:
        raise NotFound(f"no data row {id!r}")
    # Before it was ours, others may have put it into one more project, or taken it out of one.
    held = store.collections_of(number)
    return OpenDataRow(
        known,
        store.sections([known.version])[known.version],
        tuple(changes[one] if one in changes else store.change(one) for one in held),
    )
