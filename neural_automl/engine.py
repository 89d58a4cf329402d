"""The engine: sampler, pruner, storage and objective put together, and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.early_stopping import check_objectives, create_pruner, default_pruner
from neural_automl.evaluation import ArchitectureEvaluator, Evaluator
from neural_automl.exceptions import StudyError
from neural_automl.executor import BaseExecutor
from neural_automl.executor._create import check_executor
from neural_automl.objective import COST_METRICS, ArchitectureObjective
from neural_automl.prediction import PerformancePredictor, check_metrics
from neural_automl.registry import space_of, summarise, write_ledger
from neural_automl.report import publish
from neural_automl.search._checks import (
    check_data,
    check_names,
    check_rungs,
    measured,
)
from neural_automl.search._opening import open_search
from neural_automl.search._result import SearchResult as SearchResult
from neural_automl.search._running import default_workers, run_search
from neural_automl.search._warm import Earlier, begin_warm, check_options, find_earlier, proxies_of
from neural_automl.search_strategies import SearchStrategy, check_strategy, make_sampler
from neural_automl.studies import (
    artifact_directory,
    load_study,
    make_artifact_store,
    masked,
    storage_errors,
    storage_url,
)
from neural_automl.tracking import Tracker
from neural_automl.tracking._create import TrackFunction, make_tracker, prepare
from neural_automl.warm_start import ZERO_COST
from neural_automl.workers._budget import set_budget
from neural_automl.workers._settings import recorded
from neural_automl.workers._worker import Callback, SearchWorker

if TYPE_CHECKING:
    import optuna
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

    from neural_automl.architecture import Backend

#: As a constraint names it.
_METRIC_ALIASES: Final = {"peak_memory": "peak_memory_bytes"}
# Options of early stopping are checked before the number of epochs is known, and with it again.
_MANY_EPOCHS: Final = 10**6


class AutoMLEngine:
    """Runs searches; everything that it knows between them is in the study.

    Args:
        search_strategy: A name of ``create_sampler``, a sampler, or a ``SearchStrategy``.
        early_stopping: A name of ``create_pruner``, or a pruner; an ``EarlyStoppingStrategy`` is
            one. By default ``median``, ``multi_objective`` for several metrics, and ``none`` with
            rungs, which are its like.
        early_stopping_options: Of that name, as ``{"n_warmup_steps": 3}``.
        executor_type: A name of ``create_executor``, or an executor: where trials run.
        max_workers: Trainings at once; by default one, or, of other executors than
            ``sequential``, one a core.
        backend: ``pytorch`` or ``tensorflow``.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        output_dir: Where the SQLite study lies if no storage is given.
        storage: URL of a database, or path of a SQLite file.
        study_name: By default the name of the space.
        metrics: The metric to optimise, or several; by default ``val_accuracy``, and
            ``val_mse`` for regression.
        acquisition_function: Of the bayesian strategy: ``ei``, ``ucb`` or ``pi``.
        n_initial_random: Random trials before the strategy learns (tpe, bayesian, evolutions).
        reduction_factor: Of asha, hyperband, multi_objective and rungs.
        seed: Of the sampler and of every training.
        value: Whether a trial's value is its ``last`` or its ``best`` epoch's metric.
        rungs: Epochs of short trainings and of the whole one, rising: see
            ``ArchitectureObjective``.
        warm_start: What the first trials are chosen by: ``zero_cost``, or earlier studies, or names
            of studies in the same storage; see ``warm_start.warm_start``.
        warm_start_options: Its ``candidates``, ``trials``, ``random``, ``proxies``, ``file`` and
            ``progress``.
        predictor: Whether networks that are likely poor are not trained: see
            ``ArchitectureObjective``; afterwards the attribute ``predictor`` is what predicted.
        strict: Whether a fallback (``FallbackWarning``) ends the search.
        tracking: ``mlflow``, ``tensorboard`` or ``wandb``, a ``Tracker`` or a function: each
            training is a run there; see ``tracking.create_tracker``.
        tracking_options: Of that name, as ``{"project": "digits"}``. They stay in this program: a
            worker that joins from elsewhere says itself where it tracks.

    Raises:
        ValueError: A name is unknown, or an option does not go with another.
        ImportError: The tracker's package is not installed.

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
        search_strategy: str | BaseSampler | SearchStrategy = "tpe",
        early_stopping: str | BasePruner | None = None,
        early_stopping_options: Mapping[str, Any] | None = None,
        executor_type: str | BaseExecutor = "sequential",
        max_workers: int | None = None,
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
        rungs: Sequence[int] | None = None,
        warm_start: Earlier | None = None,
        warm_start_options: Mapping[str, Any] | None = None,
        predictor: bool = False,
        strict: bool = False,
        tracking: str | Tracker | TrackFunction | None = None,
        tracking_options: Mapping[str, Any] | None = None,
    ) -> None:
        check_names(storage, study_name, metrics)
        self.search_strategy = search_strategy
        self.executor = executor_type
        self.max_workers = max_workers or default_workers(executor_type)
        self.predictor: PerformancePredictor | None = None
        self._predicts = predictor
        self.evaluator: Evaluator | None = None
        self.backend: Backend = backend
        self.device = device
        self.output_dir = Path(output_dir)
        self.storage = storage_url(storage or self.output_dir / "study.db")
        self.study_name = study_name
        names = (metrics,) if isinstance(metrics, str) else metrics
        self.metrics = None if names is None else tuple(_METRIC_ALIASES.get(n, n) for n in names)
        self.rungs = None if rungs is None else tuple(rungs)
        if self.rungs is not None:
            check_rungs(self.rungs, reduction_factor, self.metrics, early_stopping)
        self.reduction_factor = reduction_factor
        self.warm_start = warm_start
        self._warm_options = dict(warm_start_options or {})
        check_options(warm_start, self._warm_options)
        self.seed = seed
        self.value: Literal["last", "best"] = value
        self.strict = strict
        self.tracker = make_tracker(tracking, tracking_options)
        self._sampler_options = _given(
            acquisition_function=acquisition_function, n_startup_trials=n_initial_random
        )
        objectives = len(self.metrics or ("",))
        self.early_stopping = early_stopping or ("none" if rungs else default_pruner(objectives))
        check_objectives(self.early_stopping, objectives)
        self._pruner_options = {
            **_given(reduction_factor=None if rungs else reduction_factor),
            **(early_stopping_options or {}),
        }
        self._result: SearchResult | None = None
        self._loaded: tuple[Evaluator | None, Mapping[str, Any] | None] = (None, None)
        self._recorded = recorded(
            search_strategy=search_strategy,
            early_stopping=self.early_stopping,
            early_stopping_options=early_stopping_options,
            backend=backend,
            metrics=self.metrics,
            acquisition_function=acquisition_function,
            n_initial_random=n_initial_random,
            reduction_factor=reduction_factor,
            seed=seed,
            value=value,
            rungs=self.rungs,
            warm_start=ZERO_COST if warm_start == ZERO_COST else None,  # trials keep their scores
            predictor=predictor or None,
        )
        if predictor and self.metrics is not None:
            check_metrics(self.metrics)
        # Wrong names and options are said now, not after the data was read.
        check_strategy(search_strategy, self._sampler_options)
        self.make_pruner(_MANY_EPOCHS)
        if isinstance(executor_type, str):
            check_executor(executor_type, self.max_workers, {})

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
            max_trials: Trials of the study that shall have trained, earlier ones included. With
                rungs, so many whole trainings: each trial is charged by its epochs.
            max_epochs_per_trial: Longest training; by default the last rung, the space's
                ``epochs``, or 10.
            timeout: Seconds after which no further trial begins.
            callbacks: Called with study and trial after each trial.

        Returns:
            What was found, also after Ctrl-C: the trial that was interrupted is queued again.

        Raises:
            NoFeasibleArchitectureError: Nothing in the space meets its constraints.
            DataError: The data does not fit the space.
            StudyError: The database can't be used, the study searches another space, or three
                trials in a row failed.
            TrackingError: The tracker can't begin.
        """
        if max_trials < 1:
            raise ValueError(f"`max_trials` must be at least 1 but got {max_trials}")
        if timeout is not None and not timeout > 0:
            raise ValueError(f"`timeout` must be above 0 seconds but got {timeout}")
        if not isinstance(space, ArchitectureSpace):
            space = ArchitectureSpace.from_dsl(space)
        self.evaluator = evaluator or self.make_evaluator(train_data, val_data, test_data)
        self.check(space, self.evaluator, max_epochs_per_trial)
        objective = self.make_objective(space, self.evaluator, max_epochs_per_trial)
        self.predictor = None if objective.adviser is None else objective.adviser.predictor
        with storage_errors(self.storage):
            # Before the study is made: a wrong name leaves none behind.
            earlier = find_earlier(self.warm_start, self.storage, self.study_name or space.name)
            study = self._open_study(objective, max_trials, max_epochs_per_trial)
            if earlier is not None:
                set_budget(study, max_trials, None)  # the timeout begins after the scores
                begin_warm(
                    study, objective, earlier, self._warm_options, self.executor, self.max_workers
                )
            prepare(self.tracker, study.study_name)
            set_budget(study, max_trials, None if timeout is None else time.time() + timeout)
            worker = SearchWorker(
                self.storage,
                study.study_name,
                objective,
                study.sampler,
                study.pruner,
                callbacks=callbacks,
                storage=study._storage,
                stop=threading.Event(),
                strict=self.strict,
            )
            reason = run_search(study, worker, self.executor, self.max_workers, self.strict)
            write_ledger(study)
            publish(study)
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
        names = measured(self.metrics or ())
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
        self._loaded = (evaluator, getattr(train_data, "source", None))
        return evaluator

    def make_objective(
        self, space: ArchitectureSpace, evaluator: Evaluator, epochs: int | None
    ) -> ArchitectureObjective:
        """Return what ``search`` runs.

        Args:
            space: What is searched.
            evaluator: What trains.
            epochs: Longest training; None leaves it to the space.
        """
        return ArchitectureObjective(
            space,
            evaluator,
            metrics=self.metrics_for(space, evaluator),
            epochs=epochs,
            seed=self.seed,
            device=self.device,
            value=self.value,
            rungs=self.rungs,
            zero_cost=proxies_of(self.warm_start, self._warm_options),
            predictor=self._predicts,
            tracking=self.tracker,
            **_given(reduction_factor=self.reduction_factor if self.rungs else None),
        )

    def metrics_for(self, space: ArchitectureSpace, evaluator: Evaluator) -> tuple[str, ...]:
        """Return what is optimised: what was asked for, or what is usual for the loss."""
        if self.metrics:
            return tuple(self.metrics)
        if isinstance(evaluator, ArchitectureEvaluator):
            # By the loss, not by the targets: whole numbers may be values.
            return evaluator.metrics_for(space.sample_architecture(seed=0))[:1]
        return ("val_accuracy",)

    def check(
        self, space: ArchitectureSpace, evaluator: Evaluator, epochs: int | None = None
    ) -> None:
        """Check, before a study is made, that a search can begin; ``search`` does so too.

        Args:
            space: What will be searched.
            evaluator: What will train.
            epochs: The search's ``max_epochs_per_trial``.

        Raises:
            NoFeasibleArchitectureError: Nothing in the space meets its constraints.
            ShapeError: A layer cannot follow, whatever is chosen.
            DataError: The data does not fit.
            ValueError: The strategy cannot search this space, a metric is for another task, or an
                option of early stopping does not fit the epochs.
        """
        space.check()
        if isinstance(evaluator, ArchitectureEvaluator):
            check_data(space, evaluator)
        check_strategy(self.search_strategy, self._sampler_options, space=space)
        of_evaluator = getattr(evaluator, "epochs", None)
        self.make_pruner(epochs or of_evaluator or space.longest_training())

    def _open_study(
        self, objective: ArchitectureObjective, max_trials: int, epochs: int | None
    ) -> optuna.Study:
        return open_search(
            self.storage,
            self.study_name,
            objective,
            *self.make_sampler(objective, max_trials),
            self.make_pruner(objective.longest_training()),
            engine_options=self._recorded,
            epochs=epochs,
            data=self._loaded[1] if objective.evaluator is self._loaded[0] else None,
        )

    def make_sampler(
        self, objective: ArchitectureObjective, max_trials: int
    ) -> tuple[BaseSampler, str]:
        """Return the sampler of a search, and in words what it is.

        Args:
            objective: What the search runs.
            max_trials: Trials that shall train.
        """
        return make_sampler(
            self.search_strategy,
            objective.space,
            self._sampler_options,
            seed=self.seed,
            n_trials=max_trials,
            n_objectives=len(objective.directions),
        )

    def make_pruner(self, epochs: int) -> BasePruner:
        """Return the pruner of a search.

        Args:
            epochs: Longest training.
        """
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
