"""YOLO segmentation: data.yaml, images/ and labels/ by split, a line an outline."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from msgspec import Meta

from annotary.formats import Format, Part, Reading, Source, TrainingOptions
from annotary.formats import _contours as contours
from annotary.formats import _geometry as geometry
from annotary.formats import _marks as marks
from annotary.formats import _rle as rle
from annotary.formats._bridges import joined
from annotary.formats._contours import Region
from annotary.formats._geometry import Ring
from annotary.formats._losses import mark_id
from annotary.formats._yolo_files import SEGMENT, task_of
from annotary.formats._yolo_lines import Lines, clipped, outline, prepared, read_set, shares, write_set
from annotary.model.image import BOX, CUBOID, MASK, POLYGON, Image, ImageSet, Mark

_GOOD = 0.99
"""Parts that overlap are joined along their pixels where joining their corners shares less."""


class Options(TrainingOptions, frozen=True):
    """What a YOLO data set has beside the rest."""

    confidence: Annotated[bool, Meta(description="write a prediction's confidence as the last number")] = True
    tolerance: Annotated[
        float, Meta(ge=0, description="leave out corners of masks that are no more pixels off their outline")
    ] = 0

    def one_file(self) -> bool:
        """Always a folder."""
        return False


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """Label files, pictures, the index of images and data.yaml."""
    return write_set(found, _lines(options))


def _lines(options: Options) -> Lines:
    def numbers(found: ImageSet, image: Image, mark: Mark) -> list[float]:
        return shares(_ring(found, image, mark, options.tolerance), image)

    return Lines(numbers, SEGMENT, "YOLO segmentation", options.confidence)


def read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    """Images with polygons, and boxes where lines have no more numbers than those of boxes."""
    del options
    return read_set(source, reading, outline)


def _ring(found: ImageSet, image: Image, mark: Mark, tolerance: float) -> Ring:
    """The one ring of a mark inside its image; ValueError where it has none."""
    id = mark_id(image, mark)
    match mark.kind:
        case kind if kind == POLYGON:
            ring = geometry.flat_ring(mark.flat())
        case kind if kind == MASK:
            ring = _of_mask(found, image, mark, tolerance)
        case kind if kind == BOX:
            ring = geometry.flat_ring(marks.rings(mark)[0])
            found.ledger.approximated(mark.word, "a box became the polygon of its four corners", id, 1)
        case kind if kind == CUBOID:
            ring = geometry.flat_ring(marks.rings(mark)[0])
            found.ledger.approximated(mark.word, "a cuboid became the outline around its corners", id)
        case _:
            raise ValueError(f"YOLO segmentation has no {mark.word}")
    if len(ring) < 3:
        raise ValueError("an outline of fewer than 3 points")
    return clipped(found, image, mark, ring)


def _of_mask(found: ImageSet, image: Image, mark: Mark, tolerance: float) -> Ring:
    parts = marks.parts(mark)
    rings = [ring for one in parts or () if len(ring := geometry.flat_ring(one)) > 2]
    if parts is not None and len(rings) == 1:
        return rings[0]
    pixels = marks.run_lengths(mark, image, found.pixels)
    if (pixels.height, pixels.width) != (image.height, image.width):
        raise ValueError("the mask is not of its image's size")
    if not pixels.area():
        raise ValueError("a mask without a pixel")
    if rings:
        ring = joined([Region(one) for one in rings])
        share = _iou(ring, pixels)
        if share >= _GOOD:
            return _measured(found, image, mark, ring, share, "parts were joined into one ring")
    mask = pixels.mask()
    regions = contours.trace(mask)
    if tolerance:
        regions = contours.simplify(regions, mask, tolerance).regions
    ring = joined(regions)
    if len(regions) == 1 and not regions[0].holes and not tolerance:
        # Along the edges of its pixels one ring says all of a mask.
        return ring
    reason = "parts and holes were joined into one ring" if not tolerance else "its outline was simplified"
    return _measured(found, image, mark, ring, _iou(ring, pixels), reason)


def _measured(found: ImageSet, image: Image, mark: Mark, ring: Ring, share: float, reason: str) -> Ring:
    found.ledger.approximated(mark.word, reason, mark_id(image, mark), share)
    return ring


def _iou(ring: Ring, pixels: rle.Rle) -> float:
    return rle.iou(geometry.fill_parts([ring], pixels.height, pixels.width), pixels)


def _is_segmentation(source: Source) -> bool:
    return task_of(source) == SEGMENT


FORMAT = Format(
    title="YOLO segmentation",
    options=Options,
    write=write,
    read=read,
    prepare=prepared(_lines),
    images=True,
    folder=_is_segmentation,
    says="polygons, masks of one part exactly, scores; parts and holes joined into one ring, by their IoU",
)
