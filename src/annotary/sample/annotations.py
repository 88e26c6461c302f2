"""The exact annotations of a scene, in the layout of Labelbox export v2."""

import io
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from annotary.sample.cuboid import Cuboid, Point
from annotary.sample.draw import Mask, alone, owners
from annotary.sample.identity import Ids
from annotary.sample.things import (
    Block,
    Box,
    Building,
    Car,
    Dog,
    LaneMarking,
    Pedestrian,
    Pole,
    Relation,
    Ring,
    Road,
    Scene,
    Sky,
    Thing,
    TrafficLight,
    Trailer,
    Tree,
)

Json = dict[str, Any]

SMALLEST = 6
"""Nobody draws a box narrower or lower than this many pixels."""


def annotations(scene: Scene, ids: Ids) -> Json:
    """Objects, classifications and relationships of a scene as a careful person would draw them.

    A mask holds its pixels: `{"mask": {"png": bytes}}`, a greyscale PNG with 255 inside.
    """
    seen = owners(scene)
    objects = {thing.name: made for thing in scene.things if (made := _object(scene, thing, seen, ids))}
    relationships = [
        relationship(scene_relation, objects, ids)
        for scene_relation in scene.relations
        if scene_relation.source in objects and scene_relation.target in objects
    ]
    return {
        "objects": [*objects.values(), *relationships],
        "classifications": list(_image_answers(scene, ids)),
        # Labelbox lists a relationship twice, as an object too.
        "relationships": relationships,
    }


def relationship(link: Relation, objects: dict[str, Json], ids: Ids) -> Json:
    """A relationship between two annotated things."""
    way = "bidirectional" if link.kind == "next_to" else "unidirectional"
    ends = {"source": objects[link.source]["feature_id"], "target": objects[link.target]["feature_id"]}
    return {
        "feature_id": ids(link.name),
        "name": link.kind,
        "annotation_kind": f"Image{way.capitalize()}Relationship",
        "classifications": [],
        f"{way}_relationship": ends,
    }


def radio(ids: Ids, path: str, answer: str, nested: Iterable[Json] = ()) -> Json:
    """A question with one answer; the last word of the path is its name."""
    return {
        "feature_id": ids(path),
        "name": path.rpartition("/")[2],
        "radio_answer": _answer(ids, path, answer, nested),
    }


def checklist(ids: Ids, path: str, answers: Iterable[str]) -> Json:
    """A question with several answers."""
    return {
        "feature_id": ids(path),
        "name": path.rpartition("/")[2],
        "checklist_answers": [_answer(ids, path, answer, ()) for answer in answers],
    }


def text(ids: Ids, path: str, content: str) -> Json:
    """A question answered in words."""
    return {"feature_id": ids(path), "name": path.rpartition("/")[2], "text_answer": {"content": content}}


def cuboid(shape: Cuboid) -> Json:
    """A cuboid with its eight corners, in full precision."""

    def face(depth: int) -> Json:
        return {name: _exact(point) for name, point in shape.face(depth).items()}

    return {
        "center": _exact(shape.centre),
        "rotation": dict(zip("xyz", shape.rotation, strict=True)),
        "size": dict(zip("xyz", shape.size, strict=True)),
        "projection": "orthographic",
        "front": face(1),
        "back": face(-1),
    }


def png(mask: Mask) -> bytes:
    """A mask as the bytes of a greyscale PNG, 255 inside and 0 outside."""
    data = io.BytesIO()
    Image.fromarray(np.where(mask, np.uint8(255), np.uint8(0))).save(data, "png", compress_level=3)
    return data.getvalue()


def clipped(ring: Ring, width: float, height: float) -> Ring:
    """A polygon cut at the edges of the image."""
    for axis, limit, inside in ((0, 0.0, 1), (0, width, -1), (1, 0.0, 1), (1, height, -1)):
        ring = tuple(_cut(ring, axis, limit, inside))
    return ring


def _object(scene: Scene, thing: Thing, seen: NDArray[np.uint8], ids: Ids) -> Json | None:
    number = scene.things.index(thing) + 1
    visible = seen == number
    if isinstance(thing, Car) and not visible.any() and not occlusion(scene, thing, seen)[1]:
        # Behind a house: nobody could know of it.
        return None
    shape = _shape(scene, thing, visible)
    if shape is None:
        return None
    kind, geometry = shape
    return {
        "feature_id": ids(thing.name),
        "name": thing.name.rpartition("-")[0],
        "annotation_kind": kind,
        "classifications": list(_answers(scene, thing, seen, ids)),
        **geometry,
    }


