"""What analyses find: counts, sizes, scores of predictions, suspicious labels."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from annotary.model.base import Value
from annotary.model.project import Summary

Share = Annotated[float, Meta(ge=0, le=1)]
Reason = Literal[
    "duplicate",
    "out of bounds",
    "no area",
    "self-intersecting",
    "box unlike its shape",
    "tiny",
    "unusual size",
    "prediction without label",
    "required question unanswered",
    "empty but done",
]


class Bin(Value):
    """So many from `low` up to but not including `high`; None is an open end."""

    low: float
    high: float | None
    count: int


class SplitCounts(Value):
    """Counts of one split."""

    rows: int = 0
    labels: int = 0
    objects: int = 0


class Statistics(Summary, kw_only=True):
    """Counts of whatever a query selects, and the sizes of what is drawn.

    Small, medium and large are COCO's: areas up to 32 x 32 and 96 x 96 pixels. `relative_area` is an object's
    share of its image, `aspect` the width of the box around it over its height. `unmeasured` counts masks
    whose pixels are elsewhere, and shapes that are broken.
    """

    objects: int
    labels_by_status: dict[str, int]
    by_class_and_kind: dict[str, dict[str, int]]
    sizes: dict[str, dict[str, int]]
    relative_area: tuple[Bin, ...]
    aspect: tuple[Bin, ...]
    objects_per_row: tuple[Bin, ...]
    answers: dict[str, dict[str, int]]
    by_split: dict[str, SplitCounts]
    by_annotator: dict[str, int]
    by_day: dict[str, int]
    unmeasured: int


class Averages(Value):
    """COCO's twelve numbers; None where there is nothing to average over."""

    ap: float | None
    ap50: float | None
    ap75: float | None
    ap_small: float | None
    ap_medium: float | None
    ap_large: float | None
    ar1: float | None
    ar10: float | None
    ar100: float | None
    ar_small: float | None
    ar_medium: float | None
    ar_large: float | None


class ClassScore(Value):
    """One class at the thresholds asked for; `ap` and the 101 points of `curve` are at the IoU 0.5."""

    name: str
    labels: int
    predictions: int
    matched: int
    precision: float | None
    recall: float | None
    ap50: float | None
    curve: tuple[float, ...]


class Pair(Value):
    """A label's object and the prediction that goes with it, by feature id."""

    label: str
    prediction: str
    iou: float
    name: str
    predicted: str


class RowScore(Value):
    """How well one row is predicted: the mean IoU over its pairs, missed and spurious objects counting 0."""

    data_row_id: str
    global_key: str
    iou: float
    pairs: tuple[Pair, ...]
    missed: tuple[str, ...]
    spurious: tuple[str, ...]


class Evaluation(Value):
    """Predictions measured against labels; `confusion[label][prediction]` counts, its last is background.

    `rows` is how many were measured, `unlabelled` how many have no label; `worst` are those of least IoU.
    `left_out` counts by kind what has no area to compare; `ignored` the predictions that only a crowd
    region covers.
    """

    rows: int
    unlabelled: int
    labels: int
    predictions: int
    iou: float
    confidence: float
    boxes: Averages
    shapes: Averages | None
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]
    worst: tuple[RowScore, ...]
    left_out: dict[str, int]
    ignored: int


class Suspect(Value):
    """An object that looks wrong, or without `feature_id` a whole label; `score` ranks from 0 to 1."""

    data_row_id: str
    global_key: str
    label_id: str
    feature_id: str
    name: str
    reason: Reason
    detail: str
    score: float


class Suspects(Value):
    """The most suspicious labels first, and how many there are of each reason in all."""

    rows: int
    labels: int
    found: dict[str, int]
    suspects: tuple[Suspect, ...]
