"""Pascal VOC's classes, and its pictures of classes and objects as masks."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np

from annotary.formats import Reading, Source
from annotary.formats import _label_png as pictures
from annotary.formats._json import shown
from annotary.formats._rle import Rle
from annotary.model.corpus import Problem

HIGHEST = 255
"""The value of pixels that belong to nothing; those of classes and objects are below."""
# The classes of VOC 2007 to 2012 in order of their values, from 1 (the development kit).
_OWN = (
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "diningtable",
    "dog",
    "horse",
    "motorbike",
    "person",
    "pottedplant",
    "sheep",
    "sofa",
    "train",
    "tvmonitor",
)
_LISTS = ("class_names.txt", "labels.txt", "classes.txt")
_NUMBERED = 1 << 12
"""A labelmap whose colours are VOC's for values below this one numbers its classes by them."""
_names = msgspec.json.Decoder(dict[str, str]).decode

Colour = tuple[int, int, int]


class Legend(NamedTuple):
    """What pixels mean: by their colours where a labelmap says so, else by their values."""

    values: dict[int, str]
    colours: dict[Colour, str]

    def name(self, value: int, palette: pictures.Palette | None) -> str:
        """The class of a value, or of its colour."""
        name = self.values.get(value)
        if self.colours and palette is not None:
            red, green, blue = palette[value].tolist() if value < len(palette) else colour(value)
            name = self.colours.get((red, green, blue))
        return name or f"class {value}"


class Found(NamedTuple):
    """The pixels of one object: its place in the XML file from 1 (0: it is not there), class, own number."""

    place: int
    name: str
    rle: Rle
    value: int = 0


def colour(value: int) -> Colour:
    """VOC's colour of a value: of each three bits one goes to red, green and blue, top bits first."""
    found = [0, 0, 0]
    for bit in range(24):
        found[bit % 3] |= (value >> bit & 1) << 7 - bit // 3
    return found[0], found[1], found[2]


def value_of(given: Colour) -> int:
    """The value that has a colour; the way back of `colour`.

    >>> [value_of(colour(value)) for value in (0, 1, 90, 255, 70_000)]
    [0, 1, 90, 255, 70000]
    """
    return sum((given[bit % 3] >> 7 - bit // 3 & 1) << bit for bit in range(24))


def legend_of(source: Source, reading: Reading) -> Legend:
    """The classes a data set lists, which are added in their order; else VOC's own, which are not."""
    if (data := source.neighbour("labelmap.txt")) is not None:
        return _labelmap(data, reading)
    for path in _LISTS:
        if (data := source.neighbour(path)) is not None:
            names = [one.strip() for one in data.decode("utf-8", "replace").split("\n") if one.strip()]
            # LabelMe's programs list what is to be ignored first, and then the background.
            names = [one for one in names if one != "__ignore__"]
            if names and names[0] in ("_background_", "background"):
                names = names[1:]
            for name in names:
                reading.classes.add(name)
            return Legend(dict(enumerate(names, 1)), {})
    if (data := source.neighbour("class_id_to_name.json")) is not None:
        try:
            found = {int(key): name for key, name in _names(data).items()}
        except (msgspec.DecodeError, ValueError) as error:
            place = "class_id_to_name.json"
            reading.report(Problem(place=place, value="", reason=f"not names by number: {error}"))
            return Legend({}, {})
        used = {key: name for key, name in sorted(found.items()) if 0 < key < HIGHEST}
        for key, name in used.items():
            reading.classes.add(name, key - 1)
        return Legend(used, {})
    return Legend(dict(enumerate(_OWN, 1)), {})


def _labelmap(data: bytes, reading: Reading) -> Legend:
    colours: dict[Colour, str] = {}
    names: list[tuple[str, Colour | None]] = []
    for at, line in enumerate(data.decode("utf-8", "replace").split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, rest = line.partition(":")
        said = _colour_of(rest.split(":")[0])
        if said is None and rest.split(":")[0].strip():
            place = f"labelmap.txt, line {at}"
            reading.report(Problem(place=place, value=shown(line), reason="a colour is red,green,blue"))
            continue
        if said is not None:
            colours[said] = name
        names.append((name, said))
    names = [
        (name, said)
        for name, said in names
        if said != (0, 0, 0) and not (name in ("ignored", "void", "__ignore__") and said == colour(HIGHEST))
    ]
    values = [value_of(said) if said is not None else 0 for _, said in names]
    numbered = len(set(values)) == len(values) and all(0 < one < _NUMBERED for one in values)
    for at, (name, _) in enumerate(names):
        reading.classes.add(name, values[at] - 1 if numbered else None)
    by_value = {values[place] if numbered else place + 1: name for place, (name, _) in enumerate(names)}
    known = {said: name for said, name in colours.items() if (name, said) in names}
    return Legend(by_value, known)


def _colour_of(text: str) -> Colour | None:
    parts = text.split(",")
    if len(parts) != 3 or not all(one.strip().isdigit() and int(one) < 256 for one in parts):
        return None
    red, green, blue = map(int, parts)
    return red, green, blue


def marks_of(
    classes: bytes | None, objects: bytes | None, names: list[str], legend: Legend, size: tuple[int, int]
) -> tuple[list[Found], int]:
    """The objects of both pictures, and how many pixels are void; ValueError where one cannot be read.

    `names` are the classes of the XML file's objects in order; `size` is height and width.
    """
    shown_classes = _decoded(classes) if classes is not None else None
    numbers = _decoded(objects) if objects is not None else None
    for one in (shown_classes, numbers):
        if one is not None and one.labels.shape != size:
            height, width = one.labels.shape
            raise ValueError(f"a picture of {width} x {height} pixels of an image of {size[1]} x {size[0]}")
    found: list[Found] = []
    void = int((shown_classes.labels == HIGHEST).sum()) if shown_classes is not None else 0
    for value, mask in pictures.masks_of((numbers or shown_classes).labels).items():  # type: ignore[union-attr]
        if value == HIGHEST:
            void = void or mask.area()
            continue
        if numbers is None:
            assert shown_classes is not None
            found.append(Found(0, legend.name(value, shown_classes.palette), mask))
            continue
        name = ""
        if shown_classes is not None:
            inside = np.bincount(shown_classes.labels[mask.mask()], minlength=HIGHEST + 1)
            if inside[HIGHEST] == mask.area():
                continue
            inside[HIGHEST] = 0
            most = int(inside.argmax())
            name = legend.name(most, shown_classes.palette)
        listed = value <= len(names) and (
            not name or names[value - 1] in (name, "") or name.startswith("class ")
        )
        shown = names[value - 1] if listed else name or "object"
        found.append(Found(value if listed else 0, shown, mask, value))
    return found, void


def _decoded(png: bytes) -> pictures.Picture:
    """A picture's values; one in colours has the values whose VOC colours they are, and an empty palette."""
    try:
        return pictures.decode_labels(png)
    except ValueError:
        ids = pictures.decode_ids(png)
    distinct, places = np.unique(ids, return_inverse=True)
    values = [value_of((one & 255, one >> 8 & 255, one >> 16)) for one in distinct.tolist()]
    labels = np.array(values, np.uint32)[places].reshape(ids.shape)
    return pictures.Picture(labels, np.zeros((0, 3), np.uint8))
