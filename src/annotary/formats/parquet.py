"""Apache Parquet: a row an image, its objects a list of structs; the classes in the file's metadata."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from annotary.errors import Missing
from annotary.formats import Format, Part, Reading, Source, TrainingOptions
from annotary.formats import _records as tables
from annotary.formats import _rle as rle
from annotary.formats._bodies import one_by_one, with_bodies
from annotary.formats._json import shown
from annotary.formats._records import Record
from annotary.model.annotation import Ends
from annotary.model.corpus import Notice, Problem
from annotary.model.image import TEST, TRAIN, VAL, Image, ImageSet

MAGIC = b"PAR1"
KEY = b"annotary"
"""The key of the file's metadata that has classes and what files said of the whole, as JSON."""
_SPLITS = ("", TRAIN, VAL, TEST)
_FULL = 8 << 20
"""About so many bytes fill a row group, however few images they are of."""
_LARGEST = 1 << 30
"""No row group is read that says it unpacks to more bytes."""
_encode = msgspec.json.Encoder().encode


class Options(TrainingOptions, frozen=True):
    """What a user may choose."""

    row_group: Annotated[int, Meta(ge=1, le=1_000_000, description="images in a row group, at most")] = 1000

    def one_file(self) -> bool:
        """Always one file."""
        return True


class _Class(msgspec.Struct):
    name: str
    index: int
    said: str = ""


class _Footer(msgspec.Struct):
    """What stands under `annotary` in the file's metadata."""

    classes: list[_Class] = []
    carried: dict[str, Any] = {}


def _pyarrow() -> Any:
    try:
        import pyarrow  # type: ignore[import-untyped]
        import pyarrow.parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise Missing("Parquet needs pyarrow; install 'annotary[parquet]'") from error
    return pyarrow


def schema() -> Any:
    """The columns of a file; raises Missing."""
    arrow = _pyarrow()
    text, number = arrow.string(), arrow.float64()
    point = arrow.list_(number)
    one = arrow.struct(
        [
            ("kind", text),
            ("class", text),
            ("class_index", arrow.int32()),
            ("object_id", text),
            ("bbox", arrow.list_(number)),
            ("rings", arrow.list_(point)),
            ("rle", arrow.struct([("size", arrow.list_(arrow.int32())), ("counts", text)])),
            ("cuboid", text),
            ("source", text),
            ("target", text),
            ("directed", arrow.bool_()),
            ("confidence", number),
            ("answers", text),
            ("carried", text),
        ]
    )
    about = [(name, text) for name in ("image", "image_id", "global_key", "row_data")]
    sizes = [("width", arrow.int32()), ("height", arrow.int32())]
    rest = [("split", text), ("answers", text), ("carried", text), ("objects", arrow.list_(one))]
    return arrow.schema([*about, *sizes, *rest])


# Writing


def write(found: ImageSet, options: Options) -> Iterator[Part]:
    """Row groups as they fill; the classes come last, in the footer."""
    arrow = _pyarrow()
    form = schema()
    out = _Pieces()
    writer = arrow.parquet.ParquetWriter(out, form, compression="zstd", write_statistics=True)
    try:
        rows: list[dict[str, Any]] = []
        size = 0
        for _, (row, weight) in with_bodies(found, _prepared(found, options)):
            rows.append(row)
            size += weight
            if len(rows) >= options.row_group or size >= _FULL:
                yield from _group(arrow, writer, out, form, rows)
                size = 0
        yield from _group(arrow, writer, out, form, rows)
        classes = [_Class(one.name, one.index, tables.said_of(one)) for one in found.classes]
        writer.add_key_value_metadata({KEY: _encode(_Footer(classes, found.carried))})
    finally:
        writer.close()
    yield Part("", out.taken())


def _prepared(found: ImageSet, options: Options) -> Callable[[Image], tuple[dict[str, Any], int]]:
    """An image's row, and about how many bytes it takes."""
    del options

    def made(image: Image) -> tuple[dict[str, Any], int]:
        objects = list(tables.records(found, image))
        return _row(found, image, objects), sum(map(_weight, objects))

    return made


