"""What `check` proves of a space, against every point of it; limits; draws; summaries."""

from __future__ import annotations

import json
from math import inf
from typing import Any

import pytest
from hypothesis import assume, given, settings

from neural_automl.architecture import Architecture, LayerConfig
from neural_automl.architecture_space import (
    ArchitectureSpace,
    Call,
    Cell,
    Choice,
    Constraint,
    Expression,
    Layer,
    LayerChoice,
    LogRange,
    Maybe,
    Parallel,
    Range,
    Repeat,
    Residual,
    as_constraints,
)
from neural_automl.architecture_space._reach import least_costs
from neural_automl.cost import Cost
from neural_automl.exceptions import (
    DSLError,
    NoFeasibleArchitectureError,
    ShapeError,
    SpaceError,
    UnknownLayerError,
)
from tests.enumeration import enumerate_points
from tests.strategies import spaces


@settings(max_examples=200)
@given(space=spaces(training=False))
def test_check_lets_every_space_with_a_feasible_point_pass(space: ArchitectureSpace) -> None:
    assume(space.get_search_space_size() <= 500)
    points = [point.architecture for point in enumerate_points(space)]
    follow = [point for point in points if "shape" not in space.violations(point)]

    if any(not space.violations(point) for point in points):
        space.check()
    if follow:
        # Bounds are bounds: no point costs less than what `check` compares limits with.
        least = least_costs(space.input_shape, space._located())
        assert least is None or least.params <= min(point.cost.params for point in follow)
        assert least is None or least.macs <= min(point.cost.macs for point in follow)


IMAGE = (8, 8, 3)
LARGE = Layer("Conv2D", 4, 9)  # a window larger than the image

IMPOSSIBLE: dict[str, tuple[tuple[int, ...], list[Any], str]] = {
    "one layer": (IMAGE, [LARGE], "layers[0]: a window of 9 does not fit into 8"),
    "after open ones": (
        IMAGE,
        [Layer("Conv2D", Choice(4, 8), 3), Maybe("ReLU"), LARGE],
        "layers[2]: a window of 9 does not fit into 6",
    ),
    "in every alternative": (
        IMAGE,
        ["ReLU", LayerChoice([LARGE, Layer("LSTM", 3)])],
        "layers[1][0]: a window of 9 does not fit into 8",
    ),
    "whatever the value": (
        IMAGE,
        [Layer("Conv2D", 4, Choice(9, 11))],
        "layers[0]: a window of 9 does not fit into 8",
    ),
    "whatever the shape before": (
        IMAGE,
        [Layer("MaxPooling2D", Choice(2, 4)), Layer("LSTM", 3)],
        "layers[1]: needs an input of shape (length, width) but gets",
    ),
    "in a residual": (
        IMAGE,
        [Residual(["ReLU", LARGE])],
        "layers[0][1]: a window of 9 does not fit into 8",
    ),
    "a residual that no stride projects": (
        IMAGE,
        [Residual(Layer("Conv2D", 3, 4))],
        "layers[0]: a residual can't project a size of 8 to 5",
    ),
    "in a branch": (
        IMAGE,
        [Parallel(["ReLU", ["ReLU", LARGE]])],
        "layers[0][1][1]: a window of 9 does not fit into 8",
    ),
    "branches that do not merge": (
        IMAGE,
        [Parallel([[], Layer("Conv2D", 4, 3)], merge="add")],
        "layers[0]: the shapes to merge must be equal but are (8, 8, 3), (6, 6, 4)",
    ),
    "in the least number of copies": (
        IMAGE,
        [Repeat(Layer("Conv2D", 3, 4), Range(3, 5))],
        "layers[0][2][0]: a window of 4 does not fit into 2",
    ),
    "a cell that agrees on no shape": (
        IMAGE,
        [Cell(3, ["FactorizedReduce"])],
        "layers[0]: no operations on the way to node 2 of the cell give equal shapes",
    ),
    "an operation of a cell": (
        (7, 8, 3),
        [Cell(2, ["FactorizedReduce"])],
        "layers[0].edge_0_1: needs an even height and width but gets (7, 8)",
    ),
    "arithmetic that is no integer": (
        IMAGE,
        [Layer("Conv2D", Expression("div", (Choice(3, 5), 2)), 3)],
        "layers[0]: 'filters' must be an integer but got 1.5",
    ),
    "a width that is no integer": (
        IMAGE,
        [Layer("Conv2D", Expression("div", ("channels", 2)), 1)],
        "layers[0]: 'filters' must be an integer but got 1.5",
    ),
}


