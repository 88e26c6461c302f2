"""Requests to addresses that users named: never to a place that only this machine or its network can reach.

A host is looked up once, all its addresses are checked, and the connection goes to the address that was
checked: a name that changes its address between check and use gains nothing. Whoever runs the server may
name hosts in `ANNOTARY_FETCH_HOSTS` (with commas; `.example.org` for all below it): then only these are
reached, even at private addresses. (CVE-2022-36551, CVE-2023-47116.)
"""

from __future__ import annotations

import http.client
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from annotary.errors import Invalid, Unavailable

SECONDS = 10.0
ANSWER_LIMIT = 64 * 1024
REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)


class Answer(NamedTuple):
    """What came back: the status, and the beginning of the body."""

    status: int
    body: bytes


def checked_address(url: str) -> str:
    """An address that may be reached, as far as is known now; raises Invalid. Each use looks anew."""
    parts = _split(url)
    # A name that nobody knows yet may be known when it is used.
    with suppress(Unavailable):
        resolved(parts.hostname or "", _port(parts))
    return url


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Invalid(f"url: {url[:200]!r}: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise Invalid(f"url: {url[:200]!r} is no address; give one such as https://example.org/hook")
    if parts.username is not None or parts.password is not None:
        raise Invalid("url: it has a user name or password in it; leave these out")
    if not url.isascii() or not url.isprintable() or " " in url:
        raise Invalid(f"url: {url[:200]!r} has characters that an address cannot have")
    return parts


def is_named(host: str, allowed: Iterable[str]) -> bool:
    """Whether a host is one of a list; `.example.org` stands for all below it.

    >>> is_named("a.example.org", [".example.org"]), is_named("example.org.evil.test", ["example.org"])
    (True, False)
    """
    name = host.lower().rstrip(".")
    return any(name == one or (one.startswith(".") and name.endswith(one)) for one in allowed)


def resolved(host: str, port: int, hosts: Sequence[str] | None = None) -> str:
    """The address to connect to; raises Invalid for a forbidden host, Unavailable for an unknown one.

    `hosts` are the only ones to reach; by default those of `ANNOTARY_FETCH_HOSTS`, or all if it names none.
    """
    said = os.environ.get("ANNOTARY_FETCH_HOSTS", "")
    allowed = [one.strip().lower() for one in said.split(",") if one.strip()] if hosts is None else hosts
    named = is_named(host, allowed)
    if (allowed or hosts is not None) and not named:
        variable = "ANNOTARY_FETCH_HOSTS" if hosts is None else "ANNOTARY_IMAGE_HOSTS"
        raise Invalid(f"host {host!r} is not among those that this server may reach ({variable})")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"host {host!r} is not to be found: {error}") from None
    addresses = [str(one[4][0]) for one in found]
    for address in addresses:
        if not named and not is_public(address):
            raise Invalid(f"host {host!r} leads to {address}, which is not an address of the public internet")
    return addresses[0]


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet.

    >>> [is_public(one) for one in ("93.184.216.34", "127.0.0.1", "::ffff:10.0.0.1", "169.254.1.1")]
    [True, False, False, False]
    """
    found: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if found in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)
        if inner is not None:
            found = inner
    return found.is_global and not found.is_multicast and not found.is_reserved


_TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


def request(
    method: str,
    url: str,
    *,
    body: bytes = b"",
    headers: Mapping[str, str] = {},
    redirects: int = 0,
    limit: int = ANSWER_LIMIT,
    hosts: Sequence[str] | None = None,
) -> Answer:
    """Send a request; each redirect is checked like the first address. Raises Invalid, Unavailable."""
    parts = _split(url)
    secure = parts.scheme == "https"
    host, port = parts.hostname or "", _port(parts)
    address = resolved(host, port, hosts)
    connection = _Connection(host, port, address, secure=secure)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, path, body=body or None, headers=dict(headers))
        response = connection.getresponse()
        answer = Answer(response.status, response.read(limit))
        place = response.headers.get("Location")
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise Unavailable(f"{host} cannot be reached: {error}") from None
    finally:
        connection.close()
    if answer.status in _MOVED and place and redirects > 0:
        there = urljoin(url, place)
        left = redirects - 1
        return request(method, there, body=body, headers=headers, redirects=left, limit=limit, hosts=hosts)
    return answer


class _Connection(http.client.HTTPConnection):
    """A connection to an address that was checked, under the name it was looked up for."""

    def __init__(self, host: str, port: int, address: str, *, secure: bool) -> None:
        super().__init__(host, port, timeout=SECONDS)
        self.default_port = 443 if secure else 80
        self._address = address
        self._context = ssl.create_default_context() if secure else None

    def connect(self) -> None:
        plain = socket.create_connection((self._address, self.port), self.timeout)
        if self._context is None:
            self.sock = plain
            return
        try:
            self.sock = self._context.wrap_socket(plain, server_hostname=self.host)
        except BaseException:
            plain.close()
            raise
