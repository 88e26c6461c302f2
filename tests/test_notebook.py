"""The tutorial notebook runs from top to bottom."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

SECONDS = 60
NOTEBOOK = ROOT / "examples" / "export_annotations.ipynb"


def read() -> Any:
    """The notebook."""
    import nbformat

    return nbformat.read(NOTEBOOK, as_version=4)


def test_outputs_are_not_committed() -> None:
    cells = [cell for cell in read().cells if cell.cell_type == "code"]
    assert cells
    assert all(cell.outputs == [] and cell.execution_count is None for cell in cells)


def test_it_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # those of the notebook's machinery, not ours
        from nbclient import NotebookClient

        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
        monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
        book = read()
        running = NotebookClient(
            book, timeout=SECONDS, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
        )
        running.execute()
    shown = [output for cell in book.cells for output in cell.get("outputs", ())]
    assert not [output for output in shown if output.output_type == "error"]
    pictures = [output for output in shown if "image/png" in output.get("data", {})]
    assert len(pictures) == 2, "a mask over its picture, and a mask from the server"
