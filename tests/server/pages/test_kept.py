"""Answers that are kept: once for a key, by whoever asks, and no more than fit."""

from __future__ import annotations

import threading

import pytest

from annotary.errors import Invalid
from annotary.server.pages.kept import Kept


def test_an_answer_is_worked_out_once_for_all_who_ask_at_once() -> None:
    kept, made, found = Kept(), [], []
    begun, go = threading.Event(), threading.Event()

    def make() -> str:
        made.append(1)
        begun.set()
        assert go.wait(10)
        return "answer"

    askers = [threading.Thread(target=lambda: found.append(kept.get("key", make))) for _ in range(5)]
    for one in askers:
        one.start()
    assert begun.wait(10)
    assert kept.known("key") is None
    go.set()
    for one in askers:
        one.join(10)
    assert (found, made) == (["answer"] * 5, [1])
    assert kept.known("key") == "answer"


def test_different_keys_do_not_wait_for_each_other() -> None:
    kept = Kept()
    assert kept.get("outer", lambda: kept.get("inner", lambda: 1) + 1) == 2


def test_an_error_is_not_kept() -> None:
    kept = Kept()

    def fails() -> str:
        raise Invalid("not now")

    with pytest.raises(Invalid, match="not now"):
        kept.get("key", fails)
    assert kept.get("key", lambda: "now") == "now"


def test_what_was_asked_for_last_is_kept() -> None:
    kept = Kept(limit=2)
    for key in ("a", "b", "a", "c"):
        kept.get(key, lambda key=key: key.upper())  # type: ignore[misc]
    assert [kept.known(key) for key in ("a", "b", "c")] == ["A", None, "C"]
