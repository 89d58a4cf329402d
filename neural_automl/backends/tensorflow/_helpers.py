"""What a network may need beside Keras: models call it, and the source holds a copy.

Each function stands alone: it uses ``keras`` and ``ops``, which the source imports too.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


def uniform(fan_in: float, *names: str) -> dict[str, keras.Initializer]:
    """Draw weights and biases as PyTorch does: uniform, up to 1 / sqrt(fan_in)."""
    limit = fan_in**-0.5
    return {
        f"{name}_initializer": keras.initializers.RandomUniform(-limit, limit)
        for name in names or ("kernel", "bias")
    }


def max_pool(x: Any, size: Any, strides: Any, padding: Any) -> Any:
    """Take the maximum of each window; the padding never wins."""
    padded = ops.pad(x, padding, constant_values=float("-inf"))
    return ops.max_pool(padded, size, strides)


def average_pool(x: Any, size: Any, strides: Any, padding: Any) -> Any:
    """Take the mean of each window; the padding is not counted."""
    inside = ops.average_pool(ops.pad(ops.ones_like(x), padding), size, strides)
    return ops.average_pool(ops.pad(x, padding), size, strides) / inside
