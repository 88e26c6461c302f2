"""Signed permissions: each opens one object, for a time. PyJWT makes and checks them (HS256)."""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Literal
from urllib.parse import unquote

import jwt
import msgspec

from annotary.errors import NotFound, Unauthenticated
from annotary.model.base import Value

ALGORITHM = "HS256"
Kind = Literal["file", "mask"]


class Grant(Value):
    """What a token opens: one object of an organisation; of a file perhaps only a piece of it."""

    org: str
    kind: Kind
    id: str
    first: int = 0
    last: int | None = None


class Signer:
    """Makes and checks tokens with the secret of a store."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def token(self, grant: Grant, expires: int | None) -> str:
        """A token for a grant, good until `expires` (seconds since 1970; None: as long as the object)."""
        claims: dict[str, Any] = msgspec.to_builtins(grant)
        if expires is not None:
            claims["exp"] = expires
        return jwt.encode(claims, self._secret, ALGORITHM)

    def sign(self, text: str) -> str:
        """A signature of a text, in hexadecimal."""
        return hmac.new(self._secret, text.encode(), sha256).hexdigest()

    def grant(self, token: str, kind: Kind, id: str | None = None) -> Grant:
        """What a token opens; raises Unauthenticated where it is not ours, expired, or of another object."""
        try:
            claims = jwt.decode(token, self._secret, [ALGORITHM])
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("the link has expired; ask for a new one") from None
        except jwt.InvalidTokenError:
            raise Unauthenticated("the token of this link is not one of this server's") from None
        claims.pop("exp", None)
        try:
            grant = msgspec.convert(claims, Grant)
        except msgspec.ValidationError:
            raise Unauthenticated("the token of this link is not one of this server's") from None
        if grant.kind != kind or (id is not None and grant.id != id):
            raise NotFound(f"no {kind} {id!r} behind this token")
        return grant


WINDOW = 7 * 24 * 3600
_LINK = re.compile(rb'/masks/feature/([^"?\\]+)(?=")')


def mask_signer(signer: Signer, org: str, seconds: int, now: float) -> Callable[[bytes], bytes]:
    """Puts a token behind each link to a mask in a piece of an export.

    The tokens of one week expire together, at least `seconds` later, so that the same export has the same
    bytes within that week.
    """
    expires = (int(now) // WINDOW + 1) * WINDOW + seconds

    def token(found: re.Match[bytes]) -> bytes:
        id = unquote(found[1].decode("ascii"))
        return found[0] + b"?token=" + signer.token(Grant(org=org, kind="mask", id=id), expires).encode()

    return lambda piece: _LINK.sub(token, piece)
