"""A stream of parsed rows into the store: one transaction, page by page.

A row with a problem is left out whole. What a file does not say of a row that is there already stays as
it is, so importing the same file twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from annotary.engine import metadata
from annotary.engine.aside import Aside
from annotary.engine.entries import Entry, Origin, Share, balanced, data_row_id, join
from annotary.engine.features import Unfit
from annotary.engine.findings import Findings
from annotary.engine.pages import Finder, Page, page_of
from annotary.engine.places import Place, Places
from annotary.engine.staging import Held, Staged, stage
from annotary.errors import Conflict, Invalid
from annotary.formats._json import shown
from annotary.model.carried import Extras, below
from annotary.model.corpus import Notice, Parsed, Problem
from annotary.model.image import Classes
from annotary.model.project import Dataset
from annotary.model.row import DataRowDetails, Label, MetadataField, ProjectDetails, ProjectPart
from annotary.store import Store
from annotary.store.changes import Change

NO_CONFIDENCE = "confidence and custom metrics belong to predictions and were left out of labels"
LINKED = "a mask known only by its URL keeps it and goes out with it"
INDEXED = 50_000
"""So many feature hashes are gathered and sorted before they are indexed: in the order of the index they go
in faster, and it is not written anew for every page of rows.
"""


class Target(NamedTuple):
    """Where the user wants rows; None for what the file says.

    `project` is an id and a name, `unnamed` that of rows whose file names none; `run` the ids and names of a
    run and its model.
    """

    project: tuple[str, str] | None = None
    run: tuple[str, str, str, str] | None = None
    dataset: str | None = None
    unnamed: tuple[str, str] | None = None


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
        self.target = target
        self.origin = origin
        self.findings = findings
        self.merges = merges
        self.by_name = by_name
        self.balances = balances
        self.schemas = metadata.schemas(store) if checks_metadata else None
        self.taken = taken
        self.places = Places(store, origin.now, origin.user)
        self.finder = Finder(store, self.change, flat=flat)
        self.versions = store.numbering("data_row_versions")
        self.changes: dict[int, Change] = {}
        self.features: dict[int, list[int]] = {}
        self.rows = 0
        self.labels = 0
        self.annotations = 0

    def take(self, parsed: Iterable[Parsed], progress: Callable[[int], None] = lambda rows: None) -> None:
        """Store all rows of a stream; problems go to the findings.

        While a page is worked out, the one before it is written, and what the store knows of the one after
        it is looked up: before the page itself is written, so again if both are about the same data row.
        """
        source = iter(parsed)
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

    def _page(self, source: Iterator[Parsed]) -> Page | None:
        """The next rows; None at the end."""
        while some := page_of(source):
            if entries := list(self._entries(some)):
                return Page(entries)
        return None

    def _staged(self, page: Page, held: Held) -> Staged:
        """What a page means for the store."""
        staged = Staged(merges=self.merges)
        keys: dict[str | None, str] = {}
        for entry in self._once(page):
            mark = staged.mark()
            entry.clash = entry.clash or keys.get(entry.global_key, "")
            try:
                self._check_metadata(entry)
                stage(entry, staged, held, self.origin, self._dataset(entry), by_name=self.by_name)
                self.rows += 1
                if entry.global_key is not None:
                    keys[entry.global_key] = entry.id
                if self.balances:
                    balanced(entry, self.findings.ledger)
                if self.taken is not None:
                    self.taken(entry.place, entry.id)
            except Unfit as unfit:
                staged.back_to(mark)
                self._problem(entry.place, unfit)
                if self.balances:
                    balanced(entry, self.findings.ledger, unfit.reason)
            entry.release()
        self._count(staged)
        return staged

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
                reason = f"the same data row stands twice, first at {same.place}"
                self._problem(entry.place, Unfit("data_row", entry.id, reason))
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

    def _entries(self, some: list[Parsed]) -> Iterator[Entry]:
        """Data rows, each with all that the page says of it."""
        found: dict[str, Entry] = {}
        for one in some:
            given = one.row.data_row
            key = given.id or f"{given.global_key or ''}\x1f{given.external_id or ''}\x1f{given.row_data}"
            try:
                shares = self._shares(one)
            except Unfit as unfit:
                self._problem(one.place, unfit)
                continue
            if key not in found:
                own = given.global_key if isinstance(given.global_key, str) and given.global_key else None
                found[key] = Entry(one.row, one.extras, one.place, given.id, own, shares=shares)
            elif self.merges:
                join(found[key].shares, shares)
            else:
                reason = f"the same data row stands twice, first at {found[key].place}"
                self._problem(one.place, Unfit("data_row", given.id or given.row_data, reason))
        for entry in found.values():
            if not entry.id and entry.row.data_row.row_data:
                entry.id = data_row_id(entry.row, self.target.dataset or "", self.store.org)
            yield entry

    def _shares(self, one: Parsed) -> list[Share]:
        """What a row brings to which projects and runs."""
        row, extras = one.row, one.extras
        parts = dict(row.projects)
        if self.target.project is not None:
            parts = parts or {"": ProjectPart()}
            if len(parts) > 1:
                raise Unfit(
                    "projects", ", ".join(parts), "the row is in several projects; leave --project out"
                )
        found = []
        for key, part in parts.items():
            at = below(extras, "projects", key)
            labels = _labels(part.labels, below(at, "labels"))
            if self.target.run is not None:
                found.append(Share(self.places.run(*self.target.run), [], labels, None, ()))
            else:
                found.append(Share(self._project(key, part), labels, [], part, at))
        for model_id, experiment in row.experiments.items():
            for run_id, held in experiment.runs.items():
                at = below(extras, "experiments", model_id, "runs", run_id)
                named = (run_id, _text(held.name), model_id, _text(experiment.name))
                predictions = held.predictions if isinstance(held.predictions, tuple) else ()
                found.append(
                    Share(
                        self.places.run(*(self.target.run or named)),
                        _labels(held.labels, below(at, "labels")),
                        _labels(predictions, below(at, "predictions")),
                        held,
                        at,
                    )
                )
        return found

    def _project(self, key: str, part: ProjectPart) -> Place:
        details = part.project_details
        ontology = _text(details.ontology_id) if isinstance(details, ProjectDetails) else None
        if self.target.project is not None:
            return self.places.project(*self.target.project, ontology)
        if not key and self.target.unnamed is not None:
            return self.places.project(*self.target.unnamed, ontology)
        if not key:
            raise Unfit("", "nothing", "the file names no project; give --project NAME")
        return self.places.project(key, _text(part.name) or _text(part.project_name), ontology)

    def _dataset(self, entry: Entry) -> Dataset:
        if not entry.fresh:
            return self.places.dataset(entry.known.dataset, None)
        if self.target.dataset is not None:
            return self.places.dataset(None, self.target.dataset)
        details = entry.row.data_row.details
        said = details if isinstance(details, DataRowDetails) else DataRowDetails()
        return self.places.dataset(_text(said.dataset_id), _text(said.dataset_name))

    # Writing

    def _write(self, page: Staged) -> None:
        for place, id, name in page.batches:
            self.places.see_batch(place, id, name)
        collections = {one[0] for one in page.rows} | {one[0] for one in page.labels}
        self._lock(page, collections)
        version_of = self._write_data_rows(page)
        for collection in sorted(collections):
            change = self.change(collection)
            new: list[dict[str, Any]] = []
            old: list[dict[str, Any]] = []
            for at, entry, fields, there in page.rows:
                if at == collection:
                    fields["data_row"] = entry.number
                    fields["version"] = version_of.get(entry.number) or entry.known.version
                    (old if there else new).append(fields)
            change.put_rows(new, old)
            labels = [one for one in page.labels if one[0] == collection]
            change.put_labels(
                [columns for _, columns, there in labels if not there],
                [columns for _, columns, there in labels if there],
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


def _labels(labels: tuple[Label, ...], extras: Extras) -> list[tuple[Label, Extras]]:
    return [(label, below(extras, index)) for index, label in enumerate(labels)]


def _text(given: Any) -> str | None:
    return given if given is not UNSET and given else None
