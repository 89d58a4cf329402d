"""What the command line shows: tables, trees and progress."""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING, Any, Final

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

from neural_automl.architecture_space import number_text
from neural_automl.registry import front_trials, metrics_of, summarise
from neural_automl.studies import masked
from neural_automl.utils import create_architecture_summary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import optuna
    from optuna.trial import FrozenTrial
    from rich.console import Console

    from neural_automl.architecture_space import ArchitectureSpace, Outline, SpaceSummary
    from neural_automl.data import DataSplits
    from neural_automl.engine import SearchResult
    from neural_automl.registry import StudySummary

_TOP = 5


def size_text(space: ArchitectureSpace) -> str:
    """Return how much a space holds, in words."""
    architectures = space.get_search_space_size(training=False)
    size = space.get_search_space_size()
    text = _counted(architectures, "architecture")
    if size == architectures:
        return text
    return f"{text}, {_counted(size, 'configuration')} with their training"


def _counted(number: float, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{'infinitely many' if isinf(number) else number_text(number)} {noun}s"


def _say(console: Console, text: str, style: str | None = None) -> None:
    """Print a sentence as one line, whatever the terminal's width."""
    console.print(text, style=style, highlight=False, soft_wrap=True)


def print_intro(
    console: Console,
    space: ArchitectureSpace,
    data: str,
    splits: DataSplits,
    metrics: Sequence[str],
    device: str,
) -> None:
    """Say what is searched, and on what."""
    _say(console, f"Searching [bold]{escape(space.name)}[/bold]: {size_text(space)}.")
    parts = {"to train": splits.train, "to validate": splits.validation, "to test": splits.test}
    counts = ", ".join(f"{len(pair[1]):,} {use}" for use, pair in parts.items() if pair is not None)
    kind = f"{splits.classes} classes" if splits.task == "classification" else "regression"
    _say(
        console,
        f"Data {escape(data)}: {counts}; {kind}. Metric {', '.join(metrics)}, on {device}.",
    )


class SearchProgress:
    """A bar over the trials of a search, with the best so far and the epochs saved.

    Where there is no terminal, which would show it once at the end, a line for each trial. Used as
    a context, and as a callback of the study.
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
        self._console = console
        self._trials = trials
        self._used: dict[str, float] = {}
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
        # A search with hyperparameters in sequence has several studies.
        self._used[study.study_name] = summary.full_trainings
        best = "-" if summary.best_values is None else _number(summary.best_values[0])
        saved = f"{summary.epochs_saved / total:.0%}" if total else "-"
        self._progress.update(
            self._task, completed=sum(self._used.values()), best=best, saved=saved
        )
        if not self._console.is_terminal:
            done = f"{sum(self._used.values()):.3g} of {self._trials}"
            _say(self._console, f"{trial_line(trial)} ({done}, best {best})")


def trial_line(trial: FrozenTrial) -> str:
    """Return how a trial ended, in a line."""
    values = ", ".join(f"{value:.4g}" for value in trial.values or ())
    return f"trial {trial.number}: {trial.state.name.lower()} {values}".rstrip()


class ScoreProgress:
    """Says on a console, now and then, how many networks are scored."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said = -1

    def __call__(self, done: int, total: int) -> None:
        """Say so at each tenth."""
        tenth = 10 * done // total
        if tenth > self._said:
            self._said = tenth
            _say(self._console, f"warm start: {done:,} of {total:,} networks scored")


def print_result(
    console: Console, result: SearchResult, storage: str | None = None
) -> dict[str, float]:
    """Show what a search found: the best trials, the test metrics, where everything is.

    Args:
        storage: How to name the study's storage; by default by its URL.

    Returns:
        The test metrics, where they were measured.
    """
    summary = summarise(result.study)
    print_status(console, result.study, summary)
    if result.stop_reason == "interrupted":
        _say(console, "Interrupted; the same command goes on.", "yellow")
    elif result.stop_reason == "trained already":
        _say(
            console,
            "Nothing was left to train: ask for more with --trials, or name another --study.",
            "yellow",
        )
    elif result.stop_reason not in ("budget", "loaded"):
        _say(console, f"Ended: {result.stop_reason}.")
    metrics = {}
    if summary.best_trial is not None and result.stop_reason != "interrupted":
        metrics = result.test_metrics()
        text = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
        _say(
            console,
            f"Trial {summary.best_trial} on test data that the search never saw: "
            f"[bold]{text}[/bold]",
        )
    if len(result.studies) > 1:
        _say(console, f"The best of the studies {escape(', '.join(result.studies))}")
    _say(console, f"Study: {escape(masked(storage or result.storage))}")
    return metrics


def print_status(console: Console, study: optuna.Study, summary: StudySummary) -> None:
    """Show a study: its best trials, and counts."""
    trials = front_trials(study, _TOP)
    if trials:
        console.print(_best_table(study, trials))
    _say(console, _counts_text(summary))
    total = summary.epochs_trained + summary.epochs_saved
    if total:
        _say(
            console,
            f"{summary.epochs_trained} epochs trained in {summary.train_seconds:.1f} s, "
            f"{summary.epochs_saved} of {total} saved: {_saved_text(summary)}",
        )
    if "strategy" in study.user_attrs:
        _say(console, f"strategy: {escape(str(study.user_attrs['strategy']))}")
    if summary.warm_start:
        _say(console, f"warm start: {escape(summary.warm_start)}")
    if summary.kendall:
        parts = ", ".join(f"{name} {tau:+.2f}" for name, tau in summary.kendall.items())
        _say(
            console,
            f"zero-cost scores with {metrics_of(study)[0]}, Kendall's tau of "
            f"{summary.kendall_trials} trainings: {parts}",
        )
    if any(summary.seconds.values()):
        parts = ", ".join(f"{kind} {value:.1f}" for kind, value in summary.seconds.items())
        _say(console, f"seconds: {parts}")
    if summary.predictor is not None:
        _say(console, f"predictor: {_standing_text(summary.predictor)}")
    for fallback in summary.fallbacks:
        _say(console, f"fallback: {escape(fallback)}", "yellow")


def _saved_text(summary: StudySummary) -> str:
    """Return who saved the epochs; what saved none is left out, but for stopping."""
    text = f"{summary.epochs_saved_by_stopping} by stopping"
    if summary.epochs_saved_by_known_values:
        text += f", {summary.epochs_saved_by_known_values} by known values"
    if summary.epochs_saved_by_rungs:
        text += f", {summary.epochs_saved_by_rungs} by rungs"
    if summary.epochs_saved_by_prediction:
        text += f", {summary.epochs_saved_by_prediction} by prediction"
    return text


def _standing_text(standing: Mapping[str, Any]) -> str:
    """Return what a study says of its predictor, in words."""
    text = f"{'trusted' if standing['trusted'] else 'not trusted'}, {standing['why']}; "
    text += f"rank correlation {standing['cross_validated']:.2f} cross-validated"
    if standing["measured"] is not None:
        text += f", {standing['measured']:.2f} on the {standing['measured_on']} predicted last"
    return text


def _counts_text(summary: StudySummary) -> str:
    """Return the trials in words: those that trained, then all others."""
    text = f"{summary.trained} trained"
    if summary.trained:
        complete = summary.trained - summary.stopped - summary.lower_rungs
        text += f": {complete} to the end, {summary.stopped} stopped early"
        if summary.lower_rungs:
            text += f", {summary.lower_rungs} on lower rungs"
    others = {
        "repeats": summary.repeats,
        "skipped": summary.skipped,
        "infeasible": summary.infeasible,
        "interrupted": summary.interrupted,
        "failed": summary.trials.get("fail", 0) - summary.interrupted,
        "running": summary.trials.get("running", 0),
        "waiting": summary.trials.get("waiting", 0),
    }
    listed = ", ".join(f"{count} {name}" for name, count in others.items() if count)
    return f"{text}; {listed}" if listed else text


def _number(value: float) -> str:
    """Return a metric to four places, and a count in full."""
    return f"{int(value):,}" if abs(value) > 1 and float(value).is_integer() else f"{value:.4f}"


def _best_table(study: optuna.Study, trials: list[FrozenTrial]) -> Table:
    several = len(study.directions) > 1
    table = Table(
        title=f"{'Pareto front' if several else 'Best trials'} of {escape(study.study_name)}"
    )
    table.add_column("trial", justify="right")
    metrics = metrics_of(study)
    for name in metrics:
        table.add_column(name, justify="right", style="bold")
    costs = [name for name in _COLUMNS if name not in metrics]
    for name in costs:
        table.add_column(_COLUMNS[name], justify="right")
    for trial in trials:
        table.add_row(
            str(trial.number),
            *map(_number, trial.values),
            *(_cell(trial.user_attrs.get(name)) for name in costs),
        )
    return table


_COLUMNS: Final = {
    "params": "params",
    "macs": "MACs",
    "depth": "depth",
    "epochs": "epochs",
    "train_seconds": "seconds",
}


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else "-"


def print_space(console: Console, space: ArchitectureSpace, summary: SpaceSummary) -> None:
    """Show a space: its tree, its decisions, its size, its costs."""
    tree = Tree(f"[bold]{space.name}[/bold]  input {space.input_shape}")
    _grow(tree, summary.outline)
    console.print(tree, highlight=False)
    decisions = Table(title="Open")
    decisions.add_column("parameter", overflow="fold")
    decisions.add_column("values", overflow="fold")
    for name, offer in summary.decisions.items():
        decisions.add_row(escape(name), escape(offer))
    if summary.decisions:
        console.print(decisions)
    drawn = f"all {summary.samples}" if summary.complete else f"{summary.samples} draws"
    costs = Table(title=f"Costs in {drawn}, limits left aside")
    for name in ("", "least", "median", "most"):
        costs.add_column(name, justify="left" if not name else "right")
    for metric, (least, median, most) in summary.costs.items():
        costs.add_row(_UNITS[metric], f"{least:,}", f"{median:,}", f"{most:,}")
    if summary.costs:
        console.print(costs)
    if summary.architectures == 1 and summary.costs:
        _say(
            console,
            escape(create_architecture_summary(space.sample_architecture(0, feasible=False))),
        )
    _say(console, f"{size_text(space)}; {_distinct(summary)}")
    _say(console, f"{summary.feasible:.0%} of the {summary.samples} looked at are feasible")
    for constraint in space.constraints:
        _say(console, f"limit: {constraint}")
    for place, count in list(summary.infeasible.items())[:5]:
        _say(console, f"infeasible in {count / summary.samples:.0%}: {escape(_broken(place))}")
    for name, places in summary.tied.items():
        _say(console, f"decided once, used {places} times: {escape(name)}")
    for name in summary.idle:
        _say(console, f"changes nothing that is computed: {escape(name)}", "yellow")
    if not summary.feasible:
        _say(console, f"none of {summary.samples} architectures met the constraints", "red")


def _distinct(summary: SpaceSummary) -> str:
    if summary.complete:
        plural = "" if summary.distinct == 1 else "s"
        return f"{summary.distinct:,} different function{plural}"
    if summary.distinct_is_bound:
        return f"more than {summary.distinct:,} different functions"
    return f"about {summary.distinct:,} different functions, estimated from {summary.samples} draws"


def _broken(place: str) -> str:
    return f"{place} cannot follow" if place.startswith("layers") else place


_UNITS: Final = {
    "params": "parameters",
    "macs": "MACs a sample",
    "peak_memory_bytes": "peak activations, bytes a sample",
    "depth": "depth, layers with weights",
}


def _grow(tree: Tree, outline: Iterable[Outline]) -> None:
    for line in outline:
        _grow(tree.add(escape(line.label)), line.below)
