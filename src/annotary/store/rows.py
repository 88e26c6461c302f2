"""An export query as a stream of pages: the deepest file of the floor.

Rows come in the order in which data rows were added to the store. An export reads as of one sequence
number; since versions are never overwritten, every page may be a statement of its own, so that a long
export holds no snapshot that would keep SQLite's log or PostgreSQL's dead rows from being cleared.

Filters work in two steps. Each is probed through its own index; the first that leaves few rows gives
the keys, sorted, and the others are conditions on the fetch. When all are wide the rows are walked in
order with all filters as conditions. So neither a narrow nor a wide filter sorts or lists everything.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

from annotary.model.corpus import Page, Part
from annotary.model.export import ExportFilters, ExportParams
from annotary.store.columns import UNUSUAL, label_columns, lean_columns, row_columns
from annotary.store.dealing import Labels, grouped
from annotary.store.drivers import Cursor
from annotary.store.filters import At, Condition, Filter, changed, filters_of
from annotary.store.reader import Reader

PAGE_ROWS = 80
"""So many rows are a page: few enough to stay in the processor's cache until they are written."""
BARE_ROWS = 160
"""So many where little is shown of a data row and nothing is held of a page but its text."""
SPAN_ROWS = 1920
"""So many rows are read by one statement, which holds nothing back for longer."""
WIDEST = 16 * SPAN_ROWS
"""Up to so many data rows are looked through by one statement where few of them are met."""
FEW = 20_000
"""Up to so many keys are held at once."""
_ALL = 2**63 - 1
"""The LIMIT of a statement that has none: SQLite takes no OFFSET without it."""
_KEPT = 8 << 20
"""So many bytes that were freed the process keeps, in place of having others cleared for the next page."""


class Stretch(NamedTuple):
    """The rows of the data rows whose numbers are above one and up to another."""

    above: int
    up_to: int


def pages(
    reader: Reader,
    at: At,
    params: ExportParams,
    filters: ExportFilters,
    *,
    since: int | None = None,
    predictions: bool = False,
    lean: bool = False,
    between: Stretch | None = None,
) -> Iterator[Page]:
    """The pages of one project or run, or of a stretch of it; `lean` ones have only what was asked for."""
    _keep_freed_memory()
    with reader.raw() as cursor:
        run = _Run(reader, cursor, at, params, predictions, lean=lean, between=between)
        chosen = list(filters_of(at, filters, arrays=not reader.is_sqlite))
        # With a cursor only the change decides: a row that has left the filter is reported as gone.
        found = run.few_keys(chosen if since is None else [changed(at, since)])
        spans = run.spans(found, bool(chosen) or (since is not None and found is None))
        yield from run.read(spans, [one.test for one in chosen], since)


@cache
def _keep_freed_memory() -> None:
    """Have pages read into memory that others have left: faults on fresh memory are a seventh of an export.

    The GNU C library takes the largest block that has been freed as the measure of what to keep. This one is
    never touched; a second one would be cleared.
    """
    bytes(_KEPT)


def count(reader: Reader, at: At, filters: ExportFilters, since: int | None) -> int:
    """How many rows an export will have, tombstones included."""
    with reader.raw() as cursor:
        chosen = list(filters_of(at, filters, arrays=not reader.is_sqlite))
        sql = f"SELECT count(*) FROM rows r WHERE {at.of('r')}"
        parameters: tuple[Any, ...] = ()
        if since is not None:
            sql += f" AND r.since > {since}"
        else:
            sql += " AND r.deleted = 0"
            for one in chosen:
                sql += f" AND {one.test.sql}"
                parameters += one.test.parameters
        cursor.execute(reader.sql(sql), parameters)
        return int(cursor.fetchall()[0][0])


def stretches(reader: Reader, at: At, rows: int) -> Generator[Stretch, None, None]:
    """A project or run cut into stretches of so many versions of rows."""
    with reader.raw() as cursor:
        yield from _Run(reader, cursor, at, ExportParams(), predictions=False).steps(rows)


