"""Other programs that convert COCO files, one conversion a process: `python peers.py NAME TO SOURCE FOLDER`.

Run by the interpreter of `.peers`, which has these programs and not annotary.
"""

from __future__ import annotations

import sys
from pathlib import Path


def labelformat(to: str, source: Path, folder: Path) -> None:
    """labelformat: boxes; COCO to COCO as instances."""
    from labelformat import formats

    folder.mkdir(parents=True)
    if to == "coco":
        given = formats.COCOInstanceSegmentationInput(input_file=source)
        formats.COCOInstanceSegmentationOutput(output_file=folder / "instances.json").save(label_input=given)
        return
    boxes = formats.COCOObjectDetectionInput(input_file=source)
    if to == "yolo":
        formats.YOLOv8ObjectDetectionOutput(output_file=folder / "data.yaml", output_split="train").save(
            label_input=boxes
        )
    else:
        formats.PascalVOCObjectDetectionOutput(output_folder=folder).save(label_input=boxes)


def globox(to: str, source: Path, folder: Path) -> None:
    """globox: boxes only."""
    from globox import AnnotationSet

    folder.mkdir(parents=True)
    found = AnnotationSet.from_coco(source)
    if to == "coco":
        found.save_coco(folder / "instances.json", auto_ids=True)
    elif to == "yolo":
        labels = sorted(found._labels())
        found.save_yolo_v5(folder / "labels", label_to_id={label: at for at, label in enumerate(labels)})
    else:
        found.save_pascal_voc(folder)


def datumaro(to: str, source: Path, folder: Path) -> None:
    """Datumaro: everything. It wants the folder above `annotations/instances_*.json`."""
    from datumaro.components.dataset import Dataset

    names = {"coco": "coco_instances", "yolo": "yolo", "voc": "voc_detection"}
    Dataset.import_from(str(source.parent.parent), "coco_instances").export(
        str(folder), names[to], save_media=False
    )


if __name__ == "__main__":
    program, to, source, folder = sys.argv[1:]
    {"labelformat": labelformat, "globox": globox, "datumaro": datumaro}[program](
        to, Path(source), Path(folder)
    )
