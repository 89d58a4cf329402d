from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from neural_automl.dsl import parse, print_network
from tests.dsl.texts import between, choice, expr, layer, layers_of, network, paths_of

RELU = layer("ReLU")

MACROS: list[tuple[str, str, list[dict[str, Any]]]] = [
    ("define B { ReLU }", "B", [RELU]),
    ("define B() { ReLU }", "B()", [RELU]),
    ("define B { ReLU }", "B { Flatten }", [RELU, layer("Flatten")]),
    ("define B(w) { Dense(w) }", "B(3)", [layer("Dense", units=3)]),
    ("define B(w,) { Dense(w) }", "B(w=3)", [layer("Dense", units=3)]),
    ("define B(w=4) { Dense(w) }", "B", [layer("Dense", units=4)]),
    ("define B(w=4) { Dense(w) }", "B(5)", [layer("Dense", units=5)]),
    (
        "define B(w, a='relu') { Dense(w, a) }",
        "B(a=none, w=2 + 1)",
        [layer("Dense", units=3, activation=None)],
    ),
    ("define B(w) { Dense(w * 2) }", "B(3)", [layer("Dense", units=6)]),
    ("define B(n) { ReLU * n }", "B(2)", [RELU, RELU]),
    ("define B(n) { ReLU * (n - 1) }", "B(1) Flatten", [layer("Flatten")]),
    ("define B(n) { ReLU * n }", "B(range(1, 2))", [layer("repeat", RELU, count=between(1, 2))]),
    ("define B { ReLU } define C { B B }", "C * 2", [RELU] * 4),
    ("define C { B B } define B { ReLU }", "C", [RELU] * 2),
    (
        "define B(w) { Dense(w) } define C(v) { B(v) B(v * 2) }",
        "C(3)",
        [layer("Dense", units=3), layer("Dense", units=6)],
    ),
    ("define B {}", "B ReLU", [RELU]),
    ("define B { residual { ReLU } }", "B", [layer("ResidualConnection", RELU)]),
    (
        "define B(ops) { cell(nodes=2, operations=ops) }",
        "B([none, conv_3x3])",
        [layer("cell", nodes=2, operations=["none", "conv_3x3"])],
    ),
    (
        "define B(op) { cell(nodes=2, operations=[op]) }",
        "B(SepConv(8))",
        [layer("cell", nodes=2, operations=[{"type": "SepConv", "params": {"filters": 8}}])],
    ),
    ("define B(name) { maybe name=name ReLU }", 'B("d")', [layer("maybe", RELU, name="d")]),
    (
        "define B { ReLU }",
        "choice { B | Dense(3) }",
        [layer("choice", RELU, layer("Dense", units=3), labels=["B", "Dense"])],
    ),
    (
        "define B { ReLU }",
        "choice { { B } | B | B * 1 | B Flatten }",
        [
            layer(
                "choice",
                RELU,
                RELU,
                RELU,
                layer("sequence", RELU, layer("Flatten")),
                labels=["B", "B#2", "ReLU", "block"],
            )
        ],
    ),
    (
        "define B { ReLU ReLU }",
        "HPO(choice(B, B()))",
        [layer("choice", *[layer("sequence", RELU, RELU)] * 2, labels=["B", "B#2"])],
    ),
    ("define B(w) { Dense(w) }", "B(channels)", [layer("Dense", units=expr("channels"))]),
    (
        "define B(w) { Dense(w) Dense(w / 2) }",
        "B(channels)",
        [
            layer("Dense", units=expr("channels")),
            layer("Dense", units=expr("div", expr("channels", 1, 0), 2)),
        ],
    ),
    (
        "define B(w) { residual { Dense(w) Dense(w) } }",
        "ReLU B(channels)",
        [
            RELU,
            layer(
                "ResidualConnection",
                layer("Dense", units=expr("channels")),
                layer("Dense", units=expr("channels", 0, 1)),
            ),
        ],
    ),
    (
        "define B(w) { ReLU { Dense(w) } * range(1, 2) }",
        "B(channels)",
        [RELU, layer("repeat", layer("Dense", units=expr("channels", 1, 1)), count=between(1, 2))],
    ),
    (
        "define B(w) { Dense(w) } define C(w) { ReLU B(w) B(channels) }",
        "C(channels)",
        [
            RELU,
            layer("Dense", units=expr("channels", 1, 0)),
            layer("Dense", units=expr("channels")),
        ],
    ),
    (
        "define B(w=channels) { ReLU Dense(w) }",
        "B",
        [RELU, layer("Dense", units=expr("channels", 1, 0))],
    ),
]


