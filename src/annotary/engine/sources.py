"""Where imports come from: files and folders, plain or compressed, and values in memory."""

from __future__ import annotations

import io
import os
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import IO, Any

from annotary.errors import Invalid
from annotary.formats import Source
from annotary.model.base import to_json

CHUNK = 1 << 16
"""So much is read at once: little enough to be in the processor's cache when its last line is parsed."""
NEIGHBOUR_LIMIT = 256 << 20
"""No picture beside an import file is read that is larger, in bytes."""
MEMBERS = 5_000_000
"""No archive of more members is read."""
RATIO = 200
"""No archive is read that says it unpacks to more than so many times its size."""
DEEPEST = 40
"""No folder deeper in others is looked into."""
HEADER = 1 << 20
"""The size of a picture in an archive is found in so many of its first bytes, or not at all."""
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class FileSource:
    """One file; `.gz` and `.zst` are recognised by content and unpacked on the way."""

    def __init__(self, path: Path, images: Path | None = None) -> None:
        self.path = path
        self.name = str(path)
        self.folders = [folder for folder in (images, path.parent) if folder is not None]

    def chunks(self) -> Iterator[bytes]:
        """The file from its start, piece by piece."""
        try:
            with self.path.open("rb") as file, _unpacked(file) as stream:
                while chunk := stream.read(CHUNK):
                    yield chunk
        except (OSError, EOFError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise Invalid(f"{self.path} cannot be read: {reason}") from error

    def neighbour(self, path: str) -> bytes | None:
        """A file beside it or in the folder of images, never outside of these; None where there is none."""
        found = below(self.folders, path)
        return None if found is None else _bytes(found)

    def paths(self) -> Iterable[str]:
        """Its own name."""
        return (self.path.name,)

    def open(self, path: str) -> Iterator[bytes]:
        """The file itself, or one beside it."""
        return self.chunks() if path == self.path.name else _pieces_of(self.folders, path)

    def size_of(self, path: str) -> tuple[int, int] | None:
        """Width and height of a picture beside it or in the folder of images."""
        found = below(self.folders, path)
        return None if found is None else picture_size(found.open("rb"))

    def located(self, path: str) -> str:
        """The path of a picture beside it or in the folder of images."""
        return str(below(self.folders, path) or "")


class Several:
    """Files of one data set; their pictures are beside any of them."""

    def __init__(self, files: Sequence[Source]) -> None:
        self.files = files
        self.name = files[0].name

    def chunks(self) -> Iterator[bytes]:
        """Nothing: each is read for itself."""
        yield from ()

    def neighbour(self, path: str) -> bytes | None:
        """A file beside any of them; None where there is none."""
        return next((data for one in self.files if (data := one.neighbour(path)) is not None), None)

    def paths(self) -> Iterable[str]:
        """Their own names."""
        return (path for one in self.files for path in one.paths())

    def open(self, path: str) -> Iterator[bytes]:
        """One of them, or a file beside one; raises Invalid where it cannot be read."""
        return next((one for one in self.files if one.located(path)), self.files[0]).open(path)

    def size_of(self, path: str) -> tuple[int, int] | None:
        """Width and height of a picture beside one of them."""
        return next((size for one in self.files if (size := one.size_of(path)) is not None), None)

    def located(self, path: str) -> str:
        """The path of a picture beside one of them; empty where there is none."""
        return next((place for one in self.files if (place := one.located(path))), "")


def below(folders: Iterable[Path], path: str) -> Path | None:
    """The file of a relative path in the first folder that has it, never outside; None where none has."""
    for folder in folders:
        try:
            # Most images are not there: that is known at once, and without what it takes to be sure.
            if not os.path.lexists(os.path.join(folder, path)):
                continue
            root = folder.resolve()
            found = (root / path).resolve()
            if found.is_relative_to(root) and found.is_file():
                return found
        except (OSError, ValueError):
            continue
    return None


def _bytes(found: Path) -> bytes | None:
    try:
        if found.stat().st_size > NEIGHBOUR_LIMIT:
            raise Invalid(f"{found} is larger than {NEIGHBOUR_LIMIT >> 20} MiB")
        return found.read_bytes()
    except OSError:
        return None


def _pieces_of(folders: Iterable[Path], path: str) -> Iterator[bytes]:
    found = below(folders, path)
    if found is None:
        raise Invalid(f"{path} is not there, or leads out of its folder")
    try:
        with found.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk
    except OSError as error:
        raise Invalid(f"{found} cannot be read: {error.strerror or error}") from error


def picture_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Width and height of a picture as it is shown upright, from its header; None where it is none."""
    from PIL import Image, UnidentifiedImageError

    with file:
        try:
            # Opening reads the header only; nothing is decoded, so no size is too large.
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                picture = Image.open(file)
                turned = picture.getexif().get(0x0112, 1) >= 5 if picture.format in _TURNING else False
        except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            return None
        width, height = picture.size
        return (height, width) if turned else (width, height)


_TURNING = ("JPEG", "MPO", "TIFF", "WEBP")


class FolderSource:
    """A folder, read file by file as a format asks; links that lead out of it are not followed."""

    def __init__(self, path: Path, images: Path | None = None) -> None:
        self.path = path
        self.name = str(path)
        self.folders = [folder for folder in (path, images) if folder is not None]

    def chunks(self) -> Iterator[bytes]:
        """Nothing: a folder is no file."""
        return iter(())

    def paths(self) -> Iterator[str]:
        """Its files in order of name, folder by folder."""
        return _walked(self.path, self.path.resolve(), "", 0)

    def everything(self) -> Iterator[str]:
        """The same, and those of the folder of images that it has not."""
        yield from self.paths()
        for folder in self.folders[1:]:
            for path in _walked(folder, folder.resolve(), "", 0):
                if not (self.path / path).exists():
                    yield path

    def open(self, path: str) -> Iterator[bytes]:
        """One of its files."""
        return _pieces_of(self.folders, path)

    def neighbour(self, path: str) -> bytes | None:
        """A file in it or in the folder of images."""
        found = below(self.folders, path)
        return None if found is None else _bytes(found)

    def size_of(self, path: str) -> tuple[int, int] | None:
        """Width and height of a picture in it or in the folder of images."""
        found = below(self.folders, path)
        return None if found is None else picture_size(found.open("rb"))

    def located(self, path: str) -> str:
        """The path of a picture in it or in the folder of images."""
        return str(below(self.folders, path) or "")


def _walked(folder: Path, root: Path, prefix: str, depth: int) -> Iterator[str]:
    if depth > DEEPEST:
        raise Invalid(f"{folder} is more than {DEEPEST} folders deep")
    for one in sorted(folder.iterdir(), key=lambda path: path.name):
        if one.is_symlink() and not one.resolve().is_relative_to(root):
            continue
        if one.is_dir():
            if not one.is_symlink():
                yield from _walked(one, root, f"{prefix}{one.name}/", depth + 1)
        elif one.is_file():
            yield prefix + one.name


class ZipSource:
    """An archive, read member by member; how many, how large and how much compressed is limited."""

    def __init__(
        self,
        path: Path,
        images: Path | None = None,
        *,
        name: str | None = None,
        file: IO[bytes] | None = None,
    ) -> None:
        self.path = path
        self.name = name or str(path)
        self.folders = [images] if images is not None else []
        try:
            self._archive = zipfile.ZipFile(file or path)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise Invalid(f"{self.name} is no readable archive: {error}") from None
        members = self._archive.infolist()
        if len(members) > MEMBERS:
            raise Invalid(f"{self.name} has {len(members):,} members; more than {MEMBERS:,} are not read")
        self._members = {one.filename: one for one in members if not one.is_dir() and _inside(one.filename)}
        unpacked = sum(one.file_size for one in members)
        packed = path.stat().st_size if file is None else file.seek(0, os.SEEK_END)
        if unpacked > RATIO * max(packed, 1 << 16):
            raise Invalid(
                f"{self.name} says that it unpacks to {unpacked:,} bytes, over {RATIO} times its own"
                f" {packed:,}; unpack it yourself if you trust it"
            )

    def chunks(self) -> Iterator[bytes]:
        """Nothing: an archive is no file of a format."""
        return iter(())

    def __contains__(self, path: str) -> bool:
        return path in self._members

    def bytes_of(self, path: str) -> int:
        """The size of a member, unpacked."""
        return self._members[path].file_size

    def paths(self) -> Iterator[str]:
        """Its members in order of name; those whose names lead out of it are left out."""
        return iter(sorted(self._members))

    def open(self, path: str) -> Iterator[bytes]:
        """One of its members."""
        member = self._members.get(path)
        if member is None:
            yield from _pieces_of(self.folders, path)
            return
        left = member.file_size
        try:
            with self._archive.open(member) as file:
                while chunk := file.read(CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise Invalid(f"{self.name}: {path} is larger than the archive says")
                    yield chunk
        except (
            zipfile.BadZipFile,
            OSError,
            RuntimeError,
            NotImplementedError,
            zlib.error,
            EOFError,
        ) as error:
            raise Invalid(f"{self.name}: {path} cannot be unpacked: {error}") from None

    def neighbour(self, path: str) -> bytes | None:
        """One of its members, or a file in the folder of images."""
        member = self._members.get(path)
        if member is None:
            found = below(self.folders, path)
            return None if found is None else _bytes(found)
        if member.file_size > NEIGHBOUR_LIMIT:
            raise Invalid(f"{self.name}: {path} is larger than {NEIGHBOUR_LIMIT >> 20} MiB")
        return b"".join(self.open(path))

    def size_of(self, path: str) -> tuple[int, int] | None:
        """Width and height of a picture among its members or in the folder of images."""
        if path in self._members:
            with self._archive.open(self._members[path]) as file:
                return picture_size(io.BytesIO(file.read(HEADER)))
        found = below(self.folders, path)
        return None if found is None else picture_size(found.open("rb"))

    def located(self, path: str) -> str:
        """`zip:` and the member, or the path of a file in the folder of images."""
        return f"zip:{path}" if path in self._members else str(below(self.folders, path) or "")


def _inside(name: str) -> bool:
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name


class ValueSource:
    """Values in memory, as if they stood in a file of lines. PNG bytes and arrays become base64."""

    def __init__(self, values: Iterable[Any], name: str = "values") -> None:
        self.values = values
        self.name = name

    def chunks(self) -> Iterator[bytes]:
        """A line a value."""
        for value in self.values:
            yield to_json(value).encode() + b"\n"

    def neighbour(self, path: str) -> bytes | None:
        """Values have no neighbours."""
        return None

    def paths(self) -> Iterable[str]:
        """Values have no files."""
        return ()

    def open(self, path: str) -> Iterator[bytes]:
        """Values have no files."""
        raise Invalid(f"{path} is not there: {self.name} are values")

    def size_of(self, path: str) -> tuple[int, int] | None:
        """Values have no pictures."""
        return None

    def located(self, path: str) -> str:
        """Values have no pictures."""
        return ""


def _unpacked(file: IO[bytes]) -> IO[bytes]:
    start = file.read(4)
    file.seek(0)
    if start.startswith(_GZIP):
        from isal import igzip

        return igzip.IGzipFile(fileobj=file)  # type: ignore[no-untyped-call, return-value]
    if start == _ZSTD:
        import zstandard

        return io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(file))
    return file
