"""The Keras column of the table of primitives, as data: nothing here imports Keras.

Each function takes a node's attributes and the shapes of its inputs, and returns the constructor
and the expression of the node. Everything lies channels last, as in the graph. The names of the
layers with weights are those of the PyTorch column, so that weights can be carried over by name.

``uniform``, ``max_pool`` and ``average_pool`` are helpers that stand in the source too, where it
uses them: ``backends/tensorflow/_helpers.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod
from typing import Any, Final

from neural_automl._forms import APPLY, Apply, Call, Index, Infix, Input, ModuleForm, brief, call
from neural_automl._formulas import same_padding
from neural_automl._torch_forms import differing, unwrap

Attributes = Mapping[str, Any]
Shape = tuple[int, ...]
Pads = tuple[tuple[int, int], ...]

_X: Final = Input(0)


def _drawn(module: Call, *initial: Call) -> Call:
    """Add the arguments that say how weights are drawn."""
    return replace(module, spread=initial)


def _uniform(fan_in: float, *names: str) -> Call:
    """Return the arguments that draw as PyTorch does: uniform up to 1 / sqrt(fan_in)."""
    return call("uniform", fan_in, *names)


def identity(a: Attributes, *shapes: Shape) -> ModuleForm:
    """Pass the input on."""
    return ModuleForm(_X)


def dense(a: Attributes, x: Shape) -> ModuleForm:
    """Multiply the last axis by a matrix."""
    kwargs = differing({"use_bias": True}, use_bias=a["use_bias"])
    module = call("layers.Dense", a["units"], **kwargs)
    return ModuleForm(APPLY, _drawn(module, _uniform(x[-1])), "dense")


def conv(a: Attributes, x: Shape) -> ModuleForm:
    """Convolve with zero padding that is equal on both sides."""
    rank, kernel, strides = len(a["kernel_size"]), a["kernel_size"], a["strides"]
    pads = tuple((p, p) for p in a["padding"])
    same = _is_same(pads, x, kernel, strides, a["dilation_rate"])
    values: dict[str, Any] = {
        "strides": unwrap(strides),
        "padding": "same" if same and a["padding"] != (0,) * rank else "valid",
        "dilation_rate": unwrap(a["dilation_rate"]),
    }
    defaults = {"strides": 1, "padding": "valid", "dilation_rate": 1, "use_bias": True}
    fan_in = x[-1] // a["groups"] * prod(kernel)
    if is_depthwise(a, x):
        values |= {"depth_multiplier": a["filters"] // x[-1], "use_bias": a["use_bias"]}
        module = brief(
            f"layers.DepthwiseConv{rank}D",
            unwrap(kernel),
            defaults={**defaults, "depth_multiplier": 1},
            values=values,
        )
        initial = _uniform(fan_in, "depthwise", "bias")
    else:
        values |= {"groups": a["groups"], "use_bias": a["use_bias"]}
        module = brief(
            f"layers.Conv{rank}D",
            *(a["filters"], unwrap(kernel)),
            defaults={**defaults, "groups": 1},
            values=values,
        )
        initial = _uniform(fan_in)
    forward = APPLY if same or not any(a["padding"]) else Apply((_padded(pads),))
    return ModuleForm(forward, _drawn(module, initial), "conv")


def is_depthwise(a: Attributes, x: Shape) -> bool:
    """Whether a convolution is written as a depthwise one: TensorFlow's has equal strides only."""
    return 1 < a["groups"] == x[-1] and len(set(a["strides"])) == 1


def _is_same(pads: Pads, x: Shape, kernel: Shape, strides: Shape, dilation: Shape) -> bool:
    """Whether a padding is what Keras calls "same" for this input."""
    return pads == tuple(map(same_padding, x[:-1], kernel, strides, dilation))


def _padded(pads: Pads) -> Apply:
    amounts: Any = unwrap(tuple(before for before, _ in pads))
    if any(before != after for before, after in pads):
        amounts = pads if len(pads) > 1 else pads[0]
    return Apply((_X,), of=call(f"layers.ZeroPadding{len(pads)}D", amounts))


