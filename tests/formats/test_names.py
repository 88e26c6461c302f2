"""File names of several images at a time, and their lines in the index: what single ones are."""

from __future__ import annotations

import random
from typing import Any

import pytest

from annotary.formats import _seen
from annotary.formats._image_index import Index
from annotary.formats._names import Names
from annotary.model.image import Image
from annotary.model.ledger import Ledger

NAMES = (
    *("a.jpg", "A.JPG", "b", "b.png", "b.jpg", ".c", "c.", "d.tar.gz", "e e.jpg", "night/f.jpg", "aux.png"),
    *("é.jpg", "g\nh.jpg", "g", "h.jpg", "i,j.jpg", 'k"l".jpg', "m\rn.jpg", "con", "x" * 300, ""),
    *(f"{at:04}.jpg" for at in range(40)),
)


@pytest.mark.parametrize("recent", [5, 1000])
@pytest.mark.parametrize("seed", range(8))
def test_names_of_several_are_those_of_single_ones(
    monkeypatch: pytest.MonkeyPatch, recent: int, seed: int
) -> None:
    monkeypatch.setattr(_seen, "_RECENT", recent)
    luck = random.Random(seed)
    some, single = Names(told := Ledger()), Names(also := Ledger())
    for turn in range(30):
        # Usual ones that are new, and others.
        usual = [f"{turn}-{at}.jpg" for at in range(luck.randrange(4))]
        names = usual + luck.sample(NAMES, luck.randrange(4)) if luck.random() < 0.5 else usual
        ids = [f"id-{turn}-{at}" for at in range(len(names))]
        one_by_one = [single.path(name, id, ending="") for name, id in zip(names, ids, strict=True)]
        assert some.paths(names, ids, ending="") == one_by_one
    assert told.document() == also.document()


@pytest.mark.parametrize("odd", [None, "a,b", 'a "b"', "a\nb", "a\rb"])
def test_lines_of_several_images_are_those_of_single_ones(odd: Any) -> None:
    images = [
        Image(external_id=f"{at}.jpg", global_key=f"key {at}", row_data=f"https://host/{at}", width=at * 3)
        for at in range(5)
    ]
    if odd is not None:
        images[2].external_id = odd
    paths = [f"images/train/{at}.jpg" for at in range(5)]
    some, single = Index(), Index()
    some.add_all(images, paths)
    for image, path in zip(images, paths, strict=True):
        single.add(image, path)
    assert list(some.parts()) == list(single.parts())
