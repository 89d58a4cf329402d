"""One batch of an evaluator's training data, as networks take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from neural_automl.evaluation._settings import TrainingSettings
from neural_automl.exceptions import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from neural_automl.architecture import Architecture
    from neural_automl.evaluation._evaluator import ArchitectureEvaluator


def sample_batch(
    evaluator: ArchitectureEvaluator, architecture: Architecture, size: int, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Return some training samples: the same for the same seed.

    Args:
        evaluator: Holds the data.
        architecture: Says in which form a network takes it; any of the space will do.
        size: How many.
        seed: Of the draw.

    Returns:
        Inputs (size, ...), channels first, and targets, on the evaluator's device.

    Raises:
        DataError: The data does not fit, or is less than that.
    """
    import torch

    from neural_automl.evaluation._frameworks import place

    evaluator.check(architecture)
    device = place(evaluator.backend, evaluator.device)
    training, _ = evaluator._place(architecture, TrainingSettings.of(architecture), device)
    inputs, targets = next(training.training(size, torch.Generator().manual_seed(seed)))
    if len(inputs) < size:
        raise DataError(f"a batch of {size} samples is wanted but the data gave {len(inputs)}")
    return inputs, targets
