from __future__ import annotations

from typing import Any

import pytest

from neural_automl.dsl import parse
from tests.dsl.texts import between, choice, expr, layer, layers_of, network, paths_of

RELU = layer("ReLU")
FLATTEN = layer("Flatten")
DENSE = layer("Dense", units=3)

LAYERS: list[tuple[str, list[dict[str, Any]]]] = [
    ("ReLU", [RELU]),
    ("ReLU()", [RELU]),
    ("Conv2D(8, 3, padding='same')", [layer("Conv2D", filters=8, kernel_size=3, padding="same")]),
    ("Conv2D(kernel_size=3, filters=8)", [layer("Conv2D", kernel_size=3, filters=8)]),
    ("conv_3x3(16, 2)", [layer("conv_3x3", filters=16, strides=2)]),
    ("none skip_connect", [layer("none"), layer("skip_connect")]),
    ("Reshape((4, 48))", [layer("Reshape", shape=[4, 48])]),
    ("ReLU * 2", [RELU, RELU]),
    ("ReLU * 1", [RELU]),
    ("ReLU * (1 + 1)", [RELU, RELU]),
    ("ReLU * 2.0", [RELU, RELU]),
    ("ReLU * (2 - 2) Flatten", [FLATTEN]),
    ("{ ReLU Flatten } * 2", [RELU, FLATTEN, RELU, FLATTEN]),
    ("{ { ReLU } * 2 Flatten } * 2", [RELU, RELU, FLATTEN, RELU, RELU, FLATTEN]),
    ("{ ReLU }", [RELU]),
    ("{} ReLU", [RELU]),
    ("{} * 3 ReLU", [RELU]),
    ("ReLU { Flatten }", [RELU, FLATTEN]),
    ("ReLU * choice(1, 2)", [layer("repeat", RELU, count=choice(1, 2))]),
    ("ReLU * choice(0, 2)", [layer("repeat", RELU, count=choice(0, 2))]),
    ("ReLU * range(0, 2)", [layer("repeat", RELU, count=between(0, 2))]),
    ("ReLU * range(1.0, 2.0)", [layer("repeat", RELU, count=between(1, 2))]),
    (
        'ReLU * range(1, 2, name="n")',
        [layer("repeat", RELU, count=between(1, 2, name="n"))],
    ),
    (
        "ReLU * (range(1, 2) * 2)",
        [layer("repeat", RELU, count=expr("mul", between(1, 2), 2))],
    ),
    ("{} * range(1, 2) ReLU", [RELU]),
    ("ReLU * choice(0) Flatten", [FLATTEN]),
    ("maybe ReLU", [layer("maybe", RELU)]),
    ("maybe { ReLU Flatten }", [layer("maybe", RELU, FLATTEN)]),
    ("maybe ReLU * 2", [layer("maybe", RELU, RELU)]),
    ("maybe ReLU * range(1, 2)", [layer("maybe", layer("repeat", RELU, count=between(1, 2)))]),
    ("maybe residual { ReLU } * 2", [layer("maybe", *[layer("ResidualConnection", RELU)] * 2)]),
    ('maybe name="d" ReLU', [layer("maybe", RELU, name="d")]),
    ('maybe(name="d") ReLU', [layer("maybe", RELU, name="d")]),
    ("maybe() ReLU", [layer("maybe", RELU)]),
    ("maybe { maybe ReLU }", [layer("maybe", layer("maybe", RELU))]),
    ("{ maybe ReLU } * 2", [layer("maybe", RELU)] * 2),
    ("maybe choice { ReLU | Flatten }", [layer("maybe", layer("choice", RELU, FLATTEN))]),
    ("choice { ReLU | Flatten }", [layer("choice", RELU, FLATTEN)]),
    ("choice { ReLU }", [layer("choice", RELU)]),
    ("choice { ReLU, | Flatten; }", [layer("choice", RELU, FLATTEN)]),
    ("choice { {} | ReLU }", [layer("choice", layer("sequence"), RELU)]),
    ("choice { { ReLU } | { Flatten } }", [layer("choice", RELU, FLATTEN)]),
    ("choice { ReLU Flatten | ReLU }", [layer("choice", layer("sequence", RELU, FLATTEN), RELU)]),
    ("choice { ReLU * 2 | ReLU }", [layer("choice", layer("sequence", RELU, RELU), RELU)]),
    ("choice { ReLU * 1 | Flatten }", [layer("choice", RELU, FLATTEN)]),
    ('choice name="op" { ReLU | Flatten }', [layer("choice", RELU, FLATTEN, name="op")]),
    ('choice(name="op") { ReLU | Flatten }', [layer("choice", RELU, FLATTEN, name="op")]),
    ("choice() { ReLU | Flatten }", [layer("choice", RELU, FLATTEN)]),
    (
        'choice labels=["a", "b"] { ReLU | Flatten }',
        [layer("choice", RELU, FLATTEN, labels=["a", "b"])],
    ),
    ('choice labels=["ReLU", "Flatten"] { ReLU | Flatten }', [layer("choice", RELU, FLATTEN)]),
    ("choice { ReLU | Flatten } * 2", [layer("choice", RELU, FLATTEN)] * 2),
    ("HPO(choice(ReLU, Flatten()))", [layer("choice", RELU, FLATTEN)]),
    ('HPO(choice(ReLU, Flatten, name="op"))', [layer("choice", RELU, FLATTEN, name="op")]),
    ("HPO(choice(ReLU, Flatten)) { Dense(3) }", [layer("choice", RELU, FLATTEN), DENSE]),
    ("choice(ReLU, Flatten)", [layer("choice", RELU, FLATTEN)]),
    (
        "choice(ReLU, choice(ReLU, Flatten))",
        [layer("choice", RELU, layer("choice", RELU, FLATTEN))],
    ),
    ("residual { ReLU }", [layer("ResidualConnection", RELU)]),
    ("residual\n{ ReLU }", [layer("ResidualConnection", RELU)]),
    ("residual() { ReLU } * 2", [layer("ResidualConnection", RELU)] * 2),
    ("ResidualConnection { ReLU }", [layer("ResidualConnection", RELU)]),
    (
        'residual(projection="none") { ReLU }',
        [layer("ResidualConnection", RELU, projection="none")],
    ),
    ("residual { ReLU } { Flatten }", [layer("ResidualConnection", RELU), FLATTEN]),
    (
        "parallel { { ReLU } { Flatten } }",
        [layer("parallel", RELU, FLATTEN)],
    ),
    (
        'parallel(merge="add") { {} { ReLU Flatten } }',
        [layer("parallel", layer("sequence"), layer("sequence", RELU, FLATTEN), merge="add")],
    ),
    (
        "parallel { { ReLU } * 2, { ReLU } }",
        [layer("parallel", layer("sequence", RELU, RELU), RELU)],
    ),
    (
        "parallel { { ReLU } * range(1, 2) {} }",
        [layer("parallel", layer("repeat", RELU, count=between(1, 2)), layer("sequence"))],
    ),
    ("parallel { { ReLU } Add }", [layer("parallel", RELU, merge="add")]),
    ("parallel { { ReLU } Concatenate() }", [layer("parallel", RELU, merge="concat")]),
    ("Add { { ReLU } {} }", [layer("Add", RELU, layer("sequence"))]),
    (
        'parallel(merge=choice("add", "concat")) { { ReLU } }',
        [layer("parallel", RELU, merge=choice("add", "concat"))],
    ),
    ("TransformerEncoder(2, 8)", [layer("TransformerEncoder", num_heads=2, ff_dim=8)]),
    (
        "TransformerEncoder(2, 8) { Dense(3) }",
        [layer("TransformerEncoder", DENSE, num_heads=2, ff_dim=8)],
    ),
    (
        "TransformerEncoder(2, 8) {} { Dense(3) }",
        [layer("TransformerEncoder", num_heads=2, ff_dim=8), DENSE],
    ),
    (
        "TransformerEncoder(2, 8) * 1 { Dense(3) }",
        [layer("TransformerEncoder", num_heads=2, ff_dim=8), DENSE],
    ),
    (
        "cell(nodes=4, operations=[none, skip_connect])",
        [layer("cell", nodes=4, operations=["none", "skip_connect"])],
    ),
    ('cell(3, ["conv_3x3"])', [layer("cell", nodes=3, operations=["conv_3x3"])]),
    ("cell(operations=[None])", [layer("cell", operations=["none"])]),
    (
        'cell(nodes=2, operations=[SepConv(kernel_size=5), ReLU], name="c")',
        [
            layer(
                "cell",
                nodes=2,
                operations=[{"type": "SepConv", "params": {"kernel_size": 5}}, "ReLU"],
                name="c",
            )
        ],
    ),
    (
        "cell(nodes=3, edges=[none, none, conv_1x1])",
        [layer("cell", nodes=3, edges=["none", "none", "conv_1x1"])],
    ),
    ("cell(edges=[none])", [layer("cell", edges=["none"])]),
    ('ReLU @ "cuda:0"', [{**RELU, "device": "cuda:0"}]),
    ('ReLU @ "cpu" * 2', [{**RELU, "device": "cpu"}] * 2),
    ('ReLU * 2 @ "cpu"', [{**RELU, "device": "cpu"}] * 2),
    ('{ ReLU Flatten } @ "mps"', [{**RELU, "device": "mps"}, {**FLATTEN, "device": "mps"}]),
    (
        '{ ReLU @ "tpu" Flatten } @ "auto"',
        [{**RELU, "device": "tpu"}, {**FLATTEN, "device": "auto"}],
    ),
    (
        'ReLU * range(1, 2) @ "cpu"',
        [{**layer("repeat", RELU, count=between(1, 2)), "device": "cpu"}],
    ),
    ('residual { ReLU } @ "cpu"', [{**layer("ResidualConnection", RELU), "device": "cpu"}]),
    ('maybe ReLU @ "cpu"', [layer("maybe", {**RELU, "device": "cpu"})]),
]


