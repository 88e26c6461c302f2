"""One image and what is marked on it, as training formats see it: out of the store, or out of another file.

Marks are decoded from stored sections as far as a format asks: coordinates stay text until `flat()`.
Coordinates are pixels of the upright image, from its top left corner: x to the right, y down.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from annotary.model.geometry import Box, Point
from annotary.model.ledger import Ledger
from annotary.model.ontology import Normalized, Tool

BOX, POLYGON, POLYLINE, POINT = "ImageBoundingBox", "ImagePolygon", "ImagePolyline", "ImagePoint"
MASK, CUBOID = "ImageSegmentationMask", "ImageCuboid"
ARROW, BOND = "ImageUnidirectionalRelationship", "ImageBidirectionalRelationship"
WORDS = {
    BOX: "box",
    POLYGON: "polygon",
    POLYLINE: "polyline",
    "ImageLine": "polyline",
    POINT: "point",
    MASK: "mask",
    CUBOID: "cuboid",
    ARROW: "relationship",
    BOND: "relationship",
}
"""The kinds as the ledger spells them; `answer` is a question answered about an image or an object."""
TOOL_OF = {
    BOX: "rectangle",
    POLYGON: "polygon",
    POLYLINE: "line",
    POINT: "point",
    MASK: "raster-segmentation",
    CUBOID: "cuboid",
}
TRAIN, VAL, TEST = "train", "val", "test"
NOTHING = Raw(b"")
NO_ANSWERS = (NOTHING, Raw(b"[]"))
"""What the questions of a mark are where none is answered."""
POINT_LETTERS, POINT_START = b'"xy:{}', b'[{"x"'
"""Without these letters the JSON of points is that of their numbers; how it starts."""
_encode = msgspec.json.Encoder().encode
_raws = msgspec.json.Decoder(list[Raw]).decode
_flat = msgspec.json.Decoder(list[float]).decode


class Mark(msgspec.Struct, gc=False, kw_only=True):
    """One object on an image.

    `kind` is one of BOX, POLYGON, ...; of `bounding_box`, `point`, `polygon`, `line`, `mask`, `cuboid`
    and the two relationships the one that goes with it is set. A polygon of several parts or with holes
    is a MASK. The ends of a relationship are the `feature_id`s of two marks of its image.
    `coco` is the annotation of the COCO file it came from, as it stood there; it is carried through the
    store and through Labelbox files. What is only in memory: `id`, what its file calls it; `ring`, the
    numbers of a polygon or polyline; the pixels of a mask that comes out of a file as `png`, as `rle` (an
    Rle), or as `parts` (the rings of a COCO polygon, whose union counts); `extent`, the left, top, right,
    bottom and area of a polygon that was measured with others, or of a mask as its file says; `crowd`,
    where `coco` says no more than that, what is drawn, and whose it is.
    """

    kind: str = msgspec.field(name="annotation_kind")
    name: str = ""
    feature_id: str = ""
    bounding_box: Box | None = None
    point: Point | None = None
    polygon: Raw = NOTHING
    line: Raw = NOTHING
    cuboid: Raw = NOTHING
    mask: Raw = NOTHING
    composite_mask: Raw = NOTHING
    unidirectional_relationship: Raw = NOTHING
    bidirectional_relationship: Raw = NOTHING
    classifications: Raw = NOTHING
    confidence: float | None = None
    coco: Raw = NOTHING
    id: str = ""
    ring: list[float] | None = None
    parts: list[list[float]] | None = None
    rle: Any = None
    png: bytes | None = None
    extent: tuple[float, float, float, float, float] | None = None
    crowd: bool | None = None

    @property
    def word(self) -> str:
        """The kind as the ledger spells it."""
        return WORDS.get(self.kind, self.kind)

    @property
    def answered(self) -> bool:
        """Whether any question about the object is answered."""
        return self.classifications not in NO_ANSWERS

    def answer_count(self) -> int:
        """How many questions about the object are answered."""
        return len(_raws(self.classifications)) if self.answered else 0

    def flat(self) -> list[float]:
        """A polygon's or polyline's x, y, x, y, ..., its first point not again as the last; or ValueError."""
        if self.ring is None:
            self._take_apart()
        return self.ring  # type: ignore[return-value] # it has just been made

    def flat_text(self) -> bytes:
        """The same as JSON."""
        text = self._take_apart() if self.ring is None else b""
        return text or _encode(self.ring)

    def _take_apart(self) -> bytes:
        """Make the ring of a polygon or polyline; its text without the last point, if that is the first."""
        text = bytes(self.polygon or self.line)
        flat = text.translate(None, POINT_LETTERS)
        try:
            self.ring = numbers = _flat(flat)
        except msgspec.DecodeError:
            raise ValueError("points that are not numbers") from None
        # The store repeats the first point as the last; other files have as many as they have.
        if self.kind == POLYGON and numbers[:2] == numbers[-2:] and text.startswith(POINT_START):
            del numbers[-2:]
            if numbers:
                return flat[: flat.rfind(b",", 0, flat.rfind(b","))] + b"]"
        return flat


class Image(msgspec.Struct, gc=False, kw_only=True):
    """One image with its marks.

    `number` is its row's number in the store, or its place in the file it comes from. `answers` are the
    questions answered about the whole image, as JSON. `masks` has the hashes of stored masks' pixels by
    feature id. `split` is `train`, `val`, `test`, or empty. `local` is its file's path in the source.
    `joins` says that it is known elsewhere: by this id of the COCO file it came with, or as external id.
    """

    number: int = 0
    id: str = ""
    global_key: str = ""
    external_id: str = ""
    row_data: str = ""
    width: int = 0
    height: int = 0
    marks: list[Mark] = []
    answers: Raw = NOTHING
    masks: dict[str, str] = {}
    split: str = ""
    coco: Raw = NOTHING
    metadata: Raw = NOTHING
    place: str = ""
    local: str = ""
    joins: int | str | None = None

    @property
    def name(self) -> str:
        """Its file's name, as far as one is known: external id, global key, else the end of its address."""
        return (
            self.external_id or self.global_key or self.row_data.split("?")[0].rsplit("/", 1)[-1] or self.id
        )

    @property
    def key(self) -> str:
        """What names it lastingly: global key, else external id, address, id."""
        return self.global_key or self.external_id or self.row_data or self.id

    def answer_count(self) -> int:
        """How many questions about the whole image are answered."""
        return len(_raws(self.answers)) if self.answers else 0


