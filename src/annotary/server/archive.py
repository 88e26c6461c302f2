"""A zip archive as a stream: its members go out one by one, its directory waits in a file on disk."""

from __future__ import annotations

import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator

from annotary.formats import Part

# The format: PKWARE's APPNOTE 6.3.10. Members are stored, as pictures are compressed already; all are
# dated 1980, so that the same members give the same bytes.
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_ENTRY = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR = struct.Struct("<4sIQI")
_END = struct.Struct("<4sHHHHIIH")
_VERSION, _UTF8, _DATE = 45, 1 << 11, 33
_FULL = 0xFFFFFFFF
_BLOCK = 1 << 18


def zipped(members: Iterable[Part]) -> Iterator[bytes]:
    """The archive of whole files, in pieces."""
    place = count = 0
    with tempfile.TemporaryFile() as directory:
        for name, data, _ in members:
            path, crc, size = name.encode(), zlib.crc32(data), len(data)
            same = (_VERSION, _UTF8, 0, 0, _DATE, crc, size, size, len(path))
            extra = struct.pack("<HHQ", 1, 8, place)
            directory.write(
                _ENTRY.pack(b"PK\x01\x02", _VERSION, *same, len(extra), 0, 0, 0, 0, _FULL) + path + extra
            )
            head = _LOCAL.pack(b"PK\x03\x04", *same, 0) + path
            yield head + data
            place += len(head) + size
            count += 1
        length = directory.tell()
        directory.seek(0)
        while block := directory.read(_BLOCK):
            yield block
    many = min(count, 0xFFFF)
    yield (
        _END64.pack(b"PK\x06\x06", 44, _VERSION, _VERSION, 0, 0, count, count, length, place)
        + _LOCATOR.pack(b"PK\x06\x07", 0, place + length, 1)
        + _END.pack(b"PK\x05\x06", 0, 0, many, many, min(length, _FULL), _FULL, 0)
    )
