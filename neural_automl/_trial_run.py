"""One trial as its training sees it: what is reported, recorded, taken over, or given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import optuna
from optuna.trial import TrialState

from neural_automl.early_stopping import may_stop_at
from neural_automl.pruners.multi_objective import report_vector, should_prune

if TYPE_CHECKING:
    from optuna.trial import Trial

    from neural_automl.known_values import Known


class TrialRun:
    """One training as it is seen from the trial."""

    def __init__(
        self, trial: Trial, metrics: Sequence[str], value: str, epochs: int | None = None
    ) -> None:
        self._trial = trial
        self._metrics = metrics
        self._value = value
        self._epochs = epochs
        self._reported = 0
        self._was_asked = False
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
        if len(self._metrics) == 1:
            if self._metrics[0] in metrics:
                self._trial.report(metrics[self._metrics[0]], step)
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
        return self.epoch != self._epochs and may_stop_at(
            self._trial.study.pruner, self.epoch, len(self._metrics)
        )

    def should_stop(self) -> bool:
        """Ask the pruner, where it can decide anything at this epoch."""
        if self._may_stop():
            self._was_asked = True
            if self._reported == self.epoch and should_prune(self._trial):
                self.stopped = True
                self._trial.set_user_attr("stopped_by", type(self._trial.study.pruner).__name__)
        return self.stopped

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
        "seed", "stopped_by", "ticket", "train_seconds", "training_key", "worker",
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
