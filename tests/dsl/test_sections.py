from __future__ import annotations

from typing import Any

import pytest

from neural_automl.dsl import parse
from neural_automl.hyperparameters import OPTIMIZERS
from tests.dsl.texts import between, choice, network, paths_of

SECTIONS: list[tuple[str, str, Any]] = [
    ('loss: "mse"', "loss", "mse"),
    ("loss: mse", "loss", "mse"),
    ("loss: 'sparse_categorical_crossentropy'", "loss", "sparse_categorical_crossentropy"),
    ('let l = "mae" loss: l', "loss", "mae"),
    ("optimizer: Adam", "optimizer", {"type": "Adam", "params": {}}),
    ("optimizer: Adam()", "optimizer", {"type": "Adam", "params": {}}),
    ('optimizer: "adam"', "optimizer", {"type": "Adam", "params": {}}),
    ('optimizer: " ADAM "', "optimizer", {"type": "Adam", "params": {}}),
    ('let o = "sgd" optimizer: o', "optimizer", {"type": "SGD", "params": {}}),
    (
        "optimizer: SGD(0.1, momentum=0.9)",
        "optimizer",
        {"type": "SGD", "params": {"learning_rate": 0.1, "momentum": 0.9}},
    ),
    (
        'optimizer: "sgd(0.1, nesterov=true)"',
        "optimizer",
        {"type": "SGD", "params": {"learning_rate": 0.1, "nesterov": True}},
    ),
    (
        "optimizer: Adam(log_range(1e-4, 1e-2))",
        "optimizer",
        {
            "type": "Adam",
            "params": {"learning_rate": {"hpo": {"type": "log_range", "low": 1e-4, "high": 1e-2}}},
        },
    ),
    (
        "optimizer: SGD(CosineDecay(0.1))",
        "optimizer",
        {
            "type": "SGD",
            "params": {
                "learning_rate": {
                    "type": "CosineDecay",
                    "params": {"initial_learning_rate": 0.1},
                }
            },
        },
    ),
    (
        "let s = CosineDecay(0.1, alpha=choice(0, 0.1)) optimizer: SGD(s)",
        "optimizer",
        {
            "type": "SGD",
            "params": {
                "learning_rate": {
                    "type": "CosineDecay",
                    "params": {"initial_learning_rate": 0.1, "alpha": choice(0, 0.1)},
                }
            },
        },
    ),
    ("train { epochs: 5 batch_size: 16 }", "training", {"epochs": 5, "batch_size": 16}),
    ("train {}", "training", {}),
    ("train { epochs: 1e1 }", "training", {"epochs": 10}),
    (
        "train { patience: none, gradient_clip: 1 }",
        "training",
        {"patience": None, "gradient_clip": 1},
    ),
    ('train { search_method: "bayesian" }', "training", {"search_method": "bayesian"}),
    ("train { validation_split: 0.25 }", "training", {"validation_split": 0.25}),
    (
        "train { batch_size: range(8, 32, step=8) }",
        "training",
        {"batch_size": between(8, 32, step=8)},
    ),
    ('execution { device: "auto" }', "execution", {"device": "auto"}),
    ('execute { device: "cuda:1" }', "execution", {"device": "cuda:1"}),
    (
        "constraints { params <= 1M macs < 5e7 peak_memory <= 16MB; depth >= 2, flops > 2 * 10 }",
        "constraints",
        [
            {"metric": "params", "op": "<=", "limit": 1_000_000},
            {"metric": "macs", "op": "<", "limit": 50_000_000},
            {"metric": "peak_memory", "op": "<=", "limit": 16 * 2**20},
            {"metric": "depth", "op": ">=", "limit": 2},
            {"metric": "flops", "op": ">", "limit": 20},
        ],
    ),
    (
        "constraints { params <= 2M params >= 1M }",
        "constraints",
        [
            {"metric": "params", "op": "<=", "limit": 2_000_000},
            {"metric": "params", "op": ">=", "limit": 1_000_000},
        ],
    ),
    (
        "let m = 5K constraints { params <= m }",
        "constraints",
        [{"metric": "params", "op": "<=", "limit": 5000}],
    ),
    ("constraints {}", "constraints", []),
]


@pytest.mark.parametrize(("text", "key", "expected"), SECTIONS, ids=[row[0] for row in SECTIONS])
def test_sections(text: str, key: str, expected: Any) -> None:
    assert parse(network(rest=text)).model[key] == expected


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_may_be_quoted_in_lower_case(name: str) -> None:
    optimizer = parse(network(rest=f'optimizer: "{name.lower()}"')).model["optimizer"]

    assert optimizer == {"type": name, "params": {}}


SHAPES: list[tuple[str, list[int | None]]] = [
    ("(8, 8, 3)", [8, 8, 3]),
    ("(8,)", [8]),
    ("[8]", [8]),
    ("(None, 8, 3)", [None, 8, 3]),
    ("(none, 8)", [None, 8]),
    ("(2 * 4, 8.0)", [8, 8]),
    ("(1, 2, 3, 4, 5, 6)", [1, 2, 3, 4, 5, 6]),
]


@pytest.mark.parametrize(("text", "shape"), SHAPES, ids=[text for text, _ in SHAPES])
def test_input_shapes(text: str, shape: list[int | None]) -> None:
    model = parse(f"network X {{ input: {text} layers: ReLU }}").model

    assert model["input"] == {"shape": shape}


def test_an_input_size_may_come_from_a_let() -> None:
    model = parse("network X { let n = 8 input: (n, n * 2) layers: ReLU }").model

    assert model["input"] == {"shape": [8, 16]}


def test_sections_may_stand_in_any_order() -> None:
    text = (
        "network X { train { epochs: 3 } constraints { params <= 9 } optimizer: Adam "
        'loss: "mse" layers: ReLU execution { device: "cpu" } input: (8,) }'
    )

    assert list(parse(text).model) == [
        "name",
        "input",
        "layers",
        "loss",
        "optimizer",
        "training",
        "execution",
        "constraints",
    ]


def test_sections_that_were_not_given_are_absent() -> None:
    assert list(parse(network()).model) == ["name", "input", "layers"]


def test_open_values_of_sections_come_after_those_of_layers() -> None:
    text = network(
        "Dense(choice(1, 2))",
        rest="train { epochs: range(1, 3) }\n"
        "optimizer: SGD(ExponentialDecay(choice(0.1, 0.2), 10, 0.9), momentum=choice(0.0, 0.9))\n",
    )

    assert paths_of(parse(text)) == [
        "layers[0].Dense.units",
        "optimizer.learning_rate.initial_learning_rate",
        "optimizer.momentum",
        "training.epochs",
    ]
