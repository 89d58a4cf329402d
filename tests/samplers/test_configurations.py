from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import BaseTrial, FixedTrial

from neural_automl.samplers._define_by_run import (
    Configuration,
    NumericDistribution,
    changeable,
    complete,
    contains,
    crossover,
    draw,
    draw_value,
    from_unit,
    is_long,
    mutate,
    n_values,
    neighbours,
    other_value,
    other_values,
    perturbed,
    propose_new,
    replay,
    to_unit,
    trial_rng,
)
from tests.samplers.spaces import cells, tree

SEEDS = st.integers(0, 2**32)
DISTRIBUTIONS: dict[str, BaseDistribution] = {
    "categories": CategoricalDistribution(["a", None, 3, 0.5]),
    "nan": CategoricalDistribution([float("nan"), 1.0]),
    "int": IntDistribution(-3, 100),
    "short int": IntDistribution(2, 4),
    "int step": IntDistribution(-10, 10, step=4),
    "int log": IntDistribution(1, 1000, log=True),
    "float": FloatDistribution(-1.0, 3.0),
    "float step": FloatDistribution(-10.2, 10.2, step=0.1),
    "float log": FloatDistribution(1e-7, 10.0, log=True),
}
NUMERIC = {k: v for k, v in DISTRIBUTIONS.items() if isinstance(v, NumericDistribution)}


def _valid(configuration: Configuration) -> bool:
    return (
        tree(FixedTrial(dict(configuration.values))) == configuration.result
        and replay(tree, configuration.values) == configuration
    )


@pytest.mark.parametrize("distribution", DISTRIBUTIONS.values(), ids=DISTRIBUTIONS)
def test_values_are_of_their_distribution(distribution: BaseDistribution) -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        value = draw_value(distribution, rng)
        other = other_value(distribution, value, rng)
        others = other_values(distribution, value, rng)

        assert contains(distribution, value)
        assert not isinstance(value, np.generic)
        assert contains(distribution, other)
        assert distribution.to_internal_repr(other) != distribution.to_internal_repr(value)
        assert all(contains(distribution, x) for x in others)
        assert value not in others


@pytest.mark.parametrize("distribution", NUMERIC.values(), ids=NUMERIC)
@given(unit=st.floats(0, 1))
def test_unit_interval_and_back(distribution: NumericDistribution, unit: float) -> None:
    value = from_unit(distribution, unit)

    assert contains(distribution, value)
    assert 0 <= to_unit(distribution, value) <= 1
    assert from_unit(distribution, to_unit(distribution, value)) == pytest.approx(value)


@pytest.mark.parametrize(
    ("distribution", "number"),
    [
        (DISTRIBUTIONS["categories"], 4),
        (DISTRIBUTIONS["int step"], 6),
        (DISTRIBUTIONS["float step"], 205),
        (DISTRIBUTIONS["float"], float("inf")),
        (FloatDistribution(1.0, 1.0), 1),
    ],
)
def test_number_of_values(distribution: BaseDistribution, number: float) -> None:
    assert n_values(distribution) == number


def test_steps_have_equal_shares() -> None:
    values = [from_unit(IntDistribution(0, 3), unit) for unit in np.linspace(0.001, 0.999, 1000)]

    assert np.bincount(values).tolist() == [250, 250, 250, 250]


@pytest.mark.parametrize(
    ("distribution", "value"),
    [
        (DISTRIBUTIONS["int"], "text"),
        (DISTRIBUTIONS["int"], 101),
        (DISTRIBUTIONS["int step"], -9),
        (DISTRIBUTIONS["float log"], -1.0),
        (DISTRIBUTIONS["categories"], "b"),
        (DISTRIBUTIONS["float"], float("nan")),
    ],
)
def test_values_outside(distribution: BaseDistribution, value: object) -> None:
    assert not contains(distribution, value)


