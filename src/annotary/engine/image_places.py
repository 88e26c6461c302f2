"""Where data rows' own images are: in folders and archives given at an import, or among what was uploaded.

A labels file names an image by its path, by the end of it, or by its bare name. It is looked for under that
name, then in the folders below; never outside of what was given.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import IO, NamedTuple
from urllib.parse import SplitResult, urlsplit

from annotary.engine.core import Engine
from annotary.engine.members import MemberSource
from annotary.engine.sources import FolderSource, ZipSource, below, picture_size
from annotary.errors import AnnotaryError, NotFound
from annotary.formats import Source
from annotary.formats._image_index import PICTURES
from annotary.model.base import derived_id
from annotary.model.export import ProjectScope
from annotary.model.project import ImageArchive, ImageFolder
from annotary.model.task import StoredFile
from annotary.operations.looking import FindRows

FOLDERS = 64
"""In so many folders below one that was given, images are looked for by their names."""
DEEPEST = 4
SAMPLE = 20
"""So many rows are tried."""
OPEN = 8
"""So many archives are kept open."""


class Names(NamedTuple):
    """What may name an image's file, and its size in pixels (0: not known)."""

    row_data: str
    external_id: str
    global_key: str
    width: int = 0
    height: int = 0

    def paths(self) -> Iterator[str]:
        """The names that its file may have, the longest first: its path, and the end of it."""
        for name in dict.fromkeys(self[:3]):
            path = name.removeprefix("file://").replace("\\", "/").lstrip("/")
            parts = _split(name)
            if parts is not None and parts.scheme in ("http", "https", "s3", "gs"):
                path = parts.path.lstrip("/")
            while path:
                yield path
                path = path.partition("/")[2]


def _split(name: str) -> SplitResult | None:
    try:
        return urlsplit(name)
    except ValueError:
        # A name need not be an address.
        return None


class Member(NamedTuple):
    """A picture in an archive."""

    archive: ZipSource
    path: str

    @property
    def size(self) -> int:
        """How many bytes it has, as the archive says."""
        return self.archive.bytes_of(self.path)

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, never more than the archive says."""
        return self.archive.open(self.path)


Found = Path | Member | StoredFile


class _Folder:
    def __init__(self, path: Path) -> None:
        self._path = path

    def has(self, path: str) -> Found | None:
        return below([self._path], path)

    @cached_property
    def folders(self) -> tuple[str, ...]:
        try:
            return _folders_in(str(self._path), self._path.stat().st_mtime_ns)
        except OSError:
            return ()


class _Archive:
    def __init__(self, archive: ZipSource) -> None:
        self._archive = archive

    def has(self, path: str) -> Found | None:
        return Member(self._archive, path) if path in self._archive else None

    @cached_property
    def folders(self) -> tuple[str, ...]:
        return _folders_of(self._archive)


class ImagePlaces:
    """All places where an organisation's images may be, as they are now."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @cached_property
    def _places(self) -> list[_Folder | _Archive]:
        store = self._engine.store
        places: list[_Folder | _Archive] = []
        for one in store.find(ImageFolder):
            path = Path(one.path)
            if not path.is_file():
                places.append(_Folder(path))
            elif (archive := _opened(path)) is not None:
                places.append(_Archive(archive))
        for kept in store.find(ImageArchive):
            if (archive := _stored(self._engine, kept.source)) is not None:
                places.append(_Archive(archive))
        return places

    def __bool__(self) -> bool:
        return bool(self._places)

    def find(self, names: Names) -> Found | None:
        """An image's file; of several of its name the one that has its size. None where there is none."""
        if (own := self._uploaded(names.row_data)) is not None:
            return own
        first: Found | None = None
        for place in self._places:
            found = _in_place(place, names)
            if found is not None:
                if len(self._places) == 1 or _fits(found, names):
                    return found
                first = first or found
        return first

    def stored(self, file: StoredFile) -> tuple[Path | None, Callable[[], Iterator[bytes]]]:
        """Where an uploaded file lies on this machine, if it does, and how it is read."""
        files = self._engine.store.files
        return files.path(file), lambda: files.read(file)

    def _uploaded(self, address: str) -> StoredFile | None:
        own = f"{self._engine.base_url}/files/"
        if not address.startswith(own):
            return None
        try:
            return self._engine.store.files.get(urlsplit(address[len(own) :]).path)
        except NotFound:
            return None


def _in_place(place: _Folder | _Archive, names: Names) -> Found | None:
    for path in names.paths():
        if (found := place.has(path)) is not None:
            return found
    for path in names.paths():
        for folder in place.folders:
            if (found := place.has(f"{folder}/{path}")) is not None:
                return found
    return None


