"""What was carried with images and marks may be anything: no traceback, and it can be read again."""

from pathlib import Path

import pytest
from msgspec import Raw

from annotary.model.geometry import Box
from annotary.model.image import BOX, POLYGON, Image, Mark
from tests.formats.everything import Found, stored, written

ANYTHING = (
    b"5", b"null", b"[]", b'["attributes"]', b'{"attributes":5,"open_images":[1],"iscrowd":"x"}',
    b'{"attributes":{"box_id":{},"is_group_of":[1]},"bbox":"x","area":{},"segmentation":7}', b'{"a":' * 3000,
)  # fmt: skip


@pytest.mark.parametrize("name", ["csv", "parquet", "imagefolder", "openimages"])
@pytest.mark.parametrize("carried", ANYTHING, ids=lambda text: text[:20].decode())
def test_whatever_was_carried(name: str, carried: bytes, tmp_path: Path) -> None:
    marks = [
        Mark(kind=BOX, name="a", bounding_box=Box(left=1, top=1, width=2, height=2), coco=Raw(carried)),
        Mark(kind=POLYGON, name="a", ring=[1.0, 1.0, 5.0, 1.0, 5.0, 5.0], coco=Raw(carried)),
    ]
    image = Image(external_id="a.jpg", row_data="a.jpg", width=9, height=9, marks=marks, coco=Raw(carried))
    files, ledger = written(name, [image])
    assert {one.kind: one.came_out for one in ledger.balance} == {"box": 1, "polygon": 1}
    found = Found(name, stored(files, tmp_path / "set"))
    assert not found.problems and not found.refused
    assert len(found.images[0].marks) == 2
