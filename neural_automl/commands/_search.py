"""The command `search`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from neural_automl.commands import _tables as tables
from neural_automl.commands._arguments import (
    BackendOption,
    CandidatesOption,
    DataOption,
    DeviceOption,
    ImportOption,
    JsonOption,
    MissingOption,
    OutputOption,
    SeedOption,
    SpaceFile,
    TargetOption,
    TrackOption,
    TrackOptionsOption,
    WorkersOption,
    read_space,
    tracking_options,
)
from neural_automl.commands._exit import INTERRUPTED, wrong_options
from neural_automl.commands._output import console_for, print_json
from neural_automl.commands._search_options import (
    CheckpointQuotaOption,
    ConfigOption,
    EarlyStoppingOption,
    EpochsOption,
    ExecutorOption,
    HpoOption,
    KeepWeightsOption,
    MetricOption,
    PredictorOption,
    PrunerOptionsOption,
    ResumeOption,
    RungsOption,
    SearchStorageOption,
    SearchStudyOption,
    StrategyOption,
    TimeoutOption,
    TopOption,
    TrialsOption,
    WarmStartOption,
    WarmStartTrialsOption,
    pruner_options,
    warm_start_options,
)
from neural_automl.exceptions import DataError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from neural_automl.engine import SearchResult


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
    keep_weights: KeepWeightsOption = None,
    checkpoint_quota: CheckpointQuotaOption = None,
    track: TrackOption = None,
    track_option: TrackOptionsOption = None,
    resume: ResumeOption = False,
    hpo: HpoOption = None,
    top: TopOption = 3,
    config: ConfigOption = None,
    as_json: JsonOption = False,
    imports: ImportOption = None,
) -> None:
    """Search a space: propose networks, train them, stop the hopeless, show the best.

    Everything is kept in the study. Ctrl-C stops at once; the same command again goes on, and
    trains the network that was cut off anew.

    [bold]Example:[/bold] neural-automl search examples/digits.neural --data digits --trials 20
    """
    from neural_automl.commands._search_data import explain_misfit, load_for, search_notes
    from neural_automl.engine import AutoMLEngine
    from neural_automl.search._hpo import check_hpo
    from neural_automl.studies import load_study

    space = read_space(file)
    console = console_for(as_json=as_json)
    with wrong_options():
        engine = AutoMLEngine(
            search_strategy=strategy,
            predictor=predictor,
            rungs=None if rungs is None else [int(part) for part in rungs.split(",")],
            early_stopping=early_stopping,
            backend=backend,
            early_stopping_options=pruner_options(early_stopping_option),
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
            tracking=track,
            tracking_options=tracking_options(track_option),
        )
        if hpo is not None:
            check_hpo(engine.options, space, hpo, trials, top)
    if engine.options.rungs is not None and epochs not in (None, engine.options.rungs[-1]):
        raise typer.BadParameter(f"--epochs must be the last of --rungs, {rungs}, but is {epochs}")
    if resume:
        load_study(engine.storage, study or space.name)
    with wrong_options():
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
    run: dict[str, Any] = {"evaluator": evaluator, "max_epochs_per_trial": epochs}
    with tables.SearchProgress(console, trials) as progress:
        run |= {"timeout": timeout, "callbacks": [progress]}
        if hpo is None:
            result = engine.search(space, max_trials=trials, **run)
        else:
            result = engine.search_with_hpo(space, n_trials=trials, mode=hpo, top_k=top, **run)
    test_metrics = tables.print_result(console, result)
    if as_json:
        print_json(_found(result, test_metrics))
    if result.stop_reason == "interrupted":
        raise typer.Exit(INTERRUPTED)


def _found(result: SearchResult, test_metrics: Mapping[str, float]) -> dict[str, Any]:
    """Return what a search found, as data."""
    from neural_automl.registry import best_trial, front_trials

    best = best_trial(result.study)
    several = len(result.study.directions) > 1
    front = front_trials(result.study, len(result.study.trials)) if several else []
    return {
        **result.summary(),
        "best": None if best is None else _trial(best, result.best_metrics),
        "pareto_front": [_trial(trial, {}) for trial in front],
        "test_metrics": dict(test_metrics),
    }


def _trial(trial: FrozenTrial, metrics: Mapping[str, float]) -> dict[str, Any]:
    found = {"trial": trial.number, "values": trial.values, "params": trial.params}
    return {**found, "metrics": dict(metrics)} if metrics else found
