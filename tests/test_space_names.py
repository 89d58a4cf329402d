"""The names of a space's decisions, what shares one, and the order of what is added."""

from __future__ import annotations

from typing import Any

import pytest

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
    Range,
    Repeat,
    Residual,
)
from neural_automl.exceptions import SpaceError
from tests.enumeration import RecordingTrial, enumerate_points

AB = Choice(1, 2)
DENSE = Layer("Dense", AB)

#: Layers, and the names of everything that can be decided, in order.
NAMES: dict[str, tuple[list[Any], list[str]]] = {
    "value": ([DENSE], ["layers[0].Dense.units"]),
    "second layer": (["ReLU", DENSE], ["layers[1].Dense.units"]),
    "alias": ([Layer("conv_3x3", filters=AB)], ["layers[0].conv_3x3.filters"]),
    "nested value": (
        [Layer("Dense", Choice(Range(1, 2), Choice(5, Range(6, 7)), 9))],
        [
            "layers[0].Dense.units",
            "layers[0].Dense.units[0]",
            "layers[0].Dense.units[1]",
            "layers[0].Dense.units[1][1]",
        ],
    ),
    "tuple": (
        [Layer("Conv2D", 1, (AB, 3), strides=(AB, Choice(1, 3)))],
        [
            "layers[0].Conv2D.kernel_size[0]",
            "layers[0].Conv2D.strides[0]",
            "layers[0].Conv2D.strides[1]",
        ],
    ),
    "tuple in a choice": (
        [Layer("Conv2D", 1, Choice((1, 1), (AB, 3)))],
        ["layers[0].Conv2D.kernel_size", "layers[0].Conv2D.kernel_size[1][0]"],
    ),
    "one operand": ([Layer("Dense", Expression("mul", (AB, 8)))], ["layers[0].Dense.units"]),
    "two operands": (
        [Layer("Dense", Expression("mul", (AB, AB)))],
        ["layers[0].Dense.units[0]", "layers[0].Dense.units[1]"],
    ),
    "two operands, one tied": (
        [Layer("Dense", Expression("mul", (Choice(1, 2, name="w"), AB)))],
        ["w", "layers[0].Dense.units"],
    ),
    "choice": (
        [LayerChoice([DENSE, ["ReLU", DENSE], []])],
        ["layers[0].choice", "layers[0][0].Dense.units", "layers[0][1][1].Dense.units"],
    ),
    "choice of structures": (
        [LayerChoice([Residual(DENSE), Maybe(DENSE), Repeat(DENSE, AB)])],
        [
            "layers[0].choice",
            "layers[0][0][0].Dense.units",
            "layers[0][1].maybe",
            "layers[0][1][0].Dense.units",
            "layers[0][2].repeat",
            "layers[0][2][0][0].Dense.units",
            "layers[0][2][1][0].Dense.units",
        ],
    ),
    "maybe": (
        [Maybe(["ReLU", DENSE])],
        ["layers[0].maybe", "layers[0][1].Dense.units"],
    ),
    "residual": (
        [Residual(["ReLU", DENSE], projection="none")],
        ["layers[0][1].Dense.units"],
    ),
    "parallel": (
        [Parallel([DENSE, ["ReLU", DENSE]], merge="add")],
        ["layers[0][0].Dense.units", "layers[0][1][1].Dense.units"],
    ),
    "open repetition": (
        [Repeat(["ReLU", DENSE], Range(0, 2))],
        ["layers[0].repeat", "layers[0][0][1].Dense.units", "layers[0][1][1].Dense.units"],
    ),
    "fixed repetition is spliced": (
        ["ReLU", Repeat(["ReLU", DENSE], 2), DENSE],
        ["layers[2].Dense.units", "layers[4].Dense.units", "layers[5].Dense.units"],
    ),
    "fixed repetition in a branch": (
        [Parallel([Repeat(DENSE, 2), []])],
        ["layers[0][0][0].Dense.units", "layers[0][0][1].Dense.units"],
    ),
    "cell": (
        ["ReLU", Cell(3, ["none", "skip_connect"])],
        ["layers[1].edge_0_1", "layers[1].edge_0_2", "layers[1].edge_1_2"],
    ),
    "named cell": ([Cell(2, ["none", "skip_connect"], name="c")] * 2, ["c.edge_0_1"]),
    "tied value": ([Layer("Dense", Choice(1, 2, name="let.w"))] * 2, ["let.w"]),
    "tied conditional value": (
        [Layer("Dense", Choice(Range(1, 2), 5, name="w"))] * 2,
        ["w", "w[0]"],
    ),
    "tied choice": (
        [LayerChoice([DENSE, []], name="op")] * 2,
        ["op", "layers[0][0].Dense.units", "layers[1][0].Dense.units"],
    ),
    "tied maybe": ([Maybe("ReLU", name="d")] * 2, ["d"]),
    "tied depth": (
        [Repeat(DENSE, Range(1, 2, name="depth"))] * 2,
        [
            "depth",
            *[f"layers[{i}][{copy}][0].Dense.units" for i in range(2) for copy in range(2)],
        ],
    ),
    "shared, fixed": (
        ["ReLU", Repeat(["ReLU", DENSE], 2, shared=True)],
        ["layers[2].Dense.units"],
    ),
    "shared, open": (
        [Repeat(DENSE, Range(1, 3), shared=True)],
        ["layers[0].repeat", "layers[0][0][0].Dense.units"],
    ),
    "shared, with everything": (
        [
            Repeat(
                [
                    Layer("Dense", Expression("add", (AB, AB))),
                    LayerChoice([DENSE, []]),
                    Maybe(Layer("Conv2D", 1, (AB, 1))),
                    Cell(2, ["none", "skip_connect"]),
                    Repeat(DENSE, Range(1, 2)),
                ],
                2,
                shared=True,
            )
        ],
        [
            "layers[0].Dense.units[0]",
            "layers[0].Dense.units[1]",
            "layers[1].choice",
            "layers[1][0].Dense.units",
            "layers[2].maybe",
            "layers[2][0].Conv2D.kernel_size[0]",
            "layers[3].edge_0_1",
            "layers[4].repeat",
            "layers[4][0][0].Dense.units",
        ],
    ),
    "shared in a fixed repetition": (
        [Repeat(Repeat(DENSE, 2, shared=True), 2)],
        ["layers[0].Dense.units", "layers[2].Dense.units"],
    ),
    "shared in a shared one": (
        [Repeat(Repeat(DENSE, Range(1, 2), shared=True), Range(1, 2), shared=True)],
        ["layers[0].repeat", "layers[0][0][0].repeat", "layers[0][0][0][0][0].Dense.units"],
    ),
}