def _shape(scene: Scene, thing: Thing, visible: Mask) -> tuple[str, Json] | None:
    match thing:
        case Car():
            # A hidden car is annotated all the same: that is what the question about it is for.
            return _box(scene, thing.box)
        case Pedestrian() | Trailer() | Dog():
            return _box(scene, thing.box) if _recognisable(visible, thing.box) else None
        case Sky() | Road() | Tree():
            return ("ImageSegmentationMask", {"mask": {"png": png(visible)}}) if visible.any() else None
        case Building():
            ring = clipped(thing.outline, scene.width, scene.height)
            enough = visible.sum() > 150 and len(ring) > 2
            return ("ImagePolygon", {"polygon": _points((*ring, ring[0]))}) if enough else None
        case LaneMarking():
            return "ImagePolyline", {"line": _points(thing.line)}
        case TrafficLight():
            return (
                ("ImagePoint", {"point": _points([thing.centre])[0]})
                if _shows(visible, thing.centre)
                else None
            )
        case Block():
            return ("ImageCuboid", {"cuboid": cuboid(thing.cuboid)}) if visible.sum() > 30 else None
        case _:
            return None


def _box(scene: Scene, box: Box) -> tuple[str, Json] | None:
    left, top = max(box.left, 0), max(box.top, 0)
    width, height = (
        min(box.left + box.width, scene.width) - left,
        min(box.top + box.height, scene.height) - top,
    )
    if width < SMALLEST or height < SMALLEST:
        return None
    edges = {"top": float(top), "left": float(left), "height": float(height), "width": float(width)}
    return "ImageBoundingBox", {"bounding_box": edges}


def _recognisable(visible: Mask, box: Box) -> bool:
    return bool(visible.sum() > 0.12 * box.width * box.height)


def _shows(visible: Mask, point: Point) -> bool:
    x, y = int(point[0]), int(point[1])
    return 0 <= x < visible.shape[1] and 0 <= y < visible.shape[0] and bool(visible[y, x])


def _answers(scene: Scene, thing: Thing, seen: NDArray[np.uint8], ids: Ids) -> Iterator[Json]:
    match thing:
        case Car():
            path = f"{thing.name}/occluded"
            hidden, hiders = occlusion(scene, thing, seen)
            nested = [checklist(ids, f"{path}/{hidden}/occluded_by", hiders)] if hiders else []
            yield radio(ids, path, hidden, nested)
            if thing.plate is not None and hidden == "no":
                yield text(ids, f"{thing.name}/plate", thing.plate)
        case Pedestrian():
            yield radio(ids, f"{thing.name}/age_group", thing.age_group)
        case _:
            return


def occlusion(scene: Scene, thing: Car, seen: NDArray[np.uint8]) -> tuple[str, list[str]]:
    """How much of a car is hidden (no, partly, fully), and by what, counted in pixels."""
    whole = alone(scene, thing)
    counts = np.bincount(seen[whole], minlength=len(scene.things) + 1)
    size, own = int(whole.sum()), scene.things.index(thing) + 1
    visible = int(counts[own])
    if visible > 0.97 * size:
        return "no", []
    shares: dict[str, int] = {}
    for number, other in enumerate(scene.things, 1):
        if number != own and (hider := _hider(other)):
            shares[hider] = shares.get(hider, 0) + int(counts[number])
    hiders = [name for name, count in shares.items() if count > 0.01 * size]
    return ("fully" if visible < 0.05 * size else "partly"), hiders


def _hider(thing: Thing) -> str | None:
    match thing:
        case Car() | Trailer() | Block():
            # The question knows four answers; what drives or lies on the road counts as a car.
            return "car"
        case Pole() | TrafficLight():
            return "pole"
        case Pedestrian() | Dog():
            return "person"
        case Tree():
            return "tree"
        case _:
            return None


def _image_answers(scene: Scene, ids: Ids) -> Iterator[Json]:
    lamps = "on" if scene.street_lights else "off"
    asked = [radio(ids, "time_of_day/night/street_lights", lamps)] if scene.light == "night" else []
    yield radio(ids, "time_of_day", scene.light, asked)
    yield checklist(ids, "weather", scene.weather)
    if scene.remark is not None:
        yield text(ids, "remark", scene.remark)


def _answer(ids: Ids, path: str, answer: str, nested: Iterable[Json]) -> Json:
    return {"feature_id": ids(f"{path}/{answer}"), "name": answer, "classifications": list(nested)}


def _points(line: Iterable[Point]) -> list[dict[str, float]]:
    return [{"x": round(float(x), 3), "y": round(float(y), 3)} for x, y in line]


def _exact(point: Point) -> dict[str, float]:
    return {"x": point[0], "y": point[1]}


def _cut(ring: Ring, axis: int, limit: float, inside: int) -> Iterator[Point]:
    for last, point in zip((*ring[-1:], *ring[:-1]), ring, strict=True):
        before, now = (inside * (last[axis] - limit), inside * (point[axis] - limit))
        if (before < 0) != (now < 0):
            share = before / (before - now)
            x, y = (last[0] + share * (point[0] - last[0]), last[1] + share * (point[1] - last[1]))
            yield (limit, y) if axis == 0 else (x, limit)
        if now >= 0:
            yield point
