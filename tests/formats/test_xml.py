"""XML: bounded, without entities, with lines; texts are safe in it."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotary.formats import _xml as xml
from annotary.formats._json import Broken


def test_children_come_one_by_one_with_their_lines():
    text = b"<r>\n<a x='1'>one<b/></a>\n<!-- no -->\n<c> two </c></r>"
    pieces = (text[at : at + 3] for at in range(0, len(text), 3))
    a, c, root = xml.children(pieces)
    assert (a.tag, a.attributes, a.line, [one.tag for one in a.children]) == ("a", {"x": "1"}, 2, ["b"])
    assert (c.tag, c.text, c.line) == ("c", " two ", 4)
    assert (root.tag, root.children) == ("r", [])


@given(st.text(), st.text())
def test_texts_come_back_unless_xml_cannot_say_them(text, value):
    made = f'<r a="{xml.quoted(value)}">{xml.escaped(text)}</r>'
    root = ElementTree.fromstring(made.encode("utf-8"))
    if xml.sayable(text):
        assert (root.text or "") == text
    if xml.sayable(value):
        assert root.get("a") == value


def test_what_cannot_be_said_is_replaced():
    assert xml.escaped("a\x00b\ud800") == "a\ufffdb\ufffd"
    assert not xml.sayable("\x0b") and xml.sayable("\t\n\U0001f600")


def test_plain_elements_come_back():
    root = xml.document([b"<r><a x='1&quot;'><b>t &amp; u</b><c/></a></r>"])
    (a,) = root.children
    assert a.plain() == ["a", [["b", "t & u"], ["c", ""]], {"x": '1"'}]
    assert xml.document([f"<r>{xml.markup(a.plain(), '')}</r>".encode()]).children[0].plain() == a.plain()


@pytest.mark.parametrize(
    "wrong",
    [1, [], ["a"], ["a b", "x"], ["a", "x", 3], ["a", "x", {"b c": "1"}], ["a", [["<", ""]]], ["a", 5]],
)
def test_what_is_carried_is_not_trusted(wrong):
    with pytest.raises(ValueError, match="not "):
        xml.markup(wrong, "")


def test_carried_depth_is_bounded():
    deep = ["a", ""]
    for _ in range(100):
        deep = ["a", [deep]]
    with pytest.raises(ValueError, match="more than 40 elements in each other"):
        xml.markup(deep, "\t")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "no element found"),
        (b"<a><b></a>", "mismatched tag"),
        (b"<a>\x00</a>", "not well-formed"),
        (b'<?xml version="1.0" encoding="nonsense"?><a/>', "unknown encoding"),
        (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "entities of a document's own are not read"),
        (b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>', "entities of a document's own"),
        (b"<a>" * 60, "more than 40 in each other"),
    ],
)
def test_what_is_wrong_is_named(text, reason):
    with pytest.raises(Broken, match=reason):
        list(xml.children([text]))


def test_what_is_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(xml, "MOST", 10)
    monkeypatch.setattr(xml, "LONGEST", 100)
    with pytest.raises(Broken, match="more than 10 elements"):
        list(xml.children([b"<a>" + b"<b>" + b"<c/>" * 20]))
    with pytest.raises(Broken, match="more than 10 elements"):
        xml.document([b"<a>"] + [b"<b/>"] * 20)
    with pytest.raises(Broken, match="of text"):
        list(xml.children([b"<a>" + b"x" * 200]))
