"""Labelbox v2: one JSON object a data row.

The field set `full` is a copy of stored sections with what stands between them; `seed` writes exactly
the keys of the vendor's first published samples (February 2023).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import compress
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from annotary.formats import Apart, Format, Part, Reading, Source
from annotary.formats import Options as BaseOptions
from annotary.formats._json import Broken, Document, documents, problem_of, shown
from annotary.formats._masks import pictured, pictures
from annotary.formats._seed import seed_lines
from annotary.model.base import to_json
from annotary.model.carried import decode
from annotary.model.corpus import Corpus, Page, Parsed, Problem, Report, Shown
from annotary.model.export import ExportParams
from annotary.model.row import Row
from annotary.model.sections import USUAL_TAIL

_USUAL_TAIL = USUAL_TAIL.encode()


class Options(BaseOptions, frozen=True):
    """Which keys are written."""

    field_set: Annotated[
        Literal["full", "seed"],
        Meta(description="full: all keys; seed: exactly those of the first published samples"),
    ] = "full"
    masks: Annotated[
        Literal["url", "composite", "png"],
        Meta(
            description="url: by address; png: a picture a mask, composite: one a label, beside the file"
            " (into a folder or a .zip)"
        ),
    ] = "url"

    def one_file(self) -> bool:
        """Pictures are files beside the lines."""
        return self.masks == "url"

    def lean(self) -> bool:
        """All is copied, nothing looked at."""
        return self.field_set == "full" and self.masks == "url"

    def in_stretches(self) -> bool:
        """Pictures come after all rows."""
        return self.masks == "url"


def write(corpus: Corpus, options: Options) -> Iterator[Part]:
    """Lines, each a data row; then the masks' pictures, where they are asked for."""
    again = corpus.again
    if options.masks != "url":
        corpus = corpus._replace(pages=pictured(corpus.pages, options.masks))
    if options.field_set == "seed":
        pieces = seed_lines(corpus)
    elif not corpus.single:
        pieces = _catalog(corpus)
    elif corpus.shown[0].kind == "project":
        pieces = _project(corpus)
    else:
        pieces = _run(corpus)
    base = corpus.base_url.encode()
    yield from map(lambda piece: Part("", piece.replace(b"\x1a", base)), pieces)
    if options.masks != "url":
        yield from pictures(again(), options.masks, corpus.pixels)


class _Glue:
    """The text between sections, by what the parameters ask for."""

    def __init__(self, params: ExportParams) -> None:
        def asked(flag: bool, text: bytes, otherwise: bytes = b"") -> bytes:
            return text if flag else otherwise

        self.details = asked(params.data_row_details, b',"details":{')
        self.media = asked(params.data_row_details, b'"}},', b"},")
        self.attachments = asked(params.attachments, b',"attachments":')
        self.metadata = asked(params.metadata_fields, b',"metadata_fields":')
        self.label_details = asked(params.label_details, b',"label_details":')
        self.performance = asked(params.performance_details, b',"performance_details":')
        self.project_details = asked(params.project_details, b',"project_details":')


def _opening(shown: Shown) -> bytes:
    name = to_json(shown.name)
    return f'{to_json(shown.id)}:{{"name":{name},"project_name":{name},"labels":['.encode()


def _project(corpus: Corpus) -> Iterator[bytes]:
    """The hot path: three lists of text, whose every second place takes the columns of a row or label.

    Filling a list by a slice and copying it is the cheapest way there is in Python to put text between
    columns, and it is the same for whichever of them were asked for.
    """
    params, glue = corpus.params, _Glue(corpus.params)
    before = _woven(
        (b'{"data_row":{', True),
        (glue.details, params.data_row_details),
        (b"", params.data_row_details),
        (glue.media, params.data_row_details),
        (glue.attachments, params.attachments),
        (glue.metadata, params.metadata_fields),
        end=b',"projects":{' + _opening(corpus.shown[0]),
    )
    drawn = _woven(
        (b"{", True),
        (glue.label_details, params.label_details),
        (glue.performance, params.performance_details),
        (b',"annotations":', True),
        end=b"}",
    )
    after = _woven((b"],", True), (glue.project_details, params.project_details), end=b"}}}\n")
    # A row's columns from here are its label's, and from there its own again.
    middle = 1 + len(before) // 2
    there = middle + len(drawn) // 2
    front, label, back = before[::2], drawn[::2], after[::2]
    one_each = [*front[:-1], front[-1] + label[0], *label[1:-1]]
    with_tails = _Loom([*one_each, label[-1] + back[0], *back[1:]])
    plain = _Loom([*one_each, label[-1] + back[0] + _USUAL_TAIL + back[1], *back[2:]])
    # No name holds a page or its text for longer than it takes: the next page is read into the same memory,
    # which is in the processor's cache.
    for page in corpus.pages if corpus.lean else _leaned(corpus.pages, params):
        columns = list(zip(*page.rows, strict=True))
        if page.plain:
            page.rows.clear()
            yield plain.woven(columns)
        elif columns[0] == (None,) * len(page.rows):
            page.rows.clear()
            del columns[0]
            yield with_tails.woven(columns)
        else:
            columns.clear()
            yield b"".join(_pieces(page, before, drawn, after, middle, there))


