"""What is drawn on images by the server: one colour a class, and the overlays of thumbnails."""

from __future__ import annotations

import colorsys
import re
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from urllib.parse import quote

import msgspec
from markupsafe import Markup

from annotary.model.ontology import Normalized
from annotary.operations.looking import Drawn, RowCard

FAULT = "#e5202b"
"""What a missed object or a false positive is drawn in, whatever its class; as in viewer.css."""
FILL = 0.2
ALIKE = 5000.0
"""Colours nearer to each other than this are hard to tell apart."""
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
    return _hex(number % 360 / 360, light, 0.8)


def ontology_colours(normalized: Normalized) -> dict[str, str]:
    """The colours of an ontology's classes: its own, but where one is hard to tell from one before it."""
    return told_apart(tuple((tool.name, tool.color or "") for tool in normalized.tools))


@lru_cache(maxsize=64)
def told_apart(given: tuple[tuple[str, str], ...]) -> dict[str, str]:
    """Colours by name, each easy to tell from those before it as far as there are such colours.

    Files often come without colours, or with the same for many classes.

    >>> found = told_apart((("car", "#ff0000"), ("dog", "#ff1100"), ("sky", "#4a90e2")))
    >>> found["car"], found["sky"], found["dog"] == "#ff1100"
    ('#ff0000', '#4a90e2', False)
    """
    made: dict[str, str] = {}
    for name, said in given:
        if name in made:
            continue
        wanted = colour(name, {name: said})
        taken = [_channels(one) for one in made.values()]
        if _nearest(_channels(wanted), taken) < ALIKE:
            wanted = max(_palette(), key=lambda one: _nearest(_channels(one), taken))
        made[name] = wanted
    return made


def _nearest(one: tuple[int, ...], others: Iterable[tuple[int, ...]]) -> float:
    """The distance to the nearest of other colours, by the low-cost approximation of CompuPhase (redmean)."""
    red, green, blue = one
    return min(
        (
            ((512 + red + r) * (red - r) ** 2 + (767 - (red + r) / 2) * 2 * (blue - b) ** 2) / 512
            + 4 * (green - g) ** 2
            for r, g, b in others
        ),
        default=float("inf"),
    )


@cache
def _palette() -> tuple[str, ...]:
    return tuple(_hex(step / 18, light, 0.8) for light in _LIGHTS for step in range(18))


def _channels(text: str) -> tuple[int, ...]:
    return tuple(int(text[at : at + 2], 16) for at in (1, 3, 5))


def _hex(hue: float, light: float, saturation: float) -> str:
    parts = colorsys.hls_to_rgb(hue, light, saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in parts)


def colours(names: Iterable[str], known: Mapping[str, str]) -> dict[str, str]:
    """The colour of each class, by name."""
    return {name: colour(name, known) for name in sorted(set(names))}


def embedded(value: object) -> Markup:
    """JSON to stand in a `<script type="application/json">`: nothing in it can end the element.

    >>> embedded({"name": "</script><!--"})
    Markup('{"name":"\\\\u003c/script\\\\u003e\\\\u003c!--"}')
    """
    return Markup(msgspec.json.encode(value).decode().translate(_UNSAFE))


def svg_of(
    card: RowCard,
    *,
    known: Mapping[str, str] | None = None,
    faults: Collection[str] | None = None,
    picture: str | None = None,
) -> Markup:
    """The small picture of a row: its thumbnail, or what is at `picture`, and what is drawn on it.

    `known` are the ontology's colours. Where there are `faults`, objects with these ids are red, and the
    others stand back.
    """
    width, height = _size(card)
    shapes = []
    for one in card.shapes:
        is_fault = faults is not None and one.feature_id in faults
        opacity = FILL if faults is None or is_fault else FILL / 4
        shapes.append(_shape(one, FAULT if is_fault else colour(one.name, known), opacity))
    image = Markup('<image href="{}" width="{}" height="{}" preserveAspectRatio="none"/>').format(
        thumbnail_of(card.data_row_id) if picture is None else picture, width, height
    )
    return Markup(
        '<svg class="overlay" viewBox="0 0 {0} {1}" role="img" aria-label="{2}" data-shapes="{3}">'
        '<rect width="{0}" height="{1}" fill="currentColor" fill-opacity="0.12"/>{4}{5}</svg>'
    ).format(width, height, _said(card), len(shapes), image, Markup("").join(shapes))


def thumbnail_of(data_row_id: str) -> str:
    """The address of a row's small image; an empty answer where there is none."""
    return f"/api/v1/data-rows/{quote(data_row_id, safe='')}/thumbnail?blank=1"


def _size(card: RowCard) -> tuple[str, str]:
    """The size of the image, or where that is not known one that holds all its shapes."""
    if card.width and card.height:
        return str(card.width), str(card.height)
    xs = [x for one in card.shapes for x in one.points[::2]]
    ys = [y for one in card.shapes for y in one.points[1::2]]
    return _number(max([64, *xs])), _number(max([48, *ys]))


def _said(card: RowCard) -> str:
    many = len(card.shapes) + card.more_shapes
    return f"{many:,} object{'' if many == 1 else 's'}"


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _path(points: Sequence[float], *, closed: bool = True) -> str:
    pairs = zip(points[::2], points[1::2], strict=False)
    path = "".join(f"{'L' if at else 'M'}{_number(x)} {_number(y)}" for at, (x, y) in enumerate(pairs))
    return path + "Z" if closed and path else path


def _shape(one: Drawn, fill: str, opacity: float) -> Markup:
    """One object; lines and dots are as wide on a small picture as on a large one."""
    dashes = Markup(' stroke-dasharray="3 2"') if one.is_prediction else ""
    points = one.points
    match one.kind:
        case "box" if len(points) == 4:
            left, top, right, bottom = points
            path, more = _path((left, top, right, top, right, bottom, left, bottom)), ""
        case "cuboid" if len(points) == 16:
            path, more = _path(points[:8]), _path(points[8:])
        case "polyline":
            path, more = "", _path(points, closed=False)
        case "point" if len(points) == 2:
            return Markup(
                '<path d="M{0} {1}h0" stroke="#ffffff" stroke-width="7" stroke-linecap="round"'
                ' vector-effect="non-scaling-stroke"/><path d="M{0} {1}h0" stroke="{2}" stroke-width="5"'
                ' stroke-linecap="round" vector-effect="non-scaling-stroke"/>'
            ).format(_number(points[0]), _number(points[1]), fill)
        case "mask":
            path, more = "".join(_path(ring) for ring in one.rings), ""
        case _:
            path, more = _path(points), ""
    drawn = Markup("")
    if more:
        drawn += Markup(
            '<path d="{}" fill="none" stroke="{}" stroke-width="1.5" vector-effect="non-scaling-stroke"{}/>'
        ).format(more, fill, dashes)
    if path:
        drawn += Markup(
            '<path d="{0}" fill="{1}" fill-opacity="{3}" fill-rule="evenodd" stroke="{1}" stroke-width="1.5"'
            ' vector-effect="non-scaling-stroke"{2}/>'
        ).format(path, fill, dashes, opacity)
    return drawn
