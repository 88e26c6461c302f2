"""Identity out of names: the same words give the same ids and the same dice, on every machine and run."""

import hashlib
import random
from collections.abc import Callable
from uuid import UUID

Ids = Callable[[str], str]
"""Gives each named part of a label its feature id."""

_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def dice(*words: object) -> random.Random:
    """A stream of random numbers that belongs to these words.

    >>> dice("scene", 1, 2).random() == dice("scene", 1, 2).random()
    True
    """
    return random.Random(_joined(words))


def cuid(*words: object) -> str:
    """A 25-character id that looks like a cuid.

    >>> cuid("project", 1)
    'cjuckhylx28igqolj2w9vvex5'
    """
    number = int.from_bytes(hashlib.blake2b(_joined(words).encode(), digest_size=24).digest())
    digits = []
    for _ in range(24):
        number, digit = divmod(number, 36)
        digits.append(_DIGITS[digit])
    return "c" + "".join(digits)


def uuid(*words: object) -> str:
    """A UUID that belongs to these words.

    >>> len(uuid("batch", 1))
    36
    """
    return str(UUID(bytes=hashlib.blake2b(_joined(words).encode(), digest_size=16).digest(), version=4))


def cuids(*words: object) -> Ids:
    """Feature ids as projects have them, inside the name space of these words."""
    return lambda name: cuid(*words, name)


def uuids(*words: object) -> Ids:
    """Feature ids as model runs have them, inside the name space of these words."""
    return lambda name: uuid(*words, name)


def _joined(words: tuple[object, ...]) -> str:
    # A separator that no word contains keeps ("a", "bc") and ("ab", "c") apart.
    return "\x1f".join(str(word) for word in words)
