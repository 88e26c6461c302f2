"""Masks as PNG bytes and back; arrays are height x width, anything wrong with the bytes is a ValueError."""

import struct
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

Mask = NDArray[np.bool_]
Colour = tuple[int, int, int]
Samples = NDArray[np.uint8 | np.uint16]

MAX_PIXELS = 200_000_000

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_BYTES = 33  # signature and IHDR
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
_CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
_DEPTHS = {
    GREY: (1, 2, 4, 8, 16),
    RGB: (8, 16),
    PALETTE: (1, 2, 4, 8),
    GREY_ALPHA: (8, 16),
    RGB_ALPHA: (8, 16),
}
_ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
_WHOLE = ((0, 0, 1, 1),)

# Lines are handed to the compressor in bands that stay in the processor's cache: one large buffer costs
# nearly as much in page faults as the packing and the compression together.
_BAND_BYTES = 1 << 17


class Header(NamedTuple):
    """What IHDR says; depth is bits a sample."""

    height: int
    width: int
    depth: int
    colour: int
    interlaced: bool

    @property
    def pixel_bits(self) -> int:
        """Bits a pixel takes in a line."""
        return self.depth * _CHANNELS[self.colour]

    def passes(self) -> Iterator[tuple[slice, slice, int, int]]:
        """Each sub-image in file order: its rows, its columns, how many lines, bytes a line unfiltered."""
        for top, left, down, right in _ADAM7 if self.interlaced else _WHOLE:
            rows, columns = len(range(top, self.height, down)), len(range(left, self.width, right))
            if rows and columns:
                line = (columns * self.pixel_bits + 7) // 8
                yield slice(top, None, down), slice(left, None, right), rows, line


class Picture(NamedTuple):
    """Samples (height x width x channels, the file's own depth), palette (n x 3), the body of tRNS."""

    header: Header
    samples: Samples
    palette: NDArray[np.uint8]
    transparent: bytes


def encode_mask(mask: Mask) -> bytes:
    """The canonical PNG: 1-bit grey, 1 = inside, filter 0, no extra chunks; ValueError without pixels."""
    height, width = check_mask(mask)

    def fill(rows: slice, lines: NDArray[np.uint8]) -> None:
        lines[:] = np.packbits(mask[rows], axis=1)

    return encode(Header(height, width, 1, GREY, False), fill)


def render_mask_8bit(mask: Mask) -> bytes:
    """The same pixels as 8-bit grey PNG, 255 inside and 0 outside; ValueError without pixels."""
    height, width = check_mask(mask)

    def fill(rows: slice, lines: NDArray[np.uint8]) -> None:
        np.multiply(mask[rows].view(np.uint8), 255, out=lines)

    return encode(Header(height, width, 8, GREY, False), fill)


def composite(masks: Iterable[tuple[Mask, Colour]], height: int, width: int) -> bytes:
    """RGB PNG of masks in colours on black, later ones on top; ValueError on a wrong size or colour."""
    check_size(height, width)
    canvas = np.zeros((height, width), "<u4")
    for mask, colour in masks:
        if check_mask(mask) != (height, width):
            raise ValueError(f"mask of {mask.shape[0]}x{mask.shape[1]} on a canvas of {height}x{width}")
        red, green, blue = _checked_colour(colour)
        np.copyto(canvas, np.uint32(red | green << 8 | blue << 16), where=mask)

    def fill(rows: slice, lines: NDArray[np.uint8]) -> None:
        pixels = canvas[rows].view(np.uint8)
        for channel in range(3):
            lines[:, channel::3] = pixels[:, channel::4]

    return encode(Header(height, width, 8, RGB, False), fill)


def size_of(png: bytes) -> tuple[int, int]:
    """Height and width in pixels, from the first 33 bytes; ValueError when they are no PNG header."""
    header = _read_header(png)
    return header.height, header.width


