"""Counts of a whole project or run: kept with the sequence number that they hold at, and brought up from it.

What has changed since is counted twice: as it was, which is taken off, and as it is. States of rows are
never overwritten, so that both can be read. A worker counts large projects ahead of who asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from msgspec.structs import replace

from annotary.engine.core import Engine
from annotary.engine.corpora import corpus_of
from annotary.errors import AnnotaryError, NotFound, Unavailable
from annotary.model.export import ExportFilters, ExportParams, ExportQuery, ProjectScope, RunScope
from annotary.model.project import KeptSummary, Summary
from annotary.store import Store, lookup
from annotary.store.filters import At

MOST = 20_000
"""So many rows are counted while somebody waits: it takes a second or two."""
WORTH = 1000
"""From so many changed rows on a worker brings up what is kept."""
TOLD = 10_000
"""How far a count has come is told after so many rows."""
_ASKED = 500


class Stopped(Exception):
    """The worker is to end."""


def summary(engine: Engine, kind: str, id: str, *, at_once: bool = False) -> Summary:
    """The present counts. `at_once`: raises Unavailable where who asks would wait for long."""
    at, _, _ = engine.store.at(kind, id)
    kept = _kept(engine, at)
    if kept is not None and kept.summary is not None:
        found = _brought_up(engine, kind, id, at, kept.summary, MOST)
        if found is not None:
            return found
    with engine.store.looking(at) as look:
        rows = len(look.rows.all)
    if rows <= MOST:
        return _counted(engine, kind, id, at)
    if at_once:
        done = 0 if kept is None else kept.counted
        raise Unavailable(f"annotations are being counted: {done:,} of {rows:,} rows so far; ask again soon")
    found = _counted(engine, kind, id, at)
    with suppress(AnnotaryError):  # where nothing can be written it is counted anew the next time
        engine.store.put(KeptSummary(id=str(at.collection), summary=found))
    return found


def count_ahead(store: Store, is_over: Callable[[], bool]) -> None:
    """Bring up what is kept of every large project and run; raises Stopped as soon as all `is_over`."""
    with store.reading() as connection:
        found = lookup.scopes(connection)
    for org, kind, id in found:
        engine = Engine(store.seen_as(org))
        with suppress(NotFound):  # it has just been deleted
            _count_ahead(engine, kind, id, is_over)


def _count_ahead(engine: Engine, kind: str, id: str, is_over: Callable[[], bool]) -> None:
    at, _, _ = engine.store.at(kind, id)
    kept = _kept(engine, at)
    known = kept.summary if kept is not None else None
    since = known.sequence if known is not None and known.sequence is not None else 0
    if since == at.sequence or _changed(engine, at, since, WORTH) is not None:
        return
    found = _brought_up(engine, kind, id, at, known, MOST) if known is not None else None
    if found is None:
        number = str(at.collection)

        def tell(rows: int) -> None:
            if is_over():
                raise Stopped
            engine.store.put(KeptSummary(id=number, summary=known, counted=rows))

        found = _counted(engine, kind, id, at, tell)
    engine.store.put(KeptSummary(id=str(at.collection), summary=found))


def _kept(engine: Engine, at: At) -> KeptSummary | None:
    # By the collection's number, which is never given again; ids are.
    try:
        return engine.store.get(KeptSummary, str(at.collection))
    except NotFound:
        return None


def _changed(engine: Engine, at: At, since: int, most: int) -> list[int] | None:
    """The rows that have changed since, removed ones among them; None where they are more."""
    with engine.store.database.raw() as cursor:
        cursor.execute(
            f"SELECT r.data_row FROM rows r WHERE {at.now('r')} AND r.since > {since} LIMIT {most + 1}"
        )
        found = sorted(key for (key,) in cursor.fetchall())
    return found if len(found) <= most else None


def _brought_up(engine: Engine, kind: str, id: str, at: At, known: Summary, most: int) -> Summary | None:
    assert known.sequence is not None
    if known.sequence == at.sequence:
        return known
    changed = _changed(engine, at, known.sequence, most)
    if changed is None:
        return None
    found = known
    for start in range(0, len(changed), _ASKED):
        with engine.store.reading() as connection:
            ids = tuple(lookup.ids_of(connection, changed[start : start + _ASKED]).values())
        was = _counted(engine, kind, id, at._replace(sequence=known.sequence, latest=False), among=ids)
        found = _moved(found, was, _counted(engine, kind, id, at, among=ids))
    return replace(found, sequence=at.sequence)


def _moved(known: Summary, was: Summary, now: Summary) -> Summary:
    def moved(field: str) -> dict[str, int]:
        before, gone, new = (getattr(one, field) for one in (known, was, now))
        counts = {
            key: before.get(key, 0) - gone.get(key, 0) + new.get(key, 0)
            for key in sorted({*before, *gone, *new})
        }
        return {key: count for key, count in counts.items() if count}

    return replace(
        known,
        rows=known.rows - was.rows + now.rows,
        labels=known.labels - was.labels + now.labels,
        rows_without_objects=known.rows_without_objects - was.rows_without_objects + now.rows_without_objects,
        by_status=moved("by_status"),
        by_kind=moved("by_kind"),
        by_class=moved("by_class"),
    )


def _counted(
    engine: Engine,
    kind: str,
    id: str,
    at: At,
    tell: Callable[[int], None] = lambda rows: None,
    *,
    among: tuple[str, ...] | None = None,
) -> Summary:
    # Brings numpy; what was counted once is kept, and seldom counted anew.
    from annotary.engine.statistics import Tally

    scope = ProjectScope(id=id) if kind == "project" else RunScope(id=id)
    filters = ExportFilters() if among is None else ExportFilters(data_row_ids=among)
    query = ExportQuery(
        scope=scope, filters=filters, params=ExportParams(project_details=True), as_of=at.sequence
    )
    corpus = corpus_of(engine, query)
    tally = Tally(corpus, None)
    marks = _marks()
    mark = next(marks)
    for page in corpus.pages:
        tally.page(page)
        if tally.rows >= mark:
            tell(tally.rows)
            mark = next(marks)
    return Summary(**tally.summary(at.sequence))


def _marks() -> Iterator[int]:
    rows = 0
    while True:
        rows += TOLD
        yield rows
