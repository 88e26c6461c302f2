"""Labelbox import lines: lines become labels, wherever they stand, and labels become the same lines again."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from annotary.formats._png import composite, encode_mask, render_mask_8bit
from annotary.formats.labelbox_ndjson import FORMAT
from annotary.model.annotation import Classification, MaskObject, PolygonObject
from annotary.model.corpus import Parsed
from annotary.model.export import ExportParams
from annotary.model.geometry import CompositeLink, MaskLink
from annotary.model.row import DataRow, ExperimentPart, Label, Row, RunPart
from tests.formats.corpora import BASE_URL, HOSTILE, corpus_of, lines, read, sound

IMAGES = (
    "classification_import",
    "classification_import_name_only",
    "image_import",
    "image_import_name_only",
    "nested_import",
    "nested_import_name_only",
    "polyline_import",
    "polyline_without_confidence_import",
    "rectangle_import",
    "relationship_import",
)
OTHERS = (
    "conversation_entity_import",
    "conversation_entity_without_confidence_import",
    "custom_confusion_matrix_import",
    "custom_scalar_import",
    "metric_import",
    "mmc_import",
    "pdf_import",
    "pdf_import_name_only",
    "text_entity_import",
    "text_entity_without_confidence_import",
    "video_import",
    "video_import_name_only",
)
POINTS = [{"x": 1.0, "y": 2.0}, {"x": 3.5, "y": 4.0}, {"x": 5.0, "y": 6.25}]
UUID = "5ad9c52f-058d-49c8-a749-3f20b84f8cd4"


def line(id: str = "line-1", row: str = "row-1", **payload: Any) -> dict[str, Any]:
    return {"uuid": id, "dataRow": {"id": row}, "name": "a feature", **payload}


def box(id: str = "line-1", **members: Any) -> dict[str, Any]:
    return line(id, **{"bbox": {"top": 1.0, "left": 2.5, "height": 3.0, "width": 4.0}, **members})


def label(rows: list[Parsed]) -> Label:
    """The label of the one row."""
    (one,) = rows
    (part,) = one.row.projects.values()
    (made,) = part.labels
    return made


def drawn(*given: dict[str, Any], **beside: bytes) -> Any:
    """The one object of some lines."""
    (one,) = label(sound(FORMAT, list(given), **beside)).annotations.objects
    return one


def plain(given: Any) -> Any:
    """A line as it is written when it was written in another way: without what says nothing."""
    return {key: value for key, value in given.items() if value != []}


@pytest.mark.parametrize("name", IMAGES)
def test_published_payload_comes_back(shared: Path, name: str) -> None:
    given = json.loads((shared / "data" / "labelbox-v1" / "import-ndjson" / f"{name}.json").read_text())
    found = lines(FORMAT, corpus_of(sound(FORMAT, given)))
    order = list(dict.fromkeys(one["dataRow"]["id"] for one in given))
    wanted = sorted(given, key=lambda one: order.index(one["dataRow"]["id"]))
    by_id = {(one["dataRow"]["id"], one["uuid"]): plain(one) for one in found}
    assert by_id == {(one["dataRow"]["id"], one["uuid"]): plain(one) for one in wanted}


@pytest.mark.parametrize("name", OTHERS)
def test_payload_of_other_media_is_refused_line_by_line(shared: Path, name: str) -> None:
    given = json.loads((shared / "data" / "labelbox-v1" / "import-ndjson" / f"{name}.json").read_text())
    rows, remarks = read(FORMAT, given)
    kept = {"video_import": 1, "video_import_name_only": 1, "pdf_import_name_only": 0}.get(name, 0)
    assert rows == []
    assert len(remarks.problems) == len(given) - kept
    assert all("not an image annotation" in problem.reason for problem in remarks.problems)


EVERY = [
    box("b", confidence=0.5, customMetrics=[{"name": "iou", "value": 0.25}]),
    line("g", polygon=[*POINTS, POINTS[0]]),
    line("l", line=POINTS),
    line("p", point=POINTS[0]),
    line("m", mask={"instanceURI": "https://example.com/m.png"}),
    line("c", mask={"instanceURI": "https://example.com/c.png", "colorRGB": [1, 2, 3]}),
    line(
        "k",
        cuboid={
            "center": {"x": 1.0, "y": 2.0},
            "rotation": {"x": 0.0, "y": 0.5, "z": 0.0},
            "size": {"x": 1.0, "y": 2.0, "z": 3.0},
            "projection": "orthographic",
        },
    ),
    line("r", relationship={"source": "b", "target": "g", "type": "bidirectional"}),
    line(
        "q",
        answer={
            "name": "yes",
            "confidence": 0.75,
            "classifications": [
                {"name": "deeper", "answer": [{"name": "a"}, {"name": "b", "confidence": 1.0}]},
                {"name": "why", "answer": "because"},
            ],
        },
    ),
    line("t", answer="some text", confidence=0.5),
]


def test_every_kind_comes_back_in_constant_order() -> None:
    found = lines(FORMAT, corpus_of(sound(FORMAT, EVERY)))
    assert {one["uuid"]: plain(one) for one in found} == {one["uuid"]: one for one in EVERY}
    again = lines(FORMAT, corpus_of(sound(FORMAT, found)))
    assert again == found


def test_predictions_of_a_run_are_written_where_they_are_asked_for() -> None:
    made, guessed = (label(sound(FORMAT, [box(name)])) for name in ("made", "guessed"))
    part = RunPart(labels=(made,), predictions=(guessed,))
    row = Row(data_row=DataRow(id="row-1", row_data="x"), experiments={"m": ExperimentPart(runs={"r": part})})
    for asked, wanted in ((True, "guessed"), (False, "made")):
        corpus = corpus_of([row], kind="model_run", params=ExportParams(predictions=asked))
        assert [one["uuid"] for one in lines(FORMAT, corpus)] == [wanted]


def test_labels_of_a_project_are_written_whatever_is_asked_of_runs() -> None:
    corpus = corpus_of(sound(FORMAT, [box()]), params=ExportParams(predictions=True))
    assert [one["uuid"] for one in lines(FORMAT, corpus)] == ["line-1"]


def test_lines_of_a_data_row_form_one_label_wherever_they_stand() -> None:
    given = [box(f"{row}-{n}", dataRow={"id": row}) for n in range(3) for row in ("x", "y", "z")]
    rows = sound(FORMAT, given)
    assert [one.row.data_row.id for one in rows] == ["x", "y", "z"]
    assert [[drawn.feature_id for drawn in label([one]).annotations.objects] for one in rows] == [
        [f"{row}-{n}" for n in range(3)] for row in ("x", "y", "z")
    ]
    assert all(one.row.data_row.row_data == "" for one in rows)


def test_a_data_row_may_be_named_by_its_global_key() -> None:
    (one,) = sound(FORMAT, [box(dataRow={"globalKey": "key 1"})])
    assert (one.row.data_row.id, one.row.data_row.global_key) == ("", "key 1")
    (found,) = lines(FORMAT, corpus_of([one]))
    assert found["dataRow"] == {"globalKey": "key 1"}


@pytest.mark.parametrize(
    "given", [UUID.upper(), UUID.replace("-", ""), f"{{{UUID}}}", f"{{{UUID.upper().replace('-', '')}}}"]
)
def test_uuids_are_read_in_any_usual_spelling(given: str) -> None:
    assert drawn(box(given)).feature_id == UUID
    links = [box(UUID), line("r", relationship={"source": given, "target": given})]
    assert sound(FORMAT, links)


def test_other_ids_stay_as_they_are() -> None:
    assert drawn(box("Gferf3a57-597E")).feature_id == "Gferf3a57-597E"


def test_lines_without_uuid_get_the_same_ids_every_time() -> None:
    nameless = box()
    del nameless["uuid"]
    first, second = (label(sound(FORMAT, [nameless, nameless])) for _ in range(2))
    ids = [one.feature_id for one in first.annotations.objects]
    assert len(set(ids)) == 2 and all(ids)
    assert ids == [one.feature_id for one in second.annotations.objects]
    assert first.id == second.id


def test_answers_have_ids_of_their_own() -> None:
    nested = EVERY[8]
    made = label(sound(FORMAT, [nested, {**nested, "uuid": "other"}])).annotations.classifications

    def ids(given: Classification) -> list[str]:
        found = [given.feature_id]
        for answer in given.answers():
            found.append(answer.feature_id)
            for one in answer.classifications:
                found += ids(one)
        return found

    every = [id for one in made for id in ids(one)]
    assert len(every) == 12 and len(set(every)) == 12 and all(every)


def test_answers_in_each_spelling() -> None:
    def kind(**payload: Any) -> str:
        return label(sound(FORMAT, [line(**payload)])).annotations.classifications[0].kind()

    assert kind(answer={"name": "a"}) == "radio"
    assert kind(answer=[{"name": "a"}]) == "checklist"
    assert kind(answers=[{"name": "a"}]) == "checklist"
    assert kind(answer="a") == "text"


def test_a_box_of_negative_extent_is_a_problem() -> None:
    """The vendor's SDK turns such boxes before it sends them; in a file they are a mistake."""
    rows, remarks = read(FORMAT, [box(bbox={"top": 10.0, "left": 20.0, "height": -4.0, "width": 6.0})])
    (problem,) = remarks.problems
    assert rows == []
    assert (problem.value, problem.place) == ("-4.0", "$[0] bbox.height")


