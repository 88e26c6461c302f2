"""Labelbox v1: one JSON object a label, with spaces in its keys and its nested questions in one list.

Written are the keys of the vendor's first published project export, and later ones where they say
something. What v2 has no place for is carried along and comes out again.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta

from annotary.formats import Apart, Format, Part, Reading, Source
from annotary.formats import Options as BaseOptions
from annotary.formats import _v1_layout as v1
from annotary.formats import _v1_parse as parse
from annotary.formats._json import Broken, Document, documents, problem_of, shown
from annotary.formats._v1_keep import carry
from annotary.formats._v1_lines import FieldSet, Labelled, Lines
from annotary.model import moment
from annotary.model.annotation import Annotations
from annotary.model.base import derived_id
from annotary.model.carried import Extras, decode
from annotary.model.corpus import Corpus, Parsed, Problem, Section
from annotary.model.corpus import Part as CorpusPart
from annotary.model.row import Label, ProjectPart, Row

WRITE_ROWS = 40
"""So many rows are joined for one write: larger pieces cost fresh memory, smaller ones calls."""


class Options(BaseOptions, frozen=True):
    """Which keys are written, of which labels, and whether as one array."""

    field_set: Annotated[
        FieldSet,
        Meta(description="full: all keys; seed: exactly those of the first published sample"),
    ] = "full"
    created_from: Annotated[str, Meta(description="only labels made at this instant or later")] = ""
    created_to: Annotated[str, Meta(description="only labels made at this instant or earlier")] = ""
    array: Annotated[bool, Meta(description="one JSON array in place of lines")] = False

    def document(self) -> bool:
        """An array is one."""
        return self.array


def write(corpus: Corpus, options: Options) -> Iterator[Part]:
    """Lines, each a label, or an array of them; rows without labels have none."""
    return join(_write(corpus, options), options)


def join(parts: Iterator[Part], options: Options) -> Iterator[Part]:
    """Lines as they are, or as an array."""
    if not options.array:
        yield from parts
        return
    opening = b"[\n"
    for part in parts:
        # A line holds no raw newline, so each newline ends a label.
        yield Part("", opening + part.data[:-1].replace(b"\n", b",\n"))
        opening = b",\n"
    yield Part("", b"[]\n" if opening == b"[\n" else b"\n]\n")


def _write(corpus: Corpus, options: Options) -> Iterator[Part]:
    lines = [Lines(one, corpus.base_url, options.field_set) for one in corpus.shown]
    made = _Made(options)
    for page in corpus.pages:
        for start in range(0, len(page.rows), WRITE_ROWS):
            rows = page.rows[start : start + WRITE_ROWS]
            for one, part in zip(lines, page.parts, strict=True):
                if text := one.text(list(_labelled(rows, part, made, single=corpus.single))):
                    yield Part("", text)


class _Made:
    """When labels were made that are written."""

    def __init__(self, options: Options) -> None:
        self.all = not options.created_from and not options.created_to
        self.low = moment.bound(options.created_from, end=False).encode() if options.created_from else b""
        self.high = moment.bound(options.created_to, end=True).encode() if options.created_to else b"~"

    def of(self, labels: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Those of a row's labels."""
        return [label for label in labels if self.low <= label[_CREATED] <= self.high]


_CREATED = Section._fields.index("created_at")


def _labelled(
    rows: list[tuple[Any, ...]], part: CorpusPart, made: _Made, *, single: bool
) -> Iterator[Labelled]:
    labels_of = part.labels.get
    for row in rows:
        labels = labels_of(row[0])
        if labels and not made.all:
            labels = made.of(labels)
        if labels or row[1]:
            yield row, row[9] if single else part.rows[row[0]][1], labels or ()


def read(source: Source, options: Options, reading: Reading) -> Iterator[Parsed]:
    """Rows with one label each, of an array, of lines, or of one object."""
    try:
        for document in documents(source):
            try:
                layout, _ = decode(document.data, v1.Document)
                reason = parse.not_an_image(layout)
                if reason is not None:
                    reading.report(Problem(place=document.place, value=shown(layout.id), reason=reason))
                    continue
                yield _parsed(document, layout)
            except parse.Unfit as unfit:
                place = f"{document.place} {unfit.path}".strip()
                reading.report(Problem(place=place, value=shown(unfit.value), reason=unfit.reason))
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
                reading.report(problem_of(error, document))
    except Broken as broken:
        reading.report(broken.problem)


def _parsed(document: Document, layout: v1.Document) -> Parsed:
    plain = msgspec.json.decode(document.data)
    label = _label(layout, layout.id or derived_id("label", document.data.decode()))
    row, extras = _row(layout, label, plain.get("Media Attributes"))
    kept = msgspec.to_builtins(carry(layout, plain, row, label, extras))
    label = msgspec.structs.replace(label, v1=kept)
    ((key, part),) = row.projects.items()
    projects = {key: msgspec.structs.replace(part, labels=(label,))}
    return Parsed(msgspec.structs.replace(row, projects=projects), extras, document.place, len(document.data))


def _label(layout: v1.Document, id: str) -> Label:
    given = layout.label
    if given and not isinstance(given, v1.Labelled):
        reason = "not the annotations of an image; an object with `objects` is wanted"
        raise parse.Unfit("Label", given, reason)
    return Label(
        id=id,
        is_benchmark_reference=True if layout.is_benchmark else UNSET,
        label_details=parse.label_details(layout),
        performance_details=parse.performance(layout),
        annotations=parse.label_annotations(given, id) if isinstance(given, v1.Labelled) else Annotations(),
    )


def _row(layout: v1.Document, label: Label, media: Any) -> tuple[Row, Extras]:
    attributes, extras = parse.media(layout, media)
    part = ProjectPart(
        name=layout.project_name or UNSET,
        labels=(label,),
        project_details=parse.project_details(layout),
    )
    row = Row(
        data_row=parse.data_row(layout),
        media_attributes=attributes,
        metadata_fields=parse.metadata(layout),
        projects={parse.project_id(layout): part},
    )
    return row, extras


def claims(first: dict[str, Any]) -> bool:
    """Whether a file's first document is of this format."""
    return "Label" in first and ("DataRow ID" in first or "Labeled Data" in first)


FORMAT = Format(
    title="Labelbox export v1",
    options=Options,
    write=write,
    read=read,
    claims=claims,
    apart=Apart(_write, join),
    lines=True,
    merges=True,
    shows_all=True,
    flat=True,
    says="labels with their annotations and workflow; no batches, attachments or rows without labels",
)
