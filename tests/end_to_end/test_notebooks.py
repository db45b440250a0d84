"""The notebooks are run as they stand, in a folder of their own; they are kept without outputs."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def outputs(notebook: Any, kind: str) -> list[str]:
    """What the cells show in one of the forms they have."""
    shown = (output for cell in code_cells(notebook) for output in cell.outputs)
    return [output.data[kind] for output in shown if kind in output.get("data", {})]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_as_it_is_typed(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert code_cells(notebook)
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(notebook))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_link_of_a_notebook_leads_to_a_file(path: Path) -> None:
    text = "".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    links = re.findall(r"\]\(([^)#\s]+)", text)
    assert links
    assert all((path.parent / link).exists() for link in links)


@pytest.mark.slow  # trains twice, compares and quotes
def test_the_first_run_trains_plots_compares_and_quotes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", ""))))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path / "runtime"))
    notebook = nbformat.read(ROOT / "docs" / "notebooks" / "first-run.ipynb", as_version=4)
    client = NotebookClient(
        notebook, timeout=500, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    )
    client.execute()
    told = "".join(outputs(notebook, "text/html"))
    for words in (
        "finished, 4 of 4 updates",
        "minus the constant&#x27;s",
        "setting that differs",
        "mlp_matched",
        "16 pictures in lockstep x 10 steps",
        '<td style="text-align:left">total</td>',
        "fake_fez: 156 qubits",
        "read-out error",
    ):
        assert words in told, words
    assert len(outputs(notebook, "image/png")) == 2
    assert len([*tmp_path.glob("runs/2*/evaluation.json")]) == 2
