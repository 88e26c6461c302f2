"""CVAT's labels, attributes and tags, and what they are here: classes, answers on objects and images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw

from annotary.formats._xml import Element, markup
from annotary.model.image import NOTHING, Class, Classes
from annotary.model.ledger import Ledger

TAGS = "tags"
"""The checklist whose answers are an image's tags."""
_TYPES = ("checkbox", "radio", "select", "number", "text")
_BOOLEAN = frozenset(("true", "false"))


class Attribute(NamedTuple):
    """A value of an attribute; `kind` is radio or text."""

    name: str
    value: str
    kind: str


# Out of answers


def attributes_of(raw: Raw, ledger: Ledger, id: str) -> list[Attribute]:
    """The answers about an object as attributes."""
    return list(_attributes(msgspec.json.decode(raw) if raw else (), "", ledger, id))


def tags_of(raw: Raw, ledger: Ledger, id: str) -> Iterator[tuple[str, list[Attribute]]]:
    """The answers about an image as tags: label and attributes of each."""
    for one in msgspec.json.decode(raw) if raw else ():
        name = str(one.get("name") or one.get("value") or "")
        if name == TAGS and "checklist_answers" in one:
            for answer in one["checklist_answers"]:
                inside = answer.get("classifications") or ()
                yield str(answer.get("name")), list(_attributes(inside, "", ledger, id))
            continue
        if "radio_answer" in one:
            answer = one["radio_answer"]
            rest = _nested(answer, "", ledger, id)
            yield name, [Attribute("answer", str(answer.get("name")), "radio"), *rest]
        elif "text_answer" in one:
            yield name, [Attribute("text", str(one["text_answer"].get("content", "")), "text")]
        else:
            yield (
                name,
                [
                    each
                    for answer in one.get("checklist_answers", ())
                    for each in _chosen(answer, "", ledger, id)
                ],
            )


def _attributes(answered: Iterable[Any], before: str, ledger: Ledger, id: str) -> Iterator[Attribute]:
    for one in answered:
        name = before + str(one.get("name") or one.get("value") or "")
        if "text_answer" in one:
            yield Attribute(name, str(one["text_answer"].get("content", "")), "text")
        elif "radio_answer" in one:
            answer = one["radio_answer"]
            yield Attribute(name, str(answer.get("name")), "radio")
            yield from _nested(answer, f"{name}/", ledger, id)
        else:
            ledger.approximated("answer", "a checklist became a checkbox for each answer", id)
            for answer in one.get("checklist_answers", ()):
                yield from _chosen(answer, f"{name}/", ledger, id)


def _chosen(answer: Any, before: str, ledger: Ledger, id: str) -> Iterator[Attribute]:
    name = before + str(answer.get("name"))
    yield Attribute(name, "true", "radio")
    yield from _nested(answer, f"{name}/", ledger, id)


def _nested(answer: Any, before: str, ledger: Ledger, id: str) -> Iterator[Attribute]:
    if inside := answer.get("classifications"):
        ledger.approximated("answer", "nested questions became attributes of their own", id)
        yield from _attributes(inside, before, ledger, id)


# Into answers


def answers_of(element: Element, kinds: dict[str, str]) -> Raw:
    """The attributes of an object as answers; `kinds` are the input types of its label's attributes."""
    found = _answers(element, kinds)
    return Raw(msgspec.json.encode(found)) if found else NOTHING


def _answers(element: Element, kinds: dict[str, str]) -> list[dict[str, Any]]:
    found = []
    for one in element.children:
        name = one.attributes.get("name", "")
        if one.tag != "attribute" or not name:
            continue
        if kinds.get(name, "text") in ("text", "number"):
            found.append({"name": name, "text_answer": {"content": one.text}})
        elif one.text:
            found.append({"name": name, "radio_answer": {"name": one.text}})
    return found


def tags_as_answer(tags: list[Element], kinds: dict[str, dict[str, str]]) -> Raw:
    """An image's tags as one answered checklist; their attributes hang under the answers."""
    answers = []
    for one in tags:
        label = one.attributes.get("label", "")
        answer: dict[str, Any] = {"name": label}
        if nested := _answers(one, kinds.get(label, {})):
            answer["classifications"] = nested
        answers.append(answer)
    return Raw(msgspec.json.encode([{"name": TAGS, "checklist_answers": answers}])) if answers else NOTHING


# Labels


def _listed(found: Any) -> list[Any]:
    return found if isinstance(found, list) else []


def _is_element(found: Any) -> bool:
    try:
        markup(found, "")
    except ValueError:
        return False
    return True


