"""Answers that take long, kept for whoever asks the same again; nothing is worked out twice at once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, TypeVar

R = TypeVar("R")
LIMIT = 8
"""So many answers are kept, those asked for last."""


class Kept:
    """Answers by what they follow from: a key holds everything that the answer depends on."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._answers: OrderedDict[Hashable, Any] = OrderedDict()
        self._working: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, make: Callable[[], R]) -> R:
        """The answer, worked out where it is not known; who asks meanwhile waits. Errors are not kept."""
        with self._lock:
            working = self._working.setdefault(key, threading.Lock())
        try:
            with working:
                if (found := self.known(key)) is not None:
                    answer: R = found
                    return answer
                answer = make()
                with self._lock:
                    self._answers[key] = answer
                    while len(self._answers) > self._limit:
                        self._answers.popitem(last=False)
                return answer
        finally:
            with self._lock:
                self._working.pop(key, None)

    def known(self, key: Hashable) -> Any:
        """The answer if it is known, else None."""
        with self._lock:
            if key in self._answers:
                self._answers.move_to_end(key)
            return self._answers.get(key)
