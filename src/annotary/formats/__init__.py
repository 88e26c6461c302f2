"""Formats: what turns rows into files and files into rows. A format is one file of this folder.

The file's name is the format's name (`labelbox_v2.py` is `labelbox-v2`); other packages add formats as
entry points of the group `annotary.formats`.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, NamedTuple, Protocol

import msgspec

from annotary.errors import Invalid
from annotary.model.corpus import Corpus, Notify, Parsed, Report
from annotary.model.ontology import Normalized

GROUP = "annotary.formats"


class Part(NamedTuple):
    """A piece of a file; the pieces of one path come one after the other."""

    path: str
    data: bytes


class Source(Protocol):
    """What is read: the bytes of one file, and its neighbours by relative name."""

    name: str

    def chunks(self) -> Iterator[bytes]:
        """The file from its start, in pieces."""

    def neighbour(self, path: str) -> bytes | None:
        """A file beside it (or in the folder of images), never outside; None where there is none."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The options of a format; flags, routes and docs derive from its fields."""

    def one_file(self) -> bool:
        """Whether a format that writes lines writes nothing but these."""
        return True

    def document(self) -> bool:
        """Whether a format that writes lines writes one JSON document in place of them."""
        return False

    def lean(self) -> bool:
        """Whether the format takes a project's pages lean."""
        return False


class Reading(NamedTuple):
    """Where a reader's remarks go."""

    report: Report
    notify: Notify


class Format(NamedTuple):
    """A file layout.

    `lines`: it writes one file of JSON lines, which a sink may turn into an array. `claims` recognises a
    file by its first JSON document. `merges`: several of its rows may be of one data row. `ids_decide`:
    a schema id that the ontology lacks is a problem, even where the name is known. `shows_all`: it has no
    parameters, every section is written. `flat`: nested questions stand beside their parents.
    `checks_metadata`: metadata values must fit the organisation's schemas.
    """

    title: str
    options: type[Options] = Options
    write: Callable[[Corpus, Any], Iterator[Part]] | None = None
    read: Callable[[Source, Any, Reading], Iterator[Parsed]] | None = None
    claims: Callable[[dict[str, Any]], bool] | None = None
    read_ontology: Callable[[Source], Normalized] | None = None
    lines: bool = False
    merges: bool = False
    ids_decide: bool = False
    shows_all: bool = False
    flat: bool = False
    checks_metadata: bool = False
    says: str = ""


def names() -> tuple[str, ...]:
    """The names of all formats, in alphabetical order."""
    own = {
        module.name.replace("_", "-")
        for module in pkgutil.iter_modules(__path__)
        if not module.name.startswith("_")
    }
    return tuple(sorted(own | {entry.name for entry in entry_points(group=GROUP)}))


@cache
def load(name: str) -> Format:
    """A format by its name; raises Invalid."""
    name = name.replace("_", "-")
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            return _checked(name, entry.load())
    if name not in names():
        raise Invalid(f"unknown format {name!r}; known: {', '.join(names())}")
    return _checked(name, import_module(f"{__name__}.{name.replace('-', '_')}").FORMAT)


def options_of(name: str, given: dict[str, Any]) -> Options:
    """The options of a format, checked; raises Invalid."""
    kind = load(name).options
    unknown = sorted(set(given) - set(kind.__struct_fields__))
    if unknown:
        known = ", ".join(kind.__struct_fields__) or "none"
        raise Invalid(f"{name} has no option {unknown[0]!r}; it has: {known}")
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise Invalid(f"{name}: {error}") from None


def _checked(name: str, found: Any) -> Format:
    if not isinstance(found, Format):
        raise Invalid(f"the package that adds format {name!r} does not give an annotary Format")
    return found
