"""What the command line shows: tables, trees and progress."""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.tree import Tree

from neural_automl.registry import summarise, top_trials
from neural_automl.studies import masked

if TYPE_CHECKING:
    from collections.abc import Iterable

    import optuna
    from optuna.trial import FrozenTrial
    from rich.console import Console

    from neural_automl.architecture_space import ArchitectureSpace, Outline, SpaceSummary
    from neural_automl.engine import SearchResult
    from neural_automl.registry import StudySummary

_TOP = 5


def size_text(size: float) -> str:
    """Return a number of configurations in words."""
    if isinf(size):
        return "infinitely many configurations (something is continuous)"
    return f"{size:,} configurations" if size < 1e15 else f"{size:.2e} configurations"


def print_intro(console: Console, space: ArchitectureSpace, data: str, storage: str) -> None:
    """Say what is searched, on what, and where it is kept."""
    console.print(
        f"Searching [bold]{space.name}[/bold] on {data}: "
        f"{size_text(space.get_search_space_size())}.",
        highlight=False,
    )
    console.print(f"Study: {masked(storage)}", highlight=False, soft_wrap=True)


class SearchProgress:
    """A bar over the trials of a search, with the best so far and the epochs saved.

    Used as a context, and as a callback of the study.
    """

    def __init__(self, console: Console, trials: int) -> None:
        self._progress = Progress(
            TextColumn("[bold]trials"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("best {task.fields[best]}"),
            TextColumn("epochs saved {task.fields[saved]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._progress.add_task("search", total=trials, best="-", saved="-")

    def __enter__(self) -> SearchProgress:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def __rich__(self) -> Progress:
        """Let a console print the bar as it stands."""
        return self._progress

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Show the study after a trial."""
        summary = summarise(study)
        total = summary.epochs_trained + summary.epochs_saved
        best = "-" if summary.best_values is None else f"{summary.best_values[0]:.4f}"
        saved = f"{summary.epochs_saved / total:.0%}" if total else "-"
        self._progress.update(self._task, completed=summary.trained, best=best, saved=saved)


def print_result(console: Console, result: SearchResult, storage: str | None = None) -> None:
    """Show what a search found: the best trials, the test metrics, where everything is.

    Args:
        storage: How to name the study's storage; by default by its URL.
    """
    print_status(console, result.study, summarise(result.study))
    if result.stop_reason == "interrupted":
        console.print("Interrupted; the same command goes on.", style="yellow")
    elif result.stop_reason not in ("budget", "loaded"):
        console.print(f"Ended: {result.stop_reason}.")
    if top_trials(result.study, 1) and result.stop_reason != "interrupted":
        metrics = result.test_metrics()
        text = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        console.print(
            f"Trial {result.best_trial.number} on test data that the search never saw: "
            f"[bold]{text}[/bold]",
            highlight=False,
        )
    console.print(f"Study: {masked(storage or result.storage)}", highlight=False, soft_wrap=True)


def print_status(console: Console, study: optuna.Study, summary: StudySummary) -> None:
    """Show a study: counts, and its best trials."""
    trials = top_trials(study, _TOP) if len(study.directions) == 1 else []
    if trials:
        console.print(_best_table(study, trials))
    states = ", ".join(f"{count} {state}" for state, count in sorted(summary.trials.items()))
    console.print(f"{summary.trained} trained ({states or 'no trials'})", highlight=False)
    if summary.infeasible:
        console.print(f"{summary.infeasible} infeasible", highlight=False)
    total = summary.epochs_trained + summary.epochs_saved
    if total:
        console.print(
            f"{summary.epochs_trained} epochs trained in {summary.train_seconds:.1f} s, "
            f"{summary.epochs_saved} of {total} saved by stopping",
            highlight=False,
        )
    for fallback in summary.fallbacks:
        console.print(f"fallback: {fallback}", style="yellow", markup=False)


def _best_table(study: optuna.Study, trials: list[FrozenTrial]) -> Table:
    table = Table(title=f"Best trials of {study.study_name}")
    table.add_column("trial", justify="right")
    table.add_column("value", justify="right", style="bold")
    for name in ("params", "MACs", "depth", "epochs", "seconds"):
        table.add_column(name, justify="right")
    for trial in trials:
        attributes = trial.user_attrs
        table.add_row(
            str(trial.number),
            f"{trial.value:.4f}",
            f"{attributes.get('params', 0):,}",
            f"{attributes.get('macs', 0):,}",
            str(attributes.get("depth", "-")),
            str(attributes.get("epochs", "-")),
            f"{attributes.get('train_seconds', 0.0):.1f}",
        )
    return table


def print_space(console: Console, space: ArchitectureSpace, summary: SpaceSummary) -> None:
    """Show a space: its tree, its decisions, its size, its costs."""
    tree = Tree(f"[bold]{space.name}[/bold]  input {space.input_shape}")
    _grow(tree, summary.outline)
    console.print(tree, highlight=False)
    decisions = Table(title="Open")
    decisions.add_column("parameter")
    decisions.add_column("values")
    for name, offer in summary.decisions.items():
        decisions.add_row(escape(name), escape(offer))
    console.print(decisions)
    costs = Table(title=f"Costs of {summary.samples} sampled architectures")
    for name in ("", "least", "median", "most"):
        costs.add_column(name, justify="left" if not name else "right")
    for metric, (least, median, most) in summary.costs.items():
        costs.add_row(metric, f"{least:,}", f"{median:,}", f"{most:,}")
    if summary.costs:
        console.print(costs)
    console.print(f"{size_text(summary.size)}; {summary.feasible:.0%} of the sampled are feasible")
    for constraint in space.constraints:
        console.print(f"limit: {constraint}", highlight=False)
    if not summary.feasible:
        console.print(
            f"none of {summary.samples} sampled architectures met the constraints", style="red"
        )


def _grow(tree: Tree, outline: Iterable[Outline]) -> None:
    for line in outline:
        _grow(tree.add(escape(line.label)), line.below)
