"""The engine: sampler, pruner, storage and objective put together, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from neural_automl._options import lookup
from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.artifacts import load_weights
from neural_automl.early_stopping import create_pruner
from neural_automl.evaluation import ArchitectureEvaluator, Evaluator
from neural_automl.exceptions import NoFeasibleArchitectureError, StudyError
from neural_automl.objective import COST_METRICS, ArchitectureObjective, describe_study, trial_seed
from neural_automl.registry import (
    architecture_of,
    best_trial,
    is_trained,
    space_of,
    summarise,
)
from neural_automl.search_strategies import create_sampler
from neural_automl.studies import (
    artifact_directory,
    load_study,
    make_artifact_store,
    open_study,
    quiet_optuna,
    storage_errors,
    storage_url,
)

if TYPE_CHECKING:
    from optuna.artifacts._protocol import ArtifactStore

    from neural_automl.architecture import Architecture, Backend

#: Called after each trial.
Callback = Callable[[optuna.Study, FrozenTrial], None]

#: So many trials in a row without a training end a search: nothing more will come.
_INFEASIBLE_IN_A_ROW: Final = 200
_FAILURES_IN_A_ROW: Final = 3
_EXECUTORS: Final = {"sequential": None}


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Attributes:
        study: The study; everything is in it.
        space: What was searched.
        stop_reason: ``budget``, ``timeout``, ``space exhausted``, ``interrupted`` or ``loaded``.
        storage: URL of the study's database.
        artifact_store: Where weights and sources are.
        evaluator: What trained, or None where the result was loaded.
    """

    study: optuna.Study
    space: ArchitectureSpace
    stop_reason: str
    storage: str
    artifact_store: ArtifactStore
    evaluator: Evaluator | None = None

    @property
    def best_trial(self) -> FrozenTrial:
        """The best completed trial.

        Raises:
            StudyError: No trial completed.
        """
        trial = best_trial(self.study)
        if trial is None:
            raise StudyError(f"no trial of the study {self.study.study_name!r} completed")
        return trial

    @property
    def best_architecture(self) -> Architecture:
        """The architecture of the best trial."""
        return architecture_of(self.space, self.best_trial)

    @property
    def best_metrics(self) -> dict[str, float]:
        """Everything that the best trial recorded and that is a number."""
        attributes = self.best_trial.user_attrs
        return {
            name: value
            for name, value in attributes.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }

    def weights(self) -> dict[str, Any]:
        """Return the best trial's trained weights, tensors by name.

        Raises:
            StudyError: They were not kept.
        """
        return load_weights(self.artifact_store, self.study, self.best_trial)

    def test_metrics(self) -> dict[str, float]:
        """Measure the best trial on the test data, which the search never saw.

        Raises:
            StudyError: The result was loaded, or the evaluator has no test data.
        """
        evaluator = self.evaluator
        if not isinstance(evaluator, ArchitectureEvaluator) or not evaluator.has_test_data:
            raise StudyError("there is no test data to measure on; give `test_data` to the search")
        return evaluator.measure_test(self.best_architecture, self.weights())


