"""The engine: sampler, pruner, storage and objective put together, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from neural_automl._budget import Budget
from neural_automl._options import lookup
from neural_automl._search_result import SearchResult as SearchResult
from neural_automl._terms import agree
from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.early_stopping import create_pruner
from neural_automl.evaluation import METRIC_NAMES, ArchitectureEvaluator, Evaluator
from neural_automl.exceptions import EvaluationError, StudyError
from neural_automl.objective import COST_METRICS, ArchitectureObjective
from neural_automl.parameters import did_you_mean
from neural_automl.registry import (
    space_of,
    summarise,
)
from neural_automl.samplers._define_by_run import EXHAUSTED, STOP_REASON
from neural_automl.search_strategies import create_sampler
from neural_automl.studies import (
    artifact_directory,
    is_text,
    load_study,
    make_artifact_store,
    masked,
    open_study,
    quiet_optuna,
    storage_errors,
    storage_url,
)

if TYPE_CHECKING:
    from neural_automl.architecture import Backend

#: Called after each trial.
Callback = Callable[[optuna.Study, FrozenTrial], None]

#: As a constraint names it.
_METRIC_ALIASES: Final = {"peak_memory": "peak_memory_bytes"}
_EXECUTORS: Final = {"sequential": None}
# Drawn until the data fits one: a size that is open may be too small in most of them.
_SAMPLES: Final = 64


class AutoMLEngine:
    """Runs searches; everything that it knows between them is in the study.

    Args:
        search_strategy: A name of ``create_sampler``, or a sampler.
        early_stopping: A name of ``create_pruner``, or a pruner.
        executor_type: ``sequential``.
        backend: ``pytorch`` or ``tensorflow``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        output_dir: Where the SQLite study lies if no storage is given.
        storage: URL of a database, or path of a SQLite file.
        study_name: By default the name of the space.
        metrics: The metric to optimise, or several; by default ``val_accuracy``, and
            ``val_mse`` for regression.
        acquisition_function: Of the bayesian strategy.
        n_initial_random: Random trials before the sampler's model is used (tpe, bayesian).
        reduction_factor: Of asha and hyperband.
        seed: Of the sampler and of every training.
        value: Whether a trial's value is its ``last`` or its ``best`` epoch's metric.

    Raises:
        ValueError: A name is unknown.

    Example:
        >>> import tempfile
        >>> from neural_automl.architecture_space import Choice, Layer
        >>> from neural_automl.data import load_data
        >>> layers = ["Flatten", Layer("Dense", Choice(8, 16)), Layer("Dense", 10)]
        >>> space = ArchitectureSpace((8, 8, 1), layers)
        >>> engine = AutoMLEngine(search_strategy="random", output_dir=tempfile.mkdtemp())
        >>> result = engine.search(space, load_data("digits"), max_trials=2, max_epochs_per_trial=1)
        >>> engine.get_search_summary()["trained"]
        2
    """

    def __init__(
        self,
        *,
        search_strategy: str | BaseSampler = "tpe",
        early_stopping: str | BasePruner = "median",
        executor_type: str = "sequential",
        backend: Backend = "pytorch",
        device: str = "auto",
        output_dir: str | Path = "results",
        storage: str | Path | None = None,
        study_name: str | None = None,
        metrics: str | Sequence[str] | None = None,
        acquisition_function: str | None = None,
        n_initial_random: int | None = None,
        reduction_factor: int | None = None,
        seed: int = 0,
        value: Literal["last", "best"] = "last",
    ) -> None:
        lookup("executor", executor_type, _EXECUTORS)
        _check_names(storage, study_name, metrics)
        self.search_strategy = search_strategy
        self.early_stopping = early_stopping
        self.executor: None = None
        self.predictor: None = None
        self.evaluator: Evaluator | None = None
        self.backend: Backend = backend
        self.device = device
        self.output_dir = Path(output_dir)
        self.storage = storage_url(storage or self.output_dir / "study.db")
        self.study_name = study_name
        names = (metrics,) if isinstance(metrics, str) else metrics
        self.metrics = None if names is None else tuple(_METRIC_ALIASES.get(n, n) for n in names)
        self.seed = seed
        self.value: Literal["last", "best"] = value
        self._sampler_options = _given(
            acquisition_function=acquisition_function, n_startup_trials=n_initial_random
        )
        self._pruner_options = _given(reduction_factor=reduction_factor)
        self._result: SearchResult | None = None
        # Wrong names and options are said now, not after the data was read.
        self._make_sampler(None)
        self._make_pruner(100)

    # --- searching ----------------------------------------------------------------------------

    def search(
        self,
        space: ArchitectureSpace | str | Path,
        train_data: Any = None,
        val_data: Any = None,
        *,
        test_data: Any = None,
        evaluator: Evaluator | None = None,
        max_trials: int = 100,
        max_epochs_per_trial: int | None = None,
        timeout: float | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> SearchResult:
        """Search until so many trials of the study were trained; called again, it goes on.

        Args:
            space: A space, or its text or file.
            train_data: Anything that ``ArchitectureEvaluator`` takes.
            val_data: The same; by default a share of the training data.
            test_data: For ``SearchResult.test_metrics`` alone.
            evaluator: Instead of data.
            max_trials: Trials of the study that shall have trained, earlier ones included.
            max_epochs_per_trial: Longest training; by default the space's ``epochs``, else 10.
            timeout: Seconds after which no further trial begins.
            callbacks: Called with study and trial after each trial.

        Returns:
            What was found, also after Ctrl-C: the trial that was interrupted is queued again.

        Raises:
            NoFeasibleArchitectureError: Nothing in the space meets its constraints.
            DataError: The data does not fit the space.
            StudyError: The database can't be used, the study searches another space, or three
                trials in a row failed.
        """
        if max_trials < 1:
            raise ValueError(f"`max_trials` must be at least 1 but got {max_trials}")
        if timeout is not None and not timeout > 0:
            raise ValueError(f"`timeout` must be above 0 seconds but got {timeout}")
        if not isinstance(space, ArchitectureSpace):
            space = ArchitectureSpace.from_dsl(space)
        self.evaluator = evaluator or self.make_evaluator(train_data, val_data, test_data)
        self.check(space, self.evaluator)
        objective = ArchitectureObjective(
            space,
            self.evaluator,
            metrics=self.metrics_for(space, self.evaluator),
            epochs=max_epochs_per_trial,
            seed=self.seed,
            device=self.device,
            value=self.value,
        )
        with storage_errors(self.storage):
            study = self._open_study(objective, max_trials)
            objective.artifact_store = make_artifact_store(artifact_directory(self.storage))
            reason = _run(study, objective, max_trials, timeout, callbacks)
        self._result = self._make_result(study, space, reason)
        return self._result

    def make_evaluator(
        self, train_data: Any, val_data: Any = None, test_data: Any = None
    ) -> ArchitectureEvaluator:
        """Return the evaluator that ``search`` makes of such data.

        Raises:
            DataError: The data cannot be used.
            ValueError: A metric is unknown or for another task, or the device is not there.
        """
        if train_data is None:
            raise TypeError("search needs `train_data` or an `evaluator`")
        if callable(getattr(train_data, "evaluate", None)):
            raise TypeError(f"a {type(train_data).__name__} is no data; give it as `evaluator=`")
        names = _measured(self.metrics or ())
        evaluator = ArchitectureEvaluator(
            train_data,
            val_data,
            test_data=test_data,
            metrics=names or None,
            backend=self.backend,
            device=self.device,
            keep=self.value,
            monitor=next((m for m in self.metrics or () if m not in COST_METRICS), None),
        )
        evaluator.choose_device()
        return evaluator

    def metrics_for(self, space: ArchitectureSpace, evaluator: Evaluator) -> tuple[str, ...]:
        """Return what is optimised: what was asked for, or what is usual for the loss."""
        if self.metrics:
            return tuple(self.metrics)
        if isinstance(evaluator, ArchitectureEvaluator):
            # By the loss, not by the targets: whole numbers may be values.
            return evaluator.metrics_for(space.sample_architecture(seed=0))[:1]
        return ("val_accuracy",)

    def check(self, space: ArchitectureSpace, evaluator: Evaluator) -> None:
        """Check, before a study is made, that a search can begin; ``search`` does so too.

        Raises:
            NoFeasibleArchitectureError: Nothing in the space meets its constraints.
            ShapeError: A layer cannot follow, whatever is chosen.
            DataError: The data does not fit.
            ValueError: The strategy cannot search this space, or a metric is for another task.
        """
        space.check()
        if isinstance(evaluator, ArchitectureEvaluator):
            _check_data(space, evaluator)
        self._make_sampler(space)

    def _open_study(self, objective: ArchitectureObjective, max_trials: int) -> optuna.Study:
        study = open_study(
            self.storage,
            self.study_name or objective.space.name,
            directions=objective.directions,
            sampler=optuna.samplers.RandomSampler(),
            pruner=self._make_pruner(objective.longest_training()),
        )
        if "space" not in study.user_attrs and _finished(study):
            raise StudyError(
                f"the study {study.study_name!r} holds trials of another program; use another "
                "study name"
            )
        agree(study, objective.terms())
        study.sampler = self._make_sampler(objective.space)
        study.set_user_attr("max_trials", max_trials)
        _queue_interrupted(study)
        return study

    def _make_sampler(self, space: ArchitectureSpace | None) -> BaseSampler:
        if isinstance(self.search_strategy, BaseSampler):
            return self.search_strategy
        return create_sampler(
            self.search_strategy, space=space, seed=self.seed, **self._sampler_options
        )

    def _make_pruner(self, epochs: int) -> BasePruner:
        if isinstance(self.early_stopping, BasePruner):
            return self.early_stopping
        return create_pruner(self.early_stopping, max_epochs=epochs, **self._pruner_options)

    # --- looking at it ------------------------------------------------------------------------

    def load_checkpoint(self, source: str | Path, study_name: str | None = None) -> SearchResult:
        """Return what an earlier search found; a later ``search`` goes on from it.

        Args:
            source: Output directory, or storage as URL or SQLite file.
            study_name: May be left out where the storage holds one study.

        Raises:
            StudyError: There is no such study.
        """
        path = Path(source)
        self.storage = storage_url(path / "study.db" if path.is_dir() else source)
        study = load_study(self.storage, study_name)
        self.study_name = study.study_name
        self._result = self._make_result(study, space_of(study), "loaded")
        return self._result

    def get_search_summary(self) -> dict[str, Any]:
        """Return the study in numbers, as ``registry.StudySummary`` lists them.

        Raises:
            StudyError: Nothing was searched or loaded yet.
        """
        if self._result is None:
            raise StudyError("nothing was searched yet; call search or load_checkpoint first")
        summary = summarise(self._result.study).to_dict()
        return {**summary, "stop_reason": self._result.stop_reason, "storage": masked(self.storage)}

    def _make_result(
        self, study: optuna.Study, space: ArchitectureSpace, reason: str
    ) -> SearchResult:
        store = make_artifact_store(artifact_directory(self.storage))
        return SearchResult(study, space, reason, self.storage, store, self.evaluator)


def _given(**options: Any) -> Mapping[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _check_names(
    storage: str | Path | None, study_name: str | None, metrics: str | Sequence[str] | None
) -> None:
    if storage == "":
        raise ValueError("`storage` must be a URL or a path but is empty.")
    if study_name is not None and not is_text(study_name):
        raise ValueError(f"`study_name` must be text in UTF-8 but got {study_name!r}.")
    if metrics and not isinstance(metrics, str) and len(set(metrics)) < len(metrics):
        raise ValueError(f"`metrics` must be different but got {', '.join(metrics)}.")


def _check_data(space: ArchitectureSpace, evaluator: ArchitectureEvaluator) -> None:
    """Check that data fits a space; where an embedding's size is open, that one of them does."""
    for seed in range(_SAMPLES):
        try:
            evaluator.check(space.sample_architecture(seed=seed))
        except EvaluationError:  # this embedding has too little room; another may have it
            if seed == _SAMPLES - 1:
                raise
        else:
            return


