"""Numbers of shapes in lines of v1, without a fraction where they have none."""

from __future__ import annotations

import numpy as np

_COORDINATES = frozenset((b'"x', b'"y', b"op", b"ft", b"ht", b"th"))
"""The ends of the keys of numbers in shapes: x, y, top, left, height, width."""
_NUMERIC = b"-0123456789"
_DIGITS = 20
"""No number of a shape is longer that is usual; one that is stays as it was."""


class WholeNumbers:
    """Lines with the numbers of shapes that are whole without a fraction: 977 for 977.0.

    Looked for in all lines at once by numpy: to search them would cost as much as all the rest.
    """

    def __init__(self) -> None:
        self._marks = np.empty((2, 0), np.bool_)

    def of(self, text: bytes) -> bytes:
        """The same lines."""
        codes = np.frombuffer(text, np.uint8)
        if len(codes) > self._marks.shape[1]:
            # Kept from page to page: fresh memory of this size costs more than what is done with it.
            self._marks = np.empty((2, 2 * len(codes)), np.bool_)
        points, zeros = self._marks[:, : max(len(codes) - 2, 0)]
        np.equal(codes[:-2], ord("."), out=points)
        np.equal(codes[1:-1], ord("0"), out=zeros)
        dots = np.flatnonzero(np.logical_and(points, zeros, out=points))
        after = codes[dots + 2]
        pieces = []
        done = 0
        for dot in dots[(after == ord(",")) | (after == ord("}"))].tolist():
            # A quote within a string is escaped, so this can only be a member of an object and its number.
            colon = text.rfind(b'":', dot - _DIGITS, dot)
            if text[colon - 2 : colon] in _COORDINATES and text[colon + 2] in _NUMERIC:
                pieces.append(text[done:dot])
                done = dot + 2
        if not pieces:
            return text
        pieces.append(text[done:])
        return b"".join(pieces)