def pad(a: Attributes, x: Shape) -> ModuleForm:
    """Pad with zeros."""
    return ModuleForm(_padded(a["padding"]))


def crop(a: Attributes, x: Shape) -> ModuleForm:
    """Drop the first rows and columns."""
    cut = (a["offset"], 0)
    rank = len(x) - 1
    cropping = call(f"layers.Cropping{rank}D", (cut,) * rank if rank > 1 else cut)
    return ModuleForm(Apply((_X,), of=cropping))


def _pool(kind: str, function: str, a: Attributes, x: Shape) -> ModuleForm:
    rank, strides, pads = len(a["pool_size"]), a["strides"], a["padding"]
    padded = any(map(any, pads))
    if padded and not _is_same(pads, x, a["pool_size"], strides, (1,) * rank):
        widths = ((0, 0), *pads, (0, 0))
        return ModuleForm(call(function, _X, unwrap(a["pool_size"]), unwrap(strides), widths))
    values: dict[str, Any] = {"padding": "same" if padded else "valid"}
    if strides != a["pool_size"]:
        values = {"strides": unwrap(strides), **values}
    module = call(
        f"layers.{kind}Pooling{rank}D",
        unwrap(a["pool_size"]),
        **differing({"strides": None, "padding": "valid"}, **values),
    )
    return ModuleForm(Apply((_X,), of=module))


def max_pool(a: Attributes, x: Shape) -> ModuleForm:
    """Take the maximum of each window; the padding never wins."""
    return _pool("Max", "max_pool", a, x)


def average_pool(a: Attributes, x: Shape) -> ModuleForm:
    """Take the mean of each window; the padding is not counted."""
    return _pool("Average", "average_pool", a, x)


def _global(kind: str, a: Attributes, x: Shape) -> ModuleForm:
    kwargs = differing({"keepdims": False}, keepdims=a["keepdims"])
    return ModuleForm(Apply((_X,), of=call(f"layers.Global{kind}Pooling{len(x) - 1}D", **kwargs)))


def global_average_pool(a: Attributes, x: Shape) -> ModuleForm:
    """Take the mean of each channel."""
    return _global("Average", a, x)


def global_max_pool(a: Attributes, x: Shape) -> ModuleForm:
    """Take the maximum of each channel."""
    return _global("Max", a, x)


def batch_norm(a: Attributes, x: Shape) -> ModuleForm:
    """Normalise each channel."""
    kwargs = differing(
        {"momentum": 0.99, "center": True, "scale": True},
        momentum=a["momentum"],
        center=a["affine"],
        scale=a["affine"],
    )
    module = call("layers.BatchNormalization", **kwargs, epsilon=a["epsilon"])
    return ModuleForm(APPLY, module, "norm")


def layer_norm(a: Attributes, x: Shape) -> ModuleForm:
    """Normalise the last axis."""
    return ModuleForm(APPLY, call("layers.LayerNormalization", epsilon=a["epsilon"]), "norm")


def group_norm(a: Attributes, x: Shape) -> ModuleForm:
    """Normalise groups of channels."""
    module = call("layers.GroupNormalization", a["groups"], epsilon=a["epsilon"])
    return ModuleForm(APPLY, module, "norm")


#: Layers where Keras's activation of that name has another default than PyTorch's.
_ACTIVATIONS: Final[Mapping[str, Call]] = {
    "leaky_relu": call("layers.LeakyReLU", 0.01),
}


def activation(a: Attributes, x: Shape) -> ModuleForm:
    """Apply a function to each element (softmax: over the channels)."""
    function = a["function"]
    return ModuleForm(
        Apply((_X,), of=_ACTIVATIONS.get(function, call("layers.Activation", function)))
    )


def dropout(a: Attributes, x: Shape) -> ModuleForm:
    """Drop elements in training."""
    return ModuleForm(Apply((_X,), of=call("layers.Dropout", a["rate"])))


