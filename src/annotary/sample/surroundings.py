"""What lines a street: scenery, houses, trees, lamps, traffic lights."""

import random
from collections.abc import Iterator

from annotary.sample.cuboid import Point
from annotary.sample.street import FAR, Street
from annotary.sample.things import Backdrop, Blob, Building, LaneMarking, Pole, Ring, TrafficLight, Tree

WALLS = (
    (228, 196, 160),
    (204, 140, 116),
    (176, 190, 202),
    (222, 214, 196),
    (168, 180, 156),
    (232, 208, 138),
    (190, 164, 176),
    (150, 164, 186),
)
LEAVES = ((92, 148, 84), (112, 160, 78), (78, 132, 90), (146, 160, 70))


def backdrop(street: Street, dice: random.Random) -> Backdrop:
    """The scenery of this street."""
    camera, edge = street.camera, street.half + street.pavement
    road, pavements = [street.strip(-street.half, street.half)], [street.strip(-edge, edge)]
    if street.crossing is not None:
        near, far = street.crossing
        road.append(_across(street, near, far))
        pavements.append(_across(street, near - 2.2, far + 2.2))
    sky = camera.horizon
    return Backdrop(
        horizon=sky,
        hills=tuple(_hills(street, dice, height) for height in (0.16, 0.09)),
        clouds=tuple(_cloud(street, dice) for _ in range(dice.randrange(2, 5))),
        disc=Blob(
            dice.uniform(0.2, 0.8) * camera.width, dice.uniform(0.2, 0.45) * sky, *[0.075 * sky + 8] * 2
        ),
        birds=tuple(
            (round(dice.uniform(0.25, 0.75) * camera.width, 1), round(dice.uniform(0.1, 0.5) * sky, 1))
            for _ in range(dice.randrange(0, 5))
        ),
        pavements=tuple(pavements),
        road=tuple(road),
        zebra=tuple(_zebra(street)),
    )


def markings(street: Street) -> Iterator[LaneMarking]:
    """The lines on the road: solid in the middle, broken between lanes of one direction."""
    lines = sorted({0.0, *((a + b) / 2 for a, b in zip(street.lanes, street.lanes[1:], strict=False))})
    number = 0
    for x in lines:
        for near, far in _free(street):
            line = _visible(street, x, near, far)
            if len(line) < 2:
                continue
            number += 1
            long, gap = (far - near, 1.0) if x == 0 else (3.0, 4.5)
            yield LaneMarking(
                name=f"lane marking-{number}",
                depth=FAR - number / 10,
                line=line,
                strokes=tuple(_strokes(street, x, near, far, long, gap)),
            )


def buildings(street: Street, dice: random.Random) -> Iterator[Building]:
    """Two rows of houses, some lots left free."""
    number = 0
    for side in (-1, 1):
        z = street.camera.near + dice.uniform(6, 14)
        while z < 125:
            length = dice.uniform(9, 20)
            if street.crosses(z - 3, z + length + 3) and street.crossing is not None:
                z = street.crossing[1] + 4.5
                if street.crosses(z - 3, z + length + 3):
                    continue
            if dice.random() < 0.82:
                number += 1
                inner = side * (street.half + street.pavement + dice.uniform(0.2, 1.6))
                yield _building(street, dice, number, inner, z, z + length)
            z += length + dice.choice((0.6, 0.6, 5.0))


def trees(street: Street, dice: random.Random) -> Iterator[Tree]:
    """Trees on the pavements."""
    for number in range(1, dice.choice((1, 2, 3, 4, 5, 6)) + 1):
        side = dice.choice((-1, 1))
        x, z = side * (street.half + dice.uniform(1.6, 3.4)), dice.uniform(street.camera.near + 5, 62)
        if street.crosses(z - 1, z + 1):
            continue
        unit, tall = street.camera.unit(z), dice.uniform(4.4, 7.0)
        foot, crotch = street.camera.project(x, 0, z), street.camera.project(x, tall * 0.55, z)
        bow = street.lean * unit
        middle = (crotch[0] + bow, crotch[1] - 0.14 * tall * unit)
        trunk = ((-0.2, foot), (0.2, foot), (0.1, middle), (-0.1, middle))
        crown = tuple(_crown(dice, middle, 0.27 * tall * unit, bow))
        yield Tree(
            name=f"tree-{number}",
            depth=z,
            trunk=tuple((x + aside * unit, y) for aside, (x, y) in trunk),
            crown=crown,
            gaps=tuple(_gaps(dice, crown[0])),
            colour=dice.choice(LEAVES),
        )