@pytest.mark.parametrize(("shape", "layers", "message"), IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_check_finds_the_layer_that_cannot_follow(
    shape: tuple[int, ...], layers: list[Any], message: str
) -> None:
    space = ArchitectureSpace(shape, layers)

    with pytest.raises(ShapeError) as caught:
        space.check()

    assert str(caught.value).startswith(message)
    # No choice mends it: every draw is infeasible too.
    drawn = [space.sample_architecture(seed, feasible=False) for seed in range(20)]
    assert [space.violations(architecture) for architecture in drawn] == [{"shape": 1.0}] * 20


POSSIBLE: dict[str, tuple[tuple[int, ...], list[Any]]] = {
    "one alternative of two": (IMAGE, [LayerChoice([LARGE, "ReLU"])]),
    "left out": (IMAGE, [Maybe(LARGE)]),
    "no copy": (IMAGE, [Repeat(LARGE, Choice(0, 1))]),
    "one value of two": (IMAGE, [Layer("Conv2D", 4, Choice(9, 3))]),
    "a cell that changes the shape": (IMAGE, [Cell(2, ["FactorizedReduce"]), "Flatten"]),
    "a cell that changes the width once": (
        IMAGE,
        [Cell(3, [Call("Dense", {"units": 5})]), Layer("Reshape", (64, 5))],
    ),
    "a float step in arithmetic": (
        (4,),
        [
            Layer("Dense", Expression("mul", (Range(0.5, 2.0, step=0.5), 4))),
            Layer("Reshape", (4, 2)),
        ],
    ),
    "one operand twice": (
        (4,),
        [
            Layer("Dense", Expression("add", (WIDTH := Choice(1, 2), WIDTH))),
            Layer("Reshape", (3, 1)),
        ],
    ),
    "too much is open": ((4,), [Layer("Dense", Range(1, 10_000)), Layer("LSTM", 3)]),
    "continuous arithmetic": (
        (4,),
        [Layer("Dense", Expression("mul", (Range(0.5, 2.0), 4))), Layer("LSTM", 3)],
    ),
    "a division by zero somewhere": (
        (4,),
        [Layer("Dense", Expression("div", (4, Choice(0, 2))))],
    ),
}


@pytest.mark.parametrize(("shape", "layers"), POSSIBLE.values(), ids=POSSIBLE)
def test_check_claims_nothing_that_it_does_not_know(
    shape: tuple[int, ...], layers: list[Any]
) -> None:
    ArchitectureSpace(shape, layers).check()


def test_check_does_not_look_for_longer_than_anyone_waits() -> None:
    kernels = Layer("Conv2D", Choice(*range(1, 17)), Choice(1, 2, 3), strides=Choice(1, 2))
    space = ArchitectureSpace((64, 64, 3), [Repeat(kernels, Range(1, 9000))])

    space.check()


LIMITS = {
    "params": ("params", 10, "every one has at least 15 params"),
    "macs": ("macs", 11, "every one has at least 12 macs"),
    "flops": ("flops", 23, "every one has at least 24 flops"),
}


@pytest.mark.parametrize(("metric", "limit", "message"), LIMITS.values(), ids=LIMITS)
def test_check_proves_limits_too_small(metric: str, limit: int, message: str) -> None:
    layers = [Maybe(Layer("Dense", 4)), Layer("Dense", Choice(3, 5))]
    space = ArchitectureSpace((4,), layers, constraints={metric: limit})

    with pytest.raises(NoFeasibleArchitectureError, match=message):
        space.check()
    ArchitectureSpace((4,), layers, constraints={metric: limit * 3}).check()
    ArchitectureSpace((4,), layers, constraints=[Constraint(metric, ">=", limit)]).check()


# --- limits --------------------------------------------------------------------------------------

COST = Cost(params=100, macs=50, peak_memory_bytes=400, depth=3)


@pytest.mark.parametrize(
    ("metric", "op", "limit", "excess"),
    [
        ("params", "<=", 100, 0.0),
        ("params", "<=", 99, 1.0),
        ("params", "<", 101, -1.0),
        ("params", "<", 100, 1.0),
        ("params", ">=", 100, 0.0),
        ("params", ">=", 130, 30.0),
        ("params", ">", 100, 1.0),
        ("params", ">", 99, -1.0),
        ("macs", "<=", 40.5, 9.5),
        ("flops", "<=", 60, 40.0),
        ("peak_memory", "<=", 300, 100.0),
        ("depth", "<=", 2, 1.0),
    ],
)
def test_excess_is_above_zero_where_a_limit_is_broken(
    metric: str, op: str, limit: float, excess: float
) -> None:
    constraint = Constraint(metric, op, limit)

    assert constraint.excess(COST) == excess
    assert (excess > 0) == (not constraint.is_met(COST.value(metric)))


def test_excess_of_a_cost_beyond_the_floats_is_finite() -> None:
    cost = Cost(params=10**400, macs=0, peak_memory_bytes=0, depth=0)

    assert Constraint("params", "<=", 10).excess(cost) > 1e299
    assert Constraint("params", ">=", 10.5).excess(cost) < 0


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"parms": 3}, "must limit one of params, macs, .* but got 'parms'; did you mean params?"),
        ({5: 3}, "must limit one of .* but got '5'"),
        ([{"metric": 5, "op": "<", "limit": 1}], "must limit one of .* but got 5"),
        ([{"metric": "params", "op": "==", "limit": 1}], "operator must be one of .* got '=='"),
        ({"params": "many"}, "the limit of params must be a number but got 'many'"),
        ({"params": True}, "the limit of params must be a number but got True"),
        ({"params": inf}, "the limit of params must be a number but got inf"),
        ({"params": float("nan")}, "the limit of params must be a number but got nan"),
        ("params", "must be a mapping of metrics to limits, or a list, but got 'params'"),
        (3, "must be a mapping of metrics to limits, or a list, but got 3"),
        ([3], "must have 'metric', 'op' and 'limit' but got 3"),
        ([{"metric": "params"}], "must have 'metric', 'op' and 'limit' but got"),
    ],
)
def test_constraints_say_rule_and_value(given: Any, message: str) -> None:
    with pytest.raises(SpaceError, match=message):
        as_constraints(given)