class Span(NamedTuple):
    """Some pages of the corpus: a condition on its rows, one on the data rows of their labels.

    `sparse` where filters may leave few of the rows that it names. `keys` is what its rows are joined with,
    where `in_order` they come so without being sorted.
    """

    rows: str
    labels: str
    sparse: bool
    keys: str = ""
    in_order: bool = False

    def select(self, columns: str, joined: str) -> str:
        """A query of its rows, in their order."""
        order = "" if self.in_order else " ORDER BY r.data_row"
        return f"SELECT {columns} FROM {self.keys}rows r {joined} AND {self.rows}{order}"


class _Run:
    """One export's reading: the cursor and what it asks for."""

    def __init__(
        self,
        reader: Reader,
        cursor: Cursor,
        at: At,
        params: ExportParams,
        predictions: bool,
        *,
        lean: bool = False,
        between: Stretch | None = None,
    ) -> None:
        self.reader = reader
        self.cursor = cursor
        self.at = at
        self.predictions = predictions
        self.params = params
        self.lean = lean
        self.page_rows = BARE_ROWS if lean and not params.data_row_details else PAGE_ROWS
        self.between = between
        self.label_columns = label_columns(params, lean=lean)
        self.met = 0
        """So many rows have come of a span, and labels where these are read beside them."""

    def fetch(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        self.cursor.execute(self.reader.sql(sql), tuple(parameters))
        return self.cursor.fetchall()

    def stream(
        self, stack: ExitStack, sql: str, parameters: Sequence[Any] = ()
    ) -> Iterator[list[tuple[Any, ...]]]:
        """The result of a statement, a page at a time."""
        cursor = stack.enter_context(self.reader.beside(self.cursor))
        cursor.execute(self.reader.sql(sql), tuple(parameters))
        while some := cursor.fetchmany(self.page_rows):
            self.met += len(some)
            yield some

    def few_keys(self, chosen: Iterable[Filter]) -> list[tuple[int, ...]] | None:
        """Keys by the first filter that leaves few, in order, with their versions where known; or None."""
        for one in chosen:
            if one.probe is None:
                continue
            found = self.fetch(f"{one.probe.sql} LIMIT {FEW + 1}", one.probe.parameters)
            if len(found) > FEW:
                continue
            if self.between is not None:
                above, up_to = self.between
                found = [key for key in found if above < key[0] <= up_to]
            if not self._moved():
                return sorted(set(found))
            if not one.moving:
                # The versions that were met may be later ones than those to read.
                return sorted({key[:1] for key in found})
        return None

    def _moved(self) -> bool:
        """Whether there have been changes since the state that is read."""
        query = f"SELECT c.sequence FROM collections c WHERE c.n = {self.at.collection}"
        return self.fetch(query) != [(self.at.sequence,)]

    def spans(self, keys: list[tuple[int, ...]] | None, filtered: bool) -> Iterator[Span]:
        """The corpus, cut into some pages each."""
        if keys is not None:
            source = iter(keys)
            # PostgreSQL sorts whole rows that it finds by number: no more than a page of them at once.
            sorts = not self.reader.is_sqlite and bool(keys) and len(keys[0]) > 1
            while some := list(islice(source, self.page_rows if sorts else SPAN_ROWS)):
                data_rows, *versions = (",".join(map(str, one)) for one in zip(*some, strict=True))
                of_labels = f"IN ({data_rows})"
                if not versions:
                    yield Span(f"r.data_row {of_labels} AND {self.at.of('r')}", of_labels, filtered)
                    continue
                # A version's own number spares the way through the index of rows. SQLite walks through the
                # numbers as they stand here, which no ORDER BY would tell it: it would sort whole rows, for a
                # third of the time of reading them. The plus keeps it from walking through an index instead.
                numbers = versions[0].replace(",", "),(")
                joined = f"(VALUES ({numbers})) AS k CROSS JOIN "
                of_rows = f"r.n = k.column1 AND {self.at.of('+r')}"
                yield Span(of_rows, of_labels, filtered, joined, in_order=not sorts)
            return
        low, top = self.between or self._ends()
        width = SPAN_ROWS
        while low < top:
            high = min(low + width, top)
            between = f"BETWEEN {low + 1} AND {high}"
            self.met = 0
            yield Span(f"r.data_row {between} AND {self.at.of('r')}", between, filtered)
            # Data rows of other projects may stand between, and filters leave few.
            width = min(2 * width, WIDEST) if self.met < SPAN_ROWS // 2 else SPAN_ROWS
            low = high if self.met else self._before_next(high, top)

    def _before_next(self, low: int, top: int) -> int:
        """The number before that of the next data row beyond one; the last where there is none."""
        ((following,),) = self.fetch(
            f"SELECT min(data_row) FROM rows WHERE collection = {self.at.collection} AND data_row > {low}"
        )
        return top if following is None else int(following) - 1

    def steps(self, rows: int) -> Iterator[Stretch]:
        """The corpus in stretches of so many versions of rows."""
        low, top = self.between or self._ends()
        while low < top:
            found = self.fetch(
                f"SELECT r.data_row FROM rows r WHERE r.collection = {self.at.collection}"
                f" AND r.data_row > {low} AND r.until > {self.at.sequence}"
                f" ORDER BY r.data_row LIMIT 1 OFFSET {rows - 1}"
            )
            high = min(found[0][0], top) if found else top
            yield Stretch(low, high)
            low = high

    def _ends(self) -> Stretch:
        ((low, top),) = self.fetch(
            f"SELECT (SELECT min(data_row) FROM rows WHERE collection = {self.at.collection}),"
            f" (SELECT max(data_row) FROM rows WHERE collection = {self.at.collection})"
        )
        return Stretch(0, 0) if top is None else Stretch(low - 1, top)

    def read(self, spans: Iterable[Span], tests: Sequence[Condition], since: int | None) -> Iterator[Page]:
        test = " AND ".join(one.sql for one in tests)
        parameters = [value for one in tests for value in one.parameters]
        deleted = "r.deleted"
        if since is None:
            where = "r.deleted = 0" + (f" AND {test}" if test else "")
        else:
            # A row that no longer passes the filter has left the export that the cursor came from.
            where = f"r.since > {since}"
            if test:
                deleted = f"CASE WHEN {test} THEN r.deleted ELSE 1 END"
        if self.lean:
            yield from self._read_lean(spans, where, parameters, None if since is None else deleted)
            return
        columns = f"r.data_row, {deleted}, {row_columns(self.params)}"
        joined = f"JOIN data_row_versions v ON v.n = r.version WHERE {where}"
        for span in spans:
            with ExitStack() as stack:
                found = self.stream(stack, span.select(columns, joined), parameters)
                if span.sparse:
                    for some in found:
                        yield Page(some, (self.part(f"IN ({','.join(str(row[0]) for row in some)})"),))
                    continue
                # Labels are read in step with their rows; asking for those of each page costs a tenth more.
                labels = Labels(self.stream(stack, self.labels_in(span.labels, 0)))
                predictions = Labels(
                    self.stream(stack, self.labels_in(span.labels, 1)) if self.predictions else iter(())
                )
                for some in found:
                    last = some[-1][0]
                    held = (grouped(labels.up_to(last)), grouped(predictions.up_to(last)))
                    yield Page(some, (Part(*held, {}),))

    def _read_lean(
        self, spans: Iterable[Span], where: str, parameters: Sequence[Any], deleted: str | None
    ) -> Iterator[Page]:
        """Rows joined with the label they lead to: by its number, which spares its index.

        `deleted` says which rows are gone, where some may be; it has the parameters.
        """
        odd, front = "WHEN r.label IS NULL THEN r.data_row", "r.front"
        if deleted is not None:
            odd = f"WHEN {deleted} = 1 THEN -r.data_row {odd}"
            if not self.params.data_row_details:
                front = f"CASE WHEN {deleted} = 1 THEN v.head ELSE r.front END"
                parameters = [*parameters, *parameters]
        found = lean_columns(self.params, front)
        columns, head = ", ".join(found), found.index("l.head")
        versions = "JOIN data_row_versions v ON v.n = r.version " if "v." in columns else ""
        joined = f"{versions}LEFT JOIN labels l ON l.n = r.label WHERE {where}"
        may_be_plain = is_plain = deleted is None and self._has_usual_tails()
        usual = ", ".join(column for column in found if column != "r.tail")
        for span in spans:
            read: int | None = 0
            if is_plain:
                read = yield from self._read_plain(span.select(usual, joined), parameters, head)
            if read is None:
                continue
            is_plain = may_be_plain
            with ExitStack() as stack:
                odder = span.select(f"CASE {odd} END, {columns}", joined)
                for some in self.stream(stack, f"{odder} LIMIT {_ALL} OFFSET {read}", parameters):
                    odd_ones = [str(row[0]) for row in some if row[0] is not None and row[0] > 0]
                    if odd_ones:
                        is_plain = False
                        yield Page(some, (), self.fetch(self.labels_in(f"IN ({','.join(odd_ones)})", 0)))
                    else:
                        yield Page(some, ())

    def _has_usual_tails(self) -> bool:
        """Whether all rows have, in whatever version: a column that is always the same need not be read."""
        return not self.fetch(
            f"SELECT 1 FROM rows WHERE collection = {self.at.collection} AND {UNUSUAL} LIMIT 1"
        )

    def _read_plain(
        self, sql: str, parameters: Sequence[Any], head: int
    ) -> Generator[Page, None, int | None]:
        """Pages up to one in which a row has no label or several, which has no `head`.

        Gives how many rows there were before; None where there was no such page. What is odd about a row is
        one more column: to read none of it takes a twentieth off the time of an export.
        """
        read = 0
        with ExitStack() as stack:
            for some in self.stream(stack, sql, parameters):
                if None in [row[head] for row in some]:
                    return read
                read += len(some)
                yield Page(some, (), plain=True)
        return None

    def part(self, span: str) -> Part:
        """The labels (and predictions) of some rows."""
        return Part(
            grouped(self.fetch(self.labels_in(span, 0))),
            grouped(self.fetch(self.labels_in(span, 1))) if self.predictions else {},
            {},
        )

    def labels_in(self, span: str, prediction: int) -> str:
        # The plus keeps SQLite from seeing that `prediction` is always the same: it would leave it out of the
        # order, find that the index has another order then, and sort.
        return (
            f"SELECT {self.label_columns} FROM labels l WHERE {self.at.of('l')}"
            f" AND +l.prediction = {prediction} AND l.data_row {span}"
            " ORDER BY l.data_row, l.prediction, l.position"
        )


def catalog_pages(
    reader: Reader, where: Condition, shown: Sequence[At], params: ExportParams, *, predictions: bool
) -> Iterator[Page]:
    """Pages of data rows whatever projects they are in, with what each shown project or run has of them."""
    with reader.raw(snapshot=True) as cursor:
        runs = [_Run(reader, cursor, at, params, predictions) for at in shown]
        low = 0
        columns = row_columns(params)
        for old, new in (("r.activity", "''"), ("r.tail", "''"), ("r.extra", "''")):
            columns = columns.replace(old, new)
        while True:
            cursor.execute(
                reader.sql(
                    f"SELECT d.n, 0, {columns} FROM data_rows d JOIN data_row_versions v ON v.n = d.version"
                    f" WHERE {where.sql} AND d.n > {low} ORDER BY d.n LIMIT {PAGE_ROWS}"
                ),
                where.parameters,
            )
            found = cursor.fetchall()
            if not found:
                return
            low = found[-1][0]
            span = f"IN ({','.join(str(row[0]) for row in found)})"
            parts = []
            extra = "r.extra" if params.project_details or params.model_run_details else "''"
            for run in runs:
                held = run.fetch(
                    f"SELECT r.data_row, r.tail, {extra}, r.activity"
                    f" FROM rows r WHERE {run.at.of('r')} AND r.deleted = 0 AND r.data_row {span}"
                )
                part = run.part(span)
                parts.append(part._replace(rows={one[0]: one[1:] for one in held}))
            yield Page(found, tuple(parts))