class _Loom:
    """Puts the columns of rows between the texts that all of them have: the last one ends a row."""

    def __init__(self, texts: list[bytes]) -> None:
        self.first, *between, self.last = texts
        # A row's end and the next one's beginning are one piece.
        self.texts = [self.last + self.first, *between]
        self.pieces: list[bytes] = []

    def woven(self, columns: list[tuple[Any, ...]]) -> bytes:
        """The text of rows; without a loop over rows, which takes a fifth off the time of an export."""
        rows, width = len(columns[0]), 2 * len(self.texts)
        size = width * rows
        if len(self.pieces) < size:
            self.pieces = [piece for text in self.texts for piece in (text, b"")] * rows
        pieces = [*self.pieces[:size], self.last]
        for place, column in enumerate(columns):
            pieces[2 * place + 1 : size : width] = column
        pieces[0] = self.first
        columns.clear()
        return b"".join(pieces)


def _pieces(
    page: Page, before: list[bytes], drawn: list[bytes], after: list[bytes], middle: int, there: int
) -> Iterator[bytes]:
    """The text of a page in which rows have no label, or several, or are gone."""
    labels = iter(page.flat)
    label = next(labels, None)
    for row in page.rows:
        number = row[0]
        if number is not None and number < 0:
            yield from (b'{"data_row":{', row[1], b'},"deleted":true}\n')
            continue
        before[1::2] = row[1:middle]
        yield from before
        drawn[0] = b"{"
        if number is None:
            drawn[1::2] = row[middle:there]
            yield from drawn
        while label is not None and label[0] == number:
            drawn[1::2] = label[1:]
            yield from drawn
            drawn[0] = b",{"
            label = next(labels, None)
        after[1::2] = row[there:]
        yield from after


def _woven(*parts: tuple[bytes, bool], end: bytes) -> list[bytes]:
    """The texts before the columns that are there, with places for these; and a text after the last."""
    woven = [piece for text, there in parts if there for piece in (text, b"")]
    return [*woven, end]


def _leaned(pages: Iterable[Page], params: ExportParams) -> Iterator[Page]:
    """Pages as if they had been read lean."""
    asked = (params.attachments, params.metadata_fields)
    shown = (*(False,) * 4, True, params.label_details, params.performance_details, True)
    for page in pages:
        rows: list[tuple[Any, ...]] = []
        flat: list[tuple[Any, ...]] = []
        for number, deleted, *own in page.rows:
            head, _, _, media, *more, tail, extra = own
            front = own[:4] if params.data_row_details else [b"".join((head, b"},", media))]
            labels = [tuple(compress(label, shown)) for label in page.parts[0].labels.get(number, ())]
            if not deleted and len(labels) != 1:
                flat += [(number, *label) for label in labels]
            odd = -number if deleted else None if len(labels) == 1 else number
            label = labels[0] if odd is None else (b"",) * sum(shown)
            after = (tail, extra) if params.project_details else (tail,)
            own = [head, *front[1:]] if deleted else front
            rows.append((odd, *own, *compress(more, asked), *label, *after))
        yield Page(rows, (), flat)


def _front(row: tuple[Any, ...], glue: _Glue, activity: bytes) -> Iterator[bytes]:
    yield from (b'{"data_row":{', row[2], glue.details, row[3], activity if glue.details else b"")
    yield from (glue.media, row[5], glue.attachments, row[6], glue.metadata, row[7])


def _labels(labels: list[tuple[Any, ...]], glue: _Glue) -> Iterator[bytes]:
    comma = b"{"
    for label in labels:
        yield from (comma, label[4])
        if glue.label_details:
            yield from (glue.label_details, label[5])
        if glue.performance:
            yield from (glue.performance, label[6])
        yield from (b',"annotations":', label[7], b"}")
        comma = b",{"


_BARE = _Glue(ExportParams())


def _run_piece(
    shown: Shown, part: Any, number: int, tail: bytes, split: bytes, params: ExportParams
) -> Iterator[bytes]:
    """One run's share of a row."""
    yield f'{to_json(shown.id)}:{{"name":{to_json(shown.name)},'.encode()
    yield tail
    if params.model_run_details and split:
        yield from (b',"data_split":', split)
    yield b',"labels":['
    yield from _labels(part.labels.get(number, []), _BARE)
    if params.predictions:
        yield b'],"predictions":['
        yield from _labels(part.predictions.get(number, []), _BARE)
    yield b"]}"


