"""Formats: what turns rows into files and files into rows. A format is one file of this folder.

The file's name is the format's name (`labelbox_v2.py` is `labelbox-v2`); other packages add formats as
entry points of the group `annotary.formats`.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from annotary.errors import Invalid
from annotary.model.corpus import Notify, Parsed, Report
from annotary.model.image import Classes
from annotary.model.ledger import Ledger
from annotary.model.ontology import Normalized

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "annotary.formats"


class Part(NamedTuple):
    """A piece of a file; the pieces of one path come one after the other.

    `link` is a file of this machine that the path shall lead to, in place of bytes.
    """

    path: str
    data: bytes
    link: str = ""


class Source(Protocol):
    """What is read: one file, a folder or an archive. Paths are relative with `/` and never lead outside."""

    name: str

    def chunks(self) -> Iterator[bytes]:
        """The file from its start, in pieces; nothing for a folder or an archive."""

    def neighbour(self, path: str) -> bytes | None:
        """A file in it, beside it, or in the folder of images, never outside; None where there is none."""

    def paths(self) -> Iterable[str]:
        """The files of a folder or archive in order of name; of one file its own name."""

    def open(self, path: str) -> Iterator[bytes]:
        """One of `paths()` in pieces; raises Invalid where it cannot be read or is too large."""

    def size_of(self, path: str) -> tuple[int, int] | None:
        """Width and height of a picture (upright), from its header alone; None where there is none."""

    def located(self, path: str) -> str:
        """Where `Image.local` is: a path, or `zip:` and a member; empty where it is not there."""


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

    def in_stretches(self) -> bool:
        """Whether stretches of rows may be written apart, where the format says how."""
        return True


class TrainingOptions(Options, frozen=True):
    """The options of every training format."""

    split: Annotated[
        tuple[float, ...],
        Meta(description="shares of train, val and test, such as 0.8,0.1,0.1; default: the split rows have"),
    ] = ()
    seed: Annotated[int, Meta(description="another number, another split")] = 0
    split_by: Annotated[
        str, Meta(description="images of one value of this metadata field stay together in one split")
    ] = ""
    stratify: Annotated[bool, Meta(description="the same shares within each class, by an image's rarest")] = (
        False
    )
    class_index: Annotated[
        dict[str, int], Meta(description="a file that numbers the classes: lines of names, or JSON or YAML")
    ] = {}
    images: Annotated[
        Literal["skip", "link", "copy"],
        Meta(
            description="the images' own files, if they are to be had: none, as links in a folder, or copied"
        ),
    ] = "link"

    def in_stretches(self) -> bool:
        """Unless all marks of an image are looked at for its split."""
        return not self.stratify

    def sheets(self) -> bool:
        """Whether the format takes plain rows in sheets."""
        return False


class Reading(NamedTuple):
    """Where a reader's remarks go.

    Readers of training formats report losses to the `ledger`, add `classes` as they meet them, and put
    what the file says of the whole into `carried`, under the format's name.
    """

    report: Report
    notify: Notify
    ledger: Ledger
    classes: Classes
    carried: dict[str, Any]


def reading(report: Report, notify: Notify, ledger: Ledger | None = None) -> Reading:
    """A Reading whose classes are not known yet."""
    return Reading(report, notify, Ledger() if ledger is None else ledger, Classes(), {})


def in_order(parts: Iterator[Part], options: Any) -> Iterator[Part]:
    """The parts of all stretches, one after the other, where they are the whole."""
    return parts


Prepare = Callable[[Any, Any], Callable[[Any], Any]]
"""Of an ImageSet and options: what a training format makes of a list of Images (or of a Sheet, where the
options say that it takes these) without knowing any others, in values that can be pickled. None says that
they are for who knows the rows before. `write` finds what was made in their place, as Prepared."""


class Apart(NamedTuple):
    """How stretches of a corpus are written apart, by several processes.

    `write` gives the parts of one, `join` makes those of all the whole: what the format's own `write` gives.
    """

    write: Callable[[Any, Any], Iterator[Part]]
    join: Callable[[Iterator[Part], Any], Iterator[Part]] = in_order


class Format(NamedTuple):
    """A file layout.

    `images`: a training format; it writes an ImageSet and reads Images. Other formats write a Corpus of
    pages and read Parsed rows. `starts` recognises a file by its first 64 KiB, `folder` a folder or archive.
    `lines`: it writes one file of JSON lines, which a sink may turn into an array. `claims` recognises a
    file by its first JSON document. `merges`: several of its rows may be of one data row. `ids_decide`:
    a schema id that the ontology lacks is a problem, even where the name is known. `shows_all`: it has no
    parameters, every section is written. `flat`: nested questions stand beside their parents.
    `checks_metadata`: metadata values must fit the organisation's schemas. `ending` is that of its one file.
    `parse`: its file is JSON documents, each of which is a row by itself; `read` gives the same. `apart`: its
    rows may be written in stretches. `prepare` is the same of a training format: what it makes of rows by
    themselves.
    """

    title: str
    options: type[Options] = Options
    write: Callable[[Any, Any], Iterator[Part]] | None = None
    read: Callable[[Source, Any, Reading], Iterator[Any]] | None = None
    images: bool = False
    starts: Callable[[bytes], bool] | None = None
    folder: Callable[[Source], bool] | None = None
    parse: Callable[[Any, Report], Parsed | None] | None = None
    claims: Callable[[dict[str, Any]], bool] | None = None
    read_ontology: Callable[[Source], Normalized] | None = None
    apart: Apart | None = None
    prepare: Prepare | None = None
    lines: bool = False
    merges: bool = False
    ids_decide: bool = False
    shows_all: bool = False
    flat: bool = False
    checks_metadata: bool = False
    says: str = ""
    ending: str = ".ndjson"

    def in_stretches(self) -> bool:
        """Whether it says how stretches of rows are written apart."""
        return self.apart is not None or self.prepare is not None

    def writes_lines(self, options: Options) -> bool:
        """Whether all that it writes is one file of JSON lines."""
        return self.lines and options.one_file() and not options.document()


@cache
def _own() -> frozenset[str]:
    """The names of the formats of this folder."""
    return frozenset(
        module.name.replace("_", "-")
        for module in pkgutil.iter_modules(__path__)
        if not module.name.startswith("_")
    )


@cache
def _added() -> dict[str, EntryPoint]:
    """Formats of other packages by their names; to ask for them, all packages' metadata is read."""
    from importlib.metadata import entry_points

    return {entry.name: entry for entry in entry_points(group=GROUP)}


