"""What is known of an image: by its own bytes where they are here, else by the ending of its address."""

from __future__ import annotations

from mimetypes import guess_type
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from PIL import Image

PIXEL_LIMIT = 1 << 30
_TURNED = (5, 6, 7, 8)
_ORIENTATION = 0x0112


def measured(path: Path) -> dict[str, Any]:
    """Upright size in pixels, type and EXIF orientation of an image file, from its header; else nothing."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            orientation = image.getexif().get(_ORIENTATION, 1)
            kind = image.get_format_mimetype()
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return {}
    if width * height > PIXEL_LIMIT or not kind:
        return {}
    if orientation in _TURNED:
        width, height = height, width
    upright = {"height": height, "width": width, "mime_type": kind}
    return {**upright, "exif_rotation": str(orientation), "asset_type": "image"}


def supposed(address: str) -> dict[str, Any]:
    """The type that the ending of an address tells; nothing where it tells none."""
    try:
        kind = guess_type(urlsplit(address).path)[0]
    except ValueError:
        return {}
    return {"mime_type": kind} if kind and kind.startswith("image/") else {}
