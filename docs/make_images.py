"""Make the pictures of the documentation with the program itself.

    python docs/make_images.py

writes docs/images/search.svg: what `neural-automl search examples/digits.neural --data digits
--trials 20` shows at its end.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from rich.console import Console

from neural_automl import AutoMLEngine, load_data
from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.commands import _tables as tables

ROOT = Path(__file__).parent.parent
TRIALS = 20


def main() -> None:
    """Run the search and save what it shows."""
    space = ArchitectureSpace.from_dsl(ROOT / "examples" / "digits.neural")
    console = Console(record=True, width=104, force_terminal=True)
    command = f"neural-automl search examples/digits.neural --data digits --trials {TRIALS}"
    console.print(f"[green]$[/green] {command}", highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        engine = AutoMLEngine(output_dir=folder, device="cpu")
        shown = "sqlite:///results/study.db"
        splits = load_data("digits")
        tables.print_intro(console, space, "digits", splits, ["val_accuracy"], "cpu")
        # A recorded live display keeps its first frame: show it elsewhere, and record the last.
        with tables.SearchProgress(Console(), TRIALS) as progress:
            result = engine.search(space, splits, max_trials=TRIALS, callbacks=[progress])
        console.print(progress)
        tables.print_result(console, result, shown)
    target = ROOT / "docs" / "images" / "search.svg"
    target.parent.mkdir(exist_ok=True)
    console.save_svg(str(target), title="neural-automl search")


if __name__ == "__main__":
    main()
