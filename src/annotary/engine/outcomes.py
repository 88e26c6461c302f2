"""What came of each line of an import, kept on disk while it runs, told line by line afterwards.

The lines told are the vendor's: `{uuid, dataRow, status, errors}` of annotations, and of data rows what was
given with the id it has now.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import msgspec

from annotary.engine.core import Engine
from annotary.formats import Source
from annotary.formats._json import Broken, documents
from annotary.model.base import to_json
from annotary.model.corpus import Problem

_LINE = re.compile(r"(?:.*, )?line (\d+)")
BATCH = 1000
MEDIA_TYPE = "application/x-ndjson; charset=utf-8"
OTHER_LINE = "left out with another line of the same data row, which has an error"


class Outcomes:
    """The outcomes of one import of lines."""

    def __init__(self) -> None:
        self._spool = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._spool.execute("PRAGMA journal_mode = OFF")
        self._spool.execute("CREATE TABLE failed (line INTEGER, message TEXT)")
        self._spool.execute("CREATE TABLE taken (line INTEGER PRIMARY KEY, id TEXT)")
        self._spool.execute("CREATE TABLE keys (key TEXT PRIMARY KEY, id TEXT, failed INTEGER)")
        self._held: list[tuple[int, str]] = []
        self.whole = ""

    def close(self) -> None:
        """Forget everything."""
        self._spool.close()

    def failed(self, problem: Problem) -> None:
        """A line could not be taken over."""
        found = _LINE.match(problem.place)
        message = f"{problem.reason}: {problem.value}"
        if found is None:
            self.whole = self.whole or message
        else:
            self._spool.execute("INSERT INTO failed VALUES (?, ?)", (int(found[1]), message))

    def taken(self, place: str, id: str) -> None:
        """A line was taken over, into the data row with an id."""
        found = _LINE.match(place)
        if found is not None:
            self._held.append((int(found[1]), id))
            if len(self._held) >= BATCH:
                self._flush()

    def _flush(self) -> None:
        self._spool.executemany("INSERT OR REPLACE INTO taken VALUES (?, ?)", self._held)
        self._held.clear()

    def lines(self, source: Source, format: str) -> Iterator[tuple[bool, bytes]]:
        """For each line of the import whether it was taken over, and what is told of it."""
        self._flush()
        self._spool.execute("CREATE INDEX IF NOT EXISTS failed_line ON failed (line)")
        if format == "data-rows":
            yield from self._data_rows(source)
            return
        for line, given in _given(source):
            key, id, failed = _key(given), self._id(line), bool(self._messages(line))
            if key is not None and (id is not None or failed):
                self._spool.execute(
                    "INSERT INTO keys VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET"
                    " id = coalesce(id, excluded.id), failed = max(failed, excluded.failed)",
                    (key, id, int(failed)),
                )
        yield from self._annotations(source)

    def _id(self, line: int) -> str | None:
        found = self._spool.execute("SELECT id FROM taken WHERE line = ?", (line,)).fetchone()
        return None if found is None else str(found[0])

    def _messages(self, line: int) -> list[str]:
        found = self._spool.execute("SELECT message FROM failed WHERE line = ?", (line,))
        return [message for (message,) in found]

    def _annotations(self, source: Source) -> Iterator[tuple[bool, bytes]]:
        for line, given in _given(source):
            messages = self._messages(line)
            found = self._spool.execute(
                "SELECT id, failed FROM keys WHERE key = ?", (_key(given),)
            ).fetchone()
            id, failed = found or (None, 1)
            if failed and not messages:
                messages = [self.whole or OTHER_LINE]
            about = given.get("dataRow")
            row = dict(about) if isinstance(about, dict) else {}
            if id is not None:
                row["id"] = id
            told: dict[str, Any] = {
                "uuid": given.get("uuid"),
                "dataRow": row,
                "status": "FAILURE" if messages else "SUCCESS",
                "errors": _errors(messages),
            }
            yield not messages, to_json(told).encode() + b"\n"

    def _data_rows(self, source: Source) -> Iterator[tuple[bool, bytes]]:
        for line, given in _given(source):
            messages = self._messages(line)
            id = self._id(line)
            if id is None and not messages:
                messages = [self.whole or "not taken over"]
            told = {
                "id": id,
                "given": given,
                "status": "FAILURE" if messages else "SUCCESS",
                "errors": _errors(messages),
            }
            yield not messages, to_json(told).encode() + b"\n"


def keep(engine: Engine, outcomes: Outcomes, source: Source, format: str) -> dict[str, Any]:
    """Keep what came of the lines of an import as files; their ids and counts, for the result of its task."""
    counts = {True: 0, False: 0}
    with engine.store.files.workplace() as folder:
        statuses, failures = folder / "statuses", folder / "failures"
        with statuses.open("wb") as every, failures.open("wb") as bad:
            for taken, line in outcomes.lines(source, format):
                counts[taken] += 1
                every.write(line)
                if not taken:
                    bad.write(line)
        ids = {
            path.name: engine.store.files.take(
                path, name=f"{path.name}.ndjson", media_type=MEDIA_TYPE, now=engine.now()
            ).id
            for path in (statuses, failures)
        }
    return {**ids, "taken": counts[True], "failed": counts[False]}


def _errors(messages: list[str]) -> list[dict[str, str]]:
    return [{"name": "InvalidLine", "message": message} for message in messages]


def objects(source: Source) -> Iterator[dict[str, Any]]:
    """The lines of a file that are JSON objects; an empty one stands for any other line."""
    yield from (given for _, given in _given(source))


def _given(source: Source) -> Iterator[tuple[int, dict[str, Any]]]:
    """The lines of a file that are JSON objects, by number; where it breaks off, so do they."""
    try:
        for document in documents(source):
            found = _LINE.match(document.place)
            try:
                given = msgspec.json.decode(document.data)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                given = {}
            line = int(found[1]) if found else 1
            yield line, given if isinstance(given, dict) else {}
    except Broken:
        return


def _key(given: dict[str, Any]) -> str | None:
    """Which data row a line of an annotation is about."""
    about = given.get("dataRow")
    return to_json(about) if isinstance(about, dict) else None
