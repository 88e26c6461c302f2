"""How each thing looks: one painter a kind, in flat colours."""

from functools import singledispatch

from annotary.sample.canvas import Canvas, mixed
from annotary.sample.cuboid import Point, rotation_matrix, turned
from annotary.sample.things import (
    Blob,
    Block,
    Box,
    Building,
    Car,
    Colour,
    Dog,
    LaneMarking,
    Pedestrian,
    Pole,
    Ring,
    TrafficLight,
    Trailer,
    Tree,
)

BLACK: Colour = (34, 36, 42)
WHITE: Colour = (250, 250, 246)
GLASS: Colour = (166, 206, 224)
LAMPLIGHT: Colour = (255, 222, 150)
RED: Colour = (214, 44, 44)


@singledispatch
def paint(thing: object, canvas: Canvas) -> None:
    """Paint a thing. Sky and road are part of the scenery and need nothing more."""


@paint.register
def _(thing: LaneMarking, canvas: Canvas) -> None:
    # Paint on the road belongs to the road surface.
    canvas.stand(20, None)
    for stroke in thing.strokes:
        canvas.polygon(stroke, (236, 234, 222))


@paint.register
def _(thing: Building, canvas: Canvas) -> None:
    if thing.cap:
        canvas.polygon(thing.cap, mixed(thing.colour, BLACK, 0.25))
    canvas.polygon(thing.side, mixed(thing.colour, BLACK, 0.16))
    canvas.polygon(thing.front, thing.colour)
    pane = mixed(GLASS, (74, 96, 122), 0.55)
    dark = canvas.light == "night"
    for ring in thing.windows:
        canvas.polygon(ring, pane)
    for ring in thing.lit_windows:
        canvas.polygon(ring, LAMPLIGHT if dark else GLASS, shining=dark)


@paint.register
def _(thing: Tree, canvas: Canvas) -> None:
    middle = thing.crown[0]
    foot = thing.trunk[0]
    canvas.shade(Blob(foot[0] + middle.rx * 0.2, foot[1], middle.rx * 0.9, middle.rx * 0.16), 0.22)
    canvas.polygon(thing.trunk, (112, 84, 62))
    canvas.crown(thing.crown, thing.gaps, (mixed(thing.colour, BLACK, 0.22), thing.colour))


@paint.register
def _(thing: Pole, canvas: Canvas) -> None:
    thick = 0.15 * thing.unit
    canvas.stroke((thing.foot, thing.top, thing.arm), thick, (92, 98, 106))
    x, y = thing.arm
    wide = 0.35 * thing.unit
    canvas.bar(x - wide, y, x + wide, y + max(thick * 1.2, 2), (226, 224, 210))


@paint.register
def _(thing: TrafficLight, canvas: Canvas) -> None:
    unit, (x, y) = thing.unit, thing.centre
    canvas.stroke((thing.foot, thing.centre), 0.14 * unit, (84, 90, 98))
    wide, tall = round(0.6 * unit), round(1.62 * unit)
    canvas.rounded(Box(round(x - wide / 2), round(y - tall / 2), wide, tall), 0.14 * unit, BLACK)
    for lamp, colour in enumerate(((236, 62, 52), (250, 190, 60), (74, 206, 112))):
        on = lamp == thing.shining
        spot = Blob(x, y + (lamp - 1) * 0.5 * unit, 0.2 * unit, 0.2 * unit)
        canvas.ellipse(spot, colour if on else mixed(colour, BLACK, 0.72), shining=on)
        if on and canvas.light != "day":
            canvas.glow(spot._replace(rx=1.1 * unit, ry=1.1 * unit), colour, 0.5)


@paint.register
def _(thing: Car, canvas: Canvas) -> None:
    left, top, width, height = thing.box
    canvas.shade(Blob(left + width / 2, top + height * 0.97, width * 0.56, height * 0.1), 0.4)
    if thing.view in ("rear", "front"):
        _car_along(thing, canvas)
    else:
        _car_aside(thing, canvas)