class AutoMLEngine:
    """Runs searches; everything that it knows between them is in the study.

    Args:
        search_strategy: A name of ``create_sampler``, or a sampler.
        early_stopping: A name of ``create_pruner``, or a pruner.
        executor_type: ``sequential``.
        backend: ``pytorch``.
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
        value: str = "last",
    ) -> None:
        lookup("executor", executor_type, _EXECUTORS)
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
        self.metrics = (metrics,) if isinstance(metrics, str) else metrics
        self.seed = seed
        self.value = value
        self._sampler_options = _given(
            acquisition_function=acquisition_function, n_startup_trials=n_initial_random
        )
        self._pruner_options = _given(reduction_factor=reduction_factor)
        self._result: SearchResult | None = None
        # Wrong names and options are said now, not after the data was read.
        self._make_sampler(None, 0)
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
        if not isinstance(space, ArchitectureSpace):
            space = ArchitectureSpace.from_dsl(space)
        self.evaluator = evaluator or self.make_evaluator(train_data, val_data, test_data)
        _check_fit(space, self.evaluator)
        objective = ArchitectureObjective(
            space,
            self.evaluator,
            metrics=self.metrics or _default_metrics(self.evaluator),
            epochs=max_epochs_per_trial,
            seed=self.seed,
            device=self.device,
            value="best" if self.value == "best" else "last",
            artifact_store=make_artifact_store(artifact_directory(self.storage)),
        )
        with storage_errors(self.storage):
            study = self._open_study(objective, max_trials)
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
        names = [
            metric.removeprefix("val_")
            for metric in self.metrics or ()
            if metric not in COST_METRICS and metric != "val_loss"
        ]
        evaluator = ArchitectureEvaluator(
            train_data,
            val_data,
            test_data=test_data,
            metrics=names or None,
            backend=self.backend,
            device=self.device,
        )
        evaluator.choose_device()
        return evaluator

    def _open_study(self, objective: ArchitectureObjective, max_trials: int) -> optuna.Study:
        study = open_study(
            self.storage,
            self.study_name or objective.space.name,
            directions=objective.directions,
            sampler=optuna.samplers.RandomSampler(),
            pruner=self._make_pruner(objective.longest_training()),
        )
        describe_study(study, objective.space)
        # A sampler that begins again with its old seed would propose its old trials again.
        study.sampler = self._make_sampler(objective.space, len(study.get_trials(deepcopy=False)))
        study.set_user_attr("max_trials", max_trials)
        _queue_interrupted(study)
        return study

    def _make_sampler(self, space: ArchitectureSpace | None, trials: int) -> BaseSampler:
        if isinstance(self.search_strategy, BaseSampler):
            return self.search_strategy
        seed = trial_seed(self.seed, trials)
        return create_sampler(self.search_strategy, space=space, seed=seed, **self._sampler_options)

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
        return {**summary, "stop_reason": self._result.stop_reason, "storage": self.storage}

    def _make_result(
        self, study: optuna.Study, space: ArchitectureSpace, reason: str
    ) -> SearchResult:
        store = make_artifact_store(artifact_directory(self.storage))
        return SearchResult(study, space, reason, self.storage, store, self.evaluator)


def _given(**options: Any) -> Mapping[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _default_metrics(evaluator: Evaluator) -> tuple[str, ...]:
    return ("val_mse",) if getattr(evaluator, "task", None) == "regression" else ("val_accuracy",)


def _check_fit(space: ArchitectureSpace, evaluator: Evaluator) -> None:
    """Check, before anything is trained, that something can be.

    Raises:
        NoFeasibleArchitectureError: Nothing in the space meets its constraints.
        ShapeError: A layer cannot follow, whatever is chosen.
        DataError: The data does not fit.
    """
    space.check()
    architecture = space.sample_architecture(seed=0)
    if isinstance(evaluator, ArchitectureEvaluator):
        evaluator.check(architecture)


def _queue_interrupted(study: optuna.Study) -> None:
    """Queue what Ctrl-C cut off, once."""
    trials = study.get_trials(deepcopy=False)
    resumed = {trial.user_attrs.get("resumed_from") for trial in trials}
    for trial in trials:
        if trial.user_attrs.get("interrupted") and trial.number not in resumed:
            study.enqueue_trial(trial.params, user_attrs={"resumed_from": trial.number})


class _Budget:
    """Ends a search when enough was trained, or nothing will be.

    Attributes:
        reason: Why it ended it, or None.
        error: What to raise, or None.
    """

    def __init__(self, max_trials: int) -> None:
        self._max_trials = max_trials
        self.reason: str | None = None
        self.error: Exception | None = None

    def is_spent(self, study: optuna.Study) -> bool:
        """Return whether so many trials have trained."""
        return sum(map(is_trained, study.get_trials(deepcopy=False))) >= self._max_trials

    def __call__(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Stop the study if this trial was the last."""
        if trial.state == TrialState.FAIL:
            self._after_failures(study, trial)
        elif "infeasible" in trial.user_attrs:
            self._after_infeasible(study, trial)
        elif self.is_spent(study):
            self.reason = "budget"
            study.stop()

    def _after_failures(self, study: optuna.Study, trial: FrozenTrial) -> None:
        recent = _finished(study)[-_FAILURES_IN_A_ROW:]
        if len(recent) == _FAILURES_IN_A_ROW and all(t.state == TrialState.FAIL for t in recent):
            text = trial.user_attrs.get("error", "unknown error").strip()
            self.error = StudyError(
                f"{_FAILURES_IN_A_ROW} trials in a row failed, the last with:\n{text}"
            )
            study.stop()

    def _after_infeasible(self, study: optuna.Study, trial: FrozenTrial) -> None:
        recent = _finished(study)[-_INFEASIBLE_IN_A_ROW:]
        if len(recent) == _INFEASIBLE_IN_A_ROW and not any(map(is_trained, recent)):
            self.error = NoFeasibleArchitectureError(
                f"none of the last {_INFEASIBLE_IN_A_ROW} proposals could be trained; the last "
                f"one {trial.user_attrs['infeasible']}"
            )
            study.stop()


def _finished(study: optuna.Study) -> list[FrozenTrial]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]


def _run(
    study: optuna.Study,
    objective: ArchitectureObjective,
    max_trials: int,
    timeout: float | None,
    callbacks: Sequence[Callback],
) -> str:
    """Run trials until the budget is spent and return why it ended."""
    budget = _Budget(max_trials)
    if budget.is_spent(study):
        return "budget"
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
    return budget.reason or ("timeout" if timeout is not None else "space exhausted")
