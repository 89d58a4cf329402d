"""Schemas of parameters, arithmetic and open values: normal forms, bounds, texts."""

from __future__ import annotations

import json
import pickle
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neural_automl.architecture_space import (
    Call,
    Choice,
    Expression,
    Layer,
    LogRange,
    RandomTrial,
    Range,
    Repeat,
    value_text,
)
from neural_automl.architecture_space._values import value_from_plain
from neural_automl.hyperparameters import (
    LOSS_ALIASES,
    LOSSES,
    OPTIMIZERS,
    SCHEDULES,
    TRAINING,
    canonical_loss,
)
from neural_automl.layers import ALIASES, LAYERS, find_layer, register_rows
from neural_automl.parameters import (
    REQUIRED,
    Parameter,
    as_integer,
    as_number,
    check_parameters,
    did_you_mean,
    find_parameter,
    near_names,
)
from neural_automl.values import from_plain, frozen, resolve_channels, to_plain, uses_channels
from tests.strategies import PLAIN_VALUES, choices, expressions, integers, open_integers, ranges

# --- parameters ----------------------------------------------------------------------------------

INTEGER = Parameter("n", "integer", minimum=1)
RATE = Parameter("r", "number", 0.5, minimum=0, below=1)
POSITIVE = Parameter("p", "number", above=0)
MOST = Parameter("m", "number", below=2)
WORD = Parameter("w", "string", options=("same", "valid"), nullable=True)
SIZE = Parameter("s", "size", minimum=1)
PADDING = Parameter("pad", "padding", minimum=0)
SHAPE = Parameter("shape", "shape", minimum=1)
SCHEDULE = Parameter("rate", "schedule", above=0)
OPERATIONS = Parameter("ops", "operations")
FLAG = Parameter("flag", "boolean")
CALL = Call("CosineDecay", {"initial_learning_rate": 0.1})

NORMAL: list[tuple[Parameter, Any, Any]] = [
    (INTEGER, 3, 3),
    (INTEGER, 3.0, 3),
    (INTEGER, np.int64(3), 3),
    (INTEGER, np.float32(3), 3),
    (INTEGER, 1e3, 1000),
    (RATE, 0, 0),
    (RATE, 0.25, 0.25),
    (RATE, np.float64(0.25), 0.25),
    (RATE, Fraction(1, 4), 0.25),
    (POSITIVE, 1e-9, 1e-9),
    (WORD, "same", "same"),
    (WORD, None, None),
    (SIZE, 3, 3),
    (SIZE, [3, 2.0], (3, 2)),
    (SIZE, (1,), (1,)),
    (PADDING, "valid", "valid"),
    (PADDING, 0, 0),
    (PADDING, [0, 1], (0, 1)),
    (SHAPE, [4.0, 2], (4, 2)),
    (SCHEDULE, 0.1, 0.1),
    (SCHEDULE, CALL, CALL),
    (OPERATIONS, ["none", CALL], ("none", CALL)),
    (FLAG, False, False),
]


@pytest.mark.parametrize(("parameter", "value", "normal"), NORMAL, ids=lambda x: str(x)[:40])
def test_values_come_in_one_form(parameter: Parameter, value: Any, normal: Any) -> None:
    checked = parameter.check(value)

    assert checked == normal
    assert repr(checked) == repr(normal), "not Python's own number"
    assert repr(parameter.check(checked)) == repr(normal)


