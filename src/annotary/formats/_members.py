"""The members of one large JSON object, its arrays a slice at a time: nothing is in memory whole.

The end of an element is guessed by the text between two elements and proved by decoding: where the guess
is wrong, the standard parser finds the end.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator
from typing import NamedTuple

import msgspec
from msgspec import Raw

from annotary.formats import Source
from annotary.formats._json import LIMIT, Broken

STEP = 1 << 20
_SMALL = 1 << 10
_SPACE = re.compile(rb"[ \t\r\n]*")
_SEAM = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*(?=\{)")
_raws = msgspec.json.Decoder(list[Raw]).decode
_key = msgspec.json.Decoder(str).decode


class Slice(NamedTuple):
    """Some elements of an array, or one whole member (`first` is -1); `data` is JSON, an array or a value.

    `elements` are those of the array one by one.
    """

    key: str
    data: bytes
    first: int
    elements: list[Raw]

    def place(self, at: int) -> str:
        """The JSON path of the element."""
        return f"$.{self.key}[{self.first + at}]"


def members(source: Iterator[bytes], arrays: Container[str]) -> Iterator[Slice]:
    """The members of the object in order; those named by `arrays` by slices. Raises Broken."""
    text = _Text(source)
    text.expect(b"{")
    if text.peek() == b"}":
        return
    while True:
        key = _key(text.value("$"))
        text.expect(b":")
        if key in arrays and text.peek() == b"[":
            yield from _elements(text, key)
        else:
            yield Slice(key, text.value(f"$.{key}"), -1, [])
        if text.peek() == b"}":
            text.at += 1
            if rest := text.peek():
                raise Broken("after the object", repr(rest), "something follows the end of the file's object")
            return
        text.expect(b",")


def of_source(source: Source, arrays: Container[str]) -> Iterator[Slice]:
    """The members of a source's one object."""
    return members(source.chunks(), arrays)


class _Text:
    """Bytes read so far and not yet used."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self.chunks = chunks
        self.data = b""
        self.at = 0
        self.offset = 0
        self.ended = False
        self.more(4)
        if self.data.startswith(b"\xef\xbb\xbf"):
            self.at = 3

    def more(self, wanted: int = STEP) -> bool:
        """Read on; False at the end."""
        if self.ended:
            return False
        parts, size = [self.data[self.at :]], 0
        while size < wanted:
            chunk = next(self.chunks, None)
            if chunk is None:
                self.ended = True
                break
            parts.append(chunk)
            size += len(chunk)
        self.offset += self.at
        self.data, self.at = b"".join(parts), 0
        return size > 0

    def peek(self) -> bytes:
        """The next byte that is not white space; empty at the end."""
        while True:
            self.at = _SPACE.match(self.data, self.at).end()  # type: ignore[union-attr]
            if self.at < len(self.data):
                return self.data[self.at : self.at + 1]
            if not self.more():
                return b""

    def where(self) -> str:
        return f"byte {self.offset + self.at}"

    def expect(self, sign: bytes) -> None:
        """Pass over a sign; raises Broken where another stands."""
        found = self.peek()
        if found != sign:
            shown = found.decode(errors="replace") or "end of file"
            reason = "the file is cut off" if not found else f"not JSON: {sign.decode()} is wanted here"
            raise Broken(self.where(), shown, reason)
        self.at += 1

    def value(self, place: str) -> bytes:
        """The next value, whatever it is, of no more than the limit."""
        self.peek()
        window = 1 << 12
        while True:
            end = min(len(self.data), self.at + window)
            try:
                # One character a byte, so that ends count in bytes.
                _, size = _scan(self.data[self.at : end].decode("latin-1"))
            except RecursionError:
                raise Broken(place, "...", "nested too deeply") from None
            except json.JSONDecodeError as error:
                if window > LIMIT:
                    raise Broken(place, self.where(), f"a value of more than {LIMIT >> 20} MiB") from None
                if end < len(self.data) or self.more(window):
                    window *= 2
                    continue
                raise Broken(f"byte {self.offset + self.at + error.pos}", error.msg, "not JSON") from None
            if self.at + size == end and (end < len(self.data) or self.more(window)):
                # A number may go on.
                window *= 2
                continue
            found = self.data[self.at : self.at + size]
            self.at += size
            return found


_scan = json.JSONDecoder().raw_decode


def _elements(text: _Text, key: str) -> Iterator[Slice]:
    """Slices of about a megabyte; each is a JSON array."""
    text.expect(b"[")
    index = 0
    while text.peek() != b"]":
        if len(text.data) - text.at < STEP:
            text.more()
        data, found = _whole(text)
        if not found:
            data = b"[" + text.value(f"$.{key}[{index}]") + b"]"
            found = _raws(data)
        yield Slice(key, data, index, found)
        index += len(found)
        if text.peek() != b"]":
            text.expect(b",")
    text.at += 1


def _whole(text: _Text) -> tuple[bytes, list[Raw]]:
    """As many whole elements of what is read as are found, together and one by one; passes over them."""
    size = len(text.data) - text.at
    while size > _SMALL:
        end = _seam(text, text.at + size)
        if not end:
            break
        data = b"[" + text.data[text.at : end] + b"]"
        try:
            found = _raws(data)
        except msgspec.DecodeError:
            # The array ends before, or this was no seam: with half of it little is decoded in vain.
            size = (end - text.at) // 2
            continue
        text.at = end
        return data, found
    return b"", []


def _seam(text: _Text, limit: int) -> int:
    """Where the last whole element before a limit seems to end; 0 where there is none."""
    closing = text.data.rfind(b"}", text.at, limit)
    while closing > text.at:
        low = max(text.at, closing - 65536)
        seams = [found.start() for found in _SEAM.finditer(text.data, low, closing + 1)]
        if seams:
            return seams[-1] + 1
        closing = low
    return 0
