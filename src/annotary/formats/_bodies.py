"""What is written of each image by itself, made here or by another process; the rest follows from all."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any, TypeVar

from annotary.formats import Prepare
from annotary.model.image import Image, ImageSet
from annotary.model.sheet import Prepared

Body = TypeVar("Body")
_IMAGES, _MARKS = 64, 4096
"""So many images are taken together, or of so many marks."""


def batches(found: Iterable[Image]) -> Iterator[list[Image]]:
    """Images some at a time, fewer where they have many marks."""
    some: list[Image] = []
    size = 0
    for image in found:
        some.append(image)
        size += len(image.marks)
        if len(some) == _IMAGES or size > _MARKS:
            yield some
            some, size = [], 0
    if some:
        yield some


def with_bodies(found: ImageSet, body: Callable[[Image], Body]) -> Iterator[tuple[Image, Body]]:
    """Each image with its body: what is made of it without knowing any other.

    Of an image whose body another process has made its marks, answers and masks are not known here.
    """
    return of_many(found, lambda images: map(body, images), lambda some: ([image] for image in some))


def of_many(
    found: ImageSet,
    bodies: Callable[[list[Image]], Iterable[Body]],
    together: Callable[[Iterator[Image]], Iterable[list[Image]]],
) -> Iterator[tuple[Image, Body]]:
    """The same where bodies are made of images that are taken `together`."""
    for prepared, some in groupby(found.some(), lambda one: isinstance(one, Prepared)):
        if prepared:
            for one in some:
                found.ledger.replay(one.calls)
                yield from zip(one.images, one.made, strict=True)
        else:
            for images in together(some):
                yield from zip(images, bodies(images), strict=True)


def one_by_one(make: Callable[[ImageSet, Any], Callable[[Image], Any]]) -> Prepare:
    """How a format prepares rows whose bodies are made one by one."""

    def bodies(found: ImageSet, options: Any) -> Callable[[list[Image]], list[Any]]:
        body = make(found, options)
        return lambda images: [body(image) for image in images]

    return bodies
