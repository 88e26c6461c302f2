"""One line a label: the keys of a v1 export around its annotations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress
from typing import Any, Literal
from urllib.parse import quote

import msgspec
from msgspec import Raw

from annotary.formats import _v1_render as render
from annotary.formats._v1_carry import FIRST, carried
from annotary.formats._v1_copy import Copier, Memo, Unusual
from annotary.model.base import to_json
from annotary.model.corpus import Shown
from annotary.model.sections import plain

FieldSet = Literal["full", "seed"]
Labelled = tuple[tuple[Any, ...], bytes, Sequence[tuple[Any, ...]]]
"""A data row, what its project or run says of it, and its labels there."""
EMPTY = Raw(b"[]")
_USUAL_HEAD = b'"label_kind":"Default","version":"1.0.0","id":"'


class _Head(msgspec.Struct, gc=False):
    id: str
    row_data: str
    global_key: str | None = None
    external_id: str | None = None


class _DataRowDetails(msgspec.Struct, gc=False):
    dataset_name: str | None = None


class _LabelDetails(msgspec.Struct, gc=False):
    created_at: str | None = None
    updated_at: str | None = None
    created_by: str | None = None
    reviews: Raw = EMPTY


class _Performance(msgspec.Struct, gc=False):
    seconds_to_create: int | float = 0
    seconds_to_review: int | float = 0
    skipped: bool = False
    consensus_score: int | float = -1
    benchmark_score: int | float = -1


_heads = msgspec.json.Decoder(list[_Head]).decode
_data_row_details = msgspec.json.Decoder(list[_DataRowDetails]).decode
_label_details = msgspec.json.Decoder(list[_LabelDetails]).decode
_performance = msgspec.json.Decoder(list[_Performance]).decode
_loads = msgspec.json.decode
_Known = tuple[_Head, _DataRowDetails, _LabelDetails, _Performance]
_AT = '"created_at":"'
_TIME = 23
"""Characters of a date that v1 shows."""
_STAND_IN = "~" * _TIME
_HISTORY = '"workflow_history":['
_NO_METADATA = (b"", b"[]")


class Lines:
    """The lines of one project or model run, in the making."""

    def __init__(self, shown: Shown, base_url: str, field_set: FieldSet) -> None:
        self.shown = shown
        self.full = field_set == "full"
        self.look = render.look_of(shown.ontology.normalized, base_url)
        self.copier = Copier(self.look)
        self.texts = Memo(to_json)
        self.media = Memo(_media_attributes)
        self.metadata = Memo(_metadata)
        self.tasks = Memo(_task)
        self.events = Memo(_event)
        self.viewed = f"{base_url}?project={quote(shown.id, safe='')}&label="
        self.view_link = to_json(self.viewed)[:-1]
        self.project_name = to_json(shown.name)

    def text(self, rows: Sequence[Labelled]) -> bytes:
        """The lines of some data rows."""
        copied = [self._copied(row, labels) for row, _, labels in rows]
        known = iter(self._known(list(compress(rows, copied))))
        for row, usual in zip(rows, copied, strict=True):
            self._add(*row, next(known) if usual else None)
        try:
            return self.copier.finish()
        except Unusual:
            self.copier.clear()
        for row in rows:
            self._add(*row, None)
        return self.copier.finish()

    def _copied(self, row: tuple[Any, ...], labels: Sequence[tuple[Any, ...]]) -> bool:
        """Whether a row's line may be copied from its sections."""
        # What several labels say of each other, or a file said when it was read, is rare.
        if len(labels) != 1 or self.shown.kind != "project" or row[1] or b"\\" in row[2]:
            return False
        (label,) = labels
        return not label[9] and label[4] == b'%b%b"' % (_USUAL_HEAD, label[2])

    def _known(self, copied: Sequence[Labelled]) -> Iterable[_Known]:
        """What stands in the small sections of the rows to copy, decoded all at once."""
        rows, labels = [row for row, _, _ in copied], [one for _, _, (one,) in copied]
        return zip(
            _heads(_array(b"{%b}" % row[2] for row in rows)),
            _data_row_details(_array(b'{%b"}' % row[3] if row[3] else b"{}" for row in rows)),
            _label_details(_array(label[5] or b"{}" for label in labels)),
            _performance(_array(label[6] or b"{}" for label in labels)),
            strict=True,
        )

    def _add(
        self,
        row: tuple[Any, ...],
        extra: bytes,
        labels: Sequence[tuple[Any, ...]],
        known: _Known | None,
    ) -> None:
        if row[1]:
            gone = {"DataRow ID": _loads(b"{" + row[2] + b"}")["id"], "deleted": True}
            self.copier.pieces.append(to_json(gone) + "\n")
            return
        for label in labels:
            if known is not None:
                mark = self.copier.mark()
                try:
                    self._copy(row, extra, label, *known)
                    continue
                except (Unusual, UnicodeDecodeError):
                    self.copier.back_to(mark)
            self.copier.pieces.append(self._render(row, extra, label, labels))

    def _copy(
        self,
        row: tuple[Any, ...],
        extra: bytes,
        label: tuple[Any, ...],
        head: _Head,
        of_row: _DataRowDetails,
        made: _LabelDetails,
        done: _Performance,
    ) -> None:
        """The hot path: a label of a project, copied from its sections. Raises Unusual."""
        copier, texts = self.copier, self.texts
        pieces = copier.pieces
        id = label[2].decode()
        copier.ids.append(id)
        pieces.append(f'{{"ID":"{id}","DataRow ID":"{head.id}","Labeled Data":"{head.row_data}","Label":{{')
        start = len(pieces)
        if not copier.annotations(label[7]) and done.skipped:
            del pieces[start:]
        external_id = "null" if head.external_id is None else f'"{head.external_id}"'
        created, updated = made.created_at, made.updated_at
        pieces.append(
            f'}},"Created By":{texts[made.created_by]},"Project Name":{self.project_name}'
            f',"Created At":{_when(created)},"Updated At":{_when(updated)}'
            f',"Seconds to Label":{done.seconds_to_create + done.seconds_to_review}'
            f',"External ID":{external_id},"Agreement":{done.consensus_score}'
            f',"Benchmark Agreement":{done.benchmark_score},"Benchmark ID":null'
            f',"Dataset Name":{texts[of_row.dataset_name]}'
            f',"Reviews":{"[]" if made.reviews == EMPTY else _reviews(made.reviews)}'
            f',"View Label":{self.view_link}{id}","Has Open Issues":0'
            f',"Skipped":{"true" if done.skipped else "false"}'
            f',"DataRow Workflow Info":{self._workflow(extra)}'
            f"{self._later(row, head.global_key) if self.full else ''}}}\n"
        )

    def _workflow(self, extra: bytes) -> str:
        """`DataRow Workflow Info`: its parts come again and again, but for the times."""
        front, *rest = extra.decode("ascii").split(_AT)
        text, action = self.tasks.get(front) or self.tasks[front]
        if not rest:
            return f"{text}[]}}"
        known = self.events.get
        comma = "["
        for event in rest:
            key = (action, event[_TIME:])
            before, after, action = known(key) or self.events[key]
            text = f"{text}{comma}{before}{event[:_TIME]}{after}"
            comma = ","
        return f"{text}]}}"

    def _later(self, row: tuple[Any, ...], global_key: str | None) -> str:
        text: str = self.media[row[5]]
        if global_key:
            text = f',"Global Key":"{global_key}"{text}'
        return text if row[7] in _NO_METADATA else f"{text}{self.metadata[row[7]]}"

    def _render(
        self, row: tuple[Any, ...], extra: bytes, label: tuple[Any, ...], labels: Sequence[tuple[Any, ...]]
    ) -> str:
        """Any label, from the values of its sections."""
        carry = carried(label[9])
        head = _loads(b"{" + label[4] + b"}")
        details = _loads(label[5] or b"{}")
        done = _loads(label[6] or b"{}")
        made = render.LabelFacts(head["id"], details, done, "is_benchmark_reference" in head)
        annotations = _loads(plain(label[7], "\\u001a"))
        shown = render.label(annotations, self.look, carry, skipped=done.get("skipped", False))
        facts = _facts(row, extra if self.shown.kind == "project" else b"")
        if self.shown.kind == "project":
            written = render.keys(facts, made, self.shown.name, present=carry.present if carry else ())
            written["View Label"] = self.viewed + quote(made.id, safe="")
            written["Has Open Issues"] = 0
            written["Benchmark ID"] = _benchmark(label, labels)
        else:
            split = _split(extra)
            written = render.run_keys(facts, made.id, split)
        restored = carry.restore(written) if carry else dict(written)
        if written.get("Data Split") is not None:
            restored["Data Split"] = written["Data Split"]
        if carry is None or "Label" not in carry.without or shown != {"objects": [], "classifications": []}:
            restored["Label"] = shown
        return to_json(self._ordered(restored, written)) + "\n"

    def _ordered(self, restored: dict[str, Any], written: dict[str, Any]) -> dict[str, Any]:
        if not self.full:
            both = {**written, **restored}
            return {key: both[key] for key in FIRST if key in both}
        first = {key: restored[key] for key in FIRST if key in restored}
        return {**first, **restored}


