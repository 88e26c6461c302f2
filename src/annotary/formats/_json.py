"""JSON documents out of a stream: an array's elements, lines, or objects one after the other.

Only one document is in memory at a time, and none longer than a limit.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from annotary.errors import Invalid
from annotary.formats import Source
from annotary.model.corpus import Problem

LIMIT = 64 << 20
"""No JSON document (one data row) is longer, in bytes."""
STEP = 1 << 20
"""So many bytes are read at once where documents are not lines."""
DEPTH = 200
"""No JSON document is nested deeper."""
_SPACE = re.compile(r"[ \t\r\n]*")
_PLACE = re.compile(r" - at `\$(.*)`\Z")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+|\.\.\.)\]")


class Document(NamedTuple):
    """One JSON document as it stands in the file, and where: `line 3`, `$[2]`, or `$`."""

    data: bytes
    place: str


class Broken(Invalid):
    """The stream is not JSON from here on."""

    def __init__(self, place: str, value: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}: {value}")
        self.problem = Problem(place=place, value=value, reason=reason)


class Member:
    """One file of a folder or archive, as a source of its own."""

    def __init__(self, source: Source, path: str) -> None:
        self.name = path
        self._source = source

    def chunks(self) -> Iterator[bytes]:
        """The file from its start, in pieces."""
        return self._source.open(self.name)


def documents(source: Source) -> Iterator[Document]:
    """The documents of a source; raises Broken where it is not JSON."""
    buffer = _Buffer(source)
    first = buffer.peek()
    if first == "":
        return
    if first == "[":
        yield from _elements(buffer)
    elif buffer.first_line_is_whole():
        yield from _lines(buffer)
    else:
        yield from _sequence(buffer)


def first_document(source: Source) -> Any:
    """The first document, decoded, to recognise a format by; None where there is none. Raises Broken."""
    for document in documents(source):
        try:
            return msgspec.json.decode(document.data)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            problem = problem_of(error, document)
            raise Broken(problem.place, problem.value, problem.reason) from None
    return None


class _Buffer:
    """Text read so far and not yet used."""

    def __init__(self, source: Source) -> None:
        self.name = source.name
        self.chunks = source.chunks()
        self.decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self.text = ""
        self.at = 0
        self.line = 1
        self.ended = False

    def more(self) -> bool:
        """Read on; False at the end."""
        if self.ended:
            return False
        size = len(self.text) - self.at
        self._limited(size)
        # At least as much again as is there: a long document is not looked at anew for every chunk.
        wanted = min(max(size, STEP), LIMIT + 1 - size)
        parts = [self.text[self.at :]]
        while wanted > 0 and (chunk := next(self.chunks, None)) is not None:
            parts.append(self._text(chunk, parts))
            wanted -= len(chunk)
        if wanted > 0:
            parts.append(self._text(b"", parts, final=True))
            self.ended = True
        self.text = "".join(parts)
        self.at = 0
        return len(self.text) > size

    def lines(self) -> Iterator[bytes]:
        """What is left, line by line: bytes, since to decode and encode again costs half of the parsing."""
        data = self.text[self.at :].encode() + self.decoder.getstate()[0]
        self.text, self.at = "", 0
        begun: list[bytes] = []
        while True:
            *whole, last = data.split(b"\n")
            for line in whole:
                yield b"".join((*begun, line)) if begun else line
                begun = []
            self.line += len(whole)
            begun.append(last)
            self._limited(sum(map(len, begun)) if len(begun) > 1 else 0)
            chunk = next(self.chunks, None)
            if chunk is None:
                self._text(b"", final=True)
                yield b"".join(begun)
                return
            if not chunk.isascii() or self.decoder.getstate()[0]:
                self._text(chunk)
            data = chunk

    def _text(self, chunk: bytes, before: Iterable[str] = (), *, final: bool = False) -> str:
        """A chunk decoded; `before` is what stands between the present line's start and it."""
        try:
            return self.decoder.decode(chunk, final=final)
        except UnicodeDecodeError as error:
            value = error.object[error.start : error.start + 4]
            line = self.line + sum(text.count("\n") for text in before)
            line += error.object.count(b"\n", 0, error.start)
            raise Broken(f"line {line}", repr(value), "not UTF-8; save the file as UTF-8") from None

    def _limited(self, size: int) -> None:
        if size > LIMIT:
            reason = "one JSON document is too long; split the file"
            raise Broken(f"line {self.line}", f"over {LIMIT >> 20} MiB", reason)

    def used(self, end: int) -> None:
        self.line += self.text.count("\n", self.at, end)
        self.at = end

    def peek(self) -> str:
        """The next character that is not white space; empty at the end."""
        while True:
            end = _SPACE.match(self.text, self.at).end()  # type: ignore[union-attr]
            self.used(end)
            if end < len(self.text):
                return self.text[end]
            if not self.more():
                return ""

    def first_line_is_whole(self) -> bool:
        """Whether the first line is a document by itself, as in NDJSON."""
        while (end := self.text.find("\n", self.at)) < 0:
            if not self.more():
                end = len(self.text)
                break
        line = self.text[self.at : end].rstrip()
        return line.endswith("}") and _whole(line)


