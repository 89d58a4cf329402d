"""The epochs of a training, whatever framework takes the steps."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Literal, TypeAlias

from neural_automl.evaluation._batches import Batches
from neural_automl.evaluation._context import EvaluationContext
from neural_automl.evaluation._losses import Losses
from neural_automl.evaluation._progress import Progress
from neural_automl.evaluation._settings import TrainingSettings, make_schedule
from neural_automl.evaluation._tracker import MetricTracker
from neural_automl.exceptions import DivergenceError
from neural_automl.values import Call

if TYPE_CHECKING:
    from torch import Tensor

Keep: TypeAlias = Literal["last", "best"]
Clock: TypeAlias = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A training at its end.

    Args:
        metrics: Flat, of the last and of the best epoch.
        weights: Tensors on the CPU, by name.
        epoch: That the weights come from, from 1.
    """

    metrics: dict[str, float]
    weights: dict[str, Tensor]
    epoch: int


@dataclass(frozen=True, slots=True)
class Learner:
    """What a framework does for the loop.

    Args:
        take_step: Trains on a batch and returns its mean loss.
        set_rate: Sets the learning rate of the next step.
        validate: Returns the loss and the metrics of the validation data.
        weights: Returns a copy of the weights, on the CPU.
        losses: Makes what collects the losses of an epoch.
    """

    take_step: Callable[[Tensor, Tensor], Tensor]
    set_rate: Callable[[float], None]
    validate: Callable[[], dict[str, float]]
    weights: Callable[[], dict[str, Tensor]]
    losses: Callable[[int], Losses]


def run_epochs(
    learner: Learner,
    progress: Progress,
    training: Batches,
    settings: TrainingSettings,
    context: EvaluationContext,
    *,
    monitor: str,
    keep: Keep,
    clock: Clock,
) -> Outcome:
    """Train for the epochs of the context, or go on with a training that was cut off.

    Args:
        learner: Takes the steps.
        progress: Of this training, at its beginning.
        training: Data, on the device.
        settings: Size of a batch, learning rate and patience.
        context: For how long, and whom to tell.
        monitor: The metric that says which epoch is the best.
        keep: Whose epoch's weights are returned.
        clock: Returns seconds.

    Raises:
        DivergenceError: The loss or a metric became NaN or infinite.
        DataError: The training data gave no batch.
    """
    earlier = context.load_checkpoint()
    if earlier is not None:
        progress.restore(earlier)
    tracker = progress.tracker
    rate = learning_rate(settings, training, context.epochs)

    def is_over() -> bool:
        if context.should_stop() or _is_out_of_patience(tracker, settings.patience):
            return True
        return progress.epoch >= context.epochs

    while progress.epoch == 0 or not is_over():
        start = clock()
        batches = training.training(settings.batch_size, progress.shuffle)
        metrics = _run_epoch(learner, progress, batches, rate)
        _check_finite(metrics, progress.epoch)
        tracker.update(progress.epoch, metrics)
        if keep == "best" and tracker.best_step(monitor) == progress.epoch:
            progress.best_weights = learner.weights()
        progress.seconds += clock() - start
        context.report(progress.epoch, metrics)
        context.save_checkpoint(progress.state())
    summary = tracker.summary()
    summary["best_epoch"] = float(tracker.best_step(monitor))
    summary["epochs"] = float(progress.epoch)
    summary["train_seconds"] = progress.seconds
    if progress.best_weights is None:
        return Outcome(summary, learner.weights(), progress.epoch)
    return Outcome(summary, progress.best_weights, tracker.best_step(monitor))


def _run_epoch(
    learner: Learner,
    progress: Progress,
    batches: Iterable[tuple[Tensor, Tensor]],
    rate: Callable[[int], float] | None,
) -> dict[str, float]:
    """Train on each batch, validate, and return the epoch's metrics."""
    losses = learner.losses(progress.epoch + 1)
    for x, y in batches:
        if rate is not None:
            learner.set_rate(rate(progress.step))
        losses.add(learner.take_step(x, y), len(x))
        progress.step += 1
    metrics = {"train_loss": losses.mean(), **learner.validate()}
    progress.epoch += 1
    return metrics


def learning_rate(
    settings: TrainingSettings, training: Batches, epochs: int
) -> Callable[[int], float] | None:
    """Return the learning rate by step, from 0; None where it does not change."""
    if not isinstance(settings.learning_rate, Call):
        return None
    steps = training.steps(settings.batch_size)
    return make_schedule(settings.learning_rate, None if steps is None else steps * epochs)


def _is_out_of_patience(tracker: MetricTracker, patience: int | None) -> bool:
    if patience is None:
        return False
    return tracker.last_step("val_loss") - tracker.best_step("val_loss") >= patience


def _check_finite(metrics: Mapping[str, float], epoch: int) -> None:
    for name, value in metrics.items():
        if not isfinite(value):
            raise DivergenceError(f"{name} became {value} in epoch {epoch}")