def decode_mask(png: bytes, *, max_pixels: int = MAX_PIXELS) -> Mask:
    """The pixels of any PNG that are neither black nor fully transparent; ValueError says what is wrong."""
    picture = decode(png, max_pixels)
    header, samples = picture.header, picture.samples
    if header.colour == PALETTE:
        return _by_index(picture, picture.palette.max(axis=1) > 0)
    if header.depth == 1 and not picture.transparent:
        return samples[..., 0].view(np.bool_)
    colours = 1 if header.colour in (GREY, GREY_ALPHA) else 3
    inside: Mask = reduce(np.bitwise_or, _channels(samples)[:colours]) != 0
    return _without_transparent(picture, inside)


def decode_colour(image_bytes: bytes, colour: Colour, *, max_pixels: int = MAX_PIXELS) -> Mask:
    """The pixels of an 8-bit PNG that have exactly that colour; ValueError when there is none."""
    wanted = _checked_colour(colour)
    picture = decode(image_bytes, max_pixels)
    header = picture.header
    if header.depth == 16:
        raise ValueError("a 16-bit PNG has no 8-bit colours")
    if header.colour == PALETTE:
        mask = _by_index(picture, (picture.palette == np.array(wanted)).all(axis=1))
    elif header.colour in (GREY, GREY_ALPHA):
        mask = _without_transparent(picture, _equals_grey(picture, wanted))
    else:
        planes = _channels(picture.samples)[:3]
        equal = reduce(np.bitwise_and, (plane == part for plane, part in zip(planes, wanted, strict=True)))
        mask = _without_transparent(picture, equal)
    if not mask.any():
        raise ValueError(f"colour {list(wanted)} does not occur in the image")
    return mask


def check_size(height: int, width: int, max_pixels: int = MAX_PIXELS) -> None:
    """ValueError unless height x width has at least one and at most max_pixels pixels."""
    if height < 1 or width < 1:
        raise ValueError(f"no pixels: height {height}, width {width}")
    if height * width > max_pixels:
        raise ValueError(f"too many pixels: height {height} x width {width} is more than {max_pixels}")


def check_mask(mask: Mask) -> tuple[int, int]:
    """Height and width of a mask; ValueError unless it is two-dimensional, bool and not empty."""
    shape: tuple[int, ...] = mask.shape
    kind: np.dtype[np.generic] = mask.dtype
    if len(shape) != 2 or kind != np.bool_:
        raise ValueError(f"a mask is a two-dimensional array of bool, not {len(shape)} dimensions of {kind}")
    height, width = shape
    check_size(height, width, mask.size)
    return height, width


# Writing


def _checked_colour(colour: Sequence[int]) -> Colour:
    """The colour as a tuple; ValueError unless it is three integers from 0 to 255."""
    try:
        red, green, blue = bytes(tuple(colour))
    except (TypeError, ValueError) as error:
        raise ValueError(f"a colour is three integers from 0 to 255, not {colour}") from error
    return red, green, blue


