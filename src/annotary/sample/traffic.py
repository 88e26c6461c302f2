"""What moves in a street: cars, trailers, trucks, people, dogs, and what is delivered."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from math import atan2

from annotary.sample.cuboid import Cuboid, Matrix, product, rotation_matrix, rotation_vector
from annotary.sample.street import Street
from annotary.sample.things import Age, Block, Car, Dog, Pedestrian, Trailer, View

PAINTS = (
    (202, 62, 56),
    (58, 110, 178),
    (240, 240, 236),
    (64, 70, 80),
    (236, 180, 62),
    (84, 150, 120),
    (168, 176, 184),
    (138, 84, 130),
    (224, 122, 66),
)
SKINS = ((244, 212, 184), (222, 178, 142), (176, 124, 88), (122, 82, 58))
CLOTHES = (
    (206, 76, 82),
    (70, 122, 190),
    (246, 206, 92),
    (92, 160, 120),
    (238, 238, 232),
    (122, 92, 158),
    (240, 146, 88),
)
TROUSERS = ((52, 62, 88), (84, 74, 66), (44, 46, 52), (108, 116, 128))
COATS = ((120, 84, 56), (66, 58, 54), (214, 190, 150))
TALL: dict[Age, float] = {"child": 1.2, "adult": 1.76, "senior": 1.66}


@dataclass(frozen=True, slots=True)
class Spot:
    """A place on the road: metres right of the middle, and ahead."""

    x: float
    z: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Where vehicles stand; made first, so that no two stand in the same place."""

    cars: tuple[Spot, ...]
    crossing: tuple[Spot, ...]
    trucks: tuple[Spot, ...]


def plan(street: Street, dice: random.Random) -> Plan:
    """Places for the vehicles of this street."""
    cars, trucks = [], []
    for x in street.lanes:
        z = street.camera.near + dice.uniform(3, 14)
        while z < 80:
            if street.crosses(z - 3, z + 3) or dice.random() > 0.36:
                z += dice.uniform(6, 11)
            elif dice.random() < 0.13 and z > street.camera.near + 5:
                trucks.append(Spot(x, z))
                if dice.random() < 0.4:
                    # On the same ray as the truck, so that the truck hides it.
                    aside = (x - street.camera.shift) * (z + 8) / z + street.camera.shift
                    cars.append(Spot(aside if abs(aside) < street.half - 1 else x, z + 8))
                z += dice.uniform(19, 26)
            else:
                cars.append(Spot(x + dice.uniform(-0.25, 0.25), z))
                z += dice.uniform(8, 18)
    _pair(street, dice, cars, trucks)
    return Plan(cars=tuple(cars), crossing=tuple(_turning(street, dice)), trucks=tuple(trucks))


def cars(street: Street, dice: random.Random, spots: Plan) -> Iterator[Car]:
    """Cars: oncoming ones left of the middle, others right of it, and some in the crossing street."""
    number = 0
    for spot in spots.cars:
        number += 1
        yield _car(street, dice, number, spot, "front" if spot.x < 0 else "rear")
    for spot in spots.crossing:
        number += 1
        yield _car(street, dice, number, spot, dice.choice(("left", "right")))


def trailers(street: Street, dice: random.Random, spots: Plan) -> Iterator[tuple[Trailer, int]]:
    """Trailers, each with the number of the car that pulls it."""
    number = 0
    for car, spot in enumerate(spots.cars, 1):
        alone = all(other.x != spot.x or not 0 < other.z - spot.z < 9 for other in spots.cars)
        if spot.x < 0 and alone and dice.random() < 0.25 and not street.crosses(spot.z + 2, spot.z + 6):
            number += 1
            box = street.camera.box(spot.x, spot.z + 3.6, width=2.1, height=2.3)
            yield Trailer(name=f"trailer-{number}", depth=spot.z + 3.6, box=box, colour=(188, 192, 196)), car


def people(street: Street, dice: random.Random) -> Iterator[Pedestrian]:
    """People on the pavements, and a few who cross."""
    count = dice.choice((1, 2, 3, 4, 5, 6, 7))
    for number in range(1, count + 1):
        x = dice.choice((-1, 1)) * (street.half + dice.uniform(0.9, 3.4))
        z = street.camera.near + dice.uniform(4, 34)
        if street.crossing is not None and dice.random() < 0.4:
            x, z = dice.uniform(-street.half, street.half), street.crossing[0] - dice.uniform(0.6, 2.6)
        age: Age = dice.choices(tuple(TALL), (2, 5, 2))[0]
        tall = TALL[age] * dice.uniform(0.93, 1.07)
        yield Pedestrian(
            name=f"pedestrian-{number}",
            depth=z,
            box=street.camera.box(x, z, width=tall * 0.4, height=tall),
            age_group=age,
            skin=dice.choice(SKINS),
            shirt=dice.choice(CLOTHES),
            trousers=dice.choice(TROUSERS),
        )


