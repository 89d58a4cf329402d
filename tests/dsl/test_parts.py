from __future__ import annotations

from typing import Any

import pytest

from neural_automl.dsl import _limits
from neural_automl.dsl._arithmetic import ArithmeticFault, Combinations, compute
from neural_automl.dsl._choices import decisions, largest_count
from neural_automl.dsl._errors import Problems, near, quoted
from neural_automl.dsl._labels import default_labels, number_labels
from neural_automl.dsl._print_values import is_name, limit_text, number_text, string_text
from neural_automl.dsl._tree import read_number, read_string
from neural_automl.dsl._values import Channels, Open, Operation, Value
from neural_automl.exceptions import DSLError
from tests.dsl.texts import between, choice, expr, layer

AT = (1, 1)

NUMBERS: list[tuple[str, int | float]] = [
    ("0", 0),
    ("12", 12),
    ("1.5", 1.5),
    ("1.", 1.0),
    (".5", 0.5),
    ("1e3", 1000.0),
    ("1E-3", 0.001),
    ("1e+3", 1000.0),
    ("10K", 10_000),
    ("3M", 3_000_000),
    ("2G", 2_000_000_000),
    ("1KB", 1024),
    ("1.5MB", 1_572_864),
    ("1GB", 2**30),
    ("1.0001K", 1000.1),
    ("1e400", float("inf")),
]


@pytest.mark.parametrize(("text", "number"), NUMBERS, ids=[text for text, _ in NUMBERS])
def test_numbers_are_read(text: str, number: float) -> None:
    assert read_number(text) == pytest.approx(number)
    assert type(read_number(text)) is type(number)


@pytest.mark.parametrize("text", ["", "a", 'a"b', "a\\", "\\n", "\n\t", "'", "ü", '\\"', "\\\\"])
def test_strings_are_read_as_they_are_printed(text: str) -> None:
    assert read_string(string_text(text)) == text


@pytest.mark.parametrize(
    ("metric", "limit", "text"),
    [
        ("params", 1000, "1K"),
        ("params", 1_000_000, "1M"),
        ("params", 1_500_000, "1500K"),
        ("params", 3 * 10**9, "3G"),
        ("params", 1024, "1024"),
        ("params", 0, "0"),
        ("params", -1000, "-1000"),
        ("params", 0.5, "0.5"),
        ("peak_memory", 1024, "1KB"),
        ("peak_memory", 16 * 2**20, "16MB"),
        ("peak_memory", 1000, "1000"),
    ],
)
def test_limits_are_printed_with_units(metric: str, limit: float, text: str) -> None:
    assert limit_text(metric, limit) == text


def test_numbers_that_are_not_finite_are_not_printed() -> None:
    with pytest.raises(ValueError, match="finite"):
        number_text(float("nan"))


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("X", True),
        ("_x9", True),
        ("Dense", True),
        ("9x", False),
        ("a-b", False),
        ("layers", False),
        ("choice", False),
        ("é", False),
        ("a" * 100, True),
        ("a" * 101, False),
    ],
)
def test_names_of_networks(word: str, expected: bool) -> None:
    assert is_name(word) is expected


RESULTS: list[tuple[str, tuple[int | float, ...], int | float]] = [
    ("add", (1, 2), 3),
    ("sub", (1, 2), -1),
    ("mul", (3, 2), 6),
    ("div", (6, 2), 3),
    ("div", (7, 2), 3.5),
    ("div", (6.0, 2), 3.0),
    ("neg", (4,), -4),
]


@pytest.mark.parametrize(("operator", "operands", "result"), RESULTS)
def test_arithmetic(operator: str, operands: tuple[float, ...], result: float) -> None:
    assert compute(operator, *operands) == result
    assert type(compute(operator, *operands)) is type(result)


@pytest.mark.parametrize(
    ("operator", "operands", "message"),
    [
        ("div", (1, 0), "division by zero"),
        ("div", (1, 0.0), "division by zero"),
        ("mul", (1e200, 1e200), "too large"),
        ("mul", (10**60, 10**60), "too large"),
        ("mul", (10**90, 1e300), "too large"),
        ("add", (10**99, 1), "too large"),
    ],
)
def test_arithmetic_that_fails(operator: str, operands: tuple[float, ...], message: str) -> None:
    with pytest.raises(ArithmeticFault, match=message):
        compute(operator, *operands)


def number(data: float) -> Value:
    return Value(data, AT)


def options(*data: float, name: str | None = None) -> Value:
    return Value(Open("categorical", (*map(number, data),), name=name), AT)


def spread(low: float, high: float, step: float | None = None) -> Value:
    return Value(Open("range", (number(low), number(high)), step), AT)


def combined(operator: str, *operands: Value) -> Value:
    return Value(Operation(operator, operands), AT)


