"""Small pictures of rows: what is drawn, in which colour, and that names stay names."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from annotary.operations.looking import Drawn, RowCard
from annotary.server.pages import drawing


def _card(*shapes: Drawn, width: int = 200, height: int = 100, more: int = 0, id: str = "row") -> RowCard:
    return RowCard(
        data_row_id=id,
        global_key=None,
        external_id=None,
        name="row",
        width=width,
        height=height,
        status="",
        labels=1,
        predictions=0,
        shapes=shapes,
        more_shapes=more,
    )


def _paths(card: RowCard, **more: object) -> list[dict[str, str]]:
    picture = ElementTree.fromstring(drawing.svg_of(card, **more))  # type: ignore[arg-type]
    return [one.attrib for one in picture.iter("path")]


def test_a_mask_is_drawn_with_its_holes() -> None:
    rings = ((0, 0, 9, 0, 9, 9), (2, 2, 3, 2, 3, 3))
    (path,) = _paths(_card(Drawn(feature_id="a", kind="mask", name="road", rings=rings)))
    assert path["d"] == "M0 0L9 0L9 9ZM2 2L3 2L3 3Z"
    assert path["fill-rule"] == "evenodd"
    assert _paths(_card(Drawn(feature_id="a", kind="mask", name="sky"))) == []


def test_a_box_is_drawn_in_the_colour_of_its_class() -> None:
    card = _card(Drawn(feature_id="a", kind="box", name="car", points=(1, 2, 3.5, 4)))
    (path,) = _paths(card, known={"car": "#E6413C"})
    assert (path["d"], path["fill"], path["stroke"]) == ("M1 2L3.5 2L3.5 4L1 4Z", "#e6413c", "#e6413c")
    assert _paths(card)[0]["stroke"] == drawing.colour("car")
    assert _paths(card, known={"car": 'red" onload="x'})[0]["stroke"] == drawing.colour("car")
    assert _paths(card, faults={"a"})[0]["stroke"] == drawing.FAULT


@pytest.mark.parametrize(
    ("kind", "points", "paths"),
    [
        ("polygon", (0, 0, 4, 0, 4, 4.256), ["M0 0L4 0L4 4.26Z"]),
        ("polyline", (0, 0, 4, 0, 4, 4), ["M0 0L4 0L4 4"]),
        ("point", (7, 8), ["M7 8h0", "M7 8h0"]),
        ("cuboid", tuple(range(16)), ["M8 9L10 11L12 13L14 15Z", "M0 1L2 3L4 5L6 7Z"]),
        ("mask", (), []),
    ],
)
def test_every_kind_has_its_paths(kind: str, points: tuple[float, ...], paths: list[str]) -> None:
    found = _paths(_card(Drawn(feature_id="a", kind=kind, name="x", points=points)))
    assert [one["d"] for one in found] == paths


def test_predictions_are_dashed() -> None:
    labelled = Drawn(feature_id="a", kind="box", name="x", points=(0, 0, 1, 1))
    said = Drawn(feature_id="b", kind="box", name="x", points=(0, 0, 1, 1), is_prediction=True)
    dashes = [one.get("stroke-dasharray") for one in _paths(_card(labelled, said))]
    assert dashes == [None, "3 2"]


def test_a_picture_says_how_much_is_on_it_and_has_the_size_of_its_image() -> None:
    one = Drawn(feature_id="a", kind="box", name="x", points=(10, 20, 300, 150))
    made = drawing.svg_of(_card(one, more=1234))
    assert 'viewBox="0 0 200 100"' in made and 'aria-label="1,235 objects"' in made
    assert 'href="/api/v1/data-rows/row/thumbnail?blank=1"' in made
    assert 'viewBox="0 0 300 150"' in drawing.svg_of(_card(one, width=0, height=0))


def test_no_name_and_no_address_ends_an_attribute() -> None:
    evil = '"><script>alert(1)</script>'
    made = drawing.svg_of(_card(Drawn(feature_id=evil, kind=evil, name=evil, points=(0, 0, 1, 1)), id=evil))
    assert "<script" not in made
    assert "style=" not in made and not re.search(r"\son\w+=", made)


def test_colours_are_stable_and_differ() -> None:
    names = [f"class {number}" for number in range(40)]
    found = drawing.colours(names, {})
    assert found == drawing.colours(reversed(names), {})
    assert len(set(found.values())) > 36
    assert all(re.fullmatch(r"#[0-9a-f]{6}", one) for one in found.values())


def test_colours_that_look_alike_are_told_apart_and_others_stay() -> None:
    alike = (("sky", "#4a90e2"), *((f"class {number}", f"#ff{number:02x}00") for number in range(20)))
    found = drawing.told_apart((*alike, ("class 0", "#000000"), ("none", "")))
    assert found["class 0"] == "#ff0000" and found["sky"] == "#4a90e2"
    assert len(set(found.values())) == len(found) == 22
    # A class that comes later changes no colour before it.
    assert drawing.told_apart(alike).items() <= found.items()


def test_embedded_json_cannot_leave_its_element() -> None:
    made = drawing.embedded({"</script>": "<!--<script>&\u2028"})
    assert not set("<>&\u2028") & set(made)