@pytest.mark.parametrize(("text", "expected"), LAYERS, ids=[text for text, _ in LAYERS])
def test_layers(text: str, expected: list[dict[str, Any]]) -> None:
    assert layers_of(network(text)) == expected


PATHS: list[tuple[str, list[str]]] = [
    ("Dense(choice(1, 2)) * 2", ["layers[0].Dense.units", "layers[1].Dense.units"]),
    ("ReLU * choice(1, 2)", ["layers[0].repeat"]),
    ("ReLU * (choice(1, 2) + choice(0, 1))", ["layers[0].repeat[0]", "layers[0].repeat[1]"]),
    ("ReLU * choice(range(1, 2), 4)", ["layers[0].repeat", "layers[0].repeat[0]"]),
    ('ReLU * range(1, 2, name="n") Flatten * range(1, 2, name="n")', ["n"]),
    ("ReLU maybe Dense(choice(1, 2))", ["layers[1].maybe", "layers[1][0].Dense.units"]),
    (
        "choice { Dense(choice(1, 2)) | ReLU Dense(choice(1, 2)) }",
        ["layers[0].choice", "layers[0][0].Dense.units", "layers[0][1][1].Dense.units"],
    ),
    (
        "parallel { { Dense(choice(1, 2)) } { ReLU Dense(choice(1, 2)) } }",
        ["layers[0][0].Dense.units", "layers[0][1][1].Dense.units"],
    ),
    ("residual { ReLU Dense(choice(1, 2)) }", ["layers[0][1].Dense.units"]),
    (
        "residual(projection=choice('conv', 'none')) { ReLU }",
        ["layers[0].ResidualConnection.projection"],
    ),
    (
        "parallel(merge=choice('add', 'concat')) { { ReLU } }",
        ["layers[0].parallel.merge"],
    ),
    (
        "TransformerEncoder(choice(1, 2), 8) { Dense(choice(1, 2)) }",
        ["layers[0].TransformerEncoder.num_heads", "layers[0][0].Dense.units"],
    ),
    (
        "{ ReLU * range(1, 2) Dense(choice(1, 2)) } * choice(1, 2)",
        [
            "layers[0].repeat",
            "layers[0][0][0].repeat",
            "layers[0][0][1].Dense.units",
            "layers[0][1][0].repeat",
            "layers[0][1][1].Dense.units",
        ],
    ),
    (
        "cell(nodes=3, operations=[none, conv_3x3])",
        ["layers[0].edge_0_1", "layers[0].edge_0_2", "layers[0].edge_1_2"],
    ),
    (
        'cell(nodes=3, operations=[none, conv_3x3], name="c") * 2',
        ["c.edge_0_1", "c.edge_0_2", "c.edge_1_2"],
    ),
    ("cell(nodes=3, edges=[none, none, none])", []),
    ("conv_3x3(choice(4, 8))", ["layers[0].conv_3x3.filters"]),
    ('choice name="op" { ReLU | Flatten } * 2', ["op"]),
    ('maybe name="d" ReLU maybe name="d" Flatten', ["d"]),
    (
        '{ Dense(choice(1, 2, name="k")) maybe name="d" ReLU } * range(1, 3)',
        ["layers[0].repeat", "k", "d"],
    ),
]