@pytest.mark.parametrize(("layers", "names"), NAMES.values(), ids=NAMES)
def test_layers_name_their_decisions(layers: list[Any], names: list[str]) -> None:
    space = ArchitectureSpace((4, 4, 2), layers)

    assert list(space.decisions()) == names
    seen = {name for point in enumerate_points(space) for name in point.offers}
    assert seen == set(names)


TRAINING: dict[str, tuple[dict[str, Any], list[str]]] = {
    "loss": ({"loss": Choice("mse", "mae")}, ["loss"]),
    "optimizer": (
        {"optimizer": {"type": "adam", "params": {"learning_rate": LogRange(0.1, 1.0)}}},
        ["optimizer.learning_rate"],
    ),
    "optimizer by path": (
        {"optimizer": "SGD", "optimizer.momentum": Choice(0.0, 0.9)},
        ["optimizer.momentum"],
    ),
    "schedule": (
        {"optimizer.learning_rate": Call("CosineDecay", {"initial_learning_rate": AB})},
        ["optimizer.learning_rate.initial_learning_rate"],
    ),
    "a choice of schedules": (
        {
            "optimizer.learning_rate": Choice(
                Call("CosineDecay", {"initial_learning_rate": 1}),
                Call("CosineDecay", {"initial_learning_rate": AB}),
            )
        },
        ["optimizer.learning_rate", "optimizer.learning_rate[1].initial_learning_rate"],
    ),
    "training": (
        {"training": {"epochs": Range(1, 3), "batch_size": Choice(8, 16)}},
        ["training.epochs", "training.batch_size"],
    ),
    "arithmetic": (
        {"training.batch_size": Expression("mul", (Range(1, 2), 8))},
        ["training.batch_size"],
    ),
}


@pytest.mark.parametrize(("hyperparameters", "names"), TRAINING.values(), ids=TRAINING)
def test_training_names_its_decisions(hyperparameters: dict[str, Any], names: list[str]) -> None:
    space = ArchitectureSpace((4,), [], hyperparameters)

    assert list(space.decisions()) == names
    architecture = space.sample_architecture(0)
    assert set(architecture.choices) <= set(names)
    assert ArchitectureSpace.from_dict(space.to_dict()) == space


