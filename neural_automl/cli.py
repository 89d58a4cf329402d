"""The command line: it parses, calls, and shows."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import optuna
import typer
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from neural_automl._version import __version__
from neural_automl.commands import _tables as tables
from neural_automl.commands._arguments import (
    BackendOption,
    CandidatesOption,
    CheckpointQuotaOption,
    DataOption,
    DeviceOption,
    EarlyStoppingOption,
    EpochsOption,
    ExecutorOption,
    ImportOption,
    JsonOption,
    KeepWeightsOption,
    MetricOption,
    MissingOption,
    OutputOption,
    PredictorOption,
    PrunerOptionsOption,
    ResumeOption,
    RungsOption,
    SearchStorageOption,
    SearchStudyOption,
    SeedOption,
    SpaceFile,
    StorageOption,
    StrategyOption,
    StudyOption,
    TargetOption,
    TimedTrialsOption,
    TimeoutOption,
    TimingOption,
    TrialsOption,
    WarmStartOption,
    WarmStartTrialsOption,
    WorkersOption,
    layer_note,
    parse_space,
    pruner_options,
    read_space,
    warm_start_options,
)
from neural_automl.commands._retrain import retrain
from neural_automl.commands._score import score
from neural_automl.commands._show import dashboard, report
from neural_automl.commands._warnings import plain_warnings
from neural_automl.commands._worker import worker
from neural_automl.exceptions import DataError, DSLError, NeuralAutoMLError
from neural_automl.export import (
    DEFAULT_FORMATS,
    EXPORT_FORMATS,
    export_architecture,
    export_notes,
)

app = typer.Typer(
    name="neural-automl",
    help=(
        "Neural architecture search as ordinary Optuna studies.\n\n"
        "Write a space of networks in a few lines (a .neural file), search it, watch the study "
        "in optuna-dashboard, and take the winner home as plain PyTorch source."
    ),
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a user's mistake ends in a message and exit code 2.

    Args:
        arguments: By default the process's own.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A path, or a name, may hold what the terminal cannot write.
            stream.reconfigure(errors="backslashreplace")
    console = Console(stderr=True)
    try:
        with contextlib.suppress(BrokenPipeError), plain_warnings():
            app(args=arguments, prog_name="neural-automl")
    except DSLError as error:
        console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)
    except (NeuralAutoMLError, OSError) as error:
        text = str(error)
        if isinstance(error, OSError) and error.filename and error.strerror:
            text = f"{error.filename}: {error.strerror}"
        console.print(f"error: {text}", style="red", markup=False, highlight=False, soft_wrap=True)
        sys.exit(2)


@contextlib.contextmanager
def _wrong_options() -> Iterator[None]:
    """Turn what constructors say of an option into a message; what runs later stays an error."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise typer.BadParameter(str(error)) from error
    except ImportError as error:  # it says what to install
        raise NeuralAutoMLError(str(error)) from error


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"neural-automl {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


@app.command()
def search(
    file: SpaceFile,
    data: DataOption,
    trials: TrialsOption = 20,
    target: TargetOption = None,
    missing: MissingOption = "error",
    epochs: EpochsOption = None,
    strategy: StrategyOption = "tpe",
    early_stopping: EarlyStoppingOption = None,
    early_stopping_option: PrunerOptionsOption = None,
    rungs: RungsOption = None,
    predictor: PredictorOption = False,
    metric: MetricOption = None,
    output: OutputOption = Path("results"),
    storage: SearchStorageOption = None,
    study: SearchStudyOption = None,
    seed: SeedOption = 0,
    device: DeviceOption = "auto",
    backend: BackendOption = "pytorch",
    timeout: TimeoutOption = None,
    workers: WorkersOption = 1,
    executor: ExecutorOption = None,
    warm_start: WarmStartOption = None,
    warm_start_trials: WarmStartTrialsOption = None,
    candidates: CandidatesOption = None,
    resume: ResumeOption = False,
    keep_weights: KeepWeightsOption = None,
    checkpoint_quota: CheckpointQuotaOption = None,
    imports: ImportOption = None,
) -> None:
    """Search a space: propose networks, train them, stop the hopeless, show the best.

    Everything is kept in the study. Ctrl-C stops at once; the same command again goes on, and
    trains the network that was cut off anew.

    [bold]Example:[/bold] neural-automl search examples/digits.neural --data digits --trials 20
    """
    from neural_automl.commands._search_data import explain_misfit, load_for, search_notes
    from neural_automl.engine import AutoMLEngine
    from neural_automl.studies import load_study

    space = read_space(file)
    console = Console()
    with _wrong_options():
        engine = AutoMLEngine(
            search_strategy=strategy,
            predictor=predictor,
            rungs=None if rungs is None else [int(part) for part in rungs.split(",")],
            early_stopping=early_stopping,
            backend=backend,
            early_stopping_options=pruner_options(early_stopping_option or ()),
            device=device,
            output_dir=output,
            storage=storage,
            study_name=study,
            metrics=metric,
            seed=seed,
            executor_type=executor or ("sequential" if workers == 1 else "process"),
            max_workers=workers,
            keep_weights=keep_weights,
            checkpoint_quota=checkpoint_quota,
            warm_start="zero_cost" if warm_start == ["zero_cost"] else warm_start or None,
            warm_start_options=warm_start_options(
                warm_start_trials, candidates, tables.ScoreProgress(console) if warm_start else None
            ),
        )
    if engine.options.rungs is not None and epochs not in (None, engine.options.rungs[-1]):
        raise typer.BadParameter(f"--epochs must be the last of --rungs, {rungs}, but is {epochs}")
    if resume:
        load_study(engine.storage, study or space.name)
    with _wrong_options():
        splits = load_for(space, data, target, missing)
        evaluator = engine.make_evaluator(splits)
        try:
            engine.check(space, evaluator, epochs)
        except DataError as error:
            raise explain_misfit(error, splits) from error
    tables.print_intro(
        console,
        space,
        data,
        splits,
        engine.options.metrics_for(space, evaluator),
        evaluator.choose_device(),
    )
    for note in search_notes(space, splits):
        typer.echo(f"note: {note}", err=True)
    with tables.SearchProgress(console, trials) as progress:
        result = engine.search(
            space,
            evaluator=evaluator,
            max_trials=trials,
            max_epochs_per_trial=epochs,
            timeout=timeout,
            callbacks=[progress],
        )
    tables.print_result(console, result)
    if result.stop_reason == "interrupted":
        raise typer.Exit(130)


