"""Pictures of labels: class indices in grey or with a palette, panoptic ids in RGB, and masks painted in.

A picture is an array of whole numbers, height x width; 0 is what nobody painted. Sizes are checked before
pixels are unpacked; what is wrong with a picture or a PNG is a ValueError.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from annotary.formats import _png
from annotary.formats._png import MAX_PIXELS, check_size
from annotary.formats._rle import Rle, of_changes

Labels = NDArray[np.unsignedinteger[Any]]
Palette = NDArray[np.uint8]


class Picture(NamedTuple):
    """Labels as the file has them, and the palette (n x 3) if there is one."""

    labels: Labels
    palette: Palette | None


class Painted(NamedTuple):
    """Which mask is on top at each pixel, from 1, 0 for none; each one's pixels, and how many others hide."""

    owners: NDArray[np.uint32]
    areas: tuple[int, ...]
    hidden: tuple[int, ...]

    def labels(self, values: Sequence[int]) -> NDArray[np.uint32]:
        """The picture with a value for each mask, such as its class's."""
        if any(not 0 <= value < 1 << 32 for value in values):
            raise ValueError(f"a label is from 0 to {(1 << 32) - 1}, not {min(values)} to {max(values)}")
        return np.array([0, *values], np.uint32)[self.owners]


def voc_palette(size: int = 256) -> Palette:
    """Pascal VOC's colours, size x 3: of each three bits one goes to red, green and blue, top bits first.

    >>> voc_palette()[[0, 1, 2, 15, 255]].tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0], [192, 128, 128], [224, 224, 192]]
    """
    labels = np.arange(size)[:, np.newaxis]
    places = np.arange(3)
    colours = np.zeros((size, 3), np.int64)
    for bit in range(8):
        colours |= (labels >> (3 * bit + places) & 1) << 7 - bit
    return colours.astype(np.uint8)


def paint(masks: Iterable[Rle], height: int, width: int) -> Painted:
    """Masks painted in the order given, later ones on top; ValueError on a wrong size."""
    check_size(height, width)
    owners = np.zeros((height, width), np.uint32)
    areas = []
    for number, mask in enumerate(masks, 1):
        if (mask.height, mask.width) != (height, width):
            raise ValueError(f"mask of {mask.height}x{mask.width} on a picture of {height}x{width}")
        areas.append(mask.area())
        if areas[-1]:
            left, top, part = mask.part()
            owners[top : top + part.shape[0], left : left + part.shape[1]][part] = number
    seen = np.bincount(owners.reshape(-1), minlength=len(areas) + 1)[1:].tolist()
    hidden = tuple(area - left for area, left in zip(areas, seen, strict=True))
    return Painted(owners, tuple(areas), hidden)


def encode_palette(labels: Labels, palette: Palette) -> bytes:
    """8-bit PNG with a palette (1 to 256 x 3); ValueError when a label has no colour in it."""
    height, width = _checked(labels, len(palette) - 1)
    if (
        palette.dtype != np.uint8
        or palette.ndim != 2
        or palette.shape[1] != 3
        or not 1 <= len(palette) <= 256
    ):
        raise ValueError("a palette is 1 to 256 colours of three bytes")

    def fill(rows: slice, lines: NDArray[np.uint8]) -> None:
        lines[:] = labels[rows]

    return _png.encode(_png.Header(height, width, 8, _png.PALETTE, False), fill, palette)


def encode_grey(labels: Labels, *, depth: int = 8) -> bytes:
    """Grey PNG of depth 8 or 16 bits; ValueError when a label does not fit."""
    if depth not in (8, 16):
        raise ValueError(f"a grey picture of labels has 8 or 16 bits, not {depth}")
    height, width = _checked(labels, (1 << depth) - 1)

    def fill(rows: slice, lines: NDArray[np.uint8]) -> None:
        if depth == 8:
            lines[:] = labels[rows]
        else:
            lines[:, ::2] = labels[rows] >> 8
            lines[:, 1::2] = labels[rows] & 255

    return _png.encode(_png.Header(height, width, depth, _png.GREY, False), fill)


def encode_ids(ids: Labels) -> bytes:
    """COCO panoptic's RGB PNG: id = R + 256 G + 65536 B; ValueError above 2**24 - 1."""
    height, width = _checked(ids, (1 << 24) - 1)

    def fill(rows: slice, lines: NDArray[np.uint8]) -> None:
        pixels = np.ascontiguousarray(ids[rows], "<u4").view(np.uint8)
        for channel in range(3):
            lines[:, channel::3] = pixels[:, channel::4]

    return _png.encode(_png.Header(height, width, 8, _png.RGB, False), fill)


def decode_labels(png: bytes, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """The indices of a PNG in grey or with a palette; ValueError for one with other colours."""
    picture = _png.decode(png, max_pixels)
    if picture.header.colour not in (_png.GREY, _png.PALETTE):
        raise ValueError(
            "a picture of labels is grey or has a palette; this PNG has red, green and blue or alpha"
        )
    palette = picture.palette if picture.header.colour == _png.PALETTE else None
    return Picture(picture.samples[..., 0], palette)


def decode_ids(png: bytes, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint32]:
    """COCO panoptic's ids of an 8-bit RGB PNG (alpha is ignored); ValueError for any other PNG."""
    picture = _png.decode(png, max_pixels)
    if picture.header.colour not in (_png.RGB, _png.RGB_ALPHA) or picture.header.depth != 8:
        raise ValueError("a panoptic picture is an 8-bit RGB PNG")
    ids = np.zeros((*picture.samples.shape[:2], 4), np.uint8)
    ids[..., :3] = picture.samples[..., :3]
    return ids.view("<u4")[..., 0].astype(np.uint32, copy=False)


def masks_of(labels: Labels) -> dict[int, Rle]:
    """The pixels of each label but 0, labels in rising order; one pass, however many there are."""
    height, width = labels.shape
    down = labels.T.reshape(-1)
    starts = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(down[1:] != down[:-1]) + 1])
    runs = np.stack([starts, np.append(starts[1:], down.size)], axis=1)
    found = down[starts]
    order = np.argsort(found, kind="stable")
    distinct, first = np.unique(found[order], return_index=True)
    return {
        label: of_changes(runs[some].reshape(-1), height, width)
        for label, some in zip(distinct.tolist(), np.split(order, first[1:]), strict=True)
        if label
    }


def _checked(labels: Labels, highest: int) -> tuple[int, int]:
    """Height and width; ValueError unless labels are two-dimensional and unsigned, up to the highest."""
    if labels.ndim != 2 or labels.dtype.kind != "u":
        raise ValueError(
            f"labels are a two-dimensional array of unsigned numbers, not {labels.ndim} of {labels.dtype}"
        )
    height, width = labels.shape
    check_size(height, width, labels.size)
    if (largest := int(labels.max())) > highest:
        raise ValueError(f"label {largest} does not fit: the highest here is {highest}")
    return height, width