class Class(msgspec.Struct, kw_only=True):
    """One class: all features of one name, whatever their tools.

    `index` is the class's number, from 0 unless the user numbers otherwise; `category` is what a COCO file
    said of it (id, supercategory, ...); `kinds` are the marks it is meant for.
    """

    name: str
    index: int
    color: str = ""
    category: dict[str, Any] = {}
    kinds: tuple[str, ...] = ()


class Classes:
    """The classes by name, in order of their numbers; what is met for the first time is appended."""

    def __init__(self, given: dict[str, int] | None = None) -> None:
        self.by_name: dict[str, Class] = {}
        self._next = 0
        for name, index in (given or {}).items():
            self.add(name, index)

    def add(self, name: str, index: int | None = None, **more: Any) -> Class:
        """The class of a name; made where there is none, under that number or the next free one."""
        found = self.by_name.get(name)
        if found is None:
            taken = {one.index for one in self.by_name.values()}
            if index is None or index in taken:
                index = self._next
            found = self.by_name[name] = Class(name=name, index=index)
            self._next = max(self._next, index + 1)
        for key, value in more.items():
            if value:
                setattr(found, key, value)
        return found

    def index(self, name: str) -> int:
        """The number of a class."""
        found = self.by_name.get(name)
        return found.index if found is not None else self.add(name).index

    def __iter__(self) -> Iterator[Class]:
        return iter(sorted(self.by_name.values(), key=lambda one: one.index))

    def __len__(self) -> int:
        return len(self.by_name)


class Unsettled(Exception):
    """A class that no ontology has: its number follows from the rows before, which are not known."""


class Settled(Classes):
    """The classes that are known before any row: who works out some of the rows by themselves has these."""

    def __init__(self, known: Classes) -> None:
        super().__init__()
        self.by_name = dict(known.by_name)

    def add(self, name: str, index: int | None = None, **more: Any) -> Class:
        """The class of a name; raises Unsettled."""
        if name not in self.by_name:
            raise Unsettled(name)
        return super().add(name, index, **more)


def classes_of(ontologies: list[Normalized], given: dict[str, int] | None = None) -> Classes:
    """The classes of ontologies: numbers the user gives, then those kept in them, then the order of names."""
    tools: list[Tool] = [tool for one in ontologies for tool in one.tools if tool.tool != "edge"]
    classes = Classes(given)
    kept = [(tool.class_index, tool.name) for tool in tools if isinstance(tool.class_index, int)]
    for index, name in sorted(kept):
        classes.add(name, index)
    for tool in tools:
        found = classes.add(tool.name)
        found.color = found.color or tool.color or ""
        if isinstance(tool.category, dict):
            found.category = tool.category
        found.kinds = (*found.kinds, tool.tool)
    return classes


class ImageSet(NamedTuple):
    """What a training format writes: images, out of a store or out of another file.

    `images()` gives them from the start, as often as it is called. `pixels` gives a stored mask's PNG by
    its hash. `picture(image, path)` gives the parts that put an image's own file at a path; none where
    images are skipped. `carried` is what files said of the whole, by format. `predictions` says that
    marks are a model's. `sheets`, where they may be had, gives the same images many at a time.
    """

    name: str
    images: Callable[[], Iterator[Image]]
    classes: Classes
    ledger: Ledger
    pixels: Callable[[str], bytes]
    picture: Callable[[Image, str], Iterable[Any]]
    carried: dict[str, Any]
    predictions: bool = False
    sheets: Callable[[], Iterator[Any]] | None = None

    def some(self) -> Iterator[Any]:
        """All of it in order: sheets of plain rows, some of them Prepared, and images with their marks."""
        return self.images() if self.sheets is None else self.sheets()