def _group(arrow: Any, writer: Any, out: _Pieces, form: Any, rows: list[dict[str, Any]]) -> Iterator[Part]:
    if rows:
        writer.write_table(arrow.Table.from_pylist(rows, schema=form))
        rows.clear()
        yield Part("", out.taken())


class _Pieces(io.RawIOBase):
    """What is written, until it is taken."""

    def __init__(self) -> None:
        self._held: list[bytes] = []
        self._place = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        self._place += len(self._held[-1])
        return len(self._held[-1])

    def taken(self) -> bytes:
        """The bytes since the last call."""
        data = b"".join(self._held)
        self._held.clear()
        return data


def _weight(one: Record) -> int:
    """About how many bytes an object takes."""
    points = sum(map(len, one.rings or ())) * 8
    return 200 + points + len(one.rle.counts if one.rle else b"") + len(one.answers) + len(one.carried)


def _row(found: ImageSet, image: Image, objects: list[Record]) -> dict[str, Any]:
    name, id, key, address = tables.named(found, image)
    return {
        "image": name or None,
        "image_id": id or None,
        "global_key": key or None,
        "row_data": address or None,
        "width": image.width or None,
        "height": image.height or None,
        "split": image.split or None,
        "objects": [_object(found, one) for one in objects],
        "answers": tables.answers(image.answers) or None,
        "carried": tables.carried_of(found, image) or None,
    }


def _object(found: ImageSet, one: Record) -> dict[str, Any]:
    pixels = one.rle
    return {
        "kind": one.kind,
        "class": one.name,
        "class_index": tables.class_index(found.classes, one),
        "object_id": one.id or None,
        "bbox": one.box,
        "rings": one.rings,
        "rle": None
        if pixels is None
        else {"size": [pixels.height, pixels.width], "counts": pixels.counts.decode()},
        "cuboid": one.cuboid or None,
        "source": None if one.ends is None else one.ends.source,
        "target": None if one.ends is None else one.ends.target,
        "directed": None if one.ends is None else one.directed,
        "confidence": one.confidence,
        "answers": one.answers or None,
        "carried": one.carried or None,
    }


# Reading


class _ReadRle(msgspec.Struct, gc=False):
    size: list[int] | None
    counts: str | None


class _ReadObject(msgspec.Struct, gc=False):
    kind: str
    name: str = msgspec.field(name="class")
    class_index: int | None = None
    object_id: str | None = None
    bbox: list[float] | None = None
    rings: list[list[float]] | None = None
    rle: _ReadRle | None = None
    cuboid: str | None = None
    source: str | None = None
    target: str | None = None
    directed: bool | None = None
    confidence: float | None = None
    answers: str | None = None
    carried: str | None = None


class _ReadRow(msgspec.Struct, gc=False):
    image: str | None = None
    image_id: str | None = None
    global_key: str | None = None
    row_data: str | None = None
    width: int | None = None
    height: int | None = None
    split: str | None = None
    answers: str | None = None
    carried: str | None = None
    objects: list[Any] | None = None


def read(source: Source, options: Options, reading: Reading) -> Iterator[Image]:
    """Images in the order of the rows."""
    del options
    arrow = _pyarrow()
    # The footer comes last: the file is spooled to where one can seek.
    with tempfile.TemporaryFile() as file:
        for chunk in source.chunks():
            file.write(chunk)
        file.seek(0)
        try:
            given = arrow.parquet.ParquetFile(file, thrift_string_size_limit=256 << 20)
            _footer(given, reading)
            for number, row in enumerate(_rows(given, reading)):
                image = _image(row, f"row {number}", reading)
                if image is not None:
                    if not image.width and (size := source.size_of(image.local)) is not None:
                        image.width, image.height = size
                    image.number = number
                    yield image
        except (arrow.ArrowException, OSError) as error:
            text = str(error).split("\n")[0]
            reading.report(Problem(place="", value=shown(text), reason="this Parquet file cannot be read"))


