"""COCO's average precision and recall, by pycocotools."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import Any, Literal

import numpy as np

from annotary.model.analysis import Averages

_FIELDS = Averages.__struct_fields__


class Detections:
    """All labels and predictions of an evaluation, as pycocotools wants them.

    It needs them all at once: this, and nothing else, grows with the rows.
    """

    def __init__(self, kind: Literal["bbox", "segm"]) -> None:
        self.kind = kind
        self.images: list[dict[str, Any]] = []
        self.labels: list[dict[str, Any]] = []
        self.predictions: list[dict[str, Any]] = []

    def image(self, height: int, width: int) -> int:
        """The number of a further image."""
        self.images.append({"id": len(self.images) + 1, "height": height, "width": width})
        return len(self.images)

    def add(
        self,
        image: int,
        category: int,
        box: list[float],
        *,
        pixels: Any = None,
        area: float | None = None,
        crowd: bool = False,
        score: float | None = None,
    ) -> None:
        """A label, or with a score a prediction; `box` is left, top, width, height."""
        to = self.labels if score is None else self.predictions
        one = {
            "id": len(to) + 1,
            "image_id": image,
            "category_id": category,
            "bbox": box,
            "area": box[2] * box[3] if area is None else area,
            "iscrowd": int(crowd),
        }
        if pixels is not None:
            one["segmentation"] = pixels
        if score is not None:
            one["score"] = score
        to.append(one)

    def averages(self, names: Sequence[str]) -> tuple[Averages, dict[str, tuple[float | None, list[float]]]]:
        """The twelve numbers, and for each class its AP and the 101 precisions at the IoU 0.5."""
        from pycocotools.coco import COCO  # type: ignore[import-untyped]
        from pycocotools.cocoeval import COCOeval  # type: ignore[import-untyped]

        if not self.labels:
            return Averages(**dict.fromkeys(_FIELDS)), {}
        categories = [{"id": place + 1, "name": name} for place, name in enumerate(names)]
        given = []
        # The library tells of its steps on standard output.
        with redirect_stdout(io.StringIO()):
            for annotations in (self.labels, self.predictions):
                one = COCO()
                one.dataset = {"images": self.images, "annotations": annotations, "categories": categories}
                one.createIndex()
                given.append(one)
            judge = COCOeval(*given, self.kind)
            judge.evaluate()
            judge.accumulate()
            judge.summarize()
        curves: dict[str, tuple[float | None, list[float]]] = {}
        precision = judge.eval["precision"][0, :, :, 0, -1]
        for place, name in enumerate(names):
            curve = precision[:, place]
            known = bool((curve > -1).any())
            curves[name] = (float(np.mean(curve)) if known else None, curve.tolist() if known else [])
        found = [None if one < 0 else float(one) for one in judge.stats]
        return Averages(**dict(zip(_FIELDS, found, strict=True))), curves
