"""The table of primitives, and what layers lower to, against numbers worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from math import prod
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from neural_automl._formulas import same_padding, window_output
from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.architecture_space import ArchitectureSpace
from neural_automl.cost import Cost, measure
from neural_automl.exceptions import ShapeError
from neural_automl.graph import Graph, GraphBuilder
from neural_automl.layers import LAYERS, cell_edges, nodes_of
from neural_automl.primitives import PRIMITIVES, Facts, Shape, facts
from neural_automl.values import Call
from tests.strategies import architectures

# --- windows -------------------------------------------------------------------------------------


@given(
    size=st.integers(1, 12),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    before=st.integers(0, 3),
    after=st.integers(0, 3),
    dilation=st.integers(1, 3),
)
def test_windows_are_those_that_can_be_laid(
    size: int, kernel: int, stride: int, before: int, after: int, dilation: int
) -> None:
    padded = [None] * before + list(range(size)) + [None] * after
    laid = [
        start
        for start in range(0, len(padded), stride)
        if start + dilation * (kernel - 1) < len(padded)
    ]

    if laid:
        assert window_output(size, kernel, stride, before + after, dilation) == len(laid)
    else:
        with pytest.raises(ValueError, match=f"does not fit into {size + before + after}"):
            window_output(size, kernel, stride, before + after, dilation)


@given(
    size=st.integers(1, 12),
    kernel=st.integers(1, 5),
    stride=st.integers(1, 4),
    dilation=st.integers(1, 3),
)
def test_same_padding_is_the_least_that_gives_every_window(
    size: int, kernel: int, stride: int, dilation: int
) -> None:
    before, after = same_padding(size, kernel, stride, dilation)
    windows = -(-size // stride)

    assert after - before in (0, 1)
    assert before >= 0

    def fits(padding: int) -> bool:
        return size + padding >= (windows - 1) * stride + dilation * (kernel - 1) + 1

    assert fits(before + after)
    assert before + after == 0 or not fits(before + after - 1)
    assert window_output(size, kernel, stride, before + after, dilation) == windows


# --- one row at a time ---------------------------------------------------------------------------

CONV = {
    "filters": 6,
    "kernel_size": (3, 3),
    "strides": (1, 1),
    "padding": (0, 0),
    "dilation_rate": (1, 1),
    "groups": 1,
    "use_bias": True,
}
POOL = {"pool_size": (3, 3), "strides": (2, 2), "padding": ((0, 1), (0, 1))}

#: Primitive, attributes, shapes of the inputs; shape, parameters, multiply-adds, stored elements.
ROWS: dict[str, tuple[str, dict[str, Any], list[Shape], tuple[Any, ...]]] = {
    "input": ("Input", {"shape": (8, 8, 3)}, [], ((8, 8, 3), 0, 0, 192)),
    "dense": ("Dense", {"units": 5, "use_bias": True}, [(4,)], ((5,), 25, 20, 5)),
    "dense without bias": ("Dense", {"units": 5, "use_bias": False}, [(4,)], ((5,), 20, 20, 5)),
    "dense over places": (
        "Dense",
        {"units": 5, "use_bias": True},
        [(7, 4)],
        ((7, 5), 25, 140, 35),
    ),
    "conv": ("Conv", CONV, [(8, 8, 3)], ((6, 6, 6), 168, 162 * 36, 216)),
    "conv with everything": (
        "Conv",
        {
            **CONV,
            "strides": (2, 1),
            "padding": (1, 0),
            "kernel_size": (3, 2),
            "groups": 3,
            "use_bias": False,
        },
        [(8, 8, 3)],
        # (8 + 2 - 3) // 2 + 1 = 4 and 8 - 2 + 1 = 7; 6 filters over 3 / 3 channels of 3 x 2.
        ((4, 7, 6), 36, 36 * 28, 168),
    ),
    "dilated conv": (
        "Conv",
        {**CONV, "dilation_rate": (2, 3)},
        [(8, 8, 1)],
        ((4, 2, 6), 60, 432, 48),
    ),
    "conv over a sequence": (
        "Conv",
        {
            **CONV,
            "kernel_size": (3,),
            "strides": (2,),
            "padding": (1,),
            "dilation_rate": (1,),
        },
        [(9, 4)],
        ((5, 6), 78, 360, 30),
    ),
    "pad": ("Pad", {"padding": ((0, 1), (2, 0))}, [(4, 4, 2)], ((5, 6, 2), 0, 0, 60)),
    "crop": ("Crop", {"offset": 1}, [(4, 5, 2)], ((3, 4, 2), 0, 0, 0)),
    "max pool": ("MaxPool", POOL, [(8, 8, 3)], ((4, 4, 3), 0, 0, 48)),
    "average pool": ("AveragePool", POOL, [(8, 8, 3)], ((4, 4, 3), 0, 0, 48)),
    "a pool that is cut": (
        "MaxPool",
        {"pool_size": (2, 2), "strides": (1, 1), "padding": ((0, 1), (0, 1))},
        [(4, 4, 1)],
        # Pooled with one pixel on both sides, 5 x 5, of which a view of 4 x 4 is kept.
        ((4, 4, 1), 0, 0, 25),
    ),
    "global pool": ("GlobalAveragePool", {"keepdims": False}, [(4, 5, 2)], ((2,), 0, 0, 2)),
    "global pool kept": ("GlobalMaxPool", {"keepdims": True}, [(4, 5, 2)], ((1, 1, 2), 0, 0, 2)),
    "batch norm": (
        "BatchNorm",
        {"momentum": 0.9, "epsilon": 1e-5, "affine": True},
        [(4, 5, 2)],
        ((4, 5, 2), 4, 0, 40),
    ),
    "plain batch norm": (
        "BatchNorm",
        {"momentum": 0.9, "epsilon": 1e-5, "affine": False},
        [(7,)],
        ((7,), 0, 0, 7),
    ),
    "layer norm": ("LayerNorm", {"epsilon": 1e-5}, [(4, 5)], ((4, 5), 10, 0, 20)),
    "group norm": ("GroupNorm", {"groups": 2, "epsilon": 1e-5}, [(4, 6)], ((4, 6), 12, 0, 24)),
    "activation": ("Activation", {"function": "relu"}, [(4, 5)], ((4, 5), 0, 0, 20)),
    "dropout": ("Dropout", {"rate": 0.5}, [(4, 5)], ((4, 5), 0, 0, 0)),
    "flatten": ("Flatten", {}, [(4, 5, 2)], ((40,), 0, 0, 0)),
    "reshape": ("Reshape", {"shape": (2, 20)}, [(4, 5, 2)], ((2, 20), 0, 0, 0)),
    "embedding": (
        "Embedding",
        {"input_dim": 100, "output_dim": 8},
        [(7,)],
        ((7, 8), 800, 0, 56),
    ),
    # Four gates over 3 inputs and 5 states, and two biases each; the last output alone is a view
    # of all seven.
    "lstm": (
        "LSTM",
        {"units": 5, "return_sequences": False},
        [(7, 3)],
        ((5,), 4 * 5 * (3 + 5 + 2), 7 * 4 * 5 * 8, 35),
    ),
    "gru": (
        "GRU",
        {"units": 5, "return_sequences": True},
        [(7, 3)],
        ((7, 5), 3 * 5 * (3 + 5 + 2), 7 * 3 * 5 * 8, 35),
    ),
    # Query, key, value and output are 4 x 4 with bias; scores and their use are 7 x 7 over 4.
    "attention": (
        "MultiHeadAttention",
        {"num_heads": 2, "dropout": 0.0},
        [(7, 4)],
        ((7, 4), 4 * 20, 4 * 7 * 16 + 2 * 7 * 7 * 4, 28),
    ),
    "add": ("Add", {}, [(4, 5)] * 3, ((4, 5), 0, 0, 20)),
    "multiply": ("Multiply", {}, [(4, 5, 2), (1, 1, 2)], ((4, 5, 2), 0, 0, 40)),
    "concatenate": ("Concatenate", {}, [(4, 5), (4, 2)], ((4, 7), 0, 0, 28)),
    "zeros": ("Zeros", {"stride": 2}, [(5, 4, 3)], ((3, 2, 3), 0, 0, 18)),
    "zeros of a vector": ("Zeros", {"stride": 2}, [(5,)], ((5,), 0, 0, 5)),
}


@pytest.mark.parametrize(("op", "attributes", "inputs", "known"), ROWS.values(), ids=ROWS)
def test_facts_of_a_primitive(
    op: str, attributes: dict[str, Any], inputs: list[Shape], known: tuple[Any, ...]
) -> None:
    values = tuple(attributes[name] for name in PRIMITIVES[op].attributes)

    assert facts(op, values, tuple(inputs)) == Facts(*known)


def test_every_primitive_of_the_graph_is_in_the_table_above() -> None:
    assert {row[0] for row in ROWS.values()} | {"Permute"} == set(PRIMITIVES)


WRONG: dict[str, tuple[str, dict[str, Any], list[Shape], str]] = {
    "groups": (
        "Conv",
        {**CONV, "groups": 2},
        [(8, 8, 3)],
        r"come in \(3\) and the filters \(6\) but is 2",
    ),
    "groups of filters": (
        "Conv",
        {**CONV, "groups": 4},
        [(8, 8, 4)],
        r"the filters \(6\) but is 4",
    ),
    "window": ("Conv", CONV, [(2, 8, 3)], "a window of 3 does not fit into 2"),
    "padding of a pool": (
        "MaxPool",
        {**POOL, "padding": ((2, 2), (0, 0))},
        [(8, 8, 3)],
        r"padding must be at most half of the pool size \(3\) but is 2",
    ),
    "crop": ("Crop", {"offset": 1}, [(1, 5, 2)], r"a shift by 1 leaves nothing of \(1, 5\)"),
    "reshape": (
        "Reshape",
        {"shape": (2, 3)},
        [(4,)],
        r"4 values of shape \(4,\) do not fill the shape \(2, 3\)",
    ),
    "reshape to rank 4": (
        "Reshape",
        {"shape": (1, 2, 2, 1)},
        [(4,)],
        r"a shape must have 1 to 3 sizes but is \(1, 2, 2, 1\)",
    ),
    "heads": (
        "MultiHeadAttention",
        {"num_heads": 3, "dropout": 0.0},
        [(7, 4)],
        r"num_heads must divide the width \(4\) but is 3",
    ),
    "add": ("Add", {}, [(4, 5), (4, 6)], r"must be equal but are \(4, 5\), \(4, 6\)"),
    "concatenate": (
        "Concatenate",
        {},
        [(4, 5), (3, 5)],
        r"must be equal but for the channels and are \(4, 5\), \(3, 5\)",
    ),
    "concatenate of ranks": (
        "Concatenate",
        {},
        [(4,), (4, 4)],
        "must be equal but for the channels",
    ),
    "group norm": (
        "GroupNorm",
        {"groups": 4, "epsilon": 1e-5},
        [(4, 6)],
        r"groups must divide the channels \(6\) but is 4",
    ),
}


@pytest.mark.parametrize(("op", "attributes", "inputs", "message"), WRONG.values(), ids=WRONG)
def test_primitives_say_rule_and_value(
    op: str, attributes: dict[str, Any], inputs: list[Shape], message: str
) -> None:
    values = tuple(attributes[name] for name in PRIMITIVES[op].attributes)

    with pytest.raises(ValueError, match=message):
        facts(op, values, tuple(inputs))


# --- layers --------------------------------------------------------------------------------------

IMAGE: Shape = (8, 8, 4)
SEQUENCE: Shape = (6, 4)
FEATURES: Shape = (4,)


def layer(kind: str, *sublayers: LayerConfig, **params: Any) -> LayerConfig:
    return LayerConfig(kind, params, sublayers)


RELU = layer("ReLU")

#: Layer and input; the primitives it becomes, the shape that comes out, parameters, multiply-adds.
LOWERED: dict[str, tuple[LayerConfig, Shape, str, Shape, int, int]] = {
    "dense": (
        layer("Dense", units=3, activation="relu"),
        FEATURES,
        "Dense Activation",
        (3,),
        15,
        12,
    ),
    "linear": (layer("Dense", units=3, activation="linear"), FEATURES, "Dense", (3,), 15, 12),
    "conv valid": (layer("Conv2D", filters=2, kernel_size=3), IMAGE, "Conv", (6, 6, 2), 74, 2592),
    "conv same": (
        layer("Conv2D", filters=2, kernel_size=3, padding="same"),
        IMAGE,
        "Conv",
        (8, 8, 2),
        74,
        72 * 64,
    ),
    "conv same, odd pixel behind": (
        layer("Conv2D", filters=2, kernel_size=3, strides=2, padding="same"),
        IMAGE,
        "Pad Conv",
        (4, 4, 2),
        74,
        72 * 16,
    ),
    "conv padded": (
        layer("Conv2D", filters=2, kernel_size=(3, 1), padding=(1, 0)),
        IMAGE,
        "Conv",
        (8, 8, 2),
        26,
        24 * 64,
    ),
    "conv 1d": (layer("Conv1D", filters=2, kernel_size=3), SEQUENCE, "Conv", (4, 2), 26, 96),
    "depthwise": (
        layer("DepthwiseConv2D", kernel_size=3, activation="relu"),
        IMAGE,
        "Conv Activation",
        (6, 6, 4),
        40,
        36 * 36,
    ),
    "separable": (
        layer("SeparableConv2D", filters=2, kernel_size=3),
        IMAGE,
        "Conv Conv",
        (6, 6, 2),
        36 + 10,
        36 * 36 + 8 * 36,
    ),
    "max pool": (layer("MaxPooling2D"), IMAGE, "MaxPool", (4, 4, 4), 0, 0),
    "average pool 1d": (
        layer("AveragePooling1D", pool_size=3, strides=1, padding="same"),
        SEQUENCE,
        "AveragePool",
        (6, 4),
        0,
        0,
    ),
    "global pool": (layer("GlobalMaxPooling2D"), IMAGE, "GlobalMaxPool", (4,), 0, 0),
    "flatten": (layer("Flatten"), IMAGE, "Flatten", (256,), 0, 0),
    "flatten what is flat": (layer("Flatten"), FEATURES, "", (4,), 0, 0),
    "reshape": (layer("Reshape", shape=(2, 2)), FEATURES, "Reshape", (2, 2), 0, 0),
    "zero padding": (layer("ZeroPadding2D", padding=(1, 2)), IMAGE, "Pad", (10, 12, 4), 0, 0),
    "group norm": (layer("GroupNormalization", groups=2), IMAGE, "GroupNorm", IMAGE, 8, 0),
    "embedding": (
        layer("Embedding", input_dim=9, output_dim=3),
        FEATURES,
        "Embedding",
        (4, 3),
        27,
        0,
    ),
    "lstm": (
        layer("LSTM", units=3, dropout=0.5),
        SEQUENCE,
        "Dropout LSTM",
        (3,),
        4 * 3 * 9,
        6 * 4 * 3 * 7,
    ),
    "encoder": (
        layer("TransformerEncoder", num_heads=2, ff_dim=8),
        SEQUENCE,
        "LayerNorm MultiHeadAttention Add LayerNorm Dense Activation Dense Add",
        SEQUENCE,
        8 + 80 + 8 + 40 + 36,
        4 * 6 * 16 + 2 * 36 * 4 + 2 * 6 * 32,
    ),
    "encoder of its own": (
        layer("TransformerEncoder", RELU, num_heads=2, ff_dim=8, dropout=0.1),
        SEQUENCE,
        "LayerNorm MultiHeadAttention Dropout Add LayerNorm Activation Dropout Add",
        SEQUENCE,
        8 + 80 + 8,
        4 * 6 * 16 + 2 * 36 * 4,
    ),
    "skip": (layer("skip_connect"), IMAGE, "", IMAGE, 0, 0),
    "zero": (layer("Zero", strides=2), IMAGE, "Zeros", (4, 4, 4), 0, 0),
    "conv bn": (
        layer("conv_3x3", filters=2),
        IMAGE,
        "Activation Conv BatchNorm",
        (8, 8, 2),
        72 + 4,
        72 * 64,
    ),
    "sep conv": (
        layer("sep_conv_3x3", filters=2),
        IMAGE,
        "Activation Conv Conv BatchNorm Activation Conv Conv BatchNorm",
        (8, 8, 2),
        36 + 16 + 8 + 36 + 8 + 4,
        64 * (36 + 16 + 36 + 8),
    ),
    "dilated conv": (
        layer("dil_conv_3x3"),
        IMAGE,
        "Activation Conv Conv BatchNorm",
        IMAGE,
        36 + 16 + 8,
        64 * (36 + 16),
    ),
    "pool bn": (
        layer("PoolBN", pool="max", strides=2),
        IMAGE,
        "MaxPool BatchNorm",
        (4, 4, 4),
        8,
        0,
    ),
    "pool": (layer("avg_pool_3x3"), IMAGE, "AveragePool", IMAGE, 0, 0),
    "inverted residual": (
        layer("InvertedResidual", expand=2),
        IMAGE,
        "Conv BatchNorm Activation Conv BatchNorm Activation Conv BatchNorm Add",
        IMAGE,
        32 + 16 + 72 + 16 + 32 + 8,
        64 * (32 + 72 + 32),
    ),
    "inverted residual of another width": (
        layer("InvertedResidual", filters=2, expand=1),
        IMAGE,
        "Conv BatchNorm Activation Conv BatchNorm",
        (8, 8, 2),
        36 + 8 + 8 + 4,
        64 * (36 + 8),
    ),
    "factorized reduce": (
        layer("FactorizedReduce", filters=3),
        IMAGE,
        "Activation Conv Crop Conv Concatenate BatchNorm",
        (4, 4, 3),
        8 + 4 + 6,
        16 * (8 + 4),
    ),
    "factorized reduce to one": (
        layer("FactorizedReduce", filters=1),
        IMAGE,
        "Activation Conv BatchNorm",
        (4, 4, 1),
        4 + 2,
        16 * 4,
    ),
    "factorized reduce, doubling": (
        layer("FactorizedReduce"),
        IMAGE,
        "Activation Conv Crop Conv Concatenate BatchNorm",
        (4, 4, 8),
        32 + 16,
        16 * 32,
    ),
    "squeeze and excitation": (
        layer("SqueezeExcitation", ratio=2),
        IMAGE,
        "GlobalAveragePool Conv Activation Conv Activation Multiply",
        IMAGE,
        10 + 12,
        8 + 8,
    ),
    "residual": (layer("residual", RELU), IMAGE, "Activation Add", IMAGE, 0, 0),
    "residual of nothing": (layer("residual", layer("sequence")), IMAGE, "Add", IMAGE, 0, 0),
    "projected residual": (
        layer("residual", layer("Conv2D", filters=2, kernel_size=3, strides=2, padding="same")),
        IMAGE,
        "Pad Conv Conv BatchNorm Add",
        (4, 4, 2),
        74 + 8 + 4,
        16 * (72 + 8),
    ),
    "projected residual of a vector": (
        layer("residual", layer("Dense", units=2)),
        FEATURES,
        "Dense Dense BatchNorm Add",
        (2,),
        10 + 8 + 4,
        16,
    ),
    "residual without projection": (
        layer("residual", layer("Dense", units=2), projection="none"),
        FEATURES,
        "Dense",
        (2,),
        10,
        8,
    ),
    "parallel": (
        layer("parallel", RELU, layer("sequence", RELU, RELU), layer("skip_connect")),
        IMAGE,
        "Activation Activation Activation Concatenate",
        (8, 8, 12),
        0,
        0,
    ),
    "parallel of one": (layer("Add", RELU), IMAGE, "Activation", IMAGE, 0, 0),
    "cell": (
        layer("cell", edges=("skip_connect", "none", Call("ConvBN", {"kernel_size": 1}))),
        IMAGE,
        "Zeros Activation Conv BatchNorm Add",
        IMAGE,
        16 + 8,
        64 * 16,
    ),
}


@pytest.mark.parametrize(
    ("config", "shape", "ops", "output", "params", "macs"), LOWERED.values(), ids=LOWERED
)
def test_layers_become_primitives(
    config: LayerConfig, shape: Shape, ops: str, output: Shape, params: int, macs: int
) -> None:
    architecture = Architecture(shape, (config,))
    graph = architecture.graph

    assert " ".join(node.op for node in graph.nodes[1:]) == ops
    assert (graph.input_shape, graph.output_shape) == (shape, output)
    assert (architecture.cost.params, architecture.cost.macs) == (params, macs)
    assert architecture.cost.flops == 2 * macs
    # Whatever is computed is used.
    read = {source for node in graph.nodes for source in node.inputs} | {graph.output}
    assert read == set(range(len(graph.nodes)))


FAILING: dict[str, tuple[LayerConfig, Shape, str]] = {
    "unknown": (layer("Dens", units=3), FEATURES, "unknown layer 'Dens'; did you mean Dense"),
    "parameter": (layer("Dense", unit=3), FEATURES, "Dense has no parameter 'unit'"),
    "missing": (layer("Dense"), FEATURES, "Dense requires 'units'"),
    "bounds": (layer("Dense", units=0), FEATURES, "'units' must be positive, at least 1 but got 0"),
    "boolean for a number": (
        layer("Dense", units=True),
        FEATURES,
        "must be an integer but got True",
    ),
    "number for a boolean": (
        layer("Dense", units=1, use_bias=1),
        FEATURES,
        "'use_bias' must be true or false but got 1",
    ),
    "a dictionary": (layer("Dense", units={}), FEATURES, "'units' must be an integer but got {}"),
    "block too few": (layer("residual"), FEATURES, "residual requires a block"),
    "block too many": (layer("ReLU", RELU), FEATURES, "ReLU takes no block"),
    "rank of a convolution": (
        layer("Conv2D", filters=1, kernel_size=1),
        SEQUENCE,
        r"needs an input of shape \(height, width, channels\) but gets \(6, 4\)",
    ),
    "rank of a pool": (
        layer("MaxPooling1D"),
        IMAGE,
        r"needs an input of shape \(length, channels\) but gets \(8, 8, 4\)",
    ),
    "rank of a sequence": (
        layer("GRU", units=1),
        FEATURES,
        r"needs an input of shape \(length, width\) but gets \(4,\)",
    ),
    "rank of padding": (layer("ZeroPadding2D", padding=1), SEQUENCE, "needs an input of shape"),
    "embedding of images": (
        layer("Embedding", input_dim=3, output_dim=3),
        IMAGE,
        r"must be the first layer, of an input of shape \(length,\) that holds integers, but gets",
    ),
    "nodes of a cell": (
        layer("cell", nodes=4, edges=("none",)),
        IMAGE,
        "a cell of 4 nodes has 6 edges but 'edges' lists 1",
    ),
    "zeros at a stride of features": (
        layer("Zero", strides=2),
        FEATURES,
        r"'strides' must be 1 for an input of shape \(features,\) but is 2",
    ),
    "groups of one value": (
        layer("GroupNormalization", groups=FEATURES[0]),
        FEATURES,
        r"needs more than one value in each group but \d+ groups of \(\d+,\) have one",
    ),
    "elements": (
        layer("Conv2D", filters=1, kernel_size=(1, 2, 3)),
        IMAGE,
        r"'kernel_size' must have 2 elements but is \(1, 2, 3\)",
    ),
    "elements of padding": (
        layer("ZeroPadding2D", padding=(1, 1, 1)),
        IMAGE,
        r"'padding' must have 2 elements but is \(1, 1, 1\)",
    ),
    "strides and dilation": (
        layer("Conv2D", filters=1, kernel_size=2, strides=2, dilation_rate=2),
        IMAGE,
        r"strides and dilation_rate can't both be above 1 but are \(2, 2\) and \(2, 2\)",
    ),
    "odd size": (
        layer("FactorizedReduce"),
        (7, 8, 2),
        r"needs an even height and width but gets \(7, 8\)",
    ),
    "residual of another rank": (
        layer("residual", layer("Flatten")),
        IMAGE,
        r"a residual can't add shape \(8, 8, 4\) to shape \(256,\)",
    ),
    "residual that no stride fits": (
        layer("residual", layer("MaxPooling2D", pool_size=4, strides=1)),
        IMAGE,
        "a residual can't project a size of 8 to 5: no stride fits",
    ),
    "residual that grows": (
        layer("residual", layer("ZeroPadding2D", padding=1)),
        IMAGE,
        "a residual can't project a size of 8 to 10",
    ),
    "encoder of another width": (
        layer("TransformerEncoder", layer("Dense", units=3), num_heads=2, ff_dim=1),
        SEQUENCE,
        r"the shapes to merge must be equal but are \(6, 4\), \(6, 3\)",
    ),
    "cell that is not chosen": (
        layer("cell", operations=("none",)),
        IMAGE,
        "a cell is built from its 'edges': sample them from the space first",
    ),
    "cell of two edges": (
        layer("cell", edges=("none", "none")),
        IMAGE,
        r"a cell has 1, 3, 6, 10, \.\.\. edges but got 2",
    ),
}


@pytest.mark.parametrize(("config", "shape", "message"), FAILING.values(), ids=FAILING)
@pytest.mark.parametrize(
    ("wrap", "path"),
    [
        (lambda config: (config,), r"layers\[0\]"),
        (lambda config: (RELU, layer("residual", RELU, config)), r"layers\[1\]\[1\]"),
        (
            lambda config: (layer("parallel", RELU, layer("sequence", RELU, config)),),
            r"layers\[0\]\[1\]\[1\]",
        ),
    ],
    ids=["alone", "in a residual", "in a branch"],
)
def test_lowering_says_where_and_rule_and_value(
    config: LayerConfig,
    shape: Shape,
    message: str,
    wrap: Callable[[LayerConfig], tuple[LayerConfig, ...]],
    path: str,
) -> None:
    with pytest.raises(Exception, match=f"^{path}: .*{message}") as caught:
        _ = Architecture(shape, wrap(config)).graph

    assert isinstance(caught.value, ShapeError) or "unknown layer" in message


def test_an_edge_of_a_cell_is_named() -> None:
    edges = ("skip_connect", "none", "FactorizedReduce")

    with pytest.raises(ShapeError, match=r"^layers\[0\].edge_1_2: needs an even height"):
        _ = Architecture((7, 8, 2), (layer("cell", edges=edges),)).graph


def test_a_cell_holds_no_cell() -> None:
    inner = Call("cell", {"edges": ("none",)})

    with pytest.raises(ShapeError, match=r"^layers\[0\].edge_0_1: cell can't be an operation"):
        _ = Architecture((7, 8, 2), (layer("cell", edges=(inner,)),)).graph


def ids_and(*branch: LayerConfig, first: bool) -> tuple[LayerConfig, ...]:
    ids = layer("sequence", layer("Embedding", input_dim=9, output_dim=4), layer("Flatten"))
    numbers = layer("sequence", *branch)
    return (layer("parallel", *((ids, numbers) if first else (numbers, ids))),)


READERS = {
    "a layer after": (ids_and(layer("Dense", units=3), first=True), "layers[0][1][0]"),
    "a layer before": (ids_and(layer("Dense", units=3), first=False), "layers[0][0][0]"),
    "the join": (ids_and(layer("SkipConnection"), first=True), "layers[0]"),
    "a projection": (
        (
            layer(
                "residual",
                layer("Embedding", input_dim=9, output_dim=4),
                layer("Flatten"),
            ),
        ),
        "layers[0]",
    ),
}


@pytest.mark.parametrize(("layers", "path"), READERS.values(), ids=READERS)
def test_ids_are_read_by_embeddings_alone(layers: tuple[LayerConfig, ...], path: str) -> None:
    with pytest.raises(ShapeError, match="reads the input as numbers, but an Embedding") as caught:
        _ = Architecture((5,), layers).graph

    assert caught.value.path == path


def test_two_embeddings_read_one_input() -> None:
    embedding = layer("Embedding", input_dim=9, output_dim=4)

    assert Architecture((5,), (layer("parallel", embedding, embedding),)).graph.output_shape == (
        5,
        8,
    )


def test_cells_number_their_edges_by_target() -> None:
    assert cell_edges(4) == [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    assert [nodes_of(len(cell_edges(nodes))) for nodes in range(2, 12)] == list(range(2, 12))


def test_positions_are_inherited_from_the_structure_around() -> None:
    inner = LayerConfig("LSTM", {"units": 1})
    outer = LayerConfig("residual", {}, (inner,), "layers[7]", (3, 9))

    with pytest.raises(ShapeError) as caught:
        _ = Architecture(FEATURES, (outer,)).graph

    assert (caught.value.path, caught.value.position) == ("layers[7][0]", (3, 9))


# --- costs ---------------------------------------------------------------------------------------


def simulated_peak(graph: Graph) -> int:
    """Run the graph with buffers that are counted, and freed when nothing will read them."""
    nodes = graph.built_nodes()
    buffers: dict[int, int] = {}  # owner to elements
    owners: list[int] = []
    peak = 0
    for index, node in enumerate(nodes):
        if node.facts.stored or not node.inputs:
            owners.append(index)
            buffers[index] = node.facts.stored
        else:
            owners.append(owners[node.inputs[0]])
        peak = max(peak, sum(buffers.values()))
        needed = {owners[s] for later in nodes[index + 1 :] for s in later.inputs if s <= index}
        if graph.logits <= index:
            needed.add(owners[graph.logits])
        for owner in list(buffers):
            if owner not in needed:
                del buffers[owner]
    return 4 * peak


def simulated_depth(graph: Graph) -> int:
    """Walk every path back from the output."""

    def depth(index: int) -> int:
        node = graph.nodes[index]
        mine = node.op in ("Dense", "Conv", "Embedding", "LSTM", "GRU", "MultiHeadAttention")
        return mine + max(map(depth, node.inputs), default=0)

    return depth(graph.logits)


@given(architecture=architectures())
def test_costs_are_those_of_a_simulation(architecture: Architecture) -> None:
    assume("shape" not in ArchitectureSpace((1,)).violations(architecture))
    graph = architecture.graph
    nodes = graph.built_nodes()

    assert measure(graph) == Cost(
        params=sum(node.facts.params for node in nodes),
        macs=sum(node.facts.macs for node in nodes),
        peak_memory_bytes=simulated_peak(graph),
        depth=simulated_depth(graph),
    )
    assert all(prod(node.shape) >= 1 for node in nodes)


#: Layers over 8 features; elements alive at the worst moment.
PEAKS: dict[str, tuple[list[LayerConfig], int]] = {
    "the input alone": ([], 8),
    "input and output": ([layer("Dense", units=4)], 12),
    "a view": ([layer("Dropout", rate=0.5), layer("Dense", units=4)], 12),
    "views of views": ([layer("Reshape", shape=(2, 4)), layer("Flatten"), RELU], 16),
    "the middle": (
        [layer("Dense", units=20), layer("Dense", units=30), layer("Dense", units=1)],
        50,
    ),
    "kept for a residual": (
        [layer("residual", layer("Dense", units=20), layer("Dense", units=8))],
        8 + 20 + 8,
    ),
    "branches": ([layer("parallel", layer("Dense", units=3), layer("Dense", units=5))], 8 + 3 + 5),
    "a head that the loss takes": ([layer("Dense", units=4, activation="softmax")], 12),
}


@pytest.mark.parametrize(("layers", "elements"), PEAKS.values(), ids=PEAKS)
def test_peak_memory_by_hand(layers: list[LayerConfig], elements: int) -> None:
    architecture = Architecture((8,), tuple(layers))

    assert architecture.cost.peak_memory_bytes == 4 * elements


def test_costs_have_the_names_of_constraints() -> None:
    cost = Cost(1, 2, 3, 4)

    names = ("params", "macs", "flops", "peak_memory", "peak_memory_bytes", "depth")
    assert [cost.value(name) for name in names] == [1, 2, 4, 3, 3, 4]
    with pytest.raises(ValueError, match=r"a cost must be one of params, .* but got 'time'"):
        cost.value("time")


def test_costs_of_any_size_are_exact() -> None:
    units = 10**200
    architecture = Architecture((units,), (layer("Dense", units=units),))

    assert architecture.cost.params == units * units + units
    assert architecture.cost.macs == units * units


# --- the graph -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("activation", "loss", "head"),
    [
        ("softmax", None, "softmax"),
        ("softmax", "cross_entropy", "softmax"),
        ("softmax", "mse", None),
        ("softmax", "binary_crossentropy", None),
        ("sigmoid", None, "sigmoid"),
        ("sigmoid", "binary_crossentropy", "sigmoid"),
        ("sigmoid", "cross_entropy", None),
        ("relu", None, None),
        ("linear", None, None),
    ],
)
def test_a_final_activation_belongs_to_the_loss_or_is_kept(
    activation: str, loss: str | None, head: str | None
) -> None:
    layers = (layer("Dense", units=3), layer("Activation", name=activation))
    graph = Architecture(FEATURES, layers, loss=loss).graph

    assert graph.head == head
    assert graph.output_shape == (3,)
    assert len(graph.built_nodes()) == len(graph.nodes) - (head is not None)
    assert graph.logits == (1 if head else graph.output)


def test_only_a_final_activation_is_a_head() -> None:
    inner = (layer("Activation", name="softmax"), layer("Dense", units=3))

    assert Architecture(FEATURES, inner).graph.head is None
    assert Architecture(FEATURES, (layer("residual", inner[0]),)).graph.head is None
    alone = Architecture(FEATURES, inner[:1]).graph
    assert (alone.head, alone.logits) == ("softmax", 0)


def test_nodes_name_their_attributes() -> None:
    builder = GraphBuilder((4,))
    index = builder.add("Dense", 0, use_bias=False, units=3)
    node = builder.finish(index, None).nodes[1]

    assert node.attributes == (3, False)
    assert node.attribute_values() == {"units": 3, "use_bias": False}
    assert (node.shape, builder.shape(index)) == ((3,), (3,))


def test_every_layer_of_the_table_is_documented_by_a_case() -> None:
    shown = {case[0].type for case in LOWERED.values()} | {
        case[0].type for case in FAILING.values()
    }
    # Plain rows whose primitive is in the first table, and what tests/spaces.py builds.
    plain = {
        *("Output", "Activation", "BatchNormalization", "LayerNormalization", "Dropout"),
        *("AveragePooling2D", "GlobalAveragePooling1D", "GlobalAveragePooling2D"),
        *("MultiHeadAttention", "ConvBN", "SepConv", "DilatedConv", "SamePool", "SkipConnection"),
        *("ResidualConnection", "sequence"),
    }
    assert set(LAYERS) - shown == plain - shown


@pytest.mark.parametrize(("height", "width"), [*product((1, 2, 5), (1, 4))])
def test_zeros_at_a_stride_have_the_shape_of_a_strided_convolution(height: int, width: int) -> None:
    shape = (height, width, 2)
    zero = Architecture(shape, (layer("Zero", strides=2),))
    conv = Architecture(shape, (layer("ConvBN", kernel_size=1, strides=2),))

    assert zero.graph.output_shape == conv.graph.output_shape
