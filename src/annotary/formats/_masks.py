"""Masks inside an export: one PNG an instance, or one colour picture a label, in place of addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from annotary.formats import Part
from annotary.model.base import to_json
from annotary.model.corpus import Page
from annotary.model.corpus import Part as Share

Pixels = Callable[[str], bytes]
_ANNOTATIONS, _MASKS, _ID = 7, 8, 2
_BASE, _ESCAPE = b"\x1a", b"\\u001a"


def colour(index: int) -> tuple[int, int, int]:
    """The colour of a label's mask by its place: never black, different for 16 million places.

    >>> colour(0) != colour(1)
    True
    """
    # An odd multiplier permutes the numbers below 2**24; 0 stays 0 and is not used.
    value = (index + 1) * 0x9E3779 % (1 << 24)
    return value >> 16, value >> 8 & 255, value & 255


def pictured(pages: Iterable[Page], how: str) -> Iterator[Page]:
    """Pages whose masks with known pixels lead to the pictures that `pictures` gives."""
    for page in pages:
        yield page._replace(
            parts=tuple(
                share._replace(
                    labels=_relinked(share.labels, how), predictions=_relinked(share.predictions, how)
                )
                for share in page.parts
            )
        )


def _relinked(held: dict[int, list[tuple[Any, ...]]], how: str) -> dict[int, list[tuple[Any, ...]]]:
    return {number: [_label(label, how) for label in labels] for number, labels in held.items()}


def _label(label: tuple[Any, ...], how: str) -> tuple[Any, ...]:
    if not label[_MASKS]:
        return label
    kept = msgspec.json.decode(label[_MASKS])
    given = msgspec.json.decode(label[_ANNOTATIONS].replace(_BASE, _ESCAPE))
    order = list(kept)
    for drawn in given["objects"]:
        id = drawn["feature_id"]
        if id not in kept:
            continue
        if how == "png":
            drawn["mask"] = {"url": f"masks/{id}.png"}
        else:
            del drawn["mask"]
            url = f"masks/{label[_ID].decode()}.png"
            drawn["composite_mask"] = {"url": url, "color_rgb": colour(order.index(id))}
    return (*label[:_ANNOTATIONS], to_json(given).encode(), *label[_ANNOTATIONS + 1 :])


def pictures(pages: Iterable[Page], how: str, pixels: Pixels) -> Iterator[Part]:
    """The pictures themselves: 8-bit grey with 255 inside, or RGB on black with a colour a mask."""
    # Takes as long to import as an export without pictures to begin.
    from annotary.formats._png import composite, decode_mask, render_mask_8bit

    for page in pages:
        for share in page.parts:
            for label in _masked(share):
                kept = msgspec.json.decode(label[_MASKS])
                if how == "png":
                    for id, name in kept.items():
                        mask = decode_mask(pixels(name))
                        yield Part(f"masks/{id}.png", render_mask_8bit(mask))
                else:
                    masks = [decode_mask(pixels(name)) for name in kept.values()]
                    height, width = masks[0].shape
                    colored = ((mask, colour(index)) for index, mask in enumerate(masks))
                    picture = composite(colored, height, width)
                    yield Part(f"masks/{label[_ID].decode()}.png", picture)


def _masked(share: Share) -> Iterator[tuple[Any, ...]]:
    for held in (share.labels, share.predictions):
        for number in sorted(held):
            yield from (label for label in held[number] if label[_MASKS])
