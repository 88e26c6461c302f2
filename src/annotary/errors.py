"""The tree of everything annotary raises on purpose.

AnnotaryError
├── Invalid            what was asked cannot be (also a ValueError)
│   ├── Refused        an import with problems: nothing was stored
│   ├── Lossy          --strict and the format cannot say everything
│   └── TooLarge       more than a limit allows
├── NotFound           no such thing (also a LookupError)
├── Conflict           it is there already, or has changed meanwhile
├── Denied             the role does not allow it
│   └── Unauthenticated  no key, or none that is good
├── Missing            an optional package is not installed
└── Unavailable        the store cannot be used now: locked, read-only, full, too new
    ├── Unreachable    its database does not answer, or the connection was lost
    └── Outdated       the store needs `annotary migrate`, or a newer annotary
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar


class AnnotaryError(Exception):
    """What annotary raises on purpose; `str(error)` is one line that says what and what to do."""

    code: ClassVar[str] = "error"
    status: ClassVar[int] = 500


class Invalid(AnnotaryError, ValueError):
    """A request that cannot be carried out as it is worded."""

    code = "invalid"
    status = 400


class Refused(Invalid):
    """An import with problems; nothing of it was stored.

    `problems` holds the first of them (values of `annotary.Problem`).
    """

    code = "refused"
    status = 422

    def __init__(self, message: str, problems: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.problems = tuple(problems)


class Lossy(Invalid):
    """A strict export that would lose something; nothing of it was written.

    `losses` is the ledger as `--json` shows it.
    """

    code = "lossy"
    status = 422

    def __init__(self, message: str, losses: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.losses = losses or {"balance": [], "losses": []}


class TooLarge(Invalid):
    """More than a limit allows; the message names the limit."""

    code = "too_large"
    status = 413


class NotFound(AnnotaryError, LookupError):
    """No such thing in this organisation."""

    code = "not_found"
    status = 404


class Conflict(AnnotaryError):
    """The thing is there already, or has changed meanwhile."""

    code = "conflict"
    status = 409


class Denied(AnnotaryError):
    """The role does not allow it."""

    code = "denied"
    status = 403


class Unauthenticated(Denied):
    """No API key was shown, or none that is good."""

    code = "unauthenticated"
    status = 401


class Missing(AnnotaryError):
    """An optional package is not installed."""

    code = "missing"
    status = 501


class Unavailable(AnnotaryError):
    """The store cannot be used now: locked, read-only, full, unreachable."""

    code = "unavailable"
    status = 503


class Unreachable(Unavailable):
    """The store's database does not answer, or the connection to it was lost on the way."""

    code = "unreachable"
    status = 503


class Outdated(Unavailable):
    """The store's schema and this annotary do not fit together."""

    code = "outdated"
    status = 503