TAKEN: list[tuple[str, Value, list[float] | None]] = [
    ("a number", number(3), [3]),
    ("a choice", options(1, 2), [1, 2]),
    ("a range", spread(1, 4), [1, 2, 3, 4]),
    ("a range with steps", spread(1, 7, 3), [1, 4, 7]),
    ("a float range with steps", spread(0.5, 1.5, 0.5), [0.5, 1.0, 1.5]),
    ("a continuous range", spread(0.5, 1.5), [0.5, 1.5]),
    ("a huge range", spread(1, 10**6), [1, 10**6]),
    ("a sum", combined("add", options(1, 2), options(10, 20)), [11, 21, 12, 22]),
    ("a tie", combined("sub", options(1, 2, name="k"), options(1, 2, name="k")), [0, 0]),
    ("channels", Value(Channels(), AT), None),
    ("with channels", combined("mul", options(1, 2), Value(Channels(), AT)), None),
]


@pytest.mark.parametrize(
    ("value", "numbers"), [row[1:] for row in TAKEN], ids=[row[0] for row in TAKEN]
)
def test_numbers_that_a_value_may_take(value: Value, numbers: list[float] | None) -> None:
    taken = Combinations().values(value)

    assert (taken if taken is None else sorted(taken)) == (
        numbers if numbers is None else sorted(numbers)
    )


def test_many_combinations_are_tried_at_the_ends_only() -> None:
    value = combined("add", spread(1, 5000), spread(1, 5000))

    assert sorted(Combinations().values(value) or []) == [2, 5001, 5001, 10_000]


def test_the_combinations_of_one_text_are_bounded() -> None:
    tried = Combinations()
    value = spread(1, 9000)
    counts = [len(tried.values(value) or []) for _ in range(40)]

    assert counts[0] == 9000
    assert counts[-1] == 2
    assert sum(counts) < 2 * _limits.COMBINATIONS_OF_TEXT


COUNTS: list[tuple[Any, int]] = [
    (3, 3),
    (choice(1, 4, 2), 4),
    (choice(0), 0),
    (between(1, 5), 5),
    (between(1, 5, step=2, name="n"), 5),
    ({"hpo": {"type": "log_range", "low": 1, "high": 8}}, 8),
    (choice(between(1, 7), 3), 7),
    (expr("mul", between(1, 5), 2), 10),
    (expr("sub", 5, choice(1, 2)), 4),
    (expr("neg", choice(1, 2)), 0),
    (expr("mul", between(1, 10_000), 10), 10_000),
]


@pytest.mark.parametrize(("count", "largest"), COUNTS)
def test_largest_counts(count: Any, largest: int) -> None:
    assert largest_count(count) == largest


def test_names_may_hold_the_place_of_a_copy() -> None:
    tied = choice(1, 2, name="layers[0][*][0][*][0].Dense.units")
    inner = layer("repeat", layer("Dense", units=tied), count=between(1, 2))
    outer = layer("repeat", inner, count=between(1, 2))

    paths = [decision.path for decision in decisions({"layers": [outer]})]
    assert [path for path in paths if path.endswith("units")] == [
        f"layers[0][{i}][0][{j}][0].Dense.units" for i in (0, 1) for j in (0, 1)
    ]


def test_labels() -> None:
    alternatives = [layer("ReLU"), layer("sequence"), layer("ReLU"), layer("sequence")]

    assert default_labels(alternatives) == ["ReLU", "block", "ReLU#2", "block#2"]
    assert number_labels(["A", "B", "A", "A"]) == ["A", "B", "A#2", "A#3"]


def test_problems_are_sorted_and_cut() -> None:
    problems = Problems("a\nb\n" * 30)
    for line in range(60, 0, -1):
        problems.add(f"fault {line}", (line, 1))

    with pytest.raises(DSLError) as caught:
        problems.raise_any()

    assert [error.line for error in caught.value.errors] == list(range(1, 21))


def test_a_second_problem_at_one_place_is_a_consequence() -> None:
    problems = Problems("text")
    problems.add("first", (1, 1))
    problems.add("second", (1, 1))

    with pytest.raises(DSLError, match="first") as caught:
        problems.raise_any()
    assert len(caught.value.errors) == 1


def test_no_problem_raises_nothing() -> None:
    Problems("").raise_any()


def test_a_place_beyond_the_text_has_an_empty_line() -> None:
    assert Problems("one line").error("fault", (7, 1)).source_line == ""


def test_hints_name_near_words() -> None:
    assert near("dens", ["Dense", "Dropout"]) == "did you mean Dense?"
    assert near("zzz", ["Dense"]) == ""


def test_words_in_messages_are_quoted_and_cut() -> None:
    assert quoted("ab") == "'ab'"
    assert len(quoted("a" * 1000)) == 40
