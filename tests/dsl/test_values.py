from __future__ import annotations

from typing import Any

import pytest

from neural_automl.dsl import parse
from tests.dsl.texts import between, choice, expr, layers_of, network, paths_of

UNITS: list[tuple[str, Any]] = [
    ("3", 3),
    ("1e3", 1000),
    ("64.0", 64),
    ("10K", 10_000),
    ("1M", 1_000_000),
    ("2G", 2_000_000_000),
    ("1.5K", 1500),
    ("1KB", 1024),
    ("2MB", 2 * 2**20),
    ("1GB", 2**30),
    ("(5)", 5),
    ("2 + 3 * 4", 14),
    ("(2 + 3) * 4", 20),
    ("10 - 3 - 2", 5),
    ("16 / 2 / 2", 4),
    ("--3", 3),
    ("-3 + 5", 2),
    ("7 -1", 6),
    ("choice(1, 2)", choice(1, 2)),
    ("choice(1, 2.0)", choice(1, 2)),
    ("choice(3)", choice(3)),
    ('choice(1, 2, name="k")', choice(1, 2, name="k")),
    ("HPO(choice(1, 2))", choice(1, 2)),
    ("HPO(range(1, 3))", between(1, 3)),
    ("range(1, 9)", between(1, 9)),
    ("range(1, 9, 2)", between(1, 9, step=2)),
    ("range(1, 9, step=2)", between(1, 9, step=2)),
    ("range(high=9, low=1)", between(1, 9)),
    ("range(4, 4)", between(4, 4)),
    ("range(1.0, 9.0, step=2.0)", between(1, 9, step=2)),
    ('range(1, 9, name="r")', between(1, 9, name="r")),
    ("log_range(1, 64)", {"hpo": {"type": "log_range", "low": 1, "high": 64}}),
    (
        'log_range(1, 64, name="r")',
        {"hpo": {"type": "log_range", "low": 1, "high": 64, "name": "r"}},
    ),
    ("choice(choice(1, 2), 3)", choice(choice(1, 2), 3)),
    ("choice(range(1, 2), 3)", choice(between(1, 2), 3)),
    ("choice(2, 4) * 2", expr("mul", choice(2, 4), 2)),
    ("choice(2, 4) / 2", expr("div", choice(2, 4), 2)),
    ("8 - choice(2, 4)", expr("sub", 8, choice(2, 4))),
    ("-choice(2, 4) + 9", expr("add", expr("neg", choice(2, 4)), 9)),
    ("2 * 3 * choice(2, 4)", expr("mul", 6, choice(2, 4))),
    ("choice(2, 4) * 2 * 3", expr("mul", expr("mul", choice(2, 4), 2), 3)),
    ("choice(2, 4) + 2 * range(1, 2)", expr("add", choice(2, 4), expr("mul", 2, between(1, 2)))),
    ("channels", expr("channels")),
    ("channels / 2", expr("div", "channels", 2)),
    ("channels * channels", expr("mul", "channels", "channels")),
    ("channels(2, 1)", expr("channels", 2, 1)),
    ("channels(2) + 1", expr("add", expr("channels", 2, 0), 1)),
    ("channels(0)", expr("channels")),
]


@pytest.mark.parametrize(("text", "units"), UNITS, ids=[text for text, _ in UNITS])
def test_a_whole_number_may_be_written_as(text: str, units: Any) -> None:
    found = layers_of(network(f"Dense({text})"))[0]["params"]["units"]

    assert found == units
    assert type(found) is type(units)


RATES: list[tuple[str, Any]] = [
    (".5", 0.5),
    ("0.", 0.0),
    ("5e-1", 0.5),
    ("1 / 4", 0.25),
    ("range(0.1, 0.5)", between(0.1, 0.5)),
    ("range(0, 0.5)", between(0.0, 0.5)),
    ("range(0.1, 0.5, step=0.1)", between(0.1, 0.5, step=0.1)),
    ("range(0.3, 0.7, 0.1)", between(0.3, 0.7, step=0.1)),
    ("log_range(1e-3, 1e-1)", {"hpo": {"type": "log_range", "low": 0.001, "high": 0.1}}),
    ("choice(0, 0.5)", choice(0, 0.5)),
    ("choice(0.2, 0.4) * 2", expr("mul", choice(0.2, 0.4), 2)),
]


@pytest.mark.parametrize(("text", "rate"), RATES, ids=[text for text, _ in RATES])
def test_a_number_may_be_written_as(text: str, rate: Any) -> None:
    assert layers_of(network(f"Dropout({text})"))[0]["params"]["rate"] == rate


STRINGS = [
    ('"relu"', "relu"),
    ("'relu'", "relu"),
    ("none", None),
    ("None", None),
    ('choice("relu", none)', choice("relu", None)),
    ("choice('relu', 'tanh')", choice("relu", "tanh")),
]


@pytest.mark.parametrize(("text", "value"), STRINGS, ids=[text for text, _ in STRINGS])
def test_a_string_may_be_written_as(text: str, value: Any) -> None:
    assert layers_of(network(f"Dense(3, {text})"))[0]["params"]["activation"] == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("True", True),
        ("false", False),
        ("False", False),
        ("choice(true, false)", choice(True, False)),
    ],
)
def test_a_boolean_may_be_written_as(text: str, value: Any) -> None:
    assert layers_of(network(f"Dense(3, use_bias={text})"))[0]["params"]["use_bias"] == value


