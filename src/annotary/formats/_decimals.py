"""Numbers of boxes as text whose differences are exact: sums are of decimals, as people would add them."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

from annotary.formats._json import shown

FAR = 1e9
"""No coordinate is further away, in pixels."""


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
