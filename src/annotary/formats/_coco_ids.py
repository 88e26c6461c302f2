"""What COCO numbers: images, annotations and categories keep their ids, or get ones that never move."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Raw, UnsetType

from annotary.formats._seen import Seen
from annotary.model.base import to_json, to_json_lines
from annotary.model.image import Class, Classes, Image, ImageSet, Settled

_members = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode
_LOWER = (1 << 52) - 1
_IMAGE_OWN = frozenset(("id", "file_name", "width", "height"))


class Ids:
    """Whole numbers that stay: those that came in, else a hash of a lasting key, below 2**53."""

    def __init__(self, found: ImageSet, kind: str) -> None:
        self._found = found
        self._kind = kind
        self._seen = Seen()

    def of(self, carried: Any, key: str) -> int:
        """The id for something that had one, or has a key."""
        if isinstance(carried, int):
            if self._seen.add(carried):
                return carried
            self._found.ledger.changed("renamed", self._kind, "this id is there twice", str(carried))
        return self.made(key)

    def made(self, key: str) -> int:
        """The id that follows from a key."""
        attempt = key
        while True:
            digest = blake2b(attempt.encode("utf-8", "surrogatepass"), digest_size=8).digest()
            # The upper half of what a double can count: ids that people give are smaller.
            id = (1 << 52) | (int.from_bytes(digest, "big") >> 12)
            if self._seen.add(id):
                return id
            attempt += "\x1f"

    def are_new(self, ids: np.ndarray) -> bool:
        """Whether ids that follow from keys can be given: all different, and none of them given yet."""
        return len(set(ids.tolist())) == len(ids) and self._seen.are_new(ids)

    def give(self, ids: np.ndarray) -> None:
        """Give ids that are new."""
        self._seen.add_all(ids)


def hashed(keys: list[bytes]) -> np.ndarray:
    """The ids that follow from keys (UTF-8), as `Ids.made` gives them where they are new."""
    digests = b"".join([blake2b(key, digest_size=8).digest() for key in keys])
    found: np.ndarray = (np.frombuffer(digests, ">u8").astype(np.int64) >> 12 & _LOWER) | 1 << 52
    return found


class Categories:
    """The category ids of the classes of one export."""

    def __init__(self, classes: Classes) -> None:
        self._classes = classes
        self._begun = False
        self.ids: dict[str, int] = {}
        self.taken: set[int] = set()
        if isinstance(classes, Settled):
            # Who writes only some of the rows gives no id that these bring or that follows from their order.
            for one in classes:
                self.of(one)

    def take(self, name: str, id: int) -> None:
        """Give a class an id."""
        self.taken.add(id)
        self.ids[name] = id

    def of(self, one: Class) -> int:
        """A class's category id: the one that came in, else its number from 1, else the next free one."""
        if not self._begun:
            # Ids that came in are taken before any is given; a reader knows them by its first image.
            self._begun = True
            for known in self._classes:
                if isinstance(said := known.category.get("id"), int) and said not in self.taken:
                    self.take(known.name, said)
        id = self.ids.get(one.name)
        if id is None:
            id = one.index + 1
            if id in self.taken:
                id = max(self.taken) + 1
            self.take(one.name, id)
        return id

    def elements(self, **more: Any) -> bytes:
        """The array of categories by their ids; `more` is what each has unless it says so itself."""
        made: list[dict[str, Any]] = []
        for one in self._classes:
            id = self.of(one)
            said = {key: value for key, value in one.category.items() if key != "id"}
            made.append({"id": id, "name": one.name, **{**more, **said}})
        made.sort(key=lambda one: int(one["id"]))
        return to_json(made).encode()


def image_element(image: Image, ids: Ids, *, split: bool = False) -> tuple[int, bytes]:
    """An image's id and its element of `images`: the one it came with, where its id is kept.

    `split` adds a member of this name, where the file does not say it otherwise.
    """
    said: dict[str, Raw] = _members(image.coco) if image.coco else {}
    carried = msgspec.json.decode(said["id"]) if "id" in said else None
    id = ids.of(carried, image.key)
    if split and image.split:
        name = Raw(_encode(image.split))
        split = said.get("split") != name
        said = {**said, "split": name}
    else:
        split = False
    if carried is not None and id == carried and not split:
        return id, bytes(image.coco)
    plain = _plain(image, id)
    if "coco_url" in said:
        plain.coco_url = UNSET
    rest = b"".join(
        b"," + to_json(key).encode() + b":" + bytes(one) for key, one in said.items() if key not in _IMAGE_OWN
    )
    return id, to_json(plain).encode()[:-1] + rest + b"}"


class _Image(msgspec.Struct, gc=False):
    id: int
    file_name: str
    width: int
    height: int
    coco_url: str | UnsetType = UNSET


def _plain(image: Image, id: int) -> _Image:
    """The element of an image of which no COCO file has said anything."""
    url = image.row_data if image.row_data.startswith(("http://", "https://")) else UNSET
    return _Image(id, image.name, image.width, image.height, url)


def plain_elements(images: list[Image], ids: list[int]) -> bytes:
    """Such elements of several images."""
    return to_json_lines(list(map(_plain, images, ids)))[:-1].replace("\n", ",\n").encode()