def flatten(a: Attributes, x: Shape) -> ModuleForm:
    """Make one axis of all, channels last."""
    return ModuleForm(Apply((_X,), of=call("layers.Flatten")))


def flatten_channels_first(a: Attributes, x: Shape) -> ModuleForm:
    """Make one axis of all in PyTorch's order, where what follows depends on it."""
    turned = Apply((_X,), of=call("layers.Permute", (3, 1, 2)))
    return ModuleForm(Apply((turned,), of=call("layers.Flatten")))


def reshape(a: Attributes, x: Shape) -> ModuleForm:
    """Give the elements another shape."""
    return ModuleForm(Apply((_X,), of=call("layers.Reshape", a["shape"])))


def embedding(a: Attributes, x: Shape) -> ModuleForm:
    """Look each integer up in a table of vectors."""
    normal = call("keras.initializers.RandomNormal", stddev=1.0)
    module = call(
        "layers.Embedding", a["input_dim"], a["output_dim"], embeddings_initializer=normal
    )
    return ModuleForm(APPLY, module, "embedding")


def lstm(a: Attributes, x: Shape) -> ModuleForm:
    """Run a long short-term memory over the sequence.

    PyTorch adds two biases; the one here is drawn with the variance of their sum.
    """
    kwargs = differing({"return_sequences": False}, return_sequences=a["return_sequences"])
    module = call("layers.LSTM", a["units"], **kwargs, unit_forget_bias=False)
    weights = _uniform(a["units"], "kernel", "recurrent")
    return ModuleForm(APPLY, _drawn(module, weights, _uniform(a["units"] / 2, "bias")), "lstm")


def gru(a: Attributes, x: Shape) -> ModuleForm:
    """Run a gated recurrent unit over the sequence."""
    kwargs = differing({"return_sequences": False}, return_sequences=a["return_sequences"])
    initial = _uniform(a["units"], "kernel", "recurrent", "bias")
    return ModuleForm(APPLY, _drawn(call("layers.GRU", a["units"], **kwargs), initial), "gru")


def multi_head_attention(a: Attributes, x: Shape) -> ModuleForm:
    """Attend from each place of the sequence to all.

    The three matrices that read the input are drawn as in PyTorch, by Glorot's rule for the three
    as one; the output's, which Keras draws with them, is wider by a factor of sqrt(1.5).
    """
    kwargs = differing({"dropout": 0.0}, dropout=a["dropout"])
    width = x[1] // a["num_heads"]
    module = call("layers.MultiHeadAttention", a["num_heads"], width, **kwargs)
    initial = _uniform(x[1] / 1.5, "kernel")
    return ModuleForm(Apply((_X, _X)), _drawn(module, initial), "attention")


def _chain(operator: str, count: int) -> ModuleForm:
    form: Any = _X
    for index in range(1, count):
        form = Infix(operator, form, Input(index))
    return ModuleForm(form)


def add(a: Attributes, *shapes: Shape) -> ModuleForm:
    """Sum the inputs."""
    return _chain("+", len(shapes))


def multiply(a: Attributes, *shapes: Shape) -> ModuleForm:
    """Multiply the inputs, broadcasting."""
    return _chain("*", len(shapes))


def concatenate(a: Attributes, *shapes: Shape) -> ModuleForm:
    """Join the inputs along the channels."""
    inputs = [Input(index) for index in range(len(shapes))]
    if len(inputs) == 1:
        return ModuleForm(_X)
    return ModuleForm(Apply((inputs,), of=call("layers.Concatenate")))


def zeros(a: Attributes, x: Shape) -> ModuleForm:
    """Give zeros of the input's shape, or of its shape at a stride."""
    if a["stride"] == 1 or len(x) == 1:
        return ModuleForm(call("ops.zeros_like", _X))
    step = slice(None, None, a["stride"])
    return ModuleForm(call("ops.zeros_like", Index(_X, (slice(None), *(step for _ in x[:-1])))))