def _facts(row: tuple[Any, ...], extra: bytes) -> render.DataRowFacts:
    details = _loads(b"{" + row[3] + row[4] + b'"}') if row[3] else {}
    return render.DataRowFacts(
        head=_loads(b"{" + row[2] + b"}"),
        dataset_name=details.get("dataset_name"),
        media=_loads(b"{" + row[5] + b"}").get("media_attributes", {}),
        metadata=_loads(row[7] or b"[]"),
        project_details=_loads(extra or b"{}"),
    )


def _benchmark(label: tuple[Any, ...], labels: Sequence[tuple[Any, ...]]) -> str | None:
    """The id of the label that this one is scored against."""
    for other in labels:
        if other is not label and b'"is_benchmark_reference":true' in other[4]:
            return str(_loads(b"{" + other[4] + b"}")["id"])
    return None


def _split(extra: bytes) -> str | None:
    split = _loads(extra) if extra else None
    return None if split in (None, "UNASSIGNED") else str(split).lower()


def _array(values: Iterable[bytes]) -> bytes:
    return b"[%b]" % b",".join(values)


def _when(date: str | None) -> str:
    """A stored date as v1 writes it."""
    return f'"{date[:_TIME]}Z"' if date else "null"


def _reviews(given: Raw) -> str:
    return to_json([render.review(one) for one in _loads(given)])