@pytest.mark.parametrize(("text", "paths"), PATHS, ids=[text for text, _ in PATHS])
def test_paths(text: str, paths: list[str]) -> None:
    assert paths_of(parse(network(text))) == paths


DECISIONS: list[tuple[str, str, list[Any]]] = [
    (
        "choice { ReLU | ReLU | {} | Flatten ReLU }",
        "choice",
        ["ReLU", "ReLU#2", "block", "block#2"],
    ),
    ("choice { maybe ReLU | ReLU * range(1, 2) }", "choice", ["maybe", "repeat"]),
    ("choice { residual { ReLU } | conv_3x3 }", "choice", ["ResidualConnection", "conv_3x3"]),
    ('choice labels=["a", "b"] { ReLU | ReLU }', "choice", ["a", "b"]),
    ("maybe ReLU", "maybe", [False, True]),
    ("cell(nodes=2, operations=[none, conv_3x3])", "edge_0_1", ["none", "conv_3x3"]),
]


@pytest.mark.parametrize(("text", "decision", "values"), DECISIONS, ids=[d[0] for d in DECISIONS])
def test_what_a_decision_offers(text: str, decision: str, values: list[Any]) -> None:
    first = parse(network(text)).hpo_params[0]

    assert first == {"path": f"layers[0].{decision}", "type": "categorical", "values": values}


def test_argument_names_may_be_words_of_the_language() -> None:
    names = "define network let input layers loss optimizer train execution execute constraints"
    for name in [*names.split(), "choice", "maybe"]:
        text = network("B(3)", before="define B(w, x=2) { Dense(w) Dense(x) }\n")
        text = text.replace("B(3)", f"B(3, {name}=1)")

        with pytest.raises(Exception, match=f"B has no parameter '{name}'"):
            parse(text)
