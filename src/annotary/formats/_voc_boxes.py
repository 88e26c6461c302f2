"""The objects of VOC's files for some images at a time: their boxes as columns of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np

from annotary.formats._around import Extents, extents
from annotary.formats._decimals import all_ends, are_short
from annotary.model.image import NOTHING, WORDS, Image, ImageSet

CROWD = "a crowd is marked difficult"


def box_lines(numbers: Iterable[str]) -> str:
    """A box: its low and high x, its low and high y."""
    low_x, high_x, low_y, high_y = numbers
    return (
        f"\t\t\t<xmin>{low_x}</xmin>\n\t\t\t<ymin>{low_y}</ymin>\n"
        f"\t\t\t<xmax>{high_x}</xmax>\n\t\t\t<ymax>{high_y}</ymax>\n"
    )


def plain_object(name: str, difficult: str, confidence: float | None, box: str) -> str:
    """An object of which no file has said anything that VOC has elements for."""
    more = f"\t\t<confidence>{confidence!r}</confidence>\n" if confidence is not None else ""
    return (
        f"\t<object>\n\t\t<name>{name}</name>\n\t\t<pose>Unspecified</pose>\n\t\t<truncated>0</truncated>\n"
        f"\t\t<difficult>{difficult}</difficult>\n{more}\t\t<bndbox>\n{box}\t\t</bndbox>\n\t</object>\n"
    )


def _numbers(made: Extents) -> list[str] | None:
    """Of each box its low and high x, its low and high y, from 1; None where one is not usual."""
    if not are_short(made.boxes):
        return None
    low, high = made.corners[:2].T, made.corners[2:].T
    return all_ends(low, high, 1)


def objects(found: ImageSet, images: list[Image], spelt: Callable[[str], str]) -> list[str] | None:
    """The objects of each image; None where some are written mark by mark. `spelt` gives a class's name."""
    made = extents(images)
    if made is None:
        return None
    # Of what else an annotation may say, VOC has elements for some.
    if any([mark.crowd is None and mark.coco is not NOTHING for mark in made.marks]):
        return None
    numbers = _numbers(made)
    if numbers is None:
        return None
    difficult = np.array([mark.crowd is True for mark in made.marks], np.bool_)
    names = {name: spelt(name) for name in dict.fromkeys([mark.name for mark in made.marks])}
    flags = difficult.astype(np.int8).tolist()
    texts = [
        plain_object(names[mark.name], "1" if crowd else "0", mark.confidence, box_lines(box))
        for mark, crowd, box in zip(made.marks, flags, zip(*[iter(numbers)] * 4, strict=True), strict=True)
    ]
    made.tell(found.ledger)
    if difficult.any():
        for kind in dict.fromkeys([mark.kind for mark in made.marks]):
            found.ledger.changed_all("repaired", WORDS[kind], CROWD, [*made.ids(difficult & made.of(kind))])
    return ["".join(texts[start:end]) for start, end in pairwise(made.ends.tolist())]
