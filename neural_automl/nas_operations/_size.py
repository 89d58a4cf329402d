"""What a network weighs and computes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.exceptions import excerpt

_BYTES: Final = 4  # float32

#: An architecture, or its layers in either form.
ArchitectureLike = Architecture | Sequence[LayerConfig | Mapping[str, Any]]


def estimate_model_size(
    architecture: ArchitectureLike, input_shape: Sequence[int] | None = None
) -> dict[str, int]:
    """Return the size of a network, exactly and without building it.

    Args:
        architecture: An architecture; or layers, concrete ones, as ``LayerConfig`` or in the
            dictionary form, and their input's shape.
        input_shape: Channels-last, without the batch; for layers alone.

    Returns:
        ``params``, trainable, and the ``bytes`` that they take in float32.

    Raises:
        ShapeError: A layer cannot take the shape that reaches it.
        SpaceError: A layer has another form.
        TypeError: Layers come without a shape, an architecture with one, or it is neither.

    Example:
        >>> estimate_model_size([{"type": "Dense", "params": {"units": 10}}], (64,))
        {'params': 650, 'bytes': 2600}
    """
    params = _architecture(architecture, input_shape).cost.params
    return {"params": params, "bytes": _BYTES * params}


def compute_flops(architecture: ArchitectureLike, input_shape: Sequence[int] | None = None) -> int:
    """Return the FLOPs of one sample: twice the multiply-adds of a forward pass.

    Args:
        architecture: As for ``estimate_model_size``.
        input_shape: Channels-last, without the batch; for layers alone.

    Raises:
        ShapeError: A layer cannot take the shape that reaches it.
        SpaceError: A layer has another form.
        TypeError: Layers come without a shape, an architecture with one, or it is neither.

    Example:
        >>> compute_flops([{"type": "Dense", "params": {"units": 10}}], (64,))
        1280
    """
    return _architecture(architecture, input_shape).cost.flops


def _architecture(given: Any, input_shape: Sequence[int] | None) -> Architecture:
    if isinstance(given, Architecture):
        if input_shape is not None:
            raise TypeError("an architecture has its input's shape: give `input_shape` with layers")
        return given
    if isinstance(given, str | Mapping) or not isinstance(given, Sequence):
        raise TypeError(f"needs an Architecture or a list of layers but got {excerpt(given)}")
    if input_shape is None:
        raise TypeError("layers alone need an `input_shape`")
    layers = [
        layer if isinstance(layer, LayerConfig) else LayerConfig.from_dict(layer, f"layers[{i}]")
        for i, layer in enumerate(given)
    ]
    return Architecture(tuple(input_shape), tuple(layers))