# --- what bears one name -------------------------------------------------------------------------

W = Choice(1, 2, name="w")


def test_a_tie_is_one_decision_wherever_it_stands() -> None:
    space = ArchitectureSpace(
        (4,),
        [Layer("Dense", W), Layer("Dense", Expression("mul", (W, 8)))],
        {"training": {"epochs": W, "patience": Choice(Expression("add", (W, 1)), None)}},
    )

    points = [point.architecture for point in enumerate_points(space)]

    assert space.get_search_space_size() == len(points) == 4
    assert {
        (
            point.layers[0].params["units"],
            point.layers[1].params["units"],
            point.training["epochs"],
            point.training["patience"],
        )
        for point in points
    } == {(1, 8, 1, 2), (1, 8, 1, None), (2, 16, 2, 3), (2, 16, 2, None)}


UNEQUAL: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "other values": (
        [Layer("Dense", W), Layer("Dense", Choice(1, 3, name="w"))],
        {},
        r"'w' must offer the same but one offers choice\(1, 2\) and another choice\(1, 3\)",
    ),
    "other order": (
        [Layer("Dense", W), Layer("Dense", Choice(2, 1, name="w"))],
        {},
        "'w' must offer the same",
    ),
    "other kind": (
        [Layer("Dense", W), Layer("Dense", Range(1, 2, name="w"))],
        {},
        r"'w' must offer the same but one offers choice\(1, 2\) and another range\(1, 2\)",
    ),
    "integers and floats": (
        [
            Layer("Dense", Range(1, 2, name="w")),
            Layer("GroupNormalization", 1, Range(1.0, 2.0, name="w")),
        ],
        {},
        r"'w' must offer the same but one offers range\(1, 2\) and another range\(1.0, 2.0\)",
    ),
    "in a choice": (
        [
            Layer("Dense", Choice(Range(1, 2), 5, name="w")),
            Layer("GroupNormalization", 1, Choice(Range(1.0, 2.0), 5, name="w")),
        ],
        {},
        "'w' must offer the same",
    ),
    "a value and a structure": (
        [Layer("Dense", W), Maybe("ReLU", name="w")],
        {},
        r"'w' must offer the same but one offers choice\(1, 2\) and another false \| true",
    ),
    "other labels": (
        [LayerChoice(["ReLU", []], name="op"), LayerChoice(["Flatten", []], name="op")],
        {},
        r"'op' must offer the same but one offers ReLU \| block and another Flatten \| block",
    ),
    "other cells": (
        [Cell(2, ["none"], name="c"), Cell(3, ["none", "skip_connect"], name="c")],
        {},
        "'c.edge_0_1' must offer the same but one offers none and another none | skip_connect",
    ),
    "layers and training": (
        [Layer("Dense", W)],
        {"training.epochs": Choice(1, 3, name="w")},
        "'w' must offer the same",
    ),
    "the path of a value": (
        [DENSE, Layer("Dense", Choice(1, 2, name="layers[0].Dense.units"))],
        {},
        r"the name 'layers\[0\].Dense.units' is the path of another decision",
    ),
    "the path of a later value": (
        [Layer("Dense", Choice(1, 2, name="layers[1].Dense.units")), DENSE],
        {},
        r"the name 'layers\[1\].Dense.units' is the path of another decision",
    ),
    "the path of a choice": (
        [LayerChoice(["ReLU", []]), LayerChoice(["ReLU", []], name="layers[0].choice")],
        {},
        r"the name 'layers\[0\].choice' is the path of another decision",
    ),
    "the path of a cell": (
        [Cell(2, ["none"]), Cell(2, ["none"], name="layers[0]")],
        {},
        r"the name 'layers\[0\].edge_0_1' is the path of another decision",
    ),
    "the path of training": (
        [Layer("Dense", Choice(8, 16, name="training.batch_size"))],
        {"training.batch_size": Choice(8, 16)},
        "the name 'training.batch_size' is the path of another decision",
    ),
    "shared in one that is not": (
        [Repeat(["ReLU", Repeat(DENSE, 2, shared=True)], Range(1, 2))],
        {},
        "a shared repetition can't stand in a repetition of open count that is not",
    ),
}