@given(seed=SEEDS)
def test_every_move_gives_a_valid_configuration(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = draw(tree, rng), draw(tree, rng)

    for moved in (
        first,
        mutate(tree, first, rng),
        mutate(tree, first, rng, n_changes=100),
        crossover(tree, first, second, rng),
        *neighbours(tree, first, rng),
    ):
        assert _valid(moved)


@given(seed=SEEDS)
def test_mutation_changes_and_keeps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    parent = draw(cells, rng)
    child = mutate(cells, parent, rng, n_changes=2)

    assert sum(parent.values[name] != child.values[name] for name in parent.values) == 2


@given(seed=SEEDS)
def test_crossover_takes_from_both(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first, second = draw(tree, rng), draw(tree, rng)
    child = crossover(tree, first, second, rng)

    for name, value in child.values.items():
        parents = [p.values[name] for p in (first, second) if name in p.values]
        assert not parents or value in parents


def test_neighbours_are_every_single_edit() -> None:
    rng = np.random.default_rng(0)
    start = draw(cells, rng)
    found = list(neighbours(cells, start, rng))

    assert len(set(found)) == len(found) == 8
    assert all(
        sum(start.values[name] != near.values[name] for name in start.values) == 1 for near in found
    )


def test_neighbours_that_leave_long_ranges_alone() -> None:
    rng = np.random.default_rng(0)
    start = draw(tree, rng)
    found = list(neighbours(tree, start, rng, long_ranges=False))

    assert found
    assert all(near.values["rate"] == start.values["rate"] for near in found)


def _rates(trial: BaseTrial) -> list[float]:
    kind = trial.suggest_categorical("kind", ["a", "b"])
    return [trial.suggest_float(f"rate_{kind}_{i}", 1e-5, 1.0, log=True) for i in range(3)]


@given(seed=SEEDS)
def test_numbers_move_together_and_the_rest_stays(seed: int) -> None:
    rng = np.random.default_rng(seed)
    start = draw(_rates, rng)
    moved = perturbed(_rates, start, rng, scales=(0.01,))

    assert moved is not None
    assert moved.values["kind"] == start.values["kind"]
    changed = [name for name, value in start.values.items() if moved.values[name] != value]
    assert 1 <= len(changed) <= 3
    for name in changed:
        distribution = start.distributions[name]
        assert isinstance(distribution, NumericDistribution)
        step = to_unit(distribution, moved.values[name]) - to_unit(distribution, start.values[name])
        assert abs(step) < 0.1


def test_nothing_to_move() -> None:
    rng = np.random.default_rng(0)

    assert perturbed(cells, draw(cells, rng), rng) is None
    start = draw(_rates, rng)
    assert perturbed(_rates, start, rng, fixed=start.values) is None


@pytest.mark.parametrize(
    ("distribution", "long"),
    [
        (DISTRIBUTIONS["float"], True),
        (DISTRIBUTIONS["int"], True),
        (DISTRIBUTIONS["short int"], False),
        (DISTRIBUTIONS["categories"], False),
        (CategoricalDistribution(list(range(100))), False),
        (FloatDistribution(1.0, 1.0), False),
    ],
)
def test_long_ranges(distribution: BaseDistribution, long: bool) -> None:
    assert is_long(distribution) == long


def test_numbers_near_an_end_do_not_heap_up_there() -> None:
    rng = np.random.default_rng(0)
    found = [x for _ in range(200) for x in other_values(FloatDistribution(0, 1), 0.02, rng)]

    assert not {0.0, 1.0} & set(found)


def test_neighbours_reach_other_depths_and_keep_the_rest() -> None:
    rng = np.random.default_rng(1)
    start = complete(tree, {"depth": 2}, rng)
    depths = {near.values["depth"]: near for near in neighbours(tree, start, rng)}

    assert set(depths) == {1, 2, 3}
    assert depths[3].values["kind_0"] == start.values["kind_0"]
    assert depths[3].values["rate"] == start.values["rate"]


def test_completion_keeps_what_is_valid_and_draws_the_rest() -> None:
    given_values = {"depth": 2, "kind_0": "conv", "kernel_0": 4, "kind_1": "skip", "unknown": 1}
    found = complete(tree, given_values, np.random.default_rng(0)).values

    assert (found["depth"], found["kind_0"], found["kind_1"]) == (2, "conv", "skip")
    assert found["kernel_0"] in (1, 3, 5)
    assert "unknown" not in found


@given(seed=SEEDS)
def test_fixed_values_hold_in_every_move(seed: int) -> None:
    rng = np.random.default_rng(seed)
    fixed = {"depth": 2, "kind_1": "conv"}
    start = draw(tree, rng, fixed)
    moves = [
        start,
        mutate(tree, draw(tree, rng), rng, 3, fixed),
        crossover(tree, draw(tree, rng), draw(tree, rng), rng, fixed),
        *neighbours(tree, start, rng, fixed=fixed),
    ]

    assert all(move.values.items() >= fixed.items() for move in moves)
    assert "depth" not in changeable(start, fixed)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"depth": 1, "kind_0": "skip", "rate": 0.1},
        {"depth": 9, "kind_0": "skip", "rate": 0.1, "units": 16},
        {"depth": "one", "kind_0": "skip", "rate": 0.1, "units": 16},
    ],
    ids=["nothing", "one missing", "out of range", "of another type"],
)
def test_values_that_leave_something_open_are_no_configuration(values: dict[str, object]) -> None:
    assert replay(tree, values) is None


