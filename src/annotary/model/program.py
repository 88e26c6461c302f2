"""The program's own version, as manifests, pages and the descriptions of the interface name it."""

from __future__ import annotations

from functools import cache


@cache
def version() -> str:
    """The version that is installed: reading it from the package takes as long as a hundred rows."""
    from importlib import metadata

    return metadata.version("annotary")
