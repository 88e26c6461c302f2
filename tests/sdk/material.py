"""What the SDK builds a project from, and what must come out of it again."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

Json = dict[str, Any]
SIZE = (64, 48)
ROAD = (10, 200, 30)

ONTOLOGY: Json = {
    "tools": [
        {
            "tool": "rectangle",
            "name": "car",
            "required": False,
            "color": "#ff0000",
            "classifications": [
                {
                    "type": "radio",
                    "name": "occluded",
                    "instructions": "occluded",
                    "required": False,
                    "options": [
                        {"label": "Partly", "value": "partly", "options": []},
                        {"label": "no", "value": "no", "options": []},
                    ],
                }
            ],
        },
        {"tool": "polygon", "name": "tree", "required": True, "color": "#00ff00", "classifications": []},
        {"tool": "line", "name": "lane", "required": False, "color": "#0000ff", "classifications": []},
        {"tool": "point", "name": "light", "required": False, "color": "#ffff00", "classifications": []},
        {
            "tool": "raster-segmentation",
            "name": "road",
            "required": False,
            "color": "#00ffff",
            "classifications": [],
        },
        {"tool": "edge", "name": "belongs to", "required": False, "color": "#ff00ff", "classifications": []},
    ],
    "classifications": [
        {
            "type": "radio",
            "name": "daytime",
            "instructions": "Is it daytime?",
            "required": True,
            "scope": "global",
            "options": [
                {
                    "label": "yes",
                    "value": "yes",
                    "options": [
                        {
                            "type": "checklist",
                            "name": "light from",
                            "instructions": "light from",
                            "required": False,
                            "options": [
                                {"label": "left", "value": "left", "options": []},
                                {"label": "right", "value": "right", "options": []},
                            ],
                        }
                    ],
                },
                {"label": "no", "value": "no", "options": []},
            ],
        },
        {
            "type": "checklist",
            "name": "weather",
            "instructions": "weather",
            "required": False,
            "scope": "global",
            "options": [
                {"label": "rain", "value": "rain", "options": []},
                {"label": "fog", "value": "fog", "options": []},
            ],
        },
        {
            "type": "text",
            "name": "remark",
            "instructions": "remark",
            "required": False,
            "scope": "global",
            "options": [],
        },
    ],
}

LABELS = {
    option["value"]: option["label"] for option in ONTOLOGY["tools"][0]["classifications"][0]["options"]
}

METADATA: Json = {
    "tag": "night",
    "split": "train",
    "captureDateTime": "2024-05-06T07:08:09Z",
    "altitude": 12.5,
    "weather station": "north",
}
SCHEMAS: list[Json] = [
    {"name": "altitude", "kind": "number"},
    {"name": "weather station", "kind": "enum", "options": ["north", "south"]},
]
ATTACHMENTS: list[Json] = [
    {"type": "RAW_TEXT", "value": "seen from the bridge", "name": "note"},
    {"type": "IMAGE_OVERLAY", "value": "https://example.org/overlay.png", "name": "overlay"},
]


def pictures(folder: Path) -> list[Path]:
    """Four pictures: PNGs, and a JPEG that a camera held upright has marked as turned."""
    made = []
    for index in range(4):
        picture = Image.new("RGB", SIZE, (40 * index, 80, 120))
        path = folder / (f"picture-{index}.jpg" if index == 3 else f"picture-{index}.png")
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.save(path, exif=exif) if index == 3 else picture.save(path)
        made.append(path)
    return made


def mask(left: int) -> Image.Image:
    """A mask of the pictures' size."""
    drawn = Image.new("L", SIZE, 0)
    ImageDraw.Draw(drawn).ellipse((left, 4, left + 17, 30), fill=255)
    return drawn


def coloured(left: int) -> Image.Image:
    """The same as a coloured picture of several instances."""
    drawn = Image.new("RGB", SIZE, (0, 0, 0))
    drawn.paste(ROAD, mask=mask(left))
    drawn.putpixel((0, 0), (1, 2, 3))
    return drawn


def png(picture: Image.Image) -> bytes:
    """A picture as PNG."""
    file = io.BytesIO()
    picture.save(file, "png")
    return file.getvalue()