def _task(front: str) -> tuple[str, str]:
    """The workflow before its history, and the start of an event, from all up to that event's time."""
    details, _, _ = front.partition(_HISTORY)
    plain = _loads(details + (_HISTORY + "]}" if details != front else "") or "{}")
    text = to_json(render.workflow({**plain, "workflow_history": []})).removesuffix("[]}")
    return text, front[front.rfind("{") :]


def _event(key: tuple[str, str]) -> tuple[str, str, str]:
    """The text of an event before and after its time, from the same in v2, and the start of the next one.

    Raises Unusual.
    """
    action, tail = key
    own, _, following = tail.partition("},{")
    if not following:
        own = own.removesuffix("}]}")
    try:
        shown = to_json(render.event(_loads(action + _AT + _STAND_IN + own + "}")))
    except msgspec.DecodeError:
        raise Unusual from None
    before, _, after = shown.partition(_STAND_IN)
    return before, after, f"{{{following}"


def _metadata(given: bytes) -> str:
    return f',"DataRow Metadata":{to_json([render.metadata(one) for one in _loads(given)])}'


def _media_attributes(media: bytes) -> str:
    shown = render.media(_loads(b"{" + media + b"}").get("media_attributes", {}))
    return f',"Media Attributes":{to_json(shown)}' if shown else ""
