"""Which of a row's labels an export shows: all, the latest, the benchmark, the best by consensus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
from msgspec.structs import replace

from annotary.model.corpus import Page, Part
from annotary.model.export import ExportParams, LabelRule

Labels = list[tuple[Any, ...]]
_CREATED, _HEAD, _PERFORMANCE = 3, 4, 6
"""Where a Section has what decides."""


class _Head(msgspec.Struct):
    is_benchmark_reference: bool = False


class _Scores(msgspec.Struct):
    consensus_score: float | None = None


_head = msgspec.json.Decoder(_Head).decode
_scores = msgspec.json.Decoder(_Scores).decode


def params_for(rule: LabelRule, params: ExportParams) -> ExportParams:
    """What must be read so that the rule can decide."""
    return replace(params, performance_details=True) if rule == "consensus" else params


def chosen(pages: Iterable[Page], rule: LabelRule, params: ExportParams) -> Iterator[Page]:
    """The pages with the labels that the rule leaves; rows stay, even without any."""
    choose = _RULES[rule]
    hidden = rule == "consensus" and not params.performance_details
    for page in pages:
        yield page._replace(parts=tuple(_part(part, choose, hidden) for part in page.parts))


def _part(part: Part, choose: Callable[[Labels], Labels], hidden: bool) -> Part:
    labels = {number: choose(several) for number, several in part.labels.items()}
    if hidden:
        # The scores were read only for the choice.
        labels = {
            number: [(*one[:_PERFORMANCE], b"", *one[_PERFORMANCE + 1 :]) for one in several]
            for number, several in labels.items()
        }
    return part._replace(labels=labels)


def _latest(labels: Labels) -> Labels:
    return [max(labels, key=lambda label: bytes(label[_CREATED]))]


def _benchmark(labels: Labels) -> Labels:
    return [label for label in labels if _head(b"{" + label[_HEAD] + b"}").is_benchmark_reference]


def _consensus(labels: Labels) -> Labels:
    scored = [(score, label) for label in labels if (score := _scores(label[_PERFORMANCE]).consensus_score)]
    return [max(scored, key=lambda one: one[0])[1]] if scored else _latest(labels)


_RULES: dict[LabelRule, Callable[[Labels], Labels]] = {
    "latest": _latest,
    "benchmark": _benchmark,
    "consensus": _consensus,
}
