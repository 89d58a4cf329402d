"""The run of a trial while it trains: what the tracker fails in costs the run, not the training."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

import optuna

from neural_automl._fallbacks import add_fallback
from neural_automl.artifacts import CURVE, SOURCE
from neural_automl.backends import backend_of
from neural_automl.exceptions import ExportError, FallbackWarning
from neural_automl.tracking._tracker import State, TrackedEnd, TrackedRun, TrackedTrial, Tracker

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial, Trial

    from neural_automl.architecture import Architecture
    from neural_automl.trials._ledger import Stopwatch
    from neural_automl.trials._run import TrialRun

#: Attribute of a trial: tracker and id of its run.
RUN: Final = "tracking_run"
#: Attribute of a trial: why its run is not there, or ends early.
NO_TRACKING: Final = "no_tracking"
_COSTS: Final[Sequence[str]] = ("params", "macs", "peak_memory_bytes", "depth")
_TAGS: Final[Sequence[str]] = (
    "architecture_key",
    "training_key",
    "worker",
    "device",
    "seed",
    "rung",
    "resumed_from",
    "max_epochs",
)


class GuardedRun:
    """A run whose tracker may fail: a warning then says so, the study keeps it, and it is left.

    Args:
        tracker: Opens it.
        study: Keeps what failed, among its ``fallbacks``.
        trial: What the tracker is told.
        keep: Writes an attribute of the trial; None where the trial has ended.
    """

    def __init__(
        self,
        tracker: Tracker,
        study: optuna.Study,
        trial: TrackedTrial,
        keep: Callable[[str, Any], None] | None,
    ) -> None:
        self._tracker = tracker
        self._study = study
        self._number = trial.number
        self._keep = keep
        self._run: TrackedRun | None = None
        self._guard(lambda: self._begin(trial))

    def _begin(self, trial: TrackedTrial) -> None:
        self._run = self._tracker.begin(trial)
        if self._keep is not None and self._run.id and self._run.id != trial.run_id:
            self._keep(RUN, f"{self._tracker.name}:{self._run.id}")

    def log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Write an epoch."""
        run = self._run
        if run is not None:
            self._guard(lambda: run.log(epoch, metrics))

    def end(self, end: TrackedEnd) -> None:
        """Write the end."""
        run, self._run = self._run, None
        if run is not None:
            self._guard(lambda: run.end(end), is_quiet=end.state == "INTERRUPTED")

    def _guard(self, call: Callable[[], None], *, is_quiet: bool = False) -> None:
        try:
            call()
        # Whatever it is: another program's error is no reason to lose a training.
        except Exception as error:  # noqa: BLE001
            self._run = None
            reason = f"{type(error).__name__}: {error}"
            if self._keep is not None:
                self._keep(NO_TRACKING, reason)
            text = f"the tracker {self._tracker.name} failed, and its run was left: {reason}"
            add_fallback(self._study, text)
            if not is_quiet:  # what interrupts may not be replaced by an error
                warnings.warn(f"trial {self._number}: {text}", FallbackWarning, stacklevel=4)


class Tracking:
    """The run of a trial around its training, as a context; without a tracker it does nothing.

    Args:
        tracker: Where runs go, or None.
        trial: About to be trained.
        metrics: What is optimised, in order.
        architecture: What is trained.
        run: The training; it is told of each epoch first.
        watch: Measures what the tracker takes.

    Attributes:
        values: What is told to the study.
    """

    def __init__(
        self,
        tracker: Tracker | None,
        trial: Trial,
        metrics: Sequence[str],
        architecture: Architecture,
        run: TrialRun,
        watch: Stopwatch,
    ) -> None:
        self._tracker = tracker
        self._trial = trial
        self._metrics = metrics
        self._architecture = architecture
        self._training = run
        self._watch = watch
        self._run: GuardedRun | None = None
        self.values: float | tuple[float, ...] | None = None

    def __enter__(self) -> Tracking:
        if self._tracker is not None:
            tracked = describe(self._tracker.name, self._trial.study, self._trial)
            keep = self._trial.set_user_attr
            with self._watch.on("storing"):
                self._run = GuardedRun(self._tracker, self._trial.study, tracked, keep)
        return self

    def report(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Report an epoch to the trial, then to the tracker."""
        self._training.report(epoch, metrics)
        if self._run is not None:
            row = {name: float(value) for name, value in metrics.items()}
            with self._watch.on("storing"):
                self._run.log(epoch + self._training.before, row)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._run is None:
            return
        curve = self._training.curve
        end = TrackedEnd(
            _state(error),
            values={} if self.values is None else named(self._metrics, self.values),
            metrics=_metrics_of(self._trial.user_attrs, curve),
            reason="" if error is None else str(error) or type(error).__name__,
            files=self._files() if curve else {},
        )
        with self._watch.on("storing"):
            self._run.end(end)

    def _files(self) -> dict[str, str]:
        files = {CURVE: json.dumps(self._training.curve)}
        try:
            backend = backend_of(self._training.weights or {})
            files[SOURCE] = self._architecture.to_source(backend)
        except ExportError:
            pass  # the trial keeps why its network has no source
        return files


def describe(tracker: str, study: optuna.Study, trial: Trial | FrozenTrial) -> TrackedTrial:
    """Return a trial as a tracker is told of it.

    Args:
        tracker: Its name: the run of another's is none of its.
        study: Of the trial.
        trial: Running or ended.
    """
    known = trial.user_attrs
    tags = {name: str(known[name]) for name in _TAGS if name in known}
    owner, _, run_id = str(known.get(RUN, "")).partition(":")
    return TrackedTrial(
        study.study_name,
        trial.number,
        params=dict(trial.params),
        costs={name: float(known[name]) for name in _COSTS if name in known},
        tags={"study": study.study_name, "trial": str(trial.number), **tags},
        run_id=run_id if owner == tracker and run_id else None,
    )


def named(names: Sequence[str], values: float | Sequence[float]) -> dict[str, float]:
    """Return values by the names of their metrics."""
    row = [values] if isinstance(values, int | float) else list(values)
    return dict(zip(names, map(float, row), strict=True))


def _metrics_of(
    attributes: Mapping[str, Any], curve: Sequence[Mapping[str, float]]
) -> dict[str, float]:
    """Return a trial's metrics: those of an epoch, and the best of each."""
    names = {name for epoch in curve for name in epoch if name != "epoch"}
    names |= {f"{name}.best" for name in names} | {"best_epoch", "train_seconds"}
    return {name: float(attributes[name]) for name in sorted(names) if name in attributes}


def _state(error: BaseException | None) -> State:
    if error is None:
        return "COMPLETE"
    if isinstance(error, optuna.TrialPruned):
        return "PRUNED"
    return "FAIL" if isinstance(error, Exception) else "INTERRUPTED"
