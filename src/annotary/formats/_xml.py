"""XML read element by element, bounded, without entities or anything from outside; texts made safe for it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from xml.etree.ElementTree import ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import DefusedXMLParser

from annotary.formats._json import Broken, shown

DEEPEST = 40
"""No element is read that lies deeper in others."""
MOST = 1_000_000
"""No more elements are held at once."""
LONGEST = 64 << 20
"""No more characters of text are held at once."""
# XML 1.0 has no way to say these, not even by number.
_UNSAYABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SPECIAL = re.compile("[&<>\r]")
_QUOTED = re.compile('[&<>"\r\n\t]')
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}
_NAME = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)


class Element:
    """An element: its tag, attributes, children, text, and the line it begins in."""

    __slots__ = ("attributes", "children", "line", "tag", "text")

    def __init__(self, tag: str, attributes: dict[str, str], line: int) -> None:
        self.tag = tag
        self.attributes = attributes
        self.line = line
        self.children: list[Element] = []
        self.text = ""

    def child(self, tag: str) -> Element | None:
        """The first child of a tag."""
        return next((one for one in self.children if one.tag == tag), None)

    def said(self, *path: str) -> str:
        """The text of a descendant without white space around it; empty where there is none."""
        found: Element | None = self
        for tag in path:
            found = found.child(tag) if found is not None else None
        return found.text.strip() if found is not None else ""

    def plain(self) -> list[Any]:
        """As JSON: tag, text or children, and attributes if there are any; `markup` is the way back."""
        inside: Any = [one.plain() for one in self.children] if self.children else self.text.strip()
        return [self.tag, inside, self.attributes] if self.attributes else [self.tag, inside]


def markup(plain: Any, indent: str, step: str = "\t") -> str:
    """What `Element.plain` gave, as XML lines; ValueError where it is something else."""
    match plain:
        case [str(tag), str() | list() as inside, *rest] if _NAME.fullmatch(tag) and len(rest) < 2:
            said = rest[0] if rest else {}
        case _:
            raise ValueError(f"not an element: {shown(plain)}")
    if len(indent) > DEEPEST * len(step):
        raise ValueError(f"more than {DEEPEST} elements in each other")
    if not isinstance(said, dict) or not all(_NAME.fullmatch(str(key)) for key in said):
        raise ValueError(f"not attributes: {shown(said)}")
    head = tag + "".join(f' {key}="{quoted(str(value))}"' for key, value in said.items())
    if isinstance(inside, str):
        return f"{indent}<{head}>{escaped(inside)}</{tag}>\n" if inside else f"{indent}<{head}/>\n"
    lines = "".join(markup(one, indent + step, step) for one in inside)
    return f"{indent}<{head}>\n{lines}{indent}</{tag}>\n"


def escaped(text: str) -> str:
    """Text between tags; what XML cannot say becomes U+FFFD."""
    if _SPECIAL.search(text):
        text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    return text if text.isascii() and text.isprintable() else _UNSAYABLE.sub("\ufffd", text)


def quoted(text: str) -> str:
    """Text in double quotes."""
    return _UNSAYABLE.sub(
        "\ufffd", _QUOTED.sub(lambda found: _ENTITIES.get(found[0]) or f"&#{ord(found[0])};", text)
    )


def is_name(text: str) -> bool:
    """Whether a tag or an attribute may be called so."""
    return _NAME.fullmatch(text) is not None


def sayable(text: str) -> bool:
    """Whether XML can say a text as it is."""
    return not _UNSAYABLE.search(text)


def children(chunks: Iterable[bytes]) -> Iterator[Element]:
    """The children of the root, one by one; the root itself comes last, empty. Raises Broken."""
    target = _Target()
    parser: Any = DefusedXMLParser(target=target)
    target.parser = parser.parser
    try:
        for chunk in chunks:
            parser.feed(chunk)
            yield from target.taken()
        parser.close()
    except ParseError as error:
        line, column = error.position
        reason = str(error).split(":")[0]
        raise Broken(f"line {line}", f"column {column}", f"not XML: {reason}") from None
    except DefusedXmlException:
        raise Broken(
            f"line {target.parser.CurrentLineNumber}",
            "<!DOCTYPE",
            "entities of a document's own are not read",
        ) from None
    except Broken:
        raise
    except (ValueError, LookupError) as error:
        raise Broken(f"line {target.parser.CurrentLineNumber}", "", f"not XML: {error}") from None
    yield from target.taken()


def document(chunks: Iterable[bytes]) -> Element:
    """The root with all that is in it. Raises Broken."""
    inside = []
    for one in children(chunks):
        inside.append(one)
        if len(inside) > MOST:
            raise Broken(f"line {one.line}", f"<{one.tag}>", f"more than {MOST:,} elements")
    root = inside.pop()
    root.children = inside
    return root


class _Target:
    """Builds elements as the parser calls it."""

    def __init__(self) -> None:
        self.parser: Any = None
        self._open: list[Element] = []
        self._done: list[Element] = []
        self._held = 0
        self._long = 0

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._held += 1
        if len(self._open) > DEEPEST or self._held > MOST:
            limit = f"{MOST:,} elements" if self._held > MOST else f"{DEEPEST} in each other"
            raise Broken(f"line {self.parser.CurrentLineNumber}", f"<{tag}>", f"more than {limit}")
        self._open.append(Element(tag, attributes, self.parser.CurrentLineNumber))

    def end(self, tag: str) -> None:
        made = self._open.pop()
        if len(self._open) < 2:
            self._done.append(made)
        else:
            self._open[-1].children.append(made)

    def data(self, text: str) -> None:
        self._long += len(text)
        if self._long > LONGEST:
            line = f"line {self.parser.CurrentLineNumber}"
            raise Broken(line, shown(text), f"more than {LONGEST >> 20} MiB of text")
        if len(self._open) > 1:
            self._open[-1].text += text

    def close(self) -> None:
        """Nothing is left to do."""

    def taken(self) -> list[Element]:
        """What is whole since the last time."""
        done, self._done = self._done, []
        self._held = self._long = 0
        return done
