"""Which split an image is in: by a keyed hash of its key, so that more data moves nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import blake2b
from math import isclose

import msgspec

from annotary.errors import Invalid
from annotary.formats import TrainingOptions
from annotary.model.image import TEST, TRAIN, VAL, Image

NAMES = (TRAIN, VAL, TEST)
_GOLDEN = 0.6180339887498949
_fields = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


def checked(options: TrainingOptions) -> TrainingOptions:
    """Options whose shares are shares; raises Invalid."""
    shares = options.split
    if not shares:
        if options.stratify or options.split_by:
            raise Invalid("stratify and split_by need shares: --split 0.8,0.1,0.1")
        return options
    if len(shares) > len(NAMES) or any(not 0 <= one <= 1 for one in shares):
        raise Invalid(f"split: {_shown(shares)} are not two or three shares between 0 and 1")
    if not isclose(sum(shares), 1, abs_tol=1e-6):
        raise Invalid(f"split: {_shown(shares)} add up to {sum(shares):g}, not to 1")
    if options.stratify and options.split_by:
        raise Invalid("give stratify or split_by, not both: a group cannot be in several splits")
    return options


def _shown(shares: tuple[float, ...]) -> str:
    return ",".join(f"{one:g}" for one in shares)


def split(found: Iterator[Image], options: TrainingOptions, rare: Callable[[Image], str]) -> Iterator[Image]:
    """The images with the split the options give them; `rare` says by which class to stratify."""
    if not options.split:
        yield from found
        return
    before: Counter[str] = Counter()
    for image in found:
        if options.stratify:
            # The next of a class falls where the others of it have left most room: the shares hold within
            # each class, and images that come later move none.
            stratum = rare(image)
            place = (_fraction(stratum, options.seed) + before[stratum] * _GOLDEN) % 1
            before[stratum] += 1
        else:
            place = _fraction(_group(image, options.split_by), options.seed)
        image.split = _named(place, options.split)
        yield image


def _fraction(key: str, seed: int) -> float:
    """A number from 0 up to 1 that follows from key and seed.

    >>> round(_fraction("night/1.jpg", 0), 6) == round(_fraction("night/1.jpg", 0), 6)
    True
    """
    digest = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=str(seed).encode()).digest()
    return (int.from_bytes(digest, "big") >> 11) / (1 << 53)


def _named(place: float, shares: tuple[float, ...]) -> str:
    edge = 0.0
    last = NAMES[0]
    for name, share in zip(NAMES, shares, strict=False):
        edge += share
        if share:
            last = name
            if place < edge:
                return name
    return last


def _group(image: Image, field: str) -> str:
    if field and image.metadata:
        for one in _fields(image.metadata):
            if msgspec.json.decode(one.get("schema_name", msgspec.Raw(b'""'))) == field:
                return f"\x1f{field}\x1f{bytes(one.get('value', msgspec.Raw(b''))).decode()}"
    return image.key


def rarest(images: Iterator[Image]) -> Callable[[Image], str]:
    """For each image its class that fewest images have, after counting them all."""
    counts: Counter[str] = Counter()
    for image in images:
        counts.update({mark.name for mark in image.marks})
    return lambda image: min(
        {mark.name for mark in image.marks}, key=lambda name: (counts[name], name), default=""
    )
