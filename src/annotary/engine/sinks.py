"""Where exports go: a file, a folder, an archive, a stream. Nothing half-written keeps a final name."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from io import FileIO
from itertools import chain, groupby
from operator import attrgetter
from pathlib import Path
from typing import IO, Any

from annotary.engine.manifest import MANIFEST
from annotary.errors import Invalid, Unavailable
from annotary.formats import Part
from annotary.formats._disk import Later
from annotary.model.base import to_json
from annotary.model.corpus import Notice, Notify
from annotary.model.task import Artifact

ENDINGS = (".json", ".ndjson", ".jsonl", ".zip", ".gz", ".zst", ".xml", ".csv", ".parquet")
SHOWN = 16
"""An export of more files is told of as its folder; its manifest names them."""
_BLOCK = 1 << 18
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
Beside = Callable[[Iterator[bytes] | None], Iterable[Part]]
"""Gives the files that come beside an export: it takes the list of those written, as the elements of a JSON
array; None where the export is one file.
"""


def as_array(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """JSON lines as one JSON array; a line holds no raw newline, so each newline ends a value."""
    opening = b"[\n"
    last = None
    for piece in pieces:
        if not piece:
            continue
        if last is not None:
            yield opening + last[:-1].replace(b"\n", b",\n")
            opening = b",\n"
        last = piece
    if last is None:
        yield b"[]\n"
    else:
        yield opening + last[:-1].replace(b"\n", b",\n") + b"\n]\n"


def is_folder(path: Path) -> bool:
    """Whether a destination without a known ending is meant as a folder."""
    return path.is_dir() or not path.name.endswith(ENDINGS)


def put(write: Callable[[memoryview], int | None], data: Any) -> int:
    """Write all of some bytes, and give their number: without a buffer, one write may take a part of them.

    A pipe does so, and a disk that is nearly full; it says so, and raises only when it is asked again.
    """
    with memoryview(data).cast("B") as left:
        done = 0
        while done < len(left):
            done += write(left[done:]) or 0
        return done


def to_file(pieces: Iterable[bytes], path: Path) -> Artifact:
    """Write one file, compressed as its name says; it gets its name when it is whole."""
    digest = hashlib.sha256()
    size = 0
    with _replacing(path) as raw:
        with _packed(raw, path.name) as file:
            write = file.write
            for piece in _blocks(pieces) if path.name.endswith(".gz") else pieces:
                write(piece)
        raw.flush()
        os.fsync(raw.fileno())
        raw.seek(0)
        while block := raw.read(1 << 20):
            digest.update(block)
            size += len(block)
    return Artifact(path=str(path), bytes=size, sha256=digest.hexdigest())


def _blocks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks of one size: how a gzip file comes out depends on those it was given."""
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) >= _BLOCK:
            whole = len(held) // _BLOCK * _BLOCK
            for start in range(0, whole, _BLOCK):
                yield bytes(held[start : start + _BLOCK])
            del held[:whole]
    yield bytes(held)


def to_folder(parts: Iterable[Part], folder: Path) -> list[Artifact]:
    """Write files below a folder, which gets its name when all are whole; gives the files, or if many it."""
    if folder.exists() and any(folder.iterdir()):
        raise Invalid(f"{folder} is there already and not empty; give another folder")
    part_folder = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part_folder, ignore_errors=True)
    try:
        part_folder.mkdir(parents=True)
        shown: list[Artifact] = []
        count, total, manifest = 0, 0, ""
        for path, pieces in groupby(parts, key=_path_of):
            target = _below(part_folder, path)
            first = next(pieces)
            if first.link:
                Path(target).parent.mkdir(parents=True, exist_ok=True)
                os.symlink(Path(first.link).resolve(), target)
                continue
            # The manifest has the digests of the others: they are not made twice.
            digest = hashlib.sha256() if count < SHOWN or path == MANIFEST else None
            size = _plainly(chain((first,), pieces), target, digest)  # noqa: B031 -- its first was taken
            count, total = count + 1, total + size
            if digest is not None:
                manifest = digest.hexdigest()
                shown.append(Artifact(path=str(folder / path), bytes=size, sha256=manifest))
        if folder.exists():
            folder.rmdir()
        part_folder.replace(folder)
        if count > SHOWN:
            return [Artifact(path=str(folder), bytes=total, sha256=manifest, count=count)]
        return shown
    except OSError as error:
        raise _unwritable(folder, error) from error
    finally:
        shutil.rmtree(part_folder, ignore_errors=True)


_path_of = attrgetter("path")


def _below(folder: Path, path: str) -> str:
    """A path in a folder that holds nothing but what was just written: what it says is where it leads."""
    parts = path.split("/")
    if "\0" in path or "" in parts or "." in parts or ".." in parts or os.path.isabs(path):
        raise Invalid(f"the file name {path!r} leads out of {folder}")
    return f"{folder}/{path}"


def _plainly(parts: Iterable[Part], path: str, digest: Any) -> int:
    """Write a file that nobody sees before its whole folder; its size."""
    # Not by pathlib and without a buffer: a label file is one small write, and there may be millions.
    try:
        file = os.open(path, _NEW, 0o666)
    except FileNotFoundError:
        os.makedirs(os.path.dirname(path))
        file = os.open(path, _NEW, 0o666)
    try:
        size = 0
        for part in parts:
            if digest is not None:
                digest.update(part.data)
            size += put(partial(os.write, file), part.data)
        return size
    finally:
        os.close(file)


