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

from neural_automl import _formulas as formulas
from neural_automl import _keras_forms as keras_forms
from neural_automl import _strides as strides
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


@dataclass(frozen=True, slots=True)
class Primitive:
    """One row of the table.

    Args:
        name: The primitive's name.
        attributes: Names of its attributes, in stored order.
        shape: ``(attributes, *input shapes) -> output shape``; raises ``ValueError`` with the
            rule and the value where the input cannot be taken.
        pytorch: ``(attributes, layout, *input shapes) -> ModuleForm``.
        keras: ``(attributes, *input shapes) -> ModuleForm``, channels last; None has none.
        params: Trainable parameters of the PyTorch form.
        macs: Multiply-adds for one sample.
        layout: The layout that the PyTorch form wants; None takes either.
        weighted: Whether it counts in the depth of a network.
        view: Whether its output shares its input's memory in inference.
        stored: Elements that the output keeps in memory, where not those of its shape.
        strides: How the output of the PyTorch form lies in memory:
            ``(attributes, layout, sizes, *inputs) -> strides``, see ``_strides``.
    """

    name: str
    attributes: tuple[str, ...]
    shape: Callable[..., Shape]
    pytorch: Callable[..., ModuleForm]
    keras: Callable[..., ModuleForm] | None = None
    params: Callable[..., int] = formulas.none
    macs: Callable[..., int] = formulas.none
    layout: Layout | None = None
    weighted: bool = False
    view: bool = False
    stored: Callable[..., int] | None = None
    strides: strides.Rule = strides.contiguous


_FIRST: Final[Layout] = "channels_first"
_LAST: Final[Layout] = "channels_last"

