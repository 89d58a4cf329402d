"""Weights of one backend's model written as those of the other's: arrays by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from neural_automl._keras_forms import is_depthwise
from neural_automl.backends._orders import feature_orders
from neural_automl.backends.pytorch import make_plan as plan_pytorch
from neural_automl.backends.tensorflow import make_plan as plan_tensorflow
from neural_automl.exceptions import ExportError

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture
    from neural_automl.primitives import Shape

Array: TypeAlias = NDArray[Any]
#: By name: of PyTorch's state dict, or of Keras's variables, without the layer's own.
Weights: TypeAlias = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where weights stand.

    Args:
        attributes: Of the node.
        x: Channels-last shape of its input.
        order: The image that its features were, where they lie in another order than PyTorch's.
    """

    attributes: Mapping[str, Any]
    x: Shape
    order: Shape | None

    def to_keras(self, weights: Array) -> Array:
        """Bring the last axis, channels first, into the order in which Keras has it."""
        if self.order is None:
            return weights
        height, width, channels = self.order
        image = weights.reshape(*weights.shape[:-1], channels, height, width)
        return np.moveaxis(image, -3, -1).reshape(weights.shape)

    def to_torch(self, weights: Array) -> Array:
        """Bring the last axis into the order in which PyTorch has it."""
        if self.order is None:
            return weights
        image = weights.reshape(*weights.shape[:-1], *self.order)
        return np.moveaxis(image, -1, -3).reshape(weights.shape)


Convert: TypeAlias = Callable[[Weights, _Place], dict[str, Array]]


def _renamed(weights: Weights, names: Mapping[str, str]) -> dict[str, Array]:
    return {new: weights[old] for old, new in names.items() if old in weights}


def _reversed(names: Mapping[str, str]) -> dict[str, str]:
    return {new: old for old, new in names.items()}


def _dense_to_keras(w: Weights, place: _Place) -> dict[str, Array]:
    return {"kernel": place.to_keras(w["weight"]).T, **_renamed(w, {"bias": "bias"})}


def _dense_to_torch(w: Weights, place: _Place) -> dict[str, Array]:
    return {"weight": place.to_torch(w["kernel"].T), **_renamed(w, {"bias": "bias"})}


def _conv_to_keras(w: Weights, place: _Place) -> dict[str, Array]:
    # (filters, channels, ...) to (..., channels, filters).
    kernel = np.moveaxis(w["weight"], (1, 0), (-2, -1))
    if is_depthwise(place.attributes, place.x):
        # A filter reads the channel that it stands behind: (..., channels, filters a channel).
        kernel = kernel.reshape(*kernel.shape[:-2], place.x[-1], -1)
    return {"kernel": kernel, **_renamed(w, {"bias": "bias"})}


def _conv_to_torch(w: Weights, place: _Place) -> dict[str, Array]:
    kernel = w["kernel"]
    if is_depthwise(place.attributes, place.x):
        kernel = kernel.reshape(*kernel.shape[:-2], 1, -1)
    return {"weight": np.moveaxis(kernel, (-2, -1), (1, 0)), **_renamed(w, {"bias": "bias"})}


_NORM: Final = {
    "weight": "gamma",
    "bias": "beta",
    "running_mean": "moving_mean",
    "running_var": "moving_variance",
}


def _norm_to_keras(w: Weights, place: _Place) -> dict[str, Array]:
    return {name: place.to_keras(value) for name, value in _renamed(w, _NORM).items()}


def _norm_to_torch(w: Weights, place: _Place) -> dict[str, Array]:
    names = _reversed(_NORM)
    made = {name: place.to_torch(value) for name, value in _renamed(w, names).items()}
    if "running_mean" in made:
        # Counts batches for an average that no layer of ours takes.
        made["num_batches_tracked"] = np.zeros((), dtype=np.int64)
    return made


def _embedding_to_keras(w: Weights, place: _Place) -> dict[str, Array]:
    return {"embeddings": w["weight"]}


def _embedding_to_torch(w: Weights, place: _Place) -> dict[str, Array]:
    return {"weight": w["embeddings"]}


def _lstm_to_keras(w: Weights, place: _Place) -> dict[str, Array]:
    return {
        "lstm_cell/kernel": w["weight_ih_l0"].T,
        "lstm_cell/recurrent_kernel": w["weight_hh_l0"].T,
        "lstm_cell/bias": w["bias_ih_l0"] + w["bias_hh_l0"],
    }


def _lstm_to_torch(w: Weights, place: _Place) -> dict[str, Array]:
    return {
        "weight_ih_l0": w["lstm_cell/kernel"].T,
        "weight_hh_l0": w["lstm_cell/recurrent_kernel"].T,
        "bias_ih_l0": w["lstm_cell/bias"],
        "bias_hh_l0": np.zeros_like(w["lstm_cell/bias"]),
    }


def _swap_gates(weights: Array) -> Array:
    """Exchange the first two of the three gates: PyTorch resets first, Keras updates first."""
    first, second, third = np.split(weights, 3, axis=-1)
    return np.concatenate([second, first, third], axis=-1)


