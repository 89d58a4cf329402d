"""The command `retrain`: the best networks of a search again, and which of them is the best."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from neural_automl.commands._arguments import (
    BackendOption,
    DataOption,
    DeviceOption,
    ImportOption,
    JsonOption,
    MissingOption,
    StorageOption,
    StudyOption,
    TargetOption,
)
from neural_automl.commands._exit import wrong_options
from neural_automl.commands._output import print_json

if TYPE_CHECKING:
    from neural_automl.retraining import Retrained


def retrain(
    storage: StorageOption,
    data: DataOption,
    study: StudyOption = None,
    target: TargetOption = None,
    missing: MissingOption = "error",
    top: Annotated[
        int, typer.Option("--top", "-k", min=1, help="How many networks, the best ones.")
    ] = 3,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs",
            min=1,
            help="Of each training; by default twice those of the search.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option("--seeds", min=2, help="How often each network is trained.")
    ] = 5,
    metric: Annotated[
        str | None,
        typer.Option(
            "--metric",
            help="To rank by, as test_accuracy; by default what the search optimised.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="A new folder that the best network is written to, as by export.",
            show_default=False,
        ),
    ] = None,
    device: DeviceOption = "auto",
    backend: BackendOption = "pytorch",
    as_json: JsonOption = False,
    imports: ImportOption = None,
) -> None:
    """Train the best networks again, longer and several times, and compare them.

    Each is trained on training and validation data together and measured on the test data. A winner
    is named where the difference is more than chance.

    [bold]Example:[/bold] neural-automl retrain --storage results --data digits --top 3 --seeds 5
    """
    from neural_automl.commands._search_data import load_for
    from neural_automl.evaluation import ArchitectureEvaluator
    from neural_automl.exceptions import NeuralAutoMLError
    from neural_automl.registry import space_of
    from neural_automl.retraining import retrain as run
    from neural_automl.studies import load_study, storage_errors, storage_url

    if output is not None and output.exists():
        # Said before the trainings, not after them.
        raise NeuralAutoMLError(f"{output} is there already; choose a new folder")
    loaded = load_study(storage, study)
    with storage_errors(storage_url(storage)):
        space = space_of(loaded)
    with wrong_options():
        splits = load_for(space, data, target, missing)
        evaluator = ArchitectureEvaluator(
            splits, metrics=_metrics(metric), backend=backend, device=device
        )
    try:
        with storage_errors(storage_url(storage)):
            found = run(
                loaded,
                evaluator=evaluator,
                top_k=top,
                epochs=epochs,
                seeds=seeds,
                metric=metric,
                callback=_tell,
            )
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    if as_json:
        print_json(found.to_dict())
    else:
        _show(Console(), found)
    for path in () if output is None else found.export(output):
        typer.echo(str(path), err=as_json)


def _metrics(metric: str | None) -> list[str] | None:
    """Return what the evaluator shall measure: what is asked for, where it is not the loss."""
    name = None if metric is None else metric.removeprefix("val_").removeprefix("test_")
    return None if name in (None, "loss") else [str(name)]


def _tell(trial: int, seed: int, metrics: Mapping[str, float]) -> None:
    text = ", ".join(f"{name} {value:.4f}" for name, value in metrics.items())
    typer.echo(f"trial {trial}, seed {seed}: {text}", err=True)


def _show(console: Console, found: Retrained) -> None:
    seeds = len(found.best.runs)
    table = Table(title=f"Trained again, {seeds} seeds each: {escape(found.study_name)}")
    for name in ("trial", f"{found.metric}, mean", "spread", "params", "epochs"):
        table.add_column(name, justify="right")
    for each in found.candidates:
        mean, spread = each.mean(found.metric), each.spread(found.metric)
        size = f"{each.architecture.cost.params:,}"
        table.add_row(str(each.trial), f"{mean:.4f}", f"{spread:.4f}", size, str(each.epochs))
    console.print(table)
    for pair in found.comparisons:
        low, high = pair.interval
        typer.echo(
            f"trial {pair.better} is ahead of {pair.other} by {pair.difference:.4f}, interval "
            f"{low:.4f} to {high:.4f}, p = {pair.p_value:.3f}: "
            + ("told apart" if pair.told_apart else "not told apart")
        )
    for trial, reason in found.failed.items():
        typer.echo(f"trial {trial} could not be trained again: {reason}")
    typer.echo(found.verdict)
