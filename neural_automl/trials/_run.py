"""One trial as its training sees it: what is reported, recorded, taken over, or given up."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import optuna
from optuna.trial import TrialState

from neural_automl.checkpoints import CHECKPOINT, NO_CHECKPOINT, Checkpoints
from neural_automl.early_stopping import may_stop_at
from neural_automl.exceptions import (
    CheckpointError,
    DivergenceError,
    EvaluationError,
    FallbackWarning,
    OutOfMemoryError,
)
from neural_automl.pruners.multi_objective import report_vector, should_prune
from neural_automl.trials._attributes import write_attributes
from neural_automl.trials._ledger import KNOWN_EPOCHS, Stopwatch
from neural_automl.trials._rungs import RESUMED_FROM, RUNG
from neural_automl.workers._interruption import REQUESTED, HandedBack
from neural_automl.workers._leases import ATTEMPTS
from neural_automl.workers._recovery import hand_back

if TYPE_CHECKING:
    from optuna.trial import Trial

    from neural_automl.architecture import Architecture
    from neural_automl.evaluation import EvaluationContext, Evaluator
    from neural_automl.known_values import Known
    from neural_automl.trials._memory import MemoryLimits
    from neural_automl.workers._leases import Lease


#: Attribute of a trial: the epoch whose checkpoint its last attempt went on from.
RESUMED_AT: Final = "resumed_at"
#: Costs that may be objectives beside the evaluator's metrics.
COST_METRICS: Final = ("params", "macs", "peak_memory_bytes", "depth")


class TrialRun:
    """One training as it is seen from the trial.

    Args:
        trial: The trial.
        metrics: What is optimised.
        epochs: Of the training, at most.
        watch: Measures what the reports take.
        lease: Says whether the trial is still this worker's.
        checkpoints: Where the state of the training is kept, or None.
        before: Epochs that the network was trained for before this trial, on lower rungs: steps
            go on from them, so that values of two rungs never stand at one step. None where there
            are no rungs, and the pruner decides who is stopped.
    """

    def __init__(
        self,
        trial: Trial,
        metrics: Sequence[str],
        epochs: int,
        watch: Stopwatch,
        lease: Lease,
        checkpoints: Checkpoints | None,
        *,
        before: int | None = None,
    ) -> None:
        self._trial = trial
        self._metrics = metrics
        self._epochs = epochs
        self._watch = watch
        self._lease = lease
        self._checkpoints = checkpoints
        self._before = before
        self._reported = 0
        self._was_asked = False
        # Steps that an attempt reported which ended before it kept a checkpoint of them.
        self._known_steps = tuple(trial._cached_frozen_trial.intermediate_values)
        self.curve: list[dict[str, float]] = []
        self.weights: Mapping[str, Any] | None = None
        self.epoch = 0
        self.stopped = False

    @property
    def before(self) -> int:
        """Epochs that the network was trained for on lower rungs."""
        return self._before or 0

    @property
    def last(self) -> dict[str, float]:
        """The metrics of the last epoch."""
        return self.curve[-1] if self.curve else {}

    def evaluate(
        self,
        evaluator: Evaluator,
        architecture: Architecture,
        context: EvaluationContext,
        memory: MemoryLimits,
    ) -> dict[str, float]:
        """Train, and turn what can go wrong with a network into an infeasible trial.

        Raises:
            optuna.TrialPruned: It diverged, found no memory, or cannot be trained.
        """
        trial = self._trial
        try:
            with self._watch.on("training"):
                metrics = as_floats(evaluator.evaluate(architecture, context))
            for metric in self._metrics:
                if not math.isfinite(metrics.get(metric, 0.0)):
                    raise DivergenceError(f"{metric} became {metrics[metric]}")
        except DivergenceError as error:
            self.record(self.last)
            raise infeasible(trial, {"divergence": 1.0}, f"diverged: {error}") from error
        except OutOfMemoryError as error:
            memory.remember(trial.study, architecture, trial.user_attrs["device"])
            raise infeasible(trial, {"memory": 1.0}, str(error)) from error
        except EvaluationError as error:
            self.record(self.last)
            raise infeasible(trial, {"training": 1.0}, str(error)) from error
        return metrics

    def load_checkpoint(self) -> dict[str, Any] | None:
        """Return what the evaluator kept last, in an attempt that was cut off, or None."""
        if self._checkpoints is None:
            return None
        try:
            state = self._checkpoints.load()
        except CheckpointError as error:
            self._trial.set_user_attr(NO_CHECKPOINT, str(error))
            text = f"trial {self._trial.number} begins anew: {error}"
            warnings.warn(text, FallbackWarning, stacklevel=2)
            return None
        if state is None:
            return None
        self.curve, self.epoch = state["curve"], state["epoch"]
        self._reported = self.epoch
        self._trial.set_user_attr(RESUMED_AT, self.epoch)
        evaluators: dict[str, Any] = state["evaluator"]
        return evaluators

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Keep the evaluator's state after the epoch that was reported last."""
        if self._checkpoints is not None:
            with self._watch.on("storing"):
                kept = {"evaluator": state, "curve": self.curve, "epoch": self.epoch}
                self._checkpoints.save(self.epoch, kept)

    def check_lease(self) -> None:
        """Check that the trial is still this worker's.

        Raises:
            HandedBack: It was given to another, as this one gave no sign of life.
        """
        if self._lease.is_lost():
            raise HandedBack(f"trial {self._trial.number} was taken over by another worker")

    def leave(self) -> None:
        """Hand the trial back, with its last epoch kept, if this process was asked to end.

        Raises:
            HandedBack: It was.
        """
        if REQUESTED.is_set() and self.epoch < self._epochs:
            if self._checkpoints is not None:
                self._checkpoints.flush()
            hand_back(self._trial.study, self._trial._trial_id)
            raise HandedBack(f"trial {self._trial.number} was handed back")

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Keep an epoch's metrics and report the one that is optimised."""
        self.check_lease()
        if step <= self.epoch:
            raise ValueError(
                f"an evaluator must report epochs from 1 on, rising, but {step} came after "
                f"{self.epoch}"
            )
        self.epoch = step
        metrics = as_floats(metrics)
        self.curve.append({"epoch": step, **metrics})
        with self._watch.on("storing"):
            if len(self._metrics) == 1:
                if self._metrics[0] in metrics:
                    at = step + self.before
                    if at not in self._known_steps:
                        self._trial.report(metrics[self._metrics[0]], at)
                    self._reported = step
            elif self._may_stop():
                self._report_vector(step, metrics)

    def _report_vector(self, step: int, metrics: Mapping[str, float]) -> None:
        """Report all that is optimised, costs as they are from the start."""
        costs = self._trial.user_attrs
        known = {**metrics, **{name: costs[name] for name in self._metrics if name in _OWN}}
        if known.keys() >= set(self._metrics):
            report_vector(self._trial, [known[name] for name in self._metrics], step)
            self._reported = step

    def _may_stop(self) -> bool:
        # After the last epoch there is nothing left to save, and a value to lose.
        if self._before is not None or self.epoch == self._epochs:
            return False
        return may_stop_at(self._trial.study.pruner, self.epoch, len(self._metrics))

    def should_stop(self) -> bool:
        """Ask the pruner, where it can decide anything at this epoch."""
        self.leave()
        if self._may_stop():
            self._was_asked = True
            with self._watch.on("storing"):
                self.stopped = self._reported == self.epoch and should_prune(self._trial)
        return self.stopped

    def end_rung(self, rung: int, value: float) -> optuna.TrialPruned:
        """See to it that a rung's value is the trial's last one, and return what to raise."""
        if self._metrics[0] not in self.last:
            self._trial.report(value, self.epoch + 1 + self.before)
        return pruned(self._trial, f"on rung {rung}, after {self.epoch} epochs")

    def stop(self) -> optuna.TrialPruned:
        """Note who stopped the training, and return what to raise."""
        pruner = type(self._trial.study.pruner).__name__
        return pruned(self._trial, f"by {pruner}, after epoch {self.epoch}")

    def keep_weights(self, weights: Mapping[str, Any]) -> None:
        """Keep the weights of the trained network."""
        self.weights = weights

    def record(self, metrics: Mapping[str, float]) -> None:
        """Write the metrics to the trial.

        Raises:
            ValueError: Early stopping was asked, and was told of no epoch what is optimised.
        """
        missing = [n for n in self._metrics if n in metrics and n not in _OWN]
        if self._was_asked and not self._reported and missing:
            raise ValueError(
                f"the evaluator gave {', '.join(missing)} in the end but reported it after no "
                f"epoch, so that {type(self._trial.study.pruner).__name__} could stop nothing: "
                "report it, or search with early stopping none"
            )
        of_trial: dict[str, float] = {**metrics, "epochs": self.epoch}
        of_trial.pop("epoch", None)
        if "best_epoch" in of_trial:
            of_trial["best_epoch"] = int(of_trial["best_epoch"])
        write_attributes(self._trial, of_trial)