def _gru_to_keras(w: Weights, place: _Place) -> dict[str, Array]:
    biases = np.stack([w["bias_ih_l0"], w["bias_hh_l0"]])
    return {
        "gru_cell/kernel": _swap_gates(w["weight_ih_l0"].T),
        "gru_cell/recurrent_kernel": _swap_gates(w["weight_hh_l0"].T),
        "gru_cell/bias": _swap_gates(biases),
    }


def _gru_to_torch(w: Weights, place: _Place) -> dict[str, Array]:
    biases = _swap_gates(w["gru_cell/bias"])
    return {
        "weight_ih_l0": _swap_gates(w["gru_cell/kernel"]).T,
        "weight_hh_l0": _swap_gates(w["gru_cell/recurrent_kernel"]).T,
        "bias_ih_l0": biases[0],
        "bias_hh_l0": biases[1],
    }


_READERS: Final = ("query", "key", "value")


def _attention_to_keras(w: Weights, place: _Place) -> dict[str, Array]:
    width, heads = place.x[-1], place.attributes["num_heads"]
    made = {
        "attention_output/kernel": w["out_proj.weight"].T.reshape(heads, -1, width),
        "attention_output/bias": w["out_proj.bias"],
    }
    matrices, biases = np.split(w["in_proj_weight"], 3), np.split(w["in_proj_bias"], 3)
    for name, matrix, bias in zip(_READERS, matrices, biases, strict=True):
        made[f"{name}/kernel"] = matrix.T.reshape(width, heads, -1)
        made[f"{name}/bias"] = bias.reshape(heads, -1)
    return made


def _attention_to_torch(w: Weights, place: _Place) -> dict[str, Array]:
    width = place.x[-1]
    matrices = [w[f"{name}/kernel"].reshape(width, width).T for name in _READERS]
    return {
        "in_proj_weight": np.concatenate(matrices),
        "in_proj_bias": np.concatenate([w[f"{name}/bias"].reshape(-1) for name in _READERS]),
        "out_proj.weight": w["attention_output/kernel"].reshape(width, width).T,
        "out_proj.bias": w["attention_output/bias"],
    }


#: By primitive: from PyTorch's weights to Keras's, and back.
_CONVERSIONS: Final[Mapping[str, tuple[Convert, Convert]]] = {
    "Dense": (_dense_to_keras, _dense_to_torch),
    "Conv": (_conv_to_keras, _conv_to_torch),
    "BatchNorm": (_norm_to_keras, _norm_to_torch),
    "LayerNorm": (_norm_to_keras, _norm_to_torch),
    "GroupNorm": (_norm_to_keras, _norm_to_torch),
    "Embedding": (_embedding_to_keras, _embedding_to_torch),
    "LSTM": (_lstm_to_keras, _lstm_to_torch),
    "GRU": (_gru_to_keras, _gru_to_torch),
    "MultiHeadAttention": (_attention_to_keras, _attention_to_torch),
}


def weights_to_keras(state: Weights, architecture: Architecture) -> dict[str, Array]:
    """Return the weights of a PyTorch model as those of the Keras model.

    Args:
        state: Arrays by the names of the state dict.
        architecture: Of both models.

    Returns:
        Arrays by the paths of Keras's variables.

    Raises:
        ExportError: A layer of a user's own has weights, and how they correspond is not known; or
            the weights are another architecture's.
    """
    return _convert(state, architecture, "pytorch")


def weights_to_pytorch(weights: Weights, architecture: Architecture) -> dict[str, Array]:
    """Return the weights of a Keras model as those of the PyTorch model.

    Of an LSTM, PyTorch's second bias is 0: Keras has one.

    Args:
        weights: Arrays by the paths of the variables.
        architecture: Of both models.

    Returns:
        Arrays by the names of PyTorch's state dict.

    Raises:
        ExportError: A layer of a user's own has weights, and how they correspond is not known; or
            the weights are another architecture's.
    """
    return _convert(weights, architecture, "tensorflow")


def _convert(weights: Weights, architecture: Architecture, source: str) -> dict[str, Array]:
    graph = architecture.graph
    orders = feature_orders(graph)
    torch_names = {step.node: step.name for step in plan_pytorch(graph).steps if step.name}
    made: dict[str, Array] = {}
    for step in plan_tensorflow(graph).steps:
        if not step.name:
            continue
        node = graph.nodes[step.node]
        before, after = f"{torch_names[step.node]}.", f"{step.name}/"
        if source == "tensorflow":
            before, after = after, before
        found = {n.removeprefix(before): w for n, w in weights.items() if n.startswith(before)}
        if node.op not in _CONVERSIONS:
            if found:
                raise ExportError(
                    f"{node.path}: the weights of {node.op} can't be carried over: how its two "
                    "forms correspond is not known"
                )
            continue
        first_input = node.inputs[0]
        place = _Place(
            node.attribute_values(), graph.nodes[first_input].shape, orders.get(first_input)
        )
        to_keras, to_torch = _CONVERSIONS[node.op]
        try:
            changed = (to_keras if source == "pytorch" else to_torch)(found, place)
        except (KeyError, ValueError) as error:
            raise ExportError(
                f"{node.path}: the weights of {node.op} are another architecture's: {error}"
            ) from error
        made |= {f"{after}{name}": np.ascontiguousarray(w) for name, w in changed.items()}
    return made