WRONG: list[tuple[Parameter, Any, type[Exception], str]] = [
    (INTEGER, "3", TypeError, "'n' must be an integer but got '3'"),
    (INTEGER, True, TypeError, "'n' must be an integer but got True"),
    (INTEGER, np.bool_(True), TypeError, "'n' must be an integer but got True"),
    (INTEGER, None, TypeError, "'n' must be an integer but got None"),
    (INTEGER, 2.5, TypeError, "'n' must be an integer but got 2.5"),
    (INTEGER, float("inf"), TypeError, "'n' must be an integer but got inf"),
    (INTEGER, 0, ValueError, "'n' must be positive, at least 1 but got 0"),
    (Parameter("n", "integer", minimum=2), 1, ValueError, "'n' must be at least 2 but got 1"),
    (RATE, 1, ValueError, "'r' must be between 0 and 1 (1 excluded) but got 1"),
    (RATE, -0.1, ValueError, "'r' must be between 0 and 1 (1 excluded) but got -0.1"),
    (RATE, "a", TypeError, "'r' must be a number but got 'a'"),
    (RATE, float("nan"), TypeError, "'r' must be a finite number but got nan"),
    (RATE, float("-inf"), TypeError, "'r' must be a finite number but got -inf"),
    (POSITIVE, 0, ValueError, "'p' must be above 0 but got 0"),
    (MOST, 2, ValueError, "'m' must be below 2 but got 2"),
    (WORD, "sane", ValueError, "'w' must be one of same, valid but got 'sane'; did you mean same?"),
    (WORD, 3, TypeError, "'w' must be a string but got 3"),
    (
        SIZE,
        (),
        TypeError,
        "'s' must be an integer or a tuple of 1 to 3, one a dimension but got ()",
    ),
    (SIZE, (1, 0), ValueError, "'s' must be positive, at least 1 but got 0"),
    (SIZE, ((1,), 2), TypeError, "'s' must be an integer but got (1,)"),
    (SIZE, "same", TypeError, "'s' must be an integer but got 'same'"),
    (PADDING, "full", ValueError, '\'pad\' must be "valid", "same", an integer or a tuple but'),
    (PADDING, -1, ValueError, "'pad' must be at least 0 but got -1"),
    (SHAPE, 3, TypeError, "'shape' must be a tuple of integers but got 3"),
    (SHAPE, (), TypeError, "'shape' must be a tuple of integers but got ()"),
    (SHAPE, (0,), ValueError, "'shape' must be positive, at least 1 but got 0"),
    (SCHEDULE, 0, ValueError, "'rate' must be above 0 but got 0"),
    (SCHEDULE, None, TypeError, "'rate' must be a number but got None"),
    (SCHEDULE, {"type": "x"}, TypeError, "'rate' must be a number but got {'type': 'x'}"),
    (SCHEDULE, True, TypeError, "'rate' must be a number but got True"),
    (OPERATIONS, (), TypeError, "'ops' must be a list of operations but got ()"),
    (OPERATIONS, "none", TypeError, "'ops' must be a list of operations but got 'none'"),
    (OPERATIONS, [3], TypeError, "'ops' must be a list of operations but got 3"),
    (FLAG, 1, TypeError, "'flag' must be true or false but got 1"),
]


@pytest.mark.parametrize(
    ("parameter", "value", "kind", "message"), WRONG, ids=lambda x: str(x)[:40]
)
def test_wrong_values_say_rule_and_value(
    parameter: Parameter, value: Any, kind: type[Exception], message: str
) -> None:
    with pytest.raises(kind) as caught:
        parameter.check(value)

    assert str(caught.value).startswith(message)


def test_parameters_are_checked_together() -> None:
    parameters = (INTEGER, RATE)

    assert check_parameters("Layer", parameters, {"n": 2.0}) == {"n": 2, "r": 0.5}
    assert check_parameters("Layer", parameters, {"r": 0, "n": 1}) == {"n": 1, "r": 0}
    with pytest.raises(TypeError, match="Layer requires 'n'"):
        check_parameters("Layer", parameters, {})
    with pytest.raises(TypeError, match="Layer has no parameter 'rr'; did you mean r"):
        check_parameters("Layer", (INTEGER, Parameter("rrr", "number", 1)), {"n": 1, "rr": 2})


def test_parameters_are_found_by_name() -> None:
    assert find_parameter((INTEGER, RATE), "r") is RATE
    assert find_parameter((INTEGER, RATE), "x") is None
    assert INTEGER.required
    assert not RATE.required
    assert INTEGER.default is REQUIRED