def poles(street: Street, dice: random.Random) -> Iterator[Pole]:
    """Street lamps at even distances, on one side or both."""
    start, sides = dice.uniform(16, 26), dice.choice(((-1,), (1,), (-1, 1)))
    places = [(side, start + 20 * step) for step in range(5) for side in sides]
    for number, (side, z) in enumerate(places, 1):
        if street.crosses(z, z):
            continue
        x, project = side * (street.half + 0.7), street.camera.project
        yield Pole(
            name=f"pole-{number}",
            depth=z,
            foot=project(x, 0, z),
            top=project(x, 6.2, z),
            arm=project(x - side * 1.9, 6.5, z),
            unit=street.camera.unit(z),
        )


def lights(street: Street, dice: random.Random) -> Iterator[TrafficLight]:
    """Traffic lights before a crossing, or a single one at a zebra crossing."""
    z = street.crossing[0] - 1.2 if street.crossing else dice.uniform(24, 36)
    sides = (-1, 1) if street.crossing else (dice.choice((-1, 1)),)
    shining = dice.choice((0, 0, 1, 2, 2))
    for number, side in enumerate(sides, 1):
        x = side * (street.half + 0.9)
        centre = street.camera.project(x, 3.9, z)
        yield TrafficLight(
            name=f"traffic light-{number}",
            depth=z,
            foot=street.camera.project(x, 0, z),
            centre=(round(centre[0], 3), round(centre[1], 3)),
            unit=street.camera.unit(z),
            shining=shining,
        )


def _across(street: Street, near: float, far: float) -> Ring:
    # The crossing street runs out of both sides of every picture.
    corners = [(-90.0, near), (90.0, near), (90.0, far), (-90.0, far)]
    return tuple(street.camera.project(x, 0.0, z) for x, z in corners)


def _hills(street: Street, dice: random.Random, height: float) -> Ring:
    camera = street.camera
    steps = dice.randrange(7, 11)
    tops = [
        (camera.width * step / steps, camera.horizon * (1 - height * dice.uniform(0.35, 1.0)))
        for step in range(steps + 1)
    ]
    return ((0.0, camera.horizon + 12), *tops, (float(camera.width), camera.horizon + 12))


def _cloud(street: Street, dice: random.Random) -> Blob:
    wide = dice.uniform(0.05, 0.11) * street.camera.width
    x, y = dice.uniform(0, 1) * street.camera.width, dice.uniform(0.08, 0.55) * street.camera.horizon
    return Blob(x, y, wide, wide * 0.22)


def _zebra(street: Street) -> Iterator[Ring]:
    if street.crossing is None:
        return
    far = street.crossing[0] - 0.4
    near, x, project = far - 2.4, -street.half + 0.5, street.camera.project
    while x < street.half - 0.7:
        yield tuple(project(a, 0, z) for a, z in ((x, near), (x + 0.6, near), (x + 0.6, far), (x, far)))
        x += 1.2


def _free(street: Street) -> tuple[tuple[float, float], ...]:
    # Lines end before a zebra crossing and begin again behind the junction.
    near = street.camera.near * 0.96
    if street.crossing is None:
        return ((near, 160.0),)
    return (near, street.crossing[0] - 4), (street.crossing[1] + 3, 160.0)


