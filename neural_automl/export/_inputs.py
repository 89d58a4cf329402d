"""Random inputs to try a network with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from neural_automl.architecture import Architecture


def batch_for(architecture: Architecture, name: str, size: int = 3) -> NDArray[Any]:
    """Return a batch, the same each time, in the layout of a format.

    Args:
        name: ``keras`` takes images channels last, ``pytorch`` and ``onnx`` channels first.
        size: Of the batch.
    """
    graph = architecture.graph
    generator = np.random.default_rng(0)
    shape = (size, *graph.input_shape)
    rooms = [n.attribute_values()["input_dim"] for n in graph.nodes if n.op == "Embedding"]
    if rooms:
        return generator.integers(0, min(rooms), shape)
    batch = generator.standard_normal(shape, dtype=np.float32)
    is_turned = batch.ndim == 4 and name != "keras"
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2)) if is_turned else batch
