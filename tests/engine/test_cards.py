"""Rows as small pictures."""

from __future__ import annotations

import numpy
import pytest

from annotary.engine.cards import outline
from annotary.formats._png import encode_mask
from annotary.model.export import ExportFilters, ProjectScope
from annotary.operations.looking import FindRows
from tests.engine.world import World, box, mask


def test_the_outline_of_a_mask_is_near_its_pixels() -> None:
    pixels = numpy.zeros((640, 960), bool)
    pixels[100:300, 200:500] = True
    pixels[150:250, 300:400] = False
    outer, hole = outline(encode_mask(pixels))
    assert (min(outer[::2]), max(outer[::2])) == pytest.approx((200, 500), abs=6)
    assert (min(outer[1::2]), max(outer[1::2])) == pytest.approx((100, 300), abs=6)
    assert (min(hole[::2]), max(hole[::2])) == pytest.approx((300, 400), abs=6)


def test_what_covers_most_of_an_image_has_none() -> None:
    assert outline(encode_mask(numpy.ones((64, 64), bool))) == ()


def test_a_card_has_what_is_drawn(world: World) -> None:
    world.label(0, box(1), mask("road-1"))
    (card,) = world.call(
        FindRows(scope=ProjectScope(id="streets"), filters=ExportFilters(data_row_ids=(world.ids[0],)))
    ).rows
    first, second = card.shapes
    assert (first.kind, first.name, first.points) == ("box", "Big Car", (1, 1.5, 3, 4.5))
    assert (second.kind, second.name, second.feature_id) == ("mask", "road", "road-1")
    assert second.rings
    assert (card.labels, card.more_shapes, card.width, card.height) == (1, 0, 12, 8)