def test_kinds_are_tried_in_the_order_of_the_sdk() -> None:
    one = drawn(box(polygon=POINTS))
    assert isinstance(one, PolygonObject)


def test_benchmark_mark_is_of_the_whole_label() -> None:
    rows = sound(FORMAT, [box("a"), box("b", isBenchmarkReferenceLabel=True)])
    assert label(rows).is_benchmark_reference is True
    assert all(one["isBenchmarkReferenceLabel"] is True for one in lines(FORMAT, corpus_of(rows)))


def test_unknown_keys_come_back() -> None:
    given = [box(shown=[1, None]), line("q", answer="x", weight=2)]
    found = lines(FORMAT, corpus_of(sound(FORMAT, given)))
    assert [one.get("shown", one.get("weight")) for one in found] == [[1, None], 2]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_comes_back_in_ascii_lines(name: str) -> None:
    given = [
        box(name=name, classifications=[{"name": name, "answer": name}]),
        line("q", name=name, answer=[{"name": name}]),
    ]
    corpus = corpus_of(sound(FORMAT, given))
    whole = b"".join(piece.data for piece in FORMAT.write(corpus, FORMAT.options()))  # type: ignore[misc]
    assert whole.isascii() and whole.count(b"\n") == 2
    assert [plain(json.loads(one)) for one in whole.splitlines()] == given


