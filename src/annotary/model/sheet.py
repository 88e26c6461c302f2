"""Rows of the store whose marks are plain, read together: most rows, and a fraction of the time.

A mark is plain where all there is to say of it is its kind, its class, its box or polygon, and how many of
its questions are answered. What is not plain in any way is an Image with its marks; a writer that takes
sheets says the same of both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Raw

from annotary.model.image import NOTHING, Image
from annotary.model.ledger import Call

Kind = Literal["ImageBoundingBox", "ImagePolygon", "ImagePolyline", "ImagePoint", "ImageSegmentationMask"]
"""The kinds that a plain row has: of a mask only its link."""


class Place(msgspec.Struct, gc=False):
    """A box as it is stored."""

    left: float
    top: float
    width: float
    height: float


class Drawn(msgspec.Struct, gc=False):
    """A plain mark as it is stored: what it must not have is None, which is all that may be read there."""

    kind: Kind = msgspec.field(name="annotation_kind")
    feature_id: Annotated[str, Meta(min_length=1)]
    name: str = ""
    bounding_box: Place | None = None
    polygon: Raw = NOTHING
    classifications: tuple[Raw, ...] = ()
    confidence: None = None
    coco: None = None


class Sheet(NamedTuple):
    """Some plain rows in order.

    `images` have neither marks nor answers; `answers` is how many questions about each are answered, `ends`
    where its marks end among all `marks`, `kinds` the kind of each of these. `full` makes the same rows
    images with their marks.
    """

    images: list[Image]
    answers: list[int]
    ends: list[int]
    marks: list[Drawn]
    kinds: list[str]
    full: Callable[[], list[Image]]

    def again(self) -> Iterator[Image]:
        """The same rows with their marks."""
        return _again(self.images, self.full)

    def answer_count(self) -> int:
        """How many questions are answered about the images and about their marks."""
        return sum(self.answers) + sum(
            [len(one.classifications) for one in self.marks if one.classifications]
        )


class Prepared(NamedTuple):
    """Rows of which a format has made, in another process, what follows from each alone: `made`.

    `images` and `full` are as those of a sheet; `kinds` is how many marks of each kind they had, `answers`
    how many questions were answered, `calls` what the ledger is to be told.
    """

    images: list[Image]
    kinds: dict[str, int]
    answers: int
    calls: list[Call]
    made: Any
    full: Callable[[], list[Image]]

    def again(self) -> Iterator[Image]:
        """The same rows with their marks."""
        return _again(self.images, self.full)


def _again(images: list[Image], full: Callable[[], list[Image]]) -> Iterator[Image]:
    for head, image in zip(images, full(), strict=True):
        image.split = head.split
        yield image
