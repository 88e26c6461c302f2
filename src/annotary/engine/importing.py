"""A stream of parsed rows into the store: one transaction, page by page.

A row with a problem is left out whole. What a file does not say of a row that is there already stays as
it is, so importing the same file twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any

import msgspec
from msgspec.structs import replace

from annotary.engine import metadata
from annotary.engine.aside import Aside
from annotary.engine.entries import NO_ROW, Entry, Origin, balanced, join
from annotary.engine.features import Unfit
from annotary.engine.findings import Findings
from annotary.engine.pages import Finder, Given, Page, page_of
from annotary.engine.places import Places
from annotary.engine.preparing import CHANGED, Item, take_ready
from annotary.engine.sharing import Sharing, Target
from annotary.engine.staging import Held, Staged, stage
from annotary.errors import Conflict, Invalid
from annotary.formats._json import shown
from annotary.model.corpus import Notice, Parsed, Problem
from annotary.model.image import Classes
from annotary.model.row import MetadataField
from annotary.store import Store
from annotary.store.arrivals import put_new
from annotary.store.changes import Change
from annotary.store.schema import front_of

NO_CONFIDENCE = "confidence and custom metrics belong to predictions and were left out of labels"
LINKED = "a mask known only by its URL keeps it and goes out with it"
INDEXED = 50_000
"""So many feature hashes are gathered and sorted before they are indexed: in the order of the index they go
in faster, and it is not written anew for every page of rows.
"""


class Importer:
    """One import, within one open transaction.

    `merges` says that a file may name a data row several times, as v1 does with a row a label; `flat`
    that it lists nested questions beside their parents; `by_name` that a feature's name decides where
    its schema id is of another ontology; `checks_metadata` that metadata must fit the schemas;
    `balances` that all that is stored is entered into the ledger. `taken` is told the place and the data
    row id of every row that is taken over.
    """

    def __init__(
        self,
        store: Store,
        target: Target,
        origin: Origin,
        findings: Findings,
        *,
        merges: bool = False,
        by_name: bool = True,
        flat: bool = False,
        checks_metadata: bool = False,
        balances: bool = False,
        taken: Callable[[str, str], None] | None = None,
    ) -> None:
        self.store = store
        self.origin = origin
        self.findings = findings
        self.merges = merges
        self.by_name = by_name
        self.balances = balances
        self.schemas = metadata.schemas(store) if checks_metadata else None
        self.taken = taken
        self.reread: Callable[[Item], Parsed | None] = lambda item: None
        self.places = Places(store, origin.now, origin.user)
        self.sharing = Sharing(self.places, target, store.org)
        self.finder = Finder(store, self.change, flat=flat)
        self.versions = store.numbering("data_row_versions")
        self.changes: dict[int, Change] = {}
        self.features: dict[int, list[int]] = {}
        self.reworked = 0
        self.rows = 0
        self.labels = 0
        self.annotations = 0

    def take(
        self,
        given: Iterable[Given],
        progress: Callable[[int], None] = lambda rows: None,
        settled: Callable[[bool], None] = lambda lazy: None,
        reread: Callable[[Item], Parsed | None] = lambda item: None,
    ) -> None:
        """Store all rows of a stream; problems go to the findings.

        `settled` is told after each page, and whether most of what was made ready was so for nothing;
        `reread` then reads the documents of those rows.
        While a page is worked out, the one before it is written, and what the store knows of the one after
        it is looked up: before the page itself is written, so again if both are about the same data row.
        """
        self.reread = reread
        source = iter(given)
        page = self._page(source)
        if page is None:
            return
        with Aside() as aside:
            self.places.settle = aside.settle
            held = aside.submit(self.finder.find, page)
            written: Future[None] | None = None
            before: set[int] = set()
            while page is not None:
                following = self._page(source)
                known = held.result()
                if not page.found.isdisjoint(before):
                    known = aside.submit(self.finder.find, page).result()
                apart = following is not None and page.keys.isdisjoint(following.keys)
                if following is not None and apart:
                    held = aside.submit(self.finder.find, following)
                staged = self._staged(page, known)
                settled(self.reworked > len(page.entries) // 2)
                if written is not None:
                    written.result()
                written = aside.submit(self._write, staged)
                if following is not None and not apart:
                    held = aside.submit(self.finder.find, following)
                before = page.found
                page = following
                progress(self.rows)
            aside.submit(self._index).result()
        self.places.keep_ontologies(self.change)

    def number(self, classes: Classes, carried: dict[str, Any]) -> None:
        """Give the classes of a training format their numbers, and their tools where they have none yet."""
        for place in self.places.all():
            place.features.number(classes, carried)
        self.places.keep_ontologies(self.change)

    def change(self, collection: int) -> Change:
        """This import's change of a project or run."""
        if collection not in self.changes:
            self.changes[collection] = self.store.change(collection)
        return self.changes[collection]

    def _page(self, source: Iterator[Given]) -> Page | None:
        """The next rows; None at the end."""
        while some := page_of(source):
            if entries := list(self._entries(some)):
                return Page(entries)
        return None

    def _staged(self, page: Page, held: Held) -> Staged:
        """What a page means for the store."""
        staged = Staged(merges=self.merges)
        self.reworked = 0
        place_of = {place.collection: place for place in self.places.all()}
        keys: dict[str | None, str] = {}
        for entry in self._once(page):
            entry.clash = entry.clash or keys.get(entry.global_key, "")
            try:
                if entry.item is not None and entry.known is None and not entry.clash:
                    take_ready(entry, entry.item.ready, staged, place_of)
                else:
                    self._stage(entry, staged, held)
                self.rows += 1
                if entry.global_key is not None:
                    keys[entry.global_key] = entry.id
                if self.balances:
                    balanced(entry, self.findings.ledger)
                if self.taken is not None:
                    self.taken(entry.place, entry.id)
            except Unfit as unfit:
                self._problem(entry.place, unfit)
                if self.balances:
                    balanced(entry, self.findings.ledger, unfit.reason)
            entry.release()
        self._count(staged)
        return staged

    def _stage(self, entry: Entry, staged: Staged, held: Held) -> None:
        """Work out what a row means for the store; raises Unfit."""
        if entry.item is not None:
            # What the store has of it counts: what was made ready does not know that.
            self.reworked += 1
            parsed = self.reread(entry.item)
            if parsed is None or parsed.row.data_row.id != entry.id:
                raise Invalid(f"{entry.place}: {CHANGED}")
            worked_out = self.sharing.entry(parsed)
            entry.row, entry.extras, entry.shares = parsed.row, parsed.extras, worked_out.shares
        self._check_metadata(entry)
        dataset = self.sharing.dataset(entry)
        mark = staged.mark()
        try:
            stage(entry, staged, held, self.origin, dataset, by_name=self.by_name)
        except Unfit:
            staged.back_to(mark)
            raise

    def _once(self, page: Page) -> Iterable[Entry]:
        """A page's data rows, each once: one may be named by its id here and by its global key there."""
        found: dict[int, Entry] = {}
        for entry in page.entries:
            same = found.setdefault(entry.number, entry)
            if same is entry:
                continue
            if self.merges:
                join(same.shares, entry.shares)
            else:
                self._twice(same, entry.place, entry.id)
        return found.values()

    def _count(self, staged: Staged) -> None:
        self.labels += staged.label_count
        self.annotations += staged.annotation_count
        for count, value, reason in (
            (staged.dropped_confidence, "confidence", NO_CONFIDENCE),
            (staged.linked_masks, "mask", LINKED),
        ):
            if count:
                self.findings.notify(Notice(place="labels", value=value, reason=reason, count=count))

    def _check_metadata(self, entry: Entry) -> None:
        """Metadata values as the organisation's schemas want them, where the format asks for that."""
        given = entry.row.metadata_fields
        if self.schemas is None or not isinstance(given, tuple):
            return
        try:
            text = metadata.upserted("[]", given, self.schemas)
        except Invalid as error:
            raise Unfit("metadata_fields", shown(msgspec.to_builtins(given)), str(error)) from None
        fields = msgspec.json.decode(text, type=tuple[MetadataField, ...])
        entry.row = replace(entry.row, metadata_fields=fields)

    def _problem(self, place: str, unfit: Unfit) -> None:
        where = f"{place} {unfit.path.lstrip('.')}".strip()
        self.findings.report(Problem(place=where, value=unfit.value, reason=unfit.reason))

    # What a page names

    def _entries(self, some: list[Given]) -> Iterator[Entry]:
        """Data rows, each with all that the page says of it."""
        found: dict[str, Entry] = {}
        for one in some:
            if isinstance(one, Item):
                key, entry = one.ready.id, _ready(one)
                if key in found:
                    self._twice(found[key], one.place, key)
                else:
                    found[key] = entry
                continue
            given = one.row.data_row
            key = given.id or f"{given.global_key or ''}\x1f{given.external_id or ''}\x1f{given.row_data}"
            try:
                entry = self.sharing.entry(one)
            except Unfit as unfit:
                self._problem(one.place, unfit)
                continue
            if key not in found:
                found[key] = entry
            elif self.merges:
                join(found[key].shares, entry.shares)
            else:
                self._twice(found[key], one.place, given.id or given.row_data)
        yield from found.values()

    def _twice(self, first: Entry, place: str, id: str) -> None:
        reason = f"the same data row stands twice, first at {first.place}"
        self._problem(place, Unfit("data_row", id, reason))

    # Writing

    def _write(self, page: Staged) -> None:
        for place, id, name in page.batches:
            self.places.see_batch(place, id, name)
        collections = {one[0] for one in page.rows} | {one[0] for one in page.labels}
        collections.update([row.collection for row in page.new])
        self._lock(page, collections)
        version_of = self._write_data_rows(page)
        versions = {
            entry.number: (version_of[entry.number], front_of(texts[0], texts[2]))
            for entry, texts in page.versions
        }
        for collection in sorted(collections):
            change = self.change(collection)
            new: list[dict[str, Any]] = []
            old: list[dict[str, Any]] = []
            for at, entry, fields, there in page.rows:
                if at == collection:
                    fields["data_row"] = entry.number
                    fields["version"] = version_of.get(entry.number) or entry.known.version
                    (old if there else new).append(fields)
            labels = [one for one in page.labels if one[0] == collection]
            change.put_labels(
                [columns for _, columns, there in labels if not there],
                [columns for _, columns, there in labels if there],
            )
            change.put_rows(new, old)
            if arrived := [row for row in page.new if row.collection == collection]:
                self.features.setdefault(collection, []).extend(
                    put_new(change, arrived, self.store.numbering("labels"), versions)
                )
        for at, found in page.features:
            self.features.setdefault(at, []).extend(found)
        if sum(map(len, self.features.values())) > INDEXED:
            self._index()
        self._spread(page, version_of)
        for png in page.pngs.values():
            with self.store.transaction() as connection:
                self.store.blobs.put(png, connection)

    def _lock(self, page: Staged, collections: set[int]) -> None:
        """Keep others from what is written: collections first, then data rows. Raises Conflict."""
        moved = [entry for entry, _ in page.versions if not entry.fresh]
        touched = {one for entry in moved for one in self.store.collections_of(entry.number)}
        for collection in sorted(collections | touched):
            self.change(collection)
        written = [entry for entry, _ in page.versions] + [one[1] for one in page.rows]
        known = {entry.number: entry.known for entry in written if entry.known is not None}
        if known:
            present = self.store.lock_data_rows(sorted(known))
            for number, seen in known.items():
                if present[number] != seen:
                    raise Conflict(f"data row {seen.id!r} was changed meanwhile; import again")

    def _index(self) -> None:
        """Index the features gathered so far."""
        for collection, found in sorted(self.features.items()):
            found.sort()
            self.change(collection).put_features(found)
        self.features.clear()

    def _write_data_rows(self, page: Staged) -> dict[int, int]:
        """Write data rows and versions; the new version of each by data row."""
        numbers = self.versions.take(len(page.versions))
        version_of = {entry.number: number for (entry, _), number in zip(page.versions, numbers, strict=True)}
        self.store.put_data_rows(
            [
                (entry.number, entry.id, dataset, key, version_of[entry.number])
                for entry, dataset, key in page.data_rows
                if entry.known is None
            ],
            [(version_of[entry.number], *texts) for entry, texts in page.versions],
        )
        for entry, dataset, own_key in page.data_rows:
            if entry.known is not None:
                # It was deleted once; its number and its id stayed its own.
                version = version_of[entry.number]
                self.store.point_data_row(entry.number, version, dataset=dataset, global_key=own_key)
        for entry, _ in page.versions:
            if not entry.fresh:
                columns = {} if entry.global_key is None else {"global_key": entry.global_key}
                self.store.point_data_row(entry.number, version_of[entry.number], **columns)
        return version_of

    def _spread(self, page: Staged, version_of: dict[int, int]) -> None:
        """Let the other projects and runs of a changed data row see its new version."""
        for entry, _ in page.versions:
            if entry.known is None:
                continue
            for collection in self.store.collections_of(entry.number):
                if any(at == collection and one is entry for at, one, *_ in page.rows):
                    continue
                change = self.change(collection)
                for present in change.rows([entry.number]).values():
                    activity = max(present["activity"], self.origin.now)
                    version = version_of[entry.number]
                    change.put_rows([], [{**present, "version": version, "activity": activity}])


def _ready(item: Item) -> Entry:
    ready = item.ready
    return Entry(NO_ROW, (), item.place, ready.id, ready.global_key, item=item)