@paint.register
def _(thing: Trailer, canvas: Canvas) -> None:
    left, top, width, height = thing.box
    canvas.shade(Blob(left + width / 2, top + height * 0.97, width * 0.56, height * 0.08), 0.4)
    for a, b in ((0.08, 0.24), (0.76, 0.92)):
        canvas.bar(left + a * width, top + 0.8 * height, left + b * width, top + height, BLACK)
    canvas.rounded(Box(left, top, width, round(height * 0.86)), 0.06 * width, thing.colour)
    canvas.bar(left, top + 0.3 * height, left + width, top + 0.36 * height, (206, 96, 70))


@paint.register
def _(thing: Pedestrian, canvas: Canvas) -> None:
    left, top, width, height = thing.box

    def bar(a: float, b: float, c: float, d: float, colour: Colour) -> None:
        canvas.bar(left + a * width, top + b * height, left + c * width, top + d * height, colour)

    canvas.shade(Blob(left + width / 2, top + height * 0.985, width * 0.7, height * 0.04), 0.3)
    head = 0.115 if thing.age_group == "child" else 0.09
    hair = (206, 206, 208) if thing.age_group == "senior" else mixed(thing.skin, (52, 36, 28), 0.8)
    bar(0.22, 0.55, 0.47, 1.0, thing.trousers)
    bar(0.53, 0.55, 0.78, 1.0, mixed(thing.trousers, BLACK, 0.25))
    bar(0.0, 0.25, 0.17, 0.52, mixed(thing.shirt, BLACK, 0.18))
    bar(0.83, 0.25, 1.0, 0.52, mixed(thing.shirt, BLACK, 0.18))
    bar(0.0, 0.52, 0.17, 0.57, thing.skin)
    bar(0.83, 0.52, 1.0, 0.57, thing.skin)
    torso = Box(
        round(left + 0.16 * width), round(top + 0.2 * height), round(0.68 * width), round(0.4 * height)
    )
    canvas.rounded(torso, 0.16 * width, thing.shirt)
    x, ry = left + width / 2, head * height
    rx = min(ry, width / 2)
    canvas.ellipse(Blob(x, top + ry, rx, ry), hair)
    canvas.ellipse(Blob(x, top + ry * 1.2, rx * 0.86, ry * 0.8), thing.skin)


@paint.register
def _(thing: Dog, canvas: Canvas) -> None:
    left, top, width, height = thing.box
    owner = canvas.owner
    # The leash is nobody's: it hides a little of the ground and is not annotated.
    canvas.owner = 0
    canvas.stroke((thing.hand, (left + 0.72 * width, top + 0.42 * height)), 1, (70, 60, 60))
    canvas.owner = owner
    dark = mixed(thing.colour, BLACK, 0.3)

    def bar(a: float, b: float, c: float, d: float, colour: Colour) -> None:
        canvas.bar(left + a * width, top + b * height, left + c * width, top + d * height, colour)

    for a in (0.16, 0.3, 0.56, 0.68):
        bar(a, 0.6, a + 0.09, 1.0, dark)
    bar(0.0, 0.12, 0.08, 0.5, thing.colour)
    bar(0.04, 0.36, 0.8, 0.7, thing.colour)
    bar(0.66, 0.04, 0.92, 0.5, thing.colour)
    bar(0.86, 0.2, 1.0, 0.42, thing.colour)
    bar(0.66, 0.0, 0.74, 0.3, dark)


