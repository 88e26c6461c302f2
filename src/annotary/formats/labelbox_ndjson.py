"""Labelbox import lines: one JSON object an annotation; those of one data row form one label.

They may stand anywhere in a file, so they are first put into a temporary database on disk, in order of
the data rows' first appearance: memory does not grow with the file.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from typing import Any

import msgspec
from msgspec import UNSET

from annotary.formats import Apart, Format, Options, Part, Reading, Source
from annotary.formats._json import Broken, Document, documents, problem_of, shown
from annotary.formats._ndjson_lines import Line, Pixels, Reference, classification_of, object_of, plain_id
from annotary.formats._ndjson_write import lines_of
from annotary.model.annotation import Annotations, Arrow, Bond, Classification, Object
from annotary.model.base import derived_id, derived_uuid
from annotary.model.carried import Extras, decode
from annotary.model.corpus import Corpus, Parsed, Problem
from annotary.model.geometry import CompositeLink, MaskLink
from annotary.model.row import DataRow, Label, ProjectPart, Row

OTHERS = {
    "location": "a text entity",
    "messageId": "an entity in a conversation",
    "metricValue": "a metric",
    "messageEvaluationTask": "a judgement on a conversation",
    "page": "an annotation of a document",
    "unit": "an annotation of a document",
    "frames": "a video annotation",
    "segments": "a video annotation",
    "keyframes": "a video annotation",
    "textSelections": "an annotation of a document",
}
"""Keys of payloads for other media."""
BATCH = 1000


class _Where(msgspec.Struct, rename="camel"):
    data_row: Reference


class Wrong(Exception):
    """A line that cannot be taken over."""

    def __init__(self, value: str, reason: str, place: str = "") -> None:
        super().__init__(reason)
        self.value = value
        self.reason = reason
        self.place = place


def read(source: Source, options: Options, reading: Reading) -> Iterator[Parsed]:
    """One row a data row, with one label; the data row must be there already."""
    with closing(sqlite3.connect("", isolation_level=None, check_same_thread=False)) as spool:
        _spool(spool, source, reading)
        found = spool.execute(
            "SELECT key, place, data FROM lines JOIN"
            " (SELECT key, min(n) AS first FROM lines GROUP BY key) USING (key) ORDER BY first, n"
        )
        for key, group in groupby(found, key=lambda row: row[0]):
            parsed = _label(source, key, [Document(data, place) for _, place, data in group], reading)
            if parsed is not None:
                yield parsed


def _spool(spool: sqlite3.Connection, source: Source, reading: Reading) -> None:
    spool.execute("PRAGMA journal_mode = OFF")
    spool.execute("CREATE TABLE lines (n INTEGER PRIMARY KEY, key TEXT, place TEXT, data BLOB)")
    where = msgspec.json.Decoder(_Where)
    held: list[tuple[str, str, bytes]] = []
    insert = "INSERT INTO lines (key, place, data) VALUES (?, ?, ?)"
    spool.execute("BEGIN")
    try:
        for document in documents(source):
            try:
                key = where.decode(document.data).data_row.key()
                if key is None:
                    raise Wrong("dataRow", "a data row is named by either id or globalKey")
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                reading.report(problem_of(error, document))
                continue
            except Wrong as wrong:
                reading.report(Problem(place=document.place, value=wrong.value, reason=wrong.reason))
                continue
            held.append((f"{key[0]}\x1f{key[1]}", document.place, document.data))
            if len(held) >= BATCH:
                spool.executemany(insert, held)
                held.clear()
    except Broken as broken:
        reading.report(broken.problem)
    spool.executemany(insert, held)
    spool.execute("COMMIT")
    spool.execute("CREATE INDEX lines_key ON lines (key, n)")


def _label(source: Source, key: str, found: list[Document], reading: Reading) -> Parsed | None:
    """The label of one data row; None where one of its lines cannot be taken over."""
    builder = _Builder(source, key, reading)
    good = True
    for document in found:
        try:
            builder.add(document)
        except Wrong as wrong:
            place = f"{document.place} {wrong.place}".strip()
            reading.report(Problem(place=place, value=wrong.value, reason=wrong.reason))
            good = False
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            reading.report(problem_of(error, document))
            good = False
    return builder.parsed(found[0].place) if good else None


class _Builder:
    """Gathers the lines of one data row."""

    def __init__(self, source: Source, key: str, reading: Reading) -> None:
        self.source = source
        self.by, self.value = key.split("\x1f", 1)
        self.reading = reading
        self.places: dict[str, str] = {}
        self.equal: dict[bytes, int] = {}
        self.objects: list[Object] = []
        self.classifications: list[Classification] = []
        self.extras: list[tuple[tuple[str | int, ...], Any]] = []
        self.benchmark = False
        self.size = 0

    def add(self, document: Document) -> None:
        plain = msgspec.json.decode(document.data)
        for name, what in OTHERS.items():
            if name in plain:
                raise Wrong(name, f"not an image annotation but {what}; annotary keeps images")
        line, extras = decode(document.data, Line)
        id = self._id(line, document)
        if id in self.places:
            reason = f"the same uuid stands twice for this data row, first at {self.places[id]}"
            raise Wrong(id, reason, "uuid")
        self.places[id] = document.place
        self.benchmark = self.benchmark or line.is_benchmark_reference_label is True
        mask = self._mask(line.mask) if isinstance(line.mask, Pixels) else None
        self.size += len(document.data)
        if isinstance(mask, MaskLink) and isinstance(mask.png, bytes):
            self.size += len(mask.png)
        drawn = object_of(line, id, mask)
        if drawn is not None:
            self._carry("objects", len(self.objects), extras)
            self.objects.append(drawn)
        elif line.answer is not UNSET or line.answers is not UNSET:
            self._carry("classifications", len(self.classifications), extras)
            self.classifications.append(classification_of(line, id, id))
        else:
            known = "bbox, polygon, line, point, mask, cuboid, answer, relationship"
            what = id if line.name is UNSET else shown(line.name)
            raise Wrong(what, f"no annotation; give one of {known}")

    def _id(self, line: Line, document: Document) -> str:
        if isinstance(line.uuid, str) and line.uuid:
            return plain_id(line.uuid)
        again = self.equal.get(document.data, 0)
        self.equal[document.data] = again + 1
        return derived_uuid(self.value, document.data.decode(), str(again))

    def _carry(self, members: str, index: int, extras: Extras) -> None:
        for path, value in extras:
            if len(path) == 1:
                at = ("projects", "", "labels", 0, "annotations", members, index, path[0])
                self.extras.append((at, value))

    def _mask(self, given: Pixels) -> MaskLink | CompositeLink:
        """A mask's pixels as a canonical PNG, or its address. Nothing is fetched."""
        try:
            if isinstance(given.png, bytes):
                return MaskLink(png=_canonical(given.png))
            if isinstance(given.im_bytes, bytes):
                return self._coloured(given.im_bytes, given.color_rgb)
        except ValueError as error:
            raise Wrong("its pixels", str(error), "mask") from None
        address = given.instance_uri
        if not isinstance(address, str) or not address:
            raise Wrong("nothing", "a mask needs png, imBytes with colorRGB, or instanceURI", "mask")
        picture = self.source.neighbour(address)
        if picture is not None or "://" not in address:
            return self._beside(address, picture, given)
        if isinstance(given.color_rgb, tuple):
            return CompositeLink(url=address, color_rgb=given.color_rgb)
        return MaskLink(url=address)

    def _coloured(self, picture: bytes, colour: Any) -> MaskLink:
        if not isinstance(colour, tuple):
            raise Wrong("nothing", "a coloured picture needs colorRGB", "mask")
        return MaskLink(png=_canonical(picture, colour))

    def _beside(self, path: str, picture: bytes | None, given: Pixels) -> MaskLink:
        if picture is None:
            reason = "no such picture beside the file; name its folder with --images"
            raise Wrong(path, reason, "mask.instanceURI")
        try:
            if isinstance(given.color_rgb, tuple):
                return self._coloured(picture, given.color_rgb)
            return MaskLink(png=_canonical(picture))
        except ValueError as error:
            raise Wrong(path, str(error), "mask.instanceURI") from None

    def parsed(self, place: str) -> Parsed | None:
        """The row; None (and problems) where a relationship leads nowhere."""
        missing = [
            (drawn, end)
            for drawn in self.objects
            if isinstance(drawn, Arrow | Bond)
            for end in (drawn.ends().source, drawn.ends().target)
            if end not in self.places
        ]
        for drawn, end in missing:
            self.reading.report(
                Problem(
                    place=f"{self.places[drawn.feature_id]} relationship",
                    value=end,
                    reason="no line of this data row has this uuid",
                )
            )
        if missing:
            return None
        label = Label(
            id=derived_id("label", self.by, self.value, next(iter(self.places))),
            is_benchmark_reference=True if self.benchmark else UNSET,
            annotations=Annotations(objects=tuple(self.objects), classifications=tuple(self.classifications)),
        )
        data_row = DataRow(
            id=self.value if self.by == "id" else "",
            global_key=self.value if self.by == "global_key" else UNSET,
            row_data="",
        )
        row = Row(data_row=data_row, projects={"": ProjectPart(labels=(label,))})
        return Parsed(row, self.extras, place, self.size)