@pytest.mark.parametrize(
    ("name", "known", "near"),
    [
        ("conv3d", ["Conv2D", "Conv1D", "Dense"], ["Conv2D", "Conv1D"]),
        ("conv2d", ["Conv2D", "Conv1D", "Dense"], ["Conv2D"]),
        ("LR", ["rate", "learning_rate"], ["learning_rate"]),
        ("lr", ["rate"], []),
        ("DENSE", ["Conv2D", "Dense"], ["Dense"]),
        ("zzz", ["Conv2D"], []),
        ("", ["Conv2D"], []),
        ("a" * 10**6, ["aaa"], []),
        (3, ["3"], ["3"]),
    ],
    ids=[
        "near",
        "that very one",
        "of others",
        "unknown here",
        "case",
        "far",
        "empty",
        "long",
        "number",
    ],
)
def test_near_names(name: Any, known: list[str], near: list[str]) -> None:
    assert near_names(name, known) == near
    assert did_you_mean(name, known) == (f"; did you mean {' or '.join(near)}?" if near else "")


@pytest.mark.parametrize(
    ("value", "number", "integer"),
    [
        (3, 3, 3),
        (3.0, 3.0, 3),
        (2.5, 2.5, None),
        (True, None, None),
        ("3", None, None),
        (None, None, None),
        (np.int8(3), 3, 3),
        (np.float64(2.5), 2.5, None),
        (float("inf"), float("inf"), None),
        (10**400, 10**400, 10**400),
        (1 + 0j, None, None),
    ],
    ids=str,
)
def test_numbers_become_pythons_own(value: Any, number: Any, integer: Any) -> None:
    assert repr(as_number(value)) == repr(number)
    assert repr(as_integer(value)) == repr(integer)


# --- schemas -------------------------------------------------------------------------------------

SCHEMAS: Mapping[str, tuple[Parameter, ...]] = {
    **{name: row.parameters for name, row in LAYERS.items()},
    **OPTIMIZERS,
    **SCHEDULES,
    "training": TRAINING,
}


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_default_is_allowed(name: str) -> None:
    parameters = SCHEMAS[name]

    for parameter in parameters:
        if not parameter.required:
            assert parameter.check(parameter.default) == parameter.default
    names = [parameter.name for parameter in parameters]
    assert len(set(names)) == len(names)
    # Positions are the order: what must be given comes first.
    required = [parameter.required for parameter in parameters]
    assert required == sorted(required, reverse=True)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_has_a_rate_and_a_decay(name: str) -> None:
    kinds = {parameter.name: parameter.kind for parameter in OPTIMIZERS[name]}

    assert kinds["learning_rate"] == "schedule"
    assert kinds["weight_decay"] == "number"


def test_losses_have_one_name_each() -> None:
    assert [canonical_loss(name) for name in LOSSES] == list(LOSSES)
    assert {canonical_loss(name) for name in LOSS_ALIASES} == {"cross_entropy"}
    with pytest.raises(ValueError, match=r"loss must be one of cross_entropy, .* but got 'nll'"):
        canonical_loss("nll")


@pytest.mark.parametrize("alias", ALIASES)
def test_every_alias_presets_allowed_values(alias: str) -> None:
    row, preset = find_layer(alias)

    assert row.name == ALIASES[alias][0]
    required = {p.name: 1 for p in row.parameters if p.required}
    assert check_parameters(alias, row.parameters, {**required, **preset}).items() >= preset.items()


def test_a_layer_is_registered_once() -> None:
    with pytest.raises(ValueError, match="a layer named 'Dense' is registered already"):
        register_rows([LAYERS["Dense"]])
    with pytest.raises(ValueError, match="a layer named 'residual' is registered already"):
        register_rows([], {"residual": ("Dense", {})})