def lines(key: str, other: str, *, predicted: bool = False, uuids: str = "a") -> list[Json]:
    """Import lines of every kind for two data rows; a mask by colour gets its address from the SDK."""
    number = iter(range(100))

    def line(row: str, name: str, **more: Any) -> Json:
        return {
            "uuid": f"{uuids}0000000-0000-4000-8000-{next(number):012d}",
            "dataRow": {"globalKey": row},
            "name": name,
            **more,
        }

    sure = {"confidence": 0.75} if predicted else {}
    inside = base64.b64encode(png(mask(20).point(lambda value: value and 1))).decode()
    return [
        line(
            key,
            "car",
            bbox={"top": 4.5, "left": 3, "height": 20, "width": 30.25},
            classifications=[{"name": "occluded", "answer": {"name": "partly"}}],
            **sure,
        ),
        line(key, "tree", polygon=points((1, 2), (30, 2.125), (30, 40)), **sure),
        line(key, "lane", line=points((0, 0), (10, 12.5), (63, 47))),
        line(key, "light", point={"x": 7.25, "y": 9}),
        line(key, "road", mask={"instanceURI": "<coloured>", "colorRGB": list(ROAD)}),
        line(
            key,
            "daytime",
            answer={"name": "yes", "classifications": [{"name": "light from", "answer": [{"name": "left"}]}]},
        ),
        line(key, "weather", answer=[{"name": "fog"}, {"name": "rain"}]),
        line(key, "remark", answer="a \u201cquoted\u201d line\u2028and an emoji \U0001f6a6"),
        line(other, "road", mask={"png": inside}),
        line(other, "car", bbox={"top": 0, "left": 0, "height": 1, "width": 1}),
        line(other, "daytime", answer={"name": "no"}),
    ]


def linked(key: str) -> list[Json]:
    """Two boxes and a relationship between them, which stands first."""
    ends = [f"c0000000-0000-4000-8000-{number:012d}" for number in (1, 2)]
    link = {"source": ends[0], "target": ends[1], "type": "unidirectional"}
    boxes = [
        {
            "uuid": end,
            "dataRow": {"globalKey": key},
            "name": "car",
            "bbox": {"top": 1, "left": number, "height": 2, "width": 3},
        }
        for number, end in enumerate(ends)
    ]
    relation = {"uuid": "c0000000-0000-4000-8000-000000000003", "dataRow": {"globalKey": key}}
    return [{**relation, "name": "belongs to", "relationship": link}, *boxes]


def points(*pairs: tuple[float, float]) -> list[Json]:
    """Points from pairs."""
    return [{"x": x, "y": y} for x, y in pairs]


def expected(given: list[Json]) -> Json:
    """The annotations that an export must show for import lines of one data row, without ids and URLs."""
    objects = [shape(line) for line in given if "answer" not in line]
    answers = [answered(line) for line in given if "answer" in line]
    return {"objects": objects, "classifications": answers, "relationships": []}


def shape(line: Json) -> Json:
    """An object as an export shows it."""
    start = {
        "name": line["name"],
        "classifications": [answered(one) for one in line.get("classifications", ())],
        **({"confidence": line["confidence"]} if "confidence" in line else {}),
    }
    if "bbox" in line:
        return {**start, "annotation_kind": "ImageBoundingBox", "bounding_box": line["bbox"]}
    if "polygon" in line:
        ring = [*line["polygon"], line["polygon"][0]]
        return {**start, "annotation_kind": "ImagePolygon", "polygon": ring}
    if "line" in line:
        return {**start, "annotation_kind": "ImagePolyline", "line": line["line"]}
    if "point" in line:
        return {**start, "annotation_kind": "ImagePoint", "point": line["point"]}
    return {**start, "annotation_kind": "ImageSegmentationMask", "mask": {}}


def answered(line: Json) -> Json:
    """An answer as an export shows it."""
    answer = line["answer"]
    if isinstance(answer, str):
        return {"name": line["name"], "text_answer": {"content": answer}}
    if isinstance(answer, list):
        return {"name": line["name"], "checklist_answers": [option(one) for one in answer]}
    return {"name": line["name"], "radio_answer": option(answer)}


def option(answer: Json) -> Json:
    """A chosen option as an export shows it: by the name that people read."""
    below = [answered(one) for one in answer.get("classifications", ())]
    return {"name": LABELS.get(answer["name"], answer["name"]), "classifications": below}


def bare(value: Any) -> Any:
    """Annotations without ids, values and URLs, which the server makes."""
    if isinstance(value, dict):
        hidden = ("feature_id", "feature_schema_id", "value", "url")
        return {key: bare(one) for key, one in value.items() if key not in hidden}
    return [bare(one) for one in value] if isinstance(value, list) else value
