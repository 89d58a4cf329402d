"""The options of an engine, checked as they are given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from neural_automl.early_stopping import check_objectives, create_pruner, default_pruner
from neural_automl.evaluation import ArchitectureEvaluator, Evaluator
from neural_automl.executor import BaseExecutor
from neural_automl.executor._create import check_executor
from neural_automl.objective import COST_METRICS, ArchitectureObjective
from neural_automl.prediction import check_metrics
from neural_automl.search._checks import check_names, check_rungs, measured
from neural_automl.search._running import default_workers
from neural_automl.search._warm import Earlier, check_options, proxies_of
from neural_automl.search_strategies import SearchStrategy, check_strategy, make_sampler
from neural_automl.studies import storage_url
from neural_automl.tracking import Tracker
from neural_automl.tracking._create import TrackFunction, make_tracker
from neural_automl.trials._keeping import check_kept
from neural_automl.warm_start import ZERO_COST
from neural_automl.workers._settings import recorded

if TYPE_CHECKING:
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

    from neural_automl.architecture import Backend
    from neural_automl.architecture_space import ArchitectureSpace

#: As a constraint names it.
_METRIC_ALIASES: Final = {"peak_memory": "peak_memory_bytes"}
# Options of early stopping are checked before the number of epochs is known, and with it again.
_MANY_EPOCHS: Final = 10**6


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """What ``AutoMLEngine`` is made with; its docstring says what each is.

    Raises:
        ValueError: A name is unknown, or an option does not go with another.
        ImportError: The tracker's package is not installed.
    """

    search_strategy: str | BaseSampler | SearchStrategy
    early_stopping: str | BasePruner | None
    early_stopping_options: Mapping[str, Any] | None
    executor_type: str | BaseExecutor
    max_workers: int | None
    backend: Backend
    device: str
    output_dir: str | Path
    storage: str | Path | None
    study_name: str | None
    metrics: str | Sequence[str] | None
    acquisition_function: str | None
    n_initial_random: int | None
    reduction_factor: int | None
    seed: int
    value: Literal["last", "best"]
    rungs: Sequence[int] | None
    warm_start: Earlier | None
    warm_start_options: Mapping[str, Any] | None
    predictor: bool
    keep_weights: int | None
    checkpoint_quota: int | None
    strict: bool
    tracking: str | Tracker | TrackFunction | None
    tracking_options: Mapping[str, Any] | None
    tracker: Tracker | None = field(init=False)

    def __post_init__(self) -> None:
        check_names(self.storage, self.study_name, self.metrics)
        if self.rungs is not None:
            rungs = tuple(self.rungs)
            object.__setattr__(self, "rungs", rungs)
            check_rungs(rungs, self.reduction_factor, self.metric_names, self.early_stopping)
        tracker = make_tracker(self.tracking, self.tracking_options)
        object.__setattr__(self, "tracker", tracker)
        check_kept(self.keep_weights, self.checkpoint_quota, self.rungs)
        check_options(self.warm_start, self.warm_options)
        check_objectives(self.stopping, len(self.metric_names or ("",)))
        if self.predictor and self.metric_names is not None:
            check_metrics(self.metric_names)
        # Wrong names and options are said now, not after the data was read.
        check_strategy(self.search_strategy, self.sampler_options)
        self.make_pruner(_MANY_EPOCHS)
        if isinstance(self.executor_type, str):
            check_executor(self.executor_type, self.workers, {})

    @property
    def metric_names(self) -> tuple[str, ...] | None:
        """What is optimised, as trials call it; None where nobody says."""
        names = (self.metrics,) if isinstance(self.metrics, str) else self.metrics
        return None if names is None else tuple(_METRIC_ALIASES.get(n, n) for n in names)

    @property
    def workers(self) -> int:
        """Trainings at once."""
        return self.max_workers or default_workers(self.executor_type)

    @property
    def url(self) -> str:
        """Of the storage."""
        return storage_url(self.storage or Path(self.output_dir) / "study.db")

    @property
    def stopping(self) -> str | BasePruner:
        """What stops trainings: as given, or what is usual for the number of metrics."""
        usual = default_pruner(len(self.metric_names or ("",)))
        return self.early_stopping or ("none" if self.rungs else usual)

    @property
    def warm_options(self) -> dict[str, Any]:
        """Options of the warm start."""
        return dict(self.warm_start_options or {})

    @property
    def sampler_options(self) -> Mapping[str, Any]:
        """Options of the strategy, those that are given."""
        return given(
            acquisition_function=self.acquisition_function, n_startup_trials=self.n_initial_random
        )

    def make_evaluator(
        self, train_data: Any, val_data: Any = None, test_data: Any = None
    ) -> ArchitectureEvaluator:
        """Return the evaluator that ``search`` makes of such data.

        Raises:
            TypeError: There is no data, or an evaluator instead.
            DataError: The data cannot be used.
            ValueError: A metric is unknown or for another task, or the device is not there.
        """
        if train_data is None:
            raise TypeError("search needs `train_data` or an `evaluator`")
        if callable(getattr(train_data, "evaluate", None)):
            raise TypeError(f"a {type(train_data).__name__} is no data; give it as `evaluator=`")
        names = self.metric_names or ()
        evaluator = ArchitectureEvaluator(
            train_data,
            val_data,
            test_data=test_data,
            metrics=measured(names) or None,
            backend=self.backend,
            device=self.device,
            keep=self.value,
            monitor=next((name for name in names if name not in COST_METRICS), None),
        )
        evaluator.choose_device()
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
            zero_cost=proxies_of(self.warm_start, self.warm_options),
            predictor=self.predictor,
            keep_weights=self.keep_weights,
            checkpoint_quota=self.checkpoint_quota,
            tracking=self.tracker,
            **given(reduction_factor=self.reduction_factor if self.rungs else None),
        )

    def metrics_for(self, space: ArchitectureSpace, evaluator: Evaluator) -> tuple[str, ...]:
        """Return what is optimised: what was asked for, or what is usual for the loss."""
        if self.metric_names:
            return self.metric_names
        if isinstance(evaluator, ArchitectureEvaluator):
            # By the loss, not by the targets: whole numbers may be values.
            return evaluator.metrics_for(space.sample_architecture(seed=0))[:1]
        return ("val_accuracy",)

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
            self.sampler_options,
            seed=self.seed,
            n_trials=max_trials,
            n_objectives=len(objective.directions),
        )

    def make_pruner(self, epochs: int) -> BasePruner:
        """Return the pruner of a search.

        Args:
            epochs: Longest training.
        """
        options = {
            **given(reduction_factor=None if self.rungs else self.reduction_factor),
            **(self.early_stopping_options or {}),
        }
        return create_pruner(self.stopping, max_epochs=epochs, **options)

    def to_dict(self) -> dict[str, Any]:
        """Return the options by name, as ``AutoMLEngine`` takes them."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.init}

    def recorded(self) -> dict[str, Any]:
        """Return what a study keeps, for workers elsewhere to make their engine with."""
        return recorded(
            search_strategy=self.search_strategy,
            early_stopping=self.stopping,
            early_stopping_options=self.early_stopping_options,
            backend=self.backend,
            metrics=self.metric_names,
            acquisition_function=self.acquisition_function,
            n_initial_random=self.n_initial_random,
            reduction_factor=self.reduction_factor,
            seed=self.seed,
            value=self.value,
            rungs=self.rungs,
            # Its trials keep their scores.
            warm_start=ZERO_COST if self.warm_start == ZERO_COST else None,
            predictor=self.predictor or None,
            keep_weights=self.keep_weights,
            checkpoint_quota=self.checkpoint_quota,
        )


def given(**options: Any) -> Mapping[str, Any]:
    """Return the options that are not None."""
    return {name: value for name, value in options.items() if value is not None}
