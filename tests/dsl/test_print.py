from __future__ import annotations

from typing import Any

import pytest

from neural_automl.dsl import parse, print_network
from tests.dsl.test_layers import LAYERS
from tests.dsl.test_macros import LETS, MACROS
from tests.dsl.test_sections import SECTIONS
from tests.dsl.test_values import RATES, UNITS
from tests.dsl.texts import between, choice, expr, layer, network

RELU = layer("ReLU")
FLATTEN = layer("Flatten")


def model(*layers: dict[str, Any], **sections: Any) -> dict[str, Any]:
    """Return a network in the dictionary form."""
    return {"name": "X", "input": {"shape": [8, 8, 3]}, "layers": list(layers), **sections}


def printed(*layers: dict[str, Any]) -> str:
    """Return the lines printed for layers, without indentation of the section."""
    lines = print_network(model(*layers)).split("\n")
    start = lines.index("  layers:")
    return "\n".join(line[4:] for line in lines[start + 1 : -2])


PRINTED: list[tuple[dict[str, Any], str]] = [
    (layer("ReLU"), "ReLU()"),
    (layer("Dense", units=3), "Dense(3)"),
    (layer("Dense", units=3, use_bias=False), "Dense(3, use_bias=false)"),
    (layer("Dense", activation=None, units=3), "Dense(3, activation=none)"),
    (layer("Conv2D", filters=8, kernel_size=[3, 3]), "Conv2D(8, (3, 3))"),
    (layer("Conv2D", kernel_size=3, filters=8, padding="same"), 'Conv2D(8, 3, padding="same")'),
    (layer("Reshape", shape=[3]), "Reshape((3,))"),
    (layer("MaxPooling2D", pool_size=2), "MaxPooling2D(pool_size=2)"),
    (layer("conv_3x3", filters=8), "conv_3x3(filters=8)"),
    (layer("Dropout", rate=1e-05), "Dropout(1e-05)"),
    (layer("Dense", units=choice(8, 16)), "Dense(choice(8, 16))"),
    (layer("Dense", units=between(8, 16)), "Dense(range(8, 16))"),
    (layer("Dense", units=between(8, 16, step=4)), "Dense(range(8, 16, step=4))"),
    (
        layer("Dense", units={"hpo": {"type": "log_range", "low": 1, "high": 9, "name": "u"}}),
        'Dense(log_range(1, 9, name="u"))',
    ),
    (layer("Dense", units=choice(8, 16, name="k")), 'Dense(choice(8, 16, name="k"))'),
    (layer("Dense", units=choice(8, 16, name="let.a b")), 'Dense(choice(8, 16, name="let.a b"))'),
    (
        layer("Dense", units=choice(8, 16, name="let.Dense")),
        'Dense(choice(8, 16, name="let.Dense"))',
    ),
    (layer("Dense", units=choice(8, 16, name="let.w[0]")), 'Dense(choice(8, 16, name="let.w[0]"))'),
    (layer("Dense", units=expr("channels")), "Dense(channels)"),
    (layer("Dense", units=expr("channels", 1, 0)), "Dense(channels(1, 0))"),
    (layer("Dense", units=expr("mul", "channels", 2)), "Dense(channels * 2)"),
    (
        layer("Dense", units=expr("mul", expr("add", "channels", 2), 3)),
        "Dense((channels + 2) * 3)",
    ),
    (
        layer("Dense", units=expr("add", expr("add", "channels", 2), 3)),
        "Dense(channels + 2 + 3)",
    ),
    (
        layer("Dense", units=expr("add", 3, expr("add", "channels", 2))),
        "Dense(3 + (channels + 2))",
    ),
    (
        layer("Dense", units=expr("sub", 99, expr("mul", "channels", 2))),
        "Dense(99 - channels * 2)",
    ),
    (
        layer("Dense", units=expr("sub", 99, expr("neg", expr("add", "channels", -2)))),
        "Dense(99 - -(channels + -2))",
    ),
    (
        layer("Dense", units=expr("div", "channels", expr("mul", choice(1, 2), 2))),
        "Dense(channels / (choice(1, 2) * 2))",
    ),
    (layer("residual", RELU) | {"type": "ResidualConnection"}, "residual { ReLU() }"),
    (
        layer("ResidualConnection", RELU, FLATTEN, projection="none"),
        'residual(projection="none") {\n  ReLU()\n  Flatten()\n}',
    ),
    (
        layer("parallel", RELU, layer("sequence"), layer("sequence", RELU, FLATTEN), merge="add"),
        'parallel(merge="add") {\n  { ReLU() }\n  {}\n  {\n    ReLU()\n    Flatten()\n  }\n}',
    ),
    (layer("Add", RELU), "Add { { ReLU() } }"),
    (layer("TransformerEncoder", num_heads=2, ff_dim=8), "TransformerEncoder(2, 8) {}"),
    (
        layer("TransformerEncoder", RELU, num_heads=2, ff_dim=8),
        "TransformerEncoder(2, 8) { ReLU() }",
    ),
    (layer("choice", RELU, FLATTEN), "choice { ReLU() | Flatten() }"),
    (layer("choice", layer("sequence"), RELU, name="o"), 'choice name="o" { {} | ReLU() }'),
    (
        layer("choice", RELU, FLATTEN, labels=["a", "b"]),
        'choice labels=["a", "b"] { ReLU() | Flatten() }',
    ),
    (
        layer("choice", layer("sequence", RELU, FLATTEN), RELU),
        "choice {\n    ReLU()\n    Flatten()\n  | ReLU()\n}",
    ),
    (layer("maybe", RELU), "maybe ReLU()"),
    (layer("maybe", RELU, name="d"), 'maybe name="d" ReLU()'),
    (layer("maybe", RELU, FLATTEN), "maybe {\n  ReLU()\n  Flatten()\n}"),
    (layer("maybe", layer("maybe", RELU)), "maybe { maybe ReLU() }"),
    (
        layer("maybe", layer("ResidualConnection", RELU, FLATTEN)),
        "maybe residual {\n  ReLU()\n  Flatten()\n}",
    ),
    (layer("repeat", RELU, count=between(1, 2)), "{ ReLU() } * range(1, 2)"),
    (layer("repeat", RELU, count=choice(0, 2, name="n")), '{ ReLU() } * choice(0, 2, name="n")'),
    (layer("repeat", RELU, count=expr("mul", between(1, 2), 2)), "{ ReLU() } * (range(1, 2) * 2)"),
    (
        layer("cell", nodes=3, operations=["none", {"type": "SepConv", "params": {}}], name="c"),
        'cell(nodes=3, operations=[none, SepConv()], name="c")',
    ),
    (layer("cell", edges=["none"]), "cell(edges=[none])"),
    ({**RELU, "device": "cuda:0"}, 'ReLU() @ "cuda:0"'),
    ({**layer("maybe", RELU), "device": "cpu"}, '{ maybe ReLU() } @ "cpu"'),
    (
        {**layer("repeat", RELU, count=between(1, 2)), "device": "cpu"},
        '{ ReLU() } * range(1, 2) @ "cpu"',
    ),
]


