"""CSV lines (RFC 4180, UTF-8) written and read a piece at a time, each with its place."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from annotary.formats._json import shown
from annotary.model.corpus import Problem, Report

LONGEST = 64 << 20
"""No field of a CSV file is longer, in characters."""


class Lines:
    """Lines held until they are taken; ended by a line feed."""

    def __init__(self) -> None:
        self._held: list[str] = []
        # With this ending a carriage return in a field is quoted, which is not so with a line feed alone.
        self._writer = csv.writer(self, lineterminator="\r\n")

    def write(self, line: str) -> None:
        """Called by the csv module, once a line."""
        self._held.append(line[:-2] + "\n")

    def add(self, *row: object) -> None:
        """A line."""
        self._writer.writerow(row)

    def taken(self) -> bytes:
        """The lines since the last call."""
        text = "".join(self._held)
        self._held.clear()
        return text.encode()


class _Stream(io.RawIOBase):
    """Pieces as a file."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = next(self._pieces, b"")
        size = min(len(buffer), len(self._rest))
        buffer[:size], self._rest = self._rest[:size], self._rest[size:]
        return size


def lines(pieces: Iterable[bytes], path: str, report: Report) -> Iterator[tuple[str, list[str]]]:
    """Each line that is not empty with its place; what is no CSV is a problem, and the end."""
    text = io.TextIOWrapper(_Stream(pieces), "utf-8-sig", newline="")  # type: ignore[type-var]
    reader = csv.reader(text, strict=True)
    prefix = f"{path}, " if path else ""
    at = 1
    try:
        while (row := _next(reader)) is not None:
            if row:
                yield f"{prefix}line {at}", row
            at = reader.line_num + 1
    except UnicodeDecodeError as error:
        reason = f"not UTF-8: {error.reason}"
        report(
            Problem(
                place=f"{prefix}after line {at - 1}",
                value=shown(repr(error.object[error.start : error.start + 8])),
                reason=reason,
            )
        )
    except csv.Error as error:
        report(Problem(place=f"{prefix}line {at}", value=path or "CSV", reason=f"not CSV: {error}"))


def _next(reader: Iterator[list[str]]) -> list[str] | None:
    """The next line; None at the end. The csv module's limit is everybody's, so it is given back."""
    before = csv.field_size_limit(LONGEST)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(before)


def header(start: bytes) -> list[str]:
    """The columns that a file begins with; empty where it begins otherwise."""
    first = start.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0][:10_000]
    try:
        return next(csv.reader([first.decode()]), [])
    except (UnicodeDecodeError, csv.Error):
        return []


class Columns:
    """Fields by the names of their columns, in whatever order these are."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = [name.strip() for name in names]
        self._places = {name: at for at, name in reversed(list(enumerate(self.names)))}

    def of(self, row: Sequence[str], name: str) -> str:
        """A field; empty where the line or the file does not have it."""
        at = self._places.get(name, -1)
        return row[at] if 0 <= at < len(row) else ""
