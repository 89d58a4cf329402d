"""When two architectures need one training: one function, and trained alike."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from neural_automl.hyperparameters import OPTIMIZERS, SCHEDULES, TRAINING
from neural_automl.parameters import as_integer, check_parameters
from neural_automl.values import Call

if TYPE_CHECKING:
    from collections.abc import Mapping

    from neural_automl.architecture import Architecture

#: Training settings that say how the search goes, and change no training.
_OF_THE_SEARCH = ("search_method",)


def identity_of(architecture: Architecture) -> str:
    """Return a hash that is equal for architectures that need one training only.

    Equal where the canonical keys are, which is where both compute the same function for some
    weights each, and where loss, optimizer and training settings mean the same: a default that is
    written out is the default, and 1 is 1.0. The loss None, the task's usual one, is itself.

    Raises:
        ShapeError: A layer cannot take the shape that reaches it.
        UnknownLayerError: A layer is not in the table.

    Example:
        >>> from neural_automl.architecture import Architecture, LayerConfig
        >>> explicit = Call("Adam", {"learning_rate": 0.001})
        >>> layers = (LayerConfig("Flatten"),)
        >>> one, two = Architecture((4,), layers), Architecture((4,), layers, optimizer=explicit)
        >>> identity_of(one) == identity_of(two), one == two
        (True, False)
    """
    training = check_parameters("training", TRAINING, architecture.training)
    data = {
        "key": architecture.key,
        "loss": architecture.loss,
        "optimizer": _optimizer(architecture.optimizer or Call("Adam", {})),
        "training": {
            name: _number(value) for name, value in training.items() if name not in _OF_THE_SEARCH
        },
    }
    text = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _optimizer(optimizer: Call) -> list[Any]:
    values = dict(check_parameters(optimizer.type, OPTIMIZERS[optimizer.type], optimizer.params))
    schedule = values["learning_rate"]
    if isinstance(schedule, Call):
        settings = check_parameters(schedule.type, SCHEDULES[schedule.type], schedule.params)
        values["learning_rate"] = [schedule.type, _numbers(settings)]
    return [optimizer.type, _numbers(values)]


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _number(value) for name, value in values.items()}


def _number(value: Any) -> Any:
    """Return an integral float as the integer that it is; anything else as it is."""
    if isinstance(value, bool):
        return value
    whole = as_integer(value)
    return value if whole is None else whole
