"""A COCO file whose images and annotations were put by as they came."""

from __future__ import annotations

from collections.abc import Iterator

from annotary.formats import Part
from annotary.formats._disk import Later


def gathered(path: str, images: Later, annotations: Later, last: bytes) -> Iterator[Part]:
    """The parts of the file; `last` is all that follows the key of its categories."""
    yield Part(path, b'{"images":[\n')
    for chunk in images.chunks():
        yield Part(path, chunk)
    yield Part(path, b'],\n"annotations":[\n')
    for chunk in annotations.chunks():
        yield Part(path, chunk)
    yield Part(path, b'],\n"categories":' + last)
