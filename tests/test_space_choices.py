"""From an architecture back to the choices that lead to it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.trial import FixedTrial

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.architecture_space import (
    ArchitectureSpace,
    Call,
    Cell,
    Choice,
    Expression,
    Layer,
    LayerChoice,
    LogRange,
    Maybe,
    Parallel,
    RandomTrial,
    Range,
    Repeat,
    Residual,
)
from neural_automl.exceptions import SpaceError, UnknownLayerError
from tests.strategies import spaces

ZOO = sorted((Path(__file__).parents[1] / "examples").glob("**/*.neural"))


def bare(architecture: Architecture) -> Architecture:
    """Return it as if it was built by hand: nothing says where it comes from."""
    return replace(architecture, choices={})


@settings(max_examples=400)
@given(space=spaces(), seed=st.integers(0, 1000))
def test_every_architecture_of_a_space_is_found(space: ArchitectureSpace, seed: int) -> None:
    architecture = space.suggest(RandomTrial(seed))

    choices = space.choices_of(bare(architecture))

    # Other choices may lead to the same layers.
    rebuilt = space.suggest(FixedTrial(choices))
    assert rebuilt == architecture
    assert rebuilt.choices == choices


@pytest.mark.parametrize("file", ZOO, ids=lambda file: file.stem)
def test_of_the_examples_the_very_choices_are_found(file: Path) -> None:
    space = ArchitectureSpace.from_dsl(file)

    for seed in range(5):
        architecture = space.suggest(RandomTrial(seed))
        assert space.choices_of(bare(architecture)) == architecture.choices


CONV = Layer("Conv2D", Choice(8, 16), Choice(3, 5), padding="same")


def hand(*layers: LayerConfig, **settings: Any) -> Architecture:
    return Architecture((8, 8, 1), layers, **settings)


def conv(filters: int = 8, kernel: Any = 3, **params: Any) -> LayerConfig:
    return LayerConfig(
        "Conv2D", {"filters": filters, "kernel_size": kernel, "padding": "same", **params}
    )


def relu() -> LayerConfig:
    return LayerConfig("ReLU")


FILTERS, KERNEL = "layers[0].Conv2D.filters", "layers[0].Conv2D.kernel_size"


@pytest.mark.parametrize(
    ("layers", "architecture", "expected"),
    [
        pytest.param([CONV], hand(conv(16, 5)), {FILTERS: 16, KERNEL: 5}, id="values"),
        pytest.param([CONV], hand(conv(16, (5, 5))), {FILTERS: 16, KERNEL: 5}, id="spelling"),
        pytest.param(
            [CONV],
            hand(conv(8, 3, use_bias=True, strides=1)),
            {FILTERS: 8, KERNEL: 3},
            id="defaults written out",
        ),
        pytest.param(
            [Layer("ConvBN", 8, Choice(1, 3))],
            hand(LayerConfig("nor_conv_3x3", {"filters": 8})),
            {"layers[0].ConvBN.kernel_size": 3},
            id="alias",
        ),
        pytest.param(
            [Maybe("ReLU"), Maybe("ReLU")],
            hand(relu()),
            {"layers[0].maybe": False, "layers[1].maybe": True},
            id="first of two ways",
        ),
        pytest.param(
            [Repeat("ReLU", Range(1, 3)), "ReLU"],
            hand(relu(), relu(), relu()),
            {"layers[0].repeat": 2},
            id="copies",
        ),
        pytest.param(
            [LayerChoice([["ReLU", "ReLU"], [], CONV]), "ReLU"],
            hand(relu()),
            {"layers[0].choice": "block#2"},
            id="an alternative of nothing",
        ),
        pytest.param(
            [Residual([Maybe("ReLU")])],
            hand(LayerConfig("residual", {}, (LayerConfig("SkipConnection"),))),
            {"layers[0][0].maybe": False},
            id="a block of nothing",
        ),
        pytest.param(
            [Parallel([[Maybe("ReLU"), "ReLU"], []])],
            hand(
                LayerConfig(
                    "parallel",
                    {},
                    (
                        LayerConfig("sequence", {}, (relu(), relu())),
                        LayerConfig("sequence", {}, ()),
                    ),
                )
            ),
            {"layers[0][0][0].maybe": True},
            id="branches",
        ),
        pytest.param(
            [Cell(3, ["none", Call("ConvBN", {"kernel_size": 3})], name="c")] * 2,
            hand(*[LayerConfig("cell", {"edges": ("none", "nor_conv_3x3", "none")})] * 2),
            {
                "c.edge_0_1": "none",
                "c.edge_0_2": "ConvBN(kernel_size=3)",
                "c.edge_1_2": "none",
            },
            id="tied cells in another spelling",
        ),
        pytest.param(
            [Layer("Conv2D", Expression("mul", (Choice(2, 4, name="w"), 8)), 3)],
            hand(LayerConfig("Conv2D", {"filters": 32, "kernel_size": 3})),
            {"w": 4},
            id="arithmetic",
        ),
        pytest.param(
            [CONV, Layer("Conv2D", Expression("mul", ("channels", Choice(1, 2))), 1)],
            hand(conv(16, 5), LayerConfig("Conv2D", {"filters": 32, "kernel_size": 1})),
            {FILTERS: 16, KERNEL: 5, "layers[1].Conv2D.filters": 2},
            id="widths by number",
        ),
    ],
)
def test_an_architecture_built_by_hand(
    layers: list[Any], architecture: Architecture, expected: dict[str, Any]
) -> None:
    space = ArchitectureSpace((8, 8, 1), layers)

    choices = space.choices_of(architecture)

    assert {name: choices[name] for name in expected} == expected
    assert choices.keys() <= space.decisions().keys()


TRAINING = {
    "loss": Choice("cross_entropy", "mse"),
    "optimizer": Call("Adam", {"learning_rate": Choice(0.01, LogRange(1e-4, 1e-3))}),
    "training": {"batch_size": Choice(16, 32), "epochs": 3},
}


def test_the_training_is_found() -> None:
    space = ArchitectureSpace((8, 8, 1), ["ReLU"], TRAINING)
    architecture = hand(
        relu(),
        loss="mse",
        optimizer=Call("Adam", {"learning_rate": 0.0005, "weight_decay": 0.0}),
        training={"epochs": 3},
    )

    assert space.choices_of(architecture) == {
        "loss": "mse",
        "optimizer.learning_rate": "log_range(0.0001, 0.001)",
        "optimizer.learning_rate[1]": 0.0005,
        "training.batch_size": 32,
    }


def test_the_optimizer_that_is_meant_where_none_is_given() -> None:
    optimizer = Call("Adam", {"learning_rate": Choice(0.01, 0.001)})
    space = ArchitectureSpace((8, 8, 1), ["ReLU"], {"optimizer": optimizer})

    assert space.choices_of(hand(relu())) == {"optimizer.learning_rate": 0.001}


@pytest.mark.parametrize(
    ("architecture", "message"),
    [
        pytest.param(hand(conv(12)), "nothing in it gives layer 0, Conv2D", id="value"),
        pytest.param(hand(conv(), conv()), "nothing in it gives layer 1, Conv2D", id="layer"),
        pytest.param(hand(), "end too early", id="too few layers"),
        pytest.param(hand(conv(strides=2)), "layer 0, Conv2D", id="another default"),
        pytest.param(hand(conv(), loss="mse"), "its training is another", id="loss"),
        pytest.param(hand(conv(), training={"epochs": 7}), "its training is another", id="epochs"),
        pytest.param(Architecture((9, 9, 1), (conv(),)), "not in the space", id="input"),
        pytest.param(
            replace(hand(conv(12)), choices={FILTERS: 8, KERNEL: 3}), "layer 0", id="false choices"
        ),
    ],
)
def test_what_is_not_in_the_space(architecture: Architecture, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        ArchitectureSpace((8, 8, 1), [CONV]).choices_of(architecture)


def test_an_unknown_layer_is_named() -> None:
    with pytest.raises(UnknownLayerError, match="unknown layer 'Conv9D'"):
        ArchitectureSpace((8, 8, 1), [CONV]).choices_of(hand(LayerConfig("Conv9D")))


def test_choices_that_are_false_are_not_believed() -> None:
    architecture = replace(hand(conv(16, 5)), choices={FILTERS: 8, KERNEL: 3})

    found = ArchitectureSpace((8, 8, 1), [CONV]).choices_of(architecture)

    assert found == {FILTERS: 16, KERNEL: 5}


@pytest.mark.parametrize(
    "choices",
    [
        pytest.param({"n": 3, "x": 0.25}, id="right"),
        pytest.param({"n": 4, "x": 0.25}, id="between the steps of integers"),
        pytest.param({"n": 9, "x": 0.25}, id="above"),
        pytest.param({"n": 3, "x": 0.3}, id="between the steps of numbers"),
        pytest.param({"n": 3, "x": True}, id="no number"),
        pytest.param({"n": 3}, id="one is missing"),
    ],
)
def test_carried_choices_that_are_wrong_are_found_anew(choices: dict[str, Any]) -> None:
    units, rate = Range(1, 5, 2, name="n"), Range(0.0, 0.5, 0.25, name="x")
    space = ArchitectureSpace((4,), [Layer("Dense", units), Layer("Dropout", rate)])
    built = space.suggest(FixedTrial({"n": 3, "x": 0.25}))

    assert space.choices_of(replace(built, choices=choices)) == {"n": 3, "x": 0.25}


def test_arithmetic_over_what_has_no_end_is_refused() -> None:
    rate = Expression("mul", (LogRange(1e-4, 1e-2), 2))
    space = ArchitectureSpace((4,), ["ReLU"], {"optimizer": Call("SGD", {"learning_rate": rate})})
    built = bare(space.sample_architecture(0))

    with pytest.raises(SpaceError, match="part of arithmetic and has no end"):
        space.choices_of(built)


def test_too_many_ways_are_given_up() -> None:
    space = ArchitectureSpace((4,), [Maybe("ReLU") for _ in range(40)])
    architecture = Architecture((4,), (*[relu()] * 20, LayerConfig("Flatten")))

    with pytest.raises(SpaceError, match="100,000 ways to read it were tried"):
        space.choices_of(architecture)


def test_a_value_in_steps_is_the_number_that_the_steps_write() -> None:
    space = ArchitectureSpace((4,), ["Flatten", Layer("Dropout", Range(0.1, 0.5, 0.1))])
    (name,) = space.sample_architecture(seed=0).choices
    summed = 0.1 + 2 * 0.1
    assert summed != 0.3

    architecture = space.suggest(FixedTrial({name: summed}))

    assert architecture.choices == {name: 0.3}
    assert "Dropout(0.3)" in architecture.to_source("pytorch")
    assert space.choices_of(architecture) == {name: 0.3}
    assert space.suggest(FixedTrial({name: 0.3})) == architecture