UNLINKED = "an archive holds no links to the images' own files; copied they are in it (images: copy)"


def without_links(parts: Iterable[Part], notify: Notify) -> Iterator[Part]:
    """The parts that an archive holds; links that are left out are told of at the end."""
    left_out = 0
    for part in parts:
        if part.link:
            left_out += 1
        else:
            yield part
    if left_out:
        notify(Notice(place="", value="", reason=UNLINKED, count=left_out))


def zipped(parts: Iterable[Part], out: IO[bytes]) -> None:
    """Write an archive into a file, the same bytes for the same parts."""
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        # An archive holds no links to files of this machine.
        bytes_only = (part for part in parts if not part.link)
        for name, pieces in groupby(bytes_only, key=_path_of):
            # A fixed date: the same export is the same file.
            with archive.open(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as file:
                for piece in pieces:
                    file.write(piece.data)


def to_zip(parts: Iterable[Part], path: Path) -> Artifact:
    """Write one archive, which gets its name when it is whole."""
    with _replacing(path) as raw:
        zipped(parts, raw)
        raw.flush()
        os.fsync(raw.fileno())
        raw.seek(0)
        digest = hashlib.file_digest(raw, "sha256")
        size = raw.tell()
    return Artifact(path=str(path), bytes=size, sha256=digest.hexdigest())


def inside(folder: Path, path: str) -> Path:
    """A path below a folder; raises Invalid where it would climb out."""
    target = (folder / path).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise Invalid(f"the file name {path!r} leads out of {folder}")
    return target


def deliver(
    parts: Iterable[Part],
    destination: Path,
    *,
    lines: bool,
    name: str,
    one_file: bool = True,
    beside: Beside | None = None,
) -> list[Artifact]:
    """Put an export where its destination says: file, array, archive or folder.

    `lines` says that it is JSON lines, `one_file` that it is one file. `beside` gives further files, once
    the others are written: into the folder or archive, or beside a single file.
    """
    plain = destination.name.removesuffix(".gz").removesuffix(".zst")
    if destination.name.endswith(".zip"):
        return [to_zip(_followed(parts, name, beside), destination)]
    if is_folder(destination):
        return to_folder(_followed(parts, name, beside), destination)
    if not one_file:
        raise _several(destination)
    pieces = _only(parts, destination)
    artifact = to_file(as_array(pieces) if lines and plain.endswith(".json") else pieces, destination)
    files = [artifact]
    for part in beside(None) if beside is not None else ():
        files.append(to_file((part.data,), destination.with_name(part.path)))
    return files


def _only(parts: Iterable[Part], destination: Path) -> Iterator[bytes]:
    """The bytes of the one file; raises Invalid at the first part of another, such as a picture."""
    for part in parts:
        if part.path:
            raise _several(destination)
        yield part.data


def _several(destination: Path) -> Invalid:
    return Invalid(f"this format makes several files; give a folder or a .zip in place of {destination}")


def _followed(parts: Iterable[Part], name: str, beside: Beside | None) -> Iterator[Part]:
    """Parts under their names, with what comes beside them at the end."""
    listed = Later()
    for path, pieces in groupby(
        (part if part.path else Part(name, part.data) for part in parts), key=_path_of
    ):
        digest, size, linked = hashlib.sha256(), 0, False
        for piece in pieces:
            linked = bool(piece.link)
            if beside is not None:
                digest.update(piece.data)
                size += len(piece.data)
            yield piece
        if beside is not None and not linked:
            file = {"path": path, "bytes": size, "sha256": digest.hexdigest()}
            listed.add((b"" if listed.empty else b",\n  ") + to_json(file).encode())
    if beside is not None:
        yield from beside(listed.chunks())


class _Whole(FileIO):
    """A file without a buffer whose writes take all that they are given, or raise."""

    def write(self, data: Any) -> int:
        return put(super().write, data)


@contextmanager
def _replacing(path: Path) -> Iterator[FileIO]:
    """A file that takes its name at the end, or leaves nothing behind."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _Whole(part, "w+") as file:
            yield file
        part.replace(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        # What keeps it from being removed is what kept it from being written, and is told already.
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> Unavailable:
    reason = error.strerror or str(error)
    if isinstance(error, FileExistsError | NotADirectoryError):
        reason = f"{path.parent} is not a folder"
    return Unavailable(f"{path} cannot be written: {reason}")


@contextmanager
def _packed(raw: FileIO, name: str) -> Iterator[Any]:
    if name.endswith(".gz"):
        from isal import igzip

        # No name and no date inside: the same export is the same file.
        with igzip.IGzipFile(  # type: ignore[no-untyped-call]
            filename="", fileobj=raw, mode="wb", compresslevel=1, mtime=0
        ) as file:
            yield file
    elif name.endswith(".zst"):
        import zstandard

        with zstandard.ZstdCompressor(level=1).stream_writer(raw, closefd=False) as writer:
            yield writer
    else:
        yield raw
