"""A street scene out of a seed and an index: geometry only, the same on every run."""

import random
from itertools import combinations

from annotary.sample import surroundings, traffic
from annotary.sample.identity import dice
from annotary.sample.street import Camera, Street
from annotary.sample.things import Car, Light, Link, Relation, Road, Scene, Sky, Thing

SIZES = ((960, 640), (960, 640), (928, 624), (992, 648), (1000, 656), (896, 600))
REMARKS = (
    "Glare in the upper left corner.",
    "Plates of the far cars cannot be read.",
    'Sign says "STOP", but it is not in the ontology.',
    "Ampel außer Betrieb, Fußgänger winken sich durch.",
    "Dog on the pavement 🐕, please check the leash.",
    "雨のあと、道がまだ濡れている。",
    "Two lines:\nthe truck stands in the bus lane,\nthe boxes are ours.",
    "Camera slightly tilted",
    "Wind moves the trees; masks drawn on this frame only.",
)


def scene(seed: int, index: int) -> Scene:
    """The scene with this number; about one in seventeen is an empty street."""
    luck = dice("scene", seed, index)
    light: Light = luck.choices(("day", "dusk", "night"), (6, 2, 3))[0]
    weather = _weather(luck)
    street = _street(luck, windy="wind" in weather)
    backdrop = surroundings.backdrop(street, luck)
    things, relations = ((), ()) if _empty(seed, index) else _things(street, luck)
    return Scene(
        seed=seed,
        index=index,
        width=street.camera.width,
        height=street.camera.height,
        light=light,
        street_lights=light == "night" and luck.random() < 0.6,
        weather=weather,
        remark=luck.choice(REMARKS) if luck.random() < 0.45 else None,
        backdrop=backdrop,
        things=things,
        relations=relations,
    )


def _empty(seed: int, index: int) -> bool:
    # By number and not by chance: a small sample has an empty street too.
    return (seed + index) % 17 == 11


def _weather(luck: random.Random) -> tuple[str, ...]:
    if luck.random() < 0.45:
        return ("clear",) if luck.random() < 0.7 else ("clear", "wind")
    chosen = [kind for kind in ("rain", "fog", "wind") if luck.random() < 0.42]
    return tuple(chosen or ["clear"])


def _street(luck: random.Random, *, windy: bool) -> Street:
    width, height = luck.choice(SIZES)
    camera = Camera(
        width=width,
        height=height,
        horizon=round(height * luck.uniform(0.36, 0.44), 1),
        focal=width * luck.uniform(0.9, 1.05),
        eye=luck.uniform(4.6, 6.0),
        shift=luck.uniform(-2.0, 2.0),
        bend=luck.uniform(-0.0006, 0.0006),
    )
    broad = luck.random() < 0.6
    near = luck.uniform(28, 40)
    return Street(
        camera=camera,
        half=7.0 if broad else 4.0,
        lanes=(-5.25, -1.75, 1.75, 5.25) if broad else (-2.0, 2.0),
        crossing=(near, near + 8) if luck.random() < 0.55 else None,
        lean=luck.choice((-0.5, 0.5)) if windy else 0.0,
    )


def _things(street: Street, luck: random.Random) -> tuple[tuple[Thing, ...], tuple[Relation, ...]]:
    spots = traffic.plan(street, luck)
    cars = list(traffic.cars(street, luck, spots))
    trailers = list(traffic.trailers(street, luck, spots))
    walkers = list(traffic.people(street, luck))
    dogs = list(traffic.dogs(street, luck, walkers))
    things: list[Thing] = [
        Sky(name="sky-1", depth=1e6),
        Road(name="road-1", depth=1e5),
        *surroundings.markings(street),
        *surroundings.buildings(street, luck),
        *surroundings.trees(street, luck),
        *surroundings.poles(street, luck),
        *surroundings.lights(street, luck),
        *traffic.trucks(street, luck, spots),
        *traffic.parcels(street, luck),
        *cars,
        *(trailer for trailer, _ in trailers),
        *walkers,
        *(dog for dog, _ in dogs),
    ]
    things.sort(key=lambda thing: -thing.depth)
    relations: list[tuple[Link, str, str]] = [
        *(("belongs_to", trailer.name, f"car-{car}") for trailer, car in trailers),
        *(("walks", walker, dog.name) for dog, walker in dogs),
        *_neighbours(cars),
    ]
    return tuple(things), tuple(
        Relation(name=f"relation-{number}", kind=kind, source=source, target=target)
        for number, (kind, source, target) in enumerate(relations, 1)
    )


def _neighbours(cars: list[Car]) -> list[tuple[Link, str, str]]:
    found: list[tuple[Link, str, str]] = []
    for one, other in combinations(cars, 2):
        gap = max(one.box.left, other.box.left) - min(
            one.box.left + one.box.width, other.box.left + other.box.width
        )
        same = one.view == other.view and one.view in ("rear", "front")
        if same and abs(one.depth - other.depth) < 3 and 0 <= gap < one.box.width * 1.6:
            found.append(("next_to", one.name, other.name))
    return found
