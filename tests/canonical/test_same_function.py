"""Equal keys mean equal functions: weights copied across, outputs compared."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import product

import pytest
import torch

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.canonical import canonical_form
from tests.canonical.edits import (
    NORM,
    RELU,
    SIGMOID,
    TANH,
    ZERO,
    add,
    blocks,
    chain,
    changed,
    edited,
    first,
    join,
    layer,
    weighted,
)
from tests.canonical.transfer import difference, module_names, random_inputs, random_model
from tests.spaces import many

IMAGE = (6, 6, 4)


def network(*layers: LayerConfig, shape: tuple[int, ...] = IMAGE) -> Architecture:
    return Architecture(shape, layers)


# --- edits of random architectures ---------------------------------------------------------------


@pytest.mark.slow
def test_edits_that_keep_the_function_keep_the_key() -> None:
    pairs = first(edited(1), many(200))

    for seed, (name, one, other) in enumerate(pairs):
        assert one.key == other.key, name
        assert difference(one, other, seed) < 1e-5, name


@pytest.mark.parametrize("shape", [(5, 4, 2), (6, 4), (4,)], ids=str)
def test_every_edit_keeps_the_function(shape: tuple[int, ...]) -> None:
    for name, (before, after) in blocks(shape).items():
        one, other = network(*before, shape=shape), network(*after, shape=shape)
        assert one.key == other.key, name
        assert difference(one, other) < 1e-5, name


def outputs(architecture: Architecture, weights: Architecture, seed: int) -> torch.Tensor:
    """Return what an architecture gives with the weights of another that has the same layers."""
    source, target = random_model(weights, seed), random_model(architecture, seed + 1)
    names = module_names(weights, source), module_names(architecture, target)
    states = [
        [model.get_submodule(name) for name in found.values()]
        for model, found in zip((source, target), names, strict=True)
    ]
    pairs = [[module for module in found if module.state_dict()] for found in states]
    for mine, other in zip(*pairs, strict=True):
        other.load_state_dict(mine.state_dict())
    with torch.no_grad():
        given: torch.Tensor = target.eval()(random_inputs(weights, seed))
    return given


@pytest.mark.slow
def test_edits_that_change_the_outputs_change_the_key() -> None:
    left = many(200)
    for seed, (one, other) in enumerate(changed(2)):
        a, b = outputs(one, one, seed), outputs(other, one, seed)
        if one.graph.head == other.graph.head and bool(a.isfinite().all()):
            if a.shape == b.shape and float((a - b).abs().max()) < 1e-6 * float(1 + a.abs().max()):
                continue
            assert one.key != other.key, (one.layers, other.layers)
            left -= 1
        if not left:
            break


# --- cells ---------------------------------------------------------------------------------------

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "avg_pool_3x3")


def cell_network(cell: tuple[str, ...]) -> Architecture:
    return network(
        layer("cell", edges=cell), layer("GlobalAveragePooling2D"), layer("Dense", units=3)
    )


@pytest.mark.slow
def test_cells_of_one_key_compute_the_same() -> None:
    classes: dict[str, list[Architecture]] = defaultdict(list)
    for cell in product(OPERATIONS, repeat=6):
        found = cell_network(cell)
        classes[found.key].append(found)
    draw = random.Random(0)
    several = [found for found in classes.values() if len(found) > 1]

    for seed in range(many(200)):
        one, other = draw.sample(draw.choice(several), 2)
        assert difference(one, other, seed) < 1e-5, (one.layers[0], other.layers[0])


@pytest.mark.slow
def test_a_changed_edge_that_changes_the_outputs_changes_the_key() -> None:
    draw = random.Random(3)
    left, seed = many(200), 0
    while left:
        seed += 1
        cell = [draw.choice(OPERATIONS) for _ in range(6)]
        edge = draw.randrange(6)
        weightless = [name for name in OPERATIONS if "conv" not in name]
        cell[edge], operation = draw.sample(weightless, 2)
        one = cell_network(tuple(cell))
        other = cell_network((*cell[:edge], operation, *cell[edge + 1 :]))
        a, b = outputs(one, one, seed), outputs(other, one, seed)
        if float((a - b).abs().max()) > 1e-6:
            left -= 1
            assert one.key != other.key, (cell, edge, operation)


# --- the comparison can fail ---------------------------------------------------------------------


def test_the_comparison_sees_another_function() -> None:
    one = network(weighted(IMAGE), RELU, weighted(IMAGE))
    other = network(weighted(IMAGE), TANH, weighted(IMAGE))

    assert difference(one, one) < 1e-12
    with pytest.raises(AssertionError, match="a channel comes in that does not"):
        difference(one, other)


def test_nothing_is_compared_before_it_is_random() -> None:
    model = random_model(network(weighted(IMAGE), NORM), 0)

    for name, value in model.state_dict().items():
        if value.is_floating_point():
            assert len(value.unique()) == value.numel() > 1, name
    assert float(model.state_dict()["norm1.running_var"].min()) >= 0.5


# --- one by one ----------------------------------------------------------------------------------


def conv(filters: int = 4, kernel_size: int = 3, **params: object) -> LayerConfig:
    values = {"filters": filters, "kernel_size": kernel_size, "padding": "same", **params}
    return layer("Conv2D", **values)


def of_zeros(*layers: LayerConfig) -> Architecture:
    """Return the input, and layers that get zeros, joined: their order and size are kept."""
    return network(join(chain(), chain(ZERO, *layers)))


def activation(name: str) -> LayerConfig:
    return layer("Activation", name=name)


POOL = {"pool_size": 3, "strides": 1, "padding": "same"}

PASS_ZEROS = {
    "ReLU": (RELU,),
    **{
        name: (activation(name),)
        for name in ("relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "tanh", "softsign")
    },
    "average pool": (layer("AveragePooling2D", **POOL),),
    "max pool": (layer("MaxPooling2D", **POOL),),
    "bias-free convolution": (conv(use_bias=False),),
    "depthwise": (layer("DepthwiseConv2D", kernel_size=3, padding="same", use_bias=False),),
    "bias-free dense": (layer("Dense", units=4, use_bias=False),),
    "dropout": (layer("Dropout", rate=0.5),),
    "padding": (layer("ZeroPadding2D", padding=1), conv(padding="valid", use_bias=False)),
    "global pool": (layer("SqueezeExcitation"),),
    "sum": (add(chain(), RELU),),
    "one after another": (RELU, conv(use_bias=False), layer("MaxPooling2D", **POOL), TANH),
}

KEEP_CONSTANTS = {
    "convolution": (conv(),),
    "dense": (layer("Dense", units=4),),
    "batch norm": (NORM,),
    "batch norm without weights": (layer("BatchNormalization", affine=False),),
    "layer norm": (layer("LayerNormalization"),),
    "group norm": (layer("GroupNormalization", groups=2),),
    **{name: (activation(name),) for name in ("sigmoid", "softmax", "softplus", "exponential")},
    "norm, then ReLU": (NORM, RELU),
}


@pytest.mark.parametrize("layers", PASS_ZEROS.values(), ids=PASS_ZEROS)
def test_zeros_pass(layers: tuple[LayerConfig, ...]) -> None:
    assert of_zeros(*layers).key == of_zeros().key
    assert difference(of_zeros(*layers), of_zeros()) == 0
    assert canonical_form(of_zeros(*layers).graph).params == 0


@pytest.mark.parametrize("layers", KEEP_CONSTANTS.values(), ids=KEEP_CONSTANTS)
def test_zeros_become_a_constant(layers: tuple[LayerConfig, ...]) -> None:
    one = of_zeros(*layers)
    model = random_model(one, 0).eval()
    with torch.no_grad():
        constant = model(random_inputs(one, 1))[:, 4:]

    assert one.key != of_zeros().key
    assert float(constant.abs().min()) > 0 or layers[-1] == RELU
    assert float(constant.abs().max()) > 0
    assert float((constant - constant[:1]).abs().max()) < 1e-12


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "MultiHeadAttention"])
def test_sequences_of_zeros_become_a_constant(kind: str) -> None:
    attends = kind == "MultiHeadAttention"
    values = {"num_heads": 1} if attends else {"units": 4, "return_sequences": True}
    shape = (5, 4)
    last = (layer("GlobalAveragePooling1D"),)

    one = network(ZERO, layer(kind, **values), *last, shape=shape)

    assert one.key != network(ZERO, *last, shape=shape).key
    assert canonical_form(one.graph).params == one.cost.params > 0


W = conv()
ONE = conv(kernel_size=1)

SAME: dict[str, tuple[tuple[LayerConfig, ...], tuple[LayerConfig, ...]]] = {
    "one pixel pools to itself": (
        (layer("MaxPooling2D", pool_size=6), W),
        (layer("MaxPooling2D", pool_size=6), layer("AveragePooling2D", **POOL), W),
    ),
    "pools of one pixel and a stride": (
        (layer("MaxPooling2D", pool_size=1, strides=2), W),
        (layer("AveragePooling2D", pool_size=1, strides=2), W),
    ),
    "join dropped before a convolution": ((join(W, ONE), W), (join(ONE, W), W)),
    "join dropped before pool, ReLU, norm, convolution": (
        (join(W, chain()), layer("MaxPooling2D", **POOL), RELU, NORM, W),
        (join(chain(), W), layer("MaxPooling2D", **POOL), RELU, NORM, W),
    ),
    "join dropped before flatten and dense": (
        (join(W, chain()), layer("Flatten"), layer("Dense", units=3)),
        (join(chain(), W), layer("Flatten"), layer("Dense", units=3)),
    ),
    "join dropped before two convolutions": (
        (join(W, chain()), add(W, ONE)),
        (join(chain(), W), add(ONE, W)),
    ),
    "join dropped before a group norm of one group": (
        (join(W, chain()), layer("GroupNormalization", groups=1), W),
        (join(chain(), W), layer("GroupNormalization", groups=1), W),
    ),
    "shared padding": (
        (add(chain(W, RELU), chain(conv(2), ONE)),),
        (add(chain(conv(2), ONE), chain(W, RELU)),),
    ),
    "products": (
        (layer("SqueezeExcitation", ratio=2), W),
        (layer("SqueezeExcitation", ratio=2), layer("Dropout", rate=0.0), W),
    ),
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_the_same(one: tuple[LayerConfig, ...], other: tuple[LayerConfig, ...]) -> None:
    assert network(*one).key == network(*other).key
    assert difference(network(*one), network(*other)) < 1e-5


SHAPED = chain(conv(4), SIGMOID)
POOLED = layer("AveragePooling2D", **POOL)

DIFFERENT: dict[str, tuple[tuple[LayerConfig, ...], tuple[LayerConfig, ...]]] = {
    "one convolution read twice, and two": (
        (W, add(RELU, TANH)),
        (add(chain(W, RELU), chain(W, TANH)),),
    ),
    "twice one convolution, and two": ((W, add(chain(), chain())), (add(W, W),)),
    "one dropout read twice, and two": (
        (layer("Dropout", rate=0.5), add(chain(), TANH)),
        (add(layer("Dropout", rate=0.5), chain(layer("Dropout", rate=0.5), TANH)),),
    ),
    "join kept at the output": ((join(W, ONE),), (join(ONE, W),)),
    # Two channels, four, two: in groups of four, it matters which come together.
    "join kept before a group norm": (
        (join(conv(2), SHAPED, conv(2, 1)), layer("GroupNormalization", groups=2), W),
        (join(conv(2), conv(2, 1), SHAPED), layer("GroupNormalization", groups=2), W),
    ),
    "join kept before a grouped convolution": (
        (join(conv(2), SHAPED, conv(2, 1)), conv(8, groups=2), W),
        (join(conv(2), conv(2, 1), SHAPED), conv(8, groups=2), W),
    ),
    "channels first and last": (
        (layer("Flatten"),),
        (layer("Reshape", shape=(144,)),),
    ),
    "pooled sum, and sum of pools": (
        (add(W, ONE), POOLED),
        (add(chain(W, POOLED), chain(ONE, POOLED)),),
    ),
    "ReLU before and after a norm": ((RELU, NORM), (NORM, RELU)),
    "ReLU of a norm": ((RELU, NORM), (RELU, NORM, RELU)),
    "tanh of a ReLU": ((RELU,), (RELU, TANH)),
    "ReLU6 of a ReLU": ((RELU,), (RELU, activation("relu6"))),
    "ReLU of a convolution": ((W, NORM), (W, RELU, NORM)),
    "ReLU of tanh": ((TANH,), (TANH, RELU)),
    "pool of what is larger than a pixel": ((W,), (W, POOLED)),
    "padding and none": ((W,), (conv(padding="valid"), layer("ZeroPadding2D", padding=1))),
    "a sum of two and of three": ((W, add(chain(), chain())), (W, add(chain(), chain(), chain()))),
    "channels of zeros": (
        (join(chain(), chain(conv(2), ZERO)), W),
        (join(chain(), chain(conv(5), ZERO)), W),
    ),
    "tanh twice": ((TANH,), (TANH, TANH)),
    "epsilon": ((NORM,), (layer("BatchNormalization", epsilon=1e-3),)),
    "momentum": ((NORM,), (layer("BatchNormalization", momentum=0.5),)),
    "rates": ((layer("Dropout", rate=0.1),), (layer("Dropout", rate=0.2),)),
    "bias": ((W,), (conv(use_bias=False),)),
}


READERS = {
    "LSTM": layer("LSTM", units=3, return_sequences=True),
    "GRU": layer("GRU", units=3),
    "attention": layer("MultiHeadAttention", num_heads=2),
    "Conv1D": layer("Conv1D", filters=3, kernel_size=2),
    "dense": layer("Dense", units=3),
    "norm, pool, dense": chain(
        layer("LayerNormalization"), layer("GlobalAveragePooling1D"), layer("Dense", units=3)
    ),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_readers_of_a_join_take_up_its_order(reader: LayerConfig) -> None:
    parts = (
        layer("Dense", units=2),
        chain(layer("Dense", units=4), TANH),
        layer("LayerNormalization"),
    )
    last = layer("Flatten"), layer("Dense", units=3)

    one = network(join(*parts), reader, *last, shape=(5, 2))
    other = network(join(*reversed(parts)), reader, *last, shape=(5, 2))

    assert one.key == other.key
    assert difference(one, other) < 1e-5


@pytest.mark.parametrize(("one", "other"), DIFFERENT.values(), ids=DIFFERENT)
def test_different(one: tuple[LayerConfig, ...], other: tuple[LayerConfig, ...]) -> None:
    assert network(*one).key != network(*other).key


def test_a_sum_keeps_the_order_of_what_is_joined_in_it() -> None:
    def residual(*branches: LayerConfig) -> Architecture:
        return network(join(chain(), chain()), add(chain(), join(*branches)), W)

    halves = conv(2, 1), chain(conv(6, 1), SIGMOID)
    assert residual(*halves).key != residual(*reversed(halves)).key


def test_input_shapes_and_heads_are_part_of_it() -> None:
    dense = layer("Dense", units=3)
    heads = [(), (layer("Activation", name="softmax"),), (SIGMOID,)]

    keys = {network(dense, *head, shape=(n,)).key for head in heads for n in (4, 5)}

    assert len(keys) == 6
    assert network(shape=(4,)).key == network(layer("Dropout", rate=0), shape=(4,)).key
    assert network(ZERO, shape=(4,)).key != network(shape=(4,)).key
