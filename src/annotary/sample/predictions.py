"""Imperfect copies of the truth: what a model predicts, and what another labeller draws."""

import copy
import io
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from annotary.sample.annotations import annotations, cuboid, png
from annotary.sample.cuboid import Cuboid
from annotary.sample.draw import Mask
from annotary.sample.identity import Ids, dice
from annotary.sample.ontology import QUESTIONS, TOOLS, Question
from annotary.sample.things import Scene

Json = dict[str, Any]

CONFUSED = {
    "dog": "pedestrian",
    "trailer": "car",
    "car": "trailer",
    "truck": "delivery box",
    "delivery box": "truck",
}
"""Classes that are taken for one another, drawn with the same kind of tool."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hand:
    """How steady a hand is: pixels of tremor, shares of things missed and confused, boxes made up."""

    tremor: float
    misses: float
    confusions: float
    inventions: int
    scored: bool


MODEL = Hand(tremor=2.2, misses=0.1, confusions=0.07, inventions=2, scored=True)
COLLEAGUE = Hand(tremor=0.8, misses=0.03, confusions=0.02, inventions=0, scored=False)


def predictions(scene: Scene, ids: Ids) -> Json:
    """What a model that is good but not perfect says about a scene, and how sure it is."""
    return redrawn(annotations(scene, ids), scene, ids, MODEL, dice("model", scene.seed, scene.index))


def redrawn(truth: Json, scene: Scene, ids: Ids, hand: Hand, luck: random.Random) -> Json:
    """These annotations as that hand would draw them."""
    drawn = [thing for thing in truth["objects"] if not thing["annotation_kind"].endswith("Relationship")]
    objects = [_redrawn(thing, scene, hand, luck) for thing in drawn if luck.random() >= hand.misses]
    names = {thing["feature_id"]: thing["name"] for thing in drawn}
    # A thing taken for something else cannot keep a link that its new class does not allow.
    kept = {thing["feature_id"] for thing in objects if names[thing["feature_id"]] == thing["name"]}
    links = [
        copy.deepcopy(link)
        for link in truth["relationships"]
        if kept.issuperset(_ends(link)) and luck.random() >= hand.misses
    ]
    return {
        "objects": [*objects, *_invented(scene, ids, hand, luck), *links],
        "classifications": [_answered(answer, QUESTIONS, hand, luck) for answer in truth["classifications"]],
        "relationships": links,
    }


def overlap(one: Json, other: Json) -> float:
    """Intersection over union of two bounding boxes.

    >>> box = {"top": 0.0, "left": 0.0, "height": 2.0, "width": 2.0}
    >>> overlap(box, {**box, "left": 1.0}) == 1 / 3
    True
    """
    wide = min(one["left"] + one["width"], other["left"] + other["width"]) - max(one["left"], other["left"])
    tall = min(one["top"] + one["height"], other["top"] + other["height"]) - max(one["top"], other["top"])
    both = max(wide, 0.0) * max(tall, 0.0)
    return float(both / (one["width"] * one["height"] + other["width"] * other["height"] - both))


def _redrawn(thing: Json, scene: Scene, hand: Hand, luck: random.Random) -> Json:
    made = {**thing, **_reshaped(thing, scene, hand, luck)}
    confused = thing["name"] in CONFUSED and luck.random() < hand.confusions
    if confused:
        # The questions of one tool are not those of another.
        made |= {"name": CONFUSED[thing["name"]], "classifications": []}
    else:
        asked = next(tool.questions for tool in TOOLS if tool.name == thing["name"])
        made["classifications"] = [
            _answered(answer, asked, hand, luck) for answer in thing["classifications"]
        ]
    if hand.scored:
        made["confidence"] = _confidence(luck, 0.4 if confused else 0.88)
        if "bounding_box" in thing and luck.random() < 0.3:
            iou = overlap(thing["bounding_box"], made["bounding_box"])
            made["custom_metrics"] = [{"name": "iou", "value": round(iou, 4)}]
    return made


def _reshaped(thing: Json, scene: Scene, hand: Hand, luck: random.Random) -> Json:
    match thing:
        case {"bounding_box": box}:
            return {"bounding_box": _box(box, scene, hand, luck)}
        case {"polygon": ring}:
            moved = [_moved(point, scene, hand, luck) for point in ring[:-1]]
            return {"polygon": [*moved, dict(moved[0])]}
        case {"line": line}:
            return {"line": [_moved(point, scene, hand, luck) for point in line]}
        case {"point": point}:
            return {"point": _moved(point, scene, hand, luck)}
        case {"mask": mask}:
            return {"mask": {"png": _frayed(mask["png"], hand, luck)}}
        case {"cuboid": shape}:
            return {"cuboid": _turned(shape, hand, luck)}
    raise ValueError(f"no shape in {thing['name']!r}")


def _box(box: Json, scene: Scene, hand: Hand, luck: random.Random) -> Json:
    left = _between(box["left"] + luck.gauss(0, hand.tremor), scene.width - 3)
    top = _between(box["top"] + luck.gauss(0, hand.tremor), scene.height - 3)
    right = _between(box["left"] + box["width"] + luck.gauss(0, hand.tremor), scene.width)
    bottom = _between(box["top"] + box["height"] + luck.gauss(0, hand.tremor), scene.height)
    height, width = round(max(bottom - top, 2.0), 3), round(max(right - left, 2.0), 3)
    return {"top": top, "left": left, "height": height, "width": width}


def _moved(point: Json, scene: Scene, hand: Hand, luck: random.Random) -> Json:
    x, y = point["x"] + luck.gauss(0, hand.tremor), point["y"] + luck.gauss(0, hand.tremor)
    return {"x": _between(x, scene.width), "y": _between(y, scene.height)}


def _frayed(data: bytes, hand: Hand, luck: random.Random) -> bytes:
    reach = luck.choice((1, 2)) if hand.tremor > 1 else 1
    with Image.open(io.BytesIO(data)) as image:
        exact = np.asarray(image) > 0
    pixels = _grown(exact, reach) if luck.random() < 0.5 else ~_grown(~exact, reach)
    # A thin mask would vanish; nobody draws an empty one.
    return png(pixels) if pixels.any() else data


def _grown(pixels: Mask, reach: int) -> Mask:
    wide, tall = pixels.copy(), pixels.copy()
    for step in range(1, reach + 1):
        wide[:, step:] |= pixels[:, :-step]
        wide[:, :-step] |= pixels[:, step:]
    tall |= wide
    for step in range(1, reach + 1):
        tall[step:] |= wide[:-step]
        tall[:-step] |= wide[step:]
    return tall


def _turned(shape: Json, hand: Hand, luck: random.Random) -> Json:
    rotation, size = shape["rotation"], shape["size"]
    return cuboid(
        Cuboid(
            centre=(
                shape["center"]["x"] + luck.gauss(0, hand.tremor),
                shape["center"]["y"] + luck.gauss(0, hand.tremor),
            ),
            rotation=(
                rotation["x"] + luck.gauss(0, 0.02),
                rotation["y"] + luck.gauss(0, 0.02),
                rotation["z"] + luck.gauss(0, 0.02),
            ),
            size=(
                size["x"] * luck.uniform(0.95, 1.05),
                size["y"] * luck.uniform(0.95, 1.05),
                size["z"] * luck.uniform(0.95, 1.05),
            ),
        )
    )


def _invented(scene: Scene, ids: Ids, hand: Hand, luck: random.Random) -> Iterator[Json]:
    for number in range(1, luck.randrange(hand.inventions + 1) + 1):
        width, height = luck.uniform(14, 70), luck.uniform(14, 60)
        top, left = (
            luck.uniform(scene.height * 0.4, scene.height - height),
            luck.uniform(0, scene.width - width),
        )
        yield {
            "feature_id": ids(f"invention-{number}"),
            "name": luck.choice(("car", "pedestrian", "dog")),
            "annotation_kind": "ImageBoundingBox",
            "classifications": [],
            "bounding_box": {
                "top": round(top, 3),
                "left": round(left, 3),
                "height": round(height, 3),
                "width": round(width, 3),
            },
            "confidence": _confidence(luck, 0.25),
        }


def _answered(answer: Json, asked: tuple[Question, ...], hand: Hand, luck: random.Random) -> Json:
    question = next(question for question in asked if question.name == answer["name"])
    match answer:
        case {"text_answer": {"content": content}}:
            misread = luck.random() < hand.confusions * 4
            said: Json = {"content": _misread(content) if misread else content}
            if hand.scored:
                said["confidence"] = _confidence(luck, 0.45 if misread else 0.8)
            return {**answer, "text_answer": said}
        case {"radio_answer": chosen}:
            wrong = luck.random() < hand.confusions
            return {**answer, "radio_answer": _chosen(chosen, question, hand, luck, wrong=wrong)}
    given = answer["checklist_answers"]
    if len(given) > 1 and luck.random() < hand.confusions * 2:
        given = given[:-1]
    chosen_ones = [_chosen(chosen, question, hand, luck, wrong=False) for chosen in given]
    return {**answer, "checklist_answers": chosen_ones}


def _chosen(answer: Json, question: Question, hand: Hand, luck: random.Random, *, wrong: bool) -> Json:
    made = dict(answer)
    if wrong:
        # What is asked under the right answer is not asked under the wrong one.
        made |= {"name": luck.choice(question.others(answer["name"])), "classifications": []}
    else:
        asked = next(option.questions for option in question.options if option.name == answer["name"])
        made["classifications"] = [
            _answered(nested, asked, hand, luck) for nested in answer["classifications"]
        ]
    if hand.scored:
        made["confidence"] = _confidence(luck, 0.5 if wrong else 0.86)
        if luck.random() < 0.1:
            made["custom_metrics"] = [{"name": "margin", "value": round(luck.random(), 3)}]
    return made


def _ends(link: Json) -> list[str]:
    ends = link.get("unidirectional_relationship") or link["bidirectional_relationship"]
    return [ends["source"], ends["target"]]


def _misread(content: str) -> str:
    return content[:-1].replace("8", "B").replace("1", "7") or "?"


def _confidence(luck: random.Random, middle: float) -> float:
    return round(min(max(luck.gauss(middle, 0.09), 0.02), 0.998), luck.choice((2, 3, 4)))


def _between(value: float, limit: float) -> float:
    return round(min(max(value, 0.0), float(limit)), 3)
