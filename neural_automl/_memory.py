"""What is known of a device's memory from networks that found none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from neural_automl.hyperparameters import TRAINING
from neural_automl.parameters import check_parameters

if TYPE_CHECKING:
    import optuna

    from neural_automl.architecture import Architecture

_ATTRIBUTE: Final = "out_of_memory"
_BYTES: Final = 4
# Weights, gradients and two moments of the optimizer.
_COPIES: Final = 4


def training_bytes(architecture: Architecture) -> int:
    """Return a number that grows with the memory of a training: all activations of a batch.

    It orders architectures; it does not say what a device really takes.
    """
    batch = check_parameters("training", TRAINING, architecture.training)["batch_size"]
    stored = sum(node.facts.stored for node in architecture.graph.built_nodes())
    return int(_BYTES * (batch * stored + _COPIES * architecture.cost.params))


class MemoryLimits:
    """The smallest training that found no memory, for each device; shared through the study."""

    def __init__(self) -> None:
        self._smallest: dict[str, int] = {}

    def read(self, study: optuna.Study) -> None:
        """Take over what the study knows."""
        for device, amount in study.user_attrs.get(_ATTRIBUTE, {}).items():
            self._smallest[device] = min(amount, self._smallest.get(device, amount))

    def excess(self, architecture: Architecture, device: str) -> float:
        """Return by how much an architecture is too large for a device, else 0."""
        smallest = self._smallest.get(device)
        if smallest is None:
            return 0.0
        return float(max(0, training_bytes(architecture) - smallest + 1))

    def remember(self, study: optuna.Study, architecture: Architecture, device: str) -> None:
        """Note that an architecture found no memory."""
        self.read(study)
        amount = training_bytes(architecture)
        self._smallest[device] = min(amount, self._smallest.get(device, amount))
        study.set_user_attr(_ATTRIBUTE, dict(self._smallest))
