"""Run-lengths against COCO's algorithm written out, pycocotools, and real crowds."""

import json
import tracemalloc
from itertools import groupby

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as pycoco

from annotary.formats import _rle as rle
from annotary.formats._png import encode_mask

SIZES = [(1, 1), (1, 9), (17, 3), (3, 17), (8, 8), (1, 64), (64, 1), (5, 65), (40, 131)]


def random_mask(height, width, seed, density=0.5):
    return np.random.default_rng(seed).random((height, width)) < density


def refused(message, function, *arguments, **options):
    with pytest.raises(ValueError, match=message):
        function(*arguments, **options)


def slow_rle(mask):
    runs = [len(list(run)) for _, run in groupby(mask.T.reshape(-1).tolist())]
    return [0, *runs] if mask[0, 0] else runs


def slow_string(counts):
    """COCO's rleToString."""
    text = ""
    for place, count in enumerate(counts):
        rest = count - counts[place - 2] if place > 2 else count
        more = True
        while more:
            digit, rest = rest & 31, rest >> 5
            more = rest != -1 if digit & 16 else rest != 0
            text += chr(digit + (32 if more else 0) + 48)
    return text


@pytest.mark.parametrize("density", [0.0, 0.03, 0.5, 0.97, 1.0])
@pytest.mark.parametrize(("height", "width"), [*SIZES, (130, 70)])
def test_run_lengths_there_and_back(height, width, density):
    mask = random_mask(height, width, height + width, density)
    counts = rle.counts_of(mask)
    assert counts == slow_rle(mask) == rle.counts_of(np.asfortranarray(mask))
    assert all(type(count) is int for count in counts)
    assert np.array_equal(rle.mask_from_counts(counts, height, width), mask)
    text = rle.compress(counts)
    assert text == slow_string(counts)
    assert rle.decompress(text) == rle.decompress(text.encode()) == counts


def test_any_counts_survive_and_may_be_zero():
    for counts in [1, 1, 1, 1, 4], [0, 0, 1, 1, 1, 1, 4, 0], [1, 0, 0, 1, 1, 1, 0, 0, 4, 0, 0]:
        assert np.packbits(rle.mask_from_counts(counts, 1, 8)) == 0b01010000
        assert rle.decompress(rle.compress(counts)) == counts
    for length in range(60):
        counts = (2 ** np.random.default_rng(length).uniform(0, 33, length)).astype(int).tolist()
        assert rle.compress(counts) == slow_string(counts)
        assert rle.decompress(slow_string(counts)) == counts


def test_what_is_no_run_lengths_is_refused():
    for counts in [], [5, 6], [6, 7]:
        refused(f"cover {sum(counts)} pixels, the mask has 12", rle.mask_from_counts, counts, 3, 4)
    refused("outside 0 to 12", rle.mask_from_counts, [14, -2], 3, 4)
    for counts in [6.0, 6.0], [[6, 6]], [[6], 6], ["12"], [1 << 70]:
        refused("whole numbers", rle.mask_from_counts, counts, 3, 4)
    refused("too many pixels", rle.mask_from_counts, [10**12], 10**6, 10**6)
    refused("cover 5 pixels", rle.mask_from_counts, [5], 10**6, 10**6, max_pixels=10**12)
    refused("no pixels", rle.mask_from_counts, [0], 0, 5)
    for text in "5 ", "5p", "5é":
        refused("character outside", rle.decompress, text)
    refused("negative count", rle.decompress, "15O")
    refused("ends inside a number", rle.decompress, "5P")
    refused("more than 35 bits", rle.decompress, "P" * 7 + "1")


@st.composite
def several_masks(draw):
    height, width = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    seeds = draw(st.lists(st.integers(0, 99999), min_size=1, max_size=4))
    return [random_mask(height, width, seed, draw(st.sampled_from([0.1, 0.5, 1.0]))) for seed in seeds]


@given(several_masks())
def test_sets_of_pixels(masks):
    rles = [rle.of_mask(mask) for mask in masks]
    both, one = np.logical_and.reduce(masks), masks[0]
    assert (rle.union(rles).mask() == np.logical_or.reduce(masks)).all()
    assert (rle.intersection(rles).mask() == both).all()
    assert (rle.odd(rles).mask() == np.logical_xor.reduce(masks)).all()
    assert (rle.difference(rles[0], rles[-1]).mask() == (one & ~masks[-1])).all()
    for made in rle.union(rles), rle.odd(rles), rle.intersection(rles):
        assert made == rle.of_mask(made.mask())  # canonical
    either = (one | masks[-1]).sum()
    assert rle.iou(rles[0], rles[-1]) == ((one & masks[-1]).sum() / either if either else 1)