def _measured(metrics: Sequence[str]) -> list[str]:
    """Return what an evaluator shall measure on its validation data for such metrics.

    Raises:
        ValueError: One is no name of a metric.
    """
    names = []
    for metric in metrics:
        if metric in COST_METRICS or metric in ("val_loss", "train_loss"):
            continue
        if metric == "flops":
            raise ValueError("flops are twice the macs: ask for the metric macs")
        if not metric.startswith("val_"):
            raise ValueError(
                f"a metric must be val_loss, train_loss, val_ and the name of a metric, or one of "
                f"{', '.join(COST_METRICS)} but got {metric!r}"
                + did_you_mean(f"val_{metric}", [f"val_{name}" for name in METRIC_NAMES])
            )
        names.append(metric.removeprefix("val_"))
    return names


def _finished(study: optuna.Study) -> bool:
    return any(trial.state.is_finished() for trial in study.get_trials(deepcopy=False))


def _queue_interrupted(study: optuna.Study) -> None:
    """Queue what Ctrl-C cut off, once."""
    trials = study.get_trials(deepcopy=False)
    resumed = {trial.user_attrs.get("resumed_from") for trial in trials}
    for trial in trials:
        if trial.user_attrs.get("interrupted") and trial.number not in resumed:
            study.enqueue_trial(trial.params, user_attrs={"resumed_from": trial.number})


def _run(
    study: optuna.Study,
    objective: ArchitectureObjective,
    max_trials: int,
    timeout: float | None,
    callbacks: Sequence[Callback],
) -> str:
    """Run trials until the budget is spent and return why it ended."""
    budget = Budget(max_trials)
    if budget.is_spent(study):
        return "trained already"
    with quiet_optuna():
        try:
            study.optimize(
                objective,
                timeout=timeout,
                callbacks=[*callbacks, budget],
                catch=(Exception,),
            )
        except KeyboardInterrupt:
            return "interrupted"
    if budget.error is not None:
        raise budget.error
    if budget.reason is None and study.user_attrs.get(STOP_REASON) == EXHAUSTED:
        return EXHAUSTED
    return budget.reason or "timeout"
