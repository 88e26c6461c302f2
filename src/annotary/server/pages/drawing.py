"""What is drawn on images by the server: one colour a class, and the overlays of thumbnails."""

from __future__ import annotations

import colorsys
import re
import zlib
from collections.abc import Iterable, Mapping

import msgspec
from markupsafe import Markup

from annotary.model.ontology import Normalized

_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_LIGHTS = (0.45, 0.58, 0.36)
_UNSAFE = str.maketrans(
    {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}
)


def colour(name: str, known: Mapping[str, str] | None = None) -> str:
    """The colour of a class: its ontology's, else one that follows from its name.

    >>> colour("car", {"car": "#E6413C"}), colour("car", {"car": "url(//evil)"}) == colour("car")
    ('#e6413c', True)
    """
    given = (known or {}).get(name, "")
    if _COLOUR.fullmatch(given):
        return given.lower()
    number = zlib.crc32(name.encode("utf-8", "surrogatepass"))
    light = _LIGHTS[number // 360 % len(_LIGHTS)]
    parts = colorsys.hls_to_rgb(number % 360 / 360, light, 0.8)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def ontology_colours(normalized: Normalized) -> dict[str, str]:
    """The colours that an ontology gives its classes."""
    return {tool.name: tool.color for tool in normalized.tools if tool.color}


def colours(names: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """The colour of each class, by name."""
    return {name: colour(name, known) for name in sorted(set(names))}


def embedded(value: object) -> Markup:
    """JSON to stand in a `<script type="application/json">`: nothing in it can end the element.

    >>> embedded({"name": "</script><!--"})
    Markup('{"name":"\\\\u003c/script\\\\u003e\\\\u003c!--"}')
    """
    return Markup(msgspec.json.encode(value).decode().translate(_UNSAFE))
