"""Writes the generated parts of the documentation, or with --check says whether they are up to date.

Tables and help texts derive from the code: a marker `<!-- generated: NAME -->` is followed by what NAME
gives, up to `<!-- end -->`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_type_hints

import measured

from annotary.formats import load, names
from annotary.model.export import ExportParams

ROOT = Path(__file__).parent.parent
COMMANDS = (
    "demo",
    "import",
    "export",
    "formats",
    "projects",
    "stats",
    "evaluate",
    "lint",
    "show",
    "datasets",
    "models",
    "tasks",
    "snapshot",
    "snapshots",
    "keys",
    "orgs",
    "migrate",
    "check",
)
MARK = re.compile(r"<!-- generated: (\w+) -->\n(?:.*?<!-- end -->\n)?", re.DOTALL)


def params() -> str:
    """The table of export parameters."""
    rows = ["| parameter | shows |", "|---|---|"]
    for name, hint in get_type_hints(ExportParams, include_extras=True).items():
        meta = [one for one in get_args(hint) if hasattr(one, "description")]
        rows.append(f"| `{name}` | {meta[0].description if meta else ''} |")
    return "\n".join(rows)


def formats() -> str:
    """The table of formats."""
    rows = ["| format | reads | writes | what it can say |", "|---|---|---|---|"]
    for name in names():
        form = load(name)
        reads = "yes" if form.read or form.read_ontology else ""
        rows.append(f"| `{name}` | {reads} | {'yes' if form.write else ''} | {form.says} |")
    return "\n".join(rows)


def commands() -> str:
    """The help of every command."""
    texts = []
    for words in ([], *([name] for name in COMMANDS)):
        shown = " ".join(["annotary", *words])
        texts.append(f"## {shown}\n\n```text\n{_help(words)}\n```\n")
    return "\n".join(texts).rstrip()


def _help(words: list[str]) -> str:
    plain = {"COLUMNS": "110", "TERMINAL_WIDTH": "110", "NO_COLOR": "1", "TERM": "dumb"}
    found = subprocess.run(
        [sys.executable, "-c", "from annotary.cli import main; main()", *words, "--help"],
        env={**os.environ, **plain},
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.rstrip() for line in found.stdout.strip().splitlines()]
    return "\n".join(lines).replace("python -c", "annotary")


PARTS: dict[str, Callable[[], str]] = {
    "params": params,
    "formats": formats,
    "kinds": measured.table,
    "commands": commands,
}


def filled(text: str) -> str:
    """A page with its generated parts as they should be."""
    return MARK.sub(
        lambda found: f"<!-- generated: {found[1]} -->\n\n{PARTS[found[1]]()}\n\n<!-- end -->\n", text
    )


def main() -> int:
    """Fill all pages, or check them."""
    stale = []
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))):
        text = page.read_text()
        wanted = filled(text)
        if text != wanted:
            stale.append(page.name)
            if "--check" not in sys.argv:
                page.write_text(wanted)
    if "--check" in sys.argv and stale:
        print(f"out of date: {', '.join(stale)}; run: make docs", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
