"""Masks as PNG against Pillow and against files written slowly, as the specification has it."""

import io
import struct
import tracemalloc
import zlib
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from annotary.formats import _png as codec
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
    one_bit, eight_bit = codec.encode_mask(mask), codec.render_mask_8bit(mask)
    assert codec.size_of(one_bit) == codec.size_of(eight_bit[:33]) == (height, width)
    for png, mode, inside in (one_bit, "1", True), (eight_bit, "L", np.uint8(255)):
        assert opened(png).mode == mode
        assert np.array_equal(opened(png), mask * inside)
        assert codec.decode_mask(png).dtype == np.bool_
        assert np.array_equal(codec.decode_mask(png), mask)


def test_the_canonical_form_is_bare_and_the_same_for_any_memory_layout():
    mask = random_mask(30, 50, 1)
    png = codec.encode_mask(mask)
    assert png == codec.encode_mask(np.asfortranarray(mask)) == codec.encode_mask(np.tile(mask, 2)[:, :50])
    stream = png[41:-16]
    assert png == png_file(30, 50, 1, 0, stream)
    assert zlib.decompress(stream) == np.pad(np.packbits(mask, axis=1), ((0, 0), (1, 0))).tobytes()


def test_a_composite_has_every_mask_in_its_colour_and_the_last_on_top():
    masks = [random_mask(300, 201, seed, 0.3) for seed in range(4)]
    layers = list(zip(masks, [(255, 0, 0), (1, 2, 3), (0, 0, 7), (250, 251, 252)], strict=True))
    png = codec.composite(iter(layers), 300, 201)
    expected = np.zeros((300, 201, 3), np.uint8)
    for mask, colour in layers:
        expected[mask] = colour
    assert opened(png).mode == "RGB"
    assert np.array_equal(opened(png), expected)
    assert np.array_equal(codec.decode_colour(png, layers[-1][1]), masks[-1])
    assert np.array_equal(codec.decode_mask(png), np.logical_or.reduce(masks))
    assert not codec.decode_mask(codec.composite([], 3, 4)).any()


def test_what_is_no_mask_or_no_colour_is_refused():
    for write in codec.encode_mask, codec.render_mask_8bit, rle.counts_of:
        refused("no pixels", write, np.zeros((0, 4), bool))
        refused("two-dimensional", write, np.zeros(4, bool))
        refused("array of bool", write, np.zeros((4, 4), np.uint8))
    mask = np.ones((2, 3), bool)
    refused("mask of 2x3 on a canvas of 3x2", codec.composite, [(mask, (1, 1, 1))], 3, 2)
    refused("no pixels", codec.composite, [], 0, 2)
    for colour in (256, 0, 0), (-1, 0, 0), (1, 2), (1.5, 0, 0), 3:
        refused("a colour is three integers", codec.composite, [(mask, colour)], 2, 3)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "I;16"])
@pytest.mark.parametrize(("height", "width"), SIZES)
def test_every_mode_pillow_writes(mode, height, width):
    mask = random_mask(height, width, width)
    image = Image.fromarray(mask * (np.uint16(256) if mode == "I;16" else np.uint8(255))).convert(mode)
    for optimize in False, True:
        assert np.array_equal(codec.decode_mask(saved(image, optimize=optimize)), mask)


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
        assert np.array_equal(codec.decode_mask(png), expected)


