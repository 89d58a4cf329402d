"""How an architecture is to be trained, with every default filled in. Nothing here needs torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import cos, pi
from typing import TYPE_CHECKING, Any, Final

from neural_automl.data import Task
from neural_automl.exceptions import DataError
from neural_automl.hyperparameters import (
    OPTIMIZERS,
    SCHEDULES,
    TRAINING,
    canonical_loss,
)
from neural_automl.parameters import check_parameters
from neural_automl.values import Call

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture
    from neural_automl.graph import Graph

_TASK_OF: Final[Mapping[str, Task]] = {
    "cross_entropy": "classification",
    "binary_crossentropy": "classification",
    "mse": "regression",
    "mae": "regression",
    "huber": "regression",
}
_LOSS_OF_HEAD: Final = {"softmax": "cross_entropy", "sigmoid": "binary_crossentropy"}


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """The training of one architecture.

    Args:
        epochs: That the architecture asks for.
        batch_size: Samples a step.
        validation_split: Share of the training data, where there is no validation data.
        patience: Epochs without a better validation loss before the training ends, or None.
        gradient_clip: Largest norm of the gradient, or None.
        optimizer: A name of ``hyperparameters.OPTIMIZERS``.
        parameters: Of the optimizer, all but the learning rate.
        learning_rate: A number, or a schedule.
    """

    epochs: int
    batch_size: int
    validation_split: float
    patience: int | None
    gradient_clip: float | None
    optimizer: str
    parameters: Mapping[str, Any]
    learning_rate: float | Call

    @classmethod
    def of(cls, architecture: Architecture) -> TrainingSettings:
        """Read the settings of an architecture."""
        training = check_parameters("training", TRAINING, architecture.training)
        optimizer = architecture.optimizer or Call("Adam")
        values = check_parameters(
            optimizer.type, OPTIMIZERS[optimizer.type], dict(optimizer.params)
        )
        learning_rate = values.pop("learning_rate")
        return cls(
            epochs=training["epochs"],
            batch_size=training["batch_size"],
            validation_split=training["validation_split"],
            patience=training["patience"],
            gradient_clip=training["gradient_clip"],
            optimizer=optimizer.type,
            parameters=values,
            learning_rate=learning_rate,
        )


def resolve_loss(
    loss: str | None, graph: Graph, task: Task | None, data_task: Task, classes: int | None
) -> str:
    """Return the loss to train with.

    Args:
        loss: The architecture's own, or None.
        graph: Its head is taken over by the loss.
        task: What the user said, or None.
        data_task: What the targets look like.
        classes: Number of classes in the data.

    Raises:
        DataError: The loss is for another task than the data.
    """
    if loss is None and graph.head is not None:
        loss = _LOSS_OF_HEAD[graph.head]
    if loss is not None:
        loss = canonical_loss(loss)
        wanted = _TASK_OF[loss]
        if wanted != (task or wanted):
            raise DataError(f"the loss {loss} is for a {wanted} but the task is {task}")
        return loss
    if (task or data_task) == "regression":
        return "mse"
    two_classes = classes is not None and classes <= 2
    return "binary_crossentropy" if graph.output_shape == (1,) and two_classes else "cross_entropy"


def task_of(loss: str) -> Task:
    """Return what a loss is for."""
    return _TASK_OF[loss]


def make_schedule(schedule: Call, total_steps: int | None) -> Callable[[int], float]:
    """Return the learning rate as a function of the optimizer step, from 0.

    Args:
        schedule: Name and parameters, in Keras's spelling and meaning.
        total_steps: Of the whole training: the fall of a cosine that names no ``decay_steps``.

    Raises:
        DataError: The total is needed and not known.
    """
    values = check_parameters(schedule.type, SCHEDULES[schedule.type], dict(schedule.params))
    start = values["initial_learning_rate"]
    decay_steps = values["decay_steps"]
    if schedule.type == "ExponentialDecay":
        rate = values["decay_rate"]
        return lambda step: float(start * rate ** (step / decay_steps))
    length = decay_steps or total_steps
    if length is None:
        raise DataError(
            "CosineDecay without decay_steps needs to know how many batches an epoch has; "
            "give decay_steps, or training data with a length"
        )
    alpha = values["alpha"]

    def cosine(step: int) -> float:
        share = 0.5 * (1 + cos(pi * min(step, length) / length))
        return float(start * ((1 - alpha) * share + alpha))

    return cosine