def _rows(given: Any, reading: Reading) -> Iterator[dict[str, Any]]:
    """The rows one by one; so many are unpacked at once as take some megabytes."""
    columns = _known(given, reading)
    for at in range(given.num_row_groups):
        group = given.metadata.row_group(at)
        if group.total_byte_size > _LARGEST:
            reading.report(
                Problem(
                    place=f"row group {at}",
                    value=f"{group.total_byte_size:,} bytes",
                    reason=f"more than {_LARGEST >> 20} MiB; write it in smaller row groups",
                )
            )
            continue
        count = max(1, min(256, _FULL * group.num_rows // max(1, group.total_byte_size)))
        for batch in given.iter_batches(batch_size=count, row_groups=[at], columns=columns):
            yield from batch.to_pylist()


def _known(given: Any, reading: Reading) -> list[str]:
    known = _ReadRow.__struct_fields__
    for name in given.schema_arrow.names:
        if name not in known:
            reading.notify(Notice(place="schema", value=shown(name), reason="this column is not taken over"))
    return [name for name in given.schema_arrow.names if name in known]


def _footer(given: Any, reading: Reading) -> None:
    text = (given.schema_arrow.metadata or {}).get(KEY) or (given.metadata.metadata or {}).get(KEY)
    if not text:
        return
    try:
        found = msgspec.json.decode(text, type=_Footer)
        for one in found.classes:
            tables.take_class(reading.classes, one.name, one.index, one.said)
    except (ValueError, RecursionError) as error:
        reading.report(
            Problem(
                place="metadata, annotary",
                value=shown(bytes(text).decode(errors="replace")),
                reason=str(error),
            )
        )
        return
    reading.carried.update(found.carried)


def _image(plain: dict[str, Any], place: str, reading: Reading) -> Image | None:
    try:
        row = msgspec.convert(plain, _ReadRow)
        if (row.split or "") not in _SPLITS:
            raise ValueError(f"the split is one of train, val, test, or null, not {shown(row.split)}")
        image = Image(
            id=row.image_id or "",
            global_key=row.global_key or "",
            external_id=row.image or "",
            row_data=row.row_data or row.image or "",
            width=tables.size(row.width),
            height=tables.size(row.height),
            split=row.split or "",
            place=place,
            local=row.image or "",
        )
        if row.answers:
            image.answers = tables.checked_answers(row.answers)
        if row.carried:
            image.coco = tables.object_of(row.carried)
    except ValueError as error:
        reading.report(Problem(place=place, value=shown(plain.get("image")), reason=str(error)))
        return None
    for at, one in enumerate(row.objects or ()):
        where = f"{place}, objects[{at}]"
        try:
            image.marks.append(tables.mark_of(_record(one, reading), where))
        except ValueError as error:
            kind = one.get("kind") if isinstance(one, dict) else None
            reading.ledger.refused(kind if kind in tables.KINDS else "object", str(error), where)
    return image


def _record(plain: Any, reading: Reading) -> Record:
    one = msgspec.convert(plain, _ReadObject)
    made = Record(one.kind, one.name, one.object_id or "", rings=one.rings, cuboid=one.cuboid or "")
    if one.bbox is not None:
        if len(one.bbox) != 4:
            raise ValueError("a bbox is left, top, width, height")
        made.box = one.bbox[0], one.bbox[1], one.bbox[2], one.bbox[3]
    if one.rle is not None:
        made.rle = rle.of_segmentation({"size": one.rle.size, "counts": one.rle.counts})
    if one.source is not None and one.target is not None:
        made.ends, made.directed = Ends(source=one.source, target=one.target), one.directed is not False
    made.confidence, made.answers, made.carried = one.confidence, one.answers or "", one.carried or ""
    if one.kind != "relationship" and one.name and one.name not in reading.classes.by_name:
        reading.classes.add(one.name, one.class_index)
    return made


def _starts(start: bytes) -> bool:
    return start.startswith(MAGIC)


FORMAT = Format(
    title="Parquet: a row an image, with a list of its objects",
    options=Options,
    write=write,
    read=read,
    prepare=one_by_one(_prepared),
    images=True,
    starts=_starts,
    ending=".parquet",
    says="everything: boxes, polygons, lines, points, masks, cuboids, relationships, answers, scores, splits",
)
