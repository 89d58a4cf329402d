"""Weights carried from a model of one backend to a model of the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from neural_automl._imports import try_import
from neural_automl.exceptions import ExportError

if TYPE_CHECKING:
    from neural_automl.architecture import Architecture


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