def values_of(
    names: Sequence[str], value: str, architecture: Architecture, metrics: Mapping[str, float]
) -> float | tuple[float, ...]:
    """Return what is told to Optuna: one number, or several.

    Args:
        names: What is optimised.
        value: Whether the ``last`` or the ``best`` epoch counts.
        architecture: Gives the costs.
        metrics: What the evaluator gave.

    Raises:
        ValueError: The evaluator gave no such metric.
    """
    values = []
    for name in names:
        if name in COST_METRICS:
            values.append(float(getattr(architecture.cost, name)))
            continue
        key = f"{name}.best" if value == "best" else name
        if key not in metrics:
            listed = ", ".join(name for name in metrics if "." not in name)
            raise ValueError(f"the evaluator gave no metric {name!r}; it gave {listed}")
        values.append(float(metrics[key]))
    return values[0] if len(values) == 1 else tuple(values)


def as_floats(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return metrics as plain numbers: a storage writes no scalar of NumPy or torch."""
    return {name: float(value) for name, value in metrics.items()}


#: What a trial says of itself, not of the network that it trained.
_OWN: Final = frozenset(
    {
        ATTEMPTS, CHECKPOINT, RESUMED_AT,
        "architecture_key", "cached_from", "data_fingerprint", "depth", "device", "epochs",
        "evaluator_fingerprint", "lease", "macs", "max_epochs", "params", "peak_memory_bytes",
        "seed", "ticket", "train_seconds", "training_key", "worker", KNOWN_EPOCHS, RESUMED_FROM,
        RUNG,
    }
)  # fmt: skip


def take_over(trial: Trial, known: Known) -> dict[str, float]:
    """Give a trial the metrics of an equal training, and return them.

    Raises:
        optuna.TrialPruned: That training was stopped, or came to no end.
    """
    source = known.trial
    metrics: dict[str, float] = {
        name: value
        for name, value in source.user_attrs.items()
        if name not in _OWN and isinstance(value, int | float)
    }
    epochs = source.user_attrs.get("epochs", 0)
    write_attributes(trial, {"cached_from": known.name, KNOWN_EPOCHS: epochs, **metrics})
    if "infeasible" in source.user_attrs:
        raise infeasible(trial, source.constraints, source.user_attrs["infeasible"])
    if source.state == TrialState.PRUNED:
        if source.last_step is not None and len(trial.study.directions) == 1:
            trial.report(source.intermediate_values[source.last_step], source.last_step)
        raise pruned(trial, f"as the equal trial {known.name} was")
    return metrics


def pruned(trial: Trial, reason: str) -> optuna.TrialPruned:
    """Keep why a feasible trial ended before a whole training, and return what to raise."""
    trial.set_user_attr("stopped", reason)
    return optuna.TrialPruned(f"stopped {reason}")


def infeasible(trial: Trial, constraints: Mapping[str, float], reason: str) -> optuna.TrialPruned:
    """Mark a trial as infeasible and return what to raise."""
    set_constraints(trial, constraints)
    trial.set_user_attr("infeasible", reason)
    return optuna.TrialPruned(f"infeasible: {reason}")


def set_constraints(trial: Trial, constraints: Mapping[str, float]) -> None:
    """Write constraints into a trial, but for those that an attempt before this one wrote."""
    held = trial._cached_frozen_trial.constraints  # read once: it may be on another machine
    for name, value in constraints.items():
        if name not in held:
            trial.set_constraint(name, value)
