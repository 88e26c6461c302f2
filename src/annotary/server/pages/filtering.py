"""The filter as addresses spell it: the same query on every page of a project, in the words of the flags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, get_args
from urllib.parse import urlencode

from msgspec import UNSET
from msgspec.structs import replace

from annotary.errors import Invalid
from annotary.model import moment
from annotary.model.export import STATUS, ExportFilters, LabelRule, Range, filters_from

OPEN = "-"
"""An open end of a range, as on the command line."""
RANGES = {"last_activity_at": "last activity", "label_created_at": "label created"}
LISTS = {
    "class": ("class_names", "class"),
    "kind": ("kinds", "kind"),
    "batch_id": ("batch_ids", "batch"),
    "data_row_id": ("data_row_ids", "data row"),
    "global_key": ("global_keys", "global key"),
    "external_id": ("external_ids", "external id"),
}
"""Filters with several values: the field and the words of each."""
NAMES = (*RANGES, "workflow_status", *LISTS, "no_objects")
LABELS = "labels"
LABEL_RULES: tuple[tuple[LabelRule, str], ...] = (
    ("all", "all of them"),
    ("latest", "the latest"),
    ("benchmark", "the benchmark"),
    ("consensus", "the best by consensus"),
)
"""Which of several labels of a row, in words."""
_STATUS_SAID = {stored: said for said, stored in STATUS.items()}
STATUS_WORDS = {"TO_LABEL": "to label", "IN_REVIEW": "in review", "IN_REWORK": "in rework", "DONE": "done"}
_TRUE, _FALSE = ("1", "true"), ("0", "false")
_BETWEEN, _LINES = ("_from", "_to"), "_lines"
"""What the fields of the form without script are called: two dates for a range, lines for a list."""

Pairs = Sequence[tuple[str, str]]


class Chip(NamedTuple):
    """A part of the filter in words, and the query without it. `value` is None for a filter as a whole."""

    name: str
    value: str | None
    label: str
    without: str


def pairs_of(params: Any) -> list[tuple[str, str]]:
    """The pairs of a request's query; of a list of pairs itself."""
    return list(params.multi_items() if hasattr(params, "multi_items") else params)


def filters_of(params: Any) -> ExportFilters:
    """The filter in a query; what is empty there is not given. Raises Invalid."""
    given: dict[str, Any] = {}
    for name, value in _spelt(pairs_of(params)):
        if name in LISTS:
            given.setdefault(LISTS[name][0], []).append(value)
        elif name in given:
            raise Invalid(f"{name}: given more than once; give it once")
        elif name in RANGES:
            given[name] = _range(name, value)
        elif name == "no_objects":
            given[name] = _is_so(name, value)
        else:
            given[name] = value
    return filters_from({name: value for name, value in given.items() if value is not False})


def labels_of(params: Any) -> LabelRule:
    """Which of several labels of a row a query asks for; raises Invalid."""
    rule = next((value for name, value in pairs_of(params) if name == LABELS and value), "all")
    for known in get_args(LabelRule):
        if rule == known:
            return known  # type: ignore[no-any-return] # get_args knows nothing of types
    raise Invalid(f"{LABELS}: {rule[:80]!r} is none of {', '.join(get_args(LabelRule))}")


def _spelt(pairs: Pairs) -> Iterator[tuple[str, str]]:
    """The filter's pairs, with the form's fields in the words of addresses."""
    ends = {name: value for name, value in pairs if value}
    for name in RANGES:
        low, high = (ends.get(name + ending, OPEN) for ending in _BETWEEN)
        if (low, high) != (OPEN, OPEN):
            yield name, f"{low},{high}"
    for name, value in pairs:
        if name in RANGES and any(name + ending in ends for ending in _BETWEEN):
            continue
        if name in NAMES and value:
            yield name, value
        elif name.endswith(_LINES) and name.removesuffix(_LINES) in LISTS:
            for line in value.splitlines():
                if line.strip():
                    yield name.removesuffix(_LINES), line.strip()


def _range(name: str, value: str) -> list[str | None]:
    ends = value.split(",")
    if len(ends) != 2:
        raise Invalid(f"{name}: {value[:80]!r} is not START,END; give two dates, {OPEN} for an open end")
    return [None if end.strip() in ("", OPEN) else end.strip() for end in ends]


def _is_so(name: str, value: str) -> bool:
    if value not in (*_TRUE, *_FALSE):
        raise Invalid(f"{name}: {value[:80]!r} is neither 1 nor 0")
    return value in _TRUE