# --- expressions ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operator", "operands", "value"),
    [
        ("add", (1, 2), 3),
        ("sub", (1, 2), -1),
        ("mul", (3, 2), 6),
        ("mul", (1.5, 2), 3),
        ("div", (6, 3), 2),
        ("div", (7, 2), 3.5),
        ("div", (10**30, 10), 10**29),
        ("neg", (2,), -2),
        ("add", (0.5, 0.25), 0.75),
    ],
)
def test_arithmetic(operator: str, operands: tuple[Any, ...], value: Any) -> None:
    result = Expression(operator, operands).replace(lambda leaf: leaf)

    assert repr(result) == repr(value)


@pytest.mark.parametrize(
    ("operator", "operands", "message"),
    [
        (
            "pow",
            (1, 2),
            "operator must be one of add, sub, mul, div, neg or channels but got 'pow'",
        ),
        ("add", (1,), "'add' takes 2 operands but got 1"),
        ("neg", (1, 2), "'neg' takes 1 operands but got 2"),
        ("channels", (1,), "'channels' takes 0 or 2 operands but got 1"),
        ("channels", (-1, 0), "channels goes back by integers from 0 on but got -1"),
        ("channels", (0, "a"), "channels goes back by integers from 0 on but got 'a'"),
        ("add", ("a", 1), "an expression is made of numbers but got 'a'"),
        ("add", (None, 1), "an expression is made of numbers but got None"),
        ("add", (True, 1), "an expression is made of numbers but got True"),
        ("add", ((1, 2), 1), r"an expression is made of numbers but got \(1, 2\)"),
        ("add", (Call("a"), 1), "an expression is made of numbers but got Call"),
        ("add", (float("nan"), 1), "an expression is made of finite numbers but got nan"),
    ],
)
def test_expressions_say_rule_and_value(
    operator: str, operands: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Expression(operator, operands)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (Expression("div", (1, 0)), "a division by zero"),
        (Expression("div", (1, 0.0)), "a division by zero"),
        (Expression("div", (10**400, 3)), "an expression comes to a number too large"),
        (Expression("mul", (10**400, 1.5)), "an expression comes to a number too large"),
    ],
    ids=["zero", "float zero", "no float", "float times huge"],
)
def test_arithmetic_that_fails(expression: Expression, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expression.replace(lambda leaf: leaf)


def test_expressions_are_bounded() -> None:
    deep = Expression("neg", (1,))
    for _ in range(99):
        deep = Expression("neg", (deep,))
    with pytest.raises(ValueError, match="may have 100 levels and 10000 operands but has 101 and"):
        Expression("neg", (deep,))

    wide = Expression("add", (1, 1))
    for _ in range(11):
        wide = Expression("add", (wide, wide))
    with pytest.raises(ValueError, match="may have 100 levels and 10000 operands but has 13 and"):
        Expression("add", (wide, wide))


TEXTS: list[tuple[Any, str]] = [
    (None, "none"),
    (True, "true"),
    (3, "3"),
    (1e-5, "1e-05"),
    ("a", '"a"'),
    ('say "a\\b"', r'"say \"a\\b\""'),
    ((1, 2), "(1, 2)"),
    ((1,), "(1,)"),
    (Choice(1, Choice(2, None)), "choice(1, choice(2, none))"),
    (Range(1, 3), "range(1, 3)"),
    (Range(0.0, 0.5, 0.1), "range(0.0, 0.5, step=0.1)"),
    (LogRange(0.1, 1), "log_range(0.1, 1)"),
    (Call("SepConv", {"kernel_size": (3, 3)}), "SepConv(kernel_size=(3, 3))"),
    (Expression("channels"), "channels"),
    (Expression("channels", (2, 1)), "channels(2, 1)"),
    (Expression("mul", (Choice(1, 2, name="w"), 8)), "choice(1, 2) * 8"),
    (Expression("mul", (Expression("add", (1, 2)), 3)), "(1 + 2) * 3"),
    (Expression("add", (Expression("mul", (1, 2)), 3)), "1 * 2 + 3"),
    (Expression("sub", (1, Expression("sub", (2, 3)))), "1 - (2 - 3)"),
    (Expression("sub", (Expression("sub", (1, 2)), 3)), "1 - 2 - 3"),
    (Expression("div", (8, Expression("mul", (2, "channels")))), "8 / (2 * channels)"),
    (Expression("neg", (Expression("add", (1, 2)),)), "-(1 + 2)"),
    (Expression("mul", (Expression("neg", (1,)), 2)), "(-1) * 2"),
]


@pytest.mark.parametrize(("value", "text"), TEXTS, ids=[text for _, text in TEXTS])
def test_values_have_a_text(value: Any, text: str) -> None:
    assert value_text(value) == text
    if isinstance(value, Choice | Range | LogRange | Expression):
        assert str(value) == text


@given(value=expressions(expressions(integers(), division=True), division=True))
def test_the_text_of_arithmetic_means_the_same(value: Expression) -> None:
    text = str(value)
    try:
        number = value.replace(lambda leaf: leaf)
    except ValueError:
        with pytest.raises(ZeroDivisionError):
            eval(text)
    else:
        assert eval(text) == pytest.approx(number)


def test_channels_are_resolved_wherever_they_stand() -> None:
    half = Expression("div", ("channels", 2))
    before = Expression("channels", (2, 1))
    widths = {(0, 0): 8, (2, 1): 3}

    def width(back: int, up: int) -> int:
        return widths[back, up]

    value = (half, Call("SepConv", {"filters": Expression("add", (before, half)), "s": 1}), 5, "a")
    assert resolve_channels(value, width) == (4, Call("SepConv", {"filters": 7, "s": 1}), 5, "a")
    assert resolve_channels(Expression("channels"), width) == 8
    assert resolve_channels(before, width) == 3
    assert [uses_channels(v) for v in (half, before, value, Expression("neg", (1,)), 3)] == [
        *(True, True, True, False, False),
    ]
    assert [uses_channels(v, far=True) for v in (half, before, value)] == [False, True, True]
    assert list(Expression("add", (before, half)).leaves()) == [before, "channels", 2]


# --- plain data ----------------------------------------------------------------------------------


@given(value=PLAIN_VALUES)
def test_plain_values_survive_json(value: Any) -> None:
    assert from_plain(json.loads(json.dumps(to_plain(value)))) == value
    assert frozen(value) == value


@given(
    value=open_integers()
    | expressions(choices(integers()) | ranges(), division=True)
    | st.tuples(open_integers(), integers())
    | st.builds(lambda v: Call("SepConv", {"kernel_size": v}), open_integers())
)
def test_open_values_survive_json(value: Any) -> None:
    data = json.loads(json.dumps(to_plain(value)))

    assert value_from_plain(data) == value
    assert hash(value_from_plain(data)) == hash(value)
    assert pickle.loads(pickle.dumps(value)) == value
    with pytest.raises(ValueError, match="a value must be plain"):
        from_plain({"hpo": data})


def test_values_are_frozen_and_their_own() -> None:
    params = {"kernel_size": [3, 3], "filters": np.int64(8)}
    call = Call("SepConv", params)
    params["filters"] = 9

    assert call == Call("SepConv", {"filters": 8, "kernel_size": (3, 3)})
    assert hash(call) == hash(Call("SepConv", {"filters": 8, "kernel_size": (3, 3)}))
    assert json.dumps(call.to_plain())
    assert repr(Choice([1, np.float64(2)], None).values) == "((1, 2.0), None)"
    assert repr(Range(1, np.int64(3))) == repr(Range(1, 3))  # type: ignore[arg-type]
    for value, name in (
        (call, "type"),
        (Choice(1), "values"),
        (Expression("neg", (1,)), "operands"),
    ):
        with pytest.raises(AttributeError):
            setattr(value, name, ())


# --- open values ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "is_integer", "size", "numbers"),
    [
        (Range(1, 4), True, 4, [1, 2, 3, 4]),
        (Range(2, 8, 3), True, 3, [2, 5, 8]),
        (Range(5, 5), True, 1, [5]),
        (Range(1, 4, 1.5), False, 3, [1.0, 2.5, 4.0]),
        (Range(0.1, 0.5, 0.1), False, 5, [0.1, 0.2, 0.3, 0.4, 0.5]),
        (Range(0.0, 1.0), False, float("inf"), [0.0]),
        (Range(0.5, 0.5), False, 1, [0.5]),
        (Range(-2, 2, 2), True, 3, [-2, 0, 2]),
        (Range(1e-13, 3e-13, 1e-13), False, 3, [1e-13, 2e-13, 3e-13]),
    ],
    ids=str,
)
def test_ranges_know_their_numbers(
    value: Range, is_integer: bool, size: float, numbers: list[float]
) -> None:
    assert (value.is_integer, value.size(), value.numbers()) == (is_integer, size, numbers)
    if not is_integer and size < float("inf") and value.step is not None:
        trial = RandomTrial(0)
        drawn = {
            trial.suggest_float("x", value.low, value.high, step=value.step) for _ in range(200)
        }
        assert drawn == set(numbers)


