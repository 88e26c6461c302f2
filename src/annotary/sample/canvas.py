"""A canvas that paints a picture and, beside it, notes for each pixel whose it is."""

import math
from collections.abc import Iterable

from PIL import Image, ImageChops, ImageDraw

from annotary.sample.things import Blob, Box, Colour, Light, Ring

TINTS: dict[Light, tuple[float, float, float]] = {
    "day": (1.0, 1.0, 1.0),
    "dusk": (0.84, 0.72, 0.74),
    "night": (0.42, 0.46, 0.6),
}
SKIES: dict[Light, tuple[Colour, Colour]] = {
    "day": ((104, 174, 230), (216, 236, 246)),
    "dusk": ((92, 92, 156), (248, 178, 128)),
    "night": ((16, 22, 46), (52, 62, 98)),
}
GREY: Colour = (176, 184, 192)


class Canvas:
    """Picture and owners in step: whatever paints a pixel for a thing also makes the pixel its own.

    `owner` is the number of the thing at work, 0 for the scenery; None leaves the owners as they are,
    for what lies on a thing without hiding it (shadows, paint on the road, light).
    """

    def __init__(
        self, width: int, height: int, *, light: Light, weather: tuple[str, ...], bright: bool
    ) -> None:
        """An empty canvas for this light and weather; bright where street lamps shine."""
        self.light, self.weather = light, weather
        self.owner: int | None = 0
        self.picture = Image.new("RGB", (width, height))
        self.owners = Image.new("L", (width, height))
        self._paint = ImageDraw.Draw(self.picture)
        self._claim = ImageDraw.Draw(self.owners)
        self._tint = tuple(part + (0.12 if bright else 0.0) for part in TINTS[light])
        self._density = 0.02 if "fog" in weather else 0.006 if "rain" in weather else 0.0016
        self._haze = 0.0
        dull = 0.75 if "fog" in weather else 0.55 if "rain" in weather else 0.0
        grey = self.tone(GREY)
        zenith, rim = SKIES[light]
        self.zenith, self.rim = mixed(zenith, grey, dull), mixed(rim, grey, dull)

    def stand(self, depth: float, owner: int | None) -> None:
        """Paint for this owner from now on, this many metres away: the farther, the paler."""
        self.owner = owner
        self._haze = 1 - math.exp(-depth * self._density)

    def tone(self, colour: Colour, *, shining: bool = False) -> Colour:
        """The colour under this light, behind this much air."""
        if not shining:
            r, g, b = (round(part * tint) for part, tint in zip(colour, self._tint, strict=True))
            colour = (min(r, 255), min(g, 255), min(b, 255))
        # Light comes through the air better than colour does.
        return mixed(colour, self.rim, self._haze * (0.5 if shining else 1.0)) if self._haze else colour

    def polygon(self, ring: Ring, colour: Colour, *, shining: bool = False) -> None:
        """A filled polygon."""
        points = _pixels(ring)
        self._paint.polygon(points, fill=self.tone(colour, shining=shining))
        if self.owner is not None:
            self._claim.polygon(points, fill=self.owner)

    def bar(
        self, left: float, top: float, right: float, bottom: float, colour: Colour, *, shining: bool = False
    ) -> None:
        """A filled rectangle of whole pixels, at least one of them."""
        x, y = round(left), round(top)
        corners = (x, y, max(round(right) - 1, x), max(round(bottom) - 1, y))
        self._paint.rectangle(corners, fill=self.tone(colour, shining=shining))
        if self.owner is not None:
            self._claim.rectangle(corners, fill=self.owner)

    def rounded(self, box: Box, radius: float, colour: Colour) -> None:
        """A filled rectangle with round corners."""
        corners = (box.left, box.top, box.left + box.width - 1, box.top + box.height - 1)
        self._paint.rounded_rectangle(corners, radius, fill=self.tone(colour))
        if self.owner is not None:
            self._claim.rounded_rectangle(corners, radius, fill=self.owner)

    def ellipse(self, blob: Blob, colour: Colour, *, shining: bool = False) -> None:
        """A filled upright ellipse."""
        left, top = round(blob.x - blob.rx), round(blob.y - blob.ry)
        corners = (left, top, max(round(blob.x + blob.rx) - 1, left), max(round(blob.y + blob.ry) - 1, top))
        self._paint.ellipse(corners, fill=self.tone(colour, shining=shining))
        if self.owner is not None:
            self._claim.ellipse(corners, fill=self.owner)

    def stroke(self, ring: Ring, width: float, colour: Colour) -> None:
        """An open line of this thickness, one pixel at least."""
        points, thick = _pixels(ring), max(round(width), 1)
        self._paint.line(points, fill=self.tone(colour), width=thick)
        if self.owner is not None:
            self._claim.line(points, fill=self.owner, width=thick)

    def crown(self, blobs: Iterable[Blob], gaps: Iterable[Blob], colours: tuple[Colour, Colour]) -> None:
        """A cluster of blobs in two tones, the lighter one above, with gaps that stay unpainted."""
        blobs = tuple(blobs)
        left, top = min(b.x - b.rx for b in blobs), min(b.y - b.ry for b in blobs)
        right, bottom = max(b.x + b.rx for b in blobs), max(b.y + b.ry for b in blobs)
        at = (math.floor(left), math.floor(top))
        size = (math.ceil(right) - at[0] + 1, math.ceil(bottom) - at[1] + 1)
        shape, sunny = Image.new("L", size), Image.new("L", size)
        for blob in blobs:
            _dot(shape, blob, at, 255)
            _dot(
                sunny,
                Blob(blob.x - 0.2 * blob.rx, blob.y - 0.3 * blob.ry, blob.rx * 0.72, blob.ry * 0.66),
                at,
                255,
            )
        for gap in gaps:
            _dot(shape, gap, at, 0)
        self.picture.paste(self.tone(colours[0]), at, shape)
        self.picture.paste(self.tone(colours[1]), at, ImageChops.darker(shape, sunny))
        if self.owner is not None:
            self.owners.paste(self.owner, at, shape)

    def shade(self, blob: Blob, strength: float) -> None:
        """A soft shadow on what is there."""
        self._veil(blob, (18, 20, 30), strength, soft=False)

    def glow(self, blob: Blob, colour: Colour, strength: float) -> None:
        """A gleam of light, brightest in the middle, over what is there."""
        self._veil(blob, colour, strength, soft=True)

    def mist(self, horizon: float) -> None:
        """The air over the ground, thicker towards the horizon."""
        width, height = self.picture.size
        top = round(horizon)
        # A row of ground so far below the horizon is about this many metres away.
        away = [4700 / (row + 4) for row in range(height - top)]
        column = Image.new("L", (1, height - top))
        column.putdata([round(255 * (1 - math.exp(-metres * self._density))) for metres in away])
        self.picture.paste(self.rim, (0, top), column.resize((width, height - top)))

    def rain(self, drops: Iterable[tuple[float, float, float]], lean: float) -> None:
        """Streaks of rain over the finished picture: x, y and length of each."""
        veil = Image.new("L", self.picture.size)
        pen = ImageDraw.Draw(veil)
        for x, y, long in drops:
            pen.line([(x, y), (x - lean * long, y + long)], fill=70)
        self.picture.paste(mixed(self.rim, (255, 255, 255), 0.3), mask=veil)

    def _veil(self, blob: Blob, colour: Colour, strength: float, *, soft: bool) -> None:
        size = (max(round(2 * blob.rx), 1), max(round(2 * blob.ry), 1))
        at = (round(blob.x - blob.rx), round(blob.y - blob.ry))
        if soft:
            veil = ImageChops.invert(Image.radial_gradient("L").resize(size))
            # The gradient reaches the corners of its square; only its inner circle may show.
            veil = veil.point(
                [round(max(0.0, (level - 75) / 180) ** 1.6 * 255 * strength) for level in range(256)]
            )
        else:
            veil = Image.new("L", size)
            ImageDraw.Draw(veil).ellipse((0, 0, size[0] - 1, size[1] - 1), fill=round(255 * strength))
        self.picture.paste(colour, at, veil)


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """One colour with a share of the other."""
    r, g, b = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return r, g, b


def _pixels(ring: Ring) -> list[tuple[int, int]]:
    # Pillow cuts fractions off, towards zero; a corner belongs to the pixel it lies in, on both sides of it.
    return [(math.floor(x), math.floor(y)) for x, y in ring]


def _dot(bitmap: Image.Image, blob: Blob, at: tuple[int, int], level: int) -> None:
    x, y = blob.x - at[0], blob.y - at[1]
    corners = (round(x - blob.rx), round(y - blob.ry), round(x + blob.rx), round(y + blob.ry))
    ImageDraw.Draw(bitmap).ellipse(corners, fill=level)
