"""Predictions: near the truth, never quite it."""

import io

import numpy as np
import pytest
from PIL import Image

from annotary.sample.annotations import annotations
from annotary.sample.identity import uuids
from annotary.sample.predictions import overlap, predictions
from annotary.sample.scene import scene


@pytest.fixture(scope="module")
def pairs():
    """Truth and prediction of forty scenes, under the same ids."""
    made = []
    for index in range(40):
        view, ids = scene(1, index), uuids("run", index)
        made.append((annotations(view, ids), predictions(view, ids)))
    return made


def drawn(label):
    return {
        thing["feature_id"]: thing for thing in label["objects"] if "Relation" not in thing["annotation_kind"]
    }


def confidences(value):
    match value:
        case dict():
            own = [value["confidence"]] if "confidence" in value else []
            return own + [one for part in value.values() for one in confidences(part)]
        case list():
            return [one for part in value for one in confidences(part)]
    return []


def test_some_are_missed_some_made_up_some_confused(pairs):
    truth = {key: thing for label, _ in pairs for key, thing in drawn(label).items()}
    found = {key: thing for _, label in pairs for key, thing in drawn(label).items()}
    both = truth.keys() & found.keys()
    assert 0.05 < 1 - len(both) / len(truth) < 0.16
    assert len(found.keys() - truth.keys()) > 10
    confused = [key for key in both if truth[key]["name"] != found[key]["name"]]
    assert 5 < len(confused) < 0.1 * len(both)
    assert all(truth[key]["annotation_kind"] == found[key]["annotation_kind"] for key in both)


def test_boxes_are_near(pairs):
    overlaps = [
        overlap(thing["bounding_box"], drawn(guess)[key]["bounding_box"])
        for label, guess in pairs
        for key, thing in drawn(label).items()
        if "bounding_box" in thing and key in drawn(guess)
    ]
    assert 0.6 < float(np.median(overlaps)) < 0.98


def test_masks_are_frayed(pairs):
    for label, guess in pairs[:6]:
        for key, thing in drawn(label).items():
            if "mask" in thing and key in drawn(guess):
                exact, frayed = (
                    np.asarray(Image.open(io.BytesIO(one["mask"]["png"]))) > 0
                    for one in (thing, drawn(guess)[key])
                )
                # Grown or shrunk, never both.
                assert (exact <= frayed).all() or (frayed <= exact).all()
                assert frayed.any()


def test_confidence_is_on_objects_texts_and_answers(pairs):
    for _, guess in pairs:
        assert all("confidence" in thing for thing in drawn(guess).values())
        assert all("confidence" not in link for link in guess["relationships"])
        for answer in guess["classifications"]:
            given = answer.get("checklist_answers") or [answer.get("radio_answer") or answer["text_answer"]]
            assert all("confidence" in one for one in given)
            assert "confidence" not in answer
    values = [value for _, guess in pairs for value in confidences(guess)]
    assert all(0 <= value <= 1 and round(value, 4) == value for value in values)
    assert not [value for label, _ in pairs for value in confidences(label)]


def test_a_few_carry_custom_metrics(pairs):
    metrics = [
        metric
        for _, guess in pairs
        for thing in drawn(guess).values()
        for metric in thing.get("custom_metrics", ())
    ]
    assert len(metrics) > 20
    assert {metric["name"] for metric in metrics} == {"iou"}
    assert all(0 <= metric["value"] <= 1 for metric in metrics)


def test_relationships_join_what_is_predicted(pairs):
    for _, guess in pairs:
        known = drawn(guess)
        for link in guess["relationships"]:
            ends = link.get("unidirectional_relationship") or link["bidirectional_relationship"]
            assert set(ends.values()) <= known.keys()


def test_polygons_stay_closed(pairs):
    rings = [thing["polygon"] for _, guess in pairs for thing in drawn(guess).values() if "polygon" in thing]
    assert rings
    assert all(ring[0] == ring[-1] for ring in rings)


def test_the_truth_is_left_alone():
    view, ids = scene(1, 2), uuids("run", 2)
    before = annotations(view, ids)
    predictions(view, ids)
    assert annotations(view, ids) == before
