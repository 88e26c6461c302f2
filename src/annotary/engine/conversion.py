"""What came of a conversion, and where it is put."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotary.engine import sinks
from annotary.engine.findings import Findings
from annotary.engine.manifest import beside
from annotary.formats import Format, Part
from annotary.model.program import version
from annotary.model.task import Artifact

Progress = Callable[[int], None]
ONTOLOGY = "ontology"


@dataclass
class Conversion:
    """What came of a conversion."""

    format: str
    to: str
    findings: Findings = field(default_factory=Findings)
    files: list[Artifact] = field(default_factory=list)
    rows: int = 0
    annotations: int = 0

    @property
    def losses(self) -> dict[str, Any]:
        """The ledger, as `--json` and `losses.json` show it."""
        return self.findings.ledger.document()


def deliver(
    done: Conversion,
    parts: Iterator[Part],
    destination: Path,
    name: str,
    form: Format,
    options: Any,
    ontology: bytes = b"",
) -> None:
    """Put it where it shall be; with an ontology, beside rows that do not say all of it."""
    about = {
        "annotary": version(),
        "converted": Path(name).name,
        "from": done.format,
        "format": done.to,
    }
    ledger = done.findings.ledger
    last = beside(
        about,
        ledger,
        lambda: {"rows": done.rows, "annotations": done.annotations},
        manifest=not options.one_file(),
    )

    def all_beside(listed: Iterator[bytes] | None) -> Iterator[Part]:
        if ontology:
            yield Part(ontology_name(destination.name), ontology)
        yield from last(listed)

    done.files = sinks.deliver(
        parts,
        destination,
        lines=form.writes_lines(options),
        one_file=options.one_file(),
        name=Path(name).name.split(".")[0] + form.ending,
        beside=all_beside,
    )


def ontology_name(name: str) -> str:
    """What the ontology beside a file is called.

    >>> ontology_name("rows.ndjson.gz")
    'rows.ontology.json'
    """
    return f"{name.split('.')[0]}.{ONTOLOGY}.json"
