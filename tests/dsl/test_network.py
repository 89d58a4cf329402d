from __future__ import annotations

import dataclasses
import json
import pickle

import pytest

from neural_automl.dsl import Network, is_text, parse
from neural_automl.exceptions import DSLError
from tests.dsl.texts import network

TEXT = """define Block(w) {
  Dense(w)
  ReLU
}
network Places {
  input: (8, 8, 3)
  let w = choice(8, 16)
  layers:
    Block(w)
    residual {
      Dense(3)
      maybe ReLU
    }
    choice { Flatten | Block(8) | {} }
    { ReLU } * 2
    { Dense(8) } * range(1, 2)
    parallel { { ReLU } { ReLU Flatten } }
    HPO(choice(ReLU, Flatten))
  loss: "mse"
  optimizer: Adam
  train { epochs: 3 }
  execute { device: "cpu" }
  constraints {
    macs <= 5M  params <= 1K
    params >= 3
  }
}
"""

POSITIONS = {
    (0,): (2, 3),
    (1,): (3, 3),
    (2,): (10, 5),
    (2, 0): (11, 7),
    (2, 1): (12, 7),
    (2, 1, 0): (12, 13),
    (3,): (14, 5),
    (3, 0): (14, 14),
    (3, 1): (2, 3),
    (3, 1, 0): (2, 3),
    (3, 1, 1): (3, 3),
    (3, 2): (14, 5),
    (4,): (15, 7),
    (5,): (15, 7),
    (6,): (16, 5),
    (6, 0): (16, 7),
    (7,): (17, 5),
    (7, 0): (17, 18),
    (7, 1): (17, 27),
    (7, 1, 0): (17, 27),
    (7, 1, 1): (17, 32),
    (8,): (18, 9),
    (8, 0): (18, 16),
    (8, 1): (18, 22),
}


def test_positions_of_layers() -> None:
    assert parse(TEXT).positions == POSITIONS


def test_positions_cover_every_layer() -> None:
    parsed = parse(TEXT)

    def keys(layers: list[dict[str, object]], above: tuple[int, ...]) -> list[tuple[int, ...]]:
        found = []
        for i, layer in enumerate(layers):
            below = layer["sublayers"]
            assert isinstance(below, list)
            found += [(*above, i), *keys(below, (*above, i))]
        return found

    assert sorted(parsed.positions) == sorted(keys(parsed.model["layers"], ()))


def test_positions_of_sections() -> None:
    assert parse(TEXT).sections == {
        "network": (5, 9),
        "input": (6, 3),
        "layers": (8, 3),
        "loss": (19, 3),
        "optimizer": (20, 3),
        "training": (21, 3),
        "execution": (22, 3),
        "constraints": (23, 3),
        "constraints.macs": (24, 5),
        "constraints.params": (24, 17),
    }


def test_an_error_found_later_shows_its_line() -> None:
    error = parse(TEXT).error("too small", (11, 7), "use padding")

    assert isinstance(error, DSLError)
    assert (error.line, error.column, error.hint) == (11, 7, "use padding")
    assert str(error) == ("11:7: too small\n          Dense(3)\n          ^\n    hint: use padding")


def test_an_error_without_a_place_is_reported_at_the_name_of_the_network() -> None:
    error = parse(TEXT).error("never", None)

    assert (error.line, error.column) == (5, 9)


def test_a_network_keeps_its_text() -> None:
    assert parse(TEXT).text == TEXT


def test_a_network_is_frozen_and_can_be_pickled() -> None:
    parsed = parse(TEXT)

    with pytest.raises(dataclasses.FrozenInstanceError):
        parsed.text = ""  # type: ignore[misc]
    assert pickle.loads(pickle.dumps(parsed)) == parsed
    assert isinstance(parsed, Network)


def test_errors_can_be_pickled() -> None:
    with pytest.raises(DSLError) as caught:
        parse(network("Dense(0) Foo"))

    copy = pickle.loads(pickle.dumps(caught.value))
    assert str(copy) == str(caught.value)


WARNINGS = [
    ("ReLU", ()),
    ('ReLU @ "cuda:0"', ('3:18: @ "cuda:0" is kept',)),
    ('ReLU @ "cuda" * 2 { Flatten } @ "cpu"', ('3:18: @ "cuda" is kept', '3:43: @ "cpu" is kept')),
    ('{ ReLU @ "mps" } * 3', ('3:20: @ "mps" is kept',)),
]


@pytest.mark.parametrize(("text", "expected"), WARNINGS, ids=[text for text, _ in WARNINGS])
def test_placement_is_warned_about(text: str, expected: tuple[str, ...]) -> None:
    warnings = parse(network(text)).warnings

    assert len(warnings) == len(expected)
    assert all(found.startswith(wanted) for found, wanted in zip(warnings, expected, strict=True))


def test_copies_in_the_dictionary_are_independent_objects() -> None:
    layers = parse(network("Conv2D(8, (3, choice(3, 5))) * 2")).model["layers"]
    layers[0]["params"]["kernel_size"][0] = 7

    assert layers[1]["params"]["kernel_size"][0] == 3


def test_open_values_are_json() -> None:
    parsed = parse(TEXT)

    assert json.loads(json.dumps(parsed.hpo_params)) == parsed.hpo_params


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("digits.neural", False),
        ("x" * 4096, False),
        ("", True),
        (" ", True),
        ("\0", True),
        ("x" * 4097, True),
        ("spaces/a b (c).neural", False),
        ("network X { }", True),
        ("network X\n", True),
        ("\n", True),
    ],
)
def test_what_is_a_text_and_what_a_path(text: str, expected: bool) -> None:
    assert is_text(text) is expected
