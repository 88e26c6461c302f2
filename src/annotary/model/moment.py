"""Instants: text at the doors, one canonical form of fixed width inside the store.

The canonical form is `2023-07-24T13:16:59.552+00:00`, the one real v2 exports carry. Being of fixed
width and always in UTC it sorts as time does, so the store compares it as text.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo

from annotary.errors import Invalid

WANTED = 'YYYY-MM-DD, "YYYY-MM-DD hh:mm:ss" or ISO 8601 such as 2023-02-01T10:00:00+02:00'
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?\s?(Z|[+-]\d{2}:?\d{2})?\Z", re.ASCII)


def stamp(moment: datetime) -> str:
    """The canonical text of an aware instant.

    >>> stamp(datetime(2023, 2, 2, 17, 50, 54, tzinfo=UTC))
    '2023-02-02T17:50:54.000+00:00'
    """
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


@lru_cache(maxsize=1 << 14)
def canonical(text: str) -> str:
    """The canonical text of a date or date-time as files spell it; raises ValueError.

    >>> canonical("2023-02-02"), canonical("2022-09-29T15:46:23.269Z")
    ('2023-02-02T00:00:00.000+00:00', '2022-09-29T15:46:23.269+00:00')
    """
    if len(text) == 29 and text.endswith("+00:00") and text[19] == "." and text[10] == "T":
        datetime.fromisoformat(text)
        return text
    return stamp(_moment(text, UTC))


def bound(text: str, *, end: bool, zone: str | None = None) -> str:
    """One end of a filter's range as canonical text; a date alone as the end means the whole day.

    A date-time without offset is in `zone` (default UTC); an offset is converted. Raises Invalid.

    >>> bound("2023-02-01", end=True)
    '2023-02-01T23:59:59.999+00:00'
    >>> bound("2023-02-01T10:00:00+0200", end=False)
    '2023-02-01T08:00:00.000+00:00'
    """
    try:
        moment = _moment(text, _zone(zone))
        if end and _DATE.match(text):
            moment += timedelta(days=1) - timedelta(milliseconds=1)
        return stamp(moment)
    except (ValueError, OverflowError, TypeError, AttributeError):
        raise Invalid(f"not a date: {text!r}; give {WANTED}") from None


def _zone(name: str | None) -> tzinfo:
    if name is None or name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise Invalid(f"unknown time zone {name!r}; give an IANA name such as Europe/Berlin") from None


def _moment(text: str, zone: tzinfo) -> datetime:
    if not (_DATE.match(text) or _TIME.match(text)):
        raise ValueError(f"not a date: {text!r}")
    moment = datetime.fromisoformat(text.replace(" Z", "Z"))
    return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)


def shown_v1(text: str) -> str:
    """Canonical text as v1 exports write it: `2022-09-29T15:46:23.269Z`."""
    return text[:23] + "Z"


def shown_seed(text: str) -> str:
    """Canonical text as the first published v2 sample writes label times: no fraction."""
    return text[:19] + "+00:00"
