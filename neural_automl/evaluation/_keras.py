"""Training with TensorFlow: the same loop, data, metrics and order of samples as with PyTorch."""

from __future__ import annotations

import contextlib
import random
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
import torch
from torch import Tensor

from neural_automl.backends.tensorflow._model import load_weights as set_weights
from neural_automl.backends.tensorflow._model import weights_of
from neural_automl.evaluation._keras_steps import make_optimizer, make_predictor, make_step
from neural_automl.evaluation._loop import Learner
from neural_automl.evaluation._losses import HostLosses
from neural_automl.evaluation._progress import Progress
from neural_automl.evaluation._training import Measure, measured, predict
from neural_automl.exceptions import EvaluationError, FallbackWarning

if TYPE_CHECKING:
    import keras

    from neural_automl.evaluation._batches import Batches
    from neural_automl.evaluation._settings import TrainingSettings


def choose_device(name: str = "auto") -> str:
    """Return the name of a device that TensorFlow finds; ``auto`` is the first of cuda and cpu.

    Raises:
        ValueError: The device is unknown, or not here.
    """
    count = len(tf.config.list_physical_devices("GPU"))
    there = ["cpu", *(["cuda"] if count else []), *(f"cuda:{number}" for number in range(count))]
    if name == "auto":
        return there[1] if count else "cpu"
    if name not in there:
        raise ValueError(
            f"the device '{name}' is not available to TensorFlow here; use 'auto', or one of "
            f"{', '.join(there)}"
        )
    return name


@contextlib.contextmanager
def session(seed: int, threads: int | None, device: str) -> Iterator[None]:
    """Let TensorFlow run on a device, with so many threads and with seeds of one's own.

    Keras draws the seeds of weights and dropout from Python's own generator, which is put back at
    the end.
    """
    _limit_threads(threads)
    before = random.getstate()
    random.seed(seed)
    try:
        kind, _, number = choose_device(device).partition(":")
        with tf.device(f"{'GPU' if kind == 'cuda' else 'CPU'}:{number or 0}"):
            yield
    finally:
        random.setstate(before)


def begin(
    model: keras.Model,
    validation: Batches,
    settings: TrainingSettings,
    measure: Measure,
    seed: int,
    device: torch.device,
) -> tuple[Learner, Progress]:
    """Return what trains a model, and the beginning of its training; batches lie on the device."""
    optimizer = make_optimizer(model, settings)
    outputs_of = make_predictor(model)
    learner = Learner(
        take_step=make_step(model, optimizer, settings, measure.loss),
        set_rate=optimizer.learning_rate.assign,
        validate=lambda: measured(
            *predict(outputs_of, validation, settings.batch_size), measure, "val_"
        ),
        weights=lambda: weights_on_cpu(model),
        losses=HostLosses,
    )
    return learner, KerasProgress(torch.Generator().manual_seed(seed), model, optimizer)


def validate(
    model: keras.Model,
    batches: Batches,
    batch_size: int,
    measure: Measure,
    prefix: str,
    device: torch.device,
) -> dict[str, float]:
    """Return the loss and metrics of a data set, their names with a prefix."""
    with memory_errors():
        outputs, targets = predict(make_predictor(model), batches, batch_size)
    return measured(outputs, targets, measure, prefix)


def outputs(model: keras.Model, batches: Batches, batch_size: int) -> Tensor:
    """Return the outputs for all of a data set."""
    with memory_errors():
        return predict(make_predictor(model), batches, batch_size)[0]


def load_weights(model: keras.Model, weights: Mapping[str, Any]) -> None:
    """Put weights into a model.

    Raises:
        EvaluationError: They are another network's.
    """
    try:
        set_weights(model, {name: _array(value) for name, value in weights.items()})
    except ValueError as error:
        raise EvaluationError(f"the weights do not fit: {error}") from error


def weights_on_cpu(model: keras.Model) -> dict[str, Tensor]:
    """Return a copy of the weights as PyTorch's tensors, by the path of the variable."""
    return {name: torch.tensor(array) for name, array in weights_of(model).items()}


def _array(value: Any) -> Any:
    return value.numpy() if isinstance(value, Tensor) else np.asarray(value)


@dataclass(slots=True)
class KerasProgress(Progress):
    """A training with Keras between two epochs.

    Args:
        model: What is trained.
        optimizer: Of its weights.
    """

    model: keras.Model
    optimizer: keras.Optimizer

    def _own_state(self) -> dict[str, Any]:
        return {
            "weights": weights_on_cpu(self.model),
            "optimizer": [_to_tensor(variable) for variable in self.optimizer.variables],
            "random": [_to_tensor(variable) for variable in self._random()],
        }

    def _restore_own(self, state: Mapping[str, Any]) -> None:
        load_weights(self.model, state["weights"])
        _assign(self.optimizer.variables, state["optimizer"])
        _assign(self._random(), state["random"])

    def _random(self) -> list[Any]:
        """Return the states of the generators of dropout: all variables that are no weights."""
        weights = {id(variable) for variable in self.model.weights}
        return [v for v in self.model.variables if id(v) not in weights]


def _to_tensor(variable: Any) -> Tensor:
    array = variable.numpy()
    # Neither safetensors nor PyTorch knows all unsigned integers.
    return torch.tensor(array.astype(np.int64) if array.dtype.kind == "u" else array)


def _assign(variables: list[Any], values: list[Tensor]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value.numpy().astype(variable.dtype))


@contextlib.contextmanager
def memory_errors() -> Iterator[None]:
    """Turn TensorFlow's error of a full device into Python's."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        # Without its cause: the traceback would hold the network.
        raise MemoryError(str(error)) from None


def _limit_threads(threads: int | None) -> None:
    """Let TensorFlow use so many threads, which it takes for good when it begins."""
    if threads is None or tf.config.threading.get_intra_op_parallelism_threads() == threads:
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    except RuntimeError:
        warnings.warn(
            f"TensorFlow can't be limited to {threads} threads any more: it has begun with "
            f"{tf.config.threading.get_intra_op_parallelism_threads() or 'as many as it likes'}",
            FallbackWarning,
            stacklevel=2,
        )