@pytest.mark.parametrize(
    ("value", "is_integer", "size"),
    [
        (LogRange(1, 8), True, 8),
        (LogRange(0.1, 1), False, float("inf")),
        (LogRange(0.5, 0.5), False, 1),
    ],
    ids=str,
)
def test_log_ranges_know_their_size(value: LogRange, is_integer: bool, size: float) -> None:
    assert (value.is_integer, value.size()) == (is_integer, size)


def test_integral_floats_are_integers_where_an_integer_is_wanted() -> None:
    wanted = {
        "units": (Range(1.0, 5.0, 2.0), Range(1, 5, 2)),
        "whole": (Range(1.0, 8.0), Range(1, 8)),
        "log": (LogRange(1.0, 8.0), LogRange(1, 8)),
        "choice": (Choice(8.0, Range(1.0, 2.0)), Choice(8, Range(1, 2))),
        "plain": (1e3, 1000),
        "arithmetic": (Expression("mul", (2.0, 1.5)), 3),
    }
    for given_value, normal in wanted.values():
        conformed = Layer("Dense", given_value).params["units"]
        assert repr(conformed) == repr(normal)
    # Where a number is wanted, it is left as it is written.
    assert repr(Layer("LayerNormalization", Range(1.0, 2.0)).params["epsilon"].low) == "1.0"
    assert Repeat("ReLU", Range(1.0, 3.0)).count == Range(1, 3)
    assert repr(Repeat("ReLU", 3.0).count) == "3"


def test_sizes_are_exact_however_large() -> None:
    assert Range(1, 10**30).size() == 10**30
    assert Range(0.0, 1e30, 0.5).size() == 2 * 10**30 + 1


def test_random_trials_stay_in_bounds_and_reach_both_ends() -> None:
    trial = RandomTrial(1)

    assert {trial.suggest_int("x", 1, 7, step=3) for _ in range(99)} == {1, 4, 7}
    logs = [trial.suggest_int("x", 1, 4, log=True) for _ in range(999)]
    assert set(logs) == {1, 2, 3, 4}
    assert logs.count(1) > 2 * logs.count(4)
    floats = [trial.suggest_float("x", 0.1, 10.0, log=True) for _ in range(999)]
    assert all(0.1 <= value <= 10 for value in floats)
    assert 400 < sum(value < 1 for value in floats) < 600
    flat = [trial.suggest_float("x", -1.0, 1.0) for _ in range(999)]
    assert all(-1 <= value <= 1 for value in flat)
    assert {trial.suggest_categorical("x", "abc") for _ in range(99)} == {"a", "b", "c"}
    assert RandomTrial(3).suggest_float("x", 0, 1) == RandomTrial(3).suggest_float("x", 0, 1)
