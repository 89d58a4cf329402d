"""When two trials would train the same."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from neural_automl.hyperparameters import OPTIMIZERS, SCHEDULES, TRAINING
from neural_automl.parameters import check_parameters
from neural_automl.values import Call, to_plain

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture


def identity_of(architecture: Architecture) -> str:
    """Return a hash that is equal for architectures of one function that are trained alike.

    The function is that of ``Architecture.key``; of the training, what is left out counts as its
    default.

    Raises:
        ShapeError: A layer cannot take the shape that reaches it.
    """
    settings = check_parameters("training", TRAINING, architecture.training)
    optimizer = architecture.optimizer or Call("Adam", {})
    data = [
        architecture.key,
        architecture.loss,
        _whole(optimizer),
        {name: to_plain(value) for name, value in settings.items()},
    ]
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:32]


def _whole(call: Call) -> list[Any]:
    """Return a call with the values of all its parameters."""
    rows = OPTIMIZERS.get(call.type) or SCHEDULES[call.type]
    values = check_parameters(call.type, rows, call.params)
    return [
        call.type,
        {
            name: _whole(value) if isinstance(value, Call) else to_plain(value)
            for name, value in values.items()
        },
    ]