def _canonical(picture: bytes, colour: Any = None) -> bytes:
    """A mask's pixels, or those of one colour, as a canonical PNG; raises ValueError."""
    # Takes as long to import as all that labels without pixels need.
    from annotary.formats._png import decode_colour, decode_mask, encode_mask

    return encode_mask(decode_mask(picture) if colour is None else decode_colour(picture, colour))


def write(corpus: Corpus, options: Options) -> Iterator[Part]:
    """A line an annotation; of a run its predictions where they are asked for, else its labels."""
    base = corpus.base_url.encode()
    for page in corpus.pages:
        pieces = []
        for shown_, part in zip(corpus.shown, page.parts, strict=True):
            predicted = corpus.params.predictions and shown_.kind == "model_run"
            held = part.predictions if predicted else part.labels
            for row in page.rows:
                head = msgspec.json.decode(b"{" + row[2] + b"}")
                if row[1]:
                    gone = {"dataRow": {"id": head["id"]}, "deleted": True}
                    pieces.append(msgspec.json.encode(gone) + b"\n")
                for label in held.get(row[0], ()):
                    pieces.extend(lines_of(head, label))
        yield Part("", b"".join(pieces).replace(b"\x1a", base))


def claims(first: dict[str, Any]) -> bool:
    """Whether a file's first document is of this format."""
    return "dataRow" in first


FORMAT = Format(
    title="Labelbox import lines",
    read=read,
    write=write,
    claims=claims,
    apart=Apart(write),
    lines=True,
    merges=True,
    ids_decide=True,
    says="annotations, answers, relationships, confidence; masks by pixels or URL",
)
