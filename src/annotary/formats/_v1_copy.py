"""Stored annotations as v1, copied: what comes again and again is not parsed again, and no shape is.

A section is cut at every `"feature_id":"`. What stands between two ids is one of a few texts that all
labels have (this feature, then a box), but for shapes, free text and the addresses of masks; each such text
is checked and rewritten when it is first seen. Quotes within JSON text are escaped, so what is looked for
here can only be the structure of the section itself.

What is not laid out as usual raises `Unusual`; such a label is rendered from its values in place of this.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from annotary.formats import _v1_render as render
from annotary.model.base import to_json

_LIMIT = 4096
_SAFE = (string.ascii_letters + string.digits + "-_").encode()
Step = tuple[str, str]
"""The text up to and with the next id's key, in v1, and what that id is of: the kind of an object or of a
relationship among the objects, which v1 does not show there, or `question`, `link`, `end`."""


class Unusual(Exception):
    """A label that cannot be copied."""


class Memo(dict[Any, Any]):
    """What was made of texts that come again and again; it does not grow without end."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self.make = make

    def __missing__(self, key: Any) -> Any:
        if len(self) >= _LIMIT:
            self.clear()
        made = self[key] = self.make(key)
        return made


_CUT = '"feature_id":"'
_NEXT = '{"featureId":"'
_RING, _MASK = "ImagePolygon", "ImageSegmentationMask"
_KINDS = (*render.SHAPES, _MASK)
_STARTS: dict[str, Step] = {
    '{"objects":[],"classifications":[{': (f'"objects":[],"classifications":[{_NEXT}', "question"),
    **{f'{{"objects":[{{"annotation_kind":"{kind}",': (f'"objects":[{_NEXT}', kind) for kind in _KINDS},
}
_NOTHING = '{"objects":[],"classifications":[],"relationships":[]}'
_LINKED = tuple(f'"relationships":[{{"annotation_kind":"{kind}",' for kind in render.LINKS)
_AFTER_SHAPE: dict[str, Step] = {
    '}],"classifications":[{': (f'}}],"classifications":[{_NEXT}', "question"),
    '}],"classifications":[],"relationships":[]}': ('}],"classifications":[]', "end"),
    **{f'}}],"classifications":[],{linked}': ('}],"classifications":[]', "link") for linked in _LINKED},
    **{f'}},{{"annotation_kind":"{kind}",': (f"}},{_NEXT}", kind) for kind in _KINDS},
    **{f'}},{{"annotation_kind":"{kind}",': ("}", kind) for kind in render.LINKS},
}
_AFTER_QUESTION: dict[str, Step] = {
    ",{": (f",{_NEXT}", "question"),
    '],"relationships":[]}': ("]", "end"),
    **{f"],{linked}": ("]", "link") for linked in _LINKED},
}
_ANSWERED = {
    ',"classifications":[]}}': "}}",
    ',"classifications":[]}]}': "}]}",
    ',"checklist_answers":[]}': ',"answers":[]}',
}
"""The end of a question, from its last answer."""
_AFTER_FEATURE: dict[str, Step] = {
    ',"radio_answer":{': (f',"answer":{_NEXT}', "question"),
    ',"checklist_answers":[{': (f',"answers":[{_NEXT}', "question"),
    ',"classifications":[]},{': (f"}},{_NEXT}", "question"),
    **{
        f"{answered}{after}": (f"{ended}{text}", state)
        for answered, ended in _ANSWERED.items()
        for after, (text, state) in _AFTER_QUESTION.items()
    },
}
_FLAT = ',"classifications":[],"'
_SHAPES = {
    "ImageBoundingBox": (f'{_FLAT}bounding_box":', ',"bbox":', "}"),
    _RING: (f'{_FLAT}polygon":', ',"polygon":', "]"),
    "ImagePolyline": (f'{_FLAT}line":', ',"line":', "]"),
    "ImageLine": (f'{_FLAT}line":', ',"line":', "]"),
    "ImagePoint": (f'{_FLAT}point":', ',"point":', "}"),
    _MASK: (f'{_FLAT}mask":', "", "}"),
}
"""What stands before a shape or a mask, its key in v1, and the character that ends it."""
_CUTS = {kind: before for kind, (before, _, _) in _SHAPES.items()}
_RING_CUT = _CUTS[_RING]
_URL = '{"url":'
_QUESTIONED = ',"classifications":[{'
_TEXT = r'"(?:[^"\\]|\\.)*"'
_feature = re.compile(rf'(?:,"feature_schema_id":({_TEXT}))?(?:,"name":({_TEXT}))?(?:,"value":({_TEXT}))?')
_free_text = re.compile(rf',"text_answer":\{{"content":({_TEXT})\}}\}}')
_link = re.compile(
    r'(?P<feature>.*),"classifications":\[\],"(?P<direction>uni|bi)directional_relationship":'
    rf'(?P<ends>\{{"source":{_TEXT},"target":{_TEXT}\}})\}}(?:,\{{"annotation_kind":"\w+",|(?P<last>\]\}}))'
)


