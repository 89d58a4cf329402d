"""The one table of primitives: shape, parameters, MACs and framework form of each atomic layer.

Shapes are channels-last and without the batch: ``(height, width, channels)``,
``(length, channels)`` or ``(features,)``. Sizes are exact integers. MACs are multiply-adds of one
forward pass for one sample in training mode, counted as ``torch.utils.flop_counter`` counts them
(half its FLOPs): matrix products and convolutions, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from neural_automl import _torch_forms as torch_forms

if TYPE_CHECKING:
    from neural_automl._forms import ModuleForm

Shape = tuple[int, ...]
Attributes = Mapping[str, Any]
Layout = Literal["channels_first", "channels_last"]


class Facts(NamedTuple):
    """What is known of one node before any tensor is made.

    ``shape`` of its output, trainable ``params``, ``macs`` for one sample, and the ``stored``
    elements that its output keeps in memory (0 where it is a view of its input).
    """

    shape: Shape
    params: int
    macs: int
    stored: int


def _none(attributes: Attributes, *shapes: Shape) -> int:
    return 0


def _same(attributes: Attributes, *shapes: Shape) -> Shape:
    return shapes[0]


@dataclass(frozen=True, slots=True)
class Primitive:
    """One row of the table.

    Args:
        name: The primitive's name.
        attributes: Names of its attributes, in stored order.
        shape: ``(attributes, *input shapes) -> output shape``; raises ``ValueError`` with the
            rule and the value where the input cannot be taken.
        pytorch: ``(attributes, layout, *input shapes) -> ModuleForm``.
        params: Trainable parameters of the PyTorch form.
        macs: Multiply-adds for one sample.
        layout: The layout that the PyTorch form wants; None takes either.
        weighted: Whether it counts in the depth of a network.
        view: Whether its output shares its input's memory in inference.
        stored: Elements that the output keeps in memory, where not those of its shape.
    """

    name: str
    attributes: tuple[str, ...]
    shape: Callable[..., Shape]
    pytorch: Callable[..., ModuleForm]
    params: Callable[..., int] = _none
    macs: Callable[..., int] = _none
    layout: Layout | None = None
    weighted: bool = False
    view: bool = False
    stored: Callable[..., int] | None = None


def window_output(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """Return how many windows fit: ``(size + padding - dilation (kernel - 1) - 1) // stride + 1``.

    Args:
        padding: Both sides together.

    Raises:
        ValueError: No window fits.
    """
    span = dilation * (kernel - 1) + 1
    if size + padding < span:
        raise ValueError(f"a window of {span} does not fit into {size + padding}")
    return (size + padding - span) // stride + 1


def same_padding(size: int, kernel: int, stride: int, dilation: int = 1) -> tuple[int, int]:
    """Return TensorFlow's padding (before, after) for ``ceil(size / stride)`` windows."""
    windows = -(-size // stride)
    total = max(0, (windows - 1) * stride + dilation * (kernel - 1) + 1 - size)
    return total // 2, total - total // 2


# --- convolution and dense ------------------------------------------------------------------


def _conv_shape(a: Attributes, x: Shape) -> Shape:
    channels, filters, groups = x[-1], a["filters"], a["groups"]
    if channels % groups or filters % groups:
        raise ValueError(
            f"groups must divide the channels that come in ({channels}) and the filters "
            f"({filters}) but is {groups}"
        )
    sizes = tuple(
        window_output(size, kernel, stride, 2 * padding, dilation)
        for size, kernel, stride, padding, dilation in zip(
            x[:-1], a["kernel_size"], a["strides"], a["padding"], a["dilation_rate"], strict=True
        )
    )
    return (*sizes, filters)


def _conv_weights(a: Attributes, x: Shape) -> int:
    return int(a["filters"] * (x[-1] // a["groups"]) * prod(a["kernel_size"]))


def _conv_params(a: Attributes, x: Shape) -> int:
    return _conv_weights(a, x) + (a["filters"] if a["use_bias"] else 0)


def _conv_macs(a: Attributes, x: Shape) -> int:
    return _conv_weights(a, x) * prod(_conv_shape(a, x)[:-1])


def _dense_params(a: Attributes, x: Shape) -> int:
    return int(x[-1] * a["units"] + (a["units"] if a["use_bias"] else 0))


# --- pooling and padding --------------------------------------------------------------------


def _pool_shape(a: Attributes, x: Shape) -> Shape:
    sizes = []
    for size, kernel, stride, padding in zip(
        x[:-1], a["pool_size"], a["strides"], a["padding"], strict=True
    ):
        if max(padding) > kernel / 2:
            raise ValueError(
                f"padding must be at most half of the pool size ({kernel}) but is {max(padding)}"
            )
        sizes.append(window_output(size, kernel, stride, sum(padding)))
    return (*sizes, x[-1])


def _pool_stored(a: Attributes, x: Shape) -> int:
    # A stride of one with one pixel more behind than before is pooled with the larger padding
    # on both sides and cut: the cut is a view, the memory is that of the uncut result.
    shape = _pool_shape(a, x)
    cut = [
        s == 1 and after > before
        for s, (before, after) in zip(a["strides"], a["padding"], strict=True)
    ]
    stored: int = prod(n + extra for n, extra in zip(shape[:-1], cut, strict=True)) * shape[-1]
    return stored


def _pad_shape(a: Attributes, x: Shape) -> Shape:
    return (*(n + sum(p) for n, p in zip(x[:-1], a["padding"], strict=True)), x[-1])


def _crop_shape(a: Attributes, x: Shape) -> Shape:
    if min(x[:-1]) <= a["offset"]:
        raise ValueError(f"a shift by {a['offset']} leaves nothing of {x[:-1]}")
    return (*(n - a["offset"] for n in x[:-1]), x[-1])


def _global_pool_shape(a: Attributes, x: Shape) -> Shape:
    return (*(1 for _ in x[:-1]), x[-1]) if a["keepdims"] else (x[-1],)


# --- shapes ---------------------------------------------------------------------------------


def _reshape_shape(a: Attributes, x: Shape) -> Shape:
    if prod(a["shape"]) != prod(x):
        raise ValueError(f"{prod(x)} values of shape {x} do not fill the shape {a['shape']}")
    return tuple(a["shape"])


def _zeros_shape(a: Attributes, x: Shape) -> Shape:
    return (*(-(-n // a["stride"]) for n in x[:-1]), x[-1])


# --- sequences ------------------------------------------------------------------------------


def _recurrent_shape(a: Attributes, x: Shape) -> Shape:
    return (x[0], a["units"]) if a["return_sequences"] else (a["units"],)


def _recurrent(gates: int) -> tuple[Callable[..., int], Callable[..., int]]:
    def params(a: Attributes, x: Shape) -> int:
        # PyTorch keeps an input bias and a recurrent bias for each gate.
        return int(gates * a["units"] * (x[1] + a["units"] + 2))

    def macs(a: Attributes, x: Shape) -> int:
        return int(x[0] * gates * a["units"] * (x[1] + a["units"]))

    return params, macs


def _attention_shape(a: Attributes, x: Shape) -> Shape:
    if x[1] % a["num_heads"]:
        raise ValueError(f"num_heads must divide the width ({x[1]}) but is {a['num_heads']}")
    return x


def _attention_macs(a: Attributes, x: Shape) -> int:
    length, width = x
    return 4 * length * width * width + 2 * length * length * width


# --- merging --------------------------------------------------------------------------------


def _equal_shapes(a: Attributes, *shapes: Shape) -> Shape:
    if len(set(shapes)) != 1:
        raise ValueError(f"the shapes to merge must be equal but are {', '.join(map(str, shapes))}")
    return shapes[0]


def _concatenate_shape(a: Attributes, *shapes: Shape) -> Shape:
    if len({shape[:-1] for shape in shapes}) != 1:
        raise ValueError(
            "the shapes to concatenate must be equal but for the channels and are "
            + ", ".join(map(str, shapes))
        )
    return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


def _broadcast_shape(a: Attributes, *shapes: Shape) -> Shape:
    return tuple(max(sizes) for sizes in zip(*shapes, strict=True))


def _group_norm_shape(a: Attributes, x: Shape) -> Shape:
    if x[-1] % a["groups"]:
        raise ValueError(f"groups must divide the channels ({x[-1]}) but is {a['groups']}")
    return x


def _affine(a: Attributes, x: Shape) -> int:
    return 2 * x[-1] if a.get("affine", True) else 0


_LSTM_PARAMS, _LSTM_MACS = _recurrent(4)
_GRU_PARAMS, _GRU_MACS = _recurrent(3)
_FIRST: Final[Layout] = "channels_first"
_LAST: Final[Layout] = "channels_last"

_ROWS: Final = (
    Primitive("Input", ("shape",), lambda a: tuple(a["shape"]), torch_forms.identity),
    Primitive(
        "Dense",
        ("units", "use_bias"),
        lambda a, x: (*x[:-1], a["units"]),
        torch_forms.dense,
        params=_dense_params,
        macs=lambda a, x: prod(x) * a["units"],
        layout=_LAST,
        weighted=True,
    ),
    Primitive(
        "Conv",
        ("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "use_bias"),
        _conv_shape,
        torch_forms.conv,
        params=_conv_params,
        macs=_conv_macs,
        layout=_FIRST,
        weighted=True,
    ),
    Primitive("Pad", ("padding",), _pad_shape, torch_forms.pad, layout=_FIRST),
    Primitive("Crop", ("offset",), _crop_shape, torch_forms.crop, layout=_FIRST, view=True),
    Primitive(
        "MaxPool",
        ("pool_size", "strides", "padding"),
        _pool_shape,
        torch_forms.max_pool,
        layout=_FIRST,
        stored=_pool_stored,
    ),
    Primitive(
        "AveragePool",
        ("pool_size", "strides", "padding"),
        _pool_shape,
        torch_forms.average_pool,
        layout=_FIRST,
        stored=_pool_stored,
    ),
    Primitive(
        "GlobalAveragePool",
        ("keepdims",),
        _global_pool_shape,
        torch_forms.global_average_pool,
        layout=_FIRST,
    ),
    Primitive(
        "GlobalMaxPool",
        ("keepdims",),
        _global_pool_shape,
        torch_forms.global_max_pool,
        layout=_FIRST,
    ),
    Primitive(
        "BatchNorm",
        ("momentum", "epsilon", "affine"),
        _same,
        torch_forms.batch_norm,
        params=_affine,
        layout=_FIRST,
    ),
    Primitive(
        "LayerNorm", ("epsilon",), _same, torch_forms.layer_norm, params=_affine, layout=_LAST
    ),
    Primitive(
        "GroupNorm",
        ("groups", "epsilon"),
        _group_norm_shape,
        torch_forms.group_norm,
        params=_affine,
        layout=_FIRST,
    ),
    Primitive("Activation", ("function",), _same, torch_forms.activation),
    Primitive("Dropout", ("rate",), _same, torch_forms.dropout, view=True),
    Primitive(
        "Flatten",
        (),
        lambda a, x: (prod(x),),
        torch_forms.flatten,
        view=True,
    ),
    Primitive("Reshape", ("shape",), _reshape_shape, torch_forms.reshape, layout=_LAST, view=True),
    Primitive(
        "Embedding",
        ("input_dim", "output_dim"),
        lambda a, x: (*x, a["output_dim"]),
        torch_forms.embedding,
        params=lambda a, x: a["input_dim"] * a["output_dim"],
        weighted=True,
    ),
    Primitive(
        "LSTM",
        ("units", "return_sequences"),
        _recurrent_shape,
        torch_forms.lstm,
        params=_LSTM_PARAMS,
        macs=_LSTM_MACS,
        layout=_LAST,
        weighted=True,
    ),
    Primitive(
        "GRU",
        ("units", "return_sequences"),
        _recurrent_shape,
        torch_forms.gru,
        params=_GRU_PARAMS,
        macs=_GRU_MACS,
        layout=_LAST,
        weighted=True,
    ),
    Primitive(
        "MultiHeadAttention",
        ("num_heads", "dropout"),
        _attention_shape,
        torch_forms.multi_head_attention,
        params=lambda a, x: 4 * x[1] * x[1] + 4 * x[1],
        macs=_attention_macs,
        layout=_LAST,
        weighted=True,
    ),
    Primitive("Add", (), _equal_shapes, torch_forms.add),
    Primitive("Multiply", (), _broadcast_shape, torch_forms.multiply),
    Primitive("Concatenate", (), _concatenate_shape, torch_forms.concatenate),
    Primitive("Zeros", ("stride",), _zeros_shape, torch_forms.zeros),
    # Only the lowering to PyTorch makes these; the graph itself is channels-last.
    Primitive("Permute", ("order",), _same, torch_forms.permute, view=True),
)

PRIMITIVES: Final[dict[str, Primitive]] = {row.name: row for row in _ROWS}


@lru_cache(maxsize=1 << 16)
def facts(name: str, attributes: tuple[Any, ...], shapes: tuple[Shape, ...]) -> Facts:
    """Return what is known of a primitive with these attribute values and input shapes.

    Raises:
        ValueError: The primitive cannot take these shapes; the message says the rule.
    """
    row = PRIMITIVES[name]
    values = dict(zip(row.attributes, attributes, strict=True))
    shape = row.shape(values, *shapes)
    if row.view:
        stored = 0
    elif row.stored is not None:
        stored = row.stored(values, *shapes)
    else:
        stored = prod(shape)
    return Facts(shape, row.params(values, *shapes), row.macs(values, *shapes), stored)