@paint.register
def _(thing: Block, canvas: Canvas) -> None:
    turn = rotation_matrix(thing.cuboid.rotation)
    front, back = thing.cuboid.face(1), thing.cuboid.face(-1)
    # Sides of a cuboid: the way they look, two corners of the front and the same two of the back.
    sides = (
        ((0.0, -1.0, 0.0), "top_left", "top_right", 0.22, "roof"),
        ((0.0, 1.0, 0.0), "bottom_right", "bottom_left", -0.4, "floor"),
        ((-1.0, 0.0, 0.0), "bottom_left", "top_left", -0.2, "left"),
        ((1.0, 0.0, 0.0), "top_right", "bottom_right", -0.2, "right"),
    )
    ground = [*front.values(), *back.values()]
    right, left = max(x for x, _ in ground), min(x for x, _ in ground)
    low = max(y for _, y in ground)
    canvas.shade(Blob((left + right) / 2, low - 2, (right - left) * 0.56, (right - left) * 0.1), 0.35)
    for outward, one, other, shade, side in sides:
        # The eye looks against z: a side shows when it is turned towards positive z.
        if turned(turn, outward)[2] > 0:
            ring = (back[one], back[other], front[other], front[one])
            canvas.polygon(ring, _shaded(thing.colour, shade))
            if thing.kind == "truck" and side in ("left", "right"):
                _wheels(canvas, ring if side == "right" else (ring[1], ring[0], ring[3], ring[2]))
    facing = front if turned(turn, (0.0, 0.0, 1.0))[2] > 0 else back
    facade = tuple(facing[name] for name in ("top_left", "top_right", "bottom_right", "bottom_left"))
    canvas.polygon(facade, thing.colour)
    if thing.kind == "truck":
        (_truck_cab if thing.oncoming else _truck_doors)(canvas, facade, thing.colour)
    else:
        tape = _shaded(thing.colour, 0.35)
        canvas.polygon(_part(facade, 0.42, 0.0, 0.58, 1.0), tape)
        canvas.polygon(_part(facade, 0.66, 0.6, 0.9, 0.86), WHITE)


def _car_along(thing: Car, canvas: Canvas) -> None:
    left, top, width, height = thing.box

    def bar(a: float, b: float, c: float, d: float, colour: Colour, *, shining: bool = False) -> None:
        canvas.bar(
            left + a * width, top + b * height, left + c * width, top + d * height, colour, shining=shining
        )

    def ring(*spots: Point) -> Ring:
        return tuple((left + x * width, top + y * height) for x, y in spots)

    body, dark = thing.colour, mixed(thing.colour, BLACK, 0.3)
    bar(0.05, 0.78, 0.22, 1.0, BLACK)
    bar(0.78, 0.78, 0.95, 1.0, BLACK)
    canvas.polygon(ring((0.08, 0.46), (0.22, 0.02), (0.78, 0.02), (0.92, 0.46)), dark)
    bar(0.22, 0.0, 0.78, 0.06, body)
    canvas.polygon(ring((0.17, 0.42), (0.27, 0.1), (0.73, 0.1), (0.83, 0.42)), GLASS)
    upper = round(top + 0.4 * height)
    canvas.rounded(Box(left, upper, width, round(top + 0.88 * height) - upper), 0.09 * width, body)
    bar(0.04, 0.76, 0.96, 0.86, dark)
    night, front = canvas.light != "day", thing.view == "front"
    lamp = (255, 244, 200) if front else RED
    for a, b in ((0.05, 0.22), (0.78, 0.95)):
        bar(a, 0.5, b, 0.62, lamp, shining=night)
        if night and front:
            spot = Blob(left + (a + b) / 2 * width, top + 0.56 * height, width * 0.4, width * 0.4)
            canvas.glow(spot, lamp, 0.55)
    if front:
        bar(0.3, 0.52, 0.7, 0.62, dark)
    bar(0.36, 0.67, 0.64, 0.77, WHITE)


