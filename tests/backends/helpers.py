"""Architectures for both backends, inputs for them, and weights that leave nothing at 0 or 1."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from tests.spaces import SPACES, feasible, many

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

    from neural_automl.architecture import Architecture

#: How many architectures of each space are compared where everything is verified: 300.
COUNTS = {"image": 190, "sequence": 70, "text": 40}


def architectures(seed: int) -> dict[str, Architecture]:
    """Draw architectures of every space; between them they use every layer and operation."""
    return {
        f"{name}{index}": architecture
        for place, (name, space) in enumerate(SPACES.items())
        for index, architecture in enumerate(
            islice(feasible(space(), seed + place), many(COUNTS[name]))
        )
    }


def inputs_for(architecture: Architecture, batch: int = 3) -> NDArray[Any]:
    """Return a batch, channels last: integers where an embedding reads them."""
    rng = np.random.default_rng(batch)
    shape = (batch, *architecture.input_shape)
    first = architecture.graph.nodes[1] if len(architecture.graph.nodes) > 1 else None
    if first is not None and first.op == "Embedding":
        return rng.integers(0, first.attribute_values()["input_dim"], shape)
    return rng.standard_normal(shape, dtype=np.float32)


def built(architecture: Architecture, seed: int = 0) -> nn.Module:
    """Return the PyTorch model with random statistics and scales."""
    torch.manual_seed(seed)
    model: nn.Module = architecture.build("pytorch").eval()
    for module in model.modules():
        if "Norm" in type(module).__name__:
            for value in (*module.parameters(), *module.buffers()):
                if value.is_floating_point():
                    value.data.uniform_(0.5, 1.5)
    return model


def run_torch(model: nn.Module, inputs: NDArray[Any]) -> NDArray[Any]:
    """Return the outputs for inputs with their channels last, channels last."""
    x = torch.from_numpy(inputs)
    with torch.no_grad():
        y: Tensor = model(x.permute(0, 3, 1, 2) if x.ndim == 4 else x)
    return np.asarray((y.permute(0, 2, 3, 1) if y.ndim == 4 else y).numpy())


def run_keras(model: keras.Model, inputs: NDArray[Any]) -> NDArray[Any]:
    """Return the outputs in inference."""
    return np.asarray(model(inputs, training=False))


def assert_equal(one: NDArray[Any], other: NDArray[Any]) -> None:
    """Check that outputs are equal up to 1e-4 of their largest."""
    assert one.shape == other.shape
    assert np.isfinite(one).all()
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-4 * max(1.0, float(np.abs(one).max())))
