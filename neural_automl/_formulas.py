"""Exact integer formulas of the primitives: output shapes, parameters, multiply-adds, memory.

Every function takes a node's attributes and the channels-last shapes of its inputs, without the
batch. A shape that cannot be taken raises ``ValueError`` with the rule and the value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

Attributes = Mapping[str, Any]
Shape = tuple[int, ...]


def none(attributes: Attributes, *shapes: Shape) -> int:
    """Return 0: what costs nothing."""
    return 0


def same(attributes: Attributes, *shapes: Shape) -> Shape:
    """Return the shape of the input."""
    return shapes[0]


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


def conv_shape(a: Attributes, x: Shape) -> Shape:
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


def conv_weights(a: Attributes, x: Shape) -> int:
    return int(a["filters"] * (x[-1] // a["groups"]) * prod(a["kernel_size"]))


def conv_params(a: Attributes, x: Shape) -> int:
    return conv_weights(a, x) + (a["filters"] if a["use_bias"] else 0)


def conv_macs(a: Attributes, x: Shape) -> int:
    return conv_weights(a, x) * prod(conv_shape(a, x)[:-1])


def dense_params(a: Attributes, x: Shape) -> int:
    return int(x[-1] * a["units"] + (a["units"] if a["use_bias"] else 0))


# --- pooling and padding --------------------------------------------------------------------


def pool_shape(a: Attributes, x: Shape) -> Shape:
    sizes = []
    for size, kernel, stride, padding in zip(
        x[:-1], a["pool_size"], a["strides"], a["padding"], strict=True
    ):
        if 2 * max(padding) > kernel:
            raise ValueError(
                f"padding must be at most half of the pool size ({kernel}) but is {max(padding)}"
            )
        sizes.append(window_output(size, kernel, stride, sum(padding)))
    return (*sizes, x[-1])


def pool_cuts(a: Attributes) -> tuple[int, ...]:
    # A stride of one with one pixel more behind than before is pooled with the larger padding
    # on both sides and cut: the cut is a view, the memory is that of the uncut result.
    return tuple(
        int(stride == 1 and after > before)
        for stride, (before, after) in zip(a["strides"], a["padding"], strict=True)
    )


def pool_stored(a: Attributes, x: Shape) -> int:
    shape = pool_shape(a, x)
    stored: int = prod(n + cut for n, cut in zip(shape[:-1], pool_cuts(a), strict=True)) * shape[-1]
    return stored


def pad_shape(a: Attributes, x: Shape) -> Shape:
    return (*(n + sum(p) for n, p in zip(x[:-1], a["padding"], strict=True)), x[-1])


def crop_shape(a: Attributes, x: Shape) -> Shape:
    if min(x[:-1]) <= a["offset"]:
        raise ValueError(f"a shift by {a['offset']} leaves nothing of {x[:-1]}")
    return (*(n - a["offset"] for n in x[:-1]), x[-1])


def global_pool_shape(a: Attributes, x: Shape) -> Shape:
    return (*(1 for _ in x[:-1]), x[-1]) if a["keepdims"] else (x[-1],)


# --- shapes ---------------------------------------------------------------------------------


def reshape_shape(a: Attributes, x: Shape) -> Shape:
    if len(a["shape"]) > 3:
        raise ValueError(f"a shape must have 1 to 3 sizes but is {a['shape']}")
    if prod(a["shape"]) != prod(x):
        raise ValueError(f"{prod(x)} values of shape {x} do not fill the shape {a['shape']}")
    return tuple(a["shape"])


def zeros_shape(a: Attributes, x: Shape) -> Shape:
    return (*(-(-n // a["stride"]) for n in x[:-1]), x[-1])


# --- sequences ------------------------------------------------------------------------------


def recurrent_shape(a: Attributes, x: Shape) -> Shape:
    return (x[0], a["units"]) if a["return_sequences"] else (a["units"],)


def recurrent_stored(a: Attributes, x: Shape) -> int:
    # The last output alone is a view of all of them.
    return int(x[0] * a["units"])


def recurrent(gates: int) -> tuple[Callable[..., int], Callable[..., int]]:
    def params(a: Attributes, x: Shape) -> int:
        # PyTorch keeps an input bias and a recurrent bias for each gate.
        return int(gates * a["units"] * (x[1] + a["units"] + 2))

    def macs(a: Attributes, x: Shape) -> int:
        return int(x[0] * gates * a["units"] * (x[1] + a["units"]))

    return params, macs


def attention_shape(a: Attributes, x: Shape) -> Shape:
    if x[1] % a["num_heads"]:
        raise ValueError(f"num_heads must divide the width ({x[1]}) but is {a['num_heads']}")
    return x


def attention_macs(a: Attributes, x: Shape) -> int:
    length, width = x
    return 4 * length * width * width + 2 * length * length * width


# --- merging --------------------------------------------------------------------------------


def equal_shapes(a: Attributes, *shapes: Shape) -> Shape:
    if len(set(shapes)) != 1:
        raise ValueError(f"the shapes to merge must be equal but are {', '.join(map(str, shapes))}")
    return shapes[0]


def concatenate_shape(a: Attributes, *shapes: Shape) -> Shape:
    if len({shape[:-1] for shape in shapes}) != 1:
        raise ValueError(
            "the shapes to concatenate must be equal but for the channels and are "
            + ", ".join(map(str, shapes))
        )
    return (*shapes[0][:-1], sum(shape[-1] for shape in shapes))


def broadcast_shape(a: Attributes, *shapes: Shape) -> Shape:
    return tuple(max(sizes) for sizes in zip(*shapes, strict=True))


def group_norm_shape(a: Attributes, x: Shape) -> Shape:
    if x[-1] % a["groups"]:
        raise ValueError(f"groups must divide the channels ({x[-1]}) but is {a['groups']}")
    if prod(x) == a["groups"]:
        # PyTorch refuses it for a batch of one sample; with more it gives the bias alone.
        raise ValueError(
            f"needs more than one value in each group but {a['groups']} groups of {x} have one"
        )
    return x


def affine(a: Attributes, x: Shape) -> int:
    return 2 * x[-1] if a.get("affine", True) else 0


LSTM_PARAMS, LSTM_MACS = recurrent(4)
GRU_PARAMS, GRU_MACS = recurrent(3)
