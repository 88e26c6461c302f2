"""Masks against slow and obvious references: Pillow, exact fractions, COCO's algorithm written out."""

import io
import math
import struct
import tracemalloc
import zlib
from fractions import Fraction
from itertools import combinations, groupby, pairwise, product

import numpy as np
import pytest
from PIL import Image

from annotary.formats import _raster as raster
from annotary.formats import _rle as rle

SIZES = [(1, 1), (1, 9), (17, 3), (3, 17), (8, 8), (1, 64), (64, 1), (5, 65), (40, 131)]
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by PNG's colour type
DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
KINDS = [(colour, depth) for colour, depths in DEPTHS.items() for depth in depths]
ADAM7 = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def random_mask(height, width, seed, density=0.5):
    return np.random.default_rng(seed).random((height, width)) < density


def refused(message, function, *arguments, **options):
    with pytest.raises(ValueError, match=message):
        function(*arguments, **options)


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_file(height, width, depth, colour, stream, *, interlace=0, extra=b""):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))
    return SIGNATURE + header + extra + chunk(b"IDAT", stream) + chunk(b"IEND", b"")


def filter_line(line, above, kind, step):
    """One line as PNG's specification filters it."""
    done = bytearray([kind])
    for place, value in enumerate(line):
        left = line[place - step] if place >= step else 0
        up, corner = above[place], above[place - step] if place >= step else 0
        near = min((left, up, corner), key=lambda one: abs(left + up - corner - one))
        done.append((value - [0, left, up, (left + up) // 2, near][kind]) & 255)
    return bytes(done)


def write_png(samples, depth, colour, *, filters=(0,), interlace=0, extra=b""):
    """Any kind of PNG, slowly, from height x width x channels."""
    height, width, channels = samples.shape
    raw = b""
    for top, left, down, right in ADAM7 if interlace else [(0, 0, 1, 1)]:
        part = samples[top::down, left::right]
        if not part.size:
            continue
        bits = np.unpackbits(part.astype(">u2").reshape(-1, 1).view(np.uint8), axis=1)[:, 16 - depth :]
        lines = np.packbits(bits.reshape(len(part), -1), axis=1).tolist()
        for row, (above, line) in enumerate(pairwise([[0] * len(lines[0]), *lines])):
            raw += filter_line(line, above, filters[row % len(filters)], max(1, depth * channels // 8))
    return png_file(height, width, depth, colour, zlib.compress(raw), interlace=interlace, extra=extra)


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


def opened(png):
    return Image.open(io.BytesIO(png))


@pytest.mark.parametrize("density", [0.0, 0.03, 0.5, 0.97, 1.0])
@pytest.mark.parametrize(("height", "width"), [*SIZES, (700, 1801)])
def test_masks_survive_both_kinds_of_png(height, width, density):
    mask = random_mask(height, width, height * width, density)
    one_bit, eight_bit = raster.encode_mask(mask), raster.render_mask_8bit(mask)
    assert raster.size_of(one_bit) == raster.size_of(eight_bit[:33]) == (height, width)
    for png, mode, inside in (one_bit, "1", True), (eight_bit, "L", np.uint8(255)):
        assert opened(png).mode == mode
        assert np.array_equal(opened(png), mask * inside)
        assert raster.decode_mask(png).dtype == np.bool_
        assert np.array_equal(raster.decode_mask(png), mask)


def test_the_canonical_form_is_bare_and_the_same_for_any_memory_layout():
    mask = random_mask(30, 50, 1)
    png = raster.encode_mask(mask)
    assert png == raster.encode_mask(np.asfortranarray(mask)) == raster.encode_mask(np.tile(mask, 2)[:, :50])
    stream = png[41:-16]
    assert png == png_file(30, 50, 1, 0, stream)
    assert zlib.decompress(stream) == np.pad(np.packbits(mask, axis=1), ((0, 0), (1, 0))).tobytes()


def test_a_composite_has_every_mask_in_its_colour_and_the_last_on_top():
    masks = [random_mask(300, 201, seed, 0.3) for seed in range(4)]
    layers = list(zip(masks, [(255, 0, 0), (1, 2, 3), (0, 0, 7), (250, 251, 252)], strict=True))
    png = raster.composite(iter(layers), 300, 201)
    expected = np.zeros((300, 201, 3), np.uint8)
    for mask, colour in layers:
        expected[mask] = colour
    assert opened(png).mode == "RGB"
    assert np.array_equal(opened(png), expected)
    assert np.array_equal(raster.decode_colour(png, layers[-1][1]), masks[-1])
    assert np.array_equal(raster.decode_mask(png), np.logical_or.reduce(masks))
    assert not raster.decode_mask(raster.composite([], 3, 4)).any()


def test_what_is_no_mask_or_no_colour_is_refused():
    for write in raster.encode_mask, raster.render_mask_8bit, rle.counts_of:
        refused("no pixels", write, np.zeros((0, 4), bool))
        refused("two-dimensional", write, np.zeros(4, bool))
        refused("array of bool", write, np.zeros((4, 4), np.uint8))
    mask = np.ones((2, 3), bool)
    refused("mask of 2x3 on a canvas of 3x2", raster.composite, [(mask, (1, 1, 1))], 3, 2)
    refused("no pixels", raster.composite, [], 0, 2)
    for colour in (256, 0, 0), (-1, 0, 0), (1, 2), (1.5, 0, 0), 3:
        refused("a colour is three integers", raster.composite, [(mask, colour)], 2, 3)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_every_mode_pillow_writes(mode, height, width):
    mask = random_mask(height, width, width)
    image = Image.fromarray(mask * (np.uint16(256) if mode == "I;16" else np.uint8(255))).convert(mode)
    for optimize in False, True:
        assert np.array_equal(raster.decode_mask(saved(image, optimize=optimize)), mask)


@pytest.mark.parametrize("interlace", [0, 1])
@pytest.mark.parametrize(("colour", "depth"), KINDS)
def test_every_kind_of_png_with_every_filter(colour, depth, interlace):
    for seed, size in enumerate([(1, 1), (1, 9), (17, 3), (2, 2), (11, 19)]):
        rng = np.random.default_rng(seed)
        shape = (*size, CHANNELS[colour])
        samples = rng.integers(0, 1 << depth, shape) * rng.integers(0, 2, shape)
        extra, expected = b"", samples[..., :3].any(axis=-1)
        if colour == 3:
            palette = rng.integers(0, 2, (1 << depth, 3), dtype=np.uint8) * 7
            extra, expected = chunk(b"PLTE", palette.tobytes()), palette[samples[..., 0]].any(axis=-1)
        elif colour in (4, 6):
            expected = samples[..., :-1].any(axis=-1) & (samples[..., -1] != 0)
        elif seed > 2:  # one colour is transparent, whatever stands above its own bits
            extra = chunk(b"tRNS", (samples[1, 1] + (1 << depth)).astype(">u2").tobytes())
            expected &= (samples != samples[1, 1]).any(axis=-1)
        png = write_png(samples, depth, colour, filters=(4, 2, 0, 1, 3), interlace=interlace, extra=extra)
        assert np.array_equal(raster.decode_mask(png), expected)


def test_exactly_one_colour_is_taken_from_an_image():
    extra = chunk(b"PLTE", bytes([9, 9, 9, 0, 0, 0, 0, 0, 1, 5, 5, 5])) + chunk(b"tRNS", bytes([1, 255, 0]))
    png = write_png(np.arange(6).reshape(2, 3, 1), 4, 3, extra=extra)
    assert raster.decode_mask(png).tolist() == [[True, False, False], [True, False, False]]
    assert raster.decode_colour(png, (5, 5, 5)).tolist() == [[False, False, False], [True, False, False]]
    refused(r"colour \[0, 0, 1\] does not occur", raster.decode_colour, png, (0, 0, 1))
    pixels = np.random.default_rng(0).integers(0, 2, (20, 30, 4), dtype=np.uint8) * 200
    expected = (pixels[..., :3] == (200, 0, 200)).all(axis=-1)
    rgb = Image.fromarray(pixels[..., :3])
    png = saved(rgb)
    assert np.array_equal(raster.decode_colour(png, (200, 0, 200)), expected)
    assert np.array_equal(raster.decode_colour(saved(rgb.quantize()), [200, 0, 200]), expected)
    visible = expected & (pixels[..., 3] > 0)
    assert np.array_equal(raster.decode_colour(saved(Image.fromarray(pixels)), (200, 0, 200)), visible)
    refused("does not occur", raster.decode_colour, png, (201, 0, 200))
    refused("too many pixels", raster.decode_colour, png, (200, 0, 200), max_pixels=599)
    for depth in 1, 2, 4, 8:
        samples = np.array([[[0], [1], [(1 << depth) - 1]]])
        png = write_png(samples, depth, 0)
        assert np.array_equal(raster.decode_colour(png, (255, 255, 255)), samples[..., 0] == samples.max())
        for colour in (255, 255, 0), (254, 254, 254):
            refused("does not occur", raster.decode_colour, png, colour)
    refused("16-bit", raster.decode_colour, write_png(samples, 16, 0), (255, 255, 255))


@pytest.mark.parametrize("read", [raster.size_of, raster.decode_mask])
def test_other_bytes_are_no_png(read):
    for data in b"", b"GIF89a", b"\xff\xd8\xff" * 20, b"\x89PNG\r\n\x1a\r" + bytes(40):
        refused(r"^not a PNG$", read, data)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    strange = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 2))
    for data in chunk(b"IEND", b"") * 3, strange, header[:-1] + b"!":
        refused(r"^damaged PNG", read, SIGNATURE + data)


def test_every_cut_is_noticed():
    samples = np.random.default_rng(5).integers(0, 256, (6, 7, 3))
    pngs = [write_png(samples, 8, 2, filters=(1,), interlace=interlace) for interlace in (0, 1)]
    for whole in *pngs, raster.encode_mask(samples[..., 0] > 9):
        for end in range(1, len(whole)):
            refused(r"^truncated PNG", raster.decode_mask, whole[:end])
    for cut in 1, 5, 12:
        stream = zlib.compress(bytes(7 * 22))[:-cut]
        refused(r"^truncated PNG", raster.decode_mask, png_file(7, 7, 8, 2, stream))


def test_any_damage_is_a_value_error():
    png = write_png(np.random.default_rng(6).integers(0, 256, (6, 7, 4)), 8, 6, filters=(4,))
    for place in range(len(png) - 12):
        broken = png[:place] + bytes([png[place] ^ 0x41]) + png[place + 1 :]
        refused(r"^(damaged|truncated|not a) PNG", raster.decode_mask, broken)
    for stream in zlib.compress(b"\5" + bytes(3)), b"x\1 nothing", zlib.compress(bytes(4))[:-1] + b"!":
        refused(r"^damaged PNG", raster.decode_mask, png_file(1, 1, 8, 2, stream))
    for colour, palette, transparent in (3, 0, 0), (3, 4, 0), (3, 771, 0), (3, 3, 257), (0, 0, 3), (6, 0, 2):
        extra = chunk(b"PLTE", bytes(palette)) + chunk(b"tRNS", bytes(transparent))
        png = write_png(np.zeros((1, 1, CHANNELS[colour]), int), 8, colour, extra=extra)
        refused(r"^damaged PNG: no usable", raster.decode_mask, png)


def test_bombs_are_not_unpacked():
    huge = png_file(20000, 10001, 1, 0, b"never looked at")
    refused("too many pixels: height 20000 x width 10001 is more than 200000000", raster.decode_mask, huge)
    png = raster.encode_mask(np.ones((3, 4), bool))
    assert raster.decode_mask(png, max_pixels=12).all()
    refused("too many pixels", raster.decode_mask, png, max_pixels=11)
    refused("no pixels", raster.size_of, png_file(0, 5, 1, 0, b""))
    bomb = zlib.compress(bytes(100_000_000))
    tracemalloc.start()
    for colour, depth, size in (0, 1, 30), (0, 8, 110), (2, 16, 610):
        for stream in bomb, zlib.compress(bytes(size + 1)):
            refused("expands beyond its pixels", raster.decode_mask, png_file(10, 10, depth, colour, stream))
        samples, text = np.ones((10, 10, CHANNELS[colour]), int), chunk(b"zTXt", b"a\0\0" + bomb)
        assert raster.decode_mask(write_png(samples, depth, colour, filters=(1,), extra=text)).all()
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()


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


def slow_fill(rings, height, width):
    """Even-odd by exact fractions: the edges on and above a pixel's centre are counted."""
    sides = [sorted(ends) for ring in rings for ends in zip(ring, [*ring[1:], ring[0]], strict=True)]
    edges = [[Fraction(part) for point in side for part in point] for side in sides]
    mask = np.zeros((height, width), bool)
    for x in range(width):
        centre = x + Fraction(1, 2)
        meets = [y0 + (centre - x0) * (y1 - y0) / (x1 - x0) for x0, y0, x1, y1 in edges if x0 <= centre < x1]
        mask[:, x] = [sum(meet <= y + Fraction(1, 2) for meet in meets) % 2 for y in range(height)]
    return mask


@pytest.mark.parametrize("grain", [1, 2, 8, 1000, 1e15])
@pytest.mark.parametrize("seed", range(12))
def test_polygons_are_exact(seed, grain, monkeypatch):
    rng = np.random.default_rng([seed, int(grain)])
    height, width = rng.integers(1, 40, 2).tolist()
    shapes = [rng.uniform(-0.5, 1.5, (rng.integers(3, 13), 2)) * (width, height) for _ in range(1 + seed % 3)]
    rings = [(np.round(shape * grain) / grain).tolist() for shape in shapes]
    expected = slow_fill(rings, height, width)
    assert np.array_equal(raster.fill_rings(rings, height, width), expected)
    assert np.array_equal(raster.fill_polygon(rings[0], height, width), slow_fill(rings[:1], height, width))
    closed_and_turned = [[*ring[::-1], ring[-1]] for ring in rings]
    monkeypatch.setattr(raster, "_CROSSINGS", 50)  # many batches
    assert np.array_equal(raster.fill_rings(closed_and_turned, height, width), expected)


def test_centres_on_an_edge_are_decided_without_rounding():
    y, x = np.mgrid[:40, :40] * 2 + 1
    for run, rise in product(range(1, 41), repeat=2):
        mask = raster.fill_polygon([(0, 0), (run, rise), (0, rise)], 40, 40)
        assert np.array_equal(mask, (y * run >= x * rise) & (x < 2 * run) & (y < 2 * rise))


@pytest.mark.parametrize("seed", range(10))
def test_shapes_that_share_edges_leave_no_gap(seed):
    rng = np.random.default_rng(seed)
    frame = [(-3.0, -2.0), (40.0, -3.0), (43.0, 33.0), (-1.0, 32.0)]
    middle = rng.integers(2, 60, 2) / 2 if seed % 2 else rng.uniform(2, 30, 2)
    parts = [raster.fill_polygon([frame[i - 1], frame[i], tuple(middle)], 30, 38) for i in range(4)]
    assert (np.sum(parts, axis=0) == 1).all()


def test_shapes_with_nothing_inside():
    for points in [], [(3, 3)], [(1, 1), (9, 9)], [(2, 2), (5, 2), (8, 2)], [(-9, -9), (-5, -9), (-5, -5)]:
        assert not raster.fill_polygon(points, 10, 10).any()
        assert not raster.fill_convex_hull(points, 10, 10).any()
    assert not raster.fill_rings([], 9, 9).any() | raster.stroke_polyline([], 9, 9).any()
    assert raster.fill_polygon([(-1e9, -1e9), (1e9, -1e9), (1e9, 1e9), (-1e9, 1e9)], 10, 10).all()


def test_a_box_is_the_polygon_of_its_corners_and_a_hull_the_largest_one_of_its_points():
    for left, top, width, height in np.round(np.random.default_rng(4).uniform(-80, 120, (50, 4))).tolist():
        x0, y0, x1, y1 = left / 4, top / 4, (left + width) / 4, (top + height) / 4
        box = raster.fill_box(x0, y0, width / 4, height / 4, shape=(21, 17))
        assert np.array_equal(box, raster.fill_polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], 21, 17))
    assert np.argwhere(raster.fill_box(2, 3, 1, 2, shape=(9, 9))).tolist() == [[3, 2], [4, 2]]
    for points in (np.random.default_rng(5).integers(-10, 70, (10, 8, 2)) / 2).tolist():
        triangles = [raster.fill_polygon(three, 30, 30) for three in combinations(points, 3)]
        assert np.array_equal(raster.fill_convex_hull(points, 30, 30), np.logical_or.reduce(triangles))


def test_a_point_is_a_disc_and_thin_shapes_never_vanish():
    rows, columns = np.mgrid[:20, :30] + 0.5
    for x, y, radius in (7.25, 9.5, 4), (0, 0, 3), (29.9, 19.9, 100), (-2, 5, 2.75), (8.5, 8.5, math.inf):
        expected = np.hypot(columns - x, rows - y) < radius
        assert np.array_equal(raster.fill_point(x, y, 20, 30, radius=radius), expected)
    assert np.argwhere(raster.fill_point(3.99, 5.01, 9, 9, radius=0)).tolist() == [[5, 3]]
    assert not raster.fill_point(9, 9, 9, 9, radius=0).any()
    upright = raster.stroke_polyline([(3, 2), (3, 5)], 9, 9)
    assert np.argwhere(upright).tolist() == [[2, 3], [3, 3], [4, 3], [5, 3]]
    assert np.array_equal(raster.stroke_polyline([(5, 3), (2, 3)], 9, 9), upright.T)
    refused("thickness is from 1", raster.stroke_polyline, [(3, 2), (3, 5)], 9, 9, 0.5)


@pytest.mark.parametrize("thickness", [1.0, 1.5, 4.0])
@pytest.mark.parametrize("seed", range(8))
def test_a_line_is_all_that_is_near_it_and_connected(seed, thickness):
    points = np.random.default_rng(seed).uniform(2, 58, (4, 2))
    points[2] = points[1] if seed == 3 else points[2]
    mask = raster.stroke_polyline(points.tolist(), 60, 60, thickness)
    centres = np.mgrid[:60, :60][::-1].transpose(1, 2, 0) + 0.5
    distance = np.full((60, 60), np.inf)
    for start, end in pairwise(points):
        along = np.clip((centres - start) @ (end - start) / max(np.sum((end - start) ** 2), 1e-12), 0, 1)
        offsets = centres - start - along[..., np.newaxis] * (end - start)
        distance = np.minimum(distance, np.hypot(offsets[..., 0], offsets[..., 1]))
    corners = np.zeros_like(mask)
    corners[tuple(points.astype(int).T[::-1])] = True
    assert mask[corners | (distance < thickness / 2 - 1e-5)].all()
    assert not mask[~corners & (distance > thickness / 2 + 1e-5)].any()
    todo = {tuple(place) for place in np.argwhere(mask).tolist()}
    edge = [todo.pop()]
    while edge:
        row, column = edge.pop()
        near = todo & {(row + down, column + right) for down in (-1, 0, 1) for right in (-1, 0, 1)}
        edge += near
        todo -= near
    assert not todo


def test_coordinates_and_sizes_that_are_none_are_refused():
    for fill in raster.fill_polygon, raster.stroke_polyline, raster.fill_convex_hull:
        for points in [(0, math.nan), (1, 1)], [(0, math.inf)], [(2e9, 0)]:
            refused("a coordinate is not a number or beyond", fill, points, 5, 5)
        for points in [(1, 2, 3)], [(1, 2), (3,)], [("a", 1)], [{}], [1, 2]:
            refused("a point is a pair of numbers", fill, points, 5, 5)
    refused("a coordinate is", raster.fill_box, 0, 0, math.nan, 1, shape=(5, 5))
    refused("a radius is", raster.fill_point, 0, 0, 5, 5, radius=math.nan)
    for height, width, message in (0, 5, "no pix"), (5, -1, "no pix"), (10**5, 10**5, "too many pixels"):
        refused(message, raster.fill_point, 0, 0, height, width)
