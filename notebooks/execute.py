"""Run the notebooks from top to bottom and write what they show into them.

    python notebooks/execute.py [NOTEBOOK ...]

Needs the extra ``dev``. Each runs in a folder of its own, which goes when it has ended, so nothing
that it writes stays. Warnings are errors, as in the tests.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
SECONDS = 300
#: Runs before the first cell and is not kept. Optuna marks parts as experimental that we use
#: knowingly, and the tests ignore the same.
FIRST = """\
import warnings
from optuna.exceptions import ExperimentalWarning
warnings.simplefilter("error")
warnings.simplefilter("ignore", ExperimentalWarning)
"""
#: Runs after the last one: the kernel itself warns while it shuts down.
LAST = "import warnings\nwarnings.resetwarnings()"


def execute(notebook: Any, folder: Path) -> Any:
    """Run a notebook in a folder and return it with its outputs, clean of the machine's traces.

    Args:
        notebook: As ``nbformat.read`` gives it; its own outputs are replaced.
        folder: Where its cells run.

    Raises:
        CellExecutionError: A cell failed, or warned.
    """
    shown = notebook.cells
    notebook.cells = [_code(FIRST), *shown, _code(LAST)]
    NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
    ).execute(env={**os.environ, "XDG_RUNTIME_DIR": str(folder)})
    notebook.cells = shown
    # The kernel adds its own version, which says nothing of the notebook.
    notebook.metadata.language_info = {"name": "python"}
    number = 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            number += 1
            cell.execution_count = number
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = number
    return notebook


def _code(source: str) -> Any:
    return nbformat.v4.new_code_cell(source)


def complaints(notebook: Any) -> list[str]:
    """Return what the cells wrote to their error output: a reader need not see logs."""
    return [
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.output_type == "stream" and output.name == "stderr"
    ]


def main(names: list[str]) -> None:
    """Run the named notebooks, by default all, and write them back."""
    for path in [Path(name) for name in names] or sorted(HERE.glob("*.ipynb")):
        with tempfile.TemporaryDirectory() as folder:
            notebook = execute(nbformat.read(path, as_version=4), Path(folder))
        if found := complaints(notebook):
            raise SystemExit(f"{path.name} wrote to its error output:\n{''.join(found)}")
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main(sys.argv[1:])
