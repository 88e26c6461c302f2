"""Templates, the policy of every page, and how numbers, sizes, moments and names are written."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import Response

from annotary.model.program import version
from annotary.server.pages.drawing import colour
from annotary.server.pages.static_files import static_path
from annotary.server.service import Service

HTML, JSON = "text/html", "application/json"
POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)
THEMES = ("light", "dark")
THEME_COOKIE = "annotary-theme"
NAME_LIMIT = 300
"""Longer names are cut on the page, with all of them in the tip; programs get them whole."""
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


@cache
def environment() -> Environment:
    """The templates of the pages: everything is escaped, and a name that is not there is an error."""
    made = Environment(
        loader=PackageLoader("annotary.server.pages"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    made.filters["colour"] = lambda name, given=None: colour(name, {name: given or ""})
    made.filters.update(number=number, size=size, when=when, day=day, percent=percent, part=part)
    made.filters.update(name=name, tip=tip)
    made.globals.update(count=count)
    return made


def rendered(
    service: Service, request: Request, template: str, *, status: int = 200, **values: Any
) -> Response:
    """A template with what all have: the theme, the place of static files, this page's address."""
    theme = request.cookies.get(THEME_COOKIE, "")
    text = environment().get_template(template)
    body = text.render(
        {
            "theme": theme if theme in THEMES else "",
            "static": static_path,
            "version": version(),
            "path": request.url.path,
            "query": request.url.query,
            "json_address": _json_address(request),
            "base_url": service.base_url,
            "me": None,
            "session": None,
            "role": None,
            "csrf": "",
            **values,
        }
    )
    return Response(body, status, {**head(), "Content-Security-Policy": POLICY}, HTML)


def head() -> dict[str, str]:
    """The headers of every page, and of its JSON form."""
    return {"Cache-Control": "no-store", "Vary": "Cookie, Accept, Authorization"}


def _json_address(request: Request) -> str:
    given = [(name, value) for name, value in request.query_params.multi_items() if name != "format"]
    return f"{request.url.path}?{urlencode([*given, ('format', 'json')])}"


def wants_json(request: Request) -> bool:
    """Whether a program asks rather than a person."""
    if (given := request.query_params.get("format")) is not None:
        return given == "json"
    return HTML not in request.headers.get("accept", HTML) and JSON in request.headers.get("accept", "")


def number(value: float) -> str:
    """A number with its thousands apart.

    >>> number(1235)
    '1,235'
    """
    return f"{value:,}"


def count(value: int, one: str, many: str | None = None) -> str:
    """A number of things.

    >>> count(1, "row"), count(2, "row"), count(0, "class", "classes")
    ('1 row', '2 rows', '0 classes')
    """
    return f"{value:,} {one if value == 1 else many or one + 's'}"


def size(value: int) -> str:
    """Bytes as people say them.

    >>> size(999), size(1234567)
    ('999 bytes', '1.2 MB')
    """
    amount, unit = float(value), 0
    while amount >= 1000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{value} bytes" if unit == 0 else f"{amount:.1f} {_UNITS[unit]}"


def percent(value: float, whole: float) -> str:
    """A share of a whole.

    >>> percent(1, 3), percent(0, 0), percent(1, 1000)
    ('33%', '0%', '<1%')
    """
    share = 100 * value / whole if whole else 0
    return "<1%" if 0 < share < 1 else f"{share:.0f}%"


def when(text: str | None) -> Markup:
    """A moment: in UTC as written, until the browser says it in the reader's own time."""
    if not text:
        return Markup('<span class="quiet">never</span>')
    shown = f"{text[:10]} {text[11:16]}"
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(text, shown)


def day(text: str) -> str:
    """The day of a moment."""
    return text[:10]


def part(text: str) -> str:
    """Text as one part of a path."""
    return quote(text, safe="")


def name(text: str, limit: int = NAME_LIMIT) -> Markup:
    """A name that somebody gave: inert, in its own direction, cut where it is endless.

    Characters that show nothing or turn the line around are shown as what they are.

    >>> name("a\\u202eb")
    Markup('<bdi class="name">a\\\\u202eb</bdi>')
    """
    plain = "".join(_visible(one) for one in text[:limit])
    if len(text) > limit:
        return Markup('<bdi class="name" title="{} ({} characters)">{}\u2026</bdi>').format(
            tip(text, 4 * limit), f"{len(text):,}", plain
        )
    return Markup('<bdi class="name">{}</bdi>').format(escape(plain))


def tip(text: str, limit: int = NAME_LIMIT) -> str:
    """The same where no element can stand, as in a title or a tip; isolated where it runs to the left.

    >>> tip("car"), tip("a\\u202eb"), tip("\\u05d0", 10) == "\\u2068\\u05d0\\u2069"
    ('car', 'a\\\\u202eb', True)
    """
    plain = "".join(_visible(one) for one in text[:limit]) + ("\u2026" if len(text) > limit else "")
    if any(unicodedata.bidirectional(one) in ("R", "AL") for one in plain):
        return f"\u2068{plain}\u2069"
    return plain


def _visible(one: str) -> str:
    if unicodedata.category(one) in ("Cc", "Cf", "Cs") and one not in "\u200c\u200d":
        return one.encode("unicode_escape", "surrogatepass").decode()
    return one
