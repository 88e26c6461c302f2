"""Pictures of labels against Pillow, and real ones pixel for pixel."""

import io
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from annotary.formats import _label_png as pictures
from annotary.formats import _rle as rle
from annotary.formats._png import encode_mask

shapes = st.tuples(st.integers(1, 20), st.integers(1, 70))


def refused(message, function, *arguments, **options):
    with pytest.raises(ValueError, match=message):
        function(*arguments, **options)


def opened(png):
    return Image.open(io.BytesIO(png))


@given(arrays.arrays(np.uint8, shapes))
def test_indices_in_eight_bits(labels):
    palette = pictures.voc_palette()
    coloured, grey = pictures.encode_palette(labels, palette), pictures.encode_grey(labels)
    assert opened(coloured).mode == "P" and opened(grey).mode == "L"
    assert opened(coloured).getpalette() == palette.reshape(-1).tolist()
    for png in coloured, grey:
        assert (np.asarray(opened(png)) == labels).all()
        assert (pictures.decode_labels(png).labels == labels).all()
    assert (pictures.decode_labels(coloured).palette == palette).all()
    assert pictures.decode_labels(grey).palette is None


@given(arrays.arrays(np.uint16, shapes))
def test_indices_in_sixteen_bits(labels):
    png = pictures.encode_grey(labels, depth=16)
    assert (np.asarray(opened(png)).astype(int) == labels).all()
    assert (pictures.decode_labels(png).labels == labels).all()


@given(arrays.arrays(np.uint32, shapes, elements=st.integers(0, (1 << 24) - 1)))
def test_ids_in_red_green_and_blue(ids):
    png = pictures.encode_ids(ids)
    rgb = np.asarray(opened(png)).astype(int)
    assert (rgb @ (1, 256, 65536) == ids).all()
    assert (pictures.decode_ids(png) == ids).all()


@given(st.lists(st.tuples(st.integers(0, 99999), st.integers(0, 5)), max_size=6), shapes)
def test_later_masks_hide_earlier_ones(given, shape):
    masks = [np.random.default_rng(seed).random(shape) < 0.4 for seed, _ in given]
    values = [value for _, value in given]
    painted = pictures.paint((rle.of_mask(mask) for mask in masks), *shape)
    labels = painted.labels(values)
    for row, column in np.ndindex(shape):
        on = [number for number, mask in enumerate(masks) if mask[row, column]]
        assert painted.owners[row, column] == (on[-1] + 1 if on else 0)
        assert labels[row, column] == (values[on[-1]] if on else 0)
    assert painted.areas == tuple(int(mask.sum()) for mask in masks)
    for place, hidden in enumerate(painted.hidden):
        above = [np.zeros(shape, bool), *masks[place + 1 :]]
        assert hidden == (masks[place] & np.logical_or.reduce(above)).sum()


@given(arrays.arrays(np.uint16, shapes, elements=st.integers(0, 5)))
def test_labels_apart_again(labels):
    apart = pictures.masks_of(labels)
    assert list(apart) == [label for label in np.unique(labels).tolist() if label]
    for label, mask in apart.items():
        assert mask == rle.of_mask(labels == label)


def test_what_does_not_fit_is_refused():
    labels = np.array([[0, 300]], np.uint16)
    refused("label 300 does not fit: the highest here is 255", pictures.encode_grey, labels)
    refused("label 300 does not fit", pictures.encode_palette, labels, pictures.voc_palette())
    refused("label 3 does not fit", pictures.encode_palette, labels // 100, pictures.voc_palette(3))
    refused("a palette is", pictures.encode_palette, labels * 0, np.zeros((4, 4), np.uint8))
    refused("does not fit", pictures.encode_ids, np.array([[1 << 24]], np.uint32))
    refused("8 or 16 bits, not 4", pictures.encode_grey, labels, depth=4)
    refused("two-dimensional array of unsigned", pictures.encode_grey, labels.astype(int))
    refused("no pixels", pictures.encode_grey, labels[:0])
    one = rle.of_mask(np.ones((1, 2), bool))
    refused("on a picture of 2x2", pictures.paint, [one], 2, 2)
    refused("a label is from 0", pictures.paint([one], 1, 2).labels, [-1])
    refused("too many pixels", pictures.paint, [], 10**5, 10**5)


def test_other_pictures_are_refused():
    rgb = pictures.encode_ids(np.zeros((2, 2), np.uint32))
    grey = pictures.encode_grey(np.zeros((2, 2), np.uint8))
    refused("grey or has a palette", pictures.decode_labels, rgb)
    refused("8-bit RGB", pictures.decode_ids, grey)
    refused("too many pixels", pictures.decode_ids, rgb, max_pixels=3)
    refused("too many pixels", pictures.decode_labels, grey, max_pixels=3)
    refused("not a PNG", pictures.decode_labels, b"GIF89a")
    refused("truncated", pictures.decode_ids, rgb[:40])
    bits = encode_mask(np.array([[True, False]]))
    assert pictures.decode_labels(bits).labels.tolist() == [[1, 0]]


def test_real_panoptic_pictures_are_equal_pixel_for_pixel(shared):
    folder = shared / "data/coco20"
    pixels = 0
    for each in json.loads((folder / "panoptic.json").read_text())["annotations"]:
        png = (folder / "masks" / each["file_name"]).read_bytes()
        ids = pictures.decode_ids(png)
        again = pictures.encode_ids(ids)
        assert (np.asarray(opened(again)) == np.asarray(opened(png).convert("RGB"))).all()
        assert (pictures.decode_ids(again) == ids).all()
        found, areas = np.unique(ids[ids > 0], return_counts=True)
        segments = {one["id"]: one["area"] for one in each["segments_info"]}
        assert dict(zip(found.tolist(), areas.tolist(), strict=True)) == segments
        pixels += int(areas.sum())
    assert pixels == 5_196_669


def test_real_class_pictures_have_the_palette(shared):
    folders = sorted((shared / "data/labelme/instance_segmentation/data_dataset_voc").glob("Segmentation*"))
    folders.append(shared / "data/datumaro-tiny/voc_dataset/voc_dataset1/SegmentationClass")
    seen = 0
    for path in [path for folder in folders for path in sorted(folder.glob("*.png"))]:
        image = opened(path.read_bytes())
        if image.mode != "P":
            continue
        seen += 1
        picture = pictures.decode_labels(path.read_bytes())
        assert (picture.labels == np.asarray(image)).all()
        assert (picture.palette == pictures.voc_palette()[: len(picture.palette)]).all()
        again = pictures.encode_palette(picture.labels, picture.palette)
        assert (np.asarray(opened(again)) == np.asarray(image)).all()
    assert seen >= 6
