"""The flags of `export`, which follow from the model and the formats."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import UNSET, Meta, UnsetType

from annotary import formats
from annotary.cli import flags
from annotary.formats import Format, Options
from annotary.model.export import ExportParams
from tests.cli.conftest import PROJECT, done, refused


class Chosen(Options, frozen=True):
    pictures: Annotated[Literal["url", "png"], Meta(description="how pictures are said")] = "url"
    split: Annotated[tuple[float, ...], Meta(description="shares of the splits")] = ()
    seed: Annotated[int, Meta(ge=0)] | None = None
    careful: bool = False
    prefix: str | UnsetType = UNSET


@pytest.fixture
def format_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A format `mine` with options of every type."""
    mine = Format(title="mine", options=Chosen, write=lambda corpus, options: iter(()), lines=True)
    own, find = formats.names(), formats.load
    for module in ("annotary.formats", "annotary.cli.flags", "annotary.cli.exporting"):
        monkeypatch.setattr(f"{module}.names", lambda: (*own, "mine"))
        monkeypatch.setattr(f"{module}.load", lambda name: mine if name == "mine" else find(name))


def test_every_parameter_has_a_flag() -> None:
    said = {parameter.name for parameter in flags.parameters()}
    assert said >= set(ExportParams.__struct_fields__)


def test_every_option_of_every_format_has_a_flag() -> None:
    said = {parameter.name for parameter in flags.parameters()}
    for name in formats.names():
        form = formats.load(name)
        if form.write is not None:
            assert said >= set(form.options.__struct_fields__)


@pytest.mark.usefixtures("format_of_ones_own")
@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({"pictures": "png", "seed": 3}, Chosen(pictures="png", seed=3)),
        ({"split": "0.8,0.1,0.1"}, Chosen(split=(0.8, 0.1, 0.1))),
        ({"careful": True, "prefix": "a,b"}, Chosen(careful=True, prefix="a,b")),
        ({"pictures": None, "careful": None}, Chosen()),
    ],
)
def test_what_is_typed_becomes_options(given: dict[str, Any], made: Chosen) -> None:
    assert msgspec.convert(flags.options_for("mine", given), Chosen) == made


@pytest.mark.usefixtures("format_of_ones_own")
def test_the_help_tells_the_options() -> None:
    said = " ".join(done("export", "--help").split())
    assert "--careful" in said and "--no-careful" in said
    assert "url|png" in said


@pytest.mark.usefixtures("format_of_ones_own")
@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--careful",), "--careful is no option of labelbox-v2; it has: --field-set"),
        (("--format", "mine", "--field-set", "seed"), "--field-set is no option of mine; it has: --pictures"),
        (("--format", "mine", "--seed", "-1"), "mine: Expected `int` >= 0"),
        (("--format", "mine", "--split", "much"), "float"),
        (("--format", "mine", "--pictures", "jpeg"), "jpeg"),
    ],
)
def test_an_option_of_another_format(words: tuple[str, ...], reason: str) -> None:
    assert reason in refused("export", PROJECT, *words, status=2)


def test_a_format_whose_library_is_absent_has_no_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Format:
        raise ImportError(name)

    monkeypatch.setattr("annotary.cli.flags.load", absent)
    assert "field_set" not in {parameter.name for parameter in flags.parameters()}