def test_replay_drops_foreign_names() -> None:
    values = {"depth": 1, "kind_0": "skip", "rate": 0.1, "units": 16}
    found = replay(tree, {**values, "foreign": 1})

    assert found is not None
    assert found.values == values


def test_equality_is_of_values() -> None:
    rng = np.random.default_rng(0)
    one = draw(cells, rng)
    values = dict(reversed(list(one.values.items())))
    turned = Configuration(values, one.distributions, "other result")

    assert turned == one
    assert hash(turned) == hash(one)
    assert mutate(cells, one, rng) != one
    assert one != "text"


def test_nan_categories_are_equal() -> None:
    def suggest(trial: BaseTrial) -> float:
        value: float = trial.suggest_categorical("x", [float("nan"), 1.0])
        return value

    drawn = {draw(suggest, np.random.default_rng(seed)) for seed in range(20)}

    assert len(drawn) == 2


def test_first_new_feasible_candidate_is_proposed_and_the_rest_never_made() -> None:
    rng = np.random.default_rng(0)
    made = []
    asked = []

    def candidates() -> object:
        for cell in ("aaaa", "aaab", "aaac", "aabb", "aabc"):
            made.append(cell)
            yield complete(cells, {f"edge_{i}": x for i, x in enumerate(cell)}, rng)

    def feasible(result: tuple[str, ...]) -> bool:
        asked.append("".join(result))
        return "".join(result) != "aaab"

    first = next(candidates())  # type: ignore[call-overload]
    made.clear()
    found = propose_new(
        candidates(),  # type: ignore[arg-type]
        seen={first.key, "aaac"},
        feasible=feasible,
        identity="".join,
    )

    assert found is not None
    assert found.result == ("a", "a", "b", "b")
    assert made == ["aaaa", "aaab", "aaac", "aabb"]
    assert asked == ["aaab", "aaac", "aabb"]


def test_proposals_end() -> None:
    rng = np.random.default_rng(0)
    start = draw(cells, rng)

    assert propose_new([start], seen={start.key}) is None
    assert propose_new([start, start], feasible=lambda _: False) is None
    endless = (draw(cells, rng) for _ in iter(int, 1))
    assert propose_new(endless, feasible=lambda _: False, max_attempts=5) is None


def test_constraint_that_suggest_breaks_is_infeasible() -> None:
    def suggest(trial: BaseTrial) -> int:
        width = trial.suggest_int("width", 1, 10)
        trial.set_constraint("narrow", width - 5)
        return width

    rng = np.random.default_rng(0)
    found = [propose_new(draw(suggest, rng) for _ in range(50)) for _ in range(20)]

    assert all(each is not None and each.result <= 5 for each in found)


def test_random_numbers_belong_to_seed_and_trial() -> None:
    def numbers(seed: int | None, trial: int, stream: str = "") -> float:
        return float(trial_rng(seed, trial, stream).random())

    assert numbers(0, 3) == numbers(0, 3)
    assert len({numbers(0, 3), numbers(0, 4), numbers(1, 3), numbers(0, 3, "x")}) == 4
    assert numbers(None, 3) != numbers(None, 3)