def _fits(found: Found, names: Names) -> bool:
    """Whether a picture has the size that is known of it; true where either is not known."""
    if not names.width or isinstance(found, StoredFile):
        return True
    try:
        if isinstance(found, Member):
            size = found.archive.size_of(found.path)
        else:
            size = picture_size(found.open("rb"))
    except (OSError, AnnotaryError):
        return True
    return size is None or size == (names.width, names.height)


# What an import leaves


def remember(engine: Engine, place: Path) -> None:
    """Take images from a folder or an archive of this machine from now on."""
    path = str(place.resolve())
    found = ImageFolder(id=derived_id(engine.store.org, "image folder", path), path=path)
    if found not in engine.store.find(ImageFolder):
        engine.store.put(found)


def note(
    engine: Engine,
    paths: Iterable[Path],
    sources: Iterable[Source],
    images: Path | None,
    projects: Iterable[str],
) -> None:
    """Remember where the images of an import are: as given, in what holds both, or beside the labels."""
    given = list(sources)
    places = [one.path for one in given if isinstance(one, FolderSource)]
    if images is not None:
        places.append(images)
    else:
        near = [folder for path in paths for folder in around(path)]
        places += [one for one in near if beside(engine, one, projects)]
    for one in given:
        archive = archive_of(one)
        if archive is not None and illustrated([archive]):
            places.append(archive.path)
    for place in dict.fromkeys(places):
        remember(engine, place)


def around(path: Path) -> list[Path]:
    """Folders in which the pictures of labels may be, where nobody says so."""
    folder = path if path.is_dir() else path.parent
    return [folder, folder.parent] if folder.name in ("annotations", "labels") else [folder]


def beside(engine: Engine, folder: Path, projects: Iterable[str]) -> bool:
    """Whether a folder has pictures of the first rows of any of some projects."""
    place = _Folder(folder)
    for id in projects:
        for row in engine.call(FindRows(scope=ProjectScope(id=id), limit=SAMPLE)).rows:
            if _in_place(place, Names("", row.external_id or "", row.global_key or "")) is not None:
                return True
    return False


def keep(engine: Engine, file: StoredFile) -> None:
    """Take images from an archive that was sent from now on; it is kept with the store."""
    engine.store.put(ImageArchive(id=file.id, source=file.id))


def illustrated(sources: Iterable[Source]) -> bool:
    """Whether any source is an archive, or in one, that has pictures."""
    archives = {id(one): one for source in sources if (one := archive_of(source)) is not None}
    return any(path.lower().endswith(PICTURES) for one in archives.values() for path in one.paths())


def archive_of(source: Source) -> ZipSource | None:
    """The archive that a source is or is in."""
    if isinstance(source, MemberSource):
        return source.archive
    return source if isinstance(source, ZipSource) else None


# Folders and archives, looked at once


def _first_pictures(path: str) -> tuple[bool, str]:
    """Folders that are called after images come before those of masks and the like."""
    name = path.lower()
    return not ("image" in name or "img" in name), path


@lru_cache(maxsize=64)
def _folders_in(root: str, stamp: int) -> tuple[str, ...]:
    """The folders below one, as they were at the time of a stamp."""
    found: list[str] = []
    level = [""]
    for _ in range(DEEPEST):
        below_it: list[str] = []
        for folder in level:
            try:
                with os.scandir(os.path.join(root, folder)) as entries:
                    inner = sorted(one.name for one in entries if one.is_dir(follow_symlinks=False))
            except OSError:
                continue
            below_it += [f"{folder}/{name}" if folder else name for name in inner if name[0] != "."]
        found += below_it[: FOLDERS - len(found)]
        level = below_it[:FOLDERS]
        if len(found) == FOLDERS:
            break
    return tuple(sorted(found, key=_first_pictures))


def _folders_of(archive: ZipSource) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for path in archive.paths():
        folder = path.rpartition("/")[0]
        if folder and path.lower().endswith(PICTURES):
            found[folder] = None
            if len(found) == FOLDERS:
                break
    return tuple(sorted(found, key=_first_pictures))


_open: dict[tuple[object, str, int], ZipSource] = {}


def _opened(path: Path) -> ZipSource | None:
    try:
        key = (None, str(path), path.stat().st_mtime_ns)
        return _once(key, lambda: ZipSource(path))
    except OSError:
        return None


def _stored(engine: Engine, id: str) -> ZipSource | None:
    files = engine.store.files

    def read() -> ZipSource:
        file = files.get(id)
        stream: IO[bytes] | None = None if files.path(file) is not None else files.opened(file)
        return ZipSource(files.path(file) or Path(id), name=file.name, file=stream)

    return _once((engine.store.database, id, 0), read)


def _once(key: tuple[object, str, int], read: Callable[[], ZipSource]) -> ZipSource | None:
    if key not in _open:
        while len(_open) >= OPEN:
            _open.pop(next(iter(_open)), None)
        try:
            _open[key] = read()
        except AnnotaryError:
            # Gone or damaged since: its images are not to be had, which is told of each.
            return None
    return _open.get(key)
