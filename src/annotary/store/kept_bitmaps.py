"""What a process remembers of the bitmaps of collections; they are made by who looks."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from annotary.store.bitmaps import Rows

LIMIT = 16
"""So many collections' bitmaps are kept, those asked for last; a million rows take a few megabytes."""


@dataclass
class _Held:
    lock: threading.Lock = field(default_factory=threading.Lock)
    rows: Rows | None = None


class Bitmaps:
    """The bitmaps of collections; each has a lock of its own, under which they are brought up to date."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: OrderedDict[int, _Held] = OrderedDict()

    @contextmanager
    def of(self, collection: int) -> Iterator[_Held]:
        """What is known of a collection, for one at a time.

        Who begins its snapshot in here sees no older state than the one before did.
        """
        with self._lock:
            held = self._held.setdefault(collection, _Held())
            self._held.move_to_end(collection)
            while len(self._held) > LIMIT:
                self._held.popitem(last=False)
        with held.lock:
            yield held