class Copier:
    """Lines of v1 in the making, as pieces of text."""

    def __init__(self, look: render.Look) -> None:
        self.pieces: list[str] = []
        self.ids: list[str] = []
        # Only who writes needs numpy for it.
        from annotary.formats._v1_numbers import WholeNumbers

        self.whole_numbers = WholeNumbers()
        self.look = look
        self.objects = Memo(self._object_feature)
        self.questions: dict[str, Step] = {}
        self.pixels = f',"instanceURI":"{to_json(look.base_url)[1:-1]}/masks/feature/'
        self.shaped = {
            kind: (
                _CUTS[kind],
                last,
                Memo(partial(self._before_shape, key)),
                None if kind == _MASK else f"{last}{self.pixels}",
            )
            for kind, (_, key, last) in _SHAPES.items()
        }

    def mark(self) -> tuple[int, int]:
        """How far the lines are, to go back to."""
        return len(self.pieces), len(self.ids)

    def back_to(self, mark: tuple[int, int]) -> None:
        """Forget what came after a mark."""
        pieces, ids = mark
        del self.pieces[pieces:], self.ids[ids:]

    def clear(self) -> None:
        """Forget everything."""
        self.pieces, self.ids = [], []

    def finish(self) -> bytes:
        """The text of all lines; there are none left then. Raises Unusual."""
        if "".join(self.ids).encode().translate(None, _SAFE):
            raise Unusual
        text = "".join(self.pieces).encode("ascii")
        self.clear()
        return self.whole_numbers.of(text)

    def annotations(self, section: bytes) -> bool:
        """Add `Label`'s members of a section; False where there is nothing in it. Raises Unusual."""
        start, *parts = section.decode("ascii").split(_CUT)
        if not parts and start == _NOTHING:
            self.pieces.append('"objects":[],"classifications":[]')
            return False
        text, state = _STARTS.get(start) or _refuse()
        self.pieces.append(text)
        number = 0
        owner = ("", "")
        while number < len(parts):
            if state in self.shaped:
                number, state = self._shaped(parts, number, state)
            if state == "question":
                number, state = self._asked(parts, number, owner)
            elif state == "link":
                self._links(parts[number:])
                return True
            elif number < len(parts):
                owner = (parts[number].partition('"')[0], state)
                state = self._object(parts[number], *owner)
                number += 1
        if state != "end":
            raise Unusual
        return True

    def _shaped(self, parts: list[str], number: int, state: str) -> tuple[int, str]:
        """The hot path: objects with a shape or mask and no questions, as many as stand in a row."""
        steps, kinds = _AFTER_SHAPE, self.shaped
        add, named = self.pieces.append, self.ids.append
        shape = kinds.get(state)
        while shape is not None and number < len(parts):
            cut, last, features, tail = shape
            front, found, back = parts[number].partition(cut)
            if not found:
                break
            id, _, feature = front.partition('"')
            drawn, _, after = back.partition(last)
            text, state = steps.get(after) or _refuse()
            named(id)
            if tail is None:
                add(f"{id}{features[feature]}{self._instance(drawn + last, id)}{text}")
            else:
                if cut is _RING_CUT:
                    # A polygon goes without the repetition of its first point.
                    first = drawn.find("}") + 1
                    if first and drawn.endswith(drawn[1:first], first):
                        drawn = drawn[:-first]
                add(f'{id}{features[feature]}{drawn}{tail}{id}"{text}')
            shape = kinds.get(state)
            number += 1
        return number, state

    def _object(self, part: str, id: str, kind: str) -> str:
        """Add an object up to its questions, or nothing for a relationship; gives what comes next."""
        rest = part[len(id) + 1 :]
        if kind in render.LINKS:
            return self._hidden(rest)
        self.ids.append(id)
        feature = self.objects[rest.removesuffix(_QUESTIONED)]
        self.pieces.append(f'{id}"{feature},"classifications":[{_NEXT}')
        return "question"

    def _end(self, back: str, id: str, kind: str) -> str:
        """Add what stands behind the questions of an object: its shape, or where its pixels are."""
        before, key, last = _SHAPES.get(kind) or _refuse()
        start = len(before) - len(_FLAT)
        end = back.find(last, start) + 1
        text, state = _AFTER_SHAPE.get(back[end:]) or _refuse()
        if not back.startswith(before[len(_FLAT) :]):
            raise Unusual
        if kind == _MASK:
            self.pieces.append(f"{self._instance(back[start:end], id)}{text}")
        else:
            drawn = _opened(back, start, end) if kind == _RING else back[start:end]
            self.pieces.append(f'{key}{drawn}{self.pixels}{id}"{text}')
        return state

    def _instance(self, mask: str, id: str) -> str:
        """Where a mask's pixels are: here, or at the URL by which alone they are known. Raises Unusual."""
        if not mask.startswith(f'{_URL}"') or len(mask) <= len(f'{_URL}""}}'):
            raise Unusual
        own = mask.startswith(f'{_URL}"\x1a/')
        return f'{self.pixels}{id}"' if own else f',"instanceURI":{mask[len(_URL) : -1]}'

    def _hidden(self, rest: str) -> str:
        """Pass over a relationship among the objects."""
        _, _, body = rest.partition(_FLAT)
        text, state = _AFTER_SHAPE.get(body[body.find("}") + 1 :]) or _refuse()
        if state not in render.LINKS:
            # The brace belongs to the object before, which has it already.
            self.pieces.append(text[1:])
        return state

    def _asked(self, parts: list[str], number: int, owner: tuple[str, str]) -> tuple[int, str]:
        """Add questions and answers, as many as stand in a row."""
        add, known, state = self.pieces.append, self.questions.get, "question"
        while state == "question" and number < len(parts):
            id, _, rest = parts[number].partition('"')
            step = known(rest)
            if step is None:
                state = self._question(id, rest, owner)
            else:
                text, state = step
                add(f'{id}"{text}')
            number += 1
        return number, state

    def _question(self, id: str, rest: str, owner: tuple[str, str]) -> str:
        """Add a question or an answer that was not seen before, or that ends in text or before a shape."""
        found = _feature.match(rest) or _refuse()
        left = rest[found.end() :]
        feature = self._feature(found, "" if left.startswith(',"classifications"') else "scope")
        step = _AFTER_FEATURE.get(left)
        if step is not None:
            if len(self.questions) >= _LIMIT:
                self.questions.clear()
            text, state = self.questions[rest] = f"{feature}{step[0]}", step[1]
            self.pieces.append(f'{id}"{text}')
            return state
        text, left = _answer(left)
        step = _AFTER_QUESTION.get(left)
        if step is not None:
            self.pieces.append(f'{id}"{feature}{text}{step[0]}')
            return step[1]
        if not left.startswith('],"'):
            raise Unusual
        self.pieces.append(f'{id}"{feature}{text}]')
        return self._end(left[3:], *owner)

    def _links(self, parts: Sequence[str]) -> None:
        """Relationships, the last of a section."""
        comma = ',"relationships":['
        for number, part in enumerate(parts):
            id, _, rest = part.partition('"')
            found = _link.fullmatch(rest)
            feature = found and _feature.fullmatch(found["feature"])
            if not found or not feature or bool(found["last"]) != (number == len(parts) - 1):
                raise Unusual
            schema = f',"schemaId":{feature[1]}' if feature[1] else ""
            self.pieces.append(
                f'{comma}{_NEXT}{id}"{schema},"data":{found["ends"]}'
                f',"relationshipType":"{found["direction"]}directional","version":1}}'
            )
            comma = ","
        self.pieces.append("]")

    def _before_shape(self, key: str, feature: str) -> str:
        """What stands between an object's id and its shape, from its feature in v2; raises Unusual."""
        return f'"{self.objects[feature]}{key}'

    def _object_feature(self, text: str) -> str:
        return self._feature(_feature.fullmatch(text) or _refuse(), "color")

    def _feature(self, found: re.Match[str], extra: str) -> str:
        """What follows an id: its feature in v1, with what the ontology says of it."""
        names = ("feature_schema_id", "name", "value")
        given = {
            name: msgspec.json.decode(text)
            for name, text in zip(names, found.groups(), strict=True)
            if text is not None
        }
        shown = render.identity(given)
        table = {"color": self.look.colors, "scope": self.look.scopes}.get(extra, {})
        said = render.said_of(given, table)
        if said is not None:
            shown[extra] = said
        return f",{to_json(shown)[1:-1]}" if shown else ""


def _answer(left: str) -> tuple[str, str]:
    """The end of a question in v1, and what is left after it."""
    found = _free_text.match(left)
    if found is not None:
        return f',"answer":{found[1]}}}', left[found.end() :]
    for answered, ended in _ANSWERED.items():
        if left.startswith(answered):
            return ended, left[len(answered) :]
    raise Unusual


def _opened(text: str, start: int, end: int) -> str:
    """A polygon without the repetition of its first point."""
    first = text.find("}", start) + 1
    point = text[start + 1 : first]
    if text.endswith(point, first, end - 1):
        return text[start : end - len(point) - 2] + "]"
    return text[start:end]


def _refuse() -> Any:
    raise Unusual
