"""Every code block of README.md and docs/ runs, from top to bottom of its page, in an empty folder.

Blocks of `python` share their names; with prompts (`>>>`) they are checked as doctests. Blocks of `sh` are
run as they are; of a `console` block the lines after `$ ` are run, and the rest, which is what they print, is
not compared. A block whose info string has `no-run` is left alone.
"""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import annotary

ROOT = Path(__file__).parent.parent
PAGES = [page for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))) if page.exists()]
FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
SHELLS = {"sh", "bash", "shell", "console"}
SECONDS = 300


@dataclass(frozen=True)
class Block:
    """A fenced piece of code, and the line of the page on which its text begins."""

    page: str
    line: int
    info: tuple[str, ...]
    text: str

    @property
    def language(self) -> str:
        return self.info[0].lower() if self.info else ""

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str, text: str) -> Iterator[Block]:
    """The fenced blocks of a Markdown text that are to be run."""
    opening: re.Match[str] | None = None
    held: list[str] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if opening is None:
            opening, held = FENCE.match(line), []
        elif re.fullmatch(rf" *{opening['fence']}{opening['fence'][0]}* *", line):
            block = Block(page, number - len(held), tuple(opening["info"].split()), "".join(held))
            if "no-run" not in block.info:
                yield block
            opening = None
        else:
            indent = len(opening["indent"])
            held.append((line[indent:] if line[:indent].isspace() or not indent else line) + "\n")
    if opening is not None:
        raise ValueError(f"{page}: a block is never closed: {opening[0].strip()!r}")


def commands(block: Block) -> str:
    """The shell script of a block, without prompts and without what the commands print."""
    lines = block.text.splitlines()
    if not any(line.startswith("$ ") for line in lines):
        return block.text
    typed = []
    goes_on = False
    for line in lines:
        if line.startswith("$ ") or goes_on:
            typed.append(line.removeprefix("$ ") if not goes_on else line.removeprefix("> "))
            goes_on = line.endswith("\\")
    return "\n".join(typed) + "\n"


@dataclass
class Reader:
    """Does what a page says, as its reader would, in one folder and one Python session."""

    folder: Path
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})

    def follow(self, block: Block) -> None:
        """Run one block; what goes wrong is raised."""
        if block.language in SHELLS:
            self._type(block)
        elif block.language in {"python", "py"}:
            self._check(block) if block.text.lstrip().startswith(">>>") else self._run(block)

    def _type(self, block: Block) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANNOTARY_")}
        environment["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]])
        shell = subprocess.run(
            ["sh", "-eu", "-c", commands(block)],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        assert shell.returncode == 0, f"{block.place}: exit status {shell.returncode}\n{shell.stdout}"

    def _run(self, block: Block) -> None:
        padding = "\n" * (block.line - 1)  # so that a traceback names the line of the page
        exec(compile(padding + block.text, block.page, "exec"), self.names)

    def _check(self, block: Block) -> None:
        parse = doctest.DocTestParser().get_doctest
        test = parse(block.text, self.names, block.place, block.page, block.line - 1)
        said: list[str] = []
        doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append, clear_globs=False)
        assert not said, "".join(said)
        self.names |= test.globs


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    for name in list(os.environ):
        if name.startswith("ANNOTARY_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    reader = Reader(tmp_path)
    yield reader
    for value in reader.names.values():
        if isinstance(value, annotary.Client):
            value.close()


def follow(reader: Reader, page: str, text: str) -> None:
    for block in blocks(page, text):
        reader.follow(block)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_does_what_it_says(page: Path, reader: Reader) -> None:
    follow(reader, str(page.relative_to(ROOT)), page.read_text(encoding="utf-8"))


# -- the reader itself -----------------------------------------------------------------------------

PAGE = """
Files and names last from block to block.

```sh
echo one > file.txt
```

1. Indented, and with an info string of several words:

   ~~~python title="a"
   from pathlib import Path
   text = Path("file.txt").read_text()
   ~~~

```console
$ cat file.txt \\
>   file.txt > twice.txt
$ wc -l twice.txt
2 twice.txt
```

```python
>>> text, Path("twice.txt").read_text()
('one\\n', 'one\\none\\n')
>>> seen = True
```

```python no-run
raise SystemExit
```

```json
{"not": "run"}
```

```python
assert seen
```
"""


def test_blocks_share_a_folder_and_a_session(reader: Reader) -> None:
    follow(reader, "page.md", PAGE)
    assert (reader.folder / "twice.txt").exists()


@pytest.mark.parametrize(
    ("block", "complaint"),
    [
        ("```sh\necho before; false\ntrue\n```", r"(?s)page\.md:2: exit status 1.*before"),
        ("```console\n$ echo $UNSET\n```", r"page\.md:2: exit status"),
        ("```python\n>>> 1 + 1\n3\n```", r"(?s)page\.md.*line 2.*Expected:\s+3\s+Got:\s+2"),
        ("```python\n\n1 / 0\n```", "division by zero"),
        ("```python\nx = 1\n", "page.md: a block is never closed"),
    ],
)
def test_a_block_that_does_not_work_fails(reader: Reader, block: str, complaint: str) -> None:
    with pytest.raises((AssertionError, ZeroDivisionError, ValueError), match=complaint):
        follow(reader, "page.md", block)


def test_a_traceback_names_the_line_of_the_page(reader: Reader) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        follow(reader, "page.md", "text\n\n```python\nx = 0\n1 / x\n```\n")
    last = raised.traceback[-1]
    assert (str(last.path).endswith("page.md"), last.lineno + 1) == (True, 5)
