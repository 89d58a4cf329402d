"""One trial as its training sees it: what is reported, recorded, taken over, or given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import optuna
from optuna.trial import TrialState

from neural_automl.early_stopping import may_stop_at

if TYPE_CHECKING:
    from optuna.trial import Trial

    from neural_automl.known_values import Known


class TrialRun:
    """One training as it is seen from the trial."""

    def __init__(self, trial: Trial, metrics: Sequence[str], value: str) -> None:
        self._trial = trial
        self._metrics = metrics
        self._value = value
        self.curve: list[dict[str, float]] = []
        self.weights: Mapping[str, Any] | None = None
        self.epoch = 0
        self.stopped = False

    @property
    def last(self) -> dict[str, float]:
        """The metrics of the last epoch."""
        return self.curve[-1] if self.curve else {}

    def report(self, step: int, metrics: Mapping[str, float]) -> None:
        """Keep an epoch's metrics and report the one that is optimised."""
        if step <= self.epoch:
            raise ValueError(
                f"an evaluator must report epochs from 1 on, rising, but {step} came after "
                f"{self.epoch}"
            )
        self.epoch = step
        metrics = as_floats(metrics)
        self.curve.append({"epoch": step, **metrics})
        if len(self._metrics) == 1 and self._metrics[0] in metrics:
            # Optuna has no intermediate values for several objectives.
            self._trial.report(metrics[self._metrics[0]], step)

    def should_stop(self) -> bool:
        """Ask the pruner, where it can decide anything at this epoch."""
        if len(self._metrics) == 1 and may_stop_at(self._trial.study.pruner, self.epoch):
            self.stopped = self._trial.should_prune()
        return self.stopped

    def keep_weights(self, weights: Mapping[str, Any]) -> None:
        """Keep the weights of the trained network."""
        self.weights = weights

    def record(self, metrics: Mapping[str, float]) -> None:
        """Write the metrics to the trial."""
        for name, value in {**metrics, "epochs": self.epoch}.items():
            if name != "epoch":
                self._trial.set_user_attr(name, int(value) if name == "best_epoch" else value)


def as_floats(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return metrics as plain numbers: a storage writes no scalar of NumPy or torch."""
    return {name: float(value) for name, value in metrics.items()}


#: What a trial says of itself, not of the network that it trained.
_OWN: Final = frozenset(
    {
        "architecture_key", "cached_from", "data_fingerprint", "depth", "device", "epochs",
        "evaluator_fingerprint", "lease", "macs", "max_epochs", "params", "peak_memory_bytes",
        "seed", "ticket", "train_seconds", "training_key", "worker",
    }
)  # fmt: skip


def take_over(trial: Trial, known: Known) -> dict[str, float]:
    """Give a trial the metrics of an equal training, and return them.

    Raises:
        optuna.TrialPruned: That training was stopped, or came to no end.
    """
    trial.set_user_attr("cached_from", known.name)
    source = known.trial
    metrics: dict[str, float] = {}
    for name, value in source.user_attrs.items():
        if name not in _OWN and isinstance(value, int | float):
            trial.set_user_attr(name, value)
            metrics[name] = value
    if "infeasible" in source.user_attrs:
        raise infeasible(trial, source.constraints, source.user_attrs["infeasible"])
    if source.state == TrialState.PRUNED:
        if source.last_step is not None and len(trial.study.directions) == 1:
            trial.report(source.intermediate_values[source.last_step], source.last_step)
        raise optuna.TrialPruned(f"stopped as the equal trial {known.name} was")
    return metrics


def infeasible(trial: Trial, constraints: Mapping[str, float], reason: str) -> optuna.TrialPruned:
    """Mark a trial as infeasible and return what to raise."""
    for name, value in constraints.items():
        trial.set_constraint(name, value)
    trial.set_user_attr("infeasible", reason)
    return optuna.TrialPruned(f"infeasible: {reason}")
