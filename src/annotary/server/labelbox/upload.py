"""Files on their way in: the parts of multipart requests."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Iterator
from mimetypes import guess_type
from typing import IO, Any, NamedTuple

from annotary.errors import Invalid
from annotary.server.labelbox.context import Context, Json, resolves

BLOCK = 1 << 18
MEDIA_LINES = "application/x-ndjson; charset=utf-8"
MEDIA_JSON = "application/json; charset=utf-8"
NAME_LIMIT = 200
_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]+(;.*)?\Z")
_START = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
    b"II*\x00": "image/tiff",
    b"MM\x00*": "image/tiff",
}


class Upload(NamedTuple):
    """A file that came with a request; what is said of its name and type may be wrong."""

    file: IO[bytes]
    name: str
    media_type: str


def pieces(upload: Upload) -> Iterator[bytes]:
    """The bytes of an upload, from its start."""
    upload.file.seek(0)
    while block := upload.file.read(BLOCK):
        yield block


def described(upload: Upload) -> tuple[str, str]:
    """Name and type of an upload, by its content where that tells; some SDKs send the two swapped."""
    name, said = upload.name or "file", upload.media_type
    if _TYPE.match(name) and not _TYPE.match(said):
        name, said = said or "file", name
    upload.file.seek(0)
    start = upload.file.read(16)
    by_content = next((kind for mark, kind in _START.items() if start.startswith(mark)), None)
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        by_content = "image/webp"
    by_name = guess_type(name)[0]
    kind = by_content or (said if _TYPE.match(said) else None) or by_name or "application/octet-stream"
    if kind.startswith(("text/", "application/json", "application/x-ndjson")) and "charset" not in kind:
        kind += "; charset=utf-8"
    return posixpath.basename(name.replace("\\", "/"))[-NAME_LIMIT:] or "file", kind


def placed(operations: Any, paths: Any, uploads: dict[str, Upload]) -> Json:
    """A GraphQL request with its files where its map wants them; raises Invalid.

    The convention: `operations` is the request with null for each file, `map` says for each part of the
    form which of these it stands for.
    """
    request, places = _decoded("operations", operations), _decoded("map", paths)
    for part, wanted in places.items():
        if part not in uploads:
            raise Invalid(f"map: there is no part {part!r} with a file")
        if not isinstance(wanted, list):
            raise Invalid(f"map: {part!r} is to be a list of paths")
        for path in wanted:
            _set(request, str(path), uploads[part])
    return request


def _decoded(name: str, text: Any) -> Json:
    if not isinstance(text, str):
        raise Invalid(f"a multipart request needs a field {name}")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid(f"{name}: not JSON: {error}") from None
    if not isinstance(found, dict):
        raise Invalid(f"{name}: not a JSON object")
    return found


def _set(request: Json, path: str, upload: Upload) -> None:
    *inner, last = path.split(".")
    at: Any = request
    for key in inner:
        at = at.get(key) if isinstance(at, dict) else None
    if not isinstance(at, dict) or at.get(last, "") is not None:
        raise Invalid(f"map: {path!r} leads to no null in operations")
    at[last] = upload


@resolves("Mutation.uploadFile")
def upload_file(
    parent: Any, context: Context, file: Upload, contentLength: int, sign: bool | None = None
) -> Json:
    """Keep a file. What is said of its length is not believed: some SDKs count something else."""
    name, media_type = described(file)
    kept = context.files.keep(pieces(file), name, media_type)
    return {"url": context.files.address(kept), "filename": name}
