"""Which place a store on PostgreSQL keeps its large blobs and its files in, beside the database.

It stands in the database, so that every server and worker finds it: the address, never a key. In the place
stands which store it is of: what a store does not know there, it removes.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from sqlalchemy import Connection, literal, select

from annotary.errors import Conflict, Invalid, NotFound, Unavailable
from annotary.model.base import new_id
from annotary.model.project import Settings
from annotary.store.addresses import folder, opened, plain
from annotary.store.bucket import SCHEME
from annotary.store.places import Place
from annotary.store.schema import files

if TYPE_CHECKING:
    from annotary.store import Store

VARIABLE = "ANNOTARY_BLOBS"
"""Where a store that is made in an empty database keeps its blobs."""
OWNER = "owner"
"""What names the store in its place."""
_PLACE, _IDENTITY = "place of blobs", "identity"
LEFT = tuple((Settings.__name__, name) for name in (_PLACE, _IDENTITY))
"""The kinds and names of what this is kept as: a copy has a place of its own."""


def place_of(store: Store, asked: str | None = None) -> Place | None:
    """The place of a store on PostgreSQL; None where all lies in the database.

    `asked` (default: what the environment says) becomes the place of a store that keeps nothing yet. Raises
    Invalid where another one is kept, Unavailable where it cannot be used; the database is closed then.
    """
    try:
        return _place_of(store, asked)
    except BaseException:
        store.close()
        raise


def _place_of(store: Store, asked: str | None) -> Place | None:
    wanted = os.environ.get(VARIABLE, "") if asked is None else asked
    present = kept(store)
    if not wanted:
        return None if present is None else opened(present)
    if present == plain(wanted):
        return opened(present)
    with store.reading() as connection:
        if present is not None or _holds_files(connection):
            raise Invalid(
                f"the store keeps its files in {present or 'the database'}, and {VARIABLE} is {wanted};"
                f" unset it, or move them: annotary migrate --blobs {wanted}"
            )
    place = claimed(store, wanted)
    note(store, wanted)
    return place


def kept(store: Store) -> str | None:
    """The address of a store's place, as it is noted down."""
    try:
        found: str = store.seen_as("").get(Settings, _PLACE).value
    except NotFound:
        return None
    return found


def note(store: Store, address: str) -> None:
    """Note down where a store's place is from now on."""
    store.seen_as("").put(Settings(id=_PLACE, name=_PLACE, value=plain(address)))


def claimed(store: Store, address: str) -> Place:
    """The place at an address as a store's own; raises Invalid where it is another's, Unavailable."""
    if not address.startswith(SCHEME):
        try:
            folder(address).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"the folder {folder(address)} cannot be made: {error.strerror}") from error
    place = opened(address)
    mine = identity(store).encode()
    if not _is_of(place, mine):
        try:
            place.whole(OWNER)
        except NotFound:
            place.put(OWNER, mine)
        if not _is_of(place, mine):
            raise Invalid(f"{address} holds the blobs of another store; give another prefix or folder")
    return place


def is_own(store: Store) -> bool:
    """Whether what lies in a store's place is all its own."""
    return kept(store) is None or _is_of(store.place, identity(store).encode())


def _is_of(place: Place, identity: bytes) -> bool:
    with suppress(NotFound):
        return place.whole(OWNER) == identity
    return False


def identity(store: Store) -> str:
    """What tells a store from others."""
    whole = store.seen_as("")
    for _ in range(2):
        with suppress(NotFound):
            found: str = whole.get(Settings, _IDENTITY).value
            return found
        with suppress(Conflict):
            whole.add(Settings(id=_IDENTITY, name=_IDENTITY, value=new_id()))
    raise Unavailable("the store does not keep its identity")


def _holds_files(connection: Connection) -> bool:
    return connection.execute(select(literal(1)).select_from(files).limit(1)).first() is not None
