"""The layers of networks over sequences, and reshaping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from neural_automl.layers._table import Block, LayerType, Lower, Values, register_rows
from neural_automl.parameters import Parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from neural_automl.graph import GraphBuilder
    from neural_automl.primitives import Shape


def _sequence_shape(b: GraphBuilder, x: int) -> Shape:
    shape = b.shape(x)
    if len(shape) != 2:
        raise b.error(f"needs an input of shape (length, width) but gets {shape}")
    return shape


def _drop(b: GraphBuilder, x: int, rate: float) -> int:
    return b.add("Dropout", x, rate=float(rate)) if rate else x


def _recurrent(kind: str) -> Lower:
    def lower(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
        _sequence_shape(b, x)
        x = _drop(b, x, v["dropout"])
        return b.add(kind, x, units=v["units"], return_sequences=v["return_sequences"])

    return lower


def _attend(b: GraphBuilder, x: int, v: Values) -> int:
    _sequence_shape(b, x)
    dropout = float(v["dropout"])
    return b.add("MultiHeadAttention", x, num_heads=v["num_heads"], dropout=dropout)


def _attention(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    return _attend(b, x, v)


def _transformer_encoder(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    """Pre-norm (Xiong et al., ICML 2020): each half is added to what comes in."""
    width = _sequence_shape(b, x)[-1]
    y = _attend(b, b.add("LayerNorm", x, epsilon=1e-5), v)
    x = b.add("Add", x, _drop(b, y, v["dropout"]))
    y = b.add("LayerNorm", x, epsilon=1e-5)
    if blocks:
        y = blocks[0](y)
    else:
        y = b.add("Dense", y, units=v["ff_dim"], use_bias=True)
        y = _drop(b, b.add("Activation", y, function="relu"), v["dropout"])
        y = b.add("Dense", y, units=width, use_bias=True)
    return b.add("Add", x, _drop(b, y, v["dropout"]))


def _embedding(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    shape = b.shape(x)
    if len(shape) != 1 or x != 0:
        raise b.error(
            "must be the first layer, of an input of shape (length,) that holds integers, "
            f"but gets {shape}"
        )
    return b.add("Embedding", x, input_dim=v["input_dim"], output_dim=v["output_dim"])


def _reshape(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    return b.add("Reshape", x, shape=v["shape"])


def _zero_padding(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    if len(b.shape(x)) != 3:
        raise b.error(f"needs an input of shape (height, width, channels) but gets {b.shape(x)}")
    amount = v["padding"]
    pair = (amount, amount) if isinstance(amount, int) else tuple(amount)
    if len(pair) != 2:
        raise b.error(f"'padding' must have 2 elements but is {pair}")
    return b.add("Pad", x, padding=tuple((n, n) for n in pair))


def _group_norm(b: GraphBuilder, x: int, v: Values, blocks: Sequence[Block]) -> int:
    return b.add("GroupNorm", x, groups=v["groups"], epsilon=float(v["epsilon"]))


_DROPOUT: Final = Parameter("dropout", "number", 0.0, minimum=0, below=1)
_HEADS: Final = Parameter("num_heads", "integer", minimum=1)
_RECURRENT: Final = (
    Parameter("units", "integer", minimum=1),
    # PyTorch's recurrent layers know no other.
    Parameter("activation", "string", "tanh", options=("tanh",)),
    Parameter("return_sequences", "boolean", False),
    _DROPOUT,
)

register_rows(
    [
        LayerType("LSTM", _RECURRENT, _recurrent("LSTM")),
        LayerType("GRU", _RECURRENT, _recurrent("GRU")),
        LayerType("MultiHeadAttention", (_HEADS, _DROPOUT), _attention),
        LayerType(
            "TransformerEncoder",
            (_HEADS, Parameter("ff_dim", "integer", minimum=1), _DROPOUT),
            _transformer_encoder,
            blocks="body",
        ),
        LayerType(
            "Embedding",
            (
                Parameter("input_dim", "integer", minimum=1),
                Parameter("output_dim", "integer", minimum=1),
            ),
            _embedding,
        ),
        LayerType("Reshape", (Parameter("shape", "shape", minimum=1),), _reshape),
        LayerType("ZeroPadding2D", (Parameter("padding", "size", minimum=0),), _zero_padding),
        LayerType(
            "GroupNormalization",
            (
                Parameter("groups", "integer", 8, minimum=1),
                Parameter("epsilon", "number", 1e-5, above=0),
            ),
            _group_norm,
        ),
    ]
)