_ROWS: Final = (
    Primitive(
        "Input", ("shape",), lambda a: tuple(a["shape"]), torch_forms.identity, keras_forms.identity
    ),
    Primitive(
        "Dense",
        ("units", "use_bias"),
        lambda a, x: (*x[:-1], a["units"]),
        torch_forms.dense,
        keras_forms.dense,
        params=formulas.dense_params,
        macs=lambda a, x: prod(x) * a["units"],
        layout=_LAST,
        weighted=True,
    ),
    Primitive(
        "Conv",
        ("filters", "kernel_size", "strides", "padding", "dilation_rate", "groups", "use_bias"),
        formulas.conv_shape,
        torch_forms.conv,
        keras_forms.conv,
        params=formulas.conv_params,
        macs=formulas.conv_macs,
        layout=_FIRST,
        weighted=True,
        strides=strides.like_input,
    ),
    Primitive(
        "Pad",
        ("padding",),
        formulas.pad_shape,
        torch_forms.pad,
        keras_forms.pad,
        layout=_FIRST,
        strides=strides.padded,
    ),
    Primitive(
        "Crop",
        ("offset",),
        formulas.crop_shape,
        torch_forms.crop,
        keras_forms.crop,
        layout=_FIRST,
        view=True,
        strides=strides.same_strides,
    ),
    Primitive(
        "MaxPool",
        ("pool_size", "strides", "padding"),
        formulas.pool_shape,
        torch_forms.max_pool,
        keras_forms.max_pool,
        layout=_FIRST,
        stored=formulas.pool_stored,
        strides=strides.pooled,
    ),
    Primitive(
        "AveragePool",
        ("pool_size", "strides", "padding"),
        formulas.pool_shape,
        torch_forms.average_pool,
        keras_forms.average_pool,
        layout=_FIRST,
        stored=formulas.pool_stored,
        strides=strides.pooled,
    ),
    Primitive(
        "GlobalAveragePool",
        ("keepdims",),
        formulas.global_pool_shape,
        torch_forms.global_average_pool,
        keras_forms.global_average_pool,
        layout=_FIRST,
    ),
    Primitive(
        "GlobalMaxPool",
        ("keepdims",),
        formulas.global_pool_shape,
        torch_forms.global_max_pool,
        keras_forms.global_max_pool,
        layout=_FIRST,
    ),
    Primitive(
        "BatchNorm",
        ("momentum", "epsilon", "affine"),
        formulas.same,
        torch_forms.batch_norm,
        keras_forms.batch_norm,
        params=formulas.affine,
        layout=_FIRST,
        strides=strides.normed,
    ),
    Primitive(
        "LayerNorm",
        ("epsilon",),
        formulas.same,
        torch_forms.layer_norm,
        keras_forms.layer_norm,
        params=formulas.affine,
        layout=_LAST,
    ),
    Primitive(
        "GroupNorm",
        ("groups", "epsilon"),
        formulas.group_norm_shape,
        torch_forms.group_norm,
        keras_forms.group_norm,
        params=formulas.affine,
        layout=_FIRST,
    ),
    Primitive(
        "Activation",
        ("function",),
        formulas.same,
        torch_forms.activation,
        keras_forms.activation,
        strides=strides.activated,
    ),
    Primitive(
        "Dropout",
        ("rate",),
        formulas.same,
        torch_forms.dropout,
        keras_forms.dropout,
        view=True,
        strides=strides.same_strides,
    ),
    Primitive(
        "Flatten",
        (),
        lambda a, x: (prod(x),),
        torch_forms.flatten,
        keras_forms.flatten,
        view=True,
    ),
    Primitive(
        "Reshape",
        ("shape",),
        formulas.reshape_shape,
        torch_forms.reshape,
        keras_forms.reshape,
        layout=_LAST,
        view=True,
    ),
    Primitive(
        "Embedding",
        ("input_dim", "output_dim"),
        lambda a, x: (*x, a["output_dim"]),
        torch_forms.embedding,
        keras_forms.embedding,
        params=lambda a, x: a["input_dim"] * a["output_dim"],
        weighted=True,
    ),
    Primitive(
        "LSTM",
        ("units", "return_sequences"),
        formulas.recurrent_shape,
        torch_forms.lstm,
        keras_forms.lstm,
        params=formulas.LSTM_PARAMS,
        macs=formulas.LSTM_MACS,
        layout=_LAST,
        weighted=True,
        stored=formulas.recurrent_stored,
    ),
    Primitive(
        "GRU",
        ("units", "return_sequences"),
        formulas.recurrent_shape,
        torch_forms.gru,
        keras_forms.gru,
        params=formulas.GRU_PARAMS,
        macs=formulas.GRU_MACS,
        layout=_LAST,
        weighted=True,
        stored=formulas.recurrent_stored,
    ),
    Primitive(
        "MultiHeadAttention",
        ("num_heads", "dropout"),
        formulas.attention_shape,
        torch_forms.multi_head_attention,
        keras_forms.multi_head_attention,
        params=lambda a, x: 4 * x[1] * x[1] + 4 * x[1],
        macs=formulas.attention_macs,
        layout=_LAST,
        weighted=True,
    ),
    Primitive(
        "Add",
        (),
        formulas.equal_shapes,
        torch_forms.add,
        keras_forms.add,
        strides=strides.elementwise,
    ),
    Primitive(
        "Multiply",
        (),
        formulas.broadcast_shape,
        torch_forms.multiply,
        keras_forms.multiply,
        strides=strides.elementwise,
    ),
    Primitive(
        "Concatenate",
        (),
        formulas.concatenate_shape,
        torch_forms.concatenate,
        keras_forms.concatenate,
        strides=strides.joined,
    ),
    Primitive(
        "Zeros",
        ("stride",),
        formulas.zeros_shape,
        torch_forms.zeros,
        keras_forms.zeros,
        strides=strides.zeros,
    ),
    # Only the lowering to PyTorch makes these; the graph itself is channels-last.
    Primitive("Permute", ("order",), formulas.same, torch_forms.permute, view=True),
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


def register_primitive(row: Primitive) -> None:
    """Add a row to the table.

    Raises:
        ValueError: A row of that name is there.
    """
    if row.name in PRIMITIVES:
        raise ValueError(f"a primitive named {row.name!r} is registered already")
    PRIMITIVES[row.name] = row


def unregister_primitive(name: str) -> None:
    """Take a row out of the table, and what is remembered of it."""
    del PRIMITIVES[name]
    facts.cache_clear()
