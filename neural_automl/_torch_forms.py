"""The PyTorch column of the table of primitives, as data: nothing here imports torch.

Each function takes a node's attributes, the layout that its inputs lie in, and their
channels-last shapes, and returns the constructor and the expression of the node.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from neural_automl._forms import APPLY, Apply, Call, Index, Infix, Input, ModuleForm, brief, call

Attributes = Mapping[str, Any]
Shape = tuple[int, ...]

_X: Final = Input(0)


def unwrap(values: tuple[Any, ...]) -> Any:
    """Write (3, 3) as 3: what a person writes for a square window."""
    return values[0] if len(set(values)) == 1 else values


def differing(defaults: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    """Return the keyword arguments that differ from the constructor's own defaults."""
    return {name: value for name, value in values.items() if value != defaults[name]}


def _channel_axis(layout: str, shape: Shape) -> int:
    return 1 if layout == "channels_first" and len(shape) > 1 else -1


def identity(a: Attributes, layout: str, *shapes: Shape) -> ModuleForm:
    """Pass the input on."""
    return ModuleForm(_X)


def dense(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Multiply the last axis by a matrix."""
    kwargs = differing({"bias": True}, bias=a["use_bias"])
    return ModuleForm(APPLY, call("nn.Linear", x[-1], a["units"], **kwargs), "dense")


def conv(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Convolve with zero padding that is equal on both sides."""
    rank = len(a["kernel_size"])
    module = brief(
        f"nn.Conv{rank}d",
        *(x[-1], a["filters"], unwrap(a["kernel_size"])),
        defaults={"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "bias": True},
        values={
            "stride": unwrap(a["strides"]),
            "padding": unwrap(a["padding"]),
            "dilation": unwrap(a["dilation_rate"]),
            "groups": a["groups"],
            "bias": a["use_bias"],
        },
    )
    return ModuleForm(APPLY, module, "conv")


def pad(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Pad with zeros; PyTorch lists the last dimension first."""
    flat = tuple(amount for pair in reversed(a["padding"]) for amount in pair)
    return ModuleForm(call("F.pad", _X, flat))


def crop(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Drop the first rows and columns."""
    keep = slice(a["offset"], None)
    return ModuleForm(Index(_X, (slice(None), slice(None), *(keep for _ in x[:-1]))))


def _pool(kind: str, a: Attributes, x: Shape, defaults: Mapping[str, Any]) -> ModuleForm:
    rank = len(a["pool_size"])
    uneven = [after > before for before, after in a["padding"]]
    # A pixel more behind than before: with a stride, ceil_mode adds just that window; without
    # one, pool with the larger padding on both sides and cut the first row off.
    cut = [u and stride == 1 for u, stride in zip(uneven, a["strides"], strict=True)]
    padding = tuple(
        after if c else before for (before, after), c in zip(a["padding"], cut, strict=True)
    )
    ceil_mode = any(u and not c for u, c in zip(uneven, cut, strict=True))
    values: dict[str, Any] = {"padding": unwrap(padding), "ceil_mode": ceil_mode}
    if "count_include_pad" in defaults:
        values["count_include_pad"] = not (any(padding) or ceil_mode)
    pool_size, strides = unwrap(a["pool_size"]), unwrap(a["strides"])
    if strides != pool_size:
        values = {"stride": strides, **values}
    module = call(
        f"nn.{kind}Pool{rank}d",
        pool_size,
        **differing({"stride": None, **defaults}, **values),
    )
    if not any(cut):
        return ModuleForm(APPLY, module, "pool")
    keep = tuple(slice(1, None) if c else slice(None) for c in cut)
    return ModuleForm(Index(APPLY, (slice(None), slice(None), *keep)), module, "pool")


def max_pool(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Take the maximum of each window; the padding never wins."""
    return _pool("Max", a, x, {"padding": 0, "ceil_mode": False})


def average_pool(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Take the mean of each window; the padding is not counted."""
    return _pool("Avg", a, x, {"padding": 0, "ceil_mode": False, "count_include_pad": True})


def _global(function: str, a: Attributes, x: Shape) -> ModuleForm:
    axes = tuple(range(2, len(x) + 1))
    kwargs = {"keepdim": True} if a["keepdims"] else {}
    return ModuleForm(call(function, _X, axes, **kwargs))


def global_average_pool(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Take the mean of each channel."""
    return _global("torch.mean", a, x)


def global_max_pool(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Take the maximum of each channel."""
    return _global("torch.amax", a, x)


def batch_norm(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Normalise each channel; PyTorch's momentum is one minus Keras's."""
    kwargs = differing(
        {"eps": 1e-5, "momentum": 0.1, "affine": True},
        eps=a["epsilon"],
        # 1 - 0.9 is written as 0.1; what is next to 1 stays above 0.
        momentum=float(f"{1 - a['momentum']:.12g}"),
        affine=a["affine"],
    )
    rank = 2 if len(x) == 3 else 1
    return ModuleForm(APPLY, call(f"nn.BatchNorm{rank}d", x[-1], **kwargs), "norm")


def layer_norm(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Normalise the last axis."""
    kwargs = differing({"eps": 1e-5}, eps=a["epsilon"])
    return ModuleForm(APPLY, call("nn.LayerNorm", x[-1], **kwargs), "norm")


def group_norm(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Normalise groups of channels."""
    kwargs = differing({"eps": 1e-5}, eps=a["epsilon"])
    return ModuleForm(APPLY, call("nn.GroupNorm", a["groups"], x[-1], **kwargs), "norm")


_ACTIVATIONS: Final[Mapping[str, Call]] = {
    "relu": call("nn.ReLU"),
    "relu6": call("nn.ReLU6"),
    "leaky_relu": call("nn.LeakyReLU", 0.01),
    "elu": call("nn.ELU"),
    "selu": call("nn.SELU"),
    "gelu": call("nn.GELU"),
    "silu": call("nn.SiLU"),
    "sigmoid": call("nn.Sigmoid"),
    "tanh": call("nn.Tanh"),
    "softplus": call("nn.Softplus"),
    "softsign": call("nn.Softsign"),
}


def activation(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Apply a function to each element (softmax: over the channels)."""
    function = a["function"]
    if function == "exponential":
        return ModuleForm(call("torch.exp", _X))
    if function == "softmax":
        module = call("nn.Softmax", dim=_channel_axis(layout, x))
    else:
        module = _ACTIVATIONS[function]
    return ModuleForm(APPLY, module, "activation")


def dropout(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Drop elements in training."""
    return ModuleForm(APPLY, call("nn.Dropout", a["rate"]), "dropout")


def flatten(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Make one axis of all; images are flattened in PyTorch's order, channels first."""
    return ModuleForm(call("torch.flatten", _X, 1))


def reshape(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Give the elements another shape."""
    return ModuleForm(call("torch.reshape", _X, (-1, *a["shape"])))


def embedding(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Look each integer up in a table of vectors."""
    return ModuleForm(APPLY, call("nn.Embedding", a["input_dim"], a["output_dim"]), "embedding")


def _recurrent(kind: str, a: Attributes, x: Shape) -> ModuleForm:
    outputs = Index(APPLY, 0)
    forward = outputs if a["return_sequences"] else Index(outputs, (slice(None), -1))
    return ModuleForm(forward, call(f"nn.{kind}", x[1], a["units"], batch_first=True), kind.lower())


def lstm(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Run a long short-term memory over the sequence."""
    return _recurrent("LSTM", a, x)


def gru(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Run a gated recurrent unit over the sequence."""
    return _recurrent("GRU", a, x)


def multi_head_attention(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Attend from each place of the sequence to all."""
    kwargs = differing({"dropout": 0.0}, dropout=a["dropout"])
    module = call("nn.MultiheadAttention", x[1], a["num_heads"], **kwargs, batch_first=True)
    forward = Index(Apply((_X, _X, _X), (("need_weights", False),)), 0)
    return ModuleForm(forward, module, "attention")


def _chain(operator: str, count: int) -> ModuleForm:
    form: Any = _X
    for index in range(1, count):
        form = Infix(operator, form, Input(index))
    return ModuleForm(form)


def add(a: Attributes, layout: str, *shapes: Shape) -> ModuleForm:
    """Sum the inputs."""
    return _chain("+", len(shapes))


def multiply(a: Attributes, layout: str, *shapes: Shape) -> ModuleForm:
    """Multiply the inputs, broadcasting."""
    return _chain("*", len(shapes))


def concatenate(a: Attributes, layout: str, *shapes: Shape) -> ModuleForm:
    """Join the inputs along the channels."""
    inputs = tuple(Input(index) for index in range(len(shapes)))
    axis = _channel_axis(layout, shapes[0])
    return ModuleForm(call("torch.cat", inputs, dim=axis))


def zeros(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Give zeros of the input's shape, or of its shape at a stride."""
    if a["stride"] == 1 or len(x) == 1:
        return ModuleForm(call("torch.zeros_like", _X))
    step = slice(None, None, a["stride"])
    spatial = tuple(step for _ in x[:-1])
    index = (
        (slice(None), slice(None), *spatial)
        if layout == "channels_first"
        else (slice(None), *spatial)
    )
    return ModuleForm(call("torch.zeros_like", Index(_X, index)))


def permute(a: Attributes, layout: str, x: Shape) -> ModuleForm:
    """Reorder the axes."""
    return ModuleForm(call("torch.permute", _X, a["order"]))
