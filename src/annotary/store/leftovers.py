"""What interrupted work leaves behind, and uploads that nothing came to name: removed after a time.

Each step is safe beside writers: what is younger than its time is left alone, and a file's row goes only as
it was when it was judged.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from sqlalchemy import ColumnElement, Select, and_, delete, or_, select, update

from annotary.errors import NotFound
from annotary.model import moment
from annotary.model.carried import typed
from annotary.model.project import AnnotationImport
from annotary.store.files import MARK
from annotary.store.schema import data_row_versions, entities, file_pieces, files, labels, tasks

if TYPE_CHECKING:
    from annotary.store import Store

UNFINISHED_SECONDS = 24 * 3600
"""No write takes so long without a byte: what is older is of a process that died."""
UPLOAD_DAYS = 30
"""So long an upload may wait to be named by a data row, a label, a project, a task or an import."""
KEPT = "~"
"""In place of an expiry, of files that data rows name: later than every date."""
PAGE = 1000
_ID = re.compile(r"c[0-9a-z]{24}")
_ID_IN_BYTES = re.compile(rb"c[0-9a-z]{24}")
_ID_BYTES = 25


class _Made(msgspec.Struct):
    created_at: str


def sweep(store: Store, now: str) -> None:
    """Remove what has expired, and what writers that died have left in folders."""
    for id in store.files.expired(now):
        _remove(store, id, and_(files.c.expires_at != "", files.c.expires_at < now))
    before = time.time() - UNFINISHED_SECONDS
    for path in stray(store, before):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            with suppress(OSError):
                path.unlink()


def stray(store: Store, before: float) -> Iterator[Path]:
    """What lies in the store's folders, untouched since, and belongs to no finished file."""
    folder = store.files.folder or Path(tempfile.gettempdir())
    for path in folder.glob(f"{MARK}*"):
        with suppress(OSError):
            if _touched(path) < before:
                yield path
    if store.files.folder is not None:
        yield from _nameless(store, store.files.folder, before)
    for path in store.blobs.folder.glob("??/*.part") if store.blobs.folder is not None else ():
        with suppress(OSError):
            if path.stat().st_mtime < before:
                yield path


def _touched(path: Path) -> float:
    """When something last changed in a folder, or in a folder within."""
    return max(one.lstat().st_mtime for one in (path, *path.rglob("*")))


def _nameless(store: Store, folder: Path, before: float) -> Iterator[Path]:
    """Files that were put into their place just before their writer died."""
    old: list[Path] = []
    for path in folder.iterdir() if folder.exists() else ():
        with suppress(OSError):
            if _ID.fullmatch(path.name) and path.stat().st_mtime < before:
                old.append(path)
        if len(old) == PAGE:
            yield from _unknown(store, old)
            old.clear()
    yield from _unknown(store, old)


def _unknown(store: Store, paths: list[Path]) -> list[Path]:
    with store.reading() as connection:
        query = select(files.c.id).where(files.c.id.in_([path.name for path in paths]))
        known = set(connection.execute(query).scalars())
    return [path for path in paths if path.name not in known]


# Uploads


def forget_uploads(store: Store, now: str, days: int = UPLOAD_DAYS) -> int:
    """Remove uploads of every organisation that nothing names after some days; gives how many.

    Those that tasks and imports name are asked about again the next time, those of data rows never.
    """
    since = moment.stamp(datetime.fromisoformat(now) - timedelta(days=days))
    old = dict(_undated(store, since))
    if not old:
        return 0
    for named in chain(_named(store, _UNDER_WAY), _in_pre_labels(store)):
        for id in named:
            old.pop(id, None)
    kept: set[str] = set()
    if old:
        for named in _named(store, _FOR_GOOD):
            kept.update(id for id in named if id in old)
    _keep(store, kept)
    gone = old.keys() - kept
    for id in gone:
        _remove(store, id, and_(files.c.expires_at == "", files.c.body == old[id]))
    return len(gone)


def _undated(store: Store, since: str) -> Iterator[tuple[str, str]]:
    """Files without an expiry that are older than an instant: their ids and what is known of them."""
    last = ""
    while True:
        query = select(files.c.id, files.c.body).where(files.c.expires_at == "", files.c.id > last)
        with store.reading() as connection:
            page = connection.execute(query.order_by(files.c.id).limit(PAGE)).all()
        for id, body in page:
            if msgspec.json.decode(body, type=_Made).created_at < since:
                yield id, body
        if len(page) < PAGE:
            return
        last = page[-1].id


def _addressed(*columns: ColumnElement[str]) -> ColumnElement[bool]:
    return or_(*(column.contains("/files/") for column in columns))


_OF_DATA_ROWS = (data_row_versions.c.head, data_row_versions.c.attachments, data_row_versions.c.metadata)
_UNDER_WAY = (
    select(tasks.c.request, tasks.c.body),
    select(entities.c.body).where(entities.c.kind.in_(("AnnotationImport", "ImageArchive", "Project"))),
)
_FOR_GOOD = (
    select(*_OF_DATA_ROWS).where(_addressed(*_OF_DATA_ROWS)),
    select(labels.c.annotations).where(_addressed(labels.c.annotations)),
)


def _named(store: Store, places: tuple[Select[tuple[str, ...]], ...]) -> Iterator[set[str]]:
    """The ids of files that stand in the texts of some rows, row by row."""
    for place in places:
        with store.reading() as connection:
            found = connection.execution_options(stream_results=True, yield_per=PAGE).execute(place)
            for row in found:
                yield {id for text in row if text for id in _ID.findall(text)}


def _in_pre_labels(store: Store) -> Iterator[set[str]]:
    """The ids that the lines of pre-labels name: their masks may be uploads."""
    with store.reading() as connection:
        query = select(entities.c.org, entities.c.body).where(entities.c.kind == AnnotationImport.__name__)
        imports = [(row.org, typed(row.body, AnnotationImport)) for row in connection.execute(query)]
    for org, one in imports:
        home = store.seen_as(org)
        if one.kind != "pre-labels":
            continue
        held = b""
        with suppress(NotFound):
            for block in home.files.read(home.files.get(one.source)):
                held = held[-_ID_BYTES:] + block
                yield {found.decode() for found in _ID_IN_BYTES.findall(held)}


def _keep(store: Store, ids: set[str]) -> None:
    with store.transaction() as connection:
        for id in ids:
            connection.execute(update(files).where(files.c.id == id).values(expires_at=KEPT))


def _remove(store: Store, id: str, still: ColumnElement[bool]) -> None:
    """Remove a file, unless it has changed meanwhile."""
    with store.transaction() as connection:
        if not connection.execute(delete(files).where(files.c.id == id, still)).rowcount:
            return
        connection.execute(delete(file_pieces).where(file_pieces.c.file == id))
    path = store.files.folder
    if path is not None:
        with suppress(OSError):
            (path / id).unlink()