def test_constraints_in_any_form_are_equal() -> None:
    limit = Constraint("params", "<=", 1e3)

    assert limit.limit == 1000
    assert isinstance(limit.limit, int)
    assert str(limit) == "params <= 1,000"
    assert as_constraints({"params": 1000}) == (limit,)
    assert as_constraints([limit, limit.to_dict()]) == (limit, limit)


def test_violations_say_by_how_much() -> None:
    limits = [
        Constraint("params", "<=", 10),
        Constraint("params", "<=", 5),
        Constraint("params", ">=", 5),
        Constraint("depth", ">", 1),
    ]
    space = ArchitectureSpace((4,), [Layer("Dense", 3)], constraints=limits)
    architecture = space.sample_architecture(feasible=False)

    # 15 parameters: of two limits on one cost, the one broken by most.
    assert space.violations(architecture) == {"params": 10.0, "depth": 1.0}
    assert space.violations(Architecture((4,), (LayerConfig("LSTM", {"units": 1}),))) == {
        "shape": 1.0
    }
    with pytest.raises(UnknownLayerError, match=r"layers\[0\]: unknown layer 'Dens'"):
        space.violations(Architecture((4,), (LayerConfig("Dens"),)))


# --- draws and summaries -------------------------------------------------------------------------


def test_samples_meet_the_constraints() -> None:
    space = ArchitectureSpace((4,), [Layer("Dense", Range(1, 100))], constraints={"params": 50})

    drawn = [space.sample_architecture(seed) for seed in range(30)]

    assert all(architecture.cost.params <= 50 for architecture in drawn)
    assert len(set(drawn)) > 3
    assert space.sample_architecture(7) == space.sample_architecture(7)
    free = [space.sample_architecture(seed, feasible=False) for seed in range(30)]
    assert any(architecture.cost.params > 50 for architecture in free)


@pytest.mark.parametrize(
    ("layers", "constraints", "message"),
    [
        ([Layer("Dense", 9)], {"params": 3}, r"none of 1000 .* \(params <= 3\)"),
        ([Layer("LSTM", 3)], {}, r"none of 1000 .* \(shapes that follow\)"),
    ],
)
def test_sampling_gives_up(layers: list[Any], constraints: Any, message: str) -> None:
    space = ArchitectureSpace((4,), layers, constraints=constraints)

    with pytest.raises(NoFeasibleArchitectureError, match=message):
        space.sample_architecture(0)