def is_of_form(params: Any) -> bool:
    """Whether a query came from the form without script, and has a shorter address."""
    return any(
        not value or name.endswith((*_BETWEEN, _LINES))
        for name, value in pairs_of(params)
        if is_of_filter(name)
    )


def is_of_filter(name: str) -> bool:
    """Whether something in a query is the filter's, rather than the page's own."""
    for ending in (*_BETWEEN, _LINES):
        name = name.removesuffix(ending)
    return name in NAMES or name == LABELS


def query_pairs(filters: ExportFilters, labels: LabelRule = "all") -> list[tuple[str, str]]:
    """The filter as pairs of a query, always in the same order."""
    found: list[tuple[str, str]] = []
    for name in RANGES:
        given = getattr(filters, name)
        if isinstance(given, Range):
            ends = (_end(given.start, end=False), _end(given.end, end=True))
            found.append((name, ",".join(ends)))
    if isinstance(filters.workflow_status, str):
        found.append(("workflow_status", _STATUS_SAID[filters.workflow_status]))
    for name, (field, _) in LISTS.items():
        given = getattr(filters, field)
        if isinstance(given, tuple):
            found += [(name, value) for value in given]
    if filters.no_objects is True:
        found.append(("no_objects", "1"))
    if labels != "all":
        found.append((LABELS, labels))
    return found


def query_of(filters: ExportFilters, labels: LabelRule = "all") -> str:
    """The filter as the query of an address, without its question mark; empty where nothing is filtered."""
    return urlencode(query_pairs(filters, labels), errors="surrogatepass")


def _end(text: str | None, *, end: bool) -> str:
    """An end of a range: a day where it is one, else the instant."""
    if text is None:
        return OPEN
    return text[:10] if moment.bound(text[:10], end=end) == text else moment.shown_v1(text)


def chips_of(
    filters: ExportFilters, labels: LabelRule = "all", *, batches: Mapping[str, str] | None = None
) -> list[Chip]:
    """The filter in words, a chip for each value; `batches` are the names of batches by their ids."""
    return [
        Chip(name, value, label, query_of(without(filters, name, value), labels))
        for name, value, label in _told(filters, batches or {})
    ]


def words_of(filters: ExportFilters, labels: LabelRule = "all") -> str:
    """The filter as one line for people; empty where nothing is filtered."""
    said = [label for _, _, label in _told(filters, {})]
    return ", ".join([*said, f"labels: {labels}"] if labels != "all" else said)


def _told(filters: ExportFilters, batches: Mapping[str, str]) -> Iterator[tuple[str, str | None, str]]:
    for name, said in RANGES.items():
        given = getattr(filters, name)
        if isinstance(given, Range):
            yield name, None, f"{said} {_between(given)}"
    if isinstance(filters.workflow_status, str):
        yield "workflow_status", None, STATUS_WORDS[filters.workflow_status]
    for name, (field, said) in LISTS.items():
        given = getattr(filters, field)
        for value in given if isinstance(given, tuple) else ():
            shown = batches.get(value, value) if name == "batch_id" else value
            yield name, value, f"{said}: {shown}"
    if filters.no_objects is True:
        yield "no_objects", None, "no objects"


def _between(given: Range) -> str:
    start, end = _end(given.start, end=False), _end(given.end, end=True)
    if given.start is None:
        return f"until {end}"
    return f"from {start}" if given.end is None else f"{start} to {end}"


def without(filters: ExportFilters, name: str, value: str | None = None) -> ExportFilters:
    """The filter less one value, or less all of a filter."""
    field = LISTS[name][0] if name in LISTS else name
    if value is not None:
        left = tuple(one for one in getattr(filters, field) if one != value)
        return replace(filters, **{field: left or UNSET})
    return replace(filters, **{field: UNSET})


def toggled(filters: ExportFilters, name: str, value: str) -> ExportFilters:
    """The filter with a value of a list more, or less where it was there."""
    field = LISTS[name][0]
    given = getattr(filters, field)
    present: Iterable[str] = given if isinstance(given, tuple) else ()
    if value in present:
        return without(filters, name, value)
    return replace(filters, **{field: (*present, value)})


def end_fields(filters: ExportFilters) -> dict[str, str]:
    """What the form's fields of dates show, by name: a day, an instant, or nothing."""
    shown: dict[str, str] = {}
    for name in RANGES:
        given = getattr(filters, name)
        ends = (given.start, given.end) if isinstance(given, Range) else (None, None)
        for ending, text in zip(_BETWEEN, ends, strict=True):
            shown[name + ending] = "" if text is None else _end(text, end=ending == _BETWEEN[1])
    return shown