def _visible(street: Street, x: float, near: float, far: float) -> Ring:
    steps = [near * (far / near) ** (step / 8) for step in range(9)]
    points = [street.camera.project(x, 0, z) for z in steps]
    width, height = street.camera.width, street.camera.height
    return tuple((round(a, 3), round(b, 3)) for a, b in points if 0 <= a <= width and 0 <= b <= height)


def _strokes(street: Street, x: float, near: float, far: float, long: float, gap: float) -> Iterator[Ring]:
    z, project = near, street.camera.project
    while z < far:
        end = min(z + long, far)
        steps = [z + (end - z) * (step / 10) ** 2 for step in range(11)]
        ahead = [project(x - 0.09, 0, step) for step in steps]
        yield (*ahead, *(project(x + 0.09, 0, step) for step in reversed(steps)))
        z += long + gap


def _building(
    street: Street, dice: random.Random, number: int, inner: float, near: float, far: float
) -> Building:
    project = street.camera.project
    floors, outer = dice.randrange(3, 6) + int(near / 40), inner + (16 if inner > 0 else -16)
    top = floors * 3.1 + dice.uniform(0.6, 1.4)
    front = tuple(project(x, up, near) for x, up in ((outer, 0), (outer, top), (inner, top), (inner, 0)))
    side = tuple(project(inner, up, z) for up, z in ((0, near), (top, near), (top, far), (0, far)))
    # A lift shaft on the roof makes some outlines more than a box.
    a, b = inner + (outer - inner) * 0.3, inner + (outer - inner) * 0.62
    cap = tuple(project(x, up, near) for x, up in ((b, top), (b, top + 2), (a, top + 2), (a, top)))
    cap = cap if dice.random() < 0.4 else ()
    panes = list(_panes(street, inner, outer, near, far, floors))
    lit = [dice.random() < 0.38 for _ in panes]
    return Building(
        name=f"building-{number}",
        depth=near,
        outline=(front[0], front[1], *cap, front[2], side[2], side[3], front[3]),
        side=side,
        front=front,
        cap=cap,
        windows=tuple(pane for pane, bright in zip(panes, lit, strict=True) if not bright),
        lit_windows=tuple(pane for pane, bright in zip(panes, lit, strict=True) if bright),
        colour=dice.choice(WALLS),
    )


def _panes(
    street: Street, inner: float, outer: float, near: float, far: float, floors: int
) -> Iterator[Ring]:
    project, out = street.camera.project, 1 if outer > inner else -1
    for floor in range(floors):
        low, high = floor * 3.1 + 1.1, floor * 3.1 + 2.7
        for column in range(6):
            a = inner + out * (0.9 + column * 2.5)
            b = a + out * 1.3
            yield tuple(project(x, up, near) for x, up in ((a, low), (a, high), (b, high), (b, low)))
        z = near + 1.0
        while z + 1.4 < far:
            spots = ((z, low), (z, high), (z + 1.4, high), (z + 1.4, low))
            yield tuple(project(inner, up, ahead) for ahead, up in spots)
            z += 2.8


def _crown(dice: random.Random, middle: Point, size: float, bow: float) -> Iterator[Blob]:
    x, y = middle[0] + bow / 2, middle[1] - 0.35 * size
    yield Blob(x, y, size, size * 0.95)
    for aside, up in ((-0.75, -0.35), (0.75, -0.35), (-0.55, 0.5), (0.5, 0.55), (0.0, 0.85)):
        part = size * dice.uniform(0.5, 0.68)
        yield Blob(x + aside * size + bow * (0.5 + up / 2), y - up * size, part, part * 0.92)


def _gaps(dice: random.Random, middle: Blob) -> Iterator[Blob]:
    # Three fixed directions, so that two gaps never run into one; far enough from the rim to be holes.
    for x, y in ((-0.5, -0.1), (0.42, -0.32), (0.1, -0.75)):
        if dice.random() < 0.75:
            size = middle.rx * dice.uniform(0.1, 0.16)
            yield Blob(middle.x + x * middle.rx, middle.y + y * middle.ry, size, size * 0.85)
