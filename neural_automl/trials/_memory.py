"""What is known of a device's memory from networks that found none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from neural_automl.cost import training_bytes
from neural_automl.hyperparameters import TRAINING
from neural_automl.parameters import check_parameters

if TYPE_CHECKING:
    import optuna

    from neural_automl.architecture import Architecture

_ATTRIBUTE: Final = "out_of_memory"


def _size(architecture: Architecture) -> int:
    settings = check_parameters("training", TRAINING, architecture.training)
    return training_bytes(architecture.graph, settings["batch_size"])


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
        return float(max(0, _size(architecture) - smallest + 1))

    def remember(self, study: optuna.Study, architecture: Architecture, device: str) -> None:
        """Note that an architecture found no memory."""
        self.read(study)
        amount = _size(architecture)
        self._smallest[device] = min(amount, self._smallest.get(device, amount))
        study.set_user_attr(_ATTRIBUTE, dict(self._smallest))