@pytest.mark.parametrize(("made", "text"), PRINTED, ids=[text for _, text in PRINTED])
def test_a_layer_is_printed_as(made: dict[str, Any], text: str) -> None:
    assert printed(made) == text
    assert parse(print_network(model(made))).model == model(made)


COUNTED: list[tuple[list[dict[str, Any]], str]] = [
    ([RELU, RELU], "ReLU() * 2"),
    ([RELU, FLATTEN, RELU], "ReLU()\nFlatten()\nReLU()"),
    ([layer("Dense", units=choice(1, 2))] * 3, "Dense(choice(1, 2)) * 3"),
    ([layer("ResidualConnection", RELU)] * 2, "residual { ReLU() } * 2"),
    ([layer("maybe", RELU)] * 2, "maybe ReLU()\nmaybe ReLU()"),
    ([layer("repeat", RELU, count=between(1, 2))] * 2, "\n".join(["{ ReLU() } * range(1, 2)"] * 2)),
    ([{**RELU, "device": "cpu"}] * 2, 'ReLU() * 2 @ "cpu"'),
    ([{**RELU, "device": "cpu"}, RELU], 'ReLU() @ "cpu"\nReLU()'),
    ([RELU] * 10_001, "ReLU() * 10000\nReLU()"),
    (
        [
            layer("TransformerEncoder", num_heads=2, ff_dim=8),
            layer("repeat", RELU, count=between(1, 2)),
        ],
        "TransformerEncoder(2, 8) {}\n{ ReLU() } * range(1, 2)",
    ),
]


@pytest.mark.parametrize(("layers", "text"), COUNTED, ids=[text for _, text in COUNTED])
def test_layers_that_follow_each_other(layers: list[dict[str, Any]], text: str) -> None:
    assert printed(*layers) == text
    assert parse(print_network(model(*layers))).model == model(*layers)