@pytest.mark.parametrize(
    ("definitions", "call", "expected"), MACROS, ids=[f"{d} {c}" for d, c, _ in MACROS]
)
def test_macros_are_expanded(definitions: str, call: str, expected: list[dict[str, Any]]) -> None:
    model = parse(network(call, before=definitions + "\n")).model

    assert model["layers"] == expected
    assert parse(print_network(model)).model == model


def test_definitions_may_follow_the_network() -> None:
    assert layers_of(network("B(3)") + "define B(w) { Dense(w) }") == [layer("Dense", units=3)]


TWO = "define Two(w) { Dense(w) Dense(w) }\n"
UNITS = "layers[{}].Dense.units"

TIES: list[tuple[str, str, list[str], Sequence[str | None]]] = [
    ("used once", "One(choice(1, 2))", [UNITS.format(0)], [None]),
    ("used twice", "Two(choice(1, 2))", [UNITS.format(0)], [UNITS.format(0)] * 2),
    (
        "two calls",
        "Two(choice(1, 2)) Two(choice(1, 2))",
        [UNITS.format(0), UNITS.format(2)],
        [UNITS.format(0)] * 2 + [UNITS.format(2)] * 2,
    ),
    (
        "a repeated call",
        "Two(choice(1, 2)) * 2",
        [UNITS.format(0), UNITS.format(2)],
        [UNITS.format(0)] * 2 + [UNITS.format(2)] * 2,
    ),
    (
        "a repeated call in a repeated group",
        "{ Two(choice(1, 2)) * 2 } * 2",
        [UNITS.format(i) for i in (0, 2, 4, 6)],
        [UNITS.format(i) for i in (0, 0, 2, 2, 4, 4, 6, 6)],
    ),
    ("a named argument", 'Two(choice(1, 2, name="k")) * 2', ["k"], ["k"] * 4),
    (
        "an open default",
        "Default Default",
        [UNITS.format(0), UNITS.format(2)],
        [UNITS.format(0)] * 2 + [UNITS.format(2)] * 2,
    ),
    ("through another macro", "Four(choice(1, 2))", [UNITS.format(0)], [UNITS.format(0)] * 4),
]


@pytest.mark.parametrize(
    ("call", "paths", "names"), [row[1:] for row in TIES], ids=[row[0] for row in TIES]
)
def test_an_open_argument_is_one_choice_a_call(
    call: str, paths: list[str], names: list[str | None]
) -> None:
    definitions = (
        TWO
        + "define One(w) { Dense(w) }\n"
        + "define Default(w=choice(1, 2)) { Dense(w) Dense(w) }\n"
        + "define Four(w) { Two(w) Two(w) }\n"
    )
    parsed = parse(network(call, before=definitions))
    open_values = [found["params"]["units"]["hpo"] for found in parsed.model["layers"]]

    assert paths_of(parsed) == paths
    assert [value.get("name") for value in open_values] == names


def test_a_call_in_copies_of_open_number_is_one_choice_in_each_copy() -> None:
    parsed = parse(network("{ Two(choice(1, 2)) } * range(1, 2)", before=TWO))
    body = parsed.model["layers"][0]["sublayers"]

    names = [found["params"]["units"]["hpo"]["name"] for found in body]
    assert names == ["layers[0][*][0].Dense.units"] * 2
    assert paths_of(parsed) == [
        "layers[0].repeat",
        "layers[0][0][0].Dense.units",
        "layers[0][1][0].Dense.units",
    ]
    assert parsed.hpo_params[1]["name"] == "layers[0][0][0].Dense.units"