app.command()(worker)
app.command()(score)
app.command()(retrain)
app.command()(report)
app.command()(dashboard)


@app.command()
def describe(
    file: SpaceFile,
    samples: Annotated[
        int, typer.Option("--samples", min=1, help="Architectures drawn for the costs.")
    ] = 500,
    data: TimingOption = None,
    trials: TimedTrialsOption = 20,
    as_json: JsonOption = False,
    imports: ImportOption = None,
) -> None:
    """Show a space: its tree, what is open, its exact size, what its networks cost."""
    from neural_automl.commands._search_data import timed_seconds

    space = read_space(file)
    summary = space.describe(samples=samples)
    with _wrong_options():
        seconds = timed_seconds(space, data, trials) if data else None
    if as_json:
        timed = {} if seconds is None else {"trials": trials, "search_seconds": seconds}
        typer.echo(json.dumps({**summary.to_dict(), **timed}, indent=2))
        return
    tables.print_space(Console(), space, summary)
    if seconds is not None:
        typer.echo(
            f"a search of {trials} trainings takes about {seconds:.0f} s, none stopped early"
        )


@app.command()
def validate(
    files: Annotated[
        list[Path], typer.Argument(help="Files of the space language.", metavar="FILE...")
    ],
    imports: ImportOption = None,
) -> None:
    """Check files of the space language; errors are printed as file:line:column: message."""
    wrong = 0
    for file in files:
        try:
            space = parse_space(file)
        except DSLError as error:
            wrong += 1
            for each in error.errors:
                typer.echo(each.describe(str(file)), err=True)
            for note in layer_note(error.errors):
                typer.echo(note, err=True)
        except NeuralAutoMLError as error:
            wrong += 1
            typer.echo(f"{file}: {error}", err=True)
        except OSError as error:
            wrong += 1
            typer.echo(f"{file}: {error.strerror}", err=True)
        else:
            typer.echo(f"{file}: valid, {tables.size_text(space)}")
    if wrong:
        raise typer.Exit(2)


@app.command()
def status(
    storage: StorageOption,
    study: StudyOption = None,
    as_json: JsonOption = False,
    imports: ImportOption = None,
) -> None:
    """Show how far a study is: trials, epochs, the best so far."""
    from neural_automl.registry import summarise
    from neural_automl.studies import load_study, storage_errors, storage_url

    loaded = load_study(storage, study)
    with storage_errors(storage_url(storage)):
        summary = summarise(loaded)
        if as_json:
            typer.echo(json.dumps(summary.to_dict(), indent=2))
            return
        tables.print_status(Console(), loaded, summary)


@app.command()
def export(
    storage: StorageOption,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A new folder for the files.", show_default=False)
    ],
    study: StudyOption = None,
    trial: Annotated[
        int | None,
        typer.Option(
            "--trial", help="Number of a completed trial; by default the best.", show_default=False
        ),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help=f"Among {', '.join(EXPORT_FORMATS)}; may be repeated. Default: the backend that "
            "trained it, dsl and json.",
            show_default=False,
        ),
    ] = None,
    imports: ImportOption = None,
) -> None:
    """Write a trial's network as files that need nothing of this package.

    Each model is loaded in a fresh process, and its outputs are compared, before this says done.

    model.py needs torch alone, keras_model.py Keras, model.onnx any runtime of ONNX. With layers
    of your own the first two import the modules that define them: those that are single files are
    copied beside, others must be installed where the model is used.
    """
    from neural_automl.backends import backend_of
    from neural_automl.registry import architecture_of, require_best, space_of
    from neural_automl.search._card import card_of
    from neural_automl.studies import load_study, storage_errors, storage_url

    loaded = load_study(storage, study)
    with storage_errors(storage_url(storage)):
        chosen = require_best(loaded) if trial is None else _find_trial(loaded, trial)
        architecture = architecture_of(space_of(loaded), chosen)
        weights = _weights(storage, loaded, chosen)
        card = card_of(loaded, chosen)
    written = formats or DEFAULT_FORMATS[backend_of(weights)]
    with _wrong_options():
        files = export_architecture(
            architecture, output, formats=written, weights=weights, card=card
        )
    for path in files:
        typer.echo(str(path))
    for note in export_notes(architecture, written):
        typer.echo(f"note: {note}", err=True)


def _find_trial(study: optuna.Study, number: int) -> FrozenTrial:
    for trial in study.get_trials(deepcopy=False):
        if trial.number == number:
            if trial.state != TrialState.COMPLETE:
                raise NeuralAutoMLError(
                    f"trial {number} is {trial.state.name}; only a COMPLETE one has a network to "
                    "export"
                )
            return trial
    raise NeuralAutoMLError(f"the study {study.study_name!r} has no trial {number}")


def _weights(storage: str, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
    from neural_automl.artifacts import load_weights
    from neural_automl.studies import artifact_directory, make_artifact_store

    return load_weights(make_artifact_store(artifact_directory(storage)), study, trial)
