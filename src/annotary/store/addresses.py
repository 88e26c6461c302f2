"""Places by their address: s3://BUCKET/PREFIX or file:///FOLDER."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from annotary.errors import Invalid, Unavailable
from annotary.store.bucket import SCHEME, Bucket
from annotary.store.places import Folder, Place


def plain(address: str) -> str:
    """An address as it is noted down; raises Invalid."""
    return address.rstrip("/") if address.startswith(SCHEME) else folder(address).as_uri()


def opened(address: str) -> Place:
    """The place at an address; raises Invalid, Missing, Unavailable."""
    if address.startswith(SCHEME):
        return Bucket(address)
    found = Folder(folder(address))
    if not found.root.is_dir():
        raise Unavailable(f"the folder {found.root} is not there; is it mounted?")
    return found


def folder(address: str) -> Path:
    """The folder at an address; raises Invalid."""
    parts = urlsplit(address)
    path = Path(unquote(parts.path))
    if parts.scheme != "file" or parts.netloc or not path.is_absolute():
        raise Invalid(f"not a place of blobs: {address!r}; give s3://BUCKET/PREFIX or file:///FOLDER")
    return path
