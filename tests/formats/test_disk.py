"""Sets that outgrow memory."""

from __future__ import annotations

from typing import Any

from annotary.formats import _disk


def test_a_set_knows_what_it_put_on_disk(monkeypatch: Any) -> None:
    monkeypatch.setattr(_disk, "_RECENT", 10)
    seen = _disk.Seen()
    keys: list[int | str] = [*range(25), *(f"name {at}" for at in range(25)), "7"]
    assert all(seen.add(key) for key in keys)
    assert not any(seen.add(key) for key in keys)
    assert seen.add(25)
