"""The command `worker`: joins a search that was begun elsewhere."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from neural_automl.commands._arguments import (
    DATA_HELP,
    DeviceOption,
    ImportOption,
    JsonOption,
    StorageOption,
    StudyOption,
    TrackOption,
    TrackOptionsOption,
    import_modules,
    tracking_options,
)
from neural_automl.commands._exit import INTERRUPTED, wrong_options
from neural_automl.commands._output import print_json
from neural_automl.commands._tables import trial_line
from neural_automl.exceptions import NeuralAutoMLError
from neural_automl.tracking._create import make_tracker

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from neural_automl.evaluation import Evaluator


def worker(
    storage: StorageOption,
    study: StudyOption = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            help="The search's data on this machine, by default where the search had it: "
            + DATA_HELP,
            show_default=False,
        ),
    ] = None,
    evaluator: Annotated[
        str | None,
        typer.Option(
            "--evaluator",
            metavar="MODULE:NAME",
            help="Instead of data: an evaluator, or a function that makes one, in a module in the "
            "current directory or installed.",
            show_default=False,
        ),
    ] = None,
    artifacts: Annotated[
        Path | None,
        typer.Option(
            "--artifacts",
            help="Folder for weights and source code, one that all workers share; by default the "
            "search's own, where this machine has it.",
            show_default=False,
        ),
    ] = None,
    device: DeviceOption = "auto",
    track: TrackOption = None,
    track_option: TrackOptionsOption = None,
    as_json: JsonOption = False,
    imports: ImportOption = None,
) -> None:
    """Join a search: propose and train networks of its study until its budget is spent.

    Started at any time, on any machine that reaches the study's database and has the data. Space,
    strategy, early stopping and budget are read from the study; where runs are tracked is not.

    [bold]Example:[/bold] neural-automl worker --storage results/study.db
    """
    from neural_automl.search._joining import Joining

    with wrong_options():
        tracker = make_tracker(track, tracking_options(track_option))
    joining = Joining(storage, study, device=device)
    trainer = joining.make_evaluator(data) if evaluator is None else load_evaluator(evaluator)
    folder = artifacts or joining.artifacts()
    if folder is None:
        typer.echo(
            f"note: weights are not kept: the search's folder {joining.settings.artifacts} is not "
            "on this machine; give one with --artifacts",
            err=True,
        )
    trials: list[dict[str, Any]] = []

    def tell(study: optuna.Study, trial: FrozenTrial) -> None:
        typer.echo(trial_line(trial), err=as_json)
        state = trial.state.name.lower()
        trials.append({"trial": trial.number, "state": state, "values": trial.values})

    typer.echo(f"joined the study {joining.study.study_name}", err=as_json)
    outcome = joining.run(trainer, artifacts=folder, callbacks=[tell], tracker=tracker)
    typer.echo(f"left: {outcome.reason}", err=as_json)
    if as_json:
        print_json({"study": joining.study.study_name, "reason": outcome.reason, "trials": trials})
    if outcome.reason == "interrupted":
        raise typer.Exit(INTERRUPTED)


def load_evaluator(name: str) -> Evaluator:
    """Return the evaluator that a module holds, or makes.

    Args:
        name: ``MODULE:NAME``.

    Raises:
        BadParameter: There is no such thing.
    """
    module_name, _, attribute = name.partition(":")
    if not attribute:
        raise typer.BadParameter(f"--evaluator must be MODULE:NAME but is {name!r}")
    import_modules([module_name])
    module = importlib.import_module(module_name)
    try:
        found = getattr(module, attribute)
    except AttributeError as error:
        raise typer.BadParameter(f"the module {module_name} has no {attribute!r}") from error
    if not callable(getattr(found, "evaluate", None)) or isinstance(found, type):
        if not callable(found):
            raise typer.BadParameter(f"{name} is {found!r} and no evaluator")
        found = found()
    if not callable(getattr(found, "evaluate", None)):
        raise NeuralAutoMLError(f"{name} made a {type(found).__name__}, which is no evaluator")
    made: Evaluator = found
    return made