def dogs(street: Street, dice: random.Random, walkers: list[Pedestrian]) -> Iterator[tuple[Dog, str]]:
    """Dogs on a leash, each with the name of who walks it."""
    number = 0
    for walker in walkers:
        if walker.age_group == "child" or dice.random() > 0.3:
            continue
        number += 1
        unit = street.camera.unit(walker.depth)
        left, top, width, height = walker.box
        # The hand is the right one in the picture; the dog trots beyond it.
        box = street.camera.box(0.0, walker.depth, width=0.85, height=0.58)
        box = box._replace(left=round(left + width + 0.35 * unit), top=top + height - box.height)
        yield (
            Dog(
                name=f"dog-{number}",
                depth=walker.depth - 0.01,
                box=box,
                hand=(left + width * 0.92, top + height * 0.55),
                colour=dice.choice(COATS),
            ),
            walker.name,
        )


def trucks(street: Street, dice: random.Random, spots: Plan) -> Iterator[Block]:
    """Trucks on the road, each turned so that it shows the side towards the middle of the picture."""
    for number, spot in enumerate(spots.trucks, 1):
        yaw = atan2(spot.x - street.camera.shift, spot.z) * 1.4
        yield Block(
            name=f"truck-{number}",
            depth=spot.z,
            kind="truck",
            oncoming=spot.x < 0,
            cuboid=_standing(street, spot, (2.5, 3.2, 5.6), yaw=yaw + dice.uniform(-0.04, 0.04)),
            colour=dice.choice(PAINTS),
        )


def parcels(street: Street, dice: random.Random) -> Iterator[Block]:
    """Delivery boxes on the pavements, one now and then tipped over."""
    for number in range(1, dice.choice((0, 0, 1, 1, 2, 3)) + 1):
        side = dice.choice((-1, 1))
        spot = Spot(side * (street.half + dice.uniform(0.8, 3.2)), street.camera.near + dice.uniform(4, 20))
        size = tuple(dice.uniform(0.7, 1.4) for _ in range(3))
        yield Block(
            name=f"delivery box-{number}",
            depth=spot.z,
            kind="delivery box",
            oncoming=False,
            cuboid=_standing(
                street,
                spot,
                (size[0], size[1], size[2]),
                yaw=dice.uniform(-0.8, 0.8),
                roll=dice.choice((0.0, 0.0, 0.0, dice.uniform(-0.5, 0.5))),
            ),
            colour=(196, 152, 104),
        )


def _pair(street: Street, dice: random.Random, cars: list[Spot], trucks: list[Spot]) -> None:
    # Two cars side by side, where two lanes lead the same way and both are free there.
    if len(street.lanes) < 4 or dice.random() > 0.5:
        return
    z = street.camera.near + dice.uniform(8, 30)
    taken = [*cars, *trucks]
    lanes = street.lanes[2:] if dice.random() < 0.5 else street.lanes[:2]
    if street.crosses(z - 3, z + 3) or any(abs(spot.z - z) < 11 for spot in taken if spot.x * lanes[0] > 0):
        return
    cars.extend(Spot(x, z + dice.uniform(-0.8, 0.8)) for x in lanes)


def _turning(street: Street, dice: random.Random) -> Iterator[Spot]:
    if street.crossing is None:
        return
    near, far = street.crossing
    for part in (0.25, 0.75):
        x = dice.uniform(-16, -6)
        while x < 16:
            if dice.random() < 0.4:
                yield Spot(x, near + (far - near) * part)
            x += dice.uniform(7, 14)


def _car(street: Street, dice: random.Random, number: int, spot: Spot, view: View) -> Car:
    wide = dice.uniform(4.0, 4.6) if view in ("left", "right") else dice.uniform(1.75, 1.95)
    box = street.camera.box(spot.x, spot.z, width=wide, height=dice.uniform(1.42, 1.65))
    letters = [dice.choice("ABCDEFHKLMNPRSTX") for _ in range(4)]
    plate = "{}{}-{}{} {}".format(*letters, dice.randrange(10, 9999))
    readable = view in ("rear", "front") and box.width > 34
    return Car(
        name=f"car-{number}",
        depth=spot.z,
        box=box,
        view=view,
        colour=dice.choice(PAINTS),
        plate=plate if readable else None,
    )


def _standing(
    street: Street, spot: Spot, size: tuple[float, float, float], *, yaw: float, roll: float = 0.0
) -> Cuboid:
    """A cuboid in pixels that stands on the ground at this spot, seen from the height of the camera."""
    unit, foot = street.camera.unit(spot.z), street.camera.project(spot.x, 0, spot.z)
    pitch = -atan2(street.camera.eye, spot.z) * 1.2
    turn: Matrix = rotation_matrix((pitch, 0.0, 0.0))
    turn = product(turn, product(rotation_matrix((0.0, yaw, 0.0)), rotation_matrix((0.0, 0.0, roll))))
    extent = (round(size[0] * unit, 1), round(size[1] * unit, 1), round(size[2] * unit, 1))
    loose = Cuboid(centre=(0.0, 0.0), rotation=rotation_vector(turn), size=extent)
    lowest = max(y for _, y in loose.face(1).values())
    return Cuboid(centre=(foot[0], foot[1] - lowest), rotation=loose.rotation, size=extent)
