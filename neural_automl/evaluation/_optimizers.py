"""PyTorch's optimizers and losses by the names of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from neural_automl.evaluation._settings import TrainingSettings
from neural_automl.exceptions import EvaluationError
from neural_automl.values import Call

LossFunction: TypeAlias = Callable[[Tensor, Tensor], Tensor]

#: Mean over the batch, of logits and targets.
LOSS_FUNCTIONS: Final[Mapping[str, LossFunction]] = {
    "cross_entropy": functional.cross_entropy,
    "binary_crossentropy": functional.binary_cross_entropy_with_logits,
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "huber": functional.huber_loss,
}

_OPTIMIZERS: Final[Mapping[str, Callable[..., torch.optim.Optimizer]]] = {
    "Adam": torch.optim.Adam,
    "AdamW": torch.optim.AdamW,
    "SGD": torch.optim.SGD,
    "RMSprop": torch.optim.RMSprop,
    "Adagrad": torch.optim.Adagrad,
    "Adadelta": torch.optim.Adadelta,
    "Adamax": torch.optim.Adamax,
    "Nadam": torch.optim.NAdam,
}
# One kernel for all weights instead of ten a tensor; in PyTorch these alone have it on the CPU.
_FUSED: Final = frozenset({"Adam", "AdamW", "SGD", "Adagrad"})


def make_optimizer(
    model: nn.Module, settings: TrainingSettings, device: torch.device
) -> torch.optim.Optimizer:
    """Return the optimizer of all trainable parameters of a model.

    Raises:
        EvaluationError: There is no trainable parameter.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not parameters:
        raise EvaluationError("the network has no trainable parameter")
    options = _torch_options(settings)
    if settings.optimizer in _FUSED and device.type in ("cpu", "cuda"):
        options["fused"] = True
    return _OPTIMIZERS[settings.optimizer](parameters, **options)


def _torch_options(settings: TrainingSettings) -> dict[str, Any]:
    """Return the keyword arguments of PyTorch's class."""
    options = dict(settings.parameters)
    if isinstance(settings.learning_rate, Call):
        # Any value: the schedule sets it before the first step.
        options["lr"] = float(settings.learning_rate.params["initial_learning_rate"])
    else:
        options["lr"] = settings.learning_rate
    if "beta_1" in options:
        options["betas"] = (options.pop("beta_1"), options.pop("beta_2"))
    if "epsilon" in options:
        options["eps"] = options.pop("epsilon")
    if settings.optimizer == "RMSprop":
        options["alpha"] = options.pop("rho")
    if options.get("nesterov") and not options["momentum"]:
        # PyTorch refuses this, although it is a plain step: the look-ahead is 0.
        options["nesterov"] = False
    return options
