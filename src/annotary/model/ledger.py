"""The ledger: what went in, what came out, and what was lost on the way, with the reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice, repeat
from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from annotary.model.base import Value

Action = Literal["dropped", "approximated", "renamed", "clipped", "repaired"]
IDS = 100
"""So many ids of a loss are listed; the rest is counted."""
Call = tuple[str, tuple[Any, ...]]
"""Something that was said to a ledger: the name of its method, and the arguments."""


class Balance(Value):
    """How many of a kind went in, came out, and were dropped; `in` = `out` + `dropped`."""

    kind: str
    went_in: int
    came_out: int
    dropped: int

    def document(self) -> dict[str, Any]:
        """As users see it."""
        return {"kind": self.kind, "in": self.went_in, "out": self.came_out, "dropped": self.dropped}


class Loss(Value):
    """Something a format could not say as it was; `count` like it."""

    action: Action
    reason: str
    kind: str
    count: int
    ids: tuple[str, ...] = ()
    ids_more: int | UnsetType = UNSET
    iou_mean: float | UnsetType = UNSET
    iou_worst: float | UnsetType = UNSET


class _Entry:
    __slots__ = ("count", "ids", "measured", "total", "worst")

    def __init__(self) -> None:
        self.count = 0
        self.ids: list[str] = []
        self.total = 0.0
        self.measured = 0
        self.worst = 1.0


class Ledger:
    """Counts and losses as they are reported; memory does not grow with their number."""

    def __init__(self) -> None:
        self.went_in: Counter[str] = Counter()
        self.came_out: Counter[str] = Counter()
        self._dropped: Counter[str] = Counter()
        self._entries: dict[tuple[Action, str, str], _Entry] = {}

    def took(self, kind: str, count: int = 1) -> None:
        """So many of a kind went in. Readers and the store's door call it; writers need not."""
        self.went_in[kind] += count

    def wrote(self, kind: str, count: int = 1) -> None:
        """So many of a kind came out. Writers call it for all they write."""
        self.came_out[kind] += count

    def dropped(self, kind: str, reason: str, id: str, count: int = 1) -> None:
        """One was left out; `count` of one id."""
        self.dropped_all(kind, reason, repeat(id, count), count)

    def dropped_all(self, kind: str, reason: str, ids: Iterable[str], count: int) -> None:
        """So many were left out; no more of their ids are looked at than are listed."""
        if count:
            self._dropped[kind] += count
            self._note("dropped", kind, reason, ids, count)

    def refused(self, kind: str, reason: str, id: str) -> None:
        """One that stood in a file could not be read at all: it went in and was left out."""
        self.took(kind)
        self.dropped(kind, reason, id)

    def approximated(self, kind: str, reason: str, id: str, iou: float | None = None) -> None:
        """One came out as something like it; `iou` says how much of it is shared, 0 to 1."""
        self.approximated_all(kind, reason, (id,), (iou,))

    def approximated_all(
        self, kind: str, reason: str, ids: Iterable[str], ious: Sequence[float | None]
    ) -> None:
        """The same of several of a kind."""
        if ious:
            entry = self._note("approximated", kind, reason, ids, len(ious))
            for iou in ious:
                if iou is not None:
                    entry.total += iou
                    entry.measured += 1
                    entry.worst = min(entry.worst, iou)

    def changed(
        self, action: Literal["renamed", "clipped", "repaired"], kind: str, reason: str, id: str
    ) -> None:
        """One came out under another name, cut off at the image's border, or mended."""
        self.changed_all(action, kind, reason, (id,))

    def changed_all(
        self,
        action: Literal["renamed", "clipped", "repaired"],
        kind: str,
        reason: str,
        ids: Sequence[str],
    ) -> None:
        """The same of several of a kind."""
        if ids:
            self._note(action, kind, reason, ids, len(ids))

    def replay(self, calls: list[Call]) -> None:
        """Enter what Notes hold, as if it were said here."""
        for name, arguments in calls:
            getattr(self, name)(*arguments)

    def add(self, later: Ledger) -> None:
        """Enter all that another ledger holds, of what came after."""
        self.went_in.update(later.went_in)
        self.came_out.update(later.came_out)
        self._dropped.update(later._dropped)
        for key, more in later._entries.items():
            entry = self._entries.setdefault(key, _Entry())
            entry.count += more.count
            entry.ids += more.ids[: IDS - len(entry.ids)]
            entry.total += more.total
            entry.measured += more.measured
            entry.worst = min(entry.worst, more.worst)

    def before(self, document: dict[str, Any]) -> None:
        """Enter what an earlier step lost: its ledger, as a document."""
        for one in msgspec.convert(document["losses"], list[Loss]):
            entry = self._entries.setdefault((one.action, one.reason, one.kind), _Entry())
            entry.count += one.count
            entry.ids = [*one.ids, *entry.ids][:IDS]
            if isinstance(one.iou_mean, float) and isinstance(one.iou_worst, float):
                entry.total += one.iou_mean * one.count
                entry.measured += one.count
                entry.worst = min(entry.worst, one.iou_worst)
        for line in document["balance"]:
            kind, gone = line["kind"], line["dropped"]
            self._dropped[kind] += gone
            # What this step took in is what that one let out, unless this one does not count at all.
            self.went_in[kind] += gone if self.went_in[kind] else line["in"]
            if self.went_in[kind] == line["in"]:
                self.came_out[kind] = self.came_out[kind] or line["out"]

    def _note(self, action: Action, kind: str, reason: str, ids: Iterable[str], count: int) -> _Entry:
        entry = self._entries.get((action, reason, kind))
        if entry is None:
            entry = self._entries[action, reason, kind] = _Entry()
        entry.count += count
        if len(entry.ids) < IDS:
            entry.ids += islice(ids, IDS - len(entry.ids))
        return entry

    @property
    def balance(self) -> list[Balance]:
        """One line for each kind."""
        kinds = sorted({*self.went_in, *self.came_out, *self._dropped})
        return [
            Balance(
                kind=one, went_in=self.went_in[one], came_out=self.came_out[one], dropped=self._dropped[one]
            )
            for one in kinds
            if self.went_in[one] or self.came_out[one] or self._dropped[one]
        ]

    @property
    def losses(self) -> list[Loss]:
        """One for each action, reason and kind."""
        return [
            Loss(
                action=action,
                reason=reason,
                kind=kind,
                count=entry.count,
                ids=tuple(entry.ids),
                ids_more=entry.count - len(entry.ids) or UNSET,
                iou_mean=round(entry.total / entry.measured, 6) if entry.measured else UNSET,
                iou_worst=round(entry.worst, 6) if entry.measured else UNSET,
            )
            for (action, reason, kind), entry in sorted(self._entries.items(), key=lambda one: one[0])
        ]

    def document(self) -> dict[str, Any]:
        """As `--json` and `losses.json` show it."""
        return {
            "balance": [one.document() for one in self.balance],
            "losses": [{**msgspec.to_builtins(one), "ids": list(one.ids)} for one in self.losses],
        }


class Notes(Ledger):
    """What is said to a ledger that is elsewhere: the calls, in order, in plain values."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def wrote(self, kind: str, count: int = 1) -> None:
        """See Ledger."""
        self.calls.append(("wrote", (kind, count)))

    def dropped_all(self, kind: str, reason: str, ids: Iterable[str], count: int) -> None:
        """See Ledger."""
        self.calls.append(("dropped_all", (kind, reason, tuple(islice(ids, IDS)), count)))

    def approximated_all(
        self, kind: str, reason: str, ids: Iterable[str], ious: Sequence[float | None]
    ) -> None:
        """See Ledger."""
        self.calls.append(("approximated_all", (kind, reason, tuple(islice(ids, IDS)), tuple(ious))))

    def changed_all(
        self,
        action: Literal["renamed", "clipped", "repaired"],
        kind: str,
        reason: str,
        ids: Sequence[str],
    ) -> None:
        """See Ledger."""
        self.calls.append(("changed_all", (action, kind, reason, tuple(ids))))
