"""File names out of names that anybody may have chosen: safe on every system, different, and reversible.

A name keeps its folders. What no file may be called is spelt with `%` and two hexadecimal digits a byte,
`%` itself included where that is needed to tell: `original` gives the name back.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from urllib.parse import unquote

from annotary.formats._seen import Seen
from annotary.model.ledger import Ledger

_BAD = re.compile(r'[\x00-\x1f<>:"|?*\\\x7f]|%(?=[0-9A-Fa-f]{2})')
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|$)")
# Most names: nothing in them needs to be looked at more closely.
_USUAL = re.compile(
    r"(?!con|prn|aux|nul|com|lpt)[0-9a-z_-][0-9a-z_.-]{0,180}[0-9a-z_-]", re.IGNORECASE | re.ASCII
)
_USUAL_LINES = re.compile(rf"(?:{_USUAL.pattern}\n)+", _USUAL.flags)
LONGEST = 200
"""Bytes of one part of a path; leaves room for an ending below the 255 of usual file systems."""
DEEPEST = 30


def safe(name: str) -> str:
    r"""A relative path of `/` that leads nowhere else, the same for the same name.

    >>> safe("night/cam 1/0001.jpg"), safe("../../etc/passwd"), safe("C:\\x"), safe("aux.png")
    ('night/cam 1/0001.jpg', '%2E%2E/%2E%2E/etc/passwd', 'C%3A%5Cx', '%61ux.png')
    """
    if _USUAL.fullmatch(name):
        return name
    parts = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace").split("/")
    made = [_part(part) for part in parts] if parts != [""] else ["%"]
    if len(made) > DEEPEST:
        made = ["%2F".join(made)]
        made = [_shortened(made[0], name)]
    return "/".join(made)


def original(path: str) -> str:
    """The name that `safe` made a path of, unless it was too long to be kept.

    >>> original(safe("a:b/../x.")) == "a:b/../x."
    True
    """
    return unquote("/".join("" if part == "%" else part for part in path.split("/")))


def _part(part: str) -> str:
    if part == "":
        # An absolute path, or two slashes: an empty name.
        return "%"
    made = _BAD.sub(_spelt, part)
    if part in (".", ".."):
        made = made.replace(".", "%2E")
    elif made[-1] in ". ":
        made = made[:-1] + _hex(made[-1])
    if made[0] == " ":
        made = _hex(" ") + made[1:]
    if _RESERVED.match(made):
        made = _hex(made[0]) + made[1:]
    return _shortened(made, part)


def _shortened(made: str, given: str) -> str:
    """A name that is too long, cut, with a digest of all of it."""
    if len(made.encode()) <= LONGEST:
        return made
    _, dot, ending = made.rpartition(".")
    ending = dot + ending if dot and len(ending.encode()) <= 10 else ""
    kept = made.encode()[: LONGEST - 20 - len(ending.encode())].decode(errors="ignore")
    kept = re.sub(r"%[0-9A-Fa-f]?$", "", kept)
    return f"{kept}~{blake2b(given.encode('utf-8', 'replace'), digest_size=8).hexdigest()}{ending}"


def _spelt(found: re.Match[str]) -> str:
    return _hex(found[0])


def _hex(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))


class Names:
    """The file names of one export: safe, and different even where capitals do not count."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._seen = Seen()

    def paths(self, names: list[str], ids: list[str], *, ending: str) -> list[str]:
        """The paths for several names, which are looked at together where they are usual ones."""
        lines = "\n".join([*names, ""])
        if lines.count("\n") == len(names) and _USUAL_LINES.fullmatch(lines):
            made = [(name.rpartition(".")[0] or name) + ending for name in names]
            if self._seen.add_texts([path.lower() for path in made]):
                return made
        return [self.path(name, id, ending=ending) for name, id in zip(names, ids, strict=True)]

    def path(self, name: str, id: str = "", *, ending: str | None = None) -> str:
        """The path for a name (with another ending, such as `.txt`); a changed name goes into the ledger.

        `id` is what the ledger calls the thing, if not by its name.
        """
        made = safe(name)
        if made != name:
            self._ledger.changed("renamed", "image", "a name that no file may have", id or name)
        stem, dot, own = made.rpartition(".")
        if not dot or "/" in own or not stem or stem.endswith("/"):
            stem, own = made, ""
        path = made if ending is None else stem + ending
        if not self._seen.add(path.casefold()):
            digest = blake2b(f"{name}\x1f{id}".encode("utf-8", "replace"), digest_size=5).hexdigest()
            stem, own = f"{stem}~{digest}", f".{own}" if own else ""
            path = stem + (own if ending is None else ending)
            self._ledger.changed("renamed", "image", "another file has this name", id or name)
            number = 1
            while not self._seen.add(path.casefold()):
                number += 1
                path = f"{stem}-{number}{own if ending is None else ending}"
        return path
