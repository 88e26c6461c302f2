"""Numbers of boxes as text whose differences are exact: sums are of decimals, as people would add them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

import msgspec
import numpy as np

from annotary.formats._columns import Column
from annotary.formats._json import shown

FAR = 1e9
"""No coordinate is further away, in pixels."""
_UNITS = 1e9
_SURE, _LARGE, _SMALL = 0.4, 1e6, 1e5
"""A number is not near the middle between two billionths, smaller than that, and has so many of them: with
fewer, its shortest text has an exponent."""
_encode = msgspec.json.Encoder().encode


def span(start: float, size: float, first: int = 0) -> tuple[str, str]:
    """Start plus `first`, and the end, start plus size.

    >>> span(359.17, 123.45), span(0.1, 0.2, 1)
    (('359.17', '482.62'), ('1.1', '0.3'))
    """
    if round(start, 9) == start and round(size, 9) == size:
        return ends(start, start + size, first)
    low = Decimal(repr(start))
    return plain(format(low + first, "f")), plain(format(low + Decimal(repr(size)), "f"))


def ends(low: float, high: float, first: int = 0) -> tuple[str, str]:
    """As `span`, from end to end; beyond a billionth of a pixel numbers only say how they came about."""
    # Fixed digits, cut, take a third of the time of rounding to the shortest number.
    return f"{low + first:.9f}".rstrip("0").rstrip("."), f"{high:.9f}".rstrip("0").rstrip(".")


def all_ends(low: Column, high: Column, first: int = 0) -> list[str] | None:
    """What `ends` gives of many, each with its end; None where that is not sure to be the same."""
    with np.errstate(all="ignore"):
        found = np.stack((low + first, high), axis=-1)
        scaled = found * _UNITS
        whole = np.rint(scaled)
        size = np.abs(whole)
        # Within these bounds the shortest text of a number that was rounded is its fixed digits, cut.
        sure = (np.abs(scaled - whole) < _SURE) & (size < _LARGE * _UNITS) & ((size == 0) | (size >= _SMALL))
    if not sure.all():
        return None
    text = _encode((whole / _UNITS).ravel().tolist()).decode()[1:-1] + ","
    return text.replace(".0,", ",").split(",")[:-1]


def are_short(numbers: Column) -> bool:
    """Whether `span` adds numbers like these as they are: none has more than nine decimals."""
    with np.errstate(all="ignore"):
        return bool(((np.rint(numbers * _UNITS) / _UNITS == numbers) & (np.abs(numbers) < _LARGE)).all())


def number(value: float) -> str:
    """A number as short as it can be.

    >>> number(3.0), number(0.1), number(-0.0)
    ('3', '0.1', '0')
    """
    return plain(repr(value + 0.0))


def plain(text: str) -> str:
    """A number without a fraction of nothing."""
    return text[:-2] if text.endswith(".0") else text


def parsed(text: str, what: str) -> Decimal:
    """A number out of a file; ValueError where it is none, or far away."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{what} is {shown(text)}; a number is wanted") from None
    if not found.is_finite() or abs(found) > FAR:
        raise ValueError(f"{what} is {shown(text)}; a number up to {FAR:.0f} is wanted")
    return found
