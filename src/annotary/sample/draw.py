"""The picture of a scene, and which pixel of it shows which thing."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from annotary.sample.canvas import Canvas, mixed
from annotary.sample.identity import dice
from annotary.sample.paint import LAMPLIGHT, paint
from annotary.sample.things import Backdrop, Blob, Pole, Scene, Thing

Mask = NDArray[np.bool_]


def draw(scene: Scene) -> Image.Image:
    """The picture of a scene, in RGB."""
    canvas = _painted(scene)
    if scene.street_lights:
        for thing in scene.things:
            if isinstance(thing, Pole):
                x, y = thing.arm
                canvas.glow(Blob(x, y, 1.7 * thing.unit, 1.7 * thing.unit), LAMPLIGHT, 0.85)
                canvas.glow(Blob(x, thing.foot[1], 4.5 * thing.unit, 1.2 * thing.unit), LAMPLIGHT, 0.3)
    if "rain" in scene.weather:
        luck = dice("rain", scene.seed, scene.index)
        drops = [
            (luck.uniform(-20, scene.width + 60), luck.uniform(-20, scene.height), luck.uniform(8, 20))
            for _ in range(420)
        ]
        canvas.rain(drops, 0.55 if "wind" in scene.weather else 0.12)
    return canvas.picture


def owners(scene: Scene) -> NDArray[np.uint8]:
    """For each pixel the number of the thing it shows: 1 for the first of `scene.things`, 0 for none."""
    return np.asarray(_painted(scene).owners)


def mask(scene: Scene, thing: Thing) -> Mask:
    """The visible pixels of a thing, height times width."""
    shown: Mask = owners(scene) == scene.things.index(thing) + 1
    return shown


def alone(scene: Scene, thing: Thing) -> Mask:
    """The pixels that a thing would show if nothing stood before it."""
    canvas = _canvas(scene)
    canvas.stand(thing.depth, 1)
    paint(thing, canvas)
    shown: Mask = np.asarray(canvas.owners) == 1
    return shown


def _canvas(scene: Scene) -> Canvas:
    return Canvas(
        scene.width, scene.height, light=scene.light, weather=scene.weather, bright=scene.street_lights
    )


def _painted(scene: Scene) -> Canvas:
    canvas = _canvas(scene)
    numbers = {thing.name: number for number, thing in enumerate(scene.things, 1)}
    _paint_sky(canvas, scene.backdrop, numbers.get("sky-1", 0))
    _paint_ground(canvas, scene.backdrop, numbers.get("road-1", 0))
    for thing in scene.things:
        canvas.stand(thing.depth, numbers[thing.name])
        paint(thing, canvas)
    return canvas


def _paint_sky(canvas: Canvas, backdrop: Backdrop, sky: int) -> None:
    width = canvas.picture.width
    canvas.stand(0.0, sky)
    # Far enough down for the hills to begin on it.
    end = round(backdrop.horizon) + 12
    for row in range(end):
        canvas.bar(0, row, width, row + 1, mixed(canvas.zenith, canvas.rim, row / end), shining=True)
    canvas.owner = None
    veiled = "fog" in canvas.weather or "rain" in canvas.weather
    if not veiled:
        disc, colour = backdrop.disc, (250, 248, 226) if canvas.light == "night" else (255, 232, 150)
        canvas.glow(disc._replace(rx=disc.rx * 2.6, ry=disc.ry * 2.6), colour, 0.55)
        canvas.ellipse(disc, colour, shining=True)
    pale = mixed(canvas.rim, (255, 255, 255), 0.12 if canvas.light == "night" else 0.6)
    for x, y, rx, ry in backdrop.clouds:
        for aside, up, part in ((-0.5, 0.0, 0.55), (0.1, 0.5, 0.6), (0.55, 0.1, 0.45)):
            canvas.ellipse(Blob(x + aside * rx, y - up * ry, rx * part, rx * part * 0.36), pale, shining=True)
        canvas.bar(x - rx, y, x + rx * 0.95, y + ry * 0.55, pale, shining=True)
    canvas.owner = 0
    for x, y in backdrop.birds:
        canvas.stroke(
            ((x - 9, y - 4), (x - 4, y - 6), (x, y), (x + 4, y - 6), (x + 9, y - 4)), 2, (52, 58, 72)
        )


def _paint_ground(canvas: Canvas, backdrop: Backdrop, road: int) -> None:
    width, height = canvas.picture.size
    for metres, hill in zip((480, 250), backdrop.hills, strict=True):
        canvas.stand(metres, 0)
        canvas.polygon(hill, (104, 142, 118))
    canvas.stand(0.0, 0)
    canvas.bar(0, backdrop.horizon, width, height, (138, 172, 104))
    for ring in backdrop.pavements:
        canvas.polygon(ring, (202, 198, 190))
    canvas.owner = road
    for ring in backdrop.road:
        canvas.polygon(ring, (112, 116, 124))
    canvas.owner = None
    for ring in backdrop.zebra:
        canvas.polygon(ring, (236, 234, 222))
    canvas.mist(backdrop.horizon)
