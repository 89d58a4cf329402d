"""Pieces that many layers lower to: convolutions, pools, activations, normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from neural_automl._formulas import Shape, same_padding

if TYPE_CHECKING:
    from neural_automl.graph import GraphBuilder
    from neural_automl.layers._table import Values


def _rank(builder: GraphBuilder, x: int, rank: int, wanted: str) -> Shape:
    shape = builder.shape(x)
    if len(shape) != rank:
        raise builder.error(f"needs an input of shape {wanted} but gets {shape}")
    return shape


_WANTED: Final = {1: "(length, channels)", 2: "(height, width, channels)"}


def require_spatial(builder: GraphBuilder, x: int, dimensions: int) -> Shape:
    """Return the sizes of an input's spatial dimensions.

    Raises:
        ShapeError: The input has more or fewer of them.
    """
    return _rank(builder, x, dimensions + 1, _WANTED[dimensions])[:-1]


def _per_dimension(builder: GraphBuilder, name: str, value: Any, dimensions: int) -> Shape:
    if isinstance(value, int):
        return (value,) * dimensions
    if len(value) != dimensions:
        raise builder.error(f"'{name}' must have {dimensions} elements but is {tuple(value)}")
    return tuple(value)


def _paddings(
    builder: GraphBuilder,
    padding: Any,
    sizes: Shape,
    kernel: Shape,
    strides: Shape,
    dilation: Shape,
) -> tuple[tuple[int, int], ...]:
    """Return (before, after) of each dimension."""
    if padding == "valid":
        return ((0, 0),) * len(sizes)
    if padding == "same":
        return tuple(map(same_padding, sizes, kernel, strides, dilation))
    return tuple((p, p) for p in _per_dimension(builder, "padding", padding, len(sizes)))


def activate(builder: GraphBuilder, x: int, function: str | None) -> int:
    """Add an activation, if there is one to add."""
    if function is None or function == "linear":
        return x
    return builder.add("Activation", x, function=function)


def convolve(
    builder: GraphBuilder,
    x: int,
    dimensions: int,
    *,
    filters: int,
    kernel_size: Any,
    strides: Any = 1,
    padding: Any = "valid",
    dilation_rate: Any = 1,
    groups: int = 1,
    use_bias: bool = True,
) -> int:
    """Add a convolution, with a node of its own for padding that differs between the sides.

    Raises:
        ShapeError: The input is of another rank, or too small.
    """
    sizes = require_spatial(builder, x, dimensions)
    kernel = _per_dimension(builder, "kernel_size", kernel_size, dimensions)
    stride = _per_dimension(builder, "strides", strides, dimensions)
    dilation = _per_dimension(builder, "dilation_rate", dilation_rate, dimensions)
    if max(stride) > 1 and max(dilation) > 1:
        raise builder.error(
            f"strides and dilation_rate can't both be above 1 but are {stride} and {dilation}"
        )
    pads = _paddings(builder, padding, sizes, kernel, stride, dilation)
    if any(before != after for before, after in pads):
        x = builder.add("Pad", x, padding=pads)
        pads = ((0, 0),) * dimensions
    return builder.add(
        "Conv",
        x,
        filters=filters,
        kernel_size=kernel,
        strides=stride,
        padding=tuple(before for before, _ in pads),
        dilation_rate=dilation,
        groups=groups,
        use_bias=use_bias,
    )


def pool(
    builder: GraphBuilder,
    x: int,
    dimensions: int,
    kind: str,
    *,
    pool_size: Any,
    strides: Any = None,
    padding: Any = "valid",
) -> int:
    """Add a ``MaxPool`` or ``AveragePool``; without strides the windows do not overlap."""
    sizes = require_spatial(builder, x, dimensions)
    window = _per_dimension(builder, "pool_size", pool_size, dimensions)
    stride = window if strides is None else _per_dimension(builder, "strides", strides, dimensions)
    pads = _paddings(builder, padding, sizes, window, stride, (1,) * dimensions)
    return builder.add(kind, x, pool_size=window, strides=stride, padding=pads)


def batch_norm(builder: GraphBuilder, x: int, values: Values | None = None) -> int:
    """Add a batch normalisation, with PyTorch's defaults unless given."""
    v = values or {}
    return builder.add(
        "BatchNorm",
        x,
        momentum=float(v.get("momentum", 0.9)),
        epsilon=float(v.get("epsilon", 1e-5)),
        affine=v.get("affine", True),
    )
