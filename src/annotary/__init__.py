"""annotary: keeps image annotations and predictions, and hands them out, exact, filtered, streamed."""

from __future__ import annotations

from importlib.metadata import version

from annotary.client import Client
from annotary.errors import (
    AnnotaryError,
    Conflict,
    Denied,
    Invalid,
    Lossy,
    Missing,
    NotFound,
    Outdated,
    Refused,
    TooLarge,
    Unauthenticated,
    Unavailable,
)
from annotary.model.corpus import Notice, Problem

__version__ = version("annotary")

__all__ = [
    "AnnotaryError",
    "Client",
    "Conflict",
    "Denied",
    "Invalid",
    "Lossy",
    "Missing",
    "NotFound",
    "Notice",
    "Outdated",
    "Problem",
    "Refused",
    "TooLarge",
    "Unauthenticated",
    "Unavailable",
    "__version__",
]
