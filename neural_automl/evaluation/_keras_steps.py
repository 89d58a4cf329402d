"""Steps of training and of measuring in TensorFlow: losses, optimizers, gradients as in PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import keras
import tensorflow as tf
import torch
from torch import Tensor

from neural_automl.exceptions import EvaluationError
from neural_automl.values import Call

if TYPE_CHECKING:
    from neural_automl.evaluation._settings import TrainingSettings

LossFunction: TypeAlias = Callable[[Any, Any], Any]


def _cross_entropy(outputs: Any, targets: Any) -> Any:
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, outputs)
    return tf.reduce_mean(losses)


def _binary_cross_entropy(outputs: Any, targets: Any) -> Any:
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, outputs))


def _huber(outputs: Any, targets: Any) -> Any:
    error = tf.abs(outputs - targets)
    return tf.reduce_mean(tf.where(error < 1, 0.5 * error**2, error - 0.5))


#: Mean over the batch, of logits and targets.
LOSS_FUNCTIONS: Final[Mapping[str, LossFunction]] = {
    "cross_entropy": _cross_entropy,
    "binary_crossentropy": _binary_cross_entropy,
    "mse": lambda outputs, targets: tf.reduce_mean((outputs - targets) ** 2),
    "mae": lambda outputs, targets: tf.reduce_mean(tf.abs(outputs - targets)),
    "huber": _huber,
}

#: Keras adds epsilon below the root where PyTorch adds it behind.
_SQUARED_EPSILON: Final = frozenset({"RMSprop", "Adagrad"})


def make_optimizer(model: keras.Model, settings: TrainingSettings) -> keras.Optimizer:
    """Return the optimizer of all trainable weights of a model.

    A weight decay is AdamW's own; that of the others is added to the gradient, as in PyTorch, by
    the step.

    Raises:
        EvaluationError: There is no trainable parameter.
    """
    if not model.trainable_variables:
        raise EvaluationError("the network has no trainable parameter")
    options = dict(settings.parameters)
    if settings.optimizer != "AdamW":
        options.pop("weight_decay", None)
    if settings.optimizer in _SQUARED_EPSILON:
        options["epsilon"] **= 2
    if settings.optimizer == "Adagrad":
        options["initial_accumulator_value"] = 0.0
    rate = settings.learning_rate
    # Any value, where there is a schedule: it sets the rate before the first step.
    start = rate.params["initial_learning_rate"] if isinstance(rate, Call) else rate
    optimizer = getattr(keras.optimizers, settings.optimizer)(float(start), **options)
    optimizer.build(model.trainable_variables)
    return optimizer


def make_step(
    model: keras.Model, optimizer: keras.Optimizer, settings: TrainingSettings, loss: str
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function that takes one step on a batch and returns its loss.

    Raises, when called, EvaluationError: No parameter has a part in the output.
    """
    loss_function, variables = LOSS_FUNCTIONS[loss], model.trainable_variables
    weights = [variable.value for variable in variables]
    limit = settings.gradient_clip
    decay = 0.0 if settings.optimizer == "AdamW" else settings.parameters.get("weight_decay", 0.0)

    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            value = loss_function(model(x, training=True), y)
        found = zip(tape.gradient(value, weights), variables, weights, strict=True)
        reached = [(g, v, w) for g, v, w in found if g is not None]
        if not reached:
            raise EvaluationError("no parameter of the network has a part in its output")
        # An embedding's gradient has rows for what was looked up; PyTorch's has all.
        gradients = [tf.convert_to_tensor(gradient) for gradient, _, _ in reached]
        if limit is not None:
            gradients = _clipped(gradients, limit)
        if decay:
            gradients = [g + decay * w for g, (_, _, w) in zip(gradients, reached, strict=True)]
        optimizer.apply(gradients, [variable for _, variable, _ in reached])
        return value

    compiled = _compiled(step)
    return lambda x, y: torch.tensor(compiled(x, y))


def _clipped(gradients: list[Any], limit: float) -> list[Any]:
    """Scale gradients down to a norm, as ``torch.nn.utils.clip_grad_norm_`` does."""
    scale = tf.minimum(1.0, limit / (tf.linalg.global_norm(gradients) + 1e-6))
    return [gradient * scale for gradient in gradients]


def make_predictor(model: keras.Model) -> Callable[[Tensor], Tensor]:
    """Return the function that gives the outputs of a batch in inference."""
    predict = _compiled(lambda x: model(x, training=False))
    return lambda x: torch.from_numpy(predict(x))


def _compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return what calls a function on batches; it is traced once, for batches of any size."""
    traced: list[Any] = []

    def call(*batches: Tensor) -> Any:
        tensors = [to_keras(batch) for batch in batches]
        if not traced:
            signature = [tf.TensorSpec([None, *x.shape[1:]], x.dtype) for x in tensors]
            traced.append(tf.function(function, input_signature=signature))
        return traced[0](*tensors).numpy()

    return call


def to_keras(batch: Tensor) -> Any:
    """Return a batch as TensorFlow's tensor, images with their channels last: as they lie."""
    laid = batch.permute(0, 2, 3, 1) if batch.ndim == 4 else batch
    return tf.convert_to_tensor(laid.contiguous().numpy())
