"""A Keras model that does what a plan says. This file imports Keras; a build loads it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import reduce
from math import prod
from typing import TYPE_CHECKING, Any, Final

import keras
import tensorflow as tf  # noqa: F401  # Keras works without it, but with another library
from keras import layers, ops

from neural_automl._forms import Apply, Call, Index, Infix, Input, Promise
from neural_automl.backends.tensorflow import _helpers
from neural_automl.backends.tensorflow._plan import input_dtype, named
from neural_automl.exceptions import NeuralAutoMLError

if TYPE_CHECKING:
    from neural_automl.backends._plan import Plan, Step

_ROOTS: Final = {"layers": layers, "ops": ops, "keras": keras}
_INFIX: Final = {"+": operator.add, "*": operator.mul}


def make_model(plan: Plan, name: str) -> keras.Model:
    """Return the model of a plan."""
    if keras.backend.backend() != "tensorflow":
        raise NeuralAutoMLError(
            "Keras runs on "
            f"{keras.backend.backend()} here; set KERAS_BACKEND=tensorflow before it is imported"
        )
    inputs = keras.Input(plan.graph.input_shape, dtype=input_dtype(plan))
    values: list[Any] = [inputs]
    seen: set[int] = set()
    for step in plan.steps:
        given = [values[source] for source in step.inputs]
        values.append(_run(step, given, seen))
    return keras.Model(inputs, values[plan.output], name=name)


def _run(step: Step, inputs: list[Any], seen: set[int]) -> Any:
    """Return the tensor of a step.

    Args:
        seen: The layers so far, by identity: a user's function may hand out one that it gave
            before.
    """
    form, layer = step.form, None
    if form.module is not None:
        layer = _evaluate(named(form.module, step.name), None, inputs)
        if form.promise is not None:
            _check_layer(layer, step.name, form.promise)
            if id(layer) in seen:
                raise ValueError(
                    f"{form.promise.where}'keras' of {form.promise.layer} must make a new layer "
                    "each time but gave one twice"
                )
        seen.add(id(layer))
    made = _evaluate(form.forward, layer, inputs)
    if form.promise is not None:
        _check_shape(made, form.promise)
    return made


def _evaluate(form: Any, layer: Any, inputs: list[Any]) -> Any:
    """Return the value of a form.

    Args:
        layer: Of this step, or None.
        inputs: Of this step.
    """
    if isinstance(form, Input):
        return inputs[form.index]
    if isinstance(form, Call | Apply):
        function = _function(form, layer, inputs)
        args = [_evaluate(argument, layer, inputs) for argument in form.args]
        kwargs = {name: _evaluate(value, layer, inputs) for name, value in form.kwargs}
        if isinstance(form, Call):
            for more in form.spread:
                kwargs |= _evaluate(more, layer, inputs)
        return function(*args, **kwargs)
    if isinstance(form, Infix):
        left, right = (_evaluate(side, layer, inputs) for side in (form.left, form.right))
        return _INFIX[form.operator](left, right)
    if isinstance(form, Index):
        return _evaluate(form.value, layer, inputs)[form.index]
    if isinstance(form, list):
        return [_evaluate(element, layer, inputs) for element in form]
    return form


def _function(form: Call | Apply, layer: Any, inputs: list[Any]) -> Callable[..., Any]:
    function: Any
    if isinstance(form, Apply):
        function = layer if form.of is None else _evaluate(form.of, None, inputs)
    elif callable(form.function):
        function = form.function
    else:
        root, *names = form.function.split(".")
        function = reduce(getattr, names, _ROOTS.get(root) or getattr(_helpers, root))
    made: Callable[..., Any] = function
    return made


def _check_layer(layer: Any, name: str, promise: Promise) -> None:
    """Check what a user's class or function made.

    Raises:
        TypeError: It is no layer.
        ValueError: It has another name, so that its weights would not be found again.
    """
    if not isinstance(layer, layers.Layer):
        raise TypeError(
            f"{promise.where}'keras' of {promise.layer} must give a layer but gave "
            f"{type(layer).__name__}"
        )
    if layer.name != name:
        raise ValueError(
            f"{promise.where}'keras' of {promise.layer} must pass `name` on to the layer: its "
            f"name must be {name!r} but is {layer.name!r}"
        )


def _check_shape(made: Any, promise: Promise) -> None:
    """Check the output of a user's layer.

    Raises:
        TypeError: It is no tensor.
        ValueError: It has another shape than the user said.
    """
    if not isinstance(made, keras.KerasTensor):
        raise TypeError(
            f"{promise.where}the layer of {promise.layer} must return a tensor but returned "
            f"{type(made).__name__}"
        )
    if tuple(made.shape) != (None, *promise.shape):
        raise ValueError(
            f"{promise.where}'shape' of {promise.layer} says that its layer gives "
            f"{promise.shape} but it gives {tuple(made.shape[1:])}, both without the batch"
        )


def weights_of(model: keras.Model) -> dict[str, Any]:
    """Return the weights as arrays, by the path of the variable: ``conv1/kernel``."""
    return {variable.path: variable.numpy() for variable in model.weights}


def load_weights(model: keras.Model, weights: Mapping[str, Any]) -> None:
    """Set the weights of a model.

    Args:
        weights: Arrays by the path of the variable.

    Raises:
        ValueError: One is missing, too much, or of another shape.
    """
    variables = {variable.path: variable for variable in model.weights}
    if set(variables) != set(weights):
        missing, more = set(variables) - set(weights), set(weights) - set(variables)
        lists = (", ".join(sorted(names)) or "none" for names in (missing, more))
        raise ValueError("missing: {}; not in the model: {}".format(*lists))
    for path, variable in variables.items():
        if tuple(variable.shape) != tuple(weights[path].shape):
            raise ValueError(
                f"{path} has the shape {tuple(variable.shape)} but got {tuple(weights[path].shape)}"
            )
    for path, variable in variables.items():
        variable.assign(weights[path])


def count_params(model: keras.Model) -> int:
    """Return the number of trainable parameters."""
    return sum(prod(variable.shape) for variable in model.trainable_variables)
