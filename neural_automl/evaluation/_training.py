"""The training loop, and the validation after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, Literal, TypeAlias

import torch
from torch import Tensor, nn

from neural_automl.evaluation._batches import Batches
from neural_automl.evaluation._context import EvaluationContext
from neural_automl.evaluation._losses import make_losses
from neural_automl.evaluation._metrics import compute
from neural_automl.evaluation._optimizers import LOSS_FUNCTIONS, make_optimizer
from neural_automl.evaluation._progress import Progress
from neural_automl.evaluation._settings import TrainingSettings, make_schedule
from neural_automl.evaluation._tracker import MetricTracker
from neural_automl.exceptions import DataError, DivergenceError, EvaluationError
from neural_automl.values import Call

Step: TypeAlias = Callable[[Tensor, Tensor], Tensor]
Keep: TypeAlias = Literal["last", "best"]
Clock: TypeAlias = Callable[[], float]

# Validation keeps no gradients, so that larger batches fit than those of training.
_VALIDATION_BATCH: Final = 256


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured on a data set.

    Args:
        loss: A name of ``hyperparameters.LOSSES``.
        names: Metrics of the table.
        own: Functions of outputs and targets, by name.
        autocast: Whether the network runs in mixed precision.
        wanted: The metric that says which epoch is the best; None is the first.
    """

    loss: str
    names: tuple[str, ...]
    own: Mapping[str, Callable[[Tensor, Tensor], Any]]
    autocast: bool
    wanted: str | None = None

    @property
    def monitor(self) -> str:
        """The metric that says which epoch is the best, as it is called in training."""
        return self.wanted or f"val_{next(iter((*self.names, *self.own)), 'loss')}"


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


def train(
    model: nn.Module,
    training: Batches,
    validation: Batches,
    settings: TrainingSettings,
    measure: Measure,
    context: EvaluationContext,
    *,
    device: torch.device,
    keep: Keep,
    clock: Clock,
) -> Outcome:
    """Train a model, which is on the device, for the epochs of the context.

    Raises:
        DivergenceError: The loss or a metric became NaN or infinite.
        DataError: The training data gave no batch.
    """
    optimizer = make_optimizer(model, settings, device)
    scaler = torch.amp.GradScaler(device.type) if measure.autocast else None
    shuffle = torch.Generator().manual_seed(context.seed)
    progress = Progress(model, optimizer, shuffle, scaler)
    earlier = context.load_checkpoint()
    if earlier is not None:
        progress.restore(earlier)
    take_step = make_step(model, optimizer, settings, measure, device, scaler)
    rate = _learning_rate(settings, training, context.epochs)
    tracker, monitor = progress.tracker, measure.monitor

    def is_over() -> bool:
        if context.should_stop() or _is_out_of_patience(tracker, settings.patience):
            return True
        return progress.epoch >= context.epochs

    while progress.epoch == 0 or not is_over():
        start = clock()
        losses = make_losses(device, progress.epoch + 1)
        for x, y in training.training(settings.batch_size, shuffle):
            if rate is not None:
                optimizer.param_groups[0]["lr"] = rate(progress.step)
            losses.add(take_step(x, y), len(x))
            progress.step += 1
        metrics = {"train_loss": losses.mean()}
        metrics.update(validate(model, validation, settings.batch_size, measure, "val_", device))
        progress.epoch += 1
        _check_finite(metrics, progress.epoch)
        tracker.update(progress.epoch, metrics)
        if keep == "best" and tracker.best_step(monitor) == progress.epoch:
            progress.best_weights = weights_on_cpu(model)
        progress.seconds += clock() - start
        context.report(progress.epoch, metrics)
        context.save_checkpoint(progress.state())
    summary = tracker.summary()
    summary["best_epoch"] = float(tracker.best_step(monitor))
    summary["epochs"] = float(progress.epoch)
    summary["train_seconds"] = progress.seconds
    if progress.best_weights is None:
        return Outcome(summary, weights_on_cpu(model), progress.epoch)
    return Outcome(summary, progress.best_weights, tracker.best_step(monitor))


def make_step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    settings: TrainingSettings,
    measure: Measure,
    device: torch.device,
    scaler: torch.amp.GradScaler | None = None,
) -> Step:
    """Return the function that takes one step on a batch and returns its loss.

    Raises, when called, EvaluationError: Nothing of the network can be trained on such a batch.
    """
    loss_function = LOSS_FUNCTIONS[measure.loss]
    limit = settings.gradient_clip
    parameters = list(model.parameters())

    def loss_of(x: Tensor, y: Tensor) -> Tensor:
        try:
            loss = loss_function(model(x), y)
        except ValueError as error:
            if len(x) > 1 or "more than 1 value per channel" not in str(error):
                raise
            raise EvaluationError(
                "batch normalization cannot train on batches of one sample"
            ) from error
        if not loss.requires_grad:
            raise EvaluationError("no parameter of the network has a part in its output")
        return loss

    def plain(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = loss_of(x, y)
        torch.autograd.backward(loss)
        if limit is not None:
            nn.utils.clip_grad_norm_(parameters, limit)
        optimizer.step()
        return loss.detach()

    if scaler is None:
        return plain

    def mixed(x: Tensor, y: Tensor) -> Tensor:
        optimizer.zero_grad()
        with torch.autocast(device.type):
            loss = loss_of(x, y)
        torch.autograd.backward(scaler.scale(loss))
        if limit is not None:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(parameters, limit)
        scaler.step(optimizer)
        scaler.update()
        return loss.detach()

    return mixed


def validate(
    model: nn.Module,
    batches: Batches,
    batch_size: int,
    measure: Measure,
    prefix: str,
    device: torch.device,
) -> dict[str, float]:
    """Return the loss and metrics of a data set, their names with a prefix."""
    model.eval()
    outputs, targets = [], []
    with torch.inference_mode(), torch.autocast(device.type, enabled=measure.autocast):
        for x, y in batches.whole(max(batch_size, _VALIDATION_BATCH)):
            outputs.append(model(x))
            targets.append(y)
    model.train()
    if not outputs:
        raise DataError("the validation data gave no batch")
    with torch.inference_mode():
        values = compute(
            torch.cat(outputs), torch.cat(targets), measure.loss, measure.names, measure.own
        )
    return {f"{prefix}{name}": value for name, value in values.items()}


def weights_on_cpu(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the weights that later training does not change."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def _learning_rate(
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
