"""The building blocks of neural architecture search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from neural_automl.layers._table import Block, LayerType, Lower, Values, register_rows
from neural_automl.layers._windows import activate, batch_norm, convolve, pool, require_spatial
from neural_automl.parameters import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neural_automl.graph import GraphBuilder


def _depthwise(b: GraphBuilder, x: int, v: Values, strides: Any, dilation: Any = 1) -> int:
    channels = b.shape(x)[-1]
    return convolve(
        b,
        x,
        2,
        filters=channels,
        groups=channels,
        kernel_size=v["kernel_size"],
        strides=strides,
        padding="same",
        dilation_rate=dilation,
        use_bias=False,
    )


def _pointwise(b: GraphBuilder, x: int, filters: int) -> int:
    return convolve(b, x, 2, filters=filters, kernel_size=1, use_bias=False)


def _filters(b: GraphBuilder, x: int, v: Values) -> int:
    channels: int = b.shape(x)[-1]
    return channels if v["filters"] is None else int(v["filters"])


def _skip(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    return x


def _zero(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    if v["strides"] > 1 and len(b.shape(x)) == 1:
        raise b.error(
            f"'strides' must be 1 for an input of shape (features,) but is {v['strides']}"
        )
    return b.add("Zeros", x, stride=v["strides"])


def _sep_conv(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    """DARTS: twice ReLU, depthwise and pointwise convolution, BN; the stride in the first."""
    filters = _filters(b, x, v)
    for strides, width in ((v["strides"], b.shape(x)[-1]), (1, filters)):
        x = _depthwise(b, activate(b, x, "relu"), v, strides)
        x = batch_norm(b, _pointwise(b, x, width))
    return x


def _dilated_conv(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    """DARTS: ReLU, dilated depthwise and pointwise convolution, BN."""
    filters = _filters(b, x, v)
    x = _depthwise(b, activate(b, x, "relu"), v, v["strides"], v["dilation_rate"])
    return batch_norm(b, _pointwise(b, x, filters))


def _conv_bn(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    """NAS-Bench-201: ReLU, convolution without bias, BN."""
    filters = _filters(b, x, v)
    x = convolve(
        b,
        activate(b, x, "relu"),
        2,
        filters=filters,
        kernel_size=v["kernel_size"],
        strides=v["strides"],
        padding="same",
        use_bias=False,
    )
    return batch_norm(b, x)


_POOLS: Final = {"avg": "AveragePool", "max": "MaxPool"}


def _same_pool(b: GraphBuilder, x: int, v: Values) -> int:
    return pool(
        b,
        x,
        2,
        _POOLS[v["pool"]],
        pool_size=v["kernel_size"],
        strides=v["strides"],
        padding="same",
    )


def _pool_bn(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    return batch_norm(b, _same_pool(b, x, v))


def _pool(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    return _same_pool(b, x, v)


def _inverted_residual(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    """MobileNetV2: widen, depthwise convolution, narrow; added to the input where shapes allow."""
    channels, filters = b.shape(x)[-1], _filters(b, x, v)
    y = x
    if v["expand"] != 1:
        y = activate(b, batch_norm(b, _pointwise(b, y, channels * v["expand"])), "relu6")
    y = activate(b, batch_norm(b, _depthwise(b, y, v, v["strides"])), "relu6")
    y = batch_norm(b, _pointwise(b, y, filters))
    return b.add("Add", x, y) if b.shape(x) == b.shape(y) else y


def _factorized_reduce(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    """DARTS: two strided 1x1 convolutions, the second one pixel further, joined; BN."""
    height, width = require_spatial(b, x, 2)
    if height % 2 or width % 2:
        raise b.error(f"needs an even height and width but gets ({height}, {width})")
    filters = 2 * b.shape(x)[-1] if v["filters"] is None else v["filters"]
    x = activate(b, x, "relu")

    def half(source: int, width: int) -> int:
        return convolve(b, source, 2, filters=width, kernel_size=1, strides=2, use_bias=False)

    y = half(x, filters - filters // 2)
    if filters > 1:
        y = b.add("Concatenate", y, half(b.add("Crop", x, offset=1), filters // 2))
    return batch_norm(b, y)


def _squeeze_excitation(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    """Hu et al., Squeeze-and-Excitation Networks, CVPR 2018: weigh the channels."""
    require_spatial(b, x, 2)
    channels = b.shape(x)[-1]
    y = b.add("GlobalAveragePool", x, keepdims=True)
    y = convolve(b, y, 2, filters=max(1, channels // v["ratio"]), kernel_size=1)
    y = convolve(b, activate(b, y, "relu"), 2, filters=channels, kernel_size=1)
    return b.add("Multiply", x, activate(b, y, "sigmoid"))


_FILTERS: Final = Parameter("filters", "integer", None, minimum=1, nullable=True)
_STRIDES: Final = Parameter("strides", "size", 1, minimum=1)
_KERNEL: Final = Parameter("kernel_size", "size", 3, minimum=1)
_POOL: Final = Parameter("pool", "string", "avg", options=tuple(_POOLS))

_OPERATIONS: Final[tuple[tuple[str, tuple[Parameter, ...], Lower], ...]] = (
    ("SkipConnection", (), _skip),
    ("Zero", (Parameter("strides", "integer", 1, minimum=1),), _zero),
    ("SepConv", (_FILTERS, _KERNEL, _STRIDES), _sep_conv),
    (
        "DilatedConv",
        (_FILTERS, _KERNEL, _STRIDES, Parameter("dilation_rate", "size", 2, minimum=1)),
        _dilated_conv,
    ),
    ("ConvBN", (_FILTERS, _KERNEL, _STRIDES), _conv_bn),
    ("PoolBN", (_POOL, _KERNEL, _STRIDES), _pool_bn),
    (
        "InvertedResidual",
        (_FILTERS, Parameter("expand", "integer", 6, minimum=1), _KERNEL, _STRIDES),
        _inverted_residual,
    ),
    ("FactorizedReduce", (_FILTERS,), _factorized_reduce),
    ("SqueezeExcitation", (Parameter("ratio", "integer", 16, minimum=1),), _squeeze_excitation),
    # NAS-Bench-201's pooling has no normalisation after it.
    ("SamePool", (_POOL, _KERNEL, _STRIDES), _pool),
)

register_rows(
    [LayerType(name, parameters, lower) for name, parameters, lower in _OPERATIONS],
    {
        "none": ("Zero", {}),
        "skip_connect": ("SkipConnection", {}),
        "identity": ("SkipConnection", {}),
        "conv_1x1": ("ConvBN", {"kernel_size": 1}),
        "conv_3x3": ("ConvBN", {"kernel_size": 3}),
        "nor_conv_1x1": ("ConvBN", {"kernel_size": 1}),
        "nor_conv_3x3": ("ConvBN", {"kernel_size": 3}),
        "avg_pool_3x3": ("SamePool", {"pool": "avg", "kernel_size": 3}),
        "max_pool_3x3": ("SamePool", {"pool": "max", "kernel_size": 3}),
        "sep_conv_3x3": ("SepConv", {"kernel_size": 3}),
        "sep_conv_5x5": ("SepConv", {"kernel_size": 5}),
        "dil_conv_3x3": ("DilatedConv", {"kernel_size": 3}),
        "dil_conv_5x5": ("DilatedConv", {"kernel_size": 5}),
    },
)