@cache
def names() -> tuple[str, ...]:
    """The names of all formats, in alphabetical order."""
    return tuple(sorted(_own() | _added().keys()))


@cache
def load(name: str) -> Format:
    """A format by its name; raises Invalid."""
    name = name.replace("_", "-")
    if name in _own():
        return _checked(name, import_module(f"{__name__}.{name.replace('-', '_')}").FORMAT)
    if name in _added():
        return _checked(name, _added()[name].load())
    raise Invalid(f"unknown format {name!r}; known: {', '.join(names())}")


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


def safe_name(name: str) -> str:
    """A name as a file may have it.

    >>> safe_name("Street scenes / night"), safe_name("../../etc")
    ('Street-scenes-night', 'etc')
    """
    return re.sub(r"[^\w.]+", "-", name).strip("-.")[:100] or "export"


def file_name(title: str, format: str, ending: str) -> str:
    """How the file of an export of something is called.

    >>> file_name("Street scenes", "coco", ".json"), file_name("Street scenes", "yolo", ".zip")
    ('Street-scenes-coco.json', 'Street-scenes-yolo.zip')
    """
    return f"{safe_name(title)}-{format}{ending}"


def _checked(name: str, found: Any) -> Format:
    if not isinstance(found, Format):
        raise Invalid(f"the package that adds format {name!r} does not give an annotary Format")
    return found
