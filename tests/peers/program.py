"""Run by the interpreter of `.peers`: another program reads or writes a data set; JSON tells what it saw.

`python program.py read PROGRAM FORMAT PATH [IMAGES]`: counts, classes and the sum of boxes as it has them.
`python program.py write PROGRAM FORMAT COCO_FILE IMAGES FOLDER`: the data set of a COCO file, written by it.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Json = dict[str, Any]


def _seen(found: Iterable[tuple[str, list[tuple[str, float]]]]) -> Json:
    """Images and objects with their classes and areas of boxes."""
    images, classes, boxes = 0, Counter[str](), 0.0
    for _, objects in found:
        images += 1
        for name, area in objects:
            classes[name] += 1
            boxes += area
    return {"images": images, "objects": classes.total(), "classes": dict(classes), "boxes": boxes}


def _labelformat_input(format: str, path: Path) -> Any:
    from labelformat import formats

    match format:
        case "coco":
            return formats.COCOObjectDetectionInput(input_file=path)
        case "coco-instances":
            return formats.COCOInstanceSegmentationInput(input_file=path)
        case "yolo":
            return formats.YOLOv8ObjectDetectionInput(input_file=path / "data.yaml", input_split="train")
        case "yolo-seg":
            return formats.YOLOv8InstanceSegmentationInput(input_file=path / "data.yaml", input_split="train")
        case "voc":
            names = sorted({name for file in path.glob("*.xml") for name in _voc_names(file)})
            return formats.PascalVOCObjectDetectionInput(input_folder=path, category_names=",".join(names))
        case "cvat":
            return formats.CVATObjectDetectionInput(input_file=path)
    raise ValueError(format)


def _voc_names(file: Path) -> Iterable[str]:
    from defusedxml.ElementTree import parse

    return [str(one.findtext("name")) for one in parse(file).iter("object")]


def read_labelformat(format: str, path: Path, images: Path) -> Json:
    def found() -> Iterable[tuple[str, list[tuple[str, float]]]]:
        for label in _labelformat_input(format, path).get_labels():
            objects = []
            for one in label.objects:
                box = getattr(one, "box", None)
                area = (box.xmax - box.xmin) * (box.ymax - box.ymin) if box is not None else 0.0
                objects.append((one.category.name, area))
            yield label.image.filename, objects

    return _seen(found())


def read_supervision(format: str, path: Path, images: Path) -> Json:
    import supervision

    load = supervision.DetectionDataset
    if format.startswith("yolo"):
        places = (path / "images/train", path / "labels/train", path / "data.yaml")
        found = load.from_yolo(
            *map(str, places), force_masks=format == "yolo-seg", is_obb=format == "yolo-obb"
        )
    elif format == "voc":
        found = load.from_pascal_voc(str(images), str(path))
    else:
        found = load.from_coco(str(images), str(path), force_masks=format == "coco-masks")
    pixels = 0

    def each() -> Iterable[tuple[str, list[tuple[str, float]]]]:
        nonlocal pixels
        for name, detections in found.annotations.items():
            areas = (detections.xyxy[:, 2] - detections.xyxy[:, 0]) * (
                detections.xyxy[:, 3] - detections.xyxy[:, 1]
            )
            if detections.mask is not None:
                pixels += int(detections.mask.sum())
            yield (
                name,
                [
                    (found.classes[index], float(area))
                    for index, area in zip(detections.class_id, areas, strict=True)
                ],
            )

    return {**_seen(each()), "pixels": pixels}


def read_datumaro(format: str, path: Path, images: Path) -> Json:
    from datumaro.components.annotation import AnnotationType
    from datumaro.components.dataset import Dataset

    data = Dataset.import_from(str(path), format)
    names = data.categories()[AnnotationType.label]
    shapes = (
        AnnotationType.bbox,
        AnnotationType.polygon,
        AnnotationType.mask,
        AnnotationType.polyline,
        AnnotationType.points,
        AnnotationType.rotated_bbox,
    )

    def found() -> Iterable[tuple[str, list[tuple[str, float]]]]:
        for item in data:
            objects = []
            for one in item.annotations:
                if one.type in shapes and getattr(one, "label", None) is not None:
                    _, _, width, height = one.get_bbox() if hasattr(one, "get_bbox") else (0, 0, 0, 0)
                    objects.append((names[one.label].name, float(width * height)))
            yield item.id, objects

    return _seen(found())


def read_globox(format: str, path: Path, images: Path) -> Json:
    from globox import AnnotationSet

    match format:
        case "coco":
            found = AnnotationSet.from_coco(path)
        case "voc":
            found = AnnotationSet.from_pascal_voc(path)
        case _:
            raise ValueError(format)
    return _seen(
        (str(one.image_id), [(str(box.label), float(box.area)) for box in one.boxes]) for one in found
    )


def write_labelformat(format: str, coco: Path, images: Path, folder: Path) -> None:
    from labelformat import formats

    folder.mkdir(parents=True)
    given = formats.COCOObjectDetectionInput(input_file=coco)
    match format:
        case "coco":
            shapes = formats.COCOInstanceSegmentationInput(input_file=coco)
            formats.COCOInstanceSegmentationOutput(output_file=folder / "instances.json").save(
                label_input=shapes
            )
        case "yolo":
            formats.YOLOv8ObjectDetectionOutput(output_file=folder / "data.yaml", output_split="train").save(
                label_input=given
            )
        case "yolo-seg":
            shapes = formats.COCOInstanceSegmentationInput(input_file=coco)
            formats.YOLOv8InstanceSegmentationOutput(
                output_file=folder / "data.yaml", output_split="train"
            ).save(label_input=shapes)
        case "voc":
            formats.PascalVOCObjectDetectionOutput(output_folder=folder).save(label_input=given)
        case "kitti":
            formats.KittiObjectDetectionOutput(output_folder=folder).save(label_input=given)
        case "cvat":
            formats.CVATObjectDetectionOutput(output_folder=folder).save(label_input=given)
        case _:
            raise ValueError(format)


def write_datumaro(format: str, coco: Path, images: Path, folder: Path) -> None:
    from datumaro.components.dataset import Dataset

    # It wants the file in a folder of a certain name, with the images beside that.
    above = folder.parent / f"{folder.name}-given"
    (above / "annotations").mkdir(parents=True)
    (above / "annotations" / "instances_train.json").write_bytes(coco.read_bytes())
    (above / "images").symlink_to(images, target_is_directory=True)
    Dataset.import_from(str(above), "coco_instances").export(str(folder), format, save_media=True)


def write_globox(format: str, coco: Path, images: Path, folder: Path) -> None:
    from globox import AnnotationSet

    folder.mkdir(parents=True)
    found = AnnotationSet.from_coco(coco)
    if format == "voc":
        found.save_pascal_voc(folder)
    else:
        found.save_coco(folder / "instances.json", auto_ids=True)


def write_supervision(format: str, coco: Path, images: Path, folder: Path) -> None:
    import supervision

    found = supervision.DetectionDataset.from_coco(str(images), str(coco))
    if format == "yolo":
        found.as_yolo(str(folder / "images"), str(folder / "labels"), str(folder / "data.yaml"))
    elif format == "voc":
        found.as_pascal_voc(str(folder / "images"), str(folder / "annotations"))
    else:
        found.as_coco(str(folder / "images"), str(folder / "instances.json"))


def main(action: str, program: str, format: str, *paths: str) -> None:
    doing: Callable[..., Any] = globals()[f"{action}_{program}"]
    places = [Path(one) for one in paths]
    if action == "read" and len(places) == 1:
        places.append(places[0])
    print(json.dumps(doing(format, *places)))


if __name__ == "__main__":
    main(*sys.argv[1:])