def _run(corpus: Corpus) -> Iterator[bytes]:
    glue = _Glue(corpus.params)
    shown = corpus.shown[0]
    opening = f',"experiments":{{{to_json(shown.model_id)}:{{"name":{to_json(shown.model_name)},"runs":{{'
    for page in corpus.pages:
        pieces: list[bytes] = []
        for row in page.rows:
            if row[1]:
                pieces.extend((b'{"data_row":{', row[2], b'},"deleted":true}\n'))
                continue
            pieces.extend(_front(row, glue, row[4]))
            pieces.append(opening.encode())
            pieces.extend(_run_piece(shown, page.parts[0], row[0], row[8], row[9], corpus.params))
            pieces.append(b"}}}}\n")
        yield b"".join(pieces)


def _catalog(corpus: Corpus) -> Iterator[bytes]:
    glue = _Glue(corpus.params)
    for page in corpus.pages:
        pieces: list[bytes] = []
        for row in page.rows:
            activity = max((held.rows[row[0]][2] for held in page.parts if row[0] in held.rows), default=None)
            if activity is None and glue.details:
                activity = _updated(row[3])
            pieces.extend(_front(row, glue, activity or b""))
            pieces.extend(_shares(corpus, page, row[0], glue))
            pieces.append(b"}\n")
        yield b"".join(pieces)


def _updated(details: bytes) -> bytes:
    """The last activity of a data row that is in no project: its own last change."""
    whole = msgspec.json.decode(b"{" + details + b'"}')
    return str(whole.get("updated_at", "")).encode()


def _shares(corpus: Corpus, page: Page, number: int, glue: _Glue) -> Iterator[bytes]:
    """`projects` and `experiments` of a row in a catalog export."""
    held = [
        (shown, part) for shown, part in zip(corpus.shown, page.parts, strict=True) if number in part.rows
    ]
    projects = [(shown, part) for shown, part in held if shown.kind == "project"]
    if any(shown.kind == "project" for shown in corpus.shown):
        comma = b',"projects":{'
        for shown, part in projects:
            tail, extra, _ = part.rows[number]
            yield from (comma, _opening(shown))
            yield from _labels(part.labels.get(number, []), glue)
            yield from (b"],", tail, glue.project_details, extra if glue.project_details else b"", b"}")
            comma = b","
        yield b"}" if projects else b',"projects":{}'
    if any(shown.kind == "model_run" for shown in corpus.shown):
        yield b',"experiments":{'
        models: dict[str, list[tuple[Shown, Any]]] = {}
        for shown, part in held:
            if shown.kind == "model_run":
                models.setdefault(shown.model_id, []).append((shown, part))
        comma = b""
        for model_id, runs in models.items():
            yield comma + f'{to_json(model_id)}:{{"name":{to_json(runs[0][0].model_name)},"runs":{{'.encode()
            inner = b""
            for shown, part in runs:
                yield inner
                tail, split, _ = part.rows[number]
                yield from _run_piece(shown, part, number, tail, split, corpus.params)
                inner = b","
            yield b"}}"
            comma = b","
        yield b"}"


def read(source: Source, options: Options, reading: Reading) -> Iterator[Parsed]:
    """Rows of an export: lines, an array, or one object."""
    try:
        for document in documents(source):
            found = parse(document, reading.report)
            if found is not None:
                yield found
    except Broken as broken:
        reading.report(broken.problem)


def parse(document: Document, report: Report) -> Parsed | None:
    """The row of one document; None where there is a problem, which is reported."""
    try:
        row, extras = decode(document.data, Row)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        report(problem_of(error, document))
        return None
    reason = not_an_image(row)
    if reason is not None:
        report(Problem(place=document.place, value=shown(row.data_row.id), reason=reason))
        return None
    return Parsed(row, extras, document.place, len(document.data))


def not_an_image(row: Row) -> str | None:
    """Why a row is not an image; None where it is one, or does not say."""
    kind = row.media_attributes.asset_type
    if isinstance(kind, str) and kind.lower() not in ("image", ""):
        return f"not an image but {kind}; annotary keeps images"
    mime = row.media_attributes.mime_type
    if isinstance(mime, str) and mime and not mime.startswith("image/"):
        return f"not an image but {mime}; annotary keeps images"
    for part in row.projects.values():
        for label in part.labels:
            if label.label_kind != "Default":
                return f"not an image label but {label.label_kind}; annotary keeps images"
    return None


def claims(first: dict[str, Any]) -> bool:
    """Whether a file's first document is of this format."""
    return "data_row" in first


FORMAT = Format(
    title="Labelbox export v2",
    options=Options,
    write=write,
    read=read,
    parse=parse,
    claims=claims,
    apart=Apart(write),
    lines=True,
    says="everything annotary keeps",
)
