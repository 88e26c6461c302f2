"""An export as one file on disk: lines with an index of their chunks, one other file, or an archive."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from annotary.engine import sinks
from annotary.engine.exporting import Export
from annotary.engine.manifest import beside
from annotary.formats import Part, safe_name
from annotary.model.task import Artifact

CHUNK = 4 << 20
"""A chunk of lines has at least so many bytes, save the last; it ends where a line ends."""
ROWS = "rows.ndjson"
"""What an archive calls the part that has no name of its own."""
LINES, ARCHIVE, BYTES = "application/x-ndjson; charset=utf-8", "application/zip", "application/octet-stream"
TYPES = {".json": "application/json", ".xml": "application/xml", ".csv": "text/csv; charset=utf-8"}
"""The media types of single files, by their endings."""


class Written(NamedTuple):
    """A file with what it is; `chunks` of lines: after how many bytes and lines each ends."""

    path: Path
    ending: str
    media_type: str
    chunks: list[tuple[int, int]] | None


def write_export(
    export: Export,
    path: Path,
    moved: Callable[[int], None],
    sign: Callable[[bytes], bytes] | None = None,
) -> Written:
    """Write an export; `moved` is told how many rows are done, `sign` puts tokens into links to masks."""
    export.near = path.parent
    with closing(_watched(export, moved, links=export.one_file)) as parts:
        return _written(export, parts, path, sign)


def _written(
    export: Export, parts: Iterable[Part], path: Path, sign: Callable[[bytes], bytes] | None
) -> Written:
    if not export.one_file:
        ledger, counts = export.findings.ledger, export.counts
        target = path.with_name(f"{path.name}.zip")
        further = beside(export.about, ledger, counts)
        sinks.deliver(parts, target, lines=False, name=ROWS, one_file=False, beside=further)
        return Written(target, export.ending, ARCHIVE, None)
    pieces: Iterator[bytes] = (part.data for part in parts)
    if sign is not None:
        pieces = map(sign, pieces)
    chunks = _write(pieces, path)
    if export.lines:
        return Written(path, export.ending, LINES, chunks)
    return Written(path, export.ending, TYPES.get(export.ending, BYTES), None)


def delivered(
    export: Export, path: Path, moved: Callable[[int], None] = lambda rows: None, *, title: str = ""
) -> list[Artifact]:
    """Write an export to a file, a folder or an archive, as its ending says; raises Invalid, Unavailable.

    `title` names a single file in an archive; of several files the rows are called alike everywhere.
    """
    export.near = path.parent
    with closing(_watched(export, moved, links=not path.name.endswith(".zip"))) as parts:
        return sinks.deliver(
            parts,
            path,
            lines=export.lines,
            one_file=export.one_file,
            name=safe_name(title) + export.format.ending if title and export.one_file else ROWS,
            beside=beside(export.about, export.findings.ledger, export.counts, manifest=not export.one_file),
        )


def _watched(export: Export, moved: Callable[[int], None], *, links: bool) -> Generator[Part, None, None]:
    with closing(export.taken()) as parts:
        for part in parts if links else sinks.without_links(parts, export.findings.notify):
            yield part
            export.written += len(part.data)
            moved(export.done)


def _write(pieces: Iterable[bytes], path: Path) -> list[tuple[int, int]]:
    """Write pieces, each of whole lines where they are lines; where chunks end."""
    chunks: list[tuple[int, int]] = []
    size = lines = begun = 0
    with path.open("wb", buffering=1 << 18) as file:
        for piece in pieces:
            file.write(piece)
            size += len(piece)
            lines += piece.count(b"\n")
            if size - begun >= CHUNK and piece.endswith(b"\n"):
                chunks.append((size, lines))
                begun = size
    if size > begun:
        chunks.append((size, lines))
    return chunks