def test_a_whole_network() -> None:
    width = choice(8, 16, name="let.w")
    made = {
        "name": "Digits",
        "input": {"shape": [None, 8, 8, 1]},
        "layers": [
            layer("Conv2D", filters=width, kernel_size=3),
            layer("Dense", units=expr("mul", width, 2)),
        ],
        "loss": "mse",
        "optimizer": {
            "type": "SGD",
            "params": {
                "learning_rate": {
                    "type": "CosineDecay",
                    "params": {"initial_learning_rate": 0.1},
                }
            },
        },
        "training": {"epochs": 3, "batch_size": choice(choice(8, 16, name="let.b"), 64)},
        "execution": {"device": "cpu"},
        "constraints": [
            {"metric": "params", "op": "<=", "limit": 1_500_000},
            {"metric": "macs", "op": "<", "limit": 2_000_000},
            {"metric": "peak_memory", "op": "<=", "limit": 16 * 2**20},
            {"metric": "depth", "op": ">=", "limit": 3},
        ],
    }

    assert print_network(made) == (
        "network Digits {\n"
        "  input: (none, 8, 8, 1)\n"
        "  let w = choice(8, 16)\n"
        "  let b = choice(8, 16)\n"
        "  layers:\n"
        "    Conv2D(w, 3)\n"
        "    Dense(w * 2)\n"
        '  loss: "mse"\n'
        "  optimizer: SGD(learning_rate=CosineDecay(initial_learning_rate=0.1))\n"
        "  train {\n"
        "    epochs: 3\n"
        "    batch_size: choice(b, 64)\n"
        "  }\n"
        '  execution { device: "cpu" }\n'
        "  constraints {\n"
        "    params <= 1500K\n"
        "    macs < 2M\n"
        "    peak_memory <= 16MB\n"
        "    depth >= 3\n"
        "  }\n"
        "}\n"
    )
    assert parse(print_network(made)).model == made


def test_lets_that_use_each_other_are_printed_in_order() -> None:
    inner = between(1, 4, name="let.a")
    made = model(layer("Dense", units=choice(inner, 8, name="let.b")))
    text = print_network(made)

    assert text.index("let a = range(1, 4)") < text.index("let b = choice(a, 8)")
    assert parse(text).model == made


def test_a_let_name_that_offers_two_things_is_not_made_a_let_twice() -> None:
    first, second = choice(1, 2, name="let.w"), choice(1, 3, name="let.w")
    text = print_network(model(layer("Dense", units=first), layer("Dense", units=second)))

    assert 'choice(1, 3, name="let.w")' in text


EVERY = [
    *(network(text) for text, _ in LAYERS),
    *(network(f"Dense({text})") for text, _ in UNITS),
    *(network(f"Dropout({text})") for text, _ in RATES),
    *(network(rest=text) for text, _, _ in SECTIONS),
    *(network(f"{lets} Dense({units})") for lets, units, _, _ in LETS),
    *(network(call, before=definitions + "\n") for definitions, call, _ in MACROS),
]


@pytest.mark.parametrize("text", EVERY)
def test_what_the_other_tests_read_is_printed_and_read_back(text: str) -> None:
    read = parse(text)
    again = parse(print_network(read.model))

    assert again.model == read.model
    assert again.hpo_params == read.hpo_params
    assert print_network(again.model) == print_network(read.model)


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("a name of two words", {"name": "two words"}, "a network's name must be a word"),
    ("a keyword as name", {"name": "layers"}, "a network's name must be a word"),
    ("an empty name", {"name": ""}, "a network's name must be a word"),
    ("an infinite number", {"training": {"epochs": float("inf")}}, "must be finite"),
    ("not a number", {"training": {"epochs": float("nan")}}, "must be finite"),
    ("a control character", {"training": {"search_method": "\0"}}, "no control character"),
    ("another dictionary", {"training": {"epochs": {"a": 1}}}, "a value must be plain"),
    ("another object", {"training": {"epochs": object()}}, "a value must be plain"),
]


@pytest.mark.parametrize(
    ("changes", "message"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
def test_what_the_language_cannot_say_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        print_network({**model(RELU), **changes})


def test_printing_does_not_change_the_dictionary() -> None:
    made = model(layer("Dense", use_bias=True, units=choice(1, 2, name="let.w")))
    before = repr(made)

    print_network(made)

    assert repr(made) == before


def test_tuples_are_printed_like_lists() -> None:
    assert printed(layer("Conv2D", filters=8, kernel_size=(3, 3))) == "Conv2D(8, (3, 3))"


def test_missing_keys_of_layers_are_taken_as_empty() -> None:
    assert printed({"type": "ReLU"}) == "ReLU()"


@pytest.mark.parametrize("name", ["channels", "range", "HPO", "true", "none", "Dense", "Adam"])
def test_a_network_may_bear_words_that_only_values_and_layers_are(name: str) -> None:
    text = f"network {name} {{ input: (4,) layers: Dense(2) }}"

    assert parse(print_network(parse(text).model)).model == parse(text).model


def test_a_let_that_channels_cannot_name_is_no_let() -> None:
    width = choice(8, 16, name="let.channels")
    made = model(layer("Dense", units=width), layer("Dense", units=width))

    assert "let channels" not in print_network(made)
    assert parse(print_network(made)).model == made
