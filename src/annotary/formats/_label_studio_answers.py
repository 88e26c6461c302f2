"""Answers to questions as Label Studio has them: choices and text, beside the regions they are about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from annotary.formats._json import shown

AS_TEXT = ("rating", "number", "datetime")
"""What annotary has as text."""
ANSWERS = ("choices", "textarea", "taxonomy", *AS_TEXT)
Json = dict[str, Any]


def answered(kind: str, name: str, value: Json) -> Json:
    """A question's answer as the model has it; raises ValueError."""
    found = value.get(kind if kind != "textarea" else "text")
    if not name:
        raise ValueError("an answer to no question")
    if kind == "choices" and isinstance(found, list) and found:
        names = [{"name": str(one)} for one in found]
        return {
            "name": name,
            **({"radio_answer": names[0]} if len(names) == 1 else {"checklist_answers": names}),
        }
    if kind == "taxonomy" and isinstance(found, list) and found:
        paths = ["/".join(map(str, one)) if isinstance(one, list) else str(one) for one in found]
        return {"name": name, "checklist_answers": [{"name": one} for one in paths]}
    if kind == "textarea" and isinstance(found, list | str):
        text = found if isinstance(found, str) else "\n".join(map(str, found))
        return {"name": name, "text_answer": {"content": text}}
    if kind in AS_TEXT and isinstance(found, int | float | str):
        return {"name": name, "text_answer": {"content": str(found)}}
    raise ValueError(f"an answer of {kind} that is {shown(found)}")


def items(question: Json) -> Iterator[tuple[str, Json]]:
    """A model's answered question and those nested under it: each question's name, and its item."""
    name = str(question.get("name") or question.get("value") or "")
    text = question.get("text_answer")
    radio = question.get("radio_answer")
    chosen = [radio] if isinstance(radio, dict) else question.get("checklist_answers")
    below = list(question.get("classifications") or [])
    if isinstance(text, dict):
        yield name, {"type": "textarea", "value": {"text": [text.get("content", "")]}}
    elif isinstance(chosen, list):
        names = [one.get("name") or one.get("value") or "" for one in chosen]
        yield name, {"type": "choices", "value": {"choices": names}}
        below += [inner for one in chosen for inner in one.get("classifications") or []]
    for inner in below:
        yield from items(inner)
