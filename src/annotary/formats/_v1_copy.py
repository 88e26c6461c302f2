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
from typing import Any, Literal

import msgspec
import numpy as np

from annotary.formats import _v1_render as render
from annotary.model.base import to_json

_LIMIT = 4096
_SAFE = (string.ascii_letters + string.digits + "-_").encode()
State = Literal["object", "question", "hidden", "link", "end"]
"""What the next id is of; a relationship among the objects is hidden, v1 has none there."""
Step = tuple[str, State]
"""The text up to and with the next id's key, in v1, and what that id is of."""


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
_KINDS = (*render.SHAPES, "ImageSegmentationMask")
_STARTS: dict[str, Step] = {
    '{"objects":[],"classifications":[{': (f'"objects":[],"classifications":[{_NEXT}', "question"),
    **{f'{{"objects":[{{"annotation_kind":"{kind}",': (f'"objects":[{_NEXT}', "object") for kind in _KINDS},
}
_NOTHING = '{"objects":[],"classifications":[],"relationships":[]}'
_LINKED = tuple(f'"relationships":[{{"annotation_kind":"{kind}",' for kind in render.LINKS)
_AFTER_SHAPE: dict[str, Step] = {
    '}],"classifications":[{': (f'}}],"classifications":[{_NEXT}', "question"),
    '}],"classifications":[],"relationships":[]}': ('}],"classifications":[]', "end"),
    **{f'}}],"classifications":[],{linked}': ('}],"classifications":[]', "link") for linked in _LINKED},
    **{f'}},{{"annotation_kind":"{kind}",': (f"}},{_NEXT}", "object") for kind in _KINDS},
    **{f'}},{{"annotation_kind":"{kind}",': ("}", "hidden") for kind in render.LINKS},
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
_SHAPES = {
    "bounding_box": (',"bbox":', "}"),
    "polygon": (',"polygon":', "]"),
    "line": (',"line":', "]"),
    "point": (',"point":', "}"),
}
"""The key of a shape in v1, and the character that ends it."""
_FLAT = ',"classifications":[],"'
_ASKED = ',"classifications":[{'
_TEXT = r'"(?:[^"\\]|\\.)*"'
_feature = re.compile(rf'(?:,"feature_schema_id":({_TEXT}))?(?:,"name":({_TEXT}))?(?:,"value":({_TEXT}))?')
_free_text = re.compile(rf',"text_answer":\{{"content":({_TEXT})\}}\}}')
_link = re.compile(
    r'(?P<feature>.*),"classifications":\[\],"(?P<direction>uni|bi)directional_relationship":'
    rf'(?P<ends>\{{"source":{_TEXT},"target":{_TEXT}\}})\}}(?:,\{{"annotation_kind":"\w+",|(?P<last>\]\}}))'
)


class Copier:
    """Lines of v1 in the making: pieces of text, and shapes on their way to their places among them."""

    def __init__(self, look: render.Look) -> None:
        self.pieces: list[str] = []
        self.shapes: list[str] = []
        self.places: list[int] = []
        self.ids: list[str] = []
        self.look = look
        self.objects = Memo(self._object_feature)
        self.questions: dict[str, Step] = {}
        self.pixels = f',"instanceURI":"{to_json(look.base_url)[1:-1]}/masks/feature/'

    def mark(self) -> tuple[int, int, int]:
        """How far the lines are, to go back to."""
        return len(self.pieces), len(self.shapes), len(self.ids)

    def back_to(self, mark: tuple[int, int, int]) -> None:
        """Forget what came after a mark."""
        pieces, shapes, ids = mark
        del self.pieces[pieces:], self.shapes[shapes:], self.places[shapes:], self.ids[ids:]

    def clear(self) -> None:
        """Forget everything."""
        self.pieces, self.shapes, self.places, self.ids = [], [], [], []

    def finish(self) -> bytes:
        """The text of all lines; there are none left then. Raises Unusual."""
        if "".join(self.ids).encode().translate(None, _SAFE):
            raise Unusual
        pieces = self.pieces
        for place, shape in zip(self.places, whole_numbers(self.shapes), strict=True):
            pieces[place] = shape
        self.clear()
        return "".join(pieces).encode("ascii")

    def annotations(self, section: bytes) -> bool:
        """Add `Label`'s members of a section; False where there is nothing in it. Raises Unusual."""
        start, *parts = section.decode("ascii").split(_CUT)
        pieces, ids = self.pieces, self.ids
        if not parts and start == _NOTHING:
            pieces.append('"objects":[],"classifications":[]')
            return False
        text, state = _STARTS.get(start) or _refuse()
        pieces.append(text)
        drawn, known = self.objects, self.questions.get
        owner = ""
        for number, part in enumerate(parts):
            id, _, rest = part.partition('"')
            if state == "question":
                step = known(rest)
                if step is None:
                    state = self._question(id, rest, owner)
                else:
                    text, state = step
                    pieces.append(f'{id}"{text}')
            elif state == "object":
                owner = id
                ids.append(id)
                feature, flat, back = rest.partition(_FLAT)
                if flat:
                    pieces.append(f'{id}"{drawn[feature]}')
                    state = self._shape(id, back)
                else:
                    feature = rest.removesuffix(_ASKED)
                    pieces.append(f'{id}"{drawn[feature]},"classifications":[{_NEXT}')
                    state = "question"
            elif state == "hidden":
                state = self._hidden(rest)
            elif state == "link":
                self._links(parts[number:])
                return True
            else:
                raise Unusual
        if state != "end":
            raise Unusual
        return True

    def _shape(self, id: str, back: str) -> State:
        """Add an object from its shape on; gives what comes next."""
        name, _, body = back.partition('":')
        known = _SHAPES.get(name)
        if known is None:
            return self._mask(id, name, body)
        key, last = known
        end = body.find(last) + 1
        text, state = _AFTER_SHAPE.get(body[end:]) or _refuse()
        pieces = self.pieces
        self.places.append(len(pieces) + 1)
        if name == "polygon":
            # The first point is repeated as the last; v1 leaves it out.
            first = body[1 : body.find("}") + 1]
            if body.endswith(first, len(first) + 1, end - 1):
                self.shapes.append(body[: end - len(first) - 2])
                pieces += (key, "", f']{self.pixels}{id}"{text}')
                return state
        self.shapes.append(body[:end])
        pieces += (key, "", f'{self.pixels}{id}"{text}')
        return state

    def _mask(self, id: str, name: str, body: str) -> State:
        """Add where a mask's pixels are: here, or at the URL by which alone they are known."""
        if name != "mask" or not body.startswith('{"url":"'):
            raise Unusual
        url, _, tail = body[7:].partition("}")
        text, state = _AFTER_SHAPE.get(tail) or _refuse()
        if url.startswith('"\x1a/'):
            self.pieces.append(f'{self.pixels}{id}"{text}')
        elif url.isprintable() and len(url) > 2:
            self.pieces.append(f',"instanceURI":{url}{text}')
        else:
            raise Unusual
        return state

    def _question(self, id: str, rest: str, owner: str) -> State:
        """Add a question or an answer that was not seen before, or that ends in text or before a shape."""
        found = _feature.match(rest)
        assert found is not None  # it matches nothing, too
        left = rest[found.end() :]
        is_answer = left.startswith(',"classifications"')
        feature = self._feature(found, "" if is_answer else "scope")
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
        return self._shape(owner, left[3:])

    def _hidden(self, rest: str) -> State:
        _, _, body = rest.partition(_FLAT)
        text, state = _AFTER_SHAPE.get(body[body.find("}") + 1 :]) or _refuse()
        if state == "object" or state != "hidden":
            self.pieces.append(text[1:])
        return state

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


def _refuse() -> Any:
    raise Unusual


def whole_numbers(shapes: Sequence[str]) -> list[str]:
    """Shapes with `977` for `977.0`.

    Done for many at once and by numpy: to replace text in each would cost as much as all the rest of a line.
    """
    text = "\n".join(shapes).encode("ascii")
    if not text:
        return []
    codes = np.frombuffer(text, np.uint8)
    dots = np.flatnonzero((codes[:-2] == ord(".")) & (codes[1:-1] == ord("0")))
    after = codes[dots + 2]
    dots = dots[(after == ord(",")) | (after == ord("}"))]
    if len(dots):
        kept = np.ones(len(codes), np.bool_)
        kept[dots] = kept[dots + 1] = False
        text = codes[kept].tobytes()
    return text.decode("ascii").split("\n")