class _Label:
    """A label as it will be listed."""

    def __init__(self, name: str, said: Any, color: str = "", type: str = "") -> None:
        given = said if isinstance(said, dict) else {}
        self.name = name
        self.color = color
        self.type = str(given.get("type", type))
        self.rest = [one for one in _listed(given.get("rest")) if _is_element(one)]
        self.attributes: dict[str, dict[str, Any]] = {}
        for one in _listed(given.get("attributes")):
            if isinstance(one, dict) and isinstance(one.get("name"), str):
                values = [str(value) for value in _listed(one.get("values"))]
                self.attributes[one["name"]] = {**one, "values": values}

    def met(self, one: Attribute) -> None:
        """A value of an attribute, which may not be listed yet."""
        known = self.attributes.setdefault(
            one.name, {"name": one.name, "input_type": "text" if one.kind == "text" else "", "values": []}
        )
        if known.get("input_type") in ("", "radio", "select") and one.value not in known["values"]:
            known["values"].append(one.value)

    def element(self) -> list[Any]:
        inside: list[Any] = [["name", self.name]]
        if self.color:
            inside.append(["color", self.color])
        if self.type:
            inside.append(["type", self.type])
        attributes = [["attribute", _members(one)] for one in self.attributes.values()]
        return ["label", [*inside, ["attributes", attributes or ""], *self.rest]]


def _members(one: dict[str, Any]) -> list[list[str]]:
    values = one["values"]
    kind = str(one.get("input_type") or ("checkbox" if set(values) <= _BOOLEAN else "select"))
    if kind == "checkbox" and not one.get("input_type"):
        values = ["false", "true"]
    default = one.get("default_value")
    first = values[0] if values and kind != "text" else ""
    return [
        ["name", str(one["name"])],
        ["mutable", str(one.get("mutable", "False"))],
        ["input_type", kind],
        ["default_value", str(default) if default is not None else first],
        ["values", "\n".join(values)],
    ]


class Labels:
    """The labels of an export: classes in order, then those that are only tags.

    `carried` is what files said of the whole, by format.
    """

    def __init__(self, classes: Classes, carried: dict[str, Any]) -> None:
        self._classes = classes
        self._carried = carried
        self._labels: dict[str, _Label] = {}
        self._tags: dict[str, _Label] | None = None

    def _known_tags(self) -> dict[str, _Label]:
        """The labels of tags; those a file lists are known once it has been begun."""
        if self._tags is None:
            tags = self._carried.get("cvat", {}).get("tags")
            self._tags = {
                str(name): _Label(str(name), said, str(said.get("color", "")), "tag")
                for name, said in (tags.items() if isinstance(tags, dict) else ())
                if isinstance(said, dict)
            }
        return self._tags

    def met(self, name: str, found: Iterable[Attribute], *, tag: bool = False) -> None:
        """A label that is used, with the attributes of that use."""
        if tag and name not in self._classes.by_name:
            label = self._known_tags().setdefault(name, _Label(name, {}, type="tag"))
        else:
            self._classes.index(name)
            label = self._label(self._classes.by_name[name])
        for one in found:
            label.met(one)

    def _label(self, one: Class) -> _Label:
        found = self._labels.get(one.name)
        if found is None:
            found = self._labels[one.name] = _Label(one.name, one.category.get("cvat"), one.color)
        return found

    def lines(self, indent: str) -> str:
        """The element of all labels."""
        listed = [self._label(one) for one in self._classes]
        rest = [one for name, one in self._known_tags().items() if name not in self._classes.by_name]
        return markup(["labels", [one.element() for one in (*listed, *rest)] or ""], indent, "  ")


def label_of(element: Element) -> tuple[str, str, dict[str, Any]]:
    """A listed label: name, colour, and what is carried: type, attributes and what else stands there."""
    said: dict[str, Any] = {}
    if kind := element.said("type"):
        said["type"] = kind
    attributes = element.child("attributes")
    found = []
    for one in attributes.children if attributes is not None else ():
        kind = one.said("input_type")
        found.append(
            {
                "name": one.said("name"),
                "mutable": one.said("mutable") or "False",
                "input_type": kind if kind in _TYPES else "text",
                "default_value": one.said("default_value"),
                "values": _values(one.said("values")),
            }
        )
    if found:
        said["attributes"] = found
    known = ("name", "color", "type", "attributes")
    if rest := [one.plain() for one in element.children if one.tag not in known]:
        said["rest"] = rest
    return element.said("name"), element.said("color"), said


def _values(text: str) -> list[str]:
    return text.split("\n") if text else []
