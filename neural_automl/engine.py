"""The engine: sampler, pruner, storage and objective put together, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.evaluation import ArchitectureEvaluator, Evaluator
from neural_automl.exceptions import StudyError
from neural_automl.executor import BaseExecutor
from neural_automl.prediction import PerformancePredictor
from neural_automl.registry import space_of
from neural_automl.search._checks import (
    check_data,
)
from neural_automl.search._hpo import (
    Mode,
    check_hpo,
    open_training,
    search_in_turn,
    search_of,
)
from neural_automl.search._loading import find_source, load_search
from neural_automl.search._options import EngineOptions
from neural_automl.search._result import SearchResult as SearchResult
from neural_automl.search._session import run_session
from neural_automl.search._warm import Earlier
from neural_automl.search_strategies import SearchStrategy, check_strategy
from neural_automl.studies import (
    artifact_directory,
    make_artifact_store,
)
from neural_automl.tracking import Tracker
from neural_automl.tracking._create import TrackFunction
from neural_automl.workers._worker import Callback

if TYPE_CHECKING:
    import optuna
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

    from neural_automl.architecture import Backend


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
        value: Whether a trial's value is its ``last`` or ``best`` epoch's metric.
        rungs: Epochs of short trainings and of the whole one: see ``ArchitectureObjective``.
        warm_start: What the first trials are chosen by: ``zero_cost``, or earlier studies, or names
            of studies in the same storage; see ``warm_start.warm_start``.
        warm_start_options: Its ``candidates``, ``trials``, ``random``, ``proxies``, ``file`` and
            ``progress``.
        predictor: Whether networks that are likely poor are not trained: see
            ``ArchitectureObjective``; later the attribute ``predictor`` is what predicted.
        keep_weights: Of how many of the best trials the weights are kept.
        checkpoint_quota: Bytes that the checkpoints of all trainings under way may take together.
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
        keep_weights: int | None = None,
        checkpoint_quota: int | None = None,
        strict: bool = False,
        tracking: str | Tracker | TrackFunction | None = None,
        tracking_options: Mapping[str, Any] | None = None,
    ) -> None:
        self.options = options = EngineOptions(
            search_strategy=search_strategy,
            early_stopping=early_stopping,
            early_stopping_options=early_stopping_options,
            executor_type=executor_type,
            max_workers=max_workers,
            backend=backend,
            device=device,
            output_dir=output_dir,
            storage=storage,
            study_name=study_name,
            metrics=metrics,
            acquisition_function=acquisition_function,
            n_initial_random=n_initial_random,
            reduction_factor=reduction_factor,
            seed=seed,
            value=value,
            rungs=rungs,
            warm_start=warm_start,
            warm_start_options=warm_start_options,
            predictor=predictor,
            keep_weights=keep_weights,
            checkpoint_quota=checkpoint_quota,
            strict=strict,
            tracking=tracking,
            tracking_options=tracking_options,
        )
        self.search_strategy = search_strategy
        self.early_stopping = options.stopping
        self.executor = executor_type
        self.max_workers = options.workers
        self.metrics = options.metric_names
        self.output_dir = Path(output_dir)
        self.storage = options.url
        self.study_name = study_name
        self.predictor: PerformancePredictor | None = None
        self.evaluator: Evaluator | None = None
        self._result: SearchResult | None = None
        self._loaded: tuple[Evaluator | None, Mapping[str, Any] | None] = (None, None)

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
        space = _as_space(space)
        self.evaluator = evaluator or self.make_evaluator(train_data, val_data, test_data)
        self.check(space, self.evaluator, max_epochs_per_trial)
        objective = self.options.make_objective(space, self.evaluator, max_epochs_per_trial)
        self.predictor = None if objective.adviser is None else objective.adviser.predictor
        study, reason = run_session(
            self._current_options(),
            objective,
            max_trials=max_trials,
            epochs=max_epochs_per_trial,
            timeout=timeout,
            data=self._loaded[1] if self.evaluator is self._loaded[0] else None,
            callbacks=callbacks,
        )
        self._result = self._make_result(study, space, reason)
        return self._result

    def search_with_hpo(
        self,
        space_or_dsl: ArchitectureSpace | str | Path,
        train_data: Any = None,
        val_data: Any = None,
        *,
        n_trials: int = 50,
        mode: Mode = "joint",
        top_k: int = 3,
        architecture_trials: int | None = None,
        hyperparameters: Mapping[str, Any] | None = None,
        test_data: Any = None,
        evaluator: Evaluator | None = None,
        max_epochs_per_trial: int | None = None,
        timeout: float | None = None,
        callbacks: Sequence[Callback] = (),
    ) -> SearchResult:
        """Search architectures and what they are trained with; called again, it goes on.

        Args:
            space_or_dsl: A space, or its text or file.
            train_data: As for ``search``, like all that is not named here.
            val_data: The same.
            n_trials: Trials that shall have trained, in all studies together.
            mode: ``joint`` is one search of both. ``sequential`` searches architectures first, as
                ``search`` does; then it holds each of the best fixed, and searches its
                hyperparameters in a study of its own, named ``<study>-trial<number>``.
            top_k: Architectures, different functions, that ``sequential`` goes on with.
            architecture_trials: Trials of its first search; by default half of all.
            hyperparameters: What is searched, by name, as ``ArchitectureSpace`` takes it. By
                default learning rate, weight decay and size of a batch, those that the space
                does not leave open itself.
            test_data: As for ``search``.
            evaluator: As for ``search``.
            max_epochs_per_trial: As for ``search``.
            timeout: Seconds for all of it.
            callbacks: As for ``search``.

        Returns:
            What was found; in sequence, the result of the study that found the best.

        Raises:
            ValueError: An option is out of its range, or several metrics are searched in sequence.
            SpaceError: There is no such hyperparameter, or its value breaks a rule.
        """
        own = self._current_options()
        space = _as_space(space_or_dsl)
        check_hpo(own, space, mode, n_trials, top_k, architecture_trials, hyperparameters)
        trainer = evaluator or self.make_evaluator(train_data, val_data, test_data)

        def run(
            options: EngineOptions, space: ArchitectureSpace, trials: int, seconds: float | None
        ) -> SearchResult:
            engine = self if options is own else AutoMLEngine(**options.to_dict())
            engine._loaded = self._loaded
            return engine.search(
                space,
                evaluator=trainer,
                max_trials=trials,
                max_epochs_per_trial=max_epochs_per_trial,
                timeout=seconds,
                callbacks=callbacks,
            )

        if mode == "joint":
            return run(own, open_training(space, hyperparameters), n_trials, timeout)
        self._result = search_in_turn(
            own,
            space,
            run,
            n_trials=n_trials,
            top_k=top_k,
            architecture_trials=architecture_trials,
            hyperparameters=hyperparameters,
            timeout=timeout,
        )
        return self._result

    def make_evaluator(
        self, train_data: Any, val_data: Any = None, test_data: Any = None
    ) -> ArchitectureEvaluator:
        """Return the evaluator that ``search`` makes of such data.

        Raises:
            DataError: The data cannot be used.
            ValueError: A metric is unknown or for another task, or the device is not there.
        """
        evaluator = self.options.make_evaluator(train_data, val_data, test_data)
        self._loaded = (evaluator, getattr(train_data, "source", None))
        return evaluator

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
        check_strategy(self.search_strategy, self.options.sampler_options, space=space)
        of_evaluator = getattr(evaluator, "epochs", None)
        self.options.make_pruner(epochs or of_evaluator or space.longest_training())

    def _current_options(self) -> EngineOptions:
        """Return the options, with the study that was loaded since."""
        return replace(self.options, storage=self.storage, study_name=self.study_name)

    # --- looking at it ------------------------------------------------------------------------

    def load_checkpoint(self, source: str | Path, study_name: str | None = None) -> SearchResult:
        """Return what an earlier search found; a later ``search`` goes on from it.

        Args:
            source: Output directory, storage as URL or SQLite file, or the name of a study in this
                engine's storage.
            study_name: May be left out where the storage holds one search. Of a search of
                architectures and then hyperparameters, it is the study that found the best.

        Raises:
            StudyError: There is no such study, or there are several.
        """
        self.storage, found = find_source(source, self.storage)
        studies = load_search(self.storage, study_name or found)
        self.study_name = search_of(studies).study_name
        self._result = self._make_result(studies[0], space_of(studies[0]), "loaded", studies)
        return self._result

    def get_search_summary(self) -> dict[str, Any]:
        """Return what was searched or loaded in numbers: ``SearchResult.summary``.

        Raises:
            StudyError: Nothing was searched or loaded yet.
        """
        if self._result is None:
            raise StudyError("nothing was searched yet; call search or load_checkpoint first")
        return self._result.summary()

    def _make_result(
        self,
        study: optuna.Study,
        space: ArchitectureSpace,
        reason: str,
        studies: Sequence[optuna.Study] = (),
    ) -> SearchResult:
        store = make_artifact_store(artifact_directory(self.storage))
        names = tuple(each.study_name for each in studies)
        return SearchResult(study, space, reason, self.storage, store, self.evaluator, names)


def _as_space(space: ArchitectureSpace | str | Path) -> ArchitectureSpace:
    return space if isinstance(space, ArchitectureSpace) else ArchitectureSpace.from_dsl(space)
