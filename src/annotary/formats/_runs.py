"""Masks as other programs pack them: CVAT's rows in a window, Label Studio's bits, LabelMe's part in a box.

Everything is checked before pixels are allocated; what is wrong with the packing is a ValueError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from annotary.formats import _geometry as geometry
from annotary.formats._png import MAX_PIXELS, Mask, check_mask, check_size

# Label Studio's encoder uses these: bits of a value; bits of a length, by the two bits that choose them.
_VALUE_BITS = 8
_LENGTH_BITS = (3, 4, 8, 16)
_CHANNELS = 4  # red, green, blue, alpha


class Window(NamedTuple):
    """Runs along the rows of a window of the image, outside first (CVAT)."""

    counts: tuple[int, ...]
    left: int
    top: int
    width: int
    height: int


def window_of(mask: Mask) -> Window | None:
    """The runs in the smallest window around the pixels inside; None when there are none."""
    check_mask(mask)
    box = geometry.mask_box(mask)
    if box is None:
        return None
    left, top, width, height = (int(side) for side in (box.left, box.top, box.width, box.height))
    pixels = mask[top : top + height, left : left + width].reshape(-1)
    changes = np.flatnonzero(np.diff(pixels, prepend=False))
    counts = np.diff(changes, prepend=0, append=pixels.size)
    return Window(tuple(counts.tolist()), left, top, width, height)


def mask_of_window(window: Window, height: int, width: int, *, max_pixels: int = MAX_PIXELS) -> Mask:
    """The image's mask; ValueError unless the runs fill the window and the window lies inside the image."""
    check_size(window.height, window.width, max_pixels)
    size = window.height * window.width
    if any(count < 0 for count in window.counts):
        raise ValueError(f"a run-length is negative: {min(window.counts)}")
    if (total := sum(window.counts)) != size:
        raise ValueError(f"run-lengths cover {total} pixels, the window has {size}")
    inside = np.arange(len(window.counts)) % 2 == 1
    pixels = np.repeat(inside, window.counts).reshape(window.height, window.width)
    return place(pixels, window.left, window.top, height, width, max_pixels=max_pixels)


def place(part: Mask, left: int, top: int, height: int, width: int, *, max_pixels: int = MAX_PIXELS) -> Mask:
    """A mask of the whole image from the part at left, top; ValueError when pixels of it lie outside."""
    check_size(height, width, max_pixels)
    rows, columns = part.shape
    if left < 0 or top < 0 or left + columns > width or top + rows > height:
        cut = part[max(0, -top) : max(0, height - top), max(0, -left) : max(0, width - left)]
        if np.count_nonzero(cut) != np.count_nonzero(part):
            where = f"{columns}x{rows} at {left}, {top}"
            raise ValueError(f"a mask of {where} reaches outside the image of {width}x{height}")
        part, left, top = cut, max(0, left), max(0, top)
        rows, columns = part.shape
    whole = np.zeros((height, width), np.bool_)
    whole[top : top + rows, left : left + columns] = part
    return whole


# Label Studio. A stream of bits, most significant first: 32 bits the number of values, 5 bits the size of a
# value less one, four times 4 bits the sizes of lengths less one. Then runs until all values are there: one
# bit, two bits that choose a size of length, the length less one, and one value that is repeated (bit 1) or
# as many values (bit 0). They are the image's red, green, blue and alpha, row by row; alpha 0 is outside.


def unpack_brush(packed: Sequence[int], height: int, width: int, *, max_pixels: int = MAX_PIXELS) -> Mask:
    """The mask of Label Studio's brush `rle`, a list of bytes; ValueError unless it fills height x width."""
    check_size(height, width, max_pixels)
    try:
        # From a tuple: of a bare number bytes() would make as many zeros.
        reader = _Bits(bytes(tuple(packed)))
    except (TypeError, ValueError) as error:
        raise ValueError("a brush's rle is a list of bytes, 0 to 255") from error
    count, value_bits = reader.number(32), reader.number(5) + 1
    length_bits = [reader.number(4) + 1 for _ in range(4)]
    if count != height * width * _CHANNELS:
        wanted = f"{height * width * _CHANNELS}: {width}x{height} pixels of {_CHANNELS}"
        raise ValueError(f"a brush's rle has {count} values, not {wanted}")
    if value_bits > 8:
        raise ValueError(f"a brush's rle has values of {value_bits} bits; 8 are known")
    pixels = np.zeros(height * width, np.bool_)
    done = 0
    while done < count:
        repeated = reader.number(1)
        length = reader.number(length_bits[reader.number(2)]) + 1
        if done + length > count:
            raise ValueError(f"a brush's rle has more than the {count} values it announces")
        # Pixel i's alpha is value 4 i + 3.
        alphas = slice(done // _CHANNELS, (done + length) // _CHANNELS)
        if repeated:
            pixels[alphas] = reader.number(value_bits) != 0
        else:
            pixels[alphas] = reader.values(length, value_bits)[_CHANNELS - 1 - done % _CHANNELS :: _CHANNELS]
        done += length
    return pixels.reshape(height, width)


def pack_brush(mask: Mask) -> list[int]:
    """Label Studio's brush `rle` of a mask: 255 in all four channels inside, 0 outside."""
    check_mask(mask)
    pixels = mask.reshape(-1)
    starts = np.concatenate([np.zeros(1, np.int64), np.flatnonzero(pixels[1:] != pixels[:-1]) + 1])
    lengths = np.diff(starts, append=pixels.size) * _CHANNELS
    # The longest run has 65,536 values; longer ones go on in the next.
    longest = 1 << _LENGTH_BITS[-1]
    pieces = -(-lengths // longest)
    inside = np.repeat(pixels[starts], pieces)
    runs = np.full(len(inside), longest)
    runs[np.cumsum(pieces) - 1] = lengths - (pieces - 1) * longest
    choice = np.searchsorted(1 << np.array(_LENGTH_BITS), runs)
    bits_of_length = np.array(_LENGTH_BITS)[choice]
    # One number a run: a set bit, the choice, the length less one, the value.
    numbers = ((4 | choice) << bits_of_length | runs - 1) << _VALUE_BITS | np.where(inside, 255, 0)
    sizes = 3 + bits_of_length + _VALUE_BITS
    head = f"{pixels.size * _CHANNELS:032b}{_VALUE_BITS - 1:05b}" + "".join(
        f"{n - 1:04b}" for n in _LENGTH_BITS
    )
    shifts = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    body = np.repeat(numbers, sizes) >> np.repeat(sizes, sizes) - 1 - shifts & 1
    bits = np.concatenate([np.array([int(bit) for bit in head]), body]).astype(np.uint8)
    packed: list[int] = np.packbits(bits).tolist()
    return packed


class _Bits:
    """A stream of bits, most significant first; ValueError beyond its end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    def number(self, size: int) -> int:
        """The next bits as one number."""
        start, end = self._place, self._advance(size)
        return int.from_bytes(self._data[start >> 3 : (end + 7) >> 3]) >> (-end & 7) & (1 << size) - 1

    def values(self, count: int, size: int) -> Mask:
        """Which of the next values are not 0."""
        start, end = self._place, self._advance(count * size)
        packed = np.frombuffer(self._data[start >> 3 : (end + 7) >> 3], np.uint8)
        bits = np.unpackbits(packed)[start & 7 :][: count * size]
        present: Mask = np.logical_or.reduce(bits.reshape(count, size), axis=1)
        return present

    def _advance(self, size: int) -> int:
        self._place += size
        if self._place > 8 * len(self._data):
            raise ValueError("a brush's rle ends before its values do")
        return self._place