def test_exactly_one_colour_is_taken_from_an_image():
    extra = chunk(b"PLTE", bytes([9, 9, 9, 0, 0, 0, 0, 0, 1, 5, 5, 5])) + chunk(b"tRNS", bytes([1, 255, 0]))
    png = write_png(np.arange(6).reshape(2, 3, 1), 4, 3, extra=extra)
    assert codec.decode_mask(png).tolist() == [[True, False, False], [True, False, False]]
    assert codec.decode_colour(png, (5, 5, 5)).tolist() == [[False, False, False], [True, False, False]]
    refused(r"colour \[0, 0, 1\] does not occur", codec.decode_colour, png, (0, 0, 1))
    pixels = np.random.default_rng(0).integers(0, 2, (20, 30, 4), dtype=np.uint8) * 200
    expected = (pixels[..., :3] == (200, 0, 200)).all(axis=-1)
    rgb = Image.fromarray(pixels[..., :3])
    png = saved(rgb)
    assert np.array_equal(codec.decode_colour(png, (200, 0, 200)), expected)
    assert np.array_equal(codec.decode_colour(saved(rgb.quantize()), [200, 0, 200]), expected)
    visible = expected & (pixels[..., 3] > 0)
    assert np.array_equal(codec.decode_colour(saved(Image.fromarray(pixels)), (200, 0, 200)), visible)
    refused("does not occur", codec.decode_colour, png, (201, 0, 200))
    refused("too many pixels", codec.decode_colour, png, (200, 0, 200), max_pixels=599)
    for depth in 1, 2, 4, 8:
        samples = np.array([[[0], [1], [(1 << depth) - 1]]])
        png = write_png(samples, depth, 0)
        assert np.array_equal(codec.decode_colour(png, (255, 255, 255)), samples[..., 0] == samples.max())
        for colour in (255, 255, 0), (254, 254, 254):
            refused("does not occur", codec.decode_colour, png, colour)
    refused("16-bit", codec.decode_colour, write_png(samples, 16, 0), (255, 255, 255))


@pytest.mark.parametrize("read", [codec.size_of, codec.decode_mask])
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
    for whole in *pngs, codec.encode_mask(samples[..., 0] > 9):
        for end in range(1, len(whole)):
            refused(r"^truncated PNG", codec.decode_mask, whole[:end])
    for cut in 1, 5, 12:
        stream = zlib.compress(bytes(7 * 22))[:-cut]
        refused(r"^truncated PNG", codec.decode_mask, png_file(7, 7, 8, 2, stream))


def test_any_damage_is_a_value_error():
    png = write_png(np.random.default_rng(6).integers(0, 256, (6, 7, 4)), 8, 6, filters=(4,))
    for place in range(len(png) - 12):
        broken = png[:place] + bytes([png[place] ^ 0x41]) + png[place + 1 :]
        refused(r"^(damaged|truncated|not a) PNG", codec.decode_mask, broken)
    for stream in zlib.compress(b"\5" + bytes(3)), b"x\1 nothing", zlib.compress(bytes(4))[:-1] + b"!":
        refused(r"^damaged PNG", codec.decode_mask, png_file(1, 1, 8, 2, stream))
    for colour, palette, transparent in (3, 0, 0), (3, 4, 0), (3, 771, 0), (3, 3, 257), (0, 0, 3), (6, 0, 2):
        extra = chunk(b"PLTE", bytes(palette)) + chunk(b"tRNS", bytes(transparent))
        png = write_png(np.zeros((1, 1, CHANNELS[colour]), int), 8, colour, extra=extra)
        refused(r"^damaged PNG: no usable", codec.decode_mask, png)


def test_bombs_are_not_unpacked():
    huge = png_file(20000, 10001, 1, 0, b"never looked at")
    refused("too many pixels: height 20000 x width 10001 is more than 200000000", codec.decode_mask, huge)
    png = codec.encode_mask(np.ones((3, 4), bool))
    assert codec.decode_mask(png, max_pixels=12).all()
    refused("too many pixels", codec.decode_mask, png, max_pixels=11)
    refused("no pixels", codec.size_of, png_file(0, 5, 1, 0, b""))
    bomb = zlib.compress(bytes(100_000_000))
    tracemalloc.start()
    for colour, depth, size in (0, 1, 30), (0, 8, 110), (2, 16, 610):
        for stream in bomb, zlib.compress(bytes(size + 1)):
            refused("expands beyond its pixels", codec.decode_mask, png_file(10, 10, depth, colour, stream))
        samples, text = np.ones((10, 10, CHANNELS[colour]), int), chunk(b"zTXt", b"a\0\0" + bomb)
        assert codec.decode_mask(write_png(samples, depth, colour, filters=(1,), extra=text)).all()
    assert tracemalloc.get_traced_memory()[1] < 10_000_000
    tracemalloc.stop()