def _car_aside(thing: Car, canvas: Canvas) -> None:
    left, top, width, height = thing.box
    mirror = thing.view == "left"

    def at(x: float) -> float:
        return left + (1 - x if mirror else x) * width

    def ring(*spots: Point) -> Ring:
        return tuple((at(x), top + y * height) for x, y in spots)

    def bar(a: float, b: float, c: float, d: float, colour: Colour, *, shining: bool = False) -> None:
        start, end = sorted((at(a), at(c)))
        canvas.bar(start, top + b * height, end, top + d * height, colour, shining=shining)

    body, dark = thing.colour, mixed(thing.colour, BLACK, 0.3)
    canvas.polygon(ring((0.1, 0.5), (0.24, 0.02), (0.62, 0.02), (0.8, 0.5)), body)
    bar(0.24, 0.0, 0.62, 0.07, body)
    canvas.polygon(ring((0.17, 0.44), (0.27, 0.12), (0.43, 0.12), (0.43, 0.44)), GLASS)
    canvas.polygon(ring((0.47, 0.12), (0.6, 0.12), (0.72, 0.44), (0.47, 0.44)), GLASS)
    upper = round(top + 0.42 * height)
    canvas.rounded(Box(left, upper, width, round(top + 0.84 * height) - upper), 0.12 * height, body)
    bar(0.0, 0.7, 1.0, 0.76, dark)
    bar(0.44, 0.46, 0.455, 0.7, dark)
    night = canvas.light != "day"
    bar(0.95, 0.5, 1.0, 0.6, (255, 244, 200), shining=night)
    bar(0.0, 0.5, 0.04, 0.6, RED, shining=night)
    size = 0.2 * height
    for x in (0.2, 0.8):
        hub = Blob(at(x), top + height - size, size, size)
        canvas.ellipse(hub, BLACK)
        canvas.ellipse(hub._replace(rx=size * 0.5, ry=size * 0.5), (176, 180, 186))


def _truck_doors(canvas: Canvas, ring: Ring, colour: Colour) -> None:
    dark = _shaded(colour, -0.35)
    canvas.polygon(_part(ring, 0.05, 0.05, 0.48, 0.76), _shaded(colour, 0.14))
    canvas.polygon(_part(ring, 0.52, 0.05, 0.95, 0.76), _shaded(colour, 0.14))
    canvas.polygon(_part(ring, 0.4, 0.4, 0.44, 0.56), dark)
    canvas.polygon(_part(ring, 0.56, 0.4, 0.6, 0.56), dark)
    canvas.polygon(_part(ring, 0.0, 0.84, 1.0, 1.0), dark)
    for a, b in ((0.06, 0.2), (0.8, 0.94)):
        canvas.polygon(_part(ring, a, 0.86, b, 0.95), RED, shining=canvas.light != "day")


def _truck_cab(canvas: Canvas, ring: Ring, colour: Colour) -> None:
    dark, night = _shaded(colour, -0.35), canvas.light != "day"
    canvas.polygon(_part(ring, 0.06, 0.3, 0.94, 0.58), GLASS)
    canvas.polygon(_part(ring, 0.49, 0.3, 0.51, 0.58), dark)
    canvas.polygon(_part(ring, 0.0, 0.84, 1.0, 1.0), dark)
    for a, b in ((0.05, 0.2), (0.8, 0.95)):
        canvas.polygon(_part(ring, a, 0.72, b, 0.81), (255, 244, 200), shining=night)


def _wheels(canvas: Canvas, ring: Ring) -> None:
    # Inside the side, so that nothing of the truck shows beyond its eight corners.
    for a, b in ((0.12, 0.3), (0.7, 0.88)):
        canvas.polygon(_part(ring, 0.86, a, 1.0, b), BLACK)


def _part(ring: Ring, left: float, top: float, right: float, bottom: float) -> Ring:
    """A rectangle on a face, in shares of its width and height."""
    (x, y), (ax, ay), _, (bx, by) = ring
    across, down = (ax - x, ay - y), (bx - x, by - y)
    return tuple(
        (x + u * across[0] + v * down[0], y + u * across[1] + v * down[1])
        for u, v in ((left, top), (right, top), (right, bottom), (left, bottom))
    )


def _shaded(colour: Colour, amount: float) -> Colour:
    return mixed(colour, WHITE if amount > 0 else BLACK, abs(amount))
