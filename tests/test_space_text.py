"""A space and its text: the same decisions, whichever way it came."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from optuna.trial import FixedTrial

from neural_automl.architecture_space import ArchitectureSpace, Call, Cell, Layer, Maybe
from neural_automl.dsl import parse
from neural_automl.exceptions import DSLError
from tests.strategies import spaces

TESTS = Path(__file__).parent
CASES: list[dict[str, Any]] = [
    case for case in json.loads((TESTS / "dsl_cases.json").read_text()) if "expected" in case
]
EXAMPLES = sorted((TESTS.parent / "examples").rglob("*.neural"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_a_space_decides_what_its_text_lists(case: dict[str, Any]) -> None:
    space = ArchitectureSpace.from_dict(parse(case["text"]).model)

    assert list(space.decisions()) == case["hpo_paths"]


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_reads_prints_and_reads_again(file: Path) -> None:
    space = ArchitectureSpace.from_dsl(file)

    text = space.to_dsl()

    assert ArchitectureSpace.from_dsl(text) == space
    assert ArchitectureSpace.from_dsl(text).to_dsl() == text
    assert list(space.decisions()) == [entry["path"] for entry in parse(text).hpo_params]
    assert space.sample_architecture(seed=0).cost.params > 0


@given(spaces())
def test_text_round_trip(space: ArchitectureSpace) -> None:
    text = space.to_dsl()
    network = parse(text)
    again = ArchitectureSpace.from_dict(network.model)

    assert again == space
    assert list(again.decisions()) == list(space.decisions())
    assert {entry["path"] for entry in network.hpo_params} == set(space.decisions())


@given(spaces())
def test_architecture_to_text(space: ArchitectureSpace) -> None:
    architecture = space.sample_architecture(seed=1, feasible=False)

    fixed = ArchitectureSpace.from_dict(parse(architecture.to_dsl()).model)

    assert fixed.get_search_space_size() == 1
    assert fixed.sample_architecture(feasible=False) == architecture


def test_an_open_argument_is_one_choice_a_call_and_a_copy() -> None:
    space = ArchitectureSpace.from_dsl(
        """
        define Block(w) { Dense(w) Dense(w) }
        network N {
          input: (4,)
          layers:
            { Block(choice(8, 16)) } * range(1, 2)
            { { Block(choice(8, 16)) } * range(1, 2) Block(choice(2, 4)) } * range(1, 2)
        }
        """
    )

    assert list(space.decisions()) == [
        "layers[0].repeat",
        "layers[0][0][0].Dense.units",
        "layers[0][1][0].Dense.units",
        "layers[1].repeat",
        "layers[1][0][0].repeat",
        "layers[1][0][0][0][0].Dense.units",
        "layers[1][0][0][1][0].Dense.units",
        "layers[1][0][1].Dense.units",
        "layers[1][1][0].repeat",
        "layers[1][1][0][0][0].Dense.units",
        "layers[1][1][0][1][0].Dense.units",
        "layers[1][1][1].Dense.units",
    ]
    assert space.get_search_space_size() == (2 + 4) * (12 + 12**2)
    for seed in range(5):
        layers = space.sample_architecture(seed=seed).layers
        widths = [layer.params["units"] for layer in layers]
        assert widths[0::2] == widths[1::2]


@pytest.mark.parametrize(
    ("layers", "line", "column", "message"),
    [
        ("Flatten() Conv2D(3, 3)", 1, 48, "needs an input of shape (height, width, channels)"),
        ("Conv2D(3, 9)", 1, 38, "a window of 9 does not fit into 8"),
        ("Conv2D(3, 3) { MaxPooling2D(2) } * range(3, 4)", 1, 53, "does not fit"),
        ("residual { Flatten() }", 1, 38, "can't add"),
        ("choice { Conv2D(3, 9) | Conv2D(3, 11) }", 1, 47, "does not fit"),
    ],
    ids=["rank", "window", "repeat", "residual", "choice"],
)
def test_a_shape_that_never_follows_is_said_at_its_layer(
    layers: str, line: int, column: int, message: str
) -> None:
    text = f"network N {{ input: (8, 8, 1) layers: {layers} }}"

    with pytest.raises(DSLError) as raised:
        ArchitectureSpace.from_dsl(text)

    assert message in raised.value.message
    assert (raised.value.line, raised.value.column) == (line, column)


def test_a_limit_that_nothing_meets_is_said_at_the_constraints() -> None:
    text = "network N { input: (8,)\n layers: Dense(10)\n constraints { params <= 10 } }"

    with pytest.raises(DSLError, match="no architecture meets params <= 10") as raised:
        ArchitectureSpace.from_dsl(text)

    assert raised.value.line == 3


def test_what_has_no_effect_is_warned_about() -> None:
    with pytest.warns(UserWarning, match="placement is the executor's"):
        ArchitectureSpace.from_dsl('network N { input: (4,) layers: Dense(3) @ "cpu" }')


@pytest.mark.parametrize("layers", [[], [Maybe("ReLU")]], ids=["no layer", "none chosen"])
def test_a_network_of_no_layer_reads_back(layers: list[Any]) -> None:
    space = ArchitectureSpace((4,), layers)
    architecture = space.suggest(FixedTrial({"layers[0].maybe": False}))

    assert ArchitectureSpace.from_dsl(space.to_dsl()) == space
    assert "  layers:\n    {}\n" in architecture.to_dsl()
    assert ArchitectureSpace.from_dsl(architecture.to_dsl()).sample_architecture() == architecture


@pytest.mark.parametrize(
    "layer",
    [
        Layer("ResidualConnection", body=[Maybe("ReLU")]),
        Layer("TransformerEncoder", 2, 8, body=[Maybe("ReLU")]),
    ],
    ids=lambda layer: layer.type,
)
def test_a_block_that_comes_out_empty_reads_back_as_the_identity(layer: Layer) -> None:
    space = ArchitectureSpace((6, 4), [layer])
    architecture = space.suggest(FixedTrial({"layers[0][0].maybe": False}))
    again = ArchitectureSpace.from_dsl(architecture.to_dsl()).sample_architecture()

    assert again == architecture
    assert again.cost == architecture.cost
    assert again.key == architecture.key


def test_the_outline_is_in_words_of_the_language() -> None:
    space = ArchitectureSpace(
        (4,),
        [Maybe("ReLU", device="cpu"), Cell(2, ["none", Call("Dropout", {"rate": 0.5})], name="c")],
    )

    summary = space.describe(samples=1)

    assert [line.label for line in summary.outline] == [
        'maybe @ "cpu"',
        "cell(nodes=2, operations=[none, Dropout(rate=0.5)]) 'c'",
    ]
    assert summary.decisions["layers[0].maybe"] == "false | true"


def test_what_has_no_effect_is_printed_back() -> None:
    text = 'network N {\n  input: (4,)\n  layers:\n    Dense(3) @ "cpu"\n}\n'

    with pytest.warns(UserWarning, match="kept but not obeyed"):
        space = ArchitectureSpace.from_dsl(text)

    assert space.to_dsl() == text