# Masks

INSIDE = np.zeros((3, 4), np.bool_)
INSIDE[1, 2:] = True
PNG = encode_mask(INSIDE)
COLOURS = composite([(INSIDE, (10, 20, 30)), (~INSIDE, (40, 50, 60))], 3, 4)


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "mask",
    [
        {"png": in_base64(PNG)},
        {"imBytes": in_base64(COLOURS), "colorRGB": [10, 20, 30]},
        {"instanceURI": "colours.png", "colorRGB": [10, 20, 30]},
        {"instanceURI": "mask.png"},
    ],
)
def test_pixels_of_a_mask_in_each_spelling(mask: dict[str, Any]) -> None:
    one = drawn(line(mask=mask), **{"colours.png": COLOURS, "mask.png": render_mask_8bit(INSIDE)})
    assert isinstance(one, MaskObject) and isinstance(one.mask, MaskLink)
    assert one.mask.png == PNG


def test_a_mask_known_by_its_url_alone_keeps_it() -> None:
    one = drawn(line(mask={"instanceURI": "https://example.com/m.png"}))
    assert isinstance(one, MaskObject) and one.mask == MaskLink(url="https://example.com/m.png")


def test_a_colour_of_a_picture_known_by_its_url_alone() -> None:
    one = drawn(line(mask={"instanceURI": "https://example.com/c.png", "colorRGB": [1, 2, 3]}))
    assert one.composite_mask == CompositeLink(url="https://example.com/c.png", color_rgb=(1, 2, 3))


def test_own_masks_are_written_with_their_address() -> None:
    (one,) = sound(FORMAT, [line("m", mask={"png": in_base64(PNG)})])
    stored = MaskObject(feature_id="m", name="a feature", mask=MaskLink(url="\x1a/masks/m"))
    made = msgspec.structs.replace(
        label([one]), annotations=msgspec.structs.replace(label([one]).annotations, objects=(stored,))
    )
    (part,) = one.row.projects.values()
    row = msgspec.structs.replace(one.row, projects={"": msgspec.structs.replace(part, labels=(made,))})
    (found,) = lines(FORMAT, corpus_of([row]))
    assert found["mask"] == {"instanceURI": f"{BASE_URL}/masks/m"}


# What cannot be taken over

BAD = {
    "not JSON": ([box(), "x"], "$[1]", "Expected `object`"),
    "no data row": ([box(dataRow={})], "$[0]", "id"),
    "two data rows": ([box(dataRow={"id": "a", "globalKey": "b"})], "$[0]", "id"),
    "no payload": ([line()], "$[0]", "no annotation"),
    "text for a number": ([line(point={"x": "1", "y": 2})], "$[0] point.x", "Expected `float`, got `str`"),
    "confidence above one": ([box(confidence=1.5)], "$[0] confidence", "<= 1"),
    "the same uuid twice": ([box("a"), box("a", name="other")], "$[1] uuid", "first at $[0]"),
    "an end that is not there": (
        [box("a"), line("r", relationship={"source": "a", "target": "gone"})],
        "$[1] relationship",
        "no line",
    ),
    "no base64": ([line(mask={"png": "?"})], "$[0] mask", ""),
    "no PNG": ([line(mask={"png": in_base64(b"GIF89a")})], "$[0] mask", "not a PNG"),
    "no such colour": (
        [line(mask={"imBytes": in_base64(COLOURS), "colorRGB": [9, 9, 9]})],
        "$[0] mask",
        "does not occur",
    ),
    "no such file": ([line(mask={"instanceURI": "gone.png"})], "$[0] mask", "beside"),
    "no pixels at all": ([line(mask={})], "$[0] mask", "a mask needs"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_line_takes_its_data_row_along_and_no_other(case: str) -> None:
    given, place, reason = BAD[case]
    other = box("fine", dataRow={"id": "another row"})
    rows, remarks = read(FORMAT, [*given, other])
    (problem,) = remarks.problems
    assert problem.place.startswith(place), problem
    assert reason in problem.reason, problem
    assert "\n" not in f"{problem.place}{problem.value}{problem.reason}"
    found = {one.row.data_row.id for one in rows}
    assert "another row" in found
    assert found <= {"another row"} or case == "not JSON"


@pytest.mark.parametrize(("first", "claimed"), [(box(), True), ({"data_row": {}}, False), ({}, False)])
def test_is_recognised_by_its_keys(first: dict[str, Any], claimed: bool) -> None:
    assert FORMAT.claims is not None and FORMAT.claims(first) is claimed
