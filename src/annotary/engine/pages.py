"""Pages of data rows on their way in, and what the store knows of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from annotary.engine.entries import Entry
from annotary.engine.preparing import Item
from annotary.engine.staging import Held
from annotary.model.corpus import Parsed
from annotary.store import Store
from annotary.store.changes import Change

PAGE = 256
"""So many rows are looked up and written at once: few enough to be gone before the cycle collector comes by,
enough for the database's thread not to take turns with the other one all the time.
"""
PAGE_BYTES = 4 << 20
"""A page has no more rows once it has so many bytes of its file: values take several times as much."""

Given = Parsed | Item
"""A row as it comes to an import: parsed, or a document that may have been made ready."""


def page_of(source: Iterator[Given]) -> list[Given]:
    """The next rows, as many as make a page."""
    found = []
    size = 0
    for one in islice(source, PAGE):
        found.append(one)
        size += one.size
        if size > PAGE_BYTES:
            break
    return found


@dataclass(slots=True)
class Page:
    """Data rows that are looked up and written together.

    `found` are the numbers of those that the store has under an id or global key that the page names.
    """

    entries: list[Entry]
    found: set[int] = field(default_factory=set)

    def global_keys(self) -> list[str]:
        """The global keys that rows come with."""
        return [entry.global_key for entry in self.entries if entry.global_key is not None]

    @property
    def keys(self) -> set[str]:
        """All that its rows are looked up by."""
        return {*self.global_keys(), *[entry.id for entry in self.entries if entry.id]}


def _collections(entry: Entry) -> list[int]:
    """The projects and runs that a row is for."""
    if entry.item is not None:
        return [row.collection for row in entry.item.ready.rows]
    return [share.place.collection for share in entry.shares]


class Finder:
    """Looks up the data rows of pages; `change` gives an import's change of a project or run."""

    def __init__(self, store: Store, change: Callable[[int], Change], *, flat: bool) -> None:
        self.store = store
        self.change = change
        self.flat = flat
        self.numbers = store.numbering("data_rows")

    def find(self, page: Page) -> Held:
        """What the store knows of a page's data rows; those that are not there get numbers."""
        self._find(page)
        known = [entry for entry in page.entries if entry.known is not None]
        if not known:
            return Held(flat=self.flat)
        held = Held(sections=self.store.sections(entry.known.version for entry in known), flat=self.flat)
        numbers: dict[int, list[int]] = {}
        for entry in known:
            for at in _collections(entry):
                numbers.setdefault(at, []).append(entry.number)
        for collection, some in numbers.items():
            change = self.change(collection)
            held.rows[collection] = change.rows(some)
            held.labels[collection] = change.labels(some)
            held.own[collection] = change.sequence if change.made else -1
        return held

    def _find(self, page: Page) -> None:
        """Which data rows are there already, by id or by global key."""
        by_id = self.store.data_rows_by("id", [entry.id for entry in page.entries if entry.id])
        by_key = self.store.data_rows_by("global_key", page.global_keys())
        page.found = {known.n for known in (*by_id.values(), *by_key.values())}
        new = []
        for entry in page.entries:
            owner = by_key.get(entry.global_key) if entry.global_key is not None else None
            entry.known = by_id.get(entry.id)
            if entry.known is None and owner is not None and not entry.item and not entry.row.data_row.id:
                entry.known = owner
            entry.clash = ""
            if owner is not None and owner.id != (entry.known.id if entry.known else entry.id):
                entry.clash = owner.id
            if entry.known is not None:
                entry.id, entry.number = entry.known.id, entry.known.n
            else:
                new.append(entry)
        for entry, number in zip(new, self.numbers.take(len(new)), strict=True):
            entry.number = number
