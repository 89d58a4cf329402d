"""NAS operations: what they become, their parameters by formula, and those of a user's own."""

from __future__ import annotations

from itertools import product
from math import inf
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pytest
import torch

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.architecture_space import ArchitectureSpace, Cell, Layer
from neural_automl.exceptions import DSLError, ShapeError, UnknownLayerError
from neural_automl.layers import ALIASES, LAYERS, REGISTERED, register_layer, unregister_layer
from neural_automl.nas_operations import (
    ConvBN,
    DilatedConv,
    FactorizedReduce,
    InvertedResidual,
    NASOperation,
    PoolBN,
    SamePool,
    SepConv,
    SkipConnection,
    Zero,
    compute_flops,
    create_nas_cell,
    estimate_model_size,
    get_nas_primitives,
    register_operation,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES: list[int | tuple[int, ...]] = [1, 2, 3, (3, 2)]
POOLS: list[Literal["avg", "max"]] = ["avg", "max"]
MORE_STRIDES: list[int | tuple[int, ...]] = [1, 2, (1, 2)]
DILATIONS: list[int | tuple[int, ...]] = [1, 2, (1, 2)]
STRIDES = [1, 2]
OPERATIONS: list[NASOperation] = [
    SkipConnection(),
    *map(Zero, STRIDES),
    *(kind(k, s) for kind in (SepConv, ConvBN) for k, s in product(SIZES, MORE_STRIDES)),
    *(DilatedConv(k, 1, d) for k, d in product(SIZES, DILATIONS)),
    DilatedConv(3, 2, 1),
    *(PoolBN(p, k, s) for p, k, s in product(POOLS, [2, 3], STRIDES)),
    *(SamePool(p, k) for p, k in product(POOLS, [2, 3])),
    *(InvertedResidual(e, k, s) for e, k, s in product([1, 2, 6], SIZES, STRIDES)),
    FactorizedReduce(),
]
WIDTHS = [(1, 1), (3, 3), (4, 7), (6, 1), (5, 8)]


def network(operation: NASOperation, in_ch: int, out_ch: int) -> Architecture:
    config = LayerConfig.from_dict(operation.to_layer_config(in_ch, out_ch))
    return Architecture((6, 8, in_ch), (config,))


@pytest.fixture(autouse=True)
def _table_as_before() -> Iterator[None]:
    before = set(REGISTERED)
    yield
    for name in set(REGISTERED) - before:
        unregister_layer(name)


# --- the operations of the table ------------------------------------------------------------


@pytest.mark.parametrize("operation", OPERATIONS, ids=repr)
def test_counts_are_those_of_the_module(operation: NASOperation) -> None:
    for in_ch, out_ch in WIDTHS:
        if isinstance(operation, Zero) and in_ch != out_ch:
            continue
        architecture = network(operation, in_ch, out_ch)

        model = architecture.build().eval()

        counted = operation.get_parameter_count(in_ch, out_ch)
        assert counted == sum(p.numel() for p in model.parameters()) == architecture.cost.params
        assert model(torch.zeros(1, in_ch, 6, 8)).shape[1] == out_ch


def test_the_grid_holds_every_operation_of_the_table() -> None:
    structures = ("SqueezeExcitation",)  # takes no place of another: it weighs what comes in
    from_table = {
        row.name for row in LAYERS.values() if row.lower.__module__.endswith("operations")
    }

    assert {type(operation).__name__ for operation in OPERATIONS} == from_table - {*structures}
    assert all(operation.name == type(operation).__name__ for operation in OPERATIONS)


def test_an_operation_is_a_value() -> None:
    assert SepConv(5) == SepConv(kernel_size=5)
    assert len({SepConv(5), SepConv(5), SepConv(3), ConvBN(5)}) == 3
    assert repr(PoolBN("max")) == "PoolBN(pool='max', kernel_size=3, strides=1)"
    with pytest.raises(AttributeError):
        SepConv().kernel_size = 5  # type: ignore[misc]


@pytest.mark.parametrize("three", [3.0, np.int64(3)], ids=repr)
def test_numbers_are_taken_in_their_normal_form(three: Any) -> None:
    operation = SepConv(three)

    assert operation == SepConv(3)
    assert type(operation.kernel_size) is int
    count = InvertedResidual(expand=three).get_parameter_count(4, 4)
    assert (type(count), count) == (int, InvertedResidual(expand=3).get_parameter_count(4, 4))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: SepConv(0), "'kernel_size' must be positive, at least 1 but got 0"),
        (lambda: ConvBN(3, 0), "'strides' must be positive"),
        (
            lambda: PoolBN("min"),  # type: ignore[arg-type]
            "'pool' must be one of avg, max but got 'min'",
        ),
        (lambda: InvertedResidual(0), "'expand' must be positive"),
        (
            lambda: DilatedConv("3"),  # type: ignore[arg-type]
            "'kernel_size' must be an integer but got '3'",
        ),
        (lambda: SepConv((3,)), r"'kernel_size' must have 2 elements but is \(3,\)"),
        (lambda: ConvBN(3, (1, 2, 3)), "'strides' must have 2 elements"),
        (
            lambda: Zero((2, 2)),  # type: ignore[arg-type]
            "'strides' must be an integer",
        ),
    ],
)
def test_parameters_are_those_of_the_table(make: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        make()


@pytest.mark.parametrize("operation", [kind() for kind in (SkipConnection, Zero, SepConv, PoolBN)])
@pytest.mark.parametrize("widths", [(0, 1), (1, 0), (True, 1), (1, 2.0), ("1", 1), (1, None)])
def test_widths_are_positive_integers(operation: NASOperation, widths: Any) -> None:
    for method in (operation.to_layer_config, operation.get_parameter_count):
        with pytest.raises(ValueError, match="must be a positive integer but got"):
            method(*widths)


def test_what_keeps_the_width_is_projected_before() -> None:
    convolution = {"filters": 5, "kernel_size": 1, "strides": 1}

    skip, pool = SkipConnection(), PoolBN("max")

    assert skip.to_layer_config(3, 3) == {"type": "SkipConnection", "params": {}}
    assert skip.to_layer_config(3, 5) == {"type": "ConvBN", "params": convolution}
    assert (skip.get_parameter_count(3, 3), skip.get_parameter_count(3, 5)) == (0, 25)
    first, second = pool.to_layer_config(3, 5)["sublayers"]
    assert first == {"type": "ConvBN", "params": convolution}
    assert second == pool.to_layer_config(5, 5)
    with pytest.raises(ValueError, match="Zero keeps the width but should lead from 3 to 5"):
        Zero().to_layer_config(3, 5)


def test_primitives_are_the_aliases_of_the_table() -> None:
    primitives = get_nas_primitives()

    assert set(primitives) == set(ALIASES) & set(primitives)
    for name, operation in primitives.items():
        alias = Architecture((6, 8, 4), (LayerConfig(name),))
        assert network(operation, 4, 4).key == alias.key
        assert operation.get_parameter_count(4, 4) == alias.cost.params
    primitives.clear()
    assert get_nas_primitives()


# --- cells ----------------------------------------------------------------------------------


def test_a_cell_is_searched() -> None:
    space = ArchitectureSpace((8, 8, 3), [Layer("Conv2D", 4, 3), create_nas_cell(), "Flatten"])

    assert space.get_search_space_size() == 5**6
    assert space.sample_architecture(0).build()(torch.zeros(1, 3, 8, 8)).shape == (1, 144)
    assert create_nas_cell() == Cell(4, list(get_nas_primitives())[:5]).to_dict()


def test_cells_of_one_name_are_one_and_take_operations() -> None:
    cell = create_nas_cell(3, ["none", SepConv(5), InvertedResidual(2)], "normal")
    space = ArchitectureSpace((8, 8, 3), [cell, cell])

    assert space.get_search_space_size() == 3**3
    assert ArchitectureSpace.from_dsl(space.to_dsl()).to_dict() == space.to_dict()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((1,), ValueError, "`nodes` must be 2 to 12 but got 1"),
        ((13,), ValueError, "must be 2 to 12"),
        ((True,), ValueError, "must be 2 to 12"),
        ((4, "none"), TypeError, "`operations` must be a list of operations but got 'none'"),
        ((4, 3), TypeError, "must be a list"),
        ((4, [3]), TypeError, "must be a name or a NASOperation but got 3"),
        ((4, ["conv_3x4"]), UnknownLayerError, "unknown layer 'conv_3x4'; did you mean conv_3x3"),
    ],
)
def test_cells_that_cannot_be(arguments: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        create_nas_cell(*arguments)


# --- sizes ----------------------------------------------------------------------------------


def test_sizes_of_architectures_and_layers() -> None:
    dictionary = {"type": "Conv2D", "params": {"filters": 4, "kernel_size": 3}}
    layers: list[Any] = [dictionary, LayerConfig("Flatten"), LayerConfig("Dense", {"units": 2})]
    architecture = Architecture((5, 5, 1), (LayerConfig.from_dict(dictionary), *layers[1:]))

    for arguments in ((architecture,), (layers, (5, 5, 1)), (layers, [5, 5, 1])):
        assert estimate_model_size(*arguments) == {"params": 114, "bytes": 456}
        assert compute_flops(*arguments) == 2 * (9 * 4 * 9 + 36 * 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "layers alone need an `input_shape`"),
        ((Architecture((4,), ()), (4,)), "an architecture has its input's shape"),
        (("Dense", (4,)), "needs an Architecture or a list of layers but got 'Dense'"),
        (({"type": "ReLU"}, (4,)), "needs an Architecture or a list"),
        ((3, (4,)), "needs an Architecture"),
    ],
)
def test_sizes_of_something_else(arguments: Any, message: str) -> None:
    for function in (estimate_model_size, compute_flops):
        with pytest.raises(TypeError, match=message):
            function(*arguments)