def _whole(line: str) -> bool:
    try:
        json.loads(line)
    except RecursionError:
        return True
    except ValueError as error:
        # A wrong value inside a line does not make the line less of a line; a missing end does.
        return getattr(error, "pos", 0) < len(line) - 1 and "Unterminated" not in str(error)
    return True


def _lines(buffer: _Buffer) -> Iterator[Document]:
    number = buffer.line
    for line in buffer.lines():
        if line and not line.isspace():
            yield Document(line, f"line {number}")
        number += 1


def _elements(buffer: _Buffer) -> Iterator[Document]:
    buffer.used(buffer.at + 1)
    index = 0
    if buffer.peek() == "]":
        return
    while True:
        yield Document(_value(buffer, f"$[{index}]"), f"$[{index}]")
        index += 1
        follows = buffer.peek()
        if follows == "]":
            buffer.used(buffer.at + 1)
            if rest := buffer.peek():
                raise Broken(f"line {buffer.line}", rest, "something follows the end of the array")
            return
        if follows != ",":
            raise Broken(
                f"line {buffer.line}, after $[{index - 1}]",
                follows or "end of file",
                "the array is cut off" if not follows else "no comma or ] between elements",
            )
        buffer.used(buffer.at + 1)
        if not buffer.peek():
            raise Broken(f"line {buffer.line}", "end of file", "the array is cut off")


def _sequence(buffer: _Buffer) -> Iterator[Document]:
    index = 0
    while buffer.peek():
        place = "$" if index == 0 else f"line {buffer.line}"
        yield Document(_value(buffer, place), place)
        index += 1


_scan = json.JSONDecoder().raw_decode
_ESCAPE = re.compile(r"\\.{0,5}\s*\Z")


def _is_cut(text: str, error: json.JSONDecodeError) -> bool:
    """Whether a parser failed because the text ends too early."""
    rest = text[error.pos : error.pos + 10].rstrip()
    begun = any(word.startswith(rest) for word in ("true", "false", "null", "-"))
    return error.msg.startswith("Unterminated") or begun or _ESCAPE.match(text, error.pos) is not None


def _value(buffer: _Buffer, place: str) -> bytes:
    """The next document. The parser of the standard library finds its end; it is decoded elsewhere."""
    while True:
        try:
            _, end = _scan(buffer.text, buffer.at)
        except RecursionError:
            raise Broken(place, "...", f"nested deeper than {DEPTH} levels") from None
        except json.JSONDecodeError as error:
            cut = _is_cut(buffer.text, error)
            if cut and buffer.more():
                continue
            line = buffer.line + buffer.text.count("\n", buffer.at, error.pos)
            value = buffer.text[error.pos : error.pos + 30].split("\n")[0] or "end of file"
            reason = "the file is cut off" if cut else f"not JSON ({error.msg.lower()})"
            raise Broken(f"line {line}, in {place}", value, reason) from None
        if end == len(buffer.text) and buffer.more():
            continue
        data = buffer.text[buffer.at : end].encode()
        buffer.used(end)
        return data


def problem_of(error: Exception, document: Document) -> Problem:
    """What a decoder complained about: JSON path, the value there, the reason."""
    if isinstance(error, RecursionError):
        return Problem(place=document.place, value="...", reason=f"nested deeper than {DEPTH} levels")
    text = str(error)
    found = _PLACE.search(text)
    if found is None:
        value = document.data[:40].decode(errors="replace")
        reason = text if isinstance(error, msgspec.ValidationError) else f"not JSON ({text})"
        return Problem(place=document.place, value=value, reason=reason)
    path = found[1]
    reason = text[: found.start()]
    place = f"{document.place} {path.lstrip('.')}"
    return Problem(place=place, value=_value_at(document.data, path), reason=reason)


def _value_at(data: bytes, path: str) -> str:
    """The value at a decoder's path; `[...]` stands for any key of a mapping."""
    # The standard parser, for it reads numbers that are out of range too.
    places = [json.loads(data)]
    for name, index in _STEP.findall(path):
        following: list[Any] = []
        for place in places:
            if index == "..." and isinstance(place, dict):
                following.extend(place.values())
            elif index.isdigit() and isinstance(place, list) and int(index) < len(place):
                following.append(place[int(index)])
            elif name and isinstance(place, dict) and name in place:
                following.append(place[name])
        places = following
    return shown(places[0]) if places else "nothing"


def shown(value: Any) -> str:
    """A value short enough for a message."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
