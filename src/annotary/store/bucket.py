"""A bucket of any server that speaks S3, as a place. Who may use it is told to obstore by the environment.

Those are the usual variables: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION,
AWS_ENDPOINT_URL; without a key, what the machine itself was given is asked for. Nothing of it is kept.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from annotary.errors import Invalid, Missing, NotFound, Unavailable
from annotary.store.places import BLOCK, Kept

if TYPE_CHECKING:
    from obstore import Attributes
    from obstore.store import S3Store

SCHEME = "s3://"
AT_ONCE = 8 << 20
"""So many bytes are asked for by one request."""
PART = 8 << 20
"""The least size of a part of a large file; what is no larger goes in one request."""
PARTS = 9_000
"""S3 takes 10,000 parts of a file."""
PARTS_AT_ONCE = 4
TRIES = 6
ANSWER_SECONDS = 60
RETRY_SECONDS = 45
_ADDRESS = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])((?:/[A-Za-z0-9._=-]+)*)/?")
_CODE = re.compile(r"<Code>(\w+)</Code>")
_REFUSED = {
    "AccessDenied",
    "AllAccessDisabled",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
_PAGE = 1000


class Bucket:
    """What is below a prefix of a bucket."""

    near: Path | None = None

    def __init__(self, address: str) -> None:
        """Raises Invalid where the address is none, Missing where obstore is not installed."""
        found = _ADDRESS.fullmatch(address)
        if found is None:
            raise Invalid(f"not a bucket: {address!r}; give s3://BUCKET or s3://BUCKET/PREFIX, without keys")
        try:
            from obstore.store import S3Store
        except ModuleNotFoundError as error:
            raise Missing("a bucket needs obstore; install 'annotary[s3]'") from error
        self.shown = address
        plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
        with self._asked(""):
            self._store: S3Store = S3Store(
                found[1],
                prefix=found[2].strip("/") or None,
                # Who names an address without TLS means it.
                client_options={
                    **({"allow_http": True} if plain else {}),
                    "connect_timeout": timedelta(seconds=5),
                    "timeout": timedelta(seconds=ANSWER_SECONDS),
                },
                retry_config={"max_retries": TRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
            )

    def put(self, name: str, data: bytes) -> None:
        """Keep some bytes: the server has them when this returns."""
        import obstore

        with self._asked(name):
            obstore.put(self._store, name, data, use_multipart=False)

    def take(self, name: str, path: Path, headers: Mapping[str, str]) -> None:
        """Keep a finished file; a large one goes in parts, some at once, each tried again where it fails."""
        import obstore

        size = path.stat().st_size
        with self._asked(name):
            obstore.put(
                self._store,
                name,
                path,
                attributes=cast("Attributes", dict(headers)),
                use_multipart=size > PART,
                chunk_size=max(PART, -(-size // PARTS)),
                max_concurrency=PARTS_AT_ONCE,
            )

    def read(self, name: str, start: int, end: int) -> Iterator[bytes]:
        """Bytes from `start` to `end` (not included), in blocks; raises NotFound."""
        import obstore

        while start < end:
            try:
                with self._asked(name):
                    found = obstore.get_range(
                        self._store, name, start=start, end=min(end, start + AT_ONCE)
                    ).to_bytes()
            except _BeyondEnd:
                return
            if not found:
                return
            for place in range(0, len(found), BLOCK):
                yield found[place : place + BLOCK]
            start += len(found)

    def whole(self, name: str) -> bytes:
        """All bytes; raises NotFound."""
        import obstore

        with self._asked(name):
            return obstore.get(self._store, name).bytes().to_bytes()

    def names(self, prefix: str) -> Iterator[Kept]:
        """Whatever lies here under names with a beginning."""
        import obstore

        found: Any = obstore.list(self._store, prefix, chunk_size=_PAGE)
        while True:
            with self._asked(prefix):
                page = next(found, None)
            if page is None:
                return
            for one in page:
                yield Kept(one["path"], one["last_modified"].timestamp())

    def delete(self, name: str) -> None:
        """Remove what has a name, if there is anything."""
        import obstore

        try:
            with self._asked(name):
                obstore.delete(self._store, name)
        except NotFound:
            return

    def path(self, name: str) -> Path | None:
        """None: it lies elsewhere."""
        return None

    def address(self, name: str, seconds: int) -> str | None:
        """A URL that is signed, and good for some seconds."""
        import obstore

        with self._asked(name):
            return obstore.sign(self._store, "GET", name, timedelta(seconds=seconds))

    @contextmanager
    def _asked(self, name: str) -> Iterator[None]:
        """obstore's errors as ours, in one line without what was sent."""
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError) as error:
            raise self._told(name, str(error)) from error

    def _told(self, name: str, said: str) -> Exception:
        first = said.partition("\n\nDebug source")[0]
        named = _CODE.search(first)
        code = named[1] if named else ""
        if code == "InvalidRange" or " 416 " in first:
            return _BeyondEnd()
        if code == "NoSuchBucket":
            return Unavailable(f"there is no bucket {self.shown}; make it, or look at AWS_ENDPOINT_URL")
        if code in ("NoSuchKey", "NotFound") or " 404 " in first or first.endswith("not found"):
            return NotFound(f"no {name} in {self.shown}")
        if "169.254.169.254" in first:
            return Unavailable(
                f"the bucket {self.shown} needs credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
            )
        if code in _REFUSED or " 403 " in first or " 401 " in first:
            return Unavailable(
                f"the bucket {self.shown} refuses ({code or 'forbidden'});"
                " look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and what they allow"
            )
        reason = code or first.partition("\n")[0].rpartition(" - ")[2][:200]
        return Unavailable(f"the bucket {self.shown} does not answer: {reason}; look at AWS_ENDPOINT_URL")


class _BeyondEnd(Exception):
    """There are no such bytes any more."""
