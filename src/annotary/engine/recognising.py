"""Which format a file, folder or archive is of, by what is in it, never by its name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

from annotary.engine.label_files import label_files
from annotary.engine.members import members
from annotary.engine.sources import FileSource, FolderSource, ZipSource
from annotary.errors import Invalid, Refused
from annotary.formats import Format, Source, load, names
from annotary.formats._json import Broken, first_document

START = 1 << 16
"""So much of a file is looked at."""


def opened(
    paths: Iterable[str | Path], images: Path | None = None, format: str | None = None
) -> Iterator[Source]:
    """What paths lead to: files; folders and archives whole where a format claims them, else JSON files."""
    for given in paths:
        path = Path(given)
        if not path.exists():
            raise Invalid(f"{path} does not exist")
        if not path.is_dir() and not is_archive(path):
            yield FileSource(path, images)
            continue
        whole: FolderSource | ZipSource
        whole = FolderSource(path, images) if path.is_dir() else ZipSource(path, images)
        if isinstance(whole, ZipSource):
            yield from parts_of(whole, format)
        elif _is_whole(whole, format):
            yield whole
        else:
            yield from (FileSource(one, images) for one in label_files(path, _tables()))


def parts_of(archive: ZipSource, format: str | None = None) -> list[Source]:
    """An archive whole where a format claims it, else its JSON files; raises Invalid where it has none."""
    return [archive] if _is_whole(archive, format) else [*members(archive)]


def _is_whole(source: Source, format: str | None) -> bool:
    if format is not None and load(format).folder is not None:
        return True
    return claimed(source, _folder(source)) is not None


def _tables() -> tuple[str, ...]:
    """The endings of formats of one file that is not JSON."""
    every = (load(name) for name in names())
    found = {form.ending for form in every if form.starts is not None and form.read is not None}
    return tuple(sorted(found - {".json", ".ndjson"}))


def is_archive(path: Path) -> bool:
    """Whether a file begins as a zip archive does."""
    try:
        with path.open("rb") as file:
            return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError as error:
        raise Invalid(f"{path} cannot be read: {error.strerror or error}") from error


def recognised(source: Source) -> str:
    """The format of a source; raises Invalid where it is of none, or of several."""
    if isinstance(source, FolderSource | ZipSource):
        found = claimed(source, _folder(source))
    else:
        start = b"".join(islice(source.chunks(), 2))[:START]
        found = claimed(source, lambda form: form.starts is not None and form.starts(start))
    return found or _by_document(source)


def claimed(source: Source, test: Callable[[Format], bool]) -> str | None:
    """The one format that passes; raises Invalid where several do."""
    found = [name for name in names() if test(load(name))]
    if len(found) > 1:
        raise Invalid(f"{source.name} may be {' or '.join(found)}; say which with --format (convert: --from)")
    return found[0] if found else None


def _folder(source: Source) -> Callable[[Format], bool]:
    return lambda form: form.folder is not None and form.folder(source)


def _by_document(source: Source) -> str:
    """The format of a file by its first JSON document."""
    try:
        first = first_document(source)
    except Broken as broken:
        problem = broken.problem
        raise Refused(
            f"{source.name}, {problem.place}: {problem.reason}: {problem.value}", [problem]
        ) from None
    if isinstance(first, dict):
        for name in names():
            claims = load(name).claims
            if claims is not None and claims(first):
                return name
    readable = ", ".join(name for name in names() if load(name).read is not None)
    raise Invalid(
        f"{source.name} is of no known format; give one with --format: {readable}"
        if first is not None
        else f"{source.name} has no JSON document in it; it is empty, cut off, or of another kind"
    )