@pytest.mark.parametrize(("layers", "training", "message"), UNEQUAL.values(), ids=UNEQUAL)
def test_what_bears_one_name_must_be_one_decision(
    layers: list[Any], training: dict[str, Any], message: str
) -> None:
    with pytest.raises(SpaceError, match=message):
        ArchitectureSpace((4, 4, 2), layers, training)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Choice(1, 2, name="w"), Choice(1.0, 2.0, name="w")),
        (Choice(None, 2, name="w"), Choice(None, 2, name="w")),
        (LogRange(1, 4, name="w"), LogRange(1, 4, name="w")),
    ],
    ids=["integral floats", "none", "log"],
)
def test_equal_offers_may_bear_one_name(one: Any, other: Any) -> None:
    space = ArchitectureSpace((4, 4, 2), [Layer("SepConv", one), Layer("ConvBN", other)])

    assert list(space.decisions()) == ["w"]


def test_a_name_may_be_that_of_what_shares_it() -> None:
    # As text of a shared repetition is read back: the tie is named by the first copy's path.
    tied = Layer("Dense", Choice(1, 2, name="layers[0].Dense.units"))

    assert ArchitectureSpace((4,), [tied, tied]) == ArchitectureSpace(
        (4,), [Repeat(DENSE, 2, shared=True)]
    )


# --- building up ---------------------------------------------------------------------------------


def test_what_is_added_keeps_its_order() -> None:
    space = ArchitectureSpace((4, 4, 2), ["ReLU"])
    space.add_layer_choice([Layer("Conv2D", 4, 1), "BatchNormalization"], name="op")
    space.add_fixed_layer(["Flatten", Layer("Dense", AB)])
    space.add_layer_choice(LayerChoice([[], "ReLU"]))
    space.add_fixed_layer("ReLU")
    space.add_hyperparameter("training.epochs", Range(1, 3))
    space.add_hyperparameter("optimizer", "SGD")
    space.add_hyperparameter("optimizer.learning_rate", LogRange(0.1, 1.0))
    space.add_hyperparameter("loss", "sparse_categorical_crossentropy")
    space.add_hyperparameter("execution.device", "cuda:1")
    space.add_constraint("params", 1000)
    space.add_constraint("depth", 1, ">=")

    assert [node["type"] for node in space.to_dict()["layers"]] == [
        *("ReLU", "choice", "Flatten", "Dense", "choice", "ReLU"),
    ]
    assert list(space.decisions()) == [
        *("op", "layers[3].Dense.units", "layers[4].choice"),
        *("optimizer.learning_rate", "training.epochs"),
    ]
    assert space.hyperparameters == {
        "loss": "cross_entropy",
        "optimizer": Call("SGD", {"learning_rate": LogRange(0.1, 1.0)}),
        "training": {"epochs": Range(1, 3)},
        "execution": {"device": "cuda:1"},
    }
    assert [str(limit) for limit in space.constraints] == ["params <= 1,000", "depth >= 1"]


def test_what_cannot_be_added_changes_nothing() -> None:
    space = ArchitectureSpace((4,), [Layer("Dense", W)])
    before = space.to_dict()
    other = Choice(7, 8, name="w")
    attempts: list[Any] = [
        lambda: space.add_fixed_layer(Layer("Dense", other)),
        lambda: space.add_layer_choice([Layer("Dense", other), []]),
        lambda: space.add_layer_choice([]),
        lambda: space.add_hyperparameter("training.epochs", other),
        lambda: space.add_hyperparameter("training.epoch", 3),
        lambda: space.add_constraint("parms", 3),
    ]

    for attempt in attempts:
        with pytest.raises(SpaceError):
            attempt()

    assert space.to_dict() == before


def test_what_a_space_gives_away_is_not_its_own() -> None:
    space = ArchitectureSpace((4,), [DENSE], {"training": {"epochs": 3}})
    before = space.to_dict()

    space.hyperparameters["training"]["epochs"] = 5
    space.to_dict()["layers"].clear()
    space.decisions().clear()

    assert space.to_dict() == before


def test_layer_choices_come_before_fixed_layers() -> None:
    space = ArchitectureSpace(
        input_shape=(4, 4, 2),
        layer_choices=[LayerChoice(["ReLU", []]), LayerChoice(["BatchNormalization", "ReLU"])],
        fixed_layers=[
            {"type": "Flatten", "params": {}},
            {"type": "Dense", "params": {"units": 3, "activation": "softmax"}, "sublayers": []},
        ],
        hyperparameters={"training": {"batch_size": Choice(8, 16)}},
        constraints={"params": 1000},
    )

    assert [type(node).__name__ for node in space.nodes] == [
        *("LayerChoice", "LayerChoice", "Layer", "Layer"),
    ]
    assert space.get_search_space_size() == 8


