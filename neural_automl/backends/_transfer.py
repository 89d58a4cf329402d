"""Weights carried from a model of one backend to a model of the other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neural_automl._imports import try_import
from neural_automl.exceptions import ExportError

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture, Backend


def backend_of(weights: Mapping[str, Any]) -> Backend:
    """Return the backend whose weights these are: Keras's names are paths, ``conv1/kernel``."""
    # Those of blocks before it: blocks1.0.conv1/kernel.
    is_keras = weights and all(re.match(r"(blocks?\d+\.(\d+\.)?)*\w+/", n) for n in weights)
    return "tensorflow" if is_keras else "pytorch"


def weights_for(
    backend: Backend, weights: Mapping[str, Any], architecture: Architecture
) -> dict[str, Any]:
    """Return weights as tensors of PyTorch by the names of a backend.

    Args:
        backend: That shall read them.
        weights: Tensors or arrays by name, of either backend.
        architecture: That they are of.

    Raises:
        ExportError: They must be carried over, and a layer of a user's own has some, or they are
            another architecture's.
    """
    import torch

    from neural_automl.backends._weights import weights_to_keras, weights_to_pytorch

    if backend_of(weights) == backend:
        return {name: torch.as_tensor(value) for name, value in weights.items()}

    arrays = {name: _array(value) for name, value in weights.items()}
    convert = weights_to_keras if backend == "tensorflow" else weights_to_pytorch
    return {name: torch.from_numpy(w) for name, w in convert(arrays, architecture).items()}


def transfer_weights(source: Any, target: Any, architecture: Architecture) -> None:
    """Give a model the weights of one of the other backend; both then compute the same.

    An LSTM has two biases in PyTorch and one in Keras: going to PyTorch the second is 0.

    Args:
        source: A ``torch.nn.Module`` or ``keras.Model`` of the architecture.
        target: A model of the other backend.
        architecture: That both were built of.

    Raises:
        ExportError: A layer of a user's own has weights, or a model is another architecture's.
        TypeError: It is not one model of each backend.

    Example:
        ::

            module = architecture.build("pytorch")
            model = architecture.build("tensorflow")
            transfer_weights(module, model, architecture)
    """
    with try_import() as imports:
        import keras
        import torch
        from torch import nn

        from neural_automl.backends._weights import weights_to_keras, weights_to_pytorch
        from neural_automl.backends.tensorflow._model import load_weights, weights_of
    imports.check()
    try:
        if isinstance(source, nn.Module) and isinstance(target, keras.Model):
            state = {
                name: value.detach().cpu().numpy() for name, value in source.state_dict().items()
            }
            load_weights(target, weights_to_keras(state, architecture))
        elif isinstance(source, keras.Model) and isinstance(target, nn.Module):
            arrays = weights_to_pytorch(weights_of(source), architecture)
            target.load_state_dict({name: torch.from_numpy(w) for name, w in arrays.items()})
        else:
            raise TypeError(
                "transfer_weights needs a torch.nn.Module and a keras.Model but got "
                f"{type(source).__name__} and {type(target).__name__}"
            )
    except (RuntimeError, ValueError) as error:
        raise ExportError(f"the target is another architecture's: {error}") from error


def _array(value: Any) -> Any:
    import numpy as np

    return np.asarray(value.detach().cpu() if hasattr(value, "detach") else value)