def encode(
    header: Header, fill: Callable[[slice, NDArray[np.uint8]], None], palette: NDArray[np.uint8] | None = None
) -> bytes:
    """A PNG whose lines come from fill(rows, lines), called band by band downwards; all filters are 0."""
    line = 1 + (header.width * header.pixel_bits + 7) // 8
    step = min(header.height, max(1, _BAND_BYTES // line))
    band = np.zeros((step, line), np.uint8)
    compressor = isal_zlib.compressobj(1)
    stream = []
    for top in range(0, header.height, step):
        part = band[: header.height - top]
        fill(slice(top, top + step), part[:, 1:])
        stream.append(compressor.compress(part))
    stream.append(compressor.flush())
    ihdr = struct.pack(">IIBBBBB", header.width, header.height, header.depth, header.colour, 0, 0, 0)
    colours = b"" if palette is None else _chunk(b"PLTE", palette.tobytes())
    data = _chunk(b"IDAT", b"".join(stream))
    return _SIGNATURE + _chunk(b"IHDR", ihdr) + colours + data + _chunk(b"IEND", b"")


def _chunk(kind: bytes, body: bytes) -> bytes:
    """One PNG chunk: length, kind, body, checksum."""
    checksum = isal_zlib.crc32(body, isal_zlib.crc32(kind))
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


# Reading


def _read_header(png: bytes) -> Header:
    """The checked IHDR; ValueError when it is missing, cut off or says what PNG does not allow."""
    if not png or png[:8] != _SIGNATURE[: len(png)]:
        raise ValueError("not a PNG")
    if len(png) < _HEADER_BYTES:
        raise ValueError("truncated PNG: the header is cut off")
    if png[8:16] != b"\x00\x00\x00\x0dIHDR":
        raise ValueError("damaged PNG: it does not begin with a header")
    if isal_zlib.crc32(png[12:29]) != int.from_bytes(png[29:33]):
        raise ValueError("damaged PNG: wrong checksum of IHDR")
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", png[16:29])
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        methods = f"methods {compression}, {filtering} and {interlace}"
        raise ValueError(f"damaged PNG: no such kind as depth {depth}, colour type {colour}, {methods}")
    check_size(height, width, height * width)
    return Header(height, width, depth, colour, bool(interlace))


def _read_chunks(png: bytes) -> dict[bytes, list[memoryview]]:
    """The bodies of PLTE, tRNS and IDAT, checksums compared; ValueError when the file ends before IEND."""
    found: dict[bytes, list[memoryview]] = {b"PLTE": [], b"tRNS": [], b"IDAT": []}
    view = memoryview(png)
    place = _HEADER_BYTES
    while True:
        head = png[place : place + 8]
        end = place + 12 + int.from_bytes(head[:4])
        if len(head) < 8 or end > len(png):
            raise ValueError("truncated PNG: it ends before its last chunk")
        kind = head[4:]
        if kind == b"IEND":
            return found
        if kind in found:
            if isal_zlib.crc32(view[place + 4 : end - 4]) != int.from_bytes(view[end - 4 : end]):
                raise ValueError(f"damaged PNG: wrong checksum of {kind.decode()}")
            found[kind].append(view[place + 8 : end - 4])
        place = end


def decode(png: bytes, max_pixels: int) -> Picture:
    """The PNG's samples; its size is checked before any pixel is unpacked."""
    header = _read_header(png)
    check_size(header.height, header.width, max_pixels)
    chunks = _read_chunks(png)
    palette, transparent = b"".join(chunks[b"PLTE"]), b"".join(chunks[b"tRNS"])
    if len(palette) % 3 or len(palette) > 768 or (header.colour == PALETTE and not palette):
        raise ValueError("damaged PNG: no usable palette")
    lengths = {GREY: (0, 2), RGB: (0, 6), PALETTE: range(257)}
    if len(transparent) not in lengths.get(header.colour, (0,)):
        raise ValueError("damaged PNG: no usable transparency")
    colours = np.frombuffer(palette, np.uint8).reshape(-1, 3)
    return Picture(header, _samples(header, chunks[b"IDAT"]), colours, transparent)


def _samples(header: Header, stream: list[memoryview]) -> Samples:
    """All samples, height x width x channels, from the compressed stream."""
    passes = list(header.passes())
    raw = _inflate(b"".join(stream), sum(rows * (1 + line) for _, _, rows, line in passes))
    channels, step = _CHANNELS[header.colour], (header.pixel_bits + 7) // 8
    if not header.interlaced:
        samples = _unpack(_unfilter(raw, header.height, step), header.depth, header.width * channels)
        return samples.reshape(header.height, header.width, channels)
    whole = np.empty((header.height, header.width, channels), np.uint16 if header.depth == 16 else np.uint8)
    place = 0
    for down, right, rows, line in passes:
        lines = _unfilter(raw[place : place + rows * (1 + line)], rows, step)
        part = whole[down, right]
        part[:] = _unpack(lines, header.depth, part.shape[1] * channels).reshape(part.shape)
        place += rows * (1 + line)
    return whole


def _inflate(stream: bytes, size: int) -> bytes:
    """The decompressed stream, exactly size bytes; at most one byte more is ever unpacked."""
    decompressor = isal_zlib.decompressobj()
    try:
        raw = decompressor.decompress(stream, size + 1)
    except isal_zlib.error as error:  # type: ignore[misc]  # isal's stub says it is an instance
        raise ValueError("damaged PNG: its data cannot be unpacked") from error
    if len(raw) > size:
        raise ValueError("damaged PNG: its data expands beyond its pixels")
    if len(raw) < size or not decompressor.eof:
        raise ValueError("truncated PNG: its data ends before its pixels")
    return raw


def _unfilter(raw: bytes, rows: int, step: int) -> NDArray[np.uint8]:
    """Lines without their filter, rows x bytes; step is the bytes from a sample to its left neighbour."""
    lines = np.frombuffer(raw, np.uint8).reshape(rows, -1)
    filters, plain = lines[:, 0], lines[:, 1:]
    if not filters.any():
        return plain
    if filters.max() > 4:
        raise ValueError(f"damaged PNG: unknown line filter {filters.max()}")
    # What has boxes and polygons alone needs no Pillow.
    from PIL import Image

    # Its zip decoder undoes the filters. It is told a mode with as many bytes a pixel; what they mean is
    # not its business.
    packed, size = isal_zlib.compress(raw, 0), (plain.shape[1] // step, rows)
    if step <= 4:
        mode = ("L", "LA", "RGB", "RGBA")[step - 1]
        return np.asarray(Image.frombytes(mode, size, packed, "zip", (mode, 0))).reshape(rows, -1)
    # Above four bytes Pillow keeps one of each two: read twice, for the high bytes and for the low ones.
    mode = "RGB" if step == 6 else "RGBA"
    halves = [Image.frombytes(mode, size, packed, "zip", (f"{mode};16{order}", 0)) for order in "BL"]
    return np.stack([np.asarray(half) for half in halves], axis=-1).reshape(rows, -1)


def _unpack(lines: NDArray[np.uint8], depth: int, count: int) -> Samples:
    """The first count samples of each line, rows x count."""
    if depth == 8:
        return lines
    if depth == 16:
        return np.ascontiguousarray(lines).view(">u2").astype(np.uint16)
    if depth == 1:
        return np.unpackbits(lines, axis=1, count=count)
    shifts = np.arange(8 - depth, -1, -depth, dtype=np.uint8)
    samples: NDArray[np.uint8] = lines[:, :, np.newaxis] >> shifts & np.uint8((1 << depth) - 1)
    return samples.reshape(len(lines), -1)[:, :count]


# From samples to masks


def _channels(samples: Samples) -> list[Samples]:
    """The planes of a height x width x channels array."""
    return [samples[..., channel] for channel in range(samples.shape[2])]


def _by_index(picture: Picture, chosen: Mask) -> Mask:
    """The pixels whose palette entry is chosen and not transparent; beyond the palette nothing is chosen."""
    table = np.zeros(256, np.bool_)
    table[: len(chosen)] = chosen
    alpha = np.frombuffer(picture.transparent, np.uint8)
    table[: len(alpha)] &= alpha != 0
    found: Mask = table[picture.samples[..., 0]]
    return found


def _equals_grey(picture: Picture, colour: Colour) -> Mask:
    """The pixels of a grey picture that show that colour when its depth is stretched to 8 bits."""
    scale = 255 // ((1 << picture.header.depth) - 1)
    if len(set(colour)) > 1 or colour[0] % scale:
        return np.zeros(picture.samples.shape[:2], np.bool_)
    equal: Mask = picture.samples[..., 0] == colour[0] // scale
    return equal


def _without_transparent(picture: Picture, mask: Mask) -> Mask:
    """The mask less the fully transparent pixels of a grey or RGB picture."""
    planes = _channels(picture.samples)
    if len(planes) in (2, 4):
        mask &= planes[-1] != 0
    elif picture.transparent:
        # The file gives two bytes a sample at every depth; only the depth's own bits count.
        values = np.frombuffer(picture.transparent, ">u2") & ((1 << picture.header.depth) - 1)
        mask &= reduce(np.bitwise_or, (plane != value for plane, value in zip(planes, values, strict=True)))
    return mask