# --- a user's own ---------------------------------------------------------------------------


class Bottleneck(NASOperation):
    def __init__(self, name: str = "bottleneck", ratio: int = 2) -> None:
        super().__init__(name)
        self.ratio = ratio

    def _inner(self, in_ch: int) -> int:
        return max(1, in_ch // self.ratio)

    def to_layer_config(self, in_ch: int, out_ch: int) -> Any:
        return [
            ConvBN(1).to_layer_config(in_ch, self._inner(in_ch)),
            SepConv(3).to_layer_config(self._inner(in_ch), out_ch),
        ]

    def get_parameter_count(self, in_ch: int, out_ch: int) -> int:
        inner = self._inner(in_ch)
        first = ConvBN(1).get_parameter_count(in_ch, inner)
        return first + SepConv(3).get_parameter_count(inner, out_ch)


TEXT = """
network Own {
  input: (8, 8, 1)
  layers:
    Conv2D(4, 3, padding="same")
    bottleneck(filters=choice(4, 6))
    cell(nodes=3, operations=[bottleneck, skip_connect])
    GlobalAveragePooling2D()
    Output(10)
}
"""


def test_an_operation_of_a_users_own_in_text_and_python() -> None:
    assert register_operation(Bottleneck) is Bottleneck
    wide = register_operation(Bottleneck("wide", 1))
    assert isinstance(wide, Bottleneck)

    space = ArchitectureSpace.from_dsl(TEXT)

    assert space.get_search_space_size() == 2 * 2**3
    assert ArchitectureSpace.from_dsl(space.to_dsl()).to_dict() == space.to_dict()
    for seed in range(5):
        architecture = space.sample_architecture(seed)
        counted = sum(p.numel() for p in architecture.build().parameters())
        assert counted == architecture.cost.params
    cell = create_nas_cell(3, [wide, "none"])
    assert cell["params"]["operations"] == ["wide", "none"]
    assert ArchitectureSpace((8, 8, 2), [Layer("wide", 8), cell]).sample_architecture(1).cost.params


def test_its_layers_are_those_that_it_names() -> None:
    register_operation(Bottleneck)

    own = Architecture((6, 8, 4), (LayerConfig("bottleneck", {"filters": 7}),))
    written = [LayerConfig.from_dict(layer) for layer in Bottleneck().to_layer_config(4, 7)]

    assert own.key == Architecture((6, 8, 4), tuple(written)).key
    assert own.graph.nodes[1].path == "layers[0].bottleneck[0]"
    assert own.graph.output_shape == (6, 8, 7)


def test_unregistered_it_is_unknown() -> None:
    register_operation(Bottleneck)
    unregister_layer("bottleneck")

    with pytest.raises(UnknownLayerError, match="unknown layer 'bottleneck'"):
        Layer("bottleneck")
    with pytest.raises(DSLError, match="bottleneck"):
        ArchitectureSpace.from_dsl(TEXT)
    with pytest.raises(UnknownLayerError):
        create_nas_cell(3, [Bottleneck()])


OWNERS = """
from neural_automl.nas_operations import NASOperation

class MyOperation(NASOperation):
    def __init__(self):
        super().__init__('my_op')
    
    def to_layer_config(self, in_ch, out_ch):
        return {'type': 'MyLayer', 'params': {...}}
    
    def get_parameter_count(self, in_ch, out_ch):
        return in_ch * out_ch
"""  # noqa: W293 - as it is published


def test_the_published_example_runs() -> None:
    scope: dict[str, Any] = {}
    exec(OWNERS, scope)

    operation = scope["MyOperation"]()

    assert operation.name == "my_op"
    assert operation.to_layer_config(3, 4)["type"] == "MyLayer"
    assert operation.get_parameter_count(3, 4) == 12


def make_linear(values: Any, input_shape: Any) -> torch.nn.Module:
    return torch.nn.Linear(input_shape[-1], values["units"], bias=False)


def test_the_published_example_with_its_layer() -> None:
    register_layer(
        "MyLayer",
        parameters={"units": int},
        shape=lambda values, x: (*x[:-1], values["units"]),
        params=lambda values, x: x[-1] * values["units"],
        macs=lambda values, x: x[-1] * values["units"],
        pytorch=make_linear,
        layout="channels_last",
    )
    scope: dict[str, Any] = {}
    exec(OWNERS.replace("{...}", "{'units': out_ch}"), scope)
    register_operation(scope["MyOperation"])

    architecture = Architecture((3,), (LayerConfig("my_op", {"filters": 4}), LayerConfig("my_op")))

    assert architecture.cost.params == 3 * 4 + 4 * 4
    assert architecture.build()(torch.zeros(2, 3)).shape == (2, 4)


class Odd(NASOperation):
    """Returns what it is told to."""

    def __init__(self, config: Any, count: Any = 0) -> None:
        super().__init__("odd")
        self.config, self.count = config, count

    def to_layer_config(self, in_ch: int, out_ch: int) -> Any:
        if isinstance(self.config, Exception):
            raise self.config
        return self.config

    def get_parameter_count(self, in_ch: int, out_ch: int) -> Any:
        if isinstance(self.count, Exception):
            raise self.count
        return self.count


RELU = {"type": "ReLU"}
WRONG: dict[str, tuple[Any, Any, type[Exception], str]] = {
    "no dictionary": (3, 0, TypeError, r"layers\[0\].odd: 'to_layer_config' must return a dict"),
    "a name": ("ReLU", 0, TypeError, "but returned 'ReLU'"),
    "nothing": (None, 0, TypeError, "but returned None"),
    "no type": ({"params": {}}, 0, TypeError, "a layer must be a dictionary with a 'type'"),
    "params of another form": ({"type": "ReLU", "params": {1}}, 0, TypeError, "must be a dict"),
    "unknown layer": ({"type": "ReLU7"}, 0, UnknownLayerError, r"\[0\].odd: unknown layer 'ReLU7'"),
    "unknown parameter": ({"type": "ReLU", "params": {"a": 1}}, 0, ShapeError, "no parameter 'a'"),
    "does not lead there": (ValueError("not to 4"), 0, ShapeError, r"layers\[0\]: not to 4"),
    "cannot count": (RELU, ValueError("cannot"), ShapeError, r"layers\[0\]: cannot"),
    "other count": (
        RELU,
        1234,
        ValueError,
        "says 1,234 parameters from 4 to 4 channels but its la",
    ),
    "fewer": ({"type": "BatchNormalization"}, 7, ValueError, "says 7 .* its layers have 8"),
    "no count": (RELU, None, TypeError, "'get_parameter_count' must return an integer but"),
    "real count": (RELU, 0.0, TypeError, "returned 0.0"),
    "infinite": (RELU, inf, TypeError, "returned inf"),
    "truth": (RELU, False, TypeError, "returned False"),
    "other width": ({"type": "Dense", "params": {"units": 3}}, 15, ValueError, "give 3 channels"),
    "itself": ({"type": "odd"}, 0, ValueError, "lowers to itself"),
}


@pytest.mark.parametrize(("config", "count", "error", "message"), WRONG.values(), ids=WRONG)
def test_operations_that_are_wrong(
    config: Any, count: Any, error: type[Exception], message: str
) -> None:
    register_operation(Odd(config, count))
    architecture = Architecture((4,), (LayerConfig("odd"),))

    with pytest.raises(error, match=message) as caught:
        _ = architecture.cost

    assert isinstance(caught.value, ShapeError) == (error is ShapeError)


class Nameless(Odd):
    def __init__(self) -> None:
        self.config = RELU


@pytest.mark.parametrize(
    ("operation", "error", "message"),
    [
        (Odd, TypeError, "Odd can't be made without arguments .*: register an instance"),
        (3, TypeError, "an operation must be a NASOperation but got 3"),
        (int, TypeError, "an operation must be a NASOperation"),
        (NASOperation, TypeError, "can't be made without arguments .*abstract"),
        (Nameless, TypeError, "Nameless has no name: call super"),
        (SepConv(5), ValueError, "a layer named 'SepConv' is registered already"),
        (Bottleneck("none"), ValueError, "registered already"),
        (Bottleneck("Conv"), ValueError, "registered already"),
        (Bottleneck("my op"), ValueError, "must be made of letters"),
        (Bottleneck("choice"), ValueError, "'choice' can't be the name of a layer"),
    ],
    ids=lambda value: None if isinstance(value, str | type) else "instance",
)
def test_what_cannot_be_registered(operation: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        register_operation(operation)


@pytest.mark.parametrize("name", ["", None, 3])
def test_an_operation_has_a_name(name: Any) -> None:
    with pytest.raises(ValueError, match="an operation's name must be a string, not empty"):
        Bottleneck(name)


def test_a_name_is_given_once() -> None:
    register_operation(Bottleneck)

    with pytest.raises(ValueError, match="'bottleneck' is registered already"):
        register_operation(Bottleneck)
