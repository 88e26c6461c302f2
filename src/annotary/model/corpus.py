"""What flows: rows as the store holds them, rows as types, and what went wrong on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from annotary.model.base import Value
from annotary.model.carried import Extras
from annotary.model.export import ExportParams
from annotary.model.ontology import Ontology
from annotary.model.row import Row


class Problem(Value):
    """Something that cannot be taken over: where it stands, the value, and why."""

    place: str
    value: str
    reason: str


class Notice(Value):
    """Something taken over with a remark; `count` like it."""

    place: str
    value: str
    reason: str
    count: int = 1


class Parsed(NamedTuple):
    """A row out of a file: typed, with its unknown keys, the place it stood at and its bytes there."""

    row: Row
    extras: Extras
    place: str
    size: int = 0


class Section(NamedTuple):
    """One label as the store holds it; what follows `created_at` is JSON (`head`: members, no braces)."""

    data_row: int
    number: int
    id: bytes
    created_at: bytes
    head: bytes
    details: bytes
    performance: bytes
    annotations: bytes
    masks: bytes | None
    v1: bytes | None


class Record(NamedTuple):
    """One row as the store holds it.

    `head`, `details`, `media` and `tail` are members of a JSON object without its braces, the others whole
    values. `details` is open: the last activity follows it. In a project, `extra` is its project_details;
    in a model run, the data split.
    """

    number: int
    deleted: int
    head: bytes
    details: bytes
    activity: bytes
    media: bytes
    attachments: bytes
    metadata: bytes
    tail: bytes
    extra: bytes


class Page(NamedTuple):
    """A few hundred rows in order, as plain tuples in the order of Record and Section.

    `parts` holds, for each project or run shown, what it has of these rows, by row number. Plain tuples,
    because building an object for each row costs more than all the rest of an export.

    In a lean page the fields that were not asked for are left out altogether: every field read costs. A row
    has there None, its data row's own fields, its label's `head`, `details`, `performance` and `annotations`,
    its `tail` and `extra`; without details, `head` and `media` are one field, joined as they are written. In
    place of None there is a row's number where it has no label or several: these are in `flat`, in the order
    of the rows, after that number. A row that is gone has its number less than 0, and its `head`. In a lean
    page that is `plain` each row has one label and the usual tail, and neither None before nor that tail.
    """

    rows: list[tuple[Any, ...]]
    parts: tuple[Part, ...]
    flat: Sequence[tuple[Any, ...]] = ()
    plain: bool = False


class Part(NamedTuple):
    """What one project or run has of a page's rows, by row number; `rows` (tail, extra,
    last activity) only where several are shown."""

    labels: dict[int, list[tuple[Any, ...]]]
    predictions: dict[int, list[tuple[Any, ...]]]
    rows: dict[int, tuple[bytes, bytes, bytes]]


class Shown(NamedTuple):
    """A project or model run that a corpus shows, as of the export's instant."""

    kind: str
    id: str
    name: str
    model_id: str
    model_name: str
    ontology: Ontology


def _nothing(name: str) -> bytes:
    raise KeyError(name)


class Corpus(NamedTuple):
    """A stream of pages with what is needed to read them; it can be read once.

    `single` is true where rows carry their project's (or run's) fields themselves. `again` gives the
    pages once more; `pixels` a mask's PNG by the hash that a label's `masks` has. `lean` says that its
    pages are.
    """

    shown: tuple[Shown, ...]
    single: bool
    params: ExportParams
    pages: Iterable[Page]
    base_url: str
    rows: int | None = None
    again: Callable[[], Iterable[Page]] = tuple
    pixels: Callable[[str], bytes] = _nothing
    lean: bool = False


Report = Callable[[Problem], None]
Notify = Callable[[Notice], None]
Rows = Iterator[Parsed]
Json = Any
