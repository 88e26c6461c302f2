"""What COCO files say of a mark by itself: all members of an annotation or result but its ids."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from annotary.formats import _marks as marks
from annotary.formats._losses import drop, mark_id, no_answers, wrote
from annotary.formats._stored import DIGEST, GEOMETRY
from annotary.model.base import to_json
from annotary.model.image import BOX, CUBOID, MASK, NOTHING, POLYGON, Image, ImageSet, Mark, Unsettled

Made = TypeVar("Made")
_KINDS = (BOX, POLYGON, MASK, CUBOID)
_OWN = frozenset(("id", "image_id", "category_id", *GEOMETRY, "iscrowd", "score", DIGEST))
_members = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


class Said(msgspec.Struct, gc=False):
    """What decides how an annotation that came from a COCO file goes out."""

    id: int | None = None
    image_id: int | str | None = None
    category_id: int | None = None
    segmentation: Raw = NOTHING
    area: Raw = NOTHING
    bbox: Raw = NOTHING
    iscrowd: Raw = NOTHING
    geometry_digest: Raw = NOTHING


_said = msgspec.json.Decoder(Said).decode


class Body(NamedTuple):
    """An annotation's members after its ids, its class, and what its own id follows from: `key`.

    `id` and `category` are those that came in. Where an `error` leaves it out, its class counts all the same.
    """

    name: str
    key: str
    members: bytes
    id: int | None = None
    category: int | None = None
    error: str = ""


def each(found: ImageSet, image: Image, element: Callable[[Image, Mark, int], Made | None]) -> list[Made]:
    """What is made of each mark that can be said; what cannot goes into the ledger."""
    ledger = found.ledger
    written: list[Mark] = []
    made: list[Made] = []
    for place, mark in enumerate(image.marks):
        try:
            one = element(image, mark, place)
        except ValueError as error:
            drop(ledger, image, mark, str(error))
            continue
        if one is None:
            drop(ledger, image, mark, f"COCO has no {mark.word}")
            continue
        made.append(one)
        written.append(mark)
    wrote(ledger, written)
    no_answers(ledger, image, written, "COCO")
    return made


class Bodies:
    """The bodies of marks, and the ledger that is told of them."""

    def __init__(self, found: ImageSet) -> None:
        self.found = found

    def of(self, image: Image) -> list[Body]:
        """The annotations of an image; raises Unsettled where one may go out as it came."""
        made: list[Body] = []

        def element(image: Image, mark: Mark, place: int) -> Body | None:
            said = self.said(image, mark)
            if said is not None and stays(mark, said):
                raise Unsettled("an annotation that goes out as it came if its ids do")
            body = self.annotation(image, mark, place, said)
            if body is not None:
                made.append(body)
                if body.error:
                    raise ValueError(body.error)
            return body

        each(self.found, image, element)
        return made

    def results(self, image: Image) -> list[Body]:
        """The same of predictions."""
        return each(self.found, image, self.result)

    def said(self, image: Image, mark: Mark) -> Said | None:
        """What a COCO file said of a mark; raises ValueError."""
        if not mark.coco or mark.kind not in _KINDS:
            return None
        said = _said(mark.coco)
        if mark.kind == MASK and said.segmentation:
            marks.check_run_lengths(mark, image)
        return said

    def annotation(self, image: Image, mark: Mark, place: int, said: Said | None) -> Body | None:
        """The body of an annotation; None where COCO has none of its kind. Raises ValueError."""
        key = mark.feature_id or str(place)
        if mark.coco is NOTHING and mark.kind in (BOX, POLYGON):
            return Body(mark.name, key, _plain(mark))
        if mark.kind not in _KINDS:
            return None
        id, category = (None, None) if said is None else (said.id, said.category_id)
        try:
            return Body(mark.name, key, self.members(image, mark, said), id, category)
        except ValueError as error:
            return Body(mark.name, key, b"", id, category, str(error))

    def result(self, image: Image, mark: Mark, place: int) -> Body | None:
        """A prediction: its box, and of all but boxes the pixels, which are all that evaluation reads."""
        del place
        if mark.kind not in _KINDS:
            return None
        ledger, pixels = self.found.ledger, self.found.pixels
        segmentation = b""
        if mark.kind != BOX:
            found = marks.run_lengths(mark, image, pixels)
            segmentation = b',"segmentation":' + _encode(found.segmentation())
        left, top, right, bottom = marks.corners(mark, image, pixels)
        # Right less left need not be the width that was there.
        box = mark.bounding_box
        size = [box.width, box.height] if box is not None else [right - left, bottom - top]
        if mark.kind not in (BOX, MASK):
            ledger.approximated(mark.word, "a result has pixels in place of points", mark_id(image, mark))
        if mark.confidence is None:
            ledger.changed("repaired", mark.word, "a result needs a score: 1", mark_id(image, mark))
        score = _encode(1.0 if mark.confidence is None else mark.confidence)
        members = b'"bbox":' + _encode([left, top, *size]) + segmentation + b',"score":' + score + b"}"
        return Body(mark.name, "", members)

    def members(self, image: Image, mark: Mark, said: Said | None) -> bytes:
        """All members of an annotation but the ids."""
        pixels = self.found.pixels
        if mark.kind == BOX:
            left, top, right, bottom = marks.corners(mark)
            assert mark.bounding_box is not None
            width, height = mark.bounding_box.width, mark.bounding_box.height
            segmentation = b"[]"
            area = _encode(width * height)
        else:
            left, top, right, bottom = marks.corners(mark, image, pixels)
            width, height = right - left, bottom - top
            segmentation, area = self._filled(image, mark, said)
        box = _encode([left, top, width, height])
        crowd = b"0"
        if said is not None:
            box = bytes(said.bbox) or box
            area = bytes(said.area) or area
            crowd = bytes(said.iscrowd) or crowd
            segmentation = bytes(said.segmentation) or segmentation
        body = b'"segmentation":%b,"area":%b,"bbox":%b,"iscrowd":%b' % (segmentation, area, box, crowd)
        if mark.confidence is not None:
            body += b',"score":' + _encode(mark.confidence)
        if mark.coco:
            for key, value in _members(mark.coco).items():
                if key not in _OWN:
                    body += b"," + to_json(key).encode() + b":" + bytes(value)
        return body + b"}"

    def _filled(self, image: Image, mark: Mark, said: Said | None) -> tuple[bytes, bytes]:
        """Segmentation and area of a polygon, mask or cuboid."""
        if mark.kind == POLYGON:
            flat = mark.flat()
            if len(flat) < 6:
                raise ValueError("a polygon of fewer than 3 points")
            return _encode([flat]), _encode(marks.flat_area(flat))
        if mark.kind == CUBOID:
            ring = marks.rings(mark)[0]
            reason = "a cuboid became the outline around its corners"
            self.found.ledger.approximated(mark.word, reason, mark_id(image, mark))
            return _encode([ring]), _encode(marks.flat_area(ring))
        if (parts := marks.parts(mark)) is not None:
            return _encode(parts), _encode(marks.area(mark, image))
        if said is not None and said.segmentation and said.area:
            return bytes(said.segmentation), bytes(said.area)
        found = marks.run_lengths(mark, image, self.found.pixels)
        return _encode(found.segmentation()), _encode(found.area())


def stays(mark: Mark, said: Said) -> bool:
    """Whether an annotation can go out as it came in, if its ids do."""
    return (
        # What comes from the store has a digest, and the rest of its geometry in the object.
        not said.geometry_digest
        and said.image_id is not None
        and said.category_id is not None
        and (mark.kind not in (POLYGON, MASK) or said.segmentation is not NOTHING)
        and (mark.kind != BOX or said.bbox is not NOTHING)
    )


def _plain(mark: Mark) -> bytes:
    """The members of a box or polygon of which no COCO file has said anything: most of them."""
    box = mark.bounding_box
    if box is not None:
        place_and_size = _encode((box.left, box.top, box.width, box.height))
        segmentation, area = b"[]", box.width * box.height
    else:
        segmentation = mark.flat_text()
        numbers = mark.flat()
        if len(numbers) < 6:
            raise ValueError("a polygon of fewer than 3 points")
        xs, ys = numbers[::2], numbers[1::2]
        left, top = min(xs), min(ys)
        place_and_size = _encode((left, top, max(xs) - left, max(ys) - top))
        segmentation, area = b"[%b]" % segmentation, marks.area_of(xs, ys)
    text = b'"segmentation":%b,"area":%b,"bbox":%b,"iscrowd":0' % (
        segmentation,
        _encode(area),
        place_and_size,
    )
    if mark.confidence is not None:
        text += b',"score":' + _encode(mark.confidence)
    return text + b"}"