def test_spaces_are_equal_where_their_dictionaries_are() -> None:
    one = ArchitectureSpace((4,), [DENSE])
    same = ArchitectureSpace([None, 4], [{"type": "Dense", "params": {"units": AB.to_plain()}}])  # type: ignore[arg-type]
    other = ArchitectureSpace((4,), [Layer("Dense", Choice(1, 3))])

    assert one == same
    assert hash(one) == hash(same)
    assert one != other
    assert one != "a space"
    assert repr(one) == "ArchitectureSpace('Network', input_shape=(4,), 1 layers, 2 configurations)"
    assert one.longest_training() == 10


@pytest.mark.parametrize(
    ("epochs", "longest"),
    [
        (7, 7),
        (Choice(3, 9, 5), 9),
        (Choice(Range(1, 4), 2), 4),
        (LogRange(1, 30), 30),
        (Expression("mul", (Choice(2, 3), Choice(1, 5))), 15),
    ],
)
def test_longest_training_is_the_most_epochs(epochs: Any, longest: int) -> None:
    space = ArchitectureSpace((4,), [], {"training.epochs": epochs})

    assert space.longest_training() == longest


# --- widths of earlier layers --------------------------------------------------------------------


def far(back: int, up: int = 0, factor: int = 1) -> Layer:
    return Layer("Dense", Expression("mul", (Expression("channels", (back, up)), factor)))


FAR: dict[str, tuple[list[Any], list[list[int]]]] = {
    # From a width of 4; each list is the widths of the dense layers of one point.
    "two layers back": ([Layer("Dense", 5), Layer("Dense", 6), far(1)], [[5, 6, 5]]),
    "the network's input": ([Layer("Dense", 5), "ReLU", far(2)], [[5, 4]]),
    "past what a maybe holds": (
        [Maybe([Layer("Dense", 5), Layer("Dense", 6)]), Layer("Dense", 7), far(1)],
        [[7, 4], [5, 6, 7, 6]],
    ),
    "past copies": (
        [Repeat(Layer("Dense", 5), Choice(0, 3)), Layer("Dense", 7), far(2)],
        [[7, 4], [5, 5, 5, 7, 4]],
    ),
    "out of a repetition": (
        [Layer("Dense", 5), Repeat(["ReLU", far(1, 1, 2)], Choice(1, 2))],
        [[5, 8], [5, 8, 8]],
    ),
    "out of a choice": ([Layer("Dense", 5), LayerChoice([far(1, 1), []])], [[5, 4], [5]]),
    "out of a residual": ([Layer("Dense", 5), Residual(["ReLU", far(1, 1)])], [[5, 4]]),
    "within a residual": ([Residual([Layer("Dense", 5), "ReLU", far(1)])], [[5, 5]]),
    "out of a branch of several layers": (
        [Layer("Dense", 5), Parallel([["ReLU", far(1, 1)], far(1, 1)])],
        [[5, 4, 4]],
    ),
    "two structures out": (
        [Layer("Dense", 5), Residual(["ReLU", LayerChoice([["ReLU", far(1, 2)], []])])],
        [[5, 4], [5]],
    ),
}


@pytest.mark.parametrize(("layers", "widths"), FAR.values(), ids=FAR)
def test_channels_may_be_those_of_an_earlier_layer(
    layers: list[Any], widths: list[list[int]]
) -> None:
    space = ArchitectureSpace((4,), layers)
    space.check()

    found = []
    for point in enumerate_points(space):
        again = type(point.architecture).from_dict(point.architecture.to_dict())
        assert again.graph == point.architecture.graph
        nodes = again.graph.nodes
        # A projection has no bias: it is not a layer of the text.
        found.append([n.shape[-1] for n in nodes if n.op == "Dense" and n.attributes[1]])

    assert found == widths


def test_channels_before_the_first_layer_are_an_error() -> None:
    space = ArchitectureSpace((4,), ["ReLU", far(2)])

    with pytest.raises(SpaceError, match=r"channels\(2, 0\) goes back further than"):
        space.suggest(RecordingTrial([]))
    space.check()
