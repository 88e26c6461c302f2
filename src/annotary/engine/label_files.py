"""Which files of a folder are of labels, where no format claims the folder as a whole."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from annotary.engine.manifest import is_beside
from annotary.errors import Invalid

_JSON = (".json", ".jsonl", ".ndjson")


def label_files(folder: Path, tables: tuple[str, ...]) -> list[Path]:
    """The JSON files of a folder in order of name, else those with the endings of tables.

    Raises Invalid where it has neither. What annotary writes beside an export is not among them.
    """
    files = sorted(one for one in folder.rglob("*") if one.is_file())
    for endings in (_JSON, tables):
        inside = [one for one in files if _bare(one.name).endswith(endings)]
        if inside := [one for one in inside if not is_beside(one.name, partial(_start, one))]:
            return inside
    raise Invalid(
        f"{folder} is of no known format: it has no .json, .jsonl, .ndjson, {', '.join(tables)} file"
        " (nor these with .gz, .zst), and no format that reads folders knows its own in it"
    )


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)


def _bare(name: str) -> str:
    return name.removesuffix(".gz").removesuffix(".zst")


def is_json(path: str) -> bool:
    """Whether a file is to be JSON by its name, packed or not."""
    return _bare(path).endswith(_JSON)
