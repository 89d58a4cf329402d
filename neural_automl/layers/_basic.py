"""The layers of feed-forward and convolutional networks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from neural_automl.layers._table import Block, LayerType, Lower, Values, register_rows
from neural_automl.layers._windows import activate, batch_norm, convolve, pool, require_spatial
from neural_automl.parameters import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neural_automl.graph import GraphBuilder

ACTIVATIONS: Final = (
    "relu",
    "relu6",
    "leaky_relu",
    "elu",
    "selu",
    "gelu",
    "silu",
    "sigmoid",
    "tanh",
    "softmax",
    "softplus",
    "softsign",
    "exponential",
    "linear",
)


# --- layers ---------------------------------------------------------------------------------


def _dense(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    x = b.add("Dense", x, units=v["units"], use_bias=v["use_bias"])
    return activate(b, x, v["activation"])


def _conv(dimensions: int) -> Lower:
    def lower(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
        options = {name: value for name, value in v.items() if name != "activation"}
        return activate(b, convolve(b, x, dimensions, **options), v["activation"])

    return lower


def _depthwise(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    channels = b.shape(x)[-1]
    options = {name: value for name, value in v.items() if name != "activation"}
    x = convolve(b, x, 2, filters=channels, groups=channels, **options)
    return activate(b, x, v["activation"])


def _separable(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    channels = b.shape(x)[-1]
    window = ("kernel_size", "strides", "padding", "dilation_rate")
    x = convolve(
        b,
        x,
        2,
        filters=channels,
        groups=channels,
        use_bias=False,
        **{name: v[name] for name in window},
    )
    x = convolve(b, x, 2, filters=v["filters"], kernel_size=1, use_bias=v["use_bias"])
    return activate(b, x, v["activation"])


def _pool(dimensions: int, kind: str) -> Lower:
    def lower(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
        return pool(b, x, dimensions, kind, **v)

    return lower


def _global_pool(dimensions: int, kind: str) -> Lower:
    def lower(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
        require_spatial(b, x, dimensions)
        return b.add(kind, x, keepdims=False)

    return lower


def _batch_norm(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    return batch_norm(b, x, v)


def _activation(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    return activate(b, x, v["name"])


def _flatten(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    return b.add("Flatten", x) if len(b.shape(x)) > 1 else x


def _layer_norm(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    return b.add("LayerNorm", x, epsilon=float(v["epsilon"]))


def _dropout(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    return b.add("Dropout", x, rate=float(v["rate"]))


def _relu(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    return activate(b, x, "relu")


# --- parameters -----------------------------------------------------------------------------

_ACTIVATION: Final = Parameter("activation", "string", None, options=ACTIVATIONS, nullable=True)
_USE_BIAS: Final = Parameter("use_bias", "boolean", True)
_STRIDES: Final = Parameter("strides", "size", 1, minimum=1)
_PADDING: Final = Parameter("padding", "padding", "valid", minimum=0)
_DILATION: Final = Parameter("dilation_rate", "size", 1, minimum=1)
_KERNEL: Final = Parameter("kernel_size", "size", minimum=1)
_FILTERS: Final = Parameter("filters", "integer", minimum=1)
_EPSILON: Final = Parameter("epsilon", "number", 1e-5, above=0)

_DENSE: Final = (Parameter("units", "integer", minimum=1), _ACTIVATION, _USE_BIAS)
_CONV: Final = (
    _FILTERS,
    _KERNEL,
    _ACTIVATION,
    _STRIDES,
    _PADDING,
    _DILATION,
    Parameter("groups", "integer", 1, minimum=1),
    _USE_BIAS,
)
_POOL: Final = (
    Parameter("pool_size", "size", 2, minimum=1),
    Parameter("strides", "size", None, minimum=1, nullable=True),
    _PADDING,
)

register_rows(
    [
        LayerType("Dense", _DENSE, _dense),
        LayerType("Output", _DENSE, _dense),
        LayerType("Conv1D", _CONV, _conv(1)),
        LayerType("Conv2D", _CONV, _conv(2)),
        LayerType(
            "DepthwiseConv2D",
            (_KERNEL, _ACTIVATION, _STRIDES, _PADDING, _DILATION, _USE_BIAS),
            _depthwise,
        ),
        LayerType(
            "SeparableConv2D",
            (_FILTERS, _KERNEL, _ACTIVATION, _STRIDES, _PADDING, _DILATION, _USE_BIAS),
            _separable,
        ),
        LayerType("MaxPooling1D", _POOL, _pool(1, "MaxPool")),
        LayerType("MaxPooling2D", _POOL, _pool(2, "MaxPool")),
        LayerType("AveragePooling1D", _POOL, _pool(1, "AveragePool")),
        LayerType("AveragePooling2D", _POOL, _pool(2, "AveragePool")),
        LayerType("GlobalAveragePooling1D", (), _global_pool(1, "GlobalAveragePool")),
        LayerType("GlobalAveragePooling2D", (), _global_pool(2, "GlobalAveragePool")),
        LayerType("GlobalMaxPooling2D", (), _global_pool(2, "GlobalMaxPool")),
        LayerType(
            "BatchNormalization",
            (
                Parameter("momentum", "number", 0.9, minimum=0, below=1),
                _EPSILON,
                Parameter("affine", "boolean", True),
            ),
            _batch_norm,
        ),
        LayerType("LayerNormalization", (_EPSILON,), _layer_norm),
        LayerType("Dropout", (Parameter("rate", "number", minimum=0, below=1),), _dropout),
        LayerType("Activation", (Parameter("name", "string", options=ACTIVATIONS),), _activation),
        LayerType("ReLU", (), _relu),
        LayerType("Flatten", (), _flatten),
    ]
)
