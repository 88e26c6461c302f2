"""Masks as other programs pack them, against slow readers and real files."""

import base64
import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotary.formats import _runs as runs
from annotary.formats._png import decode_mask


@st.composite
def masks(draw):
    height, width = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    return rng.random((height, width)) < draw(st.sampled_from([0, 0.05, 0.5, 1]))


def refused(message, function, *arguments, **options):
    with pytest.raises(ValueError, match=message):
        function(*arguments, **options)


def bits_of(*numbers):
    """Bytes of (number, size in bits) in turn."""
    text = "".join(f"{number:0{size}b}" for number, size in numbers)
    return [int(text[place : place + 8].ljust(8, "0"), 2) for place in range(0, len(text), 8)]


def slow_brush(packed):
    """Every value of a brush, bit by bit."""
    text = "".join(f"{byte:08b}" for byte in packed)
    place = 0

    def read(size):
        nonlocal place
        place += size
        return int(text[place - size : place], 2)

    count, size = read(32), read(5) + 1
    lengths = [read(4) + 1 for _ in range(4)]
    values = []
    while len(values) < count:
        repeated, length = read(1), read(lengths[read(2)]) + 1
        values += [read(size)] * length if repeated else [read(size) for _ in range(length)]
    return values


@given(masks())
def test_a_brush_there_and_back(mask):
    packed = runs.pack_brush(mask)
    assert all(type(byte) is int and 0 <= byte < 256 for byte in packed)
    assert slow_brush(packed) == np.repeat(mask.reshape(-1) * 255, 4).tolist()
    assert (runs.unpack_brush(packed, *mask.shape) == mask).all()


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 30)), min_size=1), st.integers(0, 9999))
def test_a_brush_of_any_runs(pieces, seed):
    """Single values and repeated ones that begin and end anywhere in a pixel."""
    rng = np.random.default_rng(seed)
    total = sum(length for _, length in pieces)
    pieces = [*pieces, (True, 4 - total % 4)]
    numbers, values = [], []
    for repeated, length in pieces:
        numbers += [(repeated, 1), (3, 2), (length - 1, 10)]
        fresh = rng.integers(0, 3, 1 if repeated else length).tolist()
        numbers += [(value, 6) for value in fresh]
        values += fresh * length if repeated else fresh
    packed = bits_of((len(values), 32), (5, 5), (2, 4), (3, 4), (7, 4), (9, 4), *numbers)
    width = len(values) // 4
    assert runs.unpack_brush(packed, 1, width)[0].tolist() == [value != 0 for value in values[3::4]]


def test_a_long_run_goes_on_in_the_next():
    mask = np.zeros((300, 300), bool)
    mask[100:290] = True
    assert (runs.unpack_brush(runs.pack_brush(mask), 300, 300) == mask).all()


def test_a_damaged_brush_is_refused():
    packed = runs.pack_brush(np.eye(4, dtype=bool))
    for end in range(len(packed) - 1):
        refused("ends before its values do", runs.unpack_brush, packed[:end], 4, 4)
    refused("has 64 values, not 80: 5x4 pixels of 4", runs.unpack_brush, packed, 4, 5)
    for wrong in [256], [-1], ["a"], [1.5], [None], 5:
        refused("list of bytes", runs.unpack_brush, wrong, 4, 4)
    head = [(16, 32), (7, 5), (2, 4), (3, 4), (7, 4), (15, 4)]
    refused(
        "more than the 16 values", runs.unpack_brush, bits_of(*head, (1, 1), (3, 2), (16, 16), (0, 8)), 2, 2
    )
    refused("values of 32 bits", runs.unpack_brush, bits_of((16, 32), (31, 5), (0, 20)), 2, 2)
    tracemalloc.start()
    refused("too many pixels", runs.unpack_brush, packed, 10**6, 10**6)
    refused("has 64 values", runs.unpack_brush, packed, 10**4, 10**4)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


@given(masks())
def test_a_window_there_and_back(mask):
    window = runs.window_of(mask)
    if window is None:
        assert not mask.any()
        return
    rows, columns = np.nonzero(mask)
    assert (window.left, window.top) == (columns.min(), rows.min())
    assert (window.width, window.height) == (np.ptp(columns) + 1, np.ptp(rows) + 1)
    assert sum(window.counts) == window.width * window.height
    assert sum(window.counts[1::2]) == mask.sum()
    assert (runs.mask_of_window(window, *mask.shape) == mask).all()


def test_a_window_s_runs_go_along_its_rows():
    mask = runs.mask_of_window(runs.Window((1, 2, 3), left=4, top=1, width=3, height=2), 4, 8)
    assert np.argwhere(mask).tolist() == [[1, 5], [1, 6]]


def test_windows_that_do_not_fit_are_refused():
    window = runs.Window((0, 4), left=0, top=0, width=2, height=2)
    refused("cover 5 pixels, the window has 4", runs.mask_of_window, window._replace(counts=(0, 5)), 9, 9)
    refused("is negative: -1", runs.mask_of_window, window._replace(counts=(-1, 5)), 9, 9)
    refused("no pixels", runs.mask_of_window, window._replace(width=0), 9, 9)
    refused("too many pixels", runs.mask_of_window, window._replace(width=10**9), 9, 9)
    for where in {"left": 8}, {"top": -1}, {"left": -9}, {"top": 10**9}:
        refused("outside the image of 9x9", runs.mask_of_window, window._replace(**where), 9, 9)
    empty = window._replace(counts=(4,), left=8)
    assert not runs.mask_of_window(empty, 9, 9).any()


def test_a_real_labelme_mask(shared):
    drawn = json.loads((shared / "data/labelme/primitives/primitives.json").read_text())
    shape = next(one for one in drawn["shapes"] if one["shape_type"] == "mask")
    (x0, y0), (x1, y1) = shape["points"]
    part = decode_mask(base64.b64decode(shape["mask"]))
    assert part.shape == (round(y1 - y0) + 1, round(x1 - x0) + 1)
    mask = runs.place(part, round(x0), round(y0), drawn["imageHeight"], drawn["imageWidth"])
    assert mask.sum() == part.sum() > 0
    assert (mask[round(y0) : round(y1) + 1, round(x0) : round(x1) + 1] == part).all()
