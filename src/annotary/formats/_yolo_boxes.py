"""Label files of boxes for a sheet of images: boxes and polygons as columns of numbers.

The text of a number costs Python more than all that leads to it; here it is digits in an array. A row of the
array is a line, so that the file of an image is cut out of it as it stands.
"""

from __future__ import annotations

from itertools import compress, pairwise

import msgspec
import numpy as np

from annotary.formats import _columns as columns
from annotary.formats._around import extents, filled_boxes
from annotary.formats._columns import Column
from annotary.formats._losses import sheet_written
from annotary.formats._yolo_lines import DETECTION, REACHES, ROUND
from annotary.model.image import BOX, POLYGON, WORDS, Image, ImageSet
from annotary.model.sheet import Sheet

_PLACES = 8
_SCALE = 10.0**_PLACES
_HALF = np.uint64(-1 << 27 & (1 << 64) - 1)
"""The upper half of a number's digits: times the scale, that is a number without rounding, as is the rest."""
_LARGEST = 9.0
_FULL = 10 * int(_SCALE)
"""Added to a number of last places, it makes all of them as long: a digit, one for the whole, the places."""
_CLASSES = 10_000
_NUMBER = _PLACES + 3
"""Bytes of a number: a space, a digit, the point, the places."""
_DOT, _SPACE, _END = b". \n"
_encode = msgspec.json.Encoder().encode


def lines(found: ImageSet, sheet: Sheet, title: str) -> list[bytes] | None:
    """The text of each image's file; None where a sheet has something that is written mark by mark."""
    made = columns.drawn(sheet)
    if made is None:
        return None
    corners = np.empty((4, len(made.marks)))
    # Coordinates may be as large as numbers are; so is what follows from them then.
    with np.errstate(all="ignore"):
        corners[:, made.is_box] = np.concatenate((made.boxes[:2], made.boxes[:2] + made.boxes[2:]))
        corners[:, ~made.is_box] = made.rings.bounds
    written = _written(found, sheet.images, made.names, made.ends, corners)
    if written is None:
        return None
    texts, cut = written
    # From here on it is told of.
    filled_boxes(found.ledger, made.polygons, made.rings)
    if cut.any():
        for kind, chosen in ((BOX, cut & made.is_box), (POLYGON, cut & ~made.is_box)):
            ids = [one.feature_id for one in compress(made.marks, chosen.tolist())]
            found.ledger.changed_all("clipped", WORDS[kind], REACHES, ids)
    sheet_written(found.ledger, sheet, DETECTION, title)
    return texts


def lines_of(found: ImageSet, images: list[Image]) -> list[bytes] | None:
    """The same of images out of a file."""
    made = extents(images)
    if made is None or any([mark.confidence is not None for mark in made.marks]):
        return None
    # What is cut off here filled a share of all of it.
    corners = made.corners.copy()
    written = _written(found, images, [mark.name for mark in made.marks], made.ends, corners)
    if written is None:
        return None
    texts, cut = written
    made.tell(found.ledger)
    if cut.any():
        for kind in dict.fromkeys(mark.kind for mark in made.marks):
            ids = [*made.ids(cut & made.of(kind))]
            found.ledger.changed_all("clipped", WORDS[kind], REACHES, ids)
    return texts


def _written(
    found: ImageSet, images: list[Image], names: list[str], ends: Column, corners: Column
) -> tuple[list[bytes], Column] | None:
    """The text of each image's file, and which boxes were cut off at its border."""
    if not all([image.width and image.height for image in images]):
        return None
    known = found.classes.by_name
    numbers = {name: known[name].index for name in set(names) if name in known}
    indices = [numbers.get(name, -1) for name in names]
    if indices and not 0 <= min(indices) <= max(indices) < _CLASSES:
        return None
    sizes = np.array([(image.width, image.height) for image in images], np.float64)
    width, height = np.repeat(sizes, np.diff(ends), axis=0).T
    with np.errstate(all="ignore"):
        cut = _cut(corners, width, height)
        text = None if cut is None else _text(corners, width, height, indices)
    if text is None or cut is None:
        return None
    places = (ends * (len(text) // len(indices)) if indices else ends).tolist()
    texts = [text[start:end] for start, end in pairwise(places)]
    # NUL stands before shorter classes.
    return [one.translate(None, b"\0") for one in texts] if b"\0" in text else texts, cut


def _cut(corners: Column, width: Column, height: Column) -> Column | None:
    """Cut off what reaches beyond its image; which boxes did, or None where one is outside."""
    left, top, right, bottom = corners
    beyond: Column = (left < -ROUND) | (top < -ROUND) | (right > width + ROUND) | (bottom > height + ROUND)
    if beyond.any():
        if (beyond & ((left > width) | (top > height) | (right < 0) | (bottom < 0))).any():
            return None
        for low in (left, top):
            low[beyond & (low < 0)] = 0
        for high, most in ((right, width), (bottom, height)):
            over = beyond & (high > most)
            high[over] = most[over]
    return beyond


def _text(corners: Column, width: Column, height: Column, indices: list[int]) -> bytes | None:
    """Lines of class, centre and size, all of one length; None where a number has another length."""
    left, top, right, bottom = corners
    shares = np.empty((len(indices), 4))
    shares[:, 0] = (left + right) / 2 / width
    shares[:, 1] = (top + bottom) / 2 / height
    shares[:, 2] = (right - left) / width
    shares[:, 3] = (bottom - top) / height
    if np.signbit(shares).any() or not (shares < _LARGEST).all():
        return None
    if not indices:
        return b""
    # A digit that makes all as long, one for the whole, the places, a comma.
    digits = np.frombuffer(_encode((_rounded(shares) + _FULL).reshape(-1).tolist()), np.uint8)[1:]
    digits = digits.reshape(-1, 4, _NUMBER)
    longest = len(b"%d" % max(indices))
    spelt = {index: (b"%d" % index).rjust(longest, b"\0") for index in set(indices)}
    text = np.empty((len(indices), longest + 4 * _NUMBER + 1), np.uint8)
    text[:, :longest] = np.frombuffer(b"".join([spelt[one] for one in indices]), np.uint8).reshape(
        -1, longest
    )
    for column in range(4):
        at = longest + column * _NUMBER
        text[:, at] = _SPACE
        text[:, at + 1] = digits[:, column, 1]
        text[:, at + 2] = _DOT
        text[:, at + 3 : at + _NUMBER] = digits[:, column, 2:-1]
    text[:, -1] = _END
    return text.tobytes()


def _rounded(shares: Column) -> Column:
    """How often the last digit goes into each number, as `%.8f` rounds: by what the number is, to the end.

    Every sixth box of a usual size in tenths of a pixel stands in the middle between two last digits.
    """
    scaled = shares * _SCALE
    upper = (shares.view(np.uint64) & _HALF).view(np.float64)
    missed = (upper * _SCALE - scaled) + (shares - upper) * _SCALE
    whole = np.floor(scaled)
    over = (scaled - whole - 0.5) + missed
    units: Column = whole.astype(np.int64)
    units += (over > 0) | ((over == 0) & (units % 2 == 1))
    return units
