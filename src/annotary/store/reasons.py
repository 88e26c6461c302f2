"""The errors of both databases' drivers in our words."""

from __future__ import annotations

from annotary.errors import Conflict, Unavailable, Unreachable
from annotary.store.drivers import BUSY_SECONDS


def translated(error: BaseException, place: str) -> Exception:
    """A driver's error as one of ours."""
    text = _first_line(error)
    violated = any(kind.__name__ == "IntegrityError" for kind in type(error).__mro__)
    if violated and "UNIQUE" in text.upper():
        return Conflict(f"it is there already: {text}")
    return lost(error, place) if _is_lost(error) else _unavailable(text, place)


def lost(error: BaseException, place: str) -> Unreachable:
    """What is said where the connection is gone."""
    return Unreachable(f"the database {safe(place)} cannot be reached: {_first_line(error)}")


def crowded(place: str) -> Unavailable:
    """What is said where all connections are taken."""
    return Unavailable(f"the store {safe(place)} has no connection free; ask again in a moment")


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0]


def is_held(error: Exception) -> bool:
    """Whether it is of a lock that another transaction held for too long, in PostgreSQL."""
    said = error.__cause__
    return getattr(getattr(said, "orig", said), "sqlstate", None) == "55P03"


def _is_lost(error: BaseException) -> bool:
    """Whether PostgreSQL does not answer, or the connection was lost: the same may work a moment later."""
    if not any(kind.__name__ in ("OperationalError", "InterfaceError") for kind in type(error).__mro__):
        return False
    state = getattr(error, "sqlstate", "")
    # None comes from the driver itself: the server has not said a word. SQLite's errors have no such thing.
    return state is None or state.startswith("08") or state in _AWAY


_AWAY = {"57P01", "57P02", "57P03", "57P05", "53300"}
"""PostgreSQL is told to end, has crashed, is starting, has ended an idle session, has no connection left."""


def _unavailable(text: str, place: str) -> Unavailable:
    low = text.lower()
    for sign, reason in (
        ("locked", f"locked by another program for over {BUSY_SECONDS} s; try again when it has ended"),
        ("readonly", "read-only; give yourself write permission or use another place"),
        ("read-only", "read-only; give yourself write permission or use another place"),
        ("unable to open", "not to be opened; check that the folder exists and is yours to write"),
        ("full", "out of disk space; nothing was stored, free some and try again"),
        ("disk i/o", "failing to read or write; check the disk"),
        ("malformed", "damaged; restore it from a copy"),
        ("not a database", "not an annotary store; give another folder"),
        ("no space", "out of disk space; nothing was stored, free some and try again"),
    ):
        if sign in low:
            return Unavailable(f"the store {safe(place)} is {reason}")
    return Unavailable(f"the store {safe(place)} cannot be used: {text}")


def safe(place: str) -> str:
    """A database's place without its password."""
    before, at, after = place.rpartition("@")
    if not at or "://" not in before:
        return place
    scheme, _, user = before.partition("://")
    return f"{scheme}://{user.partition(':')[0]}@{after}"
