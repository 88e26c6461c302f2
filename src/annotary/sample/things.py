"""What stands in a street: plain geometry in pixels from the top left corner, no pixels yet."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

from annotary.sample.cuboid import Cuboid, Point

Ring = tuple[Point, ...]
Colour = tuple[int, int, int]
Light = Literal["day", "dusk", "night"]
View = Literal["rear", "front", "left", "right"]
Age = Literal["child", "adult", "senior"]
Link = Literal["walks", "belongs_to", "next_to"]


class Box(NamedTuple):
    """An upright rectangle that covers whole pixels."""

    left: int
    top: int
    width: int
    height: int


class Blob(NamedTuple):
    """An upright ellipse: centre and half axes."""

    x: float
    y: float
    rx: float
    ry: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sky:
    """The sky down to whatever stands before it."""

    name: str
    depth: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """The road surface, markings included."""

    name: str
    depth: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneMarking:
    """A line along the road and the strokes of paint that make it."""

    name: str
    depth: float
    line: Ring
    strokes: tuple[Ring, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Building:
    """A house: its outline, the wall along the street, the wall towards the camera, and windows."""

    name: str
    depth: float
    outline: Ring
    side: Ring
    front: Ring
    cap: Ring
    windows: tuple[Ring, ...]
    lit_windows: tuple[Ring, ...]
    colour: Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """A trunk and a crown of blobs, with gaps that show what is behind."""

    name: str
    depth: float
    trunk: Ring
    crown: tuple[Blob, ...]
    gaps: tuple[Blob, ...]
    colour: Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Pole:
    """A street lamp. It hides things, but nobody annotates it."""

    name: str
    depth: float
    foot: Point
    top: Point
    arm: Point
    unit: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficLight:
    """A traffic light: the foot of its pole, the centre of its head, the lamp that shines (0 is red)."""

    name: str
    depth: float
    foot: Point
    centre: Point
    unit: float
    shining: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Car:
    """A car as its bounding box, the side it shows and its number plate."""

    name: str
    depth: float
    box: Box
    view: View
    colour: Colour
    plate: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trailer:
    """A trailer behind an oncoming car."""

    name: str
    depth: float
    box: Box
    colour: Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Pedestrian:
    """Somebody on foot."""

    name: str
    depth: float
    box: Box
    age_group: Age
    skin: Colour
    shirt: Colour
    trousers: Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Dog:
    """A dog, with the hand that holds its leash."""

    name: str
    depth: float
    box: Box
    hand: Point
    colour: Colour


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A truck or a delivery box: a cuboid; a truck that comes this way shows its windscreen."""

    name: str
    depth: float
    kind: Literal["truck", "delivery box"]
    oncoming: bool
    cuboid: Cuboid
    colour: Colour


Thing = (
    Sky
    | Road
    | LaneMarking
    | Building
    | Tree
    | Pole
    | TrafficLight
    | Car
    | Trailer
    | Pedestrian
    | Dog
    | Block
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A link between two things, by their names."""

    name: str
    kind: Link
    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Backdrop:
    """The scenery: drawn in every picture, whether or not something of it is annotated."""

    horizon: float
    hills: tuple[Ring, ...]
    clouds: tuple[Blob, ...]
    disc: Blob
    birds: tuple[Point, ...]
    pavements: tuple[Ring, ...]
    road: tuple[Ring, ...]
    zebra: tuple[Ring, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One picture's worth of street; things stand in painting order, far to near."""

    seed: int
    index: int
    width: int
    height: int
    light: Light
    street_lights: bool
    weather: tuple[str, ...]
    remark: str | None
    backdrop: Backdrop
    things: tuple[Thing, ...]
    relations: tuple[Relation, ...]
