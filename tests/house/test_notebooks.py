"""The notebooks run from top to bottom, quietly, and hold the output of such a run."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError

from tests.house.repository import ROOT

EXECUTE = runpy.run_path(str(ROOT / "notebooks" / "execute.py"))
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
IDS = [path.stem for path in NOTEBOOKS]


def _made(*sources: str) -> Any:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


def _kinds(notebook: Any) -> list[list[str]]:
    """For each cell, what it showed: the kinds, without the contents."""
    return [
        [",".join(sorted(output.get("data", {output.output_type: ""}))) for output in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_a_notebook_runs_as_it_was_kept(path: Path, tmp_path: Path) -> None:
    kept = nbformat.read(path, as_version=4)
    ran = EXECUTE["execute"](nbformat.read(path, as_version=4), tmp_path)

    assert EXECUTE["complaints"](ran) == []
    assert _kinds(ran) == _kinds(kept)


def test_there_is_one_for_each_of_the_five_tasks() -> None:
    listed = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")

    assert len(NOTEBOOKS) == 5
    assert [path.name for path in NOTEBOOKS if f"({path.name})" not in listed] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=IDS)
def test_a_notebook_is_kept_whole(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]

    assert notebook.cells[0].source.startswith("# ")
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert any("image/png" in output.get("data", {}) for cell in code for output in cell.outputs)
    assert set(notebook.metadata.language_info) == {"name"}  # of no machine and no version
    assert path.stat().st_size < 200_000


@pytest.mark.slow
def test_a_warning_in_a_cell_is_an_error(tmp_path: Path) -> None:
    loud = _made("import warnings", "warnings.warn('old')")

    with pytest.raises(CellExecutionError, match="UserWarning"):
        EXECUTE["execute"](loud, tmp_path)


@pytest.mark.slow
def test_what_runs_around_the_cells_is_not_kept(tmp_path: Path) -> None:
    ran = EXECUTE["execute"](_made("1 + 1", "import sys; print('x', file=sys.stderr)"), tmp_path)

    assert [cell.execution_count for cell in ran.cells] == [1, 2]
    assert ran.cells[0].outputs[0].execution_count == 1
    assert EXECUTE["complaints"](ran) == ["x\n"]