@given(several_masks())
def test_areas_and_boxes(masks):
    for mask in masks:
        made = rle.of_mask(mask)
        rows, columns = np.nonzero(mask)
        box = made.box()
        assert made.area() == mask.sum()
        if not mask.any():
            assert box is None
            refused("without a pixel", made.part)
        else:
            left, top = int(columns.min()), int(rows.min())
            assert box == (left, top, int(columns.max()) + 1 - left, int(rows.max()) + 1 - top)
            *corner, part = made.part()
            assert corner == [left, top]
            assert np.array_equal(part, mask[top : top + box[3], left : left + box[2]])
        assert rle.of_png(made.png()) == made
        assert made.png() == encode_mask(mask)


@given(several_masks())
def test_pycocotools_reads_and_writes_the_same(masks):
    for mask in masks:
        theirs = pycoco.encode(np.asfortranarray(mask.view(np.uint8)))
        made = rle.of_mask(mask)
        assert made.counts == theirs["counts"]
        assert rle.of_segmentation({"size": [*mask.shape], "counts": theirs["counts"].decode()}) == made
        assert rle.of_segmentation(made.segmentation()) == rle.of_segmentation(made.uncompressed()) == made
        assert pycoco.area(made.segmentation()) == made.area()


def test_empty_runs_are_left_out():
    plain = rle.of_counts([1, 1, 1, 1, 4], 1, 8)
    assert rle.of_counts([1, 0, 0, 1, 1, 1, 0, 0, 4, 0, 0], 1, 8) == plain
    assert rle.of_counts([0, 0, 8], 1, 8) == rle.of_mask(np.zeros((1, 8), bool))
    assert rle.of_counts([0, 8], 1, 8).mask().all()


@given(st.one_of(st.binary(max_size=40), st.text(max_size=40), st.lists(st.integers(-5, 50), max_size=9)))
def test_any_counts_are_read_or_refused(counts):
    try:
        made = rle.of_counts(counts, 7, 6)
    except ValueError:
        return
    assert made.mask().shape == (7, 6)


def test_segmentations_that_are_none_are_refused():
    refused(r"size is \[height, width\], not None", rle.of_segmentation, {"counts": [4]})
    for size in [4, 4, 4], [2.0, 2], [True, 4], "44", ["2", "2"]:
        refused("size is", rle.of_segmentation, {"size": size, "counts": [4]})
    for counts in None, 5, {"a": 1}:
        refused("counts are a list or a string", rle.of_segmentation, {"size": [2, 2], "counts": counts})
    refused("cover 3 pixels, the mask has 4", rle.of_segmentation, {"size": [2, 2], "counts": [1, 2]})
    refused("too many pixels", rle.of_segmentation, {"size": [10**9, 10**9], "counts": [10**18]})
    refused("no pixels", rle.of_segmentation, {"size": [0, -2], "counts": []})
    refused("a run-length is outside 0 to 4", rle.of_segmentation, {"size": [2, 2], "counts": [-1, 5]})
    one, other = (rle.of_mask(np.ones(shape, bool)) for shape in ((2, 3), (3, 2)))
    refused("masks of one size", rle.union, [one, other])
    refused("masks of one size", rle.union, [])


def test_a_few_counts_never_make_a_large_mask():
    tracemalloc.start()
    refused("cover", rle.of_counts, [5], 10_000, 10_000)
    refused("cover", rle.of_counts, "5", 10_000, 10_000)
    refused("too many pixels", rle.of_counts, "PPPPPP1", 100_000, 100_000)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_real_crowds_are_equal_pixel_for_pixel(shared):
    coco = json.loads((shared / "data/coco20/rle.json").read_text())
    sizes = {image["id"]: (image["height"], image["width"]) for image in coco["images"]}
    crowds = [each for each in coco["annotations"] if each["iscrowd"]]
    assert len(crowds) == 10
    for crowd in crowds:
        given = crowd["segmentation"]
        made = rle.of_segmentation(given)
        theirs = pycoco.frPyObjects(given, *sizes[crowd["image_id"]])
        assert (made.height, made.width) == sizes[crowd["image_id"]]
        assert made.uncompressed() == given
        assert made.counts == theirs["counts"]
        assert made.area() == pycoco.area(theirs)
        assert list(made.box()) == pycoco.toBbox(theirs).tolist()
