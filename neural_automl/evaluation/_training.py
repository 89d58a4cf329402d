"""Training with PyTorch: the steps, and the validation after each epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor, nn

from neural_automl.evaluation._batches import Batches
from neural_automl.evaluation._loop import Learner
from neural_automl.evaluation._losses import make_losses
from neural_automl.evaluation._metrics import compute
from neural_automl.evaluation._optimizers import LOSS_FUNCTIONS, make_optimizer
from neural_automl.evaluation._progress import Progress, TorchProgress
from neural_automl.evaluation._settings import TrainingSettings
from neural_automl.exceptions import DataError, EvaluationError

#: PyTorch's error of a full device is known to ``_device.guard_memory`` as it is.
memory_errors = nullcontext

Step: TypeAlias = Callable[[Tensor, Tensor], Tensor]

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


def begin(
    model: nn.Module,
    validation: Batches,
    settings: TrainingSettings,
    measure: Measure,
    seed: int,
    device: torch.device,
) -> tuple[Learner, Progress]:
    """Return what trains a model, which is on the device, and the beginning of its training."""
    optimizer = make_optimizer(model, settings, device)
    scaler = torch.amp.GradScaler(device.type) if measure.autocast else None
    learner = Learner(
        take_step=make_step(model, optimizer, settings, measure, device, scaler),
        set_rate=lambda rate: optimizer.param_groups[0].update(lr=rate),
        validate=lambda: validate(model, validation, settings.batch_size, measure, "val_", device),
        weights=lambda: weights_on_cpu(model),
        losses=lambda epoch: make_losses(device, epoch),
    )
    shuffle = torch.Generator().manual_seed(seed)
    return learner, TorchProgress(shuffle, model, optimizer, scaler)


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
    with torch.inference_mode(), torch.autocast(device.type, enabled=measure.autocast):
        outputs, targets = predict(model, batches, batch_size)
    model.train()
    return measured(outputs, targets, measure, prefix)


def outputs(model: nn.Module, batches: Batches, batch_size: int) -> Tensor:
    """Return the outputs for all of a data set."""
    model.eval()
    with torch.inference_mode():
        return predict(model, batches, batch_size)[0]


def predict(
    model: Callable[[Tensor], Tensor], batches: Batches, batch_size: int
) -> tuple[Tensor, Tensor]:
    """Return the outputs for all of a data set, and its targets.

    Raises:
        DataError: It gave no batch.
    """
    outputs, targets = [], []
    for x, y in batches.whole(max(batch_size, _VALIDATION_BATCH)):
        outputs.append(model(x))
        targets.append(y)
    if not outputs:
        raise DataError("the validation data gave no batch")
    return torch.cat(outputs), torch.cat(targets)


def measured(outputs: Tensor, targets: Tensor, measure: Measure, prefix: str) -> dict[str, float]:
    """Return the loss and metrics of outputs, their names with a prefix."""
    with torch.inference_mode():
        values = compute(outputs, targets, measure.loss, measure.names, measure.own)
    return {f"{prefix}{name}": value for name, value in values.items()}


def weights_on_cpu(model: nn.Module) -> dict[str, Tensor]:
    """Return a copy of the weights that later training does not change."""
    return {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}


def load_weights(model: nn.Module, weights: Mapping[str, Any]) -> None:
    """Put weights into a model.

    Raises:
        EvaluationError: They are another network's.
    """
    try:
        model.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise EvaluationError(f"the weights do not fit: {error}") from error