SIZES: list[tuple[str, Any, list[str]]] = [
    ("(3, 5)", [3, 5], []),
    ("[3, 5]", [3, 5], []),
    ("(3, 5,)", [3, 5], []),
    ("[3, 5,]", [3, 5], []),
    ("(3.0, 5)", [3, 5], []),
    ("(choice(1, 3), 5)", [choice(1, 3), 5], [".kernel_size[0]"]),
    (
        "(choice(1, 3), range(1, 2))",
        [choice(1, 3), between(1, 2)],
        [".kernel_size[0]", ".kernel_size[1]"],
    ),
    ("choice((1, 1), (3, 3))", choice([1, 1], [3, 3]), [".kernel_size"]),
    (
        "choice((1, 1), (choice(3, 5), 3))",
        choice([1, 1], [choice(3, 5), 3]),
        [".kernel_size", ".kernel_size[1][0]"],
    ),
]


@pytest.mark.parametrize(("text", "size", "paths"), SIZES, ids=[row[0] for row in SIZES])
def test_a_size_may_be_a_tuple(text: str, size: Any, paths: list[str]) -> None:
    parsed = parse(network(f"Conv2D(8, {text})"))

    assert parsed.model["layers"][0]["params"]["kernel_size"] == size
    assert paths_of(parsed) == [f"layers[0].Conv2D{path}" for path in paths]


PATHS: list[tuple[str, list[str]]] = [
    ("choice(8, 16) * 2", ["units"]),
    ("choice(8, 16) * choice(1, 2)", ["units[0]", "units[1]"]),
    ("choice(8, 16) * (range(1, 2) + choice(1, 2))", ["units[0]", "units[1]", "units[2]"]),
    ("choice(range(1, 4), 16)", ["units", "units[0]"]),
    ("choice(16, choice(1, range(2, 4)))", ["units", "units[1]", "units[1][1]"]),
    ("choice(choice(1, 2) * 2, 16)", ["units", "units[0]"]),
    ("choice(range(1, 4), 16) * 2", ["units", "units[0]"]),
]


@pytest.mark.parametrize(("text", "paths"), PATHS, ids=[text for text, _ in PATHS])
def test_open_values_are_named_by_their_place(text: str, paths: list[str]) -> None:
    parsed = parse(network(f"Dense({text})"))

    assert paths_of(parsed) == [f"layers[0].Dense.{path}" for path in paths]


def test_a_named_operand_does_not_count_where_operands_are_numbered() -> None:
    parsed = parse(network('Dense(choice(8, 16, name="k") * choice(1, 2))'))

    assert paths_of(parsed) == ["k", "layers[0].Dense.units"]


def test_what_stands_in_a_named_choice_is_named_after_it() -> None:
    parsed = parse(network('Dense(choice(range(1, 4), 16, name="k")) * 2'))

    assert paths_of(parsed) == ["k", "k[0]"]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r'"a\"b"', 'a"b'),
        (r"'a\'b'", "a'b"),
        (r'"a\\b"', "a\\b"),
        (r'"a\\\\b"', "a\\\\b"),
        (r'"a\\"', "a\\"),
        (r'"\n\t"', "\n\t"),
        ('"' + "ü✓" + '"', "ü✓"),
        ('"it\'s"', "it's"),
    ],
)
def test_strings_may_hold_escapes(written: str, read: str) -> None:
    parsed = parse(network(f"Dense(choice(1, 2, name={written}))"))

    assert paths_of(parsed) == [read]


@pytest.mark.parametrize(
    "text",
    [
        "Dense(choice(2, 4) * 2.5)",
        "Dense(choice(3, 5) * 2 / 2)",
        "Dense(range(4, 100, step=4) / 4)",
        "Dense(choice(1, 2, name='a') - choice(1, 2, name='a') + 1)",
        "Dense(log_range(1, 1000000) * 2)",
        "Dense(range(1, 1000000) + range(1, 1000000))",
        "Conv2D(8, (channels, 3))",
        "Conv2D(8, choice(channels, 3))",
        "Dense(choice(choice(2, 4) / 2, 7))",
    ],
)
def test_arithmetic_that_gives_whole_numbers_is_taken(text: str) -> None:
    assert layers_of(network(text))


def test_spaces_and_line_ends_do_not_matter() -> None:
    plain = parse(network("Dense(3) Dropout(0.5)")).model
    wild = parse(
        "\ufeff# first\r\nnetwork X\r\n{input:(8,8,3)# note\r\nlayers:Dense\n(\n3\n)\tDropout(0.5)}"
    ).model

    assert wild == plain


def test_separators_between_items_are_ignored() -> None:
    text = network("; Dense(3), Dropout(0.5);; Flatten,", rest="loss: 'mse'; train {epochs: 3,};")

    assert [layer["type"] for layer in layers_of(text)] == ["Dense", "Dropout", "Flatten"]
    assert parse(text).model["training"] == {"epochs": 3}


def test_a_call_may_go_on_in_the_next_line() -> None:
    assert layers_of(network("MaxPooling2D\n(2, 3)"))[0]["params"] == {
        "pool_size": 2,
        "strides": 3,
    }
