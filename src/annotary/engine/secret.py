"""The secret of a store, with which its servers sign: made at the first start, never shown."""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from annotary.errors import Conflict, NotFound, Unavailable
from annotary.model.project import Settings
from annotary.store import Store

FILE_NAME = "secret"
_NAME = "signing secret"
LEFT = ((Settings.__name__, _NAME),)
"""The kind and name of what PostgreSQL keeps it as; a copy hands the secret on by itself."""


def signing_secret(store: Store) -> bytes:
    """The secret: in a file that only its owner may read, or in PostgreSQL, where servers share it."""
    if store.home is not None:
        return _of_file(store.home / FILE_NAME)
    whole = store.seen_as("")
    with suppress(Conflict):
        whole.add(Settings(id=_NAME, name=_NAME, value=secrets.token_hex(32)))
    try:
        return bytes.fromhex(whole.get(Settings, _NAME).value)
    except NotFound as error:
        raise Unavailable("the store keeps no signing secret") from error


def hand_on(source: Store, destination: Store) -> None:
    """Let another store sign as this one, so that what it has signed stays good."""
    secret = signing_secret(source)
    if destination.home is None:
        destination.seen_as("").put(Settings(id=_NAME, name=_NAME, value=secret.hex()))
    else:
        _write(destination.home / FILE_NAME, secret)


def _of_file(path: Path) -> bytes:
    try:
        if not path.exists():
            _write(path, secrets.token_bytes(32))
        found = bytes.fromhex(path.read_text().strip())
    except (OSError, ValueError) as error:
        raise Unavailable(f"the signing secret {path} cannot be used: {error}") from error
    if len(found) < 32:
        raise Unavailable(f"the signing secret {path} is too short; remove it, and a new one will be made")
    return found


def _write(path: Path, secret: bytes) -> None:
    """Keep a secret where there is none yet."""
    part = path.with_name(f".{FILE_NAME}.{os.getpid()}.{secrets.token_hex(4)}")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(secret.hex())
        file.flush()
        os.fsync(file.fileno())
    # A link fails where the name is taken: of two servers that start at once, one makes the secret.
    with suppress(FileExistsError):
        os.link(part, path)
    part.unlink()
