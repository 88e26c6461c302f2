"""What a label shows is the same, told by its text or while it is worked out."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select

from annotary.engine.core import Engine
from annotary.engine.demo import load_demo
from annotary.model.image import WORDS
from annotary.store import Store
from annotary.store.schema import labels, shown
from annotary.store.signatures import ANSWERS, shown_in, signature_of, things_of


def test_an_import_signs_as_the_text_says(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    load_demo(Engine(store), tmp_path / "pictures", draw=False)
    kinds = set()
    with store.reading() as connection:
        explained: dict[int, list[tuple[str, str]]] = {}
        for one in connection.execute(select(shown)):
            explained.setdefault(one.signature, []).append((one.kind, one.name))
        for label in connection.execute(select(labels)):
            shows = shown_in(label.annotations)
            assert label.signature == signature_of(shows)
            assert sorted(explained.get(label.signature, [])) == things_of(shows)
            kinds.update(kind for kind, _ in things_of(shows))
    store.close()
    assert kinds == {*WORDS.values(), *ANSWERS}


def test_a_number_is_that_of_the_things_and_says_whether_anything_is_drawn() -> None:
    assert signature_of("[]") == 0
    answered, drawn = shown_in('{"objects":[],"x":[{"radio_answer":1}]}'), '[["box","car"]]'
    assert things_of(answered) == [("radio", "")]
    assert signature_of(answered) % 2 == 0
    assert signature_of(drawn) % 2 == 1
    # Stores hold these numbers: they must not change.
    assert signature_of(drawn) == 104298649625429155