def test_copies_of_open_number_in_a_call_share_its_argument() -> None:
    definition = "define Deep(w) { { Dense(w) } * range(1, 2) }\n"
    parsed = parse(network("Deep(choice(1, 2))", before=definition))

    assert paths_of(parsed) == ["layers[0].repeat", "layers[0][0][0].Dense.units"]


def test_nested_copies_of_open_number_stay_apart() -> None:
    text = "{ { Two(choice(1, 2)) } * range(1, 2) } * range(1, 2)"
    parsed = parse(network(text, before=TWO))

    units = [path for path in paths_of(parsed) if path.endswith("units")]
    assert units == [f"layers[0][{i}][0][{j}][0].Dense.units" for i in (0, 1) for j in (0, 1)]


LETS: list[tuple[str, str, Any, list[str]]] = [
    ("let w = 3", "w", 3, []),
    ("let w = 3 let v = w * 2", "v", 6, []),
    ("let w = choice(1, 2)", "w", choice(1, 2, name="let.w"), ["let.w"]),
    ('let w = choice(1, 2, name="k")', "w", choice(1, 2, name="k"), ["k"]),
    ("let w = choice(2, 4)", "w / 2", expr("div", choice(2, 4, name="let.w"), 2), ["let.w"]),
    (
        "let w = choice(2, 4) * 2",
        "w",
        expr("mul", choice(2, 4, name="let.w"), 2),
        ["let.w"],
    ),
    (
        "let w = choice(2, 4) * range(1, 2)",
        "w",
        expr("mul", choice(2, 4, name="let.w[0]"), between(1, 2, name="let.w[1]")),
        ["let.w[0]", "let.w[1]"],
    ),
    (
        "let w = choice(range(1, 2), 4)",
        "w",
        choice(between(1, 2), 4, name="let.w"),
        ["let.w", "let.w[0]"],
    ),
    (
        "let w = choice(1, 2) let v = choice(w, 4)",
        "v",
        choice(choice(1, 2, name="let.w"), 4, name="let.v"),
        ["let.v", "let.w"],
    ),
    ("let w = channels / 3", "w", expr("div", "channels", 3), []),
    ("let unused = choice(1, 2)", "3", 3, []),
]


@pytest.mark.parametrize(("lets", "units", "expected", "paths"), LETS, ids=[r[0] for r in LETS])
@pytest.mark.parametrize("inside", [False, True], ids=["before layers", "in layers"])
def test_lets(lets: str, units: str, expected: Any, paths: list[str], inside: bool) -> None:
    text = network(f"Dense({units})")
    text = (
        text.replace("Dense", f"{lets} Dense") if inside else text.replace("input", f"{lets} input")
    )
    parsed = parse(text)

    assert parsed.model["layers"] == [layer("Dense", units=expected)]
    assert paths_of(parsed) == paths


def test_a_let_is_one_choice_in_copies_and_sections() -> None:
    text = network(
        "{ let w = choice(8, 16) Dense(w) } * range(1, 2)", rest="train { batch_size: w }"
    )

    assert paths_of(parse(text)) == ["layers[0].repeat", "let.w"]


def test_elements_of_a_let_tuple_are_tied_each() -> None:
    parsed = parse(network("let k = (choice(1, 3), choice(1, 3)) Conv2D(8, k) Conv2D(8, k)"))

    assert paths_of(parsed) == ["let.k[0]", "let.k[1]"]


def test_a_let_after_the_layers_is_seen_by_them() -> None:
    assert layers_of(network("Dense(w)", rest="let w = 3")) == [layer("Dense", units=3)]


def test_unused_macros_are_checked_whatever_their_arguments_would_be() -> None:
    unused = (
        "define B(w, ops, n) { Dense(w * 2) * n cell(nodes=3, operations=ops) maybe ReLU * n }\n"
    )

    assert layers_of(network(before=unused)) == [layer("Dense", units=3)]
