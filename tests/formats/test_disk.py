"""Sets that outgrow memory."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from annotary.formats import _disk, _seen


def test_a_set_knows_what_it_put_on_disk(monkeypatch: Any) -> None:
    monkeypatch.setattr(_seen, "_RECENT", 10)
    seen = _seen.Seen()
    keys: list[int | str] = [*range(25), *(f"name {at}" for at in range(25)), "7"]
    assert all(seen.add(key) for key in keys)
    assert not any(seen.add(key) for key in keys)
    assert seen.add(25)


def test_a_set_is_exact_where_the_marks_of_its_keys_are_full(monkeypatch: Any) -> None:
    monkeypatch.setattr(_seen, "_RECENT", 5)
    monkeypatch.setattr(_seen, "_BITS", 4)
    monkeypatch.setattr(_seen, "_PLACES", 15)
    seen, known = _seen.Seen(), set()
    luck = random.Random(3)
    for _ in range(2000):
        key: int | str = luck.randrange(-300, 300)
        if luck.random() < 0.3:
            key = f"{key}"
        assert seen.add(key) == (key not in known)
        known.add(key)


@pytest.mark.parametrize("bits", [4, 20])
def test_a_set_takes_several_at_once_where_all_are_new(monkeypatch: Any, bits: int) -> None:
    monkeypatch.setattr(_seen, "_RECENT", 60)
    monkeypatch.setattr(_seen, "_BITS", bits)
    monkeypatch.setattr(_seen, "_PLACES", (1 << bits) - 1)
    seen, numbers, texts = _seen.Seen(), set[int](), set[str]()
    luck = random.Random(4)
    taken = 0
    for _ in range(300):
        some = luck.sample(range(-(1 << 40), 1 << 40), 7)
        if numbers and luck.random() < 0.3:
            some[3] = luck.choice(sorted(numbers))
        assert seen.are_new(np.array(some)) == numbers.isdisjoint(some)
        if numbers.isdisjoint(some):
            seen.add_all(np.array(some))
            numbers.update(some)
        names = [f"name {one}" for one in some]
        if luck.random() < 0.2:
            names[0] = names[1]
        if seen.add_texts(names):
            assert len(set(names)) == len(names)
            assert texts.isdisjoint(names)
            texts.update(names)
            taken += 1
    # Where few places are marked, few are taken for what is there already.
    assert taken > (100 if bits > 4 else 0)
    assert not any(seen.add(one) for one in (*numbers, *texts))


@pytest.mark.parametrize("sizes", [(), (3,), (9, 1), (10, 11, 5), (1,) * 50])
def test_what_is_written_later_comes_out_as_it_went_in(monkeypatch: Any, sizes: tuple[int, ...]) -> None:
    monkeypatch.setattr(_disk, "_HELD", 10)
    later = _disk.Later()
    assert later.empty
    pieces = [bytes([at % 251]) * size for at, size in enumerate(sizes)]
    for piece in pieces:
        later.add(piece)
    assert later.empty == (not sizes)
    assert b"".join(later.chunks()) == b"".join(pieces)


def test_bytes_by_key_come_in_the_order_in_which_keys_are_wanted() -> None:
    joined = _disk.Joined()
    joined.add([1, "1", 7, 1], [b"a", b"b", b"c", b"d"])
    joined.want(["1", 3, None, 1], [b"text", b"three", b"", b"one"])
    joined.add([1, 9, 7], [b"e", b"f", b"g"])
    joined.want([1], [b"again"])
    assert list(joined.all()) == [
        (0, b"text", [b"b"]),
        (1, b"three", []),
        (2, b"", []),
        (3, b"one", [b"a", b"d", b"e"]),
        (4, b"again", [b"a", b"d", b"e"]),
    ]
    assert [(key, list(some)) for key, some in joined.others()] == [(7, [b"c", b"g"]), (9, [b"f"])]
    joined.close()


def test_nothing_at_all_is_joined() -> None:
    joined = _disk.Joined()
    assert list(joined.all()) == []
    assert list(joined.others()) == []
    joined.close()