def test_describe_puts_a_space_in_numbers() -> None:
    space = ArchitectureSpace(
        (4,),
        [
            Layer("Dense", Choice(1, 3, name="w"), activation=Choice("relu", None)),
            LayerChoice([Layer("Dense", 2), Layer("LSTM", 1)]),
        ],
        {"optimizer.learning_rate": LogRange(0.1, 1.0), "training.epochs": Range(1, 9, step=4)},
        {"params": 15},
        name="Small",
    )

    summary = space.describe(seed=1)

    assert (summary.name, summary.size) == ("Small", inf)
    assert (summary.samples, summary.complete, summary.architectures) == (8, True, 8)
    assert summary.decisions == {
        "w": "choice(1, 3)",
        "layers[0].Dense.activation": 'choice("relu", none)',
        "layers[1].choice": "Dense | LSTM",
        "optimizer.learning_rate": "log_range(0.1, 1.0)",
        "training.epochs": "range(1, 9, step=4)",
    }
    # Half take the layer whose shape follows; of these, half are small enough.
    assert summary.feasible == 0.25
    assert summary.infeasible == {"layers[1][1]": 4, "params <= 15": 2}
    assert summary.costs["params"] == (9, 9, 23)
    assert summary.costs["depth"] == (2, 2, 2)
    assert [extreme["w"] for extreme in summary.extremes["params"]] == [1, 3]
    assert (summary.distinct, summary.distinct_is_bound) == (4, False)
    assert (summary.tied, summary.idle) == ({}, ())
    assert json.loads(json.dumps(summary.to_dict()))["size"] == "inf"
    with pytest.raises(ValueError, match="`samples` must be at least 1 but got 0"):
        space.describe(samples=0)


def test_what_is_drawn_estimates_how_many_functions_there_are() -> None:
    # 10 * 10 * 2 pairs of widths and orders of two branches, which compute the same.
    space = ArchitectureSpace(
        (4,),
        [
            Layer("Dense", Range(1, 10)),
            Layer("Dense", Range(1, 10)),
            LayerChoice(
                [
                    Parallel(["ReLU", Layer("Activation", "gelu")], merge="add"),
                    Parallel([Layer("Activation", "gelu"), "ReLU"], merge="add"),
                ]
            ),
        ],
    )

    summary = space.describe(samples=150)

    assert (summary.samples, summary.complete) == (150, False)
    assert 70 <= summary.distinct <= 140
    assert space.describe(samples=200).distinct == 100
    assert space.describe(samples=3, seed=1).distinct_is_bound


def test_decisions_that_never_matter_and_those_that_are_tied() -> None:
    width = Choice(2, 3, name="w")
    space = ArchitectureSpace(
        (6, 6, 2),
        [
            Layer("Conv2D", width, 1),
            Parallel(
                [
                    Layer("Conv2D", width, 1),
                    [
                        Layer("Conv2D", Choice(5, 7), 1, use_bias=False),
                        "Zero",
                        Layer("Conv2D", width, 1, use_bias=False),
                    ],
                ],
                merge="add",
            ),
            Maybe(Layer("MaxPooling2D", 1)),
            "Flatten",
            Layer("Dense", Choice(2, 3)),
        ],
        {"training.batch_size": Choice(8, 16)},
    )

    summary = space.describe()

    assert summary.tied == {"w": 3}
    assert summary.idle == ("layers[1][1][0].Conv2D.filters", "layers[2].maybe")
    assert summary.distinct == 4


def test_describe_of_a_space_without_a_point_has_no_costs() -> None:
    summary = ArchitectureSpace((4,), [Layer("LSTM", 3)]).describe(samples=5)

    assert (summary.size, summary.feasible, summary.costs) == (1, 0.0, {})


def test_sizes_beyond_the_floats_are_exact_and_can_be_shown() -> None:
    space = ArchitectureSpace((4,), [Repeat(Layer("Dense", Range(1, 1000)), Range(1, 2000))])
    size = space.get_search_space_size()

    assert size == sum(1000**count for count in range(1, 2001))
    assert "1.0e+6000 configurations" in repr(space)
    assert json.loads(json.dumps(space.describe(samples=1).to_dict()))["size"] == "1.0e+6000"
    space.add_hyperparameter("optimizer.learning_rate", Range(0.1, 0.2))
    assert space.get_search_space_size() == inf


def test_memory_may_be_spelt_as_costs_spell_it() -> None:
    limit = Constraint("peak_memory_bytes", "<=", 1024)
    text = "network N { input: (4,) layers: Dense(2) constraints { peak_memory_bytes <= 1KB } }"

    assert limit == Constraint("peak_memory", "<=", 1024)
    assert limit.to_dict()["metric"] == "peak_memory"
    assert ArchitectureSpace.from_dsl(text).constraints == (limit,)
    twice = text.replace("<= 1KB", "<= 1KB peak_memory <= 2KB")
    with pytest.raises(DSLError, match="'peak_memory <=' is given twice"):
        ArchitectureSpace.from_dsl(twice)


def test_a_tie_named_like_a_training_section_is_gone_through() -> None:
    width = Choice(2, 3, 4, name="training")
    space = ArchitectureSpace((4,), [Layer("Dense", width), Layer("Dense", width)])

    summary = space.describe()

    assert (summary.samples, summary.distinct, summary.complete) == (3, 3, True)
    assert list(space.decisions(training=False)) == ["training"]
