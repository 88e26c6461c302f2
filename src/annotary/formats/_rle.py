"""Run-lengths of masks: COCO's counts, compressed or not, and what can be done without unpacking them.

Counts run down the columns, from the left column to the right one, outside and inside in turn, outside first.
A mask is a bool array, height x width. Sizes and sums are checked before anything is allocated; whatever is
wrong with them is a ValueError that says what.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pycocotools import _mask as coco  # type: ignore[import-untyped]

from annotary.formats._png import MAX_PIXELS, Mask, check_mask, check_size, decode_mask, encode_mask

Ints = NDArray[np.int64]


class Rle(NamedTuple):
    """A mask as COCO's compressed run-lengths; made by the functions below, which check it."""

    height: int
    width: int
    counts: bytes

    def segmentation(self) -> dict[str, object]:
        """COCO's compressed spelling: `size` and `counts` as text."""
        return {"size": [self.height, self.width], "counts": self.counts.decode("ascii")}

    def uncompressed(self) -> dict[str, object]:
        """COCO's spelling of crowds: `size` and `counts` as a list."""
        return {"size": [self.height, self.width], "counts": decompress(self.counts)}

    def area(self) -> int:
        """Pixels inside."""
        return int(coco.area([_plain(self)])[0])

    def box(self) -> tuple[int, int, int, int] | None:
        """Left, top, width, height in pixels of what is inside, right = left + width; None when empty."""
        edges = np.cumsum(_whole_numbers(decompress(self.counts)))
        starts, ends = edges[:-1:2], edges[1::2] - 1
        if not ends.size:
            return None
        left, right = int(starts[0]) // self.height, int(ends[-1]) // self.height
        if (starts // self.height < ends // self.height).any():
            # A run that goes on in the next column touches the bottom and the top.
            return left, 0, right + 1 - left, self.height
        top, bottom = int((starts % self.height).min()), int((ends % self.height).max())
        return left, top, right + 1 - left, bottom + 1 - top

    def mask(self) -> Mask:
        """The pixels."""
        return mask_from_counts(decompress(self.counts), self.height, self.width)

    def part(self) -> tuple[int, int, Mask]:
        """Left, top, and the pixels of the box alone: cheap in a large image. ValueError when empty."""
        box = self.box()
        if box is None:
            raise ValueError("a mask without a pixel has no part")
        left, top, width, height = box
        counts = decompress(self.counts)
        counts[0] -= left * self.height
        # The last column inside ends in a run of the outside, or with the image.
        counts[-1] -= sum(counts) - width * self.height
        return left, top, mask_from_counts(counts, self.height, width)[top : top + height]

    def png(self) -> bytes:
        """The canonical PNG of the store."""
        return encode_mask(self.mask())


def of_mask(mask: Mask) -> Rle:
    """Run-lengths of a mask; ValueError unless it is two-dimensional, bool and not empty."""
    return Rle(*check_mask(mask), compress(counts_of(mask)).encode("ascii"))


def of_png(png: bytes, *, max_pixels: int = MAX_PIXELS) -> Rle:
    """Run-lengths of any mask PNG; ValueError as decode_mask raises it."""
    return of_mask(decode_mask(png, max_pixels=max_pixels))


def of_counts(
    counts: str | bytes | Sequence[int], height: int, width: int, *, max_pixels: int = MAX_PIXELS
) -> Rle:
    """Canonical run-lengths of COCO's counts in either spelling; ValueError unless they fill the mask."""
    check_size(height, width, max_pixels)
    given = decompress(counts) if isinstance(counts, str | bytes) else counts
    runs = _checked(given, height * width)
    if runs[1:].all():
        return Rle(height, width, compress(runs).encode("ascii"))
    return of_changes(np.cumsum(runs)[:-1], height, width)


def of_changes(changes: Ints, height: int, width: int) -> Rle:
    """Run-lengths of the places, counted down the columns, where inside and outside change.

    They come in any order; two in the same place are none, and the end of the mask is no change.
    """
    places, times = np.unique(changes, return_counts=True)
    places = places[(times % 2 == 1) & (places < height * width)]
    runs = np.diff(places, prepend=0, append=height * width)
    return Rle(height, width, compress(runs).encode("ascii"))


def of_segmentation(segmentation: Mapping[str, object], *, max_pixels: int = MAX_PIXELS) -> Rle:
    """Run-lengths of COCO's object with `size` and `counts`; ValueError when it is not one."""
    height, width, counts = _taken_apart(segmentation)
    return of_counts(counts, height, width, max_pixels=max_pixels)


def _taken_apart(segmentation: Mapping[str, object]) -> tuple[int, int, Any]:
    """Height, width and counts of COCO's object; ValueError when it is not one."""
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not isinstance(size, list | tuple) or [type(side) for side in size] != [int, int]:
        raise ValueError(f"a run-length's size is [height, width], not {size!r:.60}")
    if not isinstance(counts, str | bytes | list | tuple):
        raise ValueError(f"a run-length's counts are a list or a string, not {counts!r:.60}")
    return size[0], size[1], counts


def size_of(segmentation: Mapping[str, object], *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Width and height of COCO's object, whose runs fill it; ValueError when they do not."""
    height, width, counts = _taken_apart(segmentation)
    check_size(height, width, max_pixels)
    _checked(decompress(counts) if isinstance(counts, str | bytes) else counts, height * width)
    return width, height


def union(rles: Sequence[Rle]) -> Rle:
    """The pixels of any of them; ValueError without one or when sizes differ."""
    return _merged(rles, False)


def intersection(rles: Sequence[Rle]) -> Rle:
    """The pixels of all of them; ValueError without one or when sizes differ."""
    return _merged(rles, True)


def odd(rles: Iterable[Rle]) -> Rle:
    """The pixels of an odd number of them: rings as run-lengths become rings and their holes."""
    rles = list(rles)
    height, width = _same_size(rles)
    changes = [np.cumsum(_whole_numbers(decompress(one.counts)))[:-1] for one in rles]
    return of_changes(np.concatenate(changes), height, width)


def difference(one: Rle, other: Rle) -> Rle:
    """The pixels of one that the other does not have; ValueError when sizes differ."""
    return odd([one, intersection([one, other])])


def iou(one: Rle, other: Rle) -> float:
    """Shared pixels over all pixels, 0 to 1; two empty masks are equal: 1. ValueError when sizes differ."""
    shared = intersection([one, other]).area()
    every = one.area() + other.area() - shared
    return shared / every if every else 1.0


def counts_of(mask: Mask) -> list[int]:
    """COCO's uncompressed counts: runs down the columns, outside and inside in turn, outside first."""
    height, width = check_mask(mask)
    # Changes are looked for in the order of memory and put in column order afterwards: there are few of them,
    # and turning the whole mask round costs more than everything else.
    rows, columns = np.divmod(np.flatnonzero(mask[1:] != mask[:-1]), width)
    above = np.concatenate([np.zeros(1, np.bool_), mask[-1, :-1]])
    tops = np.flatnonzero(mask[0] != above) * height
    changes = np.sort(np.concatenate([columns * height + rows + 1, tops]))
    counts: list[int] = np.diff(changes, prepend=0, append=mask.size).tolist()
    return counts


def mask_from_counts(counts: Sequence[int], height: int, width: int, *, max_pixels: int = MAX_PIXELS) -> Mask:
    """The mask of COCO's uncompressed counts; ValueError unless they are whole numbers that fill the mask."""
    check_size(height, width, max_pixels)
    runs = _checked(counts, height * width)
    changes = np.cumsum(runs)[:-1]
    changes = changes[changes < height * width]
    bits = blank_bits(height, width)
    columns, rows = np.divmod(changes, height)
    flip_below(bits, rows, columns)
    # A column begins as the one before it ended: inside after an odd number of changes.
    begun = np.searchsorted(changes, np.arange(width) * height) % 2 == 1
    bits[0, : (width + 7) // 8] ^= np.packbits(begun)
    return settle(bits, width)


def compress(counts: Sequence[int] | Ints) -> str:
    """COCO's compressed form: five bits a character, from the fourth count on less the last but one."""
    values = _whole_numbers(counts)
    values[3:] -= _whole_numbers(counts)[1:-2]
    digits, present = [], []
    more = np.ones(len(values), np.bool_)
    while more.any():
        present.append(more)
        digit = values & 31
        values >>= 5
        # The last digit's top bit is the sign, so a number goes on until sign and rest agree.
        more = more & (values != np.where(digit & 16, -1, 0))
        digits.append((digit | np.where(more, 32, 0)) + 48)
    if not digits:
        return ""
    return np.stack(digits, axis=1)[np.stack(present, axis=1)].astype(np.uint8).tobytes().decode("ascii")


def decompress(text: str | bytes) -> list[int]:
    """The counts of COCO's compressed form; ValueError when it is not one."""
    data = text.encode() if isinstance(text, str) else text
    codes = np.frombuffer(data, np.uint8).astype(np.int64) - 48
    if not codes.size:
        return []
    if codes.min() < 0 or codes.max() > 63:
        raise ValueError("a run-length string has a character outside '0' to 'o'")
    ends = np.flatnonzero(codes < 32)
    if not ends.size or ends[-1] != codes.size - 1:
        raise ValueError("a run-length string ends inside a number")
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > 7:
        raise ValueError("a run-length string has a number of more than 35 bits")
    shifts = 5 * (np.arange(codes.size) - np.repeat(starts, lengths))
    values = np.add.reduceat((codes & 31) << shifts, starts)
    values -= np.where(codes[ends] & 16, np.int64(1) << 5 * lengths, 0)
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    if values.min() < 0:
        raise ValueError("a run-length string has a negative count")
    counts: list[int] = values.tolist()
    return counts


def _whole_numbers(counts: Sequence[int] | Ints) -> Ints:
    """Counts as a new array; ValueError unless they are integers of 64 bits."""
    try:
        values = np.array(counts)
    except (ValueError, OverflowError) as error:
        raise ValueError("run-lengths are whole numbers") from error
    if values.ndim != 1 or (values.size and values.dtype.kind not in "iu"):
        raise ValueError("run-lengths are whole numbers")
    return values.astype(np.int64)


def _checked(counts: Sequence[int], pixels: int) -> Ints:
    """Counts as an array; ValueError unless they are whole numbers from 0 that add up to the pixels."""
    runs = _whole_numbers(counts)
    if runs.size and (runs.min() < 0 or runs.max() > pixels):
        raise ValueError(f"a run-length is outside 0 to {pixels}")
    if (total := int(runs.sum())) != pixels:
        raise ValueError(f"run-lengths cover {total} pixels, the mask has {pixels}")
    return runs


def _plain(rle: Rle) -> dict[str, object]:
    return {"size": [rle.height, rle.width], "counts": rle.counts}


def _same_size(rles: Sequence[Rle]) -> tuple[int, int]:
    """The height and width they share; ValueError without one or when sizes differ."""
    sizes = {(one.height, one.width) for one in rles}
    if len(sizes) != 1:
        raise ValueError(f"masks of one size are needed, not of {sorted(sizes)}")
    return sizes.pop()


def _merged(rles: Sequence[Rle], intersect: bool) -> Rle:
    height, width = _same_size(rles)
    return Rle(height, width, coco.merge([_plain(one) for one in rles], intersect)["counts"])


# Masks from changes: a bit set in row y and column x turns over every pixel of the column from y down. A bit
# a pixel, so that settling a row on the one above it takes 64 columns at a time.


def blank_bits(height: int, width: int) -> NDArray[np.uint8]:
    """No changes yet: height x bytes, one bit a column, lines of whole words when there is a word's worth."""
    line = (width + 63) // 64 * 8 if width > 32 else (width + 7) // 8
    return np.zeros((height, line), np.uint8)


def flip_below(bits: NDArray[np.uint8], rows: Ints, columns: Ints) -> None:
    """Turn over the columns from those rows down; the same place twice is no change."""
    places = rows * bits.shape[1] + (columns >> 3)
    np.bitwise_xor.at(bits.reshape(-1), places, np.uint8(128) >> (columns & 7).astype(np.uint8))


def settle(bits: NDArray[np.uint8], width: int) -> Mask:
    """The mask the changes make; bits are used up."""
    words = bits.view(np.uint64) if bits.shape[1] % 8 == 0 else bits
    np.bitwise_xor.accumulate(words, axis=0, out=words)
    return np.unpackbits(bits, axis=1, count=width).view(np.bool_)
